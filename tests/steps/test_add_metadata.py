import numpy as np
import pytest
from astropy.io import fits

from coronx import AddMetadataStep
from coronx.errors import InputError

NAME = "raw-T05-jdoe-M31-20200110-220604-Ha-BIN2-E-300-001.fits"


def frame(folder, name=NAME, **cards):
    header = fits.Header()
    for key, value in cards.items():
        header[key.replace("_", "-")] = value
    path = folder / name
    fits.writeto(path, np.ones((20, 30), np.uint16), header, overwrite=True)
    return str(path)


def test_the_name_of_a_file_tells_what_the_header_does_not(tmp_path):
    path = frame(
        tmp_path,
        OBJECT="Andromeda",
        DATE_OBS="2020-01-11T05:06:04",
        OBJCTRA="00 42 44",
        OBJCTDEC="+41 16 09",
    )
    model = AddMetadataStep.call(path)
    ground = model.meta.ground
    assert ground.object == "Andromeda"  # as the header says
    assert (ground.telescope, ground.observer, ground.filter) == ("T05", "jdoe", "Ha")
    assert (ground.exposure_time, ground.binning_x, ground.binning_y) == (300.0, 2, 2)
    assert ground.site == "iTelescope, Mayhill, New Mexico"
    assert ground.site_longitude == pytest.approx(-105.5283)
    assert (ground.ra, ground.dec) == (
        pytest.approx(10.6833, abs=1e-3),
        pytest.approx(41.2692, abs=1e-3),
    )
    # M31 in the west in January, five hours after sunset: hour angle 4.6 h.
    assert 250 < ground.azimuth < 320
    assert ground.airmass == pytest.approx(1 / np.sin(np.radians(ground.altitude)), rel=0.02)
    assert model.meta.ground_steps.add_metadata == "COMPLETE"
    np.testing.assert_array_equal(model.data, 1.0)


def test_what_the_header_says_is_kept(tmp_path):
    path = frame(
        tmp_path,
        EXPTIME=60.0,
        FILTER="R",
        SITELAT="+10 00 00",
        SITELONG="20 00 00",
        AIRMASS=1.5,
        DATE_OBS="2020-01-11T05:06:04",
        RA=10.0,
        DEC=40.0,
    )
    ground = AddMetadataStep.call(path).meta.ground
    assert (ground.exposure_time, ground.filter, ground.airmass) == (60.0, "R", 1.5)
    assert (ground.site_latitude, ground.site_longitude) == (10.0, 20.0)
    assert ground.altitude is not None
    assert ground.telescope == "T05"
    silent = AddMetadataStep.call(path, parse_name=False).meta.ground
    assert silent.telescope is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"site": "paranal"}, (-24.625, -70.4033, 2635.0)),
        ({"site": "T32"}, (-31.2733, 149.0644, 1122.0)),
        ({"latitude": 1.0, "longitude": 2.0, "altitude": 3.0}, (1.0, 2.0, 3.0)),
        ({"site": "nerpio", "altitude": 1700.0}, (38.1656, -2.3264, 1700.0)),
    ],
)
def test_a_site_that_is_given_counts(tmp_path, options, expected):
    path = frame(tmp_path, SITELAT=10.0, SITELONG=20.0)
    ground = AddMetadataStep.call(path, **options).meta.ground
    found = (ground.site_latitude, ground.site_longitude, ground.site_altitude)
    assert found == pytest.approx(expected)


def test_the_middle_of_the_exposure_counts(tmp_path):
    told = {"SITELAT": 0.0, "SITELONG": 0.0, "RA": 10.0, "DEC": 0.0}
    name = "frame.fits"
    long = frame(tmp_path, name, EXPTIME=3600.0, DATE_OBS="2020-01-11T18:00:00", **told)
    first = AddMetadataStep.call(long).meta.ground
    short = frame(tmp_path, name, EXPTIME=0.0, DATE_OBS="2020-01-11T18:30:00", **told)
    second = AddMetadataStep.call(short).meta.ground
    assert first.altitude == pytest.approx(second.altitude, abs=1e-6)
    start = frame(tmp_path, name, EXPTIME=0.0, DATE_OBS="2020-01-11T18:00:00", **told)
    assert abs(AddMetadataStep.call(start).meta.ground.altitude - first.altitude) > 5


def test_the_pointing_is_taken_from_the_wcs(tmp_path):
    path = frame(
        tmp_path,
        "frame.fits",
        CTYPE1="RA---TAN",
        CTYPE2="DEC--TAN",
        CRVAL1=50.0,
        CRVAL2=-20.0,
        CRPIX1=15.5,
        CRPIX2=10.5,
        CDELT1=-1e-3,
        CDELT2=1e-3,
    )
    ground = AddMetadataStep.call(path).meta.ground
    assert (ground.ra, ground.dec) == (pytest.approx(50.0), pytest.approx(-20.0))
    assert ground.airmass is None


def test_telescopes_by_header_and_after_they_moved(tmp_path):
    found = AddMetadataStep.call(frame(tmp_path, "a.fits", TELESCOP="iTelescope 17")).meta.ground
    assert found.site == "iTelescope, Siding Spring"
    found = AddMetadataStep.call(frame(tmp_path, DATE_OBS="2023-05-01T00:00:00")).meta.ground
    assert found.telescope == "T05"
    assert found.site_latitude is None


def test_a_frame_that_tells_nothing_is_left(tmp_path, caplog):
    ground = AddMetadataStep.call(frame(tmp_path, "frame.fits"), suffix="told").meta.ground
    assert ground.airmass is None
    assert "no airmass: it has no RA, DEC, latitude, longitude, DATE-OBS" in caplog.text


def test_a_target_below_the_horizon_has_no_airmass(tmp_path):
    path = frame(tmp_path, DATE_OBS="2020-01-11T05:06:04", RA=10.0, DEC=-80.0)
    ground = AddMetadataStep.call(path).meta.ground
    assert ground.altitude < 0
    assert ground.airmass is None


@pytest.mark.parametrize(
    ("options", "cards", "message"),
    [
        ({"site": "atlantis"}, {}, r"site 'atlantis': not known; give --latitude"),
        ({"latitude": 3.0}, {}, r"latitude 3.0, longitude None: half a place; give both"),
        (
            {},
            {"DATE_OBS": "last night", "RA": 1.0, "DEC": 2.0, "SITELAT": 1.0, "SITELONG": 1.0},
            r"raw-T05.*: DATE-OBS 'last night': .*; correct the card",
        ),
    ],
)
def test_bad_input(tmp_path, options, cards, message):
    with pytest.raises(InputError, match=message):
        AddMetadataStep.call(frame(tmp_path, **cards), **options)
