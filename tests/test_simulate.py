"The embedded films are what their card and manifest say."

import csv
import hashlib
import json
from collections import Counter

import numpy as np
import pytest
from conftest import HERE
from PIL import Image

ROWS = list(csv.DictReader(open(HERE / "data/manifest.csv", encoding="utf-8")))


def films(rows=ROWS, part=None):
    return [
        r
        for r in rows
        if r["path"].count("/") == 2 and (part is None or r["path"].startswith(part + "/"))
    ]


def test_the_manifest_lists_every_film():
    on_disk = {p.relative_to(HERE / "data").as_posix() for p in (HERE / "data").rglob("*.png")}
    assert on_disk == {r["path"] for r in ROWS} and len(ROWS) == 89
    for r in ROWS:
        assert (
            hashlib.sha256((HERE / "data" / r["path"]).read_bytes()).hexdigest() == r["sha256"]
        ), r["path"]
    assert sum((HERE / "data" / r["path"]).stat().st_size for r in ROWS) < 6e6


def test_about_the_original_s_size():
    assert [len(films(part=p)) for p in ("train", "val", "test")] == [65, 10, 4]
    surprises = {r["kind"] for r in ROWS if "/" not in r["path"]}
    assert "elbow" in surprises and len(surprises) >= 6


def check_regeneration(row, worst=1):
    from rsna_cls import simulate_film

    again = np.asarray(
        simulate_film(row["kind"], int(row["seed"]), **json.loads(row["parameters"])).image
    ).astype(int)
    kept = np.asarray(Image.open(HERE / "data" / row["path"])).astype(int)
    assert again.shape == kept.shape and np.abs(again - kept).max() <= worst, row["path"]


@pytest.mark.parametrize(
    "row", [ROWS[0], *ROWS[20:65:15], *films(part="test"), *ROWS[-4:]], ids=lambda r: r["path"]
)
def test_a_sample_is_made_again(row):
    check_regeneration(row)


def test_another_film_is_noticed():
    with pytest.raises(AssertionError):
        check_regeneration({**ROWS[0], "seed": ROWS[1]["seed"]})


def test_the_card_tells_the_truth():
    "A duplicate, marks on abdomens only, and sizes that give the class away: as the data card says, and nothing else."
    card = (HERE / "data/README.md").read_text(encoding="utf-8")
    twins = [r["path"] for r in ROWS if Counter(q["sha256"] for q in ROWS)[r["sha256"]] > 1]
    assert twins == ["val/abd/abd3.png", "val/abd/abd4.png"] and all(
        f"`{t}`" in card for t in twins
    )
    told = {r["path"]: json.loads(r["parameters"]) for r in films()}
    marked = Counter(p.split("/")[1] for p, t in told.items() if t["marks"])
    abdomens = [t["size"] for p, t in told.items() if "/abd/" in p]
    assert set(marked) == {"abd"} and f"{marked['abd']} of the {len(abdomens)} abdomens" in card
    assert {tuple(t["size"]) for p, t in told.items() if "/chest/" in p} == {(384, 384)}
    assert (
        not any(tuple(s) == (384, 384) for s in abdomens)
        and f"from {min(map(max, abdomens))} to {max(map(max, abdomens))}" in card
    )


def test_a_set_without_the_flaws(tmp_path):
    from rsna_cls import simulate_dataset

    simulate_dataset(
        tmp_path / "fair", train=(2, 2), val=(2, 2), test=(0, 0), surprises=(), seed=1, flaws=False
    )
    rows = list(csv.DictReader(open(tmp_path / "fair/manifest.csv", encoding="utf-8")))
    assert len({r["sha256"] for r in rows}) == len(rows) == 8
    with pytest.raises(ValueError, match="not empty"):
        simulate_dataset(tmp_path / "fair")
