"""Fixtures of the end-to-end tests: the built plugins and the interpreters that use them."""

from importlib.util import find_spec

import pytest

from libetalon import install
from programs import PYTHONS, REPO, require_python

# The package is tested where its wheel is installed, by `make test`: in .venv-wheel, and in .venv-zarr beside its users.
collect_ignore_glob = [] if find_spec("h5etalon") else ["test_python_*.py"]
if not (find_spec("h5etalon") and find_spec("zarr")):
    collect_ignore_glob += ["test_zarr_*.py", "test_jupyter_*.py"]


@pytest.fixture(scope="session")
def plugins():
    """Where `make plugins` puts the plugins."""
    folder = REPO / "h5plugins"
    if not (folder / "libh5etalon_bitshuffle.so").exists():
        pytest.fail("no libh5etalon_bitshuffle.so in %s: run `make plugins` first" % folder)
    return folder


@pytest.fixture(params=PYTHONS)
def python(request):
    """Each of the interpreters in turn."""
    return require_python(request.param)


@pytest.fixture(scope="session")
def wheel():
    """The interpreter that runs the tests, with the wheel of h5py."""
    return require_python("wheel")


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """libetalon as `make install` leaves it."""
    return install(tmp_path_factory.mktemp("destdir"))
