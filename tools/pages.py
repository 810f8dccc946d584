"""Run a notebook, and write what it shows as one HTML page that asks no other machine for anything.

The look is nbconvert's; docs/site/template says what is different.
"""

import sys
from pathlib import Path

import nbformat
import papermill
from nbconvert import HTMLExporter

HERE = Path(__file__).resolve().parents[1]
TEMPLATE = HERE / "docs/site/template"

CONTROLS = "<em>(Controls stand here when the notebook runs.)</em>"


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


def as_read(notebook: nbformat.NotebookNode) -> None:
    "Take out the cells that are ours, and put a sentence where a page has no controls."
    ours = {"report", "injected-parameters"}
    notebook.cells = [c for c in notebook.cells if not ours & set(c.metadata.get("tags", []))]
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                output["data"] = {"text/html": CONTROLS}


def as_html(notebook: nbformat.NotebookNode, title: str, site: dict | None = None) -> str:
    "A notebook as a page; `site` has what the template says above and below it."
    exporter = HTMLExporter(
        template_name=TEMPLATE.name,
        extra_template_basedirs=[str(TEMPLATE.parent)],
        exclude_anchor_links=True,
    )
    coalesce = "nbconvert.preprocessors.CoalesceStreamsPreprocessor"
    exporter.register_preprocessor(coalesce, enabled=True)  # a progress bar leaves one line
    resources = {"metadata": {"name": title}, "site": site}
    page, _ = exporter.from_notebook_node(notebook, resources=resources)
    return page


def title_of(notebook: nbformat.NotebookNode) -> str:
    "A notebook's first heading."
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    lines = "\n".join(prose).split("\n")
    return next(line.removeprefix("# ") for line in lines if line.startswith("# "))
