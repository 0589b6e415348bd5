import numpy as np
import pytest
from astropy.io import fits

from coronx import CombineImagesStep, ResampleToWcsStep
from coronx.errors import InputError
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_wcs import set_wcs, wcs_of
from tests.steps.ground_scene import FLUX, GAIN, NOISE, SIZE, SKY, STARS, fluxes, light, sky_wcs

NO_DATA = FLAGS["NO_DATA"] | FLAGS["DO_NOT_USE"]


def same(**options):
    """Return three lights of one grid."""
    return [light(name, seed, **options) for seed, name in enumerate("abc", 1)]


def test_three_resampled_frames():
    ways = [(0.0, (0.0, 0.0)), (0.03, (4.3, -2.6)), (3.15, (-3.2, 5.4))]
    rng = np.random.default_rng(5)
    ratios, offs = [], []
    for turn in range(3):
        frames = [
            light(f"f{n}", 10 * turn + n, angle=angle, shift=shift, sigma=1.3 + 0.1 * n)
            for n, (angle, shift) in enumerate(ways)
        ]
        frames[1].data[tuple(rng.integers(40, 120, (2, 30)))] += 2000.0  # nobody flagged them
        moved = ResampleToWcsStep.call(frames)
        found = CombineImagesStep.call(moved)
        x, y = wcs_of(found).all_world2pix(*sky_wcs().all_pix2world(*STARS.T, 0), 0)
        flux = fluxes(found.data, x, y, SKY, radius=8.5)
        ratios.append(flux / FLUX)
        rows, columns = np.indices(found.shape)
        empty = np.isfinite(found.data)
        for a, b in zip(x, y, strict=True):
            empty &= np.hypot(columns - a, rows - b) > 10
        offs.append(((found.data - SKY) / found.err)[empty])
        blocks = _blocks(np.where(empty, (found.data - SKY) / found.err, np.nan), 6)
        assert blocks.std() == pytest.approx(found.meta.ground.correlation, rel=0.25)
    # Light stays, and each pixel's ERR is its scatter; that of areas is NOISCORR times it.
    assert np.abs(np.mean(ratios) - 1) < 0.005
    assert np.abs(np.mean(ratios, axis=0) - 1).max() < 0.03
    assert np.concatenate(offs).std() == pytest.approx(1.0, rel=0.05)


