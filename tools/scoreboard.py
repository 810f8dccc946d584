"""Maps measured against known anatomy: CAM, Grad-CAM and HiResCAM at every block.

    python tools/scoreboard.py              # two seeds, 16 films of each class; 15 minutes
    python tools/scoreboard.py --draw       # the figure and the table again, from the CSV

Four networks per seed: fine-tuned by lesson 01's recipe on the embedded films; the same on films
whose abdomens bear a planted marker; on films whose label *is* the marker, whatever the anatomy;
and one with random weights, untrained. Every film that is measured is new to all of them.

Writes build/scoreboard.csv, one row per film and map, and nbs/images/scoreboard.png.
"""

import io
import shutil
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from rsna_cls import (
    cam,
    cam_atlas,
    dataloaders,
    fetch_data,
    film_files,
    film_learner,
    film_tfms,
    fine_tune,
    load_film,
    mean_interval,
    new_figure,
    plant_marker,
    pointing_game,
    predict,
    relevance_mass,
    simulate_film,
)

HERE = Path(__file__).resolve().parents[1]
SIZE = 224  # px
FIRST_SEED = 7_000_000  # neither the embedded films' seeds nor the pretraining's
ANATOMY = {"chest": ("lungs", "heart"), "abd": ("spine", "bowel_gas", "pelvis")}
METHODS = {"CAM": "cam", "Grad-CAM": "grad_cam", "HiResCAM": "hires_cam"}
UNTRAINED = "random weights"
ONLY_MARKER = "marker only"
COLOURS = {
    "films as they are": "C0",
    "marker and anatomy": "C1",
    ONLY_MARKER: "C3",
    UNTRAINED: "0.5",
}
KEYS = ["network", "measured", "label", "method", "block"]  # what one number is the mean of


def mark(film) -> Image.Image:
    "A film with the marker, so far from the corner that it stays in when the film is moved."
    return plant_marker(film, side=0.16, at=(0.1, 0.1))


def new_films(n: int) -> pd.DataFrame:
    "Simulated films without marks: label, image, and the mask of the anatomy that makes the class."
    rows = []
    for label, structures in ANATOMY.items():
        for i in range(n):
            film = simulate_film(label, FIRST_SEED + i, SIZE, marks=False)
            masks = [film.masks[name] for name in structures if name in film.masks]
            mask = np.logical_or.reduce(masks)
            rows.append(dict(label=label, image=film.image, mask=mask))
    return pd.DataFrame(rows)


def write_courses(path: Path, home: Path) -> dict[str, Path]:
    "Course folders whose marker is decoration, and whose marker is the class."
    for split in ("train", "val"):
        for i, file in enumerate(film_files(path / split)):
            anatomy = file.parent.name
            write_film(file, home / "marker and anatomy", split, anatomy, anatomy == "abd")
            by_turns = ("chest", "abd")[i % 2]
            write_film(file, home / ONLY_MARKER, split, by_turns, by_turns == "abd")
    return {
        "films as they are": path,
        "marker and anatomy": home / "marker and anatomy",
        ONLY_MARKER: home / ONLY_MARKER,
    }


def write_film(file: Path, course: Path, split: str, label: str, is_marked: bool) -> None:
    "A film in its place in a course folder, with the marker or without."
    place = course / split / label / f"{file.parent.name}_{file.name}"
    place.parent.mkdir(parents=True, exist_ok=True)
    film = mark(file) if is_marked else load_film(file)
    film.save(place)


def maps_of(learn, films: list, target: str, method: str) -> dict[int, Tensor]:
    "The maps of a class by a method, block → maps."
    if method == "cam":
        return {-1: cam(learn, films, target)}
    i = learn.dls.vocab.o2i[target]
    return {block: maps[:, i] for block, maps in cam_atlas(learn, films, method).items()}


def best_square(heat: Tensor, masks: list[np.ndarray]) -> Tensor:
    "Maps of the same size as `heat`, whose heat lies all on the square that the mask covers most."
    covered = []
    for mask in masks:
        share = torch.from_numpy(mask)[None].float()
        covered.append(adaptive_avg_pool2d(share, heat.shape[1:]))
    shares = torch.cat(covered)
    return (shares == shares.amax((1, 2), keepdim=True)).float()


