"""Checks of a map: each is asked about maps whose answer is known, and each known answer is missed by a mutant of the check.

A test is a function of the check under test, so that it can be run on a mutant."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from rsna_cls import cam as cam_module
from rsna_cls import (
    cam_atlas,
    deletion_insertion,
    film_files,
    film_tensor,
    grad_cam,
    hires_cam,
    pointing_game,
    randomization_check,
    relevance_mass,
)


@pytest.fixture(scope="module")
def x(course):
    return film_tensor(film_files(course / "val"), size=96)


@pytest.fixture
def model(learn):
    return learn.model.eval()


# --- all maps at once ---------------------------------------------------------------------------------------------------


def test_the_atlas_is_the_single_maps(model, x):
    for method, single in (("grad_cam", grad_cam), ("hires_cam", hires_cam)):
        atlas = cam_atlas(model, x, method, relu=False)
        for block, maps in atlas.items():
            for c in (0, 1):
                want = single(model, x, c, block=block, relu=False)
                assert (maps[:, c] - want).abs().max() <= 1e-5 * want.abs().max(), (
                    method,
                    block,
                    c,
                )


@pytest.mark.parametrize("block", range(-8, 0))
def test_the_atlas_agrees_with_captum(model, x, block):
    from captum.attr import LayerGradCam

    got = cam_atlas(model, x, relu=False)[block]
    for c in (0, 1):
        want = LayerGradCam(model, model[0][block]).attribute(x, target=c)[:, 0].detach()
        assert (got[:, c] - want).abs().max() <= 1e-5 * want.abs().max()
    alone = cam_atlas(model, x[:1], relu=False)[block]
    assert (alone - got[:1]).abs().max() <= 1e-5 * got[:1].abs().max()


def test_the_atlas_runs_the_model_once_and_leaves_it_as_it_was(model, x):
    runs = []
    handle = model.register_forward_hook(lambda *_: runs.append(1))
    model.train()
    with torch.no_grad():
        cam_atlas(model, x)
    handle.remove()
    assert len(runs) == 1 and model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters()) and not any(
        m._forward_hooks for m in model.modules()
    )


def test_an_error_in_the_atlas_leaves_no_hooks(model, x):
    with pytest.raises(ValueError):
        cam_atlas(model, x, layers=["1.2"])  # the Linear layer gives no maps
    with pytest.raises(ValueError, match="ready tensor"):
        cam_atlas(model, x[0])
    assert not any(m._forward_hooks for m in model.modules())


def test_films_by_path_in_several_batches(learn, course):
    files = film_files(course / "train") + film_files(course / "val")
    atlas = cam_atlas(learn, files)
    assert {tuple(m.shape[:2]) for m in atlas.values()} == {(len(files), 2)} and len(files) > 16
    for i in (0, 17):
        assert torch.allclose(atlas[-2][i, 1], grad_cam(learn, files[i], 1, block=-2)[0], atol=1e-5)


# --- relevance mass and pointing game -------------------------------------------------------------------------------------


def hot(i, j, n=7):
    heat = torch.zeros(1, n, n)
    heat[0, i, j] = 1.0
    return heat


def square(i, j, reach=0.0, cell=32, n=7):
    "The film's pixels under one square of the map, `reach` squares more on each side."
    at, mask = (np.arange(n * cell) + 0.5) / cell - 0.5, np.zeros((n * cell, n * cell), bool)
    mask[np.ix_(abs(at - i) <= 0.5 + reach, abs(at - j) <= 0.5 + reach)] = True
    return mask


def check_mass(relevance_mass=relevance_mass):
    "One hot square, enlarged bilinearly, is a tent: three quarters of it lie over the square in each direction, all of it within half a square more."
    near, all_ = (relevance_mass(hot(2, 4), [square(2, 4, reach)]).iloc[0] for reach in (0, 0.5))
    assert abs(near["mass"] - 0.75**2) < 1e-3 and abs(near["area"] - 1 / 49) < 1e-9
    assert abs(all_["mass"] - 1) < 1e-6 and abs(all_["area"] - 4 / 49) < 1e-9
    assert relevance_mass(hot(2, 4), [square(4, 2)])["mass"][0] == 0
    mixed = hot(2, 4) - 5 * hot(0, 0)  # what speaks against the class does not count
    assert relevance_mass(mixed, [square(2, 4, 0.5)])["mass"][0] > 0.999


def check_pointing(pointing_game=pointing_game):
    assert pointing_game(hot(2, 4), [square(2, 4)])["hit"][0]
    assert not pointing_game(hot(2, 4), [square(4, 2)])["hit"][0]
    beside = square(2, 5)
    assert (
        not pointing_game(hot(2, 4), [beside])["hit"][0]
        and pointing_game(hot(2, 4), [beside], tolerance=0.15)["hit"][0]
    )
    assert (
        pointing_game(hot(2, 4), [beside], tolerance=0.15)["area"][0]
        > pointing_game(hot(2, 4), [beside])["area"][0]
    )


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
    grid = [
        torch.nn.functional.adaptive_max_pool2d(torch.from_numpy(m)[None].float(), maps.shape[1:])[
            0
        ]
        .bool()
        .numpy()
        for m in masks
    ]
    return pd.DataFrame(
        [
            dict(mass=float(h.relu()[torch.from_numpy(g)].sum() / h.relu().sum()), area=g.mean())
            for h, g in zip(maps, grid)
        ]
    )


@pytest.mark.parametrize("mutant", [turned(relevance_mass), absolute(relevance_mass), coarse])
def test_mass_mutants_are_caught(mutant):
    with pytest.raises(AssertionError):
        check_mass(mutant)


@pytest.mark.parametrize(
    "mutant",
    [
        turned(pointing_game),
        lambda maps, *a, **k: pointing_game(-maps + 1, *a, **k),
        lambda maps, masks, tolerance=0.0: pointing_game(maps, masks),
    ],
)
def test_pointing_mutants_are_caught(mutant):
    with pytest.raises(AssertionError):
        check_pointing(mutant)


class Marker(nn.Module):
    "Sees nothing but squares of at least 24 white pixels a side, 8 pixels apart: a network that has learned a marker."

    def __init__(self):
        super().__init__()
        self.look, self.fc = nn.Identity(), nn.Linear(1, 2)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[40.0], [-40.0]]))

    def forward(self, x):
        return self.fc(self.look((avg_pool2d(x[:, :1], 24, 8) - 0.95).relu()).mean((2, 3)))


def test_a_planted_marker_s_share_is_found():
    "All the heat lies within what the marker's mask allows: one square of the map more on each side."
    films = torch.rand(4, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 0.8
    masks = []
    for k, film in enumerate(films):
        film[:, 40 * k : 40 * k + 32, 30 * k : 30 * k + 32] = 1.0
        mask = np.zeros((224, 224), bool)
        mask[max(40 * k - 8, 0) : 40 * k + 40, max(30 * k - 8, 0) : 30 * k + 40] = True
        masks.append(mask)
    maps = grad_cam(Marker(), films, 0, layer="look")
    share = relevance_mass(maps, masks)
    assert (share["mass"] > 0.9).all() and (share["area"] < 0.06).all()
    assert pointing_game(maps, masks)["hit"].all()
    assert (relevance_mass(maps, masks[::-1])["mass"] < 0.1).all()


# --- randomization ------------------------------------------------------------------------------------------------------


def check_randomization(learn, films, randomization_check=randomization_check):
    "The maps of a trained network are not those of a random one: the interval at the end excludes even half of the similarity."
    table = randomization_check(learn, films, block=-2)
    last = table.iloc[-1]
    assert len(table) == 9 and (table["n"] == len(films)).all()
    assert (
        last["high"] < 0.5
        and (table["low"] <= table["similarity"]).all()
        and (table["similarity"] <= table["high"]).all()
    )


@pytest.fixture(scope="module")
def trained():
    "A learner after two epochs on a few simulated films, and the films it is asked about."
    from rsna_cls import dataloaders, embedded_films, film_learner

    learn = film_learner(dataloaders(embedded_films(), size=96))
    return learn, film_files(embedded_films() / "val")


def test_randomization(trained):
    check_randomization(*trained)


def test_the_trained_model_stays_trained(trained):
    learn, films = trained
    before = {k: v.clone() for k, v in learn.model.state_dict().items()}
    one = randomization_check(learn, films[:2], method="hires_cam", seed=3)
    assert all(torch.equal(v, before[k]) for k, v in learn.model.state_dict().items())
    assert one.equals(randomization_check(learn, films[:2], method="hires_cam", seed=3))
    assert not one.equals(randomization_check(learn, films[:2], method="hires_cam", seed=4))


def test_a_map_that_ignores_the_network_is_noticed(trained, monkeypatch):
    "An edge detector draws the same map whatever the network has learned."

    def edges(model, x, target=None, block=-1, layer=None, relu=True):
        return avg_pool2d(x[:, :1].diff(dim=2).abs(), 12)[:, 0]

    monkeypatch.setattr(cam_module, "grad_cam", edges)
    table = randomization_check(*trained)
    assert (table["similarity"] > 0.999).all()
    with pytest.raises(AssertionError):
        check_randomization(*trained)


def test_a_check_that_does_not_randomize_is_noticed(trained, monkeypatch):
    for kind in (nn.Conv2d, nn.Linear, nn.BatchNorm2d):
        monkeypatch.setattr(kind, "reset_parameters", lambda self: None)
    with pytest.raises(AssertionError):
        check_randomization(*trained)


# --- deletion and insertion -----------------------------------------------------------------------------------------------


class Half(nn.Module):
    "Adds up the grain of the film's upper half: neither greyed nor blurred squares have any."

    def forward(self, x):
        s = x[..., : x.shape[-2] // 2, :].diff(dim=-1).abs().mean((1, 2, 3)) - 0.17
        return torch.stack([s, -s], 1) * 15


def check_deletion(deletion_insertion=deletion_insertion):
    films = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    honest = torch.zeros(4, 8, 8)
    honest[:, :4] = torch.linspace(1, 2, 4)[:, None]
    told, lied = (
        deletion_insertion(Half(), films, honest, 0),
        deletion_insertion(Half(), films, 2 - honest, 0),
    )
    assert (told["deletion"] < told["deletion_random"] - 0.05).all() and (
        told["insertion"] > told["insertion_random"] + 0.05
    ).all()
    assert (lied["deletion"] > lied["deletion_random"] + 0.05).all() and (
        lied["insertion"] < lied["insertion_random"] - 0.05
    ).all()
    assert ((told >= 0) & (told <= 1)).all(axis=None)


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
