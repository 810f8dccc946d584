// The page: takes films, asks the engine, and shows what it answers.
import type { Engine, Film, PageData } from "../types.ts";
import { comparedWords } from "./compare.ts";
import type { Told } from "./compare.ts";
import { CoverView } from "./cover_view.ts";
import { find, made, madeOf, say } from "./dom.ts";
import { listenForFilms } from "./drop.ts";
import { AS_IT_CAME, EDITS, afterEdit, changeNames, changedFilm, isAsItCame } from "./edit.ts";
import type { Change } from "./edit.ts";
import { FilmView } from "./film_view.ts";
import { FilmList } from "./films.ts";
import type { FilmSource, ListedFilm } from "./films.ts";
import { GateView, gateSentence, trackRecord } from "./gate_view.ts";
import { NetworkView, answerWords } from "./network_view.ts";
import { offerSamples } from "./samples_view.ts";
import { stepItems } from "./steps_view.ts";
import { listenToStrip, showStrip } from "./strip_view.ts";
import { listenForTheme } from "./theme.ts";
import { ThresholdView } from "./threshold_view.ts";
import {
  asSentence,
  countWords,
  listed,
  problemWords,
  readableNames,
  shortName,
} from "./words.ts";

/** The film that is shown, as it came and as it was changed. */
interface Shown {
  listed: ListedFilm;
  original: Film;
  change: Change; // what the buttons have done to it
  film: Film; // the original, changed
}

