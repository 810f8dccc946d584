// JPEG lossless with Huffman codes, as DICOM has it (ITU-T T.81, annexes C, F and H).
import type { Frame, Segment } from "./jpeg.ts";

// The second bytes of markers.
const LOSSLESS_FRAME = 0xc3;
const HUFFMAN_TABLES = 0xc4;
const START_OF_SCAN = 0xda;
const RESTART_INTERVAL = 0xdd;
const LONGEST_CODE = 16; // bits

/** What a scan says of itself. */
interface Scan {
  table: Uint16Array; // of its codes
  predictor: number; // 1 to 7: from which neighbours a pixel is guessed
  shift: number; // lowest bits that were left out
  rowsBetweenRestarts: number; // 0: there are none
  start: number; // of its bits (bytes from the start of the file)
}

/** The values of a grey JPEG in lossless coding, row by row; throws where it is damaged. */
export function decodeLossless(jpeg: Uint8Array, segments: Segment[], frame: Frame): Uint32Array {
  if (frame.marker !== LOSSLESS_FRAME || frame.channels !== 1) {
    throw new Error("not a grey JPEG in lossless coding");
  }
  const scan = scanOf(segments, frame);
  const bits = new Bits(jpeg, scan.start);
  const { width, height } = frame;
  const values = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) {
    const isRestart = scan.rowsBetweenRestarts > 0 && y % scan.rowsBetweenRestarts === 0;
    if (isRestart && y > 0) {
      bits.skipRestart();
    }
    decodeRow(values, y, y === 0 || isRestart, bits, scan, frame);
  }
  return scan.shift === 0 ? values : values.map((value) => value << scan.shift);
}

/** Decode a row: each pixel by how it differs from what its neighbours let one guess. */
function decodeRow(
  values: Uint32Array,
  y: number,
  isFirst: boolean, // nothing above it counts
  bits: Bits,
  scan: Scan,
  frame: Frame,
): void {
  const { width } = frame;
  const row = y * width;
  const middle = 2 ** (frame.bits - scan.shift - 1);
  let before = isFirst ? middle : values[row - width];
  for (let x = 0; x < width; x++) {
    let guess = before;
    if (!isFirst && x > 0) {
      const above = values[row - width + x];
      const beforeAbove = values[row - width + x - 1];
      guess = guessed(scan.predictor, before, above, beforeAbove);
    }
    before = (guess + bits.difference(scan.table)) & 0xffff;
    values[row + x] = before;
  }
}

/** A pixel's value, guessed from its neighbours (table H.1). */
function guessed(predictor: number, before: number, above: number, beforeAbove: number): number {
  switch (predictor) {
    case 1:
      return before;
    case 2:
      return above;
    case 3:
      return beforeAbove;
    case 4:
      return before + above - beforeAbove;
    case 5:
      return before + ((above - beforeAbove) >> 1);
    case 6:
      return above + ((before - beforeAbove) >> 1);
    case 7:
      return (before + above) >> 1;
    default:
      throw new Error("no such predictor");
  }
}

/** What the segments say of the scan; throws where something is missing. */
function scanOf(segments: Segment[], frame: Frame): Scan {
  const segment = segments.findLast(({ marker }) => marker === START_OF_SCAN);
  if (segment === undefined || segment.data.length < 6 || segment.data[0] !== 1) {
    throw new Error("not a scan of one channel");
  }
  const interval = segments.findLast(({ marker }) => marker === RESTART_INTERVAL)?.data;
  const pixels = interval === undefined ? 0 : interval[0] * 256 + interval[1];
  if (pixels % frame.width !== 0) {
    throw new Error("a restart within a row");
  }
  return {
    table: tableOf(segments, segment.data[2] >> 4),
    predictor: segment.data[3],
    shift: segment.data[5] & 15,
    rowsBetweenRestarts: pixels / frame.width,
    start: segment.end,
  };
}

/** For each 16 bits: the length of the code they begin with · 256 + its symbol; 0: no code. */
function tableOf(segments: Segment[], number: number): Uint16Array {
  const table = new Uint16Array(2 ** LONGEST_CODE);
  for (const { marker, data } of segments) {
    let place = 0;
    while (marker === HUFFMAN_TABLES && place < data.length) {
      const counts = data.subarray(place + 1, place + 1 + LONGEST_CODE);
      const start = place + 1 + LONGEST_CODE;
      const end = start + counts.reduce((sum, count) => sum + count, 0);
      if (data[place] === number) {
        fillTable(table, counts, data.subarray(start, end));
      }
      place = end;
    }
  }
  return table;
}

/** Give each code its place in a table; `counts`: codes of each length; throws if too many. */
function fillTable(table: Uint16Array, counts: Uint8Array, symbols: Uint8Array): void {
  table.fill(0);
  let place = 0;
  let symbol = 0;
  counts.forEach((count, i) => {
    const length = i + 1;
    const span = 2 ** (LONGEST_CODE - length);
    for (let code = 0; code < count; code++) {
      if (place + span > table.length || symbol >= symbols.length) {
        throw new Error("a Huffman table that is none");
      }
      table.fill(length * 256 + symbols[symbol], place, place + span);
      place += span;
      symbol += 1;
    }
  });
}

/** The bits of a scan, from the highest of each byte to the lowest. */
class Bits {
  private readonly jpeg: Uint8Array;
  private place: number; // of the next byte
  private buffer = 0; // the last bits of it are still to be taken
  private count = 0; // so many
  private spare = 0; // of these, bits at the end that are none of the scan's

  constructor(jpeg: Uint8Array, start: number) {
    this.jpeg = jpeg;
    this.place = start;
  }

  /** How a pixel differs from the guess; throws where the bits end or are none. */
  difference(table: Uint16Array): number {
    this.fill();
    const entry = table[(this.buffer >> (this.count - LONGEST_CODE)) & 0xffff];
    const size = entry & 0xff;
    if (entry === 0 || size > 16) {
      throw new Error("bits that are no code");
    }
    this.take(entry >> 8);
    if (size === 0) {
      return 0;
    }
    if (size === 16) {
      return 2 ** 15;
    }
    this.fill();
    const value = (this.buffer >> (this.count - size)) & (2 ** size - 1);
    this.take(size);
    // The lower half stands for negative differences.
    return value < 2 ** (size - 1) ? value - 2 ** size + 1 : value;
  }

  /** Go on behind a restart marker. */
  skipRestart(): void {
    this.buffer = 0;
    this.count = 0;
    this.spare = 0;
    const isMarker = this.jpeg[this.place] === 0xff && (this.jpeg[this.place + 1] & 0xf8) === 0xd0;
    if (!isMarker) {
      throw new Error("no restart where one is due");
    }
    this.place += 2;
  }

  /** Have at least 17 bits: behind the end, or before a marker, zeros. */
  private fill(): void {
    while (this.count <= LONGEST_CODE) {
      const byte = this.jpeg[this.place];
      const isMarker = byte === 0xff && this.jpeg[this.place + 1] !== 0;
      const isEnd = byte === undefined || isMarker;
      this.buffer = ((this.buffer << 8) | (isEnd ? 0 : byte)) & 0xffffff;
      this.count += 8;
      if (isEnd) {
        this.spare += 8;
      } else {
        // A zero follows a byte of ones, to tell it from a marker.
        this.place += byte === 0xff ? 2 : 1;
      }
    }
  }

  /** Take bits out of the buffer; throws where they are none of the scan's. */
  private take(bits: number): void {
    this.count -= bits;
    if (this.count < this.spare) {
      throw new Error("the bits end too early");
    }
  }
}
