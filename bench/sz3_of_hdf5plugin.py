"""What the filter SZ3 of hdf5plugin stores: `sz3_of_hdf5plugin.py TYPE EXTENTS FILE BOUND…`, with the extents of a chunk.

Prints the bytes for each bound. A program of its own because hdf5plugin and imagecodecs live in different virtual environments.
"""

import sys

import h5py
import hdf5plugin
import numpy as np

kind, extents, path, *bounds = sys.argv[1:]
chunk = tuple(map(int, extents.split(",")))
data = np.fromfile(path, "<" + kind).reshape(-1, *chunk[1:])
with h5py.File("memory", "w", driver="core", backing_store=False) as file:
    for bound in bounds:
        name = "bound " + bound
        file.create_dataset(name, data=data, chunks=chunk, **hdf5plugin.SZ3(absolute=float(bound)))
        print(file[name].id.get_storage_size())
