"""Write build/try.html: the network that comes with the course, as a page that answers to films.

`make try` runs it, and `make site` puts the page into the site. What stands behind its threshold
are the simulated films of the course, which the network has not learned from."""

import sys
from pathlib import Path

from rsna_cls import Gate, embedded_learner, fetch_data, film_files, predict, save_page

HERE = Path(__file__).resolve().parents[1]


def write_ready_page(file: Path) -> Path:
    "Write the page; returns its path."
    course = fetch_data("simulated")
    learn = embedded_learner()
    films = [film for split in ("train", "val", "test") for film in film_files(course / split)]
    gate = Gate.fit(course)
    return save_page(
        learn,
        file,
        gate=gate,
        predictions=predict(learn, films),
        predicted="simulated films",
        positive="chest",
        title="Chest or abdomen?",
        notes={
            "its classes": "frontal chests, and abdomens; a chest from the side is neither",
            "learned from": "simulated films of many kinds, and no real one",
            "right on 77 real films (95 % interval)": "75 of 77 (91–99 %)",
            "films behind the threshold": "simulated, others than it learned from",
            "films that the gate compares with": "65 simulated chests and abdomens",
            "real films that the gate lets pass": (
                "chests: 37 of 39 (83–99 %); abdomens: 34 of 38 (76–96 %)"
            ),
        },
    )


if __name__ == "__main__":
    write_ready_page(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "build/try.html")
