"Predictions, scores and calibration: answers known beforehand, and what must be refused."

import importlib
import math
import shutil
import sys
from collections import Counter
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.vision.all import BCEWithLogitsLossFlat
from PIL import Image
from scipy.special import softmax
from torch import nn

from conftest import write_course
from rsna_cls import (
    RESERVED_NAMES,
    BadFilm,
    Calibration,
    Gate,
    Score,
    calibrate,
    dataloaders,
    empty_dataloaders,
    film_batches,
    film_files,
    film_learner,
    load_film,
    load_model,
    predict,
    save_model,
    score,
    show_calibration,
    show_predictions,
    show_scores,
    wilson,
)

evaluate = importlib.import_module("rsna_cls.evaluate")

# --- predictions ----------------------------------------------------------------------------------


class OpenedFiles:
    "Counts how often Python opens each file below a folder, by whatever way, while it is in use."

    def __init__(self):
        self.folder = None  # None: nobody counts
        self.times = Counter()
        sys.addaudithook(self._hear)  # cannot be taken away again

    def _hear(self, event, arguments):
        if self.folder is None or event != "open" or not isinstance(arguments[0], str | Path):
            return
        file = Path(arguments[0])
        if file.is_relative_to(self.folder):
            self.times[file] += 1

    def __call__(self, folder):
        self.folder = folder
        self.times.clear()
        return self

    def __enter__(self):
        return self.times

    def __exit__(self, *error):
        self.folder = None


opened_files = OpenedFiles()


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    "A toy course folder of more films than fit into one batch, and not a multiple of it."
    return write_course(tmp_path_factory.mktemp("many"), n=14)


class BrightnessGate:
    "A quick gate without a limit, which keeps what it was shown."

    def __init__(self):
        self.shown = []

    def score(self, films):
        self.shown.append(films)
        return [float(np.asarray(film).mean()) for film in films]

    def accepts(self, films):
        return [np.asarray(film).mean() < 60 for film in films]


class LimitedGate(BrightnessGate):
    "The same with a limit."

    limit = 60


@pytest.fixture(scope="module")
def toy_learner(many):
    "An untrained learner."
    return film_learner(dataloaders(many, size=64, bs=4))


def test_each_file_is_opened_once(many, toy_learner):
    with opened_files(many) as times:
        load_film(many / "elbow.png")
        load_film(many / "elbow.png")
    assert times == {many / "elbow.png": 2}  # the counter counts

    films = film_files(many)
    assert len(films) == 37
    for gate in (None, BrightnessGate(), LimitedGate()):
        with opened_files(many) as times:
            predict(toy_learner, many, gate=gate)
        assert times == dict.fromkeys(films, 1)


@pytest.mark.slow(seconds=4)
def test_the_gate_s_own_scores_stand_in_the_table(many, toy_learner):
    gate = Gate.fit(film_files(many / "train/chest")[:8], false_alarms=0.3)
    films = film_files(many)[-21:]
    plain = predict(toy_learner, films)
    with opened_files(many) as times:
        table = predict(toy_learner, films, gate=gate)
    assert times == dict.fromkeys(films, 1)
    pd.testing.assert_frame_equal(table[plain.columns], plain)
    assert list(table.columns) == [*plain.columns, "stranger", "accepted"]
    far = gate.score(films)
    np.testing.assert_allclose(table["stranger"], far, rtol=0, atol=1e-6)
    assert table["accepted"].tolist() == (far <= gate.limit).tolist()
    assert 0 < table["accepted"].sum() < len(films)


@pytest.mark.parametrize("kind", [BrightnessGate, LimitedGate])
def test_a_gate_of_one_s_own(many, toy_learner, kind):
    films = film_files(many)
    brightness = [np.asarray(load_film(film)).mean() for film in films]
    table = predict(toy_learner, films, gate=kind())
    assert table["stranger"].tolist() == brightness
    assert table["accepted"].tolist() == [value < 60 for value in brightness]
    assert 0 < table["accepted"].sum() < len(films)


