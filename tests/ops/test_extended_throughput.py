from itertools import pairwise

import numpy as np
import pytest

from coronx.ops.extended_throughput import shares, together

ROWS, COLS = np.indices((41, 41))
RADIUS = np.hypot(COLS - 20, ROWS - 20)[None].repeat(2, axis=0)
FREE = np.where(RADIUS < 12, 1.0 + 0.1 * (RADIUS < 5), 0.0)
LIGHT = FREE * np.where(RADIUS < 3, 0.2, 0.9)
EDGES = [0.0, 3.0, 6.0, 12.0, 20.0]


def test_shares_of_frame_aperture_and_rings():
    left = np.where(RADIUS < 6, 0.5, 0.8) * LIGHT
    frame, aperture, *rings = shares(FREE, LIGHT, left, RADIUS, edges=EDGES, aperture=0.5)
    assert frame.free == pytest.approx(FREE[0].sum())
    assert frame.transmission == pytest.approx(LIGHT.sum() / FREE.sum())
    assert frame.throughput == pytest.approx(left.sum() / LIGHT.sum())
    assert frame.total == pytest.approx(left.sum() / FREE.sum())
    # Behind the mask the source is fainter than half its peak.
    assert aperture.pixels == ((RADIUS[0] >= 3) & (RADIUS[0] < 12)).sum()
    assert aperture.transmission == pytest.approx(0.9)
    assert [(ring.inner, ring.outer) for ring in rings] == list(pairwise(EDGES))
    np.testing.assert_allclose([ring.throughput for ring in rings], [0.5, 0.5, 0.8, np.nan])
    np.testing.assert_allclose([ring.matched for ring in rings], [0.5, 0.5, 0.8, np.nan])
    assert frame.matched == pytest.approx((LIGHT * left).sum() / (LIGHT**2).sum())
    np.testing.assert_allclose([ring.transmission for ring in rings], [0.2, 0.9, 0.9, np.nan])
    assert sum(ring.pixels for ring in rings) == (RADIUS[0] < 20).sum()


def test_bad_pixels_are_in_no_flux():
    left = 0.7 * LIGHT
    left[0, 18:23] = np.nan
    left[1, :, :20] = np.nan
    for share in shares(FREE, LIGHT, left, RADIUS, edges=EDGES)[:-1]:
        assert share.throughput == pytest.approx(0.7)
    assert share.free < FREE[0].sum()


def test_exposures_count_by_their_frames():
    one = shares(FREE, LIGHT, 0.4 * LIGHT, RADIUS, edges=EDGES)
    two = shares(FREE[:1], LIGHT[:1], 0.7 * LIGHT[:1], RADIUS[:1], edges=EDGES)
    both = together([one, two])
    assert [share.frames for share in both] == [3] * len(both)
    np.testing.assert_allclose([share.throughput for share in both][:-1], 0.5)
    assert np.isnan(both[-1].throughput)
    assert both[0].free == pytest.approx(one[0].free)
