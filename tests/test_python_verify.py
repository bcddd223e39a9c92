"""`verify`: what `etalon verify` says of files, as a dictionary."""

import shutil

import h5etalon
import h5py
import numpy as np
import pytest

FRAMES = np.random.default_rng(8).poisson(400, (4, 60, 80)).astype("u2")


@pytest.fixture
def files(tmp_path):
    """An original, and copies of it: exact, with a loss."""
    paths = {name: tmp_path / (name + ".h5") for name in ("original", "exact", "lossy")}
    filters = {"original": {}, "exact": h5etalon.Dictionary(), "lossy": h5etalon.Quantise(abs=3)}
    for name, path in paths.items():
        with h5py.File(path, "w") as file:
            file.create_dataset("entry/data", data=FRAMES, chunks=(1, 60, 80), **filters[name])
            file["entry/title"] = "lysozyme"
    return paths


def of_data(found):
    return next(row for row in found["datasets"] if row["dataset"] == "/entry/data")


def test_copies_hold_beside_their_original(files):
    for name, worst in (("exact", 0), ("lossy", 3)):
        found = h5etalon.verify(files[name], against=files["original"])
        assert found.holds and found["holds"] and of_data(found)["compared"] and of_data(found)["chunks"] == 4
        assert of_data(found)["max_abs_error"] == worst and found.failures() == []
        found.raise_for_failures()
    assert not of_data(h5etalon.verify(files["lossy"]))["compared"]


def test_targets_are_paths_datasets_and_open_files(files):
    with h5py.File(files["exact"]) as file:
        for target in (str(files["exact"]), "%s::/entry/data" % files["exact"], file, file["entry/data"]):
            assert h5etalon.verify(target, against=files["original"], threads=1).holds
    rows = h5etalon.verify(files["exact"], datasets=["/entry/d*"])["datasets"]
    assert [row["dataset"] for row in rows] == ["/entry/data"]


def test_a_damaged_chunk_is_a_result_that_names_it(files):
    with h5py.File(files["lossy"], "r+") as file:
        chunk = bytearray(file["entry/data"].id.read_direct_chunk((2, 0, 0))[1])
        chunk[-9] ^= 1
        file["entry/data"].id.write_direct_chunk((2, 0, 0), bytes(chunk))
    found = h5etalon.verify(files["lossy"])
    assert not found.holds and [one["chunk"] for one in of_data(found)["failures"]] == [[2, 0, 0]]
    assert found.failures()[0].startswith("/entry/data chunk at [2, 0, 0]: ")
    with pytest.raises(ValueError, match="checksum"):
        found.raise_for_failures()


def test_another_original_does_not_hold(files):
    with h5py.File(files["original"], "r+") as file:
        file["entry/data"][1] += 9
    found = h5etalon.verify(files["exact"], against=files["original"])
    assert not found.holds and "claims to be exact" in found.failures()[0]


@pytest.mark.parametrize("require", [
    ["max_abs_error<=3", "psnr>=20"],
    {"limits": ["max_abs_error<=3"], "settings": {"mask": [65535]}},
    "limits = ['max_abs_error<=3']\n[settings]\nmask = [65535]",
], ids=["list", "mapping", "toml"])  # fmt: skip
def test_limits_are_held_against_the_original(files, tmp_path, require):
    def asked(limit):
        if isinstance(require, str):
            path = tmp_path / "require.toml"
            path.write_text(require.replace("<=3", limit))
            return path
        if isinstance(require, dict):
            return {**require, "limits": [one.replace("<=3", limit) for one in require["limits"]]}
        return [one.replace("<=3", limit) for one in require]

    found = h5etalon.verify(files["lossy"], files["original"], asked("<=3"), datasets=["/entry/data"])
    assert found.holds and of_data(found)["verdicts"][0]["measured"] == 3
    broken = h5etalon.verify(files["lossy"], files["original"], asked("<=2"), datasets=["/entry/data"])
    assert not broken.holds and "max_abs_error<=2 is not kept: it is 3" in broken.failures()[0]


def test_one_limit_and_one_dataset_need_no_list(files):
    for limit, holds in (("max_abs_error<=3", True), ("max_abs_error<=2", False)):
        found = h5etalon.verify(files["lossy"], files["original"], limit, datasets="/entry/data")
        assert found.holds == holds and len(found["datasets"]) == 1


def test_a_requirement_may_have_arrays_of_numpy(files):
    require = {"limits": np.array(["max_abs_error<=3"]), "settings": {"mask": np.array([65535])}}
    assert h5etalon.verify(files["lossy"], files["original"], require, datasets="/entry/data").holds


def test_profiles_are_requirements(files):
    for require in ("imaging", {"profile": "imaging"}):
        found = h5etalon.verify(files["exact"], files["original"], require, datasets=["/entry/data"])
        assert found.holds and len(of_data(found)["verdicts"]) > 1


def test_jupyter_and_pandas_show_a_table(files):
    shown = h5etalon.verify(files["lossy"], against=files["original"])._repr_html_()
    assert '<td style="text-align:left">/entry/data</td>' in shown and "✓" in shown and "All holds." in shown
    pytest.importorskip("pandas")
    table = h5etalon.verify(files["lossy"], against=files["original"]).to_pandas()
    assert table.loc["/entry/data", "max_abs_error"] == 3 and table.loc["/entry/data", "failures"] == 0


def test_mistakes_are_errors_that_name_them(files, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="did you mean '/entry/data'"):
        h5etalon.verify("%s::/entry/dat" % files["exact"])
    with pytest.raises(OSError, match="nothing.h5"):
        h5etalon.verify(tmp_path / "nothing.h5")
    with pytest.raises(ValueError, match="beauty"):
        h5etalon.verify(files["exact"], require=["beauty>=1"])
    with pytest.raises(ValueError, match="expected a sequence in `limits`"):
        h5etalon.verify(files["exact"], require={"limits": {"psnr": 40}})
    with pytest.raises(ValueError, match="invalid value '0' for '--jobs <N>'"):
        h5etalon.verify(files["exact"], threads=0)
    with pytest.raises(TypeError, match="a codec is a filter, such as"):
        h5etalon.scan(files["exact"], "max_abs_error<=3", codecs=[{"compression": 32008}])
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(FileNotFoundError, match="install h5etalon again"):
        h5etalon.verify(files["exact"])


def test_a_missing_filter_leaves_the_answers_for_the_rest(files):
    with h5py.File(files["exact"], "r+") as file:
        file.create_dataset("entry/fast", data=FRAMES, compression="lzf")
    found = h5etalon.verify(files["exact"])
    assert not found.holds and of_data(found)["holds"]
    [failure] = found.failures()
    assert failure.startswith("/entry/fast: not checked: ") and "LZF" in failure
