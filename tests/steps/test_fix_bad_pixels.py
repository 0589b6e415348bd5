import json
import logging

import asdf
import numpy as np
import pytest
from astropy.io import fits
from jwst import datamodels
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import FixBadPixelsStep
from coronx.errors import InputError

BAD, ESTIMATED, OUTLIER = (
    np.uint32(pixel[name]) for name in ("DO_NOT_USE", "FLUX_ESTIMATED", "OUTLIER")
)
NON_SCIENCE = np.uint32(pixel["NON_SCIENCE"])
ARRAYS = ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat")
NEW = ((20, 20), (100, 40), (120, 120))  # unflagged, (y, x), far from the star


def quarter(model):
    """Cut a quarter of the frame, with the star at its corner."""
    for name in ARRAYS:
        setattr(model, name, getattr(model, name)[:, 160:300, :140].copy())
    return model


@pytest.fixture(scope="module")
def exposure(make_exposure):
    """Two integrations with flagged pixels, NaN, unflagged outliers and an area without sky."""
    model = quarter(make_exposure("target_00001_nrcalong_calints.fits", seed=1, nints=2))
    model.data[:, 130:, :10] = np.nan
    model.dq[:, 130:, :10] |= NON_SCIENCE | BAD
    for n, (y, x) in enumerate(NEW):
        model.data[:, y, x] += (-1) ** n * 40.0
    model.data[0, 60, 40] += 60.0
    model.dq[:, 50, 50] |= np.uint32(pixel["HOT"])
    return model


@pytest.fixture(scope="module")
def fixed(exposure):
    return FixBadPixelsStep.call(exposure)


def run(model, **options):
    return FixBadPixelsStep.call(model, **options)


def test_flagged_and_unflagged_bad_pixels_are_repaired(exposure, fixed):
    flagged = (exposure.dq & BAD != 0) | ~np.isfinite(exposure.data)
    flagged &= exposure.dq & NON_SCIENCE == 0
    assert flagged.sum() > 500
    assert (fixed.dq[flagged] & ESTIMATED != 0).all()
    assert (fixed.dq[flagged] & BAD == 0).all()
    assert np.isfinite(fixed.data[flagged]).all()
    assert np.abs(fixed.data[flagged]).max() < 5000.0
    for y, x in NEW:
        assert (fixed.dq[:, y, x] & (ESTIMATED | OUTLIER) == ESTIMATED | OUTLIER).all()
        assert np.abs(fixed.data[:, y, x]).max() < 8.0
    assert fixed.dq[0, 60, 40] & OUTLIER
    assert not fixed.dq[1, 60, 40] & OUTLIER


def test_all_else_is_as_it_was(exposure, fixed):
    touched = fixed.dq & ESTIMATED != 0
    for name in ARRAYS:
        before, after = getattr(exposure, name), getattr(fixed, name)
        np.testing.assert_array_equal(after[~touched], before[~touched], err_msg=name)
    # No bit is lost but DO_NOT_USE of what was repaired.
    assert ((fixed.dq | BAD) & exposure.dq == exposure.dq).all()
    assert (fixed.dq[:, 50, 50] & np.uint32(pixel["HOT"]) != 0).all()
    assert fixed.meta.instrument.filter == "F356W"
    assert fixed.meta.wcs is not None


def test_areas_without_sky_stay(exposure, fixed):
    np.testing.assert_array_equal(fixed.dq[:, 130:, :10], exposure.dq[:, 130:, :10])
    assert np.isnan(fixed.data[:, 130:, :10]).all()


def test_errors_and_variances_agree(exposure, fixed):
    touched = fixed.dq & ESTIMATED != 0
    total = sum(np.asarray(getattr(fixed, name), dtype=float) for name in ARRAYS[3:])
    np.testing.assert_allclose(total[touched], fixed.err[touched].astype(float) ** 2, rtol=1e-5)
    assert (fixed.err[touched] > 0.8 * np.nanmedian(exposure.err)).all()


def test_the_star_is_not_eaten(exposure, fixed):
    known = (exposure.dq & BAD != 0) | ~np.isfinite(exposure.data)
    found = (fixed.dq & OUTLIER != 0) & ~known
    for y, x in (*NEW, (60, 40)):
        found[:, y, x] = False
    assert found.mean() <= 1e-3


