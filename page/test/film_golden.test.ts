// The page reads a film as the library does, byte for byte.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { test } from "node:test";
import { withoutBorder } from "../src/film/border.ts";
import { invert, mirror, resize, rotate180, rotate270, rotate90 } from "../src/film/pillow.ts";
import { madePlain } from "../src/film/plain.ts";
import { BadFilm, readFilm } from "../src/film/read.ts";
import type { Film } from "../src/types.ts";
import { decoderOf, folder, isSame, readGolden } from "./film_support.ts";
import type { Golden, GoldenAnswer } from "./film_support.ts";

const skip = folder === undefined ? "FILM_GOLDEN names no folder of film_golden.py" : false;

/** What the page makes of a file: a film, or why it is none. */
async function pageAnswer(path: string, golden: Golden): Promise<Film | string> {
  try {
    return await readFilm(readFileSync(path), decoderOf(golden));
  } catch (error) {
    assert.ok(error instanceof BadFilm, `${basename(path)}: ${error}`);
    return error.message;
  }
}

/** What differs between a film and the library's; "" where nothing does. */
function difference(film: Film, answer: GoldenAnswer, golden: Golden): string {
  const checks: [string, boolean][] = [
    ["film", isSame(film, answer.film)],
    ["border", isSame(withoutBorder(film), answer.border)],
    ["plain", isSame(madePlain(film), answer.plain)],
    ["90°", isSame(rotate90(film), answer.turns[0])],
    ["180°", isSame(rotate180(film), answer.turns[1])],
    ["270°", isSame(rotate270(film), answer.turns[2])],
    ["mirror", isSame(mirror(film), answer.mirror)],
    ["invert", isSame(invert(film), answer.invert)],
  ];
  golden.sizes.forEach(([width, height], i) => {
    checks.push([`${width}×${height}`, isSame(resize(film, width, height), answer.sizes[i])]);
  });
  const wrong = checks.filter(([, isRight]) => !isRight);
  return wrong.map(([name]) => name).join(", ");
}

// Files that only the library reads: the page says so, in words that are not always the library's.
const ONLY_LIBRARY = /^other_/;

test("films are the library's, and what is none is refused", { skip }, async () => {
  const golden = readGolden();
  const counts = { equal: 0, different: 0, both: 0, onlyPage: 0, onlyLibrary: 0 };
  const failures: string[] = [];
  const expected: string[] = [];
  for (const [path, answer] of Object.entries(golden.answers)) {
    const name = basename(path);
    const found = await pageAnswer(path, golden);
    const isRefused = typeof found === "string";
    if (answer.error !== undefined) {
      counts[isRefused ? "both" : "onlyLibrary"] += 1;
      if (!isRefused) {
        failures.push(`${name}: only the library refuses it: ${answer.error}`);
      } else if (found !== answer.error) {
        expected.push(`${name}: ${found}\n    the library: ${answer.error}`);
      }
    } else if (isRefused) {
      counts.onlyPage += 1;
      const list = ONLY_LIBRARY.test(name) || found.includes("does not read") ? expected : failures;
      list.push(`${name}: only the page refuses it: ${found}`);
    } else {
      const wrong = difference(found, answer, golden);
      counts[wrong === "" ? "equal" : "different"] += 1;
      if (wrong !== "") {
        failures.push(`${name}: differs in ${wrong}`);
      }
    }
  }
  console.log(JSON.stringify(counts));
  if (process.env.FILM_GOLDEN_WORDS !== undefined) {
    console.log(expected.join("\n"));
  }
  assert.deepEqual(failures, []);
});
