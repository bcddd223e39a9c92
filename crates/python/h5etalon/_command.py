"""The `etalon` command of this package."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from typing import Optional, Sequence


def find_command() -> Optional[str]:
    """Path of the command: where pip puts that of this package, which need not be on PATH, else one on PATH."""
    packages = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = [
        os.path.join(packages, "bin"),  # pip install --target
        sysconfig.get_path("scripts"),
        os.path.dirname(sys.executable),
        sysconfig.get_path("scripts", os.name + "_user"),  # pip install --user
        os.environ.get("PATH", ""),
    ]
    return shutil.which("etalon", path=os.pathsep.join(folders))


def run(
    arguments: Sequence[str],
    progress: bool = False,
    stdout: Optional[int] = None,
    keep_open: Sequence[int] = (),
    codes: Sequence[int] = (0, 1),
) -> "subprocess.CompletedProcess[str]":
    """Runs the command to its end, and says in Python's words how it failed.

    Its own process keeps its HDF5 apart from those of this one, and Python goes on meanwhile. With `stdout`, nothing ties the
    command to this process, and it ends its work where this one is killed.

    :param progress: leave it its bar, which it shows where standard error is a terminal.
    :param stdout: descriptor of a file to print to, instead of into what is returned.
    :param keep_open: descriptors that the command inherits, for locks.
    :param codes: exit codes that are an answer.
    :return: the process, of exit code 0 (all holds) or 1 (something does not), or another of `codes`.
    :raises ValueError: for arguments that make no sense.
    :raises OSError: for files that cannot be read or written; ChildProcessError, which is one, where a signal ended it.
    """
    command = find_command()
    if command is None:
        raise FileNotFoundError("the command etalon is not found: install h5etalon again")
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            [command, *arguments],
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=None if progress and sys.stderr is sys.__stderr__ else said,
            pass_fds=keep_open,
            text=True,
            encoding="utf-8",
        )
        if done.returncode in codes:
            return done
        said.seek(0)
        text = said.read().decode(errors="replace").strip()
    if done.returncode < 0:
        raise ChildProcessError("etalon was ended by signal %d" % -done.returncode)
    reason = _reason(text) or "etalon ended with code %d" % done.returncode
    raise (ValueError if done.returncode == 2 else OSError)(reason)


def _reason(said: str) -> str:
    """What the command said of its failure: all behind the first word of it, without warnings, usage and advice."""
    lines = said.splitlines()
    starts = ("etalon: ", "error: ")
    first = next((at for at, line in enumerate(lines) if line.startswith(starts)), max(0, len(lines) - 1))
    sentences = []
    for line in lines[first:]:
        if line.startswith(("Usage:", "For more information")):
            break
        sentences.append(line.strip())
    text = " ".join(filter(None, sentences))
    for start in starts:
        text = text.removeprefix(start)
    return text
