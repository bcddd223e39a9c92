"""Checks the licences of all dependencies against deny.toml, and that THIRD_PARTY_LICENSES names those we ship.

cargo-deny does the same from the same file; building it takes longer than our whole test run.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def allowed(expression, allow):
    """Whether an SPDX expression can be met with the licences of `allow`."""
    for choice in re.split(r"\s+OR\s+|/", expression.strip("() ")):
        parts = re.split(r"\s+AND\s+", choice.strip("() "))
        if all(part.strip("() ") in allow or " OR " in part and allowed(part, allow) for part in parts):
            return True
    return False


def conjunctions(expression, allow):
    """As `allowed`, for expressions such as `(A OR B) AND C`."""
    parts = re.split(r"\)\s+AND\s+|\s+AND\s+\(", expression)
    return all(allowed(part, allow) for part in parts)


def main():
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    allow = set(rules["licenses"]["allow"])
    banned = {entry["crate"] for entry in rules["bans"]["deny"]}
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    for target in rules["graph"]["targets"]:
        command += ["--filter-platform", target]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    workspace = set(metadata["workspace_members"])
    resolved = {node["id"] for node in metadata["resolve"]["nodes"]}
    notices = (ROOT / "THIRD_PARTY_LICENSES").read_text()
    complaints = []
    count = 0
    for package in metadata["packages"]:
        if package["id"] in workspace or package["id"] not in resolved:
            continue
        count += 1
        name, licence = package["name"], package["license"] or "none stated"
        if not conjunctions(licence, allow):
            complaints.append("%s: licence %s is not in deny.toml's list" % (name, licence))
        if name in banned:
            complaints.append("%s: banned in deny.toml" % name)
        if package["source"] is None or not package["source"].startswith("registry+"):
            complaints.append("%s: comes from %s" % (name, package["source"]))
    for name in ("bitshuffle", "LZ4", "Zstandard", "HDF5"):
        if name not in notices:
            complaints.append("THIRD_PARTY_LICENSES says nothing about " + name)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    print("licences: %d dependencies checked, %d complaints" % (count, len(complaints)))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
