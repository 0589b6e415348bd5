"""What is on the sky, and how it is observed."""

from dataclasses import dataclass, replace
from types import MappingProxyType

from coronx.refdata.glow_stick import is_phase_mask
from coronx.refdata.modes import MODES, CoronagraphMode
from coronx.refdata.nircam_centers import nircam_centers

__all__ = ["SCENES", "Companion", "Disk", "Scene"]


@dataclass(frozen=True)
class Companion:
    """A point source beside the science star.

    Attributes
    ----------
    separation_arcsec : float
        Distance from the star.
    pa_deg : float
        Position angle, east of north.
    contrast : float
        Flux over the star's.
    """

    separation_arcsec: float
    pa_deg: float
    contrast: float

    def __post_init__(self) -> None:
        """Refuse what cannot be on a sky."""
        _positive("a companion's separation_arcsec", self.separation_arcsec)
        _positive("a companion's contrast", self.contrast)


@dataclass(frozen=True)
class Disk:
    """A ring of dust, optically thin, lit by the star.

    Attributes
    ----------
    pa_deg : float
        Position angle of the long axis, east of north.
    contrast : float
        Flux of the whole disk over the star's.
    inclination_deg : float
        0 is face on, 90 edge on.
    radius_arcsec, width_arcsec, height_arcsec : float
        Radius of the ring, and sigma of the dust's density across it in its plane and
        out of it.
    """

    pa_deg: float
    contrast: float
    inclination_deg: float = 89.0
    radius_arcsec: float = 2.0
    width_arcsec: float = 0.7
    height_arcsec: float = 0.06

    def __post_init__(self) -> None:
        """Refuse what cannot be on a sky."""
        for name in ("contrast", "radius_arcsec", "width_arcsec", "height_arcsec"):
            _positive(f"a disk's {name}", getattr(self, name))
        if not 0 <= self.inclination_deg <= 90:
            raise ValueError(
                f"a disk's inclination_deg is between 0 and 90, not {self.inclination_deg}"
            )


