"The library's reference: made from the notebooks, and every public name is in it."

import importlib
import inspect
import re
import sys

import nbformat
import pytest

import rsna_cls
from conftest import HERE

sys.path.insert(0, str(HERE / "tools"))
reference = importlib.import_module("reference")
website = importlib.import_module("website")
v4 = nbformat.v4

TINY = """#| export
from pathlib import Path

LIMIT = 3


def shown(
    film: Path | str,  # a film's path, as `load_film` takes it
    *,
    times: int = LIMIT,  # how often, 1 or more
) -> list[str]:  # one line for each time
    "What is shown of a film [or <none>]; raises ValueError."
    return [str(film)] * times


def _hidden():
    "Nobody's business."


class Box:
    "A box of films."

    size: int = 2  # how many fit in

    def open(self, wide: bool = False) -> bool:  # whether it was shut
        "Open it."

    def count(
        self,
        films: list[str],  # what may be in it
    ) -> int:
        "Count its films."
"""


@pytest.fixture
def page(tmp_path):
    "The reference page of a tiny module."
    cells = [
        v4.new_markdown_cell("# tiny\n\n> A tiny module."),
        v4.new_code_cell("#| default_exp tiny"),
        v4.new_code_cell("#| export\nimport os"),
        v4.new_markdown_cell("## What it shows\n\nWords."),
        v4.new_code_cell(TINY),
        v4.new_code_cell("#| hide\nsecret = 1"),
        v4.new_code_cell("assert shown('a') == ['a'] * 3"),
    ]
    file = tmp_path / "00_tiny.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), file)
    return reference.reference_page(file, "tiny_package")


def test_the_title_names_the_module(page):
    assert page.startswith("# tiny_package.tiny\n\n> A tiny module.\n\n## What it shows\n\nWords.")


def test_a_function_says_what_it_does_and_takes(page):
    assert "### `shown`\n\nWhat is shown of a film \\[or \\<none>\\]; raises ValueError." in page
    assert "`film`: `Path | str`\n: a film's path, as `load_film` takes it" in page
    assert "`times`: `int`, default `LIMIT`\n: how often, 1 or more" in page
    assert "**returns**: `list[str]`\n: one line for each time" in page


def test_a_class_has_its_fields_and_methods(page):
    assert "### `Box`\n\nA box of films.\n\n`size`: `int`, default `2`\n: how many fit in" in page
    assert "#### `Box.open`\n\nOpen it.\n\n`wide`: `bool`, default `False`\n\n" in page
    assert "**returns**: `bool`\n: whether it was shut" in page
    assert "self" not in page.split("#### `Box.open`")[1].split("<details>")[0]


def test_what_comes_back_without_a_comment_is_a_line(page):
    assert "`films`: `list[str]`\n: what may be in it\n\n**returns**: `int`\n\n" in page


def test_no_entry_is_empty():
    "Below each argument and each field stands what it means; `returns` may be a line of its own."
    for file in website.notebooks():
        text = re.sub(r"```.*?```", "", reference.reference_page(file), flags=re.DOTALL)
        assert not re.findall(r"^: *[–-]?$", text, re.M), file.name
        assert not re.findall(r"^(`\w+`: `.*)\n\n", text, re.M), file.name


def test_what_is_private_or_hidden_has_no_entry(page):
    assert "`_hidden`" not in page
    assert "secret" not in page
    assert "import os" not in page


def test_code_is_folded_below(page):
    assert "<summary>Source: <code>LIMIT</code>, <code>shown</code>, <code>_hidden</code>" in page
    assert "<summary>Examples and checks</summary>\n\n```python\nassert shown" in page


def test_every_public_name_is_in_the_reference():
    text = "\n".join(reference.reference_page(file) for file in website.notebooks())
    headings = set(re.findall(r"^#+ `([\w.]+)`$", text, re.M))
    for name in rsna_cls.__all__:
        thing = getattr(rsna_cls, name)
        if inspect.isfunction(thing) or inspect.isclass(thing):
            assert name in headings, name
