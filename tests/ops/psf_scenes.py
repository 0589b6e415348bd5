"""Stars seen through noise, and their subtraction with one number of modes."""

from dataclasses import replace

import numpy as np

from coronx.ops.images import Images
from coronx.ops.psf_subtraction import subtract_psf
from coronx.ops.zones import Zone

__all__ = ["BACKGROUND", "NREF", "PEAK", "SIZE", "changed", "first", "observe", "rings", "subtract"]

NREF, SIZE, PEAK, BACKGROUND = 30, 48, 2000.0, 50.0


def observe(rng, mean):
    """Return photon counts with their true errors."""
    return Images(rng.poisson(mean).astype(np.float32), np.sqrt(mean), np.zeros(mean.shape, bool))


def changed(images, **arrays):
    """Return images with some of their arrays replaced."""
    return Images(**{k: arrays.get(k, getattr(images, k)) for k in ("data", "err", "bad")})


def first(images, count):
    """Return the first few images."""
    return Images(images.data[:count], images.err[:count], images.bad[:count])


def rings(size, edges, *, padding=0.0):
    """Return rings about the middle of a frame, the last to the corners, padded for the fit."""
    y, x = np.indices((size, size)) - size // 2
    radius = np.hypot(x, y)
    zones = []
    for inner, outer in zip(edges, [*edges[1:], np.inf], strict=True):
        subtract = (radius >= inner) & (radius < outer)
        fit = (radius >= inner - padding) & (radius < outer + padding)
        zones.append(Zone(fit, subtract, float(radius[subtract].mean())))
    return tuple(zones)


def subtract(targets, references, truncate, **options):
    """Return the subtraction of one number of modes, its arrays (nt, ny, nx)."""
    done = subtract_psf(targets, references, truncate=(truncate,), with_model=True, **options)
    return replace(done, **{k: getattr(done, k)[0] for k in ("residual", "err", "model", "modes")})
