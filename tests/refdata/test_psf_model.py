import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from coronx.errors import InputError
from coronx.refdata import psf_optics
from coronx.refdata.modes import MODES
from coronx.refdata.psf_data import stpsf_with
from coronx.refdata.psf_model import star_model
from coronx.refdata.segment_modes import segment_modes
from coronx.simulate.drift import random_drift
from coronx.simulate.pupil import telescope_axes
from coronx.simulate.stpsf_data import OPD, write_opd, write_sensed_opd

ROUND = MODES["nircam-335r"]


@pytest.fixture(scope="module")
def model(stpsf_data):
    return star_model(ROUND, "F335M", data_path=stpsf_data, nlambda=2, fov_pixels=51)


def _offset(image, scale):
    """The star's place in mas, from the image and itself turned by half a turn."""
    spectrum = np.fft.fft2(image)
    # The cross-correlation of an image with its half turn peaks at twice its offset.
    fine = 400
    cross = spectrum**2
    freq = np.fft.fftfreq(image.shape[0])
    middle = image.shape[0] // 2
    places = np.linspace(-1.5, 1.5, fine + 1)
    waves = np.exp(4j * np.pi * np.outer(places + middle, freq))
    surface = (waves @ cross @ waves.T).real
    y, x = np.unravel_index(surface.argmax(), surface.shape)
    return places[x] * scale[0], places[y] * scale[1]


def test_the_models_own_offset_is_removed(model):
    # Coma of the instrument, through the Lyot stop, moves the star down.
    assert model.own_offset[1] == pytest.approx(-11.5, abs=1.5)
    assert abs(model.own_offset[0]) < 1.0
    propagator = model._propagator
    raw = propagator.image(propagator.tilt((0.0, 0.0)), occulted=False)
    before = _offset(raw, model.scale)
    assert before == pytest.approx(model.own_offset, abs=1.0)
    after = _offset(model.image(occulted=False), model.scale)
    assert after == pytest.approx((0.0, 0.0), abs=1.0)


def test_an_image_is_that_of_stpsf(stpsf_data, monkeypatch):
    """As stpsf's own image before it is put onto the science frame by interpolation."""
    with stpsf_with(stpsf_data) as stpsf:
        instrument = psf_optics._configured(stpsf, ROUND, "F335M", None)
        scale = instrument.pixelscale
        # What stpsf applies afterwards: scales, turn, and what pixels do to each other.
        monkeypatch.setattr(psf_optics, "_jacobian", lambda _aperture: np.eye(2) * scale)
        monkeypatch.setattr(psf_optics, "_turn", lambda *_arguments: 0.0)
        monkeypatch.setattr(psf_optics, "_diffusion", lambda *_arguments: 0.0)
        monkeypatch.setattr(psf_optics, "_kernel", lambda *_arguments: np.ones((1, 1)))
        plain = star_model(ROUND, "F335M", data_path=stpsf_data, nlambda=1, fov_pixels=33)
        instrument.options |= {
            "jitter_sigma": 0.001, "source_offset_x": 0.04, "source_offset_y": -0.025,
        }  # fmt: skip
        hdus = instrument.calc_psf(
            monochromatic=plain._propagator.planes[0].wavelength,
            fov_pixels=33,
            oversample=2,
            add_distortion=False,
        )
        stpsfs = hdus["DET_SAMP"].data
    place = tuple(np.array((40.0, -25.0)) / plain.scale)
    ours = plain._propagator.image(plain._propagator.tilt(place))
    ours = ours * np.sum(ours * stpsfs) / np.sum(ours**2)
    # 1.6 % with this coarse sampling of stpsf's focal plane, 0.7 % with 4, 0.6 % with 8.
    assert np.sqrt(np.sum((ours - stpsfs) ** 2) / np.sum(stpsfs**2)) < 0.02
    for wrong in (ours[::-1], ours[:, ::-1]):
        assert np.sqrt(np.sum((wrong - stpsfs) ** 2) / np.sum(stpsfs**2)) > 0.3


def test_a_star_far_from_the_mask_has_unit_flux_and_its_place(stpsf_data, model):
    cool = star_model(
        ROUND, "F335M", data_path=stpsf_data, nlambda=2, fov_pixels=151, spectral_type="M8"
    )
    image = cool.image((3000.0, 0.0))
    assert image.sum() == pytest.approx(1.0, abs=0.06)
    y, x = np.unravel_index(image.argmax(), image.shape)
    assert (x - 75, y - 75) == (round(3000 / cool.scale[0]), 0)
    assert cool.image((20.0, 0.0)).sum() < 0.02
    # A cool star's photons are redder.
    red, ours = (m._propagator.planes[1].weight for m in (cool, model))
    assert red > ours


def test_derivatives_are_those_of_differences(model):
    at = (20.0, -10.0)
    for k, step in enumerate(((0.5, 0.0), (0.0, 0.5))):
        ends = [model.image(np.add(at, s * np.array(step))) for s in (1, -1)]
        difference = ends[0] - ends[1]
        assert model.offset_images(at)[k] == pytest.approx(
            difference, abs=0.01 * np.abs(difference).max()
        )
    mode = segment_modes(model.pupil_x, model.pupil_y, model.pupil_amplitude)[20:21]
    ends = [model.image(at, opd_nm=s * 5.0 * mode[0]) for s in (1, -1)]
    difference = (ends[0] - ends[1]) / 10.0
    assert model.mode_images(at, mode)[0] == pytest.approx(
        difference, abs=0.02 * np.abs(difference).max()
    )


