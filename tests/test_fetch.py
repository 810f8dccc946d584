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
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pooch
import pytest

from conftest import write_course
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
    (tmp_path / "taken").write_text("")
    with pytest.raises(FetchError, match="taken cannot be used"):
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


def test_a_server_that_never_answers(cache, monkeypatch):
    "It accepts, and says nothing, like a firewall that swallows packets."
    monkeypatch.setattr(fetch, "_ANSWER_SECONDS", 1.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        source = Source(f"http://127.0.0.1:{port}/data.zip", WRONG_BLOB)
        monkeypatch.setitem(SOURCES, "rsna", source)
        with pytest.raises(FetchError, match="no answer within 1 seconds|no connection"):
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
    cache.write_text("a file where the folder should be")
    with pytest.raises(FetchError, match="cannot be used"):
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
    with pytest.raises(FetchError, match="not a course folder") as error:
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
    cache.write_text("a file where the folder should be")
    with pytest.raises(FetchError, match="cannot be used"):
        fetch_data(write_zip(tmp_path / "films.zip", course))


def test_auto_when_the_cache_is_no_use(cache, offline, capsys):
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file where the folder should be")
    assert fetch_data() == embedded_films()
    assert "cannot be used" in capsys.readouterr().out


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
    assert "could not be downloaded" in printed


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


def test_the_outermost_course_of_a_zip(cache, course, tmp_path):
    "Where a zip holds several, the outermost is taken, and of two side by side the first by name."
    file = tmp_path / "two.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for folder in ("b", "a", "a/old"):
            for film in film_files(course):
                archive.write(film, os.path.join(folder, film.relative_to(course)))
    with zipfile.ZipFile(file) as archive:
        assert fetch._course_root(archive) == "a"


def test_the_outermost_course_is_not_the_one_with_the_shortest_path(course, tmp_path):
    file = tmp_path / "two.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for folder in ("a/b", "films of 2024"):
            for film in film_files(course):
                archive.write(film, os.path.join(folder, film.relative_to(course)))
    with zipfile.ZipFile(file) as archive:
        assert fetch._course_root(archive) == "films of 2024"


def test_zip_bomb(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "_MOST_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("train/x/1.png", "train/y/1.png", "val/x/1.png", "val/y/1.png"):
            archive.writestr(name, bytes(5000))
    with pytest.raises(BadFolder, match="would unpack"):
        fetch_data(tmp_path / "bomb.zip")


def test_damaged_zips(cache, tmp_path, course):
    (tmp_path / "text.zip").write_text("no zip")
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
    with pytest.raises(FetchError, match="rsna_cls cannot be used .No space left"):
        fetch_data(file)
    assert not files_left(cache)


# Copies


def test_dest_inside_the_films(cache, course):
    with pytest.raises(FetchError, match="inside the films"):
        fetch_data(course, dest=course / "copy")


def test_dest_is_a_copy(cache, course, tmp_path):
    path = fetch_data(course, dest=tmp_path / "mine")
    (path / "elbow.png").unlink()
    assert (course / "elbow.png").exists()
    with pytest.raises(FetchError, match="there already"):
        fetch_data(course, dest=tmp_path / "mine")


def test_copy_of_a_film_that_cannot_be_read(cache, course, tmp_path):
    "The film is named, and not the folder that it should go to; nothing is left."
    films = write_course(tmp_path / "films")
    (films / "train/abd/gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(FetchError, match="abd/gone.png cannot be copied") as error:
        fetch_data(films, dest=tmp_path / "new/mine")
    assert str(tmp_path / "new") not in str(error.value)
    assert not list((tmp_path / "new").iterdir())


# Imports


def test_import_is_light():
    heavy = ["torch", "fastai", "matplotlib", "pandas"]
    rooms = "rsna_cls.film, rsna_cls.course, rsna_cls.fetch, rsna_cls.check"
    code = f"import sys, {rooms}; print([name for name in {heavy} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
