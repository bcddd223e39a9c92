"""Calls the Rust metrics on numpy arrays: `outcome(["psnr"], a, b, data_range=1.0)`."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

REPO = Path(__file__).resolve().parents[2]
EXAMPLES = Path(os.environ.get("ETALON_EXAMPLES", REPO / "target/release/examples"))
PROGRAM = EXAMPLES / "measure_arrays"


class Refused(Exception):
    """The sentence that the user sees."""


def outcome(metrics, original, decoded=None, step=None, **settings):
    """What etalon-metrics yields: a dict of `values`, `curves`, `images` and `notes`. Arrays are (frames, rows, columns),
    or (rows, columns) for one frame."""
    original = np.ascontiguousarray(original)
    shape = ((1,) * 3 + original.shape)[-3:]
    with tempfile.TemporaryDirectory() as folder:
        request = {
            "metrics": metrics,
            "settings": settings,
            "dtype": original.dtype.str,
            "shape": shape,
            "original": stored(original, folder, "original"),
        }
        if decoded is not None:
            assert decoded.dtype == original.dtype and decoded.shape == original.shape
            request["decoded"] = stored(decoded, folder, "decoded")
        if step:
            request["step"] = step
        done = subprocess.run([PROGRAM], input=json.dumps(request), capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(done.stderr.strip())
    answer = json.loads(done.stdout)
    # JSON has no NaN: a number that is not defined is null.
    answer["values"] = {name: np.nan if value is None else value for name, value in answer["values"].items()}
    for curve in answer.get("curves", {}).values():
        curve["x"] = np.array(curve["x"], "f8")
        curve["y"] = {name: np.array(y, "f8") for name, y in curve["y"].items()}
    return answer


def values(metrics, original, decoded=None, **settings):
    """The numbers alone."""
    return outcome(metrics, original, decoded, **settings)["values"]


def stored(array, folder, name):
    """Path of a raw file with the array."""
    path = os.path.join(folder, name)
    np.ascontiguousarray(array).tofile(path)
    return path


def shared_data(slug, dataset, *selection):
    """Real detector data beside the repository, which are never copied into it."""
    import h5py
    import hdf5plugin  # noqa: F401

    path = REPO.parent / "shared/data" / slug / (slug + ".h5")
    if not path.exists():
        pytest.skip("no real data at %s" % path)
    with h5py.File(path) as file:
        return file[dataset][selection or ()]
