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
    "node_modules",
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
MODULES = sorted(
    path for path in FILES if path.is_relative_to(HERE / "rsna_cls") and path.suffix == ".py"
)
ROOMS = stub.rooms()  # in the order of their notebooks


def module(room):
    "A room's module. (`rsna_cls.cam` is the function of that name.)"
    return importlib.import_module(f"rsna_cls.{room}")


def name_of(path):
    "A module's name within the package: `film`, `sim.beam`."
    place = path.relative_to(HERE / "rsna_cls").with_suffix("")
    return ".".join(place.parts)


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
    assert {name_of(path) for path in MODULES} == {"__init__", "_modidx", "sim.__init__", *ROOMS}
    assert len([room for room in ROOMS if room.startswith("sim.")]) >= 7


# --- rooms and arrows ----------------------------------------------------------------------------


def package_imports(room):
    "What a room imports from the package: pairs of room and name."
    yield from imports_of_package(stub.source(room).read_text(encoding="utf-8"), f"rsna_cls.{room}")


def imports_of_package(program, name="rsna_cls.me"):
    "What a module imports from the package, in whatever way: pairs of module and name."
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.ImportFrom):
            folders = name.split(".")[: -node.level]  # from where a relative import counts
            source = ".".join([*folders, node.module or ""]) if node.level else node.module
            if source.split(".")[0] == "rsna_cls":
                for alias in node.names:
                    yield source.partition(".")[2], alias.name
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "rsna_cls":
                    yield alias.name.partition(".")[2], ""


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
    for program in ("from .cam import _x", "from rsna_cls.cam import _x"):
        assert list(imports_of_package(program)) == [("cam", "_x")]
    assert list(imports_of_package("import rsna_cls.cam as c, os")) == [("cam", "")]
    for program in ("from .beam import MU", "from ..sim.beam import MU"):
        assert list(imports_of_package(program, "rsna_cls.sim.scene")) == [("sim.beam", "MU")]
    assert list(imports_of_package("from numpy import _x")) == []


def test_every_public_name_comes_from_the_package_itself():
    "Those of the simulator's rooms come from `rsna_cls.sim`, the main ones from both."
    for room in ROOMS:
        for name in module(room).__all__:
            homes = [rsna_cls.sim] if room.startswith("sim.") else [rsna_cls]
            if name in stub.OF_SIM:
                homes.append(rsna_cls)
            for home in homes:
                assert getattr(home, name) is getattr(module(room), name), f"{room}.{name}"
                assert name in home.__all__
    assert set(stub.OF_SIM) <= set(rsna_cls.sim.__all__)


@pytest.mark.slow(seconds=20)
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


def test_the_package_sees_to_that_itself():
    "Not only lazy_loader from version 0.6 on."
    assert type(rsna_cls).__name__ == "_Package"
    function = rsna_cls.cam
    rsna_cls.cam = module("cam")  # as Python does after an import
    assert rsna_cls.cam is function
    rsna_cls.something_else = 3
    assert rsna_cls.something_else == 3
    del rsna_cls.something_else


def test_importing_the_package_is_light():
    code = "import sys, rsna_cls; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    heavy = {"fastai", "matplotlib", "numpy", "pandas", "PIL", "scipy", "sklearn", "torch"}
    assert "rsna_cls" in loaded and not heavy & set(loaded)


# --- the style that tools settle -----------------------------------------------------------------


