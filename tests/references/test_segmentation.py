"""Thresholds, overlaps and components beside scikit-image and numpy."""

import numpy as np
import pytest
from measured import shared_data, values
from skimage.filters import threshold_otsu
from skimage.measure import label

METRICS = ["otsu", "segmentation"]


def volume(dtype, seed=5):
    """Two classes with noise, and what a quantiser could make of them."""
    random = np.random.RandomState(seed)
    classes = random.rand(5, 23, 31) > 0.7
    original = random.poisson(np.where(classes, 60, 25))
    decoded = original // 4 * 4 + 1
    scale = 0.37 if np.dtype(dtype).kind == "f" else 1
    return (original * scale).astype(dtype), (decoded * scale).astype(dtype)


def check(a, b, threshold_a, threshold_b):
    measured = values(METRICS, a, b, data_range=1.0)
    assert measured["otsu_threshold"] == threshold_a
    assert measured["otsu_threshold_decoded"] == threshold_b
    in_a = a > threshold_a
    assert measured["volume_fraction"] == pytest.approx(in_a.mean(), rel=1e-15)
    assert measured["components"] == label(in_a).max()
    for in_b, end in [(b > threshold_a, ""), (b > threshold_b, "_own_threshold")]:
        both = (in_a & in_b).sum()
        assert measured["dice" + end] == 2 * both / (in_a.sum() + in_b.sum())
        assert measured["jaccard" + end] == both / (in_a | in_b).sum()
        change = 100 * (in_b.sum() / in_a.sum() - 1)
        assert measured["volume_change_percent" + end] == pytest.approx(change, abs=1e-9)
        assert measured["components_decoded" + end] == label(in_b).max()


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f8"])
def test_segmentation_equals_scikit_image(dtype):
    a, b = volume(dtype)
    check(a, b, threshold_otsu(a), threshold_otsu(b))


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f8"])
@pytest.mark.parametrize("seed", range(4))
def test_otsu_of_flat_distributions(dtype, seed):
    random = np.random.RandomState(seed)
    a = (random.rand(2, 50, 50) * 100 - 30 * (dtype != "u1")).astype(dtype)
    b = (a * 0.9).astype(dtype)
    measured = values(["otsu"], a, b)
    assert measured["otsu_threshold"] == threshold_otsu(a)
    assert measured["otsu_threshold_decoded"] == threshold_otsu(b)


def test_f32_differs_by_the_rounding_of_the_threshold():
    a, b = volume("f4")
    measured = values(["otsu"], a, b)
    # scikit-image's bin centres are f32 here.
    assert measured["otsu_threshold"] == pytest.approx(threshold_otsu(a), rel=1e-6)
    assert measured["otsu_threshold"] == threshold_otsu(a.astype("f8"))


@pytest.mark.parametrize("name", ["bone", "shell"])
def test_segmentation_of_a_bone(name):
    a = shared_data("ct-bone-shell", name)[:64]
    b = (a // 3 * 3 + 1).astype("u1")
    check(a, b, threshold_otsu(a), threshold_otsu(b))


def test_segmentation_of_a_tooth():
    a = shared_data("tomo-aps-tooth-fbp", "volume").astype("f8")
    step = a.std() / 3
    b = np.round(a / step) * step
    check(a, b, threshold_otsu(a), threshold_otsu(b))


def test_segmentation_of_a_tooth_in_f32():
    a = shared_data("tomo-aps-tooth-fbp", "volume")
    measured = values(METRICS, a, a)
    assert measured["otsu_threshold"] == threshold_otsu(a.astype("f8"))
    assert measured["otsu_threshold"] == pytest.approx(threshold_otsu(a), rel=1e-5)
    assert measured["dice"] == 1
