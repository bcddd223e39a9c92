"""`etalon verify`: files that hold, files that do not, beside their original and alone, and what can be saved."""

import json

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json
from programs import run_python

LOSSES = ["noise:sigma=0.5", "noise:sigma=1,gain=2", "quantise:abs=3", "quantise:rel=1e-2", "quantise:pw=.01", "quantise:psnr=25"]


@pytest.fixture
def original(tmp_path):
    """Frames in gzip chunks whose shape does not divide that of the dataset, and one chunk that was never written."""
    path = tmp_path / "original.h5"
    frames = np.random.RandomState(11).poisson(700, (5, 90, 110)).astype("<u2")
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", frames.shape, frames.dtype, chunks=(1, 64, 64), compression="gzip")
        data[:4] = frames[:4]
        file["plain"] = frames[0]
        file["title"] = "thaumatin"
        data.attrs["units"] = "counts"
    return path


def recompressed(original, spec, *options):
    copy = original.with_name("copy.h5")
    etalon("recompress", original, copy, "--codec", spec, "--force", *options)
    return copy


def of_data(answer):
    return next(entry for entry in answer["datasets"] if entry["dataset"] == "/data")


def rewrite(path, dataset, change):
    """Stores chunk (1, 0, 0) anew, as `change` makes it of its stored bytes."""
    with h5py.File(path, "r+") as file:
        mask, chunk = file[dataset].id.read_direct_chunk((1, 0, 0))
        file[dataset].id.write_direct_chunk((1, 0, 0), change(chunk), mask)


@pytest.mark.parametrize("spec", ["bitshuffle:compressor=zstd", "dictionary", *LOSSES])
def test_what_was_recompressed_holds_beside_its_original(original, spec):
    answer = etalon_json("verify", recompressed(original, spec, "-d", "/data"), "--against", original)
    assert answer["holds"] and of_data(answer)["compared"]
    lost = of_data(answer)["max_abs_error"]
    assert (lost > 0) == (spec in LOSSES), (spec, lost)


def test_standard_mode_holds_beside_its_original_and_says_which_it_was(original):
    copy = recompressed(original, "noise:sigma=0.5", "--mode", "standard", "-d", "/data")
    assert of_data(etalon_json("verify", copy, "--against", original))["max_abs_error"] > 0
    other = original.with_name("other.h5")
    with h5py.File(original) as source, h5py.File(other, "w") as file:
        file.create_dataset("data", data=source["data"][:] + 1, chunks=(1, 64, 64))
    answer = etalon_json("verify", "%s::/data" % copy, "--against", other, code=1)
    reasons = [failure["reason"] for failure in answer["datasets"][0]["failures"]]
    assert any("SHA-256" in reason for reason in reasons), reasons


def test_a_value_beyond_the_recorded_loss_is_found(original):
    copy = recompressed(original, "quantise:abs=3", "--mode", "standard", "-d", "/data")
    with h5py.File(copy, "r+") as file:
        # The filters of the standard stream are not those of this h5py; the chunk is stored without.
        frame = np.array(h5py.File(original)["data"][1, :64, :64])
        frame[10, 20] += 4
        file["data"].id.write_direct_chunk((1, 0, 0), frame.tobytes(), filter_mask=1)
    answer = etalon_json("verify", copy, "--against", original, code=1)
    assert [failure["chunk"] for failure in of_data(answer)["failures"]] == [[1, 0, 0]]
    assert "largest error is 4" in of_data(answer)["failures"][0]["reason"]


def test_a_chunk_that_is_gone_is_found(original, tmp_path):
    with h5py.File(original) as source, h5py.File(tmp_path / "less.h5", "w") as file:
        data = file.create_dataset("data", source["data"].shape, "<u2", chunks=(1, 64, 64))
        data[:3] = source["data"][:3]
    answer = etalon_json("verify", "%s::/data" % (tmp_path / "less.h5"), "--against", original, code=1)
    failures = answer["datasets"][0]["failures"]
    assert [failure["chunk"] for failure in failures] == [[3, 0, 0], [3, 0, 64], [3, 64, 0], [3, 64, 64]]
    assert all("not in the file" in failure["reason"] for failure in failures)


