import numpy as np
import pytest

from coronx.errors import InputError
from coronx.models.ground_reading import open_frame
from coronx.steps.ground.build_master_bias import BuildMasterBiasStep
from coronx.steps.ground.build_master_dark import BuildMasterDarkStep
from coronx.steps.ground.build_master_flat import BuildMasterFlatStep
from coronx.steps.ground.find_bad_pixels import FindBadPixelsStep
from tests.steps.ccd_frames import NX, NY, Ccd, saved


@pytest.fixture(scope="module")
def ccd():
    return Ccd(4)


@pytest.fixture(scope="module")
def masters(ccd, tmp_path_factory):
    """Return the files of a master dark and flat."""
    folder = tmp_path_factory.mktemp("masters")
    frames = [ccd.write(folder / f"b{n}.fits", "Bias Frame") for n in range(5)]
    bias = saved(BuildMasterBiasStep.call(frames), folder, "bias")
    frames = [ccd.write(folder / f"d{n}.fits", "Dark Frame", 300.0) for n in range(5)]
    dark = saved(BuildMasterDarkStep.call(frames, bias=bias), folder, "dark")
    frames = [ccd.write(folder / f"f{n}.fits", "Flat Field", 1.0, 20000.0) for n in range(3)]
    return dark, saved(BuildMasterFlatStep.call(frames, bias=bias), folder, "flat")


def test_hot_pixels_are_found(masters, ccd):
    dark, _ = masters
    result = FindBadPixelsStep.call(dark)
    found = result.dq == 1 | 8
    assert (found & ccd.hot).sum() >= 0.99 * ccd.hot.sum()
    assert (found & ~ccd.hot).sum() < 10
    assert result.meta.ground_steps.find_bad_pixels == "COMPLETE"
    before = open_frame(dark)
    np.testing.assert_array_equal(result.data, before.data)
    assert not before.dq.any()


def test_dead_pixels_of_a_flat(masters, ccd):
    dark, flat = masters
    found = FindBadPixelsStep.call(dark, flat=flat).dq & 8 != 0
    assert found[ccd.dead].all()
    assert (found & ~ccd.dead & ~ccd.hot).sum() < 10
    model = open_frame(flat)
    model.dq[:] = 0
    high = FindBadPixelsStep.call(dark, low=0.05, high=1.0, flat=saved_flat(model, flat))
    assert (high.dq & 8 != 0)[~ccd.dead].mean() > 0.3
    assert not (high.dq & 8 != 0)[ccd.dead & ~ccd.hot].any()
    wrong = open_frame(flat)
    wrong.meta.ground.binning_x = wrong.meta.ground.binning_y = 2
    with pytest.raises(InputError, match="binning 2 x 2"):
        FindBadPixelsStep.call(dark, flat=saved_flat(wrong, flat))
    with pytest.raises(InputError, match="image type dark; give a master flat"):
        FindBadPixelsStep.call(dark, flat=dark)


def saved_flat(model, path):
    """Save a model beside another, and return its path."""
    made = path.replace("flat.fits", "other.fits")
    model.save(made)
    return made


def test_sigma_and_box(masters, ccd):
    dark, _ = masters
    counts = [(FindBadPixelsStep.call(dark, sigma=s).dq != 0).sum() for s in (1.5, 4.0, 30.0)]
    assert counts[0] > counts[1] + 500
    assert counts[1] >= counts[2]
    glow = open_frame(dark)
    glow.data += np.linspace(0.0, 100.0, NX, dtype=np.float32)
    assert ((FindBadPixelsStep.call(glow).dq != 0) & ~ccd.hot).sum() < 20
    assert FindBadPixelsStep.call(glow, box=0).dq.any()


def test_the_users_regions_are_bits_of_their_own(masters, tmp_path):
    dark, _ = masters
    model = open_frame(dark)
    model.data[20, 9] += 5000.0  # hot and named
    model.data[21, 9] = np.nan
    model.dq[22, 9] = 1 | 128
    file = tmp_path / "bad.yaml"
    file.write_text("bad_columns: [10]\nbad_rows:\nbad_rectangles:\n- [3, 4, 50, 60]\n")
    result = FindBadPixelsStep.call(model, user_file=str(file))
    user = np.zeros((NY, NX), bool)
    user[:, 9] = user[2:4, 49:60] = True
    np.testing.assert_array_equal(result.dq & 32 != 0, user)
    assert [int(result.dq[y, 9]) for y in (20, 21, 22)] == [1 | 8 | 32, 1 | 8 | 32, 1 | 32 | 128]
    assert (result.dq[user] & 1).all()


def test_what_cannot_be_used(masters, tmp_path):
    dark, flat = masters
    file = tmp_path / "bad.yaml"
    file.write_text(f"bad_columns: [3, {NX + 1}]\n")
    with pytest.raises(InputError, match=rf"bad.yaml: bad_columns entry {NX + 1}: .* 1 to {NX}"):
        FindBadPixelsStep.call(dark, user_file=str(file))
    with pytest.raises(InputError, match="image type flat; give a master dark"):
        FindBadPixelsStep.call(flat)
    with pytest.raises(InputError, match="2 frames: one master dark"):
        FindBadPixelsStep.call([dark, dark])
    empty = open_frame(dark)
    empty.data[:] = np.nan
    with pytest.raises(InputError, match="no good pixel"):
        FindBadPixelsStep.call(empty)
