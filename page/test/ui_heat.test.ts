import assert from "node:assert/strict";
import { test } from "node:test";
import { differenceOf, strongestTwo } from "../src/ui/answers.ts";
import { inkOn, signedColour } from "../src/ui/canvas.ts";
import * as heat from "../src/ui/heat.ts";

const MAPS = {
  count: 2,
  height: 2,
  width: 2,
  values: Float32Array.from([1, 2, 3, 4, 0, 0, 8, 0]),
};
const AVERAGES = [2.5, 2];
const ORANGE_ABOVE = { above: heat.ORANGE, below: heat.BLUE };
const WEIGHT = [
  [1, 0.5],
  [-1, 0.25],
];

/** Are two numbers the same but for rounding? */
function assertNear(one: number, other: number): void {
  assert.ok(Math.abs(one - other) < 1e-5, `${one} is not ${other}`);
}

test("the strongest class, and the strongest of the others", () => {
  assert.deepEqual(strongestTwo([0.1, 3, 2]), { target: 1, other: 2 });
  assert.deepEqual(strongestTwo([5]), { target: 0, other: 0 });
  assert.equal(differenceOf([0.5, 3, 2], { target: 1, other: 2 }), 1);
});

test("the squares of a map add up to the class's sum without its bias", () => {
  const map = heat.weightedMap(MAPS, WEIGHT[0]);
  assertNear(heat.totalOf(map), AVERAGES[0] * 1 + AVERAGES[1] * 0.5);
  assertNear(map.values[2], (3 * 1 + 8 * 0.5) / 4);
});

test("the map of the difference is the difference of the maps", () => {
  const both = heat.differenceMap(MAPS, WEIGHT, { target: 0, other: 1 });
  const [one, other] = WEIGHT.map((weights) => heat.weightedMap(MAPS, weights));
  both.values.forEach((value, i) => assertNear(value, one.values[i] - other.values[i]));
});

test("a map is enlarged between the middles of its squares", () => {
  const map = { height: 1, width: 2, values: Float32Array.from([0, 4]) };
  // As torch's interpolate(mode="bilinear", align_corners=False) does it.
  assert.deepEqual(Array.from(heat.smooth(map, 4, 1)), [0, 1, 3, 4]);
  const flat = { height: 1, width: 1, values: Float32Array.from([7]) };
  assert.deepEqual(Array.from(heat.smooth(flat, 2, 2)), [7, 7, 7, 7]);
});

test("colours are as strong as the map, and nothing is painted where it is 0", () => {
  const grey = [100, 100, 100, 255];
  const picture = new Uint8ClampedArray([...grey, ...grey, ...grey]);
  heat.paintHeat(picture, Float32Array.from([2, 0, -2]), 2, 1, ORANGE_ABOVE);
  assert.deepEqual(Array.from(picture.subarray(0, 4)), [...heat.ORANGE.channels, 255]);
  assert.deepEqual(Array.from(picture.subarray(4, 8)), grey);
  assert.deepEqual(Array.from(picture.subarray(8)), [...heat.BLUE.channels, 255]);
});

test("of two classes each has one colour, whichever is named", () => {
  const names = ["abdomen", "chest"];
  assert.deepEqual(heat.coloursFor(0, names, 0), ORANGE_ABOVE);
  assert.deepEqual(heat.coloursFor(1, names, 0), { above: heat.BLUE, below: heat.ORANGE });
  assert.deepEqual(heat.coloursFor(1, names, 1), ORANGE_ABOVE);
});

test("among more classes orange is the one that is named", () => {
  const names = ["abdomen", "chest", "hand"];
  for (const label of [0, 1, 2]) {
    assert.deepEqual(heat.coloursFor(label, names, 0), ORANGE_ABOVE);
  }
});

test("the legend is what is painted over a film of middle grey", () => {
  const grey = [128, 128, 128, 255];
  const picture = new Uint8ClampedArray([...grey, ...grey, ...grey]);
  heat.paintHeat(picture, Float32Array.from([-2, 0, 2]), 2, 0.5, ORANGE_ABOVE);
  const [low, , , high] = heat.legendStops(0.5);
  for (const [i, { colour, opacity }] of [low, high].entries()) {
    colour.channels.forEach((channel, place) => {
      const over = (1 - opacity) * 128 + opacity * channel;
      assert.ok(Math.abs(picture[8 * i + place] - over) <= 0.5);
    });
  }
  const middle = heat.legendStops(0.5).filter(({ place }) => place === 50);
  assert.deepEqual(middle.map(({ opacity }) => opacity), [0, 0]);
  assert.equal(heat.cssColour(low.colour, low.opacity), "rgb(0 114 178 / 0.5)");
});

test("numbers stand out from their colour", () => {
  const high = signedColour(1, 1, { above: heat.BLUE, below: heat.ORANGE });
  assert.deepEqual(high, heat.BLUE.channels);
  assert.equal(inkOn(high), "white");
  assert.equal(inkOn(heat.ORANGE.channels), "black");
  assert.equal(inkOn(signedColour(0.75, 1, { above: heat.BLUE, below: heat.ORANGE })), "black");
  assert.equal(inkOn([255, 255, 255]), "black");
});

test("a map of zeros paints nothing, and says so", () => {
  const map = { height: 1, width: 1, values: new Float32Array(1) };
  const picture = new Uint8ClampedArray([9, 9, 9, 255]);
  heat.paintHeat(picture, map.values, heat.highestOf(map), 1, ORANGE_ABOVE);
  assert.deepEqual(Array.from(picture), [9, 9, 9, 255]);
  assert.equal(heat.strongestPlace(map), "the map is all zero");
});

test("the strongest place in words", () => {
  const map = { height: 2, width: 2, values: Float32Array.from([0, 0, -9, 1]) };
  assert.equal(heat.highestOf(map), 9);
  assert.match(heat.strongestPlace(map), /75 % of the way from left to right and 75 %/);
});
