import numpy as np
import pytest

from coronx.refdata.segment_modes import segment_modes
from coronx.refdata.segments import nearest_segment, segment_centers
from coronx.simulate.pupil import DIAMETER, primary

SIZE = 128


@pytest.fixture(scope="module")
def pupil():
    axis = (np.arange(SIZE) - (SIZE - 1) / 2) * (DIAMETER / SIZE)
    x, y = np.meshgrid(axis, axis)
    return x, y, primary(SIZE)


@pytest.fixture(scope="module")
def modes(pupil):
    return segment_modes(*pupil)


def test_modes_have_rms_one_and_neither_move_nor_lift_the_star(pupil, modes):
    x, y, amplitude = pupil
    assert modes.shape == (108, SIZE, SIZE)
    inside = amplitude > 0.5
    terms = np.stack([np.ones(inside.sum()), x[inside], y[inside]], axis=1)
    for mode in modes:
        assert mode[inside].std() == pytest.approx(1.0)
        c, *_ = np.linalg.lstsq(terms, mode[inside], rcond=None)
        assert np.abs(c).max() < 1e-10


def test_each_segment_moves_alone(pupil, modes):
    x, y, amplitude = pupil
    inside = amplitude > 0.5
    for k, (cx, cy) in enumerate(segment_centers()):
        near = np.hypot(x - cx, y - cy) < 0.6
        strength = [np.abs(mode[near & inside]).mean() for mode in modes[::6]]
        rest = np.abs(modes[6 * int(np.argmax(strength))][inside & ~near]).mean()
        assert max(strength) > 4 * rest, k


def test_together_they_make_any_pose_of_the_segments(pupil, modes):
    x, y, amplitude = pupil
    inside = amplitude > 0.5
    nearest = nearest_segment(x, y, segment_centers())
    rng = np.random.default_rng(1)
    a, b, c = rng.normal(size=(3, 18))[:, nearest]
    wavefront = (a + b * x + c * y)[inside]
    design = np.concatenate([modes[:, inside], [np.ones(inside.sum()), x[inside], y[inside]]])
    found, *_ = np.linalg.lstsq(design.T, wavefront, rcond=None)
    left = wavefront - found @ design
    assert np.sqrt(np.mean(left**2)) < 0.02 * wavefront.std()


def test_the_pupil_may_be_turned(pupil):
    x, y, amplitude = pupil
    angle = np.radians(20.0)
    turned = segment_modes(
        x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle), amplitude,
        turn=20.0,
    )  # fmt: skip
    plain = segment_modes(x, y, amplitude)
    # Piston of the same segment, at the same points of the pupil.
    np.testing.assert_allclose(turned[::6], plain[::6], atol=1e-6)
