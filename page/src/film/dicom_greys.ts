// From stored values to greys with bright bones, as the standard says (PS3.4, annex N.2).
import { BadFilm } from "./bad_film.ts";
import type { Elements, Keyword } from "./dicom_file.ts";
import { title } from "./dicom_file.ts";
import type { Header } from "./dicom_header.ts";
import { greyRange, Levels, to8Bit } from "./greys.ts";

/** Decoded values → greys, bones bright; throws `BadFilm`. */
export function greysOf(
  stored: Int32Array | Uint32Array,
  elements: Elements,
  header: Header,
): Uint8Array {
  const levels = new Levels(stored);

  // Which levels are on the film?
  const isPadding = paddingTest(elements, header);
  const nPixels = levels.nPixels.map((n, i) => (isPadding(levels.values[i]) ? 0 : n));
  if (nPixels.every((n) => n === 0)) {
    throw new BadFilm("it holds nothing but padding: there is no film in it");
  }

  const values = modalityValues(levels.values, elements, header);
  const shares = sharesOfWhite(values, elements, header);
  let greys = shares === null ? null : to8Bit(shares, 0, 1);
  if (greys === null || hidesAll(greys, values, nPixels)) {
    const [black, white] = greyRange(values, nPixels);
    greys = to8Bit(values, black, white);
  }
  if (isInverted(elements, header)) {
    greys = greys.map((grey) => 255 - grey);
  }
  greys = greys.map((grey, i) => (isPadding(levels.values[i]) ? 0 : grey));
  return levels.shown(greys);
}

/** A number of two bytes, as it is meant. */
function in16Bits(number: number, isSigned: boolean): number {
  const word = ((number % 2 ** 16) + 2 ** 16) % 2 ** 16;
  return isSigned && word >= 2 ** 15 ? word - 2 ** 16 : word;
}

/** Tells whether a stored value is no film. */
function paddingTest(elements: Elements, header: Header): (value: number) => boolean {
  const padding = elements.number("PixelPaddingValue");
  if (padding === null) {
    return () => false;
  }
  const limit = elements.number("PixelPaddingRangeLimit") ?? padding;
  const ends = [in16Bits(padding, header.isSigned), in16Bits(limit, header.isSigned)];
  const lowest = Math.min(...ends);
  const highest = Math.max(...ends);
  return (value) => value >= lowest && value <= highest;
}

// Lookup tables

/** A lookup table. */
interface Table {
  entries: Uint16Array;
  first: number; // the value that gets the first entry: two bytes, whose sign is not told
  bits: number; // of an entry
}

/** The first lookup table of a sequence; null: there is none, or an empty one; throws. */
function tableIn(elements: Elements, keyword: Keyword): Table | null {
  const item = elements.items(keyword)[0];
  if (item === undefined || !item.has("LUTDescriptor") || !item.has("LUTData")) {
    return null;
  }
  const descriptor = item.numbers("LUTDescriptor");
  if (descriptor.length !== 3) {
    throw new BadFilm("the size of its lookup table is not told: export it again");
  }
  const [count, first, declaredBits] = descriptor.map(Number);
  const length = in16Bits(count, false) || 2 ** 16; // 0 stands for 2¹⁶
  let words = wordsOf(item.data("LUTData"), elements.isLittleEndian);
  if (declaredBits === 8 && words.length < length) {
    words = bytesOf(words);
  }
  if (words.length < length) {
    throw new BadFilm("its lookup table is shorter than it says: export it again");
  }
  const entries = words.subarray(0, length);
  return { entries, first, bits: depthOf(entries, declaredBits) };
}

/** Bytes as words of two; a last one alone is a low byte. */
function wordsOf(data: Uint8Array, isLittleEndian: boolean): Uint16Array {
  const padded = new Uint8Array(data.length + (data.length % 2));
  padded.set(data);
  const view = new DataView(padded.buffer);
  const words = new Uint16Array(padded.length / 2);
  return words.map((_, i) => view.getUint16(2 * i, isLittleEndian));
}

/** The bytes of words, the low one of each first. */
function bytesOf(words: Uint16Array): Uint16Array {
  const bytes = new Uint16Array(2 * words.length);
  words.forEach((word, i) => {
    bytes[2 * i] = word & 0xff;
    bytes[2 * i + 1] = word >> 8;
  });
  return bytes;
}

/** The bits that the entries of a table have; `declared`: as it says itself. */
function depthOf(entries: Uint16Array, declared: number): number {
  const highest = entries.reduce((most, entry) => Math.max(most, entry), 0);
  const needed = Math.max(highest.toString(2).length, 1);
  const isPlausible = declared - 1 <= needed && needed <= declared;
  return isPlausible ? declared : needed;
}

/** Values looked up in a table: what lies outside gets its first or last entry. */
function lookedUp(values: Float64Array, table: Table, canBeNegative: boolean): Float64Array {
  const first = in16Bits(table.first, canBeNegative);
  const last = table.entries.length - 1;
  return values.map((value) => {
    // Fractions are cut off, as in DCMTK and pydicom.
    const place = Math.trunc(value) - first;
    return table.entries[Math.min(Math.max(place, 0), last)];
  });
}

// The modality's unit

