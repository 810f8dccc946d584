"The site's own texts agree with the lessons, the library and the repository."

import re
from functools import cache

import nbformat
import pytest

from conftest import HERE
from test_repository import explained_words

SITE = HERE / "docs/site"
LESSONS = sorted((HERE / "nbs/lessons").glob("[0-9]*.ipynb"))


def text_of(name):
    "A text of the site."
    return (SITE / name).read_text(encoding="utf-8")


def lesson_text(number):
    "What a lesson says and does."
    file = next(lesson for lesson in LESSONS if lesson.name.startswith(f"{number:02}"))
    return "\n".join(cell.source for cell in nbformat.read(file, as_version=4).cells)


# --- the glossary --------------------------------------------------------------------------------


def glossary():
    "The two parts of the glossary: words and what they mean."
    _, radiologists, engineers = re.split(r"^## For .*$", text_of("glossary.md"), flags=re.M)
    entry = re.compile(r"^(?!:|#)(\S.*)\n: (.+)$", re.M)
    return dict(entry.findall(radiologists)), dict(entry.findall(engineers))


def plain(words):
    "Words without marks and capitals."
    return re.sub(r"[*`]", "", words).strip().casefold()


def test_the_glossary_has_many_words_in_their_order():
    for part in glossary():
        assert len(part) >= 45
        order = [plain(word) for word in part]
        assert order == sorted(order)
    first, second = glossary()
    assert not first.keys() & second.keys()


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_the_glossary_says_of_a_lesson_s_words_what_the_lesson_says(lesson):
    first, second = glossary()
    entries = {plain(word): plain(meaning) for word, meaning in (first | second).items()}
    explained = explained_words(lesson)
    assert explained
    for word, meaning in explained.items():
        found = [text for name, text in entries.items() if plain(word) == name]
        assert found, word
        assert found[0].startswith(plain(meaning)), word


# --- prompts for a discussion --------------------------------------------------------------------


def sections_by_lesson():
    "The prompts, lesson by lesson, and the sheet of the vendor, whose numbers are lesson 7's."
    text = text_of("discussion.md")
    parts = re.split(r"^## Lesson (\d) · .*$", text, flags=re.M)
    found = {int(number): part for number, part in zip(parts[1::2], parts[2::2], strict=True)}
    found[8] = re.split(r"^## ", found[8], flags=re.M)[0]
    return found


def test_each_lesson_has_three_prompts():
    sections = sections_by_lesson()
    assert sorted(sections) == list(range(1, 9))
    for part in sections.values():
        for word in ("Ask.", "Show.", "People say.", "Bring out.", "Then ask."):
            assert part.count(f"**{word}**") == 3


@pytest.mark.parametrize("number", range(1, 9))
def test_what_a_prompt_shows_is_a_heading_of_the_lesson(number):
    headings = re.findall(r"^#+ (.*)$", lesson_text(number), re.M)
    for heading in re.findall(r"\*\*Show\.\*\* \*(.*?)\*", sections_by_lesson()[number]):
        assert heading in headings


NUMBER = re.compile(r"(?<![\w.])(\d+\.\d+|\d{2,}(?:,\d{3})*)(?![\w])")


def numbers_without_minutes(text):
    "The numbers of a text, but for minutes and links."
    text = re.sub(r"\]\([^)]*\)|\d+–\d+ \||\d+ minutes", "", text)
    return NUMBER.findall(text)


@pytest.mark.parametrize("number", range(1, 9))
def test_a_prompt_s_numbers_stand_in_its_lesson(number):
    there = set(NUMBER.findall(lesson_text(number)))
    assert set(numbers_without_minutes(sections_by_lesson()[number])) <= there


def test_the_vendor_s_numbers_stand_in_lesson_7():
    sheet = text_of("discussion.md").split("### The vendor's sheet")[1].split("###")[0]
    numbers = set(numbers_without_minutes(sheet))
    assert len(numbers) >= 20
    assert numbers <= set(NUMBER.findall(lesson_text(7)))


# --- how to cite ---------------------------------------------------------------------------------


def test_how_to_cite_agrees_with_the_file_that_programs_read():
    said = text_of("cite.md")
    file = (HERE / "CITATION.cff").read_text(encoding="utf-8")
    title = re.search(r"^title: (.*)$", file, re.M)[1].strip("\"'")
    version = re.search(r"^version: (\S+)", file, re.M)[1].strip("\"'")
    assert title in said
    assert set(re.findall(r"version (\d+\.\d+\.\d+)", said)) == {version}
    assert set(re.findall(r"rsna_cls (\d+\.\d+\.\d+)", said)) == {version}
    is_released = re.search(r"^date-released:", file, re.M)
    assert bool(is_released) != ("not released yet" in said)


# --- troubleshooting -----------------------------------------------------------------------------


@cache
def said_by_us():
    "All that our programs say."
    files = [*(HERE / "rsna_cls").rglob("*.py"), HERE / "Makefile", *LESSONS]
    files += (HERE / "page/src").rglob("*.ts")
    return " ".join("\n".join(file.read_text(encoding="utf-8") for file in files).split())


OTHERS = [  # not of ours alone: what pip, Python, Colab and Jupyter say stands in them
    "`Python 3.11, 3.12 or 3.13 is needed`, or no fitting `torch` is found",
    "`python3 -m venv failed`, or `externally-managed-environment`",
    "On Windows `make` is not found, or a file name is too long",
    "`SyntaxError: (unicode error) 'unicodeescape' codec can't decode bytes`",
    "`'Function' object attribute '__doc__' is read-only`",
    "The session ended, and now `NameError: name '…' is not defined`",
    "`Cannot connect to GPU backend`, or `no GPU, and none is needed`",
    "After `pip install -U` nothing can be imported, or the sliders are gone",
    "On Kaggle `%pip` finds nothing, or a folder cannot be written to",
    "`CUDA out of memory`, the kernel dies, or training is slow",
    "`Error displaying widget: model not found`",
]


def symptoms():
    "The headings that quote a message of ours."
    headings = re.findall(r"^### (.*)$", text_of("troubleshooting.md"), re.M)
    assert len(headings) >= 40
    assert set(OTHERS) <= set(headings)
    return [h for h in headings if "`" in h and h not in OTHERS]


@pytest.mark.parametrize("heading", symptoms())
def test_a_message_that_is_explained_is_one_of_ours(heading):
    "Word by word; between two words a program may have a quotation mark, or a name."
    for message in re.findall(r"`([^`]+)`", heading):
        for piece in re.split(r"…|[:,;.] ", message):
            words = re.findall(r"\w+", piece)
            if words:
                pattern = r"\b" + r"\W.{0,25}?\b".join(words) + r"\b"
                assert re.search(pattern, said_by_us()), piece


def test_the_small_pytorch_is_the_one_that_make_wants():
    "Another would be replaced by the large one, and nothing would be saved."
    constraints = (HERE / "tests/constraints.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)", constraints, re.M))
    commands = re.findall(
        r"^.*download\.pytorch\.org/whl/cpu$", text_of("troubleshooting.md"), re.M
    )
    assert len(commands) == 1
    named = dict(re.findall(r"(\S+)==(\S+)", commands[0]))
    assert named == {name: pinned[name] for name in ("torch", "torchvision")}
