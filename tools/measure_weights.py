"""Measure what weights are worth: what rsna_cls/weights/README.md says, one line per number.

    python tools/measure_weights.py                             # the embedded weights
    python tools/measure_weights.py my_folder/resnet18_simulated.safetensors

Real films are those of RSNA_CLS_DATA; without it only the simulated ones are asked. The two test films are left out unless `--test` is given."""
import os
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rsna_cls.data import _embedded, fetch_data, film_files, film_tensor, load_film
from rsna_cls.evaluate import _auroc_interval, _wilson
from rsna_cls.learner import _read_tensors, _resnet18
from rsna_cls.pretrain import HELD_OUT, KINDS
from rsna_cls.simulate import simulate_film
from sklearn.metrics import roc_auc_score

EMBEDDED = Path(__file__).resolve().parents[1] / "rsna_cls/weights/resnet18_simulated.safetensors"
SIZES = (96, 128, 160, 192, 224)


def network(weights):
    "The ResNet18 with its kind layer, or with none where the file has none."
    net, last = _resnet18(weights)[0].eval(), {k[3:]: v.float() for k, v in _read_tensors(weights).items() if k.startswith("fc.")}
    net.fc = torch.nn.Linear(512, len(last["bias"])) if last else None
    if last:
        net.fc.load_state_dict(last)
    return net


@torch.no_grad()
def features(net, films, size):
    "Pooled features of films at a size, (n, 512)."
    body = torch.nn.Sequential(*list(net.children())[:-1])
    return torch.cat([body(film_tensor(films[i:i + 16], size)).flatten(1) for i in range(0, len(films), 16)])


def strangeness(known, asked, k=3, same=False):
    "Mean distance to the k nearest known films on features of length 1; `same`: leave each film itself out."
    a, b = (torch.nn.functional.normalize(f, dim=1) for f in (asked, known))
    return torch.cdist(a, b).topk(k + same, largest=False).values[:, int(same):].mean(1).numpy()


def share(name, right):
    low, high = _wilson(sum(right), len(right))
    print(f"{name}: {sum(right)}/{len(right)} = {np.mean(right):.3f} [{low:.3f}, {high:.3f}]", flush=True)


def separation(name, inside, outside):
    area = roc_auc_score([0] * len(inside) + [1] * len(outside), [*inside, *outside])
    low, high = _auroc_interval(area, len(outside), len(inside))
    caught = np.mean(outside > np.quantile(inside, .95))
    print(f"{name}: AUROC {area:.3f} [{low:.3f}, {high:.3f}], n = {len(outside)} against {len(inside)}; caught at 5 % false alarms {caught:.2f}", flush=True)


def photographs():
    "Photographs and pictures that scikit-image and scikit-learn bring along, in grey."
    from skimage import data
    from sklearn.datasets import load_sample_images
    names = [n for n in ("astronaut", "camera", "cat", "coffee", "coins", "page", "text", "clock", "rocket", "brick", "grass", "gravel", "moon", "hubble_deep_field", "checkerboard", "horse", "immunohistochemistry", "retina") if hasattr(data, n)]
    pictures = list(load_sample_images().images)
    for name in names:
        try:
            pictures.append(np.asarray(getattr(data, name)()))
        except Exception:  # some are not in the package and would have to be downloaded
            pass
    return [Image.fromarray(p if p.dtype == np.uint8 else (255 * p).astype(np.uint8)).convert("L") for p in pictures if p.ndim < 4]


def dicom(name):
    from pydicom.data import get_testdata_file
    return load_film(get_testdata_file(name))


def measure_simulated(net, size, n):
    "Held-out kinds and held-out seeds, beside the embedded course folder."
    known = features(net, film_files(_embedded() / "train"), size)
    inside = [simulate_film(k, 5_000_000 + i, 192).image for k in KINDS[:2] for i in range(n)]
    at = features(net, inside, size)
    near = strangeness(known, at)
    for kind in KINDS[2:]:
        separation(f"simulated {kind}{' (never seen)' if kind in HELD_OUT else ''} at {size} px", near, strangeness(known, features(net, [simulate_film(kind, 5_000_000 + i, 192).image for i in range(n)], size)))
    if net.fc:
        share(f"simulated chests and abdomens, kind layer at {size} px", [int(p == (i >= n)) for i, p in enumerate(net.fc(at)[:, :2].argmax(1).tolist())])


def measure_real(net, path, size, test):
    "Real films: kind layer, and nearest neighbours among the 65 training films."
    files = [f for f in film_files(path) if f.parent != path and (test or "test" not in f.parts)]
    f = features(net, files, size)
    if net.fc:
        right = [int(KINDS[p] == q.parent.name) for p, q in zip(net.fc(f)[:, :2].argmax(1).tolist(), files)]
        share(f"real films by the kind layer at {size} px", right)
        print("   wrong:", *(q.relative_to(path) for q, r in zip(files, right) if not r))
        among = [int(KINDS[p] == q.parent.name) if p < len(KINDS) else 0 for p, q in zip(net.fc(f).argmax(1).tolist(), files)]
        share("   the same, any kind allowed", among)
    train = [i for i, q in enumerate(files) if "train" in q.parts]
    rest = [i for i, q in enumerate(files) if "train" not in q.parts]
    known = f[train]
    inside = np.r_[strangeness(known, known, same=True), strangeness(known, f[rest])]
    other = {"elbow": load_film(path / "elbow.png"), "pydicom leg": dicom("RG3_UNCR.dcm")}
    far = strangeness(known, features(net, list(other.values()), size))
    limit = np.quantile(inside, .95)
    print(f"   limit for 5 % false alarms {limit:.3f}; " + ", ".join(f"{k} {v:.3f} {'caught' if v > limit else 'missed'}" for k, v in zip(other, far))
          + f"; pydicom chest {strangeness(known, features(net, [dicom('RG1_UNCR.dcm')], size))[0]:.3f}")
    separation(f"photographs at {size} px", inside, strangeness(known, features(net, photographs(), size)))


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
