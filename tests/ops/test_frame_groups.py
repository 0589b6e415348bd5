import numpy as np

from coronx.ops.frame_groups import group_frames, group_means


def test_frames_of_one_orientation_are_found():
    angles = np.radians([10.0, 20.0, 10.0, 10.0005, 20.0])
    cos, sin = np.cos(angles), np.sin(angles)
    matrices = 16.0 * np.moveaxis(np.array([[-cos, sin], [sin, cos]]), -1, 0)
    assert group_frames(matrices, 1.0).tolist() == [0, 1, 0, 0, 1]
    assert group_frames(matrices, 100.0).tolist() == [0, 1, 0, 2, 1]


def test_means_are_of_what_is_there():
    values = np.arange(12.0).reshape(3, 2, 2)
    values[2, 0, 0] = np.nan
    mask = np.isfinite(values)
    mask[1] = False
    mean, count = group_means(values, mask, np.array([0, 1, 0]))
    np.testing.assert_array_equal(mean[0], [[0.0, 5.0], [6.0, 7.0]])
    np.testing.assert_array_equal(count[0], [[1, 2], [2, 2]])
    assert np.isnan(mean[1]).all()
