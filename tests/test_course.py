"Course folders, good and bad, and lists of films."

import importlib
import os
import re
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conftest import RAMP, make_dicom, make_link, need_names, write_course
from rsna_cls import (
    RESERVED_NAMES,
    BadFilm,
    BadFolder,
    Course,
    LeftOut,
    Place,
    as_film,
    dataloaders,
    film_files,
    film_format,
    film_list,
    label_of,
    load_film,
    name_without_patients,
    read_film,
    summary,
)

png = BytesIO()
Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (100, 1))).save(png, "PNG")
PNG = png.getvalue()


def put(path, content=PNG):
    "Write a file, by default a film, and the folders above it."
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def link_to_folder(link, folder):
    "A link; skips where none can be made."
    make_link(link, folder)
    return link


def test_bad_course_folders(tmp_path):
    write_course(tmp_path / "c")
    for film in (tmp_path / "c/val/abd").iterdir():
        film.unlink()
    with pytest.raises(BadFolder, match="val/ must hold"):
        Course(tmp_path / "c")
    (tmp_path / "c/val/abd").rename(tmp_path / "c/val/belly")
    Image.new("L", (9, 9)).save(tmp_path / "c/val/belly/1.png")
    with pytest.raises(BadFolder, match="belly"):
        Course(tmp_path / "c")


@pytest.mark.parametrize("name", RESERVED_NAMES)
@pytest.mark.parametrize("needs", [(), ("train", "val")])
def test_a_class_with_the_name_of_another_column_is_refused(tmp_path, name, needs):
    path = write_course(tmp_path)
    for split in ("train", "val"):
        (path / split / "abd").rename(path / split / name)
    with pytest.raises(BadFolder, match=f"train/{name}: .* cannot be called .*; rename the folder"):
        Course(path, needs)


def test_a_reserved_name_may_be_that_of_a_patient_or_of_an_empty_folder(tmp_path):
    path = write_course(tmp_path)
    (path / "train/truth").mkdir()
    shutil.copytree(path / "val/abd", path / "train/abd/truth")
    assert Course(path).classes == ["abd", "chest"]


NEARLY_SPLITS = [
    ("val", "valid"),
    ("val", "validation"),
    ("val", "Val"),
    ("val", "VAL"),
    ("val", "val-2"),
    ("val", "val "),
    ("val", "ValSet"),
    ("val", "dev"),
    ("train", "training"),
    ("train", "Train"),
    ("train", "train_films"),
    ("train", "trn"),
    ("train", "trian"),
    ("test", "testing"),
    ("test", "tst"),
    ("test", "hold-out"),
    ("test", "eval"),
    ("val", "vaild"),
    ("val", "validaton"),
    ("val", "validation set"),
    ("train", "traning"),
    ("train", "Train "),
    ("train", "train2"),
    ("train", "TRAIN"),
    ("train", "tranin_images"),
    ("test", "tets"),
    ("test", "tesst"),
]


@pytest.mark.parametrize("needs", [(), ("train", "val")])
@pytest.mark.parametrize("split, called", NEARLY_SPLITS)
def test_a_folder_that_is_nearly_called_like_a_split_is_named(tmp_path, split, called, needs):
    "Beside the split and in its place, its films in classes or deeper; never ignored."
    need_names(split, called)
    path = write_course(tmp_path)
    put(path / called / "chest/patient/study/1.png")
    words = f"{re.escape(called)}/ holds folders of films.* that of {split}/: "
    with pytest.raises(BadFolder, match=f"{words}move its films into {split}/"):
        Course(path, needs)
    shutil.rmtree(path / split)
    with pytest.raises(BadFolder, match=f"{words}rename it to {split}/"):
        Course(path, needs)


@pytest.mark.parametrize(
    "name",
    ["brain", "valve", "masks", "rest", "text", "testis", "old", "surprise", "strain", "2"]
    + ["docs", "notes", "oval", "latest", "trachea", "tibia", "valgus", "deviation", "DOE^JANE"],
)
def test_another_folder_is_left_out_and_counted(tmp_path, name, capsys):
    "It may be called like a patient, so its name is not said; nor where a split is missing."
    path = write_course(tmp_path)
    put(path / name / "chest/1.png")
    put(path / name / "2.png")
    course = Course(path)
    assert len(course.films()) == 20
    course.say_left_out()
    said = "Left out: 2 films lie beside train/, val/ and test/ (1 folder).\n"
    assert capsys.readouterr().out == said
    assert said.strip().removesuffix(".") in repr(course)
    shutil.rmtree(path / "train")
    with pytest.raises(BadFolder, match="another folder that holds folders of films") as error:
        Course(path)
    assert f"{name}/" not in str(error.value).replace(str(path), "")


@pytest.mark.parametrize("name", ["tests of x", "train_old", "test_maps", "old train", "train_val"])
def test_another_folder_with_the_name_of_a_split_in_its_own_is_named(tmp_path, name, capsys):
    path = write_course(tmp_path)
    put(path / name / "chest/1.png")
    put(path / name / "2.png")
    course = Course(path)
    assert len(course.films()) == 20
    put(path / "DOE^JANE/3.png")
    put(path / "DOE^JOHN/4.png")
    course = Course(path)
    course.say_left_out()
    where = f"{name} and 2 other folders"
    said = f"Left out: 4 films lie beside train/, val/ and test/ ({where}).\n"
    assert capsys.readouterr().out == said
    assert said.strip().removesuffix(".") in repr(course)


