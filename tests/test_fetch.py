"Fetching films from servers good and bad, from zips and from folders."

import bz2
import contextlib
import errno
import hashlib
import http.server
import importlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
import unicodedata
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests

from conftest import make_link, need_names, write_course
from rsna_cls import (
    SOURCES,
    BadFolder,
    Course,
    FetchError,
    Source,
    download,
    embedded_films,
    fetch_data,
    film_files,
)

fetch = importlib.import_module("rsna_cls.fetch")  # the module, to patch what is private in it

WRONG_BLOB = "0" * 40


def blob_id(content):
    "Git's own definition, written out here again on purpose."
    return hashlib.sha1(b"blob " + str(len(content)).encode() + b"\0" + content).hexdigest()


def write_zip(file, course, folder="", compression=zipfile.ZIP_STORED):
    "A zip of a course folder, in a folder of the zip."
    with zipfile.ZipFile(file, "w", compression) as archive:
        for film in film_files(course):
            archive.write(film, os.path.join(folder, film.relative_to(course)))
    return file


class SilentHandler(http.server.BaseHTTPRequestHandler):
    "A handler that keeps no log."

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(handler, monkeypatch):
    "A server at 127.0.0.1, and its address; asked directly, whatever proxy there is."
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def films_in(cache, source):
    "The folder in the cache that holds the films of a source named 'toy'."
    return cache / f"toy-{source.blob[:12]}"


