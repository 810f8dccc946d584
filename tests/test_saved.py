"Models that come back as they were saved, what is in the way when they are, and what is no model."

import errno
import importlib
import json
import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
import threading
import zipfile
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.vision.all import (
    BCEWithLogitsLossFlat,
    Callback,
    CategoryBlock,
    DataBlock,
    GrandparentSplitter,
    ImageBlock,
    Normalize,
    RandomCrop,
    Resize,
    aug_transforms,
    get_image_files,
    imagenet_stats,
    parent_label,
    resnet18,
    vision_learner,
)
from safetensors.torch import load_file, save
from torch import nn

from conftest import make_link, write_course
from rsna_cls import (
    BadModel,
    Gate,
    cam,
    dataloaders,
    empty_dataloaders,
    film_batches,
    film_files,
    film_learner,
    film_lines,
    film_tensor,
    fine_tune,
    load_model,
    predict,
    rescued,
    save_model,
    score,
    show_cam,
    weights_digest,
)

saved = importlib.import_module("rsna_cls.saved")

SCORES = {"accuracy": 0.5}
IN_USE = PermissionError(errno.EACCES, "in use", ".unfinished-x")  # as a move would raise it


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def card_of(path):
    return json.loads((path / "model.json").read_text(encoding="utf-8"))


def fingerprint_of(dataset):
    return saved._fingerprint(film_lines(dataset))


class ToyGate:
    "What `save_model` asks of a gate."

    known = np.eye(3, 5, dtype=np.float16)

    def card(self):
        return dict(limit=0.4, k=2, kinds=["abd", "abd", "chest"])


@pytest.fixture(scope="session")
def kept(first_learner, tmp_path_factory):
    "A saved model with scores and a gate; do not change it."
    folder = tmp_path_factory.mktemp("kept") / "m"
    return save_model(first_learner, folder, scores=SCORES, gate=ToyGate())


@pytest.fixture(scope="session")
def kept_long_ago(kept, tmp_path_factory):
    "The same as earlier versions wrote it, without a copy of the card; do not change it."
    folder = tmp_path_factory.mktemp("long_ago") / "m"
    shutil.copytree(kept, folder)
    (folder / "model.safetensors").write_bytes(save(load_file(kept / "model.safetensors")))
    return folder


@pytest.fixture
def model(kept_long_ago, tmp_path):
    "That model again, to be damaged: its files are replaced, never written into."
    return Path(shutil.copytree(kept_long_ago, tmp_path / "model", copy_function=os.link))


@pytest.fixture(scope="session")
def other_films(tmp_path_factory):
    "DataLoaders of other films of the same classes."
    return dataloaders(write_course(tmp_path_factory.mktemp("other"), seed=7), size=96, bs=4)


def replace_file(file, content):
    "Put another file there."
    file.unlink()
    file.write_bytes(content)


def change_card(model, **changes):
    text = json.dumps(card_of(model) | changes)
    replace_file(model / "model.json", text.encode())


def change_tensors(model, **changes):
    "Replace tensors of a saved model (None: take it away), and write their digest on the card."
    tensors = load_file(model / "model.safetensors") | changes
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    replace_file(model / "model.safetensors", save(tensors))
    del tensors["gate.known"]
    change_card(model, weights=weights_digest(tensors))


# ---- there and back ----


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_save_and_load(learn, course, tmp_path, name):
    films = film_files(course / "val")
    table = predict(learn, films)
    scores = score(table, positive="chest").table
    assert save_model(learn, tmp_path / name, scores=scores) == tmp_path / name
    again = load_model(tmp_path / name)
    pd.testing.assert_frame_equal(predict(again, films), table, check_exact=True)
    assert again.card["classes"] == ["abd", "chest"]
    assert again.card["scores"][0]["measure"] == "accuracy"
    assert again.card["scores"][0]["n"] == 6
    assert names(tmp_path) == [name]


ELSEWHERE = """
import sys
from pathlib import Path
from rsna_cls import Gate, cam, load_model, predict, show_cam
folder, film, out = map(Path, sys.argv[1:])
learn = load_model(folder)
table = predict(learn, film, gate=Gate.load(folder))
show_cam(learn, film)
out.write_bytes(table.iloc[:, 3:].to_numpy(float).tobytes() + cam(learn, film).numpy().tobytes())
"""


@pytest.mark.slow(seconds=15)
def test_the_same_bits_where_the_films_were_never_seen(tmp_path):
    "A process that has the two files and one film, and neither the training films nor a home."
    course = write_course(tmp_path / "course")
    learn = film_learner(dataloaders(course, size=64, bs=4))
    fine_tune(learn, 1)
    gate = Gate.fit(course)
    save_model(learn, tmp_path / "m", gate=gate)
    film = shutil.copy(course / "test/chest/chest0.png", tmp_path / "film.png")
    table = predict(learn, film, gate=gate)
    here = table.iloc[:, 3:].to_numpy(float).tobytes() + cam(learn, film).numpy().tobytes()
    shutil.rmtree(course)

    environment = {k: v for k, v in os.environ.items() if k not in ("RSNA_CLS_DATA", "HOME")}
    (tmp_path / "home").mkdir()
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "m", film, tmp_path / "out"],
        env=environment | dict(HOME=str(tmp_path / "home")),
        cwd=tmp_path / "home",
        check=True,
    )
    assert (tmp_path / "out").read_bytes() == here


def test_classes_keep_their_order(course, tmp_path):
    "They are the order of the answers, whatever the alphabet says."
    learn = film_learner(empty_dataloaders(["chest", "abd"], 64))
    films = film_files(course / "val")
    again = load_model(save_model(learn, tmp_path / "m"))
    assert list(again.dls.vocab) == ["chest", "abd"]
    pd.testing.assert_frame_equal(predict(again, films), predict(learn, films), check_exact=True)


def test_odd_class_names_come_back(tmp_path):
    "Names as folders may have them."
    odd = ["<b>", "$a_b$", "{x}", "Wirbelsäule", "1", '"', "胸"]
    learn = film_learner(empty_dataloaders(odd, 64), None)
    assert list(load_model(save_model(learn, tmp_path / "m")).dls.vocab) == odd


def test_maps_without_films(kept, course):
    film = course / "val/chest/chest0.png"
    again = load_model(kept)
    assert cam(again, film).shape == (1, 3, 3)
    assert show_cam(again, film).alt


def test_what_the_card_says(learn, tmp_path):
    card = card_of(save_model(learn, tmp_path / "m"))
    versions = card.pop("versions")
    fingerprint = card.pop("fingerprint")
    assert card == {
        "format": "rsna_cls model 1",
        "architecture": "ResNet18, GAP, Linear",
        "classes": ["abd", "chest"],
        "size": 96,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "films": 12,
        "epochs": 0,
        "last_layer": 0,
        "scores": None,
        "gate": None,
        "weights": weights_digest(learn.model.state_dict()),
        "use": "For teaching. Not for clinical use.",
    }
    assert set(versions) == {"rsna_cls", "torch", "fastai", "python"}
    assert len(bytes.fromhex(fingerprint)) == 8


