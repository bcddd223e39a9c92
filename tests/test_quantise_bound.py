"""`quantise` keeps its bound on every element, by numpy's arithmetic on what h5py wrote and read.

`ETALON_BOUND_VALUES=1000000000` sets how many values are written in all (4 million otherwise).
"""

import os

from programs import run_python

SCRIPT = """
import h5py
from etalon_spec import FRAME, options
total, chunk = int(float(args[0])), 1 << 19
# Differences of f4 and integers are exact in the 64 bits of x87's long double, or off by less than the last bit of it.
exact = np.longdouble
assert np.finfo(exact).nmant >= 63

def bounds(random, dtype):
    if dtype.kind in "iu":
        return [1, 2.5, 7, 1000, 2.0 ** (8 * dtype.itemsize - 3)][random.randint(5)]
    ulp = np.finfo(dtype).eps
    largest = np.log10(float(np.finfo(dtype).max))
    return [
        0.01, 0.5, 1e-3 / 3,
        ulp * random.uniform(0.6, 4),                      # near the rounding of values about 1
        10.0 ** max(random.uniform(-largest, largest - 1), -299),     # denormal to huge
    ][random.randint(5)]

def values(random, dtype, n, bound):
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        wide = random.randint(0, 256, n * dtype.itemsize, dtype="u1").view(dtype)
        wide[: n // 2] = wide[: n // 2] % 100
        wide[:4] = info.min, info.max, info.max - 1, info.min + 1
        return wide
    kind = random.randint(4)
    if kind == 0:                                          # any bit pattern: NaN with payload, infinities, denormals
        return random.randint(0, 256, n * dtype.itemsize, dtype="u1").view(dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        if kind == 1:                                      # ties: odd multiples of the bound, and their neighbours
            ties = ((2 * random.randint(-2000, 2000, n) + 1) * exact(bound)).astype(dtype)
            return np.where(random.randint(0, 2, n), ties, np.nextafter(ties, np.array(np.inf, dtype))).astype(dtype)
        if kind == 2:                                      # smooth, some bounds wide
            return (np.cumsum(random.standard_normal(n)) * bound).astype(dtype)
        scale = bound * 10.0 ** random.uniform(-2, 6)
        array = (random.standard_normal(n) * scale).astype(dtype)
    array[::1009], array[1::2003], array[2::4001], array[3::4003] = np.nan, np.inf, -np.inf, -0.0
    return array

counted = written = refused = lossy = 0
random = np.random.RandomState(11)
dtypes = ["<f4", "<f4", "<f4", "<f8", "<f2", ">f4", "<i4", "<u2"]
# Without a cache of chunks, so that what is read was decoded.
with h5py.File("bound.h5", "w", driver="core", backing_store=False, rdcc_nbytes=0) as file:
    while written < total:
        dtype = np.dtype(dtypes[counted % len(dtypes)])
        counted += 1
        bound = bounds(random, dtype)
        native = values(random, dtype.newbyteorder("="), chunk, bound)
        array = native.astype(dtype) if dtype.byteorder == ">" else native
        spec = "quantise:abs=%r" % float(bound)
        try:
            data = file.create_dataset("x", data=array, chunks=(chunk,), compression=FRAME, compression_opts=options(spec))
        except (ValueError, OSError, RuntimeError) as error:
            refused += 1
            assert refused <= counted // 4 + 4, (spec, dtype, error)
            continue
        file.flush()
        back = data[:]
        written += chunk
        assert back.dtype == array.dtype
        same = array.view("u%d" % dtype.itemsize) == back.view("u%d" % dtype.itemsize)
        a, b = array[~same].astype(exact), back[~same].astype(exact)
        lossy += len(a)
        assert np.isfinite(a).all() and np.isfinite(b).all(), spec
        worst = abs(a - b).max() if len(a) else 0
        assert worst <= exact(bound), (spec, str(dtype), counted, repr(worst))
        del file["x"], data
answer(dict(written=written, lossy=lossy, refused=refused, chunks=counted))
"""


def test_no_bound_is_broken(wheel, plugins):
    total = os.environ.get("ETALON_BOUND_VALUES", "4e6")
    said = run_python(wheel, SCRIPT, total, plugin_path=plugins)
    print(said)
    assert said["written"] >= float(total) and said["lossy"] > said["written"] / 4, said