def test_names_and_truths_are_those_of_the_files(many, toy_learner):
    "Decoded films have none; the order is that of the list."
    films = film_files(many)[::-1]
    table = predict(toy_learner, films, gate=BrightnessGate())
    assert table["file"].tolist() == [str(film) for film in films]
    for film, truth in zip(films, table["truth"], strict=True):
        if film.name == "elbow.png":
            assert pd.isna(truth)
        else:
            assert truth == film.parent.name

    mixed = predict(
        toy_learner, [load_film(films[0]), films[1], str(films[2])], gate=BrightnessGate()
    )
    assert mixed["file"].tolist() == ["image", str(films[1]), str(films[2])]
    for column in ("chest", "stranger"):
        np.testing.assert_allclose(mixed[column], table[column][:3], atol=1e-6)


def test_only_a_few_films_are_held_decoded(many, toy_learner):
    gate = LimitedGate()
    predict(toy_learner, many, gate=gate)
    assert [len(films) for films in gate.shown] == [16, 16, 5]
    assert all(isinstance(film, Image.Image) for films in gate.shown for film in films)


def test_a_film_in_memory_is_left_as_it_was(toy_learner, many):
    colour = Image.new("RGB", (50, 40), (200, 10, 10))
    before = colour.tobytes()
    assert len(predict(toy_learner, colour)) == 1
    assert colour.mode == "RGB"
    assert colour.tobytes() == before


def test_what_predict_refuses(many, toy_learner, tmp_path):
    (tmp_path / "note.png").write_text("not a film", encoding="utf-8")
    with pytest.raises(BadFilm, match=r"note\.png: not a film"):
        predict(toy_learner, [*film_files(many)[:20], tmp_path / "note.png"], gate=LimitedGate())
    with pytest.raises(ValueError, match="there are no films here"):
        predict(toy_learner, [], gate=LimitedGate())
    with pytest.raises(ValueError, match="no names for its classes"):
        predict(toy_learner.model, many)


@pytest.mark.parametrize("name", RESERVED_NAMES)
def test_a_class_with_the_name_of_another_column_is_refused(many, name):
    "A model may come from elsewhere than from a course folder."
    learn = film_learner(dataloaders(many, size=64, bs=4))
    learn.dls.vocab = ["abd", name]
    with pytest.raises(ValueError, match=f"a class called '{name}'"):
        predict(learn, many)


def test_every_other_column_of_predict_has_a_reserved_name(many, toy_learner):
    table = predict(toy_learner, many, gate=BrightnessGate())
    assert set(table) - {"abd", "chest"} <= set(RESERVED_NAMES)


def test_probabilities_that_are_no_numbers(many):
    learn = film_learner(dataloaders(many, size=64, bs=4))
    nn.init.constant_(learn.model[1][-1].weight, math.nan)
    with pytest.raises(ValueError, match="its training diverged"):
        predict(learn, many)


@pytest.mark.parametrize("gate", [True, "gate", Gate])
def test_what_is_no_gate_is_refused(course, learn, gate):
    with pytest.raises(ValueError, match="gate must be a gate that knows films"):
        predict(learn, film_files(course)[:1], gate=gate)


def head(n_numbers, *last):
    "The head of a network that gives so many numbers, and what comes after."
    torch.manual_seed(0)
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, n_numbers), *last)


class Then(nn.Module):
    "A function as the last step."

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, numbers):
        return self.function(numbers)


def asked(learn, *last, n_numbers, course):
    learn.model[1] = head(n_numbers, *last)
    return predict(learn, course / "val")[["abd", "chest"]].to_numpy()


SAME_ANSWERS = {
    "Sigmoid": (1, nn.Sigmoid()),
    "torch.sigmoid": (1, Then(torch.sigmoid)),
    "sigmoid of one axis": (1, Then(lambda z: z.sigmoid().squeeze(1))),
    "a copy": (1, Then(lambda z: z.sigmoid().double())),
    "Softmax": (2, nn.Softmax(1)),
    "softmax": (2, Then(lambda z: nn.functional.softmax(z, 1))),
    "LogSoftmax": (2, nn.LogSoftmax(1)),
    "LogSigmoid": (1, nn.LogSigmoid()),
    "log of a sigmoid": (1, Then(lambda z: z.sigmoid().log())),
    "log of a softmax": (2, Then(lambda z: z.softmax(1).log())),
}


