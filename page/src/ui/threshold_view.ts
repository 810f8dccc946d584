// The threshold: what it makes of this film, and of films with a known truth.
import type { Answer, PageData } from "../types.ts";
import { find } from "./dom.ts";
import { countsAt, isCalledPositive, sensitivity, shareWords, specificity } from "./threshold.ts";
import { probabilityWords } from "./words.ts";

/** The panel of the threshold. */
export class ThresholdView {
  private readonly data: PageData;
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

  /** Forget the film. */
  clear(): void {
    this.answer = null;
    this.draw();
  }

  /** Take up what the network says of a film. */
  show(answer: Answer, isRefused: boolean): void {
    this.answer = answer;
    this.isRefused = isRefused;
    this.draw();
  }

  /** Write the classes' names where they belong. */
  private nameParts(): void {
    const { positive, other } = this;
    find("threshold-label").textContent = `Call a film ${positive} from this probability on:`;
    find("called-positive").textContent = `called ${positive}`;
    find("called-other").textContent = `called ${other}`;
    find("truth-positive").textContent = positive;
    find("truth-other").textContent = other;
    find("counts-caption").textContent =
      `${this.data.validated.length} ${this.data.validatedName} at this threshold`;
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
    const share = `probability of ${this.positive}: ${probabilityWords(probability)}`;
    return `This film is called ${called} (${share}).`;
  }
}
