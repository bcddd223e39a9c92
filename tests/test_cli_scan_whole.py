"""`etalon scan` where a sample says less than all data: what is chosen has to hold on the whole dataset."""

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json


def stored(path, frames):
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=frames, chunks=(1, *frames.shape[1:]))
    return path


def required(path, text):
    path.write_text(text)
    return path


def verified_whole(source, answer, requirement, tmp_path):
    copy = tmp_path / "copy.h5"
    etalon("recompress", source, copy, "--codec", answer["chosen"]["spec"], "--force")
    return etalon_json("verify", copy, "--against", source, "--require", requirement)


def smallest_by_hand(answer):
    """The largest ratio of the settings of the chosen codec that hold with room, and with no failure below them."""
    codec = answer["chosen"]["spec"].split(":")[0]
    points = [point for point in answer["points"] if point["codec"] == codec and "refused" not in point]
    return max(point["ratio"] for point in points if point["holds"] and point["limit_used"] <= 0.95)


@pytest.fixture(scope="module")
def rings(tmp_path_factory):
    """Many frames of scattering, so that the mean of all is known far better than that of a few."""
    rows, columns = np.mgrid[:64, :64]
    radius = np.hypot(rows + 0.5 - 31.8, columns + 0.5 - 30.3)
    mean = 3000 * np.exp(-((radius / 12) ** 2)) + 300 * np.exp(-(((radius - 22) / 3) ** 2)) + 120
    frames = np.random.RandomState(9).poisson(mean, (800, 64, 64)).astype("<u2")
    return stored(tmp_path_factory.mktemp("scan") / "rings.h5", frames)


RINGS = """
profile = "saxs"
[settings]
geometry.center = [30.3, 31.8]
noise = { gain = 1.0 }
[sample]
bytes = 160000
held_out_bytes = 160000
"""


def test_a_bias_that_few_frames_hide_is_not_chosen_for_many(rings, tmp_path):
    requirement = required(tmp_path / "r.toml", RINGS)
    answer = etalon_json("scan", rings, "--require", requirement)
    assert "mode=unbiased" in answer["chosen"]["spec"]
    assert any("a bias weighs" in note for note in answer["notes"])
    assert verified_whole(rings, answer, requirement, tmp_path)["holds"]


def test_a_codec_with_bias_is_judged_by_what_all_frames_would_show(rings, tmp_path):
    requirement = required(tmp_path / "r.toml", RINGS)
    answer = etalon_json("scan", rings, "--require", requirement, "--codec", "noise:gain=1")
    factor = (800 / (answer["sample"]["searched_chunks"])) ** 0.5
    for point in answer["points"][1:]:
        measured = {verdict["value"]: verdict["measured"] for verdict in point["verdicts"]}
        assert measured["iq_z_rms"] == pytest.approx(factor * point["metrics"]["iq_z_rms"])
    assert verified_whole(rings, answer, requirement, tmp_path)["holds"]


@pytest.fixture(scope="module")
def projections(tmp_path_factory):
    """Discs of which few projections are taken: artefacts are much larger than the noise."""
    random = np.random.RandomState(2)
    angles, columns = np.deg2rad(np.arange(90) * 2.0), np.arange(96) - 47.5
    line = np.zeros((90, 4, 96))
    for _ in range(12):
        x, y, radius = random.uniform(-25, 25), random.uniform(-25, 25), random.uniform(2, 12)
        place = x * np.cos(angles) + y * np.sin(angles)
        chord = np.sqrt(np.maximum(radius**2 - (columns - place[:, None]) ** 2, 0))
        line += 2 * chord[:, None, :] / 60
    counts = random.poisson(20000 * np.exp(-line))
    return stored(tmp_path_factory.mktemp("scan") / "projections.h5", counts.astype("<u2"))


def test_noise_of_slices_is_that_of_all_projections(projections, tmp_path):
    text = """
    limits = ["reconstruction_error_over_noise <= 0.1"]
    [settings]
    noise = { gain = 1.0 }
    tomography = { angle_range_deg = [0.0, 180.0], flat = [20000.0] }
    """
    requirement = required(tmp_path / "r.toml", text)
    answer = etalon_json("scan", projections, "--require", requirement)
    assert answer["chosen"]["ratio"] > 1
    assert any("all data together" in note for note in answer["notes"])
    row = verified_whole(projections, answer, requirement, tmp_path)["datasets"][0]
    measured = row["verdicts"][0]["measured"]
    # On half of the projections alone the same loss is less than .05.
    assert 0.05 < measured <= 0.1, measured


def test_the_smallest_of_the_settings_that_hold_is_chosen(projections, tmp_path):
    """With steps that differ by one, the larger loss is not always the smaller file."""
    for limit in ("psnr >= 50", "psnr >= 55", "rmse <= 9", "rmse <= 12", "rmse <= 20"):
        requirement = required(tmp_path / "r.toml", "limits = ['%s']" % limit)
        answer = etalon_json("scan", projections, "--require", requirement, "--codec", "quantise")
        assert answer["chosen"]["ratio"] == smallest_by_hand(answer), limit


def test_a_search_starts_near_a_limit_on_psnr(projections, tmp_path):
    requirement = required(tmp_path / "r.toml", "limits = ['psnr >= 45']")
    answer = etalon_json("scan", projections, "--require", requirement, "--codec", "quantise")
    first = answer["points"][1]["metrics"]["psnr"]
    assert abs(first - 45) < 1, first


def test_a_limit_that_is_meant_the_other_way_is_remarked_on(projections, tmp_path):
    requirement = required(tmp_path / "r.toml", "limits = ['max_abs_error >= 0']")
    answer = etalon_json("scan", projections, "--require", requirement)
    assert any("none of them bounds the loss" in note for note in answer["notes"])


def test_of_two_limits_on_one_number_the_stricter_counts(projections, tmp_path):
    found = []
    for limits in ("'psnr >= 50'", "'psnr >= 50', 'psnr >= 40'", "'psnr >= 40', 'psnr >= 50'"):
        requirement = required(tmp_path / "r.toml", "limits = [%s]" % limits)
        answer = etalon_json("scan", projections, "--require", requirement, "--codec", "quantise")
        found.append((answer["chosen"]["spec"], answer["chosen"]["ratio"]))
    assert len(set(found)) == 1, found
