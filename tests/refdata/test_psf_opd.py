import numpy as np
import pytest
from astropy.io import fits

from coronx.errors import InputError
from coronx.refdata.psf_opd import EXAMPLE, choose_opd


def _write(folder, name, **cards):
    folder.mkdir(exist_ok=True)
    hdu = fits.PrimaryHDU(np.zeros((2, 2), "f4"))
    hdu.header.update({key.replace("_", "-"): value for key, value in cards.items()})
    hdu.writeto(folder / name)
    return folder / name


def test_none_unless_the_data_have_their_example(tmp_path):
    assert choose_opd(None, data=tmp_path) is None
    example = _write(tmp_path, EXAMPLE)
    assert choose_opd(None, data=tmp_path) == example
    assert choose_opd("None", data=tmp_path) is None


def test_a_file_and_a_slice(tmp_path):
    path = _write(tmp_path / "data", "cube.fits")
    assert choose_opd(str(path), data=tmp_path) == path
    assert choose_opd("cube.fits", data=tmp_path / "data") == path
    assert choose_opd((path, 3), data=tmp_path) == (path, 3)
    with pytest.raises(InputError, match=r"gone\.fits is not a file"):
        choose_opd("gone.fits", data=tmp_path)


def test_the_closest_in_time(tmp_path):
    folder = tmp_path / "opds"
    early = _write(folder, "R2022072801-NRCA3_FP1-1.fits", DATE_OBS="2022-07-28", TIME_OBS="03:00")
    late = _write(folder, "R2022073001-NRCA3_FP1-1.fits", DATE_OBS="2022-07-30", TIME_OBS="20:00")
    morning = _write(folder, "O2022073002-NRCA3_FP1-1.fits", DATE_OBS="2022-07-30T01:00:00")
    _write(folder, "notes.fits")
    for date, expected in (
        ("2022-07-01T00:00:00", early),
        ("2022-07-30T06:00:00", morning),
        ("2022-07-30T18:00:00.123", late),
        ("2023-01-01", late),
    ):
        assert choose_opd(None, data=tmp_path, folder=folder, date=date) == expected
    # A file goes before the folder.
    assert choose_opd(early, data=tmp_path, folder=folder, date="2023-01-01") == early
    assert choose_opd("none", data=tmp_path, folder=folder, date="2023-01-01") is None


def test_what_a_folder_needs(tmp_path):
    folder = tmp_path / "opds"
    folder.mkdir()
    with pytest.raises(InputError, match="no date"):
        choose_opd(None, data=tmp_path, folder=folder)
    with pytest.raises(InputError, match="no wavefront named"):
        choose_opd(None, data=tmp_path, folder=folder, date="2022-07-30")
    _write(folder, "R2022072801-NRCA3_FP1-1.fits")
    with pytest.raises(InputError, match="ISO 8601"):
        choose_opd(None, data=tmp_path, folder=folder, date="yesterday")
