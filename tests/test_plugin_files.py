"""The built plugins, looked at as files: what they need, what they show, and that they stay loaded."""

import pytest

from programs import NOWHERE, REPO, call, require

ALLOWED = {
    "libc.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "libdl.so.2",
    "libpthread.so.0",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
}
CRATES = sorted(path.parent.name for path in (REPO / "h5plugins").glob("*/Cargo.toml"))


@pytest.fixture(params=CRATES)
def plugin(request, plugins):
    path = plugins / f"libh5etalon_{request.param}.so"
    assert path.exists(), "run `make plugins`: no " + str(path)
    return path


def lines(plugin, tool, *options):
    return call([*require(tool), *options, plugin], NOWHERE).stdout.splitlines()


def test_nothing_of_hdf5_is_undefined(plugin):
    undefined = [line.split()[-1] for line in lines(plugin, "nm", "-D", "--undefined-only")]
    assert undefined and [name for name in undefined if name.startswith("H5")] == []


def test_only_what_hdf5_looks_for_is_exported(plugin):
    exported = {line.split()[-1] for line in lines(plugin, "nm", "-D", "--defined-only")}
    assert exported == {"H5PLget_plugin_type", "H5PLget_plugin_info"}


def test_only_the_c_library_is_needed(plugin):
    needed = {line.split("[")[1].rstrip("]") for line in lines(plugin, "readelf", "-dW") if "(NEEDED)" in line}
    assert needed and needed <= ALLOWED, needed


def test_it_stays_loaded_and_resolves_everything_at_once(plugin):
    flags = [line for line in lines(plugin, "readelf", "-dW") if "FLAGS_1" in line]
    assert len(flags) == 1 and "NODELETE" in flags[0] and "NOW" in flags[0], flags


def test_the_folder_holds_nothing_that_would_stop_hdf5_from_looking_further(plugins):
    # HDF5 gives up at a dangling link.
    assert [path.name for path in plugins.iterdir() if not path.exists()] == []
