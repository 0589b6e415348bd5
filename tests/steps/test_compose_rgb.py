import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from coronx import ComposeRgbStep
from coronx.errors import InputError
from coronx.models.ground_color import GroundColorModel
from coronx.models.ground_flags import FLAGS
from coronx.models.ground_wcs import wcs_of
from tests.steps.ccd_images import BAD, ccd_image, tan


@pytest.fixture
def images():
    """Return images through R, V and B: grey stars, a red one near the top right corner."""
    rng = np.random.default_rng(8)
    y, x = np.mgrid[:80, :100]
    made, places = [], rng.uniform(8, 70, (25, 2))
    red = np.exp(-0.5 * ((y - 70) ** 2 + (x - 90) ** 2) / 3)
    for name, tint, sky in (("R", 2.0, 900.0), ("V", 1.0, 10.0), ("B", 0.5, -4.0)):
        light = sum(np.exp(-0.5 * ((y - a) ** 2 + (x - b) ** 2) / 3) for a, b in places)
        light = light + (4.0 if name == "R" else 0.2) * red
        data = sky + tint * (50 * light + 0.2 * rng.standard_normal(y.shape))
        made.append(ccd_image(data, tint, f"m1_{name}_cal.fits", name, tan()))
    return made


def test_files(images, tmp_path):
    before = [model.data.copy() for model in images]
    result = ComposeRgbStep.call(
        images[::-1], formats=["png", "tiff"], save_results=True, output_dir=str(tmp_path)
    )
    for model, data in zip(images, before, strict=True):
        np.testing.assert_array_equal(model.data, data)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "m1_R_rgb.fits", "m1_R_rgb.png", "m1_R_rgb.tiff"
    ]  # fmt: skip
    with GroundColorModel(str(tmp_path / "m1_R_rgb.fits")) as planes:
        np.testing.assert_array_equal(planes.data, np.stack(before))
        assert planes.err[:, 0, 0].tolist() == [2.0, 1.0, 0.5]
        assert planes.meta.ground.filter == "R,V,B"
        assert planes.meta.ground_steps.compose_rgb == "COMPLETE"
        assert wcs_of(planes) is not None
    assert result.data.shape == (3, 80, 100)
    with Image.open(tmp_path / "m1_R_rgb.png") as opened:
        eight = np.asarray(opened)
    sixteen = tifffile.imread(tmp_path / "m1_R_rgb.tiff")
    assert eight.shape == sixteen.shape == (80, 100, 3)
    assert (eight.dtype, sixteen.dtype) == (np.uint8, np.uint16)
    np.testing.assert_allclose(sixteen / 257.0, eight, atol=0.51)
    assert np.unique(sixteen).size > 2000
    red, green, blue = eight[79 - 70, 90].astype(int)  # the first row of an image is the lowest
    assert red > 220 and red > 2 * max(green, blue)


def shown(images, tmp_path, **options):
    for old in tmp_path.iterdir():
        old.unlink()
    ComposeRgbStep.call(images, save_results=True, output_dir=str(tmp_path), **options)
    with Image.open(next(tmp_path.glob("*.png"))) as opened:
        return np.asarray(opened).astype(float)


@pytest.mark.parametrize(
    "option",
    [{"stretch": "asinh"}, {"low": 0.2}, {"high": 0.98}, {"neutral": False}, {"gamma": 1.0},
     {"saturation": 0.0}, {"balance": [0.3, 1.0, 1.0]}, {"green": "B"}, {"red": "m1_V_cal.fits"},
     {"blue": "R"}, {"palette": "B,V,R"}],
    ids=str,
)  # fmt: skip
def test_options_change_the_picture(images, tmp_path, option):
    if option.get("neutral") is False:
        images[0].data = np.minimum(images[0].data, 910.0)
    plain = shown(images, tmp_path)
    changed = shown(images, tmp_path, **option)
    assert np.abs(plain - changed).max() > 10


@pytest.mark.parametrize("option", [{"softening": 0.5}, {"q": 1.0}], ids=str)
def test_options_of_asinh(images, tmp_path, option):
    plain = shown(images, tmp_path, stretch="asinh")
    assert np.abs(plain - shown(images, tmp_path, stretch="asinh", **option)).max() > 10


def test_blemishes_and_blank_pixels(images, tmp_path):
    plain = shown(images, tmp_path)
    images[1].data[40, 50], images[1].dq[40, 50] = 6e4, BAD  # a hot pixel
    images[0].data[41, 60] = np.nan
    images[2].data[:, :12], images[2].dq[:, :12] = np.nan, BAD  # one filter sees less
    images[0].dq[70, 90] = images[0].dq[70, 91] = FLAGS["SATURATED"] | FLAGS["DO_NOT_USE"]
    picture = shown(images, tmp_path)[::-1]
    assert not picture[:, :12].any()
    core = picture[70, 90]
    assert core.min() > 200 and np.ptp(core) < 3  # saturated: white
    kept = np.ones(picture.shape[:2], bool)
    kept[:, :12] = kept[70, 90:92] = False
    assert np.abs(picture - plain[::-1])[kept].max() < 60
    assert picture[40, 50].max() < 120
    images[0].dq[5:7, 60] = FLAGS["NO_DATA"]
    clear = shown(images, tmp_path, blank="transparent")[::-1]
    assert clear.shape[-1] == 4
    assert (clear[:, :12, 3] == 0).all() and (clear[:, 12:, 3] == 255).all()
    ComposeRgbStep.call(
        images, blank="transparent", formats="tiff", save_results=True, output_dir=str(tmp_path)
    )
    assert tifffile.imread(tmp_path / "m1_R_rgb.tiff").shape == (80, 100, 4)