def files_left(cache):
    "What lies in the cache, locks aside."
    return [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.fixture
def served(tmp_path, course, monkeypatch):
    "A zip of toy films on a server, registered as the source 'toy'; and the requests so far."
    folder = tmp_path / "www"
    folder.mkdir()
    content = write_zip(folder / "films.zip", course, "inner").read_bytes()
    requests = []

    class Listing(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            requests.append(self.path)

    with serving(partial(Listing, directory=folder), monkeypatch) as address:
        source = Source(f"{address}/films.zip", blob_id(content), "inner")
        monkeypatch.setitem(SOURCES, "toy", source)
        yield source, requests


# Download


def test_download_verify_cache(served, cache, course, capsys):
    path = fetch_data("toy")
    assert path == films_in(cache, served[0])
    assert [film.relative_to(path) for film in film_files(path)] == [
        film.relative_to(course) for film in film_files(course)
    ]
    assert "toy" in capsys.readouterr().out

    # The second time nothing is downloaded.
    requests = len(served[1])
    assert fetch_data("toy") == path
    assert len(served[1]) == requests


def test_download_gives_back_the_file(served, tmp_path):
    source, _ = served
    file = tmp_path / "new" / "films.zip"
    assert download(source.url, file, lambda arrived: arrived.exists(), "the films") == file
    assert blob_id(file.read_bytes()) == source.blob


def test_a_folder_that_cannot_be_written_to(served, tmp_path):
    "A file stands where the folder should be; the same way goes a full disk."
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(FetchError, match="taken is no folder"):
        download(served[0].url, tmp_path / "taken" / "films.zip", lambda _: True, "the films")


def test_wrong_content_is_thrown_away(served, cache, monkeypatch):
    monkeypatch.setitem(SOURCES, "toy", served[0]._replace(blob=WRONG_BLOB))
    with pytest.raises(FetchError, match="checksum differs"):
        fetch_data("toy")
    assert not files_left(cache)


def test_missing_file_on_the_server(served, cache, monkeypatch):
    monkeypatch.setitem(SOURCES, "toy", served[0]._replace(url=served[0].url + ".gone"))
    with pytest.raises(FetchError, match="404"):
        fetch_data("toy")


def test_broken_download_leaves_nothing(cache, monkeypatch):
    class Broken(SilentHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"PK" * 100)

    with serving(Broken, monkeypatch) as address:
        monkeypatch.setitem(SOURCES, "toy", Source(f"{address}/x.zip", WRONG_BLOB))
        with pytest.raises(FetchError, match="broke off"):
            fetch_data("toy")
    assert not files_left(cache)


def test_a_lesson_does_not_wait_long_for_an_answer():
    assert fetch._ANSWER_SECONDS <= 5


def test_a_folder_data_beside_an_installed_package_is_somebody_elses(tmp_path, monkeypatch):
    "In a checkout it holds the films, and their table."
    monkeypatch.setattr(fetch.resources, "files", lambda _: tmp_path / "rsna_cls")
    write_course(tmp_path / "data")
    with pytest.raises(FetchError, match="films are missing from this installation"):
        embedded_films()
    (tmp_path / "data/manifest.csv").touch()
    assert embedded_films() == tmp_path / "data"


def test_a_server_that_never_answers(cache, monkeypatch):
    "It accepts, and says nothing, like a firewall that swallows packets."
    monkeypatch.setattr(fetch, "_ANSWER_SECONDS", 1.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        source = Source(f"http://127.0.0.1:{port}/data.zip", WRONG_BLOB)
        monkeypatch.setitem(SOURCES, "rsna", source)
        with pytest.raises(FetchError, match="no answer within 1 seconds"):
            fetch_data("rsna")
        assert fetch_data("auto") == embedded_films()


def test_a_server_that_drips(cache, monkeypatch, capsys):
    "A byte now and then keeps a read time-out quiet; the download is given up all the same."

    class Drip(SilentHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            for _ in range(60):
                try:
                    self.wfile.write(b"x")
                    self.wfile.flush()
                except OSError:
                    return
                time.sleep(0.2)

    monkeypatch.setattr(fetch, "_LOOK_SECONDS", 1.0)
    monkeypatch.setattr(fetch, "_LEAST_BYTES", 1000)
    with serving(Drip, monkeypatch) as address:
        monkeypatch.setitem(SOURCES, "rsna", Source(f"{address}/x.zip", WRONG_BLOB))
        assert fetch_data("auto") == embedded_films()
    assert "less than 1 kB a second" in capsys.readouterr().out


def test_a_server_that_does_not_say_how_much_will_come(tmp_path, monkeypatch):
    "A bar has nothing to count to; that enough comes is seen all the same."

    class Lengthless(SilentHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            for _ in range(20):
                try:
                    self.wfile.write(bytes(5000))
                    self.wfile.flush()
                except OSError:
                    return
                time.sleep(0.1)

    monkeypatch.setattr(fetch, "_LOOK_SECONDS", 0.8)
    with serving(Lengthless, monkeypatch) as address:
        download(f"{address}/x.zip", tmp_path / "x.zip", lambda _: True, "the films")
    assert (tmp_path / "x.zip").stat().st_size == 20 * 5000


def test_a_checksum_that_lasts(served, tmp_path, monkeypatch):
    "While a checksum is taken no bytes come, and that is no reason to give up."

    def slow_hash(*args, **kwargs):
        time.sleep(1.5)
        return "0"

    def slow_check(file):
        time.sleep(1.5)
        return True

    monkeypatch.setattr(pooch.core, "file_hash", slow_hash)
    monkeypatch.setattr(fetch, "_LOOK_SECONDS", 1.0)
    file = tmp_path / "films.zip"
    assert download(served[0].url, file, slow_check, "the films").exists()


def test_an_error_without_words_is_no_answer(monkeypatch, tmp_path):
    def ask(url):
        raise ValueError

    monkeypatch.setattr(fetch, "_ask", ask)
    with pytest.raises(FetchError, match="could not be downloaded .*ValueError"):
        download("http://127.0.0.1:9/x.zip", tmp_path / "x.zip", lambda _: True, "the films")


def test_two_notebooks_download_once(served, cache):
    "Who comes second waits for the download of the first."
    source, requests = served
    start = threading.Barrier(2)

    def fetch_toy(_):
        start.wait()
        return fetch_data("toy")

    with ThreadPoolExecutor(2) as notebooks:
        found = list(notebooks.map(fetch_toy, range(2)))
    assert found == [films_in(cache, source)] * 2
    assert len(requests) == 2  # whether it answers, and the zip itself


def test_offline_message_names_the_ways_out(cache, offline):
    with pytest.raises(FetchError) as e:
        fetch_data("rsna")
    for words in (SOURCES["rsna"].url, str(cache / "rsna.zip"), "simulated", "my_folder"):
        assert words in str(e.value)


def test_the_pin():
    assert SOURCES["rsna"] == Source(
        "https://github.com/wfwiggins/RSNA-Image-AI-2020/raw/40fc2811f3fd41351ee9decc5840456e55ec87b3/data.zip",
        "5ff4cee9269e2360bbc5ca9e7199c5ea3c992404",
    )


# The cache, and 'auto'


def test_put_into_the_cache_by_hand(cache, offline, course, tmp_path, monkeypatch):
    content = write_zip(tmp_path / "hand.zip", course).read_bytes()
    source = Source("http://127.0.0.1:9/nowhere.zip", blob_id(content))
    monkeypatch.setitem(SOURCES, "toy", source)
    monkeypatch.setitem(SOURCES, "toy2", source)
    cache.mkdir(parents=True)
    (cache / "toy.zip").write_bytes(content)
    assert Course(fetch_data("toy")).classes == ["abd", "chest"]

    (cache / "toy2.zip").write_bytes(content[:-5])
    with pytest.raises(FetchError, match="not the expected file"):
        fetch_data("toy2")
    assert (cache / "toy2.zip").exists()  # what a person put there, a person removes


def test_a_cache_that_is_no_use(served, cache):
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(FetchError, match="rsna_cls cannot be written"):
        fetch_data("toy")


def test_a_half_deleted_cache_is_made_again(served, cache, course, tmp_path):
    zip_file = write_zip(tmp_path / "films.zip", course)
    for films in ("toy", zip_file):
        folder = fetch_data(films)
        count = len(film_files(folder))
        for film in film_files(folder / "train/abd"):
            film.unlink()
        assert fetch_data(films) == folder
        assert len(film_files(folder)) == count


def test_a_cache_is_kept_until_there_is_something_better(served, cache, monkeypatch):
    "What is left of the films goes when new films are there, and not before."
    rest = films_in(cache, served[0]) / "train/abd/left.png"
    rest.parent.mkdir(parents=True)
    rest.write_bytes(b"")
    monkeypatch.setitem(SOURCES, "toy", served[0]._replace(url=served[0].url + ".gone"))
    with pytest.raises(FetchError):
        fetch_data("toy")
    assert rest.exists()


def test_a_damaged_download_in_the_cache_is_fetched_again(served, cache):
    source, _ = served
    cache.mkdir(parents=True)
    (cache / f"toy-{source.blob[:12]}.zip").write_bytes(b"half a zip")
    assert Course(fetch_data("toy")).classes == ["abd", "chest"]


def test_a_new_pin_brings_the_new_films(served, cache, course, tmp_path, monkeypatch):
    old = fetch_data("toy")
    new_zip = write_zip(tmp_path / "www/new.zip", course, "inner", zipfile.ZIP_DEFLATED)
    url = served[0].url.replace("films.zip", "new.zip")
    source = Source(url, blob_id(new_zip.read_bytes()), "inner")
    monkeypatch.setitem(SOURCES, "toy", source)
    assert fetch_data("toy") == films_in(cache, source) != old


def test_a_source_that_is_no_course_folder(served, cache, monkeypatch):
    "Nothing lies in the cache then, so nobody is asked to delete anything there."
    monkeypatch.setitem(SOURCES, "toy", served[0]._replace(root="elsewhere"))
    with pytest.raises(FetchError, match="elsewhere is not a folder") as error:
        fetch_data("toy")
    assert "delete" not in str(error.value)


def test_a_look_into_the_cache_makes_no_folder(cache):
    assert not fetch._is_course(fetch._films_in_cache("rsna", SOURCES["rsna"].blob))
    assert not cache.exists()


def test_auto_says_how_the_films_came(served, cache, monkeypatch, capsys):
    "Downloaded, from the cache, unpacked again from the zip in it, and downloaded once more."
    monkeypatch.setitem(SOURCES, "rsna", served[0])
    zip_file = cache / f"rsna-{served[0].blob[:12]}.zip"

    def origin():
        folder = fetch_data()
        return folder, capsys.readouterr().out.rpartition("the original films, ")[2].strip()

    folder, how = origin()
    assert how == "just downloaded)"
    assert origin() == (folder, "from the cache)")

    shutil.rmtree(folder / "train/abd")
    assert origin() == (folder, "from the cache)")

    shutil.rmtree(folder / "train/abd")
    zip_file.unlink()
    assert origin() == (folder, "just downloaded)")

    shutil.rmtree(folder)
    zip_file.write_bytes(b"half a zip")
    assert origin() == (folder, "just downloaded)")


def test_a_name_that_is_nearly_right(cache):
    with pytest.raises(FetchError, match="no folder or zip at Simulated.*'simulated', 'rsna'"):
        fetch_data("Simulated")


def test_a_zip_when_the_cache_is_no_use(cache, course, tmp_path):
    "A zip has to be unpacked somewhere: without a place, it is said in words."
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(FetchError, match="rsna_cls cannot be written"):
        fetch_data(write_zip(tmp_path / "films.zip", course))


def test_auto_when_the_cache_is_no_use(cache, offline, capsys):
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file where the folder should be", encoding="utf-8")
    assert fetch_data() == embedded_films()
    assert "rsna_cls cannot be written" in capsys.readouterr().out


def test_auto_prefers_the_variable(cache, course, monkeypatch, capsys):
    monkeypatch.setenv("RSNA_CLS_DATA", str(course))
    assert fetch_data() == course
    assert "RSNA_CLS_DATA" in capsys.readouterr().out
    monkeypatch.setenv("RSNA_CLS_DATA", str(course / "nowhere"))
    with pytest.raises(FetchError, match="nowhere"):
        fetch_data()  # a typing error is not answered with other films


def test_auto_falls_back_and_says_so(cache, offline, capsys):
    assert fetch_data() == embedded_films()
    printed = capsys.readouterr().out
    assert "simulated" in printed
    assert "could not be fetched: no " in printed  # connection, or answer
    with pytest.raises(FetchError, match="By hand") as caught:
        fetch_data("rsna")
    assert caught.value.reason in printed
    assert "http" not in printed  # an address helps nobody who has asked for none


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("ConnectionError", "no connection to films.example"),
        ("ProxyError", "no connection to films.example: the proxy refuses, or does not answer"),
        ("SSLError", "no connection to films.example: its certificate was not accepted"),
        ("TooManyRedirects", "no connection to films.example (TooManyRedirects)"),
    ],
)
def test_why_there_is_no_connection(cache, monkeypatch, capsys, kind, words):
    def fail(*args, **kwargs):
        raise getattr(requests.exceptions, kind)("secret words of another program")

    monkeypatch.setattr(requests, "get", fail)
    monkeypatch.setitem(SOURCES, "rsna", Source("https://films.example/x.zip", WRONG_BLOB))
    monkeypatch.delenv("RSNA_CLS_DATA", raising=False)
    assert fetch_data() == embedded_films()
    assert f"could not be fetched: {words})" in capsys.readouterr().out


def test_two_at_once(cache, course, tmp_path):
    file = write_zip(tmp_path / "films.zip", course)
    code = (
        "from rsna_cls import fetch_data, film_files; "
        f"print(len(film_files(fetch_data({str(file)!r}))))"
    )
    command = [sys.executable, "-c", code]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for run in runs:
        printed = run.communicate()[0].strip()
        assert run.returncode == 0
        assert printed.endswith(str(len(film_files(course))))


# Zips


def test_hostile_zips(cache, tmp_path, course):
    "Whatever a zip asks for, films land below its own folder, and nothing else does."
    film = (course / "elbow.png").read_bytes()
    outside = str(tmp_path / "evil.png")
    hostile = [
        "../up.png",
        "a/../../up.png",
        "..\\up.png",
        "C:\\win.png",
        outside,
        outside.replace("/", "\\"),
    ]
    good = []
    for split in ("train", "val"):
        for name in ("x", "y"):
            good += [f"{split}/{name}/{i}.png" for i in range(2)]
    hidden = ["train/x/.hidden.png", "train/__MACOSX/x.png", ".git/train/x.png"]
    link = zipfile.ZipInfo("train/x/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16

    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        for name in hostile + good + hidden:
            archive.writestr(name, film)
        archive.writestr(link, "/etc/passwd")
    path = fetch_data(tmp_path / "evil.zip")
    found = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
    assert sorted(found) == sorted(good)
    assert not [file for file in path.rglob("*") if file.is_symlink()]
    assert not list(tmp_path.rglob("up.png"))
    assert not list(tmp_path.rglob("evil.png"))


def zip_of_courses(file, course, folders):
    "A zip that holds a course folder several times, each in a folder of its own."
    with zipfile.ZipFile(file, "w") as archive:
        for folder in folders:
            for film in film_files(course):
                archive.write(film, os.path.join(folder, film.relative_to(course)))
            archive.writestr(f"{folder}/which.txt", folder)
    return file


@pytest.mark.parametrize(
    "folders, taken, left_out",
    [
        (["b", "a", "a/old"], "a", "1 other course folder (b)"),
        (["a/b", "films of 2024"], "films of 2024", "1 other course folder (a/b)"),
        (["my/films"], "my/films", None),
    ],
)
def test_the_outermost_course_of_a_zip(cache, course, tmp_path, capsys, folders, taken, left_out):
    "Of several the outermost is taken, then the first by name; the others are named, each time."
    file = zip_of_courses(tmp_path / "several.zip", course, folders)
    for _ in range(2):
        path = fetch_data(file)
        assert (path / "which.txt").read_text(encoding="utf-8") == taken
        printed = capsys.readouterr().out
        assert (left_out or "as you asked)") in printed


@pytest.mark.parametrize("folder", ["", "export/"])
def test_a_zip_of_a_folder_for_each_class(cache, course, tmp_path, folder):
    "The way to a course folder is named, and begins with the zip."
    with zipfile.ZipFile(tmp_path / "my.zip", "w") as archive:
        for number, film in enumerate(film_files(course / "train")):
            archive.write(film, f"{folder}{film.parent.name}/patient {number}/1.png")
    with pytest.raises(BadFolder, match="is a class, unpack the zip, and organise") as error:
        fetch_data(tmp_path / "my.zip")
    assert "rename" not in str(error.value)


def test_zip_bomb(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "_MOST_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("train/x/1.png", "train/y/1.png", "val/x/1.png", "val/y/1.png"):
            archive.writestr(name, bytes(5000))
    with pytest.raises(BadFolder, match="would unpack"):
        fetch_data(tmp_path / "bomb.zip")


def test_damaged_zips(cache, tmp_path, course):
    (tmp_path / "text.zip").write_text("no zip", encoding="utf-8")
    with pytest.raises(BadFolder, match="damaged"):
        fetch_data(tmp_path / "text.zip")
    broken = bytearray(write_zip(tmp_path / "ok.zip", course).read_bytes())
    broken[200:1200] = bytes(1000)
    (tmp_path / "broken.zip").write_bytes(broken)
    with pytest.raises(BadFolder):
        fetch_data(tmp_path / "broken.zip")
    assert not [path for path in cache.glob("zip-*") if path.is_dir()]


def test_damaged_compressed_zip(cache, tmp_path):
    "Whatever is overwritten in a deflated zip, the answer is BadFolder."
    rng = np.random.default_rng(0)
    path = write_course(tmp_path / "c")
    compressible = np.tile(np.arange(250, dtype=np.uint8), 40).tobytes()
    for film in film_files(path):
        film.with_suffix(".dcm").write_bytes(bytes(128) + b"DICM" + compressible)
        film.unlink()
    content = write_zip(tmp_path / "ok.zip", path, "", zipfile.ZIP_DEFLATED).read_bytes()
    for i in range(30):
        broken = np.frombuffer(content, np.uint8).copy()
        broken[rng.integers(30, len(broken) // 2, 30)] = rng.integers(0, 256, 30)
        (tmp_path / f"{i}.zip").write_bytes(broken.tobytes())
        with contextlib.suppress(BadFolder):
            fetch_data(tmp_path / f"{i}.zip")


def test_damaged_name_in_a_zip(cache, course, tmp_path):
    "A name that is said to be UTF-8, and is not."
    file = write_zip(tmp_path / "names.zip", course, "é")
    content = file.read_bytes()
    file.write_bytes(content.replace("é".encode(), b"\xc3/"))
    with pytest.raises(BadFolder, match="damaged"):
        fetch_data(file)


def test_damaged_bzip2_zip(cache, course, tmp_path):
    "bzip2 calls it an OSError; the zip is damaged all the same, and not the cache."
    content = write_zip(tmp_path / "ok.zip", course, "", zipfile.ZIP_BZIP2).read_bytes()
    block = bz2.compress(b"x")[4:10]  # what each block of bzip2 begins with
    (tmp_path / "broken.zip").write_bytes(content.replace(block, bytes(6)))
    with pytest.raises(BadFolder, match="broken.zip is not a zip that can be opened: damaged"):
        fetch_data(tmp_path / "broken.zip")


def test_a_zip_that_cannot_be_opened_any_more(cache, course, tmp_path, monkeypatch):
    "It was there a moment ago; the cache is all right."

    def refused(file):
        raise PermissionError(errno.EACCES, "Permission denied")

    file = write_zip(tmp_path / "films.zip", course)
    monkeypatch.setattr(zipfile, "ZipFile", refused)
    with pytest.raises(FetchError, match="films.zip cannot be read .Permission denied"):
        fetch_data(file)
    assert not files_left(cache)


def test_a_zip_that_cannot_be_read_to_its_end(cache, course, tmp_path, monkeypatch):
    "A drive that was unplugged: neither is the zip damaged, nor is it the fault of the cache."

    def unplugged(content, size=-1):
        raise OSError(errno.EIO, "Input/output error")

    file = write_zip(tmp_path / "films.zip", course)
    monkeypatch.setattr(zipfile.ZipExtFile, "read", unplugged)
    with pytest.raises(FetchError, match="films.zip cannot be read .Input/output error"):
        fetch_data(file)
    assert not files_left(cache)


def test_a_disk_that_is_full_while_a_zip_is_unpacked(cache, course, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    file = write_zip(tmp_path / "films.zip", course)
    monkeypatch.setattr(fetch, "_extract", full)
    with pytest.raises(
        FetchError, match="zip-.* cannot be written .No space left.*: the disk is full"
    ):
        fetch_data(file)
    assert not files_left(cache)


def test_a_zip_keeps_the_names_of_its_films(cache, course, tmp_path, capsys):
    "Signs that only Windows forbids, any suffix or none, debris: as in a folder, and all there."
    film = (course / "elbow.png").read_bytes()
    need_names("IM 12:30:05.png", "what?*.PNG", "dot.", "AUX")
    names = ["IM 12:30:05.png", "what?*.PNG", "1.2.840.113619", "dot.", "x.IMA", "ORIGINAL", "AUX"]
    folder = write_course(tmp_path / "c")
    for name in names:
        (folder / "train/chest" / name).write_bytes(film)
    for debris in (".DS_Store", "Thumbs.db", "notes.txt"):
        (folder / "train/chest" / debris).write_bytes(b"x")
    file = tmp_path / "films.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
        archive.writestr("__MACOSX/train/chest/._AUX", b"x")
    unpacked = Course(fetch_data(file))
    printed = capsys.readouterr().out
    plain = Course(fetch_data(folder))
    assert [film.relative_to(unpacked.path) for film in unpacked.films()] == [
        film.relative_to(folder) for film in plain.films()
    ]
    assert {film.name for film in unpacked.films("train")} >= set(names)
    assert plain.left_out_in_words() in printed  # notes.txt, say, is named for a zip too


@pytest.mark.parametrize("folder", ["data", "my films/2024"])
def test_names_in_utf_8_that_no_bit_announces(cache, course, tmp_path, folder):
    "The bit is 0x800 of a local header at its byte 6, and of a central one at its byte 8."
    plain = write_zip(tmp_path / "plain.zip", course, f"Röntgen 胸部/{folder}")
    content = bytearray(plain.read_bytes())
    for signature, place in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
        start = content.find(signature)
        while start >= 0:
            assert content[start + place] == 8
            content[start + place] = 0
            start = content.find(signature, start + 4)
    (tmp_path / "mute.zip").write_bytes(content)
    for zip_file in (plain, tmp_path / "mute.zip"):
        with zipfile.ZipFile(zip_file) as archive:
            paths = [member.path for member in fetch._contents(archive).members]
        assert {path.parts[0] for path in paths} == {"Röntgen 胸部"}
        assert len(film_files(fetch_data(zip_file))) == len(film_files(course))


def test_names_in_code_page_437(cache, course, tmp_path):
    file = write_zip(tmp_path / "old.zip", course, "Rontgen")
    file.write_bytes(file.read_bytes().replace(b"Rontgen", b"R\x94ntgen"))
    with zipfile.ZipFile(file) as archive:
        assert fetch._contents(archive).members[0].path.parts[0] == "Röntgen"
    fetch_data(file)


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_members_of_one_name(cache, course, tmp_path, separator):
    "Films whose names differ in capitals, or are a folder's too, are all kept."
    film = (course / "elbow.png").read_bytes()
    file = tmp_path / "films.zip"
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("train/chest/same", film)
        for path in film_files(course):
            archive.write(path, str(path.relative_to(course)).replace("/", separator))
        archive.writestr("train/chest/CHEST0.png", film)
        archive.writestr("train/chest/same/", b"")
        archive.writestr("train/chest/same/1.png", film)
    path = fetch_data(file) / "train/chest"
    assert (path / "chest0.png").read_bytes() == (course / "train/chest/chest0.png").read_bytes()
    names = {found.relative_to(path).as_posix() for found in path.rglob("*") if found.is_file()}
    assert {"chest0.png", "same_2", "same/1.png"} < names
    assert len(names) == 6 + 3


def zip_with_a_second_chest0(file, course, name, content):
    "A zip that holds train/chest/chest0.png, and another file behind all others."
    write_zip(file, course)
    with zipfile.ZipFile(file, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr(name, content)
    return file


SPELLINGS = ["train/chest/chest0.png", "train\\chest\\chest0.png", "./train//chest/chest0.png"]


@pytest.mark.parametrize("name", SPELLINGS)
def test_two_different_films_at_one_place(cache, course, tmp_path, name):
    "Nobody knows which of them is meant."
    other = (course / "elbow.png").read_bytes()
    file = zip_with_a_second_chest0(tmp_path / "films.zip", course, name, other)
    with pytest.raises(BadFolder, match="films.zip cannot be used: .*two different .*chest0.png"):
        fetch_data(file)
    assert not files_left(cache)


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_same_film_twice_at_one_place(cache, course, tmp_path, name):
    same = (course / "train/chest/chest0.png").read_bytes()
    file = zip_with_a_second_chest0(tmp_path / "films.zip", course, name, same)
    assert len(film_files(fetch_data(file))) == len(film_files(course))


def test_a_disk_that_does_not_tell_how_a_letter_is_written(cache, course, tmp_path, monkeypatch):
    "ü as one character, or as u and two dots: both films are kept there."
    monkeypatch.setattr(fetch, "_name_on_disk", lambda name: unicodedata.normalize("NFC", name))
    films = [(course / name).read_bytes() for name in ("elbow.png", "val/abd/abd0.png")]
    file = write_zip(tmp_path / "films.zip", course)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("train/chest/H\u00fcfte.png", films[0])
        archive.writestr("train/chest/Hu\u0308fte.png", films[1])
    folder = fetch_data(file) / "train/chest"
    names = ["H\u00fcfte.png", "H\u00fcfte_2.png"]
    assert [(folder / name).read_bytes() for name in names] == films


def test_a_disk_that_does_not_tell_case(cache, course, tmp_path, monkeypatch):
    "A film gets a number there; two folders, which may be two classes, are refused."
    film = (course / "elbow.png").read_bytes()
    monkeypatch.setattr(fetch, "_name_on_disk", str.lower)
    file = write_zip(tmp_path / "films.zip", course)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("train/chest/CHEST0.png", film)
    assert (fetch_data(file) / "train/chest/chest0_2.png").read_bytes() == film
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("train/Chest/1.png", film)
    with pytest.raises(BadFolder, match="several folders whose names are one .* train/Chest"):
        fetch_data(file)


@pytest.mark.parametrize(
    "name, on_windows",
    [
        ("thorax: pa?.png", "thorax_ pa_.png"),
        ("chest. ", "chest"),
        ("...", "_"),
        ("con", "con_"),
        ("COM1.tar.gz", "COM1.tar_.gz"),
        ("concert.png", "concert.png"),
    ],
)
def test_names_that_windows_forbids(name, on_windows):
    assert fetch._name_on_disk(name, is_windows=True) == on_windows
    assert fetch._name_on_disk(name, is_windows=False) == name


def test_a_name_that_is_too_long_for_the_disk(cache, course, tmp_path):
    film = (course / "elbow.png").read_bytes()
    file = write_zip(tmp_path / "films.zip", course)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(f"train/chest/{'胸' * 200}.png", film)
        archive.writestr(f"train/chest/{'胸' * 201}.png", film)
    assert len(film_files(fetch_data(file) / "train/chest")) == 8


@pytest.mark.parametrize(
    "folders, words",
    [
        ("d/" * 200, "lie more than 100 deep"),
        ("d" * 200 + ("/" + "e" * 200) * 30 + "/", "is too long for this disk"),
    ],
)
def test_folders_that_no_disk_can_bear(cache, course, tmp_path, folders, words):
    file = write_zip(tmp_path / "films.zip", course)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(f"train/chest/{folders}1.png", b"x")
    with pytest.raises(BadFolder, match=words):
        fetch_data(file)
    assert not files_left(cache)


def test_a_path_that_is_too_long_for_windows(cache, course, tmp_path, monkeypatch):
    "There it is said that there is no such path."
    file = write_zip(tmp_path / "films.zip", course)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("train/chest/deep/1.png", b"x")
    make = Path.mkdir

    def mkdir(path, *args, **options):
        if path.name == "deep":
            error = FileNotFoundError(errno.ENOENT, "cannot find the path", str(path))
            error.winerror = 3
            raise error
        make(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(BadFolder, match="the path of deep in it is too long for this disk"):
        fetch_data(file)
    assert not files_left(cache)


def test_what_is_left_out_of_a_zip_is_counted_and_said(cache, course, tmp_path, capsys):
    "Also the second time, when nothing is unpacked any more."
    file = write_zip(tmp_path / "films.zip", course)
    with zipfile.ZipFile(file, "a") as archive:
        for name in ("../up.png", "/top.png", "C:\\win.png", "..\\up.png"):
            archive.writestr(name, b"x")
        archive.write(course / "elbow.png", "train/chest/Meier^Hans/1.png")
        link = zipfile.ZipInfo("train/chest/Meier^Eva")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "../chest")
    for _ in range(2):
        path = fetch_data(file)
        printed = capsys.readouterr().out
        assert "1 link," in printed
        assert "4 names that lead out of the zip (up.png, top.png, win.png and 1 more)" in printed
        assert "Meier" not in printed
        assert "Meier" not in (cache / f"{path.name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("start", ["C:\\films\\", "/films/", "../"])
def test_a_zip_of_nothing_but_names_that_lead_out(cache, course, tmp_path, start):
    file = tmp_path / "films.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for film in film_files(course)[:2]:
            archive.writestr(start + film.name, film.read_bytes())
    with pytest.raises(
        BadFolder, match="nothing in it can be unpacked: it holds 2 names that lead out"
    ):
        fetch_data(file)


def patched_members(file, place, value):
    "Overwrite two bytes of each header: at a place in the local ones, two on in the others."
    content = bytearray(file.read_bytes())
    for signature, start in ((b"PK\3\4", place), (b"PK\1\2", place + 2)):
        found = content.find(signature)
        while found >= 0:
            content[found + start : found + start + 2] = value.to_bytes(2, "little")
            found = content.find(signature, found + 4)
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    "place, value, words",
    [
        (8, 9, "packed in a way that Python cannot read .Deflate64.: unpack it"),
        (8, 77, "packed in a way that Python cannot read"),
        (6, 1, "locked with a password"),
        (6, 0x40, "strong encryption"),
    ],
)
def test_why_a_zip_cannot_be_unpacked(cache, course, tmp_path, place, value, words):
    "It is not called damaged, because it is not."
    file = patched_members(write_zip(tmp_path / "films.zip", course), place, value)
    with pytest.raises(BadFolder, match=words) as error:
        fetch_data(file)
    assert "damaged" not in str(error.value)
    assert not files_left(cache)


def test_a_wrong_checksum_in_a_zip(cache, course, tmp_path):
    file = write_zip(tmp_path / "films.zip", course)
    content = bytearray(file.read_bytes())
    content[content.index(b"IDAT") + 9] ^= 255
    file.write_bytes(content)
    with pytest.raises(BadFolder, match="damaged or incomplete .at elbow.png.; copy it again"):
        fetch_data(file)
    assert not files_left(cache)


@pytest.mark.parametrize("kept", [0, 3, 500, -1, -40])
def test_a_zip_that_was_cut_off(cache, course, tmp_path, kept):
    content = write_zip(tmp_path / "whole.zip", course).read_bytes()
    (tmp_path / "cut.zip").write_bytes(content[:kept])
    with pytest.raises(BadFolder, match="cut.zip is not a zip that can be opened"):
        fetch_data(tmp_path / "cut.zip")


def test_zips_of_the_wrong_things(cache, course, tmp_path):
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(BadFolder, match="holds no files"):
        fetch_data(tmp_path / "empty.zip")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(write_zip(tmp_path / "inner.zip", course), "films/inner.zip")
    with pytest.raises(BadFolder, match=r"holds 1 zip .inner.zip.: unpack that first"):
        fetch_data(tmp_path / "outer.zip")
    with pytest.raises(BadFolder, match=r"a file of another kind"):
        fetch_data(course / "elbow.png")


def test_a_zip_with_a_split_of_nearly_the_right_name(cache, course, tmp_path):
    "The message speaks of the zip, and not of a folder that is gone."
    folder = shutil.copytree(course, tmp_path / "c")
    (folder / "val").rename(folder / "valid")
    with pytest.raises(BadFolder, match=r"films.zip/data.*valid/") as error:
        fetch_data(write_zip(tmp_path / "films.zip", folder, "data"))
    assert str(cache) not in str(error.value)


def test_a_zip_of_many_members_and_one_of_64_bits(cache, course, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "64.zip", "w") as archive:
        for film in film_files(course):
            with archive.open(str(film.relative_to(course)), "w", force_zip64=True) as member:
                member.write(film.read_bytes())
    assert len(film_files(fetch_data(tmp_path / "64.zip"))) == len(film_files(course))
    monkeypatch.setattr(fetch, "_MOST_MEMBERS", 5)
    with pytest.raises(BadFolder, match="more than 5 files"):
        fetch_data(write_zip(tmp_path / "many.zip", course))


# What is given as a source


def test_a_path_as_people_write_it(cache, course, tmp_path, monkeypatch):
    write_zip(tmp_path / "films.zip", course)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("MY_FILMS", str(tmp_path))
    found = fetch_data(tmp_path / "films.zip")
    for name in ("~/films.zip", "$MY_FILMS/films.zip", "${MY_FILMS}/films.zip"):
        for path in (name, os.fsencode(name), Path(name)):
            assert fetch_data(path) == found
        monkeypatch.setenv("RSNA_CLS_DATA", name)
        assert fetch_data() == found
    assert fetch_data(course, dest="$MY_FILMS/copy") == tmp_path / "copy"

    # A folder may really have such a name.
    monkeypatch.chdir(tmp_path)
    write_course(tmp_path / "$MY_FILMS")
    assert fetch_data("$MY_FILMS").name == "$MY_FILMS"


@pytest.mark.parametrize("source", [5, None, 1.5, ["films"], np.zeros(3), ""])
def test_what_is_no_source_is_refused_in_words(cache, source):
    with pytest.raises(FetchError, match="is not the name of a folder, a zip or a source"):
        fetch_data(source)


def test_the_folder_of_nobody(cache):
    with pytest.raises(FetchError, match="no folder or zip at ~nobody-here/films"):
        fetch_data("~nobody-here/films")


def test_a_folder_with_the_name_of_a_zip(cache, tmp_path):
    assert fetch_data(write_course(tmp_path / "films.zip")) == tmp_path / "films.zip"


def test_what_a_folder_leaves_out_is_said(cache, tmp_path, capsys):
    folder = write_course(tmp_path / "c")
    make_link(folder / "train/chest/1.png", tmp_path / "gone.png")
    fetch_data(folder)
    assert "Left out: 1 link leads nowhere" in capsys.readouterr().out


def test_one_film_that_is_missing_from_the_cache(served, cache, course, tmp_path):
    "What is left is still a course folder; the film comes back all the same."
    zip_file = write_zip(tmp_path / "films.zip", course)
    for films in ("toy", zip_file):
        folder = fetch_data(films)
        count = len(film_files(folder))
        (folder / "train/abd/abd0.png").unlink()
        (folder / "train/abd/abd1.png").write_bytes(b"")
        assert len(film_files(fetch_data(films))) == count
        assert (folder / "train/abd/abd1.png").stat().st_size


def add_a_film(folder):
    (folder / "train/abd/mine.png").write_bytes(b"mine")
    return Path("train/abd/mine.png")


def change_a_film(folder):
    (folder / "val/abd/abd0.png").write_bytes(b"mine")
    return Path("val/abd/abd0.png")


def add_a_link(folder):
    mine = folder.parents[1] / "mine.png"
    mine.write_bytes(b"mine")
    make_link(folder / "train/abd/linked.png", mine)
    return Path("train/abd/linked.png")


def delete_the_list(folder):
    "Then nobody knows what was unpacked there; and without val/ it is no course folder either."
    folder.with_name(f"{folder.name}.json").unlink()
    shutil.rmtree(folder / "val")
    (folder / "train/abd/abd3.png").write_bytes(b"mine")
    return Path("train/abd/abd3.png")


@pytest.mark.parametrize("change", [add_a_film, change_a_film, add_a_link, delete_the_list])
@pytest.mark.parametrize("kind", ["source", "zip"])
def test_what_a_user_puts_into_the_cache_is_never_deleted(
    served, cache, course, tmp_path, capsys, kind, change
):
    "A folder that is mended is set aside, and it is said where, if the user's own lies in it."
    films = "toy" if kind == "source" else write_zip(tmp_path / "films.zip", course)
    for number in (1, 2):
        folder = fetch_data(films)
        mine = change(folder)
        (folder / "train/abd/abd1.png").unlink()
        capsys.readouterr()
        assert fetch_data(films) == folder
        assert len(film_files(folder)) == len(film_files(course))
        kept = folder.with_name(f"{folder.name}-kept-{number}")
        assert (kept / mine).read_bytes() == b"mine"
        assert f"what lay there before is in {kept} now" in capsys.readouterr().out


def test_nothing_is_set_aside_where_films_are_only_missing(served, cache, capsys):
    folder = fetch_data("toy")
    (folder / "train/abd/abd1.png").unlink()
    fetch_data("toy")
    assert [path.name for path in cache.iterdir() if path.is_dir()] == [folder.name]
    assert "lay there before" not in capsys.readouterr().out


def test_films_unpacked_by_an_earlier_version(served, cache, offline, course):
    "There is no list of them: they are taken as they are, also without a network."
    folder = films_in(cache, served[0])
    shutil.copytree(course, folder)
    assert fetch_data("toy") == folder


# Copies


def test_dest_inside_the_films(cache, course):
    with pytest.raises(FetchError, match="inside the films"):
        fetch_data(course, dest=course / "copy")


def test_dest_inside_the_films_by_a_link(cache, tmp_path):
    "A class lies elsewhere: a copy there would add films to it."
    films = write_course(tmp_path / "films")
    (films / "train/abd").rename(tmp_path / "abd")
    make_link(films / "train/abd", tmp_path / "abd")
    with pytest.raises(FetchError, match="inside the films"):
        fetch_data(films, dest=tmp_path / "abd/copy")
    assert not (tmp_path / "abd/copy").exists()


def test_a_dest_that_is_a_link(cache, course, tmp_path):
    "Also one that leads nowhere is the user's, and stays."
    make_link(tmp_path / "mine", tmp_path / "nowhere")
    with pytest.raises(FetchError, match="mine is a link that leads nowhere"):
        fetch_data(course, dest=tmp_path / "mine")
    assert (tmp_path / "mine").is_symlink()


def test_a_copy_follows_links_and_can_be_changed(cache, tmp_path):
    films = write_course(tmp_path / "films")
    (films / "train/abd").rename(tmp_path / "elsewhere")
    make_link(films / "train/abd", tmp_path / "elsewhere")
    make_link(films / "train/chest/round", films)  # in a circle
    for path in (films / "train/chest/chest0.png", films / "train/chest"):
        path.chmod(path.stat().st_mode & ~0o222)
    copy = fetch_data(films, dest=tmp_path / "copy")
    assert len(Course(copy).films()) == len(Course(films).films())
    for path in copy.rglob("*"):
        assert not path.is_symlink()
        assert path.stat().st_mode & stat.S_IWUSR
    (films / "train/chest").chmod(0o755)


def test_dest_is_a_copy(cache, course, tmp_path):
    path = fetch_data(course, dest=tmp_path / "mine")
    (path / "elbow.png").unlink()
    assert (course / "elbow.png").exists()
    with pytest.raises(FetchError, match="there already"):
        fetch_data(course, dest=tmp_path / "mine")


def test_copy_of_a_film_that_cannot_be_read(cache, course, tmp_path):
    "The film is named, and not the folder that it should go to; nothing is left."
    films = write_course(tmp_path / "films")
    make_link(films / "train/abd/gone.png", tmp_path / "nowhere.png")
    with pytest.raises(FetchError, match="abd/gone.png cannot be copied") as error:
        fetch_data(films, dest=tmp_path / "new/mine")
    assert str(tmp_path / "new") not in str(error.value)
    assert not (tmp_path / "new").exists()


# Imports


def test_import_is_light():
    heavy = ["torch", "fastai", "matplotlib", "pandas"]
    rooms = "rsna_cls.film, rsna_cls.course, rsna_cls.fetch, rsna_cls.check"
    code = f"import sys, {rooms}; print([name for name in {heavy} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