@pytest.mark.parametrize("name", ["train_old", "old train", "train_backup"])
def test_a_split_and_a_word_more_may_be_the_split_that_is_missing(tmp_path, name):
    path = write_course(tmp_path)
    (path / "train").rename(path / name)
    with pytest.raises(BadFolder, match=f"{name}/ holds folders of films.*: rename it to train/"):
        Course(path)


def test_every_folder_nearly_called_like_a_split_is_named(tmp_path):
    path = write_course(tmp_path)
    (path / "train").rename(path / "traning")
    (path / "val").rename(path / "vaild")
    with pytest.raises(BadFolder, match="traning/ holds .*; vaild/ holds "):
        Course(path)


def test_a_folder_nearly_called_like_a_split_may_hold_loose_films_or_none(tmp_path):
    path = write_course(tmp_path)
    put(path / "validation/1.png")
    put(path / "testing/chest/notes.txt", b"no film")
    assert Course(path).left_out == [LeftOut(path / "validation/1.png", "no split")]


def test_a_split_under_a_second_name_is_no_other_folder(tmp_path):
    "A link to it, or a file system that does not tell Train from train."
    path = write_course(tmp_path)
    link_to_folder(path / "Train", path / "train")
    link_to_folder(path / "valid", path / "val")
    course = Course(path)
    assert len(course.films()) == 20
    assert course.left_out == []


def test_folders_that_may_be_a_missing_split_are_counted(tmp_path):
    path = write_course(tmp_path)
    (path / "val").rename(path / "internal")
    hint = "it holds none; found another folder that holds folders of films: if it holds the films "
    hint += "for val/, rename it to val/"
    with pytest.raises(BadFolder, match=f"val/ must hold .*{hint}"):
        Course(path)
    shutil.copytree(path / "internal", path / "z")
    with pytest.raises(BadFolder, match="found 2 other folders .*: if one of them holds the films"):
        Course(path)
    shutil.copytree(path / "internal", path / ".hidden")
    shutil.rmtree(path / "internal")
    shutil.rmtree(path / "z")
    with pytest.raises(BadFolder, match="it holds none$"):
        Course(path)


@pytest.mark.parametrize("needs", [("train", "val"), ()])
@pytest.mark.parametrize("below", ["", "patient/"])
def test_of_a_folder_for_each_class_the_way_to_a_course_folder_is_named(tmp_path, below, needs):
    "Whether or not there are folders in the classes; one of them is no split."
    for name in ("chest", "abd"):
        put(tmp_path / f"films/{name}/{below}1.png")
    with pytest.raises(BadFolder, match='organise.*labels="folders".* makes') as error:
        Course(tmp_path / "films", needs)
    assert "rename" not in str(error.value)

    # One folder alone is no class of two; with a split there, it is known what a course folder is.
    shutil.rmtree(tmp_path / "films/abd")
    put(tmp_path / "films/1.png")
    with pytest.raises(BadFolder) as error:
        Course(tmp_path / "films", needs)
    assert "organise" not in str(error.value)
    put(tmp_path / "films/abd/1.png")
    (tmp_path / "films/test").mkdir()
    with pytest.raises(BadFolder) as error:
        Course(tmp_path / "films", needs)
    assert "organise" not in str(error.value)


def test_the_right_folder_is_named_where_one_above_or_below_was_given(tmp_path):
    write_course(tmp_path / "films/data")
    with pytest.raises(BadFolder, match="found data/train/: give the folder .*films/data"):
        Course(tmp_path / "films")
    with pytest.raises(BadFolder, match="this may be a split itself: give the folder it lies in"):
        Course(tmp_path / "films/data/train")
    with pytest.raises(BadFolder, match="this may be a class itself: give the folder its split"):
        Course(tmp_path / "films/data/train/abd")


def test_a_split_lacks_a_class_whose_files_are_no_films(tmp_path):
    path = write_course(tmp_path)
    for film in (path / "val/abd").iterdir():
        film.rename(film.with_suffix(".txt"))
        film.with_suffix(".txt").write_bytes(b"no film")
    words = r"it holds 'chest'. Left out: 3 files are no films \(abd0.txt, .* in val/abd\)"
    with pytest.raises(BadFolder, match=words):
        Course(path)


# --- which files are films ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["IM0001", "1.2.840.113619.2", "x.DICOM", "x.ima", "x.PNG", "x.Jpeg", "x.bin", "x", "_x.png"]
    + ["__x/1.png", "__x__/__y/IM1", "scan.png/1.png", "deep/er/and/deeper/1.dcm"],
)
def test_a_film_is_found_by_its_ending_or_its_first_bytes(tmp_path, name):
    path = write_course(tmp_path)
    film = put(path / "train/abd" / name)
    assert Course(path).label(film) == "abd"
    assert film in film_files(path / "train")
    assert film in film_list(path)


SPARE = ["x.png~", "x.png.bak", "x.PNG.crdownload", "x.png.part", "x.dcm.tmp", "x.png.1"]


@pytest.mark.parametrize("name", [*SPARE, "x.png.txt", "IM0001~", "IM0001.part", "x.png.bak~"])
def test_a_copy_or_an_unfinished_download_is_left_out_and_said(tmp_path, name):
    "What holds a film, by its first bytes, and is not called like one."
    path = write_course(tmp_path)
    put(path / "train/abd" / name)
    put(path / f"{name}")
    course = Course(path)
    assert len(course.films()) == 20
    assert len(course.surprises()) == 1
    words = "2 files are copies or unfinished downloads, by their names"
    assert words in course.left_out_in_words()
    assert name in course.left_out_in_words()


