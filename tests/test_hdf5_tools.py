"""h5dump, h5ls and h5repack of Debian (HDF5 1.10.8) read and write through the plugin.

Their exit codes say nothing: h5dump prints an empty dataset and h5repack drops one with code 0. Values are compared.
"""

import h5py
import numpy as np
import pytest

import samples
from programs import NOWHERE, call, require, run_python

ARRAY = samples.array("<u2", (37, 53))


@pytest.fixture
def file(plugins, wheel, tmp_path):
    script = """
import h5py
with h5py.File(args[0], "w", libver="earliest") as f:
    kwargs = dict(chunks=(9, 20), compression=32008, compression_opts=(0, 3, 5))
    f.create_dataset("x", data=samples.array("<u2", (37, 53)), **kwargs)
answer(True)
"""
    run_python(wheel, script, tmp_path / "x.h5", plugin_path=plugins)
    return tmp_path / "x.h5"


def pipeline(path):
    """cd_values, flags, filter masks and chunk shape of x: read without any plugin."""
    with h5py.File(path, "r") as f:
        x = f["x"]
        _, flags, values, _ = x.id.get_create_plist().get_filter(0)
        masks = {x.id.get_chunk_info(i).filter_mask for i in range(x.id.get_num_chunks())}
        return list(values), flags, masks, x.chunks


def values_of(path, plugin_path):
    """x as h5dump writes it into a binary file."""
    (h5dump,) = require("h5dump")
    out = path.with_suffix(".bin")
    call([h5dump, "-d", "/x", "-b", "LE", "-o", out, path], plugin_path, succeeds=False)
    return np.fromfile(out, "<u2")


def test_h5dump_gives_the_values(plugins, file):
    assert np.array_equal(values_of(file, plugins), ARRAY.ravel())


def test_h5dump_without_the_plugin_gives_none(plugins, file):
    assert values_of(file, NOWHERE).size == 0


def test_h5dump_shows_what_to_install(plugins, file):
    (h5dump,) = require("h5dump")
    text = call([h5dump, "-pH", file], NOWHERE).stdout
    assert "FILTER_ID 32008" in text and "pip install h5etalon" in text and "PARAMS { 0 4 2 0 3 5 }" in text


def test_h5ls_gives_the_values(plugins, file):
    (h5ls,) = require("h5ls")
    text = call([h5ls, "-d", "-S", "-w", "10000", str(file) + "/x"], plugins).stdout
    numbers = text.split("Data:")[1].replace(",", " ").split()
    assert [int(number) for number in numbers if number.isdigit()] == ARRAY.ravel().tolist()


@pytest.mark.parametrize(
    "options, stored", [("0,2", [0, 4, 2, 0, 2]), ("0,3,7", [0, 4, 2, 0, 3, 7]), ("0,0", [0, 4, 2, 0, 0])]
)
def test_h5repack_compresses(plugins, tmp_path, options, stored):
    (h5repack,) = require("h5repack")
    with h5py.File(tmp_path / "plain.h5", "w", libver="earliest") as f:
        f.create_dataset("x", data=ARRAY, chunks=(9, 20))
    count = options.count(",") + 1
    call([h5repack, "-f", f"x:UD=32008,0,{count},{options}", tmp_path / "plain.h5", tmp_path / "out.h5"], plugins)
    assert pipeline(tmp_path / "out.h5") == (stored, 0, {0}, (9, 20))
    assert np.array_equal(values_of(tmp_path / "out.h5", plugins), ARRAY.ravel())


def test_h5repack_decompresses(plugins, file, tmp_path):
    (h5repack,) = require("h5repack")
    call([h5repack, "-f", "NONE", file, tmp_path / "plain.h5"], plugins)
    with h5py.File(tmp_path / "plain.h5", "r") as f:
        assert f["x"].id.get_create_plist().get_nfilters() == 0
        assert np.array_equal(f["x"][()], ARRAY)


def test_h5repack_twice_and_to_other_chunks_keeps_the_cd_values(plugins, file, tmp_path):
    (h5repack,) = require("h5repack")
    once, twice, flat = (tmp_path / name for name in ("once.h5", "twice.h5", "flat.h5"))
    call([h5repack, "-l", "x:CHUNK=5x53", file, once], plugins)
    call([h5repack, "-l", "x:CHUNK=37x3", once, twice], plugins)
    call([h5repack, "-l", "x:CHUNK=1x1", twice, flat], plugins)
    for path, chunk in [(once, (5, 53)), (twice, (37, 3)), (flat, (1, 1))]:
        stored, _, masks, chunks = pipeline(path)
        assert (stored, masks, chunks) == ([0, 4, 2, 0, 3, 5], {0}, chunk)
        assert np.array_equal(values_of(path, plugins), ARRAY.ravel()), path


def test_stored_cd_values_of_another_type_are_localised_anew(plugins, wheel, tmp_path):
    script = """
import h5py
array = samples.array("<f8", (1003,))
with h5py.File(args[0], "w") as f:
    d = f.create_dataset("x", data=array, chunks=(100,), compression=32008, compression_opts=(0, 4, 2, 0, 3, 5))
    stored = list(d.id.get_create_plist().get_filter(0)[2])
with h5py.File(args[0], "r") as f:
    answer([stored, samples.same(f["x"][()], array)])
"""
    assert run_python(wheel, script, tmp_path / "f8.h5", plugin_path=plugins) == [[0, 4, 8, 0, 3, 5], True]
