import json

import numpy as np
import pytest
from astropy.io import fits

from coronx import ApplyMastersStep
from coronx.errors import InputError
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_reading import open_frame
from coronx.models.ground_wcs import wcs_of
from tests.steps.calibration_frames import (
    BIAS,
    CURRENT,
    FIELD,
    FULL,
    GAIN,
    LIGHT,
    NOISE,
    PATTERN,
    SHAPE,
    master,
    masters,
    raw,
)

BAD = FLAGS["BAD_PIXEL"] | FLAGS["DO_NOT_USE"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("night")


@pytest.fixture(scope="module")
def made(folder):
    return masters(folder)


@pytest.fixture(scope="module")
def frame(folder):
    return raw(folder / "light.fits")


def pull(model):
    return (model.data - LIGHT) / model.err


@pytest.mark.parametrize("overscan", [False, True])
def test_light_and_error_are_right(tmp_path, overscan):
    options = masters(tmp_path, overscan=overscan)
    path = raw(tmp_path / "light.fits", overscan=overscan)
    model = ApplyMastersStep.call(path, **options)
    assert model.shape == SHAPE
    assert pull(model).std() == pytest.approx(1.0, abs=0.02)
    assert abs(pull(model).mean()) < 0.03
    ground = model.meta.ground
    assert ground.bias_subtracted and ground.dark_subtracted and ground.flat_divided
    assert (ground.bias_file, ground.dark_file, ground.flat_file) == (
        "bias.fits",
        "dark.fits",
        "flat.fits",
    )
    assert (ground.gain, ground.read_noise) == (GAIN, NOISE)
    assert ground.noise_ratio == pytest.approx(1.0, abs=0.03)
    assert ground.trim_region is None
    if overscan:
        assert ground.overscan_level == pytest.approx(BIAS + 25.0, abs=0.2)
    assert model.meta.ground_steps.apply_masters == "COMPLETE"
    assert model.data.dtype == model.err.dtype == np.float32


def test_nothing_is_subtracted_twice(frame, made):
    once = ApplyMastersStep.call(frame, **made)
    twice = ApplyMastersStep.call(once, **made)
    np.testing.assert_array_equal(twice.data, once.data)
    np.testing.assert_array_equal(twice.err, once.err)
    assert ApplyMastersStep.call(once).meta.ground_steps.apply_masters == "SKIPPED"


def test_one_master_after_the_other_is_all_at_once(frame, made):
    together = ApplyMastersStep.call(frame, **made)
    model = frame
    for kind in ("bias", "dark", "flat"):
        model = ApplyMastersStep.call(model, **{kind: made[kind]})
    np.testing.assert_allclose(model.data, together.data, rtol=1e-5)
    np.testing.assert_allclose(model.err, together.err, rtol=1e-5)


@pytest.mark.parametrize(
    ("cards", "applied"),
    [
        ({"CALSTAT": "BD"}, {"flat"}),
        ({"HISTORY": "Process Calibrate"}, set()),
        ({}, {"bias", "dark", "flat"}),
    ],
)
def test_what_the_header_says_was_done_is_left(tmp_path, made, cards, applied):
    path = raw(tmp_path / "light.fits", **cards)
    model = ApplyMastersStep.call(path, **made)
    used = {k for k in made if getattr(model.meta.ground, f"{k}_file") is not None}
    assert used == applied
    assert np.isfinite(model.err).all()
    if not applied:
        np.testing.assert_array_equal(model.data, open_frame(path).data)
        assert model.meta.ground_steps.apply_masters == "SKIPPED"


def test_saturation_and_maps_and_masters_flags(tmp_path, made):
    def blemish(image):
        image[10, 10] = FULL
        image[11, 11] = FULL - 20

    path = raw(tmp_path / "light.fits", blemish=blemish)
    dq = np.zeros(SHAPE, np.uint32)
    dq[:, 30] = FLAGS["BAD_COLUMN"]
    own = master(tmp_path / "map.fits", "dark", np.zeros(SHAPE), np.ones(SHAPE), dq=dq)
    plain = np.zeros(SHAPE, np.uint8)
    plain[50, 60] = 1
    fits.writeto(tmp_path / "plain.fits", plain)
    field = FIELD.copy()
    field[70, 80], field[71, 80] = 0.0, np.nan
    flat = master(tmp_path / "flat.fits", "flat", field, 0 * field, filter="Ha", normalization=2e4)
    options = made | {"flat": flat, "bad_pixels": [own, str(tmp_path / "plain.fits")]}
    model = ApplyMastersStep.call(path, **options)
    expected = np.zeros(SHAPE, np.uint32)
    expected[10, 10] = FLAGS["SATURATED"]
    expected[:, 30] = FLAGS["BAD_COLUMN"] | FLAGS["DO_NOT_USE"]
    expected[50, 60] = expected[70, 80] = expected[71, 80] = BAD
    np.testing.assert_array_equal(model.dq, expected)
    assert np.isnan(model.data[70:72, 80]).all()
    assert np.isnan(model.err[70:72, 80]).all()
    assert np.isfinite(np.delete(model.data, 80, axis=1)).all()
    assert model.meta.ground.badpix_file == "map.fits, plain.fits"
    lower = ApplyMastersStep.call(path, **made, saturation=FULL - 50.0)
    assert lower.dq[11, 11] == FLAGS["SATURATED"]


def test_gain_and_read_noise_may_be_given(frame, made):
    usual = ApplyMastersStep.call(frame, **made)
    doubled = ApplyMastersStep.call(frame, **made, gain=2 * GAIN, read_noise=0.0)
    np.testing.assert_array_equal(doubled.data, usual.data)
    signal = np.maximum(usual.data * FIELD + CURRENT * 60, 0)
    less = usual.err**2 - (signal / GAIN / 2 + (NOISE / GAIN) ** 2) / FIELD**2
    np.testing.assert_allclose(doubled.err**2, less, rtol=0.03)
    assert doubled.meta.ground.gain == 2 * GAIN


def test_doubtful_errors_are_told(frame, made, caplog):
    ApplyMastersStep.call(frame, **made, gain=10 * GAIN, read_noise=0.0)
    assert "blank sky scatters" in caplog.text
    caplog.clear()
    model = ApplyMastersStep.call(frame, **made, gain=10 * GAIN, check_noise=False)
    assert "scatters" not in caplog.text
    assert model.meta.ground.noise_ratio is None


def test_without_a_gain_the_error_is_the_scatter_of_the_sky(tmp_path, made, caplog):
    path = raw(tmp_path / "light.fits", EGAIN=None, RDNOISE=None)
    model = ApplyMastersStep.call(path, **made)
    assert "no gain" in caplog.text
    assert np.median(model.err) == pytest.approx((model.data - LIGHT).std(), rel=0.05)


def test_the_read_noise_of_the_bias_is_taken(tmp_path, made):
    path = raw(tmp_path / "light.fits", RDNOISE=None)
    assert ApplyMastersStep.call(path, **made).meta.ground.read_noise == NOISE


def test_an_association_brings_its_masters(tmp_path):
    options = masters(tmp_path)
    other = master(
        tmp_path / "flat_r.fits", "flat", FIELD, 0.0 * FIELD, filter="R", normalization=1e4
    )
    names = [raw(tmp_path / f"light{n}.fits", seed=n) for n in (1, 2)]
    members = [(name, "science") for name in names]
    members += [(options[k], k) for k in options] + [(other, "flat")]
    table = {
        "products": [
            {
                "name": "night",
                "members": [
                    {"expname": name.rsplit("/", 1)[-1], "exptype": kind} for name, kind in members
                ],
            }
        ]
    }
    path = tmp_path / "night_asn.json"
    path.write_text(json.dumps(table))
    frames = ApplyMastersStep.call(str(path))
    assert [m.meta.filename for m in frames] == ["light1.fits", "light2.fits"]
    for model in frames:
        assert model.meta.ground.flat_file == "flat.fits"
        assert pull(model).std() == pytest.approx(1.0, abs=0.02)


def test_the_dark_of_the_nearest_time_is_taken(tmp_path, made, frame):
    near = master(
        tmp_path / "near.fits",
        "dark",
        np.full(SHAPE, 25.0),
        np.ones(SHAPE),
        exposure_time=50.0,
        bias_subtracted=True,
    )
    model = ApplyMastersStep.call(frame, **made | {"dark": [made["dark"], near]})
    assert model.meta.ground.dark_file == "near.fits"


def test_a_dark_with_its_bias(tmp_path, made, frame):
    level = BIAS + PATTERN
    dark = master(
        tmp_path / "biased.fits", "dark", level + CURRENT * 60, np.ones(SHAPE), exposure_time=60.0
    )
    for options in (made | {"dark": dark}, {"dark": dark, "flat": made["flat"]}):
        model = ApplyMastersStep.call(frame, **options)
        assert abs(pull(model).mean()) < 0.05
        assert model.meta.ground.bias_subtracted
    long = master(
        tmp_path / "long.fits", "dark", level + CURRENT * 90, np.ones(SHAPE), exposure_time=90.0
    )
    assert abs(pull(ApplyMastersStep.call(frame, **made | {"dark": long})).mean()) < 0.05
    with pytest.raises(InputError, match=r"long.fits: its bias is in it, and cannot be scaled"):
        ApplyMastersStep.call(frame, dark=long)


def test_an_untrimmed_master_is_cut_and_the_wcs_moves(tmp_path):
    wcs = {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 10.0,
        "CRVAL2": 20.0,
        "CRPIX1": 90.0,
        "CRPIX2": 80.0,
        "CD1_1": -3e-4,
        "CD2_2": 3e-4,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "TRIMSEC": "[11:176,5:160]",
    }
    path = raw(tmp_path / "light.fits", overscan=True, **wcs)
    wide = np.pad(FIELD, ((0, 0), (0, 24)), constant_values=1.0)
    flat = master(tmp_path / "wide.fits", "flat", wide, 0 * wide, filter="Ha", normalization=1e4)
    model = ApplyMastersStep.call(path, flat=flat)
    assert model.shape == (156, 166)
    light = model.data - (PATTERN + CURRENT * 60)[4:, 10:] / FIELD[4:, 10:]
    assert ((light - LIGHT) / model.err).std() == pytest.approx(1.0, abs=0.05)
    np.testing.assert_allclose(wcs_of(model).wcs.crpix, [80.0, 76.0])
    np.testing.assert_allclose(wcs_of(open_frame(path)).wcs.crpix, [90.0, 80.0])
    kept = ApplyMastersStep.call(path, overscan="none")
    assert kept.shape == (156, 166)
    np.testing.assert_array_equal(kept.data, open_frame(path).data[4:, 10:176])
    assert ApplyMastersStep.call(path, overscan="rows").meta.ground.overscan_level == pytest.approx(
        BIAS + 25.0, abs=0.5
    )


def fault(folder, made, **change):
    """Return options with one master changed."""
    kind = change.pop("kind")
    data = change.pop("data", np.full(SHAPE, 50.0) if kind == "dark" else FIELD)
    path = folder / "other.fits"
    standard = {
        "dark": {"exposure_time": 100.0, "bias_subtracted": True, "ccd_temperature": -15.0},
        "flat": {"filter": "Ha", "normalization": 1e4},
        "bias": {},
    }[kind]
    return made | {kind: master(path, kind, data, 0 * data, **standard | change)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"kind": "flat", "filter": "V"},
            r"light.fits: no master flat fits: other.fits has the filter V, not Ha; give",
        ),
        ({"kind": "flat", "binning_x": 2}, r"other.fits is binned 1 x 2, not 1 x 1"),
        ({"kind": "dark", "ccd_temperature": -10.0}, r"other.fits was at -10 C, not -15 C"),
        ({"kind": "dark", "exposure_time": None}, r"other.fits has the exposure time None"),
        ({"kind": "dark", "exposure_time": 10.0}, r"other.fits is of 10 s, too short for 60 s"),
        (
            {"kind": "dark", "bias_subtracted": None},
            r"other.fits: its level 50 is below that of bias.fits",
        ),
        ({"kind": "flat", "data": np.ones((9, 8))}, r"other.fits has 8 x 9 pixels, not 176 x 160"),
        (
            {"kind": "bias", "data": np.ones(SHAPE), "overscan_level": 900.0},
            r"its overscan is in it, that of other.fits",
        ),
        (
            {"kind": "flat", "data": np.zeros(SHAPE), "normalization": None},
            r"other.fits: its median is 0",
        ),
    ],
)
def test_a_master_that_does_not_fit_is_refused(tmp_path, made, frame, change, message):
    with pytest.raises(InputError, match=message):
        ApplyMastersStep.call(frame, **fault(tmp_path, made, **change))


