import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from jwst import datamodels

from coronx import AlignRefsStep, KlipStep, StackRefsStep
from coronx.errors import InputError
from coronx.steps.coron.extract import ExtractStep

# conftest's companions are Gaussians of a sigma of 1.2 pixels, told by their peak.
TRUTH = (60.0, 1.2, -0.9)
TOTAL = TRUTH[0] * 2.0 * np.pi * 1.2**2


@pytest.fixture(scope="module")
def products(references, make_exposure):
    """Two rolls of a star with a companion, subtracted, and the references aligned to each."""
    stack = StackRefsStep.call([m.copy() for m in references])
    subtracted, aligned = [], []
    for n, roll in enumerate((30.0, 40.0), start=1):
        target = make_exposure(
            f"target_{n:05d}_nrcalong_calints.fits", seed=n, roll=roll, companion=TRUTH
        )
        aligned.append(AlignRefsStep.call(target, stack))
        subtracted.append(KlipStep.call(target, aligned[-1], truncate=4))
    return subtracted, aligned


def run(products, psf_file, **options):
    options = {"guess": [1.25, -0.93], "psf_file": str(psf_file), **options}
    return ExtractStep.call(*products, **options)


def test_the_companion_is_measured(products, gaussian_psf):
    result = run(products, gaussian_psf, star_jy=2.0, star_jy_sigma=0.1)
    (row,) = result.companions
    assert row["converged"]
    for name, truth in zip(("east", "north"), TRUTH[1:], strict=True):
        assert abs(row[name] - truth) < 4.0 * row[f"{name}_sigma"] + 0.002
    unit = 1e6 * products[0][0].meta.photometry.pixelarea_steradians
    assert row["flux"] == pytest.approx(TOTAL * unit, rel=0.1)
    assert row["contrast"] == pytest.approx(row["flux"] / 2.0)
    relative = np.hypot(row["flux_sigma"] / row["flux"], 0.05)
    assert row["contrast_sigma"] / row["contrast"] == pytest.approx(relative)
    assert row["separation"] == pytest.approx(np.hypot(row["east"], row["north"]))
    assert np.isnan(row["flux_low"])
    assert getattr(result, "companion_samples", None) is None


def test_products_are_a_model_and_a_table(products, gaussian_psf, tmp_path):
    step = ExtractStep(guess=[1.25, -0.93, 1e-5], psf_file=gaussian_psf)
    step.output_dir = str(tmp_path)
    result = step.run(*products)
    step.save_model(result, output_file="target_f356w")
    with datamodels.open(tmp_path / "target_f356w_extract.fits") as model:
        assert model.meta.instrument.filter == "F356W"
    saved = fits.getdata(tmp_path / "target_f356w_extract.fits", "COMPANIONS")
    table = QTable.read(tmp_path / "target_f356w_extract.ecsv")
    assert saved["east"][0] == table["east"][0].to_value("arcsec") == result.companions["east"][0]
    assert str(table["flux"].unit) == "Jy"
    assert np.isnan(table["contrast"][0])
    assert table["converged"][0]


def test_the_star_is_somewhere(products, gaussian_psf, caplog):
    (plain,) = run(products, gaussian_psf).companions
    assert plain["star_sigma"] == 0.0
    assert caplog.text.count("how well the star's place is known") == 1
    told = [model.copy() for model in products[0]]
    for model, error in zip(told, (0.3, 0.4), strict=True):
        model.meta.coronx.star_error_x, model.meta.coronx.star_error_y = error, 0.5
    reduction = ExtractStep().open_reduction(told, products[1])
    (row,) = run((reduction,), gaussian_psf).companions
    mas = 1e3 * reduction.scale_arcsec * np.sqrt((0.09 + 0.16 + 2.0 * 0.25) / 4.0)
    assert row["star_sigma"] == pytest.approx(mas)
    for name in ("east", "north", "separation"):
        assert row[f"{name}_sigma"] == pytest.approx(np.hypot(plain[f"{name}_sigma"], 1e-3 * mas))
    turn = np.degrees(np.arctan2(1e-3 * mas, row["separation"]))
    assert row["pa_sigma"] == pytest.approx(np.hypot(plain["pa_sigma"], turn))
    assert row["covariance_east_north"] == pytest.approx(plain["covariance_east_north"])
    (other,) = run((reduction,), gaussian_psf, star_sigma=0.0).companions
    assert other["east_sigma"] == pytest.approx(plain["east_sigma"])


@pytest.mark.parametrize("sampler", ["emcee", "dynesty"])
def test_a_posterior_is_sampled(products, gaussian_psf, sampler):
    pytest.importorskip(sampler)
    result = run(products, gaussian_psf, sampler=sampler, emcee_steps=200, live_points=50)
    (row,) = result.companions
    for name in ("east", "north", "flux", "separation", "pa"):
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        assert low < high
        assert 0.5 * (high - low) == pytest.approx(row[f"{name}_sigma"], rel=0.6)
    assert np.isfinite(row["log_evidence"]) == (sampler == "dynesty")
    samples = result.companion_samples
    assert np.median(samples["east"]) == pytest.approx(row["east"], abs=row["east_sigma"])
    assert set(samples["number"]) == {1}


def test_every_candidate_is_fitted(products, gaussian_psf, tmp_path):
    table = QTable({"east": [1.22, -1.5, 30.0], "north": [-0.92, 0.8, 0.0], "snr": [9.0, 5.0, 5.0]})
    table.write(tmp_path / "cand.ecsv", format="ascii.ecsv")
    found = run(
        products, gaussian_psf, guess=None, candidates=str(tmp_path / "cand.ecsv"),
        errors="covariance", kernel="matern", fit_radius=2.0,
    ).companions  # fmt: skip
    assert found["number"].tolist() == [1, 2, 3]
    # The third lies outside of the frame.
    assert np.isfinite(found["flux"]).tolist() == [True, True, False]
    assert not found["converged"][2]
    assert found["snr"][0] > 20.0 > 6.0 > found["snr"][1]
    assert np.isnan(found["ring_samples"]).all()


def test_a_fit_that_runs_away_says_so(products, psf_file, caplog):
    pixel = 0.063
    guess = [TRUTH[1] + 4.3 * pixel, TRUTH[2]]  # 1.9 FWHM from a bright companion
    (row,) = run(products, psf_file, guess=guess).companions
    assert row["lost"]
    assert not row["converged"]
    assert np.isnan([row["flux"], row["separation"], row["east_sigma"]]).all()
    assert (row["east"], row["north"]) == tuple(guess)
    assert "ran farther than 1.5 FWHM" in caplog.text


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"guess": None}, "no companion to fit"),
        ({"guess": [30.0, 0.0]}, "no usable residual"),
        ({"guess": None, "candidates": "none.ecsv"}, r"none\.ecsv"),
    ],
)
def test_bad_input_is_refused(products, gaussian_psf, options, match):
    with pytest.raises(InputError, match=match):
        run(products, gaussian_psf, **options)


def test_a_table_without_places_is_refused(products, gaussian_psf, tmp_path):
    QTable({"ra": [1.0]}).write(tmp_path / "x.ecsv", format="ascii.ecsv")
    with pytest.raises(InputError, match="no column east and north"):
        run(products, gaussian_psf, guess=None, candidates=str(tmp_path / "x.ecsv"))
