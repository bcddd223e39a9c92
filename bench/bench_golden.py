"""The page docs/GOLDEN.md: the golden numbers of the specification (METRICS.md, section 5) measured again by this command.

Scenes are simulated anew with the parameters that the specification states (golden_scenes.py), because those of its numbers
are not all stored. A row is within if ours differs from theirs by no more than the uncertainty stated for the row.
`--write` writes the page; `--quick` leaves out what takes longer than a minute.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import golden_scenes as scenes
import h5py
import numpy as np
from machine import describe

REPO = Path(__file__).resolve().parent.parent
ETALON = os.environ.get("ETALON_COMMAND", str(REPO / "target/release/etalon"))
PAGE = REPO / "docs/GOLDEN.md"


@dataclass
class Row:
    """A number of the specification, what it may differ by, and ours."""

    part: str
    what: str
    theirs: float
    within: float
    ours: float
    why: str = ""

    @property
    def holds(self):
        return abs(self.ours - self.theirs) <= self.within * (1 + 1e-9)


def run(*arguments):
    """What the command prints as JSON."""
    done = subprocess.run([ETALON, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit("%s\n%s" % (" ".join(map(str, arguments)), done.stderr))
    return done.stdout


def stored(path, **arrays):
    """A file with a chunk for each frame."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, chunks=(1, *array.shape[1:]))
    return path


def measured(path, specs, metrics, *settings):
    """By SPEC: the numbers of the metrics, and `ratio`."""
    codecs = [word for spec in specs for word in ("-c", spec)]
    settings = [word for setting in settings for word in ("--set", setting)]
    rows = json.loads(run("measure", path, *codecs, "-m", metrics, *settings, "--json", "-q"))["datasets"]
    return {row["codec"]: row["metrics"] | {"ratio": row["ratio"]} for row in rows}


def entropies(path):
    """Bits per value of every dataset of a file."""
    rows = json.loads(run("measure", path, "-m", "entropy", "--json", "-q"))["datasets"]
    return {row["dataset"].strip("/"): row["metrics"]["entropy_bits"] for row in rows}


POISSON = {0.1: 0.482, 1: 1.882, 5: 3.180, 20: 4.202, 100: 5.368, 1000: 7.030, 10000: 8.687}
LEVELS = {20: (4.20, 4.20, 2.57, 1.38), 100: (5.37, 3.44, 2.26, 1.33), 1000: (4.23, 3.14, 2.15, 1.29), 10000: (4.12, 3.09, 2.12, 1.25)}
STEPS = (0.25, 0.5, 1, 2)


def noise_floor(folder):
    """Entropies of photons before and after the table of levels, its bias, and the noise it adds."""
    path = stored(folder / "counts.h5", **{"mean_%g" % mean: scenes.counts(mean) for mean in POISSON})
    plain = entropies(path)
    for mean, bits in POISSON.items():
        yield Row("Entropy of photons, bit", "λ = %g" % mean, bits, 0.004, plain["mean_%g" % mean])
    for at, step in enumerate(STEPS):
        coarse = folder / "coarse.h5"
        run("recompress", path, coarse, "--codec", "noise:sigma=%g" % step, "--force")
        bits = entropies(coarse)
        for mean, expected in LEVELS.items():
            yield Row("Entropy of levels, bit", "λ = %g, step %g σ" % (mean, step), expected[at], 0.006, bits["mean_%g" % mean])
    worst = []
    for mean in POISSON:
        numbers = measured("%s::/mean_%g" % (path, mean), ["noise:sigma=0.5"], "abs")["noise:sigma=0.5"]
        worst.append(abs(numbers["mean_error"]) / np.sqrt(mean))
    yield Row("Bias of levels, σ", "largest of all λ, step 0.5 σ: at most", 0.0, 0.0053, max(worst))
    target = "%s::/mean_10000" % path
    for step, added in zip(STEPS, (0.26, 1.04, 4.08, 15.5)):
        spec = "noise:sigma=%g" % step
        error = measured(target, [spec], "sigma")[spec]["rms_sigma_error"]
        yield Row("Noise added, %", "step %g σ" % step, added, 0.02 * added, 100 * (np.sqrt(1 + error**2) - 1))


