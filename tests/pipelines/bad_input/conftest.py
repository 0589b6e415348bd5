import gc
import logging
import shutil

import pytest
from jwst.stpipe import Step

from coronx.errors import InputError
from tests.pipelines.bad_input.altered_members import everything


@pytest.fixture(scope="session")
def good(tmp_path_factory, make_association):
    return make_association(tmp_path_factory.mktemp("good"), nints=1)


@pytest.fixture
def asn(good, tmp_path, monkeypatch):
    """Return an association of its own, whose members may be replaced; run in an empty folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    for path in good.parent.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / good.name).unlink()
    shutil.copy(good, folder)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder / good.name


@pytest.fixture
def refused(tmp_path, caplog):
    """Return a function that runs strun's own entry and checks that it refuses as it should."""

    def run(*args, alias="coronx_coron3"):
        before = everything(tmp_path)
        with pytest.raises(InputError) as caught:
            Step.from_cmdline([alias, *(str(arg) for arg in args)])
        assert caught.value.exit_status == 1
        message = str(caught.value)
        assert "\n" not in message
        assert ";" in message, "what is wrong; what to do"
        assert everything(tmp_path) == before
        return message

    caplog.set_level(logging.ERROR)
    yield run
    gc.collect()
