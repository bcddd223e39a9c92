"""`etalon recompress` says in the file who did what to which data, and what it cost."""

import json
import re
import time
from datetime import datetime

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json, etalon_json_lines
from hdf5_files import bytes_without_times
from nexus_files import COUNTS, DARK, write_nexus
from programs import NOWHERE, REPO, call, missing, require, run_python

NOISE = "noise:sigma=0.5"


@pytest.fixture
def paths(tmp_path):
    return write_nexus(tmp_path / "raw/source.h5"), tmp_path / "small.h5"


@pytest.fixture(autouse=True)
def plugin_path(plugins):
    """This process reads through the plugin too."""
    h5py.h5pl.prepend(str(plugins).encode())
    yield
    h5py.h5pl.remove(0)


def recompress(source, target, *arguments):
    return etalon_json_lines("recompress", source, target, "--codec", *arguments)[-1]


def plain(value):
    """A field as Python has it."""
    value = value[()]
    return value.decode() if isinstance(value, bytes) else [each.decode() for each in value] if value.dtype == object else value


def fields(group):
    return {name: plain(group[name]) for name in group if isinstance(group[name], h5py.Dataset)}


def test_the_group_stands_in_the_entry_and_says_what_happened(paths):
    done = recompress(*paths, NOISE)
    with h5py.File(paths[1]) as file:
        process = file["entry/compression"]
        known, numbers = fields(process), fields(process["parameters"])
        assert {name: process[name].attrs["NX_class"] for name in ("parameters", "configuration", "source")} == {
            "parameters": "NXparameters", "configuration": "NXnote", "source": "NXnote"}
        assert process.attrs["NX_class"] == "NXprocess" and known["program"] == "etalon" and known["sequence_index"] == 1
        assert datetime.fromisoformat(known["date"]).tzinfo and known["version"]
        assert numbers["datasets"] == ["/entry/data/dark", "/entry/data/data"] and numbers["spec"] == NOISE
        errors = {name: file["entry/data"][name][()].astype(float) - raw for name, raw in (("data", COUNTS), ("dark", DARK))}
        everything = np.concatenate([each.ravel() for each in errors.values()])
        assert numbers["max_abs_error"] == np.abs(everything).max() > 0
        assert numbers["mean_error"] == pytest.approx(everything.mean(), abs=1e-12)
        assert numbers["rms_error"] == pytest.approx(np.sqrt((everything**2).mean()))
        assert (numbers["bound_asked"], numbers["bound_unit"], numbers["losses"]) == (0.5, "sigma", 1)
        assert numbers["max_sigma_error"] <= 0.5 and numbers["guarantee"] == "A"
        stored = sum(file["entry/data"][name].id.get_storage_size() for name in errors)
        assert (numbers["raw_bytes"], numbers["stored_bytes"]) == (COUNTS.nbytes + DARK.nbytes, stored)
        assert numbers["ratio"] == done["ratio"] and process["parameters/ratio"].attrs["units"] == "1"
        assert all(process["parameters"][name].attrs["description"] for name in numbers)
        configuration = json.loads(plain(process["configuration/data"]))
        assert configuration["codec"] == NOISE and plain(process["configuration/type"]) == "application/json"
        assert plain(process["source/file_name"]) == str(paths[0].resolve())
        hashes = [file[path].attrs["etalon_source_sha256"] for path in numbers["datasets"]]
        assert numbers["source_sha256"] == hashes and len(set(hashes)) == 2


def test_units_of_errors_are_those_of_the_data(paths):
    recompress(*paths, NOISE, "--dataset", "/entry/data/data")
    with h5py.File(paths[1]) as file:
        assert file["entry/compression/parameters/max_abs_error"].attrs["units"] == "counts"


@pytest.mark.parametrize("texts", [str, np.bytes_])
def test_attributes_of_the_dataset_need_no_look_into_the_group(tmp_path, texts):
    source, target = write_nexus(tmp_path / "raw/a.h5", texts=texts), tmp_path / "b.h5"
    recompress(source, target, NOISE)
    with h5py.File(target) as file:
        data = file["entry/data/data"]
        assert data.attrs["etalon_process"] == "/entry/compression"
        assert data.attrs["etalon_raw_bytes"] == COUNTS.nbytes
        assert data.attrs["etalon_stored_bytes"] == data.id.get_storage_size()
        assert data.attrs["etalon_ratio"] == COUNTS.nbytes / data.id.get_storage_size()


