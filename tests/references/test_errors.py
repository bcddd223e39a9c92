"""E1 to E10 beside numpy, scikit-image, scipy and statsmodels."""

import numpy as np
import pytest
from measured import values


def pair(dtype, seed=1):
    """Counts and what a lossy codec could make of them, two frames."""
    random = np.random.RandomState(seed)
    original = random.poisson(20, (2, 61, 47))
    decoded = np.clip(original + random.randint(-3, 4, original.shape), 0, 120)
    return original.astype(dtype), decoded.astype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("step", [None, 1])
def test_abs_equals_numpy(dtype, step):
    a, b = pair(dtype)
    error = b.astype("f8") - a.astype("f8")
    measured = values(["abs"], a, b, step=step)
    assert measured["max_abs_error"] == abs(error).max()
    assert measured["mean_error"] == pytest.approx(error.mean(), rel=1e-12)
    assert measured["mean_abs_error"] == pytest.approx(abs(error).mean(), rel=1e-12)
