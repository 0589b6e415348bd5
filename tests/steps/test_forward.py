import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from jwst import datamodels

from coronx import AlignRefsStep, ForwardStep, InjectStep, KlipStep, StackRefsStep
from coronx.errors import InputError
from coronx.models.reduction import Reduction
from coronx.models.star_places import record_places
from tests.steps.psf_image import ring, write_model, write_psf

FLUX = 1e-2  # of the star's


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forward")
    return {
        "psf_file": write_psf(folder / "psf.fits"),
        "model": write_model(folder / "disk.fits", FLUX * ring()),
        "star_jy": 2.0,
    }


def injected(model, files, places):
    """The model's light in an exposure, its star at given places."""
    there = model.copy()
    record_places(there, places, np.full(places.shape, 0.01), np.ones(len(places), bool), source="")
    result = InjectStep.call(there, companions=[], **files)
    lit = model.copy()
    lit.data = result.data
    return lit


@pytest.fixture(scope="module")
def rdi(target, aligned):
    return KlipStep.call(target, aligned, truncate="3")


@pytest.fixture(scope="module")
def places(rdi, aligned):
    part = Reduction.of([rdi], [aligned]).parts[0]
    assert np.abs(part.shifts).max() > 0.05
    return np.array(part.star) + part.shifts


@pytest.fixture(scope="module")
def rdi_with(target, aligned, files, places):
    """The same, of the exposure with the model in it."""
    return KlipStep.call(injected(target, files, places), aligned, truncate="3")


@pytest.fixture(scope="module")
def passed(rdi, aligned, files):
    (result,) = ForwardStep.call(rdi, aligned, **files)
    return result


def rows(model, exposure, region):
    table = model.passed
    return table[(table["exposure"] == exposure) & (table["region"] == region)]


def test_it_is_what_injecting_the_model_changes(passed, rdi, rdi_with):
    wanted = rdi_with.data.astype(float) - rdi.data
    assert np.array_equal(np.isnan(passed.data), np.isnan(wanted))
    peak = np.nanmax(wanted)
    assert np.nanmax(np.abs(passed.data - wanted)) < 1e-5 * peak
    assert passed.meta.filename == rdi.meta.filename
    np.testing.assert_array_equal(passed.err, rdi.err)
    assert passed.meta.coronx.strategy == "rdi"


def test_the_table_says_how_much_is_left(passed, rdi):
    name = rdi.meta.filename
    (frame,), (bright,) = rows(passed, name, "frame"), rows(passed, name, "aperture")
    # Light is lost behind the mask, then to the modes.
    assert 0.8 < bright["transmission"] < 0.97
    assert 0.3 < bright["throughput"] < 0.99
    for row in (frame, bright):
        assert row["total"] == pytest.approx(row["transmission"] * row["throughput"])
        assert row["left_jy"] == pytest.approx(row["throughput"] * row["in_jy"])
    assert frame["model_jy"] == pytest.approx(2.0 * FLUX, rel=0.01)  # bad pixels have some of it
    # The level is fitted over the whole frame: nothing is left of the sum there.
    assert abs(frame["throughput"]) < 0.02
    assert frame["matched"] == pytest.approx(bright["matched"], rel=0.1)
    rings = rows(passed, name, "ring")
    np.testing.assert_allclose(rings["outer_arcsec"] - rings["inner_arcsec"], 0.5)
    np.testing.assert_allclose(np.nansum(rings["in_jy"]), frame["in_jy"], rtol=1e-3)
    peak = rings[np.nanargmax(rings["in_jy"])]
    assert peak["inner_arcsec"] in (0.5, 1.0, 1.5)
    # One exposure is all of them.
    (both,) = rows(passed, "all", "aperture")
    assert both["throughput"] == pytest.approx(bright["throughput"])


def test_options_of_the_table(rdi, aligned, files):
    (wide,) = ForwardStep.call(rdi, aligned, ring_width=2.0, aperture=0.6, **files)
    name = rdi.meta.filename
    assert set(rows(wide, name, "ring")["outer_arcsec"][:2]) == {2.0, 4.0}
    (few,) = rows(wide, name, "aperture")
    assert 0 < few["pixels"] < 400


