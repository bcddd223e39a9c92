"""Arrays that every interpreter of the tests makes alike, to compare values across processes and numpy versions.

`numpy.random.RandomState` is frozen: its streams are the same in every release.
"""

import numpy as np

OPTIONS = {"none": (0, 0), "lz4": (0, 2), "zstd": (0, 3), "zstd-9": (0, 3, 9), "lz4-block": (64, 2)}

COMPOUND = np.dtype([("id", "<u2"), ("energy", "<f8"), ("rgb", "V3")])
DTYPES = {
    "u1": "u1",
    "i1": "i1",
    "u2": "<u2",
    "u2be": ">u2",
    "i4": "<i4",
    "u8": "<u8",
    "f4": "<f4",
    "f4be": ">f4",
    "f8": "<f8",
    "complex": "<c16",
    "bool": "?",
    "text5": "S5",
    "opaque3": "V3",
    "compound13": COMPOUND,
}
# Chunks that do not divide the extent, so that chunks at the edge are partly filled.
SHAPES = {"1d": ((1003,), (100,)), "2d": ((37, 53), (9, 20)), "3d": ((3, 11, 13), (1, 11, 13)), "one": ((1,), (1,))}


def array(dtype, shape, seed=1):
    """Mostly small counts, some large ones, bytes of any value for types that are not numbers."""
    dtype = np.dtype(dtype)
    random = np.random.RandomState(seed)
    count = int(np.prod(shape))
    if dtype.kind in "VS":
        noise = random.randint(1, 256, (count, dtype.itemsize)).astype("u1")
        noise[:, :-1] //= 64
        return noise.view(dtype).reshape(shape)
    if dtype.kind == "b":
        return (random.randint(0, 2, count) == 1).reshape(shape)
    values = random.poisson(3, count).astype("f8")
    values[::97] = 120
    if dtype.kind == "c":
        values = values + 1j * random.standard_normal(count)
    elif dtype.kind == "f":
        values += random.standard_normal(count)
    return values.astype(dtype).reshape(shape)


def every():
    """Name, array and chunk shape of every sample."""
    for kind, dtype in DTYPES.items():
        for name, (shape, chunk) in SHAPES.items():
            yield "%s-%s" % (kind, name), array(dtype, shape), chunk


def same(a, b):
    """Whether type, shape and all bytes agree, NaN and padding included."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
