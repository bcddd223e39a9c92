"""X1 to X3 beside the numpy port of peakfinder8 (tests/peakfinder8.py), numpy and scipy. pyFAI's peak finder is no second
oracle: it needs OpenCL."""

import json
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from measured import EXAMPLES, REPO, Refused, outcome, shared_data, stored
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import linregress, pearsonr

sys.path.insert(0, str(REPO / "tests"))
import peakfinder8  # noqa: E402

SIDE, MASKED = 512, 65535
CENTER = [SIDE / 2 + 3.3, SIDE / 2 - 7.9]
# The constants of the port.
PEAKS = {
    "snr": peakfinder8.SNR,
    "min_pixels": peakfinder8.MIN_PIXELS,
    "max_pixels": peakfinder8.MAX_PIXELS,
    "background_radius": peakfinder8.BACKGROUND_REACH,
}
METRICS = ["peaks", "peak_matching", "peak_intensities"]


def simulated(frames=4, spots=60, seed=11):
    """Stills of serial crystallography: rings of a solvent, spots, gaps between modules."""
    random = np.random.RandomState(seed)
    q = radii((SIDE, SIDE), CENTER) / SIDE
    shape = 2.5 * np.exp(-((q / 0.12) ** 2)) + 1.2 * np.exp(-(((q - 0.31) / 0.045) ** 2)) + 0.15
    valid = (np.arange(SIDE) % 134 < 128)[:, None] & (np.arange(SIDE) % 265 < 256)[None, :]
    stack = np.empty((frames, SIDE, SIDE), "<u2")
    for counts in stack:
        rate = shape * 8 / shape.mean()
        for row, column in random.uniform(8, SIDE - 8, (spots, 2)):
            r, c = int(row), int(column)
            dy, dx = np.mgrid[r - 5 : r + 6, c - 5 : c + 6]
            spot = np.exp(-((dy - row) ** 2 + (dx - column) ** 2) / (2 * 1.1**2))
            rate[r - 5 : r + 6, c - 5 : c + 6] += random.exponential(700) * spot / spot.sum()
        counts[:] = random.poisson(rate)
        counts[~valid] = MASKED
    return stack


def radii(shape, center):
    y, x = np.indices(shape) + 0.5
    return np.hypot(x - center[0], y - center[1])


