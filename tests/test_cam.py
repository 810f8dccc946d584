"""Maps: identities, golden numbers, agreement with three other libraries at all eight blocks.

A check is a function of the maps under test, so that the same check can be run on a mutant: each
mutant must be caught."""

import importlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.vision.learner import create_head
from PIL import Image
from torch import nn
from torchvision.models import densenet121, resnet18

from rsna_cls import (
    METHODS,
    BadHead,
    cam,
    cam_atlas,
    cam_explorer,
    dataloaders,
    deletion_insertion,
    empty_dataloaders,
    film_files,
    film_learner,
    film_tensor,
    grad_cam,
    hires_cam,
    map_films,
    randomization_check,
    resnet_parts,
    show_cam,
)

cam_module = importlib.import_module("rsna_cls.cam")  # rsna_cls.cam itself is the function

BLOCKS = range(-8, 0)
TOLERANCE = 1e-5  # of the map's maximum


def not_in_place(model):
    """A model whose layers overwrite nothing.

    torch-cam keeps a reference to what a layer gave, and would map the overwritten values."""
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return model


@pytest.fixture
def model(learn):
    "A ResNet18 with the embedded body and a head, not trained, that is not symmetric."
    model = not_in_place(learn.model).eval()
    with torch.no_grad():
        model[1][-1].bias.copy_(torch.tensor([0.3, -0.7]))
    return model


@pytest.fixture(scope="module")
def x(course):
    return film_tensor(film_files(course / "val") + film_files(course / "test"), size=96)


@pytest.fixture(scope="module")
def few(x):
    "Three of these films, for what is asked of every block and several libraries."
    return x[::3]


def off(a, b, scale=None):
    "Greatest difference of two batches of maps, as a share of each map's (or scale's) maximum."
    if scale is None:
        scale = b
    difference = (a - b).abs().amax((1, 2))
    top = scale.abs().amax((1, 2)).clamp_min(1e-30)
    return float((difference / top).max())


# --- the checks ----------------------------------------------------------------------------------


def check_cam_identity(model, x, cam=cam, **_):
    "mean(CAM) + bias = logit, for each class."
    with torch.no_grad():
        logits = model(x)
    for c in (0, 1):
        total = cam(model, x, c).mean((1, 2)) + model[1][-1].bias[c]
        assert (total - logits[:, c]).abs().max() <= 1e-5 * logits.abs().max()


def check_last_block(model, x, cam=cam, grad_cam=grad_cam, hires_cam=hires_cam):
    "At the last block Grad-CAM · H·W = HiResCAM · H·W = CAM."
    for c in (0, 1):
        want = cam(model, x, c)
        n_places = want[0].numel()
        for method in (grad_cam, hires_cam):
            assert off(method(model, x, c, relu=False) * n_places, want) <= TOLERANCE


def check_golden(model=None, x=None, cam=cam, grad_cam=grad_cam, hires_cam=hires_cam):
    "A net of one 1×1 convolution and one more Linear layer, with numbers worked out by hand."
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 2, 1, bias=False)),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2, bias=False)),
    )
    with torch.no_grad():
        net[0][0].weight.copy_(torch.tensor([[1.0, 0, 0], [0, -2, 0]])[..., None, None])
        net[1][2].weight.copy_(torch.tensor([[3.0, 1], [-1, 2]]))
    film = torch.zeros(1, 3, 1, 2)
    film[0, 0] = torch.tensor([[1.0, 2]])
    film[0, 1] = torch.tensor([[5.0, 0]])
    # maps A = (1, 2) and (-10, 0); class 0: 3A1 + A2 = (-7, 6); class 1: -A1 + 2A2 = (-21, -2)
    for c, want in ((0, [-7.0, 6.0]), (1, [-21.0, -2.0])):
        assert np.allclose(cam(net, film, c).flatten(), want)
        assert np.allclose(grad_cam(net, film, c, layer="0", relu=False).flatten() * 2, want)
        assert np.allclose(hires_cam(net, film, c, layer="0", relu=False).flatten() * 2, want)


def check_golden_deep(model=None, x=None, grad_cam=grad_cam, hires_cam=hires_cam, **_):
    """One squaring layer between maps and pool.

    The gradient differs from place to place, and so does Grad-CAM from HiResCAM."""

    class Square(nn.Module):
        def forward(self, a):
            return a * a

    net = nn.Sequential(
        nn.Identity(), Square(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2, bias=False)
    )
    with torch.no_grad():
        net[4].weight.copy_(torch.tensor([[1.0, 1, 0], [0, 0, 1]]))
    film = torch.zeros(1, 3, 1, 2)
    film[0, 0] = torch.tensor([[1.0, 3]])
    film[0, 1] = torch.tensor([[2.0, -1]])
    # gradients of class 0: (2·1, 2·3)/2 = (1, 3) and (2, -1); their means 2 and 1/2
    by_mean = grad_cam(net, film, 0, layer="0", relu=False).flatten()
    place_by_place = hires_cam(net, film, 0, layer="0", relu=False).flatten()
    assert np.allclose(by_mean, [2 * 1 + 0.5 * 2, 2 * 3 - 0.5 * 1])
    assert np.allclose(place_by_place, [1 + 4, 9 + 1])


def captum_map(model, x, c, block):
    from captum.attr import LayerGradCam

    return LayerGradCam(model, model[0][block]).attribute(x, target=c)[:, 0].detach()


def torchcam_map(model, x, c, block):
    from torchcam.methods import GradCAM

    with GradCAM(model, model[0][block]) as extractor:
        return extractor(c, model(x), normalized=False)[0].detach()


def pytorch_grad_cam_map(model, x, c, block):
    "pytorch-grad-cam's own map before it is stretched to the film's size and to 0…1."
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with GradCAM(model, [model[0][block]]) as peer:
        kept = []
        inner = peer.get_cam_image

        def get_and_keep(*args):
            kept.append(inner(*args))
            return kept[-1]

        peer.get_cam_image = get_and_keep
        peer(x, [ClassifierOutputTarget(c)] * len(x))
    return torch.from_numpy(kept[0])


PEERS = dict(captum=captum_map, torchcam=torchcam_map, pytorch_grad_cam=pytorch_grad_cam_map)


def check_peer(model, x, peer, block, grad_cam=grad_cam):
    "Grad-CAM as another library computes it."
    for weight in model.parameters():
        weight.requires_grad_(True)  # two of the three need it
    want = PEERS[peer](model, x, 1, block)
    signed = grad_cam(model, x, 1, block=block, relu=False)
    cuts_negative = not (want < 0).any()  # torch-cam does
    mine = signed.relu() if cuts_negative else signed
    assert off(mine, want, scale=signed) <= TOLERANCE
    for weight in model.parameters():
        weight.grad = None


# --- the real thing passes -----------------------------------------------------------------------


def test_cam_identity(model, x):
    check_cam_identity(model, x)


def test_last_block(model, x):
    check_last_block(model, x)


def test_golden():
    check_golden()


def test_golden_deep():
    check_golden_deep()


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("peer", PEERS)
def test_peers(model, few, peer, block):
    check_peer(model, few, peer, block)
    check_peer(model, few[:1], peer, block)  # one film as well as a batch


@pytest.mark.slow(seconds=8)
def test_peers_on_real_films(real):
    "At full size, on real films, in-place layers as they come; captum keeps a copy, as we do."
    model = film_learner(dataloaders(real)).model.eval()
    films = film_tensor(film_files(real / "train")[30:34])
    for block in BLOCKS:
        check_peer(model, films, "captum", block)


# --- mutants do not ------------------------------------------------------------------------------


