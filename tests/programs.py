"""Runs real programs: interpreters, tools, C programs, each as a process that knows us by HDF5_PLUGIN_PATH alone.

A test is skipped where a program is missing, and fails instead under ETALON_REQUIRE_ALL=1.
"""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
REPO = TESTS.parent
# A program that takes longer hangs, on a busy machine too; tests that are told to work longer say so.
TIMEOUT_S = float(os.environ.get("ETALON_TEST_TIMEOUT_S", 300))
NOWHERE = "/nonexistent"  # An empty HDF5_PLUGIN_PATH would mean the default folder.
# The wheels of today, an older wheel, Debian's package: HDF5 2.0, 1.14 and 1.10.
PYTHONS = {
    "wheel": sys.executable,
    "wheel-1.14": str(REPO / ".venv-h5py114/bin/python"),
    "debian-1.10": "/usr/bin/python3",
}
PRELUDE = """
import json, sys
import numpy as np
import samples
args = sys.argv[1:]
def answer(value):
    sys.stdout.write(json.dumps(value) + "\\n")
def served(prefixes=("libh5etalon_bitshuffle", "libh5bshuf")):
    "File names of the plugins for 32008, or of others, that this process has mapped."
    names = {line.split()[-1].rsplit("/", 1)[-1] for line in open("/proc/self/maps")}
    return sorted(name for name in names if name.startswith(prefixes))
"""


def missing(reason):
    """Skips the test, or fails it where everything has to be there."""
    if os.environ.get("ETALON_REQUIRE_ALL") == "1":
        pytest.fail("missing: " + reason)
    pytest.skip(reason)


def require(*programs):
    """The paths of programs on PATH."""
    for program in programs:
        if not shutil.which(program):
            missing(program + " is not installed")
    return [shutil.which(program) for program in programs]


def require_python(name, *modules):
    """Path of an interpreter of PYTHONS that can import `modules`."""
    path = PYTHONS[name]
    if not Path(path).exists():
        missing("no interpreter %s at %s" % (name, path))
    complaint = import_error(path, modules or ("h5py",))
    if complaint:
        missing("%s: %s" % (path, complaint))
    return path


@cache
def import_error(path, modules):
    """What an interpreter says where it cannot import `modules`. It is asked once: many tests take the same ones."""
    done = call([path, "-c", "import " + ", ".join(modules)], NOWHERE, succeeds=False)
    return done.stderr.strip().splitlines()[-1] if done.returncode != 0 else None


def debian_bitshuffle():
    """The plugin folder of Debian's package bitshuffle, which reads LZ4 alone; `make packages` unpacks it."""
    found = sorted(REPO.glob(".debian/bitshuffle/usr/lib/*/hdf5/serial/plugins/libh5bshuf.so"))
    if not found:
        missing("Debian's package bitshuffle is not in .debian/: run scripts/unpack_debian_bitshuffle")
    return found[0].parent


def shared_data(slug):
    """A file of real detector data beside the repository. It is never copied into it."""
    path = REPO.parent / "shared/data" / slug / (slug + ".h5")
    if not path.exists():
        pytest.skip("no real data at %s" % path)
    return path


def environment(plugin_path, extra=None):
    """The environment of a user whose only setting is HDF5_PLUGIN_PATH."""
    foreign = ("HDF5_", "ETALON_", "PYTHON", "LD_")
    env = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    env.update(HDF5_PLUGIN_PATH=str(plugin_path), PYTHONPATH=str(TESTS), **(extra or {}))
    return env


def call(command, plugin_path, extra_env=None, succeeds=True, **options):
    """Runs a program and returns the finished process, output as text; `options` are those of subprocess.run."""
    command = [str(part) for part in command]
    env = environment(plugin_path, extra_env)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, **options)
    if succeeds:
        outcome = "%s ended with %d:\n%s" % (command[0], done.returncode, (done.stdout + done.stderr)[-3000:])
        assert done.returncode == 0, outcome
    return done


def python_command(python, script, *args):
    """The command that runs `script`, in which PRELUDE's names are known."""
    return [python, "-c", PRELUDE + script, *args]


def answers(done):
    """What the processes of a finished command gave to `answer`."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def run_python(python, script, *args, plugin_path, extra_env=None):
    """Runs `script` in `python` and returns what it gave to `answer` last."""
    done = call(python_command(python, script, *args), plugin_path, extra_env)
    said = answers(done)
    assert said, "no answer: " + done.stderr
    return said[-1]
