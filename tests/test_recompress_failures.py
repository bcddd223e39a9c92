"""`etalon recompress` that cannot go on: the source stays, no destination appears, and the exit code says why."""

import hashlib
import json
import os
import resource
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json_lines, program
from programs import NOWHERE, TESTS, TIMEOUT_S, call, environment, require

RANDOM = np.random.RandomState(6)
COUNTS = RANDOM.poisson(2, (20, 128, 256)).astype("<u2")


@pytest.fixture
def paths(tmp_path):
    """A small source, and the copy that is not to appear, alone in a folder."""
    (tmp_path / "out").mkdir()
    with h5py.File(tmp_path / "source.h5", "w") as file:
        file.create_dataset("entry/data", data=COUNTS, chunks=(1, 128, 256), compression="gzip", shuffle=True, fletcher32=True)
    return tmp_path / "source.h5", tmp_path / "out" / "copy.h5"


@pytest.fixture(scope="module")
def large_source(tmp_path_factory):
    """A source that takes seconds."""
    path = tmp_path_factory.mktemp("large") / "large.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("entry/data", (300, 512, 1024), "<u2", chunks=(1, 512, 1024), compression="gzip")
        data[0] = RANDOM.poisson(20, (512, 1024))
        _, stored = data.id.read_direct_chunk((0, 0, 0))
        for number in range(1, 300):
            data.id.write_direct_chunk((number, 0, 0), stored)
    return path


@pytest.fixture
def large(large_source, tmp_path):
    """A source that takes seconds, and the copy that is not to appear, alone in a folder."""
    (tmp_path / "out").mkdir()
    return large_source, tmp_path / "out" / "copy.h5"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fails(paths, code, *arguments, codec="bitshuffle", **options):
    """Runs a recompression that must fail with `code` and leave nothing; returns what it said."""
    source, target = paths
    before = digest(source)
    done = etalon("recompress", *paths, "--codec", codec, "--json", *arguments, code=code, **options)
    assert os.listdir(target.parent) == [] and digest(source) == before
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == "error" and last["exit_code"] == code
    return last["message"]


def damage(path, position):
    """Changes a byte in the middle of the stored chunk `position`."""
    with h5py.File(path, "r") as file:
        info = file["entry/data"].id.get_chunk_info(position)
    with open(path, "r+b") as file:
        file.seek(info.byte_offset + info.size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0x10]))


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("chunk", [[], ["--chunk", "2,128,256"]])
def test_a_damaged_chunk_is_damaged_input(paths, jobs, chunk):
    damage(paths[0], 13)
    message = fails(paths, 3, "--jobs", jobs, *chunk)
    assert "/entry/data" in message and ("[13, 0, 0]" in message if not chunk else "[12, 0, 0]" in message)


def test_a_cut_file_is_damaged_input(paths):
    os.truncate(paths[0], paths[0].stat().st_size // 2)
    fails(paths, 3)


def test_a_file_that_is_no_hdf5_is_damaged_input(paths):
    paths[0].write_bytes(b"SIMPLE  =                    T" * 1000)
    assert "HDF5" in fails(paths, 3)


def test_source_and_destination_are_two_files(paths):
    before = digest(paths[0])
    (paths[1].parent / "link.h5").symlink_to(paths[0])
    for target in (paths[0], paths[1].parent / "link.h5"):
        done = etalon("recompress", paths[0], target, "--codec", "bitshuffle", "--force", code=2)
        assert "same file" in done.stderr and digest(paths[0]) == before


def test_a_folder_without_permission_cannot_be_written(paths):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    paths[1].parent.chmod(0o500)
    fails(paths, 4)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_file_size_limit_ends_the_run(large, handler):
    def limit():
        signal.signal(signal.SIGXFSZ, handler)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, 20 << 20))

    message = fails(large, 4, preexec_fn=limit)
    assert "written" in message or "cannot write" in message


