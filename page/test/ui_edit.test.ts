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

/** What some buttons, one after the other, make of a film as it came. */
function pressed(...edits: edit.Edit[]): edit.Change {
  return edits.reduce(edit.afterEdit, edit.AS_IT_CAME);
}

/** The film that is seen after some buttons. */
function seen(...edits: edit.Edit[]): Film {
  return edit.changedFilm(FILM, pressed(...edits));
}

test("films are mirrored, inverted and turned", () => {
  assert.deepEqual(seen("mirror"), filmOf([[3, 2, 1], [6, 5, 4]]));
  assert.deepEqual(seen("invert"), filmOf([[254, 253, 252], [251, 250, 249]]));
  assert.deepEqual(seen("left"), filmOf([[3, 6], [2, 5], [1, 4]]));
  assert.deepEqual(seen("right"), filmOf([[4, 1], [5, 2], [6, 3]]));
  assert.deepEqual(seen("left", "left"), filmOf([[6, 5, 4], [3, 2, 1]]));
});

test("what is undone is the film as it came", () => {
  const undone: edit.Edit[][] = [
    [],
    ["mirror", "mirror"],
    ["invert", "invert"],
    ["left", "right"],
    ["left", "left", "left", "left"],
    ["mirror", "left", "mirror", "left"],
    ["invert", "left", "invert", "right"],
  ];
  for (const edits of undone) {
    const change = pressed(...edits);
    assert.ok(edit.isAsItCame(change), edits.join());
    assert.equal(edit.changeNames(change), "");
    assert.equal(edit.changedFilm(FILM, change), FILM); // itself, and no copy
  }
  assert.ok(!edit.isAsItCame(pressed("left", "left")));
});

test("the net change makes what the buttons make one after the other", () => {
  // Every way to press up to four buttons, against each button's own film.
  let ways: { change: edit.Change; film: Film }[] = [{ change: edit.AS_IT_CAME, film: FILM }];
  for (let presses = 0; presses < 4; presses += 1) {
    ways = ways.flatMap(({ change, film }) =>
      edit.EDITS.map((button) => ({
        change: edit.afterEdit(change, button),
        film: edit.changedFilm(film, pressed(button)),
      })),
    );
    for (const { change, film } of ways) {
      assert.deepEqual(edit.changedFilm(FILM, change), film);
    }
  }
});

test("the net change in words, in the order of the buttons", () => {
  const words: [edit.Edit[], string][] = [
    [["mirror"], "mirrored"],
    [["left", "left"], "turned by 180°"],
    [["left", "left", "left"], "turned to the right"],
    [["mirror", "left"], "mirrored, turned to the left"],
    [["left", "mirror"], "turned to the left, mirrored"],
    [["left", "mirror", "left"], "mirrored"],
    [["mirror", "left", "left"], "mirrored, turned by 180°"],
    [["invert", "right"], "turned to the right, inverted"],
    [["left", "mirror", "mirror"], "turned to the left"],
  ];
  for (const [edits, names] of words) {
    assert.equal(edit.changeNames(pressed(...edits)), names);
  }
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
