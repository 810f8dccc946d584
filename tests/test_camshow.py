"Films with their maps, drawn: what is said in words, and where the heat lies."

import importlib

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes
from PIL import Image
from torch import nn
from torchvision.models import resnet18

from rsna_cls import (
    METHODS,
    colour_scale,
    film_files,
    film_tensor,
    film_views,
    grad_cam,
    hottest_place,
    load_film,
    overlay,
    predict,
    show_cam,
)

cam_module = importlib.import_module("rsna_cls.cam")  # rsna_cls.cam itself is the function


@pytest.fixture(scope="module")
def x(course):
    "Eight films as a ready batch."
    return film_tensor(film_files(course / "val") + film_files(course / "test"), size=96)


@pytest.mark.parametrize(
    "target, words",
    [
        ([0], "1 targets for 8 films"),
        ([0] * 9, "9 targets"),
        ("knee", "no class"),
        (2, "0 to 1"),
        (-1, "0 to 1"),
        (0.5, "0 to 1"),
        (True, "0 to 1"),
    ],
)
def test_bad_targets(learn, x, target, words):
    with pytest.raises(ValueError, match=words):
        show_cam(learn, x, target)


def test_show_cam_says_what_it_draws(learn, course):
    shown = show_cam(learn, film_files(course / "test"), target="chest", block=-2)
    assert shown.png.startswith(b"\x89PNG")
    assert shown.alt.count("chest, logit") == 2
    assert "hottest" in shown.alt


def test_show_cam_says_all_zero(x):
    net = resnet18().eval()
    with torch.no_grad():
        net.fc.weight.zero_().sub_(1)  # every map counts against every class
    assert "all zero" in show_cam(net, x[:1], 0).alt
    assert "all zero" not in show_cam(net, x[:1], 0, relu=False).alt


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_name_in_words(learn, x, method):
    alt = show_cam(learn, x[:2], "chest", method=method, relu=False).alt
    assert alt.startswith(f"{METHODS[method].label} of 2 films: chest, logit ")


def test_no_films_are_said_in_words(learn, x, tmp_path):
    for films in ([], x[:0], tmp_path):
        with pytest.raises(ValueError, match="there are no films here"):
            show_cam(learn, films)


@pytest.mark.parametrize("n", [0, -1, 1.5, None, True])
def test_how_many_films_must_be_a_number(learn, x, n):
    with pytest.raises(ValueError, match="whole number from 1"):
        show_cam(learn, x, n=n)


def test_at_most_n_films_are_drawn(learn, x):
    assert show_cam(learn, x, n=3).alt.startswith("Grad-CAM of 3 films")


def test_each_film_is_read_once(learn, course, monkeypatch):
    "Those that are drawn; the others are not read at all."
    read = []

    def counted(path):
        read.append(path)
        return load_film(path)

    for room in ("film", "figure", "loaders"):
        monkeypatch.setattr(f"rsna_cls.{room}.load_film", counted, raising=False)
    films = film_files(course / "val")
    show_cam(learn, films, n=2)
    assert read == films[:2]


def test_no_figure_stays_open(learn, course):
    before = plt.get_fignums()
    show_cam(learn, film_files(course / "test"))
    assert plt.get_fignums() == before


def film_with_a_bright_corner():
    "A wide film, black but for its upper right corner."
    pixels = np.zeros((120, 240), np.uint8)
    pixels[:40, 200:] = 255
    return Image.fromarray(pixels)


def net_that_maps_brightness():
    "A net whose map of class 0 is hot where the film is bright."
    net = nn.Sequential(
        nn.Conv2d(3, 2, 8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)
    )
    with torch.no_grad():
        net[0].weight.fill_(1)
        net[0].bias.zero_()
        net[3].weight.fill_(1)
    return net


def test_the_overlay_lies_where_the_map_is():
    "The heat lies in the bright corner, in the map and in its colours, in the film's proportions."
    film = film_with_a_bright_corner()
    net = net_that_maps_brightness()
    heat = grad_cam(net, film, 0, layer="0", relu=False)[0]
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    assert row < heat.shape[0] / 3
    assert column > heat.shape[1] * 5 / 6 - 1
    assert hottest_place(heat) in show_cam(net, film, 0, layer="0", relu=False).alt

    view = film_views(net, [film])[0]
    assert view.shape == (120, 240)
    mixed = overlay(heat.relu(), 0 * view, colour_scale(heat.relu(), signed=False))
    red = mixed[..., 0]
    row, column = np.unravel_index(red.argmax(), red.shape)
    assert row < 40
    assert column > 200


