import numpy as np
import pytest

from coronx.ops.photon_transfer import measure_gain


def flats(gain, noise, seed=1, levels=(20000.0, 15000.0)):
    rng = np.random.default_rng(seed)
    y, x = np.indices((400, 400))
    field = (1 + 0.1 * x / 400) * rng.normal(1.0, 0.01, x.shape)
    slopes = (1 + 0.02 * y / 400, 1 - 0.03 * y / 400)  # twilight moves on
    return [
        rng.poisson(level * field * slope * gain) / gain + rng.normal(0, noise, x.shape)
        for level, slope in zip(levels, slopes, strict=True)
    ]


@pytest.mark.parametrize(("gain", "noise"), [(3.7, 1.2), (0.8, 15.0)])
def test_the_gain_is_found(gain, noise):
    first, second = flats(gain, noise)
    first[100:103, 200] = 60000.0  # a cosmic ray
    second[:, 17] = np.nan
    found, error = measure_gain(first, second, read_noise=noise)
    assert abs(found - gain) < 3 * error
    assert error < 0.01 * gain


def test_read_noise_counts_in_faint_flats():
    first, second = flats(1.0, 20.0, levels=(500.0, 400.0))
    found, error = measure_gain(first, second, read_noise=20.0)
    assert abs(found - 1.0) < 3 * error
    assert measure_gain(first, second, read_noise=0.0)[0] < 0.6


def test_too_small_or_dark_flats_are_refused():
    image = np.full((100, 100), 500.0)
    with pytest.raises(ValueError, match="0 boxes only; 9"):
        measure_gain(image, image, read_noise=1.0)
    with pytest.raises(ValueError, match="boxes only"):
        measure_gain(-image, -image, read_noise=1.0)
