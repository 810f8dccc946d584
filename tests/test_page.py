"""A network saved as one web page: what it holds, and that it answers as the library does.

The page's own tests (page/test, run by Node.js) compare how it reads and changes films with the
library, byte for byte. Here its networks answer in a real browser, from a file on the disk.
"""

import base64
import json
import os
import re
import statistics
import struct
import subprocess
import sys
import time
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import firefox
from conftest import AXE, HERE, make_dicom, npm
from rsna_cls import (
    BadModel,
    Gate,
    as_film,
    build_learner,
    cam,
    dataloaders,
    empty_dataloaders,
    fetch_data,
    film_files,
    film_learner,
    load_film,
    load_model,
    predict,
    save_model,
    save_page,
    simulate_film,
)
from small_films import png_chunk
from test_browser import CHROMIUM

SHOTS = HERE / "build/page"
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None,
    reason="needs Chromium: on Debian and Ubuntu, apt-get install chromium",
)
needs_firefox = pytest.mark.skipif(
    firefox.FIREFOX is None,
    reason="needs Firefox: on Debian, apt-get install firefox-esr; elsewhere set FIREFOX",
)


def text_of(page):
    "The text of a page."
    return page.read_text(encoding="utf-16")


def data_of(page):
    "What a page says of its network, plain values."
    (found,) = re.findall(r'id="data">(.*?)</script>', text_of(page), re.DOTALL)
    return json.loads(found)


def block_of(page, name):
    "The bytes of one of a page's blocks, unpacked."
    pattern = rf'id="{name}" data-length="(\d+)">(.*?)</script>'
    ((length, letters),) = re.findall(pattern, text_of(page), re.DOTALL)
    numbers = np.frombuffer(letters.encode("utf-16-le"), "<u2").astype(int) - 0x3400
    bits = (numbers[:, None] >> np.arange(15)[::-1]) & 1
    packed = np.packbits(bits.astype(np.uint8).ravel()).tobytes()[: int(length)]
    return zlib.decompress(packed)


def untrained(*classes):
    "A learner without films, from random numbers."
    torch.manual_seed(0)
    return build_learner(empty_dataloaders(list(classes), 96))


def block_names(page):
    "The names of a page's blocks."
    return re.findall(r'id="([a-z-]+)" data-length=', text_of(page))


