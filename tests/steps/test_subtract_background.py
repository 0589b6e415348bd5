import json

import numpy as np
import pytest
from jwst import datamodels
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import SubtractBackgroundStep
from coronx.errors import InputError
from coronx.models.arrays import arrays_of
from coronx.ops.median_efficiency import median_efficiency

DNU = pixel["DO_NOT_USE"]
LEVEL = 30.0


@pytest.fixture(scope="module")
def make(make_exposure):
    """Return a function that makes an exposure of a type on a level, of 4 integrations or fewer.

    Cut to a part of the frame, to be quick; the header says which.
    """
    rows, columns = slice(120, 220), slice(100, 200)

    def cut(name, kind="science", *, level=LEVEL, target="TARGET", nints=3, **options):
        psf = kind.startswith("psf")
        star = 0.0 if "background" in kind else 0.05
        model = make_exposure(name, nints=nints, is_psf=psf, brightness=star, **options)
        arrays = arrays_of(model)
        arrays["data"] = arrays["data"] + np.float32(level)
        model.data = arrays.pop("data")[:, rows, columns].copy()
        for array, values in arrays.items():
            setattr(model, array, values[:, rows, columns].copy())
        model.meta.subarray.xstart += columns.start
        model.meta.subarray.ystart += rows.start
        model.meta.subarray.xsize = model.meta.subarray.ysize = 100
        model.meta.target.catalog_name = target
        model.meta.asn.exptype = kind
        return model

    return cut


@pytest.fixture(scope="module")
def target(make):
    return make("target_00001_nrcalong_calints.fits", seed=1)


@pytest.fixture(scope="module")
def background(make):
    return make("bkg_00001_nrcalong_calints.fits", "background", seed=2, blemishes=False)


def run(*models, **options):
    """Run the step on models; `call`, which looks up parameters too, takes twice as long."""
    return list(SubtractBackgroundStep(**options).process(ModelContainer(list(models))))


def test_the_median_is_subtracted_and_inputs_stay(target, background):
    before = {name: values.copy() for name, values in arrays_of(target).items()}
    (result,) = run(target, background)
    expected = target.data - np.median(background.data, axis=0)
    assert np.allclose(result.data, expected, atol=1e-5, equal_nan=True)
    assert np.array_equal(result.dq, target.dq)
    assert result.meta.filename == target.meta.filename
    assert result.meta.asn.exptype == "science"
    assert np.asarray(result.backgrounds)["exposure"].astype(str).tolist() == [
        background.meta.filename
    ]
    for name, values in before.items():
        assert np.array_equal(getattr(target, name), values, equal_nan=True)


def test_errors_hold_the_median_s_own(target, background):
    """The peer adds the error of a mean, 0.8 of it."""
    (result,) = run(target, background)
    mean = np.sqrt(np.sum(background.err**2, axis=0)) / 3
    added = np.sqrt(result.err**2 - target.err**2)
    ratio = (added / mean)[np.isfinite(target.err)]
    assert np.median(ratio) == pytest.approx(np.sqrt(median_efficiency(3)), rel=2e-3)
    known = np.isfinite(result.err)
    total = result.var_poisson + result.var_rnoise + result.var_flat
    assert np.allclose(total[known], result.err[known] ** 2, rtol=1e-4)
    assert np.array_equal(np.isnan(result.data), np.isnan(target.data))


def test_a_pixel_is_bad_only_where_no_background_sample_is_good(target, background):
    """The peer flags it where any is bad; NaN of one would spread."""
    flawed = background.copy()
    flawed.data[0, 10:20, 10:20] = np.nan
    flawed.data[1, 10:20, 10:20], flawed.dq[1, 10:20, 10:20] = 1e5, DNU
    flawed.dq[:, 50, 60] = DNU | pixel["DEAD"]
    flawed.data[:, 51, 61] = np.nan
    clean = target.copy()
    clean.dq[:, :70, :70], clean.data[:, :70, :70] = 0, LEVEL
    clean.err[:, :70, :70] = 1.0
    (result,) = run(clean, flawed)
    some = np.s_[:, 10:20, 10:20]
    assert np.isfinite(result.data[some]).all()
    assert np.all(result.dq[some] == 0)
    assert np.std(result.data[0, 10:20, 10:20]) < 1.5
    assert result.err[0, 15, 15] == pytest.approx(np.hypot(1.0, flawed.err[2, 15, 15]), rel=1e-4)
    assert np.all(result.dq[:, 50, 60] == DNU | pixel["DEAD"])
    assert np.all(result.dq[:, 51, 61] == DNU)
    for at in ((50, 60), (51, 61)):
        assert np.isnan(result.data[:, *at]).all()
        assert np.isnan(result.err[:, *at]).all()
        assert np.isnan(result.var_poisson[:, *at]).all()


