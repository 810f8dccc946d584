// A stand-in for the engine, to try the page without a network: plausible numbers, no meaning.
import { startPage } from "../src/ui/page.ts";
import type { Answer, Engine, Film, GateAnswer, Inside, Maps, PageData } from "../src/types.ts";

const SIZE = 160;
const MAPS = 512;
const SIDE = 5; // of the last maps

/** Numbers that look like chance, and are the same each time. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296;
    return state / 4294967296;
  };
}

/** A film squeezed to a square, nearest pixel. */
function squeezed(film: Film, size: number): Float32Array {
  return Float32Array.from({ length: size * size }, (_, i) => {
    const row = Math.floor(((Math.floor(i / size) + 0.5) * film.height) / size);
    const column = Math.floor((((i % size) + 0.5) * film.width) / size);
    return film.greys[row * film.width + column] / 255;
  });
}

/** Maps whose squares follow the greys of the film. */
function mapsOf(square: Float32Array, count: number, side: number, seed: number): Maps {
  const draw = chance(seed);
  const values = new Float32Array(count * side * side);
  const step = SIZE / side;
  for (let map = 0; map < count; map += 1) {
    const [slope, limit] = [4 * draw() - 2, draw()];
    const shift = Math.floor(draw() * step);
    for (let i = 0; i < side * side; i += 1) {
      const row = Math.min(SIZE - 1, Math.floor(Math.floor(i / side) * step) + shift);
      const column = Math.min(SIZE - 1, Math.floor((i % side) * step) + shift);
      values[map * side * side + i] = Math.max(0, slope * (square[row * SIZE + column] - limit));
    }
  }
  return { count, height: side, width: side, values };
}

/** What the mock page is told by its address: ?gate=none&slow=2000&broken=engine */
const asked = new URLSearchParams(location.search);

const draw = chance(7);
const head = {
  weight: [0, 1].map(() => Array.from({ length: MAPS }, () => 0.18 * (draw() - 0.5))),
  bias: [0.05, -0.03],
};

/** An example as a small drawing. */
function example(name: string): { name: string; source: string; description: string } {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [120, 150];
  const context = canvas.getContext("2d")!;
  context.fillRect(0, 0, 120, 150);
  context.fillStyle = "#999";
  context.beginPath();
  context.ellipse(60, 75, name === "hand" ? 20 : 45, 60, 0, 0, 7);
  context.fill();
  const words = `A simulated film: ${name}`;
  return { name, source: canvas.toDataURL("image/jpeg"), description: words };
}

/** Validation films, twenty of each class. */
function validated(): PageData["validated"] {
  return Array.from({ length: 40 }, (_, i) => {
    const truth = i % 2;
    const wrong = Math.min(0.97, 0.02 + 0.9 * draw() ** 4);
    const chest = truth === 0 ? 1 - wrong : wrong;
    return { truth, probabilities: [chest, 1 - chest] };
  });
}

const data: PageData = {
  format: "rsna_cls page 1",
  classes: ["chest", "abd"],
  positive: 0,
  size: SIZE,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  head,
  temperature: asked.has("plain") ? 1 : 1.42,
  temperatureWords: asked.has("plain")
    ? ""
    : "The temperature is fitted on 3 mistakes in 40 films, so it is rough",
  validatedName: "validation films",
  validated: asked.has("plain") ? [] : validated(),
  gate:
    asked.get("gate") === "none"
      ? null
      : {
          limit: 0,
          k: 3,
          labels: ["chest", "chest", "abd", "abd"],
          kinds: ["hand", "elbow", "picture"],
          sizes: [96, 128, 160],
          turns: ["turned by 90°"],
          turnedSize: 128,
          turnedMargin: 0.1,
          isLearned: true,
          behind: 77,
          beyond: 1,
        },
  examples: asked.has("plain") ? [] : ["abd", "chest", "elbow", "hand", "skull"].map(example),
  card: [
    ["tells apart", "chest, abd"],
    ["network", "ResNet18; its class activation map is exact"],
    ["films are squeezed to", "160 × 160 pixels"],
    ["training films", "67"],
    ["weights (SHA-256)", "9f86d081884c7d65…"],
    ["accuracy", "0.93 (0.80–0.97), n = 40"],
    ["use", "For teaching. Not for clinical use."],
  ],
  version: "1.6.0",
};

/** Wait. */
function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}

/** An answer from the film's greys alone. */
function answerTo(film: Film): Answer {
  const square = squeezed(film, SIZE);
  const maps = mapsOf(square, MAPS, SIDE, 11);
  const squares = SIDE * SIDE;
  const averages = Float32Array.from({ length: MAPS }, (_, map) => {
    const values = maps.values.subarray(map * squares, (map + 1) * squares);
    return values.reduce((sum, value) => sum + value, 0) / squares;
  });
  const logits = Float32Array.from(head.weight, (weights, label) =>
    weights.reduce((sum, weight, map) => sum + weight * averages[map], head.bias[label]),
  );
  const powers = logits.map((logit) => Math.exp(logit / data.temperature));
  const sum = powers.reduce((total, power) => total + power, 0);
  return {
    square,
    maps,
    averages,
    logits,
    probabilities: powers.map((power) => power / sum),
    milliseconds: 40,
  };
}

/** The gate of the mock: narrow films are hands. */
function gateOf(film: Film): GateAnswer {
  const isAccepted = Math.abs(film.width / film.height - 1) < 0.02;
  return {
    stranger: isAccepted ? -0.2143 : 0.3187,
    isAccepted,
    nearest: [0, 1, 2],
    nearestLabels: isAccepted ? ["chest", "chest", "chest"] : ["abd", "chest", "abd"],
    other: asked.get("other") ?? "hand",
  };
}

/** The maps on the way. */
function insideOf(film: Film): Inside {
  const square = squeezed(film, SIZE);
  const noise = chance(3);
  const values = Float32Array.from({ length: 64 * 49 }, () => noise() - 0.5);
  return {
    filters: { count: 64, height: 7, width: 7, values },
    first: mapsOf(square, 64, 80, 5),
    blocks: [
      mapsOf(square, 64, 40, 21),
      mapsOf(square, 128, 20, 22),
      mapsOf(square, 256, 10, 23),
      answerTo(film).maps,
    ],
  };
}

const slow = Number(asked.get("slow") ?? 0);
const isUnpacked = pause(slow).then(() => {
  if (asked.get("broken") === "unpacking") {
    throw new Error("This page is damaged: a part of it is missing. Save or send it again.");
  }
});
isUnpacked.catch(() => undefined);
const engine: Engine = {
  ready: () => isUnpacked,
  ask: async (film) => {
    await pause(20);
    if (asked.get("broken") === "engine") {
      throw new RangeError("Array buffer allocation failed");
    }
    return answerTo(film);
  },
  askGate: async (film) => {
    await pause(60);
    return data.gate && gateOf(film);
  },
  lookInside: async (film) => insideOf(film),
};

/** Whatever picture the browser can read. */
async function readFilm(bytes: Uint8Array): Promise<Film> {
  const picture = await createImageBitmap(new Blob([bytes as BlobPart])).catch(() => null);
  if (picture === null) {
    throw new Error("this is a PDF, and not a film: this page reads PNG, JPEG and DICOM");
  }
  const { width, height } = picture;
  const context = new OffscreenCanvas(width, height).getContext("2d")!;
  context.drawImage(picture, 0, 0);
  const colours = context.getImageData(0, 0, width, height).data;
  const greys = Uint8Array.from({ length: width * height }, (_, i) => colours[4 * i]);
  return { width, height, greys };
}

startPage(data, engine, readFilm);
