"""Checks of a map: each is asked about maps whose answer is known.

Each known answer is missed by a mutant of the check. A test is a function of the check under test,
so that it can be run on a mutant."""

import importlib
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.torch_core import no_random
from fastai.vision.learner import create_head
from PIL import Image
from scipy.stats import spearmanr
from torch import nn
from torch.nn.functional import adaptive_max_pool2d, avg_pool2d
from torchvision.models import resnet18

from rsna_cls import (
    METHODS,
    FilmMaps,
    cam,
    dataloaders,
    deletion_insertion,
    embedded_films,
    film_files,
    film_learner,
    fine_tune,
    grad_cam,
    pointing_game,
    predict,
    randomization_check,
    relevance_mass,
)

camcheck = importlib.import_module("rsna_cls.camcheck")
pytestmark = pytest.mark.slow(seconds=25)

# --- relevance mass and pointing game ------------------------------------------------------------


def hot(i, j, n=7):
    heat = torch.zeros(1, n, n)
    heat[0, i, j] = 1.0
    return heat


def square(i, j, reach=0.0, cell=32, n=7):
    "The film's pixels under one square of the map, `reach` squares more on each side."
    place = (np.arange(n * cell) + 0.5) / cell - 0.5  # of each pixel, in squares of the map
    is_in_row = abs(place - i) <= 0.5 + reach
    is_in_column = abs(place - j) <= 0.5 + reach
    return np.outer(is_in_row, is_in_column)


def check_mass(relevance_mass=relevance_mass):
    """One hot square, enlarged bilinearly, is a tent.

    Three quarters of it lie over the square in each direction, all of it within half a square
    more."""
    near = relevance_mass(hot(2, 4), [square(2, 4)]).iloc[0]
    assert abs(near["mass"] - 0.75**2) < 1e-3
    assert abs(near["area"] - 1 / 49) < 1e-9
    whole = relevance_mass(hot(2, 4), [square(2, 4, reach=0.5)]).iloc[0]
    assert abs(whole["mass"] - 1) < 1e-6
    assert abs(whole["area"] - 4 / 49) < 1e-9
    assert relevance_mass(hot(2, 4), [square(4, 2)])["mass"][0] == 0
    mixed = hot(2, 4) - 5 * hot(0, 0)  # what speaks against the class does not count
    assert relevance_mass(mixed, [square(2, 4, reach=0.5)])["mass"][0] > 0.999


def check_pointing(pointing_game=pointing_game):
    assert pointing_game(hot(2, 4), [square(2, 4)])["hit"][0]
    assert not pointing_game(hot(2, 4), [square(4, 2)])["hit"][0]
    beside = [square(2, 5)]
    strict = pointing_game(hot(2, 4), beside).iloc[0]
    lenient = pointing_game(hot(2, 4), beside, tolerance=0.15).iloc[0]
    assert not strict["hit"]
    assert lenient["hit"]
    assert lenient["area"] > strict["area"]


def test_mass():
    check_mass()


def test_pointing():
    check_pointing()


def turned(f):
    return lambda maps, masks, *args, **kw: f(maps.transpose(1, 2), masks, *args, **kw)


def absolute(f):
    return lambda maps, masks, *args, **kw: f(maps.abs(), masks, *args, **kw)


def coarse(maps, masks):
    "The mask shrunk to the map's squares, where any pixel counts."
    rows = []
    for heat, mask in zip(maps, masks, strict=True):
        mask = torch.from_numpy(mask)[None].float()
        squares = adaptive_max_pool2d(mask, maps.shape[1:])[0].bool()
        heat = heat.relu()
        rows.append(dict(mass=float(heat[squares].sum() / heat.sum()), area=squares.numpy().mean()))
    return pd.DataFrame(rows)


@pytest.mark.parametrize("mutant", [turned(relevance_mass), absolute(relevance_mass), coarse])
def test_mass_mutants_are_caught(mutant):
    with pytest.raises(AssertionError):
        check_mass(mutant)


def coldest(maps, *args, **kw):
    return pointing_game(1 - maps, *args, **kw)