@pytest.mark.parametrize("name", ["x (copy).png", "x - Copy.PNG", "x.png.dcm", "old.png", "1.2.3"])
def test_a_copy_called_like_a_film_is_one(tmp_path, name):
    path = write_course(tmp_path)
    assert put(path / "train/abd" / name) in Course(path).films()


@pytest.mark.parametrize("content", [b"", b"<html>no film", PNG[:100]])
def test_what_is_called_like_a_film_is_never_dropped(tmp_path, content):
    "Empty, a web page, half a film: load_film refuses it, and training stops there."
    path = write_course(tmp_path)
    film = put(path / "train/abd/x.png", content)
    assert film in Course(path).films()
    with pytest.raises(BadFilm, match="x.png"):
        summary(path)


def test_a_dicom_file_without_an_ending_is_a_film(tmp_path):
    path = write_course(tmp_path)
    make_dicom(path / "train/abd/IM0001", RAMP)
    assert path / "train/abd/IM0001" in Course(path).films("train")


def test_a_file_with_a_known_ending_is_not_opened(tmp_path, monkeypatch):
    "Ten thousand films are listed in less than a second; a damaged one is a film that is damaged."
    path = write_course(tmp_path)
    damaged = [put(path / "train/abd" / name, b"no film") for name in ("1.PNG", "2.Jpg", "3.dcm")]
    monkeypatch.setattr("builtins.open", lambda *args: pytest.fail("a needless look"))
    course = Course(path)
    assert set(damaged) < set(course.films("train"))
    assert len(course.films()) == 23


@pytest.mark.parametrize(
    "name",
    [".DS_Store", "._abd1.png", ".ipynb_checkpoints/abd0.png", "__MACOSX/abd0.png", "Thumbs.db"]
    + [
        "THUMBS.DB",
        "desktop.ini",
        "@eaDir/abd0.png/S.jpg",
        "$RECYCLE.BIN/1.png",
        "lost+found/1.png",
    ]
    + ["__pycache__/x.png", "System Volume Information/1.png"],
)
@pytest.mark.parametrize("where", [".", "train", "train/abd", "train/abd/patient"])
def test_debris_is_passed_over_without_a_word(tmp_path, name, where):
    path = write_course(tmp_path)
    put(path / where / name)
    course = Course(path)
    assert course.classes == ["abd", "chest"]
    assert len(course.films()) == 20
    assert len(course.surprises()) == 1
    assert course.left_out == []
    assert len(film_files(path)) == 21


@pytest.mark.parametrize("name", ["notes.txt", "NOTES", "film.gif", "DICOMDIR", "film.nii.gz", "1"])
def test_what_is_no_film_is_left_out_and_said(tmp_path, name, capsys):
    path = write_course(tmp_path)
    content = make_dicom(tmp_path / ".x", RAMP).read_bytes() if name == "DICOMDIR" else b"no film"
    put(path / "train/abd/DOE^JANE" / name, content)
    course = Course(path)
    assert [item.reason for item in course.left_out] == ["no film"]
    words = f"Left out: 1 file is no film ({name}"
    for said in (course.say_left_out, lambda: film_list(path)):
        said()
        printed = capsys.readouterr().out
        assert printed.startswith(words)
        assert "DOE" not in printed


def test_what_was_left_out_is_said_once(tmp_path, capsys):
    "A lesson calls one function after the other on one folder: the first says it."
    path = write_course(tmp_path)
    put(path / "train/abd/notes.txt", b"no film")
    summary(path)
    assert capsys.readouterr().out.startswith("Left out: 1 file is no film (notes.txt")
    summary(str(path))
    Course(path).say_left_out()
    dataloaders(path, size=32)
    assert capsys.readouterr().out == ""
    assert "Left out: 1 file" in repr(Course(path))

    # Something new is said, and that it is as before.
    put(path / "train/abd/more.txt", b"no film")
    summary(path)
    assert capsys.readouterr().out.startswith("Left out: 2 files are no films")
    (path / "train/abd/more.txt").unlink()
    summary(path)
    assert capsys.readouterr().out.startswith("Left out: 1 file is no film (notes.txt")


def test_notes_at_the_top_and_in_a_split_are_passed_over_and_pictures_are_said(tmp_path):
    path = write_course(tmp_path)
    for name in ("README.md", "labels.csv", "LICENSE", "train/labels.csv"):
        put(path / name, b"no film")
    assert Course(path).left_out == []
    put(path / "elbow.gif", b"GIF89a")
    put(path / "train/elbow.gif", b"GIF89a")
    words = "2 files are no films (elbow.gif, elbow.gif in the course folder itself, train)"
    assert Course(path).left_out_in_words() == words


def test_nothing_is_said_where_nothing_was_left_out(course, capsys):
    summary(course)
    film_list(course)
    assert capsys.readouterr().out == ""
    assert "eft out" not in repr(Course(course))


def test_only_the_first_names_are_said(tmp_path):
    path = write_course(tmp_path)
    for i in range(10):
        put(path / f"train/abd/{i}.txt", b"no film")
    words = "10 files are no films (0.txt, 1.txt, 2.txt and 7 more in train/abd)"
    assert Course(path).left_out_in_words() == words


def test_a_film_in_a_split_but_in_no_class_is_left_out_and_said(tmp_path):
    path = write_course(tmp_path)
    put(path / "train/IM0001")
    course = Course(path)
    assert len(course.films()) == 20
    words = "1 film lies in a split, but in no class (IM0001 in train)"
    assert course.left_out_in_words() == words


