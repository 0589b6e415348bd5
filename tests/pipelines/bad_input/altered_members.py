"""Members and associations spoilt, and what a folder holds before and after."""

import json

import numpy as np
from stdatamodels.jwst.datamodels import CubeModel

TARGET = "target_00002_nrcalong_calints.fits"
PSF = "psfstar_00002_nrcalong_calints.fits"


def rewrite(asn, change):
    table = json.loads(asn.read_text())
    change(table)
    asn.write_text(json.dumps(table))


def edit(asn, name, change):
    """Replace a member by a changed copy."""
    path = asn.parent / name
    with CubeModel(str(path)) as model:
        change(model)
        path.unlink()
        model.save(str(path))


def everything(folder):
    return sorted(
        (path.relative_to(folder), path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if not path.is_dir()
    )


def blank(model):
    model.data = np.full_like(model.data, np.nan)
