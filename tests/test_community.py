"""What one needs to join the project and to cite it.

Guides, licences, citation, changelog, forms, and every link between Markdown files."""

import hashlib
import json
import os
import re
import shutil
import sys
from configparser import ConfigParser
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup
from jsonschema import Draft7Validator
from nbconvert.filters import markdown2html

from conftest import HERE, RAMP, make_dicom

SKIPPED = {"build", "dist", "node_modules", "__pycache__"}
FORMS = sorted((HERE / ".github/ISSUE_TEMPLATE").glob("[0-9]*.yml"))
NO_PRODUCT = (
    "This course is an independent project: it is no product of the Radiological Society of North "
    "America (RSNA), and the RSNA has neither reviewed nor endorsed it."
)


def read(name):
    return (HERE / name).read_text(encoding="utf-8")


def on_one_line(text):
    return " ".join(text.split())


@cache
def settings():
    config = ConfigParser(interpolation=None)
    config.read(HERE / "settings.ini", encoding="utf-8")
    return config["DEFAULT"]


def schema(name):
    "A published schema. check-jsonschema brings them along; starting it would take seconds."
    package = find_spec("check_jsonschema").submodule_search_locations[0]
    return json.loads(
        Path(package, "builtin_schemas/vendor", f"{name}.json").read_text(encoding="utf-8")
    )


def schema_faults(name, text):
    "What a published schema has to say against the text of a YAML file."
    content = json.loads(json.dumps(yaml.safe_load(text), default=str))  # a date as its text
    return [fault.message for fault in Draft7Validator(schema(name)).iter_errors(content)]


# --- guides --------------------------------------------------------------------------------------

# About how many words each needs at least to say its part.
GUIDES = {
    "CONTRIBUTING.md": 600,
    "CHANGELOG.md": 300,
    "CITATION.cff": 200,
    "LICENSE": 150,
    "LICENSE-CONTENT": 2000,
    ".github/CODE_OF_CONDUCT.md": 100,
    ".github/SECURITY.md": 200,
    ".github/SUPPORT.md": 200,
    ".github/PULL_REQUEST_TEMPLATE.md": 50,
}


@pytest.mark.parametrize("name", GUIDES)
def test_the_guides_are_there(name):
    assert len(read(name).split()) >= GUIDES[name]


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", ".github/SUPPORT.md", ".github/SECURITY.md"])
def test_no_guide_asks_for_a_patient_s_film(name):
    assert re.search(r"\*\*Never (attach|send|add) a patient's film", read(name))


@pytest.mark.parametrize(
    "name", ["README.md", "CITATION.cff", "nbs/lessons/01_first_classifier.ipynb"]
)
def test_the_course_is_no_product_of_the_rsna(name):
    "One sentence, the same everywhere."
    assert NO_PRODUCT in on_one_line(read(name))


def test_the_changelog_is_of_this_version():
    newest = re.search(r"^## (\d+\.\d+\.\d+) – (.+)$", read("CHANGELOG.md"), re.M)
    assert newest[1] == settings()["version"]
    assert re.fullmatch(r"not released yet|\d{4}-\d\d-\d\d", newest[2])


def test_what_support_asks_for_tells_nothing_of_the_patient(tmp_path, monkeypatch, capsys):
    "The program that describes a DICOM file."
    film = make_dicom(tmp_path / "film.dcm", RAMP, WindowCenter=2048, WindowWidth=4096)
    assert b"Secret^Name" in film.read_bytes()
    program = re.search(r"```python\n(.*?)```", read(".github/SUPPORT.md"), re.S)[1]
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    printed = capsys.readouterr().out
    assert "BitsStored 12" in printed and "WindowWidth 4096" in printed
    assert "TransferSyntaxUID 1.2.840.10008.1.2.1" in printed
    assert "Secret" not in printed


NETWORK = {"ftplib", "http", "httpx", "requests", "smtplib", "socket", "urllib.request", "urllib3"}


def imported(program):
    "The modules that a program imports, wherever in it."
    return set(re.findall(r"^\s*(?:import|from)\s+([\w.]+)", program, re.M))


def test_only_one_room_talks_to_the_internet():
    "As SECURITY.md says: what is fetched goes through `fetch`."
    rooms = (HERE / "rsna_cls").rglob("*.py")
    talking = {path.stem for path in rooms if NETWORK & imported(path.read_text(encoding="utf-8"))}
    assert talking == {"fetch"}


# --- citation and licences -----------------------------------------------------------------------


def test_the_citation_is_valid():
    assert schema_faults("citation-file-format", read("CITATION.cff")) == []


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == settings()["version"]


def test_the_citation_names_what_the_course_stands_on():
    references = yaml.safe_load(read("CITATION.cff"))["references"]
    found = {reference.get("doi") or reference["title"] for reference in references}
    assert found >= {
        "10.1007/s10278-021-00492-9",  # the course that this one succeeds
        "Image Classification for Beginners",
        "10.1007/s10278-018-0079-6",  # the films
        "10.3390/info11020108",  # fastai
        "10.1109/CVPR.2016.90",  # ResNet
        "10.1109/CVPR.2016.319",  # CAM
        "10.1007/s11263-019-01228-7",  # Grad-CAM
    }


