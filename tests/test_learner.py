"Weights from every place they may come from, and what the embedded network sees."

import hashlib
import http.server
import importlib
import pickle
import sys
import threading
from copy import deepcopy
from functools import partial
from pathlib import Path
from time import sleep

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.vision.all import (
    CategoryBlock,
    DataBlock,
    GrandparentSplitter,
    ImageBlock,
    Resize,
    get_image_files,
    parent_label,
)
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torchvision.models import resnet18

from rsna_cls import (
    EMBEDDED_WEIGHTS,
    KINDS,
    BadModel,
    FetchError,
    dataloaders,
    embedded_films,
    embedded_learner,
    evaluation_mode,
    features,
    film_files,
    film_learner,
    fine_tune,
    grad_cam,
    load_film,
    load_model,
    predict,
    save_model,
    simulate_film,
    weights_digest,
)

learner = importlib.import_module("rsna_cls.learner")


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


def expect_imagenet(monkeypatch, content, folder):
    "Write a file whose name ends in its own checksum, and make it the one that is looked for."
    checksum = hashlib.sha256(content).hexdigest()[:8]
    file = folder / f"resnet18-{checksum}.pth"
    file.write_bytes(content)
    monkeypatch.setattr(learner, "_IMAGENET", f"https://download.example/models/{file.name}")
    return file


def put_imagenet(folder, monkeypatch):
    "A stand-in for torchvision's file, and the network in it."
    torch.manual_seed(0)
    network = resnet18()
    torch.save(network.state_dict(), folder / "part.pth")
    content = (folder / "part.pth").read_bytes()
    (folder / "part.pth").unlink()
    return network, expect_imagenet(monkeypatch, content, folder)


def test_imagenet_from_the_cache(dls, hub, monkeypatch, offline, capsys):
    network, _ = put_imagenet(hub, monkeypatch)
    learn = film_learner(dls, "imagenet")
    assert torch.equal(learn.model[0][4][0].conv1.weight.cpu(), network.layer1[0].conv1.weight)
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

    expect_imagenet(monkeypatch, pickle.dumps(Evil(), protocol=2), hub)
    with pytest.raises(BadModel, match="safely"):
        film_learner(dls, "imagenet")
    assert not (tmp_path / "ran").exists()


def test_imagenet_without_network(dls, hub, offline):
    with pytest.raises(FetchError) as error:
        film_learner(dls, "imagenet")
    for words in ("resnet18-f37072fd.pth", str(hub), "simulated"):
        assert words in str(error.value)
    assert not list(hub.iterdir())


def test_imagenet_downloaded(dls, hub, monkeypatch, tmp_path):
    www = tmp_path / "www"
    www.mkdir()
    network, file = put_imagenet(www, monkeypatch)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=www)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(learner, "_IMAGENET", f"http://127.0.0.1:{server.server_port}/{file.name}")
    learn = film_learner(dls, "imagenet")
    server.shutdown()
    server.server_close()
    assert (hub / file.name).exists()
    assert torch.equal(learn.model[0][0].weight.cpu(), network.conv1.weight)


OTHER_KINDS = ["elbow", "forearm", "hand", "knee", "foot", "skull"]


@pytest.mark.parametrize(("name", "kinds"), [("simulated", KINDS), ("other_films", OTHER_KINDS)])
def test_the_embedded_weights(name, kinds):
    "A ResNet18 whose last layer knows each kind, and details of one; small enough for a wheel."
    file = EMBEDDED_WEIGHTS[name]
    assert file.stat().st_size < 25e6
    with safe_open(file, "pt") as weights:
        assert weights.metadata()["fc"].split() == [*kinds, "detail"]

    state = load_file(file)
    wanted = {
        name: tensor.shape
        for name, tensor in resnet18(num_classes=len(kinds) + 1).state_dict().items()
        if "num_batches" not in name
    }
    assert {name: tensor.shape for name, tensor in state.items()} == wanted
    assert all(torch.isfinite(tensor).all() for tensor in state.values())


def test_other_films_shows_nothing_of_either_class():
    "What `pretrain` simulates for these weights has no lung, spine or bowel in any mask."
    recipe = importlib.import_module("rsna_cls.pretrain")._RECIPES["other_films"]
    assert recipe.kinds == OTHER_KINDS
    of_trunk = {"lungs", "heart", "ribs", "spine", "liver", "bowel_gas", "pelvis", "femurs"}
    for kind in recipe.kinds:
        for seed in range(5):
            assert not of_trunk & set(simulate_film(kind, seed, size=96).masks)


