"""The table of docs/CODECS_MEASURED.md: every codec that applies, on real and simulated detector data.

Ratio, speed of one thread beside bitshuffle with zstd-3 in the same run, codecs taking turns, and the achieved error. All
figures come from `etalon measure`; a codec that refuses a dataset says why there. `--write` writes the page. The simulators
need scipy: run it with .venv-metrics/bin/python.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe

REPO = Path(__file__).resolve().parent.parent
ETALON = os.environ.get("ETALON_COMMAND", str(REPO / "target/release/etalon"))
SHARED = REPO.parent / "shared"
PAGE = REPO / "docs/CODECS_MEASURED.md"
BASE = "bitshuffle:compressor=zstd"
COUNTS = ["dictionary", "noise:sigma=0.5", "noise:sigma=1", "sigma-clip", "sigma-clip:variant=lattice", "quantise:abs=2"]
REAL = [
    ("jungfrau-mod5", "/converted", ["quantise:abs=0.2", "quantise:levels=256", "quantise:bits=8", "noise:sigma=0.5,read=1"]),
    ("tomo-aps-tooth-fbp", "/volume", ["quantise:levels=256", "quantise:rel=0.001", "quantise:psnr=60", "quantise:bits=8"]),
    ("xfel-exafel1", "/data", ["quantise:abs=3", "quantise:abs=30", "quantise:levels=256", "quantise:pw=0.01"]),
    ("arpes-i05", "/data", ["dictionary", "noise:sigma=0.5", "noise:sigma=1", "sigma-clip", "quantise:abs=1"]),
    ("ptycho-siemens-star", "/data", ["dictionary", "noise:sigma=0.5", "noise:sigma=1", "sigma-clip", "quantise:abs=1"]),
    ("mask-labels-dsb", "/labels", ["dictionary", "dictionary:backend=bits", "quantise:abs=1"]),
    ("mask-pilatus2m-i22", "/mask", ["dictionary", "dictionary:backend=bits", "quantise:abs=1"]),
    ("pilatus6m-thaumatin-grid", "/data", [word + ",mask=-1;-2" if ":" in word else word + ":mask=-1;-2" for word in COUNTS]),
]
# Chunks of whole frames, as detectors write them: name, simulator, dataset, chunk shape, codecs.
SIMULATED = [
    ("XPCS", "sim_xpcs.py", "/frames", (100, 128, 128), COUNTS),
    ("SSX", "sim_ssx.py", "/frames", (1, 1024, 1024), [w + (",mask=4294967295" if ":" in w else ":mask=4294967295") for w in COUNTS]),
    ("tomography", "sim_tomo.py", "/projections", (24, 32, 192), ["noise:sigma=0.5", "noise:sigma=1", "quantise:abs=10", "sigma-clip"]),
    ("tomography, reconstructed", "sim_tomo.py", "/volume", (4, 192, 192), ["quantise:levels=256", "quantise:rel=0.001", "quantise:psnr=60"]),
]


def measured(target, specs, runs):
    """The rows of `etalon measure`, that of bitshuffle with zstd-3 first."""
    codecs = [word for spec in [BASE, *specs] for word in ("-c", spec)]
    command = [ETALON, "measure", target, *codecs, "--runs", str(runs), "--json", "--metrics", "abs"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit("%s: %s" % (target, done.stderr))
    return json.loads(done.stdout)["datasets"]


def cells(row, base):
    """One line of the table."""
    if row.get("refused"):
        return [row["codec"], "refused: " + row["refused"].split("; ")[0], "", "", "", ""]
    return [
        "`%s`" % row["codec"],
        "%.2f" % row["ratio"],
        "%.2f" % (row["ratio"] / base["ratio"]),
        "%.2f / %.2f" % (row["encode_gbps"] / base["encode_gbps"], row["decode_gbps"] / base["decode_gbps"]),
        "%.4g" % row["max_abs_error"],
        "%.2g" % row["metrics"]["mean_error"],
    ]


def table(name, dtype, shape, rows):
    """The section of one dataset."""
    base = rows[0]
    head = "### %s\n\n`%s`, %s; bitshuffle + zstd-3: %.2f / %.2f GB/s\n" % (
        name, dtype, " × ".join(map(str, shape)), base["encode_gbps"], base["decode_gbps"])
    lines = [head, "| codec | ratio | × z3 | enc / dec × z3 | max abs error | mean error |", "|---|---|---|---|---|---|"]
    lines += ["| %s |" % " | ".join(cells(row, base)) for row in rows]
    return "\n".join(lines) + "\n"


def simulated(script, dataset, chunk, folder):
    """A file with what a simulator makes, in chunks of `chunk`."""
    import h5py

    raw = folder / (script + ".h5")
    if not raw.exists():
        subprocess.run([sys.executable, SHARED / "simulators" / script, "--out", raw.with_suffix("")], check=True, stdout=subprocess.DEVNULL)
    path = folder / (script + dataset.replace("/", "-") + ".h5")
    with h5py.File(raw) as source, h5py.File(path, "w") as file:
        data = source[dataset][:]
        file.create_dataset("data", data=data, chunks=tuple(min(*pair) for pair in zip(chunk, data.shape)))
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    head = describe()
    sections = []
    with tempfile.TemporaryDirectory() as folder:
        sets = [(slug, SHARED / "data" / slug / (slug + ".h5"), dataset, specs) for slug, dataset, specs in REAL]
        for name, script, dataset, chunk, specs in SIMULATED:
            sets.append(("simulated " + name, simulated(script, dataset, chunk, Path(folder)), "/data", specs))
        for name, path, dataset, specs in sets:
            rows = measured("%s::%s" % (path, dataset), specs, arguments.runs)
            sections.append(table(name + (" " + dataset if "simulated" not in name else ""), rows[0]["dtype"], rows[0]["shape"], rows))
            print(sections[-1], flush=True)
    if arguments.write:
        page = "# Codecs, measured\n\n%s\n\n%s, load %.1f before. `%s`\n\n" % (
            "One thread, in memory, codecs taking turns in every run; z3 is bitshuffle with zstd level 3, with a re-used "
            "context. Errors are in the units of the data.", head["machine"], head["load_before"], head["command"])
        PAGE.write_text(page + "\n".join(sections))


if __name__ == "__main__":
    main()
