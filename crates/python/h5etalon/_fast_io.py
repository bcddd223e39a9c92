"""Reading and writing datasets chunk by chunk on all cores, past HDF5's filter pipeline and its lock.

Values are those that h5py gives. Whatever this way cannot do (filters of others, contiguous datasets, conversions, lists of
indices) is done by h5py.
"""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, List, NamedTuple, Optional, Tuple

import h5py
import numpy as np
from numpy.typing import NDArray

from . import _native
from ._chunks import as_bytes
from ._pipeline import check_dataset
from ._progress import bar
from ._storage import Selection, chunk_lists, count_touched, select, storage_of

# Chunks that are encoded before HDF5 writes them, in bytes of memory.
_BATCH_BYTES = 32 << 20
# Decoded before Python is asked whether somebody wants to interrupt; threads end with each of these.
_UNINTERRUPTED_BYTES = 256 << 20


class Sparse(NamedTuple):
    """Elements that are not zero; −0.0 is zero."""

    index: NDArray[np.int64]
    """Their places in C order in an array of `shape`, ascending."""
    value: NDArray[Any]
    """Their values."""
    shape: Tuple[int, ...]
    """The shape of the selection."""


def read(
    dataset: h5py.Dataset,
    selection: Any = (),
    *,
    out: Optional[NDArray[Any]] = None,
    threads: Optional[int] = None,
    progress: bool = False,
) -> Any:
    """Reads a dataset, or a part of it; the same values as `dataset[selection]`.

    :param selection: integers, slices, an ellipsis, as in `dataset[…]`. Only the chunks that it touches are decoded.
    :param out: an array of the selection's shape to read into.
    :param threads: threads that decode; as many as this process has cores by default.
    :param progress: show a bar of tqdm, where chunks are not read by h5py.
    :return: the array (`out` where given), or a scalar where all dimensions are integers.
    :raises OSError: for a damaged chunk, saying which.
    """
    check_dataset(dataset)
    selected = select(dataset.shape or (), selection)
    stored = None if selected is None else storage_of(dataset)
    if selected is None or stored is None or not _fits(out, dataset, selected):
        return _read_through_h5py(dataset, selection, out)
    array = np.empty(selected.shape, dataset.dtype) if out is None else out
    if not selected.is_empty:
        _decode_into(dataset, selected, stored[0], array, _threads(threads), progress)
    return array if out is not None or selected.shape else array[()]


def _fits(out: Optional[NDArray[Any]], dataset: h5py.Dataset, selected: Selection) -> bool:
    if out is None:
        return True
    return out.dtype == dataset.dtype and out.shape == selected.shape and bool(out.flags.c_contiguous)


def _read_through_h5py(dataset: h5py.Dataset, selection: Any, out: Optional[NDArray[Any]]) -> Any:
    if out is None:
        return dataset[selection]
    if out.flags.c_contiguous:
        dataset.read_direct(out, selection)
    else:
        out[...] = dataset[selection]
    return out


