"""libetalon_daq for C and C++: its header, every function, and the example."""

import re
import signal
import subprocess
import time
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401 (its filters read the files)
import numpy as np
import pytest

from daq import BUILT, DETECTOR, built
from libetalon import C_FLAGS, HDF5
from programs import NOWHERE, REPO, TESTS, TIMEOUT_S, call, environment, missing, require
from test_capi_examples import SHAPE, exposed


@pytest.fixture(scope="module")
def installed_daq(tmp_path_factory):
    """libetalon_daq as `make install-daq` leaves it, once it is built."""
    root = tmp_path_factory.mktemp("daq-destdir")
    built(BUILT / "libetalon_daq.so")
    version = re.search(r'^version = "(.*)"', (REPO / "Cargo.toml").read_text(), re.M)[1]
    call([REPO / "scripts/install_daq", BUILT.parent, version], "", {"DESTDIR": str(root), "PREFIX": "/opt/etalon"})
    return root / "opt/etalon"


def build(prefix, source, program, *flags, compiler="gcc", standard="-std=c99", libraries=()):
    (compiler,) = require(compiler)
    common = [flag for flag in C_FLAGS if not flag.startswith("-std")]
    link = ["-L%s" % (prefix / "lib"), "-letalon_daq", "-pthread", *libraries]
    call([compiler, standard, *common, "-I%s" % (prefix / "include"), *flags, source, "-o", program, *link], "")
    return program


def library_path(prefix):
    return {"LD_LIBRARY_PATH": str(prefix / "lib")}


@pytest.mark.parametrize("compiler, standard", [("gcc", "-std=c99"), ("g++", "-std=c++17")])
def test_the_header_compiles_without_warnings(installed_daq, tmp_path, compiler, standard):
    source = tmp_path / ("x.c" if compiler == "gcc" else "x.cpp")
    source.write_text("#include <etalon_daq.h>\nint main(void) { return (int)etalon_daq_abi_version(); }\n")
    program = build(installed_daq, source, tmp_path / "x", compiler=compiler, standard=standard)
    call([program], "", library_path(installed_daq))


