"""Masks are the truth that maps are judged by: 200 films of each kind, each structure a plausible
region or a stated number of them, inside the body, apart from what it cannot share a place with."""

import numpy as np
import pytest
from scipy import ndimage

from rsna_cls import KINDS
from rsna_cls.sim import REGIONS, SPECK, build, draw_params, finished_masks

SEEDS = range(200)
SIZE = 72  # px
TOUCHING = np.ones((3, 3))  # pixels that touch at a corner are of one region

# What cannot lie in one place, seen from the front.
APART = {
    "lungs": ["heart", "mediastinum", "liver", "stomach", "bowel_gas", "pneumothorax", "bladder"],
    "diaphragm": ["heart", "mediastinum", "effusion", "lungs"],
    "effusion": ["heart", "mediastinum", "liver"],
    "heart": ["bladder", "pelvis"],
    "clavicles": ["pelvis", "liver"],
}
WITHOUT_HOLES = ["bladder", "heart", "kidneys", "liver", "lungs", "stomach", "tibia", "femur"]


def regions(mask, px):
    "How many separate regions a mask has; specks do not count."
    labels, _ = ndimage.label(mask, TOUCHING)
    areas = np.bincount(labels.ravel())[1:] * px**2
    return int((areas >= SPECK).sum())


def is_cut(mask):
    "Whether the film's edge cuts a structure."
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


NOTCH = 1.5  # cm
COMBED = 2.5  # cm² in notches, from which on an edge is a comb


def notches(mask, px):
    "Area (cm²) of what lies between the teeth of a mask: gaps of less than `NOTCH`, up and down."
    rows = 2 * round(NOTCH / px / 2) + 1
    padded = np.pad(mask, rows)  # so that the film's edge is no notch
    closed = ndimage.binary_closing(padded, np.ones((rows, 1)))
    return (closed & ~padded).sum() * px**2


def complaints(scene, masks):
    "What is wrong with the masks of a film."
    found = []
    for name, mask in masks.items():
        if name in REGIONS:
            most = REGIONS[name]
            domes = scene.masks.get("domes", mask)
            if is_cut(mask) or (name == "diaphragm" and domes[0].any()):
                most += 3  # the edge may part a structure
            if regions(mask, scene.px) > most:
                found.append(f"{name} has {regions(mask, scene.px)} regions")
        if not name.startswith("device_") and (mask & ~masks["soft_tissue"]).any():
            found.append(f"{name} is outside the body")
        holes = ndimage.binary_fill_holes(mask) & ~mask
        if name in WITHOUT_HOLES and regions(holes, scene.px):
            found.append(f"{name} has a hole")
    if not scene.is_frontal:
        return found
    for name, others in APART.items():
        for other in others:
            if name in masks and other in masks and (masks[name] & masks[other]).any():
                found.append(f"{name} and {other} share a place")
    if "lungs" in masks and masks["lungs"].any():
        if (masks["lungs"] & scene.masks.get("vertebral_bodies", False)).any():
            found.append("lungs and vertebral bodies share a place")
        if notches(masks["lungs"], scene.px) > COMBED:
            found.append(f"lungs are combed: {notches(masks['lungs'], scene.px):.1f} cm²")
    return found


def draw(kind, seed, size=SIZE, **changes):
    "A film's scene and its masks: what `simulate_film` does before the beam is switched on."
    rng, scene_rng = (np.random.default_rng([seed, KINDS.index(kind), use]) for use in range(2))
    params = draw_params(kind, rng) | changes
    width = round(size * min(params["aspect"], 1))
    height = round(size / max(params["aspect"], 1))
    scene = build(kind, params, (height, width), scene_rng)
    return scene, finished_masks(scene)


@pytest.mark.slow(seconds=12)
@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_plausible(kind):
    found = {}
    for seed in SEEDS:
        wrong = complaints(*draw(kind, seed))
        if wrong:
            found[seed] = wrong
    assert found == {}


