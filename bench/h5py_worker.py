"""One side of bench_h5py.py: obeys commands on stdin, a JSON list each, and answers each with a line of JSON.

    python bench/h5py_worker.py ours|theirs FOLDER

`["open", frames, options]` makes the dataset and answers its chunks' bytes and hash; `["write"]` and `["read"]` answer
the seconds that all frames took.
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from time import perf_counter

SIDE, FOLDER = sys.argv[1:]
# Both before h5py is imported: HDF5 reads its path once, and threads inherit the core.
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
os.environ["HDF5_PLUGIN_PATH"] = str(Path(__file__).resolve().parent.parent / "h5plugins")
if SIDE == "theirs":
    os.environ["HDF5_PLUGIN_PATH"] = "/nonexistent"

import h5py  # noqa: E402
import numpy as np  # noqa: E402

if SIDE == "theirs":
    import hdf5plugin  # noqa: E402, F401 - registers its filters


class Bench:
    """A file whose chunks are written again and again."""

    def open(self, frames, options):
        self.path = os.path.join(FOLDER, SIDE + ".h5")
        self.frames = np.load(frames)
        self.out = np.empty(self.frames.shape[1:], self.frames.dtype)
        self.file = h5py.File(self.path, "w")
        self.dataset = self.file.create_dataset(
            "x", self.frames.shape, self.frames.dtype, chunks=(1,) + self.frames.shape[1:],
            compression=32008, compression_opts=tuple(options),
        )
        self.write()
        chunks = [self.dataset.id.read_direct_chunk((i, 0, 0))[1] for i in range(len(self.frames))]
        return {"bytes": sum(map(len, chunks)), "hash": hashlib.sha256(b"".join(chunks)).hexdigest()}

    def write(self):
        start = perf_counter()
        for i, frame in enumerate(self.frames):
            self.dataset[i] = frame
        self.file.flush()
        return perf_counter() - start

    def read(self):
        self.file.close()  # Otherwise a chunk may come from the cache.
        self.file = h5py.File(self.path, "r+")
        self.dataset = self.file["x"]
        seconds = 0.0
        for i, frame in enumerate(self.frames):
            self.out.fill(0)
            start = perf_counter()
            self.dataset.read_direct(self.out, np.s_[i])
            seconds += perf_counter() - start
            assert (self.out == frame).all(), "%s: frame %d came back with other values" % (SIDE, i)
        return seconds

    def close(self):
        self.file.close()


bench = Bench()
for line in sys.stdin:
    command, *arguments = json.loads(line)
    print(json.dumps(getattr(bench, command)(*arguments)), flush=True)
