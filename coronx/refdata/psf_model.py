"""The star behind a coronagraph's mask, simulated with stpsf's model of the telescope.

stpsf (WebbPSF's present name, extra ``coronx[psf]``) gives the planes that light meets: pupil and
wavefront, occulter, Lyot stop, the instrument's aberrations, and how the detector blurs. They are
taken from it once (`coronx.refdata.psf_optics`); each image is then one pass of
`coronx.refdata.psf_propagation` through them, hundreds of times faster than by stpsf.
"""

import copy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coronx.errors import InputError
from coronx.refdata.modes import CoronagraphMode
from coronx.refdata.psf_offset import own_offset
from coronx.refdata.psf_opd import Opd
from coronx.refdata.psf_optics import read_optics
from coronx.refdata.psf_propagation import Propagator

__all__ = ["StarModel", "star_model"]

_NANO = 1e-9


class StarModel:
    """Images of one star behind the mask, in the axes of the science frame.

    The model's own offset (see `own_offset`) is removed: a star at offset (0, 0) is at the centre
    of the mask and at the centre of the array.

    Parameters
    ----------
    mode : CoronagraphMode
        The mode.
    filter_name : str
        The filter.
    propagator : Propagator
        The optics.
    scale, reference, opd
        As the attributes below.

    Attributes
    ----------
    mode : CoronagraphMode
    filter : str
    fov : int
        Pixels along a side of the images, odd: the centre is pixel (fov - 1) / 2.
    scale : tuple of float
        Milliarcseconds a pixel along (x, y).
    reference : tuple of float
        Pixels (x, y) from the mask's centre to the place that offsets are counted from: (0, 0), but
        for bars, where the star stands where the filter's width is.
    opd : Path, (Path, int) or None
        The telescope's wavefront that the model has; None for a perfect telescope.
    own_offset : tuple of float
        Where the optics put a star on the mask's centre, off the array's centre: mas along (x, y)
        of the science frame. Removed from every image.
    pupil_x, pupil_y : ndarray
        Coordinates in metres of the grid on which wavefronts are given, in the axes of the science
        frame, shape (n, n).
    pupil_amplitude : ndarray
        Transmission of the pupil on that grid, shape (n, n).
    oversample : int
        Points a pixel along each axis.
    """

    def __init__(
        self,
        mode: CoronagraphMode,
        filter_name: str,
        propagator: Propagator,
        *,
        scale: tuple[float, float],
        reference: tuple[float, float] = (0.0, 0.0),
        opd: Opd = None,
    ) -> None:
        self.mode = mode
        self.filter = filter_name
        self.fov = propagator.fov
        self.oversample = propagator.oversample
        self.scale = scale
        self.reference = reference
        self.opd = opd
        self._use(propagator)
        before, after = own_offset(propagator)
        # Pixels that the star is moved by before and after the occulter.
        self._before, self._after = -before, -after
        self.own_offset = (
            float((before[0] + after[0]) * scale[0]),
            float((before[1] + after[1]) * scale[1]),
        )

    def _use(self, propagator: Propagator) -> None:
        self._propagator = propagator
        axis = propagator.axis
        self.pupil_x, self.pupil_y = np.meshgrid(axis, axis)
        self.pupil_amplitude = np.abs(propagator.planes[0].pupil)

    def moved(self, pixels: tuple[float, float]) -> "StarModel":
        """Return the same model with star and mask, and what is seen of both, moved by (x, y)."""
        other = copy.copy(self)
        other._after = self._after + np.asarray(pixels)
        return other

    def coarser(self, times: int = 2) -> "StarModel":
        """Return a model that is several times faster, and good to a few per cent."""
        other = copy.copy(self)
        other._use(self._propagator.coarser(times))
        return other

    def image(
        self,
        offset_mas: tuple[float, float] | NDArray[np.float64] = (0.0, 0.0),
        *,
        opd_nm: NDArray[np.float64] | None = None,
        occulted: bool = True,
        points: bool = False,
    ) -> NDArray[np.float64]:
        """Return the image of a star.

        Parameters
        ----------
        offset_mas : array_like
            The star's (x, y) from the mask's centre in mas, along the pixel axes.
        opd_nm : ndarray, optional
            Wavefront in nm added to the model's, on the grid of `pupil_x`, shape (n, n).
        occulted : bool
            False takes the occulter out; the Lyot stop stays.
        points : bool
            True returns the points, `oversample` a pixel along each axis, whose sums are pixels.

        Returns
        -------
        ndarray
            Flux in each pixel, shape (fov, fov). A star far from the mask sums to one over an
            infinite image, as calibrated data do.
        """
        return self._propagator.image(
            self._wavefront(offset_mas, opd_nm),
            after=self._behind(),
            occulted=occulted,
            points=points,
        )

    def centred_image(
        self, offset_mas: tuple[float, float] | NDArray[np.float64], *, occulted: bool = True
    ) -> NDArray[np.float64]:
        """Return the points (see `image`) around a star: itself, not the mask, at the centre."""
        back = (-offset_mas[0] / self.scale[0], -offset_mas[1] / self.scale[1])
        return self.moved(back).image(offset_mas, occulted=occulted, points=True)

    def offset_images(
        self,
        offset_mas: tuple[float, float] | NDArray[np.float64] = (0.0, 0.0),
        *,
        opd_nm: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return the image's derivatives along x and y in 1/mas, shape (2, fov, fov)."""
        tilts = [self._propagator.tilt((1 / self.scale[0], 0)),
                 self._propagator.tilt((0, 1 / self.scale[1]))]  # fmt: skip
        return self._propagator.derivatives(
            self._wavefront(offset_mas, opd_nm), np.stack(tilts), after=self._behind()
        )

    def mode_images(
        self,
        offset_mas: tuple[float, float] | NDArray[np.float64],
        modes: NDArray[np.float64],
        *,
        opd_nm: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return the image's derivatives with respect to wavefront modes.

        Parameters
        ----------
        offset_mas, opd_nm
            As in `image`.
        modes : ndarray
            Wavefronts on the grid of `pupil_x`, shape (k, n, n), such as `segment_modes` makes.

        Returns
        -------
        ndarray
            Change of the image for each nm (of each mode's unit), shape (k, fov, fov).
        """
        return _NANO * self._propagator.derivatives(
            self._wavefront(offset_mas, opd_nm), modes, after=self._behind()
        )

    def _wavefront(self, offset_mas: Any, opd_nm: NDArray[np.float64] | None) -> NDArray:
        x, y = self._before + np.divide(offset_mas, self.scale)
        wavefront = self._propagator.tilt((float(x), float(y)))
        return wavefront if opd_nm is None else wavefront + _NANO * opd_nm

    def _behind(self) -> NDArray:
        return self._propagator.tilt((float(self._after[0]), float(self._after[1])))


def star_model(
    mode: CoronagraphMode,
    filter_name: str,
    *,
    data_path: str | Path | None = None,
    spectral_type: str | None = None,
    spectrum: str | Path | None = None,
    opd: str | Path | tuple[str | Path, int] | None = None,
    opd_folder: str | Path | None = None,
    date: str | None = None,
    nlambda: int = 5,
    oversample: int = 2,
    fov_pixels: int = 65,
    jitter_mas: float = 1.0,
) -> StarModel:
    """Return the model of a star behind a mask.

    Parameters
    ----------
    mode : CoronagraphMode
        The mode.
    filter_name : str
        The filter.
    data_path : str or Path, optional
        stpsf's data folder; by default what STPSF_PATH or WEBBPSF_PATH names.
    spectral_type : str, optional
        For example G2V, which is the default: the star shines like a black body of that type's
        temperature.
    spectrum : str or Path, optional
        File with the star's spectrum instead: two columns, wavelength in micrometres and flux
        density per unit wavelength.
    opd : str, Path or (path, slice), optional
        The telescope's wavefront: a file; "none" for none; by default the closest in time of
        `opd_folder`, or without a folder the example that comes with stpsf's data, if it is there.
    opd_folder : str or Path, optional
        Folder of measured wavefronts as MAST names them.
    date : str, optional
        When the star was observed, ISO 8601 (DATE-BEG).
    nlambda : int
        Wavelengths that stand for the band.
    oversample : int
        Points a pixel along each axis; two are enough, since the pixel is integrated over exactly.
    fov_pixels : int
        Pixels along a side of the images, odd.
    jitter_mas : float
        Standard deviation of the pointing's jitter in mas along each axis.

    Raises
    ------
    InputError
        If stpsf or a file that it needs is missing, or a value makes no sense.
    """
    for name, value, least in (
        ("fov_pixels", fov_pixels, 5),
        ("oversample", oversample, 2),
        ("jitter_mas", jitter_mas, 0),
    ):
        if value < least:
            raise InputError(f"{name} = {value}: give at least {least}")
    if fov_pixels % 2 == 0:
        raise InputError(f"fov_pixels = {fov_pixels}: give an odd number")
    optics = read_optics(
        mode,
        filter_name,
        data_path=data_path,
        spectral_type=spectral_type,
        spectrum=spectrum,
        opd=opd,
        opd_folder=opd_folder,
        date=date,
        nlambda=nlambda,
    )
    propagator = optics.propagator(fov=fov_pixels, oversample=oversample, jitter_mas=jitter_mas)
    return StarModel(
        mode,
        filter_name,
        propagator,
        scale=optics.scale_mas,
        reference=optics.reference,
        opd=optics.opd,
    )
