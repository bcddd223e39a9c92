"""A damaged chunk is an exception that says which filter found it, which check failed, and where."""

import json
import re
import struct

import h5py
import pytest

from programs import answers, call, python_command, require, require_python, run_python

WRITE = """
import h5py
with h5py.File(args[0], "w", libver="earliest") as f:
    for name in json.loads(args[1]):
        kwargs = dict(compression=32008, compression_opts=(64, 3) if "zstd" in name else (64, 2))
        f.create_dataset(name, data=samples.array("<u2", (40, 50)), chunks=(20, 50), **kwargs)
answer(True)
"""
READ = """
import h5py
said = {}
with h5py.File(args[0], "r") as f:
    for name in f:
        # The second chunk is as it was written: what is damaged stays the loss of one chunk.
        other = samples.same(f[name][20:], samples.array("<u2", (40, 50))[20:])
        try:
            f[name][:20]
            said[name] = ["read", other]
        except OSError as error:
            said[name] = [str(error), other]
answer(said)
"""
BLOCK = 64 * 2


def flip(chunk, offset):
    return chunk[:offset] + bytes([chunk[offset] ^ 0xFF]) + chunk[offset + 1 :]


# What is done to the first chunk, and what the exception has to say.
DAMAGE = {
    "lz4 cut in its header": (
        lambda c: c[:5],
        r"chunk is truncated: the header needs 12 bytes at offset 0, the chunk has 5",
    ),
    "lz4 cut in a block": (lambda c: c[:100], r"chunk is truncated: .* at offset \d+, the chunk has 100"),
    "lz4 longer": (
        lambda c: c + b"\0\0\0",
        r"chunk is damaged: bytes are left after the last element at offset \d+ of \d+ bytes",
    ),
    "lz4 length of nothing": (
        lambda c: struct.pack(">QI", 0, BLOCK),
        r"chunk is damaged: decoded length is 0 at offset 0 of 12 bytes",
    ),
    "lz4 length beyond memory": (
        lambda c: b"\x7f" + c[1:],
        r"chunk is damaged: decoded length .* at offset 0 of \d+ bytes",
    ),
    "lz4 block length": (
        lambda c: c[:8] + struct.pack(">I", 7) + c[12:],
        r"chunk is damaged: block length .* at offset 8 of \d+ bytes",
    ),
    "lz4 stream": (
        lambda c: c[:16] + b"\xff" * 8 + c[24:],
        r"chunk is damaged: LZ4 block does not decode at offset 12 of \d+ bytes",
    ),
    "zstd stream": (lambda c: flip(c, 16), r"chunk is damaged: zstd block does not decode at offset 12 of \d+ bytes"),
    "zstd cut": (lambda c: c[:-40], r"chunk is (truncated|damaged): .* at offset \d+"),
}


@pytest.fixture(scope="module")
def damaged(plugins, wheel, tmp_path_factory):
    """A file with one dataset per kind of damage; the first of two chunks is hurt."""
    file = tmp_path_factory.mktemp("damage") / "damaged.h5"
    run_python(wheel, WRITE, file, json.dumps(list(DAMAGE)), plugin_path=plugins)
    with h5py.File(file, "r+") as f:
        for name, (hurt, _) in DAMAGE.items():
            _, chunk = f[name].id.read_direct_chunk((0, 0))
            f[name].id.write_direct_chunk((0, 0), hurt(chunk))
    return file


def test_every_generation_of_hdf5_shows_the_sentence(plugins, python, damaged):
    said = run_python(python, READ, damaged, plugin_path=plugins)
    assert set(said) == set(DAMAGE)
    for name, (_, sentence) in DAMAGE.items():
        text, other = said[name]
        assert re.search(r"bitshuffle \(32008\): " + sentence, text), (name, text)
        assert other, "the other chunk of " + name


def test_h5dump_shows_the_sentence_in_its_error_stack(plugins, damaged):
    (h5dump,) = require("h5dump")
    done = call([h5dump, "--enable-error-stack", "-d", "/zstd stream", damaged], plugins, succeeds=False)
    assert "bitshuffle (32008): chunk is damaged: zstd block does not decode at offset 12" in done.stderr


@pytest.mark.parametrize("setting, shown", [("1", True), ("0", False)])
def test_programs_with_texts_of_their_own_show_it_on_stderr_if_asked(plugins, damaged, setting, shown):
    wheels = require_python("wheel", "netCDF4", "tables")
    script = """
import netCDF4, tables
by_netcdf = lambda: netCDF4.Dataset(args[0])["zstd stream"][:]
by_tables = lambda: tables.open_file(args[0]).get_node("/lz4 stream")[:]
for read in (by_netcdf, by_tables):
    try:
        read()
    except Exception as error:
        answer(type(error).__name__)
"""
    done = call(python_command(wheels, script, damaged), plugins, {"ETALON_STDERR": setting})
    assert answers(done) == ["RuntimeError", "HDF5ExtError"]
    for sentence in ("zstd block does not decode at offset 12", "LZ4 block does not decode at offset 12"):
        assert (sentence in done.stderr) == shown, done.stderr


def test_ten_thousand_errors_leave_nothing_behind(plugins, python, damaged):
    script = """
import h5py
rss = lambda: int(open("/proc/self/statm").read().split()[1]) * 4
def fail(times):
    for _ in range(times):
        try:
            x[:1]
            return False
        except OSError as error:
            assert "bitshuffle (32008)" in str(error)
    return True
with h5py.File(args[0], "r") as f:
    x = f["zstd stream"]
    failed = fail(1000)
    before = rss()
    answer([failed and fail(9000), rss() - before])
"""
    failed, grown_kib = run_python(python, script, damaged, plugin_path=plugins)
    assert failed and grown_kib < 2048, grown_kib
