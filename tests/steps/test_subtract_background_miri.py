from dataclasses import replace

import numpy as np
import pytest
from jwst import datamodels
from jwst.datamodels import ModelContainer
from stdatamodels.jwst.datamodels.dqflags import pixel

from coronx import SubtractBackgroundStep
from coronx.refdata.field_edges import field_edges
from coronx.refdata.glow_stick import near_glow_sticks, near_star
from coronx.refdata.modes import MODES
from coronx.simulate.exposures import simulate
from coronx.simulate.scene import SCENES


def run(models, **options):
    return SubtractBackgroundStep(**options).process(ModelContainer(models))


@pytest.fixture(scope="module")
def miri(tmp_path_factory):
    """A simulated 4QPM sequence with glow sticks, on whole frames."""
    scene = replace(
        SCENES["miri-4qpm"],
        integrations=2,
        references=1,
        rolls_deg=(63.76,),
        wavelengths=1,
        backgrounds=1,
        glow_stick_mjy_sr=30.0,
    )
    return simulate(tmp_path_factory.mktemp("miri"), scene)


def members_of(miri, mismatch=1.0):
    models = []
    for kind in ("science", "psf", "background", "psf_background"):
        for path in getattr(miri, kind):
            model = datamodels.open(path)
            model.meta.asn.exptype = kind
            if "background" in kind:
                model.data = model.data * np.float32(mismatch)
            models.append(model)
    return models


def sticks_and_sky():
    mode = MODES["miri-1140"]
    place = {"shape": mode.shape, "center": mode.center}
    far = (field_edges(mode) > 0.5) & ~near_star(mode, radius=9.0, **place)
    sticks = near_glow_sticks(mode, half_width=0.3, **place)
    return far & sticks, far & ~near_glow_sticks(mode, half_width=1.2, **place)


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({"scale": "fit"}, 4e-4),
        # The star's uneven halo passes for structure.
        ({"scale": "structure"}, 6e-3),
        ({"scale": "structure", "use_glow_sticks": True}, 6e-3),
    ],
)
def test_miri_4qpm_on_whole_frames(miri, options, tolerance):
    """The peer's masks need cropped frames, and lie elsewhere on whole ones."""
    results = run(members_of(miri, 0.98), **options)
    stick, sky = sticks_and_sky()
    for result in results:
        scale = result.meta.coronx.background_scale
        assert scale == pytest.approx(1 / 0.98, abs=tolerance)
        good = (result.dq[0] & pixel["DO_NOT_USE"]) == 0
        # 0.6 of the sticks and 5 of the sky are left without a factor.
        left = np.median(result.data[0][good & stick]) - np.median(result.data[0][good & sky])
        assert left == pytest.approx(0.0, abs=0.35)
        assert np.median(result.data[0][good & sky]) == pytest.approx(0.1, abs=0.1)


def test_the_frame_s_median_is_in_the_table_and_in_err(miri):
    """The peer leaves ERR and DQ of its MIRI variant untouched."""
    models = members_of(miri)
    for result, model in zip(run(models, scale="structure"), models[:2], strict=True):
        assert result.levels["integration"].tolist() == [1, 2]
        assert np.all(result.levels["sigma"] > 0)
        good = np.isfinite(result.err) & np.isfinite(model.err)
        ratio = result.err[good] / model.err[good]
        assert np.median(ratio) == pytest.approx(np.sqrt(1 + 1 / 2), rel=0.03)
        assert np.all((result.dq & model.dq) == model.dq)
