"""Options given as text, and written into products as text."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from coronx.errors import InputError

__all__ = ["parse_companions", "parts_of", "written"]


def parts_of(given: Sequence[Any]) -> list[str]:
    """Return the texts of a list; one may hold several, separated by commas."""
    return [part.strip() for item in given for part in str(item).split(",") if part.strip()]


def parse_companions(given: Sequence[Any]) -> tuple[tuple[float, float], ...]:
    """Return separations in arcsec and position angles in degrees of texts such as 1.2:40.

    Raises
    ------
    InputError
        If one cannot be read.
    """
    found = []
    for text in parts_of(given):
        try:
            separation, angle = (float(part) for part in text.split(":"))
            if not (0.0 <= separation < np.inf and np.isfinite(angle)):
                raise ValueError("no place")
        except ValueError as err:
            raise InputError(
                f"companions {text!r}: give separation in arcsec and position angle in degrees as "
                "1.2:40"
            ) from err
        found.append((separation, angle))
    return tuple(found)


def written(value: float) -> str:
    """Return a number with all digits that it has: read again it is the same."""
    return repr(float(value)).removesuffix(".0")
