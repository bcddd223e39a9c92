"""Written by scripts/python_hints.py from the codec table."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Type, Union

from ._campaign import Campaigned as Campaigned, campaign as campaign
from ._chunks import decode as decode, encode as encode, inspect as inspect
from ._config import get_config as get_config
from ._doctor import doctor as doctor
from ._fast_io import Sparse as Sparse, read as read, to_sparse as to_sparse, write as write
from ._filters import Bitshuffle as Bitshuffle, Etalon as Etalon, Round as Round
from ._lookup import from_filter_options as from_filter_options, get_filters as get_filters
from ._measures import Measured as Measured, list_metrics as list_metrics, measure as measure
from ._pipeline import filters_of as filters_of
from ._references import references as references
from ._register import offer_to_children as offer_to_children, register as register, served_by as served_by
from ._scan import Scanned as Scanned, scan as scan
from ._verify import Verified as Verified, verify as verify
from ._codecs import Codec as Codec
from . import plot as plot

BSHUF_ID: int
ETALON_ID: int
ETALON_ROUND_ID: int
PLUGINS_PATH: str
PLUGIN_PATH: str
version: str
__version__: str
FILTERS: Dict[str, int]
FILTER_CLASSES: Tuple[Type[Any], ...]
version_info: VersionInfo

class VersionInfo(NamedTuple):
    major: int
    minor: int
    micro: int
    releaselevel: str
    serial: int

class Dictionary(Codec):
    def __init__(self, *, backend: Optional[str] = None, speed: Optional[str] = None, mask: Optional[Sequence[Any]] = None) -> None: ...

class Quantise(Codec):
    def __init__(self, *, abs: Optional[float] = None, rel: Optional[float] = None, pw: Optional[float] = None, psnr: Optional[float] = None, levels: Optional[int] = None, bits: Optional[int] = None, range: Optional[str] = None, otsu: Optional[float] = None, speed: Optional[str] = None, mask: Optional[Sequence[Any]] = None) -> None: ...

class Noise(Codec):
    def __init__(self, *, sigma: Optional[float] = None, gain: Optional[float] = None, offset: Optional[float] = None, read: Optional[float] = None, mode: Optional[str] = None, seed: Optional[int] = None, speed: Optional[str] = None, mask: Optional[Sequence[Any]] = None) -> None: ...

class SigmaClip(Codec):
    def __init__(self, *, variant: Optional[str] = None, kappa: Optional[float] = None, clip: Optional[float] = None, cycles: Optional[int] = None, noise: Optional[float] = None, sides: Optional[str] = None, dilate: Optional[int] = None, tile: Optional[int] = None, cx: Optional[float] = None, cy: Optional[float] = None, bins: Optional[int] = None, decode: Optional[str] = None, sigma: Optional[float] = None, seed: Optional[int] = None, force: Optional[bool] = None, mask: Optional[Sequence[Any]] = None) -> None: ...

class Counts(Codec):
    def __init__(self, *, model: Optional[str] = None, speed: Optional[str] = None, temporal: Optional[str] = None, mask: Optional[Sequence[Any]] = None) -> None: ...

class Predict(Codec):
    def __init__(self, *, model: Optional[str] = None, speed: Optional[str] = None, temporal: Optional[str] = None, mask: Optional[Sequence[Any]] = None) -> None: ...

class Auto(Codec):
    def __init__(self, *, speed: Optional[str] = None, mask: Optional[Sequence[Any]] = None, abs: Optional[float] = None, rel: Optional[float] = None, pw: Optional[float] = None, psnr: Optional[float] = None, levels: Optional[int] = None, bits: Optional[int] = None, range: Optional[str] = None, otsu: Optional[float] = None, sigma: Optional[float] = None, gain: Optional[float] = None, offset: Optional[float] = None, read: Optional[float] = None, mode: Optional[str] = None, seed: Optional[int] = None, requirement: Any = None, data: Any = None, codecs: Any = None, threads: Any = None) -> None: ...

def __getattr__(name: str) -> Any: ...
