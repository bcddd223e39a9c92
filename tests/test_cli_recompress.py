"""`etalon recompress` as a command: events and exit codes."""

import hashlib
import os

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json_lines
from programs import run_python, shared_data

COUNTS = np.random.RandomState(4).poisson(1, (20, 100, 120)).astype("<u4")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("entry/data", data=COUNTS, chunks=(1, 100, 120), compression="gzip")
        file.create_dataset("entry/other", data=COUNTS[:5].astype("<f4"))
        file["entry/data"].attrs["unit"] = "photons"
        file["link"] = h5py.SoftLink("/entry/data")
    return path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def values(wheel, plugins, path, dataset):
    """Type, sum and pipeline of a dataset as h5py sees it through the plugin."""
    script = """
import h5py
with h5py.File(args[0], "r") as file:
    data = file[args[1]]
    plist = data.id.get_create_plist()
    answer([data.dtype.str, data.chunks, int(data[()].astype("f8").sum()), [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]])
"""
    return run_python(wheel, script, str(path), dataset, plugin_path=plugins)


def test_events_are_json_lines_of_the_contract(source, tmp_path, wheel, plugins):
    target = tmp_path / "small.h5"
    before = digest(source)
    events = etalon_json_lines("recompress", source, target, "--codec", "bitshuffle:compressor=zstd", "--jobs", "2")
    assert [event["event"] for event in events] == ["start", "dataset", "dataset", "done"]
    for event in events[1:3]:
        assert {"dataset", "raw_bytes", "stored_bytes", "ratio", "seconds", "max_abs_error"} <= set(event)
        assert event["max_abs_error"] == 0 and event["ratio"] == pytest.approx(event["raw_bytes"] / event["stored_bytes"])
    assert events[-1]["file_bytes"] == target.stat().st_size and events[-1]["max_abs_error"] == 0
    assert digest(source) == before
    assert values(wheel, plugins, target, "/link") == ["<u4", [1, 100, 120], int(COUNTS.sum()), [32008]]


def test_text_is_a_table_and_a_summary(source, tmp_path):
    done = etalon("recompress", source, tmp_path / "small.h5", "--codec", "bitshuffle")
    assert "/entry/data" in done.stdout and "datasets recompressed" in done.stdout


def test_only_the_named_datasets_change(source, tmp_path, wheel, plugins):
    target = tmp_path / "small.h5"
    etalon("recompress", source, target, "--codec", "bitshuffle", "--dataset", "/entry/d*", "--chunk", "2,50,60", "--no-verify")
    assert values(wheel, plugins, target, "/entry/data") == ["<u4", [2, 50, 60], int(COUNTS.sum()), [32008]]
    assert values(wheel, plugins, target, "/entry/other")[3] == []


def test_a_target_that_exists_is_kept_unless_forced(source, tmp_path):
    target = tmp_path / "small.h5"
    target.write_text("precious")
    done = etalon("recompress", source, target, "--codec", "bitshuffle", code=2)
    assert target.read_text() == "precious" and str(target) in done.stderr
    etalon("recompress", source, target, "--codec", "bitshuffle", "--force")
    assert h5py.is_hdf5(target)


@pytest.mark.parametrize("arguments, word", [
    (["--codec", "bitshufle"], "did you mean 'bitshuffle'?"),
    (["--codec", "gzip"], "gzip"),
    (["--codec", "bitshuffle", "--dataset", "/nothing"], "/nothing"),
    (["--codec", "bitshuffle", "--chunk", "0,1,1"], "--chunk"),
    (["--codec", "bitshuffle", "--mode", "best"], "standard"),
    ([], "--codec"),
])
def test_mistakes_end_with_code_2_and_no_target(source, tmp_path, arguments, word):
    done = etalon("recompress", source, tmp_path / "small.h5", *arguments, code=2)
    assert word in done.stderr and os.listdir(tmp_path) == ["source.h5"]


def test_a_missing_source_ends_with_code_3(tmp_path):
    etalon("recompress", tmp_path / "no.h5", tmp_path / "small.h5", "--codec", "bitshuffle", code=3)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_missing_ends_with_code_4(source, tmp_path):
    done = etalon("recompress", source, tmp_path / "no/small.h5", "--codec", "bitshuffle", "--json", code=4)
    assert '"event":"error"' in done.stdout and '"exit_code":4' in done.stdout


def test_real_data_come_back(tmp_path, wheel, plugins):
    target = tmp_path / "small.h5"
    source = shared_data("lambda-m1-series")
    events = etalon_json_lines("recompress", source, target, "--codec", "bitshuffle:compressor=zstd,level=1,block=65536")
    assert events[-1]["event"] == "done" and events[-1]["ratio"] > 50
    before, after = (values(wheel, plugins, path, "/data") for path in (source, target))
    assert before[:3] == after[:3] and after[3] == [32008]
    etalon("inspect", target, "--deep")
    etalon("doctor", target, plugin_path=plugins)