def test_pre_commit_runs_what_make_test_runs():
    "A commit cannot pass what `make test` refuses."
    config = yaml.safe_load((HERE / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]
    makefile = (HERE / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^style:.*\n((?:\t.*\n)+)", makefile, re.M)[1]
    commands = re.findall(r"\$\(BIN\)/(\w+(?: \w+)?)", recipe)
    assert commands == ["ruff check", "ruff format", "mypy"]
    for command in [*commands, "nbdev-export", "nbdev-clean"]:
        assert any(hook.startswith(f".venv/bin/{command}") for hook in hooks), command
    assert re.search(r"^test: style$", makefile, re.M)


def test_make_test_leaves_nothing_out():
    "`make check` leaves out what is slow, `make test` nothing."
    makefile = (HERE / "Makefile").read_text(encoding="utf-8")

    def recipe(target):
        return re.search(rf"^{target}: style\n((?:\t.*\n)+)", makefile, re.M)[1]

    common = re.search(r"^PYTEST = (.*)$", makefile, re.M)[1]
    assert "-m pytest tests --ignore tests/bench" in common
    everything = common.replace("python -m pytest", "") + recipe("test").replace("$(PYTEST)", "")
    assert not re.search(r"\s(-m|-k|--deselect)\b", everything)
    assert '$(PYTEST) -q -m "not slow"' in recipe("check")


BLANKET = [
    r"#\s*noqa(?!: [A-Z]+\d+)",
    r"#\s*(ruff|flake8):\s*noqa",
    r"#\s*type:\s*ignore(?!\[)",
    r"#\s*mypy:",
    r"#\s*fmt:\s*(off|skip)",
]


def test_style_has_no_blanket_exceptions():
    "No rule is switched off where people write; a line that needs an exception names its rule."
    tools = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    ruff = tools["ruff"]
    assert ruff["extend-exclude"] == ["rsna_cls/_modidx.py", "*.md"]
    assert ruff["format"] == {"exclude": ["rsna_cls/[a-z]*.py"]}  # exported from notebooks
    assert set(ruff["lint"]) == {"select", "per-file-ignores", "flake8-comprehensions"}
    assert ruff["lint"]["per-file-ignores"] == {
        "rsna_cls/*.py*": ["E501", "I001"]
    }  # what nbdev does
    for exceptions in tools["mypy"]["overrides"]:
        assert set(exceptions) == {"module", "ignore_missing_imports"}
        assert not any(name.startswith("rsna_cls") for name in exceptions["module"])
    for path in FILES:
        if path.suffix in (".py", ".ipynb") and path != Path(__file__):
            for form in BLANKET:
                assert not re.search(form, path.read_text(encoding="utf-8")), f"{path}: {form}"


def test_blanket_exceptions_are_noticed():
    for line in ("# noqa", "# ruff: noqa", "# type: ignore", "# mypy: ignore-errors", "# fmt: off"):
        assert any(re.search(form, line) for form in BLANKET), line
    for line in ("x  # noqa: E402", "x  # type: ignore[arg-type]"):
        assert not any(re.search(form, line) for form in BLANKET), line


@pytest.mark.parametrize("room", ["__init__", "sim.__init__", *ROOMS])
def test_no_long_lines(room):
    "The notebooks hold to 100 characters, and so does the code that nbdev makes of them."
    text = re.sub(
        r"^__all__ = \[.*?\]$", "", stub.source(room).read_text(encoding="utf-8"), flags=re.M | re.S
    )
    for number, line in enumerate(text.split("\n"), 1):
        assert len(line) <= 100, f"{room}.py:{number}: {len(line)} characters"


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
        again = (tmp_path / place).read_text(encoding="utf-8")
        assert again == path.read_text(encoding="utf-8"), (
            f"{place}: run nbdev-export and nbdev-clean"
        )
    made = {path.relative_to(tmp_path) for path in (tmp_path / "rsna_cls").rglob("*.py")}
    assert made == {path.relative_to(HERE) for path in MODULES}


def test_versions_agree():
    config = ConfigParser(interpolation=None)
    config.read(HERE / "settings.ini")
    assert config["DEFAULT"]["version"] == rsna_cls.__version__


def test_made_files_are_fresh():
    assert docs.stale() == [], "run `make docs`"
    assert stub.stale() == [], "run `make docs`"


def test_the_address_stands_in_settings_alone():
    "And where `make docs` writes it; how that is done is tested in test_address.py."
    url = docs.read_settings().url
    made = {HERE / "settings.ini", HERE / "tools/docs.py", *docs.wanted()}
    made.add(HERE / "CHANGELOG.md")  # what was written there of a release stays as it was
    for path in FILES:
        is_text = path.suffix not in (".png", ".webp", ".safetensors", ".onnx", ".z")
        if is_text and path not in made:
            text = path.read_text(encoding="utf-8")
            assert url not in text, f"{path} names the address: write marks, see tools/address.toml"


def test_no_text_is_without_a_place():
    "What tools/address.toml says is said somewhere."
    marked = "\n".join(path.read_text(encoding="utf-8") for path in docs.wanted())
    for name in docs.read_texts():
        assert f"address: {name}" in marked, f"nothing carries the mark of [{name}]"


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
    text = path.read_text(encoding="utf-8")
    assert ".cuda(" not in text
    assert list(homeless_tensors(text)) == []


def test_a_missing_device_is_noticed():
    assert list(homeless_tensors("x = torch.zeros(3)"))
    assert list(homeless_tensors("y = torch.tensor([1.], dtype=torch.float)"))
    assert not list(homeless_tensors("y = torch.zeros(3, device=x.device)"))


# --- documentation -------------------------------------------------------------------------------


def is_ours(function):
    "Whether somebody wrote a function here: `NamedTuple`, `dataclass`, `Protocol` add some."
    if not inspect.isfunction(function) or not function.__module__.startswith("rsna_cls."):
        return False
    return Path(inspect.getfile(function)).is_relative_to(HERE / "rsna_cls")


def public_functions():
    "The public functions of every module, and the public methods of its public classes."
    for room in ROOMS:
        for name in module(room).__all__:
            thing = getattr(module(room), name)
            if is_ours(thing):
                yield f"{room}.{name}", thing
            if inspect.isclass(thing) and thing.__module__ == f"rsna_cls.{room}":
                for method_name, method in vars(thing).items():
                    function = getattr(method, "__func__", method)
                    is_public = not method_name.startswith("_") or method_name == "__init__"
                    if is_public and is_ours(function):
                        yield f"{room}.{name}.{method_name}", function


PUBLIC_FUNCTIONS = dict(public_functions())


def test_public_functions_are_found():
    assert len(PUBLIC_FUNCTIONS) > 80
    for name in ("course.Course.films", "course.Course.__init__", "gate.Gate.fit", "cam.cam"):
        assert name in PUBLIC_FUNCTIONS


@pytest.mark.parametrize("name", PUBLIC_FUNCTIONS)
def test_public_functions_are_documented(name):
    "A docstring of one line, a type and a comment for each parameter, a type for what returns."
    function = PUBLIC_FUNCTIONS[name]
    signature = inspect.signature(function)
    if not name.endswith("__init__"):
        doc = inspect.getdoc(function)
        assert doc and "\n" not in doc, "no docstring of one line"
        assert signature.return_annotation is not inspect.Signature.empty, "no return type"
    source = inspect.getsource(function)
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        assert parameter.annotation is not inspect.Parameter.empty, f"{parameter.name}: no type"
        line = re.search(rf"^\s*\*{{0,2}}{parameter.name}\s*:.*$", source, re.M)
        assert line and "#" in line[0], f"{parameter.name} is not explained"
    if not name.endswith("__init__"):
        assert is_return_explained(source), "what returns has neither shape nor unit"


NEEDS_WORDS = r"\b(ndarray|Tensor|DataFrame|Series|tuple|dict|list|Iterator|int|float)\b"


def is_return_explained(source):
    "Whether a comment says what comes back, where the type alone says neither shape nor unit."
    returned, comment = re.search(r"->\s*(.+?):[ \t]*(#.*)?$", source, re.M).groups()
    return bool(comment) or not re.search(NEEDS_WORDS, returned)


def test_an_unexplained_return_is_noticed():
    for returned in ("np.ndarray", "dict[str, Film]", "tuple[float, float]", "float"):
        assert not is_return_explained(f"def f(\n    x: int,  # of it\n) -> {returned}:\n")
        assert is_return_explained(f"def f(\n    x: int,  # of it\n) -> {returned}:  # cm\n")
    assert is_return_explained("def f() -> None:\n")


def public_classes():
    "The public classes of every module that somebody wrote there."
    for room in ROOMS:
        for name in module(room).__all__:
            thing = getattr(module(room), name)
            if inspect.isclass(thing) and thing.__module__ == f"rsna_cls.{room}":
                yield f"{room}.{name}", thing


PUBLIC_CLASSES = dict(public_classes())


@pytest.mark.parametrize("name", PUBLIC_CLASSES)
def test_public_classes_are_documented(name):
    "A docstring whose first line says it, and a comment for each field of a record."
    thing = PUBLIC_CLASSES[name]
    doc = inspect.getdoc(thing)
    assert doc and not doc.startswith(f"{thing.__name__}("), "no docstring of its own"
    assert "\n" not in doc or not doc.split("\n")[1], "no first line of its own"
    source = inspect.getsource(thing)
    for field in vars(thing).get("__annotations__", {}):
        if not field.startswith("_"):
            line = re.search(rf"^\s*{field}\s*:.*$", source, re.M)
            assert line and "#" in line[0], f"{field} is not explained"


def test_public_classes_are_found():
    assert {"course.Course", "gate.Gate", "sim.scene.Scene", "film.BadFilm"} <= set(PUBLIC_CLASSES)


# --- lessons -------------------------------------------------------------------------------------

SKELETON = [
    "<!-- address: badge -->",
    "# 1",
    "## What you will be able to do",
    "## Time and hardware",
    "Not for clinical use",
    "# @title Set up",
    "# @title Your choices",
    "## What we learned",
    "## Words",
    "## Questions",
    "## Exercises",
    "## For the one who teaches it",
    "## Further reading",
    "## The next lesson",
]
HABITS = ("Predict before you run", "At the viewbox", "You should see", "Upload no patient data")


def explained_words(path):
    "The list of words at a lesson's end: word → what it means there."
    lists = [cell.source for cell in read(path).cells if cell.source.startswith("## Words")]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", "\n".join(lists), re.M)
    return dict(rows[1:])  # without the table's head


def is_form(cell):
    "Whether Colab shows a cell as a form, its code folded away."
    return cell.source.startswith("# @title ") and cell.metadata.get("cellView") == "form"


def test_the_whole_game_comes_first():
    "A film is classified and its map drawn within 300 words and three cells of lesson 01."
    words, cells = 0, 0
    for cell in read(LESSONS[0]).cells:
        if cell.cell_type == "code":
            cells += 1
            if "show_cam(" in cell.source:
                break
            continue
        prose = re.sub(
            r"<details>.*?</details>|<!--.*?-->|\]\([^)]*\)", "", cell.source, flags=re.S
        )
        words += len(re.findall(r"[\w’'-]+", prose))
    assert cells == 3 and words <= 300
    assert len(explained_words(LESSONS[0])) >= 15


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)
class TestLesson:
    def test_skeleton(self, path):
        cells = read(path).cells
        everything = "\n".join(cell.source for cell in cells)
        assert cells[0].source.startswith("<!-- address: badge -->")
        parts = [part.replace("# 1", f"# {int(path.name[:2])}") for part in SKELETON]
        places = [everything.find(part) for part in parts]
        assert -1 not in places and places == sorted(places), dict(zip(parts, places, strict=True))
        for words in HABITS:
            assert words in everything
        goals = next(c.source for c in cells if "What you will be able to do" in c.source)
        assert 3 <= len(re.findall(r"^- ", goals, re.M)) <= 5
        links = re.findall(r"\]\((\d\d_\w+\.ipynb)\)", cells[-1].source)
        assert links and all((path.parent / link).exists() for link in links)
        assert everything.count("<details>") == everything.count("</details>") > 5

    def test_cells_are_short(self, path):
        """Those that are folded away may hold a list of imports, but no program.

        The set-up cell alone is one: it works where nothing is installed yet."""
        for cell in code_cells(path):
            is_set_up = cell.source.startswith("# @title Set up")
            most = 65 if is_set_up else 40 if is_form(cell) else 8
            assert len(cell.source.split("\n")) <= most, cell.source

    def test_what_has_nothing_to_set_is_folded(self, path):
        "In JupyterLab too, so that a question is read before its answer: quizzes, plotting."
        for cell in code_cells(path):
            is_quiz = "quiz(" in cell.source
            assert is_form(cell) or not is_quiz, cell.source
            if is_form(cell):
                has_nothing_to_set = "@param" not in cell.source
                is_hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
                assert is_hidden == has_nothing_to_set, cell.source

    def test_one_set_up_cell_everywhere(self, path):
        def set_up(lesson):
            return [c.source for c in code_cells(lesson) if c.source.startswith("# @title Set up")]

        assert set_up(path) == set_up(LESSONS[0]) and len(set_up(path)) == 1
        assert "--no-deps" in set_up(path)[0] and "-U" not in set_up(path)[0]
        folded = [c.metadata for c in code_cells(path) if c.source == set_up(path)[0]]
        assert folded == [{"cellView": "form", "jupyter": {"source_hidden": True}}]

    def test_words_are_explained_alike(self, path):
        "A word in the lesson's list has one meaning in all lessons."
        mine = explained_words(path)
        for other in LESSONS:
            theirs = explained_words(other)
            assert all(mine[word] == theirs[word] for word in mine.keys() & theirs.keys())

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
    pictures = [p for p in HERE.rglob("*") if p.suffix in (".png", ".webp", ".jpg", ".dcm")]
    made = {".venv", "build", ".git", "node_modules"}
    committed = [p for p in pictures if p.is_file() and not made & set(p.parts)]
    assert len(committed) > 80
    for path in committed:
        assert digest(path) not in originals, path
