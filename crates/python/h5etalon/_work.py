"""One file of a campaign, on a worker: nothing is done twice, and what cannot be done is a row with an error.

Under `OUT/.etalon-campaign/TASK/` each file has a journal and, while it is worked on, `….out`, which has what the command
prints. The order of steps is what makes it safe to kill anything at any time:

1. The journal is locked; whoever else works on the file, a command without its worker included, ends first.
2. A last line `end` that fits file, task and result: nothing is to be done.
3. A last line `begin` and a whole `.out`: the command ended, and nobody was there to write `end`. It is written now.
4. Else `begin` is written, the command works, its result gets its name as a whole, and `end` is written.
"""

import glob
import json
import os
import socket
import time
from contextlib import ExitStack
from typing import Any, Dict, List, Optional

from ._command import run
from ._journal import Entry, Journal, identity, json_lines
from ._listing import Source
from ._plain import as_json
from ._task import Task

Row = Dict[str, Any]

# A command that a signal ended, as where memory was short, is begun again so often.
_STARTS = 3


def work(task: Task, source: Source) -> Row:
    """Does the task for one file, unless that is done. Never raises."""
    output = task.output(source.name)
    row: Row = {"file": source.path, "output": output, "status": "failed", "error": None}
    begun = time.monotonic()
    try:
        row.update(_locked(task, source, output))
    except Exception as error:  # noqa: BLE001 - whatever a file or a user's function does, the others go on.
        row["error"] = str(error) or type(error).__name__
    row["seconds"] = round(time.monotonic() - begun, 3)
    row["worker"] = "%s:%d" % (socket.gethostname(), os.getpid())
    return row


def _locked(task: Task, source: Source, output: str) -> Row:
    found = identity(source.path)
    if found is None:
        raise FileNotFoundError("there is no file %s" % source.path)
    fits = {"source": found, "asked": task.asked()}
    with Journal(task.state(source.name) + ".journal") as journal:
        entries = journal.entries()
        last = entries[-1] if entries else {}
        if any(last.get(key) != value for key, value in fits.items()):
            last = {}
        elsewhere = task.force and last.get("campaign") != task.campaign
        if last.get("event") == "end" and last["output"] == identity(output) and not elsewhere:
            _remove(task.state(source.name) + ".out")
            # What was done by this very campaign was done for a worker that is gone.
            status = "done" if last["campaign"] == task.campaign else "skipped"
            return _row(status, entries, last["numbers"])
        numbers = _left_behind(task, source, last) if last.get("event") == "begin" and not elsewhere else None
        if numbers is None:
            numbers = _begin(task, source, journal, entries, fits)
        end = {"event": "end", **fits, "campaign": task.campaign, "output": identity(output), "numbers": numbers}
        journal.add(end)
        _remove(task.state(source.name) + ".out")
        return _row("done", journal.entries(), numbers)


def _row(status: str, entries: List[Entry], numbers: Row) -> Row:
    begins = sum(entry.get("event") == "begin" for entry in entries)
    return {"status": status, "begins": begins, **numbers}


def _left_behind(task: Task, source: Source, begin: Entry) -> Optional[Row]:
    """The numbers of work that came to its end after its worker did; None where it did not come to its end."""
    output, printed = task.output(source.name), task.state(source.name) + ".out"
    is_new = identity(output) not in (None, begin["before"])
    try:
        with open(printed if task.copies or os.path.exists(printed) else output, "rb") as file:
            text = file.read()
        if task.copies:
            return _copied(text, output) if is_new else None
        numbers = _parsed(task, text)
    except (OSError, ValueError, LookupError):
        return None
    if os.path.exists(printed):
        os.replace(printed, output)
        return numbers
    return numbers if is_new else None


