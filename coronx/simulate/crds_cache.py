"""A complete CRDS cache made on the spot, for demonstration and tests without a network.

It holds a PSFMASK file for every coronagraphic mode, the analytic mask at its place in flight, and
what the JWST pipeline's steps at coronagraphy's last stage ask besides. ``CRDS_PATH`` naming the
folder is all the setting there is; ``CRDS_SERVER_URL`` and ``CRDS_CONTEXT`` have to be unset.

Types of reference that CRDS does not know, such as third-party ``pars-coronx-…``, are served like
any other: the .imap that names them is what makes them known. Looked up without being named there,
as a third-party step's are in any context of the real CRDS, they cost an ERROR line in the log.
"""

import ast
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits
from stdatamodels.jwst.datamodels import PsfMaskModel

from coronx.refdata.modes import MODES, CoronagraphMode
from coronx.refdata.transmission import transmission
from coronx.simulate.crds_mappings import (
    instrument_mapping,
    parameter_mapping,
    pipeline_mapping,
    psfmask_mapping,
    server_config,
)

__all__ = ["build_crds_cache"]

log = logging.getLogger(__name__)

_CONTEXT = "jwst_0001.pmap"
_CONFIG = Path("config", "jwst", "server_config")
_INSTRUMENTS = ("NIRCAM", "MIRI")
# Parameter references that the pipeline's own classes look up; they run on their defaults here.
_STOCK_PARAMETERS = (
    "pars-alignrefsstep",
    "pars-coron3pipeline",
    "pars-hlspstep",
    "pars-klipstep",
    "pars-outlierdetectionstep",
    "pars-resamplestep",
    "pars-stackrefsstep",
)
# (fast, slow) axis of each detector in the science frame.
_AXES = {"NRCA2": (1, -2), "NRCA4": (1, -2), "NRCALONG": (-1, 2), "MIRIMAGE": (1, 2)}
# Fixed, so that the same cache has the same bytes.
_DATE = "2000-01-01T00:00:00.000"


def build_crds_cache(folder: Path, parameters: Mapping[str, Path] | None = None) -> Path:
    """Build an offline CRDS cache in a folder, replacing one that this function built before.

    Everything is written beside the folder first and moved in place at the end, so that an
    interrupted build leaves what was there.

    Parameters
    ----------
    folder : Path
        The cache; its parents are made where they do not exist.
    parameters : mapping, optional
        ASDF parameter files by type of reference, such as ``pars-coronx-klipstep``; each is
        copied and serves every NIRCam and MIRI exposure.

    Returns
    -------
    Path
        The folder, absolute: the value for ``CRDS_PATH``.

    Raises
    ------
    FileExistsError
        If the folder holds something else: other files, or a cache of the real CRDS.
    FileNotFoundError
        If a parameter file does not exist.
    ValueError
        If a type of reference is not ``pars-`` and lower-case letters, digits or dashes.
    """
    folder = Path(folder).absolute()
    _refuse_foreign(folder)
    parameters = _checked(parameters or {})
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        new, old = Path(scratch, "new"), Path(scratch, "old")
        _fill(new, parameters)
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    log.info("CRDS cache of %d PSFMASK files in %s", len(MODES), folder)
    return folder


def _refuse_foreign(folder: Path) -> None:
    if not folder.exists():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    try:
        info = ast.literal_eval((folder / _CONFIG).read_text())
    except (OSError, SyntaxError, ValueError) as error:
        raise FileExistsError(f"{folder} exists and is not a CRDS cache; left alone.") from error
    if info.get("origin") != "coronx":
        raise FileExistsError(f"{folder} is a CRDS cache that coronx did not build; left alone.")


def _checked(parameters: Mapping[str, Path]) -> dict[str, Path]:
    for reftype, path in parameters.items():
        if not re.fullmatch(r"pars-[a-z0-9-]+", reftype):
            raise ValueError(f"{reftype!r} is not a type of parameter reference (pars-…).")
        if not Path(path).is_file():
            raise FileNotFoundError(f"No parameter file {path} for {reftype}.")
    return dict(parameters)


def _fill(root: Path, parameters: Mapping[str, Path]) -> None:
    mappings: dict[str, str] = {}
    imaps = {}
    for instrument in _INSTRUMENTS:
        stem = f"jwst_{instrument.lower()}"
        references = root / "references" / "jwst" / instrument.lower()
        references.mkdir(parents=True)

        modes = [mode for mode in MODES.values() if mode.instrument == instrument]
        masks = {f"{stem}_psfmask_{i:04d}.fits": mode for i, mode in enumerate(modes, start=1)}
        for file, mode in masks.items():
            _write_psfmask(references / file, mode)
        rmaps = {"psfmask": f"{stem}_psfmask_0001.rmap"}
        mappings[rmaps["psfmask"]] = psfmask_mapping(rmaps["psfmask"], instrument, masks)

        for reftype, path in parameters.items():
            file = f"{stem}_{reftype}_0001.asdf"
            shutil.copyfile(path, references / file)
            name = rmaps[reftype] = f"{stem}_{reftype}_0001.rmap"
            mappings[name] = parameter_mapping(name, instrument, reftype, file)

        imap = imaps[instrument.lower()] = f"{stem}_0001.imap"
        mappings[imap] = instrument_mapping(imap, instrument, rmaps, _STOCK_PARAMETERS)
    mappings[_CONTEXT] = pipeline_mapping(_CONTEXT, imaps)

    (root / "mappings" / "jwst").mkdir(parents=True)
    for name, text in mappings.items():
        (root / "mappings" / "jwst" / name).write_text(text)
    (root / _CONFIG).parent.mkdir(parents=True)
    (root / _CONFIG).write_text(server_config(_CONTEXT, mappings))
    # CRDS would write this itself on the first look-up; a read-only cache then stays silent.
    (root / _CONFIG).with_name("ref_cache_subdir_mode").write_text("instrument")


def _write_psfmask(path: Path, mode: CoronagraphMode) -> None:
    with PsfMaskModel(data=transmission(mode).astype(np.float32)) as model:
        model.meta.author = "coronx"
        model.meta.pedigree = "MODEL"
        model.meta.description = f"Analytic mask of {mode.name} in flight, 1 = use"
        model.meta.useafter = "1900-01-01T00:00:00"
        model.meta.reftype = "PSFMASK"
        model.meta.instrument.name = mode.instrument
        model.meta.instrument.detector = mode.detector
        # The masks do not depend on wavelength: the .rmap hands out one file for all filters.
        model.meta.instrument.filter = mode.filters[0]
        model.meta.instrument.coronagraph = mode.coronmsk
        model.meta.subarray.name = mode.subarray
        model.meta.subarray.xstart, model.meta.subarray.ystart = mode.start
        model.meta.subarray.ysize, model.meta.subarray.xsize = mode.shape
        model.meta.subarray.fastaxis, model.meta.subarray.slowaxis = _AXES[mode.detector]
        model.add_history_entry("Made by coronx from analytic transmissions, for use offline.")
        model.save(os.fspath(path))
    fits.setval(path, "DATE", value=_DATE)
