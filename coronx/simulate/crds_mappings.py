"""The text of CRDS mappings: which reference file serves which exposure.

CRDS (the Calibration Reference Data System) walks from a pipeline mapping (.pmap) to one of each
instrument (.imap) to one of each type of reference (.rmap). Each is a Python literal with a
checksum of its own text in it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pprint import pformat

from coronx.refdata.modes import CoronagraphMode, plain_mask_name

__all__ = [
    "instrument_mapping",
    "parameter_mapping",
    "pipeline_mapping",
    "psfmask_mapping",
    "server_config",
]

_ORIGIN = "coronx"
_WHEN = ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME")
_ANY_TIME = "1900-01-01 00:00:00"


def psfmask_mapping(name: str, instrument: str, files: Mapping[str, CoronagraphMode]) -> str:
    """Return the .rmap of the PSFMASK files, chosen by filter, mask and subarray.

    Parameters
    ----------
    name : str
        File name of the mapping.
    instrument : str
        ``NIRCAM`` or ``MIRI``.
    files : mapping
        File name of each mask and the mode it serves: every filter of the mode, and either
        spelling of the mask (``MASKA335R`` in exposures, ``MASK335R`` in reference files).

    Returns
    -------
    str
        The mapping's text.
    """
    keys = ("META.INSTRUMENT.FILTER", "META.INSTRUMENT.CORONAGRAPH", "META.SUBARRAY.NAME")
    cases = []
    for file, mode in files.items():
        spellings = dict.fromkeys((mode.coronmsk, plain_mask_name(mode.coronmsk)))
        cases.append((("|".join(mode.filters), "|".join(spellings), mode.subarray), file))
    return _reference_mapping(name, instrument, "psfmask", ".fits", keys, cases)


def parameter_mapping(name: str, instrument: str, reftype: str, file: str) -> str:
    """Return the .rmap of one parameter file that serves every exposure of the instrument.

    Parameters
    ----------
    name, instrument, reftype, file : str
        File name of the mapping, instrument, ``pars-<…>``, and name of the ASDF file.

    Returns
    -------
    str
        The mapping's text.
    """
    return _reference_mapping(name, instrument, reftype, ".asdf", (), [((), file)])


def instrument_mapping(
    name: str, instrument: str, rmaps: Mapping[str, str], absent: Iterable[str]
) -> str:
    """Return the .imap that names an instrument's .rmap files.

    Parameters
    ----------
    name, instrument : str
        File name of the mapping, and instrument.
    rmaps : mapping
        File name of the .rmap of each type of reference.
    absent : iterable of str
        Types that have no file on purpose. CRDS answers N/A for them; a type that is not named
        at all is an ERROR in the log ("Unknown reference type").

    Returns
    -------
    str
        The mapping's text.
    """
    selector = dict.fromkeys(absent, "N/A") | dict(rmaps)
    header = _header(name, {"instrument": instrument, "parkey": ("REFTYPE",)})
    return _signed(header, _literal(selector))


def pipeline_mapping(name: str, imaps: Mapping[str, str]) -> str:
    """Return the .pmap, the context, that names the .imap of each instrument."""
    header = _header(name, {"parkey": ("META.INSTRUMENT.NAME",)})
    return _signed(header, _literal(dict(imaps)))


def server_config(context: str, mappings: Iterable[str]) -> str:
    """Return what CRDS would have saved of the server's answer: the context to use, above all."""
    info = {
        "observatory": "jwst",
        "origin": _ORIGIN,
        "latest_context": context,
        "operational_context": context,
        "edit_context": context,
        "versions_context": context,
        "force_remote_mode": False,
        "bad_files": "",
        "bad_files_list": [],
        "mappings": sorted(mappings),
        "last_synced": "never: built by coronx",
    }
    return _literal(info) + "\n"


def _reference_mapping(
    name: str,
    instrument: str,
    reftype: str,
    extension: str,
    keys: tuple[str, ...],
    cases: list[tuple[tuple[str, ...], str]],
) -> str:
    header = _header(
        name,
        {
            "file_ext": extension,
            "filekind": reftype,
            "filetype": reftype,
            "instrument": instrument,
            "parkey": (keys, _WHEN),
            "suffix": reftype,
            "text_descr": f"{reftype} of {instrument}",
        },
        level="REFERENCE",
    )
    rows = [
        f"    {key!r} : UseAfter({{\n        {_ANY_TIME!r} : {file!r},\n    }}),\n"
        for key, file in cases
    ]
    return _signed(header, "Match({\n" + "".join(rows) + "})")


def _header(name: str, more: Mapping[str, object], level: str = "") -> dict[str, object]:
    kind = level or {"imap": "INSTRUMENT", "pmap": "PIPELINE"}[name.rpartition(".")[2]]
    return {
        "derived_from": f"made by {_ORIGIN}",
        "mapping": kind,
        "name": name,
        "observatory": "JWST",
        **more,
    }


def _literal(value: object) -> str:
    return pformat(value, width=100, sort_dicts=True)


def _signed(header: Mapping[str, object], selector: str) -> str:
    lines = [f"    {key!r} : {value!r},\n" for key, value in sorted(header.items())]
    tail = f"}}\n\nselector = {selector}\n"
    # CRDS computes the checksum over every line but the one that holds it.
    unsigned = "header = {\n" + "".join(lines) + tail
    checksum = hashlib.sha1(unsigned.encode(), usedforsecurity=False).hexdigest()
    return "header = {\n" + "".join(lines) + f"    'sha1sum' : {checksum!r},\n" + tail
