"Changed films, and changed folders of films."

import errno
import os
import shutil
import stat
import unicodedata
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import make_link, write_course
from rsna_cls import (
    BadFilm,
    BadFolder,
    Course,
    black_out,
    dataloaders,
    empty_dataloaders,
    film_files,
    film_tfms,
    harmonise,
    load_film,
    plant_marker,
    remake,
    show_augmented,
    thumbnail,
)


def is_marked(file):
    "Whether a film bears the marker that `mark` plants."
    film = load_film(file)
    return film.getpixel((round(0.1 * film.width), round(0.1 * film.height))) == 255


def mark(film):
    "A marker that no toy film has by chance: their greys end at 220."
    return plant_marker(film, side=0.2, at=(0.1, 0.1))


def names_below(folder):
    "The files below a folder, hidden ones too, by their path from there."
    files = [file for file in folder.rglob("*") if file.is_file()]
    return sorted(str(file.relative_to(folder)) for file in files)


@pytest.fixture
def patients(tmp_path):
    "A course folder with a folder for each patient, one of them called like the other class."
    path = write_course(tmp_path / "patients")
    for split in ("train", "val"):
        for name, patient in [("chest", "abd"), ("abd", "p1")]:
            folder = path / split / name / patient / "first visit"
            folder.mkdir(parents=True)
            shutil.copy(path / split / name / f"{name}0.png", folder / "film.png")
    return path


@pytest.mark.parametrize("only", ["chest", "abd", None])
def test_films_in_patient_folders_are_changed_by_their_class(patients, tmp_path, only):
    made = remake(patients, tmp_path / "made", mark, only=only)
    course = Course(made)
    assert len(course.films()) == len(Course(patients).films())
    for film in film_files(made):
        wanted = only is None or course.label(film) == only
        assert is_marked(film) == wanted, film


def test_folders_of_patients_are_numbered(tmp_path):
    "No name of theirs is left; films of one patient stay together, also over splits and classes."
    path = write_course(tmp_path / "c")
    places = [
        "train/chest/Meier^Hans/2024",
        "train/chest/Meier^Hans/2025",
        "train/abd/Meier^Hans/2024",
        "val/chest/Meier^Hans",
        "val/chest/Vogel^Eva/2025",
        "train/abd/meier^hans",  # another folder on most disks, and so another patient
    ]
    for grey, place in enumerate(places):
        (path / place).mkdir(parents=True, exist_ok=True)
        Image.new("L", (30, 20), 100 + grey).save(path / place / "film.png")
    made = remake(path, tmp_path / "made")
    place_of = {}
    for film in film_files(made):
        if film.name.startswith("film"):
            place_of[load_film(film).getpixel((3, 3)) - 100] = film.relative_to(made)
    assert {Course(made).label(made / place_of[grey]) for grey in (0, 1, 3, 4)} == {"chest"}
    patients = [place_of[grey].parts[2] for grey in range(6)]
    assert patients[0] == patients[1] == patients[2] == patients[3]
    assert len(set(patients)) == 3
    visits = [place_of[grey].parts[3] for grey in (0, 1, 2)]
    assert visits[0] == visits[2] != visits[1]
    everything = " ".join(str(path.relative_to(made)) for path in made.rglob("*"))
    for name in ("eier", "ans", "ogel", "202"):
        assert name not in everything


def test_a_name_without_a_suffix_keeps_its_end(tmp_path):
    "DICOM files are often called by a number with dots; 619 is no suffix."
    path = write_course(tmp_path / "c")
    for name in ("1.2.840.113619", "1.2.840.113620", "ORIGINAL", "x.JPG"):
        shutil.copy(path / "elbow.png", path / "train/chest" / name)
    made = remake(path, tmp_path / "made")
    names = {film.name for film in film_files(made / "train/chest")}
    assert {"1.2.840.113619.png", "1.2.840.113620.png", "ORIGINAL.png", "x.png"} < names


def test_names_that_some_disks_take_for_one(tmp_path):
    path = write_course(tmp_path / "c")
    for name in ("A.png", "a.png", "\N{LATIN SMALL LETTER E WITH ACUTE}.png", "e\u0301.png"):
        shutil.copy(path / "elbow.png", path / "train/chest" / name)
    made = remake(path, tmp_path / "made")
    names = [film.name for film in film_files(made / "train/chest")]
    spellings = {unicodedata.normalize("NFC", name).casefold() for name in names}
    assert len(spellings) == len(names) == 6 + 4


