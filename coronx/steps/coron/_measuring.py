"""What the steps share that measure what is left beside the star: its subtraction, PSF and flux."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel, QuadModel

from coronx.errors import InputError, name_of
from coronx.models.association import read_association
from coronx.models.pointing import find_star, mask_place
from coronx.models.reduction import Reduction, open_references
from coronx.models.tables import Column, write_table
from coronx.ops.stamp import OffAxisPsf
from coronx.refdata.modes import CoronagraphMode
from coronx.refdata.off_axis_psf import off_axis_psf
from coronx.refdata.psf_data import named_folder
from coronx.refdata.star_flux import StarFlux, star_flux
from coronx.steps.coron._base import CoronStep

__all__ = ["MEASURING", "PLACING", "MeasuringStep", "mask_or_star"]

log = logging.getLogger(__name__)

# Of the steps that say where a companion is.
PLACING = """
    star_sigma = float(default=None,min=0.0)  # 1-sigma error of the star's place in mas along an axis, added to the errors of place; by default as recorded
"""  # noqa: E501

# What has to be told: also what the pipeline takes for all steps that measure.
MEASURING = """
    psf_file = string(default=None)  # FITS file with a companion's PSF
    unocculted = string(default=None)  # Exposure of a star beside the mask: the PSF, and the star's flux if not given otherwise
    data_path = string(default=None)  # stpsf's data folder, to simulate the PSF; STPSF_PATH if none of the three is given
    opd = string(default=None)  # Simulated PSF: the telescope's wavefront, a file, a folder to choose from by date, or "none"
    fov_pixels = integer(default=65,min=5)  # Pixels along a side of the PSF, odd
    psf_fraction = float(default=None,min=0.0,max=1.0)  # Share of the light in the PSF of a file or an exposure; all by default
    star_jy = float(default=None)  # The star's flux density in the filter, in Jy
    star_jy_sigma = float(default=None)  # Its 1-sigma error
    star_mag = float(default=None)  # Or its magnitude in star_band, with spectral_type
    star_mag_sigma = float(default=0.0)  # Its 1-sigma error
    star_band = string(default=None)  # J, H, Ks, W1, W2, W3 or W4
    spectral_type = string(default=None)  # The star's spectral type, such as M1V
    acquisition = string(default=None)  # Or an exposure of target acquisition
    attenuation = float(default=None)  # What its neutral density lets through, such as 1e-3
