"""E1 to E10 beside numpy, scikit-image, scipy and statsmodels."""

import numpy as np
import pytest
from measured import Refused, outcome, shared_data, values


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


def changed(shape, seed=1, dtype="f8"):
    """Smooth values and what a lossy codec with a correlated error could make of them."""
    random = np.random.RandomState(seed)
    original = random.standard_normal(shape).cumsum(-1) + 1e3
    noise = random.standard_normal(shape)
    return original.astype(dtype), (original + noise + np.roll(noise, 1, -1) + 0.25).astype(dtype)


def close(measured, expected, rel=1e-12):
    assert {name: measured[name] for name in expected} == pytest.approx(expected, rel=rel, abs=1e-15)


def moments(a, b, noise):
    """What numpy, scikit-image and scipy say of two arrays in one dimension."""
    from scipy.stats import pearsonr
    from skimage.metrics import mean_squared_error, normalized_root_mse

    a, b = a.astype("f8"), b.astype("f8")
    e = b - a
    sigma = np.sqrt(np.maximum(noise["gain"] * np.maximum(a - noise["offset"], 0) + noise["read"] ** 2, 1))
    some = a != 0
    return {
        "max_relative_error": abs(e).max() / (a.max() - a.min()),
        "max_pointwise_error": (abs(e[some]) / abs(a[some])).max(),
        "errors_at_zero": np.count_nonzero(e[~some]),
        "max_sigma_error": (abs(e) / sigma).max(),
        "rms_sigma_error": np.sqrt(np.mean((e / sigma) ** 2)),
        "mse": mean_squared_error(a, b),
        "rmse": np.sqrt(mean_squared_error(a, b)),
        "nrmse": normalized_root_mse(a, b, normalization="min-max"),
        "nrmse_euclid": normalized_root_mse(a, b),
        "pearson": pearsonr(a, b).statistic,
    }


MOMENTS = ["rel", "pw", "sigma", "rmse", "pearson"]


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "u8", "f4", "f8"])
def test_moments_equal_references(dtype):
    noise = {"gain": 2.5, "offset": 3.0, "read": 1.5}
    a, b = pair(dtype, 2)
    a[:, :3] = 0
    mask = [17.0, 19.0]
    valid = ~np.isin(a, mask)
    close(values(MOMENTS, a, b, noise=noise, step=1), moments(a.ravel(), b.ravel(), noise))
    close(values(MOMENTS, a, b, noise=noise, mask=mask), moments(a[valid], b[valid], noise))


