"""Rolls combined on the sky: values, errors, and what a mask hides in one of them."""

import numpy as np
import pytest
from astropy.modeling.models import Shift
from jwst.assign_wcs.util import update_s_region_imaging
from jwst.resample.resample_step import ResampleStep
from stdatamodels.jwst.datamodels import CubeModel

from coronx.models.rolls import Rolls
from coronx.models.schema import extend
from coronx.refdata.modes import MODES
from coronx.simulate import Coronagraph
from coronx.simulate.astrometry import offset_sky, point_at

MODE = MODES["nircam-lwb"]
STAR = (311.2897, -31.3411)


def exposure(data, read, photons, *, roll, center):
    """Return a subtracted exposure cut from the array, the mask and the star at `center`."""
    model = CubeModel(data=np.asarray(data, "f4"))
    shape = model.shape
    model.var_rnoise = np.broadcast_to(read, shape).astype("f4")
    model.var_poisson = np.broadcast_to(photons, shape).astype("f4")
    model.var_flat = np.full(shape, 0.25, "f4")
    model.err = np.sqrt(model.var_rnoise + model.var_poisson + model.var_flat)
    model.dq = np.zeros(shape, "u4")
    meta = model.meta
    meta.filename = f"roll{roll:.0f}_psfsub.fits"
    meta.instrument.name, meta.instrument.detector = MODE.instrument, MODE.detector
    meta.instrument.coronagraph, meta.subarray.name = MODE.coronmsk, MODE.subarray
    corner = np.rint(np.subtract(MODE.center, center))
    meta.subarray.xstart, meta.subarray.ystart = (int(v) for v in corner + MODE.start)
    for key in ("exposure_time", "measurement_time", "duration"):
        setattr(meta.exposure, key, 100.0)
    meta.exposure.start_time, meta.exposure.end_time = 59789.0, 59789.1
    area = float(np.prod(MODE.scale))
    meta.photometry.pixelarea_arcsecsq = area
    meta.photometry.pixelarea_steradians = area * np.radians(1 / 3600) ** 2
    pointing = point_at(MODE, roll, STAR, np.array(MODE.center))
    meta.wcs = pointing.gwcs()
    meta.wcs.insert_transform("detector", Shift(corner[0]) & Shift(corner[1]), after=True)
    meta.wcs.bounding_box = ((-0.5, shape[2] - 0.5), (-0.5, shape[1] - 0.5))
    info = meta.wcsinfo
    info.ra_ref, info.dec_ref = STAR
    info.roll_ref, info.v3yangle, info.vparity = roll, 0.0, -1
    update_s_region_imaging(model)
    return model


def combined(exposures, threshold=0.01, **options):
    rolls = Rolls(threshold)
    for model in exposures:
        assert len(list(rolls.split(model))) == model.shape[0]
    step = ResampleStep()
    for name, value in options.items():
        setattr(step, name, value)
    return rolls.combine(step)


def noise(rng, shape, variance):
    return rng.normal(size=shape) * np.sqrt(variance)


@pytest.mark.parametrize("scale_ratio", [1.0, 0.7])
def test_scatter_is_err(scale_ratio):
    rng = np.random.default_rng(2)
    shape, center = (1, 60, 60), (29.7, 29.9)
    read, photons = rng.uniform(0.5, 4.0, shape[1:]), 1.5
    images = []
    for _ in range(3):
        exposures = [
            exposure(
                noise(rng, shape, factor * read + photons + 0.25),
                factor * read, photons, roll=roll, center=center,
            )
            for roll, factor in ((30.0, 1.0), (41.0, 5.0))
        ]  # fmt: skip
        result = combined(exposures, pixel_scale_ratio=scale_ratio)
        images.append(result.data / result.err)
    scaled = np.array(images)
    assert np.sqrt(np.nanmean(scaled**2)) == pytest.approx(1.0, abs=0.02)
    assert np.nanmean(scaled) == pytest.approx(0.0, abs=0.05)
    np.testing.assert_allclose(
        result.err**2, result.var_rnoise + result.var_poisson + result.var_flat, rtol=1e-5
    )
    for name in ("var_rnoise", "var_poisson", "var_flat"):
        assert (getattr(result, name)[np.isfinite(result.err)] > 0.0).all()
    np.testing.assert_array_equal(np.isfinite(result.err), np.isfinite(result.data))


def test_noise_that_integrations_share():
    rng = np.random.default_rng(4)
    shape, center, read, common = (4, 60, 60), (29.7, 29.9), 1.0, 1.5
    images = []
    for _ in range(2):
        exposures = []
        for roll in (30.0, 41.0):
            data = noise(rng, shape, read + 0.5) + noise(rng, shape[1:], common)
            model = exposure(data, read, common + 0.25, roll=roll, center=center)
            model.data[rng.random(shape) < 0.05] = np.nan
            extend(model).shared_variance = np.full(shape[1:], common, "f4")
            exposures.append(model)
        result = combined(exposures)
        images.append(result.data / result.err)
    assert np.sqrt(np.nanmean(np.array(images) ** 2)) == pytest.approx(1.0, abs=0.02)
    for model in exposures:
        model.shared_variance = None
    # Of four integrations: (0.375 + 1.5) against (1.5 + 1.5) / 4.
    assert np.nanmedian(result.err / combined(exposures).err) > 1.5


