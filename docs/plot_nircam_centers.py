"""Draw the figures of ``nircam_centers.md``: ``python docs/plot_nircam_centers.py [folder]``."""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from coronx.refdata.modes import MODES
from coronx.refdata.nircam_centers import nircam_centers

TABLE = nircam_centers()
SHORT = ("F182M", "F187N", "F200W", "F210M", "F212N")
# Milliarcseconds a pixel, mean of x and y, where the masks of the channel are.
SCALE = {
    name: 500.0 * sum(MODES[mode].scale)
    for name, mode in (("short", "nircam-210r"), ("long", "nircam-335r"))
}
COLORS = {"measured": "tab:blue", "carried": "tab:orange", "copied": "tab:red"}
BEFORE, NOW = 59, 75  # releases


def channel_of(aperture: str) -> str:
    """Return the channel of an aperture: detector 5 is the long-wave one."""
    return "long" if aperture[4] == "5" else "short"


def draw_centers(path: Path) -> None:
    """Draw how far SIAF was, and is, from the published centres."""
    rows = sorted(TABLE.centers.items(), key=lambda row: (list(COLORS).index(row[1].kind), row[0]))
    fig, panels = plt.subplots(1, 2, figsize=(9.0, 4.8), sharey=True, layout="constrained")
    for height, (name, center) in enumerate(reversed(rows)):
        there = (center.x, center.y)
        was, now = TABLE.siaf_reference(name, BEFORE), TABLE.siaf_reference(name, NOW)
        style = {"color": COLORS[center.kind], "zorder": 3}
        for axis, panel in enumerate(panels):
            before, after = there[axis] - was[axis], there[axis] - now[axis]
            panel.plot([before, after], [height, height], lw=1.0, **style)
            panel.plot(before, height, "o", ms=6, mfc="white", **style)
            panel.plot(after, height, "o", ms=6, **style)
        mas = SCALE[channel_of(name)]
        offset = [mas * (there[axis] - now[axis]) + 0.0 for axis in (0, 1)]
        label = "0" if not any(offset) else f"({offset[0]:+.0f}, {offset[1]:+.0f})"
        panels[1].annotate(
            label, (1.02, height), xycoords=("axes fraction", "data"), va="center", fontsize=8
        )
    panels[1].annotate(
        "now, mas", (1.02, len(rows) - 0.2), xycoords=("axes fraction", "data"), fontsize=8
    )
    panels[0].set_yticks(range(len(rows)), [name for name, _ in reversed(rows)], fontsize=8)
    for axis, panel in zip("xy", panels, strict=True):
        panel.set_xlabel(f"published centre minus SIAF, {axis} (pixels)")
        panel.axvline(0.0, color="0.6", lw=0.8)
        panel.grid(axis="y", color="0.92")
    panels[0].set_xlim(-1.0, 1.0)
    handles = [
        *(plt.Line2D([], [], color=c, lw=2, label=kind) for kind, c in COLORS.items()),
        plt.Line2D([], [], color="0.3", marker="o", mfc="white", ls="", label="PRDOPSSOC-059"),
        plt.Line2D([], [], color="0.3", marker="o", ls="", label="since PRDOPSSOC-065"),
    ]
    fig.legend(handles=handles, loc="outside upper center", ncols=5, fontsize=8, frameon=False)
    fig.savefig(path, dpi=110)
    plt.close(fig)


def draw_filter_shifts(path: Path) -> None:
    """Draw the filters' shifts as arrows, a panel for each channel."""
    fig, panels = plt.subplots(1, 2, figsize=(9.0, 4.8), layout="constrained")
    for panel, name in zip(panels, SCALE, strict=True):
        shifts = {
            key: (shift.dx, shift.dy)
            for key, shift in TABLE.filter_shifts.items()
            if (key in SHORT) == (name == "short")
        }
        _draw_arrows(panel, shifts)
        mas = SCALE[name]
        for kind, secondary in (("top", panel.secondary_xaxis), ("right", panel.secondary_yaxis)):
            axis = secondary(kind, functions=(lambda v, s=mas: v * s, lambda v, s=mas: v / s))
            axis.tick_params(labelsize=8, color="0.5", labelcolor="0.4")
            (axis.set_xlabel if kind == "top" else axis.set_ylabel)("mas", color="0.4", fontsize=8)
        panel.set_title(f"{name}-wave channel, {mas:.1f} mas a pixel", fontsize=10)
        panel.set_xlabel("dx (pixels)")
        panel.set_ylabel("dy (pixels)")
    fig.savefig(path, dpi=110)
    plt.close(fig)


def _draw_arrows(panel: Axes, shifts: dict[str, tuple[float, float]]) -> None:
    panel.axhline(0.0, color="0.85", lw=0.8)
    panel.axvline(0.0, color="0.85", lw=0.8)
    reach = max(abs(value) for shift in shifts.values() for value in shift)
    # The names stand in a column, spread where shifts lie close, each with a line to its arrow.
    column = max(dx for dx, _ in shifts.values()) + 0.12 * reach
    heights: list[float] = []
    for name, (dx, dy) in sorted(shifts.items(), key=lambda item: -item[1][1]):
        if dx or dy:
            panel.annotate(
                "", (dx, dy), (0.0, 0.0),
                arrowprops={"arrowstyle": "-|>", "color": "tab:blue", "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
        else:
            panel.plot(0.0, 0.0, "o", color="black", ms=4, zorder=4)
        height = min(dy, heights[-1] - 0.07 * reach) if heights else dy
        heights.append(height)
        panel.annotate(
            name, (dx, dy), (column, height),
            fontsize=8, va="center",
            arrowprops={"arrowstyle": "-", "color": "0.7", "lw": 0.6, "shrinkB": 3},
        )  # fmt: skip
    low = min(heights) - 0.1 * reach
    high = max(*(dy for _, dy in shifts.values()), 0.0) + 0.1 * reach
    middle, half = (low + high) / 2, max(high - low, reach) / 2
    panel.set_ylim(middle - half, middle + half)
    panel.set_xlim(-0.5 * half, 1.5 * half)
    panel.set_aspect("equal")


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    draw_centers(folder / "nircam_centers.png")
    draw_filter_shifts(folder / "nircam_filter_shifts.png")
