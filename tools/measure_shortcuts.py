"""Breaking a shortcut, measured before and after: what the audit says, what a planted marker does, how films from elsewhere fare.

    python tools/measure_shortcuts.py    # two seeds, 128 px; half an hour on one core, less on two

Courses: the films that fetch_data("auto") finds, and the embedded ones. On each, with each measure, two kinds of network are trained: lesson 01's recipe
(embedded weights, 5 epochs) on the films as they are; and one from random weights (10 epochs) on a course whose chests alone bear a white square, which
is then put on val and test films of both classes, or left out (each picture once). Films from elsewhere: for a network trained on real films the embedded
val and test films and newly simulated ones (the embedded weights and the simulated films that are mixed in come from that simulator too); for one trained
on the embedded films all real ones, if there are any. One row per course and measure; per seed the number of films, then the interval of their mean."""

import io
import sys
import tempfile
from argparse import ArgumentParser
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np

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


def mark(film):
    "A film with a white square, far enough from the corner to stay in the film when it is moved."
    return plant_marker(film, side=0.16, at=(0.1, 0.1))


def squeeze(film):
    return as_film(film).resize((224, 224))  # to a square, as the network will see it anyway


MEASURES = {
    "none": {},
    "random marks on both classes": dict(marks=0.5),
    "one size, padded (harmonise)": dict(change=harmonise),
    "one size, squeezed": dict(change=squeeze),
    "simulated films mixed in": dict(mixed=True),
    "random marks, squeezed, mixed": dict(marks=0.5, change=squeeze, mixed=True),
}


def different(path, splits=("val", "test")):
    "The films of some parts by class, each picture once."
    return {
        c: list(
            {load_film(f).tobytes(): f for s in splits for f in film_files(path / s / c)}.values()
        )
        for c in CLASSES
    }


def share(counts, n):
    "Counts of several seeds, of n films, with the 95 % Wilson interval of their mean."
    low, high = wilson(np.floor(np.mean(counts)), n)[0], wilson(np.ceil(np.mean(counts)), n)[1]
    return f"{', '.join(str(int(k)) for k in counts)} of {n} ({low:.2f}–{high:.2f})"


def networks(courses, held, away, seeds, size, also, change=as_film, marks=0.0):
    "What one row says of networks. `courses`: as they are, and with marked chests; `also`: embedded weights on marked chests too."

    def fit(course, seed, weights, epochs):
        learn = film_learner(
            dataloaders(course, tfms=film_tfms(marks=marks), size=size, seed=seed),
            weights,
            seed=seed,
        )
        fine_tune(learn, epochs, 2e-3, seed=seed)
        return lambda films, first=as_film: (
            predict(learn, [change(first(film)) for film in films])["prediction"] == "chest"
        ).to_numpy()

    planted, recipe, other, changed = [], [], [], []
    for seed in range(seeds):
        plain, marked = fit(courses[0], seed, "simulated", 5), fit(courses[1], seed, None, 10)
        planted.append(
            [
                marked(held[c], first).sum()
                for c, first in [
                    ("abd", as_film),
                    ("abd", mark),
                    ("chest", mark),
                    ("chest", as_film),
                ]
            ]
        )
        for right, ask in [(recipe, plain), (other, marked)]:
            right.append(sum((ask(films) == (c == "chest")).sum() for c, films in away.items()))
        if also:
            ask = fit(courses[1], seed, "simulated", 5)
            changed.append(sum((ask(films) != ask(films, mark)).sum() for films in held.values()))
    n, m = [len(held[c]) for c in ("abd", "abd", "chest", "chest")], sum(map(len, away.values()))
    return [
        *map(share, zip(*planted), n),
        share(changed, n[0] + n[2]) if also else "–",
        *(share(right, m) if m else "–" for right in (recipe, other)),
    ]


def run(seeds, size, say):
    "One row after the other."
    simulated, found = fetch_data("simulated"), fetch_data("auto")
    real = found if found != simulated else None
    with tempfile.TemporaryDirectory() as home:
        home = Path(home)
        extra, new = (
            simulate_dataset(
                home / n, train=t, val=(0, 0), test=(0, 0), surprises=(), seed=s, flaws=False
            )
            for n, t, s in [("extra", (33, 32), 1), ("new", (16, 16), 2)]
        )
        fresh = {c: different(simulated)[c] + different(new, ["train"])[c] for c in CLASSES}
        for source, path, away in [("real", real, fresh)] * bool(real) + [
            ("embedded", simulated, different(real, ["train", "val", "test"]) if real else {})
        ]:
            planted = remake(path, home / source / "planted", mark, only="chest")
            for measure, how in MEASURES.items():
                change, more = how.get("change", as_film), extra if how.get("mixed") else None
                courses = [
                    remake(p, home / source / measure / name, change, extra=more)
                    for name, p in [("as it is", path), ("marked", planted)]
                ]
                facts = (
                    shortcuts(courses[0])
                    .set_index("finding")
                    .loc[[f"shortcut: {f}" for f in FACTS]]
                )
                audited = [
                    f"{r['accuracy']:.2f} ({r['low']:.2f}–{r['high']:.2f})"
                    for _, r in facts.iterrows()
                ]
                say(
                    [
                        source,
                        measure,
                        *audited,
                        *networks(
                            courses,
                            different(path),
                            away,
                            seeds,
                            size,
                            measure == "none",
                            change,
                            how.get("marks", 0.0),
                        ),
                    ]
                )


if __name__ == "__main__":
    ask = ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("--seeds", type=int, default=2)
    ask.add_argument("--size", type=int, default=128)
    given = ask.parse_args()
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS), flush=True)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        run(
            given.seeds,
            given.size,
            lambda cells: print("| " + " | ".join(cells) + " |", file=sys.__stdout__, flush=True),
        )
