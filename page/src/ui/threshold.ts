// What a threshold makes of the films of the validation.
import type { Validated } from "../types.ts";

const Z = 1.959963984540054; // of a 95 % interval

/** How many films are called rightly and wrongly. */
export interface Counts {
  found: number; // positive, and called so
  missed: number; // positive, and not called so
  falseAlarms: number; // another class, and called positive
  cleared: number; // another class, and not called positive
}

/** A share with its 95 % interval; `n` is 0 where there are no such films. */
export interface Share {
  k: number;
  n: number;
  value: number;
  low: number;
  high: number;
}

/** Count films that are called positive from a probability on. */
export function countsAt(films: Validated[], positive: number, threshold: number): Counts {
  const counts = { found: 0, missed: 0, falseAlarms: 0, cleared: 0 };
  for (const { truth, probabilities } of films) {
    const isCalled = isCalledPositive(probabilities[positive], threshold);
    if (truth === positive) {
      counts[isCalled ? "found" : "missed"] += 1;
    } else {
      counts[isCalled ? "falseAlarms" : "cleared"] += 1;
    }
  }
  return counts;
}

/** Is no film called wrongly? */
export function areAllRight({ missed, falseAlarms }: Counts): boolean {
  return missed === 0 && falseAlarms === 0;
}

/** The first of some thresholds at which a film is called wrongly. */
export function firstWrong(
  films: Validated[],
  positive: number,
  thresholds: number[],
): number | undefined {
  return thresholds.find((threshold) => !areAllRight(countsAt(films, positive, threshold)));
}

/** Is a film called positive? */
export function isCalledPositive(probability: number, threshold: number): boolean {
  return probability >= threshold;
}

/** k of n as a share, with Wilson's interval. */
export function shareOf(k: number, n: number): Share {
  if (n === 0) {
    return { k, n, value: NaN, low: NaN, high: NaN };
  }
  const value = k / n;
  const middle = value + (Z * Z) / (2 * n);
  const half = Z * Math.sqrt((value * (1 - value)) / n + (Z * Z) / (4 * n * n));
  const whole = 1 + (Z * Z) / n;
  return {
    k,
    n,
    value,
    low: k === 0 ? 0 : (middle - half) / whole,
    high: k === n ? 1 : (middle + half) / whole,
  };
}

/** The share of positive films that are called so. */
export function sensitivity({ found, missed }: Counts): Share {
  return shareOf(found, found + missed);
}

/** The share of other films that are not called positive. */
export function specificity({ cleared, falseAlarms }: Counts): Share {
  return shareOf(cleared, cleared + falseAlarms);
}

/** A share and its interval in words. */
export function shareWords({ value, low, high, n }: Share): string {
  if (n === 0) {
    return "– (there are no such films)";
  }
  return `${value.toFixed(2)} (95 % interval ${low.toFixed(2)} to ${high.toFixed(2)}), n = ${n}`;
}
