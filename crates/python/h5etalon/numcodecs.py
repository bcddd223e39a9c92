"""The filters as codecs of numcodecs: chunks of HDF5 files in Zarr arrays of format 2, and in references to such files.

They are registered as entry points under their `codec_id`: `bshuf` is filter 32008, `etalon` 59297, `etalon_round` 59298.
A chunk has the bytes that HDF5 would store, the header of 32008 included, so chunks go either way without a change.
"""

from typing import Any, Dict, Optional, Sequence

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ndarray_copy
from numpy.typing import NDArray

from . import _native
from ._chunks import as_bytes, decode, encode
from ._filters import ETALON_ID, ETALON_ROUND_ID, Bitshuffle, spec_of, split_spec

_HEADER_BYTES = 12
# Behind the header, each block has its length in four bytes.
_FIRST_BLOCK = slice(16, 20)
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class Bshuf(Codec):
    """Filter 32008, with the header that HDF5 files have. Lossless.

    :param elementsize: bytes of an element, as the stream does not say; Zarr format 3 knows it, format 2 has to be told.
    :param nelems: elements in a block, a multiple of 8; 0 for blocks of 8192 bytes.
    :param cname: `"lz4"`, `"zstd"` or `"none"`. Where it is not given, LZ4 is written, and read is what the chunk shows.
    :param clevel: effort of zstd, 1 to 22.
    :raises ValueError: for settings that do not exist.
    """

    codec_id = "bshuf"

    def __init__(
        self, elementsize: Optional[int] = None, nelems: int = 0, cname: Optional[str] = None, clevel: int = 3
    ) -> None:
        if elementsize is not None and not 1 <= elementsize <= 1 << 16:
            raise ValueError("elementsize must be 1 to 65536, not %r" % elementsize)
        self._spec = Bitshuffle(nelems, cname, clevel).spec
        self.elementsize = elementsize
        self.nelems = nelems
        self.cname = cname
        self.clevel = clevel

    def encode(self, buf: Any) -> NDArray[np.uint8]:
        """The chunk as HDF5 would store it."""
        stored = as_bytes(in_memory_order(buf))
        return encode(stored.view(self._element()), self._spec)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the elements.

        :raises OSError: for a damaged chunk.
        """
        stored = as_bytes(ensure_contiguous_ndarray(buf))
        element = self._element()
        # Bits that are only transposed have no header.
        bare = self.cname == "none"
        length = len(stored) if bare else int.from_bytes(stored[:8].tobytes(), "big")
        if (not bare and len(stored) < _HEADER_BYTES) or length % element.itemsize:
            raise OSError("the chunk is no bitshuffle stream of elements of %d bytes" % element.itemsize)
        try:
            decoded = np.empty(length // element.itemsize, element)
        except (MemoryError, ValueError):
            raise OSError("the chunk's header says that it holds %d bytes" % length) from None
        # VirtualiZarr tells a codec nothing but its name.
        seems_zstd = self.cname is None and stored[_FIRST_BLOCK].tobytes() == _ZSTD_MAGIC
        decode(stored, Bitshuffle(self.nelems, "zstd").spec if seems_zstd else self._spec, out=decoded)
        return ndarray_copy(decoded.view(np.uint8), out)

    def _element(self) -> "np.dtype[Any]":
        if self.elementsize is None:
            raise ValueError("codec bshuf needs elementsize, the bytes of an element of the array")
        return np.dtype("V%d" % self.elementsize)


class Etalon(Codec):
    """Filter 59297 with any of its codecs. What is decoded needs no settings: the chunk says them.

    :param spec: a SPEC such as `"noise:sigma=0.5"`, or a filter, `Noise(sigma=0.5)`.
    :param dtype: numpy's name of the elements, `"<u2"`; that of the array which is encoded where it is not given.
    :param shape: of a chunk; that of the array which is encoded where it is not given.
    :param fill: the fill value, which lossy codecs keep exact.
    :raises ValueError: for a SPEC that does not exist, saying what does.
    """

    codec_id = "etalon"
    _filter_id = ETALON_ID

    def __init__(
        self,
        spec: Any = "dictionary",
        dtype: Optional[str] = None,
        shape: Optional[Sequence[int]] = None,
        fill: Any = None,
    ) -> None:
        self.spec = None if spec is None else _native.user_values(*split_spec(spec_of(spec)), self._filter_id)[0]
        self.dtype = None if dtype is None else np.dtype(dtype).str
        self.shape = None if shape is None else [int(extent) for extent in shape]
        # Every codec keeps NaN, which JSON does not have.
        self.fill = None if fill is None or fill != fill else np.asarray(fill).item()

    def get_config(self) -> Dict[str, Any]:
        """The settings, without those that were not given."""
        given = {"spec": self.spec, "dtype": self.dtype, "shape": self.shape, "fill": self.fill}
        return {"id": self.codec_id, **{key: value for key, value in given.items() if value is not None}}

    def encode(self, buf: Any) -> NDArray[np.uint8]:
        """The chunk as HDF5 would store it.

        :raises ValueError: for settings that do not fit the data.
        """
        return encode(self._array(buf), self._given_spec(), fill=self.fill)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes of the elements.

        :raises OSError: for a damaged chunk.
        """
        stored = as_bytes(ensure_contiguous_ndarray(buf))
        return ndarray_copy(as_bytes(decode_frame(stored)), out)

    def _given_spec(self) -> str:
        if self.spec is None:
            raise ValueError("codec %s needs the spec of a codec, such as noise:sigma=0.5" % self.codec_id)
        return self.spec

    def _array(self, buf: Any) -> NDArray[Any]:
        """The elements with their type and shape, which decide what is lost."""
        array = in_memory_order(buf)
        if self.dtype is not None:
            array = as_bytes(array).view(self.dtype)
        if self.shape is not None:
            array = array.reshape(self.shape)
        return array


