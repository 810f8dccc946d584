"The gate: what passes, what does not, and what a saved one keeps."

import dataclasses
import importlib
import json
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize

from rsna_cls import (
    KINDS,
    BadFilm,
    BadFolder,
    BadModel,
    Gate,
    dataloaders,
    embedded_films,
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
    simulate_film,
)
from rsna_cls.survey import without_border

gate_room = importlib.import_module("rsna_cls.gate")  # to look behind `Gate`, and to patch it
pytestmark = pytest.mark.slow(seconds=40)


@pytest.fixture(scope="module")
def embedded():
    "The course folder of the embedded films."
    return embedded_films()


@pytest.fixture(scope="module")
def gate(embedded):
    "A gate that knows the embedded films."
    return Gate.fit(embedded)


@pytest.fixture(scope="module")
def real_gate(real):
    "A gate that knows the real films."
    return Gate.fit(real)


@pytest.fixture(scope="module")
def learn(embedded):
    "A learner to be saved beside a gate."
    return film_learner(dataloaders(embedded, size=64))


def dicom(name):
    "A film that comes with pydicom."
    pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file

    return load_film(get_testdata_file(name))


def rewrite_gate_card(model, gate_card):
    "Let a saved model's card say something else about its gate."
    file = model / "model.json"
    card = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(card | {"gate": gate_card}), encoding="utf-8")
    forget_copy(model)


def forget_copy(model):
    "Write a saved model's tensors as earlier versions did, without a copy of the card."
    file = model / "model.safetensors"
    save_file(load_file(file), file)


def copy_films(films, folder):
    "Put copies of some films into a new folder."
    folder.mkdir(parents=True)
    for film in films:
        shutil.copy(film, folder / film.name)


# --- what passes ----------------------------------------------------------------------------------


def test_on_the_real_films(real, real_gate):
    "The test films and a chest from elsewhere pass; the elbow, a leg, and photographs do not."
    from sklearn.datasets import load_sample_images

    assert real_gate.accepts(real / "test").all()
    assert real_gate.accepts(dicom("RG1_UNCR.dcm")).all()
    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    strangers = [load_film(real / "elbow.png"), dicom("RG3_UNCR.dcm"), *photographs]
    assert not real_gate.accepts(strangers).any()


def test_what_a_file_is_like_does_not_matter(gate, embedded, tmp_path):
    "16 bit, alpha and colour change nothing; black for white does."
    film = load_film(film_files(embedded / "test")[0])
    deep = tmp_path / "deep.png"
    Image.fromarray(np.asarray(film).astype(np.uint16) * 257).save(deep)
    assert np.ptp(gate.score([film, film.convert("RGBA"), film.convert("RGB")])) < 1e-6
    assert gate.accepts([film, deep]).all()
    assert not gate.accepts(Image.fromarray(255 - np.asarray(film))).any()


def test_it_is_the_distance_it_says(gate, embedded):
    "Against the definition, written out."
    films = film_files(embedded, recurse=False)[:3]
    plain = [ImageOps.autocontrast(without_border(load_film(film)), cutoff=1) for film in films]
    net = pretrained_resnet18("simulated").eval()
    averages = []
    with torch.no_grad():
        for size in (96, 128, 160):
            x = film_tensor(plain, size)
            x = net.layer2(net.layer1(net.maxpool(net.relu(net.bn1(net.conv1(x))))))
            for block in (net.layer3, net.layer4):
                x = block(x)
                averages.append(normalize(x.mean((2, 3)), dim=1))
    points = normalize(torch.cat(averages, 1), dim=1).numpy()

    kinds = load_file(gate_room.OTHER_POINTS)
    others = torch.cat([of_kind for kind, of_kind in kinds.items() if kind not in ("chest", "abd")])
    means = []
    for known in (gate.known, others.numpy()):
        distances = np.linalg.norm(points[:, None] - known, axis=2)
        means.append(np.sort(distances, axis=1)[:, :3].mean(axis=1))
    of_training, of_others = means
    np.testing.assert_allclose(gate.score(films), of_training - of_others, atol=1e-4)


