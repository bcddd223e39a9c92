"""Thousands of damaged chunks are refused or read as something; the process lives on and its memory stays small."""

import pytest

from programs import run_python

SCRIPT = """
import h5py
kind, attempts = args[1], 3000
random = np.random.RandomState(2024)
array = samples.array("<u2", (2048,))
outcomes = {"refused": 0, "read": 0, "sentences": 0}

def mutate(chunk, other):
    "One to four wounds of random kind."
    chunk = bytearray(chunk)
    for _ in range(random.randint(1, 5)):
        at = random.randint(len(chunk)) if chunk else 0
        wound = random.randint(6)
        if wound == 0 and chunk:
            chunk[at] ^= 1 << random.randint(8)
        elif wound == 1 and chunk:
            chunk[at] = random.randint(256)
        elif wound == 2:
            del chunk[at:]
        elif wound == 3:
            chunk[at:at] = random.bytes(random.randint(1, 9))
        elif wound == 4:
            chunk[at:] = other[at:]
        else:
            field = random.choice([0, 4, 8, 12])
            chunk[field:field + 4] = int(random.choice([0, 0x1000, 0x7FFFFFFF, 0xFFFFFFFF])).to_bytes(4, "big")
    return bytes(chunk)

with h5py.File(args[0], "w") as f:
    options = {"none": (0, 0), "lz4": (0, 2), "zstd": (0, 3), "zstd-block": (64, 3)}[kind]
    for name, data in (("x", array), ("y", array[::-1])):
        f.create_dataset(name, data=data, chunks=array.shape, compression=32008, compression_opts=options)
rss = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20
with h5py.File(args[0], "r+", rdcc_nbytes=0) as f:
    good, other = (f[name].id.read_direct_chunk((0,))[1] for name in "xy")
    f["x"][()]
    before = rss()
    for _ in range(attempts):
        f["x"].id.write_direct_chunk((0,), mutate(good, other) or b"\\0")
        try:
            f["x"][()]
            outcomes["read"] += 1
        except OSError as error:
            outcomes["refused"] += 1
            outcomes["sentences"] += "bitshuffle (32008): " in str(error)
    f["x"].id.write_direct_chunk((0,), good)
    answer([outcomes, samples.same(f["x"][()], array), rss() - before])
"""


# Without compressor nothing can be checked but the element size, and HDF5 before 2.2 reads past a short chunk; its
# memory is its own affair.
@pytest.mark.parametrize("kind", ["lz4", "zstd", "zstd-block"])
def test_three_thousand_damaged_chunks_kill_nothing(plugins, python, tmp_path, kind):
    outcomes, alive, grown = run_python(python, SCRIPT, tmp_path / "x.h5", kind, plugin_path=plugins)
    assert outcomes["refused"] + outcomes["read"] == 3000 and alive and grown < 200, (outcomes, grown)
    assert outcomes["refused"] > 2000 and outcomes["sentences"] == outcomes["refused"], outcomes
