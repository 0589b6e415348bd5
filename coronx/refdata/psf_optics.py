"""stpsf's model of a coronagraph, taken out of it as arrays.

stpsf builds the planes that light meets (``get_optical_system``) but takes seconds for each image
and puts the image onto the science frame by interpolation. Here its planes are put once onto a
grid of pupil coordinates q in which the phase of the pixel s is 2 pi scale s q / lambda: the SIAF's
scales, rotation and skew at the mask's centre are in that grid, and images come out in the pixels
of the science frame.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy import ndimage, signal

from coronx.errors import InputError
from coronx.refdata.modes import CoronagraphMode, plain_mask_name
from coronx.refdata.psf_data import find_data, instrument_name, stpsf_with
from coronx.refdata.psf_focus import focus_of
from coronx.refdata.psf_opd import Opd, choose_opd, sensing_files, set_opd
from coronx.refdata.psf_propagation import Plane, Propagator, binned
from coronx.refdata.psf_spectrum import band_weights

__all__ = ["Optics", "read_optics"]

_RADIAN = math.radians(1 / 3600)
_SIZE = 256  # points along the pupil's grid
_FINE = 4  # points of stpsf's arrays along each
_MARGIN = 1.04  # the grid's width over the pupil's: turned, it must still fit
_LYOT_ROTATION = -0.5
"""Degrees by which NIRCam's long-wave Lyot stops are turned (webbpsf_ext, from flight data)."""


@dataclass(frozen=True)
class Optics:
    """The planes of one mode and filter.

    Attributes
    ----------
    planes : tuple of Plane
        One for each wavelength.
    axis : ndarray
        Pupil coordinates in metres, shape (n,).
    scale : float
        Radians a pixel in the phases.
    scale_mas : tuple of float
        Milliarcseconds a pixel along x and y.
    diffusion : float
        Standard deviation in arcsec of the diffusion of charge.
    kernel : ndarray
        What pixels share.
    reference : tuple of float
        Pixels (x, y) from the mask's centre to the place that offset (0, 0) stands for: along bars
        the star's place depends on the filter.
    opd : Path, (Path, int) or None
        The telescope's wavefront; None for a perfect telescope.
    """

    planes: tuple[Plane, ...]
    axis: NDArray[np.float64]
    scale: float
    scale_mas: tuple[float, float]
    diffusion: float
    kernel: NDArray[np.float64]
    reference: tuple[float, float]
    opd: Opd = None

    def propagator(self, *, fov: int, oversample: int, jitter_mas: float) -> Propagator:
        """Return what makes images of these planes."""
        return Propagator(
            self.planes,
            self.axis,
            scale=self.scale,
            fov=fov,
            oversample=oversample,
            blur=math.hypot(self.diffusion, jitter_mas * 1e-3) * _RADIAN / self.scale,
            kernel=self.kernel,
        )


def read_optics(
    mode: CoronagraphMode,
    filter_name: str,
    *,
    data_path: str | Path | None,
    spectral_type: str | None,
    spectrum: str | Path | None,
    opd: str | Path | tuple[str | Path, int] | None,
    opd_folder: str | Path | None,
    date: str | None,
    nlambda: int,
) -> Optics:
    """Return the planes of a mode and filter; see `coronx.refdata.psf_model.star_model`."""
    if filter_name not in mode.filters:
        raise InputError(
            f"{filter_name} is not offered with {mode.coronmsk}; give one of "
            f"{', '.join(mode.filters)}"
        )
    folder = find_data(mode, filter_name, data_path)
    wavefront = choose_opd(opd, data=folder, folder=opd_folder, date=date)
    if wavefront is not None:
        more = sensing_files(wavefront)
        find_data(mode, filter_name, data_path, with_opd=True, more=more)
    throughput = folder / instrument_name(mode) / "filters" / f"{filter_name}_throughput.fits"
    wavelengths, weights = band_weights(
        throughput, nlambda, spectral_type=spectral_type, spectrum=spectrum
    )
    with stpsf_with(folder) as stpsf:
        instrument = _configured(stpsf, mode, filter_name, wavefront)
        system = instrument.get_optical_system(fft_oversample=2, fov_pixels=5)
        optics = _taken(stpsf, instrument, system, mode, wavelengths, weights)
        if isinstance(instrument.pupilopd, fits.HDUList):
            instrument.pupilopd.close()
    return replace(optics, opd=wavefront)


