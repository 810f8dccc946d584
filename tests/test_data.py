"Fetching films from servers good and bad, and reading them from files good and bad."

import hashlib
import http.server
import socket
import stat
import subprocess
import sys
import threading
import time
import zipfile
from functools import partial

import numpy as np
import pytest
from conftest import write_course
from PIL import Image

from rsna_cls import BadFilm, BadFolder, FetchError, Source, data, fetch_data, film_files, load_film


def blob_id(content):  # git's own definition, written out here again on purpose
    return hashlib.sha1(b"blob " + str(len(content)).encode() + b"\0" + content).hexdigest()


@pytest.fixture
def served(tmp_path, course, monkeypatch):
    "A zip of toy films on a server at 127.0.0.1, registered as the source 'toy'."
    folder = tmp_path / "www"
    folder.mkdir()
    with zipfile.ZipFile(folder / "films.zip", "w") as z:
        for f in film_files(course):
            z.write(f, f"inner/{f.relative_to(course)}")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        asked = []

        def log_message(self, *args):
            Quiet.asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    source = Source(
        f"http://127.0.0.1:{server.server_port}/films.zip",
        blob_id((folder / "films.zip").read_bytes()),
        "inner",
    )
    monkeypatch.setitem(data.SOURCES, "toy", source)
    yield source, Quiet.asked
    server.shutdown()
    server.server_close()


def test_download_verify_cache(served, cache, course, capsys):
    path = fetch_data("toy")
    assert path == cache / "toy"
    assert [f.relative_to(path) for f in film_files(path)] == [
        f.relative_to(course) for f in film_files(course)
    ]
    assert "toy" in capsys.readouterr().out
    asked = len(served[1])
    assert (
        fetch_data("toy") == path and len(served[1]) == asked
    )  # the second time nothing is downloaded


