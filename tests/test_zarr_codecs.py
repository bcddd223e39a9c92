"""The filters as codecs of numcodecs and of Zarr formats 2 and 3: the chunks are those of HDF5, in either direction."""

import io
import json
import subprocess
import sys

import h5etalon
import h5py
import hdf5plugin
import numcodecs
import numpy as np
import pytest
import zarr
from h5etalon.numcodecs import Bshuf, Etalon, EtalonRound
from h5etalon.zarr import BshufCodec, EtalonCodec, EtalonRoundCodec, EtalonSerializer

# Neither extent is a multiple of the chunk's.
FRAMES = np.random.default_rng(5).poisson(30, (5, 70, 90)).astype("u2")
CHUNKS = (2, 32, 64)
BSHUF = [{}, {"cname": "zstd"}, {"cname": "zstd", "clevel": 7, "nelems": 512}, {"cname": "none"}]
# What a codec may change at most.
SPECS = {"dictionary": 0, "counts": 0, "predict": 0, "auto": 0, "quantise:abs=3": 3, "noise:sigma=0.5,mask=200": 10}
DTYPES = ["u2", ">u2", "<i4", ">i4", "u1", "f4", ">f8"]


def stored_and_reopened(values, **options):
    """A Zarr array in memory with some chunks never written, and the same opened from its metadata alone."""
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(store, shape=values.shape, chunks=CHUNKS, dtype=values.dtype, **options)
    array[:3] = values[:3]
    return zarr.open_array(store, mode="r")


def expected(values, fill=0):
    kept = values.copy()
    kept[3:] = fill
    return kept


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("settings", BSHUF, ids=str)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_bitshuffle_round_trips_in_arrays(dtype, settings, zarr_format):
    values = FRAMES.astype(dtype) if np.dtype(dtype).itemsize > 1 else (FRAMES % 200).astype(dtype)
    codec = Bshuf(values.itemsize, **settings) if zarr_format == 2 else BshufCodec(**settings)
    array = stored_and_reopened(values, zarr_format=zarr_format, compressors=codec, fill_value=7)
    assert np.array_equal(array[:], expected(values, 7))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_frames_round_trip_in_arrays(dtype, spec, zarr_format):
    values = FRAMES.astype(dtype)
    own = (
        {"compressors": Etalon(spec)}
        if zarr_format == 2
        else {"compressors": None, "serializer": EtalonSerializer(spec)}
    )
    array = stored_and_reopened(values, zarr_format=zarr_format, fill_value=0, **own)
    error = np.abs(array[:].astype(float) - expected(values))
    assert error.max() <= SPECS[spec] and (error.max() > 0) == (SPECS[spec] > 0)
    assert array.dtype.newbyteorder("=") == values.dtype.newbyteorder("=")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_fill_values_stay_exact_beside_a_loss(zarr_format):
    values = FRAMES.copy()
    values[:, 5:9] = 65535
    own = (
        {"compressors": Etalon("noise:sigma=2", fill=65535)}
        if zarr_format == 2
        else {"compressors": None, "serializer": EtalonSerializer("noise:sigma=2")}
    )
    array = stored_and_reopened(values, zarr_format=zarr_format, fill_value=65535, **own)
    assert (array[:3, 5:9] == 65535).all() and (array[3:] == 65535).all()
    assert (array[:3] != values[:3]).any()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_nan_is_a_fill_value_as_any(zarr_format):
    values = FRAMES.astype("f4")
    values[:, 5:9] = np.nan
    spec = "quantise:abs=0.5"
    own = (
        {"compressors": Etalon(spec, fill=np.nan)}
        if zarr_format == 2
        else {"serializer": EtalonSerializer(spec), "compressors": None}
    )
    array = stored_and_reopened(values, zarr_format=zarr_format, fill_value=np.nan, **own)
    assert np.isnan(array[:3, 5:9]).all() and np.isnan(array[3:]).all()
    assert np.nanmax(np.abs(array[:3] - values[:3])) <= 0.5 and np.isnan(array[:3]).sum() == 3 * 4 * 90


