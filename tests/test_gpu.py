"""The course on a GPU beside the CPU: the same answers, how much faster, and in how much memory.

`make gpu` runs this where there is a GPU; elsewhere all of it is skipped. What is found is printed
as one table. No figure of speed is judged, for it says as much about the machine as about us.

How far may two devices differ? They add up in another order, and so the last of about seven digits
differ. In convolutions newer cards also round what they multiply to three digits (TF32), unless
they are told not to. What comes out of a network differs as little. The gradient does not: a ReLU
whose input is nearly zero may be on here and off there, and a maximum of two nearly equal numbers
may be the one or the other. In float64 that does not happen, and there the maps must agree."""

import gc
import importlib
import io
import json
import os
import platform
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from fastai.torch_core import defaults
from safetensors.torch import load_file

from rsna_cls import (
    METHODS,
    Gate,
    calibrate,
    cam,
    cam_atlas,
    colour_scale,
    dataloaders,
    deletion_insertion,
    embedded_films,
    evaluation_mode,
    features,
    film_files,
    film_learner,
    film_tensor,
    film_tfms,
    fine_tune,
    grad_cam,
    hires_cam,
    hottest_place,
    load_model,
    map_films,
    overlay,
    pointing_game,
    predict,
    pretrain,
    pretrained_resnet18,
    randomization_check,
    read_tensors,
    relevance_mass,
    save_model,
    score,
    show_augmented,
    show_calibration,
    show_cam,
    show_curves,
    show_gate,
    show_predictions,
    show_scores,
    simulate_film,
)

DEVICE = torch.device("cuda")

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
    pytest.mark.slow(seconds=90),
]

SMALL = 64  # px along the side of a film, where only the way is tried
SIDE = 112  # px, where a network is trained on both devices
FULL_SIDE = 224  # px, as in the lesson
THREADS = 4  # of the CPU, as an ordinary laptop has
ROUNDS = 3  # that are timed, after one to warm up
MEMORY = 4e9  # bytes that may be used: the smallest card in Colab has 15 GB
LEFT_OVER = 16e6  # bytes that may stay in use: a third of the network's weights


# --- the table -----------------------------------------------------------------------------------


class Row(NamedTuple):
    "A line of the table."

    check: str
    cpu: str
    gpu: str
    compared: str  # ratio of times, or largest difference
    limit: str


ROWS: list[Row] = []


def add_row(check: str, cpu: Any = "", gpu: Any = "", compared: str = "", limit: str = "") -> None:
    "Put a line into the table."
    ROWS.append(Row(check, str(cpu), str(gpu), compared, limit))


def add_times(check: str, cpu: "Timed", gpu: "Timed") -> None:
    "Put seconds on both devices into the table."
    ratio = cpu.seconds / gpu.seconds
    add_row(check, f"{cpu.seconds:.3g} s", f"{gpu.seconds:.3g} s", f"{ratio:.1f} times")


def judge(check: str, difference: float, limit: float, cpu: Any = "", gpu: Any = "") -> None:
    "Put a difference into the table, and fail if it is above its limit or no number."
    add_row(check, cpu, gpu, f"{difference:.1e}", f"{limit:.0e}")
    assert difference <= limit, f"{check}: {difference:.2e} is above {limit:.0e}"


def print_table() -> None:
    "The table as Markdown, after a line that says what it was measured on."
    card = torch.cuda.get_device_name()
    tf32 = "on" if torch.backends.cudnn.allow_tf32 else "off"
    print(
        f"\n\n{card}; torch {torch.__version__}, fastai {metadata.version('fastai')}, "
        f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, "
        f"Python {platform.python_version()}; TF32 in convolutions {tf32}; "
        f"CPU: {platform.machine()}, {torch.get_num_threads()} threads. "
        "Seconds: medians, after one time to warm up; long ones on the CPU, once\n"
    )
    heading = Row(
        "check", "on the CPU", "on the GPU", "ratio CPU/GPU or largest difference", "limit"
    )
    for row in (heading, Row(*["---"] * len(heading)), *ROWS):
        print(f"| {' | '.join(row)} |")


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    "Collect what the tests find, on as many threads as a laptop has, and print it at the end."
    threads = torch.get_num_threads()
    torch.set_num_threads(min(THREADS, os.cpu_count() or 1))
    ROWS.clear()
    yield
    print_table()
    torch.set_num_threads(threads)


# --- devices, times, memory ----------------------------------------------------------------------


@contextmanager
def on_the_cpu() -> Iterator[None]:
    "Let fastai, and with it the library, compute on the CPU."
    before = defaults.use_cuda
    defaults.use_cuda = False
    try:
        yield
    finally:
        defaults.use_cuda = before


@contextmanager
def without_tf32() -> Iterator[None]:
    "Let the GPU multiply all digits."
    places: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    before = [place.allow_tf32 for place in places]
    for place in places:
        place.allow_tf32 = False
    try:
        yield
    finally:
        for place, is_allowed in zip(places, before, strict=True):
            place.allow_tf32 = is_allowed


