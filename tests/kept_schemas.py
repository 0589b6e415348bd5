"""Keep the schemas of data models, which the host copies and merges anew for each model."""

import copy
from types import SimpleNamespace
from typing import Any

import asdf.schema
import stdatamodels.model_base
import stdatamodels.schema

from coronx.models.schema import EXTENSION

_Schema = dict[str, Any]
_merge = stdatamodels.schema.merge_property_trees
_loaded: dict[str, _Schema] = {}
_lasting: dict[int, _Schema] = {id(EXTENSION): EXTENSION}  # by id, which is theirs as they last
_merged: dict[tuple[int, ...], _Schema] = {}
_copies: dict[int, _Schema] = {}


def _load(url: str, resolve_references: bool = False) -> _Schema:
    if not resolve_references:
        return asdf.schema.load_schema(url)
    if url not in _loaded:
        _loaded[url] = _last(asdf.schema.load_schema(url, resolve_references=True))
    return _loaded[url]


def _last(schema: _Schema) -> _Schema:
    _copies[id(schema)] = copy.deepcopy(schema)
    return _lasting.setdefault(id(schema), schema)


def _merge_once(schema: _Schema) -> _Schema:
    parts = schema["allOf"] if list(schema) == ["allOf"] else [schema]
    key = tuple(id(part) for part in parts)
    if any(number not in _lasting for number in key):
        return _merge(schema)
    if key not in _merged:
        _merged[key] = _last(_merge(schema))
    return _merged[key]


def keep_schemas() -> None:
    """Have all data models of a kind share one schema from now on."""
    stdatamodels.model_base.asdf_schema = SimpleNamespace(load_schema=_load)
    stdatamodels.model_base.mschema = SimpleNamespace(
        **(vars(stdatamodels.schema) | {"merge_property_trees": _merge_once})
    )


def check_schemas() -> None:
    """Check that nothing has changed a schema that others share.

    Raises
    ------
    AssertionError
        If something has.
    """
    changed = [number for number, as_made in _copies.items() if _lasting[number] != as_made]
    assert not changed, [_lasting[number].get("id") for number in changed]
