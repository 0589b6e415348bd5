"""Zones, references chosen for each target, pixels kept out of the fit, several truncations."""

import numpy as np
import pytest

from coronx.ops.images import Images
from coronx.ops.psf_subtraction import subtract_psf
from coronx.ops.zones import Zone, annular_zones, whole_frame
from tests.ops.psf_scenes import BACKGROUND, NREF, SIZE, changed, first, rings, subtract

MIDDLE = SIZE // 2
Y, X = np.indices((SIZE, SIZE)) - MIDDLE
AROUND = np.hypot(X - 7, Y - 5) < 4  # a companion
ZONES = annular_zones((SIZE, SIZE), (MIDDLE, MIDDLE), edges=(8, 16), sectors=2, padding=2)
SHIFTS = np.array([[0.06, -0.03], [0.0, 0.0]])
ARRAYS = ("residual", "err", "model")


def blemish(rng, images, count=40):
    """Return images with NaN and inf in data and err, and flagged pixels with wild values."""
    data, err, bad = images.data.copy(), images.err.copy(), images.bad.copy()
    for array, values in (
        (data, (np.nan, np.inf, -np.inf)), (err, (np.nan, np.inf, 0.0)),
    ):  # fmt: skip
        for value in values:
            array[tuple(rng.integers(0, n, count) for n in array.shape)] = value
    at = tuple(rng.integers(0, n, count) for n in data.shape)
    data[at], err[at], bad[at] = 1e9, 1e6, True
    return Images(data, err, bad)


def pick(images, which):
    return Images(images.data[which], images.err[which], images.bad[which])


@pytest.fixture(scope="module")
def spoilt(seen):
    references, targets = seen
    return blemish(np.random.default_rng(7), references, 20), blemish(
        np.random.default_rng(8), targets, 20
    )


@pytest.mark.parametrize("propagate", [True, False])
def test_the_whole_frame_as_a_zone_is_the_default(seen, propagate):
    references, targets = seen
    plain = subtract(targets, references, 8, propagate=propagate)
    zoned = subtract(
        targets, references, 8, zones=whole_frame((SIZE, SIZE)), propagate=propagate,
        chosen=np.ones((1, 2, NREF), bool), kept_out=np.zeros((SIZE, SIZE), bool),
    )  # fmt: skip
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(zoned, name), getattr(plain, name))


def test_zones_are_least_squares_fits_in_each(seen):
    references, targets = seen
    done = subtract(targets, references, 4, zones=ZONES)
    data = references.data.astype(float)
    for zone in ZONES:
        means = data[:, zone.fit].mean(axis=1, keepdims=True)
        left, values, modes = np.linalg.svd(data[:, zone.fit] - means, full_matrices=False)
        at = (left[:, :4] / values[:4]).T @ (data[:, zone.subtract] - means)
        design = np.vstack([np.ones(zone.fit.sum()), modes[:4]]).T
        for n in range(2):
            fit = np.linalg.lstsq(design, targets.data[n][zone.fit].astype(float), rcond=None)[0]
            truth = np.vstack([np.ones(zone.subtract.sum()), at]).T @ fit
            np.testing.assert_allclose(done.model[n][zone.subtract], truth, rtol=1e-5)


def test_pixels_kept_out_have_no_say_and_are_subtracted(seen):
    references, targets = seen
    for zones in (None, ZONES):
        options = {"zones": zones, "kept_out": AROUND}
        done = subtract(targets, references, 8, **options)
        plain = subtract(targets, references, 8, zones=zones)
        assert np.isfinite(done.residual).all()
        assert np.isfinite(done.err).all()
        # A bright companion there changes nothing else, and is not touched by the fit.
        data = targets.data + np.where(AROUND, 1e5, 0.0).astype(np.float32)
        bright = subtract(changed(targets, data=data), references, 8, **options)
        np.testing.assert_array_equal(bright.model, done.model)
        np.testing.assert_allclose(
            (bright.residual - done.residual)[:, AROUND], 1e5, rtol=1e-6, atol=0.05
        )
        # The star is subtracted from them about as well as where it was fitted.
        z = (done.residual / done.err)[:, AROUND]
        assert 0.7 < np.sqrt(np.mean(z**2)) < 1.3
        assert (done.err[:, AROUND] > plain.err[:, AROUND]).all()


