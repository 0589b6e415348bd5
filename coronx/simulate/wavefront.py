"""Wavefront errors: the static figure of the telescope, and its drift between visits."""

import numpy as np
from numpy.typing import NDArray

from coronx.simulate.pupil import DIAMETER, Pupil

__all__ = ["drift_opd", "static_opd"]

_WAVES = 150
_RIPPLE = 0.45  # share of the static error, in rms, at scales finer than a segment


def static_opd(pupil: Pupil, rms_nm: float, *, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a wavefront error like JWST's: segment shapes and poses, and finer ripple.

    Parameters
    ----------
    pupil : Pupil
        The pupil.
    rms_nm : float
        rms over the pupil, in nm; in flight 60 to 75 nm (McElwain et al. 2023, PASP 135).
    rng : numpy.random.Generator
        Source of the coefficients.

    Returns
    -------
    ndarray
        Optical path difference in metres, shape (n, n).
    """
    low = _scaled(pupil, _segment_terms(pupil, rng), np.sqrt(1 - _RIPPLE**2))
    return _scaled(pupil, low + _scaled(pupil, _ripple(pupil, rng), _RIPPLE), rms_nm * 1e-9)


def drift_opd(pupil: Pupil, rms_nm: float, *, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a change of the wavefront: segments move, and the whole mirror bends.

    Parameters and result are those of `static_opd`; a few nm between visits is usual.
    """
    x, y = pupil.x * 2 / DIAMETER, pupil.y * 2 / DIAMETER
    bend = rng.normal(size=3)
    whole = bend[0] * (x**2 + y**2) * 2 + bend[1] * (x**2 - y**2) + bend[2] * 2 * x * y
    return _scaled(pupil, _segment_terms(pupil, rng) + whole, rms_nm * 1e-9)


def _scaled(pupil: Pupil, opd: NDArray[np.float64], rms: float) -> NDArray[np.float64]:
    # Tip and tilt of the whole would move the star, whose place the scene decides.
    inside = pupil.amplitude > 0.5
    terms = np.stack([np.ones(inside.sum()), pupil.x[inside], pupil.y[inside]], axis=1)
    c, *_ = np.linalg.lstsq(terms, opd[inside], rcond=None)
    flat = opd - (c[0] + c[1] * pupil.x + c[2] * pupil.y)
    return flat * (rms / flat[inside].std())


def _segment_terms(pupil: Pupil, rng: np.random.Generator) -> NDArray[np.float64]:
    radius = 0.76
    x = (pupil.x - pupil.centers[pupil.segments, 0]) / radius
    y = (pupil.y - pupil.centers[pupil.segments, 1]) / radius
    # Piston, tip, tilt, focus, two astigmatisms: the shapes that an actuated segment takes.
    shapes = (np.ones_like(x), 2 * x, 2 * y, 2 * (x**2 + y**2) - 1, 2 * (x**2 - y**2), 4 * x * y)
    weights = (1.0, 0.6, 0.6, 0.4, 0.5, 0.5)
    coefficients = rng.normal(size=(len(pupil.centers), len(shapes))) * weights
    return sum(coefficients[pupil.segments, k] * shape for k, shape in enumerate(shapes))


def _ripple(pupil: Pupil, rng: np.random.Generator) -> NDArray[np.float64]:
    # Cosines with the steep spectrum of polished optics, 5 to 35 cycles across the pupil.
    cycles = 5 * 7 ** rng.uniform(size=_WAVES)
    angle, phase = rng.uniform(0, 2 * np.pi, size=(2, _WAVES))
    total = np.zeros_like(pupil.x)
    for k, a, p in zip(cycles, angle, phase, strict=True):
        along = (pupil.x * np.cos(a) + pupil.y * np.sin(a)) / DIAMETER
        total += np.cos(2 * np.pi * k * along + p) / k
    return total
