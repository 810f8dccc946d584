"""Write the course's site: lessons as they look when they have run, the library, and all around it.

`make site` runs it. Lessons come from docs/lessons (tools/lessons.py), which are run only where
something has changed; the library's pages from its notebooks (tools/reference.py); the others are
texts of this repository. They are gathered in one folder, where every link is led to the page that
it means, and Sphinx makes the pages. Then each is checked: no link leads nowhere, every picture has
words that stand for it, nothing is asked of another machine, and no page weighs more than
`HEAVIEST`.

`make links` (here `--links`) checks the links that lead out of the site, and needs the internet.
"""

import json
import os
import posixpath
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
from bs4 import BeautifulSoup

import lessons
import translate
from docs import Address, read_settings, read_texts, text_between
from ready import write_ready_page
from reference import reference_page, summary_of

HERE = Path(__file__).resolve().parents[1]
SOURCE = HERE / "docs/site"
HEAVIEST = 2_000_000  # bytes of a page with its pictures, styles and scripts
TRY = "try.html"  # has a network in it, and tests of its own: it is not one of the pages checked


class SiteError(ValueError):
    "A site that cannot be published; says why."


@dataclass(frozen=True)
class Page:
    "A page of the site."

    name: str  # its place in the site, without suffix
    source: Path  # the file that it is made from: where its links start
    text: str  # Markdown
    menu: str = ""  # what the menu calls it; nothing: its title


# --- what the site is made of --------------------------------------------------------------------


# Code in a text, in a block or in a line, in which nothing is what it looks like.
CODE = re.compile(
    r"^ *(?P<fence>`{3,}|~{3,}).*?^ *(?P=fence) *$"
    r"|(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)",
    re.DOTALL | re.MULTILINE,
)


def outside_code(text: str, change: Callable[[str], str]) -> str:
    "A text that was changed everywhere but in code."
    codes: list[str] = []

    def mark(found: re.Match) -> str:
        codes.append(found[0])
        return f"\0{len(codes) - 1}\0"  # characters that no text has

    changed = change(CODE.sub(mark, text))
    return re.sub("\0(\\d+)\0", lambda found: codes[int(found[1])], changed)


def text_of(file: Path) -> str:
    "A text of the repository, without the comments that say how it is made."
    text = file.read_text(encoding="utf-8")
    return outside_code(text, partial(re.sub, r"<!--.*?-->\n?", "", flags=re.DOTALL))


def page_of(name: str, file: str, menu: str = "") -> Page:
    "A page that is a text of the repository."
    return Page(name, HERE / file, text_of(HERE / file), menu)


AT_ONCE = """**Here, without installing anything**:
[show the network a film](docs/site/try_it.md), or
[read the first lesson](docs/lessons/01_first_classifier.md), with its pictures and results.
<a href="de/01_first_classifier.html">Deutsch: der Plan der ersten Lektion</a>"""


def home_page() -> Page:
    """README.md, in the order of a reader who has come to read.

    First what the course is, what can be done at once, and the lessons; then how to install it."""
    home = page_of("index", "README.md")
    opening, *parts = re.split(r"\n(?=## )", home.text)
    titles = [part.split("\n", 1)[0] for part in parts[:2]]
    if titles != ["## Start", "## Lessons"]:
        raise SiteError(f"README.md begins with {titles}, not with Start and Lessons.")
    start, course, *rest = parts

    # The first picture comes after what can be done at once
    summary, *picture = re.split(r"\n(?=!\[)", opening, maxsplit=1)
    parts = [summary, f"{AT_ONCE}\n", *picture, course, start, *rest]
    return Page(home.name, home.source, "\n".join(parts), "Home")


def lesson_pages(address: Address) -> list[Page]:
    "The lessons as they look when they have run; with a button for Colab, if there is an address."
    found = []
    for lesson in lessons.all_lessons():
        copy = lessons.copy_of(lesson)
        text = text_of(copy)
        if address.is_set:
            badge = text_between("badge", copy.name, lesson.name, address, read_texts())
            title, rest = text.lstrip().split("\n", 1)
            text = f"{title}\n\n{badge.strip()}\n{rest}"
        found.append(Page(f"lessons/{lesson.stem}", copy, text))
    return found


def notebooks() -> list[Path]:
    "The notebooks of the library, in their order."
    rooms = sorted((HERE / "nbs").glob("[0-9]*.ipynb"))
    return [*rooms, *sorted((HERE / "nbs/sim").glob("[0-9]*.ipynb"))]


