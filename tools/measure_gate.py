"""Measure the gate: the tables in nbs/17_gate.ipynb, one line per question.

    RSNA_CLS_DATA=my_films.zip python tools/measure_gate.py

The gate is fitted twice, on the real films of RSNA_CLS_DATA and on the embedded ones, and asked
about films it was not fitted on. Without RSNA_CLS_DATA only the second half is done. Films that
should pass are new simulated chests and abdomens, for the first gate a chest of pydicom-data too,
for the second in the end the real ones; seeds from 5,000,000.
"""

import os
import warnings
from argparse import ArgumentParser
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from sklearn.metrics import roc_auc_score

from rsna_cls import (
    HELD_OUT,
    KINDS,
    BadFilm,
    Gate,
    auroc_interval,
    embedded_films,
    fetch_data,
    film_files,
    load_film,
    simulate_film,
    wilson,
)
from rsna_cls.gate import (  # what `splits` does 900 times
    _conformal_limit,
    _neighbours,
    _points,
    _search_among,
)

FIRST_SEED = 5_000_000  # neither the embedded films' seeds nor the pretraining's
PICTURES = "photographs and other pictures"
SLICES = "CT, MR and other slices (pydicom)"
PHOTOGRAPHS = (  # that scikit-image brings along
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


def photographs() -> list[Image.Image]:
    "Photographs and pictures that scikit-image and scikit-learn bring along, in grey."
    from skimage import data
    from sklearn.datasets import load_sample_images

    pictures = list(load_sample_images().images)
    for name in PHOTOGRAPHS:
        with suppress(Exception):  # some are not in the package, and would have to be downloaded
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
    from pydicom.data import get_testdata_files

    different = {}
    for file in sorted(get_testdata_files("*.dcm")):
        if Path(file).name.startswith("RG"):  # radiographs
            continue
        try:
            film = load_film(file)
        except BadFilm:
            continue
        greys = np.asarray(film)
        if min(greys.shape) >= 48 and greys.std() >= 4:
            look = (np.asarray(film.resize((16, 16))) // 24).tobytes()
            different.setdefault(look, film)
    return list(different.values())


def simulated(kind: str, n: int) -> list[Image.Image]:
    "New films of a kind."
    return [simulate_film(kind, FIRST_SEED + i, 192).image for i in range(n)]


def others(n: int) -> dict[str, list[Image.Image]]:
    "Films that should not pass, by what they are; n of each simulated kind."
    films = {}
    for kind in KINDS[2:]:
        note = " (a kind the embedded network never saw)" if kind in HELD_OUT else ""
        films[f"simulated {kind}{note}"] = simulated(kind, n)
    films[PICTURES] = photographs()
    films[SLICES] = slices()
    films["lower leg (pydicom)"] = [dicom("RG3_UNCR.dcm")]
    return films


def print_passed(name: str, accepted: np.ndarray) -> None:
    "How many of some films pass."
    n, k = len(accepted), sum(accepted)
    low, high = wilson(k, n)
    print(f"| {name} | {n} | {k} pass ({low:.2f}–{high:.2f}) | – |", flush=True)


def print_told_apart(name: str, gate: Gate, inside: np.ndarray, films: list) -> None:
    "How well strangers are told from films that should pass, whose distances are `inside`."
    outside = gate.score(films)
    n, k = len(outside), sum(outside > gate.limit)
    low, high = wilson(k, n)
    refused = f"{k} refused ({low:.2f}–{high:.2f})"

    is_stranger = [0] * len(inside) + [1] * n
    auroc = roc_auc_score(is_stranger, [*inside, *outside])
    low, high = auroc_interval(auroc, n, len(inside))
    print(f"| {name} | {n} | {refused} | {auroc:.3f} ({low:.3f}–{high:.3f}) |", flush=True)


def measure(path: Path, elsewhere: dict[str, list], strangers: dict[str, list]) -> None:
    "One gate: films that should pass, and films that should not."
    gate = Gate.fit(path)
    print(f"\nFitted on {len(gate.known)} films, limit {gate.limit:.3f}\n")
    print("| films | n | answer | AUROC against the films from elsewhere |\n|---|---|---|---|")
    print_passed("test films", gate.accepts(path / "test"))
    for name, films in elsewhere.items():
        print_passed(name, gate.accepts(films))

    inside = np.concatenate([gate.score(films) for films in elsewhere.values()])
    val = [load_film(file) for file in film_files(path / "val")]
    own = "its own validation films"
    turned = {
        f"{own}, black for white": [ImageOps.invert(film) for film in val],
        f"{own}, lying on their side": [film.rotate(90, expand=True) for film in val],
        f"{own}, upside down": [film.rotate(180) for film in val],
    }
    for name, films in (strangers | turned).items():
        print_told_apart(name, gate, inside, films)


def splits(path: Path, n: int = 300, fitted: int = 65) -> None:
    "Films like the training films that are refused by mistake, over n random splits."
    files = [file for part in ("train", "val", "test") for file in film_files(path / part)]
    points = _points(files).astype(np.float16)
    rng = np.random.default_rng(0)
    for false_alarms in (0.02, 0.1, 0.2):
        refused = []
        for _ in range(n):
            known, new = np.split(rng.permutation(len(points)), [fitted])
            search = _search_among(points[known])
            limit = _conformal_limit(_neighbours(search, 3).stranger, false_alarms)
            new_points = points[new].astype(np.float32)
            refused.append(np.mean(_neighbours(search, 3, new_points).stranger > limit))
        print(
            f"false_alarms={false_alarms}: {np.mean(refused):.3f} refused, mean of {n} random "
            f"splits of {len(points)} films into {fitted} and {len(points) - fitted}",
            flush=True,
        )


def ask_about_originals(real: Path, strangers: dict[str, list]) -> None:
    "The embedded films' gate, and the original films as those that should pass."
    gate = Gate.fit(embedded_films())
    originals = {}
    for kind in ("chest", "abd"):
        originals[kind] = [file for file in film_files(real) if file.parent.name == kind]
        print_passed(f"original {kind} films", gate.accepts(originals[kind]))

    print("\nThe same gate, the original films being those that should pass:")
    inside = gate.score(originals["chest"] + originals["abd"])
    no_radiographs = {PICTURES, SLICES}
    groups = {
        "other radiographs": set(strangers) - no_radiographs,
        "photographs and slices": no_radiographs,
    }
    for name, members in groups.items():
        films = [film for member in sorted(members) for film in strangers[member]]
        print_told_apart(name, gate, inside, films)


def main() -> None:
    "The command line."
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    help_n = "simulated chests and abdomens, each; a quarter as many of each other kind"
    parser.add_argument("--n", type=int, default=100, help=help_n)
    n = parser.parse_args().n
    warnings.simplefilter("ignore")

    real = fetch_data("auto") if os.environ.get("RSNA_CLS_DATA") else None
    strangers = others(n // 4)
    elsewhere = {
        "simulated chests": simulated("chest", n),
        "simulated abdomens": simulated("abd", n),
    }
    if real:
        strangers["elbow of the original course"] = [load_film(real / "elbow.png")]
        measure(real, {"chest (pydicom)": [dicom("RG1_UNCR.dcm")]} | elsewhere, strangers)
        splits(real)
    measure(embedded_films(), elsewhere, strangers)
    splits(embedded_films())
    if real:
        ask_about_originals(real, strangers)


if __name__ == "__main__":
    main()