def only_channel_0(learn, films, target=None, block=-1, layer=None, relu=True):
    "What the course's first notebook drew: channel 0 instead of all of them."

    def formula(activation, gradient):
        return (gradient.mean((2, 3), keepdim=True) * activation)[:, 0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "channel_0", METHODS["grad_cam"]._replace(formula=formula))
        return map_films(learn, films, target, "channel_0", block, layer, relu=False).maps


def sign_flipped(f):
    return lambda *args, **kw: -f(*args, **kw)


def permuted(model, x, c):
    "CAM with the last layer's weights given to the wrong maps."
    run = cam_module._pass_to_head(model, x)
    return torch.einsum("nkij,k->nij", run.activation, run.weights[c].flip(0)).detach()


def other_class(f):
    return lambda model, x, c, **kw: f(model, x, 1 - c, **kw)


CAM_MUTANTS = dict(permuted=permuted, sign=sign_flipped(cam), other_class=other_class(cam))
GRAD_MUTANTS = dict(
    channel_0=only_channel_0, sign=sign_flipped(grad_cam), other_class=other_class(grad_cam)
)


@pytest.mark.parametrize("mutant", CAM_MUTANTS)
@pytest.mark.parametrize("check", [check_cam_identity, check_last_block, check_golden])
def test_cam_mutants_are_caught(model, x, check, mutant):
    with pytest.raises(AssertionError):
        check(model, x, cam=CAM_MUTANTS[mutant])


@pytest.mark.parametrize("mutant", GRAD_MUTANTS)
@pytest.mark.parametrize("check", [check_last_block, check_golden, check_golden_deep])
def test_grad_cam_mutants_are_caught(model, x, check, mutant):
    with pytest.raises(AssertionError):
        check(model, x, grad_cam=GRAD_MUTANTS[mutant])


@pytest.mark.parametrize(
    "peer, block",
    [("captum", b) for b in BLOCKS]
    + [(p, b) for p in ("torchcam", "pytorch_grad_cam") for b in (-8, -4, -1)],
)
@pytest.mark.slow(seconds=1)  # there are many of them
@pytest.mark.parametrize("mutant", GRAD_MUTANTS)
def test_peers_catch_mutants(model, few, mutant, peer, block):
    with pytest.raises(AssertionError):
        check_peer(model, few, peer, block, grad_cam=GRAD_MUTANTS[mutant])


def test_grad_cam_is_no_hires_cam(model, x):
    "Above the last block the two methods differ, so neither can stand in for the other."
    with pytest.raises(AssertionError):
        check_golden_deep(grad_cam=hires_cam)
    by_mean = grad_cam(model, x, 1, block=-3, relu=False)
    place_by_place = hires_cam(model, x, 1, block=-3, relu=False)
    assert off(by_mean, place_by_place) > 0.01


# --- the head ------------------------------------------------------------------------------------


def concat_head(body):
    "fastai's usual head: two poolings, batch normalisation, a hidden layer."
    return nn.Sequential(body, create_head(512, 2)).eval()


def permute_hidden_units(head):
    "The hidden units of fastai's usual head in another order; what the network answers stays."
    hidden, norm, last = head[4], head[6], head[-1]
    order = torch.randperm(512, generator=torch.Generator().manual_seed(0))
    for values in (hidden.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var):
        values.copy_(values[order])
    last.weight.copy_(last.weight[:, order])


def test_the_usual_head_is_refused_for_a_reason(model, x):
    "Permuting hidden units leaves the predictions alone and changes what the sum would draw."
    usual = concat_head(model[0])
    with pytest.raises(BadHead, match="not the averages"):
        cam(usual, x)
    body, head = usual
    with torch.no_grad():
        for weight in head.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)
        activation = body(x)
        before = usual(x)
        drawn = torch.einsum("nkij,k->nij", activation, head[-1].weight[1])
        permute_hidden_units(head)
        assert torch.allclose(usual(x), before, atol=1e-4 * float(before.abs().max()))
        redrawn = torch.einsum("nkij,k->nij", activation, head[-1].weight[1])
    assert off(redrawn, drawn) > 0.1
    assert grad_cam(usual, x).shape == (len(x), 3, 3)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda net: nn.Sequential(net, nn.Tanh()), "something follows"),
        (lambda net: nn.Sequential(net.conv1, nn.Flatten(), nn.Linear(64 * 48 * 48, 2)), "become"),
        (
            lambda net: nn.Sequential(
                net.conv1, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(64, 2)
            ),
            "not the averages",
        ),
        (lambda net: nn.Sequential(net.conv1, nn.AdaptiveAvgPool2d(1), nn.Flatten()), "no Linear"),
    ],
)
def test_other_heads_are_refused(x, change, words):
    with pytest.raises(BadHead, match=words):
        cam(change(resnet18()), x)


# --- any model, any film -------------------------------------------------------------------------


def test_torchvision_models(x, course):
    net = resnet18().eval()
    logits = net(x)
    assert torch.allclose(cam(net, x, 7).mean((1, 2)) + net.fc.bias[7], logits[:, 7], atol=1e-4)
    for block in BLOCKS:
        assert grad_cam(net, x, 7, block=block).ndim == 3
    dense = densenet121().eval()
    assert grad_cam(dense, x, 3, layer="features.denseblock4").shape == (len(x), 3, 3)
    assert grad_cam(dense, x, 3, layer=dense.features.conv0).shape == (len(x), 48, 48)
    with pytest.raises(ValueError, match="not a ResNet18"):
        grad_cam(dense, x)
    assert grad_cam(net, film_files(course / "test")).shape == (2, 7, 7)


def test_films_that_are_not_square(learn):
    for shape in ((3, 64, 160), (3, 200, 72)):
        film = torch.randn(2, *shape)
        maps = cam(learn.model, film, 1)
        with torch.no_grad():
            want = learn.model.eval()(film)[:, 1]
        assert maps.shape[1:] == (-(-shape[1] // 32), -(-shape[2] // 32))
        assert torch.allclose(maps.mean((1, 2)) + learn.model[1][-1].bias[1], want, atol=1e-4)


def test_batches_are_joined_in_order(learn, course):
    files = film_files(course / "train") * 2  # 24 films, more than one batch
    together = grad_cam(learn, files, relu=False)
    assert len(together) == 24
    for i in (0, 15, 16, 23):
        assert off(grad_cam(learn, files[i], relu=False), together[i : i + 1]) < 1e-4


def test_targets_by_name_tensor_and_prediction(learn, x):
    targets = [i % 2 for i in range(len(x))]
    mixed = grad_cam(learn, x, targets, relu=False)
    names = [learn.dls.vocab[t] for t in targets]
    for same in (names, torch.tensor(targets), np.array(targets), pd.Series(names)):
        assert torch.equal(grad_cam(learn, x, same, relu=False), mixed)
    with torch.no_grad():
        predicted = learn.model.eval()(x).argmax(1)
    assert torch.equal(grad_cam(learn, x, relu=False), grad_cam(learn, x, predicted, relu=False))


def test_other_resnets_are_not_guessed(x):
    "Another name for the pooling does not matter; other parts of the body do."
    net = resnet18()
    pool = net.avgpool
    del net.avgpool
    net.global_pool = pool
    parts = resnet_parts(net)
    assert parts[-1] is net.layer4
    assert parts[0] is net.conv1

    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3)
            self.layer4 = nn.Conv2d(4, 4, 3)
            self.fc = nn.Linear(4, 2)

    with pytest.raises(ValueError, match="not a ResNet18"):
        grad_cam(Other(), x)


def test_models_that_do_not_classify(x):
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3)

        def forward(self, x):
            return dict(out=self.conv(x))

    with pytest.raises(ValueError, match="row of logits"):
        grad_cam(Pair(), x, layer="conv")


