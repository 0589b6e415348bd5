"""Time of calibrated contrast: ``python -m tests.benchmarks.contrast_speed --data FOLDER``."""

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits

from coronx.ops.contrast import contrast_map, curve_of
from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import flux_map
from coronx.ops.images import Images
from coronx.ops.psf_subtraction import subtract_psf
from coronx.ops.stamp import PsfImage
from coronx.ops.subtracted import Subtracted
from tests.benchmarks.frames import Frames, make_frames
from tests.benchmarks.timing import interleaved, markdown, ratio
from tests.point_sources import airy

__all__ = ["main"]

_MODES = 50
_FWHM = 2.3  # pixels, of the simulated frames
_CORE = 1.5  # window of the matched filter in FWHM, as `coronx_contrast` has it
_LIST = tuple(range(5, 51, 5))
_REST = 3.0  # seconds; free memory goes back to a virtual machine's host after two
_NACO_SCALE = 0.02719  # arcsec a pixel
_NACO_FWHM = 4.8  # pixels
_NACO_MODES = 20
_NACO_NORTH = 104.84  # true north is this much less than the recorded angle, degrees
_NOTE = (
    "CPU seconds on one core, medians of {repeats} interleaved runs. {nsci} frames of {size} x "
    "{size} and {nref} references, {modes} modes over the whole frame. Curve and maps: flux, "
    "throughput and contrast at {places} places, from a subtraction at hand or with it, the "
    "residuals' errors known as a product has them. The loop of re-reductions subtracts all frames "
    "anew for each of these places, with a companion there and without errors; it is timed at one "
    "place and multiplied by their number. Goals: 2 s, and 500x."
)
_LIST_NOTE = (
    "Medians of {repeats} runs, frames as above: {nsci} with {nref} references, {modes} modes or "
    "{list} of them. Goal: ten at most 1.5 times one. Ten have {more:.0f} MB more of residuals and "
    "errors; zeros written to as much memory show what that alone costs. At hand: each run "
    "comes at once after another of the same, whose memory it finds. After a rest of {rest:.0f} s: "
    "a virtual machine's host takes free memory back after two, and whoever writes to it next "
    "waits, by the clock of the CPU, for the host to find some."
)
_VIP_NOTE = (
    "The cube of beta Pic without its planet: even frames are targets, odd ones references, "
    f"{_NACO_MODES} components over the whole frame. VIP's `contrast_curve` with its defaults (one "
    "branch, several companions at once) derotates by its own method; coronx's makes the maps, too."
)


