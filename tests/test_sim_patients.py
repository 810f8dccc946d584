"What is drawn for a film: the tables of the notebook describe it, all of it and nothing else."

import csv
import json
import re
from functools import cache

import nbformat
import numpy as np
import pytest

from conftest import HERE
from rsna_cls import KINDS, simulate_film
from rsna_cls.sim import (
    ABDOMEN_DEVICES,
    CHEST_DEVICES,
    FINDINGS,
    MARKS,
    PARAMETERS,
    draw_params,
    with_overrides,
)
from rsna_cls.sim.patients import _Names, _Number, _OneOf

SEEDS = 300
NAMES = {"devices": [*CHEST_DEVICES, *ABDOMEN_DEVICES], "findings": FINDINGS, "marks": MARKS}
with open(HERE / "data/manifest.csv", encoding="utf-8") as manifest:
    EMBEDDED = list(csv.DictReader(manifest))
WORDS = {"true": True, "false": False, "PA": "PA", "AP": "AP"}


@cache
def documented():
    "Parameter → the last column of its line in the notebook's tables: what is drawn."
    notebook = nbformat.read(HERE / "nbs/sim/08_patients.ipynb", as_version=4)
    found = {}
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for table in re.findall(r"(?:^\|.*\n?)+", cell.source, re.M):
            header, _, *lines = table.strip().split("\n")
            if header.startswith("| parameter |"):
                for line in lines:
                    name, *_, drawn = (part.strip() for part in line.strip("|").split("|"))
                    name = name.strip("`")
                    assert name not in found, f"{name} is described twice"
                    found[name] = drawn
    return found


@cache
def drawn(kind):
    "The parameters of many films of one kind."
    return [draw_params(kind, np.random.default_rng(seed)) for seed in range(SEEDS)]


def agrees(value, drawn, name):
    "Whether one value is what the table says: any of `a or b`."
    return any(agrees_with_one(value, form, name) for form in re.split(r" or |, ", drawn))


def agrees_with_one(value, form, name):
    "Whether a value agrees with `1 to 2`, `0 ± 4`, `above 0`, `at least 0`, `names`, `PA` or `3`."
    if form == "names":
        return value in NAMES[name]
    if form in WORDS:
        return type(value) is type(WORDS[form]) and value == WORDS[form]
    if isinstance(value, bool | str):
        return False
    if " to " in form:
        low, high = map(float, form.split(" to "))
        return low <= value <= high
    if " ± " in form:
        middle, deviation = map(float, form.split(" ± "))
        return abs(value - middle) <= 5 * deviation
    if form.startswith("above "):
        return value > float(form.removeprefix("above "))
    if form.startswith("at least "):
        return value >= float(form.removeprefix("at least "))
    return value == float(form)


def test_the_forms_of_the_table():
    assert agrees(1.5, "0 or 1 to 2", "x") and agrees(0, "0 or 1 to 2", "x")
    assert not agrees(0.5, "0 or 1 to 2", "x")
    assert agrees(-9, "0 ± 2", "x") and not agrees(-11, "0 ± 2", "x")
    assert agrees(True, "true or false", "x") and not agrees(1, "true or false", "x")
    assert agrees("PA", "PA or AP", "view") and not agrees("LL", "PA or AP", "view")
    assert agrees("arrow", "names", "marks") and not agrees("arrow", "names", "devices")
    assert agrees(0.5, "0, 0.5 or 1", "age") and not agrees(0.6, "0, 0.5 or 1", "age")
    assert agrees(2, "above 0", "x") and not agrees(0, "above 0", "x")


@pytest.mark.parametrize("kind", KINDS)
def test_all_parameters_are_described_and_nothing_else(kind):
    for params in drawn(kind)[:3]:
        assert set(params) == set(documented())


@pytest.mark.parametrize("kind", KINDS)
def test_ranges_hold(kind):
    for seed, params in enumerate(drawn(kind)):
        for name, value in params.items():
            for one in value if isinstance(value, list) else [value]:
                assert agrees(one, documented()[name], name), f"{kind} {seed}: {name}={value!r}"


