"""X4 and X5 beside gemmi and cctbx, which are never loaded into one process: they crash each other."""

import json
import os
import subprocess
import tempfile

import numpy as np
import pytest
from measured import EXAMPLES, REPO, Refused, shared_data, stored

CELL = (5.42, 8.14, 12.04, 90.0, 90.0, 90.0)
SPACE_GROUP = "P 21 21 21"
NUMBERS = ["r_merge", "r_meas", "r_pim", "cc_half", "cc_star"]


def merged(table, shells=0, cell=None, **settings):
    """What etalon-metrics yields: `overall` and `shells`."""
    types = {"hkl": "<i4", "intensity": "<f8", "sigma": "<f8", "spacing": "<f8"}
    with tempfile.TemporaryDirectory() as folder:
        request = {name: stored(np.asarray(table[name], types[name]), folder, name) for name in table}
        request |= {"shells": shells, "settings": settings, "cell": cell}
        done = subprocess.run(
            [EXAMPLES / "merging_statistics"], input=json.dumps(request), capture_output=True, text=True
        )
    if done.returncode != 0:
        raise Refused(done.stderr.strip())
    return json.loads(done.stdout)


def simulated(seed=1, reflections=3000):
    """Intensities whose error has a part in proportion to them; some reflections are observed once."""
    random = np.random.RandomState(seed)
    hkl = np.unique(random.randint(0, 25, (reflections, 3)), axis=0) + 1
    truth = random.exponential(1000, len(hkl))
    which = np.repeat(np.arange(len(hkl)), 1 + random.poisson(4, len(hkl)))
    random.shuffle(which)
    sigma = np.sqrt(truth[which] + (0.04 * truth[which]) ** 2 + 8)
    intensity = truth[which] + sigma * random.standard_normal(len(which))
    return {"hkl": hkl[which], "intensity": intensity, "sigma": sigma, "spacing": spacing_of(hkl[which])}


def spacing_of(hkl):
    return 1 / np.sqrt((hkl**2 / np.square(CELL[:3])).sum(1))


def lcysteine(group):
    """Scaled observations of L-cysteine by DIALS, those that it scaled, in the asymmetric unit of its space group."""
    import gemmi

    column = lambda name: shared_data("mx-lcysteine-unmerged", "%s/%s" % (group, name))  # noqa: E731
    scale, variance = column("inverse_scale_factor"), column("intensity.scale.variance")
    good = (scale > 0) & (variance > 0)
    scale = scale[good]
    unit = gemmi.ReciprocalAsu(gemmi.SpaceGroup(SPACE_GROUP))
    operations = gemmi.SpaceGroup(SPACE_GROUP).operations()
    hkl = np.array([unit.to_asu(hkl, operations)[0] for hkl in column("miller_index")[good].tolist()])
    return {
        "hkl": hkl,
        "intensity": column("intensity.scale.value")[good] / scale,
        "sigma": np.sqrt(variance[good]) / scale,
        "spacing": spacing_of(hkl),
    }


SIMULATED = ["simulated"]
REAL = ["scaled_20_25", "scaled_30", "scaled_35"]


def table_named(name):
    return simulated() if name == "simulated" else lcysteine(name)


def gemmi_statistics(table, weights):
    import gemmi

    intensities = gemmi.Intensities()
    hkl = np.ascontiguousarray(table["hkl"], "i4")
    intensities.set_data(
        gemmi.UnitCell(*CELL), gemmi.SpaceGroup(SPACE_GROUP), hkl, table["intensity"], table["sigma"]
    )
    intensities.prepare_for_merging(gemmi.DataType.Mean)
    return intensities.calculate_merging_stats(None, weights)[0]


def equals_gemmi(measured, table, weights):
    expected = gemmi_statistics(table, weights)
    assert measured["observations"] == expected.all_refl
    assert measured["unique"] == expected.unique_refl
    assert measured["repeated"] == expected.stats_refl
    found = {name: measured[name] for name in NUMBERS}
    assert found == pytest.approx({name: getattr(expected, name)() for name in NUMBERS}, rel=1e-12)


@pytest.mark.parametrize("name", SIMULATED + REAL)
@pytest.mark.parametrize("weights, of_gemmi", [("equal", "U"), ("inverse_variance", "X")])
def test_statistics_equal_gemmi(name, weights, of_gemmi):
    table = table_named(name)
    answer = merged(table, shells=6, weights=weights)
    equals_gemmi(answer["overall"], table, of_gemmi)
    volume = table["spacing"] ** -3.0
    edges = np.linspace(volume.min(), volume.max(), 7)
    shell_of = np.clip(np.searchsorted(edges, volume, "right") - 1, 0, 5)
    for at, shell in enumerate(answer["shells"]):
        assert (shell["d_max"], shell["d_min"]) == pytest.approx(tuple(edges[at : at + 2] ** (-1 / 3)), rel=1e-12)
        within = shell_of == at
        equals_gemmi(shell["merging"], {key: values[within] for key, values in table.items()}, of_gemmi)


