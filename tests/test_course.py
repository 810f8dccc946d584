"Course folders, good and bad, and lists of films."

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import write_course
from rsna_cls import BadFilm, BadFolder, Course, film_list, summary


def test_bad_course_folders(tmp_path):
    write_course(tmp_path / "c")
    for film in (tmp_path / "c/val/abd").iterdir():
        film.unlink()
    with pytest.raises(BadFolder, match="val/ must hold"):
        Course(tmp_path / "c")
    (tmp_path / "c/val/abd").rename(tmp_path / "c/val/belly")
    Image.new("L", (9, 9)).save(tmp_path / "c/val/belly/1.png")
    with pytest.raises(BadFolder, match="belly"):
        Course(tmp_path / "c")


def test_arrays_become_films_in_a_list():
    "By the rules for a picture: what is deeper than 8 bits is scaled, not cut off."
    ramp = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
    films = film_list([ramp, ramp.astype(np.uint16) * 300, "knee.png", Image.fromarray(ramp)])
    assert [type(film) for film in films[:2]] == [Image.Image, Image.Image]
    assert np.asarray(films[0]).max() == 199
    assert np.asarray(films[1]).max() == 255
    assert films[2] == Path("knee.png")


def test_a_stack_of_films_is_not_one_film():
    with pytest.raises(BadFilm, match=r"this one has the shape \(5, 60, 60\)"):
        film_list(np.zeros((5, 60, 60), np.uint8))


def test_summary_of_the_real_films(real):
    counts = summary(real).set_index(["split", "class"])["films"]
    assert counts.to_dict() == {
        ("train", "abd"): 32,
        ("train", "chest"): 33,
        ("val", "abd"): 5,
        ("val", "chest"): 5,
        ("test", "abd"): 1,
        ("test", "chest"): 1,
        ("surprise", "?"): 1,
    }
