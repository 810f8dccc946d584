"""What goes wrong around the library, made for real, and what came of it.

A server on this machine misbehaves; a small disk is full, or can only be read; a program is killed,
or stopped, at each of its steps. After each fault: an error of the library in words, or other films
and a sentence that says so; the second try succeeds without any tidying up by hand; no film differs
from the original; and what else lay there is as it was. `outcome` writes a row of the table that
the log of the tests ends with: its words are those that were said.

What changes more than a file runs in a process of its own (`in_child`): its disks, its rights, its
clock and its end are nobody else's.
"""

import contextlib
import ctypes
import functools
import hashlib
import importlib
import io
import itertools
import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import threading
import time
import traceback
import zipfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conftest import write_course
from rsna_cls import (
    SOURCES,
    BadFolder,
    FetchError,
    Source,
    cache_folder,
    embedded_films,
    fetch_data,
    film_files,
    load_film,
    plant_marker,
    remake,
    rescued,
)

LONGEST = 30  # seconds that any fault may take
NAMED = {"FetchError", "BadFolder", "BadFilm", "BadModel"}  # errors in words


# ---- what is checked after each fault ----


def digests(folder):
    "What each file of a folder holds, by its path from there; hidden files are no films."
    found = {}
    for file in film_files(folder):
        name = file.relative_to(folder).as_posix()
        found[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


@pytest.fixture
def box(tmp_path):
    "A folder with all that a user has: films, their zip, a home, a cache; and notes in each."
    box = tmp_path / "box"
    write_course(box / "films", n=2)
    with zipfile.ZipFile(box / "films.zip", "w") as archive:
        for film in film_files(box / "films"):
            archive.write(film, Path("inner", film.relative_to(box / "films")))
    (box / "originals.json").write_text(json.dumps(digests(box / "films")), encoding="utf-8")
    for folder in ("home", "mine", "cache/rsna_cls"):
        (box / folder).mkdir(parents=True)
        (box / folder / "notes.txt").write_text("years of work", encoding="utf-8")
    return box


def check_films(folder, box):
    "Each film is what it was, and none is missing."
    originals = json.loads((box / "originals.json").read_text(encoding="utf-8"))
    assert digests(folder) == originals, folder


def check_box(box):
    "Nothing of the user's was lost or changed."
    check_films(box / "films", box)
    for folder in ("home", "mine", "cache/rsna_cls"):
        assert (box / folder / "notes.txt").read_text(encoding="utf-8") == "years of work"


def debris(folder):
    "The hidden folders of work that was not finished, and that hold anything."
    begun = [path for path in folder.rglob(".unfinished-*") if path.is_dir()]
    return [path for path in begun if any(file.is_file() for file in path.rglob("*"))]


def shortened(words, box):
    "A message as it stands in the table: its first line, without this test's own folder."
    words = str(words).split("\nBy hand")[0].replace(f"{box}/", "").replace("\n", " ")
    words = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", words)
    words = re.sub(r"[0-9a-f]{12,40}", "…", words)
    return words if len(words) <= 150 else f"{words[:150]}…"


# ---- the network ----


def blob_id(content):
    "Git's own definition."
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def answer(client, content, status="200 OK", **headers):
    "Answer a request over HTTP; headers as `Content_Length=5`."
    headers = {"Content_Length": len(content), "Connection": "close"} | headers
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    client.sendall("\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode())
    client.sendall(content)


class Handler(socketserver.BaseRequestHandler):
    "Answers as the server's `fault` does, or with the zip."

    def handle(self):
        server = self.server
        with contextlib.suppress(OSError):
            client = self.request
            if server.tls and server.fault is not speaks_plainly:
                client = server.tls.wrap_socket(client, server_side=True)
            client.settimeout(10)
            request = client.recv(65536)
            server.requests.append(request.split(b"\r\n")[0].decode())
            if server.fault is None:
                answer(client, server.content)
            else:
                server.fault(client, server)
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_WR)


class Server(socketserver.ThreadingTCPServer):
    "A server of one zip at this machine, which can be told to misbehave."

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.fault = None  # what is done instead of answering: a function (client, server)
        self.tls = None  # how it is encrypted
        self.requests = []
        self.stopped = threading.Event()
        threading.Thread(target=self.serve_forever, args=[0.02], daemon=True).start()

    def handle_error(self, request, client_address):
        "A client that has gone is no matter."

    @property
    def source(self):
        "Where its films are."
        address = f"http://127.0.0.1:{self.server_address[1]}/films.zip"
        return Source(address, blob_id(self.content), "inner")


@pytest.fixture
def server(box, monkeypatch):
    "A server of the box's zip, asked directly whatever proxy there is."
    for scheme, place in itertools.product(("http", "https", "all"), (str.lower, str.upper)):
        monkeypatch.delenv(place(f"{scheme}_proxy"), raising=False)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    server = Server((box / "films.zip").read_bytes())
    monkeypatch.setitem(SOURCES, "rsna", server.source)
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()


def never_answers(client, server):
    server.stopped.wait(LONGEST)


def stalls_mid_file(client, server):
    half = server.content[: len(server.content) // 2]
    answer(client, half, Content_Length=len(server.content))
    server.stopped.wait(LONGEST)


def drips(client, server):
    answer(client, b"", Content_Length=len(server.content))
    for number in range(5 * LONGEST):
        client.sendall(server.content[number : number + 1])
        if server.stopped.wait(0.2):
            return


def is_cut_short(client, server):
    answer(client, server.content[:20_000], Content_Length=len(server.content))


def is_reset(client, server):
    "The connection ends as when a router forgets it."
    answer(client, server.content[:20_000], Content_Length=len(server.content))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def announces_too_much(client, server):
    answer(client, server.content, Content_Length=len(server.content) + 1000)


def announces_too_little(client, server):
    answer(client, server.content, Content_Length=len(server.content) // 2)


def announces_nonsense(client, server):
    answer(client, server.content, Content_Length="many")


def packs_nothing(client, server):
    answer(client, server.content, Content_Encoding="gzip")


def sends_other_bytes(client, server):
    answer(client, bytes(len(server.content)))


def says(status):
    "A fault: the server answers with a status, and a page that explains it."

    def fault(client, server):
        answer(client, b"<html>sorry</html>", status, Content_Type="text/html")

    return fault


def leads_in_a_circle(client, server):
    answer(client, b"", "302 Found", Location="/again")


def leads_nowhere(client, server):
    answer(client, b"", "302 Found", Location=f"http://127.0.0.1:{closed_port()}/")


def leads_to_no_address(client, server):
    answer(client, b"", "302 Found", Location="http://[half-an-address/")


def speaks_no_http(client, server):
    client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def says_nothing_and_hangs_up(client, server):
    client.close()


def shows_a_login_page(client, server):
    answer(client, b"<html>Please log in to Hospital-WLAN</html>", Content_Type="text/html")


def speaks_plainly(client, server):
    answer(client, server.content)


ANSWERS = {  # what a server does → how
    "a server that accepts and never answers": never_answers,
    "a server that stalls mid-file": stalls_mid_file,
    "a server that drips a byte now and then": drips,
    "a server that hangs up mid-file": is_cut_short,
    "a connection that is reset mid-file": is_reset,
    "a Content-Length that is too long": announces_too_much,
    "a Content-Length that is too short": announces_too_little,
    "a Content-Length that is no number": announces_nonsense,
    "a file that is said to be packed, and is not": packs_nothing,
    "other bytes of the right length": sends_other_bytes,
    "status 403": says("403 Forbidden"),
    "status 404": says("404 Not Found"),
    "status 407 from the server itself": says("407 Proxy Authentication Required"),
    "status 429": says("429 Too Many Requests"),
    "status 500": says("500 Internal Server Error"),
    "status 503": says("503 Service Unavailable"),
    "a redirect in a circle": leads_in_a_circle,
    "a redirect to where nobody listens": leads_nowhere,
    "a redirect to what is no address": leads_to_no_address,
    "a server that speaks no HTTP": speaks_no_http,
    "a server that hangs up without a word": says_nothing_and_hangs_up,
}
SLOW = {never_answers: 4, stalls_mid_file: 5, drips: 5}  # seconds


def closed_port():
    "A port of this machine at which nobody listens."
    with socket.create_server(("127.0.0.1", 0)) as freed:
        return freed.getsockname()[1]


def check_first_try(box, capsys, quick=LONGEST):
    "The fault: an error in words, other films with a sentence, and nothing is left. Its reason."
    fetch = importlib.import_module("rsna_cls.fetch")
    started = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:  # the same waiting, only shorter
        patch.setattr(fetch, "_ANSWER_SECONDS", 1.0)
        patch.setattr(fetch, "_SILENCE_SECONDS", 1.0)
        patch.setattr(fetch, "_LOOK_SECONDS", 2.0)  # later: silence has one reason, not two
        with pytest.raises(FetchError) as error:
            fetch_data("rsna")
        capsys.readouterr()
        assert fetch_data() == embedded_films()
    assert time.monotonic() - started < quick
    assert f"could not be fetched: {error.value.reason})" in capsys.readouterr().out
    assert "By hand: download" in str(error.value)
    assert not debris(box)
    assert not list(cache_folder().glob("rsna-*.zip"))
    return error.value.reason


def check_second_try(box):
    "The cause is gone: the films come, whole, and nothing else has changed. What is said of it."
    folder = fetch_data("rsna")
    check_films(folder, box)
    check_box(box)
    return f"second try: {len(film_files(folder))} films, whole"


@pytest.fixture
def in_box(box, monkeypatch):
    "The cache is that of the box."
    monkeypatch.delenv("RSNA_CLS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(box / "cache"))
    if not cache_folder().is_relative_to(box):  # elsewhere than on Linux
        fetch = importlib.import_module("rsna_cls.fetch")
        monkeypatch.setattr(fetch, "cache_folder", lambda: box / "cache/rsna_cls")
        monkeypatch.setattr(sys.modules[__name__], "cache_folder", fetch.cache_folder)
    return box


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.slow(seconds=SLOW[fault]) if fault in SLOW else [])
        for case, fault in ANSWERS.items()
    ],
)
def test_a_server_that_misbehaves(server, in_box, capsys, outcome, case):
    server.fault = ANSWERS[case]
    reason = check_first_try(in_box, capsys)
    server.fault = None
    second = check_second_try(in_box)
    outcome("faults", case, f"FetchError '{shortened(reason, in_box)}'; {second}")


@pytest.mark.parametrize(
    ("case", "address"),
    [
        ("a connection that is refused", "http://127.0.0.1:{port}/films.zip"),
        ("a host name that cannot be resolved", "http://nowhere.invalid/films.zip"),
        ("a host name with an umlaut that cannot be resolved", "http://röntgen.invalid/films.zip"),
        ("an address that is none", "http://[half-an-address/films.zip"),
    ],
)
def test_a_server_that_is_not_there(server, in_box, capsys, monkeypatch, outcome, case, address):
    url = address.format(port=closed_port())
    monkeypatch.setitem(SOURCES, "rsna", server.source._replace(url=url))
    reason = check_first_try(in_box, capsys, quick=5)
    monkeypatch.setitem(SOURCES, "rsna", server.source)
    second = check_second_try(in_box)
    outcome("faults", case, f"FetchError '{shortened(reason, in_box)}'; {second}")


@pytest.mark.parametrize(
    ("case", "scheme", "fault"),
    [
        ("a proxy that shows a log-in page, status 200", "http", shows_a_login_page),
        ("a proxy that demands a password", "http", ANSWERS["status 407 from the server itself"]),
        (
            "a proxy that demands a password for https",
            "https",
            ANSWERS["status 407 from the server itself"],
        ),
        ("a proxy that is not there", "http", None),
    ],
)
def test_a_proxy_that_is_in_the_way(
    server, in_box, capsys, monkeypatch, outcome, case, scheme, fault
):
    "The server plays the proxy: it is asked for the whole address."
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name)
    right = server.source.url.removesuffix("/films.zip")
    wrong = right if fault else f"http://127.0.0.1:{closed_port()}"
    server.fault = fault
    monkeypatch.setenv(f"{scheme}_proxy", wrong)
    source = server.source._replace(url=f"{scheme}://films.invalid/films.zip")
    monkeypatch.setitem(SOURCES, "rsna", source)
    reason = check_first_try(in_box, capsys)
    if fault:
        assert "films.invalid" in server.requests[0]

    # Somebody has logged in, or set the right proxy. (No zip comes by https: that takes a secret.)
    server.fault = None
    monkeypatch.setenv("http_proxy", right)
    monkeypatch.setitem(SOURCES, "rsna", source._replace(url="http://films.invalid/films.zip"))
    second = check_second_try(in_box)
    outcome("faults", case, f"FetchError '{shortened(reason, in_box)}'; {second}")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    "A certificate of this machine that nobody has signed, with its key in the same file."
    folder = tmp_path_factory.mktemp("tls")
    command = [
        *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
        *("-newkey", "rsa:2048", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs openssl to make a certificate")
    return folder


@pytest.mark.parametrize("case", ["a certificate that nobody has signed", "plain answers to https"])
def test_https_that_cannot_be_trusted(
    server, in_box, capsys, certificate, monkeypatch, outcome, case
):
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    url = server.source.url.replace("http:", "https:")
    monkeypatch.setitem(SOURCES, "rsna", server.source._replace(url=url))
    if case == "plain answers to https":
        server.fault = speaks_plainly
    reason = check_first_try(in_box, capsys)

    # The hospital's own certificate is known now, and the server encrypts.
    server.fault = None
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "certificate.pem"))
    second = check_second_try(in_box)
    outcome("faults", case, f"FetchError '{shortened(reason, in_box)}'; {second}")


