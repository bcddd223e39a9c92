"""The page docs/FRONTIER.md: lossless codecs, ours and others', on simulated photon counts and on real integers.

Every codec encodes and decodes the chunks of a set in memory on one thread; codecs take turns in every run, so that what else
the machine does falls on all of them. A speed is that of the fastest run over that of bitshuffle with zstd level 3 (z3) in the
same runs, in time of the processor. What comes back is compared bit for bit. Ours run in the example `turns` of the codec crate; a codec that this build
does not know has no row. `--write` writes the page, `--quick` takes one chunk of a few sets. Run it with .venv-frontier/bin/python.
"""

import importlib.metadata
import math
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import frontier_sets
from frontier_peers import PEERS, SLOW, Refused
from frontier_sets import COUNTS
from machine import describe
from page_options import page_options, put_page

REPO = Path(__file__).resolve().parent.parent
TURNS = os.environ.get("ETALON_TURNS", str(REPO / "target/release/examples/turns"))
PAGE = REPO / "docs/FRONTIER.md"
BASE = "bitshuffle:compressor=zstd"
ZSTD_1 = "bitshuffle:compressor=zstd,level=1"  # The block depends on the type: 1 MiB.
OURS = [BASE, ZSTD_1, "bitshuffle:planes", "counts", "predict", "auto:speed=fast", "auto", "auto:speed=small"]
QUICK = ["flat0.3", "ring0.05", "ring1", "xpcs1", "stem85"]


