import numpy as np
import pytest

from coronx.errors import InputError
from coronx.refdata.unocculted import read_unocculted
from tests.point_sources import airy
from tests.refdata.unocculted_exposure import AREA, MODE, PLACE, SKY, TOTAL, exposure


def _check(star, *, tolerance=0.003):
    assert star.place == pytest.approx(PLACE, abs=0.02)
    held = airy((65, 65), *np.subtract(PLACE, np.rint(PLACE)) + 32).sum()
    assert star.total == pytest.approx(TOTAL * held, rel=tolerance)
    assert star.transmission > 0.97
    assert star.pixel_area_sr == AREA


def test_a_star_is_found_and_cut_out():
    star = read_unocculted(exposure(), MODE, "F356W")
    _check(star)
    assert star.image.shape == (65, 65)
    assert np.count_nonzero(~star.good) == 2
    # What no integration measured is filled, what one of them lost is not missed.
    wanted = TOTAL * airy((65, 65), *star.center)
    assert np.abs(star.image - wanted).max() < 0.02 * wanted.max()
    good = np.abs(star.image - wanted)[star.good]
    assert good.max() < 0.012 * wanted.max()
    assert 0 < star.total_sigma < 0.02 * star.total


def test_files_are_read_as_models_are(tmp_path):
    model = exposure()
    path = tmp_path / "beside_calints.fits"
    model.save(path)
    ours, theirs = (read_unocculted(s, MODE, "F356W") for s in (path, model))
    assert np.array_equal(ours.image, theirs.image)
    assert (ours.name, ours.total_sigma) == (theirs.name, theirs.total_sigma)
    assert ours.pixel_area_sr == pytest.approx(AREA)


@pytest.mark.parametrize("nints", [1, 2])
def test_few_integrations(nints):
    star = read_unocculted(exposure(nints=nints, blemishes=False), MODE, "F356W")
    _check(star, tolerance=4 * star.total_sigma / star.total)


def test_a_star_near_the_edge_has_a_smaller_cut_out():
    star = read_unocculted(exposure(place=(12.2, 200.4), blemishes=False), MODE, "F356W")
    assert star.image.shape == (25, 25)
    assert star.place == pytest.approx((12.2, 200.4), abs=0.02)


def test_behind_a_neutral_density_the_mask_is_not_asked():
    model = exposure(place=MODE.center)
    model.meta.instrument.filter, model.meta.instrument.coronagraph = "F335M", None
    star = read_unocculted(model, MODE, None, attenuation=0.01)
    assert (star.transmission, star.filter, star.attenuated) == (0.01, "F335M", True)


def test_the_errors_count(monkeypatch):
    """The stated error of the sum is its scatter, where noise is what matters."""
    totals, sigmas = [], []
    for seed in range(12):
        monkeypatch.setattr(np.random, "default_rng", lambda _, s=seed: np.random.Generator(
            np.random.PCG64(s)))  # fmt: skip
        star = read_unocculted(exposure(blemishes=False, noise=40.0, nints=2), MODE, "F356W")
        totals.append(star.total)
        sigmas.append(star.total_sigma)
    assert np.std(totals) == pytest.approx(np.mean(sigmas), rel=0.6)


def _saturated():
    model = exposure()
    x, y = (round(c) for c in PLACE)
    model.dq[:, y, x] = 2
    return model


def _gone():
    model = exposure()
    x, y = (round(c) for c in PLACE)
    model.data[:, y - 1 : y + 2, x - 1 : x + 2] = np.nan
    return model


def _empty():
    model = exposure()
    model.data[:] = np.nan
    return model


def _other(**changes):
    model = exposure()
    for name, value in changes.items():
        setattr(model.meta.instrument, name, value)
    return model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_saturated, "core of its star is saturated"),
        (_gone, "core of its star has 8 bad pixels"),
        (_empty, "no good pixel"),
        (lambda: exposure(factor=0.0, blemishes=False), "give an exposure"),
        (lambda: exposure(place=(152.0, 178.0)), r"where the mask of nircam-335r lets 0\.\d+ thr"),
        (lambda: exposure(place=(3.0, 178.0)), "less than 5 pixels from the edge"),
        (lambda: _other(filter="F444W"), "FILTER is F444W, not F356W"),
        (lambda: _other(coronagraph="MASKA430R"), "CORONMSK is MASKA430R, not MASKA335R"),
        (lambda: "gone.fits", r"gone\.fits"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        read_unocculted(make(), MODE, "F356W")


def test_the_sky_is_the_ring_around():
    star = read_unocculted(exposure(blemishes=False), MODE, "F356W")
    rim = star.image[0]
    assert abs(np.median(rim)) < 0.2 * SKY + TOTAL * 1e-5
