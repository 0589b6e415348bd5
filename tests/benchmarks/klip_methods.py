"""KLIP with 50 modes as coronx, the host, pyKLIP and VIP do it, on the same frames."""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

import numpy as np

from coronx.ops.images import Images
from coronx.ops.psf_subtraction import subtract_psf
from coronx.ops.target_fit import fit_targets, prepare
from coronx.ops.zone_fit import assemble
from tests.benchmarks.frames import Frames

__all__ = ["HOST", "METHODS", "MODES", "PEERS", "VIP", "WITHOUT_ERR", "WITH_ERR", "installed"]

MODES = 50
WITH_ERR, WITHOUT_ERR, HOST = "coronx, ERR", "coronx, no ERR", "host"
PYKLIP, VIP = "pyKLIP", "VIP"
_VIP_MODES = ("eigen", "arpack", "lapack", "eigen float32")
PEERS = (PYKLIP, *(f"{VIP} {mode}" for mode in _VIP_MODES))
_PACKAGES = {PYKLIP: "pyklip", VIP: "vip_hci", HOST: "jwst", "coronx": "coronx"}


def installed(method: str) -> str | None:
    """Return a method's package and version, or None if it is not installed."""
    package = _PACKAGES[method.replace(",", " ").split()[0]]
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return None


def _images(frames: Frames) -> tuple[Images, Images]:
    targets = Images(frames.science, frames.science_err, frames.science_dq != 0)
    references = Images(frames.references, frames.reference_err, frames.reference_dq != 0)
    return targets, references


def _coronx(frames: Frames) -> np.ndarray:
    return subtract_psf(*_images(frames), truncate=(MODES,)).residual[0]


def _coronx_without_err(frames: Frames) -> np.ndarray:
    ready = prepare(*_images(frames))
    (fitted,) = fit_targets(ready, frames.science, truncate=(MODES,))
    model = assemble(fitted.zones, frames.science[0].size)
    return frames.science - model.reshape(frames.science.shape)


def _host(frames: Frames) -> np.ndarray:
    from jwst.coron.klip import klip
    from stdatamodels.jwst.datamodels import CubeModel

    target = CubeModel(
        data=frames.science.copy(), err=frames.science_err.copy(), dq=frames.science_dq
    )
    references = CubeModel(data=frames.references, err=frames.reference_err, dq=frames.reference_dq)
    return klip(target, references, MODES, return_psf=False).data


def _pyklip(frames: Frames) -> np.ndarray:
    from pyklip.klip import klip_math

    nsci, nref = len(frames.science), len(frames.references)
    references = frames.references.reshape(nref, -1).astype(np.float64)
    # Its parallel front end, too, makes the covariance once and hands it to every frame.
    covariance = np.cov(references)
    targets = frames.science.reshape(nsci, -1).astype(np.float64)
    residuals = [
        klip_math(target, references, np.array([MODES]), covar_psfs=covariance)[:, 0]
        for target in targets
    ]
    return np.array(residuals).reshape(frames.science.shape)


def _vip(frames: Frames, *, mode: str) -> np.ndarray:
    # What its `pca` runs with cube_ref before it derotates.
    from vip_hci.psfsub.pca_fullfr import _project_subtract

    science, references = frames.science, frames.references
    mode, _, single = mode.partition(" ")
    if not single:
        science, references = science.astype(np.float64), references.astype(np.float64)
    count = min(MODES, len(references))
    with warnings.catch_warnings():
        # Its scaler's, of the mean of bright frames.
        warnings.simplefilter("ignore", UserWarning)
        return _project_subtract(science, references, count, "spat-mean", None, mode, False, False)


METHODS: Mapping[str, Callable[[Frames], np.ndarray]] = MappingProxyType(
    {
        WITH_ERR: _coronx,
        WITHOUT_ERR: _coronx_without_err,
        HOST: _host,
        PYKLIP: _pyklip,
        **{f"{VIP} {mode}": partial(_vip, mode=mode) for mode in _VIP_MODES},
    }
)
"""Functions of `Frames` that return the residuals of all science frames."""
