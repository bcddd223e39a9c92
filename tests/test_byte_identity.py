"""Our chunks are those of hdf5plugin 7.1 byte for byte (LZ4 1.10.0, zstd 1.5.7), and each decodes the other's.

hdf5plugin registers itself on import, we are found on HDF5_PLUGIN_PATH; each writes in a process of its own, which says
whose library it had mapped. Chunks are then compared as they lie in the files. bitshuffle's and DECTRIS' own libraries
are the independent judges.
"""

import h5py
import pytest

from programs import NOWHERE, require_python, run_python, shared_data

# Lengths in elements: a block and its neighbours, tails of 1 to 7, fewer than one group of 8.
LENGTHS = (1, 7, 8, 9, 128, 1003, 4096, 8197)
WRITE = """
import h5py
if args[0] == "hdf5plugin":
    import hdf5plugin
OPTIONS = {"lz4": (0, 2), "lz4-block": (128, 2), "zstd": (0, 3, 3), "zstd-1": (0, 3, 1), "zstd-19": (0, 3, 19)}
OPTIONS["none"] = (0, 0)
def arrays():
    if args[2] == "made":
        for size in (1, 2, 3, 4, 5, 6, 7, 8, 16, 24):
            for length in json.loads(args[3]):
                yield "%d-%d" % (size, length), samples.array("V%d" % size, (length,)), (length,)
        yield "noise", np.frombuffer(np.random.RandomState(5).bytes(80000), "<u4"), (20000,)
        yield "zeros", np.zeros(30000, "<f8"), (30000,)
        yield "edges", samples.array("<u2", (50, 61)), (16, 20)
    else:
        with h5py.File(args[2], "r") as f:
            array = f[args[3]][:2] if f[args[3]].ndim > 2 else f[args[3]][()]
        yield "frames", array, (1,) * (array.ndim - 2) + array.shape[-2:]
with h5py.File(args[1], "w") as f:
    for name, array, chunk in arrays():
        f["raw/" + name] = array
        for option in OPTIONS if args[2] == "made" else ("lz4", "zstd"):
            kwargs = dict(chunks=chunk, compression=32008, compression_opts=OPTIONS[option])
            f.create_dataset(option + "/" + name, data=array, **kwargs)
answer(served())
"""
READ = """
import h5py
if args[0] == "hdf5plugin":
    import hdf5plugin
wrong = []
def check(name, item):
    if isinstance(item, h5py.Dataset) and not name.startswith("raw/"):
        if not samples.same(item[()], f["raw/" + name.split("/", 1)[1]][()]):
            wrong.append(name)
with h5py.File(args[1], "r") as f:
    f.visititems(check)
answer([wrong, served()])
"""
LIBRARY = {"etalon": "libh5etalon_bitshuffle.so", "hdf5plugin": "libh5bshuf.so"}
REAL = [
    ("lambda-m1-series", "data"),
    ("pilatus6m-thaumatin-grid", "data"),
    ("jungfrau-mod5", "raw"),
    ("jungfrau-mod5", "converted"),
    ("tomo-aps-tooth", "exchange/data"),
    ("tomo-dls-k11", "data"),
    ("ct-bone-shell", "bone"),
    ("cfd-baler", "animation"),
]


def both_write(plugins, folder, source, what):
    """The same data written by both; each file is then read by the other."""
    wheels = require_python("wheel", "h5py", "hdf5plugin")
    files = {writer: folder / (writer + ".h5") for writer in LIBRARY}
    for writer, file in files.items():
        path = plugins if writer == "etalon" else NOWHERE
        assert run_python(wheels, WRITE, writer, file, source, what, plugin_path=path) == [LIBRARY[writer]]
    return files


def read_by_the_other(plugins, files):
    wheels = require_python("wheel", "h5py", "hdf5plugin")
    for reader, library in LIBRARY.items():
        file = files["hdf5plugin" if reader == "etalon" else "etalon"]
        path = plugins if reader == "etalon" else NOWHERE
        assert run_python(wheels, READ, reader, file, plugin_path=path) == [[], [library]]


