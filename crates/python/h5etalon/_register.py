"""Registers the plugins in h5py's HDF5, and puts them on the path that other HDF5 libraries search."""

import ctypes
import logging
import os
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Union

import h5py

from ._filters import FILTERS, one_or_several

logger = logging.getLogger(__name__)

PLUGIN_PATH: str = str(Path(__file__).resolve().parent / "plugins")
"""The folder of the plugins: `HDF5_PLUGIN_PATH` of programs that do not import this package."""

loaded: Dict[str, ctypes.CDLL] = {}
"""The plugins that were registered, by name of the filter."""

_FILES = {"bshuf": "bitshuffle", "etalon": "etalon", "etalon_round": "etalon_round"}


def plugin_file(name: str) -> str:
    """Path of the plugin of a filter of FILTERS."""
    return os.path.join(PLUGIN_PATH, "libh5etalon_%s.so" % _FILES[name])


def register(
    filters: Union[int, str, Iterable[Union[int, str]]] = tuple(FILTERS), force: bool = True
) -> bool:
    """Registers filters in h5py's HDF5 library.

    :param filters: names of FILTERS or ids, one or several; all by default.
    :param force: False leaves a filter alone that HDF5 has already, such as hdf5plugin's bitshuffle.
    :return: whether all of them are there.
    :raises ValueError: for a filter that is not in FILTERS.

    The last one to register a filter id serves it. This package registers all its filters when it is imported; call
    `hdf5plugin.register("bshuf")` to have hdf5plugin's bitshuffle back.
    """
    done = True
    # All names are looked up before the first filter is registered.
    for name in [_name_of(one) for one in one_or_several(filters)]:
        if force or not h5py.h5z.filter_avail(FILTERS[name]):
            done = _register_one(name) and done
    return done


def _name_of(name_or_id: Union[int, str]) -> str:
    for name, filter_id in FILTERS.items():
        if name_or_id == filter_id or str(name_or_id).lower() == name:
            return name
    known = ", ".join("%s (%d)" % item for item in FILTERS.items())
    raise ValueError("Unknown filter: %s; known: %s" % (name_or_id, known))


def _register_one(name: str) -> bool:
    try:
        plugin = ctypes.CDLL(plugin_file(name))
    except OSError as error:
        logger.error("Cannot load the plugin of filter %s: %s", name, error)
        return False
    plugin.H5PLget_plugin_info.restype = ctypes.c_void_p
    filter_class = plugin.H5PLget_plugin_info()
    try:
        if h5py.version.version_tuple[:3] > (3, 8, 0):
            h5py.h5z.register_filter(filter_class)
        else:
            _register_through_ctypes(filter_class)
    except (RuntimeError, ValueError) as error:
        logger.error("HDF5 does not take filter %s: %s", name, error)
        return False
    loaded[name] = plugin
    return True


def _register_through_ctypes(filter_class: int) -> None:
    """For h5py 3.8.0, whose `register_filter` takes no address: its module is linked to the HDF5 it uses."""
    hdf5 = ctypes.CDLL(h5py.h5z.__file__)
    hdf5.H5Zregister.argtypes = [ctypes.c_void_p]
    hdf5.H5Zregister.restype = ctypes.c_int
    if hdf5.H5Zregister(filter_class) < 0:
        raise RuntimeError("H5Zregister fails")


def served_by(filter_id: int) -> Optional[str]:
    """The class name of the filter that h5py's HDF5 has for an id; None where it has none.

    Ours contain the word etalon.
    """
    if not h5py.h5z.filter_avail(filter_id):
        return None
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_filter(filter_id, h5py.h5z.FLAG_OPTIONAL, ())
    name = settings.get_filter(0)[3]
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def offer_to_children() -> None:
    """Puts PLUGIN_PATH at the front of HDF5_PLUGIN_PATH, once.

    The variable replaces HDF5's default folder, so that folder is kept where the variable was not set.
    """
    given = os.environ.get("HDF5_PLUGIN_PATH")
    folders = given.split(os.pathsep) if given else _folders_of_hdf5()
    if PLUGIN_PATH not in folders:
        os.environ["HDF5_PLUGIN_PATH"] = os.pathsep.join([PLUGIN_PATH, *folders])


def _folders_of_hdf5() -> List[str]:
    return [os.fsdecode(h5py.h5pl.get(index)) for index in range(h5py.h5pl.size())]
