// What the pictures of "How it works" show: places, maps and products that matter.
import type { Answer, Maps } from "../types.ts";
import type { Pair } from "./answers.ts";

/** A square of pixels that is shown as numbers. */
export interface Patch {
  left: number; // px
  top: number;
  side: number;
}

/** The spread of some numbers, times their count squared: enough to compare. */
function spreadOf(count: number, sum: number, squares: number): number {
  return count * squares - sum * sum;
}

/** The square of pixels that differ most, in the middle of a film: a border of the anatomy. */
export function mostVariedPatch(square: Float32Array, size: number, side: number): Patch {
  const places = size - side + 1;
  const margin = Math.floor(places / 4);
  let best: Patch = { left: margin, top: margin, side };
  let greatest = -Infinity;
  for (let top = margin; top < places - margin; top += 1) {
    for (let left = margin; left < places - margin; left += 1) {
      const spread = patchSpread(square, size, { left, top, side });
      if (spread > greatest) {
        greatest = spread;
        best = { left, top, side };
      }
    }
  }
  return best;
}

/** How much the pixels of a patch differ. */
function patchSpread(square: Float32Array, size: number, { left, top, side }: Patch): number {
  let sum = 0;
  let squares = 0;
  for (let row = top; row < top + side; row += 1) {
    for (let column = left; column < left + side; column += 1) {
      const grey = square[row * size + column];
      sum += grey;
      squares += grey * grey;
    }
  }
  return spreadOf(side * side, sum, squares);
}

/** One map of a layer. */
export function mapOf(maps: Maps, number: number): Float32Array {
  const squares = maps.height * maps.width;
  return maps.values.subarray(number * squares, (number + 1) * squares);
}

/** The numbers of the n maps that vary most over the film, from 0. */
export function mostVariedMaps(maps: Maps, n: number): number[] {
  const spreads = Array.from({ length: maps.count }, (_, number) => {
    const values = mapOf(maps, number);
    const sum = values.reduce((total, value) => total + value, 0);
    const squares = values.reduce((total, value) => total + value * value, 0);
    return spreadOf(values.length, sum, squares);
  });
  return spreads
    .map((_, number) => number)
    .sort((a, b) => spreads[b] - spreads[a])
    .slice(0, n);
}

/** The greatest value of some maps of a layer. */
export function greatestOf(maps: Maps, numbers: number[]): number {
  return Math.max(...numbers.map((number) => mapOf(maps, number).reduce((a, b) => Math.max(a, b))));
}

/** The last layer of the network. */
interface Head {
  weight: number[][];
  bias: number[];
}

/** A line of the sum: one map's average times its weight. */
export interface Product {
  map: number; // from 0
  average: number;
  weight: number; // of the named class, less that of the other
  value: number; // average · weight
}

/** The sum from which the difference between two classes comes. */
export interface Sum {
  strongest: Product[]; // the strongest first
  others: number; // how many other products there are
  rest: number; // all other products, and the biases
  biases: number; // their difference, which is in the rest
  total: number;
}

/** What adds most to the difference between two classes, the rest, and what it comes to. */
export function sumOf(answer: Answer, head: Head, { target, other }: Pair, n: number): Sum {
  const products = Array.from(answer.averages, (average, map) => {
    const weight = head.weight[target][map] - head.weight[other][map];
    return { map, average, weight, value: average * weight };
  });
  products.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const add = (sum: number, { value }: Product) => sum + value;
  const biases = head.bias[target] - head.bias[other];
  const rest = products.slice(n).reduce(add, 0) + biases;
  const strongest = products.slice(0, n);
  const others = products.length - strongest.length;
  return { strongest, others, rest, biases, total: strongest.reduce(add, 0) + rest };
}
