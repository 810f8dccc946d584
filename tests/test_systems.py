"""What Windows and macOS ask for: no links, names and text that mean the same there, new processes.

`python tools/systems.py` runs the quick tests there. No such machine is needed for these."""

import ast
import re
import shutil
import subprocess
import sys

import pytest

from conftest import HERE

sys.path.insert(0, str(HERE / "tools"))
import systems

MADE = {
    "build",
    "dist",
    "my_model",
    "my_network.html",
}  # and whatever is hidden, but for what is listed below
HIDDEN = {".ci", ".gitattributes", ".github", ".gitignore", ".pre-commit-config.yaml"}


def committed():
    "What lies in the repository, films and all, without what commands made there."
    for path in HERE.iterdir():
        is_made = path.name in MADE or path.name.endswith(".egg-info")
        if is_made or (path.name.startswith(".") and path.name not in HIDDEN):
            continue
        yield path
        for inner in path.rglob("*"):
            if "node_modules" in inner.parts:  # what the page's source is built with
                continue
            names = inner.relative_to(HERE).parts
            if not {"__pycache__", ".ipynb_checkpoints", ".DS_Store"} & set(names):
                yield inner


COMMITTED = list(committed())
PROGRAMS = [path for path in COMMITTED if path.suffix == ".py"]


# --- files ----------------------------------------------------------------------------------------


def test_the_repository_holds_no_link():
    "Where a user may make none, git writes a file of text in its place."
    assert len(COMMITTED) > 250
    assert [path for path in COMMITTED if path.is_symlink()] == []


@pytest.mark.slow(seconds=10)
def test_a_build_holds_the_films_or_stops(tmp_path):
    "They lie in data/, and no link brings them into the package."
    for name in ("rsna_cls", "data"):
        shutil.copytree(HERE / name, tmp_path / name)
    for path in HERE.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    (tmp_path / "rsna_cls/films").write_text("../data", encoding="utf-8")  # of an older checkout
    command = [sys.executable, "-W", "ignore", "setup.py", "-q", "build", "--build-lib", "built"]

    subprocess.run(command, cwd=tmp_path, check=True)
    built = tmp_path / "built/rsna_cls/films"
    for path in (HERE / "data").rglob("*.*"):
        assert (built / path.relative_to(HERE / "data")).read_bytes() == path.read_bytes()

    film = next((tmp_path / "data/val").rglob("*.png"))
    film.unlink()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.returncode != 0
    assert "Nothing was built" in done.stderr and film.name in done.stderr


# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
FORBIDDEN = re.compile(
    r'.*[<>:"|?*\\\x00-\x1f].*|.*[. ]|(con|prn|aux|nul|com\d|lpt\d)(\..*)?', re.IGNORECASE
)
LONGEST_PATH = 120  # of the 259 letters that Windows takes, what lies above the repository included


def test_names_are_possible_on_every_system():
    for path in COMMITTED:
        assert not FORBIDDEN.fullmatch(path.name), path
        assert path.name.isascii(), f"{path}: a Mac may write its letters in another way"
        assert len(str(path.relative_to(HERE))) <= LONGEST_PATH, path
    spelt = [str(path).casefold() for path in COMMITTED]
    assert len(set(spelt)) == len(spelt), "two names differ only in capitals"


@pytest.mark.parametrize(
    "name", ["a:b", "what?.png", "folder.", "x ", "aux", "Con.txt", "lpt1.csv"]
)
def test_an_impossible_name_is_noticed(name):
    assert FORBIDDEN.fullmatch(name)
    assert not FORBIDDEN.fullmatch(f"{name[0]}ontrast.png")


def test_lines_end_alike_on_every_system():
    "Git for Windows changes the ends of lines, unless it is told not to."
    rules = (HERE / ".gitattributes").read_text(encoding="utf-8").splitlines()
    assert "* text=auto eol=lf" in rules and "*.csv -text" in rules
    for path in COMMITTED:
        is_text = path.suffix in (".cff", ".ini", ".ipynb", ".md", ".py", ".toml", ".txt", ".yml")
        assert not is_text or b"\r" not in path.read_bytes(), path


