import assert from "node:assert/strict";
import { test } from "node:test";
import * as steps from "../src/ui/steps.ts";
import type { Answer } from "../src/types.ts";

test("the patch lies on an edge in the middle of the film", () => {
  const size = 40;
  const square = Float32Array.from({ length: size * size }, (_, i) => (i % size < 22 ? 0 : 1));
  const patch = steps.mostVariedPatch(square, size, 9);
  assert.ok(patch.left < 22 && patch.left + 9 > 22);
  assert.ok(patch.top >= 8 && patch.top + 9 <= 32);
});

test("a film of one grey has a patch, too", () => {
  const patch = steps.mostVariedPatch(new Float32Array(400).fill(0.5), 20, 9);
  assert.equal(patch.side, 9);
});

test("the most varied maps come first", () => {
  const values = Float32Array.from([5, 5, 0, 9, 1, 2]);
  const maps = { count: 3, height: 1, width: 2, values };
  assert.deepEqual(steps.mostVariedMaps(maps, 2), [1, 2]);
  assert.equal(steps.greatestOf(maps, [0, 2]), 5);
  assert.deepEqual(Array.from(steps.mapOf(maps, 2)), [1, 2]);
});

test("the sum is the difference of the logits", () => {
  const averages = Float32Array.from([1, 2, 3]);
  const head = {
    weight: [
      [1, 0, -1],
      [0, 2, 0.5],
    ],
    bias: [0.5, 0.25],
  };
  const logits = head.weight.map((row, label) =>
    row.reduce((sum, weight, map) => sum + weight * averages[map], head.bias[label]),
  );
  const answer = { averages } as Answer;
  const sum = steps.sumOf(answer, head, { target: 0, other: 1 }, 2);
  assert.deepEqual(
    sum.strongest.map(({ map, value }) => [map, value]),
    [[2, -4.5], [1, -4]],
  );
  assert.equal(sum.others, 1);
  assert.equal(sum.biases, 0.25);
  assert.equal(sum.rest, 1.25);
  assert.equal(sum.total, logits[0] - logits[1]);
});
