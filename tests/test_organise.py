"From what an archive exports to a course folder: each patient in one part, and no name in it."

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, PngImagePlugin

from conftest import make_dicom
from rsna_cls import SPLITS, BadFolder, Course, film_files, load_film, organise

SECRETS = ("Mustermann", "Erika", "19640812", "KH-4711", "Dr. Roe", "ACC-8")  # of one export


def pixels(number, shape=(40, 36)):
    "A film of noise: each number another one."
    return np.random.default_rng(number).integers(0, 4096, shape)


def write_export(folder, n_patients=30, films_each=2):
    "An export: folders for patients and studies, files without ending, names in headers and paths."
    for patient in range(n_patients):
        part = "CHEST" if patient % 2 else "ABDOMEN"
        for visit in range(films_each):
            study = folder / f"Mustermann_Erika_{patient}" / f"ACC-8{visit}"
            study.mkdir(parents=True)
            make_dicom(
                study / "IM0001",
                pixels(100 * patient + visit),
                PatientName="Mustermann^Erika",
                PatientID=f"KH-4711-{patient}",
                PatientBirthDate="19640812",
                ReferringPhysicianName="Dr. Roe",
                BodyPartExamined=part,
                StudyInstanceUID=f"1.2.{patient}.{visit}",
            )
    return folder


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    "An export of 60 films of 30 patients; do not change it."
    return write_export(tmp_path_factory.mktemp("archive") / "export")


def patients_of(course, split):
    "The numbers of the patients of a part."
    return {film.parent.name for film in Course(course).films(split)}


def content(course):
    "Of each file in a folder its bytes, by its path from there."
    files = [path for path in course.rglob("*") if path.is_file()]
    return {file.relative_to(course).as_posix(): file.read_bytes() for file in files}


def check_no_secret(text):
    "Nothing of `SECRETS` stands in a text, in capitals or not."
    for secret in SECRETS:
        assert secret.casefold() not in text.casefold()


def by_pixels(folder):
    "The films of a folder by what they show."
    return {load_film(film).tobytes(): film for film in film_files(folder)}


# --- what is asked of it -------------------------------------------------------------------------


def test_every_film_of_a_patient_lies_in_one_part(export, tmp_path):
    course = organise(export, tmp_path / "course", labels="BodyPartExamined")

    # Whose film is it really? The header of the file that shows the same knows.
    originals = by_pixels(export)
    parts = {}
    for shown, copy in by_pixels(course).items():
        patient = originals[shown].relative_to(export).parts[0]
        parts.setdefault(patient, set()).add(copy.relative_to(course).parts[0])
    assert len(parts) == 30
    assert all(len(of_patient) == 1 for of_patient in parts.values())

    # All films are there, in the class that the header says, three fifths of them to learn from.
    assert len(Course(course, needs=SPLITS).films()) == 60
    assert {split: len(patients_of(course, split)) for split in SPLITS} == {
        "train": 18,
        "val": 6,
        "test": 6,
    }
    for label in ("abdomen", "chest"):
        assert len(film_files(course / "train" / label)) == 18


def test_no_identifier_in_any_output(export, tmp_path, capfd):
    "Not in what is printed, not in a name, not in a file's bytes."
    course = organise(export, tmp_path / "course", labels="BodyPartExamined")
    printed = capfd.readouterr()
    written = "\n".join(content(course))
    check_no_secret(printed.out + printed.err + written)
    for file in content(course).values():
        check_no_secret(file.decode("latin-1"))
    assert all(name.endswith(".png") for name in content(course))


