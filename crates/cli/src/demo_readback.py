"""Compares datasets of two HDF5 files through h5py and prints the result as JSON.

Usage: demo_readback.py ORIGINAL COPY DATASET...   Run by `etalon demo` with HDF5_PLUGIN_PATH as its only help.
"""

import json
import sys
import time

import h5py
import numpy as np

STEP_BYTES = 64 << 20


def parts(data):
    """Slices along the first dimension: whole chunks, about STEP_BYTES each."""
    rows = data.chunks[0] if data.chunks else 1
    row_bytes = max(1, data.nbytes // max(1, len(data)))
    step = max(1, STEP_BYTES // (row_bytes * rows)) * rows
    return [slice(start, min(start + step, len(data))) for start in range(0, len(data), step)]


def compare(original, copy):
    equal, error, seconds = True, 0.0, 0.0
    for part in parts(copy):
        values = np.zeros((part.stop - part.start,) + copy.shape[1:], copy.dtype)
        # Once to have the plugin loaded and the memory at hand, once to measure. There is no chunk cache to help.
        for _ in range(2):
            begin = time.perf_counter()
            copy.read_direct(values, part)
            last = time.perf_counter() - begin
        seconds += last
        expected = original[part]
        if values.tobytes() != expected.tobytes():
            equal = False
            difference = np.abs(values.astype("f8") - expected.astype("f8"))
            error = max(error, min(float(np.nanmax(difference)), sys.float_info.max))
    return {"dataset": copy.name, "equal": equal, "max_abs_error": error, "gbps": copy.nbytes / max(seconds, 1e-9) / 1e9}


with h5py.File(sys.argv[1], "r") as original, h5py.File(sys.argv[2], "r", rdcc_nbytes=0) as copy:
    rows = [compare(original[name], copy[name]) for name in sys.argv[3:]]
print(json.dumps({"h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version, "datasets": rows}))