def test_extra_films_in_patient_folders_are_changed_by_their_class(patients, tmp_path):
    other = shutil.copytree(patients, tmp_path / "other")
    made = remake(patients, tmp_path / "made", mark, only="abd", extra=other)
    extra = [film for film in film_files(made) if film.stem.endswith("_extra")]
    assert len(extra) == len(film_files(patients / "train"))
    assert {Course(made).place(film)[0] for film in extra} == {"train"}
    # The folders of the course, "p1" and "abd", are folder_1 and folder_2; these are others.
    assert (made / "train/abd/folder_3/folder_1/film_extra.png").exists()
    assert (made / "train/chest/folder_4/folder_1/film_extra.png").exists()
    for film in extra:
        assert is_marked(film) == (Course(made).label(film) == "abd"), film


def test_extra_films_of_other_classes_stay_away(course, tmp_path):
    other = write_course(tmp_path / "other")
    for split in ("train", "val", "test"):
        (other / split / "chest").rename(other / split / "knee")
    made = remake(course, tmp_path / "made", extra=other)
    assert Course(made).classes == ["abd", "chest"]
    assert len(Course(made).films("train")) == len(Course(course).films("train")) + 6


def test_two_films_of_one_name_are_both_kept(tmp_path):
    path = write_course(tmp_path / "c")
    folder = path / "train/chest"
    Image.new("L", (40, 30), 10).save(folder / "same.png")
    Image.new("L", (40, 30), 20).save(folder / "same.jpg")
    Image.new("L", (40, 30), 30).save(folder / "same.jpeg")
    Image.new("L", (40, 30), 40).save(folder / "SAME_2.png")  # other case: the same on some disks
    made = remake(path, tmp_path / "made")
    assert len(Course(made).films()) == len(Course(path).films())
    names = [film.name.lower() for film in film_files(made / "train/chest")]
    assert len(set(names)) == len(names)
    greys = [load_film(film).getpixel((20, 15)) for film in film_files(made / "train/chest")]
    assert {10, 20, 30, 40} <= set(greys)


def test_an_extra_film_does_not_replace_a_film(tmp_path):
    path = write_course(tmp_path / "c")
    shutil.copy(path / "train/abd/abd1.png", path / "train/abd/abd0_extra.png")
    made = remake(path, tmp_path / "made", extra=path)
    assert len(film_files(made / "train/abd")) == 14
    before = load_film(path / "train/abd/abd0_extra.png")
    assert load_film(made / "train/abd/abd0_extra.png").tobytes() == before.tobytes()


def test_surprises_stay_and_strays_go(tmp_path):
    path = write_course(tmp_path / "c")
    for stray in ("backup/train/chest/1.png", "train/1.png", "train/chest/.hidden.png"):
        (path / stray).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path / "elbow.png", path / stray)
    (path / "train/abd").rename(tmp_path / "elsewhere")
    make_link(path / "train/abd", tmp_path / "elsewhere")  # a linked class is one
    made = remake(path, tmp_path / "made", mark, only="chest")
    films = Course(path).films() + Course(path).surprises()
    assert names_below(made) == sorted(str(film.relative_to(path)) for film in films)
    assert not is_marked(made / "elbow.png")


def test_a_folder_of_one_split_can_be_remade(tmp_path):
    path = write_course(tmp_path / "c")
    shutil.rmtree(path / "train")
    shutil.rmtree(path / "val")
    assert len(film_files(remake(path, tmp_path / "made"))) == 3


@pytest.mark.parametrize("error", [BadFilm, KeyboardInterrupt])
def test_nothing_half_made_is_left_and_nothing_of_the_user_s_is_gone(tmp_path, error):
    path = write_course(tmp_path / "c")
    for name in ("made.part", ".made.part"):  # the user's own
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("years of work", encoding="utf-8")
    before = names_below(tmp_path)

    def fails_late(file):
        if file.parent.parent.name == "val":
            raise error("damaged.png", "why not") if error is BadFilm else error
        return load_film(file)

    with pytest.raises(error):
        remake(path, tmp_path / "made", fails_late)
    assert names_below(tmp_path) == before
    assert {folder.name for folder in tmp_path.iterdir()} == {"c", "made.part", ".made.part"}

    made = remake(path, tmp_path / "made")
    own = [name for name in names_below(tmp_path) if not name.startswith("made/")]
    assert own == before
    assert len(film_files(made)) == len(film_files(path))


