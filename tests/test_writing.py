"""Files and folders are written whole, or not at all: the room for it, and all who write.

Each fault of a disk is made here by hand, by a move or a folder that fails as the disk would let it
fail: a test that filled a disk, or took rights away from its own user, would not run everywhere.
"""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conftest import CAN_LINK, make_link
from rsna_cls import (
    BadFolder,
    BadModel,
    Course,
    FetchError,
    export_onnx,
    fetch_data,
    new_file,
    new_folder,
    pretrain,
    remake,
    rescued,
    save_model,
    simulate_dataset,
)


class Refused(Exception):
    "The error that a caller passes in."


def names(folder):
    "All that lies below a folder, hidden names too."
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def write_file(target):
    with new_file(target, Refused) as unfinished:
        unfinished.write_text("new", encoding="utf-8")


def write_folder(target, replace=False):
    with new_folder(target, Refused, replace) as unfinished:
        (unfinished / "new.txt").write_text("new", encoding="utf-8")


def replace_folder(target):
    write_folder(target, replace=True)


ALL = [write_file, write_folder, replace_folder]


def disk_error(number, path):
    "What Python raises where the disk refuses something."
    return OSError(number, os.strerror(number), str(path))


def test_a_name_that_is_too_long_for_windows(tmp_path):
    "Its number of the error says more than the general one."
    error = disk_error(errno.ENOENT, tmp_path / "target")
    error.winerror = 206
    with (
        pytest.raises(Refused, match="the name is too long"),
        new_file(tmp_path / "target", Refused),
    ):
        raise error


def break_moves(monkeypatch, failing, error):
    "Let the moves of these numbers (from 1) fail; an error number becomes that disk error."
    moves = []

    def broken(move):
        def moved(old, new):
            moves.append(old)
            if len(moves) in failing:
                raise disk_error(error, old) if isinstance(error, int) else error
            move(old, new)

        return moved

    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, broken(getattr(os, name)))


# ---- the place ----


@pytest.mark.parametrize("write", ALL)
def test_folders_above_are_made(tmp_path, write):
    write(tmp_path / "a/b/target")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["target"]


