import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from jwst.datamodels import ModelContainer
from jwst.outlier_detection import OutlierDetectionStep
from jwst.resample import ResampleStep
from stdatamodels.jwst import datamodels

from coronx.simulate.exposures import simulate
from coronx.simulate.scene import SCENES
from tests.simulate.short_scenes import MIRI


def test_files_association_and_truth(miri):
    names = [path.name for path in (*miri.science, *miri.psf)]
    assert names == [
        "jw99999001001_03101_00001_mirimage_calints.fits",
        "jw99999002001_03101_00001_mirimage_calints.fits",
        *(f"jw99999003001_03101_0000{k}_mirimage_calints.fits" for k in (1, 2, 3)),
    ]
    association = json.loads(miri.asn.read_text())
    assert association["asn_type"] == "coron3"
    (product,) = association["products"]
    assert product["name"] == "jw99999-c1001_t001_miri_f1140c-4qpm_1140-mask1140"
    assert [m["expname"] for m in product["members"]] == names
    assert [m["exptype"] for m in product["members"]] == ["science"] * 2 + ["psf"] * 3
    assert json.loads(miri.truth_file.read_text()) == json.loads(json.dumps(miri.truth))
    assert miri.truth["seed"] == MIRI.seed


def test_nircam_product_is_named_as_in_the_archive(clean):
    (product,) = json.loads(clean.asn.read_text())["products"]
    assert product["name"] == "jw99999-c1001_t001_nircam_f356w-maskrnd-sub320a335r"


def test_jwst_opens_the_association(miri):
    with datamodels.open(miri.science[0]) as model:
        assert isinstance(model, datamodels.CubeModel)
        assert model.meta.model_type == "CubeModel"
        model.validate()


def test_metadata_of_nircam(clean):
    header = fits.getheader(clean.science[1])
    expected = {
        "INSTRUME": "NIRCAM", "DETECTOR": "NRCALONG", "CHANNEL": "LONG", "MODULE": "A",
        "FILTER": "F356W", "PUPIL": "MASKRND", "CORONMSK": "MASKA335R",
        "SUBARRAY": "SUB320A335R", "SUBSTRT1": 492, "SUBSTRT2": 1502, "SUBSIZE1": 320,
        "SUBSIZE2": 320, "FASTAXIS": -1, "SLOWAXIS": 2, "EXP_TYPE": "NRC_CORON",
        "APERNAME": "NRCA5_MASK335R", "TARGNAME": "SCIENCE STAR", "IS_PSF": False,
        "DATE-OBS": "2022-10-03", "OBSERVTN": "002", "VISIT_ID": "99999002001",
        "NINTS": 1, "EFFEXPTM": 100.0, "DATAMODL": "CubeModel", "TELESCOP": "JWST",
        "S_PHOTOM": "COMPLETE",
    }  # fmt: skip
    assert {key: header.get(key) for key in expected} == expected
    assert header["FILENAME"] == clean.science[1].name
    assert header["TIME-OBS"].startswith("07:00")
    sci = fits.getheader(clean.science[1], "SCI")
    assert sci["BUNIT"] == "MJy/sr"
    assert sci["PHOTMJSR"] == pytest.approx(2.6)
    assert sci["PIXAR_SR"] == pytest.approx(sci["PIXAR_A2"] * np.radians(1 / 3600) ** 2)
    assert (sci["CRPIX1"], sci["CRPIX2"]) == pytest.approx((150.2, 174.6))
    assert sci["ROLL_REF"] == 73.76
    assert sci["VPARITY"] == -1
    for key in ("V2_REF", "V3_REF", "V3I_YANG", "RA_REF", "DEC_REF", "PC2_2", "S_REGION"):
        assert key in sci


def test_arrays(miri):
    with fits.open(miri.psf[0]) as hdus:
        assert hdus["PRIMARY"].header["IS_PSF"] is True
        assert hdus["PRIMARY"].header["EXP_TYPE"] == "MIR_4QPM"
        shape = (3, *MIRI.coronagraph.shape)
        assert all(
            hdus[name].data.shape == shape
            for name in ("SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT")
        )
        assert hdus["SCI"].data.dtype == np.dtype(">f4")
        assert hdus["DQ"].data.dtype == np.uint32
        variance = hdus["VAR_POISSON"].data + hdus["VAR_RNOISE"].data
        assert np.allclose(hdus["ERR"].data ** 2, variance, rtol=1e-4)
        times = hdus["INT_TIMES"].data
        assert times["integration_number"].tolist() == [1, 2, 3]
        step = np.diff(times["int_mid_MJD_UTC"]) * 86400
        assert np.all(step > MIRI.integration_s)


def test_integrations_scatter_by_err_far_from_the_star(miri):
    with datamodels.open(miri.science[0]) as model:
        good = ((model.dq & 1) == 0) & np.isfinite(model.data)
        corner = np.s_[:, 190:, 200:]
        pull = (model.data - np.nanmedian(model.data[corner])) / model.err
        values = pull[corner][good[corner]]
    spread = 0.7413 * np.subtract(*np.percentile(values, [75, 25]))
    assert spread == pytest.approx(1, abs=0.03)


def test_the_seed_decides_everything(tmp_path):
    small = replace(MIRI, integrations=1, references=0, rolls_deg=(0.0,), wavelengths=1)
    data = [
        fits.getdata(simulate(tmp_path / str(k), replace(small, seed=seed)).science[0], "SCI")
        for k, seed in enumerate((7, 7, 8))
    ]
    assert np.array_equal(data[0], data[1], equal_nan=True)
    assert not np.array_equal(data[0], data[2], equal_nan=True)


