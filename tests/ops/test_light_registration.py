import numpy as np
import pytest

from coronx.ops.light_registration import refine_by_light

NY, NX = 200, 240
SHIFT = np.array([6.37, -3.82])


def cluster(rng, *, noise, offset=(0.0, 0.0), angle=0.0, sigma=2.5, level=50.0):
    """Return many faint stars, none of which is seen well."""
    stars = np.random.default_rng(1)
    x, y = stars.normal(120, 28, 300), stars.normal(100, 28, 300)
    flux = stars.uniform(10, 60, 300) * 10
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y = cosine * x - sine * y + offset[0], sine * x + cosine * y + offset[1]
    rows, columns = np.indices((NY, NX))
    image = np.full((NY, NX), level)
    for a, b, f in zip(x, y, flux, strict=True):
        image += f / (2 * np.pi * sigma**2) * np.exp(
            -0.5 * ((columns - a) ** 2 + (rows - b) ** 2) / sigma**2
        )  # fmt: skip
    return image + rng.normal(0, noise, image.shape)


@pytest.fixture(scope="module")
def clean():
    rng = np.random.default_rng(2)
    return cluster(rng, noise=0.0), cluster(rng, noise=0.0, offset=SHIFT)


def test_without_noise(clean):
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.01, (2, NY, NX))
    found = refine_by_light(
        clean[0] + noise[0],
        clean[1] + noise[1],
        np.eye(2),
        SHIFT + np.array([2.0, -1.5]),
        sigma=2.5,
    )
    np.testing.assert_allclose(found.offset, SHIFT, atol=0.01)
    assert found.error < 0.005


def test_the_error_is_told_truly(clean):
    rng = np.random.default_rng(4)
    misses, errors = [], []
    for _ in range(16):
        a, b = (image + rng.normal(0, 12.0, image.shape) for image in clean)
        found = refine_by_light(
            a, 0.7 * b + 20, np.eye(2), SHIFT + np.array([0.6, -0.5]), sigma=2.5
        )
        misses.append(found.offset - SHIFT)
        errors.append(found.error)
    misses, error = np.array(misses), np.mean(errors)
    assert 0.02 < error < 0.3
    assert np.abs(misses.mean(axis=0)).max() < 3 * error / 4
    assert np.sqrt(np.mean(misses**2)) == pytest.approx(error, rel=0.35)


def test_rotation_is_kept_and_bad_pixels_are_left_out():
    rng = np.random.default_rng(5)
    angle = 0.03
    a, b = cluster(rng, noise=1.0), cluster(rng, noise=1.0, offset=SHIFT, angle=angle)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    good = np.ones(a.shape, bool)
    a[90:93, 100:103], good[90:93, 100:103] = 1e5, False
    b[50, 60] = np.nan
    found = refine_by_light(a, b, matrix, SHIFT + np.array([1.0, 1.0]), sigma=2.5, good=good)
    np.testing.assert_array_equal(found.matrix, matrix)
    np.testing.assert_allclose(found.offset, SHIFT, atol=0.05)


def test_what_cannot_be(clean):
    rng = np.random.default_rng(6)
    a, b = clean
    with pytest.raises(ValueError, match="no good pixel"):
        refine_by_light(np.full_like(a, np.nan), b, np.eye(2), SHIFT)
    with pytest.raises(ValueError, match="do not overlap"):
        refine_by_light(a + rng.normal(0, 1, a.shape), b, np.eye(2), np.array([5000.0, 0.0]))
    with pytest.raises(ValueError, match=r"no light in common|agrees nowhere"):
        refine_by_light(*rng.normal(0, 1, (2, NY, NX)), np.eye(2), np.zeros(2), sigma=4.0)
