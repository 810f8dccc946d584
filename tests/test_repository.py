"Rules for the repository itself: notebooks and code agree, lessons keep to their skeleton, nothing breaks in Colab."

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path

import nbformat
import pytest
from conftest import HERE

sys.path.insert(0, str(HERE / "tools"))
import docs  # noqa: E402

NOTEBOOKS = sorted((HERE / "nbs").rglob("*.ipynb"))
NOTEBOOKS = [p for p in NOTEBOOKS if ".ipynb_checkpoints" not in p.parts]
LESSONS = [p for p in NOTEBOOKS if p.parent.name == "lessons"]
MODULES = sorted((HERE / "rsna_cls").glob("*.py"))


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [c for c in read(path).cells if c.cell_type == "code"]


def test_there_is_something_to_check():
    assert len(LESSONS) >= 1 and len(NOTEBOOKS) >= 9 and len(MODULES) >= 8


def test_export_and_clean_leave_no_diff(tmp_path):
    for name in ("nbs", "rsna_cls", "pyproject.toml", "settings.ini", "README.md"):
        src = HERE / name
        shutil.copytree(
            src,
            tmp_path / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"),
        ) if src.is_dir() else shutil.copy(src, tmp_path)
    for command in ("nbdev-export", "nbdev-clean"):
        subprocess.run(
            [Path(sys.executable).with_name(command)], cwd=tmp_path, check=True, capture_output=True
        )
    for src in [*NOTEBOOKS, *MODULES]:
        assert (tmp_path / src.relative_to(HERE)).read_text() == src.read_text(), (
            f"{src.relative_to(HERE)}: run nbdev-export and nbdev-clean"
        )
    made = {p.name for p in (tmp_path / "rsna_cls").glob("*.py")}
    assert made == {p.name for p in MODULES}


def test_versions_agree():
    import rsna_cls

    config = ConfigParser(interpolation=None)
    config.read(HERE / "settings.ini")
    assert config["DEFAULT"]["version"] == rsna_cls.__version__


def test_pyproject_holds_two_tables_only():
    parsed = tomllib.loads((HERE / "pyproject.toml").read_text())
    assert set(parsed) == {"build-system", "tool"} and set(parsed["tool"]) == {"nbdev"}


def test_made_files_are_fresh():
    assert docs.stale() == [], "run `make docs`"


def test_the_address_stands_in_settings_alone():
    git = re.search(r"^git_url = (.*)$", (HERE / "settings.ini").read_text(), re.M)[1]
    made = set(docs.wanted())
    skip = {
        ".git",
        ".venv",
        "build",
        "dist",
        "__pycache__",
        ".pytest_cache",
        ".ipynb_checkpoints",
        "rsna_cls.egg-info",
        "data",
    }
    files = [p for p in HERE.rglob("*") if not skip & set(p.relative_to(HERE).parts)]
    assert len(files) > 30
    for p in files:
        if (
            p.name == "settings.ini"
            or p in made
            or p.suffix in (".png", ".safetensors")
            or p.is_symlink()
            or not p.is_file()
        ):
            continue
        assert git not in p.read_text(encoding="utf-8"), (
            f"{p} names the repository's address: settings.ini is its place"
        )


def test_addresses_follow_settings(tmp_path, monkeypatch):
    settings = (HERE / "settings.ini").read_text()
    old = re.search(r"^git_url = https://github.com/(.*)$", settings, re.M)[1]
    (tmp_path / "settings.ini").write_text(settings.replace(old, "someone/else"))
    elsewhere = docs.addresses(tmp_path / "settings.ini")
    monkeypatch.setattr(docs, "addresses", lambda: elsewhere)
    for path in LESSONS:
        text = docs.stamped(path)
        assert (
            "github/someone/else/blob" in text
            and "git+https://github.com/someone/else@" in text
            and old not in text
        )
    assert "git clone https://github.com/someone/else" in docs.readme()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_notebook_is_clean(path):
    nb = read(path)
    assert "widgets" not in nb.metadata
    for cell in code_cells(path):
        source = cell.source
        assert ".cuda(" not in source
        assert not re.search(r"pip install[^\n]*(-U|--upgrade)\b", source)
        assert not re.search(r"\n\s*%%", source), "a %% magic works on the first line only"
        if path in LESSONS:
            assert not cell.outputs and cell.execution_count is None


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.name)
def test_code_takes_its_input_s_device(path):
    "No .cuda(), and no tensor made without a device."
    text = path.read_text()
    assert ".cuda(" not in text
    makers = {
        "tensor",
        "zeros",
        "ones",
        "full",
        "arange",
        "linspace",
        "eye",
        "rand",
        "randn",
        "randint",
        "empty",
    }
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            if node.func.value.id == "torch" and node.func.attr in makers:
                assert "device" in {k.arg for k in node.keywords}, (
                    f"{path.name}:{node.lineno}: {ast.unparse(node)}"
                )


def test_a_missing_device_is_noticed(tmp_path):
    for bad in ("x = torch.zeros(3)", "y = torch.tensor([1.], dtype=torch.float)", "m.cuda()"):
        (tmp_path / "bad.py").write_text(bad)
        with pytest.raises(AssertionError):
            test_code_takes_its_input_s_device(tmp_path / "bad.py")


def public_functions():
    "The functions in each module's __all__."
    for path in MODULES:
        tree = ast.parse(path.read_text())
        names = next(
            (
                ast.literal_eval(n.value)
                for n in tree.body
                if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__"
            ),
            [],
        )
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name in names:
                yield path, node, path.read_text().split("\n")


