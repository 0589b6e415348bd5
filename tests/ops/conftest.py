import numpy as np
import pytest

from tests.ops.psf_scenes import BACKGROUND, NREF, PEAK, SIZE, observe


@pytest.fixture(scope="session")
def means(speckles):
    """Return the noiseless references and target: mixes of like stars, in photons."""
    rng = np.random.default_rng(0)
    stars = np.array([speckles(SIZE, seed=s) for s in range(5)]).clip(0.0)
    mix = 1.0 + 0.05 * rng.normal(size=(NREF + 1, 5))
    images = PEAK * np.einsum("mk,kyx->myx", mix, stars) / 2.0 + BACKGROUND
    return images[:NREF], images[NREF:]


@pytest.fixture(scope="session")
def seen(means):
    """Return noisy references, and two targets, the second a tenth brighter."""
    rng = np.random.default_rng(1)
    return observe(rng, means[0]), observe(rng, np.concatenate([means[1], 1.1 * means[1]]))
