import numpy as np
import pytest
from jwst import datamodels
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError
from coronx.models.pointing import mask_place
from coronx.steps.coron.align_refs import AlignRefsStep
from coronx.steps.coron.klip import KlipStep
from coronx.steps.coron.pad_frames import PadFramesStep
from coronx.steps.coron.stack_refs import StackRefsStep

SIDES = ["12", "7", "20", "3"]
NOTHING = pixel["DO_NOT_USE"] | pixel["NON_SCIENCE"]


def test_one_number_pads_all_sides(make_miri):
    model = make_miri()
    result = PadFramesStep.call(model, npix=4)
    assert result.shape == (3, 232, 296)
    np.testing.assert_array_equal(result.data[:, 4:-4, 4:-4], model.data)
    assert (result.dq[:, :4] == NOTHING).all()
    assert (result.dq[:, 4:-4, -4:] == NOTHING).all()
    assert result.meta.coronx.pad_frames == "COMPLETE"


def test_four_sides_are_left_right_bottom_top(make_miri):
    model = make_miri()
    result = PadFramesStep.call(model, npix=SIDES)
    np.testing.assert_array_equal(result.data[:, 20:-3, 12:-7], model.data)
    for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat"):
        assert np.isnan(getattr(result, name)[:, :20]).all(), name


def test_a_value_of_ones_own(make_miri):
    result = PadFramesStep.call(make_miri(), npix=4, cval=0.0)
    assert not result.data[:, :4].any()
    assert np.isfinite(result.err[:, :4]).all()
    assert (result.dq[:, :4] == NOTHING).all()


def test_twice_is_twice(make_miri):
    model = make_miri()
    twice = PadFramesStep.call(PadFramesStep.call(model, npix=2), npix=3)
    once = PadFramesStep.call(model, npix=5)
    for name in ("data", "err", "dq"):
        np.testing.assert_array_equal(getattr(twice, name), getattr(once, name))
    assert mask_place(twice) == pytest.approx(mask_place(once))
    assert twice.meta.subarray.instance == once.meta.subarray.instance
    np.testing.assert_allclose(twice.meta.wcs(9.0, 8.0), once.meta.wcs(9.0, 8.0), atol=1e-11)


@pytest.mark.parametrize(
    ("npix", "message"),
    [
        ([], r"npix = nothing: 0 numbers of pixels; one for all sides, or four"),
        (["1", "2"], r"npix = 1, 2: 2 numbers of pixels"),
        (["-3"], r"npix = -3: a negative number of pixels"),
        (["4", "4", "4", "-1"], r"npix = 4, 4, 4, -1: a negative number"),
        (["2.5"], r"npix = 2\.5: not whole numbers"),
    ],
)
def test_what_cannot_be_padded_is_refused(make_miri, npix, message):
    with pytest.raises(InputError, match=message):
        PadFramesStep.call(make_miri(), npix=npix)


def test_a_file_and_an_association(miri_association, members_of, tmp_path):
    names = [name for name, _ in members_of(miri_association)]
    alone = PadFramesStep.call(str(miri_association.parent / names[0]), npix=8)
    PadFramesStep.call(str(miri_association), npix=8, save_results=True, output_dir=str(tmp_path))
    padded = [name.replace("calints", "padded") for name in names]
    made = tmp_path / "star_padded_asn.json"
    assert {path.name for path in tmp_path.iterdir()} == {*padded, made.name}
    assert members_of(made) == [(padded[0], "science"), (padded[1], "psf")]
    with datamodels.open(str(tmp_path / padded[0])) as model:
        np.testing.assert_array_equal(model.data, alone.data)
        assert model.meta.subarray.xsize == 304
    with datamodels.open(str(tmp_path / padded[1])) as model:
        assert model.shape == (2, 240, 304)


def test_the_star_is_subtracted_as_from_frames_without_margin(target, references, aligned):
    wide = [PadFramesStep.call(model, npix=SIDES) for model in (target, *references)]
    subtracted = KlipStep.call(target, aligned)
    wide_aligned = AlignRefsStep.call(wide[0], StackRefsStep.call(wide[1:]))
    result = KlipStep.call(wide[0], wide_aligned)
    table, other = aligned.reference_shifts, wide_aligned.reference_shifts
    for axis in ("dx", "dy"):
        assert np.abs(other[axis] - table[axis]).max() < 2e-4
    # The hole is the same hole, 12 and 20 pixels further on.
    record, then = wide_aligned.meta.coronx, aligned.meta.coronx
    assert (record.mask_x, record.mask_y) == pytest.approx((then.mask_x + 12, then.mask_y + 20))
    inside = result.data[:, 20:-3, 12:-7]
    assert np.isnan(result.data).sum() == result.data.size - inside.size + np.isnan(inside).sum()
    np.testing.assert_array_equal(np.isnan(inside), np.isnan(subtracted.data))
    off = np.abs(inside - subtracted.data) / subtracted.err
    # Moved references ring at another place where the frame ends elsewhere.
    assert np.nanmax(off[:, 30:-30, 30:-30]) < 0.2
    assert np.nanmedian(off) < 0.03