@pytest.mark.slow(seconds=2)
def test_a_zip_holds_its_files_as_they_are(learn, course, tmp_path):
    "Packing weights takes long and gains little. A zip that somebody packed is read all the same."
    file = save_model(learn, tmp_path / "m.zip")
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["model.json", "model.safetensors"]
        assert {part.compress_type for part in archive.infolist()} == {zipfile.ZIP_STORED}
        with zipfile.ZipFile(
            tmp_path / "packed.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1
        ) as packed:
            packed.writestr("__MACOSX/my model/model.json", "x")
            packed.writestr("my model/", "")
            for name in archive.namelist():
                packed.writestr(f"my model/{name}", archive.read(name))
    films = film_files(course / "val")
    again = load_model(tmp_path / "packed.zip")
    pd.testing.assert_frame_equal(predict(again, films), predict(learn, films), check_exact=True)


@pytest.mark.parametrize("name", ["m", "m.zip"])
def test_saving_again(learn, tmp_path, name):
    save_model(learn, tmp_path / name)
    save_model(learn, tmp_path / name, scores=SCORES)
    assert load_model(tmp_path / name).card["scores"] == SCORES
    assert names(tmp_path) == [name]


def test_paths_as_people_write_them(learn, tmp_path, monkeypatch):
    "`~` is the home folder, an empty folder may be there already, a link stays a link."
    monkeypatch.setenv("HOME", str(tmp_path))
    save_model(learn, "~/m")
    assert load_model("~/m").card["films"] == 12

    (tmp_path / "empty").mkdir()
    save_model(learn, tmp_path / "empty")
    make_link(tmp_path / "link", tmp_path / "empty")
    save_model(learn, tmp_path / "link", scores=SCORES)
    assert (tmp_path / "link").is_symlink()
    assert card_of(tmp_path / "empty")["scores"] == SCORES
    assert names(tmp_path) == ["empty", "link", "m"]


def test_saving_and_loading_draw_no_random_numbers(learn, tmp_path):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    load_model(save_model(learn, tmp_path / "m"))
    assert torch.rand(1) == expected


# ---- a card says only what holds for the weights beside it ----


def test_a_loaded_model_saved_again_keeps_its_card(kept, tmp_path, capsys):
    again = load_model(kept)
    again.card["versions"]["torch"] = "1.0"  # not what it was made with: not to be written down
    saved_again = save_model(again, tmp_path / "n")
    assert card_of(saved_again) == card_of(kept)
    assert load_file(saved_again / "model.safetensors")["gate.known"].shape == (3, 5)
    assert capsys.readouterr().out == ""


def test_the_versions_are_those_that_the_weights_were_made_with(model, tmp_path):
    change_card(model, versions=dict(torch="1.0"))
    assert card_of(save_model(load_model(model), tmp_path / "n"))["versions"] == dict(torch="1.0")


def test_a_loaded_model_that_only_predicts_keeps_its_card(kept, course, tmp_path):
    again = load_model(kept)
    again.dls = dataloaders(course, size=96, bs=4)  # its own films, in another order
    again.validate()
    predict(again, course / "val")
    cam(again, course / "val")
    assert card_of(save_model(again, tmp_path / "n")) == card_of(kept)


def train_further(learn, other):
    learn.dls = other
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)


def change_by_hand(learn, other):
    learn.model[0][0].weight.data[0, 0, 0, 0] += 1e-3


def replace_head(learn, other):
    learn.model[1][-1] = nn.Linear(512, 2)


def give_other_films(learn, other):
    learn.dls = other


def give_another_size(learn, other):
    learn.dls = empty_dataloaders(["abd", "chest"], 64)


@pytest.mark.parametrize(
    "change",
    [train_further, change_by_hand, replace_head, give_other_films, give_another_size],
)
def test_what_no_longer_holds_is_left_out(kept, other_films, tmp_path, capsys, change):
    learn = load_model(kept)
    change(learn, other_films)
    card = card_of(save_model(learn, tmp_path / "n"))
    old = card_of(kept)
    assert [card["scores"], card["gate"]] == [None, None]
    assert card["fingerprint"] != old["fingerprint"]
    assert card["parent"] == old["weights"]
    assert "gate.known" not in load_file(tmp_path / "n/model.safetensors")
    assert "its scores and its gate left out" in capsys.readouterr().out
    if change is train_further:
        assert card["epochs"] == 1
        assert card["fingerprint"] == fingerprint_of(other_films.train_ds)
    else:
        assert [card["films"], card["fingerprint"], card["epochs"]] == [None, None, None]


@pytest.mark.parametrize("classes", [["chest", "abd"], ["foot", "hand"]])
def test_classes_that_the_weights_never_learned_are_not_saved(kept, tmp_path, classes):
    "Neither for this library nor for other programs."
    pytest.importorskip("onnx")
    from rsna_cls import export_onnx

    learn = load_model(kept)
    learn.dls = empty_dataloaders(classes, 96)
    with pytest.raises(BadModel, match="are for the classes abd, chest"):
        save_model(learn, tmp_path / "n")
    with pytest.raises(BadModel, match="are for the classes abd, chest"):
        export_onnx(learn, tmp_path / "n.onnx")
    assert not list(tmp_path.iterdir())


def test_a_parent_stands_on_no_other_card(kept, learn, other_films, tmp_path):
    "What is written on one card is not found on the next."
    again = load_model(kept)
    again.dls = other_films
    assert "parent" in card_of(save_model(again, tmp_path / "child"))
    assert "parent" not in card_of(save_model(learn, tmp_path / "fresh"))


def test_what_a_user_writes_on_a_loaded_card_changes_no_model(kept, tmp_path):
    again = load_model(kept)
    again.card["classes"].reverse()
    again.card["scores"]["accuracy"] = 1.0
    assert card_of(save_model(again, tmp_path / "n")) == card_of(kept)


@pytest.mark.slow(seconds=2)
@pytest.mark.parametrize("change", ["edited", "gone"])
def test_a_film_that_is_changed_after_the_training(tmp_path, change):
    "The card tells of the films that were learned from, whatever becomes of their files."
    path = write_course(tmp_path / "course")
    learn = film_learner(dataloaders(path, size=64, bs=4))
    before = fingerprint_of(learn.dls.train_ds)
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
    film = path / "train/chest/chest0.png"
    if change == "gone":
        film.unlink()
    else:
        shutil.copy(path / "elbow.png", film)
    card = card_of(save_model(learn, tmp_path / "m"))
    assert [card["films"], card["fingerprint"]] == [12, before]


@pytest.mark.slow(seconds=2)
def test_a_film_that_is_changed_between_two_trainings(tmp_path):
    "The weights learned from both."
    path = write_course(tmp_path / "course")
    learn = film_learner(dataloaders(path, size=64, bs=4))
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
        shutil.copy(path / "elbow.png", path / "train/chest/chest0.png")
        learn.fit(1)
    assert card_of(save_model(learn, tmp_path / "m"))["films"] == 13


