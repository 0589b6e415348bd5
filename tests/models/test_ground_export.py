import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from coronx.models.ground_export import export_plain
from coronx.models.ground_reading import open_frame
from tests.models.ground_frames import write_frame
from tests.models.test_ground_reading import tan


def test_any_program_can_read_the_exported_frame(tmp_path):
    cards = dict(tan().to_header().items()) | {"PEDESTAL": -100, "OBSMODE": "slow"}
    model = open_frame(write_frame(tmp_path / "a.fits", cards=cards, history=("Dark subtracted",)))
    model.err = np.full(model.shape, 2.0, np.float32)
    path = export_plain(model, tmp_path / "plain.fits")
    with fits.open(path) as hdulist:
        assert [hdu.name for hdu in hdulist] == ["PRIMARY", "ERR", "DQ"]
        header = hdulist[0].header
        np.testing.assert_array_equal(hdulist[0].data, model.data)
        assert hdulist[0].data.dtype.itemsize == 4
        np.testing.assert_array_equal(hdulist["ERR"].data, 2.0)
        assert "PEDESTAL" not in header
        assert (header["IMAGETYP"], header["CALSTAT"]) == ("Light Frame", "D")
        assert (header["OBSMODE"], header["EXPTIME"], header["FILTER"]) == ("slow", 60.0, "R")
        assert "Dark subtracted" in str(header["HISTORY"])
        np.testing.assert_allclose(
            WCS(header).all_pix2world(1.0, 2.0, 0), tan().all_pix2world(1.0, 2.0, 0), atol=1e-10
        )


def test_it_can_be_read_again(tmp_path):
    model = open_frame(write_frame(tmp_path / "a.fits", cards={"CALSTAT": "BD"}))
    again = open_frame(export_plain(model, tmp_path / "plain.fits"))
    np.testing.assert_array_equal(again.data, model.data)
    told, expected = again.meta.ground.instance, model.meta.ground.instance
    assert {name: told.get(name) for name in expected} == expected
