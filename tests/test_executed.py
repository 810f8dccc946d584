"Lessons as they look when they have run (docs/lessons): whole, small, and of today."

import base64
import importlib
import re
import sys
import tempfile
from copy import deepcopy
from functools import partial
from io import BytesIO

import nbformat
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from conftest import HERE

sys.path.insert(0, str(HERE / "tools"))
lessons = importlib.import_module("lessons")
pages = importlib.import_module("pages")
v4 = nbformat.v4

COPIES = [lessons.copy_of(lesson) for lesson in lessons.all_lessons()]
PICTURE = re.compile(r"!\[((?:\\.|[^\]\\])*)\]\(([^)]+)\)")


# --- what is in the repository -------------------------------------------------------------------


def test_none_is_stale():
    "If this fails: make docs, or where code has changed or an output was edited, make site."
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

    def test_controls_are_described(self, copy):
        for output in lessons.outputs_in(copy).values():
            assert f"{pages.CONTROLS}*" not in output  # nothing is said of them
            assert not re.search(r"<style|widget-|role=|base64", output)

    def test_no_answer_stands_in_plain_sight(self, copy):
        text = copy.read_text(encoding="utf-8")
        assert "\nquiz(" not in text
        answers = text.count("<details><summary>The answer</summary>")
        lesson = nbformat.read(lessons.LESSONS / f"{copy.stem}.ipynb", as_version=4)
        cells = [c for c in lesson.cells if c.cell_type == "code" and pages.calls_quiz(c.source)]
        assert answers == len(cells)

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


def has_run(lesson, *outputs, models=None):
    "A lesson whose last code cell gave these outputs, and the widgets that were stored with it."
    notebook = nbformat.read(lesson, as_version=4)
    last = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
    last.outputs = deepcopy(list(outputs))  # what reads a notebook may change it
    stored = dict(state=models or {}, version_major=2, version_minor=0)
    notebook.metadata["widgets"] = {pages.STATE: stored}
    return notebook


def executed_copy(places, lesson, *outputs, models=None):
    "The copy of a lesson whose last code cell gave these outputs."
    notebook = has_run(lesson, *outputs, models=models)
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
        assert found == r'![A \[chest\] \& "an elbow"](09_tiny/02_1.webp)'
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


# --- in the place of controls --------------------------------------------------------------------


def model(name, **state):
    "A widget as a notebook stores it."
    return dict(model_name=f"{name}Model", model_module="@jupyter-widgets/controls", state=state)


def box(*parts):
    "The widgets of a notebook: a box of these, named top."
    found = {str(number): part for number, part in enumerate(parts)}
    children = [f"IPY_MODEL_{number}" for number in found]
    return found | dict(top=model("VBox", children=children))


def image_of(width=30, alt=' alt="A film, drawn."'):
    "A picture as a widget holds it."
    return f'<img{alt} style="color:red" src="data:image/png;base64,{png_of(width)}">'


WIDGET = shown({pages.VIEW: dict(model_id="top"), "text/plain": "VBox()"})
MENU = model("Dropdown", description="case", _options_labels=["1 · abd0.png", "2"], index=0)
DEPTH = model("IntSlider", description="depth", value=-1, min=-8, max=-1)
STYLE = "<style>.widget-radio-box label{height:auto}</style>"


