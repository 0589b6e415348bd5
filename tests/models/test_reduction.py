import numpy as np
import pytest
from stdatamodels.jwst.datamodels import CubeModel, QuadModel

from coronx import AlignRefsStep, KlipStep, StackRefsStep
from coronx.errors import InputError
from coronx.models.arrays import array_of
from coronx.models.members import open_cube
from coronx.models.pointing import find_star, sky_matrix
from coronx.models.recipe import Recipe
from coronx.models.reduction import Inputs, Reduction, images_of, open_references
from coronx.ops.stamp import Stamp
from coronx.refdata.modes import MODES

PLACE = (1.6, -1.2)
ZONES = {"annuli": [1.0, 2.0], "sectors": 2, "zone_padding": 0.2}


@pytest.fixture(scope="module")
def rolls(make_exposure):
    """Two exposures of a star at rolls 40 degrees apart, with a companion."""
    return [
        make_exposure(
            f"target_{n:05d}_nrcalong_calints.fits", seed=n, nints=3 - n, jitter=(0.2, -0.1),
            dither=(0.2 * n, 0.1), roll=roll, companion=(60.0, *PLACE),
        )
        for n, roll in ((1, 20.0), (2, 60.0))
    ]  # fmt: skip


@pytest.fixture(scope="module")
def aligned(rolls, make_exposure):
    """References aligned to each: three exposures of another star, and both rolls."""
    stars = [
        make_exposure(f"psfstar_{n:05d}_nrcalong_calints.fits", seed=n, nints=1, is_psf=True)
        for n in (11, 12, 13)
    ]
    stack = StackRefsStep.call([*stars, *rolls])
    return [AlignRefsStep.call(roll, stack) for roll in rolls]


@pytest.fixture(scope="module")
def subtracted(rolls, aligned):
    return [KlipStep.call(*pair, truncate=2) for pair in zip(rolls, aligned, strict=True)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strategy": "adi"},
        {"strategy": "ardi", "least_rotation": 4.0, **ZONES},
        {"method": "classical", **ZONES, "companions": ["2.0:126.87"], "nrefs_best": 2},
        {"method": "nmf"},
        {"color_change": 0.003, **ZONES, "nrefs_best": 2},
        {"color_change": 0.003, "strategy": "ardi", "truncate": 6},
    ],
)
def test_what_is_read_of_a_product_is_what_was_done(rolls, aligned, options):
    product = KlipStep.call(rolls[0], aligned[0], **{"truncate": 2, **options})
    found = Reduction.of([product], [aligned[0]])
    (part,) = found.parts
    assert found.recipe == Recipe.of(product)
    assert part.linear == (found.recipe.strategy == "rdi")
    # The first integration's frame is that of the references.
    np.testing.assert_array_equal(np.isnan(part.residual[0]), np.isnan(product.data[0]))
    np.testing.assert_allclose(part.residual[0], product.data[0], atol=2e-3)
    np.testing.assert_array_equal(part.err, product.err)
    if options.get("least_rotation"):
        chosen = Inputs.of(
            rolls[0], images_of(rolls[0].data, rolls[0].err, rolls[0].dq), aligned[0], found.recipe
        ).plan.chosen
        assert chosen[0].sum() < chosen[-1].sum()


def test_the_reference_of_colour_is_of_other_stars(rolls, aligned):
    targets = images_of(rolls[0].data, rolls[0].err, rolls[0].dq)
    rdi, ardi, none = (
        Inputs.of(rolls[0], targets, aligned[0], Recipe(strategy=strategy, color_change=change))
        for strategy, change in (("rdi", 0.003), ("ardi", 0.003), ("ardi", 0.0))
    )
    count = len(none.references.data)
    for found in (rdi, ardi):
        assert len(found.references.data) == len(found.matrices) == count + 1
        assert found.plan.chosen[..., -1].all()
        np.testing.assert_array_equal(found.references.data[:-1], none.references.data)
        assert np.abs(found.references.data[-1]).max() > 0.1
    np.testing.assert_array_equal(ardi.references.data[-1], rdi.references.data[-1])
    alone = AlignRefsStep.call(rolls[0], StackRefsStep.call([rolls[1]]))
    with pytest.raises(InputError, match="color_change: of other stars no reference"):
        Inputs.of(rolls[0], targets, alone, Recipe(strategy="ardi", color_change=0.003))


def test_what_colour_leaves_of_a_companion_is_exact(rolls, aligned):
    options = {"truncate": 9, "color_change": 0.003, "annuli": [1.0, 2.0], "zone_padding": 0.2}
    product = KlipStep.call(rolls[0], aligned[0], **options)
    (part,) = Reduction.of([product], [aligned[0]]).parts
    rows, cols = np.indices(part.shape[1:])

    def source(x, y):
        return Stamp(np.exp(-0.5 * ((cols - x) ** 2 + (rows - y) ** 2) / 1.2**2), 0, 0)

    added = rolls[0].copy()
    added.data[0] += 100.0 * source(*part.places(-0.5, 0.6)[0]).values
    change = (KlipStep.call(added, aligned[0], **options).data - product.data)[0]
    told = part.response(source, -0.5, 0.6, 100.0, half=6)
    around = change[told.rows[0] : told.rows[0] + 13, told.cols[0] : told.cols[0] + 13]
    assert np.nanmax(around) > 60.0
    np.testing.assert_allclose(told.values[0], around, atol=2e-3)


def test_zones_that_are_not_subtracted_are_no_part_of_others(rolls, aligned):
    options = {"strategy": "adi", "least_rotation": 4.0, **ZONES}
    product = KlipStep.call(rolls[0], aligned[0], truncate=1, **options)
    assert np.isnan(product.data[0]).sum() > 500
    (part,) = Reduction.of([product], [aligned[0]]).parts
    np.testing.assert_array_equal(np.isnan(part.residual[0]), np.isnan(product.data[0]))
    np.testing.assert_allclose(part.residual[0], product.data[0], atol=2e-3)


