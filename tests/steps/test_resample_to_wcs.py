import numpy as np
import pytest
from astropy.io import fits

from coronx import ResampleToWcsStep
from coronx.errors import InputError
from coronx.models.arrays import array_of
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_registration import PLANE, any_wcs_of
from coronx.models.ground_wcs import set_wcs, wcs_of
from tests.steps.ground_scene import FLUX, SIZE, SKY, fluxes, light, sky_wcs

NO_DATA = FLAGS["NO_DATA"] | FLAGS["DO_NOT_USE"]


def lights(**options):
    return [
        light("a", 1, **options),
        light("b", 2, angle=0.03, shift=(4.3, -2.6), **options),
        light("c", 3, angle=3.15, shift=(-3.2, 5.4), **options),
    ]


@pytest.fixture(scope="module")
def solved():
    return lights(blemish=[(60, 60), (61, 60), (60, 61), (61, 61)])


@pytest.fixture(scope="module")
def resampled(solved):
    return ResampleToWcsStep.call(solved)


def test_one_grid_holds_all(solved, resampled):
    first = wcs_of(resampled[0])
    for before, after in zip(solved, resampled, strict=True):
        assert after.shape == resampled[0].shape
        assert wcs_of(after).wcs == first.wcs
        assert after.meta.ground_steps.resample_to_wcs == "COMPLETE"
        assert before.meta.ground_steps.resample_to_wcs is None
        x, y = first.all_world2pix(*wcs_of(before).all_pix2world([0, 159], [0, 159], 0), 0)
        assert min(x.min(), y.min()) > -1
        none = np.isnan(after.data)
        assert 0.02 < none.mean() < 0.3
        assert ((after.dq[none] & NO_DATA) == NO_DATA).all()
        assert not (after.dq[~none] & NO_DATA).any()
        assert np.array_equal(none, np.isnan(after.err))


def test_light_and_places_stay(solved, resampled):
    for before, after in zip(solved, resampled, strict=True):
        x, y = after.stars["x"] - 1, after.stars["y"] - 1
        at = wcs_of(before).all_pix2world(before.stars["x"], before.stars["y"], 1)
        expected = wcs_of(after).all_world2pix(*at, 0)
        np.testing.assert_allclose([x, y], expected, atol=1e-6)
        bad = (before.dq & FLAGS["DO_NOT_USE"]) != 0
        bad_rows, bad_columns = np.nonzero(bad)
        far = np.hypot(before.stars["x"] - 1 - bad_columns[0], before.stars["y"] - 1 - bad_rows[0])
        flux = fluxes(after.data, x, y, SKY)
        whole = np.isfinite(flux) & (far > 14)
        assert whole.sum() >= 15
        # Noise in the aperture is 2 % of the faintest star.
        assert np.abs(flux[whole] / FLUX[whole] - 1).max() < 0.07
        assert np.abs(np.sum(flux[whole]) / np.sum(FLUX[whole]) - 1) < 0.005
        assert np.isfinite(after.stars["ra"]).all()


def test_bad_pixels_are_left_out_and_told(solved, resampled):
    x, y = wcs_of(resampled[1]).all_world2pix(*wcs_of(solved[1]).all_pix2world(60.5, 60.5, 0), 0)
    near = (slice(int(y) - 4, int(y) + 6), slice(int(x) - 4, int(x) + 6))
    assert np.nanmax(resampled[1].data[near]) < 5000
    told = resampled[1].dq[near]
    assert (told & FLAGS["BAD_PIXEL"]).any()


def test_noise_of_large_areas_is_recorded(resampled, tmp_path):
    values = [image.meta.ground.correlation for image in resampled]
    assert all(2.0 < value < 2.6 for value in values)
    resampled[0].save(str(tmp_path / "a_resampled.fits"))
    assert fits.getheader(tmp_path / "a_resampled.fits")["NOISCORR"] == pytest.approx(values[0])
    turned = light("a", 1, angle=0.2)
    hann = ResampleToWcsStep.call(turned, method="hann")
    assert 1.2 < hann.meta.ground.correlation < 1.8
    assert ResampleToWcsStep.call(hann).meta.ground.correlation > hann.meta.ground.correlation


def test_onto_the_pixels_of_a_reference(solved, tmp_path):
    found = ResampleToWcsStep.call(solved, grid="reference", reference="b.fits", method="interp")
    assert [image.shape for image in found] == [(SIZE, SIZE)] * 3
    assert wcs_of(found[0]).wcs.crpix == pytest.approx(wcs_of(solved[1]).wcs.crpix)
    np.testing.assert_allclose(
        found[1].data[70:150, 70:150], solved[1].data[70:150, 70:150], rtol=1e-4
    )
    other = light("other", 7, shift=(30.0, 0.0))
    other.save(str(tmp_path / "other.fits"))
    found = ResampleToWcsStep.call(
        solved[0], grid="reference", reference=str(tmp_path / "other.fits")
    )
    assert wcs_of(found).wcs.crpix[0] == pytest.approx(SIZE / 2 + 30)


def test_scale_of_pixels_and_what_stays(solved):
    flux = ResampleToWcsStep.call(solved[0], pixel_scale=2.0)
    area = ResampleToWcsStep.call(solved[0], pixel_scale=2.0, conserve="brightness")
    assert flux.shape == (80, 80)
    assert np.nanmedian(area.data) == pytest.approx(np.nanmedian(solved[0].data), rel=0.02)
    assert np.nanmedian(flux.data) == pytest.approx(4 * np.nanmedian(area.data), rel=1e-3)
    assert flux.stars["fwhm"][0] == pytest.approx(solved[0].stars["fwhm"][0] / 2, rel=1e-4)