@pytest.mark.parametrize("spec", ["bitshuffle", "noise:sigma=0.5"])
def test_damage_is_named_by_its_chunk_without_an_original(original, spec):
    copy = recompressed(original, spec, "-d", "/data")
    assert etalon_json("verify", copy)["holds"]
    rewrite(copy, "data", lambda chunk: chunk[:-7])
    answer = etalon_json("verify", copy, code=1)
    assert [failure["chunk"] for failure in of_data(answer)["failures"]] == [[1, 0, 0]]
    text = etalon("verify", copy, code=1).stdout
    assert "chunk at [1, 0, 0]" in text and "DOES NOT HOLD" in text


def test_salvage_keeps_every_undamaged_chunk_and_lists_the_rest(original, plugins, wheel):
    copy = recompressed(original, "bitshuffle:compressor=zstd", "-d", "/data")
    rewrite(copy, "data", lambda chunk: chunk[:20] + bytes(len(chunk) - 20))
    rest = original.with_name("rest.h5")
    answer = etalon_json("verify", copy, "--salvage", rest, code=1)
    assert [failure["chunk"] for failure in of_data(answer)["failures"]] == [[1, 0, 0]]
    assert answer["salvaged"] == str(rest)
    assert etalon_json("verify", rest)["holds"]
    read = """
import h5py
with h5py.File(args[0]) as file, h5py.File(args[1]) as original:
    back, frames = file["data"][:], original["data"][:]
    lost = np.zeros(frames.shape, bool)
    lost[1, :64, :64] = True
    answer([bool((back == np.where(lost, 0, frames)).all()), file["data"].attrs["units"], file["title"].asstr()[()],
            bool((file["plain"][:] == original["plain"][:]).all())])
"""
    assert run_python(wheel, read, rest, original, plugin_path=plugins) == [True, "counts", "thaumatin", True]
    etalon("verify", copy, "--salvage", rest, code=2)


def test_salvage_beside_the_original_leaves_out_damage_only(original):
    copy = recompressed(original, "quantise:abs=3", "--mode", "standard", "-d", "/data")
    rewrite(copy, "data", lambda chunk: chunk[:-7])
    with h5py.File(copy, "r+") as file:
        # Not damaged, and not what it was: it must stay.
        frame = np.array(h5py.File(original)["data"][2, :64, :64]) + 9
        file["data"].id.write_direct_chunk((2, 0, 0), frame.tobytes(), filter_mask=1)
    rest = original.with_name("rest.h5")
    requirement = original.with_name("require.toml")
    requirement.write_text('limits = ["max_abs_error<=3"]\n')
    options = ("--against", original, "--require", requirement, "--salvage", rest)
    answer = etalon_json("verify", "%s::/data" % copy, *options, code=1)
    failures = answer["datasets"][0]["failures"]
    assert [failure["chunk"] for failure in failures] == [[1, 0, 0], [2, 0, 0]]
    assert etalon_json("verify", rest)["holds"]
    with h5py.File(rest) as file:
        chunks = {file["data"].id.get_chunk_info(index).chunk_offset for index in range(file["data"].id.get_num_chunks())}
    assert (1, 0, 0) not in chunks and (2, 0, 0) in chunks


@pytest.mark.parametrize("mode", ["standard", "max"])
@pytest.mark.parametrize("chunk", [(), ("--chunk", "1,90,110")])
def test_losses_add_up_to_the_first_original(tmp_path, mode, chunk):
    paths = [tmp_path / name for name in ("first.h5", "second.h5", "third.h5")]
    with h5py.File(paths[0], "w") as file:
        values = np.random.default_rng(1).normal(0, 9, (5, 90, 110))
        file.create_dataset("data", data=values, chunks=(1, 64, 64))
    etalon("recompress", *paths[:2], "-c", "quantise:abs=0.1", "--mode", mode)
    etalon("recompress", *paths[1:], "-c", "quantise:abs=0.5", "--mode", mode, *chunk)
    [row] = etalon_json("verify", paths[2], "--against", paths[1])["datasets"]
    assert row["holds"] and row["losses"] == 1 and row["max_abs_error"] <= 0.5
    latest = row["max_abs_error"]
    [row] = etalon_json("verify", paths[2], "--against", paths[0])["datasets"]
    assert row["holds"] and row["losses"] == 2 and latest < row["max_abs_error"] <= 0.6
    assert "2 losses ago" in etalon("verify", paths[2], "--against", paths[0]).stdout
    with h5py.File(paths[0], "r+") as file:
        file["data"][3, 4, 5] += 2
    [row] = etalon_json("verify", paths[2], "--against", paths[0], code=1)["datasets"]
    assert [3, 0, 0] in [failure["chunk"] for failure in row["failures"]]