def test_references_chosen_by_zone_and_target_are_as_if_they_were_all(seen):
    references, targets = seen
    rng = np.random.default_rng(3)
    chosen = rng.random((len(ZONES), 2, NREF)) < 0.6
    chosen[1, 0] = chosen[1, 1]
    counts = (2, 6)
    done = subtract_psf(
        targets, references, truncate=counts, zones=ZONES, chosen=chosen, with_model=True
    )
    assert done.modes == counts
    for z, zone in enumerate(ZONES):
        for n in range(2):
            alone = subtract_psf(
                pick(targets, [n]),
                pick(references, chosen[z, n]),
                truncate=counts,
                zones=[zone],
                with_model=True,
            )
            for name, rtol in (("residual", 1e-5), ("model", 1e-5), ("err", 0.01)):
                found = getattr(done, name)[:, n, zone.subtract]
                truth = getattr(alone, name)[:, 0, zone.subtract]
                np.testing.assert_allclose(found, truth, rtol=rtol, atol=1e-3)


def test_the_references_scatter_is_of_those_chosen(seen):
    references, targets = seen
    chosen = np.random.default_rng(4).random((1, 2, NREF)) < 0.6
    done = subtract(targets, references, 4, chosen=chosen, propagate=False)
    for n in range(2):
        alone = subtract(targets, pick(references, chosen[0, n]), 4, propagate=False)
        np.testing.assert_allclose(done.err[n], alone.err[n], rtol=1e-5)


@pytest.mark.parametrize("shifts", [None, SHIFTS])
def test_blemished_references_chosen_for_each_target(spoilt, shifts):
    references, targets = spoilt
    chosen = np.zeros((1, 2, NREF), bool)
    chosen[0, 0, :18] = chosen[0, 1, 10:] = True
    done = subtract(targets, references, 6, chosen=chosen, shifts=shifts)
    for n in range(2):
        # Bad pixels are filled from all references here, from those chosen there.
        alone = subtract(targets, pick(references, chosen[0, n]), 6, shifts=shifts)
        np.testing.assert_array_equal(np.isnan(done.residual[n]), np.isnan(alone.residual[n]))
        change = (done.residual[n] - alone.residual[n]) / alone.err[n]
        assert np.nanmax(np.abs(change)) < 0.5
        assert np.sqrt(np.nanmean(change**2)) < 0.02
        np.testing.assert_allclose(done.err[n], alone.err[n], rtol=0.03)


@pytest.mark.parametrize("method", ["klip", "classical"])
@pytest.mark.parametrize("zones", [None, ZONES], ids=["frame", "zones"])
@pytest.mark.parametrize("shifts", [None, SHIFTS], ids=["in place", "shifted"])
def test_a_list_of_truncations_is_as_each_alone(spoilt, shifts, zones, method):
    references, targets = spoilt
    counts = (0, 1, 4, 12, 50)
    options = {"zones": zones, "shifts": shifts, "method": method}
    done = subtract_psf(targets, references, truncate=counts, with_model=True, **options)
    assert done.truncate == counts
    assert done.residual.shape == (5, *targets.data.shape)
    for k, count in enumerate(counts):
        alone = subtract(targets, references, count, **options)
        assert done.modes[k] == alone.modes
        np.testing.assert_array_equal(np.isnan(done.residual[k]), np.isnan(alone.residual))
        # What is put in a shifted target's gaps is of the largest truncation, once for all.
        tolerance = 1e-5 if shifts is None else 0.1
        change = np.abs(done.model[k] - alone.model) / np.sqrt(alone.model.clip(BACKGROUND))
        assert np.nanmax(change) < tolerance
        finite = np.isfinite(alone.err)
        np.testing.assert_array_equal(np.isfinite(done.err[k]), finite)
        np.testing.assert_allclose(done.err[k][finite], alone.err[finite], rtol=0.03, atol=0.02)


