import logging

import numpy as np
import pytest
from stdatamodels.jwst.datamodels import CubeModel

from coronx.errors import InputError
from coronx.models.background_choice import find_backgrounds


def exposure(name, kind, target, *, place=(100.0, 20.0), start=60000.0, observation="001"):
    model = CubeModel(data=np.zeros((1, 2, 2), "f4"))
    meta = model.meta
    meta.filename, meta.asn.exptype = name, kind
    meta.target.catalog_name = target
    meta.target.ra, meta.target.dec = place
    meta.exposure.start_time, meta.exposure.end_time = start, start + 0.01
    meta.observation.program_number, meta.observation.observation_number = "01277", observation
    return model


def names(models):
    return [model.meta.filename for model in models]


SCI1 = exposure("s1", "science", "HD 106906")
SCI2 = exposure("s2", "science", "HD-106906", start=60000.1)
PSF1 = exposure("p1", "psf", "HD 1", place=(120.0, 10.0))
PSF2 = exposure("p2", "psf", "HD 22", place=(140.0, 10.0))
BKG = exposure("b", "background", "UNKNOWN", place=(100.01, 20.0))
EVERYTHING = [SCI1, SCI2, PSF1, BKG]


def test_the_role_comes_first():
    of_psf = exposure("pb", "psf_background", "HD 106906 BKG")
    models = [*EVERYTHING, of_psf]
    assert names(find_backgrounds(SCI1, models)) == ["b"]
    assert names(find_backgrounds(SCI2, models)) == ["b"]
    assert names(find_backgrounds(PSF1, models)) == ["pb"]


def test_of_one_star_all_are_taken():
    more = exposure("b2", "background", "SOMETHING ELSE", place=(200.0, 0.0))
    assert names(find_backgrounds(SCI1, [*EVERYTHING, more])) == ["b", "b2"]


def test_of_several_stars_the_name_decides():
    one = exposure("one", "psf_background", "HD-1-BKG", place=(140.0, 10.0))
    two = exposure("two", "psf_background", "HD22 Background", place=(120.0, 10.0))
    models = [PSF1, PSF2, one, two]
    assert names(find_backgrounds(PSF1, models)) == ["one"]
    assert names(find_backgrounds(PSF2, models)) == ["two"]


def test_else_the_place_on_the_sky():
    one = exposure("one", "psf_background", "UNKNOWN", place=(120.02, 10.0))
    two = exposure("two", "psf_background", None, place=(139.98, 10.0))
    models = [PSF1, PSF2, one, two]
    assert names(find_backgrounds(PSF1, models)) == ["one"]
    assert names(find_backgrounds(PSF2, models)) == ["two"]


def test_else_the_time_with_a_warning(caplog):
    first = exposure("one", "psf_background", "HD 22 BKG", start=60000.5, observation="007")
    again = exposure("three", "psf_background", "HD 22 BKG", start=60000.6, observation="007")
    later = exposure("two", "psf_background", "HD 22 BKG", start=60009.0, observation="008")
    with caplog.at_level(logging.WARNING):
        found = find_backgrounds(PSF1, [PSF1, PSF2, first, later, again])
    assert names(found) == ["one", "three"]
    assert "nearest in time, one" in caplog.text


def test_without_any_the_target_is_named():
    """The peer raises nothing."""
    with pytest.raises(
        InputError, match=r"^p1: no background exposure of HD 1; add one .*psf_back"
    ):
        find_backgrounds(PSF1, [SCI1, PSF1])


def test_the_other_kind_only_if_allowed(caplog):
    with pytest.raises(InputError, match=r"^p1: .*exptype background; .*--allow_other=true"):
        find_backgrounds(PSF1, EVERYTHING)
    with caplog.at_level(logging.WARNING):
        assert names(find_backgrounds(PSF1, EVERYTHING, allow_other=True)) == ["b"]
    assert "p1: no member of exptype psf_background; background is taken" in caplog.text