def library_pages() -> list[Page]:
    "The library's notebooks as a reference, and a page that lists them."
    found = []
    rows = []
    for file in notebooks():
        name = f"library/{file.relative_to(HERE / 'nbs').with_suffix('').as_posix()}"
        text = reference_page(file)
        title = text.split("\n", 1)[0].removeprefix("# ")
        found.append(Page(name, file, text, title.removeprefix("rsna_cls.")))
        rows.append(f"| [{title}]({file.relative_to(HERE / 'nbs')}) | {summary_of(file)} |")
    table = "\n".join(["| module | what it is for |", "| --- | --- |", *rows])
    start = text_of(SOURCE / "library.md").rstrip()
    text = f"{start}\n\n{table}\n"
    return [Page("library/index", HERE / "nbs/library.md", text, "All modules"), *found]


def all_sections(address: Address) -> dict[str, list[Page]]:
    "The pages of the site, below the headings of its menu; the home page has none."
    return {
        "": [home_page(), page_of("try_it", "docs/site/try_it.md")],
        "Lessons": lesson_pages(address),
        "For teachers": [
            page_of("teaching", "docs/teaching.md", "Plans and questions"),
            page_of("discussion", "docs/site/discussion.md"),
            page_of("survey", "docs/paper/survey.md", "Survey"),
        ],
        "What it is worth": [
            page_of("experiments", "experiments/README.md", "Experiments"),
            page_of("weights", "rsna_cls/weights/README.md", "Model cards"),
            page_of("films", "data/README.md", "Data card"),
        ],
        "Help": [
            page_of("glossary", "docs/site/glossary.md"),
            page_of("troubleshooting", "docs/site/troubleshooting.md"),
            page_of("support", ".github/SUPPORT.md", "Ask for help"),
            page_of("kit", "docs/site/kit.md"),
            page_of("train", "docs/site/train.md"),
            page_of("cite", "docs/site/cite.md"),
        ],
        "The library": library_pages(),
        "The project": [
            page_of("changelog", "CHANGELOG.md", "What has changed"),
            page_of("contributing", "CONTRIBUTING.md", "Contribute"),
            page_of("security", ".github/SECURITY.md", "Report a weakness"),
        ],
    }


# What else leads to a page: the notebook of a lesson, a folder, a file that a page explains.
ALIASES = {
    "nbs/index.ipynb": "index",
    "nbs": "library/index",
    "nbs/sim": "library/index",
    "CITATION.cff": "cite",
    "LICENSE": "cite",
    "LICENSE-CONTENT": "cite",
    "experiments": "experiments",
}


# --- links ---------------------------------------------------------------------------------------


def is_elsewhere(address: str) -> bool:
    "Whether an address leads out of the site."
    return bool(urlsplit(address).scheme) or address.startswith("//")


class Links:
    "Where the links of a page lead."

    def __init__(self, pages: list[Page], address: Address, folder: Path) -> None:
        "All pages, where the repository is published, and the folder in which they are gathered."
        self.names = {page.source: page.name for page in pages}
        self.names |= {HERE / place: name for place, name in ALIASES.items()}
        for lesson in lessons.all_lessons():
            self.names[lesson] = f"lessons/{lesson.stem}"
        self.address = address
        self.folder = folder
        self.beside = {TRY, *translate.languages()}  # what is made beside the pages

    def lead(self, page: Page, href: str, suffix: str) -> str | None:
        """Where a link of a page leads; `None`: nowhere as long as the repository has no address.

        `suffix` is that of a page: Sphinx wants ".md", HTML in a text ".html"."""
        place = urlsplit(href)
        if is_elsewhere(href) or not place.path:
            return href
        if place.path.split("/")[0] in self.beside:
            if suffix == ".md":
                raise SiteError(f'{page.source.name}: write the link to {href} as <a href="…">')
            return href
        target = Path(os.path.normpath(page.source.parent / unquote(place.path)))
        fragment = f"#{place.fragment}" if place.fragment else ""
        name = self.names.get(target)
        if name and (name != page.name or fragment):
            return posixpath.relpath(name, posixpath.dirname(page.name)) + suffix + fragment
        if not target.exists():
            raise SiteError(f"{page.source.name} leads to {href}, which is not there.")
        if not self.address.is_set:
            return None
        # The site shows the main branch, as HEAD does; a file may be newer than the last tag.
        return f"{self.address.url}/blob/HEAD/{target.relative_to(HERE).as_posix()}{fragment}"

    def copy(self, page: Page, src: str, to: str) -> str:
        "Copy a picture of a page into a folder; returns its name there."
        original = Path(os.path.normpath(page.source.parent / unquote(src)))
        if not original.is_file():
            raise SiteError(f"{page.source.name} shows {src}, which is not there.")
        name = "_".join(original.relative_to(HERE).parts)  # of no other picture
        (self.folder / to).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, self.folder / to / name)
        return name


