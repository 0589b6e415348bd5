"""Take frames through a row of steps, one by one or several at once, and only where needed."""

import gc
import hashlib
import json
import logging
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from astropy.io import fits
from stpipe import Step
from tqdm import tqdm

from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_reading import open_frame
from coronx.models.writing import write_whole
from coronx.steps.ground._base import GroundGuest

__all__ = ["PREPARED", "Row", "digest_of", "is_made", "process_frames", "row_of"]

log = logging.getLogger(__name__)

PREPARED = "coronx.pipelines._prepared"


@dataclass(frozen=True)
class Row:
    """Steps to be done one after the other; it can be sent to another process.

    Attributes
    ----------
    steps : tuple of (type, dict)
        Classes of the steps and their parameters.
    folder : str
        Where steps write what they write beside their products.
    """

    steps: tuple[tuple[type[Step], dict[str, Any]], ...]
    folder: str

    def __call__(self, model: GroundImageModel) -> GroundImageModel:
        """Take an image through the steps."""
        # Steps of a pipeline do not log all their parameters anew for each frame.
        parent = GroundGuest(output_dir=self.folder)
        for kind, parameters in self.steps:
            model = kind(parent=parent, **parameters).run(model)
        return model


def row_of(pipeline: Any, names: Iterable[str]) -> Row:
    """Return the steps of a pipeline that are not skipped, as they are set."""
    chosen = [getattr(pipeline, name) for name in names]
    steps = [(type(step), _parameters(step)) for step in chosen if not step.skip]
    return Row(tuple(steps), str(pipeline.own_folder()))


def _parameters(step: Step) -> dict[str, Any]:
    # The product is written once, after the last step.
    return step.get_pars() | {"output_dir": None, "output_file": None, "save_results": False}


def digest_of(inputs: Sequence[str | Path], *recipe: Any) -> str:
    """Return a word that differs where the inputs, or what is done to them, do.

    Parameters
    ----------
    inputs : sequence of str or Path
        Files; a file that was written again is another one.
    *recipe
        Whatever else decides what comes of them.
    """
    files = [
        (str(path), Path(path).stat().st_size, Path(path).stat().st_mtime_ns) for path in inputs
    ]
    text = json.dumps([files, recipe], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_made(path: Path, digest: str) -> bool:
    """Return whether a file is there that was made of the same inputs in the same way."""
    if not path.is_file():
        return False
    try:
        return fits.getheader(path).get("CRXDIGST") == digest
    except (OSError, ValueError):
        return False


def process_frames(
    inputs: Sequence[Path],
    outputs: Sequence[Path],
    row: Row,
    *,
    used: Sequence[str | Path] = (),
    workers: int = 1,
    resume: bool = True,
    label: str = "",
) -> None:
    """Take frames through a row of steps and write what comes of them.

    Parameters
    ----------
    inputs, outputs : sequence of Path
        Frames, and where their products go.
    row : Row
        The steps.
    used : sequence of str or Path
        Further files that the products depend on.
    workers : int
        How many frames are processed at the same time, each in a process of its own.
    resume : bool
        Whether products that were made of the same inputs in the same way are left as they are.
    label : str
        What the progress bar says.

    Raises
    ------
    InputError
        If a frame cannot be processed; those done before it are kept.
    """
    jobs = []
    for source, product in zip(inputs, outputs, strict=True):
        digest = digest_of([source, *used], row.steps)
        if resume and is_made(product, digest):
            log.info("%s: made before of the same input in the same way; left as it is", product)
        else:
            jobs.append((source, product, digest))
    bar = partial(tqdm, total=len(jobs), desc=label, unit="frame", disable=not jobs)
    work = partial(_one, row)
    if workers == 1 or len(jobs) < 2:
        for _ in bar(map(work, jobs)):
            pass
        return
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=_context()) as pool:
        for messages in bar(pool.map(_told(work), jobs)):
            for name, level, text in messages:
                logging.getLogger(name).log(level, text)


def _context() -> multiprocessing.context.BaseContext:
    """Return how processes are started: as copies of one that has imported the steps.

    A copy of this process would inherit the locks of its threads.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")  # each imports the steps itself
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PREPARED])
    return context


def _one(row: Row, job: tuple[Path, Path, str]) -> None:
    source, product, digest = job
    # stpipe collects garbage after each step: what was there before the frame is not looked at.
    gc.collect()
    gc.freeze()
    try:
        model = row(open_frame(source))
        model.meta.digest = digest
        write_whole(model, product)
    finally:
        gc.unfreeze()
    log.info("Saved model in %s", product)


class _told:  # noqa: N801 (a function that can be sent to another process)
    """Do a job in a process without log, and return its messages."""

    def __init__(self, work: Callable[[Any], None]) -> None:
        self.work = work

    def __call__(self, job: Any) -> list[tuple[str, int, str]]:
        kept = _Kept()
        root = logging.getLogger("coronx")
        root.addHandler(kept)
        root.setLevel(logging.INFO)
        try:
            self.work(job)
        finally:
            root.removeHandler(kept)
        return kept.messages


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append((record.name, record.levelno, record.getMessage()))
