"""All that is in a model, to tell whether it was changed."""

import numpy as np


def frozen(model):
    """Return all that is in a model, for comparison later."""
    tree = model.to_flat_dict(include_arrays=False)
    arrays = {
        name: np.array(values)
        for name in ("data", "err", "dq", "var_poisson", "var_rnoise", "var_flat", "planes")
        if (values := getattr(model, name, None)) is not None
    }
    return tree, arrays


def assert_same(before, after):
    assert before[0] == after[0]
    assert before[1].keys() == after[1].keys()
    for name, values in before[1].items():
        if values.dtype.names:
            assert values.tobytes() == after[1][name].tobytes()
        else:
            np.testing.assert_array_equal(values, after[1][name], err_msg=name)
