"""Measure the gate: the table in nbs/08_gate.ipynb, one line per question.

    RSNA_CLS_DATA=my_films.zip python tools/measure_gate.py

The gate is fitted twice, on the real films of RSNA_CLS_DATA and on the embedded ones, and asked about films it was not fitted on. Without RSNA_CLS_DATA only the second half is done.
Films that should pass are new simulated chests and abdomens, for the first gate a chest of pydicom-data too, for the second in the end the real ones; seeds from 5,000,000."""

import os
import warnings
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from sklearn.metrics import roc_auc_score

from rsna_cls import (
    HELD_OUT,
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
from rsna_cls.gate import _limit, _points
from rsna_cls.pretrain import KINDS


def photographs():
    "Photographs and pictures that scikit-image and scikit-learn bring along, in grey."
    from skimage import data
    from sklearn.datasets import load_sample_images

    names = (
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
    pictures = list(load_sample_images().images)
    for name in names:
        try:
            pictures.append(np.asarray(getattr(data, name)()))
        except Exception:  # some are not in the package and would have to be downloaded
            pass
    return [
        Image.fromarray(p if p.dtype == np.uint8 else (255 * p).astype(np.uint8)).convert("L")
        for p in pictures
    ]


def dicom(name):
    from pydicom.data import get_testdata_file

    return load_film(get_testdata_file(name))


def slices():
    "CT, MR and other images that pydicom brings along: no two that look the same, none that is blank or tiny."
    from pydicom.data import get_testdata_files

    found = {}
    for f in sorted(f for f in get_testdata_files("*.dcm") if not Path(f).name.startswith("RG")):
        try:
            film = load_film(f)
        except BadFilm:
            continue
        grey = np.asarray(film)
        if min(grey.shape) >= 48 and grey.std() >= 4:
            found.setdefault((np.asarray(film.resize((16, 16))) // 24).tobytes(), film)
    return list(found.values())


def simulated(kinds, n):
    return [simulate_film(k, 5_000_000 + i, 192).image for k in kinds for i in range(n)]


def share(name, passed):
    low, high = wilson(sum(passed), len(passed))
    print(f"| {name} | {len(passed)} | {sum(passed)} pass ({low:.2f}–{high:.2f}) | – |", flush=True)


def against(name, gate, inside, films):
    "How well strangers are told from films that should pass."
    far = gate.score(films)
    area, k = (
        roc_auc_score([0] * len(inside) + [1] * len(far), [*inside, *far]),
        sum(far > gate.limit),
    )
    (low, high), (a, b) = auroc_interval(area, len(far), len(inside)), wilson(k, len(far))
    print(
        f"| {name} | {len(far)} | {k} refused ({a:.2f}–{b:.2f}) | {area:.3f} ({low:.3f}–{high:.3f}) |",
        flush=True,
    )


def measure(path, elsewhere, pool):
    "One gate: films that should pass, and films that should not."
    gate = Gate.fit(path)
    print(
        f"\nFitted on {len(gate.known)} films, limit {gate.limit:.3f}\n\n| films | n | answer | AUROC against the films from elsewhere |\n|---|---|---|---|"
    )
    share("test films", gate.accepts(path / "test"))
    for name, films in elsewhere.items():
        share(name, gate.accepts(films))
    inside = np.concatenate([gate.score(films) for films in elsewhere.values()])
    val = [load_film(f) for f in film_files(path / "val")]
    turned = {
        "its own validation films, black for white": [ImageOps.invert(f) for f in val],
        "its own validation films, lying on their side": [f.rotate(90, expand=True) for f in val],
        "its own validation films, upside down": [f.rotate(180) for f in val],
    }
    for name, films in (pool | turned).items():
        against(name, gate, inside, films)


def splits(path, n=300):
    "Films like the training films that are refused by mistake: 65 films drawn for the gate, the others asked, n times."
    points, rng = (
        _points([f for part in ("train", "val", "test") for f in film_files(path / part)]).astype(
            np.float16
        ),
        np.random.default_rng(0),
    )
    for alarms in (0.02, 0.1, 0.2):
        refused = []
        for _ in range(n):
            known, new = np.split(rng.permutation(len(points)), [65])
            gate = Gate(points[known], ["film"] * 65)
            limit = _limit(gate._search().kneighbors()[0].mean(1), alarms)
            refused.append(
                np.mean(
                    gate._search().kneighbors(points[new].astype(np.float32))[0].mean(1) > limit
                )
            )
        print(
            f"false_alarms={alarms}: {np.mean(refused):.3f} refused, mean of {n} random splits of {len(points)} films into 65 and {len(points) - 65}",
            flush=True,
        )


if __name__ == "__main__":
    ask = ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument(
        "--n",
        type=int,
        default=100,
        help="simulated chests and abdomens, each; a quarter as many of each other kind",
    )
    n = ask.parse_args().n
    warnings.simplefilter("ignore")
    real = fetch_data("auto") if os.environ.get("RSNA_CLS_DATA") else None
    pool = {
        f"simulated {k}{' (a kind the embedded network never saw)' if k in HELD_OUT else ''}": simulated(
            [k], n // 4
        )
        for k in KINDS[2:]
    }
    pool |= {
        "photographs and other pictures": photographs(),
        "CT, MR and other slices (pydicom)": slices(),
        "lower leg (pydicom)": [dicom("RG3_UNCR.dcm")],
    }
    if real:
        pool["elbow of the original course"] = [load_film(real / "elbow.png")]
        measure(
            real,
            {
                "chest (pydicom)": [dicom("RG1_UNCR.dcm")],
                "simulated chests": simulated(["chest"], n),
                "simulated abdomens": simulated(["abd"], n),
            },
            pool,
        )
        splits(real)
    originals = (
        {
            f"original {k} films": [f for f in film_files(real) if f.parent.name == k]
            for k in ("chest", "abd")
        }
        if real
        else {}
    )
    measure(
        embedded_films(),
        {"simulated chests": simulated(["chest"], n), "simulated abdomens": simulated(["abd"], n)},
        pool,
    )
    splits(embedded_films())
    if real:
        gate, other = (
            Gate.fit(embedded_films()),
            {"photographs and other pictures", "CT, MR and other slices (pydicom)"},
        )
        for name, films in originals.items():
            share(name, gate.accepts(films))
        print("\nThe same gate, the original films being those that should pass:")
        inside = gate.score([f for films in originals.values() for f in films])
        for name, some in {
            "other radiographs": set(pool) - other,
            "photographs and slices": other,
        }.items():
            against(name, gate, inside, [f for k in sorted(some) for f in pool[k]])
