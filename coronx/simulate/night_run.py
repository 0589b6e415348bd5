"""A CCD night: its frames, and the truth beside them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from coronx.simulate.night_ccd import make_ccd
from coronx.simulate.night_flat import draw_dust, flat_field
from coronx.simulate.night_frames import expose
from coronx.simulate.night_headers import file_name, header_of
from coronx.simulate.night_plan import Night, plan_night
from coronx.simulate.night_sky import make_field
from coronx.simulate.night_truth import frame_truth, write_truth

__all__ = ["SimulatedNight", "simulate_night"]


@dataclass(frozen=True)
class SimulatedNight:
    """What a simulation wrote.

    Attributes
    ----------
    bias, dark, flat, light : tuple of pathlib.Path
        The frames of each kind.
    truth : dict
        Contents of ``truth/truth.json``. Pixels are 0-based (x, y).
    truth_file : pathlib.Path
        ``truth/truth.fits``: images and tables.
    """

    bias: tuple[Path, ...]
    dark: tuple[Path, ...]
    flat: tuple[Path, ...]
    light: tuple[Path, ...]
    truth: dict[str, Any]
    truth_file: Path


def simulate_night(folder: str | Path, night: Night) -> SimulatedNight:
    """Observe a night, and write its frames and the truth.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where to write; made where it does not exist. The truth goes to ``truth`` in it.
    night : Night
        What to observe.

    Returns
    -------
    SimulatedNight
        The files and the truth.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # One stream for each cause, so that changing one leaves the others as they were.
    streams = np.random.default_rng(night.seed).spawn(5)
    ccd_rng, dust_rng, sky_rng, plan_rng, noise_rng = streams
    ccd, sky = make_ccd(night, rng=ccd_rng), make_field(night, rng=sky_rng)
    window = draw_dust(4, night.size, rng=dust_rng)
    flats = {
        name: flat_field(ccd.response, window + draw_dust(3, night.size, rng=dust_rng))
        for name in night.filters
    }
    files: dict[str, list[Path]] = {kind: [] for kind in ("bias", "dark", "flat", "light")}
    frames, exposures = [], []
    plan = plan_night(night, rng=plan_rng)
    for planned, rng in zip(plan, noise_rng.spawn(len(plan)), strict=True):
        exposed = expose(ccd, sky, flats.get(planned.filter), planned, rng=rng)
        path = folder / file_name(night, planned)
        hdu = fits.PrimaryHDU(exposed.adu, header_of(night, planned))
        hdu.writeto(path, overwrite=True)
        files[planned.kind].append(path)
        frames.append(frame_truth(night, planned, exposed, path.name))
        exposures.append(exposed)
    truth = write_truth(folder / "truth", ccd, sky, flats, frames, exposures)
    found = {kind: tuple(paths) for kind, paths in files.items()}
    return SimulatedNight(**found, truth=truth, truth_file=folder / "truth" / "truth.fits")
