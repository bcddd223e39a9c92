"""The filters as codecs of Zarr format 3, registered as entry points under their names.

`numcodecs.bshuf`, `numcodecs.etalon` and `numcodecs.etalon_round` take bytes and give bytes: the chunks of HDF5 files, as
VirtualiZarr refers to them. `etalon` is a serializer, so it gets the elements with their type, shape and byte order.
Codecs that lose need these: write with `create_array(…, serializer=h5etalon.zarr.EtalonSerializer(…), compressors=None)`.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Any, Dict, Optional

import numpy as np
from zarr.abc.codec import ArrayBytesCodec, BytesBytesCodec

from . import _native
from ._chunks import as_bytes, encode
from ._filters import spec_of, split_spec
from .numcodecs import Bshuf, Etalon, EtalonRound, decode_frame, in_memory_order


def _dtype_of(array_spec: Any) -> "np.dtype[Any]":
    """numpy's type of a chunk; Zarr 3.0 has it as it is, later ones wrap it."""
    dtype = array_spec.dtype
    native: "np.dtype[Any]" = np.dtype(dtype.to_native_dtype() if hasattr(dtype, "to_native_dtype") else dtype)
    return native


def _chunk_bytes(array_spec: Any) -> int:
    return _dtype_of(array_spec).itemsize * int(np.prod(array_spec.shape, dtype=object))


def _settings(data: Dict[str, Any], name: str) -> Dict[str, Any]:
    if data.get("name") != name:
        raise ValueError("expected codec %s, not %s" % (name, data.get("name")))
    return dict(data.get("configuration") or {})


@dataclass(frozen=True)
class BshufCodec(BytesBytesCodec):
    """Filter 32008 as `numcodecs.bshuf`: the settings of `h5etalon.numcodecs.Bshuf`, the element size from the array."""

    is_fixed_size = False
    elementsize: Optional[int] = None
    nelems: int = 0
    cname: Optional[str] = None
    clevel: int = 3

    def __post_init__(self) -> None:
        self._codec()

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> "BshufCodec":
        """From Zarr's metadata."""
        return cls(**_settings(data, "numcodecs.bshuf"))

    def to_dict(self) -> Dict[str, Any]:
        """What Zarr's metadata say."""
        config = self.codec_config
        del config["id"]
        return {"name": "numcodecs.bshuf", "configuration": config}

    @property
    def codec_config(self) -> Dict[str, Any]:
        """The settings as numcodecs has them."""
        config = self._codec().get_config()
        return {key: value for key, value in config.items() if value is not None}

    def evolve_from_array_spec(self, array_spec: Any) -> "BshufCodec":
        """The codec with the array's element size, where none was given."""
        return self if self.elementsize else replace(self, elementsize=_dtype_of(array_spec).itemsize)

    def _codec(self) -> Bshuf:
        return Bshuf(self.elementsize, self.nelems, self.cname, self.clevel)

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        out = await asyncio.to_thread(self._codec().decode, chunk_bytes.as_numpy_array())
        return chunk_spec.prototype.buffer.from_array_like(out)

    async def _encode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        out = await asyncio.to_thread(self._codec().encode, chunk_bytes.as_numpy_array())
        return chunk_spec.prototype.buffer.from_array_like(out)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Not known before encoding."""
        raise NotImplementedError


@dataclass(frozen=True)
class EtalonCodec(BytesBytesCodec):
    """Filter 59297 as `numcodecs.etalon`, for chunks that HDF5 wrote; it encodes with codecs that lose nothing.

    :param spec: a SPEC. Whether bytes are big-endian is not told to codecs of bytes, so those that lose are refused.
    """

    is_fixed_size = False
    spec: str = "dictionary"

    def __post_init__(self) -> None:
        object.__setattr__(self, "spec", _canonical(self.spec))

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> "EtalonCodec":
        """From Zarr's metadata; what only format 2 needs to be told is left out."""
        return cls(_settings(data, "numcodecs.etalon").get("spec", "dictionary"))

    def to_dict(self) -> Dict[str, Any]:
        """What Zarr's metadata say."""
        return {"name": "numcodecs.etalon", "configuration": {"spec": self.spec}}

    @property
    def codec_config(self) -> Dict[str, Any]:
        """The settings as numcodecs has them."""
        return {"id": "etalon", "spec": self.spec}

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        stored = as_bytes(chunk_bytes.as_numpy_array())
        decoded = await asyncio.to_thread(decode_frame, stored, _chunk_bytes(chunk_spec))
        return chunk_spec.prototype.buffer.from_array_like(as_bytes(decoded))

    async def _encode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        if not _is_lossless(self.spec):
            raise ValueError("%s loses, so it needs the elements: use h5etalon.zarr.EtalonSerializer" % self.spec)
        element = _dtype_of(chunk_spec)
        kind = element.kind if element.kind in "uif" else "V"
        codec = Etalon(self.spec, "<%s%d" % (kind, element.itemsize), chunk_spec.shape)
        out = await asyncio.to_thread(codec.encode, chunk_bytes.as_numpy_array())
        return chunk_spec.prototype.buffer.from_array_like(out)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Not known before encoding."""
        raise NotImplementedError


@dataclass(frozen=True)
class EtalonRoundCodec(BytesBytesCodec):
    """Filter 59298 as `numcodecs.etalon_round`, for chunks that HDF5 wrote: they are what they are."""

    is_fixed_size = True
    spec: Optional[str] = None

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> "EtalonRoundCodec":
        """From Zarr's metadata."""
        return cls(**_settings(data, "numcodecs.etalon_round"))

    def to_dict(self) -> Dict[str, Any]:
        """What Zarr's metadata say."""
        return {"name": "numcodecs.etalon_round", "configuration": {"spec": self.spec} if self.spec else {}}

    @property
    def codec_config(self) -> Dict[str, Any]:
        """The settings as numcodecs has them."""
        return EtalonRound(self.spec).get_config()

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        return chunk_bytes

    async def _encode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        raise ValueError("numcodecs.etalon_round only reads: use h5etalon.zarr.EtalonSerializer(%r)" % self.spec)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """As it was."""
        return input_byte_length