HEALTHY = dict(
    consolidation=0, white_lung=[0, 0], effusion=[0, 0], pneumothorax=[0, 0], obstruction=0
)
ADULT = dict(
    zoom=1.0, shift=[0, 0], belly=0.0, inspiration=0.9, heart=1.0, scoliosis=0.0, yaw=0.0, roll=0.0
)


# What is on every film of a healthy adult: area in cm², and the side of its middle from the spine,
# in cm to the image's right.
HEALTHY_MASKS = {
    "chest": {
        "lungs": ((260, 480), (-1.5, 1.5)),
        "heart": ((90, 160), (1.5, 3.5)),
        "mediastinum": ((100, 210), (-0.5, 1.5)),
        "diaphragm": ((10, 30), (-3.5, 1)),
        "liver": ((70, 200), (-9, -5)),
        "spine": ((90, 220), (-0.1, 0.1)),
        "ribs": ((300, 520), (-1, 1)),
        "clavicles": ((28, 58), (-1.5, 1.5)),
        "trachea": ((28, 62), (-1, 1)),
    },
    "abd": {
        "pelvis": ((270, 520), (-1.5, 1.5)),
        "spine": ((80, 170), (-0.1, 0.1)),
        "kidneys": ((65, 105), (-1, 1)),
        "psoas": ((150, 240), (-1, 1)),
        "liver": ((90, 260), (-9, -4.5)),
        "femurs": ((30, 140), (-2.5, 2)),
        "bladder": ((34, 56), (-1, 1)),
    },
}


def strange_masks(kind, scene, masks):
    "What is missing, too small, too large, or on the wrong side on a healthy adult's film."
    spine_x = np.nonzero(masks["spine"])[1].mean()
    found = []
    for name, (areas, sides) in HEALTHY_MASKS[kind].items():
        mask = masks.get(name, np.zeros(scene.shape, bool))
        area = mask.sum() * scene.px**2
        if not areas[0] < area < areas[1]:
            found.append(f"{name} has {area:.0f} cm²")
        if area:
            side = (np.nonzero(mask)[1].mean() - spine_x) * scene.px
            if not sides[0] < side < sides[1]:
                found.append(f"{name} lies at {side:.1f} cm")
    return found


@pytest.mark.parametrize("kind", HEALTHY_MASKS)
def test_what_a_healthy_adult_has_is_there_and_in_its_place(kind):
    found = {}
    for seed in range(25):
        scene, masks = draw(kind, seed, **HEALTHY, **ADULT)
        if strange_masks(kind, scene, masks):
            found[seed] = strange_masks(kind, scene, masks)
        if kind == "chest":
            assert regions(masks["lungs"], scene.px) == 2
    assert found == {}


def test_a_misplaced_or_missing_structure_is_noticed():
    scene, masks = draw("chest", 3, **HEALTHY, **ADULT)
    assert strange_masks("chest", scene, masks) == []
    for name in set(HEALTHY_MASKS["chest"]) - {"spine"}:
        without = {other: mask for other, mask in masks.items() if other != name}
        assert strange_masks("chest", scene, without) == [f"{name} has 0 cm²"]
    for name in ("heart", "liver", "trachea"):
        moved = masks | {name: np.roll(masks[name], 10, 1)}
        assert strange_masks("chest", scene, moved), name


# --- the check itself ----------------------------------------------------------------------------


@pytest.fixture
def chest():
    "A healthy chest, nothing wrong with it."
    scene, masks = draw("chest", 3, size=128, **HEALTHY)
    assert complaints(scene, masks) == []
    return scene, masks


def test_an_island_of_lung_in_the_bowel_is_noticed(chest):
    scene, masks = chest
    island = np.zeros(scene.shape, bool)
    island[-14:-4, 30:42] = True
    masks["bowel_gas"] = island
    masks["lungs"] = masks["lungs"] | island
    assert {"lungs has 3 regions", "lungs and bowel_gas share a place"} <= set(
        complaints(scene, masks)
    )


