import numpy as np
import pytest
from jwst import datamodels
from stdatamodels.jwst.datamodels import ContrastModel, CubeModel, ImageModel

from coronx import HlspStep


def bare(shape, sigma=None):
    """Return a model with nothing but arrays: a slope away from its middle, seen in rings."""
    rng = np.random.default_rng(3)
    kind = ImageModel if len(shape) == 2 else CubeModel
    noise = rng.normal(size=shape) * (2.0 if sigma is None else sigma)
    model = kind(data=noise.astype("f4"))
    model.err = np.full(shape, 2.0, "f4")
    model.meta.filename = "x_psfsub.fits"
    model.meta.instrument.name = "NIRCAM"
    model.meta.photometry.pixelarea_arcsecsq = 0.25
    return model


def distances(shape, x, y):
    rows, columns = np.indices(shape)
    return np.hypot(columns - x, rows - y)


@pytest.mark.parametrize("shape", [(40, 40), (41, 41), (40, 41), (3, 40, 40), (2, 41, 40)])
def test_the_middle_of_the_frame_is_its_middle(shape):
    model = bare(shape)
    snr, curve = HlspStep.call(model)
    ny, nx = shape[-2:]
    assert snr.meta.coronx.star_x == (nx - 1) / 2 + 1
    assert snr.meta.coronx.star_y == (ny - 1) / 2 + 1
    assert snr.meta.coronx.star_source == "middle of the frame"
    assert type(snr) is type(model)
    np.testing.assert_allclose(snr.data, model.data / 2.0)
    image = model.data if len(shape) == 2 else model.data.mean(axis=0)
    radius = distances(shape[-2:], (nx - 1) / 2, (ny - 1) / 2)
    table = curve.contrast_table
    for n in (2, 5):
        inside = (radius >= 2 * n) & (radius < 2 * (n + 1))
        np.testing.assert_allclose(table["sigma"][n], image[inside].std(), rtol=0.05)
        assert 2 * n <= table["radius"][n] <= 2 * (n + 1)
        assert curve.curve["npix"][n] == inside.sum()
    np.testing.assert_allclose(curve.curve["radius_arcsec"], 0.5 * curve.curve["radius"])
    np.testing.assert_array_equal(curve.curve["sigma"], table["sigma"])


def test_annuli_width():
    model = bare((40, 40))
    narrow, wide = (
        HlspStep.call(model, annuli_width=width)[1].contrast_table["radius"] for width in (1, 4)
    )
    assert narrow.size > 3.5 * wide.size
    np.testing.assert_allclose(np.diff(wide)[1:-1], 4.0, atol=0.5)


def test_star_center():
    shape = (60, 60)
    radius = distances(shape, 20.0, 35.0)
    model = bare(shape, sigma=1.0 + (radius < 8) * 9.0)
    snr, curve = HlspStep.call(model, star_center=[20.0, 35.0])
    assert (snr.meta.coronx.star_x, snr.meta.coronx.star_y) == (21.0, 36.0)
    assert snr.meta.coronx.star_source == "given"
    sigma = curve.contrast_table["sigma"]
    assert (sigma[:4] > 5.0).all()
    assert (sigma[4:12] < 2.0).all()
    middle = HlspStep.call(model)[1].contrast_table["sigma"]
    assert middle[0] < 2.0


def test_the_place_recorded_by_an_earlier_step_counts(target, caplog):
    snr, _ = HlspStep.call(target)
    assert snr.meta.coronx.star_source == "CRPIX"
    assert snr.meta.coronx.star_x == pytest.approx(150.2)
    assert snr.meta.coronx.star_ra == pytest.approx(311.2897, abs=1e-6)
    again, _ = HlspStep.call(HlspStep.call(target, star_center=[100.0, 90.0])[0])
    assert (again.meta.coronx.star_x, again.meta.coronx.star_y) == (101.0, 91.0)
    assert [r for r in caplog.records if r.levelname == "WARNING"] == []


def test_crpix_away_from_the_mask_is_named(target, caplog):
    model = target.copy()
    model.meta.wcsinfo.crpix1 = 160.5
    snr, _ = HlspStep.call(model)
    (told,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert told.startswith("target_00001_nrcalong_calints.fits: CRPIX (160.5, 174.6) is 10.3 pix")
    assert "--star_center" in told
    assert snr.meta.coronx.star_source == "mask centre"
    assert snr.meta.coronx.star_x == pytest.approx(150.2)


def test_no_error_no_ratio():
    model = bare((20, 20))
    model.err[3, 4] = 0.0
    model.err[5, 6] = np.nan
    model.data[7, 8] = np.nan
    snr, curve = HlspStep.call(model)
    assert np.argwhere(np.isnan(snr.data)).tolist() == [[3, 4], [5, 6], [7, 8]]
    assert np.isfinite(curve.contrast_table["sigma"][1:-1]).all()


def test_a_pixel_missing_in_one_integration_is_not_missing_in_the_mean():
    model = bare((2, 20, 20))
    model.data[0, 3, 4] = np.nan
    whole = HlspStep.call(bare((2, 20, 20)))[1].curve["npix"]
    np.testing.assert_array_equal(HlspStep.call(model)[1].curve["npix"], whole)


def test_files(target, tmp_path):
    path = tmp_path / "a_psfsub.fits"
    target.copy().save(str(path))
    HlspStep.call(str(path), save_results=True, output_dir=str(tmp_path / "out"))
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["a_contrast.fits", "a_snr.fits"]
    with datamodels.open(str(tmp_path / "out" / "a_snr.fits")) as snr:
        assert type(snr) is CubeModel
        assert snr.meta.coronx.star_x == pytest.approx(150.2)
    with datamodels.open(str(tmp_path / "out" / "a_contrast.fits")) as curve:
        assert type(curve) is ContrastModel
        assert curve.contrast_table.names == ["radius", "sigma"]
