import json

import numpy as np
import pytest
from astropy.table import Table
from jwst import datamodels
from scipy.ndimage import map_coordinates

from coronx import InjectStep
from coronx.errors import InputError
from coronx.models.pointing import find_star, sky_matrix
from coronx.models.star_places import record_places
from coronx.refdata.modes import MODES
from coronx.refdata.star_flux import sum_of
from coronx.refdata.transmission import transmission
from tests.point_sources import gaussian
from tests.steps.psf_image import SIGMA, ring, write_model, write_psf

MODE = MODES["nircam-335r"]
AREA = (0.063 / 206264.806) ** 2
STAR_JY = 2.0


@pytest.fixture(scope="module")
def psf_file(tmp_path_factory):
    return write_psf(tmp_path_factory.mktemp("psf") / "psf.fits")


@pytest.fixture(scope="module")
def options(psf_file):
    return {"psf_file": psf_file, "star_jy": STAR_JY, "companions": ["1.9:40:1e-4"]}


def expected(model, separation, angle, jansky, star=None):
    """A companion that is a Gaussian, behind the mask."""
    place = find_star(model) if star is None else star
    x0, y0 = (place.x, place.y) if star is None else place
    offset = separation * np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])
    x, y = np.array([x0, y0]) + sky_matrix(model, find_star(model)) @ offset
    through = transmission(MODE)
    low = through[int(y) : int(y) + 2, int(x) : int(x) + 2]
    part = np.array([1 - x % 1, x % 1])
    share = float(np.array([1 - y % 1, y % 1]) @ low @ part)
    return share * sum_of(jansky, AREA) * gaussian(model.shape[-2:], x, y, SIGMA), (x, y)


def same_light(added, wanted, loose=2e-4):
    good = np.isfinite(added)
    assert good.any()
    assert np.abs(added - wanted)[good].max() < loose * wanted.max()


def test_a_companion_is_where_and_as_bright_as_told(target, options):
    before = target.data.copy()
    result = InjectStep.call(target, **options)
    np.testing.assert_array_equal(target.data, before)
    assert target.meta.coronx.inject is None if hasattr(target.meta, "coronx") else True
    wanted, (x, y) = expected(target, 1.9, 40.0, 1e-4 * STAR_JY)
    for image, old in zip(result.data, before, strict=True):
        same_light(image.astype(float) - old, wanted)
    # What was bad is bad, and nothing else was touched.
    np.testing.assert_array_equal(np.isnan(result.data), np.isnan(before))
    for name in ("err", "dq", "var_poisson", "var_rnoise"):
        np.testing.assert_array_equal(getattr(result, name), getattr(target, name))
    assert result.meta.coronx.inject == "COMPLETE"
    (row,) = result.injected
    assert row["kind"] == "companion"
    assert (row["separation_arcsec"], row["pa_deg"]) == (1.9, 40.0)
    np.testing.assert_allclose(
        [row["east_arcsec"], row["north_arcsec"]],
        [1.9 * np.sin(np.radians(40)), 1.9 * np.cos(np.radians(40))],
    )
    assert row["flux_jy"] == pytest.approx(1e-4 * STAR_JY)
    assert row["contrast"] == pytest.approx(1e-4)
    np.testing.assert_allclose([row["x"], row["y"]], [x + 1, y + 1])


def test_it_follows_the_star_of_each_integration(target, options):
    model = target.copy()
    at = np.array([[150.4, 173.2], [151.0, 172.5]])
    record_places(model, at, np.full((2, 2), 0.01), np.ones(2, bool), source="test")
    result = InjectStep.call(model, **options)
    for n, star in enumerate(at):
        wanted, _ = expected(model, 1.9, 40.0, 1e-4 * STAR_JY, star=tuple(star))
        same_light(result.data[n].astype(float) - model.data[n], wanted)
    given = InjectStep.call(model, star_center=[140.0, 180.0], **options)
    wanted, _ = expected(model, 1.9, 40.0, 1e-4 * STAR_JY, star=(140.0, 180.0))
    same_light(given.data[1].astype(float) - model.data[1], wanted)


