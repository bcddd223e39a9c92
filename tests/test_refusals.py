"""What is refused, and the sentence that a user sees: through h5py, in `etalon args` and in `etalon recompress`."""

import json
import os

import h5py
import numpy as np
import pytest

from etalon_command import etalon
from etalon_spec import FRAME, ROUND, options
from programs import run_python

BITSHUFFLE, GZIP, SHUFFLE = 32008, 1, 2
OPTIONAL, MANDATORY = 1, 0

DATA = """
import h5py
random = np.random.RandomState(3)
y, x = np.mgrid[0:192, 0:192]
def make(kind):
    if kind == "labels":
        return (x // 30 * 7 + y // 30 * 40).astype("<u2")
    if kind == "keys":
        return (random.randint(0, 16, x.shape) * 1001).astype("<u2")
    if kind == "speckle":
        return random.poisson(5 * random.gamma(3, 1 / 3, x.shape)).astype("<u2")
    if kind == "counts":
        return random.poisson(20, x.shape).astype("<u2")
    if kind == "floats":
        return random.normal(0, 1, x.shape).astype("<f4")
    if kind == "references":
        return np.full(x.shape, None, h5py.ref_dtype)
    return np.zeros(x.shape, {"compound": [("a", "<f4"), ("b", "<u2")], "strings": "S5", "complex": "<c8", "bool": "?"}[kind])
"""
WRITE = DATA + """
path, kind, filters = args[0], args[1], json.loads(args[2])
data = make(kind)
def write():
    # Without a chunk cache a chunk is filtered when it is written; one that is refused later cannot be got rid of.
    with h5py.File(path, "w", rdcc_nbytes=0) as f:
        dcpl = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        dcpl.set_chunk(data.shape)
        for id, flags, values in filters:
            dcpl.set_filter(id, flags, tuple(values))
        space = h5py.h5s.create_simple(data.shape)
        h5py.h5d.create(f.id, b"x", h5py.h5t.py_create(data.dtype, logical=True), space, dcpl)
        f["x"][:] = data
        f.flush()
        return [bool(f["x"][:].tobytes() == data.tobytes()), f["x"].id.read_direct_chunk((0, 0))[0]]
try:
    answer(write())
except Exception as error:
    answer(str(error))
"""
NOT_NUMBERS = "are not numbers this codec knows; store them with bitshuffle or dictionary"
LABELS = "look like labels or keys"
FIRST = "put this filter first in the pipeline"
LOSSLESS = "is lossless, there is nothing to round; use its own filter"
BY_HDF5 = [
    # data, filters before, filter, SPEC, sentence
    ("counts", [], ROUND, "sigma-clip", "draws background from a model"),
    ("counts", [], ROUND, "bitshuffle", LOSSLESS),
    ("counts", [], ROUND, "dictionary", LOSSLESS),
    ("compound", [], FRAME, "quantise:abs=1", NOT_NUMBERS),
    ("strings", [], FRAME, "noise", NOT_NUMBERS),
    ("complex", [], FRAME, "noise", NOT_NUMBERS),
    ("bool", [], FRAME, "noise", NOT_NUMBERS),
    ("bool", [], FRAME, "noise", "enumerated"),
    ("references", [], FRAME, "noise", NOT_NUMBERS),
    ("compound", [], ROUND, "noise", NOT_NUMBERS),
    ("counts", [(GZIP, (4,))], FRAME, "noise", FIRST),
    ("counts", [(SHUFFLE, ())], ROUND, "noise", FIRST),
    ("counts", [(BITSHUFFLE, (0, 2))], FRAME, "quantise:abs=4", FIRST),
    ("floats", [], FRAME, "quantise:abs=1e-46", "abs=1e-46 is smaller than the rounding of the element type"),
    ("counts", [], FRAME, "quantise:abs=0.5", "abs < 1 on integers is lossless"),
    ("counts", [], FRAME, "noise:mode=dither", "use mode=unbiased, or store floats"),
    ("counts", [], FRAME, "noise:mask=-1", "mask=-1 is no value of the element type"),
    ("counts", [], FRAME, "nosie", "unknown codec 'nosie'; did you mean 'noise'?"),
    ("counts", [], FRAME, "noise:sgima=1", "unknown key 'sgima'; did you mean 'sigma'?"),
    ("counts", [], FRAME, "quantise:abs=1,rel=0.1", "give exactly one of abs=, rel=, pw=, psnr=, levels=, bits="),
    ("counts", [], FRAME, "noise:sigma=-1", "sigma=-1 is not a number from 0.001 to 8"),
]
IN_ARGS = {
    "quantize:abs=1": "unknown codec 'quantize'; did you mean 'quantise'?",
    "gzip": "unknown codec 'gzip'; known: bitshuffle, dictionary",
    "noise:sgma=1": "unknown key 'sgma'; did you mean 'sigma'?",
    "noise:mode=ditherr": "mode cannot be 'ditherr'; did you mean 'dither'?",
    "bitshuffle:compressor=gzip": "known: lz4, zstd, none",
    "bitshuffle:block=12": "block=12 is not a multiple of 8 elements",
    "noise:sigma=1,sigma=2": "'sigma' is given twice",
    "quantise": "give exactly one of abs=, rel=, pw=, psnr=, levels=, bits=",
    "quantise:abs=1,rel=0.1": "give exactly one of abs=, rel=, pw=, psnr=, levels=, bits=",
    "quantise:abs=1,range=0;1": "range= goes with",
    "quantise:abs=1,otsu=0.9": "otsu= goes with",
    "quantise:levels=9,range=3;2": "lo < hi",
    "quantise:abs=-1": "abs=-1 is not a number from 1e-300 to 1e300",
    "quantise:abs=nan": "abs=nan is not a number from",
    "quantise:abs=inf": "abs=inf is not a number from",
    "quantise:bits=99": "bits=99 is not a whole number from 0 to 63",
    "noise:sigma=0": "sigma=0 is not a number from 0.001 to 8",
    "bitshuffle:level=40": "level=40 is not a whole number from 1 to 22",
    "bitshuffle:level=5": "level= is for compressor=zstd",
    "sigma-clip:variant=azimuthal": "needs the beam centre, cx= and cy= in pixels",
    "sigma-clip:force=perhaps": "force=perhaps is not true or false",
}
IN_RECOMPRESS = [
    # data, SPEC, sentence
    ("labels", "noise", "store them with dictionary"),
    ("labels", "quantise:abs=20", LABELS),
    ("keys", "noise", LABELS),
    ("speckle", "sigma-clip", "or force to encode all the same"),
    ("counts", "quantise:abs=0.5", "abs < 1 on integers is lossless"),
    ("counts", "quantise", "give exactly one of"),
    ("counts", "noise:mode=dither", "use mode=unbiased, or store floats"),
    ("floats", "quantise:abs=1e-46", "smaller than the rounding"),
]


