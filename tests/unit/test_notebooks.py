# SPDX-License-Identifier: BSD-3-Clause
"""What holds of every notebook as it is committed."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbconvert.preprocessors import TagRemovePreprocessor
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.rglob("*.ipynb"))
WEEK = [path for path in NOTEBOOKS if path.parent.name == "cuda-week"]


def read(path: Path) -> NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def has(cell: NotebookNode, tag: str) -> bool:
    return tag in cell.metadata.get("tags", ())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_without_results_and_for_the_kernel_of_a_small_share(path):
    notebook = read(path)
    assert notebook.metadata.kernelspec.name == "gpu-0.02"
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", WEEK, ids=lambda path: path.stem)
def test_each_exercise_has_a_solution_that_is_hidden_and_can_be_taken_out(path):
    notebook = read(path)
    exercises = [index for index, cell in enumerate(notebook.cells) if has(cell, "exercise")]
    solutions = [index for index, cell in enumerate(notebook.cells) if has(cell, "solution")]
    assert len(exercises) >= 2
    assert solutions == [index + 1 for index in exercises]
    assert all(notebook.cells[index].metadata.jupyter.source_hidden for index in solutions)
    without, _ = TagRemovePreprocessor(remove_cell_tags={"solution"}).preprocess(notebook, {})
    assert not any(has(cell, "solution") for cell in without.cells)


@pytest.mark.parametrize("path", WEEK, ids=lambda path: path.stem)
def test_it_says_what_time_means_on_an_emulated_gpu(path):
    assert "**About time.**" in read(path).cells[0].source


def test_the_readme_lists_every_notebook():
    readme = (FOLDER / "README.md").read_text()
    for path in NOTEBOOKS:
        assert f"({path.relative_to(FOLDER)})" in readme
