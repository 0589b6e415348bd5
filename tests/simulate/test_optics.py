import numpy as np
import pytest
from poppy.matrixDFT import matrix_dft

from coronx.refdata.modes import MODES
from coronx.simulate.bandpass import BANDPASSES
from coronx.simulate.occulters import occulter_of
from coronx.simulate.optics import Coronagraph
from coronx.simulate.pupil import DIAMETER, build_pupil
from coronx.simulate.wavefront import drift_opd, static_opd

CASES = [
    ("nircam-210r", "F200W"),
    ("nircam-335r", "F356W"),
    ("nircam-lwb", "F444W"),
    ("miri-1140", "F1140C"),
    ("miri-lyot", "F2300C"),
]
SHAPE, CENTER = (96, 112), (50.3, 44.8)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case[0])
def optics(request):
    mode, filter_name = request.param
    return Coronagraph(MODES[mode], filter_name, wavelengths=2, shape=SHAPE, center=CENTER)


@pytest.fixture(scope="module")
def round_mask():
    return Coronagraph(MODES["nircam-335r"], "F356W", shape=SHAPE, center=CENTER)


def test_unocculted_star_is_where_it_was_put(optics):
    for place in ((50.0, 45.0), (60.25, 40.5), (45.7, 52.1)):
        image = optics.image(place, occulted=False)
        y, x = np.indices(image.shape)
        core = np.exp(-0.5 * ((x - place[0]) ** 2 + (y - place[1]) ** 2) / 2.5**2)
        weighted = image * core / np.sum(image * core)
        # A window pulls a centroid towards its own centre but cannot move a centred one.
        centroid = np.array([np.sum(x * weighted), np.sum(y * weighted)])
        assert centroid == pytest.approx(place, abs=0.02)


def test_peak_moves_by_whole_pixels_with_the_star(optics):
    here = optics.image((40.0, 45.0), occulted=False)
    there = optics.image((47.0, 42.0), occulted=False)
    assert np.allclose(here[10:80, 10:80], there[7:77, 17:87], atol=1e-5 * here.max())


def test_unocculted_star_sums_to_one(optics):
    total = optics.image(CENTER, occulted=False).sum()
    # The array is small: some percent of the light fall beside it.
    assert 0.85 < total < 1.0


def test_occulter_suppresses_the_star_on_axis(optics):
    opd = static_opd(optics.pupil, 65.0, rng=np.random.default_rng(3))
    behind = optics.image(CENTER, opd)
    free = optics.image(CENTER, opd, occulted=False)
    factor = {"NIRCAM": 300, "MIRI": 50}[optics.mode.instrument]
    assert free.max() / behind.max() > factor


def test_companion_far_from_the_mask_keeps_its_light(round_mask):
    place = (CENTER[0] + 35.0, CENTER[1])
    behind, free = round_mask.image(place), round_mask.image(place, occulted=False)
    assert behind.max() == pytest.approx(free.max(), rel=0.03)


def test_companion_at_half_transmission_is_halved(round_mask):
    # 6 lambda/D at 3.35 micrometres, where the round mask halves the intensity.
    hwhm = np.degrees(6 * 3.35e-6 / 6.5) * 3600 / round_mask.mode.scale[0]
    place = (CENTER[0] + hwhm, CENTER[1])
    ratio = round_mask.image(place).sum() / round_mask.image(place, occulted=False).sum()
    assert ratio == pytest.approx(0.5, abs=0.1)
    column = round_mask.transmission()[45, :]
    assert np.interp(place[0], np.arange(SHAPE[1]), column) == pytest.approx(0.5, abs=0.02)


def test_image_agrees_with_poppy(round_mask):
    # An independent transform of the same stop: oversampled, then summed over pixels.
    odd, fine = 41, 9
    mode = round_mask.mode
    ours = Coronagraph(mode, "F335M", wavelengths=1, shape=(odd, odd), center=(20, 20))
    stop = ours.pupil.amplitude * ours.pupil.stop
    wavelength = BANDPASSES["F335M"].pivot * 1e-6
    nlamd = [
        odd * np.radians(scale / 3600) * DIAMETER / wavelength for scale in reversed(mode.scale)
    ]
    field = matrix_dft(stop.astype(complex), nlamd, odd * fine, centering="ADJUSTABLE")
    theirs = (np.abs(field) ** 2).reshape(odd, fine, odd, fine).sum(axis=(1, 3))
    theirs /= np.sum(stop**2)
    image = ours.image((20, 20), occulted=False)
    assert np.allclose(image, theirs, atol=2e-3 * theirs.max())


def test_speckles_survive_a_small_drift(optics):
    rng = np.random.default_rng(5)
    opd = static_opd(optics.pupil, 65.0, rng=rng)
    drifted = opd + drift_opd(optics.pupil, 2.0, rng=rng)
    a, b = optics.image(CENTER, opd), optics.image(CENTER, drifted)
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.97
    assert not np.allclose(a, b, rtol=1e-3)


def test_wavefront_has_the_rms_asked_for_and_no_tilt(round_mask):
    pupil = round_mask.pupil
    inside = pupil.amplitude > 0.5
    for make in (static_opd, drift_opd):
        opd = make(pupil, 65.0, rng=np.random.default_rng(1))
        assert opd[inside].std() == pytest.approx(65e-9)
        assert abs(np.mean(opd[inside] * pupil.x[inside])) < 1e-12


@pytest.mark.parametrize("mode", MODES.values(), ids=lambda mode: mode.name)
def test_stop_lies_inside_the_pupil(mode):
    pupil = build_pupil(mode, 128)
    through = np.sum(pupil.amplitude * pupil.stop) / np.sum(pupil.amplitude)
    low, high = {"MASKRND": (0.16, 0.22), "MASKBAR": (0.12, 0.2), "": (0.55, 0.8)}[mode.pupil]
    assert low < through < high
    # 18 hexagons of 1.32 m, less supports of about 0.11 m by 2.6 m.
    area = pupil.amplitude.sum() * (DIAMETER / 128) ** 2
    assert area == pytest.approx(18 * np.sqrt(0.75) * 1.32**2, rel=0.05)
    assert np.mean(pupil.amplitude[pupil.stop > 0.99] > 0.5) > 0.99


@pytest.mark.parametrize("mode", MODES.values(), ids=lambda mode: mode.name)
def test_occulters_block_the_middle_and_clear_the_rest(mode):
    occulter = occulter_of(mode)
    wavelength = BANDPASSES[mode.filters[0]].pivot * 1e-6
    near, far = np.array([[1e-6]]), np.array([[8.0]])
    if occulter.half_box is None:
        assert occulter.blocked(far, far, wavelength) == pytest.approx(0)
        assert occulter.blocked(far, -far, wavelength) == pytest.approx(2)
    else:
        assert occulter.blocked(near, near, wavelength) == pytest.approx(1)
        assert occulter.blocked(far, far, wavelength) == pytest.approx(0, abs=1e-12)


def test_bars_widen_in_opposite_directions():
    short, long = (occulter_of(MODES[name]) for name in ("nircam-swb", "nircam-lwb"))
    left, right, off = np.array([[-6.0]]), np.array([[6.0]]), np.array([[0.4]])
    assert short.blocked(right, off, 2e-6) > short.blocked(left, off, 2e-6)
    assert long.blocked(left, off, 4e-6) > long.blocked(right, off, 4e-6)


def test_every_filter_of_every_mode_has_a_bandpass():
    for mode in MODES.values():
        assert set(mode.filters) <= set(BANDPASSES)
