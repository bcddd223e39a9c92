"""`etalon recompress --mode standard`: the loss is in the values, and readers need no plugin of ours.

The source is read by h5py as it is. Copies are read by programs that know nothing but hdf5plugin's bitshuffle.
"""

import re
import time

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json, etalon_json_lines
from hdf5_files import bytes_without_times
from programs import NOWHERE, REPO, call, require, require_python, run_python, shared_data

LZ4, ZSTD = "bitshuffle", "bitshuffle:compressor=zstd"
STREAMS = {LZ4: (0, 2), ZSTD: (0, 3, 3), "bitshuffle:compressor=zstd,level=1,block=65536": (65536, 3, 1)}
MASKED = 65535
FILL = -7.5
READ = """
import h5py, hdf5plugin
with h5py.File(args[0], "r") as file:
    np.save(args[2], file[args[1]][()])
answer(served(("libh5etalon",)))
"""


def volume():
    """Floats with NaN, infinities and fill values."""
    random = np.random.RandomState(3)
    y, x = np.mgrid[0:50, 0:71]
    data = np.stack([np.hypot(y - 25, x - 35) < 5 * (i + 2) for i in range(5)]) * 1.0
    data = (data + random.normal(0, 0.03, data.shape)).astype("<f4")
    data[0, :4], data[1, 5, 5], data[1, 5, 6], data[4, 40:, 60:] = np.nan, np.inf, -np.inf, FILL
    return data


def counts():
    """Photon counts with masked pixels and a few bright spots."""
    random = np.random.RandomState(4)
    data = random.poisson(300, (3, 150, 170)).astype("<u2")
    data[:, 40:44] = MASKED
    data[:, 20:140:17, 30] = 9000
    return data


def within(bound):
    return lambda a, b: (np.abs(b - a) <= bound(a)).all()


# SPEC: the data, and whether the values that are not exact keep to the bound.
LOSSY = {
    "quantise:abs=0.01": (volume, within(lambda a: 0.01)),
    "quantise:rel=0.001": (volume, within(lambda a: 0.001 * np.ptp(a))),
    "quantise:pw=0.01": (volume, within(lambda a: 0.01 * np.abs(a))),
    "quantise:bits=8": (volume, within(lambda a: 2.0**-9 * np.exp2(np.ceil(np.log2(np.abs(a)))))),
    "quantise:levels=64": (volume, within(lambda a: np.ptp(a) / 63 / 2 * (1 + 1e-6))),
    "quantise:abs=3,mask=65535": (counts, within(lambda a: 3)),
    "noise:sigma=0.5,mask=65535": (counts, within(lambda a: 0.5 / 2 * np.sqrt(np.maximum(a, 1)) + 1e-9)),
    "noise:sigma=1,mode=unbiased,mask=65535": (counts, within(lambda a: np.sqrt(np.maximum(a, 1)) + 1)),
    "sigma-clip:variant=lattice,kappa=4,sigma=1,mask=65535": (counts, within(lambda a: np.sqrt(np.maximum(a, 1)) / 2)),
}


def write(path, data, chunks, name="entry/data"):
    fill = FILL if data.dtype.kind == "f" else None
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=data, chunks=chunks, compression="gzip", fillvalue=fill)
        file[name].attrs["unit"] = "photons"


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "source.h5", tmp_path / "copy.h5"


def standard(paths, spec, *arguments, **options):
    """Recompresses in standard mode; returns what is said of the first dataset, and of all."""
    events = etalon_json_lines("recompress", *paths, "--codec", spec, "--mode", "standard", *arguments, **options)
    return events[1], events[-1]


def read_without_us(wheel, path, name="entry/data"):
    """The values as a process sees them that has hdf5plugin and nothing of ours."""
    out = path.with_suffix(".npy")
    assert run_python(wheel, READ, path, name, out, plugin_path=NOWHERE) == []
    return np.load(out)


def record(path, name="entry/data"):
    with h5py.File(path, "r") as file:
        found = dict(file[name].attrs)
    return {key.removeprefix("etalon_"): value for key, value in found.items() if key.startswith("etalon_")}


def pipeline(path, name="entry/data"):
    with h5py.File(path, "r") as file:
        plist = file[name].id.get_create_plist()
        return [plist.get_filter(number)[:3] for number in range(plist.get_nfilters())]


def source_sha256(source, copy, name):
    """The function that docs/FORMAT.md gives to users."""
    (text,) = re.findall(r"```python\n(.*?def source_sha256.*?)```", (REPO / "docs/FORMAT.md").read_text(), re.DOTALL)
    found = {}
    exec(text, found)
    return found["source_sha256"](source, copy, name)


