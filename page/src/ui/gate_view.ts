// What the gate says of a film.
import type { Example, GateAnswer, PageData, PageGate } from "../types.ts";
import { find, made, madeOf, say } from "./dom.ts";
import { shareOf } from "./threshold.ts";
import {
  gateFilmsWords,
  kindWords,
  nearestWords,
  otherWords,
  percent,
  plainNumber,
} from "./words.ts";

const USUAL_END = 0.6; // the scale goes from −0.6 to 0.6, or farther if the film needs it

/** The gate's answer in one sentence. */
export function gateSentence(answer: GateAnswer, isLearned: boolean): string {
  const films = gateFilmsWords(isLearned);
  return answer.isAccepted ? `Passes: like ${films}.` : `Refused: like none of ${films}.`;
}

/** The panel of the gate. */
export class GateView {
  private readonly data: PageData;
  private readonly panel = find("gate");

  constructor(data: PageData) {
    this.data = data;
  }

  /** Take the last answer away. */
  clear(): void {
    this.panel.hidden = true;
  }

  /** Show an answer; null: this page has no gate. */
  show(answer: GateAnswer | null): void {
    this.panel.hidden = false;
    this.panel.classList.toggle("is-refused", answer !== null && !answer.isAccepted);
    this.panel.classList.toggle("is-passed", answer !== null && answer.isAccepted);
    find("gate-body").hidden = answer === null;
    if (answer === null) {
      find("gate-icon").textContent = "?";
      find("gate-words").textContent =
        "This page has no gate, so it answers for anything: a hand, or a photograph of a cat.";
      say(find("gate-note"), "");
      return;
    }
    find("gate-icon").textContent = answer.isAccepted ? "✓" : "✕";
    find("gate-words").textContent = gateSentence(answer, this.isLearned());
    this.showScale(answer);
    this.showNeighbours(answer);
    say(find("gate-note"), this.noteWords(answer));
  }

  /** The film's number on a scale, beside the limit. */
  private showScale({ stranger }: GateAnswer): void {
    const limit = this.limit();
    const end = Math.max(USUAL_END, 1.1 * Math.abs(stranger), 1.1 * Math.abs(limit));
    const place = (value: number) => `${(100 * (value + end)) / (2 * end)}%`;
    find("scale-passes").style.width = place(limit);
    find("scale-limit").style.left = place(limit);
    find("scale-film").style.left = place(stranger);
    find("gate-number").textContent =
      `stranger ${plainNumber(stranger)}: distance to these less that to others; ` +
      `passes up to ${plainNumber(limit)}`;
  }

  /** The greatest number with which a film passes. */
  private limit(): number {
    return this.data.gate?.limit ?? 0;
  }

  /** Whether the network has learned from the films that its gate compares with. */
  private isLearned(): boolean {
    return this.data.gate?.isLearned ?? false;
  }

  /** What the film lies closest to, on both sides. */
  private showNeighbours({ nearestLabels, other, isAccepted }: GateAnswer): void {
    find("gate-nearest").textContent = `Nearest of these: ${nearestWords(nearestLabels)}.`;
    const start = isAccepted ? "Nearest of all else: " : "More like: ";
    const words = otherWords(other, gateFilmsWords(this.isLearned()));
    find("gate-other").textContent = `${start}${words}.`;

    // A picture of what else it is like, and one of the class that it is nearest to.
    const alike = this.exampleCalled(other);
    const known = this.exampleCalled(nearestLabels[0]);
    const pictures = [
      ...alike.map((example) => exampleOf(example, isAccepted ? "all else" : "more like")),
      ...known.map((example) => exampleOf(example, "these")),
    ];
    const list = find("gate-examples");
    list.hidden = pictures.length === 0;
    list.replaceChildren(...pictures);
  }

  /** An example of a kind or class, where there is one. */
  private exampleCalled(name: string): Example[] {
    return this.data.examples.filter((example) => example.name === name).slice(0, 1);
  }

  /** What the answer means. */
  private noteWords({ isAccepted }: GateAnswer): string {
    const pictures = find("gate-examples").hidden ? "" : " (Pictures: simulated.)";
    return isAccepted
      ? `To pass does not make the answer right.${pictures}`
      : `For such a film the answer below means nothing.${pictures}`;
  }
}

/** How often a gate refuses films that should pass; "" where nobody counted. */
export function trackRecord(gate: PageGate | null): string {
  if (gate === null || gate.behind === 0) {
    return "";
  }
  const { beyond, behind, limit } = gate;
  const words =
    `of the ${behind} films that should pass, and that its limit was checked on, it refuses ` +
    `${beyond}`;
  // Where these films have moved the limit, their number says nothing of new ones.
  if (limit !== 0) {
    return words;
  }
  const { low, high } = shareOf(beyond, behind);
  return `${words} (95 % interval ${percent(low)} to ${percent(high)})`;
}

/** A small picture with its name. */
function exampleOf({ name, source, description }: Example, relation: string): HTMLLIElement {
  const image = made("img");
  image.src = source;
  image.alt = description;
  const words = made("span", `${relation}: ${kindWords(name)}`);
  return madeOf("li", [image, words]);
}
