"""Write __init__.pyi of the package and of its simulator: in which room each public name lives.

The packages read them when a name is first used, editors read them to complete names.
`make docs` runs this; tests/test_repository.py asks whether anything would change."""

import ast
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
SIM_STANDS_BEFORE = "pretrain"  # the simulator's place in the order of the rooms
OF_SIM = [  # of the simulator's names those that come from the package itself, too
    "HOSPITALS",
    "KEV",
    "KINDS",
    "MU",
    "Scene",
    "SimulatedFilm",
    "build",
    "effusion_facts",
    "read_manifest",
    "simulate_again",
    "simulate_dataset",
    "simulate_effusions",
    "simulate_film",
    "simulate_films",
    "spectrum",
    "transmission",
    "turn",
]


def rooms_in(folder: Path) -> list[str]:
    "The names of the modules of a folder of notebooks, in the order of their numbers."
    return [book.stem.split("_", 1)[1] for book in sorted(folder.glob("[0-9][0-9]*_*.ipynb"))]


def rooms() -> list[str]:
    "The names of all modules in their order: film, …, sim.beam, …, pretrain, …"
    names = rooms_in(HERE / "nbs")
    place = names.index(SIM_STANDS_BEFORE)
    simulator = [f"sim.{name}" for name in rooms_in(HERE / "nbs/sim")]
    return names[:place] + simulator + names[place:]


def source(room: str) -> Path:
    "The file of a module."
    return HERE / "rsna_cls" / f"{room.replace('.', '/')}.py"


def public_names(room: str) -> list[str]:
    "The names in a module's `__all__`, read without importing it."
    tree = ast.parse(source(room).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


def homes(rooms: list[str]) -> dict[str, str]:
    "Public name → its room, in the order of the rooms; no name may have two."
    found: dict[str, str] = {}
    for room in rooms:
        for name in sorted(public_names(room), key=str.lower):
            if name in found:
                raise SystemExit(f"{name} is public in {found[name]} and in {room}")
            found[name] = room
    return found


def wanted() -> dict[Path, str]:
    "The stub files: their place and their text."
    of_sim = {name: room for name, room in homes(rooms()).items() if room.startswith("sim.")}
    sim = [f"from .{room[4:]} import {name} as {name}" for name, room in of_sim.items()]

    package = ["from . import sim as sim"]
    for name, room in homes(rooms()).items():
        if name not in of_sim:
            package.append(f"from .{room} import {name} as {name}")
        elif name in OF_SIM:
            package.append(f"from .sim import {name} as {name}")
    package += ["", "__version__: str"]

    head = "# made by `make docs` from the modules: one line for each public name"
    return {
        HERE / "rsna_cls/__init__.pyi": "\n".join([head, *package]) + "\n",
        HERE / "rsna_cls/sim/__init__.pyi": "\n".join([head, *sim]) + "\n",
    }


def stale() -> list[Path]:
    "The stub files that are not as they should be."
    return [
        path
        for path, text in wanted().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


if __name__ == "__main__":
    for path in stale():
        path.write_text(wanted()[path], encoding="utf-8")
        print("wrote", path.relative_to(HERE))
