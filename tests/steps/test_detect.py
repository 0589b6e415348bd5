import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS
from jwst import datamodels

from coronx.errors import InputError
from coronx.ops.lobes import Cleared
from coronx.steps.coron.detect import DetectStep
from tests.steps.subtracted_rolls import TOTAL, TRUTH


def run(products, psf, **options):
    return DetectStep.call(*products, **{"psf_file": psf, "outer": 2.5, **options})


def test_the_companion_is_found(subtracted_rolls, gaussian_psf):
    result = run(subtracted_rolls, gaussian_psf, star_jy=2.0, star_jy_sigma=0.1)
    row = result.candidates[0]
    for name, truth in zip(("east", "north"), TRUTH[1:], strict=True):
        assert abs(row[name] - truth) < 4.0 * row[f"{name}_sigma"] + 0.005
    unit = 1e6 * subtracted_rolls[0][0].meta.photometry.pixelarea_steradians
    assert row["flux"] == pytest.approx(TOTAL * unit, rel=0.15)
    assert row["contrast"] == pytest.approx(row["flux"] / 2.0)
    relative = np.hypot(row["flux_sigma"] / row["flux"], 0.05)
    assert row["contrast_sigma"] / row["contrast"] == pytest.approx(relative)
    assert row["separation"] == pytest.approx(np.hypot(row["east"], row["north"]))
    assert row["false_alarm_field"] < 0.01
    assert row["sigmas"] > result.meta.coronx.threshold
    assert row["stim"] > 1.0
    x, y = WCS(fits_header(result)).all_world2pix(row["ra"], row["dec"], 0)
    at = np.unravel_index(np.nanargmax(result.snr), result.data.shape)
    assert np.hypot(x - at[1], y - at[0]) < 1.5
    assert result.err[at] > 0.0
    assert result.snr[at] == pytest.approx(row["snr"], rel=0.2)


@pytest.mark.parametrize("radius", [0.0, 1.0, 2.0])
def test_flux_does_not_depend_on_the_filter(subtracted_rolls, gaussian_psf, radius):
    result = run(subtracted_rolls, gaussian_psf, filter_radius=radius)
    unit = 1e6 * subtracted_rolls[0][0].meta.photometry.pixelarea_steradians
    assert result.candidates[0]["flux"] == pytest.approx(TOTAL * unit, rel=0.1)


def test_the_star_is_somewhere(subtracted_rolls, gaussian_psf, caplog):
    plain = run(subtracted_rolls, gaussian_psf).candidates[0]
    assert plain["star_sigma"] == 0.0
    assert caplog.text.count("how well the star's place is known") == 1
    row = run(subtracted_rolls, gaussian_psf, star_sigma=40.0).candidates[0]
    assert row["star_sigma"] == 40.0
    for name in ("east", "north", "separation"):
        assert row[f"{name}_sigma"] == pytest.approx(np.hypot(plain[f"{name}_sigma"], 0.04))
    turn = np.degrees(np.arctan2(row["separation_sigma"], row["separation"]))
    assert row["pa_sigma"] == pytest.approx(turn)


def fits_header(model):
    info = model.meta.wcsinfo
    names = ("ctype1", "ctype2", "crpix1", "crpix2", "crval1", "crval2", "cdelt1", "cdelt2")
    return fits.Header({name.upper(): getattr(info, name) for name in names})


def test_products_are_a_model_and_a_table(subtracted_rolls, gaussian_psf, tmp_path):
    step = DetectStep(psf_file=gaussian_psf, outer=2.5)
    step.output_dir = str(tmp_path)
    result = step.run(*subtracted_rolls)
    step.save_model(result, output_file="target_f356w")
    with datamodels.open(tmp_path / "target_f356w_detect.fits") as model:
        assert model.meta.bunit_data == "Jy"
        assert np.isnan(model.data).any() == bool((model.dq & 1).any())
    saved = fits.getdata(tmp_path / "target_f356w_detect.fits", "CANDIDATES")
    table = QTable.read(tmp_path / "target_f356w_detect.ecsv")
    assert saved["east"][0] == table["east"][0].to_value("arcsec") == result.candidates["east"][0]
    assert np.isnan(table["contrast"][0])
    header = fits.getheader(tmp_path / "target_f356w_detect.fits")
    assert header["FALSEALM"] == 0.01
    assert header["THRESH"] > 3.0