def test_the_better_roll_counts_more():
    shape, center = (1, 40, 40), (19.7, 19.9)
    good, bad = (
        exposure(np.full(shape, value), variance, 0.0, roll=roll, center=center)
        for value, variance, roll in ((1.0, 0.75, 30.0), (5.0, 3.75, 31.0))
    )
    result = combined([good, bad], threshold=0.0)
    middle = np.s_[15:25, 15:25]
    np.testing.assert_allclose(
        result.data[middle], (1.0 / 1 + 5.0 / 4) / (1 / 1 + 1 / 4), rtol=1e-4
    )


@pytest.fixture(scope="module")
def hidden():
    """Two rolls of a companion, behind the bar in one; the first pixels of the other are bad."""
    shape, center = (84, 140), (25.7, 41.9)
    optics = Coronagraph(MODE, "F444W", wavelengths=1, shape=shape, center=center)
    corner = np.rint(np.subtract(MODE.center, center))
    made = []
    # At these rolls the bar lies at position angles of 90 - 30 and 90 - 44 degrees.
    for roll in (30.0, 44.0):
        pointing = point_at(MODE, roll, STAR, np.array(MODE.center))
        east, north = pointing.matrix @ np.array([1.0, 0.0])
        if roll == 30.0:
            along = np.array([east, north]) / np.hypot(east, north)
            sky = offset_sky(*STAR, *(5.0 * along))
        place = np.subtract(pointing.pixel(*sky), corner)
        made.append(exposure(1e4 * optics.image(place)[None], 0.5, 0.25, roll=roll, center=center))
    return made, sky


def flux(result, sky):
    x, y = result.meta.wcs.invert(*sky, with_bounding_box=False)
    rows, cols = np.indices(result.shape)
    core = np.hypot(cols - x, rows - y) < 4.0
    assert np.isfinite(result.data[core]).all()
    return result.data[core].sum(), float(np.median(result.err[core]))


def test_a_companion_behind_the_bar_in_one_roll_keeps_its_flux(hidden):
    exposures, sky = hidden
    blind = exposures[0].copy()
    blind.data[:] = np.nan
    alone, alone_err = flux(combined([blind, exposures[1].copy()]), sky)
    both, both_err = flux(combined([m.copy() for m in exposures]), sky)
    assert both == pytest.approx(alone, rel=0.03)
    # What only one roll sees has the ERR of one.
    assert both_err == pytest.approx(alone_err, rel=0.03)
    diluted, better_err = flux(combined([m.copy() for m in exposures], threshold=0.0), sky)
    assert diluted < 0.7 * alone
    assert better_err < 0.8 * both_err


def test_nothing_is_told_where_no_roll_sees(hidden):
    exposures, _ = hidden
    left, right = (m.copy() for m in exposures)
    left.data[:, :, :10] = np.nan
    result = combined([left, right], threshold=0.05)
    x, y = (round(float(v)) for v in result.meta.wcs.invert(*STAR, with_bounding_box=False))
    # The bar hides the star in both.
    assert np.isnan(result.data[y - 1 : y + 2, x - 1 : x + 2]).all()
    for name in ("err", "var_rnoise", "var_poisson", "var_flat"):
        np.testing.assert_array_equal(np.isnan(getattr(result, name)), np.isnan(result.data))
    assert 0.5 < np.isfinite(result.data).mean() < 1.0
    whole = combined([m.copy() for m in exposures], threshold=0.0)
    assert np.isfinite(whole.data[y - 1 : y + 2, x - 1 : x + 2]).all()


def test_the_hosts_own_options_are_heard(hidden):
    exposures, _ = hidden
    result = combined([m.copy() for m in exposures], report_var=False, weight_type="exptime")
    assert result.err.shape == result.shape
    assert np.isfinite(result.err).any()
    assert result.meta.resample.weight_type == "exptime"
    assert "var_rnoise" not in result.instance


def test_the_record_of_what_was_done_is_carried(hidden):
    exposures = [m.copy() for m in hidden[0]]
    for n, model in enumerate(exposures):
        record = extend(model).meta.coronx
        record.fix_bad_pixels, record.kl_modes = "COMPLETE", 5 + n
        record.star_x, record.blur_sigma = 10.0, 0.5
    result = combined(exposures)
    record = result.meta.coronx
    assert (record.fix_bad_pixels, record.blur_sigma) == ("COMPLETE", 0.5)
    assert record.kl_modes is None
    assert record.star_x is None