TOMOGRAPHY = {
    (30000, 0.5): dict(ratio=4.02, ssim=0.9989, error=0.141, dice=0.9998),
    (30000, 1): dict(ratio=5.29, ssim=0.9957, error=0.286, dice=0.9995),
    (2000, 0.5): dict(ratio=4.38, ssim=0.9948, error=0.132, dice=0.9987),
}


def tomography(folder):
    """Slices from projections after the table of levels."""
    for (beam, step), theirs in TOMOGRAPHY.items():
        path = stored(folder / "scan.h5", data=scenes.projections(beam))
        spec = "noise:sigma=%g" % step
        settings = ["tomography.angle_range_deg=[0.0,180.0]", "tomography.flat=[%g]" % beam, "tomography.rows=[0,1,2,3]"]
        numbers = measured("%s::/data" % path, [spec], "tomography,tomography_masks", *settings)[spec]
        what = "N₀ = %d, step %g σ: " % (beam, step)
        yield Row("Tomography", what + "ratio", theirs["ratio"], 0.1 * theirs["ratio"], numbers["ratio"])
        yield Row("Tomography", what + "SSIM of slices", theirs["ssim"], 0.001, numbers["reconstruction_ssim"])
        yield Row("Tomography", what + "error / noise", theirs["error"], 0.012 * step / 0.5, numbers["reconstruction_error_over_noise"])
        yield Row("Tomography", what + "Dice of slices", theirs["dice"], 0.0005, numbers["reconstruction_dice"])


CLIPS = {
    ("global", "mean"): (169, 0.75, 43, 13.9),
    ("global", "poisson"): (169, 0.94, 37, 9.4),
    ("global", "normal"): (169, 0.80, 0, 10.2),
    ("block", "mean"): (184, 0.33, 21, 5.7),
    ("block", "poisson"): (184, 0.962, 0, 1.34),
    ("block", "normal"): (184, 0.954, 0.1, 1.7),
    ("azimuthal", "mean"): (142, 0.81, 19, 8.0),
    ("azimuthal", "poisson"): (142, 0.998, 0.1, 0.54),
    ("azimuthal", "normal"): (142, 0.992, 0.1, 0.50),
}
CENTRE = "cx=512,cy=512"
EXACT = {
    "bitshuffle:compressor=zstd": (3.8, 1, 0, 0),
    "noise:sigma=0.5": (3.9, 0.998, None, 0.37),
    "noise:sigma=1": (4.6, 0.982, None, 1.2),
    "noise:sigma=2": (7.2, 0.946, None, 2.4),
    "sigma-clip:variant=lattice,%s,sigma=0.5" % CENTRE: (3.9, 1.0, None, 0),
    "sigma-clip:variant=lattice,%s" % CENTRE: (4.5, 0.978, None, 0.44),
    "sigma-clip:variant=lattice,%s,sigma=2" % CENTRE: (7.0, 0.956, None, 1.44),
    "sigma-clip:variant=azimuthal,dilate=1,%s" % CENTRE: (55, None, None, 0.37),
    "sigma-clip:variant=azimuthal,dilate=3,%s" % CENTRE: (18.9, None, None, 0.27),
}


def crystallography(folder):
    """Peaks after clipping, by background and by what is drawn from it, and after the table of levels."""
    path = stored(folder / "frames.h5", data=scenes.crystal_frames())
    specs = dict(EXACT)
    for (variant, decode), theirs in CLIPS.items():
        centre = "," + CENTRE if variant == "azimuthal" else ""
        specs["sigma-clip:variant=%s%s,decode=%s" % (variant, centre, decode)] = theirs
    settings = ["geometry.center=[512.0,512.0]", "peaks.max_pixels=60", "peaks.background_radius=6"]
    for spec, (ratio, recall, false, r) in specs.items():
        (numbers,) = measured("%s::/data" % path, [spec], "peak_matching,peak_intensities", *settings).values()
        what = spec.replace("," + CENTRE, "") + ": "
        # About 500 peaks: the standard deviation of a share of them, twice, and of theirs as well.
        share = lambda p: 0.005 + 2 * np.sqrt(2 * p * (1 - p) / 500)
        yield Row("Crystallography", what + "ratio", ratio, 0.15 * ratio, numbers["ratio"])
        if recall is not None:
            yield Row("Crystallography", what + "recall", recall, share(recall), numbers["peak_recall"])
        if false is not None:
            yield Row("Crystallography", what + "false peaks a frame", false, 0.5 + 0.3 * false, numbers["false_peaks_per_frame"])
        yield Row("Crystallography", what + "R_I, %", r, 0.1 + 0.3 * r, 100 * numbers["peak_r_intensity"])


