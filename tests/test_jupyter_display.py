"""What people see: tables in Jupyter, tables of pandas, figures of matplotlib, bars of tqdm."""

import json
import pickle
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import h5etalon
import h5py
import matplotlib
import numpy as np
import pandas
import pytest
import tqdm.std

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402 - the choice above comes first

RADIUS = np.hypot(*np.mgrid[-48:48, -64:64])
RINGS = 200 * np.exp(-((RADIUS % 16 - 8) ** 2) / 8) + 5
ORIGINAL = np.random.default_rng(4).poisson(RINGS, (12, 96, 128)).astype("u2")
DECODED = h5etalon.decode(h5etalon.encode(ORIGINAL, "noise:sigma=1"))
SETTINGS = {"geometry": {"center": [64, 48]}, "regions": [{"rectangle": [10, 10, 60, 60]}]}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


class Cells(HTMLParser):
    """The texts of a table's cells, and whether every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


def test_a_result_is_a_table_in_jupyter_and_still_a_dictionary():
    found = h5etalon.measure(ORIGINAL, DECODED, ["abs", "psnr", "power_spectrum"])
    rows = Cells(found._repr_html_()).rows
    assert rows[0] == ["number", "value", "unit", "metric"] and [row[0] for row in rows[1:]] == list(found)
    assert ["psnr", "%.6g" % found["psnr"], "dB", "psnr"] in rows
    assert "Drawn by .plot(): power_spectrum" in found._repr_html_()
    assert isinstance(found, dict) and json.loads(json.dumps(found)) == dict(found)
    lossless = h5etalon.measure(ORIGINAL, ORIGINAL, "psnr")
    assert ["psnr", "∞", "dB", "psnr"] in Cells(lossless._repr_html_()).rows


def test_results_are_copied_and_sent_whole():
    found = h5etalon.measure(ORIGINAL, DECODED, ["abs", "power_spectrum", "preview"])
    again = pickle.loads(pickle.dumps(found))
    assert again == found and again.notes == found.notes and again._repr_html_() == found._repr_html_()
    assert np.array_equal(again.curves["power_spectrum"]["x"], found.curves["power_spectrum"]["x"])
    assert h5etalon.Measured({"rmse": 2.0})._repr_html_()


def test_names_in_tables_are_text():
    found = h5etalon.Verified({"holds": True, "datasets": [
        {"dataset": "/<script>x</script>", "holds": True, "chunks": 1, "max_abs_error": None, "failures": [], "verdicts": []}
    ]})  # fmt: skip
    assert Cells(found._repr_html_()).rows[1] == ["/<script>x</script>", "✓", "1", "–"]


def test_numbers_are_a_table_of_pandas():
    found = h5etalon.measure(ORIGINAL, DECODED, ["abs", "psnr"])
    table = found.to_pandas()
    assert isinstance(table, pandas.DataFrame) and table["value"].to_dict() == dict(found)
    assert table.loc["psnr", "unit"] == "dB" and table.loc["max_abs_error", "metric"] == "abs"


def test_every_curve_is_drawn_with_its_values():
    found = h5etalon.measure(ORIGINAL, DECODED, ["frc", "power_spectrum", "iq", "g2", "error_acf"], SETTINGS)
    assert {"frc", "power_spectrum", "iq", "g2"} <= set(found.curves)
    for name, curve in found.curves.items():
        axes = h5etalon.plot.curve(found, name)
        assert (axes.get_xlabel(), axes.get_ylabel()) == (curve["x_label"], curve["y_label"])
        drawn = {line.get_label(): line.get_ydata() for line in axes.lines}
        assert set(drawn) == {label.replace("_", " ") for label in curve["y"]}, name
        for label, values in curve["y"].items():
            shown = drawn[label.replace("_", " ")]
            assert np.array_equal(shown, values[len(values) - len(shown) :], equal_nan=True)
            # Lag 0 of a correlation is left out.
            assert len(values) - len(shown) in ((0, 1) if curve["x_label"].startswith("lag") else (0,))
    with pytest.raises(ValueError, match="no curve fsc; there are: .*frc"):
        found.plot("fsc")


def test_a_result_draws_all_that_it_has():
    found = h5etalon.measure(ORIGINAL, DECODED, ["frc", "power_spectrum", "preview"], SETTINGS)
    assert set(found.images) == {"original", "decoded", "error"}
    middle = found.images["original"]["values"]
    assert middle.shape == (96, 128) and np.array_equal(middle, ORIGINAL[int(found["preview_frame"])])
    assert np.array_equal(found.images["error"]["values"], found.images["decoded"]["values"] - middle)
    figure = found.plot()
    titles = [axes.get_title() for axes in figure.axes]
    assert set(titles) >= {"frc", "power spectrum", "original", "decoded", "error"}
    with pytest.raises(ValueError, match="numbers only"):
        h5etalon.measure(ORIGINAL, DECODED, "abs").plot()


def test_original_and_decoded_share_a_scale_and_the_error_is_symmetric():
    panels = h5etalon.plot.triplet(ORIGINAL, DECODED, frame=3)
    first, second, error = (panel.images[0] for panel in panels)
    assert np.array_equal(first.get_array(), ORIGINAL[3]) and np.array_equal(second.get_array(), DECODED[3])
    assert np.array_equal(error.get_array(), DECODED[3].astype(float) - ORIGINAL[3])
    assert first.get_clim() == second.get_clim() and error.get_clim()[0] == -error.get_clim()[1] < 0
    with pytest.raises(ValueError, match="shapes"):
        h5etalon.plot.triplet(ORIGINAL, DECODED[:, 1:])


def test_scales_are_those_of_the_report():
    counts = np.array([n % 20 + (1 if n < 900 else 400) for n in range(1000)], float)
    assert h5etalon.plot.scale(counts)[2] == 0.5
    codes = np.array([n % 2 + n // 4999 for n in range(5000)], float)
    assert h5etalon.plot.scale(codes) == (0, 2, 1)
    assert h5etalon.plot.scale(100.0 + np.arange(1000)) == (101, 1097, 1)


def test_a_histogram_counts_every_error():
    axes = h5etalon.plot.error_histogram(ORIGINAL, DECODED)
    error = DECODED.astype(int) - ORIGINAL
    heights = {round(bar.get_x() + bar.get_width() / 2): int(bar.get_height()) for bar in axes.patches}
    assert heights == {int(at): int((error == at).sum()) for at in range(error.min(), error.max() + 1)}
    floats = h5etalon.plot.error_histogram(ORIGINAL / 7, DECODED / 7)
    assert sum(bar.get_height() for bar in floats.patches) == ORIGINAL.size


def rows_of_codecs():
    rows = []
    for codec in ("dictionary", "noise:sigma=0.5", "noise:sigma=1", "quantise:abs=2"):
        chunk = h5etalon.encode(ORIGINAL, codec)
        found = h5etalon.measure(ORIGINAL, h5etalon.decode(chunk), ["rmse", "psnr"])
        rows.append({"codec": codec, "ratio": ORIGINAL.nbytes / len(chunk), **found})
    return rows


def test_codecs_are_drawn_by_ratio_and_error():
    rows = rows_of_codecs()
    for given in (rows, pandas.DataFrame(rows), pandas.DataFrame(rows).set_index("codec")):
        axes = h5etalon.plot.rate_distortion(given, "rmse")
        points = {
            line.get_label(): (line.get_xdata()[0], line.get_ydata()[0])
            for line in axes.lines
            if line.get_marker() == "o"
        }
        assert set(points) == {row["codec"] for row in rows} and axes.get_ylabel() == "rmse"
        assert points["noise:sigma=1"] == (rows[2]["ratio"], rows[2]["rmse"])
        # Two settings of one codec are joined.
        assert any(len(line.get_xdata()) == 2 for line in axes.lines)
    # PSNR of a lossless codec is not finite.
    axes = h5etalon.plot.rate_distortion(rows)
    assert axes.get_ylabel() == "psnr / dB" and sum(line.get_marker() == "o" for line in axes.lines) == 3
    with pytest.raises(ValueError, match="no row has a finite number ssim"):
        h5etalon.plot.rate_distortion(rows, "ssim")


def test_what_the_command_measured_is_drawn(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=ORIGINAL, chunks=(1, 96, 128))
    command = [Path(sys.executable).parent / "etalon", "measure", tmp_path / "x.h5::/x", "--json", "--metrics", "psnr"]
    command += ["--codec", "noise:sigma=0.5", "--codec", "noise:sigma=1"]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    axes = h5etalon.plot.rate_distortion(answer)
    values = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert values == [row["metrics"]["psnr"] for row in answer["datasets"]]


@pytest.fixture
def bars(monkeypatch):
    """The bars that were shown, when they were closed."""
    seen = []
    close = tqdm.std.tqdm.close

    def watched(self):
        if not self.disable:
            seen.append(self)
        close(self)

    monkeypatch.setattr(tqdm.std.tqdm, "close", watched)
    return seen


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """What a scan with two limits found."""
    path = tmp_path_factory.mktemp("scan") / "rings.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=ORIGINAL, chunks=(1, *ORIGINAL.shape[1:]))
    return h5etalon.scan("%s::/data" % path, ["psnr>=35", "max_abs_error<=12"], ["noise", "quantise"], threads=1)


def test_a_scan_is_a_table_of_its_front_and_of_all_it_tried(scanned):
    rows = Cells(scanned._repr_html_()).rows
    assert rows[0] == ["codec", "ratio", "psnr", "max_abs_error", "encode GB/s", "decode GB/s"]
    front = {point["spec"] for point in scanned.points if point["on_front"]}
    assert {row[0].replace("→ ", "") for row in rows[1:]} == front | {scanned.spec}
    assert [row[0] for row in rows if row[0].startswith("→")] == ["→ " + scanned.spec]
    tried = scanned.to_pandas()
    assert len(tried) == len(scanned.points) and list(tried.index[tried["chosen"]]) == [scanned.spec]
    assert tried.loc[scanned.spec, "psnr"] == scanned.chosen["metrics"]["psnr"] >= 35
    assert tried.loc[scanned.spec, "ratio"] == scanned.chosen["ratio"] == tried[tried["holds"]]["ratio"].max()


def test_limits_are_lines_beside_all_that_a_scan_tried(scanned):
    for name, bound, sign in (("psnr", 35, "≥"), ("max_abs_error", 12, "≤")):
        axes = scanned.plot(name)
        lines = {line.get_label().replace("\n", ""): line for line in axes.lines}
        assert max(len(text) for line in axes.lines for text in line.get_label().split("\n")) < 30
        assert lines["limit %s %g" % (sign, bound)].get_ydata()[0] == bound
        drawn = {(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if len(line.get_xdata()) == 1}
        finite = {
            (point["ratio"], one["measured"])
            for point in scanned.points
            for one in point["verdicts"]
            if one["value"] == name and one["measured"] is not None
        }
        assert drawn == finite
        ring = [line for line in axes.lines if line.get_markersize() == 12 and len(line.get_xdata())]
        assert [line.get_xdata()[0] for line in ring] == [scanned.chosen["ratio"]] and scanned.spec in lines
    assert [axes.get_title() for axes in scanned.plot().axes] == ["ratio and psnr", "ratio and max abs error"]
    assert h5etalon.plot.rate_distortion(scanned).get_title() == "ratio and psnr"
    with pytest.raises(ValueError, match="no limit on ssim; there are limits on: psnr, max_abs_error"):
        scanned.plot("ssim")


def test_bars_end_where_the_work_does(tmp_path, bars, capsys):
    data = np.random.default_rng(1).integers(0, 9, (40, 600, 500)).astype("u4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = file.create_dataset("x", data.shape, "u4", chunks=(1, 600, 500), **h5etalon.Bitshuffle())
        h5etalon.write(dataset, data, progress=True)
        assert np.array_equal(h5etalon.read(dataset, progress=True), data)
        assert np.array_equal(h5etalon.read(dataset, np.s_[3:9, ::2, 7:40], progress=True), data[3:9, ::2, 7:40])
    found = h5etalon.measure(data, data, ["abs", "frc"], progress=True)
    assert repr(found) == repr(h5etalon.measure(data, data, ["abs", "frc"]))
    assert [(one.desc, one.n, one.total) for one in bars] == [
        ("write", data.nbytes, data.nbytes), ("read", data.nbytes, data.nbytes),
        ("read", 6 * 1200000, 6 * 1200000), ("measure", 40, 40),
    ]  # fmt: skip
    assert re.search(r"measure: 100%.*40.*frame", capsys.readouterr().err)
    h5etalon.measure(data, data, "abs")
    assert len(bars) == 4


def test_interrupting_ends_a_measurement(monkeypatch):
    def interrupt(self, amount):
        raise KeyboardInterrupt

    monkeypatch.setattr(tqdm.std.tqdm, "update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        h5etalon.measure(ORIGINAL, DECODED, "abs", progress=True)