def test_names_of_filters(images):
    for model, name in zip(images, ("S2 7nm", "H-Alpha", "OIII"), strict=True):
        model.meta.ground.filter = name
    result = ComposeRgbStep.call(images[::-1], palette="SHO")
    assert result.meta.ground.filter == "S2 7nm,H-Alpha,OIII"
    assert ComposeRgbStep.call(images, palette="hoo").meta.ground.filter == "H-Alpha,OIII,OIII"
    assert ComposeRgbStep.call(images, palette="ha,SII,o3").meta.ground.filter == "H-Alpha,S2 7nm,OIII"  # fmt: skip # noqa: E501


def test_an_association_names_the_picture(images, tmp_path):
    for model in images:
        model.save(str(tmp_path / model.meta.filename))
    table = {
        "asn_id": "a", "asn_pool": "none", "asn_rule": "none",
        "products": [{"name": "m1", "members": [
            {"expname": model.meta.filename, "exptype": "science"} for model in images
        ]}],
    }  # fmt: skip
    (tmp_path / "m1_asn.json").write_text(json.dumps(table))
    ComposeRgbStep.call(
        str(tmp_path / "m1_asn.json"), palette="R,V,B", save_results=True, output_dir=str(tmp_path)
    )
    assert (tmp_path / "m1_rgb.png").is_file() and (tmp_path / "m1_rgb.fits").is_file()
    ComposeRgbStep.call(images, palette="R,V,B", output_file="mine", output_dir=str(tmp_path))
    assert (tmp_path / "mine_rgb.png").is_file() and (tmp_path / "mine_rgb.fits").is_file()


def test_nothing_is_written_unless_asked(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ComposeRgbStep.call(images, palette="R,V,B")
    assert not list(tmp_path.iterdir())


def test_what_makes_no_sense(images):
    with pytest.raises(InputError, match=r"m1_R_cal.fits \(R\).*none is sii.*--red"):
        ComposeRgbStep.call(images, palette="sho")
    with pytest.raises(InputError, match=r"palette = warm: not known; give rgb, sho"):
        ComposeRgbStep.call(images, palette="warm")
    with pytest.raises(InputError, match=r"low = 0\.9, high = 0\.5"):
        ComposeRgbStep.call(images, low=0.9, high=0.5)
    with pytest.raises(InputError, match="formats = gif: known are png, tiff"):
        ComposeRgbStep.call(images, formats="gif")
    for model in images:
        model.meta.ground.filter = "g"
    with pytest.raises(InputError, match=r"3 images of g; .*name the file for red with --red"):
        ComposeRgbStep.call(images, palette="g,g,g")
    names = [model.meta.filename for model in images]
    assert ComposeRgbStep.call(images, palette=",".join(names)).data.shape == (3, 80, 100)
    apart = ccd_image(images[1].data, name="apart.fits", filter_name="V", wcs=tan(0.8))
    with pytest.raises(InputError, match=r"apart.fits: .*0.80 pixels"):
        ComposeRgbStep.call([images[0], apart, images[2]], palette="m1_R_cal,apart,m1_B_cal")
    images[2].data[:] = 3.0
    with pytest.raises(InputError, match=r"m1_B_cal.fits: image 3: .* both 3"):
        ComposeRgbStep.call(images, palette=",".join(names))


@pytest.mark.realdata
def test_sdss(realdata, tmp_path):
    files = [str(realdata / "ground" / "sdss" / f"sdss_{name}.fits.bz2") for name in "gri"]
    # The headers of all three say g: files are named.
    ComposeRgbStep.call(
        files, palette="sdss_i,sdss_r,sdss_g", save_results=True, output_dir=str(tmp_path)
    )
    with Image.open(next(tmp_path.glob("*.png"))) as opened:
        picture = np.asarray(opened).astype(float)
    dark = np.median(picture, axis=(0, 1))
    assert dark.max() < 20 and np.ptp(dark) < 5
    assert (picture.min(axis=-1) >= 254).mean() < 2e-3
    galaxy = picture[345:385, 145:185].reshape(-1, 3).mean(axis=0)
    assert galaxy.min() > 40 and np.ptp(galaxy) < 25
    bright = picture[picture.max(axis=-1) > 150]
    warm = bright[:, 0] - bright[:, 2]
    assert (warm > 40).sum() > 100 and (warm < -40).sum() > 100
