import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from coronx.errors import InputError
from coronx.refdata.psf_spectrum import band_weights, read_spectrum, temperature_of


@pytest.fixture
def throughput(tmp_path):
    path = tmp_path / "F999W_throughput.fits"
    micron = np.linspace(2.5, 4.5, 201)
    band = 0.4 * ((micron > 3.0) & (micron < 4.0))
    fits.BinTableHDU(Table({"WAVELENGTH": micron * 1e4, "THROUGHPUT": band})).writeto(path)
    return path


@pytest.mark.parametrize(
    ("name", "kelvin"),
    [("G2V", 5750), ("g2", 5750), ("M1.5Ve", 3625), ("A", 8100), ("B9 V", 11100), ("M9", 2600)],
)
def test_temperatures(name, kelvin):
    assert temperature_of(name) == pytest.approx(kelvin, abs=30)


@pytest.mark.parametrize("name", ["", "X3", "5700"])
def test_a_type_that_is_none(name):
    with pytest.raises(InputError, match="no spectral type"):
        temperature_of(name)


def test_weights_are_shares_of_photons(throughput):
    wavelengths, weights = band_weights(throughput, 4, spectral_type="A0")
    assert weights.sum() == pytest.approx(1.0)
    # Photons of a hot star go as wavelength to the minus third.
    assert weights[0] / weights[3] == pytest.approx((3.875 / 3.125) ** 3, rel=0.12)
    assert np.all((wavelengths > 3.0e-6) & (wavelengths < 4.0e-6))
    cool = band_weights(throughput, 4, spectral_type="M6")[1]
    assert cool[3] > weights[3]


def test_a_spectrum_from_a_file(throughput, tmp_path):
    path = tmp_path / "line.txt"
    rows = [(2.0, 0.0), (3.5, 0.0), (3.51, 1.0), (3.7, 1.0), (3.71, 0.0), (5.0, 0.0)]
    np.savetxt(path, rows, header="micron flux")
    wavelengths, weights = band_weights(throughput, 2, spectrum=path)
    # The half of the band without light is left out.
    assert weights == pytest.approx([1.0])
    assert wavelengths == pytest.approx([3.605e-6], abs=0.01e-6)
    np.savetxt(path, np.add(rows, (0.0, 0.0)) * (1.0, 0.0))
    with pytest.raises(InputError, match="no light"):
        band_weights(throughput, 2, spectrum=path)


def test_bad_spectra(throughput, tmp_path):
    short = tmp_path / "short.txt"
    np.savetxt(short, [(3.2, 1.0), (3.4, 1.0)])
    with pytest.raises(InputError, match=r"covers 3\.2 to 3\.4 um"):
        band_weights(throughput, 2, spectrum=short)
    with pytest.raises(InputError, match="give one of them"):
        band_weights(throughput, 2, spectral_type="G2V", spectrum=short)
    with pytest.raises(InputError, match="nlambda = 0"):
        band_weights(throughput, 0)
    words = tmp_path / "words.txt"
    words.write_text("no numbers\n")
    with pytest.raises(InputError, match=r"words\.txt"):
        read_spectrum(words)
    with pytest.raises(InputError, match=r"gone\.txt"):
        read_spectrum(tmp_path / "gone.txt")
    np.savetxt(words, [(1.0, np.nan), (2.0, 1.0)])
    with pytest.raises(InputError, match="no spectrum"):
        read_spectrum(words)