def test_what_else_there_is(gate):
    "Every kind that the simulator knows, and pictures; a gate's own kinds are not held against it."
    kinds = load_file(gate_room.OTHER_POINTS)
    assert set(kinds) == {*KINDS, gate_room.PICTURES}
    assert {len(kinds[kind]) for kind in KINDS} == {25}
    assert list(gate.own_kinds) == ["abd", "chest"]
    assert not {"abd", "chest"} & set(gate._others.kinds)


def test_the_other_points_are_those_of_these_weights():
    "As `make_other_points` makes them: the first film of a kind, and the first picture."
    pretrain_room = importlib.import_module("rsna_cls.pretrain")
    kept = load_file(gate_room.OTHER_POINTS)
    films = {
        "skull": simulate_film("skull", 2_000_000, 192).image,
        gate_room.PICTURES: pretrain_room._drawn_pictures()[0],
    }
    for kind, film in films.items():
        (point,) = gate_room.film_points(film)
        assert np.linalg.norm(point - kept[kind][0].float().numpy()) < 2e-3


def test_a_gate_of_other_parts_of_the_body(embedded):
    "Of hands and feet: hands pass, and chests and abdomens are something else."
    films = [simulate_film(kind, 300 + i, 128).image for kind in ("hand", "foot") for i in range(8)]
    gate = Gate.fit(films)
    assert {"foot", "hand"} <= set(gate.own_kinds)
    assert gate.accepts([simulate_film("hand", 400, 128).image]).all()
    assert not gate.accepts(embedded / "test").any()
    assert set(gate.nearest(embedded / "test")["other"]) <= {"chest", "abd", "lateral_spine"}


def test_one_odd_film_does_not_make_a_gate_wide(embedded):
    "One hand among 24 training films moves no limit; among films somebody chose, it does."
    chests = film_files(embedded / "train/chest")
    odd = Gate.fit([*chests[:11], *film_files(embedded / "train/abd")[:12], embedded / "hand.png"])
    assert odd.limit == 0
    assert (odd.behind, odd.beyond) == (24, 1)
    new = [simulate_film("chest", 800 + i, 96).image for i in range(29)]
    assert odd.recalibrate([*new, simulate_film("foot", 800, 96).image]).limit > 0.1


def test_a_border_and_greys_do_not_matter(gate, embedded):
    "A chest in a black frame, with less contrast, darker: nearly the same value."
    film = load_film(film_files(embedded / "test/chest")[0])
    framed = ImageOps.expand(film, 40, fill=0)
    pale = Image.fromarray((np.asarray(film) * 0.4 + 60).astype(np.uint8))
    plain, *changed = gate.score([film, framed, pale])
    np.testing.assert_allclose(changed, plain, atol=0.03)


def test_recalibrated(gate, embedded):
    "The limit is that of the films given; the training films stay what they were."
    hands = [simulate_film("hand", 500 + i, 96).image for i in range(30)]
    again = gate.recalibrate(hands)
    assert again.accepts(hands).all()
    assert again.limit == pytest.approx(gate.score(hands).max() + gate_room._ROUNDING, abs=1e-6)
    assert (again.behind, again.beyond) == (30, 0)
    assert (again.known == gate.known).all()
    assert not gate.accepts(hands).any()  # the first gate is as it was
    strict = gate.recalibrate(hands, false_alarms=0.5)
    assert 0.3 < strict.accepts(hands).mean() < 0.7
    assert (strict.behind, strict.beyond) == (30, int((~strict.accepts(hands)).sum()))

    chests = [simulate_film("chest", 600 + i, 96).image for i in range(30)]
    assert gate.recalibrate(chests).limit == 0  # 0 is for everyone, if nobody asks for less
    with pytest.raises(ValueError, match="30 films or more, and these are 29"):
        gate.recalibrate(hands[:29])
    with pytest.raises(BadFolder, match="is not a folder"):
        gate.recalibrate(embedded / "nowhere")
    with pytest.raises(ValueError, match="65 of these films are among those"):
        gate.recalibrate(embedded)  # a course's training and validation films
    with pytest.raises(ValueError, match="false_alarms must lie"):
        gate.recalibrate(hands, false_alarms=3)


