import numpy as np
import pytest

from coronx.ops.sky_level import border_of, sky_level, sky_levels


def values(seed=1, *, n=40001, level=0.2, noise=0.6):
    return np.random.default_rng(seed).normal(level, noise, size=n)


@pytest.mark.parametrize(("clip", "sigma"), [("bright", 5.0), ("both", 3.0), ("both", 2.0)])
def test_level_and_uncertainty(clip, sigma):
    found = [sky_level(values(seed, n=4000), clip=clip, sigma=sigma) for seed in range(200)]
    level = np.array([one.level for one in found])
    assert level.mean() == pytest.approx(0.2, abs=0.003)
    assert level.std() == pytest.approx(np.mean([one.sigma for one in found]), rel=0.12)


def test_bright_pixels_are_left_out():
    sky = values()
    sky[:2000] += 50.0
    plain, robust = np.median(sky), sky_level(sky)
    assert plain > 0.23
    assert robust.level == pytest.approx(0.2, abs=0.01)
    assert robust.count == pytest.approx(38001, abs=20)


def test_sigma_clipped_heeds_sigma():
    """The peer's does not."""
    sky = np.concatenate([values(), np.full(3000, 2.9)])  # 4.5 sigma
    wide, narrow = (sky_level(sky, clip="both", sigma=s) for s in (6.0, 3.0))
    assert narrow.count < wide.count
    assert abs(narrow.level - 0.2) < 0.25 * abs(wide.level - 0.2)


def test_values_that_are_not_finite_do_not_count():
    sky = values()
    expected = sky_level(sky)
    assert sky_level(np.concatenate([sky, np.full(9000, np.nan), [np.inf]])) == expected
    none = sky_level(np.full(5, np.nan))
    assert np.isnan(none.level)
    assert np.isnan(none.sigma)
    assert none.count == 0
    assert sky_level(np.array([1.0, 3.0])).level == 2.0


@pytest.mark.parametrize("clip", ["bright", "both"])
def test_values_that_are_all_or_mostly_the_same(clip):
    same = np.full(1000, 2.5, "f4")
    assert sky_level(same, clip=clip).level == 2.5
    assert sky_level(same, clip=clip).sigma == 0.0
    same[:450] += np.random.default_rng(1).normal(size=450)
    assert sky_level(same, clip=clip, sigma=2.0).level == pytest.approx(2.5, abs=0.01)


def test_an_unknown_way_to_clip_is_refused():
    with pytest.raises(ValueError, match="clip is 'bright' or 'both', not 'some'"):
        sky_level(values(), clip="some")


def test_each_image_has_its_own():
    rng = np.random.default_rng(2)
    cube = rng.normal(size=(3, 80, 90)) * 0.1 + np.array([1.0, 2.0, 3.0])[:, None, None]
    halo = np.full((80, 90), 0.25)
    good = np.ones(cube.shape, bool)
    good[1, :, :40] = False
    cube[1, :, :40] = 1e6
    sky = np.ones((80, 90), bool)
    sky[:10] = False
    cube[:, :10] = -50.0
    found = sky_levels(cube + halo, good, sky, extra=halo)
    assert [one.level for one in found] == pytest.approx([1.0, 2.0, 3.0], abs=0.01)
    assert [one.count for one in found] == pytest.approx([6300, 3500, 6300], abs=3)


def test_border_runs_along_the_edge_of_what_sees_the_sky():
    """Of a cube the peer's border is cut from the wrong axes, and is no border."""
    use = np.zeros((60, 80), bool)
    use[5:55, 10:70] = True
    border = border_of(use, 8)
    assert border.sum() == 50 * 60 - 34 * 44
    assert border[5:13, 10:70].all()
    assert border[5:55, 10:18].all()
    assert not border[13:47, 18:62].any()
    assert not border[~use].any()


@pytest.mark.parametrize("width", [25, 40, 0])
def test_a_border_without_a_middle_is_refused(width):
    use = np.zeros((60, 80), bool)
    use[5:55, 10:70] = True
    with pytest.raises(ValueError, match=r"field of 60 x 50: it is at least 1 and less than 25"):
        border_of(use, width)
    with pytest.raises(ValueError, match="no pixel"):
        border_of(np.zeros((6, 6), bool), 1)
