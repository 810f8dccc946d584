"""Is there an effusion? A question on which a network errs: at home, elsewhere, and what helps.

    python experiments/effusion.py

27 trainings on simulated chests with an effusion and without (`simulate_effusions`), at 128 pixels,
with the seeds 42, 0 and 1: two hours on one core. A seed draws the training films too. The recipe
is lesson 07's: `fine_tune` for five epochs from the weights `other_films`, whose network has seen
neither chests nor effusions, on 600 films; `NETWORKS` lists what else was tried.

Whatever the network, it is asked about the same 600 films of each hospital (half of them with an
effusion). Its threshold is set on 100 validation films from home: the highest that finds nine
in ten effusions. Another is set in the same way on 50 films of the hospital that is asked about.
"""

import shutil
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.stats import fisher_exact, ks_2samp

from common import TRIALS, Question, Table, made, quiet, say
from rsna_cls import (
    HOSPITALS,
    calibrate,
    dataloaders,
    effusion_facts,
    film_files,
    film_learner,
    film_tfms,
    fine_tune,
    hires_cam,
    load_film,
    mean_interval,
    pointing_game,
    predict,
    relevance_mass,
    score,
    simulate_again,
    simulate_effusions,
)

HOME, ELSEWHERE = "home", "other hospital"
EFFUSION = "effusion"
EXAM_SEED = 1000  # of the films that all networks are asked about
EXAM = (300, 300)  # with an effusion, and without, for each hospital
LOCAL = (25, 25)  # films of a hospital on which a threshold of its own is set
MOST = 1200  # training films
OTHER_PATIENTS = 2000  # added to a seed: film 7 of a seed has the same effusion in all hospitals
THEIRS = 100  # of the other hospital's films, added to the training films
SENSITIVITY = 0.9  # that the threshold is to reach on the validation films
MAPPED = 100  # films with an effusion whose maps are measured
WEEKS, WEEK = 1000, 50  # how often so many films are drawn, to see whether an alarm is raised


class Made(NamedTuple):
    "How a network is made."

    films: int = 600  # training films from home
    weights: str | None = "other_films"
    flipped: float = 0.0  # share of training films with the wrong label
    theirs: int = 0  # training films from the other hospital, beside those from home
    is_asked_everywhere: bool = False  # or at home and at the other hospital alone?


LESSON = "lesson 07"
NETWORKS = {
    LESSON: Made(is_asked_everywhere=True),
    "75 films": Made(75),
    "150 films": Made(150),
    "300 films": Made(300),
    "1,200 films": Made(MOST),
    "one label in ten wrong": Made(flipped=0.1),
    "from random numbers": Made(weights=None),
    "knows effusions": Made(weights="simulated"),
    "their films added": Made(theirs=THEIRS),
}


class Answers(NamedTuple):
    "What a network says to a hospital's films; counts are of films."

    network: str
    seed: int
    hospital: str
    positives: int  # with an effusion
    negatives: int  # without
    auroc: float
    low: float  # its 95 % interval
    high: float
    ece: float  # expected calibration error (0 to 1)
    threshold: float  # set on validation films from home (0 to 1)
    found: int  # effusions called so at this threshold
    cleared: int  # films without one, called so
    local_threshold: float  # set on 50 films of this hospital
    local_found: int
    local_cleared: int
    made: str


class Group(NamedTuple):
    "What the lesson's network says to a kind of film, at the threshold set at home."

    seed: int
    hospital: str
    group: str
    positives: int
    found: int
    negatives: int
    cleared: int
    auroc: float  # nan where one side is empty
    low: float
    high: float
    made: str


class Maps(NamedTuple):
    "How maps for effusion lie to the true effusion, on films from home."

    seed: int
    network: str  # the lesson's, or the one that it began as
    block: int  # −8 (first) to −1 (last)
    films: int
    heat: float  # mean share of the heat on the fluid (0 to 1)
    low: float  # its 95 % bootstrap interval
    high: float
    area: float  # mean share of the film that is fluid
    hits: int  # films whose hottest place is fluid
    made: str


