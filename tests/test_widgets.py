"Widgets without a browser, on both generations of ipywidgets; their notebook tests what they draw."

import os
import subprocess
import sys

import ipywidgets
import matplotlib.pyplot as plt
import pytest
import torch
from fastai.vision.learner import create_head
from torch import nn

from conftest import HERE, need_names
from rsna_cls import (
    METHODS,
    MapFrames,
    augment_explorer,
    cam_explorer,
    dataloaders,
    film_files,
    film_learner,
    map_films,
    predict,
    quiz,
    read_blind,
    reading_list,
    show_cam,
    threshold_explorer,
)


def use_widgets(course):
    "What a person does with the widgets, without a browser."
    learn = film_learner(dataloaders(course, size=64, bs=4))
    explorer = cam_explorer(learn, f"{course}/val", "chest")
    controls, out = explorer.children
    film, method, target, difference, block, opacity = controls.children
    seen = {out.value}
    steps = [
        (block, -5),
        (target, "abd"),
        (difference, True),
        (method, "hires_cam"),
        (method, "cam"),
        (film, 3),
        (opacity, 0.2),
    ]
    for control, value in steps:
        control.value = value
        assert out.value not in seen, control
        seen.add(out.value)
    assert block.disabled
    assert 'alt="4 · ' in out.value

    tried = augment_explorer(course, size=64, n=2)
    controls, out = tried.children
    rotate, shift, zoom, exposure, warp, flip, look = controls.children
    for control, value in [(rotate, 45.0), (warp, 0.3), (flip, True), (look, 5)]:
        before = out.value
        control.value = value
        assert out.value != before, control

    _, answers, verdict = quiz("Which?", ["a", "b"], "b", "Because.").children
    assert answers.value is None
    answers.value = "b"
    assert "Yes. Because." in verdict.value
    answers = predict(learn, f"{course}/val")
    threshold, prevalence, out = threshold_explorer(answers, "chest", prevalence=0.1).children
    for control, value in [(threshold, 0.2), (threshold, 1.0), (threshold, 0.0), (prevalence, 0.5)]:
        before = out.value
        control.value = value
        assert out.value != before, (control, value)

    films = reading_list(answers, "chest", n=4)
    place, film, choice, onward = read_blind(films, "chest").children
    for number, truth in enumerate(films["truth"], 1):
        assert f"Film {number} of 4" in place.value
        assert onward.disabled
        choice.value = 0.95 if truth == "chest" else 0.05
        onward.click()
    assert "You were right about 4 of 4 films" in film.value
    by_call = read_blind(films, "chest", [0.95 * (truth == "chest") for truth in films["truth"]])
    assert "You were right about 4 of 4 films" in by_call.words
    assert not plt.get_fignums()  # no figure is left open


@pytest.mark.filterwarnings("ignore")
def test_this_ipywidgets(course):
    assert ipywidgets.__version__.startswith("8.1")
    plt.close("all")
    use_widgets(course)


# Run with a course folder, where another version of ipywidgets comes first.
WITH_VERSION_7 = """
import sys
import ipywidgets
from test_widgets import use_widgets

assert ipywidgets.__version__ == "7.7.1", ipywidgets.__version__
use_widgets(sys.argv[1])
print("all of them answer")
"""


@pytest.mark.slow(seconds=10)
def test_colab_s_ipywidgets(course, tmp_path):
    "Colab keeps version 7.7.1; it is put in front of the environment's own."
    old = ["ipywidgets==7.7.1", "ipython-genutils"]
    fetched = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", tmp_path, *old],
        capture_output=True,
        text=True,
        timeout=300,
    )
    if fetched.returncode:
        pytest.skip("needs the internet: ipywidgets 7.7.1 could not be fetched")
    paths = os.pathsep.join([str(tmp_path), str(HERE / "tests")])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITH_VERSION_7, str(course)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all of them answer" in done.stdout


# What a module would need to keep something about a person, or to send it.
KEEPING = (
    "open(",
    "write_",
    "requests",
    "urllib",
    "socket",
    "environ",
    "FileUpload",
    "logging",
)


def test_nothing_is_kept_about_the_person():
    "The modules open no file and no connection, and no lesson carries widget state."
    for module in ("widgets", "reading"):
        code = (HERE / f"rsna_cls/{module}.py").read_text(encoding="utf-8")
        assert [word for word in KEEPING if word in code] == []
    for notebook in (HERE / "nbs").rglob("*.ipynb"):
        assert "application/vnd.jupyter.widget" not in notebook.read_text(encoding="utf-8"), (
            notebook
        )


# --- maps, and whoever takes a method ------------------------------------------------------------


def brightest_channel(activation, importance):
    "A formula that asks for nothing but the activation."
    return activation.amax(1)


