"Lessons as they look when they have run (docs/lessons): whole, small, and of today."

import base64
import importlib
import re
import sys
import tempfile
from functools import partial
from io import BytesIO

import nbformat
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from conftest import HERE

sys.path.insert(0, str(HERE / "tools"))
lessons = importlib.import_module("lessons")
v4 = nbformat.v4

COPIES = [lessons.copy_of(lesson) for lesson in lessons.all_lessons()]
PICTURE = re.compile(r"!\[((?:\\.|[^\]\\])*)\]\(([^)]+)\)")


# --- what is in the repository -------------------------------------------------------------------


def test_none_is_stale():
    "If this fails: make docs, or where code has changed, make site."
    assert lessons.stale() == []


def test_there_is_nothing_else():
    there = {path.name for path in lessons.COPIES.iterdir()}
    assert there == {name for copy in COPIES for name in (copy.name, copy.stem)}


@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: copy.stem)
class TestCopy:
    "One of the executed copies."

    def test_its_pictures_are_all_there_and_have_words(self, copy):
        shown = PICTURE.findall(copy.read_text(encoding="utf-8"))
        assert shown
        assert all(len(words) > 20 for words, _ in shown)
        there = {f"{copy.stem}/{file.name}" for file in copy.with_suffix("").iterdir()}
        assert {place for _, place in shown} == there

    def test_it_is_small(self, copy):
        files = [copy, *copy.with_suffix("").iterdir()]
        assert sum(file.stat().st_size for file in files) <= lessons.LARGEST == 1_500_000

    def test_no_picture_is_wider_than_twice_a_page(self, copy):
        for file in copy.with_suffix("").iterdir():
            with Image.open(file) as picture:
                assert picture.format == "WEBP"
                assert picture.width <= lessons.WIDEST

    def test_it_ran_on_simulated_films(self, copy):
        "A figure drawn over one of the others may not be passed on."
        lesson = lessons.LESSONS / f"{copy.stem}.ipynb"
        fetched = re.findall(r"^Films: .*$", copy.read_text(encoding="utf-8"), re.M)
        assert all("simulated" in line for line in fetched)
        assert fetched or not lessons.parameters_of(lesson)

    def test_it_does_not_say_where_it_ran(self, copy):
        for output in lessons.outputs_in(copy).values():
            assert not re.search(r"(?<![\w.])/(home|root|work|tmp|Users|build)/", output)

    def test_its_folded_parts_are_closed(self, copy):
        "A code host shows all that follows as folded, where one is not."
        text = re.sub(r"^```.*?^```", "", copy.read_text(encoding="utf-8"), flags=re.M | re.S)
        assert text.count("<details>") == text.count("</details>") > 5


# --- a lesson of our own -------------------------------------------------------------------------


def write_lesson(folder, *cells, name="09_tiny"):
    "Write a lesson: a title, the parameters cell, and these cells."
    parameters = v4.new_code_cell("films = 'auto'", metadata=dict(tags=["parameters"]))
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# 9 · Tiny"), parameters, *cells])
    notebook.metadata["kernelspec"] = dict(name="python3", language="python", display_name="")
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


@pytest.fixture
def places(tmp_path, monkeypatch):
    "A repository of our own, with no lesson yet."
    monkeypatch.setattr(lessons, "HERE", tmp_path)
    monkeypatch.setattr(lessons, "LESSONS", tmp_path / "nbs/lessons")
    monkeypatch.setattr(lessons, "COPIES", tmp_path / "docs/lessons")
    monkeypatch.setattr(lessons, "library_digest", lambda: "0123456789abcdef")
    return tmp_path


def png_of(width):
    "A grey PNG, as a notebook holds it."
    stream = BytesIO()
    Image.new("L", (width, 10), 128).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def executed_copy(places, lesson, *outputs):
    "The copy of a lesson whose last cell gave these outputs."
    notebook = nbformat.read(lesson, as_version=4)
    notebook.cells[-1].outputs = list(outputs)
    executed = places / "build/09_tiny/09_tiny.ipynb"
    executed.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, executed)
    lessons.write_copy(lesson, executed)
    return lessons.copy_of(lesson)


def printed(text, name="stdout"):
    return v4.new_output("stream", name=name, text=text)


