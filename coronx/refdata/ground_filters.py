"""Names that observers give to filters, and palettes made of them."""

import re

__all__ = ["PALETTES", "canonical_filter"]

PALETTES = {
    "rgb": ("red", "green|v|g", "blue"),
    "sho": ("sii", "ha", "oiii"),
    "hoo": ("ha", "oiii", "oiii"),
    "hgb": ("ha", "green|v|g", "blue"),
    "irg": ("i", "red", "g"),
    "vri": ("i", "red", "v"),
}
"""Filters for red, green and blue, alternatives with a bar; sho is the Hubble palette."""

_NAMES = {
    "red": ("r", "rc", "red", "rp", "sdssr", "johnsonr", "cousinsr", "bessellr"),
    "green": ("green", "grn"),
    "blue": ("b", "blue", "blu", "johnsonb", "bessellb"),
    "v": ("v", "johnsonv", "bessellv"),
    "g": ("g", "gp", "sdssg"),
    "i": ("i", "ic", "ip", "sdssi", "cousinsi", "besselli"),
    "luminance": ("l", "lum", "luminance", "clear", "c"),
    "ha": ("ha", "halpha", "hydrogenalpha", "h"),
    "hb": ("hb", "hbeta"),
    "sii": ("sii", "s2", "siia", "s"),
    "oiii": ("oiii", "o3", "o"),
    "nii": ("nii", "n2"),
}
_KNOWN = {name: filter_ for filter_, names in _NAMES.items() for name in names}


def canonical_filter(name: str | None) -> str:
    """Return one name for all names of a filter: ``H-alpha 7nm`` is ha, ``Red`` is red.

    A filter that is not known keeps its name, in small letters, without spaces and signs.
    """
    text = (name or "").strip().lower().replace("\u03b1", "alpha").replace("\u03b2", "beta")
    text = re.sub(r"\d+(\.\d+)?\s*nm", "", text)
    text = re.sub(r"[^a-z0-9]", "", text)
    return _KNOWN.get(text, text)
