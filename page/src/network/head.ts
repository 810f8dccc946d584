/** The last layer: averages of maps → logits → probabilities. */

/** The last layer of a network. */
export interface Head {
  weight: number[][]; // classes × maps
  bias: number[]; // classes
}

/** For each class a weighted sum of the maps' averages. */
export function logitsOf(averages: Float32Array, head: Head): Float32Array {
  const logits = head.weight.map((weights, label) => {
    const sum = weights.reduce((total, weight, map) => total + weight * averages[map], 0);
    return sum + head.bias[label];
  });
  return Float32Array.from(logits);
}

/** Shares of 1, one for each class; a temperature above 1 makes them more alike. */
export function softmax(logits: Float32Array, temperature: number): Float32Array {
  const scaled = logits.map((logit) => logit / temperature);
  const highest = Math.max(...scaled);
  const powers = scaled.map((logit) => Math.exp(logit - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
