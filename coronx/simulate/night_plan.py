"""What is observed in a CCD night, and what goes wrong in it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import numpy as np

__all__ = ["BANDS", "FAULTS", "SET_TEMPERATURE", "Band", "Night", "PlannedFrame", "plan_night"]

_START = datetime(2021, 7, 9, 2, 0, tzinfo=UTC)  # the evening in New Mexico
SET_TEMPERATURE = -20.0
_READ_OUT = 12.0  # seconds between the end of an exposure and the next one
FAULTS = ("defocused", "clouded", "satellite", "trailed")


@dataclass(frozen=True)
class Band:
    """A filter, as this telescope sees through it.

    Attributes
    ----------
    throughput : float
        Electrons from a white star over those in R.
    line : float
        Share of the H-alpha line that passes.
    color : float
        Magnitudes that a star fades by for each magnitude that it is redder than white.
    sky : float
        Electrons/s/pixel of the empty sky.
    fwhm : float
        Seeing in pixels.
    exposure, flat_exposure : float
        Seconds of a light and of a flat.
    """

    throughput: float
    line: float
    color: float
    sky: float
    fwhm: float
    exposure: float
    flat_exposure: float


BANDS = MappingProxyType(
    {
        "R": Band(1.0, 0.9, 0.0, 3.0, 3.0, 120.0, 3.0),
        "G": Band(0.9, 0.0, 0.5, 2.5, 3.1, 120.0, 4.0),
        "B": Band(0.6, 0.0, 1.2, 2.0, 3.3, 120.0, 6.0),
        "Ha": Band(0.10, 1.0, 0.0, 0.4, 2.9, 300.0, 20.0),
        "Cont": Band(0.13, 0.0, 0.0, 0.5, 3.5, 300.0, 15.0),
    }
)


@dataclass(frozen=True)
class Night:
    """A night with one camera: calibration frames, and dithered lights of one field.

    Attributes
    ----------
    size : int
        Pixels along each side of a frame, overscan not counted.
    biases, darks : int
        Bias frames, and dark frames of `dark_exposure` seconds.
    flats, lights : int
        Frames in each filter.
    filters : tuple of str
        Keys of `BANDS`.
    dark_exposure : float
        Seconds of a dark.
    stars : int
        Stars in the field and just beside it.
    dither : float
        Lights are displaced by up to this many pixels along each axis.
    ra_deg, dec_deg : float
        The field.
    scale_arcsec : float
        Size of a pixel.
    rotation_deg : float
        Position angle of the frames' upper edge, east of north.
    aberration : float
        Share by which images of stars are longer in the corners, away from the middle.
    gain, read_noise : float
        Electrons an ADU; electrons.
    bias_level : float
        ADU of a frame without charge.
    cosmic_rays : float
        Cosmic rays in an hour.
    hot_pixels, dead_pixels : int
        How many pixels have too much dark current, and how many too little response.
    overscan : int
        Columns of overscan on the right; the bias level then drifts from frame to frame.
    pedestal : int
        ADU that the camera's program adds, and says so in ``PEDESTAL``.
    binning : int
        What ``XBINNING`` and file names say; `size` and `scale_arcsec` are those of the frames.
    write_wcs : bool
        Lights have the true WCS in their headers, as after astrometry.
    defocused, clouded, satellite, trailed : tuple of (str, int)
        Lights that went wrong: filter, and number counted from 1.
    seed : int
        Seed of every random choice.
    """

    size: int = 512
    biases: int = 9
    darks: int = 7
    flats: int = 5
    lights: int = 4
    filters: tuple[str, ...] = tuple(BANDS)
    dark_exposure: float = 300.0
    stars: int = 150
    dither: float = 12.0
    ra_deg: float = 311.4
    dec_deg: float = 30.7
    scale_arcsec: float = 1.2
    rotation_deg: float = 3.0
    aberration: float = 0.05
    gain: float = 1.5
    read_noise: float = 9.0
    bias_level: float = 1000.0
    cosmic_rays: float = 300.0
    hot_pixels: int = 400
    dead_pixels: int = 10
    overscan: int = 0
    pedestal: int = 0
    binning: int = 1
    write_wcs: bool = False
    defocused: tuple[tuple[str, int], ...] = (("R", 2),)
    clouded: tuple[tuple[str, int], ...] = (("G", 3),)
    satellite: tuple[tuple[str, int], ...] = (("B", 2),)
    trailed: tuple[tuple[str, int], ...] = ()
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be observed."""
        for name, least in (
            ("size", 64), ("biases", 0), ("darks", 0), ("flats", 0), ("lights", 0), ("stars", 0),
            ("overscan", 0), ("pedestal", 0), ("binning", 1), ("hot_pixels", 0),
            ("dead_pixels", 0), ("cosmic_rays", 0), ("dither", 0), ("aberration", 0),
            ("read_noise", 0),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise ValueError(f"{name} is at least {least}, not {getattr(self, name)}")
        for name in ("dark_exposure", "scale_arcsec", "gain"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is more than 0, not {getattr(self, name)}")
        if self.hot_pixels + self.dead_pixels > self.size**2:
            raise ValueError(f"more bad pixels than pixels: hot_pixels {self.hot_pixels}")
        unknown = [name for name in self.filters if name not in BANDS]
        if unknown:
            raise ValueError(f"filters are of {', '.join(BANDS)}, not {unknown[0]!r}")
        if len(set(self.filters)) < len(self.filters):
            raise ValueError(f"each filter once, not {', '.join(self.filters)}")


@dataclass(frozen=True)
class PlannedFrame:
    """One exposure.

    Attributes
    ----------
    kind : str
        ``bias``, ``dark``, ``flat`` or ``light``.
    number : int
        Counted from 1 among its like.
    filter : str or None
        None for a bias or a dark.
    exposure : float
        Seconds.
    start : datetime.datetime
        UTC.
    temperature : float
        Of the CCD, in degrees Celsius.
    offset : tuple of float
        Where the field's centre is, in pixels (x, y) from the frame's middle.
    fwhm : float
        Of stars in the middle of the frame, along their short axis, in pixels.
    transparency : float
        Of the atmosphere; 1 on a clear night.
    sky : float
        Brightness of the sky over its usual one; for a flat, electrons a pixel.
    faults : tuple of str
        What went wrong, of `FAULTS`.
    """

    kind: str
    number: int
    filter: str | None
    exposure: float
    start: datetime
    temperature: float
    offset: tuple[float, float] = (0.0, 0.0)
    fwhm: float = 0.0
    transparency: float = 1.0
    sky: float = 1.0
    faults: tuple[str, ...] = ()


def plan_night(night: Night, *, rng: np.random.Generator) -> list[PlannedFrame]:
    """Return the frames of a night in the order in which they are taken."""
    clock, frames = _START, []

    def take(kind: str, number: int, name: str | None, exposure: float, **more: object) -> None:
        nonlocal clock
        temperature = SET_TEMPERATURE + round(0.1 * float(rng.normal()), 2)
        frames.append(PlannedFrame(kind, number, name, exposure, clock, temperature, **more))
        clock += timedelta(seconds=exposure + _READ_OUT)

    for name in night.filters:
        for number in range(1, night.flats + 1):
            # The twilight sky fades.
            level = 48000.0 * 0.93 ** (number - 1)
            take("flat", number, name, BANDS[name].flat_exposure, sky=level)
    for number in range(1, night.biases + 1):
        take("bias", number, None, 0.0)
    for number in range(1, night.darks + 1):
        take("dark", number, None, night.dark_exposure)
    # Lights wait for the night, whatever was taken before.
    clock = max(clock, _START + timedelta(hours=3))
    for name in night.filters:
        for number in range(1, night.lights + 1):
            take("light", number, name, BANDS[name].exposure, **_weather(night, name, number, rng))
    return frames


def _weather(night: Night, name: str, number: int, rng: np.random.Generator) -> dict[str, object]:
    faults = tuple(fault for fault in FAULTS if (name, number) in getattr(night, fault))
    clouded, defocused = "clouded" in faults, "defocused" in faults
    return {
        "offset": tuple(rng.uniform(-night.dither, night.dither, size=2).tolist()),
        "fwhm": BANDS[name].fwhm * float(rng.normal(1.0, 0.02)) * (2.2 if defocused else 1.0),
        "transparency": float(rng.normal(1.0, 0.01)) * (0.35 if clouded else 1.0),
        # Clouds send the town's light back.
        "sky": float(rng.normal(1.0, 0.03)) * (2.5 if clouded else 1.0),
        "faults": faults,
    }
