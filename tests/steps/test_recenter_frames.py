import json
import logging
from functools import cache

import numpy as np
import pytest
from astropy.io import fits
from jwst import datamodels
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import RecenterFramesStep
from coronx.errors import InputError
from coronx.models.pointing import mask_place
from coronx.refdata import star_models
from coronx.refdata.modes import MODES
from coronx.refdata.psf_file import StarImage
from coronx.refdata.psf_model import star_model
from coronx.refdata.psf_opd import EXAMPLE
from coronx.simulate.exposures import simulate
from coronx.simulate.optics import Coronagraph
from coronx.simulate.scene import Scene
from coronx.simulate.wavefront import static_opd

MODE = MODES["nircam-335r"]
SCALE = np.multiply(MODE.scale, 1e3)
MIDDLE = 159.5
OFFSETS = ((20.0, -30.0), (24.0, -28.0), (17.0, -33.0))  # mas, one an integration


@pytest.fixture(autouse=True)
def no_optics(monkeypatch):
    for name in ("STPSF_PATH", "WEBBPSF_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def optics():
    star = Coronagraph(MODE, "F356W")
    return star, static_opd(star.pupil, 65.0, rng=np.random.default_rng(4))


@pytest.fixture(scope="module")
def observe(make_exposure, optics):
    """Return a maker of exposures of a simulated star, with the blemishes of the others."""
    star, opd = optics
    known = {}

    def image(offset):
        if offset not in known:
            known[offset] = star.image(np.array(MODE.center) + np.array(offset) / SCALE, opd)
        return known[offset]

    def make(offsets=OFFSETS, *, seed=1, flux=4e8, name="star_00001_nrcalong_calints.fits", **more):
        model = make_exposure(name, seed=seed, nints=len(offsets), **more)
        light = flux * np.stack([image(tuple(offset)) for offset in offsets])
        variance = 1.0 + 0.01 * light
        rng = np.random.default_rng(seed)
        data = light + rng.normal(size=light.shape) * np.sqrt(variance)
        blemished = ~np.isfinite(model.data) | (model.dq != 0)
        model.data = np.where(blemished, model.data, data).astype("f4")
        model.err = np.where(np.isfinite(model.err), np.sqrt(variance), np.nan).astype("f4")
        model.var_poisson = (variance - 1.0).astype("f4")
        return model

    return make


@pytest.fixture(scope="module")
def exposure(observe):
    return observe()


@pytest.fixture(scope="module")
def model_psf(optics, tmp_path_factory):
    """Return a file with the image of the star 20, -30 mas off the mask, moved back by that."""
    star, opd = optics
    place = np.array(MODE.center) + np.array(OFFSETS[0]) / SCALE
    x, y = np.rint(place).astype(int)
    image = star.image(place, opd)[y - 32 : y + 33, x - 32 : x + 33]
    image = StarImage(MODE, image).image((np.rint(place) - place) * SCALE)
    path = tmp_path_factory.mktemp("psf") / "star.fits"
    fits.PrimaryHDU(image).writeto(path)
    return path


def error_of(model, offsets=OFFSETS):
    """Return the errors in mas of the places in the table."""
    table = model.star_places
    places = np.stack([table["x"], table["y"]], axis=1) - 1.0
    return (places - MODE.center) * SCALE - np.array(offsets)


def fresh(model):
    """Return a copy as it would come without any record."""
    bare = model.copy()
    for name in ("star_x", "star_y", "star_source", "mask_x", "mask_y", "recenter_frames"):
        setattr(bare.meta.coronx, name, None)
    return bare


@pytest.fixture(scope="module")
def measured(exposure):
    return RecenterFramesStep.call(exposure)


@pytest.fixture(scope="module")
def centred(exposure):
    return RecenterFramesStep.call(exposure, measure_only=False)


def test_without_optics_symmetry_tells(measured, exposure):
    assert np.abs(error_of(measured)).max() < 8.0
    assert np.abs(error_of(measured) / SCALE).max() < 5 * measured.star_places["sigma_x"].max()
    record = measured.meta.coronx
    assert record.star_source == "symmetry"
    assert record.recenter_frames == "MEASURED"
    for name in ("data", "err", "dq", "var_poisson"):
        np.testing.assert_array_equal(getattr(measured, name), getattr(exposure, name))
    assert measured.meta.wcsinfo.crpix1 == exposure.meta.wcsinfo.crpix1
    assert (record.mask_x, record.mask_y) == pytest.approx(np.add(MODE.center, 1.0))
    # Mask and star are kept apart.
    assert record.star_x != record.mask_x
    assert list(measured.star_places["integration"]) == [1, 2, 3]


def test_the_record_is_the_mean_of_all_integrations_not_the_last_ones(measured):
    table, record = measured.star_places, measured.meta.coronx
    for axis, at, scatter in (
        ("x", record.star_x, record.star_sigma_x), ("y", record.star_y, record.star_sigma_y),
    ):  # fmt: skip
        assert at == pytest.approx(table[axis].mean())
        assert scatter == pytest.approx(table[axis].std(ddof=1))
        assert abs(at - table[axis][-1]) > 0.02


def test_integrations_and_exposures_are_measured_each(observe, measured):
    np.testing.assert_allclose(
        np.diff(error_of(measured), axis=0), 0.0, atol=2.5, err_msg="relative places"
    )
    other = observe([(-25.0, 10.0)], seed=2, name="psf_00001_nrcalong_calints.fits", is_psf=True)
    both = RecenterFramesStep.call([observe(OFFSETS[:1]), other])
    assert isinstance(both, ModelContainer)
    first, second = both
    assert np.abs(error_of(first, OFFSETS[:1])).max() < 8.0
    assert np.abs(error_of(second, [(-25.0, 10.0)])).max() < 8.0


def test_nan_in_the_image_is_no_matter(exposure):
    assert np.isnan(exposure.data).any(), "the exposure has NaN with DQ = 0"
    worse = exposure.copy()
    worse.data[1] = np.nan
    worse.data[2, 160:180, 150:155] = np.nan
    result = RecenterFramesStep.call(worse)
    assert list(result.star_places["good"]) == [1, 0, 1]
    assert np.abs(error_of(result)[[0, 2]]).max() < 10.0
    table = result.star_places
    assert result.meta.coronx.star_x == pytest.approx(table["x"][[0, 2]].mean())


def test_an_exposure_without_a_good_pixel_is_refused(exposure):
    worse = exposure.copy()
    worse.data[:] = np.nan
    with pytest.raises(InputError, match="no good pixel"):
        RecenterFramesStep.call(worse)


def test_bad_bits_are_left_out(exposure):
    worse = exposure.copy()
    rows, cols = np.s_[150:165], np.s_[130:170]
    worse.data[:, rows, cols] += 3000.0
    worse.dq[:, rows, cols] |= pixel["SATURATED"]
    told = RecenterFramesStep.call(worse, bad_bits="DO_NOT_USE,SATURATED")
    assert np.abs(error_of(told)).max() < 12.0
    untold = RecenterFramesStep.call(worse)
    assert not untold.star_places["good"].any() or np.abs(error_of(untold)).max() > 30.0


def test_moved_once_to_the_middle(exposure, centred):
    record = centred.meta.coronx
    assert record.recenter_frames == "COMPLETE"
    assert (record.star_x - 1, record.star_y - 1) == pytest.approx((MIDDLE, MIDDLE))
    assert centred.shape == exposure.shape
    shift = np.subtract((MIDDLE, MIDDLE), np.array(MODE.center) + np.mean(OFFSETS, axis=0) / SCALE)
    assert np.subtract(mask_place(centred), MODE.center) == pytest.approx(shift, abs=0.15)
    # The sky position of the star is what it was.
    before = RecenterFramesStep.call(exposure).meta.coronx
    sky = centred.meta.wcs(MIDDLE, MIDDLE, with_bounding_box=False)
    assert sky == pytest.approx((before.star_ra, before.star_dec), abs=1e-9)
    good = (centred.dq & pixel["DO_NOT_USE"]) == 0
    assert np.isfinite(centred.data[good]).all()
    assert (centred.err[good] > 0.0).all()
    total = centred.var_poisson + centred.var_rnoise
    np.testing.assert_allclose(total[good], centred.err[good] ** 2, rtol=1e-3)
    # What comes from beyond the frame holds nothing.
    empty = np.isnan(centred.data)
    assert empty.any()
    assert (centred.dq[empty] & pixel["NON_SCIENCE"]).any()


def test_flux_is_kept(observe):
    clean = observe(blemishes=False)
    moved = RecenterFramesStep.call(clean, measure_only=False)
    y, x = np.indices(clean.shape[1:])
    sums = []
    for model, star in ((clean, MODE.center), (moved, (MIDDLE, MIDDLE))):
        sums.append(model.data[:, np.hypot(x - star[0], y - star[1]) < 90].sum(axis=1))
    np.testing.assert_allclose(sums[0], sums[1], rtol=2e-3)


def test_all_by_the_mean_or_each_by_its_own(exposure, centred):
    table = centred.star_places
    assert (table["x"].mean(), table["y"].mean()) == pytest.approx((MIDDLE + 1, MIDDLE + 1))
    assert np.ptp(table["x"]) > 0.05
    own = RecenterFramesStep.call(exposure, measure_only=False, per_integration=True)
    for axis in ("x", "y"):
        np.testing.assert_allclose(own.star_places[axis], MIDDLE + 1.0, atol=1e-9)
    # Subtracted from each other they are alike only if each was moved by its own.
    area = np.s_[130:190, 130:190]
    rms = [np.nanstd(m.data[1][area] - m.data[2][area]) for m in (own, centred)]
    assert rms[0] < 0.8 * rms[1]


def test_measured_again_after_the_move_it_is_there(centred):
    # The mask moved with the star: its place is kept.
    again = fresh(centred)
    again.meta.coronx.mask_x, again.meta.coronx.mask_y = (m + 1 for m in mask_place(centred))
    again = RecenterFramesStep.call(again)
    found = again.meta.coronx
    assert (found.star_x - 1, found.star_y - 1) == pytest.approx((MIDDLE, MIDDLE), abs=0.05)


@pytest.mark.parametrize("interpolation", ["spline", "lanczos"])
def test_interpolations_agree(exposure, centred, interpolation):
    other = RecenterFramesStep.call(exposure, measure_only=False, interpolation=interpolation)
    area = np.s_[:, 130:190, 130:190]
    differ = np.nanstd(other.data[area] - centred.data[area])
    assert 0.0 < differ < 0.1 * np.nanstd(centred.data[area])


def test_done_before_it_does_nothing(centred, measured, caplog):
    with caplog.at_level(logging.INFO):
        again = RecenterFramesStep.call(centred, measure_only=False)
        once_more = RecenterFramesStep.call(measured)
    assert "done before" in caplog.text
    assert "measured before" in caplog.text
    for name in ("data", "err", "dq"):
        np.testing.assert_array_equal(getattr(again, name), getattr(centred, name))
    np.testing.assert_array_equal(once_more.star_places, measured.star_places)
    assert once_more.meta.coronx.star_x == measured.meta.coronx.star_x
    # What was only measured can still be moved, from the place that it has.
    moved = RecenterFramesStep.call(measured, measure_only=False)
    assert moved.meta.coronx.star_x - 1 == pytest.approx(MIDDLE)


def test_given_and_mask(exposure):
    given = RecenterFramesStep.call(exposure, star_center=[148.25, 172.5])
    record = given.meta.coronx
    assert (record.star_x, record.star_y, record.star_source) == (149.25, 173.5, "given")
    by_mask = RecenterFramesStep.call(exposure, method="mask").meta.coronx
    assert (by_mask.star_x, by_mask.star_y) == pytest.approx((by_mask.mask_x, by_mask.mask_y))
    assert by_mask.star_source == "mask centre"
    with pytest.raises(InputError, match="star_center"):
        RecenterFramesStep.call(exposure, method="given")


def test_a_star_so_far_away_that_nothing_would_be_left_is_refused(exposure):
    far = [900.0, 172.5]
    with pytest.raises(InputError, match=r"star_00001.*\(900\.0, 172\.5\).*320 x 320.*star_center"):
        RecenterFramesStep.call(exposure, star_center=far, measure_only=False)
    # To be told of, it may be anywhere: a crop may leave it out.
    assert RecenterFramesStep.call(exposure, star_center=far).meta.coronx.star_x == 901.0


def test_a_mask_that_is_not_known_needs_the_star(exposure, caplog):
    other = exposure.copy()
    other.meta.instrument.coronagraph = "NONE"
    with pytest.raises(InputError, match=r"CORONMSK = NONE.*star_center"):
        RecenterFramesStep.call(other, method="symmetry")
    left = RecenterFramesStep.call(other)
    assert left.meta.coronx.recenter_frames == "SKIPPED"
    assert "where the mask is is not known" in caplog.text
    given = RecenterFramesStep.call(other, star_center=[148.25, 172.5])
    assert given.meta.coronx.star_x == 149.25
    assert given.meta.coronx.mask_x is None


def test_another_method_measures_anew(measured):
    again = RecenterFramesStep.call(measured, star_center=[148.25, 172.5])
    assert again.meta.coronx.star_source == "given"
    assert RecenterFramesStep.call(again, method="mask").meta.coronx.star_source == "mask centre"


def test_where_no_star_is_found_it_is_said_and_nothing_is_recorded(exposure, caplog):
    result = RecenterFramesStep.call(exposure, max_offset=0.01)
    assert "no star is found by symmetry" in caplog.text
    record = result.meta.coronx
    assert record.star_x is None
    assert record.star_source is None
    assert not result.star_places["good"].any()
    # To be moved, it must be somewhere: where the pointing puts it.
    moved = RecenterFramesStep.call(exposure, max_offset=0.01, measure_only=False)
    assert moved.meta.coronx.star_source == "CRPIX"
    assert moved.meta.wcsinfo.crpix1 == pytest.approx(MIDDLE + 1)


def test_what_is_taken_from_the_pointing_is_where_the_dither_puts_it(exposure):
    dithered = exposure.copy()
    dithered.meta.dither.x_offset, dithered.meta.dither.y_offset = 0.015, -0.010
    record = RecenterFramesStep.call(dithered, method="mask").meta.coronx
    assert record.star_x - record.mask_x == pytest.approx(0.015 / 0.063, rel=0.02)
    assert record.star_y - record.mask_y == pytest.approx(-0.010 / 0.063, rel=0.02)
    assert record.star_sigma_x is None


def test_an_image_of_the_star(exposure, model_psf):
    result = RecenterFramesStep.call(exposure, model_psf=str(model_psf))
    assert result.meta.coronx.star_source == "model_psf"
    assert np.abs(error_of(result)).max() < 2.0
    assert np.isfinite(result.star_places["sigma_x"]).all()


def test_simulated_stars_get_what_is_asked_for(exposure, monkeypatch, model_psf, tmp_path):
    asked = []

    def star_model(mode, name, **options):
        asked.append((mode.name, name, options))
        return star_models.read_star_image(model_psf, mode)

    monkeypatch.setattr(star_models, "star_model", star_model)
    spectrum, opd = tmp_path / "star.txt", tmp_path / "opd.fits"
    common = {"data_path": str(tmp_path), "spectral_type": "K5V", "spectrum": str(spectrum)}
    result = RecenterFramesStep.call(exposure, opd=str(opd), drift_nm=0.0, **common)
    assert np.abs(error_of(result)).max() < 2.0
    RecenterFramesStep.call(exposure, opd=str(tmp_path), **common)
    RecenterFramesStep.call(exposure, method="model", data_path=str(tmp_path), opd="none")
    mode, name, options = asked[0]
    assert (mode, name) == ("nircam-335r", "F356W")
    assert options == {**common, "opd": str(opd), "opd_folder": None, "date": "2022-07-29"}
    # A folder is searched by date.
    assert asked[1][2]["opd"] is None
    assert asked[1][2]["opd_folder"] == tmp_path
    assert asked[2][2]["opd"] == "none"
    # Exposures that are alike share one.
    asked.clear()
    RecenterFramesStep.call([exposure, exposure], opd=str(opd), **common)
    assert len(asked) == 1


def test_stpsf_itself(make_exposure, stpsf_data, monkeypatch):
    """With stand-in data, and a perfect telescope, which is read in a third of the time."""
    monkeypatch.setenv("STPSF_PATH", str(stpsf_data))
    # Made once, with what the step asks for, since it takes seconds.
    made = cache(star_model)
    monkeypatch.setattr(star_models, "star_model", made)
    options = {"data_path": None, "spectral_type": "G2V", "spectrum": None}
    star = made(MODE, "F356W", **options, opd="none", opd_folder=None, date="2022-07-29")
    middle = np.rint(MODE.center).astype(int)
    star = star.moved(tuple(MODE.center - middle))
    exposure = make_exposure(nints=2)
    rng = np.random.default_rng(3)
    light = np.stack([star.image(np.array(offset)) for offset in OFFSETS[:2]])
    light *= 3000.0 / light.max()
    low_x, low_y = middle - star.fov // 2
    box = np.s_[:, low_y : low_y + star.fov, low_x : low_x + star.fov]
    bad = ~np.isfinite(exposure.data[box]) | (exposure.dq[box] != 0)
    sigma = np.sqrt(1.0 + 0.01 * light)
    data = light + rng.normal(size=light.shape) * sigma
    exposure.data[box] = np.where(bad, exposure.data[box], data)
    exposure.err[box] = sigma
    result = RecenterFramesStep.call(exposure, method="model", opd="none", drift_nm=0.0)
    assert result.meta.coronx.star_source == "model"
    assert made.cache_info().hits == 1
    assert np.abs(error_of(result, OFFSETS[:2])).max() < 3.0


def test_optics_that_are_missing_are_named(exposure, monkeypatch, tmp_path):
    with pytest.raises(InputError, match="STPSF_PATH"):
        RecenterFramesStep.call(exposure, method="model")
    monkeypatch.setenv("WEBBPSF_PATH", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="gone"):
        RecenterFramesStep.call(exposure, opd="some.fits")


def test_optics_without_a_wavefront_are_worse_than_none(exposure, monkeypatch, tmp_path):
    monkeypatch.setenv("STPSF_PATH", str(tmp_path))
    asked = []
    monkeypatch.setattr(star_models, "star_model", lambda *_, **__: asked.append(1) or 1 / 0)
    for opd in (None, "none"):
        result = RecenterFramesStep.call(exposure, opd=opd)
        assert result.meta.coronx.star_source == "symmetry"
    (tmp_path / EXAMPLE).touch()
    with pytest.raises(ZeroDivisionError):
        RecenterFramesStep.call(exposure)
    assert RecenterFramesStep.call(exposure, opd="none").meta.coronx.star_source == "symmetry"
    assert asked == [1]


def test_the_choice_is_said_once(exposure, caplog):
    with caplog.at_level(logging.INFO):
        RecenterFramesStep.call([exposure, exposure])
    assert caplog.text.count("found by method = symmetry") == 1


def test_an_association_file(observe, tmp_path):
    members = []
    for n, (kind, offset) in enumerate(
        (("science", (20.0, -30.0)), ("psf", (-25.0, 10.0)), ("background", (0.0, 0.0)))
    ):
        name = f"star_{n:05d}_nrcalong_calints.fits"
        observe([offset], seed=n, name=name, is_psf=kind == "psf").save(str(tmp_path / name))
        members.append({"expname": name, "exptype": kind})
    table = {
        "asn_type": "coron3", "asn_rule": "DMS_Level3_Base", "asn_id": "a3001", "asn_pool": "none",
        "program": "none", "products": [{"name": "target", "members": members}],
    }  # fmt: skip
    asn = tmp_path / "target_asn.json"
    asn.write_text(json.dumps(table))
    RecenterFramesStep.call(str(asn), save_results=True, output_dir=str(tmp_path / "out"))
    science, psf, background = (
        datamodels.open(str(tmp_path / "out" / f"star_{n:05d}_nrcalong_recenter.fits"))
        for n in range(3)
    )
    with science, psf, background:
        heads = [
            fits.getheader(m.meta.filename and str(tmp_path / "out" / m.meta.filename))
            for m in (science, psf, background)
        ]
        assert [h["S_CXREC"] for h in heads] == ["MEASURED", "MEASURED", "SKIPPED"]
        assert "STARCENX" not in heads[2]
        for head, offset in zip(heads, ((20.0, -30.0), (-25.0, 10.0)), strict=False):
            place = np.array((head["STARCENX"], head["STARCENY"])) - 1.0
            assert np.abs((place - MODE.center) * SCALE - offset).max() < 10.0
            assert head["STARSRC"] == "symmetry"
    with fits.open(tmp_path / "out" / "star_00000_nrcalong_recenter.fits") as hdus:
        assert hdus["STARPOS"].data["good"][0] == 1


def test_a_file_alone(exposure, tmp_path):
    exposure.copy().save(str(tmp_path / "star_00001_nrcalong_calints.fits"))
    result = RecenterFramesStep.call(str(tmp_path / "star_00001_nrcalong_calints.fits"))
    assert isinstance(result, CubeModel)
    assert np.abs(error_of(result)).max() < 8.0


def observed(folder, mode, name):
    """Return a scene's one exposure, and the true place of the star in it."""
    scene = Scene(
        mode, name, star_jy=8.0, reference_jy=8.0, rolls_deg=(60.0,), integrations=1, references=0,
        wavelengths=3,
    )  # fmt: skip
    made = simulate(folder, scene)
    truth = made.truth["exposures"][0]["star_pixel_integrations"][0]
    return str(made.science[0]), np.array(truth), np.multiply(MODES[mode].scale, 1e3)


def star_of(model):
    record = model.meta.coronx
    return np.array((record.star_x, record.star_y)) - 1.0


def test_a_bar_along_its_length_too(tmp_path):
    path, truth, scale = observed(tmp_path, "nircam-lwb", "F444W")
    result = RecenterFramesStep.call(path)
    assert result.meta.coronx.star_source == "symmetry"
    assert np.abs((star_of(result) - truth) * scale).max() < 15.0


def test_miri_is_at_the_mask_unless_asked_for(tmp_path):
    path, truth, scale = observed(tmp_path, "miri-1140", "F1140C")
    result = RecenterFramesStep.call(path)
    assert result.meta.coronx.star_source == "mask centre"
    np.testing.assert_allclose(star_of(result), MODES["miri-1140"].center)
    fitted = RecenterFramesStep.call(path, method="symmetry")
    assert fitted.meta.coronx.star_source == "symmetry"
    assert np.abs((star_of(fitted) - truth) * scale).max() < 30.0
