"""What is no regular file, what is being written, and names that are not UTF-8: `etalon` says so, or reads them."""

import json
import os
import socket

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json, etalon_json_lines

FRAMES = np.random.default_rng(3).poisson(3, (4, 64, 256)).astype("<u2")
READING = [["inspect"], ["verify"], ["doctor"], ["measure", "-c", "bitshuffle"], ["scan", "--require", "lossless"]]


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    return tmp_path / "pipe.h5"


def made(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=FRAMES, chunks=(1, 64, 256))
    return path


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_a_pipe_is_refused(command, pipe):
    assert "not a regular file" in etalon(*command, pipe, code=3).stderr


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder"])
def test_only_regular_files_are_recompressed_and_catalogued(kind, tmp_path, pipe):
    place = {"pipe": pipe, "socket": tmp_path / "socket.h5", "device": "/dev/zero", "folder": tmp_path}[kind]
    listener = socket.socket(socket.AF_UNIX)
    if kind == "socket":
        listener.bind(str(place))
    target = tmp_path / "copy.h5"
    assert "not a regular file" in etalon("recompress", place, target, "-c", "auto", code=3).stderr
    if kind != "folder":
        done = etalon("catalogue", place, "-o", tmp_path / "all.jsonl", code=3)
        assert "not a regular file" in done.stderr
    listener.close()
    assert not target.exists()


def test_a_folder_with_a_pipe_is_catalogued_without_it(tmp_path, pipe):
    made(tmp_path / "run.h5")
    os.mkfifo(tmp_path / "result.json")
    table = tmp_path / "all.jsonl"
    answer = etalon_json("catalogue", tmp_path, "-o", table)
    assert (answer["datasets"], answer["errors"]) == (1, 1)
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert ["not a regular file" in row["error"] for row in rows if "error" in row] == [True]


@pytest.fixture
def growing(tmp_path):
    """A file whose writer is at work."""
    path = tmp_path / "growing.h5"
    with h5py.File(path, "w", libver="latest") as file:
        data = file.create_dataset("data", FRAMES.shape, "<u2", maxshape=(None, 64, 256), chunks=(1, 64, 256))
        file.swmr_mode = True
        data[:] = FRAMES
        data.flush()
        yield path


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_a_file_that_is_being_written_is_read_as_it_stands(command, growing):
    answer = etalon_json(*command, growing, plugin_path=growing.parent)
    if command[0] == "verify":
        assert answer["holds"] and answer["datasets"][0]["chunks"] == 4
    if command[0] == "inspect":
        assert answer["datasets"][0]["chunks"] == 4


def test_a_file_that_is_being_written_is_not_copied(growing, tmp_path):
    target = tmp_path / "copy.h5"
    done = etalon("recompress", growing, target, "-c", "auto", code=3)
    assert "is being written (SWMR)" in done.stderr and "only if the writer has died" in done.stderr
    done = etalon("verify", growing, "--salvage", target, code=3)
    assert "is being written (SWMR)" in done.stderr and not target.exists()


def test_a_mark_that_a_dead_writer_left_is_told(tmp_path):
    path = tmp_path / "dead.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["data"] = FRAMES
    content = bytearray(path.read_bytes())
    assert content[8] == 3 and content[11] == 0
    content[11] = 1
    path.write_bytes(content)
    done = etalon("inspect", path, code=3)
    assert "is being written" in done.stderr and "only if the writer has died" in done.stderr


def test_names_need_not_be_utf8(tmp_path):
    path, copy = (os.path.join(os.fsencode(tmp_path), name) for name in (b"gr\xfcn.h5", b"gr\xfcn.copy.h5"))
    os.rename(made(tmp_path / "run.h5"), path)
    command = [os.fsdecode(path), os.fsdecode(copy)]
    assert etalon_json_lines("recompress", *command, "-c", "quantise:abs=1")[-1]["datasets"] == 1
    answer = etalon_json("verify", "%s::/data" % command[1], "--against", command[0])
    assert answer["holds"] and answer["file"].endswith("gr\ufffdn.copy.h5")
    for one in READING:
        etalon_json(*one, command[0], plugin_path=tmp_path)
    table = tmp_path / "all.jsonl"
    assert etalon_json("catalogue", tmp_path, "-o", table)["datasets"] == 2