@pytest.mark.parametrize("last", SAME_ANSWERS)
def test_probabilities_are_not_squeezed_again(course, learn, last):
    "What a network ends in changes nothing in what it says."
    n_numbers, step = SAME_ANSWERS[last]
    without = asked(learn, n_numbers=n_numbers, course=course)
    found = asked(learn, step, n_numbers=n_numbers, course=course)
    np.testing.assert_allclose(found, without, atol=1e-6)
    model = learn.model
    for wrapped in (
        torch.jit.trace(model.eval(), torch.zeros(1, 3, 96, 96)),
        nn.DataParallel(model),
        torch.compile(model, backend="eager"),
    ):
        learn.model = wrapped
        found = predict(learn, course / "val")[["abd", "chest"]].to_numpy()
        np.testing.assert_allclose(found, without, atol=1e-5)


@pytest.mark.parametrize(
    ("n_numbers", "last"),
    [
        (1, lambda z: 1 / (1 + torch.exp(-z))),
        (1, torch.nn.functional.hardsigmoid),
        (1, lambda z: z.sigmoid_()),
        (1, lambda z: torch.cat([1 - z.sigmoid(), z.sigmoid()], 1)),
        (2, lambda z: z.log_softmax(1).exp()),
    ],
)
def test_probabilities_of_unknown_origin_are_refused(course, learn, n_numbers, last):
    with pytest.raises(ValueError, match="look like probabilities"):
        asked(learn, Then(last), n_numbers=n_numbers, course=course)


def test_logits_that_lie_between_0_and_1_are_no_probabilities(course, learn):
    "One logit of a network that has learned little."
    learn.model[1] = head(1, Then(lambda z: 0.5 + 0.1 * z))
    found = predict(learn, course / "val")
    learn.model[1].append(nn.Sigmoid())
    pd.testing.assert_frame_equal(found, predict(learn, course / "val"), atol=1e-6)


@pytest.mark.parametrize("loss", [None, BCEWithLogitsLossFlat(), nn.BCEWithLogitsLoss()])
def test_a_network_that_judges_each_class_by_itself_is_refused(course, learn, loss):
    "By a sigmoid at its end, or by its loss: its numbers do not share out 1."
    steps = [nn.Sigmoid()] if loss is None else []
    learn.loss_func = loss or learn.loss_func
    with pytest.raises(ValueError, match="judges each class by itself"):
        asked(learn, *steps, n_numbers=2, course=course)


def test_a_softmax_of_one_number_is_refused(course, learn):
    with pytest.raises(ValueError, match="always 1"):
        asked(learn, nn.Softmax(1), n_numbers=1, course=course)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_model_in_another_precision(course, learn, dtype):
    expected = predict(learn, course / "val")[["abd", "chest"]]
    learn.model.to(dtype)
    found = predict(learn, course / "val")[["abd", "chest"]]
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_models_that_cannot_answer_are_refused_in_words(course, learn):
    one_channel = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for model, words in [
        (one_channel, "does not take 6 films"),
        (learn.model.to("meta"), "no numbers yet"),
    ]:
        learn.model = model
        with pytest.raises(ValueError, match=words):
            predict(learn, course / "val")


@pytest.mark.parametrize("scores", [[0.1], ["x"] * 6, 0.1, [[0.1]] * 6])
def test_a_gate_that_gives_no_number_for_each_film(course, learn, scores):
    class Odd:
        limit = 0.2

        def score(self, films):
            return scores

    with pytest.raises(ValueError, match="a number for each film"):
        predict(learn, course / "val", gate=Odd())