def test_wrong_content_is_thrown_away(served, cache):
    served[0].blob = "0" * 40
    with pytest.raises(FetchError, match="checksum differs"):
        fetch_data("toy")
    assert not [p for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock"]


def test_missing_file_on_the_server(served, cache):
    served[0].url += ".gone"
    with pytest.raises(FetchError, match="404"):
        fetch_data("toy")


def test_broken_download_leaves_nothing(cache, monkeypatch):
    class Broken(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"PK" * 100)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setitem(
        data.SOURCES, "toy", Source(f"http://127.0.0.1:{server.server_port}/x.zip", "0" * 40)
    )
    with pytest.raises(FetchError):
        fetch_data("toy")
    server.shutdown()
    server.server_close()
    assert not [p for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock"]


def test_a_server_that_never_answers(cache, monkeypatch):
    with socket.create_server(
        ("127.0.0.1", 0)
    ) as silent:  # accepts, and says nothing, like a firewall that swallows packets
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setitem(
            data.SOURCES,
            "rsna",
            Source(f"http://127.0.0.1:{silent.getsockname()[1]}/data.zip", "0" * 40),
        )
        started = time.monotonic()
        with pytest.raises(FetchError, match="no answer within 5 seconds|no connection"):
            fetch_data("rsna")
        assert time.monotonic() - started < 15
        path = fetch_data("auto")
        assert path == data._embedded()


def test_offline_message_names_the_ways_out(cache, offline):
    started = time.monotonic()
    with pytest.raises(FetchError) as e:
        fetch_data("rsna")
    assert time.monotonic() - started < 15
    for words in (data.SOURCES["rsna"].url, str(cache / "rsna.zip"), "simulated", "my_folder"):
        assert words in str(e.value)


def test_put_into_the_cache_by_hand(served, cache, offline, course):
    with zipfile.ZipFile(course.parent / "hand.zip", "w") as z:
        for f in film_files(course):
            z.write(f, f.relative_to(course))
    content = (course.parent / "hand.zip").read_bytes()
    data.SOURCES["toy"] = Source("http://127.0.0.1:9/nowhere.zip", blob_id(content))
    cache.mkdir(parents=True)
    (cache / "toy.zip").write_bytes(content)
    assert data._classes(fetch_data("toy")) == ["abd", "chest"]
    (cache / "toy2.zip").write_bytes(content[:-5])
    data.SOURCES["toy2"] = Source("http://127.0.0.1:9/nowhere.zip", blob_id(content))
    try:
        with pytest.raises(FetchError, match="not the expected file"):
            fetch_data("toy2")
    finally:
        del data.SOURCES["toy2"]
    assert (cache / "toy2.zip").exists()  # what a person put there, a person removes


def test_the_pin():
    assert data.SOURCES["rsna"] == Source(
        "https://github.com/wfwiggins/RSNA-Image-AI-2020/raw/40fc2811f3fd41351ee9decc5840456e55ec87b3/data.zip",
        "5ff4cee9269e2360bbc5ca9e7199c5ea3c992404",
    )


def test_auto_prefers_the_variable(cache, course, monkeypatch, capsys):
    monkeypatch.setenv("RSNA_CLS_DATA", str(course))
    assert fetch_data() == course
    assert "RSNA_CLS_DATA" in capsys.readouterr().out
    monkeypatch.setenv("RSNA_CLS_DATA", str(course / "nowhere"))
    with pytest.raises(FetchError, match="nowhere"):
        fetch_data()  # a typing error is not answered with other films


def test_auto_falls_back_and_says_so(cache, offline, capsys):
    assert fetch_data() == data._embedded()
    said = capsys.readouterr().out
    assert "simulated" in said and "could not be downloaded" in said


def test_hostile_zips(cache, tmp_path, course):
    film = (course / "elbow.png").read_bytes()
    names = ["../up.png", "/root.png", "a/../../up.png", "C:\\win.png", "..\\up.png"]
    good = [f"{s}/{c}/{i}.png" for s in ("train", "val") for c in ("x", "y") for i in range(2)]
    link = zipfile.ZipInfo("train/x/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as z:
        for n in names + good:
            z.writestr(n, film)
        z.writestr(link, "/etc/passwd")
    path = fetch_data(tmp_path / "evil.zip")
    assert sorted(str(f.relative_to(path)) for f in path.rglob("*") if f.is_file()) == sorted(good)
    assert not [p for p in path.rglob("*") if p.is_symlink()]
    assert not (path.parent / "up.png").exists() and not (path.parent.parent / "up.png").exists()


def test_zip_bomb(cache, tmp_path, course, monkeypatch):
    monkeypatch.setattr(data, "_LIMIT", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as z:
        for n in ("train/x/1.png", "train/y/1.png", "val/x/1.png", "val/y/1.png"):
            z.writestr(n, bytes(5000))
    with pytest.raises(BadFolder, match="would unpack"):
        fetch_data(tmp_path / "bomb.zip")


def test_damaged_zips(cache, tmp_path, course):
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(BadFolder, match="damaged"):
        fetch_data(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "ok.zip", "w") as z:
        for f in film_files(course):
            z.write(f, f.relative_to(course))
    broken = bytearray((tmp_path / "ok.zip").read_bytes())
    broken[200:1200] = bytes(1000)
    (tmp_path / "broken.zip").write_bytes(broken)
    with pytest.raises(BadFolder):
        fetch_data(tmp_path / "broken.zip")
    assert not [p for p in cache.glob("zip-*") if p.is_dir()]


def test_damaged_compressed_zip(cache, tmp_path):
    "Whatever is overwritten in a deflated zip, the answer is BadFolder."
    rng = np.random.default_rng(0)
    path = write_course(tmp_path / "c")
    for i, f in enumerate(film_files(path)):
        f.with_suffix(".dcm").write_bytes(
            bytes(128) + b"DICM" + np.tile(np.arange(250, dtype=np.uint8), 40).tobytes()
        )
        f.unlink()
    with zipfile.ZipFile(tmp_path / "ok.zip", "w", zipfile.ZIP_DEFLATED) as z:
        for f in film_files(path):
            z.write(f, f.relative_to(path))
    content = (tmp_path / "ok.zip").read_bytes()
    for i in range(30):
        broken = np.frombuffer(content, np.uint8).copy()
        broken[rng.integers(30, len(broken) // 2, 30)] = rng.integers(0, 256, 30)
        (tmp_path / f"{i}.zip").write_bytes(broken.tobytes())
        try:
            fetch_data(tmp_path / f"{i}.zip")
        except BadFolder:
            pass


def test_a_server_that_drips(cache, monkeypatch):
    "A byte now and then keeps a read time-out quiet; the download is given up all the same."

    class Drip(http.server.BaseHTTPRequestHandler):
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

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Drip)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setitem(
        data.SOURCES, "rsna", Source(f"http://127.0.0.1:{server.server_port}/x.zip", "0" * 40)
    )
    monkeypatch.setattr(data._patiently, "__defaults__", (1.0, 1000))
    started = time.monotonic()
    assert fetch_data("auto") == data._embedded()
    assert time.monotonic() - started < 10
    server.shutdown()
    server.server_close()


def test_a_cache_that_is_no_use(served, cache):
    fetch = lambda: fetch_data("toy")
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file where the folder should be")
    with pytest.raises(FetchError, match="cannot be used"):
        fetch()
    cache.unlink()
    (cache / "toy/train").mkdir(parents=True)
    with pytest.raises(FetchError, match="Please delete"):
        fetch()


def test_dest_inside_the_films(cache, course):
    with pytest.raises(FetchError, match="inside the films"):
        fetch_data(course, dest=course / "copy")


def test_dest_is_a_copy(cache, course, tmp_path):
    path = fetch_data(course, dest=tmp_path / "mine")
    (path / "elbow.png").unlink()
    assert (course / "elbow.png").exists()
    with pytest.raises(FetchError, match="there already"):
        fetch_data(course, dest=tmp_path / "mine")


def test_two_at_once(cache, course, tmp_path):
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as z:
        for f in film_files(course):
            z.write(f, f.relative_to(course))
    code = f"from rsna_cls.data import *; print(len(film_files(fetch_data({str(tmp_path / 'films.zip')!r}))))"
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for r in runs:
        assert (
            r.communicate()[0].strip().endswith(str(len(film_files(course)))) and r.returncode == 0
        )


@pytest.mark.parametrize("module", ["rsna_cls", "rsna_cls.data"])
def test_import_is_light(module):
    code = f"import sys, {module}; print([m for m in ('torch', 'fastai', 'matplotlib', 'pandas') if m in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_bad_course_folders(tmp_path):
    write_course(tmp_path / "c")
    for f in (tmp_path / "c/val/abd").iterdir():
        f.unlink()
    with pytest.raises(BadFolder, match="val/ must hold"):
        data.dataloaders(tmp_path / "c")
    (tmp_path / "c/val/abd").rename(tmp_path / "c/val/belly")
    Image.new("L", (9, 9)).save(tmp_path / "c/val/belly/1.png")
    with pytest.raises(BadFolder, match="belly"):
        data.dataloaders(tmp_path / "c")


def make_dicom(path, pixels, **tags):
    "An uncompressed DICOM file with these pixels (h, w)."
    pydicom = pytest.importorskip("pydicom")
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    ds.PatientName = "Secret^Name"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = pixels.astype("<u2").tobytes()
    for name, value in tags.items():
        setattr(ds, name, value)
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    return path


RAMP = np.tile(np.arange(0, 4096, 16), (64, 1))


def test_dicom_order_of_steps(tmp_path):
    "Rescale, then window, then one inversion: the window is in rescaled units."
    f = make_dicom(
        tmp_path / "a.dcm",
        RAMP,
        RescaleSlope=2,
        RescaleIntercept=-1000,
        WindowCenter=1000,
        WindowWidth=2000,
    )
    film = np.asarray(load_film(f)).astype(int)
    want = np.clip((2 * RAMP - 1000) / 2000, 0, 1) * 255
    assert np.abs(film - want).max() <= 1.5  # black at 0, white at 2000, in units after rescaling
    g = make_dicom(
        tmp_path / "b.dcm",
        RAMP,
        RescaleSlope=2,
        RescaleIntercept=-1000,
        WindowCenter=1000,
        WindowWidth=2000,
        PhotometricInterpretation="MONOCHROME1",
    )
    assert (np.asarray(load_film(g)) == 255 - film).all()


def test_dicom_window_wider_than_the_film(tmp_path):
    f = make_dicom(tmp_path / "a.dcm", RAMP, WindowCenter=4096, WindowWidth=8192)
    assert (
        120 <= np.asarray(load_film(f)).max() <= 130
    )  # half of the window, not stretched to white


def test_dicom_without_window(tmp_path):
    film = np.asarray(load_film(make_dicom(tmp_path / "a.dcm", RAMP)))
    assert film[0, 0] == 0 and film[0, -1] == 255 and (np.diff(film[0].astype(int)) >= 0).all()


@pytest.mark.parametrize(
    "tags, words",
    [
        (dict(PhotometricInterpretation="RGB"), "colour"),
        (dict(NumberOfFrames=3), "several frames"),
        (dict(PixelData=b"\0\0"), "damaged or incomplete"),
    ],
)
def test_dicom_refused(tmp_path, tags, words):
    with pytest.raises(BadFilm, match=words) as e:
        load_film(make_dicom(tmp_path / "a.dcm", RAMP, **tags))
    assert "Secret" not in str(e.value)


@pytest.mark.parametrize(
    "tags",
    [
        dict(WindowCenter=None, WindowWidth=None),
        dict(WindowCenter=100),
        dict(WindowCenter=100, WindowWidth=0),
        dict(RescaleSlope=None, RescaleIntercept=None),
        dict(VOILUTSequence=[]),
    ],
)
def test_dicom_with_empty_elements(tmp_path, tags):
    "What is not said is not used: the film is as without these elements."
    plain = np.asarray(load_film(make_dicom(tmp_path / "a.dcm", RAMP)))
    assert np.array_equal(
        np.asarray(load_film(make_dicom(tmp_path / "b.dcm", RAMP, **tags))), plain
    )


@pytest.mark.parametrize("bits", [8, 12])
def test_dicom_lookup_table(tmp_path, bits):
    "A table of 4096 entries, with output of 8 or 12 bits, that darkens the lower half."
    from pydicom import Dataset

    item = Dataset()
    table = np.clip(np.arange(4096) - 2048, 0, 2047) * (2**bits - 1) // 2047
    item.LUTDescriptor = [4096, 0, bits]
    item["LUTDescriptor"].VR = "US"
    item.add_new(0x00283006, "OW", table.astype("<u2").tobytes())
    film = np.asarray(load_film(make_dicom(tmp_path / "a.dcm", RAMP, VOILUTSequence=[item])))[
        0
    ].astype(int)
    want = np.clip(RAMP[0] - 2048, 0, 2047) * 255 / 2047
    assert np.abs(film - want).max() <= 1
    narrow = np.full((64, 256), 3072) + np.arange(256) // 64
    low, high = (
        np.asarray(load_film(make_dicom(tmp_path / "b.dcm", narrow, VOILUTSequence=[item]))).min(),
        np.asarray(load_film(tmp_path / "b.dcm")).max(),
    )
    assert 120 <= low <= high <= 135  # a narrow film is not stretched to black and white


@pytest.mark.parametrize("reload", [False, True])
def test_every_kind_of_film_reaches_the_model_as_it_was_read(tmp_path, course, reload):
    "Colour, transparency, 16 bits, a turned JPEG and a DICOM file: predictions and maps see what load_film gives."
    import torch

    from rsna_cls import (
        dataloaders,
        film_batches,
        film_learner,
        film_tensor,
        load_model,
        save_model,
    )

    learn = film_learner(dataloaders(course, size=64, bs=4))
    if reload:
        learn = load_model(save_model(learn, tmp_path / "m"))
    ramp = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(
        np.dstack([ramp, ramp.T.repeat(2, 0)[:100, :1].repeat(200, 1), 255 - ramp])
    ).save(tmp_path / "colour.png")
    Image.fromarray(np.dstack([ramp] * 3 + [255 - ramp])).save(tmp_path / "alpha.png")
    Image.fromarray(ramp.astype(np.uint16) * 250).save(tmp_path / "deep.png")
    Image.fromarray(ramp).save(tmp_path / "turned.jpg", exif=exif)
    make_dicom(tmp_path / "film.dcm", RAMP, PhotometricInterpretation="MONOCHROME1")
    files = [
        tmp_path / n for n in ("colour.png", "alpha.png", "deep.png", "turned.jpg", "film.dcm")
    ]
    want = film_tensor(files, 64)
    assert torch.allclose(next(film_batches(learn, files)).cpu(), want, atol=1e-5)
    assert torch.allclose(
        next(film_batches(learn, [load_film(f) for f in files])).cpu(), want, atol=1e-5
    )
    with pytest.raises(BadFilm):
        next(film_batches(learn, tmp_path / "gone.png"))


def test_real_films_reach_the_model_as_in_validation(real):
    import torch

    from rsna_cls import dataloaders, film_batches, film_learner

    learn = film_learner(dataloaders(real, size=64))
    seen = learn.dls.valid.one_batch()[0]
    assert torch.allclose(
        next(film_batches(learn, list(learn.dls.valid_ds.items))), seen, atol=1e-5
    )


def test_what_is_trained_on(tmp_path):
    "Films in folders of their own within a class, and linked classes, are in; strays are out; classes are counted as summary counts them."
    from rsna_cls import dataloaders, summary

    path = write_course(tmp_path / "c")
    film = path / "train/chest/chest0.png"
    for name in ("train/chest/patient3/x.png", "backup/train/chest/y.png", "train/z.png"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(film.read_bytes())
    (path / "train/abd").rename(tmp_path / "elsewhere")
    (path / "train/abd").symlink_to(tmp_path / "elsewhere")
    dls = dataloaders(path, size=32, bs=4)
    labels = [dls.vocab[y] for y in dls.train_ds.tls[1]]
    assert (labels.count("chest"), labels.count("abd")) == (7, 6)
    table = summary(path).set_index(["split", "class"])["films"]
    assert (table["train", "chest"], table["train", "abd"]) == (7, 6)
    from rsna_cls import label_of

    assert (
        label_of(path / "train/chest/patient3/x.png", dls.vocab) == "chest"
        and label_of(path / "elbow.png", dls.vocab) is None
    )


def test_dicom_without_pydicom(tmp_path, monkeypatch):
    f = make_dicom(tmp_path / "a.dcm", RAMP)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(BadFilm, match=r"rsna_cls\[dicom\]"):
        load_film(f)


def test_dicom_says_nothing(tmp_path, capfd, recwarn):
    f = make_dicom(tmp_path / "a.dcm", RAMP, PatientBirthDate="nonsense")
    capfd.readouterr(), recwarn.clear()  # what was said while writing it
    load_film(f)
    out = capfd.readouterr()
    assert out.out == out.err == "" and not recwarn.list


def test_real_dicom_radiographs():
    "A chest and a lower leg, both MONOCHROME1: bones bright, air dark."
    from pydicom.data import get_testdata_file

    chest = np.asarray(load_film(get_testdata_file("RG1_UNCR.dcm"))).astype(float)
    h, w = chest.shape
    spine, lung = (
        chest[h // 4 : h // 2, 45 * w // 100 : 50 * w // 100].mean(),
        chest[h // 6 : h // 3, w // 5 : w // 3].mean(),
    )
    assert spine > lung + 40
    leg = np.asarray(load_film(get_testdata_file("RG3_UNCR.dcm"))).astype(float)
    assert (
        leg[:, leg.shape[1] // 2].mean() > leg[:, 29 * leg.shape[1] // 100].mean() + 60
    )  # bone against the air beside the leg


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "1", "I;16"])
def test_picture_modes(tmp_path, mode):
    grey = Image.fromarray(np.tile(np.arange(0, 240, dtype=np.uint8), (30, 1)))
    img = (
        Image.fromarray(np.asarray(grey).astype(np.uint16) * 250)
        if mode == "I;16"
        else grey.convert(mode)
    )
    img.save(tmp_path / "x.png")
    film = load_film(tmp_path / "x.png")
    assert film.mode == "L" and film.size == (240, 30)
    row = np.asarray(film)[15].astype(int)
    assert row[:60].mean() < 80 < 150 < row[-60:].mean()


def test_bad_pictures(tmp_path):
    for name, content, words in [
        ("empty.png", b"", "empty"),
        ("text.jpg", b"hello", "not a film"),
        ("cut.jpg", b"\xff\xd8\xff\xe0", "damaged"),
        ("cut.dcm", bytes(128) + b"DICM", "damaged|no image"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadFilm, match=words):
            load_film(tmp_path / name)
    with pytest.raises(BadFilm, match="cannot be opened"):
        load_film(tmp_path)  # a folder; a locked file takes the same way


def test_check_setup(monkeypatch, capsys):
    data.check_setup()
    assert capsys.readouterr().out.startswith("Ready: ")
    monkeypatch.setattr(
        data.metadata,
        "requires",
        lambda _: ["no-such-thing>=1", "torch>=99", 'other; extra == "dev"'],
    )
    with pytest.raises(
        ImportError,
        match=r'no-such-thing is missing; torch is .* but >=99 is needed.*%pip install "no-such-thing>=1" "torch>=99"',
    ):
        data.check_setup()


def test_summary_of_the_real_films(real):
    t = data.summary(real).set_index(["split", "class"])["films"]
    assert t.to_dict() == {
        ("train", "abd"): 32,
        ("train", "chest"): 33,
        ("val", "abd"): 5,
        ("val", "chest"): 5,
        ("test", "abd"): 1,
        ("test", "chest"): 1,
        ("surprise", "?"): 1,
    }
