"""Write the course's site: the home page, and every lesson as it looks when it has run.

`make site` runs it. The lessons run on the simulated films, at the sizes they are made for; one
that has run since it, the library or the films last changed is not run again. Every page is
checked: no link leads nowhere, every picture has alternative text, nothing is asked of another
machine, and no page is larger than `LARGEST`.
"""

import os
import re
import shutil
import sys
import time
from argparse import ArgumentParser
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from bs4 import BeautifulSoup

from docs import Address, read_settings
from pages import as_html, as_read, execute, title_of
from ready import write_ready_page

HERE = Path(__file__).resolve().parents[1]
HOME = HERE / "nbs/index.ipynb"
LESSONS = HERE / "nbs/lessons"
LARGEST = 5_000_000  # bytes a page may have


class SiteError(ValueError):
    "A site that cannot be published; says why."


@dataclass(frozen=True)
class Page:
    "A notebook, and the page it becomes."

    notebook: Path
    file: str  # its name in the site
    title: str


# --- running the lessons -------------------------------------------------------------------------


def newest_source() -> float:
    "When the library or its films last changed (s since 1970)."
    folders = [HERE / "rsna_cls", HERE / "data"]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return max(file.stat().st_mtime for file in files if "__pycache__" not in file.parts)


def is_fresh(executed: Path, lesson: Path, changed: float) -> bool:
    "Whether a lesson has run since it and the library last changed."
    if not executed.exists():
        return False
    return executed.stat().st_mtime > max(changed, lesson.stat().st_mtime)


def parameters_of(lesson: Path) -> dict:
    "The values a lesson runs with: its own, on the simulated films."
    cells = nbformat.read(lesson, as_version=4).cells
    source = next(c.source for c in cells if "parameters" in c.metadata.get("tags", []))
    return dict(films="simulated") if re.search(r"^films = ", source, re.MULTILINE) else {}


def run_lessons(lessons: list[Path], folder: Path) -> list[Path]:
    "Run the lessons that have to run, as many at a time as there are processors; all, executed."
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.pop("RSNA_CLS_DATA", None)  # no other films can get into a page
    changed = newest_source()

    def run(lesson: Path) -> Path:
        executed = folder / lesson.stem / lesson.name
        if is_fresh(executed, lesson, changed):
            return executed
        executed.parent.mkdir(parents=True, exist_ok=True)
        part = executed.with_suffix(".part.ipynb")  # a run that fails leaves nothing that is fresh
        started = time.time()
        execute(lesson, part, parameters_of(lesson))
        part.replace(executed)
        print(f"{lesson.name}: ran in {time.time() - started:.0f} s", flush=True)
        return executed

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(run, lessons))


# --- from notebooks to pages ---------------------------------------------------------------------


def is_elsewhere(address: str) -> bool:
    "Whether an address leads out of the site."
    return bool(urlsplit(address).scheme) or address.startswith("//")


def mend_images(page: BeautifulSoup, source: Path, site: Path) -> None:
    "Copy the pictures of a page into the site; one that lies elsewhere becomes its words."
    for image in page.find_all("img"):
        address = image.get("src", "")
        if address.startswith("data:"):
            continue
        if is_elsewhere(address):
            image.replace_with(image.get("alt", ""))
            continue
        original = source.parent / unquote(address)
        if not original.is_file():
            raise SiteError(f"{source.name} shows {address}, which is not there.")
        copy = site / "images" / original.name
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(original, copy)
        image["src"] = f"images/{original.name}"


def mend_links(page: BeautifulSoup, source: Path, pages: list[Page], address: Address) -> None:
    """Lead the links of a page to other pages, or into the repository.

    As long as the repository has no address, a link into it becomes its words."""
    files = {page.notebook: page.file for page in pages}
    for link in page.find_all("a", href=True):
        place = urlsplit(link["href"])
        if is_elsewhere(link["href"]) or not place.path:
            continue
        # README.md is made from the home page, so some of its links start from the repository.
        starts = [source.parent, HERE]
        targets = [(start / unquote(place.path)).resolve() for start in starts]
        target = next((target for target in targets if target.exists()), targets[0])
        fragment = f"#{place.fragment}" if place.fragment else ""
        if target in files:
            link["href"] = files[target] + fragment
        elif target.name in files.values():
            continue  # the template's own
        elif not target.exists():
            raise SiteError(f"{source.name} leads to {link['href']}, which is not there.")
        elif address.is_set:
            # The site shows the main branch, as HEAD does; a file may be newer than the last tag.
            link["href"] = f"{address.url}/blob/HEAD/{target.relative_to(HERE).as_posix()}"
        else:
            link.unwrap()


