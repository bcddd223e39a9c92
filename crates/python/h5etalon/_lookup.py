"""Finding the class of a filter by name or id, and its settings in what HDF5 stores."""

from typing import Iterable, Tuple, Type, Union

from . import _native
from ._auto import AutoBase
from ._codecs import Codec, make_class
from ._filters import ETALON_ID, FILTERS, Bitshuffle, Etalon, FilterBase, Round, one_or_several, split_spec
from ._config import get_config

CODEC_CLASSES: Tuple[Type[Codec], ...] = tuple(
    make_class(row, AutoBase if row["name"] == "auto" else Codec)
    for row in _native.codecs()
    if row["filter_id"] == ETALON_ID
)
"""One class for each codec of filter 59297, in the order of the table."""

FILTER_CLASSES: Tuple[Type[FilterBase], ...] = (Bitshuffle, Etalon, Round, *CODEC_CLASSES)
"""All classes that `create_dataset` takes."""


def get_filters(
    filters: Union[int, str, Iterable[Union[int, str]], None] = None,
) -> Tuple[Type[FilterBase], ...]:
    """The classes of filters.

    :param filters: names or ids, one or several; `"registered"` for those that h5py's HDF5 has; all by default.
    :raises ValueError: for a name or id that is unknown, listing the known ones.
    """
    if filters is None:
        return FILTER_CLASSES
    if filters == "registered":
        filters = tuple(get_config().registered_filters)
    return tuple(_class_of(one) for one in one_or_several(filters))


def _class_of(name_or_id: Union[int, str]) -> Type[FilterBase]:
    if not isinstance(name_or_id, (int, str)):
        raise ValueError("Expected int or str, not %s" % type(name_or_id))
    for cls in FILTER_CLASSES:
        if name_or_id == cls.filter_id or str(name_or_id).lower() == cls.filter_name:
            return cls
    known = ["%s (%d)" % (cls.filter_name, cls.filter_id) for cls in FILTER_CLASSES]
    raise ValueError("Unknown filter: %s; known: %s" % (name_or_id, ", ".join(known)))


def from_filter_options(filter_id: Union[int, str], filter_options: Tuple[int, ...]) -> FilterBase:
    """The filter that a dataset was stored with.

    :param filter_id: HDF5's id, or a name of FILTERS.
    :param filter_options: the `cd_values`, as `dataset.id.get_create_plist().get_filter(0)[2]` has them.
    :raises ValueError: for a filter that is not ours, or options that are not its own.
    """
    wanted = FILTERS.get(filter_id) if isinstance(filter_id, str) else filter_id
    if wanted == ETALON_ID:
        spec = _native.spec_of(ETALON_ID, list(filter_options))
        for cls in CODEC_CLASSES:
            if spec is not None and split_spec(spec)[0] == cls.codec:
                return cls.from_spec(spec)
    for cls in (Bitshuffle, Etalon, Round):
        if wanted == cls.filter_id:
            return cls._from_filter_options(filter_options)
    raise ValueError("Unsupported filter id: %s" % filter_id)