def main() -> None:
    """Print the tables, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of real frames")
    parser.add_argument("--out", type=Path, help="page to write")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    parts = [
        "# Time of contrast\n",
        simulated(options.repeats),
        truncations(options.repeats),
        naco(options.data, options.repeats),
    ]
    page = "\n".join(parts)
    print(page)
    if options.out:
        options.out.write_text(page)


def simulated(repeats: int, nsci: int = 20, nref: int = 200, size: int = 320) -> str:
    """Time contrast for references of other stars."""
    targets, references = _images(make_frames(nsci, nref, size=size))
    middle = (size - 1) / 2
    matrices = np.tile(np.diag([-1.0, 1.0]) / 0.063, (nsci, 1, 1))
    setting = {"star": (middle, middle), "matrices": matrices, "truncate": _MODES}
    light = airy((21, 21), 10, 10, _FWHM / 1.029)
    psf = PsfImage(light / light.sum())
    grid = FluxGrid(size // 2, 0.063)
    with_errors = {"truncate": (_MODES,)}
    fast = partial(_contrast, psf=psf, grid=grid, fwhm=0.063 * _FWHM, star_flux=1e7)
    errors = subtract_psf(targets, references, **with_errors).err[0]
    made = Subtracted(targets, references, err=errors, **setting)

    def again() -> None:
        data = targets.data.copy()
        for plane in data:
            psf(middle + 30.0, middle).add_to(plane, 100.0)
        subtract_psf(
            Images(data, targets.err, targets.bad), references, truncate=(_MODES,), propagate=False
        )

    cases: dict[str, Callable[[], object]] = {
        "curve and maps, from a subtraction": lambda: fast(made),
        "curve and maps, from frames": lambda: fast(
            Subtracted(targets, references, err=errors, **setting)
        ),
        "one re-reduction": again,
    }
    fast(made)
    spent = interleaved(cases, repeats)
    places = int(np.isfinite(fast(made)[0].calibrated).sum())
    whole = spent["curve and maps, from frames"]
    loop = spent["one re-reduction"] * places
    rows = [[name, f"{seconds:.3g}", ""] for name, seconds in spent.items()]
    times = f"{ratio(loop, whole)} of the second row"
    rows.append([f"loop of {places} re-reductions", f"{loop:.3g}", times])
    note = _NOTE.format(
        repeats=repeats, nsci=nsci, nref=nref, size=size, modes=_MODES, places=places
    )
    return markdown("Contrast with reference stars", note, ("what", "CPU s", "ratio"), rows)


def truncations(repeats: int, nsci: int = 20, nref: int = 200, size: int = 320) -> str:
    """Time a subtraction with a list of numbers of modes beside that with one."""
    targets, references = _images(make_frames(nsci, nref, size=size))
    more = 2 * (len(_LIST) - 1) * targets.data.size  # values of residual and err
    one = partial(subtract_psf, targets, references, truncate=(_MODES,))

    def beside() -> None:
        zeros = np.empty(more, np.float32)
        zeros[:] = 0.0
        one()

    least = f"one truncation, zeros in {4e-6 * more:.0f} MB beside it"
    # What takes much memory comes after what takes little, each time.
    cases = {
        "one truncation": one,
        "ten truncations": partial(subtract_psf, targets, references, truncate=_LIST),
        "one again": one,
        least: beside,
    }
    ways = {"memory at hand": {"twice": True}, "after a rest": {"rest": _REST}}
    found = [interleaved(cases, repeats, **how) for how in ways.values()]
    names = ("one truncation", least, "ten truncations")
    rows = [[name, *(f"{spent[name]:.3g}" for spent in found)] for name in names]
    rows += [
        [f"{upper} / {lower}", *(ratio(spent[upper], spent[lower]) for spent in found)]
        for upper, lower in (("ten truncations", "one truncation"), (least, "one truncation"))
    ]
    note = _LIST_NOTE.format(
        repeats=repeats, nsci=nsci, nref=nref, modes=_MODES, list=", ".join(map(str, _LIST)),
        more=4e-6 * more, rest=_REST,
    )  # fmt: skip
    head = ("what", *(f"CPU s, {way}" for way in ways))
    return markdown("A list of truncations", note, head, rows)


def naco(data: Path, repeats: int) -> str:
    """Time contrast beside VIP's on the same cube."""
    folder = data / "naco_empty"
    cube = np.asarray(fits.getdata(folder / "naco_betapic_cube_empty.fits"), float)
    angles = np.asarray(fits.getdata(folder / "naco_betapic_pa.fits"), float).ravel() - _NACO_NORTH
    image = np.asarray(fits.getdata(folder / "naco_betapic_psf.fits"), float)
    image /= image.sum()
    # Odd in size already, with the star on the middle pixel but for a tenth.
    targets, references = cube[::2].copy(), cube[1::2].copy()
    turn = np.radians(angles[::2])
    matrices = np.array([
        [[-np.cos(a), np.sin(a)], [np.sin(a), np.cos(a)]] for a in turn
    ]) / _NACO_SCALE  # fmt: skip
    sigma = float(np.std(targets[:, :20, :20]))
    psf = PsfImage(image)
    grid = FluxGrid(50, _NACO_SCALE)

    def images(stack: np.ndarray) -> Images:
        return Images(stack, np.full_like(stack, sigma), np.zeros(stack.shape, bool))

    def ours() -> object:
        made = Subtracted(
            images(targets), images(references), star=(50.0, 50.0), matrices=matrices,
            truncate=_NACO_MODES,
        )  # fmt: skip
        return _contrast(made, psf, grid, _NACO_FWHM * _NACO_SCALE, 1e6)

    def theirs() -> object:
        from vip_hci.metrics import contrast_curve
        from vip_hci.psfsub import pca

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return contrast_curve(
                targets, angles[::2], image, _NACO_FWHM, _NACO_SCALE, 1e6, pca, cube_ref=references,
                ncomp=_NACO_MODES, plot=False, verbose=False,
            )  # fmt: skip

    ours(), theirs()
    spent = interleaved({"coronx": ours, "VIP": theirs}, repeats)
    rows = [
        [name, f"{seconds:.3g}", ratio(seconds, spent["coronx"])] for name, seconds in spent.items()
    ]
    size = f"{len(targets)} targets and {len(references)} references of 101 x 101"
    return markdown(
        "Contrast beside VIP", f"{size}. {_VIP_NOTE}", ("code", "CPU s", "time / coronx's"), rows
    )


def _images(frames: Frames) -> tuple[Images, Images]:
    return (
        Images(frames.science, frames.science_err, frames.science_dq != 0),
        Images(frames.references, frames.reference_err, frames.reference_dq != 0),
    )


def _contrast(part: Subtracted, psf: PsfImage, grid: FluxGrid, fwhm: float, star_flux: float):
    found = flux_map([part], lambda _: psf, grid=grid, core=_CORE * fwhm / grid.scale)
    limits = contrast_map(found, fwhm=fwhm, star_flux=star_flux)
    separations = np.arange(fwhm, grid.half * grid.scale, fwhm)
    return limits, curve_of(limits, found, separations, fwhm=fwhm, star_flux=star_flux)


if __name__ == "__main__":
    main()
