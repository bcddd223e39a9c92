"""Peaks of serial crystallography after `sigma-clip`, written and read through h5py and the plugin: those that
peakfinder8 finds in the original are found again, with the same intensities, where the background is drawn from
Poisson's distribution; a background of equal means ruins the search."""

import json

import pytest

from programs import run_python

PROGRAM = """
import h5py
from etalon_spec import FRAME, options
from peakfinder8 import compare, find_peaks
FRAMES, SIDE, PEAKS, MASKED = 8, 1024, 80, 65535
random = np.random.RandomState(11)
y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
radius = np.hypot(x, y)
q = radius / SIDE
shape = 2.5 * np.exp(-(q / 0.12) ** 2) + 1.2 * np.exp(-((q - 0.31) / 0.045) ** 2) + 0.15
valid = (np.arange(SIDE) % 134 < 128)[:, None] & (np.arange(SIDE) % 265 < 256)[None, :]
def frame():
    rate = shape * 8 / shape.mean()
    for row, column in random.uniform(8, SIDE - 8, (PEAKS, 2)):
        r, c = int(row), int(column)
        dy, dx = np.mgrid[r - 5 : r + 6, c - 5 : c + 6]
        spot = np.exp(-((dy - row) ** 2 + (dx - column) ** 2) / (2 * 1.1 ** 2))
        rate[r - 5 : r + 6, c - 5 : c + 6] += random.exponential(700) * spot / spot.sum()
    counts = random.poisson(rate).astype("<u2")
    counts[~valid] = MASKED
    return counts
data = np.stack([frame() for _ in range(FRAMES)])
rings = np.rint(radius).astype(int)
peaks = [find_peaks(image, valid, rings) for image in data]
results = {}
for name, spec in json.loads(args[1]).items():
    path = args[0] + "/" + name + ".h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("x", data=data, chunks=(1, SIDE, SIDE), compression=FRAME, compression_opts=options(spec))
    with h5py.File(path, "r") as f:
        back, size = f["x"][:], f["x"].id.get_storage_size()
    found = [compare(ours, find_peaks(image, valid, rings)) for ours, image in zip(peaks, back)]
    recall, false, r = np.mean(found, axis=0)
    masks = bool((back[:, ~valid] == MASKED).all())
    results[name] = dict(recall=recall, false=false, r=r, ratio=data.nbytes / size, masks=masks)
results["found"] = float(np.mean([len(p) for p in peaks]))
answer(results)
"""
RINGS = "sigma-clip:variant=azimuthal,cx=512,cy=512"
SPECS = {"poisson": RINGS, "normal": RINGS + ",decode=normal", "mean": RINGS + ",decode=mean", "block": "sigma-clip"}


@pytest.fixture(scope="module")
def found(plugins, wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("peaks")
    results = run_python(wheel, PROGRAM, folder, json.dumps(SPECS), plugin_path=plugins)
    print("peaks per frame in the original: %.1f" % results["found"])
    for name in SPECS:
        print(name, {key: round(value, 4) for key, value in results[name].items()})
    return results


def test_poisson_background_keeps_the_peaks(found):
    assert found["found"] > 40
    rings = found["poisson"]
    assert rings["recall"] >= 0.98 and rings["false"] <= 1 and rings["r"] <= 0.01 and rings["masks"]
    assert rings["ratio"] > 100
    assert found["normal"]["recall"] >= 0.97
    assert found["block"]["recall"] >= 0.9 and found["block"]["r"] <= 0.05


def test_background_of_equal_means_ruins_the_search(found):
    assert found["mean"]["recall"] < 0.9 or found["mean"]["false"] > 5
