"""What a user has to know when a filter is not found, or is somebody else's."""

import os
from typing import Any, Dict, List

import h5py

from . import _register
from ._command import find_command
from ._filters import FILTERS


class Diagnosis(Dict[str, Any]):
    """A dictionary that prints as a page."""

    def __repr__(self) -> str:
        lines = ["%-18s %s" % (key, value) for key, value in self.items() if key not in ("filters", "problems")]
        for name, row in self["filters"].items():
            lines.append("filter %-11s %s" % (row["id"], "%s: %s" % (name, row["served_by"] or "missing")))
        lines += ["problem: " + problem for problem in self["problems"]] or ["no problems"]
        return "\n".join(lines)


def doctor() -> Diagnosis:
    """Which HDF5 libraries this process has, who serves each filter id in h5py's, and what is wrong.

    :return: a dictionary that prints as a page: h5etalon, h5py, hdf5 (versions), libraries (HDF5 libraries that are
        loaded), HDF5_PLUGIN_PATH, command (path of `etalon`), filters (name: id, served_by, ours), problems (sentences).
    """
    filters = {}
    for name, filter_id in FILTERS.items():
        served_by = _register.served_by(filter_id)
        filters[name] = {"id": filter_id, "served_by": served_by, "ours": "etalon" in (served_by or "")}
    from . import version

    found = Diagnosis(
        h5etalon=version,
        h5py=h5py.version.version,
        hdf5=h5py.version.hdf5_version,
        libraries=_hdf5_libraries(),
        HDF5_PLUGIN_PATH=os.environ.get("HDF5_PLUGIN_PATH", ""),
        command=find_command() or "",
        filters=filters,
    )
    found["problems"] = list(_problems(found))
    return found


def _hdf5_libraries() -> List[str]:
    """Files of HDF5 libraries that this process has mapped; each has filters of its own."""
    try:
        with open("/proc/self/maps") as maps:
            files = {line.split()[-1] for line in maps if "libhdf5" in line.rpartition("/")[2]}
    except OSError:
        return []
    return sorted(file for file in files if "libhdf5_hl" not in file)


def _problems(found: Diagnosis) -> Any:
    for name, row in found["filters"].items():
        if row["served_by"] is None:
            yield "h5py's HDF5 has no filter %d (%s): call h5etalon.register()" % (row["id"], name)
        elif not row["ours"]:
            yield "filter %d is served by another plugin: call h5etalon.register(%r)" % (row["id"], name)
        if not os.path.exists(_register.plugin_file(name)):
            yield "the plugin %s is missing: install h5etalon again" % _register.plugin_file(name)
    if _register.PLUGIN_PATH not in found["HDF5_PLUGIN_PATH"].split(os.pathsep):
        yield "HDF5_PLUGIN_PATH does not name %s: child processes will not find the filters" % _register.PLUGIN_PATH
    if not found["command"]:
        yield "the command etalon is not found: install h5etalon again"
