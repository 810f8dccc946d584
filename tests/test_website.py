"The site: its pages, the links between them, and what it refuses to publish."

import importlib
import os
import sys

import nbformat
import pytest
from bs4 import BeautifulSoup

from conftest import HERE

sys.path.insert(0, str(HERE / "tools"))
website = importlib.import_module("website")
docs = importlib.import_module("docs")

UNSET = docs.Address(docs.PLACEHOLDER, "9.9.9", False)
SET = docs.Address("https://github.com/someone/rsna_cls", "9.9.9", False)

PICTURE = '<img alt="a picture of nothing" src="data:image/png;base64,iVBORw0KGgo=">'
CODE = f"from IPython.display import HTML\nHTML('{PICTURE}')"


def write_lesson(file, *cells):
    "Write a lesson: a title, the parameters cell, and these cells."
    v4 = nbformat.v4
    parameters = v4.new_code_cell("films = 'auto'", metadata=dict(tags=["parameters"]))
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# 9 · Tiny"), parameters, *cells])
    notebook.metadata["kernelspec"] = dict(name="python3", language="python", display_name="")
    nbformat.write(notebook, file)
    return file


# --- building it ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    "A site of the real home page and one tiny lesson."
    home = tmp_path_factory.mktemp("site")
    code = (
        f"from pathlib import Path\nprint(films, Path('model').resolve(), {str(HERE / 'data')!r})"
    )
    hidden = nbformat.v4.new_code_cell(code, metadata=dict(jupyter={"source_hidden": True}))
    lesson = write_lesson(home / "09_tiny.ipynb", nbformat.v4.new_code_cell(CODE), hidden)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RSNA_CLS_DATA", "films of somebody")
        website.build([lesson], home / "site", home / "executed")
    return home / "site"


@pytest.mark.slow(seconds=8)
class TestSite:
    "A site, built once."

    def test_it_has_no_faults(self, site):
        assert website.problems(site) == []
        assert sorted(file.name for file in site.glob("*.html")) == ["09_tiny.html", "index.html"]

    def test_its_pages_lead_to_each_other(self, site):
        for file in site.glob("*.html"):
            links = website.soup_of(file).find("nav").find_all("a")
            assert [link["href"] for link in links] == ["index.html", "09_tiny.html"]
            current = [link["href"] for link in links if link.get("aria-current") == "page"]
            assert current == [file.name]

    def test_a_lesson_runs_on_the_simulated_films(self, site):
        "Whatever RSNA_CLS_DATA says: no other films can get into a page."
        page = website.soup_of(site / "09_tiny.html")
        assert page.find_all("pre")[-1].text.startswith("simulated ")

    def test_folded_code_is_folded(self, site):
        page = website.soup_of(site / "09_tiny.html")
        assert "print(films" in page.find("details", class_="folded").text

    def test_every_page_says_what_it_is_not(self, site):
        for file in site.glob("*.html"):
            footer = website.soup_of(file).find("footer").text
            for words in ("Not for clinical use", "no product of", "CC BY 4.0", "Wiggins"):
                assert words in footer

    def test_a_page_does_not_say_where_it_was_built(self, site):
        "Not even a path that a cell printed."
        page = website.soup_of(site / "09_tiny.html")
        assert page.find_all("pre")[-1].text.strip() == "simulated model data"


def test_a_lesson_runs_again_only_when_something_has_changed(tmp_path):
    lesson = write_lesson(tmp_path / "09_tiny.ipynb")
    executed = tmp_path / "executed.ipynb"
    assert not website.is_fresh(executed, lesson, changed=0)
    executed.write_text("", encoding="utf-8")
    os.utime(lesson, (100, 100))
    os.utime(executed, (200, 200))
    assert website.is_fresh(executed, lesson, changed=150)
    assert not website.is_fresh(executed, lesson, changed=250)  # the library has changed
    os.utime(lesson, (300, 300))
    assert not website.is_fresh(executed, lesson, changed=150)


