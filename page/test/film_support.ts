// What the tests of the film reader share.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DecodedJpeg } from "../src/film/jpeg.ts";
import type { Film } from "../src/types.ts";

/** A film as the golden file tells it. */
export interface Told {
  width: number; // px
  height: number; // px
  sha256: string; // of its greys
  greys?: number[]; // of small films
}

/** What the library makes of a file. */
export interface GoldenAnswer {
  error?: string; // why it is no film
  film: Told;
  border: Told; // without its border
  plain: Told; // as the gate looks at it
  turns: Told[]; // by 90°, 180° and 270°
  mirror: Told;
  invert: Told;
  sizes: Told[]; // one for each of `Golden.sizes`
}

/** All answers of the library. */
export interface Golden {
  answers: Record<string, GoldenAnswer>; // by path
  decoded: Record<string, [number, number]>; // width and height of each JPEG, by its hash
  sizes: [number, number][]; // width and height (px)
}

/** The folder that film_golden.py has written; undefined: there is none. */
export const folder = process.env.FILM_GOLDEN;

/** The answers in the folder. */
export function readGolden(): Golden {
  return JSON.parse(readFileSync(join(folder ?? "", "golden.json"), "utf8"));
}

/** The hash of some bytes. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Whether a film is the one that was told. */
export function isSame(film: Film, told: Told): boolean {
  const hasSize = film.width === told.width && film.height === told.height;
  return hasSize && sha256(film.greys) === told.sha256;
}

/** A decoder that finds what Pillow has decoded, by the bytes of the JPEG without its notes. */
export function decoderOf(golden: Golden): (jpeg: Uint8Array) => Promise<DecodedJpeg> {
  return async (jpeg) => {
    const key = sha256(jpeg);
    if (golden.decoded[key] === undefined) {
      throw new Error("not decoded by Pillow");
    }
    const [width, height] = golden.decoded[key];
    const rgb = readFileSync(join(folder ?? "", `${key}.rgb`));
    const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
    for (let i = 0; i < width * height; i++) {
      rgba.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
    }
    return { width, height, rgba };
  };
}
