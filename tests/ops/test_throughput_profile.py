from dataclasses import dataclass

import numpy as np
import pytest

from coronx.ops.stamp import PsfImage
from coronx.ops.subtracted import Patches
from coronx.ops.throughput_profile import throughput_profile
from tests.ops.subtracted_frames import gaussian_kernel, matrix

PSF = PsfImage(gaussian_kernel(2.3))
STAR = np.array([40.0, 40.0])


@dataclass
class Taking:
    """A subtraction that leaves a share that grows outwards, and brings a constant in."""

    angle: float
    noise: float = 1.0
    level: float = 1.0
    blind: bool = False

    def places(self, east, north):
        return (STAR + matrix(self.angle) @ (east, north))[None]

    def response(self, psf, east, north, flux=1.0, *, half):
        x, y = self.places(east, north)[0]
        row, col = round(y) - half, round(x) - half
        frame = np.zeros((81, 81))
        psf(x, y).add_to(frame, flux * self.level * min(np.hypot(east, north), 1.0))
        values = frame[row : row + 2 * half + 1, col : col + 2 * half + 1][None].copy()
        values[0, half, half + 1] = np.nan
        if self.blind:
            values[:] = np.nan
        return Patches(values, np.full(values.shape, self.noise), np.array([row]), np.array([col]))


def profile(parts, at=(0.3, 0.6, 1.4), **options):
    psfs = [PSF] * len(parts)
    return throughput_profile(parts, psfs, np.array(at), flux=7.0, half=4, **options)


def test_the_share_left_is_found_at_every_separation():
    np.testing.assert_allclose(profile([Taking(0.0), Taking(20.0)]), [0.3, 0.6, 1.0], rtol=1e-9)
    np.testing.assert_allclose(profile([Taking(5.0)], angles=1), [0.3, 0.6, 1.0], rtol=1e-9)


def test_exposures_count_by_their_noise():
    found = profile([Taking(0.0), Taking(0.0, noise=2.0, level=0.5)], at=(1.0,))
    assert found[0] == pytest.approx((1.0 + 0.5 / 4.0) / 1.25, rel=1e-6)


def test_what_cannot_be_seen_is_not_known():
    assert np.isnan(profile([Taking(0.0, blind=True)])).all()
    np.testing.assert_allclose(profile([Taking(0.0, blind=True), Taking(0.0)])[2], 1.0)


def test_a_filter_of_the_core_is_blind_to_a_level():
    @dataclass
    class Raised(Taking):
        def response(self, psf, east, north, flux=1.0, *, half):
            change = super().response(psf, east, north, flux, half=half)
            change.values[:] += 0.1
            return change

    assert profile([Raised(0.0)], at=(1.4,))[0] > 1.05
    np.testing.assert_allclose(profile([Raised(0.0)], at=(1.4,), core=2.3), 1.0, rtol=1e-9)


def test_a_filter_of_the_core_sees_the_same_share():
    np.testing.assert_allclose(
        profile([Taking(0.0), Taking(20.0)], core=1.8), [0.3, 0.6, 1.0], rtol=1e-9
    )


def test_each_separation_has_its_flux():
    class Fading(Taking):
        """A subtraction that takes more of what is bright."""

        def response(self, psf, east, north, flux=1.0, *, half):
            change = super().response(psf, east, north, flux, half=half)
            change.values[:] *= 1.0 / (1.0 + flux)
            return change

    found = throughput_profile(
        [Fading(0.0)], [PSF], np.array([1.2, 1.4]), flux=np.array([1.0, 3.0]), half=4
    )
    np.testing.assert_allclose(found, [0.5, 0.25])
