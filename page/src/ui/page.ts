// The page: takes films, asks the engine, and shows what it answers.
import type { Answer, Engine, Film, GateAnswer, PageData } from "../types.ts";
import { differenceOf, strongestTwo } from "./answers.ts";
import { CoverView } from "./cover_view.ts";
import { find, made, madeOf, say } from "./dom.ts";
import { listenForFilms } from "./drop.ts";
import { EDITS } from "./edit.ts";
import { FilmView } from "./film_view.ts";
import { FilmList, bytesOfAddress } from "./films.ts";
import type { FilmSource, ListedFilm } from "./films.ts";
import { GateView, gateSentence, trackRecord } from "./gate_view.ts";
import { NetworkView, answerWords } from "./network_view.ts";
import { stepItems } from "./steps_view.ts";
import { showStrip } from "./strip_view.ts";
import { listenForTheme } from "./theme.ts";
import { ThresholdView } from "./threshold_view.ts";
import { kindWords, listed, plainNumber, problemWords, shortName } from "./words.ts";

/** The film that is shown, as it came and as it was changed. */
interface Shown {
  listed: ListedFilm;
  original: Film;
  film: Film;
  edits: string[]; // what was done to it, in words
}

/** What was answered to a film. */
interface Told {
  gate: GateAnswer | null;
  answer: Answer;
}

/** Start the page: from here on it takes films. */
export function startPage(
  data: PageData,
  engine: Engine,
  readFilm: (bytes: Uint8Array) => Promise<Film>,
): void {
  const page = new Page(data, engine, readFilm);
  void page.unpack();
}

/** The page, and what it shows at the moment. */
class Page {
  private readonly data: PageData;
  private readonly engine: Engine;
  private readonly readFilm: (bytes: Uint8Array) => Promise<Film>;
  private readonly list = new FilmList();
  private readonly filmView: FilmView;
  private readonly gateView: GateView;
  private readonly networkView: NetworkView;
  private readonly thresholdView: ThresholdView;
  private readonly coverView: CoverView;
  private readonly how = find<HTMLDetailsElement>("how");
  private shown: Shown | null = null;
  private told: Told | null = null;
  private turn = 0; // counts what was asked; answers to anything older are dropped

  constructor(data: PageData, engine: Engine, readFilm: (bytes: Uint8Array) => Promise<Film>) {
    this.data = data;
    this.engine = engine;
    this.readFilm = readFilm;
    this.filmView = new FilmView(data);
    this.gateView = new GateView(data);
    this.networkView = new NetworkView(data);
    this.thresholdView = new ThresholdView(data);
    this.coverView = new CoverView(
      data,
      (film) => engine.ask(film),
      (problem) => this.fail(problem, this.shown?.listed ?? null),
    );
    this.coverView.take(null);
    this.fillIn();
    this.listen();
  }

  /** Say that the network is being unpacked, until it is. */
  async unpack(): Promise<void> {
    this.progress("Unpacking the network …");
    try {
      await this.engine.ready();
      if (this.shown === null && this.turn === 0) {
        this.progress("Ready for a film.");
      }
    } catch (problem) {
      this.turn += 1;
      this.fail(problem, null);
    }
  }

  /** What the page says of its network, whatever the film. */
  private fillIn(): void {
    const { data } = this;
    find("intro-classes").textContent =
      `It has ${data.classes.length} answers: ${listed(data.classes)}. How probable is each?`;
    find("version").textContent = `rsna_cls ${data.version}`;
    const record = trackRecord(data.gate);
    const gateRows: [string, string][] = record === "" ? [] : [["gate", record]];
    const rows = [...data.card, ...gateRows].map(([name, value]) => {
      const title = made("th", name);
      title.scope = "row";
      return madeOf("tr", [title, made("td", value)]);
    });
    find("card-rows").replaceChildren(...rows);
    this.offerSamples();
  }

  /** Simulated films for those who have none at hand. */
  private offerSamples(): void {
    const { examples } = this.data;
    find("samples").hidden = examples.length === 0;
    const items = examples.map(({ name, source, description }) => {
      const image = made("img");
      image.src = source;
      image.alt = ""; // the button bears its name
      const button = madeOf("button", [image, made("span", kindWords(name))]);
      button.type = "button";
      button.title = description;
      const sample = { name: `simulated ${kindWords(name)}`, source };
      button.addEventListener("click", () => this.takeSample(sample));
      return madeOf("li", [button]);
    });
    find("sample-list").replaceChildren(...items);
  }

