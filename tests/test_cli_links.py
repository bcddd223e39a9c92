"""Datasets that are named through soft and external links, as NeXus files have them."""

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json


@pytest.fixture
def master(tmp_path):
    """A master file: the data in another one, and a soft link to a dataset of its own."""
    frames = np.random.RandomState(4).poisson(9, (6, 64, 64)).astype("<u2")
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file.create_dataset("frames", data=frames, chunks=(1, 64, 64), compression="gzip")
    path = tmp_path / "master.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("entry/instrument/detector/data", data=frames + 1, chunks=(1, 64, 64))
        file["entry/data/data"] = h5py.SoftLink("/entry/instrument/detector/data")
        file["entry/data/data_000001"] = h5py.ExternalLink("part.h5", "/frames")
        file["entry/data/gone"] = h5py.ExternalLink("nowhere.h5", "/frames")
    return path


def test_a_soft_link_names_its_dataset(master):
    answer = etalon_json("scan", "%s::/entry/data/data" % master, "--require", "lossless")
    assert answer["dataset"] == "/entry/instrument/detector/data"
    row = etalon_json("inspect", "%s::/entry/data/data" % master)["datasets"][0]
    assert row["dataset"] == "/entry/instrument/detector/data" and row["raw_bytes"] == 6 * 64 * 64 * 2


def test_an_external_link_names_a_dataset_of_the_other_file(master):
    named = "%s::/entry/data/data_000001" % master
    row = etalon_json("measure", named, "--codec", "auto")["datasets"][0]
    assert (row["dataset"], row["lossless"], row["shape"]) == ("/frames", True, [6, 64, 64])
    part = "%s::/frames" % master.with_name("part.h5")
    assert etalon_json("measure", named, part, "--metrics", "abs")["datasets"][0]["metrics"]["max_abs_error"] == 0
    assert etalon_json("verify", named, "--against", part)["datasets"][0]["max_abs_error"] == 0


def test_a_link_that_leads_nowhere_is_no_dataset(master):
    refused = etalon("scan", "%s::/entry/data/gone" % master, "--require", "lossless", code=2)
    assert "no dataset '/entry/data/gone'" in refused.stderr
