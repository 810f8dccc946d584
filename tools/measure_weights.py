"""Measure what weights are worth: what rsna_cls/weights/README.md says, one line per number. (tools/measure_gate.py measures their distances.)

    python tools/measure_weights.py                             # the embedded weights
    python tools/measure_weights.py my_folder/resnet18_simulated.safetensors

Real films are those of RSNA_CLS_DATA; without it only the simulated ones are asked. The two test films are left out unless `--test` is given."""

import os
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import torch

from rsna_cls import (
    fetch_data,
    film_files,
    film_tensor,
    pretrained_resnet18,
    read_tensors,
    simulate_film,
    wilson,
)
from rsna_cls.pretrain import KINDS

EMBEDDED = Path(__file__).resolve().parents[1] / "rsna_cls/weights/resnet18_simulated.safetensors"
SIZES = (96, 128, 160, 192, 224)


def network(weights):
    "The ResNet18 with its kind layer."
    net, last = (
        pretrained_resnet18(weights)[0].eval(),
        {k[3:]: v.float() for k, v in read_tensors(weights).items() if k.startswith("fc.")},
    )
    if not last:
        raise SystemExit(f"{weights} has no layer that names kinds")
    net.fc = torch.nn.Linear(512, len(last["bias"]))
    net.fc.load_state_dict(last)
    return net


@torch.no_grad()
def features(net, films, size):
    "Pooled features of films at a size, (n, 512)."
    body = torch.nn.Sequential(*list(net.children())[:-1])
    return torch.cat(
        [body(film_tensor(films[i : i + 16], size)).flatten(1) for i in range(0, len(films), 16)]
    )


def share(name, right):
    low, high = wilson(sum(right), len(right))
    print(
        f"{name}: {sum(right)}/{len(right)} = {np.mean(right):.3f} [{low:.3f}, {high:.3f}]",
        flush=True,
    )


def measure_simulated(net, size, n):
    "New seeds of the two main kinds."
    films = [simulate_film(k, 5_000_000 + i, 192).image for k in KINDS[:2] for i in range(n)]
    share(
        f"simulated chests and abdomens, kind layer at {size} px",
        [
            int(p == (i >= n))
            for i, p in enumerate(net.fc(features(net, films, size))[:, :2].argmax(1).tolist())
        ],
    )


def measure_real(net, path, size, test):
    "Real films by the kind layer."
    files = [f for f in film_files(path) if f.parent != path and (test or "test" not in f.parts)]
    said = net.fc(features(net, files, size))
    right = [int(KINDS[p] == q.parent.name) for p, q in zip(said[:, :2].argmax(1).tolist(), files)]
    share(f"real films by the kind layer at {size} px", right)
    print("   wrong:", *(q.relative_to(path) for q, r in zip(files, right) if not r))
    among = [
        int(KINDS[p] == q.parent.name) if p < len(KINDS) else 0
        for p, q in zip(said.argmax(1).tolist(), files)
    ]
    share("   the same, any kind allowed", among)


if __name__ == "__main__":
    ask = ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("weights", nargs="?", type=Path, default=EMBEDDED)
    ask.add_argument("--test", action="store_true")
    ask.add_argument("--n", type=int, default=60, help="simulated films of each kind")
    ask.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    given = ask.parse_args()
    net = network(given.weights)
    for size in given.sizes:
        if os.environ.get("RSNA_CLS_DATA"):
            measure_real(net, fetch_data("auto"), size, given.test)
    for size in [s for s in given.sizes if s in (128, 224)]:
        measure_simulated(net, size, given.n)
