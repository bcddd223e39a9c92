"""What the DAQ writer writes in standard mode is read by programs that know nothing of Etalon."""

import h5py
import hdf5plugin
import numpy as np
import pytest

from daq import BUILT, DETECTOR, SMALL, Contents, Soak, built
from etalon_command import etalon, etalon_json
from programs import NOWHERE, call, debian_bitshuffle, missing, require, require_python, run_python

STREAMS = ["bitshuffle", "bitshuffle:compressor=zstd"]


def written(tmp_path_factory, spec):
    """A file with some lossless frames, and how many."""
    folder = tmp_path_factory.mktemp("daq")
    soak = Soak(folder, *SMALL, "--seconds", 30, "--frames-per-file", 40, "--rate", 200, "--spec", spec)
    soak.wait_for(lambda event: event["event"] == "file")
    soak.stop()
    return folder / "0.h5", soak.files[0]["frames_written"]


@pytest.fixture(scope="module", params=STREAMS)
def standard(request, tmp_path_factory):
    return (*written(tmp_path_factory, request.param), request.param)


def test_h5py_with_hdf5plugin_reads_every_frame(standard):
    path, count, _ = standard
    contents = Contents(path, 0)
    assert contents.right == list(range(count)) and count == 40
    with h5py.File(path) as f:
        data = f[DETECTOR]["data"]
        names = [data.id.get_create_plist().get_filter(i)[:1] for i in range(data.id.get_create_plist().get_nfilters())]
        assert names == [(32008,)]


@pytest.mark.parametrize("python", ["wheel", "wheel-1.14", "debian-1.10"])
def test_h5py_reads_through_the_plugins_of_hdf5plugin_alone(standard, python):
    path, count, _ = standard
    script = """
import h5py, zlib
with h5py.File(args[0], "r") as f:
    data = f["entry/data/data"]
    frames = [data[i].tobytes() for i in range(len(data))]
answer([int.from_bytes(frame[:8], "little") for frame in frames
        if zlib.crc32(frame[16:]) == int.from_bytes(frame[8:16], "little")])
"""
    said = run_python(require_python(python), script, path, plugin_path=hdf5plugin.PLUGIN_PATH)
    assert said == list(range(count))


def test_dectris_compression_decodes_the_chunks(standard):
    path, count, stream = standard
    try:
        from dectris.compression import decompress
    except ImportError:
        missing("dectris-compression is not installed")
    algorithm = "bszstd" if "zstd" in stream else "bslz4"
    with h5py.File(path) as f:
        data = f[DETECTOR]["data"]
        for index in (0, count - 1):
            mask, chunk = data.id.read_direct_chunk((index, 0, 0))
            assert mask == 0 and decompress(chunk, algorithm, elem_size=4) == data[index].tobytes()


def test_h5dump_and_h5repack_read_through_the_plugins_of_hdf5plugin(standard, tmp_path):
    path, count, _ = standard
    h5dump, h5repack = require("h5dump", "h5repack")
    raw, plain = tmp_path / "raw", tmp_path / "plain.h5"
    call([h5dump, "-d", "/entry/data/data", "-b", "LE", "-o", raw, path], hdf5plugin.PLUGIN_PATH)
    call([h5repack, "-f", "NONE", path, plain], hdf5plugin.PLUGIN_PATH)
    with h5py.File(path) as f, h5py.File(plain) as g:
        values = f[DETECTOR]["data"][()]
        assert len(values) == count and np.array_equal(np.fromfile(raw, "<u4").reshape(values.shape), values)
        assert np.array_equal(g[DETECTOR]["data"][()], values)
        assert g[DETECTOR]["data"].id.get_create_plist().get_nfilters() == 0


def test_h5dump_and_debians_h5py_read_lz4_through_debians_bitshuffle(standard, tmp_path):
    path, count, stream = standard
    if stream != "bitshuffle":
        pytest.skip("Debian's bitshuffle 0.3.5 is older than bitshuffle's zstd")
    plugin_path = debian_bitshuffle()
    (h5dump,) = require("h5dump")
    raw = tmp_path / "raw"
    call([h5dump, "-d", "/entry/data/data", "-b", "LE", "-o", raw, path], plugin_path)
    with h5py.File(path) as f:
        values = f[DETECTOR]["data"][()]
    assert len(values) == count and np.array_equal(np.fromfile(raw, "<u4").reshape(values.shape), values)
    script = """
import h5py
with h5py.File(args[0], "r") as f:
    total = int(f["entry/data/data"][()].astype("u8").sum())
answer([total, served()])
"""
    said = run_python(require_python("debian-1.10"), script, path, plugin_path=plugin_path)
    assert said == [int(values.astype("u8").sum()), ["libh5bshuf.so"]]