  /** Take an example as a film. */
  private takeSample({ name, source }: { name: string; source: string }): void {
    this.take([{ name, bytes: async () => bytesOfAddress(source) }]);
    find("files").focus({ preventScroll: true }); // the button that was pressed is gone
  }

  /** All that a person may do. */
  private listen(): void {
    listenForTheme();
    listenForFilms((films) => this.take(films));
    for (const [id, { name, apply }] of Object.entries(EDITS)) {
      find(`edit-${id}`).addEventListener("click", () => this.change(name, apply));
    }
    find("original").addEventListener("click", () => this.backToOriginal());
    this.how.addEventListener("toggle", () => void this.showSteps());
  }

  /** Take films that were dropped, and show the first of them. */
  private take(sources: FilmSource[]): void {
    const first = this.list.add(sources);
    if (first === undefined) {
      this.turn += 1;
      this.fail(new Error("There was no file in what you dropped. Drop a file."), null);
      return;
    }
    void this.open(first);
  }

  /** Read a film of the list, show it and ask about it. */
  private async open(listedFilm: ListedFilm): Promise<void> {
    this.turn += 1;
    const { turn } = this;
    this.clear();
    find("drop").classList.remove("is-empty");
    find("drop-hint").textContent = "or drop them anywhere";
    showStrip(this.list.films, listedFilm, (film) => void this.open(film));
    this.progress("Reading the film …");
    try {
      const bytes = await listedFilm.bytes();
      if (turn !== this.turn) {
        return;
      }
      const film = await this.readFilm(bytes);
      if (turn !== this.turn) {
        return;
      }
      this.shown = { listed: listedFilm, original: film, film, edits: [] };
      await this.ask(this.shown, null);
    } catch (problem) {
      if (turn === this.turn) {
        this.fail(problem, listedFilm);
      }
    }
  }

  /** Show a film and ask about it: the gate first; `before` is what to compare the answer with. */
  private async ask(shown: Shown, before: Told | null): Promise<void> {
    const { turn } = this;
    const name = shortName(shown.listed.name);
    this.filmView.show(shown.film, [name, ...shown.edits].join(", "));
    find("tools").hidden = false;

    this.progress("Unpacking the network …");
    await this.engine.ready();
    if (turn !== this.turn) {
      return;
    }
    this.progress("Asking the gate …");
    const gate = await this.engine.askGate(shown.film);
    if (turn !== this.turn) {
      return;
    }
    this.gateView.show(gate);
    this.progress("Asking the network …");
    const answer = await this.engine.ask(shown.film);
    if (turn !== this.turn) {
      return;
    }
    this.showAnswer(shown, { gate, answer }, before);
  }

  /** Show what was answered. */
  private showAnswer(shown: Shown, told: Told, before: Told | null): void {
    const { gate, answer } = told;
    const isRefused = gate !== null && !gate.isAccepted;
    this.told = told;
    this.networkView.show(answer, isRefused);
    this.thresholdView.show(answer, isRefused);
    this.filmView.showMap(answer);
    this.coverView.take({ film: shown.film, answer });
    this.progress("");

    const words = answerWords(answer, this.data.classes);
    const gateWords = gate === null ? "No gate." : gateSentence(gate, this.data.gate?.isLearned ?? false);
    const stillSays = isRefused ? "The network would still say:" : "The network says:";
    find("spoken").textContent = `${gateWords} ${stillSays} ${words}.`;
    if (shown.edits.length === 0) {
      shown.listed.answer = isRefused ? "refused" : words.replace("probability ", "");
      showStrip(this.list.films, shown.listed, (film) => void this.open(film));
    }
    this.sayChange(shown, told, before);
    void this.showSteps();
  }

  /** Say what a button has changed. */
  private sayChange(shown: Shown, now: Told, before: Told | null): void {
    const what = shown.edits.length > 0 ? `${shown.edits.join(", ")}: ` : "as it came: ";
    say(find("change"), before === null ? "" : `${what}${this.changeWords(before, now)}`);
  }