# ---- a process of its own ----

ON_LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="these processes, disks and rights are Linux's"
)


class CannotBeMade(Exception):
    "A fault that this system does not let us make, and why."


class Ended(NamedTuple):
    "How a piece of work ended that had a process of its own."

    value: Any  # what it returned
    error: str  # the name of the exception's class; '': there was none
    words: str  # of the exception
    said: str  # what was printed
    trace: str  # where the exception came from


def _begin(results: Connection, work, arguments, environment):
    "The life of such a process: its end can be told by all that it leaves."
    os.setsid()  # who gives it up ends what it has started, too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ.pop("RSNA_CLS_DATA", None)
    os.environ.update(environment)
    os.chdir(environment["HOME"])
    said = io.StringIO()
    value, error, words, trace = None, "", "", ""
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            value = work(*arguments)
    except BaseException as exception:
        error, words = type(exception).__name__, str(exception)
        trace = traceback.format_exc()
    results.send(Ended(value, error, words, said.getvalue(), trace))


@functools.cache
def fork_server():
    "Starts processes that have imported already what takes long; it has one thread, and no locks."
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "requests", "rsna_cls.saved", "rsna_cls.pretrain"])
    return context


class Child:
    "A piece of work in a process of its own, at home in a box."

    def __init__(self, box, work, *arguments):
        context = fork_server()
        self.results, results = context.Pipe(duplex=False)
        environment = {
            "HOME": str(box / "home"),
            "XDG_CACHE_HOME": str(box / "cache"),
            "no_proxy": "127.0.0.1",
        }
        started = (results, work, arguments, environment)
        self.process = context.Process(target=_begin, args=started)
        self.process.start()
        results.close()

    def ended(self, seconds=2 * LONGEST):
        "Wait until it ends; it fails the test if that lasts, and skips it if it cannot be done."
        has_come = self.results.poll(seconds)
        if not has_come:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.join()
            pytest.fail(f"it hangs: no end after {seconds} seconds")
        try:
            result = self.results.recv()
        except EOFError:  # it was killed
            result = Ended(None, "killed", "", "", "")
        self.process.join()
        if result.error == "CannotBeMade":
            pytest.skip(result.words)
        return result


