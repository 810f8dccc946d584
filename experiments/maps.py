"""Maps measured against known anatomy: CAM, Grad-CAM and HiResCAM at every block.

    python experiments/maps.py           # the CSVs and the figure; 25 minutes on one core
    python experiments/maps.py --draw    # the figure again, from the CSVs

Four networks per seed: fine-tuned by lesson 01's recipe on the simulated films; the same on films
whose abdomens bear a planted marker; on films whose label *is* the marker, whatever the anatomy;
and one with random weights, untrained. Every film that is measured is new to all of them.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from common import (
    CLASSES,
    HERE,
    RESULTS,
    SIMULATED,
    Question,
    Table,
    course,
    devices,
    made,
    mark,
    markdown,
    new_films,
    quiet,
    say,
    seeds_in_words,
    trained,
)
from rsna_cls import (
    cam,
    cam_atlas,
    dataloaders,
    film_files,
    film_learner,
    load_film,
    mean_interval,
    new_figure,
    picture,
    pointing_game,
    predict,
    relevance_mass,
)

FIGURE = HERE.parent / "nbs/images/scoreboard.png"
ANATOMY = {"chest": ("lungs", "heart"), "abd": ("spine", "bowel_gas", "pelvis")}
METHODS = {"CAM": "cam", "Grad-CAM": "grad_cam", "HiResCAM": "hires_cam"}
AS_THEY_ARE = "films as they are"
MARKER_TOO = "marker and anatomy"
ONLY_MARKER = "marker only"
UNTRAINED = "random weights"
NETWORKS = [AS_THEY_ARE, MARKER_TOO, ONLY_MARKER, UNTRAINED]
LINES = {"Grad-CAM": ("tab:blue", "o"), "HiResCAM": ("tab:orange", "s")}  # colour and marker
KEYS = ["network", "measured", "label", "method", "block"]  # what one number is the mean of


class Answers(NamedTuple):
    "What a network calls new films, without the marker and with it."

    network: str  # what it was trained on
    seed: int
    size: int  # px
    label: str  # the class of the films
    n: int  # films
    plain_abd: int  # how many are called abd
    marked_abd: int  # the same with the marker
    made: str


class Heat(NamedTuple):
    "Where the heat of one map lies."

    network: str  # what it was trained on
    seed: int
    measured: str  # anatomy: the heat for the film's class; marker: the heat for abd
    label: str  # the class of the film
    method: str  # CAM, Grad-CAM or HiResCAM
    block: int  # -1 (last) to -8
    film: int  # its number, from 0
    mass: float  # share of the positive heat in the structure (0 to 1); nan: there is none
    area: float  # the structure's share of the film
    allowed: float  # the mass if all heat lay on the square that the structure covers most
    hit: int  # 1: the hottest place lies in the structure


ANSWERS = Table("maps", Answers, key=("network", "seed", "label"))
HEAT = Table("maps_heat", Heat, key=("network", "seed"))
TABLES = (ANSWERS, HEAT)
QUESTION = Question(__doc__, which=dict(seeds=[0, 1], networks=NETWORKS), how=dict(n=16, size=224))


# --- films ----------------------------------------------------------------------------------------


class Film(NamedTuple):
    "A new film, and where the anatomy lies that makes its class."

    image: Image.Image
    mask: np.ndarray  # bool, shape (h, w)


def films_of(label: str, n: int, size: int) -> list[Film]:
    "New films of a class, without marks."
    films = []
    for film in new_films(label, n, size, marks=False):
        masks = [film.masks[name] for name in ANATOMY[label] if name in film.masks]
        films.append(Film(film.image, np.logical_or.reduce(masks)))
    return films


def write_course(network: str, home: Path) -> Path:
    "The course folder that a network is trained on; one with markers is written below `home`."
    path = course(SIMULATED)
    if network in (AS_THEY_ARE, UNTRAINED):
        return path
    for split in ("train", "val"):
        for i, file in enumerate(film_files(path / split)):
            anatomy = file.parent.name
            label = CLASSES[i % 2] if network == ONLY_MARKER else anatomy
            place = home / split / label / f"{anatomy}_{file.name}"
            place.parent.mkdir(parents=True, exist_ok=True)
            film = mark(file) if label == "abd" else load_film(file)
            film.save(place)
    return home


# --- measuring ------------------------------------------------------------------------------------


def make_network(network: str, seed: int, size: int) -> Any:
    "A network after its training, if it gets one."
    with tempfile.TemporaryDirectory() as home:
        path = write_course(network, Path(home))
        if network == UNTRAINED:
            with quiet():
                return film_learner(dataloaders(path, size=size, seed=seed), None, seed=seed)
        # Where the marker is the label, half of the labels contradict all that the network knows.
        epochs = 15 if network == ONLY_MARKER else 1
        return trained(path, seed, "simulated", epochs, size=size)


def maps_of(learn: Any, films: list, target: str, method: str) -> dict[int, Tensor]:
    "The maps of a class by a method, block → maps."
    if method == "cam":
        return {-1: cam(learn, films, target)}
    i = learn.dls.vocab.o2i[target]
    return {block: maps[:, i] for block, maps in cam_atlas(learn, films, method).items()}


def best_square(heat: Tensor, masks: list[np.ndarray]) -> Tensor:
    "Maps of the same size as `heat`, whose heat lies all on the square that the mask covers most."
    covered = []
    for mask in masks:
        share_of_square = torch.from_numpy(mask)[None].float()
        covered.append(adaptive_avg_pool2d(share_of_square, heat.shape[1:]))
    shares = torch.cat(covered)
    return (shares == shares.amax((1, 2), keepdim=True)).float()


def heat_in(learn: Any, films: list, masks: list, target: str) -> Iterator[dict]:
    "A row for each method, block and film: how the heat lies to the mask."
    for name, method in METHODS.items():
        for block, heat in maps_of(learn, films, target, method).items():
            mass = relevance_mass(heat, masks)
            allowed = relevance_mass(best_square(heat, masks), masks)["mass"]
            hit = pointing_game(heat, masks)["hit"]
            for i in range(len(films)):
                yield dict(
                    method=name,
                    block=block,
                    film=i,
                    mass=float(mass["mass"].iloc[i]),
                    area=float(mass["area"].iloc[i]),
                    allowed=float(allowed.iloc[i]),
                    hit=int(hit.iloc[i]),
                )


def ask(network: str, seed: int, given) -> tuple[list[Answers], list[Heat]]:
    "What a network says to new films, and where the heat of its maps lies."
    learn = make_network(network, seed, given.size)
    answers, heats = [], []
    for label in CLASSES:
        films = films_of(label, given.n, given.size)
        plain = [film.image for film in films]
        marked = [mark(film) for film in plain]

        called_abd = []
        for asked in (plain, marked):
            called_abd.append(int((predict(learn, asked)["prediction"] == "abd").sum()))
        answers.append(Answers(network, seed, given.size, label, len(plain), *called_abd, made()))

        masks = [film.mask for film in films]
        for row in heat_in(learn, plain, masks, label):
            heats.append(Heat(network, seed, measured="anatomy", label=label, **row))
        if label == "chest":  # on abdomens the marker would be right
            squares = [np.asarray(mark(Image.new("L", film.size))) > 0 for film in plain]
            for row in heat_in(learn, marked, squares, "abd"):
                heats.append(Heat(network, seed, measured="marker", label=label, **row))
    return answers, heats


def keys(given) -> Iterator[tuple]:
    "All networks that are asked for."
    return product(given.networks, given.seeds)


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    arguments = sys.argv[1:] if arguments is None else arguments
    if "--draw" in arguments:
        draw(summary(RESULTS), FIGURE)
        return
    given = QUESTION.options(arguments)
    done = HEAT.done(given.to)
    for network, seed in keys(given):
        if (network, seed) not in done:
            answers, heats = ask(network, seed, given)
            ANSWERS.keep(given.to, answers)
            HEAT.keep(given.to, heats)
            say(f"{network}, seed {seed}: done")
    to = FIGURE if given.to == RESULTS else given.to / FIGURE.name
    draw(summary(given.to), to)


# --- what is quoted -------------------------------------------------------------------------------


def summary(folder: Path) -> pd.DataFrame:
    "Mean over films of the mean over seeds, with a bootstrap interval over films."
    values = ["mass", "area", "hit", "allowed"]
    rows = HEAT.frame(folder)
    per_film = rows.groupby([*KEYS, "film"])[values].mean().reset_index()
    means = []
    for key, of_films in per_film.groupby(KEYS):
        mass = mean_interval(of_films["mass"])
        row = dict(zip(KEYS, key, strict=True))
        row |= dict(mass=mass["mean"], low=mass["low"], high=mass["high"], n=mass["n"])
        row["films"] = len(of_films)
        row |= {name: of_films[name].mean() for name in ("area", "allowed", "hit")}
        means.append(row)
    return pd.DataFrame(means)


class PanelRow(NamedTuple):
    "A row of the figure: a structure, and whose heat is looked for in it."

    measured: str  # what the heat is compared with
    label: str  # the class of the films
    title: str  # what stands beside the row


ROWS = [
    PanelRow("anatomy", "chest", "“chest”:\nlungs and heart"),
    PanelRow("anatomy", "abd", "“abd”: spine,\ngas and pelvis"),
    PanelRow("marker", "chest", "“abd” on chests with\nthe marker: marker"),
]
RANGE = (1 / 8, 12)  # of all panels, times a structure's share of the film
TICKS = {1 / 8: "≤ ⅛", 1 / 4: "¼", 1 / 2: "½", 1: "1", 2: "2", 4: "4", 8: "8"}


def draw_panel(ax: Any, of_panel: pd.DataFrame) -> None:
    "Share of heat by block, times the structure's share of the film, with intervals."
    ax.axhline(1, color="0.4", linewidth=1)
    for method, (colour, marker) in LINES.items():
        line = of_panel[of_panel["method"] == method].sort_values("block")
        ratios = line[["mass", "low", "high"]].div(line["area"], axis=0).clip(*RANGE)
        blocks = line["block"]
        ax.plot(blocks, ratios["mass"], color=colour, label=method, marker=marker, markersize=4)
        ax.fill_between(blocks, ratios["low"], ratios["high"], color=colour, alpha=0.2, linewidth=0)


def draw(means: pd.DataFrame, to: Path) -> None:
    "Heat in the anatomy and on the marker, per block: a panel per network and structure."
    fig, axs = new_figure(len(ROWS), len(NETWORKS), (2.3, 2.0), sharex=True, sharey=True)
    for row, axs_of_row in zip(ROWS, axs, strict=True):
        is_row = (means["measured"] == row.measured) & (means["label"] == row.label)
        for network, ax in zip(NETWORKS, axs_of_row, strict=True):
            draw_panel(ax, means[is_row & (means["network"] == network)])
        axs_of_row[0].set_ylabel(row.title)
    for network, ax in zip(NETWORKS, axs[0], strict=True):
        ax.set_title(network, fontsize=11)
    for ax in axs[-1]:
        ax.set_xlabel("block")

    first = axs[0, 0]
    first.set(yscale="log", ylim=RANGE, xticks=range(-8, 0))
    first.set_yticks([*TICKS], [*TICKS.values()])
    first.minorticks_off()
    lines, names = first.get_legend_handles_labels()
    fig.legend(lines, names, loc="outside lower center", ncols=2, frameon=False)
    fig.supylabel("heat in the structure ÷ heat in as large a part of the film", fontsize=10)
    shown = picture(fig, "")
    to.write_bytes(shown.png)


def minus(block: int) -> str:
    "A block's number with a minus sign."
    return f"−{-block}"


def mass_in_words(row: pd.Series) -> str:
    "A share of heat with its interval."
    if not row["n"]:
        return "no heat at all"
    words = f"{row['mass']:.2f} ({row['low']:.2f}–{row['high']:.2f})"
    if row["n"] < row["films"]:  # in some films no place speaks for the class
        return f"{words}, n = {row['n']}"
    return words


QUOTED = [("CAM", -1)]  # the methods and blocks of the table
QUOTED += [("Grad-CAM", block) for block in (-1, -2, -3, -5)]
QUOTED += [("HiResCAM", block) for block in (-1, -2, -3, -5)]


def anatomy_table(means: pd.DataFrame) -> str:
    "Heat in the anatomy: the trained network beside one that has learned nothing."
    is_anatomy = means["measured"] == "anatomy"
    row_of = means[is_anatomy].set_index(["network", "method", "block", "label"])
    lines = []
    for network in (AS_THEY_ARE, UNTRAINED):
        for method, block in QUOTED:
            cells = [network, method, minus(block)]
            for label in ANATOMY:
                row = row_of.loc[(network, method, block, label)]
                cells += [mass_in_words(row), f"{row['hit']:.2f}" if row["n"] else "–"]
            lines.append(cells)
    columns = ["network", "method", "block", "“chest”", "hit", "“abd”", "hit"]
    return markdown(columns, lines)


def marker_table(folder: Path, means: pd.DataFrame) -> str:
    "Heat on the marker, beside what the marker does to the answers."
    is_marker = (means["measured"] == "marker") & (means["label"] == "chest")
    row_of = means[is_marker].set_index(["network", "method", "block"])
    answers = ANSWERS.frame(folder)
    lines = []
    for network in NETWORKS:
        is_chest = (answers["network"] == network) & (answers["label"] == "chest")
        counts = answers[is_chest][["plain_abd", "marked_abd", "n"]].sum()
        last, fine = row_of.loc[(network, "CAM", -1)], row_of.loc[(network, "HiResCAM", -3)]
        called = f"{counts['plain_abd']} → {counts['marked_abd']} of {counts['n']}"
        lines.append(
            [network, called, mass_in_words(last), f"{last['hit']:.2f}", mass_in_words(fine)]
        )

    # How much fits on one square depends on the film and on the size of the map, on no network.
    allowed = [f"{row['allowed']:.2f}" for row in (last, fine)]
    lines.append(["the most a single square of the map allows", "", allowed[0], "", allowed[1]])
    columns = ["network", "called “abd”: chests without → with the square"]
    columns += ["heat on it, last block", "hit", "HiResCAM, block −3"]
    return markdown(columns, lines)


def tables(folder: Path) -> dict[str, str]:
    "The tables that are quoted."
    means = summary(folder)
    return {"anatomy": anatomy_table(means), "marker": marker_table(folder, means)}


def numbers(folder: Path) -> dict[str, str]:
    "What sentences quote."
    means = summary(folder)
    last = means[(means["method"] == "CAM") & (means["network"] == AS_THEY_ARE)]
    area = {(row.measured, row.label): row.area for row in last.itertuples()}
    answers = ANSWERS.frame(folder)
    chests = answers[answers["label"] == "chest"]
    by_name = {
        "n": str(chests["n"].iloc[0]),
        "seeds": seeds_in_words(answers["seed"]),
        "device": devices(answers["made"]),
        "chest_area": f"{100 * area['anatomy', 'chest']:.0f} %",
        "abd_area": f"{100 * area['anatomy', 'abd']:.0f} %",
        "marker_area": f"{100 * area['marker', 'chest']:.1f} %",
    }
    on_anatomy = last[last["measured"] == "anatomy"].set_index("label")
    by_name["chest_heat"] = mass_in_words(on_anatomy.loc["chest"])

    is_marker = (means["measured"] == "marker") & (means["network"] == ONLY_MARKER)
    row_of = means[is_marker].set_index(["method", "block"])
    early = [f"{row_of.loc[('Grad-CAM', block)]['mass']:.2f}" for block in (-2, -3, -4)]
    by_name["marker_early"] = ", ".join(early)

    is_early = (means["measured"] == "marker") & (means["method"] == "Grad-CAM")
    at_early = means[is_early & (means["block"] == -4)].set_index("network")
    for name, network in (("ignored", AS_THEY_ARE), ("followed", ONLY_MARKER)):
        by_name[f"{name}_heat"] = mass_in_words(at_early.loc[network])
        by_name[f"{name}_hit"] = f"{at_early.loc[network, 'hit']:.2f}"
    return by_name


if __name__ == "__main__":
    main()
