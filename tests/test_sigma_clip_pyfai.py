"""The pixels that `sigma-clip` discards are those of pyFAI's sigma_clip.

Runs in `.venv-metrics` as part of `make test-long`; skipped elsewhere, and where the simulators and the real data beside
the repository are missing. ETALON_CLIP_SETS is the example program `sigma_clip_sets` of etalon-codec.
"""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

pyfai = pytest.importorskip("pyFAI")
hdf5plugin = pytest.importorskip("hdf5plugin")
from pyFAI.detectors import Detector  # noqa: E402
from pyFAI.integrator.azimuthal import AzimuthalIntegrator  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("ETALON_CLIP_SETS", ROOT / "target/release/examples/sigma_clip_sets"))
SHARED = ROOT.parent / "shared"
SIMULATORS = SHARED / "simulators"
DATA = SHARED / "data"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="no simulators and real data at %s" % SHARED)
MASKED = 2**32 - 1
BINS = 800
PIXEL = 1e-4


def pyfai_sets(image, mask, centre):
    """Bin of every pixel (-1: in none) and the pixels that pyFAI discards."""
    detector = Detector(PIXEL, PIXEL, max_shape=image.shape)
    integrator = AzimuthalIntegrator(dist=1, poni1=centre[0] * PIXEL, poni2=centre[1] * PIXEL, detector=detector)
    integrator.sigma_clip(
        image.astype("f4"), BINS, mask=mask, unit="r_m", method=("no", "csr", "cython"), error_model="poisson",
        thres=0, max_iter=5, correctSolidAngle=False,
    )
    (entry,) = integrator.engines.values()
    engine = entry.engine
    bins = np.full(image.size, -1)
    indptr, indices = np.asarray(engine.indptr), np.asarray(engine.indices)
    bins[indices] = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    discarded = np.isnan(np.asarray(engine.preprocessed).reshape(-1, 4)).any(axis=1)
    return bins, discarded & (bins >= 0)


def our_sets(tmp_path, image, bins, hot):
    """The pixels that we discard, with the bins of pyFAI."""
    counts = np.where(bins >= 0, image.ravel().astype("i8"), MASKED).astype("<u4")
    counts.tofile(tmp_path / "counts")
    np.maximum(bins, 0).astype("<u4").tofile(tmp_path / "bins")
    arguments = [tmp_path / "counts", tmp_path / "bins", "0", "5", hot, tmp_path / "out"]
    subprocess.run([str(PROGRAM), *map(str, arguments)], check=True)
    return np.fromfile(tmp_path / "out", "u1").astype(bool) & (bins >= 0)


def check(tmp_path, image, mask, centre):
    bins, theirs = pyfai_sets(image, mask, centre)
    clipped = our_sets(tmp_path, image, bins, "false")
    assert theirs.sum() > 100
    assert (clipped == theirs).all(), f"{(clipped != theirs).sum()} of {image.size} pixels differ"
    hot = our_sets(tmp_path, image, bins, "true")
    rings = np.unique(bins[hot != theirs])
    print(f"clipped {theirs.sum()}; freed of hot pixels: {hot.sum()} in {len(rings)} other rings")


@pytest.fixture(scope="module")
def ssx(tmp_path_factory):
    out = tmp_path_factory.mktemp("ssx") / "ssx"
    subprocess.run([sys.executable, "sim_ssx.py", "--out", str(out)], cwd=SIMULATORS, check=True)
    with h5py.File(f"{out}.h5") as file:
        return file["frames"][:]


@pytest.mark.parametrize("frame", range(12))
def test_simulated_serial_crystallography(tmp_path, ssx, frame):
    image = ssx[frame]
    middle = image.shape[0] / 2
    check(tmp_path, image, image == MASKED, (middle + 0.123, middle + 0.377))


@pytest.mark.parametrize("frame", range(6))
def test_real_pilatus(tmp_path, frame):
    with h5py.File(DATA / "pilatus6m-thaumatin-grid" / "pilatus6m-thaumatin-grid.h5") as file:
        image = file["data"][frame]
    check(tmp_path, image, image < 0, (1263.4, 1231.7))
