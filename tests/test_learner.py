"Weights from every place they may come from, and models that come back as they were saved."

import hashlib
import json
import pickle
import zipfile

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import resnet18

from rsna_cls import (
    BadModel,
    FetchError,
    dataloaders,
    film_files,
    film_learner,
    learner,
    load_model,
    predict,
    save_model,
    score,
)


@pytest.fixture
def dls(course):
    return dataloaders(course, size=64, bs=4)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    "An empty cache for torchvision's weights."
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch/hub/checkpoints"
    folder.mkdir(parents=True)
    return folder


def put_imagenet(hub, monkeypatch, seed=0):
    "A stand-in for torchvision's file, under a name that ends in its own checksum."
    torch.manual_seed(seed)
    net = resnet18()
    torch.save(net.state_dict(), hub / "part.pth")
    digest = hashlib.sha256((hub / "part.pth").read_bytes()).hexdigest()[:8]
    file = (hub / "part.pth").rename(hub / f"resnet18-{digest}.pth")
    monkeypatch.setattr(learner, "IMAGENET", f"https://download.example/models/{file.name}")
    return net, file


def test_imagenet_from_the_cache(dls, hub, monkeypatch, offline, capsys):
    net, _ = put_imagenet(hub, monkeypatch)
    learn = film_learner(dls, "imagenet")
    assert torch.equal(learn.model[0][4][0].conv1.weight.cpu(), net.layer1[0].conv1.weight)
    assert learn.model[1][-1].out_features == 2
    assert "ImageNet" in capsys.readouterr().out


def test_imagenet_damaged(dls, hub, monkeypatch, offline):
    _, file = put_imagenet(hub, monkeypatch)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(BadModel, match="damaged"):
        film_learner(dls, "imagenet")


def test_imagenet_that_would_run_code(dls, hub, monkeypatch, offline, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    (hub / "part.pth").write_bytes(pickle.dumps(Evil(), protocol=2))
    digest = hashlib.sha256((hub / "part.pth").read_bytes()).hexdigest()[:8]
    (hub / "part.pth").rename(hub / f"resnet18-{digest}.pth")
    monkeypatch.setattr(learner, "IMAGENET", f"https://download.example/resnet18-{digest}.pth")
    with pytest.raises(BadModel, match="safely"):
        film_learner(dls, "imagenet")
    assert not (tmp_path / "ran").exists()


def test_imagenet_without_network(dls, hub, offline):
    with pytest.raises(FetchError) as e:
        film_learner(dls, "imagenet")
    for words in ("resnet18-f37072fd.pth", str(hub), "simulated"):
        assert words in str(e.value)
    assert not list(hub.iterdir())


def test_imagenet_downloaded(dls, hub, monkeypatch, tmp_path):
    import http.server
    import threading
    from functools import partial

    net, file = put_imagenet(hub, monkeypatch)
    (tmp_path / "www").mkdir()
    file.rename(tmp_path / "www" / file.name)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "www")
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(learner, "IMAGENET", f"http://127.0.0.1:{server.server_port}/{file.name}")
    learn = film_learner(dls, "imagenet")
    server.shutdown()
    server.server_close()
    assert (hub / file.name).exists() and torch.equal(
        learn.model[0][0].weight.cpu(), net.conv1.weight
    )


def test_the_embedded_weights():
    "A ResNet18 whose last layer knows each kind, and details of one; small enough to travel in a wheel."
    from importlib import resources

    from rsna_cls.pretrain import KINDS

    with resources.as_file(
        resources.files("rsna_cls") / "weights/resnet18_simulated.safetensors"
    ) as file:
        state = load_file(file)
        assert file.stat().st_size < 25e6
    want = {
        k: v.shape
        for k, v in resnet18(num_classes=len(KINDS) + 1).state_dict().items()
        if "num_batches" not in k
    }
    assert {k: v.shape for k, v in state.items()} == want
    assert all(torch.isfinite(v).all() for v in state.values())