def check_record(paths, before, after, said, name="entry/data"):
    """Compares the attributes with what numpy finds."""
    known = record(paths[1], name)
    a, b = before.astype("f8"), after.astype("f8")
    error = np.subtract(b, a, out=np.zeros_like(a), where=np.isfinite(a))
    assert known["max_abs_error"] == said["max_abs_error"] == np.abs(error).max() > 0
    scale = np.abs(error).max()
    assert known["mean_error"] == pytest.approx(error.mean(), abs=1e-12 * scale)
    assert known["rms_error"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-9)
    assert known["source_sha256"] == source_sha256(*paths, name) and len(known["source_sha256"]) == 64
    assert known["source_file"] == "source.h5" and known["synthetic_background"] == 0
    return known


@pytest.mark.parametrize("chunks", [(1, 150, 170), (2, 33, 40), (3, 150, 128)])
@pytest.mark.parametrize("spec", LOSSY)
def test_bounds_hold_exact_values_are_exact_and_the_record_is_true(paths, wheel, spec, chunks):
    make, holds = LOSSY[spec]
    data = make()
    write(paths[0], data, tuple(min(pair) for pair in zip(chunks, data.shape)))
    said, _ = standard(paths, spec)
    back = read_without_us(wheel, paths[1])
    exact = ~np.isfinite(data) | (data == (FILL if data.dtype.kind == "f" else MASKED))
    assert back.dtype == data.dtype and data[exact].tobytes() == back[exact].tobytes()
    assert holds(data[~exact].astype("f8"), back[~exact].astype("f8"))
    known = check_record(paths, data, back, said)
    assert (known["parameters"], known["codec"], known["mode"]) == (spec, spec.split(":")[0], "standard")
    assert known["guarantee"] in "AB" and known["version"].count(".") == 2
    with h5py.File(paths[1], "r") as file:
        assert file["entry/data"].attrs["unit"] == "photons"


@pytest.mark.parametrize("spec", LOSSY)
def test_both_modes_give_the_same_values_and_the_same_record(paths, plugins, wheel, tmp_path, spec):
    data = LOSSY[spec][0]()
    write(paths[0], data, (2, 33, 40))
    standard(paths, spec)
    framed = tmp_path / "max.h5"
    (said,) = etalon_json_lines("recompress", paths[0], framed, "--codec", spec)[1:-1]
    script = "import h5py\nnp.save(args[1], h5py.File(args[0])['entry/data'][()])\nanswer(0)"
    run_python(wheel, script, framed, tmp_path / "max.npy", plugin_path=plugins)
    assert np.load(tmp_path / "max.npy").tobytes() == read_without_us(wheel, paths[1]).tobytes()
    ours, theirs = record(paths[1]), record(framed)
    assert (ours.pop("mode"), theirs.pop("mode")) == ("standard", "max")
    for known in (ours, theirs):
        assert known.pop("ratio") == known["raw_bytes"] / known.pop("stored_bytes") and known["raw_bytes"] == data.nbytes
    assert ours.keys() == theirs.keys() and said["max_abs_error"] == ours["max_abs_error"]
    for key in ours:
        assert np.array_equal(ours[key], theirs[key]) or ours[key] == pytest.approx(theirs[key], rel=1e-12), key


@pytest.mark.parametrize("stream", STREAMS)
def test_streams_are_those_of_the_registered_filter_alone(paths, wheel, stream):
    write(paths[0], counts(), (1, 150, 170))
    said, _ = standard(paths, "noise:sigma=0.5,mask=65535", "--stream", stream)
    assert pipeline(paths[1]) == [(32008, 0, (0, 4, 2, *STREAMS[stream]))]
    assert said["stored_bytes"] < said["raw_bytes"] / 2
    check_record(paths, counts(), read_without_us(wheel, paths[1]), said)


def test_zstd_is_the_default_stream(paths):
    write(paths[0], counts(), (1, 150, 170))
    standard(paths, "noise:sigma=0.5")
    assert pipeline(paths[1]) == [(32008, 0, (0, 4, 2, 0, 3, 3))]


