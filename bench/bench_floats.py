"""The page docs/FLOATS.md: `quantise` beside SZ3, ZFP and SPERR, on simulated and on real floats, with a bound on every element.

Every codec encodes and decodes the chunks of a set in memory on one thread, in turns; a speed is that of the fastest run over
that of SZ3 in the same runs, in time of the processor. Ours compares what it decodes and writes the loss and two checksums
into the chunk, and checks both when it decodes; the others do nothing of the kind. The largest error is looked for outside of
the times. Bounds ε are σ, σ/3 and σ/10 of the noise, rounded down to one digit.
SZ3 has the bound as `abs`, ZFP as tolerance, SPERR as point-wise error; all else is their default. All three are those of
imagecodecs. The SZ3 of hdf5plugin is another version, smaller for volumes and several times slower: it has a ratio of its own here,
as HDF5 stores it. "× SZ3" is beside the smaller of both in ratio, and beside the faster of both in speed.

`--write` writes the page, `--quick` takes the small sets and writes nothing. Run it with .venv-frontier/bin/python.
"""

import math
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import float_sets
from bench_frontier import REPO, TURNS, mean
from machine import describe
from page_options import page_options, put_page

PAGE = REPO / "docs/FLOATS.md"
OURS = {"`quantise`": "", "`speed=small`": ",speed=small", "`speed=fast`": ",speed=fast"}
PARTS = {"σ": 1, "σ/3": 1 / 3, "σ/10": 1 / 10}
RATIO, ENCODE, DECODE = 1.12, 1.0, 1.5  # What is to be reached where ε ≤ σ.


def sz3(codecs, chunk, bound):
    """SZ3 at its defaults: interpolation or Lorenzo prediction, Huffman codes, zstd."""
    return lambda: codecs.sz3_encode(chunk, mode="abs", abs=bound), lambda data: codecs.sz3_decode(data, shape=chunk.shape, dtype=chunk.dtype)


def zfp(codecs, chunk, bound):
    """ZFP with a tolerance."""
    return lambda: codecs.zfp_encode(chunk, level=bound, mode="accuracy"), lambda data: codecs.zfp_decode(data)


def sperr(codecs, chunk, bound):
    """SPERR with a bound on each point; it takes volumes and images."""
    return lambda: codecs.sperr_encode(chunk, level=bound, mode="pwe", numthreads=1), lambda data: codecs.sperr_decode(data, numthreads=1)


OTHER_SZ3 = "SZ3 of hdf5plugin"
PEERS = {"SZ3": sz3, "ZFP": zfp, "SPERR": sperr}
SLOW = {"SPERR"}  # One run says enough.


def run_peer(peer, chunks, bound):
    """Bytes stored, seconds of both directions and the largest error."""
    import imagecodecs

    stored, encoding, decoding, error = 0, 0.0, 0.0, 0.0
    for chunk in chunks:
        chunk = chunk[0] if len(chunk) == 1 else chunk
        encode, decode = peer(imagecodecs, chunk, bound)
        start = time.thread_time()
        data = encode()
        between = time.thread_time()
        back = decode(data)
        decoding += time.thread_time() - between
        encoding += between - start
        stored += len(data)
        error = max(error, float(abs(np.reshape(back, chunk.shape).astype("f8") - chunk).max()))
    return stored, encoding, decoding, error