def test_public_functions_are_documented():
    "A docstring of one line, and a comment on each parameter and on what comes back."
    found = list(public_functions())
    assert len(found) > 20
    for path, node, lines in found:
        doc = ast.get_docstring(node)
        assert doc and "\n" not in doc, f"{path.name}: {node.name} has no one-line docstring"
        for arg in node.args.args + node.args.kwonlyargs:
            assert "#" in lines[arg.lineno - 1], (
                f"{path.name}: {node.name}({arg.arg}) is not explained"
            )


def count_code(path):
    "Lines of code; what explains is not counted: comments, docstrings, and the lines that document one argument each."
    text, said = path.read_text(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and ast.get_docstring(
            node
        ):
            said |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
        if isinstance(node, ast.FunctionDef):
            said |= {
                a.lineno for a in node.args.args + node.args.kwonlyargs if a.lineno != node.lineno
            }
    return sum(
        1
        for k, line in enumerate(text.split("\n"), 1)
        if line.strip() and not line.strip().startswith("#") and k not in said
    )


def test_the_library_stays_small():
    sizes = {p.stem: count_code(p) for p in MODULES if p.stem not in ("__init__", "_modidx")}
    assert sizes.pop("simulate", 0) <= 500
    assert sum(sizes.values()) <= 1900, sizes


# --- lessons ----------------------------------------------------------------------------------------------------------

SKELETON = [
    "Open in Colab",
    "# 1",
    "## What you will be able to do",
    "## Time and hardware",
    "Not for clinical use",
    "#@title Set up",
    "#@title Your choices",
    "## What we learned",
    "## Questions",
    "## Exercises",
    "## Further reading",
]


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.name)
class TestLesson:
    def test_skeleton(self, path):
        nb = read(path)
        everything = "\n".join(c.source for c in nb.cells)
        assert path.name in nb.cells[0].source and "colab.research.google.com" in nb.cells[0].source
        at = [
            everything.find(s)
            for s in [s.replace("# 1", f"# {int(path.name[:2])}") for s in SKELETON]
        ]
        assert -1 not in at and at == sorted(at), dict(zip(SKELETON, at))
        for words in (
            "Predict before you run",
            "At the viewbox",
            "You should see",
            "Upload no patient data",
        ):
            assert words in everything
        goals = next(c.source for c in nb.cells if "What you will be able to do" in c.source)
        assert 3 <= len(re.findall(r"^- ", goals, re.M)) <= 5
        assert everything.count("<details>") == everything.count("</details>") > 5

    def test_cells_are_short(self, path):
        for cell in code_cells(path):
            assert len(cell.source.split("\n")) <= 8, cell.source

    def test_one_set_up_cell_everywhere(self, path):
        set_up = [c.source for c in code_cells(path) if "#@title Set up" in c.source]
        assert set_up == [
            next(c.source for c in code_cells(LESSONS[0]) if "#@title Set up" in c.source)
        ]
        assert "--no-deps" in set_up[0] and "-U" not in set_up[0]

    def test_parameters_cell(self, path):
        tagged = [c for c in code_cells(path) if "parameters" in c.metadata.get("tags", [])]
        assert len(tagged) == 1
        for line in tagged[0].source.split("\n")[1:]:
            assert "#@param" in line

    def test_forms(self, path):
        "Each #@param line is an assignment of a literal, with a form that Colab understands."
        found = 0
        for cell in code_cells(path):
            has_form = "#@param" in cell.source
            assert (
                not has_form
                or cell.source.startswith("#@title ")
                and cell.metadata.get("cellView") == "form"
            )
            for line in cell.source.split("\n"):
                if "#@param" in line:
                    check_form(line)
                    found += 1
        assert found >= 4

    def test_images_have_alt_text(self, path):
        for cell in read(path).cells:
            if cell.cell_type == "markdown":
                assert "![](" not in cell.source and not re.search(
                    r"<img(?![^>]*\balt=)", cell.source
                )


def check_form(line):
    "One form line: a literal of the type that the form gives."
    code, form = line.split("#@param")
    target = ast.parse(code.strip()).body[0]
    assert isinstance(target, ast.Assign)
    value = ast.literal_eval(target.value)
    form = form.strip()
    if form.startswith("["):
        options, rest = re.fullmatch(r"(\[.*?\])\s*(\{.*\})?", form).groups()
        assert value in json.loads(options) and rest in (None, "{allow-input:true}")
        return
    fields = dict(
        re.findall(r"([\w-]+):\s*(\"[^\"]*\"|[^,}]+)", re.fullmatch(r"\{(.*)\}", form)[1])
    )
    kind = fields["type"].strip('"')
    assert isinstance(
        value,
        {
            "boolean": bool,
            "string": str,
            "number": (int, float),
            "integer": int,
            "slider": (int, float),
            "raw": object,
            "date": str,
        }[kind],
    )
    if kind == "slider":
        assert float(fields["min"]) <= value <= float(fields["max"]) and float(fields["step"]) > 0


@pytest.mark.parametrize(
    "line",
    [
        'a = f(2) #@param {type:"integer"}',
        'a = "x" #@param ["y"]',
        'a = 9 #@param {type:"slider", min:0, max:5, step:1}',
        'a = 1 #@param {type:"colour"}',
        "a = 1 #@param",
    ],
)
def test_bad_forms_are_caught(line):
    with pytest.raises((AssertionError, ValueError, KeyError, TypeError)):
        check_form(line)


def test_no_original_film_is_in_the_repository(real):
    "The real films' licences are their articles'."
    import hashlib

    from rsna_cls import film_files

    originals = {hashlib.sha256(f.read_bytes()).hexdigest() for f in film_files(real)}
    for p in HERE.rglob("*"):
        if (
            p.suffix in (".png", ".jpg", ".dcm")
            and not {".venv", "build", ".git"} & set(p.parts)
            and p.is_file()
        ):
            assert hashlib.sha256(p.read_bytes()).hexdigest() not in originals, p
