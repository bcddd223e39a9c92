"""Reconstructions beside scikit-image."""

import numpy as np
import pytest
from measured import outcome, shared_data
from scipy.ndimage import minimum_filter
from skimage.filters import threshold_otsu
from skimage.metrics import structural_similarity
from skimage.transform import iradon
from test_resolution import ring_correlation

FILTERS = ["ramp", "shepp-logan", "cosine", "hamming", "hann"]


def check(a, b, angles, **tomography):
    """a, b: line integrals by angle and column."""
    tomography = {"angles_deg": list(map(float, angles)), "sinograms": True, **tomography}
    answer = outcome(["tomography", "tomography_frc", "tomography_masks"], a, b, tomography=tomography)
    check_slices(answer, a.astype("f8"), b.astype("f8"), angles, tomography.get("filter", "ramp"))


def check_slices(answer, a, b, angles, name="ramp"):
    slices = [iradon(lines.T, angles, filter_name=name) for lines in (a, b)]
    even, odd = [iradon(a[first::2].T, angles[first::2], filter_name=name) for first in (0, 1)]
    columns = a.shape[1]
    y, x = np.indices((columns, columns)) - columns // 2
    inside = x**2 + y**2 <= (columns // 2) ** 2
    error, noise = (slices[1] - slices[0])[inside], (even - odd)[inside] / 2
    measured = answer["values"]
    assert measured["reconstruction_rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-9)
    assert measured["reconstruction_noise"] == pytest.approx(noise.std(), rel=1e-9)
    assert measured["reconstruction_error_over_noise"] == pytest.approx(error.std() / noise.std(), rel=1e-9)
    assert measured["reconstruction_mean_error"] == pytest.approx(error.mean(), abs=1e-9 * error.std())
    data_range = np.subtract(*np.percentile(slices[0][inside], [99.9, 0.1]))
    options = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=data_range, full=True)
    _, ssim = structural_similarity(*slices, **options)
    windows = minimum_filter(inside, 11)[5:-5, 5:-5]
    check_correlation(answer, *(iradon(c[first::2].T, angles[first::2], filter_name=name) for c in (a, b) for first in (0, 1)))
    assert measured["reconstruction_ssim"] == pytest.approx(ssim[5:-5, 5:-5][windows].mean(), rel=1e-9)
    threshold = [threshold_otsu(one[inside]) for one in slices]
    masks = [slices[0] > threshold[0], slices[1] > threshold[0], slices[1] > threshold[1]]
    dice = [2 * (masks[0] & mask & inside).sum() / ((masks[0] & inside).sum() + (mask & inside).sum()) for mask in masks[1:]]
    assert measured["reconstruction_dice"] == pytest.approx(dice[0], abs=1e-12)
    assert measured["reconstruction_dice_own_threshold"] == pytest.approx(dice[1], abs=1e-12)
    if columns <= 256:
        image = np.reshape(answer["images"]["reconstruction"]["values"], (columns, columns))
        # The picture is f32.
        assert image == pytest.approx(slices[0], rel=1e-6, abs=1e-6 * abs(slices[0]).max())


def check_correlation(answer, even, odd, decoded_even, decoded_odd):
    """The curve of slices of even and odd projections beside numpy's of the same slices of scikit-image."""
    columns = len(even)
    y, x = np.indices((columns, columns)) - columns // 2
    hann = 0.5 + 0.5 * np.cos(np.pi * np.minimum(np.hypot(x, y) / (columns // 2), 1))
    pair = lambda a, b: ring_correlation(hann * a, hann * b, False)
    measured = answer["curves"]["reconstruction_frc"]["y"]
    np.testing.assert_allclose(measured["original"], pair(even, odd), atol=1e-9)
    np.testing.assert_allclose(measured["decoded"], pair(decoded_even, decoded_odd), atol=1e-9)
    cross = (pair(decoded_even, odd) + pair(even, decoded_odd)) / 2
    np.testing.assert_allclose(measured["cross"], cross, atol=1e-9)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("columns", [63, 64])
def test_slices_equal_iradon(name, columns):
    random = np.random.RandomState(8)
    a = random.rand(45, columns)
    b = a + 0.1 * random.normal(size=a.shape)
    check(a, b, np.arange(45) * 4.0, filter=name)


def test_slice_of_a_sinogram():
    a = shared_data("tomo-i12-sino", "sinogram")
    step = np.float32(a.std() / 30)
    check(a, np.round(a / step) * step, np.linspace(0, 180, len(a), endpoint=False))


def test_slice_of_a_tooth():
    slug = "tomo-aps-tooth"
    a = shared_data(slug, "exchange/data")
    angles = np.rad2deg(shared_data(slug, "exchange/theta"))
    if angles.max() > 1000:
        angles = np.deg2rad(angles)
    flat = shared_data(slug, "exchange/data_white").astype("f8").mean(0)
    dark = shared_data(slug, "exchange/data_dark").astype("f8").mean(0)
    b = (np.round(a / 16) * 16).astype(a.dtype)
    tomography = {"angles_deg": angles.tolist(), "rows": [1]}
    tomography |= {"flat": flat.ravel().tolist(), "dark": dark.ravel().tolist()}
    answer = outcome(["tomography", "tomography_frc", "tomography_masks"], a, b, tomography=tomography)

    def lines(counts):
        transmission = (counts[:, 1].astype("f8") - dark[1]) / (flat[1] - dark[1])
        return -np.log(np.maximum(transmission, 1e-6))

    check_slices(answer, lines(a), lines(b), angles)
