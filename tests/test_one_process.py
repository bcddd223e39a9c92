"""The wheels of h5py, netCDF4 and PyTables bring three copies of HDF5 into one process; each is served as itself."""

import pytest

from programs import NOWHERE, require_python, run_python

# Creates datasets through any copy of the library, because PyTables and netCDF4 have no call for a filter by number.
COPIES = """
import ctypes
import h5py, netCDF4, tables
I, S = ctypes.c_int64, ctypes.c_size_t

class Copy:
    "One libhdf5, by the wheel that brought it."
    def __init__(self, wheel):
        paths = {line.split()[-1] for line in open("/proc/self/maps") if "/libhdf5-" in line}
        (path,) = [path for path in paths if wheel.lower() + ".libs/" in path]
        self.lib = ctypes.CDLL(path)
        numbers = [ctypes.c_uint() for _ in range(3)]
        self.lib.H5get_libversion(*map(ctypes.byref, numbers))
        self.version = "%d.%d" % tuple(n.value for n in numbers[:2])
        self.get("H5open")()
    def get(self, name, restype=ctypes.c_int64):
        function = self.lib[name]
        function.restype = restype
        return function
    def variable(self, name):
        return I.in_dll(self.lib, name)
    def plist(self, chunk):
        dcpl = self.get("H5Pcreate")(self.variable("H5P_CLS_DATASET_CREATE_ID_g"))
        assert self.lib.H5Pset_chunk(I(dcpl), len(chunk), (ctypes.c_uint64 * len(chunk))(*chunk)) >= 0
        return dcpl
    def write(self, path, array, chunk, options):
        "Creates the dataset x, writes it, returns the cd_values stored."
        native = {"<u2": "H5T_STD_U16LE_g", "<f4": "H5T_IEEE_F32LE_g", "<f8": "H5T_IEEE_F64LE_g"}[array.dtype.str]
        kind = self.variable(native)
        file = self.get("H5Fcreate")(str(path).encode(), 2, I(0), I(0))
        space = self.get("H5Screate_simple")(array.ndim, (ctypes.c_uint64 * array.ndim)(*array.shape), None)
        dcpl = self.plist(chunk)
        values = (ctypes.c_uint * len(options))(*options)
        assert self.lib.H5Pset_filter(I(dcpl), 32008, 0, S(len(options)), values) >= 0
        dataset = self.get("H5Dcreate2")(I(file), b"x", kind, I(space), I(0), I(dcpl), I(0))
        assert dataset >= 0
        assert self.lib.H5Dwrite(I(dataset), kind, I(0), I(0), I(0), array.ctypes.data_as(ctypes.c_void_p)) >= 0
        got = self.get("H5Dget_create_plist")(I(dataset))
        flags, count, stored = ctypes.c_uint(), S(16), (ctypes.c_uint * 16)()
        self.lib.H5Pget_filter_by_id2(I(got), 32008, ctypes.byref(flags), ctypes.byref(count), stored, S(0), None, None)
        assert self.lib.H5Dclose(I(dataset)) >= 0 and self.lib.H5Fclose(I(file)) >= 0
        return list(stored[:count.value])
"""
ALL = ["h5py", "netCDF4", "tables"]


@pytest.fixture
def wheels():
    return require_python("wheel", *ALL)


def test_each_copy_writes_with_its_own_element_size_and_all_read_all(plugins, wheels, tmp_path):
    script = (
        COPIES
        + """
copies = {name: Copy(name) for name in ("h5py", "netCDF4", "tables")}
arrays = {"h5py": samples.array("<f4", (37, 53)), "netCDF4": samples.array("<f8", (11, 90))}
arrays["tables"] = samples.array("<u2", (77, 21))
stored = {name: copies[name].write(args[0] + name, arrays[name], (10, 20), (0, 3)) for name in copies}
right = {}
for name, array in arrays.items():
    with h5py.File(args[0] + name, "r") as f:
        right[name + " by h5py"] = samples.same(f["x"][()], array)
    with netCDF4.Dataset(args[0] + name) as f:
        right[name + " by netCDF4"] = samples.same(np.asarray(f["x"][:]), array)
    with tables.open_file(args[0] + name) as f:
        right[name + " by tables"] = samples.same(f.root.x[:], array)
answer({"versions": [copies[n].version for n in copies], "stored": stored, "right": right, "served": served()})
"""
    )
    said = run_python(wheels, script, str(tmp_path) + "/", plugin_path=plugins)
    assert len(set(said["versions"])) == 3, "three different libraries: %s" % said["versions"]
    assert said["stored"] == {"h5py": [0, 4, 4, 0, 3], "netCDF4": [0, 4, 8, 0, 3], "tables": [0, 4, 2, 0, 3]}
    assert len(said["right"]) == 9 and all(said["right"].values()), said["right"]
    assert said["served"] == ["libh5etalon_bitshuffle.so"]


