"""Companions put into VLT/NACO's cube of beta Pictoris, whose planet was taken out."""

import numpy as np
import pytest

from tests.benchmarks.injection import peer_companion, places, recover
from tests.benchmarks.naco import CORE, noise_profile, open_naco
from tests.benchmarks.naco_detections import SIGMAS, Field, look

pytestmark = pytest.mark.realdata

# The error of a flux by separation (arcsec), as tests.benchmarks.injection finds it.
ERROR = (np.array([0.25, 0.4, 0.6, 0.8, 1.0]), np.array([621.0, 103.0, 39.8, 35.8, 21.2]))


@pytest.fixture(scope="module")
def naco(realdata):
    return open_naco(realdata)


def test_the_peers_companion_is_found(naco):
    found = peer_companion(naco)
    # Truth: r = 30.5 pixels, theta = 240 degrees, flux 400. VIP's MCMC: 831.33 +- 4.56 mas,
    # 239.92 +- 0.24 degrees, 390.8 +- 21.7.
    np.testing.assert_array_less(np.abs(found[:, 0] - [831.33, 239.92, 390.8]), [4.56, 0.24, 21.7])
    truth = np.array([829.6, 240.0, 400.0])
    np.testing.assert_array_less(np.abs(found[:, 0] - truth), 3.0 * found[:, 1])
    np.testing.assert_array_less(found[:, 1], [4.56, 0.24, 21.7])


def test_companions_are_found_where_they_were_put(naco):
    done = recover(naco, places(3, 0.4, 0.9), 20.0, ERROR)
    assert done.converged.all()
    miss = done.found - done.truth
    assert (np.abs(miss) < 3.5 * done.sigma).all()
    assert np.sqrt(np.mean(miss[:, :2] ** 2)) < 0.2
    assert abs(np.mean(miss[:, 2] / done.truth[:, 2])) < 0.08


def test_companions_are_detected(naco):
    empty = naco.subtracted(naco.cube)
    at = np.array([0.5, 0.65, 0.8])
    throughput = (at, naco.throughput(empty, at, angles=4))
    noise = (at, noise_profile(naco.fluxes(empty, throughput), at))
    field = Field(naco, empty, CORE, throughput, noise)
    done = look(field, places(3, 0.55, 0.75), 9.0)
    assert (done.sigmas > SIGMAS).all()
    assert (np.hypot(*done.off.T) < 1.0).all()
    np.testing.assert_allclose(done.flux, 1.0, atol=0.35)
    plain = (at, naco.throughput(empty, at, angles=4, core=None))
    wide = noise_profile(naco.fluxes(empty, plain, core=None), at)
    assert (noise[1] < 0.8 * wide).all()
