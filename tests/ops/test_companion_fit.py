import numpy as np
import pytest

from coronx.ops.companion_fit import _pace, fit_companion
from tests.ops.companion_scenes import (
    FWHM,
    SCALE,
    GaussianPsf,
    LinearPart,
    SelfSubtracting,
    make_parts,
)

TRUTH = (0.62, -0.68, 120.0)  # some 17 sigma


def fit(parts, psf, guess=(0.65, -0.66), **options):
    return fit_companion(parts, psf, guess=guess, fwhm=FWHM, **options)


def away(found, truth=TRUTH):
    return np.array([found.east, found.north, found.flux]) - truth


@pytest.fixture(scope="module")
def scene():
    return make_parts(np.random.default_rng(4), companion=TRUTH)


def test_every_part_has_its_psf(scene):
    parts, psf = scene
    one, each = fit(parts, psf), fit(parts, [psf, psf])
    assert (one.east, one.flux) == (each.east, each.flux)
    half = GaussianPsf()
    half.image = lambda shape, x, y: 0.5 * psf.image(shape, x, y)
    assert fit(parts, [half, half]).flux == pytest.approx(2.0 * one.flux, rel=1e-3)


def test_a_companion_without_noise_is_found_exactly():
    parts, psf = make_parts(np.random.default_rng(0), companion=TRUTH)
    quiet = 1e-6 * np.random.default_rng(1).normal(size=parts[0].frames.shape)
    for part in parts:
        at = part.places(*TRUTH[:2])
        shape = part.frames.shape[1:]
        light = np.stack([psf.image(shape, x, y) for x, y in at])
        part.frames = np.where(np.isfinite(part.frames), TRUTH[2] * light + quiet, np.nan)
    found = fit(parts, psf)
    assert found.converged
    np.testing.assert_allclose(away(found) / TRUTH[2], 0.0, atol=1e-5)


def test_place_flux_and_errors(scene):
    found = fit(*scene)
    assert found.converged
    assert found.iterations <= 7
    assert found.errors == "annulus"
    assert (np.abs(away(found)) < 3.0 * found.sigma).all()
    assert found.snr == pytest.approx(found.flux / found.sigma[2])
    assert 10.0 < found.snr < 30.0
    assert found.sigma[:2] / SCALE == pytest.approx(FWHM / 2.355 / found.snr, rel=0.5)
    assert found.chi2 / found.dof == pytest.approx(1.0, abs=0.35)
    assert found.separation == pytest.approx(np.hypot(found.east, found.north))
    assert np.radians(found.pa) == pytest.approx(np.arctan2(found.east, found.north))
    assert found.separation_sigma == pytest.approx(found.sigma[:2].mean(), rel=0.4)
    across = np.radians(found.pa_sigma) * found.separation
    assert across == pytest.approx(found.sigma[:2].mean(), rel=0.4)


@pytest.mark.parametrize("direction", range(4))
def test_a_guess_may_be_a_resolution_element_off(scene, direction):
    turn = np.exp(0.5j * np.pi * (direction + 0.3))
    guess = np.add(TRUTH[:2], FWHM * SCALE * np.array([turn.real, turn.imag]))
    best, found = fit(*scene), fit(*scene, guess=guess)
    assert found.converged
    assert (np.abs(away(found) - away(best)) < 0.2 * best.sigma).all()


def test_a_source_too_far_away_is_lost(scene):
    guess = np.add(TRUTH[:2], (1.9 * FWHM * SCALE, 0.0))
    found = fit(*scene, guess=guess)
    assert found.lost
    assert not found.converged
    assert not fit(*scene).lost


def test_steps_are_paced_by_what_the_last_one_came_to():
    step, across = np.array([1.0, 0.5, 0.0]), np.array([0.5, -1.0, 0.0])
    metric = np.eye(3)
    # A move of the whole step that turns it round, or leaves half of it; a new direction.
    assert _pace(-1.2 * step, step, step, metric, 1.0) == pytest.approx(1.0 / 2.2)
    assert _pace(0.5 * step, step, step, metric, 1.0) == pytest.approx(2.0)
    assert _pace(across, step, step, metric, 2.0) == 1.0
    assert _pace(across, step, step, metric, 0.4) == 0.4
    # The same secant after a move of less than half: the rest is what the derivatives say.
    assert _pace(0.1 * step, step, 0.45 * step, metric, 0.45) == pytest.approx(0.5)
    assert _pace(step, np.zeros(3), np.zeros(3), metric, 1.0) == 1.0


class Overshooting(LinearPart):
    """A subtraction whose answer to light moves by less than half of what its place does.

    Derivatives made of small differences are too small, and steps too long by more than twofold.
    """

    linear = False

    def response(self, psf, east, north, flux=1.0, *, half):
        there = np.array([east, north])
        grid = 0.3 * SCALE * np.floor(there / (0.3 * SCALE))
        moved = grid + (there - grid) * 0.4
        return super().response(psf, *moved, flux, half=half)


def test_steps_that_overshoot_are_shortened(scene):
    parts, psf = scene
    made = [Overshooting(p.frames, p.err, p.modes, p.star, p.matrices) for p in parts]
    best, found = fit(parts, psf), fit(made, psf)
    assert found.converged
    assert np.hypot(found.east - best.east, found.north - best.north) < 0.3 * SCALE
    assert found.flux == pytest.approx(best.flux, rel=0.05)


