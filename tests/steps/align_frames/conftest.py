import numpy as np
import pytest

from coronx.models.star_places import record_places
from tests.steps.align_frames.star_shifts import FIRST, PLACES, run


@pytest.fixture(scope="session")
def exposures(make_exposure):
    """Two rolls and a reference, whose stars are where PLACES says, each recorded."""

    def make(name, seed, roll=20.0, **options):
        places = np.array(PLACES[name])
        jitter = places[1] - places[0] if len(places) > 1 else (0.0, 0.0)
        return make_exposure(
            f"{name}_calints.fits", seed=seed, nints=len(places), dither=places[0] - FIRST,
            jitter=jitter, roll=roll, **options,
        )  # fmt: skip

    return [
        make("roll1", 1),
        make("roll2", 2, roll=30.0),
        make("psf1", 11, is_psf=True, brightness=2.0),
    ]


@pytest.fixture(scope="session")
def aligned(exposures):
    return run(exposures, star_center=list(FIRST))


@pytest.fixture
def placed(exposures):
    """The exposures with the star's places measured, well but for the reference's second row."""
    models = [m.copy() for m in exposures]
    for name, model in zip(PLACES, models, strict=True):
        places = np.array(PLACES[name])
        good = np.ones(len(places), bool)
        record_places(model, places, np.full(places.shape, 0.01), good, source="test")
    return models
