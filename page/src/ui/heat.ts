// The class activation map: what each square of the film adds to a class's sum, and its colours.
import type { Maps } from "../types.ts";
import type { Pair } from "./answers.ts";

/** A colour of the map. */
export interface Colour {
  name: string;
  channels: number[]; // red, green, blue, 0 to 255
}

export const ORANGE: Colour = { name: "orange", channels: [213, 94, 0] };
export const BLUE: Colour = { name: "blue", channels: [0, 114, 178] };

/** The colours of numbers with a sign. */
export interface Colours {
  above: Colour; // above 0
  below: Colour;
}

/** The colours where numbers above 0 speak for a class, from 0.
 *
 * Of two classes each has its own colour, whichever is named: orange is the positive one. Among
 * more classes orange is the one that the numbers speak for.
 */
export function coloursFor(label: number, classes: string[], positive: number): Colours {
  const isOrange = classes.length !== 2 || label === positive;
  return isOrange ? { above: ORANGE, below: BLUE } : { above: BLUE, below: ORANGE };
}

/** A colour as CSS has it. */
export function cssColour({ channels }: Colour, opacity = 1): string {
  return `rgb(${channels.join(" ")} / ${opacity})`;
}

/** The colour of a place on the legend, and how much of it lies over the film. */
export interface LegendStop {
  place: number; // % from the left
  colour: Colour;
  opacity: number;
}

/** The legend as the map is painted: each colour fades to nothing at 0, in the middle. */
export function legendStops(opacity: number): LegendStop[] {
  return [
    { place: 0, colour: BLUE, opacity },
    { place: 50, colour: BLUE, opacity: 0 },
    { place: 50, colour: ORANGE, opacity: 0 },
    { place: 100, colour: ORANGE, opacity },
  ];
}

/** A map with a sign: how much each square adds. */
export interface HeatMap {
  height: number; // squares
  width: number;
  values: Float32Array; // height · width
}

/** What each square adds to a sum in which every map has a weight. */
export function weightedMap(maps: Maps, weights: number[]): HeatMap {
  const { count, height, width } = maps;
  const squares = height * width;
  const values = new Float32Array(squares);
  for (let map = 0; map < count; map += 1) {
    // The sum takes the average of each map, so a square counts as one of so many.
    const share = weights[map] / squares;
    for (let square = 0; square < squares; square += 1) {
      values[square] += share * maps.values[map * squares + square];
    }
  }
  return { height, width, values };
}

/** What each square adds to the difference between two classes. */
export function differenceMap(maps: Maps, weight: number[][], { target, other }: Pair): HeatMap {
  const weights = weight[target].map((value, map) => value - weight[other][map]);
  return weightedMap(maps, weights);
}

/** What all squares add. */
export function totalOf(map: HeatMap): number {
  return map.values.reduce((sum, value) => sum + value, 0);
}

/** The greatest value of a map, for or against: both ends of its scale. */
export function highestOf(map: HeatMap): number {
  return map.values.reduce((high, value) => Math.max(high, Math.abs(value)), 0);
}

/** Two squares beside each other, and how much of the second a place between them takes. */
interface Between {
  first: number;
  second: number;
  share: number; // of the second, 0 to 1
}

/** The squares on both sides of each of n places along one side of a film. */
function placesBetween(places: number, squares: number): Between[] {
  return Array.from({ length: places }, (_, place) => {
    // Values stand in the middle of their squares; beyond the last middle nothing changes.
    const exact = ((place + 0.5) * squares) / places - 0.5;
    const inside = Math.min(Math.max(exact, 0), squares - 1);
    const first = Math.floor(inside);
    const second = Math.min(first + 1, squares - 1);
    return { first, second, share: inside - first };
  });
}

/** A map at the size of a picture, bilinear between the middles of its squares. */
export function smooth(map: HeatMap, width: number, height: number): Float32Array {
  const across = placesBetween(width, map.width);
  const down = placesBetween(height, map.height);
  const large = new Float32Array(width * height);
  let place = 0;
  for (const row of down) {
    const upper = row.first * map.width;
    const lower = row.second * map.width;
    for (const column of across) {
      const { first, second, share } = column;
      const above = map.values[upper + first] * (1 - share) + map.values[upper + second] * share;
      const below = map.values[lower + first] * (1 - share) + map.values[lower + second] * share;
      large[place] = above * (1 - row.share) + below * row.share;
      place += 1;
    }
  }
  return large;
}

/** Lay a map over a picture (red, green, blue, opacity of each pixel), the stronger the denser. */
export function paintHeat(
  picture: Uint8ClampedArray,
  heat: Float32Array, // of the picture's size
  high: number, // both ends of the scale
  opacity: number, // of the strongest place, 0 to 1
  { above, below }: Colours,
): void {
  if (high === 0) {
    return;
  }
  for (let i = 0; i < heat.length; i += 1) {
    const { channels } = heat[i] > 0 ? above : below;
    const share = (opacity * Math.abs(heat[i])) / high;
    for (let channel = 0; channel < 3; channel += 1) {
      const place = 4 * i + channel;
      picture[place] = (1 - share) * picture[place] + share * channels[channel];
    }
  }
}

/** Where a map speaks most for its class, in words. */
export function strongestPlace(map: HeatMap): string {
  if (highestOf(map) === 0) {
    return "the map is all zero";
  }
  const values = Array.from(map.values);
  const square = values.indexOf(Math.max(...values));
  const across = ((square % map.width) + 0.5) / map.width;
  const down = (Math.floor(square / map.width) + 0.5) / map.height;
  return (
    `strongest ${Math.round(100 * across)} % of the way from left to right and ` +
    `${Math.round(100 * down)} % from top to bottom`
  );
}
