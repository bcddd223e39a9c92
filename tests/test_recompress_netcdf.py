"""`etalon recompress` on files that netCDF wrote: dimensions, coordinates, groups and types stay what they are."""

import numpy as np
import pytest

from etalon_command import etalon_json_lines
from programs import call, require, require_python, run_python

WRITE = """
import netCDF4
with netCDF4.Dataset(args[0], "w") as file:
    file.title = "simulated"
    for name, size in (("time", None), ("y", 60), ("x", 80)):
        file.createDimension(name, size)
        axis = file.createVariable(name, "f8", (name,))
        axis.units = "mm"
        axis[:size or 25] = np.arange(size or 25) * 0.1
    stored = {"zlib": True, "shuffle": True, "fletcher32": True, "chunksizes": (1, 60, 80)}
    counts = file.createVariable("counts", "u2", ("time", "y", "x"), fill_value=65535, **stored)
    counts[:] = np.random.RandomState(1).poisson(2, (25, 60, 80))
    counts.valid_range = np.array([0, 100], "u2")
    group = file.createGroup("detector/one")
    group.createDimension("pixel", 5000)
    row = group.createCompoundType(np.dtype([("a", "f4"), ("b", "i4")]), "row")
    group.createVariable("rows", row, ("pixel",))[:] = np.ones(5000, row.dtype)
    states = group.createEnumType("u1", "states", {"off": 0, "on": 1})
    group.createVariable("state", states, ("pixel",))[:] = 1
    ragged = group.createVLType("i2", "ragged")
    lists = group.createVariable("lists", ragged, ("y",))
    lists[3] = np.arange(7, dtype="i2")
    words = group.createVariable("words", str, ("y",))
    words[5] = "fünf"
answer("written")
"""
READ = """
import netCDF4
def show(group):
    yield {name: [len(each), each.isunlimited()] for name, each in group.dimensions.items()}
    yield {name: str(group.getncattr(name)) for name in group.ncattrs()}
    for name, each in group.variables.items():
        each.set_auto_maskandscale(False)
        values = each[...]
        data = values.tobytes().hex() if values.dtype.kind != "O" else [str(value) for value in values]
        yield [name, str(each.datatype), each.dimensions, data, {key: str(each.getncattr(key)) for key in each.ncattrs()}]
    yield sorted([*group.cmptypes, *group.vltypes, *group.enumtypes])
    for name, each in group.groups.items():
        yield [name, list(show(each))]
with netCDF4.Dataset(args[0]) as file:
    filters = file["counts"].filters()
    answer([list(show(file)), bool(filters["zlib"])])
"""


@pytest.fixture
def copied(tmp_path, plugins):
    python = require_python("wheel", "netCDF4")
    source, target = tmp_path / "source.nc", tmp_path / "copy.nc"
    run_python(python, WRITE, str(source), plugin_path=plugins)
    events = etalon_json_lines("recompress", source, target, "--codec", "bitshuffle:compressor=zstd")
    assert {event["dataset"] for event in events[1:-1]} == {"/counts", "/detector/one/rows"}
    return python, source, target


def test_netcdf4_sees_the_same_dataset(copied, plugins):
    python, source, target = copied
    (before, was_zlib), (after, is_zlib) = (run_python(python, READ, str(path), plugin_path=plugins) for path in (source, target))
    assert before == after
    assert was_zlib and not is_zlib


def test_ncdump_prints_the_same(copied, plugins):
    _, source, target = copied
    ncdump, = require("ncdump")
    before, after = (call([ncdump, "-n", "same", path], plugins).stdout for path in (source, target))
    assert before == after and "counts" in after


def test_netcdf4_appends_to_the_copy(copied, plugins):
    python, source, target = copied
    script = """
import netCDF4
with netCDF4.Dataset(args[0], "a") as file:
    file["counts"][25] = 7
with netCDF4.Dataset(args[0]) as file:
    answer([len(file.dimensions["time"]), int(file["counts"][25].sum()), int(file["counts"][:25].sum())])
"""
    size, added, rest = run_python(python, script, str(target), plugin_path=plugins)
    assert (size, added) == (26, 7 * 4800) and rest == np.random.RandomState(1).poisson(2, (25, 60, 80)).sum()
