import pytest
from astropy.coordinates import EarthLocation

from coronx.refdata.sites import SITES, find_site


def test_codes_are_of_one_site_each():
    codes = [code for site in SITES.values() for code in site.telescopes]
    assert len(codes) == len(set(codes))
    assert all(-90 < s.latitude < 90 and -180 <= s.longitude <= 180 for s in SITES.values())


def test_names_and_codes_in_any_case():
    assert find_site("Mauna Kea") is SITES["mauna kea"]
    assert find_site("t16") is SITES["nerpio"]
    assert find_site("T11", "2019-05-01T00:00:00") is SITES["mayhill"]
    assert find_site("T11", "2024-05-01T00:00:00") is None
    assert find_site("T99") is None
    assert find_site(" ") is None


def test_nothing_is_fetched(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("asked the network")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", refuse)
    assert find_site("an observatory of no list") is None


def test_a_list_of_astropys_is_used_where_it_is(monkeypatch):
    place = EarthLocation.from_geodetic(-70.0, -30.0, 2000.0)
    monkeypatch.setattr(EarthLocation, "of_site", classmethod(lambda *_, **__: place))
    site = find_site("Somewhere")
    assert (site.latitude, site.longitude) == (pytest.approx(-30.0), pytest.approx(-70.0))
    assert site.altitude == pytest.approx(2000.0)
