"""Fluxes of stars in circular apertures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.stats import SigmaClip
from numpy.typing import NDArray
from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture, aperture_photometry

from coronx.ops.star_background import discs
from coronx.ops.star_finding import nearest

__all__ = ["StarFluxes", "measure_fluxes"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_OWN = 2.0  # FWHM about each star that no other star's background is taken of
_RING = 12  # pixels that a background needs
_SNR = 30.0  # of stars that tell the light beyond the aperture
_CALIBRATORS = 200
_GOOD = 3  # calibrators that are believed
_INSIDE = 0.97  # share of good pixels in a calibrator's large aperture
_PARTS = (1.0, 0.75, 0.6, 0.5)  # of the total radius, that the correction is measured to
_SURE = 0.003  # error of the correction that needs no other
_SPREAD = 0.005  # of the correction over the field
_BETA = 4.765  # of the Moffat profile of turbulent air (Trujillo et al. 2001, MNRAS 328, 977)
_STEP = 0.25  # FWHM, of the profile
_LOST = 0.5  # share of a star's light beyond which no flux is given
_PROFILE = 0.1  # how well the light of bad pixels is known, as a share of it


@dataclass(frozen=True)
class StarFluxes:
    """Fluxes of stars; NaN where half of a star's light falls on bad pixels.

    Attributes
    ----------
    flux, flux_sigma : ndarray (n,)
        Light within the large aperture, and its 1-sigma error, in the image's unit.
    level : ndarray (n,)
        Background about the star, per pixel.
    lost : ndarray (n,)
        Share of the light in the aperture that falls on bad pixels or outside the image; it was
        put back after the mean profile of the stars.
    crowded : ndarray of bool (n,)
        Whether another star stands so close that the apertures touch.
    correction, correction_sigma : float
        Light in the large aperture over that in the aperture, and its error, which is the same
        for all stars and not in `flux_sigma`.
    calibrators : int
        Stars that it was measured of; with none it is that of turbulent air.
    """

    flux: Array
    flux_sigma: Array
    level: Array
    lost: Array
    crowded: Mask
    correction: float
    correction_sigma: float
    calibrators: int


def measure_fluxes(
    image: NDArray[Any],
    err: NDArray[Any],
    bad: Mask,
    x: Array,
    y: Array,
    *,
    fwhm: float,
    usable: Mask | None = None,
    aperture: float = 1.5,
    total: float = 4.0,
    annulus: tuple[float, float] = (5.0, 8.0),
) -> StarFluxes:
    """Measure fluxes in small apertures, and correct them to a large one.

    A small aperture has the better signal-to-noise ratio, but its share of the light changes with
    the seeing: bright stars that stand alone tell how much more the large one holds
    (Howell 1989, PASP 101, 616). Where too few tell, the correction is measured to a smaller
    radius, and what is beyond is that of turbulent air, half of it being its error.

    Parameters
    ----------
    image, err : ndarray (ny, nx)
        Image, its background removed as far as it is known, and 1-sigma errors.
    bad : ndarray of bool (ny, nx)
        Pixels to leave out; those that are not finite always are.
    x, y : ndarray (n,)
        0-based places of all stars.
    fwhm : float
        FWHM of the stars in pixels.
    usable : ndarray of bool (n,), optional
        Stars that may tell the correction: not the saturated ones.
    aperture, total : float
        Radii of the small and the large aperture, in FWHM.
    annulus : tuple of float
        Radii between which the background is taken, in FWHM.

    Returns
    -------
    StarFluxes
    """
    values = np.asarray(image, np.float64)
    out = bad | ~np.isfinite(values) | ~np.isfinite(err)
    values, sigma = np.where(out, 0.0, values), np.where(out, 0.0, err)
    if not x.size:
        none = np.zeros(0)
        return StarFluxes(none, none, none, none, none > 0, 1.0, 0.0, 0)
    place = np.column_stack([x, y])
    level, level_sigma = _levels(values, out, place, fwhm, annulus)
    small = aperture * fwhm
    away = nearest(x, y)
    fair = np.ones(x.size, bool) if usable is None else usable
    near = _Aperture(values, sigma, out, place, level, small)
    snr = near.flux / np.maximum(np.hypot(near.noise, near.area * level_sigma), 1e-30)
    bright = np.flatnonzero(fair & (snr > _SNR) & (near.share > 0.999))
    bright = bright[np.argsort(-snr[bright])]
    alone = bright[away[bright] > (total + 1.0) * fwhm][:_CALIBRATORS]
    profile = _profile(values, out, x, y, level, near.flux, alone, fwhm, total * fwhm)
    near.put_back(profile)
    correction, error, number = _beyond(aperture, total), 0.5 * _beyond(aperture, total), 0
    for radius in (total * part for part in _PARTS if total * part > 1.1 * aperture):
        if error < _SURE:
            break  # the largest aperture that is well measured
        some = bright[away[bright] > (radius + 1.0) * fwhm][:_CALIBRATORS]
        wide = _Aperture(values, sigma, out, place[some], level[some], radius * fwhm)
        wide.put_back(profile)
        ratio = np.maximum(wide.flux, 1e-30) / near.flux[some] - 1.0
        noise = np.maximum(wide.noise**2 - near.noise[some] ** 2, 0.0)
        noise += ((wide.whole - near.whole) * level_sigma[some]) ** 2
        whole = wide.share > _INSIDE
        mean, sure, count = _correction(ratio[whole], (np.sqrt(noise) / near.flux[some])[whole])
        rest = _beyond(radius, total)
        if count and np.hypot(sure, 0.5 * rest) < error:
            correction, error, number = mean + rest, float(np.hypot(sure, 0.5 * rest)), count
    correction += 1.0
    gone = near.lost > _LOST
    flux = np.where(gone, np.nan, near.flux * correction)
    noise = np.sqrt(
        near.noise**2 + (near.whole * level_sigma) ** 2 + (_PROFILE * near.lost * near.flux) ** 2
    )
    noise = np.where(gone, np.nan, noise * correction)
    crowded = away < 2.0 * small
    return StarFluxes(flux, noise, level, near.lost, crowded, correction, error, number)


class _Aperture:
    """Sums of all stars in circles."""

    def __init__(
        self, values: Array, sigma: Array, out: Mask, place: Array, level: Array, radius: float
    ) -> None:
        self._out, self._place, self._radius = out, place, radius
        circles = CircularAperture(place, radius)
        sums = aperture_photometry(values, circles, error=sigma, mask=out)
        self.area = np.asarray(aperture_photometry((~out).astype(float), circles)["aperture_sum"])
        self.whole = float(np.pi * radius**2)
        self.share = self.area / self.whole
        self.flux = np.asarray(sums["aperture_sum"], np.float64) - level * self.area
        self.noise = np.asarray(sums["aperture_sum_err"], np.float64)
        self.lost = np.zeros(len(place))

    def put_back(self, profile: tuple[Array, Array]) -> None:
        """Add the light of bad pixels, after a profile."""
        padded = np.pad(self._out, 1, constant_values=True)  # outside, all is bad
        half = int(np.ceil(self._radius)) + 1
        side = np.arange(-half, half + 1)
        for star in np.flatnonzero(self.share < 1.0 - 1e-6):
            x, y = self._place[star]
            cols, rows = round(x) + side, round(y) + side
            radius = np.hypot(cols - x, rows[:, None] - y)
            # How circle and pixel overlap exactly matters little where the light is faint.
            light = np.clip(self._radius + 0.5 - radius, 0.0, 1.0) * np.interp(radius, *profile)
            row = np.clip(rows + 1, 0, padded.shape[0] - 1)
            col = np.clip(cols + 1, 0, padded.shape[1] - 1)
            self.lost[star] = light[padded[row[:, None], col]].sum() / light.sum()
        kept = np.maximum(1.0 - self.lost, 1e-3)
        self.flux, self.noise = self.flux / kept, self.noise / kept


def _levels(
    values: Array, out: Mask, place: Array, fwhm: float, annulus: tuple[float, float]
) -> tuple[Array, Array]:
    """Return backgrounds about stars and their errors; zero where too few pixels are left."""
    stars = discs(values.shape, place[:, 0], place[:, 1], radius=_OWN * fwhm)
    ring = CircularAnnulus(place, annulus[0] * fwhm, annulus[1] * fwhm)
    sky = ApertureStats(
        values, ring, mask=out | stars, sigma_clip=SigmaClip(sigma=3.0), sum_method="center"
    )
    # Not the median, which in frames of few counts is a whole number.
    count = np.nan_to_num(np.atleast_1d(sky.center_aper_area.value))
    level, spread = np.atleast_1d(sky.mean), np.atleast_1d(sky.std)
    enough = (count >= _RING) & np.isfinite(level)
    error = spread / np.sqrt(np.maximum(count, 1.0))
    return np.where(enough, level, 0.0), np.where(enough, error, 0.0)


def _profile(
    values: Array,
    out: Mask,
    x: Array,
    y: Array,
    level: Array,
    flux: Array,
    stars: NDArray[np.intp],
    fwhm: float,
    reach: float,
) -> tuple[Array, Array]:
    """Return the mean profile of stars: radii in pixels, light per pixel."""
    edges = np.arange(0.0, reach + 2.0, _STEP * fwhm)
    middle = 0.5 * (edges[1:] + edges[:-1])
    plain = np.exp(-4.0 * np.log(2.0) * (middle / fwhm) ** 2)
    if stars.size < _GOOD:
        return middle, plain
    half = int(np.ceil(reach)) + 1
    dy, dx = (d.ravel() for d in np.indices((2 * half + 1, 2 * half + 1)) - half)
    rows = np.rint(y[stars]).astype(int)[:, None] + dy
    cols = np.rint(x[stars]).astype(int)[:, None] + dx
    use = (rows >= 0) & (rows < values.shape[0]) & (cols >= 0) & (cols < values.shape[1])
    at = np.clip(rows, 0, values.shape[0] - 1), np.clip(cols, 0, values.shape[1] - 1)
    use &= ~out[at]
    radius = np.hypot(cols - x[stars, None], rows - y[stars, None])
    light = (values[at] - level[stars, None]) / flux[stars, None]
    made = plain.copy() / max(plain.sum(), 1e-30)
    index = np.digitize(radius, edges) - 1
    for n in range(middle.size):
        here = light[use & (index == n)]
        made[n] = max(float(np.median(here)), 0.0) if here.size else 0.0
    return middle, made


def _beyond(radius: float, total: float) -> float:
    """Return the light between two radii, in FWHM, over that within the first, by the theory."""
    scale = 2.0 * np.sqrt(2.0 ** (1.0 / _BETA) - 1.0)
    inside, all_of_it = (1.0 - (1.0 + (scale * r) ** 2) ** (1.0 - _BETA) for r in (radius, total))
    return float(all_of_it / inside - 1.0)


def _correction(ratio: Array, error: Array) -> tuple[float, float, int]:
    """Return the weighted mean without outliers, its error, and of how many stars."""
    if ratio.size < _GOOD:
        return 0.0, float("inf"), 0
    error = np.hypot(error, _SPREAD)
    pull = (ratio - np.median(ratio)) / error
    spread = max(1.4826 * float(np.median(np.abs(pull))), 1.0)
    keep = np.abs(pull) < 2.5 * spread
    weight = 1.0 / error[keep] ** 2
    mean = float((weight * ratio[keep]).sum() / weight.sum())
    return mean, float(spread / np.sqrt(weight.sum())), int(keep.sum())