def test_again_changes_nothing(fixed):
    again = run(fixed)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(again, name), getattr(fixed, name), err_msg=name)


@pytest.mark.parametrize("repair", ["none", "", []])
def test_find_only_erases_no_flag(exposure, repair):
    made = run(exposure, repair=repair)
    np.testing.assert_array_equal(made.data, exposure.data)
    np.testing.assert_array_equal(made.err, exposure.err)
    assert (made.dq & exposure.dq == exposure.dq).all()
    for y, x in NEW:
        assert (made.dq[:, y, x] & (BAD | OUTLIER) == BAD | OUTLIER).all()
    assert not (made.dq & ESTIMATED).any()
    np.testing.assert_array_equal(run(made, repair=repair).dq, made.dq)


@pytest.mark.parametrize("detect", ["none", []])
def test_repair_without_detection_has_nothing_to_do(exposure, detect):
    made = run(exposure, detect=detect)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(made, name), getattr(exposure, name))


def test_repair_of_flagged_pixels_only(exposure):
    made = run(exposure, detect="dq")
    assert not (made.dq & OUTLIER).any()
    assert (made.dq & ESTIMATED).any()
    np.testing.assert_array_equal(made.data[:, 20, 20], exposure.data[:, 20, 20])


@pytest.mark.parametrize("method", ["timemed", "localmed", "medfilt", "interp2d", "kernel"])
def test_every_repair_can_be_chosen(exposure, method):
    made = run(exposure, detect=["dq", "sigclip"], repair=method)
    assert (made.dq & ESTIMATED).any()
    left = (made.dq & (BAD | OUTLIER)) == BAD | OUTLIER
    assert left.any() == (method == "timemed")  # these are bad in both integrations


@pytest.mark.parametrize("method", ["sigclip", "gradient"])
def test_every_search_can_be_chosen(exposure, method):
    made = run(exposure, detect=["dq", method])
    for y, x in NEW:
        assert (made.dq[:, y, x] & OUTLIER != 0).all()


def test_outliers_in_time(make_exposure, caplog):
    name = "target_00001_nrcalong_calints.fits"
    model = quarter(make_exposure(name, seed=2, nints=4, blemishes=False))
    model.data[1, 100, 50] += 30.0
    made = run(model, detect="timeints")
    assert np.flatnonzero(made.dq[:, 100, 50] & OUTLIER).tolist() == [1]
    assert (made.dq & OUTLIER != 0).mean() < 1e-3
    assert not (run(model, detect="timeints", timeints_sigma=100.0).dq & OUTLIER).any()
    model = quarter(make_exposure(name, seed=2, nints=2, blemishes=False))
    caplog.set_level(logging.INFO)
    assert not (run(model, detect="timeints").dq & OUTLIER).any()
    assert any("timeints needs 3 integrations" in r.getMessage() for r in caplog.records)


def test_bad_bits_are_an_option(exposure):
    options = {"detect": "dq", "bad_bits": ["HOT"], "repair": "interp2d"}
    made = run(exposure, **options)
    assert (made.dq[:, 50, 50] & ESTIMATED != 0).all()
    np.testing.assert_array_equal(run(made, **options).data, made.data)
    with pytest.raises(InputError, match="LUKEWARM"):
        run(exposure, bad_bits=["LUKEWARM"])


def test_thresholds_are_options(exposure):
    count = (run(exposure, detect=["dq", "sigclip"]).dq & OUTLIER != 0).sum()
    high = run(exposure, detect=["dq", "sigclip"], sigma=1e6, neg_sigma=1e6)
    assert not (high.dq & OUTLIER).any()
    low = run(exposure, detect=["dq", "sigclip"], sigma=2.5, neg_sigma=2.5)
    assert (low.dq & OUTLIER != 0).sum() > 2 * count
    only = run(exposure, detect=["dq", "gradient"], gradient_sigma=1e6)
    assert not (only.dq & OUTLIER).any()


def _save(path, array):
    if path.suffix == ".asdf":
        asdf.AsdfFile({"map": array}).write_to(path)
    else:
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(array)]).writeto(path)


