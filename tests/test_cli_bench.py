"""`etalon bench`: its rows are what h5py stores, its bounds and fits what numpy makes of the data, and it goes on where it stopped."""

import json
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json, program
from programs import TIMEOUT_S, environment, run_python, shared_data

hdf5plugin = pytest.importorskip("hdf5plugin")

RANDOM = np.random.RandomState(11)
SHAPE = (12, 48, 64)
# Sparse counts of several densities, for the fit.
COUNTS = {"dense": RANDOM.poisson(0.7, SHAPE), "half": RANDOM.poisson(0.3, SHAPE), "sparse": RANDOM.poisson(0.05, SHAPE)}
COUNTS = {name: values.astype("<u2") for name, values in COUNTS.items()}
FLOATS = RANDOM.normal(100, 10, SHAPE).astype("<f4")
OWN = {"bitshuffle": (0, 2), "bitshuffle:compressor=zstd": (0, 3)}
PEERS = {
    "none": {},
    "gzip:level=1": {"compression": "gzip", "compression_opts": 1},
    "shuffle+gzip:level=6": {"compression": "gzip", "compression_opts": 6, "shuffle": True},
    "lzf": {"compression": "lzf"},
    "shuffle+lzf": {"compression": "lzf", "shuffle": True},
    "szip:coding=nn,pixels=8": {"compression": "szip", "compression_opts": ("nn", 8)},
    "lz4": hdf5plugin.LZ4(),
    "zstd:clevel=9": hdf5plugin.Zstd(clevel=9),
    "bzip2:blocksize=9": hdf5plugin.BZip2(),
    "bshuf:cname=zstd,clevel=3": hdf5plugin.Bitshuffle(cname="zstd"),
    "blosc:cname=zstd,clevel=5,shuffle=bitshuffle": hdf5plugin.Blosc(cname="zstd", shuffle=hdf5plugin.Blosc.BITSHUFFLE),
    "blosc2:cname=lz4,clevel=7,shuffle=noshuffle": hdf5plugin.Blosc2(cname="lz4", clevel=7, filters=hdf5plugin.Blosc2.NOFILTER),
}
LOSSY = {
    "sz3:absolute=0.25": hdf5plugin.SZ3(absolute=0.25),
    "zfp:accuracy=0.25": hdf5plugin.Zfp(accuracy=0.25),
    "sperr:absolute=0.25": hdf5plugin.Sperr(absolute=0.25),
}
FIELDS = {
    "file": str, "dataset": str, "dtype": str, "shape": list, "chunk": list, "codec": str, "lossless": bool, "route": str,
    "clock": str, "ratio": float, "fraction_of_bound": float, "raw_bytes": int, "stored_bytes": int, "encode_gbps": float,
    "decode_gbps": float, "cv": float, "encode_cv": float, "decode_cv": float, "max_abs_error": float, "runs": int,
    "measured_chunks": int, "total_chunks": int, "bounds": dict,
}
QUICK = ["--runs", "5", "--python", sys.executable]


def with_codecs(*codecs):
    return [word for codec in codecs for word in ("--codec", codec)]


@pytest.fixture
def counts(tmp_path):
    path = tmp_path / "counts.h5"
    with h5py.File(path, "w") as file:
        for name, values in COUNTS.items():
            file.create_dataset(name, data=values, chunks=(1, *SHAPE[1:]))
        file.create_dataset("floats", data=FLOATS, chunks=(4, *SHAPE[1:]))
        file.create_dataset("contiguous", data=COUNTS["half"])
    return path


@pytest.fixture
def bench(plugins):
    """Runs the command with JSON, or not, and the plugins at hand."""

    def run(*arguments, quick=QUICK):
        return etalon_json("bench", *arguments, *quick, plugin_path=plugins)

    return run


def stored_by_h5py(values, chunks, options):
    """Bytes and values of a dataset in a file of h5py's, without a cache that would return what was not decoded."""
    with h5py.File("x", "w", driver="core", backing_store=False, rdcc_nbytes=0) as file:
        data = file.create_dataset("x", data=values, chunks=chunks, **options)
        file.flush()
        return data.id.get_storage_size(), data[()]


