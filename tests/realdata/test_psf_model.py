"""The star's model with genuine optics.

The files are those of webbpsf 1.5.0, without a wavefront measured in flight; stpsf 2.2 refuses
that version. A copy by links is therefore relabelled 2.2.0 here, with an empty stand-in for the
wavefront that stpsf only looks for. They prove the geometry of the model, not the wavefront.
"""

import numpy as np
import pytest
from astropy.io import fits
from numpy.polynomial import legendre

from coronx.refdata.modes import MODES
from coronx.refdata.psf_model import star_model

pytestmark = pytest.mark.realdata

ROUND = MODES["nircam-335r"]


@pytest.fixture(scope="module")
def genuine(realdata, tmp_path_factory):
    folder = tmp_path_factory.mktemp("genuine")
    for path in (realdata / "stpsf_subset").iterdir():
        if path.name != "version.txt":
            (folder / path.name).symlink_to(path)
    (folder / "version.txt").write_text("2.2.0\n")
    (folder / "JWST_OTE_OPD_none.fits").touch()
    return folder


@pytest.fixture(scope="module")
def model(genuine):
    return star_model(ROUND, "F335M", data_path=genuine)


def _offset(image, scale):
    """The star's place in mas: an image and its half turn are twice that apart."""
    spectrum = np.fft.fft2(image) ** 2
    places = np.linspace(-2.5, 2.5, 1001)
    waves = np.exp(4j * np.pi * np.outer(places + image.shape[0] // 2, _frequencies(image)))
    surface = (waves @ spectrum @ waves.T).real
    y, x = np.unravel_index(surface.argmax(), surface.shape)
    return np.array([places[x] * scale[0], places[y] * scale[1]])


def _frequencies(image):
    return np.fft.fftfreq(image.shape[0])


@pytest.mark.parametrize(
    ("filter_name", "y"), [("F335M", -16.0), ("F444W", -40.8), ("F250M", -103.6)]
)
def test_the_models_own_offset_is_measured_and_removed(genuine, filter_name, y):
    """An unocculted star stands low, by coma and by a tilt that grows away from 3.35 um."""
    star = star_model(ROUND, filter_name, data_path=genuine)
    assert star.own_offset == pytest.approx((-0.5, y), abs=1.0)
    propagator = star._propagator
    raw = propagator.image(propagator.tilt((0.0, 0.0)), occulted=False)
    assert _offset(raw, star.scale) == pytest.approx(star.own_offset, abs=1.0)
    removed = star.image(occulted=False)
    assert _offset(removed, star.scale) == pytest.approx((0.0, 0.0), abs=1.0)


def test_the_wavefront_in_flight_is_what_the_model_lacks(model, realdata):
    """A genuine simulation with the wavefront of 2022-07-30 is an order brighter than the model."""
    path = next((realdata / "psf_real_opd").glob("*MASK335R*.fits"))
    coefficients, header = fits.getdata(path, header=True)
    flight = np.zeros(coefficients.shape[1:])
    low, high = header["WAVE1"], header["WAVE2"]
    for plane in model._propagator.planes:
        place = 2 * (plane.wavelength * 1e6 - low) / (high - low) - 1
        flight += plane.weight * legendre.legval(place, coefficients)
    # Its flux counts what the Lyot stop takes away; 18 % pass.
    flight = flight / 0.183
    assert flight.sum() > 10 * model.image().sum()
    # Nor is it like it: what is left after scaling is most of it.
    ours = model.image()
    left = flight - ours * np.sum(ours * flight) / np.sum(ours**2)
    assert 0.8 < np.sqrt(np.sum(left**2) / np.sum(flight**2)) < 1.0


@pytest.mark.parametrize(
    ("name", "filter_name"),
    [("nircam-210r", "F210M"), ("nircam-lwb", "F444W"), ("miri-1550", "F1550C")],
)
def test_other_modes_with_genuine_optics(genuine, name, filter_name):
    star = star_model(MODES[name], filter_name, data_path=genuine, nlambda=1)
    on, off = star.image(), star.image(occulted=False)
    assert np.all(np.isfinite(on))
    assert on.max() < 0.02 * off.max()
    y, x = np.unravel_index(off.argmax(), off.shape)
    assert (x, y) == (32, 32)
