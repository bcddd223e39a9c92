"""Q1 to Q3 beside pyFAI and numpy."""

import numpy as np
import pytest
from measured import Refused, outcome, shared_data, values

CENTER = [31.37, 22.81]
PIXEL, DISTANCE, WAVELENGTH = 172e-6, 0.2, 1e-10
GEOMETRY = {"pixel_size_m": PIXEL, "distance_m": DISTANCE, "wavelength_m": WAVELENGTH}


def rings(shape, center=CENTER, seed=3):
    """Poisson counts that depend on the radius alone."""
    y, x = np.indices(shape[-2:]) + 0.5
    radius = np.hypot(x - center[0], y - center[1])
    mean = 200 * np.exp(-radius / 15) + 60 * np.exp(-(((radius - 25) / 6) ** 2)) + 20
    return np.random.RandomState(seed).poisson(np.broadcast_to(mean, shape))


def integrated(image, center, bins, q_range, mask=None):
    """pyFAI's I(q) and sigma, with pixels as their centres."""
    pyfai = pytest.importorskip("pyFAI.integrator.azimuthal")
    integrator = pyfai.AzimuthalIntegrator(
        dist=DISTANCE,
        poni1=center[1] * PIXEL,
        poni2=center[0] * PIXEL,
        pixel1=PIXEL,
        pixel2=PIXEL,
        wavelength=WAVELENGTH,
    )
    return integrator.integrate1d(
        image.astype("f8"),
        bins,
        variance=np.maximum(image, 1).astype("f8"),
        mask=mask,
        unit="q_nm^-1",
        radial_range=q_range,
        correctSolidAngle=False,
        method=("no", "csr", "cython"),
        dummy=np.nan,
    )


def q_of(shape, center):
    y, x = np.indices(shape) + 0.5
    radius = np.hypot(x - center[0], y - center[1]) * PIXEL
    return 4 * np.pi / (WAVELENGTH * 1e9) * np.sin(np.arctan2(radius, DISTANCE) / 2)


def assert_equals_pyfai(image, center, bins, q_range, mask_values=()):
    mask = np.isin(image, mask_values)
    geometry = dict(GEOMETRY, center=center, bins=bins, range=q_range)
    curves = outcome(["iq"], image, geometry=geometry, mask=list(mask_values))["curves"]
    curve, pixels = curves["iq"], curves["iq_pixels"]["y"]["pixels"]
    reference = integrated(image, center, bins, q_range, mask)
    # pyFAI finds rings in f32: rings with a pixel this close to an edge may differ by it.
    q = q_of(image.shape, center)
    position = (q - q_range[0]) / (q_range[1] - q_range[0]) * bins
    edge = abs(position - np.rint(position)) < 1.5e-7 * q / (q_range[1] - q_range[0]) * bins
    near = np.rint(position[edge]).astype(int)
    kept = np.ones(bins, bool)
    kept[near[(near >= 0) & (near < bins)]] = False
    kept[near[(near >= 1) & (near <= bins)] - 1] = False
    kept &= pixels > 0
    # pyFAI rounds ring numbers towards 0, so that its first ring holds pixels of a ring before the range.
    kept[0] = False
    assert kept.sum() > bins / 3, kept.sum()
    np.testing.assert_allclose(curve["x"], reference.radial, rtol=1e-5)
    np.testing.assert_allclose(curve["y"]["original"][kept], reference.intensity[kept], rtol=1e-5)
    np.testing.assert_allclose(curve["y"]["sigma"][kept], reference.sigma[kept], rtol=1e-5)


def test_iq_equals_pyfai():
    assert_equals_pyfai(rings((61, 83)), CENTER, 40, [0.5, 2.5])


