"""`etalon inspect`: how datasets are stored, and damaged chunks by their coordinates."""

import json

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json
from programs import run_python, shared_data

FIELDS = {
    "dataset", "codecs", "bound_asked", "guarantee", "max_abs_error", "max_sigma_error", "mean_error", "exceptions",
    "synthetic_background", "raw_bytes", "stored_bytes", "ratio", "damaged",
}
WRITE = """
import h5py
data = np.random.RandomState(5).poisson(2, (6, 40, 50)).astype("<u2")
with h5py.File(args[0], "w") as file:
    for name, options in {"lz4": (0, 2), "zstd": (0, 3, 9), "block": (1024, 2), "none": (0, 0)}.items():
        file.create_dataset(name, data=data, chunks=(2, 40, 50), compression=32008, compression_opts=options)
    file.create_dataset("gzip", data=data, chunks=(2, 40, 50), compression="gzip", compression_opts=7, shuffle=True, fletcher32=True)
    file["plain"] = data
    file.create_dataset("empty", (6, 40, 50), "<u2", chunks=(2, 40, 50), compression=32008, compression_opts=(0, 2))
    file["text"] = "words"
answer(True)
"""


@pytest.fixture
def stored(plugins, wheel, tmp_path):
    run_python(wheel, WRITE, str(tmp_path / "stored.h5"), plugin_path=plugins)
    return tmp_path / "stored.h5"


def by_name(answer):
    return {entry["dataset"]: entry for entry in answer["datasets"]}


def test_settings_are_given_as_specs(stored):
    entries = by_name(etalon_json("inspect", stored))
    assert all(FIELDS <= set(entry) for entry in entries.values())
    specs = {name: entry["spec"] for name, entry in entries.items()}
    assert specs == {
        "/lz4": "bitshuffle", "/zstd": "bitshuffle:compressor=zstd,level=9", "/block": "bitshuffle:block=1024",
        "/none": "bitshuffle:compressor=none", "/gzip": "shuffle+gzip:level=7+fletcher32", "/plain": "none",
        "/empty": "bitshuffle", "/text": "none",
    }
    lz4 = entries["/lz4"]
    assert lz4["codecs"] == {"bitshuffle": 3} and lz4["chunk"] == [2, 40, 50] and lz4["chunks"] == 3
    assert (lz4["dtype"], lz4["shape"], lz4["raw_bytes"]) == ("<u2", [6, 40, 50], 24000)
    assert lz4["max_abs_error"] == 0 and lz4["damaged"] == [] and lz4["checked"] == "headers"
    assert lz4["ratio"] == pytest.approx(24000 / lz4["stored_bytes"])
    assert entries["/empty"]["chunks"] == 0 and entries["/plain"]["chunk"] is None


def test_specs_of_inspect_work_in_args(stored):
    for entry in by_name(etalon_json("inspect", stored)).values():
        if entry["spec"].startswith("bitshuffle"):
            again = etalon_json("args", entry["spec"], "--dtype", entry["dtype"])
            assert again["cd_values"][2:5] == entry["filters"][0]["cd_values"][2:5]


def damage(path, dataset, change):
    """Changes the bytes of the chunk at (2, 0, 0) in place."""
    with h5py.File(path, "r") as file:
        info = file[dataset].id.get_chunk_info_by_coord((2, 0, 0))
    with open(path, "r+b") as raw:
        raw.seek(info.byte_offset)
        chunk = bytearray(raw.read(info.size))
        change(chunk)
        raw.seek(info.byte_offset)
        raw.write(chunk)


def wrong_length(chunk):
    chunk[0:8] = (16 + len(chunk)).to_bytes(8, "big")


def long_block(chunk):
    chunk[12:16] = (1 << 30).to_bytes(4, "big")


def flipped_payload(chunk):
    for at in range(20, 60):
        chunk[at] ^= 0xff


@pytest.mark.parametrize("change", [wrong_length, long_block])
def test_damaged_headers_are_found_without_decoding(stored, change):
    damage(stored, "lz4", change)
    done = etalon("inspect", stored, "--json", code=3)
    entries = by_name(json.loads(done.stdout))
    assert entries["/lz4"]["damaged"] == [[2, 0, 0]] and len(entries["/lz4"]["reasons"]) == 1
    assert entries["/zstd"]["damaged"] == []
    assert "1 of" in done.stderr
    assert "DAMAGED /lz4 chunk [2, 0, 0]" in etalon("inspect", stored, code=3).stdout


@pytest.mark.parametrize("dataset", ["zstd", "gzip"])
def test_damage_inside_shows_when_decoded(stored, dataset):
    damage(stored, dataset, flipped_payload)
    etalon("inspect", stored)
    done = etalon("inspect", stored, "--deep", "--json", code=3)
    entries = by_name(json.loads(done.stdout))
    assert entries["/" + dataset]["damaged"] == [[2, 0, 0]]
    assert entries["/" + dataset]["checked"] == "decoded"
    assert sum(len(entry["damaged"]) for entry in entries.values()) == 1


def test_a_mask_that_skips_filters_is_told(tmp_path):
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        made = file.create_dataset("x", (4, 100), "<u2", chunks=(1, 100), compression="gzip")
        made[:2] = 7
        made.id.write_direct_chunk((2, 0), np.arange(100, dtype="<u2").tobytes(), filter_mask=1)
    (entry,) = etalon_json("inspect", tmp_path / "mask.h5", "--deep")["datasets"]
    assert entry["codecs"] == {"gzip:level=4": 2, "gzip:level=4 (filters skipped)": 1} and entry["damaged"] == []


def test_real_data_are_whole():
    entries = by_name(etalon_json("inspect", shared_data("lambda-m1-series"), "--deep"))
    assert entries["/data"]["chunks"] == 50 and entries["/data"]["damaged"] == []


def test_a_cut_file_ends_with_code_3(stored, tmp_path):
    cut = tmp_path / "cut.h5"
    cut.write_bytes(stored.read_bytes()[:2000])
    assert "cut.h5" in etalon("inspect", cut, code=3).stderr
