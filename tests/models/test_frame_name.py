import pytest

from coronx.models.frame_name import parse_frame_name


def test_all_that_a_name_says():
    found = parse_frame_name(
        "cal-T20-davestrick-CygnusLoop_x1_y1-20210708-220604-Ha-BIN1-E-300-001.fits"
    )
    assert found == {
        "telescope": "T20", "observer": "davestrick", "object": "CygnusLoop x1 y1", "filter": "Ha",
        "binning_x": 1, "binning_y": 1, "exposure_time": 300.0,
    }  # fmt: skip


@pytest.mark.parametrize("end", ["", ".fit", ".fits.gz", "_cal.fits"])
def test_targets_with_hyphens_and_endings(end):
    found = parse_frame_name(f"raw-T05-jd-PN-G-75-20210708-220604-Blue-BIN2-W-60-012{end}")
    assert (found["object"], found["filter"], found["binning_x"]) == ("PN-G-75", "Blue", 2)


@pytest.mark.parametrize(
    "name", ["light.fits", "raw-T05-me-M1-2021-220604-Ha-BIN1-E-300-001.fits", ""]
)
def test_other_names_say_nothing(name):
    assert parse_frame_name(name) == {}