@contextmanager
def as_it_comes() -> Iterator[None]:
    "Change nothing: PyTorch lets convolutions use TF32 where the card knows it."
    yield


PRECISIONS = {"float32": without_tf32, "TF32": as_it_comes}


@contextmanager
def quiet() -> Iterator[None]:
    "Keep progress bars and lines about epochs out of sight."
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield


def synchronise() -> None:
    "Wait until the GPU has done what it was told."
    torch.cuda.synchronize()


def memory_in_use() -> int:
    "Bytes of the GPU's memory that tensors hold."
    gc.collect()
    synchronise()
    return torch.cuda.memory_allocated()


def peak_memory(action: Callable[[], Any]) -> int:
    "Bytes of the GPU's memory that an action holds at most, beyond what was in use before."
    before = memory_in_use()
    torch.cuda.reset_peak_memory_stats()
    action()
    synchronise()
    return torch.cuda.max_memory_allocated() - before


def device_of(model: torch.nn.Module) -> str:
    "The kind of device that all of a model is on; several, if it is scattered."
    tensors = [*model.parameters(), *model.buffers()]
    return " and ".join(sorted({tensor.device.type for tensor in tensors}))


class Timed(NamedTuple):
    "What an action gave, and how long it took."

    answers: list  # one for each time it was done
    seconds: float  # median; the time to warm up is not counted


def timed(action: Callable[[], Any], rounds: int = ROUNDS) -> Timed:
    "Do something once to warm up, and several times to be timed."
    answers = [action()]
    times = []
    for _ in range(rounds):
        synchronise()
        started = time.perf_counter()
        answers.append(action())
        synchronise()
        times.append(time.perf_counter() - started)
    return Timed(answers, statistics.median(times))


def timed_once(action: Callable[[], Any]) -> Timed:
    "Do something that takes the CPU long once: there is nothing to warm up."
    started = time.perf_counter()
    answer = action()
    return Timed([answer], time.perf_counter() - started)


# --- what the tests share ------------------------------------------------------------------------


class Pair(NamedTuple):
    "The same on both devices."

    cpu: Any
    gpu: Any


def train(folder: Any, side: int = SIDE, epochs: int = 5) -> Any:
    "A learner trained by the recipe of lesson 01."
    with quiet():
        learn = film_learner(dataloaders(folder, tfms=film_tfms(), size=side))
        fine_tune(learn, epochs)
    return learn


def validation_films(folder: Any) -> list:
    "The files of the validation films, ten of them."
    return film_files(folder / "val")


def probabilities(learn: Any, films: Any) -> np.ndarray:
    "What a learner says about films, shape (n, classes)."
    return predict(learn, films)[list(learn.dls.vocab)].to_numpy(float)


def n_right(learn: Any, folder: Any) -> int:
    "How many validation films a learner gets right."
    said = predict(learn, validation_films(folder))
    return int((said["truth"] == said["prediction"]).sum())


def as_array(values: Any) -> np.ndarray:
    "An array, a tensor on any device, or a number, as float64."
    if isinstance(values, torch.Tensor):
        return values.detach().cpu().double().numpy()
    return np.array(values, dtype=np.float64)


def off(a: Any, b: Any) -> float:
    "Largest difference of two arrays, tensors or numbers."
    first = as_array(a)
    second = as_array(b)
    assert first.shape == second.shape
    return float(np.abs(first - second).max())


def relative(a: Any, b: Any) -> float:
    "Largest difference, as a share of the largest value of the second."
    return off(a, b) / float(np.abs(as_array(b)).max())


@pytest.fixture(scope="module")
def folder() -> Any:
    "The course folder of the embedded films."
    return embedded_films()


@pytest.fixture(scope="module")
def trainings(folder: Any) -> Pair:  # of `Timed`
    "Trainings on both devices, all by the same recipe and with the same seed."
    gpu = timed(lambda: train(folder))
    with on_the_cpu():
        cpu = timed_once(lambda: train(folder))
    return Pair(cpu, gpu)


@pytest.fixture(scope="module")
def pair(trainings: Pair, folder: Any) -> Pair:
    "A learner that was trained on the GPU, and the same network in a learner on the CPU."
    gpu = trainings.gpu.answers[-1]
    with on_the_cpu(), quiet():
        cpu = film_learner(dataloaders(folder, size=SIDE))
    cpu.model = deepcopy(gpu.model).to("cpu")
    return Pair(cpu, gpu)


@pytest.fixture(scope="module")
def sixteen(folder: Any) -> torch.Tensor:
    "Sixteen films as they are mapped in one batch, with grain: no two places are quite the same."
    films = [*validation_films(folder), *film_files(folder, recurse=False)]
    batch = film_tensor(films[:16], FULL_SIDE)
    assert len(batch) == 16
    shape = (len(batch), 1, FULL_SIDE, FULL_SIDE)
    return batch + 0.01 * torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def gates(folder: Any) -> Pair:  # of `Timed`
    "A gate fitted on each device."
    gpu = timed(lambda: Gate.fit(folder), rounds=1)
    with on_the_cpu():
        cpu = timed_once(lambda: Gate.fit(folder))
    return Pair(cpu, gpu)


