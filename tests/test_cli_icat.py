"""`etalon recompress --icat` writes what pyicat-plus writes, and pyicat-plus takes it."""

import json
from xml.etree import ElementTree

import h5py
import pytest

from etalon_command import etalon
from nexus_files import write_nexus
from programs import NOWHERE, REPO, call, missing

ICAT_PYTHON = REPO / ".venv-icat/bin/python"
NAMESPACE = "{http://www.esrf.fr/icat}"
NOISE = "noise:sigma=0.5"
# What pyicat-plus writes for the same metadata, and what it makes of our file when it is to be sent on.
PYICAT = """
import json, sys, warnings
from pyicat_plus.client.main import IcatClient
from pyicat_plus._icat_messaging.deserializers.xml import deserialize_message
ours, theirs = sys.argv[1:]
kind, message = deserialize_message(open(ours, "rb").read())
assert kind == "dataset", kind
parameters = {each["name"]: each["value"] for each in message["parameter"]}
lists = ("input_datasets", "Compression_codec", "Compression_scope")
metadata = {name: value.split(",") if name in lists else value for name, value in parameters.items()}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    IcatClient(metadata_urls=["localhost:1"]).store_processed_data(
        beamline=metadata.pop("beamlineID"), proposal=metadata.pop("proposal"), dataset=metadata.pop("datasetName"),
        path=metadata.pop("location"), metadata=metadata, raw=metadata.pop("input_datasets"), store_filename=theirs)
print(json.dumps([str(each.message) for each in caught]))
"""


@pytest.fixture
def source(tmp_path):
    return write_nexus(tmp_path / "raw/scan_0001/scan.h5")


def record(source, target, *arguments, codec=NOISE, code=0):
    """Recompresses, and returns the process and the path of the record."""
    out = target.parent / (target.stem + ".xml")
    target.parent.mkdir(parents=True, exist_ok=True)
    return etalon("recompress", source, target, "--codec", codec, "--icat", out, *arguments, code=code), out


