"The site: its pages, the links between them, what a browser makes of it, what it refuses."

import importlib
import os
import re
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from conftest import AXE, HERE
from test_browser import CHROMIUM

sys.path.insert(0, str(HERE / "tools"))
website = importlib.import_module("website")
docs = importlib.import_module("docs")

UNSET = docs.Address(docs.PLACEHOLDER, "9.9.9", False)
SET = docs.Address("https://github.com/someone/rsna_cls", "9.9.9", False)
SHOTS = HERE / "build/site_shots"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    "The site of this repository; the page with the network, which has tests of its own, left out."
    home = tmp_path_factory.mktemp("site")
    website.build(home / "site", home / "source", UNSET)
    return home / "site"


def read(file):
    "A page, read."
    return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")


@pytest.mark.slow(seconds=60)
class TestSite:
    "The site, made once, and nothing run for it."

    def test_it_has_no_faults(self, site):
        assert website.problems(website.Site(site)) == []

    def test_every_page_of_the_menu_is_there(self, site):
        sections = website.all_sections(UNSET)
        names = [page.name for pages in sections.values() for page in pages]
        assert len(names) > 60
        menu = read(site / "index.html").find(class_="sidebar-tree")
        linked = {link["href"] for link in menu.find_all("a")}
        for name in names:
            assert (site / f"{name}.html").is_file()
            assert name == "index" or f"{name}.html" in linked

    def test_the_home_page_begins_with_what_a_reader_can_do(self, site):
        "What the course is, what can be done at once, the lessons; then how to install it."
        page = read(site / "index.html").find("article")
        order = ["Train a network", "without installing", "In lesson 1", "Can a computer tell"]
        order += ["make demo", "Intervals are 95 %", "In an environment of your own"]
        places = [page.text.index(words) for words in order]
        assert places == sorted(places)
        titles = [heading.text.strip("¶# \n") for heading in page.find_all("h2")]
        assert titles[:2] == ["Lessons", "Start"]

    def test_the_menu_calls_a_module_by_its_name(self, site):
        menu = read(site / "index.html").find(class_="sidebar-tree")
        names = {link["href"]: link.text for link in menu.find_all("a")}
        assert names["library/15_cam.html"] == "cam"
        assert names["library/sim/00_beam.html"] == "sim.beam"
        assert max(len(name) for name in names.values()) < 30

    def test_every_table_is_scrolled_by_itself(self, site):
        for file in [site / "index.html", *site.glob("lessons/*.html")]:
            for table in read(file).select("article table"):
                assert table.find_parent(class_="table-wrapper")["tabindex"] == "0", file.name

    def test_a_lesson_shows_what_came_of_it(self, site):
        page = read(site / "lessons/01_first_classifier.html")
        assert len(page.find("article").find_all("img")) >= 10
        assert "Ready: rsna_cls" in page.text
        assert page.find("details").find("summary").text.startswith("Code: ")

    def test_every_page_says_what_it_is_not(self, site):
        for file in site.rglob("*.html"):
            page = read(file)
            is_german = page.find("html")["lang"] == "de"
            no_use = "Nicht für den klinischen" if is_german else "Not for clinical use"
            for words in (no_use, "Radiological Society", "CC BY 4.0", "Wiggins"):
                assert words in page.find("footer").text, file.name

    def test_no_page_says_where_it_was_made(self, site):
        for file in site.rglob("*.html"):
            text = file.read_text(encoding="utf-8")
            assert str(HERE) not in text, file.name
            assert str(site.parent) not in text, file.name

    def test_an_outline_is_there_in_german(self, site):
        page = read(site / "de/01_first_classifier.html")
        assert page.find("html")["lang"] == "de"
        assert "Nicht für den klinischen Gebrauch" in page.find("article").text
        assert page.find("h1").text.startswith("1 · Ihr erster Klassifikator")
        assert page.find("a", hreflang="en")["href"] == "../lessons/01_first_classifier.html"

    def test_a_formula_is_mathml(self, site):
        "Browsers show it without a script, and screen readers read it."
        page = read(site / "library/15_cam.html")
        assert len(page.find_all("math")) >= 10
        words = re.sub(r"<pre.*?</pre>", "", str(page.find("article")), flags=re.DOTALL)
        assert "$" not in words

    def test_folded_code_has_its_names(self, site):
        page = read(site / "library/15_cam.html")
        titles = [summary.text for summary in page.find_all("summary")]
        assert any("grad_cam" in title for title in titles if title.startswith("Source: "))