def test_answers_in_a_dictionary_are_no_logits(x):
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = resnet18()

        def forward(self, x):
            return dict(out=self.net(x))

    model = Named().eval()
    with pytest.raises(ValueError, match="row of logits"):
        cam(model, x)
    with pytest.raises(ValueError, match="row of logits"):
        grad_cam(model, x, layer="net.layer4")


@pytest.mark.parametrize("method", METHODS)
def test_film_maps_say_what_they_are_maps_of(learn, course, method):
    "Over more than one batch, the classes and logits belong to the maps."
    films = film_files(course / "train") * 2
    found = map_films(learn, films, method=method, relu=False)
    with torch.no_grad():
        logits = learn.model.eval()(learn.dls.test_dl(films, bs=24).one_batch()[0])
    assert len(found.maps) == len(films) == 24
    assert found.targets.tolist() == logits.argmax(1).tolist()
    assert torch.allclose(found.scores, logits.amax(1), atol=1e-4)
    assert torch.equal(found.maps.relu(), map_films(learn, films, method=method).maps)


def test_one_target_per_film_from_anything_that_gives_them(learn, course):
    "A generator gives its targets once; it is not asked again for the second batch."
    films = film_files(course / "train") * 2
    targets = [i % 2 for i in range(len(films))]
    one_by_one = (target for target in targets)
    found = map_films(learn, films, one_by_one)
    assert found.targets.tolist() == targets


@pytest.mark.parametrize("method", [cam, grad_cam, hires_cam])
def test_numbers_of_numpy_are_targets(learn, x, method):
    assert torch.equal(method(learn, x, np.int64(1)), method(learn, x, 1))


@pytest.mark.parametrize(
    "choices, words",
    [
        (dict(method="gradcam"), "one of grad_cam, hires_cam, cam"),
        (dict(method="cam", block=-2), "last block only"),
        (dict(method="cam", layer="1.2"), "last block only"),
    ],
)
def test_methods_that_are_not_there(learn, x, choices, words):
    with pytest.raises(ValueError, match=words):
        map_films(learn, x, **choices)


@pytest.mark.parametrize("f", [cam, grad_cam, hires_cam])
@pytest.mark.parametrize(
    "target, words",
    [
        ([0], "1 targets for 8 films"),
        ([0] * 9, "9 targets"),
        ("knee", "no class"),
        (2, "0 to 1"),
        (-1, "0 to 1"),
        (0.5, "0 to 1"),
        (True, "0 to 1"),
        (float("nan"), "0 to 1"),
        (float("inf"), "0 to 1"),
    ],
)
def test_bad_targets(learn, x, f, target, words):
    with pytest.raises(ValueError, match=words):
        f(learn, x, target)


@pytest.mark.parametrize(
    "films, words",
    [
        (torch.zeros(3, 64, 64), "shape"),
        (torch.zeros(1, 1, 64, 64), "shape"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "normalised"),
        (torch.full((1, 3, 64, 64), float("inf")), "finite"),
        ([], "no films"),
    ],
)
def test_bad_films(learn, films, words):
    for f in (cam, grad_cam):
        with pytest.raises(ValueError, match=words):
            f(learn, films)


def test_layers_that_give_no_map(learn, x):
    with pytest.raises(ValueError, match="gives no maps"):
        grad_cam(learn.model, x, layer="1.2")
    with pytest.raises(ValueError, match="not a part"):
        grad_cam(learn.model, x, layer=nn.ReLU())


class Spare(nn.Module):
    "A model with a layer that it does not use."

    def __init__(self):
        super().__init__()
        self.used = nn.Conv2d(3, 2, 1)
        self.spare = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return self.used(x).mean((2, 3))


def test_layers_that_are_not_used(x):
    with pytest.raises(ValueError, match="did not use"):
        grad_cam(Spare(), x, layer="spare")
    with pytest.raises(ValueError, match="did not use"):
        cam_atlas(Spare(), x, layers=["used", "spare"])


class Overwritten(nn.Module):
    "A layer that gives what it was given, which is overwritten afterwards."

    def __init__(self):
        super().__init__()
        self.look = nn.Identity()

    def forward(self, x):
        x = x + 0.0
        seen = self.look(x)
        x.zero_()
        return seen.mean((2, 3))


def test_what_is_overwritten_afterwards_is_mapped_as_it_was(x):
    want = x[:, 1] / x[0, 0].numel()
    for method in (grad_cam, hires_cam):
        assert off(method(Overwritten(), x, 1, layer="look", relu=False), want) <= TOLERANCE
    atlas = cam_atlas(Overwritten(), x, layers=["look"], relu=False)
    assert off(atlas["look"][:, 1], want) <= TOLERANCE


# --- targets and shapes, again as checks that mutants can be given to ----------------------------


def check_one_target_per_film(learn, x, f):
    "A list of targets gives each film the map it has when it is mapped alone."
    targets = [i % 2 for i in range(len(x))]
    mixed = f(learn.model, x, targets, relu=False)
    for i, t in enumerate(targets):
        assert off(mixed[i : i + 1], f(learn.model, x[i : i + 1], t, relu=False)) < 1e-4


def check_wrong_length(learn, x, f):
    for wrong in ([0], [0] * (len(x) + 1)):
        with pytest.raises(ValueError, match="targets for"):
            f(learn.model, x, wrong)


def check_not_square(learn, x, f):
    "A film that is wider than high, with everything in its right half: so is the heat."
    net = nn.Sequential(
        nn.Conv2d(3, 2, 4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)
    )
    with torch.no_grad():
        net[0].weight.fill_(1)
        net[0].bias.zero_()
        net[3].weight.fill_(1)
    film = torch.zeros(1, 3, 32, 80)
    film[..., 40:] = 1
    heat = f(net, film, 0, layer="0", relu=False)[0]
    assert heat.shape == (8, 20) and heat[:, 10:].min() > 0 and heat[:, :10].abs().max() == 0


def first_target_for_all(learn, films, target=None, **kw):
    if isinstance(target, list):
        target = target[0]
    return grad_cam(learn, films, target, **kw)


def cut_to_length(learn, films, target=None, **kw):
    if isinstance(target, list):
        target = (target * len(films))[: len(films)]
    return grad_cam(learn, films, target, **kw)


def transposed(*args, **kw):
    return grad_cam(*args, **kw).transpose(1, 2)


CHECKS = dict(
    one_target_per_film=(check_one_target_per_film, first_target_for_all),
    wrong_length=(check_wrong_length, cut_to_length),
    not_square=(check_not_square, transposed),
)


@pytest.mark.parametrize("name", CHECKS)
def test_targets_and_shapes(learn, x, name):
    check, mutant = CHECKS[name]
    for f in (grad_cam, hires_cam):
        check(learn, x, f)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(learn, x, mutant)


# --- the model stays as it was -------------------------------------------------------------------


def hooks(module):
    return len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks)


def state(model):
    return dict(
        training=[module.training for module in model.modules()],
        hooks=[hooks(module) for module in model.modules()],
        learns=[weight.requires_grad for weight in model.parameters()],
        has_no_grad=[weight.grad is None for weight in model.parameters()],
    )


def check_model_stays(model, x, f):
    "Modes, hooks, gradients, weights, running statistics and torch's grad mode are the same."
    model.train()
    model[0][5].eval()
    for p in model[0].parameters():
        p.requires_grad_(False)
    before = state(model)
    weights = {name: values.clone() for name, values in model.state_dict().items()}
    f(model, x)
    assert state(model) == before
    assert all(torch.equal(v, weights[k]) for k, v in model.state_dict().items())
    assert torch.is_grad_enabled()


