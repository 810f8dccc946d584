"Films on their way into a network: which are trained on, and what reaches the model."

import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from fastai.vision.all import (
    PILImage,
    Pipeline,
    Resize,
    ResizeMethod,
    Rotate,
    TensorImage,
    aug_transforms,
)
from PIL import Image
from torch import nn

from conftest import RAMP, make_dicom, make_link, write_course
from rsna_cls import (
    BadFilm,
    Course,
    check_batch,
    class_names,
    dataloaders,
    empty_dataloaders,
    film_batches,
    film_files,
    film_learner,
    film_tensor,
    film_tfms,
    label_of,
    load_film,
    load_model,
    loaders,
    read_in_batches,
    save_model,
    summary,
    torch_model,
)


def write_films_of_every_kind(folder):
    "A colour film, one with transparency, one of 16 bits, a turned JPEG and a DICOM file."
    ramp = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
    one_grey_a_row = np.tile(np.arange(200, dtype=np.uint8)[:100, None] // 2, (1, 200))
    Image.fromarray(np.dstack([ramp, one_grey_a_row, 255 - ramp])).save(folder / "colour.png")
    Image.fromarray(np.dstack([ramp, ramp, ramp, 255 - ramp])).save(folder / "alpha.png")
    Image.fromarray(ramp.astype(np.uint16) * 250).save(folder / "deep.png")
    orientation = Image.Exif()
    orientation[0x0112] = 6  # to be turned by a quarter
    Image.fromarray(ramp).save(folder / "turned.jpg", exif=orientation)
    make_dicom(folder / "film.dcm", RAMP, PhotometricInterpretation="MONOCHROME1")
    names = ["colour.png", "alpha.png", "deep.png", "turned.jpg", "film.dcm"]
    return [folder / name for name in names]


@pytest.mark.parametrize("reload", [False, True])
def test_every_kind_of_film_reaches_the_model_as_it_was_read(tmp_path, course, reload):
    "Predictions and maps see what load_film gives, also after saving and loading the model."
    learn = film_learner(dataloaders(course, size=64, bs=4))
    if reload:
        learn = load_model(save_model(learn, tmp_path / "m"))
    files = write_films_of_every_kind(tmp_path)
    want = film_tensor(files, 64)
    for films in (files, [load_film(file) for file in files]):
        assert torch.allclose(next(film_batches(learn, films)).cpu(), want, atol=1e-5)
    with pytest.raises(BadFilm):
        next(film_batches(learn, tmp_path / "gone.png"))


def test_real_films_reach_the_model_as_in_validation(real):
    learn = film_learner(dataloaders(real, size=64, bs=16))
    seen = learn.dls.valid.one_batch()[0]
    batch = next(film_batches(learn, list(learn.dls.valid_ds.items)))
    assert torch.allclose(batch, seen, atol=1e-5)


def test_what_is_trained_on(tmp_path):
    "Patients' folders and linked classes are in, strays are out; `summary` counts likewise."
    path = write_course(tmp_path / "c")
    film = path / "train/chest/chest0.png"
    for name in ("train/chest/patient3/x.png", "backup/train/chest/y.png", "train/z.png"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(film.read_bytes())
    (path / "train/abd").rename(tmp_path / "elsewhere")
    make_link(path / "train/abd", tmp_path / "elsewhere")

    dls = dataloaders(path, size=32, bs=4)
    labels = [dls.vocab[y] for y in dls.train_ds.tls[1]]
    assert labels.count("chest") == 7
    assert labels.count("abd") == 6
    table = summary(path).set_index(["split", "class"])["films"]
    assert table["train", "chest"] == 7
    assert table["train", "abd"] == 6
    assert label_of(path / "train/chest/patient3/x.png", dls.vocab) == "chest"
    assert label_of(path / "elbow.png", dls.vocab) is None


def test_all_films_of_a_course_are_trained_on_and_no_other(tmp_path, capsys):
    "Whatever their names and depth; what is left out is said."
    path = write_course(tmp_path / "c")
    film = (path / "train/chest/chest0.png").read_bytes()
    for name in ("IM0001", "1.2.840.113619.2", "x.bin", "p/q/X.PNG", "abd/1.png", "__x/1.png"):
        (path / "train/chest" / name).parent.mkdir(parents=True, exist_ok=True)
        (path / "train/chest" / name).write_bytes(film)
    (tmp_path / "patient").mkdir()
    (tmp_path / "patient/1.png").write_bytes(film)
    make_link(path / "val/abd/linked", tmp_path / "patient")
    (path / "val/abd/notes.txt").write_text("no film", encoding="utf-8")

    dls = dataloaders(path, size=32, bs=4)
    course = Course(path)
    assert list(dls.train_ds.items) == course.films("train")
    assert list(dls.valid_ds.items) == course.films("val")
    assert len(dls.train_ds) == 18
    assert len(dls.valid_ds) == 7
    assert capsys.readouterr().out == "Left out: 1 file is no film (notes.txt in val/abd).\n"
    for films, part in ((course.films("train"), dls.train_ds), (course.films("val"), dls.valid_ds)):
        assert [dls.vocab[y] for y in part.tls[1]] == [course.label(film) for film in films]


def test_nothing_is_said_where_nothing_is_left_out(course, capsys):
    dataloaders(course, size=32, bs=4)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("names", [("0", "1"), ("10", "9"), ("True", "False"), ("$a_1$", "{<é>}")])
def test_class_names_stay_the_text_they_are(tmp_path, names):
    "In the order of the course's classes, which is that of text and not of numbers."
    path = write_course(tmp_path)
    for old, new in zip(("abd", "chest"), names, strict=True):
        for split in ("train", "val", "test"):
            (path / split / old).rename(path / split / new)
    dls = dataloaders(path, size=32, bs=4)
    assert list(dls.vocab) == Course(path).classes == sorted(names)
    assert all(type(name) is str for name in dls.vocab)
    truths = [dls.vocab[y] for y in dls.train_ds.tls[1]]
    assert truths == [film.parent.name for film in dls.train_ds.items]


def test_a_film_that_turns_out_to_be_bad_is_named_in_training(tmp_path):
    path = write_course(tmp_path)
    (path / "train/chest/chest3.png").write_bytes(b"no film")
    dls = dataloaders(path, size=32, bs=4)
    with pytest.raises(BadFilm, match="train/chest/chest3.png: not a film"):
        list(dls.train)


@pytest.mark.parametrize("number", [int, float, np.int64, np.float32, np.array, torch.tensor])
def test_numbers_of_any_kind_will_do(course, number):
    dls = dataloaders(course, size=number(32), bs=number(4), seed=number(1))
    assert dls.train.get_idxs() == dataloaders(course, size=32, bs=4, seed=1).train.get_idxs()
    x, _ = dls.one_batch()
    assert x.shape == (4, 3, 32, 32)


@pytest.mark.parametrize(
    "wrong", [None, "32", 32.5, float("nan"), float("inf"), [32, 32], True, -3]
)
@pytest.mark.parametrize("name", ["size", "bs", "seed"])
def test_numbers_that_are_none_are_refused_in_words(course, name, wrong):
    with pytest.raises(ValueError, match=f"{name} must be a whole number from"):
        dataloaders(course, **{name: wrong})


@pytest.mark.parametrize("tfms", [5, "flip", [1]])
def test_transforms_that_are_none_are_refused_in_words(course, tfms):
    with pytest.raises(ValueError, match="tfms must be fastai transforms"):
        dataloaders(course, tfms)


@pytest.mark.parametrize(
    "tfms, words",
    [
        (film_tfms, ": write film_tfms()"),
        ([aug_transforms], "write aug_transforms()"),
        (lambda: 1, "<lambda>"),
    ],
)
def test_transforms_that_lack_their_brackets_are_refused(course, tfms, words):
    "fastai takes them, and never applies them: no film would be augmented."
    with pytest.raises(ValueError, match=re.escape(words)):
        dataloaders(course, tfms)


@pytest.mark.parametrize("tfms", [[Rotate], Pipeline(film_tfms()), [lambda batch=None: batch]])
def test_what_fastai_takes_for_transforms(course, tfms):
    dataloaders(course, tfms, size=64, bs=4).train.one_batch()


def test_a_function_on_a_batch_is_a_transform(course):
    def darken(batch: TensorImage):
        return batch - 1

    plain = dataloaders(course, size=64, bs=4).valid.one_batch()[0]
    darker = dataloaders(course, darken, size=64, bs=4).valid.one_batch()[0]
    assert not torch.allclose(plain, darker)


@pytest.mark.parametrize(
    "batch, channels, words",
    [
        (torch.zeros(3, 9, 9), None, r"must have the shape \(n, channels, h, w\), not \(3, 9, 9\)"),
        (torch.zeros(2, 1, 9, 9), 3, r"must have the shape \(n, 3, h, w\), not \(2, 1, 9, 9\)"),
        (torch.zeros(0, 3, 9, 9), 3, "no films here"),
        (torch.zeros(2, 3, 9, 9, dtype=int), 3, "normalised floats"),
        (torch.full((2, 3, 9, 9), torch.nan), 3, "not finite"),
    ],
)
def test_a_ready_batch_that_is_none_is_refused_in_words(batch, channels, words):
    check_batch(torch.zeros(2, channels or 1, 9, 9), channels)
    with pytest.raises(ValueError, match=words):
        check_batch(batch, channels)


def test_film_tensor_takes_films_in_any_form(course):
    folder = course / "val/chest"
    files = sorted(folder.iterdir())
    want = film_tensor(files, 64)
    for films in (folder, str(folder), [str(file) for file in files], iter(files)):
        assert torch.equal(film_tensor(films, 64), want)
    assert torch.equal(film_tensor(files[0], 64), want[:1])


@pytest.mark.parametrize(
    "loader",
    [
        film_tensor,
        lambda films: next(film_batches(BARE, films)),
        lambda films: next(read_in_batches(films)),
    ],
)
def test_no_films_are_refused_in_words(loader, tmp_path):
    for films in ([], tmp_path):
        with pytest.raises(ValueError, match="there are no films here"):
            loader(films)


BARE = nn.Sequential(nn.Flatten(), nn.LazyLinear(2))


def test_only_a_few_films_are_read_at_a_time(course, monkeypatch):
    read = []
    read_bytes = Path.read_bytes

    def counted(file):
        read.append(file)
        return read_bytes(file)

    monkeypatch.setattr(Path, "read_bytes", counted)
    batches = read_in_batches(course / "train", bs=5)
    assert not read
    assert len(next(batches)) == 5
    assert len(read) == 5  # what is not asked for yet is not read yet
    assert [len(batch) for batch in batches] == [5, 2]
    assert len(set(read)) == len(read) == 12


def test_what_is_asked_of_a_learner(learn):
    assert class_names(learn) == ["abd", "chest"]
    assert torch_model(learn) is learn.model
    assert class_names(learn.model) == []
    assert torch_model(learn.model) is learn.model


def test_a_module_that_holds_another_is_taken_as_it_is():
    "A wrapper of somebody's own may call what it wraps `model`."
    wrapper = torch.nn.Module()
    wrapper.model = torch.nn.Linear(2, 2)
    assert torch_model(wrapper) is wrapper


def test_a_learner_of_another_make_reads_films_by_our_rules(tmp_path, course):
    "fastai by itself would open neither a DICOM file nor 16 bits rightly."
    from fastai.vision.all import ImageDataLoaders, Learner, Resize, ResizeMethod

    squeeze = Resize(64, ResizeMethod.Squish)
    folders = dict(train="train", valid="val", item_tfms=squeeze, bs=4, num_workers=0)
    dls = ImageDataLoaders.from_folder(course, **folders)
    learn = Learner(dls, nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 2)))
    files = write_films_of_every_kind(tmp_path)
    batch = next(film_batches(learn, files)).cpu()
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    spread = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    assert torch.allclose(batch, film_tensor(files, 64) * spread + mean, atol=1e-5)