@pytest.mark.parametrize("name", ["earlier-0", ".unfinished-x", "new", "a" * 250, "b.tar.gz"])
@pytest.mark.parametrize("write", ALL)
def test_any_name_will_do(tmp_path, write, name):
    "Also one that the room itself uses, or one that is nearly too long."
    for _ in range(1 if write is write_folder else 2):
        write(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("write", ALL)
def test_a_path_from_where_python_runs(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    write("target")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are kept otherwise there")
@pytest.mark.parametrize("write", ALL)
def test_others_may_read_it_as_any_other(tmp_path, write):
    plain = tmp_path / "plain"
    plain.write_text("", encoding="utf-8") if write is write_file else plain.mkdir()
    write(tmp_path / "target")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    for name, write in [("file", write_file), ("folder", replace_folder)]:
        write(tmp_path / "elsewhere" / name)
        make_link(tmp_path / name, tmp_path / "elsewhere" / name)
        write(tmp_path / name)
        assert (tmp_path / name).is_symlink()
    assert names(tmp_path / "elsewhere") == ["file", "folder", "folder/new.txt"]


def test_a_course_folder_does_not_take_unfinished_work_for_a_class(course, tmp_path):
    path = shutil.copytree(course, tmp_path / "course")
    with new_folder(path / "train/zebra", Refused) as unfinished:
        (unfinished / "film.png").write_bytes((course / "elbow.png").read_bytes())
        assert Course(path).classes == Course(course).classes


# ---- what is there already ----


def test_a_folder_is_no_place_for_a_file(tmp_path):
    (tmp_path / "target").mkdir()
    with pytest.raises(Refused, match="target is there already, and is no file"):
        write_file(tmp_path / "target")


@pytest.mark.skipif(os.name != "posix", reason="there are no pipes there")
def test_a_pipe_is_no_place_for_a_file(tmp_path):
    "A device would go the same way: replacing /dev/null harms all programs."
    os.mkfifo(tmp_path / "target")
    with pytest.raises(Refused, match="is no file"):
        write_file(tmp_path / "target")
    assert stat.S_ISFIFO((tmp_path / "target").stat().st_mode)


def test_what_a_folder_holds_is_kept(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target/.hidden").write_text("years of work", encoding="utf-8")
    (tmp_path / "file").write_text("years of work", encoding="utf-8")
    before = names(tmp_path)
    with pytest.raises(Refused, match="target is there already, and is not empty"):
        write_folder(tmp_path / "target")
    with pytest.raises(Refused, match="file is there already, and is no folder"):
        write_folder(tmp_path / "file")
    assert names(tmp_path) == before


def test_an_empty_folder_is_filled_and_stays_the_same_one(tmp_path, monkeypatch):
    "A person may be working in it."
    monkeypatch.chdir(tmp_path)
    number = tmp_path.stat().st_ino
    write_folder(".")
    assert Path.cwd() == tmp_path
    assert names(tmp_path) == ["new.txt"]
    assert tmp_path.stat().st_ino == number


@pytest.mark.parametrize("is_there", [False, True])
def test_what_appears_meanwhile_is_kept(tmp_path, is_there):
    "A file of the same name, in a folder that is new or was empty."
    target = tmp_path / "target"
    if is_there:
        target.mkdir()
    with (
        pytest.raises(Refused, match="target cannot be written"),
        new_folder(target, Refused) as unfinished,
    ):
        (unfinished / "film.png").write_text("ours", encoding="utf-8")
        target.mkdir(exist_ok=True)
        (target / "film.png").write_text("theirs", encoding="utf-8")
    assert names(target) == ["film.png"]
    assert (target / "film.png").read_text(encoding="utf-8") == "theirs"


# ---- an error, or the stop button ----


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("write", ALL)
def test_nothing_is_left_of_work_that_was_stopped(tmp_path, write, error, is_there):
    target = tmp_path / "above/target"
    if is_there:
        if write is write_folder:
            target.mkdir(parents=True)
        else:
            write(target)
    before = names(tmp_path)
    context = {
        write_file: lambda: new_file(target, Refused),
        write_folder: lambda: new_folder(target, Refused),
        replace_folder: lambda: new_folder(target, Refused, replace=True),
    }[write]
    with pytest.raises(type(error)), context() as unfinished:
        (unfinished / "half" if unfinished.is_dir() else unfinished).write_text(
            "half", encoding="utf-8"
        )
        raise error
    assert names(tmp_path) == before


def fill_with_two(target):
    "It takes two moves, as a folder that is replaced does."
    with new_folder(target, Refused) as unfinished:
        for name in ("1.txt", "2.txt"):
            (unfinished / name).write_text("new", encoding="utf-8")


@pytest.mark.parametrize("error", [errno.EACCES, errno.ENOSPC, KeyboardInterrupt()])
@pytest.mark.parametrize(
    ("write", "failing"),
    [
        (write_file, 1),
        (fill_with_two, 1),
        (fill_with_two, 2),
        (replace_folder, 1),
        (replace_folder, 2),
    ],
)
def test_a_move_that_fails(tmp_path, monkeypatch, write, failing, error):
    "Whichever move it is: what was there is there again, and nothing else."
    target = tmp_path / "target"
    if write is write_file:
        target.write_text("earlier", encoding="utf-8")
    else:
        target.mkdir()
    if write is replace_folder:
        (target / "earlier.txt").write_text("earlier", encoding="utf-8")
    before = names(tmp_path)
    break_moves(monkeypatch, {failing}, error)
    with pytest.raises(Refused if isinstance(error, int) else KeyboardInterrupt):
        write(target)
    assert names(tmp_path) == before
    if write is write_file:
        assert target.read_text(encoding="utf-8") == "earlier"


# ---- a folder that is replaced ----


def test_what_cannot_be_put_back_is_kept(tmp_path, monkeypatch):
    "The error says where it is, and so does `rescued`."
    replace_folder(tmp_path / "target")
    (tmp_path / "target/old.txt").write_text("old", encoding="utf-8")
    break_moves(monkeypatch, {2, 3}, errno.EACCES)
    with pytest.raises(Refused, match="What was there before is whole: it is") as error:
        replace_folder(tmp_path / "target")
    (kept,) = rescued(tmp_path / "target")
    assert str(kept) in str(error.value)
    assert (kept / "old.txt").read_text(encoding="utf-8") == "old"


KILLED = """
import os, signal, sys
from rsna_cls import new_folder
move, calls = os.replace, []
def replace(old, new):
    calls.append(old)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    move(old, new)
os.replace = replace
with new_folder(sys.argv[1], ValueError, replace=True):
    pass
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no such signal there")
def test_a_program_that_is_killed_between_the_two_moves(tmp_path):
    replace_folder(tmp_path / "tar[get]")
    run = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "tar[get]"])
    assert run.returncode == -signal.SIGKILL
    assert not (tmp_path / "tar[get]").exists()
    (kept,) = rescued(tmp_path / "tar[get]")
    assert names(kept) == ["new.txt"]
    assert rescued(tmp_path / "other") == []


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_move_in_between_by_another_program(tmp_path, monkeypatch, is_gone):
    """It puts its own folder there after ours has moved the earlier one away.

    That folder stays, or is gone again when we look what was in the way."""
    target = tmp_path / "target"
    replace_folder(target)
    move = os.replace
    moves = []

    def replace(old, new):
        moves.append(old)
        if len(moves) == 2:
            target.mkdir()
            (target / "theirs.txt").write_text("", encoding="utf-8")
        try:
            move(old, new)
        except OSError:
            if is_gone:
                shutil.rmtree(target)
            raise

    monkeypatch.setattr(os, "replace", replace)
    replace_folder(target)
    assert len(moves) == (3 if is_gone else 4)
    assert names(tmp_path) == ["target", "target/new.txt"]


def test_a_folder_that_another_program_replaces_meanwhile(tmp_path, monkeypatch):
    "It is listed while it is being deleted, and looks empty: it is not to be filled."
    target = tmp_path / "target"
    replace_folder(target)
    listing = os.listdir

    def replaced_while_it_is_listed(folder="."):
        monkeypatch.setattr(os, "listdir", listing)
        assert folder == target
        replace_folder(target)
        (target / "theirs.txt").write_text("", encoding="utf-8")
        return []

    monkeypatch.setattr(os, "listdir", replaced_while_it_is_listed)
    replace_folder(target)
    assert names(tmp_path) == ["target", "target/new.txt"]


def test_what_was_there_comes_back_after_many_attempts(tmp_path, monkeypatch):
    "What is to be moved there is gone: no attempt can succeed."
    target = tmp_path / "target"
    replace_folder(target)
    (target / "old.txt").write_text("old", encoding="utf-8")
    with pytest.raises(Refused), new_folder(target, Refused, replace=True) as unfinished:
        unfinished.rmdir()
    assert names(tmp_path) == ["target", "target/new.txt", "target/old.txt"]


@pytest.mark.parametrize("write", [write_file, replace_folder])
def test_two_that_write_at_once(tmp_path, write):
    "Each finishes, and nothing else is left."
    errors = []

    def write_often():
        try:
            for _ in range(30):
                write(tmp_path / "target")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write_often) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


# ---- in words ----


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full. Make room"),
        (errno.EDQUOT, "your share of the disk is used up"),
        (errno.EROFS, "this disk can only be read"),
        (errno.EACCES, "you may not write there, or a program has it open"),
        (errno.ENAMETOOLONG, "the name is too long for this disk"),
        (errno.EIO, "is it yours to write to, and is there room"),
    ],
)
@pytest.mark.parametrize("write", ALL)
def test_what_a_disk_refuses_is_said_in_words(tmp_path, monkeypatch, write, number, words):
    break_moves(monkeypatch, {1}, number)
    with pytest.raises(Refused, match=f"target cannot be written .*{words}") as error:
        write(tmp_path / "target")
    assert os.strerror(number) in str(error.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_full_disk_is_known_without_a_path(tmp_path):
    "Writing to a file that is open knows none any more."
    with (
        pytest.raises(Refused, match="target cannot be written .*the disk is full"),
        new_file(tmp_path / "target", Refused),
        open("/dev/full", "w", encoding="utf-8") as full,
    ):
        full.write("a")


@pytest.mark.parametrize("error", [disk_error(errno.ENOENT, "gone.png"), OSError("no number")])
def test_other_errors_stay_as_they_are(tmp_path, error):
    "While a folder is written, films are read."
    with pytest.raises(OSError) as raised, new_folder(tmp_path / "target", Refused):
        raise error
    assert raised.value is error


# ---- all who write ----


def simulate(target, **_):
    return simulate_dataset(target, (0, 0), (0, 0), (0, 0), ["elbow"])


def remade(target, course, **_):
    return remake(course, target)


def copied(target, course, **_):
    return fetch_data(course, dest=target)


def pretrained(target, **_):
    return pretrain(target, n=2, epochs=1, bs=2, sizes={64: 1.0}, processes=1)


def saved(target, learn, **_):
    return save_model(learn, target)


def saved_zip(target, learn, **_):
    return save_model(learn, f"{target}.zip")


def exported(target, learn, **_):
    return export_onnx(learn, f"{target}.onnx")


WRITERS = {  # who writes, and the errors that say why not
    simulate: ValueError,
    remade: BadFolder,
    copied: FetchError,
    pretrained: BadFolder,
    saved: (BadModel, BadFolder),
    saved_zip: (BadModel, BadFolder),
    exported: (BadModel, BadFolder, ValueError),
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    "A folder of a user's, in which Python runs; `~` is another one in it."
    (tmp_path / "file.txt").write_text("years of work", encoding="utf-8")
    (tmp_path / "file.zip").write_text("years of work", encoding="utf-8")
    if CAN_LINK:
        for name in ("broken", "broken.zip", "broken.onnx"):
            make_link(tmp_path / name, tmp_path / "nowhere")
    (tmp_path / "user").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


TARGETS = {  # what is asked for, and what is said
    "file.txt/m": "no folder",
    "": "no path|has a path",
    ".": "not empty|is no|another name",
    "file.txt": "no folder|another name",
    "broken": "a link that leads nowhere|another name",
    "broken/m": "a link that leads nowhere",
    "nul\0": "no path",
    "n" * 300: "too long",
}
FITTING = [  # "." is a folder to go on in for `pretrain`; "file.txt.zip" is not there
    (write, target)
    for write in WRITERS
    for target in TARGETS
    if not (write is pretrained and target == ".")
    and not (write in (saved_zip, exported) and target in ("", ".", "file.txt"))
]


@pytest.mark.parametrize(("write", "target"), FITTING)
def test_targets_that_cannot_be(home, course, learn, write, target):
    "A named error in words, and all is as it was."
    if target.startswith("broken") and not CAN_LINK:
        pytest.skip("needs links, which this user may not make")
    before = names(home)
    with pytest.raises(WRITERS[write], match=TARGETS[target]):
        write(target, course=course, learn=learn)
    assert names(home) == before
    assert (home / "file.txt").read_text(encoding="utf-8") == "years of work"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
@pytest.mark.parametrize("write", WRITERS)
def test_a_folder_that_cannot_be_written_to(home, course, learn, monkeypatch, write, number):
    "Nobody may make anything there, or there is no room."
    (home / "locked").mkdir()
    make = os.mkdir

    def mkdir(path, *args, **kwargs):
        if Path(os.path.realpath(path)).is_relative_to(home / "locked"):
            raise disk_error(number, path)
        make(path, *args, **kwargs)

    monkeypatch.setattr(os, "mkdir", mkdir)
    before = names(home)
    with pytest.raises(WRITERS[write], match="cannot be written") as error:
        write(home / "locked/m", course=course, learn=learn)
    assert os.strerror(number) in str(error.value)
    assert names(home) == before


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize("write", WRITERS)
def test_the_folder_of_a_user(home, course, learn, write):
    "`~` is the user's, and no folder of that name."
    made = write("~/m", course=course, learn=learn)
    assert made.is_relative_to(home / "user")
    assert made.exists()
    assert not (home / "~").exists()


@pytest.mark.parametrize("write", [simulate, remade, copied, saved, saved_zip, exported])
def test_a_writer_that_is_stopped_at_its_last_step(home, course, learn, monkeypatch, write):
    before = names(home)
    break_moves(monkeypatch, range(1, 100), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        write(home / "above/m", course=course, learn=learn)
    assert names(home) == before


def test_the_folder_that_one_works_in_is_filled_and_never_replaced(tmp_path, monkeypatch):
    "Else the program would go on in a folder that is gone."
    monkeypatch.chdir(tmp_path)
    with new_folder(".", ValueError, replace=True) as folder:
        (folder / "a").write_text("a", encoding="utf-8")
    assert os.getcwd() == str(tmp_path)
    assert (tmp_path / "a").read_text(encoding="utf-8") == "a"

    writing = new_folder(".", ValueError, replace=True)
    with pytest.raises(ValueError, match="the folder that you work in"), writing:
        pass
    assert (tmp_path / "a").read_text(encoding="utf-8") == "a"
