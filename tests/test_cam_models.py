"""Maps of networks as they come: each is captum's, or is refused in words.

Random weights and small films: a formula is right or wrong whatever a network has learned."""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import pytest
import torch
from captum.attr import LayerGradCam, LayerGradientXActivation
from fastai.vision.all import create_head, xresnet18
from torch import nn
from torchvision import models

from rsna_cls import BadHead, cam, cam_atlas, grad_cam, hires_cam

pytestmark = pytest.mark.slow(seconds=60)

N_CLASSES = 5
TARGET = 3
TOLERANCE = 1e-5  # of the map's maximum

AVERAGED = "single place, 1 × 1"
CHANNELS_LAST = "channels last"
NOT_AVERAGES = "not the averages"
ONE_SIZE = "films of one size"
NO_STACK = "shape \\(n, channels, h, w\\)"


class Network(NamedTuple):
    "A network, and what is known of its layers."

    make: Callable[[], nn.Module]
    maps: list[str]  # names of layers that give maps
    no_maps: dict[str, str]  # names of layers that give none → what is said
    cam: str  # name of the layer that gives the last maps; or else what is said
    side: int = 64  # of the films (px)


def small(name, **choices):
    "How to make one of torchvision's networks."
    return partial(getattr(models, name), weights=None, num_classes=N_CLASSES, **choices)


def usual_learner_model(body):
    "A body under fastai's usual head: two pools, normalisations, two Linear layers."
    return nn.Sequential(body, create_head(512, N_CLASSES))


def resnet_body():
    return nn.Sequential(*list(models.resnet18().children())[:-2])


def xresnet_body():
    return nn.Sequential(*list(xresnet18().children())[:-4])


def small_maxvit():
    return models.MaxVit(
        input_size=(64, 64),
        stem_channels=16,
        partition_size=2,
        block_channels=[16, 32],
        block_layers=[1, 1],
        head_dim=8,
        stochastic_depth_prob=0.0,
        num_classes=N_CLASSES,
    )


NETWORKS = dict(
    resnet18=Network(
        small("resnet18"),
        maps=["conv1", "bn1", "relu", "layer3", "layer4.1", "layer4.1.bn2", "layer4.1.relu"],
        no_maps={"avgpool": AVERAGED, "fc": NO_STACK},
        cam="layer4",
    ),
    resnet50=Network(
        small("resnet50"), maps=["layer1", "layer4.2"], no_maps={"avgpool": AVERAGED}, cam="layer4"
    ),
    densenet121=Network(
        small("densenet121"),
        maps=["features", "features.denseblock2", "features.norm5"],
        no_maps={"classifier": NO_STACK},
        cam="features",
    ),
    vgg11=Network(
        small("vgg11"),
        maps=["features", "features.9", "avgpool"],
        no_maps={"classifier.0": NO_STACK},
        cam="512 maps become",
    ),
    alexnet=Network(
        small("alexnet"),
        maps=["features.4", "avgpool"],
        no_maps={"classifier.6": NO_STACK},
        cam="256 maps become",
        side=128,
    ),
    mobilenet_v3_small=Network(
        small("mobilenet_v3_small"),
        maps=["features", "features.1.block.1", "features.4"],
        no_maps={"features.1.block.1.fc1": AVERAGED, "avgpool": AVERAGED},
        cam=NOT_AVERAGES,
    ),
    efficientnet_b0=Network(
        small("efficientnet_b0"),
        maps=["features", "features.3"],
        no_maps={"avgpool": AVERAGED},
        cam="features",
    ),
    convnext_tiny=Network(
        small("convnext_tiny"),
        maps=["features", "features.1", "features.1.0", "features.2.0"],
        no_maps={
            "features.1.0.block.1": CHANNELS_LAST,
            "features.1.0.block.2": CHANNELS_LAST,
            "avgpool": AVERAGED,
            "classifier.0": AVERAGED,
        },
        cam=NOT_AVERAGES,
    ),
    swin_t=Network(
        small("swin_t"),
        maps=["permute", "features.0.0"],
        no_maps={
            "features": CHANNELS_LAST,
            "features.1": CHANNELS_LAST,
            "features.1.0.attn": CHANNELS_LAST,
            "norm": CHANNELS_LAST,
            "avgpool": AVERAGED,
        },
        cam="permute",
    ),
    vit_b_16=Network(
        small("vit_b_16", image_size=64),
        maps=["conv_proj"],
        no_maps={"encoder": NO_STACK, "encoder.layers.encoder_layer_3": NO_STACK},
        cam=NOT_AVERAGES,
    ),
    maxvit=Network(
        small_maxvit,
        maps=["stem.0", "blocks.0.layers.0.layers.MBconv"],
        no_maps={
            "blocks.1": ONE_SIZE,
            "blocks.0.layers.0.layers.window_attention.attn_layer": NO_STACK,
        },
        cam=NOT_AVERAGES,
    ),
    squeezenet1_1=Network(
        small("squeezenet1_1"),
        maps=["features", "classifier.1"],
        no_maps={"classifier.3": AVERAGED},
        cam="no Linear",
    ),
    googlenet=Network(
        small("googlenet", init_weights=False),
        maps=["inception5b", "inception4a"],
        no_maps={"aux1.conv": "did not use"},
        cam="inception5b",
    ),
    inception_v3=Network(
        small("inception_v3", init_weights=False),
        maps=["Mixed_7c", "Mixed_5b"],
        no_maps={"avgpool": AVERAGED},
        cam="Mixed_7c",
        side=96,
    ),
    regnet_y_400mf=Network(
        small("regnet_y_400mf"),
        maps=["trunk_output", "stem"],
        no_maps={"avgpool": AVERAGED},
        cam="trunk_output",
    ),
    shufflenet=Network(
        small("shufflenet_v2_x0_5"),
        maps=["conv5", "stage3"],
        no_maps={"fc": NO_STACK},
        cam="conv5",
    ),
    usual_head=Network(
        lambda: usual_learner_model(resnet_body()),
        maps=["0", "0.6"],
        no_maps={"1.0": AVERAGED, "1.1": NO_STACK},
        cam=NOT_AVERAGES,
    ),
    xresnet_under_usual_head=Network(
        lambda: usual_learner_model(xresnet_body()),
        maps=["0", "0.4", "0.4.1"],
        no_maps={"1.0": AVERAGED},
        cam=NOT_AVERAGES,
    ),
)


