"""Random drifts of the wavefront on the pupil of a star's model."""

import numpy as np
from numpy.typing import NDArray

from coronx.refdata.psf_model import StarModel
from coronx.refdata.segments import nearest_segment, segment_centers
from coronx.simulate.pupil import Pupil
from coronx.simulate.wavefront import drift_opd

__all__ = ["random_drift"]


def random_drift(
    model: StarModel, rms_nm: float, *, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a change of the wavefront: segments move, and the whole mirror bends.

    Parameters
    ----------
    model : StarModel
        Whose pupil it is for.
    rms_nm : float
        rms over the pupil in nm; a few between visits is usual.
    rng : numpy.random.Generator
        Source of the coefficients.

    Returns
    -------
    ndarray
        Wavefront in nm for `StarModel.image`, shape (n, n). It does not tilt: the star stays.
    """
    x, y = model.pupil_x, model.pupil_y
    centers = segment_centers()
    pupil = Pupil(
        u=x[0],
        v=y[:, 0],
        x=x,
        y=y,
        amplitude=model.pupil_amplitude,
        stop=model.pupil_amplitude,
        segments=nearest_segment(x, y, centers),
        centers=centers,
    )
    return 1e9 * drift_opd(pupil, rms_nm, rng=rng)
