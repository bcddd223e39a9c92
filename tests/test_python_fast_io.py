"""`read`, `write` and `to_sparse` past HDF5's pipeline: the values that h5py gives, whatever the dataset."""

import os
import threading

import h5etalon
import h5py
import numpy as np
import pytest

SHAPE = (7, 131, 257)
COUNTS = np.random.default_rng(1).poisson(0.3, SHAPE)
CHUNKS = [(1, 131, 257), (2, 50, 60), (3, 131, 7), (7, 1, 257), (1, 1, 1)]
FILTERS = {
    "lz4": lambda: h5etalon.Bitshuffle(),
    "zstd": lambda: h5etalon.Bitshuffle(cname="zstd"),
    "dictionary": lambda: h5etalon.Dictionary(),
    "noise": lambda: h5etalon.Noise(sigma=0.5),
    "round": lambda: h5etalon.Round(h5etalon.Noise(sigma=0.5)),
    "none": lambda: {},
    "gzip": lambda: {"compression": "gzip"},
}
SELECTIONS = [
    (), ..., np.s_[2], np.s_[-1, 4, 5], np.s_[1:5:2, ::3, 5:200:70], np.s_[..., 3], np.s_[3:3], np.s_[1:, 100:],
    np.s_[:, 5, ...], [1, 2], np.s_[:, [3, 9], 4], np.s_[0:100, 0:1000],
]  # fmt: skip


@pytest.fixture(params=["r", "r+", "core", "userblock"])
def reopen(request, tmp_path):
    """Makes a file, and opens it in a way in which its chunks are read differently."""

    def open_with(fill):
        path = tmp_path / "x.h5"
        with h5py.File(path, "w", userblock_size=512 if request.param == "userblock" else 0) as file:
            fill(file)
        options = {"driver": "core", "backing_store": False} if request.param == "core" else {}
        return h5py.File(path, "r+" if request.param == "r+" else "r", **options)

    return open_with


def make(file, name, chunks, filter_name, data=None, **options):
    return file.create_dataset(
        name, data=data, chunks=chunks, **{"shape": SHAPE, "dtype": "u2", **options}, **FILTERS[filter_name]()
    )


def assert_same(dataset, selection, **options):
    expected = dataset[selection]
    found = h5etalon.read(dataset, selection, **options)
    assert type(found) is type(expected) and found.dtype == expected.dtype and found.shape == expected.shape
    assert np.array_equal(found, expected), selection


