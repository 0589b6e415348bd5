import numpy as np
import pytest

from coronx import CombineImagesStep, FindStarsStep, ResampleToWcsStep
from coronx.models.ground_registration import PLANE, any_wcs_of, register_frames
from coronx.ops.light_registration import refine_by_light
from coronx.steps.ground import resample_to_wcs


@pytest.mark.realdata
def test_frames_on_each_other_and_combined(realdata, monkeypatch):
    paths = sorted((realdata / "ground" / "m13").glob("*.fits"))
    stars = FindStarsStep.call([str(path) for path in paths], fwhm=8.0, threshold=4.0)
    assert all(image.meta.ground.pedestal == -500 for image in stars)
    registered = []

    def register(*args, **options):
        registered.append(register_frames(*args, **options))
        return registered[-1]

    monkeypatch.setattr(resample_to_wcs, "register_frames", register)
    moved = ResampleToWcsStep.call(stars, method="interp")
    # By the light of all, with other widths and ways round: 11.6, -0.7 and 24.4, -3.2.
    (ways,) = registered
    starts = [each.wcs_pix2world([[0.0, 0.0]], 0)[0] - 1 for each in ways]
    np.testing.assert_allclose(starts[1], (11.6, -0.7), atol=0.35)
    np.testing.assert_allclose(starts[2], (24.4, -3.2), atol=0.35)
    there = refine_by_light(
        stars[2].data, stars[1].data, np.eye(2), starts[2] - starts[1], sigma=4.0
    )
    assert there.error < 0.25
    np.testing.assert_allclose(there.offset, starts[2] - starts[1], atol=0.3)

    assert len({image.shape for image in moved}) == 1
    assert all(any_wcs_of(image).wcs.name == PLANE for image in moved)
    found = CombineImagesStep.call(moved, offset="median")
    assert found.inputs.size == 3
    # PEDESTAL is off: the sky is at some 12 ADU, not at 512.
    assert 0 < np.nanmedian(found.data) < 30
    inner = (slice(700, 1000), slice(100, 1200))
    each = [np.nanstd(image.data[inner]) for image in moved]
    together = np.sqrt(np.sum((found.inputs["weight"] * each) ** 2))
    assert np.nanstd(found.data[inner]) == pytest.approx(together, rel=0.1)