def test_a_second_loss_is_warned_of_and_both_are_recorded(paths, tmp_path):
    recompress(*paths, NOISE)
    again, third = tmp_path / "again.h5", tmp_path / "third.h5"
    done = etalon("recompress", paths[1], again, "--codec", "noise:sigma=1", "--json")
    warnings = json.loads(done.stdout.splitlines()[-1])["warnings"]
    assert len(warnings) == 2 and all("/entry/data/" in text and NOISE in text for text in warnings)
    assert all("warning: " + text in done.stderr for text in warnings)
    recompress(again, third, "bitshuffle")
    with h5py.File(third) as file:
        steps = [file["entry"][name] for name in ("compression", "compression_2", "compression_3")]
        assert [plain(step["sequence_index"]) for step in steps] == [1, 2, 3]
        assert [plain(step["parameters/spec"]) for step in steps] == [NOISE, "noise:sigma=1", "bitshuffle"]
        assert [plain(step["parameters/losses"]) for step in steps] == [1, 2, 2]
        assert plain(steps[2]["parameters/guarantee"]) == "lossless"
        known = file["entry/data/data"].attrs
        assert (known["etalon_1_process"], known["etalon_process"]) == ("/entry/compression", "/entry/compression_2")


def test_the_sequence_goes_on_from_the_processes_of_others(paths):
    with h5py.File(paths[0], "a") as file:
        other = file.create_group("entry/reduction/compression")
        other.attrs["NX_class"] = np.bytes_("NXprocess")
        other["sequence_index"], file["entry/compression"] = np.int32([7]), "mine"
    recompress(*paths, NOISE)
    with h5py.File(paths[1]) as file:
        assert plain(file["entry/compression_2/sequence_index"]) == 8 and plain(file["entry/compression"]) == "mine"


@pytest.mark.parametrize("settings", [{"scaleoffset": 2}, {}])
def test_losses_of_others_are_warned_of(tmp_path, settings):
    source = tmp_path / "source.h5"
    with h5py.File(source, "w") as file:
        data = file.create_dataset("data", data=COUNTS.astype("f4"), chunks=(1, 100, 120), **settings)
        if not settings:
            data.attrs["_QuantizeBitGroomNumberOfSignificantDigits"] = 3
    (warning,) = recompress(source, tmp_path / "copy.h5", "quantise:abs=1")["warnings"]
    assert "/data may have lost values before" in warning
    assert recompress(source, tmp_path / "lossless.h5", "bitshuffle")["warnings"] == []


def test_lossless_copies_have_the_group_in_nexus_files_only(paths, tmp_path):
    recompress(*paths, "bitshuffle")
    plain_file = tmp_path / "plain.h5"
    with h5py.File(plain_file, "w") as file:
        file["data"] = COUNTS
    recompress(plain_file, tmp_path / "lossless.h5", "bitshuffle")
    recompress(plain_file, tmp_path / "lossy.h5", NOISE)
    with h5py.File(paths[1]) as file:
        assert plain(file["entry/compression/parameters/max_abs_error"]) == 0
        assert not [name for name in file["entry/data/data"].attrs if name.startswith("etalon_")]
    with h5py.File(tmp_path / "lossless.h5") as file:
        assert list(file) == ["data"]
    with h5py.File(tmp_path / "lossy.h5") as file:
        assert list(file) == ["compression", "data"] and file["data"].attrs["etalon_process"] == "/compression"


def test_no_provenance_leaves_the_tree_as_it_is(paths):
    recompress(*paths, NOISE, "--no-provenance")
    with h5py.File(paths[0]) as before, h5py.File(paths[1]) as after:
        names = []
        before.visit(names.append)
        after.visit(lambda name: names.remove(name))
        assert not names and "etalon_process" not in after["entry/data/data"].attrs
        assert after["entry/data/data"].attrs["etalon_parameters"] == NOISE


def test_metrics_that_were_measured_are_recorded(paths, tmp_path):
    result = tmp_path / "result.json"
    spec = "quantise:abs=8"
    measured = etalon_json("measure", str(paths[0]) + "::/entry/data/data", "-c", spec, "-c", NOISE, "--metrics", "psnr,ssim")
    result.write_text(json.dumps(measured))
    recompress(*paths, spec, "--measured", result)
    (row,) = [row for row in measured["datasets"] if row["codec"] == spec]
    with h5py.File(paths[1]) as file:
        numbers = file["entry/compression/parameters"]
        assert plain(numbers["psnr"]) == row["metrics"]["psnr"] and numbers["psnr"].attrs["units"] == "dB"
        assert json.loads(file["entry/data/data"].attrs["etalon_metrics"]) == row["metrics"]
        assert "etalon_metrics" not in file["entry/data/dark"].attrs
    done = etalon("recompress", *paths, "--codec", "quantise:abs=9", "--measured", result, "--force", code=2)
    assert "quantise:abs=9" in done.stderr


