"""The experiments: their smallest runs, their committed CSVs, and whatever quotes these.

A number that was changed by hand, and a CSV that its script would not write today, are faults."""

import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import data_store
import numpy as np
import pydicom
import pytest
from PIL import Image, ImageFilter

from conftest import HERE, write_course
from rsna_cls import KINDS, simulate_films

sys.path.insert(0, str(HERE / "experiments"))
import audit
import beam
import blind
import common
import dcmtk
import effusion
import folds
import gate
import large
import likeness
import maps
import physics
import quote
import recipe
import shortcuts
import weights
from common import CLASSES, ORIGINAL, RESULTS, SIMULATED, Table, WrongColumns

ALL_TABLES = {table.name: table for script in quote.SCRIPTS.values() for table in script.TABLES}
MADE = "2026-01-01 rsna_cls 0 torch 0"


# --- the smallest runs ----------------------------------------------------------------------------


@pytest.fixture
def toy(tmp_path, monkeypatch):
    "A toy course that takes the place of the original films and of the simulated ones."
    path = write_course(tmp_path / "course")
    for script in quote.SCRIPTS.values():
        if hasattr(script, "course"):
            monkeypatch.setattr(script, "course", lambda films: path)
    return path


def run(script, folder, *arguments):
    "Run a script into a folder; its tables, by name, each with the columns that are declared."
    script.main([*arguments, "--to", str(folder)])
    made = {}
    for table in script.TABLES:
        if table.file(folder).exists():
            header = table.file(folder).read_text(encoding="utf-8").split("\n")[0]
            assert header == ",".join(table.columns)
            made[table.name] = table.read(folder)
    return made


def test_the_films_of_pydicom_are_those_that_are_installed():
    "With internet, pydicom's own search downloads others, and a table would have more rows."
    installed = [Path(package.__file__).parent for package in (pydicom, data_store)]
    files = common.pydicom_files("*.dcm")
    assert len(files) > 100
    for file in files:
        assert any(file.is_relative_to(folder) for folder in installed), file


def forbid(script, name, monkeypatch):
    "Let a function of a script fail: it must not be needed."

    def fail(*_, **__):
        raise AssertionError(f"{name} was called again")

    monkeypatch.setattr(script, name, fail)


@pytest.mark.slow(seconds=10)
def test_recipe(toy, tmp_path, monkeypatch):
    starts = {recipe.RANDOM: "nothing", recipe.IMAGENET: "photographs", recipe.OTHER: "limbs"}
    monkeypatch.setattr(recipe, "STARTS", starts)
    changes = {
        recipe.NO_CHANGE: {},
        recipe.LAST_LAYER: dict(epochs=0),
        recipe.MEASURED_ANEW: {},
        recipe.LONGER: dict(epochs=2),
        "mirrored": dict(flip=True),
        "fastai": dict(by_fastai=True),
    }
    monkeypatch.setattr(recipe, "CHANGES", changes)
    arguments = ("--films", ORIGINAL, "--seeds", "0", "--size", "32", "--n", "1")
    rows = run(recipe, tmp_path, *arguments)["recipe"]
    assert {(row.weights, row.change) for row in rows} == {
        *((weights, recipe.NO_CHANGE) for weights in starts),
        *((weights, recipe.LAST_LAYER) for weights in starts),
        (recipe.RANDOM, recipe.MEASURED_ANEW),
        (recipe.OTHER, recipe.MEASURED_ANEW),
        (recipe.RANDOM, recipe.LONGER),
        (recipe.OTHER, recipe.LONGER),
        (recipe.OTHER, "mirrored"),
        (recipe.OTHER, "fastai"),
    }
    assert {(row.val_n, row.test_n, row.elbow in CLASSES) for row in rows} == {(6, 2, True)}
    assert {(row.chests_n, row.abdomens_n) for row in rows} == {(3, 3)}
    forbid(recipe, "train", monkeypatch)  # a run that is there is not made again
    assert run(recipe, tmp_path, *arguments)["recipe"] == rows


@pytest.mark.slow(seconds=8)
def test_folds(toy, tmp_path, monkeypatch):
    arguments = ("--films", ORIGINAL, "--seeds", "42", "--size", "32", "--folds", "2")
    rows = run(folds, tmp_path, *arguments, "--epochs", "1")["folds"]
    assert {row.knows for row in rows} == {*folds.RULES, folds.NETWORK}
    (network,) = [row for row in rows if row.knows == folds.NETWORK]
    assert network.n == 18 and 0 <= network.ece <= 1
    assert all(np.isnan(row.ece) for row in rows if row is not network)
    forbid(folds, "cross_validate", monkeypatch)
    run(folds, tmp_path, *arguments, "--epochs", "1")


@pytest.mark.slow(seconds=6)
def test_weights(toy, tmp_path):
    rows = run(weights, tmp_path, "--n", "4", "--sizes", "96", "128")["weights"]
    kinds = {(row.films, row.part, row.allowed, row.size) for row in rows}
    assert len(kinds) == len(rows) == 2 * 2 + 1 + 1
    for row in rows:
        if row.allowed == weights.TWO and row.films == ORIGINAL:
            assert len(row.wrong.split()) == row.n - row.right


