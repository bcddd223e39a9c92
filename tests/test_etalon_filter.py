"""The frame (59297) and loss alone (59298) through h5py: bounds hold, masks are exact, standard readers can read."""

import json

import pytest

from etalon_spec import FRAME, ROUND, options
from programs import NOWHERE, run_python

COMMON = """
import h5py
from etalon_spec import FRAME, ROUND, options
random = np.random.RandomState(5)
def frames(kind):
    if kind == "volume":
        y, x = np.mgrid[0:96, 0:128]
        data = np.stack([np.hypot(y - 48, x - 64) < 10 * (i + 2) for i in range(4)]) * 1.0
        data = (data + random.normal(0, .03, data.shape)).astype("<f4")
        data[0, :4] = np.nan
        data[1, 5, 5], data[1, 5, 6] = np.inf, -np.inf
        data[2, 10:20] = -7.5
        return data
    data = random.poisson(300, (4, 96, 128)).astype("<u2")
    data[:, 40:44] = 65535
    return data
"""
WRITE = COMMON + """
path, kind, filters, cname = args[0], args[1], json.loads(args[2]), args[3]
data = frames(kind)
with h5py.File(path, "w", libver="earliest") as f:
    dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    dcpl.set_chunk((2, 96, 128))
    if kind == "volume":
        dcpl.set_fill_value(np.array(-7.5, "<f4"))
    for id, flags, values in filters:
        dcpl.set_filter(id, flags, tuple(values))
    space = h5py.h5s.create_simple(data.shape)
    h5py.h5d.create(f.id, b"x", h5py.h5t.py_create(data.dtype), space, dcpl)
    f["x"][:] = data
answer(served(('libh5etalon',)))
"""
READ = COMMON + """
if args[2] == "hdf5plugin":
    import hdf5plugin
data = frames(args[1])
with h5py.File(args[0], "r") as f:
    back = f["x"][:]
    masks = [f["x"].id.read_direct_chunk((i, 0, 0))[0] for i in (0, 2)]
    size = f["x"].id.get_storage_size()
a, b = data.astype("f8"), back.astype("f8")
exact = ~np.isfinite(a) | (data == (-7.5 if args[1] == "volume" else 65535))
error = np.abs(b - a)[~exact]
answer(dict(
    exact=bool((data[exact].tobytes() == back[exact].tobytes())),
    worst=float(error.max()),
    sigma=float((error / np.sqrt(np.maximum(a[~exact], 1))).max()),
    ratio=data.nbytes / size, masks=masks, ids=served(('libh5etalon',)),
))
"""
LOSSY = {
    "quantise:abs=0.01": ("volume", lambda said: said["worst"] <= 0.01),
    "noise:sigma=1,mask=65535": ("counts", lambda said: said["sigma"] <= 0.51),
}
OPTIONAL, MANDATORY = 1, 0


def write(python, plugins, path, kind, *filters):
    return run_python(python, WRITE, path, kind, json.dumps(filters), "", plugin_path=plugins)


@pytest.mark.parametrize("spec", LOSSY)
def test_bounds_hold_and_exact_values_are_exact(python, plugins, tmp_path, spec):
    kind, holds = LOSSY[spec]
    path = tmp_path / "x.h5"
    assert "libh5etalon_etalon.so" in write(python, plugins, path, kind, (FRAME, OPTIONAL, options(spec)))
    said = run_python(python, READ, path, kind, "", plugin_path=plugins)
    assert said["exact"] and holds(said) and said["worst"] > 0 and said["ratio"] > 3, said


@pytest.mark.parametrize("spec", LOSSY)
def test_rounded_and_bitshuffled_is_read_with_hdf5plugin_alone(wheel, plugins, tmp_path, spec):
    kind, holds = LOSSY[spec]
    path = tmp_path / "x.h5"
    write(wheel, plugins, path, kind, (ROUND, OPTIONAL, options(spec)), (32008, OPTIONAL, (0, 3, 3)))
    said = run_python(wheel, READ, path, kind, "hdf5plugin", plugin_path=NOWHERE)
    assert said["exact"] and holds(said) and said["worst"] > 0, said
    assert said["masks"] == [1, 1] and not any("etalon" in name for name in said["ids"]), said


