import assert from "node:assert/strict";
import { test } from "node:test";
import { FilmList, bytesOfAddress } from "../src/ui/films.ts";
import { Newest } from "../src/ui/newest.ts";

/** n things that can be read. */
function sources(n: number) {
  return Array.from({ length: n }, (_, i) => ({
    name: `film ${i}`,
    bytes: async () => new Uint8Array(),
  }));
}

test("the newest twenty films are kept, and the first of the new ones is shown", () => {
  const list = new FilmList();
  assert.equal(list.add([]), undefined);
  assert.equal(list.add(sources(2))?.number, 1);
  assert.equal(list.add(sources(30))?.number, 13); // the first that is still in the list
  assert.deepEqual(
    list.films.map(({ number }) => number),
    Array.from({ length: 20 }, (_, i) => i + 13),
  );
  assert.equal(list.add(sources(1))?.number, 33);
  assert.equal(list.films.length, 20);
});

test("an address that holds its bytes is read without a connection", () => {
  assert.deepEqual(bytesOfAddress("data:image/png;base64,AAEC/w=="), Uint8Array.of(0, 1, 2, 255));
});

test("one question at a time, and the last one wins", async () => {
  const asked: number[] = [];
  const waiting: (() => void)[] = [];
  const newest = new Newest<number>((question) => {
    asked.push(question);
    return new Promise((done) => waiting.push(done));
  });
  [1, 2, 3].forEach((question) => newest.put(question));
  assert.deepEqual(asked, [1]);
  waiting[0]();
  await new Promise(setImmediate);
  assert.deepEqual(asked, [1, 3]);
  newest.put(4);
  newest.clear();
  waiting[1]();
  await new Promise(setImmediate);
  assert.deepEqual(asked, [1, 3]);
  newest.put(5);
  assert.deepEqual(asked, [1, 3, 5]);
});

test("a question that fails does not hold up the next", async () => {
  const asked: number[] = [];
  const newest = new Newest<number>(async (question) => {
    asked.push(question);
    throw new Error("no answer");
  });
  newest.put(1);
  newest.put(2);
  await new Promise(setImmediate);
  assert.deepEqual(asked, [1, 2]);
});
