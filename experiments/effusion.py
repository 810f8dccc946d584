"""Is there an effusion? A question on which a network errs: at home, elsewhere, and what helps.

    python experiments/effusion.py

30 trainings on simulated chests with an effusion and without (`simulate_effusions`), at 128 pixels,
with the seeds 42, 0 and 1: 90 minutes on one core. A seed draws the training films too. The recipe
is lesson 07's: `fine_tune` for four epochs from the weights `other_films`, whose network has seen
neither chests nor effusions, on 600 films; `NETWORKS` lists what else was tried.

Whatever the network, it is asked about the same 600 films of each hospital (half of them with an
effusion). Its threshold is set on 100 validation films from home: the highest that finds nine
in ten effusions. Another is set in the same way on 50 films of the hospital that is asked about.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.stats import fisher_exact, ks_2samp

from common import TRIALS, Question, Table, listed, made, markdown, quiet, say
from rsna_cls import (
    HOSPITALS,
    calibrate,
    dataloaders,
    difference_interval,
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
    threshold_for,
    wilson,
)

HOME, ELSEWHERE = "home", "other hospital"
EFFUSION = "effusion"
EXAM_SEED = 1000  # of the films that all networks are asked about
EXAM = (300, 300)  # with an effusion, and without, for each hospital
LOCAL = (25, 25)  # films of a hospital on which a threshold of its own is set
VALIDATION = (50, 50)  # films from home on which the threshold is set
MOST = 1200  # training films
OTHER_PATIENTS = 2000  # added to a seed: film 7 of a seed has the same effusion in all hospitals
THEIRS = 100  # of the other hospital's films, added to the training films
SENSITIVITY = 0.9  # that the threshold is to reach on the validation films
MAPPED = 100  # films with an effusion whose maps are measured
WEEKS, WEEK = 1000, 50  # how often so many films are drawn, to see whether an alarm is raised


class Made(NamedTuple):
    "How a network is made."

    films: int = 600  # training films from home
    epochs: int = 4  # of all layers, after the last layer; 0: the last layer alone
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
    "last layer alone": Made(epochs=0),
    "from random numbers": Made(weights=None),
    "knows effusions": Made(weights="simulated"),
    "their films added": Made(theirs=THEIRS),
}


class Answers(NamedTuple):
    "What a network says to a hospital's films; counts are of films."

    network: str  # one of `NETWORKS`
    seed: int
    hospital: str  # one of `HOSPITALS`
    positives: int  # with an effusion
    negatives: int  # without
    auroc: float  # area under the ROC curve (0 to 1)
    low: float  # its 95 % interval
    high: float  # the other end
    ece: float  # expected calibration error (0 to 1)
    threshold: float  # set on validation films from home (0 to 1)
    found: int  # effusions called so at this threshold
    cleared: int  # films without one, called so
    local_threshold: float  # set on 50 films of this hospital
    local_found: int  # the same at that threshold
    local_cleared: int  # likewise
    made: str


class Group(NamedTuple):
    "What the lesson's network says to a kind of film, at the threshold set at home."

    seed: int
    hospital: str  # one of `HOSPITALS`
    group: str  # kind of film
    positives: int  # films with an effusion
    found: int  # of them, called so
    negatives: int  # films without one
    cleared: int  # of them, not called so
    auroc: float  # nan where one side is empty
    low: float  # its 95 % interval
    high: float  # the other end
    made: str


class Maps(NamedTuple):
    "How maps for effusion lie to the true effusion, on films from home."

    seed: int
    network: str  # the lesson's, or the one that it began as
    block: int  # −8 (first) to −1 (last)
    films: int  # so many were mapped
    heat: float  # mean share of the heat on the fluid (0 to 1)
    low: float  # its 95 % bootstrap interval
    high: float  # the other end
    area: float  # mean share of the film that is fluid
    hits: int  # films whose hottest place is fluid
    made: str


class Watch(NamedTuple):
    """How often 50 films raise an alarm (p below 0.05), compared with 300 films from home.

    The weeks are drawn from the same 300 films again and again: their number makes a share exact
    for these films, and is no number of patients."""

    seed: int
    hospital: str  # one of `HOSPITALS`
    watched: str  # what is compared with home
    weeks: int  # drawn by lot
    alarms: int  # of these weeks, those with p below 0.05
    made: str


ANSWERS = Table("effusion", Answers, key=("network", "seed", "hospital"))
GROUPS = Table("effusion_groups", Group, key=("seed",))
MAPS = Table("effusion_maps", Maps, key=("seed",))
WATCH = Table("effusion_watch", Watch, key=("seed",))
TABLES = (GROUPS, MAPS, WATCH, ANSWERS)
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
    return folder_of(HOME, seed, size, train=(half, half), val=VALIDATION)


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


def train(course: Path, how: Made, seed: int, size: int) -> Any:
    "A network after lesson 07's recipe, or one that differs from it in what is named."
    with quiet():
        dls = dataloaders(course, film_tfms(), size, seed=seed)
        learn = film_learner(dls, how.weights, seed=seed)
        with learn.no_bar(), learn.no_logging():
            fine_tune(learn, how.epochs, base_lr=2e-3, seed=seed)
    return learn


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
        local = threshold_for(predict(learn, exam(hospital, size) / "val"), EFFUSION, SENSITIVITY)
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
        if not len(of_kind):
            continue
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
        if len(films) == MAPPED:
            break
        mask = simulate_again(film).masks.get(EFFUSION)
        if mask is not None:
            films.append(film)
            fluid.append(mask)
    return films, fluid


def measure_maps(seed: int, course: Path, learn: Any, size: int) -> Iterator[Maps]:
    "How the maps lie to the fluid, of the lesson's network and of the one that it began as."
    films, fluid = mapped_films(size)
    with quiet():
        dls = dataloaders(course, film_tfms(), size, seed=seed)
        before = film_learner(dls, NETWORKS[LESSON].weights, seed=seed)
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
        new = watched(predictions[~is_known])  # known films have partners in the other hospitals
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
    learn = train(course, how, seed, given.size)
    with quiet():
        threshold = threshold_for(predict(learn, course / "val"), EFFUSION, SENSITIVITY)

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


# --- what is quoted -------------------------------------------------------------------------------


def span(values: pd.Series, digits: int = 2) -> str:
    "The least and the greatest of several numbers, '0.83 to 0.85', or the one that all are."
    low, high = (f"{value:.{digits}f}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def areas(rows: pd.DataFrame) -> str:
    "AUROCs of several networks, and how far their intervals reach: '0.83 to 0.85 (0.80–0.88)'."
    return f"{span(rows['auroc'])} ({rows['low'].min():.2f}–{rows['high'].max():.2f})"


def counts(k: pd.Series, n: pd.Series) -> str:
    "Counts of several networks, and how far their intervals reach: '61 to 65 of 90 (0.57–0.80)'."
    of = int(n.iloc[0])
    if not of:
        return "–"
    low, _ = wilson(int(k.min()), of)
    _, high = wilson(int(k.max()), of)
    return f"{span(k, 0)} of {of} ({low:.2f}–{high:.2f})"


def answers_of(folder: Path, network: str, hospital: str) -> pd.DataFrame:
    "A row for each seed; raises KeyError if there is none."
    rows = ANSWERS.frame(folder)
    rows = rows[(rows["network"] == network) & (rows["hospital"] == hospital)]
    if not len(rows):
        raise KeyError(f"{network}, {hospital}")
    return rows


def networks_table(folder: Path) -> str:
    "What each network is worth at home and elsewhere."
    rows = []
    for name, how in NETWORKS.items():
        label = f"{name}: {how.films} films" if name == LESSON else name
        both = [areas(answers_of(folder, name, hospital)) for hospital in (HOME, ELSEWHERE)]
        rows.append((label, *both))
    return markdown(("network", "AUROC at home", "AUROC in the other hospital"), rows)


def hospitals_table(folder: Path) -> str:
    "What the lesson's network is worth in each hospital."
    groups = GROUPS.frame(folder)
    rows = []
    for hospital in HOSPITALS:
        here = answers_of(folder, LESSON, hospital)
        positions = [
            areas(groups[(groups["hospital"] == hospital) & (groups["group"] == position)])
            for position in ("standing", "lying")
        ]
        found = counts(here["found"], here["positives"])
        cleared = counts(here["cleared"], here["negatives"])
        rows.append((hospital, areas(here), *positions, found, cleared))
    columns = ("hospital", "AUROC", "of those who stand", "of those who lie")
    return markdown((*columns, "effusions found", "others cleared"), rows)


def kinds_table(folder: Path) -> str:
    "What the lesson's network finds and clears at home, by kind of film."
    groups = GROUPS.frame(folder)
    at_home = groups[groups["hospital"] == HOME]
    rows = []
    for kind in at_home["group"].unique():
        of_kind = at_home[at_home["group"] == kind]
        found = counts(of_kind["found"], of_kind["positives"])
        is_size = kind.endswith(" effusion")
        cleared = "–" if is_size else counts(of_kind["cleared"], of_kind["negatives"])
        rows.append((kind, areas(of_kind), found, cleared))
    return markdown(("kind of film", "AUROC", "effusions found", "others cleared"), rows)


def per_cents(shares: pd.Series) -> str:
    "Shares in per cent, from the least to the greatest."
    return f"{span(100 * shares, 0)} %"


def heat_in_words(rows: pd.DataFrame) -> str:
    "Mean shares of the heat of several networks, and how far their intervals reach."
    reach = f"{100 * rows['low'].min():.0f}–{100 * rows['high'].max():.0f}"
    return f"{per_cents(rows['heat'])} ({reach})"


def maps_table(folder: Path) -> str:
    "Heat on the fluid, by block, after training and before."
    maps = MAPS.frame(folder)
    rows = []
    for block in sorted(maps["block"].unique(), reverse=True):
        row = [f"−{-block}"]
        for network in (LESSON, "before training"):
            these = maps[(maps["block"] == block) & (maps["network"] == network)]
            row += [heat_in_words(these), f"{span(these['hits'], 0)} of {these['films'].iloc[0]}"]
        rows.append(row)
    columns = ("block", "heat on fluid", "hottest place on fluid")
    return markdown((*columns, "heat, before training", "hottest place, before training"), rows)


def watch_table(folder: Path) -> str:
    "How often fifty films raise an alarm."
    watch = WATCH.frame(folder)
    watch["share"] = watch["alarms"] / watch["weeks"]
    rows = []
    for watched_for in watch["watched"].unique():
        row = [watched_for]
        for hospital in HOSPITALS:
            these = watch[(watch["watched"] == watched_for) & (watch["hospital"] == hospital)]
            row.append(per_cents(these["share"]))
        rows.append(row)
    return markdown(("watched", *HOSPITALS), rows)


def tables(folder: Path) -> dict[str, str]:
    "The tables that are quoted."
    return {
        "networks": networks_table(folder),
        "hospitals": hospitals_table(folder),
        "kinds": kinds_table(folder),
        "maps": maps_table(folder),
        "watch": watch_table(folder),
    }


def falls(folder: Path) -> str:
    """How far the lesson's network falls in the other hospital, one interval for each seed.

    The two hospitals' films have the same fluid, and a third of them the same patients. Each
    interval is that for films that have nothing in common, and so is rather too wide."""
    at_home = answers_of(folder, LESSON, HOME).set_index("seed")
    elsewhere = answers_of(folder, LESSON, ELSEWHERE).set_index("seed")
    found = []
    for seed in at_home.index:
        rows = (row.rename({"auroc": "value"}) for row in (at_home.loc[seed], elsewhere.loc[seed]))
        fall = difference_interval(*rows)
        found.append(f"{fall['difference']:.2f} ({fall['low']:.2f}–{fall['high']:.2f})")
    return listed(found)


def fall(folder: Path, hospital: str) -> str:
    "How far the lesson's networks fall in a hospital, from the least fall to the greatest."
    at_home = answers_of(folder, LESSON, HOME).set_index("seed")["auroc"]
    return span(at_home - answers_of(folder, LESSON, hospital).set_index("seed")["auroc"])


def numbers(folder: Path) -> dict[str, str]:
    "What sentences quote."
    at_home = answers_of(folder, LESSON, HOME)
    elsewhere = answers_of(folder, LESSON, ELSEWHERE)
    by_name = {
        "seeds": listed(at_home["seed"]),
        "n": str(at_home["positives"].iloc[0] + at_home["negatives"].iloc[0]),
        "home": span(at_home["auroc"]),
        "elsewhere": span(elsewhere["auroc"]),
        "pairs": span(100 * at_home["auroc"], 0),
        "falls": falls(folder),
        "fall_processing": fall(folder, "other processing"),
        "fall_in_bed": fall(folder, "more in bed"),
        "local_found": counts(elsewhere["local_found"], elsewhere["positives"]),
        "local_cleared": counts(elsewhere["local_cleared"], elsewhere["negatives"]),
        "ece_home": span(at_home["ece"]),
        "ece_elsewhere": span(elsewhere["ece"]),
    }
    maps = MAPS.frame(folder)
    second_last = maps[(maps["network"] == LESSON) & (maps["block"] == -2)]
    by_name["area"] = per_cents(second_last["area"])
    by_name["heat"] = heat_in_words(second_last)
    by_name["hits"] = span(second_last["hits"], 0)
    by_name["mapped"] = str(second_last["films"].iloc[0])
    return by_name


if __name__ == "__main__":
    main()