def needs_metadata() -> None:
    "Skip where the package's files lie about without having been installed."
    try:
        metadata.version("rsna_cls")
    except metadata.PackageNotFoundError:
        pytest.skip("needs the package to be installed, or its egg-info beside it")


# --- where a learner is --------------------------------------------------------------------------


def test_the_set_up_names_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    needs_metadata()
    check = importlib.import_module("rsna_cls.check")
    monkeypatch.setattr(check, "_check_requirements", lambda: None)
    words = io.StringIO()
    with redirect_stdout(words):
        check.check_setup()
    assert "a GPU" in words.getvalue() and "no GPU" not in words.getvalue()


def test_a_new_learner_is_where_it_says(folder: Any) -> None:
    "`film_learner` prints the device: the network and its maps are there, before any training."
    words = io.StringIO()
    with redirect_stdout(words):
        learn = film_learner(dataloaders(folder, size=SMALL))
    assert f"on {DEVICE.type}" in words.getvalue()
    maps = grad_cam(learn, validation_films(folder)[:2])
    add_row("a new learner: its network, its maps", gpu=f"{device_of(learn.model)}, {maps.device}")
    assert device_of(learn.model) == DEVICE.type
    assert maps.device.type == DEVICE.type


# --- training ------------------------------------------------------------------------------------


def test_training(trainings: Pair, folder: Any) -> None:
    "The recipe of lesson 01, smaller films."
    add_times(
        f"training, 65 films, last layer and 5 epochs, {SIDE} px", trainings.cpu, trainings.gpu
    )
    on_gpu = trainings.gpu.answers[-1]
    on_cpu = trainings.cpu.answers[-1]
    assert device_of(on_gpu.model) == DEVICE.type
    assert device_of(on_cpu.model) == "cpu"
    for loader in (on_gpu.dls.train, on_gpu.dls.valid):
        films, labels = loader.one_batch()
        assert films.device.type == labels.device.type == DEVICE.type

    with on_the_cpu():
        right_on_cpu = n_right(on_cpu, folder)
        said_on_cpu = probabilities(on_cpu, validation_films(folder))
    right_on_gpu = n_right(on_gpu, folder)
    add_row("validation films right, of 10", right_on_cpu, right_on_gpu, limit="9 or more")
    apart = off(probabilities(on_gpu, validation_films(folder)), said_on_cpu)
    add_row(
        "probabilities, trained there beside trained here",
        compared=f"{apart:.1e}",
        limit="none: each device draws its own augmentation",
    )
    assert len(said_on_cpu) == 10
    assert right_on_cpu >= 9
    assert right_on_gpu >= 9


def all_weights(learn: Any) -> torch.Tensor:
    "The weights of a network, one behind the other."
    return torch.cat([weights.flatten() for weights in learn.model.parameters()])


def test_the_same_seed_twice(trainings: Pair, folder: Any) -> None:
    "Two trainings on the GPU."
    first, second = trainings.gpu.answers[-2:]
    add_row(
        "the same seed twice on the GPU: weights",
        compared=f"{off(all_weights(first), all_weights(second)):.1e}",
        limit="none",
    )
    films = validation_films(folder)
    judge(
        "the same seed twice on the GPU: probabilities",
        off(probabilities(first, films), probabilities(second, films)),
        limit=0.05,
    )


# --- the same network on both devices ------------------------------------------------------------


ANSWERS_LIMIT = {"float32": 1e-4, "TF32": 2e-2}


@torch.no_grad()
def logits(learn: Any, batch: torch.Tensor) -> torch.Tensor:
    "What the network gives for a batch, shape (n, classes)."
    with evaluation_mode(learn.model):
        return learn.model(batch.to(device_of(learn.model)))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_logits(pair: Pair, sixteen: torch.Tensor, precision: str) -> None:
    with PRECISIONS[precision]():
        on_gpu = logits(pair.gpu, sixteen)
    assert on_gpu.device.type == DEVICE.type
    difference = relative(on_gpu, logits(pair.cpu, sixteen))
    judge(f"logits, share of the largest, {precision}", difference, ANSWERS_LIMIT[precision])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_features(folder: Any, precision: str) -> None:
    films = validation_films(folder)
    sizes = (96, FULL_SIDE)
    with PRECISIONS[precision]():
        on_gpu = features(films, sizes, blocks=2)
    with on_the_cpu():
        on_cpu = features(films, sizes, blocks=2)
    difference = np.max([relative(a, b) for a, b in zip(on_gpu, on_cpu, strict=True)])
    judge(f"features, share of the largest, {precision}", difference, ANSWERS_LIMIT[precision])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_predictions(pair: Pair, folder: Any, precision: str) -> None:
    "From files: they are read and normalised on the way."
    films = [*validation_films(folder), *film_files(folder, recurse=False)]
    with PRECISIONS[precision]():
        on_gpu = probabilities(pair.gpu, films)
    with on_the_cpu():
        on_cpu = probabilities(pair.cpu, films)
    judge(f"probabilities, {precision}", off(on_gpu, on_cpu), ANSWERS_LIMIT[precision])


