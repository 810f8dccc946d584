"""Speed and memory beside other libraries, in one run. `make bench` runs these; nothing here passes or fails.

Each figure is the median of processor time over several rounds in which the candidates take turns, so that a machine whose speed drifts
slows all of them. The ratios are taken round by round."""
import resource
import statistics
import time

import pytest
import torch
from rsna_cls.cam import grad_cam
from rsna_cls.learner import _resnet18
from torch import nn


def cpu_seconds(f):
    before = resource.getrusage(resource.RUSAGE_SELF)
    f()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_turn(candidates, rounds):
    "Run the candidates in turn; return their times, round by round."
    for f in candidates.values():
        f()  # warm up
    return [{name: cpu_seconds(f) for name, f in candidates.items()} for _ in range(rounds)]


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(1)  # threads that wait for each other burn processor time
    net, _ = _resnet18("simulated")
    return nn.Sequential(nn.Sequential(*list(net.children())[:-2]), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 2))).eval()


@pytest.mark.parametrize("films", [16, 1])
def test_grad_cam_at_the_last_block(model, films, capsys):
    from captum.attr import LayerGradCam
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    from torchcam.methods import GradCAM as TorchCAM
    x, last = torch.randn(films, 3, 224, 224), model[0][-1]

    def torch_cam():
        with TorchCAM(model, last) as extractor:
            extractor(1, model(x))

    def pytorch_grad_cam():
        with GradCAM(model, [last]) as peer:
            peer(x, [ClassifierOutputTarget(1)] * films)

    def forward_alone():
        with torch.no_grad():
            model(x)

    captum = LayerGradCam(model, last)
    rounds = in_turn({"rsna_cls": lambda: grad_cam(model, x, 1), "torch-cam": torch_cam, "captum": lambda: captum.attribute(x, target=1),
                      "pytorch-grad-cam": pytorch_grad_cam, "forward pass": forward_alone}, rounds=9)
    with capsys.disabled():
        print(f"\nGrad-CAM, ResNet18, last block, {films} film(s) of 224 px, {torch.get_num_threads()} thread, {len(rounds)} rounds")
        print(f"{'':18}{'CPU s, median':>14}{'time / rsna_cls, median':>26}")
        for name in rounds[0]:
            print(f"{name:18}{statistics.median(r[name] for r in rounds):14.3f}{statistics.median(r[name] / r['rsna_cls'] for r in rounds):26.2f}")


def test_start_up(capsys):
    "How long the imports take, each in a process of its own."
    import subprocess
    import sys
    with capsys.disabled():
        print("\nImport, wall seconds, median of 5")
        for line in ("import rsna_cls", "import rsna_cls.data", "import rsna_cls.cam", "import fastai.vision.all"):
            times = []
            for _ in range(5):
                started = time.perf_counter()
                subprocess.run([sys.executable, "-W", "ignore", "-c", line], check=True)
                times.append(time.perf_counter() - started)
            print(f"{line:30}{statistics.median(times):8.2f}")