def test_a_small_variance_on_a_large_mean_keeps_its_digits():
    random = np.random.RandomState(3)
    a = random.standard_normal((2, 300, 301)) + 1e6
    b = a + 0.1 * random.standard_normal(a.shape)
    expected = np.corrcoef((a - 1e6).ravel(), (b - 1e6).ravel())[0, 1]
    assert values(["pearson"], a, b)["pearson"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_psnr_equals_scikit_image(dtype):
    from skimage.metrics import peak_signal_noise_ratio

    a, b = pair(dtype)
    wide = a.astype("f8")
    low, high = np.percentile(wide, [0.1, 99.9])
    measured = values(["psnr"], a, b, step=1)
    assert measured["data_range"] == pytest.approx(high - low, rel=1e-15)
    expected = peak_signal_noise_ratio(wide, b.astype("f8"), data_range=high - low)
    assert measured["psnr"] == pytest.approx(expected, abs=1e-9)
    given = values(["psnr"], a, b, data_range=255.0)
    assert given["data_range"] == 255
    expected = peak_signal_noise_ratio(wide, b.astype("f8"), data_range=255)
    assert given["psnr"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("step", [None, 1])
def test_distances_equal_scipy(dtype, step):
    from scipy.stats import ks_2samp, wasserstein_distance

    a, b = changed((3, 50, 61)) if dtype[0] == "f" else pair(dtype)
    a, b = a.astype(dtype), b.astype(dtype)
    measured = values(["ks", "earth_mover"], a, b, step=step)
    wide = a.ravel().astype("f8"), b.ravel().astype("f8")
    assert measured["ks_distance"] == pytest.approx(ks_2samp(*wide, method="asymp").statistic, abs=1e-12)
    assert measured["earth_mover_distance"] == pytest.approx(wasserstein_distance(*wide), rel=1e-9)


def test_distances_refuse_what_does_not_fit_in_memory():
    a, b = changed((8, 256, 256))
    with pytest.raises(Refused, match="memory_bytes"):
        values(["ks"], a, b, memory_bytes=1 << 20)


def acf(e, axis, lags, valid):
    """The definition, with numpy."""
    e = np.where(valid, e - e[valid].mean(), 0)
    e = np.moveaxis(e, axis, 0)
    return [(e[:-lag] * e[lag:]).sum() / (e**2).sum() for lag in range(1, lags + 1)]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("step", [None, 1])
def test_error_acf_equals_numpy(masked, step):
    a, b = changed((7, 31, 43))
    if masked:
        a[np.random.RandomState(4).uniform(size=a.shape) < 0.2] = np.nan
    curve = outcome(["error_acf"], a, b, step=step, error_acf={"lags": 6})["curves"]["error_acf"]
    assert list(curve["x"]) == [1, 2, 3, 4, 5, 6]
    for name, axis in [("x", 2), ("y", 1), ("t", 0)]:
        assert curve["y"][name] == pytest.approx(acf(b - a, axis, 6, ~np.isnan(a)), abs=1e-12), name


def test_error_acf_of_a_line_equals_statsmodels():
    from statsmodels.tsa.stattools import acf as statsmodels_acf

    a, b = changed((1, 1, 5000))
    expected = statsmodels_acf((b - a).ravel(), adjusted=False, nlags=20, fft=False)[1:]
    for axis, shape in [("x", (1, 1, 5000)), ("y", (1, 5000, 1)), ("t", (5000, 1, 1))]:
        curve = outcome(["error_acf"], a.reshape(shape), b.reshape(shape))["curves"]["error_acf"]
        assert curve["y"][axis] == pytest.approx(expected, abs=1e-9)


def test_masked_elements_are_compared_bit_for_bit():
    a, b = changed((2, 10, 10), dtype="f4")
    a[0, :2] = -1
    a[1, 3] = np.nan
    b = np.where((a == -1) | np.isnan(a), a, b).astype("f4")
    assert values(["mask"], a, b, mask=[-1.0]) == {"masked_elements": 30, "mask_mismatches": 0}
    b[0, 0, :3] = -2
    b[1, 3, 0] = 0
    assert values(["mask"], a, b, mask=[-1.0])["mask_mismatches"] == 4


def test_real_data_equal_references():
    from scipy.stats import ks_2samp

    frame = shared_data("powder-ceo2-pilatus1m", "data")
    random = np.random.RandomState(5)
    decoded = np.where(frame < 0, frame, np.maximum(frame + random.randint(-1, 2, frame.shape), 0)).astype(frame.dtype)
    valid = frame >= 0
    mask = [float(value) for value in np.unique(frame[~valid])]
    a, b = frame[valid], decoded[valid]
    noise = {"gain": 1.0, "offset": 0.0, "read": 0.0}
    measured = values([*MOMENTS, "ks", "mask", "psnr"], frame, decoded, mask=mask)
    close(measured, moments(a, b, noise))
    assert measured["ks_distance"] == pytest.approx(ks_2samp(a, b, method="asymp").statistic, abs=1e-12)
    assert measured["mask_mismatches"] == 0
    low, high = np.percentile(a.astype("f8"), [0.1, 99.9])
    assert measured["data_range"] == high - low


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_entropy_unique_and_sparsity_equal_references(dtype):
    from skimage.measure import shannon_entropy

    a, _ = pair(dtype, 6)
    a[:, :9] = 0
    unique, counts = np.unique(a, return_counts=True)
    bits = shannon_entropy(a)
    expected = {
        "unique_values": len(unique),
        "palette_bits": np.ceil(np.log2(len(unique))),
        "top16_fraction": np.sort(counts)[-16:].sum() / a.size,
        "value_step": np.gcd.reduce(np.diff(unique.astype("i8"))) if dtype[0] != "f" else np.diff(unique).min(),
        "entropy_bits": bits,
        "entropy_ratio": a.itemsize * 8 / bits,
        "zero_fraction": np.mean(a == 0),
        "mode_fraction": counts.max() / a.size,
    }
    close(values(["unique", "entropy", "sparsity"], a, step=1), expected)


def test_the_step_of_values_is_found():
    a = np.array([[300, 12, 0, 9, 30000]], "u2")
    assert values(["unique"], a)["value_step"] == 3
    a = np.array([[2.5, 1.0, 7.0, 1.25]], "f4")
    assert values(["unique"], a)["value_step"] == 0.25


def sorting_integers(a):
    """Integers that sort like the values, with differences in steps of the type."""
    if a.dtype.kind != "f":
        return a.astype("i8")
    bits = a.view("i%d" % a.itemsize).astype("i8")
    return np.where(bits < 0, -(bits & np.iinfo("i%d" % a.itemsize).max) - 1, bits)


def bits_of(residual):
    from skimage.measure import shannon_entropy

    return shannon_entropy(residual)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "f4", "f8"])
