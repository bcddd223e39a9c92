"""h5py of three generations writes and reads every kind of element, each one's files being read by all of them."""

import pytest

from programs import NOWHERE, PYTHONS, missing, require_python, run_python, shared_data

WRITE = """
import h5py
stored = {}
with h5py.File(args[0], "w", libver="earliest") as f:
    for option, values in samples.OPTIONS.items():
        for name, array, chunk in samples.every():
            kwargs = dict(compression=32008, compression_opts=values)
            d = f.create_dataset(option + "/" + name, data=array, chunks=chunk, **kwargs)
            _, flags, values_stored, _ = d.id.get_create_plist().get_filter(0)
            stored[d.name] = flags, list(values_stored), array.dtype.itemsize
    strings = ["a", "", "long " * 9] * 5
    f.create_dataset("strings", data=strings, dtype=h5py.string_dtype(), chunks=(4,), compression=32008)
answer({"hdf5": h5py.version.hdf5_version, "stored": stored, "served": served()})
"""
READ = """
import h5py
with h5py.File(args[0], "r") as f:
    pairs = [(option + "/" + name, array) for option in samples.OPTIONS for name, array, _ in samples.every()]
    wrong = [path for path, array in pairs if not samples.same(f[path][()], array)]
    strings = [bytes(s).decode() for s in f["strings"][()]] == ["a", "", "long " * 9] * 5
answer({"wrong": wrong, "strings": strings, "served": served()})
"""
VERSIONS = {"wheel": "2.", "wheel-1.14": "1.14.", "debian-1.10": "1.10."}


@pytest.fixture(scope="module")
def written(plugins, tmp_path_factory):
    """A file of every sample from each interpreter that is there, and what its writer said."""
    files = {}
    for name, path in PYTHONS.items():
        try:
            require_python(name)
        except pytest.skip.Exception:
            continue
        file = tmp_path_factory.mktemp("h5py") / (name + ".h5")
        files[name] = file, run_python(path, WRITE, file, plugin_path=plugins)
    return files


def of(written, name):
    return written[name] if name in written else missing("no interpreter " + name)


@pytest.mark.parametrize("writer", PYTHONS)
def test_the_plugin_localises_cd_values_for_every_element_type(written, writer):
    said = of(written, writer)[1]
    assert said["hdf5"].startswith(VERSIONS[writer]) and said["served"] == ["libh5etalon_bitshuffle.so"]
    options = {"none": [0, 0], "lz4": [0, 2], "zstd": [0, 3], "zstd-9": [0, 3, 9], "lz4-block": [64, 2]}
    for name, (flags, stored, element_bytes) in said["stored"].items():
        # h5py asks for an optional filter.
        assert (flags, stored) == (1, [0, 4, element_bytes, *options[name.split("/")[1]]]), name


@pytest.mark.parametrize("reader", PYTHONS)
@pytest.mark.parametrize("writer", PYTHONS)
def test_every_value_written_comes_back(plugins, written, writer, reader):
    said = run_python(require_python(reader), READ, of(written, writer)[0], plugin_path=plugins)
    assert said == {"wrong": [], "strings": True, "served": ["libh5etalon_bitshuffle.so"]}


def test_without_the_plugin_nothing_is_read(python, written):
    script = """
import h5py
try:
    with h5py.File(args[0], "r") as f:
        answer(["read", f["lz4/u2-1d"][()].tolist()])
except OSError as error:
    answer(["refused", str(error)])
"""
    outcome, text = run_python(python, script, of(written, "wheel")[0], plugin_path=NOWHERE)
    assert outcome == "refused" and "can't open directory" in text, text


REAL = """
import h5py
with h5py.File(args[0], "r") as f, h5py.File(args[2], "w") as out:
    array = f[args[1]][:4] if f[args[1]].ndim > 2 else f[args[1]][()]
    chunk = (1,) * (array.ndim - 2) + array.shape[-2:]
    for option, values in samples.OPTIONS.items():
        out.create_dataset(option, data=array, chunks=chunk, compression=32008, compression_opts=values)
with h5py.File(args[2], "r") as out:
    answer({option: samples.same(out[option][()], array) for option in out})
"""


@pytest.mark.parametrize(
    "slug, dataset",
    [
        ("lambda-m1-series", "data"),
        ("jungfrau-mod5", "raw"),
        ("saxs-aps-nxsas", "frames"),
        ("xfel-exafel1", "data"),
        ("cfd-baler", "animation"),
        ("ct-bone-shell", "bone"),
    ],
)
def test_real_data_comes_back(plugins, wheel, tmp_path, slug, dataset):
    said = run_python(wheel, REAL, shared_data(slug), dataset, tmp_path / "out.h5", plugin_path=plugins)
    assert len(said) == 5 and all(said.values()), said


