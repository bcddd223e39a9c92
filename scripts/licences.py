"""Licences of the crates we build on: `check` enforces deny.toml, `write` makes THIRD_PARTY_LICENSES from their files.

    .venv/bin/python scripts/licences.py check|write

cargo-deny and cargo-about do the same; compiling either takes longer than our tests. deny.toml is written as cargo-deny
reads it, and is the one list. THIRD_PARTY_LICENSES is the text for those who ship our plugins and command: what is
linked into them on any target of deny.toml, not what only builds or tests them. `check` fails when it is out of date.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTICES = ROOT / "THIRD_PARTY_LICENSES"
SHIPPED = re.compile(r"etalon$|etalon-cli$|etalon-python$|h5etalon-")
RULE = "=" * 80 + "\n"

# C libraries inside crates, which have licences of their own, by crate.
BUNDLED = {
    "hdf5-metno-src": [("HDF5", "ext/hdf5/LICENSE")],
    "libdeflate-sys": [("libdeflate", "libdeflate/COPYING")],
    "libz-sys": [("zlib", "src/zlib/LICENSE")],
    "lz4-sys": [("LZ4", "liblz4/lib/LICENSE")],
    "zstd-sys": [("Zstandard", "zstd/LICENSE")],
}
# Works that are no crates: what ours derives from, and what is copied into it. By the files of their licences.
COPIED = {
    "scripts/bitshuffle.LICENSE": "bitshuffle, https://github.com/kiyo-masui/bitshuffle: the stream format of filter 32008",
    "crates/cli/src/report/uPlot.LICENSE": "uPlot 1.6.32, https://github.com/leeoniya/uPlot: the plots of a report",
}
HEAD = """THIRD-PARTY LICENCES

Etalon's plugins, command, C library and Python package contain, or are derived from, the works below. `make licences` writes this file.

"""


def permitted(expression, allow):
    """Whether an SPDX expression can be met with the licences of `allow`."""
    tokens = re.findall(r"[()]|[^\s()/]+(?:\s+WITH\s+[^\s()/]+)?|/", expression)

    def choice():
        met = conjunction()
        while tokens and tokens[0] in ("OR", "/"):
            tokens.pop(0)
            met = conjunction() or met
        return met

    def conjunction():
        met = term()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            met = term() and met
        return met

    def term():
        token = tokens.pop(0)
        if token != "(":
            return token in allow
        met = choice()
        assert tokens.pop(0) == ")", expression
        return met

    return choice()


def read_metadata(targets):
    """What cargo knows about all dependencies on `targets`."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    for target in targets:
        command += ["--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)


def complaints(metadata, rules):
    """What is wrong with the dependencies, a sentence each."""
    allow = set(rules["licenses"]["allow"])
    exceptions = {entry["crate"]: entry["allow"] for entry in rules["licenses"].get("exceptions", [])}
    clarified = {entry["crate"]: entry["expression"] for entry in rules["licenses"].get("clarify", [])}
    banned = {entry["crate"] for entry in rules["bans"]["deny"]}
    resolved = {node["id"] for node in metadata["resolve"]["nodes"]} - set(metadata["workspace_members"])
    for package in metadata["packages"]:
        if package["id"] not in resolved:
            continue
        name, licence = package["name"], package["license"] or clarified.get(package["name"])
        if licence is None:
            yield "%s states no licence, and deny.toml does not clarify it" % name
        elif not permitted(licence, allow.union(exceptions.get(name, []))):
            yield "%s: licence %s is not in deny.toml's list" % (name, licence)
        if name in banned:
            yield "%s is banned in deny.toml" % name
        if not (package["source"] or "").startswith("registry+"):
            yield "%s comes from %s, not from the registry" % (name, package["source"])


def shipped(metadata):
    """The packages that are linked into what we ship, by name."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    members = set(metadata["workspace_members"])
    waiting = [id for id in members if SHIPPED.match(packages[id]["name"])]
    found = set()
    while waiting:
        id = waiting.pop()
        macro = any("proc-macro" in target["kind"] for target in packages[id]["targets"])
        if id in found or macro:
            continue
        found.add(id)
        for dependency in nodes[id]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return sorted((packages[id] for id in found - members), key=lambda package: (package["name"], package["version"]))


def licence_files(folder):
    """The licence texts of a crate. Of several to choose from, MIT is ours; Apache-2.0 is in LICENSE-APACHE."""
    files = [path for path in folder.iterdir() if re.match(r"(UN)?LICEN[SC]E|COPYING|NOTICE", path.name, re.I)]
    chosen = [path for path in files if "MIT" in path.name.upper()]
    also = [path for path in files if re.search("UNICODE|NOTICE", path.name, re.I)]
    return sorted(chosen + also if chosen else files)


def notices(metadata):
    """The text of THIRD_PARTY_LICENSES."""
    holders = {(ROOT / path).read_text().strip(): [work] for path, work in COPIED.items()}
    without_text = ["the standard library of Rust: MIT OR Apache-2.0, by the Rust Project Developers"]
    for package in shipped(metadata):
        folder = Path(package["manifest_path"]).parent
        crate = "%s %s" % (package["name"], package["version"])
        found = [(crate, path) for path in licence_files(folder)]
        found += [("%s, in %s" % (work, crate), folder / path) for work, path in BUNDLED.get(package["name"], [])]
        for work, path in found:
            text = "\n".join(line.rstrip() for line in path.read_text().strip().splitlines())
            holders.setdefault(text, []).append(work)
        if not found:
            without_text.append("%s: %s, by %s" % (crate, package["license"], ", ".join(package["authors"])))
    parts = [HEAD]
    for text, works in holders.items():
        parts += [RULE, "\n".join(works), "\n\n", text, "\n\n"]
    parts += [RULE, "Works that carry no licence text of their own; they are used under the terms of LICENSE-APACHE\n\n"]
    parts += ["%s\n" % line for line in without_text]
    return "".join(parts)


def main():
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    metadata = read_metadata(rules["graph"]["targets"])
    found = list(complaints(metadata, rules))
    text = notices(metadata)
    if sys.argv[1:] == ["write"]:
        NOTICES.write_text(text)
    elif sys.argv[1:] != ["check"]:
        sys.exit(__doc__)
    elif not NOTICES.exists() or NOTICES.read_text() != text:
        found.append("THIRD_PARTY_LICENSES is out of date: run `make licences`")
    for complaint in found:
        print(complaint, file=sys.stderr)
    print("licences: %d packages, %d complaints" % (len(metadata["packages"]), len(found)))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
