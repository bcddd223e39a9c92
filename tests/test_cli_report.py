"""`etalon report`: a page that stands by itself, says what the results say, and draws all of it in a browser."""

import copy
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import h5py
import numpy as np
import pytest

from chromium import checked, printed
from etalon_command import etalon

HOSTILE = "/</script><img src=x onerror=document.title='hit'>"
CODECS = ["bitshuffle", "quantise:abs=1", "quantise:abs=4", "noise:sigma=1"]
MOST_BYTES = 1_000_000


class Page(HTMLParser):
    """Elements of a page with their attributes, and the cells of its tables by the table's class."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.tables, self.words = [], [], []
        self.is_inside = False
        self.feed(text)

    def handle_starttag(self, name, attributes):
        attributes = dict(attributes)
        self.elements.append((name, attributes))
        if name == "table":
            self.is_inside = True
            self.tables.append((attributes["class"], []))
        elif name == "tr":
            self.tables[-1][1].append([])
        elif name in ("td", "th"):
            self.tables[-1][1][-1].append("")
        elif name == "data":
            self.tables[-1][1][-1][-1] = float(attributes["value"])

    def handle_endtag(self, name):
        self.is_inside &= name != "table"

    def handle_data(self, text):
        self.words.append(text)
        if self.is_inside and self.tables[-1][1] and self.tables[-1][1][-1]:
            row = self.tables[-1][1][-1]
            if isinstance(row[-1], str):
                row[-1] += text

    def rows(self, kind):
        """Cells of all tables of a class, without their heads and without blanks."""
        rows = [row for name, rows in self.tables if name == kind for row in rows[1:]]
        return [[cell.strip() if isinstance(cell, str) else cell for cell in row] for row in rows]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What `etalon measure` says of a stack of slices and of frames with an evil name, and a curve of an unknown metric."""
    folder = tmp_path_factory.mktemp("report")
    random = np.random.RandomState(7)
    with h5py.File(folder / "run.h5", "w") as file:
        slices = random.normal(1000, 30, (6, 96, 128)) + 500 * (np.arange(128) > 60)
        file.create_dataset("slices", data=slices.astype("<u2"), chunks=(1, 48, 64))
        file.create_dataset(HOSTILE, data=random.poisson(4, (5, 64, 64)).astype("<i4"), chunks=(1, 64, 64))
    asked = ["measure", folder / "run.h5", "-m", "abs,preview", "--limit", "max_abs_error<=2", "--per-chunk", "-d", "*"]
    asked += [word for codec in CODECS for word in ("-c", codec)]
    document = json.loads(etalon(*asked, "--json", code=1).stdout)
    for place, row in enumerate(document["datasets"]):
        lags = [2**n for n in range(12)]
        decoded = [1 + 0.2 * 0.7**n + 0.001 * place for n in range(11)] + [None]
        curve = {"x_label": "lag / frames", "y_label": "<b>g₂</b>", "x": lags, "y": {"decoded": decoded, "original": [1.1] * 12}}
        row["curves"] = {"<i>unheard of</i>": curve}
        row["metrics"]["never_heard"] = place + 0.1234567890123
        row["notes"] = ["a note with <b>markup</b>"]
    (folder / "result.json").write_text(json.dumps(document))
    lines = etalon(*asked, "--lines", code=1).stdout
    (folder / "result.jsonl").write_text(lines)
    return folder, document


@pytest.fixture(scope="module")
def report(results):
    """The page of the results: its path and its text."""
    folder, _ = results
    path = folder / "report.html"
    etalon("report", folder / "result.json", "-o", path)
    return path, path.read_text()


def test_tables_have_the_numbers_of_the_results(results, report):
    _, document = results
    page = Page(report[1])
    rows = document["datasets"]
    assert len(rows) == 2 * len(CODECS)
    for row, cells in zip(rows, page.rows("codecs"), strict=True):
        assert (cells[0], cells[1]) == (row["codec"], row["ratio"])
        assert cells[3:5] == [row["encode_gbps"], row["decode_gbps"]] and cells[6] == row["max_abs_error"]
    expected = []
    for name in (HOSTILE, "/slices"):
        same = [row["metrics"] for row in rows if row["dataset"] == name]
        expected += [[metric, *(each[metric] for each in same)] for metric in sorted(same[0])]
    found = [[cells[0], *cells[2:]] for cells in page.rows("metrics")]
    assert sorted(found) == sorted(expected)


def test_verdicts_are_those_of_the_results_and_what_fails_comes_first(results, report):
    _, document = results
    expected = [(row["codec"], row["verdicts"][0]["measured"], row["verdicts"][0]["holds"]) for row in document["datasets"]]
    found = [(codec, measured, verdict == "holds") for codec, limit, measured, verdict in Page(report[1]).rows("verdicts")]
    assert sorted(found) == sorted(expected) and {holds for *_, holds in found} == {True, False}
    half = len(CODECS)
    for part in (found[:half], found[half:]):
        assert part == sorted(part, key=lambda verdict: verdict[2])
    failed = sum(not holds for *_, holds in expected)
    assert "%d of %d limits are not kept" % (failed, len(expected)) in report[1]


