import numpy as np
import pytest
from astropy.io import fits

from coronx.errors import InputError
from coronx.refdata import star_models
from coronx.refdata.modes import MODES
from coronx.refdata.psf_file import StarImage
from coronx.refdata.psf_opd import EXAMPLE
from coronx.refdata.star_models import StarModels

pytestmark = pytest.mark.usefixtures("no_optics")

MODE = MODES["nircam-335r"]


@pytest.fixture
def made(monkeypatch):
    """Return the list of what was asked of stpsf."""
    asked = []

    def star_model(mode, name, **options):
        asked.append((mode.name, name, options))
        return object()

    monkeypatch.setattr(star_models, "star_model", star_model)
    return asked


def test_each_is_made_once(made, tmp_path):
    models = StarModels(opd=str(tmp_path / "opd.fits"))
    first = models.of(MODE, "F335M", "2022-07-30")
    assert models.of(MODE, "F335M", "2023-01-01") is first
    assert models.of(MODE, "F444W", "2022-07-30") is not first
    assert len(made) == 2


def test_a_folder_is_asked_for_each_date(made, tmp_path):
    models = StarModels(opd=str(tmp_path))
    first = models.of(MODE, "F335M", "2022-07-30")
    assert models.of(MODE, "F335M", "2022-07-30") is first
    assert models.of(MODE, "F335M", "2023-01-01") is not first
    assert [options["date"] for *_, options in made] == ["2022-07-30", "2023-01-01"]
    assert all(options["opd_folder"] == tmp_path for *_, options in made)


def test_what_is_to_be_trusted(tmp_path, monkeypatch):
    assert StarModels(image=tmp_path / "star.fits").trusted
    assert not StarModels().trusted
    assert not StarModels(opd="wavefront.fits").trusted, "no optics"
    monkeypatch.setenv("WEBBPSF_PATH", str(tmp_path))
    assert not StarModels().trusted, "optics without a wavefront"
    assert StarModels(opd="wavefront.fits").trusted
    (tmp_path / EXAMPLE).touch()
    assert StarModels().trusted
    assert not StarModels(opd="none").trusted
    monkeypatch.setenv("STPSF_PATH", str(tmp_path / "other"))
    assert not StarModels().trusted, "STPSF_PATH goes first"


def test_an_image_goes_before_optics(tmp_path):
    fits.PrimaryHDU(np.ones((9, 9))).writeto(tmp_path / "star.fits")
    models = StarModels(image=tmp_path / "star.fits", opd="none")
    assert isinstance(models.of(MODE, "F335M", None), StarImage)


def test_without_data_the_variable_is_named():
    with pytest.raises(InputError, match="STPSF_PATH"):
        StarModels().of(MODE, "F335M", None)