def test_it_says_how_many_films_are_behind_the_limit(embedded):
    assert "Of 75 films that should pass it refuses 0 (0% to 5%)" in repr(Gate.fit(embedded))
    strict = Gate.fit(embedded, false_alarms=0.2)
    assert strict.behind == 75
    assert 10 <= strict.beyond <= 20
    assert repr(strict).endswith(f"it refuses {strict.beyond}")  # its own choice has no interval


def test_films_from_a_generator(gate, embedded):
    "What yields films, such as Path.glob, is as good as a list of them."
    assert len(gate.score((embedded / "test/chest").glob("*.png"))) == 2


def test_the_training_films_are_searched_through_one_search(gate, embedded, monkeypatch):
    "It is made once for a gate, not for each question; another k is heard all the same."
    made = []

    def counted(known):
        made.append(known)
        return search_among(known)

    search_among = gate_room._search_among
    monkeypatch.setattr(gate_room, "_search_among", counted)
    new_gate = dataclasses.replace(gate)
    elbow = embedded / "elbow.png"
    for _ in range(3):
        new_gate.score(elbow)
    assert len(made) == 3  # upright, at the size at which films are turned, and among the others
    new_gate.k = 1
    assert new_gate.score(elbow) != gate.score(elbow)


def test_the_film_that_sets_the_limit_passes(embedded, tmp_path, monkeypatch):
    "With few films the limit is one film's own value, which may change in its last digits."
    for label in ("abd", "chest"):
        copy_films(film_files(embedded / "train" / label)[:3], tmp_path / "train" / label)
    copy_films([embedded / "hand.png", embedded / "elbow.png"], tmp_path / "val/chest")
    few = Gate.fit(tmp_path, false_alarms=0.02)
    validation = film_files(tmp_path / "val")
    strangers = few.score(validation)
    # One of them sets the limit.
    assert few.limit == pytest.approx(strangers.max() + gate_room._ROUNDING, abs=1e-5)
    for film in validation:
        assert few.accepts(film).all()

    points_of = gate_room._points_of_plain
    for change in (3e-5, -3e-5):
        factor = np.float32(1 + change)

        def moved(films, *sizes, by=factor):
            return points_of(films, *sizes) * by

        monkeypatch.setattr(gate_room, "_points_of_plain", moved)
        assert (few.score(validation) != strangers).all()
        assert few.accepts(validation).all()


# --- what it is fitted on -------------------------------------------------------------------------


def test_any_classes_any_list(tmp_path, embedded):
    "Other names, three classes, a folder without val, a list of images: the classes play no part."
    path = tmp_path / "course"
    copy_films(film_files(embedded / "train/chest")[:5], path / "train/lung")
    copy_films(film_files(embedded / "train/abd")[:5], path / "train/belly")
    copy_films([embedded / "hand.png"], path / "train/hand")
    of_folder = Gate.fit(path, false_alarms=0.02)
    images = [load_film(film) for film in film_files(path / "train")]
    of_images = Gate.fit(images, false_alarms=0.02)
    assert of_folder.limit == pytest.approx(of_images.limit, abs=1e-6)
    assert set(of_folder.labels) == {"lung", "belly", "hand"}
    assert set(of_images.labels) == {"film"}

    hand = path / "train/hand/hand.png"
    assert of_folder.nearest(hand)["nearest"][0][0] == "hand/hand.png"
    assert of_images.nearest(hand)["nearest"][0][0].startswith("film ")


