"""Mistakes on the command line: each is told with its exit code, before any work, and as JSON where that was asked for."""

import json
import tomllib

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json, etalon_json_lines


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        for name in ("a", "b"):
            file.create_dataset(name, data=np.arange(65536, dtype="u2").reshape(4, 64, 256), chunks=(1, 64, 256))
    return path


COMMANDS = [["inspect"], ["verify"], ["doctor"], ["measure", "-c", "bitshuffle"], ["scan", "--require", "lossless"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_an_error_is_one_json_document(command, run):
    error = etalon_json(*command, run.with_name("none.h5"), code=3)
    assert error["event"] == "error" and error["exit_code"] == 3 and "none.h5" in error["message"]
    error = etalon_json(*command, "%s::/c" % run, code=2)
    assert error["exit_code"] == 2 and "has no dataset '/c'" in error["message"]


def test_damage_is_no_second_document(run):
    with h5py.File(run, "r+") as file:
        del file["a"]
        data = file.create_dataset("a", (1, 64, 256), "u2", chunks=(1, 64, 256), compression="gzip", fletcher32=True)
        data.id.write_direct_chunk((0, 0, 0), b"nothing that gzip made")
    answer = etalon_json("inspect", run, "--checksums", code=3)
    assert answer["datasets"][0]["damaged"] == [[0, 0, 0]]


def test_a_wrong_setting_of_recompress_is_its_event(run):
    lines = etalon_json_lines("recompress", run, run.with_name("copy.h5"), "-c", "bitshufle", code=2)
    assert [(line["event"], line["exit_code"]) for line in lines] == [("error", 2)]


def test_a_profile_is_json_with_the_keys_of_a_requirement(tmp_path):
    profile = etalon_json("profiles", "saxs")
    assert profile == tomllib.loads(etalon("profiles", "saxs").stdout)


@pytest.mark.parametrize("limit", ["max_abs_error<=1e400", "psnr>=1e999"])
def test_a_limit_is_a_finite_number(run, limit):
    requirement = run.with_name("require.json")
    requirement.write_text(json.dumps({"limits": [limit]}))
    assert limit in etalon("verify", run, "--require", requirement, code=2).stderr


def test_a_chunk_of_another_rank_is_refused(run):
    target = run.with_name("copy.h5")
    message = etalon("recompress", run, target, "-c", "auto", "--chunk", "1,2", code=2).stderr
    assert "2 dimensions" in message and "/a has 3" in message and not target.exists()
    with h5py.File(run, "r+") as file:
        file["plane"] = np.zeros((200, 200))
    etalon("recompress", run, target, "-c", "auto", "--chunk", "100,100")
    with h5py.File(target) as file:
        assert file["plane"].chunks == (100, 100) and file["a"].chunks == (1, 64, 256)


def test_recompress_takes_a_dataset_behind_colons(run):
    target = run.with_name("copy.h5")
    events = etalon_json_lines("recompress", "%s::/b" % run, target, "-c", "predict")
    assert [event["dataset"] for event in events if event["event"] == "dataset"] == ["/b"]
    with h5py.File(target) as file:
        assert sorted(file) == ["a", "b"]
    assert "matches '/c'" in etalon("recompress", "%s::/c" % run, target, "-c", "predict", "-f", code=2).stderr


def test_a_report_does_not_replace_its_results(run):
    result = run.with_name("result.json")
    result.write_text(etalon("measure", run, "-c", "bitshuffle", "--json").stdout)
    before = result.read_text()
    assert "a name of its own" in etalon("report", result, "-o", result, code=2).stderr
    assert result.read_text() == before
    etalon("report", result, "-o", result.with_suffix(".html"))


def test_all_datasets_are_looked_for_before_any_is_measured(run):
    other = run.with_name("other.h5")
    with h5py.File(run) as source, h5py.File(other, "w") as file:
        file["a"] = source["a"][:]
    done = etalon("measure", run, other, "--metrics", "psnr", code=2)
    assert done.stdout == "" and "'/b'" in done.stderr
