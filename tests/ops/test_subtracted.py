"""What a subtraction says of a companion, beside companions truly put in and subtracted anew."""

import numpy as np
import pytest

from coronx.ops.images import Images
from coronx.ops.stamp import PsfImage
from coronx.ops.subtracted import Subtracted
from coronx.ops.zones import annular_zones

SIZE, STAR, SCALE, HALF = 64, (31.7, 32.2), 0.06, 5
ROLLS = (0.0, 12.0)
FLUX = 0.02
_Y, _X = np.indices((21, 21)) - 10.0
PSF = PsfImage(np.exp(-0.5 * (_X**2 + _Y**2) / 1.3**2) / (2.0 * np.pi * 1.3**2))
PLACES = [
    (r * np.sin(a), r * np.cos(a))
    for r, a in zip(np.linspace(0.4, 1.5, 50), 2.4 * np.arange(50), strict=True)
]
FEW = PLACES[::5]


def matrix(roll):
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    return np.array([[-cos, sin], [sin, cos]]) / SCALE


@pytest.fixture(scope="module")
def frames(speckles):
    """Return 3 targets, 3 frames of the other roll and 7 of another star, with blemishes."""
    rng = np.random.default_rng(3)
    data = np.stack(
        [
            speckles(SIZE, seed=1) + share * speckles(SIZE, seed=2)
            for share in [*rng.normal(0.1, 0.01, 6), *rng.normal(0.0, 0.03, 7)]
        ]
    )
    data += 2e-3 * rng.normal(size=data.shape)
    bad = rng.random(data.shape) < 0.004
    bad[:, :, :1] = True
    bad[:, 20, 40] = True
    data[bad] = rng.choice([np.nan, 1e3], bad.sum())
    return data, bad


@pytest.fixture(scope="module")
def clean(frames):
    """Return the same without blemishes."""
    data, bad = frames
    return np.where(bad, 0.1, data), np.zeros_like(bad)


def subtract(frames, strategy, place=None, shifts=None, **options):
    """Subtract the targets, a companion being there in all frames of the star."""
    data, bad = frames
    data = data.copy()
    if place is not None:
        for n, frame in enumerate(data[:6]):
            move = shifts[n] if shifts is not None and n < 3 else (0.0, 0.0)
            at = np.add(STAR, move) + matrix(ROLLS[n // 3]) @ np.array(place)
            PSF(*at).add_to(frame, FLUX)
    others = np.full((10, 2, 2), np.nan)
    others[:3] = matrix(ROLLS[1])
    some = {"rdi": slice(3, 10), "adi": slice(0, 3), "ardi": slice(0, 10)}[strategy]

    def images(part):
        return Images(data[part], np.full(data[part].shape, 2e-3), bad[part])

    held = slice(some.start + 3, some.stop + 3)
    return Subtracted(
        images(slice(3)), images(held), star=STAR, matrices=np.repeat(matrix(0.0)[None], 3, 0),
        reference_matrices=others[some], shifts=shifts, **options,
    )  # fmt: skip


def shares(frames, strategy, place, before, shifts=None, **options):
    """Return which share of a companion's flux is left, as said and in truth."""
    after = subtract(frames, strategy, place, shifts, **options)
    told = before.response(PSF, *place, FLUX, half=HALF)
    true = after.patches(*place, half=HALF).values - before.patches(*place, half=HALF).values
    image = np.zeros((SIZE, SIZE))
    PSF(*before.places(*place)[0]).add_to(image, FLUX)
    own = image[told.rows[0] :, told.cols[0] :][: 2 * HALF + 1, : 2 * HALF + 1]
    good = np.isfinite(told.values)
    assert np.array_equal(good, np.isfinite(true))
    weight = np.where(good, own, 0.0)
    said, found = (
        np.sum(weight * np.where(good, values, 0.0)) / np.sum(weight**2)
        for values in (told.values, true)
    )
    assert 0.1 < found < 1.05
    return said, found


def test_what_other_stars_leave_is_exact(frames):
    before = subtract(frames, "rdi")
    assert before.linear
    for place in PLACES:
        said, found = shares(frames, "rdi", place, before)
        assert said == pytest.approx(found, rel=1e-6)


def test_light_added_is_passed_exactly(frames):
    before = subtract(frames, "rdi")
    for place in FEW:
        light = np.zeros((3, SIZE, SIZE))
        for plane, at in zip(light, before.places(*place), strict=True):
            PSF(*at).add_to(plane, FLUX)
        true = subtract(frames, "rdi", place).residual - before.residual
        np.testing.assert_allclose(before.add(light), true, atol=1e-6 * light.max())


def test_share_kept_is_that_of_injections(clean):
    # At whole pixels, and where no pixel is bad: the map looks at the mean target.
    before = subtract(clean, "rdi")
    kept = before.kept(PSF.kernel)
    for row, col in ((20, 25), (40, 44), (32, 14), (47, 30)):
        place = np.linalg.solve(matrix(0.0), np.subtract((col, row), STAR))
        after = subtract(clean, "rdi", place)
        stamp = PSF(col, row)
        left = stamp.cut((after.residual - before.residual).mean(axis=0))
        share = np.sum(stamp.values * left) / (FLUX * np.sum(stamp.values**2))
        assert kept[row, col] == pytest.approx(share, rel=1e-5)


@pytest.mark.parametrize("strategy", ["adi", "ardi"])
def test_what_the_own_star_leaves_is_forward_modelled(frames, clean, strategy):
    # A reference's bad pixel is filled from the others, a companion's light there only about so.
    for seen, close in ((clean, 1e-7), (frames, 1e-3)):
        before = subtract(seen, strategy)
        assert not before.linear
        for place in PLACES:
            said, found = shares(seen, strategy, place, before)
            assert said == pytest.approx(found, rel=close)


@pytest.mark.parametrize("strategy", ["rdi", "adi", "ardi"])
@pytest.mark.parametrize(
    "options",
    [
        {"truncate": 2},
        {"method": "classical"},
        {"zones": annular_zones((SIZE, SIZE), STAR, edges=[8.0, 16.0], sectors=2, padding=2.0)},
        {"kept_out": np.hypot(*(np.indices((SIZE, SIZE)) - 32)) < 6.0},
    ],
    ids=["modes", "classical", "zones", "kept_out"],
)
def test_ways_of_subtracting(frames, strategy, options):
    before = subtract(frames, strategy, **options)
    for place in FEW:
        said, found = shares(frames, strategy, place, before, **options)
        assert said == pytest.approx(found, rel=1e-6 if strategy == "rdi" else 1e-3)


@pytest.mark.parametrize("strategy", ["rdi", "adi", "ardi"])
def test_moved_targets(frames, strategy):
    # Light in a moved frame goes through the filling of its bad pixels, which is not asked again.
    shifts = np.array([[0.0, 0.0], [0.21, -0.13], [-0.08, 0.17]])
    before = subtract(frames, strategy, None, shifts)
    errors = []
    for place in FEW:
        said, found = shares(frames, strategy, place, before, shifts)
        errors.append(abs(said / found - 1.0))
    assert max(errors) < 0.02
    assert np.median(errors) < 1e-3


def test_both_kinds_of_references_leave_least_of_a_drifted_star(frames):
    y, x = np.indices((SIZE, SIZE))
    radius = np.hypot(x - STAR[0], y - STAR[1])
    ring = (radius > 8.0) & (radius < 20.0)
    noise = {
        strategy: np.nanstd(subtract(frames, strategy).residual[:, ring])
        for strategy in ("rdi", "ardi")
    }
    assert noise["ardi"] < noise["rdi"]