def check_any_caller(model, x, f):
    "A frozen model, no_grad and inference_mode give the same map as an ordinary call."
    model.eval()
    want = f(model, x)
    assert not want.requires_grad
    for p in model.parameters():
        p.requires_grad_(False)
    assert torch.allclose(f(model, x), want)
    with torch.no_grad():
        assert torch.allclose(f(model, x), want)
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        assert torch.allclose(f(model, x.clone()), want)


def leaves_eval(model, x):
    model.eval()
    return grad_cam(model, x)


def leaves_train(model, x):
    "Runs in training mode: batch normalisation learns from the films it maps."
    model(x)
    return grad_cam(model, x)


def calls_backward(model, x):
    """As the course's first notebook did: .backward() on the logit.

    It writes into every parameter that may learn."""
    kept = []
    handle = model[0][-1].register_forward_hook(lambda m, i, o: kept.append(o))
    logits = model.eval()(x)
    handle.remove()
    [activation] = kept
    if activation.requires_grad:
        activation.retain_grad()
    logits[:, 1].sum().backward()
    if not activation.requires_grad:
        return None
    return (activation.grad.mean((2, 3), keepdim=True) * activation).sum(1).detach()


def forgets_hook(model, x):
    model[0][-1].register_forward_hook(lambda m, i, o: None)
    return grad_cam(model, x)


def unfreezes(model, x):
    for p in model.parameters():
        p.requires_grad_(True)
    return grad_cam(model, x)


@pytest.mark.parametrize("f", [cam, grad_cam, hires_cam])
def test_the_model_stays_as_it_was(learn, x, f):
    check_model_stays(learn.model, x, f)
    check_any_caller(learn.model, x, f)


@pytest.mark.parametrize(
    "mutant", [leaves_eval, leaves_train, calls_backward, forgets_hook, unfreezes]
)
def test_a_model_that_does_not_stay_is_noticed(learn, x, mutant):
    with pytest.raises(AssertionError):
        check_model_stays(learn.model, x, mutant)


def test_a_map_that_needs_gradients_is_noticed(learn, x):
    with pytest.raises((AssertionError, RuntimeError)):
        check_any_caller(learn.model, x, calls_backward)


def test_an_error_leaves_the_model_as_it_was(learn, x):
    before = state(learn.model)
    with pytest.raises(ValueError):
        grad_cam(learn.model, x, 99)
    assert state(learn.model) == before


def test_an_error_inside_the_model_is_said_and_leaves_no_hooks(learn, x):
    learn.model[1][-1] = nn.Linear(7, 2)  # does not fit
    before = state(learn.model)
    for method in (cam, grad_cam, hires_cam):
        with pytest.raises(ValueError, match="does not take 8 films .* It says: .*shapes"):
            method(learn.model, x)
        assert state(learn.model) == before


def test_one_forward_pass(learn, x):
    count = []
    handle = learn.model[0][0].register_forward_hook(lambda *_: count.append(1))
    for f in (cam, grad_cam, hires_cam):
        f(learn.model, x)
    handle.remove()
    assert len(count) == 3


# --- all maps at once ----------------------------------------------------------------------------


@pytest.fixture
def untrained(learn):
    "The model as `film_learner` makes it, in-place layers and all."
    return learn.model.eval()


@pytest.mark.parametrize("method, single", [("grad_cam", grad_cam), ("hires_cam", hires_cam)])
def test_the_atlas_is_the_single_maps(untrained, few, method, single):
    atlas = cam_atlas(untrained, few, method, relu=False)
    for block, maps in atlas.items():
        for c in (0, 1):
            want = single(untrained, few, c, block=block, relu=False)
            largest = want.abs().max()
            assert (maps[:, c] - want).abs().max() <= 1e-5 * largest, (block, c)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_atlas_agrees_with_captum(untrained, few, block):
    got = cam_atlas(untrained, few, relu=False)[block]
    for c in (0, 1):
        want = captum_map(untrained, few, c, block)
        assert (got[:, c] - want).abs().max() <= 1e-5 * want.abs().max()
    alone = cam_atlas(untrained, few[:1], relu=False)[block]
    assert (alone - got[:1]).abs().max() <= 1e-5 * got[:1].abs().max()


def test_the_atlas_runs_the_films_once_and_leaves_the_model_as_it_was(untrained, x):
    "No other film need be run to know that what a ResNet's parts give are maps."
    runs = []
    handle = untrained.register_forward_hook(lambda model, args, _: runs.append(len(args[0])))
    untrained.train()
    before = state(untrained)
    with torch.no_grad():
        cam_atlas(untrained, x)
    assert state(untrained) == before
    handle.remove()
    assert runs == [len(x)]


def test_an_atlas_of_a_number_is_refused(untrained, x):
    with pytest.raises(ValueError, match="not something of type int"):
        cam_atlas(untrained, x, layers=-1)


@pytest.mark.parametrize("layers", [[], (), iter([])])
def test_an_atlas_of_no_layers_is_refused(untrained, x, layers):
    with pytest.raises(ValueError, match="no layers in this list"):
        cam_atlas(untrained, x, layers=layers)


def test_an_error_in_the_atlas_leaves_no_hooks(untrained, x):
    with pytest.raises(ValueError):
        cam_atlas(untrained, x, layers=["1.2"])  # the Linear layer gives no maps
    with pytest.raises(ValueError, match="ready tensor"):
        cam_atlas(untrained, x[0])
    assert not any(module._forward_hooks for module in untrained.modules())


def test_a_layer_that_is_asked_for_twice_is_mapped_once(untrained, x):
    once = cam_atlas(untrained, x, layers=["0.7"])
    twice = cam_atlas(untrained, x, layers=["0.7", "0.7"])
    assert list(twice) == ["0.7"]
    assert torch.equal(twice["0.7"], once["0.7"])


@pytest.mark.parametrize("method, words", [("cam", "last block only"), ("gradcam", "one of")])
def test_methods_the_atlas_does_not_know(untrained, x, method, words):
    with pytest.raises(ValueError, match=words):
        cam_atlas(untrained, x, method)


def test_films_by_path_in_several_batches(learn, course):
    files = film_files(course / "train") + film_files(course / "val")
    atlas = cam_atlas(learn, files)
    assert len(files) > 16
    assert {tuple(maps.shape[:2]) for maps in atlas.values()} == {(len(files), 2)}
    for i in (0, 17):
        assert torch.allclose(atlas[-2][i, 1], grad_cam(learn, files[i], 1, block=-2)[0], atol=1e-5)


# --- what is a map, in networks made for the question -------------------------------------------


class Then(nn.Module):
    "Any function, as a layer."

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def to_channels_last(x):
    return x.permute(0, 2, 3, 1)


def to_channels_first(x):
    return x.permute(0, 3, 1, 2)


class ConvChannelsLast(nn.Conv2d):
    "A convolution, by its type; what it gives is another thing."

    def forward(self, x):
        return to_channels_last(super().forward(x))


def attention(x):
    "Each place's likeness to each other, in two heads: square, and no map."
    tokens = x.flatten(2)
    one = tokens.transpose(1, 2) @ tokens
    return torch.stack([one, 2 * one], 1)


def ending_in_average(*layers, n_channels):
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_channels, 2)
    ).eval()