def in_child(box, work, *arguments, seconds=4 * LONGEST):
    "What a piece of work returns that is done in a process of its own."
    result = Child(box, work, box, *arguments).ended(seconds)
    assert not result.error, f"{result.trace}\n{result.said}"
    return result.value


# ---- the works: what writes films, and models ----


def use_source(source):
    "Let the original films come from a server of ours."
    SOURCES["rsna"] = source


def download(box):
    return fetch_data("rsna")


def unpack(box):
    return fetch_data(box / "films.zip")


def copy(box):
    return fetch_data(box / "films", dest=box / "mine/copy")


def remade(box):
    return remake(box / "films", box / "mine/remade", plant_marker)


WORKS = {  # what is made → who makes it, and where it goes
    "a download": (download, "cache/rsna_cls/rsna-*"),
    "unpacking": (unpack, "cache/rsna_cls/zip-*"),
    "a copy": (copy, "mine/copy"),
    "remaking": (remade, "mine/remade"),
}


def clear(box, place):
    "Take away what a work has made, so that it can be made anew; hidden debris stays."
    for path in box.glob(place):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def check_made(box, work, made):
    "What was made is whole: the same files, or the same pixels with a marker."
    if work is not remade:
        check_films(made, box)
        return
    names = [film.relative_to(made) for film in film_files(made)]
    assert names == [film.relative_to(box / "films") for film in film_files(box / "films")]
    for name in names:
        assert load_film(made / name).tobytes() == plant_marker(box / "films" / name).tobytes()


def refused(work, *arguments):
    "The error in words that a work ends with: 'FetchError …'."
    started = time.monotonic()
    try:
        result = work(*arguments)
    except Exception as error:
        assert type(error).__name__ in NAMED, traceback.format_exc()
        assert type(error).__module__.startswith("rsna_cls"), type(error)
        assert time.monotonic() - started < LONGEST
        return f"{type(error).__name__} '{error}'"
    raise AssertionError(f"it was not refused: {result}")


@functools.cache
def small_learner(films):
    "A learner of the box's films, whose head was not trained."
    from rsna_cls import dataloaders, film_learner

    return film_learner(dataloaders(films, size=64, bs=2))


# ---- disks and rights ----

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_REC, MS_PRIVATE = 1, 32, 16384, 1 << 18


def call(name, *arguments):
    "A call of the system that Python does not know; raises `CannotBeMade`."
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise CannotBeMade(f"this system does not let us {name} ({reason})")


def become(user):
    "Be another user, who owns all that was ours: one without a name, or root, of a small world."
    ours, group = os.geteuid(), os.getegid()
    call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
    try:
        Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
        Path("/proc/self/uid_map").write_text(f"{user} {ours} 1", encoding="utf-8")
        Path("/proc/self/gid_map").write_text(f"{user} {group} 1", encoding="utf-8")
    except OSError as error:
        raise CannotBeMade(f"this system does not let us be another user ({error})") from None


def drop_rights():
    "Be a user like any other: root may write everywhere, whatever a folder says."

    class Header(ctypes.Structure):
        _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]

    none_of_them = (ctypes.c_uint32 * 6)()
    call("capset", ctypes.byref(Header(0x20080522, 0)), none_of_them)


class Disk:
    "A small disk of this process alone."

    def __init__(self, folder, kilobytes):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            call("unshare", CLONE_NEWNS)
        else:
            become(0)
        call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        self.mount(0, kilobytes)

    def mount(self, flags, kilobytes):
        size = f"size={kilobytes}k".encode()
        call("mount", b"films", os.fsencode(self.folder), b"tmpfs", flags, size)

    def enlarge(self):
        self.mount(MS_REMOUNT, 400_000)

    def protect(self):
        self.mount(MS_REMOUNT | MS_RDONLY, 400_000)


def save_to_mine(box):
    from rsna_cls import save_model

    return save_model(small_learner(box / "films"), box / "mine/model")


def save_zip_to_mine(box):
    from rsna_cls import save_model

    return save_model(small_learner(box / "films"), box / "mine/model.zip")


def check_model(box, work, path):
    "A model is whole, and the learner that was saved."
    from rsna_cls import load_model
    from rsna_cls.learner import weights_digest

    expected = weights_digest(small_learner(box / "films").model.state_dict())
    assert weights_digest(load_model(path).model.state_dict()) == expected


def move_to(disk, box):
    "Let the cache and the user's folder lie on a disk."
    for name in ("cache", "mine"):
        shutil.copytree(box / name, disk.folder / name)
        shutil.rmtree(box / name)
        (box / name).symlink_to(disk.folder / name)


def visible(folder):
    "All that lies in a folder and is not hidden, locks aside."
    paths = [path for path in folder.rglob("*") if path.suffix != ".lock"]
    return sorted(str(path.relative_to(folder)) for path in paths)


def on_a_bad_disk(box, work, source, kilobytes, check):
    "A disk that is full, or can only be read (None); and after it has been mended. What was said."
    use_source(source)
    disk = Disk(box / "disk", kilobytes or 400_000)
    move_to(disk, box)
    if kilobytes is None:
        disk.protect()
    before = visible(disk.folder)
    said = refused(work, box)
    assert visible(disk.folder) == before, "something was left"
    if work is download:
        assert fetch_data() == embedded_films()

    disk.enlarge()
    check(box, work, work(box))
    check_box(box)
    return said


ON_DISKS = {  # → who writes, how large the disk is (kB; None: it can only be read), what is checked
    "a disk that is full during a download": (download, 48, check_made),
    "a disk that is full during unpacking": (unpack, 32, check_made),
    "a disk that is full during a copy": (copy, 32, check_made),
    "a disk that is full during remaking": (remade, 32, check_made),
    "a disk that is full during saving a model": (save_to_mine, 20_000, check_model),
    "a disk that is full during saving a zip": (save_zip_to_mine, 20_000, check_model),
    "a cache that can only be read, download": (download, None, check_made),
    "a cache that can only be read, a zip": (unpack, None, check_made),
    "a folder that can only be read, a copy": (copy, None, check_made),
    "a folder that can only be read, remaking": (remade, None, check_made),
    "a folder that can only be read, a model": (save_to_mine, None, check_model),
}