/** Start the page: from here on it takes films. */
export function startPage(
  data: PageData,
  engine: Engine,
  readFilm: (bytes: Uint8Array) => Promise<Film>,
): void {
  // From here on the classes bear the names that one reads.
  const readable = { ...data, classes: readableNames(data.classes) };
  const page = new Page(readable, engine, readFilm);
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
  private told: Told | null = null; // of the film as it is shown
  private came: Told | null = null; // of the film as it came
  private turn = 0; // counts what was asked; answers to anything older are dropped
  private asking: Promise<void> = Promise.resolve(); // the question that was put last

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
      this.fail(problem, null);
    }
  }

  /** What the page says of its network, whatever the film. */
  private fillIn(): void {
    const { data } = this;
    find("intro-classes").textContent =
      `It has ${countWords(data.classes.length)} answers: ${listed(data.classes)}. ` +
      "How probable is each?";
    find("version").textContent = `rsna_cls ${data.version}`;
    const record = trackRecord(data.gate);
    const gateRows: [string, string][] = record === "" ? [] : [["gate", record]];
    const rows = [...data.card, ...gateRows].map(([name, value]) => {
      const title = made("th", name);
      title.scope = "row";
      return madeOf("tr", [title, made("td", value)]);
    });
    find("card-rows").replaceChildren(...rows);
    offerSamples(data.examples, (film) => this.take([film]));
  }

  /** All that a person may do. */
  private listen(): void {
    listenForTheme();
    listenForFilms((films) => this.take(films));
    listenToStrip();
    for (const edit of EDITS) {
      find(`edit-${edit}`).addEventListener("click", () =>
        this.change((change) => afterEdit(change, edit)),
      );
    }
    find("original").addEventListener("click", () => this.change(() => AS_IT_CAME));
    this.how.addEventListener("toggle", () => void this.showSteps());
  }

  /** Take films that were dropped, and show the first of them. */
  private take(sources: FilmSource[]): void {
    const first = this.list.add(sources);
    if (first === undefined) {
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
    this.showStrip(listedFilm);
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
      this.shown = { listed: listedFilm, original: film, change: AS_IT_CAME, film };
      await this.ask(this.shown);
    } catch (problem) {
      if (turn === this.turn) {
        this.fail(problem, listedFilm);
      }
    }
  }

  /** Show a film and ask about it, as soon as the question before is answered. */
  private async ask(shown: Shown): Promise<void> {
    const name = shortName(shown.listed.name);
    const changes = changeNames(shown.change);
    this.filmView.show(shown.film, changes === "" ? name : `${name}, ${changes}`);
    find("tools").hidden = false;
    this.setTools();
    this.asking = this.askAfter(this.asking, shown);
    await this.asking;
  }

  /** Ask the gate and the network, unless something newer is asked meanwhile. */
  private async askAfter(before: Promise<void>, shown: Shown): Promise<void> {
    const { turn } = this;
    this.progress("Unpacking the network …");
    await this.engine.ready();
    await before.catch(() => undefined); // whoever asked has said what went wrong
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
    this.showAnswer(shown, { gate, answer });
  }

  /** Show what was answered. */
  private showAnswer(shown: Shown, told: Told): void {
    const { gate, answer } = told;
    const isRefused = gate !== null && !gate.isAccepted;
    this.told = told;
    this.networkView.show(answer, isRefused);
    this.thresholdView.show(answer, isRefused);
    this.filmView.showMap(answer);
    this.coverView.take({ film: shown.film, answer });
    this.progress("");

    const words = answerWords(answer, this.data.classes);
    const facts = this.data.gate;
    const gateWords = gate === null || facts === null ? "No gate." : gateSentence(gate, facts);
    const stillSays = isRefused ? "The network would still say:" : "The network says:";
    find("spoken").textContent = `${gateWords} ${stillSays} ${words}.`;
    this.sayChange(shown, told);
    if (isAsItCame(shown.change)) {
      this.came = told;
      shown.listed.answer = isRefused ? "refused" : words.replace("probability ", "");
    }
    this.showStrip(shown.listed);
    this.setTools();
    void this.showSteps();
  }

  /** Say what the buttons have changed, against the film as it came. */
  private sayChange({ change }: Shown, now: Told): void {
    if (this.came !== null && !isAsItCame(change)) {
      const compared = comparedWords(this.came, now, this.data.classes);
      say(find("change"), `${asSentence(changeNames(change))} ${compared}`);
    }
  }

  /** Show the list of films; `listedFilm` is the one that is open. */
  private showStrip(listedFilm: ListedFilm | null): void {
    const isChanged = this.shown !== null && !isAsItCame(this.shown.change);
    showStrip(this.list.films, listedFilm, isChanged, (film) => void this.open(film));
  }

  /** A film can be changed once it was answered as it came, and taken back once it is changed. */
  private setTools(): void {
    for (const edit of EDITS) {
      find<HTMLButtonElement>(`edit-${edit}`).disabled = this.came === null;
    }
    const original = find<HTMLButtonElement>("original");
    const isUnchanged = this.shown === null || isAsItCame(this.shown.change);
    if (isUnchanged && document.activeElement === original) {
      find("tools").focus(); // a button that is disabled loses the focus
    }
    original.disabled = isUnchanged;
  }

  /** Change the film that is shown, and ask anew. */
  private change(next: (change: Change) => Change): void {
    if (this.shown !== null) {
      void this.askAnew(this.shown, next(this.shown.change));
    }
  }

  /** Ask about the film that is shown, changed in another way. */
  private async askAnew(before: Shown, change: Change): Promise<void> {
    this.turn += 1;
    const { turn } = this;
    this.clearAnswer();
    try {
      const film = changedFilm(before.original, change);
      this.shown = { ...before, change, film };
      await this.ask(this.shown);
    } catch (problem) {
      if (turn === this.turn) {
        this.fail(problem, before.listed);
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
    this.came = null;
    this.filmView.clear();
    find("tools").hidden = true;
  }

  /** Say what went wrong, where the answer would stand. */
  private fail(problem: unknown, listedFilm: ListedFilm | null): void {
    const hasAnswered = this.came !== null;
    this.turn += 1; // what is still being asked is about something else
    this.clear();
    this.progress("");
    say(find("problem-name"), listedFilm === null ? "" : shortName(listedFilm.name));
    find("problem-words").textContent = problemWords(problem);
    find("problem").hidden = false;
    if (listedFilm !== null) {
      listedFilm.answer = hasAnswered ? listedFilm.answer : "no answer";
    }
    this.showStrip(listedFilm);
  }
}
