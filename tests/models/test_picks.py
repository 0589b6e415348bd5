import pytest

from coronx.errors import InputError
from coronx.models.picks import Pick, read_picks


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["2"], [Pick("*", (2,))]),
        ([1, "4-6"], [Pick("*", (1, 4, 5, 6))]),
        (["a_calints.fits:1", "3"], [Pick("a_calints.fits", (1, 3))]),
        (
            ["7", "a*.fits:1", "3-4", "b?.fits:2", "a*.fits:9"],
            [Pick("*", (7,)), Pick("a*.fits", (1, 3, 4, 9)), Pick("b?.fits", (2,))],
        ),
    ],
)
def test_numbers_belong_to_the_name_before_them(words, expected):
    assert read_picks("integrations", words) == expected


@pytest.mark.parametrize("word", ["one", "1.5", "-2", "a.fits", "a.fits:", ":3", "2-", ""])
def test_what_is_neither_is_refused(word):
    with pytest.raises(InputError, match=r"integrations = .*: not a number, a range \(4-6\), or"):
        read_picks("integrations", [word])


def test_a_range_that_is_empty_is_refused():
    with pytest.raises(InputError, match="integrations = 3-1: an empty range"):
        read_picks("integrations", ["3-1"])


def test_names_and_numbers_meant():
    pick = Pick("jw*_00002_*", (1, 3))
    assert pick.names("jw01_00002_calints.fits")
    assert not pick.names("jw01_00001_calints.fits")
    assert pick.among(4).tolist() == [True, False, True, False]
    assert Pick("*", None).among(2).tolist() == [True, True]
