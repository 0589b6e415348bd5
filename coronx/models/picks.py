"""Integrations named by an option: numbers, of all exposures or of some."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from coronx.errors import InputError

__all__ = ["Pick", "read_picks"]


@dataclass(frozen=True)
class Pick:
    """Integrations of the exposures of a name.

    Attributes
    ----------
    name : str
        File name, with the wildcards ``*`` and ``?``.
    numbers : tuple of int or None
        From 1; None for all.
    """

    name: str
    numbers: tuple[int, ...] | None

    def names(self, filename: str) -> bool:
        """Whether a file is meant."""
        return fnmatchcase(filename, self.name)

    def among(self, count: int) -> np.ndarray:
        """Return which of an exposure's integrations are meant, (count,) of bool."""
        numbers = np.arange(1, count + 1)
        return np.ones(count, bool) if self.numbers is None else np.isin(numbers, self.numbers)


def read_picks(option: str, words: Sequence[Any]) -> list[Pick]:
    """Read numbers and ranges, ``1,4-6``, and those of named exposures, ``name:1,3``.

    Numbers that follow a name belong to it, up to the next name; those before the first name
    belong to every exposure.

    Parameters
    ----------
    option : str
        Name of the option, for messages.
    words : sequence
        Its items.

    Raises
    ------
    InputError
        If an item is neither.
    """
    found: dict[str, list[int]] = {}
    name = "*"
    for word in map(str, words):
        before, colon, after = word.rpartition(":")
        name = before.strip() if colon else name
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", after.strip())
        if not match or not name:
            raise InputError(
                f"{option} = {word}: not a number, a range (4-6), or a file's name with either "
                "(jw*_calints.fits:1,3)"
            )
        low, high = int(match[1]), int(match[2] or match[1])
        if high < low:
            raise InputError(f"{option} = {word}: an empty range; give the lower number first")
        found.setdefault(name, []).extend(range(low, high + 1))
    return [Pick(name, tuple(numbers)) for name, numbers in found.items()]