def test_weights_from_a_file(dls, tmp_path):
    network = resnet18()
    save_file(network.state_dict(), tmp_path / "body.safetensors")
    learn = film_learner(dls, tmp_path / "body.safetensors")
    assert torch.equal(learn.model[0][7][1].conv2.weight.cpu(), network.layer4[1].conv2.weight)

    state = network.state_dict()
    state["layer1.0.conv1.weight"] = state["layer1.0.conv1.weight"][:, :3].contiguous()
    save_file(state, tmp_path / "bad.safetensors")
    with pytest.raises(BadModel, match=r"layer1\.0\.conv1\.weight"):
        film_learner(dls, tmp_path / "bad.safetensors")

    torch.save(network.state_dict(), tmp_path / "body.pth")
    with pytest.raises(BadModel, match="can run programs"):
        film_learner(dls, tmp_path / "body.pth")


def test_no_weights_in_two_words(dls, capsys):
    first = film_learner(dls, None).model[0][0].weight
    assert torch.equal(film_learner(dls, "random").model[0][0].weight, first)
    assert capsys.readouterr().out.count("random weights") == 2


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("resnet50", "there is no weights file resnet50; weights are 'simulated'"),
        (np.str_("Simulated"), "there is no weights file Simulated"),
        ("", "is a folder"),
        (3, "not int"),
        (True, "not bool"),
        (["simulated"], "not list"),
        (resnet18, "not function"),
    ],
)
def test_words_that_are_no_weights(dls, weights, words):
    with pytest.raises(BadModel, match=words):
        film_learner(dls, weights)


def test_a_saved_model_is_no_body(dls, tmp_path):
    "The words say how to open it."
    (tmp_path / "m").mkdir()
    with pytest.raises(BadModel, match="load_model"):
        film_learner(dls, tmp_path / "m")


def test_words_of_numpy(dls, capsys):
    "As from a table of experiments."
    first = film_learner(dls, np.str_("other_films"))
    assert "the embedded weights 'other_films'" in capsys.readouterr().out
    assert first.model[0][0].weight.dtype == torch.float32


@pytest.mark.parametrize(
    "tensor",
    [
        torch.full((64,), torch.nan),
        torch.full((64,), -torch.inf),
        torch.zeros(64, dtype=torch.int64),
        torch.zeros(64, dtype=torch.bool),
        torch.zeros(64, dtype=torch.complex64),
    ],
    ids=str,
)
def test_tensors_that_are_no_weights(dls, tmp_path, tensor):
    save_file(resnet18().state_dict() | {"bn1.bias": tensor}, tmp_path / "w.safetensors")
    with pytest.raises(BadModel, match=r"bn1\.bias holds values that are no weights"):
        film_learner(dls, tmp_path / "w.safetensors")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision(dls, tmp_path, dtype):
    "They become those of usual precision, and are left as they are where half is enough."
    state = resnet18().state_dict()
    state["bn1.bias"] = torch.linspace(-1, 1, 64).to(dtype)
    save_file(state, tmp_path / "w.safetensors")
    bias = film_learner(dls, tmp_path / "w.safetensors").model[0][1].bias
    assert bias.dtype == torch.float32
    assert torch.equal(bias.cpu(), state["bn1.bias"].float())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        (2**63).to_bytes(8, "little") + b"{}",
        (99).to_bytes(8, "little") + b"{",
        (75).to_bytes(8, "little")
        + b'{"conv1.weight": {"dtype": "F8_E8M0", "shape": [8], "data_offsets": [0, 8]}}'[:75]
        + bytes(8),
    ],
    ids=lambda content: repr(content[:20]),
)
def test_weights_files_that_lie(dls, tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(BadModel, match="is not a safetensors file, or is damaged"):
        film_learner(dls, tmp_path / "w.safetensors")


def test_a_huge_weights_file_is_not_read(dls, tmp_path):
    "A file of a terabyte that takes no place on the disk."
    with (tmp_path / "w.safetensors").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(BadModel, match="too large"):
        film_learner(dls, tmp_path / "w.safetensors")


@pytest.mark.slow(seconds=2)
def test_fastai_s_export_names_no_film(course, tmp_path):
    "The record of what a learner has learned from is left out of it; a copy in memory keeps it."
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_items=get_image_files,
        splitter=GrandparentSplitter("train", "val"),
        get_y=parent_label,
        item_tfms=Resize(48),
    )
    learn = film_learner(block.dataloaders(course, bs=4, num_workers=0), None)
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
    copied = deepcopy(learn).training_record
    assert copied is not learn.training_record
    assert copied.holds_for(weights_digest(learn.model.state_dict()))
    assert copied.films.total() == 12

    learn.export(tmp_path / "m.pkl")
    content = (tmp_path / "m.pkl").read_bytes()
    assert b"chest0.png" not in content
    assert str(course).encode() not in content


