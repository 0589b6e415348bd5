"""The 4-D product of reference images aligned to every science integration."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from asdf.schema import load_schema
from astropy.io import fits
from numpy.typing import NDArray
from stdatamodels import fits_support
from stdatamodels.jwst.datamodels import QuadModel
from stdatamodels.properties import ObjectNode

from coronx.models.flags import OUTSIDE
from coronx.models.schema import EXTENSION, shifts_of
from coronx.ops.fourier import apply_ramp, forward
from coronx.ops.shift import shift_flags, shift_variance

__all__ = ["PsfAlignModel"]

_HDUS = {"data": "SCI", "err": "ERR", "dq": "DQ"}
# Variance and flags follow shifts of a tenth of a pixel or more: flags spread to what they
# overlap by a tenth, and a variance changes little over less.
_COARSE = 0.1
_FITS_BLOCK = 2880  # bytes, to which every part of a FITS file is padded
_LARGE = 2**24  # bytes of one integration's planes from which they are written through


class PsfAlignModel(QuadModel):
    """References aligned to every integration, formed plane by plane when they are asked for.

    Plane [n, m] is the m-th reference moved to the n-th science integration. The shift that
    moved it to the first integration and the one between the integrations add up in the phases
    of one Fourier transform, so only the references aligned to the first integration are held.
    The whole array, as large as both counts multiplied, stands in memory only when `data`,
    `err` or `dq` is read; `save` writes it an integration at a time.

    A saved file is an ordinary QuadModel for the host.

    Parameters
    ----------
    init : str, HDUList, QuadModel or None
        What the host's class opens.
    **kwargs
        Passed on to the host's class.

    Attributes
    ----------
    reference_shifts, integration_shifts : numpy table
        See `coronx.models.schema.shift_table`: the (dx, dy) that moved each reference to the
        first integration, and that lead from the first integration to each.
    """

    def __init__(self, init: Any = None, **kwargs: Any) -> None:
        self._common: dict[str, NDArray[Any]] = {}
        kwargs.setdefault(
            "schema", {"allOf": [load_schema(self.schema_url, resolve_references=True), EXTENSION]}
        )
        super().__init__(init, **kwargs)
        if isinstance(init, PsfAlignModel):
            self._common = init._common

    @classmethod
    def from_common(
        cls, data: NDArray[np.float32], err: NDArray[np.float32], dq: NDArray[np.uint32]
    ) -> Self:
        """Return a model of the references aligned to the first integration, each (nref, ny, nx).

        `data` and `err` must be finite; `dq` says where they mean nothing, and what stands there
        is overwritten. The table `integration_shifts` has to be set before anything else is
        done with the model.
        """
        model = cls()
        model._common = _blank({"data": data, "err": err, "dq": dq})
        return model

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a file, reading only the first integration's planes if it tells the shifts."""
        with fits.open(path, memmap=False) as hdulist:
            if "SCISHIFT" not in hdulist:
                return cls(str(path))
            small = fits.HDUList(
                [_without_data(h) if h.name in _HDUS.values() else h.copy() for h in hdulist]
            )
            planes = {name: np.array(hdulist[hdu].section[0]) for name, hdu in _HDUS.items()}
        model = cls(small)
        model.meta.filename = Path(path).name
        for name, kind in (("data", np.float32), ("err", np.float32), ("dq", np.uint32)):
            planes[name] = planes[name].astype(kind)  # native byte order
        model._common = _blank(planes)
        return model

    @property
    def _model_type(self) -> str:
        return "QuadModel"

    @property
    def common(self) -> dict[str, NDArray[Any]] | None:
        """The `data`, `err` and `dq` aligned to the first integration, or None if not held so."""
        return self._common or None

    @property
    def shifts(self) -> NDArray[np.float64]:
        """(dx, dy) in pixels from the first integration to each, (nint, 2)."""
        return shifts_of(self.integration_shifts)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape (nint, nref, ny, nx), known without forming the planes."""
        if self._common:
            return (len(self.integration_shifts), *self._common["data"].shape)
        return super().shape

    @property
    def data(self) -> NDArray[np.float32] | None:
        """Aligned references; NaN where one has nothing."""
        return self._whole("data")

    @property
    def err(self) -> NDArray[np.float32] | None:
        """1-sigma errors, moved as variances."""
        return self._whole("err")

    @property
    def dq(self) -> NDArray[np.uint32] | None:
        """Data quality, moved with the images."""
        return self._whole("dq")

    def plane(self, name: str, integration: int, reference: int) -> NDArray[Any]:
        """Return one (ny, nx) plane of `data`, `err` or `dq`."""
        return self._plane(name, self.shifts[integration], reference)

    def _plane(self, name: str, shift: NDArray[np.float64], reference: int) -> NDArray[Any]:
        flags = self._common["dq"][reference]
        coarse = _is_coarse(shift)
        if coarse:
            flags = shift_flags(flags, shift, outside=OUTSIDE)
        if name == "dq":
            return flags
        values = self._common[name][reference]
        if name == "data" and shift.any():
            # Single precision, as the product's: its rounding is far below the noise.
            values = apply_ramp(forward(values), shift, values.shape)
        elif name == "err" and coarse:
            values = np.sqrt(shift_variance(values**2, shift))
        gone = (flags & OUTSIDE) == OUTSIDE
        return np.where(gone, np.float32(np.nan), values) if gone.any() else values

    def copy(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a deep copy; the planes held are shared, since nothing changes them."""
        result = super().copy(memo)
        result._common = self._common
        return result

    __copy__ = __deepcopy__ = copy

    def to_fits(self, init: str, *args: Any, **kwargs: Any) -> None:
        """Write a FITS file, the planes of one integration at a time."""
        if not self._common:
            super().to_fits(init, *args, **kwargs)
            return
        self.on_save(init)
        hdulist = fits_support.to_fits(self._instance, self._schema)
        hdulist[0].writeto(init, overwrite=True)
        for name, hdu in _HDUS.items():
            self._append(init, name, hdulist[hdu].header if hdu in hdulist else fits.Header())
        with fits.open(init, mode="append") as out:
            for hdu in hdulist[1:]:
                if hdu.name not in _HDUS.values():
                    out.append(hdu)

    def to_asdf(self, init: str, *args: Any, **kwargs: Any) -> None:
        """Write an ASDF file; the whole array is formed for it."""
        if not self._common:
            super().to_asdf(init, *args, **kwargs)
            return
        whole = QuadModel(data=self.data, err=self.err, dq=self.dq)
        whole.extend_schema(EXTENSION)
        whole.update(self)
        whole.reference_shifts = self.reference_shifts
        whole.integration_shifts = self.integration_shifts
        whole.to_asdf(init, *args, **kwargs)

    def _whole(self, name: str) -> NDArray[Any] | None:
        if not self._common:
            return ObjectNode.__getattr__(self, name)
        shape = self.shape
        whole = np.empty(shape, self._common[name].dtype)
        for n, shift in enumerate(self.shifts):
            for m in range(shape[1]):
                whole[n, m] = self._plane(name, shift, m)
        return whole

    def _blocks(self, name: str) -> Iterator[NDArray[Any]]:
        """Yield the planes of each integration, in the byte order and integers of FITS."""
        kind = ">i4" if name == "dq" else ">f4"
        block = np.empty(self.shape[1:], kind)  # one for all: fresh memory costs more than planes
        done: bool = False  # the block holds what is the same for all small shifts
        for shift in self.shifts:
            fixed = name != "data" and not _is_coarse(shift)
            if not (fixed and done):
                for m, out in enumerate(block):
                    values = self._plane(name, shift, m)
                    # FITS keeps unsigned integers as signed ones with an offset.
                    out[:] = (values ^ np.uint32(2**31)).view(np.int32) if name == "dq" else values
                done = fixed
            yield block

    def _append(self, path: str, name: str, header: fits.Header) -> None:
        """Append an array to a FITS file, the planes of one integration at a time."""
        shape = self.shape
        flags = name == "dq"
        full = fits.ImageHDU(header=header, name=_HDUS[name]).header
        full["BITPIX"] = 32 if flags else -32
        full["NAXIS"] = 4
        for axis, size in enumerate(shape[::-1], start=1):
            full.set(f"NAXIS{axis}", size, after=f"NAXIS{axis - 1}" if axis > 1 else "NAXIS")
        if flags:
            full["BSCALE"] = 1
            full["BZERO"] = 2**31
        with Path(path).open("ab", buffering=0) as file:
            file.write(full.tostring().encode("ascii"))
            for block in self._blocks(name):
                file.write(block)
                if block.nbytes > _LARGE:
                    _settle(file.fileno())
            file.write(bytes(-file.tell() % _FITS_BLOCK))


def _settle(file: int) -> None:
    """Have what was written on the disk, and out of the memory that caches files.

    A product of gigabytes would otherwise push everything else out of it, and wait for the
    system to find it as much memory.
    """
    os.fsync(file)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def _is_coarse(shift: NDArray[np.float64]) -> bool:
    return bool(np.abs(shift).max() >= _COARSE)


def _blank(planes: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Overwrite pixels that hold nothing by what a file, where they are NaN, cannot tell otherwise.

    A move spreads what stands there over its neighbours: the same must come of a model made
    here and of its file.
    """
    for data, err, flags in zip(planes["data"], planes["err"], planes["dq"], strict=True):
        gone = (flags & OUTSIDE) == OUTSIDE
        if gone.any():
            data[gone] = 0.0
            known = err[~gone]
            err[gone] = known.mean(dtype=np.float64) if known.size else 0.0
    return planes


def _without_data(hdu: fits.ImageHDU) -> fits.ImageHDU:
    header = hdu.header.copy()
    for key in ("BSCALE", "BZERO"):
        header.remove(key, ignore_missing=True)
    return fits.ImageHDU(
        header=fits.Header(c for c in header.cards if not c.keyword.startswith("NAXIS")),
        name=hdu.name,
    )
