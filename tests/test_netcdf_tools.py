"""ncgen, nccopy and ncdump of Debian (libnetcdf 4.9.0 on HDF5 1.10.8) read and write through the plugin."""

import re

import h5py
import pytest

import samples
from programs import NOWHERE, call, require

ARRAY = samples.array("<i4", (6, 11))
CDL = """netcdf x {
dimensions: y = 6 ; x = 11 ;
variables:
  int v(y, x) ;
    v:_Storage = "chunked" ;
    v:_ChunkSizes = 4, 5 ;
    v:_Filter = "32008,%s" ;
data:
  v = %s ;
}
"""


@pytest.fixture
def file(plugins, tmp_path):
    (ncgen,) = require("ncgen")
    cdl = tmp_path / "x.cdl"
    cdl.write_text(CDL % ("0,3,3", ", ".join(map(str, ARRAY.ravel()))))
    call([ncgen, "-4", "-o", tmp_path / "x.nc", cdl], plugins)
    return tmp_path / "x.nc"


def stored(path):
    """cd_values and chunk shape of v: read without any plugin."""
    with h5py.File(path, "r") as f:
        v = f["v"]
        assert {v.id.get_chunk_info(i).filter_mask for i in range(v.id.get_num_chunks())} == {0}
        return [
            list(v.id.get_create_plist().get_filter(i)[2]) for i in range(v.id.get_create_plist().get_nfilters())
        ], v.chunks


def dumped(path, plugins):
    (ncdump,) = require("ncdump")
    text = call([ncdump, path], plugins).stdout
    return [int(number) for number in re.findall(r"-?\d+", text.split(" v =")[1])]


def test_ncgen_writes_and_ncdump_gives_the_values(plugins, file):
    assert stored(file) == ([[0, 4, 4, 0, 3, 3]], (4, 5))
    assert dumped(file, plugins) == ARRAY.ravel().tolist()


def test_ncdump_fails_without_the_plugin(plugins, file):
    (ncdump,) = require("ncdump")
    assert call([ncdump, file], NOWHERE, succeeds=False).returncode != 0


def test_nccopy_compresses_and_copies_twice(plugins, tmp_path):
    (nccopy, ncgen) = require("nccopy", "ncgen")
    cdl = tmp_path / "plain.cdl"
    plain = re.sub(r"    v:_Filter.*\n", "", CDL).replace("%s", ", ".join(map(str, ARRAY.ravel())))
    cdl.write_text(plain)
    call([ncgen, "-4", "-o", tmp_path / "plain.nc", cdl], plugins)
    assert stored(tmp_path / "plain.nc") == ([], (4, 5))
    call([nccopy, "-F", "v,32008,0,2", tmp_path / "plain.nc", tmp_path / "once.nc"], plugins)
    call([nccopy, tmp_path / "once.nc", tmp_path / "twice.nc"], plugins)
    call([nccopy, "-M", "1", "-c", "v:6,2", tmp_path / "twice.nc", tmp_path / "thrice.nc"], plugins)
    # Left alone, nccopy makes one chunk of a small variable.
    for name, chunk in [("once", (6, 11)), ("twice", (6, 11)), ("thrice", (6, 2))]:
        path = tmp_path / (name + ".nc")
        assert stored(path) == ([[0, 4, 4, 0, 2]], chunk)
        assert dumped(path, plugins) == ARRAY.ravel().tolist(), name