class TestControls:
    "What a page shows of an explorer, and of questions that come one after the other."

    @pytest.fixture
    def text(self, places):
        "What the page says where the cell shows a box of these parts."

        def of(*parts):
            lesson = write_lesson(places / "nbs/lessons", v4.new_code_cell("x"))
            return lessons.outputs_in(executed_copy(places, lesson, WIDGET, models=box(*parts)))[1]

        return of

    def test_they_are_named_with_the_value_they_begin_with(self, text):
        said = "They begin with case: 1 · abd0.png; depth: −1."
        assert text(MENU, DEPTH) == f"*{pages.CONTROLS} {said}*"

    @pytest.mark.parametrize(
        "part, words",
        [
            (model("Checkbox", description="flip", value=True), "flip: yes"),
            (model("Checkbox", description="flip", value=False), "flip: no"),
            (model("FloatSlider", description="opacity", value=0.0), "opacity: 0"),
            (model("FloatLogSlider", description="dose", value=1e6), "dose: 1,000,000"),
            (model("FloatRangeSlider", description="band", value=[0.1, 0.9]), "band: 0.1, 0.9"),
            (model("Text", description="a_b <c>", value="*d*"), r"a\_b \<c\>: \*d\*"),
            (model("Text", description="price", value="$1 &amp; $2"), r"price: \$1 \&amp; \$2"),
            (model("IntText", description="seed", value=12345678), "seed: 12,345,678"),
        ],
    )
    def test_a_value_reads_as_in_the_notebook(self, text, part, words):
        assert text(part) == f"*{pages.CONTROLS} They begin with {words}.*"

    @pytest.mark.parametrize("parts", [[], [model("IntSlider", value=3)]])
    def test_without_names_they_become_a_sentence(self, text, parts):
        assert text(*parts) == f"*{pages.CONTROLS}*"

    def test_a_widget_that_was_not_stored_becomes_a_sentence(self, places):
        lesson = write_lesson(places / "nbs/lessons", v4.new_code_cell("x"))
        copy = executed_copy(places, lesson, WIDGET)
        assert lessons.outputs_in(copy) == {1: f"*{pages.CONTROLS}*"}

    def test_it_shows_the_picture_and_the_words_it_begins_with(self, text, places):
        words = f'{STYLE}<p role="status"><b>Step 1:</b> the   film</p>{image_of(3000)}<!-- x -->'
        _, *found = text(DEPTH, model("HTML", value=words)).split("\n\n")
        assert found == ["**Step 1:** the film", "![A film, drawn.](09_tiny/02_1_1.webp)"]
        with Image.open(places / "docs/lessons/09_tiny/02_1_1.webp") as picture:
            assert picture.width == lessons.WIDEST

    def test_two_pictures_and_a_table(self, text, places):
        import pandas as pd

        table = pd.DataFrame({"a": [1]})._repr_html_()
        films = f'<div style="flex"><div>{image_of(30)}</div><div>{image_of(40)}</div></div>'
        words = f'{films}<div role="status">{table}</div>'
        _, *found = text(DEPTH, model("HTML", value=words)).split("\n\n")
        assert found[:2] == [f"![A film, drawn.](09_tiny/02_1_{n}.webp)" for n in (1, 2)]
        assert found[2:] == [lessons.as_table(table)]
        widths = []
        for file in sorted((places / "docs/lessons/09_tiny").iterdir()):
            with Image.open(file) as picture:
                widths.append(picture.width)
        assert widths == [30, 40]

    @pytest.mark.parametrize(
        "image, words",
        [
            (image_of(alt=""), "without alternative text"),
            ('<img alt="x" src="https://example.org/x.png">', "not in the notebook"),
        ],
    )
    def test_a_picture_that_cannot_be_shown_stops_it(self, text, image, words):
        with pytest.raises(lessons.LessonError, match=words):
            text(model("HTML", value=image))

    def test_words_that_mean_something_to_markdown(self, text):
        words = "<p># 1 &lt;b&gt; *x*</p><p>2. two</p>"
        found = text(DEPTH, model("HTML", value=words)).split("\n\n")
        assert found[1:] == [r"\# 1 \<b\> \*x\*", r"2\. two"]

    def test_the_first_of_several_questions(self, text):
        "Such as the course's last quiz, and a film to be read blind."
        place = f'{STYLE}<div role="status">Question 1 of 16<br><b>Why?</b></div>'
        answers = model("RadioButtons", description="", _options_labels=["a", "1. b"], index=None)
        onward = model("Button", description="Next question")
        found = text(model("HTML", value=place), answers, onward).split("\n\n")
        assert found[:3] == ["Question 1 of 16", "**Why?**", "- a\n- 1\\. b"]
        assert found[3:] == [f"*{pages.CHOICE}, and go on with “Next question”.*"]


QUIZ = """# @title Predict before you run {display-mode:"form"}
answers = ["0", "*one*"]
right = answers[1]
quiz("How <many>?", answers, right, "Because.")"""
TWIN = """<details><summary>Without buttons</summary>

```python
quiz("How <many>?", answers, right, "Because.", choice=answers[0])
```
</details>"""
# The same kind of fold, with something in it that a reader may want.
SAYS_MORE = TWIN.replace("```\n</details>", "```\n\nCount them.\n</details>")
OTHER_CODE = TWIN.replace("quiz(", "show_threshold(")


