"""Each image operation on one integration: its step, and the host's own code where there is any."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from stdatamodels.jwst.datamodels import CubeModel
from stdatamodels.jwst.datamodels.dqflags import pixel

import coronx
from coronx.refdata.modes import MODES
from coronx.simulate import SCENES, simulate
from tests.benchmarks.timing import interleaved, markdown, ratio

__all__ = ["table"]

_HEAD = ("step", "options", "ms an integration", "ms an exposure more", "host", "host / this")
_NOTE = (
    "Simulated behind MASK335R in F356W, 320x320, with the scene's bad pixels; one thread. The "
    "cost of an integration is the difference between exposures of {many} and of {few}, over "
    "{rest}; what an exposure costs besides (copying metadata and WCS, checking them against "
    "schemas, mostly the host's work) is in the next column. The host's: `median_replace_img` for "
    "bad pixels, `align_array` for alignment (float64); the other operations it does not have, and "
    "spaceKLIP, which has them, is not in the package index. Goal: 3 ms."
)
_STEPS: tuple[tuple[str, dict[str, object]], ...] = (
    ("RemoveFramesStep", {"integrations": ["1"]}),
    ("UpdateNircamCentersStep", {}),
    ("SubtractBackgroundStep", {}),
    ("FixBadPixelsStep", {}),
    ("FixBadPixelsStep", {"repair": ["none"]}),
    ("CoaddFramesStep", {"ncoadd": 2}),
    ("SubtractMedianStep", {}),
    ("BlurFramesStep", {"sigma": "0.8"}),
    ("HighPassFilterStep", {}),
    ("RecenterFramesStep", {"method": "symmetry"}),
    ("RecenterFramesStep", {"method": "symmetry", "measure_only": False}),
    ("AlignFramesStep", {"measure_only": True, "mask": "none"}),
    ("AlignFramesStep", {"mask": "none"}),
    ("ReplaceNansStep", {}),
    ("CropFramesStep", {"npix": ["10"]}),
    ("PadFramesStep", {"npix": ["10"]}),
)


def table(quick: bool, folder: Path) -> str:
    """Return the table of the image operations."""
    few, many, repeats = (2, 4, 1) if quick else (4, 24, 3)
    logging.getLogger("stpipe").setLevel(logging.WARNING)
    model = _exposure(folder)
    short, long = _repeated(model, few), _repeated(model, many)
    sky = str(folder / "sky_calints.fits")
    _sky(model).save(sky)
    host = _host(model)
    rows = []
    for name, options in _STEPS:
        wanted = dict(options)
        if name == "SubtractBackgroundStep":
            wanted["background"] = [sky]
        cases = {
            "few": _call(name, short, wanted),
            "many": _call(name, long, wanted),
            **({"host": host[name]} if name in host else {}),
        }
        for run in cases.values():
            run()  # what is learned once is not counted
        spent = interleaved(cases, repeats)
        each = (spent["many"] - spent["few"]) / (many - few)
        told = ", ".join(f"{key} = {value}" for key, value in options.items())
        rows.append((
            str(getattr(coronx, name).class_alias), told or "defaults", f"{1e3 * each:.1f}",
            f"{1e3 * (spent['few'] - few * each):.0f}",
            f"{1e3 * spent['host']:.0f} ms" if "host" in spent else "",
            ratio(spent["host"], each) if "host" in spent else "",
        ))  # fmt: skip
    note = _NOTE.format(many=many, few=few, rest=many - few)
    return markdown("Image operations", note, _HEAD, rows)


def _call(name: str, model: CubeModel, options: dict[str, object]) -> Callable[[], object]:
    step = getattr(coronx, name)

    def run() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return step(**options).run(model)

    return run


def _exposure(folder: Path) -> CubeModel:
    made = simulate(folder / "scene", SCENES["nircam-round"])
    return CubeModel(str(made.science[0]))


def _repeated(model: CubeModel, count: int) -> CubeModel:
    """Return an exposure of many integrations: those of the scene again, with other noise."""
    rng = np.random.default_rng(count)
    result = CubeModel()
    result.update(model)
    result.meta.wcs = model.meta.wcs
    at = np.arange(count) % len(model.data)
    noise = rng.normal(size=(count, *model.shape[1:])) * np.nan_to_num(model.err[at])
    result.data = (model.data[at] + 0.5 * noise).astype(np.float32)
    for name in ("err", "dq", "var_poisson", "var_rnoise", "var_flat"):
        setattr(result, name, getattr(model, name)[at])
    result.meta.exposure.nints = count
    return result


def _sky(model: CubeModel) -> CubeModel:
    rng = np.random.default_rng(1)
    result = model.copy()
    result.data = rng.normal(0.2, 0.6, model.shape).astype(np.float32)
    result.meta.filename = "sky_calints.fits"
    return result


def _host(model: CubeModel) -> dict[str, Callable[[], object]]:
    from jwst.coron.imageregistration import align_array
    from jwst.coron.median_replace_img import median_replace_img

    image = CubeModel(data=model.data[:1].copy(), dq=model.dq[:1].copy())
    clean = np.nan_to_num(model.data[:2]).astype(np.float64)
    mask = np.ones(model.shape[1:])
    mode = MODES["nircam-335r"]
    x, y = (round(value) for value in mode.center)
    mask[y - 5 : y + 6, x - 5 : x + 6] = 0.0

    def repair() -> object:
        return median_replace_img(image.copy(), 3, np.uint32(pixel["DO_NOT_USE"]))

    def align() -> object:
        return align_array(clean[0], clean[1:], mask)

    return {"FixBadPixelsStep": repair, "AlignFramesStep": align}
