// What the buttons do to a film.
import type { Film } from "../types.ts";

/** A film of given sides whose every pixel is taken from a place of another one. */
function rearranged(
  film: Film,
  width: number,
  height: number,
  placeOf: (row: number, column: number) => number,
): Film {
  const greys = new Uint8Array(width * height);
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      greys[row * width + column] = film.greys[placeOf(row, column)];
    }
  }
  return { width, height, greys };
}

/** Left for right. */
export function mirrored(film: Film): Film {
  const { width, height } = film;
  return rearranged(film, width, height, (row, column) => (row + 1) * width - 1 - column);
}

/** Black for white. */
export function inverted(film: Film): Film {
  return { ...film, greys: film.greys.map((grey) => 255 - grey) };
}

/** A quarter turn against the clock. */
export function rotatedLeft(film: Film): Film {
  const { width, height } = film;
  return rearranged(film, height, width, (row, column) => (column + 1) * width - 1 - row);
}

/** A quarter turn with the clock. */
export function rotatedRight(film: Film): Film {
  const { width, height } = film;
  return rearranged(film, height, width, (row, column) => (height - 1 - column) * width + row);
}

/** A change that a button makes, and what it is called. */
export interface Edit {
  name: string;
  apply: (film: Film) => Film;
}

/** The buttons, by the last part of their id. */
export const EDITS: Record<string, Edit> = {
  mirror: { name: "mirrored", apply: mirrored },
  invert: { name: "inverted", apply: inverted },
  left: { name: "rotated left", apply: rotatedLeft },
  right: { name: "rotated right", apply: rotatedRight },
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