@dataclass(frozen=True)
class EtalonSerializer(ArrayBytesCodec):
    """Filter 59297 as serializer `etalon`: elements to chunks. Fill values stay exact.

    :param spec: a SPEC such as `"noise:sigma=0.5"`, or a filter, `Noise(sigma=0.5)`.
    """

    is_fixed_size = False
    spec: Any = "dictionary"

    def __post_init__(self) -> None:
        object.__setattr__(self, "spec", _canonical(self.spec))

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> "EtalonSerializer":
        """From Zarr's metadata."""
        return cls(**_settings(data, "etalon"))

    def to_dict(self) -> Dict[str, Any]:
        """What Zarr's metadata say."""
        return {"name": "etalon", "configuration": {"spec": self.spec}}

    def evolve_from_array_spec(self, array_spec: Any) -> "EtalonSerializer":
        """The codec itself, where it takes elements of the array's type.

        :raises ValueError: where it does not, saying why.
        """
        element = _dtype_of(array_spec)
        kind = element.str if element.kind in "uif" else "V%d" % element.itemsize
        _native.cd_values(self.spec, np.dtype(kind).str, [max(1, extent) for extent in array_spec.shape])
        return self

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        stored = as_bytes(chunk_bytes.as_numpy_array())
        decoded = await asyncio.to_thread(decode_frame, stored, _chunk_bytes(chunk_spec))
        element = _dtype_of(chunk_spec)
        # The frame knows the byte order of numbers that was written, which the metadata of format 3 do not.
        if decoded.dtype.kind == "V":
            decoded = decoded.view(element.newbyteorder("<"))
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(decoded.reshape(chunk_spec.shape))

    async def _encode_single(self, chunk_array: Any, chunk_spec: Any) -> Any:
        # Not ascontiguousarray: it gives arrays without dimensions one.
        array = np.asarray(chunk_array.as_numpy_array(), order="C")
        fill = None
        # Of elements that are no numbers, such as complex ones, a frame knows the size alone.
        if array.dtype.kind not in "uif":
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if array.dtype.kind in "uif" and chunk_spec.fill_value is not None:
            fill = np.asarray(chunk_spec.fill_value, array.dtype)
        out = await asyncio.to_thread(encode, in_memory_order(array), self.spec, fill=fill)
        return chunk_spec.prototype.buffer.from_array_like(out)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Not known before encoding."""
        raise NotImplementedError


def _canonical(spec: Any) -> str:
    """The SPEC in its shortest form.

    :raises ValueError: for one that does not exist, saying what does.
    """
    return _native.user_values(*split_spec(spec_of(spec)))[0]


def _is_lossless(spec: str) -> bool:
    return any(row["name"] == split_spec(spec)[0] and row["lossless"] for row in _native.codecs())
