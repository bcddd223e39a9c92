"""`measure` of arrays: the numbers of numpy, and of the command."""

import json
import subprocess
import sys
from pathlib import Path

import h5etalon
import h5py
import numpy as np
import pytest

ORIGINAL = np.random.default_rng(4).poisson(30, (3, 96, 128)).astype("u2")
DECODED = h5etalon.decode(h5etalon.encode(ORIGINAL, "quantise:abs=3"))


def test_errors_are_those_of_numpy():
    found = h5etalon.measure(ORIGINAL, DECODED, ["abs", "rmse"])
    error = DECODED.astype(float) - ORIGINAL
    assert found["max_abs_error"] == np.abs(error).max() and found["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert h5etalon.measure(ORIGINAL, ORIGINAL, "psnr")["psnr"] == np.inf


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">u2", ">f4"])
def test_every_type_of_number(dtype):
    found = h5etalon.measure((ORIGINAL % 100).astype(dtype), (ORIGINAL % 100 + 1).astype(dtype), "abs")
    assert (found["max_abs_error"], found["mean_error"]) == (1, 1)


def test_masked_values_and_nan_are_left_out():
    original, decoded = ORIGINAL.astype("f4"), DECODED.astype("f4")
    original[0, 0, :9], decoded[0, 0, :9] = np.nan, 1e9
    original[1, 1, :9], decoded[1, 1, :9] = -1, 1e9
    found = h5etalon.measure(original, decoded, "abs", {"mask": [-1]})
    assert found["max_abs_error"] == 3


def test_what_numpy_masks_is_left_out_whichever_array_says_so():
    original, decoded = ORIGINAL.astype("f4"), DECODED.astype("f4")
    decoded[0, 0, :9] = 1e9
    where = decoded == 1e9
    for pair in ((np.ma.array(original, mask=where), decoded), (original, np.ma.array(decoded, mask=where))):
        assert h5etalon.measure(*pair, "abs")["max_abs_error"] == 3
    counts = np.ma.array(ORIGINAL, mask=where)
    assert h5etalon.measure(counts, np.where(where, 0, DECODED), "abs")["max_abs_error"] == 3


@pytest.mark.parametrize("settings", [
    {"mask": np.array([-1])}, {"mask": [np.int64(-1)]}, {"mask": np.float32(-1)}, {"mask": -1},
    {"mask": [-1], "geometry": {"center": np.array([3.5, 4])}},
])  # fmt: skip
def test_settings_may_be_numbers_and_arrays_of_numpy(settings):
    original, decoded = ORIGINAL.astype("i4"), DECODED.astype("i4")
    original[1, 1, :9], decoded[1, 1, :9] = -1, 1000
    assert h5etalon.measure(original, decoded, "abs", settings)["max_abs_error"] == 3


def test_the_command_says_the_same(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as a, h5py.File(tmp_path / "b.h5", "w") as b:
        a["x"], b["x"] = ORIGINAL, DECODED
    names = "abs,rmse,psnr,ssim,pearson,power_spectrum"
    command = [Path(sys.executable).parent / "etalon", "measure", tmp_path / "a.h5", tmp_path / "b.h5"]
    done = subprocess.run([*command, "--metrics", names, "--json"], capture_output=True, text=True, check=True)
    found = h5etalon.measure(ORIGINAL, DECODED, names.split(","))
    text = json.dumps(json.loads(done.stdout))
    for name in ("max_abs_error", "rmse", "psnr", "ssim", "pearson"):
        assert json.dumps(found[name]) in text, name
    curve = next(iter(found.curves.values()))
    assert all(len(values) == len(curve["x"]) for values in curve["y"].values())


def test_mistakes_are_named():
    for arguments, words in [
        ((ORIGINAL, DECODED[:2]), "shapes"),
        ((ORIGINAL, DECODED, "psnrr"), "psnr"),
        ((ORIGINAL, DECODED, "iq"), "center"),
        ((ORIGINAL, DECODED, "abs", {"nonsense": 1}), "nonsense"),
    ]:
        with pytest.raises(ValueError, match=words):
            h5etalon.measure(*arguments)


def test_metrics_are_listed_with_units():
    rows = {row["name"]: row for row in h5etalon.list_metrics()}
    assert ("psnr", "dB") in rows["psnr"]["values"] and rows["psnr"]["about"]


def test_numbers_make_a_table_where_pandas_is_there():
    pytest.importorskip("pandas")
    table = h5etalon.measure(ORIGINAL, DECODED, "abs").to_frame()
    assert table.loc["max_abs_error", "value"] == 3


def test_curves_are_drawn_where_matplotlib_is_there():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    found = h5etalon.measure(ORIGINAL, DECODED, "power_spectrum")
    assert found.plot(next(iter(found.curves))).lines
