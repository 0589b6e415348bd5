"""One exposure as a ``_calints`` file with the metadata that jwst's steps ask for."""

from dataclasses import dataclass

import numpy as np
from astropy.time import Time, TimeDelta
from stdatamodels.jwst.datamodels import CubeModel

from coronx.simulate.astrometry import Pointing
from coronx.simulate.detector import Readout, photmjsr
from coronx.simulate.scene import Scene

__all__ = ["PROGRAM", "Visit", "calints_model", "file_name"]

PROGRAM = "99999"
_START = Time("2022-10-03T06:00:00", scale="utc")
_ARCSEC2 = np.radians(1 / 3600) ** 2
# Read-out patterns: name, frames a group, frames dropped, seconds a frame by subarray.
_READOUT = {"NIRCAM": ("SHALLOW4", 4, 1), "MIRI": ("FASTR1", 1, 0)}
_FRAME_S = {"SUB320": 1.06904, "SUB640": 4.18584, "MASKLY": 0.32384, "MASK10": 0.23968}


@dataclass(frozen=True)
class Visit:
    """Which exposure this is.

    Attributes
    ----------
    observation, exposure : int
        Numbers in the programme.
    target : str
        Name of the star.
    star : tuple of float
        (RA, Dec) in degrees.
    is_psf : bool
        Whether the star is the reference.
    is_background : bool
        Whether it is the empty sky beside the star.
    is_unocculted : bool
        Whether the star is beside the mask; no type of association has a place for that.
    """

    observation: int
    exposure: int
    target: str
    star: tuple[float, float]
    is_psf: bool
    is_background: bool = False
    is_unocculted: bool = False

    @property
    def role(self) -> str:
        """Type of the exposure in an association; "unocculted" is in none."""
        if self.is_unocculted:
            return "unocculted"
        if self.is_background:
            return "psf_background" if self.is_psf else "background"
        return "psf" if self.is_psf else "science"


def file_name(scene: Scene, visit: Visit) -> str:
    """Return the exposure's name as the archive would give it."""
    return (
        f"jw{PROGRAM}{visit.observation:03d}001_03101_{visit.exposure:05d}_"
        f"{scene.coronagraph.detector.lower()}_calints.fits"
    )


def calints_model(scene: Scene, visit: Visit, pointing: Pointing, readout: Readout) -> CubeModel:
    """Return the model of an exposure; the caller saves and closes it.

    Parameters
    ----------
    scene : Scene
        The scene.
    visit : Visit
        Names and numbers.
    pointing : Pointing
        The WCS to write.
    readout : Readout
        The integrations.
    """
    model = CubeModel(
        data=readout.data,
        dq=readout.dq,
        err=np.sqrt(readout.var_poisson + readout.var_rnoise),
        var_poisson=readout.var_poisson,
        var_rnoise=readout.var_rnoise,
        var_flat=np.zeros_like(readout.var_rnoise),
    )
    meta = model.meta
    meta.filename = file_name(scene, visit)
    meta.filetype = "calibrated"
    meta.telescope = "JWST"
    meta.bunit_data = meta.bunit_err = "MJy/sr"
    _identity(meta, visit)
    _instrument(meta, scene)
    _times(model, scene, visit)
    _photometry(meta, scene)
    _wcs(meta, pointing)
    for step in ("assign_wcs", "flat_field", "photom"):
        setattr(meta.cal_step, step, "COMPLETE")
    return model


def _identity(meta, visit: Visit) -> None:
    meta.observation.program_number = PROGRAM
    meta.observation.observation_number = f"{visit.observation:03d}"
    meta.observation.visit_number = "001"
    meta.observation.visit_id = f"{PROGRAM}{visit.observation:03d}001"
    meta.observation.visit_group = "03"
    meta.observation.sequence_id = "1"
    meta.observation.activity_id = "01"
    meta.observation.exposure_number = str(visit.exposure)
    meta.observation.obs_id = f"V{PROGRAM}{visit.observation:03d}001P0000000003101"
    meta.program.title = "A simulated coronagraphic sequence"
    meta.target.catalog_name = visit.target
    meta.target.proposer_name = visit.target
    meta.target.type = "FIXED"
    meta.target.ra, meta.target.dec = visit.star
    meta.exposure.psf_reference = visit.is_psf
    if visit.is_background:
        meta.observation.bkgdtarg = True
    meta.exposure.self_reference = False
    meta.visit.type = "PRIME_TARGETED_FIXED"