def test_ranges_are_used():
    "A range in the table that is much wider than what is drawn is out of date."
    for name, form in documented().items():
        if re.fullmatch(r"[-\d.]+ to [-\d.]+", form):
            low, high = map(float, form.split(" to "))
            values = [params[name] for kind in KINDS for params in drawn(kind)]
            spread = (max(values) - min(values)) / (high - low)
            assert spread > 0.8, f"{name}: {form}, but {min(values):.2f} to {max(values):.2f}"


def test_infants_and_limbs():
    "What depends on who comes."
    infants = [params for params in drawn("abd") + drawn("chest") if params["age"] == 1]
    adults = [params for params in drawn("abd") + drawn("chest") if params["age"] == 0]
    assert len(infants) > 20 and len(adults) > 400
    assert not any(params["erect"] for params in infants)
    assert max(params["scale"] for params in infants) < min(params["scale"] for params in adults)
    assert {params["kvp"] for params in infants} == {62}
    for params in drawn("hand"):
        assert params["age"] == 0 and params["devices"] == params["findings"] == []
    assert any(params["yaw"] > 45 for params in drawn("skull"))
    assert not any(params["yaw"] > 45 for params in drawn("knee"))


def test_only_chests_are_taken_from_behind():
    for kind in KINDS:
        from_behind = [params for params in drawn(kind) if params["view"] == "PA"]
        assert bool(from_behind) == (kind in ("chest", "lateral_chest", "shoulder"))


def test_what_is_drawn_is_plain():
    "JSON can hold it, and gives it back unchanged."
    for kind in KINDS:
        params = drawn(kind)[0]
        assert json.loads(json.dumps(params)) == params


def test_the_same_seed_draws_what_it_drew_for_the_embedded_films():
    "The order of the draws is part of the library."
    assert {row["kind"] for row in EMBEDDED} == set(KINDS)
    for row in EMBEDDED:
        kept = json.loads(row["parameters"])
        again = draw_params(
            row["kind"], np.random.default_rng([int(row["seed"]), KINDS.index(row["kind"]), 0])
        )
        if kept["size"] == [384, 384]:  # these were told to have no marks
            again["marks"] = []
        assert list(again) == [name for name in kept if name != "size"]
        for name, value in again.items():
            is_text = isinstance(value, str) or name in NAMES
            expected = value if is_text else pytest.approx(value, rel=1e-9)
            assert kept[name] == expected, (row["path"], name)


# --- overriding ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "what", "unknown", "choice"),
    [
        (dict(colour="red"), "parameter", "colour", "kvp"),
        (dict(colour="red", Dose=1), "parameter", "Dose, colour", "dose"),
        (dict(arrow=True), "parameter", "arrow", "marks"),  # a mark, but no parameter
        (dict(marks=["star"]), "mark", "star", "arrow"),
        (dict(marks=["arrow", "pacemaker"]), "mark", "pacemaker", "letter"),
        (dict(devices=["stent", "drain"]), "device", "stent", "ureteral_stent"),
        (dict(devices=["gallstones"]), "device", "gallstones", "clips"),
        (dict(findings=["drain"]), "finding", "drain", "gallstones"),
    ],
)
def test_what_is_unknown_is_refused_by_name(overrides, what, unknown, choice):
    with pytest.raises(ValueError, match=f"^No such {what}: {unknown}. Choose among .*{choice}"):
        simulate_film("abd", 0, size=32, **overrides)


@pytest.mark.parametrize("kind", ["leg", "", "Chest", None])
def test_an_unknown_kind_is_refused_by_name(kind):
    with pytest.raises(ValueError, match=f"No such kind of film: {kind!r}. Choose one of chest, "):
        simulate_film(kind, 0)


@pytest.mark.parametrize("none", [False, None, []])
def test_none_of_them(none):
    film = simulate_film("abd", 4, size=32, marks=none, devices=none, findings=none)
    for name in film.masks:
        assert not name.startswith(("mark_", "device_")) and name not in FINDINGS, name


