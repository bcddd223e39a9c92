"""How this package was built and what of it is registered, in hdf5plugin's words."""

from typing import Dict, NamedTuple, Tuple

import h5py

from . import _register
from ._filters import FILTERS


class BuildConfig(NamedTuple):
    """What the filters were built with. Instruction sets are chosen at run time, so each is there on every machine."""

    openmp: bool = False
    native: bool = False
    bmi2: bool = True
    sse2: bool = True
    ssse3: bool = True
    avx2: bool = True
    avx512: bool = True
    cpp11: bool = False
    cpp14: bool = False
    cpp20: bool = False
    ipp: bool = False
    filter_file_extension: str = ".so"
    embedded_filters: Tuple[str, ...] = tuple(FILTERS)


class Config(NamedTuple):
    """See `get_config`."""

    build_config: BuildConfig
    registered_filters: Dict[str, str]


def get_config() -> Config:
    """How the filters were built, and the plugin file of each filter of FILTERS that h5py's HDF5 has.

    The file is `"unknown"` where somebody else's filter serves the id.
    """
    registered = {}
    for name, filter_id in FILTERS.items():
        if h5py.h5z.filter_avail(filter_id):
            ours = name in _register.loaded and "etalon" in (_register.served_by(filter_id) or "")
            registered[name] = _register.plugin_file(name) if ours else "unknown"
    return Config(BuildConfig(), registered)
