"""`etalon measure` with metrics: one dataset beside another, or what a codec makes of it, by numpy's own arithmetic.

The metrics themselves are compared with their references in tests/references; here, that the right elements reach them.
"""

import csv
import io
import json

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json

RANDOM = np.random.RandomState(5)
A = RANDOM.poisson(20, (16, 50, 70)).astype("<u2")
A[:, 3, 4] = 65535
B = np.where(A == 65535, A, A + RANDOM.randint(0, 4, A.shape)).astype("<u2")
MASK = ["--set", "mask=[65535]"]


def errors(a, b, selection=...):
    """What E1 says of the elements that are data."""
    a, b = a[selection].astype("f8"), b[selection].astype("f8")
    e = (b - a)[a != 65535]
    return {"max_abs_error": abs(e).max(), "mean_error": e.mean(), "mean_abs_error": abs(e).mean()}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same numbers in every way a file can hold them."""
    folder = tmp_path_factory.mktemp("metrics")
    for name, array in [("a", A), ("b", B)]:
        with h5py.File(folder / (name + ".h5"), "w") as file:
            file.create_dataset("cut", data=array, chunks=(3, 17, 70), compression="gzip", shuffle=True)
            file.create_dataset("contiguous", data=array)
            file.create_dataset("big_endian", data=array.astype(">i4"), chunks=(16, 10, 10))
            file.create_dataset("double", data=array.astype("f8"), chunks=(1, 50, 70))
            file.create_dataset("five/dimensions", data=array.reshape(2, 2, 4, 50, 70), chunks=(2, 1, 3, 20, 70))
            file["small"] = array[0, :2, :2]
            file["half"] = (array % 2048).astype("f2")
            file["text"] = "a title"
    return folder


def test_two_files_are_compared_dataset_by_dataset(files):
    asked = ["/big_endian", "/contiguous", "/cut", "/double", "/five/*"]
    patterns = [word for name in asked for word in ("-d", name)]
    answer = etalon_json("measure", files / "a.h5", files / "b.h5", *patterns, *MASK, "-m", "abs")
    assert sorted(row["dataset"] for row in answer["datasets"]) == asked[:4] + ["/five/dimensions"]
    assert answer["decoded_file"].endswith("b.h5") and answer["settings"]["mask"] == [65535]
    for row in answer["datasets"]:
        assert row["metrics"] == pytest.approx(errors(A, B), rel=1e-12), row["dataset"]
        assert row["max_abs_error"] == 3 and row["encode_gbps"] is None and row["ratio"] > 0.5


def test_two_datasets_of_one_file_are_compared(files, tmp_path):
    path = tmp_path / "both.h5"
    with h5py.File(path, "w") as file:
        file["raw"], file["lossy"] = A, B.astype("f4")
    (row,) = etalon_json("measure", "%s::/raw" % path, "%s::/lossy" % path, *MASK)["datasets"]
    assert row["metrics"] == pytest.approx(errors(A, B), rel=1e-12)


def test_half_precision_is_measured(files):
    (row,) = etalon_json("measure", files / "a.h5", files / "b.h5", "-d", "/half")["datasets"]
    halves = [(array % 2048).astype("f2") for array in (A, B)]
    assert row["metrics"] == pytest.approx(errors(*halves), rel=1e-12)


def test_rows_of_chunks_are_those_of_the_elements_in_them(files):
    (row,) = etalon_json("measure", files / "a.h5", files / "b.h5", "-d", "/cut", "--per-chunk", *MASK)["datasets"]
    assert len(row["chunks"]) == 6 * 3
    for chunk in row["chunks"]:
        box = tuple(slice(start, start + extent) for start, extent in zip(chunk["chunk"], (3, 17, 70)))
        assert chunk["metrics"] == pytest.approx(errors(A, B, box), rel=1e-12), chunk["chunk"]


def test_psnr_of_chunks_has_the_range_of_the_dataset(tmp_path):
    # The second chunk is ten times as bright: ranges of their own would differ by as much.
    a = np.stack([RANDOM.poisson(20, (50, 70)), RANDOM.poisson(200, (50, 70))]).astype("<u2")
    b = a + RANDOM.randint(0, 3, a.shape).astype("<u2")
    path = tmp_path / "pair.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=a, chunks=(1, 50, 70))
        file.create_dataset("b", data=b, chunks=(1, 50, 70))
    (row,) = etalon_json("measure", "%s::/a" % path, "%s::/b" % path, "-m", "psnr", "--per-chunk")["datasets"]
    low, high = np.percentile(a.astype("f8"), [0.1, 99.9])
    squares = (b.astype("f8") - a) ** 2

    def psnr(squares):
        return pytest.approx({"psnr": 10 * np.log10((high - low) ** 2 / squares.mean()), "data_range": high - low}, rel=1e-12)

    assert row["metrics"] == psnr(squares)
    assert [chunk["metrics"] for chunk in row["chunks"]] == [psnr(squares[0]), psnr(squares[1])]


def test_numbers_do_not_depend_on_the_threads(tmp_path):
    # Frames large enough to be cut into runs, and in more than one slab.
    a = RANDOM.poisson(20, (70, 512, 512)).astype("<u2")
    b = a + RANDOM.randint(0, 3, a.shape).astype("<u2")
    path = tmp_path / "pair.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=a, chunks=(1, 512, 512))
        file.create_dataset("b", data=b, chunks=(1, 512, 512))
    arguments = ["measure", "%s::/a" % path, "%s::/b" % path, "-m", "abs,sigma,rmse,pearson,psnr,ssim,otsu,mask", *MASK]
    one, three = (etalon_json(*arguments, "--jobs", jobs)["datasets"] for jobs in (1, 3))
    assert one == three and one[0]["metrics"]["ssim"] < 1


@pytest.mark.parametrize("dataset", ["/cut", "/contiguous", "/big_endian", "/double", "/five/dimensions"])
def test_what_a_codec_makes_of_a_dataset_is_measured(files, dataset, tmp_path):
    spec = "noise:sigma=2,mask=65535"
    row, lossless = etalon_json(
        "measure", "%s::%s" % (files / "a.h5", dataset), "-c", spec, "-c", "bitshuffle", "-m", "abs", *MASK, "--per-chunk"
    )["datasets"]
    # What is stored in a file by the same codec is the reference.
    etalon("recompress", files / "a.h5", tmp_path / "c.h5", "-c", spec, "-d", dataset)
    (stored,) = etalon_json("measure", files / "a.h5", tmp_path / "c.h5", "-d", dataset, "-m", "abs", *MASK)["datasets"]
    assert row["metrics"] == pytest.approx(stored["metrics"], rel=1e-12) and row["metrics"]["max_abs_error"] > 0
    assert max(chunk["metrics"]["max_abs_error"] for chunk in row["chunks"]) == row["metrics"]["max_abs_error"]
    assert set(lossless["metrics"].values()) == {0}


def test_chunks_that_a_codec_kept_without_loss_are_told(tmp_path):
    # Floats of any size, for which no step of half a count is left, and counts.
    a = np.stack([RANDOM.randint(0, 2**32, (50, 70)).astype("u4").view("f4"), RANDOM.poisson(1000, (50, 70)).astype("f4")])
    a[~np.isfinite(a)] = 0
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=a, chunks=(1, 50, 70))
    target = "%s::/a" % (tmp_path / "a.h5")
    noise, lossless = etalon_json("measure", target, "-c", "noise:sigma=0.5", "-c", "bitshuffle", "-m", "abs")["datasets"]
    (note,) = noise["notes"]
    assert "fell back" in note and "in 1 of 2 chunks" in note and "notes" not in lossless
    assert note in etalon("measure", target, "-c", "noise:sigma=0.5").stdout


def test_csv_and_lines_hold_the_same_numbers(files):
    arguments = ["measure", files / "a.h5", files / "b.h5", "-d", "/cut", "--per-chunk", *MASK, "-m", "abs"]
    rows = list(csv.DictReader(io.StringIO(etalon(*arguments, "--csv").stdout)))
    lines = [json.loads(line) for line in etalon(*arguments, "--lines").stdout.splitlines()]
    assert len(rows) == len(lines) == 1 + 18
    for row, line in zip(rows, lines):
        assert list(row) == list(line)
        assert float(row["mean_error"]) == line["mean_error"] and row["chunk"] == line["chunk"]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["a.h5"], "give --codec"),
        (["a.h5", "-m", "psnrr"], "psnr"),
        (["a.h5", "-p", "tomographie"], "no such profile"),
        (["a.h5", "b.h5", "--set", "noise.gian=2"], "gian"),
        (["a.h5", "b.h5", "--set", "noise"], "KEY=VALUE"),
        (["a.h5::/cut", "b.h5::/small"], "only datasets of one shape"),
        (["a.h5::/cut", "b.h5::/nothing"], "has no dataset '/nothing'"),
        (["a.h5::/text", "b.h5", "-m", "abs"], "dataset"),
        (["a.h5", "b.h5", "-c", "bitshuffle"], "cannot be used with"),
    ],
)
def test_wrong_arguments_say_what_to_give(files, arguments, sentence):
    words = [str(files / word) if ".h5" in word else word for word in arguments]
    done = etalon("measure", *words, code=2)
    assert sentence in done.stderr, done.stderr


def test_settings_come_from_a_file_too(files, tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("mask = [65535]\n[noise]\ngain = 3\n")
    answer = etalon_json("measure", files / "a.h5", files / "b.h5", "-d", "/cut", "--settings", path, "--set", "noise.gain=2")
    assert answer["settings"]["noise"]["gain"] == 2 and answer["settings"]["mask"] == [65535]
    done = etalon("measure", files / "a.h5", files / "b.h5", "--settings", tmp_path / "missing.toml", code=3)
    assert "missing.toml" in done.stderr


def test_a_damaged_chunk_is_named(files, tmp_path):
    path = tmp_path / "damaged.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("cut", A.shape, "<u2", chunks=(16, 50, 70), compression="gzip")
        dataset.id.write_direct_chunk((0, 0, 0), b"not zlib")
    done = etalon("measure", files / "a.h5", path, "-d", "/cut", code=3)
    assert "/cut" in done.stderr


def test_limits_are_judged(files):
    arguments = ["measure", files / "a.h5", files / "b.h5", "-d", "/cut", *MASK]
    (row,) = etalon_json(*arguments, "-l", "max_abs_error<=3", "-l", "mean_error>=0")["datasets"]
    assert [verdict["holds"] for verdict in row["verdicts"]] == [True, True]
    done = etalon(*arguments, "--limit", "max_abs_error<=2", code=1)
    assert "max_abs_error<=2 does not hold, it is 3" in done.stderr
    assert "write it as" in etalon(*arguments, "-l", "max_abs_error", code=2).stderr


def test_pictures_of_the_middle_frame_are_in_the_document(files):
    (row,) = etalon_json("measure", files / "a.h5", files / "b.h5", "-d", "/double", "-m", "preview", *MASK)["datasets"]
    original, error = (np.array(row["images"][name]["values"], "f8") for name in ("original", "error"))
    expected = np.where(A == 65535, np.nan, A)[8].ravel()
    assert np.array_equal(original, expected, equal_nan=True) and np.nanmax(error) == 3


def test_metrics_are_listed(files):
    listed = etalon_json("metrics")
    assert {"id", "name", "about", "values", "needs"} <= set(listed[0])
    assert "max_abs_error" in etalon("metrics").stdout
