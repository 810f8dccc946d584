// A DICOM file → a film.
import type { Film } from "../types.ts";
import { BadFilm } from "./bad_film.ts";
import { openDicomFile } from "./dicom_file.ts";
import { greysOf } from "./dicom_greys.ts";
import { headerOf, withoutGroups } from "./dicom_header.ts";
import type { Header } from "./dicom_header.ts";
import { storedValues } from "./dicom_pixels.ts";
import { lightness, to8Bit } from "./greys.ts";
import type { DecodeJpeg } from "./jpeg.ts";

const FIRST_GROUPS = [0x0002, 0x0008]; // of the elements a file without preamble can begin with

/** Whether a file is DICOM, with or without a preamble; `head`: 132 bytes, or more. */
export function isDicom(head: Uint8Array): boolean {
  if (String.fromCharCode(...head.subarray(128, 132)) === "DICM") {
    return true;
  }
  return head.length > 8 && (beginsWithElement(head, true) || beginsWithElement(head, false));
}

/** Whether the first bytes are an element's: group, number, then its type or its length. */
function beginsWithElement(head: Uint8Array, isLittleEndian: boolean): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const group = view.getUint16(0, isLittleEndian);
  const number = view.getUint16(2, isLittleEndian);
  if (!FIRST_GROUPS.includes(group) || number > 0x00ff) {
    return false;
  }
  const hasType = /^[A-Z]{2}$/.test(String.fromCharCode(head[4], head[5]));
  // Without a type the length comes at once, always least significant byte first.
  const length = view.getUint32(4, true);
  return hasType || (isLittleEndian && length <= 0xff && length % 2 === 0);
}

/** The film in a DICOM file; throws `BadFilm`, or whatever goes wrong. */
export async function readDicom(bytes: Uint8Array, decodeJpeg: DecodeJpeg): Promise<Film> {
  const opened = await openDicomFile(bytes);
  const file = { ...opened, elements: withoutGroups(opened.elements) };
  const header = headerOf(file.elements);
  const stored = await storedValues(file, header, decodeJpeg);
  const isGrey = header.channels === 1;
  const greys = isGrey ? greysOf(stored, file.elements, header) : greysOfColours(stored, header);
  return { width: header.columns, height: header.rows, greys };
}

const COLOURED = 40; // greys from a pixel's weakest channel to its strongest: more is a colour
const MOST_COLOURED = 0.1; // share of the pixels: with more it is a photograph, or a chart

/** The greys of red, green and blue; throws `BadFilm` where they are colours indeed. */
function greysOfColours(stored: Int32Array | Uint32Array, header: Header): Uint8Array {
  const colours = to8Bit(stored, 0, 2 ** header.stored - 1);
  const greys = new Uint8Array(header.rows * header.columns);
  let coloured = 0;
  for (let i = 0; i < greys.length; i++) {
    const red = colours[3 * i];
    const green = colours[3 * i + 1];
    const blue = colours[3 * i + 2];
    const spread = Math.max(red, green, blue) - Math.min(red, green, blue);
    coloured += spread > COLOURED ? 1 : 0;
    greys[i] = lightness(red, green, blue);
  }
  if (coloured / greys.length > MOST_COLOURED) {
    throw new BadFilm("this DICOM image is in colour, not a radiograph");
  }
  return greys;
}
