"""`etalon scan`: working points that keep a requirement, on data the scan saw and on data it did not."""

import json

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json
from programs import shared_data


def stored(path, frames, chunk=None, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=frames, chunks=chunk or (1, *frames.shape[1:]), **options)
    return path


def required(path, text):
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    """Photon counts of a smooth object, a hundred and more in each pixel."""
    rows, columns = np.mgrid[:96, :128]
    mean = 400 + 300 * np.sin(rows / 17) * np.cos(columns / 23)
    frames = np.random.RandomState(3).poisson(mean, (40, 96, 128)).astype("<u2")
    return stored(tmp_path_factory.mktemp("scan") / "counts.h5", frames, compression="gzip")


def recompressed_and_verified(source, answer, requirement, tmp_path):
    """Stores all of `source` as the scan says and judges it by the requirement: chunks that no sample held count too."""
    copy = tmp_path / "copy.h5"
    etalon("recompress", source, copy, "--codec", answer["chosen"]["spec"], "-d", answer["dataset"], "--force")
    return etalon_json("verify", "%s::%s" % (copy, answer["dataset"]), "--against", source, "--require", requirement)


def test_a_bound_on_every_element_is_met_exactly(counts, tmp_path):
    requirement = required(tmp_path / "r.toml", "limits = ['max_abs_error <= 7']")
    answer = etalon_json("scan", counts, "--require", requirement, "--codec", "quantise")
    assert answer["chosen"]["spec"] == "quantise:abs=7"
    assert answer["chosen"]["classes"] == [["max_abs_error<=7", "A"]]
    assert answer["verified"]["holds"] and answer["verified"]["chunks"] > 0
    assert recompressed_and_verified(counts, answer, requirement, tmp_path)["holds"]


def test_a_limit_on_the_noise_ends_at_its_closed_form(counts, tmp_path):
    """An error of a bin of ε σ has a root mean square of ε/√12 σ; whole numbers of counts make bins a little narrower."""
    text = "limits = ['rms_sigma_error <= 0.2887']\n[settings]\nnoise = { gain = 1.0 }"
    requirement = required(tmp_path / "r.toml", text)
    answer = etalon_json("scan", counts, "--require", requirement, "--codec", "noise")
    point = next(point for point in answer["points"] if point["spec"] == answer["chosen"]["spec"])
    assert point["spec"].startswith("noise:sigma=")
    sigma = float(point["spec"].split("=")[1])
    assert 0.9 <= sigma <= 1.25, sigma
    assert 0.8 * 0.2887 <= point["metrics"]["rms_sigma_error"] <= 0.2887
    assert recompressed_and_verified(counts, answer, requirement, tmp_path)["holds"]


def test_the_noise_is_estimated_where_it_is_not_stated(tmp_path):
    rows = np.linspace(200, 20000, 256)[:, None] * np.ones((1, 256))
    random = np.random.RandomState(5)
    frames = np.rint(100 + rows + np.sqrt(2.5 * rows) * random.standard_normal((24, 256, 256))).astype("<u2")
    source = stored(tmp_path / "camera.h5", frames)
    requirement = required(tmp_path / "r.toml", "limits = ['rms_sigma_error <= 0.1445']")
    answer = etalon_json("scan", source, "--require", requirement)
    assert answer["noise_is_estimated"] and abs(answer["noise"]["gain"] / 2.5 - 1) < 0.15, answer["noise"]
    assert "gain=%g" % answer["noise"]["gain"] in answer["chosen"]["spec"]
    assert "noise was estimated" in etalon("scan", source, "--require", requirement).stderr


def test_the_answer_depends_on_the_seed_alone(counts, tmp_path):
    requirement = required(tmp_path / "r.toml", "limits = ['ssim >= 0.98']\n[sample]\nbytes = 60000\nheld_out_bytes = 60000\nleast_chunks = 2")

    def answer(*options):
        found = etalon_json("scan", counts, "--require", requirement, *options)
        times = ("encode_gbps", "decode_gbps", "on_front")
        points = [{key: value for key, value in point.items() if key not in times} for point in found["points"]]
        return found["sample"], points, found["chosen"], found["verified"]

    assert answer("--jobs", "1") == answer("--jobs", "2")
    assert answer("--seed", "1")[1] != answer("--seed", "2")[1]


