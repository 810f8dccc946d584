/** The body of the network in onnxruntime: squares of greys → maps. */

import * as ort from "onnxruntime-web/wasm";
import type { Maps } from "../types.ts";

/** Normalises each of the three equal colours: (grey / 255 − mean) / std. */
export interface Normalisation {
  mean: number[]; // of red, green, blue
  std: number[];
}

/** Let onnxruntime use the program that the page carries, on one processor, without a request. */
export function useProgram(program: Uint8Array): void {
  ort.env.wasm.wasmBinary = program.slice().buffer;
  ort.env.wasm.numThreads = 1; // several need headers that a file on a disk cannot have
  ort.env.logLevel = "error";
}

// What the graph gives, and the graph's names for it.
export type Output = "first" | "group1" | "group2" | "group3" | "group4";

/** A network without its last layer. */
export class Body {
  private readonly session: ort.InferenceSession;
  private readonly normalisation: Normalisation;

  private constructor(session: ort.InferenceSession, normalisation: Normalisation) {
    this.session = session;
    this.normalisation = normalisation;
  }

  /** A body from the one graph and its own weights. */
  static async create(
    graph: Uint8Array,
    weights: Uint8Array,
    normalisation: Normalisation,
  ): Promise<Body> {
    const session = await ort.InferenceSession.create(graph, {
      executionProviders: ["wasm"],
      externalData: [{ path: "weights", data: weights }],
      enableMemPattern: false, // films come in several sizes
    });
    return new Body(session, normalisation);
  }

  /** The maps of n squares, of the layers asked for: for each square, for each layer. */
  async maps(squares: Float32Array[], side: number, outputs: Output[]): Promise<Maps[][]> {
    const films = new ort.Tensor("float32", this.normalised(squares, side), [
      squares.length,
      3,
      side,
      side,
    ]);
    const results = await this.session.run({ films }, outputs);
    const ofSquares = squares.map((_, square) =>
      outputs.map((output) => mapsOf(results[output], square)),
    );
    for (const output of outputs) {
      results[output].dispose();
    }
    films.dispose();
    return ofSquares;
  }

  /** Squares of greys (0 to 1) as the network takes them: three colours each, normalised. */
  private normalised(squares: Float32Array[], side: number): Float32Array {
    const { mean, std } = this.normalisation;
    const pixels = side * side;
    const films = new Float32Array(squares.length * 3 * pixels);
    squares.forEach((square, number) => {
      for (let colour = 0; colour < 3; colour += 1) {
        const start = (number * 3 + colour) * pixels;
        for (let i = 0; i < pixels; i += 1) {
          films[start + i] = (square[i] - mean[colour]) / std[colour];
        }
      }
    });
    return films;
  }
}

/** The maps of one square among those of several. */
function mapsOf(tensor: ort.Tensor, square: number): Maps {
  const [, count, height, width] = tensor.dims;
  const length = count * height * width;
  const all = tensor.data as Float32Array;
  const values = all.slice(square * length, (square + 1) * length);
  return { count, height, width, values };
}

/** The average of each map. */
export function averages(maps: Maps): Float32Array {
  const pixels = maps.height * maps.width;
  const means = new Float32Array(maps.count);
  for (let map = 0; map < maps.count; map += 1) {
    let sum = 0;
    for (let i = 0; i < pixels; i += 1) {
      sum += maps.values[map * pixels + i];
    }
    means[map] = sum / pixels;
  }
  return means;
}
