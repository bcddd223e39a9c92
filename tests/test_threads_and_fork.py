"""Threads of different HDF5 copies run in the plugin at once; children of fork read; the plugin starts no thread."""

from programs import require_python, run_python

SCRIPT = """
import h5py, netCDF4, os, multiprocessing, threading, time
array = samples.array("<u2", (400, 1000))
paths = [args[0] + "h5py.h5", args[0] + "netcdf.h5"]
for path, options in zip(paths, ((0, 3), (0, 2))):
    with h5py.File(path, "w") as f:
        f.create_dataset("x", data=array, chunks=(20, 1000), compression=32008, compression_opts=options)

def by_h5py(path=paths[0]):
    with h5py.File(path, "r") as f:
        return samples.same(f["x"][()], array)
def by_netcdf():
    with netCDF4.Dataset(paths[1]) as f:
        return np.array_equal(np.asarray(f["x"][:]), array)
def tasks():
    return len(os.listdir("/proc/self/task"))

by_h5py(), by_netcdf()
before = tasks()
results = {"h5py": [], "netcdf": []}
def repeat(read, into):
    into.extend(read() for _ in range(15))
jobs = ((by_h5py, results["h5py"]), (by_netcdf, results["netcdf"]))
threads = [threading.Thread(target=repeat, args=job) for job in jobs]
for thread in threads: thread.start()
for thread in threads: thread.join()
# The kernel may list a thread for a moment after it was joined.
deadline = time.monotonic() + 5
while tasks() > before and time.monotonic() < deadline:
    time.sleep(0.01)
after = tasks()

child = os.fork()
if child == 0:
    os._exit(0 if by_h5py() and by_netcdf() else 1)
forked = os.waitpid(child, 0)[1]
with multiprocessing.get_context("fork").Pool(2) as pool:
    pooled = pool.map(by_h5py, paths)
right = [len(r) == 15 and all(r) for r in results.values()]
answer({"right": right, "started": after - before, "forked": forked, "pooled": pooled})
"""


def test_two_copies_of_hdf5_in_two_threads_and_children_of_fork_read_the_values(plugins, tmp_path):
    wheels = require_python("wheel", "h5py", "netCDF4")
    said = run_python(wheels, SCRIPT, str(tmp_path) + "/", plugin_path=plugins)
    assert said == {"right": [True, True], "started": 0, "forked": 0, "pooled": [True, True]}


def test_many_short_threads_leave_no_memory_behind(plugins, python, tmp_path):
    script = """
import h5py, threading
array = samples.array("<u2", (512, 1024))
with h5py.File(args[0], "w") as f:
    f.create_dataset("x", data=array, chunks=array.shape, compression=32008, compression_opts=(0, 3))
right = []
def read():
    with h5py.File(args[0], "r") as f:
        right.append(samples.same(f["x"][()], array))
def run(count):
    for _ in range(count):
        thread = threading.Thread(target=read)
        thread.start(); thread.join()
rss = lambda: int(open("/proc/self/statm").read().split()[1]) * 4 // 1024
run(20)
before = rss()
run(100)
answer([len(right) == 120 and all(right), rss() - before])
"""
    right, grown = run_python(python, script, tmp_path / "x.h5", plugin_path=plugins)
    assert right and grown < 16, grown
