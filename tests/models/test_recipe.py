from dataclasses import replace

import numpy as np
import pytest

from coronx.errors import InputError
from coronx.models.option_text import parse_companions, parts_of, written
from coronx.models.pointing import StarPlace, sky_matrix
from coronx.models.psf_width import psf_width
from coronx.models.recipe import Recipe
from coronx.ops.images import Images

STAR = StarPlace(149.0, 173.0, "test")
SCALE = 0.063


@pytest.fixture(scope="module")
def exposure(make_exposure):
    return make_exposure("a_calints.fits", nints=1, roll=20.0)


@pytest.fixture(scope="module")
def plan(exposure):
    """Return a function that plans the subtraction of an exposure.

    Its references are two of another star, then some of the same star turned by `angles`.
    """
    rng = np.random.default_rng(0)
    matrix = sky_matrix(exposure, STAR)

    def make(recipe, angles=(), *, wcs=True, nint=2, data=None):
        count = 2 + len(angles)
        science = np.arange(count) >= 2
        matrices = np.full((count, 2, 2), np.nan)
        for n, angle in enumerate(np.radians(angles), start=2):
            cos, sin = np.cos(angle), np.sin(angle)
            matrices[n] = np.array([[cos, -sin], [sin, cos]]) @ matrix
        stack = rng.normal(size=(count, 320, 320)) if data is None else data
        targets = stack[:nint]
        return recipe.plan(
            exposure,
            Images(targets, np.ones(targets.shape), np.zeros(targets.shape, bool)),
            Images(stack, np.ones(stack.shape), np.zeros(stack.shape, bool)),
            star=STAR,
            matrix=matrix if wcs else None,
            science=science,
            matrices=matrices,
        )

    return make


def test_a_product_gives_back_what_was_recorded(exposure):
    recipe = Recipe(
        strategy="adi", method="nmf", kl_truncate=0, annuli=(1.0 / 3.0, 1.0, 20.25), sectors=3,
        zone_padding=0.1, least_rotation=0.0, nrefs_best=3, rank_by="mse", rank_radius=0.7,
        companions=((0.81763123, 149.4), (1.0, -12.5)), companion_radius=2.0,
        color_change=0.003,
    )  # fmt: skip
    for given in (recipe, Recipe(), replace(Recipe(), annuli=(1.0,))):
        product = exposure.copy()
        given.record(product)
        assert Recipe.of(product) == given
    assert product.meta.coronx.annuli == "1"
    with pytest.raises(InputError, match=r"a_calints.fits: it does not say how its star"):
        Recipe.of(exposure)


def test_the_frame_is_one_zone_unless_it_is_cut(plan):
    (zone,) = plan(Recipe()).zones
    assert zone.fit.all() and zone.subtract.all()
    zones = plan(Recipe(annuli=(1.0, 2.0), sectors=2, zone_padding=0.2)).zones
    assert len(zones) == 6
    np.testing.assert_array_equal(sum(z.subtract.astype(int) for z in zones), 1)
    assert all((z.fit & ~z.subtract).any() and not (z.subtract & ~z.fit).any() for z in zones)
    y, x = np.indices((320, 320))
    radius = np.hypot(x - STAR.x, y - STAR.y) * SCALE
    assert radius[zones[0].subtract].max() == pytest.approx(1.0, abs=SCALE)
    assert radius[zones[0].fit].max() == pytest.approx(1.2, abs=SCALE)
    assert len(plan(Recipe(sectors=4)).zones) == 4
    with pytest.raises(InputError, match=r"a_calints.fits: annuli, sectors: .*give wider"):
        plan(Recipe(annuli=(0.05, 1.0)))


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("rdi", "110000"), ("adi", "000101"), ("ardi", "110101")],
)
def test_who_is_a_reference(plan, exposure, strategy, expected):
    # At 1 arcsec a lambda/D is moved by in this angle.
    enough = np.degrees(2.0 * np.arcsin(0.5 * psf_width(exposure) * SCALE))
    angles = (0.0, 1.1 * enough, 0.9 * enough, -1.1 * enough)
    chosen = plan(Recipe(strategy=strategy), angles).chosen
    assert chosen.shape == (1, 2, 6)
    assert ["".join(str(int(c)) for c in row) for row in chosen[0]] == [expected] * 2
    if strategy != "rdi":
        none = plan(Recipe(strategy=strategy, least_rotation=0.0), angles).chosen[0, 0]
        assert none[2:].tolist() == [False, True, True, True]  # its own roll never


def test_far_from_the_star_a_companion_moves_more(plan):
    done = plan(Recipe(strategy="adi", annuli=(1.0, 2.0), zone_padding=0.2), (6.0,))
    assert done.chosen[:, 0, 2].tolist() == [False, True, True]
    inner, middle, _ = done.zones
    # What is not subtracted is no part of another zone's fit.
    assert not (middle.fit & inner.subtract).any()
    whole = plan(Recipe(strategy="ardi", annuli=(1.0, 2.0), zone_padding=0.2), (6.0,)).zones
    assert (whole[1].fit & whole[0].subtract).any()