def test_units_and_scale_agree(rdi, aligned, files, passed, tmp_path):
    jansky = write_model(tmp_path / "jy.fits", 2.0 * FLUX * ring(), step=None, BUNIT="Jy/pixel")
    other = {**files, "star_jy": None}
    options = {**other, "model": jansky, "unit": "Jy", "model_scale": 0.05}
    (one,) = ForwardStep.call(rdi, aligned, **options)
    np.testing.assert_allclose(one.data, passed.data, rtol=1e-4, atol=1e-5)
    level = 2.0 * FLUX * ring() * 1e-6 / (0.05 / 206264.806) ** 2
    bright = write_model(
        tmp_path / "mjy.fits", level, step=0.05 * 3600, CUNIT1="arcsec", CUNIT2="arcsec",
        BUNIT="MJy/sr",
    )  # fmt: skip
    (two,) = ForwardStep.call(rdi, aligned, **{**other, "model": bright, "unit": "MJy/sr"})
    np.testing.assert_allclose(two.data, passed.data, rtol=1e-4, atol=1e-4)


def test_the_star_is_at_crpix(rdi, aligned, files, passed, tmp_path):
    moved = np.zeros((130, 120))
    moved[10:111, 3:104] = FLUX * ring()
    path = write_model(tmp_path / "moved.fits", moved, CRPIX1=54.0, CRPIX2=61.0)
    (same,) = ForwardStep.call(rdi, aligned, **{**files, "model": path})
    np.testing.assert_allclose(same.data, passed.data, rtol=1e-4, atol=1e-5)


def test_the_model_taken_out_leaves_what_was_there_before(rdi, rdi_with, aligned, target, files):
    left, without = ForwardStep.call(rdi_with, aligned, subtract=True, **files)
    peak = np.nanmax(left.data)
    assert peak > 5 * np.nanstd(rdi.data)
    assert np.nanmax(np.abs(without.data - rdi.data)) < 1e-5 * peak
    np.testing.assert_allclose(without.data, rdi_with.data - left.data, atol=1e-4)
    whole = without.data + without.psf_model
    assert np.nanmax(np.abs(whole - target.data)) < 1e-5 * peak
    assert without.meta.filename.endswith("_modelsub.fits")
    np.testing.assert_array_equal(without.err, rdi_with.err)
    # It can be measured again, and what is left of a model is the same.
    (again,) = ForwardStep.call(without, aligned, **files)
    np.testing.assert_allclose(again.data, left.data, atol=1e-3 * peak)


def test_references_of_the_same_star_have_the_model_too(
    target, make_exposure, references, files, passed
):
    roll = make_exposure("target_00002_nrcalong_calints.fits", seed=1, nints=1, roll=60.0)

    def reduced(first, second):
        stack = StackRefsStep.call([second, *references])
        lined = AlignRefsStep.call(first, stack)
        return KlipStep.call(first, lined, strategy="ardi", truncate="3"), lined

    plain, lined = reduced(target, roll)
    (found,) = ForwardStep.call(plain, lined, **files)
    part = Reduction.of([plain], [lined]).parts[0]
    assert not part.linear
    middle = np.array([[149.2, 173.6]])
    changed, _ = reduced(
        injected(target, files, np.array(part.star) + part.shifts), injected(roll, files, middle)
    )
    wanted = changed.data.astype(float) - plain.data
    known = np.isfinite(wanted) & np.isfinite(found.data)
    # But for the registration, which sees the model, too.
    scale = (wanted * found.data)[known].sum() / (found.data[known].astype(float) ** 2).sum()
    assert scale == pytest.approx(1.0, abs=0.02)
    assert np.corrcoef(wanted[known], found.data[known])[0, 1] > 0.99
    name = plain.meta.filename
    (ardi,), (rdi,) = rows(found, name, "aperture"), rows(passed, name, "aperture")
    assert ardi["throughput"] < rdi["throughput"] - 0.02


