"The gate: what passes, what does not, and what a saved one keeps."

import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from rsna_cls import (
    BadFilm,
    BadFolder,
    BadModel,
    Gate,
    dataloaders,
    film_files,
    film_learner,
    film_tensor,
    load_film,
    load_model,
    predict,
    pretrained_resnet18,
    save_model,
    score,
    show_gate,
)


@pytest.fixture(scope="module")
def embedded():
    from rsna_cls import embedded_films

    return embedded_films()


@pytest.fixture(scope="module")
def gate(embedded):
    return Gate.fit(embedded)


@pytest.fixture(scope="module")
def real_gate(real):
    return Gate.fit(real)


def dicom(name):
    pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file

    return load_film(get_testdata_file(name))


def test_on_the_real_films(real, real_gate):
    "The test films and a chest from elsewhere pass; the elbow, a leg, and photographs do not."
    from sklearn.datasets import load_sample_images

    assert real_gate.accepts(real / "test").all()
    assert real_gate.accepts(dicom("RG1_UNCR.dcm")).all()
    strangers = [
        load_film(real / "elbow.png"),
        dicom("RG3_UNCR.dcm"),
        *(Image.fromarray(p) for p in load_sample_images().images),
    ]
    assert not real_gate.accepts(strangers).any()


def test_what_a_file_is_like_does_not_matter(gate, embedded, tmp_path):
    "16 bit, alpha and colour change nothing; black for white does."
    film = load_film(film_files(embedded / "test")[0])
    Image.fromarray(np.asarray(film).astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert np.ptp(gate.score([film, film.convert("RGBA"), film.convert("RGB")])) < 1e-6
    assert gate.accepts([film, tmp_path / "deep.png"]).all()
    assert not gate.accepts(Image.fromarray(255 - np.asarray(film))).any()


def test_it_is_the_distance_it_says(gate, embedded):
    "Against the definition, written out."
    films = film_files(embedded, recurse=False)[:3]
    net, parts = pretrained_resnet18("simulated")[0].eval(), []
    with torch.no_grad():
        for size in (96, 128, 160):
            x = film_tensor(films, size)
            x = net.layer2(net.layer1(net.maxpool(net.relu(net.bn1(net.conv1(x))))))
            for block in (net.layer3, net.layer4):
                x = block(x)
                parts.append(torch.nn.functional.normalize(x.mean((2, 3)), dim=1))
    points = torch.nn.functional.normalize(torch.cat(parts, 1), dim=1).numpy()
    far = np.sort(np.linalg.norm(points[:, None] - gate.known, axis=2), axis=1)[:, :3].mean(1)
    np.testing.assert_allclose(gate.score(films), far, atol=1e-4)


def test_any_classes_any_list(tmp_path, embedded):
    "Other names, three classes, a folder without val, a list of images: the classes play no part."
    path = tmp_path / "course"
    for name, films in {
        "lung": film_files(embedded / "train/chest")[:5],
        "belly": film_files(embedded / "train/abd")[:5],
        "hand": [embedded / "hand.png"],
    }.items():
        (path / "train" / name).mkdir(parents=True)
        for f in films:
            shutil.copy(f, path / "train" / name / f.name)
    first, second = Gate.fit(path), Gate.fit([load_film(f) for f in film_files(path / "train")])
    assert (
        first.limit == pytest.approx(second.limit, abs=1e-6)
        and set(first.kinds) == {"lung", "belly", "hand"}
        and set(second.kinds) == {"film"}
    )
    assert second.nearest(path / "train/hand/hand.png")["nearest"][0][0].startswith("film ")
    assert first.nearest(path / "train/hand/hand.png")["nearest"][0][0] == "hand/hand.png"


def test_bad_films_and_folders(tmp_path, gate):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="there are 0"):
        Gate.fit(tmp_path / "empty")
    with pytest.raises(BadFolder, match="is not a folder"):
        Gate.fit(tmp_path / "nowhere")
    (tmp_path / "note.png").write_text("not a film")
    for act in (
        gate.score,
        gate.accepts,
        gate.nearest,
        lambda f: show_gate(gate, f),
        lambda f: Gate.fit([f] * 5),
    ):
        with pytest.raises(BadFilm, match="not a film"):
            act(tmp_path / "note.png")