def entropy(values):
    shares = np.unique(values, return_counts=True)[1] / values.size
    return -(shares * np.log2(shares)).sum()


def test_rows_have_the_fields_of_the_contract(counts, bench):
    answer = bench("%s::/half" % counts, *with_codecs("bitshuffle", "zstd"))
    assert set(answer) == {"machine", "versions", "route", "clock", "runs", "datasets", "fits"}
    assert answer["versions"]["h5py"] == h5py.__version__ and answer["versions"]["hdf5plugin"] == hdf5plugin.version
    assert (answer["route"], answer["clock"], answer["runs"]) == ("h5py", "wall", 5)
    assert [row["codec"] for row in answer["datasets"]] == ["bitshuffle", "zstd:clevel=3"]
    for row in answer["datasets"]:
        for field, kind in FIELDS.items():
            assert isinstance(row[field], kind), (field, row[field])
        assert (row["dtype"], row["shape"], row["chunk"]) == ("<u2", list(SHAPE), [1, *SHAPE[1:]])
        assert row["raw_bytes"] == COUNTS["half"].nbytes and row["measured_chunks"] == row["total_chunks"] == SHAPE[0]
        assert row["ratio"] == pytest.approx(row["raw_bytes"] / row["stored_bytes"])
        assert row["encode_gbps"] > 0 and row["decode_gbps"] > 0 and row["cv"] == max(row["encode_cv"], row["decode_cv"])
        assert "refused" not in row and row["bound"] is None


def test_peers_store_what_they_store_for_h5py_and_lose_nothing(counts, bench):
    rows = bench("%s::/half" % counts, *with_codecs(*PEERS))["datasets"]
    assert [row["codec"] for row in rows] == list(PEERS)
    for row, (codec, options) in zip(rows, PEERS.items()):
        assert row["lossless"] and row["max_abs_error"] == 0, codec
        assert row["stored_bytes"] == stored_by_h5py(COUNTS["half"], (1, *SHAPE[1:]), dict(options))[0], codec


def test_own_codecs_store_what_their_plugins_store(counts, bench, plugins, wheel):
    rows = bench("%s::/half" % counts, *with_codecs(*OWN))["datasets"]
    script = """
import h5py
with h5py.File(args[0], "r") as source, h5py.File("x", "w", driver="core", backing_store=False) as file:
    values = source["half"][()]
    made = file.create_dataset("x", data=values, chunks=(1,) + values.shape[1:], compression=32008, compression_opts=tuple(json.loads(args[1])))
    answer(made.id.get_storage_size())
"""
    for row, options in zip(rows, OWN.values()):
        expected = run_python(wheel, script, str(counts), json.dumps(options), plugin_path=plugins)
        assert (row["stored_bytes"], row["max_abs_error"], row["lossless"]) == (expected, 0, True)


def test_losses_are_measured_and_keep_their_bound(counts, bench):
    rows = bench("%s::/floats" % counts, "--bound", "0.25")["datasets"]
    lossy = {row["codec"]: row for row in rows if not row["lossless"]}
    assert set(lossy) == {*LOSSY, "quantise:abs=0.25"}
    for codec, options in LOSSY.items():
        size, decoded = stored_by_h5py(FLOATS, (4, *SHAPE[1:]), dict(options))
        error = np.abs(decoded.astype("f8") - FLOATS.astype("f8")).max()
        row = lossy[codec]
        assert (row["stored_bytes"], row["max_abs_error"], row["bound"]) == (size, pytest.approx(error, abs=0), 0.25), codec
    assert all(0 < row["max_abs_error"] <= 0.25 for row in lossy.values())