class Watch(NamedTuple):
    """How often 50 films raise an alarm (p below 0.05), compared with 300 films from home.

    The weeks are drawn from the same 300 or 600 films again and again: their number makes a share
    exact for these films, and is no number of patients."""

    seed: int
    hospital: str
    watched: str  # what is compared with home
    weeks: int  # drawn by lot
    alarms: int
    made: str


ANSWERS = Table("effusion", Answers, key=("network", "seed", "hospital"))
GROUPS = Table("effusion_groups", Group, key=("seed",))
MAPS = Table("effusion_maps", Maps, key=("seed",))
WATCH = Table("effusion_watch", Watch, key=("seed",))
TABLES = (ANSWERS, GROUPS, MAPS, WATCH)
QUESTION = Question(
    __doc__,
    which=dict(networks=[*NETWORKS], seeds=[42, 0, 1]),
    how=dict(size=128),
)


# --- films ----------------------------------------------------------------------------------------


def folder_of(hospital: str, seed: int, size: int, **counts: tuple[int, int]) -> Path:
    "A hospital's films, made once for all runs."
    number = "_".join(f"{split}-{with_}-{without}" for split, (with_, without) in counts.items())
    folder = TRIALS / f"effusion films/{hospital} {seed} {size} px {number}"
    if not folder.exists():
        with quiet():
            none = dict(train=(0, 0), val=(0, 0), test=(0, 0))
            simulate_effusions(
                folder, **{**none, **counts}, hospital=hospital, seed=seed, size=size
            )
    return folder


def exam(hospital: str, size: int) -> Path:
    "The films that all networks are asked about, and a few to set a threshold on."
    return folder_of(hospital, EXAM_SEED, size, val=LOCAL, test=EXAM)


def home_films(seed: int, size: int) -> Path:
    "All training and validation films of a seed."
    half = MOST // 2
    return folder_of(HOME, seed, size, train=(half, half), val=(50, 50))


def number_of(film: Path) -> int:
    "Which film of its class it is."
    return int(film.stem.rpartition("effusion")[2])


def course_for(how: Made, seed: int, size: int, to: Path) -> Path:
    "The course folder that a network is trained on; `to` does not exist yet."
    home = home_films(seed, size)
    rng = np.random.default_rng(seed)
    for film in film_files(home / "train"):
        if number_of(film) < how.films // 2:
            label = film.parent.name
            if how.flipped and rng.random() < how.flipped:
                label = "no effusion" if label == EFFUSION else EFFUSION
            put(film, to / "train" / label / film.name)
    if how.theirs:
        half = how.theirs // 2
        theirs = folder_of(ELSEWHERE, seed + OTHER_PATIENTS, size, train=(half, half))
        for film in film_files(theirs / "train"):
            put(film, to / "train" / film.parent.name / f"their_{film.name}")
    for film in film_files(home / "val"):
        put(film, to / "val" / film.parent.name / film.name)
    return to


def put(film: Path, to: Path) -> None:
    "Copy a film."
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(film, to)


# --- measuring ------------------------------------------------------------------------------------


def train(course: Path, weights: str | None, seed: int, size: int) -> Any:
    "A network after lesson 07's recipe."
    with quiet():
        dls = dataloaders(course, film_tfms(), size, bs=16, seed=seed)
        learn = film_learner(dls, weights, seed=seed)
        with learn.no_bar(), learn.no_logging():
            fine_tune(learn, epochs=5, base_lr=2e-3, seed=seed)
    return learn


def highest_threshold(predictions: pd.DataFrame) -> float:
    "The highest threshold that finds nine in ten effusions of these films."
    of_positives = predictions.loc[predictions["truth"] == EFFUSION, EFFUSION]
    n = len(of_positives)
    to_find = ceil(round(SENSITIVITY * n, 9))  # 0.9 of 50 is 45, and not 45.000000000000004
    return float(np.sort(of_positives)[n - to_find])


def found_and_cleared(predictions: pd.DataFrame, threshold: float) -> tuple[int, int]:
    "How many effusions are found, and how many films without are cleared."
    table = score(predictions, EFFUSION, threshold=threshold).table
    return int(table["k"][1]), int(table["k"][2])


