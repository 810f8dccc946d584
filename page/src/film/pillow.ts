// What Pillow does to a grey image, byte for byte.
import type { Film } from "../types.ts";

// Resampling in fixed point, as Pillow's Resample.c: 8 bits of a grey, 2 to spare, the rest here.
const PRECISION_BITS = 32 - 8 - 2;
const BILINEAR_SUPPORT = 1; // px that the filter reaches to either side

/** From which old pixels the new ones of a line are mixed, and with which weights. */
interface Mixing {
  taps: number; // weights for each new pixel
  starts: Int32Array; // the first old pixel of each new one
  counts: Int32Array; // how many of the weights of each new one count
  weights: Int32Array; // new pixels · taps, each times 2 ** PRECISION_BITS
}

/** How a side of `from` pixels becomes one of `to`. */
function mixing(from: number, to: number): Mixing {
  const scale = from / to;
  const filterScale = Math.max(scale, 1);
  const support = BILINEAR_SUPPORT * filterScale;
  const taps = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(to);
  const counts = new Int32Array(to);
  const weights = new Int32Array(to * taps);
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), from);
    starts[i] = start;
    counts[i] = end - start;
    weights.set(triangle(start, end, center, 1 / filterScale), i * taps);
  }
  return { taps, starts, counts, weights };
}

/** The weights of the pixels from `start` to `end`, which fall off with the distance to a place. */
function triangle(start: number, end: number, center: number, steepness: number): number[] {
  const shares = [];
  let sum = 0;
  for (let pixel = start; pixel < end; pixel++) {
    const distance = Math.abs((pixel - center + 0.5) * steepness);
    const share = distance < 1 ? 1 - distance : 0;
    shares.push(share);
    sum += share;
  }
  return shares.map((share) => Math.trunc(0.5 + (share / sum) * 2 ** PRECISION_BITS));
}

const HALF = 1 << (PRECISION_BITS - 1);

/** A film with another width (px). */
function withWidth(film: Film, width: number): Film {
  const { taps, starts, counts, weights } = mixing(film.width, width);
  const greys = new Uint8ClampedArray(width * film.height);
  const old = film.greys;
  for (let y = 0; y < film.height; y++) {
    for (let x = 0; x < width; x++) {
      const first = y * film.width + starts[x];
      let sum = HALF;
      for (let tap = 0; tap < counts[x]; tap++) {
        sum += old[first + tap] * weights[x * taps + tap];
      }
      greys[y * width + x] = sum >> PRECISION_BITS;
    }
  }
  return { width, height: film.height, greys: new Uint8Array(greys.buffer) };
}

/** A film with another height (px). */
function withHeight(film: Film, height: number): Film {
  const { taps, starts, counts, weights } = mixing(film.height, height);
  const { width } = film;
  const greys = new Uint8ClampedArray(width * height);
  const sums = new Int32Array(width);
  for (let y = 0; y < height; y++) {
    // Row by row, as they lie in memory.
    sums.fill(HALF);
    for (let tap = 0; tap < counts[y]; tap++) {
      const weight = weights[y * taps + tap];
      const row = (starts[y] + tap) * width;
      for (let x = 0; x < width; x++) {
        sums[x] += film.greys[row + x] * weight;
      }
    }
    for (let x = 0; x < width; x++) {
      greys[y * width + x] = sums[x] >> PRECISION_BITS;
    }
  }
  return { width, height, greys: new Uint8Array(greys.buffer) };
}

/** A film of another size (px), as Image.resize(…, BILINEAR): the greys are mixed. */
export function resize(film: Film, width: number, height: number): Film {
  // A side that stays as it is, is not mixed.
  if (height === film.height) {
    return width === film.width ? film : withWidth(film, width);
  }
  if (width === film.width) {
    return withHeight(film, height);
  }
  // The greys are rounded in between: the order makes a difference of one grey here and there.
  // That of Pillow 13; up to Pillow 12 the width always came first.
  const rowsLess = film.height - height;
  const columnsLess = film.width - width;
  const isHeightFirst = rowsLess > 0 && rowsLess > 2 * columnsLess;
  if (isHeightFirst) {
    return withWidth(withHeight(film, height), width);
  }
  return withHeight(withWidth(film, width), height);
}

/** How many pixels have each grey: 256 numbers. */
function histogram(film: Film): Uint32Array {
  const { greys } = film;
  const counts = new Uint32Array(256);
  for (let i = 0; i < greys.length; i++) {
    counts[greys[i]] += 1;
  }
  return counts;
}

/** Take pixels out of a histogram, grey by grey in a given order; changes `counts`. */
function cutOff(counts: Uint32Array, greys: number[], pixels: number): void {
  let left = pixels;
  for (const grey of greys) {
    const cut = Math.min(left, counts[grey]);
    counts[grey] -= cut;
    left -= cut;
    if (left <= 0) {
      return;
    }
  }
}

/** A film whose darkest grey is black and brightest white, but for `cutoff` % of pixels each. */
export function autocontrast(film: Film, cutoff: number): Film {
  const counts = histogram(film);
  const rising = Array.from(counts.keys());
  const pixels = Math.floor((film.greys.length * cutoff) / 100);
  cutOff(counts, rising, pixels);
  cutOff(counts, rising.toReversed(), pixels);

  const darkest = counts.findIndex((count) => count > 0);
  const brightest = counts.findLastIndex((count) => count > 0);
  if (brightest <= darkest) {
    return film;
  }
  const scale = 255 / (brightest - darkest);
  const offset = -darkest * scale;
  const table = Uint8ClampedArray.from(rising, (grey) => Math.trunc(grey * scale + offset));
  const greys = new Uint8Array(film.greys.length);
  for (let i = 0; i < greys.length; i++) {
    greys[i] = table[film.greys[i]];
  }
  return { ...film, greys };
}

/** The negative of a film. */
export function invert(film: Film): Film {
  return { ...film, greys: film.greys.map((grey) => 255 - grey) };
}

/** A film with left and right exchanged. */
export function mirror(film: Film): Film {
  const greys = film.greys.slice();
  for (let y = 0; y < film.height; y++) {
    greys.subarray(y * film.width, (y + 1) * film.width).reverse();
  }
  return { ...film, greys };
}

/** A film turned by 90°, counter-clockwise. */
export function rotate90(film: Film): Film {
  const width = film.height;
  const height = film.width;
  const greys = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const column = film.width - 1 - y;
    for (let x = 0; x < width; x++) {
      greys[y * width + x] = film.greys[x * film.width + column];
    }
  }
  return { width, height, greys };
}

/** A film turned by 180°. */
export function rotate180(film: Film): Film {
  return { ...film, greys: film.greys.toReversed() };
}

/** A film turned by 270°, counter-clockwise. */
export function rotate270(film: Film): Film {
  return rotate90(rotate180(film));
}

/** The part of a film between two columns and two rows (px); `right` and `bottom` are outside. */
export function crop(
  film: Film,
  left: number,
  top: number,
  right: number,
  bottom: number,
): Film {
  const width = right - left;
  const height = bottom - top;
  const greys = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const start = (top + y) * film.width + left;
    greys.set(film.greys.subarray(start, start + width), y * width);
  }
  return { width, height, greys };
}
