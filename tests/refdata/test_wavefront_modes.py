import numpy as np
import pytest

from coronx.refdata.wavefront_modes import drift_modes
from coronx.simulate.pupil import DIAMETER, primary

SIZE = 128


@pytest.fixture(scope="module")
def pupil():
    axis = (np.arange(SIZE) - (SIZE - 1) / 2) * (DIAMETER / SIZE)
    x, y = np.meshgrid(axis, axis)
    return x, y, primary(SIZE)


@pytest.fixture(scope="module")
def modes(pupil):
    return drift_modes(*pupil)


def test_modes_have_rms_one_and_neither_move_nor_lift_the_star(pupil, modes):
    x, y, amplitude = pupil
    inside = amplitude > 0.5
    terms = np.stack([np.ones(inside.sum()), x[inside], y[inside]], axis=1)
    for mode in modes:
        assert mode[inside].std() == pytest.approx(1.0)
        c, *_ = np.linalg.lstsq(terms, mode[inside], rcond=None)
        assert np.abs(c).max() < 1e-10


def test_modes_are_independent(pupil, modes):
    inside = pupil[2] > 0.5
    values = np.linalg.svd(modes[:, inside], compute_uv=False)
    assert values[-1] > 0.05 * values[0]


def test_a_wing_moves_only_its_own_column(pupil, modes):
    x, _, amplitude = pupil
    right = modes[8]
    middle = (amplitude > 0.5) & (np.abs(x) < 1.6)
    # Inside the hinges only the plane that was taken out is left.
    terms = np.stack([np.ones(middle.sum()), pupil[0][middle], pupil[1][middle]], axis=1)
    c, *_ = np.linalg.lstsq(terms, right[middle], rcond=None)
    assert np.abs(right[middle] - terms @ c).max() < 1e-8
    assert right[x > 2.5].max() > 1.0
    assert modes[9] == pytest.approx(modes[8][:, ::-1], abs=0.05)
