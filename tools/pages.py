"""Run a notebook, and write what it shows as one HTML page that asks no other machine for anything.

The look is nbconvert's; tools/template says what is different.
"""

import sys
from pathlib import Path

import nbformat
import papermill
from nbconvert import HTMLExporter

HERE = Path(__file__).resolve().parents[1]
TEMPLATE = HERE / "tools/template"

CONTROLS = "(Controls stand here when the notebook runs.)"


def execute(notebook: Path, executed: Path, parameters: dict) -> None:
    "Run a notebook in the folder of the executed one, with these values in its parameters cell."
    # A kernel that is shut down while it is still at work logs the interruption as an error (40).
    # What goes wrong in a cell is raised here, whatever the kernel logs.
    papermill.execute_notebook(
        notebook,
        executed,
        parameters,
        kernel_name="python3",
        cwd=str(executed.parent),
        progress_bar=sys.stderr.isatty(),
        log_output=False,
        extra_arguments=["--IPKernelApp.log_level=50"],
    )


def is_ours(cell: nbformat.NotebookNode) -> bool:
    "Whether a cell was put into a lesson by us or by papermill, and is not the lesson's own."
    return bool({"report", "injected-parameters"} & set(cell.metadata.get("tags", [])))


def as_read(notebook: nbformat.NotebookNode) -> None:
    "Take out the cells that are ours, and put a sentence where a page has no controls."
    notebook.cells = [cell for cell in notebook.cells if not is_ours(cell)]
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                output["data"] = {"text/html": f"<em>{CONTROLS}</em>"}


def as_html(notebook: nbformat.NotebookNode, title: str) -> str:
    "A notebook as a page."
    exporter = HTMLExporter(
        template_name=TEMPLATE.name,
        extra_template_basedirs=[str(TEMPLATE.parent)],
        exclude_anchor_links=True,
    )
    coalesce = "nbconvert.preprocessors.CoalesceStreamsPreprocessor"
    exporter.register_preprocessor(coalesce, enabled=True)  # a progress bar leaves one line
    resources = {"metadata": {"name": title}}
    page, _ = exporter.from_notebook_node(notebook, resources=resources)
    return page


def title_of(notebook: nbformat.NotebookNode) -> str:
    "A notebook's first heading."
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    lines = "\n".join(prose).split("\n")
    return next(line.removeprefix("# ") for line in lines if line.startswith("# "))
