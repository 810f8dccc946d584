// The cover over the film: moved by mouse, finger or keys; each move asks the network again.
import type { Answer, Film, PageData } from "../types.ts";
import { differenceOf, strongestTwo } from "./answers.ts";
import { pen, resizeCanvas } from "./canvas.ts";
import {
  afterKey,
  coveredFilm,
  coverWords,
  movedTo,
  newCover,
  pixelsUnder,
  resized,
} from "./cover.ts";
import type { Cover } from "./cover.ts";
import { find } from "./dom.ts";
import { Newest } from "./newest.ts";
import { differenceName, plainNumber, probabilityWords } from "./words.ts";

const LONGEST_TRACE = 60; // answers that the small curve holds
const TRACE_HEIGHT = 56; // px
const QUIET = 700; // so long a cover rests before its answer is read out (ms)

/** What the cover lies on. */
interface Subject {
  film: Film;
  answer: Answer; // of the film without a cover
}

/** The cover, and what the network says of what is left. */
export class CoverView {
  private readonly data: PageData;
  private readonly ask: (film: Film) => Promise<Answer>;
  private readonly fail: (problem: unknown) => void;
  private readonly layer = find("cover");
  private readonly square = find("cover-square");
  private readonly button = find<HTMLButtonElement>("cover-button");
  private readonly trace = find<HTMLCanvasElement>("trace");
  private readonly questions: Newest<Cover>;
  private subject: Subject | null = null;
  private cover: Cover | null = null;
  private differences: number[] = [];
  private quiet = 0; // the timer after which an answer is read out

  constructor(
    data: PageData,
    ask: (film: Film) => Promise<Answer>,
    fail: (problem: unknown) => void,
  ) {
    this.data = data;
    this.ask = ask;
    this.fail = fail;
    this.questions = new Newest((cover) => this.askUnder(cover));
    this.listen();
  }

  /** Take up a film and its answer, without a cover; null: there is none. */
  take(subject: Subject | null): void {
    this.remove();
    this.subject = subject;
    this.button.disabled = subject === null;
  }