@pytest.mark.parametrize("stream", [LZ4, ZSTD])
def test_h5dump_reads_with_a_foreign_plugin(paths, wheel, stream):
    (h5dump,) = require("h5dump")
    hdf5plugin = pytest.importorskip("hdf5plugin")
    write(paths[0], counts(), (2, 33, 40))
    standard(paths, "quantise:abs=3", "--stream", stream)
    out = paths[1].with_suffix(".bin")
    call([h5dump, "-d", "/entry/data", "-b", "LE", "-o", out, paths[1]], hdf5plugin.PLUGIN_PATH)
    assert np.array_equal(np.fromfile(out, "<u2").reshape(counts().shape), read_without_us(wheel, paths[1]))


@pytest.mark.parametrize("stream", [LZ4, ZSTD])
@pytest.mark.parametrize("program", [
    "import netCDF4\nvalues = netCDF4.Dataset(args[0])['entry/data']\nvalues.set_auto_maskandscale(False)",
    "import tables\nvalues = tables.open_file(args[0]).get_node('/entry/data')",
], ids=["netCDF4", "PyTables"])
def test_netcdf_and_pytables_read_with_a_foreign_plugin(paths, wheel, program, stream):
    hdf5plugin = pytest.importorskip("hdf5plugin")
    require_python("wheel", program.split()[1])
    write(paths[0], counts(), (2, 33, 40))
    standard(paths, "quantise:abs=3", "--stream", stream)
    out = paths[1].with_suffix(".other.npy")
    script = program + "\nnp.save(args[1], np.asarray(values[:]))\nanswer(served(('libh5etalon',)))"
    assert run_python(wheel, script, paths[1], out, plugin_path=hdf5plugin.PLUGIN_PATH) == []
    assert np.array_equal(np.load(out), read_without_us(wheel, paths[1]))


@pytest.mark.parametrize("dtype", ["|u1", "<i2", ">u2", ">i4", "<u8", "<i8", "<f2", ">f4", "<f8"])
def test_every_type_of_number_keeps_its_type_and_its_record(paths, wheel, dtype):
    data = np.random.RandomState(7).poisson(60, (5, 70, 80)).astype(dtype)
    if data.dtype.itemsize == 8 and data.dtype.kind != "f":
        data[0, 0] = 2**62
    if dtype == "<i2":
        data[1] -= 100
    with h5py.File(paths[0], "w") as file:
        file.create_dataset("entry/data", data=data, chunks=(2, 33, 80))
    said, _ = standard(paths, "quantise:abs=2")
    back = read_without_us(wheel, paths[1])
    assert back.dtype == data.dtype and np.abs(back.astype("f8") - data.astype("f8")).max() <= 2
    check_record(paths, data, back, said)


def test_background_from_a_model_is_refused_unless_forced_and_then_flagged(paths, wheel):
    write(paths[0], counts()[:1, :, :], (1, 150, 170))
    spec = "sigma-clip:variant=block,tile=32"
    done = etalon("recompress", *paths, "--codec", spec, "--mode", "standard", code=2)
    assert "variant=lattice" in done.stderr and not paths[1].exists()
    standard(paths, spec + ",force=true")
    known = record(paths[1])
    assert known["synthetic_background"] == 1 and known["guarantee"] == "B"
    assert etalon_json("inspect", paths[1])["datasets"][0]["synthetic_background"] is True
    back = read_without_us(wheel, paths[1]).astype("f8")
    assert known["max_abs_error"] == np.abs(back - counts()[:1]).max() > 0


@pytest.mark.parametrize("arguments, words", [
    (["--codec", "dictionary", "--mode", "standard"], ["dictionary", "--codec bitshuffle"]),
    (["--codec", "bitshuffle", "--mode", "standard", "--stream", "bitshuffle"], ["--stream"]),
    (["--codec", "quantise:abs=1", "--stream", "bitshuffle"], ["--mode standard"]),
    (["--codec", "quantise:abs=1", "--mode", "standard", "--stream", "dictionary"], ["dictionary", "bitshuffle"]),
    (["--codec", "quantise:abs=1", "--mode", "standard", "--stream", "lz4"], ["lz4", "bitshuffle"]),
    (["--codec", "noise:mode=dither", "--mode", "standard"], ["dither"]),
])
def test_what_has_no_standard_form_is_refused_with_a_way_out(paths, arguments, words):
    write(paths[0], counts(), (1, 150, 170))
    done = etalon("recompress", *paths, *arguments, code=2)
    assert all(word in done.stderr for word in words) and not paths[1].exists(), done.stderr