  /** Two answers compared: "gate passes → refused; chest − abd 5.31 → −0.40". */
  private changeWords(before: Told, now: Told): string {
    const { classes } = this.data;
    const pair = strongestTwo(before.answer.logits);
    const differences = [before, now].map(({ answer }) =>
      plainNumber(differenceOf(answer.logits, pair)),
    );
    const names = [before, now].map(({ answer }) => classes[strongestTwo(answer.logits).target]);
    const parts = [];
    if (before.gate !== null && now.gate !== null) {
      const verdicts = [before.gate, now.gate].map((gate) =>
        gate.isAccepted ? "passes" : "refused",
      );
      parts.push(`gate: ${verdicts.join(" → ")}`);
    }
    parts.push(`network: ${names.join(" → ")}`);
    parts.push(`${classes[pair.target]} less ${classes[pair.other]}: ${differences.join(" → ")}`);
    return `${parts.join("; ")}.`;
  }

  /** Change the film by a button, and ask anew. */
  private change(name: string, apply: (film: Film) => Film): void {
    const { shown } = this;
    if (shown !== null) {
      void this.askAnew(() => ({
        ...shown,
        film: apply(shown.film),
        edits: [...shown.edits, name],
      }));
    }
  }

  /** Show the film as it came, and ask anew. */
  private backToOriginal(): void {
    const { shown } = this;
    if (shown !== null && shown.edits.length > 0) {
      void this.askAnew(() => ({ ...shown, film: shown.original, edits: [] }));
    }
  }

  /** Ask about another state of the film that is shown. */
  private async askAnew(changed: () => Shown): Promise<void> {
    this.turn += 1;
    const { turn, told } = this;
    const listedFilm = this.shown?.listed ?? null;
    this.clearAnswer();
    this.told = told; // if another change follows at once, it is compared with this, too
    try {
      this.shown = changed();
      await this.ask(this.shown, told);
    } catch (problem) {
      if (turn === this.turn) {
        this.fail(problem, listedFilm);
      }
    }
  }

  /** Draw the steps from film to answer, where they are open. */
  private async showSteps(): Promise<void> {
    const { shown, told, turn } = this;
    if (!this.how.open || shown === null || told === null) {
      return;
    }
    const words = find("how-words");
    const steps = find("how-steps");
    words.textContent = "Looking inside …";
    try {
      const inside = await this.engine.lookInside(shown.film);
      if (turn !== this.turn) {
        return;
      }
      steps.replaceChildren(...stepItems(this.data, shown.film, told.answer, inside));
      words.textContent =
        `From film to answer: ${shortName(shown.listed.name)}. ` +
        "All of it can be checked, and none of it is a reason.";
    } catch (problem) {
      if (turn === this.turn) {
        steps.replaceChildren();
        words.textContent = problemWords(problem);
      }
    }
  }

  /** Say what the page is doing; "": nothing. */
  private progress(words: string): void {
    say(find("progress"), words);
  }

  /** Take the last answer away. */
  private clearAnswer(): void {
    this.told = null;
    find("intro").hidden = true;
    find("problem").hidden = true;
    find("spoken").textContent = "";
    find("how-words").textContent = "Drop a film, and this shows how its answer comes about.";
    find("how-steps").replaceChildren();
    say(find("change"), "");
    this.gateView.clear();
    this.networkView.clear();
    this.thresholdView.clear();
    this.filmView.clearMap();
    this.coverView.take(null);
  }

  /** Take the last film and its answer away. */
  private clear(): void {
    this.clearAnswer();
    this.shown = null;
    this.filmView.clear();
    find("tools").hidden = true;
  }

  /** Say what went wrong, where the answer would stand. */
  private fail(problem: unknown, listedFilm: ListedFilm | null): void {
    this.clear();
    this.progress("");
    say(find("problem-name"), listedFilm === null ? "" : shortName(listedFilm.name));
    find("problem-words").textContent = problemWords(problem);
    find("problem").hidden = false;
    if (listedFilm !== null) {
      listedFilm.answer = "no answer";
      showStrip(this.list.films, listedFilm, (film) => void this.open(film));
    }
  }
}
