"""Write what is made from something else: addresses in the notebooks from settings.ini, README.md from nbs/index.ipynb.

`python tools/docs.py` writes; tests/test_repository.py asks `stale()` whether anything would change."""

import re
from configparser import ConfigParser
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

HERE = Path(__file__).resolve().parents[1]
NOT_SPACE = r'[^\s"\'`)\\]+'


def addresses(settings: Path = HERE / "settings.ini") -> dict:
    "Patterns of addresses that follow from the repository's own, and what stands in their place."
    config = ConfigParser(interpolation=None)
    config.read(settings, encoding="utf-8")
    git, branch = config["DEFAULT"]["git_url"].rstrip("/"), config["DEFAULT"]["branch"]
    owner = git.split("github.com/")[1]
    return {
        r"https://colab\.research\.google\.com/github/[^/\s]+/[^/\s]+/blob/[^/\s]+/": f"https://colab.research.google.com/github/{owner}/blob/{branch}/",
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
    nb = nbformat.reads(stamped(HERE / "nbs/index.ipynb"), as_version=4)
    nb.cells = [c for c in nb.cells if not c.source.startswith("#| ")]
    text = MarkdownExporter().from_notebook_node(nb)[0]
    text = re.sub(
        r"\]\((images|lessons)/", r"](nbs/\1/", text
    )  # the README stands one folder higher
    return (
        "<!-- made from nbs/index.ipynb by `make docs`: change it there -->\n\n"
        + text.strip()
        + "\n"
    )


def wanted() -> dict:
    "Every file this script writes, with the text it should have."
    notebooks = [HERE / "nbs/index.ipynb", *sorted((HERE / "nbs/lessons").glob("*.ipynb"))]
    return {path: stamped(path) for path in notebooks} | {HERE / "README.md": readme()}


def stale() -> list:
    "The files that are not as they should be."
    return [
        path
        for path, text in wanted().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


if __name__ == "__main__":
    for path in stale():
        text = wanted()[path]
        path.write_text(text, encoding="utf-8")
        print("wrote", path.relative_to(HERE))