def test_weights_from_a_file(dls, tmp_path):
    net = resnet18()
    save_file(net.state_dict(), tmp_path / "body.safetensors")
    learn = film_learner(dls, tmp_path / "body.safetensors")
    assert torch.equal(learn.model[0][7][1].conv2.weight.cpu(), net.layer4[1].conv2.weight)
    state = net.state_dict()
    state["layer1.0.conv1.weight"] = state["layer1.0.conv1.weight"][:, :3].contiguous()
    save_file(state, tmp_path / "bad.safetensors")
    with pytest.raises(BadModel, match="layer1.0.conv1.weight"):
        film_learner(dls, tmp_path / "bad.safetensors")
    torch.save(net.state_dict(), tmp_path / "body.pth")
    with pytest.raises(BadModel, match="can run programs"):
        film_learner(dls, tmp_path / "body.pth")


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_save_and_load(learn, course, tmp_path, name):
    films = film_files(course / "val")
    table = predict(learn, films)
    scores = score(table, positive="chest").table
    assert save_model(learn, tmp_path / name, scores=scores) == tmp_path / name
    again = load_model(tmp_path / name)
    pd.testing.assert_frame_equal(predict(again, films), table, atol=1e-5)
    assert (
        again.card["classes"] == ["abd", "chest"]
        and again.card["scores"][0]["measure"] == "accuracy"
        and again.card["scores"][0]["n"] == 6
    )
    assert not [p for p in tmp_path.iterdir() if p.name != name]


@pytest.mark.parametrize("name", ["m", "m.zip"])
def test_saving_again(learn, tmp_path, name):
    save_model(learn, tmp_path / name)
    save_model(learn, tmp_path / name, scores={"accuracy": 1})
    assert load_model(tmp_path / name).card["scores"] == {"accuracy": 1}
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_nothing_else_is_overwritten(learn, tmp_path):
    save_model(learn, tmp_path / "m")
    (tmp_path / "m/notes.txt").write_text("mine")
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as z:
        z.writestr("film.png", b"x")
    (tmp_path / "films.zip").rename(tmp_path / "letter.docx") and (
        tmp_path / "letter.docx"
    ).read_bytes()
    (tmp_path / "films.zip").write_bytes((tmp_path / "letter.docx").read_bytes())
    for name in ("m", "films.zip", "letter.docx"):
        with pytest.raises(BadModel, match="another name"):
            save_model(learn, tmp_path / name)
    assert (tmp_path / "m/notes.txt").read_text() == "mine" and zipfile.ZipFile(
        tmp_path / "films.zip"
    ).namelist() == ["film.png"]


def test_a_save_that_fails_at_the_last_step(learn, tmp_path, monkeypatch):
    save_model(learn, tmp_path / "m", scores={"kept": 1})
    real, calls = learner.os.replace, []

    def replace(a, b):
        calls.append(a)
        if len(calls) == 2:
            raise PermissionError("in use")
        real(a, b)

    monkeypatch.setattr(learner.os, "replace", replace)
    with pytest.raises(PermissionError):
        save_model(learn, tmp_path / "m")
    monkeypatch.undo()
    assert load_model(tmp_path / "m").card["scores"] == {"kept": 1}


def test_a_loaded_model_saved_again_keeps_its_card(learn, tmp_path):
    first = load_model(save_model(learn, tmp_path / "a", scores={"accuracy": 1}))
    second = load_model(save_model(first, tmp_path / "b"))
    for key in ("films", "fingerprint", "scores", "classes", "size"):
        assert first.card[key] == second.card[key] and first.card[key]


