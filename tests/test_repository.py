"Rules for the repository itself: rooms and arrows, style, notebooks, documentation, lessons."

import ast
import importlib
import inspect
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
import yaml

import rsna_cls
from conftest import HERE

sys.path.insert(0, str(HERE / "tools"))
import docs
import stub

SKIPPED = {
    ".git",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".venv",
    "__pycache__",
    "build",
    "data",
    "dist",
    "rsna_cls.egg-info",
}


def repository_files():
    "Every file of the repository that somebody wrote, or that was made from such a file."
    for path in HERE.rglob("*"):
        is_skipped = SKIPPED & set(path.relative_to(HERE).parts)
        if path.is_file() and not path.is_symlink() and not is_skipped:
            yield path


FILES = list(repository_files())
NOTEBOOKS = sorted(path for path in FILES if path.suffix == ".ipynb")
LESSONS = [path for path in NOTEBOOKS if path.parent.name == "lessons"]
MODULES = sorted(path for path in FILES if path.parent.name == "rsna_cls" and path.suffix == ".py")
ROOMS = stub.rooms()  # in the order of their notebooks


def module(room):
    "A room's module. (`rsna_cls.cam` is the function of that name.)"
    return importlib.import_module(f"rsna_cls.{room}")


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def run(command, *arguments, cwd=HERE):
    "Run a command of this environment; what it prints."
    program = Path(sys.executable).with_name(command)
    done = subprocess.run([program, *arguments], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


def test_there_is_something_to_check():
    assert len(LESSONS) >= 4 and len(ROOMS) >= 20 and len(FILES) > 80
    assert {path.stem for path in MODULES} == {"__init__", "_modidx", *ROOMS}


# --- rooms and arrows ----------------------------------------------------------------------------


def package_imports(room):
    "What a room imports from the package: pairs of room and name."
    tree = ast.parse((HERE / f"rsna_cls/{room}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            for alias in node.names:
                yield node.module, alias.name


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_point_up(room):
    "A room uses only rooms that come earlier in the lesson, so that there is no circle either."
    above = ROOMS[: ROOMS.index(room)]
    for source, name in package_imports(room):
        assert source in above, f"{room} imports {name} from {source}, which comes after it"


@pytest.mark.parametrize("room", ROOMS)
def test_no_private_name_leaves_its_room(room):
    for source, name in package_imports(room):
        assert not name.startswith("_"), f"{room} imports {name} from {source}"


def test_arrows_are_found():
    assert ("film", "load_film") in package_imports("course")


def test_every_public_name_comes_from_the_package_itself():
    for room in ROOMS:
        for name in module(room).__all__:
            assert getattr(rsna_cls, name) is getattr(module(room), name), f"{room}.{name}"
            assert name in rsna_cls.__all__


def test_a_name_never_means_the_module_of_the_same_name():
    "Neither before nor after that module has been imported by somebody else."
    same = sorted(set(ROOMS) & set(rsna_cls.__all__))
    assert {"audit", "cam", "pretrain"} <= set(same)
    for first in ("show_cam", "cam"):
        code = (
            f"from rsna_cls import {first}\n"
            f"from rsna_cls import {', '.join(same)}\n"
            "import rsna_cls.cam, rsna_cls.audit\n"
            "from rsna_cls import audit as again\n"
            "assert again is audit\n"
            f"assert all(map(callable, [{', '.join(same)}]))\n"
        )
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_importing_the_package_is_light():
    code = "import sys, rsna_cls; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    heavy = {"fastai", "matplotlib", "numpy", "pandas", "PIL", "scipy", "sklearn", "torch"}
    assert "rsna_cls" in loaded and not heavy & set(loaded)


# --- the style that tools settle -----------------------------------------------------------------


def test_pre_commit_runs_what_make_test_runs():
    "The hooks, and that a commit cannot pass what `make test` refuses."
    config = yaml.safe_load((HERE / ".pre-commit-config.yaml").read_text())
    hooks = " ".join(hook["entry"] for repo in config["repos"] for hook in repo["hooks"])
    makefile = (HERE / "Makefile").read_text()
    for command in ("ruff check", "ruff format", "mypy"):
        assert command in hooks and command in makefile
    assert "nbdev-export" in hooks and "nbdev-clean" in hooks


def test_style_has_no_blanket_exceptions():
    "No rule is switched off where people write; a line that needs an exception names its rule."
    pyproject = (HERE / "pyproject.toml").read_text()
    settings = tomllib.loads(pyproject)["tool"]["ruff"]["lint"]
    assert settings["per-file-ignores"] == {"rsna_cls/*.py*": ["E501", "I001"]}  # what nbdev does
    for words in ("ignore_errors", "disable_error_code", "\nignore = ", "extend-ignore"):
        assert words not in pyproject
    for path in FILES:
        if path.suffix in (".py", ".ipynb"):
            for line in path.read_text().split("\n"):
                assert not re.search(r"# noqa(?!: [A-Z]+\d+)", line) or path == Path(__file__), line
                assert not re.search(r"# type: ignore(?!\[)", line) or path == Path(__file__), line


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_long_lines(path):
    "The notebooks hold to 100 characters; what nbdev adds to them (`__all__`), to 120."
    if path.stem == "_modidx":
        pytest.skip("a table that nbdev writes")
    for number, line in enumerate(path.read_text().split("\n"), 1):
        is_table = "noqa: E501" in line
        assert len(line) <= 120 or is_table, f"{path.name}:{number}: {len(line)} characters"


# --- notebooks and what is made from them -------------------------------------------------------


def test_export_and_clean_leave_no_diff(tmp_path):
    hidden = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in ("nbs", "rsna_cls"):
        shutil.copytree(HERE / name, tmp_path / name, symlinks=True, ignore=hidden)
    for name in ("pyproject.toml", "settings.ini", "README.md"):
        shutil.copy(HERE / name, tmp_path)
    run("nbdev-export", cwd=tmp_path)
    run("nbdev-clean", cwd=tmp_path)
    for path in [*NOTEBOOKS, *MODULES]:
        place = path.relative_to(HERE)
        again = (tmp_path / place).read_text()
        assert again == path.read_text(), f"{place}: run nbdev-export and nbdev-clean"
    made = {path.name for path in (tmp_path / "rsna_cls").glob("*.py")}
    assert made == {path.name for path in MODULES}


def test_versions_agree():
    config = ConfigParser(interpolation=None)
    config.read(HERE / "settings.ini")
    assert config["DEFAULT"]["version"] == rsna_cls.__version__


def test_made_files_are_fresh():
    assert docs.stale() == [], "run `make docs`"
    assert stub.text() == stub.STUB.read_text(), "run `make docs`"


def test_the_address_stands_in_settings_alone():
    address = re.search(r"^git_url = (.*)$", (HERE / "settings.ini").read_text(), re.M)[1]
    made = set(docs.wanted())
    for path in FILES:
        is_text = path.suffix not in (".png", ".safetensors")
        if is_text and path.name != "settings.ini" and path not in made:
            text = path.read_text(encoding="utf-8")
            assert address not in text, f"{path} names the address: settings.ini is its place"


def test_addresses_follow_settings(tmp_path, monkeypatch):
    settings = (HERE / "settings.ini").read_text()
    old = re.search(r"^git_url = https://github.com/(.*)$", settings, re.M)[1]
    (tmp_path / "settings.ini").write_text(settings.replace(old, "someone/else"))
    elsewhere = docs.addresses(tmp_path / "settings.ini")
    monkeypatch.setattr(docs, "addresses", lambda: elsewhere)
    for path in LESSONS:
        text = docs.stamped(path)
        assert "github/someone/else/blob" in text and old not in text
        assert "git+https://github.com/someone/else@" in text
    assert "git clone https://github.com/someone/else" in docs.readme()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_clean(path):
    assert "widgets" not in read(path).metadata
    for cell in code_cells(path):
        source = cell.source
        assert ".cuda(" not in source
        assert not re.search(r"pip install[^\n]*(-U|--upgrade)\b", source)
        assert not re.search(r"\n\s*%%", source), "a %% magic works on the first line only"
        if path in LESSONS:
            assert not cell.outputs and cell.execution_count is None


# --- devices -------------------------------------------------------------------------------------

TENSOR_MAKERS = {
    "arange",
    "empty",
    "eye",
    "full",
    "linspace",
    "ones",
    "rand",
    "randint",
    "randn",
    "tensor",
    "zeros",
}


def homeless_tensors(text):
    "The calls in a program that make a tensor without saying on which device."
    for node in ast.walk(ast.parse(text)):
        is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if is_method and ast.unparse(node.func).removeprefix("torch.") in TENSOR_MAKERS:
            has_device = "device" in {keyword.arg for keyword in node.keywords}
            if ast.unparse(node.func).startswith("torch.") and not has_device:
                yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_code_takes_its_input_s_device(path):
    text = path.read_text()
    assert ".cuda(" not in text
    assert list(homeless_tensors(text)) == []


def test_a_missing_device_is_noticed():
    assert list(homeless_tensors("x = torch.zeros(3)"))
    assert list(homeless_tensors("y = torch.tensor([1.], dtype=torch.float)"))
    assert not list(homeless_tensors("y = torch.zeros(3, device=x.device)"))


# --- documentation -------------------------------------------------------------------------------


def public_functions():
    "The public functions of every room, and the public methods of its public classes."
    for room in ROOMS:
        for name in module(room).__all__:
            thing = getattr(module(room), name)
            if inspect.isfunction(thing):
                yield f"{room}.{name}", thing
            if inspect.isclass(thing) and thing.__module__ == f"rsna_cls.{room}":
                for method_name, method in vars(thing).items():
                    function = getattr(method, "__func__", method)
                    if inspect.isfunction(function) and not method_name.startswith("_"):
                        yield f"{room}.{name}.{method_name}", function


PUBLIC_FUNCTIONS = dict(public_functions())


def test_public_functions_are_found():
    assert len(PUBLIC_FUNCTIONS) > 80
    assert "course.Course.films" in PUBLIC_FUNCTIONS and "gate.Gate.fit" in PUBLIC_FUNCTIONS


@pytest.mark.parametrize("name", PUBLIC_FUNCTIONS)
def test_public_functions_are_documented(name):
    "A docstring of one line, a type and a comment for each parameter, a type for what returns."
    function = PUBLIC_FUNCTIONS[name]
    if function.__qualname__.endswith("_asdict") or "<string>" in function.__code__.co_filename:
        return  # written by namedtuple or dataclass
    doc = inspect.getdoc(function)
    assert doc and "\n" not in doc, "no docstring of one line"
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty, "no return type"
    source = inspect.getsource(function)
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        assert parameter.annotation is not inspect.Parameter.empty, f"{parameter.name}: no type"
        line = re.search(rf"^\s*\*{{0,2}}{parameter.name}\s*:.*$", source, re.M)
        assert line and "#" in line[0], f"{parameter.name} is not explained"


# --- lessons -------------------------------------------------------------------------------------

SKELETON = [
    "Open in Colab",
    "# 1",
    "## What you will be able to do",
    "## Time and hardware",
    "Not for clinical use",
    "# @title Set up",
    "# @title Your choices",
    "## What we learned",
    "## Questions",
    "## Exercises",
    "## Further reading",
]
HABITS = ("Predict before you run", "At the viewbox", "You should see", "Upload no patient data")


def is_form(cell):
    "Whether Colab shows a cell as a form, its code folded away."
    return cell.source.startswith("# @title ") and cell.metadata.get("cellView") == "form"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)
class TestLesson:
    def test_skeleton(self, path):
        cells = read(path).cells
        everything = "\n".join(cell.source for cell in cells)
        assert path.name in cells[0].source and "colab.research.google.com" in cells[0].source
        parts = [part.replace("# 1", f"# {int(path.name[:2])}") for part in SKELETON]
        places = [everything.find(part) for part in parts]
        assert -1 not in places and places == sorted(places), dict(zip(parts, places, strict=True))
        for words in HABITS:
            assert words in everything
        goals = next(c.source for c in cells if "What you will be able to do" in c.source)
        assert 3 <= len(re.findall(r"^- ", goals, re.M)) <= 5
        assert everything.count("<details>") == everything.count("</details>") > 5

    def test_cells_that_are_not_folded_are_short(self, path):
        for cell in code_cells(path):
            assert is_form(cell) or len(cell.source.split("\n")) <= 8, cell.source

    def test_one_set_up_cell_everywhere(self, path):
        def set_up(lesson):
            return [c.source for c in code_cells(lesson) if c.source.startswith("# @title Set up")]

        assert set_up(path) == set_up(LESSONS[0]) and len(set_up(path)) == 1
        assert "--no-deps" in set_up(path)[0] and "-U" not in set_up(path)[0]

    def test_parameters_cell(self, path):
        tagged = [c for c in code_cells(path) if "parameters" in c.metadata.get("tags", [])]
        assert len(tagged) == 1
        for line in tagged[0].source.split("\n")[1:]:
            assert "# @param" in line

    def test_forms(self, path):
        "Each @param line is an assignment of a literal, with a form that Colab understands."
        forms = 0
        for cell in code_cells(path):
            for line in cell.source.split("\n"):
                if "@param" in line:
                    assert is_form(cell), cell.source
                    check_form(line)
                    forms += 1
        assert forms >= 4

    def test_images_have_alt_text(self, path):
        for cell in read(path).cells:
            if cell.cell_type == "markdown":
                assert "![](" not in cell.source
                assert not re.search(r"<img(?![^>]*\balt=)", cell.source)


FORM_TYPES = {
    "boolean": bool,
    "date": str,
    "integer": int,
    "number": (int, float),
    "raw": object,
    "slider": (int, float),
    "string": str,
}


def check_form(line):
    "A literal of the type that the form gives. Colab takes `#@param` and `# @param`."
    code, form = re.split(r"#\s?@param\b", line)
    assignment = ast.parse(code.strip()).body[0]
    assert isinstance(assignment, ast.Assign)
    value = ast.literal_eval(assignment.value)
    form = form.strip()
    if form.startswith("["):
        options, rest = re.fullmatch(r"(\[.*?\])\s*(\{.*\})?", form).groups()
        assert value in json.loads(options) and rest in (None, "{allow-input:true}")
        return
    settings = re.fullmatch(r"\{(.*)\}", form)[1]
    fields = dict(re.findall(r"([\w-]+):\s*(\"[^\"]*\"|[^,}]+)", settings))
    kind = fields["type"].strip('"')
    assert isinstance(value, FORM_TYPES[kind])
    if kind == "slider":
        assert float(fields["min"]) <= value <= float(fields["max"]) and float(fields["step"]) > 0


@pytest.mark.parametrize("mark", ["#@param", "# @param"])
@pytest.mark.parametrize(
    "line",
    [
        'a = f(2) @ {type:"integer"}',
        'a = "x" @ ["y"]',
        'a = 9 @ {type:"slider", min:0, max:5, step:1}',
        'a = 1 @ {type:"colour"}',
        "a = 1 @",
    ],
)
def test_bad_forms_are_caught(line, mark):
    with pytest.raises((AssertionError, ValueError, KeyError, TypeError)):
        check_form(line.replace("@", mark, 1))


@pytest.mark.parametrize("mark", ["#@param", "# @param"])
def test_good_forms_pass(mark):
    check_form(f'a = 2  {mark} {{type:"integer"}}')
    check_form(f'a = "x"  {mark} ["x", "y"] {{allow-input:true}}')


# --- licences ------------------------------------------------------------------------------------


def test_no_original_film_is_in_the_repository(real):
    "The real films' licences are their articles'."
    import hashlib

    def digest(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()

    originals = {digest(film) for film in rsna_cls.film_files(real)}
    pictures = [p for p in HERE.rglob("*") if p.suffix in (".png", ".jpg", ".dcm")]
    made = {".venv", "build", ".git"}
    committed = [p for p in pictures if p.is_file() and not made & set(p.parts)]
    assert len(committed) > 80
    for path in committed:
        assert digest(path) not in originals, path
