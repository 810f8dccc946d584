"""Write what is made from something else: addresses in notebooks, and README.md.

The addresses follow settings.ini, README.md follows nbs/index.ipynb. `python tools/docs.py` writes;
tests/test_repository.py asks `stale()` whether anything would change.
"""

import re
from configparser import ConfigParser
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

HERE = Path(__file__).resolve().parents[1]
SETTINGS = HERE / "settings.ini"
HOME = HERE / "nbs/index.ipynb"
README = HERE / "README.md"

COLAB = "https://colab.research.google.com/github"
NOT_SPACE = r'[^\s"\'`)\\]+'
NOTE = "<!-- made from nbs/index.ipynb by `make docs`: change it there -->"


def addresses(settings: Path = SETTINGS) -> dict[str, str]:
    "Patterns of addresses that follow from the repository's own, and what stands in their place."
    config = ConfigParser(interpolation=None)
    config.read(settings, encoding="utf-8")
    git = config["DEFAULT"]["git_url"].rstrip("/")
    branch = config["DEFAULT"]["branch"]
    owner = git.split("github.com/")[1]
    return {
        rf"{re.escape(COLAB)}/[^/\s]+/[^/\s]+/blob/[^/\s]+/": f"{COLAB}/{owner}/blob/{branch}/",
        rf"git\+https://{NOT_SPACE}": f"git+{git}@{branch}",
        rf"git clone https://{NOT_SPACE}": f"git clone {git}",
    }


def stamped(path: Path) -> str:
    "The text of a notebook, with the addresses that settings.ini asks for."
    text = path.read_text(encoding="utf-8")
    for pattern, address in addresses().items():
        text = re.sub(pattern, address, text)
    return text


def readme() -> str:
    "README.md, from the home page."
    notebook = nbformat.reads(stamped(HOME), as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith("#| ")]
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    text = re.sub(r"\]\((images|lessons)/", r"](nbs/\1/", text)  # README stands one folder higher
    return f"{NOTE}\n\n{text.strip()}\n"


def wanted() -> dict[Path, str]:
    "Every file this script writes, with the text it should have."
    notebooks = [HOME, *sorted((HERE / "nbs/lessons").glob("*.ipynb"))]
    return {path: stamped(path) for path in notebooks} | {README: readme()}


def stale() -> list[Path]:
    "The files that are not as they should be."
    return [path for path, text in wanted().items() if not is_fresh(path, text)]


def is_fresh(path: Path, text: str) -> bool:
    "Whether a file is there and has this text."
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    texts = wanted()
    for path in stale():
        path.write_text(texts[path], encoding="utf-8")
        print("wrote", path.relative_to(HERE))
