"The audit finds what is wrong with a data set, planted or real, and nothing where nothing is."

import importlib
import io
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from conftest import make_link, need_names
from rsna_cls import (
    BadFolder,
    audit,
    duplicates,
    load_film,
    plain_text,
    same_source,
    shortcuts,
    show_audit,
)
from textures import EMBEDDED, dicom_file, films_of, put, rows, severities, texture, write

module = importlib.import_module("rsna_cls.audit")

COLUMNS = ["finding", "severity", "films", "detail", "accuracy", "low", "high"]

SEVERITIES = ["high", "medium", "low"]


@pytest.fixture(scope="module")
def embedded():
    return audit(EMBEDDED)


# --- the real films -------------------------------------------------------------------------------


@pytest.mark.slow(seconds=4)
def test_real_films(real):
    table = audit(real)
    assert films_of(table, "same pixels") == [["val/abd/abd3.png", "val/abd/abd4.png"]]
    assert not len(rows(table, "near duplicate"))
    size = rows(table, "shortcut: size").iloc[0]
    assert round(size["accuracy"] * 77) == 75
    assert size["severity"] == "high"
    assert len(size["films"]) == 2
    for sign in ("colour", "marks in the middle"):
        (films,) = films_of(table, f"only in abd: {sign}")
        assert len(films) >= 3
        assert all("/abd/" in film for film in films)


# --- the embedded films: what the data card confesses ---------------------------------------------


@pytest.mark.slow(seconds=2)
def test_the_card_s_faults_are_found(embedded):
    assert list(embedded) == COLUMNS
    assert films_of(embedded, "same pixels") == [["val/abd/abd3.png", "val/abd/abd4.png"]]
    size = rows(embedded, "shortcut: size").iloc[0]
    assert size["accuracy"] == 1
    assert size["severity"] == "high"
    assert size["low"] > 0.9
    for sign in ("marks in the middle", "marks near the edge"):
        assert severities(embedded, f"only in abd: {sign}") == ["high"]
    for finding in ("likely same source", "odd film", "unreadable file"):
        assert not len(rows(embedded, finding))
    assert severities(embedded, "shortcut: bit depth") == ["low"]


def test_the_worst_comes_first(embedded):
    assert embedded["severity"].map(SEVERITIES.index).is_monotonic_increasing


# --- labels ---------------------------------------------------------------------------------------


@pytest.mark.slow(seconds=2)
def test_renamed_classes(embedded, tmp_path):
    new_names = dict(abd="Zahn", chest="Ärmel 1")
    for file in EMBEDDED.glob("*/*/*.png"):
        split, name = file.parts[-3:-1]
        copy = tmp_path / split / new_names[name] / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    renamed = audit(tmp_path)
    assert sorted(renamed["finding"].str.replace("Zahn", "abd")) == sorted(embedded["finding"])
    for fact in ("shortcut: size", "shortcut: sharpness"):
        before = rows(embedded, fact)["accuracy"].iloc[0]
        after = rows(renamed, fact)["accuracy"].iloc[0]
        assert abs(after - before) < 0.06


# --- folders and files that are not as they should be ---------------------------------------------


@pytest.mark.parametrize(
    "make",
    [lambda p: p / "nowhere", lambda p: p, lambda p: write(p, ("chest",), n=2)],
    ids=["no folder", "empty", "one class"],
)
@pytest.mark.parametrize("function", [audit, duplicates, shortcuts, same_source])
def test_no_course_folder(tmp_path, make, function):
    with pytest.raises(BadFolder, match="folder"):
        function(make(tmp_path))


