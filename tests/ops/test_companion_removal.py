import numpy as np
import pytest

from coronx.ops.companion_removal import TakenOut, remove_companions
from coronx.ops.images import Images
from coronx.ops.subtracted import Subtracted
from tests.ops.companion_scenes import FWHM, SCALE, GaussianPsf, rotation

PLACE = (0.62, -0.5)
FLUX = 2000.0
SHAPE = (41, 41)
STAR = (20.3, 19.8)


class Psf(GaussianPsf):
    """With a wide halo, as far as the frame."""

    def image(self, shape, x, y):
        rows, cols = np.indices(shape)
        halo = 1.0 / (1.0 + ((cols - x) ** 2 + (rows - y) ** 2) / 30.0) ** 1.5
        return super().image(shape, x, y) + 2e-4 * halo

    def __call__(self, x, y):
        stamp = super().__call__(x, y)
        half = 30
        stamp.row, stamp.col = round(y) - half, round(x) - half
        size = 2 * half + 1
        stamp.values = self.image((size, size), x - stamp.col, y - stamp.row)
        return stamp


def reduced(flux, *, adi=False):
    """Return the subtraction of two frames of one roll, a companion of a flux in them."""
    rng = np.random.default_rng(3)
    scenes = rng.normal(size=(8, *SHAPE)) * 3.0
    noise = rng.normal(size=(2, *SHAPE)) + np.tensordot(rng.normal(size=(2, 8)), scenes, 1)
    matrices = np.stack([rotation(0.0)] * 2)
    turned = np.full((8, 2, 2), np.nan)
    stars = scenes.copy()
    if adi:
        turned[:3] = rotation(30.0)
    psf = Psf()
    for frame, matrix in zip([*noise, *stars], [*matrices, *turned], strict=True):
        if np.isfinite(matrix).all():
            frame += flux * psf.image(SHAPE, *(np.array(STAR) + matrix @ np.array(PLACE)))
    bad = rng.random(noise.shape) < 0.01
    none = np.zeros(stars.shape, bool)
    return Subtracted(
        Images(noise, np.ones(noise.shape), bad),
        Images(stars, np.ones(stars.shape), none),
        star=STAR,
        matrices=matrices,
        reference_matrices=turned,
        truncate=4,
        err=np.ones(noise.shape),
    )


@pytest.mark.parametrize("adi", [False, True])
def test_what_is_left_is_that_of_frames_without_it(adi):
    having, empty = (reduced(flux, adi=adi) for flux in (FLUX, 0.0))
    assert having.linear is not adi
    out = TakenOut(having, Psf(), *PLACE, FLUX)
    np.testing.assert_allclose(out.residual, empty.residual, atol=1e-5 * FLUX)
    assert np.nanmax(np.abs(having.residual - empty.residual)) > 50.0
    patch = out.patches(*PLACE, half=4)
    np.testing.assert_allclose(patch.values, empty.patches(*PLACE, half=4).values, atol=1e-5 * FLUX)
    if not adi:
        kernel = Psf().image((11, 11), 5.0, 5.0)
        np.testing.assert_array_equal(out.kept(kernel), having.kept(kernel))


def test_the_lobe_of_a_bright_one_is_no_companion():
    part = reduced(FLUX)
    lobe = (PLACE[0] - 2.0 * FWHM * SCALE, PLACE[1])
    off = (PLACE[0] + 0.3 * FWHM * SCALE, PLACE[1])
    done = remove_companions([part], [Psf()], [off, lobe, (30.0, 0.0)], fwhm=FWHM)
    bright, faint, outside = done.fits
    assert bright.flux == pytest.approx(FLUX, rel=0.05)
    assert faint is None
    assert outside is None
    empty = reduced(0.0)
    rest = done.parts[0].residual - empty.residual
    assert np.nanstd(rest) < 0.05 * np.nanstd(part.residual - empty.residual)