def test_a_chunk_above_64_mib_comes_back_and_its_memory_goes(plugins, wheel, tmp_path):
    script = """
import h5py, resource
array = samples.array("u1", (1 << 20,)).repeat(80)
rss = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20
before = rss()
with h5py.File(args[0], "w") as f:
    for name in "ab":
        f.create_dataset(name, data=array, chunks=array.shape, compression=32008, compression_opts=(0, 2))
with h5py.File(args[0], "r") as f:
    same = [samples.same(f[name][()], array) for name in "ab"]
answer({"same": same, "kept": rss() - before})
"""
    said = run_python(wheel, script, tmp_path / "big.h5", plugin_path=plugins)
    assert said["same"] == [True, True] and said["kept"] < 64, said


def test_partial_writes_and_growth_keep_the_rest(plugins, python, tmp_path):
    script = """
import h5py
array = samples.array("<u2", (64, 50))
with h5py.File(args[0], "w", libver="earliest") as f:
    kwargs = dict(maxshape=(None, 50), chunks=(16, 30), compression=32008, compression_opts=(0, 3))
    f.create_dataset("x", data=array[:40], **kwargs)
for first in range(0, 40, 7):
    with h5py.File(args[0], "r+") as f:
        f["x"][first, ::3] = 9
    array[first, ::3] = 9
with h5py.File(args[0], "r+") as f:
    f["x"].resize((64, 50))
    f["x"][40:] = array[40:]
with h5py.File(args[0], "r") as f:
    answer(samples.same(f["x"][()], array))
"""
    assert run_python(python, script, tmp_path / "grow.h5", plugin_path=plugins)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ((0, 7), "compressor 7 is unknown"),
        ((3, 2), "not a multiple of 8"),
        ((1 << 31, 2), "larger than the format allows"),
    ],
)
def test_settings_that_make_no_sense_are_refused_when_the_dataset_is_created(
    plugins, python, tmp_path, options, sentence
):
    script = """
import h5py
with h5py.File(args[0], "w") as f:
    try:
        kwargs = dict(compression=32008, compression_opts=tuple(json.loads(args[1])))
        f.create_dataset("x", data=np.zeros(9, "u2"), chunks=(9,), **kwargs)
        answer("created")
    except Exception as error:
        answer(str(error))
"""
    text = run_python(python, script, tmp_path / "no.h5", list(options), plugin_path=plugins)
    assert "bitshuffle (32008): " in text and sentence in text, text


def test_shuffle_before_us_is_odd_but_right(plugins, python, tmp_path):
    script = """
import h5py
array = samples.array("<u4", (1003,))
with h5py.File(args[0], "w") as f:
    d = f.create_dataset("x", data=array, chunks=(100,), shuffle=True, compression=32008, compression_opts=(0, 2))
    ids = [d.id.get_create_plist().get_filter(i)[0] for i in range(2)]
with h5py.File(args[0], "r") as f:
    masks = [f["x"].id.get_chunk_info(i).filter_mask for i in range(11)]
    answer([ids, set(masks) == {0}, samples.same(f["x"][()], array)])
"""
    assert run_python(python, script, tmp_path / "shuffled.h5", plugin_path=plugins) == [[2, 32008], True, True]


def test_filters_on_groups_are_accepted(plugins, wheel, tmp_path):
    script = """
import ctypes, h5py
lib = ctypes.CDLL([line.split()[-1] for line in open("/proc/self/maps") if "/libhdf5-" in line][0])
gcpl = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
stored = (ctypes.c_uint * 5)(0, 4, 1, 0, 2)
status = lib.H5Pset_filter(ctypes.c_int64(gcpl.id), 32008, 1, ctypes.c_size_t(5), stored)
names = ["member %d" % i for i in range(200)]
with h5py.File(args[0], "w", libver="latest") as f:
    group = h5py.Group(h5py.h5g.create(f.id, b"g", gcpl=gcpl))
    for name in names:
        group[name] = 1
with h5py.File(args[0], "r") as f:
    answer([status, sorted(f["g"]) == sorted(names), b"member 150" in open(args[0], "rb").read()])
"""
    assert run_python(wheel, script, tmp_path / "group.h5", plugin_path=plugins) == [0, True, False]
