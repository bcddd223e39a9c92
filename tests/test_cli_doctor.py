"""`etalon doctor` says what HDF5 does: which plugin it takes, which it cannot load, and what a file lacks."""

import json
import os
import shutil
import sys

import h5py
import numpy as np
import pytest
from programs import NOWHERE, require, call, run_python, shared_data
from etalon_command import etalon, etalon_json

CRASHES = "__attribute__((constructor)) static void crash(void) { *(volatile int *)0 = 1; }"
EXITS = "#include <stdlib.h>\n__attribute__((constructor)) static void leave(void) { _Exit(3); }"
NO_PLUGIN = "int answer(void) { return 42; }"
NO_INFO = "int H5PLget_plugin_type(void) { return 0; }\nconst void *H5PLget_plugin_info(void) { return 0; }"
UNRESOLVED = "void nobody(void); void *H5PLget_plugin_info(void) { nobody(); return 0; }"


def filter_source(code):
    """A filter that does nothing, as the smallest plugin there is."""
    return """
#include <stddef.h>
typedef struct { int version, id; unsigned encoder, decoder; const char *name; void *a, *b, *filter; } class;
static size_t pass(unsigned f, size_t n, const unsigned *v, size_t bytes, size_t *size, void **buf) { return bytes; }
static class the_class = {1, %d, 1, 1, "toy; see nowhere", 0, 0, (void *)pass};
int H5PLget_plugin_type(void) { return 0; }
const void *H5PLget_plugin_info(void) { return &the_class; }
""" % code


@pytest.fixture
def build(tmp_path):
    """Compiles C into a shared library."""
    require("gcc")

    def compile_to(path, source, *options):
        path.parent.mkdir(exist_ok=True)
        code = tmp_path / "code.c"
        code.write_text(source)
        call(["gcc", "-shared", "-fPIC", "-w", *options, "-o", path, code], NOWHERE)
        return path

    return compile_to


def by_name(answer):
    return {os.path.basename(plugin["path"]): plugin for plugin in answer["plugins"]}


def served_by_hdf5(folder, code):
    """Whether HDF5 itself, in h5py, finds the filter: the judge of what doctor says."""
    script = "import h5py\nanswer(bool(h5py.h5z.filter_avail(int(args[0]))))"
    return run_python(sys.executable, script, str(code), plugin_path=folder)


def test_our_plugin_is_recognised(plugins):
    answer = etalon_json("doctor", plugin_path=plugins)
    assert [directory["path"] for directory in answer["directories"]] == [str(plugins)]
    ours = by_name(answer)["libh5etalon_bitshuffle.so"]
    assert (ours["id"], ours["loads"], ours["error"], ours["shadowed_by"]) == (32008, True, None, None)
    assert ours["etalon"] and ours["can_encode"] and "h5etalon" in ours["name"]
    assert "[Etalon]" in etalon("doctor", plugin_path=plugins).stdout


def test_every_plugin_of_hdf5plugin_loads():
    hdf5plugin = pytest.importorskip("hdf5plugin")
    answer = etalon_json("doctor", plugin_path=hdf5plugin.PLUGIN_PATH)
    assert {plugin["id"] for plugin in answer["plugins"]} == set(hdf5plugin.FILTERS.values())
    assert all(plugin["loads"] and not plugin["etalon"] for plugin in answer["plugins"])


def test_of_two_plugins_with_one_id_the_first_in_the_path_wins(plugins):
    hdf5plugin = pytest.importorskip("hdf5plugin")
    theirs = os.path.join(hdf5plugin.PLUGIN_PATH, "libh5bshuf.so")
    ours = str(plugins / "libh5etalon_bitshuffle.so")
    for order, first, second in [([plugins, hdf5plugin.PLUGIN_PATH], ours, theirs),
                                 ([hdf5plugin.PLUGIN_PATH, plugins], theirs, ours)]:
        answer = etalon_json("doctor", plugin_path=":".join(map(str, order)))
        shadow = {plugin["path"]: plugin["shadowed_by"] for plugin in answer["plugins"] if plugin["id"] == 32008}
        assert shadow == {first: None, second: first}


