"""`etalon recompress` on every kind of chunk: filters, masks, holes, edges, other shapes."""

import zlib

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json_lines, program
from watching import run_and_watch

RANDOM = np.random.RandomState(5)
COUNTS = RANDOM.poisson(2, (9, 50, 71)).astype("<u2")


@pytest.fixture(autouse=True)
def plugin_path(plugins):
    """This process reads through the plugin too."""
    h5py.h5pl.prepend(str(plugins).encode())
    yield
    h5py.h5pl.remove(0)


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "source.h5", tmp_path / "copy.h5"


def create(path, data=COUNTS, name="entry/data", **options):
    with h5py.File(path, "a") as file:
        file.create_dataset(name, data=data, **options)


def copy(paths, *arguments, codec="bitshuffle", **options):
    """Recompresses and returns what is said of the datasets and of all."""
    events = etalon_json_lines("recompress", *paths, "--codec", codec, *arguments, **options)
    return events[1:-1], events[-1]


def chunks(dataset):
    """Coordinates and stored size of every chunk in the file."""
    info = [dataset.id.get_chunk_info(number) for number in range(dataset.id.get_num_chunks())]
    return {each.chunk_offset: (each.size, each.filter_mask) for each in info}


def filters(dataset):
    plist = dataset.id.get_create_plist()
    return [plist.get_filter(number)[:3] for number in range(plist.get_nfilters())]


def check_copy(paths, expected=COUNTS, name="entry/data"):
    with h5py.File(paths[0], "r") as before, h5py.File(paths[1], "r") as after:
        data = after[name]
        assert data.dtype == before[name].dtype and data.maxshape == before[name].maxshape
        assert data[()].tobytes() == expected.tobytes()
        return data.chunks, filters(data), chunks(data)


@pytest.mark.parametrize("options", [
    {},
    {"compression": "gzip"},
    {"compression": "gzip", "shuffle": True, "compression_opts": 9},
    {"compression": "gzip", "fletcher32": True},
    {"fletcher32": True},
    {"shuffle": True},
    {"scaleoffset": 0},
    {"compression": 32008, "compression_opts": (0, 2)},
    {"compression": 32008, "compression_opts": (4096, 3, 9)},
], ids=str)
@pytest.mark.parametrize("dtype", ["<u2", ">i4", "<f8", "u1"])
@pytest.mark.parametrize("codec", ["bitshuffle", "bitshuffle:compressor=zstd,level=9"])
def test_every_pipeline_comes_back(paths, options, dtype, codec):
    data = COUNTS.astype(dtype)
    if "scaleoffset" in options and dtype == "<f8":
        options = {"scaleoffset": 3}  # Three decimals of whole numbers.
    create(paths[0], data, chunks=(2, 33, 40), **options)
    _, done = copy(paths, codec=codec)
    chunk, pipeline, stored = check_copy(paths, data)
    size = data.dtype.itemsize
    settings = (0, 4, size, 0, 2) if codec == "bitshuffle" else (0, 4, size, 0, 3, 9)
    assert pipeline[0] == (32008, 0, settings) and chunk == (2, 33, 40)
    assert [each[0] for each in pipeline[1:]] == ([3] if "fletcher32" in options else [])
    assert len(stored) == 20 and done["stored_bytes"] == sum(bytes for bytes, _ in stored.values())


def test_filters_of_other_plugins_are_read_where_the_plugin_is(paths):
    hdf5plugin = pytest.importorskip("hdf5plugin")
    hdf5plugin.register("blosc", force=True)  # One that HDF5 found by itself cannot write.
    create(paths[0], np.tile(COUNTS, (4, 1, 1)), chunks=(3, 50, 71), **hdf5plugin.Blosc(cname="zstd"))
    _, done = copy(paths)
    assert done["datasets"] == 0 and "32001" in done["warnings"][0] and "hdf5plugin" in done["warnings"][0]
    etalon("recompress", *paths, "--codec", "bitshuffle", "--dataset", "/entry/data", "--force", code=3)
    _, done = copy(paths, "--force", plugin_path=hdf5plugin.PLUGIN_PATH)
    assert done["datasets"] == 1 and not done["warnings"]
    check_copy(paths, np.tile(COUNTS, (4, 1, 1)))