def test_one_logit_has_two_probabilities(course, learn):
    "A network of somebody else's with a sigmoid: not a softmax of one number, which is 1."
    head = learn.model[1]
    head[-1] = nn.Linear(head[-1].in_features, 1)
    table = predict(learn, film_files(course))
    model = learn.model.eval()
    with torch.no_grad():
        films = torch.cat(list(film_batches(learn, film_files(course))))
        of_second = model(films).sigmoid()[:, 0].numpy()
    first, second = learn.dls.vocab
    assert np.allclose(table[second], of_second, atol=1e-5)
    assert np.allclose(table[first], 1 - of_second, atol=1e-5)
    assert (table["prediction"] == np.where(of_second > 0.5, second, first)).all()


def test_a_loaded_model_given_films_of_other_classes_is_refused(course, learn, tmp_path):
    "It would call every hand a chest, under the name of a hand."
    for split in ("train", "val"):
        for name, other in (("abd", "foot"), ("chest", "hand")):
            shutil.copytree(course / split / name, tmp_path / "other" / split / other)
    again = load_model(save_model(learn, tmp_path / "m"))
    again.dls = dataloaders(tmp_path / "other", size=96, bs=4)
    with pytest.raises(ValueError, match="for the classes abd, chest, but .* foot, hand: train it"):
        predict(again, course)


def test_trained_weights_given_films_of_other_classes_are_refused(course, tmp_path):
    "Those that were not loaded, too; a learner that has learned nothing yet may be given any."
    learn = film_learner(dataloaders(course, size=64, bs=4))
    learn.dls = empty_dataloaders(["foot", "hand"], 64)
    assert set(predict(learn, course / "val")["prediction"]) <= {"foot", "hand"}
    learn.dls = dataloaders(course, size=64, bs=4)
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
    learn.dls = empty_dataloaders(["foot", "hand"], 64)
    with pytest.raises(ValueError, match="for the classes abd, chest, but .* foot, hand: train it"):
        predict(learn, course / "val")


def test_more_names_than_answers(course, learn):
    head = learn.model[1]
    head[-1] = nn.Linear(head[-1].in_features, 3)
    with pytest.raises(ValueError, match="tells 3 classes apart"):
        predict(learn, film_files(course)[:1])


def test_a_table_and_its_scores_tell_whose_they_are(course, learn, tmp_path):
    "A score of other weights does not get onto a card."
    table = predict(learn, course)
    scores = score(table, learn.dls.vocab[0]).table
    with torch.no_grad():
        learn.model[1][-1].bias.add_(0.5)
    with pytest.raises(ValueError, match="weights"):
        save_model(learn, tmp_path / "m", scores=scores)


def test_the_model_stays_in_its_mode(many, toy_learner):
    for training in (True, False):
        toy_learner.model.train(training)
        predict(toy_learner, film_files(many)[:1])
        assert toy_learner.model.training is training


# --- scores ---------------------------------------------------------------------------------------


def answers(truth, prediction, probability):
    "A table of predictions on p and q; the probability is that of p."
    probability = np.array(probability, float)
    table = pd.DataFrame(dict(file="x", truth=list(truth), prediction=list(prediction)))
    return table.assign(p=probability, q=1 - probability)


def test_scores_by_hand():
    said = answers("pppqqqq", "ppqqqqp", [0.9, 0.8, 0.4, 0.1, 0.2, 0.3, 0.7])
    scores = score(said, "p")
    assert isinstance(scores, Score)
    rows = scores.table.set_index("measure")
    assert rows.index.tolist() == [
        "accuracy",
        "sensitivity for p",
        "specificity for p",
        "positive predictive value at 42.9 % p",
        "negative predictive value at 42.9 % p",
        "AUROC for p",
    ]
    assert rows["n"].tolist() == [7, 3, 4, 7, 7, 7]
    assert rows["k"][:3].tolist() == [5, 2, 3]
    assert rows["k"][3:].isna().all()
    # At the share among these films the predictive values are plain counts: 2 of 3, and 3 of 4.
    expected = [5 / 7, 2 / 3, 3 / 4, 2 / 3, 3 / 4, 11 / 12]
    assert rows["value"].tolist() == pytest.approx(expected)
    assert (rows["low"] < rows["value"]).all()
    assert (rows["value"] < rows["high"]).all()
    assert tuple(rows.loc["accuracy", ["low", "high"]]) == wilson(5, 7)
    assert scores.confusion.to_numpy().tolist() == [[2, 1], [1, 3]]
    curve = scores.roc[["fpr", "tpr"]].to_numpy()
    assert curve[[0, -1]].tolist() == [[0, 0], [1, 1]]
    area = np.trapezoid(curve[:, 1], curve[:, 0])
    assert area == pytest.approx(11 / 12)


