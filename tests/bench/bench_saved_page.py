"The saved page: a network in a browser, beside PyTorch."

import os
from functools import partial

from measuring import NotMeasured, Places, as_given, in_turn, measurement, silence, wall_seconds

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ROUNDS = 9
NETWORK = ("the network in the page", "the network in PyTorch")
GATE = ("the gate in the page", "the gate in PyTorch")
ASK = """async ([greys, width, height, question]) => {
    const film = { width, height, greys: Uint8Array.from(greys) };
    const started = performance.now();
    await rsna_cls.engine[question](film);
    return (performance.now() - started) / 1000;
}"""


def asked(window, question: str, film) -> tuple[float, dict]:
    "Seconds that the page takes to answer for a film, as it measures itself."
    values = [list(film.tobytes()), film.width, film.height, question]
    return window.evaluate(ASK, values), {}


def timed(call) -> tuple[float, dict]:
    "Seconds that a call takes here."
    seconds, _ = wall_seconds(call)
    return seconds, {}


@measurement(
    title="The network in a web page",
    about="What `save_page` writes, opened in Chromium, beside PyTorch with one thread: the "
    "network's answer for one film of the course, and the gate's (is this a film of either "
    "class?).",
    unit="s",
    pairs=(NETWORK, GATE),
)
def page_answers(places: Places) -> dict[str, dict]:
    from playwright.sync_api import sync_playwright

    from rsna_cls import Gate, embedded_learner, film_files, load_film, predict, save_page

    if not os.path.exists(CHROMIUM):
        raise NotMeasured("there is no Chromium: CHROMIUM=… says where it is")
    with silence():
        learn = embedded_learner()
        gate = Gate.fit(places.course)
        page = save_page(learn, places.scratch / "page.html", gate=gate)
    film = load_film(film_files(places.course / "test")[0])

    with sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            window = browser.new_page()
            window.goto(page.as_uri())
            window.evaluate("rsna_cls.engine.ready()")
            candidates = {
                NETWORK[0]: lambda: partial(asked, window, "ask", film),
                NETWORK[1]: lambda: partial(timed, partial(predict, learn, [film])),
                GATE[0]: lambda: partial(asked, window, "askGate", film),
                GATE[1]: lambda: partial(timed, partial(gate.score, [film])),
            }
            return in_turn(candidates, ROUNDS, seconds=as_given)
        finally:
            browser.close()
