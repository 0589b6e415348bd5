import numpy as np
import pytest

from coronx.ops.sky_image import SkyImage, seen_through
from coronx.ops.stamp import PsfImage
from tests.point_sources import gaussian

SCALE = 0.063
UP = np.diag([-0.05, 0.05])  # east left, north up


def turned(degrees):
    """Pixels per arcsec where north is turned."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[-cos, sin], [sin, cos]]) / SCALE


KERNEL = gaussian((41, 41), 20, 20, 1.3)


def one_point(east, north, flux=1.0):
    values = np.zeros((201, 201))
    col, row = 100 + round(east / UP[0, 0]), 100 + round(north / UP[1, 1])
    values[row, col] = flux
    return SkyImage(values, (100.0, 100.0), UP), np.array([(col - 100) * -0.05, (row - 100) * 0.05])


@pytest.mark.parametrize("roll", [0.0, 33.0, 151.0])
@pytest.mark.parametrize("place", [(1.0, 0.6), (-1.35, -0.4), (0.0, 1.55)])
def test_a_point_is_the_psf_on_its_place(roll, place):
    image, sky = one_point(*place, flux=3.0)
    star, matrix = (33.37, 30.81), turned(roll)
    seen = seen_through(image, star=star, matrix=matrix, shape=(64, 70), kernel=KERNEL)
    x, y = np.array(star) + matrix @ sky
    wanted = 3.0 * gaussian((70, 70), x, y, 1.3)[:64]
    assert np.abs(seen - wanted).max() < 2e-4 * wanted.max()


def test_it_agrees_with_moved_stamps_of_a_psf_that_is_no_gaussian():
    # An Airy-like core at the limit of sampling, as NIRCam's are.
    rows, cols = np.indices((41, 41))
    radius = np.hypot(cols - 20, rows - 20) + 1e-9
    kernel = np.sinc(radius / 2.4) ** 2
    kernel /= kernel.sum()
    image, sky = one_point(0.8, -0.7)
    x, y = np.array([32.2, 31.6]) + turned(20.0) @ sky
    wanted = np.zeros((64, 64))
    PsfImage(kernel)(x, y).add_to(wanted)
    seen = seen_through(
        image, star=(32.2, 31.6), matrix=turned(20.0), shape=(64, 64), kernel=kernel
    )
    assert np.abs(seen - wanted).max() < 2e-3 * wanted.max()


@pytest.mark.parametrize("step", [0.02, 0.05, 0.0567, 0.13, 0.25])
def test_flux_and_place_are_kept_at_any_scale(step):
    """A smooth source, on pixels finer or coarser than the frame's."""
    half = int(np.ceil(2.0 / step))
    axis = (np.arange(2 * half + 1) - half) * step
    east, north = -axis[None, :], axis[:, None]
    bright = np.exp(-0.5 * ((east - 0.4) ** 2 + (north + 0.2) ** 2) / 0.3**2)
    image = SkyImage(5.0 * bright / bright.sum(), (half, half), np.diag([-step, step]))
    matrix, star = turned(62.0), (45.2, 47.9)
    seen = seen_through(image, star=star, matrix=matrix, shape=(96, 96), kernel=KERNEL)
    assert seen.sum() == pytest.approx(5.0, rel=1e-4)
    rows, cols = np.indices(seen.shape)
    center = np.array([(seen * cols).sum(), (seen * rows).sum()]) / seen.sum()
    np.testing.assert_allclose(center, star + matrix @ [0.4, -0.2], atol=0.01)
    x, y = star + matrix @ [0.4, -0.2]
    wanted = 5.0 * gaussian((96, 96), x, y, np.hypot(0.3 / SCALE, 1.3))
    # A coarse pixel is a square, and as wide.
    assert np.abs(seen - wanted).max() < (0.005 if step < 0.1 else 0.1) * wanted.max()


def test_the_mask_acts_before_the_psf():
    image, sky = one_point(1.0, 0.6)
    star, matrix = (30.0, 30.0), turned(0.0)
    x, _ = np.array(star) + matrix @ sky
    _, cols = np.indices((64, 64))
    through = 0.2 + 0.01 * cols  # linear, so that between pixels it is known
    plain = seen_through(image, star=star, matrix=matrix, shape=(64, 64), kernel=KERNEL)
    masked = seen_through(
        image, star=star, matrix=matrix, shape=(64, 64), kernel=KERNEL, transmission=through
    )
    np.testing.assert_allclose(masked, (0.2 + 0.01 * x) * plain, atol=1e-12)


def test_what_lies_beyond_the_frame_is_seen_by_its_wings_alone():
    image, _ = one_point(0.0, 0.0)
    outside = seen_through(
        image, star=(-4.0, 30.0), matrix=turned(0.0), shape=(64, 64), kernel=KERNEL
    )
    wanted = gaussian((80, 80), 4.0, 30.0, 1.3)[:64, 8:72]
    np.testing.assert_allclose(outside, wanted, atol=1e-5)
    far = seen_through(image, star=(-40.0, 30.0), matrix=turned(0.0), shape=(64, 64), kernel=KERNEL)
    assert np.abs(far).max() < 1e-9


def test_a_kernel_without_a_middle_is_refused():
    image, _ = one_point(0.0, 0.0)
    with pytest.raises(ValueError, match="odd square"):
        seen_through(image, star=(3, 3), matrix=turned(0.0), shape=(9, 9), kernel=np.ones((4, 4)))
