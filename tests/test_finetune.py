"Finding a rate, and the recipe on the real films."

import importlib
import shutil
from pathlib import Path
from random import Random

import pytest
import torch
from fastai.vision.all import (
    Brightness,
    Callback,
    accuracy,
    minimum,
    no_random,
    resnet18,
    valley,
    vision_learner,
)

from rsna_cls import (
    dataloaders,
    film_learner,
    film_tfms,
    find_lr,
    fine_tune,
    load_model,
    predict,
    save_model,
    score,
    show_curves,
)
from rsna_cls.learner import weights_digest

lr = importlib.import_module("rsna_cls.lr")
finetune = importlib.import_module("rsna_cls.finetune")
pytestmark = pytest.mark.slow(seconds=5)


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    monkeypatch.setattr(lr, "display", lambda picture: None)


@pytest.fixture
def learn(course):
    "A learner on small toy films, where a batch takes little time."
    return film_learner(dataloaders(course, size=48, bs=4))


def multiply_loss(learn, factor):
    "Give a learner a loss that is multiplied by `factor(batch)` in batch 0, 1, …"
    plain_loss = learn.loss_func
    batches = iter(range(10_000))
    learn.loss_func = lambda *args, **kwargs: plain_loss(*args, **kwargs) * factor(next(batches))


def test_the_range_is_that_of_fastai(learn):
    "The same curve, the same two rules."
    suggested = find_lr(learn, steps=20, seed=0)
    with no_random(0), learn.no_bar(), learn.no_logging():
        learn.freeze()
        learn.dls.train.rng = Random(0)
        rules = (minimum, valley)
        tips = learn.lr_find(1e-6, 1, num_it=20, show_plot=False, suggest_funcs=rules)
    assert suggested == (min(tips), max(tips))


def test_a_range_test_that_stops_early(learn):
    "As after training, when the loss is so low that chance makes it four times as high."
    multiply_loss(learn, lambda batch: 10.0**batch)
    before = {name: tensor.clone() for name, tensor in learn.model.state_dict().items()}
    order = learn.dls.train.rng
    with pytest.raises(ValueError, match=r"too early .* of 20 batches.*fresh one"):
        find_lr(learn, steps=20)
    assert all(torch.equal(t, before[name]) for name, t in learn.model.state_dict().items())
    assert learn.dls.train.rng is order


def test_a_range_test_with_nothing_left_to_learn(learn):
    multiply_loss(learn, lambda batch: 0.0)
    with pytest.raises(ValueError, match="nearly zero.*fresh one"):
        find_lr(learn, steps=20)


def test_a_range_test_of_a_model_that_has_diverged(learn):
    with torch.no_grad():
        learn.model[1][-1].weight.fill_(float("nan"))
    with pytest.raises(ValueError, match="not numbers"):
        find_lr(learn, steps=20)


def test_a_range_test_that_ends_in_no_number(learn):
    "The curve up to there is drawn and read."
    multiply_loss(learn, lambda batch: float("nan") if batch > 32 else 1 - batch / 50)
    suggested = find_lr(learn)
    assert 0 < suggested.low <= suggested.high < 1


def test_a_rate_after_training(learn):
    "Either a range or words, whatever this machine's numbers make of it: fastai#3658."
    fine_tune(learn, 3)
    try:
        assert len(find_lr(learn, steps=20)) == 2
    except ValueError as error:
        assert "fresh one with film_learner" in str(error)


@pytest.mark.parametrize("ask", [fine_tune, find_lr])
def test_what_cannot_be_trained(learn, course, tmp_path, ask):
    "Each is refused in words before anything is changed."
    for thing in (course, learn.dls, learn.model, None):
        with pytest.raises(ValueError, match="needs a learner"):
            ask(thing)
    loaded = load_model(save_model(learn, tmp_path / "m"))
    with pytest.raises(ValueError, match="no training films"):
        ask(loaded)


@pytest.mark.parametrize("ask", [fine_tune, find_lr])
def test_another_number_of_classes(learn, course, tmp_path, ask):
    "A loaded model is given films of three classes."
    three = Path(shutil.copytree(course, tmp_path / "three"))
    for split in ("train", "val", "test"):
        shutil.copytree(three / split / "abd", three / split / "foot")
    loaded = load_model(save_model(learn, tmp_path / "m"))
    loaded.dls = dataloaders(three, size=48, bs=4)
    with pytest.raises(ValueError, match="tells 2 classes apart, and the films are of 3"):
        ask(loaded)


def test_fewer_films_than_a_batch_takes(learn):
    learn.dls.train.bs = 100
    with pytest.raises(ValueError, match="smaller bs"):
        fine_tune(learn)


