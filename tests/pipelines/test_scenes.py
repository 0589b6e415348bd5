"""Simulated scenes through the pipeline: what was put in has to come out."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

import coronx
from coronx.report.companions import recover
from coronx.report.overview import draw_overview
from coronx.simulate import SCENES, simulate


@pytest.fixture(scope="module", params=["nircam-round", "nircam-bar", "miri-4qpm"])
def reduced(request, tmp_path_factory, crds_cache):
    del crds_cache
    folder = tmp_path_factory.mktemp(request.param)
    # Shorter than the scenes of the demonstration, and so deeper in the noise.
    scene = replace(SCENES[request.param], integrations=2, references=4)
    made = simulate(folder / "scene", scene)
    coronx.Coron3Pipeline.call(
        str(made.asn),
        output_dir=str(folder / "products"),
        save_results=True,
        save_intermediate_results=False,
        steps={"klip": {"save_psf": True}},
    )
    return made, folder / "products"


def test_companion_is_recovered(reduced):
    made, products = reduced
    (found,) = recover(next(products.glob("*_snr.fits")), made.truth_file)
    assert found.signal_to_noise > 12.0
    assert found.offset_pixels < 0.5


def test_star_is_found_where_it_is(reduced):
    made, products = reduced
    truth = [e for e in made.truth["exposures"] if e["exptype"] == "science"]
    places = []
    for exposure in truth:
        (path,) = products.glob(exposure["file"].replace("_calints", "_*_psfsub"))
        header = fits.getheader(path)
        places.append((header["STARCENX"] - 1, header["STARCENY"] - 1))
    # The first is taken from the header, which knows no pointing error; the second's
    # difference from it is measured.
    measured = np.subtract(places[1], places[0])
    means = [np.mean(exposure["star_pixel_integrations"], axis=0) for exposure in truth]
    true = means[1] - means[0]
    # Behind a bar or a phase mask, which stay where they are, the image changes its shape as
    # well as its place when the star moves; behind a round mask it does so least.
    round_mask = made.truth["scene"]["mode"] == "nircam-335r"
    np.testing.assert_allclose(measured, true, atol=0.02 if round_mask else 0.1)
    np.testing.assert_allclose(places[0], truth[0]["star_pixel"], atol=0.3)


def test_subtraction_reaches_the_noise_and_loses_no_pixel(reduced):
    made, products = reduced
    for path in made.science:
        (subtracted,) = products.glob(path.name.replace("_calints", "_*_psfsub"))
        (star,) = products.glob(path.name.replace("_calints", "_*_psfmodel"))
        with fits.open(path) as before, fits.open(subtracted) as after, fits.open(star) as model:
            given, left, err = before["SCI"].data, after["SCI"].data, after["ERR"].data
            flagged = after["DQ"].data & 1 != 0
            assert np.isfinite(left[~flagged]).all()
            assert np.isnan(left[flagged]).all()
            assert not (np.isnan(given) & np.isfinite(left)).any()
            np.testing.assert_allclose(
                (left + model["SCI"].data)[~flagged], given[~flagged], rtol=1e-5, atol=1e-3
            )
            y, x = np.indices(left.shape[1:])
            away = np.hypot(
                x - after[0].header["STARCENX"] + 1, y - after[0].header["STARCENY"] + 1
            )
            far = (away > 60) & (away < 90) & ~flagged
            assert np.std(left[far] / err[far]) == pytest.approx(1.0, abs=0.1)
            near = (away < 15) & ~flagged
            assert np.nanstd(left[near]) < 0.1 * np.std(given[near])


def test_overview_is_drawn(reduced, tmp_path):
    made, products = reduced
    picture = draw_overview(
        made.science[0], products, tmp_path / "overview.png", truth=made.truth_file
    )
    assert picture.read_bytes().startswith(b"\x89PNG")