@pytest.fixture
def small_disk(tmp_path):
    """A folder with 24 MiB of space."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if call(["mount", "-t", "tmpfs", "-o", "size=24m", "none", folder], NOWHERE, succeeds=False).returncode != 0:
        pytest.skip("no permission to mount a file system")
    yield folder
    call(["umount", folder], NOWHERE)


def test_a_disk_that_fills_up_ends_the_run(tmp_path, small_disk):
    source = tmp_path / "source.h5"
    with h5py.File(source, "w") as file:
        file.create_dataset("entry/data", data=np.zeros((60, 1024, 1024), "u1"), chunks=(1, 1024, 1024), compression="gzip")
    message = fails((source, small_disk / "copy.h5"), 4, codec="bitshuffle:compressor=none")
    assert "No space" in message or "write" in message


def test_a_disk_that_may_be_too_small_is_a_warning(tmp_path, small_disk):
    source = tmp_path / "source.h5"
    with h5py.File(source, "w") as file:
        file.create_dataset("data", data=np.zeros((40, 1024, 1024), "u1"), chunks=(1, 1024, 1024))
    events = etalon_json_lines("recompress", source, small_disk / "copy.h5", "-c", "auto")
    needed = str(int(source.stat().st_size * 1.1))
    [warning] = events[0]["warnings"]
    assert "free" in warning and needed in warning and events[-1]["event"] == "done"
    done = etalon("recompress", source, small_disk / "copy.h5", "-c", "auto", "--force")
    assert "warning: " in done.stderr and needed in done.stderr


@pytest.fixture(scope="module")
def few_threads(tmp_path_factory):
    """A library that refuses to start threads beyond those of THREADS_ALLOWED, as a limit on processes does."""
    library = tmp_path_factory.mktemp("threads") / "few_threads.so"
    call([*require("gcc"), "-std=c99", "-O1", "-shared", "-fPIC", TESTS / "c/few_threads.c", "-o", library, "-ldl"], "")
    return library


@pytest.mark.parametrize("allowed", [0, 1, 5])
@pytest.mark.parametrize("jobs", ["2", "16", "100000"])
def test_threads_that_cannot_be_started_are_done_without(paths, few_threads, jobs, allowed):
    limit = {"LD_PRELOAD": str(few_threads), "THREADS_ALLOWED": str(allowed)}
    etalon("recompress", *paths, "-c", "bitshuffle", "--jobs", jobs, extra_env=limit)
    etalon("verify", paths[1], "--against", paths[0], "--jobs", jobs, extra_env=limit)
    assert os.listdir(paths[1].parent) == ["copy.h5"]


def test_more_threads_than_a_machine_has_are_not_started(paths):
    etalon("recompress", *paths, "-c", "bitshuffle", "--jobs", "100000")
    assert os.listdir(paths[1].parent) == ["copy.h5"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("phase", ["encode", "verify"])
def test_a_stopped_run_leaves_no_destination(large, number, phase):
    source, target = large
    before = digest(source)
    command = [program(), "recompress", source, target, "--codec", "bitshuffle:compressor=zstd,level=12", "--jobs", "1"]
    if phase == "verify":
        command[5] = "bitshuffle"
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen([str(part) for part in command], env=environment(NOWHERE), **pipes)
    wait_for_phase(running, target.parent, phase)
    running.send_signal(number)
    _, message = running.communicate(timeout=TIMEOUT_S)
    assert running.returncode == (-9 if number == signal.SIGKILL else 4)
    assert number == signal.SIGKILL or "interrupted" in message
    assert not target.exists() and digest(source) == before
    left = os.listdir(target.parent)
    # Nothing can tidy up after SIGKILL: what is left says by its name what it is, and the next run removes it.
    assert left == [] or (number == signal.SIGKILL and left[0].startswith(".copy.h5.etalon-") and len(left) == 1)
    etalon("recompress", source, target, "--codec", "bitshuffle")
    assert os.listdir(target.parent) == ["copy.h5"]


def wait_for_phase(running, folder, phase):
    """Waits until the temporary file grows, or until it has stopped growing."""
    last, still = -1, 0
    while running.poll() is None:
        size = sum(path.stat().st_size for path in folder.iterdir())
        still = still + 1 if size == last else 0
        if (phase == "encode" and size > 1 << 20) or (phase == "verify" and size > 1 << 20 and still > 20):
            return
        last = size
        time.sleep(0.002)
    pytest.fail("the run ended before its phase %s was seen" % phase)