def _decode_into(
    dataset: h5py.Dataset,
    selected: Selection,
    storage: _native.Storage,
    array: NDArray[Any],
    threads: int,
    progress: bool,
) -> None:
    target = as_bytes(array)
    chunk_bytes = _chunk_bytes(dataset)
    at_a_time = max(threads, (_BATCH_BYTES if progress else _UNINTERRUPTED_BYTES) // chunk_bytes)
    with bar(progress, count_touched(dataset, selected) * chunk_bytes, "read") as move:
        for chunks in chunk_lists(dataset, selected):
            for some in chunks.batches(at_a_time):
                _native.read_chunks(storage, some, selected.sides, target, threads)
                move(len(some.origins) * chunk_bytes)


def _chunk_bytes(dataset: h5py.Dataset) -> int:
    return int(np.prod(dataset.chunks)) * dataset.dtype.itemsize


def to_sparse(dataset: h5py.Dataset, selection: Any = (), *, threads: Optional[int] = None) -> Sparse:
    """The elements of a dataset that are not zero, such as the counts of an event-like measurement.

    No dense array is made of it: each thread has memory for one chunk. Of a dataset that h5py has to read, one is.

    :param selection: as for `read`.
    :return: `index` into the selection in C order, ascending; `value`; the selection's `shape`.
    """
    check_dataset(dataset)
    selected = select(dataset.shape or (), selection)
    stored = None if selected is None else storage_of(dataset)
    if selected is None or stored is None:
        dense = np.asarray(dataset[selection])
        places = np.flatnonzero(dense)
        return Sparse(places.astype(np.int64), dense.reshape(-1)[places], dense.shape)
    found = [] if selected.is_empty else [
        _native.sparse_chunks(stored[0], some, selected.sides, _threads(threads))
        for chunks in chunk_lists(dataset, selected)
        for some in chunks.batches(max(_threads(threads), _UNINTERRUPTED_BYTES // _chunk_bytes(dataset)))
    ]  # fmt: skip
    index = np.concatenate([index for index, _ in found] or [np.empty(0, np.int64)])
    value = np.concatenate([value for _, value in found] or [np.empty(0, np.uint8)]).view(dataset.dtype)
    if value.dtype.kind in "fc" and not value.all():
        index, value = index[value != 0], value[value != 0]
    if not (index[1:] > index[:-1]).all():
        order = np.argsort(index, kind="stable")
        index, value = index[order], value[order]
    return Sparse(index, value, selected.shape)


def write(
    dataset: h5py.Dataset, array: Any, selection: Any = (), *, threads: Optional[int] = None, progress: bool = False
) -> None:
    """Writes an array to a dataset, or to whole chunks of it; the same as `dataset[selection] = array`.

    :param array: of the dataset's type and the selection's shape; anything else is h5py's to convert and broadcast.
    :param selection: integers and slices that take whole chunks, such as frames; h5py writes parts of chunks.
    :param threads: threads that encode; as many as this process has cores by default.
    :param progress: show a bar of tqdm, where chunks are not written by h5py.
    :raises OSError: where a codec refuses the data, saying which chunk.
    """
    check_dataset(dataset)
    selected = select(dataset.shape or (), selection)
    stored = None if selected is None else storage_of(dataset)
    source = np.asarray(array)
    if (
        selected is None
        or stored is None
        or source.dtype != dataset.dtype
        or source.shape != selected.shape
        # HDF5 lets chunks be written to a file that is open for reading, and fails to close it.
        or dataset.file.mode == "r"
        or not _takes_whole_chunks(dataset, selected)
    ):
        dataset[selection] = array
        return
    if not selected.is_empty:
        _encode_all(dataset, selected, stored, np.ascontiguousarray(source), _threads(threads), progress)


def _takes_whole_chunks(dataset: h5py.Dataset, selected: Selection) -> bool:
    for (start, step, count), chunk, extent in zip(selected.sides, dataset.chunks, dataset.shape):
        ends_well = (start + count) % chunk == 0 or start + count == extent
        if step != 1 or start % chunk or not ends_well:
            return False
    return True


def _encode_all(
    dataset: h5py.Dataset,
    selected: Selection,
    stored: Tuple[_native.Storage, int],
    source: NDArray[Any],
    threads: int,
    progress: bool,
) -> None:
    """One batch is encoded while HDF5 writes the one before."""
    storage, mask = stored
    shape = [count for _, _, count in selected.sides]
    first = np.array([start for start, _, _ in selected.sides])
    steps = [np.arange(0, count, chunk) for count, chunk in zip(shape, dataset.chunks)]
    origins = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, len(shape)).astype(np.uint64)
    bound = storage.bound_bytes()
    # As many for each thread: three chunks take two threads as long as four.
    at_a_time = -(-_BATCH_BYTES // (bound * threads)) * threads
    batches = [origins[at : at + at_a_time] for at in range(0, len(origins), at_a_time)]
    memory = [np.empty(min(at_a_time, len(origins)) * bound, np.uint8) for _ in batches[:2]]
    bytes_of_source = as_bytes(source)

    def encode(number: int) -> List[int]:
        batch = batches[number]
        target = memory[number % 2][: len(batch) * bound]
        return _native.encode_chunks(storage, bytes_of_source, shape, batch, target, threads)

    with ThreadPoolExecutor(1) as pool, bar(progress, source.nbytes, "write") as move:
        waiting: "Future[List[int]]" = pool.submit(encode, 0)
        for number, batch in enumerate(batches):
            lens = waiting.result()
            if number + 1 < len(batches):
                waiting = pool.submit(encode, number + 1)
            target = memory[number % 2]
            for index, (origin, length) in enumerate(zip(batch, lens)):
                place = tuple((first + origin.astype(np.int64)).tolist())
                dataset.id.write_direct_chunk(place, target[index * bound : index * bound + length], mask)
            move(source.nbytes * (number + 1) // len(batches) - source.nbytes * number // len(batches))


def _threads(asked: Optional[int]) -> int:
    if asked is not None and asked < 0:
        raise ValueError("threads=%d is not a number of threads" % asked)
    return asked or _cores()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