def test_another_size_is_said(kept, tmp_path, capsys):
    "Weights that learned from films of 96 pixels, written for films of 64."
    pytest.importorskip("onnx")
    from rsna_cls import export_onnx

    learn = load_model(kept)
    save_model(learn, tmp_path / "same")
    assert "squeezed" not in capsys.readouterr().out
    learn.dls = empty_dataloaders(["abd", "chest"], 64)
    assert card_of(save_model(learn, tmp_path / "other"))["size"] == 64
    assert (
        "for films squeezed to 96 × 96 pixels; they are written for 64" in capsys.readouterr().out
    )
    export_onnx(learn, tmp_path / "m.onnx")
    assert (
        "for films squeezed to 96 × 96 pixels; they are written for 64" in capsys.readouterr().out
    )


def test_a_learner_from_elsewhere_is_known_by_nothing(learn, tmp_path):
    "No record tells what its weights learned from: the films that it was given need not be those."
    del learn.training_record
    card = card_of(save_model(learn, tmp_path / "m"))
    assert [card["films"], card["fingerprint"], card["epochs"]] == [None, None, None]


@pytest.mark.slow(seconds=2)
def test_a_loaded_model_that_learned_other_classes(kept, tmp_path):
    course = write_course(tmp_path / "course")
    for split in ("train", "val", "test"):
        (course / split / "abd").rename(course / split / "foot")
    learn = load_model(kept)
    train_further(learn, dataloaders(course, size=96, bs=4))
    card = card_of(save_model(learn, tmp_path / "n"))
    assert card["classes"] == ["chest", "foot"]
    assert card["scores"] is None


@pytest.mark.slow(seconds=5)
def test_films_of_two_trainings(learn, course, other_films, tmp_path):
    "The weights have learned from both; the same films in another size count once."
    of_course = learn.dls
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
        learn.dls = dataloaders(course, size=64, bs=4)
        learn.fit(2)
    once = card_of(save_model(learn, tmp_path / "once"))
    assert [once["films"], once["epochs"], once["size"]] == [12, 3, 64]
    assert once["fingerprint"] == fingerprint_of(of_course.train_ds)

    train_further(learn, other_films)
    both = card_of(save_model(learn, tmp_path / "both"))
    assert [both["films"], both["epochs"]] == [24, 4]
    assert both["fingerprint"] not in (
        once["fingerprint"],
        fingerprint_of(other_films.train_ds),
    )


@pytest.mark.slow(seconds=3)
@pytest.mark.parametrize("epochs", [0, 1])
def test_the_last_layer_alone_is_no_epoch(learn, tmp_path, epochs):
    "What `fine_tune` was told is what the card says."
    fine_tune(learn, epochs)
    card = card_of(save_model(learn, tmp_path / "m"))
    assert [card["films"], card["epochs"], card["last_layer"]] == [12, epochs, 1]
    with learn.no_bar(), learn.no_logging():
        learn.fit(2)
    card = load_model(save_model(learn, tmp_path / "m")).card
    assert [card["films"], card["epochs"], card["last_layer"]] == [12, epochs + 2, 1]


@pytest.mark.slow(seconds=2)
def test_films_that_were_only_given_are_not_those_learned_from(learn, other_films, tmp_path):
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
    learned_from = fingerprint_of(learn.dls.train_ds)
    learn.dls = other_films
    assert card_of(save_model(learn, tmp_path / "m"))["fingerprint"] == learned_from


@pytest.mark.slow(seconds=3)
def test_weights_put_in_by_hand(learn, tmp_path):
    "What they have learned from cannot be known, whether or not they are trained further."
    learn.model.load_state_dict(deepcopy(learn.model).state_dict())
    assert card_of(save_model(learn, tmp_path / "same"))["films"] == 12

    learn.model[1][-1].weight.data.mul_(2)
    unknown = card_of(save_model(learn, tmp_path / "other"))
    assert [unknown["films"], unknown["fingerprint"], unknown["epochs"]] == [None, None, None]
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
    assert card_of(save_model(learn, tmp_path / "trained"))["films"] is None


def test_a_training_that_was_interrupted_is_known(learn, tmp_path):
    class Stop(Callback):
        def after_batch(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), learn.no_bar(), learn.no_logging():
        learn.fit(3, cbs=Stop())
    card = card_of(save_model(learn, tmp_path / "m"))
    assert [card["films"], card["epochs"]] == [12, 1]


@pytest.mark.slow(seconds=2)
def test_a_test_of_rates_is_no_training(learn, tmp_path):
    "fastai puts the weights back after it."
    with learn.no_bar(), learn.no_logging():
        learn.lr_find(num_it=5, show_plot=False)
    card = card_of(save_model(learn, tmp_path / "m"))
    assert [card["films"], card["epochs"]] == [12, 0]


def test_scores_of_other_weights_are_refused(learn, course, tmp_path):
    "A table that says which weights it was measured with is not saved beside others."
    result = score(predict(learn, course / "val"), positive="chest")
    assert result.table.attrs["weights"] == weights_digest(learn.model.state_dict())
    save_model(learn, tmp_path / "m", scores=result)
    change_by_hand(learn, None)
    with pytest.raises(BadModel, match="predict and score again"):
        save_model(learn, tmp_path / "m", scores=result)
    assert card_of(tmp_path / "m")["scores"][0]["measure"] == "accuracy"


def test_scores_of_another_size_are_refused(learn, course, tmp_path):
    "The same weights say something else about films of another size."
    result = score(predict(learn, course / "val"), positive="chest")
    learn.dls = empty_dataloaders(["abd", "chest"], 64)
    with pytest.raises(BadModel, match=r"about films of 96 pixels.* predict and score again"):
        save_model(learn, tmp_path / "m", scores=result)


@pytest.mark.parametrize("kind", ["csv", "rows", "two models", "typed in", "their own"])
def test_scores_of_unknown_weights_say_so(learn, course, tmp_path, capsys, kind):
    "On the card, and in a sentence; loaded and saved again it still stands there."
    table = predict(learn, course / "val")
    table.to_csv(tmp_path / "t.csv", index=False)
    other = table.copy()
    other.attrs["weights"] = "0" * 64
    scores = {
        "csv": lambda: score(pd.read_csv(tmp_path / "t.csv"), positive="chest"),
        "rows": lambda: score(table, positive="chest").table.to_dict("records"),
        "two models": lambda: score(pd.concat([table, other]), positive="chest"),
        "typed in": lambda: SCORES,
        "their own": lambda: score(table.query("truth == prediction"), positive="chest"),
    }[kind]()
    save_model(learn, tmp_path / "m", scores=scores)
    is_known = kind == "their own"
    wanted = "these weights" if is_known else "unknown weights"
    assert card_of(tmp_path / "m")["scores_from"] == wanted
    assert ("cannot be told" in capsys.readouterr().out) == (not is_known)
    again = save_model(load_model(tmp_path / "m"), tmp_path / "n")
    assert card_of(again)["scores_from"] == wanted


