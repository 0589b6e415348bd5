import numpy as np
import pytest
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError
from coronx.models.background import combine_exposures, fit_scale


@pytest.fixture(scope="module")
def sky(make_exposure):
    model = make_exposure("sky_00001_nrcalong_calints.fits", seed=5, nints=3, brightness=0.0)
    model.data += np.float32(30.0)
    return model


@pytest.fixture(scope="module")
def star(make_exposure):
    model = make_exposure("star_00001_nrcalong_calints.fits", seed=6, nints=2)
    model.data += np.float32(33.0)
    return model


def test_exposures_are_combined_block_by_block(sky):
    other = sky.copy()
    other.meta.filename = "sky_00002_nrcalong_calints.fits"
    (one,) = combine_exposures([sky, other], None)
    assert one.frame.count.max() == 6
    blocks = combine_exposures([sky, other], 2)
    assert [block.frame.count.max() for block in blocks] == [4, 2]
    other.data, other.err, other.dq = (a[:2] for a in (other.data, other.err, other.dq))
    with pytest.raises(InputError, match=r"sky_00002.* = 2 gives 1 blocks, but 2 of sky_00001"):
        combine_exposures([sky, other], 2)


def test_flags_only_where_no_sample_is_good(sky):
    (block,) = combine_exposures([sky], None)
    none = block.frame.count == 0
    assert 0 < none.sum() < 1000
    assert np.all((block.flags[none] & pixel["DO_NOT_USE"]) > 0)
    assert np.all(block.flags[~none] == 0)
    assert np.array_equal(np.isnan(block.frame.data), none)
    # NaN in one integration alone, DQ = 0.
    assert block.frame.count[100, 90] == 2


def test_the_star_is_kept_out_of_the_fit(sky, star):
    (block,) = combine_exposures([sky], None)
    found = fit_scale(star, [slice(0, 2)], [block])
    assert found.factor.scale == pytest.approx(1.1, abs=max(4 * found.factor.sigma, 1e-3))
    assert not found.sky[150:200, 120:180].any()
    sure = fit_scale(star, [slice(0, 2)], [block], structure=True)
    assert not sure.factor.determined
    assert not sure.sky[~found.sky].any()


def test_no_pixel_beyond_the_star(sky, star):
    (block,) = combine_exposures([sky], None)
    small = star.copy()
    small.dq[:] = pixel["DO_NOT_USE"]
    with pytest.raises(InputError, match=r"star_00001.*no pixel beyond the star"):
        fit_scale(small, [slice(0, 2)], [block])