@pytest.mark.skipif(os.name != "posix", reason="permissions are kept otherwise there")
def test_changed_films_do_not_land_among_the_films_they_come_from(tmp_path):
    course = write_course(tmp_path / "course")
    before = names_below(course)
    with pytest.raises(BadFolder, match="lies inside the films"):
        remake(course, course / "changed", mark)
    assert names_below(course) == before


def test_a_new_folder_does_not_land_where_a_link_leads(tmp_path):
    "A class of either course may lie elsewhere: films written there would be new ones of it."
    path = write_course(tmp_path / "c")
    (path / "train/abd").rename(tmp_path / "abd")
    make_link(path / "train/abd", tmp_path / "abd")
    extra = write_course(tmp_path / "extra")
    before = names_below(tmp_path)
    for place in (tmp_path / "abd/made", extra / "train/chest/made"):
        with pytest.raises(BadFolder, match="lies inside the films"):
            remake(path, place, extra=extra)
    assert names_below(tmp_path) == before


def test_a_link_of_the_user_s_is_not_replaced(course, tmp_path):
    make_link(tmp_path / "made", tmp_path / "nowhere")
    with pytest.raises(BadFolder, match="made is a link that leads nowhere"):
        remake(course, tmp_path / "made")
    assert (tmp_path / "made").is_symlink()


def test_a_place_that_cannot_be_written_to(course, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BadFolder, match="made cannot be written: .*file is no folder"):
        remake(course, tmp_path / "file/made")

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(BadFolder, match="made cannot be written .No space left on device"):
        remake(course, tmp_path / "made")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_dest_as_people_write_it(course, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert remake(course, "~/made") == tmp_path / "made"
    assert remake(course, "$HOME/again") == tmp_path / "again"
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    "changed",
    [np.zeros((20, 30), np.uint8), Image.new("F", (30, 20)), Image.new("RGB", (30, 20), "red")],
)
def test_whatever_a_change_gives_back_is_written_as_a_film(course, tmp_path, changed):
    made = remake(course, tmp_path / "made", lambda file: changed)
    assert {Image.open(film).mode for film in film_files(made)} == {"L"}


def test_a_change_that_gives_back_no_film_is_refused_in_words(course, tmp_path):
    with pytest.raises(BadFilm, match="NoneType"):
        remake(course, tmp_path / "made", lambda file: None)
    assert not list(tmp_path.iterdir())