def test_files(rdi, aligned, files, tmp_path):
    stem = "target_00001_nrcalong"
    rdi.copy().save(str(tmp_path / f"{stem}_psfsub.fits"))
    aligned.save(str(tmp_path / f"{stem}_psfalign.fits"))
    members = [
        {"expname": f"{stem}_{suffix}.fits", "exptype": kind}
        for suffix, kind in (("psfsub", "science"), ("psfalign", "psf"))
    ]
    asn = tmp_path / "sub_asn.json"
    asn.write_text(
        json.dumps({"asn_id": "a1", "asn_pool": "none", "products": [
            {"name": "star_f356w", "members": members}]})
    )  # fmt: skip
    out = tmp_path / "out"
    ForwardStep.call(str(asn), subtract=True, save_results=True, output_dir=str(out), **files)
    assert sorted(path.name for path in out.iterdir()) == [
        "star_f356w_throughput.ecsv", f"{stem}_forward.fits", f"{stem}_modelsub.fits",
    ]  # fmt: skip
    table = Table.read(out / "star_f356w_throughput.ecsv")
    assert str(table["left_jy"].unit) == "Jy"
    assert table["throughput"].description
    assert set(table["exposure"]) == {f"{stem}_psfsub.fits", "all"}
    with (
        datamodels.open(str(out / f"{stem}_forward.fits")) as model,
        fits.open(out / f"{stem}_forward.fits") as hdus,
    ):
        np.testing.assert_allclose(hdus["PASSED"].data["left_jy"], table["left_jy"], rtol=1e-12)
        assert np.isfinite(model.data).any()
    alone = tmp_path / "alone"
    ForwardStep.call(
        str(tmp_path / f"{stem}_psfsub.fits"), str(tmp_path / f"{stem}_psfalign.fits"),
        save_results=True, output_dir=str(alone), **files,
    )  # fmt: skip
    assert sorted(path.name for path in alone.iterdir()) == [
        f"{stem}_forward.fits", f"{stem}_throughput.ecsv",
    ]  # fmt: skip


def test_bad_input(target, rdi, aligned, files, tmp_path, monkeypatch):
    for name in ("STPSF_PATH", "WEBBPSF_PATH"):
        monkeypatch.delenv(name, raising=False)

    bad = ring()
    bad[3, 4] = np.nan
    for name, values, options, words in (
        ("scale", ring(), {"step": None}, "no scale.*model_scale"),
        ("nan", bad, {}, "1 values are not finite"),
        ("dark", 0 * ring(), {}, "zero everywhere"),
        ("cube", ring()[None], {}, "two dimensions"),
        ("unit", ring(), {"BUNIT": "MJy/sr"}, "BUNIT is MJy/sr, but unit = contrast"),
        ("far", ring(), {"CRPIX1": -4000.0}, "no light of it falls into"),
        ("flat", ring(), {"CDELT1": 0.0}, "WCS"),
    ):
        path = write_model(tmp_path / f"{name}.fits", values, **options)
        with pytest.raises(InputError, match=words):
            ForwardStep.call(rdi, aligned, **{**files, "model": path})
    fits.PrimaryHDU().writeto(tmp_path / "none.fits")
    (tmp_path / "text.fits").write_text("no file")
    for change, words in (
        ({"model": None}, "no model image"),
        ({"model": "nowhere.fits"}, "nowhere.fits: no such file"),
        ({"model": str(tmp_path / "none.fits")}, "no image in it"),
        ({"model": str(tmp_path / "text.fits")}, "cannot be read"),
        ({"model_scale": -1.0}, "model_scale = -1.0"),
        ({"unit": "ergs"}, "'unit'"),
        ({"star_jy": None}, "star's flux in F356W is not known"),
        ({"psf_file": None}, "no PSF for F356W"),
    ):
        with pytest.raises(InputError, match=words):
            ForwardStep.call(rdi, aligned, **{**files, **change})
    with pytest.raises(InputError, match="does not say how its star was subtracted"):
        ForwardStep.call(target, aligned, **files)


def test_a_model_larger_than_the_frame(rdi, aligned, files, tmp_path):
    # Twice as wide as the frame of 20 arcsec, most of its light beyond.
    flat = write_model(tmp_path / "sky.fits", np.full((200, 200), 1e-6), step=0.2)
    (found,) = ForwardStep.call(rdi, aligned, **{**files, "model": flat})
    (frame,) = rows(found, rdi.meta.filename, "frame")
    share = (320 * 0.063) ** 2 / 40.0**2
    assert frame["model_jy"] == pytest.approx(share * 200**2 * 1e-6 * 2.0, rel=0.03)
    # An even light is the level that is fitted.
    assert abs(frame["matched"]) < 0.1
