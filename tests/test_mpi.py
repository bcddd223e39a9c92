"""Two MPI ranks write one dataset collectively through the plugin (Debian's parallel HDF5 1.10.8)."""

import pytest

from programs import NOWHERE, PYTHONS, answers, call, environment, missing, python_command, require, run_python

WRITE = """
from mpi4py import MPI
import h5py
rank, size = MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size
# Noise does not compress: parallel 1.10 loses the mark of a chunk that a filter left as it is.
noise = np.random.RandomState(7).randint(0, 1 << 32, (64, 50), dtype="u4")
rows = {"counts": samples.array("<u2", (64, 50)), "noise": noise}
half = slice(rank * 64 // size, (rank + 1) * 64 // size)
with h5py.File(args[0], "w", driver="mpio", comm=MPI.COMM_WORLD) as f:
    for name, array in rows.items():
        kwargs = dict(chunks=(16, 50), compression=32008, compression_opts=(0, 3))
        d = f.create_dataset(name, array.shape, array.dtype, **kwargs)
        with d.collective:
            d[half] = array[half]
with h5py.File(args[0], "r", driver="mpio", comm=MPI.COMM_WORLD) as f:
    equal = {name: samples.same(f[name][()], array) for name, array in rows.items()}
    masks = sorted({f[name].id.get_chunk_info(i).filter_mask for name in rows for i in range(4)})
    stored = {name: list(f[name].id.get_create_plist().get_filter(0)[2]) for name in rows}
answer({"rank": rank, "size": size, "equal": equal, "masks": masks, "stored": stored, "served": served()})
"""
PYTHON = PYTHONS["debian-1.10"]
ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


@pytest.fixture
def ranks():
    """The command that starts two ranks."""
    (mpirun,) = require("mpirun")
    probe = "import mpi4py, h5py; assert h5py.get_config().mpi"
    parallel = {**ROOT, "H5PY_ALWAYS_USE_MPI": "1"}
    if call([PYTHON, "-c", probe], NOWHERE, parallel, succeeds=False).returncode != 0:
        missing("python3-h5py-mpi is not installed")
    exported = [word for key in environment("") if key.startswith(("HDF5_", "PYTHON")) for word in ("-x", key)]
    return [mpirun, "--oversubscribe", "-n", "2", *exported]


def test_a_collective_write_of_two_ranks_is_read_back_by_both(plugins, ranks, wheel, tmp_path):
    file = tmp_path / "mpi.h5"
    said = answers(call([*ranks, *python_command(PYTHON, WRITE, file)], plugins, ROOT))
    assert sorted(rank.pop("rank") for rank in said) == [0, 1]
    assert said == 2 * [
        {
            "size": 2,
            "equal": {"counts": True, "noise": True},
            "masks": [0],
            "stored": {"counts": [0, 4, 2, 0, 3], "noise": [0, 4, 4, 0, 3]},
            "served": ["libh5etalon_bitshuffle.so"],
        }
    ]
    script = """
import h5py
with h5py.File(args[0], "r") as f:
    answer(samples.same(f["counts"][()], samples.array("<u2", (64, 50))))
"""
    assert run_python(wheel, script, file, plugin_path=plugins)


def test_two_ranks_write_nothing_without_the_plugin(ranks, tmp_path):
    done = call([*ranks, *python_command(PYTHON, WRITE, tmp_path / "mpi.h5")], NOWHERE, ROOT, succeeds=False)
    assert done.returncode != 0 and "32008" in done.stderr, done.stderr
