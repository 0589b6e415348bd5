import numpy as np
import pytest

from coronx.ops.bad_pixel_gradients import detect_gradients

SHAPE = (1, 80, 80)
ALL = np.ones(SHAPE, bool)


@pytest.fixture
def image(speckles):
    truth = 400.0 * speckles(80)[None]
    err = np.sqrt(1.0 + truth / 50.0)
    return truth + np.random.default_rng(1).normal(size=SHAPE) * err, err


def test_single_pixels_of_both_signs_are_found(image):
    data, err = image
    for x in (10, 20):
        data[0, 8, x] += 25 * err[0, 8, x]
        data[0, 70, x] -= 25 * err[0, 70, x]
    found = detect_gradients(data, err, ALL, fwhm=2.3)
    assert found[0, 8, [10, 20]].all()
    assert found[0, 70, [10, 20]].all()
    assert found.sum() == 4
    assert not detect_gradients(data, err, ALL, fwhm=2.3, sigma=30.0).any()


@pytest.mark.parametrize("phase", [(0.0, 0.0), (0.3, 0.1), (0.5, 0.5), (0.0, 0.5)])
@pytest.mark.parametrize("peak", [10.0, 100.0, 1000.0])
def test_point_sources_of_the_width_are_not_found(phase, peak):
    y, x = np.indices(SHAPE[1:])
    width = (2.3 / 2.3548) ** 2
    source = np.exp(-0.5 * ((x - 40 - phase[0]) ** 2 + (y - 40 - phase[1]) ** 2) / width)
    data = peak * source + np.random.default_rng(2).normal(size=SHAPE)
    assert not detect_gradients(data, np.ones(SHAPE), ALL, fwhm=2.3)[0, 38:43, 38:43].any()
    assert not detect_gradients(data, np.ones(SHAPE), ALL, fwhm=2.3).any()


def test_the_guard_is_an_option():
    y, x = np.indices(SHAPE[1:])
    source = np.exp(-0.5 * ((x - 40) ** 2 + (y - 40) ** 2) / (2.3 / 2.3548) ** 2)
    data = (100.0 * source)[None]
    assert detect_gradients(data, np.ones(SHAPE), ALL, fwhm=2.3, guard=0.0)[0, 40, 40]


def test_unusable_neighbours_do_not_count():
    data, err = np.zeros(SHAPE), np.ones(SHAPE)
    data[0, 20, 20], data[0, 20, 21] = 50.0, np.nan
    assert detect_gradients(data, err, ALL, fwhm=2.3)[0, 20, 20]
    data[0, 19, 20] = np.nan
    assert not detect_gradients(data, err, ALL, fwhm=2.3).any()
