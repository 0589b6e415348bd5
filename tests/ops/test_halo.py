import numpy as np
import pytest

from coronx.ops.halo import fit_halo

STAR = (150.3, 170.8)
LEVEL = 0.2
y, x = np.indices((320, 320))
RADIUS = np.hypot(x - STAR[0], y - STAR[1])
EVERYWHERE = np.ones((320, 320), bool)


def scene(brightness, *, noise=0.3, seed=1, more=0.0):
    """Return an image with a halo of a brightness at 100 pixels."""
    halo = brightness * (np.maximum(RADIUS, 1.0) / 100.0) ** -3
    halo = halo + more * (np.maximum(RADIUS, 1.0) / 100.0) ** -5
    rng = np.random.default_rng(seed)
    return LEVEL + halo + noise * rng.normal(size=halo.shape), halo


@pytest.mark.parametrize("more", [0.0, 0.02])
def test_the_halo_is_found(more):
    image, halo = scene(0.1, more=more)
    found = fit_halo(image, EVERYWHERE, STAR)
    assert found.model[found.outside].mean() == pytest.approx(
        halo[found.outside].mean(), abs=3 * found.sigma
    )
    assert 0 < found.sigma < 0.02
    # Outside begins where the halo is a tenth of the noise of a pixel.
    at_edge = halo[np.abs(RADIUS - found.radius) < 1].mean()
    assert at_edge == pytest.approx(0.03, rel=0.25)
    assert RADIUS[found.outside].min() >= found.radius - 1
    # What a level measured there would be, with and without the halo taken off.
    assert np.median((image - found.model)[found.outside]) == pytest.approx(LEVEL, abs=0.006)
    assert np.median(image[found.outside]) > LEVEL + 0.01


def test_noise_by_which_faint_is_meant():
    image, halo = scene(0.1)
    near = fit_halo(image, EVERYWHERE, STAR, noise=3.0)
    far = fit_halo(image, EVERYWHERE, STAR, noise=0.3)
    assert near.radius < far.radius
    assert halo[np.abs(RADIUS - near.radius) < 1].mean() == pytest.approx(0.3, rel=0.3)


def test_no_halo_no_model():
    image, _ = scene(0.0)
    found = fit_halo(image, EVERYWHERE, STAR)
    assert np.all(found.model == 0.0)
    assert found.outside.all()
    assert found.sigma == 0.0


def test_the_farthest_pixels_are_left_however_bright_the_star():
    image, _ = scene(300.0)
    found = fit_halo(image, EVERYWHERE, STAR, least=0.2)
    assert np.count_nonzero(found.outside) == pytest.approx(0.2 * image.size, rel=0.05)
    assert np.median((image - found.model)[found.outside]) == pytest.approx(LEVEL, abs=1.0)


def test_companions_and_holes_in_the_data_are_not_the_halo():
    image, halo = scene(0.1)
    image[100:110, 250:260] += 500.0
    image[tuple(np.random.default_rng(3).integers(0, 320, (2, 300)))] = np.nan
    use = EVERYWHERE.copy()
    use[:, 300:] = False
    image[:, 300:] = -100.0
    found = fit_halo(image, use, STAR)
    assert not found.outside[:, 300:].any()
    assert not found.outside[np.isnan(image)].any()
    assert found.model[found.outside].mean() == pytest.approx(
        halo[found.outside].mean(), abs=3 * found.sigma
    )


def test_next_to_no_pixels():
    image, _ = scene(0.1)
    use = np.zeros_like(EVERYWHERE)
    use[0, :5] = True
    found = fit_halo(image, use, STAR)
    assert np.array_equal(found.outside, use)
    assert np.all(found.model == 0.0)
