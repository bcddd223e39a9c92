"""bitshuffle:planes, whose zstd frames are written by an encoder of our own: everybody else reads them, and goes on writing."""

import subprocess

import h5py
import numpy as np
import pytest

from programs import NOWHERE, call, require, require_python, run_python, shared_data

PLANES = {"default": (1 << 17, 3, 1, int.from_bytes(b"PLN0", "big")), "chosen": (4096, 3, 1, int.from_bytes(b"PLN1", "big"))}
ARRAYS = """
def arrays():
    random = np.random.default_rng(7)
    for kind in ("u1", "<u2", "<u4", "<i4", "<f4", "<f8", ">u2"):
        for mean in (0.01, 0.3, 20):
            yield "%s-%g" % (kind, mean), random.poisson(mean, (3, 300, 257)).astype(kind), (1, 300, 257)
    for length in (1, 7, 8, 9, 1003, 70001):
        yield "length-%d" % length, random.poisson(0.2, length).astype("<u2"), (length,)
    masked = random.poisson(0.1, (700, 900)).astype("<u4")
    masked[300:330] = 2**32 - 1
    yield "masked", masked, (700, 900)
    yield "zeros", np.zeros((600, 1000), "<u2"), (600, 1000)
    yield "constant", np.full((600, 1000), 0x1234, "<u2"), (600, 1000)
    yield "edges", random.poisson(1, (400, 500)).astype("<u2"), (150, 170)
    yield "noise", np.frombuffer(random.bytes(900000), "<u4"), (225000,)
    yield "planes of 256 KiB", random.poisson(0.05, (1 << 21)).astype("u1"), (1 << 21,)
"""
WRITE = (
    ARRAYS
    + """
import h5py
options = json.loads(args[1])
with h5py.File(args[0], "w", libver="earliest") as f:
    for name, array, chunk in arrays():
        f.create_dataset(name, data=array, chunks=chunk, compression=32008, compression_opts=tuple(options))
answer(served())
"""
)
READ = (
    ARRAYS
    + """
import h5py
if args[1] == "hdf5plugin":
    import hdf5plugin
with h5py.File(args[0], "r") as f:
    wrong = [name for name, array, _ in arrays() if not samples.same(f[name][()], array)]
answer([wrong, served()])
"""
)


@pytest.fixture(scope="module")
def wheels():
    return require_python("wheel", "h5py", "hdf5plugin")


@pytest.fixture(scope="module", params=PLANES)
def file(request, plugins, wheels, tmp_path_factory):
    """Datasets of many kinds, written through our plugin."""
    path = tmp_path_factory.mktemp("planes") / (request.param + ".h5")
    options = str(list(PLANES[request.param]))
    assert run_python(wheels, WRITE, path, options, plugin_path=plugins) == ["libh5etalon_bitshuffle.so"]
    return path


@pytest.mark.parametrize("reader, library", [("hdf5plugin", "libh5bshuf.so"), ("etalon", "libh5etalon_bitshuffle.so")])
def test_each_reader_gives_the_values(plugins, wheels, file, reader, library):
    path = NOWHERE if reader == "hdf5plugin" else plugins
    assert run_python(wheels, READ, file, reader, plugin_path=path) == [[], [library]]


def test_h5dump_of_debian_reads_with_the_plugin_of_hdf5plugin(wheels, file, tmp_path):
    (h5dump,) = require("h5dump")
    folder = run_python(wheels, "import hdf5plugin; answer(hdf5plugin.PLUGIN_PATH)", plugin_path=NOWHERE)
    array = np.random.default_rng(7).poisson(0.01, (3, 300, 257)).astype("u1")
    call([h5dump, "-d", "/u1-0.01", "-b", "LE", "-o", tmp_path / "out.bin", file], folder)
    assert np.array_equal(np.fromfile(tmp_path / "out.bin", "u1"), array.ravel())


def test_the_profile_is_a_seventh_value_behind_those_of_zstd_level_1(file):
    with h5py.File(file, "r") as f:
        stored = f["<u2-0.3"].id.get_create_plist().get_filter(0)[2]
        # 154 200 bytes are one block, of whole groups of 8 elements.
        block = 77104 if file.stem == "default" else 4096
        assert tuple(stored) == (0, 4, 2, block, 3, 1, PLANES[file.stem][3])


def frames(chunk):
    """The zstd frames of a chunk."""
    at, blocked = 12, int.from_bytes(chunk[:8], "big")
    while at < len(chunk) and blocked > 15:
        length = int.from_bytes(chunk[at : at + 4], "big")
        yield chunk[at + 4 : at + 4 + length]
        at += 4 + length
        blocked -= int.from_bytes(chunk[8:12], "big")


