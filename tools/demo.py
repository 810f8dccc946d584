"""Run lesson 01 from top to bottom, and write build/01_first_classifier.html and build/demo.json.

`make demo` runs it. The films are those that fetch_data("auto") finds; `--seed`, `--size`, `--films` and `--weights` set the lesson's parameters."""

import json
import os
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

import nbformat
import papermill
from nbconvert import HTMLExporter

HERE = Path(__file__).resolve().parents[1]
LESSON = HERE / "nbs/lessons/01_first_classifier.ipynb"

# What the lesson's own variables say at its end; run in the lesson's kernel, and not kept in the page.
REPORT = """
import json, os
from pathlib import Path
from rsna_cls import cache_folder, embedded_films
from rsna_cls import score
def _right(table):
    row = score(table, positive='chest').table.iloc[0]
    return dict(k=int(row['k']), n=int(row['n']), low=float(row['low']), high=float(row['high']))
_source = {embedded_films(): 'simulated', cache_folder()/'rsna': 'rsna'}.get(path) or Path(os.environ.get('RSNA_CLS_DATA') or path).name
_first = surprises.assign(first=[Path(f).stem != 'elbow' for f in surprises['file']]).sort_values('first', kind='stable').iloc[0]
_report = dict(films=_source, weights=str(weights), seed=seed, size=size, validation=_right(validation), test=_right(test),
               surprise=dict(file=Path(_first['file']).name, prediction=_first['prediction'], p=float(_first[_first['prediction']])))
Path(REPORT_FILE).write_text(json.dumps(_report))
"""


def run(build: Path, parameters: dict) -> dict:
    "Run the lesson, write its page, and return what it reports."
    build.mkdir(parents=True, exist_ok=True)
    source, done, part = (
        build / "lesson.ipynb",
        build / "01_first_classifier.ipynb",
        build / "report.part",
    )
    nb = nbformat.read(LESSON, as_version=4)
    nb.cells.append(
        nbformat.v4.new_code_cell(
            f"REPORT_FILE = {str(part)!r}\n{REPORT}", metadata={"tags": ["report"]}
        )
    )
    nbformat.write(nb, source)
    if os.environ.get("RSNA_CLS_DATA"):  # the lesson runs in the build folder
        os.environ["RSNA_CLS_DATA"] = str(Path(os.environ["RSNA_CLS_DATA"]).expanduser().resolve())
    started = time.time()
    try:
        papermill.execute_notebook(
            source,
            done,
            parameters,
            kernel_name="python3",
            cwd=str(build),
            progress_bar=sys.stderr.isatty(),
            log_output=False,
            extra_arguments=["--IPKernelApp.log_level=40"],
        )
    finally:
        source.unlink()
    report = json.loads(part.read_text()) | {"seconds": round(time.time() - started)}
    part.unlink()
    write_page(done)
    (build / "demo.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def write_page(done: Path):
    "The executed lesson as one HTML file, without the cells that are ours."
    nb = nbformat.read(done, as_version=4)
    nb.cells = [
        c
        for c in nb.cells
        if not {"report", "injected-parameters"} & set(c.metadata.get("tags", []))
    ]
    nb.metadata.pop("widgets", None)
    for out in [
        o
        for c in nb.cells
        for o in c.get("outputs", [])
        if o.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    ]:
        out["data"] = {"text/html": "<em>(Controls stand here when the notebook runs.)</em>"}
    nbformat.write(nb, done)
    exporter = HTMLExporter(template_name="lab")
    exporter.register_preprocessor(
        "nbconvert.preprocessors.CoalesceStreamsPreprocessor", enabled=True
    )  # progress bars leave one line
    page = exporter.from_notebook_node(nb)[0].replace(
        "</head>", "<style>main {max-width: 1000px; margin: auto}</style></head>", 1
    )
    done.with_suffix(".html").write_text(page, encoding="utf-8")


def last_line(r: dict) -> str:
    "What the run comes to, in one line."

    def share(s):
        return f"{s['k']}/{s['n']} [{100 * s['low']:.0f}–{100 * s['high']:.0f} %]"

    return (
        f"demo: films={r['films']} weights={r['weights']} val={share(r['validation'])} test={share(r['test'])} "
        f"surprise={r['surprise']['prediction']} {r['surprise']['p']:.2f} seconds={r['seconds']}"
    )


if __name__ == "__main__":
    ask = ArgumentParser(description=__doc__.split("\n")[0])
    for name, kind in dict(films=str, weights=str, size=int, seed=int).items():
        ask.add_argument(f"--{name}", type=kind)
    ask.add_argument("--build", type=Path, default=HERE / "build")
    given = vars(ask.parse_args())
    build = given.pop("build").resolve()
    print(
        f"Running {LESSON.relative_to(HERE)}: about two minutes on a laptop's processor …",
        flush=True,
    )
    report = run(build, {k: v for k, v in given.items() if v is not None})
    print(f"The lesson with its results: {build / '01_first_classifier.html'}")
    print(last_line(report))
