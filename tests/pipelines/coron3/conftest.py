import pytest

from tests.pipelines.coron3.quick_runs import quick


@pytest.fixture(scope="session")
def small(tmp_path_factory, make_association):
    """Return an association whose exposures have one integration: it is quicker."""
    return make_association(tmp_path_factory.mktemp("small"), nints=1)


@pytest.fixture(scope="session")
def expected(small):
    return quick(str(small))
