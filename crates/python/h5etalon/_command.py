"""The `etalon` command of this package."""

import os
import shutil
import subprocess
import sys
import sysconfig
from typing import Optional, Sequence


def find_command() -> Optional[str]:
    """Path of the command: that of this environment, whose folder of scripts need not be on PATH, else one on PATH."""
    folders = [sysconfig.get_path("scripts"), os.path.dirname(sys.executable), os.environ.get("PATH", "")]
    return shutil.which("etalon", path=os.pathsep.join(folders))


def run(arguments: Sequence[str], progress: bool = False) -> "subprocess.CompletedProcess[str]":
    """Runs the command to its end, and says in Python's words how it failed.

    Its own process keeps its HDF5 apart from those of this one, and Python goes on meanwhile.

    :param progress: leave it its bar, which it shows where standard error is a terminal.
    :return: the process, of exit code 0 (all holds) or 1 (something does not).
    :raises ValueError: for arguments that make no sense.
    :raises OSError: for files that cannot be read or written.
    """
    command = find_command()
    if command is None:
        raise FileNotFoundError("the command etalon is not found: install h5etalon again")
    stderr = None if progress and sys.stderr is sys.__stderr__ else subprocess.PIPE
    done = subprocess.run([command, *arguments], stdout=subprocess.PIPE, stderr=stderr, text=True, encoding="utf-8")
    if done.returncode in (0, 1):
        return done
    said = (done.stderr or "").strip().splitlines()
    reason = said[-1] if said else "etalon ended with code %d" % done.returncode
    raise (ValueError if done.returncode == 2 else OSError)(reason.removeprefix("etalon: ").removeprefix("error: "))
