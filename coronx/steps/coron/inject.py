"""Add light of known brightness to exposures, to see what becomes of it."""

import logging
import zlib
from typing import Any

import numpy as np
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError, name_of
from coronx.models.arrays import array_of, good_samples
from coronx.models.injected import Source, parse_sources, read_sources, record_sources
from coronx.models.members import check_alike, role_of
from coronx.models.pointing import find_star, sky_matrix
from coronx.models.sky_model import in_frame_units, jansky_of_image, read_sky_image
from coronx.models.star_places import star_places
from coronx.ops.injection import image_light, photon_noise, point_light, variance_per_flux
from coronx.ops.sky_image import SkyImage
from coronx.ops.stamp import OffAxisPsf
from coronx.refdata.modes import find_mode
from coronx.refdata.star_flux import sum_of
from coronx.steps.coron._measuring import MEASURING, MeasuringStep, mask_or_star

__all__ = ["InjectStep"]

log = logging.getLogger(__name__)


class InjectStep(MeasuringStep):
    """Add companions, or a model image, to science exposures whose star is not yet subtracted.

    Exposures of reference stars and of the background are passed on as they are. An exposure
    that comes twice gets the light twice.
    """

    class_alias = "coronx_inject"

    spec = (
        """
        companions = force_list(default=list())  # Companions: arcsec, position angle in degrees and brightness, as 1.2:40:1e-5
        table = string(default=None)  # Table (ECSV) of more: separation_arcsec, pa_deg, and contrast or flux_jy
        unit = option("contrast", "Jy", default="contrast")  # Of the companions' brightness: of the star's flux, or Jy
        model = string(default=None)  # Model image (FITS) of a disk, or of anything around the star
        model_scale = float(default=None)  # Its scale in arcsec a pixel, north up and east left; by default its header's
        model_unit = option("contrast", "Jy", "MJy/sr", default="contrast")  # Of its pixels
        noise = boolean(default=False)  # Add the photon noise of what is added
        seed = integer(default=0,min=0)  # Of that noise
        star_center = float_list(min=2,max=2,default=None)  # Star's 0-based x, y; by default as recorded or from the WCS
        suffix = string(default='injected')  # Suffix of the products
    """  # noqa: E501
        + MEASURING
    )

    def check_options(self) -> None:
        """Raise an `InputError` for options that make no sense, whatever the exposures."""
        if not (parse_sources(self.companions) or self.table or self.model):
            raise InputError("nothing to inject; give companions, a table of them, or a model")

    def process(self, init: Any) -> CubeModel | ModelContainer:
        """Add light.

        Parameters
        ----------
        init : str, Path, CubeModel, ModelContainer or list
            An exposure, an association, or several exposures.

        Returns
        -------
        CubeModel or ModelContainer
            Science exposures with the light added, and the table INJECTED; others as they are.

        Raises
        ------
        InputError
            If there is nothing to add or nothing to add it to, a companion is outside of the frame,
            the PSF is not given, or the star's flux is not where a contrast needs it.
        """
        return self.together(init, self._all)

    def _all(self, models: list[CubeModel]) -> list[CubeModel]:
        sources = parse_sources(self.companions)
        if self.table:
            sources += read_sources(self.input_path(self.table), self.unit)
        image = None
        if self.model:
            path = self.input_path(self.model)
            image = read_sky_image(path, unit=self.model_unit, scale=self.model_scale)
        science = [model for model in models if role_of(model) == "science"]
        if not science:
            raise InputError(f"{name_of(models[0])}: no exposure of exptype science; give one")
        check_alike(science)
        first = science[0]
        mode = find_mode(first.meta.instrument.coronagraph)
        if mode is None:
            given = first.meta.instrument.coronagraph
            raise InputError(f"{name_of(first)}: CORONMSK {given!r} is no coronagraph known")
        psfs = self.own_psfs(science, mode)
        relative = (self.unit == "contrast" and len(sources) > 0) or (
            image is not None and self.model_unit == "contrast"
        )
        star_jy = float("nan")
        if relative or self.knows_star():
            filter_name = str(first.meta.instrument.filter)
            star_jy = self.star_of(mode, filter_name, psfs[0], mask_or_star(first)).jansky
        ready = iter(psfs)
        return [
            self._injected(model, next(ready), sources, image, star_jy)
            if role_of(model) == "science"
            else self._left(model)
            for model in models
        ]

    def _left(self, model: CubeModel) -> CubeModel:
        result = self.copy_of(model)
        self.mark(result, "SKIPPED")
        return result

    def _injected(
        self,
        model: CubeModel,
        psf: OffAxisPsf,
        sources: list[Source],
        image: SkyImage | None,
        star_jy: float,
    ) -> CubeModel:
        self._check(model)
        star = find_star(model, self.star_center)
        stars = star_places(model)[0]
        if self.star_center is not None:
            stars = np.tile((star.x, star.y), (model.shape[0], 1))
        matrix, shape = sky_matrix(model, star), model.shape[-2:]
        area = float(model.meta.photometry.pixelarea_steradians or _area(matrix))
        light, flux, places = np.zeros(model.shape), [], []
        for source in sources:
            at = stars + matrix @ source.offset
            _check_inside(model, source, at)
            flux.append(source.brightness * (star_jy if self.unit == "contrast" else 1.0))
            places.append(at.mean(axis=0))
            light += point_light(psf, at, sum_of(flux[-1], area), shape)
        added = list(sources)
        if image is not None:
            scaled = in_frame_units(image, self.model_unit, matrix, area, star_jy)
            matrices = np.broadcast_to(matrix, (len(stars), 2, 2))
            light += image_light(scaled, psf, stars, matrices, shape)
            flux.append(jansky_of_image(image, self.model_unit, star_jy))
            places.append(stars.mean(axis=0))
            added.append(Source(np.nan, np.nan, np.nan, self.input_path(self.model).name))
        result = self.copy_of(model)
        if self.noise:
            light += self._noise(model, result, light)
        result.data = (model.data + light).astype(model.data.dtype)
        record_sources(result, added, np.array(flux), star_jy, np.array(places))
        log.info("%s: %d sources added, the star at (%.2f, %.2f) by %s", name_of(model),
                 len(added), *stars.mean(axis=0), star.source)  # fmt: skip
        return result

    def _noise(self, model: CubeModel, result: CubeModel, light: np.ndarray) -> np.ndarray:
        """Return the photon noise of light, whose variance is added to the result's errors."""
        poisson = array_of(model, "var_poisson")
        known = poisson is not None and poisson.shape == model.shape
        share = np.nan
        if known:
            share = variance_per_flux(model.data, poisson, good_samples(model))
        if not share > 0:
            raise InputError(
                f"{name_of(model)}: its VAR_POISSON does not tell the noise of photons; inject "
                "without noise"
            )
        # A stream of its own for each exposure, whatever others are given with it.
        rng = np.random.default_rng([self.seed, zlib.crc32(name_of(model).encode())])
        noise, variance = photon_noise(light, share, rng)
        result.var_poisson = (poisson + variance).astype(np.float32)
        err = array_of(model, "err")
        if err is not None:
            result.err = np.sqrt(np.square(err, dtype=np.float64) + variance).astype(np.float32)
        return noise

    def _check(self, model: CubeModel) -> None:
        record = getattr(model.meta, "coronx", None)
        if getattr(record, "strategy", None) is not None:
            raise InputError(
                f"{name_of(model)}: its star is subtracted; inject into the exposure before that"
            )
        unit = str(model.meta.bunit_data or "MJy/sr")
        if unit.lower() != "mjy/sr":
            raise InputError(f"{name_of(model)}: in {unit}, not MJy/sr; give a calibrated exposure")
        if self.is_done(model):
            log.warning("%s: light was injected into it before; it gets more", name_of(model))


def _area(matrix: np.ndarray) -> float:
    return float((np.pi / 648000) ** 2 / abs(np.linalg.det(matrix)))


def _check_inside(model: CubeModel, source: Source, places: np.ndarray) -> None:
    ny, nx = model.shape[-2:]
    x, y = places.T
    outside = (x < -0.5) | (x > nx - 0.5) | (y < -0.5) | (y > ny - 0.5)
    if outside.any():
        at = places[np.flatnonzero(outside)[0]]
        raise InputError(
            f"{name_of(model)}: companion {source} is at ({at[0]:.1f}, {at[1]:.1f}), outside of "
            f"the frame of {nx} x {ny}; give another place"
        )
