"""`etalon catalogue`: many files in one table, asked with SQL and without joins."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json, program
from nexus_files import write_nexus
from programs import NOWHERE, REPO, TIMEOUT_S, environment

NOISE = "noise:sigma=0.5"


@pytest.fixture
def archive(tmp_path):
    """Raw files and copies of three kinds, a file that is none, and an empty one."""
    folder = tmp_path / "archive"
    for name, definition in (("tomo", "NXtomo"), ("mx", "NXmx")):
        raw = write_nexus(folder / name / "raw.h5", definition)
        for copy, spec in (("lossless", "bitshuffle"), ("fine", NOISE), ("coarse", "quantise:abs=20")):
            etalon("recompress", raw, folder / name / (copy + ".nxs"), "--codec", spec)
    (folder / "broken.h5").write_bytes(b"no HDF5 at all")
    with h5py.File(folder / "small.h5", "w") as file:
        file["x"] = 1
    return folder


def collect(archive, *arguments, out="all.parquet", **options):
    out = archive.parent / out
    return etalon_json("catalogue", archive, "-o", out, *arguments, **options), out


def ask(table, query):
    """What DuckDB answers; TABLE stands for the file."""
    duckdb = pytest.importorskip("duckdb")
    return duckdb.sql(query.replace("TABLE", "'%s'" % table)).fetchall()


def rows(archive, **options):
    """The rows by file and dataset, as JSON lines have them."""
    _, out = collect(archive, out="all.jsonl", **options)
    listed = [json.loads(line) for line in out.read_text().splitlines()]
    return {(str(Path(row["file"]).relative_to(archive)), row.get("dataset")): row for row in listed}


def test_the_question_of_the_archive_is_answered_without_a_join(archive):
    """All tomography that is lossy at a ratio above a limit, with a Dice below another."""
    spec, raw = "quantise:abs=20", archive / "tomo/raw.h5"
    result = etalon("measure", "%s::/entry/data/data" % raw, "-c", spec, "-c", NOISE, "--metrics", "dice", "--json").stdout
    (archive / "tomo/measured.json").write_text(result)
    summary, table = collect(archive)
    assert summary == {"out": str(table), "files": 10, "read": 10, "unchanged": 0, "results": 1, "datasets": 16, "errors": 1}
    expected = {row["codec"]: row["metrics"]["dice"] for row in json.loads(result)["datasets"]}
    query = "select file, dataset, metric_dice from TABLE where technique = 'tomography' and lossy and ratio > 5 and metric_dice < .995"
    ((file, dataset, dice),) = ask(table, query)
    assert (Path(file).name, dataset, dice) == ("coarse.nxs", "/entry/data/data", expected[spec])
    ((fine,),) = ask(table, "select metric_dice from TABLE where file like '%tomo/fine.nxs' and dataset = '/entry/data/data'")
    assert fine == expected[NOISE]
    assert ask(table, "select count(*) from TABLE where metric_dice is not null") == [(2,)]


def test_a_row_says_what_inspect_and_the_entry_say(archive):
    known = rows(archive)
    for (file, dataset), row in known.items():
        if dataset is None:
            continue
        inspected = etalon_json("inspect", "%s::%s" % (archive / file, dataset))["datasets"][0]
        for column in ("dtype", "spec", "chunks", "guarantee", "max_abs_error", "mean_error", "raw_bytes", "stored_bytes", "ratio"):
            assert row.get(column) == inspected[column], (file, column)
        assert row["shape"] == " ".join(map(str, inspected["shape"])) and row["damaged_chunks"] == 0
        assert (row["sample_name"], row["beamline"], row["proposal"]) == ("tooth & <co>", "ID19", "HG123")
        assert row["technique"] == {"tomo": "tomography", "mx": "mx"}[file.split("/")[0]]
    fine, lossless = (known["tomo/%s.nxs" % name, "/entry/data/data"] for name in ("fine", "lossless"))
    assert (fine["lossy"], fine["losses"], fine["loss_spec"], fine["codec"]) == (True, 1, NOISE, "noise")
    assert (lossless["lossy"], lossless["losses"], lossless["codec"]) == (False, 0, "bitshuffle")
    for row in (fine, lossless):
        assert row["process"] == "/entry/compression" and row["process_program"] == "etalon"
        assert row["source_file"] == str(archive / "tomo/raw.h5") and row["process_sequence_index"] == 1
    with h5py.File(archive / "tomo/fine.nxs") as file:
        assert fine["source_sha256"] == file["entry/data/data"].attrs["etalon_source_sha256"]
    assert "process" not in known["tomo/raw.h5", "/entry/data/data"]


def test_what_cannot_be_read_is_a_row_with_its_error(archive):
    damaged = archive / "tomo/fine.nxs"
    with h5py.File(damaged, "r+") as file:
        file["entry/data/data"].id.write_direct_chunk((2, 0, 0), b"nonsense", 0)
    truncated = archive / "mx/fine.nxs"
    truncated.write_bytes(truncated.read_bytes()[: truncated.stat().st_size // 2])
    known = rows(archive)
    assert "broken.h5" in known["broken.h5", None]["error"]
    assert known["tomo/fine.nxs", "/entry/data/data"]["damaged_chunks"] == 1
    errors = [row["error"] for (file, _), row in known.items() if file == "mx/fine.nxs"]
    assert errors and all(errors)
    assert "error" not in known["small.h5", None]


def test_only_files_that_changed_are_read_again(archive):
    first, table = collect(archive)
    before = ask(table, "select * from TABLE order by file, dataset")
    assert (first["read"], first["unchanged"]) == (10, 0)
    again, _ = collect(archive)
    # That of the file that could not be read may have been an error of the moment.
    assert (again["read"], again["unchanged"]) == (1, 9)
    assert ask(table, "select * from TABLE order by file, dataset") == before
    os.utime(archive / "tomo/fine.nxs", ns=(1, 1))
    (archive / "mx/raw.h5").unlink()
    write_nexus(archive / "new.h5")
    changed, _ = collect(archive)
    assert (changed["read"], changed["unchanged"], changed["files"]) == (3, 7, 10)
    files = {name for (name,) in ask(table, "select file from TABLE")}
    assert str(archive / "new.h5") in files and str(archive / "mx/raw.h5") not in files
    assert collect(archive, "--anew")[0]["read"] == 10


def test_results_count_also_for_files_that_did_not_change(archive):
    collect(archive)
    verified = etalon("verify", archive / "mx/coarse.nxs", "--against", archive / "mx/raw.h5", "--json", "-d", "/entry/data/*").stdout
    (archive / "verified.json").write_text(verified)
    (archive / "other.json").write_text('{"datasets": 3}')
    (archive / "broken.json").write_text("{")
    summary, table = collect(archive)
    assert (summary["read"], summary["results"]) == (1, 1)
    assert ask(table, "select distinct file, holds, result_file from TABLE where holds is not null") == [
        (str(archive / "mx/coarse.nxs"), True, str(archive / "verified.json"))]


def test_a_run_that_is_killed_loses_nothing(archive, tmp_path):
    for number in range(300):
        (archive / ("copy_%03d.h5" % number)).write_bytes((archive / "tomo/raw.h5").read_bytes())
    out, journal = tmp_path / "all.parquet", tmp_path / "all.parquet.journal"
    running = subprocess.Popen([program(), "catalogue", archive, "-o", out], env=environment(NOWHERE), stdout=subprocess.DEVNULL)
    while running.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 20):
        time.sleep(0.001)
    running.send_signal(signal.SIGKILL)
    running.wait()
    if not out.exists():
        with journal.open("ab") as file:
            file.write(b'[{"file": "/half')
        done = journal.read_bytes().count(b"[{") - 1
        summary, table = collect(archive)
        # The broken file comes first, and is read again.
        assert summary["unchanged"] == done - 1 >= 18 and summary["read"] == 311 - done
    summary, table = collect(archive)
    assert summary["unchanged"] == 309 and not journal.exists()
    assert ask(table, "select count(distinct file) from TABLE") == [(310,)]


def test_a_signal_ends_the_run_and_the_next_goes_on(archive, tmp_path):
    for number in range(300):
        (archive / ("copy_%03d.h5" % number)).write_bytes((archive / "tomo/raw.h5").read_bytes())
    out, journal = tmp_path / "all.parquet", tmp_path / "all.parquet.journal"
    running = subprocess.Popen([program(), "catalogue", archive, "-o", out], env=environment(NOWHERE), stderr=subprocess.PIPE, text=True)
    while running.poll() is None and not journal.exists():
        time.sleep(0.001)
    running.send_signal(signal.SIGINT)
    _, message = running.communicate(timeout=TIMEOUT_S)
    if running.returncode != 0:
        assert running.returncode == 4 and "interrupted" in message and str(journal) in message and not out.exists()
    assert collect(archive)[0]["files"] == 310 and not journal.exists()


def test_what_a_scan_chose_is_recorded_in_the_copy_and_found_by_the_catalogue(tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    raw, copy, result = folder / "raw.h5", folder / "copy.h5", folder / "scan.json"
    with h5py.File(raw, "w") as file:
        projections = np.random.RandomState(2).normal(1000, 30, (24, 64, 96)).astype("f4")
        file.create_dataset("exchange/data", data=projections, chunks=(1, 64, 96))
        file["exchange/theta"] = np.arange(24.0)
    (tmp_path / "limits.toml").write_text('limits = ["psnr>=30"]')
    scanned = etalon_json("scan", str(raw) + "::/exchange/data", "--require", tmp_path / "limits.toml")
    result.write_text(json.dumps(scanned))
    spec = scanned["chosen"]["spec"]
    etalon("recompress", raw, copy, "--codec", spec, "--measured", result)
    with h5py.File(copy) as file:
        recorded = json.loads(file["exchange/data"].attrs["etalon_metrics"])
    assert recorded["psnr"] == scanned["verified"]["metrics"]["psnr"] >= 30
    row = rows(folder)["copy.h5", "/exchange/data"]
    assert (row["metric_psnr"], row["holds"], row["loss_spec"]) == (recorded["psnr"], True, spec)
    assert (row["definition"], row["technique"], row["lossy"]) == ("DataExchange", "tomography", True)


def test_shards_are_disjoint_and_complete(archive):
    files = []
    for number in (1, 2, 3):
        _, table = collect(archive, "--shard", "%d/3" % number, out="part%d.parquet" % number)
        files += [name for (name,) in ask(table, "select distinct file from TABLE")]
    _, table = collect(archive)
    assert sorted(files) == sorted(name for (name,) in ask(table, "select distinct file from TABLE"))
    parts = str(archive.parent / "part*.parquet")
    assert ask(parts, "select count(*) from TABLE") == ask(table, "select count(*) from TABLE")


def test_every_column_is_documented(archive):
    _, table = collect(archive)
    page = (REPO / "docs/CATALOGUE.md").read_text()
    columns = [row[0] for row in ask(table, "describe select * from TABLE")]
    assert len(columns) > 100 and columns.count("metric_dice") == 1
    assert [name for name in columns if not name.startswith("metric_") and "`%s`" % name not in page] == []


@pytest.mark.parametrize("arguments, code, word", [
    (["-o", "x.csv"], 2, ".parquet"),
    (["-o", "x.parquet", "--shard", "4/3"], 2, "4/3"),
    ([], 2, "--out"),
])
def test_mistakes_are_named(archive, arguments, code, word):
    assert word in etalon("catalogue", archive, *arguments, code=code, cwd=archive).stderr


def test_another_file_is_not_replaced(archive):
    (archive.parent / "all.parquet").write_bytes(b"precious")
    done = etalon("catalogue", archive, "-o", archive.parent / "all.parquet", code=2)
    assert "no catalogue" in done.stderr and (archive.parent / "all.parquet").read_bytes() == b"precious"


def test_a_folder_that_is_missing_ends_with_code_3(tmp_path):
    etalon("catalogue", tmp_path / "no", "-o", tmp_path / "x.parquet", code=3)
    assert os.listdir(tmp_path) == []


def test_a_file_has_one_path_whichever_way_its_folder_is_named(archive):
    summary, table = collect(archive)
    detour = archive / "mx" / ".." / ".." / "archive"
    again = etalon_json("catalogue", detour, archive / "tomo", archive / "mx" / ".." / "tomo", "-o", table)
    assert (again["files"], again["datasets"]) == (summary["files"], summary["datasets"])
    assert again["read"] == again["errors"]
    assert ask(table, "select count(*) from TABLE where file like '%..%'") == [(0,)]