# --- maps ----------------------------------------------------------------------------------------


class MapLimits(NamedTuple):
    "How far maps on two devices may differ: shares of each map's largest value, or of its heat."

    last: float  # at the last block, where no gradient comes through a ReLU: largest difference
    earlier: float  # at the seven blocks before: largest difference
    heat: float  # there: the share of the heat that lies elsewhere


# The early blocks differ most: Grad-CAM there adds up terms that nearly cancel each other. In TF32
# an H200 was a fifth of the largest value off, and 0.04 of the heat.
MAP_LIMITS = {
    "float64": MapLimits(last=1e-5, earlier=1e-5, heat=1e-5),
    "float32": MapLimits(last=1e-3, earlier=0.3, heat=0.05),
    "TF32": MapLimits(last=2e-2, earlier=0.6, heat=0.2),
}


def all_maps(learn: Any, films: Any, method: str) -> dict[int, torch.Tensor]:
    "Block → signed maps, shape (n, classes, h, w); the last block alone where there is no other."
    if METHODS[method].at_any_layer:
        return cam_atlas(learn, films, method, relu=False)
    return {-1: torch.stack([cam(learn, films, target) for target in (0, 1)], 1)}


def largest_share(a: torch.Tensor, b: torch.Tensor) -> float:
    "Largest difference of two stacks of maps, as a share of each map's largest value."
    difference = (a - b).abs().amax((2, 3))
    return float((difference / b.abs().amax((2, 3))).max())


def heat_elsewhere(a: torch.Tensor, b: torch.Tensor) -> float:
    "The difference of two stacks of maps added up, as a share of each map's values added up."
    difference = (a - b).abs().sum((2, 3))
    return float((difference / b.abs().sum((2, 3))).max())


@contextmanager
def in_double_precision(learn: Any) -> Iterator[None]:
    "Let a learner have a network of float64 for a while."
    before = learn.model
    learn.model = deepcopy(before).double()
    try:
        yield
    finally:
        learn.model = before


@pytest.fixture(scope="module")
def maps_on_the_cpu(pair: Pair, sixteen: torch.Tensor) -> dict[str, dict[int, torch.Tensor]]:
    "Method → maps of eight films on the CPU, in float32."
    return {method: all_maps(pair.cpu, sixteen[:8], method) for method in METHODS}


@pytest.mark.parametrize("precision", MAP_LIMITS)
@pytest.mark.parametrize("method", METHODS)
def test_maps(
    pair: Pair, sixteen: torch.Tensor, maps_on_the_cpu: dict, method: str, precision: str
) -> None:
    "All blocks, both classes, with sign; the same batch of films."
    if precision == "float64":
        films = sixteen[:4].double()
        with in_double_precision(pair.gpu), in_double_precision(pair.cpu):
            on_gpu = all_maps(pair.gpu, films, method)
            on_cpu = all_maps(pair.cpu, films, method)
    else:
        with PRECISIONS[precision]():
            on_gpu = all_maps(pair.gpu, sixteen[:8], method)
        on_cpu = maps_on_the_cpu[method]
    assert {maps.device.type for maps in on_gpu.values()} == {DEVICE.type}
    assert {maps.device.type for maps in on_cpu.values()} == {"cpu"}
    on_gpu = {block: maps.cpu() for block, maps in on_gpu.items()}

    # All into the table before any is judged.
    label = f"{METHODS[method].label}, {precision}"
    limits = MAP_LIMITS[precision]
    judged = [(f"{label}: last block, largest", largest_share(on_gpu[-1], on_cpu[-1]), limits.last)]
    earlier = [block for block in on_cpu if block != -1]
    if earlier:
        # NumPy's `max` gives nan where there is one, Python's may pass it over.
        largest = np.max([largest_share(on_gpu[block], on_cpu[block]) for block in earlier])
        heat = np.max([heat_elsewhere(on_gpu[block], on_cpu[block]) for block in earlier])
        judged.append((f"{label}: blocks −8 to −2, largest", largest, limits.earlier))
        judged.append((f"{label}: blocks −8 to −2, heat elsewhere", heat, limits.heat))
    for check, difference, limit in judged:
        add_row(check, compared=f"{difference:.1e}", limit=f"{limit:.0e}")
    for check, difference, limit in judged:
        assert difference <= limit, check


def test_maps_of_files(pair: Pair, folder: Any) -> None:
    "As a lesson asks for them: one map for each film, of its own prediction, at the last block."
    films = validation_films(folder)
    for method, label in ((cam, "CAM"), (grad_cam, "Grad-CAM"), (hires_cam, "HiResCAM")):
        on_gpu = method(pair.gpu, films)
        with on_the_cpu():
            on_cpu = method(pair.cpu, films)
        assert on_gpu.device.type == DEVICE.type
        assert on_cpu.device.type == "cpu"
        check = f"{label} of files, TF32: share of the largest"
        judge(check, largest_share(on_gpu.cpu()[:, None], on_cpu[:, None]), MAP_LIMITS["TF32"].last)


