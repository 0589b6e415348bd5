import logging

import numpy as np
import pytest

from coronx.models import integrations
from coronx.models.integrations import coadd_table, combine_tables, runs_of, select
from coronx.models.schema import extend

NINTS = 5


@pytest.fixture
def exposure(make_miri):
    """An exposure of 5 integrations with every table that goes by integration."""
    model = extend(make_miri(nints=NINTS))
    number = np.arange(NINTS)
    for name in ("levels", "star_places", "frame_shifts"):
        table = np.zeros(NINTS, model.get_dtype(name))
        table["integration"] = number + 1
        setattr(model, name, table)
    model.levels["level"], model.levels["sigma"] = 10.0 + number, 0.3
    places = model.star_places
    places["x"], places["y"], places["good"] = 120.0 + number, 113.0 - number, 1
    places["sigma_x"] = places["sigma_y"] = 0.2
    shifts = model.frame_shifts
    shifts["exposure"], shifts["dx"], shifts["sigma_x"] = "one.fits", 0.5 * number, 0.01
    shifts["converged"] = 1, 1, 1, 1, 0
    return model


def numbers(table):
    return table["integration"].tolist()


def test_the_same_integrations_of_everything(exposure):
    model, keep = exposure.copy(), [0, 2, 4]
    select(model, keep)
    for name in ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat"):
        np.testing.assert_array_equal(getattr(model, name), getattr(exposure, name)[keep])
    assert model.levels["level"].tolist() == [10.0, 12.0, 14.0]
    assert model.star_places["x"].tolist() == [120.0, 122.0, 124.0]
    assert model.frame_shifts["dx"].tolist() == [0.0, 1.0, 2.0]
    for name in model.int_times.dtype.names[1:]:
        np.testing.assert_array_equal(model.int_times[name], exposure.int_times[name][keep])
    # Rows are numbered as the planes are; where they name the exposure, as they were in it.
    assert model.int_times["integration_number"].tolist() == [1, 2, 3]
    assert numbers(model.levels) == numbers(model.star_places) == [1, 2, 3]
    assert numbers(model.frame_shifts) == numbers(model.planes) == [1, 3, 5]
    assert set(model.planes["exposure"].astype(str)) == {exposure.meta.filename}


def test_numbers_and_times_of_what_is_left(exposure):
    model = exposure.copy()
    select(model, [1, 3])
    meta, then = model.meta.exposure, exposure.meta.exposure
    assert (meta.nints, meta.integration_start, meta.integration_end) == (2, 1, 2)
    for name in ("exposure_time", "effective_exposure_time", "measurement_time"):
        assert getattr(meta, name) == pytest.approx(0.4 * getattr(then, name))
    assert meta.integration_time == then.integration_time
    assert (meta.start_time, meta.end_time) == (then.start_time, then.end_time)


def test_a_second_choice_remembers_the_first(exposure):
    select(exposure, [0, 2, 4])
    select(exposure, [1, 2])
    assert numbers(exposure.planes) == [3, 5]


BLOCKS = (slice(0, 2), slice(2, 4), slice(4, 5))


def combined(model, blocks=BLOCKS):
    result = model.copy()
    for name in ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat"):
        setattr(result, name, getattr(model, name)[: len(blocks)])
    combine_tables(result, blocks)
    return result


def test_rows_are_combined_as_integrations_are(exposure):
    made = combined(exposure)
    assert made.levels["level"].tolist() == [10.5, 12.5, 14.0]
    np.testing.assert_allclose(made.levels["sigma"], [0.3 / 2**0.5, 0.3 / 2**0.5, 0.3])
    assert made.star_places["x"].tolist() == [120.5, 122.5, 124.0]
    np.testing.assert_allclose(made.star_places["sigma_y"][:2], 0.2 / 2**0.5)
    assert made.frame_shifts["dx"].tolist() == [0.25, 1.25, 2.0]
    assert made.frame_shifts["converged"].tolist() == [1, 1, 0]
    assert numbers(made.levels) == [1, 2, 3]
    meta = made.meta.exposure
    assert (meta.nints, meta.integration_start, meta.integration_end) == (3, 1, 3)


def test_times_are_from_the_first_start_to_the_last_end(exposure):
    made, then = combined(exposure).int_times, exposure.int_times
    assert made["integration_number"].tolist() == [1, 2, 3]
    for frame in ("MJD_UTC", "BJD_TDB"):
        start, mid, end = (f"int_{at}_{frame}" for at in ("start", "mid", "end"))
        np.testing.assert_array_equal(made[start], then[start][[0, 2, 4]])
        np.testing.assert_array_equal(made[end], then[end][[1, 3, 4]])
        np.testing.assert_allclose(made[mid], 0.5 * (made[start] + made[end]), rtol=1e-15)


def test_a_place_that_was_not_measured_is_left_out(exposure):
    exposure.star_places["x"][1], exposure.star_places["good"][1] = np.nan, 0
    exposure.star_places["good"][4] = 0
    made = combined(exposure).star_places
    assert made["x"].tolist() == [120.0, 122.5, 124.0]
    assert made["sigma_x"][0] == pytest.approx(0.2)
    assert made["good"].tolist() == [1, 1, 0]


def test_which_integrations_made_each_is_kept(exposure):
    made = combined(exposure)
    assert [tuple(row) for row in made.coadded] == [(1, 1, 2, 2), (2, 3, 4, 2), (3, 5, 5, 1)]
    again = combined(made, (slice(0, 2), slice(2, 3)))
    assert [tuple(row) for row in again.coadded] == [(1, 1, 4, 4), (2, 5, 5, 1)]
    kept = made.copy()
    select(kept, [1, 2])
    assert [tuple(row) for row in kept.coadded] == [(1, 3, 4, 2), (2, 5, 5, 1)]
    whole, part = made.meta.exposure.exposure_time, kept.meta.exposure.exposure_time
    assert part == pytest.approx(whole * 3 / 5)
    assert [tuple(row) for row in coadd_table(exposure)] == [(n, n, n, 1) for n in range(1, 6)]


def test_runs_begin_where_another_exposure_does(exposure):
    assert runs_of(exposure) == [0]
    table = np.zeros(NINTS, exposure.get_dtype("planes"))
    table["exposure"] = ["a", "a", "b", "b", "b"]
    exposure.planes = table
    assert runs_of(exposure) == [0, 2]


def test_a_table_of_unknown_meaning_is_dropped_and_told(exposure, caplog, monkeypatch):
    monkeypatch.delitem(integrations._RULES, "level")
    made = combined(exposure)
    assert getattr(made, "levels", None) is None
    (told,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert (
        told
        == f"{exposure.meta.filename}: table levels is left out, since level cannot be combined"
    )
    assert made.star_places["x"].tolist() == [120.5, 122.5, 124.0]


def test_tables_survive_a_file(exposure, tmp_path):
    made = combined(exposure)
    made.save(str(tmp_path / "made.fits"))
    with type(made)(str(tmp_path / "made.fits")) as back:
        extend(back)
        for name in ("coadded", "levels", "star_places", "int_times"):
            assert [tuple(r) for r in getattr(back, name)] == [
                tuple(r) for r in getattr(made, name)
            ]
