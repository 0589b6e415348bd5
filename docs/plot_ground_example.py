"""Draw the figures of ``ground_example.md``, and print its table.

``python docs/plot_ground_example.py NIGHT PRODUCTS [folder]``, where NIGHT is what
``python -m coronx.simulate.night`` wrote, and PRODUCTS is where ``coronx_ground`` did.
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np
from astropy.io import fits
from astropy.table import Table
from PIL import Image
from scipy.ndimage import gaussian_filter

matplotlib.use("Agg")
from matplotlib import pyplot as plt

SHADES = 20  # few shades make a small file
FINE = 80
COLOR_STEP = 8
HALF = 60  # pixels around the galaxy
COLUMNS = {
    "fwhm": ("FWHM [pixels]", ".2f"), "axis_ratio": ("axis ratio", ".2f"),
    "background": ("background [ADU]", ".0f"), "transparency": ("transparency", ".2f"),
    "stars": ("stars", "d"),
}  # fmt: skip


def show(panel, image: np.ndarray, low: float, high: float, title: str, shades: int) -> None:
    """Show an image between two levels above its sky, the brighter parts compressed."""
    above = np.nan_to_num(image - np.nanmedian(image), nan=low)
    scaled = np.arcsinh(4 * np.clip((above - low) / (high - low), 0, 1)) / np.arcsinh(4)
    panel.imshow(np.rint(scaled * shades), origin="lower", cmap="gray", interpolation="nearest")
    panel.set(title=title, xticks=[], yticks=[])


def save(figure, path: Path, shades: int) -> None:
    """Save a figure in shades of grey."""
    figure.savefig(path, dpi=100)
    plt.close(figure)
    with Image.open(path) as opened:
        made = opened.convert("L").quantize(shades)
    made.save(path, optimize=True)


def one(folder: Path, pattern: str) -> Path:
    """Return the file that a pattern tells."""
    (path,) = folder.glob(pattern)
    return path


def main(night: Path, products: Path, out: Path) -> None:
    """Draw and print."""
    light = one(night, "raw-*-Ha-*-002.fits")
    figure, panels = plt.subplots(1, 2, figsize=(10.4, 5.5), layout="constrained")
    show(panels[0], fits.getdata(light).astype(float), -40, 250, "as it was taken", SHADES)
    calibrated = fits.getdata(one(products, f"{light.stem}_calibrated.fits"), "SCI")
    show(panels[1], calibrated, -40, 250, "calibrated", SHADES)
    save(figure, out / "ground_example_light.png", SHADES + 4)

    with Image.open(one(products, "*_picture.png")) as opened:
        picture = np.asarray(opened.convert("RGB"))
    rows, columns = (np.flatnonzero(picture.any(axis=(axis, 2))) for axis in (1, 0))
    picture = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    picture = np.minimum(np.rint(picture / COLOR_STEP) * COLOR_STEP, 255).astype(np.uint8)
    Image.fromarray(picture).save(out / "ground_example_picture.png", optimize=True)

    line = fits.getdata(one(products, "*_Ha_consub.fits"), "SCI")
    smooth = gaussian_filter(np.nan_to_num(line), 5.0)
    y, x = np.unravel_index(int(smooth.argmax()), smooth.shape)
    near = np.s_[y - HALF : y + HALF, x - HALF : x + HALF]
    with_continuum = fits.getdata(one(products, "*_Ha_mosaic.fits"), "SCI")
    figure, panels = plt.subplots(2, 2, figsize=(9.2, 9.6), layout="constrained")
    for row, (image, title) in enumerate(
        ((with_continuum, "H-alpha"), (line, "H-alpha without continuum"))
    ):
        show(panels[row, 0], image, -15, 150, title, SHADES)
        show(panels[row, 1], image[near], -15, 600, "the galaxy", FINE)
    save(figure, out / "ground_example_line.png", FINE)

    table = Table.read(one(products, "*_passed.ecsv"))
    titles = ["frame", *(title for title, _ in COLUMNS.values()), "verdict"]
    print("| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
    for row in sorted(table, key=lambda row: str(row["file"])):
        number = str(row["file"]).removesuffix("_calibrated.fits")[-1]
        cells = [f"{row[name]:{form}}" for name, (_, form) in COLUMNS.items()]
        verdict = "passes" if row["passed"] else f"**rejected: {row['reason']}**"
        print(f"| {row['filter']} {number} | " + " | ".join(cells) + f" | {verdict} |")


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        Path(sys.argv[3]) if len(sys.argv) > 3 else Path(__file__).parent,
    )
