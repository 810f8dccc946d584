"""Every line, lead and tube ends where its name says, in patients of many shapes.

Whole films are built, without exposing them. What is drawn is written down on the way, in the
patient's own coordinates: so a tip can be compared with the heart, the kidney, the femur it
belongs to, wherever breathing, belly and size of the heart have moved them.
"""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pytest

from rsna_cls.sim.anatomy import dome_y
from rsna_cls.sim.films import build
from rsna_cls.sim.findings import ABDOMEN_DEVICES, CHEST_DEVICES, FINDINGS, add_chest_disease
from rsna_cls.sim.patients import draw_params
from rsna_cls.sim.scene import Scene, read_table
from rsna_cls.sim.solids import turn

SEEDS = range(48)
ENOUGH = 40  # of each thing, and on each side
REPEATS = 3  # of what occurs on either side, in one film: chance picks the side each time
RIGHT, LEFT = -1, 1
SIDES = pytest.mark.parametrize("side", [RIGHT, LEFT], ids=["right", "left"])


class Film(NamedTuple):
    "A film that is not exposed, and what was drawn on it."

    params: dict
    scene: Scene
    balls: dict[str, list[np.ndarray]]  # mask → balls: centre, radii, perhaps turn
    tubes: dict[str, list[np.ndarray]]  # mask → tubes: x y z radius of each point


def film_of(kind, seed, findings=(), devices=()):
    "A film of some patient, and what was drawn for it."
    rng = np.random.default_rng([seed, 10])
    params = draw_params(kind, rng)
    if seed % 2:  # every second patient is drawn wider apart than usual
        params["inspiration"] = rng.uniform(0.4, 1)
        params["belly"] = rng.uniform(-0.5, 1.5)
        params["heart"] = rng.uniform(0.9, 1.5)
        params["wide"] = rng.uniform(0.93, 1.1)
        params["pelvis_wide"] = rng.uniform(0.92, 1.05)
    params.update(zoom=0.5, shift=[0, 0], findings=list(findings), devices=list(devices))

    drawn = dict(ball=defaultdict(list), tube=defaultdict(list))

    def writing_down(solid, draw):
        def method(scene, mask, tissue, numbers, *args, **options):
            drawn[solid][mask].append(np.array(numbers))
            return draw(scene, mask, tissue, numbers, *args, **options)

        return method

    with pytest.MonkeyPatch.context() as patch:
        for solid in drawn:
            patch.setattr(Scene, solid, writing_down(solid, getattr(Scene, solid)))
        scene = build(kind, params, (64, 64), np.random.default_rng(seed))
    return Film(params, scene, drawn["ball"], drawn["tube"])


def groups_of(n, things):
    "A list cut into groups of n."
    assert len(things) % n == 0
    return [things[i : i + n] for i in range(0, len(things), n)]


def is_inside(point, ball, flat=False):
    "Is a point inside an ellipsoid; `flat`: as seen from the front?"
    away = point[:3] - ball[:3]
    if len(ball) > 6:
        away = turn(roll=ball[6]).T @ away
    axes = 2 if flat else 3
    return np.linalg.norm((away / ball[3:6])[:axes]) < 1


def is_seen_on(film, mask, point):
    "Does a point of the patient fall on a mask?"
    scene = film.scene
    x, y = scene.project(np.asarray(point)[:3]).flat
    column = round((x - scene.x[0]) / scene.px)
    row = round((y - scene.y[0]) / scene.px)
    return scene.masks[mask][row, column]


def at_height(tube, y):
    "Where a tube that runs downwards is at this height: x y z radius."
    return np.array([np.interp(y, tube[:, 1], column) for column in tube.T])


# In the chest


@pytest.fixture(scope="module")
def chests():
    "Chest films with every device there is for a chest."
    others = [name for name in CHEST_DEVICES if name != "pacemaker"]
    devices = [*others, *["pacemaker"] * REPEATS]
    return [film_of("chest", seed, devices=devices) for seed in SEEDS]


def test_an_endotracheal_tube_ends_in_the_trachea_above_the_carina(chests):
    for film in chests:
        trachea, left_bronchus = film.tubes["trachea"]
        carina = left_bronchus[0, 1]
        for wall in film.tubes["device_endotracheal_tube"]:
            tip = wall[-1]
            assert 3 < carina - tip[1] < 6
            x, _, z, radius = at_height(trachea[:5], tip[1])
            assert np.hypot(tip[0] - x, tip[2] - z) < radius