def test_what_a_picture_carries_beside_its_pixels_stays_behind(tmp_path):
    source = tmp_path / "source"
    text = PngImagePlugin.PngInfo()
    text.add_text("PatientName", "Mustermann^Erika")
    exif = Image.Exif()
    exif[0x010E] = "Mustermann^Erika"
    for number in range(12):
        folder = source / ("chest" if number % 2 else "abd")
        folder.mkdir(parents=True, exist_ok=True)
        film = Image.fromarray((pixels(number) // 16).astype(np.uint8))
        film.save(folder / f"{number}.png", pnginfo=text)
        film.save(folder / f"{number}x.jpg", exif=exif)
    course = organise(source, tmp_path / "course", "folders")
    assert len(content(course)) == 24
    assert not any(b"Mustermann" in file for file in content(course).values())


def test_the_source_stays_as_it_was(export, tmp_path):
    before = content(export)
    organise(export, tmp_path / "course", labels="BodyPartExamined")
    assert content(export) == before


def test_the_salt(export, tmp_path):
    "The same one gives the same split, another one another, and without one it is drawn anew."
    found = {}
    for name, salt in dict(a="salt", b="salt", c="pepper", d=None, e=None).items():
        course = organise(export, tmp_path / name, labels="BodyPartExamined", salt=salt)
        found[name] = content(course)
    assert found["a"] == found["b"]
    assert len({str(sorted(films.items())) for films in found.values()}) == 4
    for no_salt in (42, "", b"salt"):
        with pytest.raises(BadFolder, match="salt is a secret word"):
            organise(export, tmp_path / "f", labels="BodyPartExamined", salt=no_salt)


# --- interrupted ---------------------------------------------------------------------------------

CALL = """
import sys
from rsna_cls import organise
print("begun", flush=True)
organise(sys.argv[1], sys.argv[2], labels="BodyPartExamined", salt="salt")
"""


@pytest.mark.slow(seconds=40)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_killed_at_random_moments_and_called_again(tmp_path, outcome):
    "Killed five times: no course folder, or the whole one. Then a second call finishes it."
    export = write_export(tmp_path / "export", n_patients=60, films_each=3)
    begin = time.perf_counter()
    whole = content(organise(export, tmp_path / "whole", labels="BodyPartExamined", salt="salt"))
    seconds = time.perf_counter() - begin

    draw = random.Random(15)
    found = []
    for number in range(5):
        dest = tmp_path / f"{number}" / "course"
        command = [sys.executable, "-W", "ignore", "-c", CALL, export, dest]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "begun\n"
        time.sleep(draw.uniform(0.05, 0.5) * seconds)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        found.append(content(dest) if dest.exists() else None)
        if not dest.exists():
            subprocess.run(command, check=True, capture_output=True)
        assert content(dest) == whole
    assert None in found  # at least one was killed before it was done
    assert all(films is None or films == whole for films in found)
    case = "kill −9 while an export is organised, five random moments"
    n_without = found.count(None)
    outcome("faults", case, f"{n_without} times no course folder, else the whole; then the whole")


def test_stopped_by_the_user(export, tmp_path, monkeypatch):
    "Ctrl-C leaves nothing behind."
    room = sys.modules["rsna_cls.organise"]
    n_read = 0

    def stop_at_the_tenth(path):
        nonlocal n_read
        n_read += 1
        if n_read == 10:
            raise KeyboardInterrupt
        return load_film(path)

    monkeypatch.setattr(room, "load_film", stop_at_the_tenth)
    with pytest.raises(KeyboardInterrupt):
        organise(export, tmp_path / "home" / "course", labels="BodyPartExamined")
    assert list(tmp_path.iterdir()) == []


# --- what is left out ----------------------------------------------------------------------------


def test_what_is_left_out_is_counted_and_not_named(tmp_path, capsys):
    export = write_export(tmp_path / "export", n_patients=12, films_each=1)
    more = export / "Mustermann_Erika_1" / "ACC-80"
    header = dict(PatientID="KH-4711-1", BodyPartExamined="CHEST")
    make_dicom(more / "raw", pixels(901), PresentationIntentType="FOR PROCESSING", **header)
    make_dicom(more / "slice", pixels(902), **(header | {"Modality": "CT"}))
    make_dicom(more / "frames", pixels(903), NumberOfFrames=2, **header)
    make_dicom(more / "unsaid", pixels(904), PatientID="KH-4711-1")
    make_dicom(more / "hand", pixels(905), PatientID="KH-4711-1", BodyPartExamined="HAND")
    make_dicom(more / "written on", pixels(906), BurnedInAnnotation="YES", **header)
    (more / "again").write_bytes((more / "IM0001").read_bytes())
    (more / "Befund_Mustermann.pdf").write_bytes(b"%PDF-1.4")
    (more / "Mustermann.png.icloud").write_bytes(b"")

    organise(export, tmp_path / "course", labels="BodyPartExamined")
    printed = capsys.readouterr().out
    for words in (
        "13 films of 12 patients",
        "1 a raw image",
        "1 of another modality than radiography",
        "1 not readable (this DICOM file holds several frames",
        "1 without a label",
        "1 of a class with fewer than 3 patients",
        "1 the same film again",
        "1 file is no film",
        "1 file is in a cloud storage",
        "Words are burned into 1 film, say their headers",
    ):
        assert words in printed
    check_no_secret(printed)


def test_films_without_a_patient_are_said(course, tmp_path, capsys):
    organise(course / "train", tmp_path / "course", "folders")
    printed = capsys.readouterr().out
    assert "told apart by: nothing (each counts as a patient of its own) 12." in printed


def test_patients_who_share_a_film_are_one(tmp_path):
    "As after an archive has merged two of its patients, and exported both."
    export = write_export(tmp_path / "export", n_patients=12)
    make_dicom(
        export / "Mustermann_Erika_3/ACC-80/IM0009",
        pixels(100),  # that of patient 1's first visit
        PatientID="KH-4711-3",
        BodyPartExamined="CHEST",
    )
    course = organise(export, tmp_path / "course", labels="BodyPartExamined")
    folders = {film.parent for film in by_pixels(course).values()}
    assert len(folders) == 11
    assert len(Course(course).films()) == 24


def test_a_patient_with_films_of_both_classes(tmp_path):
    source = tmp_path / "source"
    for number in range(40):
        folder = source / ("chest" if number % 2 else "abd") / f"patient {number // 4}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels(number) // 16).astype(np.uint8)).save(folder / f"{number}.png")
    course = organise(source, tmp_path / "course", "folders")
    numbers = [patients_of(course, split) for split in SPLITS]
    assert [len(of_split) for of_split in numbers] == [6, 2, 2]
    assert len(set.union(*numbers)) == 10


# --- three ways to name the classes --------------------------------------------------------------


def write_pictures(folder, names):
    "Pictures of noise under these names."
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels(number) // 16).astype(np.uint8)).save(folder / name, "PNG")
    return folder


@pytest.mark.parametrize("spelling", ["name", "stem", "path", "windows"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_names_its_films_as_people_do(tmp_path, spelling, separator):
    names = [f"images/film {number}.png" for number in range(12)]
    source = write_pictures(tmp_path / "source", names)
    spell = {
        "name": lambda name: Path(name).name,
        "stem": lambda name: Path(name).stem,
        "path": str,
        "windows": lambda name: name.replace("/", "\\"),
    }[spelling]
    rows = [separator.join(["File", "Label", "Patient"])]
    for number, name in enumerate(names):
        label = "chest" if number % 2 else "abd"
        rows.append(separator.join([spell(name), label, f"{number // 2:03}"]))
    (tmp_path / "labels.csv").write_text("\ufeff" + "\n".join(rows), encoding="utf-8")
    course = organise(source, tmp_path / "course", labels=tmp_path / "labels.csv")
    assert len(Course(course).films()) == 12

    # A table that lies beside the films is found there.
    (tmp_path / "labels.csv").rename(source / "labels.csv")
    course = organise(source, tmp_path / "another", labels="labels.csv")
    assert len(set.union(*(patients_of(course, split) for split in SPLITS))) == 6


def test_a_table_in_memory_may_hold_numbers(tmp_path):
    source = write_pictures(tmp_path / "source", [f"{number}.png" for number in range(12)])
    table = pd.DataFrame({"file": range(12), "label": [0, 1] * 6, "patient": np.arange(12) // 2})
    course = organise(source, tmp_path / "course", labels=table)
    assert Course(course).classes == ["0", "1"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"name": ["1.png"], "label": ["a"]}, "needs one column called 'file', and has 0 among 2"),
        ({"file": ["1.png"], "class": ["a"]}, "needs one column called 'label', and has 0"),
        ({"file": ["1.png", "1.png"], "label": ["a", "b"]}, "another label than a row before"),
        ({"file": ["1"], "label": ["a"], "Label": ["b"]}, "needs one column called 'label'"),
        ({"file": ["gone.png"], "label": ["a"]}, "1 named in the table, and not there"),
        ({"file": [], "label": []}, "12 without a label"),
        (
            {"file": ["1.png"] * 2, "label": ["a"] * 2, "patient": ["p", "q"]},
            "row 2 of the table of labels (its first line not counted) gives a film another",
        ),
        ({"file": ["1.png"] * 3, "label": ["a"] * 3}, "none has so many"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, table, words):
    source = write_pictures(tmp_path / "source", [f"{number}.png" for number in range(12)])
    with pytest.raises(BadFolder, match=re.escape(words)):
        organise(source, tmp_path / "course", labels=pd.DataFrame(table))
    assert not (tmp_path / "course").exists()


def test_a_name_that_several_films_have(tmp_path):
    source = write_pictures(tmp_path / "source", ["a/1.png", "b/1.png"])
    table = pd.DataFrame({"file": ["1.png"], "label": ["chest"]})
    with pytest.raises(BadFolder, match="row 1 .* of which there are 2"):
        organise(source, tmp_path / "course", labels=table)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("labels.csv", "no table of this name"),
        ("PatientName", "no table of this name. labels takes 'folders', a CSV file, a table, or"),
        ("labels.xlsx", "is a workbook of a spreadsheet: save its table as CSV UTF-8"),
        ("western.csv", "cannot be read as a table: save it as CSV UTF-8"),
        (7, "named by a path"),
        (["chest", "abd"], "named by a path"),
        ("a\0b", "is no path"),
    ],
)
def test_labels_that_are_none(tmp_path, monkeypatch, labels, words):
    monkeypatch.chdir(tmp_path)
    source = write_pictures(tmp_path / "source", ["a/1.png", "b/1.png"])
    (tmp_path / "labels.xlsx").write_bytes(b"PK\3\4" + bytes(range(256)))
    (tmp_path / "western.csv").write_bytes("file;label\n1.png;Schädel\n".encode("cp1252"))
    with pytest.raises(BadFolder, match=words):
        organise(source, tmp_path / "course", labels=labels)


def test_an_export_without_labels_is_refused_without_a_name(export, tmp_path):
    "The folders below it are patients', and would become classes."
    with pytest.raises(BadFolder) as refused:
        organise(export, tmp_path / "course", "folders")
    assert "there are 30 folders: are these patients" in str(refused.value)
    assert "BodyPartExamined" in str(refused.value)
    check_no_secret(str(refused.value))
    assert not (tmp_path / "course").exists()


def test_many_folders_of_pictures_are_patients(tmp_path):
    names = [f"Mustermann {number // 4}/{number}.png" for number in range(80)]
    with pytest.raises(BadFolder, match="there are 20 folders: are these patients") as refused:
        organise(write_pictures(tmp_path / "source", names), tmp_path / "course", "folders")
    assert "Mustermann" not in str(refused.value)


@pytest.mark.parametrize("label", ["ch/est", "..", ".chest", "a:b", "abd.", "truth", "CON?"])
def test_labels_that_no_folder_can_have(tmp_path, capsys, label):
    "As BodyPartExamined may be HIP/PELVIS: such films are left out, and the others are not lost."
    source = write_pictures(tmp_path / "source", [f"{number}.png" for number in range(18)])
    table = pd.DataFrame({"file": range(18), "label": ["abd", "chest", label] * 6})
    course = organise(source, tmp_path / "course", labels=table)
    assert len(Course(course).films()) == 12
    words = "6 with a label that cannot be the name of a folder"
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("labels", [["Chest", "chest"], ["Sch\u00e4del", "Scha\u0308del"]])
def test_labels_that_are_hardly_two(tmp_path, labels):
    source = write_pictures(tmp_path / "source", [f"{number}.png" for number in range(12)])
    table = pd.DataFrame({"file": range(12), "label": labels * 6})
    with pytest.raises(BadFolder, match="two of its classes have the same name"):
        organise(source, tmp_path / "course", labels=table)


@pytest.mark.parametrize(
    "rows",
    [
        ["mustermann_0.png;abd;kh-4711", "mustermann_1.png;chest;kh-4712"],  # without a first line
        ["file;label", "Mustermann.png;abd"],
        ["file;label;patient", "0;Mustermann;KH-4711"],
    ],
)
def test_no_refusal_quotes_a_table(tmp_path, rows):
    source = write_pictures(tmp_path / "source", [f"{number}.png" for number in range(12)])
    (source / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(BadFolder) as refused:
        organise(source, tmp_path / "course", labels="labels.csv")
    check_no_secret(str(refused.value))


def test_few_folders_of_patients_are_refused_without_a_name(tmp_path):
    names = [f"Mustermann_{number // 4}/{number % 2}/{number}.png" for number in range(12)]
    source = write_pictures(tmp_path / "source", names[:8])
    with pytest.raises(BadFolder) as refused:
        organise(source, tmp_path / "course", "folders")
    check_no_secret(str(refused.value))


def test_the_most_exact_name_counts(tmp_path):
    "Files called by numbers with points, and one name in two folders."
    names = ["1.2.3", "1.2.3.4", "b/1.2.3", *[f"{number}.png" for number in range(12)]]
    source = write_pictures(tmp_path / "source", names)
    files = ["1.2.3", "./b/1.2.3", *[f"{number}.png" for number in range(12)]]
    table = pd.DataFrame({"file": files, "label": ["abd", "chest"] * 7})
    course = organise(source, tmp_path / "course", labels=table)
    shown = by_pixels(course)
    labels = {}
    for name in names[:3]:
        film = shown.get(load_film(source / name).tobytes())
        labels[name] = film and film.parents[1].name
    assert labels == {"1.2.3": "abd", "1.2.3.4": None, "b/1.2.3": "chest"}


def test_one_film_with_two_labels_is_left_out(tmp_path, capsys):
    names = [f"{'chest' if number % 2 else 'abd'}/{number}.png" for number in range(12)]
    source = write_pictures(tmp_path / "source", names)
    (source / "chest/again.png").write_bytes((source / "abd/0.png").read_bytes())
    for folder in ("chest", "abd"):  # and two films that show nothing
        Image.new("L", (36, 40)).save(source / folder / "blank.png")
    course = organise(source, tmp_path / "course", "folders")
    assert len(Course(course).films()) == 11
    printed = capsys.readouterr().out
    assert "2 with another label than the same film" in printed
    assert "2 blank, all of one grey" in printed


# --- who is who ----------------------------------------------------------------------------------


def write_headers(folder, headers):
    "A film for each header, of each class in turn, in the folders that `folder` of it names."
    for number, header in enumerate(headers):
        header = dict(header)
        place = folder / ("chest" if number % 2 else "abd") / header.pop("folder", "")
        place.mkdir(parents=True, exist_ok=True)
        make_dicom(place / f"{number}", pixels(number), **header)
    return folder


# Of two films of each patient, a chest and an abdomen: what is said of the first and of the second.
ONE_PATIENT = {
    "a number that is missing, and one visit": (
        lambda n: dict(PatientID=f"P{n}", StudyInstanceUID=f"1.{n}"),
        lambda n: dict(StudyInstanceUID=f"1.{n}"),
    ),
    "a number that is missing, and one folder": (
        lambda n: dict(PatientID=f"P{n}", StudyInstanceUID=f"1.{n}.1", folder=f"f{n}"),
        lambda n: dict(StudyInstanceUID=f"1.{n}.2", folder=f"f{n}"),
    ),
    "two visits and one folder, without a number": (
        lambda n: dict(StudyInstanceUID=f"1.{n}.1", folder=f"f{n}"),
        lambda n: dict(StudyInstanceUID=f"1.{n}.2", folder=f"f{n}"),
    ),
    "a number with and without noughts, and one visit": (
        lambda n: dict(PatientID=f"{n}", StudyInstanceUID=f"1.{n}"),
        lambda n: dict(PatientID=f"{n:06}", StudyInstanceUID=f"1.{n}"),
    ),
    "capitals and blanks": (
        lambda n: dict(PatientID=f"a{n}"),
        lambda n: dict(PatientID=f"A{n} "),
    ),
    "two ways to write a folder": (
        lambda n: dict(folder=f"M\u00fcller {n}"),
        lambda n: dict(folder=f"MU\u0308LLER {n}"),
    ),
    "one visit alone": (
        lambda n: dict(StudyInstanceUID=f"1.{n}"),
        lambda n: dict(StudyInstanceUID=f"1.{n}"),
    ),
    "folders of patients in one more folder": (
        lambda n: dict(folder=f"DICOM/PA{n}/ST0"),
        lambda n: dict(folder=f"DICOM/PA{n}/ST1"),
    ),
    "folders of years, and numbers": (
        lambda n: dict(PatientID=f"P{n}", folder=f"{2020 + n % 2}"),
        lambda n: dict(PatientID=f"P{n}", folder=f"{2020 + n % 3}"),
    ),
    "two numbers in one element": (
        lambda n: dict(PatientID=f"{n}\\\\x"),
        lambda n: dict(PatientID=f"{n}\\\\x"),
    ),
}


@pytest.mark.parametrize("case", ONE_PATIENT)
def test_two_films_of_a_patient_are_known_as_such(tmp_path, case):
    "Whatever is missing: what is said of either film puts them together, and no others."
    first, second = ONE_PATIENT[case]
    headers = [said(number) for number in range(12) for said in (first, second)]
    write_headers(tmp_path / "source", headers)
    course = organise(tmp_path / "source", tmp_path / "course", "folders")
    patient_of = {shown: film.parent.name for shown, film in by_pixels(course).items()}
    in_turn = []
    for number in range(24):
        file = (
            tmp_path
            / "source"
            / ("chest" if number % 2 else "abd")
            / headers[number].get("folder", "")
        )
        in_turn.append(patient_of[load_film(file / f"{number}").tobytes()])
    assert in_turn[0::2] == in_turn[1::2]
    assert len(set(in_turn)) == 12


def half_of_the_table(n):
    return "" if n % 2 else f"P{n // 2}"


@pytest.mark.parametrize("said", ["half", "all", "parted"])
def test_a_table_and_headers(tmp_path, capsys, said):
    "Of half the films it adds to what headers say; of all of them it alone counts."
    headers = [dict(PatientID=f"p{number // 2}") for number in range(24)]
    write_headers(tmp_path / "source", headers)
    table = pd.DataFrame({"file": range(24), "label": ["abd", "chest"] * 12})
    patients = {
        "half": [half_of_the_table(number) for number in range(24)],
        "all": [f"X{number // 4}" for number in range(24)],
        "parted": [f"accession {number}" for number in range(24)],
    }
    table["patient"] = patients[said]
    course = organise(tmp_path / "source", tmp_path / "course", labels=table)
    numbers = set.union(*(patients_of(course, split) for split in SPLITS))
    assert len(numbers) == {"half": 12, "all": 6, "parted": 24}[said]
    warned = "The table parts what headers call one: 12 patients." in capsys.readouterr().out
    assert warned == (said == "parted")


def test_an_anonymiser_that_makes_all_one(tmp_path):
    for number in range(12):
        folder = tmp_path / "source" / ("chest" if number % 2 else "abd")
        folder.mkdir(parents=True, exist_ok=True)
        make_dicom(folder / f"{number}", pixels(number), PatientID="ANON")
    with pytest.raises(BadFolder, match="of 1 patient.*A column patient says who is who"):
        organise(tmp_path / "source", tmp_path / "course", "folders")


def test_classes_that_three_patients_have(tmp_path):
    "Who have films of other classes, too: a way to deal them out is found."
    rows = [(f"{number}.png", "chest", f"p{number}") for number in range(9)]
    rows += [(f"{number}.png", "abd", "p0") for number in range(9, 12)]
    rows += [("12.png", "abd", "p1"), ("13.png", "abd", "p2")]
    rows += [(f"{number}.png", "hand", "p0") for number in range(14, 16)]
    rows += [("16.png", "hand", "p3"), ("17.png", "hand", "p4")]
    source = write_pictures(tmp_path / "source", [name for name, *_ in rows])
    table = pd.DataFrame(rows, columns=["file", "label", "patient"])
    organise(source, tmp_path / "course", labels=table)
    found = {(film.parts[-4], film.parts[-3]) for film in Course(tmp_path / "course").films()}
    assert len(found) == 9


def test_many_classes_of_which_each_patient_has_some(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for patient in range(40):
        for label in np.flatnonzero(rng.random(6) < 0.4):
            rows.append((f"{len(rows)}.png", f"class{label}", patient))
    source = write_pictures(tmp_path / "source", [name for name, *_ in rows])
    table = pd.DataFrame(rows, columns=["file", "label", "patient"])
    course = organise(source, tmp_path / "course", labels=table)
    assert len(Course(course, needs=SPLITS).classes) == 6


# --- places --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("src", "dest", "words"),
    [
        ("export", "export/course", "lie in each other"),
        ("empty", ".", "lie in each other"),
        ("export", "export", "lie in each other"),
        ("export", "full", "not empty"),
        ("nowhere", "course", "nothing of this name"),
        ("export.zip", "course", "unpack it"),
        ("empty", "course", "none has so many"),
        ("", "course", "is no path"),
        ("export", "", "is no path"),
    ],
)
def test_places_that_cannot_be(export, tmp_path, monkeypatch, src, dest, words):
    monkeypatch.chdir(tmp_path)
    os.symlink(export, "export")
    Path("export.zip").write_bytes(b"PK")
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/mine").write_text("mine", encoding="utf-8")
    with pytest.raises(BadFolder, match=words):
        organise(src, dest, labels="BodyPartExamined")
    assert Path("full/mine").read_text(encoding="utf-8") == "mine"
    assert not Path("course").exists()


def test_a_course_folder_is_none(course, tmp_path):
    with pytest.raises(BadFolder, match="a course folder already"):
        organise(course, tmp_path / "course", "folders")


def test_without_the_reader_of_dicom(export, tmp_path, monkeypatch):
    "What is missing is said, with the number of films that need it."
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(BadFolder, match=r"60 not readable \(.*needs (the package )?pydicom"):
        organise(export, tmp_path / "course", labels="BodyPartExamined")


def test_all_films_turn_out_to_be_damaged(tmp_path):
    "Found out only when the pixels are read: nothing is left behind."
    for number in range(12):
        folder = tmp_path / "source" / ("chest" if number % 2 else "abd")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    with pytest.raises(BadFolder, match=r"12 not readable \(the file is damaged"):
        organise(tmp_path / "source", tmp_path / "course", "folders")
    assert not (tmp_path / "course").exists()