def test_a_combed_edge_is_noticed():
    "By transverse processes, as once it was: the whole spine left out, not the bodies alone."
    n_noticed = 0
    for seed in range(10):
        scene, masks = draw("chest", seed, size=SIZE, **HEALTHY, **ADULT)
        assert complaints(scene, masks) == []
        masks["lungs"] = masks["lungs"] & ~masks["spine"]
        n_noticed += any("combed" in wrong for wrong in complaints(scene, masks))
    assert n_noticed >= 6


def test_bone_outside_the_body_is_noticed(chest):
    scene, masks = chest
    masks["ribs"] = masks["ribs"] | ~masks["soft_tissue"]
    assert "ribs is outside the body" in complaints(scene, masks)


def test_a_hole_is_noticed(chest):
    scene, masks = chest
    y, x = (int(axis.mean()) for axis in np.nonzero(masks["heart"]))
    masks["heart"][y : y + 4, x : x + 4] = False
    assert "heart has a hole" in complaints(scene, masks)


def test_a_heart_in_two_pieces_is_noticed(chest):
    scene, masks = chest
    y = int(np.nonzero(masks["heart"])[0].mean())
    masks["heart"][y] = False
    assert "heart has 2 regions" in complaints(scene, masks)


# --- what an outline is --------------------------------------------------------------------------


def test_lungs_end_at_the_diaphragm(chest):
    "Below the line there is no lung, above it no abdomen."
    _, masks = chest
    for column in np.nonzero(masks["diaphragm"].any(0) & masks["lungs"].any(0))[0]:
        line = np.nonzero(masks["diaphragm"][:, column])[0].min()
        assert np.nonzero(masks["lungs"][:, column])[0].max() < line


def test_consolidated_lung_is_lung():
    healthy = dict(HEALTHY, vessels=0.8)
    scene, plain = draw("chest", 3, size=128, **healthy)
    white = healthy | dict(white_lung=[0.9, 0.0], consolidation=3)
    _, filled = draw("chest", 3, size=128, **white)
    assert filled["opacity"].sum() * scene.px**2 > 50
    assert (filled["opacity"] & ~filled["lungs"]).sum() == 0
    assert (filled["lungs"] ^ plain["lungs"]).sum() < 0.01 * plain["lungs"].sum()


def test_fluid_is_not_lung():
    healthy = dict(HEALTHY, erect=True)
    _, plain = draw("chest", 3, size=128, **healthy)
    _, wet = draw("chest", 3, size=128, **healthy | dict(effusion=[0.5, 0.0]))
    gone = plain["lungs"] & ~wet["lungs"]
    assert gone.sum() > 0.08 * plain["lungs"].sum()
    assert (gone & ~wet["effusion"]).sum() < 0.02 * gone.sum()


def test_a_pneumothorax_is_the_air_around_the_lung():
    _, masks = draw("chest", 3, size=128, **HEALTHY | dict(pneumothorax=[0.0, 1.0]))
    assert not (masks["pneumothorax"] & (masks["lungs"] | masks["heart"])).any()
    _, plain = draw("chest", 3, size=128, **HEALTHY)
    air = masks["pneumothorax"]
    assert air.sum() > 0.1 * plain["lungs"].sum()
    assert (air & ~plain["lungs"]).sum() < 0.1 * air.sum()


def test_the_film_s_edge_is_no_diaphragm():
    "On an abdomen the domes often begin above the film."
    for seed in range(12):
        scene, masks = draw("abd", seed)
        domes = scene.masks.get("domes")
        if domes is not None and domes[0].any():
            assert not masks["diaphragm"][0].any()


def test_a_bone_seen_edge_on_has_no_mask():
    "The breastbone from the side is a streak, and its shape would be that of the pixels."
    for seed in range(5):
        assert "sternum" not in draw("lateral_chest", seed, yaw=0.0, pitch=0.0)[1]
        assert "sternum" in draw("chest", seed)[1]
