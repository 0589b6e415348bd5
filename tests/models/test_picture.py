"""Pictures are whole files, or none."""

import numpy as np
import pytest
from PIL import Image

from coronx.errors import InputError
from coronx.models.picture import write_picture


@pytest.fixture
def rgb():
    made = np.zeros((3, 4, 3))
    made[0, 0] = 1.0, 0.5, -1.0
    made[2, 3] = 2.0, 0.0, 0.25
    return made


def test_values_and_orientation(rgb, tmp_path):
    with Image.open(write_picture(rgb, tmp_path / "a.png")) as opened:
        pixels = np.asarray(opened)
    assert pixels[2, 0].tolist() == [255, 128, 0]
    assert pixels[0, 3].tolist() == [255, 0, 64]


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_nothing_is_left_of_a_picture_that_fails(rgb, tmp_path, monkeypatch, kind):
    path = tmp_path / f"a.{kind}"
    write_picture(rgb, path)
    before = path.read_bytes()

    def half(name, *_, **__):
        with open(name, "wb") as stream:  # noqa: PTH123
            stream.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("PIL.Image.Image.save", lambda _, name: half(name))
    monkeypatch.setattr("tifffile.imwrite", half)
    with pytest.raises(InputError, match="cannot write there"):
        write_picture(1.0 - rgb, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_other_kinds_and_folders(rgb, tmp_path):
    with pytest.raises(ValueError, match=r"a.gif: known are png, tiff"):
        write_picture(rgb, tmp_path / "a.gif")
    with pytest.raises(InputError, match="cannot write there"):
        write_picture(rgb, tmp_path / "nowhere" / "a.png")
