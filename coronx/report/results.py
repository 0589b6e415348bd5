"""One picture of what was measured: significance with its candidates, and the contrast reached."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import QTable
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from coronx.errors import InputError

__all__ = ["draw_results", "tell_candidates"]


def draw_results(products: Path, picture: Path, *, truth: Path | None = None) -> Path | None:
    """Draw the significance map with its candidates, and the contrast curve.

    Parameters
    ----------
    products : Path
        Folder with ``_detect`` and, where there is one, ``_limits``.
    picture : Path
        File to write; its suffix chooses the format.
    truth : Path, optional
        A simulator's ``truth.json``: its companions are marked.

    Returns
    -------
    Path or None
        `picture`; None where nothing was measured.

    Raises
    ------
    InputError
        If there are products of more than one reduction.
    """
    found, limits = _one(products, "_detect.fits"), _one(products, "_limits.fits")
    if found is None:
        return None
    figure = Figure(figsize=(13, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    real = _truth(truth)
    _draw_map(left, found, real)
    if limits is None:
        right.set_axis_off()
        right.text(0.5, 0.5, "the star's flux is not known: no contrast", ha="center")
    else:
        _draw_curve(right, limits, _measured(products, found), real)
    figure.savefig(picture, dpi=110)
    return picture


def tell_candidates(products: Path, *, truth: Path | None = None) -> list[str]:
    """Return a line for every candidate, the true companion nearest to it beside it.

    Parameters
    ----------
    products, truth
        As `draw_results` has them.
    """
    found = _one(products, "_detect.fits")
    if found is None:
        return []
    lines = []
    table = _measured(products, found)
    for row in table:
        line = (
            f'candidate {row["number"]}  {row["separation"]:.4f} +- {row["separation_sigma"]:.4f}" '
            f"at PA {row['pa']:.2f} +- {row['pa_sigma']:.2f} deg, contrast {row['contrast']:.3g} "
            f"+- {row['contrast_sigma']:.2g}, S/N {row['snr']:.1f}"
        )
        lines.append(line)
        near = [c for c in _truth(truth) if _apart(row, c) < 0.2]
        lines += [
            f'   its truth  {c["separation_arcsec"]:.4f}" at PA {c["pa_deg"]:.2f} deg, contrast '
            f"{c['contrast']:.3g}"
            for c in near
        ]
    missed = [c for c in _truth(truth) if not any(_apart(row, c) < 0.2 for row in table)]
    lines += [
        f'not found    {c["separation_arcsec"]:.2f}" at PA {c["pa_deg"]:.1f} deg, contrast '
        f"{c['contrast']:.2g}"
        for c in missed
    ]
    return lines or ["no candidate"]


def _one(folder: Path, ending: str) -> Path | None:
    found = sorted(folder.glob(f"*{ending}"))
    if len(found) > 1:
        raise InputError(f"{folder}: {len(found)} files *{ending}; give a folder of one reduction")
    return found[0] if found else None


def _truth(truth: Path | None) -> list[dict[str, float]]:
    return [] if truth is None else json.loads(truth.read_text())["companions"]


def _measured(products: Path, found: Path) -> QTable:
    """Return the candidates as fitted, where they were, else as detected."""
    fitted = _one(products, "_extract.ecsv")
    table = QTable.read(fitted or found.with_suffix(".ecsv"), format="ascii.ecsv")
    for name in table.colnames:
        if table[name].unit is not None:
            table[name] = table[name].value
    return table


def _apart(row: Any, companion: dict[str, float]) -> float:
    angle = np.radians(companion["pa_deg"])
    east, north = companion["separation_arcsec"] * np.array([np.sin(angle), np.cos(angle)])
    return float(np.hypot(row["east"] - east, row["north"] - north))


def _draw_map(axes: Axes, found: Path, real: list[dict[str, float]]) -> None:
    with fits.open(found) as hdulist:
        image, table = hdulist["SIGMAS"].data, hdulist["CANDIDATES"].data
        threshold, scale = hdulist[0].header["THRESH"], 3600.0 * hdulist["SCI"].header["CDELT2"]
        reach = min(image.shape[0] // 2 * scale, 4.0)
        half = (image.shape[0] // 2 + 0.5) * scale
    top = max(threshold, min(float(np.nanmax(image)), 2.0 * threshold))
    shown = axes.imshow(
        image,
        origin="lower",
        extent=(half, -half, -half, half),
        vmin=-top,  # white is nothing
        vmax=top,
        cmap="RdBu_r",
        interpolation="nearest",
    )
    axes.figure.colorbar(shown, ax=axes, label="significance (Gaussian sigmas)", shrink=0.85)
    axes.plot(0, 0, marker="*", color="black", markersize=9)
    for companion in real:
        angle = np.radians(companion["pa_deg"])
        away = companion["separation_arcsec"]
        axes.plot(
            away * np.sin(angle), away * np.cos(angle),
            marker="s", markersize=20, markerfacecolor="none", color="green",
        )  # fmt: skip
    for row in table:
        axes.plot(
            row["east"], row["north"],
            marker="o", markersize=14, markerfacecolor="none", color="black",
        )  # fmt: skip
        axes.annotate(str(row["number"]), (row["east"], row["north"]), (9, 9),
                      textcoords="offset points")  # fmt: skip
    note = "circles: candidates" + ("; squares: truth" if real else "")
    axes.set(
        title=f"threshold {threshold:.1f} sigma ({note})",
        xlim=(reach, -reach),
        ylim=(-reach, reach),
        xlabel='east of the star ["]',
        ylabel='north of the star ["]',
    )


def _draw_curve(axes: Axes, limits: Path, candidates: QTable, real: list[dict[str, float]]) -> None:
    with fits.open(limits) as hdulist:
        curve = hdulist["LIMITS"].data
        # Beyond, most of the ring lies behind the field's edges.
        curve = curve[~(curve["transmission"] < 0.5) | (curve["separation"] < 2.0)]
        fwhm = hdulist[0].header["PSFFWHM"]
    axes.semilogy(curve["separation"], curve["calibrated"], label="5 sigma, calibrated")
    axes.semilogy(
        curve["separation"], curve["raw"], "--",
        label="no throughput, no transmission",
    )  # fmt: skip
    for row in candidates:
        axes.errorbar(
            row["separation"], row["contrast"], yerr=row["contrast_sigma"], fmt="ko", capsize=3
        )
        axes.annotate(str(row["number"]), (row["separation"], row["contrast"]), (7, 5),
                      textcoords="offset points")  # fmt: skip
    for n, companion in enumerate(real):
        axes.plot(
            companion["separation_arcsec"], companion["contrast"], "gs", markersize=12,
            markerfacecolor="none", label="truth" if n == 0 else None,
        )  # fmt: skip
    axes.secondary_xaxis("top", functions=(lambda x: x / fwhm, lambda x: x * fwhm)).set_xlabel(
        "separation (lambda/D)"
    )
    axes.set(xlabel='separation ["]', ylabel="contrast", xlim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
