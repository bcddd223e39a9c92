"""Filters as h5py takes them: `create_dataset(…, **Bitshuffle())` or `create_dataset(…, compression=Bitshuffle())`."""

import logging
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

import h5py

from . import _native

logger = logging.getLogger(__name__)

_IDS = {name: filter_id for filter_id, name, _ in _native.filters()}
BSHUF_ID: int = _IDS["bitshuffle"]
ETALON_ID: int = _IDS["etalon"]
ETALON_ROUND_ID: int = _IDS["etalon_round"]

FILTERS: Dict[str, int] = {"bshuf": BSHUF_ID, "etalon": ETALON_ID, "etalon_round": ETALON_ROUND_ID}
"""HDF5's ids of the filters, by name."""


class FilterBase(h5py.filters.FilterRefBase):
    """A filter with its settings: a mapping with `compression` and `compression_opts`."""

    filter_id: int
    filter_name: str

    def __init__(self, filter_options: Tuple[int, ...], config: Mapping[str, Any], spec: str) -> None:
        self.filter_options = filter_options
        self._config = dict(config)
        self.spec: str = spec
        """The same settings as the `etalon` command takes them."""

    def get_config(self) -> Dict[str, Any]:
        """The settings as keyword arguments of this class."""
        return dict(self._config)

    def __repr__(self) -> str:
        return "%s(%s)" % (type(self).__name__, ", ".join("%s=%r" % item for item in self._config.items()))

    @classmethod
    def _from_filter_options(cls, filter_options: Tuple[int, ...]) -> "FilterBase":
        raise NotImplementedError()


class Bitshuffle(FilterBase):
    """The registered filter 32008: bits of equal significance side by side, then LZ4, zstd or nothing. Lossless.

    :param nelems: elements in a block, a multiple of 8; 0 for blocks of 8192 bytes.
    :param cname: `"lz4"` (the default), `"zstd"` or `"none"`.
    :param clevel: effort of zstd, 1 to 22; 0 is zstd's default. Other compressors do not use it.
    :param lz4: deprecated, as in hdf5plugin.
    :raises ValueError: for settings that do not exist.
    """

    filter_name = "bshuf"
    filter_id = BSHUF_ID
    _COMPRESSORS = {"none": 0, "lz4": 2, "zstd": 3}

    def __init__(
        self,
        nelems: int = 0,
        cname: Optional[str] = None,
        clevel: int = 3,
        lz4: Optional[bool] = None,
    ) -> None:
        nelems = int(nelems)
        if nelems < 0 or nelems % 8 != 0:
            raise ValueError("nelems must be a multiple of 8, not %d" % nelems)
        if not 0 <= clevel <= 22:
            raise ValueError("clevel must be in range [0, 22], not %r" % clevel)
        if lz4 is not None:
            if cname is not None and lz4 is not False:
                raise ValueError("cname and lz4 cannot be given together; lz4 is deprecated, use cname")
            logger.warning("Deprecation: Bitshuffle's argument lz4; use cname='lz4' or 'none' instead.")
            cname = "lz4" if lz4 else "none"
        if isinstance(cname, bool):
            logger.warning("Deprecation: Bitshuffle's cname is a word; use 'lz4' or 'none' instead.")
            cname = "lz4" if cname else "none"
        if cname is None:
            cname = "lz4"
        if cname not in self._COMPRESSORS:
            raise ValueError("Unsupported compression: %s; known: %s" % (cname, ", ".join(self._COMPRESSORS)))
        options: Tuple[int, ...] = (nelems, self._COMPRESSORS[cname])
        config: Dict[str, Any] = {"cname": cname, "nelems": nelems}
        spec = "bitshuffle:compressor=%s,block=%d" % (cname, nelems)
        if cname == "zstd":
            options += (int(clevel),)
            config["clevel"] = clevel
            spec += ",level=%d" % (clevel or 3)
        super().__init__(options, config, spec)

    @property
    def nelems(self) -> int:
        """Elements in a block; 0 for blocks of 8192 bytes."""
        return int(self.filter_options[0])

    @property
    def cname(self) -> str:
        """The compressor."""
        return str(self._config["cname"])

    @property
    def clevel(self) -> Optional[int]:
        """Effort of zstd; None for other compressors."""
        return self._config.get("clevel")

    @classmethod
    def _from_filter_options(cls, filter_options: Tuple[int, ...]) -> "Bitshuffle":
        """From stored `(major, minor, element bytes, block[, compressor[, level]])`."""
        block, compressor, *level = (tuple(filter_options[3:]) + (0, 0))[:2] + tuple(filter_options[5:6])
        names = {number: name for name, number in cls._COMPRESSORS.items()}
        if compressor not in names:
            raise ValueError("Unsupported compression id: %d" % compressor)
        if names[compressor] == "zstd" and level:
            return cls(block, "zstd", level[0])
        return cls(block, names[compressor])


class Etalon(FilterBase):
    """Filter 59297 with any codec: a SPEC as the `etalon` command takes it, `Etalon("noise:sigma=0.5")`.

    :param spec: `codec:key=value,…`; `etalon codecs` lists them.
    :raises ValueError: for a SPEC that does not exist, saying what does.
    """

    filter_name = "etalon"
    filter_id = ETALON_ID

    def __init__(self, spec: str = "dictionary") -> None:
        codec, pairs = split_spec(spec)
        text, _, options = _native.user_values(codec, pairs, self.filter_id)
        super().__init__(tuple(options), {"spec": text}, text)

    @classmethod
    def _from_filter_options(cls, filter_options: Tuple[int, ...]) -> "Etalon":
        text = _native.spec_of(cls.filter_id, list(filter_options))
        if text is None:
            raise ValueError("not options of filter %d: %r" % (cls.filter_id, tuple(filter_options)))
        return cls(text)


class Round(Etalon):
    """Filter 59298: values lose what a codec would take from them, and are stored as they are.

    For pipelines in which a filter that everybody has follows. Readers need no plugin.

    :param codec: a lossy codec, `Round(Noise(sigma=0.5))` or a SPEC.
    """

    filter_name = "etalon_round"
    filter_id = ETALON_ROUND_ID

    def __init__(self, codec: Union[FilterBase, str]) -> None:
        super().__init__(spec_of(codec))


def one_or_several(filters: Union[int, str, Iterable[Union[int, str]]]) -> Tuple[Union[int, str], ...]:
    """Names and ids, of which one may stand for itself."""
    is_one = isinstance(filters, str) or not isinstance(filters, Iterable)
    return (filters,) if is_one else tuple(filters)


def spec_of(codec: Union[FilterBase, str]) -> str:
    """The SPEC of a filter, or the SPEC itself.

    :raises TypeError: for anything else.
    """
    if not isinstance(codec, (str, FilterBase)):
        raise TypeError("a codec is a filter, such as Noise(sigma=0.5), or a SPEC, 'noise:sigma=0.5', not %r" % (codec,))
    return codec if isinstance(codec, str) else codec.spec


def split_spec(spec: str) -> Tuple[str, List[Tuple[str, str]]]:
    """Codec and pairs of `codec:key=value,…`; a key alone means true."""
    codec, _, rest = spec.partition(":")
    pairs = [pair.partition("=") for pair in rest.split(",") if pair]
    return codec, [(key, text if equals else "true") for key, equals, text in pairs]