def shown(data):
    return v4.new_output("display_data", data=data)


class TestWords:
    "A lesson whose words change is written anew without being run."

    @pytest.fixture
    def lesson(self, places):
        lesson = write_lesson(
            places / "nbs/lessons", v4.new_markdown_cell("Old."), v4.new_code_cell("print(1)")
        )
        executed_copy(places, lesson, printed("1\n"))
        return lesson

    def change(self, lesson, place, source):
        notebook = nbformat.read(lesson, as_version=4)
        notebook.cells[place].source = source
        nbformat.write(notebook, lesson)

    def test_nothing_has_changed(self, lesson):
        assert lessons.stale() == []
        assert not lessons.must_run(lesson)

    def test_words_have_changed(self, lesson):
        self.change(lesson, 2, "New.")
        assert lessons.stale() == [lessons.copy_of(lesson)]
        assert not lessons.must_run(lesson)
        lessons.write_words()
        assert lessons.stale() == []
        text = lessons.copy_of(lesson).read_text(encoding="utf-8")
        assert "New." in text
        assert "```text\n1\n```" in text

    def test_code_has_changed(self, lesson):
        self.change(lesson, 3, "print(2)")
        assert lessons.must_run(lesson)
        lessons.write_words()  # words alone do not mend it
        assert lessons.stale() == [lessons.copy_of(lesson)]

    def test_the_library_has_changed(self, lesson, monkeypatch):
        "It is run again by `make site`, but what it shows is not called stale: it may be the same."
        monkeypatch.setattr(lessons, "library_digest", lambda: "f" * 16)
        assert lessons.must_run(lesson)
        assert lessons.stale() == []

    def test_where_the_library_is_fetched_from_makes_no_difference(self, places):
        code = "# @title Set up\n# address: library\nlibrary = '{}'\n# /address\nprint(1)"
        first = write_lesson(places / "a", v4.new_code_cell(code.format("here")))
        second = write_lesson(places / "b", v4.new_code_cell(code.format("there")))
        assert lessons.code_digest(first) == lessons.code_digest(second)


class TestOutputs:
    "What a cell gave, as Markdown."

    @pytest.fixture
    def text(self, places):
        "What the page says where the cell gave something."

        def of(*outputs):
            lesson = write_lesson(places / "nbs/lessons", v4.new_code_cell("x"))
            return lessons.outputs_in(executed_copy(places, lesson, *outputs)).get(1)

        return of

    def test_what_was_printed_bit_by_bit_is_one(self, text):
        assert text(printed("a\n"), printed("b\n")) == "```text\na\nb\n```"

    def test_backticks_do_not_end_it(self, text):
        assert text(printed("a\n```\nb\n")) == "````text\na\n```\nb\n````"

    def test_a_progress_bar_that_has_gone_leaves_nothing(self, text):
        bar = "\rtraining:  50%|██  | 1/2\rtraining: 100%|████| 2/2\r                 \r"
        assert text(printed(bar + "done\n")) == "```text\ndone\n```"
        assert text(printed(bar)) is None

    def test_a_picture_is_small_and_keeps_its_words(self, text, places):
        words = 'A [chest] & "an elbow"'
        html = '<img alt="A [chest] &amp; &quot;an elbow&quot;" src="data:">'
        found = text(shown({"image/png": png_of(3000), "text/html": html, "text/plain": "x"}))
        assert found == r'![A \[chest\] & "an elbow"](09_tiny/02_1.webp)'
        assert PICTURE.fullmatch(found)[1].replace("\\", "") == words
        with Image.open(places / "docs/lessons/09_tiny/02_1.webp") as picture:
            assert picture.width == lessons.WIDEST

    def test_a_picture_without_words_stops_it(self, text):
        with pytest.raises(lessons.LessonError, match="without alternative text"):
            text(shown({"image/png": png_of(10), "text/html": "<img src='data:'>"}))

    def test_a_table_has_neither_style_nor_frame(self, text):
        import pandas as pd

        table = pd.DataFrame({"a": [1], "b": ["<i>"]})
        found = text(shown({"text/html": table._repr_html_(), "text/plain": str(table)}))
        assert "style" not in found
        assert "border" not in found
        assert "\n" not in found  # an empty line would end HTML in Markdown
        soup = BeautifulSoup(found, "html.parser")
        assert [tag.text for tag in soup.find_all("td")] == ["1", "<i>"]
        scopes = [tag["scope"] for tag in soup.find_all("th")]
        assert scopes == ["col", "col", "col", "row"]

    def test_controls_become_a_sentence(self, text):
        widget = {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "VBox()"}
        assert text(shown(widget)) == "*(Controls stand here when the notebook runs.)*"

    def test_paths_are_left_out(self, text, places):
        run = places / "build/09_tiny"
        new = f"{tempfile.gettempdir()}/tmpab12_x/films"
        found = text(printed(f"{run}/my_model\n{places}/data\n{new}\n"))
        assert found == "```text\nmy_model\ndata\n…/films\n```"

    @pytest.mark.parametrize(
        "output, words",
        [
            (v4.new_output("error", ename="KeyError", evalue="'x'", traceback=[]), "KeyError"),
            (printed("UserWarning: old", "stderr"), "a cell warned: UserWarning"),
        ],
    )
    def test_a_cell_that_failed_or_warned_stops_it(self, text, output, words):
        with pytest.raises(lessons.LessonError, match=words):
            text(output)


