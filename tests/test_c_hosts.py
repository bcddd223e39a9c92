"""C programs: with a shared HDF5, with a static one that shows its functions or none, at exit, and under valgrind."""

import json

import h5py
import numpy as np
import pytest

from programs import TESTS, call, missing, require

SERIAL = "/usr/lib/x86_64-linux-gnu/hdf5/serial"
LINKS = {
    "shared": ["-L" + SERIAL, "-lhdf5"],
    "static": [SERIAL + "/libhdf5.a", *"-lcrypto -lcurl -lpthread -lsz -lz -ldl -lm".split()],
}
LINKS["stripped"] = ["-s", *LINKS["static"]]
LINKS["exporting"] = ["-rdynamic", *LINKS["static"]]
HIDDEN = ["static", "stripped"]
EXPECTED = (np.arange(64 * 53, dtype="i8") ** 2 % 251).astype("u2").reshape(64, 53)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """tests/c/host.c, linked in three ways."""
    (gcc,) = require("gcc")
    folder = tmp_path_factory.mktemp("hosts")
    for name, link in LINKS.items():
        command = [gcc, "-g", "-O1", "-I/usr/include/hdf5/serial", TESTS / "c/host.c", "-o", folder / name, *link]
        built = call(command, "", succeeds=False)
        if built.returncode != 0:
            missing("libhdf5-dev to link tests/c/host.c: " + built.stderr[-300:])
    return folder


def host(program, plugins, *args, launcher=(), extra_env=None):
    done = call([*launcher, program, *args], plugins, extra_env)
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("flag", ["optional", "mandatory"])
@pytest.mark.parametrize("values", ["0 4 2 0 0", "0 4 2 0 2", "0 4 2 0 3 3"])
def test_complete_cd_values_work_in_every_program(plugins, hosts, tmp_path, name, flag, values):
    said, _ = host(hosts / name, plugins, tmp_path / "x.h5", "close", flag, *values.split())
    assert said == {"created": True, "wrote": 0, "flushed": 0, "right": 1, "mask": 0}


@pytest.mark.parametrize("name", ["shared", "exporting"])
def test_a_hdf5_that_shows_its_functions_completes_cd_values(plugins, hosts, tmp_path, name):
    said, _ = host(hosts / name, plugins, tmp_path / "x.h5", "close", "mandatory", "0", "3")
    assert said == {"created": True, "wrote": 0, "flushed": 0, "right": 1, "mask": 0}
    with h5py.File(tmp_path / "x.h5", "r") as f:
        assert list(f["x"].id.get_create_plist().get_filter(0)[2]) == [0, 4, 2, 0, 3]


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("values", ["0 2", "0 3 5", ""])
def test_a_hidden_hdf5_and_incomplete_cd_values_fail_with_a_sentence(plugins, hosts, tmp_path, name, values):
    said, stderr = host(
        hosts / name,
        plugins,
        tmp_path / "x.h5",
        "close",
        "mandatory",
        *values.split(),
        extra_env={"ETALON_STDERR": "1"},
    )
    assert said["flushed"] < 0 and said["right"] == -1, said
    assert "bitshuffle (32008): " in stderr and "etalon args" in stderr, stderr


@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_hdf5_and_incomplete_optional_cd_values_store_the_numbers_as_they_are(plugins, hosts, tmp_path, name):
    said, _ = host(hosts / name, plugins, tmp_path / "x.h5", "close", "optional", "0", "3")
    assert said == {"created": True, "wrote": 0, "flushed": 0, "right": 1, "mask": 1}


@pytest.mark.parametrize("name", LINKS)
def test_chunks_written_while_the_process_exits_are_right(plugins, hosts, wheel, tmp_path, name):
    said, stderr = host(hosts / name, plugins, tmp_path / "x.h5", "leave", "mandatory", *"0 4 2 0 3 3".split())
    assert said == {"created": True, "wrote": 0} and stderr == ""
    out = tmp_path / "x.bin"
    call([*require("h5dump"), "-d", "/x", "-b", "LE", "-o", out, tmp_path / "x.h5"], plugins)
    assert np.array_equal(np.fromfile(out, "<u2").reshape(64, 53), EXPECTED)
    with h5py.File(tmp_path / "x.h5", "r") as f:
        assert {f["x"].id.get_chunk_info(i).filter_mask for i in range(12)} == {0}


def test_valgrind_finds_no_bad_access_and_no_leak_of_chunks(plugins, hosts, tmp_path):
    (valgrind,) = require("valgrind")
    # valgrind 3.19 hides instruction sets above AVX2 from the program.
    launcher = [valgrind, "-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"]
    for values in ("0 3 3", "0 2"):
        args = [tmp_path / "x.h5", "close", "mandatory", *values.split()]
        said, stderr = host(hosts / "shared", plugins, *args, launcher=launcher)
        assert said["right"] == 1, stderr