def test_blocks_are_subtracted_one_from_one(target):
    """The peer takes the split points of the last file for all of them."""

    def flat(name, kind, levels):
        model = target.copy()
        model.meta.filename, model.meta.asn.exptype = name, kind
        shape = (len(levels), 100, 100)
        model.data = np.broadcast_to(np.reshape(levels, (-1, 1, 1)), shape).astype("f4")
        model.err, model.dq = np.ones(shape, "f4"), np.zeros(shape, "u4")
        for name in ("var_poisson", "var_rnoise", "var_flat"):
            setattr(model, name, np.zeros(shape, "f4"))
        return model

    one = flat("one_calints.fits", "science", [1, 1, 12, 12, 23])
    two = flat("two_calints.fits", "science", [1, 1, 12])
    of_one = flat("b1_calints.fits", "background", [0, 0, 10, 10, 20])
    more = flat("b2_calints.fits", "background", [0, 0, 10, 10, 20, 20])
    (result,) = run(one, of_one, more, nints_per_med=2)
    assert result.data[:, 50, 50].tolist() == [1, 1, 2, 2, 3]
    # A short last block has the error of its own number: two and one of the two files.
    added = np.square(result.err[:, 50, 50]) - 1
    assert added[:4] == pytest.approx(median_efficiency(4) / 4, rel=1e-3)
    assert added[4] == pytest.approx(median_efficiency(3) / 3, rel=1e-3)
    with pytest.raises(InputError, match=r"^two_.*nints_per_med = 2 gives 2 blocks, but 3 of .*b1"):
        run(two, of_one, more, nints_per_med=2)
    with pytest.raises(InputError, match=r"^b2_.*nints_per_med = 1 gives 6 blocks, but 5 of b1_"):
        run(one, of_one, more, nints_per_med=1)


def test_each_kind_has_its_own(make, target, background):
    psf = make("psf_00001_nrcalong_calints.fits", "psf", level=50.0, target="OTHER", seed=3)
    of_psf = make(
        "pbkg_00001_nrcalong_calints.fits", "psf_background", level=50.0, target="OTHER BKG", seed=4
    )
    results = run(target, psf, background, of_psf)
    assert [one.meta.asn.exptype for one in results] == ["science", "psf"]
    for result in results:
        assert np.nanmedian(result.data[:, :20, :20]) == pytest.approx(0.0, abs=2.0)


def test_missing_backgrounds(make, target, background, caplog):
    """The peer says nothing if both kinds are missing."""
    psf = make("psf_00001_nrcalong_calints.fits", "psf", target="OTHER", seed=3)
    with pytest.raises(InputError, match=r"^target_00001_nrcalong_calints.fits: no background"):
        run(target, psf)
    with pytest.raises(InputError, match=r"^target_00001.*no background .* of TARGET"):
        SubtractBackgroundStep.call(target)
    with pytest.raises(InputError, match=r"^psf_00001.*allow_other"):
        run(target, psf, background)
    assert len(run(target, psf, background, allow_other=True)) == 2
    assert "no member of exptype psf_background; background is taken" in caplog.text
    with pytest.raises(InputError, match=r"only exposures of exptype background"):
        SubtractBackgroundStep.call(background)


def test_backgrounds_by_option(target, background, tmp_path):
    path = tmp_path / background.meta.filename
    background.copy().save(str(path))
    alone = SubtractBackgroundStep.call(target, background=[str(path)])
    (together,) = run(target, background)
    assert np.array_equal(alone.data, together.data, equal_nan=True)
    assert np.array_equal(alone.err, together.err, equal_nan=True)
    with pytest.raises(InputError, match=r"nowhere_calints\.fits: no such file"):
        SubtractBackgroundStep.call(target, background=["nowhere_calints.fits"])


