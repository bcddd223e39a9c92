"""The filters of a dataset, with all of their options.

h5py 3.12 and before read 16 options of a filter at most, and hand out foreign memory for the rest. A SPEC takes more, so HDF5
is asked without h5py, through the library that h5py's module is linked to.
"""

import ctypes
from functools import lru_cache
from typing import Any, List, NamedTuple, Optional, Tuple

import h5py

from ._filters import FILTERS, FilterBase
from ._lookup import from_filter_options

# HDF5 programs keep options in arrays of 256.
_MOST_OPTIONS = 256


class StoredFilter(NamedTuple):
    """A filter as a file has it."""

    filter_id: int
    flags: int
    options: Tuple[int, ...]


# H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS, which h5py has no word for.
_EDGES_UNFILTERED = 2
# H5D_CHUNK_IDX_EARRAY: chunks in an extensible array, along the one dimension without limit.
_EXTENSIBLE_ARRAY = 4


@lru_cache(maxsize=None)
def _get_filter() -> Any:
    function = ctypes.CDLL(h5py.h5z.__file__).H5Pget_filter2
    number, size = ctypes.POINTER(ctypes.c_uint), ctypes.c_size_t
    function.argtypes = [ctypes.c_int64, ctypes.c_uint, number, ctypes.POINTER(size), number, size, ctypes.c_char_p, number]
    function.restype = ctypes.c_int
    return function


def check_dataset(dataset: Any) -> None:
    """Does nothing for a dataset.

    :raises TypeError: for anything else, such as a path, a group or an array.
    """
    if not isinstance(dataset, h5py.Dataset):
        raise TypeError("expected a dataset of h5py, such as file['entry/data'], not %s" % type(dataset).__name__)


def stored_filters(dataset: h5py.Dataset) -> List[StoredFilter]:
    """The filters of a dataset, in the order in which they encode."""
    settings = dataset.id.get_create_plist()
    found = []
    for index in range(settings.get_nfilters()):
        options = (ctypes.c_uint * _MOST_OPTIONS)()
        flags, config, count = ctypes.c_uint(), ctypes.c_uint(), ctypes.c_size_t(_MOST_OPTIONS)
        with h5py._objects.phil:
            filter_id = _get_filter()(
                settings.id, index, ctypes.byref(flags), ctypes.byref(count), options, 0, None, ctypes.byref(config)
            )
        if filter_id < 0:
            raise OSError("HDF5 does not tell filter %d of %s" % (index, dataset.name))
        found.append(StoredFilter(filter_id, flags.value, tuple(options[: min(count.value, _MOST_OPTIONS)])))
    return found


@lru_cache(maxsize=None)
def _get_chunk_options() -> Any:
    function = ctypes.CDLL(h5py.h5z.__file__).H5Pget_chunk_opts
    function.argtypes = [ctypes.c_int64, ctypes.POINTER(ctypes.c_uint)]
    function.restype = ctypes.c_int
    return function


def edges_are_unfiltered(dataset: h5py.Dataset) -> bool:
    """Whether chunks that reach beyond the end of a chunked dataset are stored as they are; their masks do not say so."""
    settings, options = dataset.id.get_create_plist(), ctypes.c_uint()
    with h5py._objects.phil:
        status = _get_chunk_options()(settings.id, ctypes.byref(options))
    return status >= 0 and bool(options.value & _EDGES_UNFILTERED)


@lru_cache(maxsize=None)
def _get_index_type() -> Any:
    function = ctypes.CDLL(h5py.h5z.__file__).H5Dget_chunk_index_type
    function.argtypes = [ctypes.c_int64, ctypes.POINTER(ctypes.c_int)]
    function.restype = ctypes.c_int
    return function


def tells_wrong_places(dataset: h5py.Dataset) -> bool:
    """Whether HDF5 (2.0 and before) tells wrong places of chunks, when it goes over them or is asked for one's offset.

    It numbers an extensible array with the unlimited dimension first, and counts as if that were the dataset's order. What it
    reads and writes itself is right.
    """
    if dataset.maxshape[0] is None or None not in dataset.maxshape:
        return False
    index = ctypes.c_int()
    with h5py._objects.phil:
        status = _get_index_type()(dataset.id.id, ctypes.byref(index))
    return status < 0 or index.value == _EXTENSIBLE_ARRAY


def filters_of(dataset: h5py.Dataset) -> List[Optional[FilterBase]]:
    """The filters of a dataset with their settings, in the order in which they encode; None for those of others.

    `h5etalon.filters_of(dataset)` is `[Noise(sigma=0.5)]` for a dataset that was made with `**Noise(sigma=0.5)`.
    """
    check_dataset(dataset)
    ours = set(FILTERS.values())
    return [
        from_filter_options(one.filter_id, one.options) if one.filter_id in ours else None
        for one in stored_filters(dataset)
    ]
