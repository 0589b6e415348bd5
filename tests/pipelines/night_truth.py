"""A small simulated night, and what is true of it, as the tests ask for it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy.io import fits
from astropy.table import Table

from coronx.simulate import Night, SimulatedNight

NIGHT = Night(
    size=320,
    filters=("R", "G"),
    stars=80,
    hot_pixels=150,
    dead_pixels=6,
    overscan=16,
    pedestal=100,
    satellite=(("G", 1),),
)
DEFOCUSED, CLOUDED = ("R", 2), ("G", 3)


@dataclass(frozen=True)
class KnownNight:
    """A night's files, and its truth in ADU."""

    made: SimulatedNight

    @cached_property
    def hdus(self) -> dict[str, np.ndarray]:
        """Images and tables of the truth."""
        with fits.open(self.made.truth_file) as hdus:
            return {
                hdu.name: np.array(hdu.data) if hdu.is_image else Table(hdu.data).as_array()
                for hdu in hdus[1:]
            }

    @property
    def bias(self) -> np.ndarray:
        """ADU above the overscan."""
        return self.hdus["BIAS"] - NIGHT.bias_level

    @property
    def dark(self) -> np.ndarray:
        """ADU of a dark."""
        return self.hdus["DARKFRAME"]

    def flat(self, name: str) -> np.ndarray:
        """Flat field of median 1."""
        return self.hdus[f"FLAT_{name.upper()}"]

    def is_bad(self, bit: int) -> np.ndarray:
        """Pixels that are hot (1), dead (2) or in a bad column (4)."""
        return (self.hdus["BAD"] & bit) > 0

    def number(self, name: str) -> int:
        """Number of a frame, by the first part of its name."""
        files = [frame["file"] for frame in self.made.truth["frames"]]
        return next(
            n for n, file in enumerate(files) if name.startswith(file.removesuffix(".fits"))
        )

    def frame(self, name: str) -> dict:
        """What is true of a frame."""
        return self.made.truth["frames"][self.number(name)]

    def stars(self, name: str) -> np.ndarray:
        """Stars of a light."""
        rows = self.hdus["FRAMESTARS"]
        return rows[rows["frame"] == self.number(name)]

    def cosmic_rays(self, name: str, least: float = 0.0) -> np.ndarray:
        """Pixels that cosmic rays hit with more than `least` electrons."""
        rows = self.hdus["COSMICRAYS"]
        rows = rows[(rows["frame"] == self.number(name)) & (rows["electrons"] > least)]
        hit = np.zeros((NIGHT.size, NIGHT.size), bool)
        hit[rows["y"], rows["x"]] = True
        return hit
