"""Maps measured against known anatomy: CAM, Grad-CAM and HiResCAM at every block, on simulated films with masks.

    python tools/scoreboard.py              # two seeds, 16 films of each class; about a quarter of an hour on two cores
    python tools/scoreboard.py --draw       # the figure and the table again, from build/scoreboard.csv

Four networks per seed: fine-tuned by lesson 01's recipe on the embedded films; the same on films whose abdomens bear a
planted marker; on films whose label *is* the marker, whatever the anatomy; and one with random weights, untrained.
Every film that is measured is new to all of them. Writes build/scoreboard.csv, one row per film and map, and nbs/images/scoreboard.png."""

import io
import shutil
import tempfile
from argparse import ArgumentParser
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
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

HERE = Path(__file__).parent.parent
MARKER = dict(
    side=0.16, at=(0.1, 0.1)
)  # far enough from the corner to stay in the film when it is moved
SIZE, FIRST_SEED = 224, 7_000_000  # neither the embedded films' seeds nor the pretraining's
ANATOMY = {"chest": ("lungs", "heart"), "abd": ("spine", "bowel_gas", "pelvis")}
METHODS = {"CAM": "cam", "Grad-CAM": "grad_cam", "HiResCAM": "hires_cam"}


def new_films(n):
    "Simulated films without marks, each with its class and the mask of the anatomy that makes the class."
    for label, names in ANATOMY.items():
        for i in range(n):
            film = simulate_film(label, FIRST_SEED + i, SIZE, marks=False)
            yield (
                label,
                film.image,
                np.logical_or.reduce([film.masks[m] for m in names if m in film.masks]),
            )


def courses(path, home):
    "Course folders whose marker is decoration, and whose marker is the class."
    for split in ("train", "val"):
        for i, f in enumerate(film_files(path / split)):
            for name, marked, label in [
                ("marker and anatomy", f.parent.name == "abd", f.parent.name),
                ("marker only", i % 2, ("chest", "abd")[i % 2]),
            ]:
                to = home / name / split / label / f"{f.parent.name}_{f.name}"
                to.parent.mkdir(parents=True, exist_ok=True)
                (plant_marker(f, **MARKER) if marked else load_film(f)).save(to)
    return {
        "films as they are": path,
        "marker and anatomy": home / "marker and anatomy",
        "marker only": home / "marker only",
    }


def measured(learn, films, masks, target):
    "One row per film, method and block: share of heat in the mask, the mask's share of the film, hit, and the share if all heat lay on the best square."
    for method, name in METHODS.items():
        maps = (
            {-1: cam(learn, films, target)}
            if name == "cam"
            else {
                b: m[:, learn.dls.vocab.o2i[target]]
                for b, m in cam_atlas(learn, films, name).items()
            }
        )
        for block, heat in maps.items():
            covered = torch.cat(
                [
                    adaptive_avg_pool2d(torch.from_numpy(m)[None].float(), heat.shape[1:])
                    for m in masks
                ]
            )
            best = (covered == covered.amax((1, 2), keepdim=True)).float()
            table = relevance_mass(heat, masks).assign(
                hit=pointing_game(heat, masks)["hit"], allowed=relevance_mass(best, masks)["mass"]
            )
            yield table.assign(method=method, block=block, film=range(len(films)))


def run(n, seeds, what=("anatomy", "marker")):
    "Train, and measure every network on the same new films: anatomy on films without marks, the marker on the same chests with it."
    path, films = (
        fetch_data("simulated"),
        pd.DataFrame(new_films(n), columns=["label", "image", "mask"]),
    )
    home, rows, sure = Path(tempfile.mkdtemp()), [], []
    try:
        for network, course in [*courses(path, home).items(), ("random weights", path)]:
            for seed in range(seeds):
                with redirect_stdout(io.StringIO()):
                    learn = film_learner(
                        dataloaders(course, tfms=film_tfms(), size=SIZE, seed=seed),
                        None if network == "random weights" else "simulated",
                        seed=seed,
                    )
                    if network != "random weights":
                        fine_tune(
                            learn, 15 if network == "marker only" else 5, 2e-3, seed=seed
                        )  # the label of half of the films contradicts all that it knows
                for label, some in films.groupby("label"):
                    plain, marked = (
                        list(some["image"]),
                        [plant_marker(f, **MARKER) for f in some["image"]],
                    )
                    marker = [
                        np.asarray(plant_marker(Image.new("L", f.size), **MARKER)) > 0
                        for f in plain
                    ]
                    for part, fs, masks, target in [
                        ("anatomy", plain, list(some["mask"]), label),
                        ("marker", marked, marker, "abd"),
                    ]:
                        if part in what and (part == "anatomy" or label == "chest"):
                            rows += [
                                t.assign(network=network, seed=seed, label=label, measured=part)
                                for t in measured(learn, fs, masks, target)
                            ]
                    for mark, fs in [("without", plain), ("with", marked)]:
                        sure.append(
                            dict(
                                network=network,
                                seed=seed,
                                label=label,
                                marker=mark,
                                called_abd=(predict(learn, fs)["prediction"] == "abd").sum(),
                                n=len(fs),
                            )
                        )
                print(f"{network}, seed {seed}: done", flush=True)
    finally:
        shutil.rmtree(home)
    return pd.concat(rows), pd.DataFrame(sure)


