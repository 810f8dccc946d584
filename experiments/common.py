"""What the experiments share: options, CSVs with declared columns, films, trainings, words.

A script of this folder declares what it may be asked (`Question`) and the CSVs it writes (`Table`).
It also has two functions that take the folder of the CSVs: `tables`, the Markdown tables that
notebooks quote, by name; and `numbers`, what sentences quote, by name. `quote.py` calls them.
"""

import csv
import io
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import torch
from fastai.torch_core import default_device, no_random
from PIL import Image

import rsna_cls
from rsna_cls import (
    KINDS,
    FetchError,
    dataloaders,
    fetch_data,
    film_files,
    film_learner,
    film_tfms,
    fine_tune,
    load_film,
    plant_marker,
    predict,
    simulate_films,
    wilson,
)
from rsna_cls.sim.patients import draw_params

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"  # committed: what is quoted
TRIALS = HERE.parent / "build/experiments"  # not committed: what was tried with other settings

# On a GPU too: single precision throughout, and the same sum in the same order each time.
torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.deterministic = True

CLASSES = ("chest", "abd")
ORIGINAL, SIMULATED = "original", "simulated"
ORIGINAL_FILMS = (65, 10, 2)  # in train/, val/ and test/
SIZE = 160  # px, as in lesson 01
FIRST_SEED = 5_000_000  # of new films: neither the embedded films' seeds nor the pretraining's


# --- films of other people ------------------------------------------------------------------------


def pydicom_files(pattern: str) -> list[Path]:
    "The test files that came with pydicom and pydicom-data; `get_testdata_files` fetches more."
    from data_store import DataStore  # pydicom-data's
    from pydicom.data import DATA_ROOT

    files = [*Path(DATA_ROOT, "test_files").glob(pattern), *DataStore().get_paths(pattern)]
    return sorted({Path(file) for file in files})


# --- what a script may be asked -------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    "The options of a script, each with what is published as its default."

    doc: str  # the script's docstring
    which: dict[str, list]  # what to measure: any part of it may be measured by itself
    how: dict[str, int | str] = field(default_factory=dict)  # what changes a row's meaning

    def options(self, arguments: Sequence[str] | None = None) -> Namespace:
        "The command line's options, with `to`, the folder for the CSVs."
        parser = ArgumentParser(description=self.doc.split("\n")[0])
        for name, default in self.which.items():
            kind = type(default[0])
            known = default if kind is str else None  # of seeds and sizes any will do
            words = f"default: {listed(default)}"
            parser.add_argument(
                f"--{name}", type=kind, nargs="+", default=default, choices=known, help=words
            )
        for name, setting in self.how.items():
            words = f"default: {setting}"
            parser.add_argument(f"--{name}", type=type(setting), default=setting, help=words)
        parser.add_argument("--to", type=Path, help="folder for the CSVs")
        given = parser.parse_args(arguments)

        if given.to is None:
            # Other settings go to a folder of their own, and do not mix with others.
            settings = [f"{name}-{Path(str(getattr(given, name))).stem}" for name in self.how]
            given.to = RESULTS if self.is_published(given) else TRIALS / "_".join(settings)
        print(f"Writing to {given.to}", flush=True)
        return given

    def is_published(self, given: Namespace) -> bool:
        "Whether these options are a part of what is published, with its settings."
        is_part = all(set(getattr(given, name)) <= set(whole) for name, whole in self.which.items())
        is_same = all(getattr(given, name) == setting for name, setting in self.how.items())
        return is_part and is_same


# --- CSVs with declared columns ------------------------------------------------------------------


class WrongColumns(ValueError):
    "A CSV is not as its script declares it."


