"""Compares datasets of two HDF5 files through h5py and prints the result as JSON.

Usage: demo_readback.py ORIGINAL COPY DATASET...   Run by `etalon demo` with HDF5_PLUGIN_PATH as its only help.
"""

import json
import sys
import time

import h5py
import numpy as np

STEP_BYTES = 64 << 20


def compare(original, copy):
    step = max(1, STEP_BYTES // max(1, copy.nbytes // max(1, len(copy)))) if copy.shape else 1
    equal, error, seconds = True, 0.0, 0.0
    for start in range(0, len(copy), step) if copy.shape else [()]:
        part = slice(start, start + step) if copy.shape else ()
        begin = time.perf_counter()
        values = copy[part]
        seconds += time.perf_counter() - begin
        expected = original[part]
        if values.tobytes() != expected.tobytes():
            equal = False
            difference = np.abs(values.astype("f8") - expected.astype("f8"))
            error = max(error, float(np.nanmax(difference)))
    return {"dataset": copy.name, "equal": equal, "max_abs_error": error, "gbps": copy.nbytes / max(seconds, 1e-9) / 1e9}


with h5py.File(sys.argv[1], "r") as original, h5py.File(sys.argv[2], "r") as copy:
    rows = [compare(original[name], copy[name]) for name in sys.argv[3:]]
print(json.dumps({"h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version, "datasets": rows}))
