// The stored values of a DICOM file: decoded, each in its place.
import { BadFilm } from "./bad_film.ts";
import { encapsulated } from "./dicom_file.ts";
import type { DicomFile } from "./dicom_file.ts";
import type { Header } from "./dicom_header.ts";
import { decodedGreys, frameOf, segmentsOf } from "./jpeg.ts";
import type { DecodeJpeg } from "./jpeg.ts";
import { decodeLossless } from "./jpeg_lossless.ts";
import { checkScans } from "./limits.ts";
import { decodeRle } from "./rle.ts";

// Transfer syntaxes (PS3.6, annex A) that are read …
const UNCOMPRESSED = [
  "1.2.840.10008.1.2", // implicit, little endian
  "1.2.840.10008.1.2.1", // explicit, little endian
  "1.2.840.10008.1.2.1.99", // deflated
  "1.2.840.10008.1.2.2", // explicit, big endian
];
const RLE = "1.2.840.10008.1.2.5";
const JPEG_LOSSY = ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"]; // 8 bits, up to 12 bits
const JPEG_LOSSLESS = ["1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"];
// … and the names of others.
const NOT_READ: Record<string, string> = {
  "1.2.840.10008.1.2.4.80": "JPEG-LS",
  "1.2.840.10008.1.2.4.81": "JPEG-LS",
  "1.2.840.10008.1.2.4.90": "JPEG 2000",
  "1.2.840.10008.1.2.4.91": "JPEG 2000",
  "1.2.840.10008.1.2.4.92": "JPEG 2000",
  "1.2.840.10008.1.2.4.93": "JPEG 2000",
  "1.2.840.10008.1.2.4.110": "JPEG XL",
  "1.2.840.10008.1.2.4.111": "JPEG XL",
  "1.2.840.10008.1.2.4.112": "JPEG XL",
  "1.2.840.10008.1.2.4.201": "High-Throughput JPEG 2000",
  "1.2.840.10008.1.2.4.202": "High-Throughput JPEG 2000",
  "1.2.840.10008.1.2.4.203": "High-Throughput JPEG 2000",
};

const COMPRESSED_AND_DAMAGED = "its compressed pixels are damaged: export it again";

/** Words as they lie in the file, and how many bits of each were coded. */
interface Words {
  words: Uint32Array; // rows · columns · channels, pixel by pixel
  codedBits: number | null; // null: all of the word, as the header describes it
}

/** The stored values of a DICOM file, pixel by pixel; throws `BadFilm`. */
export async function storedValues(
  file: DicomFile,
  header: Header,
  decodeJpeg: DecodeJpeg,
): Promise<Int32Array | Uint32Array> {
  const { syntax } = file;
  if (UNCOMPRESSED.includes(syntax)) {
    return valuesIn({ words: uncompressedWords(file, header), codedBits: null }, header);
  }
  if (syntax === "") {
    throw new BadFilm(
      "its pixels are compressed, and it does not say how (Transfer Syntax): export it again",
    );
  }
  const isRead = syntax === RLE || JPEG_LOSSY.includes(syntax) || JPEG_LOSSLESS.includes(syntax);
  if (!isRead) {
    const name = NOT_READ[syntax] ?? "in a way of its own";
    throw notRead(name);
  }
  const image = encapsulated(file.elements);
  if (syntax === RLE) {
    return valuesIn({ words: wordsOfRle(image, header), codedBits: null }, header);
  }
  return valuesIn(await wordsOfJpeg(image, syntax, header, decodeJpeg), header);
}

/** The error for pixels that are compressed in another way. */
function notRead(name: string): BadFilm {
  return new BadFilm(
    `its pixels are compressed (${name}), which this page does not read: export it uncompressed`,
  );
}

/** The words of pixels that are not compressed; throws `BadFilm`. */
function uncompressedWords(file: DicomFile, header: Header): Uint32Array {
  const { elements } = file;
  const element = elements.element("PixelData");
  if (element?.hadUndefinedLength) {
    throw new BadFilm(COMPRESSED_AND_DAMAGED);
  }
  let data = elements.data("PixelData");
  const bytesEach = header.allocated / 8;
  const length = header.rows * header.columns * header.channels;
  const expected = length * bytesEach;
  if (data.length < expected) {
    throw new BadFilm("its pixels end too early: the file is incomplete. Export it again");
  }
  // A byte may make the length even.
  const isLonger = data.length > expected + (expected % 2);
  if (isLonger && data.length >= 2 * expected) {
    throw new BadFilm(
      "its pixels are those of several images, and it says that it is one: export it again",
    );
  }
  if (bytesEach === 1 && !elements.isLittleEndian && element?.vr === "OW") {
    data = swappedInPairs(data);
  }
  const words = wordsOf(data, length, bytesEach, elements.isLittleEndian);
  return header.isPlanar ? pixelByPixel(words, header) : words;
}

