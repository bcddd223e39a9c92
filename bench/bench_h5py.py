"""Bitshuffle through the same h5py on the same data: our plugin beside hdf5plugin's.

Both own filter id 32008, so each side is a process of its own, commanded through a pipe: A B A B …, on one core, in
/dev/shm, chunks rewritten in place (a fresh file measures page allocation). Results are checked: values equal, chunk
bytes of both sides identical. Ratios count; absolute figures drift with the machine.

    .venv/bin/python bench/bench_h5py.py [--runs 7] [--json] [--frames DATASET…]
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

REPO = Path(__file__).resolve().parent.parent
SHARED = REPO.parent / "shared/data"
REAL = {  # slug: dataset
    "lambda-m1-series": None,
    "pilatus6m-thaumatin-grid": None,
    "jungfrau-mod5": "/raw",
    "tomo-aps-tooth": None,
    "powder-ceo2-pilatus1m": None,
}
SETTINGS = {"LZ4": (0, 2), "zstd-3": (0, 3, 3)}
WANTED_BYTES = 200 << 20


def simulated():
    """Frames of the sizes that detectors write."""
    import numpy as np

    rng = np.random.default_rng(1)
    yield "u2 Poisson .05", rng.poisson(0.05, (8, 2162, 2068)).astype("u2")
    yield "u2 Poisson 20", rng.poisson(20, (8, 2162, 2068)).astype("u2")
    yield "u4 Poisson 1", rng.poisson(1, (6, 2162, 2068)).astype("u4")
    y, x = np.mgrid[0:1100, 0:1064]
    slices = [np.hypot(y - 500, x - 500) < 60 * (i + 2) for i in range(8)]
    yield "f4 tomography", np.stack([s + rng.normal(0, 0.03, s.shape) for s in slices]).astype("f4")


def real():
    """Frames of ../shared/data, where it exists."""
    import h5py

    for slug, name in REAL.items():
        path = SHARED / slug / (slug + ".h5")
        if not path.exists():
            print("no", path, file=sys.stderr)
            continue
        with h5py.File(path) as file:
            found = []
            file.visititems(lambda key, item: found.append(key) if getattr(item, "ndim", 0) > 1 else None)
            key = name or max(found, key=lambda key: file[key].nbytes)
            data = file[key][()]
            frames = data.reshape((-1,) + data.shape[-2:])
            if frames[0].nbytes < 256 << 10:  # one chunk for many small frames: h5py's own overhead is not our subject
                frames = data.reshape(1, -1, data.shape[-1])
            yield "%s %s" % (frames.dtype.str[1:], slug), frames


def worker(side):
    """One side: answers `write` and `read` commands with seconds."""
    os.environ["HDF5_PLUGIN_PATH"] = str(REPO / "h5plugins") if side == "ours" else "/nonexistent"
    import h5py
    import numpy as np

    if side != "ours":
        import hdf5plugin  # noqa: F401 - registers its filters
    path = "/dev/shm/etalon-bench-%s-%d.h5" % (side, os.getpid())
    file = dataset = frames = out = None
    for line in sys.stdin:
        command, *rest = json.loads(line)
        answer = None
        if command == "open":
            frames = np.load(rest[0])
            file = h5py.File(path, "w")
            dataset = file.create_dataset(
                "x", frames.shape, frames.dtype, chunks=(1,) + frames.shape[1:], compression=32008,
                compression_opts=tuple(rest[1]),
            )
            out = np.empty(frames.shape[1:], frames.dtype)
            dataset[:] = frames
            file.flush()
            chunks = [dataset.id.read_direct_chunk((i, 0, 0))[1] for i in range(len(frames))]
            answer = {"bytes": sum(map(len, chunks)), "hash": hashlib.sha256(b"".join(chunks)).hexdigest()}
        elif command == "write":
            start = time.perf_counter()
            for i, frame in enumerate(frames):
                dataset[i] = frame
            file.flush()
            answer = time.perf_counter() - start
        elif command == "read":
            file.close()
            file = h5py.File(path, "r+")
            dataset = file["x"]
            seconds = 0.0
            for i, frame in enumerate(frames):
                start = time.perf_counter()
                dataset.read_direct(out, np.s_[i])
                seconds += time.perf_counter() - start
                assert (out == frame).all(), "%s: frame %d came back with other values" % (side, i)
            answer = seconds
        elif command == "close":
            file.close()
            os.unlink(path)
        print(json.dumps(answer), flush=True)


class Side:
    """The process of one side."""

    def __init__(self, name):
        command = ["taskset", "-c", "1" if (os.cpu_count() or 1) > 1 else "0", sys.executable, __file__, "--worker", name]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the worker died"
        return json.loads(line)


def compare(sides, frames, setting, runs):
    """Best and median ratio of write and read speed, ours over theirs."""
    import numpy as np

    path = "/dev/shm/etalon-bench-frames.npy"
    np.save(path, frames)
    opened = {name: side.ask("open", path, SETTINGS[setting]) for name, side in sides.items()}
    assert opened["ours"] == opened["theirs"], "chunk bytes differ"
    seconds = {(name, what): [] for name in sides for what in ("write", "read")}
    for _ in range(runs):
        for what in ("write", "read"):
            for name, side in sides.items():
                seconds[name, what].append(side.ask(what))
    for side in sides.values():
        side.ask("close")
    os.unlink(path)
    row = {"setting": setting, "ratio": frames.nbytes / opened["ours"]["bytes"]}
    for what in ("write", "read"):
        ours, theirs = seconds["ours", what], seconds["theirs", what]
        row[what + "_gbps"] = frames.nbytes / min(ours) / 1e9
        row[what + "_gbps_hdf5plugin"] = frames.nbytes / min(theirs) / 1e9
        row[what + "_times"] = min(theirs) / min(ours)
        row[what + "_times_median"] = median(t / o for o, t in zip(ours, theirs))
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", choices=("ours", "theirs"))
    options = parser.parse_args()
    if options.worker:
        return worker(options.worker)
    import h5py
    import hdf5plugin
    import numpy as np

    head = "%s; h5py %s (HDF5 %s), hdf5plugin %s; 1 thread, best of %d" % (
        platform.machine(), h5py.__version__, h5py.version.hdf5_version, hdf5plugin.version, options.runs)
    sides = {name: Side(name) for name in ("ours", "theirs")}
    rows = []
    if not options.json:
        print(head)
        print("%-30s %-7s %6s | %21s | %21s" % ("frames", "", "ratio", "write GB/s, × hdf5plugin", "read"))
    for source in (simulated, real):
        for name, frames in source():
            repeat = max(1, WANTED_BYTES // frames.nbytes // 2)
            frames = np.concatenate([frames] * repeat) if repeat > 1 else frames
            for setting in SETTINGS:
                row = {"frames": name, **compare(sides, frames, setting, options.runs)}
                rows.append(row)
                if not options.json:
                    print("%-30s %-7s %6.2f | %6.2f %6.2f× (%5.2f×) | %6.2f %6.2f× (%5.2f×)" % (
                        name, setting, row["ratio"], row["write_gbps"], row["write_times"], row["write_times_median"],
                        row["read_gbps"], row["read_times"], row["read_times_median"]), flush=True)
    if options.json:
        print(json.dumps({"machine": head, "rows": rows}))
    else:
        print("× is the ratio of the best runs, in brackets the median of the ratios of neighbouring runs")


if __name__ == "__main__":
    main()
