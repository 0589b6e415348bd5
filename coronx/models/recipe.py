"""How a star is subtracted: what was asked for, recorded in the product and read from it again."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst.datamodels import CubeModel, JwstDataModel

from coronx.errors import InputError, name_of
from coronx.models.companions import beside
from coronx.models.option_text import parse_companions, parts_of, written
from coronx.models.pointing import StarPlace, pixel_scale
from coronx.models.psf_width import psf_width
from coronx.models.schema import extend
from coronx.ops.field_rotation import moved_enough
from coronx.ops.images import Images
from coronx.ops.reference_selection import best, rank_references
from coronx.ops.zones import Zone, annular_zones, whole_frame

__all__ = ["Plan", "Recipe"]

Mask = NDArray[np.bool_]

# Pixels: two frames of one star nearer than this are taken at one roll.
_SAME = 1e-3


@dataclass(frozen=True)
class Plan:
    """What a recipe comes to for one exposure.

    Attributes
    ----------
    zones : tuple of Zone
        Zones of the frame.
    chosen : ndarray of bool (nzone, nint, nref)
        The references of each integration in each zone.
    kept_out : ndarray of bool (ny, nx) or None
        Pixels that no fit looks at.
    """

    zones: tuple[Zone, ...]
    chosen: Mask
    kept_out: Mask | None


@dataclass(frozen=True)
class Recipe:
    """How a star is subtracted.

    Attributes
    ----------
    strategy : str
        ``rdi``: references of other stars; ``adi``: of the science star at other rolls; ``ardi``:
        both.
    method : str
        ``klip``, ``classical`` or ``nmf``.
    kl_truncate : int
        Number of KL modes, or of components.
    annuli : tuple of float
        Radii in arcsec at which annuli end; none: the frame is one zone.
    sectors : int
        Sectors of each annulus.
    zone_padding : float
        Arcsec by which the fit of a zone is wider than the zone on each side.
    least_rotation : float
        lambda/D by which a companion must have moved in a reference of the same star, at the mean
        radius of the zone, or at 1 arcsec if the zone is the frame.
    nrefs_best : int
        How many references are taken, those most alike to each integration; 0: all.
    rank_by : str
        ``correlation``, ``ssim`` or ``mse``.
    rank_radius : float
        Arcsec from the star within which they are compared.
    companions : tuple of (float, float)
        Separation in arcsec and position angle in degrees of companions kept out of the fits.
    companion_radius : float
        Radius kept out, in lambda/D.
    color_change : float
        Relative change of the mean wavelength that one more reference stands for; 0: there is none.
    """

    strategy: str = "rdi"
    method: str = "klip"
    kl_truncate: int = 50
    annuli: tuple[float, ...] = ()
    sectors: int = 1
    zone_padding: float = 0.0
    least_rotation: float = 1.0
    nrefs_best: int = 0
    rank_by: str = "correlation"
    rank_radius: float = 1.5
    companions: tuple[tuple[float, float], ...] = ()
    companion_radius: float = 1.5
    color_change: float = 0.0

    def record(self, model: JwstDataModel) -> None:
        """Write the recipe into a product's keywords."""
        record = extend(model).meta.coronx
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "annuli":
                value = ",".join(map(written, value))
            elif field.name == "companions":
                value = ",".join(":".join(map(written, place)) for place in value)
            setattr(record, field.name, value)

    @classmethod
    def of(cls, model: JwstDataModel) -> "Recipe":
        """Return the recipe of a product.

        Raises
        ------
        InputError
            If none is recorded there.
        """
        record = getattr(model.meta, "coronx", None)
        if getattr(record, "strategy", None) is None:
            raise InputError(
                f"{name_of(model)}: it does not say how its star was subtracted; give a _psfsub "
                "product of coronx_klip"
            )
        found: dict[str, Any] = {
            field.name: getattr(record, field.name)
            for field in fields(cls)
            if getattr(record, field.name, None) is not None
        }
        found["annuli"] = tuple(float(part) for part in parts_of([found.get("annuli", "")]))
        found["companions"] = parse_companions([found.get("companions", "")])
        return cls(**found)

    def plan(
        self,
        model: CubeModel,
        targets: Images,
        references: Images,
        *,
        star: StarPlace,
        matrix: NDArray[np.float64] | None,
        science: Mask,
        matrices: NDArray[np.float64],
    ) -> Plan:
        """Return zones, references and pixels kept out for an exposure.

        Parameters
        ----------
        model : CubeModel
            The exposure, which errors name.
        targets, references : Images
            (nint, ny, nx) and (nref, ny, nx).
        star : StarPlace
            Where the star is in the references' frame.
        matrix : ndarray (2, 2) or None
            Pixels per arcsec (east, north) in the exposure; None where it is not known.
        science : ndarray of bool (nref,)
            Which references show the same star.
        matrices : ndarray (nref, 2, 2)
            Theirs.

        Raises
        ------
        InputError
            If no reference is left in any zone, or a zone is smaller than a resolution element.
        """
        shape = targets.data.shape[1:]
        scale = pixel_scale(model, star)
        zones = self._zones(model, shape, star, scale)
        if self.strategy == "rdi":
            base = ~science
        else:
            base = science if self.strategy == "adi" else np.ones(science.size, bool)
            if matrix is None:
                raise InputError(f"{name_of(model)}: strategy {self.strategy} needs a WCS (gwcs)")
        chosen = np.repeat(base[None, None], len(zones), axis=0)
        if self.strategy != "rdi" and science.any():
            least = max(self.least_rotation * self._width(model), _SAME)
            for zone, some in zip(zones, chosen, strict=True):
                radius = zone.radius or 1.0 / scale
                some &= moved_enough(matrix, matrices, radius, least=least)
        if not chosen.any():
            raise InputError(self._nothing_left(model, science))
        # Of a zone that is not subtracted the product does not tell what was in it: no other looks.
        empty = [zone.subtract for zone, some in zip(zones, chosen, strict=True) if not some.any()]
        if empty:
            seen = ~np.any(empty, axis=0)
            zones = tuple(replace(zone, fit=zone.fit & seen) for zone in zones)
        chosen = np.repeat(chosen, len(targets.data), axis=1)
        if self.nrefs_best:
            chosen = self._best(model, targets, references, star, scale, chosen)
        return Plan(zones, chosen, self._kept_out(model, shape, star, matrix, science, matrices))

    def _zones(
        self, model: CubeModel, shape: tuple[int, ...], star: StarPlace, scale: float
    ) -> tuple[Zone, ...]:
        if not self.annuli and self.sectors == 1:
            return whole_frame(shape)
        try:
            return annular_zones(
                shape,
                (star.x, star.y),
                edges=[edge / scale for edge in self.annuli],
                sectors=self.sectors,
                padding=self.zone_padding / scale,
                smallest=self._width(model),
            )
        except ValueError as err:
            raise InputError(f"{name_of(model)}: annuli, sectors: {err}") from err

    @staticmethod
    def _width(model: CubeModel) -> float:
        return psf_width(model, remedy="subtract by strategy rdi, without zones and companions")

    def _nothing_left(self, model: CubeModel, science: Mask) -> str:
        if self.strategy == "rdi":
            return (
                f"{name_of(model)}: no reference of another star; add one (exptype psf), or "
                "subtract by strategy adi"
            )
        if not science.any():
            return (
                f"{name_of(model)}: strategy {self.strategy}, but no reference shows the same star;"
                " stack its other rolls too (stack_refs with_science)"
            )
        return (
            f"{name_of(model)}: strategy {self.strategy}, but in no reference has a companion "
            f"moved by {self.least_rotation:g} lambda/D: they are of one roll, or nearly; lower "
            "least_rotation, or subtract by strategy rdi"
        )

    def _best(
        self,
        model: CubeModel,
        targets: Images,
        references: Images,
        star: StarPlace,
        scale: float,
        chosen: Mask,
    ) -> Mask:
        y, x = np.indices(targets.data.shape[1:])
        mask = np.hypot(x - star.x, y - star.y) * scale < self.rank_radius
        if not mask.any():
            raise InputError(
                f"{name_of(model)}: no pixel is within rank_radius = {self.rank_radius:g} arcsec "
                f"of the star at ({star.x:.1f}, {star.y:.1f}); give a larger one, or nrefs_best = 0"
            )
        known = np.where(references.good, references.data, np.nan)
        out = np.empty_like(chosen)
        for n, (data, good) in enumerate(zip(targets.data, targets.good, strict=True)):
            image = np.where(good, data, np.nan)
            scores = rank_references(image, known, mask, measure=self.rank_by)
            for zone in range(len(chosen)):
                out[zone, n] = best(scores, self.nrefs_best, chosen[zone, n])
        return out

    def _kept_out(
        self,
        model: CubeModel,
        shape: tuple[int, ...],
        star: StarPlace,
        matrix: NDArray[np.float64] | None,
        science: Mask,
        matrices: NDArray[np.float64],
    ) -> Mask | None:
        if not self.companions:
            return None
        if matrix is None:
            raise InputError(f"{name_of(model)}: companions are kept out through a WCS (gwcs)")
        radius = self.companion_radius * self._width(model)
        turned = [] if self.strategy == "rdi" else list(np.unique(matrices[science], axis=0))
        return beside(self.companions, shape, (star.x, star.y), [matrix, *turned], radius)
