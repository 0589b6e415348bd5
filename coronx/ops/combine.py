"""Coadd consecutive integrations."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coronx.ops.median_efficiency import median_efficiency

__all__ = ["Coadded", "coadd", "consecutive"]

_FEW = 8  # frames up to which exchanging them whole is the faster way to sort


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


def consecutive(count: int, size: int | None, starts: Sequence[int] = (0,)) -> list[slice]:
    """Return blocks of consecutive integrations; the last of a run may be shorter.

    Parameters
    ----------
    count : int
        Number of integrations.
    size : int or None
        Length of a block; 0 or None for all of a run.
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
            [np.asarray(part[each]) for part in independent],
            None if common is None else np.asarray(common[each]),
            bits=(bad_bits, unusable),
            median=method == "median",
        )
        for each in blocks
    ]
    shared = [one.common for one in done if one.common is not None]
    return Coadded(
        np.stack([one.data for one in done]),
        np.stack([one.err for one in done]),
        np.stack([one.dq for one in done]),
        tuple(np.stack(part) for part in zip(*(one.independent for one in done), strict=True)),
        np.stack(shared) if shared else None,
    )


def _block(
    data: NDArray[np.floating],
    err: NDArray[np.floating],
    dq: NDArray[np.uint32],
    independent: list[NDArray[np.floating]],
    common: NDArray[np.floating] | None,
    *,
    bits: tuple[int, int],
    median: bool,
) -> Coadded:
    """Combine all integrations given."""
    good = np.isfinite(data) & ((dq & np.uint32(bits[0])) == 0)
    known = good & np.isfinite(err)
    samples = _Samples(np.where(known.any(axis=0), known, good))
    own, shared = np.square(err, dtype=np.float32), None
    if common is not None:
        flat = np.nan_to_num(common)
        shared = np.square(samples.mean(np.sqrt(flat)))
        own = np.maximum(own - flat, np.float32(0.0))
    value, variance = samples.mean(data), samples.mean(own) / samples.some
    ratio: NDArray[np.float64] | float = 1.0
    if median and len(data) > 2:  # of two, it is the mean
        value, ratio = samples.median(data), samples.median_ratio(own, variance)
    total = variance * ratio + (0.0 if shared is None else shared)
    return Coadded(
        samples.out(value),
        samples.out(np.sqrt(total)),
        samples.flags(dq, bits[1]),
        tuple(samples.out(samples.mean(part) / samples.some * ratio) for part in independent),
        None if shared is None else samples.out(shared),
    )


class _Samples:
    """Which samples of each pixel are good. Few are bad: those pixels are worked out again."""

    def __init__(self, good: NDArray[np.bool_]) -> None:
        self.good = good
        self.count = good.sum(axis=0)
        self.some = np.maximum(self.count, 1)
        self.none = self.count == 0
        self.at = np.nonzero(self.count < len(good))
        self.rest = good[:, *self.at]

    def mean(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            total = values.sum(axis=0, dtype=np.float64)
        total[self.at] = np.where(self.rest, values[:, *self.at], 0.0).sum(axis=0, dtype=np.float64)
        return total / self.some

    def median(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        n = len(values)
        ordered = _sorted(values)
        with np.errstate(invalid="ignore"):
            result = 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2].astype(np.float64))
        rest = np.sort(np.where(self.rest, values[:, *self.at], np.inf), axis=0)
        count = self.count[self.at]
        column = np.arange(count.size)
        low = rest[np.maximum(count - 1, 0) // 2, column]
        high = rest[np.minimum(count // 2, n - 1), column]
        result[self.at] = np.where(count > 0, 0.5 * low + 0.5 * high, 0.0)
        return result

    def median_ratio(
        self, own: NDArray[np.float32], variance: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the variance of the median over that of the mean."""
        n = len(self.good)
        table = np.array([median_efficiency(k) for k in range(n + 1)])
        with np.errstate(divide="ignore", invalid="ignore"):
            harmonic = 1.0 / self.mean(1.0 / np.sqrt(own))
            ratio = harmonic**2 / self.some / variance
        # The median of two is their mean; errors of zero tell nothing.
        return table[self.count] * np.where((self.count > 2) & np.isfinite(ratio), ratio, 1.0)

    def flags(self, dq: NDArray[np.uint32], unusable: int) -> NDArray[np.uint32]:
        result = np.bitwise_or.reduce(dq, axis=0)
        rest, none = dq[:, *self.at], self.none[self.at]
        result[self.at] = np.bitwise_or.reduce(np.where(self.rest | none, rest, 0), axis=0)
        result[self.none] |= np.uint32(unusable)
        return result

    def out(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        result = values.astype(np.float32)
        result[self.none] = np.nan
        return result


def _sorted(values: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    """Return each pixel's samples in order; a NaN may spoil its pixel.

    Few frames are exchanged as wholes (odd-even transposition), many are sorted by pixel.
    """
    n = len(values)
    if n > _FEW:
        return list(np.sort(values, axis=0))
    frames = list(values)
    with np.errstate(invalid="ignore"):
        for turn in range(n):
            for k in range(turn % 2, n - 1, 2):
                low, high = frames[k : k + 2]
                frames[k : k + 2] = np.minimum(low, high), np.maximum(low, high)
    return frames
