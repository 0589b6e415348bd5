import numpy as np
import pytest

from coronx.ops.geometry import Sides, crop, pad, sides_of, window

SIDES = Sides(1, 2, 3, 4)


@pytest.mark.parametrize("dtype", ["f4", "f8", "u4", "i2"])
def test_a_margin_at_each_side(dtype):
    images = np.arange(1, 2 * 5 * 6 + 1).reshape(2, 5, 6).astype(dtype)
    out = pad(images, SIDES, value=7)
    assert out.shape == (2, 5 + 3 + 4, 6 + 1 + 2)
    assert out.dtype == images.dtype
    # Left and right are columns, bottom and top rows: the first pixel is at the lower left.
    np.testing.assert_array_equal(out[:, 3:8, 1:7], images)
    out[:, 3:8, 1:7] = 7
    assert (out == 7).all()


def test_what_is_taken_off_is_what_was_added():
    images = np.random.default_rng(0).normal(size=(3, 5, 6))
    images[1, 2, 3] = np.nan
    np.testing.assert_array_equal(crop(pad(images, SIDES, value=np.nan), SIDES), images)
    image = images[0]
    np.testing.assert_array_equal(crop(image, Sides(1, 0, 0, 2)), image[:3, 1:])


def test_results_are_new_arrays():
    images = np.zeros((2, 5, 6))
    for made in (pad(images, Sides(0, 0, 0, 0), value=1), crop(images, Sides(0, 0, 0, 0))):
        np.testing.assert_array_equal(made, images)
        assert not np.may_share_memory(made, images)


@pytest.mark.parametrize("sides", [(3, 3, 0, 0), (0, 0, 2, 3), (9, 0, 0, 0)])
def test_nothing_left(sides):
    with pytest.raises(ValueError, match=r"nothing is left of 6 x 5 pixels \(x, y\) after \("):
        crop(np.zeros((1, 5, 6)), Sides(*sides))


def test_sides():
    assert sides_of([5]) == (5, 5, 5, 5)
    assert sides_of([1, 2, 3, 4]) == SIDES
    assert sides_of([0]) == (0, 0, 0, 0)


@pytest.mark.parametrize("npix", [[], [1, 2], [1, 2, 3], [1, 2, 3, 4, 5]])
def test_neither_one_side_nor_four(npix):
    with pytest.raises(ValueError, match=f"{len(npix)} numbers of pixels; one for all .* or four"):
        sides_of(npix)


@pytest.mark.parametrize("npix", [[-1], [1, 2, 3, -4]])
def test_a_negative_side(npix):
    with pytest.raises(ValueError, match=f"negative number of pixels, {min(npix)}"):
        sides_of(npix)


@pytest.mark.parametrize("size", [[7], [8], [7, 4], [1, 1]])
@pytest.mark.parametrize("center", [(12.0, 9.0), (12.4, 9.6), (11.5, 8.5)])
def test_a_window_is_about_its_centre(size, center):
    shape = (20, 25)
    y, x = np.indices(shape, float)
    sides = window(shape, size, center)
    nx, ny = size[0], size[-1]
    left = crop(np.stack([x - center[0], y - center[1]]), sides)
    assert left.shape == (2, ny, nx)
    middle = left.mean(axis=(1, 2))
    assert np.abs(middle).max() <= 0.5


@pytest.mark.parametrize(
    ("size", "center", "beyond"),
    [([21], (12.0, 9.5), 1), ([10], (3.0, 9.0), 1), ([10, 10], (22.0, 9.0), 3)],
)
def test_a_window_beyond_the_frame(size, center, beyond):
    with pytest.raises(ValueError, match=f"reaches {beyond} pixels beyond the frame of 25 x 20"):
        window((20, 25), size, center)


@pytest.mark.parametrize("size", [[], [1, 2, 3], [0], [5, -1]])
def test_a_window_of_no_size(size):
    with pytest.raises(ValueError, match=r"size .*; one positive number, or two"):
        window((20, 25), size, (12.0, 9.5))
