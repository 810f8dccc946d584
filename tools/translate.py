"""Prepare the outline of lesson 1 for translation: `make translation TO=de`.

The outline is what the lesson promises, and its headings. Its sentences are written into catalogues
of gettext, docs/site/locale/LANGUAGE/LC_MESSAGES/*.po, for which translators have programs: below
each sentence they write what it is in their language. What has been translated stays. `make site`
then makes the outline in every language that has catalogues (tools/website.py).
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from docs import HERE

SITE = HERE / "docs/site"
LOCALE = SITE / "locale"
LESSON = HERE / "nbs/lessons/01_first_classifier.ipynb"
PROMISE = ("# ", "## What you will be able to do", "## Time and hardware")


def outline() -> str:
    "What the lesson promises, and its headings, as Markdown."
    cells = nbformat.read(LESSON, as_version=4).cells
    prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
    promise = [text for text in prose if text.startswith(PROMISE)]
    headings = []
    for text in prose:
        headings += [line.removeprefix("## ") for line in text.split("\n") if line[:3] == "## "]

    # Before and after these come the parts that all lessons have
    sections = headings[headings.index("Set up") + 1 : headings.index("What we learned")]
    happens = "\n".join(f"- {section}" for section in sections)
    return "\n\n".join([*promise, "## What happens", happens]) + "\n"


def languages() -> list[str]:
    "The languages that have catalogues: `de` and the like."
    return sorted(folder.name for folder in LOCALE.iterdir() if folder.is_dir())


def copy_settings(folder: Path) -> None:
    "Put all that Sphinx needs beside the pages into their folder."
    shutil.copyfile(SITE / "conf.py", folder / "conf.py")
    for name in ("static", "templates"):
        shutil.copytree(SITE / name, folder / f"_{name}")
    (folder / "_extra").mkdir(exist_ok=True)


def gather_outline(folder: Path) -> None:
    "Write the outline into a folder, as Sphinx reads it."
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{LESSON.stem}.md").write_text(outline(), encoding="utf-8")
    copy_settings(folder)


def write_catalogues(language: str, locale: Path = LOCALE) -> None:
    """Bring the catalogues of a language up to date; a new language begins with empty ones.

    Raises ValueError if it is no language's code."""
    if not re.fullmatch(r"[a-z]{2,3}(_[A-Z]{2})?", language):
        raise ValueError(f"{language!r} is no language: write make translation TO=de, or pt_BR")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name, "outline")
        gather_outline(work)
        sphinx = [sys.executable, "-m", "sphinx", "-q", "-b", "gettext"]
        root = ["-D", f"root_doc={LESSON.stem}"]
        subprocess.run([*sphinx, *root, str(work), f"{name}/pot"], check=True)
        update = [sys.executable, "-m", "sphinx_intl", "update", "-w", "0", "-p", f"{name}/pot"]
        subprocess.run([*update, "-d", str(locale), "-l", language], check=True)


if __name__ == "__main__":
    try:
        write_catalogues(sys.argv[1])
    except ValueError as problem:
        sys.exit(str(problem))
