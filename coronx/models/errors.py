"""The one error that bad input gets."""

from stpipe.exceptions import StpipeExitException

__all__ = ["InputError"]


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
