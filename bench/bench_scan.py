"""The page docs/WORKING_POINTS.md: the smallest storage that keeps each profile's limits, on real and simulated data.

Every row is one `etalon scan`: searched on a sample, verified on other chunks. Real data lie beside the repository in
../shared/data, simulators in ../shared/simulators (scipy: run it with .venv-metrics/bin/python); what is missing is left out.
`--write` writes the page.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import final_volume
from machine import describe

REPO = Path(__file__).resolve().parent.parent
ETALON = os.environ.get("ETALON_COMMAND", str(REPO / "target/release/etalon"))
SHARED = REPO.parent / "shared"
PAGE = REPO / "docs/WORKING_POINTS.md"

TOMOGRAPHY = "profile = 'tomography'\n[settings.tomography]\nangle_range_deg = [0.0, 180.0]\nflat = [%s]"
SAXS = "profile = 'saxs'\n[settings]\nmask = [-1, -2]\ngeometry.center = %s"
MX = "profile = 'ssx'\n[settings]\nmask = %s\ngeometry.center = %s"
MERGING = """profile = 'merging'
[settings.merging]
hkl = 'miller_index'
laue = 'mmm'
scale = 'inverse_scale_factor'
spacing = 'd'"""
RINGS = "[{ ring = { center = [0.5, 0.5], radii = [20, 56] } }, { ring = { center = [0.5, 0.5], radii = [56, 92] } }]"
XPCS = "profile = 'xpcs'\n[settings]\nnoise = { gain = 1.0 }\nregions = " + RINGS
COUNTED = "\n[settings.noise]\ngain = 1.0"

# Name, dataset, requirement, what it stands for.
REAL = [
    ("tomo-aps-tooth", "/exchange/data", TOMOGRAPHY % "40000.0", "projections"),
    ("tomo-aps-tooth-fbp", "/volume", "profile = 'segmentation'", "reconstructed slices"),
    ("saxs-aps-nxsas", "/frames", SAXS % "[243.3, 97.7]", "SAXS"),
    ("powder-ceo2-pilatus1m", "/data", SAXS % "[490.3, 521.7]", "powder, one frame"),
    ("pilatus6m-thaumatin-grid", "/data", MX % ("[-1, -2]", "[1231.3, 1263.7]"), "grid scan of a crystal"),
    ("ptycho-siemens-star", "/data", "profile = '4dstem'", "ptychography"),
    ("mx-lcysteine-unmerged", "/scaled_20_25/intensity.scale.value", MERGING, "unmerged intensities"),
]
SIMULATED = [
    ("tomo", "/projections", TOMOGRAPHY % "10000.0" + COUNTED, "projections"),
    ("tomo", "/volume", "profile = 'segmentation'", "their reconstruction"),
    ("ssx", "/frames", MX % ("[4294967295]", "[512.0, 512.0]"), "serial crystallography"),
    ("xpcs", "/frames", XPCS, "speckle, .05 photons a pixel"),
    ("4dstem", "/data", "profile = '4dstem'", "4D-STEM, 91 % zeros"),
    ("saxs", "/frames", SAXS % "[243.3, 309.7]", "SAXS"),
]

HEAD = """# Working points

The smallest storage that keeps the limits of a profile (`etalon profiles`), found on a sample and verified on chunks that no
setting was looked for on. Written by `{command}`; {machine}. Ratios are raw over stored bytes. A limit of class A is kept in
every element by the way the codec works, one of class B is checked in every chunk when it is encoded, one of class C was measured.
Seconds are those of a machine that had other work to do.

| data | what | lossless | chosen | ratio | limits: searched / kept back (class) | seconds |
|---|---|---|---|---|---|---|
"""

LITERATURE = """
## Beside the literature

| source | ratio | what is comparable |
|---|---|---|
| Marone 2020: JPEG 2000 on projections | 3–4, phase-retrieved 6–8 | Our limit is theirs in other words: error over noise of a slice below .15. They count from 16-bit integers; from floats that hold 16 bits it is twice as much. |
| ROFEX 2023: float → uint8 and zip | 17.5 | Segmentation of a reconstructed volume; their volume has less noise in its background than ours. |
| ROIBIN-SZ 2022: lysozyme, Se-streptavidin | 196, 46 | Peaks kept, background binned: recall and R_I of peaks are what we limit, they solve the structure, which we do not. |
| Kieffer: sigma-clip of an ESRF set | 76 | The same codec idea as `sigma-clip`; the ratio depends on how empty the frames are. |
| fpack, q = 4 / 2 / 1 | 6 / 8 / 10 | Noise of steps of σ/4, σ/2, σ on 32-bit floats; `noise` at the same steps adds the same noise by construction. |

What is not comparable: none of these sets is public in the form that was measured, and a ratio says as much about the data as
about the codec. The lossless column is what puts a ratio in proportion.
"""


def scanned(source, text, folder):
    """What `etalon scan` finds, and how long it takes."""
    requirement = folder / "requirement.toml"
    requirement.write_text(text)
    start = time.monotonic()
    done = subprocess.run([ETALON, "scan", source, "--require", requirement, "--json", "-q"], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit("%s\n%s" % (source, done.stderr))
    return json.loads(done.stdout), time.monotonic() - start


def number(value):
    """Three digits."""
    return "–" if value is None else "%.3g" % value


def row(name, what, answer, seconds):
    """A line of the table."""
    lossless = next(point for point in answer["points"] if point["spec"] == "auto")
    chosen, verified = answer["chosen"], answer["verified"]
    classes = dict(chosen["classes"])
    cells = []
    for limit, label in classes.items():
        value = limit.replace(">=", "<=").split("<=")[0]
        seen = number(verified["metrics"].get(value)) if verified["chunks"] else "all seen"
        cells.append("%s: %s / %s (%s)" % (limit, number(chosen["metrics"].get(value)), seen, label))
    spec = "`%s`" % chosen["spec"] + (": " + chosen["reason"] if chosen.get("reason") else "")
    ratios = "%.2f | %s | %.2f" % (lossless["ratio"], spec, chosen["ratio"])
    return "| %s | %s | %s | %s | %.1f |" % (name, what, ratios, "<br>".join(cells), seconds)


def sources(folder):
    """File, dataset, requirement, name and description of everything that is there."""
    for name, dataset, text, what in REAL:
        path = SHARED / "data" / name / (name + ".h5")
        if path.exists():
            yield "%s::%s" % (path, dataset), text, name, what
    made = {}
    for name, dataset, text, what in SIMULATED:
        script = SHARED / "simulators" / ("sim_%s.py" % name)
        if script.exists() and name not in made:
            subprocess.run([sys.executable, script, "--out", folder / name], check=True, capture_output=True)
            made[name] = next(folder.glob(name + "*.h5"))
        if name in made:
            yield "%s::%s" % (made[name], dataset), text, "simulated " + name, what


def main():
    """Prints the table, or writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write %s" % PAGE.relative_to(REPO))
    write = parser.parse_args().write
    head = describe()
    lines = [HEAD.format(command="make bench-scan", machine=head["machine"])]
    with tempfile.TemporaryDirectory() as folder:
        for source, text, name, what in sources(Path(folder)):
            lines.append(row(name, what, *scanned(source, text, Path(folder))) + "\n")
            print(lines[-1], end="", flush=True)
        lines.append(final_volume.section(SHARED, Path(folder)))
    if write:
        PAGE.write_text("".join(lines) + LITERATURE)


if __name__ == "__main__":
    main()
