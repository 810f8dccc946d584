// Rules of the film reader that can be told without the library.
import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutBorder } from "../src/film/border.ts";
import { orientation, turned } from "../src/film/exif.ts";
import { rounded, stretched } from "../src/film/greys.ts";
import { unpacked } from "../src/film/inflate.ts";
import { checkSize } from "../src/film/limits.ts";
import { autocontrast, crop, mirror, resize, rotate90 } from "../src/film/pillow.ts";
import { BadFilm, readFilm } from "../src/film/read.ts";
import type { Film } from "../src/types.ts";

const FILM: Film = { width: 3, height: 2, greys: Uint8Array.of(1, 2, 3, 4, 5, 6) };

/** What a film without EXIF data or XMP says of itself. */
const NO_NOTES = { exif: new Uint8Array(0), xmp: "" };

/** A decoder for files that hold no JPEG. */
async function noJpeg(): Promise<never> {
  throw new Error("there is no JPEG here");
}

/** The words with which some bytes are refused. */
async function refusal(bytes: Uint8Array): Promise<string> {
  try {
    await readFilm(bytes, noJpeg);
  } catch (error) {
    assert.ok(error instanceof BadFilm);
    return error.message;
  }
  return "";
}

/** The bytes of a text. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

test("halves are rounded to the even number", () => {
  assert.deepEqual([0.5, 1.5, 2.5, 2.4, 2.6].map(rounded), [0, 2, 2, 2, 3]);
});

test("the 1st percentile becomes black, the 99th white", () => {
  const values = Uint16Array.from({ length: 101 }, (_, i) => 10 * i);
  const greys = stretched(values);
  assert.equal(greys[1], 0);
  assert.equal(greys[50], 128);
  assert.equal(greys[99], 255);
});

test("a film of one grey stays dark", () => {
  assert.deepEqual([...stretched(new Uint16Array(4).fill(700))], [0, 0, 0, 0]);
});

test("turns are counter-clockwise", () => {
  assert.deepEqual([...rotate90(FILM).greys], [3, 6, 2, 5, 1, 4]);
  assert.deepEqual([...mirror(FILM).greys], [3, 2, 1, 6, 5, 4]);
  assert.deepEqual([...crop(FILM, 1, 0, 3, 1).greys], [2, 3]);
});

test("each orientation of EXIF is undone", () => {
  const first = [1, 3, 6, 4, 1, 4, 6, 3];
  const shown = first.map((_, i) => turned(FILM, { ...NO_NOTES, xmp: xmpOf(i + 1) }).greys[0]);
  assert.deepEqual(shown, first);
  assert.equal(orientation({ exif: bytesOf("nonsense"), xmp: xmpOf(6) }), 1);
});

/** XMP that names an orientation. */
function xmpOf(number: number): string {
  return `<x tiff:Orientation="${number}"/>`;
}

test("a film resized to its own size is itself", () => {
  assert.equal(resize(FILM, 3, 2), FILM);
  assert.deepEqual([...resize(FILM, 1, 1).greys], [4]);
});

test("contrast is stretched, but for the darkest and brightest pixels", () => {
  const greys = Uint8Array.from({ length: 200 }, (_, i) => 20 + (i % 100));
  const bright = autocontrast({ width: 200, height: 1, greys }, 1);
  assert.equal(bright.greys[0], 0);
  assert.equal(bright.greys[99], 255);
});

test("a border of one grey is taken off, and a film without one is itself", () => {
  const inner = Uint8Array.from({ length: 40 * 40 }, (_, i) => (i * 37) % 256);
  const film = { width: 40, height: 40, greys: inner };
  assert.equal(withoutBorder(film), film);
  const wide = { width: 40, height: 44, greys: new Uint8Array(40 * 44) };
  wide.greys.set(inner, 2 * 40);
  const { width, height } = withoutBorder(wide);
  assert.deepEqual([width, height], [40, 40]);
});

test("unpacking stops where it is too much", async () => {
  const zeros = new Blob([new Uint8Array(2 ** 22)]).stream();
  const stream = zeros.pipeThrough(new CompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  const some = await unpacked(packed, 1000, "deflate");
  assert.deepEqual([some.bytes.length, some.hasMore], [1000, true]);
  const cut = await unpacked(packed.subarray(0, 500), 2 ** 23, "deflate");
  assert.equal(cut.isWhole, false);
});

test("more pixels than any film has are refused", () => {
  checkSize(7000, 8000);
  assert.throws(() => checkSize(10_000, 10_000), BadFilm);
  assert.throws(() => checkSize(7000, 8000, 8), /of this depth/);
});

test("what is no film is called by its name", async () => {
  assert.match(await refusal(new Uint8Array(0)), /empty/);
  assert.match(await refusal(bytesOf("<!DOCTYPE html>")), /a web page/);
  assert.match(await refusal(bytesOf("%PDF-1.7")), /a PDF/);
  assert.match(await refusal(bytesOf("II*\0 and so on")), /a TIFF.* save it as PNG/);
  assert.match(await refusal(bytesOf("\x89PNG\r\n\x1a\n and no more")), /damaged/);
  assert.match(await refusal(bytesOf("a letter to a friend")), /not a film/);
});