def test_a_table_of_predictions_is_no_score(learn, course, tmp_path):
    "It names files, which may be patients' names."
    with pytest.raises(BadModel, match=r"score\(table"):
        save_model(learn, tmp_path / "m", scores=predict(learn, course / "val"))


@pytest.mark.parametrize("kind", ["Score", "table", "dict", "odd"])
def test_scores_of_any_kind(learn, course, kind):
    result = score(predict(learn, course / "val"), positive="chest")
    odd = dict(a=float("nan"), b=[np.float32("inf")], c=np.arange(2), d=("x", None, True))
    given = dict(Score=result, table=result.table, dict={"accuracy": 1}, odd=odd)[kind]
    card = json.loads(json.dumps(saved.model_card(learn, scores=given), allow_nan=False))
    if kind == "dict":
        assert card["scores"] == {"accuracy": 1}
    elif kind == "odd":
        assert card["scores"] == dict(a=None, b=[None], c=[0, 1], d=["x", None, True])
    else:
        assert [row["measure"] for row in card["scores"]] == list(result.table["measure"])


def test_the_fingerprint_is_of_contents_and_classes(tmp_path):
    path = write_course(tmp_path / "c")
    train = path / "train"

    def fingerprint():
        return fingerprint_of(dataloaders(path, size=64, bs=4).train_ds)

    first = fingerprint()
    (train / "chest/chest0.png").rename(train / "chest/other.png")
    assert fingerprint() == first

    # The same films, but each class has the other's name.
    (train / "chest").rename(train / "x")
    (train / "abd").rename(train / "chest")
    (train / "x").rename(train / "abd")
    assert fingerprint() != first


def test_the_card_names_no_file(learn, course, tmp_path):
    "Paths and file names may be patients' names: the fingerprint is of contents only."
    text = (save_model(learn, tmp_path / "m") / "model.json").read_text(encoding="utf-8")
    assert str(course) not in text
    assert ".png" not in text


def test_a_model_of_version_0_1_0(model, tmp_path):
    "Its card had no digest; and a card from elsewhere may lack all that is known of the training."
    old = card_of(model)
    card = {key: old[key] for key in ("classes", "size")}
    replace_file(model / "model.json", json.dumps(card).encode())
    again = card_of(save_model(load_model(model), tmp_path / "n"))
    assert [again["films"], again["scores"], again["classes"]] == [None, None, ["abd", "chest"]]
    assert again["weights"] == old["weights"]


@pytest.mark.slow(seconds=4)
def test_a_model_that_is_saved_while_it_learns(tmp_path):
    "The saving waits: card and tensors are those of the end of the training."
    learn = film_learner(dataloaders(write_course(tmp_path / "course"), size=64, bs=4))
    has_begun = threading.Event()

    class Begin(Callback):
        def after_batch(self):
            has_begun.set()

    learn.add_cb(Begin())
    training = threading.Thread(target=lambda: fine_tune(learn, 2))
    training.start()
    has_begun.wait(60)
    card = card_of(save_model(learn, tmp_path / "m"))
    training.join()
    assert [card["films"], card["weights"]] == [12, weights_digest(learn.model.state_dict())]


# ---- what is not saved ----


