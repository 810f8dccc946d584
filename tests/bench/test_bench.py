"""Speed and memory beside other libraries, in one run. `make bench` runs these; nothing here fails.

Each figure is the median of processor time over several rounds in which the candidates take turns,
so that a machine whose speed drifts slows all of them. The ratios are taken round by round."""

import contextlib
import io
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
from functools import partial

import pytest
import torch
from fastai.vision.all import (
    ImageDataLoaders,
    Resize,
    accuracy,
    aug_transforms,
    no_random,
    resnet18,
    vision_learner,
)
from torch import nn

from rsna_cls import (
    KINDS,
    Gate,
    cam_atlas,
    dataloaders,
    embedded_learner,
    fetch_data,
    film_files,
    film_learner,
    film_tfms,
    fine_tune,
    grad_cam,
    load_film,
    predict,
    pretrained_resnet18,
    save_page,
    simulate_film,
)

ROUNDS = 9
SIZE = 224  # px
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def cpu_seconds(candidate):
    "Processor time of a call."
    before = resource.getrusage(resource.RUSAGE_SELF)
    candidate()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_turn(candidates, rounds=ROUNDS):
    "Run the candidates in turn; their times, round by round."
    for candidate in candidates.values():
        candidate()  # warm up
    times = []
    for _ in range(rounds):
        times.append({name: cpu_seconds(candidate) for name, candidate in candidates.items()})
    return times


def print_table(title, rounds, beside):
    "Median times, and median ratios to some of the candidates."
    threads = torch.get_num_threads()
    print(f"\n{title}, ResNet18, {threads} thread, {len(rounds)} rounds")
    header = "".join(f"{f'/ {other}, median':>26}" for other in beside)
    print(f"{'':18}{'CPU s, median':>14}{header}")
    for name in rounds[0]:
        median = statistics.median(times[name] for times in rounds)
        ratios = ""
        for other in beside:
            ratio = statistics.median(times[name] / times[other] for times in rounds)
            ratios += f"{ratio:26.2f}"
        print(f"{name:18}{median:14.3f}{ratios}")


@pytest.fixture(scope="module")
def model():
    "A ResNet18 as a body and a head, as `film_learner` makes it."
    torch.set_num_threads(1)  # threads that wait for each other burn processor time
    network = pretrained_resnet18("simulated")
    body = nn.Sequential(*list(network.children())[:-2])
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 2))
    return nn.Sequential(body, head).eval()


@torch.no_grad()
def forward_alone(model, x):
    model(x)


@pytest.mark.parametrize("films", [16, 1])
def test_grad_cam_at_the_last_block(model, films, capsys):
    from captum.attr import LayerGradCam
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    from torchcam.methods import GradCAM as TorchCAM

    x = torch.randn(films, 3, SIZE, SIZE)
    last = model[0][-1]
    captum = LayerGradCam(model, last)

    def torch_cam():
        with TorchCAM(model, last) as extractor:
            extractor(1, model(x))

    def pytorch_grad_cam():
        with GradCAM(model, [last]) as peer:
            peer(x, [ClassifierOutputTarget(1)] * films)

    candidates = {
        "rsna_cls": lambda: grad_cam(model, x, 1),
        "torch-cam": torch_cam,
        "captum": lambda: captum.attribute(x, target=1),
        "pytorch-grad-cam": pytorch_grad_cam,
        "forward pass": lambda: forward_alone(model, x),
    }
    rounds = in_turn(candidates)
    with capsys.disabled():
        print_table(f"Grad-CAM, last block, {films} film(s), {SIZE} px", rounds, ["rsna_cls"])


def test_all_maps_of_a_film(model, capsys):
    "Eight blocks, two classes, one film: one call of ours, sixteen of a peer, a forward pass."
    from captum.attr import LayerGradCam
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    from torchcam.methods import GradCAM as TorchCAM

    x = torch.randn(1, 3, SIZE, SIZE)
    blocks = list(model[0])
    classes = (0, 1)
    for part in model.modules():  # torch-cam cannot map a layer that the next one overwrites
        if hasattr(part, "inplace"):
            part.inplace = False

    def captum():
        for block in blocks:
            for target in classes:
                LayerGradCam(model, block).attribute(x, target=target)

    def torch_cam():
        for block in blocks:
            for target in classes:
                with TorchCAM(model, block) as extractor:
                    extractor(target, model(x))

    def pytorch_grad_cam():
        for block in blocks:
            with GradCAM(model, [block]) as peer:
                for target in classes:
                    peer(x, [ClassifierOutputTarget(target)])

    candidates = {
        "forward pass": lambda: forward_alone(model, x),
        "rsna_cls": lambda: cam_atlas(model, x),
        "captum": captum,
        "torch-cam": torch_cam,
        "pytorch-grad-cam": pytorch_grad_cam,
    }
    rounds = in_turn(candidates)
    with capsys.disabled():
        print_table(f"All 16 maps of a film, {SIZE} px", rounds, ["forward pass", "rsna_cls"])


