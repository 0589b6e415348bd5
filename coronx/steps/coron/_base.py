"""What the coronagraphic steps share: opening inputs and reading DQ bits."""

from pathlib import Path
from typing import Any

from astropy.nddata.bitmask import interpret_bit_flags
from stdatamodels.jwst.datamodels import CubeModel, JwstDataModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError, name_of
from coronx.models.members import open_cube
from coronx.models.schema import extend
from coronx.steps._guest import Guest

__all__ = ["CoronStep", "bit_mask"]


class CoronStep(Guest):
    """Base of the coronagraphic steps. No step changes its inputs; each result is a new model."""

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
