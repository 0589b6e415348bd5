"""Masters and maps of bad pixels, made of a simulated night, beside what is true."""

import numpy as np
import pytest

from coronx.models.ground_flags import FLAGS
from coronx.models.ground_reading import open_frame
from tests.pipelines.night_truth import NIGHT

_BLOCK = 32
_BEYOND = 0.0455  # of normal samples beyond 2 sigma


def assert_within_errors(model, truth):
    """Everywhere, bad pixels too, deviations are as large as ERR says, and not one-sided."""
    far = (model.data.astype(float) - truth) / model.err
    n = NIGHT.size // _BLOCK
    blocks = far.reshape(n, _BLOCK, n, _BLOCK).swapaxes(1, 2).reshape(n * n, -1)
    count = _BLOCK**2
    beyond = (np.abs(blocks) > 2).mean(axis=1)
    assert beyond.max() < _BEYOND + 4.5 * np.sqrt(_BEYOND / count)
    assert (np.abs(far) > 2).mean() == pytest.approx(_BEYOND, abs=0.01)
    # Rows share the error of their overscan's level, which is a tenth of that of a pixel.
    assert np.abs(blocks.mean(axis=1)).max() < 4.5 / np.sqrt(count) + 0.1
    assert np.abs(far).max() < 6


def test_master_bias(night, masters):
    assert_within_errors(open_frame(masters.bias), night.bias)


def test_master_dark(night, masters):
    assert_within_errors(open_frame(masters.dark), night.dark)


@pytest.mark.parametrize("name", NIGHT.filters)
def test_master_flat(night, masters, name):
    assert_within_errors(open_frame(masters.flats[name]), night.flat(name))


def test_read_noise(night):
    import coronx

    result = coronx.MeasureReadNoiseStep.call([str(path) for path in night.made.bias])
    told = result.meta.ground.read_noise
    assert told == pytest.approx(np.hypot(NIGHT.read_noise, NIGHT.gain / np.sqrt(12)), rel=0.01)


def test_hot_and_dead_pixels_are_found(night, masters):
    flags, dark = open_frame(masters.bad_pixels).dq, open_frame(masters.dark)
    found = (flags & FLAGS["BAD_PIXEL"]) > 0
    # What a pixel has more than the others in its neighbourhood, in its own error.
    excess = night.dark - NIGHT.dark_exposure * 0.05 / NIGHT.gain
    hot = night.is_bad(1) & (excess > 5 * dark.err)
    assert hot.sum() > 100
    assert (found & hot).sum() >= 0.99 * hot.sum()
    assert found[night.is_bad(2)].all()
    good = night.hdus["BAD"] == 0
    assert found[good].mean() < 1e-3


def test_bad_columns_are_found(night, masters):
    flags = open_frame(masters.bad_columns).dq
    found = (flags & FLAGS["BAD_COLUMN"]) > 0
    truth = night.is_bad(4)
    assert found[truth].mean() > 0.99
    assert found[~truth].mean() < 1e-3
    single, first, second, part = night.made.truth["bad_columns"]
    for whole in (single, first, second):
        assert found[:, whole["column"]].all()
    assert not found[: part["first_row"] - 10, part["column"]].any()
    # The map that is applied has them, too.
    named = (open_frame(masters.bad_pixels).dq & FLAGS["USER_BAD"]) > 0
    np.testing.assert_array_equal(named, found)