def test_pkg_config_and_cmake_find_the_library(installed_daq, tmp_path):
    (pkg_config,) = require("pkg-config")
    env = {"PKG_CONFIG_PATH": str(installed_daq / "lib/pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(installed_daq.parents[1])}
    said = call([pkg_config, "--cflags", "--libs", "etalon_daq"], "", env).stdout
    assert "-letalon_daq" in said and str(installed_daq / "include") in said
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(x C)\nfind_package(etalon_daq REQUIRED)\n"
        "find_package(Threads REQUIRED)\nadd_executable(x %s)\n"
        "target_link_libraries(x etalon_daq::etalon_daq Threads::Threads)\n" % (REPO / "examples/daq_writer.c"))
    (cmake,) = require("cmake")
    call([cmake, "-S", tmp_path, "-B", tmp_path / "b", "-DCMAKE_PREFIX_PATH=%s" % installed_daq], "")
    call([cmake, "--build", tmp_path / "b"], "")
    assert "2 frames written" in call([tmp_path / "b/x", tmp_path / "x.h5", 2, "bitshuffle"], "").stdout


def test_the_library_shows_its_own_functions_only(installed_daq):
    (nm,) = require("nm")
    library = installed_daq / "lib/libetalon_daq.so.0"
    names = [line.split()[-1] for line in call([nm, "-D", "--defined-only", library], "").stdout.splitlines()]
    assert names and all(name.startswith("etalon_daq_") for name in names)
    assert " H5" not in call([nm, "-D", "--undefined-only", library], "").stdout
    declared = (installed_daq / "include/etalon_daq.h").read_text()
    assert all(name + "(" in declared for name in names)


@pytest.mark.parametrize("how", ["plain", "asan", "valgrind"])
def test_every_mistake_has_its_status(installed_daq, tmp_path, how):
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if how == "asan" else []
    program = build(installed_daq, TESTS / "c/daq.c", tmp_path / "daq", *flags)
    launcher = []
    if how == "valgrind":
        # HDF5 keeps free lists until the end of the process; what cannot be reached any more would be a leak.
        launcher = [*require("valgrind"), "-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"]
    done = call([*launcher, program, tmp_path], "", library_path(installed_daq))
    assert done.stdout == "0 failures\n", done.stdout
    with h5py.File(tmp_path / "yes.h5") as f:
        data = f[DETECTOR]["data"]
        assert data[0, 0, 0] == 100 and data[1, 0, 0] == 101 and len(data) == 7
        assert f[DETECTOR].attrs["frames_lost_runs"].tolist() == [102, 106]


@pytest.fixture(scope="module")
def writer(installed_daq, tmp_path_factory):
    return build(installed_daq, REPO / "examples/daq_writer.c", tmp_path_factory.mktemp("daq") / "daq_writer")


@pytest.mark.parametrize("spec", ["bitshuffle", "bitshuffle:compressor=zstd"])
def test_frames_of_the_example_are_read_by_h5py_with_hdf5plugin(installed_daq, writer, tmp_path, spec):
    said = call([writer, tmp_path / "x.h5", 9, spec], NOWHERE, library_path(installed_daq)).stdout
    assert said.startswith("9 frames written, 0 lost, ratio ") and said.endswith("largest error 0\n"), said
    with h5py.File(tmp_path / "x.h5") as f:
        data = f[f[f.attrs["default"]].name + "/data/" + f["entry/data"].attrs["signal"]]
        assert data.shape == (9, *SHAPE) and data.chunks == (1, *SHAPE)
        assert f["entry/data/frame_number"][()].tolist() == list(range(9))
        now = time.time_ns()
        assert all(now - 120e9 < stamp <= now for stamp in f[DETECTOR]["timestamp"][()].tolist())
        for number in (0, 8):
            assert np.array_equal(data[number], exposed(number))


def test_the_example_beside_a_library_of_hdf5_uses_its_own(installed_daq, tmp_path):
    """A program that is linked to another HDF5 as well."""
    if not Path("/usr/include/hdf5/serial/hdf5.h").exists():
        missing("libhdf5-dev")
    source = tmp_path / "both.c"
    text = (REPO / "examples/daq_writer.c").read_text()
    source.write_text("#include <hdf5.h>\n" + text.replace("action.sa_handler", "H5open();\n    action.sa_handler"))
    program = build(installed_daq, source, tmp_path / "both", "-D_POSIX_C_SOURCE=200809L", "-Wno-error", HDF5[0], libraries=HDF5[1:])
    for spec in ("bitshuffle", "quantise:abs=1"):
        said = call([program, tmp_path / (spec[:5] + ".h5"), 3, spec], NOWHERE, library_path(installed_daq)).stdout
        assert said.startswith("3 frames written, 0 lost"), said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_example_ends_with_a_complete_file_when_it_is_asked_to(installed_daq, writer, tmp_path, number):
    path = tmp_path / "x.h5"
    env = environment(NOWHERE, library_path(installed_daq))
    process = subprocess.Popen([str(writer), str(path), "1000000", "bitshuffle"], env=env, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + TIMEOUT_S
    while not (path.exists() and path.stat().st_size > 2_000_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    said, _ = process.communicate(timeout=TIMEOUT_S)
    written = int(said.split()[0])
    assert process.returncode == 0 and 0 < written < 1000000 and ", 0 lost" in said
    with h5py.File(path) as f:
        numbers = f[DETECTOR]["frame_number"][()]
        present = numbers[numbers != 2**64 - 1].tolist()
        assert len(present) == written == f[DETECTOR].attrs["frames_written"]
        assert all(f[DETECTOR]["data"][n, 0, 0] == n % 65536 for n in present[:: max(1, written // 20)])
        assert f["entry/end_time"][()].strip()


def test_the_example_explains_a_wrong_spec(installed_daq, writer, tmp_path):
    done = call([writer, tmp_path / "x.h5", 1, "bitshufle"], NOWHERE, library_path(installed_daq), succeeds=False)
    assert done.returncode != 0 and "did you mean 'bitshuffle'" in done.stderr
    assert not (tmp_path / "x.h5").exists()
