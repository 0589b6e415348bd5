"""Exposures like NIRCam's MASKA335R, whose star is band-limited speckles, and their association."""

import json
from functools import cache

import numpy as np
from astropy import coordinates, units
from astropy.modeling import models
from gwcs import WCS, coordinate_frames
from jwst.assign_wcs.util import update_s_region_imaging
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.refdata.modes import MODES

MODE = MODES["nircam-335r"]
STAR = (311.2897, -31.3411)  # where the star is on the sky, degrees
SCALE = 0.063  # arcsec a pixel
DITHERS = ((0.6, -0.4), (-0.3, 0.8), (1.1, 0.2))


def _speckles(seed, width=0.12):
    """Return a field of speckles of unit mean, with no power beyond twice `width` cycles/pixel."""
    ny, nx = MODE.shape
    rng = np.random.default_rng(seed)
    radius = np.hypot(np.fft.fftfreq(ny)[:, None], np.fft.fftfreq(nx))
    spectrum = rng.normal(size=(ny, nx)) + 1j * rng.normal(size=(ny, nx))
    field = np.abs(np.fft.ifft2(spectrum * (radius < width))) ** 2
    return field / field.mean()


def _moved(image, dx, dy):
    ramp = np.exp(
        -2j
        * np.pi
        * (np.fft.fftfreq(image.shape[0])[:, None] * dy + np.fft.fftfreq(image.shape[1]) * dx)
    )
    return np.fft.ifft2(np.fft.fft2(image) * ramp).real


@cache
def _star(seed):
    """Return a star at the mask's centre: all alike, but for a thirtieth of its own."""
    y, x = np.indices(MODE.shape)
    radius = np.hypot(x - MODE.center[0], y - MODE.center[1])
    halo = 400.0 * np.exp(-0.5 * (radius / 9.0) ** 2) + 60.0 * np.exp(-0.5 * (radius / 32.0) ** 2)
    return halo * (_speckles(1) + 0.03 * _speckles(100 + seed))


def sky_wcs(star, roll, sky):
    """Return a tangential WCS that puts a sky position on a pixel, north turned by the roll."""
    tangent = (
        (models.Shift(-star[0]) & models.Shift(-star[1]))
        | models.Rotation2D(roll)
        | (models.Scale(-SCALE / 3600.0) & models.Scale(SCALE / 3600.0))
        | models.Pix2Sky_TAN()
        | models.RotateNative2Celestial(*sky, 180.0)
    )
    detector = coordinate_frames.Frame2D(name="detector", unit=(units.pix, units.pix))
    world = coordinate_frames.CelestialFrame(reference_frame=coordinates.ICRS(), name="world")
    wcs = WCS([(detector, tangent), (world, None)])
    ny, nx = MODE.shape
    wcs.bounding_box = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
    return wcs


def _describe(model, name, star, roll, sky, is_psf, filter_name):
    meta = model.meta
    meta.filename = name
    meta.telescope = "JWST"
    meta.target.catalog_name = "REFERENCE" if is_psf else "TARGET"
    meta.instrument.name, meta.instrument.detector = MODE.instrument, MODE.detector
    meta.instrument.filter, meta.instrument.pupil = filter_name, MODE.pupil
    meta.instrument.coronagraph, meta.instrument.channel = MODE.coronmsk, "LONG"
    meta.subarray.name = MODE.subarray
    meta.subarray.xstart, meta.subarray.ystart = MODE.start
    meta.subarray.ysize, meta.subarray.xsize = MODE.shape
    meta.exposure.type, meta.exposure.nints = MODE.exp_type, model.shape[0]
    meta.exposure.psf_reference = is_psf
    for key in ("exposure_time", "effective_exposure_time", "measurement_time", "duration"):
        setattr(meta.exposure, key, 100.0)
    meta.exposure.start_time, meta.exposure.end_time = 59789.0, 59789.1
    meta.observation.date, meta.observation.time = "2022-07-29", "10:00:00.0"
    meta.bunit_data = meta.bunit_err = "MJy/sr"
    meta.photometry.pixelarea_arcsecsq = SCALE**2
    meta.photometry.pixelarea_steradians = (SCALE * units.arcsec.to("rad")) ** 2
    info = meta.wcsinfo
    info.wcsaxes, info.ctype1, info.ctype2 = 2, "RA---TAN", "DEC--TAN"
    info.cunit1 = info.cunit2 = "deg"
    info.crpix1, info.crpix2 = star[0] + 1.0, star[1] + 1.0
    info.crval1, info.crval2 = info.ra_ref, info.dec_ref = sky
    info.cdelt1, info.cdelt2 = -SCALE / 3600.0, SCALE / 3600.0
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    info.pc1_1, info.pc1_2, info.pc2_1, info.pc2_2 = cos, -sin, sin, cos
    info.v3yangle, info.vparity, info.roll_ref = 0.0, -1, roll
    meta.wcs = sky_wcs(star, roll, sky)
    if filter_name == "F335M":
        # As in flight, the reference pixel is the mask's centre wherever the star is.
        info.crpix1, info.crpix2 = np.add(MODE.center, 1.0).tolist()
        info.crval1, info.crval2 = (float(v) for v in meta.wcs(*MODE.center))
    update_s_region_imaging(model)