def test_empty_dataloaders_hold_no_films():
    dls = empty_dataloaders(["abd", "chest"], size=64)
    assert len(dls.train_ds) == len(dls.valid_ds) == 0
    assert list(dls.vocab) == ["abd", "chest"]


@pytest.mark.slow(seconds=8)
def test_importing_says_nothing():
    "fastai calls something of torch's that warns; nobody who reads a lesson can help that."
    code = "import rsna_cls; print(*[getattr(rsna_cls, name) for name in rsna_cls.__all__])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "film_learner" in result.stdout
    assert result.stderr == ""


@pytest.mark.skipif(
    multiprocessing.get_start_method() != "fork",
    reason="needs forked processes: fastai's transforms cannot be sent to a new one",
)
def test_a_bad_film_is_named_by_a_process_that_reads_for_others(tmp_path):
    "With `num_workers` PyTorch makes the error anew, from its message."
    path = write_course(tmp_path)
    (path / "train/chest/bad.png").write_text("no picture", encoding="utf-8")
    train = dataloaders(path, size=32, bs=4).train.new(num_workers=2)
    with pytest.raises(BadFilm, match="bad.png: not a film"):
        list(train)


def test_an_exported_learner_names_no_folder_of_a_patient(tmp_path):
    "What fastai pickles along with it knows where the course lies, and no more."
    path = write_course(tmp_path / "c")
    (path / "train/chest/chest0.png").rename(path / "train/chest/Doe.png")
    for number, film in enumerate((path / "train/chest").iterdir()):
        folder = path / "train/chest" / f"Mueller^Hans{number}"
        folder.mkdir()
        film.rename(folder / film.name)
    learn = film_learner(dataloaders(path, size=32, bs=4), None)
    list(learn.dls.train)  # the films are kept now
    learn.export(tmp_path / "learner.pkl")
    exported = (tmp_path / "learner.pkl").read_bytes()
    assert b"Mueller" not in exported
    for film in film_files(path / "train"):
        square = load_film(film).resize((32, 32), Image.Resampling.BILINEAR)
        assert not is_in(square, exported)


