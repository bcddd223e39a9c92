"""The programs in examples/: built as a user builds them, run, and read back by programs that know nothing of them."""

import re
import subprocess
import time

import h5py
import hdf5plugin  # noqa: F401 (its filters read the files)
import numpy as np
import pytest

from libetalon import build_or_skip
from programs import NOWHERE, REPO, TIMEOUT_S, call, environment, require

SHAPE = (512, 1028)


def exposed(number):
    """Frame `number` of examples/writer.c."""
    state = 12345 + number
    frame = np.empty(SHAPE[0] * SHAPE[1], "<u2")
    # The generator's steps, all at once: its powers modulo 2³¹.
    multiplier, increment = 1103515245, 12345
    values = np.empty(frame.size, "u8")
    for i in range(frame.size):
        state = (state * multiplier + increment) & 0x7FFFFFFF
        values[i] = state
    frame[:] = (values >> 16) % 5
    frame[0] = number
    return frame.reshape(SHAPE)


@pytest.fixture(scope="module")
def writer(installed, tmp_path_factory):
    return build_or_skip(installed, REPO / "examples/writer.c", tmp_path_factory.mktemp("examples") / "writer")


def test_the_examples_are_short():
    for path in [*REPO.glob("examples/**/*.c*"), *REPO.glob("examples/*.rs")]:
        assert len(path.read_text().splitlines()) <= 80, path


@pytest.mark.parametrize("spec", ["bitshuffle", "bitshuffle:compressor=zstd,level=1"])
def test_frames_of_the_writer_are_read_by_h5py_with_hdf5plugin(installed, writer, tmp_path, spec):
    said = call([writer, tmp_path / "x.h5", 3, spec], NOWHERE, installed.env).stdout
    assert float(re.search(r"ratio ([\d.]+)", said)[1]) > 2 and said.endswith("error 0\n"), said
    with h5py.File(tmp_path / "x.h5") as f:
        for number in (0, 2):
            assert np.array_equal(f["data"][number], exposed(number))


def test_standard_mode_needs_nothing_of_ours_and_max_mode_needs_the_plugin(installed, plugins, writer, tmp_path):
    for name, stream in (("standard", ["bitshuffle"]), ("max", [])):
        call([writer, tmp_path / name, 2, "quantise:abs=1", *stream], NOWHERE, installed.env)
    out = {}
    for name, path in (("standard", hdf5plugin.PLUGIN_PATH), ("max", plugins)):
        out[name] = tmp_path / (name + ".bin")
        command = [*require("h5dump"), "-d", "/data", "-b", "LE", "-o", out[name], tmp_path / name]
        call(command, path)
    values = {name: np.fromfile(path, "<u2").reshape(2, *SHAPE) for name, path in out.items()}
    assert np.array_equal(values["standard"], values["max"])
    error = np.abs(values["max"][0].astype("i4") - exposed(0))
    assert error.max() == 1


def test_a_reader_follows_while_the_writer_writes(installed, writer, tmp_path):
    path, frames = tmp_path / "x.h5", 400
    env = environment(NOWHERE, installed.env)
    process = subprocess.Popen([str(writer), str(path), str(frames), "bitshuffle"], env=env)
    seen, deadline = set(), time.monotonic() + TIMEOUT_S
    reader = None
    while process.poll() is None and time.monotonic() < deadline:
        if reader is None:
            try:
                reader = h5py.File(path, "r", swmr=True, libver="latest")
            except OSError:  # Not yet in SWMR mode.
                continue
        data = reader["data"] if "data" in reader else None
        if data is not None:
            data.refresh()
            if len(data):
                last = len(data) - 1
                assert data[last].flat[0] == last
                seen.add(last)
    assert process.wait() == 0 and reader is not None and len(seen) > 1, seen
    reader.close()
    with h5py.File(path) as f:
        assert [f["data"][i, 0, 0] for i in range(frames)] == list(range(frames))


def test_a_wrong_spec_is_explained(installed, writer, tmp_path):
    done = call([writer, tmp_path / "x.h5", 1, "bitshufle"], NOWHERE, installed.env, succeeds=False)
    assert done.returncode == 1 and "did you mean 'bitshuffle'" in done.stderr
    assert not (tmp_path / "x.h5").exists()