@pytest.mark.parametrize("name", ["m", "m.zip"])
def test_saved_with_the_model(gate, embedded, tmp_path, name):
    films = [*film_files(embedded / "test"), *film_files(embedded, recurse=False)]
    learn = film_learner(dataloaders(embedded, size=64))
    table = predict(learn, films, gate=gate)
    save_model(learn, tmp_path / name, gate=gate)
    again, model = Gate.load(tmp_path / name), load_model(tmp_path / name)
    there = predict(model, films, gate=again)
    assert list(there["accepted"]) == list(table["accepted"]) == [True] * 4 + [False] * 10
    np.testing.assert_allclose(there["stranger"], table["stranger"], atol=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (
        score(there, positive="chest").table.iloc[0]["n"] == 4
    )  # its columns are not taken for classes


def test_a_saved_gate_tells_no_names(gate, embedded, tmp_path):
    "Files and folders may be named after patients."
    films = [
        f.rename(f.with_name(f"doe_{f.name}"))
        for f in film_files(shutil.copytree(embedded, tmp_path / "doe"))
    ]
    loose = Gate.fit(films[:20])
    learn = film_learner(dataloaders(embedded, size=64))
    save_model(learn, tmp_path / "m.zip", gate=loose)
    for part in zipfile.ZipFile(tmp_path / "m.zip").namelist():
        assert b"doe" not in zipfile.ZipFile(tmp_path / "m.zip").read(part)


def test_class_folders_only(embedded, tmp_path):
    "In a course the kind is the class folder, however deep a film lies; elsewhere no folder is told, whatever it is called."
    some = film_files(embedded / "train/chest")[:5]
    for place in ("course/train/chest/doe", "folder/train/doe"):
        (tmp_path / place).mkdir(parents=True)
        for f in some:
            shutil.copy(f, tmp_path / place / f.name)
    assert set(Gate.fit(tmp_path / "course").kinds) == {"chest"}
    assert (
        set(Gate.fit(film_files(tmp_path / "folder")).kinds)
        == set(Gate.fit(tmp_path / "folder/train/doe").kinds)
        == {"film"}
    )


def test_a_loaded_model_saved_again_keeps_its_gate(gate, embedded, tmp_path):
    save_model(film_learner(dataloaders(embedded, size=64)), tmp_path / "a", gate=gate)
    again = Gate.load(save_model(load_model(tmp_path / "a"), tmp_path / "a"))
    assert (again.known == gate.known).all() and again.limit == gate.limit


@pytest.mark.parametrize(
    "bad, words",
    [
        (dict(k=0), "k must be"),
        (dict(k=2.5), "k must be"),
        (dict(k="three"), "k must be"),
        (dict(k=None), "k must be"),
        (dict(false_alarms="2%"), "between 0 and 1"),
        (dict(false_alarms=1), "between 0 and 1"),
        (dict(k=5), "more films than that; there are 5"),
    ],
)
def test_bad_choices(embedded, bad, words):
    with pytest.raises(ValueError, match=words):
        Gate.fit(film_files(embedded / "train")[:5], **bad)


def test_arrays_are_not_films(gate):
    for films in (np.zeros((9, 9)), [np.zeros((9, 9), np.uint8)]):
        with pytest.raises(ValueError, match="Image.fromarray"):
            gate.score(films)


def test_films_one_by_one(gate, embedded):
    "What yields films, such as Path.glob, is as good as a list of them."
    assert len(gate.score((embedded / "test/chest").glob("*.png"))) == 2


def test_a_gate_of_other_weights_is_refused(gate, embedded, tmp_path):
    learn = film_learner(dataloaders(embedded, size=64))
    save_model(learn, tmp_path / "m", gate=gate)
    card, tensors = (
        json.loads((tmp_path / "m/model.json").read_text()),
        load_file(tmp_path / "m/model.safetensors"),
    )
    (tmp_path / "m/model.json").write_text(
        json.dumps(card | {"gate": card["gate"] | {"weights": "0" * 16}})
    )
    with pytest.raises(BadModel, match="another version"):
        Gate.load(tmp_path / "m")
    (tmp_path / "m/model.json").write_text(json.dumps(card))
    for known in (
        tensors["gate.known"][:9],
        tensors["gate.known"] * 2,
        tensors["gate.known"] * float("nan"),
    ):
        save_file(tensors | {"gate.known": known.clone()}, tmp_path / "m/model.safetensors")
        with pytest.raises(BadModel, match="damaged"):
            Gate.load(tmp_path / "m")
    save_file(
        {k: v for k, v in tensors.items() if not k.startswith("gate.")},
        tmp_path / "m/model.safetensors",
    )
    with pytest.raises(BadModel, match="damaged"):
        Gate.load(tmp_path / "m")
    assert load_model(tmp_path / "m").dls.vocab == ["abd", "chest"]  # the model itself is whole


def test_pictures(gate, embedded):
    "One film, four, many; paths and images; a title of one's own."
    films = film_files(embedded, recurse=False)
    assert "elbow.png: refused" in show_gate(gate, embedded / "elbow.png").alt
    alt = show_gate(gate, [load_film(f) for f in films[:5]], ["an elbow"]).alt
    assert (
        alt.startswith("5 films") and "an elbow: refused" in alt and alt.count("film: refused") == 4
    )
