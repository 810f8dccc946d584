"""Speed and memory beside other libraries, in one run. `make bench` runs these; nothing here passes or fails.

Each figure is the median of processor time over several rounds in which the candidates take turns, so that a machine whose speed drifts
slows all of them. The ratios are taken round by round."""

import resource
import statistics
import time

import pytest
import torch
from torch import nn

from rsna_cls import cam_atlas, grad_cam, pretrained_resnet18


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
    net, _ = pretrained_resnet18("simulated")
    return nn.Sequential(
        nn.Sequential(*list(net.children())[:-2]),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 2)),
    ).eval()


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
    rounds = in_turn(
        {
            "rsna_cls": lambda: grad_cam(model, x, 1),
            "torch-cam": torch_cam,
            "captum": lambda: captum.attribute(x, target=1),
            "pytorch-grad-cam": pytorch_grad_cam,
            "forward pass": forward_alone,
        },
        rounds=9,
    )
    with capsys.disabled():
        print(
            f"\nGrad-CAM, ResNet18, last block, {films} film(s) of 224 px, {torch.get_num_threads()} thread, {len(rounds)} rounds"
        )
        print(f"{'':18}{'CPU s, median':>14}{'time / rsna_cls, median':>26}")
        for name in rounds[0]:
            print(
                f"{name:18}{statistics.median(r[name] for r in rounds):14.3f}{statistics.median(r[name] / r['rsna_cls'] for r in rounds):26.2f}"
            )


def test_all_maps_of_a_film(model, capsys):
    "Eight blocks, two classes: one call of ours, sixteen of a peer, and a forward pass; one film of 224 px."
    from captum.attr import LayerGradCam
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    from torchcam.methods import GradCAM as TorchCAM

    x, blocks = torch.randn(1, 3, 224, 224), list(model[0])

    def captum():
        for block in blocks:
            for c in (0, 1):
                LayerGradCam(model, block).attribute(x, target=c)

    def torch_cam():
        for block in blocks:
            for c in (0, 1):
                with TorchCAM(model, block) as extractor:
                    extractor(c, model(x))

    def pytorch_grad_cam():
        for block in blocks:
            with GradCAM(model, [block]) as peer:
                for c in (0, 1):
                    peer(x, [ClassifierOutputTarget(c)])

    def forward_alone():
        with torch.no_grad():
            model(x)

    for m in model.modules():  # torch-cam cannot map a layer that the next one overwrites
        if hasattr(m, "inplace"):
            m.inplace = False
    rounds = in_turn(
        {
            "forward pass": forward_alone,
            "rsna_cls": lambda: cam_atlas(model, x),
            "captum": captum,
            "torch-cam": torch_cam,
            "pytorch-grad-cam": pytorch_grad_cam,
        },
        rounds=9,
    )
    with capsys.disabled():
        print(
            f"\nAll 16 maps of a film, ResNet18, 224 px, {torch.get_num_threads()} thread, {len(rounds)} rounds"
        )
        print(f"{'':18}{'CPU s, median':>14}{'/ forward, median':>20}{'/ rsna_cls, median':>20}")
        for name in rounds[0]:
            print(
                f"{name:18}{statistics.median(r[name] for r in rounds):14.3f}{statistics.median(r[name] / r['forward pass'] for r in rounds):20.2f}{statistics.median(r[name] / r['rsna_cls'] for r in rounds):20.2f}"
            )


@pytest.mark.parametrize("size", [128, 224])
def test_simulated_films(size, capsys):
    "Films per second on two processes, chests and abdomens by turns, and all kinds by turns; the start of the processes is not counted."
    import multiprocessing
    from functools import partial

    from rsna_cls.simulate import KINDS

    with (
        multiprocessing.get_context("spawn").Pool(2, initializer=_one_thread) as pool,
        capsys.disabled(),
    ):
        pool.map(partial(_simulate, size=size), [("chest", 0), ("abd", 0)] * 2)
        for what, kinds in (("chests and abdomens", KINDS[:2]), ("all kinds", KINDS)):
            jobs, started = [(kinds[i % len(kinds)], i) for i in range(120)], time.perf_counter()
            cpu = sum(pool.map(partial(_simulate, size=size), jobs, chunksize=4))
            wall = time.perf_counter() - started
            print(
                f"\nsimulated films, {size} px, {what}: {len(jobs) / wall:.1f} per second on two processes (n = {len(jobs)}; {1000 * cpu / len(jobs):.0f} ms of processor time each)"
            )


def _one_thread():
    torch.set_num_threads(1)


def _simulate(job, size):
    from rsna_cls import simulate_film

    started = time.process_time()
    simulate_film(*job, size=size)
    return time.process_time() - started


def test_start_up(capsys):
    "How long the imports take, each in a process of its own."
    import subprocess
    import sys

    with capsys.disabled():
        print("\nImport, wall seconds, median of 5")
        for line in (
            "import rsna_cls",
            "import rsna_cls.data",
            "import rsna_cls.cam",
            "import fastai.vision.all",
        ):
            times = []
            for _ in range(5):
                started = time.perf_counter()
                subprocess.run([sys.executable, "-W", "ignore", "-c", line], check=True)
                times.append(time.perf_counter() - started)
            print(f"{line:30}{statistics.median(times):8.2f}")
