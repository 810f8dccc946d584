"Models that come back as they were saved, and what is in the way when they are."

import importlib
import json
import pickle
import zipfile

import pandas as pd
import pytest
from fastai.vision.all import (
    CategoryBlock,
    DataBlock,
    GrandparentSplitter,
    ImageBlock,
    Normalize,
    Resize,
    get_image_files,
    parent_label,
    resnet18,
    vision_learner,
)

from conftest import write_course
from rsna_cls import (
    BadModel,
    dataloaders,
    film_files,
    film_learner,
    load_model,
    predict,
    save_model,
    score,
)

saved = importlib.import_module("rsna_cls.saved")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_save_and_load(learn, course, tmp_path, name):
    films = film_files(course / "val")
    table = predict(learn, films)
    scores = score(table, positive="chest").table
    assert save_model(learn, tmp_path / name, scores=scores) == tmp_path / name
    again = load_model(tmp_path / name)
    pd.testing.assert_frame_equal(predict(again, films), table, atol=1e-5)
    assert again.card["classes"] == ["abd", "chest"]
    assert again.card["scores"][0]["measure"] == "accuracy"
    assert again.card["scores"][0]["n"] == 6
    assert names(tmp_path) == [name]


def test_what_the_card_says(learn, tmp_path):
    card = load_model(save_model(learn, tmp_path / "m")).card
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
        "scores": None,
        "gate": None,
        "use": "For teaching. Not for clinical use.",
    }
    assert set(versions) == {"rsna_cls", "torch", "fastai", "python"}
    assert len(bytes.fromhex(fingerprint)) == 8


def test_a_zip_holds_its_files_as_they_are(learn, course, tmp_path):
    "Packing weights takes long and gains little. A zip that somebody packed is read all the same."
    file = save_model(learn, tmp_path / "m.zip")
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["model.json", "model.safetensors"]
        assert {part.compress_type for part in archive.infolist()} == {zipfile.ZIP_STORED}
        with zipfile.ZipFile(
            tmp_path / "packed.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1
        ) as packed:
            for name in archive.namelist():
                packed.writestr(name, archive.read(name))
    films = film_files(course / "val")
    again = load_model(tmp_path / "packed.zip")
    pd.testing.assert_frame_equal(predict(again, films), predict(learn, films), atol=1e-5)


@pytest.mark.parametrize("kind", ["Score", "table", "dict"])
def test_scores_of_any_kind(learn, course, kind):
    result = score(predict(learn, course / "val"), positive="chest")
    given = {"Score": result, "table": result.table, "dict": {"accuracy": 1}}[kind]
    card = saved._make_card(learn, scores=given)
    if kind == "dict":
        assert card["scores"] == {"accuracy": 1}
    else:
        assert [row["measure"] for row in card["scores"]] == list(result.table["measure"])


@pytest.mark.parametrize("name", ["m", "m.zip"])
def test_saving_again(learn, tmp_path, name):
    save_model(learn, tmp_path / name)
    save_model(learn, tmp_path / name, scores={"accuracy": 1})
    assert load_model(tmp_path / name).card["scores"] == {"accuracy": 1}
    assert names(tmp_path) == [name]


def test_nothing_else_is_overwritten(learn, tmp_path):
    save_model(learn, tmp_path / "m")
    (tmp_path / "m/notes.txt").write_text("mine")
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        archive.writestr("film.png", b"x")
    # A letter is a zip too, under another name.
    (tmp_path / "letter.docx").write_bytes((tmp_path / "films.zip").read_bytes())

    for name in ("m", "films.zip", "letter.docx"):
        with pytest.raises(BadModel, match="another name"):
            save_model(learn, tmp_path / name)
    assert (tmp_path / "m/notes.txt").read_text() == "mine"
    for name in ("films.zip", "letter.docx"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            assert archive.namelist() == ["film.png"]


def test_a_save_that_fails_at_the_last_step(learn, tmp_path, monkeypatch):
    save_model(learn, tmp_path / "m", scores={"kept": 1})
    real = saved.os.replace
    calls = []

    def replace(old, new):
        calls.append(old)
        if len(calls) == 2:
            raise PermissionError("in use")
        real(old, new)

    monkeypatch.setattr(saved.os, "replace", replace)
    with pytest.raises(PermissionError):
        save_model(learn, tmp_path / "m")
    monkeypatch.undo()
    assert load_model(tmp_path / "m").card["scores"] == {"kept": 1}
    assert names(tmp_path) == ["m"]


def test_a_failed_save_leaves_the_old_one(learn, tmp_path, monkeypatch):
    save_model(learn, tmp_path / "m")
    before = (tmp_path / "m/model.safetensors").stat().st_mtime_ns

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(saved, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save_model(learn, tmp_path / "m")
    assert (tmp_path / "m/model.safetensors").stat().st_mtime_ns == before
    assert names(tmp_path) == ["m"]


def test_a_loaded_model_saved_again_keeps_its_card(learn, tmp_path):
    first = load_model(save_model(learn, tmp_path / "a", scores={"accuracy": 1}))
    second = load_model(save_model(first, tmp_path / "b"))
    for key in ("films", "fingerprint", "scores", "classes", "size"):
        assert first.card[key]
        assert first.card[key] == second.card[key]


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


def test_the_fingerprint_is_of_contents_and_classes(tmp_path):
    path = write_course(tmp_path / "c")
    train = path / "train"

    def fingerprint():
        return saved._fingerprint(dataloaders(path, size=64, bs=4))

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
    text = (save_model(learn, tmp_path / "m") / "model.json").read_text()
    assert str(course) not in text
    assert ".png" not in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": ["a"]}, "names no classes"),
        ({"classes": "chest"}, "names no classes"),
        ({"classes": [1, 2]}, "names no classes"),
        ({"size": "big"}, "cannot be used"),
        ({"size": 20000}, "32 to 1024"),
        ({"classes": ["a", "b", "c"]}, "do not fit"),
    ],
)
def test_cards_that_cannot_be_used(learn, tmp_path, change, words):
    file = save_model(learn, tmp_path / "m") / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(BadModel, match=words):
        load_model(tmp_path / "m")


def test_models_that_cannot_be_loaded(learn, tmp_path):
    save_model(learn, tmp_path / "m")
    (tmp_path / "m/model.json").write_text("{")
    with pytest.raises(BadModel, match=r"no readable model\.json"):
        load_model(tmp_path / "m")
    (tmp_path / "m/model.json").write_text("[]")
    with pytest.raises(BadModel, match="names no classes"):
        load_model(tmp_path / "m")
    (tmp_path / "m/model.safetensors").write_bytes(b"half of it")
    with pytest.raises(BadModel, match="damaged or missing"):
        load_model(tmp_path / "m")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(BadModel, match="not a saved model"):
        load_model(tmp_path / "x.pkl")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("else.txt", "x")
    with pytest.raises(BadModel, match="not a saved model"):
        load_model(tmp_path / "z.zip")
    with pytest.raises(BadModel):
        load_model(tmp_path / "nowhere")


def test_a_model_without_a_card_of_its_training(learn, tmp_path):
    "A card from elsewhere may lack what is known of the training: it is saved again all the same."
    file = save_model(learn, tmp_path / "m") / "model.json"
    card = json.loads(file.read_text())
    file.write_text(json.dumps({"classes": card["classes"], "size": card["size"]}))
    again = load_model(save_model(load_model(tmp_path / "m"), tmp_path / "n"))
    assert again.card["films"] == 0
    assert again.card["classes"] == ["abd", "chest"]
