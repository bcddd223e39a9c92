"""`etalon measure` on a table of reflections: merging statistics of its intensities, by numpy's own arithmetic.

The statistics themselves are compared with gemmi and cctbx in tests/references; here, that the right columns reach them.
"""

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json
from programs import shared_data

RANDOM = np.random.RandomState(3)
ASKED = ["-m", "merging,cc_half", "--set", "merging.hkl=miller_index"]


def statistics(hkl, intensity):
    """Rmerge, Rmeas, Rpim and CC½ by σ-τ with equal weights, of reflections observed twice or more."""
    _, which = np.unique(hkl, axis=0, return_inverse=True)
    which = which.ravel()
    n = np.bincount(which).astype("f8")
    total = np.bincount(which, intensity)
    mean = total / n
    apart = np.bincount(which, abs(intensity - mean[which]))
    squares = np.bincount(which, (intensity - mean[which]) ** 2)
    many = n > 1
    n, total, mean, apart, squares = (values[many] for values in (n, total, mean, apart, squares))
    error, signal = (squares / (n - 1) / (n / 2)).mean(), mean.var(ddof=1)
    cc_half = (signal - error / 2) / (signal + error / 2)
    return {
        "r_merge": apart.sum() / total.sum(),
        "r_meas": (apart * np.sqrt(n / (n - 1))).sum() / total.sum(),
        "r_pim": (apart / np.sqrt(n - 1)).sum() / total.sum(),
        "cc_half": cc_half,
        "cc_star": np.sqrt(2 * cc_half / (1 + cc_half)),
    }


