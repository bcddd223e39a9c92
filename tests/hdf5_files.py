"""Comparing two HDF5 files by what a reader sees, or byte for byte, for tests that copy files."""

import struct
import time

import h5py
import numpy as np


def describe(file):
    """Everything in a file that a copy must keep, by path: kinds, types, values, attributes, links, sharing.

    References are written as the path they lead to, since their bytes differ from file to file.
    """
    seen, found = {}, {}
    describe_object(file["/"], "/", seen, found)
    return found


def describe_object(thing, path, seen, found):
    address = h5py.h5o.get_info(thing.id).addr
    if address in seen:
        found[path] = ("same as", seen[address])
        return
    seen[address] = path
    found[path] = (kind(thing), attributes(thing))
    if isinstance(thing, h5py.Group):
        describe_links(thing, path, seen, found)


def describe_links(group, path, seen, found):
    found[path] += (list(group), group.id.get_create_plist().get_link_creation_order())
    for name in group:
        child = path.rstrip("/") + "/" + name
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.SoftLink):
            found[child] = ("soft", link.path)
        elif isinstance(link, h5py.ExternalLink):
            found[child] = ("external", link.filename, link.path)
        else:
            describe_object(group[name], child, seen, found)


def kind(thing):
    if isinstance(thing, h5py.Dataset):
        extents = (thing.shape, thing.maxshape)
        return ("dataset", datatype(thing.id.get_type()), extents, fill(thing), values(thing), mapping(thing))
    if isinstance(thing, h5py.Datatype):
        return ("datatype", datatype(thing.id))
    return ("group",)


def datatype(type_id):
    """The type, and the path of the object that it is, if it is one."""
    name = h5py.h5i.get_name(type_id) if type_id.committed() else None
    return (repr(type_id.dtype), type_id.get_size(), name)


def attributes(thing):
    names = list(thing.attrs)
    ids = [thing.attrs.get_id(name) for name in names]
    types = [(datatype(each.get_type()), each.shape) for each in ids]
    return [(name, kind, plain(thing, thing.attrs[name])) for name, kind in zip(names, types)]


def fill(dataset):
    return None if dataset.dtype.kind == "O" else plain(dataset, dataset.fillvalue)


def values(dataset):
    return None if dataset.shape is None else plain(dataset, dataset[()])


def mapping(dataset):
    if not dataset.is_virtual:
        return None
    return [(each.vspace.get_select_bounds(), each.file_name, each.dset_name) for each in dataset.virtual_sources()]


def plain(owner, value):
    """A value without references: equal in two files if it means the same."""
    if isinstance(value, h5py.RegionReference):
        if not value:
            return ("region", None)
        space = h5py.h5r.get_region(value, owner.file.id)
        return ("region", h5py.h5r.get_name(value, owner.file.id), space.get_select_bounds(), space.get_select_npoints())
    if isinstance(value, h5py.Reference):
        return ("object", owner.file[value].name if value else None)
    if isinstance(value, np.ndarray) and (value.dtype.hasobject or value.dtype.names):
        return [plain(owner, each) for each in value.reshape(-1)]
    if isinstance(value, np.void) and value.dtype.names:
        return [plain(owner, value[name]) for name in value.dtype.names]
    if isinstance(value, h5py.Empty):
        return ("empty", repr(value.dtype))
    if isinstance(value, (np.ndarray, np.generic)):
        return (value.shape, value.tobytes())
    return value


def bytes_without_times(path, since):
    """The bytes of a file without the second, from `since` on, in which HDF5 says that a dataset was made: its message of the
    modification time is a 1, three zeros, and four bytes of seconds.
    """
    found = path.read_bytes()
    for second in range(int(since), int(time.time()) + 1):
        found = found.replace(b"\1\0\0\0" + struct.pack("<I", second), b"\1\0\0\0" + bytes(4))
    return found
