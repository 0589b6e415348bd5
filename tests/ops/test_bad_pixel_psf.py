import numpy as np
import pytest

from coronx.ops.bad_pixel_psf import bound, fall, psf
from coronx.ops.prediction import OFFSETS


def point(fwhm, x, y):
    """Return a Gaussian source as sharp as a core is, in the neighbours and in the middle."""
    width = (0.9 * fwhm / 2.3548) ** 2
    around = np.exp(-0.5 * ((OFFSETS[:, 0] - y) ** 2 + (OFFSETS[:, 1] - x) ** 2) / width)
    lowest = np.sort(around)[3]
    return around - lowest, np.exp(-0.5 * (x**2 + y**2) / width) - lowest


@pytest.mark.parametrize("fwhm", [1.6, 2.3, 3.3])
def test_no_point_source_exceeds_the_bound(fwhm):
    rng = np.random.default_rng(3)
    usable = np.concatenate([np.ones((1, 24), bool), rng.random((20, 24)) < 0.8])
    weights = bound(psf(fwhm), usable)
    assert (weights[~usable] == 0).all()
    for x, y in rng.uniform(-1.0, 1.0, (50, 2)):
        around, middle = point(fwhm, x, y)
        # Phases between those that were tried may exceed it a little.
        assert (middle <= 1.03 * weights @ around + 0.01).all()


@pytest.mark.parametrize("fwhm", [1.6, 2.3, 3.3])
def test_no_point_source_falls_more_steeply(fwhm):
    for x, y in np.random.default_rng(4).uniform(-0.5, 0.5, (50, 2)):
        around, middle = point(fwhm, x, y)
        least = fall(np.array([middle]), around[None], np.ones((1, 24), bool))[0]
        assert least <= psf(fwhm).fall * middle + 0.01


@pytest.mark.parametrize("way", [(0, 1), (1, 0), (1, 1), (1, -1)])
def test_the_fall_is_that_along_the_way_of_least(way):
    around = np.zeros((2, 24))
    usable = np.ones((2, 24), bool)
    for n in (1, 2, -1, -2):
        at = (np.multiply(way, n) == OFFSETS).all(axis=1)
        around[:, at] = 6.0 if abs(n) == 1 else 4.0
        usable[1, at] = abs(n) == 2
    # Where the next pixels are not usable, those beyond count.
    np.testing.assert_allclose(fall(np.array([9.0, 9.0]), around, usable), [3.0, 5.0])
