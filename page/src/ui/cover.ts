// The grey square that covers a part of a film.
import type { Film } from "../types.ts";

export const COVER_GREY = 130;
const USUAL_SHARE = 0.2; // side of a new cover, of the film's shorter side
const LEAST_SHARE = 0.05;
const GREATEST_SHARE = 0.8;
const STEP_SHARE = 0.03; // of the film's shorter side, by an arrow key
const GROWTH = 1.2; // by + or −

/** A cover, in the film's pixels. */
export interface Cover {
  x: number; // its middle, from the left
  y: number; // from the top
  side: number;
}

/** The sides of what is covered. */
type Size = Pick<Film, "width" | "height">;

/** A value, or the nearest that lies in a range. */
function within(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** The shorter side of a film. */
function shorterSide({ width, height }: Size): number {
  return Math.min(width, height);
}

/** A cover in the middle of a film. */
export function newCover(film: Size): Cover {
  return { x: film.width / 2, y: film.height / 2, side: USUAL_SHARE * shorterSide(film) };
}

/** A cover moved to a place, its middle always on the film. */
export function movedTo(cover: Cover, x: number, y: number, film: Size): Cover {
  return { ...cover, x: within(x, 0, film.width), y: within(y, 0, film.height) };
}

/** A cover made larger (1 or more steps) or smaller (−1). */
export function resized(cover: Cover, steps: number, film: Size): Cover {
  const side = cover.side * GROWTH ** steps;
  const shorter = shorterSide(film);
  return { ...cover, side: within(side, LEAST_SHARE * shorter, GREATEST_SHARE * shorter) };
}

/** What a key makes of a cover; null: the key means nothing here. */
export function afterKey(cover: Cover, key: string, film: Size): Cover | null {
  const step = STEP_SHARE * shorterSide(film);
  switch (key) {
    case "ArrowLeft":
      return movedTo(cover, cover.x - step, cover.y, film);
    case "ArrowRight":
      return movedTo(cover, cover.x + step, cover.y, film);
    case "ArrowUp":
      return movedTo(cover, cover.x, cover.y - step, film);
    case "ArrowDown":
      return movedTo(cover, cover.x, cover.y + step, film);
    case "+":
    case "=": // the same key without Shift
      return resized(cover, 1, film);
    case "-":
    case "−":
      return resized(cover, -1, film);
    default:
      return null;
  }
}

/** The pixels under a cover. */
export interface Covered {
  left: number;
  top: number;
  right: number; // the first column beyond it
  bottom: number; // the first row beyond it
}

/** The pixels of a film that lie under a cover: at least one. */
export function pixelsUnder(cover: Cover, film: Size): Covered {
  const half = cover.side / 2;
  const left = within(Math.round(cover.x - half), 0, film.width - 1);
  const top = within(Math.round(cover.y - half), 0, film.height - 1);
  return {
    left,
    top,
    right: within(Math.round(cover.x + half), left + 1, film.width),
    bottom: within(Math.round(cover.y + half), top + 1, film.height),
  };
}

/** A film with what lies under the cover in one grey; the film itself stays as it is. */
export function coveredFilm(film: Film, cover: Cover): Film {
  const { left, top, right, bottom } = pixelsUnder(cover, film);
  const greys = film.greys.slice();
  for (let row = top; row < bottom; row += 1) {
    greys.fill(COVER_GREY, row * film.width + left, row * film.width + right);
  }
  return { ...film, greys };
}

/** Where a cover lies, in words. */
export function coverWords(cover: Cover, film: Size): string {
  const across = Math.round((100 * cover.x) / film.width);
  const down = Math.round((100 * cover.y) / film.height);
  return `${across} % from the left, ${down} % from the top`;
}