def test_lossless_codecs_are_the_same_in_both_modes_and_leave_no_record(paths, tmp_path):
    since = time.time()
    write(paths[0], counts(), (1, 150, 170))
    said, _ = standard(paths, "bitshuffle")
    etalon("recompress", paths[0], tmp_path / "max.h5", "--codec", "bitshuffle")
    assert said["max_abs_error"] == 0 and record(paths[1]) == {}
    assert bytes_without_times(tmp_path / "max.h5", since) == bytes_without_times(paths[1], since)


def test_the_same_input_gives_the_same_file_whatever_the_number_of_threads(paths, tmp_path):
    since = time.time()
    write(paths[0], counts(), (1, 33, 40))
    for name, jobs in (("a.h5", "1"), ("b.h5", "3")):
        # The convention of reproducible builds: the date is the only thing that differs.
        date = {"SOURCE_DATE_EPOCH": "1700000000"}
        standard((paths[0], tmp_path / name), "noise:sigma=1", "--jobs", jobs, extra_env=date)
    assert bytes_without_times(tmp_path / "a.h5", since) == bytes_without_times(tmp_path / "b.h5", since)


def test_without_verifying_the_loss_is_told_all_the_same(paths, wheel):
    write(paths[0], volume(), (2, 33, 40))
    said, done = standard(paths, "quantise:abs=0.01", "--no-verify")
    check_record(paths, volume(), read_without_us(wheel, paths[1]), said)
    assert done["max_abs_error"] == said["max_abs_error"]


def test_inspect_tells_the_recorded_loss(paths):
    write(paths[0], volume(), (2, 33, 40))
    said, _ = standard(paths, "quantise:abs=0.01")
    (shown,) = etalon_json("inspect", paths[1])["datasets"]
    known = record(paths[1])
    assert (shown["guarantee"], shown["bound_asked"]) == ("A", 0.01) == (known["guarantee"], known["bound_asked"])
    assert shown["max_abs_error"] == said["max_abs_error"] and shown["mean_error"] == known["mean_error"]
    assert shown["exceptions"] == known["exceptions"] and shown["spec"] == ZSTD
    assert "guarantee A, bound asked 0.01" in etalon("inspect", paths[1]).stdout


def test_a_second_loss_is_warned_of_and_both_records_are_kept(paths, wheel, tmp_path):
    data = volume()
    write(paths[0], data, (2, 33, 40))
    first, _ = standard(paths, "quantise:abs=0.01")
    before = record(paths[1])
    again = tmp_path / "again.h5"
    said, done = standard((paths[1], again), "quantise:abs=0.01")
    assert said["max_abs_error"] == 0 and any("quantise:abs=0.01" in text for text in done["warnings"])
    assert read_without_us(wheel, again).tobytes() == read_without_us(wheel, paths[1]).tobytes()
    after = record(again)
    assert {key: after["1_" + key] for key in before if key != "source_sha256_chunk"} == {
        key: value for key, value in before.items() if key != "source_sha256_chunk"
    }
    assert after["max_abs_error"] == 0 and after["source_file"] == "copy.h5"
    third, done = standard((again, tmp_path / "third.h5"), "quantise:abs=0.05")
    assert "etalon_2_" in done["warnings"][0] and third["max_abs_error"] > 0
    (shown,) = etalon_json("inspect", tmp_path / "third.h5")["datasets"]
    assert shown["max_abs_error"] == first["max_abs_error"] + third["max_abs_error"]
    back = read_without_us(wheel, tmp_path / "third.h5")
    finite = np.isfinite(data)
    assert np.abs(back[finite].astype("f8") - data[finite]).max() <= shown["max_abs_error"]


def test_frames_that_become_plain_streams_keep_their_record(paths, wheel, tmp_path):
    write(paths[0], volume(), (2, 33, 40))
    framed = tmp_path / "framed.h5"
    (said,) = etalon_json_lines("recompress", paths[0], framed, "--codec", "quantise:abs=0.01")[1:-1]
    etalon("recompress", framed, paths[1], "--codec", "bitshuffle")
    known = check_record(paths, volume(), read_without_us(wheel, paths[1]), said)
    (shown,) = etalon_json("inspect", paths[1])["datasets"]
    assert shown["max_abs_error"] == known["max_abs_error"] and known["mode"] == "max"


