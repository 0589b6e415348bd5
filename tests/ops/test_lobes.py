import numpy as np
import pytest

from coronx.ops.detection import find_candidates
from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import flux_map
from coronx.ops.lobes import clear_lobes
from tests.ops.subtracted_frames import SCALE, Frames, Source, gaussian, matrix

PIXELS, LOBE, AWAY = 2.3, 0.05, 16.0
FWHM = PIXELS * SCALE
GRID = FluxGrid(44, SCALE)
SHAPE, STAR = (121, 121), (60.2, 59.7)
BRIGHT, FAINT = (0.83, -1.12), (-0.4, -0.9)


def psf(shape, x, y):
    """Return a Gaussian with two lobes, and what they lack between them."""
    sides = sum(gaussian(shape, x + dx, y, PIXELS) for dx in (-AWAY, AWAY))
    return gaussian(shape, x, y, PIXELS) + LOBE * sides


KERNEL = psf((49, 49), 24.0, 24.0)
UNIT = 1.0 / np.sqrt((KERNEL**2).sum())  # flux of one sigma


def observed(*companions, seed=1, shape=psf):
    """Return the map of a noisy frame with companions (S/N, (east, north)), and what removes them.

    The removal knows fluxes within 2 %, and lists what it was asked.
    """
    noise = np.random.default_rng(seed).normal(size=(1, *SHAPE))
    asked = []

    def image(companion, of):
        snr, place = companion
        return snr * UNIT * of(SHAPE, *(matrix() @ np.array(place) + STAR))

    whole = noise + sum(image(one, shape) for one in companions)

    def made(residual):
        part = Frames(residual, np.ones(residual.shape), STAR, matrix()[None])
        return flux_map([part], lambda _: Source(KERNEL), grid=GRID)

    def without(places):
        asked.append([])
        less = whole.copy()
        for place in places:
            near = min(companions, key=lambda one: np.hypot(*np.subtract(one[1], place)))
            if np.hypot(*np.subtract(near[1], place)) > FWHM:
                continue  # nothing to fit there
            asked[-1].append(near[0])
            less = less - 0.98 * image(near, psf)
        return made(less)

    return made(whole), without, asked


def found(flux_map):
    return find_candidates(flux_map, fwhm=FWHM).candidates


def test_the_lobes_of_a_bright_companion_are_none():
    seen, without, asked = observed((400.0, BRIGHT))
    assert [
        np.hypot(one.east - BRIGHT[0], one.north - BRIGHT[1]) < FWHM for one in found(seen)
    ] != [True]
    cleared = clear_lobes(seen, without, fwhm=FWHM)
    assert asked == [[400.0]]
    assert np.hypot(*np.subtract(cleared.places[0], BRIGHT)) < SCALE
    (one,) = found(cleared.flux_map)
    assert np.hypot(one.east - BRIGHT[0], one.north - BRIGHT[1]) < 0.1 * FWHM
    # All of its flux.
    assert one.flux == pytest.approx(400.0 * UNIT, rel=0.02)


def test_another_beside_it_is_found():
    seen, without, asked = observed((12.0, FAINT), (400.0, BRIGHT))
    cleared = clear_lobes(seen, without, fwhm=FWHM)
    assert asked[0] == [400.0]
    assert len(cleared.places) == 1
    bright, faint = found(cleared.flux_map)
    assert bright.flux > 20.0 * faint.flux
    assert np.hypot(faint.east - FAINT[0], faint.north - FAINT[1]) < 0.3 * FWHM


def test_two_bright_ones_are_taken_out_in_descending_brightness():
    seen, without, asked = observed((200.0, FAINT), (400.0, BRIGHT))
    cleared = clear_lobes(seen, without, fwhm=FWHM)
    assert asked == [[400.0], [400.0, 200.0]]
    assert [place[0] > 0.0 for place in cleared.places] == [True, False]
    assert len(found(cleared.flux_map)) == 2


@pytest.mark.parametrize("companions", [(), ((6.0, BRIGHT),)])
def test_a_map_without_bright_companions_is_as_it_was(companions):
    seen, without, asked = observed(*companions)
    cleared = clear_lobes(seen, without, fwhm=FWHM)
    assert cleared.flux_map is seen
    assert not cleared.places
    assert not asked


def test_lobes_that_are_not_there_are_not_taken_out():
    def bare(shape, x, y):
        return gaussian(shape, x, y, PIXELS)

    seen, without, asked = observed((400.0, BRIGHT), shape=bare)
    assert clear_lobes(seen, without, fwhm=FWHM).flux_map is seen
    assert asked


def test_what_is_not_searched_is_not_asked_about():
    seen, without, asked = observed((400.0, BRIGHT))
    assert clear_lobes(seen, without, fwhm=FWHM, outer=1.0).flux_map is seen
    assert not any(400.0 in each for each in asked)
