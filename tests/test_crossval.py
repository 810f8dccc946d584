"Baselines, folds, cross-validation: answers known beforehand, and what must be refused."

import importlib
import shutil
import tempfile
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conftest import make_link
from rsna_cls import (
    RESERVED_NAMES,
    BadFilm,
    BadFolder,
    Course,
    baselines,
    calibrate,
    cross_validate,
    dataloaders,
    embedded_films,
    features,
    film_files,
    film_learner,
    same_source,
    score,
    score_seeds,
    show_baselines,
    wilson,
)

crossval = importlib.import_module("rsna_cls.crossval")

SIZE = "width and height"
NEAREST = "8×8 thumbnail"
SCALE_FREE = "8×8 thumbnail, scale-free"
PROBE = "frozen features (linear probe)"


def write_films(path, draw, classes=("lung", "gut"), n=12):
    "A course folder, n films a class; `draw(class number, film number, rng)` gives their greys."
    rng = np.random.default_rng(0)
    splits = ["test"] + ["val"] * 3 + ["train"] * (n - 4)
    for class_number, name in enumerate(classes):
        for i, split in enumerate(splits):
            file = path / split / name / f"{name}{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            greys = np.clip(draw(class_number, i, rng), 0, 255)
            Image.fromarray(greys.astype(np.uint8)).save(file)
    return path


def noise(class_number, i, rng):
    "Films that tell nothing."
    return rng.normal(120, 30, (50, 50))


def by_place(path, group_of, splits=("train", "val")):
    "Groups as a user writes them: from a film's place in the course folder to its group."
    groups = {}
    for split in splits:
        for film in film_files(path / split):
            groups[film.relative_to(path).as_posix()] = group_of(film)
    return groups


def train_and_val(path):
    "The films that are cross-validated, and their classes."
    course = Course(path)
    return course, *crossval._labelled_films(course, "train", "val")


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path_factory, monkeypatch):
    "Other tests make folds at the same time: each looks for what is left in a folder of its own."
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))


def left_over():
    "Temporary folders of folds."
    return set(Path(tempfile.gettempdir()).glob("rsna_cls_fold_*"))


@pytest.fixture
def untrained():
    "A recipe that trains nothing; it keeps split, class and content of each film it was given."

    def recipe(folder, seed):
        given = [(film.parts[-3], film.parts[-2], film.read_bytes()) for film in film_files(folder)]
        recipe.seen.append(given)
        return film_learner(dataloaders(folder, size=32, bs=4), None, seed=seed)

    recipe.seen = []
    return recipe


# --- baselines ------------------------------------------------------------------------------------


@pytest.fixture
def small_probe(monkeypatch):
    "The network that is probed sees films at 32 px, where it is not what a test asks about."
    monkeypatch.setattr(crossval, "features", partial(features, sizes=(32,)))


def check_all_right(table, knows, n):
    "A baseline that knows what tells the classes apart is always right."
    row = table.set_index("knows").loc[knows]
    assert row[["k", "n"]].tolist() == [n, n]


def check_guesses(table, knows):
    "One that does not is no better and no worse than always saying the same."
    row = table.set_index("knows").loc[knows]
    guess = table["accuracy"].iloc[0]
    assert row["low"] < guess + 0.001, row
    assert row["high"] > guess, row


@pytest.mark.usefixtures("small_probe")
def test_where_only_the_size_tells(tmp_path):
    def draw(class_number, i, rng):
        return rng.normal(120, 30, (50, 50 + 20 * class_number))

    table = baselines(write_films(tmp_path, draw, n=20))
    check_all_right(table, SIZE, 40)
    for knows in (NEAREST, SCALE_FREE):
        check_guesses(table, knows)


@pytest.mark.usefixtures("small_probe")
def test_one_size_among_many_is_found(tmp_path):
    "'512 × 512 is a chest': thresholds on width and height hardly learn it from twenty films."

    def draw(class_number, i, rng):
        size = (50, 50) if class_number else rng.integers(44, 57, 2)
        return rng.normal(120, 30, size)

    table = baselines(write_films(tmp_path, draw, n=20))
    assert table.set_index("knows").loc[SIZE, "k"] >= 39


