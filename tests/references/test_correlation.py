"""Correlation over time beside scikit-beam, dynamix's definition and scipy."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from measured import REPO, outcome, shared_data
from scipy.optimize import curve_fit

sys.path.insert(0, str(REPO / "tests"))
from programs import missing  # noqa: E402

SCIKIT_BEAM = REPO / ".venv-metrics-numpy1/bin/python"
REGIONS = [{"rectangle": [2, 1, 15, 15]}, {"ring": {"center": [24.5, 16.5], "radii": [5, 9]}}]


def speckle(frames=150, shape=(33, 41), rate=0.02, modes=3, mean=0.5, seed=3):
    """Counts of a speckle pattern that changes: fields are AR(1), so g2 = 1 + exp(-2 rate lag) / modes."""
    random = np.random.RandomState(seed)
    field = random.normal(size=(2, modes) + shape)
    stack = np.empty((frames,) + shape)
    for frame in range(frames):
        stack[frame] = random.poisson(mean * (field**2).sum((0, 1)) / (2 * modes))
        step = random.normal(size=field.shape)
        field = np.exp(-rate) * field + np.sqrt(1 - np.exp(-2 * rate)) * step
    return stack.astype("u2")


def labels(shape):
    """REGIONS as scikit-beam takes them."""
    y, x = np.indices(shape)
    rectangle = (x >= 2) & (x < 15) & (y >= 1) & (y < 15)
    radius = np.hypot(x + 0.5 - 24.5, y + 0.5 - 16.5)
    ring = (radius >= 5) & (radius < 9)
    assert not (rectangle & ring).any()
    return rectangle + 2 * ring


def scikit_beam(stack, labels, levels, buffers, folder):
    """lags, g2 by lag and region."""
    if not SCIKIT_BEAM.exists():
        missing("no scikit-beam at %s" % SCIKIT_BEAM)
    np.save(folder / "stack.npy", stack)
    np.save(folder / "labels.npy", labels)
    script = Path(__file__).with_name("scikit_beam_g2.py")
    paths = [folder / "stack.npy", folder / "labels.npy", levels, buffers, folder / "out.npz"]
    subprocess.run([SCIKIT_BEAM, script, *map(str, paths)], check=True)
    with np.load(folder / "out.npz") as out:
        return out["lags"], out["g2"]


def dense_correlator(stack, inside):
    """The definition of dynamix's py_dense_correlator, for lags from 0, in f64 where dynamix computes in f32."""
    pixels = stack[:, inside].astype("f8")
    products = pixels @ pixels.T / pixels.shape[1]
    means = np.outer(pixels.mean(1), pixels.mean(1))
    return np.array([np.trace(products, lag) / np.trace(means, lag) for lag in range(len(stack))])


def curves(answer, name, which, count):
    y = answer["curves"][name]["y"]
    return np.stack([y["region %d %s" % (region, which)] for region in range(count)], axis=1)


@pytest.mark.parametrize("levels,buffers", [(1, 30), (4, 8), (5, 16)])
@pytest.mark.parametrize("mean", [0.02, 0.5, 100])
def test_g2_equals_scikit_beam(levels, buffers, mean, tmp_path):
    stack = speckle(mean=mean)
    correlation = {"levels": levels, "buffers": buffers, "frame_time_s": 0.25}
    answer = outcome(["g2"], stack, step=7, regions=REGIONS, correlation=correlation)
    lags, g2 = scikit_beam(stack, labels(stack.shape[1:]), levels, buffers, tmp_path)
    assert answer["curves"]["g2"]["x"] == pytest.approx(lags * 0.25, rel=1e-15)
    assert curves(answer, "g2", "original", 2) == pytest.approx(g2, rel=1e-12)


def test_g2_of_both_datasets_and_their_change(tmp_path):
    a = speckle(frames=60)
    b = np.minimum(a, 2).astype("u2")
    correlation = {"levels": 2, "buffers": 8}
    answer = outcome(["g2"], a, b, regions=REGIONS, correlation=correlation)
    of_a = scikit_beam(a, labels(a.shape[1:]), 2, 8, tmp_path)[1]
    of_b = scikit_beam(b, labels(a.shape[1:]), 2, 8, tmp_path)[1]
    assert curves(answer, "g2", "decoded", 2) == pytest.approx(of_b, rel=1e-12)
    change = (of_b - of_a)[1:]
    assert answer["values"]["g2_max_change"] == pytest.approx(abs(change).max(), rel=1e-10)
    assert answer["values"]["g2_rms_change"] == pytest.approx(np.sqrt((change**2).mean()), rel=1e-10)