def test_a_class_without_a_film_is_left_out_and_said(tmp_path):
    path = write_course(tmp_path)
    (path / "train/knee").mkdir()
    (path / "train/.hip").mkdir()
    course = Course(path)
    assert course.classes == ["abd", "chest"]
    assert course.left_out_in_words() == "1 folder without a film is no class (train/knee)"


def test_two_films_of_one_stem_are_two_films(tmp_path):
    path = write_course(tmp_path)
    put(path / "train/abd/a.png")
    put(path / "train/abd/a.jpg")
    put(path / "train/abd/a")
    assert len(Course(path).films("train")) == 15


def test_a_pipe_is_not_read(tmp_path):
    "Whoever opens one waits for ever."
    path = write_course(tmp_path)
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no pipes here")
    os.mkfifo(path / "train/abd/x.png")
    os.mkfifo(path / "train/abd/IM0001")
    course = Course(path)
    assert len(course.films()) == 20
    assert [item.reason for item in course.left_out] == ["no film", "no film"]


# --- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("linked", [".", "train", "train/abd", "train/abd/pat", "train/abd/1.png"])
def test_links_are_followed_at_every_level(tmp_path, linked):
    path = write_course(tmp_path / "c")
    put(path / "train/abd/pat/1.png")
    put(path / "train/abd/1.png")
    (path / linked).rename(tmp_path / "elsewhere")
    link_to_folder(path / linked, tmp_path / "elsewhere")
    course = Course(path)
    assert len(course.films()) == 22
    assert course.label(path / "train/abd/pat/1.png") == "abd"
    assert course.left_out == []
    assert all(film.is_relative_to(path) for film in course.films())
    assert {label_of(film, course.classes) for film in course.films()} == {"abd", "chest"}
    assert len(film_files(path)) == 23


@pytest.mark.parametrize("target", [".", "..", "train", "train/abd", "train/abd/pat"])
def test_a_link_back_ends_there_and_is_said(tmp_path, target):
    path = write_course(tmp_path / "c")
    put(tmp_path / "not_of_the_course.png")
    put(path / "train/abd/pat/1.png")
    link_to_folder(path / "train/abd/pat/back", path / target)
    course = Course(path)
    assert len(course.films()) == 21
    words = "1 link leads to a folder that is read already (train/abd)"
    assert course.left_out_in_words() == words
    assert len(film_files(path / "train")) == 13


def test_a_link_back_from_a_class_that_lies_elsewhere_ends_there(tmp_path):
    "Else the films of all other classes would be films of this one."
    path = write_course(tmp_path / "c")
    (path / "train/abd").rename(tmp_path / "abd")
    link_to_folder(path / "train/abd", tmp_path / "abd")
    link_to_folder(tmp_path / "abd/home", path)
    course = Course(path)
    assert len(course.films()) == 20
    assert [item.reason for item in course.left_out] == ["read already"]


def test_folders_that_link_to_each_other_are_read_once(tmp_path):
    "Twelve folders with a link to each of the others: 12! ways through them."
    path = write_course(tmp_path / "c")
    folders = [path / f"train/abd/{i}" for i in range(12)]
    for folder in folders:
        put(folder / "1.png")
        for other in folders:
            link_to_folder(folder / f"to_{other.name}", other)
    course = Course(path)
    assert len(course.films()) == 32
    assert all(film.parent in folders for film in course.films()[:12])
    assert len(course.left_out) == 144


def test_folders_are_told_apart_on_disks_that_give_no_numbers(tmp_path, monkeypatch):
    path = write_course(tmp_path / "c")
    put(path / "train/abd/pat/1.png")
    link_to_folder(path / "train/abd/pat/back", path)
    stat = os.stat

    def without_number(file, **options):
        mode, _, *others = stat(file, **options)
        return os.stat_result((mode, 0, *others))

    monkeypatch.setattr(os, "stat", without_number)
    course = Course(path)
    assert len(course.films()) == 21
    assert [item.reason for item in course.left_out] == ["read already"]


def test_two_splits_may_lead_to_one_folder(tmp_path):
    "A leak, which an audit must see: both lists hold the films."
    path = write_course(tmp_path)
    shutil.rmtree(path / "val/abd")
    link_to_folder(path / "val/abd", path / "train/abd")
    course = Course(path)
    assert len(course.films("val")) == 9
    assert course.place(path / "val/abd/abd0.png") == Place("val", "abd")
    assert course.place(path / "train/abd/abd0.png") == Place("train", "abd")


def test_links_that_lead_nowhere_are_left_out_and_said(tmp_path):
    path = write_course(tmp_path)
    for name in ("train/abd/x.png", "train/abd/x", "train/knee", "x.png", "other"):
        link_to_folder(path / name, tmp_path / "nowhere")
    link_to_folder(path / "train/abd/circle.png", path / "train/abd/circle.png")
    course = Course(path)
    assert len(course.films()) == 20
    assert [item.reason for item in course.left_out] == ["broken link"] * 6
    link_to_folder(path / "train/abd/gone", tmp_path / "nowhere")
    shutil.rmtree(path / "val")
    link_to_folder(path / "val", tmp_path / "nowhere")
    with pytest.raises(BadFolder, match="val/ must hold .*Left out: 8 links lead nowhere"):
        Course(path)


def test_a_link_beside_the_splits_is_not_followed(tmp_path):
    "It may lead anywhere: to a whole disk."
    path = write_course(tmp_path / "c")
    link_to_folder(path / "disk", tmp_path)
    words = "1 link beside train/, val/ and test/ is not followed (1 folder)"
    assert Course(path).left_out_in_words() == words


# --- names ----------------------------------------------------------------------------------------