@pytest.mark.parametrize("dtype", ["?", "M8[ns]", "c8", "S5"])
def test_elements_that_are_no_numbers_are_kept(dtype):
    values = (FRAMES > 30) if dtype == "?" else FRAMES.astype("i8").astype(dtype)
    codec = {"compressors": Etalon("dictionary"), "fill_value": np.zeros((), dtype)[()]}
    array = stored_and_reopened(values, zarr_format=2, **codec)
    assert np.array_equal(array[:3], values[:3])


@pytest.mark.parametrize("dtype", ["c8", ">c16", "M8[s]", ">M8[s]", "U3", ">U3", "S5", "?"])
@pytest.mark.parametrize("codec", [
    {"serializer": EtalonSerializer("auto"), "compressors": None}, {"compressors": EtalonCodec("dictionary")},
    {"compressors": BshufCodec()},
], ids=str)  # fmt: skip
@pytest.mark.filterwarnings("ignore:The data type")
def test_elements_that_are_no_numbers_have_their_values_in_format_3_whatever_their_byte_order(dtype, codec):
    values = (FRAMES > 30) if dtype == "?" else FRAMES.astype("i8").astype(dtype)
    array = stored_and_reopened(values, fill_value=np.zeros((), dtype)[()], **codec)
    assert np.array_equal(array[:3], values[:3])


def test_arrays_in_the_order_of_fortran_round_trip():
    for codec in (Bshuf(2, cname="zstd"), Etalon("dictionary"), Etalon("quantise:abs=2")):
        array = stored_and_reopened(FRAMES, zarr_format=2, order="F", compressors=codec, fill_value=0)
        assert np.abs(array[:3].astype(int) - FRAMES[:3]).max() <= 2


def test_a_rounding_filter_comes_before_a_compressor_that_everybody_has():
    array = stored_and_reopened(
        FRAMES, zarr_format=2, filters=[EtalonRound("quantise:abs=3")], compressors=numcodecs.Zlib(1), fill_value=0
    )
    frames = stored_and_reopened(FRAMES, zarr_format=2, compressors=Etalon("quantise:abs=3"), fill_value=0)
    assert np.array_equal(array[:], frames[:]) and (array[:3] != FRAMES[:3]).any()


def test_shards_hold_our_chunks():
    for own in ({"compressors": BshufCodec()}, {"serializer": EtalonSerializer("dictionary"), "compressors": None}):
        array = zarr.create_array(
            zarr.storage.MemoryStore(), shape=(8, 64, 128), chunks=CHUNKS, shards=(4, 64, 128), dtype="u2", **own
        )
        values = np.resize(FRAMES, (8, 64, 128))
        array[:] = values
        assert np.array_equal(array[:], values)


@pytest.mark.parametrize("codec", [
    Bshuf(4, 512, "zstd", 7), Bshuf(), Etalon("noise:sigma=0.5"), Etalon("quantise:abs=1", "<u2", (3, 4), 65535),
    EtalonRound("quantise:abs=1"), EtalonRound(),
], ids=repr)  # fmt: skip
def test_settings_are_json_and_back_in_numcodecs(codec):
    config = json.loads(json.dumps(codec.get_config()))
    again = numcodecs.get_codec(config)
    assert type(again) is type(codec) and again == codec and again.get_config() == codec.get_config()


@pytest.mark.parametrize("codec", [
    BshufCodec(4, 512, "zstd", 7), BshufCodec(), EtalonCodec("dictionary"), EtalonRoundCodec("noise:sigma=1"), EtalonRoundCodec(),
    EtalonSerializer(h5etalon.Noise(sigma=0.5)),
], ids=repr)  # fmt: skip
def test_settings_are_json_and_back_in_zarr(codec):
    data = json.loads(json.dumps(codec.to_dict()))
    cls = zarr.registry.get_codec_class(data["name"])
    assert cls is type(codec) and cls.from_dict(data) == codec


def chunk_of_hdf5(**filter_kwargs):
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        return file.create_dataset("x", data=FRAMES, chunks=FRAMES.shape, **filter_kwargs).id.read_direct_chunk(
            (0, 0, 0)
        )[1]


