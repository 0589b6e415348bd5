"""What holds for every coronagraphic step, run on the products of the pipeline."""

import numpy as np
import pytest
from astropy.io import fits
from configobj import ConfigObj
from jwst.datamodels import ModelContainer
from jwst.stpipe import Step

import coronx
from tests.contract.coron_products import ASIDE, OPTIONS, READS, STATUS, WRITES
from tests.contract.model_state import assert_same
from tests.contract.product_history import history_of
from tests.contract.registry_rows import CORON_CHANGES, CORON_STEPS, class_of

every_step = pytest.mark.parametrize("entry", CORON_STEPS, ids=lambda entry: entry.alias)


def test_they_are_steps_of_the_host():
    for cls in (*map(class_of, CORON_STEPS), coronx.Coron3Pipeline):
        assert issubclass(cls, Step)
        assert "jwst" in cls.get_stpipe_loggers()


@every_step
def test_inputs_are_left_alone(alone, entry):
    done = alone(entry)
    for before, after in zip(done.before, done.after, strict=True):
        assert_same(before, after)
    several = isinstance(done.result, list | ModelContainer)
    results = done.result if several else [done.result]
    for result in results:
        for model in done.inputs:
            assert result is not model
            if getattr(result, "data", None) is not None and result.data.ndim <= 3:
                assert not np.may_share_memory(result.data, model.data)


# What is asked for a second time is done a second time: another margin, another block.
REPEATED = {"pad_frames", "crop_frames", "coadd_frames", "remove_frames", "inject"}


@pytest.mark.parametrize(
    "entry", [e for e in CORON_CHANGES if e.name not in REPEATED], ids=lambda e: e.alias
)
def test_twice_is_once(alone, entry):
    once = alone(entry).result[:3]
    again = class_of(entry).call(list(once), **OPTIONS.get(entry.alias, {}))
    for before, after in zip(once, again, strict=True):
        assert after is not before
        for name in ("data", "err", "dq"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        assert after.meta.wcsinfo.crpix1 == before.meta.wcsinfo.crpix1
        np.testing.assert_array_equal(after.meta.wcs(9, 9), before.meta.wcs(9, 9))


@pytest.mark.parametrize(
    "entry", [e for e in CORON_STEPS if e.alias not in ASIDE], ids=lambda e: e.alias
)
def test_alone_it_makes_what_it_makes_in_the_pipeline(alone, run_of, entry):
    done = alone(entry)
    for name, suffix in WRITES[entry.alias].items():
        paths = [done.folder / f"{name}.fits"] if entry.status else []
        (path,) = paths or done.folder.glob(f"*_{suffix}.fits")
        with fits.open(path) as ours, fits.open(run_of(entry)[name]) as theirs:
            arrays = [hdu.name for hdu in theirs if hdu.data is not None and hdu.name != "ASDF"]
            assert arrays == [h.name for h in ours if h.data is not None and h.name != "ASDF"]
            for hdu in arrays:
                mine, other = ours[hdu].data, theirs[hdu].data
                if mine.dtype.names:
                    for column in set(mine.dtype.names) - {"exposure"}:
                        np.testing.assert_array_equal(mine[column], other[column], err_msg=hdu)
                else:
                    np.testing.assert_array_equal(mine, other, err_msg=hdu)


@every_step
def test_products_are_named_after_the_input(alone, entry):
    done = alone(entry)
    written = {path.name for path in done.folder.glob("*.fits")}
    if entry.status:
        assert written == {f"{name}.fits" for name in WRITES[entry.alias]}
        return
    stem = str(READS[entry.alias][0] if isinstance(READS[entry.alias][0], str) else "")
    stem = (stem or READS[entry.alias][0][0]).rsplit("_", 1)[0]
    assert written == {f"{stem}_{suffix}.fits" for suffix in entry.suffixes}


@every_step
def test_status_version_and_parameters_are_recorded(alone, entry):
    done = alone(entry)
    for path in done.folder.glob("*.fits"):
        header = fits.getheader(path)
        assert header["CRXVER"] == coronx.__version__
        assert header["CAL_VER"]
        if entry.alias in STATUS:
            assert header[STATUS[entry.alias]] == "COMPLETE"
    path = min(done.folder.glob(f"*_{class_of(entry)().suffix}.fits"))
    history = history_of(path)
    assert f"{entry.alias}(coronx{coronx.__version__})" in history
    own = ConfigObj(class_of(entry).spec.splitlines(), list_values=False, interpolation=False)
    assert [name for name in own.scalars if f"'{name}'" not in history] == []
