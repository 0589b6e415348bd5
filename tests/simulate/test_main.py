import json
import sys
from types import ModuleType

import pytest

from coronx.simulate.__main__ import main

SMALL = ["--scene", "miri-4qpm", "--integrations", "1", "--references", "0", "--rolls", "64"]


def test_writes_what_it_was_asked_for(tmp_path, capsys):
    arguments = [
        str(tmp_path), *SMALL, "--seed", "5", "--companion", "1.5,200,2e-4",
        "--companion", "3,10,1e-4", "--disk", "128,1e-3", "--guide-star-error", "0.02",
    ]  # fmt: skip
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "1 science, 0 reference" in printed
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["seed"] == 5
    assert [c["separation_arcsec"] for c in truth["companions"]] == [1.5, 3.0]
    assert truth["disk"]["pa_deg"] == 128
    assert truth["scene"]["guide_star_error_arcsec"] == 0.02
    assert truth["scene"]["rolls_deg"] == [64.0]
    assert len(list(tmp_path.glob("*_calints.fits"))) == 1


def test_an_unocculted_exposure_on_request(tmp_path, capsys):
    assert main([str(tmp_path), *SMALL, "--unocculted"]) == 0
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["scene"]["unocculted_arcsec"] == 5.0
    path = tmp_path / truth["unocculted"]["file"]
    assert path.is_file()
    assert f"unocculted   {path}" in capsys.readouterr().out


def test_scenes_own_sources_can_be_left_out(tmp_path, capsys):
    few = ["--integrations", "1", "--references", "0", "--rolls", "64", "--no-companions"]
    assert main([str(tmp_path), "--scene", "nircam-disk", *few, "--disk", "none"]) == 0
    capsys.readouterr()
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["companions"] == []
    assert truth["disk"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--filter", "F1140C"], "nircam-335r has no filter 'F1140C'; it goes with F250M"),
        (["--mode", "nircam-swb"], "nircam-swb has no filter 'F356W'; it goes with F182M"),
        (["--integrations", "0"], "integrations is at least 1"),
        (["--companion", "1,2"], "three numbers SEP,PA,CONTRAST"),
        (["--companion", "1,2,x"], "numbers with commas between"),
        (["--companion=-1,2,1e-5"], "separation_arcsec is positive"),
        (["--disk", "1"], "two numbers PA,CONTRAST"),
        (["--scene", "mars"], "invalid choice: 'mars'"),
    ],
)
def test_bad_values_are_refused_by_name(arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "none"), *arguments])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_help_lists_modes_with_their_filters(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert "miri-1140    F1140C" in text
    assert "nircam-round" in text


def test_crds_cache_is_built_on_request(tmp_path, capsys, monkeypatch):
    asked = []
    module = ModuleType("coronx.simulate.crds_cache")
    module.build_crds_cache = lambda folder: asked.append(folder) or folder
    monkeypatch.setitem(sys.modules, "coronx.simulate.crds_cache", module)
    assert main([str(tmp_path / "scene"), *SMALL, "--crds", str(tmp_path / "crds")]) == 0
    assert asked == [tmp_path / "crds"]
    assert f"CRDS_PATH    {tmp_path / 'crds'}" in capsys.readouterr().out