# What has no effect on a film, and why not. Everything else has.
OF_THE_TRUNK = {  # limbs and the skull have none of it
    *("erect", "fat", "wide", "belly", "heart", "aorta", "breast", "arms", "scapula_out"),
    *("scoliosis", "rib_slope", "pelvis_wide", "vessels", "lung_density", "stomach", "gas"),
    *("stool", "white_lung", "effusion", "pneumothorax", "consolidation", "obstruction"),
    *("ascites", "findings", "devices", "inspiration"),
}
OF_A_LIMB = {"flex"}  # a trunk has no joint
OFF_THE_MIDLINE = {"side"}  # these films show the middle of the patient
HELD_AWAY = {"arms", "scapula_out"}  # from a lateral film
NO_EFFECT = {
    "chest": OF_A_LIMB | OFF_THE_MIDLINE,
    "abd": OF_A_LIMB | OFF_THE_MIDLINE,
    "lateral_chest": OF_A_LIMB | OFF_THE_MIDLINE | HELD_AWAY,
    "hand": OF_THE_TRUNK,
    "skull": OF_THE_TRUNK,
}


def extremes(name):
    "The values at both ends of what a parameter may be."
    rule = PARAMETERS[name]
    if isinstance(rule, _Number):
        ends = (rule.low, rule.high)
        return [[end] * len(rule.each) for end in ends] if rule.each else list(ends)
    return list(rule.options) if isinstance(rule, _OneOf) else [[], list(rule.known)]


@pytest.mark.filterwarnings("error")
@pytest.mark.slow(seconds=8)
@pytest.mark.parametrize("kind", NO_EFFECT)
def test_every_parameter_can_be_overridden(kind):
    "Both ends of what it may be give a film, and another one, unless NO_EFFECT says why not."
    # Small in the picture and a little covered, so that what is changed can be seen.
    usual = dict(zoom=0.5, collimation=[0.05] * 4, shutter=False)
    film = simulate_film(kind, 3, size=96, **usual)
    without_effect = set()
    for name in PARAMETERS:
        others = []
        for value in extremes(name):
            if name == "age" or value == film.params[name]:
                continue
            other = simulate_film(kind, 3, size=96, **(usual | {name: value}))
            assert other.params == film.params | {name: value}
            assert np.ptp(np.asarray(other.image)) > 0, (name, value)
            others.append(np.asarray(other.image))
        if all(np.array_equal(image, np.asarray(film.image)) for image in others):
            without_effect.add(name)
    assert without_effect == NO_EFFECT[kind] | {"age"}


def test_the_table_has_every_parameter():
    for kind in KINDS:
        assert list(drawn(kind)[0]) == list(PARAMETERS)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_may_be_given(kind):
    for params in drawn(kind):
        assert with_overrides(params, params) == params


@pytest.mark.parametrize("row", EMBEDDED, ids=lambda row: row["path"])
def test_what_the_manifest_says_may_be_given(row):
    given = json.loads(row["parameters"])
    del given["size"]
    rng = np.random.default_rng([int(row["seed"]), KINDS.index(row["kind"]), 0])
    assert with_overrides(draw_params(row["kind"], rng), given) == given


def test_what_lessons_use_may_be_given():
    params = drawn("chest")[0]
    given = dict(heart=1.4, dose=1e12, window=2.4, latitude=0, sharpen=0, ascites=1, fat=5)
    given |= dict(belly=2, scoliosis=-2.0, pneumothorax=[0, 0.6], breast=1.2, inverted=True)
    given |= dict(yaw=-40, inspiration=1.1, kvp=50, view="PA", stool=False, side=1)
    assert with_overrides(params, given) == params | given