PICTURE = re.compile(r"!\[((?:\\.|[^\]\\])*)\]\(([^)\s]+)\)")
LINK = re.compile(r"(?<![!\\])\[((?:\\.|!?\[[^\]]*\](?:\([^)]*\))?|[^\[\]\\])*)\]\(([^)\s]+)\)")
HTML_LINK = re.compile(r'<a href="([^"]*)">(.*?)</a>', re.DOTALL)
HTML_PICTURE = re.compile(r'(<img [^>]*?src=")([^"]*)"')


def mended(page: Page, links: Links) -> str:
    "The text of a page, in which links lead to pages and pictures are at hand."

    def mend_picture(found: re.Match) -> str:
        # A picture that another machine would have to send becomes its words
        if is_elsewhere(found[2]):
            return found[1]
        return f"![{found[1]}](/_pictures/{links.copy(page, found[2], '_pictures')})"

    def mend_link(found: re.Match) -> str:
        href = links.lead(page, found[2], ".md")
        words = found[0][1 : found[0].rindex("](")]
        return words if href is None else f"[{words}]({href})"

    def mend_html_link(found: re.Match) -> str:
        href = links.lead(page, found[1], ".html")
        return found[2] if href is None else f'<a href="{href}">{found[2]}</a>'

    def mend_html_picture(found: re.Match) -> str:
        if is_elsewhere(found[2]):
            raise SiteError(f"{page.source.name} shows {found[2]}, of another machine.")
        name = links.copy(page, found[2], "_extra/images")
        src = posixpath.relpath(f"images/{name}", posixpath.dirname(page.name))
        return f'{found[1]}{src}"'

    def mend(text: str) -> str:
        text = PICTURE.sub(mend_picture, text)
        text = LINK.sub(mend_link, text)
        text = HTML_PICTURE.sub(mend_html_picture, text)
        return HTML_LINK.sub(mend_html_link, text)

    return outside_code(page.text, mend)


# --- gathering, and making the pages -------------------------------------------------------------


def menu_of(sections: dict[str, list[Page]]) -> str:
    "The menu of the site, as Sphinx reads it."
    parts = []
    for caption, pages in sections.items():
        options = f":hidden:\n:caption: {caption}" if caption else ":hidden:"
        lines = []
        for page in pages:
            name = "self" if page.name == "index" else page.name
            lines.append(f"{page.menu} <{name}>" if page.menu else name)
        parts.append("\n".join(["```{toctree}", options, "", *lines, "```"]))
    return "\n\n".join(parts)


def gather(sections: dict[str, list[Page]], folder: Path, address: Address) -> None:
    "Write the text and the pictures of every page into one folder, as Sphinx reads them."
    pages = [page for section in sections.values() for page in section]
    links = Links(pages, address, folder)
    for page in pages:
        text = mended(page, links)
        if page.name == "index":
            text = f"{text}\n\n{menu_of(sections)}\n"
        file = folder / f"{page.name}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    translate.copy_settings(folder)


