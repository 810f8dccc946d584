"Baselines, cross-validation, calibration and predictive values: answers known beforehand, and what must be refused."

import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import softmax

from rsna_cls import (
    BadFilm,
    BadFolder,
    baselines,
    calibrate,
    cross_validate,
    dataloaders,
    evaluate,
    film_files,
    film_learner,
    predictive_value,
    score,
    score_seeds,
    show_baselines,
    show_calibration,
    wilson,
)
from rsna_cls.crossval import _fold_folder, _folds, _group_numbers, _labelled, _nearest_class

SIZE, NEAR, FLAT, PROBE = (
    "width and height",
    "8×8 thumbnail",
    "8×8 thumbnail, scale-free",
    "frozen features (linear probe)",
)


def write(path, draw, classes=("lung", "gut"), n=12):
    "A course folder; `draw(class number, film number, rng)` gives each film's greys."
    rng = np.random.default_rng(0)
    for k, name in enumerate(classes):
        for i in range(n):
            file = (
                path / ("test" if i == 0 else "val" if i < 4 else "train") / name / f"{name}{i}.png"
            )
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(draw(k, i, rng), 0, 255).astype(np.uint8)).save(file)
    return path


def noise(k, i, rng):
    return rng.normal(120, 30, (50, 50))


def left_over():
    return set(Path(tempfile.gettempdir()).glob("rsna_cls_fold_*"))


@pytest.fixture
def untrained():
    "A recipe that trains nothing: quick, and what it was given (part, class, content of each film) is kept in `.seen`."

    def recipe(folder, seed):
        recipe.seen.append([(p.parts[-3], p.parts[-2], p.read_bytes()) for p in film_files(folder)])
        return film_learner(dataloaders(folder, size=32, bs=4), None, seed=seed)

    recipe.seen = []
    return recipe


# --- baselines ------------------------------------------------------------------------------------------------------------


def check(table, knows, right, n):
    row = table.set_index("knows").loc[knows]
    if right:
        assert (row["k"], row["n"]) == (n, n)
    else:
        assert (
            row["low"] < table["accuracy"].iloc[0] + 0.001
            and row["high"] > table["accuracy"].iloc[0]
        ), row


def test_where_only_the_size_tells(tmp_path):
    table = baselines(
        write(tmp_path, lambda k, i, rng: rng.normal(120, 30, (50, 50 + 20 * k)), n=20)
    )
    check(table, SIZE, True, 40)
    for knows in (NEAR, FLAT):
        check(table, knows, False, 40)


def test_one_size_among_many_is_found(tmp_path):
    "A rule like '512 × 512 is a chest', which thresholds on width and height hardly learn from twenty films."
    table = baselines(
        write(
            tmp_path,
            lambda k, i, rng: rng.normal(120, 30, (50, 50) if k else rng.integers(44, 57, 2)),
            n=20,
        )
    )
    assert table.set_index("knows").loc[SIZE, "k"] >= 39


def test_where_only_brightness_tells(tmp_path):
    table = baselines(
        write(tmp_path, lambda k, i, rng: rng.normal(80 + 80 * k, 20, (50, 50)), n=20)
    )
    check(table, NEAR, True, 40)
    for knows in (SIZE, FLAT):
        check(table, knows, False, 40)


def test_where_only_the_pattern_tells(tmp_path):
    "Top or bottom bright, at any brightness and contrast."

    def draw(k, i, rng):
        half = np.repeat([[k], [1 - k]], 25, axis=0)
        return rng.uniform(10, 200) + rng.uniform(10, 40) * half + rng.normal(0, 5, (50, 50))

    check(baselines(write(tmp_path, draw, n=20)), FLAT, True, 40)


def test_where_nothing_tells(tmp_path):
    table = baselines(write(tmp_path, noise, n=20))
    assert list(table["knows"]) == ["nothing: always says gut", SIZE, NEAR, FLAT, PROBE]
    for knows in table["knows"]:
        check(table, knows, False, 40)