@pytest.mark.parametrize(
    "settings", [{"cname": "lz4"}, {"cname": "zstd", "clevel": 5}, {"cname": "lz4", "nelems": 256}], ids=str
)
def test_chunks_of_hdf5plugin_and_ours_interchange(settings):
    hdf5plugin.register("bshuf")
    try:
        assert "etalon" not in h5etalon.served_by(32008)
        theirs = chunk_of_hdf5(**hdf5plugin.Bitshuffle(**settings))
        codec = Bshuf(2, **settings)
        decoded = np.frombuffer(codec.decode(theirs), "u2").reshape(FRAMES.shape)
        assert np.array_equal(decoded, FRAMES)
        ours = codec.encode(FRAMES)
        assert ours.tobytes() == theirs
        memory = io.BytesIO()
        with h5py.File(memory, "w") as file:
            dataset = file.create_dataset(
                "x", FRAMES.shape, "u2", chunks=FRAMES.shape, **hdf5plugin.Bitshuffle(**settings)
            )
            dataset.id.write_direct_chunk((0, 0, 0), ours)
        with h5py.File(memory) as file:
            assert np.array_equal(file["x"][()], FRAMES)
    finally:
        h5etalon.register("bshuf")


def test_frames_of_hdf5_and_ours_are_the_same_bytes():
    stored = chunk_of_hdf5(**h5etalon.Quantise(abs=2))
    assert Etalon("quantise:abs=2").encode(FRAMES).tobytes() == stored
    assert np.array_equal(np.frombuffer(Etalon().decode(stored), "u2").reshape(FRAMES.shape), h5etalon.decode(stored))
    out = np.empty(FRAMES.nbytes, "u1")
    assert (
        np.shares_memory(Etalon().decode(stored, out), out)
        and (out.view("u2") == h5etalon.decode(stored).ravel()).all()
    )


def test_damaged_chunks_are_errors():
    for codec in (Bshuf(2), Etalon("dictionary")):
        stored = bytes(codec.encode(FRAMES))
        for damaged in (b"", stored[:5], stored[:-1], b"\xff" * 8 + stored[8:], b"\x7f" + stored[1:]):
            with pytest.raises((OSError, ValueError)):
                codec.decode(damaged)
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(
        store, shape=(4, 6), chunks=(4, 6), dtype="u2", serializer=EtalonSerializer(), compressors=None
    )
    array[:] = 1
    larger = h5etalon.encode(np.ones((400, 600), "u2"), "dictionary").tobytes()
    store._store_dict["c/0/0"] = zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(larger)
    with pytest.raises(OSError, match="480000 bytes where the array's chunks have 48"):
        array[:]


def test_modules_for_other_packages_are_there_when_they_are_asked_for():
    script = "import h5etalon, sys; assert 'zarr' not in sys.modules; print(h5etalon.zarr.BshufCodec, h5etalon.numcodecs.Bshuf)"
    assert (
        "h5etalon.zarr.BshufCodec"
        in subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    )
    script = "import sys; sys.modules['zarr'] = None; import h5etalon; h5etalon.zarr"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "AttributeError: h5etalon.zarr needs pip install h5etalon[zarr]" in done.stderr


@pytest.mark.parametrize("mistake, words", [
    (lambda: Bshuf(2, cname="zip"), "known: none, lz4, zstd"),
    (lambda: Bshuf(2, nelems=12), "multiple of 8"),
    (lambda: Bshuf(0), "1 to 65536"),
    (lambda: Bshuf().encode(FRAMES), "needs elementsize"),
    (lambda: Bshuf().decode(Bshuf(2).encode(FRAMES)), "needs elementsize"),
    (lambda: Etalon("nois"), "did you mean 'noise'"),
    (lambda: Etalon("dictionary").encode(np.array([{}, []], object)), "Python objects"),
    (lambda: EtalonRound("dictionary"), "lossless"),
    (lambda: EtalonRound().encode(FRAMES), "needs the spec of a codec"),
    (lambda: EtalonSerializer("quantise"), "exactly one of"),
    (lambda: BshufCodec.from_dict({"name": "zstd"}), "expected codec numcodecs.bshuf"),
    (lambda: stored_and_reopened(FRAMES, compressors=EtalonCodec("noise:sigma=1")), "EtalonSerializer"),
    (lambda: stored_and_reopened(FRAMES.astype("c8"), compressors=None, serializer=EtalonSerializer("noise:sigma=1")),
     "not numbers this codec knows"),
])  # fmt: skip
def test_mistakes_say_what_is_allowed(mistake, words):
    with pytest.raises(ValueError, match=words):
        mistake()
