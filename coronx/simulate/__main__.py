"""``python -m coronx.simulate``: write a coronagraphic sequence of known truth."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from coronx.refdata.modes import MODES
from coronx.simulate.exposures import simulate
from coronx.simulate.scene import SCENES, Companion, Disk, Scene

__all__ = ["main"]

_MODES = "\n".join(f"  {mode.name:<12} {' '.join(mode.filters)}" for mode in MODES.values())
_DESCRIPTION = """\
Simulate a coronagraphic sequence as the JWST pipeline would hand it over: a science star at
two or more roll angles, a reference star in small-grid dithers, as _calints files with an
association (coron3) and truth.json, which says where everything was put."""
_EPILOG = f"""\
modes and their filters:
{_MODES}

example: a fainter planet, a badly drifting telescope
  python -m coronx.simulate demo --scene nircam-round --companion 0.8,200,1e-6 --drift-nm 10
"""
# Options that replace one field of the ready scene: (option, field, type, metavar, help).
_FIELDS = (
    ("--mode", "mode", str, "NAME", "coronagraph, as listed below (give --filter too)"),
    ("--filter", "filter", str, "NAME", "filter, one that goes with the mode"),
    ("--integrations", "integrations", int, "N", "integrations of each exposure"),
    ("--references", "references", int, "N", "dithered exposures of the reference star"),
    ("--backgrounds", "backgrounds", int, "N", "exposures of empty sky beside each star"),
    ("--glow-stick", "glow_stick_mjy_sr", float, "MJY_SR", "stray light along MIRI's phase masks"),
    ("--integration-time", "integration_s", float, "S", "seconds of one integration"),
    ("--star-jy", "star_jy", float, "JY", "flux density of the science star"),
    ("--reference-jy", "reference_jy", float, "JY", "flux density of the reference star"),
    ("--drift-nm", "drift_nm", float, "NM", "wavefront change between visits, rms"),
    ("--wavefront-nm", "wavefront_nm", float, "NM", "static wavefront error, rms"),
    ("--jitter-mas", "jitter_mas", float, "MAS", "pointing jitter between integrations"),
    ("--pointing-error-mas", "pointing_error_mas", float, "MAS", "error of target acquisition"),
    ("--dither-mas", "dither_mas", float, "MAS", "radius of the circle of dithers"),
    ("--guide-star-error", "guide_star_error_arcsec", float, "ARCSEC",
     "displace the WCS of each visit by this much, as wrong guide-star positions do"),
    ("--seed", "seed", int, "N", "seed of every random choice"),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        scene = _scene(options)
    except ValueError as error:
        parser.error(str(error))
    result = simulate(options.folder, scene, progress=sys.stderr.isatty())
    print(f"association  {result.asn}")
    print(f"truth        {result.truth_file}")
    print(f"exposures    {len(result.science)} science, {len(result.psf)} reference")
    if result.background:
        print(f"backgrounds  {len(result.background)} + {len(result.psf_background)}")
    if result.unocculted:
        print(f"unocculted   {result.unocculted}")
    if options.crds is not None:
        # Only who asks for a cache needs what it is built with.
        from coronx.simulate.crds_cache import build_crds_cache

        print(f"CRDS_PATH    {build_crds_cache(options.crds)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m coronx.simulate",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to write")
    parser.add_argument(
        "--scene",
        choices=tuple(SCENES),
        default="nircam-round",
        help="ready scene to start from (default: %(default)s)",
    )
    for option, field, kind, metavar, text in _FIELDS:
        defaults = sorted({getattr(scene, field) for scene in SCENES.values()})
        default = f" (default: {defaults[0]})" if len(defaults) == 1 else " (default: the scene's)"
        parser.add_argument(option, dest=field, type=kind, metavar=metavar, help=text + default)
    parser.add_argument(
        "--rolls", type=_numbers, metavar="DEG,DEG,...", help="V3 roll angles of the science visits"
    )
    parser.add_argument(
        "--companion",
        type=_companion,
        action="append",
        metavar="SEP,PA,CONTRAST",
        help="arcsec, degrees east of north, flux over the star's; repeatable, "
        "takes the place of the scene's own",
    )
    parser.add_argument("--no-companions", action="store_true", help="leave out the scene's own")
    parser.add_argument(
        "--disk",
        type=_disk,
        metavar="PA,CONTRAST",
        help="an edge-on disk; 'none' leaves out the scene's own",
    )
    parser.add_argument(
        "--unocculted",
        type=float,
        nargs="?",
        const=5.0,
        metavar="ARCSEC",
        help="also an exposure of the science star this far beside the mask (5 if not said), "
        "for its PSF and its flux; it is not in the association",
    )
    parser.add_argument(
        "--crds", type=Path, metavar="DIR", help="also write an offline CRDS cache for these files"
    )
    return parser


def _scene(options: argparse.Namespace) -> Scene:
    changes = {
        field: getattr(options, field)
        for _, field, *_ in _FIELDS
        if getattr(options, field) is not None
    }
    if options.rolls is not None:
        changes["rolls_deg"] = options.rolls
    if options.unocculted is not None:
        changes["unocculted_arcsec"] = options.unocculted
    if options.no_companions:
        changes["companions"] = ()
    if options.companion:
        changes["companions"] = tuple(options.companion)
    if options.disk is not None:
        changes["disk"] = options.disk or None
    return replace(SCENES[options.scene], **changes)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"numbers with commas between, not {text!r}") from None


def _companion(text: str) -> Companion:
    numbers = _numbers(text)
    if len(numbers) != 3:
        raise argparse.ArgumentTypeError(f"three numbers SEP,PA,CONTRAST, not {text!r}")
    try:
        return Companion(*numbers)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _disk(text: str) -> Disk | bool:
    if text == "none":
        return False
    numbers = _numbers(text)
    if len(numbers) != 2:
        raise argparse.ArgumentTypeError(f"two numbers PA,CONTRAST, not {text!r}")
    try:
        return Disk(*numbers)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
