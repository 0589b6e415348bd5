"""Runs of the pipeline, and the names of what they leave."""

import logging

from coronx import Coron3Pipeline

STAR = (311.2897, -31.3411)
COMBINED = {"target_f356w_i2d.fits", "target_f356w_snr.fits", "target_f356w_contrast.fits"}
SUBTRACTED = {f"target_{n:05d}_nrcalong_a3001_psfsub.fits" for n in (1, 2)}
CLEANED = {f"target_{n:05d}_nrcalong_a3001_crfints.fits" for n in (1, 2)} | {
    f"psfstar_{n:05d}_nrcalong_a3001_crfints.fits" for n in (1, 2, 3)
}
# The association lists both.
ALIGNED = {f"target_{n:05d}_nrcalong_a3001_psfalign.fits" for n in (1, 2)} | {
    "target_f356w_psfsub_asn.json"
}
MEASURED = {
    f"target_f356w_{name}.{kind}"
    for name in ("detect", "limits", "extract")
    for kind in ("fits", "ecsv")
}
STACKED = {"target_f356w_psfstack.fits"}


def names(folder):
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def warnings_of(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


def quick(association, options=None, **steps):
    """Run without what the test does not look at, and save nothing."""
    skipped = {name: {"skip": True} for name in ("outlier_detection", "fix_bad_pixels", "hlsp")}
    steps = skipped | {"recenter_frames": {"method": "mask"}} | steps
    return Coron3Pipeline.call(association, steps=steps, **(options or {}))
