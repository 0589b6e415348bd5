"""The planet-free NACO cube of beta Pictoris, companions put into it, and its ADI subtraction."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from coronx.ops.field_rotation import moved_enough
from coronx.ops.flux_grid import FluxGrid
from coronx.ops.flux_map import FluxMap, flux_map
from coronx.ops.images import Images
from coronx.ops.ring_noise import ring_noise
from coronx.ops.stamp import PsfImage
from coronx.ops.subtracted import Subtracted
from coronx.ops.throughput_profile import throughput_profile
from coronx.ops.zones import annular_zones

__all__ = [
    "APERTURE", "CORE", "FWHM", "GRID", "SCALE", "Naco", "flux_noise", "noise_profile", "open_naco",
]  # fmt: skip

SCALE = 0.0272  # arcsec a pixel
NORTH = -104.84  # degrees, added to the parallactic angles
STAR = (51.1, 51.05)  # 0-based: centre of symmetry of the mean frame
FWHM = 4.53  # pixels, of a Gaussian fitted to the PSF
MODES = 20
CORE = 0.8 * FWHM  # pixels, window of the filter
GRID = FluxGrid(50, SCALE)
_HALF = 11  # pixels: 3 windows
APERTURE = 4.349103  # sum of the PSF as given, of unit flux within an aperture of one FWHM


@dataclass(frozen=True)
class Naco:
    """The cube, (61, 101, 101), its PSF of unit total, and pixels per arcsec of each frame."""

    cube: np.ndarray
    psf: PsfImage
    matrices: np.ndarray

    def with_companion(self, east: float, north: float, flux: float) -> np.ndarray:
        """Return the cube with a companion put into every frame."""
        out = self.cube.copy()
        for frame, matrix in zip(out, self.matrices, strict=True):
            x, y = STAR + matrix @ np.array([east, north])
            self.psf(float(x), float(y)).add_to(frame, flux)
        return out

    def subtracted(self, cube: np.ndarray, *, modes: int = MODES, least: float = 0.5) -> Subtracted:
        """Subtract the star by ADI in rings, references those that turned by `least` FWHM."""
        images = Images(cube, np.ones(cube.shape), np.zeros(cube.shape, bool))
        edges = np.arange(0.0, 61.0, 12.0)[1:]
        zones = annular_zones(cube.shape[1:], STAR, edges=edges, padding=0.0)
        chosen = np.stack(
            [
                [
                    moved_enough(m, self.matrices, zone.radius, least=least * FWHM)
                    for m in self.matrices
                ]
                for zone in zones
            ]
        )
        chosen &= ~np.eye(len(cube), dtype=bool)
        return Subtracted(
            images,
            images,
            star=STAR,
            matrices=self.matrices,
            reference_matrices=self.matrices,
            truncate=modes,
            err=images.err,
            zones=zones,
            chosen=chosen,
        )

    def throughput(
        self,
        part: Subtracted,
        separations: np.ndarray,
        flux: float | np.ndarray = 1.0,
        *,
        core: float | None = CORE,
        angles: int = 8,
    ) -> np.ndarray:
        """Return what the subtraction leaves of a companion at separations in arcsec."""
        half = _HALF if core is not None else self.psf.half
        return throughput_profile(
            [part], [self.psf], separations, flux=flux, half=half, angles=angles, core=core
        )

    def fluxes(
        self,
        part: Subtracted,
        throughput: tuple[np.ndarray, np.ndarray],
        *,
        core: float | None = CORE,
    ) -> FluxMap:
        """Return the map of fluxes, the throughput given at separations."""
        return flux_map(
            [part],
            lambda _: self.psf,
            grid=GRID,
            throughput=lambda r: np.interp(r, *throughput),
            core=core,
        )


def noise_profile(fluxes: FluxMap, separations: np.ndarray) -> np.ndarray:
    """Return the noise of a flux at separations: one sigma of S/N = 1.

    Sample standard deviation of the empty cube's map, corrected for throughput, in rings half
    an FWHM wide.
    """
    fwhm = FWHM * SCALE
    noise = ring_noise(
        fluxes.flux,
        GRID,
        fwhm=fwhm,
        correlation=fluxes.correlation,
        width=0.5 * fwhm,
    )
    near = [np.abs(GRID.separation - r) < 0.5 * SCALE for r in separations]
    return np.array([np.sqrt(np.nanmean(noise.sigma[ring] ** 2)) for ring in near])


def flux_noise(
    naco: Naco, *, core: float | None = CORE, step: float = 0.4
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return throughput, of companions of S/N 5, and noise, each with its separations in arcsec.

    Throughput is measured every `step` FWHM.
    """
    empty = naco.subtracted(naco.cube)
    r = np.arange(0.2, 1.26, 0.05)
    flux: float | np.ndarray = 1.0
    noise = np.ones(r.size)
    for often in (1.0, step):
        at = np.arange(0.15, 1.36, often * FWHM * SCALE)
        throughput = (at, naco.throughput(empty, at, flux, core=core))
        noise = noise_profile(naco.fluxes(empty, throughput, core=core), r)
        at = np.arange(0.15, 1.36, step * FWHM * SCALE)
        flux = 5.0 * np.interp(at, r, noise)
    return throughput, (r, noise)


def open_naco(data: Path) -> Naco:
    """Open the cube in a folder of data."""
    folder = data / "naco_empty"
    cube, psf, angles = (
        fits.getdata(folder / f"naco_betapic_{name}.fits").astype(float)
        for name in ("cube_empty", "psf", "pa")
    )
    turn = np.radians(angles.ravel() + NORTH)
    cos, sin = np.cos(turn), np.sin(turn)
    matrices = np.moveaxis(np.array([[-cos, sin], [sin, cos]]), -1, 0) / SCALE
    return Naco(cube, PsfImage(psf / psf.sum(), (19.0, 19.0)), matrices)