def is_in(square, pickled):
    "Whether the pixels of a film stand in a pickle, of an old protocol or of a new one."
    pixels = square.tobytes()
    return pixels in pickled or pixels.decode("latin1").encode() in pickled


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_kept_films_are_not_pickled(tmp_path, protocol):
    "Their size is. A copy that took them along would be noticed."
    film = write_films_of_every_kind(tmp_path)[0]
    kept = loaders._SqueezedFilms(32)
    kept.rgb(film)
    ((_, square),) = kept._kept.values()
    assert is_in(square, pickle.dumps(vars(kept), protocol))
    pickled = pickle.dumps(kept, protocol)
    assert not is_in(square, pickled)
    assert vars(pickle.loads(pickled)) == dict(size=32, _kept={})


# --- films that are kept once they are squeezed --------------------------------------------------


@pytest.mark.parametrize("size", [32, 45, 160])
def test_a_film_is_squeezed_as_fastai_squeezes(tmp_path, size):
    "To the last bit: what a network learns does not depend on where its films are squeezed."
    squeeze = Resize(size, ResizeMethod.Squish)
    for film in write_films_of_every_kind(tmp_path):
        want = squeeze(PILImage.create(loaders._rgb(film)))
        kept = loaders._SqueezedFilms(size)
        for _ in range(2):  # read, and remembered
            assert np.array_equal(squeeze(PILImage.create(kept.rgb(film))), want)