def test_targets_and_logits_of_maps(pair: Pair, folder: Any) -> None:
    "Both are on the CPU, as promised; one target for each film, by name."
    films = validation_films(folder)
    vocab = list(pair.gpu.dls.vocab)
    wanted = [vocab[i % 2] for i in range(len(films))]
    found = map_films(pair.gpu, films, wanted)
    assert found.targets.device.type == found.scores.device.type == "cpu"
    assert found.maps.device.type == DEVICE.type
    assert found.targets.tolist() == [i % 2 for i in range(len(films))]


def test_seconds_of_maps(pair: Pair, sixteen: torch.Tensor) -> None:
    on_gpu = timed(lambda: cam_atlas(pair.gpu, sixteen))
    on_cpu = timed(lambda: cam_atlas(pair.cpu, sixteen), rounds=1)
    add_times(f"maps: 8 blocks, 2 classes, 16 films, {FULL_SIDE} px", on_cpu, on_gpu)
    for block in range(-8, 0):
        assert torch.isfinite(on_gpu.answers[-1][block]).all()


# --- is a map right? -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated() -> list:
    "Four simulated chests with their masks."
    return [simulate_film("chest", seed, size=FULL_SIDE) for seed in range(4)]


def test_maps_beside_masks(pair: Pair, simulated: list) -> None:
    "`relevance_mass` and `pointing_game` of maps that lie on the GPU."
    films = [film.image for film in simulated]
    masks = [film.masks["lungs"] for film in simulated]
    with without_tf32():
        maps = grad_cam(pair.gpu, films, "chest")
    with on_the_cpu():
        maps_on_cpu = grad_cam(pair.cpu, films, "chest")
    assert maps.device.type == DEVICE.type
    mass = relevance_mass(maps, masks)
    mass_on_cpu = relevance_mass(maps_on_cpu, masks)
    hits = pointing_game(maps, masks)["hit"].tolist()
    hits_on_cpu = pointing_game(maps_on_cpu, masks)["hit"].tolist()
    judge("relevance mass", off(mass.to_numpy(), mass_on_cpu.to_numpy()), limit=1e-3)
    add_row("pointing game: hits", sum(hits_on_cpu), sum(hits), limit="the same films")
    assert hits == hits_on_cpu


def similarities(learn: Any, films: list) -> np.ndarray:
    "What is left of the maps, step by step."
    return randomization_check(learn, films)["similarity"].to_numpy(float)


def test_randomization(pair: Pair, folder: Any) -> None:
    "The random numbers are the same on both devices, and so is what is left of the maps."
    films = validation_films(folder)
    with without_tf32():
        on_gpu = similarities(pair.gpu, films)
    with on_the_cpu():
        on_cpu = similarities(pair.cpu, films)
    judge("randomization: similarity", off(on_gpu, on_cpu), limit=0.05)


class Curves(NamedTuple):
    "What `deletion_insertion` found on the CPU, and for what."

    films: list
    maps: torch.Tensor  # on the CPU
    found: np.ndarray  # shape (n, 4)


def curves_on(learn: Any, films: list, maps: torch.Tensor) -> np.ndarray:
    "The answer as places go and as they come, in a few steps, shape (n, 4)."
    return deletion_insertion(learn, films, maps, steps=8).to_numpy(float)


@pytest.fixture(scope="module")
def curves(pair: Pair, folder: Any) -> Curves:
    "Of chests and abdomens, and maps with sign: no two squares are equal, their order is clear."
    films = validation_films(folder)[2:8]
    with on_the_cpu():
        maps = grad_cam(pair.cpu, films, relu=False)
        return Curves(films, maps, curves_on(pair.cpu, films, maps))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_deletion_insertion(pair: Pair, curves: Curves, precision: str) -> None:
    "Both devices are given the same maps."
    with PRECISIONS[precision]():
        on_gpu = curves_on(pair.gpu, curves.films, curves.maps.to(DEVICE))
    difference = off(on_gpu, curves.found)
    judge(f"deletion and insertion, {precision}", difference, ANSWERS_LIMIT[precision])


def test_deletion_insertion_of_equal_squares(pair: Pair, curves: Curves) -> None:
    "As ReLU leaves maps: half of the squares are zero, and go in the same order everywhere."
    medians = curves.maps.flatten(1).median(1).values[:, None, None]
    maps = (curves.maps - medians).relu()
    with on_the_cpu():
        on_cpu = curves_on(pair.cpu, curves.films, maps)
    with without_tf32():
        on_gpu = curves_on(pair.gpu, curves.films, maps.to(DEVICE))
    judge("deletion and insertion, half of the squares equal", off(on_gpu, on_cpu), limit=1e-2)


# --- the gate ------------------------------------------------------------------------------------