# --- targets and films that are limited together -------------------------------------------------


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, pd.Series, iter])
def test_targets_follow_the_films_that_are_drawn(learn, course, kind):
    files = film_files(course / "val")
    targets = [1, 0, 1, 1, 0, 0]
    assert len(files) == len(targets)
    drawn = show_cam(learn, files, kind(targets), n=3).alt
    said = [words.split(",")[0] for words in drawn.partition(": ")[2].split("; ")]
    assert said == ["chest", "abd", "chest"]
    assert drawn == show_cam(learn, files[:3], targets[:3]).alt
    assert drawn == show_cam(learn, files, targets[:3], n=3).alt


@pytest.mark.parametrize("n_targets", [1, 4, 7])
def test_other_numbers_of_targets_are_refused(learn, course, n_targets):
    files = film_files(course / "val")
    with pytest.raises(ValueError, match=f"{n_targets} targets for"):
        show_cam(learn, files, [0] * n_targets, n=3)


def test_a_generator_of_films_and_a_number_of_numpy(learn, course):
    files = film_files(course / "val")
    shown = show_cam(learn, (file for file in files), "abd", n=np.int64(2))
    assert shown.alt == show_cam(learn, files[:2], "abd").alt


# --- names ---------------------------------------------------------------------------------------


def drawn_titles(monkeypatch):
    "The titles that matplotlib is given from now on."
    titles = []
    set_title = Axes.set_title

    def note(ax, label, *args, **kwargs):
        titles.append(label)
        return set_title(ax, label, *args, **kwargs)

    monkeypatch.setattr(Axes, "set_title", note)
    return titles


def test_folders_are_not_named_for_they_may_bear_patients_names(
    learn, course, tmp_path, monkeypatch
):
    folder = tmp_path / "chest" / "Doe^Jane"
    folder.mkdir(parents=True)
    film = folder / "film7.png"
    film.write_bytes(film_files(course / "val")[0].read_bytes())
    titles = drawn_titles(monkeypatch)
    shown = show_cam(learn, tmp_path)
    assert "film7.png" in titles[0]
    assert "Doe" not in " ".join([*titles, shown.alt])


@pytest.mark.parametrize("name", ["$x$", "a_{b", "<b>", "_hidden", "$\\frac{$", "röntgen", "胸部"])
def test_class_names_are_drawn_letter_by_letter(learn, x, name, monkeypatch):
    monkeypatch.setattr(cam_module, "class_names", lambda learn: ["abd", name])
    shown = show_cam(learn, x[:1], name)
    assert f"{name}, logit" in shown.alt
    assert shown.png.startswith(b"\x89PNG")


def test_one_logit_is_drawn_under_the_name_of_its_class(learn, course):
    learn.model[1][-1] = nn.Linear(512, 1)
    nn.init.constant_(learn.model[1][-1].bias, 2)  # not so near to 0 that it would be rounded to it
    files = film_files(course / "val")[:1]
    logits = {
        name: float(show_cam(learn, files, name).alt.split("logit ")[1].split(",")[0])
        for name in ("abd", "chest")
    }
    assert logits["abd"] == -logits["chest"]
    named = max(logits, key=logits.get)
    assert f": {named}, logit" in show_cam(learn, files).alt


def test_the_title_of_a_difference_says_of_what(learn, course):
    "Its number makes the probability: softmax of two is the logistic function of their difference."
    file = film_files(course / "test")[0]
    alt = show_cam(learn, file, "chest", difference=True).alt
    difference = float(alt.split(": chest − abd, difference ")[1].split(",")[0])
    probability = predict(learn, file)["chest"].item()
    assert 1 / (1 + np.exp(-difference)) == pytest.approx(probability, abs=5e-3)


@pytest.mark.parametrize("ask", [hottest_place, lambda heat: colour_scale(heat, signed=True)])
def test_maps_that_are_no_numbers_are_not_drawn(ask):
    assert ask(np.eye(3)) == ask(torch.eye(3))
    with pytest.raises(ValueError, match="not finite"):
        ask(torch.tensor([[0.0, float("nan")]]))
