"""Frames of Lowell Observatory's Hall telescope, from a folder to a calibrated light."""

import pytest
from astropy.io import fits

from coronx import BuildMasterFlatStep, CalibrateAllPipeline
from coronx.errors import InputError
from coronx.models.ground_association import read_ground_association
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_reading import open_frame
from coronx.models.make_ground_asn import make_ground_asn

pytestmark = pytest.mark.realdata

MEASURED = {"gain": 3.69, "read_noise": 4.35}  # the header's gain is wrong: see test_lowell


@pytest.fixture(scope="module")
def night(realdata, tmp_path_factory):
    """Return the association of three biases, all flats and one light."""
    folder = tmp_path_factory.mktemp("lowell")
    for path in (realdata / "ground/lowell").glob("*.fits"):
        if path.stem in ("z01", "z02", "z03", "0150") or path.stem[0] == "f":
            (folder / path.name).symlink_to(path)
    (association,) = make_ground_asn(folder)
    return association


def test_the_flat_of_another_filter_has_a_group_of_its_own(night):
    products = {p.name: p for p in read_ground_association(night).products}
    (name,) = (name for name in products if name.endswith("_flat_V"))
    assert [path.name for path in products[name].of("flat")] == ["f100.fits"]
    others = products[f"{name}R"].of("flat")
    assert [path.name for path in others] == ["f101.fits", "f110.fits", "f111.fits"]
    with pytest.raises(InputError, match=r"f100\.fits: filter V, where 3 of 4 frames have VR"):
        BuildMasterFlatStep.call([str(path) for path in (*products[name].of("flat"), *others)])


def test_calibrate_all(night, tmp_path, caplog):
    options = {"steps": {"apply_masters": MEASURED}, "output_dir": str(tmp_path)}
    made = CalibrateAllPipeline.call(str(night), **options)
    assert "no light through V" in caplog.text
    assert not list(tmp_path.glob("*_V_masterflat.fits"))
    noise = open_frame(next(tmp_path.glob("*_readnoise.fits"))).meta.ground
    assert noise.read_noise / noise.gain == pytest.approx(1.2, abs=0.1)
    (light,) = read_ground_association(made).of("science")
    model = open_frame(light)
    ground = model.meta.ground
    assert ground.bias_subtracted and ground.flat_divided and not ground.dark_subtracted
    assert ground.flat_file == next(tmp_path.glob("*_VR_masterflat.fits")).name
    assert (ground.gain, ground.read_noise) == (3.69, 4.35)
    assert ground.noise_ratio == pytest.approx(1.0, abs=0.05)
    assert 500 < ((model.dq & FLAGS["COSMIC_RAY"]) != 0).sum() < 2500
    assert fits.getheader(light)["CRXDIGST"]