@pytest.mark.parametrize("name", SIMULATED + REAL)
def test_statistics_equal_cctbx(name):
    expected, table = cctbx_statistics(name), table_named(name)
    weighted = merged(table, weights="inverse_variance")["overall"]
    for number in ["observations", "unique", "multiplicity", "r_merge", "r_meas", "r_pim"]:
        assert weighted[number] == pytest.approx(expected[number], rel=1e-9), number
    equal = merged(table)["overall"]
    assert equal["cc_half"] == pytest.approx(expected["cc_half"], rel=1e-9)
    trials = [merged(table, weights="inverse_variance", seed=seed)["overall"]["cc_half_random"] for seed in range(50)]
    # Both are means over 50 ways of halving.
    standard_error = np.std(trials) * np.sqrt(2 / 50)
    assert np.mean(trials) == pytest.approx(expected["cc_half_random"], abs=5 * standard_error)
    assert standard_error < 1e-3


def cctbx_statistics(name):
    python = REPO / ".venv-cctbx/bin/python"
    if not python.exists():
        missing = "no environment %s: make test-references" % python
        pytest.fail(missing) if os.environ.get("ETALON_REQUIRE_ALL") else pytest.skip(missing)
    with tempfile.TemporaryDirectory() as folder:
        table, answer = os.path.join(folder, "table.npz"), os.path.join(folder, "answer.json")
        np.savez(table, cell=CELL, space_group=SPACE_GROUP, **table_named(name))
        script = REPO / "tests/references/cctbx_merging.py"
        done = subprocess.run([python, script, table, answer], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        with open(answer) as file:
            return json.load(file)


@pytest.mark.parametrize("name", SIMULATED + REAL)
def test_the_resolution_is_where_the_fit_of_scipy_is(name):
    from scipy.optimize import curve_fit

    answer = merged(table_named(name), shells=10)
    edges = np.array([(shell["d_max"], shell["d_min"]) for shell in answer["shells"]]) ** -3.0
    x, cc = edges.mean(1) ** (2 / 3), np.array([shell["merging"]["cc_half"] for shell in answer["shells"]], "f8")
    model = lambda x, middle, width: 0.5 * (1 - np.tanh((x - middle) / width))  # noqa: E731
    x, cc = x[np.isfinite(cc)], cc[np.isfinite(cc)]
    (middle, width), _ = curve_fit(model, x, cc, [x[-1], (x[-1] - x[0]) / 4], maxfev=20000)
    expected = max((middle + width * np.arctanh(0.4)) ** -0.5, answer["shells"][-1]["d_min"])
    assert answer["cc_half_resolution"] == pytest.approx(expected, rel=1e-6)


def test_shells_of_a_cell_are_those_of_the_spacings_of_gemmi():
    import gemmi

    cell, table = (20.0, 24.0, 31.0, 81.0, 97.0, 104.0), simulated()
    unit = gemmi.UnitCell(*cell)
    table["spacing"] = np.array([unit.calculate_d(hkl) for hkl in table["hkl"].tolist()])
    expected = merged(table, shells=10)["shells"]
    del table["spacing"]
    for found, shell in zip(merged(table, shells=10, cell=cell)["shells"], expected, strict=True):
        assert found["d_min"] == pytest.approx(shell["d_min"], rel=1e-12)
        assert found["merging"] == pytest.approx(shell["merging"], rel=1e-9)


def test_random_halves_are_the_definition():
    """With two observations each, halves are the observations themselves, in either order."""
    random = np.random.RandomState(4)
    truth = random.exponential(100, 400)
    pair = truth + 5 * random.standard_normal((2, 400))
    hkl = np.tile(np.c_[np.arange(400), np.zeros((400, 2))], (2, 1))
    found = merged({"hkl": hkl, "intensity": pair.ravel()})["overall"]
    expected = np.sqrt(0.5) * abs(pair[0] - pair[1]).sum() / (pair.sum() / 2)
    assert found["r_split"] == pytest.approx(expected, rel=1e-12)
    assert found["cc_half_random"] == pytest.approx(np.corrcoef(*pair)[0, 1], abs=1e-4)


def test_what_is_missing_is_said():
    table = simulated()
    del table["sigma"], table["spacing"]
    with pytest.raises(Refused, match="merging needs sigma"):
        merged(table, weights="inverse_variance")
    with pytest.raises(Refused, match="merging needs the spacings"):
        merged(table, shells=3)
    table["intensity"] = table["intensity"][:-1]
    with pytest.raises(Refused, match="one for each"):
        merged(table)
