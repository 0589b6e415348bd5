import json
import shutil

import numpy as np
import pytest
from matplotlib.image import imread

from coronx.errors import InputError
from coronx.report.results import draw_results, tell_candidates

# The companion of `make_association`, a Gaussian of sigma 1.2 pixels and peak 60.
SEPARATION, ANGLE = 2.0, np.degrees(np.arctan2(1.6, -1.2))


@pytest.fixture(scope="module")
def products(coron3_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for ending in ("detect.fits", "detect.ecsv", "extract.ecsv", "limits.fits"):
        shutil.copy(coron3_run.folder / f"target_f356w_{ending}", folder)
    return folder


@pytest.fixture(scope="module")
def truth(products):
    companions = [
        {"separation_arcsec": SEPARATION, "pa_deg": ANGLE, "contrast": 3e-5},
        {"separation_arcsec": 1.0, "pa_deg": 300.0, "contrast": 1e-9},
    ]
    path = products / "truth.json"
    path.write_text(json.dumps({"companions": companions}))
    return path


def test_candidates_are_told_with_their_truth(products, truth):
    lines = tell_candidates(products, truth=truth)
    (n,) = (n for n, line in enumerate(lines) if line.startswith("   its truth"))
    assert 'truth  2.0000" at PA 126.87 deg' in lines[n]
    told = float(lines[n - 1].split()[2])
    assert abs(told - SEPARATION) < 0.01
    assert lines[-1].startswith('not found    1.00" at PA 300.0')


def test_without_truth_nothing_is_missed(products):
    assert all(line.startswith("candidate") for line in tell_candidates(products))


def test_the_picture_is_drawn(products, truth, tmp_path):
    path = draw_results(products, tmp_path / "results.png", truth=truth)
    assert imread(path).std() > 0.1


def test_a_curve_is_not_needed(products, tmp_path):
    for path in products.glob("*_detect.*"):
        shutil.copy(path, tmp_path)
    assert draw_results(tmp_path, tmp_path / "results.png").is_file()


def test_nothing_measured_nothing_drawn(tmp_path):
    assert draw_results(tmp_path, tmp_path / "results.png") is None
    assert tell_candidates(tmp_path) == []


def test_products_of_two_reductions_are_refused(products, tmp_path):
    for name in ("a", "b"):
        shutil.copy(products / "target_f356w_detect.fits", tmp_path / f"{name}_detect.fits")
    with pytest.raises(InputError, match=r"2 files \*_detect.fits; give a folder"):
        draw_results(tmp_path, tmp_path / "results.png")
