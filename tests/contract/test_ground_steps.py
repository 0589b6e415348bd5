"""What holds for every step for CCD images; all of it without CRDS and without network."""

import copy
import gc
import hashlib
import socket
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from configobj import ConfigObj
from stpipe import Step

import coronx
from coronx.errors import InputError
from coronx.models.arrays import arrays_of
from coronx.models.ground_color import GroundColorModel
from coronx.models.ground_image import GroundImageModel, tables_of
from coronx.models.ground_reading import open_frame
from coronx.models.ground_wcs import wcs_of
from coronx.refdata.plate_solvers import Solution
from coronx.steps.ground import solve_astrometry
from coronx.steps.ground._base import GroundGuest
from tests.contract.ground_inputs import NAN, SPIKE, blemish, ground_inputs, models_of
from tests.contract.model_state import assert_same, frozen
from tests.contract.registry_rows import GROUND_STEPS, class_of

every_step = pytest.mark.parametrize("entry", GROUND_STEPS, ids=lambda entry: entry.name)
# What is done is known by other marks than the step's own, such as flags.
ALSO_ONCE = {"apply_masters", "fix_ccd_bad_pixels", "add_metadata", "find_stars"}
once = [e for e in GROUND_STEPS if class_of(e).once or e.name in ALSO_ONCE]
MASTERS = {"build_master_bias", "build_master_dark", "build_master_flat"}
ANOTHER_SKY = MASTERS | {"solve_astrometry", "resample_to_wcs"}
# Beside the images: what they say together.
BESIDE = {
    "find_bad_columns": {"dark_badcols.yaml"},
    "measure_quality": {"set_quality.ecsv", "set_quality_asn.json"},
    "filter_quality": {"judged_passed.ecsv", "judged_passed_asn.json"},
    "resample_to_wcs": {"two_resampled_asn.json"},
    "compose_rgb": {"rgb_rgb.png"},
}


@pytest.fixture(scope="module", autouse=True)
def alone_in_the_world():
    """Hide CRDS, and forbid the network; the program that solves astrometry is a stand-in."""

    def refuse(*_args, **_options):
        raise AssertionError("the network was asked")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("CRDS_PATH", "CRDS_SERVER_URL"):
            patch.delenv(name, raising=False)
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield patch


@pytest.fixture(scope="module")
def inputs(alone_in_the_world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ground")
    given = ground_inputs(folder)
    gc.freeze()  # every run of a step collects garbage
    there = wcs_of(open_frame(folder / "b_cal.fits"))
    alone_in_the_world.setattr(solve_astrometry, "choose_solver", lambda *_: "package")
    alone_in_the_world.setattr(solve_astrometry, "solve_field", lambda *_, **__: Solution(there))
    return given


def state(model):
    tree, arrays = frozen(model)
    kept = {key: copy.deepcopy(model.instance.get(key)) for key in ("extra_fits", "history")}
    return tree | kept, arrays | {name: table.copy() for name, table in tables_of(model).items()}


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path, hashlib.sha256(path.read_bytes()).digest()) for path in files]


@pytest.fixture(scope="module")
def done(inputs, tmp_path_factory):
    """Return a function that runs a step on files by strun's own entry, once.

    Its parameters are in a file, and its products are kept.
    """
    runs = {}

    def run(entry):
        if entry.name not in runs:
            given, folder = inputs[entry.name], tmp_path_factory.mktemp(entry.name)
            parameters, out = folder / "parameters.asdf", folder / "out"
            class_of(entry)(**given.options).export_config(str(parameters))
            before = digests(given.path.parent)
            arguments = ["--save_results=true", f"--output_dir={out}"]
            step = Step.from_cmdline([str(parameters), str(given.path), *arguments])
            assert type(step) is class_of(entry)
            after, made = digests(given.path.parent), sorted(out.glob("*.fits"))
            kind = GroundColorModel if entry.name == "compose_rgb" else GroundImageModel
            runs[entry.name] = SimpleNamespace(
                given=given, folder=out, before=before, after=after,
                result=[kind(str(path)) for path in made],
            )  # fmt: skip
        return runs[entry.name]

    yield run
    for made in runs.values():
        for model in made.result:
            model.close()


@pytest.fixture(scope="module")
def again(done):
    """Return a function that runs a step on models within a pipeline, once."""
    runs = {}

    def run(entry):
        if entry.name not in runs:
            given = done(entry).given
            opened = given.opened()
            before = [state(model) for model in models_of(opened)]
            step = class_of(entry)(parent=GroundGuest(), **given.options)
            result = models_of(step.run(opened))
            after = [state(model) for model in models_of(opened)]
            runs[entry.name] = SimpleNamespace(
                inputs=models_of(opened), result=result, before=before, after=after
            )
        return runs[entry.name]

    return run


def assert_same_pixels(mine, others):
    assert len(mine) == len(others)
    for one, other in zip(mine, others, strict=True):
        arrays, theirs = arrays_of(one) | tables_of(one), arrays_of(other) | tables_of(other)
        assert arrays.keys() == theirs.keys()
        for name, values in arrays.items():
            if values.dtype.names:
                assert values.dtype == theirs[name].dtype
                assert values.tobytes() == theirs[name].tobytes(), name
            else:
                np.testing.assert_array_equal(values, theirs[name], err_msg=name)