@pytest.mark.parametrize("kind, before, filter, spec, sentence", BY_HDF5)
def test_h5py_raises_with_the_sentence(wheel, plugins, tmp_path, kind, before, filter, spec, sentence):
    filters = [(id, OPTIONAL, values) for id, values in before] + [(filter, MANDATORY, options(spec))]
    said = run_python(wheel, WRITE, tmp_path / "x.h5", kind, json.dumps(filters), plugin_path=plugins)
    assert sentence in said and "(%d)" % filter in said


REFUSED_VALUES = [
    ("labels", FRAME, "noise"),
    ("keys", FRAME, "quantise:abs=20"),
    ("speckle", FRAME, "sigma-clip"),
    ("floats", FRAME, "sigma-clip:force"),
    ("labels", ROUND, "noise"),
    ("keys", ROUND, "quantise:abs=20"),
]


@pytest.mark.parametrize("kind, filter, spec", REFUSED_VALUES)
@pytest.mark.parametrize("flag", [OPTIONAL, MANDATORY])
def test_a_filter_leaves_values_exact_that_its_codec_refuses(wheel, plugins, tmp_path, flag, kind, filter, spec):
    """Data are there when values are seen, and HDF5 has no way to get rid of a chunk that a filter refuses."""
    filters = json.dumps([(filter, flag, options(spec))])
    exact, mask = run_python(wheel, WRITE, tmp_path / "x.h5", kind, filters, plugin_path=plugins)
    assert exact and mask == (1 if (filter, flag) == (ROUND, OPTIONAL) else 0)


def test_force_writes_what_is_refused_without(wheel, plugins, tmp_path):
    for filter in (FRAME, ROUND):
        filters = json.dumps([(filter, MANDATORY, options("sigma-clip:force"))])
        exact, mask = run_python(wheel, WRITE, tmp_path / "x.h5", "speckle", filters, plugin_path=plugins)
        assert not exact and mask == 0


@pytest.mark.parametrize("spec", IN_ARGS)
def test_args_ends_with_code_2_and_the_sentence(spec):
    done = etalon("args", spec, code=2)
    assert IN_ARGS[spec] in done.stderr and done.stdout == "" and len(done.stderr) < 300


@pytest.fixture(scope="module")
def sources(tmp_path_factory, wheel, plugins):
    folder = tmp_path_factory.mktemp("refusals")
    script = DATA + """
for kind in args[1:]:
    with h5py.File(args[0] + "/" + kind + ".h5", "w") as file:
        file.create_dataset("x", data=make(kind), chunks=(192, 192))
answer(True)
"""
    run_python(wheel, script, folder, *sorted({row[0] for row in IN_RECOMPRESS}), plugin_path=plugins)
    return folder


@pytest.mark.parametrize("kind, spec, sentence", IN_RECOMPRESS)
def test_recompress_ends_with_the_sentence_and_no_target(sources, tmp_path, kind, spec, sentence):
    done = etalon("recompress", sources / (kind + ".h5"), tmp_path / "out.h5", "--codec", spec, code=2)
    assert sentence in done.stderr and "/x" in done.stderr and os.listdir(tmp_path) == []


def test_recompress_leaves_what_is_no_number_as_it_is(tmp_path):
    compound = np.array([(at / 3, at) for at in range(64)], [("a", "<f4"), ("b", "<u2")])
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.create_dataset("compound", data=compound, chunks=(16,))
        file.create_dataset("floats", data=np.linspace(0, 1, 4096, dtype="<f4"), chunks=(4096,))
    etalon("recompress", tmp_path / "in.h5", tmp_path / "out.h5", "--codec", "quantise:abs=0.01")
    with h5py.File(tmp_path / "out.h5") as file:
        assert (file["compound"][:] == compound).all() and file["compound"].id.get_create_plist().get_nfilters() == 0
        assert file["floats"].id.get_create_plist().get_filter(0)[0] == FRAME
