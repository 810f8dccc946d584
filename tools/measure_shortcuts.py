"""Breaking a shortcut, measured before and after: audit, planted marker, films from elsewhere.

    python tools/measure_shortcuts.py    # two seeds, 128 px; half an hour on one core, less on two

Courses: the films that fetch_data("auto") finds, and the embedded ones. On each, with each measure,
two kinds of network are trained: lesson 01's recipe (embedded weights, 5 epochs) on the films as
they are; and one from random weights (10 epochs) on a course whose chests alone bear a white
square, which is then put on val and test films of both classes, or left out (each picture once).

Films from elsewhere: for a network trained on real films the embedded val and test films and newly
simulated ones (the embedded weights and the simulated films that are mixed in come from that
simulator too); for one trained on the embedded films all real ones, if there are any.

One row per course and measure; per seed the number of films, then the interval of their mean.
"""

import io
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from rsna_cls import (
    as_film,
    dataloaders,
    fetch_data,
    film_files,
    film_learner,
    film_tfms,
    fine_tune,
    harmonise,
    load_film,
    plant_marker,
    predict,
    remake,
    shortcuts,
    simulate_dataset,
    wilson,
)

CLASSES = ("chest", "abd")
FACTS = ("size", "border", "sharpness", "burned-in marks")
COLUMNS = [
    "films",
    "measure",
    *FACTS,
    "abd called chest, without marker",
    "with it",
    "chest called chest, with marker",
    "without it",
    "embedded weights, marked course: answers that change",
    "elsewhere, right: embedded weights",
    "elsewhere, right: random weights, marked course",
]

Change = Callable[..., Image.Image]  # film → film
Films = dict[str, list]  # class → films


def mark(film) -> Image.Image:
    "A film with a white square, so far from the corner that it stays in when the film is moved."
    return plant_marker(film, side=0.16, at=(0.1, 0.1))


def squeeze(film) -> Image.Image:
    "A film as a square, as the network will see it anyway."
    return as_film(film).resize((224, 224))


@dataclass
class Measure:
    "Something done about shortcuts."

    change: Change = as_film  # to every film
    marks: float = 0.0  # share of training films with random marks
    mixed: bool = False  # are simulated films mixed in?


MEASURES = {
    "none": Measure(),
    "random marks on both classes": Measure(marks=0.5),
    "one size, padded (harmonise)": Measure(harmonise),
    "one size, squeezed": Measure(squeeze),
    "simulated films mixed in": Measure(mixed=True),
    "random marks, squeezed, mixed": Measure(squeeze, marks=0.5, mixed=True),
}


class Source(NamedTuple):
    "A course, and films from elsewhere for networks that were trained on it."

    name: str
    path: Path
    elsewhere: Films


def different(path: Path, splits=("val", "test")) -> Films:
    "The films of some splits by class, each picture once."
    found: Films = {}
    for name in CLASSES:
        files = [file for split in splits for file in film_files(path / split / name)]
        found[name] = list({load_film(file).tobytes(): file for file in files}.values())
    return found


def share(counts: list[int], n: int) -> str:
    "Counts of several seeds, of n films, with the 95 % Wilson interval of their mean."
    mean = np.mean(counts)
    low, _ = wilson(np.floor(mean), n)
    _, high = wilson(np.ceil(mean), n)
    each = ", ".join(str(int(count)) for count in counts)
    return f"{each} of {n} ({low:.2f}–{high:.2f})"


class Network:
    "A network that was trained on a course, and is asked about changed films."

    def __init__(self, course: Path, seed: int, weights, epochs: int, size: int, how: Measure):
        dls = dataloaders(course, tfms=film_tfms(marks=how.marks), size=size, seed=seed)
        self.learn = film_learner(dls, weights, seed=seed)
        self.change = how.change
        fine_tune(self.learn, epochs, 2e-3, seed=seed)

    def says_chest(self, films: list, first: Change = as_film) -> np.ndarray:
        "Which films it calls chest, changed by `first` and then by the measure."
        table = predict(self.learn, [self.change(first(film)) for film in films])
        return (table["prediction"] == "chest").to_numpy()

    def right(self, films: Films) -> int:
        "How many films it calls right."
        n = 0
        for name, some in films.items():
            n += int((self.says_chest(some) == (name == "chest")).sum())
        return n


