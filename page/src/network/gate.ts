/** Is this a film of either class? The gate of the library, in the page. */

import { resize, rotate90, rotate180, rotate270, invert } from "../film/pillow.ts";
import { madePlain } from "../film/plain.ts";
import type { Film, GateAnswer, PageGate } from "../types.ts";
import { averages, type Body } from "./body.ts";
import { squareOf } from "./square.ts";

const LENGTH_OF_SIZE = 256 + 512; // numbers of a point for each size: maps of the last two groups

/** Films as points on a sphere, all of one length, one after the other. */
interface Points {
  count: number;
  length: number; // numbers of a point
  values: Float32Array; // count · length
}

/** What a gate compares a film with. */
export class Gate {
  private readonly body: Body;
  private readonly gate: PageGate;
  private readonly known: Points; // the training films
  private readonly knownTurned: Points; // the same, at the size at which films are turned
  private readonly others: Points;

  constructor(body: Body, gate: PageGate, known: Float32Array, others: Float32Array) {
    this.body = body;
    this.gate = gate;
    const length = gate.sizes.length * LENGTH_OF_SIZE;
    this.known = { count: known.length / length, length, values: known };
    this.others = { count: others.length / length, length, values: others };
    this.knownTurned = this.atTurnedSize(this.known);
  }

  /** What the gate makes of a film. */
  async ask(film: Film): Promise<GateAnswer> {
    const plain = madePlain(film);
    const [point] = await this.pointsOf([plain], this.gate.sizes);
    const turns = [rotate90(plain), rotate180(plain), rotate270(plain), invert(plain)];
    const turnedPoints = await this.pointsOf(turns, [this.gate.turnedSize]);

    // How far are the training films, and how far are others?
    const { k } = this.gate;
    const found = nearest(this.known, point, k);
    const others = nearest(this.others, point, Math.min(k, this.others.count));
    const difference = found.distance - others.distance;

    // How far are the training films as it is, and at best when it is turned?
    const [upright] = pointsIn(this.atTurnedSize(point));
    const asItIs = nearest(this.knownTurned, single(upright), k).distance;
    const turned = turnedPoints.map((turn) => nearest(this.knownTurned, turn, k).distance);
    const least = Math.min(...turned);
    const gain = asItIs - least - this.gate.turnedMargin;

    const isTurned = gain > Math.max(difference, 0);
    const turnName = `itself, ${this.gate.turns[turned.indexOf(least)]}`;
    const stranger = Math.max(difference, gain);
    return {
      stranger,
      isAccepted: stranger <= this.gate.limit,
      nearest: found.numbers,
      nearestLabels: found.numbers.map((number) => this.gate.labels[number]),
      other: isTurned ? turnName : this.gate.kinds[others.numbers[0]],
    };
  }

  /** Films as points: for each size the averages of the last two groups' maps. */
  private async pointsOf(films: Film[], sizes: number[]): Promise<Points[]> {
    const parts: Float32Array[][] = films.map(() => []);
    for (const size of sizes) {
      const squares = films.map((film) => squareOf(resize(film, size, size)));
      const ofFilms = await this.body.maps(squares, size, ["group3", "group4"]);
      ofFilms.forEach((groups, film) => {
        parts[film].push(...groups.map((maps) => onSphere(averages(maps))));
      });
    }
    return parts.map((ofFilm) => single(onSphere(joined(ofFilm))));
  }

  /** What points say of films at the size at which they are turned. */
  private atTurnedSize(points: Points): Points {
    const start = this.gate.sizes.indexOf(this.gate.turnedSize) * LENGTH_OF_SIZE;
    const parts = pointsIn(points).map((point) =>
      onSphere(point.subarray(start, start + LENGTH_OF_SIZE)),
    );
    return { count: points.count, length: LENGTH_OF_SIZE, values: joined(parts) };
  }
}

/** One point as a set of points. */
function single(values: Float32Array): Points {
  return { count: 1, length: values.length, values };
}

/** The points of a set. */
function pointsIn(points: Points): Float32Array[] {
  const { count, length, values } = points;
  return Array.from({ length: count }, (_, i) => values.subarray(i * length, (i + 1) * length));
}

/** Arrays one behind the other. */
function joined(parts: Float32Array[]): Float32Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const whole = new Float32Array(length);
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

/** Numbers divided by their length as a vector; zeros stay zeros. */
function onSphere(numbers: Float32Array): Float32Array {
  let squares = 0;
  for (const number of numbers) {
    squares += number * number;
  }
  const length = Math.sqrt(squares) || 1;
  return numbers.map((number) => number / length);
}

/** The k points of a set nearest to a point, and the mean of their distances. */
function nearest(set: Points, point: Points, k: number): { numbers: number[]; distance: number } {
  const distances = pointsIn(set).map((other) => distanceOf(other, point.values));
  const numbers = distances.map((_, number) => number);
  numbers.sort((a, b) => distances[a] - distances[b]);
  const chosen = numbers.slice(0, k);
  const sum = chosen.reduce((total, number) => total + distances[number], 0);
  return { numbers: chosen, distance: sum / chosen.length };
}

/** The straight distance of two points. */
function distanceOf(one: Float32Array, other: Float32Array): number {
  let squares = 0;
  for (let i = 0; i < one.length; i += 1) {
    const difference = one[i] - other[i];
    squares += difference * difference;
  }
  return Math.sqrt(squares);
}
