"""How a dataset is stored, where its chunks are, and which of them a selection touches."""

import os
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import h5py
import numpy as np
from numpy.typing import NDArray

from . import _native
from ._filters import ETALON_ROUND_ID, FILTERS
from ._pipeline import edges_are_unfiltered, stored_filters, tells_wrong_places

_ABSENT = np.iinfo(np.uint64).max
# Where HDF5 has to read the chunks for us, it reads as much at a time.
_BATCH_BYTES = 64 << 20
# Going over a chunk takes about as long as looking up and reading a small one.
_WORTH_GOING_OVER = 4
_OURS = frozenset(FILTERS.values())


class Selection(NamedTuple):
    """`start`, `step`, `count` along each dimension, and the shape h5py would return."""

    sides: List[Tuple[int, int, int]]
    shape: Tuple[int, ...]

    @property
    def is_empty(self) -> bool:
        return any(count == 0 for _, _, count in self.sides)


class ChunkList(NamedTuple):
    """Chunks as the native half takes them."""

    origins: NDArray[np.uint64]
    offsets: NDArray[np.uint64]
    sizes: NDArray[np.uint64]
    masks: NDArray[np.uint32]
    path: Optional[str]
    streams: Optional[List[bytes]]

    def batches(self, at_a_time: int) -> Iterator["ChunkList"]:
        """The same chunks, so many at a time."""
        for first in range(0, len(self.origins), at_a_time):
            part = slice(first, first + at_a_time)
            streams = None if self.streams is None else self.streams[part]
            places = self.origins[part], self.offsets[part], self.sizes[part]
            yield ChunkList(*places, self.masks[part], self.path, streams)


def select(shape: Sequence[int], selection: Any) -> Optional[Selection]:
    """Integers, slices with a positive step and an ellipsis; None for anything else, which is h5py's to read."""
    items = selection if isinstance(selection, tuple) else (selection,)
    if sum(item is Ellipsis for item in items) > 1 or len(items) > len(shape) + (Ellipsis in _only_ellipses(items)):
        return None
    if not _only_ellipses(items):
        items = (*items, Ellipsis)
    at = next(index for index, item in enumerate(items) if item is Ellipsis)
    missing = len(shape) - len(items) + 1
    items = items[:at] + (slice(None),) * missing + items[at + 1 :]
    sides, kept = [], []
    for item, extent in zip(items, shape):
        if isinstance(item, slice):
            start, stop, step = item.indices(extent)
            if step < 1:
                return None
            count = len(range(start, stop, step))
            kept.append(count)
        elif isinstance(item, (int, np.integer)) and not isinstance(item, bool) and -extent <= item < extent:
            start, step, count = int(item) % extent, 1, 1
        else:
            return None
        sides.append((start, step, count))
    return Selection(sides, tuple(kept))


def _only_ellipses(items: Sequence[Any]) -> List[Any]:
    return [item for item in items if item is Ellipsis]


def storage_of(dataset: h5py.Dataset) -> Optional[Tuple[_native.Storage, int]]:
    """What the native half needs to know of a dataset, and the filter mask of chunks that it writes.

    None where the dataset is not chunked, has filters of others, elements that h5py converts, or chunks without a filter at
    its edges.
    """
    if dataset.chunks is None or not dataset.shape or dataset.dtype.hasobject:
        return None
    if edges_are_unfiltered(dataset):
        return None
    if not dataset.id.get_type().equal(h5py.h5t.py_create(dataset.dtype, logical=True)):
        return None
    filters, mask = [], 0
    for index, one in enumerate(stored_filters(dataset)):
        if one.filter_id not in _OURS:
            return None
        filters.append((one.filter_id, list(one.options)))
        # HDF5 marks it as left out where it may, so that readers need no plugin for it.
        if one.filter_id == ETALON_ROUND_ID and one.flags & h5py.h5z.FLAG_OPTIONAL:
            mask |= 1 << index
    try:
        return _native.Storage(list(dataset.chunks), dataset.dtype.itemsize, list(_fill_of(dataset)), filters), mask
    except ValueError:
        return None


def _fill_of(dataset: h5py.Dataset) -> bytes:
    """What elements are that nobody wrote. HDF5 leaves them alone where it is told to, and h5py hands it zeros."""
    if dataset.id.get_create_plist().get_fill_time() == h5py.h5d.FILL_TIME_NEVER:
        return bytes(dataset.dtype.itemsize)
    return np.asarray(dataset.fillvalue, dataset.dtype).tobytes()


