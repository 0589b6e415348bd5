"""Coadd consecutive integrations."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coronx.ops.median_efficiency import median_efficiency

__all__ = ["Coadded", "coadd", "consecutive"]


@dataclass(frozen=True)
class Coadded:
    """Blocks of integrations, combined; arrays have the shape (blocks, ny, nx).

    Attributes
    ----------
    data, err : ndarray
        Mean or median, and its 1-sigma error; NaN where no sample is good.
    dq : ndarray of uint32
        Flags of the samples that were combined; of all samples, and `unusable`, where none is
        good.
    independent : tuple of ndarray
        Variances of the parts given.
    common : ndarray or None
        Variance of the part that all integrations share.
    """

    data: NDArray[np.float32]
    err: NDArray[np.float32]
    dq: NDArray[np.uint32]
    independent: tuple[NDArray[np.float32], ...]
    common: NDArray[np.float32] | None


def consecutive(count: int, size: int, starts: Sequence[int] = (0,)) -> list[slice]:
    """Return blocks of consecutive integrations; the last of a run may be shorter.

    Parameters
    ----------
    count : int
        Number of integrations.
    size : int
        Length of a block; 0 for all of a run.
    starts : sequence of int
        Where a new run begins, over which no block reaches.

    Returns
    -------
    list of slice
    """
    edges = [*sorted({0, *starts}), count]
    return [
        slice(low, min(low + (size or count), end))
        for start, end in pairwise(edges)
        for low in range(start, end, size or count)
    ]


def coadd(
    data: NDArray[np.floating],
    err: NDArray[np.floating],
    dq: NDArray[np.uint32],
    *,
    blocks: Sequence[slice],
    method: str = "mean",
    bad_bits: int = 1,
    unusable: int = 1,
    independent: Sequence[NDArray[np.floating]] = (),
    common: NDArray[np.floating] | None = None,
) -> Coadded:
    """Combine blocks of integrations, each with the same weight.

    A sample that is flagged or not finite is left out of its pixel; one whose error is not
    finite, too, if another's is.

    Parameters
    ----------
    data, err : ndarray (n, ny, nx)
        Integrations and their 1-sigma errors, in any unit.
    dq : ndarray of uint32 (n, ny, nx)
        Flags.
    blocks : sequence of slice
        Which integrations make each result, see `consecutive`.
    method : {"mean", "median"}
        How.
    bad_bits : int
        Flags of samples to leave out.
    unusable : int
        Flags set where nothing is left.
    independent : sequence of ndarray (n, ny, nx)
        Parts of the variance that are independent from one integration to the next.
    common : ndarray (n, ny, nx), optional
        The part that they share, as that of the flat field, which no number of integrations
        makes smaller.

    Returns
    -------
    Coadded

    Raises
    ------
    ValueError
        If the method is none of these.

    Notes
    -----
    The variance of a median of n normal samples is `median_efficiency` times that of
    their mean; where their errors differ, the harmonic mean of the errors takes their place,
    which is right for many samples (the density at the median is the mean of their densities).
    """
    if method not in ("mean", "median"):
        raise ValueError(f"method {method!r}; mean or median")
    done = [
        _block(
            np.asarray(data[each]),
            np.asarray(err[each]),
            dq[each],
            method == "median",
            bad_bits,
            unusable,
            [np.asarray(part[each]) for part in independent],
            None if common is None else np.asarray(common[each]),
        )
        for each in blocks
    ]
    return Coadded(
        np.stack([one.data for one in done]),
        np.stack([one.err for one in done]),
        np.stack([one.dq for one in done]),
        tuple(np.stack(part) for part in zip(*(one.independent for one in done), strict=True)),
        None
        if common is None
        else np.stack([one.common for one in done if one.common is not None]),
    )


def _block(
    data: NDArray[np.floating],
    err: NDArray[np.floating],
    dq: NDArray[np.uint32],
    median: bool,
    bad_bits: int,
    unusable: int,
    independent: list[NDArray[np.floating]],
    common: NDArray[np.floating] | None,
) -> Coadded:
    good = np.isfinite(data) & ((dq & np.uint32(bad_bits)) == 0)
    known = good & np.isfinite(err)
    good = np.where(known.any(axis=0), known, good)
    count = good.sum(axis=0)
    none = count == 0
    some = np.maximum(count, 1)

    def mean(values: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.where(good, values, 0.0).sum(axis=0, dtype=np.float64) / some

    shared = None if common is None else np.square(mean(np.sqrt(np.nan_to_num(common))))
    own = np.square(err, dtype=np.float64)
    if common is not None:
        own = np.maximum(own - np.nan_to_num(common), 0.0)
    variance = mean(own) / some
    ratio = _median_ratio(own, good, count, variance) if median else np.ones(none.shape)
    total = variance * ratio + (0.0 if shared is None else shared)
    value = _median(data, good, count) if median else mean(data)
    flags = np.bitwise_or.reduce(np.where(good | none, dq, np.uint32(0)), axis=0)
    flags[none] |= np.uint32(unusable)

    def out(values: NDArray[np.floating]) -> NDArray[np.float32]:
        return np.where(none, np.nan, values).astype(np.float32)

    return Coadded(
        out(value),
        out(np.sqrt(total)),
        flags,
        tuple(out(mean(part) / some * ratio) for part in independent),
        None if shared is None else out(shared),
    )


def _median(
    data: NDArray[np.floating], good: NDArray[np.bool_], count: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Return the median of each pixel's good samples; unspecified where there is none."""
    ordered = np.sort(np.where(good, data, np.inf), axis=0)
    low = np.maximum(count - 1, 0)[None] // 2
    high = np.minimum(count // 2, data.shape[0] - 1)[None]
    pair = [np.take_along_axis(ordered, at, axis=0)[0].astype(np.float64) for at in (low, high)]
    pair = [np.where(np.isfinite(half), half, 0.0) for half in pair]
    return 0.5 * (pair[0] + pair[1])


def _median_ratio(
    own: NDArray[np.float64],
    good: NDArray[np.bool_],
    count: NDArray[np.int_],
    variance: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the variance of the median over that of the mean."""
    table = np.array([1.0, 1.0, 1.0, *(median_efficiency(n) for n in range(3, own.shape[0] + 1))])
    with np.errstate(divide="ignore"):
        inverse = np.where(good, 1.0 / np.sqrt(own), 0.0).sum(axis=0)
    some = np.maximum(count, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (some / inverse) ** 2 / some / variance
    # Two samples have no median of their own, and errors of zero tell nothing.
    return table[count] * np.where((count > 2) & np.isfinite(ratio), ratio, 1.0)
