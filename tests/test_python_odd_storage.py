"""Datasets and files that are seldom met: what `read`, `write` and `to_sparse` do there is what h5py does."""

import ctypes

import h5etalon
import h5py
import numpy as np
import pytest
from h5etalon import _storage

COUNTS = np.random.default_rng(2).poisson(2, (10, 7, 9)).astype("u2")
CHUNKS = (4, 4, 4)
# H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS, for which h5py has no word.
LEAVE_EDGES = 2


def create(file, name, settings):
    """A dataset of COUNTS' shape that can grow."""
    space = h5py.h5s.create_simple(COUNTS.shape, (20, 20, 20))
    return h5py.Dataset(h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_UINT16, space, settings))


def settings_with(chosen):
    """HDF5's settings of chunks and a filter, to which others can be added."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk(CHUNKS)
    settings.set_filter(chosen.filter_id, 0, chosen.filter_options)
    return settings


@pytest.mark.parametrize("chosen", [h5etalon.Bitshuffle(), h5etalon.Dictionary()], ids=str)
def test_chunks_at_the_edges_may_have_no_filter(chosen, tmp_path):
    set_options = ctypes.CDLL(h5py.h5z.__file__).H5Pset_chunk_opts
    set_options.argtypes = [ctypes.c_int64, ctypes.c_uint]
    with h5py.File(tmp_path / "x.h5", "w", libver="latest") as file:
        for name in ("theirs", "ours"):
            settings = settings_with(chosen)
            assert set_options(settings.id, LEAVE_EDGES) >= 0
            create(file, name, settings)
        file["theirs"][...] = COUNTS
        h5etalon.write(file["ours"], COUNTS)
    with h5py.File(tmp_path / "x.h5") as file:
        for name in ("theirs", "ours"):
            assert np.array_equal(file[name][...], COUNTS) and np.array_equal(h5etalon.read(file[name]), COUNTS)
            assert np.array_equal(h5etalon.to_sparse(file[name]).index, np.flatnonzero(COUNTS))


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("limits", [
    (None, 7, 9), (10, None, 9), (10, 7, None), (20, None, 9), (10, 20, None), (None, None, 9), (10, None, None), (20, 20, 20),
])  # fmt: skip
def test_any_dimension_may_be_without_limit(libver, limits, tmp_path):
    counts = np.random.default_rng(6).permutation(COUNTS.size).reshape(COUNTS.shape).astype("u2")
    with h5py.File(tmp_path / "x.h5", "w", libver=libver) as file:
        options = {"chunks": (4, 3, 2), "maxshape": limits, **h5etalon.Bitshuffle()}
        theirs = file.create_dataset("theirs", data=counts, **options)
        ours = file.create_dataset("ours", counts.shape, "u2", fillvalue=7, **options)
        h5etalon.write(ours, counts[:8], np.s_[:8])
        for dataset in (theirs, ours):
            for selection in (np.s_[()], np.s_[3:], np.s_[:, 2:5], np.s_[..., 4], np.s_[9, 6, 8]):
                assert np.array_equal(h5etalon.read(dataset, selection), dataset[selection]), selection
            assert np.array_equal(h5etalon.to_sparse(dataset).index, np.flatnonzero(dataset[()]))


def test_a_small_part_is_looked_up_and_not_searched_for(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = file.create_dataset("x", (500, 8), "u2", chunks=(1, 8), fillvalue=3, **h5etalon.Bitshuffle())
        dataset[:400] = np.arange(3200).reshape(400, 8)
        expected = dataset[()]
        dataset.id.write_direct_chunk((5, 0), expected[5].tobytes(), filter_mask=1)
        monkeypatch.setattr(_storage, "_locate", lambda *_: pytest.fail("all chunks are gone over"))
        for selection in (np.s_[3:9], np.s_[395:405], np.s_[450:], np.s_[::100], 7):
            assert np.array_equal(h5etalon.read(dataset, selection), expected[selection])


def test_what_is_never_filled_is_what_h5py_gives(tmp_path):
    settings = settings_with(h5etalon.Bitshuffle())
    settings.set_fill_value(np.array(7, "u2"))
    settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = create(file, "x", settings)
        dataset[:4] = COUNTS[:4]
        assert not dataset[4:].any()
        assert np.array_equal(h5etalon.read(dataset), dataset[...])


@pytest.mark.parametrize("driver", [None, "core"])
def test_a_file_that_is_open_for_reading_refuses_and_closes(driver, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=COUNTS, chunks=CHUNKS, **h5etalon.Bitshuffle())
    with h5py.File(tmp_path / "x.h5", "r", driver=driver) as file:
        with pytest.raises(OSError, match="no write intent"):
            h5etalon.write(file["x"], COUNTS + 1)
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        assert np.array_equal(file["x"][...], COUNTS)


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f8", "c8"])
@pytest.mark.parametrize("options", [h5etalon.Bitshuffle(), {"compression": "gzip"}], ids=str)
def test_minus_zero_is_zero_in_sparse_data(dtype, options, tmp_path):
    values = np.resize([0, -0.0, 1, np.nan], 40).astype(dtype)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        found = h5etalon.to_sparse(file.create_dataset("x", data=values, chunks=(16,), **options))
    assert np.array_equal(found.index, np.flatnonzero(values))
    assert np.array_equal(found.value, values[found.index], equal_nan=True)


@pytest.mark.parametrize("function", [h5etalon.read, h5etalon.to_sparse, h5etalon.filters_of])
@pytest.mark.parametrize("mistake", [COUNTS, "x.h5", None])
def test_what_is_no_dataset_is_a_type_error_that_says_so(function, mistake):
    with pytest.raises(TypeError, match="dataset of h5py"):
        function(mistake)
    with pytest.raises(TypeError, match="dataset of h5py"):
        h5etalon.write(mistake, COUNTS)
