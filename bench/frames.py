"""The frames that benchmarks compress: of the sizes that detectors write, simulated and real."""

import sys
from pathlib import Path

import h5py
import numpy as np

SHARED = Path(__file__).resolve().parent.parent.parent / "shared/data"
REAL = {  # file: dataset, or None for its largest
    "pilatus6m-thaumatin-grid": None,
    "lambda-m1-series": None,
    "jungfrau-mod5": "/raw",
    "powder-ceo2-pilatus1m": None,
    "tomo-aps-tooth": None,
}
# Smaller frames are stacked to one: what h5py does per chunk is not measured here.
LEAST_FRAME_BYTES = 256 << 10


def simulated():
    """Name and frames of each simulated set."""
    rng = np.random.default_rng(1)
    yield "u2 Poisson .05", rng.poisson(0.05, (8, 2162, 2068)).astype("u2")
    yield "u2 Poisson 20", rng.poisson(20, (8, 2162, 2068)).astype("u2")
    yield "u4 Poisson 1", rng.poisson(1, (6, 2162, 2068)).astype("u4")
    y, x = np.mgrid[0:1100, 0:1064]
    slices = [np.hypot(y - 500, x - 500) < 60 * (i + 2) for i in range(8)]
    yield "f4 tomography", np.stack([s + rng.normal(0, 0.03, s.shape) for s in slices]).astype("f4")


def real():
    """Name and frames of each file of real data that is there."""
    for name, dataset in REAL.items():
        path = SHARED / name / (name + ".h5")
        if not path.exists():
            print("not there, so left out:", name, file=sys.stderr)
            continue
        with h5py.File(path) as file:
            data = file[dataset or largest(file)][()]
        frames = data.reshape((-1,) + data.shape[-2:])
        if frames[0].nbytes < LEAST_FRAME_BYTES:
            frames = data.reshape(1, -1, data.shape[-1])
        yield "%s %s" % (frames.dtype.str[1:], name), frames
        if name == "jungfrau-mod5":  # Roughly what conversion to photons leaves; the two upper bits are the gain stage.
            yield "f4 %s, converted" % name, (frames & 0x3FFF).astype("f4") / np.float32(41.0)


def largest(file):
    """Path of the dataset with the most bytes."""
    found = []
    file.visititems(lambda key, item: found.append(key) if getattr(item, "ndim", 0) > 1 else None)
    return max(found, key=lambda key: file[key].nbytes)
