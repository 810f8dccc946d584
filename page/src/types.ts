// What the parts of the page hand to one another.
//
//   film/     a file's bytes → a Film, by the same rules as load_film
//   network/  a Film → an Answer: the gate first, then the network (in a worker, with onnxruntime)
//   ui/       what a person sees

/** One radiograph: 8-bit grey, bones bright, row by row. */
export interface Film {
  width: number; // px
  height: number; // px
  greys: Uint8Array; // width · height values, 0 black to 255 white
}

/** Maps of one layer, one after the other, each row by row. */
export interface Maps {
  count: number; // how many
  height: number; // of each
  width: number;
  values: Float32Array; // count · height · width
}

/** What the gate says of a film. */
export interface GateAnswer {
  stranger: number; // −2 to 2: the higher, the stranger
  isAccepted: boolean; // stranger ≤ limit
  nearest: number[]; // the nearest training films, from 0
  nearestLabels: string[]; // their classes
  other: string; // what else the film is like: "hand", "picture", "itself, turned by 90°"
}

/** What the network says of a film. */
export interface Answer {
  square: Float32Array; // the film as the network sees it: size · size greys, 0 to 1
  maps: Maps; // the last ones (512 of them)
  averages: Float32Array; // of each of these maps
  logits: Float32Array; // one for each class
  probabilities: Float32Array; // softmax of logits / temperature
  milliseconds: number; // from the film to this answer
}

/** The maps on the way: what the first filters find, and each group of layers after them. */
export interface Inside {
  filters: Maps; // the 64 patterns of the first layer, as they act on greys: 64 · 7 · 7
  first: Maps; // 64 maps after the first layer, negative parts set to 0
  blocks: Maps[]; // after each of the four groups of layers; the last are Answer.maps
}

/** The engine, as the rest of the page sees it. Each promise is kept or broken, never left open. */
export interface Engine {
  ready(): Promise<void>; // the networks are unpacked and can answer
  ask(film: Film): Promise<Answer>;
  askGate(film: Film): Promise<GateAnswer | null>; // null: this page has no gate
  lookInside(film: Film): Promise<Inside>;
}

/** A film with a known truth, as far as the threshold needs it. */
export interface Validated {
  truth: number; // its class, from 0
  probabilities: number[]; // one for each class, after the temperature
}

/** A small picture that stands for a kind of film: a simulated one. */
export interface Example {
  name: string; // the kind: "chest", "hand"
  source: string; // data:image/… address
  description: string; // alternative text
}

/** What `save_page` writes into the page, as JSON. */
export interface PageData {
  format: "rsna_cls page 1";
  classes: string[]; // in the order of the network's outputs
  positive: number; // the class whose probability the threshold is about, from 0
  size: number; // side of the square films are squeezed to (px)
  mean: number[]; // three, for red, green, blue: (grey / 255 − mean) / std
  std: number[];
  head: { weight: number[][]; bias: number[] }; // classes × 512, classes
  temperature: number; // 1: none was fitted
  temperatureWords: string; // what to think of it; "" where there are no films to fit it on
  validatedName: string; // what these films are: "validation films"
  validated: Validated[]; // none: the page was made without a table of predictions
  gate: PageGate | null;
  examples: Example[]; // one or more for each kind or class, where there are any
  card: [string, string][]; // what stands on the model's card: name, value
  version: string; // of rsna_cls
}

export interface PageGate {
  limit: number;
  k: number; // how many of the nearest films count
  labels: string[]; // the class of each training film; "": it is not recorded
  kinds: string[]; // of each of the other points it holds against them
  sizes: number[]; // of the squares (px)
  turns: string[]; // names of the four turns
  turnedSize: number; // px
  turnedMargin: number;
  isLearned: boolean; // has the network learned from the training films that these are?
  behind: number; // films that should pass
  beyond: number; // of which it refuses so many
}
