import numpy as np
import pytest

from coronx.ops import companion_sampling
from coronx.ops.companion_fit import fit_companion
from coronx.ops.companion_sampling import sample_companion
from tests.ops.companion_scenes import FWHM, SelfSubtracting, make_parts

TRUTH = (0.62, -0.68, 120.0)


@pytest.fixture(scope="module")
def scene():
    parts, psf = make_parts(np.random.default_rng(4), companion=TRUTH, frames=1)
    return parts, psf, fit_companion(parts, psf, guess=TRUTH[:2], fwhm=FWHM)


@pytest.mark.parametrize("sampler", ["emcee", "dynesty"])
def test_the_posterior_is_the_fits(scene, sampler):
    pytest.importorskip(sampler)
    fit = scene[2]
    found = sample_companion(*scene, fwhm=FWHM, sampler=sampler, steps=600, live=100, rng=1)
    assert found.sampler == sampler
    assert found.samples.shape[1] == 3
    best = np.array([fit.east, fit.north, fit.flux])
    np.testing.assert_array_less(np.abs(found.median - best), 0.35 * fit.sigma)
    half = 0.5 * (found.upper - found.lower)
    np.testing.assert_allclose(half, fit.sigma, rtol=0.3)
    assert np.median(found.separation) == pytest.approx(fit.separation, abs=fit.separation_sigma)
    assert np.median(found.pa) == pytest.approx(fit.pa, abs=fit.pa_sigma)
    if sampler == "emcee":
        assert 0.3 < found.acceptance < 0.9
        assert 1.0 < found.autocorrelation < 100.0
        assert np.isnan(found.log_evidence)
    else:
        assert found.log_evidence > 40.0
        assert found.log_evidence_sigma < 1.0
        assert np.isnan(found.acceptance)


def test_self_subtraction_is_in_the_posterior(scene):
    pytest.importorskip("emcee")
    parts, psf, plain = scene
    parts = [SelfSubtracting.of(part, TRUTH) for part in parts]
    fit = fit_companion(parts, psf, guess=TRUTH[:2], fwhm=FWHM)
    found = sample_companion(parts, psf, fit, fwhm=FWHM, steps=600, rng=1)
    best = np.array([fit.east, fit.north, fit.flux])
    np.testing.assert_array_less(np.abs(found.median - best), 0.35 * fit.sigma)
    np.testing.assert_allclose(0.5 * (found.upper - found.lower), fit.sigma, rtol=0.35)
    assert found.median[2] == pytest.approx(plain.flux, abs=2.0 * plain.sigma[2])


def test_the_same_seed_gives_the_same_samples(scene):
    pytest.importorskip("emcee")
    one, two, other = (
        sample_companion(*scene, fwhm=FWHM, steps=40, rng=seed).samples for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_a_missing_package_is_named(scene, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(companion_sampling, "import_module", missing)
    with pytest.raises(ValueError, match=r"pip install 'coronx\[sample\]'"):
        sample_companion(*scene, fwhm=FWHM)


def test_an_unknown_sampler_is_refused(scene):
    with pytest.raises(ValueError, match="emcee or dynesty"):
        sample_companion(*scene, fwhm=FWHM, sampler="ultranest")
