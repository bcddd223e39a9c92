"""ETALON_THREADS: several threads in one big chunk, with the bytes and values of one."""

import pytest

from programs import answers, call, python_command, run_python

# Chunks of 6 MiB, with elements left after the last block.
MAKE = """
import h5py, hashlib, os, multiprocessing, threading, time
array = samples.array("<u2", (2, 3, 1048577))
def create(options):
    with h5py.File(args[0], "w") as f:
        f.create_dataset("x", data=array, chunks=(1, *array.shape[1:]), compression=32008, compression_opts=options)
def digest():
    with h5py.File(args[0], "r") as f:
        return hashlib.sha256(b"".join(f["x"].id.read_direct_chunk((i, 0, 0))[1] for i in (0, 1))).hexdigest()
def right(path=args[0]):
    with h5py.File(path, "r") as f:
        return samples.same(f["x"][()], array)
def tasks():
    return len(os.listdir("/proc/self/task"))
"""


def test_bytes_and_values_are_those_of_one_thread(plugins, python, tmp_path):
    script = MAKE + """
said = []
for options in ((0, 2), (0, 3, 3), (0, 0), (2048, 2)):
    create(options)
    said.append([digest(), right()])
answer(said)
"""
    said = [
        run_python(python, script, tmp_path / "x.h5", plugin_path=plugins, extra_env={"ETALON_THREADS": str(threads)})
        for threads in (1, 2, 3, 4)
    ]
    assert all(right for _, right in said[0]) and len({digest for digest, _ in said[0]}) == 4
    assert said == [said[0]] * 4


THREADED = """
create((0, 3, 3))
seen, stop = set(), threading.Event()
def watch():
    while not stop.is_set():
        seen.add(tasks())
watcher = threading.Thread(target=watch)
before = tasks() + 1
watcher.start()
deadline = time.monotonic() + 60
while True:
    values = right()
    if not values or max(seen) > before or time.monotonic() > deadline:
        break
stop.set(); watcher.join()
deadline = time.monotonic() + 5
while tasks() >= before and time.monotonic() < deadline:
    time.sleep(0.01)
with multiprocessing.get_context("fork").Pool(2) as pool:
    pooled = pool.map_async(right, [args[0]] * 6).get(timeout=60)
answer({"right": values, "more": max(seen) > before, "left": tasks() >= before, "pooled": pooled, "again": right()})
"""


def test_threads_end_with_the_chunk_and_children_of_fork_have_their_own(plugins, python, tmp_path):
    path, extra = tmp_path / "x.h5", {"ETALON_THREADS": "3"}
    said = run_python(python, MAKE + THREADED, path, plugin_path=plugins, extra_env=extra)
    assert said == {"right": True, "more": True, "left": False, "pooled": [True] * 6, "again": True}


@pytest.mark.parametrize("setting", ["", "0", "65", "-2", "two", "2.5"])
def test_what_is_no_number_of_threads_is_one_thread_and_said_where_asked(plugins, wheel, tmp_path, setting):
    script = MAKE + "create((0, 2))\nanswer([right(), right()])\n"
    command = python_command(wheel, script, tmp_path / "x.h5")
    done = call(command, plugins, {"ETALON_THREADS": setting, "ETALON_STDERR": "1"})
    sentence = "ETALON_THREADS=%s is no number from 1 to 64: chunks have one thread" % setting
    assert answers(done) == [[True, True]] and done.stderr.count(sentence) == 1
    assert call(command, plugins, {"ETALON_THREADS": setting}).stderr == ""


def test_a_damaged_chunk_is_the_same_error_with_threads(plugins, wheel, tmp_path):
    script = MAKE + """
create((0, 3, 3))
with h5py.File(args[0], "r+") as f:
    mask, chunk = f["x"].id.read_direct_chunk((1, 0, 0))
    chunk = bytearray(chunk)
    for place in (len(chunk) // 3, len(chunk) // 2):
        chunk[chunk.index(b"\\x28\\xb5\\x2f\\xfd", place)] = 0  # Where a frame of zstd begins.
    f["x"].id.write_direct_chunk((1, 0, 0), bytes(chunk), mask)
with h5py.File(args[0], "r") as f:
    first = samples.same(f["x"][0], array[0])
    try:
        f["x"][1]
        answer([first, "no error"])
    except OSError as error:
        answer([first, str(error)])
"""
    said = [
        run_python(wheel, script, tmp_path / "x.h5", plugin_path=plugins, extra_env={"ETALON_THREADS": str(threads)})
        for threads in (1, 3)
    ]
    assert said[0][0] and "zstd block does not decode" in said[0][1] and said[0] == said[1]
