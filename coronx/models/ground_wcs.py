"""The WCS of a CCD image: cards of its SCI extension."""

import warnings

from astropy.io.fits import Header
from astropy.wcs import WCS, FITSFixedWarning, WcsError
from stdatamodels import DataModel

__all__ = ["set_wcs", "split_wcs", "wcs_of"]

_STEMS = (
    "WCSAXES", "WCSNAME", "CTYPE", "CRVAL", "CRPIX", "CDELT", "CUNIT", "CROTA", "CD", "PC", "PV",
    "PS", "LONPOLE", "LATPOLE", "RADESYS", "EQUINOX", "A_", "B_", "AP_", "BP_", "A_ORDER", "MJDREF",
)  # fmt: skip


def split_wcs(header: Header) -> tuple[Header, Header]:
    """Return the cards of a header's celestial WCS, none if it has none, and all others."""
    wcs = _celestial(header)
    if wcs is None:
        return Header(), header.copy()
    cards, rest = Header(), header.copy()
    for key in list(header):
        if _belongs(key):
            del rest[key]
    cards.update(wcs.to_header(relax=True))
    # wcslib writes the CD matrix as PC and CDELT, and no distortion that it does not know itself.
    if wcs.sip is not None:
        for key in header:
            if key.startswith(("A_", "B_", "AP_", "BP_")):
                cards[key] = header[key]
        cards["CTYPE1"], cards["CTYPE2"] = header["CTYPE1"], header["CTYPE2"]
    return cards, rest


def wcs_of(model: DataModel) -> WCS | None:
    """Return the celestial WCS of an image, or None."""
    cards = (model.instance.get("extra_fits") or {}).get("SCI", {}).get("header", [])
    header = Header([tuple(card) for card in cards])
    return _celestial(header, tuple(model.shape)[-2:])


def set_wcs(model: DataModel, wcs: WCS | None) -> None:
    """Give an image another WCS in place of what it has, or none."""
    extra = model.instance.setdefault("extra_fits", {})
    kept = [card for card in extra.get("SCI", {}).get("header", []) if not _belongs(card[0])]
    if wcs is not None:
        header = wcs.to_header(relax=True)
        kept += [[card.keyword, card.value, card.comment] for card in header.cards
                 if card.keyword not in ("DATE-OBS", "MJD-OBS", "COMMENT")]  # fmt: skip
    extra["SCI"] = {"header": kept}


def _belongs(key: str) -> bool:
    return any(
        key == stem or (key.startswith(stem) and key[len(stem) :].replace("_", "").isdigit())
        for stem in _STEMS
    ) or key in ("A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER", "A_DMAX", "B_DMAX")


def _celestial(header: Header, shape: tuple[int, ...] | None = None) -> WCS | None:
    if any(key not in header for key in ("CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1")):
        return None
    if not any(key in header for key in ("CD1_1", "CD1_2", "CDELT1", "PC1_1", "PC1_2")):
        return None  # a pointing, not a solution
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            wcs = WCS(header, naxis=2)
    except (WcsError, ValueError, KeyError):
        return None
    if not wcs.has_celestial:
        return None
    if shape is not None:
        wcs.array_shape = shape
    return wcs