def test_three_classes_of_other_names(tmp_path):
    path = write(
        tmp_path,
        lambda k, i, rng: rng.normal(60 * (k + 1), 8, (40 + 10 * k, 50)),
        ("knee", "hip", "Hand – left"),
        n=10,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        table = baselines(path, folds=3)
    assert table["accuracy"].iloc[0] == pytest.approx(1 / 3)
    for knows in (SIZE, NEAR):
        check(table, knows, True, 30)


def test_thumbnails_do_not_match_their_own_group(tmp_path):
    "Pairs of the same film, one of each class: the twin is nearest, and wrong; without it, it is a guess."
    rng = np.random.default_rng(0)
    X, y, alone = (
        np.repeat(rng.normal(size=(40, 64)), 2, axis=0),
        np.array(["a", "b"] * 40),
        np.arange(80),
    )
    assert (_nearest_class(X, y, alone) != y).all()
    assert 20 < (_nearest_class(X, y, alone // 2) == y).sum() < 60
    groups = rng.integers(0, 9, 80)
    X += rng.normal(0, 1e-3, X.shape)  # no ties
    far = np.where(groups[:, None] == groups, np.inf, ((X[:, None] - X[None]) ** 2).sum(-1))
    assert (_nearest_class(X, y, groups) == y[far.argmin(1)]).all()


def test_the_network_beside_them(tmp_path):
    path = write(tmp_path, noise)
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
    assert (
        picture.png.startswith(b"\x89PNG")
        and "8×8 thumbnail: " in picture.alt
        and "seed 2): 1 of 3 right" in picture.alt
    )
    with pytest.raises(ValueError, match="network must be a table"):
        baselines(path, {"a": 1})


def test_real_films(real):
    "The size rule is right for 75 of 77, the thumbnails for all."
    table = baselines(real).set_index("knows")
    assert (table["n"] == 77).all() and table.loc[[SIZE, NEAR, FLAT], "k"].tolist() == [75, 77, 77]
    assert table.loc[SIZE, "accuracy"] == pytest.approx(0.974, abs=5e-4)


# --- folds and groups -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_groups_never_straddle_and_classes_are_spread(seed):
    rng = np.random.default_rng(seed)
    y, group = (
        np.repeat(["a", "b", "c"], [40, 30, 20]),
        np.concatenate(
            [rng.integers(0, 15, 40), rng.integers(10, 25, 30), rng.integers(25, 35, 20)]
        ),
    )
    group = pd.factorize(group)[0]
    parts = _folds(y, group, 4, seed)
    assert sorted(np.concatenate([v for _, v in parts])) == list(range(90))
    for train, valid in parts:
        assert not set(group[train]) & set(group[valid]) and len(train) + len(valid) == 90
        for c in "abc":
            assert abs((y[valid] == c).sum() - (y == c).sum() / 4) < 6


def test_single_films_are_stratified_exactly():
    y = np.repeat(["a", "b"], [37, 38])
    for _, valid in _folds(y, np.arange(75), 5, 3):
        assert 7 <= (y[valid] == "a").sum() <= 8


def test_another_seed_gives_other_folds_and_the_same_seed_the_same():
    y, group = np.repeat(["a", "b"], 20), np.arange(40)
    first, again, other = ([tuple(v) for _, v in _folds(y, group, 4, s)] for s in (1, 1, 2))
    assert first == again and set(first) != set(other)


def test_groups_are_found_however_they_are_named(tmp_path, monkeypatch):
    path = write(tmp_path / "films", noise)
    films, y = _labelled(path, ("train", "val"))
    relative = {f.relative_to(path).as_posix(): f.stem[-1] for f in films}
    want = _group_numbers(path, films, relative)
    assert len(set(want)) == 10 and len(want) == len(y) == 22
    for groups in (
        {str(f): f.stem[-1] for f in films},
        pd.Series({f: f.stem[-1] for f in films}),
        relative | {"test/gut/gut0.png": "0"},
    ):
        assert (_group_numbers(path, films, groups) == want).all()
    monkeypatch.chdir(tmp_path)
    films, _ = _labelled("films", ("train", "val"))
    assert (_group_numbers("films", films, relative) == want).all()


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda g: g | {"val/gut/nowhere.png": "x"}, r"no such film in .*nowhere\.png"),
        (lambda g: {k: v for k, v in g.items() if "gut5" not in k}, "a film has no group.*gut5"),
        (lambda g: g | {"val/gut/gut2.png": None}, "no group.*gut2"),
        (lambda g: {}, r"no group.*and 2\d more"),
        (
            lambda g: pd.concat([pd.Series(g), pd.Series({"val/gut/gut2.png": "other"})]),
            "twice.*gut2",
        ),
        (lambda g: list(g), "dict or a pandas Series"),
    ],
)
def test_wrong_groups_are_refused(tmp_path, untrained, change, words):
    path = write(tmp_path, noise)
    groups = {
        f.relative_to(path).as_posix(): f.stem
        for s in ("train", "val", "test")
        for f in film_files(path / s)
    }
    for refuse in (
        lambda g: cross_validate(path, g, folds=2, train=untrained),
        lambda g: baselines(path, groups=g),
    ):
        with pytest.raises(ValueError, match=words):
            refuse(change(groups))
    assert not untrained.seen


