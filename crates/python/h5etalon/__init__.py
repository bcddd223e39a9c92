"""HDF5 filters for h5py whose codecs know what they may lose.

Importing registers the filters in h5py's HDF5 and puts the plugins on HDF5_PLUGIN_PATH for child processes and for other
HDF5 libraries that start later (netCDF4, PyTables).

    import h5etalon
    file.create_dataset("data", data=frames, chunks=(1, 2162, 2068), **h5etalon.Bitshuffle(cname="zstd"))
    file.create_dataset("less", data=frames, chunks=(1, 2162, 2068), **h5etalon.Noise(sigma=0.5))
    frames = h5etalon.read(file["data"])            # on all cores

`import h5etalon as hdf5plugin` works for programs that use bitshuffle; hdf5plugin's other filters come from hdf5plugin
where it is installed.
"""

from importlib import import_module
from importlib.metadata import version as _version_of
from typing import Any, Dict, NamedTuple

from . import plot
from ._campaign import Campaigned, campaign
from ._chunks import decode, encode, inspect
from ._config import get_config
from ._doctor import doctor
from ._fast_io import Sparse, read, to_sparse, write
from ._filters import (
    BSHUF_ID,
    ETALON_ID,
    ETALON_ROUND_ID,
    FILTERS,
    Bitshuffle,
    Etalon,
    Round,
)
from ._lookup import CODEC_CLASSES as _codec_classes
from ._lookup import FILTER_CLASSES, from_filter_options, get_filters
from ._measures import Measured, list_metrics, measure
from ._pipeline import filters_of
from ._references import references
from ._register import PLUGIN_PATH, offer_to_children, register, served_by
from ._scan import Scanned, scan
from ._verify import Verified, verify

version: str = _version_of("h5etalon")
__version__ = version
# As in hdf5plugin, where it is the older name.
PLUGINS_PATH = PLUGIN_PATH

# Dictionary, Noise, Quantise, …: whatever the codec table has.
_classes: Dict[str, Any] = {cls.__name__: cls for cls in _codec_classes}
globals().update(_classes)

__all__ = [
    "BSHUF_ID",
    "Bitshuffle",
    "Campaigned",
    "ETALON_ID",
    "ETALON_ROUND_ID",
    "Etalon",
    "FILTERS",
    "FILTER_CLASSES",
    "Measured",
    "PLUGINS_PATH",
    "PLUGIN_PATH",
    "Round",
    "Scanned",
    "Sparse",
    "Verified",
    "VersionInfo",
    "campaign",
    "decode",
    "doctor",
    "encode",
    "filters_of",
    "from_filter_options",
    "get_config",
    "get_filters",
    "inspect",
    "list_metrics",
    "measure",
    "offer_to_children",
    "plot",
    "read",
    "references",
    "register",
    "scan",
    "served_by",
    "to_sparse",
    "verify",
    "version",
    "version_info",
    "write",
    *_classes,
]

_OF_HDF5PLUGIN = (
    "Blosc", "Blosc2", "BZip2", "FciDecomp", "Htj2k", "LZ4", "Sperr", "SZ", "SZ3", "Zfp", "Zstd",
    "BLOSC_ID", "BLOSC2_ID", "BZIP2_ID", "FCIDECOMP_ID", "HTJ2K_ID", "LZ4_ID", "SPERR_ID", "SZ_ID", "SZ3_ID", "ZFP_ID",
    "ZSTD_ID",
)  # fmt: skip


# Modules that need the packages after which they are called.
_FOR_OTHERS = ("numcodecs", "virtualizarr", "zarr")


class VersionInfo(NamedTuple):
    """A version in numbers, as in sys.version_info."""

    major: int
    minor: int
    micro: int
    releaselevel: str
    serial: int


def _version_info() -> VersionInfo:
    numbers = [int(part) for part in version.split("+")[0].split(".")[:3]]
    return VersionInfo(*numbers, "final", 0)


version_info: VersionInfo = _version_info()


def __getattr__(name: str) -> Any:
    if name in _FOR_OTHERS:
        try:
            return import_module("." + name, __name__)
        except ImportError as error:
            raise AttributeError("h5etalon.%s needs pip install h5etalon[zarr]: %s" % (name, error)) from error
    if name in _OF_HDF5PLUGIN:
        try:
            import hdf5plugin
        except ImportError:
            raise AttributeError("%s is a filter of hdf5plugin: pip install hdf5plugin" % name) from None
        return getattr(hdf5plugin, name)
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


register(force=True)
offer_to_children()