def test_models_that_are_not_ours_are_not_saved(course, tmp_path):
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_items=get_image_files,
        splitter=GrandparentSplitter("train", "val"),
        get_y=parent_label,
        item_tfms=Resize(64),  # which crops
        batch_tfms=Normalize.from_stats([0.5] * 3, [0.5] * 3),
    )
    cropped = film_learner(block.dataloaders(course, bs=4, num_workers=0))
    with pytest.raises(BadModel, match="squeezed"):
        save_model(cropped, tmp_path / "m")

    usual_head = vision_learner(dataloaders(course, size=64, bs=4), resnet18, pretrained=False)
    with pytest.raises(BadModel, match="only a ResNet18"):
        save_model(usual_head, tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "steps",
    [
        dict(item_tfms=Resize(96, "squish"), batch_tfms=aug_transforms(size=64)),
        dict(item_tfms=[Resize(96, "squish"), RandomCrop(64)], batch_tfms=[]),
        dict(item_tfms=Resize(64, "squish", resamples=(0, 0)), batch_tfms=[]),
    ],
)
def test_steps_that_would_be_lost_are_not_saved(course, tmp_path, steps):
    "The loaded model would be shown other films than this one."
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_items=get_image_files,
        splitter=GrandparentSplitter("train", "val"),
        get_y=parent_label,
        item_tfms=steps["item_tfms"],
        batch_tfms=[*steps["batch_tfms"], Normalize.from_stats(*imagenet_stats)],
    )
    learn = film_learner(block.dataloaders(course, bs=4, num_workers=0), None)
    with pytest.raises(BadModel, match="would be lost|squeezed"):
        save_model(learn, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def to_nowhere(learn):
    learn.model.to("meta")


def ask_each_class(learn):
    learn.loss_func = BCEWithLogitsLossFlat()


def pool_by_maximum(learn):
    learn.model[1][0] = nn.AdaptiveMaxPool2d(1)


def use_other_activation(learn):
    learn.model[0][2] = nn.ELU()


def halve_precision(learn):
    learn.model.half()


def diverge(learn):
    learn.model[1][-1].bias.data[0] = torch.inf


def halve_maps_by_a_hook(learn):
    learn.model[0][5].register_forward_hook(lambda layer, given, maps: maps / 2)


def mirror_films_by_a_hook(learn):
    learn.model.register_forward_pre_hook(lambda layer, given: (given[0].flip(3),))


def answer_in_another_way(learn):
    network, forward = learn.model, learn.model.forward
    network.forward = lambda films: forward(films).flip(1)


def normalise_otherwise(learn):
    (normalise,) = [step for step in learn.dls.after_batch.fs if isinstance(step, Normalize)]
    normalise.mean = normalise.mean * 0 + 0.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (halve_maps_by_a_hook, "as by a hook"),
        (mirror_films_by_a_hook, "as by a hook"),
        (answer_in_another_way, "as by a hook"),
        (normalise_otherwise, "normalised in another way"),
        (pool_by_maximum, "other layers"),
        (use_other_activation, "other layers"),
        (halve_precision, "kind float16"),
        (diverge, "no numbers"),
        (to_nowhere, "load its weights first"),
        (ask_each_class, "question of its own"),
    ],
)
def test_models_that_would_come_back_as_others(learn, tmp_path, change, words):
    "They have the same tensors' names and shapes, and would answer otherwise when they are loaded."
    change(learn)
    with pytest.raises(BadModel, match=words):
        save_model(learn, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_hook_that_only_listens_is_no_matter(learn, tmp_path):
    heard = []
    learn.model[0].register_forward_hook(lambda layer, given, maps: heard.append(maps.shape))
    save_model(learn, tmp_path / "m")
    assert heard


@pytest.mark.parametrize("vocab", [["a", "a"], ["truth", "b"], ["", "b"]])
def test_class_names_that_cannot_be_used_are_not_saved(learn, tmp_path, vocab):
    learn = SimpleNamespace(dls=SimpleNamespace(vocab=vocab), model=nn.Linear(1, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved, "check_learner", lambda learn: None)
        with pytest.raises(BadModel, match="cannot be saved"):
            save_model(learn, tmp_path / "m")


def test_what_is_no_learner(learn, tmp_path):
    for thing in (learn.model, learn.dls, "m", None):
        with pytest.raises(ValueError, match="needs a learner"):
            save_model(thing, tmp_path / "m")


# ---- writing ----


@pytest.mark.slow(seconds=2)
def test_nothing_else_is_overwritten(learn, tmp_path):
    save_model(learn, tmp_path / "m")
    (tmp_path / "m/notes.txt").write_text("mine", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        archive.writestr("film.png", b"x")
    # A letter is a zip too, under another name.
    (tmp_path / "letter.docx").write_bytes((tmp_path / "films.zip").read_bytes())
    # Somebody else's weights have the same name; and a folder may have a file's.
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/model.safetensors").write_text("mine", encoding="utf-8")
    (tmp_path / "folders/model.json").mkdir(parents=True)
    (tmp_path / "folders/model.safetensors").mkdir()
    before = names(tmp_path)

    for name in ("m", "films.zip", "letter.docx", "weights", "folders"):
        with pytest.raises(BadModel, match="another name"):
            save_model(learn, tmp_path / name)
    assert (tmp_path / "m/notes.txt").read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "weights/model.safetensors").read_text(encoding="utf-8") == "mine"
    assert names(tmp_path) == before
    for name in ("films.zip", "letter.docx"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            assert archive.namelist() == ["film.png"]


def break_moves(monkeypatch, failing, error):
    "Let the moves of these numbers (from 1) fail."
    move = os.replace
    calls = []

    def replace(old, new):
        calls.append(old)
        if len(calls) in failing:
            raise error
        move(old, new)

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize(
    ("error", "raised"), [(IN_USE, BadModel), (KeyboardInterrupt(), KeyboardInterrupt)]
)
@pytest.mark.parametrize("failing", [{1}, {2}])
def test_a_move_that_fails(model, learn, monkeypatch, failing, error, raised):
    "Whichever of the two moves it is: the earlier model is there again, and nothing else."
    before = card_of(model)
    break_moves(monkeypatch, failing, error)
    with pytest.raises(raised):
        save_model(learn, model)
    assert load_model(model).card == before
    assert names(model.parent) == ["model"]


def test_an_earlier_model_that_cannot_be_put_back_is_kept(model, learn, monkeypatch):
    "Both errors say where it is: that of saving, and that of loading."
    before = card_of(model)
    break_moves(monkeypatch, {2, 3, 4}, IN_USE)
    with pytest.raises(BadModel, match="What was there before is whole: it is") as error:
        save_model(learn, model)
    monkeypatch.undo()
    (kept,) = rescued(model)
    assert str(kept) in str(error.value)
    with pytest.raises(BadModel, match="was interrupted, the earlier model is") as error:
        load_model(model)
    assert str(kept) in str(error.value)
    assert load_model(kept).card == before


KILLED = """
import os, signal, sys
from rsna_cls import load_model, save_model
learn = load_model(sys.argv[1])
move, calls = os.replace, []
def replace(old, new):
    calls.append(old)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    move(old, new)
os.replace = replace
save_model(learn, sys.argv[1], scores={"new": 1})
"""


@pytest.mark.slow(seconds=8)
@pytest.mark.skipif(os.name != "posix", reason="there is no such signal there")
def test_a_process_that_is_killed_between_the_two_moves(model):
    "The earlier model is where `load_model` says."
    before = card_of(model)
    run = subprocess.run([sys.executable, "-c", KILLED, model])
    assert run.returncode == -signal.SIGKILL
    (kept,) = rescued(model)
    with pytest.raises(BadModel, match="was interrupted") as error:
        load_model(model)
    assert str(kept) in str(error.value)
    kept.rename(model)
    assert load_model(model).card == before


@pytest.mark.parametrize("name", ["m", "m.zip"])
def test_a_full_disk_leaves_the_old_one(learn, tmp_path, monkeypatch, name):
    save_model(learn, tmp_path / name, scores=SCORES)

    def full(*whatever, **choices):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)  # the tensors are there by then
    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(BadModel, match="the disk is full"):
        save_model(learn, tmp_path / name)
    monkeypatch.undo()
    assert load_model(tmp_path / name).card["scores"] == SCORES
    assert names(tmp_path) == [name]


@pytest.mark.slow(seconds=4)
@pytest.mark.parametrize("name", ["m", "m.zip"])
def test_two_that_save_at_once(first_learner, tmp_path, name):
    "Each finishes, one of the two models is there in the end, whole, and nothing else."
    learners = [deepcopy(first_learner) for _ in range(2)]
    learners[1].model[1][-1].bias.data += 1
    errors = []

    def save_often(number, learn):
        try:
            for _ in range(3):
                save_model(learn, tmp_path / name, scores={"number": number})
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=save_often, args=args) for args in enumerate(learners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    again = load_model(tmp_path / name)
    expected = learners[again.card["scores"]["number"]]
    assert torch.equal(again.model[1][-1].bias, expected.model[1][-1].bias)
    assert names(tmp_path) == [name]


def test_a_move_in_between_by_another_process(learn, model, kept, monkeypatch):
    "Another process puts its model there after ours has moved the earlier one away."
    move = os.replace
    calls = []

    def replace(old, new):
        calls.append(old)
        if len(calls) == 2:
            shutil.copytree(kept, model)
        move(old, new)

    monkeypatch.setattr(os, "replace", replace)
    save_model(learn, model, scores={"ours": 1})
    assert load_model(model).card["scores"] == {"ours": 1}
    assert names(model.parent) == ["model"]


# ---- a card that was changed by hand ----


@pytest.fixture
def sealed(kept, tmp_path):
    "A saved model as it is written now, to be edited."
    return Path(shutil.copytree(kept, tmp_path / "sealed", copy_function=os.link))


@pytest.mark.parametrize(
    "change",
    [
        dict(classes=["chest", "abd"]),
        dict(classes=["foot", "hand"]),
        dict(size=64),
        dict(scores={"accuracy": 0.99}),
        dict(films=1000),
        dict(epochs=None),
        dict(use=None),
        dict(gate=dict(limit=2, k=2, kinds=["abd", "abd", "chest"])),
    ],
    ids=repr,
)
def test_an_edited_card_is_refused(sealed, change):
    "Each value would hold for some other model: the error says what stood there."
    (name,) = change
    change_card(sealed, **change)
    for load in (load_model, Gate.load):
        with pytest.raises(BadModel, match=f"was edited after it was saved: {name} was "):
            load(sealed)


@pytest.mark.parametrize("name", ["classes", "size", "gate", "use"])
def test_a_line_that_was_taken_off_a_card(sealed, name):
    card = card_of(sealed)
    del card[name]
    replace_file(sealed / "model.json", json.dumps(card).encode())
    with pytest.raises(BadModel, match=f"{name}.* is gone|names no classes|size must be"):
        load_model(sealed)


def test_a_card_that_was_only_laid_out_anew_and_annotated(sealed):
    text = json.dumps(card_of(sealed) | {"notes": "mine"}, indent=8, sort_keys=True)
    replace_file(sealed / "model.json", text.encode())
    assert load_model(sealed).card["notes"] == "mine"


def test_weights_of_the_same_shape_beside_another_card(sealed, learn, tmp_path):
    "Also where somebody wrote the digest of the new weights on the old card."
    learn.model[1][-1].bias.data += 1
    other = save_model(learn, tmp_path / "other")
    replace_file(sealed / "model.safetensors", (other / "model.safetensors").read_bytes())
    with pytest.raises(BadModel, match="belongs to other weights"):
        load_model(sealed)
    change_card(sealed, weights=card_of(other)["weights"])
    with pytest.raises(BadModel, match="was edited after it was saved"):
        load_model(sealed)


def test_a_gate_s_points_of_another_gate(model):
    "The card knows its own: here the model was written without a copy of the card."
    assert len(card_of(model)["gate"]["points"]) == 64
    change_tensors(model, **{"gate.known": torch.eye(3, 5).flip(0).half()})
    with pytest.raises(BadModel, match="gate"):
        Gate.load(model)


def test_a_gate_of_other_classes_is_not_saved(learn, tmp_path):
    class OfHands(ToyGate):
        def card(self):
            return dict(limit=0.4, k=2, kinds=["hand", "abd", "film"])

    with pytest.raises(BadModel, match="knows films of the class hand"):
        save_model(learn, tmp_path / "m", gate=OfHands())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("copy", ["[" * 10_000, "no JSON", "[]", '{"a": NaN}'])
def test_a_copy_of_the_card_that_cannot_be_read(model, copy):
    content = save(load_file(model / "model.safetensors"), metadata=dict(card=copy))
    replace_file(model / "model.safetensors", content)
    with pytest.raises(BadModel):
        load_model(model)


# ---- paths ----


@pytest.mark.parametrize("path", [None, 3, b"m", "", "a\0b", ["m"]], ids=repr)
def test_what_is_no_path(learn, path, tmp_path, monkeypatch):
    from rsna_cls import export_onnx

    monkeypatch.chdir(tmp_path)
    for use in (load_model, Gate.load, lambda path: save_model(learn, path)):
        with pytest.raises(BadModel, match="path"):
            use(path)
    pytest.importorskip("onnx")
    with pytest.raises(BadModel, match="path"):
        export_onnx(learn, path)
    assert not list(tmp_path.iterdir())


def test_paths_where_nothing_can_be_written(learn, tmp_path):
    from rsna_cls import export_onnx

    (tmp_path / "f.txt").write_text("mine", encoding="utf-8")
    make_link(tmp_path / "a", tmp_path / "b")
    make_link(tmp_path / "b", tmp_path / "a")
    (tmp_path / "m.zip").mkdir()
    before = names(tmp_path)
    for path in ("f.txt/m", "f.txt/m.zip", "f.txt/a/b/m", "a", "a/m", "m.zip", "n" * 300):
        with pytest.raises(BadModel):
            save_model(learn, tmp_path / path)
    pytest.importorskip("onnx")
    for path in ("f.txt/m.onnx", "a/m.onnx"):
        with pytest.raises(BadModel):
            export_onnx(learn, tmp_path / path)
    for path in ("f.txt/m", "a", "a/m", "n" * 300):
        with pytest.raises(BadModel):
            load_model(tmp_path / path)
    assert names(tmp_path) == before
    assert (tmp_path / "f.txt").read_text(encoding="utf-8") == "mine"


# ---- what is no model, or a hostile one ----


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "rsna_cls model 2"}, "newer version of rsna_cls"),
        ({"format": "rsna_cls model 99999999999"}, "its format is not"),
        ({"format": "pickle"}, "its format is not"),
        ({"format": 1}, "its format is not"),
        ({"format": []}, "what it says of format"),
        ({"architecture": "ResNet50"}, "architecture"),
        ({"architecture": ["ResNet18, GAP, Linear"]}, "architecture"),
        ({"classes": None}, "names no classes"),
        ({"classes": []}, "names no classes"),
        ({"classes": ["a"]}, "names no classes"),
        ({"classes": "chest"}, "names no classes"),
        ({"classes": {"a": 0, "b": 1}}, "names no classes"),
        ({"classes": [1, 2]}, "names no classes"),
        ({"classes": ["a", ["b"]]}, "names no classes"),
        ({"classes": ["a", ""]}, "names no classes"),
        ({"classes": ["a", "a"]}, "the same name"),
        ({"classes": ["a", "truth"]}, "cannot be called 'truth'"),
        ({"classes": ["a", "b", "c"]}, "do not fit a ResNet18 with 3"),
        ({"classes": [f"c{i}" for i in range(100)]}, "do not fit"),
        ({"size": "big"}, "cannot be used"),
        ({"size": "96"}, "cannot be used"),
        ({"size": 96.0}, "cannot be used"),
        ({"size": True}, "cannot be used"),
        ({"size": [96]}, "cannot be used"),
        ({"size": 0}, "32 to 1024"),
        ({"size": -96}, "32 to 1024"),
        ({"size": 10**9}, "32 to 1024"),
        ({"size": 10**400}, "32 to 1024"),
        ({"mean": [0.5, 0.5, 0.5]}, "what it says of mean"),
        ({"mean": 0.485}, "what it says of mean"),
        ({"std": [0.229, 0.224]}, "what it says of std"),
        ({"std": ["0.229", "0.224", "0.225"]}, "what it says of std"),
        ({"std": [10**400] * 3}, "what it says of std"),
        ({"films": -1}, "what it says of films"),
        ({"films": "12"}, "what it says of films"),
        ({"fingerprint": 3}, "what it says of fingerprint"),
        ({"fingerprint": "Mueller, Hans, *1950"}, "what it says of fingerprint"),
        ({"versions": []}, "what it says of versions"),
        ({"versions": {"torch": 2}}, "what it says of versions"),
        ({"versions": {"torch": "2" * 1000}}, "what it says of versions"),
        ({"use": "For clinical use."}, "what it says of use"),
        ({"scores_from": "the best weights"}, "what it says of scores_from"),
        ({"parent": "../../other/model"}, "what it says of parent"),
        ({"weights": "../../etc/passwd"}, "what it says of weights"),
        ({"weights": "0" * 64}, "belongs to other weights"),
    ],
)
def test_cards_that_cannot_be_used(model, change, words):
    change_card(model, **change)
    with pytest.raises(BadModel, match=words):
        load_model(model)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\x80\x04}.",
        b"[]",
        b"null",
        b'"model"',
        b"[" * 100_000,
        b'{"size":' * 100_000,
        b'{"size": 96, "classes": ["a", "b"], "size": 64}',
        b'{"size": 96, "classes": ["a", "b"], "scores": NaN}',
        b'{"size": 96, "classes": ["a", "b"], "scores": -Infinity}',
        b'{"size": ' + b"9" * 10_000 + b"}",
        '{"size": 96, "classes": ["a", "b"]}'.encode("utf-16"),
        b'{"size": 96, "classes": ["a", "\xff"]}',
        b"\0" * 1000,
        b" " * (2**24 + 1),
    ],
    ids=lambda content: repr(content[:20]),
)
def test_files_that_are_no_card(model, content):
    replace_file(model / "model.json", content)
    with pytest.raises(BadModel, match="not a saved model"):
        load_model(model)