def content(path):
    """The elements of a record, and its parameters."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == NAMESPACE + "dataset" and root.attrib == {"complete": "true"}
    found, parameters = {}, {}
    for element in root:
        name = element.tag.removeprefix(NAMESPACE)
        if name == "parameter":
            parameters[element.findtext(NAMESPACE + "name")] = element.findtext(NAMESPACE + "value")
        elif name == "sample":
            found["sample"] = element.findtext(NAMESPACE + "name")
        else:
            found[name] = element.text
    return found, parameters


def parameters(path):
    return content(path)[1]


def pyicat_plus(out):
    """The content of what pyicat-plus writes for the metadata of our record, and its warnings."""
    if not ICAT_PYTHON.exists():
        missing("no pyicat-plus: make .venv-icat/.stamp")
    theirs = out.with_suffix(".pyicat.xml")
    warnings = json.loads(call([ICAT_PYTHON, "-c", PYICAT, out, theirs], NOWHERE).stdout)
    return content(theirs), warnings


def test_pyicat_plus_writes_the_same_from_the_same_metadata(source, tmp_path):
    _, out = record(source, tmp_path / "processed/small/scan.h5")
    (elements, fields), warnings = pyicat_plus(out)
    assert content(out) == (elements, fields)
    # Fields of our own are known to nobody else; all others are valid.
    assert all("Unknown ICAT fields" in text and "ValidationError" not in text for text in warnings), warnings


def test_the_record_says_what_was_done(source, tmp_path):
    _, out = record(source, tmp_path / "processed/small/scan.h5")
    elements, fields = content(out)
    assert elements["instrument"] == fields["beamlineID"] == "id19"
    assert elements["investigation"] == fields["proposal"] == "hg123"
    assert elements["name"] == fields["datasetName"] == "small"
    assert elements["sample"] == fields["Sample_name"] == "tooth & <co>"
    assert elements["location"] == fields["location"] == str(tmp_path / "processed/small")
    assert fields["startDate"] == elements["startDate"] <= elements["endDate"] == fields["endDate"]
    assert fields["input_datasets"] == str(source.parent)
    assert (fields["Compression_type"], fields["Compression_codec"]) == ("lossy", "etalon")
    assert fields["Compression_scope"] == "scan.h5?path=/entry/data/dark,scan.h5?path=/entry/data/data"
    assert (fields["Process_program"], fields["Process_sequence_index"]) == ("etalon", "1")
    assert json.loads(fields["Process_note"])["codec"] == fields["Etalon_spec"] == NOISE
    assert float(fields["Etalon_ratio"]) == int(fields["Etalon_raw_bytes"]) / int(fields["Etalon_stored_bytes"]) > 1
    assert (fields["Etalon_bound_asked"], fields["Etalon_bound_unit"], fields["Etalon_guarantee"]) == ("0.5", "sigma", "A")
    assert "Compression_target_compression_ratio" not in fields


def test_lossless_copies_say_so(source, tmp_path):
    _, out = record(source, tmp_path / "small/scan.h5", codec="bitshuffle")
    fields = parameters(out)
    assert (fields["Compression_type"], fields["Compression_codec"]) == ("lossless", "bitshuffle")
    assert fields["Etalon_max_abs_error"] == "0.0"


def test_fields_of_the_user_count_more_than_files(source, tmp_path):
    fields = tmp_path / "fields.toml"
    fields.write_text('proposal = "in1"\nSample_name = "bone"\nscanNumber = 3\nCompression_target_compression_ratio = 10\n')
    given = ["--icat-fields", fields, "--icat-field", "proposal=IN2", "--icat-field", "startDate=2026-01-01T00:00:00Z"]
    _, out = record(source, tmp_path / "small/scan.h5", *given)
    known = parameters(out)
    assert (known["proposal"], known["Sample_name"], known["scanNumber"]) == ("in2", "bone", "3")
    assert known["startDate"] == "2026-01-01T00:00:00Z" and known["Compression_target_compression_ratio"] == "10"


def test_metrics_become_flat_parameters(source, tmp_path):
    measured = etalon("measure", str(source) + "::/entry/data/data", "-c", NOISE, "--metrics", "psnr,ssim", "--json").stdout
    (tmp_path / "result.json").write_text(measured)
    _, out = record(source, tmp_path / "small/scan.h5", "--measured", tmp_path / "result.json")
    (row,) = json.loads(measured)["datasets"]
    fields = parameters(out)
    assert float(fields["Etalon_psnr"]) == row["metrics"]["psnr"] and float(fields["Etalon_ssim"]) == row["metrics"]["ssim"]


def test_one_source_may_have_many_copies(source, tmp_path):
    """1:N: each record names the same input."""
    records = [record(source, tmp_path / name / "scan.h5")[1] for name in ("small_a", "small_b")]
    assert [parameters(out)["datasetName"] for out in records] == ["small_a", "small_b"]
    assert {parameters(out)["input_datasets"] for out in records} == {str(source.parent)}


def test_one_copy_may_have_many_sources(source, tmp_path):
    """N:1: a list, in a file or as an option."""
    inputs = ["/data/raw/scan_%04d" % number for number in range(3)]
    fields = tmp_path / "fields.json"
    fields.write_text(json.dumps({"input_datasets": inputs}))
    for name, given in (("a", ["--icat-fields", fields]), ("b", ["--icat-field", "input_datasets=" + ",".join(inputs) + "/"])):
        _, out = record(source, tmp_path / name / "scan.h5", *given)
        assert parameters(out)["input_datasets"] == ",".join(inputs)
    assert pyicat_plus(out)[0] == content(out)


@pytest.mark.parametrize("arguments, words", [
    (["--icat-field", "location=relative"], ["location", "absolute"]),
    (["--icat-field", "proposal"], ["NAME=VALUE"]),
    (["--icat-fields", "no.toml"], ["no.toml"]),
])
def test_what_icat_cannot_take_is_refused_before_any_work(source, tmp_path, arguments, words):
    done, out = record(source, tmp_path / "small/scan.h5", *arguments, code=3 if "no.toml" in arguments else 2)
    assert all(word in done.stderr for word in words), done.stderr
    assert not out.exists() and not (tmp_path / "small/scan.h5").exists()


def test_what_is_missing_is_named_with_the_way_to_give_it(source, tmp_path):
    with h5py.File(source, "a") as file:
        del file["entry/sample"]
    done, out = record(source, tmp_path / "small/scan.h5", code=2)
    assert "--icat-field Sample_name=" in done.stderr and "/entry/sample/name" in done.stderr and not out.exists()
    record(source, tmp_path / "small/scan.h5", "--icat-field", "Sample_name=bone")


def test_source_and_copy_in_one_folder_are_no_two_datasets(source):
    done, out = record(source, source.parent / "small.h5", code=2)
    assert "folder" in done.stderr and not out.exists() and not (source.parent / "small.h5").exists()


def test_a_record_that_exists_is_kept_unless_forced(source, tmp_path):
    target = tmp_path / "small/scan.h5"
    _, out = record(source, target)
    out.write_text("precious")
    target.unlink()
    record(source, target, code=2)
    assert out.read_text() == "precious" and not target.exists()
    record(source, target, "--force")
    assert parameters(out)["Process_program"] == "etalon"
