"""The sky's level and noise over an image, on a mesh of boxes, with the sources left out."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.stats import SigmaClip
from numpy.typing import NDArray
from photutils.background import Background2D, MADStdBackgroundRMS, MedianBackground
from photutils.background import SExtractorBackground as ModeBackground
from photutils.segmentation import detect_sources
from photutils.utils import NoDetectionsWarning, circular_footprint

__all__ = ["ESTIMATORS", "MeshBackground", "measure_background"]

ESTIMATORS: dict[str, Any] = {"median": MedianBackground, "mode": ModeBackground}
"""How a box's level is taken: the median, or SExtractor's mode, 2.5 median - 1.5 mean."""

Image = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MeshBackground:
    """The sky of an image.

    Attributes
    ----------
    level, rms : ndarray (ny, nx), float32
        Level of the sky and standard deviation of a pixel of it; finite everywhere.
    err : ndarray (ny, nx), float32
        1-sigma error of the level in a box: that of a median of so many pixels. All pixels of a
        box share it, and smoothing and interpolation make it rather smaller.
    sources : ndarray of bool (ny, nx)
        Pixels that were left out as sources.
    box : tuple of int
        Height and width of a box.
    """

    level: NDArray[np.float32]
    rms: NDArray[np.float32]
    err: NDArray[np.float32]
    sources: NDArray[np.bool_]
    box: tuple[int, int]


def measure_background(
    image: NDArray[np.floating],
    bad: NDArray[np.bool_],
    *,
    boxes: int = 16,
    smallest_box: int = 48,
    filter_size: int = 3,
    exclude_percent: float = 25.0,
    sigma: float = 3.0,
    estimator: str = "median",
    source_sigma: float = 2.0,
    source_pixels: int = 5,
    source_grow: int = 13,
) -> MeshBackground:
    """Measure the sky in boxes, and interpolate between them.

    Parameters
    ----------
    image : ndarray (ny, nx)
        Image, in any unit.
    bad : ndarray of bool (ny, nx)
        Pixels to leave out; those that are not finite are left out, too.
    boxes : int
        Boxes along each axis; all have the same size, as nearly as it can be.
    smallest_box : int
        Least side of a box in pixels: a small image has fewer boxes, at least one.
    filter_size : int
        Side in boxes, odd, of the median filter that smooths the mesh; 1 for none.
    exclude_percent : float
        A box with more of its pixels left out is not used but filled from its neighbours.
    sigma : float
        Pixels of a box farther from its median are clipped, in standard deviations.
    estimator : {"median", "mode"}
        See `ESTIMATORS`.
    source_sigma, source_pixels : float, int
        A source is so many connected pixels that are so many standard deviations above the sky;
        with 0 pixels none is looked for.
    source_grow : int
        Diameter in pixels of the disc by which sources are grown; 1 for none.

    Returns
    -------
    MeshBackground

    Raises
    ------
    ValueError
        If no box has enough pixels left, or an option makes no sense.

    Notes
    -----
    The mesh is that of `photutils.background.Background2D`. Sources are found above a first map
    made without their mask, and the map is made again without them: on an uneven sky one
    threshold for all of the image would take its bright side for a source.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator {estimator!r}; known are {', '.join(ESTIMATORS)}")
    if filter_size % 2 == 0:
        raise ValueError(f"filter_size {filter_size}; give an odd one")
    if image.shape != bad.shape:
        raise ValueError(f"image of {image.shape} and mask of {bad.shape}")
    values = np.asarray(image, dtype=np.float64)
    unseen = bad | ~np.isfinite(values)
    values = np.where(unseen, 0.0, values)
    # Boxes of equal size: a narrow one at the edge would be left out and extrapolated to.
    counts = [min(boxes, max(n // smallest_box, 1)) for n in values.shape]
    box = (-(-values.shape[0] // counts[0]), -(-values.shape[1] // counts[1]))

    clip: Any = SigmaClip(sigma=sigma, maxiters=10)
    rms_of: Any = MADStdBackgroundRMS

    def mapped(sky: Image, mask: Mask, percent: float, smooth: int) -> Background2D:
        try:
            return Background2D(
                sky,
                box,
                mask=mask,
                exclude_percentile=percent,
                filter_size=smooth,
                sigma_clip=clip,
                bkg_estimator=ESTIMATORS[estimator](sigma_clip=None),
                bkg_rms_estimator=rms_of(sigma_clip=None),
            )
        except ValueError as err:
            raise ValueError(
                f"no box of {box[0]} x {box[1]} pixels has more than {100 - percent:g} % of them "
                "left beside sources, bad and clipped pixels"
            ) from err

    # Crowded boxes must not stop the first map: it is there to find what crowds them.
    first = mapped(values, unseen, 100.0, 1)
    level = np.asarray(first.background, dtype=np.float64)
    sources = np.zeros(values.shape, dtype=np.bool_)
    if source_pixels:
        threshold = level + source_sigma * np.asarray(first.background_rms)
        sources = _sources(values, threshold, source_pixels, source_grow, unseen)
    slope = _plane(np.asarray(first.background_mesh), box, values.shape)
    made = mapped(values - slope, unseen | sources, exclude_percent, filter_size)
    used = np.asarray(made.n_pixels_mesh)
    pixels = np.median(used[used > (1.0 - exclude_percent / 100.0) * box[0] * box[1]])
    rms = np.asarray(made.background_rms, dtype=np.float32)
    return MeshBackground(
        np.asarray(made.background + slope, dtype=np.float32),
        rms,
        np.asarray(rms * np.sqrt(0.5 * np.pi / pixels), dtype=np.float32),
        sources,
        box,
    )


def _sources(values: Image, threshold: Image, pixels: int, grow: int, unseen: Mask) -> Mask:
    """Return the pixels of sources above a threshold, grown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)  # an empty sky is no mistake
        found: Any = detect_sources(values, threshold, pixels, mask=unseen)
    if found is None:
        return np.zeros_like(unseen)
    disc = circular_footprint(grow // 2) if grow > 1 else None
    return np.asarray(found.make_source_mask(footprint=disc), dtype=np.bool_)


def _plane(mesh: Image, box: tuple[int, int], shape: tuple[int, ...]) -> Image:
    """Return the plane with the slopes of a mesh, zero in the corner; sources do not tilt it."""
    slopes = []
    for axis, side in enumerate(box):
        steps = np.diff(mesh, axis=axis)
        slopes.append(float(np.median(steps)) / side if steps.size else 0.0)
    return slopes[0] * np.arange(shape[0])[:, None] + slopes[1] * np.arange(shape[1])