/** Bytes of which each two have changed places. */
function swappedInPairs(data: Uint8Array): Uint8Array {
  return data.map((_, i) => data[i ^ 1]);
}

/** The first `length` words of some bytes, of 1, 2 or 4 bytes each. */
function wordsOf(
  data: Uint8Array,
  length: number,
  bytesEach: number,
  isLittleEndian: boolean,
): Uint32Array {
  const words = new Uint32Array(length);
  if (bytesEach === 1) {
    words.set(data.subarray(0, length));
    return words;
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (bytesEach === 2) {
    for (let i = 0; i < length; i++) {
      words[i] = view.getUint16(2 * i, isLittleEndian);
    }
    return words;
  }
  for (let i = 0; i < length; i++) {
    words[i] = view.getUint32(4 * i, isLittleEndian);
  }
  return words;
}

/** Words that came one channel after the other, pixel by pixel. */
function pixelByPixel(words: Uint32Array, header: Header): Uint32Array {
  const pixels = header.rows * header.columns;
  const sorted = new Uint32Array(words.length);
  for (let i = 0; i < pixels; i++) {
    for (let channel = 0; channel < header.channels; channel++) {
      sorted[i * header.channels + channel] = words[channel * pixels + i];
    }
  }
  return sorted;
}

/** The words of pixels in run length encoding; throws `BadFilm`. */
function wordsOfRle(image: Uint8Array, header: Header): Uint32Array {
  const pixels = header.rows * header.columns;
  let words;
  try {
    words = decodeRle(image, pixels, header.channels, header.allocated / 8);
  } catch {
    throw new BadFilm(COMPRESSED_AND_DAMAGED);
  }
  return header.channels === 1 ? words : pixelByPixel(words, header);
}

/** The words of pixels in a JPEG, which must be grey; throws `BadFilm`. */
async function wordsOfJpeg(
  jpeg: Uint8Array,
  syntax: string,
  header: Header,
  decodeJpeg: DecodeJpeg,
): Promise<Words> {
  if (header.channels !== 1) {
    throw notRead("JPEG in colour");
  }
  checkScans(jpeg);
  try {
    const segments = segmentsOf(jpeg);
    const frame = frameOf(segments);
    const isSame = frame.width === header.columns && frame.height === header.rows;
    const isPossible = frame.bits >= 2 && frame.bits <= 16 && frame.bits <= header.allocated;
    if (!isSame || frame.channels !== 1 || !isPossible) {
      throw new Error("not the pixels that the header describes");
    }
    const isLossless = JPEG_LOSSLESS.includes(syntax);
    if (isLossless) {
      return { words: decodeLossless(jpeg, segments, frame), codedBits: frame.bits };
    }
    if (frame.bits !== 8) {
      throw notRead("JPEG Extended, 12 bits");
    }
    const greys = await decodedGreys(jpeg, segments, frame, decodeJpeg);
    return { words: Uint32Array.from(greys), codedBits: frame.bits };
  } catch (error) {
    const isNamed = error instanceof BadFilm && error.message.includes("does not read");
    throw isNamed ? error : new BadFilm(COMPRESSED_AND_DAMAGED);
  }
}

/** The values in words: the bits that are used, brought down, with their sign; throws `BadFilm`. */
function valuesIn({ words, codedBits }: Words, header: Header): Int32Array | Uint32Array {
  // Compressed bits may have been moved to their place, whatever the header says.
  const hasBitsBelow = codedBits === null || codedBits > header.stored;
  const isHigh = header.highBit >= header.stored && hasBitsBelow;
  const top = isHigh ? header.highBit + 1 : header.stored;
  if (top > header.allocated) {
    throw new BadFilm("its pixels are damaged: export it again");
  }
  const bitsAbove = 32 - top;
  const bitsBelow = top - header.stored;
  if (header.isSigned) {
    const signed = new Int32Array(words.length);
    for (let i = 0; i < words.length; i++) {
      signed[i] = ((words[i] << bitsAbove) >> bitsAbove) >> bitsBelow;
    }
    return signed;
  }
  const unsigned = new Uint32Array(words.length);
  for (let i = 0; i < words.length; i++) {
    unsigned[i] = ((words[i] << bitsAbove) >>> bitsAbove) >>> bitsBelow;
  }
  return unsigned;
}
