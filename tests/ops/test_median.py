import numpy as np
import pytest
from jwst.coron.median_replace_img import median_replace_img
from stdatamodels.jwst.datamodels import CubeModel

from coronx.ops.median import fill_local_median


def brute_force(image, bad, half, default):
    bad = bad | ~np.isfinite(image)
    image = image.astype(float)
    out = image.copy()
    ny, nx = image.shape
    for y, x in zip(*np.nonzero(bad), strict=True):
        box = np.s_[
            max(y - half, 0) : min(y + half, ny) + 1, max(x - half, 0) : min(x + half, nx) + 1
        ]
        good = image[box][~bad[box]]
        out[y, x] = np.median(good) if good.size else default
    return out


@pytest.fixture
def blemished():
    """Return images with flagged, NaN and infinite pixels, edges, corners and clumps among them."""
    rng = np.random.default_rng(0)
    data = rng.normal(5.0, 1.0, (3, 17, 20)).astype(np.float32)
    bad = rng.random(data.shape) < 0.15
    bad[:, 0, 0] = bad[:, -1, -1] = bad[:, 0, -1] = bad[:, 5:9, 0] = True
    bad[1, 8:13, 8:13] = True
    data[bad & (rng.random(data.shape) < 0.3)] = 1e9
    data[rng.random(data.shape) < 0.03] = np.nan
    data[rng.random(data.shape) < 0.02] = np.inf
    data[rng.random(data.shape) < 0.02] = -np.inf
    return data, bad


@pytest.mark.parametrize("box", [0, 1, 2, 3, 4, 5, 9, 41])
def test_fill_is_the_median_of_the_good_pixels_in_the_box(blemished, box):
    data, bad = blemished
    filled = fill_local_median(data, bad, box=box, default=-7.0)
    truth = [brute_force(d, b, box // 2, -7.0) for d, b in zip(data, bad, strict=True)]
    np.testing.assert_array_equal(filled, truth)
    assert np.isfinite(filled).all()


def test_one_image_is_filled_as_one_of_a_stack(blemished):
    data, bad = blemished
    one = fill_local_median(data[1], bad[1])
    np.testing.assert_array_equal(one, fill_local_median(data, bad)[1])
    assert one.dtype == np.float64


def test_good_pixels_and_the_input_are_left_alone(blemished):
    data, bad = blemished
    before, flagged = data.copy(), bad.copy()
    filled = fill_local_median(data, bad)
    np.testing.assert_array_equal(data, before)
    np.testing.assert_array_equal(bad, flagged)
    keep = ~bad & np.isfinite(data)
    np.testing.assert_array_equal(filled[keep], data[keep])
    clean = np.ones((4, 5))
    result = fill_local_median(clean, np.zeros((4, 5), bool))
    np.testing.assert_array_equal(result, clean)
    assert result is not clean


def test_nothing_good_gives_the_default():
    assert (fill_local_median(np.ones((4, 4)), np.ones((4, 4), bool)) == 0.0).all()
    assert (
        fill_local_median(np.full((4, 4), np.nan), np.zeros((4, 4), bool), default=2.0) == 2
    ).all()


@pytest.mark.parametrize("box", [3, 5])
def test_agrees_with_the_host_away_from_the_left_and_lower_edge(blemished, box):
    data, bad = blemished
    data = np.nan_to_num(data, nan=3.0, posinf=3.0, neginf=3.0)  # the host leaves inf in place
    model = CubeModel(data=data.copy(), dq=bad.astype(np.uint32))
    model.meta.instrument.name = "NIRCAM"
    theirs = median_replace_img(model, box, 1).data
    ours = fill_local_median(data, bad, box=box)
    half = box // 2
    np.testing.assert_allclose(ours[:, half:, half:], theirs[:, half:, half:], rtol=1e-6)
    # There the host's slice starts below zero, which makes it empty: zero in a field of 5.
    edge = bad.copy()
    edge[:, half:, half:] = False
    assert (theirs[edge] == 0.0).all()
    assert (ours[edge] > 1.0).all()
