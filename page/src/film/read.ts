// A file's bytes → a film, by the rules of load_film.
import type { Film } from "../types.ts";
import { BadFilm, DAMAGED } from "./bad_film.ts";
import { isDicom, readDicom } from "./dicom.ts";
import { readJpeg } from "./jpeg.ts";
import type { DecodeJpeg } from "./jpeg.ts";
import { MOST_FILE_BYTES } from "./limits.ts";
import { readPng } from "./png.ts";

export { BadFilm } from "./bad_film.ts";
export type { DecodedJpeg, DecodeJpeg } from "./jpeg.ts";

const HEAD_BYTES = 132; // this many bytes at the start of a file tell its format
const PNG = "\x89PNG\r\n\x1a\n";
const JPEG = "\xff\xd8\xff";
const READ = "this page reads PNG, JPEG and DICOM";

// How pictures begin that this page does not read, though they may hold a film.
const OTHER_PICTURES: [RegExp, string][] = [
  [/^(II[*+]\0|MM\0[*+])/, "a TIFF"],
  [/^BM/, "a BMP"],
  [/^RIFF[^]{4}WEBP/, "a WebP"],
  [/^\s*GIF8/, "a GIF"],
  [/^\0\0\0\x0cjP {2}/, "a JPEG 2000 outside DICOM"],
];
// How other files begin that are given as films, and what they are.
const NO_FILMS: [RegExp, string][] = [
  [/^\s*%PDF/, "a PDF"],
  [/^\s*PK/, "a zip, or an office document"],
  [/^\s*\x1f\x8b/, "a file compressed by gzip"],
  [/^\s*version https:\/\/git-lfs/, "the stand-in of a film that Git LFS has not fetched"],
  [/^\s*\/annex\/objects\//, "the stand-in of a film that git-annex has not fetched"],
  [/^\s*</, "a web page, or another text in XML"],
];

/** The film in the bytes of a file; rejects with `BadFilm` where there is none. */
export async function readFilm(bytes: Uint8Array, decodeJpeg: DecodeJpeg): Promise<Film> {
  try {
    return await filmIn(bytes, decodeJpeg);
  } catch (error) {
    throw error instanceof BadFilm ? error : new BadFilm(DAMAGED);
  }
}

/** The film in the bytes of a file; rejects with `BadFilm`, or whatever goes wrong. */
async function filmIn(bytes: Uint8Array, decodeJpeg: DecodeJpeg): Promise<Film> {
  if (bytes.length === 0) {
    throw new BadFilm(
      "the file is empty: if it lies in a cloud storage, it may not be downloaded yet",
    );
  }
  if (bytes.length > MOST_FILE_BYTES) {
    throw new BadFilm("it is larger than any film: export it again");
  }
  // First, because the preamble of a DICOM file may be the head of a TIFF.
  if (isDicom(bytes)) {
    return readDicom(bytes, decodeJpeg);
  }
  const head = String.fromCharCode(...bytes.subarray(0, HEAD_BYTES));
  if (head.startsWith(PNG)) {
    return readPng(bytes);
  }
  if (head.startsWith(JPEG)) {
    return readJpeg(bytes, decodeJpeg);
  }
  throw new BadFilm(whyNoFilm(head));
}

/** The words for a file of a format that is not read; `head`: its first bytes. */
function whyNoFilm(head: string): string {
  const picture = OTHER_PICTURES.find(([start]) => start.test(head));
  if (picture !== undefined) {
    return `this is ${picture[1]}, and ${READ}: save it as PNG`;
  }
  const other = NO_FILMS.find(([start]) => start.test(head));
  if (other !== undefined) {
    return `this is ${other[1]}, and not a film: ${READ}`;
  }
  return `not a film: ${READ}`;
}