def train_as_in_lesson_01(path, weights):
    with contextlib.redirect_stdout(io.StringIO()):
        learn = film_learner(dataloaders(path, film_tfms(), seed=0), weights, seed=0)
        fine_tune(learn, seed=0)
    return learn


def train_as_the_original(path):
    "The RSNA's course of 2020: 224 pixels, its augmentation, five epochs after a first one."
    with no_random(0):
        dls = ImageDataLoaders.from_folder(
            path,
            valid="val",
            seed=42,
            item_tfms=Resize(460),
            batch_tfms=aug_transforms(size=SIZE, min_scale=0.75),
            bs=16,
            num_workers=0,
        )
        learn = vision_learner(dls, resnet18, pretrained=False, metrics=accuracy)
        with learn.no_bar(), learn.no_logging():
            learn.fine_tune(5, base_lr=2e-3)
    return learn


def test_fine_tuning(capsys):
    "Lesson 01's recipe beside that of the course it succeeds: the whole training, films included."
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()):
        path = fetch_data("auto" if os.environ.get("RSNA_CLS_DATA") else "simulated")
    films = len(film_files(path / "train"))
    candidates = {
        "original course": lambda: train_as_the_original(path),
        "other_films": lambda: train_as_in_lesson_01(path, "other_films"),
        "simulated": lambda: train_as_in_lesson_01(path, "simulated"),
    }
    rounds = in_turn(candidates, rounds=3)
    with capsys.disabled():
        print_table(f"Fine-tuning on {films} films", rounds, ["original course"])


def one_thread():
    torch.set_num_threads(1)


def simulation_time(job, size):
    "Processor time of one film, given its kind and seed."
    started = time.process_time()
    simulate_film(*job, size=size)
    return time.process_time() - started


@pytest.mark.parametrize("size", [128, 224])
def test_simulated_films(size, capsys):
    "Films per second on two processes, whose start is not counted."
    task = partial(simulation_time, size=size)
    mixtures = {"chests and abdomens": KINDS[:2], "all kinds": KINDS}
    pool = multiprocessing.get_context("spawn").Pool(2, initializer=one_thread)
    with pool, capsys.disabled():
        pool.map(task, [("chest", 0), ("abd", 0)] * 2)  # warm up
        for name, kinds in mixtures.items():
            jobs = [(kinds[i % len(kinds)], i) for i in range(120)]
            started = time.perf_counter()
            cpu = sum(pool.map(task, jobs, chunksize=4))
            wall = time.perf_counter() - started
            n = len(jobs)
            print(
                f"\nsimulated films, {size} px, {name}: {n / wall:.1f} per second on two processes "
                f"(n = {n}; {1000 * cpu / n:.0f} ms of processor time each)"
            )


def test_start_up(capsys):
    "How long the imports take, each in a process of its own."
    lines = (
        "import rsna_cls",
        "from rsna_cls import fetch_data",
        "from rsna_cls import cam",
        "import fastai.vision.all",
    )
    with capsys.disabled():
        print("\nImport, wall seconds, median of 5")
        for line in lines:
            times = []
            for _ in range(5):
                started = time.perf_counter()
                subprocess.run([sys.executable, "-W", "ignore", "-c", line], check=True)
                times.append(time.perf_counter() - started)
            print(f"{line:32}{statistics.median(times):8.2f}")


def test_page(tmp_path, capsys):
    "A saved page in Chromium beside PyTorch, one thread each; wall time."
    playwright = pytest.importorskip("playwright.sync_api")
    if not os.path.exists(CHROMIUM):
        pytest.skip("needs Chromium")
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()):
        course = fetch_data("simulated")
        learn = embedded_learner()
        gate = Gate.fit(course)
        page = save_page(learn, tmp_path / "page.html", gate=gate)
    film = film_files(course / "test")[0]
    ask = """async ([greys, width, height, question]) => {
        const film = { width, height, greys: Uint8Array.from(greys) };
        const started = performance.now();
        await rsna_cls.engine[question](film);
        return performance.now() - started;
    }"""
    image = load_film(film)
    greys = list(image.tobytes())

    def seconds(candidate):
        started = time.perf_counter()
        candidate()
        return time.perf_counter() - started

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        window = browser.new_page()
        window.goto(page.as_uri())
        window.evaluate("rsna_cls.engine.ready()")
        times = {name: [] for name in ("ask", "askGate", "predict", "score")}
        for _ in range(ROUNDS + 1):
            for question in ("ask", "askGate"):
                values = [greys, image.width, image.height, question]
                times[question].append(window.evaluate(ask, values) / 1000)
            times["predict"].append(seconds(lambda: predict(learn, [image])))
            times["score"].append(seconds(lambda: gate.score([image])))
        browser.close()

    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    network = medians["ask"] / medians["predict"]
    of_gate = medians["askGate"] / medians["score"]
    with capsys.disabled():
        print(
            f"\npage: network {1000 * medians['ask']:.0f} ms, {network:.1f} times PyTorch; "
            f"gate {1000 * medians['askGate']:.0f} ms, {of_gate:.1f} times; n = {ROUNDS}"
        )