class Answers(NamedTuple):
    "What the networks of one seed say, in numbers of films."

    planted: list[int]  # called chest: abd plain, abd marked, chest marked, chest plain
    changed: int | None  # answers of embedded weights that change with the marker
    recipe_elsewhere: int
    marked_elsewhere: int


def ask(
    as_they_are: Path,  # the course after the measure
    marked: Path,  # the same with marked chests
    held_back: Films,
    elsewhere: Films,
    seed: int,
    size: int,
    how: Measure,
    also_embedded: bool,  # train embedded weights on marked chests too?
) -> Answers:
    "Train the networks of one seed, and ask them."
    recipe = Network(as_they_are, seed, "simulated", 5, size, how)
    unschooled = Network(marked, seed, None, 10, size, how)
    questions = [("abd", as_film), ("abd", mark), ("chest", mark), ("chest", as_film)]
    planted = [
        int(unschooled.says_chest(held_back[name], first).sum()) for name, first in questions
    ]

    changed = None
    if also_embedded:
        schooled = Network(marked, seed, "simulated", 5, size, how)
        changed = 0
        for films in held_back.values():
            is_moved = schooled.says_chest(films) != schooled.says_chest(films, mark)
            changed += int(is_moved.sum())
    return Answers(planted, changed, recipe.right(elsewhere), unschooled.right(elsewhere))


def describe(answers: list[Answers], held_back: Films, elsewhere: Films) -> list[str]:
    "The part of a row that tells of networks; an answer for each seed."
    chests, abdomens = len(held_back["chest"]), len(held_back["abd"])
    cells = []
    for i, n in enumerate([abdomens, abdomens, chests, chests]):
        cells.append(share([answer.planted[i] for answer in answers], n))

    changed = [answer.changed for answer in answers if answer.changed is not None]
    cells.append(share(changed, chests + abdomens) if changed else "–")

    n = sum(len(films) for films in elsewhere.values())
    for field in ("recipe_elsewhere", "marked_elsewhere"):
        right = [getattr(answer, field) for answer in answers]
        cells.append(share(right, n) if n else "–")
    return cells


def audited(course: Path) -> list[str]:
    "The part of a row that tells what the audit says of four facts."
    table = shortcuts(course).set_index("finding")
    rows = [table.loc[f"shortcut: {fact}"] for fact in FACTS]
    return [f"{row['accuracy']:.2f} ({row['low']:.2f}–{row['high']:.2f})" for row in rows]


def sources(home: Path) -> list[Source]:
    "The courses to be measured: real films if there are any, and the embedded ones."
    simulated, found = fetch_data("simulated"), fetch_data("auto")
    new = simulate_dataset(
        home / "new", (16, 16), val=(0, 0), test=(0, 0), surprises=(), seed=2, flaws=False
    )
    if found == simulated:
        return [Source("embedded", simulated, {})]
    embedded, newly_made = different(simulated), different(new, ["train"])
    fresh = {name: embedded[name] + newly_made[name] for name in CLASSES}
    real = different(found, ["train", "val", "test"])
    return [Source("real", found, fresh), Source("embedded", simulated, real)]


def run(seeds: int, size: int, say: Callable[[list[str]], None]) -> None:
    "One row after the other."
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        extra = simulate_dataset(
            home / "extra", (33, 32), val=(0, 0), test=(0, 0), surprises=(), seed=1, flaws=False
        )
        for name, path, elsewhere in sources(home):
            planted = remake(path, home / name / "planted", mark, only="chest")
            held_back = different(path)
            for measure, how in MEASURES.items():
                to = home / name / measure
                more = extra if how.mixed else None
                as_they_are = remake(path, to / "as it is", how.change, extra=more)
                marked = remake(planted, to / "marked", how.change, extra=more)

                answers = []
                for seed in range(seeds):
                    courses = (as_they_are, marked, held_back, elsewhere)
                    answers.append(ask(*courses, seed, size, how, also_embedded=measure == "none"))
                told = describe(answers, held_back, elsewhere)
                say([name, measure, *audited(as_they_are), *told])


def print_row(cells: list[str]) -> None:
    "One row of the table, past whatever hides what the library prints."
    print("| " + " | ".join(cells) + " |", file=sys.__stdout__, flush=True)


def main() -> None:
    "The command line."
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--size", type=int, default=128)
    given = parser.parse_args()

    print_row(COLUMNS)
    print_row(["---"] * len(COLUMNS))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        run(given.seeds, given.size, print_row)


if __name__ == "__main__":
    main()
