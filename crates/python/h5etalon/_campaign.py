"""One task for thousands of files, on this machine or on a cluster of dask."""

import json
import os
import uuid
from asyncio import CancelledError
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import as_completed as threads_completed
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from ._command import run
from ._filters import spec_of
from ._listing import Shard, Source, parse_shard, sources
from ._progress import bar
from ._show import number, table
from ._task import Function, Task, make_task
from ._work import Row, work

if TYPE_CHECKING:
    from os import PathLike

    from ._listing import Files

    Runner = Callable[[Task, Sequence[Source], int], Iterator[Tuple[int, Row]]]


class Campaigned:
    """What a campaign did. Jupyter shows it as a table.

    `rows` has a dictionary for each file: file, output, status ("done", "skipped" where it had been done before, "failed"),
    error, seconds, worker, begins (how often the work was begun, ever), and numbers. Those of recompress are raw_bytes,
    stored_bytes, ratio, max_abs_error and file_bytes; measure and verify have holds (None without limits); each has
    `datasets`, a list of dictionaries.
    """

    def __init__(self, rows: List[Row], results: str, catalogue: Optional[str]) -> None:
        self.rows = rows
        self.results = results
        """Path of the rows as JSON lines."""
        self.catalogue = catalogue
        """Path of the table that `etalon catalogue` wrote, if one was asked for."""

    def _count(self, status: str) -> int:
        return sum(row["status"] == status for row in self.rows)

    @property
    def done(self) -> int:
        """Files that were worked on."""
        return self._count("done")

    @property
    def skipped(self) -> int:
        """Files whose results are there already."""
        return self._count("skipped")

    @property
    def failed(self) -> int:
        """Files with an error, which the next campaign tries again."""
        return self._count("failed")

    @property
    def holds(self) -> bool:
        """Whether no file failed, and all that was verified or limited holds."""
        return not self.failed and all(row.get("holds") is not False for row in self.rows)

    def raise_for_failures(self) -> None:
        """Does nothing where every file was worked on.

        :raises OSError: otherwise, with the first errors.
        """
        errors = ["%s: %s" % (row["file"], row["error"]) for row in self.rows if row["status"] == "failed"]
        if errors:
            more = ["and %d more" % (len(errors) - 5)] if len(errors) > 5 else []
            raise OSError("; ".join(errors[:5] + more))

    def to_pandas(self, datasets: bool = False) -> Any:
        """A pandas DataFrame with a row for each file, or for each of its datasets (and codecs). Needs pandas."""
        import pandas

        if datasets:
            rows = [{"file": row["file"], **one} for row in self.rows for one in row.get("datasets", [])]
        else:
            rows = [{**row, "datasets": len(row.get("datasets", []))} for row in self.rows]
        return pandas.DataFrame(rows, columns=None if rows else ["file"]).set_index("file")

    def __repr__(self) -> str:
        return "<%d done, %d skipped, %d failed: %s>" % (self.done, self.skipped, self.failed, self.results)

    def _repr_html_(self) -> str:
        failed = [row for row in self.rows if row["status"] == "failed"]
        shown = (failed + [row for row in self.rows if row["status"] != "failed"])[:20]
        rows = [(row["file"], row["status"], number(row.get("ratio")), number(row["seconds"])) for row in shown]
        notes = ["%s: %s" % (row["file"], row["error"]) for row in failed[:20]]
        return table(("file", "status", "ratio", "seconds"), rows, [repr(self), *notes])


def campaign(
    files: "Files",
    task: Union[str, Function] = "recompress",
    scheduler: Any = None,
    catalogue: "Optional[Union[str, PathLike[str]]]" = None,
    *,
    out: "Union[str, PathLike[str]]",
    workers: Optional[int] = None,
    threads: int = 1,
    shard: Union[str, Tuple[int, int]] = (1, 1),
    retries: int = 3,
    force: bool = False,
    progress: bool = False,
    **options: Any,
) -> Campaigned:
    """Does one task for thousands of files: idempotent, resumable, on as many machines as there are.

    A file whose result is there, and that has not changed since (size, time of modification, what was asked), is skipped.
    A file that cannot be read is a row with an error and costs the others nothing. Workers, this process and machines may be
    killed at any time: the next one goes on, and no result is written twice or half.

    :param files: files, folders that are searched to the bottom for HDF5 files, patterns such as `"raw/**/*.h5"`.
    :param task: `"recompress"` (options `codec`, `datasets`, `chunk`, `mode`, `stream`, `verify`, `provenance`),
        `"measure"` (`codecs`, `metrics`, `profile`, `limits`, `settings`, `datasets`, `runs`, `against`), `"verify"`
        (`require`, `datasets`, `against`), which mean what they mean in `etalon TASK --help`; `against` is the original or
        the folder of originals of the same names. Or a function that gets a path and the options and returns a dictionary;
        it can be begun again after its worker was killed.
    :param scheduler: None for dask workers of its own on this machine, the address of a dask scheduler
        (`"tcp://head:8786"`), a `distributed.Client`, or `"threads"`, which needs no dask. Workers must have h5etalon and
        see the files by the same names.
    :param catalogue: a table (.parquet, .jsonl) that `etalon catalogue` brings up to date with the results.
    :param out: folder of the results: copies have the names that the files have below the folder named, other results
        `NAME.TASK.json`. `TASK.jsonl` has the rows.
    :param workers: processes or threads on this machine; as many as there are cores by default.
    :param threads: threads of each task.
    :param shard: part `"2/8"` of the files, as `etalon catalogue --shard` divides them.
    :param retries: how often a file is tried by itself after several dask workers died that had it.
    :param force: do everything again, and replace results that are not of this function.
    :param progress: show a bar of tqdm.
    :raises TypeError: for options that the task has not.
    :raises ValueError: for a codec or a part that does not exist, and a pattern that matches nothing.
    :raises ImportError: where dask's distributed is wanted and missing.
    """
    part = parse_shard(shard)
    job = make_task(task, os.fspath(out), threads, uuid.uuid4().hex, force, options)
    if job.copies:
        run(["args", spec_of(options["codec"])])
    listed = sources(files, part, job.out)
    os.makedirs(job.out, exist_ok=True)
    rows: Dict[int, Row] = {}
    with _runner(scheduler, workers) as runner, bar(progress, len(listed), job.kind, "file") as move:
        for index, row in runner(job, listed, retries):
            rows[index] = row
            move(1)
    ordered = [rows[index] for index in range(len(listed))]
    results = _write_results(job, part, ordered)
    if catalogue is not None:
        run(["catalogue", *_places(job, files, part, listed), "--out", os.fspath(catalogue), "--quiet"])
    return Campaigned(ordered, results, None if catalogue is None else os.fspath(catalogue))


