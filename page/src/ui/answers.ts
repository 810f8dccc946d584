// Which class the network names, and what stands against it.

/** The two classes that an answer is about. */
export interface Pair {
  target: number; // the class that the network names, from 0
  other: number; // the strongest of the others, from 0
}

/** The class with the greatest logit, and the strongest of the other ones. */
export function strongestTwo(logits: ArrayLike<number>): Pair {
  const labels = Array.from(logits, (_, label) => label);
  labels.sort((a, b) => logits[b] - logits[a]);
  const [target, other] = labels;
  return { target, other: other ?? target };
}

/** How far the logit of one class lies above that of another. */
export function differenceOf(logits: ArrayLike<number>, { target, other }: Pair): number {
  return logits[target] - logits[other];
}
