// From values of any depth to 8-bit greys, in the numbers that NumPy and Pillow come to.
import { BadFilm } from "./bad_film.ts";

/** Whole numbers, one for each pixel. */
export type Values = Uint8Array | Uint16Array | Int32Array | Uint32Array;

// Lightness of red, green and blue (ITU-R BT.601), times 2¹⁶, as Pillow has it.
const LUMA_RED = 19595;
const LUMA_GREEN = 38470;
const LUMA_BLUE = 7471;
const HALF = 2 ** 15;

/** The lightness of a colour, 0 to 255, as Pillow's convert("L") has it. */
export function lightness(red: number, green: number, blue: number): number {
  return (red * LUMA_RED + green * LUMA_GREEN + blue * LUMA_BLUE + HALF) >> 16;
}

/** The nearest whole number; of two the even one, as in NumPy. */
export function rounded(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0.5) {
    return below + (below % 2);
  }
  return rest < 0.5 ? below : below + 1;
}

/** Values stretched from `black` … `white` to 0 … 255; what lies outside is clipped. */
export function to8Bit(values: ArrayLike<number>, black: number, white: number): Uint8Array {
  const greys = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const share = (values[i] - black) / (white - black);
    const clipped = Math.min(Math.max(share, 0), 1);
    greys[i] = rounded(255 * clipped);
  }
  return greys;
}

const MOST_LEVELS = 2 ** 16; // different values in a film
const EVERY = 64; // pixel of a first look: to sort all of them may take long

/** The values that the pixels of an image can have, and how many pixels have each. */
export class Levels {
  readonly values: Float64Array; // rising
  readonly nPixels: Float64Array; // of each value
  private readonly pixels: Values;
  private readonly hasAllBetween: boolean; // `values` leaves none out

  /** `pixels`: one or more. */
  constructor(pixels: Values) {
    this.pixels = pixels;
    const [lowest, highest] = extremes(pixels);
    this.hasAllBetween = highest - lowest < MOST_LEVELS;
    if (this.hasAllBetween) {
      this.values = Float64Array.from({ length: highest - lowest + 1 }, (_, i) => lowest + i);
    } else {
      this.values = differentValues(pixels);
    }
    this.nPixels = new Float64Array(this.values.length);
    const counts = new Uint32Array(this.values.length);
    if (this.hasAllBetween) {
      for (let i = 0; i < pixels.length; i++) {
        counts[pixels[i] - lowest] += 1;
      }
    } else {
      for (let i = 0; i < pixels.length; i++) {
        counts[firstPlace(this.values, pixels[i])] += 1;
      }
    }
    this.nPixels.set(counts);
  }

  /** The image in which each pixel has its value's grey; `greys`: one for each of `values`. */
  shown(greys: Uint8Array): Uint8Array {
    const { pixels, values } = this;
    const image = new Uint8Array(pixels.length);
    if (this.hasAllBetween) {
      const lowest = values[0];
      for (let i = 0; i < image.length; i++) {
        image[i] = greys[pixels[i] - lowest];
      }
    } else {
      for (let i = 0; i < image.length; i++) {
        image[i] = greys[firstPlace(values, pixels[i])];
      }
    }
    return image;
  }
}

/** The lowest and the highest value. */
function extremes(values: ArrayLike<number>): [number, number] {
  let lowest = values[0];
  let highest = values[0];
  for (let i = 1; i < values.length; i++) {
    const value = values[i];
    if (value < lowest) {
      lowest = value;
    } else if (value > highest) {
      highest = value;
    }
  }
  return [lowest, highest];
}

/** Each value that occurs, rising. */
function differentValues(pixels: Values): Float64Array {
  // A first look at some pixels tells most images that are no films.
  let different = withoutRepeats(pixels.filter((_, i) => i % EVERY === 0));
  if (different.length <= MOST_LEVELS) {
    different = withoutRepeats(pixels.slice());
  }
  if (different.length > MOST_LEVELS) {
    throw new BadFilm(
      "its pixels have more different values than those of any film: export it with 16 bits",
    );
  }
  return different;
}

/** The different ones of some values, rising; sorts what it is given. */
function withoutRepeats(values: Values): Float64Array {
  values.sort();
  return Float64Array.from(values.filter((value, i) => i === 0 || value !== values[i - 1]));
}

/** The first place of a rising list whose value is not less than a given one. */
function firstPlace(rising: Float64Array, value: number): number {
  let start = 0;
  let end = rising.length;
  while (start < end) {
    const middle = (start + end) >> 1;
    if (rising[middle] < value) {
      start = middle + 1;
    } else {
      end = middle;
    }
  }
  return start;
}

const PERCENTILES = [1, 99]; // of the pixels: these become black and white if nothing else is said

/** The values that become black and white where nothing else is said; the second is greater. */
export function greyRange(values: Float64Array, nPixels: Float64Array): [number, number] {
  const seen = Array.from(values.keys()).filter((i) => nPixels[i] > 0);
  seen.sort((i, j) => values[i] - values[j]);
  const seenValues = Float64Array.from(seen, (i) => values[i]);
  const [black, white] = percentiles(seenValues, Float64Array.from(seen, (i) => nPixels[i]));
  if (white > black) {
    return [black, white];
  }
  // Nearly all values are one and the same: use those that differ.
  const lowest = seenValues[0];
  const highest = seenValues[seenValues.length - 1];
  return [lowest, Math.max(highest, lowest + 1)];
}

/** What NumPy's percentile says of all pixels, without having them all; `values`: rising. */
function percentiles(values: Float64Array, nPixels: Float64Array): number[] {
  // The last place of each value, with the pixels in a row.
  const lastPlace = new Float64Array(values.length);
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    total += nPixels[i];
    lastPlace[i] = total - 1;
  }
  return PERCENTILES.map((percentile) => {
    const place = (percentile / 100) * (total - 1);
    const below = values[firstPlace(lastPlace, Math.floor(place))];
    const above = values[firstPlace(lastPlace, Math.ceil(place))];
    return below + (above - below) * (place % 1);
  });
}

/** Values as greys: the 1st percentile is black, the 99th white. */
export function stretched(values: Values): Uint8Array {
  const levels = new Levels(values);
  const [black, white] = greyRange(levels.values, levels.nPixels);
  return levels.shown(to8Bit(levels.values, black, white));
}
