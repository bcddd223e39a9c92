"""References of kerchunk to the chunks of HDF5 files with our filters: Zarr, xarray and dask read them where they lie."""

import os
from typing import TYPE_CHECKING, Any, Dict, List, Union

import h5py

from . import _native
from ._filters import BSHUF_ID, ETALON_ID, ETALON_ROUND_ID, FILTERS, Bitshuffle
from ._pipeline import StoredFilter, stored_filters

if TYPE_CHECKING:
    from os import PathLike

_OURS = frozenset(FILTERS.values())


def references(file: "Union[str, PathLike[str], h5py.File]", *, url: str = "", **options: Any) -> Dict[str, Any]:
    """References of kerchunk for all datasets of a file. Needs `pip install h5etalon[zarr]`.

        refs = h5etalon.references("run.h5")
        options = {"storage_options": {"fo": refs}, "consolidated": False}
        entry = xarray.open_dataset("reference://entry", engine="zarr", backend_kwargs=options, chunks={})

    :param file: a path, a URL that fsspec opens, or an open file.
    :param url: where readers will find the file; where it is by default.
    :param options: of `kerchunk.hdf.SingleHdf5ToZarr`. A dataset that cannot be referred to is an error, unless `error`
        says otherwise.
    :return: the references, as JSON has them.
    :raises ValueError: for a file with a user block, where HDF5 versions count offsets differently.
    :raises kerchunk.hdf.Hdf5FeatureNotSupported: for filters that have no codec, and chunks that differ in their filters.
    """
    try:
        from ._kerchunk import Translator
    except ImportError as error:
        raise ImportError("references need kerchunk and zarr: pip install h5etalon[zarr] (%s)" % error) from error
    if isinstance(file, h5py.File):
        _refuse_user_block(file)
        translator = Translator(file, url=url or os.path.abspath(file.filename), **{"error": "raise", **options})
    else:
        path = os.fspath(file)
        path = path if "://" in path or "::" in path else os.path.abspath(path)
        translator = Translator(path, **{"error": "raise", **options})
        translator._uri = url or path
        _refuse_user_block(translator._h5f)
    try:
        return dict(translator.translate())
    finally:
        translator.close()


def _refuse_user_block(file: h5py.File) -> None:
    if file.userblock_size:
        raise ValueError("%s has a user block, so offsets of its chunks are not certain" % file.filename)


def has_ours(dataset: h5py.Dataset) -> bool:
    """Whether a filter of the dataset is one of ours."""
    return any(one.filter_id in _OURS for one in stored_filters(dataset))


def codecs_of(dataset: h5py.Dataset) -> List[Any]:
    """The codecs of numcodecs that undo the filters of a dataset, in the order in which they encode.

    :raises ValueError: for a filter that has none.
    """
    return [_codec(one, dataset) for one in stored_filters(dataset)]


def _codec(one: StoredFilter, dataset: h5py.Dataset) -> Any:
    import numcodecs

    from .numcodecs import Bshuf, Etalon, EtalonRound

    size = dataset.dtype.itemsize
    if one.filter_id == BSHUF_ID:
        stored = Bitshuffle._from_filter_options(one.options)
        element = one.options[2] if len(one.options) > 2 and one.options[2] else size
        return Bshuf(element, stored.nelems, stored.cname, stored.clevel or 3)
    if one.filter_id in (ETALON_ID, ETALON_ROUND_ID):
        spec = _native.spec_of(one.filter_id, list(one.options))
        if spec is None:
            raise ValueError("not options of filter %d: %r" % (one.filter_id, one.options))
        return Etalon(spec) if one.filter_id == ETALON_ID else EtalonRound(spec)
    if one.filter_id == h5py.h5z.FILTER_SHUFFLE:
        return numcodecs.Shuffle(elementsize=one.options[0] if one.options else size)
    if one.filter_id == h5py.h5z.FILTER_DEFLATE:
        return numcodecs.Zlib(level=one.options[0])
    if one.filter_id == h5py.h5z.FILTER_FLETCHER32:
        from numcodecs.fletcher32 import Fletcher32

        return Fletcher32()
    raise ValueError("%s: filter %d has no codec of numcodecs" % (dataset.name, one.filter_id))
