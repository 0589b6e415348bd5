"""One name for all names of a filter."""

import pytest

from coronx.refdata.ground_filters import PALETTES, canonical_filter


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Ha", "ha"), ("H-alpha", "ha"), ("H\u03b1", "ha"), ("Ha 7nm", "ha"), ("H_Alpha 3.5 nm", "ha"),
     ("OIII", "oiii"), ("[O III]", "oiii"), ("S2", "sii"), ("Red", "red"), ("r'", "red"),
     ("Blue", "blue"), ("B", "blue"), ("sdss_i", "i"), ("g", "g"), ("V", "v"), ("L", "luminance"),
     ("VR", "vr"), ("Methane 889", "methane889"), ("", ""), (None, "")],
)  # fmt: skip
def test_names(name, expected):
    assert canonical_filter(name) == expected


def test_palettes_name_filters_that_are_known():
    for filters in PALETTES.values():
        for name in filters:
            for one in name.split("|"):
                assert canonical_filter(one) == one
