// A JPEG file → a film. The browser decodes the pixels; all else is done here.
import type { Film } from "../types.ts";
import { BadFilm, DAMAGED } from "./bad_film.ts";
import { turned } from "./exif.ts";
import type { Notes } from "./exif.ts";
import { lightness } from "./greys.ts";
import { joined } from "./inflate.ts";
import { checkScans, checkSize } from "./limits.ts";

/** The colours of a picture: red, green, blue and opacity of each pixel, row by row. */
export interface DecodedJpeg {
  width: number; // px
  height: number; // px
  rgba: Uint8ClampedArray; // width · height · 4
}

/** What decodes a JPEG: a browser, or in tests a table. */
export type DecodeJpeg = (jpeg: Uint8Array) => Promise<DecodedJpeg>;

// The second bytes of markers; the first is FF.
const END = 0xd9;
const START_OF_SCAN = 0xda;
const APP0 = 0xe0; // JFIF
const APP1 = 0xe1; // EXIF and XMP
const APP14 = 0xee; // Adobe: how the colours are coded
const APP15 = 0xef;
const COMMENT = 0xfe;
// All that start a frame are C0 to CF, but for tables and arithmetic coding.
const NO_FRAMES = [0xc4, 0xc8, 0xcc];

/** A segment of a JPEG, before its pixels. */
export interface Segment {
  marker: number; // the second byte
  start: number; // of the marker (bytes from the start of the file)
  end: number; // behind the segment
  data: Uint8Array; // behind marker and length
}

/** The segments up to the first scan, which is the last one; throws `BadFilm`. */
export function segmentsOf(jpeg: Uint8Array): Segment[] {
  const segments: Segment[] = [];
  let place = 2; // behind the start of the image
  let marker = 0;
  while (marker !== START_OF_SCAN) {
    if (jpeg[place] !== 0xff) {
      throw new BadFilm(DAMAGED);
    }
    marker = jpeg[place + 1];
    if (marker === 0xff) {
      // A byte that fills up.
      place += 1;
      continue;
    }
    const length = jpeg[place + 2] * 256 + jpeg[place + 3];
    const end = place + 2 + length;
    const isWhole = length >= 2 && end <= jpeg.length;
    if (!isWhole) {
      throw new BadFilm(DAMAGED);
    }
    segments.push({ marker, start: place, end, data: jpeg.subarray(place + 4, end) });
    place = end;
  }
  return segments;
}

/** What a JPEG says of its pixels. */
export interface Frame {
  marker: number; // C0 baseline, C1 extended, C2 progressive, C3 lossless …
  bits: number; // of a sample
  width: number; // px
  height: number; // px
  channels: number;
}

/** What the segments of a JPEG say of its pixels; throws `BadFilm`. */
export function frameOf(segments: Segment[]): Frame {
  const frames = segments.filter(
    ({ marker }) => marker >= 0xc0 && marker <= 0xcf && !NO_FRAMES.includes(marker),
  );
  if (frames.length !== 1 || frames[0].data.length < 6) {
    throw new BadFilm(DAMAGED);
  }
  const { marker, data } = frames[0];
  return {
    marker,
    bits: data[0],
    height: data[1] * 256 + data[2],
    width: data[3] * 256 + data[4],
    channels: data[5],
  };
}

/** The film in a JPEG file; throws `BadFilm`. */
export async function readJpeg(jpeg: Uint8Array, decode: DecodeJpeg): Promise<Film> {
  checkScans(jpeg);
  const segments = segmentsOf(jpeg);
  const frame = frameOf(segments);
  if (frame.channels === 4) {
    throw new BadFilm(
      "it is a JPEG in the colours of a printer (CMYK), which this page does not read: "
      + "save it as PNG",
    );
  }
  const greys = await decodedGreys(jpeg, segments, frame, decode);
  return turned({ width: frame.width, height: frame.height, greys }, notesOf(segments));
}

/** The greys of a JPEG of 8 bits in grey or colour, not turned; throws `BadFilm`. */
export async function decodedGreys(
  jpeg: Uint8Array,
  segments: Segment[],
  frame: Frame,
  decode: DecodeJpeg,
): Promise<Uint8Array> {
  const isReadable = frame.bits === 8 && (frame.channels === 1 || frame.channels === 3);
  if (!isReadable || frame.width === 0 || frame.height === 0) {
    throw new BadFilm(DAMAGED);
  }
  checkSize(frame.width, frame.height);
  const { width, height, rgba } = await decode(pixelsAlone(jpeg, segments));
  const isSame = width === frame.width && height === frame.height;
  if (!isSame || rgba.length !== 4 * width * height) {
    throw new BadFilm(DAMAGED);
  }
  const greys = new Uint8Array(width * height);
  for (let i = 0; i < greys.length; i++) {
    greys[i] = lightness(rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2]);
  }
  return greys;
}

/** A JPEG with nothing in it by which a browser would turn it, or change its colours. */
function pixelsAlone(jpeg: Uint8Array, segments: Segment[]): Uint8Array {
  const scan = segments[segments.length - 1];
  const end = endOf(jpeg, scan.end);
  const kept = [jpeg.subarray(0, 2)];
  for (const { marker, start, end: behind } of segments) {
    const isNote = marker > APP0 && marker <= APP15 && marker !== APP14;
    if (!isNote && marker !== COMMENT) {
      kept.push(jpeg.subarray(start, behind));
    }
  }
  kept.push(jpeg.subarray(scan.end, end));
  const length = kept.reduce((sum, part) => sum + part.length, 0);
  return joined(kept, length);
}

/** Where a JPEG ends; throws `BadFilm` where it is cut short, as browsers show half of such. */
function endOf(jpeg: Uint8Array, start: number): number {
  let place = jpeg.indexOf(0xff, start);
  while (place >= 0) {
    if (jpeg[place + 1] === END) {
      return place + 2;
    }
    place = jpeg.indexOf(0xff, place + 1);
  }
  throw new BadFilm(DAMAGED);
}

const EXIF_NAME = "Exif\0\0";
const XMP_NAME = "http://ns.adobe.com/xap/1.0/\0";

/** The EXIF data and the XMP of a JPEG. */
function notesOf(segments: Segment[]): Notes {
  const exifs: Uint8Array[] = [];
  let xmp = "";
  for (const { marker, data } of segments) {
    const text = new TextDecoder("latin1").decode(data);
    if (marker === APP1 && text.startsWith(EXIF_NAME)) {
      exifs.push(data.subarray(EXIF_NAME.length));
    }
    if (marker === APP1 && text.startsWith(XMP_NAME)) {
      xmp = text.slice(XMP_NAME.length);
    }
  }
  // What does not fit into one segment goes on in the next.
  const length = exifs.reduce((sum, part) => sum + part.length, 0);
  return { exif: joined(exifs, length), xmp };
}
