"""How deep `etalon inspect` looks: headers alone by default, checksums or whole chunks where asked."""

import json
import subprocess

import h5py
import pytest

from etalon_command import etalon, program
from programs import environment, run_python

WRITE = """
import h5py
from etalon_spec import FRAME, ROUND, options
data = np.random.RandomState(6).poisson(900, (4, 128, 256)).astype("<u4")
with h5py.File(args[0], "w", userblock_size=int(args[1])) as file:
    def make(name, filters):
        dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        dcpl.set_chunk((1, 128, 256))
        for id, values in filters:
            dcpl.set_filter(id, h5py.h5z.FLAG_OPTIONAL, tuple(values))
        space = h5py.h5s.create_simple(data.shape)
        h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(data.dtype), space, dcpl)
        file[name][:] = data
    noise = (FRAME, options("noise:sigma=0.5"))
    make("frame", [noise])
    make("summed", [noise, (3, ())])
    make("lossless", [(FRAME, options("dictionary"))])
    make("round", [(ROUND, options("noise:sigma=0.5")), (32008, (0, 2))])
    make("bitshuffle", [(32008, (0, 2))])
    make("gzip", [(1, (1,)), (3, ())])
    masked = file["frame"].id.get_create_plist()
    h5py.h5d.create(file.id, b"masked", h5py.h5t.py_create(data.dtype), h5py.h5s.create_simple(data.shape), masked)
    for at in range(4):
        file["masked"].id.write_direct_chunk((at, 0, 0), data[at].tobytes(), filter_mask=1)
answer(True)
"""
OWN = ("/frame", "/summed", "/lossless", "/round", "/bitshuffle", "/masked")
CHUNK = [1, 0, 0]


@pytest.fixture(params=[0, 1024], ids=["no user block", "user block"])
def stored(request, plugins, wheel, tmp_path):
    run_python(wheel, WRITE, tmp_path / "stored.h5", str(request.param), plugin_path=plugins)
    return tmp_path / "stored.h5"


def damage(path, dataset, at, change):
    """Flips the bits `change` of the byte `at` in the chunk at CHUNK, in the file."""
    with h5py.File(path, "r") as file:
        offset = file[dataset].id.get_chunk_info_by_coord(tuple(CHUNK)).byte_offset
        chunk = file[dataset].id.read_direct_chunk(tuple(CHUNK))[1]
    content = bytearray(path.read_bytes())
    # Versions of HDF5 differ in whether the offset counts from the end of the user block.
    offset = content.index(chunk, offset)
    content[offset + at] ^= change
    path.write_bytes(content)


def inspected(path, *options, code=0):
    answer = json.loads(etalon("inspect", path, "--json", *options, code=code).stdout)
    return {entry["dataset"]: entry for entry in answer["datasets"]}


def test_whole_files_are_whole_at_every_depth(stored):
    for options in ([], ["--checksums"], ["--deep"]):
        entries = inspected(stored, *options)
        assert all(entry["damaged"] == [] for entry in entries.values()), entries
        summed = [(entries[name]["guarantee"], entries[name]["chunks"]) for name in ("/frame", "/summed", "/lossless")]
        assert summed == [("A", 4), ("A", 4), ("lossless", 4)]
        assert entries["/frame"]["max_abs_error"] == entries["/summed"]["max_abs_error"] > 1
        assert entries["/bitshuffle"]["max_abs_error"] == entries["/gzip"]["max_abs_error"] == 0
        assert entries["/round"]["max_abs_error"] is None


def test_what_was_checked_is_told(stored):
    def told(*options):
        return {name: entry["checked"] for name, entry in inspected(stored, *options).items()}

    assert told() == {**dict.fromkeys(OWN, "headers"), "/gzip": "none"}
    frames = dict.fromkeys(("/frame", "/summed", "/lossless", "/masked", "/gzip"), "checksums")
    assert told("--checksums") == {**frames, "/round": "headers", "/bitshuffle": "headers"}
    assert set(told("--deep").values()) == {"decoded"}
    text = etalon("inspect", stored).stdout
    assert "24 chunks: checked by their headers" in text and "4 chunks: not checked" in text
    assert "28 chunks: decoded" in etalon("inspect", stored, "--deep").stdout