# --- text -----------------------------------------------------------------------------------------


def text_without_encoding(program):
    "The calls in a program that read or write text as the system likes: not as UTF-8 on Windows."
    for node in ast.walk(ast.parse(program)):
        if not isinstance(node, ast.Call) or "encoding" in {word.arg for word in node.keywords}:
            continue
        is_method = isinstance(node.func, ast.Attribute)
        name = node.func.attr if is_method else getattr(node.func, "id", "")
        # `Image.open(file)` and `archive.open(name)` are no text; `path.open("w")` is.
        modes = [word.value for word in node.keywords if word.arg == "mode"]
        modes += node.args[0:1] if is_method else node.args[1:2]
        mode = modes[0].value if modes and isinstance(modes[0], ast.Constant) else None
        is_mode = isinstance(mode, str) and set(mode) <= set("rwxat+")
        opens_text = name == "open" and (is_mode or not (is_method or modes))
        if opens_text or name in ("read_text", "write_text"):
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: str(path.relative_to(HERE)))
def test_text_is_utf_8_everywhere(path):
    assert list(text_without_encoding(path.read_text(encoding="utf-8"))) == []


def test_text_of_the_system_is_noticed():
    for call in ("open(x)", "open(x, 'a')", "x.open('w')", "x.read_text()", "x.write_text(y)"):
        assert list(text_without_encoding(call)), call
    for call in ("open(x, 'rb')", "x.open('wb')", "Image.open(x)", "open(x, encoding='utf-8')"):
        assert not list(text_without_encoding(call)), call


# --- new processes --------------------------------------------------------------------------------

# What a person may write, with the line that such scripts need on Windows and macOS, and without.
SCRIPT = """
import sys
from pathlib import Path
from rsna_cls.pretrain import _make_films

def make():
    films = _make_films(Path(sys.argv[1]), 2, ["hand"], shard=1, processes=2)
    print(len(films["kind"]), "films")

{line}
    make()
"""


def run_script(folder, line):
    "A script that makes films in two processes."
    script = folder / "my script.py"
    script.write_text(SCRIPT.format(line=line), encoding="utf-8")
    command = [sys.executable, "-W", "ignore", script, folder / "films"]
    return subprocess.run(command, capture_output=True, encoding="utf-8", cwd=folder)


@pytest.mark.slow(seconds=20)
def test_films_are_made_in_new_processes(tmp_path):
    done = run_script(tmp_path, 'if __name__ == "__main__":')
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 films\n"


@pytest.mark.slow(seconds=20)
def test_a_script_that_starts_itself_again_is_told_so(tmp_path):
    "Without that line each new process would start new ones: the library ends, and says why."
    done = run_script(tmp_path, "if True:")
    assert done.returncode == 1
    assert 'must stand below `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]


# --- the command ----------------------------------------------------------------------------------


def test_one_wheel_is_asked_for(tmp_path):
    with pytest.raises(SystemExit, match="holds 0 wheels"):
        systems.the_wheel(tmp_path / "nowhere")
    for version in ("1", "2"):
        (tmp_path / f"rsna_cls-{version}-py3-none-any.whl").touch()
    with pytest.raises(SystemExit, match="holds 2 wheels"):
        systems.the_wheel(tmp_path)


def test_the_checkout_is_not_taken_for_the_wheel(monkeypatch, tmp_path):
    "The environment of `make test` has the checkout's own package."
    monkeypatch.setattr(
        systems, "WHICH", f"import sys; sys.path.insert(0, {str(HERE)!r})\n{systems.WHICH}"
    )
    with pytest.raises(subprocess.CalledProcessError):
        systems.run_tests(sys.executable, [])
