"""Pictures of a report for the documents: docs/pictures/report-*.png, each below 150 kB.

    .venv/bin/python scripts/report_pictures.py [ETALON]

Simulates detector frames (`etalon demo`), measures codecs on them, makes the report and takes pictures of it in Chromium,
light and dark. ETALON is target/release/etalon where not given.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs/pictures"
MOST_BYTES = 150_000
CODECS = ["bitshuffle", "bitshuffle:compressor=zstd", "shuffle+gzip", "quantise:abs=2", "quantise:abs=8", "noise:sigma=1"]
# Name of a picture, the dataset, Chromium's colour scheme (0 is dark), width and height of the window.
VIEWS = [("report-light", "/tomography", 1, 1200, 960), ("report-dark", "/speckle", 0, 1200, 960)]


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, **options).stdout


def main():
    etalon = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target/release/etalon"
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        run(etalon, "demo", "--frames", "2", "--out", folder / "demo", "--quiet")
        for name, dataset, scheme, width, height in VIEWS:
            codecs = [word for codec in CODECS for word in ("--codec", codec)]
            source = "%s::%s" % (folder / "demo/source.h5", dataset)
            measured = run(etalon, "measure", source, *codecs, "--metrics", "abs,preview", "--per-chunk", "--json", "--quiet")
            (folder / "result.json").write_bytes(measured)
            run(etalon, "report", folder / "result.json", "-o", folder / "report.html", "--quiet")
            take(folder, PICTURES / (name + ".png"), scheme, width, height)


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
