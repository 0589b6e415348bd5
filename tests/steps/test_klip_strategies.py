"""Every option of KlipStep that chooses references, zones and methods."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from jwst import datamodels
from jwst.datamodels import ModelContainer
from scipy import ndimage

from coronx import AlignRefsStep, KlipStep, StackRefsStep
from coronx.errors import InputError
from coronx.models.pointing import find_star, sky_matrix
from coronx.models.recipe import Recipe

PLACE = np.array([60.0, 1.6, -1.2])
AT = f"2.0:{np.degrees(np.arctan2(1.6, -1.2)):.2f}"


def run(model, references, **options):
    return KlipStep.call(model, references, **options)


def place(model, of=None):
    """Return where the companion is in a model, turned as in another one."""
    star = find_star(model)
    return np.array([star.x, star.y]) + sky_matrix(of or model, star) @ PLACE[1:]


def flux(model, n=0, of=None):
    """Return the light within three pixels of the companion, over the flux that it has."""
    x, y = place(model, of)
    rows, cols = np.indices(model.shape[-2:])
    near = np.hypot(cols - x, rows - y) < 3.0
    return np.nansum(model.data[n][near]) / (PLACE[0] * 2.0 * np.pi * 1.2**2)


def spread(model, ring, n=0):
    x, y = place(model)
    rows, cols = np.indices(model.shape[-2:])
    return np.nanstd(model.data[n][ring & (np.hypot(cols - x, rows - y) > 6.0)])


def zones_of(model):
    """Return the annulus of each pixel for edges of 1 and 2 arcsec; -1 near the edges."""
    star = find_star(model)
    rows, cols = np.indices(model.shape[-2:])
    radius = np.hypot(cols - star.x, rows - star.y) * 0.063
    near = (np.abs(radius - 1.0) < 0.1) | (np.abs(radius - 2.0) < 0.1)
    return np.where(near, -1, np.digitize(radius, [1.0, 2.0]))


def test_each_strategy_has_the_references_it_is_named_for(roll, rolls, rolls_aligned, ring):
    found = {name: run(roll, rolls_aligned, strategy=name) for name in ("rdi", "adi", "ardi")}
    modes = {name: result.meta.coronx.kl_modes for name, result in found.items()}
    assert modes == {"rdi": 4, "adi": 1, "ardi": 5}
    for name, result in found.items():
        assert result.meta.coronx.strategy == name
        assert 0.7 < flux(result) < 1.1
        assert spread(result, ring) < 5.0 < np.nanstd(roll.data[0][ring]) / 12.0
    # In ADI the other roll's companion is a dark one.
    shown = {name: flux(result, of=rolls[1]) for name, result in found.items()}
    assert shown["adi"] == pytest.approx(-1.0, abs=0.2)
    assert shown["rdi"] == pytest.approx(0.0, abs=0.2)
    assert shown["adi"] < shown["ardi"] < shown["rdi"]


def test_a_single_roll_is_no_adi(roll, stack, rolls_aligned):
    alone = AlignRefsStep.call(roll, StackRefsStep.call([roll]))
    with pytest.raises(InputError, match=r"target_00001.*of one roll, or nearly; lower least"):
        run(roll, alone, strategy="adi")
    with pytest.raises(InputError, match=r"no reference of another star; add one"):
        run(roll, alone)
    psf = AlignRefsStep.call(roll, stack)
    with pytest.raises(InputError, match=r"no reference shows the same star; stack .*with_science"):
        run(roll, psf, strategy="adi")
    with pytest.raises(InputError, match=r"lower least_rotation, or subtract by strategy rdi"):
        run(roll, rolls_aligned, strategy="adi", least_rotation=9.0)


def test_ardi_of_a_single_roll_says_that_it_is_rdi(roll, aligned_roll, caplog):
    with caplog.at_level(logging.WARNING):
        both = run(roll, aligned_roll, strategy="ardi")
    assert "no other roll of the star is among the references: it is rdi" in caplog.text
    np.testing.assert_array_equal(both.data, run(roll, aligned_roll).data)


def test_no_wcs_is_no_adi(roll, rolls_aligned):
    bare = roll.copy()
    del bare.meta.wcs
    for options in ({"strategy": "adi"}, {"companions": ["1.2:40"]}):
        with pytest.raises(InputError, match=r"target_00001.*WCS"):
            run(bare, rolls_aligned, **options)


def test_near_the_star_a_companion_moves_too_little(roll, rolls_aligned, caplog):
    options = {"annuli": [1.0, 2.0], "least_rotation": 4.0}
    with caplog.at_level(logging.WARNING):
        result = run(roll, rolls_aligned, strategy="adi", **options)
    assert "no reference is left in 1 of 3 zones" in caplog.text
    ring = zones_of(result)
    assert np.isnan(result.data[:, ring == 0]).all() and np.isnan(result.err[:, ring == 0]).all()
    assert np.isfinite(result.data[:, ring > 0]).mean() > 0.95
    both = run(roll, rolls_aligned, strategy="ardi", **options)
    one = run(roll, rolls_aligned, strategy="rdi", annuli=[1.0, 2.0])
    np.testing.assert_array_equal(both.data[0][ring == 0], one.data[0][ring == 0])
    assert not np.array_equal(both.data[:, ring == 1], one.data[:, ring == 1])


def test_zones_are_fitted_on_their_own(roll, aligned_roll):
    cut = run(roll, aligned_roll, annuli=[1.0, 2.0], truncate=2)
    changed = roll.copy()
    ring = zones_of(roll)
    changed.data[:, ring == 1] *= 1.5
    again = run(changed, aligned_roll, annuli=[1.0, 2.0], truncate=2)
    for n in (0, 2):
        # The second integration is fitted where the first's frame has it.
        np.testing.assert_allclose(again.data[0][ring == n], cut.data[0][ring == n], atol=1e-2)
    padded = run(changed, aligned_roll, annuli=[1.0, 2.0], zone_padding=0.3, truncate=2)
    assert np.nanmax(np.abs(padded.data[0] - cut.data[0])[ring == 0]) > 0.1
    pie = run(roll, aligned_roll, annuli=[1.0, 2.0], sectors=3, truncate=2)
    assert np.isfinite(pie.data).mean() == pytest.approx(np.isfinite(cut.data).mean())
    assert np.nanstd(pie.data[0][ring == 1]) < np.nanstd(cut.data[0][ring == 1])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"annuli": [0.05, 1.0]}, r"target_00001.*resolution element.*give wider annuli"),
        ({"annuli": [0.5], "sectors": 60}, "give wider annuli or fewer sectors"),
        ({"annuli": [2.0, 1.0]}, "annuli = 2, 1: radii in arcsec must increase"),
        ({"annuli": [0.0, 1.0]}, "annuli = 0, 1: .* from above 0"),
        ({"truncate": "5,5"}, "truncate = 5, 5: one is there twice"),
        ({"truncate": "-1"}, "truncate = -1: numbers of modes are 0 or more"),
        ({"truncate": "x"}, "truncate = x: not whole numbers"),
        ({"truncate": "2.5"}, "truncate = 2.5: not whole numbers"),
        ({"truncate": "0,1", "method": "nmf"}, "truncate = 0: NMF needs a component"),
        ({"companions": ["1.2"]}, "companions '1.2': give separation"),
        ({"companions": ["1.2:x"]}, "companions '1.2:x': give separation"),
        ({"companions": ["nan:40"]}, "companions 'nan:40': give separation"),
        ({"companions": ["-1:40"]}, "companions '-1:40': give separation"),
        ({"nrefs_best": 2, "rank_radius": 0.0}, r"no pixel is within rank_radius = 0 arcsec"),
    ],
)
def test_options_that_make_no_sense(roll, aligned_roll, options, words):
    with pytest.raises(InputError, match=words):
        run(roll, aligned_roll, **options)


@pytest.fixture(scope="module")
def odd_and_two(roll, references, make_exposure):
    """Return an odd reference and two like the target, aligned to it, and those two alone."""
    odd = make_exposure("psfstar_00009_nrcalong_calints.fits", seed=50, nints=2, is_psf=True)
    odd.data[:] = odd.data[:, ::-1]  # speckles of another kind
    stacks = [StackRefsStep.call(some) for some in ([odd, *references[:2]], references[:2])]
    return [AlignRefsStep.call(roll, stack, max_shift=30.0) for stack in stacks]


@pytest.mark.parametrize("measure", ["correlation", "ssim", "mse"])
def test_the_best_references_are_taken(roll, odd_and_two, measure):
    aligned, few = odd_and_two
    two = run(roll, aligned, nrefs_best=2, rank_by=measure)
    alone = run(roll, few)
    # But for pixels bad in one of the two, which all three fill.
    assert np.nanpercentile(np.abs(two.data[0] - alone.data[0]), 99) < 0.05
    assert two.meta.coronx.kl_modes == 2
    every = run(roll, aligned, nrefs_best=9, rank_by=measure)
    assert every.meta.coronx.kl_modes == 4


def test_a_companion_kept_out_is_not_fitted(roll, aligned_roll):
    bright = roll.copy()
    rows, cols = np.indices(roll.shape[-2:])
    x, y = place(roll)
    extra = 3e4 * np.exp(-0.5 * ((cols - x) ** 2 + (rows - y) ** 2) / 1.2**2)
    bright.data += extra.astype("f4")
    truth = run(roll, aligned_roll, companions=[AT], companion_radius=3.0)
    for options, most in (({"companions": [AT], "companion_radius": 3.0}, 0.1), ({}, np.inf)):
        found = run(bright, aligned_roll, **options)
        error = np.nanstd((found.data - extra - truth.data)[0])
        assert error < most
    assert error > 1.0  # without it
    small = run(bright, aligned_roll, companions=[AT], companion_radius=0.5)
    assert np.nanstd((small.data - extra - truth.data)[0]) > 0.1


def test_a_list_of_truncations_makes_a_product_of_each(roll, aligned_roll, tmp_path):
    results = run(
        roll, aligned_roll, truncate="3,1", save_psf=True,
        save_results=True, output_dir=str(tmp_path),
    )  # fmt: skip
    assert isinstance(results, ModelContainer)
    names = [f"target_00001_nrcalong_kl00{n}_{kind}.fits"
             for n in (1, 3) for kind in ("psfmodel", "psfsub")]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for count, result in zip((1, 3), results, strict=True):
        alone = run(roll, aligned_roll, truncate=count)
        np.testing.assert_allclose(result.data, alone.data, atol=1e-3)
        np.testing.assert_allclose(result.err, alone.err, rtol=1e-3)
        record = result.meta.coronx
        assert (record.kl_truncate, record.kl_modes) == (count, count)
        stem = tmp_path / f"target_00001_nrcalong_kl00{count}"
        with datamodels.open(f"{stem}_psfsub.fits") as saved:
            np.testing.assert_array_equal(saved.data, result.data)
            np.testing.assert_array_equal(saved.psf_model, result.psf_model)
        with datamodels.open(f"{stem}_psfmodel.fits") as star:
            good = np.isfinite(result.data)
            np.testing.assert_allclose(
                star.data[good], result.psf_model[good], rtol=1e-4, atol=1e-3
            )
            np.testing.assert_allclose(
                star.data[good], (roll.data - result.data)[good], rtol=1e-4, atol=1e-3
            )


def test_a_star_of_another_colour(target, aligned, ring):
    redder = target.copy()
    star = find_star(target)
    middle = np.array([star.y, star.x])
    for plane in redder.data:  # all that is seen is stretched about the star
        plane[:] = ndimage.affine_transform(
            np.nan_to_num(plane), np.full(2, 1.0 / 1.01), middle * (1.0 - 1.0 / 1.01)
        )
    redder.data[np.isnan(target.data)] = np.nan
    before = redder.data.copy()
    plain, found = (run(redder, aligned, color_change=change) for change in (0.0, 0.003))
    np.testing.assert_array_equal(redder.data, before)
    record = found.meta.coronx
    assert (record.color_change, record.kl_modes) == (0.003, plain.meta.coronx.kl_modes + 1)
    np.testing.assert_array_equal(np.isnan(found.data), np.isnan(plain.data))
    np.testing.assert_array_equal(np.isnan(found.err), np.isnan(plain.err))
    for n in range(2):
        assert np.nanstd(found.data[n][ring]) < 0.5 * np.nanstd(plain.data[n][ring])
    # A star of the references' own colour loses nothing by it.
    same = run(target, aligned, color_change=0.003)
    kept = run(target, aligned)
    assert np.nanstd((same.data - kept.data)[0][ring]) < 0.2 * np.nanstd(kept.data[0][ring])
    np.testing.assert_allclose(np.nanmedian(same.err / kept.err), 1.0, atol=0.02)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"strategy": "adi"}, "strategy = adi"),
        ({"method": "classical"}, "method = classical"),
        ({"error": "scatter", "method": "nmf"}, "method = nmf, error = scatter"),
    ],
)
def test_a_change_of_colour_is_for_modes_of_other_stars(roll, aligned_roll, options, named):
    with pytest.raises(InputError, match=f"color_change = 0.003 is for .* not for {named}; give 0"):
        run(roll, aligned_roll, color_change=0.003, **options)


@pytest.mark.parametrize(("method", "modes"), [("classical", 1), ("nmf", 2)])
def test_methods(roll, aligned_roll, ring, method, modes):
    result = run(roll, aligned_roll, method=method, truncate=2)
    record = result.meta.coronx
    assert (record.method, record.kl_modes) == (method, modes)
    assert np.nanstd(roll.data[0][ring]) > 12.0 * spread(result, ring)
    assert 0.8 < flux(result) < 1.1
    pull = (result.data[0] / result.err[0])[ring]
    assert 0.9 < np.nanstd(pull) < 3.0
    scatter = run(roll, aligned_roll, method=method, truncate=2, error="scatter")
    np.testing.assert_array_equal(scatter.data, result.data)
    assert 0.3 < np.nanmedian(scatter.err) < 3.0


def test_the_product_gives_the_recipe_back(roll, rolls_aligned, tmp_path):
    recipe = Recipe(
        strategy="ardi",
        method="classical",
        kl_truncate=7,
        annuli=(0.7, 4.0 / 3.0, *(1.5 + 0.123456789 * n for n in range(12))),
        sectors=2,
        zone_padding=0.1,
        least_rotation=0.3,
        nrefs_best=4,
        rank_by="ssim",
        rank_radius=1.25,
        companions=((0.81763, 149.41234), (2.0, 126.87)),
        companion_radius=1.75,
    )
    given = {name: getattr(recipe, name) for name in recipe.__dataclass_fields__}
    given["truncate"] = given.pop("kl_truncate")
    given["annuli"] = list(recipe.annuli)
    given["companions"] = [f"{a}:{b}" for a, b in recipe.companions]
    result = run(roll, rolls_aligned, **given)
    assert Recipe.of(result) == recipe
    result.copy().save(str(tmp_path / "x_psfsub.fits"))
    with datamodels.open(str(tmp_path / "x_psfsub.fits")) as saved:
        assert Recipe.of(saved) == recipe
    plain = run(roll, rolls_aligned, truncate=3)
    plain.copy().save(str(tmp_path / "y_psfsub.fits"))
    with datamodels.open(str(tmp_path / "y_psfsub.fits")) as saved:
        assert Recipe.of(saved) == replace(Recipe(), kl_truncate=3)


def test_planes_of_the_science_star_are_no_references_of_rdi(roll, rolls_aligned, tmp_path):
    rolls_aligned.copy().save(str(tmp_path / "x_psfalign.fits"))
    with datamodels.open(str(tmp_path / "x_psfalign.fits")) as host:
        for strategy, modes in (("rdi", 4), ("adi", 1)):
            assert run(roll, host, strategy=strategy).meta.coronx.kl_modes == modes
