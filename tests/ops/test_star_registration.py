import numpy as np
import pytest

from coronx.ops.star_registration import register_stars

SIZE = 1000.0


def lists(rng, *, angle=0.0, scale=1.0, shift=(0.0, 0.0), count=80, noise=0.0, lost=0.0, alien=0):
    """Return a field's stars, and the same seen by another frame."""
    x, y = rng.uniform(0, SIZE, (2, count))
    flux = rng.pareto(1.0, count) + 1.0
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    u = cosine * x - sine * y + shift[0] + rng.normal(0, noise, count)
    v = sine * x + cosine * y + shift[1] + rng.normal(0, noise, count)
    kept = rng.uniform(size=count) >= lost
    more = rng.uniform(0, SIZE, (2, alien))
    return (x, y, flux), (
        np.concatenate([u[kept], more[0]]),
        np.concatenate([v[kept], more[1]]),
        np.concatenate([(flux * rng.lognormal(0, 0.1, count))[kept], rng.pareto(1.0, alien) + 1]),
    )


@pytest.mark.parametrize("angle", [0.0, 0.02, 1.9, np.pi])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (-310.4, 220.7)])
def test_exact(angle, shift):
    a, b = lists(np.random.default_rng(1), angle=angle, shift=shift, scale=1.03)
    found = register_stars(*a, *b)
    u, v = found(a[0], a[1])
    np.testing.assert_allclose(u, b[0], atol=1e-6)
    np.testing.assert_allclose(v, b[1], atol=1e-6)
    assert len(found.pairs) == 80
    assert np.array_equal(found.pairs[:, 0], found.pairs[:, 1])


def test_noise_lost_stars_and_aliens():
    rng = np.random.default_rng(2)
    misses = []
    for _ in range(8):
        a, b = lists(rng, angle=0.3, shift=(40.0, -25.0), noise=0.3, lost=0.3, alien=25)
        found = register_stars(*a, *b)
        x, y = found(np.array([500.0]), np.array([500.0]))
        true = (500 * (np.cos(0.3) - np.sin(0.3)) + 40, 500 * (np.cos(0.3) + np.sin(0.3)) - 25)
        misses.append(np.array([x[0] - true[0], y[0] - true[1]]) / found.error)
        assert found.rms == pytest.approx(0.3, rel=0.35)
        assert found.error < 0.06
    # In the middle of the stars the error is what it is said to be.
    assert np.sqrt(np.mean(np.square(misses))) == pytest.approx(1.0, abs=0.45)


def test_faint_stars_off_by_a_pixel():
    a, b = lists(np.random.default_rng(3), angle=0.01, shift=(12.0, -1.0), noise=1.0, count=60)
    found = register_stars(*a, *b, model="shift")
    assert np.array_equal(found.matrix, np.eye(2))
    found = register_stars(*a, *b)
    assert np.arctan2(found.matrix[1, 0], found.matrix[0, 0]) == pytest.approx(0.01, abs=0.003)
    assert np.allclose(found.offset, (12.0, -1.0), atol=1.5)


def test_affine():
    rng = np.random.default_rng(4)
    a, _ = lists(rng)
    matrix = np.array([[1.002, 0.004], [-0.001, 0.997]])
    u, v = matrix @ np.array(a[:2]) + np.array([[3.0], [-8.0]])
    found = register_stars(*a, u, v, a[2], model="affine")
    np.testing.assert_allclose(found.matrix, matrix, atol=1e-9)
    assert register_stars(*a, u, v, a[2]).rms > 0.1


def test_stars_without_a_value_are_left_out():
    a, b = lists(np.random.default_rng(5), shift=(5.0, 5.0))
    a[0][3], b[2][7] = np.nan, np.nan
    found = register_stars(*a, *b)
    assert len(found.pairs) == 78
    assert not {3, 7} & set(found.pairs.ravel().tolist())


def test_chance_is_not_a_registration():
    rng = np.random.default_rng(6)
    for _ in range(3):
        a, _ = lists(rng)
        b, _ = lists(rng)
        with pytest.raises(ValueError, match=r"no arrangement .* by more than chance"):
            register_stars(*a, *b)


def test_a_mirror_and_another_scale_do_not_match():
    rng = np.random.default_rng(7)
    a, b = lists(rng)
    with pytest.raises(ValueError, match="no arrangement"):
        register_stars(*a, SIZE - b[0], b[1], b[2])
    a, b = lists(rng, scale=1.3)
    with pytest.raises(ValueError, match="no arrangement"):
        register_stars(*a, *b)
    assert register_stars(*a, *b, scale_change=0.5).rms < 1e-6


def test_too_few_and_unknown_models():
    a, b = lists(np.random.default_rng(8), count=3)
    with pytest.raises(ValueError, match="3 and 3 stars"):
        register_stars(*a, *b)
    with pytest.raises(ValueError, match="'spiral'"):
        register_stars(*a, *b, model="spiral")