def rename_class(path, name):
    "Give the class chest another name (text or bytes), in all splits."
    need_names(name)
    for split in ("train", "val", "test"):
        folder = os.fsencode(path / split)
        os.rename(folder + b"/chest", folder + b"/" + os.fsencode(name))
    return path


@pytest.mark.parametrize(
    "name",
    ["0", "1", "01", "0.5", "-1", "1e3", "True", "false", "$x_1$", "$", "_", "_x", "{a}", "<b>"]
    + [
        "50 %",
        "don't",
        'a "b"',
        "a,b",
        "a;b",
        "#1",
        "=1+1",
        "C\\D",
        "é",
        "胸部",
        "😀",
        "train",
        "val",
    ]
    + ["x" * 200, "na", "none", "Nothing", "(a) [b]", "*", "a b", "~", "chest.png"],
)
def test_names_that_any_class_may_have(tmp_path, name):
    path = rename_class(write_course(tmp_path), name)
    course = Course(path)
    assert course.classes == sorted(["abd", name])
    assert len(course.films_of("train", name)) == 6
    assert course.left_out == []
    assert [label_of(film, course.classes) for film in course.films_of("val", name)] == [name] * 3
    assert set(summary(path)["class"]) == {"abd", name, "?"}
    assert name in repr(course)


@pytest.mark.parametrize("needs", [(), ("train", "val")])
@pytest.mark.parametrize(
    "name, fault",
    [(name, "missing value") for name in ("NA", "NaN", "nan", "None", "null", "NULL", "<NA>")]
    + [(name, "nothing of it can be seen") for name in ("\u200b", "\u2060\u3164")]
    + [(name, "blank") for name in ("chest ", " chest", " ", "\u3000x")]
    + [(name, "line break") for name in ("che\nst", "a\tb", "a\x07b", "a\x1b[31mb", "a\u2028b")]
    + [(b"ch\xff", "no text"), (b"\xe9t\xe9", "no text")],
)
def test_names_that_no_class_may_have(tmp_path, name, fault, needs):
    path = rename_class(write_course(tmp_path), name)
    with pytest.raises(BadFolder, match=f"{fault}.*rename the folder") as error:
        Course(path, needs)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("on_disk", ["Sch\u00e4del", "Scha\u0308del"])
def test_a_letter_with_an_accent_is_one_letter(tmp_path, on_disk):
    "Macs write it as two, on their disks and into zips; a person and other systems write one."
    path = rename_class(write_course(tmp_path), on_disk)
    course = Course(path)
    assert course.classes == ["Sch\u00e4del", "abd"]
    (film, *_) = course.films_of("val", "Sch\u00e4del")
    assert label_of(film, course.classes) == course.label(film) == "Sch\u00e4del"
    # A network of an earlier version may know the class by the other name.
    assert label_of(film, ["Scha\u0308del", "abd"]) == "Scha\u0308del"


def test_two_ways_to_write_a_letter_are_no_two_classes(tmp_path):
    path = rename_class(write_course(tmp_path), "Sch\u00e4del")
    (path / "val/Sch\u00e4del").rename(path / "val/Scha\u0308del")
    course = Course(path)
    assert course.classes == ["Sch\u00e4del", "abd"]
    assert [len(course.films_of(split, "Sch\u00e4del")) for split in ("train", "val")] == [6, 3]


def test_all_that_pandas_takes_for_a_missing_value_is_refused(tmp_path):
    from pandas._libs.parsers import STR_NA_VALUES

    names = {name for name in STR_NA_VALUES if name and "/" not in name}
    assert names <= importlib.import_module("rsna_cls.course")._MISSING_VALUES


@pytest.mark.parametrize(
    "one, other",
    [
        ("chest", "Chest"),
        ("1", "01"),
        ("1.0", "1"),
        ("true", "TRUE"),
        ("ß", "SS"),
        ("a", "a\u200b"),  # a blank of no width
        ("a", "\ufeffa"),
        ("a-b", "a\u00ad-b"),  # a hyphen that shows only at the end of a line
        ("a", "a\u034f"),
        ("1", "1\u2060"),
        ("a\u200bb", "ab"),
        ("a b", "a\xa0b"),
        ("a b", "a\u2009b"),
        ("a b", "a  b"),
    ],
)
def test_two_classes_of_one_name_are_refused(tmp_path, one, other):
    "Within a split, and where one split writes it in another way."
    need_names(one, other)
    path = rename_class(write_course(tmp_path), one)
    put(path / "train" / other / "1.png")
    with pytest.raises(BadFolder, match="are one name written in two ways"):
        Course(path)
    shutil.rmtree(path / "train" / one)
    with pytest.raises(BadFolder, match=r"\(in \w+/\) and .* \(in \w+/\) are one") as error:
        Course(path, needs=())
    assert ascii(one) in str(error.value)
    assert ascii(other) in str(error.value)


def test_numbers_with_the_same_whole_part_are_two_classes(tmp_path):
    path = rename_class(write_course(tmp_path), "1.5")
    for split in ("train", "val", "test"):
        (path / split / "abd").rename(path / split / "1")
    assert Course(path).classes == ["1", "1.5"]


def test_a_film_or_a_patient_whose_name_is_no_text_is_left_out_and_said(tmp_path, capsys):
    "No table and no card could hold it."
    need_names(b"p\xff")
    path = write_course(tmp_path)
    folder = os.fsencode(path / "train/abd")
    os.mkdir(folder + b"/p\xff")
    for name in (b"/p\xff/1.png", b"/x\xff.png", b"/x\xff.txt"):
        with open(folder + name, "wb") as file:
            file.write(PNG if name.endswith(b"png") else b"no film")
    course = Course(path)
    assert len(course.films()) == 20
    summary(path)
    printed = capsys.readouterr().out
    assert "2 files or folders have names that are no text (not UTF-8) (train/abd)" in printed
    assert "1 file is no film (x\\udcff.txt in train/abd)" in printed
    assert repr(course).isprintable()