def test_a_filter_that_hdf5_was_built_without_is_left_with_a_warning(paths):
    create(paths[0], chunks=(2, 33, 40), compression="szip")
    _, done = copy(paths)
    if done["datasets"] == 0:
        assert "szip" in done["warnings"][0]
    check_copy(paths)


def test_filter_masks_are_honoured(paths):
    frames = np.tile(COUNTS, (3, 10, 1))[:6]
    with h5py.File(paths[0], "w") as file:
        options = {"chunks": (1, *frames.shape[1:]), "shuffle": True, "compression": "gzip"}
        data = file.create_dataset("entry/data", frames.shape, "<u2", **options)
        for number, frame in enumerate(frames):
            shuffled = frame.view("u1").reshape(-1, 2).T.tobytes()
            mask = number % 4
            body = frame.tobytes() if mask & 1 else shuffled
            data.id.write_direct_chunk((number, 0, 0), body if mask & 2 else zlib.compress(body), mask)
        assert (data[()] == frames).all()
    copy(paths)
    _, _, stored = check_copy(paths, frames)
    assert {mask for _, mask in stored.values()} == {0}


@pytest.mark.parametrize("arguments, expected", [
    ([], {(0, 0), (40, 300), (90, 300)}),
    (["--chunk", "20,100"], {(0, 0), (0, 100), (0, 200), (40, 300), (40, 400), (40, 500), (80, 300), (80, 400), (80, 500)}),
])
def test_chunks_that_were_never_written_stay_away(paths, arguments, expected):
    with h5py.File(paths[0], "w") as file:
        options = {"chunks": (10, 300), "maxshape": (None, 700), "compression": "gzip", "fillvalue": -7}
        data = file.create_dataset("entry/data", (100, 700), "<i4", **options)
        data[3, 5], data[45, 300:310], data[99, 400] = 1, 2, 3
        expected_values = data[()]
    _, done = copy(paths, *arguments)
    _, _, stored = check_copy(paths, expected_values)
    assert set(stored) == expected
    with h5py.File(paths[1], "r") as file:
        assert file["entry/data"].fillvalue == -7


@pytest.mark.parametrize("maxshape", [(200, None, 160), (200, 300, None), (None, 300, 160), (100, 300, None)])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("arguments", [["--dataset", "entry/data"], ["--dataset", "other"]])
def test_any_dimension_may_be_unlimited(paths, maxshape, libver, arguments):
    """HDF5 names wrong places for chunks of an extensible array whose unlimited dimension is not the first."""
    with h5py.File(paths[0], "w", libver=libver) as file:
        options = {"chunks": (16, 64, 40), "maxshape": maxshape, "fillvalue": 9}
        data = file.create_dataset("entry/data", (100, 300, 160), "<u2", **options, compression=32008, compression_opts=(0, 2))
        data[20:90, 70:260, 50:] = RANDOM.poisson(2, (70, 190, 110))
        written, expected = data.id.get_num_chunks(), data[()]
        file["other"] = COUNTS
    etalon("recompress", *paths, "--codec", "bitshuffle", *arguments)
    with h5py.File(paths[1], "r") as file:
        assert (file["entry/data"][()] == expected).all()
        assert file["entry/data"].id.get_num_chunks() == written


def test_a_dataset_without_any_chunk_stays_empty(paths):
    with h5py.File(paths[0], "w") as file:
        file.create_dataset("entry/data", (100, 700), "<i4", chunks=(10, 300), compression="gzip", fillvalue=5)
        file.create_dataset("contiguous", (100, 700), "<f8")
        file.create_dataset("grows", (0, 512), "<f8", chunks=(64, 512), maxshape=(None, 512))
    events, done = copy(paths, "--dataset", "*")
    assert [each["chunks"] for each in events] == [0, 0, 0] and done["ratio"] == 0
    with h5py.File(paths[1], "r") as file:
        assert all(not chunks(file[name]) for name in ("entry/data", "contiguous", "grows"))
        assert (file["entry/data"][()] == 5).all() and file["grows"].shape == (0, 512)