def test_a_feeding_tube_ends_in_the_stomach(chests):
    for film in chests:
        (tube,) = film.tubes["device_feeding_tube"]
        (bubble,) = film.balls["stomach"]  # its gas; fluid lies below
        tip = tube[-1]
        assert tip[0] > 4  # on the left
        assert tip[1] > dome_y(film.params, LEFT) + 4
        assert abs(tip[0] - bubble[0]) < 5
        assert 0 < tip[1] - bubble[1] < 8


def right_atrium(film):
    "The part of the heart that is furthest to the patient's right."
    return min(film.balls["heart"], key=lambda ball: ball[0])


def superior_vena_cava(film):
    "The vessel of the mediastinum that runs on the right."
    (cava,) = (tube for tube in film.tubes["mediastinum"] if (tube[:, 0] < 0).all())
    return cava


def test_a_central_line_ends_in_vena_cava_or_right_atrium(chests):
    for film in chests:
        (line,) = film.tubes["device_central_line"]
        tip = line[-1]
        cava = superior_vena_cava(film)
        assert tip[0] < -1  # right of the midline
        assert tip[1] > 10  # below the carina
        is_at_its_end = np.hypot(*(tip - cava[-1])[:2]) < cava[-1, 3]
        assert is_at_its_end or is_inside(tip, right_atrium(film), flat=True)

        # And on its way it lies in the vena cava.
        middle = line[-2]
        assert abs(middle[0] - at_height(cava, middle[1])[0]) < cava[-1, 3]


class Pacemaker(NamedTuple):
    "One pacemaker, and the film it is on."

    film: Film
    generator: np.ndarray
    connector: np.ndarray
    lead_to_apex: np.ndarray
    lead_to_atrium: np.ndarray


@pytest.fixture(scope="module")
def pacemakers(chests):
    "All pacemakers, sorted by side: -1 right, 1 left."
    found = {RIGHT: [], LEFT: []}
    for film in chests:
        balls = groups_of(2, film.balls["device_pacemaker"])
        leads = groups_of(2, film.tubes["device_pacemaker"])
        assert len(balls) == len(leads) == REPEATS
        for ball_pair, lead_pair in zip(balls, leads, strict=True):
            pacemaker = Pacemaker(film, *ball_pair, *lead_pair)
            found[np.sign(pacemaker.generator[0])].append(pacemaker)
    return found


@SIDES
class TestPacemaker:
    def test_there_are_enough(self, pacemakers, side):
        assert len(pacemakers[side]) >= ENOUGH

    def test_the_generator_lies_below_its_collar_bone(self, pacemakers, side):
        for pacemaker in pacemakers[side]:
            assert 10 < side * pacemaker.generator[0] < 13
            assert 3 < pacemaker.generator[1] < 6
            assert is_seen_on(pacemaker.film, "soft_tissue", pacemaker.generator)
            for lead in (pacemaker.lead_to_apex, pacemaker.lead_to_atrium):
                assert is_inside(lead[0], pacemaker.connector, flat=True)

    def test_both_leads_come_from_that_side_and_run_down_the_vena_cava(self, pacemakers, side):
        for pacemaker in pacemakers[side]:
            cava = superior_vena_cava(pacemaker.film)
            for lead in (pacemaker.lead_to_apex, pacemaker.lead_to_atrium):
                assert (side * lead[:3, 0] > 2).all()
                for x, y, *_ in lead[3:5]:
                    assert abs(x - at_height(cava, y)[0]) < cava[-1, 3]

    def test_one_lead_ends_in_the_apex_of_the_right_ventricle(self, pacemakers, side):
        for pacemaker in pacemakers[side]:
            tip = pacemaker.lead_to_apex[-1]
            heart = pacemaker.film.balls["heart"]
            assert any(is_inside(tip, ball) for ball in heart)
            ventricles = heart[0]
            assert tip[0] > ventricles[0] and tip[1] > ventricles[1]  # left and low
            assert is_seen_on(pacemaker.film, "heart", tip)

    def test_the_other_ends_in_the_right_atrium(self, pacemakers, side):
        for pacemaker in pacemakers[side]:
            tip = pacemaker.lead_to_atrium[-1]
            assert tip[0] < 0
            assert any(is_inside(tip, ball) for ball in pacemaker.film.balls["heart"])
            assert is_inside(tip, right_atrium(pacemaker.film), flat=True)