class EtalonRound(Etalon):
    """Filter 59298: values lose what a lossy codec would take from them, and are stored as they are.

    For pipelines in which a compressor follows. Decoding does nothing, and needs no settings.
    """

    codec_id = "etalon_round"
    _filter_id = ETALON_ROUND_ID

    def __init__(self, spec: Any = None, **settings: Any) -> None:
        super().__init__(spec, **settings)

    def encode(self, buf: Any) -> NDArray[np.uint8]:
        """The rounded elements."""
        array = self._array(buf)
        return as_bytes(decode(encode(array, self._given_spec(), fill=self.fill), out=np.empty_like(array)))

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes as they are."""
        return ndarray_copy(ensure_contiguous_ndarray(buf), out)


def decode_frame(stored: NDArray[np.uint8], expected_bytes: Optional[int] = None) -> NDArray[Any]:
    """The elements of a chunk of filter 59297, which must be `expected_bytes` where these are known."""
    if expected_bytes is not None:
        info = _native.inspect_frame(stored)
        found = np.dtype(info["dtype"]).itemsize * int(np.prod(info["shape"], dtype=object))
        if found != expected_bytes:
            raise OSError("the chunk holds %d bytes where the array's chunks have %d" % (found, expected_bytes))
    return np.asarray(decode(stored))


def in_memory_order(buf: Any) -> NDArray[Any]:
    """An array of the elements in the order in which they lie in memory, of a type that the codecs know.

    Zarr hands arrays of order F over as they are. Elements that are no numbers, such as times, are only moved.

    :raises ValueError: for Python objects.
    """
    array = np.asarray(buf)
    if array.dtype.hasobject:
        raise ValueError("arrays of Python objects have no elements in one piece: encode them first")
    if not array.flags.c_contiguous:
        array = array.T if array.flags.f_contiguous else np.ascontiguousarray(array)
    return array if array.dtype.kind in "uif" else array.view("V%d" % array.dtype.itemsize)
