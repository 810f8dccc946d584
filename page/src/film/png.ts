// A PNG file → a film.
import type { Film } from "../types.ts";
import { BadFilm, DAMAGED, ENDS_TOO_EARLY } from "./bad_film.ts";
import { turned } from "./exif.ts";
import type { Notes } from "./exif.ts";
import { lightness, rounded, stretched } from "./greys.ts";
import { joined, unpacked } from "./inflate.ts";
import { checkSize } from "./limits.ts";
import { samplesOf, unpackedLength } from "./png_pixels.ts";
import type { PngHeader, Samples } from "./png_pixels.ts";

const SIGNATURE_BYTES = 8;
const MOST_CHUNKS = 500_000; // more pieces than any film is in
const MOST_TEXT_BYTES = 2 ** 20; // of a text that was packed

/** A piece of a PNG file. */
interface Chunk {
  name: string; // four letters
  data: Uint8Array;
}

/** What a PNG file consists of. */
interface PngFile {
  header: PngHeader;
  palette: Uint8Array; // red, green and blue of each colour; empty: there is none
  transparency: Uint8Array | null; // as it stands in tRNS; null: there is none
  packed: Uint8Array; // the pixels
  notes: Notes;
}

/** The film in a PNG file; throws `BadFilm`. */
export async function readPng(bytes: Uint8Array): Promise<Film> {
  const file = await pngFile(chunksOf(bytes));
  const { header } = file;
  const wanted = unpackedLength(header);
  const pixels = await unpacked(file.packed, wanted, "deflate");
  if (pixels.bytes.length < wanted) {
    throw new BadFilm(pixels.isWhole ? ENDS_TOO_EARLY : DAMAGED);
  }
  const samples = samplesOf(pixels.bytes, header);
  const greys = header.depth === 16 ? deepGreys(samples, file) : greysOf8Bits(samples, file);
  return turned({ width: header.width, height: header.height, greys }, file.notes);
}

// The pieces of the file

/** The chunks of a PNG file, up to its end; throws `BadFilm`. */
function chunksOf(bytes: Uint8Array): Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Chunk[] = [];
  let hasPixels = false;
  let place = SIGNATURE_BYTES;
  while (place + 8 <= bytes.length) {
    const length = view.getUint32(place);
    const name = String.fromCharCode(...bytes.subarray(place + 4, place + 8));
    const end = place + 8 + length;
    hasPixels ||= name === "IDAT";
    // Only up to the pixels, as in Pillow: they have a checksum of their own.
    if (!hasPixels && !hasItsChecksum(bytes, place + 4, end)) {
      throw new BadFilm(DAMAGED);
    }
    chunks.push({ name, data: bytes.subarray(place + 8, end) });
    if (name === "IEND") {
      break;
    }
    if (chunks.length > MOST_CHUNKS) {
      throw new BadFilm("it is in more pieces than any film: export it again, or as PNG");
    }
    place = end + 4;
  }
  return chunks;
}

/** For each byte, what it changes in a checksum (PNG specification, annex D). */
const CHECKSUMS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let checksum = byte;
  for (let bit = 0; bit < 8; bit++) {
    const isOdd = checksum & 1;
    checksum = (checksum >>> 1) ^ (isOdd ? 0xedb88320 : 0);
  }
  return checksum;
});

/** Whether bytes from `start` to `end` are followed by their checksum (CRC-32). */
function hasItsChecksum(bytes: Uint8Array, start: number, end: number): boolean {
  if (end + 4 > bytes.length) {
    return false;
  }
  let checksum = 0xffffffff;
  for (let place = start; place < end; place++) {
    checksum = CHECKSUMS[(checksum ^ bytes[place]) & 0xff] ^ (checksum >>> 8);
  }
  const expected = new DataView(bytes.buffer, bytes.byteOffset).getUint32(end);
  return (checksum ^ 0xffffffff) >>> 0 === expected;
}

/** What the chunks of a PNG file say; throws `BadFilm`. */
async function pngFile(chunks: Chunk[]): Promise<PngFile> {
  const header = headerOf(chunks[0]);
  const start = chunks.findIndex((chunk) => chunk.name === "IDAT");
  if (start < 0) {
    throw new BadFilm(DAMAGED);
  }
  // Pixels are in one row of chunks.
  const behind = chunks.findIndex((chunk, i) => i > start && chunk.name !== "IDAT");
  const pixels = chunks.slice(start, behind < 0 ? chunks.length : behind);
  const before = chunks.slice(0, start);
  if (before.some((chunk) => chunk.name === "acTL")) {
    throw new BadFilm("it holds several pages or frames: export the one you want");
  }
  const parts = pixels.map((chunk) => chunk.data);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return {
    header,
    palette: lastOf(before, "PLTE")?.data ?? new Uint8Array(0),
    transparency: lastOf(before, "tRNS")?.data ?? null,
    packed: joined(parts, length),
    notes: await notesOf(chunks),
  };
}