"""  # noqa: E501


class MeasuringStep(CoronStep):
    """Base of the steps that ask a subtraction what it does to a companion's light.

    What was done to the star is read from the products; only the companion's PSF and the star's
    flux have to be told.
    """

    spec = MEASURING
    beside: tuple[str, Sequence[Column]] | None = None  # the product's table saved as ECSV, too

    def open_reduction(self, subtracted: Any, references: Any = None) -> Reduction:
        """Return a star's subtraction.

        Parameters
        ----------
        subtracted : str, Path, CubeModel, list, ModelContainer or Reduction
            An association of subtracted exposures (science) and the references aligned to each
            (psf), as the pipeline writes it; or one ``_psfsub`` exposure, or several. A reduction
            is returned as it is.
        references : str, Path, PsfAlignModel, CubeModel, or list of them, optional
            Without an association, the references aligned to each.

        Raises
        ------
        InputError
            If they do not belong together, or were not made by coronx_klip.
        """
        if isinstance(subtracted, Reduction):
            return subtracted
        if isinstance(subtracted, str | Path):
            path = self.input_path(subtracted)
            if path.suffix == ".json":
                association = read_association(path)
                self.set_primary_input(association.product, exclusive=False)
                subtracted, references = association.of("science"), association.of("psf")
        models = [self.open_cube(item) for item in _several(subtracted)]
        if isinstance(subtracted, list | tuple | ModelContainer) and models:
            self.set_primary_input(models[0], exclusive=False)  # a list has no name
        stacks = [self._open_stack(item) for item in _several(references)]
        return Reduction.of(models, stacks)

    def save_model(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Save the product, and its table beside it as ECSV."""
        saved = super().save_model(model, *args, **kwargs)
        for path in saved if isinstance(saved, list) else [saved]:
            if path is not None and self.beside is not None:
                name, columns = self.beside
                write_table(Path(path).with_suffix(".ecsv"), getattr(model, name), columns)
        return saved

    def psfs(self, reduction: Reduction) -> list[OffAxisPsf]:
        """Return the PSF of a source beside the mask in each exposure.

        Raises
        ------
        InputError
            If none is given, or it cannot be used.
        """
        first = reduction.models[0]
        return [
            self.psf_of(first, reduction.mode, place, model.shape[-2:])
            for model, place in zip(reduction.models, reduction.mask_places, strict=True)
        ]

    def psf_of(
        self,
        model: CubeModel,
        mode: CoronagraphMode,
        mask_place: tuple[float, float],
        shape: tuple[int, int],
    ) -> OffAxisPsf:
        """Return the PSF of a source beside the mask in frames of a shape (ny, nx).

        Parameters
        ----------
        model : CubeModel
            An exposure, for its filter and date.
        mode : CoronagraphMode
            The coronagraph.
        mask_place : tuple of float
            0-based (x, y) of the mask's centre in the frames.
        shape : tuple of int
            (ny, nx).
        """
        return off_axis_psf(
            mode,
            str(model.meta.instrument.filter),
            mask_place=mask_place,
            shape=shape,
            psf_file=self._path(self.psf_file),
            unocculted=self._path(self.unocculted),
            data_path=self.data_path,
            spectral_type=self.spectral_type,
            opd=self.opd,
            date=model.meta.observation.date_beg or model.meta.observation.date,
            fov_pixels=self.fov_pixels,
            psf_fraction=1.0 if self.psf_fraction is None else self.psf_fraction,
        )

    def own_psfs(self, models: Sequence[CubeModel], mode: CoronagraphMode) -> list[OffAxisPsf]:
        """Return the PSF in each exposure's own frame, made once where the mask is at one place."""
        made: dict[tuple[float, ...], OffAxisPsf] = {}
        psfs = []
        for model in models:
            place, shape = mask_or_star(model), model.shape[-2:]
            key = (*place, *shape)
            if key not in made:
                made[key] = self.psf_of(model, mode, place, shape)
            psfs.append(made[key])
        return psfs

    def star(self, reduction: Reduction, psfs: Sequence[OffAxisPsf]) -> StarFlux:
        """Return the star's flux.

        Raises
        ------
        InputError
            If it is not given, or cannot be had in the way it is.
        """
        return self.star_of(reduction.mode, reduction.filter, psfs[0], reduction.mask_places[0])

    def star_of(
        self,
        mode: CoronagraphMode,
        filter_name: str,
        psf: OffAxisPsf,
        mask_place: tuple[float, float],
    ) -> StarFlux:
        """Return the star's flux, with a PSF and the mask's place in its frames."""
        whole = self.star_jy is not None or self.star_mag is not None
        told = whole or self.acquisition
        if whole and self.psf_fraction is None and (self.psf_file or self.unocculted):
            log.warning(
                "The star's flux is given, that of companions is by a PSF of %s, which is taken to "
                "hold all of their light: contrasts are too low by what it lacks, some 7 %% of it "
                "beyond 65 pixels in F356W; give psf_fraction, or 1 if nothing",
                self.psf_file or self.unocculted,
            )
        return star_flux(
            mode,
            filter_name,
            star_jy=self.star_jy,
            star_jy_sigma=self.star_jy_sigma,
            star_mag=self.star_mag,
            star_mag_sigma=self.star_mag_sigma,
            star_band=self.star_band,
            spectral_type=self.spectral_type,
            unocculted=None if told else self._path(self.unocculted),
            acquisition=self._path(self.acquisition),
            attenuation=self.attenuation,
            psf=psf,
            mask_place=mask_place,
        )

    def star_error(self, reduction: Reduction) -> float:
        """Return the error of the star's place along an axis in arcsec; option of `PLACING`.

        Zero, with a warning, where it is neither told nor recorded.
        """
        if self.star_sigma is not None:
            return 1e-3 * self.star_sigma
        error = reduction.star_error_arcsec()
        if np.isfinite(error):
            return error
        log.warning(
            "%s: how well the star's place is known is not recorded (STARERRX, STARERRY), and is "
            "not in the errors of companions' places; give star_sigma, in mas",
            name_of(reduction.models[0]),
        )
        return 0.0

    def knows_psf(self) -> bool:
        """Return whether any PSF is given, or can be simulated."""
        ways = (self.psf_file, self.unocculted, self.data_path)
        return any(way is not None for way in ways) or named_folder() is not None

    def knows_star(self) -> bool:
        """Return whether any way to the star's flux is given."""
        ways = (self.star_jy, self.star_mag, self.acquisition, self.unocculted)
        return any(way is not None for way in ways)

    def _path(self, name: str | None) -> Path | None:
        return None if not name else self.input_path(name)

    def _open_stack(self, init: Any) -> CubeModel | QuadModel:
        if isinstance(init, QuadModel | CubeModel):
            return init
        if isinstance(init, str | Path):
            return open_references(self.input_path(init))
        raise InputError(
            f"{name_of(init)}: no aligned references; give a _psfalign product with each _psfsub"
        )


def mask_or_star(model: CubeModel) -> tuple[float, float]:
    """Return where the mask's centre is in an exposure, 0-based (x, y); the star's if not known."""
    star = find_star(model)
    return mask_place(model) or (star.x, star.y)


def _several(init: Any) -> list[Any]:
    if init is None:
        return []
    return list(init) if isinstance(init, list | tuple | ModelContainer) else [init]
