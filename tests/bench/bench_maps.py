"Heat maps of a ResNet18: this library beside captum, torch-cam and pytorch-grad-cam."

from functools import partial

from measuring import OURS, Places, beside, in_turn, measurement

SIZE = 224  # px
CAPTUM = "captum"
TORCH_CAM = "torch-cam"
GRAD_CAM = "pytorch-grad-cam"
FORWARD = "the answer alone"  # without any map
CLASSES = (0, 1)


def network():
    "A ResNet18 as a body and a head, as `film_learner` makes it."
    from torch import nn

    from rsna_cls import pretrained_resnet18

    body = nn.Sequential(*list(pretrained_resnet18("simulated").children())[:-2])
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 2))
    model = nn.Sequential(body, head).eval()
    for part in model.modules():  # torch-cam cannot map a layer that the next one overwrites
        if hasattr(part, "inplace"):
            part.inplace = False
    return model


def answer(model, x):
    "A network's answer, without a map."
    import torch

    def forward():
        with torch.no_grad():
            model(x)

    return forward


def last_by_us(model, x):
    from rsna_cls import grad_cam

    return partial(grad_cam, model, x, 1)


def last_by_captum(model, x):
    from captum.attr import LayerGradCam

    return partial(LayerGradCam(model, model[0][-1]).attribute, x, target=1)


def last_by_torch_cam(model, x):
    from torchcam.methods import GradCAM

    def run():
        with GradCAM(model, model[0][-1]) as extractor:
            extractor(1, model(x))

    return run


def last_by_grad_cam(model, x):
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    def run():
        with GradCAM(model, [model[0][-1]]) as peer:
            peer(x, [ClassifierOutputTarget(1)] * len(x))

    return run


def at_the_last_block(films: int) -> dict[str, dict]:
    "Grad-CAM of some films at the last block, by each of us."
    import torch

    model = network()
    x = torch.randn(films, 3, SIZE, SIZE)
    candidates = {
        OURS: partial(last_by_us, model, x),
        CAPTUM: partial(last_by_captum, model, x),
        TORCH_CAM: partial(last_by_torch_cam, model, x),
        GRAD_CAM: partial(last_by_grad_cam, model, x),
        FORWARD: partial(answer, model, x),
    }
    return in_turn(candidates, rounds=5)


@measurement(
    title="A heat map of one film",
    about="Grad-CAM of one film of 224 pixels at the last block of a ResNet18.",
    unit="CPU s",
    pairs=beside(CAPTUM, TORCH_CAM, GRAD_CAM, FORWARD),
)
def map_of_one_film(places: Places) -> dict[str, dict]:
    return at_the_last_block(1)


@measurement(
    title="Heat maps of 16 films",
    about="Grad-CAM of 16 films of 224 pixels at the last block of a ResNet18, in one call.",
    unit="CPU s",
    pairs=beside(CAPTUM, TORCH_CAM, GRAD_CAM, FORWARD),
)
def maps_of_16_films(places: Places) -> dict[str, dict]:
    return at_the_last_block(16)


def all_by_us(model, x):
    from rsna_cls import cam_atlas

    return partial(cam_atlas, model, x)


def all_by_captum(model, x):
    from captum.attr import LayerGradCam

    def run():
        for block in model[0]:
            for target in CLASSES:
                LayerGradCam(model, block).attribute(x, target=target)

    return run


def all_by_torch_cam(model, x):
    from torchcam.methods import GradCAM

    def run():
        for block in model[0]:
            for target in CLASSES:
                with GradCAM(model, block) as extractor:
                    extractor(target, model(x))

    return run


def all_by_grad_cam(model, x):
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    def run():
        for block in model[0]:
            with GradCAM(model, [block]) as peer:
                for target in CLASSES:
                    peer(x, [ClassifierOutputTarget(target)])

    return run


@measurement(
    title="All 16 heat maps of one film",
    about="Eight blocks of a ResNet18, two classes, one film of 224 pixels. This library makes all "
    "of them in one call; the others have one for each map, and are called sixteen times.",
    unit="CPU s",
    pairs=beside(CAPTUM, TORCH_CAM, GRAD_CAM, FORWARD),
)
def all_maps_of_a_film(places: Places) -> dict[str, dict]:
    import torch

    model = network()
    x = torch.randn(1, 3, SIZE, SIZE)
    candidates = {
        OURS: partial(all_by_us, model, x),
        CAPTUM: partial(all_by_captum, model, x),
        TORCH_CAM: partial(all_by_torch_cam, model, x),
        GRAD_CAM: partial(all_by_grad_cam, model, x),
        FORWARD: partial(answer, model, x),
    }
    return in_turn(candidates, rounds=5)