def test_too_few_films_are_refused_before_any_training(tmp_path, untrained):
    path = write(tmp_path, noise, n=5)  # 4 in train and val
    with pytest.raises(BadFolder, match="5 folds need 5 films of each class.*4 of gut"):
        cross_validate(path, train=untrained)
    together = {
        f.relative_to(path).as_posix(): "one patient" if "gut" in f.stem else f.stem
        for f in film_files(path)
    }
    with pytest.raises(BadFolder, match="1 of gut"):
        cross_validate(path, together, folds=2, train=untrained)
    for folds in (1, 2.5, True, "two"):
        with pytest.raises(ValueError, match="folds must be a whole number from 2"):
            cross_validate(path, folds=folds, train=untrained)
    for seeds in ((), (1.5,), ("a",), (-1,)):
        with pytest.raises(ValueError, match="seeds must be whole numbers"):
            cross_validate(path, folds=2, seeds=seeds, train=untrained)
    assert not untrained.seen


def test_a_fold_without_a_class_is_named():
    y, group = np.array(["a", "b", "a", "b", *"aa"]), np.array([0, 0, 1, 1, 2, 3])
    with (
        pytest.MonkeyPatch.context() as patch
    ):  # scikit-learn deals the groups out greedily, so it need not find what exists
        patch.setattr(
            evaluate.StratifiedGroupKFold,
            "split",
            lambda self, X, y, g: iter(
                [
                    (np.array([0, 1, 4]), np.array([2, 3, 5])),
                    (np.array([1, 3]), np.array([0, 2, 4, 5])),
                ]
            ),
        )
        with pytest.raises(BadFolder, match="fold 2 of 2 has no training film of the class a"):
            _folds(y, group, 2, 0)


def test_one_class_is_no_course_folder(tmp_path):
    path = write(tmp_path, noise, ("lung",))
    for refuse in (cross_validate, baselines):
        with pytest.raises(BadFolder, match="two or more classes"):
            refuse(path)


# --- cross-validation -----------------------------------------------------------------------------------------------------