def test_numpy_and_tuples_become_plain():
    params = drawn("chest")[0]
    given = dict(
        heart=np.float32(1.5),
        consolidation=np.int64(2),
        effusion=(0, np.float64(0.5)),
        shift=np.array([1.0, 2.0]),
        erect=np.bool_(True),
        devices=("clips",),
        marks=None,
        findings=False,
    )
    changed = with_overrides(params, given)
    assert json.loads(json.dumps(changed)) == changed
    assert changed["effusion"] == [0, 0.5] and changed["shift"] == [1, 2]
    assert changed["erect"] is True and changed["devices"] == ["clips"]
    assert changed["marks"] == changed["findings"] == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("dose", -5, "a number from 1 to 1e+15 (photons per pixel)"),
        ("dose", 0, "a number from 1 to"),
        ("dose", True, "a number from 1 to"),
        ("dose", "1e5", "a number from 1 to"),
        ("dose", float("nan"), "a number from 1 to"),
        ("dose", float("inf"), "a number from 1 to"),
        ("dose", None, "a number from 1 to"),
        ("scale", -1, "a number from 0.2 to 2 (an adult is 1)"),
        ("heart", 0, "a number from 0.3 to 3 (the usual is 1)"),
        ("heart", [1], "a number from 0.3 to 3"),
        ("breast", -1, "a number from 0 to 4"),
        ("zoom", 0, "a number from 0.2 to 5"),
        ("kvp", 40, "a number from 45 to 150 (kV)"),
        ("consolidation", 1.5, "a whole number from 0 to 20 (patches)"),
        ("white_lung", [0.5, 2], "a list of 2 numbers (the patient's right, left), each from 0 to"),
        ("effusion", 0.5, "a list of 2 numbers"),
        ("effusion", [0.5], "a list of 2 numbers"),
        ("effusion", [True, 0], "a list of 2 numbers"),
        ("collimation", [0, 0, 0], "a list of 4 numbers (top, right, bottom, left), each from 0"),
        ("view", "LL", "'PA' or 'AP'"),
        ("view", ["PA"], "'PA' or 'AP'"),
        ("side", "left", "-1 or 1"),
        ("side", True, "-1 or 1"),
        ("erect", 1, "True or False"),
        ("mirrored", "no", "True or False"),
        ("age", 2, "0, 0.5 or 1"),
        ("marks", "letter", "a list of names, such as ['letter'], or False for none"),
        ("marks", [1], "a list of names"),
        ("devices", True, "a list of names, such as ['endotracheal_tube'], or False for none"),
        ("findings", {"volvulus"}, "a list of names, such as ['free_gas']"),
    ],
)
def test_what_cannot_be_is_refused_in_words(name, value, words):
    with pytest.raises(ValueError) as error:
        simulate_film("chest", 1, size=32, **{name: value})
    message = str(error.value)
    assert message.startswith(f"{name} cannot be {value!r}: it must be {words}")


@pytest.mark.parametrize("name", PARAMETERS)
def test_beyond_both_limits(name):
    rule = PARAMETERS[name]
    if not isinstance(rule, _Number):
        assert isinstance(rule, _OneOf | _Names)
        return
    step = (rule.high - rule.low) / 1000
    for value in (rule.low - step, rule.high + step):
        given = [value] * len(rule.each) if rule.each else value
        with pytest.raises(ValueError, match=f"^{name} cannot be "):
            with_overrides(drawn("chest")[0], {name: given})


def test_age_cannot_be_overridden_but_repeated():
    usual = simulate_film("chest", 13, size=32)
    age = usual.params["age"]
    again = simulate_film("chest", 13, size=32, age=age)
    assert age == 0.5 and np.array_equal(np.asarray(again.image), np.asarray(usual.image))
    with pytest.raises(ValueError, match=r"age cannot be 1: on this film it is 0\.5.*another seed"):
        simulate_film("chest", 13, size=32, age=1.0)


def test_two_marks_of_a_kind_have_one_mask():
    film, both = (
        simulate_film("chest", 1, size=96, marks=marks) for marks in (["arrow"], ["arrow"] * 2)
    )
    assert (film.masks["mark_arrow"] <= both.masks["mark_arrow"]).all()
    assert film.masks["mark_arrow"].sum() < both.masks["mark_arrow"].sum()
