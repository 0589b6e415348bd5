import json

import numpy as np
import pytest
from jwst import datamodels
from jwst.datamodels import ModelContainer

from coronx import StackRefsStep
from coronx.errors import InputError


def planes(model):
    table = np.asarray(model.planes)
    return list(zip(table["exposure"].astype(str), table["integration"], strict=True))


def test_all_integrations_in_order(references, stack, make_exposure):
    three = make_exposure("psfstar_00009_nrcalong_calints.fits", nints=3, is_psf=True)
    both = StackRefsStep.call([three, references[0]])
    assert both.shape == (4, 320, 320)
    for name in ("data", "err", "dq"):
        expected = np.concatenate([getattr(three, name), getattr(references[0], name)])
        np.testing.assert_array_equal(getattr(both, name), expected)
    assert planes(both) == [
        *((three.meta.filename, n) for n in (1, 2, 3)),
        (references[0].meta.filename, 1),
    ]
    assert stack.shape == (4, 320, 320)
    assert stack.meta.cal_step.stack_psfs == "COMPLETE"
    assert stack.meta.instrument.coronagraph == "MASKA335R"


def test_every_kind_of_input_gives_the_same(references, stack, make_association, tmp_path):
    for model in references:
        model.copy().save(str(tmp_path / model.meta.filename))
    paths = [tmp_path / model.meta.filename for model in references]
    inputs = [
        paths,
        [str(path) for path in paths],
        tuple(references),
        ModelContainer(references),
        [references[0], *paths[1:]],
    ]
    for given in inputs:
        result = StackRefsStep.call(given)
        np.testing.assert_array_equal(result.data, stack.data)
        assert planes(result) == planes(stack)
    alone = StackRefsStep.call(str(paths[0]))
    np.testing.assert_array_equal(alone.data, references[0].data)
    np.testing.assert_array_equal(StackRefsStep.call(references[0]).data, references[0].data)

    asn = make_association(tmp_path, nints=1)
    of_asn = StackRefsStep.call(str(asn))
    assert [name for name, _ in planes(of_asn)] == [
        f"psfstar_{n:05d}_nrcalong_calints.fits" for n in (1, 2, 3)
    ]


def test_a_stack_of_stacks_keeps_its_planes(references, stack):
    again = StackRefsStep.call([stack, references[0]])
    assert planes(again) == [*planes(stack), (references[0].meta.filename, 1)]


def test_the_table_survives_a_file(stack, tmp_path):
    stack.copy().save(str(tmp_path / "x_psfstack.fits"))
    with datamodels.open(str(tmp_path / "x_psfstack.fits")) as plain:
        assert plain.shape == (4, 320, 320)
        again = StackRefsStep.call(plain)
        assert [row[1] for row in planes(again)] == [1, 1, 1, 1]


def test_suffix_is_an_option(references, tmp_path):
    StackRefsStep.call(references, suffix="library", save_results=True, output_dir=str(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["psfstar_00001_nrcalong_library.fits"]


def test_differing_frames_are_refused(references):
    small = references[1].copy()
    for name in ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat"):
        setattr(small, name, getattr(small, name)[:, :200])
    with pytest.raises(InputError, match=r"psfstar_00002.*\(200, 320\)"):
        StackRefsStep.call([references[0], small])


def test_an_association_of_references_alone_names_the_product(make_association, tmp_path):
    asn = make_association(tmp_path, nints=1)
    table = json.loads(asn.read_text())
    (product,) = table["products"]
    product["members"] = [m for m in product["members"] if m["exptype"].lower() == "psf"]
    asn.write_text(json.dumps(table))
    StackRefsStep.call(str(asn), save_results=True, output_dir=str(tmp_path / "out"))
    (made,) = (tmp_path / "out").iterdir()
    assert made.name == f"{product['name']}_psfstack.fits"


def roles(model):
    table = np.asarray(model.planes)
    names = np.char.partition(table["exposure"].astype(str), "_")[:, 0]
    return [*zip(names.tolist(), table["role"].astype(str).tolist(), strict=True)]


def test_science_exposures_are_stacked_if_so_wished(make_association, tmp_path):
    asn = make_association(tmp_path, nints=1)
    both = StackRefsStep.call(str(asn), with_science=True)
    assert roles(both) == [("psfstar", "psf")] * 3 + [("target", "science")] * 2
    assert roles(StackRefsStep.call(str(asn))) == [("psfstar", "psf")] * 3
    table = np.asarray(both.planes)
    matrices = np.stack([table[n] for n in ("x_east", "x_north", "y_east", "y_north")], axis=1)
    assert np.isnan(matrices[:3]).all()
    for own, roll in zip(matrices[3:].reshape(-1, 2, 2), (30.0, 40.0), strict=True):
        cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
        truth = np.array([[-cos, sin], [sin, cos]]) / 0.063
        np.testing.assert_allclose(np.abs(own), np.abs(truth), rtol=1e-3)
        np.testing.assert_allclose(np.linalg.det(own), np.linalg.det(truth), rtol=1e-3)
    again = StackRefsStep.call([*(asn.parent / name for name, _ in planes(both))])
    assert roles(again) == roles(both)
    assert both.meta.instrument.coronagraph == "MASKA335R"


def test_science_alone_is_enough_for_adi(make_association, tmp_path):
    asn = make_association(tmp_path, nints=1)
    table = json.loads(asn.read_text())
    (product,) = table["products"]
    product["members"] = [m for m in product["members"] if m["exptype"].lower() == "science"]
    asn.write_text(json.dumps(table))
    assert roles(StackRefsStep.call(str(asn), with_science=True)) == [("target", "science")] * 2
    with pytest.raises(InputError, match="psf"):
        StackRefsStep.call(str(asn))


def test_the_association_says_what_a_member_is(make_exposure, tmp_path):
    for name, is_psf in (("one", False), ("two", True)):
        model = make_exposure(f"{name}_calints.fits", nints=1, is_psf=is_psf)
        model.save(str(tmp_path / model.meta.filename))
    members = [
        {"expname": f"{name}_calints.fits", "exptype": kind}
        for name, kind in (("one", "psf"), ("two", "science"))
    ]
    asn = {"asn_type": "coron3", "asn_rule": "none", "asn_id": "a3001", "asn_pool": "none",
           "products": [{"name": "x", "members": members}]}  # fmt: skip
    (tmp_path / "x_asn.json").write_text(json.dumps(asn))
    both = StackRefsStep.call(str(tmp_path / "x_asn.json"), with_science=True)
    assert np.asarray(both.planes)["role"].astype(str).tolist() == ["psf", "science"]


def test_a_science_exposure_needs_a_wcs_to_be_turned(make_exposure):
    bare = make_exposure("bare_calints.fits", nints=1)
    del bare.meta.wcs
    with pytest.raises(InputError, match=r"bare_calints.fits: no WCS \(gwcs\)"):
        StackRefsStep.call([bare])