def test_from_the_vena_cava_on_a_lead_is_the_same_from_either_side(pacemakers):
    right, left = (
        np.mean([pacemaker.lead_to_apex for pacemaker in pacemakers[side]], axis=0)
        for side in (RIGHT, LEFT)
    )
    assert np.allclose(right[:3], left[:3] * [-1, 1, 1, 1], atol=0.1)
    assert np.allclose(right[3:5], left[3:5], atol=0.1)


def test_ecg_leads_end_on_the_skin_of_the_trunk(chests):
    for film in chests:
        electrodes = film.balls["device_leads"]
        cables = film.tubes["device_leads"]
        assert len(electrodes) == len(cables) == 3
        for electrode, cable in zip(electrodes, cables, strict=True):
            assert abs(electrode[0]) < 12 and 0 < electrode[1] < 30
            assert is_seen_on(film, "soft_tissue", electrode)
            assert np.linalg.norm(electrode[:3] - cable[0, :3]) < 2
            assert is_seen_on(film, "soft_tissue", cable[-1])


def test_sternal_wires_lie_around_the_sternum(chests):
    for film in chests:
        loops = film.tubes["device_sternal_wires"]
        assert len(loops) == 5
        for loop in loops:
            middle = loop.mean(axis=0)
            assert abs(middle[0]) < 0.3 and 3 < middle[1] < 18
            assert is_seen_on(film, "sternum", middle)


# In the abdomen


EITHER_SIDE = ["drain", "ureteral_stent", "hip_prosthesis"]


@pytest.fixture(scope="module")
def abdomens():
    "Films of the abdomen with the devices and findings that have ends."
    findings = ["urinary_contrast", "free_gas", *["kidney_stones"] * REPEATS]
    devices = EITHER_SIDE * REPEATS
    return [film_of("abd", seed, findings, devices) for seed in SEEDS]


def kidney(film, side):
    "The kidney of one side."
    (ball,) = (ball for ball in film.balls["kidneys"] if side * ball[0] > 0)
    return ball


def all_of(films, name, side, solid="tubes", parts=1):
    "Every device or finding of this name on one side, with its film; a list of its parts."
    found = []
    for film in films:
        for group in groups_of(parts, getattr(film, solid)[name]):
            if side * np.atleast_2d(group[0])[0, 0] > 0:
                found.append((film, group))
    assert len(found) >= ENOUGH
    return found


@SIDES
def test_a_ureteral_stent_has_a_curl_in_the_kidney_and_one_in_the_bladder(abdomens, side):
    for film, (stent,) in all_of(abdomens, "device_ureteral_stent", side):
        (bladder,) = film.balls["bladder"]
        assert all(is_inside(point, kidney(film, side)) for point in stent[:4])
        assert all(is_inside(point, bladder, flat=True) for point in stent[-3:])
        assert (side * stent[:, 0] > 0).all()


@SIDES
def test_kidney_stones_lie_in_kidney_and_ureter(abdomens, side):
    for film, stones in all_of(abdomens, "kidney_stones", side, solid="balls", parts=3):
        *calyces, ureter = stones
        assert all(is_inside(stone, kidney(film, side)) for stone in calyces)
        assert 4 < side * ureter[0] < 5.2 and 42 < ureter[1] < 46


@SIDES
def test_a_hip_prosthesis_sits_in_its_socket_and_in_the_femur(abdomens, side):
    heads = all_of(abdomens, "device_hip_prosthesis", side, solid="balls")
    stems = all_of(abdomens, "device_hip_prosthesis", side)
    for (film, (head,)), (_, (stem,)) in zip(heads, stems, strict=True):
        bones = [ball for ball in film.balls["femurs"] if side * ball[0] > 0]
        femoral_head = max(bones, key=lambda ball: ball[3])
        assert np.hypot(*(head - femoral_head)[:2]) < 1
        assert np.hypot(*(head[:2] - stem[0, :2])) < 1

        shafts = [tube for tube in film.tubes["femurs"] if side * tube[0, 0] > 0]
        shaft = max(shafts, key=lambda tube: tube[-1, 1])
        for point in stem[-2:]:
            x, *_, radius = at_height(shaft, point[1])
            assert abs(point[0] - x) < radius


@SIDES
def test_a_drain_comes_through_a_flank_and_ends_inside(abdomens, side):
    for film, (drain,) in all_of(abdomens, "device_drain", side):
        outer, tip = drain[0], drain[-1]
        assert 14 < side * outer[0] < 18
        assert abs(tip[0]) < 5 and 43 < tip[1] < 49
        assert is_seen_on(film, "soft_tissue", tip)