def chosen(metrics, suffix=""):
    names = ["r_merge", "r_meas", "r_pim", "cc_half", "cc_star"]
    return {name: metrics[name + suffix] for name in names}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Reflections of an orthorhombic crystal with their signs, observed several times."""
    hkl = np.unique(RANDOM.randint(0, 12, (500, 3)), axis=0)
    which = np.repeat(np.arange(len(hkl)), 1 + RANDOM.poisson(3, len(hkl)))
    signs = RANDOM.choice([-1, 1], (len(which), 3))
    truth = RANDOM.exponential(1000, len(hkl)) + 50
    scale = RANDOM.uniform(0.5, 2, len(which))
    intensity = scale * truth[which] * (1 + 0.05 * RANDOM.standard_normal(len(which)))
    path = tmp_path_factory.mktemp("merging") / "table.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("scaled")
        group["miller_index"], group["intensity"], group["scale"] = hkl[which] * signs, intensity, scale
        group["variance"] = 1 + intensity
        group["decoded"] = np.round(intensity / 60) * 60
        file["elsewhere"] = hkl[which]
        file["short"] = hkl[which][1:]
    return path


def test_original_and_decoded_are_merged(table):
    a, b = ("%s::/scaled/%s" % (table, name) for name in ("intensity", "decoded"))
    settings = ["--set", "merging.laue=mmm", "--set", "merging.scale=scale"]
    (row,) = etalon_json("measure", a, b, *ASKED, *settings)["datasets"]
    with h5py.File(table) as file:
        hkl, scale = abs(file["scaled/miller_index"][:]), file["scaled/scale"][:]
        original, decoded = (statistics(hkl, file["scaled/" + name][:] / scale) for name in ("intensity", "decoded"))
    metrics = row["metrics"]
    assert chosen(metrics) == pytest.approx(original, rel=1e-10)
    assert chosen(metrics, "_decoded") == pytest.approx(decoded, rel=1e-10)
    assert metrics["r_merge_decoded"] > metrics["r_merge"] and metrics["merging_observations"] == len(scale)


def test_columns_elsewhere_in_the_file_are_found(table):
    arguments = ["measure", "%s::/scaled/intensity" % table, "-c", "bitshuffle", "-m", "merging,cc_half"]
    (row,) = etalon_json(*arguments, "--set", "merging.hkl=/elsewhere", "--set", "merging.scale=scale")["datasets"]
    metrics = row["metrics"]
    with h5py.File(table) as file:
        expected = statistics(file["elsewhere"][:], file["scaled/intensity"][:] / file["scaled/scale"][:])
    assert chosen(metrics) == pytest.approx(expected, rel=1e-10)
    assert chosen(metrics) == chosen(metrics, "_decoded")


def test_weights_of_the_variance_change_the_mean(table):
    arguments = ["measure", "%s::/scaled/intensity" % table, *ASKED, "--set", "merging.laue=mmm"]
    (equal,) = etalon_json(*arguments)["datasets"]
    weighted = ["--set", "merging.weights=inverse_variance", "--set", "merging.variance=variance"]
    (other,) = etalon_json(*arguments, *weighted)["datasets"]
    assert other["metrics"]["r_merge"] != equal["metrics"]["r_merge"]


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ([], "merging needs merging.hkl"),
        (["merging.hkl=/short"], "there has to be one for each"),
        (["merging.hkl=nothing"], "there is no dataset /scaled/nothing"),
        (["merging.hkl=variance"], "Miller indices are three"),
        (["merging.hkl=miller_index", "merging.laue=mm"], "merging"),
        (["merging.hkl=miller_index", "merging.weights=inverse_variance"], "merging.variance"),
    ],
)
def test_wrong_columns_say_what_to_give(table, settings, sentence):
    words = [word for setting in settings for word in ("--set", setting)]
    done = etalon("measure", "%s::/scaled/intensity" % table, "-m", "merging", *words, code=2)
    assert sentence in done.stderr, done.stderr


def test_real_scaled_intensities_are_merged():
    path = shared_data("mx-lcysteine-unmerged")
    settings = ["merging.hkl=miller_index", "merging.laue=mmm", "merging.scale=inverse_scale_factor"]
    words = [word for setting in settings for word in ("--set", setting)]
    target = "%s::/scaled_30/intensity.scale.value" % path
    (row,) = etalon_json("measure", target, "-m", "merging,cc_half", *words)["datasets"]
    with h5py.File(path) as file:
        group = file["scaled_30"]
        scale = group["inverse_scale_factor"][:]
        good = scale > 0
        hkl, intensity = abs(group["miller_index"][:])[good], (group["intensity.scale.value"][:] / scale)[good]
    assert chosen(row["metrics"]) == pytest.approx(statistics(hkl, intensity), rel=1e-9)
    assert row["metrics"]["merging_observations"] == good.sum()


CELL = (5.42, 8.14, 12.04, 90.0, 90.0, 90.0)


@pytest.fixture(scope="module")
def falling(tmp_path_factory):
    """A table whose intensities fall below their noise at high resolution."""
    random = np.random.RandomState(8)
    hkl = np.array([(h, k, l) for h in range(1, 13) for k in range(1, 18) for l in range(1, 25)])
    spacing = 1 / np.sqrt((hkl**2 / np.square(CELL[:3])).sum(1))
    hkl, spacing = hkl[spacing > 0.5], spacing[spacing > 0.5]
    truth = 1e4 * random.exponential(1, len(hkl)) * np.exp(-2 * 4.0 / (2 * spacing) ** 2)
    which = np.repeat(np.arange(len(hkl)), 2 + random.poisson(3, len(hkl)))
    path = tmp_path_factory.mktemp("falling") / "falling.h5"
    with h5py.File(path, "w") as file:
        file["hkl"], file["d"] = hkl[which], spacing[which]
        file["intensity"] = truth[which] + 40 * random.standard_normal(len(which))
    return path


def resolution(source, codec, *settings):
    words = [word for setting in ("merging.hkl=hkl", *settings) for word in ("--set", setting)]
    (row,) = etalon_json("measure", source, "-c", codec, "-m", "merging_resolution", *words)["datasets"]
    return row


def test_the_resolution_of_half_sets_is_told_from_spacings_and_from_the_cell(falling):
    source = "%s::/intensity" % falling
    by_column = resolution(source, "quantise:abs=60", "merging.spacing=d")
    by_cell = resolution(source, "quantise:abs=60", "merging.cell=%s" % list(CELL))
    assert by_column["metrics"] == pytest.approx(by_cell["metrics"], rel=1e-9)
    metrics = by_column["metrics"]
    assert 0.5 < metrics["cc_half_resolution"] < metrics["cc_half_resolution_decoded"]
    shift = metrics["cc_half_resolution_decoded"] - metrics["cc_half_resolution"]
    assert metrics["cc_half_resolution_shift"] == pytest.approx(shift, abs=1e-12)
    curve = by_column["curves"]["cc_half_by_shell"]
    x, cc = np.array(curve["x"]), np.array(curve["y"]["original"])
    # The limit lies between shells on either side of 0.3.
    below = np.flatnonzero(cc < 0.3)[0]
    assert x[max(below - 2, 0)] < metrics["cc_half_resolution"] ** -2 < x[min(below + 1, len(x) - 1)]
    done = etalon("measure", source, "-m", "merging_resolution", "--set", "merging.hkl=hkl", code=2)
    assert "merging.spacing" in done.stderr and "merging.cell" in done.stderr


def test_a_shift_of_the_resolution_is_a_limit(falling, tmp_path):
    requirement = tmp_path / "merging.toml"
    requirement.write_text("profile = 'merging'\n[settings.merging]\nhkl = 'hkl'\nspacing = 'd'")
    answer = etalon_json("scan", "%s::/intensity" % falling, "--require", requirement, "--codec", "quantise")
    metrics = answer["chosen"]["metrics"]
    assert abs(metrics["cc_half_resolution_shift"]) <= 0.02 and abs(metrics["r_pim_change_percent"]) <= 1
    lossless = next(point for point in answer["points"] if point["spec"] == "auto")
    assert answer["chosen"]["ratio"] > 2 * lossless["ratio"]
    assert len(answer["chosen"]["classes"]) == 4
