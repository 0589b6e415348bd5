import numpy as np
import pytest

from coronx.ops.peak import vertex


@pytest.mark.parametrize("place", [-0.5, -0.2, 0.0, 0.4])
def test_a_parabola_is_met(place):
    samples = 7.0 - (np.arange(5.0) - 2.0 - place) ** 2
    assert vertex(samples, 2) == pytest.approx(place, abs=1e-12)


def test_no_neighbour_or_no_bend_means_the_sample_itself():
    assert vertex([3.0, 2.0, 1.0], 0) == 0.0
    assert vertex([1.0, 2.0, 3.0], 2) == 0.0
    assert vertex([1.0, 1.0, 1.0], 1) == 0.0
