import assert from "node:assert/strict";
import { test } from "node:test";
import * as threshold from "../src/ui/threshold.ts";

const FILMS = [
  { truth: 0, probabilities: [0.9, 0.1] },
  { truth: 0, probabilities: [0.4, 0.6] },
  { truth: 1, probabilities: [0.5, 0.5] },
  { truth: 1, probabilities: [0.1, 0.9] },
  { truth: 1, probabilities: [0.2, 0.8] },
];

test("films are counted at a threshold; one that meets it is called", () => {
  const counts = threshold.countsAt(FILMS, 0, 0.5);
  assert.deepEqual(counts, { found: 1, missed: 1, falseAlarms: 1, cleared: 2 });
  assert.deepEqual(threshold.countsAt(FILMS, 1, 0.6), {
    found: 2,
    missed: 1,
    falseAlarms: 1,
    cleared: 1,
  });
});

test("Wilson's interval is that of rsna_cls.stats.wilson", () => {
  const cases: [number, number, number, number][] = [
    [10, 10, 0.7224672001371109, 1],
    [0, 10, 0, 0.27753279986288926],
    [7, 10, 0.39677814746114526, 0.892208732593699],
    [1, 77, 0.002296217297124044, 0.06996198914680526],
    [95, 100, 0.8882495307680809, 0.978456320845632],
  ];
  for (const [k, n, low, high] of cases) {
    const share = threshold.shareOf(k, n);
    assert.ok(Math.abs(share.low - low) < 1e-9 && Math.abs(share.high - high) < 1e-9);
  }
});

test("shares in words, with n; without films there is none", () => {
  const counts = threshold.countsAt(FILMS, 0, 0.5);
  assert.equal(
    threshold.shareWords(threshold.specificity(counts)),
    "0.67 (95 % interval 0.21 to 0.94), n = 3",
  );
  const none = threshold.sensitivity(threshold.countsAt([], 0, 0.5));
  assert.match(threshold.shareWords(none), /no such films/);
});

test("where films are easy, the threshold that first calls one wrongly is found", () => {
  const easy = [
    { truth: 0, probabilities: [0.98, 0.02] },
    { truth: 1, probabilities: [0.005, 0.995] },
  ];
  assert.ok(threshold.areAllRight(threshold.countsAt(easy, 0, 0.5)));
  assert.equal(threshold.firstWrong(easy, 0, [0.5]), undefined);
  assert.equal(threshold.firstWrong(easy, 0, [0.99, 0.01]), 0.99);
  assert.equal(threshold.firstWrong(easy, 1, [0.99, 0.01]), 0.01);
  assert.equal(threshold.firstWrong(FILMS, 0, [0.5]), 0.5);
});