@pytest.mark.parametrize("side", [64, 256])
@pytest.mark.parametrize("n_channels", [8, 5])
def test_channels_are_told_from_places_where_numbers_do_not_help(n_channels, side):
    "8 × 8 × 8 and such: maps and the same with channels last look alike."
    film = torch.randn(1, 3, side, side)
    net = ending_in_average(
        nn.Conv2d(3, n_channels, side // 8, side // 8),
        nn.Tanh(),
        Then(to_channels_last),
        nn.LayerNorm(n_channels),
        Then(to_channels_first),
        n_channels=n_channels,
    )
    for layer in ("0", "1", "4"):
        assert grad_cam(net, film, layer=layer).shape == (1, 8, 8)
    assert cam(net, film).shape == (1, 8, 8)
    for layer in ("2", "3"):
        with pytest.raises(ValueError, match=r"channels last .*[a-z]\. Choose one whose output"):
            grad_cam(net, film, layer=layer)


@pytest.mark.parametrize("shape", [(64, 160), (160, 64), (33, 250)])
def test_films_that_are_not_square_have_maps_too(shape):
    net = ending_in_average(nn.Conv2d(3, 4, 8, 8), nn.Tanh(), n_channels=4)
    film = torch.randn(2, 3, *shape)
    assert grad_cam(net, film, layer="1").shape == (2, shape[0] // 8, shape[1] // 8)


def test_a_layer_is_not_believed_for_its_base_class(x):
    net = nn.Sequential(ConvChannelsLast(3, 4, 8, 8), Then(lambda x: x.mean((1, 2))))
    with pytest.raises(ValueError, match="channels last"):
        grad_cam(net, x, layer="0")


def test_attention_is_no_map(x):
    net = nn.Sequential(nn.Conv2d(3, 4, 8, 8), Then(attention), Then(lambda x: x.mean((2, 3))))
    with pytest.raises(ValueError, match="attention"):
        grad_cam(net, x, layer="1")
    assert grad_cam(net, x, layer="0").shape == (8, 12, 12)


def test_windows_are_no_films(x):
    "A layer that works on parts of films gives more outputs than there are films."
    net = nn.Sequential(
        Then(lambda x: x.unfold(3, 48, 48).permute(3, 0, 1, 2, 4).flatten(0, 1)),
        nn.Conv2d(3, 4, 8, 8),
        Then(lambda x: x.mean((2, 3)).unflatten(0, (2, -1)).mean(0)),
    )
    with pytest.raises(ValueError, match="gives no maps"):
        grad_cam(net, x, layer="1")


def test_a_small_film_has_a_map_of_one_place_and_a_pool_has_none():
    net = resnet18(num_classes=2)
    film = torch.randn(2, 3, 32, 32)
    assert grad_cam(net, film).shape == (2, 1, 1)
    logits = net.eval()(film)[:, 1]
    assert torch.allclose(cam(net, film, 1).mean((1, 2)) + net.fc.bias[1], logits, atol=1e-5)
    with pytest.raises(ValueError, match="1 × 1"):
        grad_cam(net, film, layer="avgpool")


def test_a_model_that_resizes_its_films_is_mapped_as_far_as_they_can_be_followed(x):
    resize = Then(lambda x: nn.functional.interpolate(x, size=(64, 64)))
    steps = [resize, nn.Conv2d(3, 4, 8, 8), nn.Tanh(), Then(torch.sin)]
    net = ending_in_average(*steps, n_channels=4)
    for layer in ("1", "2"):
        assert grad_cam(net, x, layer=layer).shape == (8, 8, 8)
    with pytest.raises(ValueError, match="brings all films to one size"):
        grad_cam(net, x, layer="3")


class Strip(nn.Module):
    "Coordinate attention: two pools of a film laid one behind the other, convolved together."

    def __init__(self):
        super().__init__()
        self.look = nn.Conv2d(3, 8, 8, 8)
        self.rows = nn.AdaptiveAvgPool2d((None, 1))
        self.columns = nn.AdaptiveAvgPool2d((1, None))
        self.on_strip = nn.Conv2d(8, 8, 1)
        self.norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        maps = self.look(x)
        strip = torch.cat([self.rows(maps), self.columns(maps).transpose(2, 3)], 2)
        gates = self.norm(self.on_strip(strip)).sigmoid()
        down, across = gates.split(maps.shape[2:], 2)
        return self.fc((maps * down * across.transpose(2, 3)).mean((2, 3)))


class OnTokens(nn.Module):
    "Convolutions on tokens, on attention between them, and on channels that come last."

    def __init__(self):
        super().__init__()
        self.look = nn.Conv2d(3, 8, 8, 8)
        self.on_tokens = nn.Conv2d(1, 8, (1, 8))
        self.talking_heads = nn.Conv2d(2, 2, 1)
        self.on_rows = nn.BatchNorm2d(12)
        self.band = nn.AdaptiveAvgPool2d((7, 1))
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        maps = self.look(x)
        tokens = maps.flatten(2).transpose(1, 2)
        summed = self.talking_heads(attention(maps)).mean() + self.band(maps).mean()
        if maps.shape[2] == 12:
            summed = summed + self.on_rows(to_channels_last(maps)).mean()
        return self.fc(self.on_tokens(tokens[:, None])[..., 0].mean(2)) + summed


@pytest.mark.parametrize(
    "net, layer",
    [(Strip(), name) for name in ("rows", "columns", "on_strip", "norm")]
    + [(OnTokens(), name) for name in ("on_tokens", "talking_heads", "on_rows", "band")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_layer_is_not_believed_for_its_type(x, net, layer):
    "What a convolution, a normalisation or a pool is given tells whether it gives maps."
    assert grad_cam(net, x, layer="look").shape == (8, 12, 12)
    for ask in (
        lambda: grad_cam(net, x, layer=layer),
        lambda: hires_cam(net, x, layer=layer),
        lambda: cam_atlas(net, x, layers=["look", layer]),
        lambda: show_cam(net, x, layer=layer),
    ):
        with pytest.raises(ValueError, match="gives no maps"):
            ask()


def test_the_mean_of_a_convolution_over_tokens_is_no_cam(x):
    net = OnTokens()
    net.forward = lambda x: net.fc(
        net.on_tokens(net.look(x).flatten(2).transpose(1, 2)[:, None]).mean((2, 3))
    )
    with pytest.raises(BadHead, match="not the averages"):
        cam(net, x)


class OneSize(nn.Module):
    "A network that looks at its films' size first."

    def __init__(self):
        super().__init__()
        self.look = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.ReLU())
        self.talking_heads = nn.Conv2d(2, 2, 1)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        assert x.shape[2:] == (96, 96)
        maps = self.look(x)
        return self.fc(maps.mean((2, 3))) + self.talking_heads(attention(maps)).mean()


def test_where_only_one_size_runs_what_is_followed_from_the_film_is_mapped(x):
    assert grad_cam(OneSize(), x, layer="look").shape == (8, 12, 12)
    with pytest.raises(ValueError, match="films of one size"):
        grad_cam(OneSize(), x, layer="talking_heads")


# --- films that a network looks at more than once ------------------------------------------------


class Looks(nn.Module):
    "A network that looks at several views of a film, and adds up what it sees."

    def __init__(self, *views):
        super().__init__()
        self.look = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.ReLU())
        self.fc = nn.Linear(4, 2)
        self.views = views

    def forward(self, x):
        return sum(self.fc(self.look(view(x)).mean((2, 3))) for view in self.views)


def whole(x):
    return x


def mirrored(x):
    return x.flip(3)


VIEWS = dict(
    mirrored=(whole, mirrored),
    halves=(lambda x: x[..., :48], lambda x: x[..., 48:]),
    scales=(whole, lambda x: nn.functional.avg_pool2d(x, 2)),
)


@pytest.mark.parametrize("views", VIEWS)
def test_a_layer_that_runs_several_times_is_refused(x, views):
    net = Looks(*VIEWS[views])
    for ask in (
        lambda: grad_cam(net, x, layer="look"),
        lambda: cam_atlas(net, x, layers=["look"]),
        lambda: show_cam(net, x, layer="look"),
    ):
        with pytest.raises(ValueError, match="runs it 2 times"):
            ask()


class TwoAnswers(nn.Module):
    "A layer that gives a pair when it is first asked, and then maps."

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 8, 8)
        self.asked = Then(lambda x: (x, x) if x.shape[1] == 3 else x)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        first, _ = self.asked(x)
        return self.fc(self.asked(self.conv(first)).mean((2, 3)))


def test_a_layer_that_gives_no_tensor_at_first_is_refused_in_words(x):
    with pytest.raises(ValueError, match="gives 2 maps of each film"):
        cam_atlas(TwoAnswers(), x, layers=["conv", "asked"])


class OfOneSize(nn.Module):
    "Films are brought to one size, and then only one channel is looked at."

    def __init__(self):
        super().__init__()
        self.look = nn.Conv2d(1, 4, 8, 8)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        small = nn.functional.interpolate(x, (64, 64))[:, :1]
        return self.fc(self.look(small).mean((2, 3)))


def test_a_network_that_brings_films_to_one_size_is_told_so(x):
    with pytest.raises(ValueError, match="brings all films to one size"):
        grad_cam(OfOneSize(), x, layer="look")


class SurerView(Looks):
    "It answers with the view that it is surest of: its Linear layer has then the last word."

    def forward(self, x):
        for view in self.views:
            answer = self.fc(self.look(view(x)).mean((2, 3)))
        return answer


def test_cam_of_a_film_that_is_looked_at_twice_is_refused(x):
    with pytest.raises(BadHead, match="looked at in several views"):
        cam(SurerView(whole, mirrored), x)


def test_one_relu_for_all_layers_does_not_stand_in_the_way_of_cam(x):
    "The last maps are the right ones, for their mean is what goes into the Linear layer."
    relu = nn.ReLU()
    net = nn.Sequential(
        nn.Conv2d(3, 4, 8, 8), relu, nn.Conv2d(4, 4, 1), relu, nn.AdaptiveAvgPool2d(1)
    )
    net = nn.Sequential(*net, nn.Flatten(), nn.Linear(4, 2))
    assert torch.allclose(cam(net, x, 1).mean((1, 2)) + net[-1].bias[1], net(x)[:, 1], atol=1e-5)


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_layer_that_runs_several_times_in_a_row_is_mapped_where_it_ends(x, is_frozen):
    "Such as the ReLU of a ResNet's block: what it gives last is what the block gives."
    net = resnet18(num_classes=2).eval().requires_grad_(not is_frozen)
    found = grad_cam(net, x, 1, layer="layer4.1.relu", relu=False)
    assert torch.equal(found, grad_cam(net, x, 1, layer="layer4.1", relu=False))


class Temperature(nn.Module):
    def forward(self, x):
        return x / 2


def test_a_temperature_is_named(learn, x):
    for last in (Temperature(), nn.Sequential(Temperature(), nn.Softmax(1))):
        with pytest.raises(BadHead, match="a temperature of 2\\?"):
            cam(nn.Sequential(learn.model, last), x)


BETWEEN = dict(
    norm=nn.LayerNorm([4, 1, 1]),
    convolution=nn.Conv2d(4, 4, 1),
    activation=nn.Tanh(),
    scale=Then(lambda x: 2 * x),
)


@pytest.mark.parametrize("name", BETWEEN)
def test_cam_is_refused_with_anything_between_average_and_linear(x, name):
    net = nn.Sequential(
        nn.Conv2d(3, 4, 8, 8),
        nn.AdaptiveAvgPool2d(1),
        BETWEEN[name],
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    with pytest.raises(BadHead, match="not the averages"):
        cam(net, x)
    assert grad_cam(net, x, layer="0").shape == (8, 12, 12)


@pytest.mark.parametrize("between", [nn.Dropout(0.5), nn.Identity()])
def test_what_does_nothing_may_stand_between(x, between):
    net = nn.Sequential(
        nn.Conv2d(3, 4, 8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), between, nn.Linear(4, 2)
    )
    maps = cam(net, x, 1)
    assert torch.allclose(maps.mean((1, 2)) + net[4].bias[1], net.eval()(x)[:, 1], atol=1e-5)


class LinearByName(nn.Module):
    "A head that hands its numbers over by name."

    def __init__(self):
        super().__init__()
        self.look = nn.Conv2d(3, 4, 8, 8)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(input=self.look(x).mean((2, 3)))


def test_a_linear_layer_that_is_called_by_name(x):
    net = LinearByName()
    assert torch.allclose(cam(net, x, 1).mean((1, 2)) + net.fc.bias[1], net(x)[:, 1], atol=1e-5)


class Detached(nn.Module):
    "A model whose answer torch cannot trace to its layers."

    def __init__(self):
        super().__init__()
        self.look = nn.Conv2d(3, 2, 8, 8)

    def forward(self, x):
        return self.look(x).detach().mean((2, 3))


class Pairs(nn.Module):
    "A layer that gives a tuple."

    def __init__(self):
        super().__init__()
        self.look = Then(lambda x: (x, x))

    def forward(self, x):
        return self.look(x)[0].mean((2, 3))


@pytest.mark.parametrize(
    "model, words", [(Detached(), "does not depend"), (Pairs(), "gives no maps, but tuple")]
)
def test_answers_and_layers_without_gradients_are_refused(x, model, words):
    with pytest.raises(ValueError, match=words):
        grad_cam(model, x, layer="look")
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    "layer, words",
    [
        (-1, "not something of type int"),
        (["0"], "not something of type list"),
        (resnet18().layer4, "not a part of the model"),
        ("layer5", "no layer of that name"),
    ],
)
def test_layers_that_are_none_are_refused(learn, x, layer, words):
    for ask in (
        lambda: grad_cam(learn, x, layer=layer),
        lambda: cam_atlas(learn, x, layers=[layer]),
    ):
        with pytest.raises(ValueError, match=words):
            ask()


def test_numbers_and_names_of_numpy_choose_layers(learn, x):
    assert torch.equal(grad_cam(learn, x, block=np.int64(-2)), grad_cam(learn, x, block=-2))
    by_name = grad_cam(learn, x, layer=np.str_("0.6"))
    assert torch.equal(by_name, grad_cam(learn, x, block=-2))
    assert list(cam_atlas(learn, x, layers="0.6")) == ["0.6"]


@pytest.mark.parametrize("learn", ["resnet18", None, lambda x: x, resnet18])
def test_what_is_no_network_is_refused(x, learn):
    for method in (cam, grad_cam):
        with pytest.raises(ValueError, match="need a fastai Learner or a torch module"):
            method(learn, x)


def test_logits_that_are_no_numbers_are_said(learn, x):
    learn.model[1][-1].weight.data[0, 0] = float("nan")
    for method in (cam, grad_cam):
        with pytest.raises(ValueError, match="training diverged"):
            method(learn, x)


# --- targets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "one_for_all",
    [
        np.int64(1),
        np.uint8(1),
        np.float64(1),
        np.array(1),
        torch.tensor(1),
        np.str_("chest"),
        np.array("chest"),
    ],
)
def test_one_value_of_numpy_or_torch_is_a_target_for_all(learn, x, one_for_all):
    assert map_films(learn, x, one_for_all).targets.tolist() == [1] * len(x)


