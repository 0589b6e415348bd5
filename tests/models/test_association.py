import json

import pytest

from coronx.errors import InputError
from coronx.models.association import read_association, write_association


@pytest.fixture
def table(tmp_path):
    """Return a valid association, its members being there as empty files."""
    members = [
        {"expname": "psf1_calints.fits", "exptype": "psf"},
        {"expname": "sci1_calints.fits", "exptype": "science"},
        {"expname": "sci2_calints.fits", "exptype": "science"},
        {"expname": "ta_cal.fits", "exptype": "target_acquisition"},
    ]
    for member in members[:3]:
        (tmp_path / member["expname"]).touch()
    return {
        "asn_id": "a3001",
        "asn_pool": "pool.csv",
        "products": [{"name": "product", "members": members}],
    }


@pytest.fixture
def write(tmp_path):
    def writer(content):
        path = tmp_path / "asn.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return writer


def test_members_in_order(table, write, tmp_path):
    for path in (write(table), str(write(table))):
        asn = read_association(path)
        assert (asn.asn_id, asn.pool, asn.product) == ("a3001", "pool.csv", "product")
        assert asn.path == tmp_path / "asn.json"
        assert asn.of("science") == (tmp_path / "sci1_calints.fits", tmp_path / "sci2_calints.fits")
        assert asn.of("psf") == (tmp_path / "psf1_calints.fits",)


def test_case_does_not_matter_and_the_pool_may_be_missing(table, write):
    del table["asn_pool"]
    product = table["products"][0]
    product["members"] = [
        {key.upper(): value.upper() if key == "exptype" else value for key, value in m.items()}
        for m in product["members"]
    ]
    asn = read_association(write(table))
    assert asn.pool == "none"
    assert len(asn.of("science")) == 2
    assert len(asn.of("psf")) == 1


def test_the_path_may_be_relative(table, write, monkeypatch, tmp_path):
    write(table)
    monkeypatch.chdir(tmp_path)
    assert read_association("asn.json").of("psf")[0].is_file()


def test_a_linked_member_is_taken(table, write, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far.fits").touch()
    (tmp_path / "link_calints.fits").symlink_to(elsewhere / "far.fits")
    table["products"][0]["members"][0]["expname"] = "link_calints.fits"
    assert read_association(write(table)).of("psf")[0].name == "link_calints.fits"


@pytest.mark.parametrize("kind", ["science", "psf"])
def test_a_kind_without_member_is_named(table, write, kind):
    product = table["products"][0]
    product["members"] = [m for m in product["members"] if m["exptype"] != kind]
    with pytest.raises(InputError, match=f"asn.json: no member of exptype {kind}; add"):
        read_association(write(table))


def test_a_missing_member_is_named(table, write, tmp_path):
    (tmp_path / "sci2_calints.fits").unlink()
    with pytest.raises(InputError, match=r"sci2_calints\.fits is missing"):
        read_association(write(table))


@pytest.mark.parametrize("name", ["../far.fits", "/etc/passwd", "", "a/../../far.fits"])
def test_members_outside_the_folder_are_refused(table, write, name, tmp_path):
    (tmp_path.parent / "far.fits").touch()
    table["products"][0]["members"][1]["expname"] = name
    with pytest.raises(InputError, match="outside the association's folder"):
        read_association(write(table))


@pytest.mark.parametrize("content", ["", "{", "SIMPLE  = T", "[1, 2]", '"text"', "3"])
def test_what_is_not_an_association_file_is_refused(write, content):
    with pytest.raises(InputError, match=r"asn\.json: (not JSON|JSON, but not)"):
        read_association(write(content))


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"asn_id": "a", "products": []},
        {"asn_id": "a", "products": [{"members": []}]},
        {"asn_id": "a", "products": [{"name": "p"}]},
        {"products": [{"name": "p", "members": []}]},
        {"asn_id": "a", "products": [{"name": "p", "members": [3]}]},
        {"asn_id": "a", "products": 3},
        {"asn_id": "a", "products": [{"name": "p", "members": None}]},
    ],
)
def test_what_lacks_a_part_is_refused(write, content):
    with pytest.raises(InputError, match="not an association"):
        read_association(write(content))


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_association(tmp_path / "none.json")
    with pytest.raises(InputError, match="not JSON"):
        read_association(tmp_path)
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not JSON"):
        read_association(tmp_path / "binary.json")


def test_a_new_association_names_the_new_files(table, write, tmp_path):
    association = read_association(write(table))
    names = [path.name for path, _ in association.members]
    renamed = {name: name.replace("calints", "bpfix") for name in names[:-1]}
    write_association(tmp_path / "new_asn.json", table, renamed)
    made = json.loads((tmp_path / "new_asn.json").read_text())
    assert made["asn_id"] == table["asn_id"]
    assert made["products"][0]["name"] == table["products"][0]["name"]
    told = [member["expname"] for member in made["products"][0]["members"]]
    # What nothing was made of is left out, what is of another kind stays.
    assert told == [*renamed.values(), "ta_cal.fits"]
    assert [path.name for path in tmp_path.glob("*.part")] == []