@pytest.mark.slow(seconds=20)
def test_the_page_with_the_network_is_as_large_as_its_link_says(tmp_path):
    size = website.write_ready_page(tmp_path / website.TRY).stat().st_size
    said = re.search(r"\((\d+) MB\)", (website.SOURCE / "try_it.md").read_text(encoding="utf-8"))[1]
    assert round(size / 1e6) == int(said)


# --- in a browser --------------------------------------------------------------------------------

ALIKE = "library/"  # the pages of modules are made by one rule: a few stand for all
SHOWN = ("library/index", "library/01_dicom", "library/15_cam", "library/sim/00_beam")


@pytest.fixture
def window(chromium, request):
    "A window of a width and a theme."
    width, theme = request.param
    viewport = dict(width=width, height=900)
    context = chromium.new_context(viewport=viewport, color_scheme=theme, offline=True)
    yield context.new_page()
    context.close()


DESKTOP, PHONE = 1280, 390

# axe tells no contrast where a picture lies behind words: the shadow beside what is too wide is one
NO_SHADOWS = "article * { background-image: none !important; }"


def ends_of(box):
    "How far the columns of pixels at the left and right end of a box are from its background."
    with Image.open(BytesIO(box.screenshot())) as picture:
        grey = np.asarray(picture.convert("L")).astype(int)
    background = np.bincount(grey.ravel()).argmax()
    return [int(abs(np.median(grey[:, column]) - background)) for column in (1, -2)]


@pytest.mark.skipif(
    CHROMIUM is None, reason="needs Chromium: on Debian and Ubuntu, apt-get install chromium"
)
@pytest.mark.slow(seconds=150)
class TestInTheBrowser:
    "What a reader sees, offline, from a file on the disk."

    @pytest.mark.parametrize(
        "window", [(DESKTOP, "light"), (PHONE, "dark")], indirect=True, ids=["desktop", "phone"]
    )
    def test_axe_finds_nothing_and_nothing_is_too_wide(self, site, window, workshop):
        axe = (workshop / AXE).read_text(encoding="utf-8")
        found = []
        for file in sorted(site.rglob("*.html")):
            name = file.relative_to(site).with_suffix("").as_posix()
            if name.startswith(ALIKE) and name not in SHOWN:
                continue
            window.goto(file.as_uri())
            window.add_style_tag(content=NO_SHADOWS)
            window.evaluate(axe)
            for rule in window.evaluate("() => axe.run()")["violations"]:
                found.append(f"{name}: {rule['id']}: {rule['nodes'][0]['html'][:200]}")
            width = window.evaluate("() => document.documentElement.scrollWidth")
            if width > window.viewport_size["width"]:
                found.append(f"{name} is {width} pixels wide")
        assert found == []

    @pytest.mark.parametrize("window", [(DESKTOP, "dark"), (PHONE, "light")], indirect=True)
    @pytest.mark.parametrize("name", ["index", "lessons/04_where_it_ends", "library/22_gate"])
    def test_axe_finds_nothing_in_the_other_theme(self, site, window, name, workshop):
        window.goto((site / f"{name}.html").as_uri())
        shadows = window.add_style_tag(content=NO_SHADOWS)
        window.evaluate((workshop / AXE).read_text(encoding="utf-8"))
        found = window.evaluate("() => axe.run()")["violations"]
        assert not [f"{rule['id']}: {rule['nodes'][0]['html']}" for rule in found]
        shadows.evaluate("sheet => sheet.remove()")
        SHOTS.mkdir(parents=True, exist_ok=True)
        window.screenshot(path=SHOTS / f"{Path(name).name}_{window.viewport_size['width']}.png")

    @pytest.mark.parametrize("window", [(PHONE, "light"), (PHONE, "dark")], indirect=True)
    @pytest.mark.parametrize(
        "name, box", [("teaching", ".table-wrapper"), ("library/15_cam", "article pre")]
    )
    def test_what_is_too_wide_has_a_shadow_where_there_is_more(self, site, window, name, box):
        window.goto((site / f"{name}.html").as_uri())
        boxes = window.locator(box)
        widths = boxes.evaluate_all("all => all.map(one => one.scrollWidth - one.clientWidth)")
        wide = boxes.nth(next(i for i, width in enumerate(widths) if width > 40))
        wide.evaluate("one => one.closest('details')?.setAttribute('open', '')")
        wide.scroll_into_view_if_needed()
        left, right = ends_of(wide)
        assert right > left + 20
        wide.evaluate("one => { one.scrollLeft = one.scrollWidth; }")
        left, right = ends_of(wide)
        assert left > right + 20

    @pytest.mark.parametrize("window", [(DESKTOP, "light")], indirect=True)
    def test_search_finds_a_lesson_and_a_function(self, site, window):
        for words, page in [("overfitting", "1 · Your first"), ("grad_cam", "rsna_cls.cam")]:
            window.goto(f"{(site / 'search.html').as_uri()}?q={words}")
            window.wait_for_selector("#search-results .search-summary", timeout=20_000)
            window.wait_for_function(
                "words => document.querySelector('#search-results').textContent.includes(words)",
                arg=page,
                timeout=20_000,
            )


