"The home page, nbs/index.ipynb, and README.md that is made from it: pictures, lessons, addresses."

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from nbconvert.filters import markdown2html
from PIL import Image

from conftest import HERE, write_course

sys.path.insert(0, str(HERE / "tools"))
import docs
import figures

IMAGES = HERE / "nbs/images"
LESSONS = sorted((HERE / "nbs/lessons").glob("*.ipynb"))
SET = docs.Address("https://github.com/Some-1/rsna_cls", "1.2.3", is_on_index=False)
UNSET = docs.Address(docs.PLACEHOLDER, "1.2.3", is_on_index=False)


@cache
def readme(address):
    "README.md as it would be with an address."
    text = (HERE / docs.HOME).read_text(encoding="utf-8")
    home = docs.stamped_notebook(text, docs.HOME, address, docs.read_texts())
    return docs.readme(home)


@cache
def page(address):
    "README.md as a browser gets it."
    return BeautifulSoup(markdown2html(readme(address)), "html.parser")


def own_pictures():
    "The page's pictures that lie in the repository: file → alternative text."
    found = {}
    for image in page(UNSET).find_all("img"):
        found[HERE / image["src"]] = image["alt"]
    return found


# --- pictures ------------------------------------------------------------------------------------


def test_the_page_shows_every_figure_and_nothing_else():
    assert set(own_pictures()) == {IMAGES / f"{name}.png" for name in figures.SIZES}


def test_no_picture_lies_there_unused():
    notebooks = [path for path in (HERE / "nbs").rglob("*.ipynb") if "checkpoint" not in str(path)]
    pages = [*notebooks, *(HERE / "docs/site").glob("*.md")]
    texts = "".join(path.read_text(encoding="utf-8") for path in pages)
    for picture in IMAGES.iterdir():
        assert f"images/{picture.name}" in texts, f"{picture.name} is on no page"


@pytest.mark.parametrize("name", figures.SIZES)
def test_a_figure_is_as_the_script_draws_it(name):
    "Its size, and the alternative text that the run left in it: run `make figures` and copy that."
    with Image.open(IMAGES / f"{name}.png") as image:
        assert image.size == figures.SIZES[name]
        assert own_pictures()[IMAGES / f"{name}.png"] == image.text["Description"]


def test_figures_load_quickly():
    assert sum(path.stat().st_size for path in own_pictures()) < 650_000


def test_the_elbow_is_mistaken_and_turned_away():
    "What the caption says has happened in the run that drew the picture."
    alt = own_pictures()[IMAGES / "elbow.png"]
    label, sure = re.search(r"The network says “(chest|abdomen)”, (\d+) %", alt).groups()
    assert int(sure) >= 80
    assert "The gate says “neither”" in alt


@pytest.mark.parametrize("words", ["An elbow", "“Abdomen”, 96 %", "“Neither”", "+ soft tissue"])
def test_the_font_has_every_letter(words):
    "Pillow's own font has no dash, for instance, and draws a box instead."
    assert figures.missing(words) == set()


def test_a_missing_letter_is_noticed():
    assert figures.missing("72–100 %") == {"–"}


# --- lessons -------------------------------------------------------------------------------------


def lesson_cells():
    "The cells of the page's table, by the name of the lesson."
    cells = page(UNSET).find("table").find_all("td")
    return {Path(cell.find("a")["href"]).stem: cell for cell in cells}


def test_every_lesson_has_its_place_in_order():
    assert list(lesson_cells()) == [path.stem for path in LESSONS]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_s_title_and_minutes_are_its_own(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    title = re.search(r"^# (\d · .*)$", text, re.M)[1]
    minutes = re.search(r"^## Time and hardware\n+(\d+) minutes", text, re.M)[1]
    cell = lesson_cells()[path.stem]
    assert f"{title}, {minutes} minutes" in cell.get_text()
    assert {link["href"] for link in cell.find_all("a")} == {f"docs/lessons/{path.stem}.md"}
    assert cell.find("img")["src"] == f"nbs/images/lesson_{path.name[:2]}.png"


# --- addresses -----------------------------------------------------------------------------------


def test_links_lead_to_files_that_are_there():
    everything = {link["href"] for link in page(UNSET).find_all("a")}
    links = [link for link in everything if "://" not in link and not link.startswith("#")]
    assert len(links) >= 20
    for link in links:
        place, _, heading = link.partition("#")
        assert (HERE / place).exists(), link
        if heading:
            assert heading in headings_of(HERE / place), link


def headings_of(file):
    "The headings of a text, as a code host writes them in addresses."
    found = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", words).lower().replace(" ", "-") for words in found]


def test_without_an_address_no_picture_comes_from_elsewhere():
    assert all("://" not in image["src"] for image in page(UNSET).find_all("img"))
    assert "badge" not in readme(UNSET)


def test_a_badge_is_of_a_workflow_that_is_there():
    badges = re.findall(r"\((\S+)/badge\.svg", readme(SET))
    assert len(badges) >= 2
    for badge in badges:
        root, _, workflow = badge.partition("/actions/workflows/")
        assert root == SET.url
        assert (HERE / ".github/workflows" / workflow).is_file()


@pytest.mark.parametrize("address", [SET, UNSET], ids=["set", "unset"])
def test_the_first_screen_says_what_matters(address):
    "Name, sentence, picture, not for clinical use, and the commands, in this order."
    text = readme(address)
    order = ["# rsna_cls", "> Train", "elbow.png", "Not for clinical use", "make demo", "make test"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert len(text[: places[-1]].split()) < 190


# --- the library ---------------------------------------------------------------------------------


@pytest.mark.slow(seconds=40)
def test_the_page_s_program_runs(tmp_path):
    "On toy films: what it says about the maps' shape holds."
    (program,) = re.findall(r"```python\n(.*?)```", readme(UNSET), re.S)
    (said,) = re.findall(r"# \(n, (\d+, \d+)\)", program)
    program += f"assert str(tuple(maps.shape[1:])) == '({said})'\n"
    write_course(tmp_path / "films")
    environment = os.environ | {"RSNA_CLS_DATA": str(tmp_path / "films"), "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-W", "ignore", "-c", program]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path)
