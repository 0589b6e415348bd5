import numpy as np
import pytest

from coronx.refdata.psf_propagation import Focus, Plane, Propagator

SCALE = 3e-7  # radians a pixel
AXIS = (np.arange(48) - 23.5) * (6.6 / 48)
WAVELENGTH = 3.3e-6


def _plane(*, opd=0.0, within=False, wavelength=WAVELENGTH, weight=1.0):
    x, y = np.meshgrid(AXIS, AXIS)
    pupil = (np.hypot(x, y) < 3.2) * np.exp(2j * np.pi / wavelength * (opd + 0 * x))
    stop = (np.hypot(x - 0.3, y) < 2.3).astype(float)
    after = 4e-8 * (x**3 - x * y**2) / 3.2**3
    grid = (np.arange(40) - 19.5) * 0.5
    gx, gy = np.meshgrid(grid, grid)
    blocked = np.exp(-(gx**2 + 0.7 * gy**2) / 30)
    field = 1 - blocked if within else blocked
    return Plane(wavelength, weight, pupil, stop, after, Focus(grid, grid, field, within))


def _propagator(*planes, **options):
    settings = {"scale": SCALE, "fov": 21, "oversample": 2, "blur": 0.0, "kernel": np.ones((1, 1))}
    return Propagator(planes, AXIS, **settings | options)


def _flat(amplitude=0.0):
    x, y = np.meshgrid(AXIS, AXIS)
    return amplitude * (x**2 - 0.5 * x * y) / 3.2**2


def test_field_is_the_direct_sum():
    # The planes' sums, written out, at one point of the detector.
    plane = _plane()
    image = _propagator(plane, fov=3, oversample=2)
    at = (0.25, -0.25)  # a point of the grid of half pixels
    x, y = np.meshgrid(AXIS, AXIS)
    field = plane.pupil * np.exp(2j * np.pi / WAVELENGTH * _flat(5e-8))
    rate = SCALE / WAVELENGTH
    gx, gy = np.meshgrid(plane.focus.x, plane.focus.y)
    there = np.array(
        [
            [np.sum(field * np.exp(2j * np.pi * rate * (a * x + b * y))) for a, b in zip(r, s)]  # noqa: B905
            for r, s in zip(gx, gy)  # noqa: B905
        ]
    )
    there *= plane.focus.field * (0.5 * (AXIS[1] - AXIS[0]) * rate) ** 2
    back = np.array(
        [
            [np.sum(there * np.exp(-2j * np.pi * rate * (gx * a + gy * b))) for a in AXIS]
            for b in AXIS
        ]
    )
    after = plane.stop * np.exp(2j * np.pi / WAVELENGTH * plane.after)
    wave = np.exp(2j * np.pi * rate * (at[0] * x + at[1] * y))
    expected = np.abs(np.sum((field - back) * after * wave)) ** 2
    expected *= (rate * (AXIS[1] - AXIS[0])) ** 2 / 4 / np.sum((abs(plane.pupil) * plane.stop) ** 2)
    # Undo the integration over the pixel: ask the density before it.
    image._response = np.ones_like(image._response)
    image._pixels = lambda density: density
    density = image.image(_flat(5e-8))
    rows = (np.arange(14) + 0.5) / 2 - 3.5
    found = density[np.argmin(abs(rows - at[1])), np.argmin(abs(rows - at[0]))]
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_star_is_moved_by_its_pixels():
    optics = _propagator(_plane(), fov=41)
    still = optics.image(_flat(), occulted=False)
    moved = optics.image(optics.tilt((3.0, -2.0)), occulted=False)
    inner = slice(8, -8)
    assert moved[inner, inner] == pytest.approx(
        np.roll(still, (-2, 3), axis=(0, 1))[inner, inner], abs=1e-6 * still.max()
    )


def test_flux_is_one_and_blur_and_kernel_keep_it():
    kernel = np.array([[0, 0.02, 0], [0.01, 0.94, 0.01], [0, 0.02, 0]])
    sums = [
        _propagator(_plane(), fov=61, **options).image(_flat(), occulted=False).sum()
        for options in ({}, {"blur": 0.4}, {"kernel": kernel})
    ]
    assert sums[0] == pytest.approx(1.0, abs=0.02)
    assert sums[1:] == pytest.approx([sums[0]] * 2, rel=1e-3)


def test_blur_widens_by_its_variance():
    def variance(image):
        y, x = np.indices(image.shape) - 10
        core = image * np.exp(-(x**2 + y**2) / 2 / 2.0**2)
        return np.sum(core * (x**2 + y**2)) / core.sum()

    sharp, blurred = (
        variance(_propagator(_plane(), blur=blur).image(_flat(), occulted=False))
        for blur in (0.0, 0.5)
    )
    assert blurred > sharp + 0.1


def test_wavelengths_add_by_weight():
    red, blue = _plane(weight=0.3), _plane(weight=0.7, wavelength=2.9e-6)
    both = _propagator(red, blue).image(_flat())
    one = _propagator(red).image(_flat()) + _propagator(blue).image(_flat())
    assert both == pytest.approx(one, abs=1e-6 * one.max())


def test_light_passes_only_within_the_grid_if_said_so():
    # The same occulter said both ways differs by the light beyond the grid's edge alone.
    inside, all_of_it = (_propagator(_plane(within=w)) for w in (True, False))
    change = np.abs(inside.image(_flat()) - all_of_it.image(_flat())).max()
    assert 1e-5 < change / all_of_it.image(_flat(), occulted=False).max() < 0.02


def test_derivatives_are_those_of_differences():
    optics = _propagator(_plane(opd=1e-8), _plane(wavelength=2.9e-6))
    modes = np.stack([_flat(1.0), optics.tilt((1.0, 0.0))])
    before, after = _flat(3e-8), optics.tilt((0.1, 0.2))
    found = optics.derivatives(before, modes, after=after)
    for mode, derivative, step in zip(modes, found, (5e-9, 0.005), strict=True):
        ends = [optics.image(before + s * step * mode, after=after) for s in (1, -1)]
        difference = (ends[0] - ends[1]) / (2 * step)
        assert derivative == pytest.approx(difference, abs=0.01 * np.abs(difference).max())
