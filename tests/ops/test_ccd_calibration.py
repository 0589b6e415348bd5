import astropy.units as u
import ccdproc
import numpy as np
import pytest
from astropy.nddata import CCDData, StdDevUncertainty

from coronx.ops.ccd_calibration import Master, calibrate

SHAPE = (200, 240)
GAIN, NOISE = 1.7, 9.0


@pytest.fixture(scope="module")
def night():
    """Return true light, dark current and flat, and a maker of read-outs in ADU."""
    rng = np.random.default_rng(3)
    y, x = np.indices(SHAPE)
    level = 1000.0 + 3.0 * np.sin(x / 9.0)
    current = rng.gamma(2.0, 0.05, SHAPE)
    field = 1.0 - 0.4 * (((x - 120) / 240) ** 2 + ((y - 100) / 200) ** 2)
    field *= rng.normal(1.0, 0.02, SHAPE)

    def read(light, seconds):
        charge = rng.poisson((light * field + current * seconds) * GAIN)
        return level + (charge + rng.normal(0.0, NOISE, SHAPE)) / GAIN

    return level, current, field, read


def averaged(frames):
    frames = np.asarray(frames)
    return Master(frames.mean(axis=0), frames.std(axis=0, ddof=1).mean() / len(frames) ** 0.5)


def masters(night, dark_has_bias=False):
    level, current, field, read = night
    made = [read(0.0, 0.0) for _ in range(6)]
    bias = Master(np.mean(made, axis=0), np.full(SHAPE, NOISE / GAIN / 6**0.5))
    darks = [read(0.0, 100.0) for _ in range(4)]
    variance = (current * 100.0 / GAIN + (NOISE / GAIN) ** 2) / 4
    dark = Master(np.mean(darks, axis=0), np.sqrt(variance))
    if not dark_has_bias:
        dark = Master(dark.data - level, dark.err)
    noise = 0.01
    flat = Master(field * (1 + np.random.default_rng(8).normal(0, noise, SHAPE)), noise * field)
    return bias, dark, flat


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("light", [0.0, 300.0, 20000.0])
def test_light_is_unbiased_and_its_error_right(night, light, has_bias):
    bias, dark, flat = masters(night, has_bias)
    raw = night[3](light, 250.0)
    made = calibrate(
        raw, gain=GAIN, read_noise=NOISE, bias=bias, dark=dark, dark_scale=2.5,
        dark_has_bias=has_bias, flat=flat,
    )  # fmt: skip
    pull = (made.data - light) / made.err
    assert pull.std() == pytest.approx(1.0, abs=0.02)
    assert abs((made.data - light).mean()) < 4 * made.err.mean() / raw.size**0.5 + 1e-4 * light
    assert not made.unusable.any()


def test_the_bias_in_a_dark_of_the_same_time_cancels(night):
    _, _, _, read = night
    bias, dark, _ = masters(night, dark_has_bias=True)
    raw = read(500.0, 100.0)
    with_bias, without = (
        calibrate(raw, gain=GAIN, read_noise=NOISE, bias=b, dark=dark, dark_has_bias=True)
        for b in (bias, None)
    )
    np.testing.assert_allclose(with_bias.data, without.data)
    np.testing.assert_allclose(with_bias.data, raw - dark.data)
    # Without a bias its signal has no dark current; nothing else differs.
    extra = (dark.data - bias.data) / GAIN
    np.testing.assert_allclose(with_bias.err**2, without.err**2 + extra, rtol=1e-6)


def test_it_is_what_ccdproc_does(night):
    bias, dark, flat = masters(night)
    raw = night[3](900.0, 50.0)

    def ccd(data, err):
        return CCDData(data, uncertainty=StdDevUncertainty(err), unit="adu")

    start = np.sqrt(np.maximum(raw - bias.data, 0) / GAIN + (NOISE / GAIN) ** 2)
    theirs = ccdproc.subtract_bias(ccd(raw, start), ccd(bias.data, bias.err))
    theirs = ccdproc.subtract_dark(
        theirs,
        ccd(dark.data, dark.err),
        dark_exposure=100 * u.s,
        data_exposure=50 * u.s,
        scale=True,
    )
    theirs = ccdproc.flat_correct(theirs, ccd(flat.data, flat.err), norm_value=1.0)
    ours = calibrate(
        raw, gain=GAIN, read_noise=NOISE, bias=bias, dark=dark, dark_scale=0.5, flat=flat
    )
    np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-10)
    np.testing.assert_allclose(ours.err, theirs.uncertainty.array, rtol=1e-6)


def test_errors_that_are_there_are_carried_on():
    data, err = np.full((3, 3), 50.0), np.full((3, 3), 4.0)
    made = calibrate(data, err=err, flat=Master(np.full((3, 3), 0.5)), level_err=3.0)
    np.testing.assert_allclose(made.err, 10.0)
    np.testing.assert_allclose(made.data, 100.0)


def test_blemishes_of_masters_stay_where_they_are():
    data = np.full((4, 5), 100.0)
    data[3, 3] = np.nan
    field, level = np.ones((4, 5)), np.zeros((4, 5))
    field[0, :3] = 0.0, -0.1, np.nan
    level[1, 1] = np.nan
    error = np.full((4, 5), 0.1)
    error[2, 2] = np.nan
    made = calibrate(data, gain=1.0, read_noise=0.0, bias=Master(level), flat=Master(field, error))
    expected = np.zeros((4, 5), bool)
    expected[0, :3] = expected[1, 1] = True
    np.testing.assert_array_equal(made.unusable, expected)
    expected[3, 3] = True
    np.testing.assert_array_equal(np.isnan(made.data), expected)
    np.testing.assert_array_equal(np.isnan(made.err), expected)
    assert made.err[2, 2] == pytest.approx(10.0)  # the flat's error is not known there
    assert made.err[2, 3] == pytest.approx(np.hypot(10.0, 10.0))


def test_a_negative_signal_has_the_read_noise():
    made = calibrate(np.full((2, 2), -40.0), gain=2.0, read_noise=6.0)
    np.testing.assert_allclose(made.err, 3.0)


def test_what_makes_no_sense_is_refused():
    data = np.zeros((2, 2))
    with pytest.raises(ValueError, match="positive gain"):
        calibrate(data, gain=0.0, read_noise=1.0)
    with pytest.raises(ValueError, match=r"the flat has the shape \(3, 2\), not \(2, 2\)"):
        calibrate(data, gain=1.0, read_noise=1.0, flat=Master(np.ones((3, 2))))
    with pytest.raises(ValueError, match="scaled by 2"):
        calibrate(
            data, gain=1.0, read_noise=1.0, dark=Master(data), dark_scale=2.0, dark_has_bias=True
        )
