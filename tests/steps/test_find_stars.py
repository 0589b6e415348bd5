import numpy as np
import pytest
from astropy.io import fits
from regions import Regions
from scipy.spatial import KDTree

from coronx.errors import InputError
from coronx.models.ground_image import GroundImageModel
from coronx.models.ground_reading import open_frame
from coronx.steps.ground.find_stars import FindStarsStep
from tests.ops.star_scenes import gaussian
from tests.steps.starry_frames import starry_frame


@pytest.fixture(scope="module")
def frame():
    return starry_frame(wcs=True)


@pytest.fixture(scope="module")
def found(frame):
    return FindStarsStep.call(frame[0])


def _true(table, truth):
    distance, index = KDTree(np.column_stack(truth[:2])).query(
        np.column_stack([table["x"] - 1.0, table["y"] - 1.0])
    )
    assert (distance < 1.0).all()
    assert np.unique(index).size == index.size
    return index


def test_places_and_light(frame, found):
    model, (x, y, flux) = frame
    table = found.stars
    index = _true(table, (x, y))
    assert len(table) >= len(x) - 1
    assert table["number"].tolist() == list(range(1, len(table) + 1))
    assert (np.diff(table["peak"]) <= 0).all()
    fair = (table["saturated"] == 0) & (table["lost"] < 0.2)
    assert fair.sum() > 20
    assert np.count_nonzero(table["saturated"]) == 1
    ratio = table["flux"] / flux[index]
    assert np.average(ratio[fair], weights=(table["flux"] / table["flux_sigma"])[fair] ** 2) == (
        pytest.approx(1.0, abs=0.006)
    )
    for name, truth in (("x", x), ("y", y)):
        pull = (table[name] - 1.0 - truth[index]) / table[f"{name}_sigma"]
        assert 0.6 < pull[fair].std() < 1.5
    pull = (table["flux"] - flux[index]) / table["flux_sigma"]
    assert 0.6 < pull[fair].std() < 1.5
    mag = -2.5 * np.log10(flux[index] / 60.0)
    np.testing.assert_allclose(table["mag"][fair], mag[fair], atol=0.1)
    np.testing.assert_allclose(
        table["mag_sigma"][fair], 1.0857 * (table["flux_sigma"] / table["flux"])[fair], rtol=1e-4
    )
    np.testing.assert_allclose(table["background"], 200.0, atol=15.0)
    assert found.meta.ground_steps.find_stars == "COMPLETE"
    np.testing.assert_array_equal(found.data, model.data)
    np.testing.assert_array_equal(found.dq, model.dq)
    assert found.meta.ground.sky_level == pytest.approx(200.0, abs=1.5)
    assert found.meta.ground.sky_rms == pytest.approx(12.7, rel=0.05)


def test_the_sky(frame, found):
    _, (x, y, _) = frame
    index = _true(found.stars, (x, y))
    np.testing.assert_allclose(
        found.stars["dec"], 20.0 + (y[index] + 1.0 - 110.0) * 3e-4, atol=2e-4
    )
    off = (150.0 - found.stars["ra"]) * np.cos(np.radians(20.0))
    np.testing.assert_allclose(off, (x[index] + 1.0 - 100.0) * 3e-4, atol=2e-4)
    bare = FindStarsStep.call(starry_frame()[0])
    assert np.isnan(bare.stars["ra"]).all()
    assert np.isnan(bare.stars["dec"]).all()


def test_shape_over_the_field():
    model, _ = starry_frame(profile=gaussian(4.0, ratio=0.75, angle=20.0))
    result = FindStarsStep.call(model)
    shape = result.psf_shape
    assert [name.decode() if isinstance(name, bytes) else name for name in shape["region"]] == [
        "field", "centre", "lower left", "lower right", "upper left", "upper right"
    ]  # fmt: skip
    field = shape[0]
    assert field["stars"] > 20
    assert field["major"] == pytest.approx(4.0, rel=0.02)
    assert field["axis_ratio"] == pytest.approx(0.75, abs=4 * field["axis_ratio_sigma"] + 0.005)
    assert field["angle"] == pytest.approx(20.0, abs=4 * field["angle_sigma"] + 0.5)
    assert result.meta.ground.fwhm == pytest.approx(4.0 * np.sqrt(0.75), rel=0.02)
    assert np.nanmedian(result.stars["axis_ratio"]) == pytest.approx(0.75, abs=0.03)