def write_page(page: Page, executed: Path, pages: list[Page], site: Path) -> None:
    "Write one page of the site."
    notebook = nbformat.read(executed, as_version=4)
    as_read(notebook)
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith("#| ")]
    address = read_settings()
    words = dict(pages=pages, file=page.file, version=address.version)
    text = as_html(notebook, f"{title_of(notebook)} – rsna_cls", words)
    text = text.replace(f"{executed.parent}{os.sep}", "").replace(f"{HERE}{os.sep}", "")
    soup = BeautifulSoup(text, "html.parser")
    mend_images(soup, page.notebook, site)
    mend_links(soup, page.notebook, pages, address)
    (site / page.file).write_text(str(soup), encoding="utf-8")


def build(lessons: list[Path], site: Path, executed: Path) -> None:
    "Run the lessons and write the site anew."
    ran = run_lessons(lessons, executed)
    pages = [Page(HOME, "index.html", "Home")]
    for lesson in lessons:
        title = title_of(nbformat.read(lesson, as_version=4))
        pages.append(Page(lesson, f"{lesson.stem}.html", title))
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    for page, notebook in zip(pages, [HOME, *ran], strict=True):
        write_page(page, notebook, pages, site)


# --- checking ------------------------------------------------------------------------------------

# What makes a browser ask another machine for something, and the attribute that says what.
REQUESTS = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
    "embed": "src",
}
IN_STYLE = re.compile(r"(?:url\(|@import)\s*[\"']?\s*((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)
IN_SCRIPT = re.compile(r"[\"'](https?://[^\"']+)[\"']")


def requests_of(page: BeautifulSoup) -> list[str]:
    "What a page asks of other machines when it is opened."
    found = []
    for name, attribute in REQUESTS.items():
        addresses = [tag.get(attribute, "") for tag in page.find_all(name)]
        found += [a for a in addresses if is_elsewhere(a) and not a.startswith("data:")]
    for style in page.find_all("style"):
        found += IN_STYLE.findall(style.string or "")
    for tag in page.find_all(style=True):
        found += IN_STYLE.findall(tag["style"])
    for script in page.find_all("script"):
        found += IN_SCRIPT.findall(script.string or "")
    return found


def dead_links(page: BeautifulSoup, site: Path) -> list[str]:
    "Links and pictures of a page in this folder that lead nowhere."
    found = []
    addresses = [link["href"] for link in page.find_all("a", href=True)]
    addresses += [image.get("src", "") for image in page.find_all("img")]
    for address in addresses:
        place = urlsplit(address)
        if is_elsewhere(address):
            continue
        target = site / unquote(place.path) if place.path else None
        if target is not None and not target.is_file():
            found.append(address)
        elif place.fragment:
            text = page if target is None else soup_of(target)
            if text.find(id=unquote(place.fragment)) is None:
                found.append(address)
    return found


def soup_of(file: Path) -> BeautifulSoup:
    "A page, read."
    return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")


def problems(site: Path) -> list[str]:
    "What is wrong with the pages of a site, in words."
    found = []
    for file in sorted(site.glob("*.html")):
        page = soup_of(file)
        name = file.name
        found += [f"{name} asks another machine for {address}" for address in requests_of(page)]
        found += [f"{name}: {address} leads nowhere" for address in dead_links(page, site)]
        for image in page.find_all("img"):
            if not image.get("alt", "").strip():
                found.append(f"{name}: a picture without alternative text")
        if page.find(attrs={"data-mime-type": "application/vnd.jupyter.error"}):
            found.append(f"{name}: a cell failed")
        if page.find(attrs={"data-mime-type": "application/vnd.jupyter.stderr"}):
            found.append(f"{name}: a cell warned")
        size = file.stat().st_size
        if size > LARGEST:
            found.append(f"{name} has {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f}")
    return found


def main() -> None:
    "The command line."
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=Path, default=HERE / "build")
    folder = parser.parse_args().build.resolve()
    site = folder / "site"
    started = time.time()
    print("Running the lessons on the simulated films, where they have changed …", flush=True)
    build(sorted(LESSONS.glob("[0-9]*.ipynb")), site, folder / "lessons")
    found = problems(site)
    if found:
        sys.exit("The site has faults:\n" + "\n".join(found))
    write_ready_page(
        site / "try.html"
    )  # not one of those that are checked: it has tests of its own
    sizes = [file.stat().st_size for file in site.rglob("*") if file.is_file()]
    minutes = (time.time() - started) / 60
    print(
        f"{site / 'index.html'}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB, {minutes:.1f} min"
    )


if __name__ == "__main__":
    main()