def test_a_film_that_the_course_names_is_found_without_the_disk(tmp_path, monkeypatch):
    "Of 100,000 films each is asked for its class."
    course = Course(write_course(tmp_path))
    films = course.films()
    wanted = [film.parent.name for film in films]
    for name in ("abspath", "realpath"):
        monkeypatch.setattr(os.path, name, None)
    assert [course.label(film) for film in films] == wanted
    assert course.find(films[0]) == films[0]


def test_a_patient_s_folder_costs_no_questions_about_splits(tmp_path, monkeypatch):
    "The disk is asked only about a folder that may be a course folder, in whatever letters."
    path = write_course(tmp_path)
    for number in range(30):
        put(path / f"train/abd/patient{number}/1.png")
    put(path / "train/abd/patient3/train/a/1.png")
    for split in ("Train", "VAL"):
        put(path / "train/abd/other" / split / "a/1.png")
    room = importlib.import_module("rsna_cls.course")
    asked = []
    is_course_folder = room._is_course_folder

    def counting(folder):
        asked.append(os.path.basename(folder))
        return is_course_folder(folder)

    monkeypatch.setattr(room, "_is_course_folder", counting)
    assert len(Course(path).films("train")) in (12 + 31, 12 + 31 + 2)
    assert sorted(set(asked)) == ["abd", "chest", "other"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_course_folder_that_cannot_be_listed_is_said(tmp_path, monkeypatch, split):
    path = write_course(tmp_path)
    for name in ("train", "val"):
        put(path / split / "abd/inner" / name / "a/1.png")
    put(path / split / "abd/patient/1.png")
    scandir = os.scandir

    def refusing(folder):
        if os.path.basename(folder) in ("inner", "patient"):
            raise PermissionError
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    left_out = {item.path.name: item.reason for item in Course(path).left_out}
    assert left_out == {"inner": "course", "patient": "locked"}


def test_a_course_folder_whose_name_is_no_text_is_refused(tmp_path):
    need_names(b"\xff")
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    write_course(folder)
    for read in (Course, film_files, film_list, summary):
        with pytest.raises(BadFolder, match="this name is no text") as error:
            read(folder)
        assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "name", ["abd", "test", "train", "chest", "0", "NA", "file", "a\nb", "é $x$"]
)
def test_a_patient_may_have_any_name(tmp_path, name):
    need_names(name)
    path = write_course(tmp_path)
    film = put(path / "train/chest" / name / "val/abd/1.png")
    course = Course(path)
    assert course.classes == ["abd", "chest"]
    assert course.place(film) == Place("train", "chest")
    assert label_of(film, course.classes) == "chest"


# --- what is given for a folder -------------------------------------------------------------------


def test_what_is_no_folder_is_refused_in_words(tmp_path):
    file = put(tmp_path / "films.zip", b"PK")
    for read in (Course, film_files):
        with pytest.raises(BadFolder, match=r"films.zip is not a folder but a file: fetch_data"):
            read(file)
        for path in (tmp_path / "gone", tmp_path / "films.zip/x", "~nobody_of_this_name/x"):
            with pytest.raises(BadFolder, match="is not a folder"):
                read(path)
        for path in ("a\0b", ""):
            with pytest.raises(BadFolder, match="is no path"):
                read(path)
        with pytest.raises(BadFolder, match="is not a folder that can be opened"):
            read(tmp_path / ("x" * 5000))


def test_a_folder_may_be_written_in_several_ways(tmp_path, monkeypatch):
    write_course(tmp_path / "films")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for path in (f"{tmp_path}/films/", "films", "./films/", "~/films", Path("~/films")):
        course = Course(path)
        assert len(course.films()) == 20
        assert course.label(tmp_path / "films/val/abd/abd0.png") == "abd"
        assert len(film_list(path)) == 21
    (tmp_path / "~").mkdir()
    write_course(tmp_path / "~/films", n=2)
    assert len(Course("~/films").films()) == 12  # a folder that is really called so


@pytest.fixture
def locked(monkeypatch):
    "A function that locks a folder or a file, also for whoever may open everything."
    names = set()

    def guarded(really):
        def open_it(path=".", *args, **options):
            if Path(os.fsdecode(path)).name in names:
                raise PermissionError(13, "Permission denied", str(path))
            return really(path, *args, **options)

        return open_it

    monkeypatch.setattr(os, "scandir", guarded(os.scandir))
    monkeypatch.setattr("builtins.open", guarded(open))
    return names.add


@pytest.mark.parametrize("name", ["c", "val", "chest"])
def test_a_locked_course_split_or_class_is_refused(tmp_path, locked, name):
    path = write_course(tmp_path / "c")
    locked(name)
    with pytest.raises(BadFolder, match=f"{name} is not a folder that can be opened .Permission"):
        Course(path)


def test_what_is_locked_deeper_is_left_out_and_said(tmp_path, locked):
    path = write_course(tmp_path)
    for name in ("train/abd/DOE^JANE/1.png", "train/abd/IM0001", "other/1.png"):
        put(path / name)
    for name in ("DOE^JANE", "IM0001", "other"):
        locked(name)
    course = Course(path)
    assert len(course.films()) == 20
    words = "3 files or folders cannot be opened (train/abd and 1 other folder)"
    assert course.left_out_in_words() == words


