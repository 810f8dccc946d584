/** Runs beside the page, so that the page never stands still while a network calculates. */

import { resize } from "../film/pillow.ts";
import type { Answer, Film, GateAnswer, Inside, Maps } from "../types.ts";
import { averages, Body, useProgram } from "./body.ts";
import { Gate } from "./gate.ts";
import { logitsOf, softmax } from "./head.ts";
import type { Block, GateSetup, Question, Reply, Setup } from "./messages.ts";
import { squareOf } from "./square.ts";
import { bytesOfText, inflated } from "./text.ts";
import { ofHalfPrecision, unpackedWeights } from "./weights.ts";

/** All that is needed to answer. */
interface Network {
  setup: Setup;
  body: Body;
  filters: Maps; // of the first layer, as they act on greys
  gate: Gate | null;
}

let network: Network | null = null;

/** The bytes of a block, unpacked. */
async function unpacked(block: Block): Promise<Uint8Array> {
  return inflated(bytesOfText(block.text, block.length));
}

/** Unpack everything and build the networks. */
async function setUp(setup: Setup): Promise<null> {
  useProgram(await unpacked(setup.program));
  const graph = await unpacked(setup.graph);
  const weights = unpackedWeights(await unpacked(setup.weights));
  const body = await Body.create(graph, weights, setup);
  const filters = filtersOn(weights, setup.std);
  const gate = setup.gate === null ? null : await gateOf(setup.gate, body, graph, setup);
  network = { setup, body, filters, gate };
  return null;
}

/** The gate, with the network that it looks with. */
async function gateOf(
  gate: GateSetup,
  ofLearner: Body,
  graph: Uint8Array,
  setup: Setup,
): Promise<Gate> {
  let body = ofLearner;
  if (gate.weights !== null) {
    const weights = unpackedWeights(await unpacked(gate.weights));
    body = await Body.create(graph, weights, setup);
  }
  const known = ofHalfPrecision(await unpacked(gate.known));
  const others = ofHalfPrecision(await unpacked(gate.others));
  return new Gate(body, gate.facts, known, others);
}

const FILTERS = 64;
const SIDE = 7; // of a filter of the first layer (px)

/** The patterns of the first layer as they act on greys: the three colours added up. */
function filtersOn(weights: Uint8Array, std: number[]): Maps {
  const first = new Float32Array(weights.buffer, 0, FILTERS * 3 * SIDE * SIDE);
  const values = new Float32Array(FILTERS * SIDE * SIDE);
  for (let filter = 0; filter < FILTERS; filter += 1) {
    for (let colour = 0; colour < 3; colour += 1) {
      const start = (filter * 3 + colour) * SIDE * SIDE;
      for (let i = 0; i < SIDE * SIDE; i += 1) {
        values[filter * SIDE * SIDE + i] += first[start + i] / std[colour];
      }
    }
  }
  return { count: FILTERS, height: SIDE, width: SIDE, values };
}

/** What the network says of a film. */
async function ask({ setup, body }: Network, film: Film): Promise<Answer> {
  const started = performance.now();
  const square = squareOf(resize(film, setup.size, setup.size));
  const [[maps]] = await body.maps([square], setup.size, ["group4"]);
  const means = averages(maps);
  const logits = logitsOf(means, setup.head);
  return {
    square,
    maps,
    averages: means,
    logits,
    probabilities: softmax(logits, setup.temperature),
    milliseconds: performance.now() - started,
  };
}

/** The maps on the way to the answer. */
async function lookInside({ setup, body, filters }: Network, film: Film): Promise<Inside> {
  const square = squareOf(resize(film, setup.size, setup.size));
  const outputs = ["first", "group1", "group2", "group3", "group4"] as const;
  const [[first, ...blocks]] = await body.maps([square], setup.size, [...outputs]);
  return { filters, first, blocks };
}

/** The answer to a question; throws what goes wrong. */
async function answerTo(question: Question): Promise<Answer | GateAnswer | Inside | null> {
  if (question.kind === "set up") {
    return setUp(question.setup);
  }
  if (network === null) {
    throw new Error("The network is not ready.");
  }
  if (question.kind === "ask") {
    return ask(network, question.film);
  }
  if (question.kind === "ask gate") {
    return network.gate === null ? null : network.gate.ask(question.film);
  }
  return lookInside(network, question.film);
}

/** What went wrong, as it can be sent. */
function plainProblem(problem: unknown): { name: string; message: string } {
  return problem instanceof Error
    ? { name: problem.name, message: problem.message }
    : { name: "Error", message: String(problem) };
}

// One question after the other: onnxruntime calculates one thing at a time.
let last: Promise<unknown> = Promise.resolve();

self.onmessage = (event: MessageEvent<Question>) => {
  const question = event.data;
  last = last
    .then(() => answerTo(question))
    .then(
      (answer): Reply => ({ number: question.number, answer }),
      (problem): Reply => ({ number: question.number, problem: plainProblem(problem) }),
    )
    .then((reply) => self.postMessage(reply))
    .catch((problem) => {
      self.postMessage({ number: question.number, problem: plainProblem(problem) });
    });
};