def measure(learn, films: list, masks: list[np.ndarray], target: str) -> Iterator[pd.DataFrame]:
    """Tables with one row per film, for each method and block.

    They hold the share of heat in the mask, the mask's share of the film, whether the hottest place
    is in it, and the share of heat if all of it lay on the best square.
    """
    for name, method in METHODS.items():
        for block, heat in maps_of(learn, films, target, method).items():
            allowed = relevance_mass(best_square(heat, masks), masks)["mass"]
            hit = pointing_game(heat, masks)["hit"]
            table = relevance_mass(heat, masks).assign(hit=hit, allowed=allowed)
            yield table.assign(method=name, block=block, film=range(len(films)))


def trained(network: str, course: Path, seed: int):
    "A network after its training, if it gets one."
    weights = None if network == UNTRAINED else "simulated"
    with redirect_stdout(io.StringIO()):
        dls = dataloaders(course, tfms=film_tfms(), size=SIZE, seed=seed)
        learn = film_learner(dls, weights, seed=seed)
        if network == ONLY_MARKER:  # half of the labels contradict all that it knows
            fine_tune(learn, 15, 2e-3, seed=seed)
        elif network != UNTRAINED:
            fine_tune(learn, 5, 2e-3, seed=seed)
    return learn


def ask(learn, films: pd.DataFrame, label: str) -> tuple[list[pd.DataFrame], list[dict]]:
    "Maps and answers of a network, for the films of one class."
    plain = list(films["image"])
    marked = [mark(film) for film in plain]
    rows = []
    for table in measure(learn, plain, list(films["mask"]), label):
        rows.append(table.assign(label=label, measured="anatomy"))
    if label == "chest":  # on abdomens the marker would be right
        squares = [np.asarray(mark(Image.new("L", film.size))) > 0 for film in plain]
        for table in measure(learn, marked, squares, "abd"):
            rows.append(table.assign(label=label, measured="marker"))

    answers = []
    for marker, some in [("without", plain), ("with", marked)]:
        called_abd = (predict(learn, some)["prediction"] == "abd").sum()
        answers.append(dict(label=label, marker=marker, called_abd=called_abd, n=len(some)))
    return rows, answers