def test_within_a_folder_the_order_of_the_file_system_decides(build, tmp_path):
    folder = tmp_path / "two"
    for name in ["liba.so", "libb.so"]:
        build(folder / name, filter_source(300))
    plugins = by_name(etalon_json("doctor", plugin_path=folder))
    first, second = [name for name in os.listdir(folder)]
    assert plugins[first]["shadowed_by"] is None
    assert plugins[second]["shadowed_by"] == str(folder / first)


def test_junk_is_named_and_does_no_harm(build, plugins, tmp_path):
    folder = tmp_path / "junk"
    build(folder / "libplain.so", NO_PLUGIN)
    build(folder / "libunresolved.so", UNRESOLVED, "-Wl,-z,now")
    (folder / "libtext.so.txt").write_text("this is no library")
    (folder / "libfolder.so").mkdir()
    (folder / "readme.txt").write_text("HDF5 does not look at this")
    shutil.copy(plugins / "libh5etalon_bitshuffle.so", folder)
    answer = etalon_json("doctor", plugin_path=folder)
    found = by_name(answer)
    assert set(found) == {"libplain.so", "libunresolved.so", "libtext.so.txt", "libh5etalon_bitshuffle.so"}
    assert "no HDF5 plugin" in found["libplain.so"]["error"]
    assert "nobody" in found["libunresolved.so"]["error"]
    assert "libtext.so.txt" in found["libtext.so.txt"]["error"]
    assert found["libh5etalon_bitshuffle.so"]["loads"] and served_by_hdf5(folder, 32008)


@pytest.mark.parametrize("source, word", [(CRASHES, "SIGSEGV"), (EXITS, "ends the program")], ids=["crash", "exit"])
def test_a_plugin_that_kills_its_host_is_reported(build, tmp_path, source, word):
    folder = tmp_path / "deadly"
    build(folder / "libdeadly.so", source)
    answer = etalon_json("doctor", plugin_path=folder)
    assert not by_name(answer)["libdeadly.so"]["loads"]
    assert word in by_name(answer)["libdeadly.so"]["error"]


@pytest.mark.parametrize("kind", ["dangling link", "plugin without info"])
def test_what_stops_the_search_is_reported_as_hdf5_behaves(build, tmp_path, kind):
    folder, clean = tmp_path / "stopped", tmp_path / "clean"
    for code in range(300, 308):
        build(folder / ("lib%d.so" % code), filter_source(code))
    stopper = folder / "libstop.so"
    if kind == "dangling link":
        stopper.symlink_to("/nonexistent/libstop.so")
    else:
        build(stopper, NO_INFO)
    build(clean / "lib310.so", filter_source(310))
    path = "%s:%s" % (folder, clean)
    behind = len(os.listdir(folder)) > 1 + os.listdir(folder).index("libstop.so")
    done = etalon("doctor", "--json", plugin_path=path, code=1 if behind else 0)
    answer = json.loads(done.stdout)
    for name, plugin in by_name(answer).items():
        if plugin["id"] is not None:
            usable = plugin["loads"] and plugin["shadowed_by"] is None
            assert usable == served_by_hdf5(path, plugin["id"]), name
    assert (answer["directories"][0]["error"] is not None) == behind
    assert answer["directories"][1]["error"] is None


def test_a_folder_that_is_missing_is_a_problem(plugins):
    done = etalon("doctor", plugin_path="%s:%s" % (NOWHERE, plugins), code=1)
    assert "PROBLEM" in done.stdout and "libh5etalon_bitshuffle.so" in done.stdout


