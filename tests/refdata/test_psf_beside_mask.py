import numpy as np
import pytest

from coronx.refdata.modes import MODES
from coronx.refdata.psf_beside_mask import PsfBesideMask
from coronx.refdata.psf_model import star_model
from coronx.refdata.transmission import transmission

ROUND, BAR, PHASE = MODES["nircam-335r"], MODES["nircam-lwb"], MODES["miri-1140"]
FRAME = (121, 141)
PLACE = (66.3, 58.8)  # of the mask


@pytest.fixture(scope="module")
def models(stpsf_data):
    made = {}

    def make(mode, filter_name):
        if mode.name not in made:
            made[mode.name] = star_model(
                mode,
                filter_name,
                data_path=stpsf_data,
                nlambda=3 if mode is ROUND else 1,
                fov_pixels=33,
            )
        return made[mode.name]

    return make


@pytest.fixture(scope="module")
def beside(models):
    return PsfBesideMask(models(ROUND, "F356W"), mask_place=PLACE, shape=FRAME)


def _direct(model, off):
    """The image of a source `off` arcsec from the mask on a stamp of the same pixels."""
    pixels = np.multiply(1e3, off) / model.scale
    at = np.add(PLACE, pixels)
    rest = at - np.rint(at)
    from_reference = pixels - model.reference
    mas = from_reference * model.scale
    return model.moved(tuple(rest - from_reference)).image(mas), at


@pytest.mark.parametrize(
    ("off", "tolerance"),
    [
        ((0.21, -0.2), 0.006), ((-0.5, 0.3), 0.002), ((0.9, 0.71), 0.001), ((-1.2, 1.5), 0.002),
        ((2.9, -1.0), 0.002),
    ],
)  # fmt: skip
def test_it_is_what_a_direct_simulation_gives(beside, models, off, tolerance):
    wanted, at = _direct(models(ROUND, "F356W"), off)
    stamp = beside(*at)
    assert (stamp.row, stamp.col) == (round(at[1]) - 16, round(at[0]) - 16)
    inner = np.s_[3:-3, 3:-3]
    wanted, found = wanted[inner], stamp.values[inner]
    assert np.abs(found - wanted).max() < tolerance * wanted.max()
    flux = np.vdot(found, wanted) / np.vdot(wanted, wanted)
    assert flux == pytest.approx(1.0, abs=tolerance)


def test_the_shape_is_not_the_kernels_near_the_mask(beside):
    """What scaling the kernel by the transmission would get wrong."""
    stamp = beside(*np.add(PLACE, (4.0, 0.0))).values
    kernel = beside.kernel * np.vdot(stamp, beside.kernel) / np.vdot(beside.kernel, beside.kernel)
    assert np.abs(stamp - kernel).max() > 0.02 * stamp.max()


@pytest.mark.parametrize(("mode", "filter_name", "off"), [
    (BAR, "F444W", (1.1, 0.45)), (PHASE, "F1140C", (0.9, 0.35)),
])  # fmt: skip
def test_bars_and_phase_masks(models, mode, filter_name, off):
    model = models(mode, filter_name)
    psf = PsfBesideMask(model, mask_place=PLACE, shape=FRAME)
    wanted, at = _direct(model, off)
    found = psf(*at).values
    inner = np.s_[3:-3, 3:-3]
    assert np.abs(found - wanted)[inner].max() < 0.012 * wanted.max()
    assert np.vdot(found, psf.kernel) < 0.9 * np.vdot(psf.kernel, psf.kernel)


def test_the_transmission_is_that_of_the_stamps(beside):
    through = beside.transmission(FRAME)
    assert through.shape == FRAME
    for at in ((70, 66), (80, 40), (66, 59), (120, 100), (25, 90)):
        stamp = beside(*map(float, at)).values
        match = np.vdot(stamp, beside.kernel) / np.vdot(beside.kernel, beside.kernel)
        assert through[at[1], at[0]] == pytest.approx(match, abs=2e-3)
    # And, within what the finite Lyot stop leaks, the analytic mask's.
    analytic = transmission(ROUND, shape=FRAME, center=PLACE)
    assert np.abs(through - analytic).max() < 0.02
    assert through.min() < 1e-3
    assert 0.999 < np.median(through) < 1.001


def test_neutral_densities_dim_it(beside, models):
    """5 arcsec squares below the mask, and frames of other sizes."""
    model = models(ROUND, "F356W")
    tall = PsfBesideMask(model, mask_place=(160.0, 160.0), shape=(320, 320))
    x, y = np.add((160.0, 160.0), np.divide((8.5, -7.0), ROUND.scale))
    assert tall(x, y).peak == pytest.approx(1e-3 * tall.kernel.max(), rel=0.2)
    assert beside.kernel.shape == (33, 33)


def test_pixels_too_coarse_for_shifts_do_not_matter(stpsf_data):
    """F250M has 1.6 pixels a lambda/D: moving its pixels would be wrong by 4 % of the peak."""
    model = star_model(ROUND, "F250M", data_path=stpsf_data, nlambda=1, fov_pixels=33)
    psf = PsfBesideMask(model, mask_place=PLACE, shape=FRAME)
    wanted, at = _direct(model, (1.45, -2.1))
    inner = np.s_[3:-3, 3:-3]
    assert np.abs(psf(*at).values - wanted)[inner].max() < 0.003 * wanted.max()