@pytest.mark.parametrize(
    "old, new",
    [
        ("cff-version: 1.2.0", ""),
        ("doi: 10.1007/s10278-018-0079-6", "doi: 79"),
        ("authors:", "auteurs:"),
        ("license: MIT", "license: mine"),
    ],
)
def test_an_invalid_citation_is_noticed(old, new):
    text = read("CITATION.cff")
    assert old in text
    assert schema_faults("citation-file-format", text.replace(old, new)) != []


# Of Creative Commons' own text, which stands below two rulers.
LEGAL_CODE = "4014722237c90b6f8effc35b6e04a47815c03ef14ee24683d6c1dfd0b9b644d0"


def test_the_licence_s_text_is_creative_commons_own():
    _, legal_code = re.split(
        r"\n=+\n\n(?=Attribution 4\.0 International\n)", read("LICENSE-CONTENT")
    )
    assert hashlib.sha256(legal_code.encode()).hexdigest() == LEGAL_CODE


def test_licences_agree():
    "Code MIT, everything else CC BY 4.0, wherever it is said."
    assert read("LICENSE").startswith("MIT License\n")
    assert read("LICENSE-CONTENT").startswith(
        "Texts, lessons, figures, simulated films and weights: CC BY"
    )
    assert settings()["license"] == "MIT AND CC-BY-4.0"
    for lesson in (HERE / "nbs/lessons").glob("*.ipynb"):
        assert "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)" in read(lesson), lesson
    for name in ("data/README.md", "rsna_cls/weights/README.md", "README.md", "CONTRIBUTING.md"):
        assert re.search(r"\[CC BY 4\.0\]\((\.\./)*LICENSE-CONTENT\)", read(name)), name


# --- links ---------------------------------------------------------------------------------------


def is_ours(folder):
    "Whether somebody wrote what is in a folder of that name."
    return folder == ".github" or not (folder.startswith(".") or folder in SKIPPED)


def markdown_files():
    "Every Markdown file and notebook of the repository."
    for folder, subfolders, names in os.walk(HERE):
        subfolders[:] = [name for name in subfolders if is_ours(name)]
        for name in names:
            if name.endswith((".md", ".ipynb")):
                yield Path(folder, name)


@cache
def texts_of(path):
    "The text of a Markdown file, or those of a notebook's cells."
    if path.suffix == ".md":
        return [path.read_text(encoding="utf-8")]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def page(texts):
    "Markdown as HTML."
    html = BeautifulSoup(markdown2html("\n\n".join(texts)), "html.parser")
    for pilcrow in html.find_all(class_="anchor-link"):  # nbconvert adds them
        pilcrow.decompose()
    return html


@cache
def anchors(path):
    "The places in a page that a link can lead to, by the code host's rule for headings."
    found = set()
    for heading in page(texts_of(path)).find_all(re.compile("^h[1-6]$")):
        words = heading.get_text().strip().lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        numbered = (f"{name}-{number}" if number else name for number in range(1000))
        found.add(next(each for each in numbered if each not in found))
    return found


def is_elsewhere(target):
    "Whether a link leads out of the repository."
    return bool(re.match(r"[a-z][a-z+.-]*:|//", target))


MADE = {"try.html"}  # by `make site`, beside the pages; test_website.py asks for it there


def dead_links(path):
    "The relative links of a page that lead nowhere."
    texts = [text for text in texts_of(path) if re.search(r"\]\(|\]:|<a |<img ", text)]
    tags = page(texts).find_all(["a", "img"])
    targets = [tag.get("href") or tag.get("src") for tag in tags]
    for target in targets:
        if not target or is_elsewhere(target) or target in MADE:
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        is_anchor_missing = anchor and place.exists() and anchor not in anchors(place)
        if not place.exists() or is_anchor_missing:
            yield target


def test_every_link_leads_somewhere():
    pages = list(markdown_files())
    assert len(pages) > 50
    dead = {path.relative_to(HERE).as_posix(): list(dead_links(path)) for path in pages}
    assert {name: links for name, links in dead.items() if links} == {}


def test_a_dead_link_is_noticed(tmp_path):
    there = tmp_path / "there.md"
    there.write_text("# One, two\n\n## A `word`\n\n## A word\n", encoding="utf-8")
    text = """
[a](there.md) [b](there.md#one-two) [c](there.md#a-word-1) [d](https://nowhere.example/x)
[e](gone.md) [f](there.md#one) ![g](gone.png) [h](#gone) <img src="gone.jpg">
"""
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    dead = ["gone.md", "there.md#one", "gone.png", "#gone", "gone.jpg"]
    assert list(dead_links(tmp_path / "page.md")) == dead