def reads_of(monkeypatch, dls, epochs):
    "How often each film is read in some epochs of training and validation."
    read = []
    monkeypatch.setattr(loaders, "as_film", lambda film: read.append(film) or load_film(film))
    for _ in range(epochs):
        list(dls.train)
        list(dls.valid)
    return Counter(read)


def test_a_film_is_read_once_in_all_epochs(course, monkeypatch):
    "Only what happens to it in a batch, such as augmentation, is new each time."
    dls = dataloaders(course, size=32, bs=2)
    before = torch.stack([film for batch in dls.valid for film in batch[0]])
    reads = reads_of(monkeypatch, dls, epochs=3)
    assert set(reads.values()) == {1}
    assert torch.equal(before, torch.stack([film for batch in dls.valid for film in batch[0]]))


def test_films_are_kept_as_long_as_there_is_room(course, monkeypatch):
    "Those for which there is none are read in each epoch."
    monkeypatch.setattr(loaders, "_MOST_KEPT", 3 * 32 * 32)
    dls = dataloaders(course, size=32, bs=2)
    list(dls.valid)  # more than three films
    reads = reads_of(monkeypatch, dls, epochs=4)
    films = [*dls.train_ds.items, *dls.valid_ds.items]
    assert Counter(reads[film] for film in films) == {0: 3, 4: len(films) - 3}


