"""NeXus files for tests: an entry with a sample, an instrument, and counts."""

import h5py
import numpy as np

COUNTS = np.random.RandomState(0).poisson(50, (6, 100, 120)).astype("<u2")
DARK = np.random.RandomState(1).poisson(5, (2, 100, 120)).astype("<u2")


def write_nexus(path, definition="NXtomo", texts=str):
    """A file as beamlines write it; `texts` makes texts of variable (str) or fixed length (np.bytes_)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        entry = group(file, "entry", "NXentry", texts)
        entry["definition"] = texts(definition)
        entry["experiment_identifier"] = texts("HG123")
        group(entry, "sample", "NXsample", texts)["name"] = texts("tooth & <co>")
        group(entry, "instrument", "NXinstrument", texts)["name"] = texts("ID19")
        data = group(entry, "data", "NXdata", texts)
        frames = data.create_dataset("data", data=COUNTS, chunks=(1, 100, 120), compression="gzip")
        frames.attrs["units"] = texts("counts")
        data.create_dataset("dark", data=DARK, chunks=(1, 100, 120))
    return path


def group(parent, name, nexus_class, texts):
    made = parent.create_group(name)
    made.attrs["NX_class"] = texts(nexus_class)
    return made