def test_class_folders_only(embedded, tmp_path):
    "In a course the class folder, however deep a film lies, is told; elsewhere no folder is."
    chests = film_files(embedded / "train/chest")[:5]
    copy_films(chests, tmp_path / "course/train/chest/doe")
    copy_films(chests, tmp_path / "course/train/abd")
    assert set(Gate.fit(tmp_path / "course").labels) == {"abd", "chest"}

    copy_films(chests, tmp_path / "folder/train/doe")
    for films in (film_files(tmp_path / "folder"), tmp_path / "folder/train/doe"):
        assert set(Gate.fit(films).labels) == {"film"}


@pytest.mark.parametrize("has_validation", [True, False])
def test_one_class_will_do(embedded, tmp_path, has_validation):
    "It is no course, but a gate needs no classes: it takes the films of train/ and val/."
    chests = film_files(embedded / "train/chest")
    copy_films(chests[:5], tmp_path / "train/doe")
    validation = film_files(embedded / "val/chest")
    if has_validation:
        copy_films(validation, tmp_path / "val/doe")
    copy_films(film_files(embedded / "test/chest"), tmp_path / "test/doe")
    shutil.copy(embedded / "hand.png", tmp_path / "hand.png")  # a surprise

    of_folder = Gate.fit(tmp_path, false_alarms=0.02)
    assert of_folder.films == film_files(tmp_path / "train")
    assert set(of_folder.labels) == {"film"}  # the folder may bear a patient's name
    views = gate_room._views(of_folder.films)
    strangers = of_folder._seen(views, are_known=True).stranger
    if has_validation:
        strangers = np.concatenate([strangers, of_folder.score(validation)])
    assert of_folder.limit == pytest.approx(strangers.max() + gate_room._ROUNDING, abs=1e-5)


def test_loose_films_in_a_split_are_passed_over(embedded, tmp_path):
    "Who takes a course folder goes by the same rules: a film in no class is no training film."
    copy_films(film_files(embedded / "train/chest")[:5], tmp_path / "train/chest")
    copy_films(film_files(embedded / "train/abd")[:5], tmp_path / "train/abd")
    before = Gate.fit(tmp_path)
    for folder in ("train", "."):
        shutil.copy(embedded / "hand.png", tmp_path / folder / "hand.png")
    after = Gate.fit(tmp_path)
    assert after.films == before.films
    assert after.limit == before.limit


@pytest.mark.parametrize(
    "bad, words",
    [
        (dict(k=0), "k must be"),
        (dict(k=2.5), "k must be"),
        (dict(k="three"), "k must be"),
        (dict(k=None), "k must be"),
        (dict(false_alarms="2%"), "between 0 and 1"),
        (dict(false_alarms=1), "between 0 and 1"),
        (dict(false_alarms=[0.1]), "between 0 and 1"),
        (dict(k=5), "more films than that; there are 5"),
    ],
)
def test_bad_choices(embedded, bad, words):
    with pytest.raises(ValueError, match=words):
        Gate.fit(film_files(embedded / "train")[:5], **bad)


def test_bad_films_and_folders(tmp_path, gate):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="there are 0"):
        Gate.fit(tmp_path / "empty")
    with pytest.raises(BadFolder, match="is not a folder"):
        Gate.fit(tmp_path / "nowhere")

    note = tmp_path / "note.png"
    note.write_text("not a film", encoding="utf-8")
    with pytest.raises(BadFilm, match="not a film"):
        Gate.fit([note] * 5)
    for ask in (gate.score, gate.accepts, gate.nearest):
        with pytest.raises(BadFilm, match="not a film"):
            ask(note)
    with pytest.raises(BadFilm, match="not a film"):
        show_gate(gate, note)


def test_arrays_are_films(gate, embedded):
    "An array goes by the rules of a file; what cannot be a film is refused."
    film = load_film(embedded / "hand.png")
    greys = np.asarray(film)
    for films in (greys, [greys]):
        np.testing.assert_allclose(gate.score(films), gate.score(film), atol=1e-6)
    with pytest.raises(BadFilm):
        gate.score(np.zeros((2, 9, 9, 9)))


