"""Bit transposition of the PyPI bitshuffle wheel beside memcpy, on the buffer that `cargo bench` uses for ours.

256 KiB in blocks of 8 KiB, one thread, best of many. Compare the columns `of memcpy`.

    .venv/bin/python bench/bench_transposition.py
"""

import os
import time

# Both before bitshuffle is imported: its wheel is built with OpenMP, and threads inherit the core.
os.environ["OMP_NUM_THREADS"] = "1"
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import bitshuffle  # noqa: E402
import numpy as np  # noqa: E402

from machine import describe, print_head  # noqa: E402


def best_seconds(call, runs=400):
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def main():
    print_head(describe(bitshuffle=bitshuffle.__version__))
    print("256 KiB in 8 KiB blocks, 1 thread, GB/s")
    print("%5s %9s %9s %9s | of memcpy" % ("bytes", "memcpy", "encode", "decode"))
    for element_bytes in (1, 2, 4, 8):
        data = np.random.default_rng(1).integers(0, 255, 256 << 10, dtype="u1").view("u%d" % element_bytes)
        block = 8192 // element_bytes
        shuffled = bitshuffle.bitshuffle(data, block)
        assert (bitshuffle.bitunshuffle(shuffled, block) == data).all()
        copy = np.empty_like(data)
        seconds = [best_seconds(call) for call in (
            lambda: np.copyto(copy, data),
            lambda: bitshuffle.bitshuffle(data, block),
            lambda: bitshuffle.bitunshuffle(shuffled, block),
        )]
        speeds = [data.nbytes / s / 1e9 for s in seconds]
        print("%5d %9.1f %9.1f %9.1f | %.2f / %.2f" % (
            element_bytes, *speeds, speeds[1] / speeds[0], speeds[2] / speeds[0]))


if __name__ == "__main__":
    main()
