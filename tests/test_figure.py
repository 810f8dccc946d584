"Pictures, and the text that stands for them."

import itertools
import json
import re
import subprocess
import sys
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from skimage.color import rgb2lab

from conftest import HERE, has_a_white_edge
from rsna_cls import (
    BadFilm,
    Gate,
    Picture,
    as_film,
    audit,
    baselines,
    dataloaders,
    embedded_films,
    embedded_learner,
    film_files,
    film_tfms,
    new_figure,
    picture,
    plain_text,
    predict,
    readable_text,
    score,
    show_audit,
    show_augmented,
    show_baselines,
    show_cam,
    show_films,
    show_gate,
    show_predictions,
    show_scores,
    simulate_film,
    thumbnail,
)

RAMP = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
DEEP = RAMP.astype(np.uint16) * 20  # 12 of 16 bits


@pytest.mark.parametrize("films", [[], ()])
def test_no_films_are_refused_in_words(films):
    with pytest.raises(ValueError, match="there are no films here: give a list"):
        show_films(films)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_thumbnail_leaves_the_film_as_it_was(mode):
    film = Image.new(mode, (3000, 1500))
    before = film.tobytes()
    assert thumbnail(film).shape == (512, 1024)
    assert film.size == (3000, 1500)
    assert film.mode == mode
    assert film.tobytes() == before


def test_films_in_every_form_are_drawn_alike(tmp_path):
    film = Image.fromarray(RAMP)
    film.save(tmp_path / "film.png")
    greys = RAMP.astype(float)
    forms = [film, RAMP, greys, tmp_path / "film.png", str(tmp_path / "film.png")]
    pictures = {show_films([form], ["a ramp"]).png for form in forms}
    assert len(pictures) == 1


@pytest.mark.parametrize("deep", [DEEP, DEEP.astype(float), Image.fromarray(DEEP)])
def test_what_is_deeper_than_8_bits_is_drawn_as_a_film(deep):
    assert show_films([deep]).png == show_films([as_film(DEEP)]).png


def test_greys_that_were_calculated_are_not_stretched():
    dark = np.full((30, 40), 20.0)
    dark[0, 0] = 0.5
    assert show_films([dark]).png == show_films([np.round(dark).astype(np.uint8)]).png


def test_one_film_a_folder_and_a_generator(tmp_path):
    film = Image.fromarray(RAMP)
    for name in ("a.png", "b.png"):
        film.save(tmp_path / name)
    one = show_films([film]).png
    for form in (tmp_path / "a.png", str(tmp_path / "a.png"), film, RAMP, RAMP.astype(float)):
        assert show_films(form).png == one
    two = show_films([film, film])
    assert two.alt == "2 films"
    for form in (tmp_path, str(tmp_path), [tmp_path], (film for _ in range(2))):
        assert show_films(form).png == two.png


def test_one_simulated_film():
    film = simulate_film("knee", 0, size=64)
    shown = show_films(film, outline=["bone"])
    assert shown.png == show_films([film], outline=["bone"]).png
    assert shown.alt == "1 film. Outlined: bone."


@pytest.mark.parametrize("none", [9, [9], None, [None], np.zeros((5, 9, 9)), [np.zeros((0, 9))]])
def test_what_is_no_film_is_refused_in_words(none):
    with pytest.raises(BadFilm, match="a film is|empty"):
        show_films(none)


def test_a_film_that_is_none_is_named(tmp_path):
    with pytest.raises(BadFilm, match="gone.png"):
        show_films([tmp_path / "gone.png"])


def test_titles_may_be_fewer_than_films_or_more():
    films = [Image.new("L", (20, 30))] * 3
    assert show_films(films, ["one"]).alt == "3 films: one"
    assert show_films(films).alt == "3 films"
    assert show_films(films, ["one", "two", "three", "four"]).alt == "3 films: one; two; three"
    assert (
        show_films(films, ["one", "two", "three", "four"]).png
        == show_films(films, ["one", "two", "three"]).png
    )


NASTY = [
    "a$_{$",
    "$x$",
    "\\$\\",
    "_hidden",
    "50 % {of} <b>&'\"",
    "r\udcf6ntgen",
    "bell\x07 tab\t null\x00",
    "\u202egnp.evil",
    "胸部",
    "\U0001f9b4",
    "x" * 300,
    "",
    7,
    None,
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NASTY)
def test_any_name_can_be_drawn_everywhere_in_a_figure(name):
    fig, axs = new_figure()
    ax = axs[0, 0]
    text = plain_text(name, 16)
    ax.plot([0, 1], label="a name that is always there")
    ax.plot([0, 1], label=text)
    ax.set(title=text, xlabel=text, xticks=[0, 1], xticklabels=[text, text])
    ax.text(0, 0, text)
    legend = ax.legend()
    assert picture(fig, str(name)).png.startswith(b"\x89PNG")
    assert len(legend.get_texts()) == (1 if text == "" else 2)


