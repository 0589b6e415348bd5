"""Reference-star subtraction as coronx, VIP and pyKLIP do it, on the same aligned frames.

Every function takes targets (n, ny, nx) of one star at one roll, and its references (nref, ny, nx),
all finite, and returns residuals (counts, n, ny, nx) for each number of modes from 1 to all.
Targets are subtracted one by one: the first is the observed frame, others have companions injected.
"""

import contextlib
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np

from coronx.ops.color_reference import color_reference
from coronx.ops.images import Images
from coronx.ops.psf_subtraction import subtract_psf
from coronx.ops.zones import annular_zones
from tests.benchmarks.contrast_data import CENTER, FWHM

__all__ = [
    "COLOR_CHANGE",
    "EDGES",
    "METHODS",
    "PADDING",
    "Subtract",
    "colored",
    "with_coronx",
    "with_pyklip",
    "with_vip",
]

# Pixels. The star's bright speckles end 12 lambda/D from it: what is beyond, where noise rules, is
# fitted by itself, and each fit reaches far enough to hardly follow a companion. Inner edge and
# padding were chosen on the first roll of each star.
EDGES, PADDING = (7 * FWHM, 12.5 * FWHM), 6 * FWHM
# Black bodies of 10000 K and 2800 K differ by so much in the mean wavelength of their photons.
COLOR_CHANGE = 0.003
Subtract = Callable[[np.ndarray, np.ndarray], np.ndarray]


def with_vip(
    targets: np.ndarray,
    references: np.ndarray,
    *,
    scaling: str | None = None,
) -> np.ndarray:
    """Full-frame `pca` with a reference cube: what it runs before it derotates."""
    from vip_hci.psfsub.pca_fullfr import _project_subtract

    with _quiet():
        return np.stack([
            _project_subtract(targets, references, count, scaling, None, "lapack", False, False)
            for count in range(1, len(references) + 1)
        ])  # fmt: skip


def with_pyklip(
    targets: np.ndarray,
    references: np.ndarray,
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
                mode="RDI", annuli=annuli, subsections=sectors, movement=1, numthreads=1,
                numbasis=np.arange(1, len(references) + 1), aligned_center=list(CENTER),
                psf_library=library.master_library, psf_library_corr=library.correlation,
                psf_library_good=library.isgoodpsf, verbose=False,
            )[0]  # fmt: skip
        out.append(residual[:, 0])
    return np.stack(out, axis=1)


def with_coronx(
    targets: np.ndarray,
    references: np.ndarray,
    *,
    edges: Sequence[float] = EDGES,
    sectors: int = 1,
    padding: float = PADDING,
    color: bool = False,
) -> np.ndarray:
    """`subtract_psf` in annuli and sectors about `CENTER`; the whole frame without edges.

    With `color`, what a star's colour changes is one more reference.
    """
    stack = _images(references)
    stack = colored(stack) if color else stack
    return subtract_psf(
        _images(targets),
        stack,
        truncate=range(1, len(stack.data) + 1),
        zones=annular_zones(
            targets.shape[1:], CENTER, edges=edges, sectors=sectors, padding=padding, smallest=FWHM
        ),
        propagate=False,
    ).residual


def colored(references: Images, used: np.ndarray | None = None) -> Images:
    """Return references with that of colour, which is made of those `used`."""
    return references.joined(color_reference(references, CENTER, change=COLOR_CHANGE, used=used))


def _images(data: np.ndarray) -> Images:
    return Images(data, np.ones_like(data), np.zeros(data.shape, bool))


@contextlib.contextmanager
def _quiet():
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


METHODS: Mapping[str, Subtract] = MappingProxyType(
    {
        "coronx, 3 annuli, colour": partial(with_coronx, color=True),
        "coronx, 3 annuli": with_coronx,
        "coronx, 2 annuli": partial(with_coronx, edges=EDGES[1:], padding=10.5 * FWHM),
        "coronx, 3 annuli x 8 sectors": partial(
            with_coronx, edges=(12.5 * FWHM, 25 * FWHM), sectors=8, padding=FWHM
        ),
        "coronx, whole frame": partial(with_coronx, edges=()),
        "coronx, whole frame, colour": partial(with_coronx, edges=(), color=True),
        "VIP pca": with_vip,
        "VIP pca, spat-mean": partial(with_vip, scaling="spat-mean"),
        "pyKLIP, 5 annuli x 4 sectors": with_pyklip,
    }
)
"""The first is what the others are compared with."""