@cache
def made(name):
    "A network and two films."
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NETWORKS[name]
        films = torch.randn(2, 3, network.side, network.side)
        return network.make().eval(), films


LAYERS = [(name, layer) for name, network in NETWORKS.items() for layer in network.maps]
NO_LAYERS = [(name, layer) for name, network in NETWORKS.items() for layer in network.no_maps]


def off(mine, theirs):
    "The greatest difference, as a share of the greatest value."
    assert mine.shape == theirs.shape
    return float((mine - theirs).abs().max() / theirs.abs().max().clamp_min(1e-30))


class TestNetworks:
    "In one class, so that one process makes each network once."

    @pytest.mark.parametrize("name, layer", LAYERS)
    def test_grad_cam_is_captum_s(self, name, layer):
        model, films = made(name)
        mine = grad_cam(model, films, TARGET, layer=layer, relu=False)
        theirs = LayerGradCam(model, model.get_submodule(layer)).attribute(films, target=TARGET)
        assert off(mine, theirs[:, 0].detach()) <= TOLERANCE

    @pytest.mark.parametrize("name, layer", LAYERS)
    def test_hires_cam_is_captum_s_gradient_times_activation(self, name, layer):
        model, films = made(name)
        mine = hires_cam(model, films, TARGET, layer=layer, relu=False)
        module = model.get_submodule(layer)
        theirs = LayerGradientXActivation(model, module).attribute(films, target=TARGET)
        assert off(mine, theirs.sum(1).detach()) <= TOLERANCE

    @pytest.mark.parametrize("name, layer", NO_LAYERS)
    def test_what_is_no_map_is_refused_in_words(self, name, layer):
        model, films = made(name)
        for method in (grad_cam, hires_cam):
            with pytest.raises(ValueError, match=NETWORKS[name].no_maps[layer]):
                method(model, films, TARGET, layer=layer)
        with pytest.raises(ValueError, match=NETWORKS[name].no_maps[layer]):
            cam_atlas(model, films, layers=[NETWORKS[name].maps[0], layer])
        assert not any(module._forward_hooks for module in model.modules())

    @pytest.mark.parametrize("name", NETWORKS)
    def test_cam_is_exact_or_refused(self, name):
        "Where it is given, its mean and the bias are the logit; it is Grad-CAM of the last maps."
        model, films = made(name)
        last = NETWORKS[name].cam
        if last not in dict(model.named_modules()):
            with pytest.raises(BadHead, match=last):
                cam(model, films, TARGET)
            return
        maps = cam(model, films, TARGET)
        linear = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
        if name in ("googlenet", "inception_v3"):
            linear = model.fc  # behind it there are those of the auxiliary heads
        with torch.no_grad():
            logits = model(films)[:, TARGET]
        assert torch.allclose(maps.mean((1, 2)) + linear.bias[TARGET], logits, atol=1e-5)
        if name != "densenet121":  # its last step is a function, after the layer
            by_gradient = grad_cam(model, films, TARGET, layer=last, relu=False)
            assert off(maps, by_gradient * maps[0].numel()) <= 1e-4
