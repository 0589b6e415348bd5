"""The keywords and the WCS that `update_nircam_centers` writes, and what it leaves alone."""

import json
import logging

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from jwst import datamodels
from jwst.datamodels import ModelContainer

from coronx import UpdateNircamCentersStep
from coronx.errors import InputError
from coronx.models.arrays import arrays_of
from coronx.models.pointing import StarPlace, find_star, mask_place, record_star, shift_wcs

SIAF_58, SIAF_65 = (150.1, 174.2), (150.2, 174.6)
SHIFT = (0.783, -0.159)  # of F356W


@pytest.fixture
def exposure(make_exposure):
    """Return a maker of an exposure as a release of SIAF describes it."""

    def make(prd="PRDOPSSOC-058", crpix=SIAF_58, aperture="NRCA5_MASK335R", **options):
        model = make_exposure(nints=1, **options)
        model.meta.prd_software_version, model.meta.aperture.name = prd, aperture
        info = model.meta.wcsinfo
        shift_wcs(model, crpix[0] - info.crpix1, crpix[1] - info.crpix2)
        return model

    return make


def sky(model, x, y):
    """Return the sky position of 1-indexed pixels by the gwcs."""
    return SkyCoord(*model.meta.wcs(x - 1.0, y - 1.0, with_bounding_box=False), unit="deg")


def crpix(model):
    return model.meta.wcsinfo.crpix1, model.meta.wcsinfo.crpix2


def assert_left_alone(model, result):
    record = result.meta.coronx
    assert record.update_nircam_centers == "SKIPPED"
    assert crpix(result) == crpix(model)
    assert result.meta.wcsinfo.s_region == model.meta.wcsinfo.s_region
    assert (record.star_x, record.mask_x, record.center_dx) == (None, None, None)


def test_wcs_moves_and_no_pixel_does(exposure):
    model = exposure()
    before, old = model.copy(), crpix(model)
    result = UpdateNircamCentersStep.call(model)
    new = crpix(result)
    assert new == pytest.approx((150.983, 174.441))
    # The sky position that SIAF's pixel had is now the measured one's, and all others follow.
    for step in ((0.0, 0.0), (-100.0, 30.5), (90.0, -120.0)):
        here = sky(model, old[0] + step[0], old[1] + step[1])
        there = sky(result, new[0] + step[0], new[1] + step[1])
        assert here.separation(there).mas < 1e-3
    assert sky(model, *old).separation(sky(result, *old)).mas == pytest.approx(
        63.0 * np.hypot(0.883, 0.241), rel=1e-3
    )
    assert result.meta.wcsinfo.crval1 == model.meta.wcsinfo.crval1
    corner = [float(v) for v in result.meta.wcsinfo.s_region.split()[2:4]]
    assert SkyCoord(*corner, unit="deg").separation(sky(result, 0.5, 0.5)).mas < 1.0
    for name, array in arrays_of(before).items():
        np.testing.assert_array_equal(getattr(result, name), array, err_msg=name)
        np.testing.assert_array_equal(getattr(model, name), array, err_msg=name)
        assert not np.may_share_memory(getattr(result, name), getattr(model, name))
    assert crpix(model) == old == crpix(before)
    assert getattr(model.meta, "coronx", None) is None


def test_star_and_mask_have_keywords_of_their_own(exposure):
    result = UpdateNircamCentersStep.call(exposure())
    record = result.meta.coronx
    assert (record.star_x, record.star_y) == crpix(result)
    assert (record.mask_x, record.mask_y) == crpix(result)
    assert record.star_source == "CRPIX, measured centre"
    assert find_star(result).source == record.star_source
    assert mask_place(result) == pytest.approx((149.983, 173.441))
    star = SkyCoord(record.star_ra, record.star_dec, unit="deg")
    assert star.separation(sky(result, *crpix(result))).mas < 1e-3
    assert (record.center_dx, record.center_dy) == pytest.approx((0.883, 0.241))
    assert record.center_source == "measured, coronx table 1"


