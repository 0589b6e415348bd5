from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from coronx.refdata.modes import MODES
from coronx.simulate.astrometry import point_at
from coronx.simulate.detector import bad_pixels, expose
from coronx.simulate.disk import disk_image
from coronx.simulate.plan import plan
from coronx.simulate.pupil import build_pupil
from coronx.simulate.scene import SCENES, Companion, Disk, Scene

MIRI = SCENES["miri-4qpm"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filter": "F356W"}, "miri-1140 has no filter 'F356W'; it goes with F1140C"),
        ({"mode": "miri"}, "no mode 'miri'; there are nircam-210r"),
        ({"star_jy": 0}, "star_jy is positive"),
        ({"integrations": 0}, "integrations is at least 1"),
        ({"drift_nm": -1}, "drift_nm is not negative"),
        ({"jitter_mas": float("nan")}, "jitter_mas is not negative"),
        ({"bad_pixel_fraction": 0.9}, "at most 0.5"),
        ({"rolls_deg": ()}, "at least one roll"),
        ({"backgrounds": -1}, "backgrounds is not negative"),
        ({"mode": "nircam-335r", "filter": "F356W", "glow_stick_mjy_sr": 1.0}, "no boundaries"),
        ({"unocculted_arcsec": -1}, "unocculted_arcsec is not negative"),
        ({"unocculted_arcsec": 12}, r"unocculted_arcsec is at most 11\.\d in miri-1140"),
        ({"companions": (Companion(30, 0, 1),)}, r"beside the array of miri-1140.* 12\.\d arcsec"),
    ],
)
def test_a_scene_refuses_what_cannot_be_observed(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(MIRI, **changes)


def test_companions_and_disks_refuse_nonsense():
    with pytest.raises(ValueError, match="separation_arcsec is positive"):
        Companion(0, 10, 1e-5)
    with pytest.raises(ValueError, match="contrast is positive"):
        Companion(1, 10, -1e-5)
    with pytest.raises(ValueError, match="inclination_deg is between 0 and 90"):
        Disk(10, 1e-4, inclination_deg=100)
    with pytest.raises(ValueError, match="width_arcsec is positive"):
        Disk(10, 1e-4, width_arcsec=0)


def test_scenes_are_frozen_and_ready():
    assert set(SCENES) == {"nircam-round", "nircam-disk", "nircam-bar", "miri-4qpm"}
    with pytest.raises(FrozenInstanceError):
        MIRI.seed = 2
    for scene in SCENES.values():
        assert isinstance(scene, Scene)
        assert scene.companions or scene.disk


def _planned(scene):
    pupil = build_pupil(scene.coronagraph, 64)
    return list(plan(scene, pupil, np.random.default_rng(1), np.random.default_rng(2)))


def test_references_are_dithered_and_never_twice_in_one_place():
    scene = replace(MIRI, references=6, dither_mas=20.0, pointing_error_mas=5.0)
    exposures = _planned(scene)
    assert [e.visit.is_psf for e in exposures] == [False, False] + [True] * 6
    assert [e.visit.observation for e in exposures] == [1, 2] + [3] * 6
    assert [e.visit.exposure for e in exposures[2:]] == [1, 2, 3, 4, 5, 6]
    mas = np.array([(e.pixel - MODES["miri-1140"].center) for e in exposures]) * 110
    assert np.all(np.hypot(*mas.T) < 60)
    between = np.hypot(*(mas[:, None] - mas[None, :]).T)[np.triu_indices(8, 1)]
    assert between.min() > 0.5
    reach = np.hypot(*(mas[3:] - mas[2]).T)
    assert np.all(np.abs(reach - 20) < 12)


def test_wavefront_drifts_between_visits_only_as_told():
    still = _planned(replace(MIRI, drift_nm=0, integration_drift_nm=0))
    assert all(np.array_equal(path, still[0].path[0]) for e in still for path in e.path)
    moved = _planned(replace(MIRI, drift_nm=5, integration_drift_nm=0.1))
    inside = build_pupil(MIRI.coronagraph, 64).amplitude > 0.5
    change = np.std((moved[1].path[0] - moved[0].path[0])[inside]) * 1e9
    within = np.std((moved[0].path[1] - moved[0].path[0])[inside]) * 1e9
    assert change == pytest.approx(5, abs=1)
    assert 0 < within < 1


def test_noise_is_what_err_says():
    scene = replace(MIRI, bad_pixel_fraction=0, cosmic_rays=0, missed_cosmic_rays=0)
    scene = replace(scene, nan_edge_pixels=0)
    ny, nx = scene.coronagraph.shape
    truth = np.broadcast_to(np.geomspace(1, 3000, nx), (6, ny, nx))
    bad = bad_pixels(scene, rng=np.random.default_rng(1))
    readout = expose(truth, scene, bad, rng=np.random.default_rng(2))
    pull = (readout.data - truth) / np.sqrt(readout.var_poisson + readout.var_rnoise)
    # In every decade of brightness, where read noise leads and where photon noise does.
    for part in np.array_split(pull, 4, axis=2):
        assert part.std() == pytest.approx(1, abs=0.01)
        assert part.mean() == pytest.approx(0, abs=0.01)


def test_bad_pixels_are_flagged_but_for_the_edge():
    scene = replace(MIRI, cosmic_rays=40, missed_cosmic_rays=5, bad_pixel_fraction=0.01)
    ny, nx = scene.coronagraph.shape
    bad = bad_pixels(scene, rng=np.random.default_rng(1))
    assert np.count_nonzero(bad.flags & 1) == round(0.01 * ny * nx)
    light = np.full((3, ny, nx), 10.0)
    readout = expose(light, scene, bad, rng=np.random.default_rng(2))
    flagged = (readout.dq & 1) > 0
    nan = np.isnan(readout.data)
    assert 0 < np.count_nonzero(nan[0] & ~flagged[0]) <= scene.nan_edge_pixels
    assert not np.any((nan & ~flagged)[:, 1:-1, 1:-1])
    assert np.any(flagged & ~nan)  # garbage, too, is left in
    assert np.count_nonzero(readout.dq[0] & 4) == 40
    sigma = np.sqrt(readout.var_poisson + readout.var_rnoise)
    outliers = (np.nan_to_num(readout.data - light) > 15 * sigma) & ~flagged
    assert outliers.sum(axis=(1, 2)).tolist() == [5, 5, 5]
    # Cosmic rays hit elsewhere in each integration; bad pixels stay.
    assert np.array_equal(flagged.all(axis=0), (bad.flags & 1) > 0)


def test_disk_lies_along_its_position_angle():
    y, x = np.indices((161, 161)) - 80.0
    east, north = -x * 0.05, y * 0.05
    image = disk_image(Disk(pa_deg=30.0, contrast=1e-3), east, north)
    assert image.sum() == pytest.approx(1)
    moments = np.array([[np.sum(image * a * b) for a in (east, north)] for b in (east, north)])
    values, vectors = np.linalg.eigh(moments)
    long_axis = vectors[:, 1]
    assert np.degrees(np.arctan2(long_axis[0], long_axis[1])) % 180 == pytest.approx(30, abs=1)
    assert values[1] > 30 * values[0]
    face_on = disk_image(
        Disk(30.0, 1e-3, inclination_deg=0, width_arcsec=0.2, height_arcsec=0.2), east, north
    )
    assert face_on[80, 80 + 40] == pytest.approx(face_on[80 + 40, 80], rel=1e-6)
    assert face_on[80, 80 + 40] > 3 * face_on[80, 80]


@pytest.mark.parametrize("name", ["nircam-335r", "miri-1140"])
def test_pointing_puts_the_star_on_its_pixel_and_the_wcs_agree(name):
    mode = MODES[name]
    star, pixel = (311.2911, -31.3425), np.add(mode.center, (0.31, -0.22))
    pointing = point_at(mode, 63.76, star, pixel)
    assert pointing.pixel(*star) == pytest.approx(pixel, abs=1e-6)
    ny, nx = mode.shape
    corners = np.array([[0, 0], [nx - 1, 0], [0, ny - 1], [nx - 1, ny - 1], list(pixel)])
    fits = pointing.fits_wcs().wcs_pix2world(corners, 0)
    ours = np.stack(pointing.gwcs()(*corners.T), axis=1)
    assert np.abs(fits - ours).max() * 3.6e6 < 1e-3  # mas
    east, north = pointing.offsets(tuple(pixel))
    sky = pointing.fits_wcs().wcs_pix2world([[20, 30]], 0)[0]
    assert (sky[1] - star[1]) * 3600 == pytest.approx(north[30, 20], abs=1e-3)
    across = (sky[0] - star[0]) * np.cos(np.radians(star[1])) * 3600
    assert across == pytest.approx(east[30, 20], abs=1e-2)