# --- links and pictures --------------------------------------------------------------------------


@pytest.fixture
def links(tmp_path):
    "Where links lead, as long as there is no address."
    return links_for(UNSET, tmp_path)


def links_for(address, folder):
    "Where the links of the site lead."
    pages = [page for section in website.all_sections(address).values() for page in section]
    return website.Links(pages, address, folder)


def mended(text, links, name="index", source=HERE / "README.md"):
    "A piece of a page, with its links led to pages."
    return website.mended(website.Page(name, source, text), links)


@pytest.mark.parametrize(
    "href, leads_to",
    [
        ("nbs/lessons/01_first_classifier.ipynb", "lessons/01_first_classifier.md"),
        ("docs/lessons/01_first_classifier.md", "lessons/01_first_classifier.md"),
        ("nbs/15_cam.ipynb#which-layer", "library/15_cam.md#which-layer"),
        ("nbs/sim", "library/index.md"),
        ("LICENSE", "cite.md"),
        ("https://example.org/x", "https://example.org/x"),
        ("#start", "#start"),
    ],
)
def test_where_a_link_leads(links, href, leads_to):
    assert mended(f"see [`words`]({href}).", links) == f"see [`words`]({leads_to})."
    html = leads_to.replace(".md", ".html")
    expected = f'<a href="{html}">words</a>'
    assert mended(f'<a href="{href}">words</a>', links) == expected


def test_a_link_of_a_page_in_a_folder_starts_there(links):
    source = HERE / "nbs/sim/00_beam.ipynb"
    text = mended("[cam](../15_cam.ipynb)", links, "library/sim/00_beam", source)
    assert text == "[cam](../15_cam.md)"


def test_a_link_into_the_repository_follows_the_address(links, tmp_path):
    "Its words alone, as long as there is no address."
    text = "see [the rules](.github/CODE_OF_CONDUCT.md)"
    assert mended(text, links) == "see the rules"
    there = "https://github.com/someone/rsna_cls/blob/HEAD/.github/CODE_OF_CONDUCT.md"
    assert mended(text, links_for(SET, tmp_path)) == f"see [the rules]({there})"