def test_a_sample_is_searched_and_other_chunks_verify(counts, tmp_path):
    text = "limits = ['psnr >= 45']\n[sample]\nbytes = 200000\nheld_out_bytes = 200000\nleast_chunks = 4"
    answer = etalon_json("scan", counts, "--require", required(tmp_path / "r.toml", text))
    sample = answer["sample"]
    assert sample["total_chunks"] == 40 and sample["searched_chunks"] + sample["held_out_chunks"] <= 24
    assert 0 < answer["verified"]["chunks"] <= sample["held_out_chunks"]
    assert answer["verified"]["metrics"]["psnr"] >= 45
    assert [label for _, label in answer["chosen"]["classes"]] == ["C"]


def test_a_setting_that_chunks_kept_back_refute_is_not_chosen(tmp_path):
    """A single pixel in each frame decides, brighter in some than in others whatever their mean, by which chunks are chosen."""
    random = np.random.RandomState(4)
    frames = random.poisson(random.uniform(100, 900, 60)[:, None, None], (60, 32, 32)).astype("<u2")
    frames[np.arange(60), 5, 7] = 10 ** random.uniform(3, 4.7, 60)
    source = stored(tmp_path / "bright.h5", frames)
    text = """limits = ['max_abs_error <= 20']
    [settings]
    noise = { gain = 1.0 }
    [sample]
    bytes = 8192
    held_out_bytes = 8192
    least_chunks = 4
    kept_bytes = %d"""

    def answer(seed, kept_bytes):
        requirement = required(tmp_path / "r.toml", text % kept_bytes)
        return etalon_json("scan", source, "--require", requirement, "--codec", "noise", "--seed", str(seed))

    refuted = 0
    for seed in range(4):
        found = answer(seed, 1 << 20)
        points = {point["spec"]: point for point in found["points"]}
        refuted += any(point["refuted"] for point in points.values())
        chosen = points[found["chosen"]["spec"]]
        assert chosen["holds"] and not chosen["refuted"]
        assert found["chosen"]["spec"] == "auto" or found["verified"]["metrics"]["max_abs_error"] <= 20
        assert not any(point["refuted"] and point["holds"] for point in points.values())
        again = answer(seed, 0)
        assert (found["chosen"], found["verified"]) == (again["chosen"], again["verified"])
    assert refuted, "no seed had chunks that refute"


def test_a_requirement_that_leaves_no_room_ends_in_lossless_with_the_reason(counts, tmp_path):
    requirement = required(tmp_path / "r.toml", "limits = ['max_abs_error <= 0.5']")
    answer = etalon_json("scan", counts, "--require", requirement, "--codec", "quantise")
    assert answer["chosen"]["spec"] == "auto" and "no codec keeps" in answer["chosen"]["reason"]
    assert answer["verified"]["holds"]
    # The original's own number is judged: no codec can mend it.
    requirement = required(tmp_path / "r.toml", "limits = ['unique_values <= 3']")
    answer = etalon_json("scan", counts, "--require", requirement, code=1)
    assert answer["chosen"]["spec"] == "auto" and "the original itself" in answer["chosen"]["reason"]
    assert not answer["verified"]["holds"]


def test_loss_that_makes_nothing_smaller_is_not_chosen(tmp_path):
    frames = np.random.RandomState(1).poisson(0.02, (30, 64, 64)).astype("<u2")
    requirement = required(tmp_path / "r.toml", "limits = ['max_abs_error <= 1']")
    answer = etalon_json("scan", stored(tmp_path / "sparse.h5", frames), "--require", requirement, "--codec", "noise")
    assert answer["chosen"]["spec"] == "auto" and answer["chosen"]["reason"]


def test_the_front_has_no_point_that_another_beats(counts, tmp_path):
    answer = etalon_json("scan", counts, "--require", required(tmp_path / "r.toml", "limits = ['ssim >= 0.9']"))
    scores = lambda point: (point["ratio"], -point["limit_used"], point["encode_gbps"], point["decode_gbps"])
    holding = [point for point in answer["points"] if point["holds"]]
    for point in answer["points"]:
        beaten = any(
            all(a >= b for a, b in zip(scores(other), scores(point))) and scores(other) != scores(point) for other in holding
        )
        assert point["on_front"] == (point["holds"] and not beaten)


