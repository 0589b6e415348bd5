"""One simulated CCD night, calibrated once, for all tests that look at it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pipelines.night_truth import NIGHT, KnownNight


@pytest.fixture(scope="session")
def night(once):
    """Frames of a night, and their truth."""
    from coronx.simulate import simulate_night

    return KnownNight(once("night", lambda folder: simulate_night(folder, NIGHT)))


@dataclass(frozen=True)
class Masters:
    """Files of masters."""

    bias: Path
    dark: Path
    flats: dict[str, Path]
    bad_pixels: Path
    bad_columns: Path
    bad_columns_file: Path


@pytest.fixture(scope="session")
def masters(night, once):
    """The night's masters and maps, made by the steps one by one."""
    return Masters(**once("masters", lambda folder: _masters(night.made, folder)))


def _masters(made, folder):
    import coronx

    def kept(model, name):
        path = folder / f"{name}.fits"
        model.save(str(path))
        return path

    def files(paths, word=""):
        return [str(path) for path in paths if word in path.name]

    bias = kept(coronx.BuildMasterBiasStep.call(files(made.bias)), "bias")
    dark = kept(coronx.BuildMasterDarkStep.call(files(made.dark), bias=str(bias)), "dark")
    flats = {
        name: kept(
            coronx.BuildMasterFlatStep.call(
                files(made.flat, f"-{name}-"), bias=str(bias), dark=str(dark)
            ),
            f"flat_{name}",
        )
        for name in NIGHT.filters
    }
    yaml = folder / "columns.yaml"
    columns = kept(
        coronx.FindBadColumnsStep.call(str(dark), user_file=str(yaml), rows=False), "columns"
    )
    bad = kept(
        coronx.FindBadPixelsStep.call(str(dark), flat=str(flats["R"]), user_file=str(yaml)), "bad"
    )
    return {
        "bias": bias, "dark": dark, "flats": flats, "bad_pixels": bad, "bad_columns": columns,
        "bad_columns_file": yaml,
    }  # fmt: skip