def chunks_of(path):
    """(dataset, offset) → (filter mask, bytes) of every compressed chunk. Needs no filter."""
    chunks = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset) and not name.startswith("raw/"):
            for i in range(item.id.get_num_chunks()):
                offset = item.id.get_chunk_info(i).chunk_offset
                chunks[name, offset] = item.id.read_direct_chunk(offset)

    with h5py.File(path, "r") as f:
        f.visititems(collect)
    return chunks


def assert_identical(files):
    ours, theirs = (chunks_of(files[writer]) for writer in ("etalon", "hdf5plugin"))
    assert ours.keys() == theirs.keys() and ours
    assert [key for key in ours if ours[key] != theirs[key]] == []


@pytest.fixture(scope="module")
def made(plugins, tmp_path_factory):
    return both_write(plugins, tmp_path_factory.mktemp("identity"), "made", list(LENGTHS))


def test_chunks_of_every_element_size_and_tail_are_identical(made):
    assert_identical(made)


def test_each_reads_what_the_other_wrote(plugins, made):
    read_by_the_other(plugins, made)


@pytest.mark.parametrize("slug, dataset", REAL)
def test_chunks_of_real_data_are_identical_and_read_by_the_other(plugins, tmp_path, slug, dataset):
    files = both_write(plugins, tmp_path, shared_data(slug), dataset)
    assert_identical(files)
    read_by_the_other(plugins, files)


def test_the_bitshuffle_library_makes_and_reads_the_same_blocks(made):
    script = """
import bitshuffle, h5py
wrong, compared = [], 0
with h5py.File(args[0], "r") as f:
    for name, raw in f["raw"].items():
        raw = raw[()]
        if raw.ndim > 1:
            continue
        for option, block in (("lz4", 0), ("lz4-block", 128), ("zstd", 0)):
            chunk = np.frombuffer(f[option][name].id.read_direct_chunk((0,))[1], "u1")
            header, stream = chunk[:12], chunk[12:]
            decode = bitshuffle.decompress_zstd if option == "zstd" else bitshuffle.decompress_lz4
            if decode(stream, raw.shape, raw.dtype, block).tobytes() != raw.tobytes():
                wrong.append(["decode", option, name])
            # Its zstd is an older one with bytes of its own.
            if option != "zstd" and bitshuffle.compress_lz4(raw, block).tobytes() != stream.tobytes():
                wrong.append(["encode", option, name])
            if int.from_bytes(header[:8].tobytes(), "big") != raw.nbytes:
                wrong.append(["length", option, name])
            compared += 1
answer([compared, wrong])
"""
    compared, wrong = run_python(require_python("wheel", "bitshuffle"), script, made["etalon"], plugin_path=NOWHERE)
    assert compared == 3 * (10 * len(LENGTHS) + 2) and wrong == []


def test_the_dectris_library_reads_our_chunks(made):
    script = """
from dectris.compression import decompress
import h5py
wrong, compared = [], 0
with h5py.File(args[0], "r") as f:
    for name, raw in f["raw"].items():
        raw = raw[()]
        if raw.ndim > 1:
            continue
        for option, method in (("lz4", "bslz4"), ("lz4-block", "bslz4"), ("zstd", "bszstd")):
            chunk = f[option][name].id.read_direct_chunk((0,))[1]
            if decompress(chunk, method, elem_size=raw.dtype.itemsize) != raw.tobytes():
                wrong.append([option, name])
            compared += 1
answer([compared, wrong])
"""
    compared, wrong = run_python(
        require_python("wheel", "dectris.compression"), script, made["etalon"], plugin_path=NOWHERE
    )
    assert compared == 3 * (10 * len(LENGTHS) + 2) and wrong == []


@pytest.mark.parametrize("release", ["regression_0.1.3", "regression_0.4.0"])
def test_files_of_old_bitshuffle_releases_are_read(plugins, python, release):
    folder = shared_data("compat-bitshuffle").parent / "orig"
    script = """
import h5py
with h5py.File(args[0], "r") as f:
    pairs = [(f[group][name][()], f["original"][name][()]) for group in f if group != "original" for name in f[group]]
    answer([len(pairs), all(samples.same(a, b) for a, b in pairs)])
"""
    count, right = run_python(python, script, folder / (release + ".h5"), plugin_path=plugins)
    assert count >= 21 and right
