"""Stand-in data for stpsf, made from public geometry, so that its code runs on any clone.

A folder laid out as stpsf's own, with the files that it opens for JWST's coronagraphs: pupil and
Lyot stops as drawn in `coronx.simulate.pupil`, top-hat filters of `coronx.simulate.bandpass`, and
instrument aberrations and pixel couplings of the right size but of our choice. What stpsf computes
by itself (occulters, the tilt of NIRCam's wedges with wavelength, rotations, the SIAF) is the real
thing. It proves algorithms, not JWST's images.
"""

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from coronx.refdata.modes import MODES, CoronagraphMode
from coronx.refdata.psf_data import MIN_VERSION, PUPIL, instrument_name
from coronx.refdata.segments import nearest_segment, segment_centers
from coronx.simulate.bandpass import BANDPASSES
from coronx.simulate.pupil import (
    DIAMETER,
    Pupil,
    lyot_stop,
    primary,
    telescope_axes,
)
from coronx.simulate.wavefront import static_opd

__all__ = ["COMA_NM", "OPD", "build_stpsf_data", "write_opd", "write_sensed_opd"]

_SIZE = 1024  # fixed by stpsf's file names
_COARSE = 4  # of the pupil's points is one of the wavefront's, along each axis
_HEADER = {"PUPLSCAL": DIAMETER / _SIZE, "PUPLDIAM": DIAMETER, "DIAM": DIAMETER}

OPD = "JWST_OTE_OPD_standin.fits.gz"
"""The stand-in's wavefront of the telescope, 65 nm rms."""

COMA_NM = 90.0
"""Coma along y of NIRCam's optics: as in the genuine ones, what moves the star off the array's
centre."""

# Noll coefficients in nm, from the fourth (focus) on.
_NIRCAM = (40.0, -10.0, 15.0, COMA_NM, 2.0, -3.0, 5.0)
_MIRI = (-15.0, 12.0, 8.0, 10.0, -6.0, 4.0, 0.0)
# (V2, V3) in arcmin around the coronagraphs' fields.
_FIELD = {
    "NIRCamSWA": ((0.2, -7.4), (2.7, -7.4), (0.2, -5.9), (2.7, -5.9), (1.4, -6.7)),
    "NIRCamLWA": ((0.2, -7.4), (2.7, -7.4), (0.2, -5.9), (2.7, -5.9), (1.4, -6.7)),
    "MIRI": ((-8.3, -7.4), (-6.1, -7.4), (-8.3, -5.2), (-6.1, -5.2), (-7.2, -6.3)),
}


