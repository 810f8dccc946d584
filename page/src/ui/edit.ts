// What the buttons do to a film, all in all.
import { invert, mirror, rotate180, rotate270, rotate90 } from "../film/pillow.ts";
import type { Film } from "../types.ts";

/** The buttons that change a film, by the last part of their id. */
export const EDITS = ["mirror", "invert", "left", "right"] as const;
export type Edit = (typeof EDITS)[number];

/** How a film differs from what came: it is mirrored, then turned, then inverted. */
export interface Change {
  isMirrored: boolean;
  leftTurns: number; // quarter turns to the left, 0 to 3
  isInverted: boolean;
  isMirroredLast: boolean; // mirror was pressed after the turns: the words keep this order
}

export const AS_IT_CAME: Change = {
  isMirrored: false,
  leftTurns: 0,
  isInverted: false,
  isMirroredLast: false,
};

// Nothing, one, two and three quarter turns to the left.
const TURNS = [
  { name: "", apply: (film: Film) => film },
  { name: "turned to the left", apply: rotate90 },
  { name: "turned by 180°", apply: rotate180 },
  { name: "turned to the right", apply: rotate270 },
];

/** The same turns as a mirror shows them. */
function mirroredTurns(leftTurns: number): number {
  return (4 - leftTurns) % 4;
}

/** A film turned further to the left. */
function turned(change: Change, leftTurns: number): Change {
  return {
    ...change,
    leftTurns: (change.leftTurns + leftTurns) % 4,
    isMirroredLast: false,
  };
}

/** What a change becomes by one more button. */
export function afterEdit(change: Change, edit: Edit): Change {
  switch (edit) {
    case "mirror":
      return {
        ...change,
        isMirrored: !change.isMirrored,
        leftTurns: mirroredTurns(change.leftTurns),
        isMirroredLast: true,
      };
    case "invert":
      return { ...change, isInverted: !change.isInverted };
    case "left":
      return turned(change, 1);
    case "right":
      return turned(change, 3);
  }
}

/** Is the film what came? */
export function isAsItCame({ isMirrored, leftTurns, isInverted }: Change): boolean {
  return !isMirrored && leftTurns === 0 && !isInverted;
}

/** The film that a change makes of what came. */
export function changedFilm(came: Film, change: Change): Film {
  const mirrored = change.isMirrored ? mirror(came) : came;
  const upright = TURNS[change.leftTurns].apply(mirrored);
  return change.isInverted ? invert(upright) : upright;
}

/** A change in words: "mirrored, turned to the left, inverted". */
export function changeNames(change: Change): string {
  const { isMirrored, leftTurns, isInverted, isMirroredLast } = change;
  const inverted = isInverted ? "inverted" : "";
  const turnedFirst = TURNS[mirroredTurns(leftTurns)].name;
  const turnedLast = TURNS[leftTurns].name;
  let parts = [turnedLast];
  if (isMirrored) {
    parts = isMirroredLast ? [turnedFirst, "mirrored"] : ["mirrored", turnedLast];
  }
  return [...parts, inverted].filter((part) => part !== "").join(", ");
}

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
