import numpy as np
import pytest
from scipy.special import j1

from coronx.ops.stamp import MaskedPsf, PsfImage, Stamp, check_fits


def _airy(shape, x0, y0, width=2.3):
    y, x = np.indices(shape)
    z = np.pi * np.hypot(x - x0, y - y0) / width + 1e-9
    return (2 * j1(z) / z) ** 2


def _sampled(shape, x0, y0, times, width):
    """An Airy disc on points, and its sums over pixels."""
    at = ((c + 0.5) * times - 0.5 for c in (x0, y0))
    points = _airy((shape[0] * times, shape[1] * times), *at, width=width * times)
    return points, points.reshape(shape[0], times, shape[1], times).sum(axis=(1, 3))


@pytest.mark.parametrize("place", [(40.3, 50.7), (20.5, 31.5), (-3.2, 1.1), (90.0, 64.0)])
def test_a_star_stands_on_its_place(place):
    psf = PsfImage(_airy((65, 65), 32, 32))
    assert psf.kernel == pytest.approx(_airy((65, 65), 32, 32), abs=1e-12)
    stamp = psf(*place)
    assert stamp.values.shape == (65, 65)
    wanted = _airy((65, 65), place[0] - stamp.col, place[1] - stamp.row)
    assert np.abs(stamp.values - wanted).max() < 2e-5


def test_a_star_off_the_middle_of_an_even_image():
    psf = PsfImage(_airy((70, 68), 32.3, 34.6), (32.3, 34.6))
    assert psf.half == 32
    assert np.abs(psf.kernel - _airy((65, 65), 32, 32)).max() < 2e-5
    assert PsfImage(_airy((64, 64), 31.5, 31.5)).half == 31
    assert PsfImage(_airy((65, 65), 32, 32), half=7).kernel.shape == (15, 15)


@pytest.mark.parametrize("times", [2, 3, 4])
def test_points_finer_than_pixels_are_summed(times):
    """A PSF whose pixels are too coarse to be moved themselves: 0.9 pixels a lambda/D."""
    points, pixels = _sampled((63, 63), 31, 31, times, 1.1)
    psf = PsfImage(points, oversample=times)
    assert psf.kernel == pytest.approx(pixels, abs=1e-10)
    stamp = psf(40.4, 50.5)
    _, wanted = _sampled((63, 63), 40.4 - stamp.col, 50.5 - stamp.row, times, 1.1)
    assert np.abs(stamp.values - wanted).max() < 1e-4 * wanted.max()
    coarse = PsfImage(pixels)(40.4, 50.5).values
    assert np.abs(coarse - wanted).max() > 1e-2 * wanted.max()


def test_edges_that_have_not_faded_neither_wrap_nor_ring():
    level = 0.02
    image = level + _airy((41, 41), 20, 20)
    moved = PsfImage(image)(20.5, 19.6).values
    assert np.abs(moved - level - _airy((41, 41), 20.5, 19.6)[: moved.shape[0]]).max() < 1e-3
    slope = np.linspace(0, level, 41) + np.zeros((41, 1))
    rim = PsfImage(slope)(20.3, 20.3).values - slope
    assert np.abs(rim).max() < 0.1 * level


def test_a_stamp_is_cut_at_the_frames_edges():
    stamp = Stamp(np.arange(6.0).reshape(2, 3), row=-1, col=3)
    frame = np.ones((3, 5))
    stamp.add_to(frame, 2.0)
    wanted = np.ones((3, 5))
    wanted[0, 3:] += [6.0, 8.0]
    assert np.array_equal(frame, wanted)
    assert np.array_equal(stamp.cut(frame), [[np.nan] * 3, [7.0, 9.0, np.nan]], equal_nan=True)
    for row, col in ((-2, 0), (3, 0), (0, 5), (40, -40)):
        outside = Stamp(np.ones((2, 3)), row, col)
        outside.add_to(frame)
        assert np.array_equal(frame, wanted)
        assert np.all(np.isnan(outside.cut(frame)))
    assert stamp.peak == 5.0


def test_a_mask_scales_by_its_transmission():
    psf = PsfImage(_airy((21, 21), 10, 10))
    y, x = np.indices((30, 40))
    masked = MaskedPsf(psf, 0.1 + 0.01 * x + 0.02 * y)
    for place, factor in (((12.3, 8.6), 0.395), ((-4.0, 3.0), 0.16), ((60.0, 50.0), 1.07)):
        stamp = masked(*place)
        assert stamp.values == pytest.approx(factor * psf(*place).values)
        assert (stamp.row, stamp.col) == (psf(*place).row, psf(*place).col)
    assert np.array_equal(masked.kernel, psf.kernel)
    assert masked.transmission((30, 40))[2, 3] == pytest.approx(0.17)
    assert np.array_equal(psf.transmission((3, 4)), np.ones((3, 4)))
    with pytest.raises(ValueError, match=r"\(30, 40\), not \(3, 4\)"):
        masked.transmission((3, 4))
    with pytest.raises(ValueError, match="finite"):
        MaskedPsf(psf, np.full((3, 4), np.nan))


def test_what_is_no_psf_is_refused():
    image = _airy((21, 21), 10, 10)
    with pytest.raises(ValueError, match="finite image"):
        PsfImage(np.where(image > 0.5, np.nan, image))
    with pytest.raises(ValueError, match="finite image"):
        PsfImage(image[None])
    with pytest.raises(ValueError, match="oversample is at least 1"):
        PsfImage(image, oversample=0)
    with pytest.raises(ValueError, match="not inside"):
        PsfImage(image, (30.0, 10.0))
    with pytest.raises(ValueError, match=r"half = 11: .* 10 pixels"):
        PsfImage(image, half=11)


def test_a_psf_larger_than_the_frame():
    psf = PsfImage(_airy((21, 21), 10, 10))
    check_fits(psf, (21, 40))
    with pytest.raises(ValueError, match="21 x 21 pixels is larger than the frame of 40 x 20"):
        check_fits(psf, (20, 40))
    frame = np.zeros((5, 5))
    psf(2.0, 2.0).add_to(frame)
    assert frame == pytest.approx(psf.kernel[8:13, 8:13])