@pytest.mark.parametrize("against", [False, True])
def test_a_missing_filter_is_no_damage_and_hides_nothing(tmp_path, against):
    path = tmp_path / "mixed.h5"
    values = np.arange(40000, dtype="u2").reshape(200, 200)
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=values, chunks=(50, 200), compression="lzf")
        file.create_dataset("b", data=values, chunks=(50, 200), compression="gzip", fletcher32=True)
        file.create_dataset("c", data=values, chunks=(50, 200), compression="szip")
    options = ["--against", path] if against else []
    answer = etalon_json("verify", path, *options, code=3)
    lzf, gzip, szip = answer["datasets"]
    assert not answer["holds"] and gzip["holds"] and gzip["compared"] == against
    assert "LZF" in lzf["not_checked"] and not lzf["holds"] and lzf["failures"] == []
    assert "szip" in szip["not_checked"] and "h5repack" in szip["not_checked"]
    done = etalon("verify", path, *options, code=3)
    assert "/a: NOT CHECKED: " in done.stdout and "/b: holds" in done.stdout and "DOES NOT HOLD" not in done.stdout
    assert "2 of 3 datasets not checked" in done.stderr
    with h5py.File(path, "r+") as file:
        mask, stored = file["b"].id.read_direct_chunk((50, 0))
        file["b"].id.write_direct_chunk((50, 0), stored[:-1] + bytes([stored[-1] ^ 1]), mask)
    answer = etalon_json("verify", path, code=1)
    assert answer["datasets"][1]["failures"][0]["chunk"] == [50, 0]


def test_a_dataset_that_the_original_lacks_is_told_before_the_work(original, tmp_path):
    with h5py.File(original) as source, h5py.File(tmp_path / "less.h5", "w") as file:
        file["data"] = source["data"][:]
    done = etalon("verify", original, "--against", tmp_path / "less.h5", code=2)
    assert done.stdout == "" and "has no dataset '/plain'" in done.stderr


def test_a_requirement_is_evaluated_again(original):
    copy = recompressed(original, "quantise:abs=3", "-d", "/data")
    requirement = original.with_name("require.toml")
    requirement.write_text('limits = ["max_abs_error<=3", "psnr>=20"]\n')
    answer = etalon_json("verify", "%s::/data" % copy, "--against", original, "--require", requirement)
    assert [verdict["holds"] for verdict in answer["datasets"][0]["verdicts"]] == [True, True]
    requirement.with_suffix(".json").write_text(json.dumps({"limits": ["max_abs_error<=2"]}))
    arguments = ("verify", "%s::/data" % copy, "--against", original, "--require")
    answer = etalon_json(*arguments, requirement.with_suffix(".json"), code=1)
    assert answer["datasets"][0]["verdicts"][0]["measured"] == 3
    requirement.write_text('limits = ["beauty>=1"]\n')
    assert "beauty" in etalon(*arguments, requirement, code=2).stderr


