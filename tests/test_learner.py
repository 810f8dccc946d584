"Weights from every place they may come from, and what the embedded network sees."

import hashlib
import http.server
import importlib
import pickle
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import resnet18

from rsna_cls import (
    EMBEDDED_WEIGHTS,
    KINDS,
    BadModel,
    FetchError,
    dataloaders,
    evaluation_mode,
    features,
    film_files,
    film_learner,
    load_film,
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
    monkeypatch.setattr(learner, "IMAGENET", f"https://download.example/models/{file.name}")
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
    monkeypatch.setattr(learner, "IMAGENET", f"http://127.0.0.1:{server.server_port}/{file.name}")
    learn = film_learner(dls, "imagenet")
    server.shutdown()
    server.server_close()
    assert (hub / file.name).exists()
    assert torch.equal(learn.model[0][0].weight.cpu(), network.conv1.weight)


def test_the_embedded_weights():
    "A ResNet18 whose last layer knows each kind, and details of one; small enough for a wheel."
    state = load_file(EMBEDDED_WEIGHTS)
    assert EMBEDDED_WEIGHTS.stat().st_size < 25e6
    wanted = {
        name: tensor.shape
        for name, tensor in resnet18(num_classes=len(KINDS) + 1).state_dict().items()
        if "num_batches" not in name
    }
    assert {name: tensor.shape for name, tensor in state.items()} == wanted
    assert all(torch.isfinite(tensor).all() for tensor in state.values())


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