def test_unreadable_odd_and_missing(tmp_path):
    path = write(tmp_path, parts=("train", "val"), n=6)
    good = (path / "train/a/0.png").read_bytes()
    (path / "train/a/cut.png").write_bytes(good[: len(good) // 3])
    (path / "train/b/empty.jpg").write_bytes(b"")
    Image.new("L", (200, 200), 90).save(path / "train/a/blank.png")
    Image.new("L", (200, 200), 90).save(path / "train/b/blank.png")
    texture(np.random.default_rng(5), (40, 44)).save(path / "train/b/tiny.png")
    texture(np.random.default_rng(6), (80, 400)).save(path / "train/b/strip.png")
    film = texture(np.random.default_rng(7), (200, 200))
    film.point(lambda grey: grey // 8).save(path / "train/b/dark.png")
    other = texture(np.random.default_rng(8), (200, 200))
    other.point(lambda grey: 225 + grey // 9).save(path / "train/b/light.png")
    shutil.rmtree(path / "val/b")
    table = audit(path)

    assert sorted(films_of(table, "unreadable file")) == [
        ["train/a/cut.png"],
        ["train/b/empty.jpg"],
    ]
    assert set(severities(table, "unreadable file")) == {"high"}
    assert "empty" in " ".join(rows(table, "unreadable file")["detail"])

    odd = {}
    for row in rows(table, "odd film").itertuples():
        odd[row.films[0]] = row.detail
    assert set(odd) == {
        "train/a/blank.png",
        "train/b/blank.png",
        "train/b/tiny.png",
        "train/b/strip.png",
        "train/b/dark.png",
        "train/b/light.png",
    }
    assert "blank" in odd["train/a/blank.png"]
    assert "44 × 40" in odd["train/b/tiny.png"]
    assert "strip" in odd["train/b/strip.png"]
    assert "nearly black" in odd["train/b/dark.png"]
    assert "nearly white" in odd["train/b/light.png"]
    assert not len(rows(table, "same pixels"))  # all blank films are alike

    assert severities(table, "class balance") == ["high"]
    assert "b 0" in rows(table, "class balance")["detail"].iloc[0]


def test_unreadable_files_count_for_the_balance(tmp_path):
    path = write(tmp_path, n=4)
    (path / "train/b/empty.png").write_bytes(b"")
    assert rows(audit(path), "class balance")["detail"].tolist() == ["train: a 4, b 5"]


@pytest.mark.slow(seconds=2)
def test_an_inverted_film_is_odd(tmp_path):
    path = shutil.copytree(EMBEDDED, tmp_path / "films")
    file = path / "train/chest/chest9.png"
    ImageOps.invert(load_film(file)).save(file)
    assert films_of(audit(path), "odd film") == [["train/chest/chest9.png"]]


def test_each_set_of_films_tells_of_its_own_pairs():
    "However many sets there are: the likeness of one is not that of another."
    rows = []
    for number in range(30):
        for second, likeness in (("b", 0.97 + number / 1000), ("c", 0.99)):
            rows.append((f"train/a/{number}a.png", f"train/a/{number}{second}.png", likeness))
    pairs = pd.DataFrame(rows, columns=["film", "other", "likeness"])
    pairs = pairs.assign(kind="near duplicate", change=["mirrored", ""] * 30)
    findings = {finding.films[0]: finding for finding in module._repeat_findings(pairs)}
    assert len(findings) == 30
    for number in range(30):
        finding = findings[f"train/a/{number}a.png"]
        assert finding.films == [f"train/a/{number}{letter}.png" for letter in "abc"]
        least = min(0.97 + number / 1000, 0.99)
        assert finding.detail == f"within train/a; mirrored; likeness {least:.2f}"


@pytest.mark.parametrize("n", [3, 700])
def test_an_inverted_film_is_told_from_the_others_of_its_class(n):
    "In batches, too."
    rng = np.random.default_rng(0)
    squares = np.tile(np.arange(64, dtype=np.uint8), (2 * n, 64, 1))
    squares += rng.integers(0, 40, squares.shape, np.uint8)
    squares[2] = 255 - squares[2]
    films = np.arange(0, 2 * n, 2)
    found = module._correlation_with_class(squares, films)
    for film, correlation in list(zip(films, found, strict=True))[:5]:
        others = squares[np.setdiff1d(films, film)].astype(float)
        others -= others.mean(axis=(1, 2), keepdims=True)
        others /= np.linalg.norm(others, axis=(1, 2), keepdims=True)
        wanted = np.corrcoef(others.sum(axis=0).ravel(), squares[film].ravel())[0, 1]
        assert abs(correlation - wanted) < 1e-4
    assert found[1] < -0.5


@pytest.mark.parametrize("function", [audit, duplicates, shortcuts, same_source])
def test_each_film_is_opened_once(tmp_path, function):
    path = write(tmp_path, n=4)
    opened = []
    is_counting = True

    def count(event, args):
        if event == "open" and is_counting and str(args[0]).startswith(str(path)):
            opened.append(Path(args[0]))

    sys.addaudithook(count)  # sees each opening of a file, whoever opens it; it stays for good
    function(path)
    is_counting = False
    assert sorted(opened) == sorted(path.glob("*/*/*.png"))


def test_a_patient_s_folder_in_two_parts(tmp_path):
    path = write(tmp_path, n=4, parts=("train", "val"))
    rng = np.random.default_rng(9)
    put(texture(rng), path / "train/a/Doe^Jane/1.png")
    put(texture(rng), path / "val/b/doe^jane/study/2.png")
    put(texture(rng), path / "train/b/roe/1.png", path / "train/a/roe/1.png")
    row = rows(audit(path), "a patient's folder in two parts").iloc[0]
    assert row["films"] == ["train/a/Doe^Jane/1.png", "val/b/doe^jane/study/2.png"]
    assert row["severity"] == "medium"
    assert "doe" not in row["detail"].lower()


def test_a_folder_of_all_films_is_no_patient_s(tmp_path):
    rng = np.random.default_rng(9)
    for part in ("train", "val"):
        for name in "ab":
            put(texture(rng), tmp_path / part / name / "images/1.png")
            put(texture(rng), tmp_path / part / name / "images/2.png")
    assert not len(rows(audit(tmp_path), "a patient's folder in two parts"))


def test_what_is_left_out_is_told(tmp_path):
    path = write(tmp_path, n=4)
    assert not len(rows(audit(path), "left out"))
    (path / "train/a/notes.txt").write_text("nothing", encoding="utf-8")
    assert severities(audit(path), "left out") == ["low"]
    make_link(path / "train/a/gone.png", tmp_path / "nowhere.png")
    table = audit(path)
    assert severities(table, "left out") == ["medium"]
    assert "notes.txt" in rows(table, "left out")["detail"].iloc[0]


@pytest.mark.filterwarnings("ignore:.*films share a side")
@pytest.mark.parametrize("function", [duplicates, shortcuts, same_source])
def test_what_is_left_out_is_printed(tmp_path, capsys, function):
    path = write(tmp_path, n=4)
    (path / "train/a/notes.txt").write_text("nothing", encoding="utf-8")
    function(path)
    assert "Left out: 1 file is no film" in capsys.readouterr().out


def test_a_misnamed_split_is_refused(tmp_path):
    path = write(tmp_path, n=3, parts=("train", "val"))
    (path / "val").rename(path / "valid")
    for function in (audit, duplicates, shortcuts, same_source):
        with pytest.raises(BadFolder, match="valid/"):
            function(path)


# --- pictures -------------------------------------------------------------------------------------


def test_the_picture_tells_the_table(embedded):
    shown = show_audit(embedded, EMBEDDED)
    assert shown.png[1:4] == b"PNG"
    assert shown.alt.startswith("Audit of 79 films. ")
    assert "val/abd/abd3.png and val/abd/abd4.png: same pixels" in shown.alt
    assert "size alone is right for 100%" in shown.alt


def test_the_picture_searches_nothing_and_reads_what_it_draws(embedded, monkeypatch):
    def no(*args, **kwargs):
        raise AssertionError("the table has the answer")

    monkeypatch.setattr(module.Survey, "of", no)
    monkeypatch.setattr(module, "find_pairs", no)
    drawn = []

    def counting(film, *args, **kwargs):
        drawn.append(film)
        return np.zeros((40, 40), np.uint8)

    monkeypatch.setattr(module, "thumbnail", counting)
    show_audit(embedded, EMBEDDED)
    assert drawn == [EMBEDDED / "val/abd/abd3.png", EMBEDDED / "val/abd/abd4.png"]


def test_a_table_that_was_put_together_anew_is_drawn_too(tmp_path):
    "It has lost the sizes of the films, so these are read once more."
    path = write(tmp_path, n=3)
    table = audit(path)
    anew = pd.DataFrame(table.to_dict("records"))
    assert not anew.attrs
    assert show_audit(anew, path).alt == show_audit(table, path).alt
    assert show_audit(anew, path).png == show_audit(table, path).png


def test_the_sizes_do_not_hinder_what_pandas_does_with_a_table(embedded, tmp_path):
    "pandas copies and compares the attributes of a table."
    both = pd.concat([embedded.head(2), embedded.tail(2)])
    assert show_audit(both, EMBEDDED).alt.startswith("Audit of 79 films.")
    assert "size" in repr(embedded)
    embedded.to_pickle(tmp_path / "table.pkl")
    again = pd.read_pickle(tmp_path / "table.pkl")
    assert show_audit(again, EMBEDDED).alt == show_audit(embedded, EMBEDDED).alt


def test_a_folder_is_named_as_a_person_names_it(tmp_path, monkeypatch):
    "With ~ or $HOME, as audit takes it."
    path = write(tmp_path / "films", n=3)
    shutil.copy(path / "train/a/0.png", path / "train/b/again.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    shown = show_audit(audit("~/films"), "~/films")
    assert "same pixels" in shown.alt


@pytest.mark.slow(seconds=2)
def test_a_picture_of_sets_and_of_part_of_a_table(tmp_path):
    path = write(tmp_path, n=4)
    for number in range(5):
        shutil.copy(path / "train/a/0.png", path / f"train/a/copy{number}.png")
    shutil.copy(path / "train/b/1.png", path / "train/b/twin.png")
    (path / "train/b/empty.png").write_bytes(b"")
    table = audit(path)
    shown = show_audit(table, path)
    copies = "train/a/0.png, train/a/copy0.png, train/a/copy1.png, train/a/copy2.png and 2 more"
    assert shown.alt.startswith(f"Audit of 14 films. {copies}: same pixels; train/b/1.png and ")
    assert "twin" not in show_audit(table, path, most=1).alt
    facts = table[table["accuracy"].notna()]
    assert show_audit(facts, path).alt.startswith("Audit of 14 films. ")


def test_a_picture_without_duplicates(tmp_path):
    path = write(tmp_path, n=3)
    shown = show_audit(audit(path), path)
    assert shown.png[1:4] == b"PNG"
    assert "same pixels" not in shown.alt


def test_a_picture_without_anything_to_tell(tmp_path):
    path = write(tmp_path, n=1)
    assert show_audit(audit(path), path).alt == "Audit of 2 films."


def test_sizes_are_those_of_the_films(tmp_path):
    "Turned by its EXIF tag, or in a DICOM file: the picture has the size of the film."
    path = write(tmp_path, n=3)
    turn = Image.Exif()
    turn[0x0112] = 6
    load_film(path / "train/a/0.png").save(path / "train/a/turned.jpg", exif=turn)
    load_film(path / "train/a/0.png").save(path / "train/b/turned.png", exif=turn)
    shutil.copy(dicom_file(), path / "train/b/film.dcm")
    (path / "train/b/empty.png").write_bytes(b"")
    sizes = audit(path).attrs["sizes"]
    for label in "ab":
        files = [file for file in (path / "train" / label).iterdir() if file.stat().st_size]
        assert sorted(sizes[label]) == sorted(load_film(file).size for file in files)


def test_arguments_in_the_wrong_order(tmp_path, embedded):
    for table in (EMBEDDED, duplicates(EMBEDDED), None):
        with pytest.raises(ValueError, match="show_audit takes the table"):
            show_audit(table, EMBEDDED)
    file = tmp_path / "audit.csv"
    embedded.to_csv(file, index=False)
    with pytest.raises(ValueError, match="call audit"):
        show_audit(pd.read_csv(file), EMBEDDED)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.slow(seconds=3)
def test_names_of_patients_stay_out_of_figures(tmp_path, monkeypatch):
    path = write(tmp_path, n=4, parts=("train", "val"))
    film = texture(np.random.default_rng(3))
    put(film, path / "train/a/doe/1.png", path / "val/b/doe/2.png")
    table = audit(path)
    drawn = []
    monkeypatch.setattr(
        module, "plain_text", lambda text, *_: drawn.append(text) or plain_text(text)
    )
    shown = show_audit(table, path)
    assert "train/a/1.png and val/b/2.png: same pixels" in shown.alt
    assert not any("doe" in text for text in [shown.alt, *drawn])
    assert any("val/b/2.png" in text for text in drawn)


@pytest.mark.slow(seconds=3)
@pytest.mark.parametrize("names", [("A_$x", "_<b>{%"), ("01", "02"), ("True", "1e5"), ("^_", "$$")])
def test_names_that_mean_something_to_a_program(tmp_path, names):
    "Formulas, numbers, truth values: the names of classes and films stay what they are."
    first, second = names
    need_names(first, second, "$a_{b}\n<%.png")
    path = write(tmp_path, names, n=6)
    for number in range(5):
        greys = np.asarray(load_film(path / f"train/{first}/{number}.png"))
        colours = np.stack([greys, greys, greys // 2], axis=2)
        Image.fromarray(colours).save(path / f"train/{first}/{number}.png")
    shutil.copy(path / f"train/{first}/5.png", path / f"train/{second}/$a_{{b}}\n<%.png")
    table = audit(path)
    assert len(films_of(table, f"only in {first}: colour")[0]) == 5
    balance = rows(table, "class balance")["detail"].iloc[0]
    assert f"{first} 6" in balance
    assert f"{second} 7" in balance
    assert len(rows(table, "same pixels")) == 1
    assert show_audit(table, path).png[1:4] == b"PNG"
    written = io.StringIO(table.to_csv(index=False))
    assert pd.read_csv(written)["detail"].tolist() == table["detail"].tolist()
