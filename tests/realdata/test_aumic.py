"""AU Mic in F356W behind MASK335R: two rolls, and six exposures of three reference stars."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from jwst import datamodels
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import AlignFramesStep, AlignRefsStep, RecenterFramesStep, StackRefsStep
from coronx.models.pointing import find_star
from coronx.ops.median import fill_local_median
from coronx.ops.shift import shift_image

pytestmark = pytest.mark.realdata

PIXEL = 0.063
# Residual rms at 1-2 arcsec of the two rolls, all six modes, MJy/sr; stock jwst 3.0.0 reaches the
# same only after NaN were set to zero by hand.
RMS = {"jw01184001001": 4.63, "jw01184002001": 4.40}


@pytest.fixture(scope="module")
def frames(realdata):
    paths = sorted((realdata / "aumic_f356w").glob("*_calints.fits"))
    kinds = {True: [], False: []}
    for path in paths:
        kinds[bool(fits.getval(path, "IS_PSF"))].append(path)
    assert (len(kinds[False]), len(kinds[True])) == (2, 6)
    return SimpleNamespace(science=kinds[False], psf=kinds[True])


@pytest.fixture(scope="module")
def mask(realdata):
    return realdata / "psfmask" / "jwst_nircam_psfmask_mask335r_shift.fits"


@pytest.fixture(scope="module")
def products(frames, mask, tmp_path_factory, strun):
    folder = tmp_path_factory.mktemp("aumic")
    members = [
        {"expname": path.name, "exptype": kind}
        for kind in ("science", "psf")
        for path in getattr(frames, kind)
    ]
    for path in (*frames.science, *frames.psf):
        (folder / path.name).symlink_to(path)
    asn = folder / "aumic_asn.json"
    asn.write_text(
        json.dumps(
            {
                "asn_id": "a3001",
                "asn_pool": "none",
                "asn_type": "coron3",
                "products": [{"name": "aumic_f356w", "members": members}],
            }
        )
    )
    done = strun(
        "coronx_coron3", asn, "--output_dir", folder / "out", "--steps.klip.truncate=6",
        "--steps.align_refs.override_psfmask", mask,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return SimpleNamespace(folder=folder / "out", output=output)


def test_the_run_is_clean(products):
    assert " - ERROR - " not in products.output
    assert "its hole is at" not in products.output
    # The frames were shifted by editing headers alone: said for both of them.
    assert products.output.count("FITS WCS and gwcs differ by") == 2


def test_nan_is_only_where_the_exposure_has_it(frames, products):
    for path in frames.science:
        (product,) = products.folder.glob(f"{path.name[:13]}*_psfsub.fits")
        with fits.open(path) as given, fits.open(product) as made:
            bad = np.isnan(given["SCI"].data) | ((given["DQ"].data & 1) != 0)
            empty = np.isnan(made["SCI"].data)
            # What the chain found to be bad beside it: outliers, and few of them.
            found = (made["DQ"].data & pixel["OUTLIER"]) != 0
            assert (empty & ~bad & ~found).sum() == 0
            assert (empty & ~bad).mean() < 5e-4
            assert empty.mean() < 0.01
            assert np.array_equal(np.isnan(made["ERR"].data), empty)
            assert (made["DQ"].data[empty] & 1).all()


def test_residuals(frames, products):
    for path in frames.science:
        (product,) = products.folder.glob(f"{path.name[:13]}*_psfsub.fits")
        with fits.open(product) as hdulist:
            header, data = hdulist["SCI"].header, hdulist["SCI"].data[0]
        y, x = np.indices(data.shape)
        radius = PIXEL * np.hypot(x + 1 - header["CRPIX1"], y + 1 - header["CRPIX2"])
        rms = np.nanstd(data[(radius >= 1) & (radius < 2)])
        print(f"{path.name[:13]}: rms at 1-2 arcsec {rms:.3f} MJy/sr")
        assert rms <= RMS[path.name[:13]]


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_the_disk_is_where_it_is(products):
    with fits.open(products.folder / "aumic_f356w_i2d.fits") as hdulist:
        star = hdulist[0].header["STAR_RA"], hdulist[0].header["STAR_DEC"]
        data, wcs = hdulist["SCI"].data, WCS(hdulist["SCI"].header)
    y, x = np.indices(data.shape)
    ra, dec = wcs.all_pix2world(x, y, 0)
    east = (ra - star[0]) * np.cos(np.radians(star[1])) * 3600
    north = (dec - star[1]) * 3600
    radius = np.hypot(east, north)
    angle = np.degrees(np.arctan2(east, north)) % 180
    annulus = (radius > 1.2) & (radius < 3.5) & np.isfinite(data)
    bins = np.arange(0.0, 180.0, 2.0)

    def apart(centre, values):
        return (values - centre + 90) % 180 - 90

    light = np.array([data[annulus & (abs(apart(b, angle)) < 2)].mean() for b in bins])
    excess = np.clip(light - np.median(light), 0.0, None)
    best = bins[np.argmax(light)]
    near = abs(apart(best, bins)) < 10
    disk = best + np.average(apart(best, bins[near]), weights=excess[near])
    spread = 1.4826 * np.median(abs(light - np.median(light)))
    print(f"disk at PA {disk:.2f} deg, {(light.max() - np.median(light)) / spread:.1f} sigma")
    assert disk == pytest.approx(128.5, abs=3.0)
    assert light.max() - np.median(light) > 5 * spread


@pytest.fixture(scope="module")
def undone(frames, tmp_path_factory):
    """Return frames with the shifts of IMSHIFTS taken back, and those shifts."""
    folder = tmp_path_factory.mktemp("undone")
    paths, moves = [], []
    for path in (frames.science[0], *frames.psf):
        move = np.asarray(fits.getdata(path, "IMSHIFTS"), dtype=float).reshape(-1, 2)[0]
        with datamodels.open(str(path)) as model:
            bad = np.isnan(model.data[0])
            filled = fill_local_median(model.data[0], bad, box=5)
            back = shift_image(filled, -move)
            steps = -np.rint(move).astype(int)
            back[np.roll(bad, (steps[1], steps[0]), axis=(0, 1))] = np.nan
            model.data = back[np.newaxis].astype("f4")
            model.dq = np.roll(model.dq, (steps[1], steps[0]), axis=(1, 2))
            model.save(str(folder / path.name))
        paths.append(str(folder / path.name))
        moves.append(move)
    return SimpleNamespace(paths=paths, moves=np.array(moves))


def test_shifts_taken_back_are_found_again(undone, mask):
    stack = StackRefsStep.call(undone.paths[1:])
    aligned = AlignRefsStep.call(undone.paths[0], stack, override_psfmask=str(mask))
    table = aligned.reference_shifts
    found = np.stack([table["dx"], table["dy"]], axis=1)
    recorded = undone.moves[1:] - undone.moves[0]
    assert (table["converged"] == 1).all()
    relative = (found - found.mean(axis=0)) - (recorded - recorded.mean(axis=0))
    print("differences from the recorded shifts:", np.round(relative, 4).tolist())
    assert np.abs(recorded - recorded.mean(axis=0)).max() > 0.02
    assert np.abs(relative).max() < 0.05


@pytest.mark.parametrize(
    "options", [{}, {"mask": "annulus", "mask_shape": [8.0, 60.0]}, {"recenter": True}]
)
def test_frames_are_aligned_by_the_shifts_taken_back(undone, mask, options):
    star = [150.0 - undone.moves[0][0], 174.0 - undone.moves[0][1]]
    aligned = AlignFramesStep.call(
        undone.paths, override_psfmask=str(mask), star_center=star, **options
    )
    tables = [model.frame_shifts for model in aligned]
    assert all(table["converged"].all() for table in tables)
    found = np.array([(table["dx"][0], table["dy"][0]) for table in tables])
    relative = (found - found[0])[1:] - (undone.moves - undone.moves[0])[1:]
    relative -= relative.mean(axis=0)  # as another package measured them, from another frame
    print("differences from the recorded shifts:", np.round(relative, 4).tolist())
    assert np.abs(relative).max() < 0.05
    place = (159.5, 159.5) if "recenter" in options else star
    for model in aligned:
        assert (find_star(model).x, find_star(model).y) == pytest.approx(tuple(place), abs=1e-6)
        assert np.isnan(model.data).mean() < 0.16  # the frame ends where the star was moved from


def test_the_mask_of_before_flight_is_named_and_mended(frames, realdata, mask, caplog):
    old = str(realdata / "psfmask" / "jwst_nircam_psfmask_0019.fits")
    psf = str(frames.psf[0])
    target = str(frames.science[0])

    def told():
        lines = [r.getMessage() for r in caplog.records if "its hole is at" in r.getMessage()]
        caplog.clear()
        return lines

    AlignRefsStep.call(target, psf, override_psfmask=old)
    (line,) = told()
    assert line.startswith("jwst_nircam_psfmask_0019.fits: its hole is at (160.5, 160.5)")
    mended = AlignRefsStep.call(target, psf, override_psfmask=old, recenter_mask=True)
    assert told() == []
    right = AlignRefsStep.call(target, psf, override_psfmask=str(mask))
    assert told() == []
    for axis in ("dx", "dy"):
        np.testing.assert_allclose(
            mended.reference_shifts[axis], right.reference_shifts[axis], atol=0.02
        )


def test_the_halos_symmetry_puts_the_star_at_one_place_in_all_frames(frames):
    """Another package moved every frame to put its star on CRPIX, by a model of the optics.

    Its centre is not ours. A model whose own offset is left in (coronx.refdata.psf_offset) would
    be off by about as much; whether that is the cause, nothing here can tell.
    """
    result = RecenterFramesStep.call([str(path) for path in (*frames.science, *frames.psf)])
    places = []
    for model in result:
        record, info = model.meta.coronx, model.meta.wcsinfo
        assert record.star_source == "symmetry"
        assert model.star_places["good"].all()
        places.append((record.star_x - info.crpix1, record.star_y - info.crpix2))
    mas = 1e3 * PIXEL * np.array(places)
    assert np.abs(mas - mas.mean(axis=0)).max() < 2.0
    assert mas.mean(axis=0) == pytest.approx((-2.0, -17.0), abs=4.0)
    # Both rolls of the science target.
    assert np.abs(mas[0] - mas[1]).max() < 1.0
