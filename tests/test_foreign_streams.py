"""Chunks as other writers make them are read, whatever their header and cd_values leave out."""

import pytest

from programs import NOWHERE, require_python, run_python

# The filter is unknown to the writing process, so that HDF5 stores cd_values and chunks as they are given.
WRITE = """
import struct
import bitshuffle, h5py

def dataset(f, name, array, cd_values, chunk):
    dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    dcpl.set_chunk(array.shape)
    dcpl.set_filter(32008, h5py.h5z.FLAG_OPTIONAL, cd_values)
    space = h5py.h5s.create_simple(array.shape)
    d = h5py.h5d.create(f.id, name.encode(), h5py.h5t.py_create(array.dtype), space, dcpl=dcpl)
    d.write_direct_chunk((0,) * array.ndim, chunk)
    names.append(name)

names = []
with h5py.File(args[0], "w", libver="earliest") as f:
    for compressor, code in (("lz4", 2), ("zstd", 3)):
        compress = getattr(bitshuffle, "compress_" + compressor)
        def stream(array, block, header_block):
            return struct.pack(">QI", array.nbytes, header_block) + compress(array, block).tobytes()
        frame = samples.array("<u2", (64, 48))
        name = lambda text: compressor + " " + text
        # LIMA writes no block size; the detector software of PSI compresses a whole frame as one block.
        dataset(f, name("header without block size"), frame, (0, 4, 2, 0, code), stream(frame, 0, 0))
        dataset(f, name("block size in cd_values only"), frame, (0, 4, 2, 64, code), stream(frame, 64, 0))
        dataset(f, name("one block per frame"), frame, (0, 4, 2, 0, code), stream(frame, 64 * 48, 2 * 64 * 48))
        dataset(f, name("block larger than the chunk"), frame, (0, 4, 2, 0, code), stream(frame, 1 << 20, 2 << 20))
        dataset(f, name("block in the header only"), frame, (0, 4, 2, 0, code), stream(frame, 256, 512))
        dataset(f, name("header contradicts cd_values"), frame, (0, 4, 2, 64, code), stream(frame, 256, 512))
        dataset(f, name("cd_values that go on"), frame, (0, 4, 2, 0, code, 3, 77, 5), stream(frame, 0, 8192))
        dataset(f, name("version 0.2"), frame, (0, 2, 2, 0, code), stream(frame, 0, 8192))
        for left in range(1, 8):
            tail = samples.array("<i4", (256 + left,))
            dataset(f, name("%d elements left" % left), tail, (0, 4, 4, 64, code), stream(tail, 64, 256))
    plain = samples.array("<u2", (64, 48))
    dataset(f, "no compressor", plain, (0, 4, 2), bitshuffle.bitshuffle(plain, 0).tobytes())
answer(names)
"""
READ = """
import h5py
wrong = []
with h5py.File(args[0], "r") as f:
    for name, d in f.items():
        try:
            right = samples.same(d[()], samples.array(d.dtype, d.shape))
        except OSError as error:
            right = str(error)
        if right is not True:
            wrong.append([name, right])
    answer([len(f), wrong, served()])
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("foreign") / "foreign.h5"
    names = run_python(require_python("wheel", "bitshuffle"), WRITE, path, plugin_path=NOWHERE)
    assert len(names) == 2 * 15 + 1
    return path


def test_chunks_of_other_writers_are_read(plugins, python, file):
    assert run_python(python, READ, file, plugin_path=plugins) == [31, [], ["libh5etalon_bitshuffle.so"]]


def test_datasets_of_other_writers_can_be_written_to(plugins, wheel, file, tmp_path):
    script = READ.replace('"r"', '"r+"').replace(
        "right = samples.same(d[()]", "d[:3] = d[:3]; d.flush(); right = samples.same(d[()]"
    )
    copy = tmp_path / "copy.h5"
    copy.write_bytes(file.read_bytes())
    assert run_python(wheel, script, copy, plugin_path=plugins)[:2] == [31, []]
    assert run_python(wheel, READ, copy, plugin_path=plugins)[:2] == [31, []]
