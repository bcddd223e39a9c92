"""`etalon measure FILE FILE2` on datasets larger than the memory it may take: time, peak memory, and the result checked.

`.venv/bin/python bench/bench_metrics.py --gib 4`
"""

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from machine import describe, print_head

REPO = Path(__file__).resolve().parent.parent
ETALON = os.environ.get("ETALON_COMMAND", str(REPO / "target/release/etalon"))
FRAME = (1024, 1024)


def write(path, frames, shift):
    """Frames of counts with a pattern that repeats, `shift` added to every eighth pixel of every third frame."""
    base = np.random.RandomState(1).poisson(10, (16, *FRAME)).astype("<u2")
    lossy = base.copy()
    lossy[::3, :, ::8] += shift
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", (frames, *FRAME), "<u2", chunks=(1, *FRAME), compression=32008, compression_opts=(0, 2))
        for at in range(0, frames, 16):
            data[at : at + 16] = lossy
    error = lossy.astype("f8") - base
    return {"max_abs_error": abs(error).max(), "mean_error": error.mean(), "rmse": np.sqrt((error**2).mean())}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=4)
    parser.add_argument("--metrics", nargs="*", default=["abs,rmse,pearson", "psnr", "ssim", "abs,rmse,psnr,ssim,otsu,error_acf"])
    arguments = parser.parse_args()
    frames = int(arguments.gib * 2**30 / 2 / FRAME[0] / FRAME[1]) // 16 * 16
    print_head(describe())
    with tempfile.TemporaryDirectory() as folder:
        a, b = Path(folder, "a.h5"), Path(folder, "b.h5")
        write(a, frames, 0)
        expected = write(b, frames, 3)
        raw = frames * FRAME[0] * FRAME[1] * 2
        print("%d frames, %.2f GiB raw, %.2f GiB stored" % (frames, raw / 2**30, a.stat().st_size / 2**30))
        for metrics in arguments.metrics:
            start = time.perf_counter()
            done = subprocess.run([ETALON, "measure", a, b, "-m", metrics, "--json"], capture_output=True, text=True, check=True)
            seconds = time.perf_counter() - start
            (row,) = json.loads(done.stdout)["datasets"]
            for name in set(expected) & set(row["metrics"]):
                assert np.isclose(row["metrics"][name], expected[name], rtol=1e-12), (name, row["metrics"][name])
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print("%-40s %6.1f s  %.2f GB/s of A  peak so far %.0f MiB" % (metrics, seconds, raw / seconds / 1e9, peak))


if __name__ == "__main__":
    main()
