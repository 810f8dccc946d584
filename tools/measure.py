"""Measure what the lesson says: its recipe with several seeds, and the variants of its exercises.

    python tools/measure.py                        # embedded and random weights, seeds 0 to 9
    python tools/measure.py --seeds 3 --exercises  # one epoch, fifteen, a rate of 0.2, mirrored

The films are those that fetch_data("auto") finds. One line per run, then a summary with intervals.
"""

import io
from argparse import ArgumentParser
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

from rsna_cls import (
    dataloaders,
    fetch_data,
    film_files,
    film_learner,
    film_tfms,
    fine_tune,
    predict,
    wilson,
)

RECIPE = dict(weights="simulated", epochs=5, base_lr=2e-3, flip=False)
VARIANTS = {"embedded": {}, "random": dict(weights=None)}
EXERCISES = {
    "one epoch": dict(epochs=1),
    "fifteen epochs": dict(epochs=15),
    "rate 0.2": dict(base_lr=0.2),
    "mirrored": dict(flip=True),
}


class Count(NamedTuple):
    "How many of some films were called right."

    right: int
    films: int


class Run(NamedTuple):
    "What came of one training."

    val: Count
    test: Count
    valid_loss: float  # at the end
    elbow: str  # what is said of it, and its probability


def count(learn, films) -> Count:
    "How many films a learner calls right."
    table = predict(learn, films)
    return Count(int((table["truth"] == table["prediction"]).sum()), len(table))


def train(path: Path, seed: int, weights, epochs: int, base_lr: float, flip: bool) -> Run:
    "Train once, and ask about the films that were held back."
    with redirect_stdout(io.StringIO()):
        dls = dataloaders(path, tfms=film_tfms(flip=flip), seed=seed)
        learn = film_learner(dls, weights, seed=seed)
        history = fine_tune(learn, epochs, base_lr, seed=seed)
    elbow = [film for film in film_files(path, recurse=False) if film.stem == "elbow"]
    said = predict(learn, elbow).iloc[0]
    return Run(
        val=count(learn, path / "val"),
        test=count(learn, path / "test"),
        valid_loss=history["valid_loss"].iloc[-1],
        elbow=f"{said['prediction']} {said[said['prediction']]:.2f}",
    )


def print_run(name: str, seed: int, run: Run) -> None:
    "One line for one training."
    print(
        f"{name:15} seed {seed}: val {run.val.right}/{run.val.films}, "
        f"test {run.test.right}/{run.test.films}, "
        f"validation loss {run.valid_loss:.3f}, elbow {run.elbow}",
        flush=True,
    )


def print_summary(name: str, part: str, counts: list[Count]) -> None:
    "One line for all trainings of a variant."
    rights = [c.right for c in counts]
    mean = sum(rights) / sum(c.films for c in counts)
    low, high = wilson(*counts[0])
    print(
        f"{name:15} {part}: {rights} of {counts[0].films}; "
        f"mean {mean:.3f} over {len(counts)} seeds; "
        f"interval of one run like the first {low:.2f} to {high:.2f}",
        flush=True,
    )


def main() -> None:
    "The command line."
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--exercises", action="store_true")
    given = parser.parse_args()

    path = fetch_data()
    variants = EXERCISES if given.exercises else VARIANTS
    for name, changes in variants.items():
        runs = []
        for seed in range(given.seeds):
            runs.append(train(path, seed, **RECIPE | changes))
            print_run(name, seed, runs[-1])
        print_summary(name, "val", [run.val for run in runs])
        print_summary(name, "test", [run.test for run in runs])


if __name__ == "__main__":
    main()