@pytest.mark.parametrize("name", FILTERS)
def test_selections_are_those_of_h5py(name, reopen):
    def fill(file):
        for chunks in CHUNKS[:3]:
            make(file, str(chunks), chunks, name, COUNTS.astype("u2"))
        sparse = make(file, "sparse", (2, 50, 60), name, fillvalue=7)
        sparse[2:4, 10:70] = COUNTS[2:4, 10:70]

    with reopen(fill) as file:
        for dataset in file.values():
            for selection in SELECTIONS:
                assert_same(dataset, selection, threads=3)


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_chunk_shape_on_any_number_of_threads(chunks, threads, tmp_path):
    shape = SHAPE if chunks != (1, 1, 1) else (3, 5, 7)
    data = COUNTS[: shape[0], : shape[1], : shape[2]].astype("<f4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = make(file, "x", chunks, "lz4", shape=shape, dtype="<f4")
        h5etalon.write(dataset, data, threads=threads)
        assert np.array_equal(dataset[()], data) and np.array_equal(h5etalon.read(dataset, threads=threads), data)


@pytest.mark.parametrize("dtype", ["i1", ">u2", "<i4", ">f8", "u8", "c8", "?", "f2", "S5", [("a", "u1"), ("b", "<f4")]])
def test_elements_of_every_type(dtype, tmp_path):
    values = COUNTS[:2, :20, :30]
    data = np.zeros(values.shape, dtype)
    for field in data.dtype.names or [...]:
        data[field] = values
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = file.create_dataset("x", data=data, chunks=(1, 20, 16), **h5etalon.Bitshuffle())
        written = file.create_dataset("y", data.shape, data.dtype, chunks=(1, 20, 16), **h5etalon.Bitshuffle())
        h5etalon.write(written, data)
        for one in (dataset, written):
            assert_same(one, ())
            assert_same(one, np.s_[1, 3:5])


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("chunks", CHUNKS[:3])
def test_written_chunks_are_those_of_h5py(name, chunks, tmp_path):
    data = COUNTS.astype("u2")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        theirs = make(file, "theirs", chunks, name, data, fillvalue=7)
        ours = make(file, "ours", chunks, name, fillvalue=7)
        h5etalon.write(ours, data, threads=2)
        file.flush()
        assert np.array_equal(ours[()], theirs[()])
        for index in range(theirs.id.get_num_chunks()):
            place = theirs.id.get_chunk_info(index).chunk_offset
            inside = all(at + chunk <= extent for at, chunk, extent in zip(place, chunks, SHAPE))
            chunk, expected = ours.id.read_direct_chunk(place), theirs.id.read_direct_chunk(place)
            assert chunk[0] == expected[0], "filter mask"
            assert chunk[1] == expected[1] or not inside, place


def test_parts_of_a_dataset_are_written(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = make(file, "x", (2, 131, 60), "zstd")
        expected = np.zeros(SHAPE, "u2")
        for selection in (np.s_[2:4], np.s_[6:], np.s_[0:2, :, 60:180], np.s_[1:3, 5:9], np.s_[3], np.s_[4:6, ::2]):
            values = COUNTS[selection].astype("u2") + 1
            h5etalon.write(dataset, values, selection)
            expected[selection] = values
            assert np.array_equal(dataset[()], expected), selection
        h5etalon.write(dataset, 9, np.s_[0:2])
        h5etalon.write(dataset, np.full(SHAPE[1:], 3.7), np.s_[2])
        assert (dataset[0:2] == 9).all() and (dataset[2] == 3).all(), "h5py broadcasts and converts"


def test_threads_without_a_chunk_of_their_own_share_those_there_are(tmp_path):
    data = np.random.default_rng(5).poisson(3, (2, 1200, 1100)).astype("u4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        one, more = (file.create_dataset(name, data.shape, "u4", chunks=(1, 1200, 1100), **h5etalon.Bitshuffle()) for name in "xy")
        h5etalon.write(one, data, threads=1)
        h5etalon.write(more, data, threads=6)
        for at in (0, 1):
            assert one.id.read_direct_chunk((at, 0, 0)) == more.id.read_direct_chunk((at, 0, 0))
        assert np.array_equal(h5etalon.read(more, threads=6), data) and np.array_equal(more[()], data)


def test_values_go_into_an_array_that_is_there(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = make(file, "x", (1, 131, 257), "lz4", COUNTS.astype("u2"))
        out = np.full((3, *SHAPE[1:]), 9, "u2")
        assert h5etalon.read(dataset, np.s_[2:5], out=out) is out and (out == COUNTS[2:5]).all()
        converted = np.empty(SHAPE, "f8")
        assert (h5etalon.read(dataset, out=converted) == COUNTS).all()
        strided = np.zeros((*SHAPE[:2], 2 * SHAPE[2]), "u2")[..., ::2]
        assert (h5etalon.read(dataset, out=strided) == COUNTS).all()
        out.flags.writeable = False
        with pytest.raises((TypeError, ValueError)):
            h5etalon.read(dataset, np.s_[2:5], out=out)


@pytest.mark.parametrize("chunks", CHUNKS[:3])
@pytest.mark.parametrize("name", ["lz4", "gzip"])
def test_sparse_elements_are_those_that_are_not_zero(chunks, name, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = make(file, "x", chunks, name, COUNTS.astype("u2"))
        empty = make(file, "y", chunks, name)
        for selection in ((), np.s_[1:4, ::2], np.s_[3], np.s_[2:2]):
            dense = dataset[selection]
            sparse = h5etalon.to_sparse(dataset, selection, threads=2)
            assert sparse.shape == dense.shape and sparse.value.dtype == dense.dtype
            assert np.array_equal(sparse.index, np.flatnonzero(dense))
            assert np.array_equal(sparse.value, dense.reshape(-1)[sparse.index])
        assert len(h5etalon.to_sparse(empty).index) == 0


def test_datasets_that_are_not_chunked_are_read_by_h5py(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["contiguous"] = COUNTS
        file["scalar"] = 5
        file["empty"] = h5py.Empty("f4")
        file["texts"] = ["a", "bc"]
        assert np.array_equal(h5etalon.read(file["contiguous"], np.s_[2:4]), COUNTS[2:4])
        assert h5etalon.read(file["scalar"]) == 5 and list(h5etalon.read(file["texts"])) == [b"a", b"bc"]
        assert isinstance(h5etalon.read(file["empty"]), h5py.Empty)


def test_a_damaged_chunk_is_named(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        dataset = make(file, "x", (1, 131, 257), "dictionary", COUNTS.astype("u2"))
        info = dataset.id.get_chunk_info(3)
    with open(path, "r+b") as file:
        file.seek(info.byte_offset + info.size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    with h5py.File(path) as file:
        with pytest.raises(OSError, match=r"chunk at \[3, 0, 0\]: .*checksum"):
            h5etalon.read(file["x"])
        assert np.array_equal(h5etalon.read(file["x"], np.s_[:3]), COUNTS[:3])


def test_a_chunk_beyond_the_end_of_the_file_is_an_error(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        make(file, "x", (1, 131, 257), "lz4", COUNTS.astype("u2"))
    with h5py.File(path) as file:
        last = max(file["x"].id.get_chunk_info(at).byte_offset for at in range(7))
        os.truncate(path, last + 10)
        # HDF5 1.12 reads zeros there.
        with pytest.raises(OSError, match="end of the file|chunk is damaged"):
            h5etalon.read(file["x"])


def test_only_the_chunks_that_are_touched_are_read(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = make(file, "x", (1, 131, 257), "dictionary", COUNTS.astype("u2"))
        dataset.id.write_direct_chunk((3, 0, 0), b"no frame")
        assert np.array_equal(h5etalon.read(dataset, np.s_[4:]), COUNTS[4:])
        assert np.array_equal(h5etalon.read(dataset, np.s_[::2]), COUNTS[::2])
        with pytest.raises(OSError):
            h5etalon.read(dataset, np.s_[2:4])


def test_python_goes_on_while_chunks_are_decoded(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = np.random.default_rng(1).integers(0, 1000, (16, 1000, 1000)).astype("u4")
        dataset = file.create_dataset("x", data=data, chunks=(1, 1000, 1000), **h5etalon.Bitshuffle(cname="zstd"))
        steps, done = [0], threading.Event()

        def count():
            while not done.is_set():
                steps[0] += 1

        thread = threading.Thread(target=count)
        thread.start()
        before = steps[0]
        values = h5etalon.read(dataset, threads=2)
        during = steps[0] - before
        done.set()
        thread.join()
        assert during > 100 and np.array_equal(values, data)


def test_several_threads_read_one_file(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = make(file, "x", (1, 131, 257), "lz4", COUNTS.astype("u2"))
        found = {}
        threads = [
            threading.Thread(target=lambda at=at: found.update({at: h5etalon.read(dataset, at)})) for at in range(7)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(np.array_equal(found[at], COUNTS[at]) for at in range(7))


def test_a_negative_number_of_threads_is_a_value_error(tmp_path):
    data = np.ones((4, 20, 30), "u2")
    with h5py.File(tmp_path / "threads.h5", "w") as file:
        dataset = file.create_dataset("data", data=data, chunks=(1, 20, 30), **h5etalon.Bitshuffle())
        for call in (h5etalon.read, h5etalon.to_sparse, lambda *_, **options: h5etalon.write(dataset, data, **options)):
            with pytest.raises(ValueError, match="threads=-1"):
                call(dataset, threads=-1)