def test_what_cannot_be_compared_is_a_wrong_argument(original, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.zeros((3, 4), "<f4")
    message = etalon("verify", "%s::/data" % original, "--against", tmp_path / "other.h5", code=2).stderr
    assert "(3, 4)" in message or "[3, 4]" in message
    assert "cannot open" in etalon("verify", original, "--against", tmp_path / "none.h5", code=3).stderr


@pytest.fixture
def nexus(tmp_path):
    """Frames with what lies beside them in a file of NeXus: numbers of no dimension, texts, a mask, angles."""
    path = tmp_path / "nexus.h5"
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry["distance"] = 1.25
        entry["title"] = "lysozyme"
        entry["names"] = ["a", "bc"]
        steps = np.array([(1, "x"), (2, "yz")], dtype=[("number", "i4"), ("name", h5py.string_dtype())])
        entry["steps"] = steps
        entry["nothing"] = h5py.Empty("f4")
        entry["angles"] = np.arange(5.0)
        entry["reference"] = np.array([entry["angles"].ref], dtype=h5py.ref_dtype)
        entry["mask"] = (np.arange(160 * 160).reshape(160, 160) % 37 == 0).astype("u4")
        frames = np.random.RandomState(1).poisson(60, (5, 160, 160)).astype("<u2")
        entry.create_dataset("data", data=frames, chunks=(1, 160, 160))
    return path


def test_values_that_no_codec_takes_are_compared_too(nexus):
    copy = recompressed(nexus, "noise:sigma=0.5", "-d", "/entry/data")
    answer = etalon_json("verify", copy, "--against", nexus)
    assert answer["holds"] and all(row["compared"] for row in answer["datasets"])
    steps = np.array([(1, "x"), (2, "ab")], dtype=[("number", "i4"), ("name", h5py.string_dtype())])
    for name, value in {"distance": 1.26, "title": "lysozyma", "names": ["a", "bd"], "steps": steps}.items():
        with h5py.File(copy, "r+") as file:
            before = file["entry"][name][()]
            file["entry"][name][...] = value
        answer = etalon_json("verify", copy, "--against", nexus, code=1)
        wrong = [row["dataset"] for row in answer["datasets"] if not row["holds"]]
        assert wrong == ["/entry/" + name]
        with h5py.File(copy, "r+") as file:
            file["entry"][name][...] = before
    assert etalon_json("verify", copy, "--against", nexus)["holds"]


def test_a_dataset_that_the_file_has_not_is_found(nexus):
    copy = recompressed(nexus, "noise:sigma=0.5", "-d", "/entry/data")
    with h5py.File(copy, "r+") as file:
        del file["entry/angles"]
    answer = etalon_json("verify", copy, "--against", nexus, code=1)
    wrong = [row for row in answer["datasets"] if not row["holds"]]
    assert [row["dataset"] for row in wrong] == ["/entry/angles"]
    assert "not in the file" in wrong[0]["failures"][0]["reason"]
    assert etalon_json("verify", copy, "--against", nexus, "-d", "/entry/data")["holds"]


def test_attributes_that_admit_less_than_the_chunks_are_found(nexus):
    copy = recompressed(nexus, "noise:sigma=0.5", "-d", "/entry/data")
    with h5py.File(copy, "r+") as file:
        recorded = file["entry/data"].attrs["etalon_max_abs_error"]
        file["entry/data"].attrs["etalon_max_abs_error"] = recorded / 2
    answer = etalon_json("verify", copy, code=1)
    reasons = [failure["reason"] for row in answer["datasets"] for failure in row["failures"]]
    assert len(reasons) == 1 and "etalon_max_abs_error" in reasons[0], reasons


def test_a_requirement_is_asked_of_the_data_and_not_of_what_lies_beside_them(nexus, tmp_path):
    copy = recompressed(nexus, "noise:sigma=0.5", "-d", "/entry/data")
    requirement = tmp_path / "r.toml"
    requirement.write_text("limits = ['iq_z_max <= 9', 'ssim >= 0.9']\n[settings]\ngeometry.center = [80, 80]")
    answer = etalon_json("verify", copy, "--against", nexus, "--require", requirement)
    assert [row["dataset"] for row in answer["datasets"] if row["verdicts"]] == ["/entry/data"]
    named = etalon_json("verify", "%s::/entry/mask" % copy, "--against", nexus, "--require", requirement)
    assert len(named["datasets"][0]["verdicts"]) == 2
    same = etalon_json("verify", nexus, "--against", nexus, "--require", requirement)
    assert [row["dataset"] for row in same["datasets"] if row["verdicts"]] == ["/entry/data"]
