"""Threads inside big chunks: h5py through the bitshuffle plugin with ETALON_THREADS=1 beside 2 or more.

A process for each number of threads, because the plugin reads the variable once; they take turns: 1 2 1 2 …, in /dev/shm.
Every run's values are compared, and all write the same bytes.

    make plugins && .venv/bin/python bench/bench_threads.py [--threads 2] [--mebibytes 8 32] [--runs 7]
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import h5py
import numpy as np

from machine import describe, print_head

PLUGINS = Path(__file__).resolve().parent.parent / "h5plugins"
OPTIONS = {"LZ4": (0, 2), "zstd-3": (0, 3, 3)}
MEANS = (0.05, 20)
ROW = 4096
CHUNKS = 8


def work():
    """Answers each line, (mebibytes, compressor, mean), with a digest of the file's chunks, and seconds by the clock and of the
    processor for writing and for reading.
    """
    for line in sys.stdin:
        mebibytes, compressor, mean = json.loads(line)
        rows = mebibytes * (1 << 20) // (2 * ROW)
        data = np.random.default_rng(1).poisson(mean, (CHUNKS, rows, ROW)).astype("u2")
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            path = os.path.join(folder, "x.h5")
            with h5py.File(path, "w") as file:
                create = {"compression": 32008, "compression_opts": OPTIONS[compressor]}
                dataset = file.create_dataset("x", data.shape, data.dtype, chunks=(1, rows, ROW), **create)
                dataset[:] = data
                written = timed(lambda: (dataset.write_direct(data), file.flush()))
            with h5py.File(path) as file:
                dataset = file["x"]
                back = np.zeros_like(data)
                read = timed(lambda: dataset.read_direct(back))
                digest = hashlib.sha256(b"".join(dataset.id.read_direct_chunk((at, 0, 0))[1] for at in range(CHUNKS)))
        assert (back == data).all(), "other values"
        print(json.dumps([digest.hexdigest(), *written, *read]), flush=True)


def timed(action):
    start, start_of_cpu = perf_counter(), process_time()
    action()
    return perf_counter() - start, process_time() - start_of_cpu


def start_worker(threads):
    """A process with so many threads inside chunks."""
    environment = dict(os.environ, ETALON_THREADS=str(threads), HDF5_PLUGIN_PATH=str(PLUGINS))
    command = [sys.executable, __file__, "--work"]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(worker, case):
    worker.stdin.write(json.dumps(case) + "\n")
    worker.stdin.flush()
    return json.loads(worker.stdout.readline())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mebibytes", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work()
        return
    print_head(describe(h5py=h5py.__version__, hdf5=h5py.version.hdf5_version))
    print("GB/s with 1 thread, with %d, how many times as fast, and how many times the processor time" % options.threads)
    print("%-16s %-7s %6s | %-30s | %s" % ("frames", "", "MiB", "write", "read"))
    workers = [start_worker(threads) for threads in (1, options.threads)]
    for mebibytes in options.mebibytes:
        for mean in MEANS:
            for compressor in OPTIONS:
                runs = [[ask(worker, (mebibytes, compressor, mean)) for worker in workers] for _ in range(options.runs)]
                assert len({digest for run in runs for digest, *_ in run}) == 1, "other bytes"
                gigabytes = CHUNKS * mebibytes * (1 << 20) / 1e9
                cells = []
                for at in (1, 3):
                    one, more = (gigabytes / min(run[worker][at] for run in runs) for worker in (0, 1))
                    cpu, more_cpu = (min(run[worker][at + 1] for run in runs) for worker in (0, 1))
                    cells.append("%6.2f %6.2f %6.2f× %6.2f×" % (one, more, more / one, more_cpu / cpu))
                print("u2 Poisson %-5s %-7s %6d | %-30s | %s" % (mean, compressor, mebibytes, *cells), flush=True)
    for worker in workers:
        worker.stdin.close()
        worker.wait()


if __name__ == "__main__":
    main()