def test_a_lesson_that_has_grown_too_large_stops_it(places, monkeypatch):
    monkeypatch.setattr(lessons, "LARGEST", 100)
    lesson = write_lesson(places / "nbs/lessons", v4.new_code_cell("x"))
    with pytest.raises(lessons.LessonError, match="more than"):
        executed_copy(places, lesson, printed("x" * 200))
    assert lessons.stale() == [lessons.copy_of(lesson)]  # it is said again


def test_a_fault_leaves_the_older_copy(places):
    lesson = write_lesson(places / "nbs/lessons", v4.new_code_cell("x"))
    picture = {"image/png": png_of(10), "text/html": "<img alt='a picture'>"}
    copy = executed_copy(places, lesson, shown(picture))
    before = copy.read_text(encoding="utf-8")
    with pytest.raises(lessons.LessonError, match="a cell warned"):
        executed_copy(places, lesson, printed("UserWarning", "stderr"))
    assert copy.read_text(encoding="utf-8") == before
    assert (copy.with_suffix("") / "02_1.webp").is_file()


def test_links_between_lessons_lead_to_their_copies(places):
    words = "See [lesson 2](02_is_it_cheating.ipynb#gate) and [x](https://example.org/01_a.ipynb)."
    lesson = write_lesson(places / "nbs/lessons", v4.new_markdown_cell(words))
    text = lessons.page_of(lesson, {}, {})
    assert "(02_is_it_cheating.md#gate)" in text
    assert "(https://example.org/01_a.ipynb)" in text


@pytest.mark.slow(seconds=12)
def test_one_that_fails_is_named_and_the_other_is_written(places, monkeypatch):
    monkeypatch.setattr(lessons, "run_lessons", partial(lessons.run_lessons, folder=places / "run"))
    good = write_lesson(places / "nbs/lessons", v4.new_code_cell("print(1)"), name="08_good")
    bad = write_lesson(places / "nbs/lessons", v4.new_code_cell("1 / 0"), name="09_bad")
    with pytest.raises(lessons.LessonError, match=r"09_bad\.ipynb stopped at its cell .*: Zero"):
        lessons.refresh()
    assert not lessons.must_run(good)
    assert lessons.must_run(bad)


@pytest.mark.slow(seconds=12)
def test_two_run_beside_each_other_each_in_its_own_folder(places, monkeypatch, tmp_path):
    "On simulated films, whatever RSNA_CLS_DATA says."
    monkeypatch.setenv("RSNA_CLS_DATA", "films of somebody")
    code = (
        "import os, time\ntime.sleep(1)\nprint(films, os.getcwd(), 'RSNA_CLS_DATA' in os.environ)"
    )
    two = [
        write_lesson(places / "nbs/lessons", v4.new_code_cell(code), name=name)
        for name in ("08_one", "09_two")
    ]
    for lesson, done in lessons.run_lessons(two, tmp_path / "executed"):
        executed = done.result()
        assert executed.name == lesson.name
        said = nbformat.read(executed, as_version=4).cells[-1].outputs[0].text.split()
        assert said == ["simulated", str(executed.parent), "False"]
