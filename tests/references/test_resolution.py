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
    axes = np.meshgrid(*(np.fft.fftfreq(count) * count for count in shape), indexing="ij")
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
    frames, _ = two_exposures(512)
    exact = outcome(["frc"], frames)["curves"]["frc"]["y"]["original"]
    for step in (1.0, 4.0):
        measured = outcome(["frc"], frames, quantised(frames, step))
        decoded = measured["curves"]["frc"]["y"]["decoded"][60:].mean() - exact[60:].mean()
        cross = measured["curves"]["frc"]["y"]["cross"][60:].mean() - exact[60:].mean()
        shift = measured["values"]["frc_half_bit_shift"]
        print("step %g sigma: mean FRC beyond ring 60 %+.4f, cross %+.4f, resolution %+.1f %%" % (step, decoded, cross, shift))
        assert cross < 0.01
        if step == 1.0:
            assert decoded < 0.005 and not measured.get("notes")
        else:
            assert decoded > 0.02


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