class Turns:
    """Our codecs on one set: a process that keeps its contexts."""

    def __init__(self, data, path):
        extents = (data.per_chunk, *data.frames.shape[1:])
        data.frames.tofile(path)
        command = [TURNS, data.frames.dtype.str[1:], ",".join(map(str, extents)), str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.block = (1 << 20) // data.frames.itemsize

    def run(self, spec):
        """Bytes stored and seconds of both directions."""
        spec += ",block=%d" % self.block if spec == ZSTD_1 else ""
        self.process.stdin.write(spec + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer or answer.startswith("refused"):
            raise Refused(answer.removeprefix("refused ") or "the process ended")
        stored, encode, decode, _ = answer.split()
        return int(stored), float(encode), float(decode)


def run_peer(codec, chunks):
    """The same for a codec of others."""
    stored_bytes, encoding, decoding = 0, 0.0, 0.0
    for chunk in chunks:
        encode, decode, expected, beside_bytes = codec(chunk)
        start = time.thread_time()
        stored = encode()
        between = time.thread_time()
        back = decode(stored)
        decoding += time.thread_time() - between
        encoding += between - start
        if np.asarray(back).tobytes() != np.ascontiguousarray(expected).tobytes():
            raise SystemExit("%s: another result" % codec)
        stored_bytes += beside_bytes
        stored_bytes += sum(map(len, stored)) if isinstance(stored, list) else len(stored)
    return stored_bytes, encoding, decoding


def measured(data, runs, peers):
    """Best of the runs of every codec: {codec: (stored, encode, decode)}, and {codec: why it refused}."""
    chunks = data.frames.reshape(-1, data.per_chunk, *data.frames.shape[1:])
    best, refused = {}, {}
    with tempfile.NamedTemporaryFile() as file:
        turns = Turns(data, Path(file.name))
        for run in range(runs):
            for name in [*OURS, *peers]:
                if name in refused or (run and name in SLOW):
                    continue
                try:
                    once = turns.run(name) if name in OURS else run_peer(PEERS[name][1], chunks)
                except Refused as why:
                    refused[name] = str(why)
                    continue
                best[name] = tuple(map(min, best.get(name, once), once))
        turns.process.stdin.close()
        turns.process.wait()
    return best, refused


def figures(data, best):
    """Of every codec: ratio, ratio × z3, share of the bound, encode and decode × z3."""
    base, raw = best[BASE], data.frames.nbytes
    bound = data.bound_bits and 8 * data.frames.itemsize / data.bound_bits
    return {
        name: dict(
            ratio=raw / stored,
            times=base[0] / stored,
            bound=bound and raw / stored / bound,
            encode=base[1] / encode,
            decode=base[2] / decode,
        )
        for name, (stored, encode, decode) in best.items()
    }


def mean(values):
    """The geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def label(name):
    """A codec as the page calls it."""
    if name in (BASE, ZSTD_1):
        return "z3" if name == BASE else "zstd-1, 1 MiB"
    return "`%s`" % name if name in OURS else name


def summary(rows, codecs):
    """A table of each group of sets: geometric means over the sets that a codec takes."""
    for group in [COUNTS, *dict.fromkeys(data.group for data, _ in rows)]:
        members = [f for data, f in rows if data.group == group or (group == COUNTS and data.is_counts)]
        if not members:
            continue
        yield "\n### %s (%d)\n" % (group, len(members))
        yield "| codec | sets | ratio × z3 | of the bound | encode × z3 | decode × z3 |\n|---|---:|---:|---:|---:|---:|"
        for name in codecs:
            taken = [f[name] for f in members if name in f]
            if taken:
                bound = "%.3f" % mean([f["bound"] for f in taken]) if all(f["bound"] for f in taken) else "–"
                cells = ["%.2f" % mean([f[key] for f in taken]) for key in ("times", "encode", "decode")]
                yield "| %s | %d | %s | %s | %s | %s |" % (label(name), len(taken), cells[0], bound, *cells[1:])


def by_set(rows, codecs, head, cell):
    """A table with a line for each set."""
    yield "\n## %s\n" % head
    yield "| set | bound | %s |\n|---|%s" % (" | ".join(map(label, codecs)), "---:|" * (len(codecs) + 1))
    for data, f in rows:
        bound = "%.2f" % (8 * data.frames.itemsize / data.bound_bits) if data.bound_bits else "–"
        yield "| %s | %s | %s |" % (data.name, bound, " | ".join(cell(f[name]) if name in f else "–" for name in codecs))


def page(rows, notes, head):
    """All of the page."""
    codecs = [name for name in [*OURS, *PEERS] if any(name in f for _, f in rows)]
    yield "# The lossless frontier\n\nWritten by `make bench-frontier`. " + __doc__.split("\n\n")[1].split(" Ours run")[0].replace("\n", " ")
    yield "\nSets and bound are made by `bench/frontier_sets.py`; real data are those below ../shared/data. An image codec gets 16-bit"
    yield "frames and 8 bytes for each value that does not fit. A codec has no figure where it has no form for the values."
    yield "\n%s, load %.1f before; %s. `%s`" % (
        head["machine"], head["load_before"], ", ".join("%s %s" % item for item in head["versions"].items()), head["command"])
    yield "\n## Groups of sets, geometric means"
    yield from summary(rows, codecs)
    yield from by_set(rows, codecs, "Ratio", lambda f: "%.2f" % f["ratio"])
    yield from by_set(rows, codecs, "Speed: encode / decode × z3", lambda f: "%.2f / %.2f" % (f["encode"], f["decode"]))
    if notes:
        yield "\n## Refused\n"
        yield from notes


def versions():
    """Of the packages that are installed."""
    for module in dict.fromkeys(module for module, _ in PEERS.values()):
        try:
            yield module, importlib.metadata.version(module)
        except importlib.metadata.PackageNotFoundError:
            continue


def main():
    options = page_options(__doc__, runs=7)
    found = dict(versions())
    head = describe(**found)
    peers = [name for name, (module, _) in PEERS.items() if module in found]
    sets = list(frontier_sets.simulated(QUICK if options.quick else None, chunks=1 if options.quick else 3))
    if not options.quick:
        sets += frontier_sets.real(REPO.parent / "shared/data")
    rows, notes = [], []
    for data in sets:
        best, refused = measured(data, options.runs, peers)
        notes += ["* %s, %s: %s" % (data.name, label(name), why) for name, why in refused.items() if "unknown" not in why]
        rows.append((data, figures(data, best)))
        print(data.name, {name: "%.2f" % f["ratio"] for name, f in rows[-1][1].items()}, flush=True)
    put_page(options, PAGE, page(rows, notes, head))


if __name__ == "__main__":
    main()