/** The last chunk of a name. */
function lastOf(chunks: Chunk[], name: string): Chunk | undefined {
  return chunks.findLast((chunk) => chunk.name === name);
}

// Kind of colours → the numbers of bits that it can have.
const DEPTHS: Record<number, number[]> = {
  0: [1, 2, 4, 8, 16], // grey
  2: [8, 16], // red, green, blue
  3: [1, 2, 4, 8], // places in a palette
  4: [8, 16], // grey, opacity
  6: [8, 16], // red, green, blue, opacity
};

/** What the first chunk says; throws `BadFilm` where it cannot be, or has too many pixels. */
function headerOf(chunk: Chunk | undefined): PngHeader {
  if (chunk === undefined || chunk.name !== "IHDR" || chunk.data.length < 13) {
    throw new BadFilm(DAMAGED);
  }
  const view = new DataView(chunk.data.buffer, chunk.data.byteOffset, chunk.data.byteLength);
  const header = {
    width: view.getUint32(0),
    height: view.getUint32(4),
    depth: view.getUint8(8),
    kind: view.getUint8(9),
    isInterlaced: view.getUint8(12) !== 0,
  };
  const isPossible = DEPTHS[header.kind]?.includes(header.depth) ?? false;
  const hasKnownFilters = view.getUint8(11) === 0;
  if (!isPossible || !hasKnownFilters || header.width === 0 || header.height === 0) {
    throw new BadFilm(DAMAGED);
  }
  const hasDeepColours = header.depth === 16 && header.kind !== 0;
  checkSize(header.width, header.height, hasDeepColours ? 8 : 4);
  return header;
}

// What it says of itself

/** The EXIF data and the XMP of a PNG file. */
async function notesOf(chunks: Chunk[]): Promise<Notes> {
  let exif = lastOf(chunks, "eXIf")?.data;
  let xmp = "";
  for (const chunk of chunks) {
    const text = await textOf(chunk);
    if (text?.keyword === "XML:com.adobe.xmp") {
      xmp = text.value;
    }
    if (text?.keyword === "Raw profile type exif") {
      exif ??= bytesOfProfile(text.value);
    }
  }
  return { exif: exif ?? new Uint8Array(0), xmp };
}

/** A text in a PNG file. */
interface Text {
  keyword: string;
  value: string;
}

/** The text in a chunk; undefined: there is none, or it cannot be read. */
async function textOf(chunk: Chunk): Promise<Text | undefined> {
  const { name, data } = chunk;
  const end = data.indexOf(0);
  if (!["tEXt", "zTXt", "iTXt"].includes(name) || end < 0) {
    return undefined;
  }
  const keyword = latin1(data.subarray(0, end));
  if (name === "tEXt") {
    return { keyword, value: latin1(data.subarray(end + 1)) };
  }
  if (name === "zTXt") {
    return { keyword, value: await unpackedText(data.subarray(end + 2)) };
  }
  // Behind the keyword: whether it is packed and how, a language, the keyword in that language.
  const endOfLanguage = data.indexOf(0, end + 3);
  const start = data.indexOf(0, endOfLanguage + 1) + 1;
  const isPacked = data[end + 1] !== 0;
  const value = data.subarray(start);
  return { keyword, value: isPacked ? await unpackedText(value) : latin1(value) };
}

/** Bytes as text, each a letter. */
function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

/** A text that was packed; "" where it is damaged. */
async function unpackedText(packed: Uint8Array): Promise<string> {
  const text = await unpacked(packed, MOST_TEXT_BYTES, "deflate");
  return text.isWhole ? latin1(text.bytes) : "";
}

/** The bytes of EXIF data as ImageMagick writes them: three lines, then two digits for each. */
function bytesOfProfile(text: string): Uint8Array {
  const digits = text.split("\n").slice(3).join("").replace(/\s/g, "");
  const bytes = Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  const hasName = latin1(bytes.subarray(0, 6)) === "Exif\0\0";
  return hasName ? bytes.subarray(6) : bytes;
}

// From samples to greys

const GREY = 0;
const RGB = 2;
const PALETTE = 3;
const GREY_AND_ALPHA = 4;
const OPAQUE = 255;
const TRANSPARENT_ALL_OVER = "it is transparent all over: there is nothing to see in it";

/** A colour and how opaque it is, each 0 to 255. */
type Colour = [red: number, green: number, blue: number, alpha: number];

/** The grey of a colour on black, as Pillow's alpha_composite and convert("L") have it. */
function onBlack(colour: Colour): number {
  const [red, green, blue, alpha] = colour;
  return lightness(dimmed(red, alpha), dimmed(green, alpha), dimmed(blue, alpha));
}

// Pillow keeps so many bits of a fraction while it mixes two colours.
const MIXING_BITS = 7;

/** A channel of a colour on black. */
function dimmed(value: number, alpha: number): number {
  const sum = ((value * alpha) << MIXING_BITS) + (0x80 << MIXING_BITS);
  // The quotient of a division by 255.
  const quotient = ((sum >> 8) + sum) >> 8;
  return quotient >> MIXING_BITS;
}

