"""Measure what weights are worth: what rsna_cls/weights/README.md says, one line per number.

    python tools/measure_weights.py                             # the embedded weights
    python tools/measure_weights.py my_folder/resnet18_simulated.safetensors

Real films are those of RSNA_CLS_DATA; without it only the simulated ones are asked. The two test
films are left out unless `--test` is given. (tools/measure_gate.py measures the distances.)
"""

import os
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rsna_cls import (
    EMBEDDED_WEIGHTS,
    KINDS,
    fetch_data,
    film_files,
    film_tensor,
    pretrained_resnet18,
    read_tensors,
    simulate_film,
    wilson,
)

SIZES = (96, 128, 160, 192, 224)
FIRST_SEED = 5_000_000  # neither the embedded films' seeds nor the pretraining's
BATCH = 16


def network(weights: Path) -> nn.Module:
    "The ResNet18 with its kind layer."
    last_layer = {}
    for name, tensor in read_tensors(weights).items():
        if name.startswith("fc."):
            last_layer[name.removeprefix("fc.")] = tensor.float()
    if not last_layer:
        raise SystemExit(f"{weights} has no layer that names kinds")
    net = pretrained_resnet18(weights).eval()
    net.fc = nn.Linear(512, len(last_layer["bias"]))
    net.fc.load_state_dict(last_layer)
    return net


@torch.no_grad()
def scores(net: nn.Module, films: list, size: int) -> Tensor:
    "The kind layer's scores of films at a size, (n, kinds)."
    batches = [films[i : i + BATCH] for i in range(0, len(films), BATCH)]
    return torch.cat([net(film_tensor(batch, size)) for batch in batches])


def print_share(name: str, is_right: list[bool]) -> None:
    "How many are right, with an interval."
    n = len(is_right)
    low, high = wilson(sum(is_right), n)
    share = np.mean(is_right)
    print(f"{name}: {sum(is_right)}/{n} = {share:.3f} [{low:.3f}, {high:.3f}]", flush=True)


def measure_simulated(net: nn.Module, size: int, n: int) -> None:
    "New seeds of the two main kinds."
    films, truths = [], []
    for kind in (0, 1):
        for i in range(n):
            films.append(simulate_film(KINDS[kind], FIRST_SEED + i, 192).image)
            truths.append(kind)
    answers = scores(net, films, size)[:, :2].argmax(1).tolist()
    is_right = [answer == truth for answer, truth in zip(answers, truths, strict=True)]
    print_share(f"simulated chests and abdomens, kind layer at {size} px", is_right)


def measure_real(net: nn.Module, path: Path, size: int, test: bool) -> None:
    "Real films by the kind layer: chest or abdomen, and any kind allowed."
    files = [file for file in film_files(path) if file.parent != path]
    if not test:
        files = [file for file in files if "test" not in file.parts]
    names = [*KINDS, "detail"]
    found = scores(net, files, size)

    between_two = [names[i] for i in found[:, :2].argmax(1)]
    is_right = [name == file.parent.name for name, file in zip(between_two, files, strict=True)]
    print_share(f"real films by the kind layer at {size} px", is_right)
    wrong = [file for file, right in zip(files, is_right, strict=True) if not right]
    print("   wrong:", *(file.relative_to(path) for file in wrong))

    among_all = [names[i] for i in found.argmax(1)]
    is_right = [name == file.parent.name for name, file in zip(among_all, files, strict=True)]
    print_share("   the same, any kind allowed", is_right)


def main() -> None:
    "The command line."
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights", nargs="?", type=Path, default=EMBEDDED_WEIGHTS)
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--n", type=int, default=60, help="simulated films of each kind")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    given = parser.parse_args()

    net = network(given.weights)
    if os.environ.get("RSNA_CLS_DATA"):
        path = fetch_data("auto")
        for size in given.sizes:
            measure_real(net, path, size, given.test)
    for size in given.sizes:
        if size in (128, 224):
            measure_simulated(net, size, given.n)


if __name__ == "__main__":
    main()
