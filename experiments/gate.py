"""What the gate lets pass and what it refuses: the tables of 22_gate.

    RSNA_CLS_DATA=my_films.zip python experiments/gate.py

One gate is fitted on the original films, one on the simulated ones, and both are asked about films
that neither was fitted on: new simulated chests and abdomens, the other course's films, and what is
no such film. Then the harder case: what does a gate say to a kind of film that it has nothing of to
compare with? And is the share of films refused by mistake what `false_alarms` says, where it is
named?
"""

import importlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image, ImageOps
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from common import (
    CLASSES,
    ORIGINAL,
    SIMULATED,
    Question,
    Table,
    course,
    devices,
    in_bed,
    listed,
    made,
    markdown,
    new_films,
    of_child,
    per_cent,
    pydicom_files,
    quiet,
    say,
    seeds_of,
)
from rsna_cls import (
    KINDS,
    BadFilm,
    Course,
    Gate,
    auroc_interval,
    film_files,
    load_film,
    simulate_films,
)

FALSE_ALARMS = (0.02, 0.1, 0.2)
NEIGHBOURS = 3  # how many the gate compares a film with
TURNED_MARGIN = 0.1  # by how much nearer a turned film must lie
gate_room = importlib.import_module("rsna_cls.gate")  # to look behind `Gate`
PHOTOGRAPHS = (  # those that scikit-image need not download
    "astronaut",
    "camera",
    "cat",
    "coffee",
    "coins",
    "page",
    "text",
    "clock",
    "rocket",
    "brick",
    "grass",
    "gravel",
    "moon",
    "hubble_deep_field",
    "checkerboard",
    "horse",
    "immunohistochemistry",
    "retina",
)

# Groups of films, by the names they have in the CSV and in the tables.
TEST = "its own test films"
PYDICOM_CHEST = "a chest (`pydicom-data`)"
NEW = {"chest": "simulated chests, new seeds", "abd": "simulated abdomens, new seeds"}
CHILDREN = {"chest": "simulated chests of children", "abd": "simulated abdomens of children"}
LYING = {"chest": "simulated chests, taken lying", "abd": "simulated abdomens, taken lying"}
ORIGINALS = {"chest": "original chests", "abd": "original abdomens"}
EMBEDDED = {"chest": "embedded chests", "abd": "embedded abdomens"}
PICTURES = "photographs and other pictures (scikit-image, scikit-learn)"
SLICES = "CT, MR and other slices (`pydicom`)"
ELBOW = "elbow of the original course"
LEG = "lower leg (`pydicom-data`)"
OTHER_PARTS = (ELBOW, LEG, *(f"simulated {kind}" for kind in KINDS[len(CLASSES) :]))
SHOULD_PASS = (
    TEST,
    PYDICOM_CHEST,
    *NEW.values(),
    *CHILDREN.values(),
    *LYING.values(),
    *ORIGINALS.values(),
    *EMBEDDED.values(),
)
NEGATIVES = (PYDICOM_CHEST, *NEW.values())  # what strangers are told from, for the AUROC


LIMBS = ("elbow", "forearm", "hand", "knee", "foot", "skull")  # what lies away from the trunk
PARTS_OF_THE_TRUNK = tuple(kind for kind in KINDS[len(CLASSES) :] if kind not in LIMBS)


class Fitted(NamedTuple):
    "A gate."

    gate: str  # the films it was fitted on: original or simulated
    known: int  # how many training films it knows
    limit: float  # value of `stranger` up to which a film passes
    own_kinds: str  # kinds of film that are not held against the training films
    made: str


class Asked(NamedTuple):
    "A film that a gate was asked about."

    gate: str  # original or simulated
    group: str  # what the film is
    film: int  # its number in the group, from 0
    stranger: float  # how much farther the training films are than others (-2 to 2)


class LeftOut(NamedTuple):
    "What a gate says to films of a kind that was taken out of what it compares with."

    gate: str  # original or simulated
    kind: str  # of the films, and the one kind that was taken out
    n: int  # films
    refused: int  # of n
    made: str


class Splits(NamedTuple):
    "Films like the training films that were refused by mistake, over random splits."

    films: str  # original or simulated
    false_alarms: float  # what was asked for
    splits: int  # how many
    known: int  # films a gate was fitted on in each split
    new: int  # films it was asked about in each split
    refused: int  # of splits · new
    made: str