def test_bounds_are_those_of_numpy(counts, bench):
    rows = bench(counts, *with_codecs("gzip:level=9"))["datasets"]
    assert sorted(row["dataset"] for row in rows) == ["/contiguous", "/dense", "/floats", "/half", "/sparse"]
    for row in rows:
        values = {**COUNTS, "floats": FLOATS, "contiguous": COUNTS["half"]}[row["dataset"][1:]]
        bounds = row["bounds"]
        assert bounds["entropy_bits"] == pytest.approx(entropy(values), rel=1e-12)
        assert bounds["sparsity"] == pytest.approx((values == 0).mean(), rel=1e-12)
        assert bounds["ratio_bound"] == pytest.approx(8 * values.itemsize / entropy(values), rel=1e-12)
        assert row["fraction_of_bound"] == pytest.approx(row["ratio"] / bounds["ratio_bound"], rel=1e-12)
        assert (bounds["poisson_bits"] is None) == (values.dtype.kind == "f")
    half = next(row for row in rows if row["dataset"] == "/half")
    # Counts of one mean: what they hold is the entropy of that Poisson distribution, which the local mean comes near to.
    assert half["bounds"]["poisson_bits"] == pytest.approx(half["bounds"]["entropy_bits"], rel=0.06)


def test_the_fit_is_that_of_numpy(counts, bench):
    targets = ["%s::/%s" % (counts, name) for name in COUNTS]
    answer = bench(*targets, *with_codecs("bitshuffle", "gzip:level=9", "none"))
    assert [(fit["group"], fit["codec"]) for fit in answer["fits"]] == [("all", "bitshuffle"), ("all", "gzip:level=9")]
    for fit in answer["fits"]:
        rows = [row for row in answer["datasets"] if row["codec"] == fit["codec"]]
        x = np.log([1 - row["bounds"]["sparsity"] for row in rows])
        y = np.log([row["ratio"] for row in rows])
        slope, offset = np.polyfit(x, y, 1)
        assert fit["exponent"] == pytest.approx(slope, rel=1e-9) and fit["prefactor"] == pytest.approx(np.exp(offset), rel=1e-9)
        assert fit["r_squared"] == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2, rel=1e-9) and fit["points"] == 3


def test_two_data_sets_have_no_fit(counts, bench):
    assert bench("%s::/dense" % counts, "%s::/sparse" % counts, *with_codecs("lzf"))["fits"] == []


def test_a_large_dataset_is_sampled_evenly(tmp_path, bench):
    path = tmp_path / "large.h5"
    frames = np.repeat(np.arange(12, dtype="u4"), 1 << 17).reshape(12, 256, 512)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=frames, chunks=(1, 256, 512))
    (row,) = bench(path, "--sample", "2", *with_codecs("none"))["datasets"]
    assert (row["measured_chunks"], row["total_chunks"], row["raw_bytes"]) == (4, 12, 4 << 19)
    assert row["bounds"]["entropy_bits"] == 2  # Four frames, each of one value.
    assert row["stored_bytes"] == row["raw_bytes"]


def test_a_codec_that_refuses_has_a_row_that_says_why(counts, bench):
    rows = bench("%s::/half" % counts, *with_codecs("zfp:accuracy=1", "quantise:abs=0.1", "lz4"))["datasets"]
    assert [bool(row.get("refused")) for row in rows] == [True, True, False]
    assert "integers" in rows[1]["refused"] and rows[0]["encode_gbps"] is None


def test_a_bound_that_is_kept_for_floats_alone_is_none_for_integers(tmp_path, bench):
    path = tmp_path / "integers.h5"
    values = RANDOM.poisson(300, (64, 64)).astype("i4")
    values[::7, ::5] = 100_000
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=values.shape)
    decoded = stored_by_h5py(values, values.shape, dict(hdf5plugin.Zfp(accuracy=1)))[1]
    error = np.abs(decoded.astype("i8") - values).max()
    (row,) = bench("%s::/x" % path, *with_codecs("zfp:accuracy=1"))["datasets"]
    assert error > 1 and "floats alone" in row["refused"] and row["refused"].endswith(" %d" % error)


def test_what_an_own_filter_refuses_is_not_counted_as_stored(tmp_path, bench):
    path = tmp_path / "labels.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.repeat([0, 7, 9, 4000], 1024).astype("u2").reshape(4, 1024), chunks=(4, 1024))
    (row,) = bench("%s::/x" % path, *with_codecs("quantise:abs=1"))["datasets"]
    assert "labels" in row["refused"] and row["stored_bytes"] == 0