def test_a_card_that_was_edited_on_windows(model):
    "A mark at the beginning (BOM) and other ends of lines do no harm."
    text = (model / "model.json").read_text(encoding="utf-8").replace("\n", "\r\n")
    replace_file(model / "model.json", text.encode("utf-8-sig"))
    assert load_model(model).card["size"] == 96


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"0.0.weight": torch.full((64, 3, 7, 7), torch.nan)}, "no numbers"),
        ({"1.2.bias": torch.tensor([0, torch.inf])}, "no numbers"),
        ({"0.1.running_var": torch.full((64,), -torch.inf)}, "no numbers"),
        ({"1.2.bias": torch.zeros(2, dtype=torch.float16)}, "kind float16"),
        ({"1.2.bias": torch.zeros(2, dtype=torch.float64)}, "kind float64"),
        ({"1.2.bias": torch.zeros(2, dtype=torch.int64)}, "kind int64"),
        ({"1.2.bias": torch.zeros(2, dtype=torch.complex64)}, "kind complex64"),
        ({"1.2.bias": torch.zeros(2, dtype=torch.float8_e5m2)}, "kind float8"),
        ({"0.1.num_batches_tracked": torch.tensor(0.0)}, "kind float32"),
        ({"1.2.bias": torch.zeros(1, 2)}, "another shape"),
        ({"1.2.bias": torch.zeros(0)}, "another shape"),
        ({"1.2.weight": torch.zeros(512, 2)}, "another shape"),
        ({"1.2.bias": None}, "bias is missing"),
        ({"more": torch.zeros(3)}, "more is no part"),
        ({"gate.other": torch.zeros(3)}, "gate.other is no part"),
    ],
)
def test_tensors_that_do_not_fit(model, changes, words):
    change_tensors(model, **changes)
    with pytest.raises(BadModel, match=rf"do not fit a ResNet18 with 2 classes.*{words}"):
        load_model(model)


