"""`campaign` on threads: nothing is done twice, and one file never stops the others."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import h5etalon
import h5py
import numpy as np
import pytest
from h5etalon import _work
from h5etalon._command import find_command
from h5etalon._journal import Journal
from h5etalon._listing import Shard, Source, fnv1a, parse_shard
from h5etalon._task import make_task

from programs import REPO

WAIT_S = 60


def frames_of(number, shape=(4, 48, 64)):
    return np.random.default_rng(number).poisson(3 + number, shape).astype("u2")


def write(path, number, shape=(4, 48, 64)):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        frames = frames_of(number, shape)
        file.create_dataset("entry/data", data=frames, chunks=(1, *shape[1:]), compression="gzip")
    return path


def read(path):
    with h5py.File(path) as file:
        return file["entry/data"][:]


@pytest.fixture
def raw(tmp_path):
    """A folder with files at three depths."""
    for number, name in enumerate(["one.h5", "a/one.h5", "a/two.nxs", "a/b/three.h5"]):
        write(tmp_path / "raw" / name, number)
    (tmp_path / "raw/notes.txt").write_text("no HDF5 file")
    return tmp_path / "raw"


def recompress(files, out, **options):
    options = {"codec": "dictionary", "scheduler": "threads", "workers": 2, **options}
    return h5etalon.campaign(files, "recompress", out=out, **options)


def identities(folder):
    """Where each result lies on the disk, and when it was written."""
    paths = [path for path in folder.rglob("*") if path.is_file() and ".etalon-campaign" not in path.parts]
    found = {str(path.relative_to(folder)): path.stat() for path in paths if path.suffix != ".jsonl"}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


def counts(found):
    return found.done, found.skipped, found.failed


def until(holds):
    """Waits, and says what came."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        found = holds()
        if found:
            return found
        time.sleep(0.002)
    pytest.fail("nothing came within %d s" % WAIT_S)


