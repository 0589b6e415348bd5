"""What a user of the cache does, in a process of its own: CRDS reads CRDS_PATH on import.

Run as ``python offline_session.py OUTPUT.json``; every attempt to reach the network is recorded
and refused.
"""

import json
import logging
import socket
import sys
from pathlib import Path

reached = []


def refuse(*args, **_options):
    reached.append(repr(args))
    raise OSError("no network here")


socket.socket.connect = refuse
socket.getaddrinfo = refuse

import crds  # noqa: E402
import numpy as np  # noqa: E402
from astropy import coordinates, units  # noqa: E402
from astropy.modeling import models  # noqa: E402
from gwcs import WCS, coordinate_frames  # noqa: E402
from jwst.coron import AlignRefsStep  # noqa: E402
from jwst.datamodels import ModelContainer  # noqa: E402
from jwst.outlier_detection import OutlierDetectionStep  # noqa: E402
from jwst.pipeline import Coron3Pipeline  # noqa: E402
from jwst.resample import ResampleStep  # noqa: E402
from jwst.stpipe import Step  # noqa: E402
from stdatamodels.jwst.datamodels import CubeModel, ImageModel  # noqa: E402

from coronx.refdata.modes import MODES, plain_mask_name  # noqa: E402


class Errors(logging.Handler):
    def __init__(self):
        super().__init__(logging.ERROR)
        self.lines = []

    def emit(self, record):
        self.lines.append(f"{record.name}: {record.getMessage()}")


def header(mode, band, mask):
    return {
        "META.INSTRUMENT.NAME": mode.instrument,
        "META.INSTRUMENT.FILTER": band,
        "META.INSTRUMENT.CORONAGRAPH": mask,
        "META.SUBARRAY.NAME": mode.subarray,
        "META.EXPOSURE.TYPE": mode.exp_type,
        "META.OBSERVATION.DATE": "2022-07-29",
        "META.OBSERVATION.TIME": "10:00:00.0",
    }


def look_up(mode):
    types = ["psfmask", "pars-coronx-klipstep", "pars-resamplestep"]
    answers = [
        crds.getreferences(header(mode, band, mask), reftypes=types, observatory="jwst")
        for band in mode.filters
        for mask in (mode.coronmsk, plain_mask_name(mode.coronmsk))
    ]
    return {key: sorted({answer[key] for answer in answers}) for key in types}


def fill(model, mode, shape):
    rng = np.random.default_rng(1)
    model.data = rng.normal(10.0, 1.0, shape).astype("f4")
    model.err = np.ones(shape, "f4")
    model.dq = np.zeros(shape, "u4")
    model.meta.filename = "made_up_calints.fits"
    model.meta.instrument.name = mode.instrument
    model.meta.instrument.detector = mode.detector
    model.meta.instrument.filter = mode.filters[0]
    model.meta.instrument.coronagraph = mode.coronmsk
    model.meta.instrument.pupil = mode.pupil or None
    model.meta.subarray.name = mode.subarray
    model.meta.exposure.type = mode.exp_type
    model.meta.exposure.nints = 3
    model.meta.exposure.exposure_time = model.meta.exposure.effective_exposure_time = 1.0
    model.meta.exposure.measurement_time = model.meta.exposure.duration = 1.0
    model.meta.observation.date = "2022-07-29"
    model.meta.observation.time = "10:00:00.0"
    model.meta.bunit_data = "MJy/sr"
    model.meta.photometry.pixelarea_steradians = 1e-13
    tangent = (
        (models.Shift(-mode.center[0]) & models.Shift(-mode.center[1]))
        | (models.Scale(1.75e-5) & models.Scale(1.75e-5))
        | models.Pix2Sky_TAN()
        | models.RotateNative2Celestial(10.0, -30.0, 180.0)
    )
    detector = coordinate_frames.Frame2D(name="detector", unit=(units.pix, units.pix))
    sky = coordinate_frames.CelestialFrame(reference_frame=coordinates.ICRS(), name="world")
    model.meta.wcs = WCS([(detector, tangent), (sky, None)])
    ny, nx = shape[-2:]
    model.meta.wcs.bounding_box = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
    corners = model.meta.wcs([0, nx - 1, nx - 1, 0], [0, 0, ny - 1, ny - 1])
    region = " ".join(f"{a} {d}" for a, d in zip(*corners, strict=True))
    model.meta.wcsinfo.s_region = f"POLYGON ICRS {region}"
    model.meta.wcsinfo.ra_ref, model.meta.wcsinfo.dec_ref = 10.0, -30.0
    model.meta.wcsinfo.v3yangle, model.meta.wcsinfo.vparity = 0.0, -1
    model.meta.wcsinfo.roll_ref = 0.0
    return model


def run_stock(mode):
    cube = (3, *mode.shape)
    target = fill(CubeModel(), mode, cube)
    Coron3Pipeline.get_config_from_reference(target)
    aligned = AlignRefsStep.call(target, fill(CubeModel(), mode, (1, *mode.shape)))
    flagged = OutlierDetectionStep.call(fill(CubeModel(), mode, cube))
    image = ResampleStep.call(ModelContainer([fill(ImageModel(), mode, mode.shape)]))
    return {
        "align_psfs": aligned.meta.cal_step.align_psfs,
        "psfmask": aligned.meta.ref_file.psfmask.name,
        "outlier_detection": flagged.meta.cal_step.outlier_detection,
        "resample": image.meta.cal_step.resample,
        "context": aligned.meta.ref_file.crds.context_used,
    }


class ThirdParty(Step):
    @classmethod
    def get_config_reftype(cls):
        return "pars-coronx-klipstep"


errors = Errors()
for name in ("", "CRDS", "stpipe", "jwst"):
    logging.getLogger(name).addHandler(errors)
answer = {"modes": {name: look_up(mode) for name, mode in MODES.items()}}
answer["stock"] = {name: run_stock(MODES[name]) for name in ("miri-1065", "nircam-335r")}
answer["parameters"] = ThirdParty.get_config_from_reference(
    fill(CubeModel(), MODES["miri-lyot"], (1, 4, 4))
).dict()
answer["errors"], answer["reached"] = list(errors.lines), list(reached)

# The control: what an unknown type of reference costs.
errors.lines.clear()
try:
    mode = MODES["miri-lyot"]
    crds.getreferences(header(mode, "F2300C", mode.coronmsk), reftypes=["pars-nobodys"])
except crds.core.exceptions.CrdsError as error:
    answer["control"] = [str(error), *errors.lines]
Path(sys.argv[1]).write_text(json.dumps(answer))
