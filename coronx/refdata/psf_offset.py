"""Where the model's optics put a star that is on the mask's centre."""

import numpy as np
from numpy.typing import NDArray

from coronx.refdata.psf_propagation import Propagator

__all__ = ["own_offset"]

_ROUNDS = 6
_STEP = 0.01  # pixels, of the differences that stand for derivatives


def own_offset(propagator: Propagator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the offsets (x, y) in pixels that the optics add before and after the occulter.

    The star is seen without the occulter but with the Lyot stop in, and compared with the image
    that the same stop gives when no optic moves or aberrates it. The telescope's wavefront moves
    the star on the mask; the instrument's moves the image of star and mask together.
    """
    nothing = propagator.tilt((0.0, 0.0))
    telescope = _Star(propagator, aberrated=False)
    whole = _Star(propagator, aberrated=True)
    flat = _Star(propagator, aberrated=False, flat=True)
    before = _register(telescope.at(nothing), flat)
    after = _register(whole.at(nothing), telescope)
    return before, after


class _Star:
    def __init__(self, propagator: Propagator, *, aberrated: bool, flat: bool = False) -> None:
        self.propagator = propagator
        self.aberrated = aberrated
        self.flat = flat

    def at(self, tilt: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.propagator.image(tilt, occulted=False, aberrated=self.aberrated, flat=self.flat)


def _register(image: NDArray[np.float64], star: _Star) -> NDArray[np.float64]:
    # Gauss-Newton on brightness and place: the least squares that a fitted star would give.
    place = np.zeros(2)
    for _ in range(_ROUNDS):
        here = star.at(star.propagator.tilt((place[0], place[1])))
        terms = [here]
        for step in ((_STEP, 0.0), (0.0, _STEP)):
            there = star.at(star.propagator.tilt((place[0] + step[0], place[1] + step[1])))
            terms.append((there - here) / _STEP)
        design = np.stack([term.ravel() for term in terms], axis=1)
        solved, *_ = np.linalg.lstsq(design, image.ravel(), rcond=None)
        change = solved[1:] / solved[0]
        place += change
        if np.hypot(*change) < 1e-4:
            break
    return place