@pytest.mark.parametrize("name", ["a$b$c", r"\$5 and $6", "$", r"\\$x$"])
def test_a_name_is_drawn_letter_by_letter(name):
    "As matplotlib draws it where it is told that there are no formulas."
    pictures = set()
    for text, parse_math in ((plain_text(name), True), (name, False)):
        fig, axs = new_figure()
        axs[0, 0].set_title(text, parse_math=parse_math)
        pictures.add(picture(fig, "").png)
    assert len(pictures) == 1


def test_a_long_name_keeps_both_ends():
    assert plain_text("IMG_" + "0" * 99 + "_17.png", 15) == "IMG_000…_17.png"
    assert plain_text("one\n" + "x" * 99, 5) == "one\nxx…xx"


def test_what_is_no_character_can_be_printed_and_saved():
    for name in NASTY:
        readable_text(name).encode()
    assert readable_text("r\udcf6ntgen\r\nfilm") == "r\N{REPLACEMENT CHARACTER}ntgen\nfilm"
    assert readable_text("胸部 $x$ <b>") == "胸部 $x$ <b>"


def test_alternative_text_is_escaped_and_can_be_saved():
    html = Picture(show_films(RAMP).png, '<img src="x" onerror="alert(1)"> r\udcf6')._repr_html_()
    html.encode()
    assert html.count("<") == 1
    assert "onerror=&quot;" in html


@pytest.mark.filterwarnings("error")
def test_films_bear_any_title():
    films = [RAMP] * len(NASTY)
    shown = show_films(films, NASTY)
    shown.alt.encode()
    assert "a$_{$; $x$" in shown.alt
    names = ["$_{", "_bone", "\udcf6"]
    mask = RAMP > 100
    film = SimpleNamespace(image=Image.fromarray(RAMP), masks=dict.fromkeys(names, mask))
    show_films(film, outline=names)


def test_one_title_for_one_film():
    "It is no list of letters."
    assert show_films(RAMP, "knee").alt == "1 film: knee"
    assert show_films(RAMP, "knee\nright").alt == "1 film: knee, right"
    assert show_films(RAMP, "dose 3,\nyaw 0").alt == "1 film: dose 3, yaw 0"
    assert show_films([RAMP, RAMP], "knee").alt == "2 films: knee"
    assert show_films(RAMP, "knee").png == show_films([RAMP], ["knee"]).png
    film = simulate_film("knee", 0, size=64)
    assert show_films(film, outline="bone").alt == "1 film. Outlined: bone."
    assert show_films([RAMP, RAMP], np.array(["a", "b"])).alt == "2 films: a; b"
    assert show_films([RAMP, RAMP], [None, 7]).alt == "2 films: ; 7"
    assert show_films(RAMP, None).alt == "1 film"


def test_names_of_folders_are_not_shown(tmp_path):
    film = tmp_path / "Meier^Hans" / "film.png"
    film.parent.mkdir()
    Image.fromarray(RAMP).save(film)
    assert "Meier" not in show_films([film]).alt


def test_drawing_needs_no_torch():
    code = "import sys, rsna_cls.figure; assert not {'torch', 'fastai'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- pixels, outlines, colours -------------------------------------------------------------------


def test_a_page_shows_two_pixels_as_one():
    shown = show_films([RAMP, RAMP])
    width = Image.open(BytesIO(shown.png)).width
    assert f' width="{width // 2}" ' in shown._repr_html_()
    assert "max-width:100%" in shown._repr_html_()


PAGE = 900  # px of a page that a figure may take; a wider one is shrunk
POINT = 96 / 72  # px of a page


def drawn_films(folder, learn):
    return show_films(film_files(folder / "train")[:9], ["a film"] * 9)


def drawn_audit(folder, learn):
    return show_audit(audit(folder), folder)


def drawn_gate(folder, learn):
    return show_gate(Gate.fit(folder), film_files(folder, recurse=False))


def drawn_maps(folder, learn):
    return show_cam(learn, film_files(folder, recurse=False), difference=True)


def drawn_predictions(folder, learn):
    return show_predictions(learn, film_files(folder / "val"))


def drawn_scores(folder, learn):
    return show_scores(score(predict(learn, film_files(folder / "val")), positive="chest"))


def drawn_augmentation(folder, learn):
    return show_augmented(dataloaders(folder, tfms=film_tfms(), size=64))


def drawn_baselines(folder, learn):
    return show_baselines(baselines(folder))


DRAWINGS = [
    drawn_films,
    drawn_audit,
    drawn_gate,
    drawn_maps,
    drawn_predictions,
    drawn_scores,
    drawn_augmentation,
    drawn_baselines,
]


@pytest.fixture(scope="module")
def learn():
    return embedded_learner(64)


