"""The DAQ writer when something goes wrong: nothing is lost without being counted and named.

docs/DAQ.md has the table of failures and outcomes; each row is a test here.
"""

import resource
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from daq import DETECTOR, NO_FRAME, SMALL, Contents, Soak, named
from programs import TESTS, call, require

# The first n frames that are written are those with the lowest numbers.
IN_ORDER = ["--producers", 1]


def complete(path, first, count):
    """Checks that a file is finished and holds so many frames, all of them right."""
    contents = Contents(path, first)
    assert contents.right == list(range(first, first + count)) and not contents.wrong and not contents.absent
    assert contents.is_finished and contents.attributes["frames_written"] == count


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_is_asked_to_stop_leaves_a_complete_file(tmp_path, number):
    soak = Soak(tmp_path, *SMALL, "--seconds", 60, "--rate", 200)
    soak.wait_for(lambda event: event["event"] == "live" and event["frames_written"] >= 20)
    assert soak.stop(number) == 0
    (said,) = soak.files
    assert said["frames_lost"] == 0 and said["frames_in"] == said["frames_written"] >= 20
    complete(tmp_path / "0.h5", 0, said["frames_written"])


@pytest.mark.parametrize("flush_ms", [20, 500])
def test_after_a_kill_every_frame_that_was_flushed_is_readable(tmp_path, flush_ms):
    soak = Soak(tmp_path, *SMALL, *IN_ORDER, "--seconds", 60, "--rate", 300, "--flush-ms", flush_ms)
    live = soak.wait_for(lambda event: event["event"] == "live" and event["frames_flushed"] >= 40)
    soak.stop(signal.SIGKILL)
    path, flushed = tmp_path / "0.h5", live["frames_flushed"]
    # The file says that it is being written, which a reader who asks for SWMR may ignore.
    contents = Contents(path, 0, swmr=True)
    assert contents.right[:flushed] == list(range(flushed)) and not contents.wrong
    assert not contents.is_finished
    with pytest.raises(OSError, match="h5clear"):
        h5py.File(path)
    (h5clear,) = require("h5clear")
    call([h5clear, "-s", path], "")
    cleared = Contents(path, 0)
    assert cleared.right == contents.right and not cleared.wrong


def on_a_disk_of(mebibytes, folder, out):
    """A command that runs another one with a small disk at `folder`, and copies what is there to `out`."""
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if subprocess.run([*require("unshare"), *probe[1:]], capture_output=True).returncode != 0:
        pytest.skip("this machine does not let users mount a small disk; a limit on the file's size is tested instead")
    script = 'mount -t tmpfs -o size=%dm tmpfs "$0" && "$@"; code=$?; cp "$0"/* "%s"; exit $code'
    return ["unshare", "-rm", "sh", "-c", script % (mebibytes, out), str(folder)]


def test_before_the_disk_is_full_the_file_is_closed_and_every_other_frame_named(tmp_path):
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    out.mkdir()
    options = [*SMALL, "--seconds", 60, "--spare-bytes", 4 << 20]
    soak = Soak(disk, *options, launcher=on_a_disk_of(16, disk, out))
    assert soak.end() == 1
    (said,) = soak.files
    assert "the disk is full" in said["error"] and said["frames_in"] == said["frames_written"] + said["frames_lost"]
    lost = named(said["lost"])
    contents = Contents(out / "0.h5", 0)
    assert contents.absent == lost and len(lost) == said["frames_lost"] > 0 and not contents.wrong
    assert sorted(contents.right + lost) == list(range(said["frames_in"]))
    assert contents.is_finished and contents.attributes["frames_lost"] == len(lost)
    assert contents.attributes["frames_lost_runs"].reshape(-1, 2).tolist() == said["lost"]


def test_on_a_disk_without_any_space_left_what_was_flushed_is_readable(tmp_path):
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    out.mkdir()
    options = [*SMALL, *IN_ORDER, "--seconds", 60, "--spare-bytes", 0, "--flush-ms", 20, "--rate", 400]
    soak = Soak(disk, *options, launcher=on_a_disk_of(8, disk, out))
    assert soak.end() == 1
    check_hard_failure(soak, out / "0.h5")


def test_a_write_that_the_system_refuses_loses_no_frame_that_was_flushed(tmp_path):
    def limit():
        # Python restores the signal's default for its children; with it the kernel would kill the program.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (6 << 20, 6 << 20))

    options = [*SMALL, *IN_ORDER, "--seconds", 60, "--flush-ms", 20, "--rate", 400]
    soak = Soak(tmp_path, *options, preexec_fn=limit, restore_signals=False)
    assert soak.end() == 1
    check_hard_failure(soak, tmp_path / "0.h5")


def check_hard_failure(soak, path):
    (said,) = soak.files
    assert said["error"] and said["frames_in"] == said["frames_written"] + said["frames_lost"], said
    assert said["frames_lost"] == len(named(said["lost"])) > 0
    contents = readable(path)
    flushed = said["frames_flushed"]
    assert flushed > 0 and contents.right[:flushed] == list(range(flushed))
    # Nothing that is said to be lost looks like a frame, and nothing is wrong.
    assert not contents.wrong and not set(contents.right) & set(named(said["lost"]))


def readable(path):
    """The contents of a file that may not have been closed."""
    try:
        return Contents(path, 0)
    except OSError:
        return Contents(path, 0, swmr=True)


@pytest.mark.parametrize("folder", ["nowhere", "file"])
def test_a_file_that_cannot_be_made_is_an_error_with_its_name(tmp_path, folder):
    (tmp_path / "file").write_text("in the way")
    soak = Soak(tmp_path / folder, *SMALL)
    assert soak.end() == 1 and not soak.files
    assert "0.h5" in soak.process.stderr.read()