@dataclass(frozen=True)
class Table:
    "A CSV: its name, what a row of it holds, and the columns that say which run a row is from."

    name: str
    row: Any  # a NamedTuple: its fields are the columns, their types are str, int or float
    key: tuple[str, ...]

    def file(self, folder: Path) -> Path:
        "Where the CSV lies."
        return folder / f"{self.name}.csv"

    @property
    def columns(self) -> list[str]:
        "The names of the columns."
        return list(self.row._fields)

    def read(self, folder: Path) -> list:
        "The rows; raises `WrongColumns`, or FileNotFoundError that says what to run."
        file = self.file(folder)
        if not file.exists():
            raise FileNotFoundError(f"{file.name} is missing from {file.parent}")
        with file.open(encoding="utf-8", newline="") as lines:
            header, *records = csv.reader(lines)
        if header != self.columns:
            raise WrongColumns(f"{file} has the columns {header}, and not {self.columns}")
        return [self._parsed(record, file) for record in records]

    def frame(self, folder: Path) -> pd.DataFrame:
        "The rows as a table."
        return pd.DataFrame(self.read(folder), columns=self.columns)

    def done(self, folder: Path) -> set[tuple]:
        "The keys of the runs that are there."
        if not self.file(folder).exists():
            return set()
        return {self.key_of(row) for row in self.read(folder)}

    def key_of(self, row: Any) -> tuple:
        "Which run a row is from."
        return tuple(getattr(row, name) for name in self.key)

    def keep(self, folder: Path, rows: Iterable) -> None:
        "Put the rows of one or more runs into the CSV, in place of older ones of these runs."
        rows = list(rows)
        new = {self.key_of(row) for row in rows}
        old = self.read(folder) if self.file(folder).exists() else []
        kept = [row for row in old if self.key_of(row) not in new]
        self._write(folder, sorted(kept + rows, key=self.key_of))

    def _write(self, folder: Path, rows: list) -> None:
        "Write the CSV whole: into another file, which then takes its name."
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.file(folder).with_suffix(".unfinished")
        with unfinished.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.writer(lines, lineterminator="\n")
            writer.writerow(self.columns)
            for row in rows:
                writer.writerow([written(value) for value in row])
        unfinished.replace(self.file(folder))

    def _parsed(self, record: list[str], file: Path) -> Any:
        "A row of the CSV with the types that are declared."
        types = self.row.__annotations__.values()
        try:
            return self.row(
                *(kind(text) for kind, text in zip(types, record, strict=True))  # as declared
            )
        except ValueError as fault:
            raise WrongColumns(f"{file}, the row {record}: {fault}") from fault


def written(value: Any) -> Any:
    "A value as it stands in a CSV: of a number with a point five digits that count."
    return f"{value:.5g}" if isinstance(value, float | np.floating) else value


def made() -> str:
    "When and with what a row was made."
    is_gpu = default_device().type == "cuda"
    device = torch.cuda.get_device_name() if is_gpu else "a processor"
    version = torch.__version__.split("+")[0]
    return f"{date.today()} rsna_cls {rsna_cls.__version__} torch {version} on {device}"


def devices(column: Iterable[str]) -> str:
    "What rows were made on, from their `made`: 'a processor', 'a GPU', or both."
    names = {text.partition(" on ")[2] for text in column}
    kinds = {"a processor" if name == "a processor" else "a GPU" for name in names}
    return " and ".join(sorted(kinds, reverse=True))


# --- films ----------------------------------------------------------------------------------------


def course(films: str) -> Path:
    "The course folder of the 'original' or the 'simulated' films; ends the program without them."
    try:
        with quiet():
            if films == SIMULATED:
                return fetch_data("simulated")
            path = fetch_data("auto" if os.environ.get("RSNA_CLS_DATA") else "rsna")
    except FetchError as fault:
        raise SystemExit(f"The films are missing. {fault}") from None

    # The variable may name any folder: a person's own films are not the original ones.
    counts = tuple(len(film_files(path / split)) for split in ("train", "val", "test"))
    if counts != ORIGINAL_FILMS:
        raise SystemExit(
            f"RSNA_CLS_DATA does not name the original course's films: there should be "
            f"{listed(ORIGINAL_FILMS)} in train/, val/ and test/, and there are {listed(counts)}."
        )
    return path


def new_films(kind: str, n: int, size: int = 192, **changes: Any) -> list:
    "Simulated films that are new to everyone, with their masks: always the same n."
    return simulate_films(kind, range(FIRST_SEED, FIRST_SEED + n), size, **changes)


def as_they_come(params: dict) -> bool:
    "Any film."
    return True


def of_child(params: dict) -> bool:
    "A film of a child or an infant."
    return params["age"] > 0


def in_bed(params: dict) -> bool:
    "A film of an adult who lies, taken from the front."
    return params["age"] == 0 and params["view"] == "AP" and not params["erect"]


SORTS = {"as they come": as_they_come, "of children": of_child, "taken lying": in_bed}


def seeds_of(
    kind: str,
    n: int,
    is_of_sort: Callable[[dict], bool],
    without: Sequence[int] = (),
) -> list[int]:
    "The first n seeds of new films of a sort, by what `simulate_film` will draw for them."
    found: list[int] = []
    seed = FIRST_SEED
    while len(found) < n:
        params = draw_params(kind, np.random.default_rng([seed, KINDS.index(kind), 0]))
        if is_of_sort(params) and seed not in without:
            found.append(seed)
        seed += 1
    return found