class TestQuestions:
    "A question that is asked with `quiz`, whose answer is in the code alone."

    def page(self, places, *more, source=QUIZ, output=WIDGET):
        "The page of a lesson that asks, with these cells behind the question."
        hidden = dict(jupyter=dict(source_hidden=True))
        cell = v4.new_code_cell(source, metadata=hidden)
        lesson = write_lesson(places / "nbs/lessons", cell, *more)
        notebook = nbformat.read(lesson, as_version=4)
        notebook.cells[2].outputs = [output]
        executed = places / "build/09_tiny/09_tiny.ipynb"
        executed.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, executed)
        lessons.write_copy(lesson, executed)
        assert lessons.stale() == []
        return lessons.copy_of(lesson).read_text(encoding="utf-8")

    def test_its_answer_is_folded(self, places):
        asked = "**How \\<many\\>?**\n\n- 0\n- \\*one\\*"
        answer = "**\\*one\\*.** Because."
        fold = f"<details><summary>The answer</summary>\n\n{answer}\n\n</details>"
        assert f"<!-- output 1 -->\n{asked}\n\n{fold}\n<!-- /output -->" in self.page(places)

    def test_its_code_is_left_out(self, places):
        text = self.page(places)
        assert "Predict before you run" not in text
        assert "quiz(" not in text

    def test_its_twin_without_buttons_is_left_out(self, places):
        cell = v4.new_markdown_cell(f"You should see two.\n\n{TWIN}\n\n**Predict:** and three?")
        text = self.page(places, cell)
        assert "You should see two." in text
        assert "**Predict:** and three?" in text
        assert "Without buttons" not in text

    def test_a_cell_that_has_nothing_else_is_left_out(self, places):
        text = self.page(places, v4.new_markdown_cell(TWIN), v4.new_markdown_cell("On."))
        assert text.endswith("<!-- /output -->\n\nOn.\n")

    @pytest.mark.parametrize("words", [SAYS_MORE, OTHER_CODE])
    def test_a_fold_with_something_else_stays(self, places, words):
        assert words in self.page(places, v4.new_markdown_cell(words))

    def test_a_twin_that_follows_other_code_stays(self, places):
        cells = [v4.new_code_cell("print(1)"), v4.new_markdown_cell(TWIN)]
        assert TWIN in self.page(places, *cells)

    def test_with_a_choice_it_asks_nothing(self, places):
        source = QUIZ.replace('"Because.")', '"Because.", choice=right)')
        text = self.page(places, v4.new_markdown_cell(TWIN), source=source, output=printed("Yes."))
        assert "<summary>Code: Predict before you run</summary>" in text
        assert TWIN in text

    def test_one_that_has_not_run_keeps_its_code(self, places):
        cells = [v4.new_code_cell(QUIZ), v4.new_markdown_cell(TWIN)]
        text = lessons.page_of(write_lesson(places / "nbs/lessons", *cells), {}, {})
        assert "quiz(" in text
        assert TWIN in text

    @pytest.mark.parametrize(
        "source, words",
        [
            ("quiz('Which?', answers, 'a', 'So.')", "09_tiny|Tiny.*NameError.*answers"),
            ("from math import sqrt as quiz\nquiz(4)", "import quiz by its name"),
            ("import rsna_cls\nrsna_cls.quiz('?', ['a'], 'a', '')", "import quiz by its name"),
            (f"{QUIZ}\n{QUIZ}", "asks more than one question"),
            (QUIZ.replace("answers, right", "answers, 'two'"), "'two' is not among the options"),
            (f"if True:\n    {QUIZ.splitlines()[-1]}", "has to run without the cells before it"),
        ],
    )
    def test_one_that_cannot_be_read_stops_it(self, places, source, words):
        with pytest.raises(lessons.LessonError, match=words):
            self.page(places, source=source)

    @pytest.mark.parametrize("source", ["final_quiz()", "x = 1  # quiz(x)", "!quiz('x')"])
    def test_other_code_is_not_run(self, source):
        assert pages.asked_in(source, "09_tiny") is None


class TestForms:
    "A form has something to change; a page has not."

    @pytest.mark.parametrize(
        "source, hidden, is_folded",
        [
            ("# @title Your choices\nn = 1", False, True),
            ("# @title Your choices\nn = 1", True, True),
            ("n = 1", True, True),
            ("n = 1", False, False),
            ("n = 1\n# @title Not the first line\n", False, False),
        ],
    )
    def test_it_is_folded(self, source, hidden, is_folded):
        metadata = dict(jupyter=dict(source_hidden=True)) if hidden else {}
        text = lessons.as_code(v4.new_code_cell(source, metadata=metadata))
        assert text.startswith("<details><summary>Code: ") == is_folded
        assert "n = 1" in text


