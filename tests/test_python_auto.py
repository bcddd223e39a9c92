"""`Auto(requirement=…)`: a filter whose codec and setting are found on data like those to be stored."""

import h5etalon
import h5py
import numpy as np
import pytest

ROWS, COLUMNS = np.mgrid[:96, :128]
MEAN = 400 + 300 * np.sin(ROWS / 17) * np.cos(COLUMNS / 23)
FRAMES = np.random.RandomState(4).poisson(MEAN, (40, 96, 128)).astype("u2")
REQUIREMENT = ["max_abs_error<=7"]


@pytest.fixture(scope="module")
def auto():
    return h5etalon.Auto(requirement=REQUIREMENT, data=FRAMES, codecs="quantise", threads=1)


def test_what_a_scan_finds_is_a_filter(auto, tmp_path):
    assert auto.spec == auto.scanned.spec == "quantise:abs=7"
    assert dict(auto) == dict(h5etalon.Etalon("quantise:abs=7")) == dict(h5etalon.Quantise(abs=7))
    others = np.random.RandomState(5).poisson(MEAN, (3, 96, 128)).astype("u2")
    for number, keywords in enumerate((auto, {"compression": auto})):
        with h5py.File(tmp_path / ("%d.h5" % number), "w") as file:
            dataset = file.create_dataset("data", data=others, chunks=(1, 96, 128), **keywords)
            assert h5etalon.filters_of(dataset) == [h5etalon.Quantise(abs=7)]
        with h5py.File(tmp_path / ("%d.h5" % number)) as file:
            error = np.abs(file["data"][()].astype(int) - others).max()
        assert 0 < error <= 7


def test_data_are_a_dataset_a_path_or_an_array(auto, tmp_path):
    path = tmp_path / "counts.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("entry/data", data=FRAMES, chunks=(1, 96, 128), **h5etalon.Bitshuffle())
    with h5py.File(path) as file:
        for data in (file["entry/data"], path, "%s::/entry/data" % path, FRAMES.tolist(), FRAMES[0]):
            found = h5etalon.Auto(requirement={"limits": REQUIREMENT}, data=data, codecs=[h5etalon.Quantise(abs=7)])
            assert found == auto, data
    profile = h5etalon.Auto(requirement="imaging", data=FRAMES, codecs="quantise:abs=1", threads=1)
    assert profile.scanned["requirement"]["profile"] == "imaging"


def test_a_file_may_state_the_requirement(auto, tmp_path):
    toml = tmp_path / "r.toml"
    toml.write_text("limits = ['max_abs_error <= 7']")
    assert h5etalon.Auto(requirement=toml, data=FRAMES, codecs="quantise") == auto


def test_without_data_nothing_is_chosen():
    with pytest.raises(ValueError, match="needs data= to look at.*Give a dataset, a path or an array"):
        h5etalon.Auto(requirement=REQUIREMENT)
    with pytest.raises(ValueError, match="without elements"):
        h5etalon.Auto(requirement=REQUIREMENT, data=FRAMES[:0])


def test_a_requirement_goes_with_no_setting_and_data_with_no_other():
    with pytest.raises(TypeError, match="leave abs out"):
        h5etalon.Auto(requirement=REQUIREMENT, data=FRAMES, abs=3)
    with pytest.raises(TypeError, match="give requirement= too"):
        h5etalon.Auto(data=FRAMES)
    with pytest.raises(TypeError, match="did you mean speed"):
        h5etalon.Auto(spead="fast")


def test_what_nothing_keeps_is_an_error_that_says_why():
    with pytest.raises(ValueError, match="the original itself"):
        h5etalon.Auto(requirement=["unique_values<=3"], data=FRAMES, threads=1)
    with pytest.raises(ValueError, match="beauty"):
        h5etalon.Auto(requirement=["beauty>=1"], data=FRAMES)


def test_without_a_requirement_it_is_what_it_was():
    assert h5etalon.Auto().spec == "auto" and h5etalon.Auto().scanned is None
    assert h5etalon.Auto(sigma=0.5).get_config() == {"sigma": 0.5}
    assert "requirement" in h5etalon.Auto.__doc__ and "requirement" not in h5etalon.Noise.__doc__