# --- what a saved one keeps -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["m", "m.zip"])
def test_saved_with_the_model(gate, learn, embedded, tmp_path, name):
    films = [*film_files(embedded / "test"), *film_files(embedded, recurse=False)]
    table = predict(learn, films, gate=gate)
    assert list(table["accepted"]) == [True] * 4 + [False] * 10

    save_model(learn, tmp_path / name, gate=gate)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    loaded_gate = Gate.load(tmp_path / name)
    loaded_table = predict(load_model(tmp_path / name), films, gate=loaded_gate)
    assert list(loaded_table["accepted"]) == list(table["accepted"])
    np.testing.assert_allclose(loaded_table["stranger"], table["stranger"], atol=1e-5)

    # the gate's columns are not taken for classes
    assert score(loaded_table, positive="chest").table.iloc[0]["n"] == 4


def test_a_saved_gate_tells_no_names(learn, embedded, tmp_path):
    "Files and folders may be named after patients."
    copies = film_files(shutil.copytree(embedded, tmp_path / "doe"))
    films = [file.rename(file.with_name(f"doe_{file.name}")) for file in copies]
    save_model(learn, tmp_path / "m.zip", gate=Gate.fit(films[:20]))
    saved = zipfile.ZipFile(tmp_path / "m.zip")
    for part in saved.namelist():
        assert b"doe" not in saved.read(part)


def test_what_is_written_on_its_card_changes_no_gate(gate):
    labels = list(gate.labels)
    gate.card()["kinds"].clear()
    assert gate.labels == labels


def test_a_loaded_model_saved_again_keeps_its_gate(gate, learn, tmp_path):
    save_model(learn, tmp_path / "a", gate=gate)
    again = Gate.load(save_model(load_model(tmp_path / "a"), tmp_path / "a"))
    assert (again.known == gate.known).all()
    assert again.limit == gate.limit


@pytest.mark.parametrize(
    "change, length",
    [
        (dict(weights="0" * 16), 2304),
        (dict(others="0" * 16), 2304),
        (dict(sizes=[96, 128, 160, 192]), 4 * 768),
        (dict(blocks=1), 3 * 512),
    ],
)
def test_a_gate_of_another_version_is_refused(gate, learn, tmp_path, change, length):
    "Other weights, sizes or blocks: its points may be of another length, and are not damaged."
    save_model(learn, tmp_path / "m", gate=gate)
    rewrite_gate_card(tmp_path / "m", gate.card() | change)
    file = tmp_path / "m/model.safetensors"
    tensors = load_file(file)
    n = len(gate.known)
    tensors["gate.known"] = normalize(torch.ones(n, length), dim=1).half()
    save_file(tensors, file)
    with pytest.raises(BadModel, match="another version"):
        Gate.load(tmp_path / "m")


def damaged_points(points):
    "A gate's points as no gate could have made them; None: they are gone."
    return {
        "too few": points[:9],
        "too long": points * 2,
        "not numbers": points * float("nan"),
        "too short a row": points[:, :9],
        "gone": None,
    }


def test_a_damaged_gate_is_refused(gate, learn, tmp_path):
    save_model(learn, tmp_path / "m", gate=gate)
    file = tmp_path / "m/model.safetensors"
    tensors = load_file(file)
    points = tensors.pop("gate.known")
    for known in damaged_points(points).values():
        added = {} if known is None else {"gate.known": known.clone()}
        save_file(tensors | added, file)
        with pytest.raises(BadModel, match="damaged"):
            Gate.load(tmp_path / "m")
    assert load_model(tmp_path / "m").dls.vocab == ["abd", "chest"]  # the model itself is whole


@pytest.mark.parametrize("gate_card", ["a gate", ["abd"], 3, {"limit": 0.4}])
def test_a_card_that_is_no_card_is_refused(gate, learn, tmp_path, gate_card):
    save_model(learn, tmp_path / "m", gate=gate)
    rewrite_gate_card(tmp_path / "m", gate_card)
    with pytest.raises(BadModel, match="damaged"):
        Gate.load(tmp_path / "m")