# --- commands ------------------------------------------------------------------------------------


def commands(name):
    "What a guide tells people to type: lines of code blocks, and code within sentences."
    text = read(name)
    for block in re.findall(r"^```\n(.*?)^```", text, re.M | re.S):
        yield from block.splitlines()
    yield from re.findall(r"`((?:make|tools/|experiments/|\.venv/)[^`\n]*)`", text)


def fault_of(command):
    "Why a command cannot work, or nothing."
    words = command.split()
    targets = re.findall(r"^([a-z]+):", read("Makefile"), re.M)
    if words[0] == "make":
        named = [word for word in words[1:] if "=" not in word]
        return ", ".join(word for word in named if word not in targets)
    if words[0].startswith(".venv/bin/"):
        programs = Path(sys.executable).parent
        if not shutil.which(Path(words[0]).name, path=programs):
            return words[0]
    return ", ".join(word for word in words if "/" in word[1:] and not exists(word))


def exists(word):
    "Whether a word of a command, if it is a path of the repository, is there."
    return word.startswith((".venv/", "URL=")) or (HERE / word).exists()


def test_every_command_of_the_guide_can_be_typed():
    typed = list(commands("CONTRIBUTING.md"))
    assert len(typed) > 20
    assert {command: fault_of(command) for command in typed if fault_of(command)} == {}


@pytest.mark.parametrize(
    "command",
    [
        "make cheque",
        ".venv/bin/nbdev-import",
        "experiments/quite.py",
        ".venv/bin/python tests/no.py",
    ],
)
def test_a_command_that_cannot_be_typed_is_noticed(command):
    assert fault_of(command)


# --- forms ---------------------------------------------------------------------------------------


def form_faults(form):
    "What the code host refuses in a form and the schema does not know, in words."
    # https://docs.github.com/en/communities: Common validation errors when creating issue forms
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    if not fields:
        yield "nothing can be filled in"
    labels = [field["attributes"]["label"] for field in fields]
    for field in fields:
        if field["type"] == "checkboxes":
            labels += [box["label"] for box in field["attributes"]["options"]]
        if field["type"] == "dropdown":
            options = field["attributes"]["options"]
            if len(options) != len(set(options)):
                yield f"options twice: {options}"
            if "none" in [option.lower() for option in options]:
                yield "an option is called none"
    for kind, names in (("id", [field.get("id") for field in fields]), ("label", labels)):
        if len(names) != len(set(names)):
            yield f"the same {kind} twice: {names}"
    for word in re.findall(r"\b(?:password|token|secret)\b", " ".join(labels).lower()):
        yield f"a label says {word}"
    for text in texts(form):
        if not text.strip():
            yield "an empty text"


def texts(part):
    "Every text in a form."
    if isinstance(part, str):
        yield part
    if isinstance(part, dict):
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from texts(each)


def test_there_is_a_form_for_each_kind_of_report():
    names = [yaml.safe_load(read(path))["name"] for path in FORMS]
    assert names == [
        "A cell fails",
        "A film is read wrong",
        "A lesson is unclear or untrue",
        "An idea",
        "I taught with it",
    ]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_is_valid(path):
    assert schema_faults("github-issue-forms", read(path)) == []
    assert list(form_faults(yaml.safe_load(read(path)))) == []


@pytest.mark.parametrize(
    "old, new",
    [
        ("id: fault", "id: format"),
        ("label: What is wrong?", "label: What kind of file is it?"),
        ("- PNG", "- DICOM"),
        ("- another", "- None"),
        ("label: What is wrong?", "label: Your password"),
        ("name: A film is read wrong", "name: ' '"),
    ],
)
def test_a_wrong_form_is_noticed(old, new):
    text = read(FORMS[1])
    assert old in text
    assert list(form_faults(yaml.safe_load(text.replace(old, new)))) != []


def test_the_form_for_teachers_asks_for_nothing_about_a_person():
    form = yaml.safe_load(read(FORMS[-1]))
    assert "Tell nothing about single learners" in form["body"][0]["attributes"]["value"]
    assert form["body"][-1]["attributes"]["options"][0]["required"]
    assert (HERE / "docs/paper/survey.md").exists() and "docs/paper/survey.md" in read(FORMS[-1])


def test_the_forms_settings_are_valid():
    text = read(".github/ISSUE_TEMPLATE/config.yml")
    assert schema_faults("github-issue-config", text) == []
    assert yaml.safe_load(text)["blank_issues_enabled"] is False


@pytest.mark.parametrize("path", FORMS[:2], ids=lambda path: path.stem)
def test_forms_that_speak_of_films_warn_first_and_ask_last(path):
    form = yaml.safe_load(read(path))
    first, last = form["body"][0], form["body"][-1]
    assert "never attach a patient's film" in first["attributes"]["value"].lower()
    assert last["type"] == "checkboxes"
    assert all(box["required"] for box in last["attributes"]["options"])