def test_nothing_is_fetched_and_names_are_no_markup(report):
    page = Page(report[1])
    names = [name for name, _ in page.elements]
    assert not {"img", "link", "iframe", "b", "i", "object"} & set(names)
    for name, attributes in page.elements:
        assert not {"src", "onerror", "onload"} & set(attributes), name
        assert attributes.get("href", "#").startswith("#"), attributes
    policy = [attributes["content"] for _, attributes in page.elements if "http-equiv" in attributes]
    assert policy and policy[0].startswith("default-src 'none'")
    assert HOSTILE in "".join(page.words)
    # Addresses stand in comments and name spaces only.
    assert set(re.findall(r"https?://[^\s\"'<)]+", report[1])) <= {"http://www.w3.org/2000/svg", "https://github.com/leeoniya/uPlot"}
    assert "Copyright (c) 2022 Leon Sorokin" in report[1] and "The MIT License" in report[1]


def test_json_lines_give_the_same_rows(results, tmp_path):
    folder, document = results
    etalon("report", folder / "result.jsonl", "-o", tmp_path / "lines.html")
    page = Page((tmp_path / "lines.html").read_text())
    found = {(row[0], row[6]) for row in page.rows("codecs")}
    assert found == {(row["codec"], row["max_abs_error"]) for row in document["datasets"]}
    assert len(page.rows("codecs")) == len(document["datasets"])
    assert {row[0] for row in page.rows("metrics")} == {"mean_abs_error", "mean_error", "preview_frame"}
    data = next(json.loads(text) for text in page.words if text.startswith('{"codecs"'))
    assert [row["grid"]["columns"] for row in data["datasets"][-1]["rows"]] == [4 if "slices" in data["datasets"][-1]["name"] else 5] * 4


