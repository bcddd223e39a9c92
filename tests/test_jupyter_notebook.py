"""The example notebook runs from top to bottom, and shows what it says."""

import time

import nbformat
import pytest
from nbclient import NotebookClient

from programs import REPO

PATH = REPO / "examples/h5etalon.ipynb"
# A minute on a machine of its own; tests share theirs.
TIMEOUT_S = 300


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    notebook = nbformat.read(PATH, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}},
    )
    started = time.monotonic()
    client.execute()
    print("the notebook took %.1f s" % (time.monotonic() - started))
    return notebook


def outputs(notebook, kind):
    return [
        output["data"][kind]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if kind in output.get("data", {})
    ]


def test_no_outputs_are_stored():
    cells = [cell for cell in nbformat.read(PATH, as_version=4).cells if cell.cell_type == "code"]
    assert cells and all(not cell.outputs and cell.execution_count is None for cell in cells)


def test_every_cell_runs_and_figures_and_tables_are_shown(executed):
    assert len(outputs(executed, "image/png")) == 4
    tables = outputs(executed, "text/html")
    assert any("max_sigma_error" in text for text in tables) and any("All holds." in text for text in tables)
    printed = "".join(
        output["text"]
        for cell in executed.cells
        for output in cell.get("outputs", [])
        if output.get("name") == "stdout"
    )
    assert "[Noise(sigma=0.5, mask=['65535'])]" in printed and "auto" in printed


def test_bars_are_shown(executed):
    said = "".join(
        output["text"]
        for cell in executed.cells
        for output in cell.get("outputs", [])
        if output.get("name") == "stderr"
    )
    for what in ("write", "read", "measure"):
        assert what + ":" in said and "100%" in said
    assert "Traceback" not in said and "Warning" not in said
