import numpy as np
import pytest
from astropy.io import fits

from coronx.errors import InputError
from coronx.refdata.off_axis_psf import off_axis_psf, read_psf_image
from coronx.refdata.transmission import transmission
from coronx.simulate.stpsf_data import OPD
from tests.point_sources import airy
from tests.refdata.unocculted_exposure import MODE, exposure

pytestmark = pytest.mark.usefixtures("no_optics")

FRAME = (200, 220)
PLACE = (95.0, 101.5)
SOURCES = "data_path.*psf_file.*unocculted"


def _psf(**options):
    return off_axis_psf(MODE, "F356W", mask_place=PLACE, shape=FRAME, **options)


def _write(path, image, *, name="PRIMARY", **header):
    primary = fits.PrimaryHDU()
    hdus = [primary]
    if name == "PRIMARY":
        primary.data = image
    else:
        hdus.append(fits.ImageHDU(image, name=name))
    hdus[-1].header.update(header)
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


@pytest.mark.parametrize(("shape", "at", "side"), [
    ((61, 61), (30.0, 30.0), 61), ((64, 64), (31.3, 32.2), 63), ((64, 90), (40.0, 31.5), 63),
])  # fmt: skip
def test_a_file(tmp_path, shape, at, side):
    """Of any size, its star anywhere: found, and scaled to one."""
    path = _write(tmp_path / "psf.fits", 7.0 * airy(shape, *at), name="SCI")
    psf = _psf(psf_file=path)
    assert psf.kernel.shape[0] in (side, side - 2)
    assert psf.kernel.sum() == pytest.approx(1.0)
    half = psf.kernel.shape[0] // 2
    wanted = airy(psf.kernel.shape, half, half)
    assert np.abs(psf.kernel - wanted / wanted.sum()).max() < 0.005 * wanted.max()
    near = np.add(PLACE, (8.0, 3.0))
    stamp = psf(*near)
    through = transmission(MODE, shape=FRAME, center=PLACE)[round(near[1] - 0.5), round(near[0])]
    assert stamp.peak == pytest.approx(psf.kernel.max() * through, rel=0.15)
    assert psf.transmission(FRAME) == pytest.approx(transmission(MODE, shape=FRAME, center=PLACE))


def test_a_files_share_of_the_light(tmp_path):
    path = _write(tmp_path / "psf.fits", airy((61, 61), 30, 30))
    assert _psf(psf_file=path, psf_fraction=0.93).kernel.sum() == pytest.approx(0.93)


def test_a_files_points(tmp_path):
    """Finer than pixels, as simulations are, with the star where the keywords have it."""
    times = 3
    at = (25.3 + 0.5) * times - 0.5, (24.8 + 0.5) * times - 0.5
    image = airy((51 * times, 51 * times), *at, width=2.25 * times)
    scale = sum(MODE.scale) / 2 / times
    path = _write(tmp_path / "psf.fits", image, name="OVERDIST", OVERSAMP=times, PIXELSCL=scale)
    measured = read_psf_image(path, MODE, "F356W")
    _write(
        path, image, name="OVERDIST", OVERSAMP=times, PIXELSCL=scale,
        STARCENX=at[0] + 1, STARCENY=at[1] + 1,
    )  # fmt: skip
    told = read_psf_image(path, MODE, "F356W")
    assert np.abs(measured.kernel - told.kernel).max() < 0.003 * told.kernel.max()
    half = told.half
    x = np.arange(2 * half + 1) - half
    assert np.sum(told.kernel * x) / told.kernel.sum() == pytest.approx(0.0, abs=0.1)
    assert np.unravel_index(told.kernel.argmax(), told.kernel.shape) == (half, half)
    assert told.kernel == pytest.approx(told.kernel[::-1, ::-1], abs=0.002 * told.kernel.max())
    # Pixel-sampled images of the same simulations keep its OVERSAMP.
    _write(path, airy((61, 61), 30, 30), OVERSAMP=times, PIXELSCL=scale * times)
    assert read_psf_image(path, MODE, "F356W").half == 30


