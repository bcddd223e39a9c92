"""HDF5 files with our filters where xarray, dask and Zarr read them: through h5netcdf, kerchunk and VirtualiZarr."""

import ctypes
import json
import re

import dask.array
import fsspec
import h5etalon
import h5py
import hdf5plugin
import numcodecs
import numpy as np
import pytest
import virtualizarr.parsers.hdf.filters
import xarray
import zarr
from kerchunk.hdf import Hdf5FeatureNotSupported
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr.parsers import HDFParser

from programs import shared_data

FRAMES = np.random.default_rng(6).poisson(3, (5, 70, 90)).astype("u2")
CHUNKS = (2, 32, 64)
# Filters beside ours come before or after it, as h5py orders them.
DATASETS = {
    "lz4": lambda: h5etalon.Bitshuffle(),
    "zstd": lambda: h5etalon.Bitshuffle(cname="zstd", clevel=5, nelems=512),
    "summed": lambda: {"fletcher32": True, **h5etalon.Bitshuffle(cname="zstd")},
    "shuffled": lambda: {"shuffle": True, **h5etalon.Bitshuffle()},
    "dictionary": lambda: h5etalon.Dictionary(),
    "summed_frames": lambda: {"fletcher32": True, **h5etalon.Predict()},
    "noise": lambda: h5etalon.Noise(sigma=0.5),
    "rounded": lambda: h5etalon.Round("quantise:abs=3"),
    "gzip": lambda: {"compression": "gzip", "shuffle": True},
    "zstd_of_hdf5plugin": lambda: hdf5plugin.Zstd(),
    "contiguous": lambda: {"chunks": None},
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["beamline"] = "X9"
        for name, options in DATASETS.items():
            entry.create_dataset(name, data=FRAMES, **{"chunks": CHUNKS, **options()}).attrs["units"] = "counts"
        entry.create_dataset("big_endian", data=FRAMES.astype(">i4"), chunks=CHUNKS, **h5etalon.Dictionary())
        entry.create_dataset("mask", data=FRAMES[0], chunks=CHUNKS[1:], **h5etalon.Bitshuffle())
        part = entry.create_dataset("part", FRAMES.shape, "u2", chunks=CHUNKS, **h5etalon.Bitshuffle())
        part[:2, :40] = FRAMES[:2, :40]
        stated = entry.create_dataset(
            "stated_fill", FRAMES.shape, "u2", chunks=CHUNKS, fillvalue=9, **h5etalon.Counts()
        )
        stated[:2, :40] = FRAMES[:2, :40]
    return path


def values_of_h5py(path):
    with h5py.File(path) as file:
        return {name: dataset[()] for name, dataset in file["entry"].items()}


def opened(refs, group="entry", remote="file", **options):
    """The group as xarray opens it, in dask arrays of a file's chunks."""
    storage = {"fo": refs, "remote_protocol": remote}
    backend = {"storage_options": storage, "consolidated": False}
    return xarray.open_dataset("reference://" + group, engine="zarr", backend_kwargs=backend, chunks={}, **options)


def assert_equal_datasets(dataset, path, leave_out=()):
    for name, values in values_of_h5py(path).items():
        if name not in leave_out:
            assert np.array_equal(dataset[name].values, values), name


@pytest.mark.parametrize("how", ["path", "url", "file", "json"])
def test_references_are_read_lazily_by_xarray(path, how):
    if how == "file":
        with h5py.File(path) as file:
            refs = h5etalon.references(file)
    else:
        refs = h5etalon.references("file://%s" % path if how == "url" else path)
    if how == "json":
        refs = json.loads(json.dumps(refs))
    with opened(refs, mask_and_scale=False) as dataset:
        assert dataset.attrs["beamline"] == "X9" and dataset["lz4"].attrs["units"] == "counts"
        assert dataset["zstd"].data.chunksize == CHUNKS and dataset["big_endian"].dtype.itemsize == 4
        assert_equal_datasets(dataset, path)
        total = dataset["zstd"].sum(dtype="u8").compute()
        assert int(total) == FRAMES.sum()


def test_references_are_read_by_zarr_and_name_every_filter(path):
    refs = h5etalon.references(path)
    mapper = fsspec.filesystem("reference", fo=refs, asynchronous=True)
    group = zarr.open_group(zarr.storage.FsspecStore(mapper), mode="r", zarr_format=2)
    for name, values in values_of_h5py(path).items():
        assert np.array_equal(group["entry"][name][:], values), name
    filters = {
        name: [one["id"] for one in json.loads(refs["refs"]["entry/%s/.zarray" % name])["filters"] or []]
        for name in DATASETS
    }
    assert filters["summed"] == ["bshuf", "fletcher32"] and filters["shuffled"] == ["shuffle", "bshuf"]
    assert filters["noise"] == ["etalon"] and filters["contiguous"] == []


def test_a_nexus_file_has_texts_and_checksums_beside_our_datasets(path):
    rows = np.random.default_rng(7).integers(0, 4000, (60, 100), dtype="u2")
    with h5py.File(path, "r+") as file:
        file["entry/title"] = "thaumatin, grün"
        file["entry/authors"] = np.array(["Ada", "Emil"], dtype=object)
        file["entry/wavelength"] = 0.97
        file["entry/pixel"] = np.array(7, "u2")
        file.create_dataset("entry/sums", data=rows, chunks=(20, 100), compression="gzip", shuffle=True, fletcher32=True)
    mapper = fsspec.filesystem("reference", fo=h5etalon.references(path), asynchronous=True)
    group = zarr.open_group(zarr.storage.FsspecStore(mapper), mode="r", zarr_format=2)["entry"]
    assert group["title"][()] == "thaumatin, grün" and list(group["authors"][:]) == ["Ada", "Emil"]
    assert group["wavelength"][()] == 0.97 and group["pixel"][()] == 7
    assert np.array_equal(group["sums"][:], rows) and np.array_equal(group["lz4"][:], FRAMES)
    with h5py.File(path, "r+") as file:
        chunk = bytearray(file["entry/sums"].id.read_direct_chunk((20, 0))[1])
        chunk[len(chunk) // 2] ^= 1
        file["entry/sums"].id.write_direct_chunk((20, 0), bytes(chunk))
    with pytest.raises(RuntimeError, match="[Cc]hecksum"):
        group["sums"][30]


def test_pixels_without_a_count_are_zero_and_those_of_a_stated_fill_value_are_missing(path):
    with opened(h5etalon.references(path)) as dataset:
        assert dataset["lz4"].dtype == "u2" and (dataset["lz4"].values == 0).any()
        assert np.isnan(dataset["stated_fill"].values[3:]).all()


def test_a_damaged_chunk_is_an_error_of_the_checksum(path):
    with h5py.File(path, "r+") as file:
        chunk = bytearray(file["entry/summed"].id.read_direct_chunk((0, 0, 0))[1])
        chunk[len(chunk) // 2] ^= 1
        file["entry/summed"].id.write_direct_chunk((0, 0, 0), bytes(chunk))
    with opened(h5etalon.references(path)) as dataset:
        with pytest.raises(RuntimeError, match="checksum"):
            dataset["summed"].load()
        assert np.array_equal(dataset["lz4"].values, FRAMES)


def test_what_cannot_be_referred_to_is_an_error_that_says_why(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        mixed = file.create_dataset("mixed", data=FRAMES, chunks=CHUNKS, **h5etalon.Bitshuffle())
        mixed.id.write_direct_chunk((0, 0, 0), bytes(2 * 32 * 64 * 2), filter_mask=1)
    with pytest.raises(Hdf5FeatureNotSupported, match="/mixed: some chunks left filters out"):
        h5etalon.references(path)
    set_options = ctypes.CDLL(h5py.h5z.__file__).H5Pset_chunk_opts
    set_options.argtypes = [ctypes.c_int64, ctypes.c_uint]
    with h5py.File(path, "w", libver="latest") as file:
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk(CHUNKS)
        settings.set_filter(h5etalon.BSHUF_ID, 0, ())
        assert set_options(settings.id, 2) >= 0
        h5py.h5d.create(file.id, b"edges", h5py.h5t.NATIVE_UINT16, h5py.h5s.create_simple(FRAMES.shape), settings)
    with pytest.raises(Hdf5FeatureNotSupported, match="/edges: chunks at its edges have no filters"):
        h5etalon.references(path)
    for options in (h5etalon.Bitshuffle(), {"compression": "gzip"}):
        with h5py.File(path, "w", libver="latest") as file:
            file.create_dataset("turned", data=FRAMES, chunks=CHUNKS, maxshape=(5, 70, None), **options)
        with pytest.raises(Hdf5FeatureNotSupported, match="/turned: HDF5 tells wrong places of its chunks"):
            h5etalon.references(path)
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = FRAMES
    with pytest.raises(ValueError, match="user block"):
        h5etalon.references(path)


def test_chunks_stored_without_the_filter_are_read(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", FRAMES.shape, "u2", chunks=(1, 70, 90), **h5etalon.Bitshuffle())
        for at in range(len(FRAMES)):
            dataset.id.write_direct_chunk((at, 0, 0), FRAMES[at].tobytes(), filter_mask=1)
    with xarray.open_dataset(h5etalon.references(path), engine="kerchunk", chunks={}) as dataset:
        assert np.array_equal(dataset["x"].values, FRAMES)


def test_readers_find_a_file_that_moved_by_its_url(path, tmp_path):
    refs = h5etalon.references(path, url="memory://archive/run.h5")
    fsspec.filesystem("memory").pipe("/archive/run.h5", path.read_bytes())
    with opened(refs, remote="memory") as dataset:
        path.rename(tmp_path / "gone.h5")
        assert np.array_equal(dataset["zstd"].values, FRAMES)


# VirtualiZarr has no codec for checksums, and calls dimensions of different length the same.
NOT_OF_VIRTUALIZARR = {"summed", "summed_frames", "mask"}


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not")
@pytest.mark.parametrize("teach", [False, True])
def test_virtualizarr_reads_bitshuffle_and_once_told_everything(path, teach, monkeypatch):
    left_out = set(NOT_OF_VIRTUALIZARR)
    if teach:
        # It asks hdf5plugin how filters are called, which does not know ours.
        monkeypatch.setattr(virtualizarr.parsers.hdf.filters, "hdf5plugin", hdf5plugin)
        h5etalon.virtualizarr.teach()
        h5etalon.virtualizarr.teach()
    else:
        left_out |= {"dictionary", "noise", "rounded", "big_endian", "stated_fill"}
    registry = ObjectStoreRegistry({"file:///": LocalStore()})
    store = HDFParser(group="entry", drop_variables=sorted(left_out))("file://%s" % path, registry=registry)
    with xarray.open_zarr(store, consolidated=False, zarr_format=3, mask_and_scale=False) as dataset:
        assert_equal_datasets(dataset, path, left_out)


@pytest.mark.parametrize("engine", ["h5netcdf", "h5netcdf of dask"])
def test_h5netcdf_reads_lazily_through_the_plugin(path, engine):
    options = {"chunks": {"phony_dim_0": 2}} if "dask" in engine else {}
    with xarray.open_dataset(
        path, engine="h5netcdf", group="entry", phony_dims="sort", mask_and_scale=False, **options
    ) as dataset:
        assert_equal_datasets(dataset, path)
        assert np.array_equal(dataset["noise"][3, 5:40, ::7].values, values_of_h5py(path)["noise"][3, 5:40, ::7])


def test_xarray_writes_our_filters_through_h5netcdf(tmp_path):
    made = xarray.Dataset({"frames": (("t", "y", "x"), FRAMES)})
    for name, codec in {"lz4": h5etalon.Bitshuffle(), "noise": h5etalon.Noise(sigma=0.5)}.items():
        path = tmp_path / (name + ".nc")
        made.to_netcdf(path, engine="h5netcdf", encoding={"frames": {"chunksizes": (1, 70, 90), **codec}})
        with h5py.File(path) as file:
            assert h5etalon.filters_of(file["frames"]) == [codec]
        with xarray.open_dataset(path, engine="h5netcdf") as dataset:
            assert np.abs(dataset["frames"].values.astype(int) - FRAMES).max() <= (3 if name == "noise" else 0)


@pytest.mark.parametrize("name", ["bitshuffle.h5", "regression_0.1.3.h5", "regression_0.4.0.h5"])
def test_files_of_the_first_bitshuffle_are_read(name):
    path = shared_data("compat-bitshuffle").parent / "orig" / name
    mapper = fsspec.filesystem("reference", fo=h5etalon.references(path), asynchronous=True)
    group = zarr.open_group(zarr.storage.FsspecStore(mapper), mode="r", zarr_format=2)
    with h5py.File(path) as file:
        names = []
        file.visit(names.append)
        datasets = [name for name in names if isinstance(file[name], h5py.Dataset)]
        assert datasets
        for dataset in datasets:
            assert np.array_equal(group[dataset][()], file[dataset][()]), dataset


def test_references_of_netcdf_have_its_dimensions_and_coordinates(tmp_path):
    coordinates = {"t": np.arange(5) * 0.1, "y": np.arange(70.0), "x": np.arange(90.0)}
    made = xarray.Dataset({"frames": (("t", "y", "x"), FRAMES, {"units": "counts"})}, coordinates, {"title": "run 7"})
    encoding = {
        "frames": {"chunksizes": CHUNKS, **h5etalon.Auto()},
        "x": {"chunksizes": (50,), **h5etalon.Bitshuffle()},
    }
    made.to_netcdf(tmp_path / "x.nc", engine="h5netcdf", encoding=encoding)
    with opened(h5etalon.references(tmp_path / "x.nc"), group="") as dataset:
        xarray.testing.assert_identical(dataset.load(), made)


def test_other_processes_find_the_codecs(path):
    with opened(h5etalon.references(path)) as dataset:
        sums = (
            dataset[["lz4", "noise", "summed"]]
            .isel(phony_dim_0=slice(0, 2))
            .sum(dtype="u8")
            .compute(scheduler="processes", num_workers=2)
        )
    for name, values in values_of_h5py(path).items():
        if name in sums:
            assert int(sums[name]) == values[:2].sum()


def test_dask_reads_chunks_on_its_threads(path):
    with h5py.File(path) as file:
        for name in ("zstd", "noise"):
            lazy = dask.array.from_array(file["entry"][name], chunks=CHUNKS)
            assert np.array_equal(lazy[1:4].max(axis=0).compute(), file["entry"][name][1:4].max(axis=0))


def test_entry_points_are_those_of_the_package():
    from importlib.metadata import entry_points

    names = {
        group: {point.name for point in entry_points(group=group) if point.value.startswith("h5etalon.")}
        for group in ("numcodecs.codecs", "zarr.codecs")
    }
    assert names["numcodecs.codecs"] == {"bshuf", "etalon", "etalon_round"}
    assert names["zarr.codecs"] == {"etalon", *("numcodecs." + name for name in names["numcodecs.codecs"])}
    assert type(numcodecs.get_codec({"id": "bshuf"})).__module__ == "h5etalon.numcodecs"
    assert re.fullmatch(r"h5etalon\.zarr", zarr.registry.get_codec_class("etalon").__module__)