def test_fluxes_in_jansky_need_no_star(target, psf_file):
    result = InjectStep.call(target, psf_file=psf_file, unit="Jy", companions=["1.9:40:2e-4"])
    wanted, _ = expected(target, 1.9, 40.0, 2e-4)
    same_light(result.data[0].astype(float) - target.data[0], wanted)
    assert np.isnan(result.injected["contrast"][0])


def test_a_table_of_companions(target, options, tmp_path):
    table = Table({"separation": [1900.0, 1500.0], "pa": [40.0, 200.0], "contrast": [1e-4, 3e-4]})
    table["separation"].unit, table["pa"].unit = "mas", "deg"
    table.write(tmp_path / "two.ecsv")
    more = {**options, "companions": []}
    result = InjectStep.call(target, table=str(tmp_path / "two.ecsv"), **more)
    wanted = sum(expected(target, s, a, c * STAR_JY)[0]
                 for s, a, c in ((1.9, 40.0, 1e-4), (1.5, 200.0, 3e-4)))  # fmt: skip
    same_light(result.data[0].astype(float) - target.data[0], wanted)
    # What one run recorded another takes.
    Table(np.asarray(result.injected)).write(tmp_path / "again.ecsv")
    again = InjectStep.call(target, table=str(tmp_path / "again.ecsv"), **more)
    np.testing.assert_allclose(again.data, result.data, rtol=1e-6)


@pytest.mark.parametrize("unit", ["contrast", "Jy", "MJy/sr"])
def test_a_model_image(target, options, tmp_path, unit):
    values = 1e-3 * ring()  # of the star's flux, or of 1 Jy
    if unit == "MJy/sr":
        values = values * 1e-6 / (0.05 / 206264.806) ** 2  # of 1 Jy, too
    path = write_model(tmp_path / "disk.fits", values)
    more = {**options, "companions": [], "model_unit": unit}
    result = InjectStep.call(target, model=path, **more)
    added = (result.data.astype(float) - target.data)[0]
    flux = 1e-3 * (STAR_JY if unit == "contrast" else 1.0)
    (row,) = result.injected
    assert row["kind"] == "disk.fits"
    assert row["flux_jy"] == pytest.approx(flux, rel=1e-6)
    axis = 0.05 * (np.arange(101) - 50)
    sky = np.stack(np.meshgrid(-axis, axis))
    star = find_star(target)
    x, y = np.tensordot(sky_matrix(target, star), sky, 1) + np.array([[[star.x]], [[star.y]]])
    share = (ring() * map_coordinates(transmission(MODE), [y, x], order=1)).sum()
    assert 0.85 < share < 0.95
    # Some of it is on bad pixels.
    assert np.nansum(added) == pytest.approx(share * sum_of(flux, AREA), rel=0.01)
    bare = write_model(tmp_path / "bare.fits", values, step=None)
    same = InjectStep.call(target, model=bare, model_scale=0.05, **more)
    np.testing.assert_array_equal(same.data, result.data)


def test_photon_noise(target, options):
    bright = {**options, "companions": ["2.5:40:3e-2"], "noise": True}
    plain = InjectStep.call(target, **{**bright, "noise": False})
    one, two, other = (InjectStep.call(target, seed=seed, **bright) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.data, two.data)
    assert not np.array_equal(one.data[0], other.data[0], equal_nan=True)
    light = np.nan_to_num(plain.data.astype(float) - target.data)
    variance = 0.01 * np.clip(light, 0, None)  # as the exposure's own photons have it
    np.testing.assert_allclose(one.var_poisson - target.var_poisson, variance, rtol=0.02, atol=0.02)
    np.testing.assert_allclose(
        one.err**2, target.err**2 + (one.var_poisson - target.var_poisson), rtol=1e-4, atol=1e-3
    )
    some = np.isfinite(one.data) & (light > 0.05 * light.max())
    pull = (one.data - plain.data)[some] / np.sqrt(variance[some])
    assert pull.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * pull.size))
    np.testing.assert_array_equal(one.var_rnoise, target.var_rnoise)
    # The integrations have noise of their own.
    assert abs(np.corrcoef((one.data - plain.data)[:, some[0]])[0, 1]) < 0.3


