"""The installed package: what is in it, that importing it is enough, and that it shares a process with others."""

import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import files, metadata
from importlib.util import find_spec
from pathlib import Path

import h5etalon
import pytest

from programs import require

WRITE = """
import h5py, numpy as np
with h5py.File(%r, "w") as file:
    file.create_dataset("x", data=np.arange(9000, dtype="u2").reshape(90, 100), chunks=(30, 100), compression=%s)
"""


def run(script, **environment):
    """Output of a new interpreter."""
    env = {**{key: value for key, value in os.environ.items() if not key.startswith("HDF5_")}, **environment}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_holds_plugins_command_hints_and_licences():
    names = {Path(str(file)).name for file in files("h5etalon")}
    plugins = {"libh5etalon_%s.so" % name for name in ("bitshuffle", "etalon", "etalon_round")}
    assert names >= plugins | {"etalon", "py.typed", "_native.abi3.so", "THIRD_PARTY_LICENSES"}
    assert {path.name for path in Path(h5etalon.PLUGIN_PATH).iterdir()} == plugins
    assert metadata("h5etalon")["License-Expression"] == "MIT OR Apache-2.0"


def test_the_command_of_the_wheel_runs():
    command = Path(sys.executable).parent / "etalon"
    done = subprocess.run([command, "codecs"], capture_output=True, text=True)
    assert done.returncode == 0 and "quantise" in done.stdout


@pytest.mark.parametrize("option", ["--target", "--user"])
def test_the_command_is_found_where_pip_put_it_though_path_does_not_name_it(option, tmp_path):
    installed = {Path(h5etalon.__file__).parent: "h5etalon"}
    installed.update({path: path.name for path in Path(h5etalon.__file__).parents[1].glob("h5etalon-*.dist-info")})
    for path, name in installed.items():
        shutil.copytree(path, tmp_path / "packages" / name)
    scripts = tmp_path / ("packages/bin" if option == "--target" else "user/bin")
    scripts.mkdir(parents=True)
    shutil.copy(Path(sys.executable).parent / "etalon", scripts)
    # Another environment, where this package is not.
    venv.create(tmp_path / "other", symlinks=True)
    others = tmp_path / "other/lib" / ("python%d.%d" % sys.version_info[:2]) / "site-packages"
    (others / "theirs.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "packages"), "PYTHONUSERBASE": str(tmp_path / "user")}
    done = subprocess.run(
        [tmp_path / "other/bin/python", "-c", "import h5etalon; print(h5etalon.doctor()['command'])"],
        capture_output=True, text=True, env={**environment, "PATH": "/usr/bin"},
    )  # fmt: skip
    assert done.stdout.strip() == str(scripts / "etalon"), done.stdout + done.stderr


def test_importing_registers_the_filters_and_doctor_finds_nothing_wrong():
    found = h5etalon.doctor()
    assert found["problems"] == [] and "no problems" in repr(found)
    assert {row["id"]: row["ours"] for row in found["filters"].values()} == {32008: True, 59297: True, 59298: True}
    assert len(found["libraries"]) >= 1 and Path(found["command"]).name == "etalon"


def test_children_find_the_plugins_on_the_path(tmp_path):
    path = str(tmp_path / "x.h5")
    run("import h5etalon\n" + WRITE % (path, "32008"))
    read = "import h5py; print(int(h5py.File(%r)[\"x\"][()].sum()))" % path
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', %r], check=True)" % read
    assert run("import h5etalon\n" + child) == str(sum(range(9000)))
    h5dump = require("h5dump")[0]
    shown = run("import h5etalon, subprocess; subprocess.run([%r, '-d', 'x', %r], check=True)" % (h5dump, path))
    assert "8988, 8989, 8990" in shown


def test_the_path_is_prepended_once_and_keeps_what_was_there():
    script = "import os, h5etalon; h5etalon.offer_to_children(); print(os.environ['HDF5_PLUGIN_PATH'])"
    assert run(script, HDF5_PLUGIN_PATH="/a:/b") == h5etalon.PLUGIN_PATH + ":/a:/b"
    folders = run(script).split(":")
    assert folders[0] == h5etalon.PLUGIN_PATH and len(folders) > 1, "HDF5's default folder is kept"


@pytest.mark.parametrize("imports", ["h5etalon, hdf5plugin", "hdf5plugin, h5etalon"])
def test_ours_serves_beside_hdf5plugin_in_either_order(imports, tmp_path):
    script = "import %s\n" % imports + WRITE % (str(tmp_path / "x.h5"), "hdf5plugin.Bitshuffle(cname='zstd')") + """
import h5etalon
with h5py.File(%r) as file:
    right = (file["x"][()] == np.arange(9000).reshape(90, 100)).all()
    also = (h5etalon.read(file["x"]) == file["x"][()]).all()
print(right, also, "etalon" in h5etalon.served_by(32008), hdf5plugin.get_config().registered_filters["zfp"] != "")
hdf5plugin.register("bshuf")
print("etalon" in h5etalon.served_by(32008), len(h5etalon.doctor()["problems"]), h5etalon.register(32008, force=False))
print("etalon" in h5etalon.served_by(32008), h5etalon.register("bshuf"), "etalon" in h5etalon.served_by(32008))
""" % str(tmp_path / "x.h5")
    assert run(script).splitlines() == ["True True True True", "False 1 True", "False True True"]


@pytest.mark.skipif(not (find_spec("netCDF4") and find_spec("tables")), reason="no netCDF4 or tables")
def test_netcdf_and_pytables_in_one_process_find_the_plugins(tmp_path):
    script = "import h5etalon\n" + WRITE % (str(tmp_path / "x.h5"), "h5etalon.Dictionary()") + """
import netCDF4, tables
with tables.open_file(%r) as file:
    print((file.root.x[:] == np.arange(9000).reshape(90, 100)).all())
with netCDF4.Dataset(%r) as file:
    print((file["x"][:] == np.arange(9000).reshape(90, 100)).all())
print(len(h5etalon.doctor()["libraries"]))
""" % ((str(tmp_path / "x.h5"),) * 2)
    assert run(script).splitlines() == ["True", "True", "3"]


def test_versions_are_the_same_everywhere():
    assert h5etalon.version == h5etalon.__version__ == metadata("h5etalon")["Version"]
    assert h5etalon.version.startswith("%d.%d.%d" % h5etalon.version_info[:3])