@dataclass(frozen=True)
class Scene:
    """A coronagraphic programme: a star at some rolls, and a reference star, dithered.

    Attributes
    ----------
    mode : str
        Name of the coronagraph, a key of `coronx.refdata.modes.MODES`.
    filter : str
        One of the mode's filters.
    star_jy, reference_jy : float
        Flux density of the science and of the reference star.
    companions : tuple of Companion
        Point sources beside the science star.
    disk : Disk or None
        Dust around the science star.
    sky_mjy_sr : float
        Background.
    glow_stick_mjy_sr : float
        Brightness of the stray light along the boundaries of MIRI's phase masks.
    unocculted_arcsec : float
        How far from the mask's centre the science star stands in one more exposure, which shows
        its PSF and its flux; 0 for none.
    backgrounds : int
        Exposures of the empty sky beside the science star, and as many beside the reference.
    read_noise_mjy_sr : float
        Read noise of one integration.
    integration_s : float
        Time of one integration.
    rolls_deg : tuple of float
        V3 roll angles of the science visits; the reference visit has the first.
    integrations : int
        Integrations of each exposure.
    references : int
        Exposures of the reference star: one at the middle, the others on a circle around it.
    dither_mas : float
        Radius of that circle.
    pointing_error_mas : float
        Sigma along each axis of where a visit puts its star behind the mask.
    dither_error_mas : float
        Sigma along each axis of an exposure about its place in the visit.
    jitter_mas : float
        Sigma along each axis of the star about its exposure's place, by integration.
    wavefront_nm : float
        rms of the static wavefront error.
    drift_nm : float
        rms of the wavefront's change from one visit to the next.
    integration_drift_nm : float
        rms of its change from one integration to the next.
    guide_star_error_arcsec : float
        Each visit's WCS is wrong by this much, in a direction of its own.
    bad_pixel_fraction : float
        Share of pixels that are dead or hot, the same in every exposure.
    cosmic_rays, missed_cosmic_rays : int
        Pixels of each integration hit and flagged, and hit and not flagged.
    nan_edge_pixels : int
        Pixels at the array's edge that are NaN though unflagged, as in real data.
    wavelengths : int
        Wavelengths that stand for the band.
    ra_deg, dec_deg : float
        The science star's place.
    seed : int
        Of every random choice. Separate streams feed optics, pointing and noise, so that
        a change of noise leaves the wavefront as it was.
    """

    mode: str
    filter: str
    star_jy: float
    reference_jy: float
    companions: tuple[Companion, ...] = ()
    disk: Disk | None = None
    sky_mjy_sr: float = 0.2
    glow_stick_mjy_sr: float = 0.0
    backgrounds: int = 0
    read_noise_mjy_sr: float = 0.6
    integration_s: float = 100.0
    rolls_deg: tuple[float, ...] = (63.76, 73.76)
    integrations: int = 4
    references: int = 6
    dither_mas: float = 15.0
    pointing_error_mas: float = 6.0
    dither_error_mas: float = 2.0
    jitter_mas: float = 1.0
    wavefront_nm: float = 65.0
    drift_nm: float = 2.0
    integration_drift_nm: float = 0.2
    guide_star_error_arcsec: float = 0.0
    bad_pixel_fraction: float = 0.002
    cosmic_rays: int = 60
    missed_cosmic_rays: int = 6
    nan_edge_pixels: int = 20
    wavelengths: int = 5
    unocculted_arcsec: float = 0.0
    ra_deg: float = 311.2911
    dec_deg: float = -31.3425
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse, by name, what cannot be observed."""
        if self.mode not in MODES:
            raise ValueError(f"no mode {self.mode!r}; there are {', '.join(MODES)}")
        filters = MODES[self.mode].filters
        if self.filter not in filters:
            raise ValueError(
                f"{self.mode} has no filter {self.filter!r}; it goes with {', '.join(filters)}"
            )
        for name in ("star_jy", "reference_jy", "integration_s", "wavefront_nm"):
            _positive(name, getattr(self, name))
        for name in ("integrations", "wavelengths"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
        for name in _NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is not negative, as {getattr(self, name)} is")
        if self.glow_stick_mjy_sr and not is_phase_mask(MODES[self.mode]):
            raise ValueError(f"{self.mode} has no boundaries to glow: no glow_stick_mjy_sr there")
        if not self.bad_pixel_fraction <= 0.5:
            raise ValueError("bad_pixel_fraction is at most 0.5")
        if not self.rolls_deg:
            raise ValueError("at least one roll angle is needed")
        most = self.reach_arcsec - _STAR_ROOM
        if self.unocculted_arcsec > most:
            raise ValueError(
                f"unocculted_arcsec is at most {most:.1f} in {self.mode}, not "
                f"{self.unocculted_arcsec}: the star has to be inside the array"
            )
        for companion in self.companions:
            if companion.separation_arcsec > self.reach_arcsec:
                raise ValueError(
                    f"a companion at {companion.separation_arcsec} arcsec can lie beside the "
                    f"array of {self.mode}: its nearest edge is at {self.reach_arcsec:.1f} arcsec"
                )

    @property
    def reach_arcsec(self) -> float:
        """Distance from the mask's centre to the nearest edge of the array."""
        mode = self.coronagraph
        sides = zip(mode.center, reversed(mode.shape), mode.scale, strict=True)
        return min(min(c, n - 1 - c) * scale for c, n, scale in sides)

    @property
    def filter_shift(self) -> tuple[float, float]:
        """How far the filter displaces the image, mask included, in pixels (x, y)."""
        shift = nircam_centers().filter_shifts.get(self.filter)
        return (0.0, 0.0) if shift is None else (shift.dx, shift.dy)

    @property
    def mask_center(self) -> tuple[float, float]:
        """The mask's centre in the images, 0-based (x, y); headers know nothing of the filter."""
        (x, y), (dx, dy) = self.coronagraph.center, self.filter_shift
        return x + dx, y + dy

    @property
    def coronagraph(self) -> CoronagraphMode:
        """The row of the table of modes."""
        return MODES[self.mode]


_STAR_ROOM = 1.0  # arcsec between an unocculted star and the array's edge
_NOT_NEGATIVE = (
    "references", "backgrounds", "sky_mjy_sr", "glow_stick_mjy_sr",
    "read_noise_mjy_sr", "dither_mas", "pointing_error_mas",
    "dither_error_mas", "jitter_mas", "drift_nm", "integration_drift_nm",
    "guide_star_error_arcsec", "bad_pixel_fraction", "cosmic_rays", "missed_cosmic_rays",
    "nan_edge_pixels", "unocculted_arcsec", "seed",
)  # fmt: skip


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} is positive, not {value}")


_ROUND = Scene(
    mode="nircam-335r",
    filter="F356W",
    star_jy=2.5,
    reference_jy=3.0,
    companions=(Companion(1.2, 40.0, 1.4e-5),),
)

SCENES: MappingProxyType[str, Scene] = MappingProxyType(
    {
        "nircam-round": _ROUND,
        # A disk fills the annuli in which noise is measured, so it is a scene of its own.
        "nircam-disk": replace(_ROUND, companions=(), disk=Disk(pa_deg=128.5, contrast=1e-4)),
        "nircam-bar": Scene(
            mode="nircam-lwb",
            filter="F444W",
            star_jy=8.0,
            reference_jy=10.0,
            # Off the bar, which lies at position angles of about 160 and -20 at these rolls.
            companions=(Companion(1.4, 70.0, 6e-6),),
        ),
        "miri-4qpm": Scene(
            mode="miri-1140",
            filter="F1140C",
            star_jy=0.5,
            reference_jy=0.6,
            companions=(Companion(2.0, 110.0, 1.4e-4),),
            sky_mjy_sr=250.0,
            read_noise_mjy_sr=0.8,
            jitter_mas=1.5,
        ),
    }
)
"""Scenes ready to be simulated, by name."""
