"""What every coronx step adds to stpipe's, whatever its data."""

import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stdatamodels import DataModel
from stpipe.exceptions import ValidationError

from coronx.errors import InputError, name_of
from coronx.models.association import KINDS, write_association
from coronx.models.writing import check_folder, write_whole
from coronx.registry import SUFFIXES

__all__ = ["Manners"]

log = logging.getLogger(__name__)


class Manners:
    """A mixin for stpipe's steps: options, names, provenance, and files that are whole."""

    # References are fetched where they are used, so that what is missing is said there.
    prefetch_references = False

    member_kinds = KINDS
    """Types of member in associations that are read."""

    @classmethod
    def get_config_reftype(cls) -> str:
        """Return a reference type of our own: that of the bare class name is the host's."""
        return f"pars-coronx-{cls.__name__.lower()}"

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

    def is_done(self, model: DataModel) -> bool:
        """Return whether an exposure or image went through this step."""
        return self._status(model) == "COMPLETE"

    def _marked(self, model: DataModel) -> DataModel:
        if self._status(model) is None:
            self.mark(model, "COMPLETE")
        return model

    def _own_name(self) -> str:
        return str(self.class_alias).removeprefix("coronx_")

    def record_parameters(self, result: DataModel) -> None:
        """Add the step's parameters, and those of its own steps, to a model's history."""
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

        Of several models, each is saved under its own name; if they are from an association,
        another one of the new files is written beside them.
        """
        if isinstance(model, Sequence) and hasattr(model, "asn_table"):
            return self._save_all(model, suffix, force, **components)
        if not isinstance(model, DataModel):
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

    def _save_all(self, models: Any, suffix: str | None, force: bool, **components: Any) -> list:
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
            renamed = {o: Path(p).name for o, p in zip(old, paths, strict=True)}
            self._write_association(str(table), models.asn_table, renamed, suffix)
        return paths

    def _write_association(
        self, name: str, table: Mapping[str, Any], renamed: Mapping[str, str], suffix: str | None
    ) -> None:
        stem = Path(name).stem.removesuffix("_asn")
        made = self.make_output_path(basepath=f"{stem}.fits", suffix=suffix, ext="fits")
        path = Path(made).with_name(f"{Path(made).stem}_asn.json")
        write_association(path, table, renamed, self.member_kinds)
        log.info("Saved association in %s", path)
