"""VirtualiZarr and filters of ours that hdf5plugin does not know.

VirtualiZarr asks hdf5plugin how the filter of an id is called, and looks for a codec of that name. It knows bitshuffle so.
"""

from typing import Any, Tuple

from . import FILTERS, get_filters


class _Names:
    """hdf5plugin, where VirtualiZarr has it, with our filters as well."""

    def __init__(self, hdf5plugin: Any) -> None:
        self._hdf5plugin = hdf5plugin

    def get_filters(self, filters: Any) -> Tuple[Any, ...]:
        if filters in FILTERS.values():
            return get_filters(filters)
        return tuple(self._hdf5plugin.get_filters(filters))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hdf5plugin, name)


def teach() -> None:
    """Lets VirtualiZarr's parser of HDF5 files find our codecs, until the process ends."""
    from virtualizarr.parsers.hdf import filters

    if not isinstance(filters.hdf5plugin, _Names):
        filters.hdf5plugin = _Names(filters.hdf5plugin)
