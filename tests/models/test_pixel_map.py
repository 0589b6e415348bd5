import asdf
import numpy as np
import pytest
from astropy.io import fits

from coronx.errors import InputError
from coronx.models.pixel_map import read_pixel_map

SHAPE = (2, 4, 5)


def test_one_map_serves_every_integration(tmp_path):
    bad = np.zeros(SHAPE[1:], np.float32)
    bad[1, 2], bad[3, 3] = 7.0, np.nan
    fits.PrimaryHDU(bad).writeto(tmp_path / "map.fits")
    asdf.AsdfFile({"note": "mine", "bad": bad}).write_to(tmp_path / "map.asdf")
    for name in ("map.fits", "map.asdf"):
        made = read_pixel_map(tmp_path / name, SHAPE)
        assert made.shape == SHAPE
        assert np.argwhere(made[0]).tolist() == np.argwhere(made[1]).tolist() == [[1, 2], [3, 3]]


def test_a_file_that_is_no_image_is_refused(tmp_path):
    (tmp_path / "notes.fits").write_text("no FITS file")
    with pytest.raises(InputError, match=r"notes\.fits: no map of bad pixels can be read"):
        read_pixel_map(tmp_path / "notes.fits", SHAPE)
    asdf.AsdfFile({"note": "mine"}).write_to(tmp_path / "empty.asdf")
    with pytest.raises(InputError, match=r"empty\.asdf: no image"):
        read_pixel_map(tmp_path / "empty.asdf", SHAPE)


@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 5), (1, 2, 4, 5)])
def test_a_map_of_another_shape_is_refused(tmp_path, shape):
    fits.PrimaryHDU(np.zeros(shape)).writeto(tmp_path / "map.fits")
    with pytest.raises(InputError, match=r"the exposure needs \(4, 5\)"):
        read_pixel_map(tmp_path / "map.fits", SHAPE)