def safetensors_file(header, data=b""):
    "A safetensors file with this header, whether or not it is right."
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(first, last, shape, dtype="F32"):
    return dict(dtype=dtype, shape=shape, data_offsets=[first, last])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"half of it",
        pickle.dumps({"1.2.bias": [0.0, 0.0]}),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2**64 - 1) + b"{}",
        struct.pack("<Q", 90_000_000) + b"{}",
        safetensors_file(b"[]"),
        safetensors_file(b"[" * 10_000),
        safetensors_file(b'{"\xff": {}}'),
        safetensors_file(dict(a=entry(0, 32, [8]), b=entry(16, 48, [8])), b"\0" * 48),
        safetensors_file(dict(a=entry(32, 64, [8])), b"\0" * 64),
        safetensors_file(dict(a=entry(64, 32, [8])), b"\0" * 64),
        safetensors_file(dict(a=entry(0, 64, [3])), b"\0" * 64),
        safetensors_file(dict(a=entry(0, 64, [-16])), b"\0" * 64),
        safetensors_file(dict(a=entry(0, 64, [2**40, 2**40])), b"\0" * 64),
        safetensors_file(dict(a=entry(0, 8, [8], "F8_E8M0")), b"\0" * 8),
        safetensors_file(dict(a=entry(0, 64, [16], "X")), b"\0" * 64),
        safetensors_file(dict(a=entry(0, 64, [16])), b"\0" * 60),
    ],
    ids=lambda content: repr(content[:20]),
)
def test_tensors_files_that_lie(model, content):
    replace_file(model / "model.safetensors", content)
    with pytest.raises(BadModel, match="damaged or missing"):
        load_model(model)


def test_a_tensors_file_that_was_cut_off(model):
    file = model / "model.safetensors"
    replace_file(file, file.read_bytes()[:-1])
    with pytest.raises(BadModel, match="damaged or missing"):
        load_model(model)


def test_a_tensors_file_of_which_a_bit_fell_over(model):
    file = model / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    replace_file(file, content)
    for load in (load_model, Gate.load):
        with pytest.raises(BadModel, match="belongs to other weights"):
            load(model)


def test_the_card_of_another_model(model, learn, tmp_path):
    learn.model[1][-1].bias.data += 1
    other = save_model(learn, tmp_path / "other")
    replace_file(model / "model.json", (other / "model.json").read_bytes())
    with pytest.raises(BadModel, match="belongs to other weights"):
        load_model(model)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_files_that_are_too_large_are_not_read(model, name, monkeypatch):
    monkeypatch.setitem(saved._LARGEST, name, 100)
    with pytest.raises(BadModel, match=f"its {name} is too large"):
        load_model(model)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
@pytest.mark.parametrize("kind", ["missing", "folder", "link into nowhere", "pipe", "device"])
def test_one_of_the_two_is_no_file(model, name, kind):
    file = model / name
    file.unlink()
    if kind == "folder":
        file.mkdir()
    elif kind == "link into nowhere":
        make_link(file, model / "nowhere")
    elif kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("there are no pipes here")
        os.mkfifo(file)
    elif kind == "device":
        make_link(file, "/dev/zero")
    with pytest.raises(BadModel, match=f"it has no {name}"):
        load_model(model)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", "there is no saved model"),
        ("m.pkl", "not a saved model but a pickle .* can run programs"),
        ("m.pth", "it has no model.json, but a pickle .* never opened"),  # torch's files are zips
        ("pickles", "it has no model.json, but a pickle .* never opened"),
        ("nameless", "not a saved model but a pickle"),
        ("letter.txt", "that is a folder with model.json"),
        ("else.zip", "it has no model.json$"),
        ("damaged.zip", "it is a damaged zip"),
        ("damaged", "it is a damaged zip"),
        ("empty.zip", "it is a damaged zip"),
        ("damaged.pth", "not a saved model but a pickle"),
        ("encrypted.zip", "cannot be read"),
        ("twice.zip", "more than one model.json"),
        ("deep.zip", "it has no model.json"),
        ("model/model.json", "give the folder it lies in"),
        ("model/model.safetensors", "give the folder it lies in"),
        (".", "it has no model.json"),
        ("\0", "is no path"),
    ],
)
def test_paths_that_are_no_saved_model(model, tmp_path, name, words):
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({}))
    (tmp_path / "letter.txt").write_text("Dear colleague", encoding="utf-8")
    torch.save({}, tmp_path / "m.pth")
    (tmp_path / "pickles").mkdir()
    (tmp_path / "pickles/export.pkl").write_bytes(pickle.dumps({}))
    (tmp_path / "nameless").write_bytes(pickle.dumps({}))
    (tmp_path / "empty.zip").touch()
    (tmp_path / "damaged.pth").write_bytes((tmp_path / "m.pth").read_bytes()[:40])
    card = (model / "model.json").read_bytes()
    for file, members in {
        "else.zip": ["else.txt"],
        "twice.zip": ["a/model.json", "b/model.json", "a/model.safetensors"],
        "deep.zip": ["../../model.json", "a/b/model.safetensors"],
    }.items():
        with zipfile.ZipFile(tmp_path / file, "w") as archive:
            for member in members:
                archive.writestr(member, card)
    for name_of_damaged in ("damaged.zip", "damaged"):
        (tmp_path / name_of_damaged).write_bytes((tmp_path / "else.zip").read_bytes()[:40])

    # A bit in its header says that a member is encrypted.
    with zipfile.ZipFile(tmp_path / "encrypted.zip", "w") as archive:
        archive.writestr("model.json", card)
    content = bytearray((tmp_path / "encrypted.zip").read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "encrypted.zip").write_bytes(content)

    with pytest.raises(BadModel, match=words):
        load_model(tmp_path / name)


