import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS, Sip

from coronx.ops.sky_fit import fit_sky

SHAPE = (800, 1000)


def field(rng, *, count=120, noise=0.2, distortion=False, dec=40.0, angle=0.4):
    """Return a WCS, stars in its pixels, and their catalogue."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"] if distortion else ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [359.99, dec], [500.5, 400.5]
    c, s = 2.0 / 3600 * np.cos(angle), 2.0 / 3600 * np.sin(angle)
    wcs.wcs.cd = [[-c, s], [s, c]]
    if distortion:
        a, b = np.zeros((2, 4, 4))
        a[2, 0], a[1, 1], b[0, 2] = 4e-6, -3e-6, 5e-6
        wcs.sip = Sip(a, b, None, None, [500.5, 400.5])
    x, y = rng.uniform(0, SHAPE[1] - 1, count), rng.uniform(0, SHAPE[0] - 1, count)
    ra, dec = wcs.all_pix2world(x, y, 0)
    return wcs, x + rng.normal(0, noise, count), y + rng.normal(0, noise, count), ra, dec


def apart(a, b, x, y):
    return (
        SkyCoord(*a.all_pix2world(x, y, 0), unit="deg")
        .separation(SkyCoord(*b.all_pix2world(x, y, 0), unit="deg"))
        .arcsec
    )


def shifted(wcs, x=2.0, y=-1.5):
    guess = WCS(naxis=2)
    guess.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    guess.wcs.crval, guess.wcs.crpix = wcs.wcs.crval, wcs.wcs.crpix + np.array([x, y])
    guess.wcs.cd = wcs.wcs.cd
    return guess


@pytest.mark.parametrize("dec", [0.0, -70.0, 89.9])
def test_linear(dec):
    truth, x, y, ra, decs = field(np.random.default_rng(1), dec=dec)
    found = fit_sky(x, y, ra, decs, wcs=shifted(truth), shape=SHAPE)
    assert found.order == 1
    assert found.matched >= 117
    assert found.rms == pytest.approx(0.4, rel=0.15)
    # 0.2 pixels of 2 arcsec, by 120 stars: 0.04 arcsec an axis.
    assert apart(found.wcs, truth, 499.5, 399.5) < 0.15
    assert apart(found.wcs, truth, 0.0, 0.0) < 0.4


def test_distortion_is_found_and_inverted():
    truth, x, y, ra, dec = field(np.random.default_rng(2), distortion=True)
    found = fit_sky(x, y, ra, dec, wcs=shifted(truth, 0.5, 0.5), shape=SHAPE)
    assert found.order >= 2
    assert found.rms == pytest.approx(0.4, rel=0.2)
    assert apart(found.wcs, truth, np.array([500.0, 30.0]), np.array([400.0, 30.0])).max() < 0.6
    u, v = found.wcs.sip_foc2pix(*found.wcs.sip_pix2foc(900.0, 700.0, 1), 1)
    assert u + found.wcs.wcs.crpix[0] == pytest.approx(900.0, abs=0.02) or u == pytest.approx(
        900.0, abs=0.02
    )
    assert v + found.wcs.wcs.crpix[1] == pytest.approx(700.0, abs=0.02) or v == pytest.approx(
        700.0, abs=0.02
    )
    plain = fit_sky(x, y, ra, dec, wcs=shifted(truth, 0.5, 0.5), shape=SHAPE, max_order=1)
    assert plain.wcs.sip is None
    assert plain.rms > 1.3 * found.rms


def test_aliens_and_missing_values():
    rng = np.random.default_rng(3)
    truth, x, y, ra, dec = field(rng)
    x[:25], y[:25] = rng.uniform(0, 800, (2, 25))
    x[30], ra[40] = np.nan, np.nan
    found = fit_sky(x, y, ra, dec, wcs=shifted(truth), shape=SHAPE)
    assert found.matched < 98
    assert apart(found.wcs, truth, 499.5, 399.5) < 0.2


def test_too_few():
    truth, x, y, ra, dec = field(np.random.default_rng(4), count=4)
    with pytest.raises(ValueError, match="fewer than five"):
        fit_sky(x, y, ra, dec, wcs=truth, shape=SHAPE)
