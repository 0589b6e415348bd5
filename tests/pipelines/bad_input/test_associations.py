"""Files that are no association, and members outside its folder."""

import pytest

from coronx.models.association import read_association
from tests.pipelines.bad_input.altered_members import PSF, rewrite

# The host leaves a file that it fails to read to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("not json {", "not JSON"),
        ("\x00\x01", "not JSON"),
        ("[1, 2]", "JSON, but not an association; give an _asn.json file"),
        ("{}", "not an association (KeyError: 'products'); it needs"),
        ('{"products": []}', "not an association (IndexError"),
        ('{"asn_id": "a", "products": [{"name": "x"}]}', "not an association (KeyError"),
        ('{"asn_id": "a", "products": [{"name": "x", "members": [1]}]}', "not an association"),
        ('{"asn_id": "a", "products": [{"name": "x", "members": []}]}', "no member of exptype"),
    ],
)
def test_not_an_association(asn, refused, text, complaint):
    asn.write_text(text)
    message = refused(asn)
    assert asn.name in message
    assert complaint in message


def test_no_association_there(asn, refused):
    assert "no such file; give the association's path" in refused(asn.with_name("other_asn.json"))


@pytest.mark.parametrize("where", ["../{name}", "/etc/{name}", "", "a/../../{name}"])
def test_an_association_names_a_path_outside(asn, refused, where):
    expname = where.format(name=PSF)
    rewrite(asn, lambda table: table["products"][0]["members"][3].update(expname=expname))
    message = refused(asn)
    assert f"{asn.name}: its member {expname!r} is outside the association's folder; put" in message


def test_a_folder_below_the_association_is_inside(asn):
    (asn.parent / "psf").mkdir()
    (asn.parent / PSF).rename(asn.parent / "psf" / PSF)
    rewrite(asn, lambda table: table["products"][0]["members"][3].update(expname=f"psf/{PSF}"))
    assert read_association(asn).of("psf")[1] == asn.parent / "psf" / PSF