def test_search_is_between_inner_and_outer(subtracted_rolls, gaussian_psf):
    inside = run(subtracted_rolls, gaussian_psf, outer=1.2)
    beyond = run(subtracted_rolls, gaussian_psf, inner=1.8)
    for found in (inside, beyond):
        away = np.hypot(found.candidates["east"] - TRUTH[1], found.candidates["north"] - TRUTH[2])
        assert (away > 0.2).all()
    assert inside.data.shape[0] < beyond.data.shape[0]


def test_noise_options(subtracted_rolls, gaussian_psf):
    plain = run(subtracted_rolls, gaussian_psf)
    masked = run(subtracted_rolls, gaussian_psf, companions=["1.5:300"], companion_radius=4.0)
    robust = run(subtracted_rolls, gaussian_psf, robust=True)
    loose = run(subtracted_rolls, gaussian_psf, false_alarm=0.5)
    assert not np.array_equal(plain.err, masked.err, equal_nan=True)
    assert not np.array_equal(plain.err, robust.err, equal_nan=True)
    assert loose.meta.coronx.threshold < plain.meta.coronx.threshold
    assert len(robust.candidates) >= 1


def test_lobes_of_a_bright_candidate_are_taken_out(subtracted_rolls, gaussian_psf, monkeypatch):
    plain = run(subtracted_rolls, gaussian_psf)
    # As if any lobe mattered: a Gaussian has none.
    taken = []

    def clear(_, without, **options):
        taken.append((options, without([TRUTH[1:]])))
        return Cleared(taken[0][1], (TRUTH[1:],))

    monkeypatch.setattr("coronx.steps.coron.detect.clear_lobes", clear)
    result = run(subtracted_rolls, gaussian_psf, inner=0.3)
    assert not len(result.candidates)
    np.testing.assert_array_equal(result.data, plain.data)
    peak = np.unravel_index(np.nanargmax(plain.snr), plain.snr.shape)
    assert abs(result.snr[peak]) < 0.2 * plain.snr[peak]
    assert (taken[0][0]["inner"], taken[0][0]["outer"]) == (0.3, 2.5)
    assert len(run(subtracted_rolls, gaussian_psf, remove_companions=False).candidates) == len(
        plain.candidates
    )
    assert len(taken) == 1


@pytest.mark.parametrize(
    ("options", "match"),
    [({"false_alarm": 1.5}, "false_alarm"), ({"companions": ["x"]}, "companions"),
     ({"psf_file": None}, "no PSF"), ({"fov_pixels": 4}, "fov_pixels")],
)  # fmt: skip
def test_bad_options_are_refused(subtracted_rolls, gaussian_psf, options, match, monkeypatch):
    monkeypatch.delenv("STPSF_PATH", raising=False)
    with pytest.raises(InputError, match=match):
        run(subtracted_rolls, gaussian_psf, **options)


def test_adi_is_searched_by_a_core(adi_rolls, gaussian_psf):
    row = run(adi_rolls, gaussian_psf, filter_radius=1.0, outer=2.0).candidates[0]
    for name, truth in zip(("east", "north"), TRUTH[1:], strict=True):
        assert abs(row[name] - truth) < 4.0 * row[f"{name}_sigma"] + 0.005
    unit = 1e6 * adi_rolls[0][0].meta.photometry.pixelarea_steradians
    assert row["flux"] == pytest.approx(TOTAL * unit, rel=0.15)
