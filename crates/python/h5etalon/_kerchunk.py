"""kerchunk's translator of HDF5 files, which knows our filters as well."""

import json
from typing import Any, Callable, Dict, List, Set, Tuple

import h5py
from kerchunk.hdf import Hdf5FeatureNotSupported, SingleHdf5ToZarr

from ._pipeline import edges_are_unfiltered, tells_wrong_places
from ._references import codecs_of, has_ours


class _VisitedLater:
    """An open file whose objects are visited when h5py's lock is free again.

    kerchunk waits for Zarr's thread at every object. If memory of h5py is collected there meanwhile, that thread waits for
    h5py's lock, which `visititems` holds in this one.
    """

    def __init__(self, file: h5py.File) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __getitem__(self, name: str) -> Any:
        return self._file[name]

    def visititems(self, visit: Callable[[str, Any], Any]) -> None:
        names: List[str] = []
        self._file.visit(names.append)
        for name in names:
            visit(name, self._file[name])


class _Scalar:
    """An array of Zarr without dimensions, which kerchunk sets by `array[:]`; only `array[()]` means it."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __getattr__(self, name: str) -> Any:
        return getattr(self._array, name)

    def __setitem__(self, _: Any, value: Any) -> None:
        self._array[()] = value


class _Group:
    """Zarr's root group, whose arrays without dimensions are `_Scalar`."""

    def __init__(self, group: Any) -> None:
        self._group = group

    def __getattr__(self, name: str) -> Any:
        return getattr(self._group, name)

    def require_array(self, *arguments: Any, **options: Any) -> Any:
        array = self._group.require_array(*arguments, **options)
        return array if array.shape else _Scalar(array)


class Translator(SingleHdf5ToZarr):
    """Datasets with a filter of ours, or with a checksum, are looked at here; all others by kerchunk."""

    _h5f: Any
    _zroot: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._numbers: Dict[str, Dict[Tuple[int, int], int]] = {}
        self._without_fill: Set[str] = set()

    def translate(self, *arguments: Any, **options: Any) -> Any:
        """The references. Where HDF5's fill value is its own 0, Zarr has none, which is 0 as well.

        xarray takes a fill value for a missing one: pixels without a count would be NaN.
        """
        self._h5f = _VisitedLater(self._h5f)
        self._zroot = _Group(self._zroot)
        found = super().translate(*arguments, **options)
        refs = found.get("refs", found)
        for key in self._without_fill:
            if isinstance(refs.get(key), str):
                refs[key] = json.dumps({**json.loads(refs[key]), "fill_value": None})
        return found

    def _get_array_dims(self, dset: h5py.Dataset) -> List[str]:
        """kerchunk's names, except that dimensions without one have the same name only where they have the same length.

        Otherwise xarray opens no group that has frames beside a mask or a background.
        """
        names = list(super()._get_array_dims(dset))
        if dset.id.get_create_plist().fill_value_defined() != h5py.h5d.FILL_VALUE_USER_DEFINED:
            self._without_fill.add(dset.name.lstrip("/") + "/.zarray")
        numbers = self._numbers.setdefault(dset.parent.name, {})
        seen: List[int] = []
        for axis, extent in enumerate(dset.shape or ()):
            if names[axis].startswith("phony_dim_"):
                number = numbers.setdefault((extent, seen.count(extent)), len(numbers))
                names[axis] = "phony_dim_%d" % number
            seen.append(extent)
        return names

    def _decode_filters(self, h5obj: h5py.Dataset) -> List[Any]:
        if not _is_ours(h5obj):
            return list(super()._decode_filters(h5obj))
        try:
            return codecs_of(h5obj)
        except ValueError as error:
            raise Hdf5FeatureNotSupported(str(error)) from error

    def _storage_info_and_adj_filters(self, dset: h5py.Dataset, filters: List[Any]) -> Dict[Any, Any]:
        if dset.chunks is not None:
            _refuse_chunks(dset)
        if dset.chunks is None or not _is_ours(dset):
            return dict(super()._storage_info_and_adj_filters(dset, filters))
        places, masks = {}, set()
        extents = dset.chunks
        # kerchunk takes the checksum off afterwards; here a codec compares and removes it.
        taken_off = 4 if dset.fletcher32 else 0

        def visit(info: Any) -> None:
            key = tuple(at // extent for at, extent in zip(info.chunk_offset, extents))
            places[key] = {"offset": info.byte_offset, "size": info.size + taken_off}
            masks.add(info.filter_mask)

        if hasattr(dset.id, "chunk_iter"):
            dset.id.chunk_iter(visit)
        else:
            for index in range(dset.id.get_num_chunks()):
                visit(dset.id.get_chunk_info(index))
        if len(masks) > 1:
            # Zarr has one pipeline for all chunks of an array.
            raise Hdf5FeatureNotSupported("%s: some chunks left filters out that others have" % dset.name)
        left_out = masks.pop() if masks else 0
        filters[:] = [codec for index, codec in enumerate(filters) if not left_out >> index & 1]
        return places


def _is_ours(dataset: h5py.Dataset) -> bool:
    """Whether its filters are for `codecs_of`: kerchunk knows neither ours nor the checksum. Texts it reads itself."""
    return dataset.dtype.kind != "O" and (has_ours(dataset) or dataset.fletcher32)


def _refuse_chunks(dataset: h5py.Dataset) -> None:
    """Whatever the filters: chunks of which HDF5 does not tell how and where they are stored.

    :raises Hdf5FeatureNotSupported: for these.
    """
    if edges_are_unfiltered(dataset):
        raise Hdf5FeatureNotSupported("%s: chunks at its edges have no filters, and the others have" % dataset.name)
    if tells_wrong_places(dataset):
        text = "%s: HDF5 tells wrong places of its chunks, as its first dimension is limited and another one is not"
        raise Hdf5FeatureNotSupported(text % dataset.name)
