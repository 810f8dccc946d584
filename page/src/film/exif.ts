// How a picture says that it is to be turned, read and done as Pillow does.
import type { Film } from "../types.ts";
import { mirror, rotate180, rotate270, rotate90 } from "./pillow.ts";

const ORIENTATION = 0x0112; // number of the tag
const MOST_EXIF_BYTES = 2 ** 20; // JPEG has room for 65,536
const ENTRY_BYTES = 12; // of a tag: its number, its type, a count, a value
const BYTE = 1; // types of numbers
const SHORT = 3;
const LONG = 4;

/** What a picture says of itself outside its pixels. */
export interface Notes {
  exif: Uint8Array; // a small TIFF; empty: there is none
  xmp: string; // XML; "": there is none
}

/** How a picture is to be turned: 1 to 8, as in EXIF; another number for not at all. */
export function orientation(notes: Notes): number {
  if (notes.exif.length > MOST_EXIF_BYTES) {
    return 1;
  }
  let number: number | undefined;
  try {
    number = orientationInExif(notes.exif);
  } catch {
    // Damaged EXIF data may say anything.
    return 1;
  }
  if (number !== undefined) {
    return number;
  }
  const found = /tiff:Orientation(="|>)([0-9])/.exec(notes.xmp);
  return found === null ? 1 : Number(found[2]);
}

/** The orientation in EXIF data; undefined: nothing is said; throws where it is damaged. */
function orientationInExif(exif: Uint8Array): number | undefined {
  if (exif.length === 0) {
    return undefined;
  }
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  const isLittleEndian = hasLittleEndian(view);
  const start = view.getUint32(4, isLittleEndian);
  const tags = view.getUint16(start, isLittleEndian);
  let number: number | undefined;
  for (let i = 0; i < tags; i++) {
    const place = start + 2 + i * ENTRY_BYTES;
    if (place + ENTRY_BYTES > view.byteLength) {
      break;
    }
    if (view.getUint16(place, isLittleEndian) === ORIENTATION) {
      number = numberInTag(view, place, isLittleEndian);
    }
  }
  return number;
}

/** Whether the bytes of a TIFF come in this order; throws where it is none. */
function hasLittleEndian(view: DataView): boolean {
  const start = view.getUint32(0);
  if (start === 0x49492a00) {
    return true;
  }
  if (start === 0x4d4d002a) {
    return false;
  }
  throw new Error("no TIFF");
}

/** The one number in a tag; 0: there is none, or there are several. */
function numberInTag(view: DataView, place: number, isLittleEndian: boolean): number {
  const type = view.getUint16(place + 2, isLittleEndian);
  const count = view.getUint32(place + 4, isLittleEndian);
  if (count !== 1) {
    return 0;
  }
  if (type === SHORT) {
    return view.getUint16(place + 8, isLittleEndian);
  }
  if (type === LONG) {
    return view.getUint32(place + 8, isLittleEndian);
  }
  return type === BYTE ? view.getUint8(place + 8) : 0;
}

// What to do about each orientation but 1.
const TURNS: Record<number, (film: Film) => Film> = {
  2: mirror,
  3: rotate180,
  4: (film) => rotate180(mirror(film)), // upside down
  5: (film) => rotate90(mirror(film)), // rows become columns
  6: rotate270,
  7: (film) => rotate270(mirror(film)), // the same, turned by 180°
  8: rotate90,
};

/** A film turned the way its picture says. */
export function turned(film: Film, notes: Notes): Film {
  const turn = TURNS[orientation(notes)];
  return turn === undefined ? film : turn(film);
}
