"""Choose or combine integrations, with every table that has a row for each."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import name_of
from coronx.models.arrays import array_of, arrays_of, set_arrays
from coronx.models.schema import EXTENSION, extend, plane_table

__all__ = [
    "coadd_table",
    "combine_tables",
    "runs_of",
    "select",
]

log = logging.getLogger(__name__)


def select(model: CubeModel, keep: Sequence[int]) -> None:
    """Keep some integrations of an exposure.

    Parameters
    ----------
    model : CubeModel
        Changed in place: arrays, tables, the number of integrations, and the times in which
        photons were collected. The table ``planes`` says which integrations they were.
    keep : sequence of int
        0-based integrations, in the order wanted.
    """
    keep = list(keep)
    tables = {**_tables(model), "planes": plane_table(model)}
    weights = coadd_table(model)["count"]
    part = float(weights[keep].sum() / weights.sum())
    arrays = {name: values[keep] for name, values in arrays_of(model).items()}
    rows = {name: _renumbered(table[keep]) for name, table in tables.items()}
    set_arrays(model, arrays | rows)
    times = model.meta.exposure
    for name in ("exposure_time", "effective_exposure_time", "measurement_time"):
        if (known := getattr(times, name, None)) is not None:
            setattr(times, name, known * part)
    _count(model)


def combine_tables(model: CubeModel, blocks: Sequence[slice]) -> None:
    """Combine the rows of every per-integration table, as the integrations were.

    Places, shifts and levels become means, their uncertainties those of means of independent
    values; times go from the first's start to the last's end. A row of the star's places
    that was not measured is left out. A table that has a column of unknown meaning is dropped,
    with a warning.

    Parameters
    ----------
    model : CubeModel
        Changed in place; its arrays, combined already, have a plane for each block.
    blocks : sequence of slice
        Which integrations made each.
    """
    count = blocks[-1].stop
    tables = {**_tables(model, count), "coadded": coadd_table(model, count)}
    for name, table in tables.items():
        unknown = set(table.dtype.names) - _RULES.keys()
        if unknown:
            log.warning(
                "%s: table %s is left out, since %s cannot be combined",
                name_of(model), name, ", ".join(sorted(unknown)),
            )  # fmt: skip
            setattr(model, name, None)
            continue
        set_arrays(model, {name: _renumbered(_combined(table, blocks))})
    _count(model)


def runs_of(model: CubeModel) -> list[int]:
    """Return where a cube's integrations begin to be of another exposure; 0 first."""
    exposure = plane_table(model)["exposure"]
    return [0, *(np.flatnonzero(exposure[1:] != exposure[:-1]) + 1).tolist()]


def coadd_table(model: CubeModel, count: int | None = None) -> np.ndarray:
    """Return which integrations each one was made of: itself, where nothing was combined."""
    count = model.shape[0] if count is None else count
    known = array_of(model, "coadded")
    if known is not None and len(known) == count:
        return np.asarray(known)
    names = ("integration", "first", "last", "count")
    table = np.ones(count, [(name, "i4") for name in names])
    for name in names[:3]:
        table[name] = np.arange(count) + 1
    return table


def _tables(model: CubeModel, count: int | None = None) -> dict[str, np.ndarray]:
    """Return the tables that have a row for each integration."""
    count = model.shape[0] if count is None else count
    names = [n for n, what in EXTENSION["properties"].items() if "datatype" in what]
    found = ((name, array_of(extend(model), name)) for name in (*names, "int_times"))
    return {
        name: np.asarray(t)
        for name, t in found
        if t is not None and t.dtype.names and len(t) == count
    }


def _combined(table: np.ndarray, blocks: Sequence[slice]) -> np.ndarray:
    result = np.zeros(len(blocks), table.dtype)
    for row, block in zip(result, blocks, strict=True):
        part = table[block]
        if "good" in table.dtype.names and part["good"].any():
            part = part[part["good"] > 0]
        for name in table.dtype.names:
            row[name] = _RULES[name](part[name])
    for name in table.dtype.names:
        if name.startswith("int_mid_"):
            result[name] = 0.5 * (
                result[name.replace("mid", "start")] + result[name.replace("mid", "end")]
            )
    return result


def _renumbered(table: np.ndarray) -> np.ndarray:
    """Return a table with its rows numbered, unless they name the exposure they are from."""
    table = table.copy()
    for name in {"integration", "integration_number"} & set(table.dtype.names):
        if "exposure" not in table.dtype.names:
            table[name] = np.arange(len(table)) + 1
    return table


def _count(model: CubeModel) -> None:
    meta = model.meta.exposure
    meta.nints = int(model.shape[0])
    meta.integration_start, meta.integration_end = 1, meta.nints


def _first(values: np.ndarray) -> Any:
    return values[0]


def _last(values: np.ndarray) -> Any:
    return values[-1]


def _of_mean(sigma: np.ndarray) -> float:
    return float(np.sqrt(np.sum(np.square(sigma))) / len(sigma))


_RULES: dict[str, Any] = {
    **dict.fromkeys(("exposure", "integration", "integration_number", "first", "role"), _first),
    **dict.fromkeys(("x", "y", "dx", "dy", "scale", "residual", "level"), np.mean),
    **dict.fromkeys(("x_east", "x_north", "y_east", "y_north"), np.mean),
    **dict.fromkeys(("sigma", "sigma_x", "sigma_y"), _of_mean),
    **{f"int_{at}_{frame}": rule
       for frame in ("MJD_UTC", "BJD_TDB")
       for at, rule in (("start", np.min), ("mid", np.mean), ("end", np.max))},
    "last": _last,
    "count": np.sum,
    "good": np.max,
    "converged": np.min,
}  # fmt: skip
"""How each column is combined."""
