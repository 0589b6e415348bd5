"""What the user sees: one line and status 1, through strun itself."""

import pytest

from tests.pipelines.bad_input.altered_members import PSF, everything

# The host leaves a file that it fails to read to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


def see(strun, tmp_path, *args, **environment):
    before = everything(tmp_path)
    done = strun(*args, **environment)
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    assert "Traceback" not in output
    assert everything(tmp_path) == before
    return "".join(output.split())  # the host wraps what it prints


@pytest.mark.parametrize(
    ("spoil", "args", "environment", "message"),
    [
        (PSF, [], {}, f"its member {PSF} is missing; put it beside the file"),
        (None, [], {"CRDS_PATH": None}, "no PSFMASK reference file (no CRDS cache or server); set"),
        (None, ["--steps.klip.sectors=0"], {}, "'steps/klip/sectors': the value \"0\" is too"),
        (None, ["--output_dir=/proc/none"], {}, "/proc/none: cannot write there"),
    ],
)
def test_strun_says_it_once_and_exits_with_1(
    asn, strun, tmp_path, spoil, args, environment, message
):
    if spoil:
        (asn.parent / spoil).unlink()
    output = see(strun, tmp_path, "coronx_coron3", asn, *args, **environment)
    assert output.count("".join(message.split())) == 1, output