def test_a_file_that_exists_is_not_overwritten(tmp_path):
    (tmp_path / "0.h5").write_bytes(b"data of yesterday")
    soak = Soak(tmp_path, *SMALL)
    assert soak.end() == 1
    assert "0.h5" in soak.process.stderr.read()
    assert (tmp_path / "0.h5").read_bytes() == b"data of yesterday"


def test_a_slow_disk_slows_the_producers_down(tmp_path):
    soak = Soak(tmp_path, *SMALL, "--seconds", 2, "--disk-ms", 15)
    assert soak.end() == 0
    (said,) = soak.files
    # 15 ms for each frame, and what is on its way at the end.
    assert said["frames_lost"] == 0 and said["frames_written"] <= 2 / 0.015 + 30
    complete(tmp_path / "0.h5", 0, said["frames_written"])


def test_a_slow_disk_loses_frames_that_are_counted_and_named_where_that_is_asked_for(tmp_path):
    soak = Soak(tmp_path, *SMALL, "--seconds", 2, "--disk-ms", 15, "--drop", "--rate", 500)
    assert soak.end() == 0
    (said,) = soak.files
    lost = named(said["lost"])
    assert said["frames_in"] == said["frames_written"] + said["frames_lost"] and said["frames_lost"] == len(lost) > 0
    contents = Contents(tmp_path / "0.h5", 0)
    assert contents.absent == lost and not contents.wrong and contents.is_finished
    assert sorted(contents.right + lost) == list(range(said["frames_in"]))
    runs = contents.attributes["frames_lost_runs"].reshape(-1, 2)
    assert runs.tolist() == said["lost"] and contents.attributes["frames_lost_runs_complete"] == 1
    with h5py.File(tmp_path / "0.h5") as f:
        assert not f[DETECTOR]["data"][lost[0]].any() and f[DETECTOR]["timestamp"][lost[0]] == NO_FRAME


READER = """
import sys, h5py, hdf5plugin
from daq import DETECTOR, NO_FRAME, is_frame
with h5py.File(sys.argv[1], "r", swmr=True) as f:
    detector = f[DETECTOR]
    data, numbers = detector["data"], detector["frame_number"]
    seen = 0
    while True:
        numbers.refresh()
        if len(numbers) > seen:
            data.refresh()
            for index in range(seen, len(numbers)):
                assert numbers[index] == index and is_frame(data[index], index), index
            seen = len(numbers)
            print(seen, flush=True)
"""


def test_a_reader_that_follows_sees_whole_frames_and_may_be_killed(tmp_path):
    soak = Soak(tmp_path, *SMALL, *IN_ORDER, "--seconds", 120, "--rate", 200, "--frames-per-file", 10**6, "--flush-ms", 20)
    soak.wait_for(lambda event: event["event"] == "live" and event["frames_flushed"] > 0)
    command = [sys.executable, "-c", READER, str(tmp_path / "0.h5")]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=TESTS)
    seen = [int(reader.stdout.readline() or 0) for _ in range(3)]
    assert 0 < seen[0] < seen[1] < seen[2], reader.communicate()
    reader.kill()
    reader.communicate()
    written = soak.events[-1]["frames_written"]
    soak.wait_for(lambda event: event["event"] == "live" and event["frames_written"] >= written + 20)
    assert soak.stop() == 0
    (said,) = soak.files
    assert said["frames_lost"] == 0
    complete(tmp_path / "0.h5", 0, said["frames_written"])


@pytest.mark.parametrize("spec", ["bitshuffle", "quantise:abs=2"])
def test_a_reader_that_stays_beyond_the_end_keeps_nothing_from_being_written(tmp_path, spec):
    soak = Soak(
        tmp_path, *SMALL, *IN_ORDER, "--seconds", 120, "--rate", 200, "--frames-per-file", 10**6, "--flush-ms", 20, "--spec", spec
    )
    soak.wait_for(lambda event: event["event"] == "live" and event["frames_flushed"] > 0)
    with h5py.File(tmp_path / "0.h5", "r", swmr=True) as f:
        assert soak.stop() == 0
        (said,) = soak.files
        numbers = f[DETECTOR]["frame_number"]
        numbers.refresh()
        assert len(numbers) == said["frames_written"] and said["frames_lost"] == 0
    with h5py.File(tmp_path / "0.h5") as f:
        assert f[DETECTOR].attrs["frames_written"] == said["frames_written"]
        assert f["entry/end_time"][()].startswith(b"20")
        assert spec == "bitshuffle" or f[DETECTOR]["data"].attrs["etalon_bound_asked"] == 2


def test_a_truncated_file_is_refused_and_none_of_its_frames_reads_wrong(tmp_path):
    soak = Soak(tmp_path, *SMALL, "--seconds", 1, "--rate", 150)
    assert soak.end() == 0
    path = tmp_path / "0.h5"
    whole, size = Contents(path, 0), path.stat().st_size
    with open(path, "r+b") as f:
        f.truncate(size * 6 // 10)
    with pytest.raises(OSError, match="truncated file"):
        h5py.File(path)
    # Given its length back, the file opens: what was cut off is zeros.
    with open(path, "r+b") as f:
        f.truncate(size)
    rest = Contents(path, 0)
    # Frames lie in the file as their encoders were ready, nearly in order.
    assert set(rest.right) < set(whole.right) and len(whole.right) // 3 < len(rest.right)
    # A chunk of zeros claims to hold nothing, which the filter refuses.
    assert set(rest.right + rest.wrong + rest.absent) == set(whole.right)
    with h5py.File(path) as f:
        for number in rest.wrong:
            with pytest.raises(OSError):
                assert np.any(f[DETECTOR]["data"][number])
