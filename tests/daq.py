"""The programs of crates/daq, and what is in the files that they write."""

import json
import os
import signal
import subprocess
import threading
import zlib
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401 (its filters read the files)
import numpy as np
import pytest

from programs import NOWHERE, REPO, TIMEOUT_S, environment

BUILT = Path(os.environ.get("CARGO_TARGET_DIR", REPO / "target")) / "release"
SOAK = BUILT / "examples/daq_soak"
DETECTOR = "entry/instrument/detector"
NO_FRAME = 2**64 - 1
SMALL = ["--rows", "256", "--columns", "300"]


def built(path):
    """A program or library that `make daq` builds."""
    if not path.exists():
        pytest.fail("no %s: run `make daq` first" % path)
    return path


class Soak:
    """examples/daq_soak.rs as a process, with what it has said."""

    def __init__(self, folder, *options, launcher=(), **popen):
        command = [*launcher, str(built(SOAK)), str(folder), *[str(option) for option in options]]
        env = environment(NOWHERE)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, **popen)
        self.events = []
        self.changed = threading.Condition()
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()

    def listen(self):
        for line in self.process.stdout:
            with self.changed:
                self.events.append(json.loads(line))
                self.changed.notify_all()

    def wait_for(self, holds, timeout=TIMEOUT_S):
        """The first event for which `holds`."""
        with self.changed:
            found = lambda: next((event for event in self.events if holds(event)), None)  # noqa: E731
            self.changed.wait_for(lambda: found() is not None or self.process.poll() is not None, timeout)
        assert found() is not None, (self.events[-1:], self.process.poll())
        return found()

    def end(self, timeout=TIMEOUT_S):
        """Waits for the end; returns the exit code."""
        code = self.process.wait(timeout)
        self.listener.join(timeout)
        return code

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.end()

    @property
    def files(self):
        """What it said of each file that it closed."""
        return [event for event in self.events if event["event"] == "file"]


def is_frame(values, number):
    """Whether these are frame `number` of examples/daq_soak.rs."""
    frame = memoryview(np.ascontiguousarray(values)).cast("B")
    crc = int.from_bytes(frame[8:16], "little")
    return int.from_bytes(frame[:8], "little") == number and zlib.crc32(frame[16:]) == crc


class Contents:
    """What a reader finds in a file: which frames are right, wrong, or not there."""

    def __init__(self, path, first, swmr=False, is_right=is_frame, end=None):
        self.right, self.wrong, self.absent = [], [], []
        with h5py.File(path, "r", swmr=swmr) as f:
            detector = f[DETECTOR]
            data, numbers = detector["data"], detector["frame_number"][()]
            self.attributes = dict(detector.attrs)
            self.is_finished = f["entry/end_time"][()].strip() != b""
            frame = np.empty(data.shape[1:], data.dtype)
            for index in range(min(len(numbers), len(data)) if end is None else end):
                number = first + index
                if numbers[index] == NO_FRAME:
                    self.absent.append(number)
                    continue
                try:
                    data.read_direct(frame, np.s_[index])
                    is_good = numbers[index] == number and is_right(frame, number)
                except OSError:
                    is_good = False
                (self.right if is_good else self.wrong).append(number)


def named(lost):
    """The numbers in runs of lost frames."""
    return [number for first, last in lost for number in range(first, last + 1)]
