"""The one error that bad input gets, and how it calls a model."""

from typing import Any

from stpipe.exceptions import StpipeExitException

__all__ = ["InputError", "name_of"]


class InputError(StpipeExitException):
    """Input that cannot be used: the message names the file, the value and the remedy.

    ``strun`` prints the message without a traceback and exits with status 1.

    Parameters
    ----------
    message : str
        What is wrong, where, and what to do.
    """

    def __init__(self, message: str) -> None:
        super().__init__(1, message)
        self.message = message

    def __str__(self) -> str:
        """Return the message alone, without the exit status."""
        return self.message


def name_of(model: Any) -> str:
    """Return the file name of a data model, for messages."""
    return str(model.meta.filename or "a model in memory")