def films_from_elsewhere(kind: str, n: int, size: int = 192) -> list[Image.Image]:
    "New films of a kind, all different, n of each sort: as they come, of children, taken lying."
    seeds: list[int] = []
    for is_of_sort in SORTS.values():
        seeds += seeds_of(kind, n, is_of_sort, without=seeds)
    return [film.image for film in simulate_films(kind, seeds, size)]


def different(films: Iterable[Path]) -> list[Path]:
    "Films, each picture once: the last file of it."
    return list({load_film(film).tobytes(): film for film in films}.values())


def mark(film: Path | Image.Image) -> Image.Image:
    "A film with a white square, so far from the corner that it stays in when the film is moved."
    return plant_marker(film, side=0.16, at=(0.1, 0.1))


# --- trainings ------------------------------------------------------------------------------------


def trained(
    path: Path,  # a course folder
    seed: int,
    weights: str | None = "other_films",
    epochs: int = 1,
    base_lr: float = 3e-3,
    size: int = SIZE,
    bs: int = 8,
    **tfms: Any,  # for `film_tfms`
) -> Any:  # the learner
    "A network after lesson 01's recipe, or one that differs from it in what is named."
    with quiet():
        dls = dataloaders(path, tfms=film_tfms(**tfms), size=size, bs=bs, seed=seed)
        learn = film_learner(dls, weights, seed=seed)
        fine_tune(learn, epochs, base_lr, seed=seed)
    return learn


def trained_by_fastai(
    path: Path,  # a course folder
    seed: int,
    weights: str | None,
    epochs: int,
    size: int,
    **tfms: Any,  # for `film_tfms`
) -> Any:  # the learner
    "A network after fastai's own `fine_tune`, which was also this library's in version 0.1.0."
    with quiet():
        dls = dataloaders(path, tfms=film_tfms(**tfms), size=size, bs=16, seed=seed)
        learn = film_learner(dls, weights, seed=seed)
        with no_random(seed), learn.no_bar(), learn.no_logging():
            learn.dls.train.rng = Random(seed)
            learn.fine_tune(epochs, 2e-3)
    return learn


def count_right(learn: Any, films: Any) -> tuple[int, int]:
    "How many films a learner calls right, and of how many."
    table = predict(learn, films)
    return int((table["truth"] == table["prediction"]).sum()), len(table)


@contextmanager
def quiet() -> Iterator[None]:
    "Without what the library prints."
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield


def say(*words: Any) -> None:
    "One line about what was done."
    print(*words, flush=True)


# --- words ----------------------------------------------------------------------------------------

COUNTS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


def in_words(n: int) -> str:
    "A number as it stands in a sentence."
    return COUNTS[n] if n < len(COUNTS) else f"{n:,}"


def times(n: int) -> str:
    "How often."
    return {0: "never", 1: "once", 2: "twice"}.get(n, f"{in_words(n)} times")


def listed(values: Iterable) -> str:
    "1, 2 and 3."
    *first, last = [str(value) for value in values]
    return f"{', '.join(first)} and {last}" if first else last


def seeds_in_words(seeds: Iterable[int]) -> str:
    "Seeds in their order: '0 to 9', or '0, 1 and 42'."
    seeds = sorted(set(seeds))
    is_row = seeds == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 2
    return f"{seeds[0]} to {seeds[-1]}" if is_row else listed(seeds)


def share(k: float, n: int, digits: int = 2) -> str:
    "Wilson's interval as shares, '0.72–1.00'; of a mean count it is rounded outward."
    low, _ = wilson(int(np.floor(k)), n)
    _, high = wilson(int(np.ceil(k)), n)
    return f"{low:.{digits}f}–{high:.{digits}f}"


def per_cent(k: float, n: int) -> str:
    "The same in per cent, '72–100 %'."
    low, _ = wilson(int(np.floor(k)), n)
    _, high = wilson(int(np.ceil(k)), n)
    return f"{100 * low:.0f}–{100 * high:.0f} %"


def markdown(columns: Sequence[str], rows: Iterable[Sequence]) -> str:
    "A table in Markdown."
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in (columns, *rows)]
    lines.insert(1, "|" + "---|" * len(columns))
    return "\n".join(lines)
