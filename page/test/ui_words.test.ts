import assert from "node:assert/strict";
import { test } from "node:test";
import * as words from "../src/ui/words.ts";

test("a probability is never 1 or 0", () => {
  assert.equal(words.probabilityWords(0.999999), "> 0.99");
  assert.equal(words.probabilityWords(0.996), "> 0.99"); // would be rounded to 1.00
  assert.equal(words.probabilityWords(0.994), "0.99");
  assert.equal(words.probabilityWords(0.5), "0.50");
  assert.equal(words.probabilityWords(0.004), "< 0.01");
  assert.equal(words.probabilityWords(0), "< 0.01");
});

test("numbers bear a true minus, and 0 bears none", () => {
  assert.equal(words.plainNumber(-1.234), "−1.23");
  assert.equal(words.plainNumber(-0.001), "0.00");
  assert.equal(words.signed(0.5), "+0.50");
  assert.equal(words.signed(-0.5), "−0.50");
  assert.equal(words.plainNumber(-1.2345, 3), "−1.234");
  assert.equal(words.signed(-0.0001, 3), "+0.000");
  assert.equal(words.percent(0.0699), "7 %");
});

test("names are listed as one speaks them", () => {
  assert.equal(words.listed(["chest"]), "chest");
  assert.equal(words.listed(["chest", "abd"]), "chest and abd");
  assert.equal(words.listed(["chest", "abd", "hand"]), "chest, abd and hand");
});

test("classes and kinds bear names that one reads", () => {
  assert.equal(words.displayName("abd"), "abdomen");
  assert.equal(words.displayName("lateral_chest"), "lateral chest");
  assert.equal(words.displayName("chest"), "chest");
  assert.equal(words.displayName("constructor"), "constructor"); // no name of JavaScript's own
  const difference = words.differenceName("chest", "abdomen");
  assert.equal(difference, "score (logit) of chest less that of abdomen");
});

test("classes keep their stored names where two would read alike", () => {
  assert.deepEqual(words.readableNames(["abd", "chest"]), ["abdomen", "chest"]);
  assert.deepEqual(words.readableNames(["abd", "abdomen"]), ["abd", "abdomen"]);
});

test("small numbers are words", () => {
  assert.equal(words.countWords(2), "two");
  assert.equal(words.countWords(12), "twelve");
  assert.equal(words.countWords(13), "13");
});

test("a long file name is shortened in its middle, and keeps its end", () => {
  assert.equal(words.shortName("hand.png"), "hand.png");
  const short = words.shortName(`${"x".repeat(300)}.dcm`);
  assert.equal(Array.from(short).length, 28);
  assert.ok(short.endsWith("xxxx.dcm"));
  assert.ok(short.includes("…"));
});

test("letters that turn a name round or are not seen are left out", () => {
  assert.equal(words.shortName("film\u202Egnp.exe\u0000\n"), "filmgnp.exe");
});

test("words become a sentence", () => {
  assert.equal(words.asSentence("this is a TIFF"), "This is a TIFF.");
  assert.equal(words.asSentence("Try again."), "Try again.");
  assert.equal(words.asSentence(" "), "");
});

test("whatever goes wrong is said in a sentence", () => {
  assert.equal(words.problemWords(new Error("not a film")), "Not a film.");
  assert.match(words.problemWords(new RangeError("Array buffer allocation failed")), /memory/);
  assert.match(words.problemWords(new DOMException("x", "NotReadableError")), /read any more/);
  for (const odd of [new TypeError("x is undefined"), "text", undefined, new Error("")]) {
    assert.match(words.problemWords(odd), /^Something went wrong/);
  }
});

test("the gate's neighbours in words", () => {
  assert.equal(
    words.nearestWords(["abd", "lateral_chest"]),
    "The nearest two films that the gate knows: abdomen, lateral chest.",
  );
  assert.match(words.nearestWords(["", ""]), /knows: class not recorded\.$/);
  assert.match(words.nearestWords(["", "chest"]), /knows: not recorded, chest\.$/);
  assert.match(words.nearestWords(["chest"]), /^The nearest film that/);
  assert.equal(words.otherWords("hand", "these"), "hand");
  assert.equal(words.otherWords("picture", "these"), "a picture that is no radiograph");
  const turned = words.otherWords("itself, turned by 90°", "these");
  assert.equal(turned, "these, if it were turned a quarter to the left");
});