def test_a_drift_has_its_rms_and_leaves_the_star_where_it_is(model):
    rng = np.random.default_rng(3)
    drift = random_drift(model, 20.0, rng=rng)
    inside = model.pupil_amplitude > 0.5
    assert drift[inside].std() == pytest.approx(20.0, rel=1e-6)
    moved = _offset(model.image(opd_nm=drift, occulted=False), model.scale)
    assert moved == pytest.approx((0.0, 0.0), abs=2.0)
    still, drifted = model.image(), model.image(opd_nm=drift)
    assert np.abs(drifted - still).max() > 0.05 * still.max()


def test_miri_phase_mask(stpsf_data):
    model = star_model(MODES["miri-1550"], "F1550C", data_path=stpsf_data, nlambda=1, opd="none")
    on, off = model.image(), model.image((1500.0, 1500.0))
    assert on.max() < 0.02 * off.max()
    y, x = np.unravel_index(off.argmax(), off.shape)
    assert (x - 32, y - 32) == pytest.approx(tuple(1500 / scale for scale in model.scale), abs=1)


def test_bars_are_used_where_the_filter_stands(stpsf_data):
    model = star_model(MODES["nircam-lwb"], "F335M", data_path=stpsf_data, nlambda=1)
    # SIAF: the aperture NRCA5_MASKLWB_F335M is 62.1 pixels from NRCA5_MASKLWB along x.
    assert model.reference == pytest.approx((62.1, -0.1), abs=0.5)
    assert model.image().max() < 0.01 * model.image(occulted=False).max()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fov_pixels": 64}, "fov_pixels = 64"),
        ({"oversample": 1}, "oversample = 1"),
        ({"jitter_mas": -1.0}, "jitter_mas = -1"),
        ({"spectral_type": "Q"}, "no spectral type"),
        ({"opd": "gone.fits"}, r"gone\.fits is not a file"),
    ],
)
def test_values_that_make_no_sense(stpsf_data, options, message):
    with pytest.raises(InputError, match=message):
        star_model(ROUND, "F335M", data_path=stpsf_data, nlambda=1, **options)


def test_a_filter_of_the_other_channel(stpsf_data):
    with pytest.raises(InputError, match="F200W is not offered with MASKA335R"):
        star_model(ROUND, "F200W", data_path=stpsf_data)


def test_an_opaque_instrument_is_refused(stpsf_data, tmp_path):
    """stpsf takes a table of zeros for an opaque pupil, and its image is NaN."""
    for path in stpsf_data.iterdir():
        (tmp_path / path.name).symlink_to(path)
    name = "si_zernikes_coron_wfe.fits"
    table = Table.read(stpsf_data / name)
    for n in range(36):
        table[f"Zernike_{n + 1}"] = 0.0
    (tmp_path / name).unlink()
    table.write(tmp_path / name)
    with pytest.raises(InputError, match="zero throughout"):
        star_model(ROUND, "F335M", data_path=tmp_path, nlambda=1)


def test_the_telescopes_wavefront(stpsf_data, tmp_path, model):
    """Its tilt would move the star on the mask: that too is removed."""
    _, y = telescope_axes(1024, 0.0)
    tilt = 20e-3 / 206265 * 1e9 * y  # nm
    opd = 1e3 * fits.getdata(stpsf_data / OPD)
    path = write_opd(tmp_path / "opd.fits", opd + tilt)
    with_it = star_model(ROUND, "F335M", data_path=stpsf_data, opd=path, nlambda=2, fov_pixels=51)
    assert with_it.opd == path
    # Up to what the other aberrations move the star.
    assert abs(with_it.own_offset[1] - model.own_offset[1]) == pytest.approx(20.0, abs=5.0)
    assert _offset(with_it.image(occulted=False), with_it.scale) == pytest.approx((0, 0), abs=3)
    changed, plain = with_it.image(), model.image()
    assert np.abs(changed - plain).max() > 0.5 * plain.max()


def test_a_wavefront_of_masts_is_the_telescopes_alone(stpsf_data, tmp_path):
    """MAST's files hold the sensing camera's aberration too, and are smaller than the pupil."""
    opd = 1e3 * fits.getdata(stpsf_data / OPD)
    folder = tmp_path / "opds"
    sensed = write_sensed_opd(
        folder / "R2022073002-NRCA3_FP1-1.fits", opd, date="2022-07-30T05:00:00"
    )
    write_sensed_opd(folder / "R2022080202-NRCA3_FP1-1.fits", 0 * opd, date="2022-08-02T05:00:00")
    taken = star_model(
        ROUND, "F335M", data_path=stpsf_data, opd_folder=folder, date="2022-07-31T01:00:00",
        nlambda=1, fov_pixels=51,
    )  # fmt: skip
    assert taken.opd == sensed
    phase = np.angle(taken._propagator.planes[0].pupil)
    telescope = star_model(ROUND, "F335M", data_path=stpsf_data, opd=OPD, nlambda=1, fov_pixels=51)
    wanted = np.angle(telescope._propagator.planes[0].pupil)
    inside = np.abs(telescope._propagator.planes[0].pupil) > 0.9
    nm = taken._propagator.planes[0].wavelength * 1e9 / (2 * np.pi)
    assert np.std(nm * wanted[inside]) == pytest.approx(65.0, rel=0.1)
    # The coarse grid loses some at the edges of segments; the camera's alone is 32 nm.
    assert np.std(nm * (phase - wanted)[inside]) < 12.0
