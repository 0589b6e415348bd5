import warnings

import numpy as np
import pytest
from astropy.utils import iers

from coronx.ops.horizontal import horizontal

LOWELL = {"latitude": 35.09675, "longitude": -111.5355, "height": 2206.0}


def test_airmass_of_a_frame_is_that_in_its_header():
    # Lowell, Hall telescope, 2019-03-26 02:27:31 UT: AIRMASS 1.05, HA -1:04.
    found = horizontal(124.6246, 25.3331, time="2019-03-26T02:30:01", **LOWELL)
    assert found.airmass == pytest.approx(1.05, abs=0.01)
    assert 90 < found.azimuth < 180


def test_the_pole_stands_at_the_latitude():
    found = horizontal(0.0, 90.0, time="2020-01-01T00:00:00", **LOWELL)
    # The axis has moved 0.11 degrees from where it was in 2000.
    assert found.altitude == pytest.approx(LOWELL["latitude"], abs=0.12)
    assert min(found.azimuth, 360 - found.azimuth) < 0.2
    assert found.airmass == pytest.approx(1 / np.sin(np.radians(35.1)), rel=0.01)


def test_sidereal_time_and_east():
    # GMST at 2000-01-01 12:00 UT1 is 280.4606 degrees (Astronomical Almanac).
    found = horizontal(
        280.4606 + 15.0, 0.0, time="2000-01-01T12:00:00", latitude=0.0, longitude=15.0
    )
    assert found.altitude == pytest.approx(90.0, abs=0.01)
    rising = horizontal(
        280.4606 + 75.0, 0.0, time="2000-01-01T12:00:00", latitude=0.0, longitude=15.0
    )
    assert (rising.altitude, rising.azimuth) == (
        pytest.approx(30.0, abs=0.01), pytest.approx(90.0, abs=0.1)
    )  # fmt: skip


@pytest.mark.parametrize("year", ["1955", "2090"])
def test_neither_network_nor_warning(year, monkeypatch):
    def refuse(*args, **_):
        raise AssertionError(f"asked for {args}")

    monkeypatch.setattr("astropy.utils.data.urllib.request.urlopen", refuse)
    monkeypatch.setattr("astropy.utils.iers.iers.download_file", refuse, raising=False)
    before = iers.conf.auto_download
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = horizontal(10.0, 20.0, time=f"{year}-06-01T05:00:00", **LOWELL)
    assert np.isfinite(found.altitude)
    assert iers.conf.auto_download == before


def test_below_the_horizon_there_is_no_airmass():
    found = horizontal(0.0, -80.0, time="2020-01-01T00:00:00", **LOWELL)
    assert found.altitude < 0
    assert np.isnan(found.airmass)


def test_what_is_no_place_or_time_is_refused():
    with pytest.raises(ValueError, match="latitude 95"):
        horizontal(0.0, 0.0, time="2020-01-01T00:00:00", latitude=95.0, longitude=0.0)
    with pytest.raises(ValueError, match="yesterday"):
        horizontal(0.0, 0.0, time="yesterday", **LOWELL)
