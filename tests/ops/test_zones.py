import numpy as np
import pytest

from coronx.ops.zones import annular_zones, whole_frame

SHAPE = (60, 70)
CENTER = (33.3, 28.7)


def polar(shape=SHAPE, center=CENTER):
    y, x = np.indices(shape)
    x, y = x - center[0], y - center[1]
    return np.hypot(x, y), np.degrees(np.arctan2(y, x)) % 360.0


def test_the_whole_frame_is_one_zone():
    (zone,) = whole_frame((5, 7))
    assert zone.fit.shape == zone.subtract.shape == (5, 7)
    assert zone.fit.all() and zone.subtract.all() and zone.radius == 0.0


@pytest.mark.parametrize("edges", [(), (12.0,), (0.0, 8.0, 20.0), (3, 8, 14, 20), (8.0, 500.0)])
@pytest.mark.parametrize("sectors", [1, 3, 4])
@pytest.mark.parametrize("center", [CENTER, (0.0, 0.0), (33.0, 28.0), (-20.0, 40.0)])
def test_every_pixel_is_in_exactly_one_zone(edges, sectors, center):
    zones = annular_zones(SHAPE, center, edges=edges, sectors=sectors, padding=2.0)
    assert (sum(zone.subtract.astype(int) for zone in zones) == 1).all()
    for zone in zones:
        assert zone.subtract.any()
        assert (zone.fit >= zone.subtract).all()
        radius = polar(center=center)[0][zone.subtract]
        assert zone.radius == pytest.approx(radius.mean())


def test_zones_are_annuli_times_sectors_from_the_inside_out():
    zones = annular_zones(SHAPE, CENTER, edges=(8.0, 16.0), sectors=4)
    radius, angle = polar()
    assert len(zones) == 12
    for n, zone in enumerate(zones):
        low, high = ((0.0, 8.0), (8.0, 16.0), (16.0, 1e9))[n // 4]
        start = 90.0 * (n % 4)
        expected = (radius >= low) & (radius < high) & (angle >= start) & (angle < start + 90.0)
        np.testing.assert_array_equal(zone.subtract, expected)


def test_zones_that_lie_outside_the_frame_are_left_out():
    zones = annular_zones((20, 20), (10.0, 10.0), edges=(5.0, 100.0), sectors=2)
    assert len(zones) == 4
    corner = annular_zones((20, 20), (0.0, 0.0), edges=(5.0,), sectors=4)
    # Pixels on the axes belong to the sector that begins there.
    assert [int(zone.subtract.sum()) for zone in corner] == [18, 4, 363, 15]


def test_padding_grows_the_fit_along_radius_and_arc():
    padding = 3.0
    zones = annular_zones(SHAPE, CENTER, edges=(10.0, 20.0), sectors=4, padding=padding)
    zone = zones[5]  # between 10 and 20 pixels, 90 to 180 degrees
    radius, angle = polar()
    before = np.radians(np.clip(90.0 - angle, 0.0, None)) * radius
    after = np.radians(np.clip(angle - 180.0, 0.0, None)) * radius
    outside = np.radians(np.minimum(np.abs(angle - 90.0), np.abs(angle - 180.0))) * radius
    inside = (angle >= 90.0) & (angle <= 180.0)
    expected = (radius >= 7.0) & (radius <= 23.0) & (inside | (outside <= padding))
    np.testing.assert_array_equal(zone.fit, expected)
    assert before[zone.fit & (angle < 90.0)].max() > padding - 1.0
    assert after[zone.fit & (angle > 180.0)].max() > padding - 1.0


def test_padding_wraps_round_the_first_sector():
    first = annular_zones(SHAPE, CENTER, edges=(10.0, 20.0), sectors=4, padding=3.0)[4]
    radius, angle = polar()
    below = (angle > 270.0) & (radius >= 10.0) & (radius < 20.0)
    expected = np.radians(360.0 - angle) * radius <= 3.0
    np.testing.assert_array_equal(first.fit[below], expected[below])
    assert expected[below].any()


def test_without_padding_the_fit_is_what_is_subtracted():
    for zone in annular_zones(SHAPE, CENTER, edges=(9.5, 20.0), sectors=3):
        assert (zone.fit == zone.subtract).all()


def test_crumbs_at_the_frames_edge_are_joined_to_the_zone_within():
    center = (29.0, 29.0)
    far = np.hypot(29.0, 29.0)  # of one corner; the others are farther
    edges = (15.0, far - 0.5)
    plain = annular_zones((60, 60), center, edges=edges, sectors=4, padding=2.0)
    joined = annular_zones((60, 60), center, edges=edges, sectors=4, padding=2.0, smallest=4.0)
    least = 0.5 * np.pi / 4.0 * 4.0**2
    sizes = [int(zone.subtract.sum()) for zone in plain]
    assert min(sizes) < least
    assert min(int(zone.subtract.sum()) for zone in joined) >= least
    assert (sum(zone.subtract.astype(int) for zone in joined) == 1).all()
    assert len(joined) < len(plain)
    third = joined[6]  # the sector with the near corner
    both = plain[6].subtract | plain[10].subtract
    np.testing.assert_array_equal(third.subtract, both)
    assert (third.fit >= plain[6].fit).all()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"edges": (5.0, 5.0)}, r"\[5\.0, 5\.0\]; .*increase"),
        ({"edges": (9.0, 5.0)}, "increase"),
        ({"edges": (-1.0, 5.0)}, "0 or more"),
        ({"edges": (1.0, np.nan)}, "finite"),
        ({"edges": (5.0,), "sectors": 0}, "0 sectors; give 1"),
        ({"edges": (5.0,), "padding": -1.0}, "padding of -1.0"),
        ({"edges": (5.0,), "padding": np.inf}, "padding of inf"),
        ({"edges": (5.0,), "smallest": 0.0}, "resolution element of 0.0"),
        ({"edges": (1.0, 10.0), "smallest": 4.0}, "between 0 and 1 pixels .*; give wider"),
        ({"edges": (3.0, 10.0), "sectors": 4, "smallest": 4.0}, "4 sectors between 0 and 3"),
        ({"edges": (5.0, 5.5), "sectors": 2, "smallest": 4.0}, "between 5 and 5.5"),
    ],
)
def test_zones_that_make_no_sense_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        annular_zones(SHAPE, CENTER, **options)


def test_a_star_that_is_nowhere_and_a_crumb_with_nothing_within_are_refused():
    with pytest.raises(ValueError, match="the star is at"):
        annular_zones(SHAPE, (np.nan, 3.0), edges=(5.0,))
    with pytest.raises(ValueError, match="the frame's edge leaves 1 pixels"):
        annular_zones((40, 40), (39.0, 0.0), edges=(3.0, 9.0), sectors=4, smallest=2.0)
