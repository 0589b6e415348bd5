"""Point sources in a flux map: peaks that noise is unlikely to make anywhere in the field."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from coronx.ops.field_statistics import field_false_alarm, field_threshold, gaussian_sigmas
from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import FluxMap
from coronx.ops.ring_noise import Masked, RingNoise, flux_noise
from coronx.ops.ring_tails import noise_tails
from coronx.ops.summit import peaks, summit

__all__ = ["FARTHEST", "NEAREST", "Candidate", "Detections", "find_candidates", "searched_region"]

Array = NDArray[np.float64]

_BELOW = 0.75  # of the threshold: a peak between pixels is higher than its highest pixel
NEAREST, FARTHEST = 1.5, 5.0  # FWHM about a candidate in which nothing else is looked for
_BINS = 20  # of degrees of freedom, in each factor of e


@dataclass(frozen=True)
class Candidate:
    """A peak of a flux map.

    Attributes
    ----------
    east, north, separation : float
        Place from the star in arcsec.
    position_error : float
        Error of one sigma of the place along either axis in arcsec, in white noise: the scatter
        of the map's gradient over the curvature of a source's image. For a filter that is the PSF
        the Cramer-Rao bound, 1 / (S/N det(L)^(1/4)) with L the covariance of the gradient of a map
        of unit variance; sqrt(2) FWHM / (2.355 S/N) for a Gaussian PSF.
    pa : float
        Position angle in degrees, from north through east, 0 to 360.
    pa_error : float
        Its error of one sigma.
    flux, flux_error : float
        In the unit of the map; less the mean of the ring.
    snr : float
        Flux over the noise at its place, that of the ring's mean included: Student's t in noise.
    sigmas : float
        Gaussian sigmas as rare at one place, in so small a sample, as the value of Student's t with
        which it was found: the noise then held the light beyond its own neighbourhood that
        comes with a peak, be it noise or a companion, and `snr` is without.
    false_alarm_place, false_alarm_field : float
        Probability that noise alone reaches this at one place given beforehand, and
        anywhere in the field.
    """

    east: float
    north: float
    separation: float
    position_error: float
    pa: float
    pa_error: float
    flux: float
    flux_error: float
    snr: float
    sigmas: float
    false_alarm_place: float
    false_alarm_field: float


@dataclass(frozen=True)
class Detections:
    """What was found in a flux map.

    Attributes
    ----------
    candidates : tuple of Candidate
        By descending significance.
    snr : ndarray (n, n)
        Student's t of every place, the candidates' light left out of the noise.
    sigmas : ndarray (n, n)
        The same as Gaussian sigmas; NaN where not searched.
    threshold : float
        In sigmas.
    noise : RingNoise
        As it is at each place.
    """

    candidates: tuple[Candidate, ...]
    snr: Array
    sigmas: Array
    threshold: float
    noise: RingNoise


def find_candidates(
    flux_map: FluxMap,
    *,
    fwhm: float,
    false_alarm: float = 0.01,
    inner: float | None = None,
    outer: float = np.inf,
    masked: Masked = (),
    robust: bool = False,
) -> Detections:
    """Find peaks that noise makes in fewer than a stated share of empty fields.

    The map is compared with the noise of its rings, and each value of Student's t is put as the
    sigmas of a Gaussian that are as rare, so that one threshold serves all separations: the one
    that the expected number of peaks of noise in the field says (`expected_peaks`). It rests
    on noise that is as smooth as the PSF makes it. Left-over speckles are stronger in some parts of
    a ring than in others, and their values have heavier tails than a Gaussian's (`noise_tails`).

    Found peaks are left out of the noise, and the search is repeated until it finds no other: a
    bright companion hides none at its separation. Nothing is looked for where a companion's own
    light would be above the noise: 1.5 to 5 FWHM about it. A peak must have its eight
    neighbours in the searched field.

    Parameters
    ----------
    flux_map : FluxMap
        What to search.
    fwhm : float
        Of the PSF in arcsec.
    false_alarm : float
        Probability that a field without companions shows a candidate.
    inner, outer : float
        Separations between which to search, in arcsec; from one FWHM outwards by default.
    masked : sequence of (east, north, radius)
        Known companions, left out of the noise; they are found like others.
    robust : bool
        See `ring_noise`.

    Returns
    -------
    Detections
        No candidate where nothing can be searched.
    """
    grid = flux_map.grid
    region = searched_region(grid, fwhm=fwhm, inner=inner, outer=outer)
    found: dict[tuple[int, int], Candidate] = {}
    circles: list[tuple[float, float, float]] = []
    search: _Search | None = None
    while True:
        left_out = [*masked, *circles]
        noise = flux_noise(flux_map, fwhm=fwhm, masked=left_out, robust=robust)
        told = _with_tails(noise, flux_map, fwhm, left_out)
        if search is None:
            search = _Search.of(flux_map, told, region, false_alarm, fwhm)
        t = told.t(flux_map.flux)
        sigmas, high = np.full((2, *grid.shape), np.nan)
        at = region & np.isfinite(t)
        sigmas[at] = gaussian_sigmas(t[at], told.freedom[at])
        # A companion that is not known yet may pass for a heavy tail.
        high[at] = gaussian_sigmas(t[at], noise.freedom[at])
        # Without the candidates' light their noise is told better. How rare they are is not: to
        # leave out what surrounds a peak of noise makes any the higher.
        found = {
            place: _as_found(search.candidate(place, t, told) or old, old)
            for place, old in found.items()
        }
        new: dict[tuple[int, int], Candidate] = {}
        for place in search.peaks(t, high):
            candidate = search.candidate(place, t, replace(told, freedom=noise.freedom))
            if candidate is None or candidate.sigmas < search.threshold:
                continue
            if any(
                np.hypot(candidate.east - east, candidate.north - north) <= radius
                for east, north, radius in circles
            ):
                continue
            reach = min(flux_map.correlation.extent(1.0 / candidate.snr), FARTHEST * fwhm)
            circle = (candidate.east, candidate.north, max(reach, NEAREST * fwhm))
            # A companion is no part of the noise whose tails it is compared with.
            left_out = [*masked, *circles, circle]
            alone = flux_noise(flux_map, fwhm=fwhm, masked=left_out, robust=robust)
            alone = _with_tails(alone, flux_map, fwhm, left_out, like=noise)
            candidate = search.candidate(place, t, alone)
            if candidate is None or candidate.sigmas < search.threshold:
                continue
            new[place] = candidate
            circles.append(circle)
        found |= new
        if not new:
            break
    ordered = sorted(found.values(), key=lambda c: -c.sigmas)
    return Detections(tuple(ordered), t, sigmas, search.threshold, told)


def searched_region(
    grid: FluxGrid, *, fwhm: float, inner: float | None, outer: float
) -> NDArray[np.bool_]:
    """Return the places between two separations; from one FWHM outwards by default."""
    least = fwhm if inner is None else inner
    return (grid.separation >= least) & (grid.separation <= outer)


def _with_tails(
    noise: RingNoise,
    flux_map: FluxMap,
    fwhm: float,
    masked: Masked,
    like: RingNoise | None = None,
) -> RingNoise:
    """Return the noise, or another one like it, as it is at each place, with its tails."""
    tails = noise_tails(
        flux_map.flux, flux_map.grid, noise, fwhm=fwhm, correlation=flux_map.correlation,
        masked=masked,
    )  # fmt: skip
    result = noise if like is None else like
    freedom = 1.0 / (1.0 / result.freedom + 1.0 / tails.freedom)
    return replace(result, sigma=result.sigma * tails.scale, freedom=freedom)


def _as_found(now: Candidate, old: Candidate) -> Candidate:
    """Return what is known of a candidate now, as rare as it was when it was found."""
    return replace(
        now,
        sigmas=old.sigmas,
        false_alarm_place=old.false_alarm_place,
        false_alarm_field=old.false_alarm_field,
    )


@dataclass(frozen=True)
class _Search:
    """What does not change while a field is searched."""

    flux_map: FluxMap
    fwhm: float
    resels: Array
    freedom: Array
    threshold: float

    @classmethod
    def of(
        cls,
        flux_map: FluxMap,
        noise: RingNoise,
        region: NDArray[np.bool_],
        false_alarm: float,
        fwhm: float,
    ) -> "_Search":
        """Measure the field and set the threshold, before any companion is known."""
        searched = region & np.isfinite(noise.sigma) & np.isfinite(flux_map.flux)
        area = flux_map.grid.scale**2 * flux_map.correlation.roughness
        each = area / noise.spread[searched]
        freedom = noise.freedom[searched]
        # Thousands of pixels have tens of degrees of freedom that differ by anything.
        bins = np.unique(np.rint(_BINS * np.log(freedom)).astype(int), return_inverse=True)[1]
        resels = np.bincount(bins, each).astype(np.float64)
        mean = np.bincount(bins, each * freedom).astype(np.float64) / resels
        limit = field_threshold(false_alarm, resels, mean)
        return cls(flux_map, fwhm, resels, mean, limit)

    def peaks(self, t: Array, sigmas: Array) -> list[tuple[int, int]]:
        """Return the peaks in t: rarity depends on degrees of freedom, too, which differ."""
        return [at for at in peaks(t, np.isfinite(sigmas)) if sigmas[at] > _BELOW * self.threshold]

    def candidate(self, place: tuple[int, int], t: Array, noise: RingNoise) -> Candidate | None:
        """Return what is known of a peak; None where its noise is not."""
        row, col = place
        if not np.isfinite(t[row - 1 : row + 2, col - 1 : col + 2]).all():
            return None
        # The likelihood's summit: the ring's own scatter, which differs from place to place,
        # would pull at it.
        formal = self.flux_map.sigma[place]
        y, x, height = summit(self.flux_map.flux / self.flux_map.sigma, row, col)
        unit = float(noise.sigma[place] * np.sqrt(noise.spread[place]))
        snr = float(height * formal - noise.mean[place]) / unit
        freedom = float(noise.freedom[place])
        sigmas = float(gaussian_sigmas(snr, freedom))
        east, north = self.flux_map.grid.offsets(y, x)
        separation = float(np.hypot(east, north))
        correlation = self.flux_map.correlation
        error = float(np.sqrt(correlation.roughness) / (snr * correlation.sharpness))
        return Candidate(
            east=east,
            north=north,
            separation=separation,
            position_error=error,
            pa=float(np.degrees(np.arctan2(east, north)) % 360.0),
            pa_error=float(np.degrees(np.arctan2(error, separation))),
            flux=snr * unit,
            flux_error=unit,
            snr=snr,
            sigmas=sigmas,
            false_alarm_place=float(stdtr(freedom, -snr)),
            false_alarm_field=field_false_alarm(sigmas, self.resels, self.freedom),
        )
