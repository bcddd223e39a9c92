"""What is known of one file's work: who began it, and how it ended.

A journal is a file of JSON lines that is only appended to, and a lock. The lock is held by whoever has the journal open, the
`etalon` command that a worker started included: where the worker is killed, the command goes on to its end, and the worker
that has the file next waits for it instead of doing the same beside it.
"""

import fcntl
import json
import os
from typing import Any, Dict, List, Optional

Entry = Dict[str, Any]


class Journal:
    """The journal of one file, locked while it is open. Waits for those who have it.

    Where the file system has no locks, two that work on one file at once both write under names of their own, and the last
    to be done gives its file the name.
    """

    def __init__(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        except OSError:
            pass

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def entries(self) -> List[Entry]:
        """All lines that are whole."""
        with os.fdopen(os.dup(self.descriptor), "rb") as file:
            file.seek(0)
            return json_lines(file.read())

    def add(self, entry: Entry) -> None:
        """Adds a line, and waits until the disk has it. What a crash left of a line stays a line of its own."""
        os.write(self.descriptor, b"\n" + json.dumps(entry).encode() + b"\n")
        os.fsync(self.descriptor)


def json_lines(text: bytes) -> List[Entry]:
    """The objects of JSON lines; lines that are none are left out."""
    found = []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def identity(path: str) -> Optional[List[int]]:
    """Bytes and time of modification in ns of a file, by which it is known again; None where there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return [found.st_size, found.st_mtime_ns]
