"""Write the numbers that notebooks, lessons and cards quote, from the CSVs of the experiments.

    python experiments/quote.py           # writes
    python experiments/quote.py --check   # says what it would write, or cannot

A table is quoted by a comment that stands over it, in a Markdown cell or file; the lines of the
table below it are replaced:

    <!-- from experiments/gate.py: original -->

A sentence is quoted in quotes.toml, which names the file and repeats as much of the sentence as is
needed to find it, with `{script.name}` where a number stands. tests/test_experiments.py asks
`faults()` whether anything is not as the CSVs say.
"""

import json
import re
import sys
import tomllib
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import audit
import beam
import blind
import dcmtk
import effusion
import folds
import gate
import large
import likeness
import maps
import physics
import recipe
import shortcuts
import weights
from common import HERE, RESULTS, WrongColumns, per_cent

ROOT = HERE.parent
SENTENCES = HERE / "quotes.toml"
SCRIPTS: dict[str, ModuleType] = {
    script.__name__: script
    for script in (
        audit,
        beam,
        blind,
        dcmtk,
        effusion,
        folds,
        gate,
        large,
        likeness,
        maps,
        physics,
        recipe,
        shortcuts,
        weights,
    )
}
COMMENT = re.compile(r"<!-- from experiments/(\w+)\.py: (\w+) -->\n*((?:\|.*(?:\n|$))*)")
PLACE = re.compile(r"\{(\w+)\.(\w+)\}")
LONGEST = 160  # characters that a number, in words or with an interval, may have


class Sentence(NamedTuple):
    "A part of a sentence that quotes numbers."

    file: str  # from the repository's root
    text: str  # with {script.name} for each number

    @property
    def pattern(self) -> re.Pattern:
        "What finds it, whatever numbers stand in it and wherever its lines are broken."
        literal = [re.escape(part) for part in PLACE.split(self.text)[::3]]
        spaced = [re.sub(r"(?:\\\s|\s)+", r"\\s+", part) for part in literal]
        # A full stop before a digit belongs to the number.
        ended = [re.sub(r"^\\\.", r"\\.(?!\\d)", part) for part in spaced]
        return re.compile(rf"((?:(?!\n\n)[\s\S]){{1,{LONGEST}}}?)".join(ended))

    @property
    def names(self) -> list[tuple[str, str]]:
        "The numbers: script and name."
        return PLACE.findall(self.text)


def sentences(file: Path = SENTENCES) -> list[Sentence]:
    "The sentences that quote numbers; raises ValueError where one begins or ends with a number."
    with file.open("rb") as lines:
        found = [Sentence(**entry) for entry in tomllib.load(lines)["sentence"]]
    for sentence in found:
        first, *_, last = PLACE.split(sentence.text)
        if not first or not last:
            raise ValueError(f"a word must stand before and after each number: {sentence.text}")
    return found


# --- documents ------------------------------------------------------------------------------------