def speckle(folder):
    """Contrast and rate of fits to g2, before and after a loss."""
    fits = {0.5: (0.3319, 0.01988, -0.0), 5: (0.3330, 0.02019, -85), 100: (None, None, -69)}
    for mean, (contrast, rate, clipped) in fits.items():
        path = stored(folder / "speckle.h5", data=scenes.speckle(mean))
        clip = "sigma-clip:variant=global,decode=mean,force=true"
        specs = ["noise:sigma=0.5", "noise:sigma=1", "noise:sigma=2", clip]
        found = measured("%s::/data" % path, specs, "relaxation")
        what = "⟨k⟩ = %g: " % mean
        if contrast:
            yield Row("XPCS", what + "contrast β", contrast, 0.0012, found[specs[0]]["contrast"])
            yield Row("XPCS", what + "rate Γ", rate, 0.0004, found[specs[0]]["relaxation_rate"])
        for spec, most in zip(specs, (0.023, 0.13, 6)):
            change = found[spec]["contrast_change_percent"]
            yield Row("XPCS", what + "%s: change of β, %%: at most" % spec, 0, most, change)
        if clipped:
            change = found[clip]["contrast_change_percent"]
            yield Row("XPCS", what + "sigma-clip to the mean: change of β, %", clipped, 3, change)


def edge(folder):
    """Width of a knife edge after the table of levels."""
    path = stored(folder / "edge.h5", data=scenes.knife_edge())
    specs = ["noise:sigma=%g" % step for step in (0.5, 1, 2, 4)]
    found = measured("%s::/data" % path, specs, "knife_edge")
    for spec, (shift, within) in zip(specs, ((0, 0.12), (0, 0.12), (0, 0.12), (2.7, 0.5))):
        words = "shift of σ, %" + (": at most" if shift == 0 else "")
        yield Row("Knife edge", "%s: %s" % (spec, words), shift, within, found[spec]["edge_sigma_shift"])


def volume(folder):
    """A reconstructed volume of floats as bytes."""
    scan = scenes.projections(30000)
    path = folder / "volume.h5"
    stored(path, data=reconstruct(-np.log(np.maximum(scan, 1) / 30000)))
    spec = "quantise:levels=256"
    numbers = measured("%s::/data" % path, [spec], "segmentation")[spec]
    yield Row("Volume of floats to 256 levels", "Dice", 0.9995, 0.0005, numbers["dice"])
    yield Row("Volume of floats to 256 levels", "change of volume, %", 0.10, 0.1, numbers["volume_change_percent"])


def reconstruct(lines):
    """Filtered back-projection of (angles, rows, columns) line integrals over 180 degrees, as f32 slices."""
    angles, rows, columns = lines.shape
    padded = 2 ** int(np.ceil(np.log2(2 * columns)))
    ramp = np.abs(np.fft.fftfreq(padded))
    filtered = np.fft.ifft(np.fft.fft(lines, padded, axis=2) * ramp, axis=2).real[:, :, :columns]
    y, x = np.indices((columns, columns)) - columns // 2
    slices = np.zeros((rows, columns, columns))
    for at, angle in enumerate(np.linspace(0, np.pi, angles, endpoint=False)):
        t = x * np.cos(angle) - y * np.sin(angle) + columns // 2
        for row in range(rows):
            slices[row] += np.interp(t, np.arange(columns), filtered[at, row], left=0, right=0)
    return (slices * np.pi / angles).astype("<f4")


QUICK = [noise_floor, tomography, edge, volume]
PARTS = [*QUICK, crystallography, speckle]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write %s" % PAGE.relative_to(REPO))
    parser.add_argument("--quick", action="store_true", help="leave out crystallography and speckle")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for part in QUICK if arguments.quick else PARTS:
            for row in part(Path(folder)):
                rows.append(row)
                print("%-5s %-30s %-60s %10.5g ± %-8.3g %10.5g" % ("" if row.holds else "OUT", row.part, row.what, row.theirs, row.within, row.ours), flush=True)


if __name__ == "__main__":
    main()