def test_reconstructions_of_kept_back_projections_keep_the_limit(tmp_path):
    """Every second projection is searched, the others verify; an error of ε σ is ε/√12 of a slice's noise."""
    random = np.random.RandomState(2)
    angles = np.linspace(0, np.pi, 240, endpoint=False)[:, None, None]
    columns = np.arange(96)[None, None, :] - 48
    thickness = 2 * np.sqrt(np.maximum(30**2 - (columns - 10 * np.cos(angles)) ** 2, 0)) * np.ones((1, 4, 1))
    frames = random.poisson(20000 * np.exp(-0.02 * thickness)).astype("<u2")
    source = stored(tmp_path / "scan.h5", frames)
    text = """
    profile = "tomography"
    [settings]
    noise = { gain = 1.0 }
    [settings.tomography]
    angle_range_deg = [0.0, 180.0]
    flat = [20000.0]
    """
    answer = etalon_json("scan", source, "--require", required(tmp_path / "r.toml", text), "--codec", "noise")
    assert answer["sample"]["searched_chunks"] == 120 and answer["verified"]["chunks"] == 120
    used = answer["chosen"]["metrics"]["reconstruction_error_over_noise"]
    rms = answer["chosen"]["metrics"]["rms_sigma_error"]
    assert abs(used / rms - 1) < 0.25, (used, rms)
    assert answer["verified"]["metrics"]["reconstruction_error_over_noise"] <= 0.15


def chord(column, angle, half):
    """Length of a line, this far from the axis and at this angle, in a square of so many pixels from its middle to a side."""
    cosine, sine = abs(np.cos(angle)), abs(np.sin(angle))
    reach, flat = half * (cosine + sine), half * abs(cosine - sine)
    return 2 * half * np.clip((reach - abs(column)) / (reach - flat), 0, 1) / np.maximum(cosine, sine)


def test_the_edge_and_the_resolution_of_slices_are_limits(tmp_path):
    """A square at a slant: a limit on its edge, and on what half of the projections resolve."""
    angles = np.linspace(0, np.pi, 240, endpoint=False)[:, None, None]
    columns = np.arange(96)[None, None, :] - 48
    thickness = chord(columns, angles + np.deg2rad(5), 20) * np.ones((1, 4, 1))
    frames = np.random.RandomState(6).poisson(30000 * np.exp(-0.02 * thickness)).astype("<u2")
    text = """
    profile = "tomography"
    limits = ["rms_sigma_error <= 5", "reconstruction_error_over_noise <= 5", "reconstruction_edge_sigma_shift <= %s"]
    [settings]
    noise = { gain = 1.0 }
    [settings.tomography]
    angles_deg = %s
    flat = [30000.0]
    edge.roi = [56, 36, 80, 60]
    """
    source = stored(tmp_path / "scan.h5", frames)
    ratios = []
    for shift in (0.2, 2):
        document = text % (shift, np.rad2deg(angles.ravel()).tolist())
        answer = etalon_json("scan", source, "--require", required(tmp_path / "r.toml", document), "--codec", "noise")
        metrics = answer["chosen"]["metrics"]
        assert 0.3 < metrics["reconstruction_edge_sigma_original"] < 1.5
        assert -1 <= metrics["reconstruction_edge_sigma_shift"] <= shift
        assert 0 <= metrics["reconstruction_frc_half_bit_cross_shift"] <= 1
        assert metrics["reconstruction_frc_half_bit_original"] >= 2
        assert len(answer["chosen"]["classes"]) == 5, answer["notes"]
        used = max(point["limit_used"] for point in answer["points"] if point["holds"])
        assert 0.5 < used <= 1, "a limit on slices is what ends the search"
        ratios.append(answer["chosen"]["ratio"])
    # Two settings are close enough for the search if they differ by 6 %.
    assert ratios[0] <= 1.02 * ratios[1]


def test_what_is_kept_in_memory_changes_no_answer(counts, tmp_path):
    text = "limits = ['ssim >= 0.97', 'psnr >= 30', 'max_abs_error <= 300']\n[sample]\nbytes = 200000\nleast_chunks = 4\nkept_bytes = %d"

    def answer(kept_bytes):
        found = etalon_json("scan", counts, "--require", required(tmp_path / "r.toml", text % kept_bytes))
        for point in found["points"] + found["datasets"]:
            for key in ("encode_gbps", "decode_gbps", "on_front"):
                point.pop(key, None)
        return {key: found[key] for key in ("points", "chosen", "verified", "datasets", "notes")}

    kept = answer(512 << 20)
    assert kept == answer(0) == answer(600_000)
    shown = {row["codec"]: row for row in kept["datasets"]}
    assert len(shown) >= 3 and all("ssim by ratio" in row["curves"] or row["codec"] == "auto" for row in shown.values())
    assert all(row["images"] for row in shown.values())


