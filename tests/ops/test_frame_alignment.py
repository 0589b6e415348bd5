import numpy as np
import pytest

from coronx.ops.frame_alignment import make_template, mean_variance, measure_frames, move_frames

SIZE = 96
PEAK, BACKGROUND = 1e4, 400.0  # photons
FRAMES = 150
TRUE = np.array([0.3, -0.4])


def rms(errors):
    return np.sqrt(np.mean(errors**2, axis=0))


def bound(speckles, hole):
    """Return the Cramer-Rao bound on (dx, dy) for scenes of unknown brightness."""
    mean = PEAK * speckles(SIZE, TRUE)
    weight = hole(SIZE) / (2.0 * (mean + BACKGROUND))
    columns = [mean]
    for axis in np.eye(2) * 1e-3:
        columns.append(PEAK * (speckles(SIZE, TRUE + axis) - speckles(SIZE, TRUE - axis)) / 2e-3)
    columns = np.stack(columns).reshape(3, -1)
    return np.sqrt(np.diag(np.linalg.inv((columns * weight.ravel()) @ columns.T))[1:])


@pytest.mark.parametrize("blemished", [False, True])
def test_shifts_err_within_a_third_of_the_cramer_rao_bound(speckles, hole, blemished):
    rng = np.random.default_rng(7)
    means = [PEAK * speckles(SIZE, s).clip(0.0) + BACKGROUND for s in ((0, 0), TRUE)]
    variance = means[0] + means[1]
    errors = []
    for _ in range(FRAMES):
        pair = np.array([rng.poisson(m) - BACKGROUND for m in means], np.float32)
        bad = rng.random(pair.shape) < (0.005 if blemished else 0.0)
        pair[bad] = rng.choice([np.nan, 1e6, -1e5], bad.sum())
        options = {"mask": hole(SIZE), "variance": variance, "max_shift": 4.0}
        template = make_template(pair[0], bad[0], **options)
        found = measure_frames(template, pair[1:], bad[1:])
        errors.append(found.shift[0] + TRUE)
    ratio = rms(np.array(errors)) / bound(speckles, hole)
    assert (ratio < 1.3).all(), ratio
    assert (ratio > 0.85).all(), "or the bound is not one"


def aliased_speckles(shift, seed, fwhm=1.57, size=96, fine=4):
    """Return speckles of lambda / D = `fwhm` pixels, summed over pixels, under an envelope."""
    rng = np.random.default_rng(seed)
    wide = size * fine
    freq = np.fft.fftfreq(wide)
    inside = fine * np.hypot(freq[:, None], freq) < 0.5 / fwhm
    field = np.fft.ifft2(
        np.where(inside, rng.normal(size=(wide, wide)) + 1j * rng.normal(size=(wide, wide)), 0.0)
    )
    y, x = np.indices((wide, wide)) - wide // 2
    light = np.abs(field) ** 2 * np.exp(-(x**2 + y**2) / (2.0 * (8 * fine) ** 2))
    ramps = [np.exp(-2j * np.pi * freq * fine * s) for s in shift]
    moved = np.fft.ifft2(np.fft.fft2(light) * ramps[0] * ramps[1][:, None]).real
    image = moved.reshape(size, fine, size, fine).mean(axis=(1, 3))
    return 1e4 * image / image.max()


def test_aliased_scenes_are_registered_once_blurred():
    rng = np.random.default_rng(3)
    none = np.zeros((96, 96), bool)
    errors, formal = {0.0: [], 1.3: []}, []
    for seed in range(8):
        true = rng.uniform(-1, 1, 2)
        pair = [aliased_speckles(s, seed) for s in ((0.0, 0.0), true)]
        variance = 2.0 * (pair[0].clip(0.0) / 10.0 + 1.0)
        pair = [p + rng.normal(size=p.shape) * np.sqrt(variance / 2.0) for p in pair]
        for blur, found in errors.items():
            options = {"mask": np.ones((96, 96)), "variance": variance, "max_shift": 4.0}
            template = make_template(pair[0], none, blur=blur, **options)
            one = measure_frames(template, pair[1][None], none[None], blur=blur)
            found.append(one.shift[0] + true)
        formal.append(one.sigma[0])
    plain, blurred = (rms(np.array(e)).mean() for e in errors.values())
    assert plain > 0.008
    assert blurred < 0.002
    assert 0.6 < rms(np.array(formal)).mean() / blurred < 2.0


def test_noise_of_each_pixel_is_the_mean_of_what_is_known():
    errors = np.full((3, 4, 5), 2.0)
    errors[1], errors[0, 1, 1], errors[1, 1, 1] = 4.0, np.nan, 0.0
    errors[:, 2, 2] = np.inf
    variance = mean_variance(errors)
    np.testing.assert_allclose(variance[0], (4.0 + 16.0 + 4.0) / 3.0)
    assert variance[1, 1] == 4.0
    assert variance[2, 2] == 0.0
    with pytest.raises(ValueError, match="no image"):
        mean_variance([])


def test_unknown_noise_does_not_matter(speckles, hole):
    image, moved = speckles(64), speckles(64, TRUE)
    none = np.zeros((64, 64), bool)
    partly = np.ones((64, 64))
    partly[20:24, 30] = 0.0
    for variance in (np.zeros((64, 64)), partly):
        template = make_template(image, none, mask=hole(64), variance=variance, max_shift=4.0)
        found = measure_frames(template, moved[None], none[None])
        np.testing.assert_allclose(found.shift[0], -TRUE, atol=0.01)


@pytest.mark.parametrize(("value", "message"), [(np.nan, "no good pixel"), (2.0, "flat")])
def test_a_template_that_shows_nothing_is_refused(value, message):
    image, none = np.full((40, 40), value), np.zeros((40, 40), bool)
    with pytest.raises(ValueError, match=message):
        make_template(image, none, mask=np.ones((40, 40)), variance=image * 0, max_shift=4.0)


def test_frames_are_moved_each_by_its_own_shift(speckles):
    shifts = np.array([(0.0, 0.0), (0.4, -0.3), (1.0, 1.0)])
    cube = np.array([speckles(64, -s) for s in shifts], np.float32)
    flags = np.zeros(cube.shape, np.uint32)
    flags[1, 30, 30] = 4
    inputs = [cube, np.full(cube.shape, 2.0, np.float32), flags, np.zeros(cube.shape, bool)]
    copies = [i.copy() for i in inputs]
    moved = move_frames(
        *inputs, shifts, outside=513, lost=np.array([False, False, True]), method="fourier"
    )
    np.testing.assert_array_equal(moved.data[0], cube[0])
    inner = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(moved.data[1][inner], speckles(64)[inner], atol=1e-4)
    np.testing.assert_allclose(moved.variance[1][inner], 4.0, rtol=1e-5)
    assert (moved.flags[1][29:31, 30:32] == 4).all()
    assert np.isnan(moved.data[2]).all()
    assert np.isnan(moved.variance[2]).all()
    assert (moved.flags[2] == 513).all()
    for given, copy in zip(inputs, copies, strict=True):
        np.testing.assert_array_equal(given, copy)
