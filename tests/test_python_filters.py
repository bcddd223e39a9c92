"""Filters as keyword arguments of h5py: hdf5plugin's Bitshuffle, and a class for each codec of the table."""

import inspect
import io
import json
import subprocess
import sys
from pathlib import Path

import h5etalon
import h5py
import numpy as np
import pytest
from h5etalon._pipeline import stored_filters

FRAMES = np.random.default_rng(2).poisson(3, (6, 64, 80)).astype("u2")
SETTINGS = {
    "Bitshuffle": {"cname": "zstd", "clevel": 5, "nelems": 512},
    "Dictionary": {},
    "Quantise": {"abs": 2.5, "mask": [65535, 65534]},
    "Noise": {"sigma": 0.5},
}


def stored(filter_kwargs, data=FRAMES):
    """What comes back, the filter with its settings, and the options that are stored."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.create_dataset("x", data=data, chunks=(1, *data.shape[1:]), **filter_kwargs)
    # Opened once more: HDF5's cache has the values from before the loss.
    with h5py.File(memory) as file:
        dataset = file["x"]
        return dataset[()], h5etalon.filters_of(dataset)[0], stored_filters(dataset)[0].options


def table_of_the_command():
    command = Path(sys.executable).parent / "etalon"
    done = subprocess.run([command, "codecs", "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_every_codec_of_the_table_has_a_class():
    names = {"".join(part.capitalize() for part in row["name"].split("-")) for row in table_of_the_command()}
    classes = {name for name in h5etalon.__all__ if inspect.isclass(getattr(h5etalon, name))}
    assert names <= classes and {"Noise", "Quantise", "SigmaClip"} <= names


@pytest.mark.parametrize("name", SETTINGS)
def test_a_filter_is_a_mapping_and_a_compression(name):
    made = getattr(h5etalon, name)(**SETTINGS[name])
    values, again, _ = stored(made)
    other = stored({"compression": made})[0]
    assert again.filter_id == made.filter_id and (values == other).all()
    assert dict(made) == {"compression": made.filter_id, "compression_opts": made.filter_options}
    assert type(again) is type(made) and again.spec.split(":")[0] == made.spec.split(":")[0]
    assert hash(made) == hash(type(made)(**made.get_config())) and made == type(made)(**made.get_config())
    worst = {"Quantise": 2.5, "Noise": 3}.get(name, 0)
    assert np.abs(values.astype(int) - FRAMES).max() <= worst


@pytest.mark.parametrize("name", SETTINGS)
def test_what_a_file_says_makes_the_same_file(name):
    made = getattr(h5etalon, name)(**SETTINGS[name])
    values, again, options = stored(made)
    assert h5etalon.from_filter_options(made.filter_id, options) == again
    assert stored(again)[2] == options and (stored(again)[0] == values).all()


def test_long_settings_reach_the_codec_whole():
    made = h5etalon.Quantise(abs=2.5, mask=list(range(60000, 60040)))
    data = FRAMES.copy()
    data[:, :2, :40] = np.arange(60000, 60040)
    with h5py.File("long.h5", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset("x", data.shape, data.dtype, chunks=(1, *data.shape[1:]), **made)
        h5etalon.write(dataset, data)
        assert h5etalon.filters_of(dataset)[0].spec == made.spec
        values = h5etalon.read(dataset)
        assert (values == stored(made, data)[0]).all() and (values != data).any()
        assert (values[:, :2, :40] == data[:, :2, :40]).all(), "masked"
        assert h5etalon.filters_of(file.create_dataset("y", data=data, compression="gzip")) == [None]


def test_a_spec_and_a_class_are_the_same_filter():
    assert h5etalon.Etalon("noise:sigma=0.5") == h5etalon.Noise(sigma=0.5)
    assert repr(h5etalon.Noise(sigma=0.5)) == "Noise(sigma=0.5)"
    assert h5etalon.Quantise(abs=1, mask=[-1, -2]).spec == "quantise:abs=1,mask=-1;-2"
    assert h5etalon.SigmaClip(force=True).spec == "sigma-clip:force=true"


def test_rounded_values_need_no_plugin():
    rounded, again, _ = stored(h5etalon.Round(h5etalon.Noise(sigma=0.5)))
    assert again.filter_id == 59298 and (rounded == stored(h5etalon.Noise(sigma=0.5))[0]).all()
    with pytest.raises(ValueError, match="lossless"):
        h5etalon.Round(h5etalon.Dictionary())


@pytest.mark.parametrize("mistake, error, words", [
    (lambda: h5etalon.Quantise(ab=1), TypeError, "did you mean abs.*It takes: abs, rel, pw"),
    (lambda: h5etalon.Noise(0.5), TypeError, "positional"),
    (lambda: h5etalon.Quantise(abs=-1), ValueError, "abs=-1 is not a number from"),
    (lambda: h5etalon.Quantise(), ValueError, "exactly one of abs="),
    (lambda: h5etalon.Dictionary(backend="x"), ValueError, "known: auto, bits, bitshuffle"),
    (lambda: h5etalon.Etalon("nois"), ValueError, "did you mean 'noise'"),
    (lambda: h5etalon.Bitshuffle(cname="zip"), ValueError, "known: none, lz4, zstd"),
    (lambda: h5etalon.Bitshuffle(nelems=12), ValueError, "multiple of 8"),
    (lambda: h5etalon.get_filters("zip"), ValueError, "known: bshuf"),
    (lambda: h5etalon.register(5), ValueError, "known: bshuf"),
    (lambda: h5etalon.from_filter_options(4, ()), ValueError, "Unsupported filter id"),
])  # fmt: skip
def test_mistakes_say_what_is_allowed(mistake, error, words):
    with pytest.raises(error, match=words):
        mistake()


def test_help_lists_the_keys_with_their_defaults():
    signature = inspect.signature(h5etalon.Noise)
    assert "sigma" in signature.parameters and ":param sigma:" in h5etalon.Noise.__doc__


def test_filters_are_found_by_name_and_id():
    assert h5etalon.get_filters() == h5etalon.FILTER_CLASSES
    assert h5etalon.get_filters(("bshuf", 59298, "noise")) == (h5etalon.Bitshuffle, h5etalon.Round, h5etalon.Noise)
    assert {cls.filter_name for cls in h5etalon.get_filters("registered")} == set(h5etalon.FILTERS)


def test_filters_of_hdf5plugin_are_hdf5plugins():
    hdf5plugin = pytest.importorskip("hdf5plugin")
    assert h5etalon.Blosc2 is hdf5plugin.Blosc2 and h5etalon.ZFP_ID == hdf5plugin.ZFP_ID
    with pytest.raises(AttributeError):
        h5etalon.Blosc3


def test_the_hints_are_those_of_the_table():
    script = Path(__file__).resolve().parent.parent / "scripts/python_hints.py"
    subprocess.run([sys.executable, script, "check"], check=True)


@pytest.mark.parametrize("settings, codec, worst", [
    ({}, ("counts", "dictionary", "predict", "bitshuffle"), 0),
    ({"speed": "fast"}, ("counts", "dictionary", "predict", "bitshuffle"), 0),
    ({"abs": 2}, ("quantise",), 2),
    ({"rel": 0.1, "speed": "small"}, ("quantise",), 0.1 * int(FRAMES.max())),
    ({"sigma": 1.5, "gain": 2.0}, ("noise",), 1.5 * np.sqrt(np.maximum(1, 2.0 * FRAMES))),
    ({"sigma": 1, "mask": [0]}, ("noise",), np.sqrt(np.maximum(1, FRAMES))),
], ids=lambda value: str(value) if isinstance(value, dict) else "")  # fmt: skip
def test_auto_is_lossless_or_keeps_the_bound_that_it_is_given(settings, codec, worst):
    made = h5etalon.Auto(**settings)
    values, again, _ = stored(made)
    error = np.abs(values.astype(int) - FRAMES)
    worst, is_lossy = np.broadcast_to(worst, error.shape), np.any(worst)
    assert (error <= worst).all() and error.any() == is_lossy
    assert again.spec.split(":")[0] in (*codec, "auto") and (again.spec.split(":")[0] == "auto") != is_lossy
    assert h5etalon.inspect(h5etalon.encode(FRAMES, made))["codec"] in codec
    assert h5etalon.Etalon("auto:" + ",".join("%s=%s" % (key, _spec_text(value)) for key, value in settings.items())) == made
    assert h5etalon.Auto(**made.get_config()) == made
    if "mask" in settings:
        assert (values[FRAMES == 0] == 0).all()


def _spec_text(value):
    return ";".join(map(str, value)) if isinstance(value, list) else value


@pytest.mark.parametrize("settings, error, words", [
    ({"abs": 1, "sigma": 2}, ValueError, "abs is a bound of quantise and sigma one of noise"),
    ({"abs": 1, "rel": 0.2}, ValueError, "exactly one of"),
    ({"abs": -1}, ValueError, "abs=-1 is not a number from"),
    ({"gain": 2}, ValueError, "auto: unknown key 'gain'"),
    ({"sigm": 2}, TypeError, "did you mean sigma"),
    ({"speed": "slow"}, ValueError, "known: balanced, fast, small"),
], ids=str)  # fmt: skip
def test_auto_says_which_bounds_go_together(settings, error, words):
    with pytest.raises(error, match=words):
        h5etalon.Auto(**settings)
