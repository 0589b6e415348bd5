import pytest

from coronx.ops.fits_section import section_slices


def test_columns_come_first_and_both_ends_are_within():
    assert section_slices("[18:1382,1:1370]", (1370, 1432)) == (slice(0, 1370), slice(17, 1382))
    assert section_slices(" [1:3, 2:2] ", (4, 5)) == (slice(1, 2), slice(0, 3))


def test_a_star_is_all():
    assert section_slices("[*,2:3]", (4, 5)) == (slice(1, 3), slice(0, 5))
    assert section_slices("[*,*]", (4, 5)) == (slice(0, 4), slice(0, 5))


@pytest.mark.parametrize(
    "text",
    ["[1:6,1:4]", "[1:5,1:5]", "[0:5,1:4]", "[5:1,1:4]", "[1:5:2,1:4]", "[1:5]", "1:5,1:4", "[a,b]",
     "", "[-*,*]"],
)  # fmt: skip
def test_what_is_not_within_the_image_is_refused(text):
    with pytest.raises(ValueError, match="section"):
        section_slices(text, (4, 5))
