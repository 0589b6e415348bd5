import numpy as np
import pytest

from coronx.ops.forward import pass_image
from coronx.ops.images import Images
from coronx.ops.injection import image_light
from coronx.ops.psf_subtraction import subtract_psf
from coronx.ops.sky_image import SkyImage
from coronx.ops.stamp import MaskedPsf, PsfImage
from coronx.ops.subtracted import Subtracted

SIZE, NREF = 64, 9
STAR = (31.0, 32.0)
ROWS, COLS = np.indices((SIZE, SIZE))
RADIUS = np.hypot(COLS - STAR[0], ROWS - STAR[1])
KERNEL = np.exp(-0.5 * (np.hypot(*(np.indices((21, 21)) - 10)) / 1.3) ** 2)
PSF = MaskedPsf(PsfImage(KERNEL / KERNEL.sum()), 1 - np.exp(-((RADIUS / 4) ** 2)))


def matrix(degrees):
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[-cos, sin], [sin, cos]]) / 0.06


def disk(flux=1.0):
    east, north = np.meshgrid(-0.05 * (np.arange(61) - 30), 0.05 * (np.arange(61) - 30))
    ring = np.exp(-0.5 * ((np.hypot(east, 2.5 * north) - 0.9) / 0.12) ** 2)
    return SkyImage(flux * ring / ring.sum(), (30.0, 30.0), np.diag([-0.05, 0.05]))


@pytest.fixture
def frames(speckles):
    """Two targets and references of a star, blemished."""
    rng = np.random.default_rng(4)

    def make(count, seed):
        data = np.stack(
            [
                400.0 * speckles(SIZE, shift=tuple(rng.normal(size=2) * 0.1), seed=1)
                + 8.0 * speckles(SIZE, seed=seed + n)
                for n in range(count)
            ]
        ) + rng.normal(size=(count, SIZE, SIZE))
        bad = rng.random(data.shape) < 0.004
        bad[:, :, :2] = True
        bad[:, 50, 20] = True
        data[bad] = np.nan
        return Images(data, np.ones_like(data), bad)

    return make(2, 10), make(NREF, 30)


def lit(images, light):
    return Images(images.data + light, images.err, images.bad)


@pytest.mark.parametrize("method", ["klip", "classical", "nmf"])
@pytest.mark.parametrize("shift", [0.0, 0.37])
def test_rdi_is_the_reduction_with_the_disk_minus_that_without(frames, method, shift):
    targets, references = frames
    shifts = shift * np.array([[1.0, -0.6], [-0.3, 0.8]]) if shift else None
    turn = np.repeat(matrix(40.0)[None], 2, axis=0)
    part = Subtracted(
        targets, references, star=STAR, matrices=turn, truncate=5, method=method, shifts=shifts
    )
    image = disk(3e4)
    found = pass_image(part, image, PSF)
    stars = np.array([STAR, STAR]) + (0 if shifts is None else shifts)
    np.testing.assert_allclose(found.stars, stars)
    light = image_light(image, PSF, stars, turn, (SIZE, SIZE))
    np.testing.assert_allclose(found.light, light)
    options = {"truncate": (5,), "method": method, "shifts": shifts}
    with_it = subtract_psf(lit(targets, light), references, **options)
    without = subtract_psf(targets, references, **options)
    wanted = with_it.residual[0].astype(float) - without.residual[0]
    assert np.array_equal(np.isnan(found.left), np.isnan(wanted))
    # Products are in single precision.
    assert np.nanmax(np.abs(found.left - wanted)) < 2e-6 * light.max()
    # The level is fitted, too: the sum over the frame says nothing, that where the disk is does.
    bright = np.isfinite(found.left) & (light > 0.1 * light.max())
    assert 0.3 < found.left[bright].sum() / light[bright].sum() < 1.0


def test_rdi_is_proportional_and_has_no_sign(frames):
    targets, references = frames
    turn = np.repeat(matrix(40.0)[None], 2, axis=0)
    part = Subtracted(targets, references, star=STAR, matrices=turn, truncate=5)
    one, two = pass_image(part, disk(1.0), PSF), pass_image(part, disk(1e5), PSF, sign=-1)
    scale = np.nanmax(two.left)
    np.testing.assert_allclose(1e5 * one.left, two.left, atol=1e-6 * scale)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("shift", [0.0, 0.37])
def test_adi_is_the_reduction_with_the_disk_minus_that_without(frames, sign, shift):
    """Half of the references show the same star at another roll, and the disk."""
    targets, references = frames
    turn = np.repeat(matrix(40.0)[None], 2, axis=0)
    others = np.full((NREF, 2, 2), np.nan)
    others[:5] = matrix(65.0)
    shifts = shift * np.array([[1.0, -0.6], [-0.3, 0.8]]) if shift else None
    part = Subtracted(
        targets, references, star=STAR, matrices=turn, reference_matrices=others, truncate=5,
        shifts=shifts,
    )  # fmt: skip
    image = disk(3e4)
    found = pass_image(part, image, PSF, sign=sign)
    frame = (SIZE, SIZE)
    own = image_light(image, PSF, found.stars, turn, frame)
    shown = image_light(image, PSF, np.array([STAR] * NREF), others, frame)
    assert shown[:5].any()
    assert not shown[5:].any()
    changed = subtract_psf(
        lit(targets, sign * own), lit(references, sign * shown), truncate=(5,), shifts=shifts
    ).residual[0]
    plain = subtract_psf(targets, references, truncate=(5,), shifts=shifts).residual[0]
    wanted = sign * (changed.astype(float) - plain)
    assert np.array_equal(np.isnan(found.left), np.isnan(wanted))
    assert np.nanmax(np.abs(found.left - wanted)) < 2e-6 * own.max()
    # With its own light in the references less of it is left than of a disk in the target alone.
    alone = part.reduce_again(own)
    assert np.nanmean(np.abs(found.left - alone)) > 0.01 * np.nanmean(own)


def test_light_in_no_reference_is_that_of_the_linear_pass(frames):
    targets, references = frames
    turn = np.repeat(matrix(40.0)[None], 2, axis=0)
    part = Subtracted(targets, references, star=STAR, matrices=turn, truncate=5)
    light = np.random.default_rng(1).normal(size=(2, SIZE, SIZE))
    none = np.zeros((NREF, SIZE, SIZE))
    for again in (part.reduce_again(light), part.reduce_again(light, none)):
        np.testing.assert_allclose(again, part.add(light), atol=1e-9)
