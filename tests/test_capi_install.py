"""What `make install` leaves: the right files, names and symbols, found by pkg-config and CMake, from C99 and C++17."""

import os
import subprocess

import pytest

from libetalon import PREFIX
from programs import REPO, call, require

SOURCE = '#include <etalon.h>\n#include <etalon_bitshuffle.h>\nint main(void) { return (int)etalon_abi_version(); }\n'
DIALECTS = {"c": ["gcc", "-std=c99"], "cpp": ["g++", "-std=c++17"]}


def lines(path, *command):
    return call([*require(command[0]), *command[1:], path], "").stdout.splitlines()


def test_the_soname_is_that_of_the_abi_and_the_links_lead_to_the_file(installed):
    assert any("SONAME" in line and "[libetalon.so.0]" in line for line in lines(installed.lib / "libetalon.so", "readelf", "-dW"))
    version = call([require("pkg-config")[0], "--modversion", installed.lib / "pkgconfig/etalon.pc"], "").stdout.strip()
    for name in ("libetalon.so", "libetalon.so.0"):
        assert (installed.lib / name).resolve() == (installed.lib / ("libetalon.so.0." + version)).resolve()


def test_only_names_of_etalon_and_bitshuffle_are_exported(installed):
    exported = {line.split()[-1] for line in lines(installed.lib / "libetalon.so", "nm", "-D", "--defined-only")}
    assert {"etalon_encode", "bshuf_compress_lz4"} <= exported
    assert [name for name in exported if not name.startswith(("etalon_", "bshuf_"))] == []


def test_every_exported_function_is_in_a_header(installed):
    text = "".join((installed.include / name).read_text() for name in ("etalon.h", "etalon_bitshuffle.h"))
    exported = {line.split()[-1] for line in lines(installed.lib / "libetalon.so", "nm", "-D", "--defined-only")}
    assert [name for name in exported if name + "(" not in text] == []


def test_every_function_says_whether_it_is_thread_safe(installed):
    for block in (installed.include / "etalon.h").read_text().split("/**\n")[1:]:
        comment, code = block.split("*/", 1)
        if "(" in code.split(";")[0]:
            assert "hread-safe" in comment or "One thread at a time" in comment, block


@pytest.mark.parametrize("suffix", DIALECTS)
@pytest.mark.parametrize("static", [False, True], ids=["shared", "static"])
def test_pkg_config_and_a_strict_compiler_take_the_headers(installed, tmp_path, suffix, static):
    source = tmp_path / ("use." + suffix)
    source.write_text(SOURCE)
    env = {**os.environ, "PKG_CONFIG_PATH": str(installed.lib / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(installed.prefix)[: -len("/" + PREFIX)]}
    command = [*require("pkg-config"), "--cflags", "--libs", *(["--static"] if static else []), "etalon"]
    flags = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.split()
    link = ["-Wl,-Bstatic", "-letalon", "-Wl,-Bdynamic"] if static else ["-letalon"]
    flags = [part for flag in flags for part in (link if flag == "-letalon" else [flag])]
    compiler, *standard = DIALECTS[suffix]
    program = tmp_path / "use"
    call([*require(compiler), *standard, "-Wall", "-Wextra", "-Werror", "-pedantic", source, "-o", program, *flags], "")
    call([program], "", {} if static else installed.env)


def test_cmake_finds_the_package_and_its_program_is_right_in_many_threads(installed, tmp_path):
    (cmake,) = require("cmake")
    call([cmake, "-S", REPO / "examples/cmake", "-B", tmp_path, "-DCMAKE_PREFIX_PATH=%s" % installed.prefix], "")
    call([cmake, "--build", tmp_path], "")
    for program, env in (("threads", installed.env), ("threads_static", {})):
        assert call([tmp_path / program, "bitshuffle:compressor=zstd", "4"], "", env).stdout == "0\n"
        assert 0 < float(call([tmp_path / program, "quantise:abs=2", "4"], "", env).stdout) <= 2
