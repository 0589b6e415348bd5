"""Members that are missing, broken or unlike: one line names the file and the remedy."""

import numpy as np
import pytest
from stdatamodels.jwst.datamodels import ImageModel
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx.errors import InputError
from tests.pipelines.bad_input.altered_members import PSF, TARGET, blank, edit, rewrite

# The host leaves a file that it fails to read to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.mark.parametrize("kind", ["science", "psf"])
def test_no_member_of_a_kind(asn, refused, kind):
    def drop(table):
        product = table["products"][0]
        product["members"] = [m for m in product["members"] if m["exptype"] != kind]

    rewrite(asn, drop)
    message = refused(asn)
    assert asn.name in message
    assert f"no member of exptype {kind}; add" in message


def test_no_member_of_a_kind_in_an_open_container(make_exposure):
    from jwst.datamodels import ModelContainer

    from coronx import Coron3Pipeline

    model = make_exposure(nints=1)
    model.meta.asn.exptype = "science"
    with pytest.raises(InputError, match="no member of exptype psf; add"):
        Coron3Pipeline.call(ModelContainer([model]))


@pytest.mark.parametrize("name", [TARGET, PSF])
def test_a_member_is_missing(asn, refused, name):
    (asn.parent / name).unlink()
    message = refused(asn)
    assert asn.name in message
    assert f"{name} is missing; put it" in message


@pytest.mark.parametrize(("name", "left"), [(TARGET, 1000), (PSF, 0), (PSF, 400_000)])
def test_a_member_is_truncated(asn, refused, name, left):
    path = asn.parent / name
    content = path.read_bytes()[:left]
    path.unlink()
    path.write_bytes(content)
    message = refused(asn)
    assert name in message
    assert "cannot be read" in message
    assert "; fetch the file again" in message


def test_a_member_is_not_fits(asn, refused):
    (asn.parent / PSF).unlink()
    (asn.parent / PSF).write_text("<html>Not found</html>")
    message = refused(asn)
    assert PSF in message
    assert "; fetch the file again" in message


@pytest.mark.parametrize("name", [TARGET, PSF])
def test_a_member_is_not_a_cube(asn, refused, make_exposure, name):
    cube = make_exposure(name, nints=1)
    image = ImageModel(data=cube.data[0])
    image.update(cube, only="PRIMARY")
    (asn.parent / name).unlink()
    image.save(str(asn.parent / name))
    message = refused(asn)
    assert name in message
    assert "not a cube of integrations but a ImageModel of shape (320, 320); give" in message


def crop(model):
    for array in ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat"):
        setattr(model, array, getattr(model, array)[:, :300, :310])


@pytest.mark.parametrize(
    ("what", "change", "found"),
    [
        ("the frame (ny, nx)", crop, "(300, 310)"),
        ("FILTER", lambda m: setattr(m.meta.instrument, "filter", "F444W"), "F444W"),
        ("CORONMSK", lambda m: setattr(m.meta.instrument, "coronagraph", "MASKA430R"), "MASK430R"),
        ("SUBARRAY", lambda m: setattr(m.meta.subarray, "name", "SUB320A430R"), "SUB320A430R"),
        ("DETECTOR", lambda m: setattr(m.meta.instrument, "detector", "NRCA2"), "NRCA2"),
        ("INSTRUME", lambda m: setattr(m.meta.instrument, "name", "MIRI"), "MIRI"),
    ],
)
def test_members_differ(asn, refused, what, change, found):
    name = TARGET if what == "FILTER" else PSF
    edit(asn, name, change)
    message = refused(asn)
    assert message.startswith(f"{name}: {what} is {found}, but target_00001_nrcalong_calints")
    assert message.endswith("; take one of them out of the association")


def test_spellings_of_one_mask_are_no_difference(make_exposure):
    from coronx.models.members import check_alike

    one, other = make_exposure(nints=1), make_exposure(nints=1)
    other.meta.instrument.coronagraph = "MASK335R"
    check_alike([one, other])


def flag(model):
    model.dq = model.dq | np.uint32(pixel["DO_NOT_USE"])


@pytest.mark.parametrize(("name", "change"), [(PSF, blank), (TARGET, flag)])
def test_a_member_without_a_good_pixel(asn, refused, name, change):
    edit(asn, name, change)
    message = refused(asn)
    assert message.startswith(f"{name}: no good pixel in it")
    assert message.endswith("; take it out") or "take it out" in message


def test_a_stack_of_nan_for_the_steps_alone(asn, refused):
    edit(asn, PSF, blank)
    target, stack = asn.parent / TARGET, asn.parent / PSF
    assert PSF in refused(target, stack, alias="coronx_align_refs")
    assert PSF in refused(target, stack, alias="coronx_klip")


@pytest.mark.parametrize("alias", ["coronx_align_refs", "coronx_klip", "coronx_hlsp"])
def test_a_file_that_is_not_there_for_the_step_alone(asn, refused, alias):
    count = 1 if alias == "coronx_hlsp" else 2
    message = refused(*[asn.with_name("absent_calints.fits")] * count, alias=alias)
    assert "absent_calints.fits: no such file;" in message


@pytest.mark.usefixtures("asn")
def test_hlsp_refuses_a_curve(refused, tmp_path):
    from stdatamodels.jwst.datamodels import ContrastModel

    path = tmp_path / "data" / "x_contrast.fits"
    ContrastModel(contrast_table=np.zeros(3, [("radius", "f4"), ("sigma", "f4")])).save(str(path))
    message = refused(path, alias="coronx_hlsp")
    assert "x_contrast.fits: a ContrastModel, neither image nor cube; give" in message


def test_integrations_that_differ_in_number(asn, refused, make_exposure, tmp_path):
    from coronx import AlignRefsStep

    two = make_exposure("two_00001_calints.fits", nints=2, filter_name="F335M")
    aligned = AlignRefsStep.call(two, str(asn.parent / PSF))
    aligned.save(str(tmp_path / "data" / "two_00001_psfalign.fits"))
    message = refused(
        asn.parent / TARGET, tmp_path / "data" / "two_00001_psfalign.fits", alias="coronx_klip"
    )
    assert "two_00001_psfalign.fits: aligned to 2 integrations, but" in message
    assert "has 1; align the references to it again" in message


@pytest.mark.parametrize("item", [3, None, ImageModel((4, 4))])
def test_objects_that_are_no_exposures(item):
    from coronx import Coron3Pipeline, StackRefsStep

    with pytest.raises(InputError, match="; give"):
        StackRefsStep.call([item])
    with pytest.raises(InputError, match="; give"):
        Coron3Pipeline.call(item)


def test_nothing_to_stack():
    from coronx import StackRefsStep

    with pytest.raises(InputError, match="no reference exposures to stack; give"):
        StackRefsStep.call([])
