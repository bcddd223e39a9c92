"""Running the `etalon` command in tests."""

import json
import os
from pathlib import Path

import pytest

from programs import NOWHERE, REPO, call


def program():
    """The built command: $ETALON_COMMAND, or what cargo left in target/."""
    given = os.environ.get("ETALON_COMMAND")
    built = [Path(given)] if given else [REPO / "target" / profile / "etalon" for profile in ("release", "debug")]
    found = [path for path in built if path.exists()]
    if not found:
        pytest.fail("no etalon command at %s: run `cargo build --release -p etalon-cli` first" % built[0])
    return max(found, key=lambda path: path.stat().st_mtime)


def etalon(*arguments, plugin_path=NOWHERE, code=0, **options):
    """Runs `etalon` and returns the finished process, after checking its exit code."""
    done = call([program(), *arguments], plugin_path, succeeds=False, **options)
    assert done.returncode == code, "exit code %d:\n%s%s" % (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done


def etalon_json(*arguments, **options):
    """What `etalon --json` prints, parsed."""
    return json.loads(etalon(*arguments, "--json", **options).stdout)


def etalon_json_lines(*arguments, **options):
    """The JSON lines that `etalon --json` prints, parsed."""
    return [json.loads(line) for line in etalon(*arguments, "--json", **options).stdout.splitlines()]