def make_pages(folder: Path, site: Path, version: str, *more: str) -> None:
    "Let Sphinx make the pages; what it warns of is a fault. `more`: what else it is told."
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q"]
    command += ["-j", "auto", "-D", f"release={version}", "-d", str(folder / "_doctrees")]
    command += [*more, str(folder), str(site)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.replace(f"{folder}{os.sep}", "")
        raise SiteError(f"Sphinx found faults:\n{said}")


def make_outline(language: str, folder: Path, site: Path, version: str) -> None:
    "Make the outline of a lesson in another language."
    translate.gather_outline(folder)
    shutil.copytree(translate.LOCALE, folder / "_locale")
    name = translate.LESSON.stem
    more = ["-D", f"root_doc={name}", "-D", f"language={language}"]
    more += ["-A", f"in_english=../lessons/{name}.html"]
    make_pages(folder, site / language, version, *more)


# Parts of the theme's pages that screen readers call by a name, and that name.
LANDMARKS = {"sidebar-drawer": "Menu", "toc-drawer": "On this page"}


def make_accessible(page: BeautifulSoup) -> None:
    "Mend what keeps the theme's pages from people who use a keyboard or a screen reader."
    # A table that came as HTML is scrolled by itself, as the others are, and not with the page
    for table in page.select("article table"):
        if table.find_parent(class_="table-wrapper") is None:
            table.wrap(page.new_tag("div", attrs={"class": "table-wrapper"}))
    # What is wider than the page is scrolled with the arrow keys, once it can be reached
    for wide in page.select("pre, .table-wrapper, .formula"):
        wide["tabindex"] = "0"
    # An empty corner of a table heads nothing
    for header in page.find_all("th"):
        if not header.get_text(strip=True):
            header.name = "td"
            header.attrs.pop("scope", None)
    # The menu's captions are no headings of the text
    for caption in page.find_all(class_="caption", role="heading"):
        del caption["role"]
    for part, name in LANDMARKS.items():
        for landmark in page.find_all("aside", class_=part):
            landmark["aria-label"] = name
    # On a phone, a picture is opened by itself to be enlarged
    for image in page.select("article p > img"):
        image.wrap(page.new_tag("a", href=image["src"]))
    # The search page has no heading before something is found
    article = page.find("article")
    if article is not None and page.find("h1") is None:
        heading = page.new_tag("h1")
        heading.string = "Search"
        article.insert(0, heading)


def build(site: Path, work: Path, address: Address | None = None) -> int:
    """Make the site anew from what is in the repository; nothing is run.

    Returns the bytes of its heaviest page; raises SiteError, and leaves the older site then."""
    address = address or read_settings()
    shutil.rmtree(work, ignore_errors=True)
    made = work / "site"
    gather(all_sections(address), work / "pages", address)
    make_pages(work / "pages", made, address.version)
    for language in translate.languages():
        make_outline(language, work / language, made, address.version)
    for file in made.rglob("*.html"):
        page = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
        make_accessible(page)
        file.write_text(str(page), encoding="utf-8")

    # Only a site without faults takes the place of the one before
    checked = Site(made)
    found = problems(checked)
    if found:
        raise SiteError("The site has faults:\n" + "\n".join(found))
    heaviest = max(checked.weight(page) for page in checked.pages)
    shutil.rmtree(site, ignore_errors=True)
    shutil.move(made, site)
    return heaviest


# --- checking ------------------------------------------------------------------------------------

# What makes a browser ask another machine for something, and the attribute that says what.
REQUESTS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
    "embed": "src",
}
MORE_REQUESTS = {"source": "srcset", "img": "srcset", "video": "poster"}
IN_STYLE = re.compile(r"(?:url\(|@import)\s*[\"']?\s*((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)
IN_SCRIPT = re.compile(r"[\"'`]((?:https?|wss?)://[^\"'`]+)")


def requests_of(page: BeautifulSoup) -> list[str]:
    "What a page asks of other machines when it is opened."
    found = [link.get("href", "") for link in page.find_all("link")]
    for name, attribute in [*REQUESTS.items(), *MORE_REQUESTS.items()]:
        found += [tag.get(attribute, "") for tag in page.find_all(name)]
    found = [a for a in found if is_elsewhere(a) and not a.startswith("data:")]
    for style in page.find_all("style"):
        found += IN_STYLE.findall(style.string or "")
    for tag in page.find_all(style=True):
        found += IN_STYLE.findall(tag["style"])
    for script in page.find_all("script"):
        found += IN_SCRIPT.findall(script.string or "")
    return found


class Site:
    "The pages of a site, read once each."

    def __init__(self, folder: Path) -> None:
        "A site that has been made."
        self.folder = folder
        self.pages = {
            file: BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
            for file in sorted(folder.rglob("*.html"))
            if file != folder / TRY
        }
        self.ids = {
            file: {tag["id"] for tag in page.find_all(id=True)} for file, page in self.pages.items()
        }

    def file_at(self, page: Path, address: str) -> Path:
        "The file that a link or a picture of a page leads to."
        place = urlsplit(address)
        return Path(os.path.normpath(page.parent / unquote(place.path))) if place.path else page

    def dead_links(self, page: Path) -> list[str]:
        "Links and pictures of a page that lead to nothing in the site."
        soup = self.pages[page]
        addresses = [link["href"] for link in soup.find_all("a", href=True)]
        addresses += [tag["src"] for tag in soup.find_all(["img", "script"], src=True)]
        addresses += [link["href"] for link in soup.find_all("link", href=True)]
        found = []
        for address in addresses:
            if is_elsewhere(address) or address == "#":
                continue
            target = self.file_at(page, address)
            fragment = unquote(urlsplit(address).fragment)
            is_try = target == self.folder / TRY  # written last
            is_there = is_try or target.is_file()
            if not is_there or (fragment and fragment not in self.ids.get(target, {fragment})):
                found.append(address)
        return found

    def weight(self, page: Path) -> int:
        "Bytes of a page with its pictures, styles and scripts."
        soup = self.pages[page]
        addresses = {tag["src"] for tag in soup.find_all(["img", "script"], src=True)}
        for link in soup.find_all("link", href=True):
            if "stylesheet" in link.get("rel", []):
                addresses.add(link["href"])
        files = {self.file_at(page, a) for a in addresses if not is_elsewhere(a)}
        return sum(file.stat().st_size for file in [page, *files] if file.is_file())


def jumps_of(page: BeautifulSoup) -> list[str]:
    "Headings that are more than one level below the heading before them."
    found = []
    before = 0
    for heading in page.find_all(re.compile(r"^h[1-6]$")):
        level = int(heading.name[1])
        if level > before + 1:
            found.append(heading.get_text().strip("¶# \n"))
        before = level
    return found


def problems(site: Site) -> list[str]:
    "What is wrong with the pages of a site, in words."
    found = []
    for sheet in site.folder.rglob("*.css"):
        asked = IN_STYLE.findall(sheet.read_text(encoding="utf-8"))
        found += [f"{sheet.name} asks another machine for {address}" for address in asked]
    for file, page in site.pages.items():
        name = file.relative_to(site.folder).as_posix()
        found += [f"{name} asks another machine for {address}" for address in requests_of(page)]
        found += [f"{name}: {address} leads nowhere" for address in site.dead_links(file)]
        found += [f"{name}: the heading {words!r} skips a level" for words in jumps_of(page)]
        for image in page.find_all("img"):
            if not image.get("alt", "").strip():
                found.append(f"{name}: a picture without alternative text")
        weight = site.weight(file)
        if weight > HEAVIEST:
            found.append(f"{name} has {weight / 1e6:.1f} MB, more than {HEAVIEST / 1e6:.0f}")
    return found


# --- links that lead out -------------------------------------------------------------------------

# Servers that many links lead to. If none of them answers, there is no internet here.
WELL_KNOWN = ("https://doi.org", "https://github.com", "https://arxiv.org")
LONGEST = 15 * 60  # seconds for all links: a server may ask to be left alone for hours
STOPPING = 30  # seconds for Sphinx to write what it knows
WORKS = ("working", "redirected")  # as Sphinx calls it
NO_SUCH_PAGE = re.compile("(404|410) ")
NO_SUCH_HOST = re.compile(  # as Linux, macOS and Windows say it
    "Name or service not known|No address associated|nodename nor servname|getaddrinfo failed"
)


@dataclass(frozen=True)
class Outside:
    "A link that leads out of the site, and what came of asking for it."

    page: str  # the first page that has it
    address: str
    status: str  # Sphinx's word
    said: str  # what the server answered, or why it did not

    @property
    def works(self) -> bool:
        "Whether there is something at the address."
        return self.status in WORKS

    @property
    def is_gone(self) -> bool:
        "Whether there is nothing any more; not so if a server refuses a program or is silent."
        return bool(NO_SUCH_PAGE.match(self.said) or NO_SUCH_HOST.search(self.said))

    def __str__(self) -> str:
        "Where it stands, where it leads, and what was said."
        said = self.said.split(" for url: ")[0]
        if NO_SUCH_HOST.search(said):
            said = "no such host"
        if self.status == "timeout":
            said = "no answer in time"
        return f"{self.page}: {self.address} ({said[:100]})"


def ask_outside(folder: Path, found: Path, limit: float = LONGEST, *more: str) -> bool:
    """Let Sphinx ask for every link that leads out, and write what came of it into a folder.

    Returns whether it came to its end within the limit, in seconds."""
    command = [sys.executable, "-m", "sphinx", "-b", "linkcheck", "-q"]
    command += ["-d", str(folder / "_doctrees"), *more, str(folder), str(found)]
    sphinx = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    is_whole = True
    try:
        said = sphinx.communicate(timeout=limit)[1]
    except subprocess.TimeoutExpired:
        # As Ctrl + C does: what is known so far is still written
        is_whole = False
        sphinx.send_signal(signal.SIGINT)
        try:
            said = sphinx.communicate(timeout=STOPPING)[1]
        except subprocess.TimeoutExpired:
            raise SiteError("Sphinx did not come to the end of the links in time.") from None
    finally:
        if sphinx.poll() is None:
            sphinx.kill()
            sphinx.communicate()
    # 1: some links do not work
    is_failure = is_whole and sphinx.returncode not in (0, 1)
    if is_failure or not (found / "output.json").is_file():
        raise SiteError(f"Sphinx did not come to the end of the links:\n{said}")
    return is_whole


IN_TEXT = re.compile(r"(?:\]\(|<)(https?://[^\s)>]+)")


def not_asked(folder: Path, answered: list[Outside]) -> list[Outside]:
    "The links of the gathered pages that nothing is known of."
    known = {link.address.partition("#")[0] for link in answered}
    found: dict[str, Outside] = {}
    for file in sorted(folder.rglob("*.md")):
        page = file.relative_to(folder).with_suffix("").as_posix()
        text = CODE.sub("", file.read_text(encoding="utf-8"))
        for address in IN_TEXT.findall(text):
            if address.partition("#")[0] not in known:
                found.setdefault(address, Outside(page, address, "unchecked", "the time was up"))
    return list(found.values())


def read_outside(found: Path) -> list[Outside]:
    "The links that were asked for, and what came of each."
    links = []
    for line in (found / "output.json").read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        if told["uri"].startswith(("http:", "https:")):
            page = told["filename"].removesuffix(".md")
            links.append(Outside(page, told["uri"], told["status"], told["info"]))
    return links


def outside_links(pages: Path, found: Path, limit: float = LONGEST, *more: str) -> list[Outside]:
    "Ask for every link of the gathered pages that leads out; what came of each."
    is_whole = ask_outside(pages, found, limit, *more)
    links = read_outside(found)
    if not is_whole:
        links += not_asked(pages, links)
    return sorted(links, key=str)


def is_connected() -> bool:
    "Whether there is internet: whether one of a few servers answers, whatever it says."
    for address in WELL_KNOWN:
        try:
            requests.head(address, timeout=10)
        except requests.RequestException:
            continue
        return True
    return False


def report_outside(links: list[Outside]) -> str:
    """What came of the links, in words.

    Raises SiteError if some are gone, or if too few have answered to say that all is well."""
    works = [link for link in links if link.works]
    if links and not works:
        raise SiteError(f"None of {len(links)} links answers: is there internet here?")
    gone = [link for link in links if not link.works and link.is_gone]
    unknown = [link for link in links if not link.works and not link.is_gone]
    lines = [
        f"Links that lead out of the site: {len(links)}. {len(works)} work, "
        f"{len(unknown)} could not be checked, {len(gone)} lead to nothing."
    ]
    if unknown:
        lines += ["Could not be checked:", *(f"  {link}" for link in unknown)]
    if gone:
        lines += ["Lead to nothing:", *(f"  {link}" for link in gone)]
    if gone or len(unknown) > len(links) / 2:
        raise SiteError("\n".join(lines))
    return "\n".join(lines)


def check_outside(work: Path) -> str:
    "Ask for every link of the site that leads out; raises SiteError if some lead to nothing."
    if not is_connected():
        names = [urlsplit(address).netloc for address in WELL_KNOWN]
        raise SiteError(
            f"No link was checked, because there is no internet here: none of {', '.join(names)} "
            "answers."
        )
    shutil.rmtree(work, ignore_errors=True)
    address = read_settings()
    gather(all_sections(address), work / "pages", address)
    return report_outside(outside_links(work / "pages", work / "found"))


def main_links() -> None:
    "The command line of `make links`."
    try:
        print(check_outside(HERE / "build/links"))
    except SiteError as problem:
        sys.exit(f"make links: {problem}")


def main() -> None:
    "The command line."
    if sys.argv[1:] == ["--links"]:
        main_links()
        return
    site = HERE / "build/site"
    started = time.time()
    try:
        lessons.refresh()
        heaviest = build(site, HERE / "build/site_source")
    except (lessons.LessonError, SiteError) as problem:
        sys.exit(f"make site: {problem}")
    write_ready_page(site / TRY)
    sizes = [file.stat().st_size for file in site.rglob("*") if file.is_file()]
    print(
        f"{site / 'index.html'}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB, "
        f"heaviest page {heaviest / 1e6:.1f} MB, {(time.time() - started) / 60:.1f} min"
    )


if __name__ == "__main__":
    main()