@pytest.mark.parametrize(
    "slug, center, bins, q_range",
    [
        ("powder-ceo2-pilatus1m", [480.37, 521.29], 300, [2.0, 30.0]),
        ("saxs-aps-agbehenate", [240.31, 97.17], 60, [1.0, 12.0]),
    ],
)
def test_iq_of_real_data_equals_pyfai(slug, center, bins, q_range):
    assert_equals_pyfai(shared_data(slug, "data"), center, bins, q_range, (-1, -2))


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("step", [None, 1])
def test_differences_equal_numpy(dtype, step):
    a = np.minimum(rings((3, 61, 83)), 120)
    b = np.clip(a + np.random.RandomState(4).randint(-3, 4, a.shape), 0, 120)
    a, b = a.astype(dtype), b.astype(dtype)
    settings = {"center": CENTER, "bins": 30, "range": [0.0, 45.0]}
    measured = outcome(["iq", "iq_difference"], a, b, step=step, geometry=settings)
    y, x = np.indices(a.shape[1:]) + 0.5
    radius = np.hypot(x - CENTER[0], y - CENTER[1])
    at = np.broadcast_to((radius / 1.5).astype(int), a.shape)
    inside = np.broadcast_to(radius <= 45, a.shape)
    total = lambda of: np.bincount(at[inside], of[inside].astype("f8"), 30)
    count = total(np.ones(a.shape))
    i_a, i_b = total(a) / count, total(b) / count
    sigma = np.sqrt(total(np.maximum(a.astype("f8"), 1))) / count
    z, numbers = (i_b - i_a) / sigma, measured["values"]
    assert numbers["iq_z_rms"] == pytest.approx(np.sqrt(np.mean(z**2)), rel=1e-9)
    assert numbers["iq_z_max"] == pytest.approx(abs(z).max(), rel=1e-9)
    assert numbers["iq_chi2"] == pytest.approx(np.mean(z**2), rel=1e-9)
    assert numbers["iq_r"] == pytest.approx(abs(i_b - i_a).sum() / i_a.sum(), rel=1e-9)
    rwp = np.sqrt((z**2).sum() / ((i_a / sigma) ** 2).sum())
    assert numbers["iq_rwp"] == pytest.approx(rwp, rel=1e-9)
    assert numbers["iq_max_relative_change"] == pytest.approx(abs(i_b / i_a - 1).max(), rel=1e-9)


def test_radial_model_equals_numpy_and_is_one_for_poisson_rings():
    center = [256.37, 250.81]
    image = rings((512, 512), center)
    measured = values(["radial_model"], image, geometry={"center": center, "bins": 400, "range": [0.0, 400.0]})
    y, x = np.indices(image.shape) + 0.5
    radius = np.hypot(x - center[0], y - center[1])
    count = np.bincount(radius.astype(int).ravel(), minlength=400)
    average = np.bincount(radius.astype(int).ravel(), image.ravel(), 400) / np.maximum(count, 1)
    middle = np.arange(400) + 0.5
    model = np.interp(radius, middle[count > 0], average[count > 0])
    assert measured["radial_chi2"] == pytest.approx(np.mean((image - model) ** 2 / model), rel=1e-9)
    assert measured["radial_chi2"] == pytest.approx(1, abs=0.02)
    assert measured["radial_r"] == pytest.approx(abs(image - model).sum() / image.sum(), rel=1e-9)
    correlation = np.corrcoef(image.ravel(), model.ravel())[0, 1]
    assert measured["radial_correlation"] == pytest.approx(correlation, rel=1e-9)


@pytest.mark.parametrize("metric", ["iq", "iq_difference", "radial_model"])
def test_masked_garbage_changes_nothing(metric):
    a = rings((61, 83)).astype("i4")
    a[20:25] = -1
    b = a + (a >= 0)
    garbage = np.where(a < 0, 99999, b).astype("i4")
    settings = {"geometry": {"center": CENTER}, "mask": [-1]}
    assert values([metric], a, b.astype("i4"), **settings) == values([metric], a, garbage, **settings)


@pytest.mark.parametrize("metric", ["iq", "iq_difference", "radial_model"])
def test_a_missing_center_is_named(metric):
    with pytest.raises(Refused, match="geometry.center"):
        values([metric], rings((8, 8)))