class TestWriting:
    "`save_page`, without a browser."

    @pytest.mark.parametrize("name", ["network", "network.zip", "", None, 3])
    def test_a_page_has_a_name_that_ends_in_html(self, learn, tmp_path, name):
        path = tmp_path / name if isinstance(name, str) and name else name
        with pytest.raises(ValueError, match=r"ends in \.html"):
            save_page(learn, path)

    def test_it_replaces_no_folder(self, learn, tmp_path):
        (tmp_path / "page.html").mkdir()
        with pytest.raises(ValueError, match="is a folder"):
            save_page(learn, tmp_path / "page.html")

    def test_a_gate_is_a_gate(self, learn, tmp_path):
        with pytest.raises(ValueError, match="gate must be a gate"):
            save_page(learn, tmp_path / "page.html", gate=Gate)
        assert not list(tmp_path.iterdir())

    def test_predictions_are_of_these_weights(self, learn, course, tmp_path):
        table = predict(learn, course / "val")
        with torch.no_grad():
            learn.model[1][-1].bias += 1
        with pytest.raises(BadModel, match="of other weights"):
            save_page(learn, tmp_path / "page.html", predictions=table)
        assert not list(tmp_path.iterdir())

    def test_predictions_are_of_films_of_this_size(self, learn, course, tmp_path):
        table = predict(learn, course / "val")
        table.attrs["size"] = 160
        with pytest.raises(BadModel, match="160 pixels"):
            save_page(learn, tmp_path / "page.html", predictions=table)

    @pytest.mark.parametrize("table", [[1], "a.csv", 3])
    def test_predictions_are_a_table(self, learn, tmp_path, table):
        with pytest.raises(ValueError, match="no table of predictions"):
            save_page(learn, tmp_path / "page.html", predictions=table)

    def test_predictions_that_say_not_whose_they_are(self, learn, course, tmp_path):
        table = predict(learn, course / "val")
        table.attrs.clear()
        with pytest.raises(BadModel, match="cannot be told whose"):
            save_page(learn, tmp_path / "page.html", predictions=table)

    @pytest.mark.parametrize("scores", [0.93, {"mine": 1}, "good", [1, 2]])
    def test_scores_of_any_kind_stand_on_the_card(self, learn, tmp_path, scores):
        loaded = load_model(save_model(learn, tmp_path / "model", scores=scores))
        rows = dict(data_of(save_page(loaded, tmp_path / "page.html"))["card"])
        assert "scores" in rows
        assert "scores measured with" in rows

    def test_positive_is_one_of_the_classes(self, learn, tmp_path):
        with pytest.raises(ValueError, match="knee"):
            save_page(learn, tmp_path / "page.html", positive="knee")

    def test_another_network_is_refused(self, course, tmp_path):
        from fastai.vision.all import resnet34, vision_learner

        other = vision_learner(dataloaders(course, size=96, bs=4), resnet34, pretrained=False)
        with pytest.raises(BadModel, match="film_learner"):
            save_page(other, tmp_path / "page.html")

    def test_without_a_template_it_says_what_helps(self, learn, tmp_path, monkeypatch):
        monkeypatch.setattr("rsna_cls.page._TEMPLATE", tmp_path / "nowhere")
        with pytest.raises(BadModel, match="install rsna_cls again"):
            save_page(learn, tmp_path / "page.html")

    def test_what_it_takes_along(self, learn, course, tmp_path, capsys):
        gate = Gate.fit(course / "train")
        page = save_page(
            learn,
            tmp_path / "page.html",
            gate=gate,
            positive="chest",
            title="<b>A & B</b>",
            notes={"labelled by": "<i>two readers</i>"},
        )
        assert "It holds the network's weights, and no film." in capsys.readouterr().out
        data = data_of(page)
        table = predict(learn, film_files(course / "val"))
        assert data["classes"] == list(learn.dls.vocab)
        assert data["classes"][data["positive"]] == "chest"
        assert data["validatedName"] == "validation films"
        assert ["labelled by", "<i>two readers</i>"] in data["card"]
        assert len(data["validated"]) == len(table)
        assert "<b>A" not in text_of(page)  # names are no markup

        # Neither in the text nor in what is packed is there a film, or the name of one.
        blocks = {name: block_of(page, name) for name in block_names(page)}
        films = film_files(course / "train")
        assert len(blocks["gate-known"]) == len(films) * 2304 * 2
        letters = [example["source"].partition(",")[2] for example in data["examples"]]
        held = [text_of(page).encode(), *blocks.values(), *map(base64.b64decode, letters)]
        for film in film_files(course):
            greys = load_film(film).tobytes()
            row = greys[len(greys) // 2 :][:32]
            for secret in (film.name.encode(), film.read_bytes()[-64:-16], row):
                assert not any(secret in part for part in held), film
        assert not any(str(course).encode() in part for part in held)

    def test_without_a_gate(self, learn, tmp_path):
        data = data_of(save_page(learn, tmp_path / "page.html"))
        assert data["gate"] is None
        assert data["examples"] == []

    def test_a_gate_that_was_saved_with_the_model_is_missed(self, learn, course, tmp_path, capsys):
        gate = Gate.fit(course / "train")
        loaded = load_model(save_model(learn, tmp_path / "model", gate=gate))
        save_page(loaded, tmp_path / "page.html")
        assert "give gate=Gate.load(" in capsys.readouterr().out
        save_page(loaded, tmp_path / "page.html", gate=Gate.load(tmp_path / "model"))
        assert "give gate=Gate.load(" not in capsys.readouterr().out

    def test_films_whose_folders_name_no_class(self, learn, course, tmp_path, monkeypatch):
        "Nothing says what the validation films are: the page has no counts."

        def without_truth(learn, films):
            return predict(learn, films).assign(truth=None)

        monkeypatch.setattr("rsna_cls.page.predict", without_truth)
        assert data_of(save_page(learn, tmp_path / "page.html"))["validated"] == []

    def test_what_the_films_are_is_said(self, learn, course, tmp_path):
        table = predict(learn, course / "val")
        page = save_page(
            learn, tmp_path / "page.html", predictions=table, predicted="films of hospital B"
        )
        assert data_of(page)["validatedName"] == "films of hospital B"

    def test_a_title_with_half_a_letter(self, learn, tmp_path):
        "As the name of a folder on a disk of another country may have it."
        page = save_page(learn, tmp_path / "page.html", title="chest \ud800")
        assert "<title>chest ?</title>" in text_of(page)

    def test_the_title_says_the_classes(self, learn, tmp_path):
        page = save_page(learn, tmp_path / "page.html")
        assert "<title>Abdomen or chest?</title>" in text_of(page)
        assert ["tells apart", "abdomen, chest"] in data_of(page)["card"]

    def test_names_that_would_read_alike_stay_as_they_are(self, tmp_path):
        page = save_page(untrained("abd", "abdomen"), tmp_path / "page.html")
        assert "<title>Abd or abdomen?</title>" in text_of(page)

    @pytest.mark.parametrize("notes", ["labelled by two readers", ["a", "b"], 3])
    def test_notes_are_names_and_values(self, learn, tmp_path, notes):
        with pytest.raises(ValueError, match="names and values"):
            save_page(learn, tmp_path / "page.html", notes=notes)
        assert not list(tmp_path.iterdir())

    def test_probabilities_have_their_temperature(self, learn, course, tmp_path):
        table = predict(learn, film_files(course / "train"))
        n_wrong = (table["truth"] != table["prediction"]).sum()
        assert n_wrong  # its head was not trained
        data = data_of(save_page(learn, tmp_path / "page.html", predictions=table))
        classes = data["classes"]
        logits = np.log(table[classes].to_numpy()) / data["temperature"]
        shares = torch.tensor(logits).softmax(1).numpy()
        written = [film["probabilities"] for film in data["validated"]]
        assert np.allclose(written, shares, atol=2e-6)

    def test_weights_come_back_and_answer_alike(self, learn, tmp_path):
        "The graph with the page's weights, in onnxruntime, beside PyTorch."
        import onnxruntime

        page = save_page(learn, tmp_path / "page.html")
        weights = unpacked_weights(block_of(page, "weights"))
        (tmp_path / "weights").write_bytes(weights)
        (tmp_path / "body.onnx").write_bytes(block_of(page, "graph"))
        session = onnxruntime.InferenceSession(str(tmp_path / "body.onnx"))
        films = torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(1))
        (maps,) = session.run(["group4"], {"films": films.numpy()})
        with torch.no_grad():
            expected = learn.model[0].eval()(films).numpy()
        assert np.abs(maps - expected).max() <= 1e-3 * np.abs(expected).max()

    def test_the_page_is_replaced_whole_or_not_at_all(self, learn, tmp_path, monkeypatch):
        page = save_page(learn, tmp_path / "page.html")
        before = page.read_bytes()
        monkeypatch.setattr(Path, "write_bytes", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            save_page(learn, page)
        assert page.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def unpacked_weights(packed):
    "A block of weights as the float32 numbers of the graph, as page/src/network/weights.ts does."
    shapes = [(64, 3, 7)]
    channels = 64
    for filters in (64, 128, 256, 512):
        for _ in range(2):
            shapes += [(filters, channels, 3), (filters, filters, 3)]
            if channels != filters:
                shapes.append((filters, channels, 1))
            channels = filters
    n_weights = sum(f * c * s * s for f, c, s in shapes)
    n_filters = sum(f for f, _, _ in shapes)
    low = np.frombuffer(packed, np.uint8, n_weights)
    high = np.frombuffer(packed, np.int8, n_weights, n_weights)
    steps = np.frombuffer(packed, "<f4", n_filters, 2 * n_weights)
    biases = np.frombuffer(packed, "<f4", n_filters, 2 * n_weights + 4 * n_filters)
    assert len(packed) == 2 * n_weights + 8 * n_filters

    numbers = high.astype(np.int32) * 256 + low
    parts = []
    weight = 0
    filter = 0
    for filters, channels, side in shapes:
        count = filters * channels * side * side
        whole = numbers[weight : weight + count].reshape(filters, -1)
        parts.append((whole * steps[filter : filter + filters, None]).astype("<f4").tobytes())
        parts.append(biases[filter : filter + filters].tobytes())
        weight += count
        filter += filters
    return b"".join(parts)


# --- Beside the library, in a browser -------------------------------------------------------------

SYNTAXES = {
    "implicit": "1.2.840.10008.1.2",
    "big_endian": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
}


def encoded(film, format, mode="L", **options):
    "A film as the bytes of a picture."
    file = BytesIO()
    film.convert(mode).save(file, format, **options)
    return file.getvalue()


def deep(film):
    "The pixels of a film with twelve bits."
    greys = np.asarray(film).astype(np.uint16)
    return greys * 16 + 7


def write_formats(folder, name, film):
    "Write a film in every format that the page reads."
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90°
    pictures = {
        "grey.png": encoded(film, "PNG"),
        "colour.png": encoded(film, "PNG", "RGB"),
        "opaque.png": encoded(film, "PNG", "RGBA"),
        "palette.png": encoded(film, "PNG", "P"),
        "deep.png": encoded(Image.fromarray(deep(film)), "PNG", "I;16"),
        "grey.jpg": encoded(film, "JPEG", quality=90),
        "colour.jpg": encoded(film, "JPEG", "RGB", quality=90),
        "progressive.jpg": encoded(film, "JPEG", progressive=True),
        "turned.jpg": encoded(film, "JPEG", exif=exif),
    }
    for ending, data in pictures.items():
        (folder / f"{name}_{ending}").write_bytes(data)

    greys = np.asarray(film)
    window = dict(WindowCenter=2000, WindowWidth=3500)
    dicoms = {
        "mono2": dict(pixels=greys),
        "mono1": dict(pixels=255 - greys, PhotometricInterpretation="MONOCHROME1"),
        "window2": dict(pixels=deep(film), **window),
        "window1": dict(
            pixels=4095 - deep(film), PhotometricInterpretation="MONOCHROME1", **window
        ),
        "scaled": dict(pixels=deep(film), RescaleSlope="0.5", RescaleIntercept="-100"),
        "padded": dict(pixels=np.pad(deep(film), 9), PixelPaddingValue=0),
    }
    for kind, syntax in SYNTAXES.items():
        dicoms[kind] = dict(pixels=deep(film), syntax=syntax, **window)
    for ending, tags in dicoms.items():
        make_dicom(folder / f"{name}_{ending}.dcm", **tags)


@pytest.fixture(scope="module")
def trained():
    "A learner that was trained, and its gate."
    from rsna_cls import fine_tune

    course = fetch_data("simulated")
    learn = film_learner(dataloaders(course, size=128), "other_films")
    fine_tune(learn, epochs=2)
    return learn, Gate.fit(course)


@pytest.fixture(scope="module")
def page(trained, tmp_path_factory):
    "A page with everything in it."
    learn, gate = trained
    return save_page(learn, tmp_path_factory.mktemp("page") / "network.html", gate=gate)


@pytest.fixture(scope="module")
def fifty(tmp_path_factory):
    "Fifty films or more: of every format, of the course, of kinds that no class is, real ones."
    folder = tmp_path_factory.mktemp("films")
    for kind, seed in (("chest", 11), ("abd", 12)):
        write_formats(folder, kind, simulate_film(kind, seed, size=300).image)
    files = sorted(folder.iterdir())
    course = fetch_data("simulated")
    files += film_files(course / "val") + film_files(course / "test")
    for kind in ("hand", "skull", "lateral_chest"):
        simulate_film(kind, 13).image.save(folder / f"{kind}.png")
        files.append(folder / f"{kind}.png")
    data = os.environ.get("RSNA_CLS_DATA")
    if data:
        files += film_files(fetch_data(data))[::6]
    return files


ASK = """async (letters) => {
    const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
    const { engine, readFilm } = window.rsna_cls;
    const started = performance.now();
    const film = await readFilm(bytes);
    const read = performance.now();
    const answer = await engine.ask(film);
    const answered = performance.now();
    const gate = await engine.askGate(film);
    const ended = performance.now();
    let greys = "";
    for (const grey of film.greys) greys += String.fromCharCode(grey);
    return {
        shape: [film.height, film.width],
        greys: btoa(greys),
        logits: [...answer.logits],
        maps: [...answer.maps.values],
        side: answer.maps.height,
        gate,
        read: read - started,
        answered: answered - read,
        judged: ended - answered,
    };
}"""


def answers_of(ask, files):
    "What the page says of each film."
    return [ask(ASK, base64.b64encode(file.read_bytes()).decode()) for file in files]


def largest_error(found, expected):
    "The largest difference, as a share of the largest value."
    return np.abs(found - expected).max() / np.abs(expected).max()


def compare(answers, files, learn, gate, browser):
    "The page's answers beside the library's: films, logits, maps, gate, decisions."
    head = learn.model[1][-1]
    weights = head.weight.detach().numpy()
    films = [load_film(file) for file in files]
    for file, film, answer in zip(files, films, answers, strict=True):
        pixels = np.frombuffer(base64.b64decode(answer["greys"]), np.uint8)
        assert answer["shape"] == list(np.asarray(film).shape), file.name
        assert (pixels == np.asarray(film).ravel()).all(), file.name

    # The network.
    from rsna_cls.loaders import film_batches

    with torch.no_grad():
        expected = torch.cat([learn.model.eval()(batch) for batch in film_batches(learn, films)])
    logits = np.array([answer["logits"] for answer in answers])
    of_logits = largest_error(logits, expected.numpy())
    assert (logits.argmax(1) == expected.numpy().argmax(1)).all()

    # The maps: of a class, and of the difference between the two.
    side = answers[0]["side"]
    maps = np.array([answer["maps"] for answer in answers]).reshape(len(films), 512, side, side)
    drawn = np.einsum("kc,nchw->knhw", weights, maps)
    chest = learn.dls.vocab.o2i["chest"]
    of_class = largest_error(drawn[chest], cam(learn, films, "chest").cpu().numpy())
    of_difference = largest_error(
        drawn[chest] - drawn[1 - chest],
        cam(learn, films, "chest", difference=True).cpu().numpy(),
    )

    # The gate.
    verdicts = gate.nearest(films)
    strangers = np.array([answer["gate"]["stranger"] for answer in answers])
    of_gate = largest_error(strangers, verdicts["stranger"].to_numpy())
    accepted = [answer["gate"]["isAccepted"] for answer in answers]
    assert accepted == verdicts["accepted"].tolist()
    assert not all(accepted)
    assert any(accepted)
    assert [answer["gate"]["other"] for answer in answers] == verdicts["other"].tolist()
    print(
        f"\n{browser}, {len(films)} films beside the library, largest error as a share of the "
        f"largest value: logits {of_logits:.1e}, maps {of_class:.1e}, of the difference "
        f"{of_difference:.1e}, gate {of_gate:.1e}"
    )
    assert max(of_logits, of_class, of_difference, of_gate) <= 1e-3


class Chromium:
    "A page in Chromium: `ask`, as Firefox has it, and what the page asked for."

    def __init__(self, page, address):
        self.page = page
        self.requests = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(address)

    def ask(self, function, *values):
        "What a JavaScript function makes of a value."
        return self.page.evaluate(function, *values)


@needs_chromium
@pytest.mark.slow(seconds=120)
class TestBesideTheLibrary:
    "The same films give the same answers, from a file on the disk."

    def test_chromium(self, chromium, page, trained, fifty, request):
        assert page.stat().st_size <= 40e6
        started = time.perf_counter()
        opened = Chromium(chromium.new_page(), page.as_uri())
        opened.ask("() => window.rsna_cls.engine.ready()")
        ready = time.perf_counter() - started
        answers = answers_of(opened.ask, fifty)
        assert len(answers) >= 50
        compare(answers, fifty, *trained, browser="Chromium")

        names = ("read", "answered", "judged")
        medians = [statistics.median(answer[name] for answer in answers) for name in names]
        print(
            f"{page.stat().st_size / 1e6:.1f} MB, ready {ready:.1f} s after opening; median of "
            f"{len(answers)} films: read {medians[0]:.0f} ms, network {medians[1]:.0f} ms, gate "
            f"{medians[2]:.0f} ms"
        )
        others = [a for a in opened.requests if not a.startswith(("blob:", "data:"))]
        assert others == [page.as_uri()]
        opened.page.close()

    @needs_firefox
    def test_firefox(self, page, trained, fifty, tmp_path):
        with firefox.Firefox(tmp_path) as browser:
            browser.open(page.as_uri())
            answers = answers_of(browser.ask, fifty)
            compare(answers, fifty, *trained, browser="Firefox")
            ours = [a for a in browser.requests if a.startswith(("http", "ws", "ftp"))]
            assert not ours

    @needs_firefox
    def test_a_browser_that_changes_what_is_read(self, page, tmp_path):
        "A protection against tracking makes noise of a canvas: a JPEG is refused, a PNG is read."
        setting = 'user_pref("privacy.resistFingerprinting", true);\n'
        (tmp_path / "user.js").write_text(setting, encoding="utf-8")
        film = simulate_film("chest", 21, size=100).image
        read = """(letters) => {
            const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
            const { readFilm } = window.rsna_cls;
            return readFilm(bytes).then(({ greys }) => [...greys], ({ message }) => message);
        }"""
        with firefox.Firefox(tmp_path) as browser:
            browser.open(page.as_uri())
            png = base64.b64encode(encoded(film, "PNG")).decode()
            assert browser.ask(read, png) == list(np.asarray(film).ravel())
            jpeg = base64.b64encode(encoded(film, "JPEG")).decode()
            assert "protection against tracking" in browser.ask(read, jpeg)


# --- As a person meets it -------------------------------------------------------------------------

# Files that are no film, and what has to stand in the sentence that the page says.
HOSTILE = {
    "empty.png": (b"", "empty"),
    "a.png": (b"<html><script>alert(1)</script></html>", "web page"),
    "<img src=x onerror=alert(1)>.png": (b"%PDF-1.7", "a PDF"),
    "noise.dcm": (bytes(range(256)) * 40, "Not a film"),
    "huge.png": (b"", "more pixels than any film"),
    "cut.png": (b"", "damaged"),
    "huge.dcm": (b"", "more pixels than any film"),
    "film.tif": (b"II*\0" + bytes(200), "TIFF"),
}


def huge_png():
    "A PNG that announces a hundred megapixels."
    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def hostile_bytes(name, data, folder):
    "The bytes of one of the files above."
    if name == "huge.png":
        return huge_png()
    if name == "cut.png":
        whole = encoded(simulate_film("chest", 1, size=200).image, "PNG")
        return whole[: len(whole) // 2]
    if name == "huge.dcm":
        pixels = np.zeros((4, 4), np.uint16)
        file = make_dicom(folder / "huge.dcm", pixels, Rows=10_000, Columns=10_000)
        return file.read_bytes()
    return data


@pytest.fixture
def opened(chromium, page, request):
    "The page in a window of its own; nothing may go wrong in it, and nothing may be asked for."
    size = getattr(request, "param", (1366, 768))
    window = chromium.new_page(viewport=dict(width=size[0], height=size[1]))
    problems = []
    requests = []
    window.on("pageerror", lambda error: problems.append(str(error)))
    window.on("console", lambda message: problems.append(message.text))
    window.on("request", lambda asked: requests.append(asked.url))
    window.on("dialog", lambda dialog: problems.append("a dialog"))
    window.goto(page.as_uri())
    yield window
    window.close()
    assert not problems
    assert [a for a in requests if not a.startswith(("blob:", "data:"))] == [page.as_uri()]


def drop(window, name, data):
    "Give the page a file, and wait until it has said something of it."
    window.set_input_files("#files", dict(name=name, mimeType="", buffer=data))
    window.wait_for_function(
        """() => document.getElementById("progress").textContent === "" &&
            (!document.getElementById("problem").hidden ||
             document.getElementById("spoken").textContent !== "")""",
        timeout=60_000,
    )


def said(window, name):
    "The text of a part of the page."
    return window.inner_text(f"#{name}")


def chest():
    "A chest as the bytes of a PNG."
    return encoded(simulate_film("chest", 21, size=300).image, "PNG")


# Drops a film as soon as there is a page to drop it on.
DROP_EARLY = """
new MutationObserver((changes, observer) => {
    if (document.getElementById("files") === null) return;
    observer.disconnect();
    const bytes = Uint8Array.from(atob("%s"), (letter) => letter.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], "early.png"));
    const drop = new DragEvent("drop", { dataTransfer, cancelable: true });
    const isEarly = !("rsna_cls" in window);
    window.dropped = { isEarly, isKept: !window.dispatchEvent(drop) };
}).observe(document, { subtree: true, childList: true });
"""


@needs_chromium
@pytest.mark.slow(seconds=90)
class TestInTheHand:
    "Choose a film, read the answer, move what can be moved: by mouse, by keys, on a phone."

    def test_a_chest(self, opened, trained):
        learn, gate = trained
        assert opened.is_hidden("#threshold")
        data = chest()
        drop(opened, "a chest.png", data)
        film = as_film(Image.open(BytesIO(data)))
        table = predict(learn, [film], gate=gate)
        assert "Passes" in said(opened, "gate")
        assert f"{table['stranger'][0]:.2f}".replace("-", "−") in said(opened, "gate-number")
        assert "chest" in said(opened, "network-answer")
        assert opened.is_visible("#threshold")
        assert opened.is_disabled("#original")
        SHOTS.mkdir(parents=True, exist_ok=True)
        opened.screenshot(path=SHOTS / "laptop.png")

    def test_a_hand_is_refused(self, opened):
        drop(opened, "hand.png", encoded(simulate_film("hand", 5).image, "PNG"))
        assert "like none of the films" in said(opened, "gate")
        assert "would still say" in said(opened, "network-answer")
        opened.screenshot(path=SHOTS / "refused.png")

    def test_the_threshold_by_keys(self, opened):
        drop(opened, "chest.png", chest())
        opened.focus("#threshold-slider")
        before = said(opened, "threshold-value")
        for _ in range(10):
            opened.keyboard.press("ArrowRight")
        assert said(opened, "threshold-value") != before
        counts = [
            said(opened, f"count-{name}") for name in ("found", "missed", "alarms", "cleared")
        ]
        numbers = [int(re.search(r"\d+", count)[0]) for count in counts]
        assert sum(numbers) == len(opened.evaluate("() => rsna_cls.data.validated"))

    def test_cover_by_keys(self, opened):
        drop(opened, "chest.png", chest())
        opened.focus("#cover-button")
        opened.keyboard.press("Enter")
        opened.focus("#cover")
        for _ in range(6):
            opened.keyboard.press("ArrowUp")
        opened.wait_for_function(
            "() => /→/.test(document.getElementById('cover-score').textContent)", timeout=20_000
        )
        opened.screenshot(path=SHOTS / "covered.png")
        opened.focus("#cover-larger")
        opened.keyboard.press("Escape")
        assert opened.is_hidden("#cover")

    @pytest.mark.parametrize("button", ["edit-mirror", "edit-invert", "edit-left", "edit-right"])
    def test_buttons_ask_again(self, opened, button):
        drop(opened, "chest.png", chest())
        opened.click(f"#{button}")
        opened.wait_for_function(
            "() => /→/.test(document.getElementById('change').textContent)", timeout=20_000
        )
        opened.click("#original")
        opened.wait_for_selector("#network", timeout=20_000)
        assert opened.is_hidden("#change")
        assert opened.is_disabled("#original")

    def test_buttons_pressed_one_after_the_other(self, opened):
        "The last state is asked about, and called by its name; the list keeps the first answer."
        drop(opened, "chest.png", chest())
        before = said(opened, "network-answer")
        for button in ("edit-mirror", "edit-mirror", "edit-right", "edit-right"):
            opened.click(f"#{button}")
        opened.wait_for_function(
            "() => /→/.test(document.getElementById('change').textContent)", timeout=20_000
        )
        assert said(opened, "change").startswith("Turned by 180°")
        assert "as it came: chest" in said(opened, "strip")
        for button in ("edit-left", "edit-left"):
            opened.click(f"#{button}")
        opened.wait_for_selector("#network", timeout=20_000)
        assert opened.is_disabled("#original")
        assert said(opened, "network-answer") == before

    def test_a_simulated_film_from_the_menu(self, opened):
        drop(opened, "chest.png", chest())
        opened.focus("#samples-button")
        opened.keyboard.press("Enter")
        opened.get_by_role("button", name="hand", exact=True).click()
        opened.wait_for_selector("#gate.is-refused", timeout=20_000)
        assert opened.is_hidden("#sample-menu-list")
        assert "simulated hand" in said(opened, "strip")
        opened.screenshot(path=SHOTS / "strip.png")

    def test_how_it_works(self, opened):
        drop(opened, "chest.png", chest())
        opened.click("#how summary")
        opened.wait_for_selector("#how-steps canvas", timeout=20_000)
        pictures = opened.evaluate("""() => [...document.querySelectorAll("#how-steps canvas")].map(
            (canvas) => {
                const { data } = canvas.getContext("2d").getImageData(
                    0, 0, canvas.width, canvas.height);
                return [canvas.getAttribute("aria-label"), new Set(data).size];
            })""")
        assert len(opened.query_selector_all("#how-steps > li")) == 7
        for label, n_values in pictures:
            assert label
            assert n_values > 2
        opened.locator("#how").screenshot(path=SHOTS / "how.png")

    @pytest.mark.parametrize("name", HOSTILE)
    def test_what_is_no_film_ends_in_a_sentence(self, opened, name, tmp_path, outcome):
        drop(opened, "chest.png", chest())
        data, words = HOSTILE[name]
        drop(opened, name, hostile_bytes(name, data, tmp_path))
        problem = said(opened, "problem-words")
        assert words in problem
        assert problem.endswith(".")
        assert "Secret" not in opened.inner_text("body")
        assert opened.is_hidden("#gate")  # nothing of the last film is left
        assert opened.is_hidden("#network")
        outcome("bad input", f"page: {name}", problem)

    def test_the_later_film_wins(self, opened):
        hand = encoded(simulate_film("hand", 5).image, "PNG")
        for name, data in (("hand.png", hand), ("chest.png", chest())):
            opened.set_input_files("#files", dict(name=name, mimeType="", buffer=data))
        opened.wait_for_function(
            "() => /^Passes/.test(document.getElementById('gate-words').textContent)"
        )
        opened.wait_for_timeout(2_000)
        assert "Passes" in said(opened, "gate-words")

    def test_a_film_that_comes_before_the_program(self, chromium, page):
        "It is kept: the browser does not leave the page for it."
        window = chromium.new_page()
        window.add_init_script(DROP_EARLY % base64.b64encode(chest()).decode())
        window.goto(page.as_uri())
        window.wait_for_function(
            "() => /^Passes/.test(document.getElementById('gate-words').textContent)"
        )
        assert window.evaluate("() => window.dropped") == dict(isEarly=True, isKept=True)
        window.close()

    def test_three_classes(self, chromium, tmp_path):
        "No gate, no films with a known truth; the strongest class is compared with the next."
        learn = untrained("abd", "chest", "lateral_chest")
        page = save_page(learn, tmp_path / "three.html", positive="chest")
        window = chromium.new_page()
        window.goto(page.as_uri())
        drop(window, "chest.png", chest())
        table = predict(learn, [as_film(Image.open(BytesIO(chest())))])
        named = {"abd": "abdomen", "lateral_chest": "lateral chest"}
        classes = ["abd", "chest", "lateral_chest"]
        first, second, _ = sorted(classes, key=lambda name: -table[name][0])
        first, second = (named.get(name, name) for name in (first, second))
        assert said(window, "network-answer").startswith(first)
        assert said(window, "legend-orange").endswith(f"for {first}")
        assert said(window, "legend-blue").endswith(f"for {second}")
        assert "no gate" in said(window, "gate-words")
        assert window.is_visible("#threshold-none")
        window.close()

    def test_memory_is_flat_over_a_hundred_films(self, opened):
        "What the page's processes hold, in the middle and at the end (MB, logged)."
        data = chest()
        held = []
        for number in range(100):
            drop(opened, f"chest {number}.png", data)
            if number in (19, 99):
                held.append(resident_megabytes())
        print(f"\nmemory of the browser after 20 and 100 films: {held[0]:.0f}, {held[1]:.0f} MB")
        assert held[1] <= 1.15 * held[0]

    @pytest.mark.parametrize("opened", [(1366, 768), (390, 844)], indirect=True)
    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_axe_finds_nothing(self, opened, theme, workshop):
        opened.emulate_media(color_scheme=theme)
        drop(opened, "chest.png", chest())
        opened.click("#how summary")
        opened.click("#card summary")
        opened.wait_for_selector("#how-steps canvas", timeout=20_000)
        opened.evaluate((workshop / AXE).read_text(encoding="utf-8"))
        found = opened.evaluate("() => axe.run()")["violations"]
        assert not [f"{rule['id']}: {rule['nodes'][0]['html']}" for rule in found]

    @pytest.mark.parametrize("opened", [(390, 844)], indirect=True)
    def test_on_a_phone(self, opened):
        "Film, gate and class are seen without scrolling; nothing is wider than the phone."
        drop(opened, "chest.png", chest())
        opened.screenshot(path=SHOTS / "phone.png")
        width = opened.evaluate("() => document.documentElement.scrollWidth")
        assert width <= 390
        for part in ("film", "gate-words", "network-answer"):
            box = opened.locator(f"#{part}").bounding_box()
            assert box["y"] + box["height"] <= 844, part


def resident_megabytes():
    "What all processes below this one hold in memory (MB)."
    parents = {}
    n_pages = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text(encoding="utf-8")
            memory = (folder / "statm").read_text(encoding="utf-8")
        except OSError:  # it has ended meanwhile
            continue
        process = int(folder.name)
        parents[process] = int(status.rpartition(")")[2].split()[1])
        n_pages[process] = int(memory.split()[1])

    # Children have higher numbers than their parents.
    ours = {os.getpid()}
    for process in sorted(parents):
        if parents[process] in ours:
            ours.add(process)
    held = sum(n_pages[process] for process in ours - {os.getpid()})
    return held * os.sysconf("SC_PAGE_SIZE") / 1e6


# --- The page's source ----------------------------------------------------------------------------


@pytest.mark.slow(seconds=40)
class TestSource:
    "The page's own tests, and that the template was made from what lies here."

    def test_types(self, workshop):
        code, words = npm(workshop, "run", "--silent", "check")
        assert code == 0, words

    def test_its_own_tests(self, workshop, tmp_path):
        "Films are read and changed byte for byte as the library does it."
        golden = tmp_path / "golden"
        command = [sys.executable, str(HERE / "page/test/film_golden.py"), str(golden)]
        data = os.environ.get("RSNA_CLS_DATA")
        if data:
            command.append(str(fetch_data(data)))
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        code, words = npm(workshop, "test", "--silent", FILM_GOLDEN=str(golden))
        assert code == 0, words
        assert re.search(r"^# skipped 0$|ℹ skipped 0", words, re.MULTILINE), words

    def test_the_template_was_made_from_it(self, workshop, tmp_path):
        sys.path.insert(0, str(HERE / "tools"))
        import page as builder

        template = HERE / "rsna_cls/template"
        code, words = npm(workshop, "run", "--silent", "build", "--", str(tmp_path))
        assert code == 0, words
        graph = builder.make_graph().SerializeToString(deterministic=True)
        assert (template / builder.GRAPH).read_bytes() == graph
        for name in ("page.html", "NOTICE.txt"):
            assert (template / name).read_bytes() == (tmp_path / name).read_bytes(), (
                f"{name} is not what make page builds: run it"
            )
        # Another version of Node.js may pack the same bytes in another way.
        packed = [folder / "onnxruntime.wasm.z" for folder in (template, tmp_path)]
        programs = [zlib.decompress(file.read_bytes()) for file in packed]
        assert programs[0] == programs[1]

    def test_what_is_packed_is_small(self):
        n_bytes = sum(file.stat().st_size for file in (HERE / "rsna_cls/template").iterdir())
        assert n_bytes <= 10e6