def _places(task: Task, files: "Files", part: Shard, listed: Sequence[Source]) -> List[str]:
    """What a catalogue of the results is about, as arguments of the command: the results, and what they are of."""
    named = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    places = [] if task.copies else [os.fspath(place) for place in named]
    if all(map(os.path.exists, places)):
        return [task.out, *places, "--shard", "%d/%d" % part]
    return [task.out, *(source.path for source in listed)]


def _write_results(task: Task, part: Shard, rows: List[Row]) -> str:
    """Writes the rows as JSON lines, as a whole."""
    suffix = "-%d-of-%d" % part if part.parts > 1 else ""
    path = os.path.join(task.out, "%s%s.jsonl" % (task.kind, suffix))
    unfinished = "%s.%s.tmp" % (path, task.campaign)
    with open(unfinished, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    os.replace(unfinished, path)
    return path


@contextmanager
def _runner(scheduler: Any, workers: Optional[int]) -> "Iterator[Runner]":
    """What gives files to workers and yields index and row as they are done."""
    count = workers or os.cpu_count() or 1
    if scheduler == "threads":
        yield lambda task, listed, _: _on_threads(task, listed, count)
        return
    distributed = _distributed()
    if isinstance(scheduler, distributed.Client):
        yield lambda task, listed, retries: _on_dask(scheduler, task, listed, retries)
        return
    with ExitStack() as started:
        if scheduler is None:
            local = distributed.LocalCluster(count, threads_per_worker=1, processes=True, dashboard_address=None)
            scheduler = started.enter_context(local)
        client = started.enter_context(distributed.Client(scheduler))
        yield lambda task, listed, retries: _on_dask(client, task, listed, retries)


def _distributed() -> Any:
    """The module of dask, which nothing else here needs."""
    try:
        return import_module("distributed")
    except ImportError as error:
        text = "a campaign on dask needs distributed: pip install h5etalon[campaign], or scheduler='threads'"
        raise ImportError(text) from error


def _on_threads(task: Task, listed: Sequence[Source], count: int) -> Iterator[Tuple[int, Row]]:
    with ThreadPoolExecutor(count) as pool:
        futures = {pool.submit(work, task, source): index for index, source in enumerate(listed)}
        try:
            for future in threads_completed(futures):
                yield futures[future], future.result()
        finally:
            for future in futures:
                future.cancel()


def _on_dask(client: Any, task: Task, listed: Sequence[Source], retries: int) -> Iterator[Tuple[int, Row]]:
    """Dask gives what a dead worker had to others, a few times, and then blames every file that was there each time.

    Those are tried again one by one, so that a file that kills its workers takes no other with it.
    """
    keys = ["etalon-%s-%s-%d" % (task.kind, task.campaign, index) for index in range(len(listed))]
    indices = dict(zip(keys, range(len(listed))))
    lost: Dict[int, str] = {}
    # Nobody keeps what was computed once it is here, or dask would make it anew where its worker dies.
    futures = client.map(work, [task] * len(listed), listed, key=keys, pure=False) if listed else []
    completed = _distributed().as_completed(futures)
    del futures
    for future in completed:
        index = indices[future.key]
        row = _arrived(client, future)
        if isinstance(row, dict):
            yield index, row
        else:
            lost[index] = row
    for index, error in lost.items():
        row = error
        for attempt in range(retries):
            if isinstance(row, str):
                key = "%s-%d" % (keys[index], attempt)
                row = _arrived(client, client.submit(work, task, listed[index], key=key, pure=False))
        yield index, row if isinstance(row, dict) else _lost(task, listed[index], row)


def _arrived(client: Any, future: Any) -> Union[Row, str]:
    """The row that a worker made, or why there is none.

    :raises ConnectionError: where the scheduler is gone.
    """
    try:
        row: Row = future.result()
        return row
    except (Exception, CancelledError) as error:  # noqa: BLE001 - of dask's machinery: `work` raises nothing.
        if client.status != "running":
            raise ConnectionError("the scheduler is gone; the same campaign, run again, goes on from here") from error
        return str(error).split(". ")[0] or type(error).__name__


def _lost(task: Task, source: Source, error: str) -> Row:
    return {
        "file": source.path,
        "output": task.output(source.name),
        "status": "failed",
        "error": "no worker came to the end of it: %s" % error,
        "seconds": 0.0,
        "worker": None,
    }
