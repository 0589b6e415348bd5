"""What the pipelines for CCD images share: associations in, associations out."""

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from stpipe import Pipeline

from coronx.errors import InputError
from coronx.models.association import write_association
from coronx.models.ground_association import GroundAssociation, read_ground_association
from coronx.models.ground_image import ROLES, GroundImageModel
from coronx.models.writing import check_folder, whole_file
from coronx.pipelines._frames import digest_of, is_made, process_frames, row_of
from coronx.steps.ground._base import GroundGuest

__all__ = ["RESUME", "RUNNING", "GroundPipeline", "stem_of"]

log = logging.getLogger(__name__)

RESUME = """
        resume = boolean(default=True)  # Leave products as they are that were made of the same input in the same way
"""  # noqa: E501
RUNNING = (
    """
        workers = integer(default=1,min=1)  # Frames processed at the same time
"""
    + RESUME
)

_SUFFIXES = ("calibrated", "navigated", "passed", "mosaic")


def stem_of(association: GroundAssociation) -> str:
    """Return the name of an association, without what says how far its frames have come."""
    stem = association.path.stem.removesuffix("_asn")
    for suffix in _SUFFIXES:
        stem = stem.removesuffix(f"_{suffix}")
    return stem


class GroundPipeline(GroundGuest, Pipeline):
    """Base of the pipelines for CCD images: from an association to another, which is returned.

    Each product is written when it is made, so that a run which was stopped goes on where it was.
    """

    def open_association(self, init: Any) -> GroundAssociation:
        """Return an association, and set where products go.

        Raises
        ------
        InputError
            If it cannot be used, or a step's options make no sense.
        """
        if not isinstance(init, str | Path):
            raise InputError(
                f"{init!r}: not the path of an association; give the _asn.json file that "
                "coronx_make_ground_asn writes"
            )
        path = self.input_path(init)
        if path.suffix != ".json":
            raise InputError(
                f"{path}: not an association; give the _asn.json file that coronx_make_ground_asn "
                "writes of a folder"
            )
        for name in self.step_defs:
            step = getattr(self, name)
            if not step.skip and hasattr(step, "check_options"):
                step.check_options()
        association = read_ground_association(path)
        self.folder = self.own_folder()
        check_folder(self.folder)
        return association

    def own_folder(self) -> Path:
        """Return the folder of the products."""
        # Within another pipeline it is that pipeline's.
        return Path(self.search_attr("output_dir") or ".")

    def product_path(self, name: str | Path, suffix: str) -> Path:
        """Return where a product goes that is named after a file."""
        stem = Path(name).name.partition(".f")[0]
        return Path(self.make_output_path(basepath=f"{stem}.fits", suffix=suffix, ext=".fits"))

    def take_through(
        self,
        paths: Sequence[Path],
        names: Iterable[str],
        suffix: str,
        *,
        used: Sequence[str | Path] = (),
        label: str,
    ) -> list[Path]:
        """Take each of some frames through steps of this pipeline, and return the products."""
        row = row_of(self, names)
        made = [self.product_path(path, suffix) for path in paths]
        twice = sorted({path.name for path in made if made.count(path) > 1})
        if twice:
            raise InputError(f"{twice[0]}: two frames have this name; rename one of them")
        settings = {"workers": self.workers, "resume": self.resume, "label": label}
        process_frames(paths, made, row, used=used, **settings)
        return made

    def make(self, name: str, inputs: Sequence[Path], product: str, used: Sequence = ()) -> Path:
        """Make one product of several frames by a step of this pipeline, and return its path."""
        step = getattr(self, name)
        path = self.product_path(product, step.suffix)
        digest = digest_of([*inputs, *used], step.get_pars())
        if self.resume and is_made(path, digest):
            log.info("%s: made before of the same input in the same way; left as it is", path)
            return path
        given = [str(p) for p in inputs]
        result: GroundImageModel = step.run(given if len(given) > 1 else given[0])
        result.meta.digest = digest
        return Path(step.save_model(result, step.suffix, output_file=path.name, force=True))

    def write_made(self, association: GroundAssociation, made: dict[str, str], suffix: str) -> Path:
        """Write the association of the products of its science members."""
        stem = stem_of(association)
        path = self.folder / f"{stem}_{suffix}_asn.json"
        write_association(path, association.table, made, ROLES)
        log.info("Saved association in %s", path)
        return path

    def write_products(self, stem: str, products: dict[str, list[Path]], suffix: str) -> Path:
        """Write an association with a science product for each name."""
        path = self.folder / f"{stem}_{suffix}_asn.json"
        listed = [
            {
                "name": name,
                "members": [{"expname": p.name, "exptype": "science"} for p in paths],
            }
            for name, paths in products.items()
        ]
        table = {
            "asn_type": "ground", "asn_rule": str(self.class_alias), "asn_id": stem,
            "asn_pool": "none", "products": listed,
        }  # fmt: skip
        with whole_file(path) as made:
            made.write_text(json.dumps(table, indent=2))
        log.info("Saved association in %s", path)
        return path
