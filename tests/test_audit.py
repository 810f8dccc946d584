"The audit finds what is wrong with a data set, planted or real, and nothing where nothing is."

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps
from scipy.ndimage import gaussian_filter

from rsna_cls import (
    BadFolder,
    audit,
    duplicates,
    embedded_films,
    load_film,
    same_source,
    shortcuts,
    show_audit,
)
from rsna_cls import audit as module
from rsna_cls.audit import _close_pairs

EMBEDDED = embedded_films()
COLUMNS = ["finding", "severity", "films", "detail", "accuracy", "low", "high"]


def rows(table, finding):
    return table[table["finding"] == finding]


def texture(rng, shape=(150, 130), blur=4):
    "A film like no other: blurred noise."
    a = gaussian_filter(rng.normal(size=shape), blur)
    return Image.fromarray((20 + 215 * (a - a.min()) / np.ptp(a)).astype(np.uint8))


def write(path, names=("a", "b"), n=12, parts=("train",), seed=0, shape=lambda c, rng: (150, 130)):
    "A course folder of textures: nothing tells the classes apart."
    rng = np.random.default_rng(seed)
    for part in parts:
        for c in names:
            (path / part / c).mkdir(parents=True)
            for k in range(n):
                texture(rng, shape(c, rng)).save(path / part / c / f"{k}.png")
    return path


@pytest.fixture(scope="module")
def embedded():
    return audit(EMBEDDED)


# --- the real films ---------------------------------------------------------------------------------------------------


def test_real_films(real):
    table = audit(real)
    twins = rows(table, "same pixels")
    assert twins["films"].tolist() == [["val/abd/abd3.png", "val/abd/abd4.png"]] and not len(
        rows(table, "near duplicate")
    )
    size = rows(table, "shortcut: size").iloc[0]
    assert (
        round(size["accuracy"] * 77) == 75
        and size["severity"] == "high"
        and len(size["films"]) == 2
    )
    for sign in ("colour", "marks in the middle"):
        films = rows(table, f"only in abd: {sign}")["films"].iloc[0]
        assert len(films) >= 3 and all("/abd/" in f for f in films)
    groups = same_source(real)
    for a, b in (
        ("train/abd/abd14", "train/abd/abd15"),
        ("train/abd/abd16", "train/abd/abd17"),
        ("train/abd/abd3", "train/abd/abd4"),
        ("val/abd/abd0", "val/abd/abd1"),
    ):
        assert groups[f"{a}.png"] == groups[f"{b}.png"], (a, b)
    pairs = duplicates(real)
    assert pairs["same_split"].all() and pairs["same_class"].all() and len(pairs) <= 12
    assert not pairs["film"].str.contains("chest").any()  # 39 films of 39 patients


# --- the embedded films: what the data card confesses -------------------------------------------------------------------


def test_the_card_s_faults_are_found(embedded):
    assert list(embedded) == COLUMNS
    assert rows(embedded, "same pixels")["films"].tolist() == [
        ["val/abd/abd3.png", "val/abd/abd4.png"]
    ]
    size = rows(embedded, "shortcut: size").iloc[0]
    assert size["accuracy"] == 1 and size["severity"] == "high" and size["low"] > 0.9
    for sign in ("marks in the middle", "marks near the edge"):
        assert rows(embedded, f"only in abd: {sign}")["severity"].tolist() == ["high"]
    assert (
        not len(rows(embedded, "likely same source"))
        and not len(rows(embedded, "odd film"))
        and not len(rows(embedded, "unreadable file"))
    )
    assert rows(embedded, "shortcut: bit depth")["severity"].tolist() == ["low"]


def test_the_worst_comes_first(embedded):
    assert embedded["severity"].map(dict(high=0, medium=1, low=2)).is_monotonic_increasing


def test_marks_are_found_as_often_as_the_notebook_says():
    films = module._records(EMBEDDED)[0].set_index("file")
    told = (
        pd.read_csv(EMBEDDED / "manifest.csv")
        .set_index("path")["parameters"]
        .map(json.loads)[films.index]
    )
    truth, said = (
        told.map(lambda p: bool(p["marks"])),
        films[["marks_middle", "marks_edge", "frame"]].sum(axis=1) > 0,
    )
    assert truth.sum() == 23 and (truth & said).sum() >= 17 and (~truth & said).sum() <= 2


# --- labels -------------------------------------------------------------------------------------------------------------


