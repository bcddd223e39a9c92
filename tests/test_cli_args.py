"""What `etalon args` prints works as given in h5repack, nccopy, h5py and C: the values are equal afterwards."""

import re
import sys
import textwrap

import h5py
import numpy as np
import pytest
from programs import call, require, run_python
from etalon_command import etalon_json

SPECS = ["bitshuffle", "bitshuffle:compressor=zstd,level=5", "bitshuffle:compressor=none", "bitshuffle:block=2048"]
COUNTS = np.random.default_rng(1).poisson(3, (12, 40, 30)).astype("u2")


@pytest.fixture(params=SPECS)
def spec(request):
    return request.param


@pytest.fixture(params=["complete", "short"])
def strings(request, spec):
    dtype = ["--dtype", "u2", "--chunk", "1,40,30"] if request.param == "complete" else []
    answer = etalon_json("args", spec, *dtype)
    assert answer["complete"] == bool(dtype)
    return answer


def stored_values(path, dataset, plugins):
    """cd_values in the file, and the data as h5py reads it through the plugin."""
    return run_python(
        sys.executable,
        """
import h5py
with h5py.File(args[0]) as file:
    plist = file[args[1]].id.get_create_plist()
    code, flags, values, name = plist.get_filter(plist.get_nfilters() - 1)
    answer([code, list(values), int(file[args[1]][()].astype("u8").sum())])
""",
        path,
        dataset,
        plugin_path=plugins,
    )


def check(path, dataset, strings, plugins, spec_dtype=2):
    code, values, total = stored_values(path, dataset, plugins)
    assert code == strings["filter_id"] and total == int(COUNTS.sum())
    assert values[2] == spec_dtype
    expected = strings["cd_values"]
    assert values == expected if strings["complete"] else values[3 : 3 + len(expected)] == expected


def test_h5repack(strings, plugins, tmp_path):
    require("h5repack")
    source, target = tmp_path / "in.h5", tmp_path / "out.h5"
    with h5py.File(source, "w", libver=("earliest", "v110")) as file:
        file.create_dataset("counts", data=COUNTS, chunks=(1, 40, 30))
    call(["h5repack", "-f", "counts:" + strings["h5repack"], source, target], plugins)
    check(target, "counts", strings, plugins)


def test_nccopy(strings, plugins, tmp_path):
    require("nccopy", "ncgen")
    netcdf = pytest.importorskip("netCDF4")
    source, target = tmp_path / "in.nc", tmp_path / "out.nc"
    with netcdf.Dataset(source, "w") as file:
        for name, size in zip("zyx", COUNTS.shape):
            file.createDimension(name, size)
        file.createVariable("counts", "u2", ("z", "y", "x"), chunksizes=(1, 40, 30))[:] = COUNTS
    call(["nccopy", "-F", strings["nccopy"], source, target], plugins)
    check(target, "counts", strings, plugins)


def test_h5py(strings, plugins, tmp_path, wheel):
    target = tmp_path / "out.h5"
    script = """
import h5py
data = np.load(args[0])
with h5py.File(args[1], "w") as file:
    file.create_dataset("counts", data=data, chunks=(1, 40, 30), %s)
answer(True)
""" % strings["h5py"]
    np.save(tmp_path / "data.npy", COUNTS)
    run_python(wheel, script, tmp_path / "data.npy", target, plugin_path=plugins)
    check(target, "counts", strings, plugins)


def test_c(strings, plugins, tmp_path):
    require("h5cc")
    source = tmp_path / "write.c"
    source.write_text(
        textwrap.dedent("""\
        #include <hdf5.h>
        #include <stdlib.h>
        int main(int argc, char **argv) {
            hsize_t dims[3] = {12, 40, 30}, chunk[3] = {1, 40, 30};
            unsigned short *data = malloc(sizeof(short) * 12 * 40 * 30);
            FILE *in = fopen(argv[1], "rb");
            if (fread(data, 2, 12 * 40 * 30, in) != 12 * 40 * 30) return 3;
            hid_t file = H5Fcreate(argv[2], H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
            hid_t space = H5Screate_simple(3, dims, NULL), dcpl = H5Pcreate(H5P_DATASET_CREATE);
            H5Pset_chunk(dcpl, 3, chunk);
            if (%s < 0) return 4;
            hid_t set = H5Dcreate2(file, "counts", H5T_STD_U16LE, space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
            if (set < 0) return 5;
            if (H5Dwrite(set, H5T_NATIVE_USHORT, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) return 6;
            return H5Dclose(set) < 0 || H5Fclose(file) < 0;
        }
        """)
        % re.sub(";$", "", strings["c"])
    )
    raw, target = tmp_path / "raw", tmp_path / "out.h5"
    raw.write_bytes(COUNTS.tobytes())
    # h5cc links libhdf5.a unless told otherwise, and then the plugin cannot ask for the element type: that is what the
    # complete values are for.
    link = [] if strings["complete"] else ["-shlib"]
    call(["h5cc", *link, "-o", tmp_path / "write", source], plugins, cwd=tmp_path)
    call([tmp_path / "write", raw, target], plugins)
    check(target, "counts", strings, plugins)
