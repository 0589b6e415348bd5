"""What is true of a simulated night, written beside its frames."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from coronx.simulate.night_ccd import COLUMN, Ccd
from coronx.simulate.night_frames import Exposed
from coronx.simulate.night_plan import Night, PlannedFrame
from coronx.simulate.night_psf import BETA
from coronx.simulate.night_sky import Field, field_wcs

__all__ = ["frame_truth", "write_truth"]


def frame_truth(night: Night, planned: PlannedFrame, exposed: Exposed, name: str) -> dict[str, Any]:
    """Return what ``truth.json`` says of a frame."""
    truth: dict[str, Any] = {
        "file": name,
        "kind": planned.kind,
        "number": planned.number,
        "filter": planned.filter,
        "exposure_s": planned.exposure,
        "bias_drift_adu": exposed.drift,
        "cosmic_ray_pixels": int(np.count_nonzero(exposed.cosmic_rays)),
    }
    if planned.kind == "flat":
        truth["level_electrons"] = planned.sky
    if planned.kind == "light":
        truth |= {
            "offset_pixels": list(planned.offset),
            "wcs": dict(field_wcs(night, planned.offset).to_header()),
            "fwhm_pixels": planned.fwhm,
            "transparency": planned.transparency,
            "sky": planned.sky,
            "faults": list(planned.faults),
            "satellite": exposed.satellite,
            "stars": len(exposed.stars),
            "saturated_stars": sum(star["saturated"] for star in exposed.stars),
        }
    return truth


def write_truth(
    folder: Path,
    ccd: Ccd,
    sky: Field,
    flats: dict[str, NDArray[np.float64]],
    frames: list[dict[str, Any]],
    exposed: list[Exposed],
) -> dict[str, Any]:
    """Write ``truth.json`` and ``truth.fits`` to a folder; return the former.

    ``truth.fits`` has the images BIAS (ADU, pedestal left out), DARK (electrons/s), DARKFRAME (ADU
    above bias of one dark), FLAT_<filter> (median 1) and BAD, and the tables STARS, FRAMESTARS and
    COSMICRAYS; the latter two name frames by their row in the ``frames`` of ``truth.json``.
    """
    night = ccd.night
    truth = {
        "night": asdict(night),
        "wcs": dict(field_wcs(night).to_header()),
        "line_flux_electrons_s": sky.line_flux(),
        "sky_gradient": list(sky.gradient),
        "moffat_beta": BETA,
        "bad_columns": [
            {"column": column, "first_row": first, "last_row": last - 1}
            for column, first, last in ccd.columns
        ],
        "blobs": [asdict(blob) for blob in sky.blobs],
        "frames": frames,
    }
    folder.mkdir(exist_ok=True)
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(ccd.bias.astype(np.float32), name="BIAS"),
        fits.ImageHDU(ccd.dark.astype(np.float32), name="DARK"),
        fits.ImageHDU(ccd.dark_frame(night.dark_exposure).astype(np.float32), name="DARKFRAME"),
        *(fits.ImageHDU(flat.astype(np.float32), name=f"FLAT_{k}") for k, flat in flats.items()),
        fits.ImageHDU(ccd.bad, name="BAD"),
        fits.BinTableHDU(sky.stars, name="STARS"),
        fits.BinTableHDU(_frame_stars(exposed), name="FRAMESTARS"),
        fits.BinTableHDU(_cosmic_rays(exposed), name="COSMICRAYS"),
    ]
    hdus[[hdu.name for hdu in hdus].index("BAD")].header["COMMENT"] = (
        f"1 hot, 2 dead, {COLUMN} bad column"
    )
    fits.HDUList(hdus).writeto(folder / "truth.fits", overwrite=True)
    return truth


def _frame_stars(exposed: list[Exposed]) -> Table:
    rows = [
        (number, star["star"], star["x"], star["y"], star["electrons"], star["saturated"])
        for number, frame in enumerate(exposed)
        for star in frame.stars
    ]
    names = ["frame", "star", "x", "y", "electrons", "saturated"]
    return Table(rows=rows or None, names=names, dtype=["i4", "i4", "f8", "f8", "f8", "?"])


def _cosmic_rays(exposed: list[Exposed]) -> Table:
    parts = []
    for number, frame in enumerate(exposed):
        y, x = np.nonzero(frame.cosmic_rays)
        parts.append((np.full(x.size, number), x, y, frame.cosmic_rays[y, x]))
    columns = [np.concatenate(part) for part in zip(*parts, strict=True)] if parts else None
    names = ["frame", "x", "y", "electrons"]
    return Table(columns, names=names, dtype=["i4", "i4", "i4", "f4"])