def summary(rows):
    "Mean over films of the mean over seeds, with a bootstrap interval over films."
    per_film = (
        rows.groupby(["network", "measured", "label", "method", "block", "film"])[
            ["mass", "area", "hit", "allowed"]
        ]
        .mean()
        .reset_index()
    )
    out = []
    for key, t in per_film.groupby(["network", "measured", "label", "method", "block"]):
        m = mean_interval(t["mass"])
        out.append(
            dict(zip(["network", "measured", "label", "method", "block"], key))
            | dict(
                mass=m["mean"],
                low=m["low"],
                high=m["high"],
                n=m["n"],
                area=t["area"].mean(),
                allowed=t["allowed"].mean(),
                hit=t["hit"].mean(),
            )
        )
    return pd.DataFrame(out)


def draw(table, to):
    "Share of heat in the anatomy and on the marker, per block, with intervals and the share of the film."
    fig, axs = new_figure(1, 3, (4.1, 3.9))
    colours = {
        "films as they are": "C0",
        "marker and anatomy": "C1",
        "marker only": "C3",
        "random weights": "0.5",
    }
    panels = [
        ("anatomy", "chest", "“chest”: lungs and heart"),
        ("anatomy", "abd", "“abd”: spine, gas and pelvis"),
        ("marker", "chest", "“abd” on chests with the marker: marker"),
    ]
    for ax, (what, label, title) in zip(axs[0], panels):
        part = table[(table["measured"] == what) & (table["label"] == label)]
        for network, colour in colours.items():
            for method, style in [("Grad-CAM", "-"), ("HiResCAM", ":")]:
                t = part[(part["network"] == network) & (part["method"] == method)].sort_values(
                    "block"
                )
                ax.plot(
                    t["block"],
                    t["mass"],
                    style,
                    color=colour,
                    label=f"{network}" if style == "-" else None,
                    marker="o",
                    ms=3,
                )
                ax.fill_between(t["block"], t["low"], t["high"], color=colour, alpha=0.12, lw=0)
        t = part[part["method"] == "Grad-CAM"].drop_duplicates("block").sort_values("block")
        ax.plot(t["block"], t["area"], "k--", lw=1, label="the structure's share of the film")
        ax.set(
            title=title,
            xlabel="block",
            ylim=(0, 1 if what == "anatomy" else 0.25),
            xticks=range(-8, 0),
        )
    axs[0, 0].set_ylabel("share of the positive heat")
    lines, names = axs[0, 0].get_legend_handles_labels()
    lines += [axs[0, 0].plot([], [], "k-")[0], axs[0, 0].plot([], [], "k:")[0]]
    fig.legend(
        lines, [*names, "Grad-CAM", "HiResCAM"], loc="outside lower center", ncols=4, frameon=False
    )
    fig.savefig(to, dpi=110, facecolor="white")


def markdown(table, sure):
    "The tables for the notebook."
    print(
        "| network | method | block | “chest” in lungs and heart | hit | “abd” in spine, gas, pelvis | hit |\n|---|---|---|---|---|---|---|"
    )
    part = table[table["measured"] == "anatomy"].set_index(["network", "method", "block", "label"])
    for network in ("films as they are", "random weights"):
        for method, block in [
            ("CAM", -1),
            *((m, b) for m in ("Grad-CAM", "HiResCAM") for b in range(-1, -9, -1)),
        ]:
            cells = [part.loc[(network, method, block, label)] for label in ANATOMY]
            print(
                f"| {network} | {method} | −{-block} | "
                + " | ".join(
                    f"{c['mass']:.2f} ({c['low']:.2f}–{c['high']:.2f}) | {c['hit']:.2f}"
                    for c in cells
                )
                + " |"
            )
    print(
        "\nshare of the film:",
        {label: round(part.xs(label, level="label")["area"].mean(), 3) for label in ANATOMY},
        "\n",
    )
    print(
        "| network | method | block | on the marker | the most a square allows | hit |\n|---|---|---|---|---|---|"
    )
    part = table[(table["measured"] == "marker") & (table["label"] == "chest")].set_index(
        ["network", "method", "block"]
    )
    for network in table["network"].unique():
        for method, block in [
            ("CAM", -1),
            ("Grad-CAM", -1),
            ("Grad-CAM", -3),
            ("HiResCAM", -1),
            ("HiResCAM", -3),
        ]:
            c = part.loc[(network, method, block)]
            print(
                f"| {network} | {method} | −{-block} | {c['mass']:.2f} ({c['low']:.2f}–{c['high']:.2f}) | {c['allowed']:.2f} | {c['hit']:.2f} |"
            )
    print("\nmarker's share of the film:", round(part["area"].mean(), 4), "\n")
    print(sure.groupby(["network", "label", "marker"])[["called_abd", "n"]].sum().to_string())


if __name__ == "__main__":
    ask = ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("--n", type=int, default=16)
    ask.add_argument("--seeds", type=int, default=2)
    ask.add_argument("--draw", action="store_true")
    given = ask.parse_args()
    build = HERE / "build"
    build.mkdir(exist_ok=True)
    if not given.draw:
        for name, t in zip(("scoreboard", "scoreboard_said"), run(given.n, given.seeds)):
            t.to_csv(build / f"{name}.csv", index=False)
    table = summary(pd.read_csv(build / "scoreboard.csv"))
    draw(table, HERE / "nbs/images/scoreboard.png")
    markdown(table, pd.read_csv(build / "scoreboard_said.csv"))
