// The part of a film inside its border.
import type { Film } from "../types.ts";
import { crop } from "./pillow.ts";

/** What a line of a border is like. */
interface Evenness {
  greys: number; // from its darkest to its brightest pixel, at most
  spare: number; // share of its darkest pixels, and of its brightest, that may be anything
}

const BORDERS: Evenness[] = [
  { greys: 12, spare: 0.02 },
  { greys: 30, spare: 0.1 },
];
const LEAST_CONTENT = 0.2; // share of height and of width that a border leaves at least
const LEAST_SIDE = 16; // the same (px)

/** A part of a film (px); `right` and `bottom` are outside. */
interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

type Side = keyof Box;
const SIDES: Side[] = ["top", "right", "bottom", "left"]; // in the order they are stripped

/** Whether a line is of one grey, but for a few pixels; `step`: places from one to the next. */
function isOfBorder(
  greys: Uint8Array,
  start: number,
  step: number,
  length: number,
  rule: Evenness,
): boolean {
  const counts = new Uint32Array(256);
  for (let i = 0; i < length; i++) {
    counts[greys[start + i * step]] += 1;
  }
  const spare = Math.trunc(rule.spare * length);
  const darkest = greyAt(counts, spare);
  const brightest = greyAt(counts, length - 1 - spare);
  return brightest - darkest <= rule.greys;
}

/** The grey of the pixel at a place, if all were sorted from dark to bright. */
function greyAt(counts: Uint32Array, place: number): number {
  let upToHere = 0;
  for (let grey = 0; grey < 256; grey++) {
    upToHere += counts[grey];
    if (upToHere > place) {
      return grey;
    }
  }
  return 255;
}

/** Whether the outermost line at a side of a box, which has pixels, is of its border. */
function isFlat(film: Film, box: Box, side: Side, rule: Evenness): boolean {
  if (side === "top" || side === "bottom") {
    const row = side === "top" ? box.top : box.bottom - 1;
    const start = row * film.width + box.left;
    return isOfBorder(film.greys, start, 1, box.right - box.left, rule);
  }
  const column = side === "left" ? box.left : box.right - 1;
  const start = box.top * film.width + column;
  return isOfBorder(film.greys, start, film.width, box.bottom - box.top, rule);
}

/** Whether there are no pixels in a box. */
function isEmpty(box: Box): boolean {
  return box.left >= box.right || box.top >= box.bottom;
}

/** What part of a film lies inside its border: empty, if all of the film is of one grey. */
function insideBorder(film: Film, rule: Evenness): Box {
  const box = { left: 0, top: 0, right: film.width, bottom: film.height };
  let turn = 0;
  let cleanSides = 0; // in turn
  while (cleanSides < SIDES.length && !isEmpty(box)) {
    // Strip one side, line by line, then go on to the next.
    const side = SIDES[turn % SIDES.length];
    const inwards = side === "top" || side === "left" ? 1 : -1;
    const before = box[side];
    while (!isEmpty(box) && isFlat(film, box, side, rule)) {
      box[side] += inwards;
    }
    cleanSides = box[side] === before ? cleanSides + 1 : 1;
    turn += 1;
  }
  return box;
}

/** Whether two parts of a film have the same size. */
function haveOneSize(first: Box, second: Box): boolean {
  const isAsWide = first.right - first.left === second.right - second.left;
  return isAsWide && first.bottom - first.top === second.bottom - second.top;
}

/** Whether enough of a film is left in a box. */
function isLargeEnough(box: Box, film: Film): boolean {
  const isWide = box.right - box.left >= Math.max(LEAST_CONTENT * film.width, LEAST_SIDE);
  const isHigh = box.bottom - box.top >= Math.max(LEAST_CONTENT * film.height, LEAST_SIDE);
  return isWide && isHigh;
}

/** A film inside its border; the film itself, if there is none or hardly anything would be left. */
export function withoutBorder(film: Film): Film {
  const found: Box[] = [{ left: 0, top: 0, right: film.width, bottom: film.height }];
  for (const rule of BORDERS) {
    const box = insideBorder(film, rule);
    const isNew = found.every((other) => !haveOneSize(other, box));
    if (isNew && isLargeEnough(box, film)) {
      found.push(box);
    }
  }
  if (found.length === 1) {
    return film;
  }
  // The last rule takes off most.
  const box = found[found.length - 1];
  return crop(film, box.left, box.top, box.right, box.bottom);
}