def test_copies_have_the_values_and_names_of_their_files(raw, tmp_path):
    found = recompress(raw, tmp_path / "small")
    assert counts(found) == (4, 0, 0) and found.holds
    for number, name in enumerate(["one.h5", "a/one.h5", "a/two.nxs", "a/b/three.h5"]):
        assert np.array_equal(read(tmp_path / "small" / name), frames_of(number))
    row = next(row for row in found.rows if row["file"] == str(raw / "a/two.nxs"))
    assert row["output"] == str(tmp_path / "small/a/two.nxs") and row["raw_bytes"] == 4 * 48 * 64 * 2
    assert row["ratio"] == row["raw_bytes"] / row["stored_bytes"] and row["max_abs_error"] == 0
    assert row["file_bytes"] == os.path.getsize(row["output"]) and row["begins"] == 1
    assert [one["dataset"] for one in row["datasets"]] == ["/entry/data"]
    lines = (tmp_path / "small/recompress.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == found.rows and found.results.endswith("small/recompress.jsonl")


def test_what_is_done_is_skipped_until_something_changes(raw, tmp_path):
    out = tmp_path / "small"
    first = recompress(raw, out)
    before = identities(out)
    again = recompress(raw, out)
    assert counts(again) == (0, 4, 0) and identities(out) == before
    assert [row["ratio"] for row in again.rows] == [row["ratio"] for row in first.rows]
    write(raw / "a/one.h5", 50)
    (out / "a/two.nxs").unlink()
    changed = recompress(raw, out)
    assert counts(changed) == (2, 2, 0)
    moved = {name for name, found in identities(out).items() if found != before[name]}
    assert moved == {"a/one.h5", "a/two.nxs"} and np.array_equal(read(out / "a/one.h5"), frames_of(50))
    assert counts(recompress(raw, out, codec="bitshuffle")) == (4, 0, 0)
    assert counts(recompress(raw, out, codec="bitshuffle", force=True)) == (4, 0, 0)


def test_a_result_of_somebody_else_is_not_replaced(raw, tmp_path):
    mine = write(tmp_path / "small/one.h5", 77)
    found = recompress(raw, tmp_path / "small")
    assert counts(found) == (3, 0, 1) and np.array_equal(read(mine), frames_of(77))
    assert "force=True replaces it" in next(row["error"] for row in found.rows if row["error"])
    assert counts(recompress(raw, tmp_path / "small", force=True)) == (4, 0, 0)
    with h5py.File(mine, "r+") as file:
        file["note"] = "changed by hand"
    assert counts(recompress(raw, tmp_path / "small")) == (0, 3, 1)


def test_a_copy_whose_journal_a_crash_cut_short_is_made_again(raw, tmp_path):
    recompress(raw / "one.h5", tmp_path / "small")
    journal = next(tmp_path.rglob("*.journal"))
    lines = [line for line in journal.read_text().splitlines() if '"begin"' in line]
    journal.write_text("\n".join(lines) + '\n{"event": "en')
    found = recompress(raw / "one.h5", tmp_path / "small")
    assert counts(found) == (1, 0, 0) and found.rows[0]["begins"] == 2
    assert counts(recompress(raw / "one.h5", tmp_path / "small")) == (0, 1, 0)


def test_a_damaged_file_is_a_row_and_is_tried_again(raw, tmp_path):
    good = (raw / "a/one.h5").read_bytes()
    (raw / "a/one.h5").write_bytes(good[: len(good) // 2])
    found = recompress([raw, tmp_path / "missing.h5"], tmp_path / "small")
    assert counts(found) == (3, 0, 2) and not found.holds
    failed = {Path(row["file"]).name: row["error"] for row in found.rows if row["status"] == "failed"}
    assert set(failed) == {"one.h5", "missing.h5"} and "there is no file" in failed["missing.h5"]
    assert not (tmp_path / "small/a/one.h5").exists()
    with pytest.raises(OSError, match="one.h5: "):
        found.raise_for_failures()
    mine = write(tmp_path / "small/a/one.h5", 70)
    assert counts(recompress(raw, tmp_path / "small")) == (0, 3, 1) and np.array_equal(read(mine), frames_of(70))
    mine.unlink()
    write(raw / "a/one.h5", 1)
    assert counts(recompress(raw, tmp_path / "small")) == (1, 3, 0)


def test_copies_are_verified_beside_their_originals(raw, tmp_path):
    recompress(raw, tmp_path / "small", codec=h5etalon.Quantise(abs=2))
    common = {"out": tmp_path / "checks", "against": raw, "scheduler": "threads", "threads": 1}
    found = h5etalon.campaign(tmp_path / "small", "verify", require=["max_abs_error<=2"], **common)
    assert counts(found) == (4, 0, 0) and found.holds and all(row["holds"] for row in found.rows)
    document = json.loads((tmp_path / "checks/a/two.nxs.verify.json").read_text())
    assert document["holds"] and document["datasets"][0]["compared"]
    broken = h5etalon.campaign(tmp_path / "small", "verify", require=["max_abs_error<=1"], **common)
    assert counts(broken) == (4, 0, 0) and not broken.holds
    assert {one["max_abs_error"] for row in broken.rows for one in row["datasets"]} == {2}


def test_metrics_of_all_files_are_those_of_measure(raw, tmp_path):
    settings = {"mask": [9], "noise": {"gain": 1.5}, "regions": [{"rectangle": [0, 0, 8, 8]}]}
    options = {"codecs": ["quantise:abs=2", "noise"], "metrics": ["rmse", "sigma"], "settings": settings, "runs": 5}
    found = h5etalon.campaign(raw, "measure", "threads", out=tmp_path / "m", limits="rmse<=9", **options)
    assert counts(found) == (4, 0, 0) and found.holds
    row = next(row for row in found.rows if row["file"] == str(raw / "one.h5"))
    assert [one["codec"] for one in row["datasets"]] == ["quantise:abs=2", "noise"]
    frames = frames_of(0)
    decoded = h5etalon.decode(h5etalon.encode(frames, "quantise:abs=2"))
    expected = h5etalon.measure(frames, decoded, ["rmse"], {"mask": [9]})
    assert row["datasets"][0]["rmse"] == pytest.approx(expected["rmse"], rel=1e-12)
    document = json.loads(Path(row["output"]).read_text())
    assert document["file"] == row["file"] and document["settings"]["noise"]["gain"] == 1.5
    recompress(raw, tmp_path / "small", codec="noise:sigma=2")
    pairs = h5etalon.campaign(tmp_path / "small", "measure", "threads", out=tmp_path / "p", against=raw, metrics="rmse")
    beside = h5etalon.measure(frames, read(tmp_path / "small/one.h5"), "rmse")["rmse"]
    assert pairs.rows[-1]["file"].endswith("small/one.h5") and beside > 0
    assert pairs.rows[-1]["datasets"][0]["rmse"] == pytest.approx(beside, rel=1e-12)


def test_a_function_is_a_task(raw, tmp_path):
    def brightest(path, scale):
        if path.endswith("two.nxs"):
            raise RuntimeError("the lamp was off")
        return {"most": read(path).max() * np.int64(scale)}

    found = h5etalon.campaign(raw, brightest, "threads", out=tmp_path / "most", scale=3)
    assert counts(found) == (3, 0, 1)
    most = {Path(row["file"]).relative_to(raw).as_posix(): row.get("most", row["error"]) for row in found.rows}
    assert most["one.h5"] == 3 * frames_of(0).max() and most["a/two.nxs"] == "the lamp was off"
    assert json.loads((tmp_path / "most/one.h5.brightest.json").read_text()) == {"most": most["one.h5"]}
    assert counts(h5etalon.campaign(raw, brightest, "threads", out=tmp_path / "most", scale=3)) == (0, 3, 1)
    assert counts(h5etalon.campaign(raw, brightest, "threads", out=tmp_path / "most", scale=4)) == (3, 0, 1)


def catalogued(command_arguments, table):
    subprocess.run([find_command(), "catalogue", *command_arguments, "-o", table, "-q"], check=True)
    return {json.loads(line)["file"] for line in table.read_text().splitlines()}


def test_parts_are_those_of_the_catalogue(tmp_path):
    names = ["scan_%02d.h5" % number for number in range(24)] + ["a/é_%d.nxs" % number for number in range(6)]
    template = write(tmp_path / "template.h5", 1)
    for name in names:
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(template, tmp_path / "raw" / name)
    taken = []
    for index in (1, 2, 3):
        shard = "%d/3" % index
        found = recompress(tmp_path / "raw", tmp_path / "small", shard=shard)
        ours = {row["file"] for row in found.rows}
        assert ours == catalogued([tmp_path / "raw", "--shard", shard], tmp_path / ("%d.jsonl" % index))
        assert found.results.endswith("recompress-%d-of-3.jsonl" % index) and counts(found)[0] == len(ours) > 0
        taken += ours
    assert sorted(taken) == sorted(str(tmp_path / "raw" / name) for name in names)
    assert counts(recompress(str(tmp_path / "raw/**/*.*"), tmp_path / "small")) == (0, 30, 0)


def test_a_shard_is_a_published_hash_and_mistakes_are_refused():
    assert fnv1a(b"") == 0xCBF29CE484222325 and fnv1a(b"foobar") == 0x85944171F73967E8
    assert parse_shard("2/8") == parse_shard((2, 8)) == Shard(2, 8)
    for text in ("", "1", "0/4", "5/4", "1/0", "-1/4", "a/b", "1/2/3", (0, 1), 3):
        with pytest.raises(ValueError, match="is no part"):
            parse_shard(text)


def test_results_go_into_a_catalogue(raw, tmp_path):
    table = tmp_path / "table.jsonl"
    found = recompress(raw, tmp_path / "small", codec="quantise:abs=2", catalogue=table)
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert found.catalogue == str(table) and {row["file"] for row in rows} == {row["output"] for row in found.rows}
    assert {row["spec"] for row in rows} == {"quantise:abs=2"}
    common = {"out": tmp_path / "m", "against": raw, "metrics": "psnr", "catalogue": tmp_path / "m.jsonl"}
    measured = h5etalon.campaign(tmp_path / "small", "measure", "threads", **common)
    psnr = {row["file"]: row["datasets"][0]["psnr"] for row in measured.rows}
    rows = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert {row["file"]: row["metric_psnr"] for row in rows} == psnr


# Encoding these takes seconds, in which somebody is killed.
SLOW = {"shape": (160, 256, 256), "codec": "auto"}
WORKER = """
import sys, h5etalon
h5etalon.campaign(sys.argv[1], "recompress", "threads", out=sys.argv[2], codec="auto", workers=1)
"""


def children(pid):
    """Processes that `pid` started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # Behind the name in parentheses: state, parent.
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        found += [int(path.parent.name)] if parent == pid else []
    return found


def started_worker(source, out):
    """A campaign in a process of its own, and the `etalon` that it has started to write."""
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(source), str(out)])
    until(lambda: list(out.glob(".slow.h5.etalon-*.tmp")))
    return worker, children(worker.pid)


def test_a_command_whose_worker_is_killed_ends_its_work_and_it_counts(tmp_path):
    source, out = write(tmp_path / "slow.h5", 3, SLOW["shape"]), tmp_path / "small"
    worker, commands = started_worker(source, out)
    worker.kill()
    worker.wait()
    assert len(commands) == 1 and Path("/proc/%d" % commands[0]).exists()
    found = recompress(source, out, codec=SLOW["codec"])
    assert counts(found) == (1, 0, 0) and found.rows[0]["begins"] == 1
    assert found.rows[0]["ratio"] > 1 and np.array_equal(read(out / "slow.h5"), frames_of(3, SLOW["shape"]))
    assert counts(recompress(source, out, codec=SLOW["codec"])) == (0, 1, 0)


def test_what_a_machine_leaves_behind_when_all_is_killed_is_cleared_away(tmp_path):
    source, out = write(tmp_path / "slow.h5", 3, SLOW["shape"]), tmp_path / "small"
    worker, commands = started_worker(source, out)
    worker.kill()
    for command in commands:
        os.kill(command, signal.SIGKILL)
    worker.wait()
    until(lambda: not any(Path("/proc/%d/exe" % command).exists() for command in commands))
    assert list(out.glob(".slow.h5.etalon-*.tmp")) and not (out / "slow.h5").exists()
    found = recompress(source, out, codec=SLOW["codec"])
    assert counts(found) == (1, 0, 0) and found.rows[0]["begins"] == 2
    assert not list(out.glob(".slow.h5.etalon-*.tmp")) and len(read(out / "slow.h5")) == SLOW["shape"][0]


def test_a_command_that_a_signal_ends_is_begun_again(tmp_path):
    source, out = write(tmp_path / "slow.h5", 3, SLOW["shape"]), tmp_path / "small"
    results = []
    thread = threading.Thread(target=lambda: results.append(recompress(source, out, codec=SLOW["codec"])))
    thread.start()
    until(lambda: list(out.glob(".slow.h5.etalon-*.tmp")))
    for command in children(os.getpid()):
        if os.path.realpath("/proc/%d/exe" % command) == os.path.realpath(find_command()):
            os.kill(command, signal.SIGKILL)
    thread.join()
    assert counts(results[0]) == (1, 0, 0) and results[0].rows[0]["begins"] == 2
    assert len(read(out / "slow.h5")) == SLOW["shape"][0]


STEPS = ["begin written", "result without its name", "end not written", "end written"]
# The command itself gives a copy its name.
KILLS = [(kind, step) for kind in ("recompress", "measure", "function") for step in STEPS]
KILLS.remove(("recompress", "result without its name"))


@pytest.mark.parametrize("kind, killed_at", KILLS)
def test_wherever_a_worker_is_killed_the_work_is_done_once(raw, tmp_path, monkeypatch, kind, killed_at):
    """The kill is an exception that nothing catches; each step has been on the disk before it."""
    calls = []

    def size(path):
        calls.append(path)
        return {"bytes": os.path.getsize(path)}

    out = tmp_path / "out"
    options = {"recompress": {"codec": "dictionary"}, "measure": {"metrics": "entropy"}, "function": {}}[kind]
    task = make_task(size if kind == "function" else kind, str(out), 1, "first", False, options)
    add, replace = Journal.add, os.replace

    def killing_add(journal, entry):
        if entry["event"] == "end" and killed_at == "end not written":
            raise KeyboardInterrupt
        add(journal, entry)
        if (entry["event"], killed_at) in (("begin", "begin written"), ("end", "end written")):
            raise KeyboardInterrupt

    def killing_replace(source, target):
        if killed_at == "result without its name":
            raise KeyboardInterrupt
        replace(source, target)

    source = Source(str(raw / "one.h5"), "one.h5")
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "add", killing_add)
        patched.setattr(_work.os, "replace", killing_replace)
        with pytest.raises(KeyboardInterrupt):
            _work.work(task, source)
    before = identities(out)
    second = task._replace(campaign="second")
    row = _work.work(second, source)
    begins = 2 if killed_at == "begin written" else 1
    assert row["error"] is None and row["begins"] == begins
    assert row["status"] == ("skipped" if killed_at == "end written" else "done")
    assert len(calls) == (kind == "function")
    if killed_at not in ("begin written", "result without its name"):
        assert identities(out) == before
    assert not list(out.rglob("*.out")) and _work.work(second, source)["begins"] == begins
    if kind == "recompress":
        assert np.array_equal(read(out / "one.h5"), frames_of(0)) and row["ratio"] > 1
    elif kind == "measure":
        document = json.loads(Path(row["output"]).read_text())
        assert row["datasets"][0]["entropy_bits"] == document["datasets"][0]["metrics"]["entropy_bits"] > 0
    else:
        assert row["bytes"] == os.path.getsize(source.path)


def shell(*words):
    done = subprocess.run(
        [sys.executable, "-m", "h5etalon", "campaign", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def test_the_shell_runs_campaigns(raw, tmp_path):
    common = ["--scheduler", "threads", "--workers", "2"]
    small = [raw, "--codec", "quantise:abs=2", "--out", tmp_path / "small", *common]
    parts = [shell(*small, "--shard", "%d/2" % index)[1]["done"] for index in (1, 2)]
    assert sum(parts) == 4 and shell(*small)[:2] == (0, {
        "done": 0, "skipped": 4, "failed": 0, "results": str(tmp_path / "small/recompress.jsonl"), "catalogue": None,
    })  # fmt: skip
    verify = [tmp_path / "small", "--task", "verify", "--out", tmp_path / "c", "--against", raw, *common]
    assert shell(*verify)[0] == 0
    (tmp_path / "r.toml").write_text("limits = ['max_abs_error <= 1']")
    code, _, said = shell(*verify, "--require", tmp_path / "r.toml")
    assert code == 1 and said.count("does not hold") == 4
    (raw / "one.h5").write_bytes(b"no HDF5")
    code, told, said = shell(*small)
    assert code == 3 and told["failed"] == 1 and "one.h5: " in said
    assert shell(raw, "--codec", "quantize", "--out", tmp_path / "x", *common)[0] == 2


def test_the_job_array_of_the_page_does_all_files_once(raw, tmp_path):
    page = (REPO / "docs/CAMPAIGN.md").read_text()
    script = page.split("```bash\n")[1].split("```")[0]
    paths = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    for number in range(1, 5):
        slurm = {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_CPUS_PER_TASK": "1"}
        environment = {**os.environ, "PATH": paths, **slurm}
        subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, check=True)
    rows = [json.loads(line) for path in tmp_path.glob("small/*.jsonl") for line in path.read_text().splitlines()]
    assert sorted(row["file"] for row in rows) == sorted(
        str(path) for path in raw.rglob("*.*") if path.suffix != ".txt"
    )
    assert {row["status"] for row in rows} == {"done"} and len(list(tmp_path.glob("part-*.parquet"))) == 4


def test_mistakes_are_errors_before_anything_is_done(raw, tmp_path):
    out = tmp_path / "small"
    with pytest.raises(ValueError, match="did you mean 'quantise'"):
        recompress(raw, out, codec="quantize")
    with pytest.raises(TypeError, match="recompress has no option metrics; it has codec, "):
        recompress(raw, out, metrics="psnr")
    with pytest.raises(TypeError, match="needs codec="):
        recompress(raw, out, codec=None)
    with pytest.raises(ValueError, match="task must be recompress, measure, verify, or a function"):
        h5etalon.campaign(raw, "compress", out=out)
    with pytest.raises(TypeError, match="it needs one of its own"):
        h5etalon.campaign(raw, lambda path: {}, "threads", out=out)
    with pytest.raises(ValueError, match="threads must be 1 or more, not 0"):
        recompress(raw, out, threads=0)
    with pytest.raises(ValueError, match="no file is called"):
        recompress(str(raw / "*.cxi"), out)
    with pytest.raises(ValueError, match="name a folder above both"):
        recompress([raw / "one.h5", raw / "a/one.h5"], out)
    assert not out.exists()


def test_a_campaign_on_dask_says_what_is_missing(raw, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install h5etalon\[campaign\], or scheduler='threads'"):
        recompress(raw, tmp_path / "small", scheduler=None)