@pytest.mark.parametrize("name", ["map.fits", "map.asdf"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_map_of_ones_own(exposure, tmp_path, name, deep):
    bad = np.zeros(exposure.shape if deep else exposure.shape[1:], np.int16)
    bad[..., 120, 60] = 1
    if deep:
        bad[1] = 0
    _save(tmp_path / name, bad)
    made = run(exposure, detect="custom", custom_map=str(tmp_path / name), repair="interp2d")
    assert np.flatnonzero(made.dq[:, 120, 60] & ESTIMATED).tolist() == ([0] if deep else [0, 1])
    assert (made.dq & ESTIMATED != 0).sum() == (1 if deep else 2)


def test_maps_that_cannot_be_used_are_refused(exposure, tmp_path):
    with pytest.raises(InputError, match="custom_map"):
        run(exposure, detect="custom")
    with pytest.raises(InputError, match=r"gone\.fits"):
        run(exposure, detect="custom", custom_map=str(tmp_path / "gone.fits"))
    _save(tmp_path / "small.fits", np.zeros((10, 10)))
    with pytest.raises(InputError, match=r"small\.fits: map of shape \(10, 10\)"):
        run(exposure, detect="custom", custom_map=str(tmp_path / "small.fits"))
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(InputError, match=r"empty\.fits: no image"):
        run(exposure, detect="custom", custom_map=str(tmp_path / "empty.fits"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detect": ["dq", "sigclipp"]}, r"detect 'sigclipp'.*known are dq, sigclip"),
        ({"repair": "timemed+localmed"}, r"repair 'timemed\+localmed'.*known are timemed"),
        ({"localmed_box": 4}, "localmed_box is 4"),
        ({"medfilt_size": 6}, "medfilt_size is 6"),
        ({"sigma": 0.5}, "sigma"),
        ({"fwhm": 0.1}, "fwhm"),
    ],
)
def test_misnamed_options_are_refused(exposure, options, message):
    with pytest.raises(InputError, match=message):
        run(exposure, **options)


def test_the_width_of_the_psf_is_an_option(exposure):
    unknown = exposure.copy()
    unknown.meta.instrument.filter = "F150W"
    with pytest.raises(InputError, match=r"target_00001.*F150W.*give fwhm"):
        run(unknown)
    made = run(unknown, fwhm=2.3)
    assert (made.dq[:, 20, 20] & OUTLIER != 0).all()
    # Nothing under so narrow a PSF is too sharp.
    few = run(exposure, fwhm=0.7)
    assert (few.dq & OUTLIER).sum() < (run(exposure).dq & OUTLIER).sum()


def test_boxes_and_kernels_are_options(exposure):
    for repair, name, small, large in (
        ("localmed", "localmed_box", 3, 7),
        ("medfilt", "medfilt_size", 3, 9),
        ("kernel", "kernel_fwhm", 1.5, 5.0),
    ):
        one, two = (run(exposure, detect="dq", repair=repair, **{name: v}) for v in (small, large))
        assert not np.array_equal(one.data, two.data, equal_nan=True)


def test_a_first_exposure_of_another_kind_does_not_matter(make_association, tmp_path):
    asn = make_association(tmp_path, nints=1)
    table = json.loads(asn.read_text())
    members = table["products"][0]["members"]
    members.sort(key=lambda member: member["exptype"])
    asn.write_text(json.dumps(table))
    made = run(str(asn), detect="dq", save_results=True, output_dir=str(tmp_path / "out"))
    assert isinstance(made, ModelContainer)
    assert len(made) == len(members)
    assert len(list((tmp_path / "out").glob("*_bpfix.fits"))) == len(members)


def test_an_exposure_without_errors(exposure):
    bare = CubeModel(data=exposure.data.copy(), dq=exposure.dq.copy())
    bare.update(exposure)
    made = run(bare)
    assert (made.dq[:, 20, 20] & OUTLIER != 0).all()
    assert (made.dq & OUTLIER != 0).mean() < 3e-3


def test_the_file_tells(exposure, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    run(exposure, save_results=True, output_dir=str(tmp_path))
    (path,) = tmp_path.iterdir()
    assert path.name == "target_00001_nrcalong_bpfix.fits"
    assert fits.getval(path, "S_CXBAD") == "COMPLETE"
    with datamodels.open(str(path)) as model:
        assert (model.dq & ESTIMATED).any()
    (line,) = [r.getMessage() for r in caplog.records if "bad pixels found" in r.getMessage()]
    assert "dq " in line
    assert "interp2d " in line
    assert "left as they are: 0" in line
