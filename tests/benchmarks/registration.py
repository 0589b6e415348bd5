"""Registration and shift of one reference: coronx beside the host's `align_array`."""

from pathlib import Path

import numpy as np

from coronx.ops.alignment import Exposure, align_stack, clean_exposure, registration_noise
from coronx.ops.fourier import apply_ramp, forward
from coronx.ops.registration import Template
from tests.benchmarks.frames import make_frames
from tests.benchmarks.timing import interleaved, markdown, ratio

__all__ = ["table"]

_HEAD = ("bad pixels", "code", "ms a reference", "host / this", "rms error (px)", "max diff (px)")
_NOTE = (
    "{count} references of {size}x{size}, one thread; the template's own cost is in. The host's "
    "`align_array` is fed float64 (in float32 it aligns nothing under NumPy 2) and frames whose "
    "bad pixels are filled by local medians, as its step does. 'register + shift' does what "
    "the host does; 'align_stack' moves variance and flags as well, and weights by inverse "
    "variance. rms error: against the shifts that the frames were made with, so that wavefront "
    "drift is in it. Largest difference: from the host's shifts. Goal: 90x."
)


def table(quick: bool, folder: Path) -> str:
    del folder
    size, count, repeats = (128, 20, 1) if quick else (320, 100, 5)
    frames = make_frames(1, count, size=size)
    weight = frames.mask**2
    truth = frames.science_shift[0] - frames.reference_shift
    rng = np.random.default_rng(1)
    rows = []
    for share in (0.0, 0.01):
        target, stack = (
            _clean(data, err, share, rng)
            for data, err in (
                (frames.science, frames.science_err),
                (frames.references, frames.reference_err),
            )
        )
        host = _Host(target.data[0], stack.data[:3], frames.mask)
        found = {}

        def register(target=target, stack=stack, found=found) -> None:
            template = Template(target.data[0], weight, bad=target.bad[0])
            found["register"] = template.register(stack.data, stack.bad).shift

        def move(register=register, stack=stack, found=found) -> list[np.ndarray]:
            register()
            found["move"] = found["register"]
            pairs = zip(stack.data, found["move"], strict=True)
            return [apply_ramp(forward(image), shift, image.shape) for image, shift in pairs]

        def align(target=target, stack=stack, found=found) -> object:
            noise, variance = registration_noise(frames.mask, target, stack)
            template = Template(target.data[0], noise, variance=variance, bad=target.bad[0])
            aligned = align_stack(stack, template, outside=513)
            found["align"] = aligned.registration.shift
            return aligned

        spent = interleaved(
            {"host": host, "register": register, "move": move, "align": align}, repeats
        )
        each = {key: value / count for key, value in spent.items()} | {"host": spent["host"] / 3}
        found["host"] = -host.shifts[:, :2]
        names = {
            "host": "host",
            "register": "register",
            "move": "register + shift",
            "align": "align_stack",
        }
        for key, name in names.items():
            shift = found[key]
            error = np.sqrt(np.mean((shift - truth[: len(shift)]) ** 2))
            differs = np.abs(shift[:3] - found["host"]).max()
            rows.append((
                f"{share:.0%}", name, f"{1e3 * each[key]:.2f}",
                ratio(each["host"], each[key]), f"{error:.4f}", f"{differs:.1e}",
            ))  # fmt: skip
    note = _NOTE.format(count=count, size=size)
    return markdown("Registration", note, _HEAD, rows)


class _Host:
    """The host's registration and shift of a few references."""

    def __init__(self, target: np.ndarray, images: np.ndarray, mask: np.ndarray) -> None:
        self._input = target.astype(np.float64), images.astype(np.float64), mask
        self.shifts = np.empty(0)

    def __call__(self) -> None:
        from jwst.coron.imageregistration import align_array

        _, self.shifts = align_array(*self._input)


def _clean(data: np.ndarray, err: np.ndarray, share: float, rng: np.random.Generator) -> Exposure:
    flags = (rng.random(data.shape) < share).astype(np.uint32)
    return clean_exposure(
        np.where(flags, np.float32(1e5), data), err, flags,
        bad_bits=1, box=3, blank=0, repaired=4, unusable=1,
    )  # fmt: skip
