import numpy as np
import pytest

from coronx.ops.symmetry import symmetry_center
from coronx.refdata.modes import MODES
from coronx.refdata.transmission import transmission
from coronx.simulate.optics import Coronagraph
from coronx.simulate.wavefront import static_opd

SIZE = 81
GUESS = (40.0, 40.0)


def halo(place, *, odd=0.0, seed=1):
    """Return speckles that are alike on opposite sides of a place, but for a share that is not."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIZE, SIZE))
    x, y = x - place[0], y - place[1]
    even = np.zeros((SIZE, SIZE))
    uneven = np.zeros((SIZE, SIZE))
    for _ in range(60):
        kx, ky = rng.uniform(-0.9, 0.9, 2)  # radians a pixel: fine enough for the pixels
        weight = rng.normal()
        even += weight * np.cos(kx * x + ky * y)
        uneven += rng.normal() * np.sin(kx * x + ky * y)
    return (even + odd * uneven) ** 2 * np.exp(-np.hypot(x, y) / 12.0)


def center(image, bad=None, *, weight=None, **options):
    bad = np.zeros(image.shape, bool) if bad is None else bad
    weight = np.ones(image.shape) if weight is None else weight
    options = {"guess": GUESS, "limit": 3.0} | options
    return symmetry_center(image[None], bad[None], weight=weight, **options)


@pytest.mark.parametrize("place", [(40.0, 40.0), (41.37, 38.81), (38.75, 42.5)])
def test_the_centre_of_a_symmetric_halo(place):
    found = center(1e3 * halo(place))
    assert found.good.all()
    np.testing.assert_allclose(found.place[0], place, atol=0.02)
    assert found.correlation[0] > 0.99
    assert (found.sigma < 0.05).all()


def test_a_hole_beside_it_does_not_attract_it():
    y, x = np.indices((SIZE, SIZE))
    weight = np.clip((np.hypot(x - 42.5, y - 38.0) - 4.0) / 4.0, 0.0, 1.0)
    found = center(1e3 * halo((40.3, 40.6)), weight=weight)
    np.testing.assert_allclose(found.place[0], (40.3, 40.6), atol=0.03)


def test_bad_pixels_have_no_part_whatever_they_hold():
    rng = np.random.default_rng(2)
    image = 1e3 * halo((40.3, 40.6))
    bad = rng.uniform(size=image.shape) < 0.03
    bad[20:24, 50:60] = True
    places = []
    for garbage in (0.0, 1e12, -1e12, np.nan):
        found = center(np.where(bad, garbage, image), bad)
        places.append(found.place[0])
    for place in places[1:]:
        np.testing.assert_allclose(place, places[0], atol=1e-6)
    np.testing.assert_allclose(places[0], (40.3, 40.6), atol=0.03)
    # NaN is bad whether told or not.
    np.testing.assert_allclose(center(np.where(bad, np.nan, image)).place[0], places[0], atol=1e-9)


def test_each_image_has_its_own_place():
    places = np.array([(40.2, 40.1), (39.8, 40.4), (41.0, 39.5)])
    images = np.stack([1e3 * halo(place) for place in places])
    found = symmetry_center(
        images, np.zeros(images.shape, bool), weight=np.ones((SIZE, SIZE)), guess=GUESS, limit=3.0
    )
    np.testing.assert_allclose(found.place, places, atol=0.02)


def test_what_has_no_centre_is_said():
    noise = np.random.default_rng(3).normal(size=(SIZE, SIZE))
    for image in (noise, np.ones((SIZE, SIZE)), np.full((SIZE, SIZE), np.nan)):
        found = center(image)
        assert not found.good.any()
    beyond = center(1e3 * halo((44.5, 40.0)), limit=2.0)
    assert not beyond.good.any()


def test_nothing_to_look_at_is_an_error():
    image = np.ones((SIZE, SIZE))
    with pytest.raises(ValueError, match="no pixel has weight"):
        center(image, weight=np.zeros((SIZE, SIZE)))
    with pytest.raises(ValueError, match="weight"):
        center(image, weight=np.ones((3, 3)))


def behind_a_mask(name, filter_name, width, offset, seed):
    """Return what is found of a star at an offset, the error in mas and its sigma."""
    mode = MODES[name]
    middle = (45.2, 44.7)
    star = Coronagraph(mode, filter_name, shape=(91, 91), center=middle)
    opd = static_opd(star.pupil, 65.0, rng=np.random.default_rng(seed))
    scale = np.multiply(mode.scale, 1e3)
    true = np.array(middle) + np.array(offset) / scale
    image = star.image(true, opd)
    rng = np.random.default_rng(5)
    data = rng.poisson(image / image.max() * 1e5 + 100.0) - 100.0
    y, x = np.indices(data.shape)
    weight = transmission(mode, shape=data.shape, center=middle)
    weight = weight * (np.hypot(x - middle[0], y - middle[1]) < 20 * width)
    found = center(data, weight=weight, guess=middle, limit=150.0 / min(scale))
    return found, (found.place[0] - true) * scale, found.sigma[0] * scale


@pytest.mark.parametrize(
    ("name", "filter_name", "width", "mas"),
    [
        ("nircam-335r", "F335M", 1.7, 6.0),
        ("nircam-210r", "F210M", 2.2, 6.0),
        ("nircam-lwb", "F335M", 1.7, 12.0),
        ("miri-1140", "F1140C", 3.3, 25.0),
    ],
)
def test_light_that_a_wavefront_throws_behind_a_mask(name, filter_name, width, mas):
    for seed, offset in ((4, (30.0, -20.0)), (5, (-5.0, 15.0))):
        found, error, sigma = behind_a_mask(name, filter_name, width, offset, seed)
        assert found.good.all()
        assert np.abs(error).max() < mas
        assert np.abs(error / sigma).max() < 3.5
        assert sigma.max() < mas
