// A film as the gate looks at it.
import type { Film } from "../types.ts";
import { withoutBorder } from "./border.ts";
import { autocontrast } from "./pillow.ts";

const CUTOFF = 1; // % of the darkest pixels, and of the brightest, that do not set the contrast

/** A film without its border, with its greys stretched. */
export function madePlain(film: Film): Film {
  return autocontrast(withoutBorder(film), CUTOFF);
}
