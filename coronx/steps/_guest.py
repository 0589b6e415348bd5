"""How coronx's steps behave as guests of stpipe and jwst."""

import logging
import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import crds
from crds.core.exceptions import CrdsError
from jwst.datamodels import ModelContainer
from jwst.stpipe.core import JwstStep
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe import crds_client
from stpipe.exceptions import ValidationError

from coronx.errors import InputError, name_of
from coronx.models.association import write_association
from coronx.models.schema import extend
from coronx.models.writing import check_folder, write_whole
from coronx.registry import SUFFIXES

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


class Guest(JwstStep):
    """What every coronx step and pipeline adds to the host's base classes."""

    # References are fetched where they are used, so that what is missing is said there.
    prefetch_references = False

    @staticmethod
    def get_stpipe_loggers() -> tuple[str, ...]:
        """Return the host's loggers and ours: without ours, messages reach no one."""
        return (*JwstStep.get_stpipe_loggers(), "coronx")

    @classmethod
    def get_config_reftype(cls) -> str:
        """Return a reference type of our own: that of the bare class name is the host's."""
        return f"pars-coronx-{cls.__name__.lower()}"

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

    @classmethod
    def from_config_section(cls, config: Any, parent: Any = None, **kwargs: Any) -> Any:
        """Build the step, with one line for a parameter out of range or a folder out of reach."""
        try:
            step = super().from_config_section(config, parent=parent, **kwargs)
        except ValidationError as err:
            if parent is not None:
                raise
            message = f"{cls.class_alias}: {str(err).strip()}; see strun {cls.class_alias} --help"
            log.error(message)
            raise InputError(message) from err
        if parent is None and step.output_dir:
            try:
                check_folder(step.output_dir)
            except InputError as err:
                log.error(err.message)
                raise
        return step

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

    def input_path(self, name: str | Path) -> Path:
        """Return the path of an input: as given if it is there, else in the first input's folder.

        The host looks for every bare name beside the first input, and only there.
        """
        path = Path(name)
        return path if path.exists() else Path(self.make_input_path(str(name)))

    def remove_suffix(self, name: str) -> tuple[str, str]:
        """Strip a known suffix, the host's or ours."""
        for suffix in SUFFIXES:
            if name.endswith(f"_{suffix}"):
                return name.removesuffix(f"_{suffix}"), "_"
        return super().remove_suffix(name)

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
        pars = self.get_pars(full_spec=False)
        steps = pars.pop("steps", {})
        result.add_history_entry(f"{self.class_alias} (coronx {version('coronx')}): {pars}")
        for name, own in steps.items():
            told = "skipped" if getattr(self, name).skip else own
            result.add_history_entry(f"{self.class_alias}.{name}: {told}")

    def save_model(
        self,
        model: Any,
        suffix: str | None = None,
        idx: int | None = None,
        output_file: str | None = None,
        force: bool = False,
        **components: Any,
    ) -> Any:
        """Save as the host does, but never leave half a file.

        Of a container, each model is saved under its own name; if its models are from an
        association, another one of the new files is written beside them.
        """
        if isinstance(model, ModelContainer):
            return self._save_all(model, suffix, force, **components)
        if not isinstance(model, JwstDataModel):
            return super().save_model(model, suffix, idx, output_file, force, **components)
        output_file = output_file or self.output_file
        if not force and not self.save_results and not output_file:
            return None
        if self.output_use_model or (output_file is None and not self.search_output_file):
            output_file, idx = model.meta.filename, None
        path = self.make_output_path(basepath=output_file, suffix=suffix, idx=idx, **components)
        write_whole(model, path)
        log.info("Saved model in %s", path)
        return path

    def _save_all(
        self, models: ModelContainer, suffix: str | None, force: bool, **components: Any
    ) -> list[Any]:
        if self.output_file and len(models) > 1:
            raise InputError(
                f"output_file = {self.output_file}: one name for {len(models)} exposures; leave "
                "it out, and each is named after its input"
            )
        old = [name_of(model) for model in models]
        paths = [
            self.save_model(model, suffix, output_file=name, force=force, **components)
            for model, name in zip(models, old, strict=True)
        ]
        table = models.asn_table_name
        if all(paths) and table and str(table).endswith(".json"):
            stem = Path(str(table)).stem.removesuffix("_asn")
            made = self.make_output_path(basepath=f"{stem}.fits", suffix=suffix, ext="fits")
            path = Path(made).with_name(f"{Path(made).stem}_asn.json")
            renamed = {o: Path(p).name for o, p in zip(old, paths, strict=True)}
            write_association(path, models.asn_table, renamed)
            log.info("Saved association in %s", path)
        return paths
