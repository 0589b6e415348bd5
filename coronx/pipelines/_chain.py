"""The chain of steps that exposures go through before the star is subtracted."""

from jwst.outlier_detection.outlier_detection_step import OutlierDetectionStep

from coronx.steps.coron.align_frames import AlignFramesStep
from coronx.steps.coron.blur_frames import BlurFramesStep
from coronx.steps.coron.coadd_frames import CoaddFramesStep
from coronx.steps.coron.crop_frames import CropFramesStep
from coronx.steps.coron.fix_bad_pixels import FixBadPixelsStep
from coronx.steps.coron.high_pass_filter import HighPassFilterStep
from coronx.steps.coron.pad_frames import PadFramesStep
from coronx.steps.coron.recenter_frames import RecenterFramesStep
from coronx.steps.coron.remove_frames import RemoveFramesStep
from coronx.steps.coron.replace_nans import ReplaceNansStep
from coronx.steps.coron.subtract_background import SubtractBackgroundStep
from coronx.steps.coron.subtract_median import SubtractMedianStep
from coronx.steps.coron.update_nircam_centers import UpdateNircamCentersStep

__all__ = ["CHAIN", "DEFAULTS"]

# What exposures go through before references are stacked, in this order.
CHAIN: dict[str, type] = {
    "remove_frames": RemoveFramesStep,
    "update_nircam_centers": UpdateNircamCentersStep,
    "subtract_background": SubtractBackgroundStep,
    "outlier_detection": OutlierDetectionStep,
    "fix_bad_pixels": FixBadPixelsStep,
    "coadd_frames": CoaddFramesStep,
    "subtract_median": SubtractMedianStep,
    "blur_frames": BlurFramesStep,
    "high_pass_filter": HighPassFilterStep,
    "recenter_frames": RecenterFramesStep,
    "align_frames": AlignFramesStep,
    "replace_nans": ReplaceNansStep,
    "crop_frames": CropFramesStep,
    "pad_frames": PadFramesStep,
}

# Defaults that differ from those of the steps run alone. Science pixels stay as they were
# measured until the star is subtracted: bad ones are flagged, and the star's place is measured.
_OFF = {"skip": "True"}
DEFAULTS: dict[str, dict[str, str]] = {
    "remove_frames": _OFF,
    "fix_bad_pixels": {"repair": 'list("none")'},
    "coadd_frames": _OFF,
    "subtract_median": _OFF,
    "blur_frames": _OFF,
    "high_pass_filter": _OFF,
    "recenter_frames": {"measure_only": "True"},
    "align_frames": _OFF,
    "replace_nans": _OFF,
    "crop_frames": _OFF,
    "pad_frames": _OFF,
}
"""Defaults by step and option, as a spec writes them."""