@pytest.mark.parametrize(
    "one_each",
    [
        [torch.tensor(1), torch.tensor(0)],
        [np.array(1), np.int8(0)],
        pd.Series([1, 0], index=[7, 8]),
        pd.Series(["chest", "abd"], dtype="category"),
        np.array(["chest", "abd"]),
        range(1, -1, -1),
    ],
)
def test_targets_of_any_make(learn, x, one_each):
    assert map_films(learn, x[:2], one_each).targets.tolist() == [1, 0]


@pytest.mark.parametrize(
    "target",
    [{0, 1}, {0: 1, 1: 0}, b"\x00\x01", np.eye(2), torch.eye(2), pd.DataFrame({0: [1], 1: [1]})],
)
def test_targets_without_an_order_are_refused(learn, x, target):
    with pytest.raises(ValueError, match="which is for which film"):
        grad_cam(learn, x[:2], target)


@pytest.mark.parametrize("target", [np.True_, [True, False], torch.tensor([True, False])])
def test_true_and_false_are_no_classes(learn, x, target):
    with pytest.raises(ValueError, match="whole number from 0 to 1, not"):
        grad_cam(learn, x[:2], target)


def test_names_are_used_only_where_each_logit_has_one(learn, x):
    assert set(map_films(learn, x, "abd").labels) == {"abd"}
    assert map_films(learn.model, x[:1], 1).labels == ["class 1"]
    learn.model[1][-1] = nn.Linear(512, 3)  # with names for two
    assert map_films(learn, x[:1], 2).labels == ["class 2"]
    with pytest.raises(ValueError, match="no class names"):
        map_films(learn, x[:1], "abd")


