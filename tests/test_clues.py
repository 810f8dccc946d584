"Facts that give the class away are found where they were planted, and only there."

import importlib
import shutil

import numpy as np
import pytest
from PIL import Image

from rsna_cls import audit, shortcuts
from textures import EMBEDDED, films_of, rows, severities, write

room = importlib.import_module("rsna_cls.clues")


@pytest.mark.slow(seconds=2)
def test_shuffled_labels(tmp_path, seed=0):
    "Films dealt out at random: no fact tells the classes, every interval covers the majority."
    files = sorted(EMBEDDED.glob("*/*/*.png"))
    order = np.random.default_rng(seed).permutation(len(files))
    for position, index in enumerate(order):
        folder = tmp_path / "train" / "ab"[position % 2]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(files[index], folder / f"{index}.png")
    facts = shortcuts(tmp_path).dropna(subset="accuracy")
    assert len(facts) == 8
    assert (facts["low"] <= 40 / 79).all()
    assert (facts["high"] >= 0.5).all()
    assert set(facts["severity"]) == {"low"}


def test_three_classes_and_one_planted_size(tmp_path):
    "The class c is wider than the others: size tells it, and nothing else tells anything."

    def shape(name, rng):
        height = 150 + int(rng.integers(20))
        width = (200 if name == "c" else 130) + int(rng.integers(20))
        return height, width

    table = shortcuts(write(tmp_path, ("a", "b", "c"), n=14, shape=shape))
    size = rows(table, "shortcut: size").iloc[0]
    assert size["severity"] in ("medium", "high")
    assert 0.55 <= size["accuracy"] <= 0.85
    assert size["low"] > 1 / 3
    facts = table.dropna(subset="accuracy").set_index("finding")
    others = facts.drop(["shortcut: size", "shortcut: aspect ratio"])
    assert set(others["severity"]) == {"low"}


def test_planted_depth_colour_and_sharpness(tmp_path):
    path = write(tmp_path)
    for number, file in enumerate(sorted((path / "train/b").iterdir())):
        greys = np.asarray(Image.open(file))
        if number % 2:
            changed = greys.astype(np.uint16) * 256
        else:
            changed = np.stack([greys, greys, greys // 2], axis=2)
        Image.fromarray(changed).save(file)
    table = audit(path)
    assert severities(table, "shortcut: file format") == ["high"]
    assert len(films_of(table, "only in b: colour")[0]) == 6
    assert rows(table, "shortcut: bit depth")["accuracy"].iloc[0] == 0.75


def test_groups_are_kept_together_and_each_film_is_held_out_once():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    groups = rng.integers(0, 40, 90)
    folds = room._folds(labels, groups)
    assert len(folds) == 10
    held_out = np.concatenate([fold.held_out for fold in folds])
    assert sorted(held_out) == list(range(90))
    for fold in folds:
        assert not set(groups[fold.shown]) & set(groups[fold.held_out])
    guesses = room._guesses(labels[:, None].astype(float), labels, folds)
    assert (guesses == labels).all()


def test_one_film_in_each_class(tmp_path):
    assert "shortcut: size" not in set(audit(write(tmp_path, n=1))["finding"])


@pytest.mark.filterwarnings("error")
def test_a_lonely_film_in_one_class(tmp_path):
    path = write(tmp_path, n=6)
    for number in range(1, 6):
        (path / f"train/b/{number}.png").unlink()
    table = audit(path)
    assert len(table.dropna(subset="accuracy")) == 8
    assert severities(table, "class balance") == ["medium"]