# --- its reason, in pictures ----------------------------------------------------------------------


def test_pictures(gate, embedded):
    "One film, four, many; paths and images; a title of one's own."
    assert "elbow.png: refused" in show_gate(gate, embedded / "elbow.png").alt
    images = [load_film(film) for film in film_files(embedded, recurse=False)[:5]]
    alt = show_gate(gate, images, ["an elbow"]).alt
    assert alt.startswith("5 films")
    assert "an elbow: refused" in alt
    assert alt.count("film: refused") == 4


def test_a_picture_reads_each_film_once(gate, embedded, monkeypatch):
    read = []
    film = embedded / "elbow.png"

    def counted(path):
        read.append(path)
        return load_film(path)

    monkeypatch.setattr("rsna_cls.film.load_film", counted)
    show_gate(gate, film)
    assert read.count(film) == 1


# --- films that are given in other ways ----------------------------------------------------------


def save_deep(film, file):
    pixels = np.asarray(film).astype(np.uint16) * 200 + 77
    Image.fromarray(pixels).save(file.with_suffix(".png"))
    return pixels, file.with_suffix(".png")


def save_fractions(film, file):
    pixels = np.asarray(film).astype(np.float32) / 300
    Image.fromarray(pixels).save(file.with_suffix(".tif"))
    return pixels, file.with_suffix(".tif")


def save_alpha(film, file):
    image = film.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(film.size))
    image.save(file.with_suffix(".png"))
    return np.asarray(image), file.with_suffix(".png")


def save_turned(film, file):
    turn = Image.Exif()
    turn[0x0112] = 6
    film.save(file.with_suffix(".jpg"), exif=turn)
    return np.rot90(np.asarray(Image.open(file.with_suffix(".jpg"))), -1), file.with_suffix(".jpg")


@pytest.mark.parametrize("save", [save_deep, save_fractions, save_alpha, save_turned])
def test_path_image_and_array_score_the_same(gate, embedded, tmp_path, save):
    "16 bit, fractions, alpha, EXIF: a film is one film, however it is given."
    array, file = save(load_film(embedded / "elbow.png"), tmp_path / "film")
    with Image.open(file) as image:
        scores = [gate.score(film)[0] for film in (file, str(file), image, array)]
    np.testing.assert_allclose(scores, scores[0], atol=1e-5)


def test_a_film_alone_scores_as_among_others(gate, embedded):
    films = film_files(embedded / "test")
    together = gate.score(films)
    np.testing.assert_allclose([gate.score(film)[0] for film in films], together, atol=1e-5)


def test_what_a_gate_may_be_fitted_on(embedded):
    "A list, a generator, arrays, images."
    films = film_files(embedded / "train/chest")[:6]
    arrays = [np.asarray(load_film(film)) for film in films]
    limit = Gate.fit(films, 0.02).limit
    for given in (iter(films), tuple(films), arrays, [load_film(film) for film in films]):
        assert Gate.fit(given, np.float32(0.02), np.int64(3)).limit == pytest.approx(
            limit, abs=1e-5
        )


def test_one_film_many_times_is_no_training_set(embedded):
    films = film_files(embedded / "train/chest")
    with pytest.raises(ValueError, match="more different films than that; these are 2"):
        Gate.fit([films[0], films[1]] * 3)
    assert (
        len(Gate.fit([films[0], *films[:5]]).known) == 6
    )  # a film that is there twice does no harm


def test_a_bad_film_among_good_ones_is_named(embedded, tmp_path):
    films = film_files(embedded / "train/chest")[:5]
    bad = tmp_path / "bad.png"
    bad.write_bytes(films[0].read_bytes()[:500])
    with pytest.raises(BadFilm, match=r"bad\.png"):
        Gate.fit([*films, bad])


