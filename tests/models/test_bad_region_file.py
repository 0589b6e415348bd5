import pytest

from coronx.errors import InputError
from coronx.models.bad_region_file import read_regions, write_regions
from coronx.ops.bad_regions import BadRegions


def test_what_is_written_is_read(tmp_path):
    regions = BadRegions((3, 17), (5,), ((1, 4, 2, 2), (7, 9, 10, 20)))
    path = write_regions(tmp_path / "bad.yaml", regions, comment="two\nlines")
    assert read_regions(path) == regions
    assert path.read_text().startswith("# two\n# lines\n# Counted from 1")
    assert read_regions(write_regions(tmp_path / "none.yaml", BadRegions())) == BadRegions()


@pytest.mark.parametrize("text", ["", "bad_rows:\n", "bad_columns: []\n", "# nothing\n"])
def test_a_missing_section_is_empty(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    assert read_regions(tmp_path / "bad.yaml") == BadRegions()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bad_columns: 5\n", "bad_columns is 5; give a list"),
        ("bad_columns: [1.5]\n", "bad_columns entry 1.5; give a whole number"),
        ("bad_rows: [true]\n", "bad_rows entry True"),
        ("bad_rectangles: [[1, 2, 3]]\n", r"bad_rectangles entry \[1, 2, 3\]; give four"),
        ("bad_rectangles: [7]\n", "bad_rectangles entry 7"),
        ("bad_colums: [1]\n", "section 'bad_colums'; sections are bad_columns"),
        ("[1, 2]\n", r"\[1, 2\]; sections are"),
        ("bad_rows: [1\n", "not YAML"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"bad.yaml: {message}"):
        read_regions(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none.yaml: cannot be read"):
        read_regions(tmp_path / "none.yaml")