@pytest.mark.slow(seconds=14)
def test_gate(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(gate, "KINDS", (*CLASSES, "hand"))
    monkeypatch.setattr(gate, "FALSE_ALARMS", (0.1,))
    for name in ("photographs", "slices"):
        monkeypatch.setattr(gate, name, lambda: [Image.new("L", (60, 60), 90)])
    arguments = ("--films", ORIGINAL, "--n", "2", "--others", "1", "--splits", "3", "--known", "12")
    made = run(gate, tmp_path, *arguments)
    assert made["gate"][0].known == 12
    groups = [row.group for row in made["gate_films"]]
    for group in (gate.TEST, gate.PYDICOM_CHEST, gate.ELBOW, "simulated hand"):
        assert group in groups
    (left_out,) = made["gate_left_out"]
    assert left_out.kind == "hand" and left_out.n == 1
    assert [row.false_alarms for row in made["gate_mistakes"]] == [*gate.FALSE_ALARMS]
    assert all(row.new == 8 and 0 <= row.refused <= 24 for row in made["gate_mistakes"])
    forbid(Table, "keep", monkeypatch)  # what is there is not measured again
    run(gate, tmp_path, *arguments)


@pytest.mark.slow(seconds=4)
def test_a_gate_without_a_kind(course):
    "Without hands a hand is less of a stranger; skulls have nothing to do with it."
    whole = gate.Gate.fit(course)
    hands = [film.image for film in common.new_films("hand", 2)]
    without_hands = gate.without_kind(whole, "hand")
    without_skulls = gate.without_kind(whole, "skull")
    assert {*without_hands._others.kinds} == {*whole._others.kinds} - {"hand"}
    assert without_hands.limit == without_skulls.limit == whole.limit
    assert (without_hands.score(hands) < whole.score(hands)).all()
    np.testing.assert_array_equal(without_skulls.score(hands), whole.score(hands))


def test_gate_notices_that_the_rule_has_changed(course):
    files = gate.Course(course).films("train")
    with pytest.raises(RuntimeError, match="rule has changed"):
        gate.check_rule(files, 0.1, limit=2.0)


@pytest.mark.slow(seconds=8)
def test_shortcuts(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(shortcuts, "simulated_course", lambda folder, train, seed: toy)
    none = shortcuts.Measure(networks=((shortcuts.RANDOM, shortcuts.MARKED),))
    how = dict(marks=0.5, extra=(1, 1), are_extra_marked=True, networks=none.networks)
    mixed = shortcuts.Measure(shortcuts.squeeze, **how)
    monkeypatch.setattr(shortcuts, "MEASURES", {"none": none, shortcuts.MIXED: mixed})
    monkeypatch.setattr(shortcuts, "IN_THE_TABLES", ["none"])
    monkeypatch.setattr(shortcuts, "EPOCHS", 1)
    monkeypatch.setattr(shortcuts, "NEW", 3)
    arguments = ("--films", ORIGINAL, "--seeds", "0", "--size", "64")
    arguments += ("--measures", "none", shortcuts.MIXED)
    made = run(shortcuts, tmp_path, *arguments)
    assert [row.fact for row in made["shortcuts_facts"]] == [*shortcuts.FACTS]
    assert [row.measure for row in made["shortcuts"]] == ["none", shortcuts.MIXED]
    for row in made["shortcuts"]:
        assert (row.chests, row.abdomens) == (3, 3) and row.elsewhere == 6
        assert 0 <= row.changed <= 6
        is_as_it_came = row.measure == "none"
        assert (0 < row.square < 0.1) == is_as_it_came  # nan where films are changed
        assert 0 <= row.held_back_right <= row.held_back == 8
        assert row.elsewhere_right == 3 - row.abd_called_chest + row.chest_called_chest
    forbid(shortcuts, "trained_by_fastai", monkeypatch)
    assert str(run(shortcuts, tmp_path, *arguments)) == str(made)  # nan is not equal to nan


@pytest.mark.slow(seconds=6)
def test_maps(toy, tmp_path, monkeypatch):
    def untrained(path, seed, weights, epochs, size):
        "A stand-in: what is measured does not ask how long a network was trained."
        assert epochs == 15
        return maps.film_learner(maps.dataloaders(path, size=size, seed=seed), seed=seed)

    monkeypatch.setattr(maps, "trained", untrained)
    networks = [maps.UNTRAINED, maps.ONLY_MARKER]
    arguments = ("--n", "1", "--size", "64", "--seeds", "0", "--networks", *networks)
    made = run(maps, tmp_path, *arguments)
    n_maps = 1 + 8 + 8  # of a film: CAM, and two methods at eight blocks
    assert len(made["maps_heat"]) == 2 * n_maps * 3  # either class, and a chest with the marker
    assert len(made["maps"]) == 2 * 2
    assert Image.open(tmp_path / "scoreboard.png").width > 1000
    forbid(maps, "trained", monkeypatch)
    assert str(run(maps, tmp_path, *arguments)) == str(made)


def test_a_course_whose_label_is_the_marker(toy, tmp_path):
    path = maps.write_course(maps.ONLY_MARKER, tmp_path / "marked")
    for anatomy in CLASSES:
        labels = [file.parent.name for file in path.rglob(f"train/*/{anatomy}_*.png")]
        assert sorted(labels) == ["abd"] * 3 + ["chest"] * 3


@pytest.mark.slow(seconds=4)
def test_audit(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "CHANGES", {"JPEG": audit.as_jpeg, "80 %": audit.dimmer})
    monkeypatch.setattr(audit, "TURNED", {"white border": audit.with_white_border})
    monkeypatch.setattr(audit, "SIZES", (96, 128))
    rows = run(audit, tmp_path, "--n", "12")["audit"]
    found = {(row.question, row.films, row.what): row for row in rows}
    marks = [
        found[audit.MARKS, SIMULATED, what].n for what in (audit.WITH_MARKS, "films without marks")
    ]
    assert sum(marks) == 12 and min(marks) > 0
    assert found[audit.DIFFERENT, SIMULATED, audit.SOURCE].n == 12 * 11 // 2
    copies = found[audit.COPIES, ORIGINAL, "JPEG"]
    assert copies.n == 20
    assert found[audit.TURNED_COPIES, ORIGINAL, "white border"].n == 20
    two, one = (
        found[audit.PATIENTS, SIMULATED, what] for what in (audit.TWO_PARTS, audit.ONE_PART)
    )
    assert two.found == two.n == 4
    assert (one.found, one.n) == (0, 6)


@pytest.mark.slow(seconds=20)
def test_effusion(tmp_path, monkeypatch):
    monkeypatch.setattr(effusion, "TRIALS", tmp_path / "trials")
    sizes = dict(EXAM=(4, 4), LOCAL=(2, 2), VALIDATION=(2, 2), MOST=8, THEIRS=4, MAPPED=2)
    for name, size in {**sizes, "WEEKS": 5, "WEEK": 3}.items():
        monkeypatch.setattr(effusion, name, size)
    networks = {
        effusion.LESSON: effusion.Made(8, is_asked_everywhere=True),
        "one label in ten wrong": effusion.Made(8, flipped=0.5),
        "their films added": effusion.Made(4, theirs=4),
    }
    monkeypatch.setattr(effusion, "NETWORKS", networks)
    arguments = ("--networks", *networks, "--seeds", "0", "--size", "48")
    made = run(effusion, tmp_path, *arguments)
    assert len(made["effusion"]) == 4 + 2 + 2  # the lesson's network is asked everywhere
    for row in made["effusion"]:
        assert (row.positives, row.negatives) == (4, 4)
        assert 0 <= row.low <= row.auroc <= row.high <= 1
    at_home = [row for row in made["effusion_groups"] if row.hospital == effusion.HOME]
    assert sum(row.positives for row in at_home if row.group in ("standing", "lying")) == 4
    assert sum(row.positives for row in at_home if row.group.endswith(" effusion")) == 4
    assert {row.films for row in made["effusion_maps"]} == {2}
    assert all(0 <= row.alarms <= row.weeks == 5 for row in made["effusion_watch"])
    forbid(effusion, "train", monkeypatch)
    assert str(run(effusion, tmp_path, *arguments)) == str(made)


def test_what_a_network_learns_effusions_from(tmp_path, monkeypatch):
    "As many films as asked for, about as many wrong labels, and no film that is asked about."
    monkeypatch.setattr(effusion, "TRIALS", tmp_path / "trials")
    monkeypatch.setattr(effusion, "VALIDATION", (2, 2))
    monkeypatch.setattr(effusion, "MOST", 60)
    how = effusion.Made(40, flipped=0.5, theirs=4)
    course = effusion.course_for(how, 0, 32, tmp_path / "course")
    films = [*(course / "train").rglob("*.png")]
    ours = [film for film in films if not film.name.startswith("their_")]
    assert (len(ours), len(films)) == (40, 44)
    true_labels = [film.stem.rstrip("0123456789").replace("_", " ") for film in ours]
    n_wrong = sum(film.parent.name != label for film, label in zip(ours, true_labels, strict=True))
    assert 10 <= n_wrong <= 30
    assert len([*(course / "val").rglob("*.png")]) == 4

    # Not a single film of an examination, and the other hospital's films are from there.
    monkeypatch.setattr(effusion, "EXAM", (30, 30))
    learned = {film.read_bytes() for film in course.rglob("*.png")}
    for hospital in (effusion.HOME, effusion.ELSEWHERE):
        asked = {film.read_bytes() for film in effusion.exam(hospital, 32).rglob("*.png")}
        assert len(asked) > 60 and not learned & asked
    (there,) = (tmp_path / "trials/effusion films").glob(f"{effusion.ELSEWHERE} 2000*")
    from_there = {film.read_bytes() for film in there.rglob("*.png")}
    assert from_there == {film.read_bytes() for film in films if film not in ours}


@pytest.mark.slow(seconds=3)
def test_beam(tmp_path):
    rows = run(beam, tmp_path, "--size", "64")["beam"]
    value = {row.name: row.value for row in rows}
    assert round(value["behind_10_cm"]) == 58
    assert value["ratio_ap"] > value["ratio_pa"]  # the heart lies in front


# --- CSVs -----------------------------------------------------------------------------------------


def test_what_is_not_the_published_run_does_not_go_among_the_results():
    question = recipe.QUESTION
    assert question.options([]).to == RESULTS
    assert question.options(["--seeds", "0"]).to == RESULTS  # a part of what is published
    assert question.options(["--seeds", "99"]).to == common.TRIALS / "size-160_n-40"
    assert question.options(["--size", "32"]).to == common.TRIALS / "size-32_n-40"
    mine = weights.QUESTION.options(["--weights", "somewhere/mine.safetensors"])
    assert mine.to == common.TRIALS / "n-40_weights-mine"


@pytest.mark.parametrize("arguments", [("--films", "mine"), ("--size", "big"), ("--seed", "a")])
def test_what_a_script_does_not_know_is_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        folds.QUESTION.options(arguments)
    assert "usage" in capsys.readouterr().err


def test_other_films_are_not_taken_for_the_original_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("RSNA_CLS_DATA", str(write_course(tmp_path / "course")))
    with pytest.raises(SystemExit, match="should be 65, 10 and 2 .* there are 12, 6 and 2"):
        common.course(ORIGINAL)
    monkeypatch.setenv("RSNA_CLS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(SystemExit, match="films are missing"):
        common.course(ORIGINAL)


class Row(NamedTuple):
    "A row for tests."

    name: str
    count: int
    share: float


ROWS = Table("rows", Row, key=("name",))


def test_rows_come_back_and_newer_ones_take_their_place(tmp_path):
    ROWS.keep(tmp_path, [Row("b", 1, 0.5), Row("b", 2, float("nan"))])
    ROWS.keep(tmp_path, [Row("a, c", 3, 1 / 3)])
    first, *others = ROWS.read(tmp_path)
    assert first == ("a, c", 3, 0.33333)
    assert [row.count for row in others] == [1, 2]
    ROWS.keep(tmp_path, [Row("b", 4, 0.0)])
    assert [row.count for row in ROWS.read(tmp_path)] == [3, 4]
    assert ROWS.done(tmp_path) == {("a, c",), ("b",)}


def test_an_interrupted_writing_leaves_the_old_file(tmp_path, monkeypatch):
    ROWS.keep(tmp_path, [Row("a", 1, 0.5)])
    forbid(common, "written", monkeypatch)
    with pytest.raises(AssertionError):
        ROWS.keep(tmp_path, [Row("b", 1, 0.5)])
    assert [row.name for row in ROWS.read(tmp_path)] == ["a"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,count\na,1\n", "has the columns"),
        ("name,share,count\na,0.5,1\n", "has the columns"),
        ("name,count,share\na,many,0.5\n", "many"),
        ("name,count,share\na,1\n", "the row"),
    ],
)
def test_a_csv_that_its_script_would_not_write_is_refused(tmp_path, text, words):
    ROWS.file(tmp_path).write_text(text, encoding="utf-8")
    with pytest.raises(WrongColumns, match=words):
        ROWS.read(tmp_path)


@pytest.mark.parametrize("name", ALL_TABLES)
def test_committed_csv(name):
    "It is there, in order, and has the columns of today."
    table = ALL_TABLES[name]
    rows = table.read(RESULTS)
    assert rows == sorted(rows, key=table.key_of)


@pytest.mark.parametrize(
    "script", [recipe, folds, maps, effusion], ids=lambda script: script.__name__
)
def test_every_run_that_is_published_is_there(script):
    published = script.QUESTION.options([])
    assert script.TABLES[-1].done(RESULTS) == set(script.keys(published))


def test_every_network_with_a_shortcut_is_there():
    published = shortcuts.QUESTION.options([])
    asked_for = {key for films in published.films for key in shortcuts.keys(films, published)}
    assert shortcuts.NETWORKS.done(RESULTS) == asked_for


def test_every_map_that_is_published_is_there():
    "Of each film in each question: CAM, and two methods at eight blocks."
    rows = maps.HEAT.frame(RESULTS)
    n = maps.QUESTION.how["n"]
    questions = rows.groupby(["network", "seed", "measured", "label", "method", "block"])
    assert all(sorted(films) == [*range(n)] for _, films in questions["film"])
    assert questions.ngroups == len(maps.NETWORKS) * 2 * 3 * (1 + 8 + 8)


def test_every_film_that_a_gate_was_asked_about_is_there():
    rows = gate.FILMS.frame(RESULTS)
    counts = {}
    for (fitted_on, group), films in rows.groupby(["gate", "group"])["film"]:
        assert sorted(films) == [*range(len(films))]
        counts[fitted_on, group] = len(films)
    for fitted_on in (ORIGINAL, SIMULATED):
        assert {counts[fitted_on, name] for name in gate.NEW.values()} == {100}
        assert {counts[fitted_on, f"simulated {kind}"] for kind in KINDS[2:]} == {25}
        assert counts[fitted_on, gate.PICTURES] == len(gate.PHOTOGRAPHS) + 2
    assert sum(counts[SIMULATED, name] for name in gate.ORIGINALS.values()) == 77


def test_every_kind_was_left_out_of_both_gates():
    rows = gate.LEFT_OUT.read(RESULTS)
    asked = {(row.gate, row.kind) for row in rows}
    assert asked == {(films, kind) for films in (ORIGINAL, SIMULATED) for kind in KINDS[2:]}
    assert all(row.n == 25 and 0 <= row.refused <= row.n for row in rows)


@pytest.mark.parametrize("script", [recipe, shortcuts, maps], ids=lambda script: script.__name__)
def test_published_runs_were_made_at_the_published_size(script):
    for table in script.TABLES:
        if "size" in table.columns:
            rows = table.read(RESULTS)
            as_usual = [row for row in rows if "pixels" not in getattr(row, "change", "")]
            assert {row.size for row in as_usual} == {script.QUESTION.how["size"]}


def test_every_committed_csv_has_a_script():
    assert {path.stem for path in RESULTS.iterdir()} == set(ALL_TABLES)


def test_every_number_is_quoted(made_up):
    quoted = {name for sentence in quote.sentences() for name in sentence.names}
    # The card's table takes some of recipe's, and lesson 05 says some of beam's in words.
    for script in (audit, effusion, folds, gate, maps, shortcuts, weights):
        for name in script.numbers(made_up):
            assert (script.__name__, name) in quoted


@pytest.mark.parametrize("name", ALL_TABLES)
def test_every_column_is_explained(name):
    row = ALL_TABLES[name].row
    program = (HERE / f"experiments/{row.__module__}.py").read_text(encoding="utf-8")
    body = program.split(f"class {row.__name__}(")[1].split("\n\n\n")[0]
    for column in row._fields:
        if column not in ("seed", "made"):
            assert re.search(rf"^    {column}: \w+  # .+$", body, re.M), f"{name}: {column}"


# --- quotes ---------------------------------------------------------------------------------------


def test_what_is_quoted_is_what_was_measured():
    wrong = quote.faults()
    assert not wrong, "\n".join([*wrong, "Measure, then run `python experiments/quote.py`"])


def quoted_by_comments(path):
    "The tables that a document quotes: script and name."
    for text in quote.read_texts(path):
        for script, name, _ in quote.COMMENT.findall(text):
            yield script, name


QUOTED_TABLES = {path: [*quoted_by_comments(path)] for path in quote.documents()}
ALL_QUOTED_TABLES = sorted({table for tables in QUOTED_TABLES.values() for table in tables})


def test_every_table_is_quoted(made_up):
    tables = []
    for script_name, script in quote.SCRIPTS.items():
        tables += [(script_name, name) for name in script.tables(made_up)]
    assert sorted(tables) == ALL_QUOTED_TABLES


@pytest.mark.parametrize("path", QUOTED_TABLES, ids=lambda path: path.name)
def test_no_document_quotes_a_table_twice(path):
    assert len(QUOTED_TABLES[path]) == len(set(QUOTED_TABLES[path]))


def test_documents_name_scripts_that_are_there():
    for path in [*quote.documents(), HERE / "README.md", HERE / "experiments/README.md"]:
        for script in re.findall(
            r"(?:experiments|tools)/\w+\.py", path.read_text(encoding="utf-8")
        ):
            assert (HERE / script).exists(), f"{path}: {script}"


def test_the_folder_s_page_names_every_script_and_csv():
    text = (HERE / "experiments/README.md").read_text(encoding="utf-8")
    for name in [*(f"{script}.py" for script in quote.SCRIPTS), *ALL_TABLES]:
        assert f"`{name}`" in text, name


# --- CSVs that are made up, to try all this with --------------------------------------------------


def made_up_recipe(folder):
    counts = dict(val_n=10, test_right=1, test_n=2, chests_n=120, abdomens_n=120, course_n=79)
    rows = []
    for key in recipe.keys(recipe.QUESTION.options([])):
        *_, seed = key
        row = recipe.Training(
            **dict(zip(recipe.RUNS.key, key, strict=True)),
            size=160,
            val_right=seed,
            chests_right=90 + seed,
            abdomens_right=100,
            course_right=79,
            valid_loss=0.5,
            elbow="abd" if seed else "chest",
            probability=0.5 + seed / 20 if seed else 0.67,
            made=MADE,
            **counts,
        )
        rows.append(row)
    recipe.RUNS.keep(folder, rows)


def made_up_folds(folder):
    rows = []
    for films in (ORIGINAL, SIMULATED):
        for knows in folds.RULES:
            rows.append(folds.Answers(films, knows, 42, 70, 77, np.nan, MADE))
        for seed in (42, 43, 44)[: 3 if films == ORIGINAL else 1]:
            rows.append(folds.Answers(films, folds.NETWORK, seed, 33 + seed, 99, 0.07, MADE))
    folds.RUNS.keep(folder, rows)


def made_up_weights(folder):
    rows = []
    for size in weights.SIZES:
        for allowed in (weights.TWO, weights.ANY):
            key = (ORIGINAL, weights.WITHOUT_TEST, allowed, size)
            rows.append(weights.Answers(*key, 71, 75, "train/abd/abd1", MADE))
    key = (ORIGINAL, weights.EVERYTHING, weights.TWO, weights.CHOSEN_SIZE)
    rows.append(weights.Answers(*key, 76, 77, "train/abd/abd1", MADE))
    for size in weights.NEW_SIZES:
        rows.append(weights.Answers(SIMULATED, weights.NEW, weights.TWO, size, 39, 40, "", MADE))
    weights.RUNS.keep(folder, rows)


def made_up_gate(folder):
    others = [f"simulated {kind}" for kind in KINDS[2:]]
    others += [gate.PICTURES, gate.SLICES, gate.LEG, gate.ELBOW]
    for films in (ORIGINAL, SIMULATED):
        gate.GATES.keep(folder, [gate.Fitted(films, 65, 0.4567, "abd chest", MADE)])
        rows = []
        for group in [*gate.SHOULD_PASS, *others]:
            if films == ORIGINAL and group in gate.ORIGINALS.values():
                continue
            if films == SIMULATED and group in gate.EMBEDDED.values():
                continue
            far = 0.35 if group in gate.SHOULD_PASS else 0.6
            if group == "simulated hand":
                far = 0.44
            rows += [gate.Asked(films, group, i, far + i / 50) for i in range(4)]
        gate.FILMS.keep(folder, rows)
        left_out = [gate.LeftOut(films, kind, 4, len(kind) % 5, MADE) for kind in KINDS[2:]]
        gate.LEFT_OUT.keep(folder, left_out)
        for false_alarms in gate.FALSE_ALARMS:
            row = gate.Splits(films, false_alarms, 300, 65, 12, int(3600 * false_alarms), MADE)
            gate.MISTAKES.keep(folder, [row])


def made_up_shortcuts(folder):
    for films in (ORIGINAL, SIMULATED):
        for measure, how in shortcuts.MEASURES.items():
            rows = [shortcuts.Fact(films, measure, f, 0.8, 0.7, 0.9, MADE) for f in shortcuts.FACTS]
            if measure in shortcuts.IN_THE_TABLES:
                shortcuts.FACT_ROWS.keep(folder, rows)
            for start, on in how.networks:
                for seed in (42, 0, 1):
                    counts = (100, 100, 0, seed % 5, 90, 80, 30, 11, 10, 76, 70, 4)
                    key = (films, measure, start, on, seed)
                    row = shortcuts.Network(*key, 128, *counts, 0.14, 0.02, 0.023, MADE)
                    shortcuts.NETWORKS.keep(folder, [row])


def made_up_maps(folder):
    questions = [("anatomy", "chest"), ("anatomy", "abd"), ("marker", "chest")]
    lines = [("CAM", -1)]
    lines += [(method, -block) for method in ("Grad-CAM", "HiResCAM") for block in range(1, 9)]
    for network in maps.NETWORKS:
        for label in CLASSES:
            maps.ANSWERS.keep(folder, [maps.Answers(network, 0, 224, label, 3, 0, 1, MADE)])
        rows = []
        for question in questions:
            for line in lines:
                for film in range(3):
                    values = (0.5 + film / 10, 0.4, 0.9, film % 2)
                    rows.append(maps.Heat(network, 0, *question, *line, film, *values))
        maps.HEAT.keep(folder, rows)


def made_up_effusion(folder):
    for name, how in effusion.NETWORKS.items():
        for seed in (0, 1, 42):
            for hospital in effusion.hospitals_of(how):
                area = (0.8 - len(hospital) / 100, 0.5, 0.9, 0.1 + seed / 1000)
                called = (0.2, 80 + seed, 60, 0.1, 90, 20 + seed)
                row = effusion.Answers(name, seed, hospital, 130, 120, *area, *called, MADE)
                effusion.ANSWERS.keep(folder, [row])
    for seed in (0, 1, 42):
        rows, watched = [], []
        for hospital in effusion.HOSPITALS:
            for kind in ("small effusion", "standing", "lying"):
                rows.append(
                    effusion.Group(
                        seed, hospital, kind, 50, 30 + seed % 9, 50, 20, 0.7, 0.6, 0.8, MADE
                    )
                )
            for what in ("share called positive", "mean grey"):
                alarms = 10 + seed + len(hospital)
                watched.append(effusion.Watch(seed, hospital, what, 1000, alarms, MADE))
        effusion.GROUPS.keep(folder, rows)
        effusion.WATCH.keep(folder, watched)
        shown = []
        for network in (effusion.LESSON, "before training"):
            for block in (-1, -2):
                shown.append(
                    effusion.Maps(seed, network, block, 100, 0.06, 0.05, 0.07, 0.04, 9, MADE)
                )
        effusion.MAPS.keep(folder, shown)


def made_up_audit(folder):
    rows = []
    for what in (audit.WITH_MARKS, audit.WITHOUT_MARKS, *audit.PLURALS):
        rows.append(audit.Count(audit.MARKS, SIMULATED, what, 3, 9, np.nan, MADE))
    for films, question in ((SIMULATED, audit.DIFFERENT), (ORIGINAL, audit.ORIGINAL_PAIRS)):
        for what in (*audit.DUPLICATE, audit.SOURCE):
            rows.append(audit.Count(question, films, what, 2, 1200, 0.97, MADE))
    for films in (ORIGINAL, SIMULATED):
        for change in audit.CHANGES:
            rows.append(audit.Count(audit.COPIES, films, change, 77, 78, 0.965, MADE))
        for change in audit.TURNED:
            rows.append(audit.Count(audit.TURNED_COPIES, films, change, 76, 78, 0.965, MADE))
        for what in (audit.TWO_PARTS, audit.ONE_PART):
            rows.append(audit.Count(audit.PATIENTS, films, what, 3, 9, np.nan, MADE))
    audit.COUNTS.keep(folder, rows)


def made_up_large(folder):
    rows = []
    for task in (large.INDEX, large.AUDIT, large.AUDIT_CUT):
        for n in large.SMALL_FILMS:
            rows.append(large.Run(task, large.OURS, n, 1, n / 9000, n / 8000, 90.0, 123.0, 7, MADE))
    for tool in (large.OURS, large.PEER):
        for n in large.LARGE_FILMS:
            for number in range(1, large.ROUNDS + 1):
                cpu = n * number if tool == large.OURS else n
                rows.append(
                    large.Run(large.SPEED, tool, n, number, cpu, n / 9, 90.0, 234.0, 7, MADE)
                )
    large.RUNS.keep(folder, rows)
    found = []
    for fault, by_us in (("dark", 3), (large.UNREADABLE, 9), (large.NOTHING, 1)):
        found.append(large.Found(fault, large.OURS, by_us, 10, MADE))
        found.append(large.Found(fault, large.PEER, 4, 10, MADE))
    large.FOUND.keep(folder, found)


def test_the_numbers_of_large_folders(made_up):
    found = large.numbers(made_up)
    assert (found["n"], found["index_seconds"], found["audit_megabytes"]) == (
        "100,000",
        "11",
        "123",
    )
    assert (found["ratio_2000"], found["ratios_2000"]) == ("2.00", "1.00–3.00")
    assert (found["faults_of_both"], found["ours_alone"], found["good"]) == ("1", "1", "10")
    assert (found["found_by_us"], found["found_by_peer"]) == ("0", "1")
    assert (found["false_by_us"], found["false_by_peer"]) == ("1", "4")


def test_the_figure_of_large_folders(made_up, tmp_path):
    large.draw(large.RUNS.frame(made_up), tmp_path / "large.png")
    assert min(Image.open(tmp_path / "large.png").size) > 300


def made_up_beam(folder):
    names = set()
    for sentence in quote.sentences():
        names |= {name for script, name in sentence.names if script == "beam"}
    rows = []
    for name in names:
        unit = "heart / lungs" if name.startswith("ratio") else "%"
        rows.append(beam.Quantity(name, 0.4 if name.startswith("ratio") else 12.3, unit, MADE))
    beam.VALUES.keep(folder, rows)


@pytest.mark.slow(seconds=20)
def test_the_smallest_run_of_likeness(toy, tmp_path):
    options = ["--editions", "this", "--features", "by hand", "--films", "4", "--resamples", "9"]
    rows = run(likeness, tmp_path, *options)["likeness"]
    assert {row.compared for row in rows} == {*likeness.ROWS} - {"first"}
    for row in rows:
        assert 0 <= row.low <= row.high


def made_up_physics(folder):
    names = physics.shapes()
    rows = [physics.Agreement(name, 1.25, 0.9, 0.8, 3.5, MADE) for name in names]
    physics.SHADOWS.keep(folder, rows)


def test_a_mesh_looks_outwards():
    "As gVirtualXray needs it; and it holds what a ball holds."
    for mesh in (mesh for shape in physics.shapes().values() for mesh in shape.meshes):
        corners = mesh.points[mesh.triangles]
        volumes = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
        assert volumes.sum() > 0
    ball = physics.ball_mesh([1, 2, 3], [2, 3, 4], 20, "soft")
    corners = ball.points[ball.triangles]
    volumes = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    assert volumes.sum() == pytest.approx(4 / 3 * np.pi * 24, rel=0.01)


def test_a_tube_holds_what_a_tube_holds():
    "Also where its axis runs straight down: length times cross-section, and two round ends."
    for axis in (physics.RIB, physics.SHAFT):
        mesh = physics.tube_mesh(axis, "bone")
        corners = mesh.points[mesh.triangles]
        volume = np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
        curve = physics.bend(axis, 24)
        length = np.linalg.norm(np.diff(curve[:, :3], axis=0), axis=1)
        radius = (curve[1:, 3] + curve[:-1, 3]) / 2
        ends = 2 / 3 * np.pi * (curve[0, 3] ** 3 + curve[-1, 3] ** 3)
        assert volume == pytest.approx((np.pi * radius**2 * length).sum() + ends, rel=0.02)


def test_the_same_picture_has_no_difference():
    picture = np.random.default_rng(0).uniform(0.1, 1, (64, 64))
    same = physics.compared("a", picture, picture)
    assert (same.mape, same.zncc, same.ssim) == pytest.approx((0, 1, 1))
    brighter = physics.compared("a", 1.1 * picture, picture)
    assert (brighter.mape, brighter.zncc) == pytest.approx((10, 1))
    other = physics.compared("a", picture[::-1], picture)
    assert other.zncc < 0.2 and other.ssim < 0.2


def made_up_likeness(folder):
    rows = []
    for compared in likeness.ROWS:
        for features in likeness.FEATURES:
            for kind in likeness.CLASSES:
                found = (compared, kind, features, 150, 36, 0.5, 0.4, 0.6, MADE)
                rows.append(likeness.Likeness(*found))
    likeness.DISTANCES.keep(folder, rows)


def made_up_blind(folder):
    rows = [
        blind.Reading("first", kind, reader, 50, 45, 36, 30, "bones 40, gas 5", MADE)
        for kind in blind.CLASSES
        for reader in (1, 2)
    ]
    blind.READINGS.keep(folder, rows)


@pytest.mark.slow(seconds=10)
def test_a_blind_reading(toy, tmp_path, monkeypatch):
    "Sheets without a key beside them; then answers, half of which are right."
    monkeypatch.setattr(blind, "FOLDER", tmp_path / "blind")
    options = ["--editions", "this", "--kinds", "abd", "--films", "6"]
    run(blind, tmp_path, *options)
    folder = tmp_path / "blind/this/abd"
    sheets = [file.name for file in sorted(folder.glob("*.png"))]
    assert {file.name for file in folder.iterdir()} == {"instructions.md", *sheets}
    key = blind.read_key(blind.key_of("this", "abd"))
    assert len(sheets) == -(-len(key) // 6) and list(key.values()).count("this") == 6
    assert Image.open(folder / sheets[0]).size == (948, 688)

    answers = ["number,verdict,sign,words"]
    answers += [f"{number},simulated,gas,chains of circles" for number in key]
    (folder / "reading_1.csv").write_text("\n".join(answers), encoding="utf-8")
    (row,) = run(blind, tmp_path, *options)["blind"]
    assert (row.simulated, row.called_simulated, row.called_original) == (6, 6, 0)
    assert row.originals == len(key) - 6 and row.signs == "gas 6"

    (folder / "reading_1.csv").write_text("\n".join(answers[:-1]), encoding="utf-8")
    with pytest.raises(SystemExit, match=f"does not have each of the {len(key)} films once"):
        run(blind, tmp_path, *options)
    (folder / "reading_1.csv").write_text(answers[0] + "\n1,maybe,gas,", encoding="utf-8")
    with pytest.raises(SystemExit, match="film '1': what is 'maybe'"):
        run(blind, tmp_path, *options)
    with pytest.raises(SystemExit, match="sheets of another reading, with 6 simulated films"):
        run(blind, tmp_path, *options[:-1], "7")


def test_a_distance_is_0_for_one_source_and_larger_for_another():
    rng = np.random.default_rng(0)
    films = rng.normal(0, 1, (120, 5))
    near = likeness.kernel(films[:60], films[60:], films)
    far = likeness.kernel(films[:60] + 1, films[60:], films)
    found = [likeness.distance(kernel, 60, 50, np.random.default_rng(0)) for kernel in (near, far)]
    assert found[0][0] < 0.1 < 0.3 < found[1][0]
    for middle, low, high in found:
        assert low <= middle <= high
    halves = likeness.distance_of_halves(
        likeness.kernel(films[:0], films, films), np.random.default_rng(0)
    )
    assert halves[0] < 0.1


def test_features_tell_a_blurred_film_and_weigh_alike():
    sharp = [film.image for film in simulate_films("abd", range(4), 96)]
    blurred = [film.filter(ImageFilter.GaussianBlur(3)) for film in sharp]
    of_sharp, of_blurred = likeness.by_hand(sharp), likeness.by_hand(blurred)
    assert (of_sharp[3][:, -1] > of_blurred[3][:, -1]).all()  # the finest band of the spectrum
    scale = likeness.Scale.of(of_sharp)
    lengths = [(group**2).sum() for group in np.split(scale(of_sharp), [28, 72, 108], axis=1)]
    assert lengths == pytest.approx([4, 4, 4, 4], rel=0.2)


def made_up_dcmtk(folder):
    rows = []
    for file, found in [("a.dcm", 1), ("b.dcm", 0), *[(name, 9) for name in dcmtk.REASONS]]:
        syntax = "Explicit VR Little Endian"
        row = (file, "CR", "MONOCHROME1", 12, syntax, "none", "DCMTK", found, f"{MADE}, DCMTK 0")
        rows.append(dcmtk.Comparison(*row))
    dcmtk.FILES.keep(folder, rows)


@pytest.fixture(scope="session")
def made_up(tmp_path_factory):
    "A folder with a CSV of each kind, full of made-up numbers."
    folder = tmp_path_factory.mktemp("made_up")
    for script in quote.SCRIPTS:
        globals()[f"made_up_{script}"](folder)
    return folder


@pytest.fixture(scope="session")
def made_up_results(made_up):
    "What these CSVs say."
    return quote.Results(made_up)


@pytest.fixture(scope="session")
def written(made_up_results, tmp_path_factory):
    "A copy of all documents, brought up to date with the made-up numbers; do not change it."
    root = tmp_path_factory.mktemp("documents")
    for path in quote.documents():
        copy = root / path.relative_to(HERE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    list(quote.quotes(root, made_up_results, write=True))
    return root


@pytest.fixture
def documents(written, tmp_path):
    "A copy of them that may be changed."
    return shutil.copytree(written, tmp_path / "documents")


def test_documents_that_were_brought_up_to_date_have_no_faults(written, made_up_results):
    assert quote.faults(written, made_up_results) == []


def test_only_what_is_quoted_is_changed(written):
    "As many cells, and the same text round about the numbers."
    for path in quote.documents():
        before = quote.read_texts(path)
        after = quote.read_texts(written / path.relative_to(HERE))
        assert [bool(text) for text in before] == [bool(text) for text in after]
        for old, new in zip(before, after, strict=True):
            if old != new:
                assert without_quotes(old) == without_quotes(new)


def without_quotes(text):
    "A text without its quoted tables and without numbers."
    text = quote.COMMENT.sub("", text)
    for sentence in quote.sentences():
        text = sentence.pattern.sub("", text)
    return quote.one_line(text)


def tampered(texts, pattern, replace):
    "Texts in which the first place that a pattern finds is changed."
    for i, text in enumerate(texts):
        if re.search(pattern, text):
            return [*texts[:i], re.sub(pattern, replace, text, count=1), *texts[i + 1 :]]
    raise AssertionError(f"{pattern} is not there")


def other_digit(match):
    "What was found, with another last digit."
    text = match[0]
    place = max(i for i, character in enumerate(text) if character.isdigit())
    return f"{text[:place]}{(int(text[place]) + 1) % 10}{text[place + 1 :]}"


def table_pattern(script, name):
    "What finds a quoted table with its comment."
    return rf"<!-- from experiments/{script}\.py: {name} -->\n*((?:\|.*(?:\n|$))*)"


@pytest.mark.parametrize(("script", "name"), ALL_QUOTED_TABLES)
def test_a_digit_changed_by_hand_in_a_table_is_a_fault(written, made_up_results, script, name):
    pattern = table_pattern(script, name)
    for path in quote.documents(written):
        texts = quote.read_texts(path)
        if any(re.search(pattern, text) for text in texts):
            texts = tampered(texts, pattern, other_digit)
            found = list(quote.quoted_tables(path, texts, made_up_results))
            (wrong,) = [table for table in found if not table.is_right]
            assert f"{script}.{name}" in wrong.where


@pytest.mark.parametrize("sentence", quote.sentences(), ids=lambda sentence: sentence.text[:40])
def test_a_digit_changed_by_hand_in_a_sentence_is_a_fault(written, made_up_results, sentence):
    texts = quote.read_texts(written / sentence.file)
    assert all(number.is_right for number in found_in(sentence, texts, made_up_results))

    def change(match):
        "The sentence with another first number."
        start, end = (place - match.start() for place in match.span(1))
        return f"{match[0][:start]}00{match[0][end:]}"

    texts = tampered(texts, sentence.pattern, change)
    (wrong,) = [n for n in found_in(sentence, texts, made_up_results) if not n.is_right]
    assert wrong.old == "00"


def found_in(sentence, texts, results):
    "The numbers of a sentence as some texts have them, which are left as they are."
    return list(quote.quoted_numbers(sentence, [*texts], results))


def test_a_change_in_a_file_is_found(documents, made_up_results):
    for name, pattern in [
        ("nbs/07_augment.ipynb", table_pattern("shortcuts", "facts")),
        ("rsna_cls/weights/README.md", table_pattern("weights", "card")),
        ("nbs/lessons/01_first_classifier.ipynb", "this network called the elbow.*?And"),
        ("docs/paper/paper.md", table_pattern("folds", "accuracy")),
        ("docs/paper/paper.md", "original films \\(interval .*?\\)"),
    ]:
        path = documents / name
        quote.write_texts(path, tampered(quote.read_texts(path), pattern, other_digit))
    assert len(quote.faults(documents, made_up_results)) == 5


def test_a_reworded_sentence_is_a_fault(documents, made_up_results):
    path = documents / "nbs/22_gate.ipynb"
    texts = tampered(quote.read_texts(path), "With the 8 originals as the", "Against the")
    quote.write_texts(path, texts)
    (fault,) = quote.faults(documents, made_up_results)
    assert "there 0 times" in fault


def test_another_number_in_a_csv_is_a_fault(written, made_up, tmp_path):
    folder = shutil.copytree(made_up, tmp_path / "csvs")
    file = folder / "gate.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("0.4567", "0.4987"), encoding="utf-8")
    assert any(
        "limit 0.499" in fault or "0.499" in fault
        for fault in quote.faults(written, quote.Results(folder))
    )


def test_a_csv_with_other_columns_is_a_fault(written, made_up, tmp_path):
    folder = shutil.copytree(made_up, tmp_path / "csvs")
    file = folder / "gate.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("limit", "bound"), encoding="utf-8")
    assert any("has the columns" in fault for fault in quote.faults(written, quote.Results(folder)))


def test_a_missing_csv_is_said_once(written, made_up, tmp_path):
    folder = shutil.copytree(made_up, tmp_path / "csvs")
    (folder / "maps_heat.csv").unlink()
    (fault,) = quote.faults(written, quote.Results(folder))
    assert "maps_heat.csv is missing" in fault and "python experiments/maps.py" in fault


# --- words ----------------------------------------------------------------------------------------


def test_words():
    assert common.listed([1, 2, 3]) == "1, 2 and 3" and common.listed([1]) == "1"
    assert common.seeds_in_words([2, 0, 1]) == "0 to 2"
    assert common.seeds_in_words([0, 1]) == "0 and 1"
    assert common.times(1) == "once" and common.times(9) == "nine times"
    assert common.share(10, 10) == "0.72–1.00" and common.per_cent(9, 9) == "70–100 %"
    assert common.share(1.5, 5) == f"{common.share(1, 5)[:4]}–{common.share(2, 5)[5:]}"
    assert common.markdown(["a", "b"], [[1, 2]]) == "| a | b |\n|---|---|\n| 1 | 2 |"
