"""The settings of an observing mode, chosen from the data."""

import logging
from collections.abc import Mapping
from importlib.resources import as_file, files
from typing import Any

from configobj import ConfigObj
from stpipe.config_parser import load_config_file

from coronx.refdata.modes import CoronagraphMode, find_mode
from coronx.refdata.nircam_centers import nircam_centers
from coronx.refdata.transmission import is_bar

__all__ = ["mode_settings"]

log = logging.getLogger(__name__)


def mode_settings(parameters: Mapping[str, Any]) -> ConfigObj:
    """Return the pipeline's settings for the observing mode of a data set.

    They are those of the parameter files in ``cfg``, which are part of the package.

    Parameters
    ----------
    parameters : mapping
        Metadata of the data set by dotted name, such as ``meta.instrument.coronagraph``.

    Returns
    -------
    ConfigObj
        Empty where the data are not of a known coronagraph.
    """
    mode = find_mode(parameters.get("meta.instrument.coronagraph"))
    if mode is None:
        return ConfigObj({"steps": {}})
    name = _file_of(mode)
    with as_file(files("coronx") / "cfg" / name) as path:
        config = load_config_file(str(path))
    del config["class"], config["name"]
    for step in config["steps"].values():
        del step["class"], step["name"]
    log.info("Settings for %s: those of cfg/%s, where no others are given", mode.coronmsk, name)
    used = parameters.get("meta.instrument.filter")
    if mode.instrument == "NIRCAM" and used not in nircam_centers().filter_shifts:
        # The step refuses what its table does not have; the pipeline can do without it.
        log.warning(
            "%s: how far this filter displaces the image is not known: update_nircam_centers is "
            "skipped, and the star's place, unless it is measured, is good to a pixel or two", used
        )  # fmt: skip
        config["steps"]["update_nircam_centers"]["skip"] = True
    return config


def _file_of(mode: CoronagraphMode) -> str:
    if mode.instrument == "NIRCAM":
        return "nircam_bar.asdf" if is_bar(mode) else "nircam_round.asdf"
    return "miri_lyot.asdf" if mode.exp_type == "MIR_LYOT" else "miri_4qpm.asdf"
