"""examples/mpi_writer.c: MPI ranks write one compressed dataset together, with filters that libetalon brings."""

from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401 (its filters read the file)
import numpy as np
import pytest

from programs import NOWHERE, REPO, call, missing, require, run_python
from test_mpi import ROOT

PARALLEL = "/usr/lib/x86_64-linux-gnu/hdf5/openmpi"
EXPECTED = (np.arange(256 * 300) % 1000).astype("<i4").reshape(256, 300)


@pytest.fixture(scope="module")
def writer(installed, tmp_path_factory):
    (mpicc,) = require("mpicc")
    if not Path("/usr/include/hdf5/openmpi/hdf5.h").exists():
        missing("libhdf5-openmpi-dev to build examples/mpi_writer.c")
    program = tmp_path_factory.mktemp("mpi") / "mpi_writer"
    # MPI's own headers are not C99 to the letter.
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-I%s" % installed.include, "-I/usr/include/hdf5/openmpi"]
    link = ["-L%s" % installed.lib, "-letalon", "-L" + PARALLEL, "-lhdf5"]
    call([mpicc, *flags, REPO / "examples/mpi_writer.c", "-o", program, *link], NOWHERE, ROOT)
    return program


def ranks(installed, count):
    return [*require("mpirun"), "--oversubscribe", "-n", str(count), "-x", "LD_LIBRARY_PATH=%s" % installed.lib]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("spec", ["bitshuffle", "bitshuffle:compressor=zstd"])
def test_what_ranks_write_together_is_read_by_h5py_with_hdf5plugin(installed, writer, tmp_path, spec, count):
    said = call([*ranks(installed, count), writer, tmp_path / "x.h5", spec], NOWHERE, ROOT).stdout
    assert said == "%d ranks, filter 32008\n" % count
    with h5py.File(tmp_path / "x.h5") as f:
        assert np.array_equal(f["data"][()], EXPECTED)
        assert {f["data"].id.get_chunk_info(i).filter_mask for i in range(8)} == {0}


def test_a_codec_of_our_own_is_read_through_the_plugin(installed, plugins, wheel, writer, tmp_path):
    call([*ranks(installed, 2), writer, tmp_path / "x.h5", "quantise:abs=3"], NOWHERE, ROOT)
    script = """
import h5py
with h5py.File(args[0], "r") as f:
    answer(int(abs(f["data"][()] - (np.arange(256 * 300) % 1000).reshape(256, 300)).max()))
"""
    assert 0 < run_python(wheel, script, tmp_path / "x.h5", plugin_path=plugins) <= 3
