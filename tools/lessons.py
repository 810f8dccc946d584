"""Write docs/lessons: every lesson as it looks when it has run on the simulated films, as Markdown.

A code host shows these pages by itself, and the site is made from them. What the cells gave stands
between two marks, so a page whose words alone have changed is written anew without running
anything: `make docs` does that. `make site` runs a lesson whose code has changed, or which has not
run since the library or the films have.
"""

import html
import os
import posixpath
import re
import shutil
import sys
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from io import BytesIO
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, Tag
from papermill.exceptions import PapermillExecutionError
from PIL import Image

from docs import digest, digests_in, library_digest
from pages import (
    LessonError,
    as_begun,
    asked_in,
    execute,
    is_ours,
    is_widget,
    plain,
    without_buttons,
)

HERE = Path(__file__).resolve().parents[1]
LESSONS = HERE / "nbs/lessons"
COPIES = HERE / "docs/lessons"
EXECUTED = HERE / "build/lessons"  # the executed notebooks, pictures as they were drawn

QUALITY = 80  # of a WebP picture, 0 to 100
WIDEST = 1600  # pixels of a picture: twice what a page shows
LARGEST = 1_500_000  # bytes of a lesson with its pictures

OPENING = "<!-- output {} -->"
CLOSING = "<!-- /output -->"
IN_MARKS = re.compile(r"<!-- output (\d+) -->\n(.*?)\n?<!-- /output -->", re.DOTALL)


def all_lessons() -> list[Path]:
    "The notebooks of the lessons, in their order."
    return sorted(LESSONS.glob("[0-9]*.ipynb"))


def copy_of(lesson: Path) -> Path:
    "Where the executed copy of a lesson stands."
    return COPIES / f"{lesson.stem}.md"


# --- what an executed copy depends on ------------------------------------------------------------


ADDRESS = re.compile(r"# address: [\w-]+\n.*?# /address", re.DOTALL)


def code_digest(lesson: Path) -> str:
    "Of what the cells of a lesson do; where the library is fetched from makes no difference."
    cells = nbformat.read(lesson, as_version=4).cells
    code = [ADDRESS.sub("", cell.source) for cell in cells if cell.cell_type == "code"]
    return digest([source.encode() for source in code])


OUTPUTS = re.compile(r"^<!-- outputs: ([0-9a-f]{16}) -->$", re.MULTILINE)


def outputs_digest(outputs: dict[int, str], pictures: Path) -> str:
    "Of what the cells gave: the texts and the pictures."
    texts = [f"{place}\n{text}".encode() for place, text in sorted(outputs.items())]
    for file in sorted(pictures.rglob("*.webp")):
        texts += [file.name.encode(), file.read_bytes()]
    return digest(texts)


def all_digests_in(copy: Path) -> dict[str, str]:
    "The digests that an executed copy was written with, in their order."
    found = digests_in(copy)
    if copy.exists():
        written = OUTPUTS.search(copy.read_text(encoding="utf-8"))
        found |= dict(outputs=written[1]) if written else {}
    return found


def has_its_outputs(copy: Path) -> bool:
    "Whether a copy and its pictures show what the cells gave, and nobody has changed them since."
    if not copy.exists():
        return False
    found = outputs_digest(outputs_in(copy), copy.with_suffix(""))
    return all_digests_in(copy).get("outputs") == found


def must_run(lesson: Path) -> bool:
    "Whether what an executed copy shows may no longer be what its cells give."
    wanted = dict(code=code_digest(lesson), library=library_digest())
    copy = copy_of(lesson)
    return digests_in(copy) != wanted or not has_its_outputs(copy)


# --- running -------------------------------------------------------------------------------------


def parameters_of(lesson: Path) -> dict:
    "The values a lesson runs with: its own, on the simulated films."
    cells = nbformat.read(lesson, as_version=4).cells
    source = next(c.source for c in cells if "parameters" in c.metadata.get("tags", []))
    return dict(films="simulated") if re.search(r"^films = ", source, re.MULTILINE) else {}


def run_lesson(lesson: Path, folder: Path = EXECUTED) -> Path:
    "Run a lesson in a folder of its own; returns the executed notebook. Raises LessonError."
    place = folder / lesson.stem
    shutil.rmtree(place, ignore_errors=True)  # what an earlier run has left
    place.mkdir(parents=True)
    started = time.time()
    try:
        execute(lesson, place / lesson.name, parameters_of(lesson))
    except PapermillExecutionError as error:
        cell = f"{lesson.name} stopped at its cell [{error.exec_count}]"
        raise LessonError(f"{cell}: {error.ename}: {error.evalue}") from None
    print(f"{lesson.name}: ran in {time.time() - started:.0f} s", flush=True)
    return place / lesson.name