def test_a_release_that_has_the_measured_centre_is_not_corrected_twice(exposure):
    model = exposure("PRDOPSSOC-073", SIAF_65)
    result = UpdateNircamCentersStep.call(model)
    assert np.subtract(crpix(result), crpix(model)) == pytest.approx(SHIFT)
    model.meta.instrument.filter = "F335M"
    result = UpdateNircamCentersStep.call(model)
    assert crpix(result) == crpix(model)
    assert result.meta.coronx.update_nircam_centers == "COMPLETE"


@pytest.mark.parametrize("remembered", [True, False])
def test_run_twice_is_run_once(exposure, remembered, caplog):
    # Running it twice added the correction twice in the peer (its issues 140 and 228).
    once = UpdateNircamCentersStep.call(exposure())
    if not remembered:  # as after a package that drops unknown keywords
        once.meta.coronx.update_nircam_centers = None
    with caplog.at_level(logging.INFO, "coronx"):
        twice = UpdateNircamCentersStep.call(once)
    assert ("was done before" in caplog.text) == remembered
    assert crpix(twice) == crpix(once)
    assert twice.meta.coronx.update_nircam_centers == "COMPLETE"
    assert twice.meta.coronx.star_x == once.meta.coronx.star_x


def test_a_frame_that_was_cut_is_corrected_by_the_same(exposure):
    model = exposure(crpix=(100.1, 94.2))
    model.meta.subarray.xstart += 50
    model.meta.subarray.ystart += 80
    result = UpdateNircamCentersStep.call(model)
    assert crpix(result) == pytest.approx((100.983, 94.441))
    assert result.meta.coronx.mask_x == pytest.approx(100.983)


def test_a_moved_frame_is_left_alone_unless_asked(exposure, caplog):
    model = exposure(crpix=(151.0, 175.0))
    result = UpdateNircamCentersStep.call(model)
    assert_left_alone(model, result)
    for text in ("(151.00, 175.00)", "PRDOPSSOC-058", "(150.10, 174.20)", "(150.98, 174.44)"):
        assert text in caplog.text
    result = UpdateNircamCentersStep.call(model, any_crpix=True)
    assert crpix(result) == pytest.approx((151.883, 175.241))


@pytest.mark.parametrize(
    ("source", "goal"), [("measured", (159.94, 157.84)), ("table", (160.13, 161.2)),
                         ("siaf", (159.94, 157.84))]
)  # fmt: skip
def test_whose_centre(exposure, source, goal, caplog):
    model = exposure("PRDOPSSOC-059", (160.03, 160.8), "NRCA2_MASK335R")
    model.meta.instrument.filter = "F210M"
    result = UpdateNircamCentersStep.call(model, source=source)
    assert crpix(result) == pytest.approx(goal)
    assert ("(-0.19, -3.36) pixels away" in caplog.text) == (source == "table")


def test_where_the_star_was_measured_it_stays(exposure):
    model = exposure()
    record_star(model, StarPlace(149.0, 172.0, "measured"))
    before = model.meta.coronx.star_ra, model.meta.coronx.star_dec
    record = UpdateNircamCentersStep.call(model).meta.coronx
    assert (record.star_x, record.star_y, record.star_source) == (150.0, 173.0, "measured")
    moved = SkyCoord(*before, unit="deg").separation(
        SkyCoord(record.star_ra, record.star_dec, unit="deg")
    )
    assert moved.mas == pytest.approx(63.0 * np.hypot(0.883, 0.241), rel=1e-3)


def test_behind_a_bar_the_star_is_not_at_its_middle(exposure):
    model = exposure("PRDOPSSOC-065", (140.1, 177.0), "NRCA5_MASKLWB_F444W")
    model.meta.instrument.filter = "F444W"
    record = UpdateNircamCentersStep.call(model).meta.coronx
    assert (record.star_x, record.star_y) == pytest.approx((140.277, 176.795))
    assert (record.mask_x, record.mask_y) == pytest.approx((151.877, 176.695))
    assert record.star_source == "CRPIX, siaf centre"


def test_the_aperture_is_that_of_the_mode_where_it_is_not_said(exposure):
    result = UpdateNircamCentersStep.call(exposure(None, SIAF_65, None))
    assert crpix(result) == pytest.approx(np.add(SIAF_65, SHIFT))


