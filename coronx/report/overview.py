"""One picture of a reduction: before, star subtracted, rolls combined, signal to noise."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.visualization import AsinhStretch, ImageNormalize
from astropy.wcs import WCS, FITSFixedWarning
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from coronx.errors import InputError

__all__ = ["draw_overview"]


@dataclass(frozen=True)
class _Panel:
    """An image with the star's 0-based place in it."""

    data: NDArray[np.floating]
    star: tuple[float, float]
    wcs: WCS
    title: str
    unit: str


def draw_overview(
    science: Path, products: Path, picture: Path, *, truth: Path | None = None, reach: float = 3.0
) -> Path:
    """Draw a science exposure and the products made from it.

    Parameters
    ----------
    science : Path
        A science exposure, ``_calints``.
    products : Path
        Folder with its ``_psfsub`` and the combined ``_i2d`` and ``_snr``.
    picture : Path
        File to write; its suffix chooses the format.
    truth : Path, optional
        A simulator's ``truth.json``: its companions are marked.
    reach : float
        Half width of the panels in arcsec.

    Returns
    -------
    Path
        `picture`.

    Raises
    ------
    InputError
        If a product is missing.
    """
    root = "_".join(science.name.split("_")[:4])
    subtracted = _find(products, f"{root}*_psfsub.fits")
    before = _panel(science, "before: mean integration", like=subtracted)
    panels = [
        before,
        _panel(subtracted, "star subtracted, one roll"),
        _panel(_find(products, "*_i2d.fits"), "star subtracted, rolls combined"),
        _panel(_find(products, "*_snr.fits"), "signal to noise"),
    ]
    marks = _companions(truth) if truth else None
    figure = Figure(figsize=(18, 4.6), layout="constrained")
    for panel, axes in zip(panels, figure.subplots(1, len(panels)), strict=True):
        _draw(axes, panel, reach, marks)
    figure.savefig(picture, dpi=110)
    return picture


def _find(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise InputError(f"{folder}: no {pattern} in it; run coronx_coron3 with save_results first")
    return found[0]


def _panel(path: Path, title: str, *, like: Path | None = None) -> _Panel:
    """Read an image; `like` is the product that records the star for a file that does not."""
    with fits.open(path) as hdulist, fits.open(like or path) as record:
        data, header = hdulist["SCI"].data, hdulist["SCI"].header
        primary = record[0].header
        if data.ndim == 3:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # pixels bad in every integration
                data = np.nanmean(data, axis=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            wcs = WCS(header, naxis=2)
        star = (primary["STARCENX"] - 1.0, primary["STARCENY"] - 1.0)
        unit = "S/N" if path.stem.endswith("_snr") else header.get("BUNIT", "")
        return _Panel(np.asarray(data, float), star, wcs, title, unit)


def _companions(truth: Path) -> SkyCoord:
    found: Sequence[dict[str, float]] = json.loads(truth.read_text())["companions"]
    return SkyCoord([c["ra_deg"] for c in found], [c["dec_deg"] for c in found], unit="deg")


def _draw(axes: Axes, panel: _Panel, reach: float, marks: SkyCoord | None) -> None:
    scale = float(np.sqrt(panel.wcs.proj_plane_pixel_area().to_value("arcsec2")))
    ny, nx = panel.data.shape
    x0, y0 = panel.star
    extent = [(v * scale) for v in (-0.5 - x0, nx - 0.5 - x0, -0.5 - y0, ny - 0.5 - y0)]
    y, x = np.indices(panel.data.shape)
    near = panel.data[(np.hypot(x - x0, y - y0) * scale < reach) & np.isfinite(panel.data)]
    low, high = np.percentile(near, [0.5, 99.8])
    norm = ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch(0.2))
    image = axes.imshow(
        panel.data,
        origin="lower",
        extent=extent,
        norm=norm,
        cmap="inferno",
        interpolation="nearest",
    )
    axes.figure.colorbar(image, ax=axes, label=panel.unit, shrink=0.85)
    axes.plot(0, 0, marker="+", color="cyan", markersize=8)
    if marks is not None:
        for px, py in zip(*panel.wcs.world_to_pixel(marks), strict=True):
            at = ((px - x0) * scale, (py - y0) * scale)
            axes.plot(*at, marker="o", markersize=16, markerfacecolor="none", color="lime")
    _draw_compass(axes, panel, reach)
    axes.set(
        title=panel.title,
        xlim=(-reach, reach),
        ylim=(-reach, reach),
        xlabel='x from the star ["]',
        ylabel='y from the star ["]',
    )


def _draw_compass(axes: Axes, panel: _Panel, reach: float) -> None:
    star = panel.wcs.pixel_to_world(*panel.star)
    foot = np.array([0.68, -0.75]) * reach
    for name, angle in (("N", 0.0), ("E", 90.0)):
        tip = panel.wcs.world_to_pixel(star.directional_offset_by(angle * u.deg, 1.0 * u.arcsec))
        arrow = np.array([float(tip[0]) - panel.star[0], float(tip[1]) - panel.star[1]])
        arrow *= 0.16 * reach / np.hypot(*arrow)
        axes.annotate("", foot + arrow, foot, arrowprops={"arrowstyle": "->", "color": "white"})
        axes.text(*(foot + 1.35 * arrow), name, color="white", ha="center", va="center")