@pytest.mark.parametrize("shape, chunk, expected", [
    ((9, 50, 71), "1,50,71", (1, 50, 71)),
    ((9, 50, 71), "4,7,100", (4, 7, 71)),
    ((9, 50, 71), "9,1,1", (9, 1, 1)),
    ((9, 50, 71), "1000,1000,1000", (9, 50, 71)),
    ((9 * 50, 71), "64,64", (64, 64)),
])
@pytest.mark.parametrize("own", [None, (2, 33, 40)])
def test_other_chunk_shapes(paths, shape, chunk, expected, own):
    data = COUNTS.reshape(shape)
    options = {"chunks": own[:len(shape)], "compression": "gzip"} if own else {}
    create(paths[0], data, **options)
    create(paths[0], RANDOM.poisson(1, 60_000), name="line", chunks=(999,))
    copy(paths, "--chunk", chunk)
    assert check_copy(paths, data)[0] == expected
    with h5py.File(paths[1], "r") as file:
        assert file["line"].chunks == (999,) and filters(file["line"])[0][0] == 32008


@pytest.mark.parametrize("shape, expected", [
    ((30, 256, 512), (4, 256, 512)),
    ((3, 1024, 1024), (1, 1024, 1024)),
    ((3000, 500), (1048, 500)),
    ((2_000_000,), (524_288,)),
])
def test_datasets_without_chunks_get_frames_or_a_mebibyte(paths, shape, expected):
    data = RANDOM.poisson(1, shape).astype("<u2")
    create(paths[0], data)
    copy(paths)
    assert check_copy(paths, data)[0] == expected


def test_small_datasets_and_text_stay_unless_named(paths):
    with h5py.File(paths[0], "w") as file:
        file["small"], file["text"] = np.arange(100), np.full(5000, b"some text")
    _, done = copy(paths)
    assert done["datasets"] == 0
    events, _ = copy(paths, "--force", "--dataset", "small", "--dataset", "/t*")
    assert [each["dataset"] for each in events] == ["/small", "/text"]
    for name in ("small", "text"):
        with h5py.File(paths[0], "r") as file:
            values = file[name][()]
        check_copy(paths, values, name)


@pytest.mark.parametrize("name, reason", [("words", "variable length"), ("one", "single value"), ("virtual", "virtual")])
def test_what_cannot_be_recompressed_is_refused_by_name(paths, name, reason):
    create(paths[0])
    with h5py.File(paths[0], "a") as file:
        file.create_dataset("words", data=["a", "b"] * 9000, dtype=h5py.string_dtype())
        file["one"] = 1
        layout = h5py.VirtualLayout(COUNTS.shape, "<u2")
        layout[...] = h5py.VirtualSource(file["entry/data"])
        file.create_virtual_dataset("virtual", layout)
    done = etalon("recompress", *paths, "--codec", "bitshuffle", "--dataset", "/" + name, code=2)
    assert reason in done.stderr and not paths[1].exists()


def test_memory_does_not_grow_with_the_dataset(paths):
    with h5py.File(paths[0], "w") as file:
        data = file.create_dataset("entry/data", (400, 512, 1024), "<u2", chunks=(1, 512, 1024), compression="gzip")
        data[0] = RANDOM.poisson(1, (512, 1024))
        _, stored = data.id.read_direct_chunk((0, 0, 0))
        for number in range(1, 400):
            data.id.write_direct_chunk((number, 0, 0), stored)
    code, _, peak = run_and_watch([program(), "recompress", *paths, "--codec", "bitshuffle", "--jobs", "2"])
    assert code == 0 and peak < 100 << 20, "%d bytes for a dataset of 400 MiB" % peak
