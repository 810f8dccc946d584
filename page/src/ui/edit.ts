// What the buttons do to a film.
import { invert, mirror, rotate270, rotate90 } from "../film/pillow.ts";
import type { Film } from "../types.ts";

/** A change that a button makes, and what it is called. */
export interface Edit {
  name: string;
  apply: (film: Film) => Film;
}

/** The buttons, by the last part of their id. */
export const EDITS: Record<string, Edit> = {
  mirror: { name: "mirrored", apply: mirror },
  invert: { name: "inverted", apply: invert },
  left: { name: "rotated left", apply: rotate90 },
  right: { name: "rotated right", apply: rotate270 },
};

/** A film no larger than a side, for the screen: every pixel the mean of those it stands for. */
export function shrunk(film: Film, side: number): Film {
  const scale = Math.max(film.width, film.height) / side;
  if (scale <= 1) {
    return film;
  }
  const width = Math.max(1, Math.round(film.width / scale));
  const height = Math.max(1, Math.round(film.height / scale));
  const greys = new Uint8Array(width * height);
  for (let row = 0; row < height; row += 1) {
    const top = Math.floor((row * film.height) / height);
    const bottom = Math.max(top + 1, Math.floor(((row + 1) * film.height) / height));
    for (let column = 0; column < width; column += 1) {
      const left = Math.floor((column * film.width) / width);
      const right = Math.max(left + 1, Math.floor(((column + 1) * film.width) / width));
      greys[row * width + column] = meanGrey(film, left, top, right, bottom);
    }
  }
  return { width, height, greys };
}

/** The mean grey of a rectangle; its right and bottom edges are not in it. */
function meanGrey(film: Film, left: number, top: number, right: number, bottom: number): number {
  let sum = 0;
  for (let row = top; row < bottom; row += 1) {
    for (let column = left; column < right; column += 1) {
      sum += film.greys[row * film.width + column];
    }
  }
  return Math.round(sum / ((right - left) * (bottom - top)));
}
