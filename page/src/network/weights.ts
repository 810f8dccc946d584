/** Weights as they lie in the page → weights as the network takes them. */

import { convolutions, countWeights } from "./resnet18.ts";

// A page's numbers are little-endian, and so is every processor that runs a browser today.

/**
 * The float32 weights and biases of a body, convolution after convolution.
 *
 * In the page a weight is a whole number of steps (16 bits, with a sign), and each filter has a
 * step of its own. First come the low bytes of all weights, then their high bytes, then the steps
 * of all filters, then their biases: like bytes together can be packed more tightly.
 */
export function unpackedWeights(bytes: Uint8Array): Uint8Array {
  const layers = convolutions();
  const nWeights = layers.reduce((sum, layer) => sum + countWeights(layer), 0);
  const nFilters = layers.reduce((sum, layer) => sum + layer.filters, 0);
  if (bytes.length !== 2 * nWeights + 8 * nFilters) {
    throw new Error("This page is damaged: its network has another size. Save or send it again.");
  }

  const low = bytes.subarray(0, nWeights);
  const high = new Int8Array(bytes.buffer, bytes.byteOffset + nWeights, nWeights);
  const steps = floats(bytes, 2 * nWeights, nFilters);
  const biases = floats(bytes, 2 * nWeights + 4 * nFilters, nFilters);

  const unpacked = new Float32Array(nWeights + nFilters);
  let to = 0;
  let weight = 0;
  let filter = 0;
  for (const layer of layers) {
    const perFilter = countWeights(layer) / layer.filters;
    for (let i = 0; i < layer.filters; i += 1) {
      const step = steps[filter + i];
      for (let j = 0; j < perFilter; j += 1) {
        unpacked[to] = step * (high[weight] * 256 + low[weight]);
        weight += 1;
        to += 1;
      }
    }
    unpacked.set(biases.subarray(filter, filter + layer.filters), to);
    to += layer.filters;
    filter += layer.filters;
  }
  return new Uint8Array(unpacked.buffer);
}

/** Some float32 numbers among bytes, from any place. */
function floats(bytes: Uint8Array, start: number, count: number): Float32Array {
  const copy = bytes.slice(start, start + 4 * count);
  return new Float32Array(copy.buffer);
}

/** Numbers in half precision (IEEE 754, 16 bits) as float32. */
export function ofHalfPrecision(bytes: Uint8Array): Float32Array {
  const halves = new Uint16Array(bytes.slice().buffer);
  const numbers = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i += 1) {
    numbers[i] = ofHalf(halves[i]);
  }
  return numbers;
}

/** One number in half precision: a sign, 5 bits of exponent, 10 of fraction. */
function ofHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = (half & 0x3ff) / 1024;
  const isTiny = exponent === 0;
  return isTiny ? sign * 2 ** -14 * fraction : sign * 2 ** (exponent - 15) * (1 + fraction);
}

