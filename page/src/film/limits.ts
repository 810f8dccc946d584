// What no film exceeds: so much is refused before anything is decoded.
import { BadFilm } from "./bad_film.ts";

export const MOST_FILE_BYTES = 2 ** 29; // of a file
const MOST_PIXEL_BYTES = 240_000_000; // that the pixels of a film take while they are decoded
const FEWEST_BYTES_EACH = 4; // that a pixel is taken to need then, even if it has one
const MOST_SCANS = 40; // of a JPEG

/** Refuse more pixels than a film has; `bytesEach`: bytes a pixel takes while it is decoded. */
export function checkSize(width: number, height: number, bytesEach = FEWEST_BYTES_EACH): void {
  const bytes = width * height * Math.max(bytesEach, FEWEST_BYTES_EACH);
  if (bytes > MOST_PIXEL_BYTES) {
    const depth = bytesEach <= FEWEST_BYTES_EACH ? "" : " of this depth";
    throw new BadFilm(`it has more pixels than any film${depth}: export it smaller`);
  }
}

/** Refuse a JPEG whose decoding goes over the film more often than any program has it. */
export function checkScans(jpeg: Uint8Array): void {
  let scans = 0;
  let place = jpeg.indexOf(0xff);
  while (place >= 0) {
    // FF DA starts a scan, and stands for nothing else.
    if (jpeg[place + 1] === 0xda) {
      scans += 1;
    }
    place = jpeg.indexOf(0xff, place + 1);
  }
  if (scans > MOST_SCANS) {
    throw new BadFilm("it is a JPEG in more scans than any film: export it again");
  }
}