# --- one logit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_difference_is_one_map_minus_the_other(learn, x, method):
    "That of the strongest other class, which of three need not be the same for each film."
    learn.model[1][-1] = nn.Linear(512, 3)
    logits = learn.model.eval()(x).detach()
    with torch.no_grad():
        learn.model[1][-1].bias.sub_(logits.mean(0))
    logits = learn.model(x).detach()
    found = map_films(learn, x, 0, method, relu=False, difference=True)
    others = 1 + logits[:, 1:].argmax(1)
    assert len(set(others.tolist())) == 2
    assert found.others.tolist() == others.tolist()
    assert found.labels == [f"class 0 − class {other}" for other in others]
    assert torch.allclose(found.scores, logits[:, 0] - logits.gather(1, others[:, None])[:, 0])
    want = map_films(learn, x, 0, method, relu=False).maps
    want = want - map_films(learn, x, others, method, relu=False).maps
    assert off(found.maps, want) <= TOLERANCE


def test_what_both_classes_share_is_not_in_the_difference(learn, x):
    "The same weights on top of both classes' make both maps redder, and decide nothing."
    before = cam(learn, x, "chest", difference=True)
    with torch.no_grad():
        learn.model[1][-1].weight.add_(1.0)
    assert off(cam(learn, x, "chest", difference=True), before) <= TOLERANCE
    assert (cam(learn, x, "chest") > 0).all()
    assert torch.equal(
        cam(learn, x, "abd", difference=True), -cam(learn, x, "chest", difference=True)
    )


def test_opposite_weights_are_two_numbers_nevertheless(learn, x):
    "As the last layer of a converged network has them, nearly."
    with torch.no_grad():
        last = learn.model[1][-1]
        last.weight[1] = -last.weight[0]
        last.bias.zero_()
    found = map_films(learn, x, "chest", "cam", relu=False, difference=True)
    assert set(found.labels) == {"chest − abd"}
    assert off(found.maps, 2 * cam(learn, x, "chest")) <= TOLERANCE


def test_sigmoids_of_each_class_have_no_difference(learn, x):
    "Also where no loss says that classes do not exclude each other."
    with pytest.raises(ValueError, match="a question of its own"):
        map_films(nn.Sequential(learn.model, nn.Sigmoid()), x[:1], 0, "cam", difference=True)


def test_classes_that_do_not_exclude_each_other_have_no_difference(learn, x):
    learn.loss_func = nn.BCEWithLogitsLoss()
    with pytest.raises(ValueError, match="a question of its own: leave difference at False"):
        grad_cam(learn, x[:1], difference=True)
    assert grad_cam(learn, x[:1]).shape[0] == 1


@pytest.fixture
def one_logit(learn):
    "A learner for two classes whose network gives the logit of the second alone."
    learn.model[1][-1] = nn.Linear(512, 1)
    return learn


def test_one_logit_speaks_for_class_1_and_against_class_0(one_logit, x):
    model = one_logit.model.eval()
    want = captum_map(model, x, 0, -1)  # of its only logit
    for target, sign in ((1, 1), (0, -1), ("chest", 1), ("abd", -1)):
        maps = grad_cam(one_logit, x, target, relu=False)
        assert off(maps, sign * want) <= TOLERANCE
    atlas = cam_atlas(one_logit, x, relu=False)[-1]
    assert off(atlas[:, 0], -want) <= TOLERANCE
    assert off(atlas[:, 1], want) <= TOLERANCE


def test_the_cam_of_one_logit_adds_up(one_logit, x):
    logit = one_logit.model.eval()(x)[:, 0]
    bias = one_logit.model[1][-1].bias
    for target, sign in ((1, 1), (0, -1)):
        maps = cam(one_logit, x, target)
        assert torch.allclose(maps.mean((1, 2)) + sign * bias, sign * logit, atol=1e-4)


def test_one_logit_is_a_difference_already(one_logit, x):
    assert torch.equal(cam(one_logit, x, 1, difference=True), cam(one_logit, x, 1))
    assert map_films(one_logit, x, "abd", difference=True).labels == ["abd"] * len(x)


@pytest.mark.parametrize("last", [nn.Sigmoid(), nn.Softmax(1), nn.LogSoftmax(1)])
def test_maps_are_of_the_logit_whatever_the_network_ends_in(learn, x, last):
    n_numbers = 1 if isinstance(last, nn.Sigmoid) else 2
    learn.model[1][-1] = nn.Linear(512, n_numbers)
    whole = nn.Sequential(learn.model, last)
    assert torch.equal(cam(whole, x, 1), cam(learn.model, x, 1))
    for method in (grad_cam, hires_cam):
        found = method(whole, x, 1, layer="0.0.6", relu=False)
        assert off(found, method(learn.model, x, 1, layer="0.6", relu=False)) <= TOLERANCE
    found = cam_atlas(whole, x, layers=["0.0.7"], relu=False)["0.0.7"]
    assert off(found, cam_atlas(learn.model, x, layers=["0.7"], relu=False)["0.7"]) <= TOLERANCE


def test_logits_between_0_and_1_are_mapped_on_these_films(one_logit, x):
    "To find out that they are no probabilities the network is shown other films, too."
    body, head = one_logit.model
    with torch.no_grad():
        head[-1].weight.mul_(1e-3)
        head[-1].bias.fill_(0.5)
    sure = nn.Sequential(body, head, nn.Sigmoid())
    found = grad_cam(one_logit.model, x, 1, relu=False)
    assert torch.equal(found, grad_cam(sure, x, 1, layer="0.7", relu=False))


def test_one_logit_predicts_by_its_sign(one_logit, x):
    logits = one_logit.model.eval()(x)[:, 0]
    middle = logits.sort().values[len(logits) // 2 - 1 :][:2].mean()  # half lie on either side
    with torch.no_grad():
        one_logit.model[1][-1].bias.sub_(middle)
    found = map_films(one_logit, x)
    shifted = logits - middle
    assert found.targets.tolist() == (shifted > 0).long().tolist()
    assert torch.allclose(found.scores, shifted.abs(), atol=1e-4)
    assert found.labels == [one_logit.dls.vocab[i] for i in found.targets]


class WithoutAxis(nn.Module):
    "As many write it: one number per film, and no axis for classes."

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x).squeeze()


@pytest.mark.parametrize("n_films", [1, 3])
def test_one_logit_may_come_without_its_axis(one_logit, x, n_films):
    films = x[:n_films]
    want = grad_cam(one_logit.model, films, 1, relu=False)
    assert torch.equal(
        grad_cam(WithoutAxis(one_logit.model), films, 1, layer="net.0.7", relu=False), want
    )