def test_what_the_recipe_is_given(tmp_path, untrained, capsys):
    "Each film once on one side, none of test/, groups together, the class as its folder, nothing left behind."
    path, before = write(tmp_path, noise), left_over()
    groups = {
        f.relative_to(
            path
        ).as_posix(): f"{f.stem[:3]}{int(''.join(filter(str.isdigit, f.stem))) // 3}"
        for s in ("train", "val")
        for f in film_files(path / s)
    }
    table = cross_validate(path, groups, folds=3, seeds=(1, 2), train=untrained)
    content = {f.read_bytes(): f for f in film_files(path)}
    assert len(untrained.seen) == 6 and left_over() == before
    for seen in untrained.seen:
        side = {
            content[data].relative_to(path).as_posix(): (part, name) for part, name, data in seen
        }
        assert set(side) == set(groups) and len(seen) == len(groups)
        assert all(Path(f).parts[1] == name for f, (_, name) in side.items())
        assert not {groups[f] for f, (s, _) in side.items() if s == "train"} & {
            groups[f] for f, (s, _) in side.items() if s == "val"
        }
    assert list(table.columns) == ["file", "truth", "prediction", "gut", "lung", "seed", "fold"]
    assert (
        len(table) == 44
        and not table.duplicated(["file", "seed"]).any()
        and np.allclose(table[["gut", "lung"]].sum(axis=1), 1, atol=1e-5)
    )
    assert (
        table["seed"].tolist() == [1] * 22 + [2] * 22
        and table["file"][:22].tolist() == table["file"][22:].tolist()
    )
    for (seed, fold), rows in table.groupby(
        ["seed", "fold"]
    ):  # what is said of a fold's films is said by the network that did not see them
        valid = {
            content[data].relative_to(path).as_posix()
            for part, _, data in untrained.seen[3 * (seed - 1) + fold - 1]
            if part == "val"
        }
        assert {Path(f).relative_to(path).as_posix() for f in rows["file"]} == valid
    out = capsys.readouterr().out
    assert out.count("seed ") == 6 and "fold 3 of 3: " in out and "ResNet18 with" not in out
    with pytest.raises(ValueError, match="take one seed"):
        score(table, "gut")
    assert score(table[table["seed"] == 2], "gut").table["n"][0] == 22


def test_the_lesson_s_recipe_learns_and_repeats_itself(tmp_path):
    radius = np.hypot(*np.mgrid[-1:1:60j, -1:1:60j])
    path = write(
        tmp_path,
        lambda k, i, rng: 180 * (radius < 0.4 + 0.4 * k) + rng.integers(0, 40, (60, 60)),
        n=9,
    )
    runs = [cross_validate(path, folds=2, seeds=7, epochs=8, size=64) for _ in range(2)]
    pd.testing.assert_frame_equal(*runs)
    assert score_seeds(runs[0]).set_index("measure").loc["accuracy", "mean"] > 0.9


def test_three_classes_cross_validated(tmp_path, untrained):
    path = write(tmp_path, noise, ("knee", "hip", "hand"), n=7)
    table = cross_validate(path, folds=3, seeds=(0,), train=untrained)
    assert list(table.columns[3:6]) == ["hand", "hip", "knee"] and len(table) == 18
    assert set(score_seeds(table)["measure"]) == {
        "accuracy",
        *(f"sensitivity for {c}" for c in ("hand", "hip", "knee")),
    }
    assert calibrate(table).bins.groupby("when")["n"].sum().tolist() == [18, 18]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_after_a_failure(tmp_path, error, capsys):
    path, before, there = write(tmp_path, noise), left_over(), []

    def fails(folder, seed):
        there.append(left_over() - before)
        raise error

    with pytest.raises(error):
        cross_validate(path, folds=2, train=fails)
    assert len(there[0]) == 1 and left_over() == before
    print("seen")  # standard output is the user's again
    assert "seen" in capsys.readouterr().out
    assert len(film_files(path)) == 24


def test_a_damaged_film_is_named_before_any_training(tmp_path, untrained):
    path = write(tmp_path, noise)
    (path / "train/gut/gut7.png").write_bytes(b"no film")
    for refuse in (lambda: cross_validate(path, folds=2, train=untrained), lambda: baselines(path)):
        with pytest.raises(BadFilm, match="train/gut/gut7.png"):
            refuse()
    assert not untrained.seen


def test_films_are_copied_where_links_are_forbidden(tmp_path, monkeypatch):
    path = write(tmp_path, noise)
    films, y = _labelled(path, ("train", "val"))

    def forbidden(*args):
        raise OSError(1314, "a required privilege is not held by the client")

    monkeypatch.setattr(evaluate.os, "symlink", forbidden)
    with _fold_folder(films, y, {0, 12}) as folder:
        files = film_files(folder)
        assert (
            len(files) == 22
            and not any(f.is_symlink() for f in files)
            and len(film_files(folder / "val")) == 2
        )
        assert {f.read_bytes() for f in files} == {f.read_bytes() for f in films}
    assert not folder.exists() and all(f.exists() for f in films)