def test_the_other_class_as_positive():
    said = answers("pppqqqq", "ppqqqqp", [0.9, 0.8, 0.4, 0.1, 0.2, 0.3, 0.7])
    p = score(said, "p").table["value"]
    q = score(said, "q").table["value"]
    assert q[[0, 1, 2, 3, 4, 5]].tolist() == pytest.approx(p[[0, 2, 1, 4, 3, 5]].tolist())


def test_three_classes_one_against_the_rest():
    said = pd.DataFrame(
        dict(file="x", truth=list("pqrr"), prediction=list("prqr"))
        | dict(p=[0.8, 0.3, 0.1, 0.1], q=[0.1, 0.3, 0.5, 0.2], r=[0.1, 0.4, 0.4, 0.7])
    )
    values = score(said, "p").table["value"]
    assert values[:3].tolist() == [0.5, 1, 1]  # a mistake between q and r is none about p
    assert score(said, "p").confusion.to_numpy().tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 1]]


def test_a_side_without_films_has_no_numbers():
    scores = score(answers("ppp", "ppq", [0.9, 0.8, 0.4]), "p")
    rows = scores.table.set_index("measure")
    assert rows.loc["sensitivity for p", "value"] == pytest.approx(2 / 3)
    assert np.isnan(rows.loc["specificity for p", ["value", "low", "high"]].astype(float)).all()
    assert np.isnan(rows.loc["AUROC for p", ["value", "low", "high"]].astype(float)).all()
    assert len(scores.roc) == 0
    picture = show_scores(scores)
    assert picture.png.startswith(b"\x89PNG")
    assert "p called q: 1" in picture.alt


def test_a_gate_s_and_a_fold_s_columns_are_no_classes():
    said = answers("pq", "pq", [0.9, 0.2])
    more = said.assign(stranger=0.5, accepted=True, seed=42, fold=1)
    pd.testing.assert_frame_equal(score(more, "p").table, score(said, "p").table)
    with pytest.raises(ValueError, match="no class 'stranger' here: choose one of 'p', 'q'"):
        score(more, "stranger")


def as_csv(table):
    "A table as it comes back from a CSV."
    return pd.read_csv(StringIO(table.to_csv(index=False)))


NAMES = [("0", "1"), ("00", "01"), ("True", "False"), ("1.5", "1e3"), ("inf", "-1"), ("p", "1")]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("unknown", [False, True])
def test_a_table_that_was_a_csv_scores_as_before(names, unknown):
    "pandas makes numbers of some names, and of those fractions where a truth is missing."
    made = answers("ppppqqqq", "pppqqqqp", [0.9, 0.8, 0.7, 0.2, 0.1, 0.2, 0.3, 0.6])
    if unknown:
        made.loc[8] = ["x", None, "p", 0.8, 0.2]
    renamed = dict(zip("pq", names, strict=True))
    table = made.rename(columns=renamed).replace(dict(truth=renamed, prediction=renamed))
    read = as_csv(table)
    for positive in names:
        before = score(table, positive)
        after = score(read, positive)
        pd.testing.assert_frame_equal(after.table, before.table)
        pd.testing.assert_frame_equal(after.confusion, before.confusion)
        assert before.table["k"][:3].tolist() == [6, 3, 3]
    assert calibrate(read).words == calibrate(table).words


@pytest.mark.parametrize(
    "name, positive",
    [("1", 1), ("1", np.int64(1)), ("01", 1.0), ("1", "1"), ("p", np.str_("p")), ("True", True)],
)
def test_a_class_may_be_named_by_what_a_csv_makes_of_it(name, positive):
    table = answers("pq", "pq", [0.9, 0.2]).rename(columns=dict(p=name))
    table = table.replace(dict(truth=dict(p=name), prediction=dict(p=name)))
    assert score(table, positive).table["measure"][1] == f"sensitivity for {name}"