def test_shuffled_labels(tmp_path, seed=0):
    "Films dealt out at random: no fact can tell the classes, so every interval covers the majority's score."
    files = sorted(p for p in EMBEDDED.glob("*/*/*.png"))
    for k, c in zip(np.random.default_rng(seed).permutation(len(files)), "ab" * 40):
        (tmp_path / "train" / c).mkdir(parents=True, exist_ok=True)
        shutil.copy(files[k], tmp_path / "train" / c / f"{k}.png")
    facts = shortcuts(tmp_path).dropna(subset="accuracy")
    assert (
        len(facts) == 8
        and (facts["low"] <= 40 / 79).all()
        and (facts["high"] >= 0.5).all()
        and set(facts["severity"]) == {"low"}
    )


def test_renamed_classes(embedded, tmp_path):
    for f in EMBEDDED.glob("*/*/*.png"):
        to = tmp_path / f.parts[-3] / dict(abd="Zahn", chest="Ärmel 1")[f.parts[-2]] / f.name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(f, to)
    renamed = audit(tmp_path)
    assert sorted(renamed["finding"].str.replace("Zahn", "abd")) == sorted(embedded["finding"])
    for name in ("shortcut: size", "shortcut: sharpness"):
        assert (
            abs(rows(renamed, name)["accuracy"].iloc[0] - rows(embedded, name)["accuracy"].iloc[0])
            < 0.06
        )


def test_three_classes_and_one_planted_size(tmp_path):
    "The class c is wider than the others: size tells it, and nothing else tells anything."
    path = write(
        tmp_path,
        ("a", "b", "c"),
        n=14,
        shape=lambda c, rng: (
            150 + int(rng.integers(20)),
            (200 if c == "c" else 130) + int(rng.integers(20)),
        ),
    )
    table = shortcuts(path)
    size = rows(table, "shortcut: size").iloc[0]
    assert (
        size["severity"] in ("medium", "high")
        and 0.55 <= size["accuracy"] <= 0.85
        and size["low"] > 1 / 3
    )
    facts = table.dropna(subset="accuracy").set_index("finding")
    assert set(facts.drop(["shortcut: size", "shortcut: aspect ratio"])["severity"]) == {"low"}