def test_twice_is_twice(target, options, caplog):
    once = InjectStep.call(target, **options)
    twice = InjectStep.call(once, **options)
    assert "injected into it before" in caplog.text
    np.testing.assert_allclose(
        twice.data - once.data, once.data - target.data, atol=2e-4 * np.nanmax(once.data)
    )
    assert list(twice.injected["source"]) == [1, 2]


def test_an_association(tmp_path, make_association, options):
    asn = make_association(tmp_path, nints=1)
    out = tmp_path / "out"
    InjectStep.call(str(asn), save_results=True, output_dir=str(out), **options)
    (made,) = out.glob("*_asn.json")
    (product,) = json.loads(made.read_text())["products"]
    kinds = [member["exptype"] for member in product["members"]]
    assert kinds == ["science"] * 2 + ["psf"] * 3
    for member in product["members"]:
        assert member["expname"].endswith("_injected.fits")
        name = member["expname"].replace("_injected", "_calints")
        with (
            datamodels.open(str(out / member["expname"])) as new,
            datamodels.open(str(tmp_path / name)) as old,
        ):
            changed = not np.array_equal(new.data, old.data, equal_nan=True)
            assert changed == (member["exptype"] == "science")
            assert new.meta.coronx.inject == ("COMPLETE" if changed else "SKIPPED")
            text = "".join(e["description"] for e in new._asdf.get_history_entries())
            assert "1.9:40:1e-4" in text.replace(" ", "").replace("\n", "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"psf_file": None}, "no PSF for F356W"),
        ({"star_jy": None}, "star's flux in F356W is not known"),
        ({"companions": []}, "nothing to inject"),
        ({"companions": ["1.2:40"]}, "1.2:40'.*1.2:40:1e-5"),
        ({"companions": ["-1:40:1e-5"]}, "separation"),
        ({"companions": ["1:nan:1e-5"]}, "separation"),
        ({"companions": ["30:40:1e-5"]}, r"target_00001.*30:40:1e-05.*outside of the frame of 320"),
        ({"unit": "magnitudes"}, "'unit': the value \"magnitudes\""),
        ({"model_unit": "ergs"}, "'model_unit': the value \"ergs\""),
        ({"table": "nowhere.ecsv"}, "nowhere.ecsv: no such file"),
        ({"model": "nowhere.fits"}, "nowhere.fits: no such file"),
    ],
)
def test_bad_options(target, options, change, words, monkeypatch):
    for name in ("STPSF_PATH", "WEBBPSF_PATH"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match=words):
        InjectStep.call(target, **{**options, **change})


def test_bad_tables_and_exposures(target, references, options, tmp_path):
    def refused(words, init=target, **change):
        with pytest.raises(InputError, match=words):
            InjectStep(**{**options, **change}).process(init)

    for name, columns, words in (
        ("no", {"pa": [1.0], "contrast": [1.0]}, "no column separation_arcsec or separation"),
        ("unit", {"separation": [1.0], "pa": [1.0], "flux": [1.0]}, "no column contrast"),
        ("nan", {"separation": [np.nan], "pa": [1.0], "contrast": [1.0]}, "not all are numbers"),
        ("text", {"separation": ["far"], "pa": [1.0], "contrast": [1.0]}, "give numbers in arcsec"),
    ):
        path = tmp_path / f"{name}.ecsv"
        Table(columns).write(path)
        refused(words, table=str(path))
    (tmp_path / "bad.ecsv").write_text("no table")
    refused("not a table", table=str(tmp_path / "bad.ecsv"))
    refused("no exposure of exptype science", references[0])
    for change, words in (
        (lambda m: setattr(m.meta, "bunit_data", "DN/s"), "in DN/s, not MJy/sr"),
        (lambda m: setattr(m.meta.instrument, "coronagraph", "NONE"), "is no coronagraph"),
        (lambda m: setattr(m.meta, "wcs", None), r"no WCS \(gwcs\)"),
        (lambda m: setattr(m, "var_poisson", np.zeros(m.shape, "f4")), "VAR_POISSON"),
    ):
        model = target.copy()
        change(model)
        refused(words, model, noise=True)
