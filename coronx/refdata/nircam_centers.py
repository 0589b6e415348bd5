"""Where NIRCam's coronagraph masks are on the detectors: as measured in flight, and by SIAF.

The figures are those of ``nircam_centers.asdf`` beside this file, which says where each is
from; ``docs/nircam_centers.md`` shows them. Pixels are 1-indexed, of the science frame, as in
FITS headers and in SIAF.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files

import asdf

__all__ = ["Center", "CenterTable", "Correction", "FilterShift", "nircam_centers"]

# Places no further apart, in pixels, are the same: figures have up to three decimals.
_SAME = 0.005


@dataclass(frozen=True)
class Center:
    """Where a mask is in an aperture.

    Attributes
    ----------
    x, y : float
        1-indexed pixels, at the channel's filter of target acquisition.
    kind : str
        ``measured``; ``carried`` over from another aperture or ``copied`` from another mask, by
        the published table; or ``siaf``.
    source : str
        Key of the table's ``sources``.
    """

    x: float
    y: float
    kind: str
    source: str


@dataclass(frozen=True)
class FilterShift:
    """How far a filter displaces the image.

    Attributes
    ----------
    dx, dy : float
        Pixels of the channel, from the filter of target acquisition.
    source : str
        Key of the table's ``sources``.
    """

    dx: float
    dy: float
    source: str


@dataclass(frozen=True)
class Correction:
    """What is to be added to a reference pixel.

    Attributes
    ----------
    dx, dy : float
        Pixels to add to CRPIX; zero if it is the corrected one.
    known : bool
        Whether CRPIX was recognised: SIAF's value, or the corrected one. If not, `dx` and `dy`
        are those from SIAF's value.
    reference, goal : tuple of float
        (x, y) of SIAF's value for the header's release, and of the corrected one, in the
        uncut aperture.
    kind : str
        Kind of the centre used, as in `Center`.
    """

    dx: float
    dy: float
    known: bool
    reference: tuple[float, float]
    goal: tuple[float, float]
    kind: str


@dataclass(frozen=True)
class CenterTable:
    """The reference table.

    Attributes
    ----------
    version : str
        Of the table.
    sources : mapping of str to str
        Provenance in words.
    centers : mapping of str to Center
        The published centres by aperture.
    filter_shifts : mapping of str to FilterShift
        By filter.
    siaf : mapping of str to tuple
        By aperture, (release, x, y) in ascending order of the release from which on it holds.
    newest : int
        The newest release of the table.
    """

    version: str
    sources: Mapping[str, str]
    centers: Mapping[str, Center]
    filter_shifts: Mapping[str, FilterShift]
    siaf: Mapping[str, tuple[tuple[int, float, float], ...]]
    newest: int

    def siaf_reference(self, aperture: str, release: int | None = None) -> tuple[float, float]:
        """Return SIAF's reference position (x, y) in a release, by default the newest.

        A release older than the first that the table has gets the first.
        """
        rows = self.siaf[aperture]
        held = [row for row in rows if release is None or row[0] <= release]
        _, x, y = held[-1] if held else rows[0]
        return x, y

    def center(self, aperture: str, source: str = "measured") -> Center:
        """Return where the mask is in an aperture.

        Parameters
        ----------
        aperture : str
            SIAF name.
        source : str
            ``measured``: the measured centre where the mask was measured in this aperture,
            else SIAF's newest; ``table``: the published table's, whatever its kind, else SIAF's
            newest; ``siaf``: SIAF's newest.
        """
        found = self.centers.get(aperture)
        wanted = {"measured": ("measured",), "table": ("measured", "carried", "copied")}
        if found is not None and found.kind in wanted.get(source, ()):
            return found
        return Center(*self.siaf_reference(aperture), "siaf", "siaf")

    def mask_offset(self, aperture: str, source: str = "measured") -> tuple[float, float]:
        """Return how far the mask's centre is from where the aperture puts the star.

        Not zero in apertures that put the star elsewhere along a bar (``…_F444W``, ``…_NARROW``).
        """
        whole = re.sub(r"_(F\d+\w+|NARROW)$", "", aperture)
        here, there = self.center(aperture, source), self.center(whole, source)
        return there.x - here.x, there.y - here.y

    def correction(
        self,
        aperture: str,
        filter_name: str,
        crpix: tuple[float, float],
        release: int | None = None,
        *,
        source: str = "measured",
    ) -> Correction:
        """Return what moves a reference pixel from SIAF's mask onto the mask.

        Parameters
        ----------
        aperture, filter_name : str
            ``APERNAME`` and ``FILTER``, both of the table.
        crpix : tuple of float
            (CRPIX1, CRPIX2) in the uncut aperture.
        release : int, optional
            Release of the Project Reference Database in the header; the newest by default.
        source : str
            As in `center`.
        """
        center, shift = self.center(aperture, source), self.filter_shifts[filter_name]
        goal = (center.x + shift.dx, center.y + shift.dy)
        reference = self.siaf_reference(aperture, release)
        dx, dy = goal[0] - reference[0], goal[1] - reference[1]
        corrected = _distance(crpix, goal) <= _SAME
        by_siaf = _distance(crpix, reference) <= _SAME
        if corrected:
            dx = dy = 0.0
        return Correction(dx, dy, by_siaf or corrected, reference, goal, center.kind)


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


@cache
def nircam_centers() -> CenterTable:
    """Return the table of the package, read once."""
    with as_file(files(__package__) / "nircam_centers.asdf") as path, asdf.open(path) as file:
        tree = file.tree
        return CenterTable(
            version=str(tree["version"]),
            sources={str(key): str(text) for key, text in tree["sources"].items()},
            centers={str(name): Center(**row) for name, row in tree["centers"].items()},
            filter_shifts={
                str(name): FilterShift(**row) for name, row in tree["filter_shifts"].items()
            },
            siaf={
                str(name): tuple((int(r), float(x), float(y)) for r, x, y in rows)
                for name, rows in tree["siaf"].items()
            },
            newest=int(tree["siaf_newest"]),
        )