def run_lessons(lessons: list[Path], folder: Path = EXECUTED) -> Iterator[tuple[Path, Future]]:
    """Run lessons, each in a process and a folder of its own; yields each as soon as it has run.

    As many at a time as there are processors, four at most: each takes about 2 GB of memory."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.pop("RSNA_CLS_DATA", None)  # no other films can get into a page
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
        running = {pool.submit(run_lesson, lesson, folder): lesson for lesson in lessons}
        for done in as_completed(running):
            yield running[done], done


# --- what a cell gave, as Markdown ---------------------------------------------------------------


def without_progress(text: str) -> str:
    "What a terminal shows in the end: a carriage return starts the line again."
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in text.split("\n")]
    return "\n".join(lines).strip("\n")


def without_paths(text: str, folder: Path) -> str:
    "A text that does not say where the lesson ran."
    for place in (f"{folder}{os.sep}", f"{HERE}{os.sep}"):
        text = text.replace(place, "")
    # A folder that is new for each run has another name each time
    new_folder = re.escape(f"{tempfile.gettempdir()}{os.sep}tmp") + r"\w+"
    return re.sub(new_folder, "…", text)


def save_picture(png: bytes, file: Path) -> None:
    "Write a picture as WebP, no wider than `WIDEST`."
    with Image.open(BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    if picture.width > WIDEST:
        height = round(picture.height * WIDEST / picture.width)
        picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file, quality=QUALITY, method=6)


def as_table(markup: str) -> str:
    "The tables of pandas, each in one line and without its style."
    tables = plain(markup).find_all("table")
    return "\n\n".join(re.sub(r">\s+<", "><", str(table)) for table in tables)


def in_fence(text: str, language: str) -> str:
    "A text as a block of code, between more backticks than it has itself."
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def escaped(words: str) -> str:
    "A text in which Markdown finds nothing to do."
    return re.sub(r"([\\\[\]`*_<>$&])", r"\\\1", words)


def in_brackets(words: str) -> str:
    "A text that may stand as the words of a Markdown picture."
    return escaped(" ".join(words.split()))


def as_markdown(output: nbformat.NotebookNode, picture: Path, folder: Path) -> str:
    "One output as Markdown; a picture is saved, and its name ends as `picture` does."
    if output.output_type == "error":
        raise LessonError(f"{folder.name}: a cell failed: {output.ename}: {output.evalue}")
    if output.output_type == "stream":
        if output.name == "stderr":
            raise LessonError(f"{folder.name}: a cell warned: {output.text[:200]}")
        text = without_paths(without_progress(output.text), folder)
        return in_fence(text, "text") if text else ""
    data = output.data
    if "image/png" in data:
        words = BeautifulSoup(data.get("text/html", ""), "html.parser").find("img")
        if words is None or not words.get("alt", "").strip():
            raise LessonError(f"{folder.name}: a picture without alternative text")
        save_picture(b64decode(data["image/png"]), picture)
        return f"![{in_brackets(words['alt'])}]({picture.parent.name}/{picture.name})"
    if "<table" in data.get("text/html", ""):
        return as_table(without_paths(data["text/html"], folder))
    return in_fence(without_paths(data["text/plain"], folder), "text")


# --- what stands in the place of controls, as Markdown --------------------------------------------

MARKS = {"b": "**", "strong": "**", "em": "*", "i": "*", "code": "", "span": ""}  # around words
PARTS = {"div", "p", "br", "figure", "figcaption"}  # what begins a paragraph


def save_pictures(soup: BeautifulSoup, picture: Path, lesson: str) -> None:
    "Save the pictures of a widget: the first beside `picture` ends in _1, the next in _2."
    for number, image in enumerate(soup.find_all("img"), start=1):
        if not image.get("alt", "").strip():
            raise LessonError(f"{lesson}: a picture without alternative text")
        start, _, data = image.get("src", "").partition(";base64,")
        if not start.startswith("data:image/"):
            raise LessonError(f"{lesson}: a widget shows a picture that is not in the notebook")
        file = picture.with_stem(f"{picture.stem}_{number}")
        save_picture(b64decode(data), file)
        image["src"] = f"{file.parent.name}/{file.name}"


def in_a_line(node: Tag | str) -> str:
    "A piece of HTML as words of a Markdown paragraph."
    if not isinstance(node, Tag):
        return escaped(re.sub(r"\s+", " ", node))
    if node.name == "br":
        return " "
    if node.name not in MARKS:
        raise LessonError(f"a widget shows <{node.name}> in a line, which no page knows yet")
    words = "".join(in_a_line(child) for child in node.children)
    if not words.strip():
        return words
    # Spaces stand outside of the stars
    mark = MARKS[node.name]
    before, words, after = re.fullmatch(r"(\s*)(.*?)(\s*)", words, re.DOTALL).groups()
    return f"{before}{mark}{words}{mark}{after}"


def words_of_item(item: Tag) -> str:
    "What stands in an item of a list."
    return "".join(in_a_line(child) for child in item.children)


def as_paragraph(words: str) -> str:
    "Words that are no heading and no item of a list, whatever they begin with."
    words = re.sub(r"^([-+#])", r"\\\1", words.strip())
    return re.sub(r"^(\d+)([.)])", r"\1\\\2", words)


def blocks_of(tag: Tag) -> Iterator[str]:
    "The paragraphs, pictures, tables, lists and folds in a piece of HTML, as Markdown."
    words = ""
    for child in tag.children:
        # What belongs to the line is gathered until something else comes.
        if not isinstance(child, Tag) or child.name in MARKS:
            words += in_a_line(child)
            continue
        yield as_paragraph(words)
        words = ""

        if child.name == "img":
            yield f"![{in_brackets(child['alt'])}]({child['src']})"
        elif child.name == "table":
            yield as_table(str(child))
        elif child.name == "ul":
            items = [as_paragraph(words_of_item(item)) for item in child.find_all("li")]
            yield "\n".join(f"- {item}" for item in items)
        elif child.name == "details":
            summary = child.summary.extract()
            yield f"<details>{summary}\n\n{from_html(child)}\n\n</details>"
        elif child.name in PARTS:
            yield from blocks_of(child)
        else:
            raise LessonError(f"a widget shows <{child.name}>, which no page knows yet")
    yield as_paragraph(words)


def from_html(tag: Tag) -> str:
    "Plain HTML as Markdown."
    return "\n\n".join(block for block in blocks_of(tag) if block)


def controls_as_markdown(markup: str, picture: Path, folder: Path) -> str:
    "What stands in the place of controls; pictures are saved, and named like `picture`."
    soup = BeautifulSoup(markup, "html.parser")
    save_pictures(soup, picture, folder.name)
    return without_paths(from_html(soup), folder)


def outputs_of(executed: Path, pictures: Path) -> dict[int, str]:
    "What each code cell of an executed notebook gave, by its place among the lesson's code cells."
    notebook = nbformat.read(executed, as_version=4)
    cells = [c for c in notebook.cells if c.cell_type == "code" and not is_ours(c)]
    folder = executed.parent
    found = {}
    for place, cell in enumerate(cells):
        parts = []
        for number, output in enumerate(joined(cell.outputs), start=1):
            picture = pictures / f"{place + 1:02}_{number}.webp"
            if is_widget(output):
                markup = as_begun(cell, output, notebook)
                parts.append(controls_as_markdown(markup, picture, folder))
            else:
                parts.append(as_markdown(output, picture, folder))
        text = "\n\n".join(part for part in parts if part)
        if text:
            found[place] = text
    return found


def joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    "Outputs in which what was printed bit by bit is one."
    found: list[nbformat.NotebookNode] = []
    for output in outputs:
        last = found[-1] if found else None
        is_stream = output.output_type == "stream"
        if is_stream and last is not None and last.get("name") == output.name:
            last.text += output.text
        else:
            found.append(output)
    return found


# --- a lesson as a page --------------------------------------------------------------------------

# A link from one lesson to another.
TO_LESSON = re.compile(r"(\]\(|href=\")(\d\d_\w+)\.ipynb")
MARK = re.compile(r"^<!-- /?address.*-->\n?", re.MULTILINE)


SET_UP = "# @title Set up"
FORM = re.compile(r"# @title (.*?) *(\{.*)?\n")  # the first line of a form, for Colab


def as_code(cell: nbformat.NotebookNode) -> str:
    "A code cell; folded where it teaches nothing, and where it is a form: a page cannot change it."
    title = FORM.match(cell.source)
    block = in_fence(FORM.sub("", cell.source), "python")
    if not title and not cell.metadata.get("jupyter", {}).get("source_hidden"):
        return block
    name = html.escape(title[1]) if title else "not needed to follow the lesson"
    return f"<details><summary>Code: {name}</summary>\n\n{block}\n\n</details>"


def page_of(lesson: Path, outputs: dict[int, str], digests: dict[str, str]) -> str:
    "The executed copy of a lesson: its words and code, and what its cells gave."
    notebook = nbformat.read(lesson, as_version=4)
    there = posixpath.relpath(lesson.relative_to(HERE).as_posix(), "docs/lessons")
    marks = [f"<!-- {name}: {value} -->" for name, value in digests.items()]
    note = (
        f"*This is how the lesson looks when it has run, on simulated films. Folded code may be "
        f"skipped. To run the lesson yourself, [begin here](../../README.md#start), and open "
        f"[the notebook]({there}).*"
    )
    parts = ["\n".join([f"<!-- made from {there} by `make site`: change it there -->", *marks])]
    place = -1
    is_asked = False  # whether the last code cell has asked a question
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = TO_LESSON.sub(r"\1\2.md", cell.source)
            if text.startswith("<!-- address"):  # the badge: it belongs to the notebook
                continue
            if is_asked:
                text = without_buttons(text)
            if not text:
                continue
            parts.append(MARK.sub("", text).strip())
            if text.startswith("# "):
                parts.append(note)
            continue
        place += 1
        is_asked = place in outputs and asked_in(cell.source, lesson.stem) is not None
        is_set_up = cell.source.startswith(SET_UP)  # it fetches the library, and is of no use here
        if not is_set_up and not is_asked:  # the code of a question would tell the answer
            parts.append(as_code(cell))
        if place in outputs:
            parts.append(f"{OPENING.format(place)}\n{outputs[place]}\n{CLOSING}")
    return "\n\n".join(parts) + "\n"


def outputs_in(copy: Path) -> dict[int, str]:
    "What each cell gave, as an executed copy has it."
    found = IN_MARKS.findall(copy.read_text(encoding="utf-8"))
    return {int(place): text for place, text in found}


def stale() -> list[Path]:
    "The executed copies that are not what their lessons say and do today."
    found = []
    for lesson in all_lessons():
        copy = copy_of(lesson)
        has_todays_code = digests_in(copy).get("code") == code_digest(lesson)
        is_whole = has_todays_code and has_its_outputs(copy)
        if not is_whole or copy.read_text(encoding="utf-8") != words_of(lesson):
            found.append(copy)
    return found


def write_copy(lesson: Path, executed: Path) -> None:
    "Write the executed copy of a lesson that has just run, whole or not at all."
    copy = copy_of(lesson)
    pictures = copy.with_suffix("")
    digests = dict(code=code_digest(lesson), library=library_digest())
    with tempfile.TemporaryDirectory() as name:
        new = Path(name, pictures.name)
        new.mkdir()
        outputs = outputs_of(executed, new)
        digests["outputs"] = outputs_digest(outputs, new)
        text = page_of(lesson, outputs, digests)
        size = len(text.encode()) + sum(file.stat().st_size for file in new.iterdir())
        if size > LARGEST:
            raise LessonError(f"{copy.name} has {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.1f}")
        shutil.rmtree(pictures, ignore_errors=True)
        shutil.copytree(new, pictures)
    copy.write_text(text, encoding="utf-8", newline="\n")


def words_of(lesson: Path) -> str:
    "An executed copy with today's words, and with what its cells gave when they ran."
    copy = copy_of(lesson)
    return page_of(lesson, outputs_in(copy), all_digests_in(copy))


def write_words() -> None:
    "Write the executed copies anew whose code has not changed, with today's words."
    for lesson in all_lessons():
        copy = copy_of(lesson)
        if digests_in(copy).get("code") != code_digest(lesson):
            continue
        if has_its_outputs(copy):
            copy.write_text(words_of(lesson), encoding="utf-8", newline="\n")
        else:
            print(f"{copy.name} is left alone: its outputs or pictures were changed. make site")


def refresh() -> None:
    "Run the lessons that have to run, and write all executed copies; raises LessonError."
    waiting = [lesson for lesson in all_lessons() if must_run(lesson)]
    failures = []
    if waiting:
        print(f"Running {len(waiting)} lessons on simulated films …", flush=True)
    for lesson, done in run_lessons(waiting):
        try:
            write_copy(lesson, done.result())
        except LessonError as failure:
            failures.append(str(failure))
    write_words()
    if failures:
        raise LessonError("\n".join(failures))


if __name__ == "__main__":
    try:
        write_words()
    except LessonError as problem:
        sys.exit(f"make docs: {problem}")