GATES = Table("gate", Fitted, key=("gate",))
FILMS = Table("gate_films", Asked, key=("gate", "group"))
LEFT_OUT = Table("gate_left_out", LeftOut, key=("gate", "kind"))
MISTAKES = Table("gate_mistakes", Splits, key=("films", "false_alarms"))
TABLES = (GATES, FILMS, LEFT_OUT, MISTAKES)
QUESTION = Question(
    __doc__,
    which=dict(films=[ORIGINAL, SIMULATED]),
    how=dict(n=100, others=25, splits=300, known=65),
)


# --- films that should not pass -------------------------------------------------------------------


def photographs() -> list[Image.Image]:
    "Photographs and pictures that scikit-image and scikit-learn bring along, in grey."
    from skimage import data
    from sklearn.datasets import load_sample_images

    pictures = list(load_sample_images().images)
    for name in PHOTOGRAPHS:
        pictures.append(np.asarray(getattr(data, name)()))
    greys = []
    for pixels in pictures:
        if pixels.dtype != np.uint8:
            pixels = (255 * pixels).astype(np.uint8)
        greys.append(Image.fromarray(pixels).convert("L"))
    return greys


def dicom(name: str) -> Image.Image:
    "One of pydicom's own films."
    from pydicom.data import get_testdata_file

    return load_film(get_testdata_file(name))


