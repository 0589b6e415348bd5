"""Exposures one by one, or together: what every step that changes exposures is given."""

import json

import numpy as np
import pytest
from jwst import datamodels
from jwst.datamodels import ModelContainer

from coronx.errors import InputError
from coronx.models.members import role_of
from coronx.steps.coron._base import CoronStep


class Doubling(CoronStep):
    """Double the data; what is named dark is skipped."""

    class_alias = "coronx_blur_frames"  # a name that the schema has a status for

    spec = """
        suffix = string(default='blurred')  # Suffix
    """

    def process(self, init):
        return self.each(init, self._double)

    def _double(self, model):
        result = self.copy_of(model)
        if "dark" in model.meta.filename:
            self.mark(result, "SKIPPED")
        else:
            result.data = 2.0 * model.data
        return result


class DoublingOnce(Doubling):
    once = True


class FirstAlone(Doubling):
    def process(self, init):
        return self.together(init, lambda models: [self._double(models[0])])


@pytest.fixture
def exposure(make_exposure):
    return make_exposure("x_calints.fits", nints=1, blemishes=False)


def status(model):
    return model.meta.coronx.blur_frames


def test_a_model_gives_a_new_model(exposure):
    before = exposure.data.copy()
    result = Doubling.call(exposure)
    np.testing.assert_array_equal(exposure.data, before)
    np.testing.assert_array_equal(result.data, 2.0 * before)
    assert status(result) == "COMPLETE"
    assert result.meta.wcs is not None


def test_a_file_gives_a_file(exposure, tmp_path):
    exposure.save(str(tmp_path / "x_calints.fits"))
    Doubling.call(str(tmp_path / "x_calints.fits"), save_results=True, output_dir=str(tmp_path))
    with datamodels.open(str(tmp_path / "x_blurred.fits")) as made:
        np.testing.assert_array_equal(made.data, 2.0 * exposure.data)
        assert made.meta.instance["coronx"]["blur_frames"] == "COMPLETE"


def test_an_association_gives_products_and_an_association(make_association, tmp_path):
    asn = make_association(tmp_path, nints=1)
    out = tmp_path / "out"
    result = Doubling.call(str(asn), save_results=True, output_dir=str(out))
    assert isinstance(result, ModelContainer)
    assert [role_of(model) for model in result] == ["science"] * 2 + ["psf"] * 3
    made = out / "target_f356w_blurred_asn.json"
    table = json.loads(made.read_text())
    members = table["products"][0]["members"]
    old = json.loads(asn.read_text())["products"][0]["members"]
    assert [m["expname"] for m in members] == [
        m["expname"].replace("calints", "blurred") for m in old
    ]
    assert [m["exptype"] for m in members] == [m["exptype"] for m in old]
    assert {path.name for path in out.iterdir()} == {made.name, *(m["expname"] for m in members)}
    # The new association is as good as the old, and its suffix does not grow.
    Doubling.call(str(made), save_results=True, output_dir=str(tmp_path / "again"))
    with (
        datamodels.open(str(tmp_path / "again" / members[2]["expname"])) as twice,
        datamodels.open(str(tmp_path / old[2]["expname"])) as first,
    ):
        np.testing.assert_array_equal(twice.data, 4.0 * first.data)
    assert (tmp_path / "again" / "target_f356w_blurred_asn.json").is_file()


def test_lists_and_containers(exposure, make_exposure, tmp_path):
    other = make_exposure("y_calints.fits", seed=3, nints=1, is_psf=True, blemishes=False)
    other.copy().save(str(tmp_path / "y_calints.fits"))
    listed = Doubling.call([exposure, str(tmp_path / "y_calints.fits")])
    contained = Doubling.call(ModelContainer([exposure, other]))
    for made in (listed, contained):
        assert [model.meta.filename for model in made] == ["x_calints.fits", "y_calints.fits"]
        assert [role_of(model) for model in made] == ["science", "psf"]
        np.testing.assert_array_equal(made[1].data, 2.0 * other.data)


def test_one_output_file_is_not_enough_for_two(exposure, make_exposure, tmp_path):
    other = make_exposure("y_calints.fits", seed=3, nints=1, blemishes=False)
    with pytest.raises(InputError, match="one name for 2 exposures"):
        Doubling.call([exposure, other], output_file=str(tmp_path / "z.fits"))


def test_done_is_done_where_the_step_says_so(exposure, caplog):
    once = DoublingOnce.call(exposure)
    again = DoublingOnce.call(once)
    np.testing.assert_array_equal(again.data, 2.0 * exposure.data)
    assert again is not once
    assert "x_calints.fits: coronx_blur_frames was done before; left as it is" in caplog.text
    np.testing.assert_array_equal(Doubling.call(once).data, 4.0 * exposure.data)


def test_the_order_is_kept_when_some_were_done(exposure, make_exposure):
    other = make_exposure("y_calints.fits", seed=3, nints=1, blemishes=False)
    third = make_exposure("w_calints.fits", seed=4, nints=1, blemishes=False)
    made = DoublingOnce.call([DoublingOnce.call(exposure), other, DoublingOnce.call(third)])
    assert [m.meta.filename[0] for m in made] == ["x", "y", "w"]
    np.testing.assert_array_equal(made[0].data, 2.0 * exposure.data)


def test_skipped_is_told_and_not_done(make_exposure):
    dark = make_exposure("dark_calints.fits", nints=1, blemishes=False)
    result = DoublingOnce.call(dark)
    assert status(result) == "SKIPPED"
    result.meta.filename = "light_calints.fits"
    again = DoublingOnce.call(result)
    assert status(again) == "COMPLETE"
    np.testing.assert_array_equal(again.data, 2.0 * dark.data)


def test_what_is_left_out_is_not_in_the_association(make_association, tmp_path):
    asn = make_association(tmp_path, nints=1)
    result = FirstAlone.call(str(asn), save_results=True, output_dir=str(tmp_path / "out"))
    assert len(result) == 1
    (made,) = (tmp_path / "out").glob("*_asn.json")
    assert len(json.loads(made.read_text())["products"][0]["members"]) == 1


def test_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="no exposure"):
        Doubling.call([])
    with pytest.raises(InputError, match="no such file"):
        Doubling.call(str(tmp_path / "none_calints.fits"))