def test_what_is_no_dataloaders(dls, course):
    for thing in (course, str(course), "simulated", None, dls.train, film_files(course)):
        with pytest.raises(ValueError, match=r"film_learner\(dataloaders\(path\)\)"):
            film_learner(thing)
    with pytest.raises(ValueError, match="not str"):
        film_learner("simulated", dls)  # swapped


def in_threads(functions):
    "What each function returns, all called at the same time."
    results = [None] * len(functions)

    def call(i):
        results[i] = functions[i]()

    threads = [threading.Thread(target=call, args=[i]) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def busy_threads():
    "Threads that take turns as often as they can."
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_eight_threads_ask_one_model(learn, course, busy_threads):
    "Predictions and maps are those of one thread after another; each part's mode is as before."
    learn.model.train()
    learn.model[0][1].eval()
    modes = [part.training for part in learn.model.modules()]
    films = film_files(course / "val")
    expected_table = predict(learn, films)
    expected_maps = grad_cam(learn, films, "chest", block=-2)

    questions = [
        lambda: predict(learn, films),
        lambda: grad_cam(learn, films, "chest", block=-2),
    ]
    answers = in_threads(questions * 4)
    for table, maps in zip(answers[::2], answers[1::2], strict=True):
        pd.testing.assert_frame_equal(table, expected_table, check_exact=True)
        assert torch.equal(maps, expected_maps)
    assert [part.training for part in learn.model.modules()] == modes


@pytest.mark.slow(seconds=4)
def test_a_model_that_is_asked_while_it_learns(course, busy_threads):
    "The question waits for the end of the training, which is not disturbed."

    def new_learner():
        return film_learner(dataloaders(course, size=48, bs=4))

    films = film_files(course / "val")
    learn, undisturbed = new_learner(), new_learner()
    history, *tables = in_threads(
        [lambda: fine_tune(learn, 1), *[lambda: (sleep(0.2), predict(learn, films))[1]] * 3]
    )
    expected = fine_tune(undisturbed, 1)
    assert history["valid_loss"].tolist() == expected["valid_loss"].tolist()
    for table in tables:
        pd.testing.assert_frame_equal(table, predict(undisturbed, films), check_exact=True)


def test_two_models_do_not_wait_for_each_other(learn):
    "While one is in use, another answers."
    other = deepcopy(learn.model)
    with evaluation_mode(learn.model):
        thread = threading.Thread(target=lambda: evaluation_mode(other).__enter__())
        thread.start()
        thread.join(timeout=20)
        assert not thread.is_alive()


def test_evaluation_mode_ends_with_an_error_too():
    model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.BatchNorm2d(3).eval())
    with pytest.raises(KeyError), evaluation_mode(model):
        raise KeyError
    assert [part.training for part in model.modules()] == [True, True, False]


def test_features_read_each_film_once(course, monkeypatch):
    "Whatever the number of sizes; and a batch does not change what is seen in a film."
    films = film_files(course / "val")
    real = Path.read_bytes
    read = []
    monkeypatch.setattr(Path, "read_bytes", lambda file: read.append(file) or real(file))
    found = features(films, sizes=(64, 96), blocks=2, bs=4)
    assert read == films
    assert [array.shape for array in found] == [(6, 256), (6, 512), (6, 256), (6, 512)]
    one_by_one = features([load_film(film) for film in films], sizes=(64, 96), blocks=2, bs=1)
    for array, other in zip(found, one_by_one, strict=True):
        np.testing.assert_allclose(array, other, atol=1e-5)


def test_the_embedded_learner_answers_at_once():
    "On the embedded validation films, none of which it has learned from."
    films = predict(embedded_learner(96), embedded_films() / "val")
    assert list(films["prediction"]) == list(films["truth"])


def test_the_embedded_learner_is_kept_and_taught_like_any_other(course, tmp_path):
    learn = embedded_learner(48)
    again = load_model(save_model(learn, tmp_path / "kept"))
    film = film_files(course)[:1]
    answers = [predict(model, film)["abd"].item() for model in (learn, again)]
    assert answers[0] == pytest.approx(answers[1], abs=1e-4)
    assert again.card["epochs"] is None  # of its films there is no list

    learn.dls = dataloaders(course, size=48, bs=4)
    fine_tune(learn, 1)
    card = load_model(save_model(learn, tmp_path / "taught")).card
    assert [card["films"], card["epochs"], card["last_layer"]] == [12, 1, 1]
    with pytest.raises(ValueError, match="from 32 to 1024"):
        embedded_learner(31)
