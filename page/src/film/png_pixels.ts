// The pixels of a PNG file, once they are unpacked (PNG specification, clauses 7 to 9).
import { BadFilm, DAMAGED } from "./bad_film.ts";

/** What a PNG file says of its pixels. */
export interface PngHeader {
  width: number; // px
  height: number; // px
  depth: number; // bits of a sample
  kind: number; // of colours: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha
  isInterlaced: boolean;
}

/** The numbers of an image: pixel by pixel, and channel by channel in each. */
export type Samples = Uint8Array | Uint16Array;

const CHANNELS: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // of each kind

/** Some of the pixels: which are the first row and column, and how far it is to the next. */
interface Pass {
  top: number;
  left: number;
  rowStep: number;
  columnStep: number;
}

const WHOLE: Pass[] = [{ top: 0, left: 0, rowStep: 1, columnStep: 1 }];
// An interlaced image comes in seven parts (Adam7).
const SEVENTHS: Pass[] = [
  { top: 0, left: 0, rowStep: 8, columnStep: 8 },
  { top: 0, left: 4, rowStep: 8, columnStep: 8 },
  { top: 4, left: 0, rowStep: 8, columnStep: 4 },
  { top: 0, left: 2, rowStep: 4, columnStep: 4 },
  { top: 2, left: 0, rowStep: 4, columnStep: 2 },
  { top: 0, left: 1, rowStep: 2, columnStep: 2 },
  { top: 1, left: 0, rowStep: 2, columnStep: 1 },
];

/** Rows and columns of a pass, and the bytes of each of its rows. */
interface Extent {
  rows: number;
  columns: number;
  rowBytes: number; // without the byte before it that names the filter
}

/** How large a pass is. */
function extentOf(pass: Pass, header: PngHeader): Extent {
  const rows = Math.ceil((header.height - pass.top) / pass.rowStep);
  const columns = Math.ceil((header.width - pass.left) / pass.columnStep);
  const rowBytes = Math.ceil((columns * header.depth * CHANNELS[header.kind]) / 8);
  return { rows, columns, rowBytes };
}

/** The passes that have pixels in them. */
function passesOf(header: PngHeader): Pass[] {
  const passes = header.isInterlaced ? SEVENTHS : WHOLE;
  return passes.filter((pass) => pass.top < header.height && pass.left < header.width);
}

/** How many bytes the pixels of a PNG file unpack to. */
export function unpackedLength(header: PngHeader): number {
  let length = 0;
  for (const pass of passesOf(header)) {
    const { rows, rowBytes } = extentOf(pass, header);
    length += rows * (1 + rowBytes);
  }
  return length;
}

/** The samples of unpacked pixels, of which there are enough; throws `BadFilm`. */
export function samplesOf(unpacked: Uint8Array, header: PngHeader): Samples {
  const length = header.width * header.height * CHANNELS[header.kind];
  const samples = header.depth === 16 ? new Uint16Array(length) : new Uint8Array(length);
  let place = 0;
  for (const pass of passesOf(header)) {
    const extent = extentOf(pass, header);
    const end = place + extent.rows * (1 + extent.rowBytes);
    const rows = unpacked.subarray(place, end);
    removeFilters(rows, extent, header);
    spread(rows, extent, pass, header, samples);
    place = end;
  }
  return samples;
}

/** Undo the filters of all rows of a pass, in place; throws `BadFilm`. */
function removeFilters(rows: Uint8Array, extent: Extent, header: PngHeader): void {
  // From a byte to the one of the same channel in the pixel before.
  const step = Math.max((header.depth * CHANNELS[header.kind]) / 8, 1);
  let above: Uint8Array = new Uint8Array(extent.rowBytes);
  for (let y = 0; y < extent.rows; y++) {
    const start = y * (1 + extent.rowBytes);
    const row = rows.subarray(start + 1, start + 1 + extent.rowBytes);
    removeFilter(rows[start], row, above, step);
    above = row;
  }
}

/** Undo the filter of a row, in place: each byte was told by how it differs from a guess. */
function removeFilter(filter: number, row: Uint8Array, above: Uint8Array, step: number): void {
  const first = Math.min(step, row.length); // byte that has one before it
  switch (filter) {
    case 0: // nothing was guessed
      return;
    case 1: // the byte before
      for (let i = first; i < row.length; i++) {
        row[i] += row[i - step];
      }
      return;
    case 2: // the byte above
      for (let i = 0; i < row.length; i++) {
        row[i] += above[i];
      }
      return;
    case 3: // the mean of both
      for (let i = 0; i < first; i++) {
        row[i] += above[i] >> 1;
      }
      for (let i = first; i < row.length; i++) {
        row[i] += (row[i - step] + above[i]) >> 1;
      }
      return;
    case 4: // one of three
      for (let i = 0; i < first; i++) {
        row[i] += above[i];
      }
      for (let i = first; i < row.length; i++) {
        row[i] += paeth(row[i - step], above[i], above[i - step]);
      }
      return;
    default:
      throw new BadFilm(DAMAGED);
  }
}

/** Of three neighbours the one that is nearest to where a plane through them would lie. */
function paeth(before: number, above: number, beforeAbove: number): number {
  const toBefore = Math.abs(above - beforeAbove);
  const toAbove = Math.abs(before - beforeAbove);
  const toBeforeAbove = Math.abs(before + above - 2 * beforeAbove);
  if (toBefore <= toAbove && toBefore <= toBeforeAbove) {
    return before;
  }
  return toAbove <= toBeforeAbove ? above : beforeAbove;
}

/** Bring the samples of a pass to their places in the image. */
function spread(
  rows: Uint8Array,
  extent: Extent,
  pass: Pass,
  header: PngHeader,
  samples: Samples,
): void {
  const channels = CHANNELS[header.kind];
  for (let y = 0; y < extent.rows; y++) {
    const start = y * (1 + extent.rowBytes) + 1;
    const bytes = rows.subarray(start, start + extent.rowBytes);
    const row = samplesOfRow(bytes, extent.columns * channels, header.depth);
    const imageRow = (pass.top + y * pass.rowStep) * header.width;
    if (!header.isInterlaced) {
      samples.set(row, imageRow * channels);
      continue;
    }
    for (let x = 0; x < extent.columns; x++) {
      const pixel = imageRow + pass.left + x * pass.columnStep;
      samples.set(row.subarray(x * channels, (x + 1) * channels), pixel * channels);
    }
  }
}

/** The samples of a row: of 16, 8 or fewer bits, of which the first are the highest of a byte. */
function samplesOfRow(bytes: Uint8Array, count: number, depth: number): Samples {
  if (depth === 8) {
    return bytes;
  }
  if (depth === 16) {
    const words = new Uint16Array(count);
    for (let i = 0; i < count; i++) {
      words[i] = bytes[2 * i] * 256 + bytes[2 * i + 1];
    }
    return words;
  }
  const samples = new Uint8Array(count);
  const highest = 2 ** depth - 1;
  for (let i = 0; i < count; i++) {
    const bit = i * depth;
    const below = 8 - depth - (bit % 8);
    samples[i] = (bytes[bit >> 3] >> below) & highest;
  }
  return samples;
}
