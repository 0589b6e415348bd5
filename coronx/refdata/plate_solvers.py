"""Programs that find where in the sky stars are: three ways behind one function."""

import logging
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray

from coronx.errors import InputError

__all__ = ["SOLVERS", "Solution", "StarField", "choose_solver", "index_files", "solve_field"]

log = logging.getLogger(__name__)

_INDEX_FOLDERS = ("/usr/share/astrometry", "/usr/local/astrometry/data")
_WAYS = (
    "1. 'package': pip install 'coronx[astrometry]' (the package astrometry, GPL), and index "
    "files, such as Debian's astrometry-data-tycho2; 2. 'solve-field': install "
    "astrometry.net with its index files; 3. 'web': pip install 'coronx[astroquery]' and set "
    "api_key under [astrometry_net] in ~/.astropy/config/astroquery.cfg"
)


@dataclass(frozen=True)
class StarField:
    """What is to be found in the sky.

    Attributes
    ----------
    x, y : ndarray (n,)
        Stars in 1-based pixels, the brightest first.
    shape : tuple of int
        Of the image, (ny, nx).
    center : tuple of float or None
        RA and Dec near which it is, in degrees.
    radius : float
        How near, in degrees.
    scale : tuple of float or None
        Least and largest arcseconds a pixel.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    shape: tuple[int, int]
    center: tuple[float, float] | None = None
    radius: float = 5.0
    scale: tuple[float, float] | None = None


@dataclass(frozen=True)
class Solution:
    """Where it is.

    Attributes
    ----------
    wcs : WCS
        As the program has it.
    ra, dec : ndarray (m,) or None
        Stars of its catalogue there, in degrees, if it tells.
    """

    wcs: WCS
    ra: NDArray[np.float64] | None = None
    dec: NDArray[np.float64] | None = None


def index_files(folder: str | Path | None = None) -> list[Path]:
    """Return index files: of a folder, else of CORONX_ASTROMETRY_INDEX, else of the system."""
    told = folder or os.environ.get("CORONX_ASTROMETRY_INDEX")
    for place in [told] if told else _INDEX_FOLDERS:
        if found := sorted(Path(place).glob("index-*.fits")):
            return found
    return []


def choose_solver(name: str, folder: str | Path | None = None) -> str:
    """Return the program asked for, or of those there are the first, if it can be used.

    Parameters
    ----------
    name : str
        A key of `SOLVERS`, or "any".
    folder : str or Path, optional
        Where index files are.

    Raises
    ------
    InputError
        If it cannot, or none can.
    """
    lacking = {solver: missing(folder) for solver, (missing, _) in SOLVERS.items()}
    if name != "any":
        if lacking[name]:
            raise InputError(f"solver = {name}: {lacking[name]}. The ways are: {_WAYS}")
        return name
    for solver, reason in lacking.items():
        if not reason:
            return solver
    reasons = "; ".join(f"{solver}: {reason}" for solver, reason in lacking.items())
    raise InputError(f"solver = any: there is none ({reasons}). Get one of three: {_WAYS}")


def solve_field(
    field: StarField, solver: str, *, folder: str | Path | None = None, timeout: float = 300.0
) -> Solution | None:
    """Find where stars are in the sky.

    Parameters
    ----------
    field : StarField
        The stars, and what is known of them.
    solver : str
        A key of `SOLVERS`.
    folder : str or Path, optional
        Where index files are.
    timeout : float
        How long a program may take, in seconds; the package stops when it has tried all.

    Returns
    -------
    Solution or None
        None if nothing fits.

    Raises
    ------
    InputError
        If the program fails.
    """
    return SOLVERS[solver][1](field, folder, timeout)


def _no_package(folder: str | Path | None) -> str:
    if find_spec("astrometry") is None:
        return "the package astrometry is not installed"
    return "" if index_files(folder) else "no index files"


def _no_program(folder: str | Path | None) -> str:
    del folder  # it may have index files of its own
    return "" if shutil.which("solve-field") else "no solve-field on PATH"


def _no_service(folder: str | Path | None) -> str:
    del folder
    if find_spec("astroquery") is None:
        return "astroquery is not installed"
    from astroquery.astrometry_net import conf

    return "" if conf.api_key else "astroquery has no api_key"


def _by_package(field: StarField, folder: str | Path | None, timeout: float) -> Solution | None:
    del timeout
    import astrometry

    size = None if field.scale is None else astrometry.SizeHint(*field.scale)
    near = None
    if field.center is not None:
        near = astrometry.PositionHint(field.center[0] % 360.0, field.center[1], field.radius)
    options = astrometry.SolutionParameters(
        # Polynomials are fitted later, to all stars.
        sip_order=1,
        # The first match that is certain will do.
        logodds_callback=lambda _: astrometry.Action.STOP,
    )
    with astrometry.Solver(index_files(folder)) as solver:
        stars = np.column_stack([field.x, field.y]).tolist()
        found = solver.solve(stars, size, near, options)
    if not found.has_match():
        return None
    match = found.best_match()
    header = fits.Header([(key, *told) for key, told in match.wcs_fields.items()])
    places = np.array([(star.ra_deg, star.dec_deg) for star in match.stars]).reshape(-1, 2)
    return Solution(_wcs(header), places[:, 0], places[:, 1])


def _by_program(field: StarField, folder: str | Path | None, timeout: float) -> Solution | None:
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        stars = Table({"X": field.x, "Y": field.y, "FLUX": np.arange(len(field.x), 0, -1.0)})
        stars.write(work / "stars.fits")
        # Both would run modules of its own by whatever python3 is first on PATH.
        command = [
            "solve-field", "--no-plots", "--overwrite", "--no-remove-lines", "--uniformize", "0",
            "--x-column", "X", "--y-column", "Y", "--sort-column", "FLUX",
            "--width", str(field.shape[1]), "--height", str(field.shape[0]),
            "--tweak-order", "2", "--cpulimit", f"{timeout:.0f}", "--dir", str(work),
        ]  # fmt: skip
        if field.scale is not None:
            low, high = field.scale
            command += ["--scale-units", "arcsecperpix", "--scale-low", f"{low}"]
            command += ["--scale-high", f"{high}"]
        if field.center is not None:
            command += ["--ra", f"{field.center[0]}", "--dec", f"{field.center[1]}"]
            command += ["--radius", f"{field.radius}"]
        if files := index_files(folder):
            config = work / "engine.cfg"
            lines = [f"add_path {path}" for path in sorted({file.parent for file in files})]
            config.write_text("\n".join([*lines, "autoindex", f"cpulimit {timeout:.0f}", ""]))
            command += ["--config", str(config)]
        try:
            done = subprocess.run(
                [*command, str(work / "stars.fits")],
                capture_output=True, text=True, check=False, timeout=2 * timeout,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None
        if not (work / "stars.wcs").is_file():
            if done.returncode:
                said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
                raise InputError(
                    f"solve-field: {' '.join(said) or 'failed'}; see that it runs by itself, or "
                    "set solver to another"
                )
            return None
        header = fits.getheader(work / "stars.wcs")
        if not (work / "stars.corr").is_file():
            return Solution(_wcs(header))
        pairs = fits.getdata(work / "stars.corr", 1)
        places = [np.asarray(pairs[name], np.float64) for name in ("index_ra", "index_dec")]
        return Solution(_wcs(header), places[0], places[1])


def _by_service(field: StarField, folder: str | Path | None, timeout: float) -> Solution | None:
    del folder
    from astroquery.astrometry_net import AstrometryNet
    from astroquery.exceptions import TimeoutError as ServiceTimeout
    from requests import RequestException

    settings: dict[str, Any] = {"tweak_order": 2, "publicly_visible": "n"}
    if field.scale is not None:
        settings |= {"scale_units": "arcsecperpix", "scale_type": "ul"}
        settings |= {"scale_lower": field.scale[0], "scale_upper": field.scale[1]}
    if field.center is not None:
        settings |= {"center_ra": field.center[0] % 360.0, "center_dec": field.center[1]}
        settings["radius"] = field.radius
    try:
        header = AstrometryNet().solve_from_source_list(
            field.x, field.y, field.shape[1], field.shape[0],
            solve_timeout=timeout, verbose=False, **settings,
        )  # fmt: skip
    except (RequestException, ServiceTimeout, RuntimeError, ValueError) as err:
        raise InputError(
            f"astrometry.net: {err}; try again later, or set solver to another"
        ) from err
    return Solution(_wcs(header)) if header else None


def _wcs(header: fits.Header) -> WCS:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(header, naxis=2)


_Missing = Callable[[str | Path | None], str]
_Solve = Callable[[StarField, str | Path | None, float], Solution | None]

SOLVERS: Mapping[str, tuple[_Missing, _Solve]] = {
    "package": (_no_package, _by_package),
    "solve-field": (_no_program, _by_program),
    "web": (_no_service, _by_service),
}
"""What is missing for each program, empty if nothing, and how it is asked. The first of "any" are
those that need no network."""
