import numpy as np
import pytest
from stdatamodels.jwst import datamodels
from stdatamodels.jwst.datamodels import ImageModel

from coronx.errors import InputError
from coronx.models.writing import check_folder, write_whole


@pytest.fixture
def image():
    return ImageModel(data=np.ones((4, 5), np.float32))


def test_a_product_is_written_and_nothing_beside_it(image, tmp_path):
    path = tmp_path / "a_i2d.fits"
    assert write_whole(image, path) == path
    assert [p.name for p in tmp_path.iterdir()] == ["a_i2d.fits"]
    with datamodels.open(str(path)) as again:
        np.testing.assert_array_equal(again.data, 1.0)
        assert again.meta.filename == "a_i2d.fits"


def test_a_product_there_is_replaced(image, tmp_path):
    path = tmp_path / "a_i2d.fits"
    path.write_text("old")
    write_whole(image, str(path))
    assert path.stat().st_size > 1000


def test_an_interrupted_write_leaves_the_old_product(image, tmp_path, monkeypatch):
    path = tmp_path / "a_i2d.fits"
    write_whole(image, path)
    before = path.read_bytes()
    for error, seen in ((KeyboardInterrupt, KeyboardInterrupt), (OSError("disk full"), InputError)):

        def fail(_, init, *__, error=error, **___):
            with open(init, "wb") as half:  # noqa: PTH123
                half.write(b"half")
            raise error

        monkeypatch.setattr(ImageModel, "to_fits", fail)
        with pytest.raises(seen):
            write_whole(image, path)
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["a_i2d.fits"]


def test_a_folder_that_is_not_there_is_told(image, tmp_path):
    with pytest.raises(InputError, match="cannot write there"):
        write_whole(image, tmp_path / "none" / "a.fits")


def test_an_output_folder_is_made_or_refused(tmp_path):
    check_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    check_folder(str(tmp_path / "a"))
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file: cannot write there .*--output_dir"):
        check_folder(tmp_path / "file")
    with pytest.raises(InputError):
        check_folder(tmp_path / "file" / "below")
