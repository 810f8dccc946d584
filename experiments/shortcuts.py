"""Shortcuts, before and after something is done about them: audit, planted marker, other films.

    RSNA_CLS_DATA=my_films.zip python experiments/shortcuts.py

51 trainings for each of the two courses, original and simulated films, at 128 pixels, with seeds 42
(lesson 02's), 0 and 1: an hour and a half on one core. A network starts from the weights
`other_films` or from random numbers, and is trained on a course as it is, or on one whose chests
alone bear a white square. The recipe is fastai's own `fine_tune` for seven epochs, whatever a
network starts from. What is done about the square (`MEASURES`) is done to every film.

Whatever the network, it is asked the same: about 200 new simulated films (`new_exam`), as they are
and with the square; about the heat on the square in its maps of these; about the films that were
held back (validation and test films, each picture once); and about films from elsewhere. For the
original films these are the new ones; for the simulated films all original ones.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from common import (
    CLASSES,
    ORIGINAL,
    SIMULATED,
    Question,
    Table,
    course,
    devices,
    different,
    listed,
    made,
    mark,
    markdown,
    new_films,
    per_cent,
    quiet,
    say,
    share,
    trained_by_fastai,
)
from rsna_cls import (
    as_film,
    black_out,
    film_files,
    harmonise,
    hires_cam,
    pointing_game,
    predict,
    relevance_mass,
    remake,
    shortcuts,
    simulate_dataset,
)

FACTS = ("size", "border", "sharpness", "burned-in marks")
OTHER, RANDOM = "other_films", "random"
EPOCHS = 7
NEW = 100  # new films of each class
AS_IT_IS, MARKED = "as it is", "marked chests"

Change = Callable[..., Image.Image]  # film → film
Films = dict[str, list]  # class → films


def squeeze(film: Any) -> Image.Image:
    "A film as a square, as the network will see it anyway."
    return as_film(film).resize((224, 224))


def without_middle(film: Any) -> Image.Image:
    "A film of which only a margin is left, as in lesson 02."
    return black_out(as_film(film), 0.7)


@dataclass
class Measure:
    "Something done about shortcuts, and the networks that are trained on it."

    change: Change = as_film  # to every film
    marks: float = 0.0  # share of training films with random marks
    extra: tuple[int, int] | None = None  # how many simulated chests and abdomens are mixed in
    are_extra_marked: bool = False  # do these bear the square too, on their chests alone?
    networks: tuple = ((OTHER, AS_IT_IS), (RANDOM, MARKED))


NONE = "none"
RANDOM_MARKS = "random marks on both classes"
MIXED = "simulated films mixed in"
HALF_MIXED = "half as many mixed in"
MARKED_MIXED = "as many mixed in, with the square"
BLACKED_OUT = "middle blacked out"
MEASURES = {
    NONE: Measure(
        networks=((OTHER, AS_IT_IS), (RANDOM, MARKED), (OTHER, MARKED), (RANDOM, AS_IT_IS))
    ),
    RANDOM_MARKS: Measure(marks=0.5),
    "one size, padded (harmonise)": Measure(harmonise),
    "one size, squeezed": Measure(squeeze),
    MIXED: Measure(extra=(33, 32)),
    "random marks, squeezed, mixed": Measure(squeeze, marks=0.5, extra=(33, 32)),
    HALF_MIXED: Measure(extra=(17, 16), networks=((RANDOM, MARKED),)),
    MARKED_MIXED: Measure(extra=(33, 32), are_extra_marked=True, networks=((RANDOM, MARKED),)),
    BLACKED_OUT: Measure(without_middle, networks=((OTHER, AS_IT_IS),)),
}
NOT_IN_THE_TABLES = (HALF_MIXED, MARKED_MIXED, BLACKED_OUT)
IN_THE_TABLES = [name for name in MEASURES if name not in NOT_IN_THE_TABLES]


class Fact(NamedTuple):
    "How often a fact alone gives the class away, after a measure."

    films: str  # original or simulated
    measure: str  # what was done to the course folder
    fact: str  # what the rule knows of a film
    accuracy: float  # of a rule that knows only this fact (0 to 1)
    low: float  # its interval, as `shortcuts` has it
    high: float  # where the interval ends
    made: str


class Network(NamedTuple):
    "What a network says, in numbers of films; the square is put on before the measure is taken."

    films: str  # original or simulated
    measure: str  # what was done about shortcuts
    weights: str  # what the network started from: other_films or random
    course: str  # what it was trained on: as it is, or marked chests
    seed: int
    size: int  # px
    chests: int  # new films
    abdomens: int  # new films
    abd_called_chest: int  # as they are
    marked_abd_called_chest: int  # with the square
    marked_chest_called_chest: int  # with the square
    chest_called_chest: int  # as they are
    changed: int  # answers to new films that the square changes
    held_back: int  # validation and test films
    held_back_right: int  # of these, called right
    elsewhere: int  # films from elsewhere
    elsewhere_right: int  # of these, called right
    hits: float  # marked abdomens whose hottest place for chest is the square, HiResCAM, block -3
    heat: float  # share of that heat on the square, mean over the marked abdomens
    heat_last: float  # the same in the last block
    square: float  # the square's share of the film; these four are nan where films are changed
    made: str


FACT_ROWS = Table("shortcuts_facts", Fact, key=("films", "measure"))
NETWORKS = Table("shortcuts", Network, key=("films", "measure", "weights", "course", "seed"))
TABLES = (FACT_ROWS, NETWORKS)
QUESTION = Question(
    __doc__,
    which=dict(films=[ORIGINAL, SIMULATED], seeds=[42, 0, 1], measures=[*MEASURES]),
    how=dict(size=128),
)


# --- films ----------------------------------------------------------------------------------------


def by_class(path: Path, *splits: str) -> Films:
    "The films of some splits by class, each picture once."
    found = {}
    for label in CLASSES:
        files = [file for split in splits for file in film_files(path / split / label)]
        found[label] = different(files)
    return found


def simulated_course(folder: Path, train: tuple[int, int], seed: int) -> Path:
    "New simulated training films without flaws."
    if not folder.exists():
        with quiet():
            simulate_dataset(
                folder, train, val=(0, 0), test=(0, 0), surprises=(), seed=seed, flaws=False
            )
    return folder


def new_exam() -> Films:
    "New simulated films: lesson 02's, and always the same."
    return {kind: [film.image for film in new_films(kind, NEW)] for kind in CLASSES}


def from_elsewhere(films: str, new: Films) -> Films:
    "Films of another source than those that a network is trained on."
    return by_class(course(ORIGINAL), "train", "val", "test") if films == SIMULATED else new


def remade(films: str, measure: str, on: str, home: Path) -> Path:
    "The course folder that a network is trained on."
    done = home / measure / on
    if done.exists():
        return done
    how = MEASURES[measure]
    path = course(films)
    if on == MARKED:
        path = home / "planted"
        if not path.exists():
            with quiet():
                remake(course(films), path, mark, only="chest")
    extra = None
    if how.extra:
        extra = simulated_course(home / f"extra {sum(how.extra)}", how.extra, seed=1)
    if how.are_extra_marked:
        with quiet():
            extra = remake(extra, home / "extra planted", mark, only="chest")
    done.parent.mkdir(parents=True, exist_ok=True)
    with quiet():
        return remake(path, done, how.change, extra=extra)


# --- measuring ------------------------------------------------------------------------------------


def calls_chest(learn: Any, films: list, change: Change, first: Change = as_film) -> np.ndarray:
    "Which films a network calls chest, changed by `first` and then by the measure."
    answers = predict(learn, [change(first(film)) for film in films])["prediction"]
    return (answers == "chest").to_numpy()


class OnSquare(NamedTuple):
    "How the heat for chest lies to the square, on abdomens that bear it."

    hits: float  # films whose hottest place is the square
    heat: float  # mean share of the heat on it
    square: float  # mean share of the film


def heat_on_square(learn: Any, films: list, change: Change, block: int) -> OnSquare:
    "How HiResCAM's heat for chest rather than abdomen, at a block, lies to the square."
    if change is not as_film:  # the square is then no longer where it was put
        return OnSquare(np.nan, np.nan, np.nan)
    marked = [mark(film) for film in films]
    squares = [np.asarray(mark(Image.new("L", film.size))) > 0 for film in marked]
    heat = hires_cam(learn, marked, "chest", block=block, difference=True)
    lies = relevance_mass(heat, squares)
    hits = float(pointing_game(heat, squares)["hit"].sum())
    return OnSquare(hits, float(lies["mass"].mean()), float(lies["area"].mean()))


def right_of(learn: Any, films: Films, change: Change) -> tuple[int, int]:
    "How many films a network calls right, and of how many."
    right = 0
    for label, of_class in films.items():
        is_right = calls_chest(learn, of_class, change) == (label == "chest")
        right += int(is_right.sum())
    return right, sum(len(of_class) for of_class in films.values())


def ask(
    learn: Any,
    change: Change,
    new: Films,
    held_back: Films,
    elsewhere: Films,
) -> dict[str, Any]:
    "What a network says."
    chests, abdomens = new["chest"], new["abd"]
    plain_abd = calls_chest(learn, abdomens, change)
    marked_abd = calls_chest(learn, abdomens, change, mark)
    plain_chest = calls_chest(learn, chests, change)
    marked_chest = calls_chest(learn, chests, change, mark)

    held_back_right, held_back_n = right_of(learn, held_back, change)
    elsewhere_right, elsewhere_n = right_of(learn, elsewhere, change)

    fine = heat_on_square(learn, abdomens, change, block=-3)
    last = heat_on_square(learn, abdomens, change, block=-1)
    return dict(
        chests=len(chests),
        abdomens=len(abdomens),
        abd_called_chest=int(plain_abd.sum()),
        marked_abd_called_chest=int(marked_abd.sum()),
        marked_chest_called_chest=int(marked_chest.sum()),
        chest_called_chest=int(plain_chest.sum()),
        changed=int((plain_abd != marked_abd).sum() + (plain_chest != marked_chest).sum()),
        held_back=held_back_n,
        held_back_right=held_back_right,
        elsewhere=elsewhere_n,
        elsewhere_right=elsewhere_right,
        hits=fine.hits,
        heat=fine.heat,
        heat_last=last.heat,
        square=fine.square,
    )


def audited(films: str, measure: str, path: Path) -> Iterator[Fact]:
    "What the audit says of four facts."
    with quiet():
        found = shortcuts(path).set_index("finding")
    for fact in FACTS:
        row = found.loc[f"shortcut: {fact}"]
        numbers_of_row = (float(row[name]) for name in ("accuracy", "low", "high"))
        yield Fact(films, measure, fact, *numbers_of_row, made())


def keys(films: str, given) -> Iterator[tuple]:
    "All networks that are asked for, of one course."
    for measure in given.measures:
        for weights, on in MEASURES[measure].networks:
            for seed in given.seeds:
                yield films, measure, weights, on, seed


def measure_films(films: str, given, home: Path) -> None:
    "Everything about one course."
    for measure in given.measures:
        if measure in IN_THE_TABLES and (films, measure) not in FACT_ROWS.done(given.to):
            path = remade(films, measure, AS_IT_IS, home)
            FACT_ROWS.keep(given.to, audited(films, measure, path))

    new = new_exam()
    held_back = by_class(course(films), "val", "test")
    elsewhere = from_elsewhere(films, new)
    done = NETWORKS.done(given.to)
    for key in keys(films, given):
        if key in done:
            continue
        _, measure, weights, on, seed = key
        how = MEASURES[measure]
        learn = trained_by_fastai(
            remade(films, measure, on, home),
            seed,
            None if weights == RANDOM else weights,
            EPOCHS,
            given.size,
            marks=how.marks,
        )
        answers = ask(learn, how.change, new, held_back, elsewhere)
        row = Network(*key, size=given.size, **answers, made=made())
        NETWORKS.keep(given.to, [row])
        say(f"{', '.join(map(str, key))}: {row.changed} answers changed by the square")


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    given = QUESTION.options(arguments)
    for films in given.films:
        with tempfile.TemporaryDirectory() as home:
            measure_films(films, given, Path(home))


# --- what is quoted -------------------------------------------------------------------------------


def pick(folder: Path, films: str, measure: str, weights: str, on: str) -> pd.DataFrame:
    "The networks of one kind, in the order of the seeds that is published: 42, 0, 1."
    runs = NETWORKS.frame(folder)
    for name, value in dict(films=films, measure=measure, weights=weights, course=on).items():
        runs = runs[runs[name] == value]
    published = {seed: place for place, seed in enumerate(QUESTION.which["seeds"])}
    return runs.sort_values("seed", key=lambda seeds: seeds.map(published))


def counts(numbers_of_seeds: pd.Series) -> str:
    "A number for each seed."
    return ", ".join(f"{number:.0f}" for number in numbers_of_seeds)


def cell(runs: pd.DataFrame, column: str, of: str) -> str:
    "Counts of several seeds, of n films, with the 95 % Wilson interval of their mean."
    n = int(runs[of].iloc[0])
    return f"{counts(runs[column])} of {n} ({share(runs[column].mean(), n)})"


def facts_table(folder: Path) -> str:
    "What the audit says before and after each measure."
    rows = {(row.films, row.measure, row.fact): row for row in FACT_ROWS.read(folder)}
    lines = []
    for films in (ORIGINAL, SIMULATED):
        for measure in IN_THE_TABLES:
            if measure == RANDOM_MARKS:  # these leave the folder as it is
                continue
            found = [rows[films, measure, fact] for fact in FACTS]
            cells = [f"{row.accuracy:.2f} ({row.low:.2f}–{row.high:.2f})" for row in found]
            lines.append([films, measure, *cells])
    return markdown(["films", "measure", *FACTS], lines)


def networks_table(folder: Path) -> str:
    "What the square decides before and after each measure, and films from elsewhere."
    lines = []
    for films in (ORIGINAL, SIMULATED):
        for measure in IN_THE_TABLES:
            unschooled = pick(folder, films, measure, RANDOM, MARKED)
            recipe = pick(folder, films, measure, OTHER, AS_IT_IS)
            abdomens = cell(unschooled, "marked_abd_called_chest", "abdomens")
            chests = cell(unschooled, "chest_called_chest", "chests")
            lines.append(
                [
                    films,
                    measure,
                    f"{counts(unschooled['abd_called_chest'])} → {abdomens}",
                    f"{counts(unschooled['marked_chest_called_chest'])} → {chests}",
                    cell(recipe, "elsewhere_right", "elsewhere"),
                    cell(unschooled, "elsewhere_right", "elsewhere"),
                ]
            )
    columns = [
        "trained on",
        "measure",
        "abdomens called chest: without → with the square",
        "chests called chest: with → without it",
        "films from elsewhere right, `other_films`",
        "the same, random numbers and marked chests",
    ]
    return markdown(columns, lines)


def with_intervals(counts_of_seeds: pd.Series, n: int) -> str:
    "A number of films for each seed, of n, with the interval of its share."
    return ", ".join(f"{count:.0f} ({per_cent(int(count), n)})" for count in counts_of_seeds)


CHANGED = [  # lesson 02's table
    ("marked chests", "`other_films`", OTHER, MARKED),
    ("marked chests", "random numbers", RANDOM, MARKED),
    ("no marker at all", "`other_films`", OTHER, AS_IT_IS),
    ("no marker at all", "random numbers", RANDOM, AS_IT_IS),
]


def changed_table(folder: Path) -> str:
    "How many answers the square changes, of each network."
    lines = []
    for on_words, weights_words, weights, on in CHANGED:
        cells = []
        for films in (ORIGINAL, SIMULATED):
            runs = pick(folder, films, NONE, weights, on)
            cells.append(with_intervals(runs["changed"], 2 * NEW))
        lines.append([on_words, weights_words, *cells])
    columns = ["trained on", "starts from", "original films", "simulated films"]
    return markdown(columns, lines)


def heat_table(folder: Path) -> str:
    "Where the heat for chest lies on marked abdomens, beside that of the controls."
    lines = []
    for films in (ORIGINAL, SIMULATED):
        for words, on in (("on every chest", MARKED), ("nowhere (control)", AS_IT_IS)):
            runs = pick(folder, films, NONE, RANDOM, on)
            heat = [per_cents(runs[column]) for column in ("heat", "heat_last")]
            lines.append([f"{films} films", words, with_intervals(runs["hits"], NEW), *heat])
    columns = [
        "learned from",
        "the square was",
        f"hottest place on the square, of {NEW} abdomens",
        "share of the heat on it",
        "the same at the last block",
    ]
    return markdown(columns, lines)


def mixed_table(folder: Path) -> str:
    "How many answers the square changes after films of another source were mixed in."
    lines = []
    for words, measure in (
        ("nothing", NONE),
        ("33 films", HALF_MIXED),
        ("65 films", MIXED),
        ("65 films, their chests with the square", MARKED_MIXED),
    ):
        cells = []
        for films in (ORIGINAL, SIMULATED):
            runs = pick(folder, films, measure, RANDOM, MARKED)
            cells.append(with_intervals(runs["changed"], 2 * NEW))
        lines.append([words, *cells])
    return markdown(["mixed in", "original films", "simulated films"], lines)


def tables(folder: Path) -> dict[str, str]:
    "The tables that are quoted."
    return {
        "facts": facts_table(folder),
        "networks": networks_table(folder),
        "changed": changed_table(folder),
        "heat": heat_table(folder),
        "mixed": mixed_table(folder),
    }


def per_cents(shares: pd.Series) -> str:
    "Shares in per cent, one for each seed."
    return f"{', '.join(f'{100 * share_of_heat:.0f}' for share_of_heat in shares)} %"


def numbers(folder: Path) -> dict[str, str]:
    "What sentences quote; a name ends in the films it is about."
    by_name = {
        "seeds": listed(pick(folder, ORIGINAL, NONE, RANDOM, MARKED)["seed"]),
        "device": devices(NETWORKS.frame(folder)["made"]),
    }
    facts = {(row.films, row.measure, row.fact): row for row in FACT_ROWS.read(folder)}
    sizes = {
        "none": NONE,
        "padded": "one size, padded (harmonise)",
        "squeezed": "one size, squeezed",
    }
    for films in (ORIGINAL, SIMULATED):
        for name, measure in sizes.items():
            row = facts[films, measure, "border"]
            by_name[f"border_{name}_{films}"] = f"{row.accuracy:.2f}"
            if measure != NONE:
                by_name[f"border_{name}_interval_{films}"] = f"{row.low:.2f}–{row.high:.2f}"

        margin = pick(folder, films, BLACKED_OUT, OTHER, AS_IT_IS)
        by_name[f"held_back_{films}"] = str(margin["held_back"].iloc[0])
        by_name[f"margin_{films}"] = counts(margin["held_back_right"])

        schooled = pick(folder, films, NONE, OTHER, MARKED)
        unschooled = pick(folder, films, NONE, RANDOM, MARKED)
        tied = pick(folder, films, MARKED_MIXED, RANDOM, MARKED)
        careful = pick(folder, films, RANDOM_MARKS, RANDOM, MARKED)
        by_name[f"schooled_{films}"] = counts(schooled["changed"])
        by_name[f"tied_{films}"] = counts(tied["changed"])
        for name, runs in (("plain", unschooled), ("careful", careful)):
            by_name[f"{name}_abd_{films}"] = listed(runs["marked_abd_called_chest"])
            by_name[f"{name}_chest_{films}"] = listed(runs["chest_called_chest"])

    # Of one course only.
    unschooled = pick(folder, SIMULATED, NONE, RANDOM, MARKED)
    mixed = pick(folder, SIMULATED, MIXED, RANDOM, MARKED)
    by_name["elsewhere_simulated"] = listed(unschooled["elsewhere_right"])
    by_name["elsewhere_mixed_simulated"] = listed(mixed["elsewhere_right"])
    tied = pick(folder, SIMULATED, MARKED_MIXED, RANDOM, MARKED)
    by_name["elsewhere_tied_simulated"] = listed(tied["elsewhere_right"])
    by_name["elsewhere_n_simulated"] = str(unschooled["elsewhere"].iloc[0])
    return by_name


if __name__ == "__main__":
    main()