def test_the_date_is_the_only_thing_that_differs(paths, tmp_path):
    since = time.time()
    date = {"SOURCE_DATE_EPOCH": "1700000000"}
    for name in ("a.h5", "b.h5"):
        etalon("recompress", paths[0], tmp_path / name, "--codec", NOISE, extra_env=date)
    assert bytes_without_times(tmp_path / "a.h5", since) == bytes_without_times(tmp_path / "b.h5", since)
    with h5py.File(tmp_path / "a.h5") as file:
        assert plain(file["entry/compression/date"]) == "2023-11-14T22:13:20Z"


def test_the_copy_is_verified_against_its_source(paths):
    recompress(*paths, NOISE)
    answer = etalon_json("verify", paths[1], "--against", paths[0])
    compared = {row["dataset"]: row["compared"] for row in answer["datasets"]}
    assert answer["holds"] and compared["/entry/data/data"] and compared["/entry/data/dark"]


def test_fields_of_the_group_are_no_data_unless_named(paths):
    """They are in no original, and nobody wants them in a table of datasets."""
    recompress(*paths, NOISE)
    listed = [row["dataset"] for row in etalon_json("inspect", paths[1], "--dataset", "/entry/*")["datasets"]]
    assert "/entry/data/data" in listed and not [path for path in listed if "compression" in path]
    (named,) = etalon_json("inspect", "%s::/entry/compression/date" % paths[1])["datasets"]
    assert named["dataset"] == "/entry/compression/date"


def test_a_validator_of_nexus_finds_nothing_to_complain_of(paths):
    nxcheck = REPO / ".venv-icat/bin/nxcheck"
    if not nxcheck.exists():
        missing("no nxcheck: make .venv-icat/.stamp")
    recompress(*paths, NOISE)
    recompress(paths[1], paths[1].with_name("again.h5"), NOISE)
    for group in ("compression", "compression_2"):
        said = call([nxcheck, paths[1].with_name("again.h5"), "-p", "/entry/" + group], NOWHERE).stdout
        assert "Total number of warnings: 0" in said and "Total number of errors: 0" in said, said
    with h5py.File(paths[1], "r+") as file:
        file["entry/compression/date"][()] = "yesterday"
    # It does look.
    assert "not a valid NX_DATE_TIME" in call([nxcheck, paths[1], "-p", "/entry/compression"], NOWHERE).stdout


def test_hdf5_tools_and_old_readers_take_the_group(paths, plugins, python, tmp_path):
    require("h5dump", "h5repack")
    recompress(*paths, NOISE)
    shown = call(["h5dump", "-d", "/entry/compression/parameters/spec", paths[1]], plugins).stdout
    assert NOISE in shown
    repacked = tmp_path / "repacked.h5"
    call(["h5repack", "-f", "GZIP=1", paths[1], repacked], plugins)
    script = """
import h5py
with h5py.File(args[0], "r") as file:
    process = file["entry/compression"]
    answer([int(process["sequence_index"][()]), float(process["parameters/ratio"][()]), sorted(process)])
"""
    for file in (paths[1], repacked):
        index, ratio, names = run_python(python, script, file, plugin_path=plugins)
        assert index == 1 and ratio > 1
        assert names == ["configuration", "date", "parameters", "program", "sequence_index", "source", "version"]


def test_netcdf_reads_a_copy_with_the_group(tmp_path, plugins):
    (ncdump,) = require("ncdump")
    source, target = tmp_path / "a.nc", tmp_path / "b.nc"
    netcdf = pytest.importorskip("netCDF4")
    with netcdf.Dataset(source, "w") as file:
        for name, size in zip("tyx", COUNTS.shape):
            file.createDimension(name, size)
        file.createVariable("counts", "u2", tuple("tyx"), zlib=True)[:] = COUNTS
    recompress(source, target, "quantise:abs=2", "--mode", "standard")
    said = call([ncdump, "-h", target], plugins).stdout
    assert "group: compression" in said and re.search(r"counts:etalon_ratio = ", said)