def test_models_that_are_not_ours_are_not_saved(course, tmp_path):
    from fastai.vision.all import (
        CategoryBlock,
        DataBlock,
        GrandparentSplitter,
        ImageBlock,
        Normalize,
        Resize,
        get_image_files,
        parent_label,
        vision_learner,
    )
    from fastai.vision.all import (
        resnet18 as arch,
    )

    crop = DataBlock(
        (ImageBlock, CategoryBlock),
        get_items=get_image_files,
        splitter=GrandparentSplitter("train", "val"),
        get_y=parent_label,
        item_tfms=Resize(64),
        batch_tfms=Normalize.from_stats([0.5] * 3, [0.5] * 3),
    ).dataloaders(course, bs=4, num_workers=0)
    with pytest.raises(BadModel, match="squeezed"):
        save_model(film_learner(crop), tmp_path / "m")
    with pytest.raises(BadModel, match="only a ResNet18"):
        save_model(
            vision_learner(dataloaders(course, size=64, bs=4), arch, pretrained=False),
            tmp_path / "m",
        )
    assert not list(tmp_path.iterdir())


def test_the_fingerprint_is_of_contents_and_classes(tmp_path):
    from conftest import write_course

    path = write_course(tmp_path / "c")
    prints = [learner._fingerprint(dataloaders(path, size=64, bs=4))]
    (path / "train/chest/chest0.png").rename(path / "train/chest/other.png")
    prints.append(learner._fingerprint(dataloaders(path, size=64, bs=4)))
    (
        (path / "train/chest").rename(path / "train/x"),
        (path / "train/abd").rename(path / "train/chest"),
        (path / "train/x").rename(path / "train/abd"),
    )
    prints.append(learner._fingerprint(dataloaders(path, size=64, bs=4)))
    assert prints[0] == prints[1] != prints[2]


def test_a_failed_save_leaves_the_old_one(learn, tmp_path, monkeypatch):
    save_model(learn, tmp_path / "m")
    before = (tmp_path / "m/model.safetensors").stat().st_mtime_ns

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(learner, "save_file", full)
    with pytest.raises(OSError):
        save_model(learn, tmp_path / "m")
    assert (tmp_path / "m/model.safetensors").stat().st_mtime_ns == before
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_models_that_cannot_be_loaded(learn, tmp_path):
    save_model(learn, tmp_path / "m")
    card = json.loads((tmp_path / "m/model.json").read_text())
    for change, words in [
        ({"classes": ["a"]}, "names no classes"),
        ({"size": "big"}, "cannot be used"),
        ({"size": 20000}, "32 to 1024"),
        ({"classes": ["a", "b", "c"]}, "do not fit"),
    ]:
        (tmp_path / "m/model.json").write_text(json.dumps(card | change))
        with pytest.raises(BadModel, match=words):
            load_model(tmp_path / "m")
    (tmp_path / "m/model.json").write_text("{")
    with pytest.raises(BadModel, match="no readable model.json"):
        load_model(tmp_path / "m")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(BadModel, match="not a saved model"):
        load_model(tmp_path / "x.pkl")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as z:
        z.writestr("else.txt", "x")
    with pytest.raises(BadModel, match="not a saved model"):
        load_model(tmp_path / "z.zip")
    with pytest.raises(BadModel):
        load_model(tmp_path / "nowhere")


def test_the_card_names_no_file(learn, course, tmp_path):
    "Paths and file names may be patients' names: the fingerprint is of contents only."
    text = (save_model(learn, tmp_path / "m") / "model.json").read_text()
    assert str(course) not in text and ".png" not in text


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_recipe_on_the_real_films(real, seed):
    "1 + 5 epochs from the embedded weights: at least 9 of 10 validation films, and both test films."
    from rsna_cls import film_tfms, fine_tune

    learn = film_learner(dataloaders(real, tfms=film_tfms(), seed=seed), seed=seed)
    fine_tune(learn, seed=seed)
    for folder, least in (("val", 9), ("test", 2)):
        row = score(predict(learn, real / folder), positive="chest").table.iloc[0]
        print(f"seed {seed}, {folder}: {row.k} of {row.n}")
        assert row.k >= least
