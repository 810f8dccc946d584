/** A film as the greys a network takes. */

import type { Film } from "../types.ts";

/** The greys of a film from 0 (black) to 1 (white). */
export function squareOf(film: Film): Float32Array {
  return Float32Array.from(film.greys, (grey) => grey / 255);
}
