"""Single chunks in memory, for direct chunk I/O and for data that never see a file."""

from typing import Any, Dict, Optional, Sequence, Union

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import _native
from ._filters import ETALON_ID, FilterBase, spec_of, split_spec

Buffer = Any
_MAGIC = b"Etln"
_MOST_DIMENSIONS = 32
"""Of HDF5, and of a frame; docs/FORMAT.md."""


def encode(
    array: ArrayLike,
    codec: Union[FilterBase, str],
    *,
    fill: Any = None,
    out: Optional[NDArray[np.uint8]] = None,
    threads: int = 1,
) -> NDArray[np.uint8]:
    """Encodes an array as one chunk, the bytes that HDF5 would store.

    :param array: any shape; C-contiguous arrays are not copied.
    :param codec: a filter (`Noise(sigma=0.5)`) or a SPEC (`"noise:sigma=0.5"`).
    :param fill: the fill value, which lossy codecs keep exact.
    :param out: where to put the bytes; one-dimensional, and long enough for any data of this shape.
    :param threads: threads that share a chunk of 2 MiB or more, where the codec can; the bytes are the same.
    :return: the bytes, a view of the front of `out` or of new memory.
    :raises ValueError: for settings that do not fit the data.
    """
    array = np.ascontiguousarray(array)
    if array.ndim > _MOST_DIMENSIONS:
        raise ValueError("the array has %d dimensions, and a chunk at most %d" % (array.ndim, _MOST_DIMENSIONS))
    fill_bytes = None if fill is None else list(np.asarray(fill, array.dtype).tobytes())
    filter_id, values = _native.cd_values(spec_of(codec), _name_of(array.dtype), list(array.shape), fill_bytes)
    if out is None:
        out = np.empty(_native.bound_bytes(filter_id, values, array.nbytes), np.uint8)
    written = _native.encode_chunk(filter_id, values, as_bytes(array), out, threads)
    return out[:written]


def decode(
    chunk: Buffer,
    codec: Union[FilterBase, str, None] = None,
    *,
    dtype: Optional[DTypeLike] = None,
    shape: Optional[Sequence[int]] = None,
    out: Optional[NDArray[Any]] = None,
    threads: int = 1,
) -> NDArray[Any]:
    """Decodes one chunk.

    A frame of filter 59297 says everything itself; of elements that are no numbers, such as booleans, it says only the size,
    and `dtype` or `out` what they are. A bitshuffle stream needs the codec, and the type and shape of the elements, or `out`.

    :param chunk: bytes, memoryview, array of bytes: anything with a buffer. It is not copied.
    :param out: a C-contiguous array to decode into.
    :param threads: threads that share a chunk of 2 MiB or more, where the codec can.
    :raises ValueError: where type or shape are missing or do not fit.
    :raises OSError: for a damaged chunk.
    """
    stored = as_bytes(chunk)
    if stored[:4].tobytes() == _MAGIC and (codec is None or _is_of_frames(codec)):
        return _decode_frame(stored, dtype, shape, out, threads)
    if out is None:
        if dtype is None or shape is None:
            raise ValueError("this chunk is no frame of filter 59297: give the codec, dtype and shape, or out")
        out = np.empty(tuple(shape), dtype)
    spec = spec_of(codec) if codec is not None else "bitshuffle"
    filter_id, values = _native.cd_values(spec, _name_of(out.dtype), list(out.shape))
    _native.decode_chunk(filter_id, values, stored, as_bytes(out), threads)
    return out


def _name_of(dtype: "np.dtype[Any]") -> str:
    """A type as the codecs know it: elements that are no numbers are only moved.

    :raises ValueError: for Python objects.
    """
    if dtype.hasobject:
        raise ValueError("arrays of Python objects have no elements in one piece: encode them first")
    return dtype.str if dtype.kind in "uif" else "|V%d" % dtype.itemsize


def _is_of_frames(codec: Union[FilterBase, str]) -> bool:
    """Whether a codec writes frames of filter 59297; other streams may begin as they do."""
    return bool(_native.user_values(*split_spec(spec_of(codec)))[1] == ETALON_ID)


def _decode_frame(
    stored: NDArray[np.uint8],
    dtype: Optional[DTypeLike],
    shape: Optional[Sequence[int]],
    out: Optional[NDArray[Any]],
    threads: int,
) -> NDArray[Any]:
    info = _native.inspect_frame(stored)
    held = np.dtype(info["dtype"])
    fits = out is None or out.nbytes == held.itemsize * int(np.prod(info["shape"], dtype=object))
    for wanted in (dtype, None if out is None else out.dtype):
        fits = fits and (wanted is None or _is_one_of(np.dtype(wanted), held))
    if not fits or (shape is not None and [int(extent) for extent in shape] != info["shape"]):
        raise ValueError("the chunk holds %s elements of %s" % (tuple(info["shape"]), info["dtype"]))
    if out is None:
        out = np.empty(info["shape"], held if dtype is None else dtype)
    filter_id, values = _native.cd_values("dictionary", info["dtype"], info["shape"])
    _native.decode_chunk(filter_id, values, stored, as_bytes(out), threads)
    return out


def _is_one_of(dtype: "np.dtype[Any]", held: "np.dtype[Any]") -> bool:
    """Whether elements that a frame holds are of a type. Of what is no number it knows the size alone, and so does `V`."""
    moved = dtype.itemsize == held.itemsize and "V" in (dtype.kind, held.kind) and not dtype.hasobject
    return dtype == held or moved


def inspect(chunk: Buffer) -> Dict[str, Any]:
    """What the header of a chunk of filter 59297 says, without decoding: codec, dtype, shape, header_bytes, certificate.

    The certificate is None for a lossless chunk, else a dictionary: guarantee (`A` by construction, `B` verified,
    `lossless`), bound_asked in bound_unit, max_abs_error, max_sigma_error, sum_error, sum_squared_error, exceptions,
    synthetic_background, fell_back.

    :raises OSError: for a damaged header.
    """
    info = _native.inspect_frame(as_bytes(chunk))
    info["shape"] = tuple(info["shape"])
    return dict(info)


def as_bytes(buffer: Buffer) -> NDArray[np.uint8]:
    """The memory of an array or a buffer as a one-dimensional array of bytes. Nothing is copied.

    :raises ValueError: for memory that is not in one piece.
    """
    if not isinstance(buffer, np.ndarray):
        return np.frombuffer(buffer, np.uint8)
    if not buffer.flags.c_contiguous:
        raise ValueError("the array is not C-contiguous")
    flat = buffer.reshape(-1)
    return flat.view(np.uint8) if flat.size else np.empty(0, np.uint8)