class Turns:
    """Our codec on one set: a process that keeps its memory."""

    def __init__(self, data, path):
        data.chunks.tofile(path)
        command = [TURNS, data.chunks.dtype.str[1:], ",".join(map(str, data.chunks.shape[1:])), str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, spec):
        """As `run_peer`."""
        self.process.stdin.write(spec + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer or answer.startswith("refused"):
            raise SystemExit("%s: %s" % (spec, answer))
        return tuple(map(float, answer.split()))


def run_other_sz3(data, path, bounds):
    """Bytes stored for each bound."""
    script = REPO / "bench/sz3_of_hdf5plugin.py"
    command = [REPO / ".venv/bin/python", script, data.chunks.dtype.str[1:], ",".join(map(str, data.chunks.shape[1:])), path]
    printed = subprocess.run([*command, *map(repr, bounds)], check=True, stdout=subprocess.PIPE, text=True).stdout
    return list(map(int, printed.split()))


def bounds(data):
    """The bounds of a set: parts of σ, or of the range where there is no noise."""
    unit = data.sigma or float(np.ptp(data.chunks)) * 0.01
    for label, part in PARTS.items():
        digit = 10.0 ** math.floor(math.log10(unit * part * 1.000001))
        bound = float("%.1g" % (math.floor(unit * part * 1.000001 / digit) * digit))
        yield label if data.sigma else "%.2g of range" % (0.01 * part), bound


def measured(data, runs):
    """Best of the runs of every codec, for each bound: [(label, bound, {codec: (stored, encode, decode, error)})]."""
    rows = []
    with tempfile.NamedTemporaryFile() as file:
        turns = Turns(data, Path(file.name))
        turns.run("quantise:abs=%r" % next(iter(bounds(data)))[1])  # Memory that is touched for the first time takes longer.
        others = run_other_sz3(data, file.name, [bound for _, bound in bounds(data)])
        for (label, bound), other in zip(bounds(data), others):
            best = {}
            for run in range(runs):
                for name in [*PEERS, *OURS]:
                    if run and name in SLOW:
                        continue
                    spec = "quantise:abs=%r%s" % (bound, OURS.get(name, ""))
                    once = turns.run(spec) if name in OURS else run_peer(PEERS[name], data.chunks, bound)
                    best[name] = tuple(map(min, best.get(name, once), once))
            for name, (*_, error) in best.items():
                if error > bound and name in OURS:
                    raise SystemExit("%s, %s: an error of %r beyond %r" % (data.name, name, error, bound))
            best[OTHER_SZ3] = (other, math.inf, math.inf, 0.0)
            rows.append((label, bound, best))
        turns.process.stdin.close()
        turns.process.wait()
    return rows


def times_sz3(best, name):
    """Ratio and speeds in encoding and in decoding, times those of SZ3."""
    smaller = min(best["SZ3"][0], best[OTHER_SZ3][0])
    stored, encode, decode, _ = best[name]
    return smaller / stored, best["SZ3"][1] / encode, best["SZ3"][2] / decode


def cells(data, bound, best):
    """A line of the table."""
    yield from (data.name, "%.2g" % data.sigma if data.sigma else "–", "%g" % bound)
    for name in [*PEERS, OTHER_SZ3]:
        excess = "¹" if best[name][3] > bound else ""
        yield "%.2f%s" % (data.chunks.nbytes / best[name][0], excess)
    for name in OURS:
        yield "%.2f" % (data.chunks.nbytes / best[name][0])
        ratio, encode, decode = times_sz3(best, name)
        yield "%.2f" % ratio
        yield "%.2f / %.2f" % (encode, decode)


def summary(found):
    """Geometric means over the sets for each bound, and how many reach what they are to."""
    yield "| sets | ε | number | %s |\n|---|---|---:|%s" % (
        " | ".join("%s: ratio, encode, decode × SZ3" % name for name in OURS), "---|" * len(OURS))
    for group in dict.fromkeys(data.group for data, _ in found):
        labels = dict.fromkeys(label for data, rows in found if data.group == group for label, *_ in rows)
        for label in labels:
            chosen = [best for data, rows in found if data.group == group for name, _, best in rows if name == label]
            texts = []
            for name in OURS:
                columns = list(zip(*(times_sz3(best, name) for best in chosen)))
                reached = [sum(times >= least for times in column) for column, least in zip(columns, (RATIO, ENCODE, DECODE))]
                texts.append(", ".join("%.2f (%d)" % pair for pair in zip(map(mean, columns), reached)))
            yield "| %s | %s | %d | %s |" % (group, label, len(chosen), " | ".join(texts))


def page(found, head):
    """All of the page."""
    yield "# Floats with a bound, beside SZ3\n\nWritten by `make bench-floats`. " + __doc__.split("\n\n")[1].replace("\n", " ")
    yield "\nSets are made by `bench/float_sets.py`; real data are those below ../shared/data, with σ estimated by Immerkær's mask."
    yield "%s, load %.1f before; %s. `%s`" % (
        head["machine"], head["load_before"], ", ".join("%s %s" % item for item in head["versions"].items()), head["command"])
    yield "\n## Groups of sets\n\nGeometric means; in brackets, how many sets reach %g times the ratio of SZ3, %g times its speed in encoding" % (RATIO, ENCODE)
    yield "and %g times in decoding, which is what is asked for where ε ≤ σ. Sets without noise are beyond that.\n" % DECODE
    yield from summary(found)
    yield "\n## Set by set\n\nRatio; of ours also × SZ3, and speed in encoding / decoding × SZ3. ¹ An error is larger than ε.\n"
    ours = " | ".join("%s | × SZ3 | enc / dec" % name for name in OURS)
    yield "| set | σ | ε | %s | %s |\n|---|%s" % (" | ".join([*PEERS, OTHER_SZ3]), ours, "---:|" * (3 + len(PEERS) + 3 * len(OURS)))
    for data, rows in found:
        for _, bound, best in rows:
            yield "| %s |" % " | ".join(cells(data, bound, best))
    yield from white_noise(found)


def white_noise(found):
    """What no codec can do better on noise."""
    for data, rows in found:
        if data.name != "volume, white noise":
            continue
        _, bound, best = rows[-1]
        bits = math.log2(data.sigma * math.sqrt(2 * math.pi * math.e) / (2 * bound))
        most = 8 * data.chunks.itemsize / bits
        yield "\n## The limit\n\nWhite noise of σ = %g in steps of 2 ε = %g takes log₂(σ √(2πe) / 2ε) = %.2f bits, even if all else were known: the" % (
            data.sigma, 2 * bound, bits)
        yield "ratio of set `%s` cannot exceed %.2f, or %.2f × SZ3, at σ/10. `quantise:speed=small` reaches %.2f of that." % (
            data.name, most, most * best["SZ3"][0] / data.chunks.nbytes, data.chunks.nbytes / best["`speed=small`"][0] / most)


def main():
    options = page_options(__doc__, runs=5)
    import imagecodecs

    versions = dict(item.rsplit("-", 1) for item in imagecodecs.version().split(", ") if item.startswith(("sz3-", "zfp-", "sperr-", "imagecodecs-")))
    head = describe(**versions)
    sets = list(float_sets.simulated(small=options.quick))
    if not options.quick:
        sets += [*float_sets.real(REPO.parent / "shared/data"), float_sets.smooth_volume()]
    found = []
    for data in sets:
        found.append((data, measured(data, options.runs)))
        for label, bound, best in found[-1][1]:
            print(" | ".join(cells(data, bound, best)), flush=True)
    put_page(options, PAGE, page(found, head))


if __name__ == "__main__":
    main()