def test_gate(gates: Pair, folder: Any) -> None:
    "Fitted and asked on each device, as it comes: the same films pass."
    gpu = gates.gpu.answers[-1]
    cpu = gates.cpu.answers[-1]
    add_times("gate: fitted on 75 films", gates.cpu, gates.gpu)
    films = [*film_files(folder / "val"), *film_files(folder / "test")]
    films += film_files(folder, recurse=False)
    stranger_on_gpu = gpu.score(films)
    with on_the_cpu():
        stranger_on_cpu = cpu.score(films)
    passes_on_gpu = stranger_on_gpu <= gpu.limit
    passes_on_cpu = stranger_on_cpu <= cpu.limit
    add_row(
        f"gate: films that pass, of {len(films)}",
        passes_on_cpu.sum(),
        passes_on_gpu.sum(),
        limit="the same films",
    )
    assert (passes_on_gpu == passes_on_cpu).all()
    judge("gate: stranger, TF32", off(stranger_on_gpu, stranger_on_cpu), limit=1e-3)
    judge("gate: limit, TF32", abs(gpu.limit - cpu.limit), limit=1e-3)


def test_a_gate_that_moves(gates: Pair, folder: Any) -> None:
    "A film that decides the limit must not be refused elsewhere: the limit's margin covers that."
    margin = importlib.import_module("rsna_cls.gate")._ROUNDING
    films = [*film_files(folder / "val"), *film_files(folder / "test")]
    fitted_here = gates.cpu.answers[-1]
    with on_the_cpu():
        at_home = fitted_here.score(films)
    elsewhere = fitted_here.score(films)
    alone = np.array([fitted_here.score([film])[0] for film in films])
    moved = max(off(elsewhere, at_home), off(alone, at_home))
    judge("gate: stranger of a gate from the CPU, beside its limit's margin", moved, margin)


# --- pretraining ---------------------------------------------------------------------------------


