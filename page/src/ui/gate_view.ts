// What the gate says of a film.
import type { Example, GateAnswer, PageData, PageGate } from "../types.ts";
import { find, made, madeOf, say } from "./dom.ts";
import { shareOf } from "./threshold.ts";
import {
  displayName,
  gateFilmsWords,
  nearestWords,
  otherWords,
  percent,
  plainNumber,
} from "./words.ts";

const USUAL_END = 0.8; // the scale goes from −0.8 to 0.8, or farther if the film needs it
const JUST = 0.05; // from the limit; 36 simulated films lay 0.34 to 0.73 from that of our own page
const NARROW = "(max-width: 760px)"; // a window with one column, as in style.css

/** Does a film lie so close to the limit that it is hardly on its side of it? */
export function isOnlyJust(stranger: number, limit: number): boolean {
  return Math.abs(stranger - limit) < JUST;
}

/** The gate's answer in one sentence. */
export function gateSentence(
  { isAccepted, stranger }: GateAnswer,
  { isLearned, limit }: Pick<PageGate, "isLearned" | "limit">,
): string {
  const films = gateFilmsWords(isLearned);
  const verdict = isAccepted ? "Passes" : "Refused";
  if (isOnlyJust(stranger, limit)) {
    return `${verdict}, but only just: close to the limit.`;
  }
  return isAccepted ? `${verdict}: like ${films}.` : `${verdict}: like none of ${films}.`;
}

/** The panel of the gate. */
export class GateView {
  private readonly data: PageData;
  private readonly panel = find("gate");

  constructor(data: PageData) {
    this.data = data;

    // Where there is room, nothing needs to be opened first.
    const narrow = window.matchMedia(NARROW);
    const openWhereWide = () => {
      find<HTMLDetailsElement>("gate-details").open = !narrow.matches;
    };
    narrow.addEventListener("change", openWhereWide);
    openWhereWide();
  }

  /** Take the last answer away. */
  clear(): void {
    this.panel.hidden = true;
  }

  /** Show an answer; null: this page has no gate. */
  show(answer: GateAnswer | null): void {
    const { gate } = this.data;
    this.panel.hidden = false;
    this.panel.classList.toggle("is-refused", answer !== null && !answer.isAccepted);
    this.panel.classList.toggle("is-passed", answer !== null && answer.isAccepted);
    find("gate-body").hidden = answer === null;
    if (answer === null || gate === null) {
      find("gate-icon").textContent = "?";
      find("gate-words").textContent =
        "This page has no gate, so it answers for anything: a hand, or a photograph of a cat.";
      say(find("gate-note"), "");
      return;
    }
    find("gate-icon").textContent = answer.isAccepted ? "✓" : "✕";
    find("gate-words").textContent = gateSentence(answer, gate);
    this.showScale(answer, gate);
    this.showNeighbours(answer, gate);
    say(find("gate-note"), noteWords(answer, gate));
  }

  /** The film's number on a scale, beside the limit. */
  private showScale({ stranger }: GateAnswer, { limit }: PageGate): void {
    const end = Math.max(USUAL_END, 1.1 * Math.abs(stranger), 1.1 * Math.abs(limit));
    const place = (value: number) => `${(100 * (value + end)) / (2 * end)}%`;
    find("scale-passes").style.width = place(limit);
    find("scale-limit").style.left = place(limit);
    find("scale-film").style.left = place(stranger);
    find("scale-limit-name").style.left = place(limit);
    find("scale-limit-name").textContent = `limit ${plainNumber(limit)}`;
    find("gate-number").textContent =
      `Stranger number ${plainNumber(stranger)}, limit ${plainNumber(limit)}: the higher, the ` +
      "less like the films that the gate knows, and the more like others.";
  }

  /** What the film lies closest to, on both sides. */
  private showNeighbours(answer: GateAnswer, { isLearned }: PageGate): void {
    const { nearestLabels, other, isAccepted } = answer;
    find("gate-nearest").textContent = nearestWords(nearestLabels);
    const start = isAccepted ? "Closest of" : "Closer to";
    const words = otherWords(other, gateFilmsWords(isLearned));
    find("gate-other").textContent = `${start} what it should refuse: ${words}.`;

    // A picture of what else it is like, and one of the class that it is nearest to.
    const alike = this.exampleCalled(other);
    const known = this.exampleCalled(nearestLabels[0]);
    const pictures = [
      ...alike.map((example) => exampleOf(example, "to be refused")),
      ...known.map((example) => exampleOf(example, "known")),
    ];
    find("gate-pictures").hidden = pictures.length === 0;
    find("gate-examples").replaceChildren(...pictures);
  }

  /** An example of a kind or class, where there is one. */
  private exampleCalled(name: string): Example[] {
    return this.data.examples.filter((example) => example.name === name).slice(0, 1);
  }
}

/** What the gate's answer means. */
function noteWords({ isAccepted, stranger }: GateAnswer, { limit }: PageGate): string {
  const meaning = isAccepted
    ? "To pass does not make the answer right."
    : "For such a film the answer below means nothing.";
  const doubt = isOnlyJust(stranger, limit) ? " A little change may turn the verdict." : "";
  return meaning + doubt;
}

/** How often a gate refuses films that should pass; "" where nobody counted. */
export function trackRecord(gate: PageGate | null): string {
  if (gate === null || gate.behind === 0) {
    return "";
  }
  const { beyond, behind, limit } = gate;
  const words =
    `of the ${behind} films that its limit was checked on, and that should pass, it refused ` +
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
  const words = made("span", `${relation}: ${displayName(name)}`);
  return madeOf("li", [image, words]);
}