@pytest.mark.parametrize(
    "creator, holder", [("h5py", "tables"), ("tables", "h5py"), ("netCDF4", "tables"), ("h5py", "netCDF4")]
)
def test_identifiers_that_collide_with_those_of_another_copy_change_nothing(plugins, wheels, tmp_path, creator, holder):
    script = (
        COPIES
        + """
creator, holder = Copy(args[0]), Copy(args[1])
# The same numbers are valid property lists and types in both copies, and mean something else in each.
plists = [holder.plist((99, 99)) for _ in range(300)]
types = [holder.get("H5Tcopy")(holder.variable("H5T_IEEE_F64LE_g")) for _ in range(300)]
for plist in plists:
    holder.lib.H5Pset_filter(I(plist), 32008, 1, S(2), (ctypes.c_uint * 2)(0, 2))
array = samples.array("<u2", (37, 53))
collide = [creator.plist((5, 20)) for _ in range(50)][-1] in plists
stored = creator.write(args[2], array, (5, 20), (0, 2))
untouched = set()
for plist in plists:
    count, values = S(16), (ctypes.c_uint * 16)()
    holder.lib.H5Pget_filter_by_id2(I(plist), 32008, None, ctypes.byref(count), values, S(0), None, None)
    untouched.add(tuple(values[:count.value]))
with h5py.File(args[2], "r") as f:
    answer([collide, stored, sorted(untouched), samples.same(f["x"][()], array)])
"""
    )
    said = run_python(wheels, script, creator, holder, tmp_path / "collide.h5", plugin_path=plugins)
    assert said == [True, [0, 4, 2, 0, 2], [[0, 2]], True]


def test_pytables_rewrites_and_appends_to_what_h5py_made(plugins, wheels, tmp_path):
    script = """
import h5py
array = samples.array("<f4", (64, 30))
with h5py.File(args[0], "w") as f:
    kwargs = dict(maxshape=(None, 30), chunks=(16, 30), compression=32008, compression_opts=(0, 3))
    f.create_dataset("x", data=array[:40], **kwargs)
import tables
with tables.open_file(args[0], "r+") as f:
    f.root.x[3:20] = array[3:20] = -array[3:20]
    f.root.x.append(array[40:])
with tables.open_file(args[0]) as f:
    by_tables = samples.same(f.root.x[:], array)
with h5py.File(args[0], "r") as f:
    masks = {f["x"].id.get_chunk_info(i).filter_mask for i in range(f["x"].id.get_num_chunks())}
    answer([by_tables, samples.same(f["x"][()], array), sorted(masks)])
"""
    assert run_python(wheels, script, tmp_path / "tables.h5", plugin_path=plugins) == [True, True, [0]]


NETCDF = """
import ctypes, netCDF4
lib = ctypes.CDLL([line.split()[-1] for line in open("/proc/self/maps") if "/libnetcdf-" in line][0])
lib.nc_def_var_filter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.c_size_t, ctypes.c_void_p]
array = samples.array("<i4", (37, 53))
with netCDF4.Dataset(args[0], "w") as f:
    f.createDimension("y", 37); f.createDimension("x", 53)
    v = f.createVariable("v", "i4", ("y", "x"), chunksizes=(9, 20))
    status = lib.nc_def_var_filter(f._grpid, v._varid, 32008, 2, (ctypes.c_uint * 2)(0, 3))
    v[:] = array
with netCDF4.Dataset(args[0]) as f:
    by_netcdf = np.asarray(f["v"][:]).tolist() == array.tolist()
import h5py
with h5py.File(args[0], "r") as f:
    answer([status, by_netcdf, list(f["v"].id.get_create_plist().get_filter(0)[2]), samples.same(f["v"][()], array)])
"""


def test_netcdf4_writes_through_us(plugins, wheels, tmp_path):
    assert run_python(wheels, NETCDF, tmp_path / "n.nc", plugin_path=plugins) == [0, True, [0, 4, 4, 0, 3], True]


def test_netcdf4_and_pytables_fail_without_the_plugin(plugins, wheels, tmp_path):
    run_python(wheels, NETCDF, tmp_path / "n.nc", plugin_path=plugins)
    script = """
import netCDF4, tables
outcomes = []
for read in (lambda: netCDF4.Dataset(args[0])["v"][:], lambda: tables.open_file(args[0]).root.v[:]):
    try:
        outcomes.append(["read", read().tolist()])
    except Exception as error:
        outcomes.append(type(error).__name__)
answer(outcomes)
"""
    said = run_python(wheels, script, tmp_path / "n.nc", plugin_path=NOWHERE)
    assert said == ["RuntimeError", "HDF5ExtError"], said