def test_a_background_of_another_mode_is_refused(target, background):
    other = background.copy()
    other.meta.instrument.filter = "F444W"
    with pytest.raises(InputError, match=r"bkg_00001.*FILTER is F444W"):
        run(target, other)


def test_twice_is_once(target, background, tmp_path, caplog):
    (once,) = run(target, background, scale="fit")
    once.save(str(tmp_path / "target_00001_nrcalong_bgsub.fits"))
    again = SubtractBackgroundStep.call(str(tmp_path / "target_00001_nrcalong_bgsub.fits"))
    assert np.array_equal(again.data, once.data, equal_nan=True)
    assert "was done before" in caplog.text
    with datamodels.open(tmp_path / "target_00001_nrcalong_bgsub.fits") as model:
        assert model.meta.cal_step.instance is not None
    (mixed,) = run(once, background)
    assert np.array_equal(mixed.data, once.data, equal_nan=True)


def test_an_association_s_backgrounds_are_not_in_the_new_one(target, background, tmp_path):
    members = []
    for model in (target, background):
        model.copy().save(str(tmp_path / model.meta.filename))
        members.append({"expname": model.meta.filename, "exptype": model.meta.asn.exptype})
    asn = tmp_path / "star_asn.json"
    asn.write_text(
        json.dumps({"asn_id": "a3001", "products": [{"name": "star", "members": members}]})
    )
    SubtractBackgroundStep.call(str(asn), save_results=True, output_dir=str(tmp_path / "out"))
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["star_bgsub_asn.json", "target_00001_nrcalong_bgsub.fits"]
    table = json.loads((tmp_path / "out" / names[0]).read_text())
    assert table["products"][0]["members"] == [
        {"expname": "target_00001_nrcalong_bgsub.fits", "exptype": "science"}
    ]


@pytest.fixture(scope="module")
def nircam(make_exposure):
    """A whole frame and its background, 2 % fainter."""
    star = make_exposure("target_00001_nrcalong_calints.fits", seed=1, nints=2)
    star.data += np.float32(1.02 * LEVEL)
    sky = make_exposure("bkg_00001_nrcalong_calints.fits", seed=2, nints=3, brightness=0.0)
    sky.data += np.float32(LEVEL)
    sky.meta.asn.exptype = "background"
    return star, sky


def test_a_mismatch_of_two_percent_comes_out(nircam):
    """The peer has no factor, and leaves 0.6."""
    (plain,), (fitted,) = (run(*nircam, scale=scale) for scale in ("none", "fit"))
    corner = np.s_[:, 280:310, 280:310]
    assert np.nanmedian(plain.data[corner]) == pytest.approx(0.6, abs=0.15)
    assert np.nanmedian(fitted.data[corner]) == pytest.approx(0.0, abs=0.15)
    record = fitted.meta.coronx
    assert record.background_scale == pytest.approx(
        1.02, abs=max(4 * record.background_scale_sigma, 2e-4)
    )
    assert 0 < record.background_scale_sigma < 2e-3
    assert plain.meta.coronx.background_scale is None
    assert np.nanmedian(fitted.err / plain.err) == pytest.approx(1.0, abs=0.02)


def test_a_flat_background_has_no_structure_to_scale(nircam, caplog):
    (result,) = run(*nircam, scale="structure")
    assert result.meta.coronx.background_scale == 1.0
    assert "does not stand out" in caplog.text
    assert np.asarray(result.levels["level"]) == pytest.approx(0.6, abs=0.1)


def test_an_integration_without_a_good_pixel_has_no_level(nircam):
    star, sky = nircam
    lost = star.copy()
    lost.dq[0] |= DNU
    (result,) = run(lost, sky, scale="structure")
    assert np.isnan(result.levels["level"][0])
    assert np.isfinite(result.levels["level"][1])
    assert np.isfinite(result.data[0]).sum() == np.isfinite(result.data[1]).sum() - 1
