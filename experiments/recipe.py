"""How well lesson 01's recipe does, seed after seed, and what its exercises change.

    RSNA_CLS_DATA=my_films.zip python experiments/recipe.py

42 trainings at 224 pixels: an hour and a quarter on one core. Three variants, both sets of embedded
weights and random ones, with ten seeds; four more, of the lesson's exercises, with the first three
of these seeds.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from common import (
    ORIGINAL,
    Question,
    Table,
    count_right,
    course,
    devices,
    in_words,
    listed,
    made,
    markdown,
    say,
    seeds_in_words,
    share,
    times,
    trained,
)
from rsna_cls import film_files, predict

EMBEDDED, OTHER, RANDOM = "embedded weights", "other films", "random weights"
VARIANTS: dict[str, dict[str, Any]] = {
    EMBEDDED: {},
    OTHER: dict(weights="other_films"),
    RANDOM: dict(weights=None),
}
WHAT_IT_HAS_SEEN = {
    EMBEDDED: "`simulated`: simulated films, half of them chests and abdomens",
    OTHER: "`other_films`: simulated limbs and skulls alone",
    RANDOM: "`random`: nothing",
}
EXERCISES: dict[str, dict[str, Any]] = {
    "one epoch": dict(epochs=1),
    "fifteen epochs": dict(epochs=15),
    "rate 0.2": dict(base_lr=0.2),
    "mirrored": dict(flip=True),
}
EXERCISE_SEEDS = 3  # how many of the seeds the exercises are tried with


class Training(NamedTuple):
    "What came of one training."

    films: str  # original
    variant: str  # of the recipe
    seed: int
    size: int  # px
    val_right: int  # validation films called right at the end
    val_n: int  # validation films
    test_right: int  # the same of the test films
    test_n: int  # test films
    valid_loss: float  # at the end
    elbow: str  # what the elbow is called
    probability: float  # that the elbow's answer comes with
    made: str


RUNS = Table("recipe", Training, key=("films", "variant", "seed"))
TABLES = (RUNS,)
QUESTION = Question(__doc__, which=dict(seeds=[*range(10)]), how=dict(size=224))


def measure(films: str, variant: str, seed: int, size: int) -> Training:
    "Train once, and ask about the films that were held back, and about the elbow."
    path = course(films)
    learn = trained(path, seed, size=size, **(VARIANTS | EXERCISES)[variant])
    (elbow,) = [film for film in film_files(path, recurse=False) if film.stem == "elbow"]
    answer = predict(learn, elbow).iloc[0]
    val_right, val_n = count_right(learn, path / "val")
    test_right, test_n = count_right(learn, path / "test")
    return Training(
        films=films,
        variant=variant,
        seed=seed,
        size=size,
        val_right=val_right,
        val_n=val_n,
        test_right=test_right,
        test_n=test_n,
        valid_loss=learn.history["valid_loss"].iloc[-1],
        elbow=answer["prediction"],
        probability=answer[answer["prediction"]],
        made=made(),
    )


def keys(given) -> Iterator[tuple]:
    "All runs that are asked for."
    for variant in VARIANTS | EXERCISES:
        seeds = given.seeds if variant in VARIANTS else given.seeds[:EXERCISE_SEEDS]
        for seed in seeds:
            yield ORIGINAL, variant, seed


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    given = QUESTION.options(arguments)
    done = RUNS.done(given.to)
    for key in keys(given):
        if key not in done:
            run = measure(*key, given.size)
            RUNS.keep(given.to, [run])
            say(f"{', '.join(map(str, key))}: {run.val_right} of {run.val_n} right")


# --- what is quoted -------------------------------------------------------------------------------


def trainings(folder: Path, variant: str) -> pd.DataFrame:
    "The trainings of a variant on original films, by seed."
    runs = RUNS.frame(folder)
    return runs[(runs["films"] == ORIGINAL) & (runs["variant"] == variant)].sort_values("seed")


def each(counts: pd.Series) -> str:
    "Counts one after the other; '10 each time' if they are equal."
    if counts.nunique() == 1:
        return f"{counts.iloc[0]} each time"
    return ", ".join(str(count) for count in counts)


def of_all(runs: pd.DataFrame, part: str) -> str:
    "How many films of a part are right, in how many of the runs, where they are equal."
    counts, n = runs[f"{part}_right"], runs[f"{part}_n"].iloc[0]
    if counts.nunique() == 1:
        number = in_words(len(runs))
        return f"{counts.iloc[0]} of {n} in {number} of {number} runs"
    return f"{each(counts)} of {n}"


def of_elbow(runs: pd.DataFrame) -> str:
    "What the elbow was called, how often, and with which probability."
    parts = []
    for answer, word in (("abd", "an abdomen"), ("chest", "a chest")):
        sure = runs["probability"][runs["elbow"] == answer]
        if len(sure) == 1:
            parts.append(f"{word} once, with {sure.iloc[0]:.2f}")
        elif len(sure):
            parts.append(f"{word} {times(len(sure))}, with {sure.min():.2f} to {sure.max():.2f}")
    return ", and ".join(parts)


def tables(folder: Path) -> dict[str, str]:
    "The tables that are quoted."
    rows = []
    for variant in VARIANTS:
        runs = trainings(folder, variant)
        rows.append(
            [WHAT_IT_HAS_SEEN[variant], seeds_in_words(runs["seed"]), each(runs["val_right"])]
        )
    (n,) = runs["val_n"].unique()
    return {"seeds": markdown(["weights, and what they have seen", "seeds", f"right of {n}"], rows)}


def numbers(folder: Path) -> dict[str, str]:
    "What sentences quote."
    embedded = trainings(folder, EMBEDDED)
    by_name = {
        "seeds": seeds_in_words(embedded["seed"]),
        "device": devices(RUNS.frame(folder)["made"]),
        "elbow": of_elbow(embedded),
        "one_run": share(embedded["val_right"].iloc[0], embedded["val_n"].iloc[0]),
    }
    for name, variant in (("embedded", EMBEDDED), ("other", OTHER), ("random", RANDOM)):
        for part in ("val", "test"):
            by_name[f"{name}_{part}"] = of_all(trainings(folder, variant), part)

    by_name["exercise_seeds"] = seeds_in_words(trainings(folder, "one epoch")["seed"])
    for variant in EXERCISES:
        runs = trainings(folder, variant)
        name = variant.replace(" ", "_").replace(".", "")
        by_name[name] = listed(runs["val_right"])
    losses = trainings(folder, "rate 0.2")["valid_loss"]
    by_name["rate_02_losses"] = listed(f"{loss:.3g}" for loss in losses)
    return by_name


if __name__ == "__main__":
    main()
