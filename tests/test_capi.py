"""libetalon used from C: right values, a status for every mistake, no malloc after set-up, clean under valgrind and ASan."""

import ctypes
import json
import os

import h5py
import hdf5plugin
import numpy as np
import pytest

from libetalon import Encoder
from programs import TESTS, call, missing, require, run_python, shared_data

# SPEC, stream, element type, and the largest error.
CASES = [
    ("bitshuffle", "-", "<u2", 0),
    ("bitshuffle:compressor=zstd", "-", "<u2", 0),
    ("bitshuffle:compressor=zstd,level=1,block=65536", "-", "<i4", 0),
    ("bitshuffle:compressor=none", "-", "<f4", 0),
    ("dictionary", "-", "u1", 0),
    ("quantise:abs=2", "-", "<u2", 2),
    ("quantise:abs=0.01", "-", "<f4", 0.01),
    ("noise:sigma=1", "-", "<u2", None),
    ("noise:sigma=1", "bitshuffle", "<u2", None),
    ("quantise:abs=2", "bitshuffle:compressor=zstd", ">i4", 2),
    ("sigma-clip:variant=lattice,force", "-", "<u2", None),
    ("sigma-clip:variant=block,force", "-", "<u2", None),
]
IDS = ["%s %s %s" % case[:3] for case in CASES]
SHAPE = (96, 130)


def frames(dtype, count=12, seed=3):
    """Counts whose mean changes from frame to frame, with a few that are much larger."""
    random = np.random.RandomState(seed)
    means = np.resize([0.05, 3, 20], count)[:, None, None]
    values = random.poisson(means, (count, *SHAPE)).astype("f8")
    values[:, ::31, ::17] = 200
    if np.dtype(dtype).kind == "f":
        values += random.standard_normal(values.shape)
    return values.astype(dtype)


@pytest.fixture(scope="module")
def programs(installed, tmp_path_factory):
    """tests/c/capi.c plain and with ASan, and the library that counts mallocs."""
    folder = tmp_path_factory.mktemp("capi")
    source = TESTS / "c/capi.c"
    built = {"plain": installed.build(source, folder / "plain")}
    built["static"] = installed.build(source, folder / "static", static=True)
    asan = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    built["asan"] = installed.build(source, folder / "asan", *asan)
    call([*require("gcc"), "-std=c99", "-O1", "-shared", "-fPIC", TESTS / "c/count_malloc.c", "-o", folder / "count.so"], "")
    built["count"] = folder / "count.so"
    return built


def run_frames(installed, program, case, array, tmp_path, extra_env=None, launcher=()):
    spec, stream, _, _ = case
    array.tofile(tmp_path / "frames.raw")
    args = ["frames", spec, stream, array.dtype.str, tmp_path / "frames.raw", array.itemsize, *array.shape[1:]]
    done = call([*launcher, program, *args], "", {**installed.env, **(extra_env or {})})
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_frames_come_back_within_the_bound_and_without_malloc(installed, programs, tmp_path, case):
    array = frames(case[2])
    said = run_frames(installed, programs["plain"], case, array, tmp_path, {"LD_PRELOAD": str(programs["count"])})
    assert said["counted"] == 1 and (said["encoding"], said["decoding"]) == (0, 0), said
    assert said["frames"] == len(array) and 0 < said["bytes"] <= array.nbytes + 300 * len(array), said
    if case[1] == "-":
        assert (case[3] == 0) == (said["changed"] == 0), said
    if case[3] is not None:
        assert said["worst"] <= case[3], said


def test_the_counter_counts(installed, programs, tmp_path):
    done = call([programs["plain"], "misuse"], "", {**installed.env, "LD_PRELOAD": str(programs["count"])})
    assert done.stdout.startswith("0 failures")
    counter = ctypes.CDLL(str(programs["count"]))
    counter.malloc.restype = ctypes.c_void_p
    before = counter.counted_mallocs()
    counter.malloc(10)
    assert counter.counted_mallocs() == before + 1


@pytest.mark.parametrize("program", ["plain", "static", "asan"])
def test_every_mistake_has_its_status_and_writes_nothing(installed, programs, program):
    done = call([programs[program], "misuse"], "", installed.env)
    assert done.stdout.startswith("0 failures"), done.stdout


@pytest.mark.parametrize("spec", ["bitshuffle:compressor=zstd", "noise:sigma=0.5"])
@pytest.mark.parametrize("slug", ["lambda-m1-series", "jungfrau-mod5"])
def test_frames_of_detectors_need_no_malloc_either(installed, programs, tmp_path, slug, spec):
    with h5py.File(shared_data(slug)) as f:
        found = []
        f.visititems(lambda _, item: found.append(item) if getattr(item, "ndim", 0) > 1 else None)
        data = max(found, key=lambda item: item.size)[:3]
    array = np.ascontiguousarray(data.reshape(-1, *data.shape[-2:])[:3])
    case = (spec, "-", None, None)
    said = run_frames(installed, programs["plain"], case, array, tmp_path, {"LD_PRELOAD": str(programs["count"])})
    assert (said["frames"], said["counted"], said["encoding"], said["decoding"]) == (len(array), 1, 0, 0), said


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_address_sanitizer_finds_nothing(installed, programs, tmp_path, case):
    said = run_frames(installed, programs["asan"], case, frames(case[2], 3), tmp_path)
    assert said["frames"] == 3


