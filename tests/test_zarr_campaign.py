"""`campaign` on dask: workers that are killed lose nothing, and nothing is written twice."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import h5etalon
import h5py
import numpy as np
import pytest
from distributed import Client, LocalCluster

FILES = 200
FOLDERS = ("", "a", "a/b")


def frames_of(number):
    return np.random.default_rng(number).poisson(2, (4, 64, 80)).astype("u2") + np.uint16(number)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Two hundred files in three folders, each with its own values."""
    folder = tmp_path_factory.mktemp("campaign") / "raw"
    for number in range(FILES):
        path = folder / FOLDERS[number % 3] / ("scan_%03d.h5" % number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.create_dataset("entry/data", data=frames_of(number), chunks=(1, 64, 80))
            file["entry/title"] = "scan %d" % number
    return folder


@pytest.fixture
def client():
    """Two workers, each a process that a nanny starts again when it is gone."""
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            yield client


class Watcher(threading.Thread):
    """Sees every file that gets a name in a folder, and kills a worker each time so many are there."""

    def __init__(self, folder, pids, kill_at):
        super().__init__()
        self.folder, self.pids, self.kill_at = folder, list(pids), list(kill_at)
        self.seen, self.killed, self.is_over = {}, [], threading.Event()

    def run(self):
        while not self.is_over.is_set():
            for path in self.folder.rglob("scan_*.h5"):
                stat = path.stat()
                self.seen.setdefault(path, set()).add((stat.st_ino, stat.st_mtime_ns, stat.st_size))
            if self.kill_at and len(self.seen) >= self.kill_at[0]:
                self.kill_at.pop(0)
                self.killed.append(self.pids.pop(0))
                os.kill(self.killed[-1], signal.SIGKILL)
            time.sleep(0.005)

    def __exit__(self, *_):
        self.is_over.set()
        self.join()

    def __enter__(self):
        self.start()
        return self


def name_of(number):
    return Path(FOLDERS[number % 3]) / ("scan_%03d.h5" % number)


def test_two_hundred_files_come_through_a_killed_worker_and_none_is_written_twice(raw, tmp_path, client):
    out, table = tmp_path / "small", tmp_path / "table.jsonl"
    pids = client.run(os.getpid).values()
    with Watcher(out, pids, kill_at=[40]) as watcher:
        found = h5etalon.campaign(raw, "recompress", client, table, out=out, codec="dictionary")
    assert len(watcher.killed) == 1 and not Path("/proc/%d/exe" % watcher.killed[0]).exists()
    assert (found.done, found.skipped, found.failed) == (FILES, 0, 0)
    assert len(found.rows) == len({row["file"] for row in found.rows}) == FILES
    # No name ever had another file. A worker that is killed before its command has started has begun for nothing.
    begins = sorted(row["begins"] for row in found.rows)
    assert begins[:-1] == [1] * (FILES - 1) and begins[-1] <= 2
    assert {len(identities) for identities in watcher.seen.values()} == {1}
    journals = [path.read_text() for path in out.rglob("*.journal")]
    assert sorted(text.count('"event": "begin"') for text in journals) == begins
    assert not list(out.rglob("*.tmp")) and not list(out.rglob("*.out"))
    for number in range(FILES):
        with h5py.File(out / name_of(number)) as file:
            assert np.array_equal(file["entry/data"][:], frames_of(number)), number
            assert file["entry/title"][()] == b"scan %d" % number
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert {row["file"] for row in rows if row["dataset"] == "/entry/data"} == {row["output"] for row in found.rows}
    assert sum(row["raw_bytes"] for row in found.rows) == FILES * frames_of(0).nbytes
    frame = found.to_pandas()
    assert len(frame) == FILES and (frame["ratio"] > 1).all() and (frame["datasets"] == 1).all()
    assert len(found.to_pandas(datasets=True)) == FILES and "200 done, 0 skipped, 0 failed" in found._repr_html_()


def test_workers_that_die_again_and_again_cost_no_result(raw, tmp_path, client):
    """A function that kills its worker when it meets one of three files for the first time."""
    marks = tmp_path / "marks"
    marks.mkdir()

    def deadly(path, marks):
        mark = os.path.join(marks, os.path.basename(path))
        if path.endswith("7.h5") and not os.path.exists(mark):
            open(mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        with h5py.File(path) as file:
            return {"sum": int(file["entry/data"][:].sum())}

    some = [raw / name_of(number) for number in range(30)]
    found = h5etalon.campaign(some, deadly, client, out=tmp_path / "sums", marks=str(marks))
    assert (found.done, found.failed) == (30, 0) and len(list(marks.iterdir())) == 3
    assert {row["begins"] for row in found.rows if row["file"].endswith("7.h5")} == {2}
    assert {Path(row["file"]).name: row["sum"] for row in found.rows} == {
        name_of(number).name: frames_of(number).sum() for number in range(30)
    }


def test_a_file_that_kills_every_worker_is_a_row_with_an_error(raw, tmp_path, client):
    def murderous(path):
        if path.endswith("_003.h5"):
            os.kill(os.getpid(), signal.SIGKILL)
        return {}

    some = [raw / name_of(number) for number in range(6)]
    found = h5etalon.campaign(some, murderous, client, out=tmp_path / "none", retries=1)
    failed = [row for row in found.rows if row["status"] == "failed"]
    assert found.done == 5 and [Path(row["file"]).name for row in failed] == ["scan_003.h5"]
    assert "no worker came to the end of it" in failed[0]["error"]


def test_an_address_is_a_scheduler_and_a_damaged_file_is_a_row(raw, tmp_path, client):
    bad = tmp_path / "scan_bad.h5"
    bad.write_bytes((raw / name_of(0)).read_bytes()[:3000])
    address = client.scheduler_info()["address"]
    files = [str(raw / "scan_*.h5"), bad]
    found = h5etalon.campaign(files, scheduler=address, out=tmp_path / "small", codec="bitshuffle:compressor=zstd")
    assert (found.done, found.failed) == (67, 1) and "scan_bad" in found.rows[-1]["file"] and found.rows[-1]["error"]
    again = h5etalon.campaign(raw, scheduler=address, out=tmp_path / "small", codec="bitshuffle:compressor=zstd")
    assert (again.done, again.skipped, again.failed) == (FILES - 67, 67, 0)


def test_without_a_scheduler_workers_are_started_here_and_are_gone_afterwards(raw, tmp_path):
    before = children()
    found = h5etalon.campaign(raw / "a/b", "verify", out=tmp_path / "checks", workers=2, progress=True)
    assert (found.done, found.failed) == (66, 0) and found.holds
    assert len({row["worker"] for row in found.rows}) == 2
    assert children() - before <= {"multiprocessing.resource_tracker"}


def children():
    """What the processes are that this one started, and that run."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
            command = path.with_name("cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            is_tracker = any(b"resource_tracker" in word for word in command)
            found.add("multiprocessing.resource_tracker" if is_tracker else path.parent.name)
    return found