@every_step
def test_inputs_are_left_alone(done, again, entry):
    assert done(entry).before == done(entry).after
    run = again(entry)
    for before, after in zip(run.before, run.after, strict=True):
        assert_same(before, after)
    for made in run.result:
        for model in run.inputs:
            assert made is not model
            theirs = arrays_of(model)
            for name in theirs.keys() & arrays_of(made).keys():
                assert not np.may_share_memory(arrays_of(made)[name], theirs[name]), name


@every_step
def test_of_files_by_strun_as_of_models_in_a_pipeline(done, again, entry):
    assert_same_pixels(done(entry).result, again(entry).result)


@every_step
def test_products_are_named_after_the_inputs(done, entry):
    run = done(entry)
    named = [run.given.path.name] if len(run.result) == 1 else ["a.fits", "b.fits", "c.fits"]
    stems = [name.partition(".")[0].rpartition("_")[0] or Path(name).stem for name in named]
    images = [f"{stem}_{class_of(entry)().suffix}.fits" for stem in stems[: len(run.result)]]
    written = {path.name for path in run.folder.iterdir()}
    assert written == {*images, *BESIDE.get(entry.name, ())}


@every_step
def test_status_version_and_parameters_are_recorded(done, entry):
    own = ConfigObj(class_of(entry).spec.splitlines(), list_values=False, interpolation=False)
    for model in done(entry).result:
        assert model.meta.coronx_version == coronx.__version__
        told = "".join(line["description"] for line in model.instance["history"]["entries"])
        assert f"{entry.alias} (coronx {coronx.__version__}): " in told
        assert [name for name in own.scalars if f"'{name}'" not in told] == []
    for path in done(entry).folder.glob("*.fits"):
        header = fits.getheader(path)
        assert header[entry.status] == "COMPLETE"
        assert header["CRXVER"] == coronx.__version__
        assert f"{entry.alias} (coronx" in " ".join(map(str, header["HISTORY"]))


@every_step
def test_other_cards_and_the_place_in_the_sky_are_kept(done, entry):
    for path in done(entry).folder.glob("*.fits"):
        assert fits.getheader(path)["FOCUSPOS"] == 4321
    first = models_of(done(entry).given.opened())[0]
    own = wcs_of(done(entry).result[0])
    if entry.name in MASTERS:
        assert own is None  # of many pointings
    elif entry.name not in ANOTHER_SKY and wcs_of(first) is not None:
        places = [(0, 5, 90), (3, 70, 110)]
        np.testing.assert_allclose(
            own.all_pix2world(*places, 0), wcs_of(first).all_pix2world(*places, 0), rtol=1e-12
        )


@pytest.mark.parametrize("entry", once, ids=lambda entry: entry.name)
def test_twice_is_once(done, entry):
    run = done(entry)
    again = class_of(entry).call(run.result[0], **run.given.options)
    assert again is not run.result[0]
    assert_same_pixels([again], run.result)


@every_step
def test_a_bad_pixel_does_not_spread(done, entry):
    run = done(entry)
    opened = run.given.opened()
    blemish(models_of(opened)[0])
    made = models_of(class_of(entry).call(opened, **run.given.options))
    plain, spoilt = run.result[0], made[0]
    data, clean = (np.asarray(m.data).reshape(-1, *m.shape[-2:])[0] for m in (spoilt, plain))
    y, x = np.indices(clean.shape)
    far = np.ones(clean.shape, bool)
    for row, column in (NAN, SPIKE):
        far &= np.hypot(y - row, x - column) > 10
    np.testing.assert_array_equal(np.isnan(data[far]), np.isnan(clean[far]))
    noise = 1.4826 * np.nanmedian(np.abs(clean - np.nanmedian(clean)))
    assert np.nanmax(np.abs(data - clean)[far]) < 0.1 * noise
    assert np.isnan(data).sum() - np.isnan(clean).sum() <= 60
    # What is not flagged holds a value, and not that of the pixel that was.
    usable = (np.asarray(spoilt.dq).reshape(-1, *spoilt.shape[-2:])[0] & 1) == 0
    assert np.isfinite(data[usable]).all()
    assert np.abs(data - clean)[usable].max() < 0.2 * 5e4


@every_step
def test_an_image_without_a_value_is_refused_or_stays_without(done, entry):
    given = done(entry).given
    opened = given.opened()
    first = models_of(opened)[0]
    first.data = np.full_like(first.data, np.nan)
    try:
        made = models_of(class_of(entry)(parent=GroundGuest(), **given.options).run(opened))
    except InputError as err:
        assert str(first.meta.filename) in str(err)
        assert ";" in str(err)
    else:
        assert np.isnan(made[0].data).all()


def test_it_runs_by_strun_in_a_process_of_its_own(done, strun, tmp_path):
    (entry,) = (entry for entry in GROUND_STEPS if entry.name == "build_master_bias")
    run = done(entry)
    parameters = tmp_path / "parameters.asdf"
    class_of(entry)(**run.given.options).export_config(str(parameters))
    ended = strun(
        parameters, run.given.path, "--save_results=true", f"--output_dir={tmp_path}",
        CRDS_PATH=None,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    for path in run.folder.glob("*.fits"):
        assert_same_pixels([open_frame(tmp_path / path.name)], run.result)
