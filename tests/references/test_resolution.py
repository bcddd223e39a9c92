"""R1 to R5 and S1 to S3 beside frc, scikit-image, sewar, numpy and closed forms."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from measured import REPO, Refused, outcome, shared_data, values

sys.path.insert(0, str(REPO / "tests"))
from programs import missing  # noqa: E402


def two_exposures(count=256, dose=40.0, seed=7010):
    """Two noisy exposures of an object with a known spectral signal-to-noise ratio, and the FRC expected of it."""
    random = np.random.RandomState(seed)
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(count), np.fft.fftfreq(count)))
    amplitude = np.exp(-((k / 0.16) ** 2)) / (1 + (k / 0.01) ** 1.2)
    scene = np.fft.ifft2(np.fft.fft2(random.standard_normal((count, count))) * amplitude).real
    expected = dose * np.clip(1 + 0.25 * scene / scene.std(), 0.05, None)
    power = np.abs(np.fft.fft2(expected)) ** 2
    rings = ring_numbers((count, count))
    ratio = np.bincount(rings.ravel(), power.ravel()) / np.bincount(rings.ravel()) / expected.sum()
    frames = np.stack([random.poisson(expected), random.poisson(expected)]).astype("<u2")
    return frames, (ratio / (1 + ratio))[1 : count // 2]


def ring_numbers(shape):
    """floor(radius) in pixels of a transform whose extents are all the same."""
    axes = np.meshgrid(*(np.rint(np.fft.fftfreq(count) * count) for count in shape), indexing="ij")
    return np.floor(np.sqrt(sum(axis**2 for axis in axes))).astype(int)


def ring_correlation(a, b, window=False):
    """FRC or FSC by numpy, without ring 0."""
    for axis, count in enumerate(a.shape if window else ()):
        factors = np.hanning(count).reshape([-1 if at == axis else 1 for at in range(a.ndim)])
        a, b = a * factors, b * factors
    rings = ring_numbers(a.shape).ravel()
    first, second = np.fft.fftn(a).ravel(), np.fft.fftn(b).ravel()
    sums = [np.bincount(rings, x) for x in ((first * second.conj()).real, abs(first) ** 2, abs(second) ** 2)]
    return (sums[0] / np.sqrt(sums[1] * sums[2]))[1 : a.shape[0] // 2]


def quantised(frames, step):
    """Uniform quantisation in units of the noise at the mean of all frames."""
    width = step * np.sqrt(frames.mean())
    return np.round(np.rint(frames / width) * width).astype(frames.dtype)


def first_crossing(curve, threshold):
    """Down-crossing of the mean of five rings."""
    smooth = np.array([curve[max(at - 2, 0) : at + 3].mean() for at in range(len(curve))]) - threshold
    at = np.flatnonzero((smooth[:-1] >= 0) & (smooth[1:] < 0))[0]
    return at + 1 + smooth[at] / (smooth[at] - smooth[at + 1])


def test_frc_equals_diplib(tmp_path):
    python = REPO / ".venv-metrics-numpy1/bin/python"
    if not python.exists():
        missing("the environment .venv-metrics-numpy1")
    frames, _ = two_exposures()
    for name, frame in zip("ab", frames):
        np.save(tmp_path / (name + ".npy"), frame.astype("f8"))
    script = Path(__file__).with_name("frc_curve.py")
    paths = [tmp_path / (name + ".npy") for name in "abc"]
    subprocess.run([python, script, *paths], check=True)
    measured = outcome(["frc"], frames, frc={"window": "none"})["curves"]["frc"]
    # DIPlib transforms in f32.
    np.testing.assert_allclose(measured["y"]["original"], np.load(paths[2])[1:], atol=1e-6)


@pytest.mark.parametrize("window", ["hann", "none"])
def test_frc_equals_numpy_on_simulated_and_real_data(window):
    tooth = shared_data("tomo-aps-tooth-fbp", "/volume")
    for frames in (two_exposures()[0], tooth[:, 64:576, 64:576]):
        lossy = quantised(frames, 2.0) if frames.dtype.kind == "u" else frames.astype("f2").astype("f4")
        measured = outcome(["frc"], frames, lossy, frc={"window": window}, step=1)["curves"]["frc"]["y"]
        (a, b), (c, d) = frames.astype("f8"), lossy.astype("f8")
        hann = window == "hann"
        np.testing.assert_allclose(measured["original"], ring_correlation(a, b, hann), atol=1e-9)
        np.testing.assert_allclose(measured["decoded"], ring_correlation(c, d, hann), atol=1e-9)
        cross = (ring_correlation(c, b, hann) + ring_correlation(a, d, hann)) / 2
        np.testing.assert_allclose(measured["cross"], cross, atol=1e-9)


def test_pair_is_the_correlation_of_the_two_arrays():
    frames, _ = two_exposures(128)
    measured = outcome(["frc"], frames[0], frames[1], frc={"halves": "pair"})
    reference = ring_correlation(*frames.astype("f8"), window=True)
    np.testing.assert_allclose(measured["curves"]["frc"]["y"]["pair"], reference, atol=1e-12)
    with pytest.raises(Refused, match="frc.halves"):
        outcome(["frc"], frames[0], frames[1])


def test_frc_of_poisson_noise_is_what_its_signal_to_noise_ratio_says():
    frames, expected = two_exposures(512)
    measured = outcome(["frc"], frames, frc={"window": "none"})["curves"]["frc"]["y"]["original"]
    assert np.sqrt(np.mean((measured - expected)[4:] ** 2)) < 0.04


def test_resolutions_are_crossings_of_the_five_ring_mean():
    frames, _ = two_exposures(512)
    measured = outcome(["frc"], frames, quantised(frames, 1.0), frc={"sigmas": 3.0})
    counts = np.bincount(ring_numbers((512, 512)).ravel())[1:256]
    root = np.sqrt(counts)
    thresholds = {
        "one_seventh": 1 / 7,
        "0143": 0.143,
        "half_bit": (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root),
        "one_bit": (0.5 + 2.4142 / root) / (1.5 + 1.4142 / root),
        "sigmas": 3 / np.sqrt(counts / 2),
    }
    for kind, curve in measured["curves"]["frc"]["y"].items():
        if kind.startswith("threshold_"):
            continue
        for name, threshold in thresholds.items():
            ring = first_crossing(curve, threshold)
            assert measured["values"]["frc_%s_%s" % (name, kind)] == pytest.approx(512 / ring, abs=1e-3)
            frequency = measured["values"]["frc_%s_frequency_%s" % (name, kind)]
            assert frequency == pytest.approx(ring / 512, rel=1e-9)


def test_common_artefacts_inflate_the_correlation_of_lossy_halves_but_not_the_cross_correlation():
    frames, _ = two_exposures(512, dose=400.0)
    kinds = ["original", "decoded", "cross"]
    for step in (2.0, 6.0):
        measured = outcome(["frc"], frames, quantised(frames, step))
        curves = measured["curves"]["frc"]["y"]
        high = [curves[kind][120:].mean() for kind in kinds]
        resolutions = [measured["values"]["frc_one_seventh_" + kind] for kind in kinds]
        print("step %g sigma: mean FRC beyond ring 120" % step, high, "resolution / px", resolutions)
        # Lossy halves would be finer than exposures without loss; across they are not.
        assert (resolutions[1] < resolutions[0]) == (step == 6.0)
        assert (high[1] > 3 * high[0]) == (step == 6.0)
        assert resolutions[2] > resolutions[0]
        assert high[2] < high[0]
        assert any("artefacts" in note for note in measured.get("notes", [])) == (step == 6.0)


def test_masked_pixels_are_the_mean_of_their_half():
    frames, _ = two_exposures(64)
    frames = frames.astype("i4")
    masked = frames.copy()
    masked[:, 10:13, 20:40] = -1
    measured = outcome(["frc"], masked, mask=[-1], step=1)["curves"]["frc"]["y"]["original"]
    halves = masked.astype("f8")
    for half in halves:
        half[half == -1] = half[half != -1].mean()
    np.testing.assert_allclose(measured, ring_correlation(*halves, window=True), atol=1e-12)


def test_fsc_equals_numpy_and_refuses_too_large_volumes():
    random = np.random.RandomState(3)
    scene = np.cumsum(np.cumsum(random.standard_normal((32, 32, 32)), 0), 1)
    a, b = scene + random.standard_normal(scene.shape), scene + random.standard_normal(scene.shape)
    measured = outcome(["fsc"], a, b, step=5)
    reference = ring_correlation(a, b, window=True)
    np.testing.assert_allclose(measured["curves"]["fsc"]["y"]["pair"], reference, atol=1e-9)
    assert np.isnan(values(["fsc"], a, a)["fsc_half_bit_pair"])
    with pytest.raises(Refused, match="memory_bytes"):
        outcome(["fsc"], a, b, memory_bytes=500_000)


def smooth_pair(shape=(2, 187, 203), seed=5):
    """Images with structure at all scales, and what a lossy codec could make of them."""
    random = np.random.RandomState(seed)
    scene = np.cumsum(np.cumsum(random.standard_normal(shape), 1), 2)
    original = random.poisson(100 + 100 * (scene - scene.min()) / np.ptp(scene))
    return original.astype("<u2"), (np.rint(original / 9) * 9).astype("<u2")


def ssim_of(a, b, data_range):
    """Mean and map without the border, by scikit-image."""
    from skimage.metrics import structural_similarity

    options = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=data_range, full=True)
    mean, full = structural_similarity(a, b, **options)
    return mean, full[5:-5, 5:-5]


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_ssim_equals_scikit_image(dtype):
    a, b = (np.minimum(array, 255 if dtype == "u1" else 65535).astype(dtype) for array in smooth_pair())
    measured = outcome(["ssim"], a, b, step=1)
    data_range = np.subtract(*np.percentile(a.astype("f8"), [99.9, 0.1]))
    assert measured["values"]["ssim_data_range"] == pytest.approx(data_range, rel=1e-12)
    references = [ssim_of(*frames, data_range) for frames in zip(a.astype("f8"), b.astype("f8"))]
    means, maps = zip(*references)
    np.testing.assert_allclose(measured["curves"]["ssim_by_frame"]["y"]["ssim"], means, atol=1e-9)
    assert measured["values"]["ssim"] == pytest.approx(np.mean(means), abs=1e-9)
    assert measured["values"]["ssim_min"] == pytest.approx(np.min(maps), abs=1e-9)
    p1 = np.mean([np.percentile(one, 1) for one in maps])
    assert measured["values"]["ssim_p1"] == pytest.approx(p1, abs=1e-9)
    picture = measured["images"]["ssim_map"]
    np.testing.assert_allclose(picture["values"], maps[int(np.argmin(means))].ravel(), atol=1e-6)


def test_ssim_of_a_reconstruction_equals_scikit_image():
    a = shared_data("tomo-aps-tooth-fbp", "/volume")
    b = a.astype("f2").astype("f4")
    measured = values(["ssim"], a, b)
    references = [ssim_of(*frames, measured["ssim_data_range"])[0] for frames in zip(a.astype("f8"), b.astype("f8"))]
    assert measured["ssim"] == pytest.approx(np.mean(references), abs=1e-9)


def test_ssim_leaves_out_windows_on_masked_pixels():
    a, b = (array.astype("i4") for array in smooth_pair())
    data_range = 100.0
    maps = [ssim_of(*frames, data_range)[1] for frames in zip(a.astype("f8"), b.astype("f8"))]
    a[:, 50:60, 70] = -1
    b[:, 50:60, 70] = 7_000_000
    kept = np.ones(maps[0].shape, bool)
    kept[40:60, 60:71] = False
    measured = values(["ssim"], a, b, mask=[-1], data_range=data_range)
    assert measured["ssim"] == pytest.approx(np.mean([one[kept].mean() for one in maps]), abs=1e-9)


def test_identical_images_have_ssim_1_and_damaged_or_small_ones_none():
    a, _ = smooth_pair()
    for name in ("ssim", "ms_ssim"):
        assert values([name], a, a)[name] == pytest.approx(1.0, abs=1e-12)
        with pytest.raises(Refused, match="window|scales"):
            values([name], a[:, :10])
        damaged = a.astype("f8")
        damaged[1, 80, 80] = np.nan
        assert np.isnan(values([name], a.astype("f8"), damaged)[name])
        constant = np.full(a.shape, 3, "u2")
        assert np.isnan(values([name], constant, constant)[name])


def test_ms_ssim_equals_sewar(monkeypatch):
    from scipy.ndimage import uniform_filter
    from sewar import full_ref

    a, b = smooth_pair((1, 256, 256))

    def difference(data_range):
        reference = full_ref.msssim(a[0].astype("f8"), b[0].astype("f8"), MAX=data_range).real
        return abs(values(["ms_ssim"], a, b, data_range=data_range)["ms_ssim"] - reference)

    # sewar averages pixels 2i - 1 and 2i, Wang's program and ours 2i and 2i + 1.
    assert difference(255) < 5e-4
    monkeypatch.setattr(full_ref, "uniform_filter", lambda image, size: uniform_filter(image, size, origin=-1))
    for data_range in (100, 255):
        assert difference(data_range) < 1e-9


def test_power_ratios_equal_numpy():
    a, b = smooth_pair()
    tooth = shared_data("tomo-aps-tooth-fbp", "/volume")
    for a, b in ((a[:, :180, :180], b[:, :180, :180]), (tooth, tooth.astype("f2").astype("f4"))):
        measured = outcome(["power_spectrum"], a, b, step=1)
        count = a.shape[1]
        rings = ring_numbers((count, count)).ravel()
        window = np.outer(np.hanning(count), np.hanning(count))

        def powers(frames):
            squares = sum(abs(np.fft.fft2(frame * window)) ** 2 for frame in frames.astype("f8"))
            return np.bincount(rings, squares.ravel())[1 : count // 2]

        curves = measured["curves"]["power_spectrum"]["y"]
        reference = powers(b) / powers(a)
        np.testing.assert_allclose(curves["decoded"], reference, rtol=1e-6)
        np.testing.assert_allclose(curves["error"], powers(b.astype("f8") - a) / powers(a), rtol=1e-6)
        assert measured["values"]["power_ratio_min"] == pytest.approx(reference.min(), rel=1e-6)


def edge_frames(sigma, angle=4.0, count=200, low=60.0, high=3000.0):
    """A straight edge under a Gaussian of `sigma`, seen by square pixels: their means by sub-sampling."""
    from scipy.special import erf

    y, x = np.indices((count, count)) - (count - 1) / 2
    turn, image = np.deg2rad(angle), 0.0
    places = (np.arange(16) + 0.5) / 16 - 0.5
    for along in places:
        for across in places:
            distance = (x + along) * np.cos(turn) + (y + across) * np.sin(turn)
            image = image + (1 + erf(distance / (np.sqrt(2) * sigma))) / 512
    return low + (high - low) * image


@pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0])
@pytest.mark.parametrize("turned", [False, True])
def test_knife_edge_has_the_sigma_of_its_gaussian_and_pixel(sigma, turned):
    image = edge_frames(sigma)
    image = image.T[::-1] if turned else image
    measured = values(["knife_edge"], np.ascontiguousarray(image))
    expected = np.sqrt(sigma**2 + 1 / 12)
    print("sigma %g: %+.3f %%" % (sigma, 100 * (measured["edge_sigma_original"] / expected - 1)))
    assert measured["edge_sigma_original"] == pytest.approx(expected, rel=3e-3)
    assert measured["edge_fwhm_original"] == pytest.approx(2.3548 * expected, rel=3e-3)
    assert measured["edge_10_90_original"] == pytest.approx(2.5631 * expected, rel=3e-3)
    assert abs(measured["edge_angle_original"]) == pytest.approx(4, abs=0.02)
    assert measured["edge_sigma_shift"] == 0


@pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0])
def test_mtf_is_that_of_a_gaussian_and_a_pixel(sigma):
    measured = outcome(["mtf"], edge_frames(sigma), edge={"half_width": max(10 * sigma, 15.0)})
    frequencies = measured["curves"]["mtf"]["x"]
    closed = np.exp(-2 * (np.pi * sigma * frequencies) ** 2) * np.sinc(frequencies)
    for level in (0.5, 0.1):
        at = np.argmax(closed < level)
        part = (closed[at - 1] - level) / (closed[at - 1] - closed[at])
        expected = frequencies[at - 1] + part * (frequencies[at] - frequencies[at - 1])
        name = "mtf_f%d_original" % round(100 * level)
        print("sigma %g %s: %+.2f %%" % (sigma, name, 100 * (measured["values"][name] / expected - 1)))
        assert measured["values"][name] == pytest.approx(expected, rel=0.025)


def test_square_root_quantisation_moves_a_noisy_edge_by_little_and_blur_by_what_it_adds():
    from scipy.ndimage import gaussian_filter

    random = np.random.RandomState(8)
    exposures = random.poisson(np.stack([edge_frames(0.9)] * 4)).astype("f8")
    step = 2.0
    quantised = (np.rint(2 * np.sqrt(exposures + 0.375) / step) * step / 2) ** 2 - 0.375
    measured = values(["knife_edge", "mtf"], exposures, quantised)
    print("sqrt quantisation of 2 sigma:", measured["edge_sigma_shift"], "%")
    assert abs(measured["edge_sigma_shift"]) < 0.12 * 3
    blurred = np.stack([gaussian_filter(frame, 0.8, mode="nearest") for frame in exposures])
    measured = values(["knife_edge", "mtf"], exposures, blurred)
    expected = np.sqrt(measured["edge_sigma_original"] ** 2 + 0.8**2)
    assert measured["edge_sigma_decoded"] == pytest.approx(expected, rel=0.02)
    assert measured["mtf_f50_shift"] < -10


def test_the_region_of_an_edge_is_what_the_settings_say():
    image = np.full((240, 300), 7.0)
    image[20:220, 50:250] = edge_frames(1.5)
    measured = values(["knife_edge"], image, edge={"roi": [50, 20, 250, 220]})
    assert measured["edge_sigma_original"] == pytest.approx(np.sqrt(1.5**2 + 1 / 12), rel=3e-3)
    with pytest.raises(Refused, match="edge.roi"):
        values(["knife_edge"], image, edge={"roi": [0, 0, 301, 10]})
    with pytest.raises(Refused, match="edge.roi"):
        values(["knife_edge"], np.full((30, 30), 7.0))


def test_a_real_knife_edge_has_the_sigma_that_scipy_fits_and_widens_by_a_blur():
    from scipy.ndimage import gaussian_filter
    from scipy.optimize import curve_fit
    from scipy.special import erf

    frames = shared_data("knife-edge-percival", "/sample/coarse").astype("f8")
    blurred = np.stack([gaussian_filter(frame, 1.5, mode="nearest") for frame in frames])
    measured = outcome(["knife_edge", "mtf"], frames, blurred, edge={"roi": [95, 90, 142, 158]})
    spread = measured["curves"]["edge_spread"]

    def model(x, low, high, centre, sigma):
        return low + (high - low) * (1 + erf((x - centre) / (np.sqrt(2) * sigma))) / 2

    for kind in ("original", "decoded"):
        y = spread["y"][kind]
        kept = np.isfinite(y)
        start = [y[kept][0], y[kept][-1], 0.1, 1.0]
        fitted = curve_fit(model, spread["x"][kept], y[kept], start, ftol=1e-14, xtol=1e-14)[0]
        sigma = np.sqrt(fitted[3] ** 2 - 1 / 192)
        assert measured["values"]["edge_sigma_" + kind] == pytest.approx(sigma, rel=2e-3)
    print(measured["values"])
    assert measured["values"]["edge_sigma_decoded"] > measured["values"]["edge_sigma_original"]