def of_hospital(
    key: tuple,
    learn: Any,
    hospital: str,
    threshold: float,
    size: int,
) -> tuple[Answers, pd.DataFrame]:
    "What a network says to a hospital's films, and its predictions."
    with quiet():
        predictions = predict(learn, exam(hospital, size) / "test")
        local = highest_threshold(predict(learn, exam(hospital, size) / "val"))
        area = score(predictions, EFFUSION).table.iloc[-1]
        ece = calibrate(predictions).table.loc["ECE", "before"]
    found, cleared = found_and_cleared(predictions, threshold)
    local_found, local_cleared = found_and_cleared(predictions, local)
    is_effusion = predictions["truth"] == EFFUSION
    row = Answers(
        *key,
        hospital,
        positives=int(is_effusion.sum()),
        negatives=int((~is_effusion).sum()),
        auroc=area["value"],
        low=area["low"],
        high=area["high"],
        ece=float(ece),
        threshold=threshold,
        found=found,
        cleared=cleared,
        local_threshold=local,
        local_found=local_found,
        local_cleared=local_cleared,
        made=made(),
    )
    return row, predictions


def kinds_of_film(facts: pd.DataFrame) -> dict[str, pd.Series]:
    "Groups of films by name: booleans. A size of effusion is compared with all films without."
    without = facts["size"] == "none"
    return {
        **{
            f"{size} effusion": without | (facts["size"] == size)
            for size in ("small", "medium", "large")
        },
        "standing": ~facts["lying"],
        "lying": facts["lying"],
        "adults": facts["age"] == "adult",
        "children and infants": facts["age"] != "adult",
        "with devices": facts["devices"],
        "without devices": ~facts["devices"],
        "with opacities": facts["opacities"],
        "without opacities": ~facts["opacities"],
    }


def by_group(
    seed: int,
    hospital: str,
    predictions: pd.DataFrame,
    threshold: float,
    size: int,
) -> Iterator[Group]:
    "What the lesson's network says to each kind of film."
    facts = effusion_facts(exam(hospital, size)).set_index("file").loc[predictions["file"]]
    for name, is_of_kind in kinds_of_film(facts).items():
        of_kind = predictions[is_of_kind.to_numpy()]
        is_effusion = of_kind["truth"] == EFFUSION
        found, cleared = found_and_cleared(of_kind, threshold)
        area = score(of_kind, EFFUSION).table.iloc[-1]
        yield Group(
            seed,
            hospital,
            name,
            positives=int(is_effusion.sum()),
            found=found,
            negatives=int((~is_effusion).sum()),
            cleared=cleared,
            auroc=area["value"],
            low=area["low"],
            high=area["high"],
            made=made(),
        )


def mapped_films(size: int) -> tuple[list[Path], list[np.ndarray]]:
    "Films from home with fluid to be seen, and where it is."
    films, fluid = [], []
    for film in film_files(exam(HOME, size) / "test" / EFFUSION):
        mask = simulate_again(film).masks.get(EFFUSION)
        if mask is not None and len(films) < MAPPED:
            films.append(film)
            fluid.append(mask)
    return films, fluid


def measure_maps(seed: int, course: Path, learn: Any, size: int) -> Iterator[Maps]:
    "How the maps lie to the fluid, of the lesson's network and of the one that it began as."
    films, fluid = mapped_films(size)
    with quiet():
        dls = dataloaders(course, film_tfms(), size, bs=16, seed=seed)
        before = film_learner(dls, "other_films", seed=seed)
    for name, network in ((LESSON, learn), ("before training", before)):
        for block in (-1, -2, -3, -4):
            heat = hires_cam(network, films, EFFUSION, block=block, difference=True)
            lies = relevance_mass(heat, fluid)
            mean = mean_interval(lies["mass"])
            yield Maps(
                seed,
                name,
                block,
                films=len(films),
                heat=mean["mean"],
                low=mean["low"],
                high=mean["high"],
                area=float(lies["area"].mean()),
                hits=int(pointing_game(heat, fluid)["hit"].sum()),
                made=made(),
            )


