"""Does an independent program cast the same shadows? The simulator beside gVirtualXray (gVXR).

    python -W ignore experiments/physics.py    # half a minute; needs gVXR

gVXR (https://gvirtualxray.sourceforge.io, BSD) follows rays through meshes of triangles and takes
attenuation from a table of its own (xraylib); here it is told what tissues are made of (ICRU 44,
as at NIST, https://physics.nist.gov/PhysRefData/XrayMassCoef/tab2.html), where the tube stands and
which energies the beam has. Both cast the shadows of the same shapes, and three figures compare
them, those of gVXR's own paper (Pointon and others, Comput Methods Programs Biomed
2023;234:107500): mean absolute percentage error, zero-mean normalised cross-correlation, and
structural similarity.

It needs gVXR and, where there is no screen, Mesa's OpenGL: pip install gvxr; Debian: apt install
libegl1 libgl1-mesa-dri libxcb-res0 libxcb-composite0 libxcb-ewmh2 libxcb-icccm4 libxcb-keysyms1
libxcb-xinerama0
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from skimage.metrics import structural_similarity

from common import Question, Table, made, markdown, say
from rsna_cls import KEV, spectrum, transmission
from rsna_cls.sim.scene import TUBE_DISTANCES, Scene
from rsna_cls.sim.solids import bend, curve_distance, is_inside, turn

KVP = 90
SIDE = 256  # px
WIDTH = 40.0  # cm: of the film, in the patient's middle
BEHIND = 30.0  # cm: from there to the detector


class Agreement(NamedTuple):
    "How the shadows of one shape compare."

    shape: str  # one of `shapes`
    mape: float  # mean absolute percentage error (per cent)
    zncc: float  # zero-mean normalised cross-correlation; 1: the same picture
    ssim: float  # structural similarity; 1: the same picture
    largest: float  # difference of any pixel (per cent of the bare beam)
    made: str


SHADOWS = Table("physics", Agreement, key=("shape",))
TABLES = (SHADOWS,)


# --- tissues --------------------------------------------------------------------------------------

ATOMS = {"H": 1, "C": 6, "N": 7, "O": 8, "Na": 11, "Mg": 12, "P": 15, "S": 16, "Cl": 17, "Ar": 18}
ATOMS |= {"K": 19, "Ca": 20, "Ti": 22, "Ba": 56}

TISSUES = {  # tissue → density (g/cm³), and the share of each element by weight
    "soft": (
        1.06,
        "H .102 C .143 N .034 O .708 Na .002 P .003 S .003 Cl .002 K .003",
    ),
    "fat": (0.95, "H .114 C .598 N .007 O .278 Na .001 S .001 Cl .001"),
    "lung": (
        0.26,
        "H .103 C .105 N .031 O .749 Na .002 P .002 S .003 Cl .003 K .002",
    ),
    "air": (0.0012, "C .000124 N .755268 O .231781 Ar .012827"),
    "bone": (1.92, "H .034 C .155 N .042 O .435 Na .001 Mg .002 P .103 S .003 Ca .225"),
    "metal": (4.54, "Ti 1"),
    "contrast": (1.10, "H .1017 O .8074 Ba .0909"),
}


def elements(composition: str) -> tuple[list[int], list[float]]:
    "Atomic numbers and shares by weight, which add up to 1."
    words = composition.split()
    shares = np.array(words[1::2], float)
    return [ATOMS[name] for name in words[::2]], list(shares / shares.sum())


# --- meshes ---------------------------------------------------------------------------------------


class Mesh(NamedTuple):
    "A closed surface of triangles, and what is inside."

    points: np.ndarray  # x y z of the patient (cm), shape (n, 3)
    triangles: np.ndarray  # numbers of points, shape (m, 3)
    tissue: str  # one of `TISSUES`
    is_around: bool = False  # whether the other meshes lie inside it, and take its room


def grid_triangles(rows: int, columns: int) -> np.ndarray:
    "Two triangles for each field of a grid of points."
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b = number[:-1, :-1], number[:-1, 1:]
    c, d = number[1:, :-1], number[1:, 1:]
    pair = [np.stack(corners, -1).reshape(-1, 3) for corners in ((a, b, c), (b, d, c))]
    return np.concatenate(pair)


def closed_mesh(
    points: np.ndarray, triangles: np.ndarray, tissue: str, is_around: bool = False
) -> Mesh:
    "A mesh whose triangles all look outwards, as gVXR takes them."
    corners = points[triangles]
    volume = np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    return Mesh(points, triangles if volume > 0 else triangles[:, ::-1], tissue, is_around)


def skin_of_rings(rings: np.ndarray, tissue: str, is_around: bool = False) -> Mesh:
    "A closed surface around rings of points, shape (rings, points, 3); the end rings are closed."
    first = np.repeat(rings[:1].mean(1, keepdims=True), rings.shape[1], 1)
    last = np.repeat(rings[-1:].mean(1, keepdims=True), rings.shape[1], 1)
    closed = np.concatenate([first, rings, last])
    closed = np.concatenate([closed, closed[:, :1]], 1)  # each ring ends where it begins
    return closed_mesh(closed.reshape(-1, 3), grid_triangles(*closed.shape[:2]), tissue, is_around)


ROUND = np.linspace(0, 2 * np.pi, 240, endpoint=False)  # radians: the points of a ring


def ball_mesh(centre: Sequence[float], radii: Sequence[float], roll: float, tissue: str) -> Mesh:
    "An ellipsoid."
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 160)[1:-1, None]
    unit = np.stack(
        [
            np.cos(latitude) * np.cos(ROUND),
            np.sin(latitude) + 0 * ROUND,
            np.cos(latitude) * np.sin(ROUND),
        ],
        -1,
    )
    return skin_of_rings((unit * radii) @ turn(roll=roll).T + centre, tissue)


def rings_along(axis: np.ndarray, thinner: float = 0) -> np.ndarray:  # shape (n, points, 3)
    "Rings around a smooth curve, with round ends; `thinner` by so much all around (cm)."
    curve = bend(axis, 24)
    points, radius = curve[:, :3], curve[:, 3] - thinner
    along = np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)

    # Round ends: rings that shrink.
    angles = np.linspace(0, np.pi / 2, 24)[1:]
    before = points[0] - np.sin(angles[::-1, None]) * radius[0] * along[0]
    after = points[-1] + np.sin(angles[:, None]) * radius[-1] * along[-1]
    points = np.concatenate([before, points, after])
    shrunk = np.cos(angles)
    radius = np.concatenate([shrunk[::-1] * radius[0], radius, shrunk * radius[-1]])
    along = np.concatenate([np.tile(along[0], (23, 1)), along, np.tile(along[-1], (23, 1))])

    # Two directions across, for each point; seen from the direction that the axis avoids most.
    steepest = np.abs(along).max(0)
    across = np.cross(along, np.eye(3)[steepest.argmin()])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    third = np.cross(along, across)
    circle = np.cos(ROUND)[:, None] * across[:, None] + np.sin(ROUND)[:, None] * third[:, None]
    return points[:, None] + radius[:, None, None] * circle


def tube_mesh(axis: np.ndarray, tissue: str, thinner: float = 0, is_around: bool = False) -> Mesh:
    "A tube along a smooth curve with round ends; `thinner` by so much all around (cm)."
    return skin_of_rings(rings_along(axis, thinner), tissue, is_around)


def loft_mesh(sections: np.ndarray, tissue: str, is_around: bool = False) -> Mesh:
    "Elliptic cross-sections, one above the other."
    y, x, z, half_width, half_depth = bend(sections, 40).T[:, :, None]
    rings = np.stack(
        [x + half_width * np.cos(ROUND), y + 0 * ROUND, z + half_depth * np.sin(ROUND)], -1
    )
    return skin_of_rings(rings, tissue, is_around)


def plate_mesh(outline: np.ndarray, half: float, tissue: str) -> Mesh:
    "A flat piece with a rounded rim, whose outline lies in a plane of equal z."
    flat = bend(outline[:, :2], 24, closed=True)
    low, high = flat.min(0) - 0.1, flat.max(0) + 0.1
    x = np.linspace(low[0], high[0], 400)[None]
    y = np.linspace(low[1], high[1], 400)[:, None]
    from_rim = np.where(is_inside(x, y, flat), curve_distance(x, y, flat)[0], 0)
    height = np.sqrt(half**2 - np.maximum(half - from_rim, 0) ** 2)
    grid = np.broadcast_arrays(x, y, height)
    front = np.stack(grid, -1).reshape(-1, 3)
    points = np.concatenate([front, front * [1, 1, -1]]) + [0, 0, outline[0, 2]]
    triangles = grid_triangles(400, 400)
    return closed_mesh(points, np.concatenate([triangles, triangles[:, ::-1] + 400 * 400]), tissue)


# --- shapes ---------------------------------------------------------------------------------------


class Shape(NamedTuple):
    "What stands in the beam, for either program."

    draw: Callable[[Scene], None]
    meshes: list[Mesh]
    view: str = "PA"
    yaw: float = 0  # degrees


def one_ball(tissue: str, centre: list, radii: list, roll: float = 0, view: str = "PA") -> Shape:
    "An ellipsoid."
    numbers = np.array([*centre, *radii, roll], float)
    mesh = ball_mesh(centre, radii, roll, tissue)
    return Shape(lambda scene: scene.ball("", tissue, numbers, None), [mesh], view)


RIB = np.array(
    [  # x y z radius (cm)
        (3, -6, -7, 0.6),
        (9, -5, -6, 0.6),
        (12.5, -2, 0, 0.6),
        (11, 2, 6, 0.6),
        (7, 5, 8.5, 0.65),
    ]
)
SHAFT = np.array([(-6, -12, 2, 1.6), (-4, -4, 2, 1.3), (-3, 4, 2, 1.3), (-4, 12, 2, 1.7)], float)
BLADE = np.array([(-8, -9, 5), (6, -8, 5), (8, -4, 5), (2, 8, 5), (-2, 11, 5), (-5, 2, 5)], float)
TRUNK = np.array(
    [  # y, middle x and z, half width, half depth (cm); both ends lie beyond the film, as in films
        (-30, 0, 0, 12, 8),
        (-8, 0, 0.5, 15, 10),
        (4, 0, 0.5, 14.5, 11),
        (30, 0, 0, 15, 10),
    ]
)
LUNG = np.array([(-13, 6, 0, 1, 1), (-9, 6.5, 0, 4, 4), (2, 7, 0, 5, 7), (9, 7, 0, 4, 5)], float)
WALL = 0.1  # thickness of the cortex of hollow bones (cm)


def hollow_bone(axis: np.ndarray) -> Shape:
    "A wall of bone around air; here a few rings of a few points, there two meshes of many."
    surface = rings_along(axis)[::5, ::15]

    def draw(scene: Scene) -> None:
        scene.shell("", "bone", surface, None, WALL)

    return Shape(
        draw, [tube_mesh(axis, "bone", is_around=True), tube_mesh(axis, "air", thinner=WALL)]
    )


def filled_shell() -> Shape:
    "A ball of bone as a shell that is filled, given by a few rings of a few points."
    centre, radii = [-6, 4, 8], [3, 4, 3]
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 11)[:, None]
    longitude = ROUND[::20]
    x = np.cos(latitude) * np.cos(longitude)
    y = np.sin(latitude) + 0 * longitude
    z = np.cos(latitude) * np.sin(longitude)
    surface = np.stack([x, y, z], 2) * radii + centre
    mesh = ball_mesh(centre, radii, 0, "bone")
    return Shape(lambda scene: scene.shell("", "bone", surface, None, 0, 1), [mesh], "AP")


def shapes() -> dict[str, Shape]:
    "The shapes, by name."

    def draw_chest(scene: Scene) -> None:
        scene.loft("", "soft", TRUNK)
        for side in (-1, 1):
            scene.loft("", "lung", LUNG * [1, side, 1, 1, 1], "soft")
            scene.tube("", "bone", RIB * [side, 1, 1, 1], "soft")

    chest = [loft_mesh(TRUNK, "soft", is_around=True)]
    for side in (-1, 1):
        chest.append(loft_mesh(LUNG * [1, side, 1, 1, 1], "lung"))
        chest.append(tube_mesh(RIB * [side, 1, 1, 1], "bone"))

    def draw_trunk(scene: Scene) -> None:
        scene.loft("", "soft", TRUNK)

    trunk = [loft_mesh(TRUNK, "soft")]
    return {
        "ball of soft tissue in the middle": one_ball("soft", [0, 0, 0], [9, 9, 9]),
        "ellipsoid of lung, rolled": one_ball("lung", [5, -3, 4], [6, 10, 7], 25),
        "ellipsoid of fat near the tube": one_ball("fat", [4, 6, 9], [7, 4, 5], -15, "AP"),
        "ball of contrast medium": one_ball("contrast", [-7, 2, -6], [2, 2, 2]),
        "rib": Shape(lambda scene: scene.tube("", "bone", RIB, None), [tube_mesh(RIB, "bone")]),
        "rib, hollow": hollow_bone(RIB),
        "shaft of a long bone, hollow": hollow_bone(SHAFT),
        "ellipsoid of bone near the tube, as a shell": filled_shell(),
        "plate of bone": Shape(
            lambda scene: scene.plate("", "bone", BLADE, None, core=1, half=0.8),
            [plate_mesh(BLADE, 0.8, "bone")],
        ),
        "trunk, facing the detector": Shape(draw_trunk, trunk),
        "trunk, turned by 30 degrees": Shape(draw_trunk, trunk, yaw=30),
        "chest: trunk, lungs, ribs": Shape(draw_chest, chest),
        "chest at the bedside (AP)": Shape(draw_chest, chest, "AP"),
    }


# --- two programs ---------------------------------------------------------------------------------


def shadow_here(shape: Shape) -> np.ndarray:  # shape (SIDE, SIDE): 0 to 1
    "What of the beam gets through, as the simulator has it."
    scene = Scene((SIDE, SIDE), WIDTH / SIDE, (0, 0, 0), turn(shape.yaw), shape.view)
    shape.draw(scene)
    return transmission(scene.cm, KVP)


@contextmanager
def gvxr_open() -> Iterator[Any]:
    "gVXR with a place to draw; ends the program where it is not there."
    os.environ.setdefault("EGL_PLATFORM", "surfaceless")  # where there is no screen
    try:
        from gvxrPython3 import gvxr
    except ImportError as fault:
        raise SystemExit(
            f"gVXR is missing ({fault}). How to get it stands at the top of {Path(__file__).name}."
        ) from None
    gvxr.createNewContext("EGL", 0)
    try:
        yield gvxr
    finally:
        gvxr.destroyAllWindows()


def set_up(gvxr: Any, view: str) -> None:
    "Tube, beam and detector as the simulator has them."
    distance = TUBE_DISTANCES[view]
    towards = 1 if view == "PA" else -1
    gvxr.setSourcePosition(0, 0, -towards * distance, "cm")
    gvxr.usePointSource()
    gvxr.resetBeamSpectrum()
    for energy, share in zip(KEV, spectrum(KVP), strict=True):
        if share > 0:  # of the energy; gVXR counts photons
            gvxr.addEnergyBinToSpectrum(float(energy), "keV", float(1e6 * share / energy))
    gvxr.setDetectorPosition(0, 0, towards * BEHIND, "cm")
    gvxr.setDetectorUpVector(0, -1, 0)
    gvxr.setDetectorNumberOfPixels(SIDE, SIDE)
    pixel = WIDTH / SIDE * (distance + BEHIND) / distance
    gvxr.setDetectorPixelSize(pixel, pixel, "cm")


def shadow_of_gvxr(gvxr: Any, shape: Shape) -> np.ndarray:  # shape (SIDE, SIDE): 0 to 1
    "What of the beam gets through, as gVXR has it."
    gvxr.removePolygonMeshesFromXRayRenderer()
    set_up(gvxr, shape.view)
    for number, mesh in enumerate(shape.meshes):
        name = f"mesh {number}"
        points = mesh.points @ turn(shape.yaw).T
        gvxr.makeTriangularMesh(name, points.ravel(), mesh.triangles.ravel(), "cm")
        density, composition = TISSUES[mesh.tissue]
        gvxr.setMixture(name, *elements(composition))
        gvxr.setDensity(name, density, "g/cm3")
        if mesh.is_around:
            gvxr.addPolygonMeshAsOuterSurface(name)
        else:
            gvxr.addPolygonMeshAsInnerSurface(name)
    # Its pictures are seen from the tube, the patient's head below.
    arriving = np.array(gvxr.computeXRayImage(), float)[::-1]
    if shape.view == "AP":
        arriving = arriving[:, ::-1]
    return arriving / gvxr.getTotalEnergyWithDetectorResponse()


# --- measuring ------------------------------------------------------------------------------------


def compared(name: str, here: np.ndarray, there: np.ndarray) -> Agreement:
    "Two pictures of what gets through, in figures."
    error = np.abs(here - there)
    alike = np.mean((here - here.mean()) * (there - there.mean())) / (here.std() * there.std())
    return Agreement(
        shape=name,
        mape=100 * float((error / there).mean()),
        zncc=float(alike),
        ssim=float(structural_similarity(here, there, data_range=1.0)),
        largest=100 * float(error.max()),
        made=made(),
    )


QUESTION = Question(__doc__, which=dict(shapes=list(shapes())))


def main(arguments: Sequence[str] | None = None) -> None:
    "The command line."
    given = QUESTION.options(arguments)
    with gvxr_open() as gvxr:
        for name in given.shapes:
            shape = shapes()[name]
            row = compared(name, shadow_here(shape), shadow_of_gvxr(gvxr, shape))
            SHADOWS.keep(given.to, [row])
            say(f"{name}: {row.mape:.2f} %, {row.zncc:.4f}, {row.ssim:.4f}")


# --- what is quoted -------------------------------------------------------------------------------


def tables(folder: Path) -> dict[str, str]:
    "The three figures of each shape."
    found = {row.shape: row for row in SHADOWS.read(folder)}
    columns = ["shape", "MAPE (%)", "ZNCC (%)", "SSIM", "largest difference (%)"]
    lines = []
    for name in shapes():
        row = found[name]
        figures = [f"{row.mape:.2f}", f"{100 * row.zncc:.2f}", f"{row.ssim:.3f}"]
        figures += [f"{row.largest:.0f}"]
        lines.append([name, *figures])
    return {"agreement": markdown(columns, lines)}


def numbers(folder: Path) -> dict[str, str]:
    "None: the table says it all."
    return {}


if __name__ == "__main__":
    main()
