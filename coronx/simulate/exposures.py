"""A scene observed: ``_calints`` files, their association, and the truth beside them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from coronx.refdata.modes import plain_mask_name
from coronx.simulate.astrometry import point_at
from coronx.simulate.calints import PROGRAM, calints_model, file_name
from coronx.simulate.detector import bad_pixels, expose
from coronx.simulate.light import PointSource, companion_sky, light_of
from coronx.simulate.optics import Coronagraph
from coronx.simulate.plan import PlannedExposure, plan, plan_unocculted
from coronx.simulate.scene import Scene

__all__ = ["SimulatedAssociation", "simulate"]


@dataclass(frozen=True)
class SimulatedAssociation:
    """What a simulation wrote.

    Attributes
    ----------
    asn, truth_file : pathlib.Path
        The association and the truth.
    science, psf, background, psf_background : tuple of pathlib.Path
        The exposures of each type.
    truth : dict
        Contents of `truth_file`. Pixels are 0-based (x, y).
    unocculted : pathlib.Path or None
        The exposure of the science star beside the mask, which is not in the association.
    """

    asn: Path
    truth_file: Path
    science: tuple[Path, ...]
    psf: tuple[Path, ...]
    truth: dict[str, Any]
    background: tuple[Path, ...] = ()
    psf_background: tuple[Path, ...] = ()
    unocculted: Path | None = None


def simulate(folder: str | Path, scene: Scene, *, progress: bool = False) -> SimulatedAssociation:
    """Observe a scene and write its exposures, association and truth.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where to write; made where it does not exist.
    scene : Scene
        What to observe, and how.
    progress : bool
        Show a progress bar.

    Returns
    -------
    SimulatedAssociation
        The files and the truth.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # One stream for each cause, so that changing one leaves the others as they were.
    streams = np.random.default_rng(scene.seed).spawn(5)
    optics_rng, pointing_rng, detector_rng, noise_rng, unocculted_rng = streams
    mode = scene.coronagraph
    optics = Coronagraph(
        mode, scene.filter, wavelengths=scene.wavelengths, center=scene.mask_center
    )
    bad = bad_pixels(scene, rng=detector_rng)
    todo = list(plan(scene, optics.pupil, optics_rng, pointing_rng))
    if scene.unocculted_arcsec:
        todo.append(plan_unocculted(scene, todo))
    exposures = []
    kinds = ("science", "psf", "background", "psf_background", "unocculted")
    files = {kind: [] for kind in kinds}
    for planned in tqdm(todo, desc="exposures", unit="exposure", disable=not progress):
        star = planned.visit.star
        pointing = point_at(mode, planned.roll_deg, star, planned.pixel)
        told = point_at(mode, planned.roll_deg, star, planned.pixel - scene.filter_shift)
        light, sources = light_of(scene, optics, planned, pointing)
        rng = unocculted_rng if planned.visit.is_unocculted else noise_rng
        readout = expose(light, scene, bad, rng=rng)
        path = folder / file_name(scene, planned.visit)
        with calints_model(
            scene, planned.visit, told.displaced(*planned.wcs_error), readout
        ) as model:
            model.save(path)
        files[planned.visit.role].append(path)
        exposures.append(_exposure_truth(planned, path, sources))
    (unocculted,) = files.pop("unocculted") or (None,)
    truth = {**_scene_truth(scene), "exposures": exposures}
    if unocculted:
        truth["unocculted"] = {**exposures.pop(), "flux_jy": scene.star_jy, "attenuation": 1.0}
    truth_file = folder / "truth.json"
    truth_file.write_text(json.dumps(truth, indent=1) + "\n")
    asn = _write_association(folder, scene, files)
    found = {kind: tuple(paths) for kind, paths in files.items()}
    return SimulatedAssociation(asn, truth_file, truth=truth, unocculted=unocculted, **found)


def _scene_truth(scene: Scene) -> dict[str, Any]:
    companions = []
    for companion in scene.companions:
        ra, dec = companion_sky(scene, companion)
        pa = np.radians(companion.pa_deg)
        companions.append(
            {
                **asdict(companion),
                "offset_arcsec": {
                    "east": float(companion.separation_arcsec * np.sin(pa)),
                    "north": float(companion.separation_arcsec * np.cos(pa)),
                },
                "ra_deg": ra,
                "dec_deg": dec,
                "flux_jy": companion.contrast * scene.star_jy,
            }
        )
    return {
        "seed": scene.seed,
        "scene": asdict(scene),
        "star": {"ra_deg": scene.ra_deg, "dec_deg": scene.dec_deg, "flux_jy": scene.star_jy},
        "companions": companions,
        "disk": None if scene.disk is None else asdict(scene.disk),
    }


def _exposure_truth(
    planned: PlannedExposure, path: Path, sources: tuple[PointSource, ...]
) -> dict[str, Any]:
    return {
        "file": path.name,
        "exptype": planned.visit.role,
        "observation": planned.visit.observation,
        "exposure": planned.visit.exposure,
        "roll_deg": planned.roll_deg,
        "star_pixel": planned.pixel.tolist(),
        "star_pixel_integrations": (planned.pixel + planned.shift).tolist(),
        "wcs_error_arcsec": {"east": planned.wcs_error[0], "north": planned.wcs_error[1]},
        "companions": [asdict(source) for source in sources],
    }


def _write_association(folder: Path, scene: Scene, files: dict[str, list[Path]]) -> Path:
    mode = scene.coronagraph
    # The archive's own pattern for a NIRCam product; MIRI's has the mask in the pupil's place.
    element = mode.pupil or plain_mask_name(mode.coronmsk)
    name = (
        f"jw{PROGRAM}-c1001_t001_{mode.instrument}_{scene.filter}-{element}-{mode.subarray}"
    ).lower()
    members = [
        {"expname": path.name, "exptype": exptype}
        for exptype, paths in files.items()
        for path in paths
    ]
    association = {
        "asn_type": "coron3",
        "asn_rule": "Asn_Lv3Coron",
        "version_id": None,
        "code_version": "coronx.simulate",
        "degraded_status": "No known degraded exposures in association.",
        "program": PROGRAM,
        "constraints": "No constraints",
        "asn_id": "c1001",
        "target": "t001",
        "asn_pool": f"jw{PROGRAM}_pool.csv",
        "products": [{"name": name, "members": members}],
    }
    path = folder / f"jw{PROGRAM}-c1001_coron3_00001_asn.json"
    path.write_text(json.dumps(association, indent=4) + "\n")
    return path
