"""What each step for CCD images is given: frames of 128 pixels or a little more, and options."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from coronx.models.arrays import arrays_of, set_arrays
from coronx.models.ground_association import (
    GroundFrames,
    open_ground_members,
    read_ground_association,
)
from coronx.models.ground_reading import open_frame
from coronx.models.ground_wcs import set_wcs, wcs_of
from tests.steps.calibration_frames import masters, raw
from tests.steps.ccd_images import BAD
from tests.steps.starry_frames import starry_frame

CUT = np.s_[40:168, 50:178]
NAN, SPIKE = (30, 41), (90, 75)
CARDS = {
    "FOCUSPOS": 4321, "OBSERVAT": "Siding Spring", "DATE-OBS": "2024-03-01T12:05:06",
    "TELESCOP": "T05", "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": -20.0,
    "CRPIX1": 80.0, "CRPIX2": 70.0, "CDELT1": -3e-4, "CDELT2": 3e-4,
}  # fmt: skip


@dataclass
class Given:
    """What a step is given.

    Attributes
    ----------
    path : Path
        A frame, or an association.
    options : dict
        Parameters of the step.
    """

    path: Path
    options: dict[str, Any] = field(default_factory=dict)

    def opened(self):
        """Return it as a model, or models, that may be changed."""
        kept = self._opened
        if not isinstance(kept, GroundFrames):
            return kept.copy()
        return GroundFrames(
            [model.copy() for model in kept], kept.roles,
            asn_table=kept.asn_table, asn_table_name=kept.asn_table_name,
        )  # fmt: skip

    @cached_property
    def _opened(self):
        if self.path.suffix == ".json":
            return open_ground_members(read_ground_association(self.path))
        return open_frame(self.path)


def models_of(frames):
    return [frames] if hasattr(frames, "meta") else list(frames)


def blemish(model):
    """Give an image a pixel that holds no number, and one that is flagged and far off."""
    model.data[NAN], model.data[SPIKE] = np.nan, 5e4
    model.dq[NAN] |= BAD
    model.dq[SPIKE] |= BAD
    if (err := arrays_of(model).get("err")) is not None:
        err[NAN] = np.nan
    return model


def _star_frame(path, filter_name="R", **options):
    model, _ = starry_frame(path.name, wcs=True, blemished=False, **options)
    own = wcs_of(model).slice(CUT)
    set_arrays(model, {name: array[CUT].copy() for name, array in arrays_of(model).items()})
    set_wcs(model, own)
    ground = model.meta.ground
    ground.filter, ground.site, ground.date_obs = filter_name, "Siding Spring", CARDS["DATE-OBS"]
    _with_card(model).save(str(path))
    return path


def _with_card(model):
    extra = model.instance.setdefault("extra_fits", {})
    extra["PRIMARY"] = {"header": [["FOCUSPOS", 4321, "of the camera"]]}
    return model


def _association(path, members, kind="science"):
    listed = [{"expname": Path(member).name, "exptype": kind} for member in members]
    product = {"name": path.name.removesuffix("_asn.json"), "members": listed}
    path.write_text(json.dumps({"asn_type": "ground", "asn_id": "g1", "products": [product]}))
    return path


def ground_inputs(folder):
    """Write frames into a folder, and return what each step is given, by its name."""
    import coronx

    made = masters(folder)
    bias, dark, flat = made["bias"], made["dark"], made["flat"]
    _with_card(open_frame(dark)).save(dark)

    def several(kind, seconds, light, **cards):
        frames = [
            raw(folder / f"{kind}_{n}.fits", seconds, light=light, seed=n, **CARDS, **cards)
            for n in range(3)
        ]
        return _association(folder / f"{kind}_asn.json", frames, kind)

    biases = several("bias", 0.0, 0.0, IMAGETYP="Bias Frame")
    light = Path(raw(folder / "light.fits", 60.0, seed=9, **CARDS))
    stars = _star_frame(folder / "a_cal.fits")
    other = _star_frame(folder / "b_cal.fits", shift=(3.3, -2.4), seed=2)
    third = _star_frame(folder / "c_cal.fits", seed=3)
    violet = _star_frame(folder / "v_cal.fits", "V", seed=4)
    blue = _star_frame(folder / "n_cal.fits", "B", seed=5)
    narrow = _star_frame(folder / "ha_cal.fits", "Ha", seed=6, seconds=6.0)
    found = folder / "a_stars.fits"
    coronx.FindStarsStep.call(str(stars)).save(str(found))
    judged = [folder / f"{name}_quality.fits" for name in "abc"]
    for path, source in zip(judged, (stars, other, third), strict=True):
        coronx.MeasureQualityStep.call(str(source)).save(str(path))
    return {
        "build_master_bias": Given(biases),
        "measure_read_noise": Given(biases),
        "build_master_dark": Given(
            several("dark", 100.0, 0.0, IMAGETYP="Dark Frame"), {"bias": bias}
        ),
        "build_master_flat": Given(
            several("flat", 5.0, 20000.0, IMAGETYP="Flat Field"), {"bias": bias, "dark": dark}
        ),
        "find_bad_pixels": Given(Path(dark), {"flat": flat}),
        "find_bad_columns": Given(Path(dark)),
        "apply_masters": Given(light, {"bias": [bias], "dark": [dark], "flat": [flat]}),
        "add_metadata": Given(stars),
        "remove_cosmic_rays": Given(stars),
        "fix_ccd_bad_pixels": Given(stars),
        "measure_background": Given(stars, {"smallest_box": 16}),
        "find_stars": Given(stars),
        "solve_astrometry": Given(found),
        "measure_quality": Given(_association(folder / "set_asn.json", [stars, other, third])),
        "filter_quality": Given(_association(folder / "judged_asn.json", judged)),
        "image_arithmetic": Given(stars, {"operation": "SUB", "operand": str(violet)}),
        "resample_to_wcs": Given(
            _association(folder / "two_asn.json", [stars, other]), {"grid": "reference"}
        ),
        "combine_images": Given(_association(folder / "same_asn.json", [stars, third])),
        "subtract_continuum": Given(
            narrow,
            # A scale that stars tell changes everywhere where one of them is lost.
            {"continuum": str(stars), "match": "gaussian", "scale": 0.1}
            | {"narrow_fwhm": 3.0, "broad_fwhm": 3.4},
        ),
        "compose_rgb": Given(_association(folder / "rgb_asn.json", [stars, violet, blue])),
    }