def test_places_on_the_sky_are_the_same_in_all_parts(rolls, aligned, subtracted):
    found = Reduction.of(subtracted, aligned)
    assert len(found.parts) == len(found.models) == 2
    for part, roll in zip(found.parts, rolls, strict=True):
        star = find_star(roll)
        expected = sky_matrix(roll, star) @ PLACE
        np.testing.assert_allclose(part.places(*PLACE) - part.star, [expected] * len(roll.data))
        patch = part.patches(*PLACE, half=4).values[0]
        assert np.nansum(patch) / (60.0 * 2.0 * np.pi * 1.2**2) == pytest.approx(0.95, abs=0.15)
        low = part.patches(-PLACE[0], -PLACE[1], half=4).values[0]
        assert abs(np.nansum(low)) < 0.2 * np.nansum(patch)


def test_what_it_says_of_mode_scale_and_mask(rolls, aligned, subtracted):
    found = Reduction.of(subtracted, aligned)
    assert found.mode is MODES["nircam-335r"]
    assert found.filter == "F356W"
    assert found.scale_arcsec == pytest.approx(0.063, rel=1e-3)
    assert found.pixel_area_sr == pytest.approx((0.063 / 206264.8) ** 2, rel=1e-3)
    assert 0.1 < found.fwhm_arcsec < 0.2
    for part, place, roll in zip(found.parts, found.mask_places, rolls, strict=True):
        star = find_star(roll)
        assert np.subtract(place, part.star) == pytest.approx(
            np.subtract(MODES["nircam-335r"].center, (star.x, star.y))
        )
    assert repr(found).startswith("Reduction(target_00001")


@pytest.mark.parametrize("strategy", ["rdi", "ardi"])
def test_files_give_what_models_in_memory_give(rolls, aligned, tmp_path, strategy):
    product = KlipStep.call(rolls[0], aligned[0], truncate=2, strategy=strategy)
    product.copy().save(str(tmp_path / "a_psfsub.fits"))
    aligned[0].copy().save(str(tmp_path / "a_psfalign.fits"))
    again = Reduction.of(
        [open_cube(tmp_path / "a_psfsub.fits")], [open_references(tmp_path / "a_psfalign.fits")]
    )
    found = Reduction.of([product], [aligned[0]])
    assert again.recipe == found.recipe
    np.testing.assert_allclose(again.mask_places, found.mask_places)
    for name in ("residual", "err", "matrices"):
        values, others = (getattr(one.parts[0], name) for one in (again, found))
        np.testing.assert_allclose(values, others, rtol=1e-6, atol=1e-4)


def test_nmf_with_the_same_star_is_not_measured(rolls, aligned):
    product = KlipStep.call(rolls[0], aligned[0], truncate=1, method="nmf", strategy="ardi")
    with pytest.raises(InputError, match=r"target_00001.*subtract by klip or classical"):
        Reduction.of([product], [aligned[0]])


def spoilt(model, name):
    other = model.copy()
    if name == "wcs":
        del other.meta.wcs
    elif name == "mask":
        other.meta.instrument.coronagraph = "NONE"
    elif name == "count":
        other.meta.coronx.kl_truncate = 1
    else:
        other.meta.coronx.strategy = None
    return other


def test_what_does_not_belong_together_is_refused(rolls, aligned, subtracted):
    first = subtracted[:1]
    with pytest.raises(InputError, match="0 subtracted exposures and 0 stacks"):
        Reduction.of([], [])
    with pytest.raises(InputError, match=r"2 subtracted exposures and 1 stacks .*as many"):
        Reduction.of(subtracted, aligned[:1])
    with pytest.raises(InputError, match=r"target_00002.*in another way than .*target_00001"):
        Reduction.of([first[0], spoilt(subtracted[1], "count")], aligned)
    for name, words in (("recipe", "how its star was subtracted"), ("wcs", r"no WCS \(gwcs\)")):
        with pytest.raises(InputError, match=words):
            Reduction.of([spoilt(first[0], name)], aligned[:1])
    with pytest.raises(InputError, match=r"target_00001.*how its star was subtracted"):
        Reduction.of(rolls[:1], aligned[:1])
    masked, stack = (
        spoilt(first[0], "mask"),
        AlignRefsStep.call(rolls[0], StackRefsStep.call(rolls[1]), per_integration=False),
    )
    stack.meta.instrument.coronagraph = "NONE"
    with pytest.raises(InputError, match="CORONMSK 'NONE' is no coronagraph"):
        Reduction.of([masked], [stack])


def test_products_without_what_is_needed_are_refused(aligned, subtracted):
    bare = CubeModel(data=subtracted[0].data, err=subtracted[0].err, dq=subtracted[0].dq)
    bare.update(subtracted[0])
    assert array_of(bare, "psf_model") is None
    Recipe.of(subtracted[0]).record(bare)
    with pytest.raises(InputError, match=r"PSFMODEL\) is not in it; subtract"):
        Reduction.of([bare], aligned[:1])
    plain = QuadModel(data=aligned[0].data, err=aligned[0].err, dq=aligned[0].dq)
    plain.update(aligned[0], only="PRIMARY")
    with pytest.raises(InputError, match="align the references by coronx_align_refs again"):
        Reduction.of(subtracted[:1], [plain])


def test_references_that_cannot_be_read(tmp_path):
    path = tmp_path / "x_psfalign.fits"
    path.write_text("no file of FITS")
    with pytest.raises(InputError, match=r"x_psfalign.fits: cannot be read"):
        open_references(path)
