// The threshold: what it makes of this film, and of films with a known truth.
import type { Answer, PageData } from "../types.ts";
import { find, say } from "./dom.ts";
import {
  areAllRight,
  countsAt,
  firstWrong,
  isCalledPositive,
  sensitivity,
  shareWords,
  specificity,
} from "./threshold.ts";
import { probabilityWords } from "./words.ts";

const USUAL = 0.5;
const ENDS = [0.99, 0.01]; // of the slider

/** The panel of the threshold. */
export class ThresholdView {
  private readonly data: PageData;
  private readonly panel = find("threshold");
  private readonly slider = find<HTMLInputElement>("threshold-slider");
  private readonly positive: string; // its name
  private readonly other: string; // the other class, or "another class"
  private answer: Answer | null = null;
  private isRefused = false;

  constructor(data: PageData) {
    this.data = data;
    const others = data.classes.filter((_, label) => label !== data.positive);
    this.positive = data.classes[data.positive];
    this.other = others.length === 1 ? others[0] : "another class";

    const hasFilms = data.validated.length > 0;
    find("threshold-none").hidden = hasFilms;
    find("threshold-body").hidden = !hasFilms;
    this.nameParts();
    this.slider.addEventListener("input", () => this.draw());
    this.draw();
  }

  /** Forget the film, and hide the panel until there is another. */
  clear(): void {
    this.answer = null;
    this.panel.hidden = true;
  }

  /** Take up what the network says of a film. */
  show(answer: Answer, isRefused: boolean): void {
    this.answer = answer;
    this.isRefused = isRefused;
    this.panel.hidden = false;
    this.draw();
  }

  /** Write the classes' names where they belong. */
  private nameParts(): void {
    const { positive, other } = this;
    find("threshold-label").textContent = `Call a film ${positive} if its probability is at least:`;
    find("called-positive").textContent = `called ${positive}`;
    find("called-other").textContent = `called ${other}`;
    find("truth-positive").textContent = positive;
    find("truth-other").textContent = other;
    const { validated, validatedName, gate } = this.data;
    const ofGate = gate === null ? "" : " The gate plays no part in it.";
    find("counts-caption").textContent =
      `${validated.length} ${validatedName}, at this threshold. The positive class is ` +
      `${positive}: it is found or missed, and a false alarm is ${other} called ${positive}.` +
      ofGate;
  }

  /** Count again. */
  private draw(): void {
    const threshold = Number(this.slider.value);
    find("threshold-value").textContent = threshold.toFixed(2);
    find("threshold-answer").textContent = this.filmWords(threshold);

    const counts = countsAt(this.data.validated, this.data.positive, threshold);
    find("count-found").textContent = `✓ ${counts.found} found`;
    find("count-missed").textContent = `✕ ${counts.missed} missed`;
    find("count-alarms").textContent = `✕ ${counts.falseAlarms} false alarms`;
    find("count-cleared").textContent = `✓ ${counts.cleared} cleared`;
    find("sensitivity").textContent = `sensitivity ${shareWords(sensitivity(counts))}`;
    find("specificity").textContent = `specificity ${shareWords(specificity(counts))}`;
    say(find("threshold-hint"), areAllRight(counts) ? this.hintWords() : "");
  }

  /** Where to move the slider, if 0.50 calls all of these films rightly. */
  private hintWords(): string {
    const { validated, positive } = this.data;
    if (validated.length === 0 || firstWrong(validated, positive, [USUAL]) !== undefined) {
      return "";
    }
    const telling = firstWrong(validated, positive, ENDS);
    const all = "All films of the table are called rightly";
    return telling === undefined
      ? `${all}, wherever the slider stands.`
      : `${all} here. To see mistakes, try ${telling.toFixed(2)}.`;
  }

  /** What this threshold makes of the film that is shown. */
  private filmWords(threshold: number): string {
    if (this.answer === null) {
      return "";
    }
    if (this.isRefused) {
      return "This film was refused by the gate: no threshold makes it one of these classes.";
    }
    const probability = this.answer.probabilities[this.data.positive];
    const isCalled = isCalledPositive(probability, threshold);
    const called = isCalled ? this.positive : this.other;
    const rounded = probabilityWords(probability);
    // At the threshold itself one has to see on which side of it a film lies.
    const isClose = rounded === threshold.toFixed(2);
    const number = isClose ? probability.toFixed(4) : rounded;
    const share = `probability of ${this.positive}: ${number}`;
    return `This film is called ${called} (${share}).`;
  }
}