def test_the_zstd_command_reads_the_frames(file, tmp_path):
    (zstd,) = require("zstd")
    with h5py.File(file, "r") as f:
        for name in ("<u2-0.01", "<u4-0.3", "masked", "zeros", "planes of 256 KiB"):
            chunk = f[name].id.read_direct_chunk((0,) * f[name].ndim)[1]
            together = b"".join(frames(chunk))
            done = subprocess.run([zstd, "-d", "-c"], input=together, capture_output=True, check=True)
            element_bytes = f[name].dtype.itemsize
            expected = np.prod(f[name].chunks) // 8 * 8 * element_bytes
            assert len(done.stdout) == expected, name


def test_hdf5plugin_goes_on_writing_what_we_began(plugins, wheels, tmp_path):
    path = tmp_path / "x.h5"
    write = """
import h5py
if args[1] == "hdf5plugin":
    import hdf5plugin
frame = lambda i: np.random.default_rng(i).poisson(0.2, (400, 500)).astype("<u2")
if args[1] == "begin":
    with h5py.File(args[0], "w") as f:
        f.create_dataset("x", (2, 400, 500), "<u2", maxshape=(None, 400, 500), chunks=(1, 400, 500), compression=32008,
                         compression_opts=tuple(json.loads(args[2])))
with h5py.File(args[0], "r+") as f:
    first = 0 if args[1] == "begin" else len(f["x"])
    f["x"].resize(first + 2, 0)
    for i in range(first, first + 2):
        f["x"][i] = frame(i)
    answer([all(samples.same(f["x"][i], frame(i)) for i in range(len(f["x"]))), served()])
"""
    for writer, folder, library in [
        ("begin", plugins, "libh5etalon_bitshuffle.so"),
        ("hdf5plugin", NOWHERE, "libh5bshuf.so"),
        ("etalon", plugins, "libh5etalon_bitshuffle.so"),
    ]:
        said = run_python(wheels, write, path, writer, str(list(PLANES["default"])), plugin_path=folder)
        assert said == [True, [library]], writer


def test_hdf5plugin_takes_the_options_of_the_profile(plugins, wheels, tmp_path):
    script = WRITE.replace("import h5py\n", "import h5py, hdf5plugin\n", 1)
    written = run_python(wheels, script, tmp_path / "x.h5", str(list(PLANES["default"])), plugin_path=NOWHERE)
    assert written == ["libh5bshuf.so"]
    assert run_python(wheels, READ, tmp_path / "x.h5", "etalon", plugin_path=plugins)[0] == []


def test_h5repack_keeps_the_profile_and_follows_the_chunk(plugins, file, tmp_path):
    (h5repack,) = require("h5repack")
    if file.stem != "default":
        pytest.skip("the block is the user's")
    copy = tmp_path / "copy.h5"
    call([h5repack, "-l", "edges:CHUNK=400x500", file, copy], plugins)
    with h5py.File(copy, "r") as f:
        assert tuple(f["edges"].id.get_create_plist().get_filter(0)[2]) == (0, 4, 2, 100000, 3, 1, PLANES["default"][3])


# Counts, masks and detector units, among them those in which planes repeat what lies far back.
REAL = [
    ("lambda-m1-series", "/data"),
    ("lambda-m1-series", "/pixel_mask"),
    ("pilatus6m-i03-sparse", "/data"),
    ("arpes-i05", "/data"),
    ("ptycho-siemens-star", "/data"),
    ("knife-edge-percival", "/sample/coarse"),
    ("mask-labels-dsb", "/labels"),
    ("jungfrau-mod5", "/converted"),
    ("tomo-dls-k11", "/data"),
]


@pytest.mark.parametrize("slug, dataset", REAL)
def test_real_data_are_no_longer_than_with_zstd_level_1(plugins, wheels, tmp_path, slug, dataset):
    script = """
import h5py
with h5py.File(args[1], "r") as source, h5py.File(args[0], "w") as f:
    item = source[args[2]]
    frame_bytes = item.nbytes // len(item)
    rows = max(1, (2 << 20) // frame_bytes)
    array = item[:max(rows, (4 << 20) // frame_bytes)]
    chunk = (min(rows, len(array)), *array.shape[1:])
    def stored(name, options):
        kwargs = dict(chunks=chunk, compression=32008, compression_opts=options)
        d = f.create_dataset(name, data=array, **kwargs)
        assert samples.same(d[()], array)
        return d
    planes = stored("planes", tuple(json.loads(args[3])))
    block = planes.id.get_create_plist().get_filter(0)[2][3]
    zstd = stored("zstd", (block, 3, 1))
    answer([d.id.get_storage_size() for d in (planes, zstd)])
"""
    path = shared_data(slug)
    ours, zstd = run_python(wheels, script, tmp_path / "x.h5", path, dataset, str(list(PLANES["default"])), plugin_path=plugins)
    assert ours <= 1.01 * zstd
