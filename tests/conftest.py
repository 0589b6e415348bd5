import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Return the folder of real frames, or skip."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CORONX_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set CORONX_DATA to the folder that has them")
    return folder