/** The greys of a picture of at most 8 bits. */
function greysOf8Bits(samples: Samples, file: PngFile): Uint8Array {
  if (file.header.kind === PALETTE || file.header.kind === GREY) {
    return lookedUp(samples, coloursOf(file));
  }
  const { kind } = file.header;
  const channels = samples.length / (file.header.width * file.header.height);
  const greys = new Uint8Array(file.header.width * file.header.height);
  const clear = clearColour(file);
  let isSeen = false;
  for (let i = 0; i < greys.length; i++) {
    const place = i * channels;
    const red = samples[place];
    const green = kind === GREY_AND_ALPHA ? red : samples[place + 1];
    const blue = kind === GREY_AND_ALPHA ? red : samples[place + 2];
    let alpha = OPAQUE;
    if (kind !== RGB) {
      alpha = samples[place + channels - 1];
    } else if (clear !== null && red === clear[0] && green === clear[1] && blue === clear[2]) {
      alpha = 0;
    }
    isSeen ||= alpha > 0;
    greys[i] = alpha === OPAQUE ? lightness(red, green, blue) : onBlack([red, green, blue, alpha]);
  }
  if (!isSeen) {
    throw new BadFilm(TRANSPARENT_ALL_OVER);
  }
  return greys;
}

/** The numbers of the one colour or grey that is to be seen through; null: there is none. */
function clearColour(file: PngFile): number[] | null {
  const { transparency } = file;
  if (transparency === null || ![GREY, RGB].includes(file.header.kind)) {
    return null;
  }
  const view = new DataView(transparency.buffer, transparency.byteOffset, transparency.length);
  const places = file.header.kind === GREY ? [0] : [0, 2, 4];
  if (transparency.length < 2 * places.length) {
    throw new BadFilm(DAMAGED);
  }
  return places.map((place) => view.getUint16(place));
}

/** The colours that the samples of a grey picture, or of one with a palette, stand for. */
function coloursOf(file: PngFile): Colour[] {
  const { header, palette, transparency } = file;
  if (header.kind === PALETTE) {
    return Array.from({ length: 256 }, (_, i) => {
      // What lies behind the palette's end is black.
      const [red = 0, green = 0, blue = 0] = palette.subarray(3 * i, 3 * i + 3);
      return [red, green, blue, transparency?.[i] ?? OPAQUE];
    });
  }
  const white = 2 ** header.depth - 1;
  const clear = clearColour(file)?.[0];
  return Array.from({ length: white + 1 }, (_, sample) => {
    const grey = (sample * 255) / white;
    return [grey, grey, grey, sample === clear ? 0 : OPAQUE];
  });
}

/** The greys of samples that stand for colours. */
function lookedUp(samples: Samples, colours: Colour[]): Uint8Array {
  const table = Uint8Array.from(colours, onBlack);
  const isUsed = new Uint8Array(256);
  const greys = new Uint8Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    const sample = samples[i];
    isUsed[sample] = 1;
    greys[i] = table[sample];
  }
  const isSeen = colours.some(([, , , alpha], sample) => isUsed[sample] === 1 && alpha > 0);
  if (!isSeen) {
    throw new BadFilm(TRANSPARENT_ALL_OVER);
  }
  return greys;
}

// Lightness of red, green and blue in deep pictures (ITU-R BT.601).
const DEEP_LUMA = [0.299, 0.587, 0.114];
const DEEP_OPAQUE = 2 ** 16 - 1;

/** The greys of a picture of 16 bits. */
function deepGreys(samples: Samples, file: PngFile): Uint8Array {
  const { header } = file;
  const clear = clearColour(file);
  if (header.kind === GREY) {
    const seen = clear === null ? samples : samples.map((v) => (v === clear[0] ? 0 : v));
    return stretched(seen);
  }
  const channels = samples.length / (header.width * header.height);
  const values = new Uint16Array(header.width * header.height);
  let isSeen = false;
  for (let i = 0; i < values.length; i++) {
    const pixel = samples.subarray(i * channels, (i + 1) * channels);
    const isClear = clear !== null && clear.every((value, channel) => value === pixel[channel]);
    const hasAlpha = header.kind !== RGB;
    const alpha = hasAlpha ? pixel[channels - 1] : DEEP_OPAQUE;
    isSeen ||= !isClear && alpha > 0;
    values[i] = isClear ? 0 : deepLightness(pixel, alpha);
  }
  if (!isSeen) {
    throw new BadFilm(TRANSPARENT_ALL_OVER);
  }
  return stretched(values);
}

/** The lightness of a pixel of 16 bits on black. */
function deepLightness(pixel: Samples, alpha: number): number {
  const [red, green, blue] = pixel;
  const hasColours = pixel.length >= 3;
  const [ofRed, ofGreen, ofBlue] = DEEP_LUMA;
  const whole = hasColours ? red * ofRed + green * ofGreen + blue * ofBlue : red;
  return rounded(whole * (alpha / DEEP_OPAQUE));
}