def test_a_page_leads_to_its_own_notebook_in_the_repository(tmp_path):
    source = HERE / "docs/lessons/01_first_classifier.md"
    text = "open [the notebook](../../nbs/lessons/01_first_classifier.ipynb)"
    name = "lessons/01_first_classifier"
    there = "https://github.com/someone/rsna_cls/blob/HEAD/nbs/lessons/01_first_classifier.ipynb"
    found = mended(text, links_for(SET, tmp_path), name, source)
    assert found == f"open [the notebook]({there})"


def test_a_link_to_nothing_stops_the_site(links):
    with pytest.raises(website.SiteError, match=r"README\.md leads to no_such\.md"):
        mended("[x](no_such.md)", links)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx = y[0](no_such)\n```",
        "- a list\n\n  ```\n  [x](no_such.md)\n  ```",
        "~~~\n![x](no_such.png)\n~~~",
        "````text\n```\n[x](no_such.md)\n```\n````",
        "the code `[x](no_such.md)` and `d[k](LICENSE)`",
        r"no link: \[x](LICENSE)",
    ],
)
def test_code_is_left_alone(links, text):
    assert mended(text, links) == text


def test_a_comment_goes_and_code_that_looks_like_one_stays(tmp_path):
    file = tmp_path / "a.md"
    text = "<!-- made by `make` -->\na `<!-- b -->`\n\n```\n<!-- c -->\n```\n"
    file.write_text(text, encoding="utf-8")
    assert website.text_of(file) == "a `<!-- b -->`\n\n```\n<!-- c -->\n```\n"


def test_a_link_to_what_is_made_beside_the_pages_is_written_as_html(links):
    assert mended('<a href="try.html">x</a>', links) == '<a href="try.html">x</a>'
    with pytest.raises(website.SiteError, match="write the link to try.html as <a"):
        mended("[x](try.html)", links)


def test_two_pictures_of_one_name_stay_two(links, tmp_path):
    first = mended("![a](nbs/images/lesson_01.png)", links)
    second = mended("![b](docs/lessons/01_first_classifier/03_2.webp)", links)
    assert first == "![a](/_pictures/nbs_images_lesson_01.png)"
    assert second == "![b](/_pictures/docs_lessons_01_first_classifier_03_2.webp)"
    assert len(list((tmp_path / "_pictures").iterdir())) == 2


def test_a_picture_from_elsewhere_becomes_its_words(links):
    badge = "[![Open in Colab](https://example.org/badge.svg)](https://example.org/x)"
    assert mended(badge, links) == "[Open in Colab](https://example.org/x)"


def test_a_picture_in_html_is_copied(links, tmp_path):
    text = mended('<img src="nbs/images/elbow.png" alt="m">', links)
    assert text == '<img src="images/nbs_images_elbow.png" alt="m">'
    assert (tmp_path / "_extra/images/nbs_images_elbow.png").is_file()


def test_with_an_address_a_lesson_has_a_button_that_leads_to_it():
    for page in website.lesson_pages(SET):
        place = r"colab\.research\.google\.com/github/someone/rsna_cls/blob/v9\.9\.9/([^)\s]+)"
        notebook = re.search(place, page.text)[1]
        assert (HERE / notebook).is_file()
        assert Path(notebook).stem == Path(page.name).name
    assert not any("colab.research" in page.text[:2000] for page in website.lesson_pages(UNSET))


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
        ('<link href="//cdn.example.org/x.css" rel="stylesheet">', "another machine for //cdn"),
        ('<img alt="x" src="https://example.org/x.png">', "asks another machine"),
        ("<style>@import 'https://example.org/x.css';</style>", "asks another machine"),
        ('<p style="background:url(https://example.org/x.png)">', "asks another machine"),
        ("<script>fetch(`https://example.org/x`)</script>", "asks another machine for https"),
        ('<script>new WebSocket("wss://example.org")</script>', "asks another machine for wss"),
        ('<img alt="x" src="data:," srcset="https://example.org/x.png">', "asks another machine"),
        ('<video poster="https://example.org/x.png"></video>', "asks another machine"),
        ('<script src="gone.js"></script>', "gone.js leads nowhere"),
        ('<link href="gone.css" rel="stylesheet">', "gone.css leads nowhere"),
        ("<h1>a</h1><h3>b</h3>", "the heading 'b' skips a level"),
        ("x" * 2_000_001, "has 2.0 MB"),
    ],
)
def test_what_is_wrong_with_a_page_is_said(tmp_path, html, words):
    (tmp_path / "page.html").write_text(f"<main>{html}</main>", encoding="utf-8")
    found = website.problems(website.Site(tmp_path))
    assert len(found) == 1
    assert words in found[0]


