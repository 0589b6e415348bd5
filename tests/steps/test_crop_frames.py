import numpy as np
import pytest
from jwst import datamodels

from coronx.errors import InputError
from coronx.models.arrays import PLANES
from coronx.models.pointing import StarPlace, find_star, mask_place, record_star
from coronx.steps.coron.align_refs import AlignRefsStep
from coronx.steps.coron.crop_frames import CropFramesStep
from coronx.steps.coron.klip import KlipStep
from coronx.steps.coron.pad_frames import PadFramesStep
from coronx.steps.coron.stack_refs import StackRefsStep

SIDES = ["12", "7", "20", "3"]


def test_four_sides_are_left_right_bottom_top(make_miri):
    model = make_miri()
    result = CropFramesStep.call(model, npix=SIDES)
    for name in PLANES:
        np.testing.assert_array_equal(getattr(result, name), getattr(model, name)[:, 20:-3, 12:-7])
    assert result.meta.coronx.crop_frames == "COMPLETE"
    np.testing.assert_allclose(
        result.meta.wcs(30.0, 40.0), model.meta.wcs(42.0, 60.0), rtol=0, atol=1e-9
    )
    assert result.meta.subarray.xstart == model.meta.subarray.xstart + 12


@pytest.mark.parametrize("make", ["make_exposure", "make_miri"])
def test_cropping_undoes_padding(make, request):
    model = request.getfixturevalue(make)()
    back = CropFramesStep.call(PadFramesStep.call(model, npix=SIDES), npix=SIDES)
    for name in PLANES:
        np.testing.assert_array_equal(getattr(back, name), getattr(model, name))
    assert mask_place(back) == pytest.approx(mask_place(model))
    assert back.meta.subarray.instance == model.meta.subarray.instance
    assert back.meta.wcsinfo.crpix1 == pytest.approx(model.meta.wcsinfo.crpix1, abs=1e-9)
    for x, y in ((0.0, 0.0), (150.0, 170.0), (200.0, 3.0)):
        np.testing.assert_allclose(back.meta.wcs(x, y), model.meta.wcs(x, y), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("center", "place"),
    [("frame", (143.5, 111.5)), ("star", (130.2, 105.9)), ("mask", (119.75, 112.24))],
)
def test_a_window_about_a_place(make_miri, center, place):
    model, size = make_miri(), ["60", "41"]
    record_star(model, StarPlace(130.2, 105.9, "given"))
    result = CropFramesStep.call(model, size=size, center=center)
    nx, ny = int(size[0]), int(size[-1])
    assert result.shape == (3, ny, nx)
    area, then = result.meta.subarray, model.meta.subarray
    moved = np.array([area.xstart - then.xstart, area.ystart - then.ystart])
    off = np.array(place) - moved - [(nx - 1) / 2, (ny - 1) / 2]
    assert np.abs(off).max() <= 0.5
    x, y = moved
    np.testing.assert_array_equal(result.data, model.data[:, y : y + ny, x : x + nx])
    star = find_star(result)
    assert (star.x + x, star.y + y) == pytest.approx((130.2, 105.9))


def test_a_margin_comes_off_before_the_window_is_cut(make_miri):
    model = make_miri()
    both = CropFramesStep.call(model, npix=["40", "0", "0", "0"], size=100)
    # 248 x 224 pixels are left, of which 74 and 62 are below the window.
    np.testing.assert_array_equal(both.data, model.data[:, 62:162, 114:214])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "npix and size: neither is given; say what to crop"),
        ({"npix": 112}, r"_calints\.fits: nothing is left of 288 x 224 pixels .* crop less"),
        ({"npix": [-1]}, "npix = -1: a negative number"),
        ({"npix": [1, 2, 3]}, "npix = 1, 2, 3: 3 numbers of pixels"),
        ({"size": [0]}, r"_calints\.fits: size 0; one positive number"),
        ({"size": [1, 2, 3]}, "size 1, 2, 3; one positive number, or two"),
        ({"size": ["x"]}, "size = x: not whole numbers"),
        ({"size": 225}, r"_calints\.fits: a window of 225 x 225 .* reaches 1 pixels beyond"),
        ({"size": [250, 100], "center": "mask"}, r"_calints.fits: a window .* crop less"),
    ],
)
def test_what_cannot_be_cropped_is_refused(make_miri, options, message):
    with pytest.raises(InputError, match=message):
        CropFramesStep.call(make_miri(), **options)


def test_a_mask_of_unknown_place(make_miri):
    model = make_miri()
    model.meta.instrument.coronagraph = "NONE"
    with pytest.raises(InputError, match="where the mask is is not known"):
        CropFramesStep.call(model, size=50, center="mask")


def test_a_file_and_an_association(miri_association, members_of, tmp_path):
    names = [name for name, _ in members_of(miri_association)]
    alone = CropFramesStep.call(str(miri_association.parent / names[0]), size=90, center="mask")
    CropFramesStep.call(
        str(miri_association), size=90, center="mask", save_results=True, output_dir=str(tmp_path)
    )
    cropped = [name.replace("calints", "cropped") for name in names]
    made = tmp_path / "star_cropped_asn.json"
    assert members_of(made) == [(cropped[0], "science"), (cropped[1], "psf")]
    with datamodels.open(str(tmp_path / cropped[0])) as model:
        np.testing.assert_array_equal(model.data, alone.data)
    with datamodels.open(str(tmp_path / cropped[1])) as model:
        assert model.shape == (2, 90, 90)


def test_the_star_is_subtracted_as_from_the_whole_frame(target, references, aligned):
    sides = ["40", "50", "60", "30"]
    small = [CropFramesStep.call(model, npix=sides) for model in (target, *references)]
    subtracted = KlipStep.call(target, aligned)
    small_aligned = AlignRefsStep.call(small[0], StackRefsStep.call(small[1:]))
    result = KlipStep.call(small[0], small_aligned)
    table, other = aligned.reference_shifts, small_aligned.reference_shifts
    for axis in ("x", "y"):
        # Fewer pixels tell less of the shift.
        assert np.abs(other[f"d{axis}"] - table[f"d{axis}"]).max() < table[f"sigma_{axis}"].max()
    record, then = small_aligned.meta.coronx, aligned.meta.coronx
    assert (record.mask_x, record.mask_y) == pytest.approx((then.mask_x - 40, then.mask_y - 60))
    off = (
        np.abs(result.data - subtracted.data[:, 60:-30, 40:-50]) / subtracted.err[:, 60:-30, 40:-50]
    )
    assert np.nanmedian(off) < 0.04
    assert np.nanmax(off) < 1.5