@pytest.mark.parametrize("step", [None, 1])
def test_residual_entropies_equal_numpy(dtype, step):
    a, _ = changed((3, 20, 31)) if dtype[0] == "f" else pair(dtype, 7)
    a = (a.round(2) - 1000).astype(dtype) if dtype[0] == "f" else a
    k = sorting_integers(a)
    left, up, corner = k[:, 1:, :-1], k[:, :-1, 1:], k[:, :-1, :-1]
    predicted = np.median([left, up, left + up - corner], axis=0).astype("i8") if dtype != "f8" else None
    if predicted is None:
        low, high = np.minimum(left, up), np.maximum(left, up)
        predicted = np.where(corner >= high, low, np.where(corner <= low, high, left + up - corner))
    expected = {
        "left_entropy_bits": bits_of(k[:, :, 1:] - k[:, :, :-1]),
        "median_entropy_bits": bits_of(k[:, 1:, 1:] - predicted),
        "previous_frame_entropy_bits": bits_of(k[1:] - k[:-1]),
    }
    expected["residual_entropy_ratio"] = a.itemsize * 8 / min(expected.values())
    close(values(["residual_entropy"], a, step=step), expected)


def test_residuals_of_masked_pixels_are_left_out():
    a, _ = pair("u2", 8)
    a[np.random.RandomState(9).uniform(size=a.shape) < 0.1] = 65535
    valid = a != 65535
    k = a.astype("i8")
    both = valid[:, :, 1:] & valid[:, :, :-1]
    expected = {"left_entropy_bits": bits_of((k[:, :, 1:] - k[:, :, :-1])[both])}
    both = valid[1:] & valid[:-1]
    expected["previous_frame_entropy_bits"] = bits_of((k[1:] - k[:-1])[both])
    close(values(["residual_entropy"], a, mask=[65535.0]), expected)


@pytest.mark.parametrize("mean", [0.01, 0.7, 3.0, 40.0, 99.0, 101.0, 5000.0])
def test_the_poisson_bound_equals_scipy(mean):
    from scipy.stats import poisson

    a = np.random.RandomState(10).poisson(mean, (12, 9, 8)).astype("u2")
    photons = a.mean(0, dtype="f8")
    expected = np.mean([poisson.entropy(photon) / np.log(2) if photon else 0 for photon in photons.ravel()])
    measured = values(["poisson_bound"], a, step=5)
    assert measured["poisson_entropy_bits"] == pytest.approx(expected, abs=1e-3)
    assert measured["poisson_ratio"] == pytest.approx(16 / measured["poisson_entropy_bits"], rel=1e-12)
    in_units = values(["poisson_bound"], (100 + 3.5 * a).astype("f4"), noise={"gain": 3.5, "offset": 100.0})
    assert in_units["poisson_entropy_bits"] == pytest.approx(measured["poisson_entropy_bits"], rel=1e-6)


@pytest.mark.filterwarnings("ignore:expect")  # scipy, of the largest counts
def test_entropies_of_real_frames_equal_references():
    from scipy.stats import poisson

    frame = shared_data("powder-ceo2-pilatus1m", "data")
    frame = frame.reshape(-1, *frame.shape[-2:])[:1]
    mask = [float(value) for value in np.unique(frame[frame < 0])]
    found = values(["residual_entropy", "poisson_bound"], frame, mask=mask)
    k, valid = frame.astype("i8"), frame >= 0
    both = valid[:, :, 1:] & valid[:, :, :-1]
    close(found, {"left_entropy_bits": bits_of((k[:, :, 1:] - k[:, :, :-1])[both])})
    counts, pixels = np.unique(k[valid], return_counts=True)
    entropies = np.where(counts > 0, poisson.entropy(np.maximum(counts, 1e-9)) / np.log(2), 0)
    expected = (entropies * pixels).sum() / pixels.sum()
    assert found["poisson_entropy_bits"] == pytest.approx(expected, abs=2e-3)
