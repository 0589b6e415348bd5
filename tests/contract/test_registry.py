"""What holds for every row of the registry, whatever its family of steps."""

import importlib
import inspect
from itertools import product
from pathlib import Path

import asdf
import numpy as np
import pytest
from configobj import ConfigObj
from jwst.stpipe.core import JwstStep
from stpipe import Pipeline, Step, config_parser

import coronx
from coronx.registry import REGISTRY, SUFFIXES, get_steps
from tests.contract.registry_rows import class_of

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "cfg").glob("*.asdf"))

every_entry = pytest.mark.parametrize("entry", REGISTRY, ids=[e.alias for e in REGISTRY])


@every_entry
def test_importable_and_described_truly(entry):
    cls = class_of(entry)
    assert cls is getattr(importlib.import_module(entry.module), entry.cls)
    assert cls.__name__ in coronx.__all__
    assert cls.__name__ in dir(coronx)
    assert cls.class_alias == entry.alias
    assert issubclass(cls, Step)
    assert issubclass(cls, Pipeline) == entry.is_pipeline
    assert cls().suffix in entry.suffixes
    assert inspect.getdoc(cls)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="NoStep"):
        _ = coronx.NoStep


def test_aliases_are_unique_and_ours():
    aliases = [entry.alias for entry in REGISTRY]
    assert len(set(aliases)) == len(aliases)
    assert all(alias.startswith("coronx_") for alias in aliases)
    assert len(set(SUFFIXES)) == len(SUFFIXES)


def test_every_step_of_the_package_is_registered():
    for folder in ("steps", "pipelines"):
        for path in sorted((ROOT / "coronx" / folder).rglob("[a-z]*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            module = importlib.import_module(name)
            assert [entry.module for entry in REGISTRY].count(name) == 1, (name, module)


def test_stpipe_lists_them(strun):
    done = strun("list", "coronx*", script="stpipe")
    assert done.returncode == 0, done.stderr
    listed = set(done.stdout.split("\n")) - {""}
    assert listed == {f"{dotted} ({alias})" for dotted, alias, _ in get_steps()}


@every_entry
def test_every_option_has_a_comment_and_a_default_that_works(entry):
    cls = class_of(entry)
    own = ConfigObj(cls.spec.splitlines(), list_values=False, interpolation=False)
    assert own.scalars
    for name in own.scalars:
        assert own.inline_comments[name], name
        assert "default" in own[name], name
    config = config_parser.config_from_dict({}, cls.load_spec_file())
    step = cls()
    for name in own.scalars:
        np.testing.assert_equal(getattr(step, name), config[name])


@every_entry
def test_parameter_references_are_our_own(entry):
    assert class_of(entry).get_config_reftype() == f"pars-coronx-{entry.cls.lower()}"


@every_entry
def test_loggers(entry):
    assert {"coronx", "stpipe"} <= set(class_of(entry).get_stpipe_loggers())


@every_entry
def test_suffix_is_replaced_and_names_do_not_grow(entry):
    step = class_of(entry)()
    # Steps for JWST's exposures know its suffixes, too.
    known = [*SUFFIXES, "calints", "crfints"] if issubclass(class_of(entry), JwstStep) else SUFFIXES
    for old, suffix in product(known, entry.suffixes):
        path = step.make_output_path(basepath=f"x_{old}.fits", suffix=suffix)
        assert Path(path).name == f"x_{suffix}.fits", old


@every_entry
def test_it_has_a_page_in_the_docs(entry):
    folder = "pipelines" if entry.is_pipeline else "steps"
    page = ROOT / "docs" / folder / f"{entry.alias.removeprefix('coronx_')}.md"
    assert page.is_file()
    text = page.read_text()
    own = ConfigObj(class_of(entry).spec.splitlines(), list_values=False, interpolation=False)
    assert [name for name in own.scalars if name != "suffix" and name not in text] == []


def test_there_are_parameter_files():
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_parameter_file_is_valid(path):
    step = Step.from_config_file(str(path))
    assert type(step).__name__ in {entry.cls for entry in REGISTRY}
    with asdf.open(path) as file:
        parameters = file["parameters"]
    for name, value in parameters.items():
        if name != "steps":
            assert getattr(step, name) == value