def test_the_references_scatter_of_a_list_is_as_of_each_alone(seen):
    references, targets = seen
    done = subtract_psf(targets, references, truncate=(1, 7), zones=ZONES, propagate=False)
    for k, count in enumerate((1, 7)):
        alone = subtract(targets, references, count, zones=ZONES, propagate=False)
        np.testing.assert_allclose(done.err[k], alone.err, rtol=1e-5)


def test_zones_without_a_reference_are_nan_and_no_other(spoilt):
    references, targets = spoilt
    zones = rings(SIZE, [0, 5, 12], padding=2)
    chosen = np.ones((3, 2, NREF), bool)
    chosen[0] = chosen[1, 0] = False
    done = subtract(targets, references, 5, zones=zones, chosen=chosen)
    plain = subtract(targets, references, 5, zones=zones)
    for n, lost in enumerate((zones[0].subtract | zones[1].subtract, zones[0].subtract)):
        for name in ARRAYS:
            found, truth = getattr(done, name)[n], getattr(plain, name)[n]
            assert np.isnan(found[lost]).all()
            rtol = 0.02 if name == "err" else 1e-6
            np.testing.assert_allclose(found[~lost], truth[~lost], rtol=rtol, atol=1e-3)
    assert done.modes == 5
    nothing = subtract(targets, references, 5, zones=zones, chosen=np.zeros_like(chosen))
    assert all(np.isnan(getattr(nothing, name)).all() for name in ARRAYS)
    assert nothing.modes == 0


@pytest.mark.parametrize("shifts", [None, SHIFTS], ids=["in place", "shifted"])
def test_zones_with_too_few_pixels_are_nan_and_no_other(spoilt, shifts):
    references, targets = spoilt
    zones = rings(SIZE, [0, 3])
    assert zones[0].fit.sum() == 25
    done = subtract_psf(
        targets, references, truncate=(8, 13), zones=zones, shifts=shifts, with_model=True
    )
    few = zones[0].subtract
    gone = ~targets.good
    for k, lost in enumerate((gone, gone | few)):
        np.testing.assert_array_equal(np.isnan(done.residual[k]), lost)
    np.testing.assert_array_equal(np.isnan(done.model[1]), np.broadcast_to(few, gone.shape))
    assert np.isnan(done.err[1][:, few]).all()
    alone = subtract(targets, references, 8, zones=zones, shifts=shifts)
    finite = np.isfinite(alone.err)
    np.testing.assert_allclose(done.err[0][finite], alone.err[finite], rtol=0.03)


def test_a_zone_all_kept_out_or_all_bad_is_nan(seen):
    references, targets = seen
    zones = rings(SIZE, [0, 5])
    out = subtract(targets, references, 5, zones=zones, kept_out=zones[0].subtract)
    bad = targets.bad | zones[0].subtract
    gone = subtract(changed(targets, bad=bad), references, 5, zones=zones)
    for done in (out, gone):
        for array in (done.residual, done.err):
            np.testing.assert_array_equal(np.isnan(array[0]), zones[0].subtract)


def test_pixels_of_no_zone_are_nan(seen):
    references, targets = seen
    ring = Zone(np.hypot(X, Y) < 15, np.hypot(X, Y) < 10, 6.0)
    done = subtract(targets, references, 5, zones=[ring])
    for name in ARRAYS:
        np.testing.assert_array_equal(np.isnan(getattr(done, name)[1]), ~ring.subtract)


def test_a_flagged_pixels_wild_error_changes_no_other(seen):
    references, targets = seen
    bad, err = targets.bad.copy(), targets.err.copy()
    bad[0, 20, 20] = True
    clean = subtract(changed(targets, bad=bad), references, 8)
    err[0, 20, 20] = 1e5
    done = subtract(changed(targets, bad=bad, err=err), references, 8)
    np.testing.assert_allclose(done.err, clean.err, rtol=1e-3)


def test_truncations_that_do_not_ascend_are_refused(seen):
    references, targets = seen
    for counts in ((), (5, 5), (7, 3), (-1, 3)):
        with pytest.raises(ValueError, match="numbers of modes"):
            subtract_psf(targets, first(references, 3), truncate=counts)