def test_a_filter_that_crashes_is_a_row_and_the_others_go_on(counts, tmp_path, bench):
    # A module in the place of hdf5plugin, one class of which ends the process.
    (tmp_path / "hdf5plugin.py").write_text(
        "import os\nversion = 'none'\ndef Zstd(clevel):\n    os.kill(os.getpid(), 11)\n")
    wrapper = tmp_path / "python"
    wrapper.write_text("#!/bin/sh\nPYTHONPATH=%s exec %s \"$@\"\n" % (tmp_path, sys.executable))
    wrapper.chmod(0o755)
    codecs = with_codecs("gzip:level=1", "bitshuffle", "zstd", "lzf", "blosc")
    rows = bench("%s::/half" % counts, *codecs, "--python", wrapper, quick=("--runs", "5"))["datasets"]
    assert "signal: 11" in rows[2]["refused"] and "has no Blosc" in rows[4]["refused"]
    for at, options in ((0, PEERS["gzip:level=1"]), (3, PEERS["lzf"])):
        assert rows[at]["stored_bytes"] == stored_by_h5py(COUNTS["half"], (1, *SHAPE[1:]), options)[0]
    assert all(rows[at]["encode_gbps"] > 0 and rows[at]["max_abs_error"] == 0 for at in (0, 1, 3))


def test_without_h5py_own_codecs_and_gzip_are_timed_in_memory(counts, tmp_path):
    command = ["bench", "%s::/half" % counts, "--runs", "5", *with_codecs("bitshuffle", "gzip:level=1", "zstd"), "--json"]
    done = etalon(*command, cwd=tmp_path, extra_env={"PATH": "/nonexistent"})
    answer = json.loads(done.stdout)
    assert "no Python with h5py" in done.stderr and answer["route"] == "memory"
    own, gzip, zstd = answer["datasets"]
    assert own["route"] == "memory" and own["max_abs_error"] == 0 and own["encode_gbps"] > 0
    assert gzip["stored_bytes"] == pytest.approx(stored_by_h5py(COUNTS["half"], (1, *SHAPE[1:]), PEERS["gzip:level=1"])[0], rel=0.02)
    assert "h5py" in zstd["refused"]


def test_rows_are_kept_and_only_missing_ones_measured(counts, tmp_path, bench, plugins):
    rows = tmp_path / "rows.jsonl"
    target = "%s::/half" % counts
    first = bench(target, "--out", rows, *with_codecs("lzf", "bitshuffle"))
    assert rows.read_text().count('"codec"') == 2
    second = bench(target, "--out", rows, *with_codecs("bitshuffle", "zstd", "lzf"))
    assert rows.read_text().count('"codec"') == 3
    of = {row["codec"]: row for row in second["datasets"]}
    assert [row["codec"] for row in second["datasets"]] == ["bitshuffle", "zstd:clevel=3", "lzf"]
    assert all(of[row["codec"]] == row for row in first["datasets"])
    # The same values under another name are known too; other circumstances are not.
    renamed = bench("%s::/contiguous" % counts, "--out", rows, *with_codecs("lzf"))["datasets"][0]
    assert renamed["dataset"] == "/contiguous" and rows.read_text().count('"codec"') == 4  # Its chunks are others.
    etalon("bench", target, "--runs", "6", "--python", sys.executable, "--out", rows, *with_codecs("lzf"), plugin_path=plugins)
    assert rows.read_text().count('"codec"') == 5


def test_a_killed_benchmark_goes_on_where_it_stopped(tmp_path, bench, plugins):
    path, rows = tmp_path / "sets.h5", tmp_path / "rows.jsonl"
    names = ["set%d" % at for at in range(6)]
    with h5py.File(path, "w") as file:
        for name in names:
            file.create_dataset(name, data=RANDOM.poisson(0.4, (8, 128, 128)).astype("u2"), chunks=(1, 128, 128))
    arguments = [path, "--out", rows, *with_codecs("gzip:level=6", "bitshuffle")]
    command = [program(), "bench", *arguments, *QUICK, "--json"]
    with open(os.devnull, "w") as nowhere:
        running = subprocess.Popen([str(word) for word in command], env=environment(plugins), stdout=nowhere)
    deadline = time.monotonic() + TIMEOUT_S
    while not (rows.exists() and rows.read_text().count("\n\n") >= 1) and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    kept = [json.loads(line)["row"] for line in rows.read_text().split("\n") if line.endswith("}")]
    assert 0 < len(kept) < 12
    with open(rows, "a") as file:
        file.write('{"row": {"codec')  # What a process that dies within a write leaves.
    answer = bench(*arguments)
    found = {(row["dataset"], row["codec"]): row for row in answer["datasets"]}
    assert len(found) == 12 and {dataset for dataset, _ in found} == {"/" + name for name in names}
    assert all(found[row["dataset"], row["codec"]] == row for row in kept)
    again = bench(*arguments)
    assert again["datasets"] == answer["datasets"]


