# SPDX-License-Identifier: BSD-3-Clause
"""The notebooks of the CUDA week, executed as a student's Jupyter executes them, on shares of a real pool."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
WEEK = sorted((NOTEBOOKS / "cuda-week").glob("*.ipynb"))
CELL_LIMIT_S = 120


def text_of(cell: NotebookNode) -> str:
    """Return what a cell has printed."""
    return "".join(output["text"] for output in cell.outputs if output["output_type"] == "stream")


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", ())]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("path", WEEK, ids=lambda path: path.stem)
def test_a_notebook_of_the_week_runs_and_its_solutions_are_right(make_pool, env, monkeypatch, path):
    pool = make_pool("--softgpus=1", "--softgpu-memory=32GiB")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=CELL_LIMIT_S).execute()
    assert notebook.metadata.kernelspec.name == "gpu-0.02"
    for cell in tagged(notebook, "exercise"):
        assert ": not yet. " in text_of(cell), "an exercise that is untouched is not correct, and is no error"
    for cell in tagged(notebook, "solution"):
        assert text_of(cell).rstrip().endswith(": correct")
    for cell in tagged(notebook, "picture"):
        assert any("image/png" in output.get("data", {}) for output in cell.outputs)
    for cell in tagged(notebook, "lease"):
        assert "GPU 0.02: Emulated GPU" in text_of(cell)
    assert pool.leases() == []
