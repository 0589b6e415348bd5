"""What each pixel weighs in the combination of rolls."""

import numpy as np
import pytest
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.models.coverage import light_passed, weights_of
from coronx.refdata.modes import MODES
from coronx.refdata.transmission import transmission
from coronx.simulate import Coronagraph


def exposure(mode, shape=None, center=None, nints=3, read=4.0, photons=9.0):
    """Return an exposure of even noise; `center` is where the mask is recorded to be."""
    shape = (nints, *(mode.shape if shape is None else shape))
    model = CubeModel(data=np.zeros(shape, "f4"))
    model.var_rnoise = np.full(shape, read, "f4")
    model.var_poisson = np.full(shape, photons, "f4")
    model.err = np.full(shape, np.sqrt(read + photons), "f4")
    model.dq = np.zeros(shape, "u4")
    meta = model.meta
    meta.instrument.name, meta.instrument.detector = mode.instrument, mode.detector
    meta.instrument.coronagraph = mode.coronmsk
    meta.subarray.name = mode.subarray
    meta.subarray.xstart, meta.subarray.ystart = mode.start
    if center is not None:
        meta.subarray.xstart += round(mode.center[0] - center[0])
        meta.subarray.ystart += round(mode.center[1] - center[1])
    return model


@pytest.mark.parametrize("name", ["nircam-335r", "nircam-lwb", "miri-lyot"])
def test_what_passes_is_the_masks_transmission(name):
    mode = MODES[name]
    np.testing.assert_allclose(light_passed(exposure(mode)), transmission(mode), rtol=0, atol=1e-9)
    # A frame cut from the array has the mask elsewhere.
    cut = exposure(mode, shape=(100, 120), center=np.subtract(mode.center, (40, 60)))
    np.testing.assert_allclose(
        light_passed(cut), transmission(mode)[60:160, 40:160], rtol=0, atol=1e-9
    )


def test_beside_a_boundary_light_is_lost_as_in_simulated_images():
    mode = MODES["miri-1140"]
    shape, center = (96, 96), (30.0, 48.0)
    optics = Coronagraph(mode, "F1140C", wavelengths=1, shape=shape, center=center)
    passed = light_passed(exposure(mode, shape=(300, 300), center=(150.75, 150.24)))
    cos, sin = np.cos(np.radians(-4.835)), np.sin(np.radians(-4.835))
    y, x = np.indices(shape)
    for distance in (0.0, 1.0, 2.0, 5.0):  # pixels; lambda/D is 3.3
        place = (center[0] + 36.0, center[1] + distance)
        free = optics.image(place, occulted=False)
        core = np.hypot(x - place[0], y - place[1]) < 3.0
        kept = optics.image(place)[core].sum() / free[core].sum()
        # The simulator's boundaries lie along the rows; those in flight are turned.
        turned = (36.0 * cos - distance * sin, 36.0 * sin + distance * cos)
        told = passed[round(150.24 + turned[1]), round(150.75 + turned[0])]
        assert told == pytest.approx(kept, abs=0.12)


def test_weights_are_inverse_variances_times_what_passes_squared():
    mode = MODES["nircam-lwb"]
    model = exposure(mode)
    weight = weights_of(model, threshold=0.05)
    passed = transmission(mode)
    expected = np.where(passed >= 0.05, passed**2 / 13.0, 0.0)
    np.testing.assert_allclose(weight, np.broadcast_to(expected, weight.shape), rtol=1e-5)
    assert (weight[0] == 0.0).any()
    np.testing.assert_allclose(weights_of(model, threshold=0.0), 1 / 13.0, rtol=1e-5)


def test_bad_pixels_have_no_weight():
    model = exposure(MODES["nircam-335r"])
    model.data[0, 10, 10] = np.nan
    model.dq[1, 20, 20] = pixel["DO_NOT_USE"]
    model.err[2, 30, 30] = np.nan
    model.err[0, 40, 40] = 0.0
    weight = weights_of(model, threshold=0.0)
    assert np.argwhere(weight == 0.0).tolist() == [
        [0, 10, 10], [0, 40, 40], [1, 20, 20], [2, 30, 30],
    ]  # fmt: skip


def test_noisy_pixels_weigh_less_but_not_for_their_own_photons():
    mode = MODES["nircam-335r"]
    rng = np.random.default_rng(4)
    model = exposure(mode, nints=2, read=0.5)
    electrons = rng.poisson(40.0, model.shape)
    model.data[:], model.var_poisson[:] = electrons, electrons
    model.var_rnoise[:, 50, 50] = 900.0
    model.err[:] = np.sqrt(model.var_rnoise + model.var_poisson)
    weight = weights_of(model, threshold=0.0)
    assert weight[0, 50, 50] < 0.1 * np.median(weight)
    used = weight.copy()
    used[:, 50, 50] = 0.0
    bias = np.average(model.data, weights=used) - 40.0
    naive = np.average(model.data, weights=1.0 / model.err**2) - 40.0
    assert abs(bias) < 0.1
    assert naive < -0.9


def test_without_errors_all_pixels_are_alike():
    model = exposure(MODES["nircam-335r"])
    model.err[:] = 0.0
    np.testing.assert_array_equal(weights_of(model, threshold=0.0), 1.0)


def test_an_unknown_mask_is_left_out_of_account():
    model = exposure(MODES["nircam-335r"])
    model.meta.instrument.coronagraph = None
    assert light_passed(model) is None
    np.testing.assert_allclose(weights_of(model, threshold=0.5), 1 / 13.0, rtol=1e-5)
