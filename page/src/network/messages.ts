/** What the page and its worker say to each other. */

import type { Answer, Film, GateAnswer, Inside, PageGate } from "../types.ts";

/** A block of bytes in the page: letters, and how many bytes they stand for. */
export interface Block {
  text: string;
  length: number; // bytes, packed by zlib
}

/** What the worker begins with. */
export interface Setup {
  graph: Block; // the body's, in ONNX
  program: Block; // onnxruntime, compiled to WebAssembly
  weights: Block;
  size: number; // side of the square films are squeezed to (px)
  mean: number[];
  std: number[];
  head: { weight: number[][]; bias: number[] };
  temperature: number;
  gate: GateSetup | null;
}

export interface GateSetup {
  facts: PageGate;
  weights: Block | null; // of the network that the gate looks with; null: it is the same one
  known: Block; // training films as points, half precision
  others: Block; // what it holds against them, half precision
}

export type Question =
  | { number: number; kind: "set up"; setup: Setup }
  | { number: number; kind: "ask" | "ask gate" | "look inside"; film: Film };

export type Reply =
  | { number: number; answer: Answer | GateAnswer | Inside | null }
  | { number: number; problem: { name: string; message: string } };