def test_without_a_wcs_the_keywords_are_written(exposure):
    model = exposure()
    model.meta.wcs = None
    result = UpdateNircamCentersStep.call(model)
    assert crpix(result) == pytest.approx((150.983, 174.441))
    assert result.meta.coronx.star_x == pytest.approx(150.983)


def test_an_unknown_filter_is_an_error_that_lists_the_known(exposure):
    # A silent zero in the peer.
    model = exposure()
    model.meta.instrument.filter = "F277W"
    with pytest.raises(InputError, match=r"star_00001.*FILTER = F277W .* F182M, .*F480M"):
        UpdateNircamCentersStep.call(model)


def test_an_unknown_aperture_is_an_error_that_lists_the_known(exposure):
    model = exposure(aperture="NRCA5_FULL")
    with pytest.raises(InputError, match=r"APERNAME = NRCA5_FULL .*NRCA2_MASK210R.*NRCB5_MASKLWB"):
        UpdateNircamCentersStep.call(model)


def test_without_crpix_it_says_what_to_run(exposure):
    model = exposure()
    model.meta.wcsinfo.crpix1 = None
    with pytest.raises(InputError, match="no CRPIX1, CRPIX2; run assign_wcs"):
        UpdateNircamCentersStep.call(model)


def test_miri_is_skipped(exposure, caplog):
    model = exposure(aperture="MIRIM_MASK1140")
    model.meta.instrument.name, model.meta.instrument.filter = "MIRI", "F1140C"
    with caplog.at_level(logging.INFO, "coronx"):
        result = UpdateNircamCentersStep.call(model)
    assert_left_alone(model, result)
    assert "MIRI has no such table" in caplog.text


def test_of_an_association_and_on_disk(exposure, tmp_path):
    members = []
    for n, kind in enumerate(("science", "psf"), start=1):
        model = exposure(name=f"star_{n:05d}_nrcalong_calints.fits")
        model.save(str(tmp_path / model.meta.filename))
        members.append({"expname": model.meta.filename, "exptype": kind})
    asn = tmp_path / "star_asn.json"
    products = [{"name": "star", "members": members}]
    asn.write_text(json.dumps({"asn_id": "a3001", "asn_pool": "none", "products": products}))
    out = tmp_path / "out"
    result = UpdateNircamCentersStep.call(str(asn), save_results=True, output_dir=str(out))
    assert isinstance(result, ModelContainer)
    assert {path.name for path in out.glob("*.fits")} == {
        f"star_{n:05d}_nrcalong_centers.fits" for n in (1, 2)
    }
    path = out / "star_00002_nrcalong_centers.fits"
    header = fits.getheader(path)
    assert (header["CENDX"], header["CENDY"]) == pytest.approx((0.883, 0.241))
    assert header["CENSRC"] == "measured, coronx table 1"
    assert (header["STARCENX"], header["MASKCENY"]) == pytest.approx((150.983, 174.441))
    assert header["S_CXCEN"] == "COMPLETE"
    with datamodels.open(str(path)) as saved:
        assert crpix(saved) == pytest.approx((150.983, 174.441))
        star = SkyCoord(header["STAR_RA"], header["STAR_DEC"], unit="deg")
        assert star.separation(sky(saved, 150.983, 174.441)).mas < 1e-3


@pytest.mark.realdata
def test_real_frames_that_were_moved_before_are_left_alone(realdata, caplog):
    # Their CRPIX is where another package put the star, in all eight.
    path = min((realdata / "aumic_f356w").glob("*_calints.fits"))
    with datamodels.open(str(path)) as model:
        result = UpdateNircamCentersStep.call(model)
        assert_left_alone(model, result)
        assert "(151.00, 175.00)" in caplog.text
        # Their gwcs is as the host made it: it still says where SIAF had the mask then.
        info = model.meta.wcsinfo
        x, y = model.meta.wcs.invert(info.crval1, info.crval2, with_bounding_box=False)
        assert (x + 1.0, y + 1.0) == pytest.approx(SIAF_58, abs=0.02)
        shift_wcs(model, SIAF_58[0] - 151.0, SIAF_58[1] - 175.0)
        result = UpdateNircamCentersStep.call(model)
        assert crpix(result) == pytest.approx((150.983, 174.441))
