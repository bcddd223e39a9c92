"""Stores and times chunks through h5py, for `etalon bench`: one process for Etalon's plugins, one for everybody else's.

Usage: h5py_worker.py own|peers wall|cpu

Commands come on stdin, a JSON object a line, and each is answered by a line of JSON on stdout; the raw chunks follow the
command "load", the decoded ones follow the answer to "open". A file in memory without a chunk cache, so that every write
and every read runs the filters; one processor, so that no filter has more than one thread.
"""

import json
import os
import platform
import sys
import time

SIDE, CLOCK = sys.argv[1:]
LEAST_RUN_S = 0.01  # Shorter runs say more about the clock than about the filter.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

# Filters that print must not print into the answers.
answers = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)

import h5py  # noqa: E402
import numpy as np  # noqa: E402

hdf5plugin = None
if SIDE == "peers":
    try:
        import hdf5plugin
    except ImportError:
        pass

now = {"wall": time.perf_counter, "cpu": time.process_time}[CLOCK]


class Stored:
    """A dataset with one row of chunks."""

    def __init__(self, file, key, sample, options):
        count, *chunk = sample.shape
        shape = (count * chunk[0], *chunk[1:])
        data = file.create_dataset(key, shape, sample.dtype, chunks=tuple(chunk), **options)
        self.id, self.sample, self.type = data.id, sample, data.id.get_type()
        self.memory = h5py.h5s.create_simple(tuple(chunk))
        self.starts = [(at * chunk[0],) + (0,) * (len(chunk) - 1) for at in range(count)]
        self.spaces = [h5py.h5s.create_simple(shape) for _ in self.starts]
        for space, start in zip(self.spaces, self.starts):
            space.select_hyperslab(start, tuple(chunk))
        self.out = np.zeros_like(sample)
        self.passes = [1, 1]
        self.passes = [min(1000, int(LEAST_RUN_S / max(seconds, 1e-9)) + 1) for seconds in (self.write(), self.read())]

    def write(self):
        begin = now()
        for _ in range(self.passes[0]):
            for space, chunk in zip(self.spaces, self.sample):
                self.id.write(self.memory, space, chunk, self.type)
        return (now() - begin) / self.passes[0]

    def read(self):
        begin = now()
        for _ in range(self.passes[1]):
            for space, chunk in zip(self.spaces, self.out):
                self.id.read(self.memory, space, chunk, self.type)
        return (now() - begin) / self.passes[1]

    def unfiltered(self):
        """Chunks that an optional filter left as they were."""
        return sum(self.id.get_chunk_info_by_coord(start).filter_mask != 0 for start in self.starts)


def storage_options(storage):
    """Keyword arguments of create_dataset."""
    options = {"shuffle": True} if storage["shuffle"] else {}
    name, arguments = storage["name"], storage["arguments"]
    if storage["kind"] == "id":
        return {"compression": storage["id"], "compression_opts": tuple(storage["cd_values"])}
    if storage["kind"] == "plugin":
        if hdf5plugin is None:
            raise ValueError("hdf5plugin is not installed in " + sys.executable)
        if not hasattr(hdf5plugin, name):
            raise ValueError("hdf5plugin %s has no %s" % (hdf5plugin.version, name))
        options.update(getattr(hdf5plugin, name)(**arguments))
    elif name == "gzip":
        options.update(compression="gzip", compression_opts=arguments["level"])
    elif name == "szip":
        options.update(compression="szip", compression_opts=(arguments["coding"], arguments["pixels"]))
    elif name == "lzf":
        options.update(compression="lzf")
    return options


class Worker:
    """What the commands do."""

    file = None

    def hello(self, _):
        versions = {"python": platform.python_version(), "numpy": np.__version__, "h5py": h5py.__version__}
        versions["h5py_hdf5"] = h5py.version.hdf5_version
        if hdf5plugin is not None:
            versions["hdf5plugin"] = hdf5plugin.version
        return {"versions": versions}, b""

    def load(self, command):
        payload = sys.stdin.buffer.read(command["bytes"])
        if self.file is not None:
            self.file.close()
        self.sample = np.frombuffer(payload, command["dtype"]).reshape(-1, *command["chunk"])
        self.stored = {}
        self.file = h5py.File("bench", "w", driver="core", backing_store=False, rdcc_nbytes=0)
        return {}, b""

    def open(self, command):
        stored = Stored(self.file, command["key"], self.sample, storage_options(command["storage"]))
        self.stored[command["key"]] = stored
        return {"stored_bytes": stored.id.get_storage_size(), "unfiltered_chunks": stored.unfiltered()}, stored.out.tobytes()

    def run(self, command):
        stored = self.stored[command["key"]]
        return {"encode_s": stored.write(), "decode_s": stored.read()}, b""


worker = Worker()
for line in sys.stdin.buffer:
    command = json.loads(line)
    try:
        answer, payload = getattr(worker, command["command"])(command)
    except Exception as error:
        answer, payload = {"error": str(error) or type(error).__name__}, b""
    answers.write(json.dumps({**answer, "bytes": len(payload)}).encode() + b"\n" + payload)
    answers.flush()
