"""`etalon demo`: every file it leaves is read back equal, and the page stands by itself."""

import json
import re
import sys

import h5py
import numpy as np
import pytest

from etalon_command import etalon
from programs import run_python


def demo(folder, *arguments, **options):
    done = etalon("demo", *arguments, "--out", folder, "--json", extra_env={"PYTHON": sys.executable}, **options)
    return json.loads(done.stdout), done.stderr


def check_rows(result):
    for dataset in result["datasets"]:
        own = [row for row in dataset["rows"] if not row["peer"]]
        assert len(own) == 4 and len(dataset["rows"]) == 5
        for row in own:
            expected = ["equal", "as certified"] if row["lossy"] else ["equal"]
            assert row["read_back"] in expected and row["reader_gbps"] > 0
            assert (row["max_abs_error"] > 0) == (row["read_back"] == "as certified")
            assert row["ratio"] == pytest.approx(dataset["raw_bytes"] / row["stored_bytes"])


@pytest.fixture(scope="module")
def simulated(plugins, tmp_path_factory):
    """A folder with what the command leaves, and its answer."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    return folder, demo(folder, "--frames", "1", "--seed", "5", plugin_path=plugins)[0]


def test_simulated_frames(simulated):
    folder, result = simulated
    assert {dataset["name"] for dataset in result["datasets"]} == {"/diffraction", "/speckle", "/tomography"}
    check_rows(result)
    assert any(row["read_back"] == "as certified" for dataset in result["datasets"] for row in dataset["rows"])
    assert "h5py" in result["reader"] and len(result["files"]) == 4
    page = (folder / "report.html").read_text()
    assert len(page) < 300_000 and page.count("data:image/png;base64,") == 3 and page.count("<svg") == 6
    # Nothing is fetched: no address but the pictures inside.
    assert not re.search(r"(src|href)=.?(https?:|//)", page)


def test_the_files_are_read_by_h5py_with_the_plugin_alone(plugins, wheel, simulated):
    script = """
import h5py
with h5py.File(args[0], "r") as file:
    frames = file["diffraction"][()]
    counted = frames[frames != 2**32 - 1]
    answer([frames.shape, int(counted.max()), float((frames == 2**32 - 1).mean()), file["diffraction"].attrs["about"]])
"""
    for path in simulated[1]["files"]:
        shape, largest, masked, about = run_python(wheel, script, path, plugin_path=plugins)
        assert shape == [1, 1062, 1028] and largest > 200 and 0.03 < masked < 0.05 and "Bragg" in about


def test_a_seed_gives_the_same_frames_again(plugins, simulated, tmp_path):
    demo(tmp_path / "again", "--frames", "1", "--seed", "5", plugin_path=plugins)
    with h5py.File(simulated[0] / "source.h5", "r") as a, h5py.File(tmp_path / "again/source.h5", "r") as b:
        for name in a:
            assert np.array_equal(a[name][()], b[name][()])


def test_a_file_of_the_user(plugins, tmp_path):
    random = np.random.RandomState(1)
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        file["entry/frames"] = random.poisson(1, (10, 200, 300)).astype("<i4")
        file["entry/volume"] = random.standard_normal((8, 128, 300)).astype(">f4")
        file["entry/small"] = np.arange(10)
    result, _ = demo(tmp_path / "demo", tmp_path / "mine.h5", plugin_path=plugins)
    assert {dataset["name"] for dataset in result["datasets"]} == {"/entry/frames", "/entry/volume"}
    check_rows(result)


def test_without_the_plugin_it_says_so_and_reads_by_itself(tmp_path):
    nowhere = {"PYTHON": "/nonexistent/python", "PATH": "/nonexistent"}
    done = etalon("demo", "--frames", "1", "--out", tmp_path / "demo", cwd=tmp_path, extra_env=nowhere)
    assert "NOTE" in done.stderr and "own library" in done.stdout and "equal" in done.stdout


def test_a_file_without_large_datasets_ends_with_code_2(tmp_path):
    with h5py.File(tmp_path / "small.h5", "w") as file:
        file["x"] = np.arange(10)
    assert "no dataset" in etalon("demo", tmp_path / "small.h5", "--out", tmp_path / "demo", code=2).stderr
