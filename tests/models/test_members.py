import numpy as np
import pytest
from stdatamodels.jwst.datamodels import CubeModel, ImageModel

from coronx.errors import InputError, name_of
from coronx.models.members import check_alike, check_good, open_cube


def exposure(**changes):
    model = CubeModel(data=np.ones((2, 30, 31), np.float32))
    model.meta.filename = changes.pop("filename", "one_calints.fits")
    model.meta.instrument.name = "NIRCAM"
    model.meta.instrument.detector = "NRCALONG"
    model.meta.instrument.filter = "F444W"
    model.meta.instrument.coronagraph = "MASKA335R"
    model.meta.subarray.name = "SUB320A335R"
    for key, value in changes.items():
        setattr(model.meta.subarray if key == "name" else model.meta.instrument, key, value)
    return model


def test_a_saved_cube_is_opened(tmp_path):
    path = tmp_path / "one_calints.fits"
    exposure().save(str(path))
    model = open_cube(path)
    assert model.shape == (2, 30, 31)
    assert name_of(model) == "one_calints.fits"


def test_a_model_without_a_name_has_one_for_messages():
    assert name_of(CubeModel()) == "a model in memory"


def test_what_cannot_be_opened_is_told(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        open_cube(tmp_path / "none.fits")
    with pytest.raises(InputError, match="no such file"):
        open_cube(tmp_path)
    for name, content in (("empty.fits", b""), ("text.fits", b"not FITS at all"), ("a.txt", b"x")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{name}: cannot be read .*fetch the file again"):
            open_cube(tmp_path / name)


@pytest.mark.parametrize("keep", [0.05, 0.3, 0.5, 0.9])
def test_a_file_cut_short_is_told(tmp_path, keep):
    path = tmp_path / "one_calints.fits"
    exposure().save(str(path))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(InputError, match="cannot be read"):
        open_cube(path)


def test_what_is_not_a_cube_is_told(tmp_path):
    path = tmp_path / "one_cal.fits"
    ImageModel(data=np.ones((4, 5), np.float32)).save(str(path))
    with pytest.raises(InputError, match=r"not a cube of integrations but a ImageModel"):
        open_cube(path)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"name": "FULL"}, "SUBARRAY is FULL"),
        ({"filter": "F335M"}, "FILTER is F335M"),
        ({"coronagraph": "MASKA430R"}, "CORONMSK"),
        ({"detector": "NRCA2"}, "DETECTOR is NRCA2"),
    ],
)
def test_a_difference_of_mode_names_file_keyword_and_values(changes, what):
    other = exposure(filename="two_calints.fits", **changes)
    with pytest.raises(InputError, match=rf"two_calints.fits: {what}.*one_calints.fits"):
        check_alike([exposure(), exposure(), other])


def test_a_difference_of_frame_is_told_and_of_length_is_none():
    other = exposure()
    other.data = np.ones((5, 30, 31), np.float32)
    check_alike([exposure(), other])
    other.data = np.ones((2, 31, 30), np.float32)
    with pytest.raises(InputError, match=r"frame \(ny, nx\) is \(31, 30\)"):
        check_alike([exposure(), other])


def test_an_exposure_without_a_good_pixel_is_told():
    model = exposure()
    check_good(model)
    model.dq[:] = 1
    with pytest.raises(InputError, match="no good pixel"):
        check_good(model)
    model.dq[:] = 4
    check_good(model)
    model.data[:] = np.nan
    model.data[0, 0, 0] = np.inf
    with pytest.raises(InputError, match="no good pixel"):
        check_good(model)
