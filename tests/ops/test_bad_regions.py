import numpy as np
import pytest

from coronx.ops.bad_regions import BadRegions, region_mask


def test_regions_count_from_one_with_both_ends():
    mask = region_mask(BadRegions((1, 6), (4,), ((2, 3, 3, 5),)), (4, 6))
    expected = np.zeros((4, 6), bool)
    expected[:, [0, 5]] = expected[3] = expected[1:3, 2:5] = True
    np.testing.assert_array_equal(mask, expected)
    assert not region_mask(BadRegions(), (4, 6)).any()


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        (BadRegions(columns=(3, 7)), "bad_columns entry 7: the image has columns 1 to 6"),
        (BadRegions(columns=(0,)), "bad_columns entry 0"),
        (BadRegions(rows=(5,)), "bad_rows entry 5: the image has rows 1 to 4"),
        (BadRegions(rectangles=((1, 5, 1, 2),)), r"entry \[1, 5, 1, 2\]: the image has rows 1 to"),
        (BadRegions(rectangles=((1, 2, 1, 7),)), r"entry \[1, 2, 1, 7\]: the image has columns"),
        (BadRegions(rectangles=((3, 2, 1, 2),)), "last row is before its first"),
    ],
)
def test_an_entry_out_of_range_is_named(regions, message):
    with pytest.raises(ValueError, match=message):
        region_mask(regions, (4, 6))