@pytest.mark.parametrize("spec", LOSSY)
def test_rounded_and_gzipped_is_read_without_any_plugin(python, plugins, tmp_path, spec):
    kind, holds = LOSSY[spec]
    path = tmp_path / "x.h5"
    write(python, plugins, path, kind, (ROUND, OPTIONAL, options(spec)), (2, OPTIONAL, ()), (1, OPTIONAL, (4,)))
    said = run_python(python, READ, path, kind, "", plugin_path=NOWHERE)
    assert said["exact"] and holds(said) and said["worst"] > 0 and said["ids"] == [], said


@pytest.mark.parametrize("spec", LOSSY)
def test_mandatory_rounding_needs_the_plugin_and_says_so(wheel, plugins, tmp_path, spec):
    kind, holds = LOSSY[spec]
    path = tmp_path / "x.h5"
    write(wheel, plugins, path, kind, (ROUND, MANDATORY, options(spec)), (1, OPTIONAL, (4,)))
    said = run_python(wheel, READ, path, kind, "", plugin_path=plugins)
    assert said["masks"] == [0, 0] and holds(said), said


REFUSALS = {
    "another filter comes first": ("volume", [(2, 1, ()), (FRAME, 1, options("quantise:abs=0.01"))]),
    "did you mean 'quantise'": ("volume", [(FRAME, 1, options("quantize:abs=0.01"))]),
    "exactly one of": ("volume", [(FRAME, 1, options("quantise"))]),
    "not Etalon's": ("volume", [(FRAME, 1, (1, 2, 3))]),
}


@pytest.mark.parametrize("sentence", REFUSALS)
def test_refusals_say_why(wheel, plugins, tmp_path, sentence):
    kind, filters = REFUSALS[sentence]
    script = COMMON + """
try:
    exec(%r)
    answer("written")
except Exception as error:
    answer(str(error))
""" % WRITE[len(COMMON):]
    said = run_python(wheel, script, tmp_path / "x.h5", kind, json.dumps(filters), "", plugin_path=plugins)
    assert sentence in said


REWRITE = COMMON + """
# Row by row in chunks larger than the chunk cache: every write decodes and encodes the chunk again.
data = frames(args[2])
with h5py.File(args[0], "w", rdcc_nbytes=1 << 10) as f:
    dset = f.create_dataset("x", data.shape, data.dtype, chunks=(2, 96, 128), compression=FRAME,
                            compression_opts=options(args[1]))
    for row in range(96):
        dset[:, row] = data[:, row]
    dset[:, 95] = data[:, 95]
with h5py.File(args[0]) as f:
    back = f["x"][:]
with h5py.File(args[0] + ".once", "w") as f:
    f.create_dataset("x", data=data, chunks=(2, 96, 128), compression=FRAME, compression_opts=options(args[1]))
    f.flush()
with h5py.File(args[0] + ".once") as f:
    once = f["x"][:]
finite = np.isfinite(data)
exact = ~finite | (data == 65535)
error = np.abs(back.astype("f8") - data)[~exact]
answer([float(error.max()), float((error / np.sqrt(np.maximum(data[~exact], 1))).max()), bool(back.tobytes() == once.tobytes())])
"""


@pytest.mark.parametrize("spec", LOSSY)
def test_partial_overwrites_of_a_chunk_larger_than_the_cache_keep_the_bound(python, plugins, tmp_path, spec):
    kind, holds = LOSSY[spec]
    worst, sigma, same = run_python(python, REWRITE, str(tmp_path / "x.h5"), spec, kind, plugin_path=plugins)
    assert holds({"worst": worst, "sigma": sigma}) and same
