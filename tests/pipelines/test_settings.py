"""Which settings a run has: the mode's, a file's, the command line's."""

import logging
import tomllib
from importlib.resources import files
from pathlib import Path

import asdf
import pytest

from coronx import Coron3Pipeline
from coronx.pipelines._chain import CHAIN
from coronx.pipelines._settings import mode_settings
from coronx.refdata.modes import MODES

ROOT = Path(__file__).parents[2]
FILES = {
    "nircam-210r": "nircam_round",
    "nircam-335r": "nircam_round",
    "nircam-430r": "nircam_round",
    "nircam-swb": "nircam_bar",
    "nircam-lwb": "nircam_bar",
    "miri-1065": "miri_4qpm",
    "miri-1140": "miri_4qpm",
    "miri-1550": "miri_4qpm",
    "miri-lyot": "miri_lyot",
}


@pytest.mark.parametrize("mode", MODES.values(), ids=lambda mode: mode.name)
def test_each_mode_has_its_file(mode, caplog):
    with caplog.at_level(logging.INFO):
        found = mode_settings(
            {
                "meta.instrument.coronagraph": mode.coronmsk,
                "meta.instrument.filter": mode.filters[0],
            }
        )
    assert f"cfg/{FILES[mode.name]}.asdf" in caplog.text
    with asdf.open(ROOT / "cfg" / f"{FILES[mode.name]}.asdf") as file:
        wanted = {step["name"]: step["parameters"] for step in file["steps"]}
    assert set(found["steps"]) == set(wanted)
    for name, parameters in wanted.items():
        assert dict(found["steps"][name]) == parameters


def test_a_filter_of_unknown_shift_does_not_stop_the_pipeline(caplog):
    found = mode_settings(
        {"meta.instrument.coronagraph": "MASKALWB", "meta.instrument.filter": "F277W"}
    )
    assert found["steps"]["update_nircam_centers"]["skip"] is True
    assert "F277W: how far this filter displaces the image is not known" in caplog.text


def test_without_a_known_mask_there_are_no_settings():
    assert dict(mode_settings({})["steps"]) == {}
    assert dict(mode_settings({"meta.instrument.coronagraph": "NONE"})["steps"]) == {}


def config_of(dataset, **options):
    config, _ = Coron3Pipeline.build_config(str(dataset), **options)
    return config["steps"]


@pytest.fixture(scope="module")
def asn(make_association, tmp_path_factory):
    return make_association(tmp_path_factory.mktemp("settings"), nints=1)


def test_the_data_decide_where_nothing_is_given(asn):
    assert config_of(asn)["align_refs"]["recenter_mask"] is True
    assert config_of(asn)["update_nircam_centers"]["skip"] is False


def test_what_is_given_goes_first(asn, tmp_path):
    path = tmp_path / "mine.asdf"
    text = (ROOT / "cfg" / "nircam_round.asdf").read_text()
    path.write_text(text.replace("truncate: 50", "truncate: 7").replace("20.0", "5.0"))
    steps = config_of(asn, config_file=str(path), steps={"align_refs": {"max_shift": 3.0}})
    assert int(steps["klip"]["truncate"]) == 7
    assert float(steps["align_refs"]["max_shift"]) == 3.0


def test_what_is_on_and_off_by_default():
    pipeline = Coron3Pipeline()
    on = [name for name in CHAIN if not getattr(pipeline, name).skip]
    assert on == [
        "update_nircam_centers",
        "subtract_background",
        "outlier_detection",
        "fix_bad_pixels",
        "recenter_frames",
    ]
    assert pipeline.recenter_frames.measure_only
    assert pipeline.fix_bad_pixels.repair == ["none"]


def test_the_files_are_part_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["package-data"]["coronx"] == ["cfg/*.asdf"]
    inside = {path.name for path in (files("coronx") / "cfg").iterdir()}
    assert inside == {path.name for path in (ROOT / "cfg").iterdir()}
