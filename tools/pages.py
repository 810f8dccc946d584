"""Run a notebook, and write what it shows as one HTML page that asks no other machine for anything.

The look is nbconvert's; tools/template says what is different. A page has no controls. What stands
in their place is said here, for this page and for docs/lessons (tools/lessons.py).
"""

import ast
import html
import re
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import nbformat
import papermill
from bs4 import BeautifulSoup, Comment
from IPython.core.inputtransformer2 import TransformerManager
from nbconvert import HTMLExporter
from nbconvert.preprocessors import TagRemovePreprocessor

HERE = Path(__file__).resolve().parents[1]
TEMPLATE = HERE / "tools/template"


class LessonError(ValueError):
    "A lesson that cannot be shown; says why."


# --- running -------------------------------------------------------------------------------------


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


# --- questions -----------------------------------------------------------------------------------


class Question(NamedTuple):
    "What a lesson asks with `quiz`."

    words: str
    options: Sequence[str]
    answer: str  # the right one
    why: str  # the reason


def calls_quiz(source: str) -> bool:
    "Whether a code cell calls `quiz`, wherever in it and by whatever name of a module."
    code = ast.parse(TransformerManager().transform_cell(source))  # without Jupyter's own commands
    called = [node.func for node in ast.walk(code) if isinstance(node, ast.Call)]
    names = [getattr(function, "id", getattr(function, "attr", "")) for function in called]
    return "quiz" in names


def asked_in(source: str, lesson: str) -> Question | None:
    "What a code cell asks with `quiz`; None where it does not ask. Raises LessonError."
    if not calls_quiz(source):
        return None
    calls: list[Question | None] = []

    # Stands in for the `quiz` of the library: the right answer is not in the state of its widget.
    def quiz(
        question: str, options: Sequence[str], answer: str, why: str, choice: str | None = None
    ) -> None:
        # With a choice it gives a verdict, and asks nothing.
        is_asked = choice is None
        calls.append(Question(question, options, answer, why) if is_asked else None)

    try:
        exec(source, {"quiz": quiz})
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise LessonError(
            f"{lesson}: a cell with a quiz has to run without the cells before it ({problem})"
        ) from None
    if not calls:
        raise LessonError(f"{lesson}: import quiz by its name, in a cell before the one that asks")
    if len(calls) > 1:
        raise LessonError(f"{lesson}: a cell asks more than one question with quiz")
    (question,) = calls
    if question is not None and question.answer not in question.options:
        raise LessonError(f"{lesson}: the answer {question.answer!r} is not among the options")
    return question


def question_html(question: Question) -> str:
    "A question with its options; the answer and its reason are folded."
    answer = html.escape(question.answer.removesuffix("."))
    return (
        f"<p><b>{html.escape(question.words)}</b></p>{options_html(question.options)}"
        "<details><summary>The answer</summary>"
        f"<p><b>{answer}.</b> {html.escape(question.why)}</p></details>"
    )


def options_html(options: Sequence[str]) -> str:
    "Answers to choose from, as a list."
    items = "".join(f"<li>{html.escape(option)}</li>" for option in options)
    return f"<ul>{items}</ul>"


# A fold that has nothing in it but a call of `quiz`: a page has no use for it.
WITHOUT_BUTTONS = re.compile(
    r"<details>\s*<summary>Without buttons</summary>\s*"
    r"```python\s+quiz\((?:(?!```).)*```\s*</details>",
    re.DOTALL,
)


def without_buttons(words: str) -> str:
    "The words below a question, without the call that asks it where there are no buttons."
    return WITHOUT_BUTTONS.sub("", words).strip()


# --- controls as they begin ----------------------------------------------------------------------

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"

CONTROLS = "Controls stand here when the notebook runs."
CHOICE = "When the notebook runs, you choose an answer here"

KEPT = ("alt", "src", "width", "colspan", "rowspan")  # attributes that say something to a reader


def is_widget(output: nbformat.NotebookNode) -> bool:
    "Whether an output is a widget."
    return VIEW in output.get("data", {})


def models_of(notebook: nbformat.NotebookNode) -> dict[str, dict]:
    "The widgets of an executed notebook, as Jupyter stores them: each by its number."
    return notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})


def parts_of(number: str, models: dict[str, dict]) -> Iterator[dict]:
    "What a widget is made of, in the order of the screen; nothing where it was not stored."
    if number not in models:
        return
    children = models[number]["state"].get("children", [])
    for child in children:
        yield from parts_of(child.removeprefix("IPY_MODEL_"), models)
    if not children:
        yield models[number]


