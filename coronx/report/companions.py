"""Compare a signal-to-noise map with a simulation's known companions."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from photutils.centroids import centroid_quadratic

__all__ = ["Recovery", "recover"]


@dataclass(frozen=True)
class Recovery:
    """A true companion and the peak found at its place.

    Attributes
    ----------
    separation_arcsec, pa_deg : float
        Truth, position angle east of north.
    signal_to_noise : float
        Highest pixel of the map within `reach` pixels of the truth.
    offset_pixels : float
        Distance from the truth to the map's peak, by a quadratic fit about that pixel.
    """

    separation_arcsec: float
    pa_deg: float
    signal_to_noise: float
    offset_pixels: float


def recover(snr: Path, truth: Path, *, reach: int = 4) -> list[Recovery]:
    """Find the peak nearest each of a simulation's companions.

    Parameters
    ----------
    snr : Path
        Signal-to-noise map of the combined image, ``_snr``.
    truth : Path
        The simulator's ``truth.json``.
    reach : int
        How far from the true place to look, in pixels.

    Returns
    -------
    list of Recovery
    """
    with fits.open(snr) as hdulist, warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs, image = WCS(hdulist["SCI"].header), hdulist["SCI"].data.astype(float)
    found = []
    for companion in json.loads(truth.read_text())["companions"]:
        x, y = (float(v) for v in wcs.all_world2pix(companion["ra_deg"], companion["dec_deg"], 0))
        row, col = round(y), round(x)
        near = image[row - reach : row + reach + 1, col - reach : col + reach + 1]
        peak = np.unravel_index(np.nanargmax(near), near.shape)
        place = centroid_quadratic(near, fit_boxsize=3)
        offset = np.hypot(place[0] + col - reach - x, place[1] + row - reach - y)
        found.append(
            Recovery(
                companion["separation_arcsec"],
                companion["pa_deg"],
                float(near[peak]),
                float(offset),
            )
        )
    return found