def test_a_raw_frame_without_err(frame):
    model = frame[0].copy()
    raw = GroundImageModel(data=np.nan_to_num(model.data, nan=200.0))
    raw.meta.filename = "raw.fits"
    raw.meta.ground.exposure_time = 60.0
    raw.meta.ground.saturation, raw.meta.ground.gain = 6e4, 1.5
    raw.dq = np.where(model.dq & 1, 1, 0).astype(np.uint32)
    result = FindStarsStep.call(raw)
    assert np.count_nonzero(result.stars["saturated"]) == 1
    known = FindStarsStep.call(model)
    assert len(result.stars) == len(known.stars)
    np.testing.assert_allclose(
        result.stars["flux_sigma"][5:], known.stars["flux_sigma"][5:], rtol=0.2
    )
    raw.meta.ground.gain = None
    blind = FindStarsStep.call(raw)
    assert np.nanmedian(blind.stars["flux_sigma"] / result.stars["flux_sigma"]) < 0.9


def test_an_image_without_stars():
    model, _ = starry_frame(stars=False)
    with pytest.raises(InputError, match=r"light_cal.fits: no star above 7 sigma.*allow_none"):
        FindStarsStep.call(model)
    result = FindStarsStep.call(model, allow_none=True)
    assert len(result.stars) == 0
    assert result.meta.ground.fwhm is None
    assert result.psf_shape["stars"].tolist() == [0] * 6
    model.data[:] = np.nan
    with pytest.raises(InputError, match="only 0 good pixels"):
        FindStarsStep.call(model, allow_none=True)


def test_options(frame, found):
    model = frame[0]
    faint = FindStarsStep.call(model, threshold=60.0, zero_point=25.0, fwhm=4.0, box=40)
    assert 5 < len(faint.stars) < len(found.stars)
    np.testing.assert_allclose(faint.stars["mag"][1:5] - found.stars["mag"][1:5], 25.0, atol=0.02)
    known = model.copy()
    known.meta.ground.zero_point = 24.0
    zero = FindStarsStep.call(known)
    np.testing.assert_allclose((zero.stars["mag"] - found.stars["mag"])[1:], 24.0, atol=1e-6)
    wide = FindStarsStep.call(model, aperture=2.0, total=3.0, annulus=[6.0, 9.0])
    fair = (found.stars["lost"] == 0) & (wide.stars["lost"] == 0) & (found.stars["saturated"] == 0)
    ratio = (wide.stars["flux"] / found.stars["flux"])[fair]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.02)
    assert (wide.stars["flux_sigma"] > found.stars["flux_sigma"])[fair].mean() > 0.9


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"aperture": 5.0}, "total = 4: smaller than aperture = 5"),
        ({"annulus": [8.0, 5.0]}, "annulus = 8, 5"),
        ({"annulus": [1.0, 5.0]}, "annulus = 1, 5"),
    ],
)
def test_options_without_sense(frame, options, told):
    with pytest.raises(InputError, match=told):
        FindStarsStep.call(frame[0], **options)


def test_files_and_regions(frame, found, tmp_path):
    model = frame[0].copy()
    model.save(str(tmp_path / "light_cal.fits"))
    FindStarsStep.call(
        str(tmp_path / "light_cal.fits"), save_results=True, output_dir=str(tmp_path), regions=True
    )
    circles = Regions.read(tmp_path / "light_stars.reg", format="ds9")
    assert len(circles) == len(found.stars)
    places = [(circle.center.x, circle.center.y) for circle in circles]
    np.testing.assert_allclose(
        places, np.column_stack([found.stars["x"], found.stars["y"]]) - 1.0, atol=1e-2
    )
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    again = open_frame(tmp_path / "light_stars.fits")
    assert again.stars.dtype.names == found.stars.dtype.names
    np.testing.assert_allclose(again.stars["flux"], found.stars["flux"])
    with fits.open(tmp_path / "light_stars.fits") as file:
        assert file["PSFSHAPE"].data["region"][0] == "field"
        assert file[0].header["FWHM"] == pytest.approx(found.meta.ground.fwhm)


@pytest.mark.realdata
def test_a_frame_of_sdss(realdata):
    result = FindStarsStep.call(str(realdata / "ground" / "sdss" / "sdss_r.fits.bz2"))
    assert len(result.stars) > 100
    assert 1.2 < result.meta.ground.fwhm < 4.0
    assert np.isfinite(result.stars["flux"]).mean() > 0.9
    assert np.isfinite(result.stars["ra"]).all()