def test_a_psnr_that_every_chunk_is_checked_for_is_of_class_b(counts, tmp_path):
    requirement = required(tmp_path / "r.toml", "limits = ['psnr >= 40']\n[settings]\ndata_range = 1000.0")
    codec = "quantise:psnr=*,range=0;1000"
    answer = etalon_json("scan", counts, "--require", requirement, "--codec", codec)
    assert answer["chosen"]["classes"] == [["psnr>=40", "B"]], answer["chosen"]
    assert answer["chosen"]["spec"].startswith("quantise:psnr=40")
    assert recompressed_and_verified(counts, answer, requirement, tmp_path)["holds"]
    # The range of each chunk is another one than that of the limit.
    answer = etalon_json("scan", counts, "--require", requirement, "--codec", "quantise:psnr=*")
    assert answer["chosen"]["classes"] == [["psnr>=40", "C"]]


def test_codecs_and_settings_that_cannot_be_searched_are_named(counts, tmp_path):
    requirement = required(tmp_path / "r.toml", "limits = ['psnr >= 45']")
    for spec, words in [("noise:gain=*", "noise:sigma=*"), ("nois", "noise"), ("quantise:abs=*,rel=*", "one setting")]:
        assert words in etalon("scan", counts, "--require", requirement, "--codec", spec, code=2).stderr
    for text, words in [("profile = 'saks'", "saxs"), ("limits = []", "at least one limit"), ("limits = ['psnr']", "psnr>=40")]:
        assert words in etalon("scan", counts, "--require", required(tmp_path / "r.toml", text), code=2).stderr
    wanted = etalon("scan", counts, "--require", "saxs", code=2).stderr
    assert "geometry.center" in wanted


def test_profiles_are_listed_and_printed():
    listed = etalon("profiles").stdout
    assert all(name in listed for name in ("tomography", "ssx", "xpcs", "saxs", "imaging", "4dstem", "segmentation"))
    assert "source" in etalon("profiles", "saxs").stdout
    assert len(json.loads(etalon("profiles", "--json").stdout)) == 10


def test_an_answer_becomes_a_report(counts, tmp_path):
    requirement = required(tmp_path / "r.toml", "limits = ['ssim >= 0.95']")
    document = tmp_path / "scan.json"
    document.write_text(etalon("scan", counts, "--require", requirement, "--json").stdout)
    etalon("report", document, "-o", tmp_path / "scan.html")
    page = (tmp_path / "scan.html").read_text()
    assert json.loads(document.read_text())["chosen"]["spec"] in page


@pytest.mark.parametrize(
    ("name", "dataset", "text", "least_gain"),
    [
        ("saxs-aps-nxsas", "/frames", "profile='saxs'\n[settings]\nmask=[-1,-2]\ngeometry.center=[243.3,97.7]", 1.8),
        ("powder-ceo2-pilatus1m", "/data", "profile='saxs'\n[settings]\nmask=[-1,-2]\ngeometry.center=[490.3,521.7]", 1.2),
        ("tomo-aps-tooth", "/exchange/data", "profile='tomography'\n[settings.tomography]\nangle_range_deg=[0.0,180.0]\nflat=[40000.0]", 1.8),
    ],
)
def test_real_data_get_smaller_than_lossless_within_the_limits(name, dataset, text, least_gain, tmp_path):
    source = "%s::%s" % (shared_data(name), dataset)
    answer = etalon_json("scan", source, "--require", required(tmp_path / "r.toml", text))
    lossless = next(point for point in answer["points"] if point["spec"] == "auto")
    assert answer["verified"]["holds"] and answer["chosen"]["ratio"] >= least_gain * lossless["ratio"]
    assert all(point["holds"] for point in answer["points"] if point["spec"] == answer["chosen"]["spec"])


@pytest.mark.parametrize("value", [5.0, np.inf, 1e-310, 1e300])
def test_data_of_one_value_are_stored_losslessly(tmp_path, value):
    source = stored(tmp_path / "constant.h5", np.full((6, 40, 50), value))
    requirement = required(tmp_path / "r.toml", "limits = ['max_abs_error <= 1']")
    answer = etalon_json("scan", source, "--require", requirement, "--codec", "quantise")
    assert answer["chosen"]["spec"] == "auto"
    assert recompressed_and_verified(source, answer, requirement, tmp_path)["holds"]


def test_data_without_a_number_keep_no_limit_and_the_answer_says_so(tmp_path):
    source = stored(tmp_path / "nothing.h5", np.full((6, 40, 50), np.nan))
    requirement = required(tmp_path / "r.toml", "limits = ['max_abs_error <= 1']")
    answer = etalon_json("scan", source, "--require", requirement, "--codec", "quantise", code=1)
    assert answer["chosen"]["spec"] == "auto" and "it is NaN" in json.dumps(answer)