def coarse(stack, mask_values, step=5):
    """The stack in multiples of `step`, but for masks."""
    return np.where(np.isin(stack, mask_values), stack, stack // step * step + step // 2).astype(stack.dtype)


def port(image, valid, center, threshold=0.0):
    """The port's peaks: rows of (row, column, intensity)."""
    return peakfinder8.find_peaks(image, valid, np.rint(radii(image.shape, center)).astype(int), threshold)


def found(a, b, valid, center, **peaks):
    """Peaks of both frames and the pairs, by Rust."""
    with tempfile.TemporaryDirectory() as folder:
        request = {
            "settings": {"geometry": {"center": center}, "peaks": dict(PEAKS, **peaks)},
            "shape": a.shape,
            "original": stored(a.astype("<f8"), folder, "original"),
            "decoded": stored(b.astype("<f8"), folder, "decoded"),
            "valid": stored(valid.astype("u1"), folder, "valid"),
        }
        command = [EXAMPLES / "find_peaks"]
        done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(done.stderr.strip())
    answer = json.loads(done.stdout)
    lists = [np.array(answer[name]).reshape(-1, 5) for name in ("original", "decoded")]
    return lists, np.array(answer["pairs"]).reshape(-1, 3)


def assert_peaks_equal(ours, reference):
    assert len(ours) == len(reference)
    # The port's groups come in any order.
    nearest = cdist(ours[:, :2], reference[:, :2]).argmin(1)
    assert len(set(nearest)) == len(reference)
    reference = reference[nearest]
    np.testing.assert_allclose(ours[:, :2], reference[:, :2], rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours[:, 2], reference[:, 2], rtol=1e-9)


def assert_equals_port(stack, mask_values, center, least_peaks, threshold=0.0):
    """Peak lists of all frames and of their coarse copies; matching beside scipy."""
    number = 0
    for a, b in zip(stack, coarse(stack, mask_values)):
        valid = ~np.isin(a, mask_values)
        (ours, ours_decoded), pairs = found(a, b, valid, center, threshold=threshold)
        assert_peaks_equal(ours, port(a, valid, center, threshold))
        assert_peaks_equal(ours_decoded, port(b, valid, center, threshold))
        assert_pairs(ours, ours_decoded, pairs)
        number += len(ours)
    print("peaks:", number, "in", len(stack), "frames")
    assert number >= least_peaks


def assignment(a, b, within=2.0):
    """Pairs at most `within` apart: as many as possible, then of the least total distance."""
    distance = cdist(a[:, :2], b[:, :2])
    # A forbidden pair costs more than all allowed ones together.
    cost = np.where(distance <= within, distance, within * (1 + min(distance.shape)))
    rows, columns = linear_sum_assignment(cost)
    allowed = distance[rows, columns] <= within
    return rows[allowed], columns[allowed], distance[rows, columns][allowed]


def assert_pairs(a, b, pairs):
    rows, columns, distance = assignment(a, b)
    near = cdist(a[:, :2], b[:, :2]) <= 2.0
    if near.sum(0).max(initial=0) <= 1 and near.sum(1).max(initial=0) <= 1:
        np.testing.assert_array_equal(pairs[:, 0], rows)
        np.testing.assert_array_equal(pairs[:, 1], columns)
        np.testing.assert_allclose(pairs[:, 2], distance, rtol=1e-12, atol=1e-12)
    else:
        assert len(pairs) <= len(rows)


def test_peaks_of_simulated_stills_are_those_of_the_port():
    assert_equals_port(simulated(), [MASKED], CENTER, 100)
    assert_equals_port(simulated(2), [MASKED], CENTER, 20, threshold=40.0)


def test_peaks_of_floats_are_those_of_the_port():
    stack = simulated(2)
    scaled = np.where(stack == MASKED, -1.0, stack * 0.37 + 11.3)
    valid = scaled[0] > 0
    for a in scaled:
        (ours, decoded), _ = found(a, a, valid, CENTER)
        assert len(ours) > 20 and (ours == decoded).all()
        assert_peaks_equal(ours, port(a, valid, CENTER))


def test_peaks_of_a_real_protein_are_those_of_the_port():
    stack = shared_data("pilatus6m-thaumatin-grid", "/data", slice(0, 3))
    assert_equals_port(stack, [-1, -2], [1231.4, 1263.7], 20)


def test_radii_exclude_as_a_mask_does():
    image = simulated(1)[0]
    radius = radii(image.shape, CENTER)
    valid = image != MASKED
    (ours, _), _ = found(image, image, valid, CENTER, min_radius=60.0, max_radius=200.0)
    reference = port(image, valid & (radius >= 60) & (radius <= 200), CENTER)
    assert len(reference) > 5
    assert_peaks_equal(ours, reference)


@pytest.mark.parametrize("seed", range(3))
def test_numbers_are_those_of_scipy(seed):
    a = simulated(seed=seed)
    b = coarse(a, [MASKED], 7)
    settings = {"geometry": {"center": CENTER}, "peaks": dict(PEAKS, hit_peaks=30), "mask": [MASKED]}
    answer = outcome(METRICS, a, b, step=1, **settings)
    values = answer["values"]
    lists = [found(x, y, x != MASKED, CENTER)[0] for x, y in zip(a, b)]
    pairs = [assignment(x, y) for x, y in lists]
    ours, theirs = (np.array([len(frame[which]) for frame in lists]) for which in (0, 1))
    matched = np.array([len(pair[0]) for pair in pairs])
    first = np.concatenate([x[pair[0]] for (x, _), pair in zip(lists, pairs)])
    second = np.concatenate([y[pair[1]] for (_, y), pair in zip(lists, pairs)])
    total, total_decoded = first[:, 2], second[:, 2]
    line = linregress(total, total_decoded)
    expected = {
        "peaks_found": ours.sum(),
        "peaks_found_decoded": theirs.sum(),
        "peak_recall": matched.sum() / ours.sum(),
        "peak_precision": matched.sum() / theirs.sum(),
        "peak_f1": 2 * matched.sum() / (ours.sum() + theirs.sum()),
        "peak_shift_mean": np.concatenate([pair[2] for pair in pairs]).mean(),
        "false_peaks_per_frame": (theirs - matched).mean(),
        "hit_rate": (ours >= 30).mean(),
        "hit_rate_change": (theirs >= 30).mean() - (ours >= 30).mean(),
        "peak_r_intensity": abs(total - total_decoded).sum() / total.sum(),
        "peak_intensity_correlation": pearsonr(total, total_decoded).statistic,
        "peak_log_intensity_correlation": pearsonr(np.log(total), np.log(total_decoded)).statistic,
        "peak_intensity_slope": line.slope,
        "peak_intensity_intercept": line.intercept,
        "peak_i_over_sigma_change": second[:, 3].mean() / first[:, 3].mean() - 1,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(values[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
    assert 0 < values["peak_recall"] < 1 and values["peak_r_intensity"] > 0
    parts = np.array_split(np.lexsort((total_decoded, total)), 10)
    curve = answer["curves"]["peak_bias"]
    np.testing.assert_allclose(curve["x"], [total[part].mean() for part in parts], rtol=1e-9)
    bias = [(total_decoded[part] - total[part]).sum() / total[part].sum() for part in parts]
    np.testing.assert_allclose(curve["y"]["bias"], bias, rtol=1e-9, atol=1e-12)


def test_masked_values_change_nothing():
    a = simulated(2)
    b = coarse(a, [MASKED])
    settings = {"geometry": {"center": CENTER}, "mask": [MASKED]}
    garbage = np.where(a == MASKED, np.random.RandomState(1).randint(0, 60000, a.shape), b).astype(a.dtype)
    ours, theirs = (outcome(METRICS, a, decoded, **settings) for decoded in (b, garbage))
    np.testing.assert_equal(ours["values"], theirs["values"])


def test_a_missing_centre_is_said():
    with pytest.raises(Refused, match=r"peaks needs geometry.center"):
        outcome(["peaks"], simulated(1))