def test_stock_steps_run(miri):
    with datamodels.open(miri.science[0]) as model:
        outliers = OutlierDetectionStep().process(model)
        assert outliers.meta.cal_step.outlier_detection == "COMPLETE"
        assert np.any((outliers.dq & datamodels.dqflags.pixel["OUTLIER"]) > 0)
        # As the coron3 pipeline does: one image for each integration.
        container = ModelContainer()
        for k in range(len(outliers.data)):
            image = datamodels.ImageModel(
                data=outliers.data[k], err=outliers.err[k], dq=outliers.dq[k]
            )
            image.update(outliers)
            image.meta.wcs = outliers.meta.wcs
            container.append(image)
        combined = ResampleStep().process(container)
    assert combined.meta.cal_step.resample == "COMPLETE"
    star = miri.truth["star"]
    x, y = combined.meta.wcs.invert(star["ra_deg"], star["dec_deg"])
    ny, nx = combined.data.shape
    assert 0 < x < nx
    assert 0 < y < ny
    assert np.isfinite(combined.data[round(y), round(x)])


def test_backgrounds_are_the_sky_alone(tmp_path):
    scene = replace(
        SCENES["miri-4qpm"],
        integrations=1,
        references=1,
        rolls_deg=(63.76,),
        wavelengths=1,
        backgrounds=2,
        glow_stick_mjy_sr=30.0,
    )
    made = simulate(tmp_path / "with", scene)
    assert (len(made.background), len(made.psf_background)) == (2, 2)
    members = json.loads(made.asn.read_text())["products"][0]["members"]
    assert [m["exptype"] for m in members] == [
        "science", "psf", "background", "background", "psf_background", "psf_background",
    ]  # fmt: skip
    for path, is_psf in ((made.background[1], False), (made.psf_background[0], True)):
        header = fits.getheader(path)
        assert header["BKGDTARG"] is True
        assert header["IS_PSF"] is is_psf
        assert header["TARGNAME"].endswith(" STAR BACKGROUND")
        with fits.open(path) as hdus:
            image = np.where(hdus["DQ"].data[0] & 1, np.nan, hdus["SCI"].data[0])
        assert np.nanmedian(image) == pytest.approx(scene.sky_mjy_sr, abs=1.0)
        # No star at the centre, and the stray light on the boundary beside it.
        x, y = (round(c) for c in scene.coronagraph.center)
        assert np.nanmedian(image[y - 15 : y - 8, x - 15 : x - 8]) < scene.sky_mjy_sr + 3
        line = round(y - 60 * np.tan(np.radians(4.835)))
        assert np.nanmedian(image[line, x + 55 : x + 65]) > scene.sky_mjy_sr + 22
    # The stars' exposures are as they were without.
    plain = simulate(tmp_path / "without", replace(scene, backgrounds=0))
    for a, b in zip((*made.science, *made.psf), (*plain.science, *plain.psf), strict=True):
        assert np.array_equal(fits.getdata(a, "SCI"), fits.getdata(b, "SCI"), equal_nan=True)
    assert plain.background == ()


def test_an_unocculted_exposure_stands_beside_the_association(tmp_path):
    scene = replace(MIRI, integrations=1, references=1, wavelengths=1, unocculted_arcsec=5.0)
    made = simulate(tmp_path / "with", scene)
    members = json.loads(made.asn.read_text())["products"][0]["members"]
    assert [m["exptype"] for m in members] == ["science", "science", "psf"]
    truth = made.truth["unocculted"]
    assert (
        truth["file"] == made.unocculted.name == "jw99999004001_03101_00001_mirimage_calints.fits"
    )
    assert (truth["flux_jy"], truth["attenuation"]) == (scene.star_jy, 1.0)
    assert [e["file"] for e in made.truth["exposures"]] == [m["expname"] for m in members]
    off = np.subtract(truth["star_pixel"], scene.mask_center) * scene.coronagraph.scale
    assert off == pytest.approx([5 / np.sqrt(2)] * 2)
    with fits.open(made.unocculted) as hdus:
        image = np.where(hdus["DQ"].data[0] & 1, np.nan, hdus["SCI"].data[0])
        area = hdus["SCI"].header["PIXAR_SR"]
        ra, dec = (hdus["SCI"].header[key] for key in ("CRVAL1", "CRVAL2"))
    x, y = (round(c) for c in truth["star_pixel"])
    cut = image[y - 30 : y + 31, x - 30 : x + 31] - scene.sky_mjy_sr
    assert np.nansum(cut) * area * 1e6 == pytest.approx(scene.star_jy, rel=0.08)
    # The WCS says that the telescope was displaced.
    assert np.hypot((ra - scene.ra_deg) * np.cos(np.radians(dec)), dec - scene.dec_deg) * 3600 == (
        pytest.approx(5.0, abs=0.02)
    )
    # The others are as they were without.
    plain = simulate(tmp_path / "without", replace(scene, unocculted_arcsec=0.0))
    assert plain.unocculted is None
    assert "unocculted" not in plain.truth
    for a, b in zip((*made.science, *made.psf), (*plain.science, *plain.psf), strict=True):
        assert np.array_equal(fits.getdata(a, "SCI"), fits.getdata(b, "SCI"), equal_nan=True)
