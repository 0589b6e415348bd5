"""What DQ flags say of a pixel that holds nothing, or that was filled."""

from stdatamodels.jwst.datamodels.dqflags import pixel

__all__ = ["MENDED", "OUTSIDE"]

OUTSIDE: int = pixel["DO_NOT_USE"] | pixel["NON_SCIENCE"]
"""Flags of a pixel that holds nothing: a margin, or what came from beyond the frame."""

MENDED: dict[str, int] = {
    "repaired": pixel["FLUX_ESTIMATED"],
    "unusable": pixel["DO_NOT_USE"],
    "blank": pixel["NON_SCIENCE"],
}
"""Flags by the names that the ops have for them: a filled pixel gains the first and loses the
second; one with the third sees no sky and is not filled."""
