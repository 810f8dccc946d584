"""The paper for a journal of open-source education, its references, and the survey beside it.

What the journal asks for (title, authors with affiliations, a statement of need, the module's
objectives, sequence and design, its use, its story, references with a DOI, about a thousand words)
is there; that the paper's numbers are the CSVs' is checked by test_experiments.py."""

import json
import re

import pytest
import yaml
from PIL import Image

from conftest import HERE
from rsna_cls import predictive_value, wilson

FOLDER = HERE / "docs/paper"
_, FRONT_MATTER, BODY = (FOLDER / "paper.md").read_text(encoding="utf-8").split("---\n", 2)
BIBLIOGRAPHY = (FOLDER / "paper.bib").read_text(encoding="utf-8")
SURVEY = (FOLDER / "survey.md").read_text(encoding="utf-8")
LESSONS = sorted((HERE / "nbs/lessons").glob("*.ipynb"))


# --- what the journal asks for --------------------------------------------------------------------


def test_front_matter():
    front = yaml.safe_load(FRONT_MATTER)
    assert {"title", "tags", "authors", "affiliations", "date", "bibliography"} == set(front)
    assert (FOLDER / front["bibliography"]).is_file()
    known = {str(place["index"]) for place in front["affiliations"]}
    named = [str(author["affiliation"]).split(",") for author in front["authors"]]  # "1, 2"
    assert {index.strip() for several in named for index in several} == known
    assert all(place["name"] for place in front["affiliations"])


def test_authors_are_left_open_or_named_in_full():
    "The owner of the repository fills them in; nothing is half filled in."
    front = yaml.safe_load(FRONT_MATTER)
    names = [author["name"] for author in front["authors"]]
    is_open = names == ["The rsna_cls developers"]
    assert is_open == any("to be filled in" in place["name"] for place in front["affiliations"])


def test_sections():
    headings = re.findall(r"^# (.+)$", BODY, re.M)
    assert headings == [
        "Summary",
        "Statement of need",
        "The learning module",
        "What was measured",
        "Limits",
        "Use and adoption",
        "How it came to be",
        "Acknowledgements",
        "References",
    ]


def words(text):
    "The words of a text, without its comments, tables, and where its figures lie."
    for markup in (r"<!--.*?-->", r"^\|.*$", r"\]\([^)]*\)", r"\{[^}]*\}"):
        text = re.sub(markup, " ", text, flags=re.M | re.S if markup[0] == "<" else re.M)
    return [word for word in text.split() if re.search(r"\w", word)]


def test_length():
    "The journal expects around a thousand words."
    assert 750 <= len(words(BODY)) <= 1000


def test_words_are_counted():
    text = "# One\n<!-- not\nthis -->\n| nor | this |\n- two [@three2000] – ![four](x/y z)"
    assert words(text) == ["One", "two", "[@three2000]", "![four"]


# --- references -----------------------------------------------------------------------------------


def entries(text):
    "The entries of a bibliography, key → fields; raises ValueError where braces do not match."
    found = {}
    for entry in re.split(r"^@", text, flags=re.M)[1:]:
        if entry.count("{") != entry.count("}"):
            raise ValueError(f"braces do not match: @{entry}")
        kind, key = re.match(r"(\w+)\{(\w+),", entry).groups()
        if key in found:
            raise ValueError(f"{key} is there twice")
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", entry, re.M))
        found[key] = {"kind": kind, **fields}
    return found


def test_a_bad_bibliography_is_noticed():
    entry = "@article{a2000,\n  title = {A {B}},\n  doi = {10.1/x}\n}\n"
    assert entries(entry) == {"a2000": {"kind": "article", "title": "A {B}", "doi": "10.1/x"}}
    with pytest.raises(ValueError, match="braces"):
        entries(entry.replace("{B}", "{B"))
    with pytest.raises(ValueError, match="twice"):
        entries(entry * 2)


def test_every_citation_has_an_entry_and_every_entry_is_cited():
    cited = set(re.findall(r"@(\w+)", BODY))
    assert cited == set(entries(BIBLIOGRAPHY))


@pytest.mark.parametrize("key", entries(BIBLIOGRAPHY))
def test_an_entry_has_what_finds_it(key):
    entry = entries(BIBLIOGRAPHY)[key]
    where = "journal" if entry["kind"] == "article" else "booktitle"
    assert {"title", "author", "year", "pages", "doi", where} <= set(entry)
    assert re.fullmatch(r"10\.\d{4,}/\S+", entry["doi"])
    assert key.endswith(entry["year"])
    surname = re.sub(r"\W", "", entry["author"].split(",")[0]).lower()
    assert key.startswith(surname)


# --- what the paper says of the repository --------------------------------------------------------


def markdown_of(lesson):
    "The Markdown of a lesson."
    cells = json.loads(lesson.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def test_the_table_of_lessons_is_the_lessons():
    "Number, title and minutes."
    said = re.findall(r"^\| (\d · .+?) \| .+ \| (\d+) \|$", BODY, re.M)
    there = []
    for lesson in LESSONS:
        text = markdown_of(lesson)
        (title,) = re.findall(r"^# (.+)$", text, re.M)
        minutes = re.search(r"## Time and hardware\s+(\d+) minutes", text)[1]
        there.append((title, minutes))
    assert said == there


def test_figures():
    "Each has a caption, and the words that lie in its file for those who cannot see it."
    figures = re.findall(r"^!\[(.*?)\]\(([^)]+)\)\{(.*?)\}$", BODY, re.M)
    assert figures and BODY.count("![") == len(figures)
    for caption, place, attributes in figures:
        assert len(caption) > 40
        with Image.open(FOLDER / place) as picture:
            assert attributes == f'alt="{picture.info["Description"]}"'


def test_it_says_what_the_pretrained_network_has_seen():
    card = (HERE / "rsna_cls/weights/README.md").read_text(encoding="utf-8")
    assert "16,000 of the simulator" in card and "a quarter chests, a quarter abdomens" in card
    assert "8,000 labelled simulated chests and abdomens" in BODY


# --- the survey -----------------------------------------------------------------------------------


def test_the_survey_asks_for_consent_and_for_no_personal_data():
    for needed in ("voluntary", "write no name", "destroyed", "agree to take part"):
        assert needed in SURVEY
    assert not re.search(r"\b(e-?mail|date of birth|your age|gender|sex)\b", SURVEY, re.I)


def question(number):
    "The letters of a question's answers, with the texts."
    text = SURVEY.split(f"\n**{number}.** ")[1].split("\n**")[0]
    return dict(re.findall(r"^- □ ([a-d]): (.+)$", text, re.M))


def test_the_survey_s_right_answers_are_right():
    (line,) = re.findall(r"^Right are (.+?)\.", SURVEY, re.M)
    right = {int(number): letter for number, letter in re.findall(r"(\d+) ([a-d])", line)}
    assert sorted(right) == [*range(7, 13)]
    assert all(set(question(number)) == set("abcd") for number in right)
    low, high = (round(100 * bound) for bound in wilson(10, 10))
    assert question(7)[right[7]] == f"{low} to {high} %"
    positive, _ = predictive_value(0.95, 0.95, 0.01)
    assert question(10)[right[10]] == f"{100 * positive:.0f}"
