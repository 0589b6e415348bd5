"""Find where in the sky CCD images are."""

import logging
from typing import Any

import numpy as np

from coronx.errors import InputError, name_of
from coronx.models.ground_association import GroundFrames
from coronx.models.ground_image import GroundImageModel, tables_of
from coronx.models.ground_wcs import set_wcs, wcs_of
from coronx.ops.sky_fit import SkyFit, fit_sky
from coronx.refdata.plate_solvers import StarField, choose_solver, solve_field
from coronx.steps.ground._base import GroundStep

__all__ = ["SolveAstrometryStep"]

log = logging.getLogger(__name__)

_FEWEST = 4  # stars: three in a figure of four leave nothing to be wrong about
_PIXEL = 206.265  # arcseconds, of one micrometre behind one millimetre of focal length


class SolveAstrometryStep(GroundStep):
    """Find where in the sky an image is, by its stars, and write its WCS.

    The stars are those of coronx_find_stars, whose table gets their right ascensions and
    declinations. One of three programs does it, none of which comes with coronx.
    """

    class_alias = "coronx_solve_astrometry"
    once = True

    spec = """
        solver = option("any", "package", "solve-field", "web", default="any")  # The package astrometry, the program solve-field, the web service, or the first of them that there is
        index = string(default="")  # Folder of index files; by default that of CORONX_ASTROMETRY_INDEX, or the system's
        ra = float(default=None)  # Right ascension near which the image is, in degrees; by default the header's
        dec = float(default=None)  # Declination near which the image is, in degrees; by default the header's
        radius = float(default=5.0,min=0.01)  # How near, in degrees
        blind = boolean(default=False)  # Look in the whole sky, whatever the header says
        pixel_scale = float(default=None)  # Arcseconds a pixel; by default of the header's WCS, or of its FOCALLEN and XPIXSZ
        scale_factor = float(default=1.3,min=1.001)  # By what factor the pixel scale may be wrong
        max_stars = integer(default=200,min=4)  # Number of brightest stars that are looked up; all are fitted
        max_order = integer(default=3,min=1,max=5)  # Largest order of the distortion (SIP) that is fitted where stars ask for it; 1: none
        timeout = float(default=300.0,min=1.0)  # Seconds that solve-field or the web service may take for an image
        suffix = string(default='wcs')  # Suffix of the product
    """  # noqa: E501

    def process(self, init: Any) -> GroundImageModel | GroundFrames:
        """Solve astrometry.

        Parameters
        ----------
        init : str, Path, GroundImageModel, GroundFrames or list
            An image, an association, or several images, with the table ``stars``.

        Returns
        -------
        GroundImageModel or GroundFrames
            The images with a WCS.

        Raises
        ------
        InputError
            If there is no program to do it, an image has no stars, or is found nowhere.
        """
        return self.each(init, self._solve)

    def check_options(self) -> None:
        """See that there is a program to do it, and that the place makes sense."""
        choose_solver(self.solver, self.index or None)
        if (self.ra is None) != (self.dec is None):
            raise InputError("ra, dec: only one of them is given; give both, or none")
        if self.dec is not None and not -90 <= self.dec <= 90:
            raise InputError(f"dec = {self.dec:g}: not from -90 to 90; give degrees")
        if self.pixel_scale is not None and not self.pixel_scale > 0:
            raise InputError(f"pixel_scale = {self.pixel_scale:g}: not positive; give arcseconds")

    def _solve(self, model: GroundImageModel) -> GroundImageModel:
        stars = tables_of(model).get("stars")
        if stars is None:
            raise InputError(f"{name_of(model)}: no table of stars; run coronx_find_stars first")
        bright = stars[np.argsort(-stars["flux"], kind="stable")][: self.max_stars]
        if len(bright) < _FEWEST:
            raise InputError(
                f"{name_of(model)}: {len(bright)} stars; at least {_FEWEST} are needed: find more "
                "with a lower threshold"
            )
        solver = choose_solver(self.solver, self.index or None)
        field = StarField(
            np.asarray(bright["x"]), np.asarray(bright["y"]), tuple(model.shape),
            self._center(model), self.radius, self._scales(model),
        )  # fmt: skip
        found = solve_field(field, solver, folder=self.index or None, timeout=self.timeout)
        if found is None:
            raise InputError(f"{name_of(model)}: {self._nowhere(field, solver)}")
        fit = SkyFit(found.wcs, 1, 0, float("nan"))
        if found.ra is not None and found.dec is not None:
            try:
                fit = fit_sky(
                    stars["x"] - 1.0, stars["y"] - 1.0, found.ra, found.dec,
                    wcs=found.wcs, shape=tuple(model.shape), max_order=self.max_order,
                )  # fmt: skip
            except ValueError as err:
                log.warning("%s: %s's own WCS is taken: %s", name_of(model), solver, err)
        result = self.copy_of(model)
        set_wcs(result, fit.wcs)
        table = stars.copy()
        table["ra"], table["dec"] = fit.wcs.all_pix2world(stars["x"], stars["y"], 1)
        result.stars = table
        ground = result.meta.ground
        ground.position_error = fit.rms if np.isfinite(fit.rms) else None
        middle = [(n + 1) / 2.0 for n in model.shape[::-1]]
        ra, dec = (float(v) for v in fit.wcs.all_pix2world(*middle, 1))
        log.info(
            "%s: by %s at %.5f %+.5f, %.4f arcsec a pixel, %d stars, rms %.3f arcsec, order %d",
            name_of(model), solver, ra, dec,
            3600 * np.sqrt(np.abs(np.linalg.det(fit.wcs.pixel_scale_matrix))),
            fit.matched, fit.rms, fit.order,
        )  # fmt: skip
        return result

    def _center(self, model: GroundImageModel) -> tuple[float, float] | None:
        if self.blind:
            return None
        if self.ra is not None and self.dec is not None:
            return self.ra, self.dec
        ground = model.meta.ground
        if ground.ra is None or ground.dec is None:
            return None
        return ground.ra, ground.dec

    def _scales(self, model: GroundImageModel) -> tuple[float, float] | None:
        scale = self.pixel_scale
        if scale is None and (wcs := wcs_of(model)) is not None:
            scale = 3600 * float(np.sqrt(np.abs(np.linalg.det(wcs.pixel_scale_matrix))))
        if scale is None:
            cards = (model.instance.get("extra_fits") or {}).get("PRIMARY", {}).get("header", [])
            told = {card[0]: card[1] for card in cards}
            try:
                scale = _PIXEL * float(told["XPIXSZ"]) / float(told["FOCALLEN"])
            except (KeyError, TypeError, ValueError, ZeroDivisionError):
                return None
        if not scale > 0:
            return None
        return scale / self.scale_factor, scale * self.scale_factor

    def _nowhere(self, field: StarField, solver: str) -> str:
        near = "anywhere in the sky"
        if field.center is not None:
            near = (
                f"within {field.radius:g} degrees of {field.center[0]:.3f} {field.center[1]:+.3f}"
            )
        scale = "any pixel scale"
        if field.scale is not None:
            scale = f"pixels of {field.scale[0]:.3g} to {field.scale[1]:.3g} arcsec"
        return (
            f"{solver} finds its {len(field.x)} brightest stars not {near} with {scale}; tell ra, "
            "dec and pixel_scale, set blind, or see that the index files are for fields of this "
            "size"
        )