@pytest.mark.slow(seconds=25)
@pytest.mark.parametrize("draw", DRAWINGS, ids=lambda draw: draw.__name__)
def test_letters_have_nine_points_on_a_page(draw, learn, monkeypatch):
    figures = []
    save = Figure.savefig

    def save_and_keep(fig, *args, **kwargs):
        figures.append(fig)
        save(fig, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", save_and_keep)
    shown = draw(embedded_films(), learn)
    (fig,) = figures
    width = Image.open(BytesIO(shown.png)).width / 2
    inch = width / fig.get_size_inches()[0]  # px of the page, unless it is too wide
    shrunk = min(1, PAGE / width)
    sizes = [text.get_fontsize() for text in fig.findobj(Text) if text.get_text()]
    assert min(sizes) / 72 * inch * shrunk >= 9 * POINT * 0.999
    assert has_a_white_edge(shown.png)  # nothing is cut off


@pytest.mark.parametrize("height", range(305, 335, 4))
def test_no_title_is_cut_off(height):
    "Also where a film just fills its place."
    film = Image.new("L", (300, height), 90)
    assert has_a_white_edge(show_films([film] * 3, ["a title, gy"] * 3, size=(2.6, 2.9)).png)


def outlined(masks):
    "Which pixels of a grey film are other where outlines of masks are drawn on it."
    film = SimpleNamespace(image=Image.new("L", (300, 300), 90), masks=masks)
    without = Image.open(BytesIO(show_films(film).png))
    drawn = Image.open(BytesIO(show_films(film, outline=list(masks)).png))
    return np.any(np.asarray(without) != np.asarray(drawn), axis=2)


def test_outlines_bear_their_names():
    "Within the mask; and those of two masks that are the same do not lie on each other."
    mask = np.zeros((300, 300), bool)
    mask[40:260, 60:240] = True
    named = outlined({"heart": mask}) & ~outlined({"": mask})
    rows, columns = np.nonzero(named)
    height, width = named.shape
    assert abs(rows.mean() / height - 0.5) < 0.1
    assert abs(columns.mean() / width - 0.5) < 0.1
    twice = outlined({"heart": mask, "lungs": mask}) & ~outlined({"": mask})
    assert twice.sum() > 1.6 * named.sum()


def test_names_do_not_lie_on_each_other():
    "Also where several masks are small, and at the film's edge."
    mask = np.zeros((300, 300), bool)
    mask[280:298, 20:30] = True
    one = outlined({"heart": mask}) & ~outlined({"": mask})
    three = outlined({"heart": mask, "aorta": mask, "liver": mask}) & ~outlined({"": mask})
    assert three.sum() > 2.4 * one.sum()


@pytest.mark.parametrize(
    "mask",
    [
        np.eye(40, 60) * 0.5,
        (np.eye(40, 60) * 255).astype(np.uint8),
        np.eye(40, 60).tolist(),
        Image.fromarray(np.eye(40, 60) > 0),
        np.ones((1, 60)),
        np.full((40, 60), np.nan),
    ],
)
@pytest.mark.filterwarnings("error")
def test_masks_of_any_kind(mask):
    names = ["a", "b", "a name that is much longer than its film is broad " * 4]
    film = SimpleNamespace(image=Image.new("L", (60, 40)), masks=dict.fromkeys(names, mask))
    assert has_a_white_edge(show_films(film, outline=names).png)


def test_a_mask_without_an_edge_is_left_out():
    empty = np.zeros((300, 300), bool)
    assert not outlined({"nothing": empty, "everything": ~empty}).any()


# Machado and others 2009 (doi 10.1109/TVCG.2009.113), Table 1, at severity 1: what linear red,
# green and blue become in eyes that lack one of three kinds of cones.
EYES = {
    "all cones": np.eye(3),
    "no long waves": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no middle waves": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no short waves": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def as_seen(colour, eyes):
    "A colour's lightness, and how red and how yellow it is, as some eyes see it (CIELAB)."
    shares = np.array(to_rgb(colour))
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(EYES[eyes]) @ linear, 0, 1)
    coded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return rgb2lab(coded[None, None])[0, 0]


def distance(a, b, eyes):
    "How far apart two colours are (CIELAB); 2.3 is just noticed."
    return float(np.linalg.norm(as_seen(a, eyes) - as_seen(b, eyes)))


def colours_in(file):
    "The colours that a notebook's or a script's code names, without the near black of grounds."
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    named = sorted(set(re.findall(r'"(tab:\w+|C\d|#[0-9a-fA-F]{6})"', text)))
    return [colour for colour in named if as_seen(colour, "all cones")[0] > 25]


DRAWERS = [*HERE.glob("nbs/**/*.ipynb"), HERE / "experiments/maps.py", HERE / "tools/figures.py"]
COLOURED = [file for file in sorted(DRAWERS) if len(colours_in(file)) > 1]


def test_red_and_green_are_alike_to_some():
    assert distance("#d62728", "#2ca02c", "all cones") > 100
    assert distance("#7a8a00", "#c87000", "no middle waves") < 15


@pytest.mark.parametrize("file", COLOURED, ids=lambda file: file.stem)
def test_the_colour_blind_tell_the_colours_apart(file):
    for a, b in itertools.combinations(colours_in(file), 2):
        for eyes in EYES:
            assert distance(a, b, eyes) > 15, (a, b, eyes)


def test_enough_files_are_coloured():
    assert len(COLOURED) >= 7
