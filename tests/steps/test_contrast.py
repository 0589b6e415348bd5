import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from jwst import datamodels
from stdatamodels.jwst.datamodels import ContrastModel

from coronx.errors import InputError
from coronx.ops.small_sample import threshold
from coronx.steps.coron.contrast import ContrastStep
from tests.steps.subtracted_rolls import TRUTH

PLACE = f"{np.hypot(*TRUTH[1:])}:{np.degrees(np.arctan2(*TRUTH[1:]))}"


def run(products, psf, **options):
    options = {"psf_file": psf, "star_jy": 2.0, "outer": 2.5, **options}
    return ContrastStep.call(*products, **options)


def test_limits_are_those_of_the_noise(subtracted_rolls, gaussian_psf):
    result = run(subtracted_rolls, gaussian_psf, companions=[PLACE])
    assert type(result) is ContrastModel
    table = result.limits
    known = np.isfinite(table["calibrated"])
    assert known.sum() > 10
    np.testing.assert_allclose(
        table["calibrated"][known], (table["factor"] * table["sigma"])[known] / 2.0
    )
    full = known & (table["separation"] > 0.4) & (table["separation"] < 1.0)
    np.testing.assert_allclose(
        table["factor"][full],
        threshold(2.0 * np.pi * table["separation_ld"][full]),
        rtol=0.15,
    )
    assert (table["calibrated"] >= 0.99 * table["raw"])[known].all()
    assert ((table["throughput"] > 0.3) & (table["throughput"] <= 1.0))[known].all()
    np.testing.assert_allclose(result.contrast_table["sigma"], table["sigma"], rtol=1e-6)
    assert result.contrast_map.shape == result.throughput.shape
    assert np.isnan(result.contrast_map[result.contrast_map.shape[0] // 2].min())


def test_a_known_companion_is_no_noise(subtracted_rolls, gaussian_psf):
    masked = run(subtracted_rolls, gaussian_psf, companions=[PLACE])
    fooled = run(subtracted_rolls, gaussian_psf)
    small = run(subtracted_rolls, gaussian_psf, companions=[PLACE], companion_radius=0.5)
    at = np.abs(masked.limits["separation"] - 1.5).argmin()
    levels = [m.limits["calibrated"][at] for m in (masked, small, fooled)]
    assert levels[0] < levels[1] <= levels[2]


def test_a_companion_is_taken_out_beyond_its_mask(subtracted_rolls, gaussian_psf):
    options = {"companions": [PLACE], "companion_radius": 0.5}
    taken = run(subtracted_rolls, gaussian_psf, **options).limits
    masked = run(subtracted_rolls, gaussian_psf, **options, remove_companions=False).limits
    clear = run(subtracted_rolls, gaussian_psf, companions=[PLACE], companion_radius=4.0).limits
    at = np.abs(masked["separation"] - 1.5).argmin()
    assert masked["calibrated"][at] > 1.3 * clear["calibrated"][at]
    assert taken["calibrated"][at] == pytest.approx(clear["calibrated"][at], rel=0.1)


def test_options_of_noise_and_threshold(subtracted_rolls, gaussian_psf):
    plain = run(subtracted_rolls, gaussian_psf)
    loose = run(subtracted_rolls, gaussian_psf, false_alarm=1e-3)
    robust = run(subtracted_rolls, gaussian_psf, robust=True)
    known = np.isfinite(plain.limits["calibrated"])
    assert (loose.limits["calibrated"] < plain.limits["calibrated"])[known].all()
    assert not np.array_equal(robust.limits["sigma"], plain.limits["sigma"], equal_nan=True)
    whole = run(subtracted_rolls, gaussian_psf, filter_radius=0.0)
    assert (whole.limits["throughput"] != plain.limits["throughput"])[known].any()
    np.testing.assert_allclose(
        whole.limits["calibrated"][known], plain.limits["calibrated"][known], rtol=0.6
    )
    assert run(subtracted_rolls, gaussian_psf, outer=1.0).limits["separation"].max() < 1.0


def test_products_are_a_model_and_a_table(subtracted_rolls, gaussian_psf, tmp_path):
    step = ContrastStep(psf_file=gaussian_psf, star_jy=2.0, star_jy_sigma=0.1, outer=2.0)
    step.output_dir = str(tmp_path)
    result = step.run(*subtracted_rolls)
    step.save_model(result, output_file="target_f356w")
    with datamodels.open(tmp_path / "target_f356w_limits.fits") as model:
        assert model.meta.instrument.filter == "F356W"
    header = fits.getheader(tmp_path / "target_f356w_limits.fits")
    assert (header["STARJY"], header["STARJYSG"]) == (2.0, pytest.approx(0.1))
    table = QTable.read(tmp_path / "target_f356w_limits.ecsv")
    assert str(table["sigma"].unit) == "Jy"
    np.testing.assert_array_equal(table["calibrated"], result.limits["calibrated"])


@pytest.mark.parametrize(
    ("options", "match"),
    [({"false_alarm": 0.9}, "false_alarm"), ({"companions": ["x"]}, "companions"),
     ({"psf_file": None}, "no PSF"), ({"star_jy": None}, "star"),
     ({"companions": ["0:0"], "companion_radius": 90.0}, "nothing left")],
)  # fmt: skip
def test_bad_options_are_refused(subtracted_rolls, gaussian_psf, options, match, monkeypatch):
    monkeypatch.delenv("STPSF_PATH", raising=False)
    with pytest.raises(InputError, match=match):
        run(subtracted_rolls, gaussian_psf, **options)


def test_adi_is_corrected_for_what_it_takes(adi_rolls, gaussian_psf):
    result = run(adi_rolls, gaussian_psf)
    table = result.limits
    at = (table["separation"] > 0.5) & np.isfinite(table["calibrated"])
    assert at.any()
    # Above 1 where the subtraction takes more of the wings than of the core.
    assert (table["throughput"][at] < 1.03).all()
    assert (table["throughput"][at][:3] < 0.98).all()
    # Rolls 10 degrees apart take more of what they moved less.
    far = table["throughput"][at]
    assert far[-3:].mean() > far[:3].mean()


def test_adi_is_filtered_by_a_core(adi_rolls, gaussian_psf):
    core, whole = (
        run(adi_rolls, gaussian_psf, filter_radius=core, outer=1.5).limits for core in (1.6, 0.0)
    )
    at = (core["separation"] > 0.5) & np.isfinite(core["sigma"])
    assert not np.allclose(core["sigma"][at], whole["sigma"][at], rtol=0.02)
    # A level, and the wings, are left out of what is lost.
    assert np.median(core["throughput"][at]) > np.median(whole["throughput"][at])


@pytest.mark.parametrize(("fraction", "warned"), [(None, True), (1.0, False), (0.93, False)])
def test_the_light_beyond_a_psf_is_asked_for(
    subtracted_rolls, gaussian_psf, caplog, fraction, warned
):
    options = {} if fraction is None else {"psf_fraction": fraction}
    run(subtracted_rolls, gaussian_psf, outer=1.0, **options)
    assert ("give psf_fraction" in caplog.text) == warned
