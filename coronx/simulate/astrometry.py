"""Where the telescope points, and the WCS that says so.

The WCS is a tangent plane without distortion: linear from pixels to the ideal frame,
turned by the roll angle. The FITS keywords and the gwcs are made of the same numbers.
"""

from dataclasses import dataclass

import gwcs
import numpy as np
from astropy import coordinates, wcs
from astropy import units as u
from astropy.modeling import models
from gwcs import coordinate_frames as frames
from numpy.typing import NDArray

from coronx.refdata.modes import CoronagraphMode

__all__ = ["Pointing", "offset_sky", "point_at"]


@dataclass(frozen=True)
class Pointing:
    """A tangent-plane WCS about the mask's centre.

    Attributes
    ----------
    mode : CoronagraphMode
        The mode, for its geometry.
    roll_deg : float
        Position angle of V3 at the mask's centre, east of north.
    crval : tuple of float
        (RA, Dec) of the mask's centre in degrees.
    """

    mode: CoronagraphMode
    roll_deg: float
    crval: tuple[float, float]

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Derivative of (east, north) in arcsec by (x, y) in pixels, shape (2, 2)."""
        parity = self.mode.parity
        angle = np.radians(self.roll_deg - parity * self.mode.v3_idl_y_angle)
        cos, sin = np.cos(angle), np.sin(angle)
        return np.array([[parity * cos, sin], [-parity * sin, cos]]) * self.mode.scale

    @property
    def cdelt(self) -> NDArray[np.float64]:
        """``CDELTi`` in degrees, shape (2,)."""
        return np.array(self.mode.scale) / 3600

    @property
    def pc(self) -> NDArray[np.float64]:
        """``PCi_j``, shape (2, 2); not quite a rotation, since pixels are not quite square."""
        return self.matrix / 3600 / self.cdelt[:, None]

    def fits_wcs(self) -> wcs.WCS:
        """Return the WCS as FITS keywords have it."""
        result = wcs.WCS(naxis=2)
        result.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        result.wcs.cunit = ["deg", "deg"]
        result.wcs.crpix = np.array(self.mode.center) + 1
        result.wcs.crval = self.crval
        result.wcs.cdelt = self.cdelt
        result.wcs.pc = self.pc
        result.wcs.radesys = "ICRS"
        result.wcs.set()
        return result

    def gwcs(self) -> gwcs.WCS:
        """Return the WCS as a gwcs from 0-based pixels to ICRS, with a bounding box."""
        center = self.mode.center
        transform = (
            models.Shift(-center[0]) & models.Shift(-center[1])
            | models.AffineTransformation2D(matrix=self.matrix / 3600)
            | models.Pix2Sky_TAN()
            | models.RotateNative2Celestial(*self.crval, 180.0)
        )
        detector = frames.Frame2D(name="detector", axes_names=("x", "y"), unit=(u.pix, u.pix))
        sky = frames.CelestialFrame(name="world", reference_frame=coordinates.ICRS())
        result = gwcs.WCS([(detector, transform), (sky, None)])
        ny, nx = self.mode.shape
        result.bounding_box = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
        return result

    def pixel(self, ra: float, dec: float) -> tuple[float, float]:
        """Return the 0-based (x, y) of a place on the sky in degrees."""
        x, y = self.fits_wcs().wcs_world2pix([[ra, dec]], 0)[0]
        return float(x), float(y)

    def footprint(self) -> str:
        """Return ``S_REGION``: the corners of the array on the sky."""
        ny, nx = self.mode.shape
        corners = [[-0.5, -0.5], [-0.5, ny - 0.5], [nx - 0.5, ny - 0.5], [nx - 0.5, -0.5]]
        sky = self.fits_wcs().wcs_pix2world(corners, 0)
        return "POLYGON ICRS  " + " ".join(f"{value:.9f}" for value in sky.ravel())

    def offsets(self, star: tuple[float, float]) -> tuple[NDArray, NDArray]:
        """Return each pixel's (east, north) of a star's pixel in arcsec, shape (ny, nx)."""
        y, x = np.indices(self.mode.shape)
        matrix = self.matrix
        dx, dy = x - star[0], y - star[1]
        return matrix[0, 0] * dx + matrix[0, 1] * dy, matrix[1, 0] * dx + matrix[1, 1] * dy

    def displaced(self, east: float, north: float) -> "Pointing":
        """Return the pointing moved on the sky by some arcsec."""
        return Pointing(self.mode, self.roll_deg, offset_sky(*self.crval, east, north))


def offset_sky(ra: float, dec: float, east: float, north: float) -> tuple[float, float]:
    """Return the (RA, Dec) in degrees at an offset of (east, north) arcsec along a great circle."""
    start = coordinates.SkyCoord(ra, dec, unit="deg")
    end = start.directional_offset_by(
        np.arctan2(east, north) * u.rad, np.hypot(east, north) * u.arcsec
    )
    return float(end.ra.deg), float(end.dec.deg)


def point_at(
    mode: CoronagraphMode, roll_deg: float, star: tuple[float, float], pixel: NDArray[np.float64]
) -> Pointing:
    """Return the pointing that puts a star at (RA, Dec) in degrees on a 0-based (x, y) pixel."""
    pointing = Pointing(mode, roll_deg, star)
    for _ in range(3):
        # Put the reference where the star falls short; the plane is all but flat, so this is quick.
        ra, dec = pointing.fits_wcs().wcs_pix2world([pixel], 0)[0]
        east = (star[0] - ra) * np.cos(np.radians(star[1])) * 3600
        pointing = pointing.displaced(east, (star[1] - dec) * 3600)
    return pointing
