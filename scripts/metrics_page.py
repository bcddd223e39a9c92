"""Writes docs/METRICS.md from the command's own table of metrics: `scripts/metrics_page.py [ETALON]`."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/METRICS.md"
HEAD = """# Metrics

What `etalon measure --metrics NAME,…` and `--profile P` compute. Written by `scripts/metrics_page.py` from the table in
`crates/metrics`; each metric's file there opens with its definition, its source, and how it differs from the defaults of the
reference.

A is the original, B what was decoded, e = B − A in f64. Masked elements (`--set mask=[…]`, and NaN in A) are left out of
every metric, and `mask` counts those that changed. Numbers of a stack of frames are over all frames, those of image metrics
means over frames with a curve by frame. Pixel coordinates count from the corner of the first pixel, whose middle is 0.5, 0.5.

`merging` and `cc_half` measure the column of intensities of a table of reflections; `--set merging.hkl=miller_index` names the
dataset of the indices beside it, `merging.scale` and `merging.variance` those of scales and variances, `merging.laue` the
symmetry by which indices are reduced (`mmm`, `6/mmm`, …; none where they are reduced already).

| compared with, in `make test-references` | metrics |
|---|---|
| numpy, scikit-image, scipy, statsmodels | errors, PSNR, Pearson, KS, earth mover, autocorrelation, entropies |
| scikit-image, sewar, numpy | SSIM, MS-SSIM, power spectra |
| frc 0.1.1, closed forms | FRC, FSC, resolutions, knife edge, MTF |
| pyFAI, numpy | I(q), z(q), radial model |
| gemmi, cctbx, a numpy port of peakfinder8 | merging statistics, peaks, intensities |
| scikit-beam, scipy | g₂, relaxation, two-time maps |
| scikit-image, numpy | Otsu, segmentation, filtered back-projection and the FRC of slices |

"""


def order(metric):
    """Ids are a letter, a number, and sometimes a letter: L2 stands before L2r and L10."""
    letter, number, rest = re.fullmatch(r"(\w)(\d+)(\w*)", metric["id"]).groups()
    return letter, int(number), rest


def page(etalon):
    listed = json.loads(subprocess.run([etalon, "metrics", "--json"], check=True, capture_output=True, text=True).stdout)
    lines = ["| id | name | what | numbers | needs |", "|---|---|---|---|---|"]
    for metric in sorted(listed, key=order):
        names = [value["name"] for value in metric["values"]]
        shown = ", ".join("`%s`" % name for name in names[:8]) + (" … %d in all" % len(names) if len(names) > 8 else "")
        needs = ", ".join("`%s`" % need.replace(" or ", "` or `") for need in metric["needs"])
        about = metric["about"].replace("|", "\\|")
        lines.append("| %s | `%s` | %s | %s | %s |" % (metric["id"], metric["name"], about, shown, needs))
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/release/etalon")))
