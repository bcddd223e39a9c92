"""Pictures of a report for the documents: docs/pictures/report-*.png, each below 300 kB.

    .venv/bin/python scripts/report_pictures.py [ETALON]

Simulates a tomographic scan, a reconstructed volume and diffraction frames, measures codecs on them by the metrics that suit,
and takes pictures of the reports in Chromium. ETALON is target/release/etalon where not given.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs/pictures"
MOST_BYTES = 300_000
LIGHT, DARK = 1, 0
# Name of a picture, its dataset, codecs, metrics with their settings, colour scheme, height of the window.
VIEWS = [
    ("report-projections", "projections", ["bitshuffle:compressor=zstd", "noise:sigma=0.5", "noise:sigma=1", "quantise:abs=30"],
     ["-m", "abs,sigma,psnr,tomography,preview", "--set", "tomography.angle_range_deg=[0,180]", "--set", "tomography.flats=[0,8]",
      "--set", "tomography.darks=[8,16]", "--set", "tomography.projections=[16,256]", "--set", "tomography.rows=[3]",
      "-l", "reconstruction_error_over_noise<=0.3"], LIGHT, 1500),
    ("report-volume", "volume", ["bitshuffle:compressor=zstd", "quantise:levels=256", "quantise:levels=32"],
     ["-m", "abs,psnr,ssim,frc,otsu,segmentation,preview", "-l", "dice>=0.995"], LIGHT, 1900),
    ("report-ssx", "ssx", ["bitshuffle:compressor=zstd", "sigma-clip:variant=azimuthal,cx=256,cy=256,bins=400", "noise:sigma=1"],
     ["-m", "abs,peaks,peak_matching,peak_intensities,iq,iq_difference,preview", "--set", "geometry.center=[256,256]",
      "--set", "peaks.snr=5", "-l", "peak_recall>=0.98"], DARK, 1500),
]


def run(*command, codes=(0,), **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, **options)
    if done.returncode not in codes:
        sys.exit("%s\n%s" % (" ".join(map(str, command)), done.stderr.decode()))
    return done.stdout


def simulate(path):
    """A tomographic scan with flats and darks, a reconstructed volume, and still diffraction frames with Bragg peaks."""
    random = np.random.RandomState(7)
    y, x = np.mgrid[-1:1:192j, -1:1:192j]
    rods = [(0, 0, 0.8, 0.6), (0.3, 0.2, 0.2, 0.5), (-0.35, 0.1, 0.15, -0.3), (0.05, -0.4, 0.12, 0.8)]
    phantom = sum(value * (np.hypot(x - cx, y - cy) < radius) for cx, cy, radius, value in rods)
    volume = phantom + random.normal(0, 0.08, (16, 192, 192))
    angles, at = np.radians(np.arange(240) * 0.75), np.linspace(-1, 1, 192)
    chords = [[2 * value * np.sqrt(np.maximum(radius**2 - (at - cx * np.cos(a) - cy * np.sin(a)) ** 2, 0))
               for cx, cy, radius, value in rods] for a in angles]
    depth = np.sum(chords, axis=1)[:, None, :]
    counts = np.concatenate([np.full((8, 8, 192), 8000.0), np.zeros((8, 8, 192)), 8000 * np.exp(-np.repeat(depth, 8, 1))])
    row, column = np.indices((512, 512)) + 0.5
    mean = 2 + 12 * np.exp(-np.hypot(row - 256, column - 256) / 90)
    frames = np.repeat(mean[None], 4, 0)
    for frame in frames:
        for cy, cx, photons in zip(random.uniform(20, 490, 60), random.uniform(20, 490, 60), random.exponential(900, 60) + 150):
            frame += photons / (2 * np.pi * 1.2**2) * np.exp(-((row - cy) ** 2 + (column - cx) ** 2) / (2 * 1.2**2))
    with h5py.File(path, "w") as file:
        file.create_dataset("projections", data=(random.poisson(counts) + 100).astype("<u2"), chunks=(16, 8, 192))
        file.create_dataset("volume", data=volume.astype("<f4"), chunks=(4, 192, 192))
        file.create_dataset("ssx", data=random.poisson(frames).astype("<u2"), chunks=(1, 512, 512))


def main():
    etalon = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target/release/etalon"
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        simulate(folder / "frames.h5")
        for name, dataset, specs, metrics, scheme, height in VIEWS:
            codecs = [word for spec in specs for word in ("--codec", spec)]
            source = "%s::/%s" % (folder / "frames.h5", dataset)
            # Exit code 1: a limit is not kept, which the report shows.
            measured = run(etalon, "measure", source, *codecs, *metrics, "--json", "--quiet", codes=(0, 1))
            (folder / "result.json").write_bytes(measured)
            run(etalon, "report", folder / "result.json", "-o", folder / "report.html", "--quiet")
            take(folder, PICTURES / (name + ".png"), scheme, 1200, height)


def take(folder, picture, scheme, width, height):
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=10000"]
    options += ["--user-data-dir=%s" % (folder / "profile"), "--window-size=%d,%d" % (width, height)]
    options += ["--blink-settings=preferredColorScheme=%d" % scheme, "--screenshot=%s" % picture]
    run("chromium", *options, "file://%s" % (folder / "report.html"))
    size = picture.stat().st_size
    print("%s: %d kB" % (picture.relative_to(ROOT), size // 1000))
    if size > MOST_BYTES:
        sys.exit("%s is larger than %d kB: make the window smaller" % (picture, MOST_BYTES // 1000))


if __name__ == "__main__":
    main()