def intolerant(maps, masks, tolerance=0.0):
    return pointing_game(maps, masks)


@pytest.mark.parametrize("mutant", [turned(pointing_game), coldest, intolerant])
def test_pointing_mutants_are_caught(mutant):
    with pytest.raises(AssertionError):
        check_pointing(mutant)


class Marker(nn.Module):
    """A network that has learned a marker.

    It sees nothing but squares of at least 24 white pixels a side, 8 pixels apart."""

    def __init__(self):
        super().__init__()
        self.look = nn.Identity()
        self.fc = nn.Linear(1, 2)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[40.0], [-40.0]]))

    def forward(self, x):
        is_white = (avg_pool2d(x[:, :1], 24, 8) - 0.95).relu()
        return self.fc(self.look(is_white).mean((2, 3)))


def test_a_planted_marker_s_share_is_found():
    "All the heat lies within what the mask allows: one square of the map more on each side."
    films = torch.rand(4, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 0.8
    masks = []
    for i, film in enumerate(films):
        top = 40 * i
        left = 30 * i
        film[:, top : top + 32, left : left + 32] = 1.0
        mask = np.zeros((224, 224), bool)
        mask[max(top - 8, 0) : top + 40, max(left - 8, 0) : left + 40] = True
        masks.append(mask)
    maps = grad_cam(Marker(), films, 0, layer="look")
    share = relevance_mass(maps, masks)
    assert (share["mass"] > 0.9).all()
    assert (share["area"] < 0.06).all()
    assert pointing_game(maps, masks)["hit"].all()
    assert (relevance_mass(maps, masks[::-1])["mass"] < 0.1).all()


# --- randomization -------------------------------------------------------------------------------


def check_randomization(learn, films, randomization_check=randomization_check):
    """The maps of a trained network are not those of a random one.

    The interval at the end excludes even half of the similarity."""
    table = randomization_check(learn, films, block=-2)
    assert len(table) == 9
    assert (table["n"] == len(films)).all()
    assert table["high"].iloc[-1] < 0.5
    assert (table["low"] <= table["similarity"]).all()
    assert (table["similarity"] <= table["high"]).all()


@pytest.fixture(scope="module")
def trained():
    "A learner that was trained on simulated films, head and body, and films it did not learn from."
    learn = film_learner(dataloaders(embedded_films(), size=96))
    fine_tune(learn, 1)
    return learn, film_files(embedded_films() / "val")


def test_the_trained_network_tells_chests_from_abdomens(trained):
    "Otherwise nothing that follows would be about a trained network."
    table = predict(*trained)
    assert (table["prediction"] == table["truth"]).sum() >= 9


def test_randomization(trained):
    check_randomization(*trained)


def test_the_trained_model_stays_trained(trained):
    learn, films = trained
    before = {name: values.clone() for name, values in learn.model.state_dict().items()}
    one = randomization_check(learn, films[:2], method="hires_cam", seed=3)
    after = learn.model.state_dict()
    assert all(torch.equal(after[name], values) for name, values in before.items())
    assert one.equals(randomization_check(learn, films[:2], method="hires_cam", seed=3))
    assert not one.equals(randomization_check(learn, films[:2], method="hires_cam", seed=4))


def similarities(before, after):
    return [
        spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(before, after, strict=True)
    ]


def test_cam_is_made_of_the_random_weights(trained):
    "CAM reads the Linear layer's weights: of the copy that forgets, not of the trained model."
    learn, films = trained
    films = films[:3]
    table = randomization_check(learn, films, "chest", method="cam", seed=3)
    assert len(table) == 9
    forgetful = deepcopy(learn.model)
    with no_random(3):
        forgetful[1][-1].reset_parameters()
    x = learn.dls.test_dl(films).one_batch()[0]
    chest = learn.dls.vocab.o2i["chest"]
    want = similarities(cam(learn, films, "chest"), cam(forgetful, x, chest))
    assert table["similarity"][0] == pytest.approx(np.mean(want), abs=1e-3)
    assert table["similarity"][0] < 0.9


def test_at_the_last_block_the_methods_agree(trained):
    "There Grad-CAM and HiResCAM are CAM up to a factor, in the trained and in each random network."
    learn, films = trained
    tables = [randomization_check(learn, films[:3], method=method) for method in METHODS]
    for table in tables[1:]:
        assert np.allclose(table["similarity"], tables[0]["similarity"], atol=0.02)


@pytest.mark.parametrize(
    "choices, words",
    [
        (dict(method="cam", block=-2), "last block only"),
        (dict(method="gradcam"), "one of grad_cam, hires_cam, cam"),
        (dict(block=-9), "from -8"),
        (dict(target="knee"), "no class 'knee'"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_words(trained, choices, words):
    learn, films = trained
    with pytest.raises(ValueError, match=words):
        randomization_check(learn, films[:2], **choices)


@pytest.mark.parametrize("method", METHODS)
def test_other_networks_are_refused_in_words(method):
    with pytest.raises(ValueError, match="not a ResNet18"):
        randomization_check(Marker(), torch.rand(2, 3, 64, 64), method=method)


def convolution_head(body):
    "A head without a Linear layer: its last convolution gives the logits."
    return nn.Sequential(
        body, nn.Sequential(nn.Conv2d(512, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    )


def usual_head(body):
    "fastai's usual head, with two Linear layers."
    return nn.Sequential(body, create_head(512, 2))


@pytest.mark.parametrize("with_head", [convolution_head, usual_head])
def test_the_whole_head_forgets(trained, with_head, monkeypatch):
    "Whatever the head is made of, it is randomized first, and nothing else is."
    learn, _ = trained
    model = with_head(deepcopy(learn.model[0])).eval()
    networks = []

    def note_weights(model, x, *how, **also):
        networks.append([weight.clone() for weight in model.parameters()])
        return FilmMaps(torch.rand(len(x), 3, 3), torch.zeros(len(x)).long(), torch.zeros(len(x)))

    monkeypatch.setattr(camcheck, "map_films", note_weights)
    randomization_check(model, torch.rand(2, 3, 64, 64))
    trained_weights, first, *_, last = networks
    n_body = len(list(model[0].parameters()))
    is_same = [torch.equal(a, b) for a, b in zip(trained_weights, first, strict=True)]
    assert all(is_same[:n_body])
    for name, weight, before in zip(
        dict(model.named_parameters()), first, trained_weights, strict=True
    ):
        if name.startswith("1.") and before.ndim > 1:  # new batch normalisations are all alike
            assert not torch.equal(weight, before), name
    for weight, before in zip(last, trained_weights, strict=True):
        if before.ndim > 1:
            assert not torch.equal(weight, before)


def test_a_torchvision_model_is_randomized_from_its_head():
    table = randomization_check(resnet18().eval(), torch.rand(2, 3, 64, 64), target=0, block=-2)
    assert list(table["randomized"]) == ["head", *(f"head to {b}" for b in range(-1, -9, -1))]
    assert table["similarity"][0] < 0.99


def test_a_map_that_ignores_the_network_is_noticed(trained, monkeypatch):
    "An edge detector draws the same map whatever the network has learned."

    def edges(model, x, *how, **also):
        maps = avg_pool2d(x[:, :1].diff(dim=2).abs(), 12)[:, 0]
        return FilmMaps(maps, torch.zeros(len(x)).long(), torch.zeros(len(x)))

    monkeypatch.setattr(camcheck, "map_films", edges)
    table = randomization_check(*trained)
    assert (table["similarity"] > 0.999).all()
    with pytest.raises(AssertionError):
        check_randomization(*trained)


def test_a_check_that_does_not_randomize_is_noticed(trained, monkeypatch):
    for kind in (nn.Conv2d, nn.Linear, nn.BatchNorm2d):
        monkeypatch.setattr(kind, "reset_parameters", lambda self: None)
    with pytest.raises(AssertionError):
        check_randomization(*trained)


# --- deletion and insertion ----------------------------------------------------------------------


class Half(nn.Module):
    "Adds up the grain of the film's upper half: neither greyed nor blurred squares have any."

    def forward(self, x):
        upper = x[..., : x.shape[-2] // 2, :]
        grain = upper.diff(dim=-1).abs().mean((1, 2, 3))
        score = 15 * (grain - 0.17)
        return torch.stack([score, -score], 1)


def check_deletion(deletion_insertion=deletion_insertion):
    films = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    honest = torch.zeros(4, 8, 8)
    honest[:, :4] = torch.linspace(1, 2, 4)[:, None]
    right = deletion_insertion(Half(), films, honest, 0)
    wrong = deletion_insertion(Half(), films, 2 - honest, 0)
    assert (right["deletion"] < right["deletion_random"] - 0.05).all()
    assert (right["insertion"] > right["insertion_random"] + 0.05).all()
    assert (wrong["deletion"] > wrong["deletion_random"] + 0.05).all()
    assert (wrong["insertion"] < wrong["insertion_random"] - 0.05).all()
    assert ((right >= 0) & (right <= 1)).all(axis=None)


def test_deletion():
    check_deletion()


def backwards(*args, **kw):
    return deletion_insertion(*args[:2], -args[2], *args[3:], **kw)


def no_chance(*args, **kw):
    return deletion_insertion(*args, **kw).assign(
        deletion_random=lambda t: t["deletion"], insertion_random=lambda t: t["insertion"]
    )


def swapped(*args, **kw):
    return deletion_insertion(*args, **kw).rename(
        columns=dict(deletion="insertion", insertion="deletion")
    )


@pytest.mark.parametrize("mutant", [backwards, no_chance, swapped])
def test_deletion_mutants_are_caught(mutant):
    with pytest.raises(AssertionError):
        check_deletion(mutant)


# --- what is no map, no mask, no number ----------------------------------------------------------


EVERYWHERE = np.ones((8, 8), bool)
NO_MAPS = [
    (["a.png", "b.png"], "maps must be a tensor or an array"),
    (None, "maps must be a tensor or an array"),
    (torch.rand(4, 4), "shape"),
    (torch.rand(2, 1, 4, 4), "shape"),
    (torch.rand(0, 4, 4), "shape"),
    (torch.full((2, 4, 4), float("nan")), "not finite"),
    (np.full((2, 4, 4), np.inf), "not finite"),
]


@pytest.mark.parametrize("maps, words", NO_MAPS)
def test_what_is_no_map_is_refused(maps, words):
    for check in (relevance_mass, pointing_game):
        with pytest.raises(ValueError, match=words):
            check(maps, [EVERYWHERE] * 2)
    with pytest.raises(ValueError, match=words):
        deletion_insertion(Half(), torch.rand(2, 3, 64, 64), maps)


@pytest.mark.parametrize(
    "mask",
    [np.zeros((8, 8)), np.ones(8), np.ones((8, 8, 3)), "lungs", None, object(), np.zeros((0, 8))],
)
def test_what_is_no_mask_is_refused(mask):
    for check in (relevance_mass, pointing_game):
        with pytest.raises(ValueError, match="a mask must be"):
            check(hot(2, 4), [mask])


def test_arrays_tensors_and_images_will_do():
    "In any numbers: what is not zero is inside."
    want = relevance_mass(hot(2, 4), [square(2, 4)])
    mask = square(2, 4)
    for other in (torch.from_numpy(mask), Image.fromarray(mask), 255 * mask.astype(np.uint8)):
        assert relevance_mass(hot(2, 4).numpy(), [other]).equals(want)
        assert pointing_game(hot(2, 4).double().numpy(), [other])["hit"][0]


def test_a_map_that_points_at_several_places_must_hit_with_all_of_them():
    both = hot(2, 4) + hot(5, 1)
    assert not pointing_game(both, [square(2, 4)])["hit"][0]
    assert not pointing_game(both, [square(5, 1)])["hit"][0]
    assert pointing_game(both, [square(2, 4) | square(5, 1)])["hit"][0]
    flat = torch.ones(1, 7, 7)
    assert not pointing_game(flat, [square(0, 0)])["hit"][0]
    assert pointing_game(flat, [np.ones((9, 9))])["hit"][0]


def test_a_map_of_zeros_has_no_heat_and_never_hits():
    zeros = torch.zeros(1, 7, 7)
    assert np.isnan(relevance_mass(zeros, [EVERYWHERE])["mass"][0])
    assert not pointing_game(zeros, [EVERYWHERE])["hit"][0]


@pytest.mark.parametrize("tolerance", [-0.1, 1.5, float("nan")])
def test_a_tolerance_is_a_share(tolerance):
    with pytest.raises(ValueError, match="from 0 to 1"):
        pointing_game(hot(2, 4), [square(2, 4)], tolerance)


@pytest.mark.parametrize("steps", [1, 2.5, True, "16", None])
def test_steps_are_a_whole_number(steps):
    with pytest.raises(ValueError, match="whole number, 2 or more"):
        deletion_insertion(Half(), torch.rand(2, 3, 64, 64), torch.rand(2, 8, 8), steps=steps)


class HalfInOneLogit(Half):
    "The same, with the first logit alone, twice as great: a sigmoid of it is the softmax of both."

    def forward(self, x):
        return 2 * super().forward(x)[:, :1]


def test_one_logit_gives_the_probabilities_of_two():
    "Class 1 of one logit is class 0 of the pair."
    films = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    maps = torch.rand(4, 8, 8)
    pair = deletion_insertion(Half(), films, maps, 0)
    one = deletion_insertion(HalfInOneLogit(), films, maps, 1)
    assert np.allclose(one, pair, atol=1e-6)
    assert np.allclose(deletion_insertion(HalfInOneLogit(), films, maps, 0), 1 - one, atol=1e-6)


def test_one_logit_can_be_randomized():
    net = resnet18(num_classes=1)
    films = torch.randn(2, 3, 64, 64)
    for_class_1 = randomization_check(net, films, 1)
    assert len(for_class_1) == 9
    pd.testing.assert_frame_equal(randomization_check(net, films, 0), for_class_1)


def test_maps_of_one_place_cannot_be_compared():
    with pytest.raises(ValueError, match="single place"):
        randomization_check(resnet18(), torch.randn(2, 3, 32, 32))


def test_a_wrapped_model_is_checked_as_the_model():
    net = resnet18(num_classes=2)
    films = torch.randn(2, 3, 64, 64)
    wrapped = randomization_check(nn.DataParallel(net), films, 0)
    pd.testing.assert_frame_equal(wrapped, randomization_check(net, films, 0))


def test_what_the_model_does_not_take_is_said():
    "Also in single precision for a model in half, and logits that are no numbers."
    net = resnet18(num_classes=2)
    maps = torch.rand(2, 2, 2)
    with pytest.raises(ValueError, match="does not take"):
        deletion_insertion(net, torch.randn(2, 1, 64, 64), maps)
    half = deletion_insertion(deepcopy(net).half(), torch.randn(2, 3, 64, 64), maps)
    assert half.notna().all(axis=None)
    nn.init.constant_(net.fc.bias, float("nan"))
    with pytest.raises(ValueError, match="training diverged"):
        deletion_insertion(net, torch.randn(2, 3, 64, 64), maps)


@pytest.mark.parametrize("masks", [None, {"lung": np.ones((4, 4))}, 3])
@pytest.mark.parametrize("check", [relevance_mass, pointing_game])
def test_masks_without_an_order_are_refused(check, masks):
    with pytest.raises(ValueError, match="masks must be a list of arrays"):
        check(torch.ones(1, 2, 2), masks)


@pytest.mark.parametrize("check", [relevance_mass, pointing_game])
def test_a_mask_of_what_is_no_number_is_refused(check):
    with pytest.raises(ValueError, match="a mask must be"):
        check(torch.ones(1, 2, 2), [np.full((4, 4), np.nan)])


@pytest.mark.parametrize("tolerance", ["a", None])
def test_a_tolerance_that_is_no_number_is_refused(tolerance):
    with pytest.raises(ValueError, match="tolerance is a share"):
        pointing_game(torch.ones(1, 2, 2), [np.ones((4, 4))], tolerance)