  /** Mouse, finger, keys and buttons. */
  private listen(): void {
    this.button.addEventListener("click", () => (this.cover === null ? this.lay() : this.remove()));
    find("cover-remove").addEventListener("click", () => this.removeByHand());
    find("cover-smaller").addEventListener("click", () => this.grow(-1));
    find("cover-larger").addEventListener("click", () => this.grow(1));

    this.layer.addEventListener("pointerdown", (event) => {
      this.layer.setPointerCapture(event.pointerId);
      this.moveUnder(event);
    });
    this.layer.addEventListener("pointermove", (event) => {
      if (this.layer.hasPointerCapture(event.pointerId)) {
        this.moveUnder(event);
      }
    });
    this.layer.addEventListener("keydown", (event) => this.onKey(event));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.cover !== null) {
        this.removeByHand();
      }
    });
    new ResizeObserver(() => this.drawTrace()).observe(find("cover-side"));
  }

  /** Lay a cover on the middle of the film. */
  private lay(): void {
    if (this.subject === null) {
      return;
    }
    this.subject = { ...this.subject }; // answers to an earlier cover are not about this one
    this.differences = [];
    this.layer.hidden = false;
    find("cover-side").hidden = false;
    this.button.setAttribute("aria-pressed", "true");
    find("cover-note").textContent =
      "Arrow keys, mouse or finger move the cover; + and − change its size.";
    find("cover-score").textContent = "Asking …";
    this.place(newCover(this.subject.film));
    this.layer.focus({ preventScroll: true });
  }

  /** Take the cover away. */
  private remove(): void {
    window.clearTimeout(this.quiet);
    this.questions.clear();
    this.cover = null;
    this.layer.hidden = true;
    find("cover-side").hidden = true;
    this.button.setAttribute("aria-pressed", "false");
  }

  /** Take it away, and go back to the button that brought it. */
  private removeByHand(): void {
    this.remove();
    this.button.focus();
  }

  /** Move or grow the cover by a key. */
  private onKey(event: KeyboardEvent): void {
    const hasModifier = event.ctrlKey || event.metaKey || event.altKey;
    if (this.cover === null || this.subject === null || hasModifier) {
      return;
    }
    const cover = afterKey(this.cover, event.key, this.subject.film);
    if (cover !== null) {
      event.preventDefault();
      this.place(cover);
    }
  }

  /** Move the cover under the pointer. */
  private moveUnder(event: PointerEvent): void {
    if (this.cover === null || this.subject === null) {
      return;
    }
    const { film } = this.subject;
    const box = this.layer.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * film.width;
    const y = ((event.clientY - box.top) / box.height) * film.height;
    this.place(movedTo(this.cover, x, y, film));
  }

  /** Make the cover larger (1) or smaller (−1). */
  private grow(steps: number): void {
    if (this.cover !== null && this.subject !== null) {
      this.place(resized(this.cover, steps, this.subject.film));
    }
  }

  /** Lay the cover on a place, and ask what the network says. */
  private place(cover: Cover): void {
    if (this.subject === null) {
      return;
    }
    this.cover = cover;
    const { width, height } = this.subject.film;
    const { left, top, right, bottom } = pixelsUnder(cover, this.subject.film);
    this.square.style.left = `${(100 * left) / width}%`;
    this.square.style.top = `${(100 * top) / height}%`;
    this.square.style.width = `${(100 * (right - left)) / width}%`;
    this.square.style.height = `${(100 * (bottom - top)) / height}%`;
    this.questions.put(cover);
  }

  /** Ask what the network says of the film under a cover. */
  private async askUnder(cover: Cover): Promise<void> {
    const { subject } = this;
    if (subject === null || this.cover === null) {
      return;
    }
    try {
      const answer = await this.ask(coveredFilm(subject.film, cover));
      if (subject === this.subject && this.cover !== null) {
        this.show(subject, answer, cover);
      }
    } catch (problem) {
      if (subject === this.subject) {
        this.fail(problem);
      }
    }
  }

  /** Show how far the answer has moved. */
  private show(subject: Subject, answer: Answer, cover: Cover): void {
    const { classes } = this.data;
    const pair = strongestTwo(subject.answer.logits);
    const before = differenceOf(subject.answer.logits, pair);
    const now = differenceOf(answer.logits, pair);
    this.differences = [...this.differences, now].slice(-LONGEST_TRACE);
    this.drawTrace();

    const named = strongestTwo(answer.logits).target;
    const probabilityBefore = probabilityWords(subject.answer.probabilities[pair.target]);
    const probabilityNow = probabilityWords(answer.probabilities[named]);
    const score =
      `${classes[pair.target]} (${probabilityBefore}) → ${classes[named]} (${probabilityNow})`;
    find("cover-score").textContent = score;
    find("cover-note").textContent =
      `The ${differenceName(classes[pair.target], classes[pair.other])}: ` +
      `${plainNumber(before)} → ${plainNumber(now)}. All else here is about the whole film.`;

    // Who hears the page is told where the cover rests, not each step of its way.
    window.clearTimeout(this.quiet);
    this.quiet = window.setTimeout(() => {
      const place = coverWords(cover, subject.film);
      find("spoken").textContent = `Cover at ${place}: ${score}.`;
    }, QUIET);
  }

  /** The small curve: the difference at each answer, and what it was before. */
  private drawTrace(): void {
    if (this.cover === null || this.subject === null || this.trace.parentElement === null) {
      return;
    }
    const { logits } = this.subject.answer;
    const before = differenceOf(logits, strongestTwo(logits));
    resizeCanvas(this.trace, Math.max(40, this.trace.parentElement.clientWidth), TRACE_HEIGHT);
    const context = pen(this.trace);
    const style = getComputedStyle(this.trace);
    const values = [...this.differences, before, 0];
    const low = Math.min(...values);
    const span = Math.max(...values) - low || 1;
    const margin = 0.08 * this.trace.height;
    const down = (value: number) =>
      this.trace.height - margin - ((value - low) / span) * (this.trace.height - 2 * margin);
    const across = (place: number) => ((place + 0.5) / LONGEST_TRACE) * this.trace.width;

    // Dashed: no cover. Thin: neither class.
    context.lineWidth = window.devicePixelRatio || 1;
    context.strokeStyle = style.getPropertyValue("--faint");
    drawLine(context, [0, this.trace.width], [down(0), down(0)]);
    context.setLineDash([4 * context.lineWidth, 4 * context.lineWidth]);
    context.strokeStyle = style.getPropertyValue("--ink");
    drawLine(context, [0, this.trace.width], [down(before), down(before)]);
    context.setLineDash([]);
    context.lineWidth *= 2;
    context.strokeStyle = style.getPropertyValue("--accent");
    const places = this.differences.map((_, place) => across(place));
    drawLine(context, places, this.differences.map(down));
    const last = this.differences.at(-1);
    if (last !== undefined) {
      context.fillStyle = style.getPropertyValue("--accent");
      context.beginPath();
      context.arc(places[places.length - 1], down(last), 2 * context.lineWidth, 0, 2 * Math.PI);
      context.fill();
    }
    this.trace.setAttribute(
      "aria-label",
      `The difference over the last ${this.differences.length} covers; dashed: without a cover, ` +
        `${plainNumber(before)}`,
    );
  }
}

/** Draw a line through points. */
function drawLine(context: CanvasRenderingContext2D, across: number[], down: number[]): void {
  context.beginPath();
  across.forEach((x, point) => context.lineTo(x, down[point]));
  context.stroke();
}