@pytest.fixture
def mixed_file(plugins, wheel, tmp_path):
    """Datasets of every kind of filter; unknown ones are declared, so that no plugin is needed to write them."""
    script = """
import h5py
def declared(file, name, code, text=b""):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((10,))
    plist.set_filter(code, h5py.h5z.FLAG_OPTIONAL, (1, 2))
    h5py.h5d.create(file.id, name, h5py.h5t.STD_U16LE, h5py.h5s.create_simple((20,)), plist)
with h5py.File(args[0], "w") as file:
    file["plain"] = np.arange(10)
    file.create_dataset("group/gzip", data=np.arange(100), compression="gzip", shuffle=True, fletcher32=True)
    file.create_dataset("group/ours", data=np.arange(100), chunks=(10,), compression=32008, compression_opts=(0, 2))
    declared(file, b"blosc", 32001)
    declared(file, b"nobody", 40001)
answer(True)
"""
    run_python(wheel, script, tmp_path / "mixed.h5", plugin_path=plugins)
    return tmp_path / "mixed.h5"


def test_every_dataset_gets_a_verdict_and_a_hint(plugins, mixed_file):
    answer = json.loads(etalon("doctor", mixed_file, "--json", plugin_path=plugins, code=1).stdout)
    verdicts = {entry["path"]: entry for entry in answer["datasets"]}
    readable = {path: entry["readable"] for path, entry in verdicts.items()}
    assert readable == {"/plain": True, "/group/gzip": True, "/group/ours": True, "/blosc": False, "/nobody": False}
    assert [part["id"] for part in verdicts["/group/gzip"]["filters"]] == [2, 1, 3]
    assert verdicts["/blosc"]["filters"] == [
        {"id": 32001, "name": "Blosc", "available": False, "provider": None}]
    assert "pip install hdf5plugin" in verdicts["/blosc"]["hint"]
    assert "40001" in verdicts["/nobody"]["hint"]
    assert verdicts["/group/ours"]["hint"] is None


def test_what_only_etalon_reads_is_told_apart(mixed_file):
    target = "%s::/group/ours" % mixed_file
    answer = json.loads(etalon("doctor", target, "--json", code=1).stdout)
    (entry,) = answer["datasets"]
    assert (entry["readable"], entry["readable_by_etalon"]) == (False, True)
    assert "h5etalon" in entry["hint"]
    assert "etalon itself reads it" in etalon("doctor", target, code=1).stdout


def test_a_readable_file_ends_with_code_0(plugins, mixed_file):
    etalon("doctor", "%s::/group/*" % mixed_file, plugin_path=plugins)


def test_the_preload_switch_forbids_plugins(plugins, mixed_file):
    done = etalon("doctor", mixed_file, plugin_path=plugins, code=1, extra_env={"HDF5_PLUGIN_PRELOAD": "::"})
    assert "HDF5_PLUGIN_PRELOAD" in done.stdout


def test_real_data_are_readable():
    done = etalon_json("doctor", shared_data("lambda-m1-series"), plugin_path="")
    assert {entry["path"]: entry["readable"] for entry in done["datasets"]}["/data"]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("no HDF5")], ids=["missing", "text"])
def test_a_file_that_is_no_hdf5_ends_with_code_3(tmp_path, make):
    make(tmp_path / "x.h5")
    done = etalon("doctor", tmp_path / "x.h5", code=3)
    assert done.stdout == "" and "x.h5" in done.stderr


def test_a_dataset_that_is_not_there_ends_with_code_2_and_a_proposal(mixed_file):
    done = etalon("doctor", "%s::/group/our" % mixed_file, code=2)
    assert "did you mean '/group/ours'?" in done.stderr


def test_what_only_others_read_is_not_called_ok(tmp_path):
    with h5py.File(tmp_path / "szip.h5", "w") as file:
        file.create_dataset("data", data=np.zeros((64, 64), "u2"), chunks=(8, 64), compression="szip")
    dataset = etalon_json("doctor", tmp_path / "szip.h5", plugin_path=tmp_path)["datasets"][0]
    assert dataset["readable"] and not dataset["readable_by_etalon"]
    text = etalon("doctor", tmp_path / "szip.h5", plugin_path=tmp_path).stdout
    assert "others  /data: szip" in text and "etalon itself has no szip" in text and "h5repack" in text