@ON_LINUX
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.slow(seconds=4) if check is check_model else [])
        for case, (_, _, check) in ON_DISKS.items()
    ],
)
def test_a_disk_that_is_full_or_can_only_be_read(server, box, outcome, case):
    work, kilobytes, check = ON_DISKS[case]
    said = in_child(box, on_a_bad_disk, work, server.source, kilobytes, check)
    words = "Read-only file system" if kilobytes is None else "No space left"
    assert words in said
    outcome("faults", case, f"{shortened(said, box)}; second try: whole")


def over_an_earlier_model(box):
    "A disk with room for one model, and not for two: the earlier one stays."
    from rsna_cls import load_model, save_model

    learn = small_learner(box / "films")
    disk = Disk(box / "disk", 60_000)
    model = save_model(learn, disk.folder / "model")
    said = refused(save_model, learn, model, {"accuracy": 1})
    assert load_model(model).card["scores"] is None
    assert visible(disk.folder) == ["model", "model/model.json", "model/model.safetensors"]
    disk.enlarge()
    assert load_model(save_model(learn, model, {"accuracy": 1})).card["scores"] == {"accuracy": 1}
    return said


@ON_LINUX
@pytest.mark.slow(seconds=5)
def test_a_disk_without_room_for_a_second_model(box, outcome):
    said = in_child(box, over_an_earlier_model)
    outcome(
        "faults",
        "a disk that is full during saving over a model",
        f"{shortened(said, box)}; the earlier model is whole; second try: the new one",
    )


def with_a_limit(box, source):
    "No file may have more than some bytes, as where a user has a quota; each work in its turn."
    import resource

    use_source(source)
    said = {}
    for name, (work, _) in WORKS.items():
        before = visible(box / "mine"), visible(box / "cache")
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))
        said[name] = refused(work, box)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert (visible(box / "mine"), visible(box / "cache")) == before
        check_made(box, work, work(box))
    return said


@ON_LINUX
def test_a_limit_of_the_size_of_files(server, box, outcome):
    for name, said in in_child(box, with_a_limit, server.source).items():
        assert "File too large" in said
        case = f"files may not grow any more, {name}"
        outcome("faults", case, f"{shortened(said, box)}; second try: whole")
    check_box(box)


def films_in_a_cache_that_can_only_be_read(box, source):
    "What is there needs no place to write."
    use_source(source)
    disk = Disk(box / "disk", 400_000)
    move_to(disk, box)
    download(box)
    disk.protect()
    check_films(download(box), box)
    return len(film_files(download(box)))


@ON_LINUX
def test_films_in_a_cache_that_can_only_be_read(server, box, outcome):
    films = in_child(box, films_in_a_cache_that_can_only_be_read, server.source)
    outcome("faults", "films in a cache that can only be read", f"{films} films, whole")


def without_rights(box, source):
    "Folders that their own user may not write to."
    use_source(source)
    drop_rights()
    said = {}
    for name, (work, place) in WORKS.items():
        folder = (box / place).parent
        folder.chmod(0o555)
        before = visible(box)
        said[name] = refused(work, box)
        assert visible(box) == before
        folder.chmod(0o755)
        check_made(box, work, work(box))
    return said


@ON_LINUX
def test_folders_that_one_may_not_write_to(server, box, outcome):
    for name, said in in_child(box, without_rights, server.source).items():
        assert "Permission denied" in said
        case = f"a folder that one may not write to, {name}"
        outcome("faults", case, f"{shortened(said, box)}; second try: whole")
    check_box(box)


def weights_that_one_may_not_read(box):
    "A file of weights, and a saved model, that belong to somebody else."
    from rsna_cls import film_learner, load_model
    from rsna_cls.learner import EMBEDDED_WEIGHTS

    learn = small_learner(box / "films")
    model = save_to_mine(box)
    shutil.copy(EMBEDDED_WEIGHTS["simulated"], box / "mine/weights.safetensors")
    drop_rights()
    files = [box / "mine/weights.safetensors", model / "model.json"]
    for file in files:
        file.chmod(0)
    said = [refused(film_learner, learn.dls, files[0]), refused(load_model, model)]
    for file in files:
        file.chmod(0o644)
    film_learner(learn.dls, files[0])
    check_model(box, save_to_mine, model)
    return said


@ON_LINUX
@pytest.mark.slow(seconds=4)
def test_weights_that_one_may_not_read(box, outcome):
    for kind, said in zip(
        ("weights", "a model"), in_child(box, weights_that_one_may_not_read), strict=True
    ):
        assert "BadModel" in said
        outcome("faults", f"{kind} that one may not read", f"{shortened(said, box)}; then read")


# ---- no home, and no folder to work in ----


def a_home_that_cannot_be(box, source):
    "There is none, and it cannot be made."
    use_source(source)
    del os.environ["XDG_CACHE_HOME"]
    drop_rights()
    (box / "locked").mkdir(mode=0o555)
    os.environ["HOME"] = str(box / "locked/nowhere")
    said = refused(download, box), refused(unpack, box)
    assert fetch_data() == embedded_films()
    check_films(fetch_data(box / "films"), box)
    (box / "locked").chmod(0o755)
    check_films(download(box), box)
    check_films(unpack(box), box)
    return said


def a_user_without_a_name(box, source):
    "As in a container that is started with any number for its user, and no home."
    become(54321)
    use_source(source)
    del os.environ["HOME"], os.environ["XDG_CACHE_HOME"]
    said = refused(download, box), refused(unpack, box)
    assert fetch_data() == embedded_films()
    check_films(fetch_data(box / "films"), box)
    assert visible(box / "home") == ["notes.txt"], "a folder ~ was made"
    os.environ["XDG_CACHE_HOME"] = str(box / "cache")
    check_films(download(box), box)
    check_films(unpack(box), box)
    return said


@ON_LINUX
@pytest.mark.parametrize("fault", [a_home_that_cannot_be, a_user_without_a_name])
def test_no_home(server, box, outcome, fault):
    said = in_child(box, fault, server.source)
    for work, words in zip(("a download", "a zip"), said, strict=True):
        case = f"{fault.__name__.replace('_', ' ')}, {work}"
        outcome("faults", case, f"{shortened(words, box)}; auto: simulated films; then whole")
    check_box(box)


NAMELESS = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_faults import CannotBeMade, become
try:
    become(54321)
except CannotBeMade as error:
    sys.exit(f"skip: {error}")
for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "TORCH_HOME"):
    os.environ.pop(name, None)
from rsna_cls import FetchError, dataloaders, film_learner, fine_tune, save_model, load_model
box = Path(sys.argv[1])
learn = film_learner(dataloaders(box / "films", size=64, bs=2))
fine_tune(learn, epochs=1)
load_model(save_model(learn, box / "mine/model"))
try:
    film_learner(learn.dls, weights="imagenet")
except FetchError as error:
    print("said:", str(error).splitlines()[0])
