"""Write a product whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stdatamodels.jwst.datamodels import JwstDataModel

from coronx.errors import InputError

__all__ = ["check_folder", "whole_file", "write_whole"]


def write_whole(model: JwstDataModel, path: str | Path) -> Path:
    """Save a model under a temporary folder beside its place, then move it there.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    path = Path(path)
    with whole_file(path) as made:
        model.save(str(made))
    return path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary place to write a file to; once it is written it is moved to its path.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".coronx-", dir=path.parent) as folder:
            made = Path(folder) / path.name
            yield made
            made.replace(path)
    except OSError as err:
        raise _unwritable(path.parent, err) from err


def check_folder(folder: str | Path) -> None:
    """Make an output folder if it is not there, and raise unless it can be written to.

    As in the host's steps, ``~`` and environment variables are expanded.

    Raises
    ------
    InputError
    """
    folder = Path(os.path.expandvars(folder)).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".coronx-", dir=folder):
            pass
    except OSError as err:
        raise _unwritable(folder, err) from err


def _unwritable(folder: Path, err: OSError) -> InputError:
    reason = err.strerror or str(err)
    return InputError(
        f"{folder.absolute()}: cannot write there ({reason}); give another --output_dir"
    )
