"""Measure what the lesson says: its recipe with several seeds, and the variants of its exercises.

    python tools/measure.py                        # embedded and random weights, seeds 0 to 9
    python tools/measure.py --seeds 3 --exercises  # one epoch, fifteen, a rate of 0.2, mirrored films

The films are those that fetch_data("auto") finds. One line per run, then a summary with intervals."""

import io
from argparse import ArgumentParser
from contextlib import redirect_stdout

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


def run(path, seed, weights, epochs, base_lr, flip):
    "One training run: right of val, right of test, and what is said of the surprise films."
    with redirect_stdout(io.StringIO()):
        learn = film_learner(
            dataloaders(path, tfms=film_tfms(flip=flip), seed=seed), weights, seed=seed
        )
        history = fine_tune(learn, epochs, base_lr, seed=seed)
    right = {
        part: (
            t := predict(learn, path / part),
            int((t["truth"] == t["prediction"]).sum()),
            len(t),
        )[1:]
        for part in ("val", "test")
    }
    surprise = predict(
        learn, [f for f in film_files(path, recurse=False) if f.stem == "elbow"]
    ).iloc[0]
    return (
        right,
        f"{surprise['prediction']} {surprise[surprise['prediction']]:.2f}",
        history["valid_loss"].iloc[-1],
    )


if __name__ == "__main__":
    ask = ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("--seeds", type=int, default=10)
    ask.add_argument("--exercises", action="store_true")
    given = ask.parse_args()
    path = fetch_data()
    for name, changes in (EXERCISES if given.exercises else VARIANTS).items():
        runs = []
        for seed in range(given.seeds):
            right, elbow, loss = run(path, seed, **RECIPE | changes)
            runs.append(right)
            print(
                f"{name:15} seed {seed}: val {right['val'][0]}/{right['val'][1]}, test {right['test'][0]}/{right['test'][1]}, validation loss {loss:.3f}, elbow {elbow}",
                flush=True,
            )
        for part in ("val", "test"):
            k, n = map(sum, zip(*(r[part] for r in runs)))
            low, high = wilson(*runs[0][part])
            print(
                f"{name:15} {part}: {[r[part][0] for r in runs]} of {runs[0][part][1]}; mean {k / n:.3f} over {len(runs)} seeds; interval of one run like the first {low:.2f} to {high:.2f}",
                flush=True,
            )
