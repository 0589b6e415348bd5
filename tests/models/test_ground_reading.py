import bz2
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from coronx.errors import InputError
from coronx.models.arrays import arrays_of
from coronx.models.ground_reading import open_frame, read_keywords
from coronx.models.ground_wcs import set_wcs, wcs_of
from tests.models.ground_frames import write_frame


def tan(scale=1e-4, angle=0.3):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = 250.0, 36.0
    wcs.wcs.crpix = 3.0, 2.0
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    wcs.wcs.cd = [[-c, s], [s, c]]
    return wcs


def test_a_frame_of_16_bits_is_read_as_it_is_meant(tmp_path):
    data = np.array([[0.0, 40000.0], [65535.0, 7.0]])
    model = open_frame(write_frame(tmp_path / "a.fit", data))
    np.testing.assert_array_equal(model.data, data)
    assert model.data.dtype == np.float32
    ground = model.meta.ground
    assert (ground.image_type, ground.exposure_time, ground.gain) == ("science", 60.0, 1.5)
    assert (ground.filter, ground.telescope, ground.object) == ("R", "T05", "M 13")
    assert (ground.ccd_temperature, ground.set_temperature) == (-9.8, -10.0)
    assert (ground.binning_x, ground.saturation) == (1, 65535.0)
    assert model.meta.filename == "a.fits"
    assert model.meta.bunit == "ADU"
    assert set(arrays_of(model)) == {"data", "dq"}


def test_signed_frames_saturate_earlier(tmp_path):
    model = open_frame(write_frame(tmp_path / "a.fits", unsigned=False))
    assert model.meta.ground.saturation == 32767.0


def test_pedestal_is_undone_once(tmp_path):
    path = write_frame(tmp_path / "a.fits", np.full((3, 3), 600.0), cards={"PEDESTAL": -500})
    model = open_frame(path)
    np.testing.assert_array_equal(model.data, 100.0)
    assert model.meta.ground.pedestal == -500.0
    assert model.meta.ground.saturation == 65035.0
    model.save(str(tmp_path / "b.fits"))
    again = open_frame(tmp_path / "b.fits")
    np.testing.assert_array_equal(again.data, 100.0)
    assert "PEDESTAL" not in fits.getheader(tmp_path / "b.fits")


@pytest.mark.parametrize(
    ("cards", "name", "value"),
    [
        ({"EXPTIME": None, "EXPOSURE": 30.0}, "exposure_time", 30.0),
        ({"EXPTIME": "53.9"}, "exposure_time", 53.9),
        ({"EGAIN": None, "GAIN": 2.0}, "gain", 2.0),
        ({"GAIN": 120.0}, "gain", 1.5),
        ({"EGAIN": None, "AAMP_01": 0, "AAMP_02": 1, "AGAIN_02": 4.8}, "gain", 4.8),
        ({"AAMP_02": 1, "ARDNS_02": 8.9}, "read_noise", 8.9),
        ({"IMAGETYP": "Bias Frame"}, "image_type", "bias"),
        ({"IMAGETYP": "SKYFLAT"}, "image_type", "flat"),
        ({"IMAGETYP": "zero"}, "image_type", "bias"),
        ({"IMAGETYP": None, "OBSTYPE": "DARK"}, "image_type", "dark"),
        ({"IMAGETYP": "Tricolor"}, "image_type", None),
        ({"XBINNING": None, "YBINNING": None, "CCDSUM": "3 2"}, "binning_y", 2),
        ({"OBJCTRA": "16 00 00"}, "ra", 240.0),
        ({"OBJCTDEC": "-05 30 00"}, "dec", -5.5),
        ({"RA": 12.5}, "ra", 12.5),
        ({"RA": "12.5"}, "ra", 12.5),
        ({"LONGITUD": -111.5355}, "site_longitude", -111.5355),
        ({"DATE-OBS": "2019-03-26", "UTCSTART": "02:27:31.13"}, "date_obs",
         "2019-03-26T02:27:31.13"),
        ({"SATURATE": 50000.0}, "saturation", 50000.0),
        ({"FILTER": None, "FILTNAME": "VR"}, "filter", "VR"),
    ],
)  # fmt: skip
def test_what_headers_say(tmp_path, cards, name, value):
    path = write_frame(tmp_path / "a.fits", cards=cards)
    told = value if value is None or isinstance(value, str) else pytest.approx(value)
    assert getattr(open_frame(path).meta.ground, name) == told
    assert read_keywords(path).get(name) == told


