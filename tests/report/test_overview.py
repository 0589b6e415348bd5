import pytest

from coronx.errors import InputError
from coronx.report.__main__ import main
from coronx.report.overview import draw_overview


def test_missing_product_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no jw01_02_03_nrcalong\*_psfsub.fits in it"):
        draw_overview(
            tmp_path / "jw01_02_03_nrcalong_calints.fits", tmp_path, tmp_path / "overview.png"
        )


def test_command_line_needs_its_files(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "science" in capsys.readouterr().err
