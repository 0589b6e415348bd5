"""What a filter finds of companions put into the frames before the subtraction."""

import numpy as np
import pytest

from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import flux_map
from coronx.ops.images import Images
from coronx.ops.subtracted import Subtracted
from coronx.ops.zones import annular_zones
from tests.ops.subtracted_frames import SCALE, Source, matrix
from tests.point_sources import airy

SIZE, NREF, FWHM, HALF, FLUX = 61, 12, 2.3, 10, 300.0
MIDDLE = SIZE // 2
GRID = FluxGrid(MIDDLE, SCALE)
PLACES = [(5, 4), (-9, 2), (3, -14), (MIDDLE - 4, 0)]  # pixels to the east and north
EDGE = PLACES[-1]  # where a third of the PSF is beyond the frame


PSF = airy((2 * HALF + 1, 2 * HALF + 1), HALF, HALF, FWHM / 1.029)
PSF /= PSF.sum()


def scene():
    """Return two targets of the same speckles as the references, and those."""
    rng = np.random.default_rng(3)
    y, x = np.indices((SIZE, SIZE)) - MIDDLE
    halo = 500.0 * np.exp(-np.hypot(x, y) / 8.0)
    shapes = halo * (1.0 + 0.3 * rng.normal(size=(5, SIZE, SIZE)))
    mix = rng.uniform(0.5, 1.0, (NREF + 2, 5))
    light = np.einsum("nk,kyx->nyx", mix, shapes)
    data = light + rng.normal(size=light.shape)
    images = Images(data, np.ones(data.shape), np.zeros(data.shape, bool))
    return tuple(
        Images(images.data[part], images.err[part], images.bad[part])
        for part in (slice(2), slice(2, None))
    )


def measured(targets, references, core, **options):
    part = Subtracted(
        targets,
        references,
        star=(MIDDLE, MIDDLE),
        matrices=np.array([matrix(0.0)] * 2),
        truncate=8,
        err=targets.err,
        **options,
    )
    return flux_map([part], lambda _: Source(PSF), grid=GRID, core=core)


def inject(targets, east, north):
    data = np.pad(targets.data, ((0, 0), (HALF, HALF), (HALF, HALF)))
    y, x = MIDDLE + north, MIDDLE - east
    data[:, y : y + 2 * HALF + 1, x : x + 2 * HALF + 1] += FLUX * PSF
    inner = slice(HALF, HALF + SIZE)
    return Images(data[:, inner, inner], targets.err, targets.bad)


@pytest.mark.parametrize("core", [None, FWHM, 2.0 * FWHM])
@pytest.mark.parametrize(
    "zones",
    [None, annular_zones((SIZE, SIZE), (MIDDLE, MIDDLE), edges=(6, 14), sectors=2, padding=2)],
)
def test_flux_of_injected_companions_is_theirs_whatever_the_filter(core, zones):
    targets, references = scene()
    before = measured(targets, references, core, zones=zones)
    for east, north in PLACES:
        after = measured(inject(targets, east, north), references, core, zones=zones)
        at = GRID.half + north, GRID.half - east
        # A level fitted to part of the window is another one.
        rel = 1e-6 if core is None or (east, north) != EDGE else 2e-3
        assert after.flux[at] - before.flux[at] == pytest.approx(FLUX, rel=rel)
        assert before.throughput[at] < (0.999 if (east, north) != EDGE else 1.0)


def test_the_share_found_depends_on_the_filter():
    """So that the one above could fail."""
    targets, references = scene()
    whole, core = (measured(targets, references, core) for core in (None, FWHM))
    assert np.nanmax(np.abs(whole.throughput - core.throughput)) > 0.005