def test_two_names_that_a_csv_makes_one_of():
    table = answers("pq", "pq", [0.9, 0.2]).rename(columns=dict(p="1", q="01"))
    names = dict(p="1", q="01")
    table = table.replace(dict(truth=names, prediction=names))
    assert score(table, "01").table["value"][0] == 1  # as text they are told apart
    for bad in (as_csv(table), table):
        with pytest.raises(ValueError, match="may stand for each of '1', '01': read the CSV with"):
            score(bad, 1)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda table: table.assign(truth="Q"), "no class 'Q' here: choose one of 'p', 'q'"),
        (lambda table: table.assign(prediction="knee"), "no class 'knee' here"),
        (lambda table: table.rename(columns=dict(p="chest")), "no class 'p' here"),
        (lambda table: table.assign(p=np.nan), "add up to 1"),
        (lambda table: table.assign(p=0.9, q=0.9), "add up to 1"),
        (lambda table: table.assign(p="much", q="little"), "no class 'p' here: choose one of none"),
        (lambda table: table.drop(columns="prediction"), "a column called 'prediction'"),
        (lambda table: table.drop(columns="truth"), "a column called 'truth'"),
        (lambda table: pd.concat([table, table[["p"]]], axis=1), "several columns called 'p'"),
        (lambda table: table["truth"], "no table of predictions"),
        (lambda table: "predictions.csv", "no table of predictions"),
    ],
)
@pytest.mark.parametrize("judge", [lambda table: score(table, "p"), calibrate])
def test_tables_that_do_not_fit_are_refused_and_not_scored(judge, change, words):
    with pytest.raises(ValueError, match=words):
        judge(change(answers("pqq", "pqp", [0.9, 0.2, 0.8])))


def test_columns_of_one_s_own_and_in_any_order():
    plain = answers("pqq", "pqp", [0.9, 0.2, 0.8])
    more = plain.assign(age=[50, 60, 70], weight=0.5, mistake=[0, 0, 1], hospital="A", male=True)
    shuffled = more[["weight", "q", "age", "prediction", "male", "p", "hospital", "truth"]]
    for table in (more, more.iloc[:, ::-1], shuffled, as_csv(more.reset_index())):
        assert evaluate.known_films(table).classes in (["p", "q"], ["q", "p"])
        pd.testing.assert_frame_equal(score(table, "p").table, score(plain, "p").table)
        assert calibrate(table).words == calibrate(plain).words
    with pytest.raises(ValueError, match="no class 'age' here"):
        score(more, "age")


def test_probabilities_rounded_to_two_digits():
    table = pd.DataFrame(
        dict(file="x", truth=list("pqr"), prediction=list("pqr"), p=0.33, q=0.33, r=0.33)
    )
    assert evaluate.known_films(table).classes == ["p", "q", "r"]


NASTY = ["a$_{$", "_b", "<b>&amp;'\"", "r\udcf6\n\x07", "胸部", "x" * 250]


@pytest.mark.filterwarnings("error")
def test_any_name_can_be_drawn_and_shown():
    n = len(NASTY)
    table = pd.DataFrame(dict(file="x", truth=NASTY * 2, prediction=NASTY + NASTY[::-1]))
    table[NASTY] = np.full((2 * n, n), 1 / n)
    for name in NASTY:
        scores = score(table, name)
        picture = show_scores(scores)
        assert picture.png.startswith(b"\x89PNG")
        for html in (picture._repr_html_(), scores._repr_html_()):
            html.encode()
            assert "<b>" not in html
    assert "a$_{$ called a$_{$: 1" in picture.alt


