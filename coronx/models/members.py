"""Open exposures, and refuse those that do not belong together."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from jwst.datamodels import ModelContainer
from stdatamodels.jwst import datamodels
from stdatamodels.jwst.datamodels import CubeModel, JwstDataModel

from coronx.errors import InputError, name_of
from coronx.models.arrays import good_samples
from coronx.models.association import KINDS, Association, read_association
from coronx.refdata.modes import plain_mask_name

__all__ = [
    "Members",
    "check_alike",
    "check_good",
    "open_all",
    "open_cube",
    "open_members",
    "role_of",
]


@dataclass
class Members:
    """The exposures of an association, opened.

    Attributes
    ----------
    asn_id, product, pool, table : str
        Identifier, name of the combined product, pool, and file name of the association.
    models : ModelContainer
        Its exposures, each with its type in ``meta.asn.exptype``.
    note : str
        What of them is not said by the association; empty if nothing.
    """

    asn_id: str
    product: str
    pool: str
    table: str
    models: ModelContainer
    note: str = ""

    def of(self, role: str) -> list[CubeModel]:
        """Return the exposures of a type, see `role_of`."""
        return [model for model in self.models if role_of(model) == role]


def role_of(model: JwstDataModel) -> str:
    """Return what an exposure shows: science, psf, background or psf_background.

    An association says so; without one, the header (IS_PSF, BKGDTARG).
    """
    told = str((model.meta.asn.instance or {}).get("exptype", "")).lower()
    if told in KINDS:
        return told
    psf = bool(model.meta.exposure.psf_reference)
    if model.meta.observation.bkgdtarg:
        return "psf_background" if psf else "background"
    return "psf" if psf else "science"


def open_cube(path: Path) -> CubeModel:
    """Open an exposure of calibrated integrations.

    Parameters
    ----------
    path : Path
        A ``_calints`` (or ``_crfints``) file.

    Returns
    -------
    CubeModel

    Raises
    ------
    InputError
        If the file is missing, cut short, not readable, or not a cube of integrations.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; put it there, or give another name")
    try:
        with warnings.catch_warnings():
            for symptom in ("truncated", "Error validating header"):
                warnings.filterwarnings("error", f"(?s).*{symptom}", AstropyUserWarning)
            # Reads every header; the host would leave a broken file open.
            with path.open("rb") as stream, fits.open(stream) as hdulist:
                len(hdulist)
            model = datamodels.open(str(path))
    except (OSError, ValueError, TypeError, AstropyUserWarning, KeyError) as err:
        reason = str(err).splitlines()[0] if str(err) else type(err).__name__
        raise InputError(f"{path}: cannot be read ({reason}); fetch the file again") from err
    if not isinstance(model, CubeModel) or model.data is None or model.data.ndim != 3:
        kind = f"{type(model).__name__} of shape {model.shape}"
        model.close()
        raise InputError(
            f"{path}: not a cube of integrations but a {kind}; give the _calints product"
        )
    return model


def open_all(association: Association) -> ModelContainer:
    """Open the exposures of an association, and say of each what type it is.

    Raises
    ------
    InputError
        If one cannot be used.
    """
    models = ModelContainer()
    for path, kind in association.members:
        model = open_cube(path)
        model.meta.asn.exptype = kind
        models.append(model)
    models.asn_table = dict(association.table)
    models.asn_table_name = association.path.name
    return models


def open_members(association: Any, *, needed: tuple[str, ...] = ("science", "psf")) -> Members:
    """Open an association's exposures.

    Parameters
    ----------
    association : Path or ModelContainer
        An association file, or its members opened, which are copied.
    needed : tuple of str
        The types of which there must be a member.

    Raises
    ------
    InputError
        If it is neither, or a member cannot be used.
    """
    if isinstance(association, Path):
        asn = read_association(association, needed=needed)
        return Members(asn.asn_id, asn.product, asn.pool, asn.path.name, open_all(asn))
    if not isinstance(association, ModelContainer):
        raise InputError(
            f"{association!r}: not an association; give the path of a coron3 _asn.json file"
        )
    models = ModelContainer()
    for model in association:
        # The host takes what is not told for science; headers know better.
        if role_of(model) in KINDS:
            models.append(model.copy())
    models.asn_table, models.asn_table_name = association.asn_table, association.asn_table_name
    for kind in needed:
        if kind not in {role_of(model) for model in models}:
            raise InputError(f"{association!r}: no member of exptype {kind}; add one")
    table = association.asn_table or {}
    products = table.get("products") or [{}]
    return Members(
        str(table.get("asn_id") or "a3001"),
        str(products[0].get("name") or "coronx"),
        str(table.get("asn_pool") or "none"),
        str(association.asn_table_name or "none"),
        models,
    )


def check_alike(models: Sequence[JwstDataModel]) -> None:
    """Raise unless all models are of one observing mode and one frame size.

    Raises
    ------
    InputError
        Naming the first model that differs, and in what.
    """
    first = models[0]
    for other in models[1:]:
        for what, value in _mode(first).items():
            found = _mode(other)[what]
            if found != value:
                raise InputError(
                    f"{name_of(other)}: {what} is {found}, but {name_of(first)} has {value}; "
                    "take one of them out of the association"
                )


def check_good(model: JwstDataModel) -> None:
    """Raise an `InputError` if an exposure has no good pixel."""
    if not good_samples(model).any():
        raise InputError(
            f"{name_of(model)}: no good pixel in it (all NaN or DO_NOT_USE); take it out"
        )


def _mode(model: JwstDataModel) -> dict[str, object]:
    meta = model.meta
    mask = meta.instrument.coronagraph
    return {
        "the frame (ny, nx)": tuple(int(n) for n in model.shape[-2:]),
        "INSTRUME": meta.instrument.name,
        "DETECTOR": meta.instrument.detector,
        "FILTER": meta.instrument.filter,
        "CORONMSK": plain_mask_name(mask) if mask else mask,
        "SUBARRAY": meta.subarray.name,
    }