def test_splits_of_another_name_are_refused(course):
    "Else a misspelt split would just hold no films."
    with pytest.raises(
        ValueError, match="no split is called 'valid': choose from train, val, test"
    ):
        Course(course).films("valid")
    with pytest.raises(ValueError, match="no split is called 'valid'"):
        Course(course).films_of("valid", "abd")
    with pytest.raises(ValueError, match="no split is called 'valid'"):
        Course(course, needs=("train", "valid"))
    assert Course(course, needs="train").classes == ["abd", "chest"]


def test_a_course_of_fewer_classes_if_that_is_enough(tmp_path):
    path = write_course(tmp_path)
    for split in ("train", "val", "test"):
        shutil.rmtree(path / split / "abd")
    assert Course(path, needs=(), fewest=1).classes == ["chest"]
    with pytest.raises(BadFolder, match="two or more classes.*found 'chest'"):
        Course(path, needs=())


def test_what_a_course_holds_is_what_it_held_when_it_was_opened(tmp_path):
    path = write_course(tmp_path)
    course = Course(path)
    put(path / "train/abd/new.png")
    put(path / "new.png")
    assert len(course.films()) == 20
    assert len(course.surprises()) == 1
    course.surprises().clear()
    assert len(course.surprises()) == 1


def test_a_place_is_found_by_another_path(tmp_path, monkeypatch):
    path = write_course(tmp_path / "c")
    link = link_to_folder(tmp_path / "link", path)
    for course, other in ((Course(path), link), (Course(link), path)):
        assert course.place(other / "val/abd/abd0.png") == Place("val", "abd")
        assert course.place(str(other / "test/../val/abd/abd0.png")) == Place("val", "abd")
        assert course.label(other / "elbow.png") is None
        assert course.label(other / "val/abd/nowhere.png") is None
    inside = link_to_folder(path / "inside", path / "val")
    assert Course(path).label(inside / "abd/abd0.png") == "abd"
    assert Course(path).label(tmp_path / "elsewhere/val/abd/abd0.png") is None

    # The plain way is tried first, and does not ask the disk.
    course = Course(path)
    monkeypatch.setattr(Path, "resolve", lambda film: pytest.fail("a needless question"))
    assert {course.label(film) for film in course.films()} == {"abd", "chest"}


def test_what_lies_above_a_course_folder_does_not_count(tmp_path):
    "Also where a project lies in a folder that could be a class of another course."
    course = Course(write_course(tmp_path / "train/abd/project"))
    for film in [*course.films(), *course.surprises()]:
        assert label_of(film, course.classes) == course.label(film)
    assert {course.label(film) for film in course.films()} == {"abd", "chest"}
    shutil.copy(course.surprises()[0], course.path / "train/stray.png")
    assert label_of(course.path / "train/stray.png", course.classes) is None


def test_what_lies_below_a_class_does_not_count(tmp_path):
    "Also where a patient has the name of a split, and lies in a class the model does not know."
    path = write_course(tmp_path)
    for name in ("train/chest/test/abd", "train/knee/test/abd", "val/knee/abd"):  # one split each
        shutil.copytree(path / "val/abd", path / name)
    course = Course(path)
    assert label_of(path / "train/chest/test/abd/abd0.png", course.classes) == "chest"
    for film in course.films():
        known = course.label(film) if course.label(film) != "knee" else None
        assert label_of(film, ["abd", "chest"]) == known


def test_a_label_is_found_where_python_runs_in_a_class_or_a_link_leads_there(tmp_path, monkeypatch):
    path = write_course(tmp_path / "c")
    link_to_folder(tmp_path / "chest", path / "val/abd")
    classes = ["abd", "chest"]
    assert label_of(tmp_path / "chest/abd0.png", classes) == "abd"
    assert label_of(str(path / "val/abd/abd0.png"), classes) == "abd"
    monkeypatch.chdir(path / "val/chest")
    assert label_of(Path("chest0.png"), classes) == "chest"
    assert label_of("../abd/abd0.png", classes) == "abd"
    assert label_of("../../elbow.png", classes) is None


def test_a_path_through_a_linked_class_is_read_as_it_is_written(tmp_path, monkeypatch):
    "The class is the link's name, not that of the folder it leads to; from any place."
    path = write_course(tmp_path / "c")
    (path / "val/abd").rename(tmp_path / "chest")
    link_to_folder(path / "val/abd", tmp_path / "chest")
    for start, film in (("val", "abd/abd0.png"), ("test", "../val/abd/abd0.png")):
        monkeypatch.chdir(path / start)
        assert label_of(film, ["abd", "chest"]) == "abd"
    (path / "val/chest").rename(path / "val/knee")
    (path / "val/abd").rename(path / "val/chest")
    monkeypatch.chdir(path / "val/chest")
    assert label_of(path / "val/chest/abd0.png", ["abd", "chest"]) == "chest"


def test_a_patient_beside_the_splits_may_have_the_name_of_a_class(tmp_path):
    path = write_course(tmp_path / "chest/c")
    assert label_of(path / "other/abd/chest/1.png", ["abd", "chest"]) is None
    assert label_of(path / "other/abd/1.png", ["abd", "chest"]) == "abd"


def test_a_name_without_patients():
    assert name_without_patients(Path("val/abd/DOE^JANE/1/abd3.png")) == "val/abd/abd3.png"
    for name in ("val/abd/abd3.png", "knee.png", "val/abd3.png"):
        assert name_without_patients(name) == name