def test_a_zip_that_is_damaged_inside(learn, tmp_path):
    file = save_model(learn, tmp_path / "m.zip")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BadModel, match="may be damaged"):
        load_model(file)


def test_no_pickle_is_opened(model, monkeypatch, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save(Evil(), tmp_path / "evil.pth")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Evil()))
    replace_file(model / "model.safetensors", pickle.dumps(Evil()))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/model.json").write_bytes(pickle.dumps(Evil()))
    for path in (tmp_path / "evil.pth", tmp_path / "evil.pkl", model, tmp_path / "other"):
        with pytest.raises(BadModel):
            load_model(path)
        with pytest.raises(BadModel):
            Gate.load(path)
    assert not (tmp_path / "ran").exists()


# ---- ONNX ----


@pytest.fixture(scope="session")
def onnx_file(first_learner, tmp_path_factory):
    "A network written as ONNX."
    pytest.importorskip("onnx")
    from rsna_cls import export_onnx

    return export_onnx(first_learner, tmp_path_factory.mktemp("onnx") / "m.onnx")


def answers(file, films):
    "What ONNX Runtime makes of a batch of films: logits, probabilities, maps."
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(["logits", "probabilities", "maps"], {"films": films})


@pytest.mark.parametrize("n", [1, 2, 6])
def test_onnx_answers_as_the_model_does(onnx_file, learn, course, n):
    films = film_files(course / "val")[:n]
    batch = torch.cat(list(film_batches(learn, films)))
    logits, probabilities, maps = answers(onnx_file, batch.numpy())
    learn.model.eval()
    with torch.no_grad():
        expected = learn.model(batch)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    table = predict(learn, films)
    np.testing.assert_allclose(probabilities, table[["abd", "chest"]], atol=1e-5)
    chest = cam(learn, films, "chest")
    np.testing.assert_allclose(maps[:, 1], chest, atol=1e-5)
    bias = learn.model[1][-1].bias.detach().numpy()
    np.testing.assert_allclose(maps.mean((2, 3)) + bias, logits, atol=1e-5)


def test_onnx_says_how_to_prepare_a_film(onnx_file, learn, course):
    "Who follows the metadata gets what `predict` gets."
    from PIL import Image

    runtime = pytest.importorskip("onnxruntime")
    about = runtime.InferenceSession(onnx_file).get_modelmeta().custom_metadata_map
    assert set(about) == {"classes", "size", "mean", "std", "preparation", "weights", "use"}
    assert about["weights"] == weights_digest(learn.model.state_dict())
    size = int(about["size"])
    film = course / "val/chest/chest1.png"
    grey = np.asarray(Image.open(film).convert("L").resize((size, size), Image.Resampling.BILINEAR))
    three = np.stack([grey / 255] * 3, -1)
    normalised = (three - json.loads(about["mean"])) / json.loads(about["std"])
    batch = normalised.transpose(2, 0, 1)[None].astype(np.float32)
    np.testing.assert_allclose(batch, film_tensor(film, size), atol=1e-5)

    _, probabilities, _ = answers(onnx_file, batch)
    row = predict(learn, film).iloc[0]
    for name, probability in zip(json.loads(about["classes"]), probabilities[0], strict=True):
        assert abs(row[name] - probability) < 1e-5


@pytest.mark.slow(seconds=2)
def test_onnx_leaves_the_learner_as_it_was(learn, tmp_path):
    pytest.importorskip("onnx")
    from rsna_cls import export_onnx

    learn.model.train()
    before = weights_digest(learn.model.state_dict())
    (tmp_path / "m.onnx").write_text("an earlier one", encoding="utf-8")
    export_onnx(learn, str(tmp_path / "m.onnx"))
    assert learn.model.training
    assert weights_digest(learn.model.state_dict()) == before
    assert names(tmp_path) == ["m.onnx"]
    assert (tmp_path / "m.onnx").stat().st_size > 40e6


def test_onnx_without_the_package(learn, tmp_path, monkeypatch):
    from rsna_cls import export_onnx

    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "rsna_cls\[onnx\]"'):
        export_onnx(learn, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_onnx_of_other_models(course, tmp_path):
    pytest.importorskip("onnx")
    from rsna_cls import export_onnx

    usual_head = vision_learner(dataloaders(course, size=64, bs=4), resnet18, pretrained=False)
    with pytest.raises(BadModel, match="only a ResNet18"):
        export_onnx(usual_head, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match="ends in .onnx"):
        export_onnx(film_learner(usual_head.dls, None), tmp_path / "m.pth")


@pytest.mark.parametrize(
    "make",
    [
        lambda table: table.to_dict("records"),
        lambda table: table[["file", "truth"]],
        lambda table: dict(predictions=table),
    ],
)
def test_scores_that_name_films_are_refused(learn, course, tmp_path, make):
    "Their folders may be called like patients."
    table = predict(learn, film_files(course / "val"))
    with pytest.raises(BadModel, match="names of films"):
        save_model(learn, tmp_path / "m", scores=make(table))
    assert not (tmp_path / "m").exists()


def test_somebody_else_s_pair_of_files_is_not_replaced(learn, tmp_path):
    "Only what is a card of this library's may be overwritten."
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "model.json").write_text('{"my": "data"}', encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"mine")
    with pytest.raises(BadModel):
        save_model(learn, folder)
    assert (folder / "model.safetensors").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "classes",
    [["nan", "b"], ["a\n\x1b[31m", "b"], ["\ud800", "b"], ["A", "a"], ["a ", "b"], ["1", "01"]],
)
def test_class_names_that_no_folder_may_have(kept, tmp_path, classes):
    "Neither on a card that is read, nor on one that would be written."
    folder = shutil.copytree(kept, tmp_path / "m")
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "model.json").write_text(json.dumps(card | dict(classes=classes)), encoding="utf-8")
    with pytest.raises(BadModel):
        load_model(folder)
    with pytest.raises(BadModel, match="cannot be called|written in two ways"):
        save_model(film_learner(empty_dataloaders(classes, 64), None), tmp_path / "n")