@pytest.mark.usefixtures("small_probe")
def test_where_only_brightness_tells(tmp_path):
    def draw(class_number, i, rng):
        return rng.normal(80 + 80 * class_number, 20, (50, 50))

    table = baselines(write_films(tmp_path, draw, n=20))
    check_all_right(table, NEAREST, 40)
    for knows in (SIZE, SCALE_FREE):
        check_guesses(table, knows)


@pytest.mark.usefixtures("small_probe")
def test_where_only_the_pattern_tells(tmp_path):
    "Top or bottom bright, at any brightness and contrast."

    def draw(class_number, i, rng):
        half = np.repeat([[class_number], [1 - class_number]], 25, axis=0)
        return rng.uniform(10, 200) + rng.uniform(10, 40) * half + rng.normal(0, 5, (50, 50))

    check_all_right(baselines(write_films(tmp_path, draw, n=20)), SCALE_FREE, 40)


@pytest.mark.usefixtures("small_probe")
def test_where_nothing_tells(tmp_path):
    table = baselines(write_films(tmp_path, noise, n=20))
    assert list(table["knows"]) == ["nothing: always says gut", SIZE, NEAREST, SCALE_FREE, PROBE]
    for knows in table["knows"]:
        check_guesses(table, knows)


@pytest.mark.usefixtures("small_probe")
def test_three_classes_of_other_names(tmp_path):
    def draw(class_number, i, rng):
        return rng.normal(60 * (class_number + 1), 8, (40 + 10 * class_number, 50))

    path = write_films(tmp_path, draw, ("knee", "hip", "Hand – left"), n=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        table = baselines(path, folds=3)
    assert table["accuracy"].iloc[0] == pytest.approx(1 / 3)
    for knows in (SIZE, NEAREST):
        check_all_right(table, knows, 30)


def test_thumbnails_do_not_match_their_own_group():
    "Twins, one of each class: the other twin is nearest, and wrong; without it, a guess is left."
    rng = np.random.default_rng(0)
    points = np.repeat(rng.normal(size=(40, 64)), 2, axis=0)
    labels = np.array(["a", "b"] * 40)
    alone = np.arange(80)
    assert (crossval._answers_of_nearest(points, labels, alone) != labels).all()
    right = (crossval._answers_of_nearest(points, labels, alone // 2) == labels).sum()
    assert 20 < right < 60


def test_the_nearest_film_by_hand():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(80, 64))
    labels = np.array(["a", "b"] * 40)
    group_numbers = rng.integers(0, 9, 80)
    distances = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    distances[group_numbers[:, None] == group_numbers] = np.inf
    expected = labels[distances.argmin(axis=1)]
    assert (crossval._answers_of_nearest(points, labels, group_numbers) == expected).all()


@pytest.mark.parametrize("films_per_group", [1, 50])
def test_one_search_finds_the_nearest_of_all_films(films_per_group, monkeypatch):
    "Not one for each group: with thousands of films that takes a thousand times as long."
    searches = []

    class Counted(crossval.NearestNeighbors):
        def fit(self, *args):
            searches.append(self)
            return super().fit(*args)

    monkeypatch.setattr(crossval, "NearestNeighbors", Counted)
    points = np.random.default_rng(0).normal(size=(200, 64))
    labels = np.array(["a", "b"] * 100)
    crossval._answers_of_nearest(points, labels, np.arange(200) // films_per_group)
    assert len(searches) == 1


def test_the_largest_group_may_hold_nearly_all_films():
    points = np.arange(10.0).reshape(10, 1)
    labels = np.array(["a"] * 9 + ["b"])
    group_numbers = np.array([0] * 9 + [1])
    answers = crossval._answers_of_nearest(points, labels, group_numbers)
    assert answers.tolist() == ["b"] * 9 + ["a"]


@pytest.mark.usefixtures("small_probe")
def test_each_film_is_read_once(tmp_path, monkeypatch):
    path = write_films(tmp_path, noise)
    read = []
    read_bytes = Path.read_bytes

    def counted(file):
        read.append(file)
        return read_bytes(file)

    monkeypatch.setattr(Path, "read_bytes", counted)
    baselines(path, folds=2)
    films = [file for file in read if file.suffix == ".png"]
    assert sorted(films) == sorted(film_files(path))


@pytest.mark.usefixtures("small_probe")
def test_the_network_beside_them(tmp_path):
    path = write_films(tmp_path, noise)
    said = pd.DataFrame(
        dict(
            file=list("uvwx") * 2,
            truth=["lung", "lung", "gut", None] * 2,
            prediction=["lung"] * 4 + ["gut"] * 4,
            seed=[1] * 4 + [2] * 4,
        )
    )
    table = baselines(path, said)
    assert table[["knows", "k", "n"]].iloc[-2:].to_numpy().tolist() == [
        ["the film (network, seed 1)", 2, 3],
        ["the film (network, seed 2)", 1, 3],
    ]
    assert baselines(path, said.drop(columns="seed")).iloc[-1]["knows"] == "the film (network)"
    picture = show_baselines(table)
    assert picture.png.startswith(b"\x89PNG")
    assert "8×8 thumbnail: " in picture.alt
    assert "seed 2): 1 of 3 right" in picture.alt
    with pytest.raises(ValueError, match="network must be a table"):
        baselines(path, {"a": 1})


@pytest.mark.usefixtures("small_probe")
def test_a_film_of_one_grey_has_no_pattern(tmp_path):
    "Its thumbnail has no deviation to divide by; that is no fault, and no warning."

    def draw(class_number, i, rng):
        return np.full((50, 50), 90) if i == 5 else rng.normal(120, 30, (50, 50))

    path = write_films(tmp_path, draw)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert (baselines(path, folds=2)["n"] == 24).all()


def published(path):
    "How many films each baseline is right about, measured as for the notebook's table."
    table = baselines(path, groups=same_source(path), seed=42).set_index("knows")
    assert set(table["n"]) == {len(Course(path).films())}
    return table["k"].tolist()


@pytest.mark.slow(seconds=10)
def test_the_published_numbers_of_the_original_films(real):
    assert published(real) == [39, 75, 77, 77, 77]


@pytest.mark.slow(seconds=8)
def test_the_published_numbers_of_the_simulated_films():
    assert published(embedded_films()) == [40, 79, 79, 79, 79]


# --- folds and groups -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_groups_never_straddle_and_classes_are_spread(seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat(["a", "b", "c"], [40, 30, 20])
    of_a = rng.integers(0, 15, 40)
    of_b = rng.integers(10, 25, 30)  # some groups are of two classes
    of_c = rng.integers(25, 35, 20)
    group_numbers = pd.factorize(np.concatenate([of_a, of_b, of_c]))[0]
    folds = crossval._split_into_folds(labels, group_numbers, 4, seed)
    assert sorted(np.concatenate([fold.validation for fold in folds])) == list(range(90))
    for fold in folds:
        assert not set(group_numbers[fold.training]) & set(group_numbers[fold.validation])
        assert len(fold.training) + len(fold.validation) == 90
        for name in "abc":
            share = (labels == name).sum() / 4
            assert abs((labels[fold.validation] == name).sum() - share) < 6


def test_single_films_are_stratified_exactly():
    labels = np.repeat(["a", "b"], [37, 38])
    for fold in crossval._split_into_folds(labels, np.arange(75), 5, 3):
        assert 7 <= (labels[fold.validation] == "a").sum() <= 8


def test_another_seed_gives_other_folds_and_the_same_seed_the_same():
    labels = np.repeat(["a", "b"], 20)

    def held_back(seed):
        folds = crossval._split_into_folds(labels, np.arange(40), 4, seed)
        return [tuple(fold.validation) for fold in folds]

    assert held_back(1) == held_back(1)
    assert set(held_back(1)) != set(held_back(2))


def test_groups_are_found_however_they_are_named(tmp_path, monkeypatch):
    path = write_films(tmp_path / "films", noise)
    course, films, labels = train_and_val(path)
    relative = by_place(path, lambda film: film.stem[-1])
    expected = crossval._group_numbers(course, films, relative)
    assert len(set(expected)) == 10
    assert len(expected) == len(labels) == 22
    for groups in (
        {str(film): film.stem[-1] for film in films},
        pd.Series({film: film.stem[-1] for film in films}),
        {film: ("patient", int(film.stem[-1])) for film in films},
        relative | {"test/gut/gut0.png": "0"},
    ):
        assert (crossval._group_numbers(course, films, groups) == expected).all()
    monkeypatch.chdir(tmp_path)
    course, films, _ = train_and_val("films")
    assert (crossval._group_numbers(course, films, relative) == expected).all()


def test_groups_may_name_a_surprise(tmp_path):
    "As in what one hospital sent: the loose films have patients too."
    path = write_films(tmp_path, noise)
    shutil.copy(path / "val/gut/gut2.png", path / "knee.png")
    course, films, _ = train_and_val(path)
    groups = by_place(path, lambda film: film.stem[-1])
    expected = crossval._group_numbers(course, films, groups)
    found = crossval._group_numbers(course, films, groups | {"knee.png": "9"})
    assert (found == expected).all()


def test_groups_may_name_films_as_the_course_does(tmp_path, monkeypatch):
    "Also where the course folder is given from where Python runs."
    write_films(tmp_path / "films", noise)
    monkeypatch.chdir(tmp_path)
    course, films, _ = train_and_val("films")
    groups = {film: film.stem[-1] for film in films}
    expected = crossval._group_numbers(course, films, by_place(course.path, lambda f: f.stem[-1]))
    assert (crossval._group_numbers(course, films, groups) == expected).all()


def test_two_links_to_one_file_are_two_films_of_a_group(tmp_path):
    "A leak that the user knows of, and keeps on one side."
    path = write_films(tmp_path / "films", noise)
    for split in ("train", "val"):
        make_link(path / split / "gut/linked.png", path / "test/gut/gut0.png")
    course, films, _ = train_and_val(path)
    groups = by_place(path, lambda film: film.stem)
    numbers = dict(zip(films, crossval._group_numbers(course, films, groups), strict=True))
    assert numbers[path / "train/gut/linked.png"] == numbers[path / "val/gut/linked.png"]
    assert len(set(numbers.values())) == 23


def test_films_of_linked_folders_may_be_named_by_either_path(tmp_path):
    path = write_films(tmp_path / "films", noise)
    (path / "val/gut").rename(tmp_path / "elsewhere")
    make_link(path / "val/gut", tmp_path / "elsewhere")
    course, films, _ = train_and_val(path)
    groups = by_place(path, lambda film: film.stem[-1])
    expected = crossval._group_numbers(course, films, groups)
    groups = {film.resolve(): film.stem[-1] for film in films}
    assert (crossval._group_numbers(course, films, groups) == expected).all()


def without_gut5(groups):
    "Groups in which a film is left out."
    return {place: group for place, group in groups.items() if "gut5" not in place}


def gut2_twice(groups):
    "Groups in which a film is named twice."
    return pd.concat([pd.Series(groups), pd.Series({"val/gut/gut2.png": "other"})])


@pytest.mark.parametrize(
    "change, words",
    [
        (
            lambda groups: groups | {"val/gut/nowhere.png": "x"},
            r"no such film in .*nowhere\.png",
        ),
        (without_gut5, "a film has no group.*gut5"),
        (lambda groups: groups | {"val/gut/gut2.png": None}, "no group.*gut2"),
        (lambda groups: {}, r"no group.*and 2\d more"),
        (gut2_twice, "twice.*gut2"),
        (lambda groups: groups | {"val/gut/gut2.png": ["a", "b"]}, "a group must be a name.*gut2"),
        (list, "dict or a pandas Series"),
    ],
)
def test_wrong_groups_are_refused(tmp_path, untrained, change, words):
    path = write_films(tmp_path, noise)
    groups = by_place(path, lambda film: film.stem, ("train", "val", "test"))
    with pytest.raises(ValueError, match=words):
        cross_validate(path, change(groups), folds=2, train=untrained)
    with pytest.raises(ValueError, match=words):
        baselines(path, groups=change(groups))
    assert not untrained.seen


def test_too_few_films_are_refused_before_any_training(tmp_path, untrained):
    path = write_films(tmp_path, noise, n=5)  # 4 in train and val
    with pytest.raises(BadFolder, match="5 folds need 5 films of each class.*4 of gut"):
        cross_validate(path, train=untrained)
    together = by_place(path, lambda film: "one patient" if "gut" in film.stem else film.stem)
    with pytest.raises(BadFolder, match="1 of gut"):
        cross_validate(path, together, folds=2, train=untrained)
    for folds in (1, 2.5, True, "two"):
        with pytest.raises(ValueError, match="folds must be a whole number from 2"):
            cross_validate(path, folds=folds, train=untrained)
    for seeds in ((), (1.5,), ("a",), (-1,), 2**32):
        with pytest.raises(ValueError, match="seeds must be whole numbers"):
            cross_validate(path, folds=2, seeds=seeds, train=untrained)
    for seeds in ((42, 42), [1, 2, 1]):
        with pytest.raises(ValueError, match="seeds must differ from one another"):
            cross_validate(path, folds=2, seeds=seeds, train=untrained)
    assert not untrained.seen


def test_a_fold_without_a_class_is_named(monkeypatch):
    "scikit-learn deals the groups out greedily, so it need not find a way that exists."
    labels = np.array(["a", "b", "a", "b", "a", "a"])
    group_numbers = np.array([0, 0, 1, 1, 2, 3])

    def bad_split(self, X, y, groups):
        yield np.array([0, 1, 4]), np.array([2, 3, 5])
        yield np.array([1, 3]), np.array([0, 2, 4, 5])

    monkeypatch.setattr(crossval.StratifiedGroupKFold, "split", bad_split)
    with pytest.raises(BadFolder, match="fold 2 of 2 has no training film of the class a"):
        crossval._split_into_folds(labels, group_numbers, 2, 0)


def test_one_class_is_no_course_folder(tmp_path):
    path = write_films(tmp_path, noise, ("lung",))
    for refuse in (cross_validate, baselines):
        with pytest.raises(BadFolder, match="two or more classes"):
            refuse(path)


# --- cross-validation -----------------------------------------------------------------------------


def test_what_the_recipe_is_given(tmp_path, untrained, capsys):
    "Each film on one side, none of test/, groups together, its class as its folder."
    path = write_films(tmp_path, noise)
    before = left_over()

    def three_together(film):
        i = int("".join(filter(str.isdigit, film.stem)))
        return f"{film.stem[:3]}{i // 3}"

    groups = by_place(path, three_together)
    table = cross_validate(path, groups, folds=3, seeds=(1, 2), train=untrained)
    assert left_over() == before
    assert len(untrained.seen) == 6

    place_of = {film.read_bytes(): film.relative_to(path).as_posix() for film in film_files(path)}
    for seen in untrained.seen:
        places = [place_of[content] for _, _, content in seen]
        assert sorted(places) == sorted(groups)
        sides = {"train": set(), "val": set()}
        for split, name, content in seen:
            place = place_of[content]
            assert Path(place).parts[1] == name
            sides[split].add(groups[place])
        assert not sides["train"] & sides["val"]

    assert list(table.columns) == ["file", "truth", "prediction", "gut", "lung", "seed", "fold"]
    assert set(table) - {"gut", "lung"} <= set(RESERVED_NAMES)
    assert len(table) == 44
    assert not table.duplicated(["file", "seed"]).any()
    assert np.allclose(table[["gut", "lung"]].sum(axis=1), 1, atol=1e-5)
    assert table["seed"].tolist() == [1] * 22 + [2] * 22
    assert table["file"][:22].tolist() == table["file"][22:].tolist()
    assert table["truth"].tolist() == [Path(file).parent.name for file in table["file"]]

    # What is said of a fold's films is said by the network that did not see them.
    for (seed, fold), rows in table.groupby(["seed", "fold"]):
        seen = untrained.seen[3 * (seed - 1) + fold - 1]
        held_back = {place_of[content] for split, _, content in seen if split == "val"}
        assert {Path(file).relative_to(path).as_posix() for file in rows["file"]} == held_back

    printed = capsys.readouterr().out
    assert printed.count("seed ") == 6
    assert "fold 3 of 3: " in printed
    assert "ResNet18 with" not in printed

    with pytest.raises(ValueError, match="take one seed"):
        score(table, "gut")
    assert score(table[table["seed"] == 2], "gut").table["n"][0] == 22


@pytest.fixture
def discs(tmp_path):
    "Films of small bright discs and large ones."
    radius = np.hypot(*np.mgrid[-1:1:60j, -1:1:60j])

    def draw(class_number, i, rng):
        return 180 * (radius < 0.4 + 0.4 * class_number) + rng.integers(0, 40, (60, 60))

    return write_films(tmp_path, draw, n=9)


@pytest.mark.slow(seconds=10)
def test_the_lesson_s_recipe_learns(discs):
    runs = cross_validate(discs, folds=2, seeds=7, epochs=8, size=64)
    assert score_seeds(runs).set_index("measure").loc["accuracy", "mean"] > 0.9


@pytest.mark.slow(seconds=5)
def test_the_lesson_s_recipe_repeats_itself(discs):
    runs = [cross_validate(discs, folds=2, seeds=7, epochs=1, size=64) for _ in range(2)]
    pd.testing.assert_frame_equal(*runs)


def test_three_classes_cross_validated(tmp_path, untrained):
    classes = ("knee", "hip", "hand")
    path = write_films(tmp_path, noise, classes, n=7)
    table = cross_validate(path, folds=3, seeds=(0,), train=untrained)
    assert list(table.columns[3:6]) == ["hand", "hip", "knee"]
    assert len(table) == 18
    measures = {"accuracy", *(f"sensitivity for {name}" for name in classes)}
    assert set(score_seeds(table)["measure"]) == measures
    assert calibrate(table).bins.groupby("when")["n"].sum().tolist() == [18, 18]


@pytest.mark.usefixtures("small_probe")
def test_odd_folders_are_cross_validated_as_they_are_trained_on(tmp_path, untrained, capsys):
    "Classes that are numbers, films without an ending and in folders of patients; NumPy's numbers."
    path = write_films(tmp_path, noise, ("1", "0"), n=7)
    for i, film in enumerate(Course(path).films("train")):
        place = film.parent / f"patient{i}" / ("1.2.840.113619.2" if i % 2 else "IM0001")
        place.parent.mkdir()
        film.rename(place)
    (path / "val/1/notes.txt").write_text("no film", encoding="utf-8")
    said = "Left out: 1 file is no film (notes.txt in val/1).\n"

    table = cross_validate(path, folds=np.int64(2), seeds=np.arange(2), train=untrained)
    assert capsys.readouterr().out.count(said) == 1
    assert len(table) == 24
    assert list(table.columns[3:5]) == ["0", "1"]
    assert set(table["truth"]) == {"0", "1"}
    for seen in untrained.seen:
        assert len(seen) == 12
    assert len(baselines(path, table, folds=2)) == 7
    assert said not in capsys.readouterr().out  # once is enough


@pytest.mark.usefixtures("small_probe")
@pytest.mark.parametrize("name", ["$x_1$ {\\frac", "$", "_a", "a_b^c", "100 %", "<b>"])
def test_class_names_are_drawn_letter_by_letter(tmp_path, name):
    path = write_films(tmp_path, noise, (name, "~"), n=6)
    (path / f"val/~/~{1}.png").unlink()  # now the other class is the commonest
    table = baselines(path, folds=2)
    assert table["knows"][0] == f"nothing: always says {name}"
    picture = show_baselines(table)
    assert picture.png.startswith(b"\x89PNG")
    assert f"nothing: always says {name}: 6 of 11 right" in picture.alt


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_after_a_failure(tmp_path, error, capsys):
    path = write_films(tmp_path, noise)
    before = left_over()
    during = []

    def fails(folder, seed):
        during.append(left_over() - before)
        raise error

    with pytest.raises(error):
        cross_validate(path, folds=2, train=fails)
    assert len(during[0]) == 1
    assert left_over() == before
    print("seen")  # standard output is the user's again
    assert "seen" in capsys.readouterr().out
    assert len(film_files(path)) == 24


def test_a_damaged_film_is_named_before_any_training(tmp_path, untrained):
    path = write_films(tmp_path, noise)
    (path / "train/gut/gut7.png").write_bytes(b"no film")
    with pytest.raises(BadFilm, match="train/gut/gut7.png"):
        cross_validate(path, folds=2, train=untrained)
    with pytest.raises(BadFilm, match="train/gut/gut7.png"):
        baselines(path)
    assert not untrained.seen


def test_films_are_copied_where_links_are_forbidden(tmp_path, monkeypatch):
    path = write_films(tmp_path, noise)
    _, films, labels = train_and_val(path)
    positions = np.arange(22)
    is_held_back = np.isin(positions, [0, 12])
    fold = crossval._Fold(training=positions[~is_held_back], validation=positions[is_held_back])

    def forbidden(*args):
        raise OSError(1314, "a required privilege is not held by the client")

    monkeypatch.setattr(crossval.os, "symlink", forbidden)
    with crossval._fold_folder(films, labels, fold) as folder:
        files = film_files(folder)
        assert len(files) == 22
        assert not any(file.is_symlink() for file in files)
        assert len(film_files(folder / "val")) == 2
        assert {file.read_bytes() for file in files} == {film.read_bytes() for film in films}
    assert not folder.exists()
    assert all(film.exists() for film in films)


def test_films_of_the_same_name_do_not_overwrite_each_other(tmp_path, untrained):
    path = write_films(tmp_path, noise)
    for film in film_files(path / "val"):
        name_in_train = f"{film.parent.name}{int(film.stem[-1]) + 4}.png"
        shutil.move(film, film.with_name(name_in_train))
    before = {film: film.read_bytes() for film in film_files(path)}
    assert len(cross_validate(path, folds=2, seeds=1, train=untrained)) == 22
    for seen in untrained.seen:
        assert len({content for _, _, content in seen}) == 22
    assert {film: film.read_bytes() for film in film_files(path)} == before


def test_scores_over_seeds_by_hand():
    truth = ["a"] * 6 + ["b"] * 4
    runs = []
    for wrong in (0, 1, 3):
        prediction = ["b"] * wrong + truth[wrong:]
        run = dict(file=range(10), truth=truth, prediction=prediction, seed=wrong)
        runs.append(pd.DataFrame(run))
    runs = pd.concat(runs)
    rows = score_seeds(runs).set_index("measure")
    accuracy = rows.loc["accuracy"]
    assert accuracy[["n", "seeds"]].tolist() == [10, 3]
    assert accuracy[["mean", "worst", "best"]].tolist() == pytest.approx([26 / 30, 0.7, 1.0])
    interval = [wilson(8, 10)[0], wilson(9, 10)[1]]
    assert accuracy[["low", "high"]].tolist() == pytest.approx(interval)
    assert rows.loc["sensitivity for a", "worst"] == 0.5
    assert rows.loc["sensitivity for b", "worst"] == 1
    with pytest.raises(ValueError, match="knows no seeds"):
        score_seeds(runs.drop(columns="seed"))


def test_scores_over_seeds_need_each_film_s_truth_once_for_each_seed():
    runs = pd.DataFrame(dict(truth=list("abab"), prediction=list("abab"), seed=[1, 1, 2, 2]))
    with pytest.raises(ValueError, match="more films for one seed"):
        score_seeds(runs[:3])
    with pytest.raises(ValueError, match="films without a truth"):
        score_seeds(runs.assign(truth=["a", None, "a", "b"]))


@pytest.mark.usefixtures("small_probe")
def test_a_network_that_is_asked_about_strangers_alone_is_refused(tmp_path):
    said = pd.DataFrame(dict(truth=[None, None], prediction=["gut", "lung"]))
    with pytest.raises(ValueError, match="no film whose truth is known"):
        baselines(write_films(tmp_path, noise), said, folds=2)