def test_lines_of_bench_are_rows_and_name_their_route(tmp_path):
    row = {"file": "a.h5", "dataset": "/a", "shape": [8, 64, 64], "chunk": [1, 64, 64], "codec": "bitshuffle", "ratio": 2.5}
    lines = [{**row, "route": "memory", "fraction_of_bound": 0.75}, {**row, "route": "h5py", "fraction_of_bound": None}]
    (tmp_path / "bench.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    etalon("report", tmp_path / "bench.jsonl", "-o", tmp_path / "bench.html")
    page = Page((tmp_path / "bench.html").read_text())
    assert [cells[:2] for cells in page.rows("codecs")] == [["bitshuffle", 2.5], ["bitshuffle (h5py)", 2.5]]
    assert page.rows("metrics") == [["fraction_of_bound", "", 0.75, "–"]]


def test_a_page_of_one_dataset_is_titled_by_it(results, tmp_path):
    _, document = results
    rows = [row for row in document["datasets"] if row["dataset"] == HOSTILE]
    (tmp_path / "one.json").write_text(json.dumps(rows))
    etalon("report", tmp_path / "one.json", "-o", tmp_path / "one.html")
    page = Page((tmp_path / "one.html").read_text())
    names = [name for name, _ in page.elements]
    assert HOSTILE in page.words and names.count("h1") == 1 and "h2" not in names and "nav" not in names


def test_several_files_are_one_page_and_datasets_of_several_files_say_so(results, tmp_path):
    folder, document = results
    other = copy.deepcopy(document)
    other["file"] = "elsewhere.h5"
    (tmp_path / "other.json").write_text(json.dumps(other))
    etalon("report", folder / "result.json", tmp_path / "other.json", "-o", tmp_path / "two.html")
    page = Page((tmp_path / "two.html").read_text())
    assert len(page.rows("codecs")) == 2 * len(document["datasets"])
    assert "elsewhere.h5::/slices" in page.words


def test_many_pictures_and_curves_stay_below_a_megabyte(results, tmp_path):
    _, document = results
    random = np.random.RandomState(1)
    rows = []
    for place in range(24):
        row = copy.deepcopy(document["datasets"][0])
        row.update(dataset="/d%d" % (place % 3), codec="quantise:abs=%d" % place, chunks=[])
        for name in row["images"]:
            values = random.normal(0, 1, 256 * 256).round(4).tolist()
            row["images"][name] = {"rows": 256, "columns": 256, "label": name, "values": values}
        row["curves"] = {"c": {"x_label": "x", "y_label": "y", "x": list(range(5000)), "y": {"a": random.rand(5000).tolist()}}}
        rows.append(row)
    (tmp_path / "many.json").write_text(json.dumps({"datasets": rows}))
    etalon("report", tmp_path / "many.json", "-o", tmp_path / "many.html")
    text = (tmp_path / "many.html").read_text()
    assert 300_000 < len(text.encode()) < MOST_BYTES
    assert len(Page(text).rows("codecs")) == 24


def test_what_is_no_result_is_refused_in_a_sentence(results, tmp_path):
    _, document = results
    crooked = copy.deepcopy(document)
    crooked["datasets"][0]["curves"]["<i>unheard of</i>"]["x"].pop()
    inputs = {
        "broken": ('{"datasets": [', 3, "EOF"),
        "other": ('{"name": "x"}', 3, "no 'dataset'"),
        "empty": ('{"datasets": []}', 3, "no dataset in it"),
        "number": ("5", 3, "this is none"),
        "crooked": (json.dumps(crooked), 3, "not as long as its axis"),
        "text": ("PK\x03\x04", 3, "no result of etalon measure"),
        "endless": (json.dumps({"datasets": [{**document["datasets"][0], "images": {}, "dataset": "/%d" % n} for n in range(400)]}), 2, "more than"),
    }
    for name, (text, code, words) in inputs.items():
        (tmp_path / name).write_text(text)
        done = etalon("report", tmp_path / name, "-o", tmp_path / "out.html", code=code)
        assert words in done.stderr and "panicked" not in done.stderr and done.stderr.count("\n") == 1, (name, done.stderr)
        assert not (tmp_path / "out.html").exists()
    assert "cannot read" in etalon("report", tmp_path / "absent", "-o", tmp_path / "out.html", code=3).stderr
    (tmp_path / "good.json").write_text(json.dumps(document))
    assert "cannot write" in etalon("report", tmp_path / "good.json", "-o", tmp_path / "no/out.html", code=4).stderr


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_browser_draws_everything_without_an_error(report, tmp_path, scheme):
    preferred = "--blink-settings=preferredColorScheme=%d" % ["dark", "light"].index(scheme)
    errors, drawn, dom = checked(report[0], tmp_path / "profile", preferred)
    assert errors == 0 and "<title>Etalon report" in dom
    # Of each dataset: error and speed over ratio, and the curve nobody knows.
    assert len(drawn["plots"]) == 6 and all(least > 20 for pair in drawn["plots"] for least in pair), drawn
    # Of each dataset: three pictures for each codec that changes something, or for all that do not; chunks of each codec.
    assert len(drawn["maps"]) >= 2 * (3 * 3 + len(CODECS)) and sum(colours > 2 for colours in drawn["maps"]) >= 16, drawn
    assert all(colours > 10 for colours in drawn["saved"]), drawn
    # Marks of the codecs in tables, and of four lines and their common original in legends.
    assert dom.count('class="mark"') == 2 * (len(CODECS) + len(CODECS) + 1)


def test_results_with_little_to_draw_are_pages_without_an_error(tmp_path):
    infinite = {"value": "psnr", "at_least": True, "limit": 40, "measured": None, "holds": True}
    rows = [
        {"dataset": "/a", "codec": "counts", "refused": "takes no floats"},
        {"dataset": "/b", "codec": "gzip", "ratio": 2.5, "metrics": {"psnr": None}, "verdicts": [infinite], "max_abs_error": 0},
        {"dataset": "/c", "codec": "x", "ratio": None, "curves": {"empty": {"x": [], "y": {}}, "void": {"x": [1], "y": {"a": [None]}}}},
        {"dataset": "/d", "codec": "y", "ratio": 1, "lossless": True, "max_abs_error": 2, "images": {"map": {"rows": 1, "columns": 1, "values": [None]}}},
        {"dataset": "/d", "codec": "z", "ratio": 3, "curves": {"one": {"x": [0], "y": {"a": [5]}}}, "chunks": [{"chunk": [0]}, {"chunk": [1]}]},
    ]
    (tmp_path / "little.json").write_text(json.dumps({"datasets": rows}))
    etalon("report", tmp_path / "little.json", "-o", tmp_path / "little.html")
    errors, drawn, dom = checked(tmp_path / "little.html", tmp_path / "profile")
    # Error over ratio of /b and /d, and the curve of one point.
    assert errors == 0 and len(drawn["plots"]) == 3 and len(drawn["maps"]) == 1, drawn
    page = Page((tmp_path / "little.html").read_text())
    assert page.rows("verdicts") == [["gzip", "psnr ≥ 40", "∞", "holds"], ["y", "lossless", 2.0, "does not hold"]]
    assert page.rows("codecs")[0] == ["counts", "refused: takes no floats"] and page.rows("metrics") == [["psnr", "dB", "not finite"]]
    assert "1 codec that is lossless changed a value" in page.words


def test_saved_drawings_are_svg_with_axes_points_and_labels(report, tmp_path):
    _, _, dom = checked(report[0], tmp_path / "profile")
    drawings = re.findall(r'<div class="print">(<svg.*?</svg>)</div>', dom, re.S)
    assert len(drawings) == 6
    trees = [ElementTree.fromstring(drawing) for drawing in drawings]
    texts = [[each.text for each in tree.iter("{http://www.w3.org/2000/svg}text")] for tree in trees]
    for words in texts[:2]:
        assert words[0].startswith("ratio and") and "ratio, raw / stored" in words
        assert {"bitshuffle", "quantise abs=1", "quantise abs=4"} <= set(words)
    assert texts[2][0] == "<i>unheard of</i>" and "<b>g₂</b>" in texts[2] and "original" in texts[2]


def test_it_prints(report, tmp_path):
    pdf = printed(report[0], tmp_path / "profile", tmp_path / "report.pdf")
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert pdf.startswith(b"%PDF") and 3 <= pages <= 20 and len(pdf) > 20_000 * pages / 4