def test_frames_of_another_writer_are_known_to_have_lost(paths, plugins, wheel, tmp_path):
    script = """
import h5py
from etalon_spec import FRAME, options
data = np.random.RandomState(1).normal(0, 1, (4, 96, 128)).astype("f4")
with h5py.File(args[0], "w") as file:
    file.create_dataset("x", data=data, chunks=(1, 96, 128), compression=FRAME, compression_opts=options("quantise:abs=0.01"))
answer(0)
"""
    run_python(wheel, script, paths[0], plugin_path=plugins)
    _, done = standard(paths, "quantise:abs=0.02")
    assert "quantise:abs=0.01" in done["warnings"][0] and record(paths[1], "x")["1_parameters"] == "quantise:abs=0.01"


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("maxshape", [(100, 300), (None, 300), (200, None), (None, None)])
def test_chunks_in_any_order_count_and_those_never_written_with_their_fill_value(paths, wheel, maxshape, libver):
    values = np.full((100, 300), -3.0)
    values[16:64, 64:256] = np.random.RandomState(2).normal(0, 1, (48, 192))
    with h5py.File(paths[0], "w", libver=libver) as file:
        data = file.create_dataset("entry/data", values.shape, "<f8", chunks=(16, 64), maxshape=maxshape, fillvalue=-3)
        for row, column in reversed([(row, column) for row in range(16, 64, 16) for column in range(64, 256, 64)]):
            data.id.write_direct_chunk((row, column), values[row:row + 16, column:column + 64].tobytes())
        assert (data[()] == values).all()
    said, _ = standard(paths, "quantise:abs=0.1")
    back = read_without_us(wheel, paths[1])
    check_record(paths, values, back, said)
    assert (back[values == -3] == -3).all()
    with h5py.File(paths[1], "r") as file:
        assert file["entry/data"].id.get_num_chunks() == 9


def test_a_dataset_without_values_has_a_record_of_no_loss(paths):
    with h5py.File(paths[0], "w") as file:
        file.create_dataset("empty", (0, 512), "<f4", chunks=(64, 512), maxshape=(None, 512))
        file.create_dataset("unwritten", (100, 512), "<f4", chunks=(64, 512), fillvalue=2)
        file.create_dataset("contiguous", (100, 512), "<f4")
    standard(paths, "quantise:abs=0.1", "--dataset", "*")
    for name in ("empty", "unwritten", "contiguous"):
        known = record(paths[1], name)
        assert (known["guarantee"], known["max_abs_error"], known["mean_error"]) == ("lossless", 0, 0)
        assert known["source_sha256"] == source_sha256(*paths, name)


@pytest.mark.parametrize("chunk", ["1,50,71", "5,7,71", "2,33,40"])
def test_other_chunk_shapes_have_a_record_of_their_own_hash(paths, wheel, chunk):
    with h5py.File(paths[0], "w") as file:
        file["entry/data"] = volume()
    said, _ = standard(paths, "quantise:abs=0.01", "--chunk", chunk)
    known = check_record(paths, volume(), read_without_us(wheel, paths[1]), said)
    assert ",".join(map(str, known["source_sha256_chunk"])) == chunk


def test_checksums_of_the_source_are_kept(paths, wheel):
    with h5py.File(paths[0], "w") as file:
        file.create_dataset("entry/data", data=counts(), chunks=(2, 33, 40), fletcher32=True)
    said, _ = standard(paths, "quantise:abs=3")
    assert [each[0] for each in pipeline(paths[1])] == [32008, 3]
    check_record(paths, counts(), read_without_us(wheel, paths[1]), said)


@pytest.mark.parametrize("slug, spec", [
    ("powder-ceo2-pilatus1m", "noise:sigma=0.5,mask=-1;-2"),
    ("tomo-aps-tooth-fbp", "quantise:rel=0.001"),
    ("jungfrau-mod5", "quantise:bits=10"),
])
def test_real_data_keep_their_promise_in_streams_for_all(tmp_path, wheel, slug, spec):
    source, target = shared_data(slug), tmp_path / "copy.h5"
    events = etalon_json_lines("recompress", source, target, "--codec", spec, "--mode", "standard", "--stream", LZ4)
    assert events[-1]["datasets"] > 0
    for said in events[1:-1]:
        name = said["dataset"]
        out = tmp_path / "values.npy"
        run_python(wheel, READ, source, name, out, plugin_path=NOWHERE)
        before, after = np.load(out), read_without_us(wheel, target, name)
        known = record(target, name)
        error = np.abs(after.astype("f8") - before.astype("f8"))
        assert known["max_abs_error"] == said["max_abs_error"] == error[np.isfinite(before)].max()
        assert known["source_sha256"] == source_sha256(source, target, name)
        if spec.startswith("noise"):
            assert (error <= 0.25 * np.sqrt(np.maximum(before, 1)) + 1e-9).all()
            assert (after[before < 0] == before[before < 0]).all()
