import numpy as np
import pytest
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.models.arrays import PLANES
from coronx.models.pointing import StarPlace, find_star, mask_place, record_mask, record_star
from coronx.models.reframe import crop_frame, pad_frame
from coronx.models.schema import extend
from coronx.ops.geometry import Sides

SIDES = Sides(12, 7, 20, 3)
NOTHING = pixel["DO_NOT_USE"] | pixel["NON_SCIENCE"]


@pytest.fixture(params=["nircam", "miri"])
def exposure(request, make_exposure, make_miri):
    """An exposure with all that can be in one."""
    model = make_exposure(roll=33.0) if request.param == "nircam" else make_miri(nints=2, roll=70.0)
    ny, nx = model.shape[-2:]
    model.area = np.linspace(0.9, 1.1, ny * nx).reshape(ny, nx).astype("f4")
    record_star(model, StarPlace(140.5, 110.25, "given"))
    extend(model)
    for name in ("star_places", "levels"):
        table = np.zeros(2, model.get_dtype(name))
        table["integration"] = 1, 2
        setattr(model, name, table)
    model.star_places["x"], model.star_places["y"] = (141.0, 142.0), (111.0, 112.0)
    return model


def box_of(model):
    return model.meta.wcs.bounding_box.bounding_box(order="F")


def region(model):
    return np.array(model.meta.wcsinfo.s_region.split()[2:], float)


def test_the_margin_is_flagged_and_pixels_keep_their_values(exposure):
    padded = exposure.copy()
    pad_frame(padded, SIDES)
    ny, nx = exposure.shape[-2:]
    inside = (slice(20, 20 + ny), slice(12, 12 + nx))
    outside = np.ones(padded.shape[-2:], bool)
    outside[inside] = False
    assert padded.shape == (2, ny + 23, nx + 19)
    for name in PLANES:
        values = getattr(padded, name)
        assert values.shape == padded.shape
        np.testing.assert_array_equal(values[:, *inside], getattr(exposure, name), err_msg=name)
        margin = values[:, outside]
        # Peers leave the margin unflagged.
        assert (margin == NOTHING).all() if name == "dq" else np.isnan(margin).all()
    np.testing.assert_array_equal(padded.area[inside], exposure.area)
    assert (padded.area[outside] == 1.0).all()


def test_a_margin_of_zeros_has_no_nan(exposure):
    clean = exposure.copy()
    for name in PLANES:
        setattr(clean, name, np.nan_to_num(getattr(clean, name)))
    pad_frame(clean, SIDES, value=5.0)
    assert (clean.data[:, 0] == 5.0).all()
    assert all(np.isfinite(getattr(clean, name)).all() for name in PLANES)
    assert not clean.err[:, 0].any()
    assert (clean.dq[:, 0] == NOTHING).all()


def test_sky_star_mask_and_subarray_follow(exposure):
    padded = exposure.copy()
    pad_frame(padded, SIDES)
    for x, y in ((0.0, 0.0), (17.3, 200.1), (140.5, 110.25)):
        np.testing.assert_allclose(
            padded.meta.wcs(x + 12, y + 20), exposure.meta.wcs(x, y), rtol=0, atol=1e-9
        )
    ny, nx = padded.shape[-2:]
    assert box_of(padded) == ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
    assert np.isfinite(padded.meta.wcs(0.0, 0.0)).all()
    corners = [padded.meta.wcs(x, y) for x in (-0.5, nx - 0.5) for y in (-0.5, ny - 0.5)]
    found = {tuple(np.round(c, 7)) for c in region(padded).reshape(4, 2)}
    assert found == {tuple(np.round(c, 7)) for c in corners}
    info, then = padded.meta.wcsinfo, exposure.meta.wcsinfo
    assert (info.crpix1, info.crpix2) == (then.crpix1 + 12, then.crpix2 + 20)
    assert (info.crval1, info.crval2) == (then.crval1, then.crval2)
    star, mask, was = find_star(padded), mask_place(padded), mask_place(exposure)
    assert (star.x, star.y, star.source) == (152.5, 130.25, "given")
    assert mask == pytest.approx((was[0] + 12, was[1] + 20))
    np.testing.assert_allclose(padded.star_places["x"], (153.0, 154.0))
    np.testing.assert_allclose(padded.star_places["y"], (131.0, 132.0))
    area, before = padded.meta.subarray, exposure.meta.subarray
    assert (area.xstart, area.ystart) == (before.xstart - 12, before.ystart - 20)
    assert (area.xsize, area.ysize) == (nx, ny)
    # The mask's place by the corner alone is the same.
    padded.meta.coronx.mask_x = padded.meta.coronx.mask_y = None
    assert mask_place(padded) == pytest.approx(mask)


def test_tables_that_are_not_about_pixels_stay(exposure):
    padded = exposure.copy()
    pad_frame(padded, SIDES)
    assert padded.levels.tobytes() == exposure.levels.tobytes()
    if exposure.hasattr("int_times"):
        assert padded.int_times.tobytes() == exposure.int_times.tobytes()


def test_cropping_undoes_padding(exposure, tmp_path):
    record_mask(exposure, *mask_place(exposure))
    model = exposure.copy()
    pad_frame(model, SIDES)
    model.save(str(tmp_path / "padded.fits"))
    with type(model)(str(tmp_path / "padded.fits")) as back:
        extend(back)
        crop_frame(back, SIDES)
        for name in (*PLANES, "area"):
            np.testing.assert_array_equal(getattr(back, name), getattr(exposure, name))
        for x, y in ((0.0, 0.0), (17.3, 200.1), (140.5, 110.25), (200.0, 3.0)):
            np.testing.assert_allclose(
                back.meta.wcs(x, y), exposure.meta.wcs(x, y), rtol=0, atol=1e-9
            )
        np.testing.assert_allclose(region(back), region(exposure), rtol=0, atol=2e-9)
        assert box_of(back) == box_of(exposure)
        assert back.star_places.tobytes() == exposure.star_places.tobytes()
        changed = (
            "meta.wcs",
            "meta.filename",
            "meta.date",
            "meta.wcsinfo.s_region",
            "meta.model_type",
        )
        before, after = (m.to_flat_dict(include_arrays=False) for m in (exposure, back))
        for key, value in before.items():
            if key in changed or not key.startswith("meta.") or key.startswith("meta.wcs."):
                continue
            same = pytest.approx(value, abs=1e-9) if isinstance(value, float) else value
            assert after[key] == same, key


def test_without_a_corner_none_is_made_up(make_exposure):
    model = make_exposure()
    model.meta.subarray.xstart = model.meta.subarray.ystart = None
    crop_frame(model, SIDES)
    assert model.meta.subarray.xstart is None
    assert (model.meta.subarray.xsize, model.meta.subarray.ysize) == (301, 297)


def test_nothing_is_left(make_exposure):
    with pytest.raises(ValueError, match="nothing is left of 320 x 320"):
        crop_frame(make_exposure(), Sides(160, 160, 0, 0))