@pytest.mark.parametrize(
    ("cards", "history", "done"),
    [
        ({}, ("Process Calibrate",), "BDF"),
        ({"CALSTAT": "BD"}, (), "BD"),
        ({}, ("Bias Subtraction by master",), "B"),
        ({}, ("Dark subtracted",), "D"),
        ({}, ("Filter: Calibration lamp",), ""),
    ],
)
def test_calibration_done_before_is_known(tmp_path, cards, history, done):
    model = open_frame(write_frame(tmp_path / "a.fits", cards=cards, history=history))
    names = {"B": "bias_subtracted", "D": "dark_subtracted", "F": "flat_divided"}
    found = {letter for letter, name in names.items() if getattr(model.meta.ground, name)}
    assert found == set(done)
    entries = model.instance.get("history", {"entries": []})["entries"]
    kept = [entry["description"] for entry in entries]
    assert kept[: len(history)] == list(history)


def test_other_cards_are_kept_and_written_again(tmp_path):
    cards = {"OBSMODE": ("slow", "read-out"), "FILENAME": "/data/1.fits", "DATE": "2019-03-26"}
    model = open_frame(write_frame(tmp_path / "a.fits", cards=cards))
    model.save(str(tmp_path / "b.fits"))
    header = fits.getheader(tmp_path / "b.fits")
    assert header["OBSMODE"] == "slow"
    assert header.comments["OBSMODE"] == "read-out"
    assert header["ORIGFILE"] == "/data/1.fits"
    assert header["FILENAME"] == "b.fits"
    again = open_frame(tmp_path / "b.fits")
    assert again.meta.ground.instance == model.meta.ground.instance
    assert again.instance["extra_fits"] == model.instance["extra_fits"]


def test_wcs_is_kept_where_it_is_of_the_sky(tmp_path):
    cards = dict(tan().to_header().items()) | {"EQUINOX": 2000.0}
    model = open_frame(write_frame(tmp_path / "a.fits", cards=cards))
    model.save(str(tmp_path / "b.fits"))
    for found in (wcs_of(model), wcs_of(open_frame(tmp_path / "b.fits"))):
        x, y = np.array([0.0, 4.0]), np.array([0.0, 3.0])
        np.testing.assert_allclose(
            found.all_pix2world(x, y, 0), tan().all_pix2world(x, y, 0), atol=1e-10
        )
    assert fits.getheader(tmp_path / "b.fits", "SCI")["CTYPE1"] == "RA---TAN"
    set_wcs(model, None)
    assert wcs_of(model) is None


@pytest.mark.parametrize(
    "cards",
    [
        {"CTYPE1": "Linear Unbinned ADC Pixels", "CRVAL1": 1.0, "CRPIX1": 18.0},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": "1", "CRVAL2": "2", "CRPIX1": "3"},
    ],
)
def test_no_wcs_where_the_cards_are_none(tmp_path, cards):
    assert wcs_of(open_frame(write_frame(tmp_path / "a.fits", cards=cards))) is None


def test_distortion_survives(tmp_path):
    header = tan().to_header(relax=True)
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header["A_ORDER"], header["B_ORDER"], header["A_2_0"], header["B_0_2"] = 2, 2, 1e-3, -2e-3
    model = open_frame(write_frame(tmp_path / "a.fits", cards=dict(header.items())))
    expected = WCS(header).all_pix2world([0.0, 4.0], [0.0, 3.0], 0)
    for found in (wcs_of(model),):
        set_wcs(model, found)
        np.testing.assert_allclose(
            wcs_of(model).all_pix2world([0.0, 4.0], [0.0, 3.0], 0), expected, atol=1e-10
        )


def test_compressed_frames_and_images_in_an_extension(tmp_path):
    path = write_frame(tmp_path / "a.fits")
    (tmp_path / "b.fits.bz2").write_bytes(bz2.compress(path.read_bytes()))
    assert open_frame(tmp_path / "b.fits.bz2").meta.filename == "b.fits"
    first = fits.PrimaryHDU()
    first.header["FILTER"] = "B"
    fits.HDUList([first, fits.ImageHDU(np.ones((3, 4), np.int16))]).writeto(tmp_path / "c.fits")
    model = open_frame(tmp_path / "c.fits")
    assert (model.shape, model.meta.ground.filter) == ((3, 4), "B")


def cut(path):
    whole = write_frame(path, np.ones((100, 100))).read_bytes()
    path.write_bytes(whole[: len(whole) - 5000])


def cube(path):
    fits.PrimaryHDU(np.ones((3, 4, 5), np.int16)).writeto(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Path.absolute, "no such file"),
        (lambda path: path.write_text("hello"), "cannot be read"),
        (cut, "cannot be read"),
        (cube, "no two-dimensional image"),
        (lambda path: write_frame(path, cards={"EXPTIME": "long"}), "EXPTIME = 'long'"),
        (lambda path: write_frame(path, cards={"OBJCTRA": "east"}), "OBJCTRA = 'east'"),
    ],
)
def test_bad_files_are_named(tmp_path, make, message):
    path = tmp_path / "bad.fits"
    make(path)
    with pytest.raises(InputError, match=message) as found:
        open_frame(path)
    assert "bad.fits" in found.value.message