def slices() -> list[Image.Image]:
    "CT, MR and others that pydicom brings along: no two alike, none that is blank or tiny."
    different_looks = {}
    for file in pydicom_files("*.dcm"):
        if file.name.startswith("RG"):  # radiographs
            continue
        try:
            film = load_film(file)
        except BadFilm:
            continue
        greys = np.asarray(film)
        if min(greys.shape) >= 48 and greys.std() >= 4:
            look = (np.asarray(film.resize((16, 16))) // 24).tobytes()
            different_looks.setdefault(look, film)
    return list(different_looks.values())


def strangers(n: int) -> dict[str, list]:
    "Films that should not pass, by what they are; n of each simulated kind."
    films = {}
    for kind in KINDS[len(CLASSES) :]:
        films[f"simulated {kind}"] = [film.image for film in new_films(kind, n)]
    films[PICTURES] = photographs()
    films[SLICES] = slices()
    films[LEG] = [dicom("RG3_UNCR.dcm")]
    return films


def changed(films: list[Path]) -> dict[str, list[Image.Image]]:
    "A gate's own validation films, as it should not let them pass."
    images = [load_film(film) for film in films]
    own = "its own validation films"
    return {
        f"{own}, black for white": [ImageOps.invert(image) for image in images],
        f"{own}, lying on their side": [image.rotate(90, expand=True) for image in images],
        f"{own}, upside down": [image.rotate(180) for image in images],
    }


# --- measuring ------------------------------------------------------------------------------------


def groups(fitted_on: str, given, others: dict[str, list]) -> Iterator[tuple[str, list]]:
    "All films that a gate is asked about, by what they are."
    folder = Course(course(fitted_on))
    yield TEST, folder.films("test")
    if fitted_on == ORIGINAL:
        yield PYDICOM_CHEST, [dicom("RG1_UNCR.dcm")]
    for kind, name in NEW.items():
        yield name, [film.image for film in new_films(kind, given.n)]
    for names, is_of_sort in ((CHILDREN, of_child), (LYING, in_bed)):
        for kind, name in names.items():
            seeds = seeds_of(kind, given.n // 2, is_of_sort)
            yield name, [film.image for film in simulate_films(kind, seeds, 192)]
    yield from others.items()
    yield from changed(folder.films("val")).items()
    if ORIGINAL in given.films:
        originals = Course(course(ORIGINAL))
        elbows = [
            film for film in film_files(originals.path, recurse=False) if film.stem == "elbow"
        ]
        yield ELBOW, elbows
        if fitted_on == SIMULATED:
            for kind, name in ORIGINALS.items():
                yield name, [film for film in originals.films() if originals.label(film) == kind]
    if fitted_on == ORIGINAL:
        embedded = Course(course(SIMULATED))
        for kind, name in EMBEDDED.items():
            yield name, [film for film in embedded.films() if embedded.label(film) == kind]


def ask(gate: Gate, fitted_on: str, given, others: dict[str, list]) -> None:
    "Ask a gate about all films."
    if (fitted_on,) not in GATES.done(given.to):
        own_kinds = " ".join(gate.own_kinds)
        GATES.keep(given.to, [Fitted(fitted_on, len(gate.known), gate.limit, own_kinds, made())])
    done = FILMS.done(given.to)
    for group, films in groups(fitted_on, given, others):
        if (fitted_on, group) in done:
            continue
        with quiet():
            strangers_of = gate.score(films)
        rows = [Asked(fitted_on, group, i, float(d)) for i, d in enumerate(strangers_of)]
        FILMS.keep(given.to, rows)
        refused_now = int((strangers_of > gate.limit).sum())
        say(f"gate of {fitted_on} films, {group}: {refused_now} of {len(films)} refused")


def without_kind(gate: Gate, kind: str) -> Gate:
    "The same gate, with its limit, but without one kind among the films that it compares with."
    return replace(gate, own_kinds=[*gate.own_kinds, kind])


def leave_out(gate: Gate, fitted_on: str, given, others: dict[str, list]) -> None:
    "Ask a gate about each kind of film that is neither class, the kind itself taken out before."
    done = LEFT_OUT.done(given.to)
    for kind in KINDS[len(CLASSES) :]:
        if (fitted_on, kind) in done:
            continue
        films = others[f"simulated {kind}"]
        with quiet():
            accepted = without_kind(gate, kind).accepts(films)
        row = LeftOut(fitted_on, kind, len(films), int((~accepted).sum()), made())
        LEFT_OUT.keep(given.to, [row])
        say(f"gate of {fitted_on} films without {kind}: {row.refused} of {row.n} refused")


def place(n: int, false_alarms: float) -> int:
    "In which place of n sorted values the limit lies, from 0: the rule of conformal prediction."
    exact = round((n + 1) * (1 - false_alarms), 9)
    return min(ceil(exact), n) - 1


class Distances(NamedTuple):
    "How far n films lie apart, and from what a gate holds against them."

    apart: np.ndarray  # shape (n, n)
    others: np.ndarray  # mean distance to the nearest other points, shape (n,)
    upright: np.ndarray  # how far apart at the size at which films are turned, shape (n, n)
    turned: np.ndarray  # and each film's turns from all films, shape (4, n, n)


def mean_of_nearest(apart: np.ndarray, asked: np.ndarray, known: np.ndarray, skip: int = 0):
    "The mean distance of some films to the nearest of those that are known."
    in_order = np.sort(apart[np.ix_(asked, known)], axis=1)
    return in_order[:, skip : skip + NEIGHBOURS].mean(axis=1)


def strange(films: Distances, asked: np.ndarray, known: np.ndarray, skip: int) -> np.ndarray:
    "How strange films are to a gate; `skip` is 1 for those that it knows, to leave out themselves."
    difference = mean_of_nearest(films.apart, asked, known, skip) - films.others[asked]
    as_it_is = mean_of_nearest(films.upright, asked, known, skip)
    turned = [mean_of_nearest(turn, asked, known) for turn in films.turned]
    return np.maximum(difference, as_it_is - np.min(turned, axis=0) - TURNED_MARGIN)


def split(films: Distances, known: np.ndarray, new: np.ndarray, false_alarms: float):
    "A gate's limit if it knows some of the films, and how strange the others are to it."
    of_known = np.sort(strange(films, known, known, skip=1))
    limit = of_known[place(len(known), false_alarms)]
    return limit, strange(films, new, known, skip=0)


def count_mistakes(films: str, given) -> Iterator[Splits]:
    """Films like the training films that are refused by mistake, over random splits.

    A gate for each split would look at all films hundreds of times. Their points stay the same, so
    one gate that knows all films gives the points, and the rule of 22_gate is applied to each split
    here. That it is the gate's rule is checked for the first split.
    """
    files = Course(course(films)).films()
    gate = Gate.fit(files)
    views = gate_room._views(files)
    points = views.points
    small = gate_room._at_turned_size(points)
    distances = Distances(
        apart=cdist(points, points),
        others=gate_room._neighbours(gate._others.search, NEIGHBOURS, points).distance,
        upright=cdist(small, small),
        turned=np.stack([cdist(turn, small) for turn in views.turned]),
    )
    rng = np.random.default_rng(0)
    for false_alarms in FALSE_ALARMS:
        refused = 0
        for i in range(given.splits):
            known, new = np.split(rng.permutation(len(files)), [given.known])
            limit, strangers_of_new = split(distances, known, new, false_alarms)
            refused += int((strangers_of_new > limit).sum())
            if i == 0:
                check_rule([files[k] for k in known], false_alarms, limit)
        yield Splits(films, false_alarms, given.splits, len(known), len(new), refused, made())


def check_rule(known: list[Path], false_alarms: float, limit: float) -> None:
    "Raise RuntimeError unless a gate that knows these films has this limit."
    gate = Gate.fit(known, false_alarms)
    if abs(gate.limit - limit) > 1e-3:
        raise RuntimeError(f"the gate's rule has changed: limit {gate.limit}, here {limit}")


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    given = QUESTION.options(arguments)
    warnings.simplefilter("ignore")  # pydicom, about its own odd files
    others = strangers(given.others)
    for films in given.films:
        gate = Gate.fit(course(films))
        ask(gate, films, given, others)
        leave_out(gate, films, given, others)
        splits = {(films, false_alarms) for false_alarms in FALSE_ALARMS}
        if not splits <= MISTAKES.done(given.to):
            MISTAKES.keep(given.to, count_mistakes(films, given))
            say(f"{films}, splits: done")


# --- what is quoted -------------------------------------------------------------------------------


class Answers(NamedTuple):
    "What a gate says to a group of films."

    group: str
    n: int
    refused: int
    auroc: float  # strangers against the films that should pass
    low: float
    high: float


def answers(folder: Path, fitted_on: str, negatives: Sequence[str]) -> dict[str, Answers]:
    "What a gate says to each group, in the order of the CSV."
    (gate,) = [gate for gate in GATES.read(folder) if gate.gate == fitted_on]
    films = FILMS.frame(folder)
    films = films[films["gate"] == fitted_on]
    inside = films["stranger"][films["group"].isin(negatives)]
    found = {}
    for group, values in films.groupby("group")["stranger"]:
        refused = int((values > gate.limit).sum())
        area = against(values, inside)
        found[group] = Answers(group, len(values), refused, *area)
    return found


def against(outside: pd.Series, inside: pd.Series) -> tuple[float, float, float]:
    "AUROC of strangers against films that should pass, with its interval."
    is_stranger = [0] * len(inside) + [1] * len(outside)
    area = roc_auc_score(is_stranger, [*inside, *outside])
    return area, *auroc_interval(area, len(outside), len(inside))


def passed(row: Answers) -> list[str]:
    "A line of the table: films that should pass."
    count = row.n - row.refused
    number = f"{count} of {row.n}" if count > row.n / 2 else f"**{count} of {row.n}**"
    return [row.group, f"{number} pass ({per_cent(count, row.n)})", "–"]


def refused(name: str, rows: Sequence[Answers]) -> list[str]:
    "A line of the table: films that should be refused; of several kinds the lowest AUROC."
    n = sum(row.n for row in rows)
    count = sum(row.refused for row in rows)
    worst = min(rows, key=lambda row: (row.auroc, row.low))
    each = "for each kind at least " if len(rows) > 1 else ""
    area = f"{each}{worst.auroc:.3f} ({worst.low:.3f}–{worst.high:.3f})"
    return [name, refused_of(count, n), area if worst.n > 1 else "–"]


def refused_of(count: int, n: int) -> str:
    "How many films were refused that should be, in bold where some were not."
    number = f"{count} of {n}" if count == n else f"**{count} of {n}**"
    return f"{number} refused ({per_cent(count, n)})"


def refused_lines(found: dict[str, Answers]) -> Iterator[list[str]]:
    "The lines of films that should be refused; kinds of which all films are refused share one."
    outside = [row for name, row in found.items() if name not in SHOULD_PASS]
    kinds = [row for row in outside if row.group.startswith("simulated ")]
    caught = [row for row in kinds if row.refused == row.n]
    for row in outside:
        if row not in kinds:
            yield refused(row.group, [row])
    for row in kinds:
        if row not in caught:
            yield refused(row.group.replace("_", " "), [row])
    if caught:
        names = [row.group.removeprefix("simulated ").replace("_", " ") for row in caught]
        yield refused(f"simulated {listed(names)}", caught)


def table_of(folder: Path, fitted_on: str) -> str:
    "The table of one gate."
    found = answers(folder, fitted_on, NEGATIVES)
    lines = [["*should pass*", "", ""]]
    lines += [passed(found[name]) for name in SHOULD_PASS if name in found]
    lines += [["*should be refused*", "", ""], *refused_lines(found)]
    return markdown(["films", "answer", "AUROC"], lines)


def table_of_left_out(folder: Path) -> str:
    "What both gates say to each kind that was taken out before."
    answers_of = {(row.gate, row.kind): row for row in LEFT_OUT.read(folder)}
    kinds = sorted({kind for _, kind in answers_of})
    lines = []
    for kind in kinds:
        line = [kind.replace("_", " ")]
        for fitted_on in (ORIGINAL, SIMULATED):
            row = answers_of[fitted_on, kind]
            line.append(refused_of(row.refused, row.n))
        lines.append(line)
    columns = ["kind left out", "gate of the original films", "gate of the simulated films"]
    return markdown(columns, lines)


def tables(folder: Path) -> dict[str, str]:
    "The tables that are quoted."
    lines = []
    splits = MISTAKES.read(folder)
    for films in (ORIGINAL, SIMULATED):
        of_films = [row for row in splits if row.films == films]
        shares = [f"{row.refused / (row.splits * row.new):.3f}" for row in of_films]
        lines.append([f"refused, of {of_films[0].new} {films} films, mean", *shares])
    return {
        "original": table_of(folder, ORIGINAL),
        "simulated": table_of(folder, SIMULATED),
        "left_out": table_of_left_out(folder),
        "mistakes": markdown(["`false_alarms`", *map(str, FALSE_ALARMS)], lines),
    }


def some_of(count: int, n: int) -> str:
    "A count with its interval."
    return f"{count} of {n} ({per_cent(count, n)})"


def numbers(folder: Path) -> dict[str, str]:
    "What sentences quote."
    by_name = {"device": devices(gate.made for gate in GATES.read(folder))}
    for gate in GATES.read(folder):
        by_name[f"limit_{gate.gate}"] = f"{gate.limit:.3f}"
        by_name[f"known_{gate.gate}"] = str(gate.known)
    for row in MISTAKES.read(folder):
        by_name["splits"] = str(row.splits)
        by_name["known"] = str(row.known)

    # The order of the simulated films' gate, the original films being those that should pass.
    films = FILMS.frame(folder)
    films = films[films["gate"] == SIMULATED]
    inside = films["stranger"][films["group"].isin(ORIGINALS.values())]
    pictures = films["stranger"][films["group"].isin((PICTURES, SLICES))]
    radiographs = films["stranger"][films["group"].isin(OTHER_PARTS)]
    by_name["originals"] = str(len(inside))
    for name, outside in (("radiographs", radiographs), ("pictures", pictures)):
        area, low, high = against(outside, inside)
        by_name[name] = str(len(outside))
        by_name[f"{name}_auroc"] = f"{area:.3f} ({low:.3f}–{high:.3f})"

    found = answers(folder, SIMULATED, NEGATIVES)
    of_new = [row for name, row in found.items() if name in NEW.values()]
    by_name["new"] = str(sum(row.n for row in of_new))

    # What the original films' gate says of other parts of the body, and of new chests and abdomens.
    of_original = answers(folder, ORIGINAL, NEGATIVES)
    others = [row for name, row in of_original.items() if name in OTHER_PARTS]
    by_name["others"] = some_of(sum(row.refused for row in others), sum(row.n for row in others))
    fresh = [of_original[name] for name in NEW.values()]
    by_name["passed"] = some_of(
        sum(row.n - row.refused for row in fresh), sum(row.n for row in fresh)
    )

    # How many original films the simulated films' gate lets pass.
    for kind, name in ORIGINALS.items():
        row = found[name]
        by_name[f"original_{kind}"] = some_of(row.n - row.refused, row.n)
        by_name[f"refused_original_{kind}"] = some_of(row.refused, row.n)

    # And how many embedded films the original films' gate refuses.
    for kind, name in EMBEDDED.items():
        row = of_original[name]
        by_name[f"embedded_{kind}"] = some_of(row.refused, row.n)

    # What each gate refuses of all kinds together, each asked about without itself.
    for fitted_on in (ORIGINAL, SIMULATED):
        rows = [row for row in LEFT_OUT.read(folder) if row.gate == fitted_on]
        for name, kinds in (("limbs", LIMBS), ("trunk", PARTS_OF_THE_TRUNK)):
            of_kinds = [row for row in rows if row.kind in kinds]
            refused_of_all = sum(row.refused for row in of_kinds)
            n = sum(row.n for row in of_kinds)
            by_name[f"{name}_left_out_{fitted_on}"] = f"{refused_of_all} of {n}"
    return by_name


if __name__ == "__main__":
    main()
