import numpy as np
import pytest

from coronx.ops.detection import find_candidates
from coronx.ops.field_statistics import gaussian_sigmas
from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import flux_map
from coronx.ops.ring_noise import ring_noise
from tests.ops.subtracted_frames import (
    SCALE,
    Frames,
    Source,
    empty_fields,
    gaussian,
    gaussian_kernel,
    matrix,
)

PIXELS = 2.3
FWHM = PIXELS * SCALE
KERNEL = gaussian_kernel(PIXELS)
GRID = FluxGrid(40, SCALE)
STAR = (60.2, 59.7)
UNIT = 1.0 / np.sqrt(2.0 * (KERNEL**2).sum())  # flux of one sigma in both frames together


def observed(*companions, seed=1, **options):
    """Return the map of two noisy rolls with companions (S/N, east, north)."""
    rng = np.random.default_rng(seed)
    matrices = np.array([matrix(), matrix(10.0)])
    residual = rng.normal(size=(2, 121, 121))
    for snr, *place in companions:
        for n, each in enumerate(matrices):
            x, y = each @ place + STAR
            residual[n] += snr * UNIT * gaussian((121, 121), x, y, PIXELS)
    residual[:, rng.random((121, 121)) < 0.005] = np.nan
    part = Frames(residual, np.ones(residual.shape), STAR, matrices)
    return flux_map([part], lambda _: Source(KERNEL), grid=GRID, **options)


def test_a_companion_is_found_with_what_is_known_of_it():
    found = find_candidates(observed((15.0, 0.83, -1.12)), fwhm=FWHM, false_alarm=0.01)
    assert len(found.candidates) == 1
    one = found.candidates[0]
    assert one.snr == pytest.approx(15.0, abs=5.0)  # the noise of one ring
    assert one.flux == pytest.approx(15.0 * UNIT, abs=4.0 * one.flux_error)
    assert one.flux / one.flux_error == pytest.approx(one.snr)
    assert one.position_error == pytest.approx(2.0**0.5 * FWHM / (2.3548 * one.snr), rel=1e-3)
    assert np.hypot(one.east - 0.83, one.north + 1.12) < 4.0 * one.position_error
    assert one.separation == pytest.approx(np.hypot(one.east, one.north))
    assert one.pa == pytest.approx(np.degrees(np.arctan2(0.83, -1.12)), abs=4.0 * one.pa_error)
    assert one.false_alarm_place < one.false_alarm_field < 0.01
    assert one.sigmas > found.threshold


def test_places_scatter_as_stated():
    off, pulls = [], []
    for seed in range(40):
        angle = 0.1 * seed
        place = (1.3 * np.sin(angle), 1.3 * np.cos(angle))
        one = find_candidates(observed((12.0, *place), seed=seed), fwhm=FWHM).candidates[0]
        off += [(one.east - place[0]) / one.position_error]
        off += [(one.north - place[1]) / one.position_error]
        pulls += [(one.flux - 12.0 * UNIT) / one.flux_error]
    assert np.std(off) == pytest.approx(1.0, abs=0.25)
    assert np.mean(off) == pytest.approx(0.0, abs=0.35)
    assert np.mean(pulls) == pytest.approx(0.0, abs=0.5)


def test_a_bright_companion_hides_none_and_makes_none():
    at = ((200.0, 1.2, 0.0), (9.0, -0.7, -0.95), (8.0, 0.0, 1.9))
    found = find_candidates(observed(*at), fwhm=FWHM)
    assert len(found.candidates) == 3
    for one, (_, east, north) in zip(
        sorted(found.candidates, key=lambda c: -c.snr), at, strict=True
    ):
        assert np.hypot(one.east - east, one.north - north) < 0.5 * FWHM


def test_search_keeps_to_its_field():
    made = observed((20.0, 1.2, 0.0), (20.0, 0.0, 2.1))
    near = find_candidates(made, fwhm=FWHM, outer=1.6).candidates
    far = find_candidates(made, fwhm=FWHM, inner=1.6).candidates
    assert [round(one.north) for one in (*near, *far)] == [0, 2]
    assert find_candidates(made, fwhm=FWHM, inner=9.0).candidates == ()


def test_nothing_left_is_no_candidate():
    made = observed((20.0, 1.2, 0.0))
    found = find_candidates(made, fwhm=FWHM, masked=[(0.0, 0.0, 9.0)])
    assert found.candidates == ()
    assert np.isnan(found.snr).all()


def test_a_known_companion_is_no_noise():
    made = observed((300.0, 1.2, 0.0))
    plain = find_candidates(made, fwhm=FWHM)
    told = find_candidates(made, fwhm=FWHM, masked=[(1.2, 0.0, 0.6)])
    assert told.candidates[0].snr == pytest.approx(plain.candidates[0].snr, rel=0.2)


def test_a_candidate_is_as_rare_as_it_was_when_it_was_found():
    made = observed((6.0, 0.83, -1.12), seed=3)
    one = find_candidates(made, fwhm=FWHM, false_alarm=0.1).candidates[0]
    noise = ring_noise(
        made.flux, made.grid, fwhm=FWHM, correlation=made.correlation, scale=made.sigma
    )
    t = noise.t(made.flux)
    near = np.hypot(GRID.east - one.east, GRID.north - one.north) < FWHM
    at = np.unravel_index(np.argmax(np.where(near, t, -np.inf)), GRID.shape)
    assert one.sigmas == pytest.approx(gaussian_sigmas(t[at], noise.freedom[at]), rel=0.05)
    assert one.sigmas < one.snr


def test_empty_fields_show_a_candidate_as_often_as_stated():
    hits = 0
    for field in empty_fields(150, rng=np.random.default_rng(11), size=71):
        found = find_candidates(field.flux_map, fwhm=field.fwhm, false_alarm=0.3)
        hits += bool(found.candidates)
    # 45 expected; the figures of 1000 fields are those of tests/benchmarks/false_alarms.py.
    assert 28 <= hits <= 63