def test_nothing_left_says_what_to_do(plan, exposure):
    with pytest.raises(InputError, match=r"strategy adi, but no reference shows the same star"):
        plan(Recipe(strategy="adi"))
    with pytest.raises(InputError, match=r"moved by 1 lambda/D: .*lower least_rotation"):
        plan(Recipe(strategy="adi"), (0.0, 1.0))
    with pytest.raises(InputError, match=r"strategy adi needs a WCS"):
        plan(Recipe(strategy="adi"), (20.0,), wcs=False)
    science = np.ones(2, bool)
    images = Images(np.ones((2, 9, 9)), np.ones((2, 9, 9)), np.zeros((2, 9, 9), bool))
    with pytest.raises(InputError, match=r"no reference of another star; add one"):
        Recipe().plan(
            exposure, images, images, star=STAR, matrix=None, science=science,
            matrices=np.ones((2, 2, 2)),
        )  # fmt: skip


@pytest.mark.parametrize("measure", ["correlation", "ssim", "mse"])
def test_the_best_of_those_that_may_be(plan, measure):
    rng = np.random.default_rng(1)
    star = rng.normal(size=(320, 320))
    noise = [0.0, 0.9, 0.3, 0.1, 0.6]
    stack = star + np.array(noise)[:, None, None] * rng.normal(size=(5, 320, 320))
    stack[3, ::40, ::40] = np.nan
    recipe = Recipe(strategy="ardi", nrefs_best=2, rank_by=measure)
    chosen = plan(recipe, (0.0, 20.0, 30.0), data=stack, nint=1).chosen
    # The third is at the same roll, and may not be.
    assert chosen[0, 0].tolist() == [True, False, False, True, False]
    with pytest.raises(InputError, match=r"no pixel is within rank_radius = 0 arcsec"):
        plan(replace(recipe, rank_radius=0.0), (20.0,))


def test_a_companion_is_kept_out_where_it_is_in_every_frame(plan, exposure):
    assert plan(Recipe()).kept_out is None
    recipe = Recipe(companions=((2.0, 30.0),), companion_radius=1.5)
    offset = 2.0 * np.array([np.sin(np.radians(30.0)), np.cos(np.radians(30.0))])
    x, y = np.array([STAR.x, STAR.y]) + sky_matrix(exposure, STAR) @ offset
    rows, cols = np.indices((320, 320))
    near = np.hypot(cols - x, rows - y) <= 1.5 * psf_width(exposure)
    np.testing.assert_array_equal(plan(recipe, (40.0,)).kept_out, near)
    # Where the other roll is a reference, it is there too.
    both = plan(replace(recipe, strategy="ardi"), (40.0,)).kept_out
    cos, sin = np.cos(np.radians(40.0)), np.sin(np.radians(40.0))
    x, y = np.array([[cos, -sin], [sin, cos]]) @ (x - STAR.x, y - STAR.y) + (STAR.x, STAR.y)
    other = np.hypot(cols - x, rows - y) <= 1.5 * psf_width(exposure)
    np.testing.assert_array_equal(both, near | other)
    with pytest.raises(InputError, match=r"companions are kept out through a WCS"):
        plan(recipe, wcs=False)


def test_an_unknown_filter_says_what_can_be_done_without(exposure):
    odd = exposure.copy()
    odd.meta.instrument.filter = "F070W"
    images = Images(np.ones((1, 9, 9)), np.ones((1, 9, 9)), np.zeros((1, 9, 9), bool))
    options = {"star": STAR, "matrix": None, "science": np.zeros(1, bool),
               "matrices": np.full((1, 2, 2), np.nan)}  # fmt: skip
    assert Recipe().plan(odd, images, images, **options).chosen.all()
    with pytest.raises(InputError, match=r"a_calints.fits: .*F070W.*without zones"):
        Recipe(annuli=(1.0,)).plan(odd, images, images, **options)


def test_companions_as_text():
    assert parse_companions([]) == ()
    assert parse_companions(["1.2:40", " 0.5:-10"]) == ((1.2, 40.0), (0.5, -10.0))
    assert parse_companions(["1.2:40,0.5:350"]) == ((1.2, 40.0), (0.5, 350.0))
    for wrong in ("1.2", "1:2:3", "a:b", "nan:3", "1:inf", "-0.1:3", ":"):
        with pytest.raises(InputError, match=r"give separation in arcsec"):
            parse_companions([wrong])


def test_numbers_keep_their_digits():
    for value in (1.0, 0.1, 1.0 / 3.0, 149.412345678, 1e-7):
        assert float(written(value)) == value
    assert written(2) == "2"
    assert parts_of([5, "6, 7", ""]) == ["5", "6", "7"]