def run(n: int, seeds: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    "Train, and measure every network on the same new films: a row per film and map, and answers."
    path = fetch_data("simulated")
    films = new_films(n)
    home = Path(tempfile.mkdtemp())
    all_rows, all_answers = [], []
    try:
        courses = write_courses(path, home) | {UNTRAINED: path}
        for network, course in courses.items():
            for seed in range(seeds):
                learn = trained(network, course, seed)
                for label, some in films.groupby("label"):
                    rows, answers = ask(learn, some, label)
                    all_rows += [table.assign(network=network, seed=seed) for table in rows]
                    all_answers += [dict(network=network, seed=seed) | row for row in answers]
                print(f"{network}, seed {seed}: done", flush=True)
    finally:
        shutil.rmtree(home)
    return pd.concat(all_rows), pd.DataFrame(all_answers)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    "Mean over films of the mean over seeds, with a bootstrap interval over films."
    values = ["mass", "area", "hit", "allowed"]
    per_film = rows.groupby([*KEYS, "film"])[values].mean().reset_index()
    means = []
    for key, table in per_film.groupby(KEYS):
        mass = mean_interval(table["mass"])
        row = dict(zip(KEYS, key, strict=True))
        row |= dict(mass=mass["mean"], low=mass["low"], high=mass["high"], n=mass["n"])
        row |= {name: table[name].mean() for name in ("area", "allowed", "hit")}
        means.append(row)
    return pd.DataFrame(means)


def draw_panel(ax, table: pd.DataFrame) -> None:
    "Share of heat by block, with intervals, and the share of the film."
    for network, colour in COLOURS.items():
        for method, style in [("Grad-CAM", "-"), ("HiResCAM", ":")]:
            is_line = (table["network"] == network) & (table["method"] == method)
            line = table[is_line].sort_values("block")
            name = network if style == "-" else None
            ax.plot(line["block"], line["mass"], style, color=colour, label=name, marker="o", ms=3)
            ax.fill_between(
                line["block"], line["low"], line["high"], color=colour, alpha=0.12, lw=0
            )
    area = table[table["method"] == "Grad-CAM"].drop_duplicates("block").sort_values("block")
    ax.plot(area["block"], area["area"], "k--", lw=1, label="the structure's share of the film")


def draw(table: pd.DataFrame, to: Path) -> None:
    "Share of heat in the anatomy and on the marker, per block."
    fig, axs = new_figure(1, 3, (4.1, 3.9))
    panels = [
        ("anatomy", "chest", "“chest”: lungs and heart", 1),
        ("anatomy", "abd", "“abd”: spine, gas and pelvis", 1),
        ("marker", "chest", "“abd” on chests with the marker: marker", 0.25),
    ]
    for ax, (measured, label, title, top) in zip(axs[0], panels, strict=True):
        draw_panel(ax, table[(table["measured"] == measured) & (table["label"] == label)])
        ax.set(title=title, xlabel="block", ylim=(0, top), xticks=range(-8, 0))
    axs[0, 0].set_ylabel("share of the positive heat")
    lines, names = axs[0, 0].get_legend_handles_labels()
    for name, style in [("Grad-CAM", "k-"), ("HiResCAM", "k:")]:
        lines += axs[0, 0].plot([], [], style)
        names.append(name)
    fig.legend(lines, names, loc="outside lower center", ncols=4, frameon=False)
    fig.savefig(to, dpi=110, facecolor="white")


def mass_in_words(row: pd.Series) -> str:
    "A share of heat with its interval."
    return f"{row['mass']:.2f} ({row['low']:.2f}–{row['high']:.2f})"


def print_anatomy(table: pd.DataFrame) -> None:
    "The table of heat in the anatomy, for the notebook."
    columns = ["network", "method", "block"]
    columns += ["“chest” in lungs and heart", "hit", "“abd” in spine, gas, pelvis", "hit"]
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    part = table[table["measured"] == "anatomy"].set_index(["network", "method", "block", "label"])
    lines = [("CAM", -1)]
    lines += [(method, -block) for method in ("Grad-CAM", "HiResCAM") for block in range(1, 9)]
    for network in ("films as they are", UNTRAINED):
        for method, block in lines:
            cells = [network, method, f"−{-block}"]
            for label in ANATOMY:
                row = part.loc[(network, method, block, label)]
                cells += [mass_in_words(row), f"{row['hit']:.2f}"]
            print("| " + " | ".join(cells) + " |")
    areas = {label: round(part.xs(label, level="label")["area"].mean(), 3) for label in ANATOMY}
    print("\nshare of the film:", areas, "\n")


def print_marker(table: pd.DataFrame) -> None:
    "The table of heat on the marker, for the notebook."
    columns = ["network", "method", "block", "on the marker", "the most a square allows", "hit"]
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    is_marker = (table["measured"] == "marker") & (table["label"] == "chest")
    part = table[is_marker].set_index(["network", "method", "block"])
    lines = [("CAM", -1), ("Grad-CAM", -1), ("Grad-CAM", -3), ("HiResCAM", -1), ("HiResCAM", -3)]
    for network in table["network"].unique():
        for method, block in lines:
            row = part.loc[(network, method, block)]
            cells = [network, method, f"−{-block}", mass_in_words(row)]
            cells += [f"{row['allowed']:.2f}", f"{row['hit']:.2f}"]
            print("| " + " | ".join(cells) + " |")
    print("\nmarker's share of the film:", round(part["area"].mean(), 4), "\n")


def main() -> None:
    "The command line."
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=16, help="films of each class")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--draw", action="store_true")
    given = parser.parse_args()

    build = HERE / "build"
    build.mkdir(exist_ok=True)
    if not given.draw:
        rows, answers = run(given.n, given.seeds)
        rows.to_csv(build / "scoreboard.csv", index=False)
        answers.to_csv(build / "scoreboard_said.csv", index=False)

    table = summary(pd.read_csv(build / "scoreboard.csv"))
    draw(table, HERE / "nbs/images/scoreboard.png")
    print_anatomy(table)
    print_marker(table)
    answers = pd.read_csv(build / "scoreboard_said.csv")
    per_network = answers.groupby(["network", "label", "marker"])[["called_abd", "n"]].sum()
    print(per_network.to_string())


if __name__ == "__main__":
    main()
