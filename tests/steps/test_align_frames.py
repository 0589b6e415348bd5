import numpy as np
import pytest
from stdatamodels.jwst.datamodels import CubeModel
from coronx import AlignFramesStep
from coronx.models.pointing import find_star

def test_try(target, references):
    print(type(target))
    res = AlignFramesStep.call([target, *references], skip=False)
    for r in res:
        print(r.meta.filename, r.frame_shifts, find_star(r), r.meta.coronx.align_frames, r.meta.wcsinfo.crpix1)
