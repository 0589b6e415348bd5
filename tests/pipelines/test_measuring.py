"""What the measuring steps hand on to each other, without the steps themselves."""

from types import SimpleNamespace

import pytest

from coronx.models.reduction import Reduction
from coronx.pipelines._measuring import measure

ONE, OTHER = (
    [{"separation": 1.2, "pa": 40.0}],
    [{"separation": 0.7, "pa": 130.0}, {"separation": 2.0, "pa": 7.5}],
)


class Step:
    """A measuring step that notes what it is told."""

    skip = False
    guess = candidates = None

    def __init__(self, companions=None, products=()):
        self.companions, self.products, self.told = companions, list(products), []

    def run(self, *given):
        self.told.append((self.companions, given[1:]))
        return SimpleNamespace(candidates=self.products.pop(0) if self.products else None)


def measured(monkeypatch, companions):
    recipe = SimpleNamespace(companions=((3.0, 90.0),))
    monkeypatch.setattr(Reduction, "of", lambda *_: SimpleNamespace(recipe=recipe))
    pipeline = SimpleNamespace(
        detect=Step(products=[ONE, OTHER]),
        contrast=Step(companions),
        extract=Step(),
        save_results=False,
    )
    for _ in range(2):
        measure(pipeline, SimpleNamespace(subtracted=[], aligned=[]))
    return pipeline


def test_each_subtraction_has_its_own_candidates(monkeypatch):
    pipeline = measured(monkeypatch, None)
    assert [companions for companions, _ in pipeline.contrast.told] == [
        ["3.000:90.00", "1.200:40.00"],
        ["3.000:90.00", "0.700:130.00", "2.000:7.50"],
    ]
    assert [given for _, given in pipeline.extract.told] == [(None, ONE), (None, OTHER)]
    assert pipeline.contrast.companions is None


@pytest.mark.parametrize("given", [[], ["0.5:10"]])
def test_companions_that_are_given_stay(monkeypatch, given):
    pipeline = measured(monkeypatch, given)
    assert [companions for companions, _ in pipeline.contrast.told] == [given, given]
