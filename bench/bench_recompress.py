"""How `etalon recompress` scales with --jobs: 1 GiB of gzip chunks to bitshuffle, and the memory it takes.

Both settings take turns; the best run of each counts. Source and results lie in /dev/shm, so that no disk is measured.
At the end every value of the last result is compared, by h5py with the plugin.

    .venv/bin/python bench/bench_recompress.py [--runs 3] [--codec SPEC] [--jobs 1 2] [--json]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
os.environ["HDF5_PLUGIN_PATH"] = str(REPO / "h5plugins")  # HDF5 reads it once.

import h5py  # noqa: E402
import numpy as np  # noqa: E402

from machine import describe, print_head  # noqa: E402

FRAME = (2162, 2068)
FRAMES = 121  # 1 GiB of u2
COUNTS = (0.05, 0.3, 1, 5, 20)  # mean counts of the frames that repeat


def write_source(path):
    """A dataset of gzip chunks, one frame each, as a detector's converter leaves it."""
    rng = np.random.default_rng(1)
    chunks = [zlib.compress(rng.poisson(counts, FRAME).astype("<u2").tobytes(), 4) for counts in COUNTS]
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("data", (FRAMES, *FRAME), "<u2", chunks=(1, *FRAME), compression=4)
        for index in range(FRAMES):
            dataset.id.write_direct_chunk((index, 0, 0), chunks[index % len(chunks)])
        return dataset.nbytes


def recompress(program, source, target, codec, jobs):
    """Seconds and peak memory in MB of one run."""
    target.unlink(missing_ok=True)
    start = time.perf_counter()
    process = subprocess.Popen(
        [program, "recompress", source, target, "--codec", codec, "--jobs", str(jobs), "--quiet"],
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit("etalon recompress ended with %d" % process.returncode)
    return seconds, usage.ru_maxrss * 1024 / 1e6


def check(source, target):
    """Compares all values, one frame at a time."""
    with h5py.File(source) as wanted, h5py.File(target) as found:
        assert [entry[0] for entry in filters(found["data"])] == [32008], filters(found["data"])
        for index in range(FRAMES):
            assert (wanted["data"][index] == found["data"][index]).all(), "frame %d has other values" % index


def filters(dataset):
    plist = dataset.id.get_create_plist()
    return [plist.get_filter(i) for i in range(plist.get_nfilters())]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--codec", default="bitshuffle:compressor=zstd")
    parser.add_argument("--jobs", type=int, nargs=2, default=(1, 2))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    program = os.environ.get("ETALON_COMMAND", REPO / "target/release/etalon")
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()[-1]
    head = describe(etalon=version)

    with tempfile.TemporaryDirectory(prefix="etalon-bench-", dir="/dev/shm") as folder:
        source, target = Path(folder, "source.h5"), Path(folder, "target.h5")
        raw_bytes = write_source(source)
        runs = {jobs: [] for jobs in options.jobs}
        for _ in range(options.runs):
            for jobs in options.jobs:
                runs[jobs].append(recompress(program, source, target, options.codec, jobs))
        check(source, target)
        ratio = raw_bytes / target.stat().st_size

    rows = [
        {"jobs": jobs, "seconds": min(s for s, _ in done), "peak_mb": max(m for _, m in done)} for jobs, done in runs.items()
    ]
    scaling = rows[0]["seconds"] / rows[1]["seconds"]
    if options.json:
        print(json.dumps({**head, "codec": options.codec, "raw_bytes": raw_bytes, "rows": rows, "scaling": scaling}))
        return
    print_head(head)
    print("%.2f GB of gzip chunks to %s, ratio %.2f, values equal" % (raw_bytes / 1e9, options.codec, ratio))
    for row in rows:
        print("--jobs %d %7.2f s %7.2f GB/s %6.0f MB at most" % (
            row["jobs"], row["seconds"], raw_bytes / row["seconds"] / 1e9, row["peak_mb"]))
    print("--jobs %d is %.2f× as fast as --jobs %d, best of %d" % (rows[1]["jobs"], scaling, rows[0]["jobs"], options.runs))


if __name__ == "__main__":
    main()
