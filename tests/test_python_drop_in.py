"""`import h5etalon as hdf5plugin`: the tests of hdf5plugin itself that concern bitshuffle, run against us."""

import sys
import types
import unittest

import h5etalon
import pytest

# What their module names that is not bitshuffle's.
FOREIGN = ("Blosc", "Blosc2", "BZip2", "LZ4", "FciDecomp", "Sperr", "SZ", "SZ3", "Zfp", "Htj2k", "Zstd")
WANTED = (
    "TestHDF5PluginRW.testDepreactedBitshuffle",
    "TestHDF5PluginRW.testBitshuffle",
    "TestHDF5PluginRW.testBitshuffleZstdCLevel",
    "TestFromFilterOptionsMethods.testBitshuffle",
    "TestFromFilterOptionsRoundtrip.testBitshuffle",
    "TestFilterGetConfig.testGetConfigRoundtrip",
    "TestFilterProperties.testBitshuffle",
    "TestPackage",
    "TestRegisterFilter",
)


@pytest.fixture
def their_tests(monkeypatch):
    """The module hdf5plugin.test with us in the place of hdf5plugin."""
    path = pytest.importorskip("hdf5plugin").__file__.replace("__init__", "test")
    alias = types.ModuleType("hdf5plugin")
    alias.__dict__.update(vars(h5etalon), **dict.fromkeys(FOREIGN))
    alias.FILTERS = {**{name.lower(): 0 for name in FOREIGN}, **h5etalon.FILTERS}
    alias._filters = types.SimpleNamespace(FILTER_CLASSES=(h5etalon.Bitshuffle,))
    monkeypatch.setitem(sys.modules, "hdf5plugin", alias)
    module = types.ModuleType("their_tests")
    module.__file__ = h5etalon.__file__
    monkeypatch.setitem(sys.modules, "their_tests", module)
    with open(path) as source:
        exec(compile(source.read(), path, "exec"), module.__dict__)
    module.BUILD_CONFIG = module.BUILD_CONFIG._replace(embedded_filters=("bshuf",))
    return module


def test_hdf5plugins_own_tests_of_bitshuffle_pass(their_tests):
    suite = unittest.defaultTestLoader.loadTestsFromNames(WANTED, their_tests)
    result = unittest.TestResult()
    suite.run(result)
    assert result.wasSuccessful(), "\n".join(text for _, text in result.failures + result.errors)
    assert result.testsRun == 13 and not result.skipped, result.skipped


@pytest.mark.parametrize("wanted", ["BSHUF", "bshuf", 32008, ["bshuf"], ("BSHUF", 32008), {"bshuf"}])
def test_filters_are_named_as_in_hdf5plugin(wanted):
    assert set(h5etalon.get_filters(wanted)) == {h5etalon.Bitshuffle}
    assert h5etalon.register(wanted) and h5etalon.register(wanted, force=False)


def test_nothing_is_registered_where_a_name_is_unknown(monkeypatch):
    from h5etalon import _register

    monkeypatch.setattr(_register, "_register_one", lambda name: pytest.fail("registered %s" % name))
    with pytest.raises(ValueError, match="Unknown filter: bzip2"):
        h5etalon.register(["bshuf", "bzip2"])