def test_films_of_the_same_name_do_not_overwrite_each_other(tmp_path, untrained):
    path = write(tmp_path, noise)
    for f in film_files(path / "val"):
        shutil.move(
            f, f.with_name(f"{f.parent.name}{int(f.stem[-1]) + 4}.png")
        )  # names that train/ has too
    before = {f: f.read_bytes() for f in film_files(path)}
    assert len(cross_validate(path, folds=2, seeds=1, train=untrained)) == 22
    assert all(len({data for _, _, data in seen}) == 22 for seen in untrained.seen)
    assert {f: f.read_bytes() for f in film_files(path)} == before


def test_scores_over_seeds_by_hand():
    truth = ["a"] * 6 + ["b"] * 4
    runs = pd.concat(
        [
            pd.DataFrame(
                dict(
                    file=range(10),
                    truth=truth,
                    prediction=["b"] * wrong + truth[wrong:],
                    seed=wrong,
                )
            )
            for wrong in (0, 1, 3)
        ]
    )
    rows = score_seeds(runs).set_index("measure")
    assert rows.loc["accuracy", ["n", "seeds"]].tolist() == [10, 3]
    assert rows.loc["accuracy", ["mean", "worst", "best"]].tolist() == pytest.approx(
        [26 / 30, 0.7, 1.0]
    )
    assert rows.loc["accuracy", ["low", "high"]].tolist() == pytest.approx(
        [wilson(8, 10)[0], wilson(9, 10)[1]]
    )
    assert (
        rows.loc["sensitivity for a", "worst"] == 0.5
        and rows.loc["sensitivity for b", "worst"] == 1
    )
    with pytest.raises(ValueError, match="knows no seeds"):
        score_seeds(runs.drop(columns="seed"))


# --- calibration ----------------------------------------------------------------------------------------------------------


def drawn(n, classes, seed=0):
    "Logits, and truths drawn with just the probabilities they stand for."
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, classes))
    return logits, (softmax(logits, axis=1).cumsum(1) > rng.random((n, 1))).argmax(1)


