"""Encoding through libetalon beside bitshuffle's own C functions from PyPI, on the same frames, turn by turn.

Both write into one buffer that is there before, from one thread, called from here through ctypes; then two threads of
libetalon with an encoder each beside one. Every stream is decoded by bitshuffle and compared.

`--cpu` counts the CPU time of each thread instead of the time on the wall: for machines that do other work. Two threads
are then as fast as the slower would be on a core of its own, so that waiting for locks does not show, but caches and
memory do.

    make library && .venv/bin/python bench/bench_capi.py [--runs 9] [--simulated] [--cpu]
"""

import argparse
import ctypes
import os
import sys
import threading
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # Before bitshuffle is imported: its wheel is built with OpenMP.

import bitshuffle  # noqa: E402
import bitshuffle.ext  # noqa: E402
import numpy as np  # noqa: E402

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO / "tests"))

import frames  # noqa: E402
from libetalon import Encoder  # noqa: E402
from machine import describe, print_head  # noqa: E402

PATHS = {"lz4": ("bitshuffle", ()), "zstd": ("bitshuffle:compressor=zstd", (3,))}


def load(path):
    """A library with bitshuffle's functions, and Etalon's where it has them."""
    library = ctypes.CDLL(str(path))
    for name in PATHS:
        getattr(library, "bshuf_compress_%s_bound" % name).restype = ctypes.c_size_t
        getattr(library, "bshuf_compress_" + name).restype = ctypes.c_int64
    return library


class Theirs:
    """bitshuffle's function for one of PATHS."""

    def __init__(self, library, name, frame):
        size = ctypes.c_size_t
        shape = (size(frame.size), size(frame.itemsize), size(0))
        self.buffer = ctypes.create_string_buffer(getattr(library, "bshuf_compress_%s_bound" % name)(*shape))
        self.call, self.rest = getattr(library, "bshuf_compress_" + name), (*shape, *PATHS[name][1])

    def encode_into(self, frame):
        written = self.call(ctypes.c_void_p(frame.ctypes.data), self.buffer, *self.rest)
        assert written > 0
        return written

    def stream(self, frame):
        written = self.encode_into(frame)
        return self.buffer.raw[:written]


def seconds(call, clock):
    start = clock()
    call()
    return clock() - start


def check(name, ours, theirs, frame):
    """Both streams decode to the frame; those of LZ4 are equal."""
    bare, stream = ours.encode(frame)[12:], theirs.stream(frame)
    assert name != "lz4" or bare == stream
    for found in (bare, stream):
        back = getattr(bitshuffle, "decompress_" + name)(np.frombuffer(found, "u1"), frame.shape, frame.dtype)
        assert back.tobytes() == frame.tobytes()


def two_threads(encoders, data, clock):
    """Encodes all frames in each of two threads; the time of the slower."""
    barrier = threading.Barrier(2)
    times = []

    def work(encoder):
        barrier.wait()
        times.append(seconds(lambda: [encoder.encode_into(frame) for frame in data], clock))

    threads = [threading.Thread(target=work, args=(encoder,)) for encoder in encoders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(times)


def bench(name, library, theirs_library, data, runs, clock):
    """Best times of (ours, theirs, two threads of ours) for all frames, taken turn by turn."""
    encoders = [Encoder(library, PATHS[name][0], data[0]) for _ in range(2)]
    theirs = Theirs(theirs_library, name, data[0])
    for frame in data:
        check(name, encoders[0], theirs, frame)
    best = [float("inf")] * 3
    for _ in range(runs):
        turn = (
            seconds(lambda: [encoders[0].encode_into(frame) for frame in data], clock),
            seconds(lambda: [theirs.encode_into(frame) for frame in data], clock),
            two_threads(encoders, data, clock) / 2,  # Each encodes all frames: half the time for as many.
        )
        best = [min(pair) for pair in zip(best, turn)]
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--simulated", action="store_true", help="leave out real data")
    parser.add_argument("--cpu", action="store_true", help="count CPU time")
    parser.add_argument("--library", default=REPO / "target/release/libetalon.so")
    options = parser.parse_args()
    library, theirs = load(options.library), load(bitshuffle.ext.__file__)
    library.etalon_last_error.restype = ctypes.c_char_p
    library.etalon_encoder_bound.restype = ctypes.c_size_t
    clock = time.thread_time if options.cpu else time.perf_counter
    print_head(describe(bitshuffle=bitshuffle.__version__, numpy=np.__version__))
    print("%-34s %5s %9s %9s %7s %12s" % ("frames", "", "GB/s ours", "theirs", "ratio", "two threads"))
    for title, data in [*frames.simulated(), *([] if options.simulated else frames.real())]:
        data = np.ascontiguousarray(data[:8])
        for name in PATHS:
            ours, others, both = bench(name, library, theirs, data, options.runs, clock)
            speed = data.nbytes / 1e9
            print("%-34s %5s %9.2f %9.2f %6.1fx %11.2fx" % (
                title, name, speed / ours, speed / others, others / ours, ours / both), flush=True)


if __name__ == "__main__":
    main()
