// What the network says of a film.
import type { Answer, PageData } from "../types.ts";
import { strongestTwo } from "./answers.ts";
import { find, made, madeOf } from "./dom.ts";
import { asSentence, countWords, listed, plainNumber, probabilityWords, signed } from "./words.ts";

const TALL = 900; // of a window with room for all of an answer (px)
const WIDE = 1000;

/** The class and its probability: "chest, probability 0.98". */
export function answerWords(answer: Answer, classes: string[]): string {
  const { target } = strongestTwo(answer.logits);
  return `${classes[target]}, probability ${probabilityWords(answer.probabilities[target])}`;
}

/** A bar for a share of 1. */
export function shareBar(share: number): HTMLElement {
  const bar = made("span", "", "bar");
  const filled = made("span", "", "bar-filled");
  filled.style.width = `${100 * share}%`;
  bar.append(filled);
  return bar;
}

/** Rows with name, logit and probability of each class. */
export function classRows(answer: Answer, classes: string[]): HTMLTableRowElement[] {
  return classes.map((name, label) => {
    const title = made("th", name);
    title.scope = "row";
    const share = answer.probabilities[label];
    return madeOf("tr", [
      title,
      made("td", signed(answer.logits[label]), "number"),
      madeOf("td", [shareBar(share)], "bar-cell"),
      made("td", probabilityWords(share), "number"),
    ]);
  });
}

/** The panel of the network. */
export class NetworkView {
  private readonly data: PageData;
  private readonly panel = find("network");

  constructor(data: PageData) {
    this.data = data;
    find("network-temperature").textContent = this.temperatureWords();

    // Where there is room, nothing needs to be opened first.
    const hasRoom = window.innerHeight >= TALL && window.innerWidth >= WIDE;
    find<HTMLDetailsElement>("network-details").open = hasRoom;
  }

  /** Take the last answer away. */
  clear(): void {
    this.panel.hidden = true;
  }

  /** Show an answer, muted where the gate has refused the film. */
  show(answer: Answer, isRefused: boolean): void {
    const { classes } = this.data;
    const { target } = strongestTwo(answer.logits);
    const name = made("b", classes[target], "class-name");
    const number = made("b", probabilityWords(answer.probabilities[target]));
    const line = find("network-answer");
    if (isRefused) {
      line.replaceChildren(
        made("span", "The network would still say: "),
        name,
        ", ",
        number,
        `. It knows ${countWords(classes.length)} words: ${listed(classes)}.`,
      );
    } else {
      line.replaceChildren(name, made("span", ", probability "), number);
    }
    this.panel.classList.toggle("is-muted", isRefused);
    this.panel.hidden = false;
    find("network-classes").replaceChildren(...classRows(answer, classes));
  }

  /** What softmax was told of calibration. */
  private temperatureWords(): string {
    const { temperature, temperatureWords } = this.data;
    const neither =
      "A logit is a class’s score; softmax makes shares of 1 of them, and cannot say “neither”.";
    if (temperatureWords === "") {
      return (
        "Not calibrated: no temperature was fitted, so do not read the probability as a " +
        `frequency. ${neither}`
      );
    }
    const divided =
      temperature === 1
        ? ""
        : `The logits are divided by the temperature ${plainNumber(temperature)}. `;
    return `${divided}${asSentence(temperatureWords)} ${neither}`;
  }
}