def documents(root: Path = ROOT) -> Iterator[Path]:
    "The files that may quote: notebooks (README.md is made from one), cards, pages, `make try`."
    for path in sorted((root / "nbs").rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in path.parts:
            yield path
    yield root / "rsna_cls/weights/README.md"
    yield root / "data/README.md"
    yield root / "docs/paper/paper.md"
    yield from sorted((root / "docs/site").glob("*.md"))
    yield root / "tools/ready.py"


def read_texts(path: Path) -> list[str]:
    "The Markdown of a document: a notebook's cells ('' for code), or a file as a whole."
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return [text]
    cells = json.loads(text)["cells"]
    return ["".join(c["source"]) if c["cell_type"] == "markdown" else "" for c in cells]


def write_texts(path: Path, texts: list[str]) -> None:
    "Put changed Markdown back; all else in a notebook stays as it is."
    if path.suffix != ".ipynb":
        path.write_text(texts[0], encoding="utf-8")
        return
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell, text in zip(notebook["cells"], texts, strict=True):
        if cell["cell_type"] == "markdown":
            cell["source"] = text.splitlines(keepends=True)
    written = json.dumps(notebook, indent=1, ensure_ascii=False)
    path.write_text(f"{written}\n", encoding="utf-8")


# --- numbers --------------------------------------------------------------------------------------


class Results:
    "What the CSVs of a folder say; each script is asked once, when it is first needed."

    def __init__(self, folder: Path = RESULTS):
        self.folder = folder
        self._numbers: dict[str, dict[str, str]] = {}
        self._tables: dict[str, dict[str, str]] = {}

    def number(self, script: str, name: str) -> str:
        "What stands for {script.name}; raises KeyError, ValueError, or what `Table.read` raises."
        if script == "interval":  # {interval.9_of_10}: Wilson's, of any two numbers
            k, n = name.split("_of_")
            return per_cent(int(k), int(n))
        if script not in self._numbers:
            self._numbers[script] = SCRIPTS[script].numbers(self.folder)
        number = self._numbers[script][name]
        if not number.strip():
            raise ValueError(f"{{{script}.{name}}} is empty: its runs are missing from the CSV")
        return number

    def table(self, script: str, name: str) -> str:
        "A table of a script; raises the same."
        if script not in self._tables:
            self._tables[script] = SCRIPTS[script].tables(self.folder)
        return self._tables[script][name]


def one_line(text: str) -> str:
    "A text whose lines are not broken."
    return " ".join(text.split())


class Quoted(NamedTuple):
    "A place that quotes a table or a number, and what the CSVs say."

    where: str
    old: str
    new: str
    fault: str = ""  # why there is nothing new

    @property
    def is_right(self) -> bool:
        "Whether the place says what the CSVs say."
        return not self.fault and one_line(self.old) == one_line(self.new)


def explain(fault: Exception, script: str, name: str) -> str:
    "Why a number or a table cannot be had."
    if isinstance(fault, FileNotFoundError):
        return f"{fault}: run `python experiments/{script}.py`"
    if isinstance(fault, KeyError):
        return f"{script}.{name}: no script has it, or rows of its CSV are missing ({fault})"
    if isinstance(fault, WrongColumns):
        return str(fault)
    return f"{script}.{name}: {fault}"


UNAVAILABLE = (OSError, ValueError, KeyError, IndexError)  # a CSV, or rows of it, are missing


def quoted_tables(path: Path, texts: list[str], results: Results) -> Iterator[Quoted]:
    "The tables of a document; `texts` are changed."
    for i, text in enumerate(texts):
        for script, name, old in COMMENT.findall(text):
            where = f"{path.parent.name}/{path.name}, the table {script}.{name}"
            try:
                new = results.table(script, name)
            except UNAVAILABLE as fault:
                yield Quoted(where, old, "", explain(fault, script, name))
                continue
            yield Quoted(where, old, new)
            comment = f"<!-- from experiments/{script}.py: {name} -->"
            before, after = texts[i].split(comment)
            rest = after.lstrip("\n").removeprefix(old).lstrip("\n")
            texts[i] = f"{before}{comment}\n\n{new}" + (f"\n\n{rest}" if rest else "")


def quoted_numbers(sentence: Sentence, texts: list[str], results: Results) -> Iterator[Quoted]:
    "The numbers of a sentence; `texts` are changed."
    where = f"{sentence.file}, “{sentence.text}”"
    found = [
        (i, match) for i, text in enumerate(texts) for match in sentence.pattern.finditer(text)
    ]
    if len(found) != 1:
        yield Quoted(where, "", "", f"this is there {len(found)} times, and should be there once")
        return
    ((i, match),) = found
    text = texts[i]
    for group in reversed(range(len(sentence.names))):  # from the end, so that places stay right
        script, name = sentence.names[group]
        old = match[group + 1]
        try:
            new = results.number(script, name)
        except UNAVAILABLE as fault:
            yield Quoted(where, old, "", explain(fault, script, name))
            continue
        yield Quoted(f"{where}, {script}.{name}", old, new)
        if one_line(old) != new:
            start, end = match.span(group + 1)
            text = text[:start] + new + text[end:]
    texts[i] = text


def quotes(root: Path, results: Results, write: bool) -> Iterator[Quoted]:
    "Every place that quotes something; with `write` the documents are brought up to date."
    listed = sentences()
    named = {root / sentence.file for sentence in listed}
    for path in sorted({*documents(root), *named}):
        before = read_texts(path)
        texts = list(before)
        yield from quoted_tables(path, texts, results)
        for sentence in listed:
            if root / sentence.file == path:
                yield from quoted_numbers(sentence, texts, results)
        if write and texts != before:
            write_texts(path, texts)
            print("wrote", path.relative_to(root))


def different_lines(old: str, new: str) -> tuple[str, str]:
    "Of two tables the lines that are not in the other."
    old_lines, new_lines = old.strip().split("\n"), new.split("\n")
    only_old = [line for line in old_lines if line not in new_lines]
    only_new = [line for line in new_lines if line not in old_lines]
    return "\n".join(only_old), "\n".join(only_new)


def faults(root: Path = ROOT, results: Results | None = None) -> list[str]:
    "What is not as the CSVs say, or cannot be compared; an empty list if all is well."
    wrong = []
    unknown: dict[str, list[str]] = {}  # why there is nothing to compare with → where
    for quote in quotes(root, results or Results(), write=False):
        if quote.fault:
            unknown.setdefault(quote.fault, []).append(quote.where)
        elif not quote.is_right:
            old, new = different_lines(quote.old, quote.new)
            wrong.append(f"{quote.where}: it says\n{old}\nand the CSV says\n{new}")
    for fault, places in unknown.items():
        more = f" (and {len(places) - 1} more places)" if len(places) > 1 else ""
        wrong.append(f"{fault}\n  in {places[0]}{more}")
    return wrong


def main() -> None:
    "The command line."
    parser = ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    if not parser.parse_args().check:
        for _ in quotes(ROOT, Results(), write=True):
            pass
    wrong = faults()
    print(*wrong or ["Everything that is quoted is as the CSVs say."], sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