def test_frames_that_cannot_be_calibrated_are_refused(tmp_path, made):
    path = raw(tmp_path / "light.fits", EXPTIME=None)
    with pytest.raises(InputError, match=r"light.fits has the exposure time None"):
        ApplyMastersStep.call(path, **made)
    path = raw(tmp_path / "over.fits", overscan=True, BIASSEC="[179:230,1:160]")
    with pytest.raises(InputError, match=r"over.fits: section .* correct BIASSEC"):
        ApplyMastersStep.call(path, **made)
    path = raw(tmp_path / "level.fits", overscan=True)
    with pytest.raises(InputError, match=r"bias.fits: its level is 999.* subtracted twice"):
        ApplyMastersStep.call(path, **made)


def test_a_flat_is_no_bias(frame, made):
    with pytest.raises(InputError, match=r"flat.fits is a flat, not a bias"):
        ApplyMastersStep.call(frame, bias=made["flat"])


def test_two_biases_of_one_frame_are_too_many(tmp_path, made, frame):
    with pytest.raises(InputError, match=r"2 bias images fit: .* coronx_build_master_bias"):
        ApplyMastersStep.call(frame, bias=[made["bias"], made["bias"]])
    wrong = master(tmp_path / "small.fits", "dark", np.ones((4, 4)), np.ones((4, 4)))
    with pytest.raises(InputError, match=r"no map of bad pixels fits: small.fits has 4 x 4"):
        ApplyMastersStep.call(frame, bad_pixels=wrong)


def test_limits_of_darks_may_be_moved(tmp_path, made, frame):
    options = fault(tmp_path, made, kind="dark", ccd_temperature=-10.0)
    assert ApplyMastersStep.call(frame, **options, temperature_tolerance=6.0).meta.ground.dark_file
    options = fault(tmp_path, made, kind="dark", exposure_time=10.0)
    assert ApplyMastersStep.call(frame, **options, max_dark_ratio=6.0).meta.ground.dark_file


def test_the_product_is_saved_under_its_suffix(tmp_path, made, frame):
    ApplyMastersStep.call(frame, **made, save_results=True, output_dir=str(tmp_path), suffix="done")
    model = open_frame(tmp_path / "light_done.fits")
    assert model.meta.ground.flat_divided
    assert model.meta.ground.noise_ratio == pytest.approx(1.0, abs=0.03)