def _blocks(values, side):
    """Return sums over squares without gaps, over the root of their number of pixels."""
    ny, nx = (n // side for n in values.shape)
    sums = values[: ny * side, : nx * side].reshape(ny, side, nx, side).sum(axis=(1, 3)) / side
    return sums[np.isfinite(sums)]


def test_what_is_said_of_the_result(tmp_path):
    frames = same()
    found = CombineImagesStep.call(frames, output_dir=str(tmp_path), save_results=True)
    ground = found.meta.ground
    assert found.meta.ground_steps.combine_images == "COMPLETE"
    assert found.inputs["file"].astype(str).tolist() == ["a.fits", "b.fits", "c.fits"]
    np.testing.assert_allclose(found.inputs["weight"], 1 / 3, rtol=0.01)
    assert ground.exposure_time == pytest.approx(60.0)
    assert ground.gain == pytest.approx(3 * GAIN, rel=0.01)
    assert ground.read_noise == pytest.approx(NOISE * 3**0.5)
    # An exposure of that gain and read noise has just such errors.
    expected = np.sqrt(SKY / ground.gain + (ground.read_noise / ground.gain) ** 2)
    assert np.median(found.err) == pytest.approx(expected, rel=0.02)
    assert "stars" not in found.instance
    with fits.open(tmp_path / "a_combined.fits") as file:
        assert len(file["INPUTS"].data) == 3
        assert file[0].header["S_COMBIN"] == "COMPLETE"


def test_repaired_pixels_come_last():
    frames = same()
    frames[1].data[70, 70] = frames[0].data[70, 70] - 15.0
    frames[1].dq[70, 70] = FLAGS["BAD_COLUMN"] | FLAGS["REPAIRED"]
    least = min(frames[n].data[70, 70] for n in (0, 2))
    found = CombineImagesStep.call(frames)
    assert found.dq[70, 70] == 0
    assert found.data[70, 70] >= least
    assert found.err[70, 70] > 1.1 * np.median(found.err)
    used = CombineImagesStep.call(frames, repaired="use")
    assert used.dq[70, 70] == FLAGS["BAD_COLUMN"] | FLAGS["REPAIRED"]
    assert used.data[70, 70] < found.data[70, 70]


def test_outliers_bad_pixels_and_nothing():
    frames = same(blemish=[(70, 70)])
    frames[2].data[70, 71] = np.nan
    frames[0].data[90, 20] += 3000.0
    for frame in frames:
        frame.dq[10, 10] |= FLAGS["COSMIC_RAY"] | FLAGS["REPAIRED"]
    found = CombineImagesStep.call(frames)
    assert np.isnan(found.data[70, 70])
    assert found.dq[70, 70] & NO_DATA == NO_DATA
    assert found.dq[70, 70] & FLAGS["BAD_PIXEL"]
    assert found.err[70, 71] == pytest.approx(found.err[70, 73] * 1.5**0.5, rel=0.05)
    assert found.data[90, 20] < SKY + 60
    assert found.dq[10, 10] == FLAGS["COSMIC_RAY"] | FLAGS["REPAIRED"]
    kept = CombineImagesStep.call(frames, clip="none")
    assert kept.data[90, 20] > SKY + 800
    loose = CombineImagesStep.call(frames, sigma=1e4)
    assert loose.data[90, 20] == pytest.approx(kept.data[90, 20], rel=1e-5)


@pytest.mark.parametrize("method", ["mean", "median", "sum"])
def test_methods(method):
    found = CombineImagesStep.call(same(), method=method)
    factor = 3 if method == "sum" else 1
    assert np.median(found.data) == pytest.approx(factor * SKY, rel=0.02)
    near = np.hypot(
        *(np.indices((SIZE, SIZE))[::-1] - STARS[:, :, None, None]).transpose(1, 0, 2, 3)
    )
    empty = near.min(axis=0) > 9
    off = (found.data - factor * SKY)[empty] / found.err[empty]
    assert off.std() == pytest.approx(1.0, rel=0.04)
    assert found.meta.ground.exposure_time == pytest.approx(60.0 * factor)
    if method == "sum":
        assert found.meta.ground.gain == pytest.approx(GAIN)


def test_clouds_are_scaled_by_stars():
    frames = [light("a", 1), light("b", 2, factor=0.6), light("c", 3)]
    found = CombineImagesStep.call(frames, scale="stars", offset="median")
    assert np.median(fluxes(found.data, *STARS.T, SKY) / FLUX) == pytest.approx(1.0, abs=0.01)
    assert found.inputs["weight"][1] < 0.7 * found.inputs["weight"][0]
    assert np.median(found.data) == pytest.approx(SKY, rel=0.02)
    plain = CombineImagesStep.call(frames, weight="equal", clip="none")
    assert np.median(fluxes(plain.data, *STARS.T, SKY) / FLUX) == pytest.approx(2.6 / 3, abs=0.01)
    for frame in frames:
        del frame.instance["stars"]
    with pytest.raises(InputError, match=r"a.fits: no table of stars to scale by"):
        CombineImagesStep.call(frames, scale="stars")


def test_exposures_and_skies():
    frames = same()
    frames[1].data, frames[1].err = 2 * frames[1].data, 2 * frames[1].err
    frames[1].meta.ground.exposure_time = 120.0
    frames[2].data = frames[2].data + np.float32(40.0)
    found = CombineImagesStep.call(frames, scale="exposure", offset="median", weight="exposure")
    assert np.median(found.data) == pytest.approx(SKY, rel=0.02)
    np.testing.assert_allclose(found.inputs["weight"], [0.25, 0.5, 0.25])
    assert found.inputs["level"][2] == pytest.approx(40.0, abs=2.0)
    assert found.meta.ground.exposure_time == pytest.approx(60.0)
    frames[1].meta.ground.exposure_time = None
    with pytest.raises(InputError, match=r"b.fits: no exposure time"):
        CombineImagesStep.call(frames, scale="exposure")


def test_seeing_is_no_outlier_unless_told():
    frames = [light("a", 1), light("b", 2), light("c", 3, sigma=1.65)]
    found = CombineImagesStep.call(frames)
    hard = CombineImagesStep.call(frames, tolerance=0.0)
    gentle, cruel = (np.median(fluxes(image.data, *STARS.T, SKY) / FLUX) for image in (found, hard))
    assert gentle == pytest.approx(1.0, abs=0.006)
    assert cruel != pytest.approx(1.0, abs=0.006)


def test_without_err_the_sky_tells_the_noise():
    frames = same()
    expected = CombineImagesStep.call(frames, weight="equal")
    for frame in frames:
        del frame.instance["err"]
    found = CombineImagesStep.call(frames, weight="equal")
    assert np.median(found.err) == pytest.approx(np.median(expected.err), rel=0.1)


def test_scatter():
    frames = [light(f"f{n}", n) for n in range(10)]
    frames[4].data[30, 30] += 4000.0
    found = CombineImagesStep.call(frames, clip="scatter")
    assert found.data[30, 30] < np.median([f.data[30, 30] for f in frames]) + 40


def test_what_does_not_belong_together():
    frames = same()
    with pytest.raises(InputError, match=r"a.fits: one image alone"):
        CombineImagesStep.call(frames[:1])
    odd = light("odd", 4)
    odd.meta.ground.filter = "V"
    with pytest.raises(InputError, match=r"odd.fits: filter V, but R in a.fits"):
        CombineImagesStep.call([*frames, odd])
    assert CombineImagesStep.call([*frames, odd], mixed_filters=True).inputs.size == 4
    odd = light("odd", 4, shift=(0.5, 0.0))
    with pytest.raises(InputError, match=r"odd.fits: not on the grid of a.fits; run coronx_resa"):
        CombineImagesStep.call([*frames, odd])
    odd = light("odd", 4)
    set_wcs(odd, None)
    with pytest.raises(InputError, match=r"odd.fits: not on the grid"):
        CombineImagesStep.call([*frames, odd])
    odd = light("odd", 4)
    odd.data, odd.err, odd.dq = odd.data[:50], odd.err[:50], odd.dq[:50]
    with pytest.raises(InputError, match=r"odd.fits: 160 x 50 pixels, but 160 x 160 in a.fits"):
        CombineImagesStep.call([*frames, odd])
    odd = light("odd", 4)
    odd.meta.bunit = "electron"
    with pytest.raises(InputError, match=r"odd.fits: in electron, but a.fits in"):
        CombineImagesStep.call([*frames, odd])
    odd = light("odd", 4)
    odd.dq = odd.dq | np.uint32(1)
    with pytest.raises(InputError, match=r"odd.fits: no good pixel"):
        CombineImagesStep.call([*frames, odd])