@pytest.mark.parametrize("model_method", ["grad_cam", "cam"])
def test_a_new_method_is_a_line_in_the_table(learn, course, monkeypatch, model_method):
    "Maps, figures, frames and the menu know a method as soon as it stands in `METHODS`."
    toy = METHODS[model_method]._replace(label="Toy", formula=brightest_channel)
    monkeypatch.setitem(METHODS, "toy", toy)
    films = film_files(course / "test")[:1]
    maps = map_films(learn, films, method="toy", relu=False).maps
    assert show_cam(learn, films, method="toy").alt.startswith("Toy of 1 film: ")

    frames = MapFrames(learn, films)
    shown = frames.frame(method="toy", target="abd", block=-2)
    assert ": Toy for abd at block −" in shown.alt
    assert torch.allclose(frames.maps(0, "toy")[-1][0], maps[0].cpu(), atol=1e-5)
    assert (-2 in frames.maps(0, "toy")) == toy.at_any_layer

    controls = {box.description: box for box in cam_explorer(learn, films).children[0].children}
    controls["Method"].value = "toy"
    assert controls["Block"].disabled != toy.at_any_layer


@pytest.mark.parametrize("signed", [False, True])
def test_a_method_says_whether_its_maps_have_a_sign(learn, course, monkeypatch, signed):
    "One that calls everything evidence against the class is all zero without its sign."
    toy = METHODS["grad_cam"]._replace(formula=lambda a, _: -a.amax(1) - 1, signed=signed)
    monkeypatch.setitem(METHODS, "toy", toy)
    frames = MapFrames(learn, film_files(course / "test")[:1])
    assert ("all zero" in frames.frame(method="toy").alt) != signed


def test_frames_of_a_bare_model_are_refused_in_words(learn, course):
    with pytest.raises(ValueError, match="give a Learner"):
        MapFrames(learn.model, film_files(course / "test"))


@pytest.mark.parametrize("film", [-1, 2, 0.5, True])
def test_films_that_are_not_there(learn, course, film):
    frames = MapFrames(learn, film_files(course / "test"))
    for ask in (frames.maps, frames.frame):
        with pytest.raises(ValueError, match="film must be a whole number from 0 to 1, not"):
            ask(film, "grad_cam")


# --- names, and what cannot be drawn -------------------------------------------------------------


def test_folders_are_not_named_for_they_may_bear_patients_names(learn, course, tmp_path):
    folder = tmp_path / "chest" / "Doe^Jane"
    folder.mkdir(parents=True)
    film = folder / "film7.png"
    film.write_bytes(film_files(course / "test")[0].read_bytes())
    explorer = cam_explorer(learn, tmp_path)
    controls, out = explorer.children
    menu = controls.children[0]
    assert menu.options == (("1 · film7.png", 0),)
    assert "film7.png" in out.value
    assert "Doe^Jane" not in out.value


def test_names_are_no_html(learn, course, tmp_path, monkeypatch):
    "Of files, of classes, in questions and answers."
    mean = "<img src=x onerror=alert(1)>"
    monkeypatch.setattr("rsna_cls.widgets.class_names", lambda learn: ["abd", mean])
    need_names("<b>1&2.png")
    film = tmp_path / "<b>1&2.png"
    film.write_bytes(film_files(course / "test")[0].read_bytes())
    out = cam_explorer(learn, film, mean).children[-1].value
    assert out.count("<img ") == 1
    assert "<b>" not in out
    assert "&lt;b&gt;1&amp;2.png" in out

    card = quiz(mean, [mean, "b"], "b", mean)
    asked, answers, verdict = card.children
    answers.value = mean
    assert "<img" not in asked.value + verdict.value


def test_a_method_that_the_model_does_not_allow_is_said_below_the_controls(learn, course):
    "In a notebook an error in a callback would be seen by nobody."
    learn.model[1] = create_head(512, 2)
    controls, out = cam_explorer(learn, course / "test").children
    method = controls.children[1]
    assert "<img" in out.value
    method.value = "cam"
    assert "<img" not in out.value
    assert "CAM needs a head of global average pooling" in out.value
    method.value = "hires_cam"
    assert "<img" in out.value


def test_a_bad_folder_is_an_error_at_once(tmp_path):
    with pytest.raises(ValueError):
        augment_explorer(tmp_path)


def test_names_that_are_not_as_many_as_classes_are_refused(learn, course):
    learn.model[1][-1] = nn.Linear(512, 3)
    with pytest.raises(ValueError, match="3 classes, but the learner has names for 2"):
        MapFrames(learn, course / "test").frame()


@pytest.mark.parametrize("method", METHODS)
def test_a_frame_of_a_difference(learn, course, method):
    frames = MapFrames(learn, course / "test")
    shown = frames.frame(method=method, target="chest", difference=True)
    assert f": {METHODS[method].label} for chest − abd at block −1" in shown.alt
    assert shown.alt != frames.frame(method=method, target="chest").alt
    learn.loss_func = torch.nn.BCEWithLogitsLoss()
    fresh = MapFrames(learn, course / "test")
    with pytest.raises(ValueError, match="leave difference at False"):
        fresh.frame(method=method, difference=True)


def test_one_logit_has_frames_of_both_classes(learn, course):
    learn.model[1][-1] = nn.Linear(512, 1)
    frames = MapFrames(learn, course / "test")
    for method in ("grad_cam", "cam"):
        for block, maps in frames.maps(0, method).items():
            assert len(maps) == 2, block
    signed = frames.maps(0, "cam")[-1]
    assert torch.allclose(signed[0], -signed[1])
