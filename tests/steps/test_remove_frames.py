import logging

import numpy as np
import pytest
from jwst import datamodels
from jwst.datamodels import ModelContainer

from coronx.errors import InputError
from coronx.models.schema import extend
from coronx.steps.coron.remove_frames import RemoveFramesStep
from coronx.steps.coron.stack_refs import StackRefsStep


@pytest.fixture(scope="module")
def exposure(make_miri):
    """An exposure of five integrations, the third spoilt, the star of the last astray."""
    model = extend(make_miri(nints=5))
    model.data[2, :100] = np.nan
    model.dq[1, :60] |= 4
    table = np.zeros(5, model.get_dtype("star_places"))
    table["integration"], table["good"] = np.arange(1, 6), 1
    table["x"], table["y"] = (120.0, 120.1, 119.9, np.nan, 122.0), 113.0
    table["good"][3] = 0
    model.star_places = table
    return model


def numbers(model):
    return model.planes["integration"].tolist()


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"integrations": 2}, [1, 3, 4, 5]),
        ({"integrations": ["1", "3-4"]}, [2, 5]),
        ({"integrations": ["jw99999001*_calints.fits:1", "5"]}, [2, 3, 4]),
        ({"max_bad_fraction": 0.3}, [1, 2, 4, 5]),
        ({"max_bad_fraction": 0.2, "bad_bits": ["DO_NOT_USE", "JUMP_DET"]}, [1, 4, 5]),
        ({"max_star_offset": 1.0}, [1, 2, 3, 4]),
        ({"max_star_offset": 1.0, "max_bad_fraction": 0.3, "integrations": "1"}, [2, 4]),
        ({"max_bad_fraction": 0.9}, [1, 2, 3, 4, 5]),
    ],
)
def test_what_is_asked_for_is_removed(exposure, options, left):
    result = RemoveFramesStep.call(exposure, **options)
    assert numbers(result) == left
    at = np.array(left) - 1
    for name in ("data", "err", "dq", "var_rnoise"):
        np.testing.assert_array_equal(getattr(result, name), getattr(exposure, name)[at])
    np.testing.assert_array_equal(result.star_places["x"], exposure.star_places["x"][at])
    start = "int_start_MJD_UTC"
    np.testing.assert_array_equal(result.int_times[start], exposure.int_times[start][at])
    assert result.meta.exposure.nints == len(left)
    assert result.meta.coronx.remove_frames == "COMPLETE"


def test_what_was_removed_is_told(exposure, caplog):
    caplog.set_level(logging.INFO)
    RemoveFramesStep.call(exposure, integrations=["1", "3-4"])
    assert f"{exposure.meta.filename}: integrations removed: 1, 3, 4" in caplog.messages


def test_a_stack_names_the_integrations_that_are_left(make_exposure):
    stars = [make_exposure(f"star_{n}_calints.fits", nints=2, seed=1) for n in (1, 2)]
    kept = RemoveFramesStep.call(stars, integrations=["star_2*:1"])
    stack = StackRefsStep.call(kept)
    assert stack.planes["exposure"].astype(str).tolist() == [
        *["star_1_calints.fits"] * 2,
        "star_2_calints.fits",
    ]
    assert numbers(stack) == [1, 2, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "none is given; say what to remove"),
        ({"integrations": ["1-5"]}, r"_calints\.fits: no science integration would be left"),
        ({"exposures": ["*"]}, r"_calints\.fits: no science integration would be left"),
        ({"max_bad_fraction": 0.0}, "no science integration would be left; remove fewer"),
        ({"integrations": [6]}, r"integrations = 6: \* has no more than 5; give numbers from 1"),
        ({"integrations": [0]}, r"integrations = 0: \* has no more than 5"),
        ({"integrations": ["two"]}, "integrations = two: not a number"),
        ({"integrations": ["jw2*:1"]}, r"jw2\*: no exposure has that name; there are jw9.*\.fits"),
        ({"exposures": ["jw2*"]}, r"jw2\*: no exposure has that name"),
    ],
)
def test_what_cannot_be_removed_is_refused(exposure, options, message):
    with pytest.raises(InputError, match=message):
        RemoveFramesStep.call(exposure, **options)


def test_places_that_no_step_has_measured(make_miri):
    with pytest.raises(InputError, match=r"STARPOS.*leave max_star_offset out"):
        RemoveFramesStep.call(make_miri(), max_star_offset=1.0)


def test_a_file_and_an_association(miri_association, members_of, tmp_path):
    (science, _), (psf, _) = members_of(miri_association)
    alone = RemoveFramesStep.call(str(miri_association.parent / science), integrations="2")
    RemoveFramesStep.call(
        str(miri_association),
        integrations=[f"{science}:2", "jw99999002*:1"],
        save_results=True,
        output_dir=str(tmp_path),
    )
    kept = [name.replace("calints", "kept") for name in (science, psf)]
    made = tmp_path / "star_kept_asn.json"
    assert members_of(made) == [(kept[0], "science"), (kept[1], "psf")]
    with datamodels.open(str(tmp_path / kept[0])) as model:
        np.testing.assert_array_equal(model.data, alone.data)
        assert numbers(extend(model)) == numbers(alone) == [1, 3]
    with datamodels.open(str(tmp_path / kept[1])) as model:
        assert numbers(extend(model)) == [2]


def test_exposures_leave_their_association(make_miri, miri_association, members_of, caplog):
    models = [make_miri(n, nints=2) for n in (1, 2, 3)]
    models[2].data[:] = np.nan
    container = ModelContainer(models)
    caplog.set_level(logging.INFO)
    left = RemoveFramesStep.call(container, exposures=["jw99999001*"], max_bad_fraction=0.5)
    assert [model.meta.filename for model in left] == [models[1].meta.filename]
    assert f"{models[0].meta.filename}: removed" in caplog.messages
    # Of an association's two kinds, neither may be emptied.
    (science, _), (psf, _) = members_of(miri_association)
    for name, role in ((science, "science"), (psf, "psf")):
        with pytest.raises(InputError, match=f"{name}: no {role} integration would be left"):
            RemoveFramesStep.call(str(miri_association), exposures=[name])
