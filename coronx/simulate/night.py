"""``python -m coronx.simulate.night``: write a CCD night of known truth."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from coronx.simulate.night_plan import BANDS, FAULTS, Night
from coronx.simulate.night_run import simulate_night

__all__ = ["main"]

_DESCRIPTION = """\
Simulate a night with a CCD camera: bias, dark and flat frames, and dithered lights in several
filters, as plain 16-bit FITS files with the keywords and names of iTelescope's; and
truth/truth.json with truth/truth.fits, which say what is true of each."""
_EPILOG = """\
example: a small night whose first light in Ha is trailed, and no clouds
  python -m coronx.simulate.night night --size 256 --trailed Ha:1 --clouded none"""
# Options that replace one field of the night: (option, field, type, metavar, help).
_FIELDS = (
    ("--size", "size", int, "N", "pixels along each side"),
    ("--biases", "biases", int, "N", "bias frames"),
    ("--darks", "darks", int, "N", "dark frames"),
    ("--flats", "flats", int, "N", "flat frames in each filter"),
    ("--lights", "lights", int, "N", "lights in each filter"),
    ("--dark-exposure", "dark_exposure", float, "S", "seconds of a dark"),
    ("--stars", "stars", int, "N", "stars in the field and just beside it"),
    ("--dither", "dither", float, "PIXELS", "largest displacement of a light along each axis"),
    ("--ra", "ra_deg", float, "DEG", "right ascension of the field"),
    ("--dec", "dec_deg", float, "DEG", "declination of the field"),
    ("--scale", "scale_arcsec", float, "ARCSEC", "size of a pixel"),
    ("--rotation", "rotation_deg", float, "DEG", "position angle of the frames' upper edge"),
    ("--gain", "gain", float, "E_ADU", "electrons an ADU"),
    ("--read-noise", "read_noise", float, "E", "electrons"),
    ("--cosmic-rays", "cosmic_rays", float, "N", "cosmic rays in an hour"),
    ("--hot-pixels", "hot_pixels", int, "N", "pixels with too much dark current"),
    ("--overscan", "overscan", int, "N", "columns of overscan; the bias level then drifts"),
    ("--pedestal", "pedestal", int, "ADU", "added to each frame, with PEDESTAL in its header"),
    ("--binning", "binning", int, "N", "what XBINNING says"),
    ("--seed", "seed", int, "N", "seed of every random choice"),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    folder = options.pop("folder")
    try:
        night = Night(**options)
        result = simulate_night(folder, night)
    except ValueError as error:
        parser.error(str(error))
    for kind in ("bias", "dark", "flat", "light"):
        print(f"{kind:<6} {len(getattr(result, kind))}")
    print(f"truth  {result.truth_file}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m coronx.simulate.night",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = {field.name: field.default for field in fields(Night)}
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to write")
    for option, field, kind, metavar, text in _FIELDS:
        parser.add_argument(
            option,
            dest=field,
            type=kind,
            metavar=metavar,
            default=defaults[field],
            help=f"{text} (default: {defaults[field]})",
        )
    parser.add_argument(
        "--filters",
        type=lambda text: tuple(text.split(",")),
        default=defaults["filters"],
        metavar="NAME,...",
        help=f"of {', '.join(BANDS)} (default: all)",
    )
    parser.add_argument(
        "--wcs", dest="write_wcs", action="store_true", help="the true WCS in the lights' headers"
    )
    for fault in FAULTS:
        parser.add_argument(
            f"--{fault}",
            type=_lights,
            default=defaults[fault],
            metavar="FILTER:N,...",
            help=f"lights that are to be {fault}, or none (default: {_text(defaults[fault])})"
            if fault != "satellite"
            else f"lights that a satellite crosses, or none (default: {_text(defaults[fault])})",
        )
    return parser


def _lights(text: str) -> tuple[tuple[str, int], ...]:
    if text == "none":
        return ()
    try:
        pairs = (part.split(":") for part in text.split(","))
        return tuple((name, int(number)) for name, number in pairs)
    except ValueError:
        raise argparse.ArgumentTypeError(f"FILTER:N,... or none, not {text!r}") from None


def _text(lights: tuple[tuple[str, int], ...]) -> str:
    return ",".join(f"{name}:{number}" for name, number in lights) or "none"


if __name__ == "__main__":
    sys.exit(main())
