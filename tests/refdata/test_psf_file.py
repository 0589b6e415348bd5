import numpy as np
import pytest
from astropy.io import fits

from coronx.errors import InputError
from coronx.refdata.modes import MODES
from coronx.refdata.psf_file import read_star_image

MODE = MODES["nircam-335r"]


def _star(size, place, width):
    y, x = np.indices((size, size))
    return np.exp(-0.5 * ((x - place[0]) ** 2 + (y - place[1]) ** 2) / width**2)


def _write(path, image, name=None, **cards):
    hdu = fits.ImageHDU(image, name=name)
    hdu.header.update(cards)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def _centroid(image):
    y, x = np.indices(image.shape)
    return np.array([np.sum(x * image), np.sum(y * image)]) / image.sum()


@pytest.mark.parametrize("oversample", [1, 4])
def test_star_is_in_the_middle_and_moves(tmp_path, oversample):
    size = 33 * oversample
    path = _write(
        tmp_path / "star.fits",
        _star(size, [(size - 1) / 2] * 2, 2.0 * oversample),
        OVERSAMP=oversample,
        PIXELSCL=0.0624 / oversample,
    )
    star = read_star_image(path, MODE)
    assert star.fov == 33
    assert _centroid(star.image()) == pytest.approx([16.0, 16.0], abs=1e-6)
    moved = star.image((50.0, -30.0))
    expected = [16 + 50 / star.scale[0], 16 - 30 / star.scale[1]]
    assert _centroid(moved) == pytest.approx(expected, abs=1e-6)
    assert moved.sum() == pytest.approx(star.image().sum())
    change = star.offset_images((50.0, -30.0))
    assert change[1] == pytest.approx(
        star.image((50.0, -29.5)) - star.image((50.0, -30.5)), abs=1e-4
    )


@pytest.mark.parametrize("oversample", [1, 2])
def test_star_where_the_keywords_say(tmp_path, oversample):
    place = (30.3 * oversample, 27.6 * oversample)
    path = _write(
        tmp_path / "star.fits",
        _star(60 * oversample, place, 2.0 * oversample),
        OVERSAMP=oversample,
        STARCENX=place[0] + 1,
        STARCENY=place[1] + 1,
    )
    star = read_star_image(path, MODE)
    assert star.fov % 2 == 1
    assert _centroid(star.image()) == pytest.approx([(star.fov - 1) / 2] * 2, abs=1e-4)


def test_the_best_of_stpsfs_extensions(tmp_path):
    hdus = [fits.PrimaryHDU(np.zeros((132, 132)))]
    for name, size, value in (("DET_SAMP", 33, 1), ("OVERDIST", 132, 3), ("DET_DIST", 33, 4)):
        hdus.append(fits.ImageHDU(np.full((size, size), float(value)), name=name))
        hdus[-1].header["OVERSAMP"] = size // 33
    fits.HDUList(hdus).writeto(tmp_path / "psf.fits")
    star = read_star_image(tmp_path / "psf.fits", MODE)
    assert star.image()[16, 16] == pytest.approx(3 * 16)


@pytest.mark.parametrize(
    ("image", "cards", "message"),
    [
        (np.ones((20, 30)), {}, r"shape \(20, 30\)"),
        (np.full((21, 21), np.nan), {}, "441 values are not finite"),
        (np.ones((21, 21)), {"PIXELSCL": 0.031}, r"PIXELSCL = 0\.031"),
        (np.ones((21, 21)), {"OVERSAMP": 0}, "OVERSAMP = 0"),
        (np.ones((21, 21)), {"STARCENX": 2.0}, "fewer than 5 pixels"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, image, cards, message):
    with pytest.raises(InputError, match=message):
        read_star_image(_write(tmp_path / "star.fits", image, **cards), MODE)


def test_no_image_and_no_file(tmp_path):
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(InputError, match="no image"):
        read_star_image(tmp_path / "empty.fits", MODE)
    with pytest.raises(InputError, match=r"gone\.fits"):
        read_star_image(tmp_path / "gone.fits", MODE)
