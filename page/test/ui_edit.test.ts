import assert from "node:assert/strict";
import { test } from "node:test";
import * as cover from "../src/ui/cover.ts";
import * as edit from "../src/ui/edit.ts";
import type { Film } from "../src/types.ts";

/** A film from its rows. */
function filmOf(rows: number[][]): Film {
  return { width: rows[0].length, height: rows.length, greys: Uint8Array.from(rows.flat()) };
}

const FILM = filmOf([
  [1, 2, 3],
  [4, 5, 6],
]);

test("films are mirrored, inverted and rotated", () => {
  assert.deepEqual(edit.EDITS.mirror.apply(FILM), filmOf([[3, 2, 1], [6, 5, 4]]));
  assert.deepEqual(edit.EDITS.invert.apply(FILM), filmOf([[254, 253, 252], [251, 250, 249]]));
  assert.deepEqual(edit.EDITS.left.apply(FILM), filmOf([[3, 6], [2, 5], [1, 4]]));
  assert.deepEqual(edit.EDITS.right.apply(FILM), filmOf([[4, 1], [5, 2], [6, 3]]));
});

test("what is done twice, or there and back, changes nothing", () => {
  assert.deepEqual(edit.EDITS.mirror.apply(edit.EDITS.mirror.apply(FILM)), FILM);
  assert.deepEqual(edit.EDITS.invert.apply(edit.EDITS.invert.apply(FILM)), FILM);
  assert.deepEqual(edit.EDITS.left.apply(edit.EDITS.right.apply(FILM)), FILM);
});

test("a film for the screen has the mean greys", () => {
  assert.equal(edit.shrunk(FILM, 3), FILM);
  const film = filmOf([
    [0, 10, 20, 30],
    [0, 10, 20, 30],
  ]);
  assert.deepEqual(edit.shrunk(film, 2), filmOf([[5, 25]]));
  const narrow = { width: 1, height: 9, greys: new Uint8Array(9).fill(7) };
  assert.deepEqual(edit.shrunk(narrow, 3), { width: 1, height: 3, greys: Uint8Array.of(7, 7, 7) });
});

const LARGE = { width: 100, height: 200, greys: new Uint8Array(20000) };

test("a cover greys its square, and leaves the film as it was", () => {
  const square = { x: 10, y: 20, side: 4 };
  const covered = cover.coveredFilm(LARGE, square);
  assert.equal(covered.greys.filter((grey) => grey === cover.COVER_GREY).length, 16);
  assert.equal(covered.greys[18 * 100 + 8], cover.COVER_GREY);
  assert.equal(covered.greys[22 * 100 + 12], 0);
  assert.ok(LARGE.greys.every((grey) => grey === 0));
});

test("a cover at the edge covers what is on the film, and one pixel at least", () => {
  assert.deepEqual(cover.pixelsUnder({ x: 0, y: 0, side: 10 }, LARGE), {
    left: 0,
    top: 0,
    right: 5,
    bottom: 5,
  });
  const { left, right, top, bottom } = cover.pixelsUnder({ x: 100, y: 200, side: 0.1 }, LARGE);
  assert.deepEqual([left, right, top, bottom], [99, 100, 199, 200]);
});

test("keys move a cover and change its size, within the film", () => {
  const start = cover.newCover(LARGE);
  assert.deepEqual(start, { x: 50, y: 100, side: 20 });
  assert.equal(cover.afterKey(start, "ArrowLeft", LARGE)?.x, 47);
  assert.equal(cover.afterKey(start, "ArrowDown", LARGE)?.y, 103);
  assert.equal(cover.afterKey(start, "Tab", LARGE), null);
  let square = start;
  for (let i = 0; i < 100; i += 1) {
    square = cover.afterKey(square, "ArrowLeft", LARGE) ?? square;
    square = cover.afterKey(square, "+", LARGE) ?? square;
  }
  assert.deepEqual(square, { x: 0, y: 100, side: 80 });
  for (let i = 0; i < 100; i += 1) {
    square = cover.afterKey(square, "-", LARGE) ?? square;
  }
  assert.equal(square.side, 5);
});