def test_many_names_are_not_all_listed(tmp_path):
    "A folder for each patient where the classes should be."
    path = write_course(tmp_path)
    for i in range(30):
        put(path / f"train/DOE^{i:02}/chest/1.png")
    words = r"the classes 'DOE\^00', 'DOE\^01', 'DOE\^02' and 29 more, but val/ has"
    with pytest.raises(BadFolder, match=words):
        Course(path)


@pytest.mark.parametrize("where", ["train/chest", "train/chest/course", "train/abd/a/b"])
def test_a_course_folder_below_a_class_of_another(tmp_path, where):
    "Its films belong to its own classes: for it, for the other, and where only the path is known."
    path = write_course(tmp_path)
    inner = Course(write_course(path / where))
    for film in inner.films():
        assert film.parts[-2] == inner.label(film) == label_of(film, ["abd", "chest"])
    shutil.copy(path / "elbow.png", path / "val/chest/more.png")

    outer = Course(path, needs=())
    assert not set(outer.films()) & set(inner.films())
    assert [outer.label(film) for film in outer.films()] == [
        label_of(film, outer.classes) for film in outer.films()
    ]
    (left_out,) = [item for item in outer.left_out if item.reason == "course"]
    assert left_out == LeftOut(path / where, "course")
    words = r"1 folder in a class is a course folder itself.* \(train/(chest|abd)\)"
    assert re.search(words, outer.left_out_in_words())


def test_two_classes_in_one_path_are_doubtful(tmp_path):
    "A study of the chest of somebody with a sore abdomen, or the reverse? Nothing is guessed."
    classes = ["abd", "chest"]
    for name in ("abd/chest", "chest/abd", "films/chest/MR/abd", "abd/x/chest"):
        assert label_of(put(tmp_path / name / "1.png"), classes) is None
        assert label_of(Path(name) / "1.png", classes) is None
    for name in ("films/chest", "chest/chest", "knee/chest"):
        assert label_of(put(tmp_path / name / "1.png"), classes) == "chest"


@pytest.mark.parametrize(
    "name", [".9.png.icloud", ".IM0001.icloud", "9.png.nextcloud", "9.png.owncloud", "9.png.cloud"]
)
@pytest.mark.parametrize("where", [".", "train", "train/abd", "train/abd/patient"])
def test_what_is_not_downloaded_is_left_out_and_said(tmp_path, name, where):
    "A cloud storage keeps the film and leaves a stand-in, which may be hidden."
    path = write_course(tmp_path)
    put(path / where / name, b"bplist00")
    course = Course(path)
    assert [item.reason for item in course.left_out] == ["not here"]
    words = f"1 file is in a cloud storage, and not downloaded yet ({name} in "
    assert course.left_out_in_words().startswith(words)
    assert len(film_files(path)) == 21


def test_a_link_of_git_annex_without_its_film_is_said(tmp_path):
    path = write_course(tmp_path)
    link_to_folder(path / "train/abd/9.png", Path("../../.git/annex/objects/SHA256-s9--0.png"))
    assert Course(path).left_out_in_words().startswith("1 link leads nowhere")


def test_the_users_own_folder_is_meant_by_a_tilde_everywhere(tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    path = write_course(tmp_path / "c")
    film = "~/c/val/abd/abd0.png"
    assert load_film(film) == as_film(film) == load_film(path / "val/abd/abd0.png")
    assert load_film("$HOME/c/val/abd/abd0.png") == load_film(film)
    assert read_film(film).film == load_film(film)
    assert film_format(film) == "PNG"
    assert Course("~/c").label(film) == label_of(film, ["abd", "chest"]) == "abd"
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "~/1.png", b"")
    with pytest.raises(BadFilm, match="the file is empty"):
        load_film("~/1.png")  # what is really called so comes first


def test_a_path_that_does_not_exist_any_more_is_read_as_a_whole(tmp_path):
    classes = ["abd", "chest"]
    gone = tmp_path / "gone/train/abd/project"
    assert label_of(gone / "val/chest/1.png", classes) == "abd"
    assert label_of(tmp_path / "test/me/train/chest/1.png", classes) == "chest"
    write_course(gone)
    assert label_of(gone / "val/chest/1.png", classes) == "chest"


def test_arrays_become_films_in_a_list():
    "By the rules for a picture: what is deeper than 8 bits is scaled, not cut off."
    ramp = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
    films = film_list([ramp, ramp.astype(np.uint16) * 300, "knee.png", Image.fromarray(ramp)])
    assert [type(film) for film in films[:2]] == [Image.Image, Image.Image]
    assert np.asarray(films[0]).max() == 199
    assert np.asarray(films[1]).max() == 255
    assert films[2] == Path("knee.png")


@pytest.mark.parametrize("films", [None, 7, b"x.png", {"x.png": 1}, pd.DataFrame({"file": []})])
def test_what_is_no_list_of_films_is_refused(films):
    "A dict and a table would give their keys and columns for names of files."
    with pytest.raises(ValueError, match="films must be .* this is of type"):
        film_list(films)


def test_a_stack_of_films_is_not_one_film():
    with pytest.raises(BadFilm, match=r"this one has the shape \(5, 60, 60\)"):
        film_list(np.zeros((5, 60, 60), np.uint8))


def test_summary_of_the_real_films(real):
    counts = summary(real).set_index(["split", "class"])["films"]
    assert counts.to_dict() == {
        ("train", "abd"): 32,
        ("train", "chest"): 33,
        ("val", "abd"): 5,
        ("val", "chest"): 5,
        ("test", "abd"): 1,
        ("test", "chest"): 1,
        ("surprise", "?"): 1,
    }