def test_a_rotated_grid_is_smaller():
    turned = light("turned", 5, angle=0.7)
    north = ResampleToWcsStep.call(turned, method="interp")
    small = ResampleToWcsStep.call(turned, method="interp", auto_rotate=True)
    assert small.data.size < 0.75 * north.data.size
    assert np.isnan(small.data).mean() < 0.1 < np.isnan(north.data).mean()


def test_least_weight(solved):
    loose = ResampleToWcsStep.call(solved[0], min_weight=0.05)
    strict = ResampleToWcsStep.call(solved[0], min_weight=1.0 - 1e-3)
    assert np.isnan(loose.data).sum() < np.isnan(strict.data).sum() - 20


@pytest.mark.parametrize("kind", ["auto", "similarity", "affine"])
def test_without_a_sky_stars_register(kind):
    frames = lights(solved=False)
    found = ResampleToWcsStep.call(frames, register=kind)
    assert all(wcs_of(image) is None for image in found)
    assert any_wcs_of(found[0]).wcs.name == PLANE
    assert len({image.shape for image in found}) == 1
    places = [np.column_stack([image.stars["x"], image.stars["y"]]) for image in found]
    for other in places[1:]:
        apart = np.hypot(*(other - places[0]).T)
        assert np.median(apart) < 0.1
    sums = np.array([fluxes(i.data, *(p.T - 1), SKY) for i, p in zip(found, places, strict=True)])
    assert np.nanmax(np.abs(sums / FLUX - 1)) < 0.07


def test_shifts_alone():
    frames = [light("a", 1, solved=False), light("b", 2, shift=(7.4, -3.1), solved=False)]
    found = ResampleToWcsStep.call(frames, register="shift", grid="reference", refine_above=0.0)
    assert [image.shape for image in found] == [(SIZE, SIZE)] * 2
    np.testing.assert_allclose(found[0].data[20:140, 20:140].mean(),
                               found[1].data[20:140, 20:140].mean(), rtol=0.01)  # fmt: skip
    matrix = any_wcs_of(found[1]).pixel_scale_matrix
    np.testing.assert_allclose(matrix, np.eye(2))


def test_all_light_refines():
    frames = [light("a", 1, solved=False), light("b", 2, shift=(7.4, -3.1), solved=False)]
    rng = np.random.default_rng(3)
    for frame in frames:  # as if their places were badly measured
        frame.stars["x"] += rng.normal(0, 1.0, len(frame.stars))
        frame.stars["y"] += rng.normal(0, 1.0, len(frame.stars))
    options = {"register": "shift", "grid": "reference"}
    rough = ResampleToWcsStep.call(frames, **options, refine_above=0.0)
    fine = ResampleToWcsStep.call(frames, **options)
    edge = slice(15, 145)
    off = [
        np.nanstd(found[1].data[edge, edge] - found[0].data[edge, edge]) for found in (rough, fine)
    ]
    assert off[1] < 0.5 * off[0]


def test_a_frame_without_a_wcs_gets_that_of_one_with():
    frames = lights()
    truth = wcs_of(frames[1])
    set_wcs(frames[1], None)
    found = ResampleToWcsStep.call(frames)
    assert all(wcs_of(image) is not None for image in found)
    at = truth.all_pix2world(80.0, 80.0, 0)
    x, y = wcs_of(found[1]).all_world2pix(*at, 0)
    nearest = np.argmin(np.hypot(found[0].stars["x"] - 1 - x, found[0].stars["y"] - 1 - y))
    apart = np.hypot(
        found[0].stars["x"][nearest] - found[1].stars["x"][nearest],
        found[0].stars["y"][nearest] - found[1].stars["y"][nearest],
    )
    assert apart < 0.15


def test_no_err_in_no_err_out(tmp_path):
    fits.writeto(tmp_path / "raw.fits", np.full((40, 50), 7, "i2"), sky_wcs().to_header())
    found = ResampleToWcsStep.call(str(tmp_path / "raw.fits"), method="interp")
    assert array_of(found, "err") is None
    assert np.nanmedian(found.data) == pytest.approx(7.0)


def test_refusals(solved):
    bare = light("bare", 4, solved=False)
    del bare.instance["stars"]
    with pytest.raises(InputError, match=r"bare.fits: neither a WCS nor the table of stars"):
        ResampleToWcsStep.call([solved[0], bare])
    lost = light("lost", 4, solved=False)
    rng = np.random.default_rng(1)
    lost.stars["x"], lost.stars["y"] = rng.uniform(1, SIZE, (2, len(lost.stars)))
    with pytest.raises(InputError, match=r"lost.fits: not registered to a.fits: no arrangement"):
        ResampleToWcsStep.call([solved[0], lost])
    with pytest.raises(InputError, match="pixel_scale = 0"):
        ResampleToWcsStep.call(solved[0], pixel_scale=0.0)
    with pytest.raises(InputError, match=r"a.fits: method = exact needs a WCS of the sky"):
        ResampleToWcsStep.call(lights(solved=False), method="exact")
    far = light("far", 5)
    wcs = sky_wcs()
    wcs.wcs.crval = [170.0, 2.0]
    set_wcs(far, wcs)
    with pytest.raises(InputError, match=r"far.fits: lies nowhere on the grid"):
        ResampleToWcsStep.call([solved[0], far], grid="reference")
