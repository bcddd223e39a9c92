"""`h5etalon.read` and `write` on several threads beside h5py with hdf5plugin, on one dataset in one process.

hdf5plugin's bitshuffle serves h5py throughout; h5etalon goes past it. The sides take turns: A B A B …, in /dev/shm, and
every run's values are compared with the original (read) or read back (write). Ratios count; absolute figures drift with
the machine. On a machine with other work the threads do not get the cores they ask for; processor time says what a byte
costs there.

    .venv-wheel/bin/python bench/bench_python.py [--gigabytes 2] [--threads 2] [--runs 5] [--only WORD]
"""

import argparse
import os
import tempfile
from statistics import median
from time import perf_counter, process_time

import h5etalon
import h5py
import hdf5plugin
import numpy as np

from machine import describe, print_head

SETTINGS = {"LZ4": {"cname": "lz4"}, "zstd-3": {"cname": "zstd", "clevel": 3}}
FRAME = (2162, 2068)
DISTINCT_FRAMES = 8


def frame_sets():
    """Name and a few frames of each set."""
    rng = np.random.default_rng(1)
    yield "u2 Poisson .05", rng.poisson(0.05, (DISTINCT_FRAMES, *FRAME)).astype("u2")
    yield "u2 Poisson 20", rng.poisson(20, (DISTINCT_FRAMES, *FRAME)).astype("u2")
    yield "u4 Poisson 1", rng.poisson(1, (DISTINCT_FRAMES, *FRAME)).astype("u4")


def repeated(frames, wanted_bytes):
    """The frames again and again, up to a size."""
    return np.concatenate([frames] * max(1, round(wanted_bytes / frames.nbytes)))


def timed(action):
    """Seconds by the clock, seconds of the processor, and the result."""
    start, start_of_cpu = perf_counter(), process_time()
    result = action()
    return (perf_counter() - start, process_time() - start_of_cpu), result


def compare_reading(path, frames, threads, runs):
    """Seconds of each side, and whether both gave the frames."""
    seconds = {"ours": [], "theirs": []}
    for _ in range(runs):
        for side in seconds:
            with h5py.File(path) as file:
                dataset = file["x"]
                read = (lambda: h5etalon.read(dataset, threads=threads)) if side == "ours" else (lambda: dataset[()])
                took, values = timed(read)
            assert (values == frames).all(), "%s: other values" % side
            del values
            seconds[side].append(took)
    return seconds


def compare_writing(path, frames, setting, threads, runs):
    """Seconds of each side. Chunks are rewritten in place: a new file measures page allocation."""
    seconds = {"ours": [], "theirs": []}
    stored = {}
    for side in seconds:
        create(path + side, frames, setting)[:] = frames
    for _ in range(runs):
        for side in seconds:
            with h5py.File(path + side, "r+") as file:
                dataset = file["x"]

                def write():
                    if side == "ours":
                        h5etalon.write(dataset, frames, threads=threads)
                    else:
                        dataset[:] = frames
                    file.flush()

                seconds[side].append(timed(write)[0])
                stored[side] = [dataset.id.read_direct_chunk((at, 0, 0))[1] for at in range(DISTINCT_FRAMES)]
    assert stored["ours"] == stored["theirs"], "other bytes"
    with h5py.File(path + "ours") as file:
        assert (file["x"][()] == frames).all(), "other values"
    os.unlink(path + "ours")
    os.rename(path + "theirs", path)
    return seconds


def create(path, frames, setting):
    file = h5py.File(path, "w")
    options = hdf5plugin.Bitshuffle(**SETTINGS[setting])
    return file.create_dataset("x", frames.shape, frames.dtype, chunks=(1, *frames.shape[1:]), **options)


def cell(seconds, nbytes):
    clock, cpu = ({side: min(run[at] for run in runs) for side, runs in seconds.items()} for at in (0, 1))
    ratio = median(theirs[0] / ours[0] for ours, theirs in zip(seconds["ours"], seconds["theirs"]))
    return "%6.2f %6.2f %5.2f× (%5.2f×) %5.2f×" % (
        nbytes / clock["ours"] / 1e9, nbytes / clock["theirs"] / 1e9, clock["theirs"] / clock["ours"], ratio,
        cpu["theirs"] / cpu["ours"],
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", metavar="WORD", help="only the sets whose name contains this")
    options = parser.parse_args()
    hdf5plugin.register("bshuf")
    assert "etalon" not in h5etalon.served_by(h5etalon.BSHUF_ID)
    print_head(describe(h5py=h5py.__version__, hdf5=h5py.version.hdf5_version, hdf5plugin=hdf5plugin.version))
    print("%d threads, %d runs in turns; GB/s ours, h5py + hdf5plugin, ratio of the best (median ratio of neighbours),"
          " ratio of processor time" % (options.threads, options.runs))
    print("%-16s %-7s | %-36s | %s" % ("frames", "", "write", "read"))
    with tempfile.TemporaryDirectory(prefix="etalon-bench-", dir="/dev/shm") as folder:
        path = os.path.join(folder, "x.h5")
        for name, distinct in frame_sets():
            if options.only not in name:
                continue
            frames = repeated(distinct, options.gigabytes * 1e9)
            for setting in SETTINGS:
                write = compare_writing(path, frames, setting, options.threads, options.runs)
                read = compare_reading(path, frames, options.threads, options.runs)
                cells = cell(write, frames.nbytes), cell(read, frames.nbytes)
                print("%-16s %-7s | %s | %s" % (name, setting, *cells), flush=True)


if __name__ == "__main__":
    main()