def test_an_exposure():
    psf = _psf(unocculted=exposure())
    half = psf.kernel.shape[0] // 2
    assert half >= 31
    wanted = airy(psf.kernel.shape, half, half)
    wanted /= wanted.sum()
    assert psf.kernel.sum() == pytest.approx(1.0)
    assert np.abs(psf.kernel - wanted).max() < 0.015 * wanted.max()
    assert psf.transmission(FRAME)[101, 95] < 0.01


def test_a_simulation(stpsf_data, tmp_path, monkeypatch):
    """The folder named, or that of the variable, which does not stand beside another source."""
    psf = _psf(data_path=stpsf_data, fov_pixels=33, opd=OPD)
    assert psf.kernel.shape == (33, 33)
    assert 0.8 < psf.kernel.sum() < 1.0
    monkeypatch.setenv("STPSF_PATH", str(stpsf_data))
    flat = _psf(fov_pixels=33)
    assert flat.kernel.max() > 1.005 * psf.kernel.max()
    path = _write(tmp_path / "psf.fits", airy((61, 61), 30, 30))
    assert _psf(psf_file=path).kernel.shape == (61, 61)
    # A folder of wavefronts is searched.
    (tmp_path / "opds").mkdir()
    with pytest.raises(InputError, match="opds"):
        _psf(opd=tmp_path / "opds", date="2022-07-30T00:00:00")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, SOURCES),
        ({"psf_file": "a.fits", "unocculted": "b.fits"}, "psf_file and unocculted: more than one"),
        ({"psf_file": "a.fits", "data_path": "b"}, "psf_file and data_path: more than one"),
        ({"psf_file": "gone.fits"}, r"gone\.fits"),
        ({"psf_file": "gone.fits", "fov_pixels": 64}, "fov_pixels = 64"),
        ({"psf_file": "gone.fits", "psf_fraction": 1.2}, "psf_fraction = 1.2"),
        ({"data_path": "gone"}, "gone is not a folder"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        _psf(**options)


@pytest.mark.parametrize(
    ("image", "header", "message"),
    [
        (airy((61, 61), 30, 30)[None], {}, r"shape \(1, 61, 61\)"),
        (np.full((61, 61), np.nan), {}, "3721 values are not finite"),
        (-airy((61, 61), 30, 30), {}, "STARCENX|not positive"),
        (airy((61, 61), 30, 30) - 1.0, {}, "STARCENX|not positive"),
        (airy((61, 61), 30, 30), {"FILTER": "F444W"}, "FILTER is F444W, not F356W"),
        (airy((61, 61), 30, 30), {"PIXELSCL": 0.11}, r"PIXELSCL = 0\.11"),
        (airy((61, 61), 30, 30), {"OVERSAMP": 2.5}, r"OVERSAMP = 2\.5"),
        (airy((61, 61), 30, 30), {"STARCENX": 90.0, "STARCENY": 3.0}, "not inside"),
        (None, {}, "no image in it"),
    ],
)
def test_files_that_are_no_psf(tmp_path, image, header, message):
    path = _write(tmp_path / "psf.fits", image, **header)
    with pytest.raises(InputError, match=message):
        _psf(psf_file=path)


def test_a_psf_larger_than_the_frame(tmp_path):
    path = _write(tmp_path / "psf.fits", airy((61, 61), 30, 30))
    with pytest.raises(InputError, match=r"psf\.fits: .* 61 x 61 .* frame of 50 x 70.*fov_pixels"):
        off_axis_psf(MODE, "F356W", mask_place=(25.0, 35.0), shape=(70, 50), psf_file=path)
    small = off_axis_psf(
        MODE, "F356W", mask_place=(25.0, 35.0), shape=(70, 50), psf_file=path, fov_pixels=49
    )
    assert small.kernel.shape == (49, 49)
