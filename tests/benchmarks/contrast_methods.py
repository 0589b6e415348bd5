"""Reference-star subtraction as coronx, VIP and pyKLIP do it, on the same aligned frames.

Every function takes targets (n, ny, nx) of one star at one roll, its references (nref, ny, nx), all
finite, and a list of mode counts, and returns residuals (counts, n, ny, nx). Targets are subtracted
one by one: the first is the observed frame, others have companions injected.
"""

import contextlib
import io
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from coronx.ops.klip import kl_basis, project
from tests.benchmarks.contrast_data import CENTER

__all__ = ["Subtract", "with_coronx", "with_pyklip", "with_vip"]

Subtract = Callable[[np.ndarray, np.ndarray, Sequence[int]], np.ndarray]


def with_vip(
    targets: np.ndarray,
    references: np.ndarray,
    modes: Sequence[int],
    *,
    scaling: str | None = None,
) -> np.ndarray:
    """Full-frame `pca` with a reference cube; not derotated."""
    from vip_hci.psfsub import pca

    out = np.empty((len(modes), *targets.shape))
    for k, count in enumerate(modes):
        for n, target in enumerate(targets):
            with _quiet():
                out[k, n] = pca(
                    cube=target[None], angle_list=np.zeros(1), cube_ref=references, ncomp=count,
                    scaling=scaling, verbose=False, full_output=True, nproc=1,
                )[3][0]  # fmt: skip
    return out


def with_pyklip(
    targets: np.ndarray,
    references: np.ndarray,
    modes: Sequence[int],
    *,
    annuli: int = 5,
    sectors: int = 4,
    inner: float = 1.0,
) -> np.ndarray:
    """`klip_parallelized` in RDI mode with a library of the references."""
    from pyklip.instruments.Instrument import GenericData
    from pyklip.parallelized import klip_parallelized
    from pyklip.rdi import PSFLibrary

    out = []
    for target in targets:
        with _quiet():
            data = GenericData(
                target[None], np.array([CENTER]), parangs=np.zeros(1), wvs=np.ones(1),
                IWA=inner, filenames=["target"],
            )  # fmt: skip
            stack = np.concatenate([references, target[None]])
            names = [*(f"reference {m}" for m in range(len(references))), "target"]
            library = PSFLibrary(stack, list(CENTER), names, compute_correlation=True)
            library.prepare_library(data)
            residual = klip_parallelized(
                data.input, data.centers, data.PAs, data.wvs, data.filenums, data.IWA,
                mode="RDI", annuli=annuli, subsections=sectors, movement=1,
                numbasis=np.array(modes), aligned_center=list(CENTER), numthreads=1,
                psf_library=library.master_library, psf_library_corr=library.correlation,
                psf_library_good=library.isgoodpsf, verbose=False,
            )[0]  # fmt: skip
        out.append(residual[:, 0])
    return np.stack(out, axis=1)


def with_coronx(
    targets: np.ndarray,
    references: np.ndarray,
    modes: Sequence[int],
    *,
    zones: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
) -> np.ndarray:
    """KLIP over zones, pairs of masks (fit, subtract); by default the whole frame."""
    if zones is None:
        whole = np.ones(targets.shape[1:], bool)
        zones = ((whole, whole),)
    out = np.full((len(modes), *targets.shape), np.nan)
    for fit, subtract in zones:
        used = fit | subtract
        # The basis over `fit`, continued to `subtract`.
        for k, count in enumerate(modes):
            basis = kl_basis(references, truncate=count, used=used)
            good = np.broadcast_to(fit, targets.shape)
            residual = targets - project(targets, good, basis).model
            out[k][:, subtract] = residual[:, subtract]
    return out


@contextlib.contextmanager
def _quiet():
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield
