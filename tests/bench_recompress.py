"""How `etalon recompress` scales with --jobs and how much memory it takes, on 1 GiB of gzip chunks.

    python tests/bench_recompress.py [--gib 1] [--level 4] [--codec bitshuffle] [--runs 3] [--folder /dev/shm]

512 chunks of 2 MiB, u16 frames as of a photon-counting detector (Poisson background that falls off with the radius,
Bragg peaks, dead module gaps), shuffle and gzip. Runs with one and two jobs alternate, so that a busy machine slows
both. Prints one JSON document; exits with 1 where two jobs are below 1.7 times one, or memory is above 300 MB.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import zlib
from pathlib import Path

import h5py
import numpy as np

from etalon_command import program
from watching import run_and_watch

SIDE = 1024
DISTINCT_FRAMES = 16


def frame(random):
    """One detector frame."""
    y, x = np.mgrid[:SIDE, :SIDE]
    radius = np.hypot(y - SIDE / 2, x - SIDE / 2)
    counts = random.poisson(8 * np.exp(-radius / 250) + 0.3).astype("<u2")
    for row, column in random.integers(4, SIDE - 4, (200, 2)):
        counts[row - 1:row + 2, column - 1:column + 2] += random.poisson(300, (3, 3)).astype("<u2")
    counts[:, 500:520] = 65535
    counts[250:260] = 65535
    return counts


def stored(counts, level):
    """A chunk as HDF5's shuffle and gzip filters leave it."""
    planes = counts.view("u1").reshape(-1, 2).T.tobytes()
    return zlib.compress(planes, level)


def write_source(path, gib, level):
    random = np.random.default_rng(7)
    chunks = [stored(frame(random), level) for _ in range(DISTINCT_FRAMES)]
    count = int(gib * 2**30) // (2 * SIDE * SIDE)
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "entry/data", (count, SIDE, SIDE), "<u2", chunks=(1, SIDE, SIDE), shuffle=True,
            compression="gzip", compression_opts=level,
        )
        for number in range(count):
            data.id.write_direct_chunk((number, 0, 0), chunks[number % DISTINCT_FRAMES])


def run(etalon, source, destination, codec, jobs):
    """Seconds, peak memory in bytes and the last event of one run."""
    destination.unlink(missing_ok=True)
    command = [etalon, "recompress", source, destination, "--codec", codec, "--jobs", str(jobs), "--json"]
    began = time.perf_counter()
    code, output, peak = run_and_watch(command)
    seconds = time.perf_counter() - began
    assert code == 0, output
    return seconds, peak, json.loads(output.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=1)
    parser.add_argument("--level", type=int, default=4)
    parser.add_argument("--codec", default="bitshuffle")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", default=None)
    arguments = parser.parse_args()
    etalon = program()
    times, peaks, done = {1: [], 2: []}, [], {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        source, destination = Path(folder, "source.h5"), Path(folder, "destination.h5")
        write_source(source, arguments.gib, arguments.level)
        for _ in range(arguments.runs):
            for jobs in times:
                seconds, peak, done = run(etalon, source, destination, arguments.codec, jobs)
                times[jobs].append(seconds)
                peaks.append(peak)
    best = {jobs: min(values) for jobs, values in times.items()}
    result = {
        "source": "%g GiB of u16 frames, shuffle+gzip:level=%d" % (arguments.gib, arguments.level),
        "codec": arguments.codec,
        "processors": os.cpu_count(),
        "seconds": {str(jobs): [round(value, 3) for value in values] for jobs, values in times.items()},
        "median_speed_up": round(statistics.median(times[1]) / statistics.median(times[2]), 3),
        "best_speed_up": round(best[1] / best[2], 3),
        "gbps_of_raw_data_2_jobs": round(arguments.gib * 2**30 / best[2] / 1e9, 3),
        "peak_memory_mb": round(max(peaks) / 1e6, 1),
        "source_bytes": done["source_bytes"],
        "stored_bytes": done["stored_bytes"],
        "max_abs_error": done["max_abs_error"],
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result, indent=2))
    return 0 if result["best_speed_up"] >= 1.7 and max(peaks) < 300e6 else 1


if __name__ == "__main__":
    sys.exit(main())
