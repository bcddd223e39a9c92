"""`scan`: the smallest way to store a dataset that keeps a requirement, as `etalon scan` finds it."""

import h5etalon
import h5py
import numpy as np
import pytest

ROWS, COLUMNS = np.mgrid[:96, :128]
MEAN = 400 + 300 * np.sin(ROWS / 17) * np.cos(COLUMNS / 23)
FRAMES = np.random.RandomState(3).poisson(MEAN, (40, 96, 128)).astype("u2")


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "counts.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("entry/data", data=FRAMES, chunks=(1, 96, 128), compression="gzip")
    return path


def test_a_bound_is_found_and_kept_by_what_is_stored_with_it(counts, tmp_path):
    found = h5etalon.scan(counts, ["max_abs_error<=7"], "quantise", threads=1)
    assert found.spec == found["chosen"]["spec"] == "quantise:abs=7" and found.holds
    assert found.chosen["classes"] == [["max_abs_error<=7", "A"]] and found.verified["chunks"] > 0
    with h5py.File(tmp_path / "small.h5", "w") as file:
        file.create_dataset("data", data=FRAMES, chunks=(1, 96, 128), **h5etalon.Etalon(found.spec))
        error = np.abs(file["data"][:].astype(int) - FRAMES)
    assert 0 < error.max() <= 7
    tried = [point for point in found.points if point["spec"] == found.spec]
    assert tried[0]["ratio"] == found.chosen["ratio"] > found.points[0]["ratio"] > 1
    assert found.points[0]["spec"] == "auto" and found.points[0]["limit_used"] == 0


def test_targets_and_requirements_are_those_of_verify(counts, tmp_path):
    toml = tmp_path / "r.toml"
    toml.write_text("limits = ['max_abs_error <= 7']")
    asked = [toml, ["max_abs_error<=7"], {"limits": ["max_abs_error<=7"], "sample": {"seed": 5}}]
    with h5py.File(counts) as file:
        targets = [counts, "%s::/entry/data" % counts, file["entry/data"]]
        answers = {h5etalon.scan(*pair, "quantise", threads=1).spec for pair in zip(targets, asked)}
    assert answers == {"quantise:abs=7"}
    found = h5etalon.scan(counts, "imaging", h5etalon.Quantise(abs=4), threads=1)
    assert found["requirement"]["profile"] == "imaging" and found["file"] == str(counts)


def test_codecs_are_specs_filters_or_have_one_open_setting(counts):
    several = h5etalon.scan(counts, ["psnr>=45"], [h5etalon.Noise(sigma=0.5), "quantise:psnr=*"], threads=1)
    codecs = {point["codec"] for point in several.points}
    assert codecs == {"auto", "noise", "quantise"}
    assert [point["spec"] for point in several.points if point["codec"] == "noise"] == ["noise:sigma=0.5"]
    assert several.chosen["metrics"]["psnr"] >= 45


def test_the_seed_chooses_the_sample(counts):
    require = {"limits": ["psnr>=45"], "sample": {"bytes": 40000, "held_out_bytes": 40000, "least_chunks": 2}}
    seeds = (0, 0, 1, 2, 3)
    found = [h5etalon.scan(counts, require, "quantise:abs=3", seed=seed, threads=1) for seed in seeds]
    psnr = [each.chosen["metrics"]["psnr"] for each in found]
    assert psnr[0] == psnr[1] and len(set(psnr)) > 2, psnr


def test_what_not_even_the_original_keeps_is_a_result(counts):
    found = h5etalon.scan(counts, ["unique_values<=3"], threads=1)
    assert not found.holds and found.spec == "auto" and "the original itself" in found.chosen["reason"]


def test_mistakes_are_errors_that_name_them(counts, tmp_path):
    for target, require, codecs, words in (
        ("%s::/entry/dat" % counts, ["psnr>=40"], (), "did you mean '/entry/data'"),
        (counts, ["beauty>=1"], (), "beauty"),
        (counts, ["psnr>=40"], "quantize", "quantise"),
    ):
        with pytest.raises(ValueError, match=words):
            h5etalon.scan(target, require, codecs)
    with pytest.raises(OSError, match="nothing.h5"):
        h5etalon.scan(tmp_path / "nothing.h5", ["psnr>=40"])