print("left:", sorted(os.listdir(".")))
"""


@ON_LINUX
@pytest.mark.slow(seconds=12)
def test_a_lesson_without_a_home(box, outcome):
    "All libraries are imported there, too: some of them would make a folder of the name `~`."
    command = [sys.executable, "-c", NAMELESS, str(box), str(Path(__file__).parent)]
    run = subprocess.run(
        command, cwd=box / "home", capture_output=True, text=True, timeout=4 * LONGEST
    )
    if run.stderr.startswith("skip: "):
        pytest.skip(run.stderr)
    assert run.returncode == 0, run.stderr
    assert "left: ['notes.txt']" in run.stdout
    (said,) = re.findall("said: (.*)", run.stdout)
    check_box(box)
    outcome(
        "faults",
        "a lesson of a user without a name or home",
        f"trained, saved, loaded; ImageNet's weights: FetchError '{shortened(said, box)}'",
    )


def in_a_folder_that_was_deleted(box):
    "Whole paths are as good as ever; others are refused in words, until one works elsewhere."
    from rsna_cls import load_model, save_model

    learn = small_learner(box / "films")
    gone = box / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    for work, _ in list(WORKS.values())[1:]:
        check_made(box, work, work(box))
    for _ in range(2):  # the second replaces the first
        check_model(box, save_to_mine, save_to_mine(box))
    said = {
        "a copy": refused(fetch_data, box / "films", "copy"),
        "remaking": refused(remake, box / "films", "remade"),
        "saving": refused(save_model, learn, "model"),
        "loading": refused(load_model, "model"),
        "a zip": refused(fetch_data, "films.zip"),
    }
    os.chdir(box)
    check_films(fetch_data("films", "copy"), box)
    check_films(fetch_data("films.zip"), box)
    check_made(box, remade, remake("films", "remade", plant_marker))
    check_model(box, save_model, save_model(learn, "model"))
    return said


@ON_LINUX
@pytest.mark.slow(seconds=5)
def test_a_working_folder_that_was_deleted(box, outcome):
    for name, said in in_child(box, in_a_folder_that_was_deleted).items():
        case = f"the folder one works in was deleted, {name}"
        outcome("faults", case, f"{shortened(said, box)}; whole paths work")
    check_box(box)


# ---- the cache ----


def half_deleted(folder):
    for film in film_files(folder / "train/abd"):
        film.unlink()


def emptied(folder):
    "As by a program that frees room: the names are still there."
    for film in film_files(folder):
        film.write_bytes(b"")


def without_a_list(folder):
    "Nor most of the films."
    folder.with_name(f"{folder.name}.json").unlink()
    for split in ("train", "val"):
        shutil.rmtree(folder / split)


def with_half_a_list(folder):
    file = folder.with_name(f"{folder.name}.json")
    file.write_bytes(file.read_bytes()[:40])
    half_deleted(folder)


def with_half_a_zip(folder):
    shutil.rmtree(folder)
    for file in folder.parent.glob("rsna-*.zip"):
        file.write_bytes(file.read_bytes()[:1000])


def with_nonsense_in_the_lock(folder):
    Path(f"{folder}.lock").write_bytes(b"\0\xff not a number")
    shutil.rmtree(folder)


def of_the_future(folder):
    "A clock was wrong when they were written."
    for path in [*folder.parent.rglob("*")]:
        os.utime(path, (2**33, 2**33))


def of_1970(folder):
    for path in [*folder.parent.rglob("*")]:
        os.utime(path, (0, 0))


CACHES = [
    half_deleted,
    emptied,
    without_a_list,
    with_half_a_list,
    with_half_a_zip,
    with_nonsense_in_the_lock,
    of_the_future,
    of_1970,
]


@pytest.mark.parametrize("damage", CACHES)
def test_a_cache_that_was_damaged(server, in_box, outcome, damage):
    "It is mended without a word from the user; what is whole is not fetched again."
    folders = [fetch_data("rsna"), fetch_data(in_box / "films.zip")]
    requests = len(server.requests)
    for folder in folders:
        damage(folder)
    assert [fetch_data("rsna"), fetch_data(in_box / "films.zip")] == folders
    for folder in folders:
        check_films(folder, in_box)
    check_box(in_box)
    again = len(server.requests) - requests
    assert again == (2 if damage is with_half_a_zip else 0)
    words = "downloaded again" if again else "nothing downloaded again"
    outcome("faults", f"a cache {damage.__name__.replace('_', ' ')}", f"films whole; {words}")


@pytest.mark.parametrize("case", ["the cache is a file", "the lock is a folder"])
def test_a_cache_that_something_is_in_the_way_of(server, in_box, outcome, case):
    cache = cache_folder()
    cache.rename(in_box / "aside")
    if case == "the cache is a file":
        cache.write_text("years of work", encoding="utf-8")
        in_the_way = cache
    else:
        folder = importlib.import_module("rsna_cls.fetch")._films_in_cache(
            "rsna", server.source.blob
        )
        in_the_way = Path(f"{folder}.lock")
        in_the_way.mkdir(parents=True)
    said = refused(fetch_data, "rsna")
    assert fetch_data() == embedded_films()
    assert in_the_way.exists()
    in_the_way.rename(in_box / "out of the way")
    shutil.copytree(in_box / "aside", cache, dirs_exist_ok=True)
    second = check_second_try(in_box)
    outcome("faults", case, f"{shortened(said, in_box)}; auto: simulated films; {second}")


def hold_the_lock(box, source, ready):
    "A program that fetches the films, and does not end."
    from filelock import FileLock

    use_source(source)
    folder = importlib.import_module("rsna_cls.fetch")._films_in_cache("rsna", source.blob)
    with FileLock(f"{folder}.lock"):
        ready.send("held")
        time.sleep(2 * LONGEST)


@ON_LINUX
@pytest.mark.parametrize("ending", ["killed", "stopped, and killed later"])
def test_a_program_that_holds_the_lock(server, in_box, capsys, monkeypatch, outcome, ending):
    "A killed one holds nothing any more; of one that only stands still it is said."
    fetch = importlib.import_module("rsna_cls.fetch")
    monkeypatch.setattr(fetch, "_PATIENCE_SECONDS", 0.3)
    held, ready = fork_server().Pipe(duplex=False)
    holder = Child(in_box, hold_the_lock, in_box, server.source, ready).process
    assert held.poll(LONGEST)
    later = threading.Timer(1.0, holder.kill)
    if ending == "killed":
        holder.kill()
        holder.join()
    else:
        os.kill(holder.pid, signal.SIGSTOP)
        later.start()
    second = check_second_try(in_box)
    holder.join()
    said = re.findall("Another program .*", capsys.readouterr().out)
    assert bool(said) == (ending != "killed")
    outcome("faults", f"a program that holds the lock, {ending}", "; ".join([*said, second]))


# ---- a program that is killed, or stopped, at each of its steps ----


class Steps:
    "The changes that this process makes on the disk in a box; it gets a signal before one of them."

    def __init__(self, box, reads=False, of=""):
        self.inside = os.path.realpath(box)
        self.reads = reads  # count the files that are opened for reading, instead
        self.of = of  # how the names end that are counted
        self.count = 0
        self.number = None  # of the step at which the signal comes; None: at none
        self.signal = None
        sys.addaudithook(self.see)

    def see(self, event, arguments):
        "What Python does is told here before it is done."
        if not self.is_step(event, arguments):
            return
        self.count += 1
        if self.count == self.number:
            os.kill(os.getpid(), self.signal)

    def is_step(self, event, arguments):
        if event == "open":
            path, _, flags = arguments
            is_change = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            is_meant = is_change != self.reads
        else:
            is_meant = not self.reads and event in (
                "os.mkdir",
                "os.rename",
                "os.remove",
                "os.rmdir",
            )
            path = arguments[0] if is_meant else None
        if not is_meant or not isinstance(path, str | bytes | os.PathLike):
            return False
        # A tree is deleted from within: the names there have no path before them.
        is_of_a_tree = event in ("os.remove", "os.rmdir") and arguments[-1] != -1
        is_inside = is_of_a_tree or os.fsdecode(path).startswith(self.inside)
        return is_inside and os.fsdecode(path).endswith(self.of)

    def arm(self, number, signal):
        "Let the signal come at this step, counted from now."
        self.count = 0
        self.number = number
        self.signal = signal


def ends(work):
    "How a copy of this process ends that does a piece of work; negative: the signal."
    process = os.fork()
    if process == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def number_of_steps(box, work, reads=False):
    "How many steps a piece of work takes."
    reading, writing = os.pipe()

    def counted():
        steps = Steps(box, reads)
        work()
        os.write(writing, str(steps.count).encode())

    assert ends(counted) == 0
    os.close(writing)
    with open(reading, encoding="utf-8") as told:
        return int(told.read())


def killed_at(box, work, number, reads=False, of=""):
    "Do a piece of work in a copy of this process that is killed at a step."

    def killed():
        Steps(box, reads, of).arm(number, signal.SIGKILL)
        work()

    assert ends(killed) == -signal.SIGKILL


def killed_within_a_file(work, size):
    "Do a piece of work in a copy of this process that is killed when a file reaches a size."
    import resource

    def killed():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # it kills, as SIGKILL does
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        work()

    assert ends(killed) == -signal.SIGXFSZ


def some_of(steps, most):
    "Some of the steps from 1, the first and the last among them."
    if steps <= most:
        return list(range(1, steps + 1))
    return sorted({1 + round(i * (steps - 1) / (most - 1)) for i in range(most)})


def check_after_the_end(box, work, place):
    "After it was killed: nothing half written is there, and the second try succeeds."
    check_box(box)
    made = [path for path in box.glob(place) if path.is_dir()]
    if place.startswith("mine") and made:  # a folder that holds something would be refused
        check_made(box, work, *made)
    else:
        check_made(box, work, work(box))
    check_box(box)


def killed_at_each_step(box, name, source, is_new):
    "Kill a work at its steps, and within a file. How many kills, steps, and hidden folders left."
    use_source(source)
    work, place = WORKS[name]

    def begin():
        if is_new:
            clear(box, place)
        else:
            half_deleted(work(box))

    begin()
    steps = number_of_steps(box, functools.partial(work, box))
    numbers = some_of(steps, 30)
    for number in numbers:
        begin()
        killed_at(box, functools.partial(work, box), number)
        check_after_the_end(box, work, place)
    for size in (1, 400, 30_000 if work is download else 500):
        begin()
        if work is download:
            clear(box, "cache/rsna_cls/*.zip")
        killed_within_a_file(functools.partial(work, box), size)
        check_after_the_end(box, work, place)
    return len(numbers) + 3, steps, len(debris(box))


@ON_LINUX
@pytest.mark.slow(seconds=5)
@pytest.mark.parametrize(
    ("name", "is_new"),
    [
        *((name, True) for name in WORKS),
        ("a download", False),  # a copy is never written over what is there
        ("unpacking", False),
    ],
)
def test_a_program_that_is_killed(server, box, outcome, name, is_new):
    kills, steps, left = in_child(box, killed_at_each_step, name, server.source, is_new)
    if name in ("a download", "unpacking"):
        assert left == 0  # in the cache, the second try tidies up after the first
    case = f"kill -9 during {name}" + ("" if is_new else " over half a cache")
    outcome(
        "faults",
        case,
        f"{kills} kills at {steps} steps: second try whole, each time; {left} hidden left",
    )


def stopped_at_each_step(box, source):
    "Press Ctrl-C at each step of each work; in the same process the work succeeds afterwards."
    use_source(source)
    steps = Steps(box)
    told = {}
    for name, (work, place) in WORKS.items():
        clear(box, place)
        steps.arm(None, None)
        made = work(box)
        number_of_them = steps.count
        stops = 0
        for number in some_of(number_of_them, 25):
            clear(box, place)
            before = visible(box)
            steps.arm(number, signal.SIGINT)
            try:
                made = work(box)
            except KeyboardInterrupt:
                stops += 1
            steps.arm(None, None)
            if work in (copy, remade) and visible(box) != before:
                check_made(box, work, made)
            else:
                check_made(box, work, work(box))
            check_box(box)
        told[name] = stops, number_of_them, len(debris(box))
    return told


@ON_LINUX
@pytest.mark.slow(seconds=8)
def test_a_program_that_is_stopped(server, box, outcome):
    told = in_child(box, stopped_at_each_step, server.source)
    for name, (stops, steps, left) in told.items():
        assert left == 0
        outcome(
            "faults",
            f"Ctrl-C during {name}",
            f"KeyboardInterrupt, {stops} times at {steps} steps; nothing left; second try whole",
        )


# ---- two programs at once ----


def with_others(box, name, source, barrier):
    "One of several that do the same at once: what was made is whole, or it is refused in words."
    use_source(source)
    work, place = WORKS[name]
    if place.startswith("cache"):
        barrier.wait(LONGEST)
        check_made(box, work, work(box))
        return "made"
    barrier.wait(LONGEST)
    try:
        made = work(box)
    except (FetchError, BadFolder) as error:
        made = box / place
        check_made(box, work, made)
        return f"{type(error).__name__} '{error}'"
    check_made(box, work, made)
    return "made"


@ON_LINUX
@pytest.mark.parametrize("name", WORKS)
def test_two_programs_that_do_the_same_at_once(server, box, outcome, name):
    barrier = fork_server().Barrier(3)
    children = [Child(box, with_others, box, name, server.source, barrier) for _ in range(3)]
    results = [child.ended() for child in children]
    assert not [result for result in results if result.error], results
    said = sorted({shortened(result.value, box) for result in results})
    assert "made" in said
    if name == "a download":
        assert len(server.requests) == 2  # whether it answers, and the zip: once for all
    assert not debris(box)
    check_box(box)
    said.remove("made")
    outcome("faults", f"three programs at once, {name}", "; ".join(["films whole", *said]))


def save_with_others(box, name, number, barrier):
    from rsna_cls import load_model, save_model

    learn = small_learner(box / "films")
    barrier.wait(LONGEST)
    for _ in range(2):
        model = save_model(learn, box / "mine" / name, scores={"number": number})
        if name.endswith("zip"):  # one move: whoever loads meanwhile finds one model, whole
            assert load_model(model).card["scores"]["number"] in (1, 2)


@ON_LINUX
@pytest.mark.slow(seconds=4)
@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_two_programs_that_save_one_model(box, outcome, name):
    barrier = fork_server().Barrier(2)
    children = [Child(box, save_with_others, box, name, n, barrier) for n in (1, 2)]
    results = [child.ended() for child in children]
    assert not [result for result in results if result.error], results
    in_child(box, check_model, save_with_others, box / "mine" / name)
    assert [path.name for path in (box / "mine").iterdir() if path.name != "notes.txt"] == [name]
    outcome("faults", f"two programs at once, saving one {name}", "one of the two, whole")


# ---- models: killed while they are saved or trained ----


def model_that_is_there(path):
    "What the card of a saved model says of its scores, once it is known to be whole; or None."
    from rsna_cls import load_model

    if path.exists():
        return load_model(path).card["scores"]
    said = refused(load_model, path)
    kept = rescued(path)
    assert all(str(found) in said for found in kept)
    assert len(kept) <= 1
    return load_model(kept[0]).card["scores"] if kept else None


def save_that_is_killed(box, name, has_earlier):
    "Kill the saving of a model at each of its steps. How many kills, and how often what was there."
    from rsna_cls import save_model

    learn = small_learner(box / "films")
    path = box / "mine" / name
    earlier, new = {"which": "earlier"}, {"which": "new"}
    kept = save_model(learn, box / "home" / name, scores=earlier)

    def begin():
        for left in [path, *(box / "mine").glob(".unfinished-*")]:
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)
        if not has_earlier:
            return
        if kept.is_dir():
            shutil.copytree(kept, path, copy_function=os.link)  # in no time
        else:
            os.link(kept, path)

    def work():
        save_model(learn, path, scores=new)

    begin()
    found = []
    steps = number_of_steps(box / "mine", work)
    for number in some_of(steps, 8 if has_earlier else 4):
        begin()
        killed_at(box / "mine", work, number)
        found.append(model_that_is_there(path))
    begin()
    killed_within_a_file(work, 10_000_000)
    found.append(model_that_is_there(path))
    assert found[0] == found[-1] == (earlier if has_earlier else None)
    assert all(scores in (None if not has_earlier else earlier, new) for scores in found)
    work()
    assert model_that_is_there(path) == new
    (box / "home" / name).rename(box / "away")
    return len(found), steps, found.count(new)


@ON_LINUX
@pytest.mark.slow(seconds=15)
@pytest.mark.parametrize(
    ("name", "has_earlier"), [("model", True), ("model", False), ("model.zip", True)]
)
def test_saving_that_is_killed(box, outcome, name, has_earlier):
    kills, steps, new = in_child(box, save_that_is_killed, name, has_earlier)
    check_box(box)
    before = "the earlier one is there, or `load_model` says where" if has_earlier else "none"
    kind = "a zip" if name.endswith("zip") else "a model"
    case = f"kill -9 during saving {kind}" + (" over another" if has_earlier else "")
    outcome(
        "faults",
        case,
        f"{kills} kills at {steps} steps: {new} times the new one, else {before}",
    )


def save_that_is_stopped(box):
    "Press Ctrl-C at each step of saving over an earlier model."
    from rsna_cls import load_model, save_model

    learn = small_learner(box / "films")
    model = save_model(learn, box / "mine/model", scores={"number": 0})
    steps = Steps(box / "mine")
    save_model(learn, model, scores={"number": 0})
    number_of_them = steps.count
    stops = 0
    for number in some_of(number_of_them, 7):
        steps.arm(number, signal.SIGINT)
        try:
            save_model(learn, model, scores={"number": number})
        except KeyboardInterrupt:
            stops += 1
        steps.arm(None, None)
        assert load_model(model).card["scores"]["number"] in range(number + 1)
    save_model(learn, model, scores={"number": -1})
    assert load_model(model).card["scores"] == {"number": -1}
    return stops, number_of_them


@ON_LINUX
@pytest.mark.slow(seconds=8)
def test_saving_that_is_stopped(box, outcome):
    stops, steps = in_child(box, save_that_is_stopped)
    check_box(box)
    outcome(
        "faults",
        "Ctrl-C during saving over a model",
        f"KeyboardInterrupt, {stops} times at {steps} steps; a whole model there, each time",
    )


def training_that_is_killed(box):
    "Kill a training at the first film it reads, in between, and at the last."
    from rsna_cls import fine_tune

    learn = small_learner(box / "films")

    def work():
        fine_tune(learn, epochs=2)

    steps = number_of_steps(box / "films", work, reads=True)
    before = visible(box)
    for number in some_of(steps, 4):
        killed_at(box / "films", work, number, reads=True)
        assert visible(box) == before
        check_box(box)
    work()
    save_to_mine(box)
    return steps


@ON_LINUX
@pytest.mark.slow(seconds=12)
def test_a_training_that_is_killed(box, outcome):
    steps = in_child(box, training_that_is_killed)
    outcome(
        "faults",
        "kill -9 during a training",
        f"4 kills at {steps} films that are read: the course folder as it was; then trained, saved",
    )


# ---- pretraining ----

SMALL = dict(weights="other_films", n=2, epochs=2, bs=2, sizes={64: 1.0}, minutes=0, processes=1)


def pretraining_that_is_killed(box):
    "Killed again and again, it goes on each time, and makes the same weights as in one go."
    from safetensors.torch import load_file

    from rsna_cls import pretrain
    from rsna_cls.learner import weights_digest

    def numbers_in(file):
        return weights_digest(load_file(file))

    whole = pretrain(box / "home/whole", **SMALL)
    expected = numbers_in(whole)
    folder = box / "mine/killed/other_films"

    def work():
        pretrain(box / "mine/killed", **SMALL)

    # Before a name is made for the first time, for the second time … Each file has two: an
    # unfinished one, and its own. Each run begins with what those before it have left.
    weights = whole.name
    kills = [("/films", 1), ("000001.npz", 1), ("000001.npz", 2), ("log.jsonl", 1)]
    kills += [("checkpoint.pt", number) for number in (1, 2, 3, 4)]
    kills += [(weights, 1), (weights, 2)]
    for name, number in kills:
        killed_at(box / "mine", work, number, of=name)
    killed_within_a_file(work, 10_000_000)  # of a checkpoint
    assert not (folder / whole.name).exists()
    work()
    assert numbers_in(folder / whole.name) == expected
    for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines():
        json.loads(line)

    # What was made is damaged afterwards.
    said = {}
    for name in ("checkpoint.pt", "films/films_000000-000001.npz"):
        good = (folder / name).read_bytes()
        for damage in (good[: len(good) // 2], b"", b"<html>sorry</html>"):
            (folder / name).write_bytes(damage)
            said[Path(name).name] = refused(
                functools.partial(pretrain, **SMALL), box / "mine/killed"
            )
        (folder / name).unlink()
        assert numbers_in(pretrain(box / "mine/killed", **SMALL)) == expected
    return len(kills) + 1, said


@ON_LINUX
@pytest.mark.slow(seconds=25)
def test_pretraining_that_is_killed(box, outcome):
    kills, said = in_child(box, pretraining_that_is_killed)
    check_box(box)
    outcome(
        "faults",
        "kill -9 during pretraining",
        f"{kills} kills: it goes on each time, and the weights are those of one go",
    )
    for name, words in said.items():
        outcome("faults", f"pretraining, {name} is damaged", f"{shortened(words, box)}; made anew")


def simulate_in_two_processes(box):
    from rsna_cls import KINDS
    from rsna_cls.pretrain import _make_films

    _make_films(box / "mine/films", 400, KINDS, shard=4, processes=2)


def children_of(process):
    "The processes that a process has started, and that still live."
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = entry.read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
            if int(parent) == process and state != "Z":
                found.append(entry.parent)
    return found


@ON_LINUX
@pytest.mark.slow(seconds=15)
def test_processes_that_simulate_end_with_who_started_them(box, outcome):
    "Nobody could end them otherwise than by their numbers."
    child = Child(box, simulate_in_two_processes, box)
    deadline = time.monotonic() + 2 * LONGEST
    while not list((box / "mine/films").glob("*.npz")) and time.monotonic() < deadline:
        time.sleep(0.2)
    started = children_of(child.process.pid)
    assert len(started) >= 2
    child.process.kill()
    child.process.join()
    deadline = time.monotonic() + LONGEST
    while any(process.exists() for process in started) and time.monotonic() < deadline:
        time.sleep(0.2)
    left = [process for process in started if process.exists()]
    if left:
        os.killpg(child.process.pid, signal.SIGKILL)
    assert not left
    outcome("faults", "kill -9 of who simulates in two processes", "both have ended, too")


# ---- damaged weights and models ----


def with_a_bit_flipped(content, share=0.5):
    damaged = bytearray(content)
    damaged[int(share * (len(content) - 1))] ^= 0x08
    return bytes(damaged)


DAMAGES = {  # what has come of a file → how
    "a bit flipped": with_a_bit_flipped,
    "cut off": lambda content: content[: len(content) // 2],
    "cut off by a byte": lambda content: content[:-1],
    "empty": lambda content: b"",
    "zeros from the middle on": lambda content: content[: len(content) // 2].ljust(
        len(content), b"\0"
    ),
    "a page instead of it": lambda content: b"<html>Please log in to Hospital-WLAN</html>",
    "a pointer of git instead of it": lambda content: b"version https://git-lfs.github.com/spec/v1",
}


@pytest.mark.slow(seconds=2)
@pytest.mark.parametrize("damage", DAMAGES)
def test_embedded_weights_that_are_damaged(tmp_path, first_learner, monkeypatch, outcome, damage):
    "A copy of them, in another folder."
    from rsna_cls import film_learner

    learner = importlib.import_module("rsna_cls.learner")
    shutil.copytree(learner._WEIGHTS, tmp_path / "weights")
    file = tmp_path / "weights" / learner.EMBEDDED_WEIGHTS["simulated"].name
    monkeypatch.setattr(learner, "_WEIGHTS", file.parent)
    monkeypatch.setitem(learner.EMBEDDED_WEIGHTS, "simulated", file)
    content = file.read_bytes()
    file.write_bytes(DAMAGES[damage](content))
    said = refused(film_learner, first_learner.dls)
    file.write_bytes(content)
    film_learner(first_learner.dls)
    outcome("faults", f"embedded weights, {damage}", f"{shortened(said, tmp_path)}; then used")


def test_checksums_of_the_embedded_weights_that_are_lost(tmp_path, first_learner, monkeypatch):
    "The weights are used as they are; the library's own list names all of them, and truly."
    learner = importlib.import_module("rsna_cls.learner")
    listed = (learner._WEIGHTS / "SHA256SUMS").read_text(encoding="utf-8")
    for file in learner._WEIGHTS.glob("*.safetensors"):
        assert f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" in listed
    shutil.copytree(learner._WEIGHTS, tmp_path / "weights")
    (tmp_path / "weights/SHA256SUMS").unlink()
    monkeypatch.setattr(learner, "_WEIGHTS", tmp_path / "weights")
    assert learner.read_tensors(tmp_path / "weights/resnet18_simulated.safetensors")


@pytest.fixture(scope="session")
def kept_model(first_learner, tmp_path_factory):
    "A saved model; do not change it."
    from rsna_cls import save_model

    return save_model(first_learner, tmp_path_factory.mktemp("kept") / "model")


@pytest.mark.slow(seconds=3)
@pytest.mark.parametrize("name", ["model.json", "model.safetensors", "model.zip"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_saved_models_that_are_damaged(kept_model, tmp_path, outcome, name, damage):
    "A bit is flipped at many places: each flip is seen."
    from rsna_cls import load_model

    model = tmp_path / "model"
    if name == "model.zip":
        model = file = tmp_path / name
        with zipfile.ZipFile(file, "w") as archive:
            for path in kept_model.iterdir():
                archive.write(path, path.name)
    else:
        shutil.copytree(kept_model, model)
        file = model / name
    content = file.read_bytes()
    damaged = [DAMAGES[damage](content)]
    if damage == "a bit flipped":
        shares = [i / 40 for i in range(41)] if name == "model.json" else [0.001, 0.3, 0.99]
        damaged = [with_a_bit_flipped(content, share) for share in shares]
        if name == "model.json":  # another name of this entry does no harm: its value is known
            damaged = [card for card in damaged if b'"weights"' in card]
    for what_is_left in damaged:
        file.write_bytes(what_is_left)
        said = refused(load_model, model)
        assert said.startswith("BadModel")
    file.write_bytes(content)
    assert load_model(model).card["classes"] == ["abd", "chest"]
    outcome("faults", f"{name}, {damage}", f"{shortened(said, tmp_path)}; then loaded")


# ---- clocks ----


def with_a_clock(box, source, times):
    "All works with a clock that goes wrong, and what was written is read again with a right one."
    from rsna_cls import fine_tune, load_model, save_model

    learn = small_learner(box / "films")
    right = time.time
    use_source(source)
    told = itertools.cycle(times)
    time.time = lambda: next(told)
    for work, _ in WORKS.values():
        check_made(box, work, work(box))
    fine_tune(learn, epochs=1)
    paths = [save_model(learn, box / "mine" / name) for name in ("model", "model.zip")]
    for path in paths:
        load_model(path)
    time.time = right
    for path in paths:
        load_model(path)
    assert zipfile.ZipFile(paths[1]).testzip() is None
    check_films(download(box), box)
    return len(WORKS) + 4


CLOCKS = {  # what the clock says → seconds since 1970, in turn
    "1970": [0.0],
    "2128": [5e9],
    "now this, now that": [1.7e9, 0.0, 5e9, 3e9],
}


@ON_LINUX
@pytest.mark.slow(seconds=6)
@pytest.mark.parametrize("clock", CLOCKS)
def test_a_clock_that_goes_wrong(server, box, outcome, clock):
    works = in_child(box, with_a_clock, server.source, CLOCKS[clock])
    assert len(server.requests) == 2  # it was downloaded once
    check_box(box)
    outcome("faults", f"a clock that says {clock}", f"{works} works as ever")


@pytest.mark.parametrize("date", [(1980, 0, 0, 0, 0, 0), (2107, 12, 31, 23, 59, 58)])
def test_dates_in_a_zip(in_box, outcome, date):
    "The first is what programs write that know none."
    with zipfile.ZipFile(in_box / "dated.zip", "w") as archive:
        for film in film_files(in_box / "films"):
            name = film.relative_to(in_box / "films").as_posix()
            archive.writestr(zipfile.ZipInfo(name, date), film.read_bytes())
    folder = fetch_data(in_box / "dated.zip")
    check_films(folder, in_box)
    check_films(fetch_data(in_box / "dated.zip"), in_box)
    outcome("faults", f"a zip of films of the year {date[0]}", f"{len(film_files(folder))} films")