def test_simulated_counts_have_the_zeros_they_are_named_after(bench):
    answer = bench("--simulate", "4dstem", "--sample", "1", *with_codecs("lz4"))
    zeros = {row["dataset"]: row["bounds"]["sparsity"] for row in answer["datasets"]}
    assert set(zeros) == {"/zeros-50", "/zeros-75", "/zeros-85", "/zeros-93"}
    for name, share in zeros.items():
        assert share == pytest.approx(int(name[-2:]) / 100, abs=0.02)
    (fit,) = answer["fits"]
    assert fit["exponent"] < -0.5 and fit["r_squared"] > 0.9


def test_real_counts_are_measured_through_all_usual_codecs(bench):
    path = shared_data("dfxm-id03-domains")
    answer = bench("%s::/data" % path, "--sample", "1")
    rows = [row for row in answer["datasets"] if "refused" not in row]
    assert len(rows) >= 12 and all(row["max_abs_error"] == 0 for row in rows)
    with h5py.File(path) as file:
        assert rows[0]["shape"] == list(file["data"].shape)


def test_text_and_markdown_tell_the_same_figures(counts, tmp_path, bench, plugins):
    arguments = ["bench", counts, "--out", tmp_path / "rows.jsonl", *with_codecs("bitshuffle", "gzip:level=9", "zfp:rate=8"), *QUICK]
    rows = bench(*arguments[1:-4])["datasets"]
    for form in ([], ["--markdown"]):
        text = etalon(*arguments, *form, plugin_path=plugins).stdout
        for row in rows:
            figures = ["refused"] if row.get("refused") else ["%.2f" % row["ratio"], "%.1f %%" % (100 * row["fraction_of_bound"])]
            lines = [line for line in text.splitlines() if row["codec"] in line]
            assert any(all(figure in line for figure in figures) for line in lines), (form, row["codec"], figures)
        assert "ratio = prefactor" in text and "h5py " + h5py.__version__ in text
    assert "| bitshuffle |" in text and "|---" not in text.splitlines()[0]


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ([], "--simulate 4dstem"),
        (["FILE", "--codec", "blosk"], "did you mean 'blosc'"),
        (["FILE", "--codec", "bitshufle"], "did you mean 'bitshuffle'"),
        (["FILE", "--codec", "zstd:level=3"], "it has clevel"),
        (["FILE", "--codec", "gzip:level=10"], "from 0 to 9"),
        (["FILE", "--runs", "4"], "5 runs"),
        (["FILE", "--bound", "0"], "above 0"),
        (["FILE", "--sample", "0"], "at least 1 MiB"),
        (["FILE", "--python", "/nonexistent/python"], "has no h5py"),
        (["FILE::/nothing"], "no dataset '/nothing'"),
        (["--simulate", "5dstem"], "4dstem"),
    ],
)
def test_wrong_arguments_say_what_is_right(counts, arguments, expected):
    words = [word.replace("FILE", str(counts)) for word in arguments]
    assert expected in etalon("bench", *words, code=2).stderr


def test_a_file_that_is_none_is_an_input_error(tmp_path, plugins):
    (tmp_path / "x.h5").write_text("no HDF5")
    etalon("bench", tmp_path / "x.h5", *QUICK, plugin_path=plugins, code=3)
    etalon("bench", tmp_path / "missing.h5", *QUICK, plugin_path=plugins, code=3)
