"""`etalon measure`: the rows agree with what h5py and zlib store, and say how they came about."""

import csv
import io
import json
import zlib

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json
from programs import run_python, shared_data

COUNTS = np.random.RandomState(3).poisson(0.3, (16, 64, 80)).astype("<u2")
CODECS = ["bitshuffle", "bitshuffle:compressor=zstd", "shuffle+gzip:level=1", "gzip"]
FIELDS = {
    "dataset": str, "dtype": str, "shape": list, "codec": str, "ratio": float, "stored_bytes": int, "encode_gbps": float,
    "decode_gbps": float, "cv": float, "metrics": dict, "chunks": list, "max_abs_error": float, "runs": int,
}


def with_codecs(*codecs):
    return [word for codec in codecs for word in ("--codec", codec)]


@pytest.fixture
def counts(tmp_path):
    """The same counts in chunks, contiguous, and compressed."""
    path = tmp_path / "counts.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("entry/data", data=COUNTS, chunks=(1, 64, 80))
        file.create_dataset("contiguous", data=COUNTS)
        file.create_dataset("gzip", data=COUNTS, chunks=(4, 64, 80), compression="gzip", shuffle=True)
        file["small"] = np.arange(3)
        file["words"] = ["text", "of any length"]
    return path


def test_rows_have_the_fields_of_the_contract(counts):
    answer = etalon_json("measure", counts, *with_codecs(*CODECS))
    assert {"machine", "versions", "datasets"} <= set(answer)
    assert answer["machine"]["processors"] >= 1 and answer["versions"]["hdf5"].count(".") == 2
    rows = answer["datasets"]
    expected = [(dataset, codec) for dataset in ("/contiguous", "/entry/data", "/gzip") for codec in CODECS[:3] + ["gzip:level=4"]]
    assert sorted((row["dataset"], row["codec"]) for row in rows) == sorted(expected)
    for row in rows:
        for field, kind in FIELDS.items():
            assert isinstance(row[field], kind), (field, row[field])
        assert (row["dtype"], row["shape"], row["runs"]) == ("<u2", [16, 64, 80], 5)
        assert row["max_abs_error"] == 0 and row["chunks"] == [] and row["encode_gbps"] > 0
        assert row["raw_bytes"] == COUNTS.nbytes and row["measured_chunks"] == row["total_chunks"]
        assert row["ratio"] == pytest.approx(row["raw_bytes"] / row["stored_bytes"])


def test_stored_bytes_are_those_in_a_file(counts, plugins, wheel):
    (row,) = etalon_json("measure", "%s::/entry/data" % counts, *with_codecs("bitshuffle:compressor=zstd"))["datasets"]
    script = """
import h5py
with h5py.File(args[0], "r") as source, h5py.File("out.h5", "w", driver="core", backing_store=False) as file:
    made = file.create_dataset("x", data=source["entry/data"][()], chunks=(1, 64, 80), compression=32008, compression_opts=(0, 3))
    answer(made.id.get_storage_size())
"""
    assert row["stored_bytes"] == run_python(wheel, script, str(counts), plugin_path=plugins)


def test_gzip_is_what_zlib_stores(counts):
    (row,) = etalon_json("measure", counts, "--dataset", "/entry/data", *with_codecs("gzip:level=6"))["datasets"]
    ours = [len(zlib.compress(frame.tobytes(), 6)) for frame in COUNTS]
    assert row["stored_bytes"] == pytest.approx(sum(ours), rel=0.01)


def test_chunks_have_rows_of_their_own_and_sum_up(counts):
    (row,) = etalon_json("measure", counts, "--dataset", "/entry/data", *with_codecs("bitshuffle"), "--per-chunk")["datasets"]
    assert [chunk["chunk"] for chunk in row["chunks"]] == [[frame, 0, 0] for frame in range(16)]
    assert sum(chunk["stored_bytes"] for chunk in row["chunks"]) == row["stored_bytes"]
    assert all(chunk["max_abs_error"] == 0 and chunk["decode_gbps"] > 0 for chunk in row["chunks"])


def test_csv_parses_and_agrees_with_json(counts):
    arguments = ["measure", counts, "--dataset", "/entry/data", *with_codecs("bitshuffle", "bitshuffle:compressor=zstd,level=1"), "--per-chunk"]
    table = list(csv.DictReader(io.StringIO(etalon(*arguments, "--csv").stdout)))
    rows = etalon_json(*arguments)["datasets"]
    whole = [line for line in table if not line["chunk"]]
    assert [(line["codec"], int(line["stored_bytes"])) for line in whole] == [(row["codec"], row["stored_bytes"]) for row in rows]
    assert len(table) == 2 * (1 + 16)
    assert {line["chunk"] for line in table} >= {"0 0 0", "15 0 0"}


def test_text_names_dataset_codec_and_sample(counts):
    done = etalon("measure", counts, "--dataset", "gzip", *with_codecs("bitshuffle"), "-v")
    assert "/gzip" in done.stdout and "16 × 64 × 80" in done.stdout and "bitshuffle" in done.stdout


def test_a_large_dataset_is_sampled_and_the_rest_on_demand(tmp_path):
    path = tmp_path / "large.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (300, 1024, 512), "<u2", chunks=(1, 1024, 512), compression="gzip", compression_opts=1)
        for frame in range(0, 300):
            file["data"][frame] = frame
    (row,) = etalon_json("measure", path, *with_codecs("bitshuffle"))["datasets"]
    assert row["total_chunks"] == 300 and row["measured_chunks"] == 256
    assert row["raw_bytes"] <= 256 << 20
    assert "sample of 256 of 300 chunks" in etalon("measure", path, *with_codecs("bitshuffle")).stdout
    (row,) = etalon_json("measure", path, *with_codecs("bitshuffle"), "--all")["datasets"]
    assert row["measured_chunks"] == 300


@pytest.mark.parametrize("arguments, word", [
    (["--codec", "bitshufle"], "did you mean 'bitshuffle'"),
    (["--codec", "gzp"], "did you mean 'gzip'"),
    (["--codec", "gzip:level=12"], "from 0 to 9"),
    (["--codec", "bitshuffle", "--runs", "3"], "--runs"),
    (["--codec", "bitshuffle", "--dataset", "/entry/date"], "did you mean '/entry/data'"),
    (["--codec", "bitshuffle", "--csv", "--json"], "--csv"),
    ([], "--codec"),
])
def test_mistakes_end_with_code_2(counts, arguments, word):
    done = etalon("measure", counts, *arguments, code=2)
    assert done.stdout == "" and word in done.stderr


def test_what_cannot_be_read_ends_with_code_3(tmp_path):
    done = etalon("measure", tmp_path / "nothing.h5", *with_codecs("bitshuffle"), code=3)
    assert "nothing.h5" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("slug, dataset, least", [("lambda-m1-series", "/data", 40), ("jungfrau-mod5", "/raw", 1.1)])
def test_real_data(slug, dataset, least):
    (row,) = etalon_json("measure", shared_data(slug), "--dataset", dataset, *with_codecs("bitshuffle:compressor=zstd"))["datasets"]
    assert row["ratio"] > least and row["max_abs_error"] == 0
