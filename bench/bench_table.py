"""The page docs/BENCHMARK.md: codecs beside everybody else's on simulated 4D-STEM counts and on real detector data.

All figures come from one `etalon bench`, whose rows are kept in --rows, so that a run that was stopped goes on. Real data are
those in ../shared/data; without them the page has the simulated sets alone. Without --write the page is printed.
"""

import argparse
import os
import shlex
import subprocess
from pathlib import Path

from machine import describe

REPO = Path(__file__).resolve().parent.parent
ETALON = os.environ.get("ETALON_COMMAND", str(REPO / "target/release/etalon"))
DATA = REPO.parent / "shared/data"
PAGE = REPO / "docs/BENCHMARK.md"
# Counts and detector units, in which an error of 1 means the same everywhere.
REAL = [
    ("pilatus6m-i03-sparse", "/data"),
    ("jungfrau-mod5", "/raw"),
    ("jungfrau-mod5", "/converted"),
    ("lambda-m1-series", "/data"),
    ("powder-ceo2-pilatus1m", "/data"),
    ("dfxm-id03-domains", "/data"),
    ("dfxm-id03-rocking", "/data"),
    ("ptycho-siemens-star", "/data"),
    ("arpes-i05", "/data"),
    ("saxs-aps-nxsas", "/frames"),
    ("stem-abf-repeats", "/data"),
    ("cspad-thermolysin", "/data"),
]
HEAD = """# Benchmark

Written by `make bench-table`. Codecs store the chunks of each data set through h5py, in memory, without a chunk cache, on one
thread, and take turns in every run. Speeds are medians in 10⁹ bytes of raw data a second, CV is the standard deviation over
the mean of the runs. Time is that of the processor, which leaves out what other programs take. Values are read back and
compared first. "Of bound" is the ratio over that of the zeroth-order entropy; above 100 %% a codec makes use of what lies
beside a value. The lossy codecs are asked for an absolute error of %(bound)s.

Load of the machine before: %(load).1f on %(cores)d cores. `%(command)s`
"""


def targets():
    """What is there of the real data, as arguments."""
    for slug, dataset in REAL:
        path = DATA / slug / (slug + ".h5")
        if path.exists():
            yield "%s::%s" % (os.path.relpath(path, REPO), dataset)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--sample", type=int, default=2, help="MiB of a data set")
    parser.add_argument("--bound", default="1")
    parser.add_argument("--rows", default=str(REPO / "target/bench-rows.jsonl"))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    options = ["--simulate", "4dstem", "--clock", "cpu", "--markdown"]
    options += ["--runs", str(arguments.runs), "--sample", str(arguments.sample), "--bound", arguments.bound]
    words = ["bench", *targets(), *options]
    load = describe()["load_before"]
    Path(arguments.rows).parent.mkdir(parents=True, exist_ok=True)
    # A codec that breaks its promise makes the exit code 1, and the page is written all the same.
    done = subprocess.run([ETALON, *words, "--out", arguments.rows], cwd=REPO, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(done.returncode)
    command = shlex.join(["etalon", *words])
    head = HEAD % {"bound": arguments.bound, "load": load, "cores": os.cpu_count(), "command": command}
    if arguments.write:
        PAGE.write_text(head + "\n" + done.stdout)
    else:
        print(head + "\n" + done.stdout)


if __name__ == "__main__":
    main()