def test_others_may_read_the_new_folder_as_any_other(course, tmp_path):
    made = remake(course, tmp_path / "new" / "made")
    (tmp_path / "plain").mkdir()
    assert stat.S_IMODE(made.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_bad_requests_are_refused_in_words(course, tmp_path):
    (tmp_path / "there/mine").mkdir(parents=True)
    with pytest.raises(BadFolder, match="is there already, and is not empty"):
        remake(course, tmp_path / "there")
    with pytest.raises(BadFolder, match="has no class 'knee': choose from abd, chest"):
        remake(course, tmp_path / "made", only="knee")
    with pytest.raises(BadFolder, match="must hold a folder of films"):
        remake(tmp_path / "there", tmp_path / "made")
    with pytest.raises(BadFolder, match="train/ must hold a folder of films"):
        remake(course, tmp_path / "made", extra=tmp_path / "there")
    assert [folder.name for folder in tmp_path.iterdir()] == ["there"]


def test_augmented_films_bear_the_names_of_their_classes(patients):
    "Not those of the folders they lie in, which may be a patient's or the other class's."
    for file in patients.glob("train/*/*.png"):
        file.unlink()  # what is left lies in patients' folders
    dls = dataloaders(patients, tfms=film_tfms(), size=32, bs=2)
    alt = show_augmented(dls, n=2).alt
    assert "(abd, chest)" in alt or "(chest, abd)" in alt
    assert "first visit" not in alt


def test_labels_follow_the_films(course):
    "Each title names the class of the film below it: chests are small discs, abdomens large ones."
    dls = dataloaders(course, size=32, bs=4)
    shown = show_augmented(dls, n=4, seed=3)
    titles = shown.alt.split("(")[1].split(")")[0].split(", ")
    assert sorted(titles) == ["abd", "abd", "chest", "chest"]  # the classes in turn

    height, width, _ = pixels(shown).shape
    middle_of_upper_row = pixels(shown)[height // 6 : height * 2 // 5]
    brightness = {"abd": [], "chest": []}
    for title, film in zip(titles, np.array_split(middle_of_upper_row, 4, axis=1), strict=True):
        middle = film[:, width // 16 : -width // 16]
        brightness[title].append(middle.mean())
    assert max(brightness["chest"]) < min(brightness["abd"])


def test_no_training_films_are_refused_in_words():
    with pytest.raises(ValueError, match="no training films"):
        show_augmented(empty_dataloaders(["abd", "chest"], size=32))


def pixels(picture):
    "A picture's pixels, shape (h, w, 3)."
    return np.asarray(Image.open(BytesIO(picture.png)).convert("RGB"))


@pytest.mark.parametrize("was_drawn_from", [False, True])
@pytest.mark.parametrize(
    "changes", [dict(p=1.0, rotate=90), dict(p=1.0, exposure=0.9), dict(p=0.0, marks=1.0)]
)
def test_the_upper_row_is_as_in_validation_the_lower_as_in_training(
    course, changes, was_drawn_from
):
    "Also before the first batch: fastai tells the transforms what they are for only then."
    plain = dataloaders(course, size=64, bs=4)
    dls = dataloaders(course, tfms=film_tfms(**changes), size=64, bs=4)
    if was_drawn_from:
        dls.train.one_batch()
        dls.valid.one_batch()
    want = pixels(show_augmented(plain, n=4))
    seen = pixels(show_augmented(dls, n=4))
    middle = len(want) // 2
    assert (seen[:middle] == want[:middle]).all()
    assert (seen[middle:] != want[middle:]).any()


def test_marks_fall_on_training_films_only(course):
    dls = dataloaders(course, tfms=film_tfms(p=0.0, marks=1.0), size=64, bs=4)
    plain = dataloaders(course, size=64, bs=4)
    assert torch.allclose(dls.valid.one_batch()[0], plain.valid.one_batch()[0], atol=1e-4)
    assert not torch.allclose(dls.train.one_batch()[0], plain.train.one_batch()[0], atol=0.1)


@pytest.mark.parametrize("size", [(20, 20), (20, 200), (200, 20)])
def test_less_than_a_pixel_is_not_covered(size):
    film = Image.new("L", size, 200)
    assert black_out(film, share=0.01) == film
    assert film.getextrema() == (200, 200)


@pytest.mark.parametrize("change", [plant_marker, black_out, thumbnail])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_film_that_is_given_stays_as_it_is(change, mode):
    film = Image.new(mode, (2000, 40), "grey")
    before = film.tobytes()
    change(film)
    assert film.size == (2000, 40)
    assert film.tobytes() == before


@pytest.fixture
def film():
    "A film that is all black."
    return Image.new("L", (150, 100))


@pytest.mark.parametrize("side", [0, -0.1, 0.6, float("nan"), "a", None, True, (0.1, 0.1)])
def test_a_marker_whose_side_is_no_share(film, side):
    with pytest.raises(ValueError, match="side must lie between 0 and 0.5"):
        plant_marker(film, side=side)


@pytest.mark.parametrize("at", [0.5, "ab", None, (0.1,), (0, 0, 0), (-0.1, 0), (1, 0), (0, "0")])
def test_a_marker_whose_corner_is_no_pair_of_shares(film, at):
    with pytest.raises(ValueError, match="at must be two shares"):
        plant_marker(film, at=at)


def test_a_marker_lies_on_the_film_as_a_whole(film):
    "One that reaches beyond it would be smaller than is said."
    with pytest.raises(ValueError, match="reach beyond the film"):
        plant_marker(film, side=0.1, at=(0.99, 0.5))
    length = round(0.1 * min(film.size))
    at = (1 - length / film.width, 1 - length / film.height)
    is_white = np.asarray(plant_marker(film, side=0.1, at=at)) == 255
    assert is_white[-length:, -length:].all()


@pytest.mark.parametrize("share", [0, 1, float("nan"), "a", None, True, [0.5]])
def test_a_middle_whose_share_is_none(film, share):
    with pytest.raises(ValueError, match="share must lie between 0 and 1"):
        black_out(film, share)


@pytest.mark.parametrize("side", [0, -1, 1.5, 20_000, float("nan"), "224", None, True, (64, 64)])
def test_a_square_whose_side_is_no_number_of_pixels(film, side):
    with pytest.raises(ValueError, match="side must be a whole number"):
        harmonise(film, side)


@pytest.mark.parametrize("side", [64, 64.0, np.int64(64)])
def test_a_side_of_any_kind_of_whole_number(film, side):
    assert harmonise(film, side).size == (64, 64)