def test_a_page_weighs_what_it_needs(tmp_path):
    "With its pictures, its styles and its scripts, each once."
    for name in ("a.png", "b.css", "c.js"):
        (tmp_path / name).write_bytes(bytes(1000))
    text = (
        '<link rel="stylesheet" href="b.css"><script src="c.js"></script>'
        '<img src="a.png" alt="x"><img src="a.png" alt="x">'
    )
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    page = tmp_path / "page.html"
    assert website.Site(tmp_path).weight(page) == 3000 + len(text)


def test_a_link_to_a_page_beside_it_is_no_fault(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html#there">x</a> <a href="mailto:a@b.org">y</a> <a href="try.html">z</a>',
        encoding="utf-8",
    )
    (tmp_path / "b.html").write_text('<p id="there">', encoding="utf-8")
    assert website.problems(website.Site(tmp_path)) == []


@pytest.mark.slow(seconds=5)
def test_a_fault_leaves_the_older_site(tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("the older one", encoding="utf-8")
    page = website.Page("index", HERE / "README.md", "# A\n\n### B\n")
    monkeypatch.setattr(website, "all_sections", lambda address: {"": [page]})
    with pytest.raises(website.SiteError):
        website.build(tmp_path / "site", tmp_path / "work", UNSET)
    assert (tmp_path / "site/index.html").read_text(encoding="utf-8") == "the older one"


@pytest.mark.slow(seconds=5)
def test_what_sphinx_warns_of_stops_the_site(tmp_path):
    "Here a link to a heading that is not there."
    page = website.Page("index", HERE / "README.md", "# A\n\n[x](#nowhere)\n")
    website.gather({"": [page]}, tmp_path / "source", UNSET)
    with pytest.raises(website.SiteError, match="nowhere"):
        website.make_pages(tmp_path / "source", tmp_path / "site", "1")


# --- links that lead out -------------------------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    "A server's answers: the number in the address; silence for `/silent`."

    released = threading.Event()  # set when the silent may go home

    def do_HEAD(self):
        "Answer, or be silent."
        status = self.path.split("/")[1]
        if status == "silent":
            self.released.wait(30)
            return
        self.send_response(int(status))
        if status == "302":
            self.send_header("Location", "/200/there")
        if status == "429":
            self.send_header("Retry-After", "3600")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *args):
        "Say nothing."


@pytest.fixture
def server(monkeypatch):
    "The address of a server on this computer, which no proxy is asked for."
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Answers.released.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        Answers.released.set()
        running.shutdown()


def asked(folder, text, *more, limit=60):
    "What came of the links of a page."
    page = website.Page("index", HERE / "README.md", f"# A\n\n{text}\n")
    website.gather({"": [page]}, folder / "pages", UNSET)
    return website.outside_links(folder / "pages", folder / "found", limit, *more)