@pytest.mark.parametrize("dataset", ["frame", "summed", "lossless", "bitshuffle", "round"])
def test_damage_in_the_header_is_found_without_reading_more(stored, dataset):
    damage(stored, dataset, 4, 0x40)
    entries = inspected(stored, code=3)
    assert {name: entry["damaged"] for name, entry in entries.items() if entry["damaged"]} == {"/" + dataset: [CHUNK]}


@pytest.mark.parametrize("dataset", ["frame", "summed", "lossless", "gzip"])
def test_damage_in_the_payload_is_found_by_checksums_and_by_decoding(stored, dataset):
    damage(stored, dataset, 2000, 0x01)
    assert all(entry["damaged"] == [] for entry in inspected(stored).values())
    for option in ("--checksums", "--deep"):
        entries = inspected(stored, option, code=3)
        found = {name: entry["damaged"] for name, entry in entries.items() if entry["damaged"]}
        assert found == {"/" + dataset: [CHUNK]}, option


def test_a_later_block_length_is_found_by_reading_whole_chunks(stored):
    with h5py.File(stored) as file:
        chunk = file["bitshuffle"].id.read_direct_chunk(tuple(CHUNK))[1]
    second = 16 + int.from_bytes(chunk[12:16], "big")
    damage(stored, "bitshuffle", second, 0x40)
    assert inspected(stored)["/bitshuffle"]["damaged"] == []
    assert inspected(stored, "--checksums", code=3)["/bitshuffle"]["damaged"] == [CHUNK]


def test_a_chunk_beyond_the_end_of_the_file_is_damaged(plugins, wheel, tmp_path):
    path = tmp_path / "beyond.h5"
    run_python(wheel, WRITE, path, "0", plugin_path=plugins)
    with h5py.File(path) as file:
        address = file["frame"].id.get_chunk_info_by_coord(tuple(CHUNK)).byte_offset
    content = path.read_bytes()
    assert content.count(address.to_bytes(8, "little")) == 1
    path.write_bytes(content.replace(address.to_bytes(8, "little"), (len(content) - 5).to_bytes(8, "little")))
    entry = inspected(path, code=3)["/frame"]
    assert entry["damaged"] == [CHUNK] and "beyond the end of the file" in entry["reasons"][0]


def test_headers_are_all_that_is_read(plugins, wheel, tmp_path):
    path = tmp_path / "many.h5"
    script = """
import h5py
from etalon_spec import FRAME, options
frame = np.random.RandomState(7).poisson(900, (256, 256)).astype("<u4")
with h5py.File(args[0], "w") as file:
    for name, id, values in (("frame", FRAME, options("noise:sigma=0.1")), ("bitshuffle", 32008, (0, 2))):
        data = file.create_dataset(name, (200, 256, 256), "<u4", chunks=(1, 256, 256), compression=id, compression_opts=values)
        data[0] = frame
        file.flush()
        chunk = data.id.read_direct_chunk((0, 0, 0))[1]
        for at in range(200):
            data.id.write_direct_chunk((at, 0, 0), chunk)
answer(True)
"""
    run_python(wheel, script, path, plugin_path=plugins)

    def bytes_read(*options):
        # A process inherits what its children have read when they end.
        command = '"$0" inspect "$@" >/dev/null && cat /proc/$$/io'
        call = ["sh", "-c", command, program(), path, *options]
        done = subprocess.run(call, env=environment("/nonexistent"), capture_output=True, text=True, check=True)
        return int(dict(line.split(": ") for line in done.stdout.splitlines())["rchar"])

    stored = path.stat().st_size
    assert stored > 10_000_000
    assert bytes_read() < stored / 20
    assert bytes_read("--checksums") > stored * 0.95
