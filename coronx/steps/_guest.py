"""How coronx's steps behave as guests of stpipe and jwst."""

import logging
import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import crds
from crds.core.exceptions import CrdsError
from jwst.stpipe.core import JwstStep
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe import crds_client

from coronx.errors import InputError
from coronx.models.schema import extend
from coronx.steps._manners import Manners

__all__ = ["Guest", "crds_context", "offers"]

log = logging.getLogger(__name__)


def crds_context() -> str | None:
    """Return the CRDS context in use, or None where there is neither cache nor server."""
    return _context(*(os.environ.get(f"CRDS_{name}") for name in ("PATH", "SERVER_URL", "CONTEXT")))


@cache
def _context(*settings: str | None) -> str | None:
    # Asked once for each setting: without a cache the answer takes seconds.
    del settings
    speaker = logging.getLogger("CRDS")
    muted, speaker.disabled = speaker.disabled, True
    try:
        return str(crds_client.get_context_used("jwst"))
    except (SystemExit, CrdsError, OSError):
        # With no cache and no server crds ends the process; a step must not.
        log.warning("No CRDS cache or server: reference files are taken from overrides alone")
        return None
    finally:
        speaker.disabled = muted


@cache
def _kinds(context: str, instrument: str) -> frozenset[str]:
    try:
        selections = crds.get_cached_mapping(context).get_imap(instrument).selections
    except (CrdsError, OSError):
        return frozenset()
    return frozenset(kind for kind, mapping in selections.items() if mapping != "N/A")


def offers(reftype: str, parameters: Mapping[str, Any]) -> bool:
    """Whether CRDS knows a reference type for a data set: asking for others logs an error."""
    instrument = parameters.get("meta.instrument.name") or parameters.get("INSTRUME") or ""
    context = crds_context()
    return bool(instrument and context) and reftype in _kinds(context, str(instrument).lower())


class Guest(Manners, JwstStep):
    """What every step for JWST's coronagraphs adds to the host's base classes."""

    @staticmethod
    def get_stpipe_loggers() -> tuple[str, ...]:
        """Return the host's loggers and ours: without ours, messages reach no one."""
        return (*JwstStep.get_stpipe_loggers(), "coronx")

    @classmethod
    def _get_crds_parameters(cls, dataset: Any) -> tuple[dict[str, Any], str]:
        try:
            return super()._get_crds_parameters(dataset)
        except (Exception, SystemExit) as err:
            # Bad input is described by `process`; here only parameters are looked up.
            raise ValueError(str(err)) from err

    @classmethod
    def _own_config(cls, parameters: Mapping[str, Any], observatory: str) -> Any:
        if not offers(cls.get_config_reftype(), parameters):
            return cls._empty_config()
        return super()._get_config_from_parameters(parameters, observatory)

    @classmethod
    def _get_config_from_parameters(cls, crds_parameters: Any, crds_observatory: str) -> Any:
        return cls._own_config(crds_parameters, crds_observatory)

    def get_reference_file(self, input_file: Any, reference_file_type: str) -> str:
        """Return a reference file's path, or raise an `InputError` that says how to give one."""
        try:
            if not self.get_ref_override(reference_file_type) and crds_context() is None:
                raise OSError("no CRDS cache or server")
            return super().get_reference_file(input_file, reference_file_type)
        except (CrdsError, OSError, SystemExit) as err:
            name = getattr(getattr(input_file, "meta", None), "filename", None) or input_file
            option = f"override_{reference_file_type}"
            if self.parent is not None:
                option = f"steps.{self.name}.{option}"
            raise InputError(
                f"{name}: no {reference_file_type.upper()} reference file ({err}); set CRDS_PATH "
                f"or give one with --{option}"
            ) from err

    def finalize_result(self, result: Any, reference_files_used: list[tuple[str, str]]) -> None:
        """Record what made the result: the host's record, coronx's version, the parameters."""
        known = crds_context() is not None
        if known:
            super().finalize_result(result, reference_files_used)
        else:
            JwstStep.finalize_result(self, result, [])
        if not isinstance(result, JwstDataModel):
            return
        if not known:
            for kind, name in reference_files_used:
                if hasattr(result.meta.ref_file, kind):
                    getattr(result.meta.ref_file, kind).name = name
        extend(result).meta.coronx.version = version("coronx")
        self.record_parameters(result)
