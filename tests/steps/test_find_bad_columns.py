import numpy as np
import pytest

from coronx.errors import InputError
from coronx.models.bad_region_file import read_regions
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_reading import open_frame
from coronx.steps.ground.find_bad_columns import FindBadColumnsStep
from coronx.steps.ground.find_bad_pixels import FindBadPixelsStep
from tests.steps.ccd_frames import Ccd

NY, NX = 200, 240


def frame(seed=0, *, bad=True, star=None):
    data = np.random.default_rng(seed).normal(100.0, 5.0, (NY, NX)).astype(np.float32)
    if star:
        data[star[0] : star[0] + 60, star[1]] += 300.0
    if bad:
        data[:, 30] += 20.0
        data[:, 70:72] -= 20.0
        data[100:, 150] += 25.0
        data[60] += 20.0
        data[120, 50:140] -= 25.0
    model = GroundImageModel(data=data)
    model.meta.filename = f"image{seed}.fits"
    return model


def test_columns_and_rows_reach_the_map_of_bad_pixels(tmp_path):
    image = frame()
    result = FindBadColumnsStep.call(image, save_results=True, output_dir=str(tmp_path))
    regions = read_regions(tmp_path / "image0_badcols.yaml")
    assert regions.columns == (31, 71, 72)
    assert regions.rows == (61,)
    (column, row) = sorted(regions.rectangles, key=lambda r: r[0] == r[1])
    np.testing.assert_allclose(column, (101, 200, 151, 151), atol=5)
    np.testing.assert_allclose(row, (121, 121, 51, 140), atol=5)
    flagged = result.dq == 1 | 16
    assert flagged[:, [30, 70, 71]].all()
    assert flagged[110:, 150].all()
    assert flagged[:, 31:70].mean() < 0.02
    assert result.meta.ground_steps.find_bad_columns == "COMPLETE"
    assert not image.dq.any()
    map_ = FindBadPixelsStep.call(frame(), user_file=str(tmp_path / "image0_badcols.yaml"))
    np.testing.assert_array_equal(map_.dq & 32 != 0, flagged)
    assert open_frame(tmp_path / "image0_badcols.fits").shape == (NY, NX)


def test_options(tmp_path):
    image = frame()
    columns = FindBadColumnsStep.call(
        image, rows=False, user_file="mine.yaml", output_dir=str(tmp_path)
    )
    assert (columns.dq[60] == 0).sum() > 200
    assert read_regions(tmp_path / "mine.yaml").rows == ()
    assert not FindBadColumnsStep.call(image, sigma=200.0).dq.any()
    wide = FindBadColumnsStep.call(image, window=31)
    assert (wide.dq[0, [30, 70, 71]] != 0).all()
    with pytest.raises(InputError, match=r"image0.fits: window 999"):
        FindBadColumnsStep.call(image, window=999)


def test_several_images_have_no_stars_in_common():
    images = [frame(n, bad=False, star=(20 + 50 * (n % 2), 40 + 40 * n)) for n in range(5)]
    images[0].data += 500.0  # another sky
    for model in images:
        model.data[:, 100] += 10.0
    alone = FindBadColumnsStep.call(images[1])
    assert (alone.dq[:, 80] != 0).any()
    together = FindBadColumnsStep.call(images)
    assert np.nonzero((together.dq != 0).any(axis=0))[0].tolist() == [100]
    with pytest.raises(InputError, match="shape"):
        FindBadColumnsStep.call([images[0], GroundImageModel(data=np.ones((20, 20), "f4"))])


def test_a_raw_frame_is_trimmed_first(tmp_path):
    ccd = Ccd(5)
    ccd.bias[:] = 0.0
    ccd.bias[:, 40] = 40.0
    raw = ccd.write(tmp_path / "raw.fits", "Bias Frame")
    result = FindBadColumnsStep.call(raw)
    assert result.shape == (120, 160)
    assert np.nonzero((result.dq != 0).any(axis=0))[0].tolist() == [40]


def test_bad_pixels_are_left_out():
    image = frame(1, bad=False)
    image.data[:, 30] = np.nan
    image.data[:, 80] += 500.0
    image.dq[:, 80] = 1 | 8
    result = FindBadColumnsStep.call(image)
    np.testing.assert_array_equal(result.dq, image.dq)
