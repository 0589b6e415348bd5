from dataclasses import replace

import numpy as np
import pytest
from astropy import wcs
from astropy.io import fits
from stdatamodels.jwst import datamodels

from coronx.simulate.exposures import simulate
from coronx.simulate.scene import SCENES
from tests.simulate.short_scenes import MIRI, truth_of


def test_both_wcs_put_star_and_companion_where_the_truth_does(miri):
    star = miri.truth["star"]
    (companion,) = miri.truth["companions"]
    for path in miri.science:
        truth = truth_of(miri, path)
        header = fits.getheader(path, "SCI")
        plane = wcs.WCS(header, naxis=2)
        with datamodels.open(path) as model:
            to_sky = model.meta.wcs
            for place, body in (
                (truth["star_pixel"], star),
                (truth["companions"][0]["pixel"], companion),
            ):
                ra, dec = body["ra_deg"], body["dec_deg"]
                assert plane.wcs_world2pix([[ra, dec]], 0)[0] == pytest.approx(place, abs=0.01)
                assert to_sky.invert(ra, dec) == pytest.approx(place, abs=0.01)
            assert to_sky.bounding_box is not None
            assert np.ravel(plane.wcs_pix2world([[10, 200]], 0)) == pytest.approx(
                to_sky(10, 200), abs=1e-3 / 3.6e6
            )


def test_companion_is_in_the_image_where_the_truth_says(clean):
    for path in clean.science:
        (source,) = truth_of(clean, path)["companions"]
        image = fits.getdata(path, "SCI")[0]
        x, y = source["pixel"]
        window = np.s_[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5]
        yy, xx = np.indices(image.shape)
        core = np.exp(-0.5 * ((xx - x) ** 2 + (yy - y) ** 2) / 1.5**2)[window] * image[window]
        found = np.sum(xx[window] * core) / core.sum(), np.sum(yy[window] * core) / core.sum()
        assert found == pytest.approx((x, y), abs=0.05)
        assert image.max() == pytest.approx(source["peak_mjy_sr"], rel=0.01)


def test_rolls_turn_the_companion_clockwise_on_the_detector(clean):
    angles = []
    for path in clean.science:
        truth = truth_of(clean, path)
        dx, dy = np.subtract(truth["companions"][0]["pixel"], truth["star_pixel"])
        # East lies to the left of north in JWST's images: count from +y through -x.
        angles.append(np.degrees(np.arctan2(-dx, dy)))
        expected = 40.0 - truth["roll_deg"] - SCENES["nircam-round"].coronagraph.v3_idl_y_angle
        assert angles[-1] == pytest.approx(expected, abs=0.5)
    assert angles[1] - angles[0] == pytest.approx(-10.0, abs=0.3)


def test_reference_and_science_speckles_agree(miri):
    around = np.s_[:, 100:126, 108:134]

    def star(path):
        with datamodels.open(path) as model:
            good = ((model.dq & 1) == 0) & np.isfinite(model.data)
            image = np.ma.median(np.ma.array(model.data, mask=~good)[around], axis=0)
        return image.filled(np.ma.median(image)).ravel()

    for reference in miri.psf:
        assert np.corrcoef(star(miri.science[0]), star(reference))[0, 1] > 0.9


def test_guide_star_error_displaces_the_wcs_and_nothing_else(tmp_path):
    small = replace(MIRI, integrations=1, references=1, wavelengths=1)
    true = simulate(tmp_path / "true", small)
    wrong = simulate(tmp_path / "wrong", replace(small, guide_star_error_arcsec=0.05))
    shifts = []
    for a, b in zip(true.science, wrong.science, strict=True):
        assert np.array_equal(fits.getdata(a, "SCI"), fits.getdata(b, "SCI"), equal_nan=True)
        plane = wcs.WCS(fits.getheader(b, "SCI"), naxis=2)
        star, truth = true.truth["star"], truth_of(wrong, b)
        ra, dec = plane.wcs_pix2world([truth["star_pixel"]], 0)[0]
        east = (ra - star["ra_deg"]) * np.cos(np.radians(dec)) * 3600
        error = [east, (dec - star["dec_deg"]) * 3600]
        assert error == pytest.approx(list(truth["wcs_error_arcsec"].values()), abs=1e-5)
        assert np.hypot(*error) == pytest.approx(0.05, abs=1e-5)
        shifts.append(error)
    assert not np.allclose(*shifts, atol=0.005)
