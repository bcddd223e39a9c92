"""Bitshuffle through the same h5py on the same data: our plugin beside hdf5plugin's.

Both own filter id 32008, so each side is a process of its own, commanded through a pipe: A B A B …, on one core, in
/dev/shm, chunks rewritten in place (a fresh file measures page allocation). Results are checked: values equal, chunk
bytes of both sides identical. Ratios count; absolute figures drift with the machine.

    .venv/bin/python bench/bench_h5py.py [--runs 7] [--only WORD] [--json]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median

import h5py
import numpy as np

from frames import real, simulated
from machine import describe, print_head

SETTINGS = {"LZ4": (0, 2), "zstd-3": (0, 3, 3)}
WANTED_BYTES = 100 << 20  # Small sets are repeated up to this size.


class Side:
    """The process of one side."""

    def __init__(self, name, folder):
        worker = Path(__file__).with_name("h5py_worker.py")
        command = [sys.executable, worker, name, folder]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the worker ended while it was asked to %s" % command[0])
        return json.loads(line)


def compare(sides, path, setting, runs):
    """Best and median speeds of write and read on both sides, and their ratios."""
    raw_bytes = np.load(path, mmap_mode="r").nbytes
    opened = {name: side.ask("open", path, SETTINGS[setting]) for name, side in sides.items()}
    assert opened["ours"] == opened["theirs"], "chunk bytes differ"
    seconds = {(name, what): [] for name in sides for what in ("write", "read")}
    for _ in range(runs):
        for what in ("write", "read"):
            for name, side in sides.items():
                seconds[name, what].append(side.ask(what))
    for side in sides.values():
        side.ask("close")
    row = {"setting": setting, "ratio": raw_bytes / opened["ours"]["bytes"]}
    for what in ("write", "read"):
        ours, theirs = seconds["ours", what], seconds["theirs", what]
        row[what] = {
            "gbps": raw_bytes / min(ours) / 1e9,
            "gbps_hdf5plugin": raw_bytes / min(theirs) / 1e9,
            "times": min(theirs) / min(ours),
            "gbps_median": raw_bytes / median(ours) / 1e9,
            "times_median": median(t / o for o, t in zip(ours, theirs)),
        }
    return row


def print_row(row):
    cells = ["%6.2f %6.2f %5.2f× (%5.2f×)" % (
        row[what]["gbps"], row[what]["gbps_hdf5plugin"], row[what]["times"], row[what]["times_median"],
    ) for what in ("write", "read")]
    print("%-30s %-7s %6.2f | %s | %s" % (row["frames"], row["setting"], row["ratio"], *cells), flush=True)


def compare_all(folder, runs, only, report):
    """The rows of all sets whose name contains `only`."""
    sides = {name: Side(name, folder) for name in ("ours", "theirs")}
    path = os.path.join(folder, "frames.npy")
    rows = []
    for source in (simulated, real):
        for name, frames in source():
            if only not in name:
                continue
            np.save(path, np.concatenate([frames] * max(1, WANTED_BYTES // frames.nbytes)))
            for setting in SETTINGS:
                rows.append({"frames": name, **compare(sides, path, setting, runs)})
                report(rows[-1])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--only", default="", metavar="WORD", help="only the sets whose name contains this")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    head = describe(h5py=h5py.__version__, hdf5=h5py.version.hdf5_version, hdf5plugin=version("hdf5plugin"))
    if not options.json:
        print_head(head)
        print("1 thread, %d runs in turns; GB/s ours, hdf5plugin's, ratio of the best (median ratio of neighbours)"
              % options.runs)
        print("%-30s %-7s %6s | %-30s | %s" % ("frames", "", "ratio", "write", "read"))
    with tempfile.TemporaryDirectory(prefix="etalon-bench-", dir="/dev/shm") as folder:
        rows = compare_all(folder, options.runs, options.only, (lambda row: None) if options.json else print_row)
    if options.json:
        print(json.dumps({**head, "rows": rows}))


if __name__ == "__main__":
    main()