def pretrain_a_little(place: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list, list]:
    "Three steps: the weights' file, each step's loss, and the types of the logits."
    room = importlib.import_module("rsna_cls.pretrain")
    types = []
    loss = room._loss

    def loss_and_type(answers, truth):
        types.append(answers["kind"].dtype)
        return loss(answers, truth)

    with monkeypatch.context() as patch, quiet():
        patch.setattr(room, "_LOG_EVERY", 1)
        patch.setattr(room, "_loss", loss_and_type)
        weights = pretrain(place, n=8, epochs=3, bs=8, sizes={SMALL: 1.0}, processes=1)
    lines = (weights.parent / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return weights, [json.loads(line)["loss"] for line in lines], types


def test_pretraining(folder: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    "In bfloat16 on the GPU; begun alike on a CPU that knows none; the weights fit a learner."
    weights, losses, types = pretrain_a_little(tmp_path / "gpu", monkeypatch)
    shutil.copytree(weights.parent / "films", tmp_path / "cpu/simulated/films")
    room = importlib.import_module("rsna_cls.pretrain")
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        patch.setattr(room, "_HALVES", ())  # some processors know them, too
        _, losses_on_cpu, types_on_cpu = pretrain_a_little(tmp_path / "cpu", monkeypatch)
    assert len(losses) == len(losses_on_cpu) == 3
    assert types == [torch.bfloat16] * 3
    assert types_on_cpu == [torch.float32] * 3
    assert np.isfinite(losses).all()

    # The weights' file.
    tensors = read_tensors(weights)
    assert {tensor.device.type for tensor in tensors.values()} == {"cpu"}
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    first_filters = pretrained_resnet18(weights).conv1.weight
    assert off(first_filters, tensors["conv1.weight"]) == 0
    with quiet():
        learn = film_learner(dataloaders(folder, size=SMALL), weights)
    assert np.isfinite(probabilities(learn, validation_films(folder)[:2])).all()

    judge(
        "pretraining, bfloat16: loss of the first step, share",
        relative(losses[0], losses_on_cpu[0]),
        limit=2e-2,
        cpu=f"{losses_on_cpu[0]:.3f}",
        gpu=f"{losses[0]:.3f}",
    )


# --- mixed precision -----------------------------------------------------------------------------


def hottest(maps: torch.Tensor) -> torch.Tensor:
    "Row and column of each map's hottest place, shape (n, 2)."
    place = maps.flatten(1).argmax(1).cpu()
    width = maps.shape[2]
    return torch.stack([place // width, place % width], 1)


def share_alike(a: torch.Tensor, b: torch.Tensor) -> float:
    "The share of films whose hottest places are the same, or next to each other."
    steps = (hottest(a) - hottest(b)).abs().amax(1)
    return float((steps <= 1).double().mean())


def test_mixed_precision(pair: Pair, folder: Any) -> None:
    "fastai's `to_fp16`: trains, predicts, and makes maps like a network trained in full precision."
    types = set()
    with quiet():
        learn = film_learner(dataloaders(folder, tfms=film_tfms(), size=SIDE)).to_fp16()
        hook = learn.model.register_forward_hook(lambda *call: types.add(call[-1].dtype))
        fine_tune(learn, 5)
    hook.remove()
    assert types == {torch.float16}  # so it was half precision that trained

    films = validation_films(folder)
    maps = grad_cam(learn, films)
    said = probabilities(learn, films)
    right = n_right(learn, folder)
    alike = share_alike(maps, grad_cam(pair.gpu, films))
    difference = off(said, probabilities(pair.gpu, films))
    add_row("to_fp16: validation films right, of 10", gpu=right, limit="9 or more")
    add_row("to_fp16: hottest places alike", gpu=f"{alike:.0%}", limit="60 % or more")
    assert np.isfinite(learn.history["train_loss"]).all()
    assert np.isfinite(learn.history["valid_loss"]).all()
    assert {p.dtype for p in learn.model.parameters()} == {torch.float32}
    assert torch.isfinite(maps).all()
    assert right >= 9
    assert alike >= 0.6
    judge("to_fp16: probabilities beside full precision", difference, limit=0.1)


def test_maps_under_autocast(pair: Pair, folder: Any) -> None:
    "Whoever predicts in half precision may ask for maps there."
    films = validation_films(folder)
    in_full = {method: map_films(pair.gpu, films, method=method).maps for method in METHODS}
    with torch.autocast(DEVICE.type, torch.float16):
        in_half = {method: map_films(pair.gpu, films, method=method).maps for method in METHODS}
    for method, maps in in_half.items():
        alike = share_alike(maps, in_full[method])
        label = METHODS[method].label
        add_row(f"{label} under autocast: hottest places alike", gpu=f"{alike:.0%}", limit="80 %")
        assert maps.dtype == torch.float32
        assert torch.isfinite(maps).all()
        assert alike >= 0.8


# --- memory --------------------------------------------------------------------------------------


def judge_memory(check: str, n_bytes: int, limit: float) -> None:
    "Put an amount of memory into the table, and fail if it is above its limit."
    add_row(check, gpu=f"{n_bytes / 1e6:.0f} MB", limit=f"{limit / 1e6:.0f} MB")
    assert n_bytes <= limit, check


def test_memory_of_training(folder: Any) -> None:
    "At full size, in batches of 8; when the learner is gone, so is what it held."

    def train_and_forget():
        train(folder, FULL_SIDE, epochs=1)

    train_and_forget()  # PyTorch keeps some working memory from the first time on
    before = memory_in_use()
    peak = peak_memory(train_and_forget)
    left = memory_in_use() - before
    judge_memory(f"memory: training, {FULL_SIDE} px, batches of 8", peak, MEMORY)
    judge_memory("memory: left over after the learner is gone", left, LEFT_OVER)


def test_memory_of_maps(pair: Pair, sixteen: torch.Tensor) -> None:
    "All blocks of sixteen films; three rounds of it leave nothing behind."

    def map_and_forget():
        cam_atlas(pair.gpu, sixteen)

    map_and_forget()
    before = memory_in_use()
    peak = peak_memory(map_and_forget)
    left = []
    for _ in range(3):
        map_and_forget()
        left.append(memory_in_use() - before)
    judge_memory(f"memory: maps, 8 blocks, 16 films, {FULL_SIDE} px", peak, MEMORY)
    judge_memory("memory: left over after three rounds of maps", max(left), 1e6)


# --- saved models --------------------------------------------------------------------------------


def test_saved_on_the_gpu(pair: Pair, gates: Pair, folder: Any, tmp_path: Any) -> None:
    "The files know nothing of the GPU, and a computer without one gets the same answers."
    needs_metadata()
    films = validation_films(folder)
    gate = gates.gpu.answers[-1]
    saved = save_model(pair.gpu, tmp_path / "model", gate=gate)
    tensors = load_file(saved / "model.safetensors")
    assert {tensor.device.type for tensor in tensors.values()} == {"cpu"}
    assert "cuda" not in (saved / "model.json").read_text(encoding="utf-8").lower()
    assert Gate.load(saved).limit == gate.limit

    with on_the_cpu():
        loaded = load_model(saved)
        said = probabilities(loaded, films)
        expected = probabilities(pair.cpu, films)
        loaded_maps = grad_cam(loaded, films)
    assert device_of(loaded.model) == loaded_maps.device.type == "cpu"
    judge("saved on the GPU, loaded on the CPU: probabilities", off(said, expected), limit=1e-6)


def test_saved_on_the_cpu(pair: Pair, folder: Any, tmp_path: Any) -> None:
    "A model that was loaded where there is a GPU is on the GPU, and so are its maps."
    needs_metadata()
    films = validation_films(folder)
    with on_the_cpu():
        saved = save_model(pair.cpu, tmp_path / "model.zip")
    loaded = load_model(saved)
    with without_tf32():
        said = probabilities(loaded, films)
        expected = probabilities(pair.gpu, films)
    difference = off(said, expected)
    maps = grad_cam(loaded, films)
    add_row(
        "a loaded model: its network, its maps", gpu=f"{device_of(loaded.model)}, {maps.device}"
    )
    judge("saved on the CPU, loaded on the GPU: probabilities", difference, limit=1e-4)
    assert device_of(loaded.model) == maps.device.type == DEVICE.type


# --- a learning rate -----------------------------------------------------------------------------


def test_find_lr(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    "Within the CPU's order of magnitude. Without augmentation, both see the same films."
    pytest.importorskip("IPython")
    room = importlib.import_module("rsna_cls.lr")
    pictures: list[Any] = []
    monkeypatch.setattr(room, "display", pictures.append)

    def find():
        with quiet():
            learn = film_learner(dataloaders(folder, size=SMALL))
            return room.find_lr(learn, steps=20)

    on_gpu = timed(find, rounds=1)
    with on_the_cpu():
        on_cpu = timed_once(find)
    assert len(pictures) == 3
    add_times(f"find_lr, 20 batches, {SMALL} px", on_cpu, on_gpu)
    gpu = on_gpu.answers[-1]
    cpu = on_cpu.answers[-1]
    magnitudes = np.abs(np.log10(gpu) - np.log10(cpu)).max()
    judge(
        "find_lr: rates, orders of magnitude",
        float(magnitudes),
        limit=1.0,
        cpu=f"{cpu.low:.1e} to {cpu.high:.1e}",
        gpu=f"{gpu.low:.1e} to {gpu.high:.1e}",
    )


# --- figures and widgets -------------------------------------------------------------------------


def draw_augmented(learn, folder, gate):
    tfms = film_tfms(flip=True, warp=0.2, marks=1.0, p=1.0)
    return show_augmented(dataloaders(folder, tfms=tfms, size=SMALL), n=3)


def draw_curves(learn, folder, gate):
    return show_curves(learn)


def draw_predictions(learn, folder, gate):
    return show_predictions(learn, folder / "test")


def draw_scores(learn, folder, gate):
    return show_scores(score(predict(learn, folder / "val", gate), positive="chest"))


def draw_calibration(learn, folder, gate):
    return show_calibration(calibrate(predict(learn, folder / "val")))


def draw_signed_maps(learn, folder, gate):
    return show_cam(learn, validation_films(folder)[:2], method="cam", relu=False)


def draw_early_maps(learn, folder, gate):
    films = validation_films(folder)[:2]
    return show_cam(learn, films, target="chest", method="hires_cam", block=-8)


def draw_maps_of_a_batch(learn, folder, gate):
    return show_cam(learn, film_tensor(validation_films(folder)[:2], SMALL).to(DEVICE))


def draw_gate(learn, folder, gate):
    return show_gate(gate, film_files(folder, recurse=False)[:2])


FIGURES = [
    draw_augmented,
    draw_curves,
    draw_predictions,
    draw_scores,
    draw_calibration,
    draw_signed_maps,
    draw_early_maps,
    draw_maps_of_a_batch,
    draw_gate,
]


@pytest.mark.parametrize("draw", FIGURES, ids=lambda draw: draw.__name__)
def test_figures(pair: Pair, gates: Pair, folder: Any, draw: Callable) -> None:
    "Whatever is drawn from a learner on the GPU."
    shown = draw(pair.gpu, folder, gates.gpu.answers[-1])
    add_row(draw.__name__.replace("_", " "), gpu="drawn")
    assert shown.png.startswith(b"\x89PNG")
    assert shown.alt


def test_a_map_that_lies_on_the_gpu_is_drawn(pair: Pair, folder: Any) -> None:
    "`overlay` and its companions take a map as `grad_cam` gives it."
    heat = grad_cam(pair.gpu, validation_films(folder)[:1])[0]
    assert heat.device.type == DEVICE.type
    assert hottest_place(heat) == hottest_place(heat.cpu())
    scale = colour_scale(heat, signed=False)
    film = np.full((SMALL, SMALL), 100.0)
    expected = overlay(heat.cpu(), film, scale)
    assert off(overlay(heat, film, scale), expected) < 1e-3
    add_row("draw a map that lies on the GPU", gpu="drawn")


def test_widgets(pair: Pair, folder: Any) -> None:
    "What a person does with them, without a browser."
    pytest.importorskip("ipywidgets")
    from rsna_cls import MapFrames, augment_explorer, cam_explorer

    films = validation_films(folder)[:2]
    frames = MapFrames(pair.gpu, films)
    for method in METHODS:
        assert frames.frame(1, method, "chest").png.startswith(b"\x89PNG")

    explorer = cam_explorer(pair.gpu, films, "chest")
    controls, out = explorer.children
    _, method, _, _, block, _ = controls.children
    seen = {out.value}
    block.value = -8
    seen.add(out.value)
    method.value = "hires_cam"
    seen.add(out.value)
    assert len(seen) == 3

    controls, out = augment_explorer(folder, size=SMALL, n=2).children
    look = controls.children[-1]
    first = out.value
    look.value = 2
    assert out.value != first
    add_row("widgets", gpu="drawn")