def chunk_lists(dataset: h5py.Dataset, selection: Selection) -> Iterator[ChunkList]:
    """The chunks that a selection touches, in C order: all at once where we read the file, else by batches.

    Where the chunks are, HDF5 tells by going over all of them, so that is worth it for a large part of a dataset only. What a
    smaller part touches is looked up and read by HDF5, which takes microseconds for each.
    """
    touched = _touched(dataset, selection)
    grid = np.stack(np.meshgrid(*touched, indexing="ij"), axis=-1).reshape(-1, len(touched))
    origins = (grid * np.array(dataset.chunks)).astype(np.uint64)
    path = _readable_path(dataset)
    extents = [-(-length // chunk) for length, chunk in zip(dataset.shape, dataset.chunks)]
    is_much = _WORTH_GOING_OVER * len(origins) >= np.prod(extents)
    is_told = hasattr(dataset.id, "chunk_iter") and not tells_wrong_places(dataset)
    if path is not None and is_much and is_told:
        yield ChunkList(origins, *_locate(dataset, grid, extents), path, None)
        return
    at_a_time = max(1, _BATCH_BYTES // (int(np.prod(dataset.chunks)) * dataset.dtype.itemsize))
    for first in range(0, len(origins), at_a_time):
        yield _read_by_hdf5(dataset, origins[first : first + at_a_time])


def count_touched(dataset: h5py.Dataset, selection: Selection) -> int:
    """The number of chunks that a selection touches."""
    return int(np.prod([len(side) for side in _touched(dataset, selection)]))


def _touched(dataset: h5py.Dataset, selection: Selection) -> List[NDArray[Any]]:
    """Along each dimension, the chunks that a selection touches."""
    return [
        np.unique((start + step * np.arange(count)) // extent) if step > extent
        else np.arange(start // extent, (start + step * (count - 1)) // extent + 1)
        for (start, step, count), extent in zip(selection.sides, dataset.chunks)
    ]  # fmt: skip


def _readable_path(dataset: h5py.Dataset) -> Optional[str]:
    """A path under which the bytes of the file can be read at the offsets that HDF5 tells.

    Linux opens what a descriptor stands for, even if the file was renamed since. A user block shifts the offsets of some
    versions of HDF5 and not of others, so HDF5 reads such files.
    """
    file = dataset.file
    if file.driver != "sec2" or file.userblock_size:
        return None
    if file.mode != "r":
        file.flush()
    path = "/proc/self/fd/%d" % file.id.get_vfd_handle()
    return path if os.path.exists(path) else None


def _locate(
    dataset: h5py.Dataset, grid: NDArray[Any], extents: Sequence[int]
) -> Tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]]:
    """Offsets, sizes and masks of the chunks at the places `grid` of `extents`, as HDF5 knows them."""
    count = len(grid)
    offsets = np.full(count, _ABSENT, np.uint64)
    sizes = np.zeros(count, np.uint64)
    masks = np.zeros(count, np.uint32)
    order = {number: index for index, number in enumerate(np.ravel_multi_index(grid.T, extents).tolist())}
    strides = np.cumprod([1, *extents[:0:-1]])[::-1].tolist()
    chunks = dataset.chunks

    def visit(info: Any) -> None:
        number = sum(at // chunk * stride for at, chunk, stride in zip(info.chunk_offset, chunks, strides))
        index = order.get(number)
        if index is not None and info.byte_offset is not None:
            offsets[index], sizes[index], masks[index] = info.byte_offset, info.size, info.filter_mask

    dataset.id.chunk_iter(visit)
    return offsets, sizes, masks


def _read_by_hdf5(dataset: h5py.Dataset, origins: NDArray[np.uint64]) -> ChunkList:
    """The chunks at `origins`, as they are stored."""
    offsets, masks = np.zeros(len(origins), np.uint64), np.zeros(len(origins), np.uint32)
    streams = []
    for index, origin in enumerate(origins.tolist()):
        found = _stored(dataset, tuple(origin))
        if found is None:
            offsets[index] = _ABSENT
        else:
            masks[index] = found[0]
        streams.append(b"" if found is None else found[1])
    return ChunkList(origins, offsets, np.zeros(len(origins), np.uint64), masks, None, streams)


def _stored(dataset: h5py.Dataset, origin: Tuple[int, ...]) -> Optional[Tuple[int, bytes]]:
    """Mask and bytes of a chunk; None for one that was never written.

    :raises OSError: for a chunk that cannot be read, saying which.
    """
    try:
        mask, stream = dataset.id.read_direct_chunk(origin)
    except (OSError, RuntimeError, ValueError, MemoryError) as error:
        # HDF5 1.12 tells any size of a chunk that is not there, but fills what is read of it.
        if "not allocated" in str(error) or _can_be_read(dataset, origin):
            return None
        raise OSError("chunk at %s: %s" % (list(origin), error)) from error
    return mask, bytes(stream)


def _can_be_read(dataset: h5py.Dataset, origin: Tuple[int, ...]) -> bool:
    """Whether HDF5 gives elements of a chunk, by way of its filters."""
    try:
        dataset[tuple(slice(start, start + extent) for start, extent in zip(origin, dataset.chunks))]
    except (OSError, RuntimeError, ValueError):
        return False
    return True
