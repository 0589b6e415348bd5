import numpy as np
import pytest

from coronx.ops.star_photometry import measure_fluxes
from tests.ops.star_scenes import blemishes, gaussian, moffat, star_grid, star_scene

SIZE = (384, 384)


def _scene(profile, *, step=36, seed=4, low=3.8, **options):
    x, y = star_grid(SIZE, step, margin=25)
    flux = 10 ** np.random.default_rng(seed).uniform(low, 5.3, x.size)
    return star_scene(x, y, flux, profile, size=SIZE, **options)


def _measured(scene, bad=None, fwhm=3.3, **options):
    bad = np.zeros(SIZE, bool) if bad is None else bad
    return measure_fluxes(scene.image - 199.0, scene.err, bad, scene.x, scene.y, fwhm=fwhm,
                          **options)  # fmt: skip


@pytest.mark.parametrize(
    ("profile", "fwhm", "beyond"),
    [(gaussian(3.3), 3.3, 0.0), (gaussian(1.8), 1.9, 0.0), (moffat(3.3, 4.765), 3.5, 0.001),
     (moffat(3.3, 3.0), 3.6, 0.004)],
)  # fmt: skip
def test_fluxes_are_true_and_their_errors_too(profile, fwhm, beyond):
    scene = _scene(profile)
    found = _measured(scene, fwhm=fwhm)
    ratio = found.flux / scene.flux
    weight = (found.flux / found.flux_sigma) ** 2
    assert np.average(ratio, weights=weight) == pytest.approx(1.0 - beyond, abs=0.004)
    bright = scene.flux > 3e4
    assert np.abs(ratio[bright] - 1.0).max() < 0.035
    pull = (found.flux - (1 - beyond) * scene.flux) / found.flux_sigma
    assert pull.std() == pytest.approx(1.0, abs=0.25)
    assert found.calibrators > 20
    assert not found.crowded.any()
    np.testing.assert_allclose(found.level, 1.0, atol=5 * found.level.std())


@pytest.mark.parametrize("aperture", [0.8, 1.5, 2.5])
def test_the_aperture_does_not_matter(aperture):
    scene = _scene(moffat(3.3, 4.765))
    found = _measured(scene, aperture=aperture)
    weight = (found.flux / found.flux_sigma) ** 2
    assert np.average(found.flux / scene.flux, weights=weight) == pytest.approx(0.999, abs=0.006)


def test_light_on_bad_pixels_is_put_back():
    scene = _scene(moffat(3.3, 4.765), step=24)
    image, bad = blemishes(scene.image, share=0.02)
    found = _measured(scene._replace(image=image), bad)
    some = (found.lost > 0.01) & (found.lost < 0.3) & (scene.flux > 2e4)
    assert some.sum() > 10
    ratio = found.flux[some] / scene.flux[some]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.012)
    assert np.abs(found.flux[some] / scene.flux[some] - 1).max() < 0.08
    pull = (found.flux - scene.flux)[some] / found.flux_sigma[some]
    assert 0.5 < pull.std() < 1.5
    gone = np.isnan(found.flux)
    np.testing.assert_array_equal(gone, found.lost > 0.5)


def test_stars_at_the_edge_and_lost_ones():
    x, y = np.array([2.0, 190.0, 100.0, 382.0]), np.array([100.0, 190.0, 1.0, 381.0])
    flux = np.full(4, 1e5)
    scene = star_scene(x, y, flux, gaussian(3.3), size=SIZE)
    bad = np.zeros(SIZE, bool)
    bad[187:194, 187:194] = True
    found = _measured(scene, bad)
    assert np.isnan(found.flux[1])
    assert np.isnan(found.flux_sigma[1])
    assert found.lost[1] > 0.9
    np.testing.assert_allclose(found.flux[[0, 2, 3]], 1e5, rtol=0.05)


def test_crowded_stars_and_their_backgrounds():
    scene = _scene(gaussian(3.3), step=40)
    x, y = np.append(scene.x, scene.x[:5] + 8.0), np.append(scene.y, scene.y[:5])
    flux = np.append(scene.flux, np.full(5, 4e4))
    both = star_scene(x, y, flux, gaussian(3.3), size=SIZE)
    found = _measured(both)
    assert found.crowded.sum() == 10
    np.testing.assert_allclose(found.flux[5 : scene.x.size] / scene.flux[5:], 1.0, atol=0.15)
    # A neighbour's light is not taken for sky.
    np.testing.assert_allclose(found.level[:5], 1.0, atol=3.0)


def test_without_bright_stars_the_correction_is_that_of_the_air():
    x, y = np.array([100.0, 200.0]), np.array([100.0, 220.0])
    scene = star_scene(x, y, np.full(2, 2e5), moffat(3.3, 4.765), size=SIZE)
    found = _measured(scene)
    assert found.calibrators == 0
    assert 0.002 < found.correction_sigma < 0.03
    np.testing.assert_allclose(found.flux, 2e5, rtol=0.01)
    none = measure_fluxes(
        scene.image, scene.err, scene.image < 0, x[:0], y[:0], fwhm=3.3
    )  # fmt: skip
    assert none.flux.size == 0


def test_saturated_stars_tell_no_correction():
    scene = _scene(gaussian(3.3))
    usable = np.arange(scene.x.size) % 2 == 0
    image = scene.image.copy()
    for x, y in zip(scene.x[~usable], scene.y[~usable], strict=True):
        image[int(y) - 1 : int(y) + 3, int(x) - 1 : int(x) + 3] = 201.0
    found = _measured(scene._replace(image=image), usable=usable)
    ratio = found.flux / scene.flux
    assert np.median(ratio[usable]) == pytest.approx(1.0, abs=0.01)
    assert found.calibrators <= usable.sum()
