"""Chunks in memory: what `encode` makes is what HDF5 stores, and `inspect` says what was lost."""

import h5etalon
import h5py
import numpy as np
import pytest

FRAME = np.random.default_rng(3).poisson(40, (90, 110)).astype("u2")
SPECS = ["bitshuffle", "bitshuffle:compressor=zstd,level=5", "dictionary", "noise:sigma=1", "quantise:abs=2"]


def stored_by_h5py(spec):
    made = h5etalon.Bitshuffle(cname="zstd", clevel=5) if "zstd" in spec else h5etalon.Bitshuffle()
    options = made if spec.startswith("bitshuffle") else h5etalon.Etalon(spec)
    with h5py.File("x.h5", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset("x", data=FRAME, chunks=FRAME.shape, **options)
        file.flush()
        return dataset.id.read_direct_chunk((0, 0))[1], dataset[()]


@pytest.mark.parametrize("spec", SPECS)
def test_a_chunk_is_that_of_hdf5_and_decodes_to_its_values(spec):
    chunk, values = stored_by_h5py(spec)
    assert h5etalon.encode(FRAME, spec).tobytes() == chunk
    assert h5etalon.encode(np.asfortranarray(FRAME), spec).tobytes() == chunk
    for buffer in (chunk, memoryview(chunk), bytearray(chunk), np.frombuffer(chunk, "u1")):
        decoded = h5etalon.decode(buffer, spec if spec.startswith("bit") else None, dtype="u2", shape=FRAME.shape)
        assert decoded.dtype == FRAME.dtype and np.array_equal(decoded, values)


def test_memory_of_the_caller_is_used():
    out = np.full(FRAME.nbytes + 1000, 9, "u1")
    chunk = h5etalon.encode(FRAME, h5etalon.Dictionary(), out=out)
    assert np.shares_memory(chunk, out) and (out[len(chunk) :][-100:] == 9).all()
    frame = np.empty_like(FRAME)
    assert h5etalon.decode(chunk, out=frame) is frame and np.array_equal(frame, FRAME)


@pytest.mark.parametrize("spec", SPECS)
def test_threads_inside_a_chunk_change_no_byte(spec):
    frame = np.random.default_rng(4).poisson(40, (1500, 1401)).astype("u2")
    expected = h5etalon.encode(frame, spec)
    like = {"codec": spec if spec.startswith("bit") else None, "dtype": "u2", "shape": frame.shape}
    values = h5etalon.decode(expected, **like)
    for threads in (2, 3):
        assert np.array_equal(h5etalon.encode(frame, spec, threads=threads), expected)
        assert np.array_equal(h5etalon.decode(expected, threads=threads, **like), values)


def test_fill_values_are_kept():
    frame = FRAME.copy()
    frame[3:5] = 65535
    chunk = h5etalon.encode(frame, "noise:sigma=2", fill=65535)
    assert (h5etalon.decode(chunk)[3:5] == 65535).all()


def test_inspect_tells_bound_and_loss():
    chunk = h5etalon.encode(FRAME, "quantise:abs=2")
    info = h5etalon.inspect(chunk)
    lost = np.abs(h5etalon.decode(chunk).astype(int) - FRAME)
    assert (info["codec"], info["dtype"], info["shape"]) == ("quantise", "<u2", FRAME.shape)
    found = info["certificate"]
    assert (found["guarantee"], found["bound_unit"], found["bound_asked"]) == ("A", "absolute", 2)
    assert found["max_abs_error"] == lost.max() > 0 and found["sum_squared_error"] == (lost**2).sum()
    assert h5etalon.inspect(h5etalon.encode(FRAME, "dictionary"))["certificate"] is None


@pytest.mark.parametrize("mistake, error, words", [
    (lambda: h5etalon.decode(b"12345678"), ValueError, "give the codec, dtype and shape"),
    (lambda: h5etalon.inspect(b"12345678"), OSError, "truncated"),
    (lambda: h5etalon.inspect(bytes(100)), OSError, "no Etalon frame"),
    (lambda: h5etalon.decode(h5etalon.encode(FRAME, "bitshuffle")[:-1], "bitshuffle", out=FRAME.copy()), OSError,
     "truncated"),
    (lambda: h5etalon.decode(h5etalon.encode(FRAME, "bitshuffle"), "bitshuffle", dtype="u2", shape=(3,)), ValueError,
     "6 bytes where 19800"),
    (lambda: h5etalon.decode(h5etalon.encode(FRAME, "dictionary"), out=np.empty(3)), ValueError, "holds"),
    (lambda: h5etalon.encode(FRAME, "quantise"), ValueError, "exactly one of"),
    (lambda: h5etalon.encode(FRAME.astype("S3"), "noise:sigma=1"), ValueError, "not numbers this codec knows"),
    (lambda: h5etalon.encode(FRAME, "bitshuffle", out=np.empty(5, "u1")), ValueError, "output buffer"),
    # An older NumPy has no such array.
    (lambda: h5etalon.encode(np.zeros((1,) * 33), "dictionary"), ValueError, "33 dimensions|maximum supported dim"),
])  # fmt: skip
def test_mistakes_and_damage_are_told_apart(mistake, error, words):
    with pytest.raises(error, match=words):
        mistake()


@pytest.mark.parametrize("codec", ["dictionary", "auto", "bitshuffle"])
@pytest.mark.parametrize("dtype", ["?", "c8", ">c16", "S3", "U2", "M8[s]", [("a", "<u2"), ("b", ">f4")]])
def test_elements_that_are_no_numbers_are_what_the_caller_says(codec, dtype):
    values = np.arange(12).astype("i8").astype(dtype) if not isinstance(dtype, list) else np.ones(12, dtype)
    chunk = h5etalon.encode(values, codec)
    found = h5etalon.decode(chunk, codec, dtype=values.dtype, shape=values.shape)
    assert found.dtype == values.dtype and found.tobytes() == values.tobytes()
    if codec != "bitshuffle":
        bare = h5etalon.decode(chunk)
        assert bare.dtype == "V%d" % values.itemsize and bare.tobytes() == values.tobytes()
        assert h5etalon.decode(chunk, out=np.empty_like(values)).tobytes() == values.tobytes()


@pytest.mark.parametrize("codec", [None, "dictionary", h5etalon.Counts()])
@pytest.mark.parametrize("how", [
    {"dtype": "i2"}, {"dtype": ">u2"}, {"dtype": "O"}, {"shape": (110, 90)}, {"out": np.empty((90, 55), "f4")},
    {"out": np.empty((90, 110), "i2")}, {"dtype": "f4", "shape": (90, 55)},
])  # fmt: skip
def test_a_frame_is_not_handed_out_as_something_else(codec, how):
    with pytest.raises(ValueError, match=r"holds \(90, 110\) elements of <u2"):
        h5etalon.decode(h5etalon.encode(FRAME, "dictionary"), codec, **how)


def test_python_objects_are_refused():
    with pytest.raises(ValueError, match="Python objects"):
        h5etalon.encode(np.array([1, "a"], object), "bitshuffle")
