"""What the coronagraphic steps share: opening inputs, one or many, and reading DQ bits."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.nddata.bitmask import interpret_bit_flags
from jwst.datamodels import ModelContainer
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel, JwstDataModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError, name_of
from coronx.models.arrays import arrays_of
from coronx.models.association import read_association
from coronx.models.members import open_all, open_cube, role_of
from coronx.models.schema import extend
from coronx.steps._guest import Guest

__all__ = ["CoronStep", "bit_mask", "whole_numbers"]

log = logging.getLogger(__name__)


class CoronStep(Guest):
    """Base of the coronagraphic steps. No step changes its inputs; each result is a new model."""

    once = False
    """Whether an exposure that went through the step is left as it is when it comes again."""

    def check_options(self) -> None:
        """Raise an `InputError` for options that make no sense, whatever the exposures.

        Asked before the first exposure is opened, by a pipeline before it begins, so that
        nothing stops half-way.
        """
        if hasattr(self, "bad_bits"):
            bit_mask(self.bad_bits)

    def open_cube(self, init: Any) -> CubeModel:
        """Return a cube of integrations from a path or a model."""
        if isinstance(init, str | Path):
            return open_cube(self.input_path(init))
        if not isinstance(init, CubeModel):
            found = name_of(init) if isinstance(init, JwstDataModel) else repr(init)
            raise InputError(
                f"{found}: not a cube of integrations but a {type(init).__name__}; "
                "give a CubeModel or the path of a _calints file"
            )
        return init

    def each(
        self, init: Any, change: Callable[[CubeModel], CubeModel]
    ) -> CubeModel | ModelContainer:
        """Apply a change to an exposure, or to every exposure of an association or a list.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            An exposure, an association, or several exposures.
        change : callable
            Makes a new exposure of one; it does not touch what it is given.

        Returns
        -------
        CubeModel or ModelContainer
            The new exposure, or exposures, in their order.

        Raises
        ------
        InputError
            If there is nothing, or one cannot be used.
        """
        return self.together(init, lambda models: [change(model) for model in models])

    def together(
        self, init: Any, change: Callable[[list[CubeModel]], list[CubeModel]]
    ) -> CubeModel | ModelContainer:
        """Apply a change to an exposure, or to all exposures of an association or a list at once.

        As `each`, but `change` gets all exposures that did not go through the step before; it
        may leave some out of its result.
        """
        self.check_options()
        models = self._open(init)
        if not models:
            raise InputError(f"{init!r}: no exposure in it; give at least one")
        roles = {name_of(model): role_of(model) for model in models}
        done = [model for model in models if self.once and self.is_done(model)]
        for model in done:
            log.info("%s: %s was done before; left as it is", name_of(model), self.class_alias)
        todo = [model for model in models if not any(model is other for other in done)]
        results = [self._marked(model) for model in change(todo)] if todo else []
        if not results and not done:
            raise InputError(
                f"{name_of(models[0])}: only exposures of exptype {role_of(models[0])}; "
                f"{self.class_alias} needs one of a star, too"
            )
        if done:
            results += [extend(model.copy()) for model in done]
            order = {name_of(model): n for n, model in enumerate(models)}
            results.sort(key=lambda model: order.get(name_of(model), len(order)))
        for result in results:
            # The host does not copy it: it is in no FITS keyword.
            result.meta.asn.exptype = roles.get(name_of(result), role_of(result))
        if not isinstance(models, ModelContainer):
            return results[0]
        made = ModelContainer()
        for result in results:
            made.append(result)
        made.asn_table, made.asn_table_name = models.asn_table, models.asn_table_name
        return made

    def _open(self, init: Any) -> list[CubeModel] | ModelContainer:
        if isinstance(init, str | Path) and (path := self.input_path(init)).suffix == ".json":
            return open_all(read_association(path, needed=()))
        if isinstance(init, ModelContainer):
            return init
        if isinstance(init, list | tuple):
            models = ModelContainer()
            for item in init:
                models.append(self.open_cube(item))
            return models
        return [self.open_cube(init)]

    def mark(self, model: JwstDataModel, status: str) -> None:
        """Record that a model went through this step (COMPLETE) or did not (SKIPPED).

        A change that leaves an exposure as it is marks it SKIPPED, one that only measures
        MEASURED; what is not marked is marked COMPLETE by `each` and `together`.
        """
        setattr(extend(model).meta.coronx, self._own_name(), status)

    def _status(self, model: JwstDataModel) -> str | None:
        return getattr(getattr(model.meta, "coronx", None), self._own_name(), None)

    def copy_of(self, model: CubeModel, *, renewed: bool = False) -> CubeModel:
        """Return a copy with all that the model has, ready to be given new arrays.

        With `renewed` all arrays that it has are given anew, so that it need not copy them.
        """
        shared = {id(a): a for a in arrays_of(model).values()} if renewed else None
        result = extend(model.copy(shared))
        setattr(result.meta.coronx, self._own_name(), None)
        return result

    def bad_pixels(self, model: CubeModel) -> NDArray[np.bool_]:
        """Return the pixels that have one of the flags of the parameter bad_bits, (n, ny, nx)."""
        return (model.dq & np.uint32(bit_mask(self.bad_bits))) != 0

    @staticmethod
    def new_like(model: CubeModel, **arrays: Any) -> CubeModel:
        """Return a cube with new arrays and a model's metadata, WCS and record."""
        result = extend(CubeModel(**arrays))
        result.update(model)
        if getattr(model.meta, "wcs", None) is not None:
            result.meta.wcs = model.meta.wcs
        return result


def bit_mask(bits: str | int | list[str] | None) -> int:
    """Return the DQ bits named: names or integers, one or several; none for None or "".

    Raises
    ------
    InputError
        If a name is not a DQ flag.
    """
    text = ",".join(str(b) for b in bits) if isinstance(bits, list) else str(bits or "")
    if text.strip().lower() in ("", "none"):
        return 0
    try:
        return int(interpret_bit_flags(text, flag_name_map=pixel) or 0)
    except (ValueError, TypeError, KeyError) as err:
        known = ", ".join(name for name in pixel if name != "GOOD")
        raise InputError(
            f"bad_bits {text!r}: not DQ flags; give integers or names of {known}"
        ) from err


def whole_numbers(name: str, values: list[Any], make: Callable[[list[int]], Any] = list) -> Any:
    """Return an option's whole numbers, made into what is wanted of them.

    Raises
    ------
    InputError
        If one is not a whole number, or `make` raises a ValueError.
    """
    given = ", ".join(map(str, values)) or "nothing"
    try:
        return make([int(value) for value in values])
    except ValueError as err:
        reason = "not whole numbers" if "invalid literal" in str(err) else err
        raise InputError(f"{name} = {given}: {reason}; give others") from err