def speckled_exposure(
    name="star_00001_nrcalong_calints.fits",
    *,
    seed=0,
    nints=2,
    dither=(0.0, 0.0),
    jitter=(0.0, 0.0),
    roll=0.0,
    companion=None,
    wcs_error=(0.0, 0.0),
    is_psf=False,
    brightness=1.0,
    noise=1.0,
    blemishes=True,
    filter_name="F356W",
):
    """Return an exposure like NIRCam's MASKA335R.

    A star of band-limited speckles stands off the mask's centre by `dither` (x, y), and by
    `jitter` more from the second integration on. North is turned by `roll`; `companion` is a
    flux and the true (east, north) offset from the star in arcsec; the WCS is wrong by
    `wcs_error` (east, north) arcsec. CRPIX is the star's place, but in F335M, the filter of target
    acquisition, the mask's centre.
    """
    rng = np.random.default_rng(1000 + seed)
    shape = (nints, *MODE.shape)
    image = np.empty(shape)
    for n in range(nints):
        offset = np.add(dither, np.multiply(jitter, n))
        image[n] = _moved(brightness * _star(seed), *offset)
        if companion is not None:
            flux, east, north = companion
            place = np.add(MODE.center, offset)
            ra = STAR[0] + east / 3600.0 / np.cos(np.radians(STAR[1]))
            x, y = sky_wcs(place, roll, STAR).invert(
                ra, STAR[1] + north / 3600.0, with_bounding_box=False
            )
            rows, cols = np.indices(MODE.shape)
            image[n] += flux * np.exp(-0.5 * ((cols - x) ** 2 + (rows - y) ** 2) / 1.2**2)
    poisson = noise**2 * 0.01 * np.clip(image, 0.0, None)
    read = np.full(shape, noise**2)
    image += rng.normal(size=shape) * np.sqrt(poisson + read)
    model = CubeModel(data=image.astype("f4"))
    model.err = np.sqrt(poisson + read).astype("f4")
    model.var_poisson, model.var_rnoise = poisson.astype("f4"), read.astype("f4")
    model.var_flat = np.zeros(shape, "f4")
    model.dq = np.zeros(shape, "u4")
    if blemishes:
        at = rng.integers(8, 312, (2, 20))
        model.data[:, *at] = 1e4
        model.dq[:, *at] = pixel["DO_NOT_USE"]
        model.data[0, 100, 90] = np.nan  # with DQ = 0, as real frames have
        model.data[:, :, :2] = np.nan
        model.err[:, :, :2] = np.nan
        model.dq[:, :, :2] = pixel["DO_NOT_USE"]
    star = tuple(np.add(MODE.center, dither))
    east, north = np.divide(wcs_error, 3600.0)
    sky = (STAR[0] + east / np.cos(np.radians(STAR[1])), STAR[1] + north)
    _describe(model, name, star, roll, sky, is_psf, filter_name)
    return model


def write_speckled(folder, *, nints=2, asn_id="a3001", product="target_f356w", **options):
    """Write 2 science (two rolls) and 3 psf exposures and their ASN, and return its path.

    Keywords are those of `speckled_exposure`, for the science exposures.
    """
    members = []
    for n, roll in enumerate((30.0, 40.0), start=1):
        model = speckled_exposure(
            f"target_{n:05d}_nrcalong_calints.fits",
            seed=n,
            nints=nints,
            roll=roll,
            dither=(0.0, 0.0) if n == 1 else (-0.25, 0.35),
            jitter=(0.05, -0.03),
            wcs_error=(0.0, 0.0) if n == 1 else (0.07, 0.057),
            companion=options.get("companion", (60.0, 1.6, -1.2)),
            filter_name="F335M",
        )
        model.save(str(folder / model.meta.filename))
        members.append({"expname": model.meta.filename, "exptype": "science"})
    for n, dither in enumerate(DITHERS, start=1):
        model = speckled_exposure(
            f"psfstar_{n:05d}_nrcalong_calints.fits",
            seed=10 + n,
            nints=nints,
            dither=dither,
            is_psf=True,
            brightness=2.0,
            filter_name="F335M",
        )
        model.save(str(folder / model.meta.filename))
        members.append({"expname": model.meta.filename, "exptype": "psf"})
    table = {
        "asn_type": "coron3",
        "asn_rule": "DMS_Level3_Base",
        "asn_id": asn_id,
        "asn_pool": "none",
        "program": "noprogram",
        "products": [{"name": product, "members": members}],
    }
    path = folder / f"{product}_asn.json"
    path.write_text(json.dumps(table, indent=2))
    return path
