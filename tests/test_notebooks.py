"""The notebooks run from their first cell to their last."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def executed(path: Path, folder: Path) -> Any:
    """The notebook as it is after its last cell ran in a fresh kernel."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=90, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


@pytest.fixture(autouse=True)
def _own_jupyter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "TMPDIR"):
        folder = tmp_path / name.lower()
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_committed_without_outputs(path: Path) -> None:
    """What a reader sees was made by the reader: no output and no count is committed."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


def test_the_first_pipeline_runs_and_draws_itself(tmp_path: Path) -> None:
    """Planned, run with a live view, drawn as a graph; the second run writes nothing; too much is refused."""
    notebook = executed(ROOT / "notebooks" / "01_first_pipeline.ipynb", tmp_path)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output.get("data", {}) | {"text": output.get("text", "")} for output in outputs]
    drawn = " ".join(data.get("text/html", "") for data in shown)
    text = " ".join(data.get("text/plain", "") + data["text"] for data in shown)
    assert "agent-etl-live" in drawn
    assert "<svg" in drawn
    assert "succeeded" in drawn
    assert "True)]" in text, "the second run loads nothing again"
    assert "email" in text