class TestEditedOutputs:
    "What the cells gave is not to be changed by hand."

    @pytest.fixture
    def lesson(self, places):
        lesson = write_lesson(places / "nbs/lessons", v4.new_code_cell("print(1)"))
        picture = {"image/png": png_of(10), "text/html": "<img alt='a picture'>"}
        executed_copy(places, lesson, printed("right: 7\n"), shown(picture))
        assert lessons.stale() == []
        return lesson

    def edit_text(self, copy):
        text = copy.read_text(encoding="utf-8")
        copy.write_text(text.replace("right: 7", "right: 8"), encoding="utf-8", newline="\n")

    def edit_picture(self, copy):
        lessons.save_picture(base64.b64decode(png_of(11)), copy.with_suffix("") / "02_2.webp")

    def remove_picture(self, copy):
        (copy.with_suffix("") / "02_2.webp").unlink()

    def rename_picture(self, copy):
        picture = copy.with_suffix("") / "02_2.webp"
        picture.rename(picture.with_stem("02_3"))

    def add_picture(self, copy):
        lessons.save_picture(base64.b64decode(png_of(10)), copy.with_suffix("") / "02_3.webp")

    def remove_digest(self, copy):
        text = copy.read_text(encoding="utf-8")
        text = re.sub(r"<!-- outputs: .* -->\n", "", text)
        copy.write_text(text, encoding="utf-8", newline="\n")

    @pytest.mark.parametrize(
        "edit",
        [edit_text, edit_picture, remove_picture, rename_picture, add_picture, remove_digest],
    )
    def test_an_edited_copy_is_stale_until_the_lesson_has_run(self, lesson, edit, capsys):
        copy = lessons.copy_of(lesson)
        edit(self, copy)
        before = copy.read_bytes()
        assert lessons.stale() == [copy]
        lessons.write_words()
        assert copy.read_bytes() == before  # left alone, not blessed
        assert "09_tiny.md is left alone" in capsys.readouterr().out
        assert lessons.stale() == [copy]
        assert lessons.must_run(lesson)

    def test_the_digest_stands_beside_the_others(self, lesson):
        copy = lessons.copy_of(lesson)
        names = re.findall(
            r"^<!-- (\w+): [0-9a-f]{16} -->$", copy.read_text(encoding="utf-8"), re.M
        )
        assert names == ["code", "library", "outputs"]
        assert list(lessons.digests_in(copy)) == ["code", "library"]  # what a release asks for


class TestSinglePage:
    "The lesson of `make demo`, as one file."

    @pytest.fixture
    def notebook(self, places):
        twin = v4.new_markdown_cell(f"You should see two.\n\n{TWIN}")
        lesson = write_lesson(places / "lessons", v4.new_code_cell(QUIZ), twin)
        return has_run(lesson, WIDGET)

    def explorer(self, places):
        lesson = write_lesson(places / "lessons", v4.new_code_cell("explore()"))
        words = f'{STYLE}{image_of()}<p role="status">Step 1</p>'
        models = box(MENU, DEPTH, model("HTML", value=words))
        return has_run(lesson, WIDGET, models=models)

    def test_an_explorer_shows_what_it_begins_with(self, places):
        notebook = self.explorer(places)
        pages.as_read(notebook)
        page = BeautifulSoup(pages.as_html(notebook, "Tiny"), "html.parser").main
        assert "They begin with case: 1 · abd0.png; depth: −1." in page.get_text()
        assert "Step 1" in page.get_text()
        image = page.find("img", alt="A film, drawn.")
        assert image["src"].startswith("data:image/png;base64,")
        assert not image.has_attr("style")
        assert "widget-radio-box" not in str(page)
        assert "widgets" not in notebook.metadata

    def test_a_question_has_its_answer_folded(self, notebook):
        pages.as_read(notebook)
        page = BeautifulSoup(pages.as_html(notebook, "Tiny"), "html.parser").main
        assert [item.get_text() for item in page.find_all("li")] == ["0", "*one*"]
        answer = page.find("summary", string="The answer").parent
        assert "*one*. Because." in answer.get_text()
        assert "You should see two." in page.get_text()
        assert "quiz(" not in page.get_text()
        assert "Without buttons" not in page.get_text()

    def test_the_notebook_keeps_its_code(self, notebook):
        pages.as_read(notebook)
        pages.as_html(notebook, "Tiny")
        assert [cell.source for cell in notebook.cells][2] == QUIZ
        assert TWIN in notebook.cells[3].source


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