/** The scale from stored values to values: 1 and 0 where the file does not say. */
function scaleOf(elements: Elements): { slope: number; intercept: number } {
  return {
    slope: elements.number("RescaleSlope") || 1,
    intercept: elements.number("RescaleIntercept") || 0,
  };
}

/** Stored values in the modality's unit. */
function modalityValues(stored: Float64Array, elements: Elements, header: Header): Float64Array {
  const table = tableIn(elements, "ModalityLUTSequence");
  if (table !== null) {
    return lookedUp(stored, table, header.isSigned);
  }
  const { slope, intercept } = scaleOf(elements);
  return stored.map((value) => value * slope + intercept);
}

/** Whether values in the modality's unit can be negative (C.11.2.1.1). */
function canBeNegative(elements: Elements, header: Header): boolean {
  if (tableIn(elements, "ModalityLUTSequence") !== null) {
    return false;
  }
  const half = 2 ** (header.stored - 1);
  const lowest = header.isSigned ? -half : 0;
  const highest = header.isSigned ? half - 1 : 2 * half - 1;
  const { slope, intercept } = scaleOf(elements);
  return Math.min(lowest * slope, highest * slope) + intercept < 0;
}

// What is to be seen

/** How white each value is to be, 0 to 1; null: the file does not say. */
function sharesOfWhite(
  values: Float64Array,
  elements: Elements,
  header: Header,
): Float64Array | null {
  const table = tableIn(elements, "VOILUTSequence");
  if (table !== null && table.entries.some((entry) => entry !== table.entries[0])) {
    const white = 2 ** table.bits - 1;
    const entries = lookedUp(values, table, canBeNegative(elements, header));
    return entries.map((entry) => entry / white);
  }
  const shape = elements.code("VOILUTFunction");
  for (const [center, width] of windowsOf(elements)) {
    const shares = throughWindow(values, center, width, shape);
    if (shares !== null) {
      return shares;
    }
  }
  return null;
}

/** Centre and width of each window; one without either is none; throws `BadFilm`. */
function windowsOf(elements: Elements): [number, number][] {
  const centers = finite(elements, "WindowCenter");
  const widths = finite(elements, "WindowWidth");
  const windows: [number, number][] = [];
  for (let i = 0; i < Math.min(centers.length, widths.length); i++) {
    const center = centers[i];
    const width = widths[i];
    if (center !== null && width !== null) {
      windows.push([center, width]);
    }
  }
  return windows;
}

/** The numbers of an element; throws `BadFilm` where one is none. */
function finite(elements: Elements, keyword: Keyword): (number | null)[] {
  const numbers = elements.numbers(keyword);
  if (numbers.some((number) => number !== null && !Number.isFinite(number))) {
    throw new BadFilm(`its ${title(keyword)} is no number: export it again`);
  }
  return numbers;
}

const STEEPEST = 700; // e⁷⁰⁰ is still a number

/** Values seen through a window: shares of white; null: this window says nothing. */
function throughWindow(
  values: Float64Array,
  center: number,
  width: number,
  shape: string, // LINEAR, LINEAR_EXACT or SIGMOID; another is taken for the first
): Float64Array | null {
  // A narrow window on fractions is meant to be exact.
  const isOfFractions = width <= 1 && values.some((value) => value % 1 !== 0);
  const isLinear = !["LINEAR_EXACT", "SIGMOID"].includes(shape) && !isOfFractions;
  if (width < 1 && (isLinear || width <= 0)) {
    return null;
  }
  if (shape === "SIGMOID") {
    return values.map((value) => {
      const steepness = (-4 * (value - center)) / width;
      return 1 / (1 + Math.exp(Math.min(Math.max(steepness, -STEEPEST), STEEPEST)));
    });
  }
  const middle = isLinear ? center - 0.5 : center;
  const range = isLinear ? width - 1 : width;
  if (range === 0) {
    return values.map((value) => (value > middle ? 1 : 0));
  }
  return values.map((value) => Math.min(Math.max((value - middle) / range + 0.5, 0), 1));
}

const FEWEST_SEEN = 1 / 1000; // share of the film's pixels; fewer may be letters, or dead

/** Whether different values are all black, or all white, but for a few pixels. */
function hidesAll(greys: Uint8Array, values: Float64Array, nPixels: Float64Array): boolean {
  const seen = values.filter((_, i) => nPixels[i] > 0);
  if (seen.every((value) => value === seen[0])) {
    return false; // a film of one grey
  }
  let pixels = 0;
  let notBlack = 0;
  let notWhite = 0;
  for (let i = 0; i < greys.length; i++) {
    pixels += nPixels[i];
    notBlack += greys[i] > 0 ? nPixels[i] : 0;
    notWhite += greys[i] < 255 ? nPixels[i] : 0;
  }
  return Math.min(notBlack, notWhite) < FEWEST_SEEN * pixels;
}

/** Whether what comes out of the window is dark where it is to be bright. */
function isInverted(elements: Elements, header: Header): boolean {
  const shape = elements.code("PresentationLUTShape");
  if (shape === "IDENTITY" || shape === "INVERSE") {
    return shape === "INVERSE";
  }
  return header.isDarkBright;
}