@pytest.mark.slow(seconds=8)
def test_links_that_lead_out_are_asked_for(server, tmp_path):
    "What is gone is told from what a server would not say; code is left alone."
    paths = ["200", "200/brackets_(x)", "302", "403/paper", "404/page", "410", "500", "silent"]
    text = "\n\n".join(f"[x]({server}/{path})" for path in paths)
    text += f"\n\n`{server}/404/code`\n\n```\n{server}/404/block\n```\n\n[y](mailto:a@b.org)"
    found = asked(tmp_path, text, "-D", "linkcheck_timeout=1")
    there = {link.address.removeprefix(f"{server}/"): link for link in found}
    assert set(there) == set(paths)
    assert [path for path in paths if there[path].works] == paths[:3]
    assert [path for path in paths if there[path].is_gone] == ["404/page", "410"]
    assert str(there["silent"]) == f"index: {server}/silent (no answer in time)"

    with pytest.raises(website.SiteError) as told:
        website.report_outside(found)
    said, gone = str(told.value).split("Lead to nothing:")
    assert "8. 3 work, 3 could not be checked, 2 lead to nothing." in said
    assert f"index: {server}/403/paper (403 Client Error: Forbidden)" in said
    assert f"index: {server}/404/page (404 Client Error: Not Found)" in gone
    mixed = [link for link in found if link.works or "403" in link.address]
    assert "4. 3 work, 1 could not be checked, 0 lead to nothing" in website.report_outside(mixed)
    with pytest.raises(website.SiteError, match="2 work, 3 could not be checked, 0 lead"):
        website.report_outside([link for link in found if not link.is_gone][1:])
    with pytest.raises(website.SiteError, match="^None of 2 links answers"):
        website.report_outside([link for link in found if link.is_gone])


@pytest.mark.slow(seconds=30)
@pytest.mark.skipif(os.name == "nt", reason="Sphinx is stopped by a signal")
def test_a_server_that_asks_for_an_hour_is_not_waited_for(server, tmp_path):
    found = asked(tmp_path, f"[x]({server}/200)\n\n[y]({server}/429)", limit=25)
    said = website.report_outside(found)
    assert "2. 1 work, 1 could not be checked" in said
    assert f"index: {server}/429 (the time was up)" in said


@pytest.mark.slow(seconds=30)
@pytest.mark.skipif(os.name == "nt", reason="Sphinx is stopped by a signal")
def test_links_of_which_nothing_is_known_do_not_pass(server, tmp_path):
    found = asked(tmp_path, f"[y]({server}/429)", limit=25)
    assert [link.address for link in found] == [f"{server}/429"]
    with pytest.raises(website.SiteError, match="None of 1 links answers"):
        website.report_outside(found)


@pytest.mark.slow(seconds=10)
@pytest.mark.skipif(os.name == "nt", reason="Sphinx is stopped by a signal")
def test_a_sphinx_that_does_not_listen_is_ended(server, tmp_path, monkeypatch):
    "As where `make links` was begun in the background: new processes ignore Ctrl + C there."
    monkeypatch.setattr(website, "STOPPING", 1)
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(website.SiteError, match="did not come to the end of the links in time"):
            asked(tmp_path, f"[y]({server}/429)", limit=25)
    finally:
        signal.signal(signal.SIGINT, usual)


@pytest.mark.parametrize(
    "said, is_gone",
    [
        ("404 Client Error: Not Found for url: https://example.org/403", True),
        ("403 Client Error: Forbidden for url: https://example.org/404 page", False),
        ("429 Client Error: Too Many Requests for url: https://example.org", False),
        ("Failed to resolve 'x.org' ([Errno -2] Name or service not known)", True),
        ("Failed to resolve 'x.org' ([Errno 11001] getaddrinfo failed)", True),
        ("Failed to resolve 'x.org' ([Errno -3] Temporary failure in name resolution)", False),
        ("[Errno 111] Connection refused", False),
        ("unauthorized", False),
    ],
)
def test_a_link_is_gone_only_if_there_is_nothing(said, is_gone):
    assert website.Outside("index", "https://example.org", "broken", said).is_gone == is_gone


def test_without_internet_nothing_is_asked(monkeypatch, tmp_path, server):
    "One sentence, and not a list of every link."
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setattr(website, "WELL_KNOWN", (nobody,))
    with pytest.raises(website.SiteError, match="^No link was checked, because there is no int"):
        website.check_outside(tmp_path / "links")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(website, "WELL_KNOWN", (nobody, f"{server}/403"))
    assert website.is_connected()