def _configured(stpsf: ModuleType, mode: CoronagraphMode, filter_name: str, opd: Opd) -> Any:
    # The order matters: a mask set before the filter keeps the other channel's pixel scale.
    instrument = getattr(stpsf, instrument_name(mode))()
    instrument.auto_aperturename = False
    instrument.filter = filter_name
    if mode.instrument == "NIRCAM":
        instrument.detector = mode.detector
        instrument.pupil_mask = "WEDGELYOT" if mode.pupil == "MASKBAR" else "CIRCLYOT"
        instrument.image_mask = plain_mask_name(mode.coronmsk)
        # Squares and frame of the holder are 5 arcsec and more away.
        instrument.options["nd_squares"] = False
        if mode.detector == "NRCALONG":
            instrument.options["pupil_rotation"] = _LYOT_ROTATION
    else:
        lyot = mode.exp_type == "MIR_LYOT"
        instrument.pupil_mask = "MASKLYOT" if lyot else "MASKFQPM"
        instrument.image_mask = mode.coronmsk.replace("4QPM_", "FQPM").replace("LYOT_", "LYOT")
    instrument.set_position_from_aperture_name(mode.aperture)
    set_opd(instrument, opd)
    return instrument


def _taken(
    stpsf: ModuleType,
    instrument: Any,
    system: Any,
    mode: CoronagraphMode,
    wavelengths: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> Optics:
    aperture = instrument.siaf[mode.aperture]
    jacobian = _jacobian(aperture)  # arcsec a pixel
    mean = math.sqrt(abs(np.linalg.det(jacobian)))
    layout = _layout(system.planes)
    turn = _turn(instrument, aperture)
    layout = [(kind, plane, angle + turn) for kind, plane, angle in layout]
    width = system.planes[0].pixelscale.value * system.planes[0].amplitude.shape[0] * _MARGIN
    grid = _Grid(jacobian / mean, width)
    pupil = next(entry for entry in layout if entry[0] == "pupil")
    amplitude, opd = grid.arrays(pupil[1], pupil[2], flip=True)
    planes = []
    for wavelength, weight in zip(wavelengths, weights, strict=True):
        stop, after = np.ones_like(amplitude), np.zeros_like(amplitude)
        for _, plane, angle in (entry for entry in layout if entry[0] == "stop"):
            transmission, delay = grid.arrays(plane, angle, wavelength=float(wavelength))
            stop, after = stop * transmission, after + delay
        if not np.any(stop):
            raise InputError(
                f"{instrument.name}: the table of the instrument's aberrations is zero throughout, "
                "which stpsf takes for an opaque pupil; use a genuine table"
            )
        field = binned(amplitude * np.exp((2j * np.pi / wavelength) * opd), _FINE)
        weighted = binned(stop, _FINE)
        occulter, angle = next((p, a) for kind, p, a in layout if kind == "focus")
        planes.append(
            Plane(
                wavelength=float(wavelength),
                weight=float(weight),
                pupil=field,
                stop=weighted,
                after=binned(after, _FINE),
                focus=focus_of(occulter, mode, jacobian, angle, float(wavelength), mean),
            )
        )
    bar = getattr(next(p for kind, p, _ in layout if kind == "focus"), "bar_offset", None) or 0.0
    return Optics(
        planes=tuple(planes),
        axis=grid.axis,
        scale=mean * _RADIAN,
        scale_mas=(1e3 * float(np.hypot(*jacobian[:, 0])), 1e3 * float(np.hypot(*jacobian[:, 1]))),
        diffusion=_diffusion(stpsf, instrument),
        kernel=_kernel(stpsf, instrument),
        reference=tuple(np.linalg.solve(jacobian, (bar, 0.0))),
    )


def _jacobian(aperture: Any) -> NDArray[np.float64]:
    """Return d(ideal x, y in arcsec) / d(science x, y in pixels) at the reference position."""
    x, y = aperture.XSciRef, aperture.YSciRef
    columns = []
    for dx, dy in ((0.5, 0.0), (0.0, 0.5)):
        high = np.array(aperture.sci_to_idl(x + dx, y + dy))
        low = np.array(aperture.sci_to_idl(x - dx, y - dy))
        columns.append(high - low)
    return np.stack(columns, axis=1)


def _turn(instrument: Any, aperture: Any) -> float:
    # stpsf turns NIRCam's finished image by the aperture's angle; for MIRI it turns the wavefront.
    return -float(aperture.V3IdlYAngle) if instrument.name == "NIRCam" else 0.0


def _layout(planes: list[Any]) -> list[tuple[str, Any, float]]:
    """Return each plane's kind and the angle (deg, CCW) that it is turned by up to the detector."""
    import poppy

    found: list[tuple[str, Any, float]] = []
    angle = 0.0
    for plane in reversed(planes):
        if isinstance(plane, poppy.poppy_core.Rotation):
            angle += float(plane.angle)
            continue
        if isinstance(plane, poppy.poppy_core.CoordinateInversion | poppy.FQPM_FFT_aligner):
            continue
        if isinstance(plane, poppy.poppy_core.Detector):
            continue
        if plane.planetype == poppy.poppy_core.PlaneType.image:
            found.append(("focus", plane, angle))
        else:
            kind = "pupil" if plane is planes[0] else "stop"
            found.append((kind, plane, angle))
    return found[::-1]


class _Grid:
    """The grid of pupil coordinates q; pupil position w (metres, detector axes) = M q."""

    def __init__(self, jacobian: NDArray[np.float64], width: float) -> None:
        count = _SIZE * _FINE
        self._matrix = np.linalg.inv(jacobian.T)
        self._step = width / count
        self._middle = (count - 1) / 2
        self._count = count
        self.axis = (np.arange(_SIZE) - (_SIZE - 1) / 2) * (width / _SIZE)

    def arrays(
        self, plane: Any, angle: float, *, flip: bool = False, wavelength: float | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return amplitude and OPD (metres) of one of stpsf's planes on the fine grid."""
        opd = plane.opd if wavelength is None else _opd_at(plane, wavelength)
        amplitude = np.asarray(plane.amplitude, dtype=np.float64)
        opd = np.broadcast_to(np.asarray(opd, dtype=np.float64), amplitude.shape)
        if flip:
            amplitude, opd = amplitude[::-1], opd[::-1]
        return self._put(amplitude, plane, angle), self._put(opd, plane, angle)

    def _put(self, array: NDArray[np.float64], plane: Any, angle: float) -> NDArray[np.float64]:
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        # The plane's content is turned CCW by the angle on its way: look up turned back.
        matrix = np.array([[cos, sin], [-sin, cos]]) @ self._matrix
        scale = getattr(plane.pixelscale, "value", plane.pixelscale)
        matrix = matrix[::-1, ::-1] * (self._step / scale)  # rows are y
        middle = (array.shape[0] - 1) / 2
        offset = middle - matrix @ (self._middle, self._middle)
        return ndimage.affine_transform(
            array, matrix, offset, output_shape=(self._count, self._count), order=1
        )


def _opd_at(plane: Any, wavelength: float) -> NDArray[np.float64]:
    # Only NIRCam's aberrations depend on the wavelength.
    return plane.get_opd(wavelength) if hasattr(plane, "ctilt_long") else plane.opd


def _diffusion(stpsf: ModuleType, instrument: Any) -> float:
    table = stpsf.constants.INSTRUMENT_DETECTOR_CHARGE_DIFFUSION_DEFAULT_PARAMETERS
    if instrument.name == "NIRCam":
        return float(table["NIRCAM_LW" if instrument.channel == "long" else "NIRCAM_SW"])
    return float(table["MIRI"])


def _kernel(stpsf: ModuleType, instrument: Any) -> NDArray[np.float64]:
    found, _ = stpsf.detectors.get_detector_ipc_model(
        instrument.name, {"DET_NAME": instrument.detector}
    )
    kernel = np.ones((1, 1))
    for part in found if isinstance(found, tuple) else (found,):
        array = np.asarray(part.array)
        kernel = signal.convolve2d(kernel, array / array.sum())
    return kernel
