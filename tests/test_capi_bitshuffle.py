"""A program written against bitshuffle's C functions gives the same bytes whichever library it is linked with."""

import ctypes
from pathlib import Path

import bitshuffle
import hdf5plugin
import numpy as np
import pytest

import samples
from programs import TESTS, call, missing

PROGRAM = TESTS / "c/bshuf_writer.c"


@pytest.fixture(scope="module")
def writers(installed, tmp_path_factory):
    """The program, linked with libetalon and with hdf5plugin's bitshuffle."""
    folder = tmp_path_factory.mktemp("bshuf")
    theirs = Path(hdf5plugin.PLUGIN_PATH) / "libh5bshuf.so"
    if not theirs.exists():
        missing("hdf5plugin's libh5bshuf.so")
    object_file = folder / "writer.o"
    flags = "-std=c99 -Wall -Wextra -Werror -pedantic -O1 -c".split()
    call(["gcc", *flags, PROGRAM, "-o", object_file], "")
    call(["gcc", object_file, "-o", folder / "ours", "-L%s" % installed.lib, "-letalon"], "")
    # hdf5plugin's library looks up HDF5 when it is used as a plugin.
    call(["gcc", object_file, "-o", folder / "theirs", theirs, "-Wl,--unresolved-symbols=ignore-in-shared-libs"], "")
    return folder


@pytest.mark.parametrize("kind", ["u1", "u2", "i4", "f4", "f8", "opaque3", "compound13"])
@pytest.mark.parametrize("count, block", [(50_003, 0), (50_003, 64), (7, 0), (4096, 4096)])
def test_the_same_object_file_writes_the_same_bytes_with_both(installed, writers, tmp_path, kind, count, block):
    samples.array(samples.DTYPES[kind], (count,)).tofile(tmp_path / "in")
    size = np.dtype(samples.DTYPES[kind]).itemsize
    written = []
    for name in ("ours", "theirs"):
        folder = str(Path(hdf5plugin.PLUGIN_PATH))
        env = {"LD_LIBRARY_PATH": str(installed.lib) + ":" + folder, "OMP_NUM_THREADS": "1"}
        call([writers / name, tmp_path / "in", size, block, tmp_path / name], "", env)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert written[0].count(b"right 1\n") == 3


@pytest.mark.parametrize("kind", ["u1", "u2", "i4", "f8"])
def test_lz4_is_that_of_the_bitshuffle_on_pypi_and_zstd_is_read_by_it(installed, kind):
    library = installed.load()
    array = samples.array(samples.DTYPES[kind], (30_011,))
    size = ctypes.c_size_t
    shape = (size(array.size), size(array.itemsize), size(0))
    for name, level in (("lz4", ()), ("zstd", (3,))):
        out = ctypes.create_string_buffer(getattr(library, "bshuf_compress_%s_bound" % name)(*shape))
        written = getattr(library, "bshuf_compress_" + name)(ctypes.c_void_p(array.ctypes.data), out, *shape, *level)
        assert written > 0
        stream = np.frombuffer(out.raw[:written], "u1")
        if name == "lz4":
            assert bytes(bitshuffle.compress_lz4(array)) == bytes(stream)
        back = getattr(bitshuffle, "decompress_" + name)(stream, array.shape, array.dtype)
        assert samples.same(back, array)


def test_lengths_that_lie_are_refused(installed):
    library = installed.load()
    library.bshuf_decompress_lz4.restype = ctypes.c_int64
    size, out = ctypes.c_size_t, ctypes.create_string_buffer(8192)
    stream = b"\x7f\xff\xff\xff" + bytes(100)
    assert library.bshuf_decompress_lz4(stream, out, size(4096), size(2), size(0)) == -91
    assert library.bshuf_compress_lz4(None, out, size(4096), size(2), size(0)) < 0
    assert library.bshuf_compress_lz4(stream, out, size(1 << 62), size(4), size(0)) < 0