def test_a_loaded_model_learns_on(learn, course, tmp_path):
    loaded = load_model(save_model(learn, tmp_path / "m"))
    loaded.dls = dataloaders(course, size=48, bs=4)
    assert list(fine_tune(loaded, 1)["layers"])[-2:] == ["last", "all"]
    assert show_curves(loaded).alt
    record = loaded.training_record
    assert [record.epochs, record.last_layer] == [1, 1]


def test_the_last_layer_alone(learn):
    "Without an epoch of all layers the body stays as it is, its batch normalisation too."
    before = {name: tensor.clone() for name, tensor in learn.model.state_dict().items()}
    history = fine_tune(learn, epochs=0)
    after = learn.model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"1.2.weight", "1.2.bias"}
    assert set(history["layers"]) == {"last"}
    assert "0 epochs of all layers" in show_curves(learn).alt
    assert [learn.training_record.epochs, learn.training_record.last_layer] == [0, 1]
    assert learn.training_record.holds_for(weights_digest(after))


def test_the_last_layer_learns_from_films_as_they_are(course):
    "Augmentation, whatever it is, does not reach it."
    states = []
    for tfms in (None, film_tfms(), [Brightness(max_lighting=0.9, p=1.0)]):
        learn = film_learner(dataloaders(course, tfms, size=48, bs=4))
        fine_tune(learn, epochs=0)
        states.append(learn.model[1][-1].weight.detach().clone())
    assert all(torch.allclose(state, states[0], atol=1e-4) for state in states[1:])


def test_a_body_of_random_weights_measures_the_films_first(course):
    "Every batch normalisation has seen the training films, and its own pace is put back."
    learn = film_learner(dataloaders(course, size=48, bs=4), weights=None)
    fine_tune(learn, epochs=0)
    parts = [part for part in learn.model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert parts
    assert all(part.running_mean.abs().sum() > 0 for part in parts)
    assert {part.momentum for part in parts} == {0.1}


def test_a_network_that_ends_in_another_layer(learn):
    learn.model[1].append(torch.nn.Identity())
    assert len(fine_tune(learn, epochs=0))  # that changes nothing
    learn.model[1].append(torch.nn.Softmax(dim=1))
    with pytest.raises(ValueError, match="does not end in a Linear layer"):
        fine_tune(learn)
    learn.model[1] = torch.nn.Flatten()
    with pytest.raises(ValueError, match="does not end in a Linear layer"):
        fine_tune(learn)


def test_a_learner_without_a_record(course):
    "Any of fastai's, with its own head."
    dls = dataloaders(course, size=48, bs=4)
    learn = vision_learner(dls, resnet18, pretrained=False, normalize=False, metrics=accuracy)
    assert len(fine_tune(learn, 1)) > 2


def test_a_search_that_leads_nowhere(learn):
    "Films that are no numbers: the search ends, and the curves say so."
    multiply_loss(learn, lambda batch: float("nan"))
    fine_tune(learn, epochs=0)
    with pytest.raises(ValueError, match="losses are not numbers"):
        show_curves(learn)


@pytest.mark.parametrize(
    "seed", [pytest.param(s, marks=pytest.mark.slow(seconds=15)) for s in (0, 1)]
)
@pytest.mark.parametrize("weights, least", [("other_films", 9), ("simulated", 10)])
def test_the_recipe_on_the_real_films(real, weights, least, seed):
    "As in lesson 01: from other films 9 of 10 validation films or more, from all kinds 10."
    dls = dataloaders(real, tfms=film_tfms(), seed=seed)
    learn = film_learner(dls, weights, seed=seed)
    fine_tune(learn, seed=seed)
    for folder, fewest in (("val", least), ("test", 2)):
        accuracy = score(predict(learn, real / folder), positive="chest").table.iloc[0]
        print(f"{weights}, seed {seed}, {folder}: {accuracy.k} of {accuracy.n}")
        assert accuracy.k >= fewest


def test_the_last_layer_finds_its_optimum_from_every_start(learn):
    """The penalised loss has one minimum only, so where it begins cannot matter.

    With `max_iter=1` alone torch 2.14 tries one step only: some layers stayed as they were."""
    torch.manual_seed(0)
    targets = torch.arange(40) % 2
    inputs = torch.rand(40, 512) + 0.2 * targets[:, None] * torch.rand(512)
    films = finetune._LastInputs(inputs, targets)
    ends = []
    for seed in range(20):
        torch.manual_seed(seed)
        layer = torch.nn.Linear(512, 2)
        ends.append(finetune._converge(learn, layer, films, films)[-1].train_loss)
    assert max(ends) < 1.05 * min(ends)


def test_a_training_that_fails_leaves_no_bar(learn):
    class Failing(Callback):
        def after_batch(self):
            raise RuntimeError("of a callback")

    log = finetune.EpochLog()
    with pytest.raises(RuntimeError, match="of a callback"):
        finetune.train_all_layers(learn, 1, 3e-3, 0, log, [Failing()])
    assert log.bar.disable  # as tqdm marks a bar that is closed