@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_g2_by_frame_equals_dynamix(dtype):
    stack = speckle().astype(dtype)
    correlation = {"levels": 1, "buffers": 150}
    answer = outcome(["g2_by_frame"], stack, regions=REGIONS, correlation=correlation)
    measured = curves(answer, "g2_by_frame", "original", 2)
    for region in range(2):
        expected = dense_correlator(stack, labels(stack.shape[1:]) == region + 1)
        assert measured[:, region] == pytest.approx(expected, rel=1e-12)


def test_g2_of_detector_frames(tmp_path):
    """Frames of a LAMBDA detector with its negative mask values, whose dead pixels are dead throughout."""
    stack = shared_data("lambda-m1-series", "data")[:, :200, :300]
    mask = [float(value) for value in np.unique(stack[stack < 0])]
    inside = (stack >= 0).all(0)
    correlation = {"levels": 2, "buffers": 16}
    answer = outcome(["g2", "g2_by_frame"], stack, step=9, correlation=correlation, mask=mask)
    lags, g2 = scikit_beam(stack, inside.astype(int), 2, 16, tmp_path)
    assert answer["curves"]["g2"]["x"].tolist() == lags.tolist()
    assert curves(answer, "g2", "original", 1) == pytest.approx(g2, rel=1e-12)
    by_frame = curves(answer, "g2_by_frame", "original", 1)[:16, 0]
    assert by_frame == pytest.approx(dense_correlator(stack, inside)[:16], rel=1e-12)


def decay(lag, contrast, rate, baseline):
    return contrast * np.exp(-2 * rate * lag) + baseline


def test_relaxation_equals_curve_fit():
    a = speckle(frames=300, mean=2)
    b = np.minimum(a // 2 * 2, 6).astype("u2")
    correlation = {"levels": 4, "buffers": 8, "frame_time_s": 1e-3}
    answer = outcome(["g2", "relaxation"], a, b, regions=REGIONS, correlation=correlation)
    found = answer["curves"]["relaxation_by_region"]["y"]
    lags = answer["curves"]["g2"]["x"][1:]
    names = ["contrast", "relaxation_rate", "baseline"]
    fits = {}
    for region in range(2):
        for which in ["original", "decoded"]:
            g2 = answer["curves"]["g2"]["y"]["region %d %s" % (region, which)][1:]
            start = g2[0] - g2[-1], 20.0, g2[-1]
            # The defaults stop at relative changes of 1e-8.
            fit = curve_fit(decay, lags, g2, start, ftol=1e-14, xtol=1e-14, gtol=1e-14)
            fits[region, which] = fit[0], np.sqrt(np.diag(fit[1]))
            for at, name in enumerate(names):
                assert found["%s %s" % (name, which)][region] == pytest.approx(fit[0][at], rel=1e-6)
    errors = [fits[region, "original"][1] for region in range(2)]
    for at, name in enumerate(names):
        assert found[name + " error"] == pytest.approx([error[at] for error in errors], rel=1e-4)
        changes = np.array([fits[r, "decoded"][0][at] - fits[r, "original"][0][at] for r in range(2)])
        values = np.array([fits[r, "original"][0][at] for r in range(2)])
        percent, sigma = 100 * changes / values, changes / [error[at] for error in errors]
        for unit, expected in [("percent", percent), ("sigma", sigma)]:
            largest = expected[np.argmax(abs(expected))]
            measured = answer["values"]["%s_change_%s" % (name, unit)]
            assert measured == pytest.approx(largest, rel=1e-3, abs=1e-5)


def test_two_time_equals_numpy():
    a = speckle(frames=40)
    b = np.minimum(a, 1).astype("u2")

    def two_time(stack):
        pixels = stack[:, labels(a.shape[1:]) == 1].astype("f8")
        means = pixels.mean(1)
        return pixels @ pixels.T / pixels.shape[1] / np.outer(means, means)

    change = (two_time(b) - two_time(a))[~np.eye(40, dtype=bool)]
    answer = outcome(["two_time"], a, b, step=3, regions=REGIONS[:1])
    assert answer["values"]["two_time_rms_change"] == pytest.approx(np.sqrt((change**2).mean()), rel=1e-12)
    image = np.reshape(answer["images"]["two_time"]["values"], (40, 40))
    assert image == pytest.approx(two_time(a), rel=1e-6)
