"""Bad pixels of real frames: the star's speckles and the disk are not eaten."""

import numpy as np
import pytest
from jwst import datamodels
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import FixBadPixelsStep

pytestmark = pytest.mark.realdata

CENTER = (150.0, 174.0)  # 0-based (x, y) of the star in these frames


@pytest.mark.parametrize("visit", ["jw01184001001", "jw01184003001"])
def test_the_star_is_not_eaten(realdata, visit):
    (path,) = (realdata / "aumic_f356w").glob(f"{visit}*.fits")
    with datamodels.open(str(path)) as model:
        made = FixBadPixelsStep.call(model)
        # Earlier steps found some outliers in the uncoadded frames.
        known = ~np.isfinite(model.data) | (
            model.dq & (pixel["DO_NOT_USE"] | pixel["OUTLIER"]) != 0
        )
        bright = np.nan_to_num(model.data) > 50.0
    found = (made.dq & pixel["OUTLIER"] != 0) & ~known
    y, x = np.indices(found.shape[1:])
    radius = np.hypot(x - CENTER[0], y - CENTER[1])
    near, star = found[0][radius < 48], found[0][radius < 16]
    print(f"{visit}: {found.sum()} found, {near.sum()} within 3 arcsec, {star.sum()} within 1")
    assert found.mean() < 4e-4
    assert near.mean() < 3e-3
    assert star.sum() <= 8
    # Of the brightest speckles hardly one pixel is touched.
    assert (found & bright).sum() <= 0.01 * bright.sum()
    assert not (made.dq & pixel["DO_NOT_USE"]).any()
    assert np.isfinite(made.data).all()