@pytest.mark.filterwarnings("error")
def test_predictions_of_any_name_can_be_drawn(many, tmp_path):
    learn = film_learner(dataloaders(many, size=64, bs=4))
    learn.dls.vocab = ["a$_{$", "_b<"]
    film = film_files(many)[0]
    folder = tmp_path / "Meier^Hans"
    folder.mkdir()
    names = ["$x$_{.png", "_y.png", "胸.png", "z" * 200 + ".png"]
    films = [Path(shutil.copy(film, folder / name)) for name in names]
    picture = show_predictions(learn, films)
    assert "$x$_{.png, said " in picture.alt
    assert "Meier" not in picture.alt


@pytest.mark.parametrize("kind", ["16 bit", "float", "alpha", "turned"])
def test_a_film_in_memory_gets_the_probabilities_of_its_file(many, toy_learner, tmp_path, kind):
    grey = np.asarray(load_film(film_files(many)[0]))
    exif = Image.Exif()
    if kind == "16 bit":
        img = Image.fromarray(grey.astype(np.uint16) * 20)
    elif kind == "float":
        img = Image.fromarray(grey.astype(np.float32) / 7)
    elif kind == "alpha":
        img = Image.fromarray(np.dstack([grey, np.tile(grey[:1], (len(grey), 1))]))
    else:
        img = Image.fromarray(grey)
        exif[0x0112] = 6
    file = tmp_path / ("film.tif" if kind == "float" else "film.png")
    img.save(file, exif=exif)
    with Image.open(file) as opened:
        forms = [file, opened] if kind == "turned" else [file, opened, np.asarray(opened)]
        table = predict(toy_learner, forms)
    assert table["abd"].nunique() == 1


def test_what_score_refuses():
    said = answers("pq", "pq", [0.9, 0.2])
    with pytest.raises(ValueError, match="known truth"):
        score(said.assign(truth=None), "p")
    with pytest.raises(ValueError, match="take one seed"):
        score(said.assign(seed=[1, 2]), "p")
    for prevalence in (10, -0.1, np.nan, "0.1"):
        with pytest.raises(ValueError, match="between 0 and 1"):
            score(said, "p", prevalence=prevalence)


def test_one_film_is_shown(many, toy_learner):
    picture = show_predictions(toy_learner, many / "elbow.png")
    assert picture.alt.startswith("1 film. elbow.png, said ")
    assert show_predictions(toy_learner, many, n=3).alt.startswith("3 films, worst first. truth ")
    bare = [load_film(film) for film in film_files(many)]  # nobody knows what these are
    assert show_predictions(toy_learner, bare, n=3).alt.startswith("3 films. ")


@pytest.mark.parametrize("n", [0, -1])
def test_no_films_cannot_be_shown(many, toy_learner, n):
    with pytest.raises(ValueError, match=f"must be 1 or more, not {n}"):
        show_predictions(toy_learner, many, n=n)


# --- calibration ----------------------------------------------------------------------------------


def drawn(n, classes, seed=0):
    "Logits, and truths drawn with just the probabilities they stand for."
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, classes))
    cumulated = softmax(logits, axis=1).cumsum(axis=1)
    return logits, (cumulated > rng.random((n, 1))).argmax(axis=1)


def table_of(logits, truth):
    "What `predict` would give for these logits."
    names = np.array(list("pqrs")[: logits.shape[1]])
    table = pd.DataFrame(
        dict(file="x", truth=names[truth], prediction=names[logits.argmax(axis=1)])
    )
    table[names] = softmax(logits, axis=1).astype(np.float32)
    return table


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found(temperature, classes):
    logits, truth = drawn(20000, classes)
    found = calibrate(table_of(temperature * logits, truth))
    assert isinstance(found, Calibration)
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.table.loc["ECE", "after"] < 0.015
    assert found.table.loc["log loss", "after"] <= found.table.loc["log loss", "before"] + 1e-9
    assert ("too sure" in found.words) == (found.temperature > 1)