@pytest.mark.parametrize("arguments", ["misuse", CASES[1], CASES[6], CASES[8]], ids=str)
def test_valgrind_finds_no_bad_access_and_no_leak(installed, programs, tmp_path, arguments):
    (valgrind,) = require("valgrind")
    launcher = [valgrind, "-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"]
    if arguments == "misuse":
        call([*launcher, programs["plain"], "misuse"], "", installed.env)
    else:
        said = run_frames(installed, programs["plain"], arguments, frames(arguments[2], 2), tmp_path, launcher=launcher)
        assert said["frames"] == 2


@pytest.mark.parametrize("spec", ["bitshuffle", "bitshuffle:compressor=zstd", "noise:sigma=0.5", "dictionary"])
def test_bytes_are_those_that_hdf5_stores_through_the_plugin(installed, plugins, wheel, tmp_path, spec):
    array = frames("<u2", 3)
    encoder = Encoder(installed.load(), spec, array[:1])
    filter_id, values, _ = encoder.filter()
    script = """
import h5py
array = np.load(args[0])
with h5py.File(args[1], "w") as f:
    f.create_dataset("x", data=array, chunks=(1, *array.shape[1:]), compression=int(args[2]), compression_opts=tuple(json.loads(args[3])))
answer(True)
"""
    np.save(tmp_path / "x.npy", array)
    run_python(wheel, script, tmp_path / "x.npy", tmp_path / "x.h5", str(filter_id), json.dumps(values), plugin_path=plugins)
    with h5py.File(tmp_path / "x.h5") as f:
        for i, frame in enumerate(array):
            _, stored = f["x"].id.read_direct_chunk((i, 0, 0))
            assert encoder.encode(frame[None]) == stored, i


@pytest.mark.parametrize("stream", ["bitshuffle", "bitshuffle:compressor=zstd"])
def test_standard_mode_is_read_by_hdf5plugin_and_dectris(installed, tmp_path, stream):
    array = frames("<u2", 3)
    encoder = Encoder(installed.load(), "noise:sigma=1", array[:1], stream)
    filter_id, _, values = encoder.filter()  # hdf5plugin's filter completes them.
    stored = [encoder.encode(frame[None]) for frame in array]
    with h5py.File(tmp_path / "x.h5", "w") as f:
        data = f.create_dataset("x", array.shape, "<u2", chunks=(1, *SHAPE), compression=filter_id, compression_opts=values)
        for i, chunk in enumerate(stored):
            data.id.write_direct_chunk((i, 0, 0), chunk)
    assert filter_id == hdf5plugin.BSHUF_ID
    with h5py.File(tmp_path / "x.h5") as f:
        read = f["x"][()]
    error = np.abs(read.astype("f8") - array)
    assert 0 < error.max() and (error <= np.sqrt(array + 0.375) + 0.5).all(), error.max()
    try:
        from dectris.compression import decompress
    except ImportError:
        missing("dectris-compression is not installed")
    algorithm = "bszstd" if "zstd" in stream else "bslz4"
    for chunk, frame in zip(stored, read):
        assert decompress(chunk, algorithm, elem_size=2) == frame.tobytes()


def test_without_header_the_chunk_lacks_its_first_12_bytes(installed):
    frame = frames("<u2", 1)
    for spec in ("bitshuffle", "bitshuffle:compressor=zstd"):
        encoder = Encoder(installed.load(), spec, frame)
        whole = encoder.encode(frame)
        assert whole[:12] == frame.nbytes.to_bytes(8, "big") + (8192).to_bytes(4, "big")
        assert encoder.encode(frame, flags=1) == whole[12:]


def test_an_encoder_works_in_both_processes_after_fork(installed):
    frame = frames("<u2", 1)
    encoder = Encoder(installed.load(), "bitshuffle:compressor=zstd", frame)
    before = encoder.encode(frame)
    child = os.fork()
    if child == 0:
        os._exit(0 if encoder.encode(frame) == before else 1)
    assert os.waitpid(child, 0)[1] == 0 and encoder.encode(frame) == before


@pytest.mark.parametrize("spec", ["bitshuffle", "counts", "noise:sigma=0.5"])
def test_chunks_that_no_memory_holds_are_refused(installed, spec):
    library = installed.load()
    shape, context, settings = (ctypes.c_size_t * 2)(1 << 23, 1 << 23), ctypes.c_void_p(), 4
    arguments = (spec.encode(), None, b"u2", ctypes.c_size_t(2), shape, None, ctypes.byref(context))
    assert library.etalon_encoder_new(*arguments) == settings
    values = Encoder(library, spec, np.zeros((1, 8, 8), "u2")).filter()[1]
    count, given = ctypes.c_size_t(len(values)), (ctypes.c_uint * len(values))(*values)
    filter_id = 32008 if spec == "bitshuffle" else 59297
    assert library.etalon_decoder_new(filter_id, count, given, ctypes.c_size_t(1 << 47), ctypes.byref(context)) == settings
    assert not context and b"larger than memory" in library.etalon_last_error()