def build_stpsf_data(folder: Path) -> Path:
    """Write the stand-in data.

    Parameters
    ----------
    folder : Path
        Where to; made if absent.

    Returns
    -------
    Path
        The folder, for ``STPSF_PATH``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "version.txt").write_text(".".join(map(str, MIN_VERSION)) + "\n")
    x, y = telescope_axes(_SIZE, 0.0)
    amplitude = primary(_SIZE)
    _save(folder / PUPIL, amplitude)
    numbers = nearest_segment(x, y, segment_centers()) + 1
    _save(folder / "JWpupil_segments_RevW_npix1024.fits.gz", numbers * (amplitude > 0))
    write_opd(folder / OPD, _wavefront(amplitude))
    _aberrations(folder / "si_zernikes_coron_wfe.fits", ("NIRCamSWA", "NIRCamLWA"), _NIRCAM)
    _aberrations(folder / "si_zernikes_isim_cv3.fits", ("MIRI", "NIRCamSWA"), _MIRI)
    _filters(folder)
    _couplings(folder / "NIRCam" / "IPC")
    for point in ("fp1", "fp6"):
        write_opd(folder / f"NIRCam/OPD/wss_target_phase_{point}.fits", _sensing(x, y))
    for name in ("NIRCam", "MIRI"):
        _field_dependence(folder / name / "OPD" / f"field_dep_table_{name.lower()}.fits", name)
    for file, mode in (
        ("NIRCam/optics/NIRCam_Lyot_Somb", "nircam-335r"),
        ("NIRCam/optics/NIRCam_Lyot_Sinc", "nircam-lwb"),
        ("MIRI/optics/MIRI_FQPMLyotStop", "miri-1550"),
        ("MIRI/optics/MIRI_LyotLyotStop", "miri-lyot"),
    ):
        _save(folder / f"{file}.fits.gz", lyot_stop(MODES[mode], amplitude, x, y))
    oversized = binary_dilation(amplitude > 0, iterations=20).astype(np.float64)
    _save(folder / "MIRI/optics/MIRI_tricontagon_oversized_rotated.fits.gz", oversized)
    return folder


def write_opd(path: Path, opd_nm: NDArray[np.float64], *, date: str | None = None) -> Path:
    """Write a telescope's wavefront, nm on the pupil's 1024 x 1024 grid, as stpsf reads it."""
    hdu = fits.PrimaryHDU((opd_nm * 1e-3).astype(np.float32))
    hdu.header.update(_HEADER | {"BUNIT": "micron"})
    if date is not None:
        hdu.header["DATE-OBS"] = date
    path.parent.mkdir(parents=True, exist_ok=True)
    hdu.writeto(path, overwrite=True)
    return path


def write_sensed_opd(path: Path, opd_nm: NDArray[np.float64], *, date: str) -> Path:
    """Write a wavefront as MAST keeps it: 256 x 256, with the aberration of the sensing camera.

    Parameters
    ----------
    path : Path
        The file; MAST names it by the day, as R2022073002-NRCA3_FP1-1.fits.
    opd_nm : ndarray
        The telescope's wavefront in nm, shape (1024, 1024).
    date : str
        ISO 8601.
    """
    seen = opd_nm + _sensing(*telescope_axes(_SIZE, 0.0))
    size = _SIZE // _COARSE
    coarse = seen.reshape(size, _COARSE, size, _COARSE).mean(axis=(1, 3))
    middle = primary(_SIZE)[_COARSE // 2 :: _COARSE, _COARSE // 2 :: _COARSE]
    day, time = date.split("T")
    first = fits.PrimaryHDU()
    first.header.update({"APERNAME": "NRCA3_FP1", "DATE-OBS": day, "TIME-OBS": time})
    phase = fits.ImageHDU((1e-3 * coarse * middle).astype(np.float32), name="RESULT_PHASE")
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([first, phase]).writeto(path, overwrite=True)
    return path


def _sensing(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    # Astigmatism of the camera that senses wavefronts, nm.
    return 80.0 * (x**2 - y**2) / (DIAMETER / 2) ** 2


def _wavefront(amplitude: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y = telescope_axes(_SIZE // _COARSE, 0.0)
    middle = amplitude[_COARSE // 2 :: _COARSE, _COARSE // 2 :: _COARSE]
    centers = segment_centers()
    pupil = Pupil(
        u=x[0],
        v=y[:, 0],
        x=x,
        y=y,
        amplitude=middle,
        stop=middle,
        segments=nearest_segment(x, y, centers),
        centers=centers,
    )
    opd = static_opd(pupil, 65.0, rng=np.random.default_rng(20220730))
    return 1e9 * np.kron(opd, np.ones((_COARSE, _COARSE)))


def _save(path: Path, array: NDArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    hdu = fits.PrimaryHDU(array.astype(np.uint8))
    hdu.header.update(_HEADER | {"VERSION": 4})
    hdu.writeto(path, overwrite=True)


def _aberrations(path: Path, names: tuple[str, ...], coefficients: tuple[float, ...]) -> None:
    rows = []
    for name in names:
        for number, (v2, v3) in enumerate(_FIELD[name]):
            zernikes = np.zeros(36)
            zernikes[3 : 3 + len(coefficients)] = np.multiply(coefficients, 1e-9)
            rows.append((name, f"point{number}", v2, v3, *zernikes))
    columns = ["instrument", "field_point_name", "V2", "V3"]
    Table(rows=rows, names=columns + [f"Zernike_{n + 1}" for n in range(36)]).write(
        path, overwrite=True
    )


def _filters(folder: Path) -> None:
    listed: dict[str, list[str]] = {"NIRCam": [], "MIRI": []}
    for mode in MODES.values():
        listed[instrument_name(mode)] += _new(mode, listed[instrument_name(mode)])
    for name, filters in listed.items():
        (folder / name / "filters").mkdir(parents=True, exist_ok=True)
        # stpsf starts with the first of the list, which for MIRI must not be a coronagraph's.
        first = ["F560W"] if name == "MIRI" else []
        lines = ["filter\tnlambda", *(f"{filter_name}\t9" for filter_name in first + filters)]
        (folder / name / "filters.tsv").write_text("\n".join(lines) + "\n")
        for filter_name in filters:
            band = BANDPASSES[filter_name]
            micron = band.pivot + np.linspace(-0.6, 0.6, 121) * band.width
            inside = (np.abs(micron - band.pivot) <= band.width / 2).astype(float)
            hdu = fits.BinTableHDU(Table({"WAVELENGTH": micron * 1e4, "THROUGHPUT": 0.5 * inside}))
            hdu.header["WAVEUNIT"] = "angstrom"
            hdu.writeto(
                folder / name / "filters" / f"{filter_name}_throughput.fits", overwrite=True
            )


def _new(mode: CoronagraphMode, known: list[str]) -> list[str]:
    return [name for name in mode.filters if name not in known]


def _couplings(folder: Path) -> None:
    # A pixel shares half a per cent with each neighbour; the next one read gets a tenth of that.
    ipc = np.array([[0.0, 0.005, 0.0], [0.005, 0.98, 0.005], [0.0, 0.005, 0.0]])
    ppc = np.array([[0.0, 0.0, 0.0], [0.0, 0.9995, 0.0005], [0.0, 0.0, 0.0]])
    folder.mkdir(parents=True, exist_ok=True)
    for kind, kernel in (("IPC", ipc), ("PPC", ppc)):
        # Extensions are named by the detectors' serial numbers, A1 to B5.
        sheets = [fits.ImageHDU(kernel[None], name=str(number)) for number in range(481, 491)]
        fits.HDUList([fits.PrimaryHDU(), *sheets]).writeto(
            folder / f"KERNEL_{kind}_CUBE.fits", overwrite=True
        )


def _field_dependence(path: Path, name: str) -> None:
    # A wavefront that is the same over the field.
    count = 136
    center = (0.0, -7.8) if name == "NIRCam" else (-7.2, -6.3)
    primary_hdu = fits.PrimaryHDU()
    primary_hdu.header.update(
        {
            "INSTR": name.lower(), "MINXFIE": -2.6, "MAXXFIE": 2.6, "MINYFIE": -2.6,
            "MAXYFIE": 2.6, "WFBASIS": "Noll Zernikes", "FIEBASIS": "Legendre Polynomials",
            "NCOEFWF": count, "NCOEFFIE": count, "FIEORDER": 15, "V2ORIGIN": center[0],
            "V3ORIGIN": center[1], "V2SIGN": 1, "V3SIGN": -1, "REFPTX": 0.0, "REFPTY": 0.0,
            "FANGUNIT": "arcmin", "OPDUNIT": "nm",
        }
    )  # fmt: skip
    columns = [(f"Zernike {n} Legendres", "f8") for n in range(count)]
    table = fits.BinTableHDU(np.zeros(count, dtype=columns))
    path.parent.mkdir(parents=True, exist_ok=True)
    # stpsf reads the second extension, which is relative to the whole telescope.
    fits.HDUList([primary_hdu, fits.ImageHDU(), table]).writeto(path, overwrite=True)
