"""Subtract the star by KLIP."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from stdatamodels.jwst.datamodels import CubeModel, QuadModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError, name_of
from coronx.models.members import check_alike
from coronx.models.psfalign import PsfAlignModel
from coronx.models.schema import extend
from coronx.models.variance import set_error
from coronx.ops.klip_subtract import Images, Subtraction, subtract_klip
from coronx.steps.coron._base import CoronStep

__all__ = ["KlipStep"]

log = logging.getLogger(__name__)


class KlipStep(CoronStep):
    """Subtract from a target its projection on the KL modes of aligned references.

    The modes are those of all references together (Soummer, Pueyo & Larkin 2012), one set for
    all integrations. Bad pixels of an integration take no part in its fit and stay NaN.
    """

    class_alias = "coronx_klip"

    spec = """
        truncate = integer(default=50,min=0)  # Largest number of KL modes subtracted
        error = option("propagated", "scatter", default="propagated")  # ERR from input errors, or the references' scatter
        save_psf = boolean(default=False)  # Save the fitted star as a product of its own, _psfmodel
        suffix = string(default='psfsub')  # Suffix of the product
    """  # noqa: E501

    def process(self, target: Any, psfrefs: Any) -> CubeModel:
        """Subtract the star.

        Parameters
        ----------
        target : str, Path or CubeModel
            Science exposure, ``_calints``.
        psfrefs : str, Path, PsfAlignModel, QuadModel or CubeModel
            Aligned references, 4-D or 3-D.

        Returns
        -------
        CubeModel
            Like the target, the star subtracted.

        Raises
        ------
        InputError
            If the inputs do not belong together, or the references hold nothing.
        """
        science, references = self.open_cube(target), self._open_references(psfrefs)
        check_alike([science, references])
        self._check_counts(science, references)
        try:
            done = self._subtract(science, references)
        except ValueError as err:
            raise InputError(
                f"{name_of(references)}: {err}; give a stack with good pixels"
            ) from err
        log.info(
            "%d KL modes of %d references subtracted from %d integrations",
            done.modes, done.references, science.shape[0],
        )  # fmt: skip
        if self.save_psf:
            self._save_star(self._result(science, references, done, done.model))
        result = self._result(science, references, done, done.residual)
        set_error(result, science, done.err)
        result.dq[np.isnan(done.residual)] |= pixel["DO_NOT_USE"]
        return result

    def _save_star(self, star: CubeModel) -> None:
        name = name_of(star)
        asn_id = self.search_attr("asn_id")
        if asn_id and f"_{asn_id}_" in name:
            asn_id = None  # the outlier step has put it there
        self.finalize_result(star, [])
        self.save_model(star, suffix="psfmodel", output_file=name, force=True, acid=asn_id)

    def _open_references(self, init: Any) -> CubeModel | QuadModel:
        if isinstance(init, QuadModel | CubeModel):
            return init
        if isinstance(init, str | Path) and (path := self.input_path(init)).is_file():
            try:
                with fits.open(path) as hdulist:
                    if "SCI" in hdulist and hdulist["SCI"].header.get("NAXIS") == 4:
                        return PsfAlignModel.open(path)
            except OSError as err:
                raise InputError(f"{path}: cannot be read ({err}); fetch the file again") from err
        return self.open_cube(init)

    @staticmethod
    def _check_counts(science: CubeModel, references: CubeModel | QuadModel) -> None:
        count = references.shape[0]
        if len(references.shape) == 4 and count != science.shape[0]:
            raise InputError(
                f"{name_of(references)}: aligned to {count} integrations, but "
                f"{name_of(science)} has {science.shape[0]}; align the references to it again"
            )

    def _subtract(self, science: CubeModel, references: CubeModel | QuadModel) -> Subtraction:
        options = {"truncate": self.truncate, "propagate": self.error == "propagated"}
        targets = _images(science.data, science.err, science.dq)
        if isinstance(references, PsfAlignModel) and references.common is not None:
            stack = references.common
            return subtract_klip(
                targets,
                _images(stack["data"], stack["err"], stack["dq"]),
                shifts=references.shifts,
                **options,
            )
        if len(references.shape) == 3:
            stack = _images(references.data, references.err, references.dq)
            return subtract_klip(targets, stack, **options)
        # Planes of unknown making: every integration has a basis of its own.
        parts = [
            subtract_klip(
                Images(targets.data[n : n + 1], targets.err[n : n + 1], targets.bad[n : n + 1]),
                _images(references.data[n], references.err[n], references.dq[n]),
                **options,
            )
            for n in range(science.shape[0])
        ]
        arrays = (
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("residual", "err", "model")
        )
        return Subtraction(*arrays, min(p.modes for p in parts), parts[0].references)

    def _result(
        self, science: CubeModel, references: Any, done: Subtraction, data: Any
    ) -> CubeModel:
        result = self.new_like(science, data=data, err=done.err, dq=science.dq.copy())
        record = extend(result).meta.coronx
        record.kl_modes, record.error_kind = done.modes, self.error
        for step in ("stack_psfs", "align_psfs"):
            setattr(result.meta.cal_step, step, getattr(references.meta.cal_step, step))
        result.meta.ref_file.psfmask.name = references.meta.ref_file.psfmask.name
        result.meta.cal_step.klip = "COMPLETE"
        return result


def _images(data: Any, err: Any, dq: Any) -> Images:
    bad = np.empty(dq.shape, bool)
    for plane, flags in zip(bad, dq, strict=True):
        np.not_equal(flags & np.uint32(pixel["DO_NOT_USE"]), 0, out=plane)
    return Images(data, err, bad)
