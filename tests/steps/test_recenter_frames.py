import numpy as np
from coronx import RecenterFramesStep


def test_try(make_exposure):
    m = make_exposure(nints=2, dither=(0.4, -0.3))
    r = RecenterFramesStep.call(m)
    print(
        r.star_places,
        r.meta.coronx.star_x,
        r.meta.coronx.star_source,
        r.meta.coronx.recenter_frames,
    )
