"Course folders, good and bad, and lists of films."

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import write_course
from rsna_cls import (
    RESERVED_NAMES,
    BadFilm,
    BadFolder,
    Course,
    Place,
    film_list,
    label_of,
    summary,
)


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


@pytest.mark.parametrize("split, called", [("val", "valid"), ("train", "Train_films")])
def test_a_split_of_another_name_is_found_for_the_message(tmp_path, split, called):
    path = write_course(tmp_path)
    (path / split).rename(path / called)
    hint = f"holds none; found {called}/: if these are the films for {split}/, rename it$"
    with pytest.raises(BadFolder, match=f"{split}/ must hold .*{hint}"):
        Course(path)
    (path / split).mkdir()
    with pytest.raises(BadFolder, match=hint):
        Course(path)
    shutil.copytree(path / called, path / "z")
    with pytest.raises(BadFolder, match=f"{called}/, z/: if one of these holds the films"):
        Course(path)


def test_other_folders_are_not_taken_for_a_split(tmp_path):
    path = write_course(tmp_path)
    shutil.copytree(path / "val", path / ".valid")
    shutil.copytree(path / "val/abd", path / "loose")  # films, but no classes
    (path / "notes/abd").mkdir(parents=True)
    (path / "notes/abd/read.me").write_text("no film")
    shutil.rmtree(path / "val")
    with pytest.raises(BadFolder, match="it holds none$"):
        Course(path)
    write_course(path)
    shutil.rmtree(path / "val/abd")
    shutil.copytree(path / "val", path / "valid")
    with pytest.raises(BadFolder, match=r"it holds \['chest'\]$"):  # val/ is there
        Course(path)


def link_to_folder(link, folder):
    "A link, where the system allows it."
    try:
        link.symlink_to(folder, target_is_directory=True)
    except OSError:
        pytest.skip("links are forbidden here")
    return link


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
    for name in ("train/chest/test/abd", "train/knee/test/abd", "val/knee/abd"):
        shutil.copytree(path / "val/abd", path / name)
    course = Course(path)
    assert label_of(path / "train/chest/test/abd/abd0.png", course.classes) == "chest"
    for film in course.films():
        known = course.label(film) if course.label(film) != "knee" else None
        assert label_of(film, ["abd", "chest"]) == known


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
