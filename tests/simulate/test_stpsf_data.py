import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from coronx.refdata.psf_data import PUPIL
from coronx.simulate.pupil import DIAMETER
from coronx.simulate.stpsf_data import COMA_NM, OPD, build_stpsf_data, write_opd


def test_pupil_and_stops_are_where_light_passes(stpsf_data):
    pupil, header = fits.getdata(stpsf_data / PUPIL, header=True)
    assert pupil.shape == (1024, 1024)
    assert header["PUPLSCAL"] * 1024 == pytest.approx(DIAMETER)
    area = pupil.sum() * header["PUPLSCAL"] ** 2
    assert area == pytest.approx(25.4, rel=0.05)  # m2, the telescope's collecting area
    passed = {
        path.name: np.sum(fits.getdata(path) * pupil) / pupil.sum()
        for path in stpsf_data.rglob("*Lyot*.fits.gz")
    }
    assert passed["NIRCam_Lyot_Somb.fits.gz"] == pytest.approx(0.20, abs=0.03)
    assert passed["MIRI_FQPMLyotStop.fits.gz"] == pytest.approx(0.62, abs=0.06)


def test_segments_are_numbered(stpsf_data):
    segments = fits.getdata(stpsf_data / "JWpupil_segments_RevW_npix1024.fits.gz")
    assert set(np.unique(segments)) == set(range(19))
    assert "VERSION" in fits.getheader(stpsf_data / "JWpupil_segments_RevW_npix1024.fits.gz")


def test_aberrations_are_not_all_zero(stpsf_data):
    table = Table.read(stpsf_data / "si_zernikes_coron_wfe.fits")
    assert set(table["instrument"]) == {"NIRCamSWA", "NIRCamLWA"}
    assert np.all(table["Zernike_7"] == COMA_NM * 1e-9)


def test_wavefront_is_in_micrometres(stpsf_data, tmp_path):
    inside = fits.getdata(stpsf_data / PUPIL) > 0
    opd, header = fits.getdata(stpsf_data / OPD, header=True)
    assert header["BUNIT"] == "micron"
    assert opd[inside].std() == pytest.approx(0.065, rel=0.05)
    path = write_opd(tmp_path / "opd.fits", np.full((4, 4), 100.0), date="2022-07-30T01:00:00")
    assert fits.getdata(path) == pytest.approx(0.1)
    assert fits.getheader(path)["DATE-OBS"] == "2022-07-30T01:00:00"


def test_written_twice_is_the_same(stpsf_data, tmp_path):
    again = build_stpsf_data(tmp_path)
    for path in stpsf_data.rglob("*.fits*"):
        name = path.relative_to(stpsf_data)
        with fits.open(path) as first, fits.open(again / name) as second:
            assert fits.FITSDiff(first, second).identical