def _begin(task: Task, source: Source, journal: Journal, entries: List[Entry], fits: Row) -> Row:
    """Does the work."""
    output, printed = task.output(source.name), task.state(source.name) + ".out"
    before = identity(output)
    if before is not None and not task.force and not _is_ours(before, entries):
        raise FileExistsError("%s exists, and is not as this campaign left it; force=True replaces it" % output)
    os.makedirs(os.path.dirname(output), exist_ok=True)
    for attempt in range(_STARTS):
        _remove_unfinished(output)
        _remove(printed)
        journal.add({"event": "begin", **fits, "campaign": task.campaign, "before": before, "unix_s": time.time()})
        try:
            return _result(task, source, printed, output, journal.descriptor, before is not None)
        except Exception as error:  # noqa: BLE001 - it is raised again.
            journal.add({"event": "failed", "error": str(error)})
            if attempt == _STARTS - 1 or not isinstance(error, ChildProcessError):
                raise
    raise AssertionError("the last attempt returns or raises")


def _is_ours(found: List[int], entries: List[Entry]) -> bool:
    """Whether a result is as it was left, or was there when a campaign that might replace it began, or is of a campaign that
    the machine did not let come to its end.
    """
    left = [entry["output"] for entry in entries if entry["event"] == "end"]
    before = [entry["before"] for entry in entries if entry["event"] == "begin"]
    return found in left + before or (bool(entries) and entries[-1]["event"] == "begin")


def _result(task: Task, source: Source, printed: str, output: str, lock: int, replaces: bool) -> Row:
    """Runs the command or the function, and gives the result its name."""
    with open(printed, "wb") as file, ExitStack() as folders:
        if task.function is not None:
            found = dict(task.function(source.path, **task.options))
            file.write(as_json(found).encode())
        else:
            words = task.command(source.path, source.name, replaces, folders)
            run(words, stdout=file.fileno(), keep_open=[lock])
    with open(printed, "rb") as file:
        text = file.read()
    if task.copies:
        return _copied(text, output)
    numbers = _parsed(task, text)
    os.replace(printed, output)
    return numbers


def _copied(text: bytes, output: str) -> Row:
    """Numbers of a copy, from what `etalon recompress --json` printed before the copy had its name.

    :raises LookupError: where lines are missing.
    """
    events = json_lines(text)
    datasets = [event for event in events if event["event"] == "dataset"]
    start = next((event for event in events if event["event"] == "start"), None)
    if start is None or len(datasets) != start["datasets"]:
        raise LookupError("etalon recompress did not say all that it did")
    raw, stored = (sum(one[key] for one in datasets) for key in ("raw_bytes", "stored_bytes"))
    errors = [one["max_abs_error"] for one in datasets if one["max_abs_error"] is not None]
    rows = [{key: one[key] for key in one if key not in ("event", "seconds")} for one in datasets]
    return {
        "raw_bytes": raw,
        "stored_bytes": stored,
        "ratio": raw / stored if stored else None,
        "max_abs_error": max(errors, default=None),
        "file_bytes": os.path.getsize(output),
        "datasets": rows,
    }


def _parsed(task: Task, text: bytes) -> Row:
    """Numbers of a result that is JSON: all of a function's, and those of `etalon measure` or `etalon verify`."""
    document: Row = json.loads(text)
    if task.function is not None:
        return document
    rows = document["datasets"]
    kept = [one["holds"] for row in rows for one in row.get("verdicts", [])]
    holds = document.get("holds", all(kept) if kept else None)
    return {"holds": holds, "datasets": [_flat(row) for row in rows]}


def _flat(row: Row) -> Row:
    """A dataset's numbers without curves, pictures and chunks; those of metrics beside the others."""
    plain = {key: value for key, value in row.items() if not isinstance(value, (dict, list))}
    failures = {"failures": [one["reason"] for one in row["failures"]]} if "failures" in row else {}
    return {**plain, **failures, **row.get("metrics", {})}


def _remove_unfinished(output: str) -> None:
    """Removes what a command that was killed left of a result. Nobody else writes it, as the journal is locked."""
    folder, name = os.path.split(output)
    for path in glob.glob(os.path.join(glob.escape(folder), "." + glob.escape(name) + ".etalon-*.tmp")):
        _remove(path)


def _remove(path: str) -> None:
    try:
        os.remove(path)
    except FileNotFoundError:
        pass
