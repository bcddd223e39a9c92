"""hdf5plugin registers the same filter id. Both live in one process; which of them serves is a matter of order."""

import pytest

from programs import NOWHERE, require_python, run_python

OURS, THEIRS = "libh5etalon_bitshuffle.so", "libh5bshuf.so"
USE = """
import h5py
def use():
    "Writes and reads with filter 32008; says whether the values came back."
    array = samples.array("<u2", (37, 53))
    with h5py.File(args[0], "w") as f:
        f.create_dataset("x", data=array, chunks=(9, 20), compression=32008, compression_opts=(0, 3))
    with h5py.File(args[0], "r") as f:
        return samples.same(f["x"][()], array)
"""


@pytest.fixture
def wheels():
    return require_python("wheel", "h5py", "hdf5plugin")


@pytest.fixture
def their_plugins(wheels):
    return run_python(wheels, "import hdf5plugin; answer(hdf5plugin.PLUGIN_PATH)", plugin_path=NOWHERE)


def owner_line():
    """Which library holds the class that HDF5 calls: the name stored in the file is the one it was registered with."""
    return """
with h5py.File(args[0], "r") as f:
    name = f["x"].id.get_create_plist().get_filter(0)[3].decode()
answer([right, "etalon" in name, served()])
"""


def test_ours_on_the_path_before_hdf5plugin_is_imported_serves(plugins, wheels, tmp_path):
    script = USE + "right = use()\nimport hdf5plugin\nright = right and use()\n" + owner_line()
    right, ours, served = run_python(wheels, script, tmp_path / "x.h5", plugin_path=plugins)
    assert right and ours and OURS in served


def test_ours_on_the_path_serves_even_if_hdf5plugin_is_imported_first(plugins, wheels, tmp_path):
    script = "import hdf5plugin\n" + USE + "right = use()\n" + owner_line()
    right, ours, served = run_python(wheels, script, tmp_path / "x.h5", plugin_path=plugins)
    assert right and ours and OURS in served


def test_hdf5plugin_serves_where_it_is_told_to_register(plugins, wheels, tmp_path):
    script = (
        USE + "right = use()\nimport hdf5plugin\nhdf5plugin.register('bshuf')\nright = right and use()\n" + owner_line()
    )
    right, ours, served = run_python(wheels, script, tmp_path / "x.h5", plugin_path=plugins)
    assert right and not ours and served == [THEIRS, OURS]


@pytest.mark.parametrize("ours_first", [True, False])
def test_the_first_folder_on_the_path_serves_reads(plugins, wheels, their_plugins, tmp_path, ours_first):
    run_python(wheels, USE + "answer(use())", tmp_path / "x.h5", plugin_path=plugins)
    order = [str(plugins), their_plugins] if ours_first else [their_plugins, str(plugins)]
    script = """
import h5py
with h5py.File(args[0], "r") as f:
    answer([samples.same(f["x"][()], samples.array("<u2", (37, 53))), served()])
"""
    said = run_python(wheels, script, tmp_path / "x.h5", plugin_path=":".join(order))
    assert said == [True, [OURS if ours_first else THEIRS]]


def test_hdf5plugin_cannot_write_from_the_path_alone_and_we_can(plugins, wheels, their_plugins, tmp_path):
    script = (
        USE
        + """
try:
    answer(use())
except Exception as error:
    answer(str(error))
"""
    )
    assert run_python(wheels, script, tmp_path / "x.h5", plugin_path=plugins) is True
    assert run_python(wheels, script, tmp_path / "y.h5", plugin_path=their_plugins) is not True


def test_classes_of_hdf5plugin_write_through_us(plugins, wheels, tmp_path):
    script = (
        USE
        + """
right = use()
import hdf5plugin
array = samples.array("<f4", (37, 53))
stored = []
for arguments in ({}, {"cname": "zstd", "clevel": 5}, {"cname": "none"}):
    with h5py.File(args[0], "w") as f:
        f.create_dataset("x", data=array, chunks=(9, 20), **hdf5plugin.Bitshuffle(**arguments))
    with h5py.File(args[0], "r") as f:
        right = right and samples.same(f["x"][()], array)
        stored.append(list(f["x"].id.get_create_plist().get_filter(0)[2]))
answer([right, stored, served()])
"""
    )
    right, stored, served = run_python(wheels, script, tmp_path / "x.h5", plugin_path=plugins)
    assert right and OURS in served
    assert stored == [[0, 4, 4, 0, 2], [0, 4, 4, 0, 3, 5], [0, 4, 4, 0, 0]]