# --- links and pictures --------------------------------------------------------------------------


def mended(html, address=UNSET):
    "A piece of the home page, with its links mended."
    page = BeautifulSoup(html, "html.parser")
    lesson = website.LESSONS / "01_first_classifier.ipynb"
    pages = [
        website.Page(website.HOME, "index.html", "Home"),
        website.Page(lesson, "01_first_classifier.html", "1"),
    ]
    website.mend_links(page, website.HOME, pages, address)
    return str(page)


@pytest.mark.parametrize(
    "href, leads_to",
    [
        ("lessons/01_first_classifier.ipynb", "01_first_classifier.html"),
        ("nbs/lessons/01_first_classifier.ipynb#Set-up", "01_first_classifier.html#Set-up"),
        ("https://example.org/x", "https://example.org/x"),
        ("#Start", "#Start"),
    ],
)
def test_where_a_link_leads(href, leads_to):
    assert mended(f'<a href="{href}">words</a>') == f'<a href="{leads_to}">words</a>'


def test_a_link_into_the_repository_follows_the_address():
    "To the released version where there is one; its words alone where there is no address."
    link = '<a href="../experiments/README.md">how</a>'
    assert mended(link) == "how"
    there = "https://github.com/someone/rsna_cls/blob/HEAD/experiments/README.md"
    assert mended(link, SET) == f'<a href="{there}">how</a>'


def test_a_link_to_nothing_stops_the_site():
    with pytest.raises(website.SiteError, match=r"index\.ipynb leads to no_such\.md"):
        mended('<a href="no_such.md">x</a>')


def test_a_picture_from_elsewhere_becomes_its_words(tmp_path):
    picture = next((HERE / "nbs/images").glob("*.png")).name
    badge = '<img alt="Open in Colab" src="https://example.org/badge.svg">'
    page = BeautifulSoup(f'{badge}<img alt="m" src="images/{picture}">', "html.parser")
    website.mend_images(page, website.HOME, tmp_path)
    assert str(page) == f'Open in Colab<img alt="m" src="images/{picture}"/>'
    assert (tmp_path / "images" / picture).is_file()


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "html, words",
    [
        ('<a href="gone.html">x</a>', "gone.html leads nowhere"),
        ('<a href="#gone">x</a>', "#gone leads nowhere"),
        ('<img alt="x" src="gone.png">', "gone.png leads nowhere"),
        ('<img src="data:image/png;base64,x">', "a picture without alternative text"),
        ('<script src="https://cdn.example.org/x.js"></script>', "asks another machine for https"),
        ('<script>import("https://cdn.example.org/x.mjs")</script>', "asks another machine"),
        (
            '<link href="//cdn.example.org/x.css" rel="stylesheet">',
            "asks another machine for //cdn",
        ),
        ('<img alt="x" src="https://example.org/x.png">', "asks another machine"),
        ("<style>@import 'https://example.org/x.css';</style>", "asks another machine"),
        ('<p style="background:url(https://example.org/x.png)">', "asks another machine"),
        ('<div data-mime-type="application/vnd.jupyter.error">', "a cell failed"),
        ('<div data-mime-type="application/vnd.jupyter.stderr">', "a cell warned"),
        ("x" * 5_000_001, "has 5.0 MB"),
    ],
)
def test_what_is_wrong_with_a_page_is_said(tmp_path, html, words):
    (tmp_path / "page.html").write_text(f"<main>{html}</main>", encoding="utf-8")
    found = website.problems(tmp_path)
    assert len(found) == 1
    assert words in found[0]


def test_a_link_to_a_page_beside_it_is_no_fault(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html#there">x</a> <a href="mailto:a@b.org">y</a>', encoding="utf-8"
    )
    (tmp_path / "b.html").write_text('<p id="there">', encoding="utf-8")
    assert website.problems(tmp_path) == []
