"""``python -m coronx.report``: draw the overview picture of a reduction."""

import argparse
from pathlib import Path

from coronx.report.companions import recover
from coronx.report.overview import draw_overview
from coronx.report.results import draw_results, tell_candidates


def main(arguments: list[str] | None = None) -> None:
    """Draw the picture that the command line asks for, and print where it is."""
    parser = argparse.ArgumentParser(prog="python -m coronx.report", description=__doc__)
    parser.add_argument("science", type=Path, help="a science exposure, _calints")
    parser.add_argument("products", type=Path, help="folder of the products made from it")
    parser.add_argument("picture", type=Path, help="picture to write (.png, .pdf, .svg)")
    parser.add_argument("--truth", type=Path, help="a simulator's truth.json: mark its companions")
    parser.add_argument("--reach", type=float, default=3.0, help="half width in arcsec [3]")
    options = parser.parse_args(arguments)
    made = draw_overview(
        options.science, options.products, options.picture, truth=options.truth, reach=options.reach
    )
    print(f"picture      {made}")
    beside = options.picture.with_stem(f"{options.picture.stem}_results")
    if draw_results(options.products, beside, truth=options.truth):
        print(f"results      {beside}")
    if options.truth:
        for found in recover(next(options.products.glob("*_snr.fits")), options.truth):
            print(
                f'companion    true place {found.separation_arcsec:.2f}" at PA '
                f"{found.pa_deg:.1f} deg: S/N {found.signal_to_noise:.1f}, peak "
                f"{found.offset_pixels:.2f} pixels from it"
            )
    for line in tell_candidates(options.products, truth=options.truth):
        print(line)


if __name__ == "__main__":
    main()
