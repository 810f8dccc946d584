"""Lesson 01's recipe in folds, beside rules that know less than the film: 14_crossval's table.

    RSNA_CLS_DATA=my_films.zip python experiments/folds.py

Five folds, 160 pixels; on the original films with three seeds, on the simulated ones with the first
of them: 20 trainings, five minutes on one core. The films that belong together are those that
`same_source` finds; the rules' folds are those of seed 42.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common import (
    ORIGINAL,
    SIMULATED,
    SIZE,
    Question,
    Table,
    course,
    devices,
    listed,
    made,
    markdown,
    per_cent,
    quiet,
    say,
    seeds_in_words,
)
from rsna_cls import baselines, calibrate, cross_validate, same_source

NETWORK = "the film (network)"
RULES = {  # what is said of a rule → what it is said to know in the table of `baselines`
    "nothing": "nothing: always says",
    "width and height": "width and height",
    "8×8 thumbnail": "8×8 thumbnail",
    "8×8 thumbnail, scale-free": "8×8 thumbnail, scale-free",
    "frozen features (linear probe)": "frozen features (linear probe)",
}
RULE_SEED = 42


class Answers(NamedTuple):
    "How many films a rule, or the networks of one seed, called right."

    films: str  # original or simulated
    knows: str  # what was known of each film
    seed: int
    right: int  # films called right
    n: int  # films
    ece: float  # expected calibration error of the networks; nan for rules
    made: str


RUNS = Table("folds", Answers, key=("films", "knows", "seed"))
TABLES = (RUNS,)
QUESTION = Question(
    __doc__,
    which=dict(films=[ORIGINAL, SIMULATED], seeds=[42, 43, 44]),
    how=dict(size=SIZE, epochs=1, folds=5),
)


def rules(films: str, folds: int) -> Iterator[Answers]:
    "What is right of the answers of rules that know less than the film."
    path = course(films)
    with quiet():
        table = baselines(path, groups=same_source(path), folds=folds, seed=RULE_SEED)
    for name, knows in RULES.items():
        is_rule = table["knows"] == knows
        if name == "nothing":
            is_rule = table["knows"].str.startswith(knows)
        (row,) = table[is_rule].itertuples()
        yield Answers(films, name, RULE_SEED, row.k, row.n, np.nan, made())


def networks(films: str, seed: int, size: int, epochs: int, folds: int) -> Answers:
    "The networks of one seed: each film is judged by the one that has not seen it."
    path = course(films)
    with quiet():
        table = cross_validate(path, same_source(path), folds, seed, epochs, size)
    right = int((table["truth"] == table["prediction"]).sum())
    ece = calibrate(table).table.loc["ECE", "before"]
    return Answers(films, NETWORK, seed, right, len(table), ece, made())


def keys(given) -> Iterator[tuple]:
    "All runs that are asked for: the rules' and the networks'."
    for films in given.films:
        for knows in RULES:
            yield films, knows, RULE_SEED
        for seed in given.seeds if films == ORIGINAL else given.seeds[:1]:
            yield films, NETWORK, seed


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    given = QUESTION.options(arguments)
    done = RUNS.done(given.to)
    for films, knows, seed in keys(given):
        if (films, knows, seed) in done:
            continue
        if knows == NETWORK:
            run = networks(films, seed, given.size, given.epochs, given.folds)
            RUNS.keep(given.to, [run])
            say(f"{films}, networks, seed {seed}: {run.right} of {run.n} right")
        elif knows == next(iter(RULES)):  # all rules are asked at once
            RUNS.keep(given.to, rules(films, given.folds))
            say(f"{films}, rules: done")


# --- what is quoted -------------------------------------------------------------------------------


def cell(rows: Sequence[Answers]) -> str:
    "How many are right, with an interval; of more than one seed each count, if they differ."
    counts, n = [row.right for row in rows], rows[0].n
    interval = per_cent(np.mean(counts), n)
    if len(set(counts)) == 1:
        seeds = " with each seed" if len(rows) > 1 else ""
        return f"{counts[0]} of {n}{seeds} ({interval})"
    return f"{', '.join(map(str, counts))} of {n} ({interval})"


def tables(folder: Path) -> dict[str, str]:
    "The tables that are quoted."
    runs = RUNS.read(folder)
    lines = []
    for knows in [*RULES, NETWORK]:
        cells = []
        for films in (ORIGINAL, SIMULATED):
            cells.append(cell([run for run in runs if (run.films, run.knows) == (films, knows)]))
        lines.append([knows, *cells])
    return {"accuracy": markdown(["knows", "original films", "simulated films"], lines)}


def numbers(folder: Path) -> dict[str, str]:
    "What sentences quote."
    runs = RUNS.read(folder)
    original = [run for run in runs if (run.films, run.knows) == (ORIGINAL, NETWORK)]
    simulated = [run for run in runs if (run.films, run.knows) == (SIMULATED, NETWORK)]
    by_name = {
        "seeds": seeds_in_words(run.seed for run in original),
        "device": devices(run.made for run in [*original, *simulated]),
        "ece": listed(f"{run.ece:.2f}" for run in original),
        "network_n": str(original[0].n),
        "network_n_simulated": str(simulated[0].n),
    }
    names = {"width and height": "size", "8×8 thumbnail": "thumbnail"}
    for run in runs:
        if run.films == ORIGINAL and run.knows in names:
            by_name[names[run.knows]] = f"{run.right} of {run.n}"
    return by_name


if __name__ == "__main__":
    main()
