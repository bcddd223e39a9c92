"""The `etalon` command of this package."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from typing import Optional, Sequence


def find_command() -> Optional[str]:
    """Path of the command: that of this environment, whose folder of scripts need not be on PATH, else one on PATH."""
    folders = [sysconfig.get_path("scripts"), os.path.dirname(sys.executable), os.environ.get("PATH", "")]
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
        lines = said.read().decode(errors="replace").strip().splitlines()
    if done.returncode < 0:
        raise ChildProcessError("etalon was ended by signal %d" % -done.returncode)
    reason = lines[-1] if lines else "etalon ended with code %d" % done.returncode
    raise (ValueError if done.returncode == 2 else OSError)(reason.removeprefix("etalon: ").removeprefix("error: "))
