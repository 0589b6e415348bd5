from dataclasses import replace

import pytest

from coronx.simulate.exposures import simulate
from coronx.simulate.scene import SCENES, Companion
from tests.simulate.short_scenes import MIRI


@pytest.fixture(scope="session")
def miri(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("miri"), MIRI)


@pytest.fixture(scope="session")
def clean(tmp_path_factory):
    """A NIRCam scene without a star to speak of, noise or flaws: what is left is the companion."""
    scene = replace(
        SCENES["nircam-round"],
        star_jy=1.0,
        companions=(Companion(2.5, 40.0, 10.0),),
        disk=None,
        integrations=1,
        references=0,
        wavelengths=1,
        read_noise_mjy_sr=0.001,
        sky_mjy_sr=0,
        bad_pixel_fraction=0,
        cosmic_rays=0,
        missed_cosmic_rays=0,
        nan_edge_pixels=0,
    )
    return simulate(tmp_path_factory.mktemp("clean"), scene)