def test_what_is_no_set_of_films(gate, embedded, tmp_path):
    "One file, an archive, a number, a learner that is none: in words."
    film = embedded / "elbow.png"
    with pytest.raises(BadFolder, match="not a folder but a file"):
        Gate.fit(film)
    for given in (None, 3, gate):
        with pytest.raises(ValueError, match="films must be"):
            Gate.fit(given)
    with pytest.raises(ValueError, match="false_alarms must lie"):
        Gate.fit(0.02, [film])
    for given in (True, film, None):
        with pytest.raises(ValueError, match="show_gate takes a gate first"):
            show_gate(given, film)


def test_a_course_s_rules_hold(embedded, tmp_path, capsys):
    "`valid/` is refused, a reserved name too, and what is left out is said."
    path = tmp_path / "course"
    copy_films(film_files(embedded / "train/chest")[:4], path / "train/chest")
    copy_films(film_files(embedded / "train/abd")[:4], path / "train/abd")
    (path / "train/abd/notes.txt").write_text("nothing", encoding="utf-8")
    Gate.fit(path)
    assert "notes.txt" in capsys.readouterr().out
    copy_films(film_files(embedded / "val/abd"), path / "valid/abd")
    with pytest.raises(BadFolder, match="valid/"):
        Gate.fit(path)
    shutil.rmtree(path / "valid")
    (path / "train/abd").rename(path / "train/file")
    with pytest.raises(BadFolder, match="cannot be called 'file'"):
        Gate.fit(path)


@pytest.mark.parametrize(
    "titles", [["$a_{", "<b>\n\x07"], np.array(["a", "b"]), [1, 2], iter("ab")]
)
def test_any_titles(gate, embedded, titles):
    shown = show_gate(gate, film_files(embedded / "test/chest"), titles)
    assert shown.alt.startswith("2 films before the gate")


# --- a saved gate is as good as the one that was fitted ------------------------------------------

ASK = """
import json, sys
from rsna_cls import Gate, film_files
print(json.dumps(Gate.load(sys.argv[1]).score(film_files(sys.argv[2])).tolist()))
"""


def test_the_same_answers_in_another_process(gate, learn, embedded, tmp_path):
    "One that never saw the training films."
    model = save_model(learn, tmp_path / "m.zip", gate=gate)
    films = embedded / "test"
    command = [sys.executable, "-c", ASK, str(model), str(films)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    np.testing.assert_allclose(json.loads(told.splitlines()[-1]), gate.score(films), atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        dict(limit=float("nan")),
        dict(limit=True),
        dict(limit="0.4"),
        dict(limit=-2.1),
        dict(k=True),
        dict(k=65),
        dict(k=3.0),
        dict(kinds="abd"),
        dict(kinds=[1] * 65),
        dict(kinds=["abd"] * 64),
        dict(own_kinds=["cat"]),
        dict(own_kinds="abd"),
        dict(behind=-1),
        dict(beyond=76),
        dict(beyond=None),
    ],
    ids=str,
)
def test_a_card_that_lies_is_refused(gate, learn, tmp_path, change):
    save_model(learn, tmp_path / "m", gate=gate)
    rewrite_gate_card(tmp_path / "m", gate.card() | change)
    with pytest.raises(BadModel, match="damaged|NaN is no number"):
        Gate.load(tmp_path / "m")


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.int8, torch.complex64])
def test_points_of_another_kind_are_refused(gate, kind):
    "A gate keeps half precision; points that were changed are not these films'."
    points = torch.zeros(65, gate.known.shape[1])
    points[:, 0] = 1
    assert gate_room._saved_points({"gate.known": points.half()}) is not None
    assert gate_room._saved_points({"gate.known": points.to(kind)}) is None


def test_eight_threads_say_what_one_says(gate, embedded):
    films = [*film_files(embedded / "test"), *film_files(embedded, recurse=False)[:4]]
    one_by_one = [gate.score(film)[0] for film in films]
    new_gate = dataclasses.replace(gate)  # its search is not made yet
    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(lambda film: new_gate.score(film)[0], films * 2))
    np.testing.assert_allclose(at_once, one_by_one * 2, atol=1e-5)
