import json

import pytest

from coronx.errors import InputError
from coronx.models.ground_association import (
    GroundFrames,
    open_ground_members,
    read_ground_association,
)
from coronx.models.make_ground_asn import main, make_ground_asn
from tests.models.ground_frames import write_frame


@pytest.fixture
def night(tmp_path):
    for n in (1, 2):
        write_frame(tmp_path / f"b{n}.fits", cards={"IMAGETYP": "Bias Frame", "EXPTIME": 0.0})
        for t in (60.0, 300.0):
            cards = {"IMAGETYP": "Dark Frame", "EXPTIME": t}
            write_frame(tmp_path / f"d{n}_{t:g}.fit", cards=cards)
        for name in ("R", "r"):
            cards = {"IMAGETYP": "Flat Field", "FILTER": name}
            write_frame(tmp_path / f"f{n}_{'s' if name == 'r' else 'c'}.fts", cards=cards)
    write_frame(tmp_path / "l1.fits")
    write_frame(tmp_path / "l2.fits", cards={"CCD-TEMP": -10.3, "SET-TEMP": None})
    write_frame(tmp_path / "l3.fits", cards={"EXPTIME": 300.0, "OBJECT": "NGC 1"})
    write_frame(tmp_path / "warm.fits", cards={"SET-TEMP": 0.0})
    write_frame(tmp_path / "binned.fits", cards={"XBINNING": 2, "YBINNING": 2})
    write_frame(tmp_path / "odd.fits", cards={"IMAGETYP": "Tricolor"})
    (tmp_path / "notes.txt").write_text("clear sky")
    return tmp_path


def test_frames_are_grouped_by_what_they_need(night, caplog):
    made = make_ground_asn(night)
    assert [path.name for path in made] == [
        "T05_5x4_bin1_0c_asn.json",
        "T05_5x4_bin1_m10c_asn.json",
        "T05_5x4_bin2_m10c_asn.json",
    ]
    asn = read_ground_association(made[1])
    stem = "T05_5x4_bin1_m10c_"
    assert {p.name.removeprefix(stem): [m.name for m, _ in p.members] for p in asn.products} == {
        "bias": ["b1.fits", "b2.fits"],
        "dark_60s": ["d1_60.fit", "d2_60.fit"],
        "dark_300s": ["d1_300.fit", "d2_300.fit"],
        "flat_R": ["f1_c.fts", "f2_c.fts"],
        "flat_r": ["f1_s.fts", "f2_s.fts"],
        "M13_R_60s": ["l1.fits", "l2.fits"],
        "NGC1_R_300s": ["l3.fits"],
    }
    assert len(asn.of("dark")) == 4
    assert "odd.fits" in caplog.text


def test_members_are_opened_with_their_types(night):
    asn = read_ground_association(make_ground_asn(night)[1])
    frames = open_ground_members(asn)
    assert isinstance(frames, GroundFrames)
    assert [len(frames.of(role)) for role in ("bias", "dark", "flat", "science")] == [2, 4, 4, 3]


def test_command_line(night, capsys):
    main([str(night), "--temperature-step", "100"])
    assert len(capsys.readouterr().out.split()) == 2
    with pytest.raises(SystemExit) as stop:
        main([str(night / "none")])
    assert stop.value.code == 1
    assert "no such folder" in capsys.readouterr().err


def test_folders_in_the_folder(night):
    (night / "more").mkdir()
    write_frame(night / "more" / "l4.fits")
    assert len(read_ground_association(make_ground_asn(night)[1]).of("science")) == 3
    asn = read_ground_association(make_ground_asn(night, recursive=True)[1])
    assert (night / "more" / "l4.fits").resolve() in [path.resolve() for path in asn.of("science")]


def test_folders_that_hold_none(tmp_path):
    with pytest.raises(InputError, match="no FITS frame"):
        make_ground_asn(tmp_path)
    write_frame(tmp_path / "a.fits", cards={"IMAGETYP": None})
    with pytest.raises(InputError, match="IMAGETYP"):
        make_ground_asn(tmp_path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "not an association"),
        ({"products": [{"name": "x", "members": []}]}, "no member"),
        ({"products": [{"name": "x", "members": [{"expname": "no.fits", "exptype": "bias"}]}]},
         "no.fits is missing"),
        ({"products": [{"name": "x", "members": [{"expname": "../b", "exptype": "bias"}]}]},
         "outside"),
    ],
)  # fmt: skip
def test_bad_associations(tmp_path, table, message):
    path = tmp_path / "x_asn.json"
    path.write_text(json.dumps(table))
    with pytest.raises(InputError, match=message):
        read_ground_association(path)