def sharpness(film: Path) -> float:
    "How much of a film's contrast is fine: what a blur of one pixel takes away."
    greys = np.asarray(load_film(film), float)
    return float((greys - gaussian_filter(greys, 1)).std() / greys.std())


def watched(predictions: pd.DataFrame) -> dict[str, np.ndarray]:
    "What can be watched of films without knowing the truth, a number for each film."
    films = [Path(file) for file in predictions["file"]]
    return {
        "probabilities": predictions[EFFUSION].to_numpy(float),
        "mean grey": np.array([np.asarray(load_film(film), float).mean() for film in films]),
        "sharpness": np.array([sharpness(film) for film in films]),
    }


def watch(
    seed: int,
    threshold: float,
    by_hospital: dict[str, pd.DataFrame],
) -> Iterator[Watch]:
    "How often weeks of each hospital raise an alarm, compared with half of the films from home."
    rng = np.random.default_rng(seed)
    at_home = by_hospital[HOME]
    is_known = np.zeros(len(at_home), bool)
    is_known[rng.permutation(len(at_home))[: len(at_home) // 2]] = True
    known = watched(at_home[is_known])
    usually_called = int((known["probabilities"] >= threshold).sum())
    usually_not = len(known["probabilities"]) - usually_called

    for hospital, predictions in by_hospital.items():
        new = watched(at_home[~is_known] if hospital == HOME else predictions)
        alarms = dict.fromkeys(["share called positive", *known], 0)
        for _ in range(WEEKS):
            week = rng.choice(len(new["probabilities"]), WEEK, replace=False)
            called = int((new["probabilities"][week] >= threshold).sum())
            both = [[called, WEEK - called], [usually_called, usually_not]]
            alarms["share called positive"] += fisher_exact(both).pvalue < 0.05
            for name, values in known.items():
                alarms[name] += ks_2samp(values, new[name][week]).pvalue < 0.05
        for name, count in alarms.items():
            yield Watch(seed, hospital, name, WEEKS, int(count), made())


def hospitals_of(how: Made) -> list[str]:
    "Whose films a network is asked about."
    return [*HOSPITALS] if how.is_asked_everywhere else [HOME, ELSEWHERE]


def measure(name: str, seed: int, given: Any) -> None:
    "Everything about one network."
    how = NETWORKS[name]
    course = TRIALS / f"effusion courses/{name} {seed} {given.size} px"
    shutil.rmtree(course, ignore_errors=True)  # of a run that was stopped
    course_for(how, seed, given.size, course)
    learn = train(course, how.weights, seed, given.size)
    with quiet():
        threshold = highest_threshold(predict(learn, course / "val"))

    rows = []
    by_hospital = {}
    for hospital in hospitals_of(how):
        row, predictions = of_hospital((name, seed), learn, hospital, threshold, given.size)
        rows.append(row)
        by_hospital[hospital] = predictions
        say(f"{name}, {seed}, {hospital}: AUROC {row.auroc:.2f}")
    if name == LESSON:
        groups = [
            group
            for hospital, predictions in by_hospital.items()
            for group in by_group(seed, hospital, predictions, threshold, given.size)
        ]
        GROUPS.keep(given.to, groups)
        with quiet():
            MAPS.keep(given.to, list(measure_maps(seed, course, learn, given.size)))
        WATCH.keep(given.to, list(watch(seed, threshold, by_hospital)))
    ANSWERS.keep(given.to, rows)  # last: with these rows the network counts as done
    shutil.rmtree(course)


def keys(given: Any) -> Iterator[tuple]:
    "All rows of answers that are asked for."
    for name in given.networks:
        for seed in given.seeds:
            for hospital in hospitals_of(NETWORKS[name]):
                yield name, seed, hospital


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    given = QUESTION.options(arguments)
    for name in given.networks:
        for seed in given.seeds:
            done = ANSWERS.done(given.to)
            if any((name, seed, hospital) not in done for hospital in hospitals_of(NETWORKS[name])):
                measure(name, seed, given)


if __name__ == "__main__":
    main()
