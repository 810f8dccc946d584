"""The library's notebooks, run from top to bottom: their asserts stand beside what they test.

Each runs as `nbdev-test` runs it, but in a process of its own."""

import io
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout

import nbformat
import pytest
from nbdev.test import test_nb as run_cells  # under another name: pytest collects `test_…`

from conftest import HERE

NBS = HERE / "nbs"
# About how long they take, those that take more than a few seconds.
SECONDS = {
    "anatomy": 4,
    "audit": 10,
    "augment": 9,
    "cam": 28,
    "camcheck": 7,
    "camshow": 5,
    "clues": 6,
    "copies": 6,
    "crossval": 18,
    "evaluate": 4,
    "films": 8,
    "finetune": 12,
    "gate": 30,
    "learner": 6,
    "lr": 10,
    "pretrain": 14,
    "widgets": 4,
}


def library_notebooks():
    "Those that nbdev tests: all but the lessons."
    for path in sorted(NBS.rglob("*.ipynb")):
        place = path.relative_to(NBS)
        if place.parts[0] != "lessons" and not any(part.startswith(".") for part in place.parts):
            yield place.with_suffix("").as_posix()


def run_here(path):
    "Run a notebook in this process: whether every cell ran, and what was printed."
    printed = io.StringIO()
    sys.__stderr__ = printed  # where nbdev writes what went wrong
    with redirect_stdout(printed), redirect_stderr(printed):
        is_right, _ = run_cells(path)
    return is_right, printed.getvalue()


# What notebooks import from elsewhere, imported once: each notebook's process is forked from one
# that has it.
AT_HAND = ["fastai.vision.all", "ipywidgets", "nbdev.test", "nbformat", "pytest", "scipy.stats"]
AT_HAND += ["sklearn.linear_model", "sklearn.model_selection", "sklearn.neighbors"]


def run_alone(path):
    "The same, in a process of its own."
    if sys.platform == "win32":
        context = multiprocessing.get_context("spawn")
    else:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(AT_HAND)
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(run_here, path).result()


def notebook(name):
    "A notebook to be tested. (The process that has other libraries at hand takes long to start.)"
    seconds = SECONDS.get(name.split("_")[-1], 1)
    return pytest.param(name, marks=pytest.mark.slow(seconds=seconds))


@pytest.mark.parametrize("name", [notebook(name) for name in library_notebooks()])
def test_notebook(name):
    is_right, printed = run_alone(NBS / f"{name}.ipynb")
    assert is_right, printed


@pytest.mark.slow(seconds=1)
def test_an_assert_that_does_not_hold_is_noticed(tmp_path):
    cells = [nbformat.v4.new_code_cell(code) for code in ("n = 1", "assert n == 2")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "wrong.ipynb")
    is_right, printed = run_alone(tmp_path / "wrong.ipynb")
    assert not is_right
    assert "AssertionError" in printed and "Cell #2" in printed