def test_nexus_groups_lead_a_reader_to_the_frames(standard):
    path, count, _ = standard
    with h5py.File(path) as f:
        classes = {name: f[name].attrs["NX_class"] for name in ("entry", "entry/instrument", DETECTOR, "entry/data")}
        assert list(classes.values()) == ["NXentry", "NXinstrument", "NXdetector", "NXdata"]
        plot = f[f.attrs["default"]][f["entry"].attrs["default"]]
        assert plot[plot.attrs["signal"]] == f[DETECTOR]["data"]
        assert plot["frame_number"][()].tolist() == list(range(count))
        start, end = f["entry/start_time"][()], f["entry/end_time"][()]
        assert b"2020" < start <= end and len(start) == 20 and f[DETECTOR]["timestamp"].attrs["units"] == "ns"


def test_what_a_killed_writer_left_is_read_by_hdf5_1_10(tmp_path):
    soak = Soak(tmp_path, *SMALL, "--producers", 1, "--seconds", 60, "--rate", 200, "--flush-ms", 20)
    live = soak.wait_for(lambda event: event["event"] == "live" and event["frames_flushed"] >= 30)
    soak.process.kill()
    soak.end()
    script = """
import h5py
with h5py.File(args[0], "r", swmr=True) as f:
    data = f["entry/data/data"]
    answer([int(data[i, 0, 0]) for i in range(len(f["entry/data/frame_number"]))])
"""
    python = require_python("debian-1.10")
    said = run_python(python, script, tmp_path / "0.h5", plugin_path=hdf5plugin.PLUGIN_PATH)
    assert len(said) >= live["frames_flushed"] and said == list(range(len(said)))


LOSSES = [("quantise:abs=2", 2.0), ("noise:sigma=0.5", None)]


@pytest.mark.parametrize("stream", [[], ["bitshuffle"]], ids=["max", "standard"])
@pytest.mark.parametrize("spec, bound", LOSSES)
def test_a_loss_is_recorded_for_every_frame_and_for_the_file(plugins, wheel, tmp_path, spec, bound, stream):
    path = tmp_path / "x.h5"
    producer = built(BUILT / "examples/daq_producer")
    said = call([producer, path, 1, 8, spec, *stream], NOWHERE).stdout.splitlines()[-1]
    assert "in 8 written 8 lost 0" in said
    script = """
import h5py
with h5py.File(args[0], "r") as f:
    detector = f["entry/instrument/detector"]
    data = detector["data"]
    record = {key: np.asarray(value).tolist() for key, value in data.attrs.items()}
    columns = {name: detector[name][()].tolist() for name in ("max_abs_error", "sum_error", "sum_squared_error")}
    answer([record, columns, int(data[3].astype("u8").sum()), data.size])
"""
    plugin_path = hdf5plugin.PLUGIN_PATH if stream else plugins
    record, columns, total, size = run_python(wheel, script, path, plugin_path=plugin_path)
    assert record["etalon_parameters"] == spec and record["etalon_mode"] == ("standard" if stream else "max")
    worst = max(columns["max_abs_error"])
    assert record["etalon_max_abs_error"] == worst > 0 and total > 0
    if bound:
        assert worst <= bound == record["etalon_bound_asked"] and record["etalon_bound_unit"] == "absolute"
    assert record["etalon_mean_error"] == pytest.approx(sum(columns["sum_error"]) / size)
    assert record["etalon_rms_error"] == pytest.approx((sum(columns["sum_squared_error"]) / size) ** 0.5)
    assert "worst error %g" % worst in said
    etalon("inspect", path, "--deep")
    (found,) = [item for item in etalon_json("inspect", path)["datasets"] if item["dataset"].endswith("data/data")]
    assert found["max_abs_error"] == worst
    assert found["guarantee"] == record["etalon_guarantee"] in ("A", "B")


def test_the_producer_keeps_up_with_its_rate_or_says_what_it_lost(tmp_path):
    path = tmp_path / "x.h5"
    said = call([built(BUILT / "examples/daq_producer"), path, 1, 60], NOWHERE).stdout.splitlines()[-1]
    words = said.split()
    offered, kept, lost = int(words[1]), int(words[3]), int(words[5])
    assert offered == kept + lost == 60
    with h5py.File(path) as f:
        numbers = f[DETECTOR]["frame_number"][()]
        assert (numbers != 2**64 - 1).sum() == kept == f[DETECTOR].attrs["frames_written"]
