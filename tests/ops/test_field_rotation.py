import numpy as np
import pytest

from coronx.ops.field_rotation import moved_enough


def matrix(degrees, scale=15.9, parity=-1.0):
    """Return pixels per arcsec of a frame with north turned by an angle; east to the left."""
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return scale * turn @ np.diag([parity, 1.0])


@pytest.mark.parametrize("parity", [-1.0, 1.0])
@pytest.mark.parametrize("first", [0.0, 63.76, 175.0])
def test_a_companion_moves_by_what_the_matrices_say(first, parity):
    turns = np.array([0.0, 0.5, -3.0, 10.0, 90.0, -179.0, 180.0, 350.0])
    references = np.array([matrix(first + turn, parity=parity) for turn in turns])
    target = matrix(first, parity=parity)
    sky = np.array([0.7, -0.9])
    places = np.array([m @ sky for m in (target, *references)])
    radius = float(np.hypot(*places[0]))
    motion = np.hypot(*(places[1:] - places[0]).T)
    for least in (0.05, 1.0, 3.0, 20.0, 35.0):
        moved = moved_enough(target, references, radius, least=least)
        np.testing.assert_array_equal(moved, motion >= least)
    assert moved_enough(target, references, radius, least=0.0).all()
    assert not moved_enough(target, references, 0.0, least=0.1).any()


def test_a_reference_of_another_star_is_always_far_enough():
    references = np.array([matrix(0.0), np.full((2, 2), np.nan), matrix(20.0)])
    moved = moved_enough(matrix(0.0), references, 10.0, least=2.0)
    np.testing.assert_array_equal(moved, [False, True, True])
    none = moved_enough(matrix(0.0), references[:0], 10.0, least=2.0)
    assert none.shape == (0,)


def test_another_scale_is_no_motion():
    references = np.array([matrix(0.0, scale=31.0), matrix(12.0, scale=31.0)])
    moved = moved_enough(matrix(0.0), references, 10.0, least=2.0)
    np.testing.assert_array_equal(moved, [False, True])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"target": np.zeros((2, 2))}, "cannot be inverted"),
        ({"target": np.full((2, 2), np.nan)}, "cannot be inverted"),
        ({"references": matrix(3.0, parity=1.0)[None]}, r"references \[0\] are mirror images"),
        ({"references": np.zeros((1, 2, 2))}, "mirror images of the target, or have no area"),
        ({"radius": np.nan}, "radius of nan"),
        ({"radius": -1.0}, "radius of -1.0"),
        ({"least": -1.0}, "least motion of -1.0"),
        ({"least": np.nan}, "least motion of nan"),
    ],
)
def test_what_makes_no_sense_is_refused(change, match):
    given = {"target": matrix(0.0), "references": matrix(9.0)[None], "radius": 9.0, "least": 1.0}
    given.update(change)
    with pytest.raises(ValueError, match=match):
        moved_enough(**{"least": given.pop("least")}, **given)