def test_contrast_medium_fills_kidneys_ureters_and_bladder(abdomens):
    for film in abdomens:
        upper, lower, left_ureter, right_ureter, right_upper = film.tubes["urinary_contrast"]
        (dye,) = film.balls["urinary_contrast"]
        (bladder,) = film.balls["bladder"]
        for side, parts in ((LEFT, (upper, lower)), (RIGHT, (right_upper,))):
            for point in np.concatenate(parts):
                assert is_inside(point, kidney(film, side))
        assert is_inside(left_ureter[0], kidney(film, LEFT))
        assert is_inside(right_ureter[0], kidney(film, RIGHT))
        assert is_inside(left_ureter[-1], bladder, flat=True)
        assert is_inside(dye, bladder) and (dye[3:6] < bladder[3:6]).all()


def test_free_gas_lies_right_below_both_domes(abdomens):
    for film in abdomens:
        for side, gas in zip((RIGHT, LEFT), film.balls["free_gas"], strict=True):
            top = gas[1] - gas[4]
            assert side * gas[0] > 0
            assert 0 < top - dome_y(film.params, side) < 1.5


# What they are drawn from


def test_chance_draws_them_by_number_so_their_order_stays():
    assert list(CHEST_DEVICES) == [
        "endotracheal_tube",
        "feeding_tube",
        "central_line",
        "leads",
        "pacemaker",
        "sternal_wires",
    ]
    assert list(ABDOMEN_DEVICES) == ["clips", *EITHER_SIDE, "buttons"]
    assert list(FINDINGS) == [
        "free_gas",
        "volvulus",
        "gallstones",
        "kidney_stones",
        "bowel_contrast",
        "urinary_contrast",
    ]


def test_each_finding_and_device_has_its_own_mask():
    for drawings in (CHEST_DEVICES, ABDOMEN_DEVICES, FINDINGS):
        for name, drawing in drawings.items():
            mask = name if drawings is FINDINGS else f"device_{name}"
            assert {row.mask for row in read_table(drawing.table)} == {mask}


# What fills a lung


def lungs(consolidation=0, white_lung=(0, 0), effusion=(0, 0), erect=True, seed=0):
    "A scene with ten centimetres of lung everywhere, and disease in it."
    scene = Scene((80, 80), 0.5, (0, 12, 0), turn())
    scene.cm["lung"] += 10
    disease = dict(consolidation=consolidation, white_lung=white_lung, effusion=effusion)
    params = disease | dict(erect=erect, inspiration=1.0, belly=0.0)
    add_chest_disease(scene, params, np.random.default_rng(seed))
    return scene


def halves(array):
    "The patient's right half of a film, and the left half."
    return array[:, :40], array[:, 40:]


def test_without_disease_nothing_changes():
    scene = lungs()
    assert (scene.cm["lung"] == 10).all() and not scene.cm["soft"].any()
    assert scene.consolidated is None and not scene.masks.get("effusion", np.zeros(1)).any()


@pytest.mark.parametrize("seed", range(10))
def test_consolidation_is_on_one_side_and_remembered(seed):
    scene = lungs(consolidation=2, seed=seed)
    assert np.allclose(scene.consolidated, scene.cm["soft"])
    assert np.allclose(scene.consolidated + scene.cm["lung"], 10)
    weaker, stronger = sorted(half.sum() for half in halves(scene.consolidated))
    assert stronger > 5 * weaker


def test_a_white_lung_loses_a_share_of_its_air():
    scene = lungs(white_lung=(0, 0.7))
    right, left = halves(scene.consolidated)
    assert not right.any() and np.allclose(left, 7)


@pytest.mark.parametrize("erect", [True, False], ids=["standing", "lying"])
def test_fluid_is_no_consolidation(erect):
    scene = lungs(effusion=(0.4, 0), erect=erect)
    assert scene.consolidated is None
    right, left = halves(scene.cm["soft"])
    assert right.sum() > 100 and not left.any()
    assert (np.diff(right, axis=0) > -1e-9).all()  # denser downwards


def test_standing_fluid_rises_towards_the_chest_wall():
    outline = lungs(effusion=(0.4, 0)).masks["effusion"]
    top = outline[:, :40].argmax(axis=0)  # the first row of fluid in each column, side to middle
    assert top[10] < top[20]


def test_fluid_covers_what_consolidation_has_left():
    both = lungs(consolidation=3, effusion=(0.5, 0.5))
    alone = lungs(consolidation=3)
    assert np.array_equal(both.consolidated, alone.consolidated)
    assert (both.cm["lung"] <= alone.cm["lung"]).all()
