"""Run lesson 01 from top to bottom, and write build/01_first_classifier.html and build/demo.json.

`make demo` runs it. The films are those that fetch_data("auto") finds; `--films`, `--weights`,
`--size` and `--seed` set the lesson's parameters.
"""

import json
import os
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

import nbformat
from papermill.exceptions import PapermillExecutionError

from pages import LessonError, as_html, as_read, execute, title_of

HERE = Path(__file__).resolve().parents[1]
LESSON = HERE / "nbs/lessons/01_first_classifier.ipynb"
PAGE = "01_first_classifier.html"

# Runs in the lesson's kernel after its last cell, and says what the lesson's variables hold.
# REPORT_FILE is set in front of it. It is not kept in the page.
REPORT = """
import json, os
from pathlib import Path
from rsna_cls import cache_folder, embedded_films, score

def right(table):
    accuracy = score(table, positive="chest").table.iloc[0]
    counts = dict(k=int(accuracy["k"]), n=int(accuracy["n"]))
    return counts | dict(low=float(accuracy["low"]), high=float(accuracy["high"]))

def source():
    if path == embedded_films():
        return "simulated"
    if path.parent == cache_folder() and path.name.startswith("rsna-"):
        return "rsna"
    return Path(os.environ.get("RSNA_CLS_DATA") or path).name

def elbow_or_first():
    is_elbow = [Path(file).stem == "elbow" for file in surprises["file"]]
    row = surprises[is_elbow].iloc[0] if any(is_elbow) else surprises.iloc[0]
    said = row["prediction"]
    return dict(file=Path(row["file"]).name, prediction=said, p=float(row[said]))

report = dict(
    films=source(),
    weights=str(weights),
    seed=seed,
    size=size,
    validation=right(validation),
    test=right(test),
    surprise=elbow_or_first(),
)
Path(REPORT_FILE).write_text(json.dumps(report))
"""


def with_report(lesson: Path, report_file: Path) -> nbformat.NotebookNode:
    "A lesson with a cell behind it that writes a report."
    notebook = nbformat.read(lesson, as_version=4)
    code = f"REPORT_FILE = {str(report_file)!r}\n{REPORT}"
    notebook.cells.append(nbformat.v4.new_code_cell(code, metadata={"tags": ["report"]}))
    return notebook


def run(build: Path, parameters: dict) -> dict:
    "Run the lesson, write its page, and return what it reports."
    build.mkdir(parents=True, exist_ok=True)
    source = build / "lesson.ipynb"
    executed = build / "01_first_classifier.ipynb"
    report_file = build / "report.part"
    nbformat.write(with_report(LESSON, report_file), source)

    # The lesson runs in the build folder, where a relative path would mean another place.
    if os.environ.get("RSNA_CLS_DATA"):
        os.environ["RSNA_CLS_DATA"] = str(Path(os.environ["RSNA_CLS_DATA"]).expanduser().resolve())

    started = time.time()
    try:
        execute(source, executed, parameters)
    finally:
        source.unlink()
    seconds = round(time.time() - started)

    report = json.loads(report_file.read_text(encoding="utf-8")) | dict(seconds=seconds)
    report_file.unlink()
    write_page(executed)
    (build / "demo.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def write_page(executed: Path) -> None:
    "The executed lesson as one HTML file beside it, without the cells that are ours."
    notebook = nbformat.read(executed, as_version=4)
    as_read(notebook)
    nbformat.write(notebook, executed)
    page = as_html(notebook, title_of(notebook))
    executed.with_suffix(".html").write_text(page, encoding="utf-8")


def last_line(report: dict) -> str:
    "What the run comes to, in one line."

    def share(right: dict) -> str:
        interval = f"{100 * right['low']:.0f}–{100 * right['high']:.0f} %"
        return f"{right['k']}/{right['n']} [{interval}]"

    surprise = report["surprise"]
    return (
        f"demo: films={report['films']} weights={report['weights']} "
        f"val={share(report['validation'])} test={share(report['test'])} "
        f"surprise={surprise['prediction']} {surprise['p']:.2f} seconds={report['seconds']}"
    )


def main() -> None:
    "The command line."
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--films")
    parser.add_argument("--weights")
    parser.add_argument("--size", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--build", type=Path, default=HERE / "build")
    given = vars(parser.parse_args())
    build = given.pop("build").resolve()
    parameters = {name: value for name, value in given.items() if value is not None}

    lesson = LESSON.relative_to(HERE)
    print(f"Running {lesson}: about three minutes on two processor cores …", flush=True)
    try:
        report = run(build, parameters)
    except PapermillExecutionError as error:
        print(f"{error.ename}: {error.evalue}", file=sys.stderr)
        executed = (build / PAGE).with_suffix(".ipynb")
        sys.exit(f"The lesson stopped at its cell [{error.exec_count}]: see {executed}")
    except LessonError as problem:
        sys.exit(f"No page was written: {problem}")
    except KeyboardInterrupt:
        sys.exit("Stopped before the end: no page was written.")
    print(f"The lesson with its results: {build / PAGE}")
    print(last_line(report))


if __name__ == "__main__":
    main()