def table(logits, truth):
    names = np.array(list("pqrs")[: logits.shape[1]])
    return pd.DataFrame(
        dict(file="x", truth=names[truth], prediction=names[logits.argmax(1)])
        | dict(zip(names, softmax(logits, axis=1).T.astype(np.float32)))
    )


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("t", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found(t, classes):
    logits, truth = drawn(20000, classes)
    found = calibrate(table(t * logits, truth))
    assert found.temperature == pytest.approx(t, rel=0.05)
    assert found.table.loc["ECE", "after"] < 0.015
    assert found.table.loc["log loss", "after"] <= found.table.loc["log loss", "before"] + 1e-9
    assert ("too sure" in found.words) == (found.temperature > 1)


def test_bins_add_up():
    logits, truth = drawn(500, 2)
    found = calibrate(table(2 * logits, truth))
    right = (logits.argmax(1) == truth).sum()
    for when in ("before", "after"):
        b = found.bins[found.bins["when"] == when]
        assert b["n"].sum() == 500 and b["k"].sum() == right
        assert ((b["low"] <= b["right"]) & (b["right"] <= b["high"])).all() and np.allclose(
            b["right"], b["k"] / b["n"]
        )
        assert found.table.loc["ECE", when] == pytest.approx(
            (b["n"] / 500 * (b["says"] - b["right"]).abs()).sum()
        )
        assert [tuple(x) for x in b[["low", "high"]].to_numpy()] == [
            wilson(k, n) for k, n in zip(b["k"], b["n"])
        ]


def test_scores_by_hand():
    said = pd.DataFrame(
        dict(
            file="x",
            truth=["p", "q", "q"],
            prediction=["p", "p", "q"],
            p=[0.8, 0.6, 0.1],
            q=[0.2, 0.4, 0.9],
        )
    )
    before = calibrate(said).table["before"]
    assert before["log loss"] == pytest.approx(-np.log([0.8, 0.4, 0.9]).mean())
    assert before["Brier score"] == pytest.approx((0.2**2 + 0.6**2 + 0.1**2) / 3)
    assert before["ECE"] == pytest.approx((abs(0.8 - 1) + abs(0.6 - 0) + abs(0.9 - 1)) / 3)


def test_no_mistakes_nothing_to_calibrate_on():
    truth = np.arange(30) % 2
    for sureness in (0.5, 4.0, 500.0):  # the last is rounded to probabilities of 0 and 1
        found = calibrate(table(sureness * np.eye(2)[truth], truth))
        assert (
            found.temperature == 0.05
            and "no mistakes to calibrate on" in found.words
            and "do not use it" in found.words
        )
        assert np.isfinite(found.table.to_numpy()).all() and show_calibration(found).png


def test_always_wrong_and_a_sure_mistake():
    truth = np.arange(30) % 2
    assert (
        calibrate(table(4 * np.eye(2)[1 - truth], truth)).temperature == 20
        and "say nothing" in calibrate(table(4 * np.eye(2)[1 - truth], truth)).words
    )
    logits = 300.0 * np.eye(2)[truth]
    logits[0] = logits[0, ::-1]
    found = calibrate(table(logits, truth))
    assert found.temperature > 1 and np.isfinite(found.table.to_numpy()).all()


def test_a_class_that_never_occurs_and_films_without_a_truth():
    logits, truth = drawn(60, 3)
    few = table(logits, truth)
    few.loc[few["truth"] == "q", "truth"] = None
    found = calibrate(few.assign(stranger=1.0, accepted=True, seed=1, fold=2))
    assert (
        found.bins.groupby("when")["n"].sum().tolist() == [(truth != 1).sum()] * 2
        and np.isfinite(found.table.to_numpy()).all()
    )


def test_the_diagram_says_its_numbers():
    logits, truth = drawn(75, 2)
    picture = show_calibration(calibrate(table(3 * logits, truth)))
    assert (
        picture.png.startswith(b"\x89PNG")
        and "mistakes in 75 films" in picture.alt
        and picture.alt.count("right") >= 6
    )


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda t: t.assign(p=0.9, q=0.9), "add up to 1"),
        (lambda t: t.assign(p=1.2, q=-0.2), "add up to 1"),
        (lambda t: t.assign(p=np.nan), "add up to 1"),
        (lambda t: t.assign(truth=None), "known truth"),
        (lambda t: t.assign(truth="elbow"), "a column of probabilities for each class"),
        (lambda t: t[["file", "truth", "prediction"]], "a column of probabilities for each class"),
        (lambda t: pd.concat([t.assign(seed=1), t.assign(seed=2)]), "take one seed"),
    ],
)
def test_wrong_tables_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        calibrate(change(table(*drawn(20, 2))))


# --- predictive value -----------------------------------------------------------------------------------------------------


def test_predictive_value_by_hand():
    "1,000 films, 1 % positive, sensitivity and specificity 90 %: 9 true and 99 false positives, 891 true and 1 false negative."
    assert predictive_value(0.9, 0.9, 0.01) == pytest.approx((9 / 108, 891 / 892))
    prevalence = np.array([0.01, 0.5])
    positive, negative = predictive_value([0.9, 0.8], 0.9, prevalence)
    assert positive == pytest.approx([9 / 108, 8 / 9]) and negative == pytest.approx(
        [891 / 892, 9 / 11]
    )
    assert np.isnan(predictive_value(0, 1, 0.5)[0]) and predictive_value(1, 1, 0)[1] == 1
    for wrong in ((90, 0.9, 0.1), (0.9, -0.1, 0.1), (0.9, 0.9, [0.1, 5])):
        with pytest.raises(ValueError, match="between 0 and 1"):
            predictive_value(*wrong)