@pytest.mark.parametrize("kernel", ["matern", "gaussian"])
def test_kernels_agree(scene, kernel):
    best, found = fit(*scene), fit(*scene, kernel=kernel)
    assert found.converged
    assert (np.abs(away(found) - away(best)) < best.sigma).all()
    np.testing.assert_allclose(found.sigma, best.sigma, rtol=0.4)


def test_self_subtraction_that_grows_with_flux_is_undone(scene):
    parts, psf = scene
    found = fit([SelfSubtracting.of(p, TRUTH) for p in parts], psf)
    assert found.converged
    assert (np.abs(away(found)) < 3.0 * found.sigma).all()
    # As if in proportion, a quarter of the light would be lost.
    assert found.flux == pytest.approx(TRUTH[2], rel=0.15)
    assert found.sigma[2] == pytest.approx(fit(parts, psf).sigma[2], rel=0.15)


def test_intervals_hold_the_truth_as_often_as_they_say():
    inside, least = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        angle = rng.uniform(0.0, 2.0 * np.pi)
        truth = (0.9 * np.sin(angle), 0.9 * np.cos(angle), 100.0)
        # Slow speckles that turn with the telescope: the orientations are not independent.
        parts, psf = make_parts(
            rng, companion=truth, rolls=(0.0, 4.0, 8.0), frames=1, slow=0.9, still=0.8, size=51
        )
        found = fit(parts, psf, truth[:2])
        miss = np.abs(away(found, truth)) / found.sigma
        inside.append(miss < 1.0)
        least.append(miss * found.inflation < 1.0)
    # Binomial: 0.68 +- 0.04 of 120, which are not quite independent.
    assert 0.57 < np.mean(inside) < 0.79
    assert np.mean(least) < 0.6


def test_little_light_does_not_run_away():
    for seed in range(4):
        parts, psf = make_parts(np.random.default_rng(seed))
        found = fit(parts, psf)
        assert np.hypot(found.east - 0.65, found.north + 0.66) <= 1.51 * FWHM * SCALE
        assert np.isfinite(found.covariance).all()
        assert found.snr < 4.0 or not found.converged


def test_another_companion_is_left_out(scene):
    parts, psf = scene
    alone = fit(parts, psf)
    other = (-0.70, 0.55)
    both = []
    for part in parts:
        at = part.places(*other)
        light = np.stack([psf.image(part.frames.shape[1:], x, y) for x, y in at])
        both.append(
            LinearPart(part.frames + 2000.0 * light, part.err, part.modes, part.star, part.matrices)
        )
    wide = fit(both, psf)
    found = fit(both, psf, known=[other])
    assert (np.abs(away(found) - away(alone)) < 0.7 * alone.sigma).all()
    np.testing.assert_allclose(found.sigma, alone.sigma, rtol=0.3)
    assert wide.sigma[2] > 2.0 * found.sigma[2]


def test_blemishes_on_the_companion_cost_precision_alone(scene):
    parts, psf = scene
    spoilt = []
    for part in parts:
        frames = part.frames.copy()
        x, y = np.round(part.places(*TRUTH[:2])[0]).astype(int)
        frames[:, y, x] = np.nan
        frames[0, y + 1, x - 2 : x + 3] = np.nan
        spoilt.append(LinearPart(frames, part.err, part.modes, part.star, part.matrices))
    found, plain = (fit(some, psf, errors="covariance") for some in (spoilt, parts))
    assert found.converged
    assert (np.abs(away(found)) < 3.5 * found.sigma).all()
    assert found.sigma[2] > 1.03 * plain.sigma[2]


def test_photons_of_the_companion_are_noise_too(scene):
    parts, psf = scene
    bright = []
    for part in parts:
        at = part.places(*TRUTH[:2])
        light = np.stack([psf.image(part.frames.shape[1:], x, y) for x, y in at])
        err = np.hypot(part.err, np.sqrt(3.0 * TRUTH[2] * light))
        bright.append(LinearPart(part.frames, err, part.modes, part.star, part.matrices))
    plain, found = fit(parts, psf), fit(bright, psf)
    np.testing.assert_allclose(away(found), away(plain), atol=1e-9)
    assert (found.sigma > 1.1 * plain.sigma).all()


def test_too_close_for_a_ring_falls_back():
    truth = (0.08, 0.09, 3000.0)
    parts, psf = make_parts(np.random.default_rng(2), companion=truth)
    found = fit(parts, psf, truth[:2])
    assert found.errors == "covariance"
    assert found.samples < 3.0


def test_bad_input_is_refused(scene):
    parts, psf = scene
    with pytest.raises(ValueError, match="annulus or covariance"):
        fit(parts, psf, errors="jackknife")
    for guess in ((0.5,), (np.nan, 0.3)):
        with pytest.raises(ValueError, match="guess"):
            fit(parts, psf, guess)
    with pytest.raises(ValueError, match="subtraction"):
        fit([], psf)
    with pytest.raises(ValueError, match="no usable residual"):
        fit(parts, psf, (40.0, 0.0))
    with pytest.raises(ValueError, match="3 PSFs for 2"):
        fit(parts, [psf] * 3)
    dark = [LinearPart(p.frames.copy(), p.err, p.modes, p.star, p.matrices) for p in parts]
    for part in dark:
        x, y = part.places(*TRUTH[:2])[0]
        rows, cols = np.indices(part.frames.shape[1:])
        part.frames[:, np.hypot(cols - x, rows - y) < 9.0] = np.nan
    with pytest.raises(ValueError, match="no usable residual"):
        fit(dark, psf, TRUTH[:2])