# --- channels, precision, wrappers ---------------------------------------------------------------


@pytest.mark.parametrize("n_channels", [1, 4])
def test_other_channels_need_a_ready_batch(course, n_channels):
    net = resnet18(num_classes=2)
    net.conv1 = nn.Conv2d(n_channels, 64, 7, 2, 3, bias=False)
    for films in (film_files(course / "test"), torch.randn(2, 3, 64, 64)):
        for method in (cam, grad_cam):
            with pytest.raises(ValueError, match="three equal channels.*ready batch"):
                method(net, films)
    batch = torch.randn(2, n_channels, 64, 64)
    logits = net.eval()(batch)[:, 1]
    assert torch.allclose(cam(net, batch, 1).mean((1, 2)) + net.fc.bias[1], logits, atol=1e-4)


@pytest.mark.parametrize(
    "precision, limit", [(torch.float16, 0.02), (torch.bfloat16, 0.1), (torch.float64, 1e-4)]
)
def test_other_precisions_give_the_same_maps(learn, x, course, precision, limit):
    model = learn.model
    want = {method: method(model, x, 1) for method in (cam, grad_cam, hires_cam)}
    model.to(precision)
    for method, maps in want.items():
        found = method(model, x, 1)
        assert found.dtype == torch.float32
        assert off(found, maps) < limit
    assert grad_cam(learn, film_files(course / "test")).isfinite().all()
    assert {weight.dtype for weight in model.parameters()} == {precision}


def test_data_parallel_is_looked_through(learn, x):
    want = grad_cam(learn, x, "chest", block=-2)
    exact = cam(learn, x, "chest")
    learn.model = nn.DataParallel(learn.model)
    assert torch.equal(grad_cam(learn, x, "chest", block=-2), want)
    for name in ("0.6", "module.0.6"):
        assert torch.equal(grad_cam(learn, x, "chest", layer=name), want)
    assert torch.equal(cam(learn, x, "chest"), exact)


def whole_model_compiled(model):
    return torch.compile(model, backend="eager")


def compiled_in_place(model):
    model.compile(backend="eager")
    return model


def last_block_compiled(model):
    model[0][7] = torch.compile(model[0][7], backend="eager")
    return model


@pytest.mark.slow(seconds=5)
@pytest.mark.parametrize("compiled", [whole_model_compiled, compiled_in_place, last_block_compiled])
def test_what_is_compiled_is_mapped_as_it_was_written(learn, x, compiled):
    "Also after it was run, and a part of a compiled part; it stays compiled."
    films = x[:2]
    model = learn.model.eval()
    inner = model[0][7][0]
    want = [grad_cam(model, films, 1), grad_cam(model, films, 1, layer=inner), cam(model, films, 1)]
    faster = compiled(model)
    with torch.no_grad():
        faster(films)
    found = [grad_cam(faster, films, 1, layer=inner), cam(faster, films, 1)]
    for maps, by_hand in zip(found, want[1:], strict=True):
        assert torch.allclose(maps, by_hand, atol=1e-6)
    assert torch.allclose(grad_cam(faster, films, 1), want[0], atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_traced_models_are_refused_in_words(x):
    traced = torch.jit.trace(resnet18().eval(), x)
    for method in (cam, grad_cam):
        with pytest.raises(ValueError, match="scripted or traced"):
            method(traced, x)


OF_OTHER_CLASSES = dict(
    cam=cam,
    grad_cam=grad_cam,
    hires_cam=hires_cam,
    cam_atlas=cam_atlas,
    show_cam=show_cam,
    named=lambda learn, films: show_cam(learn, films, "foot"),
    cam_explorer=cam_explorer,
    explorer_of_own_class=lambda learn, films: cam_explorer(learn, films, "abd"),
    randomization_check=randomization_check,
    deletion_insertion=lambda learn, films: deletion_insertion(learn, films, torch.ones(2, 3, 3)),
)


@pytest.mark.parametrize("name", OF_OTHER_CLASSES)
def test_weights_for_other_classes_than_the_films_are_refused(learn, course, name):
    learn.training_record.classes = ["abd", "chest"]  # as after a training
    learn.dls = empty_dataloaders(["foot", "hand"], 96)
    with pytest.raises(ValueError, match="are for the classes abd, chest"):
        OF_OTHER_CLASSES[name](learn, film_files(course / "test"))


# --- several threads, one learner ----------------------------------------------------------------


def test_eight_threads_get_what_one_gets(learn, course):
    "One model for all, in training mode: each waits for its turn, and all modes are put back."
    files = film_files(course / "val")
    learn.model.train()
    jobs = [
        lambda: cam(learn, files, "chest"),
        lambda: grad_cam(learn, files, "abd", block=-2),
        lambda: hires_cam(learn, files),
        lambda: cam_atlas(learn, files)[-3],
    ] * 4
    want = [job() for job in jobs]
    before = state(learn.model)
    statistics = [values.clone() for values in learn.model.buffers()]
    with ThreadPoolExecutor(8) as pool:
        found = [each.result() for each in [pool.submit(job) for job in jobs]]
    for maps, alone in zip(found, want, strict=True):
        assert torch.allclose(maps, alone, atol=1e-6)
    assert state(learn.model) == before
    assert all(map(torch.equal, learn.model.buffers(), statistics))


# --- a film is mapped as its file is -------------------------------------------------------------


def film_pixels(n_levels):
    "A bright disc on a ramp, from 0 to n_levels − 1, shape (80, 100)."
    y, x = np.mgrid[-1:1:80j, -1:1:100j]
    grey = 0.5 * (np.hypot(x, y) < 0.6) + 0.25 * (x + 1)
    return np.round(grey / grey.max() * (n_levels - 1))


def eight_bit():
    return Image.fromarray(film_pixels(256).astype(np.uint8))


def sixteen_bit():
    return Image.fromarray(film_pixels(65536).astype(np.uint16))


def with_alpha():
    film = eight_bit().convert("LA")
    film.putalpha(Image.new("L", film.size, 255))
    return film


def turned_by_exif():
    film = eight_bit()
    film.getexif()[0x0112] = 6  # to be turned by a quarter
    return film


@pytest.mark.parametrize("make", [eight_bit, sixteen_bit, with_alpha, turned_by_exif])
def test_a_film_is_mapped_as_its_file_is(learn, tmp_path, make):
    film = make()
    file = tmp_path / "film.png"
    film.save(file, exif=film.getexif())
    want = grad_cam(learn, file, "chest", relu=False)
    assert torch.equal(grad_cam(learn, film, "chest", relu=False), want)
    assert torch.equal(grad_cam(learn, [Image.open(file)], "chest", relu=False), want)


IN_ORDER = dict(
    cam=cam,
    grad_cam=grad_cam,
    cam_atlas=cam_atlas,
    show_cam=show_cam,
    randomization_check=randomization_check,
    deletion_insertion=lambda learn, films: deletion_insertion(learn, films, torch.ones(2, 3, 3)),
)


@pytest.mark.parametrize("name", IN_ORDER)
def test_films_in_a_set_are_refused(learn, course, name):
    "Nobody could tell which map is of which film, or which target is for which."
    with pytest.raises(ValueError, match="have no order"):
        IN_ORDER[name](learn, set(film_files(course / "test")))


@pytest.mark.parametrize("make", [eight_bit, sixteen_bit])
def test_an_array_is_mapped_as_its_image_is(learn, make):
    film = make()
    want = grad_cam(learn, film, "chest", relu=False)
    for array in (np.asarray(film), [np.asarray(film)]):
        assert torch.equal(grad_cam(learn, array, "chest", relu=False), want)
