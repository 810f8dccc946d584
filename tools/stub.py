"""Write rsna_cls/__init__.pyi, which says in which room each public name lives.

The package reads it when a name is first used, editors read it to complete names.
`make docs` runs this; tests/test_repository.py asks whether anything would change."""

import ast
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
STUB = HERE / "rsna_cls/__init__.pyi"


def rooms() -> list[str]:
    "The names of the modules, in the order of their notebooks."
    notebooks = sorted((HERE / "nbs").glob("[0-9][0-9]_*.ipynb"))
    return [notebook.stem.split("_", 1)[1] for notebook in notebooks]


def public_names(room: str) -> list[str]:
    "The names in a module's `__all__`, read without importing it."
    tree = ast.parse((HERE / f"rsna_cls/{room}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


def text() -> str:
    "The stub file."
    lines = ["# made by `make docs` from the modules: one line for each public name"]
    homes: dict[str, str] = {}
    for room in rooms():
        for name in sorted(public_names(room), key=str.lower):
            if name in homes:
                raise SystemExit(f"{name} is public in {homes[name]} and in {room}")
            homes[name] = room
            lines.append(f"from .{room} import {name} as {name}")
    lines += ["", "__version__: str"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if not STUB.exists() or STUB.read_text(encoding="utf-8") != text():
        STUB.write_text(text(), encoding="utf-8")
        print("wrote", STUB.relative_to(HERE))