def _instrument(meta, scene: Scene) -> None:
    mode = scene.coronagraph
    meta.instrument.name = mode.instrument
    meta.instrument.detector = mode.detector
    meta.instrument.filter = scene.filter
    meta.instrument.coronagraph = mode.coronmsk
    if mode.instrument == "NIRCAM":
        meta.instrument.module = "A"
        meta.instrument.channel = "LONG" if mode.detector == "NRCALONG" else "SHORT"
        meta.instrument.pupil = mode.pupil
    meta.exposure.type = mode.exp_type
    meta.aperture.name = meta.aperture.pps_name = mode.aperture
    meta.subarray.name = mode.subarray
    meta.subarray.xstart, meta.subarray.ystart = mode.start
    meta.subarray.ysize, meta.subarray.xsize = mode.shape
    # NIRCam's detectors A1, A3, A5 are read from the right, A2 and A4 from the top.
    nircam = {"NRCALONG": (-1, 2), "NRCA2": (1, -2), "NRCA4": (1, -2)}
    meta.subarray.fastaxis, meta.subarray.slowaxis = nircam.get(mode.detector, (1, 2))


def _times(model: CubeModel, scene: Scene, visit: Visit) -> None:
    mode = scene.coronagraph
    pattern, frames, dropped = _READOUT[mode.instrument]
    frame = _FRAME_S.get(mode.subarray[:6], 0.23968)
    group = frame * (frames + dropped)
    groups = max(2, round(scene.integration_s / group))
    count = len(model.data)
    each = scene.integration_s + frame
    # An hour a visit, and the exposures of a visit one after another.
    start = _START + TimeDelta(
        3600 * (visit.observation - 1) + (visit.exposure - 1) * (count * each + 60), format="sec"
    )
    edges = start.mjd + each * np.arange(count + 1) / 86400
    middle = (edges[0] + edges[-1]) / 2
    exposure = model.meta.exposure
    exposure.start_time, exposure.mid_time, exposure.end_time = edges[0], middle, edges[-1]
    exposure.count = visit.exposure
    exposure.readpatt, exposure.nframes, exposure.groupgap = pattern, frames, dropped
    exposure.frame_time, exposure.group_time = frame, group
    exposure.ngroups, exposure.nints = groups, count
    exposure.integration_start, exposure.integration_end = 1, count
    exposure.integration_time = scene.integration_s
    exposure.exposure_time = exposure.effective_exposure_time = scene.integration_s * count
    exposure.measurement_time = scene.integration_s * count
    exposure.duration = exposure.elapsed_exposure_time = each * count
    observation = model.meta.observation
    observation.date, observation.time = start.isot.split("T")
    observation.date_beg = start.isot
    observation.date_end = Time(edges[-1], format="mjd").isot
    begin, end = edges[:-1], edges[:-1] + scene.integration_s / 86400
    table = np.zeros(count, dtype=model.get_dtype("int_times"))
    columns = (np.arange(1, count + 1), *(begin, (begin + end) / 2, end) * 2)
    for name, column in zip(table.dtype.names, columns, strict=True):
        table[name] = column
    model.int_times = table


def _photometry(meta, scene: Scene) -> None:
    area = scene.coronagraph.scale[0] * scene.coronagraph.scale[1]
    meta.photometry.conversion_megajanskys = photmjsr(scene)
    # MJy/sr in microjansky an arcsec2.
    meta.photometry.conversion_microjanskys = photmjsr(scene) * 1e12 * _ARCSEC2
    meta.photometry.pixelarea_steradians = area * _ARCSEC2
    meta.photometry.pixelarea_arcsecsq = area


def _wcs(meta, pointing: Pointing) -> None:
    mode, info = pointing.mode, meta.wcsinfo
    info.wcsaxes = 2
    info.ctype1, info.ctype2 = "RA---TAN", "DEC--TAN"
    info.cunit1 = info.cunit2 = "deg"
    info.crpix1, info.crpix2 = (c + 1 for c in mode.center)
    info.crval1, info.crval2 = info.ra_ref, info.dec_ref = pointing.crval
    info.cdelt1, info.cdelt2 = (float(c) for c in pointing.cdelt)
    (info.pc1_1, info.pc1_2), (info.pc2_1, info.pc2_2) = pointing.pc.tolist()
    info.roll_ref = pointing.roll_deg
    info.v2_ref, info.v3_ref = mode.v2v3
    info.v3yangle, info.vparity = mode.v3_idl_y_angle, mode.parity
    info.s_region = pointing.footprint()
    meta.coordinates.reference_frame = "ICRS"
    meta.pointing.pa_v3 = pointing.roll_deg
    meta.aperture.position_angle = (pointing.roll_deg + mode.v3_idl_y_angle) % 360
    meta.wcs = pointing.gwcs()