def test_planted_depth_colour_and_sharpness(tmp_path):
    path = write(tmp_path)
    for k, f in enumerate(sorted((path / "train/b").iterdir())):
        a = np.asarray(Image.open(f))
        Image.fromarray(a.astype(np.uint16) * 256).save(f) if k % 2 else Image.fromarray(
            np.stack([a, a, a // 2], 2)
        ).save(f)
    table = audit(path)
    assert rows(table, "shortcut: file format")["severity"].tolist() == ["high"]
    assert len(rows(table, "only in b: colour")["films"].iloc[0]) == 6
    assert rows(table, "shortcut: bit depth")["accuracy"].iloc[0] == 0.75


def test_dicom_facts_without_the_patient(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file

    try:
        source = get_testdata_file("RG1_UNCR.dcm")
    except Exception:
        source = None
    if not source:
        pytest.skip("needs pydicom-data")
    path = write(tmp_path, n=4)
    shutil.copy(source, path / "train/a/film.dcm")
    films, _, bad = module._records(path)
    film = films.set_index("file").loc["train/a/film.dcm"]
    ds = pydicom.dcmread(source)
    assert not len(bad) and film["format"] == "DICOM MONOCHROME1" and film["bits"] == ds.BitsStored
    assert str(ds.PatientID) not in audit(path).to_string() + films.to_string() or not str(
        ds.PatientID
    )


# --- folders and files that are not as they should be ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [lambda p: p / "nowhere", lambda p: p, lambda p: write(p, ("chest",), n=2)],
    ids=["no folder", "empty", "one class"],
)
@pytest.mark.parametrize("function", [audit, duplicates, shortcuts, same_source])
def test_no_course_folder(tmp_path, make, function):
    with pytest.raises(BadFolder, match="folder"):
        function(make(tmp_path))


def test_nothing_readable(tmp_path):
    for c in "ab":
        (tmp_path / "train" / c).mkdir(parents=True)
        (tmp_path / "train" / c / "x.png").write_bytes(b"nothing")
    with pytest.raises(BadFolder, match="none of its 2 films"):
        audit(tmp_path)


def test_unreadable_odd_and_missing(tmp_path):
    path = write(tmp_path, parts=("train", "val"), n=6)
    good = (path / "train/a/0.png").read_bytes()
    (path / "train/a/cut.png").write_bytes(good[: len(good) // 3])
    (path / "train/b/empty.jpg").write_bytes(b"")
    Image.new("L", (200, 200), 90).save(path / "train/a/blank.png")
    Image.new("L", (200, 200), 90).save(path / "train/b/blank.png")
    texture(np.random.default_rng(5), (40, 44)).save(path / "train/b/tiny.png")
    texture(np.random.default_rng(6), (80, 400)).save(path / "train/b/strip.png")
    shutil.rmtree(path / "val/b")
    table = audit(path)
    assert sorted(sum(rows(table, "unreadable file")["films"], [])) == [
        "train/a/cut.png",
        "train/b/empty.jpg",
    ]
    assert set(rows(table, "unreadable file")["severity"]) == {"high"} and "empty" in " ".join(
        rows(table, "unreadable file")["detail"]
    )
    odd = {f[0]: d for f, d in rows(table, "odd film")[["films", "detail"]].values}
    assert set(odd) == {
        "train/a/blank.png",
        "train/b/blank.png",
        "train/b/tiny.png",
        "train/b/strip.png",
    }
    assert (
        "blank" in odd["train/a/blank.png"]
        and "44 × 40" in odd["train/b/tiny.png"]
        and "strip" in odd["train/b/strip.png"]
    )
    assert not len(rows(table, "same pixels"))  # all blank films are alike
    assert (
        rows(table, "class balance")["severity"].tolist() == ["high"]
        and "b 0" in rows(table, "class balance")["detail"].iloc[0]
    )


def test_an_inverted_film_is_odd(tmp_path):
    path = shutil.copytree(EMBEDDED, tmp_path / "films")
    ImageOps.invert(load_film(path / "train/chest/chest9.png")).save(
        path / "train/chest/chest9.png"
    )
    assert rows(audit(path), "odd film")["films"].tolist() == [["train/chest/chest9.png"]]


def test_one_film_in_each_class(tmp_path):
    assert "shortcut: size" not in set(audit(write(tmp_path, n=1))["finding"])


@pytest.mark.filterwarnings("error")
def test_a_lonely_film_in_one_class(tmp_path):
    path = write(tmp_path, n=6)
    for k in range(1, 6):
        (path / f"train/b/{k}.png").unlink()
    table = audit(path)
    assert len(table.dropna(subset="accuracy")) == 8 and rows(table, "class balance")[
        "severity"
    ].tolist() == ["medium"]


def test_a_changed_file_is_read_again(tmp_path):
    path = write(tmp_path, n=4)
    assert not len(duplicates(path))
    shutil.copy(path / "train/a/0.png", path / "train/b/0.png")
    assert duplicates(path)["kind"].tolist() == ["same pixels"]


# --- duplicates -------------------------------------------------------------------------------------------------------------


def brighter(film):
    return Image.fromarray((np.asarray(film).astype(int) + 25).clip(0, 255).astype(np.uint8))


CHANGES = {
    "as JPEG": lambda film, to: film.save(to.with_suffix(".jpg"), quality=40),
    "half": lambda film, to: film.resize((film.width // 2, film.height // 2)).save(to),
    "double": lambda film, to: film.resize((2 * film.width, 2 * film.height)).save(to),
    "brighter": lambda film, to: brighter(film).save(to),
    "all three": lambda film, to: brighter(film.resize((170, 190))).save(
        to.with_suffix(".jpg"), quality=60
    ),
}


def test_near_duplicates_across_parts(tmp_path):
    path = shutil.copytree(EMBEDDED, tmp_path / "films")
    planted = {}
    for k, change in enumerate(CHANGES):
        for c in ("chest", "abd"):
            source = f"train/{c}/{c}{4 * k + 3}.png"
            CHANGES[change](load_film(path / source), path / "test" / c / f"{change}.png")
            planted[source] = f"test/{c}/{change}"
    found = rows(audit(path), "near duplicate")
    assert {f[0]: f[1].rsplit(".", 1)[0] for f in found["films"]} == planted and all(
        len(f) == 2 for f in found["films"]
    )
    assert (
        set(found["severity"]) == {"high"} and found["detail"].str.startswith("across parts").all()
    )


def test_across_classes_is_the_worst(tmp_path):
    path = write(tmp_path, n=5)
    shutil.copy(path / "train/a/2.png", path / "train/b/again.png")
    row = rows(audit(path), "same pixels").iloc[0]
    assert (
        row["severity"] == "high"
        and row["films"] == ["train/a/2.png", "train/b/again.png"]
        and "classes" in row["detail"]
    )


def test_mirrored_and_other_films_are_no_duplicates(tmp_path):
    path = shutil.copytree(EMBEDDED, tmp_path / "films")
    for k in range(0, 30, 3):
        ImageOps.mirror(load_film(path / f"train/chest/chest{k}.png")).save(
            path / f"val/chest/mirror{k}.png"
        )
    pairs = duplicates(path)
    certain = pairs[pairs["kind"] != "likely same source"]
    assert certain[["film", "other"]].values.tolist() == [["val/abd/abd3.png", "val/abd/abd4.png"]]


@pytest.mark.parametrize(
    "n, bits, most, block", [(2500, 63, 14, 700), (700, 255, 108, 10**6), (1, 63, 9, 5)]
)
def test_close_pairs_are_those_of_brute_force(n, bits, most, block):
    rng = np.random.default_rng(n)
    prints = rng.random((n, bits)) < 0.5
    if n > 1:
        prints[n // 2 : n // 2 + 50] = prints[:50] ^ (rng.random((50, bits)) < 0.1)  # relatives
    packed = np.packbits(prints, axis=1)
    want = set()
    for i in range(n - 1):
        far = np.unpackbits(packed[i] ^ packed[i + 1 :], axis=1).sum(1)
        want |= {(i, i + 1 + int(j)) for j in np.flatnonzero(far <= most)}
    got = [tuple(p) for p in _close_pairs(prints, most, block).tolist()]
    assert set(got) == want and len(got) == len(want) and (n == 1 or len(want) >= 50)


# --- groups and pictures ------------------------------------------------------------------------------------------------------


def test_groups_cover_every_film_and_can_be_corrected(tmp_path):
    path = write(tmp_path, parts=("train", "val"), n=4)
    shutil.copy(path / "train/a/0.png", path / "val/a/9.png")
    shutil.copy(path / "train/a/0.png", path / "train/a/8.png")
    groups = same_source(path)
    assert len(groups) == 18 and groups.nunique() == 16 and groups.index.is_unique
    assert (
        groups["val/a/9.png"]
        == groups["train/a/8.png"]
        == groups["train/a/0.png"]
        == "train/a/0.png"
    )
    groups["val/a/1.png"] = groups["val/a/2.png"]
    assert groups.nunique() == 15


def test_panels_of_one_figure(tmp_path):
    "Two crops of one film at one rare height are one source; so many films of that size, and it tells nothing."
    path = write(
        tmp_path,
        n=20,
        shape=lambda c, rng: (int(rng.integers(150, 400)), int(rng.integers(150, 400))),
    )
    film = texture(np.random.default_rng(7), (261, 260), 6)
    for x in (0, 11):
        film.crop((x, 0, x + 240 - x // 2, 261)).save(path / f"train/a/panel{x}.png")
    assert same_source(path)["train/a/panel11.png"] == "train/a/panel0.png"
    for k in range(9):
        texture(np.random.default_rng(50 + k), (261, 240)).save(path / f"train/b/usual{k}.png")
        texture(np.random.default_rng(70 + k), (261, 235)).save(path / f"train/b/other{k}.png")
    assert same_source(path)["train/a/panel11.png"] == "train/a/panel11.png"


def test_the_picture_tells_the_table(embedded):
    shown = show_audit(embedded, EMBEDDED)
    assert (
        shown.png[1:4] == b"PNG"
        and "val/abd/abd3.png and val/abd/abd4.png: same pixels" in shown.alt
        and "size alone is right for 100%" in shown.alt
    )


def test_a_picture_without_duplicates(tmp_path):
    path = write(tmp_path, n=3)
    shown = show_audit(audit(path), path)
    assert shown.png[1:4] == b"PNG" and "same pixels" not in shown.alt


def test_torch_is_not_needed():
    import subprocess
    import sys

    subprocess.run(
        [sys.executable, "-c", "import sys, rsna_cls.audit; assert 'torch' not in sys.modules"],
        check=True,
    )


def test_all_films_from_one_source(tmp_path):
    "Ten copies of one film: one group, nothing to hold out, and still a report."
    film = texture(np.random.default_rng(0))
    for c in "ab":
        (tmp_path / "train" / c).mkdir(parents=True)
        for k in range(5):
            film.save(tmp_path / "train" / c / f"{k}.png")
    table = audit(tmp_path)
    assert (
        same_source(tmp_path).nunique() == 1
        and len(rows(table, "same pixels")["films"].iloc[0]) == 10
    )
    assert not table["accuracy"].notna().any()


def test_reading_leaves_no_trace(tmp_path):
    "Warnings and pydicom's messages are as they were, although films are read by several threads."
    import logging
    import warnings

    before = list(warnings.filters), logging.getLogger("pydicom").disabled
    audit(write(tmp_path, n=6))
    assert (list(warnings.filters), logging.getLogger("pydicom").disabled) == before
