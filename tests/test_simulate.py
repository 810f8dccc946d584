"The embedded films are what their card and manifest say."

import csv
import hashlib
import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from conftest import HERE
from rsna_cls import simulate_dataset, simulate_film

DATA = HERE / "data"


def manifest(folder):
    "The rows of a course folder's manifest."
    with open(folder / "manifest.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


ROWS = manifest(DATA)


def films(split=None):
    "The rows of films in a split, or in any."
    rows = [row for row in ROWS if row["path"].count("/") == 2]
    return [row for row in rows if split is None or row["path"].startswith(f"{split}/")]


def test_the_manifest_lists_every_film():
    on_disk = {path.relative_to(DATA).as_posix() for path in DATA.rglob("*.png")}
    assert on_disk == {row["path"] for row in ROWS}
    assert len(ROWS) == 89
    for row in ROWS:
        content = (DATA / row["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"], row["path"]
    assert sum((DATA / row["path"]).stat().st_size for row in ROWS) < 6e6


def test_about_the_original_s_size():
    assert [len(films(split)) for split in ("train", "val", "test")] == [65, 10, 4]
    surprises = {row["kind"] for row in ROWS if "/" not in row["path"]}
    assert "elbow" in surprises and len(surprises) >= 6


def check_regeneration(row, worst=1):
    "A film made again differs from the kept one by a grey level or none."
    film = simulate_film(row["kind"], int(row["seed"]), **json.loads(row["parameters"]))
    again = np.asarray(film.image).astype(int)
    kept = np.asarray(Image.open(DATA / row["path"])).astype(int)
    assert again.shape == kept.shape, row["path"]
    assert np.abs(again - kept).max() <= worst, row["path"]


SAMPLE = [ROWS[0], *ROWS[20:65:15], *films("test"), *ROWS[-4:]]


@pytest.mark.parametrize("row", SAMPLE, ids=lambda row: row["path"])
def test_a_sample_is_made_again(row):
    check_regeneration(row)


def test_another_film_is_noticed():
    with pytest.raises(AssertionError):
        check_regeneration({**ROWS[0], "seed": ROWS[1]["seed"]})


class TestTheCardTellsTheTruth:
    "A duplicate, marks on abdomens only, sizes that give the class away, and nothing else."

    card = (DATA / "README.md").read_text(encoding="utf-8")
    parameters = {row["path"]: json.loads(row["parameters"]) for row in films()}

    def test_duplicate(self):
        copies = Counter(row["sha256"] for row in ROWS)
        twins = [row["path"] for row in ROWS if copies[row["sha256"]] > 1]
        assert twins == ["val/abd/abd3.png", "val/abd/abd4.png"]
        assert all(f"`{twin}`" in self.card for twin in twins)

    def test_marks(self):
        marked = [path.split("/")[1] for path, p in self.parameters.items() if p["marks"]]
        abdomens = [path for path in self.parameters if "/abd/" in path]
        assert set(marked) == {"abd"}
        assert f"{len(marked)} of the {len(abdomens)} abdomens" in self.card

    def test_sizes(self):
        chests = {tuple(p["size"]) for path, p in self.parameters.items() if "/chest/" in path}
        abdomens = {tuple(p["size"]) for path, p in self.parameters.items() if "/abd/" in path}
        assert chests == {(384, 384)}
        assert (384, 384) not in abdomens
        longer_sides = [max(size) for size in abdomens]
        assert f"from {min(longer_sides)} to {max(longer_sides)}" in self.card


def test_a_set_without_the_flaws(tmp_path):
    counts = dict(train=(2, 2), val=(2, 2), test=(0, 0), surprises=())
    simulate_dataset(tmp_path / "fair", **counts, seed=1, flaws=False)
    rows = manifest(tmp_path / "fair")
    assert len({row["sha256"] for row in rows}) == len(rows) == 8
    with pytest.raises(ValueError, match="not empty"):
        simulate_dataset(tmp_path / "fair")