def test_a_film_that_changes_is_read_again(tmp_path):
    "A film may be replaced between two trainings, or while one runs."
    path = write_course(tmp_path)
    dls = dataloaders(path, size=32, bs=2)
    before = dls.valid.one_batch()[0]
    for film in film_files(path / "val"):
        Image.new("L", (70, 50), 255).save(film)
    after = dls.valid.one_batch()[0]
    assert not torch.equal(before, after)
    assert after.std(dim=(1, 2, 3)).max() < 0.2  # white: only the three colours differ


def write_grey(file, grey):
    "Write a film of one grey in a format in which all such films are of one size."
    Image.new("L", (70, 50), grey).save(file)
    return file


def write_over(file):
    "Another film in the same file."
    time.sleep(0.05)  # the clock of a file system may tick a hundred times a second only
    write_grey(file, 200)


def exchange(file):
    "Another file in its place."
    os.replace(write_grey(file.with_name("other.tif"), 200), file)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            write_over,
            marks=pytest.mark.skipif(
                sys.platform == "win32", reason="Windows does not keep the time of such a change"
            ),
        ),
        exchange,
    ],
)
def test_a_film_of_the_same_size_and_time_is_another_film(tmp_path, change):
    "As after a copy that brings the time along, from a folder whose films are all alike."
    film = write_grey(tmp_path / "film.tif", 100)
    before = film.stat()
    kept = loaders._SqueezedFilms(32)
    assert (kept.rgb(film) == 100).all()
    change(film)
    os.utime(film, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert film.stat().st_size == before.st_size
    assert film.stat().st_mtime_ns == before.st_mtime_ns
    assert (kept.rgb(film) == 200).all()


def test_a_film_s_former_squares_take_no_room(tmp_path, monkeypatch):
    "Nor does the square of a film that is none any more."
    monkeypatch.setattr(loaders, "_MOST_KEPT", 2 * 32 * 32)
    kept = loaders._SqueezedFilms(32)
    one, other = tmp_path / "one.png", tmp_path / "other.png"
    for side in (50, 60, 70):
        Image.new("L", (side, 50), side).save(one)
        assert (kept.rgb(one) == side).all()
    write_grey(other, 9)
    kept.rgb(other)
    read = []
    monkeypatch.setattr(loaders, "as_film", lambda film: read.append(film) or load_film(film))
    assert (kept.rgb(one) == 70).all()
    assert (kept.rgb(other) == 9).all()
    assert read == []

    one.write_bytes(b"no film")
    with pytest.raises(BadFilm):
        kept.rgb(one)
    third = write_grey(tmp_path / "third.png", 3)
    for _ in range(2):
        assert (kept.rgb(third) == 3).all()
    assert read == [one, third]