def test_bins_add_up():
    logits, truth = drawn(500, 2)
    found = calibrate(table_of(2 * logits, truth))
    assert list(found.bins) == ["when", "says", "k", "n", "right", "low", "high"]
    right = (logits.argmax(axis=1) == truth).sum()
    for when in ("before", "after"):
        bins = found.bins[found.bins["when"] == when]
        assert bins["n"].sum() == 500
        assert bins["k"].sum() == right
        assert ((bins["low"] <= bins["right"]) & (bins["right"] <= bins["high"])).all()
        assert np.allclose(bins["right"], bins["k"] / bins["n"])
        distance = (bins["says"] - bins["right"]).abs()
        assert found.table.loc["ECE", when] == pytest.approx((bins["n"] / 500 * distance).sum())
        intervals = [tuple(ends) for ends in bins[["low", "high"]].to_numpy()]
        assert intervals == [wilson(k, n) for k, n in zip(bins["k"], bins["n"], strict=True)]


def test_calibration_by_hand():
    said = answers("pqq", "ppq", [0.8, 0.6, 0.1])
    before = calibrate(said).table["before"]
    assert before["log loss"] == pytest.approx(-np.log([0.8, 0.4, 0.9]).mean())
    assert before["Brier score"] == pytest.approx((0.2**2 + 0.6**2 + 0.1**2) / 3)
    assert before["ECE"] == pytest.approx((abs(0.8 - 1) + abs(0.6 - 0) + abs(0.9 - 1)) / 3)


@pytest.mark.parametrize("mistakes, counted", [(1, "1 mistake in 40"), (3, "3 mistakes in 40")])
def test_mistakes_are_counted_in_words(mistakes, counted):
    truth = np.arange(40) % 2
    logits = 2.0 * np.eye(2)[truth]
    logits[:mistakes] = logits[:mistakes, ::-1]
    assert f"judging by {counted} films." in calibrate(table_of(logits, truth)).words


def test_no_mistakes_nothing_to_calibrate_on():
    truth = np.arange(30) % 2
    for sureness in (0.5, 4.0, 500.0):  # the last is rounded to probabilities of 0 and 1
        found = calibrate(table_of(sureness * np.eye(2)[truth], truth))
        assert found.temperature == 0.05
        assert "no mistakes to calibrate on" in found.words
        assert "do not use it" in found.words
        assert np.isfinite(found.table.to_numpy()).all()
        assert show_calibration(found).png


def test_always_wrong_and_a_sure_mistake():
    truth = np.arange(30) % 2
    always_wrong = calibrate(table_of(4 * np.eye(2)[1 - truth], truth))
    assert always_wrong.temperature == 20
    assert "say nothing" in always_wrong.words
    logits = 300.0 * np.eye(2)[truth]
    logits[0] = logits[0, ::-1]
    found = calibrate(table_of(logits, truth))
    assert found.temperature > 1
    assert np.isfinite(found.table.to_numpy()).all()


def test_a_class_that_never_occurs_and_films_without_a_truth():
    logits, truth = drawn(60, 3)
    few = table_of(logits, truth)
    few.loc[few["truth"] == "q", "truth"] = None
    found = calibrate(few.assign(stranger=1.0, accepted=True, seed=1, fold=2))
    assert found.bins.groupby("when")["n"].sum().tolist() == [(truth != 1).sum()] * 2
    assert np.isfinite(found.table.to_numpy()).all()


def test_the_diagram_says_its_numbers():
    logits, truth = drawn(75, 2)
    picture = show_calibration(calibrate(table_of(3 * logits, truth)))
    assert picture.png.startswith(b"\x89PNG")
    assert "mistakes in 75 films" in picture.alt
    assert picture.alt.count("right") >= 6


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda table: table.assign(p=0.9, q=0.9), "add up to 1"),
        (lambda table: table.assign(p=1.2, q=-0.2), "add up to 1"),
        (lambda table: table.assign(p=np.nan), "add up to 1"),
        (lambda table: table.assign(truth=None), "known truth"),
        (lambda table: table.assign(truth="elbow"), "a column of probabilities for each class"),
        (
            lambda table: table[["file", "truth", "prediction"]],
            "a column of probabilities for each class",
        ),
        (lambda table: pd.concat([table.assign(seed=1), table.assign(seed=2)]), "take one seed"),
    ],
)
def test_wrong_tables_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        calibrate(change(table_of(*drawn(20, 2))))