def plain(markup: str) -> BeautifulSoup:
    "HTML without styles, scripts and comments; tables have headers that a screen reader can name."
    soup = BeautifulSoup(markup, "html.parser")
    for tag in soup.find_all(["style", "script"]):
        tag.decompose()
    for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for tag in soup.find_all(True):
        tag.attrs = {name: tag[name] for name in KEPT if tag.has_attr(name)}
    for header in soup.find_all("th"):
        header["scope"] = "col" if header.find_parent("thead") else "row"
    return soup


def value_in_words(value: object) -> str:
    "The value of a control."
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, float):
        return f"{value:,.7g}".replace("-", "−")
    if isinstance(value, list | tuple):
        return ", ".join(value_in_words(one) for one in value)
    return str(value)


def setting_of(state: dict) -> str:
    "The name of a control and the value that it begins with; nothing where it has no name."
    value = state.get("value")
    if "_options_labels" in state:  # of a menu, what is read; one from which several are chosen
        index = state.get("index")
        chosen = index if isinstance(index, list | tuple) else [index]
        value = [state["_options_labels"][place] for place in chosen if place is not None]
    if not state.get("description") or value in (None, "", []):
        return ""
    return f"{state['description']}: {value_in_words(value)}"


def widget_html(number: str, models: dict[str, dict]) -> str:
    "A widget before anybody has touched it: its controls in a line, its pictures and its words."
    settings = []
    buttons = []
    shown = []
    has_options = False
    for part in parts_of(number, models):
        state = part["state"]
        if part["model_name"] == "HTMLModel":
            shown.append(str(plain(state.get("value", ""))))
        elif part["model_name"] == "RadioButtonsModel":
            shown.append(options_html(state.get("_options_labels", [])))
            has_options = True
        elif part["model_name"] == "ButtonModel":
            buttons.append(state.get("description", ""))
        else:
            settings.append(setting_of(state))

    named = "; ".join(setting for setting in settings if setting)
    begin = f" They begin with {html.escape(named)}." if named else ""
    if settings or not has_options:
        shown.insert(0, f"<p><em>{CONTROLS}{begin}</em></p>")
    if has_options:
        onward = "".join(f", and go on with “{html.escape(button)}”" for button in buttons[:1])
        shown.append(f"<p><em>{CHOICE}{onward}.</em></p>")
    return "".join(shown)


def as_begun(
    cell: nbformat.NotebookNode, output: nbformat.NotebookNode, notebook: nbformat.NotebookNode
) -> str:
    "What a page shows in the place of a widget, as plain HTML. Raises LessonError."
    question = asked_in(cell.source, title_of(notebook))
    if question is not None:
        return question_html(question)
    return widget_html(output.data[VIEW].get("model_id", ""), models_of(notebook))


# --- a page --------------------------------------------------------------------------------------


def as_read(notebook: nbformat.NotebookNode) -> None:
    "Take out the cells that are ours, and put what can be read in the place of controls."
    notebook.cells = [cell for cell in notebook.cells if not is_ours(cell)]
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if is_widget(output):
                output["data"] = {"text/html": as_begun(cell, output, notebook)}
    notebook.metadata.pop("widgets", None)


ASKED = "asked"  # tag of a cell whose code would tell the answer


def without_answers(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    "A notebook in which no code tells the answer to a question above it."
    found = deepcopy(notebook)
    is_asked = False
    for cell in found.cells:
        if cell.cell_type == "code":
            is_asked = bool(cell.outputs and asked_in(cell.source, title_of(notebook)))
            if is_asked:
                cell.metadata["tags"] = [*cell.metadata.get("tags", []), ASKED]
        elif is_asked:
            cell.source = without_buttons(cell.source)
    found.cells = [cell for cell in found.cells if cell.source]
    return found


def as_html(notebook: nbformat.NotebookNode, title: str) -> str:
    "A notebook as a page."
    exporter = HTMLExporter(
        template_name=TEMPLATE.name,
        extra_template_basedirs=[str(TEMPLATE.parent)],
        exclude_anchor_links=True,
    )
    coalesce = "nbconvert.preprocessors.CoalesceStreamsPreprocessor"
    exporter.register_preprocessor(coalesce, enabled=True)  # a progress bar leaves one line
    remove = TagRemovePreprocessor(enabled=True, remove_input_tags={ASKED})
    exporter.register_preprocessor(remove, enabled=True)
    resources = {"metadata": {"name": title}}
    page, _ = exporter.from_notebook_node(without_answers(notebook), resources=resources)
    return page


def title_of(notebook: nbformat.NotebookNode) -> str:
    "A notebook's first heading."
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    lines = "\n".join(prose).split("\n")
    return next(line.removeprefix("# ") for line in lines if line.startswith("# "))
