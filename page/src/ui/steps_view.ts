// "How it works": the steps from film to answer, as pictures of this film.
import type { Answer, Film, Inside, Maps, PageData } from "../types.ts";
import { strongestTwo } from "./answers.ts";
import type { Pair } from "./answers.ts";
import {
  drawGreys,
  filmImage,
  inkOn,
  newCanvas,
  pen,
  resizeCanvas,
  signedColour,
} from "./canvas.ts";
import { made, madeOf } from "./dom.ts";
import { shrunk } from "./edit.ts";
import { BLUE, ORANGE, coloursFor, cssColour, differenceMap, highestOf, totalOf } from "./heat.ts";
import type { Colours, HeatMap } from "./heat.ts";
import { classRows } from "./network_view.ts";
import { greatestOf, mapOf, mostVariedMaps, mostVariedPatch, sumOf } from "./steps.ts";
import type { Patch, Product, Sum } from "./steps.ts";
import { countWords, plainNumber, signed } from "./words.ts";

const PATCH_SIDE = 9; // pixels that are shown as numbers, across and down
const NUMBER_SIDE = 34; // of the field of each number (px)
const FILM_SIDE = 300; // of the film as it came (px)
const FILTER_COLUMNS = { wide: 16, narrow: 8 };
const NARROW = 760; // of a window with one column (px)
const FIRST_MAPS = 12;
const MAPS_OF_GROUP = 4;
const STRONGEST_MAPS = 4;
const STRONGEST_PRODUCTS = 10;
const DOTS = { width: 420, narrowWidth: 250, height: 160 }; // of the picture of all averages (px)
const DIGITS = 3; // of numbers with which one calculates
const PATCH_COLOUR = "#f0e442"; // yellow

/** All that the steps show. */
interface Told {
  data: PageData;
  film: Film;
  answer: Answer;
  inside: Inside;
  pair: Pair;
  colours: Colours; // of numbers that speak for the first of the pair, and against it
}

/** A picture with a title. */
interface Picture {
  title: string;
  canvas: HTMLCanvasElement;
}

/** A step: what it is called, what it shows, and what one should see. */
interface Step {
  title: string;
  parts: HTMLElement[];
  words: string;
}

/** The seven steps, as items of a list. */
export function stepItems(
  data: PageData,
  film: Film,
  answer: Answer,
  inside: Inside,
): HTMLLIElement[] {
  const pair = strongestTwo(answer.logits);
  const colours = coloursFor(pair.target, data.classes, data.positive);
  const told = { data, film, answer, inside, pair, colours };
  const steps = [
    filmStep(told),
    filtersStep(told),
    firstMapsStep(told),
    deeperMapsStep(told),
    averagesStep(told),
    sumStep(told),
    answerStep(told),
  ];
  return steps.map(({ title, parts, words }, i) =>
    madeOf("li", [made("h3", `${i + 1} · ${title}`), ...parts, made("p", words)], "step"),
  );
}

/** Is there room for one column only? */
function isNarrow(): boolean {
  return window.innerWidth <= NARROW;
}

/** Pictures side by side. */
function pictureRow(pictures: Picture[], className: string): HTMLElement {
  const figures = pictures.map(({ title, canvas }) =>
    madeOf("figure", [canvas, made("figcaption", title)]),
  );
  return madeOf("div", figures, `pictures ${className}`);
}

/** A table that can be moved sideways where the screen is narrow, by keys, too. */
function scrollable(table: HTMLTableElement, words: string): HTMLElement {
  const region = madeOf("div", [table], "wide");
  region.tabIndex = 0;
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", words);
  return region;
}

/** The film as it is shown, as the network sees it, and a few of its pixels as numbers. */
function filmStep({ data, film, answer }: Told): Step {
  const { size } = data;
  const patch = mostVariedPatch(answer.square, size, PATCH_SIDE);
  const small = shrunk(film, FILM_SIDE);
  const shown = newCanvas(small.width, small.height, "The film as it is shown above");
  pen(shown).putImageData(filmImage(small), 0, 0);

  const seen = newCanvas(size, size, `The film squeezed to ${size} by ${size} pixels`);
  drawGreys(pen(seen), answer.square, size, size, 1);
  const frame = pen(seen);
  frame.strokeStyle = PATCH_COLOUR;
  frame.strokeRect(patch.left - 0.5, patch.top - 0.5, patch.side + 1, patch.side + 1);

  const pictures = [
    { title: `as shown above: ${film.width} × ${film.height} pixels`, canvas: shown },
    { title: `squeezed to ${size} × ${size}: proportions are not kept`, canvas: seen },
    { title: "its yellow square as numbers", canvas: numbersOf(answer.square, size, patch) },
  ];
  return {
    title: "The film is numbers",
    parts: [pictureRow(pictures, "three")],
    words:
      `To the network a film is ${size} × ${size} = ${(size * size).toLocaleString("en")} ` +
      "numbers: 0 is black, 1 is white. Here you see 81 of them.",
  };
}

/** Pixels as numbers on their greys. */
function numbersOf(square: Float32Array, size: number, patch: Patch): HTMLCanvasElement {
  const side = patch.side * NUMBER_SIDE;
  const canvas = newCanvas(side, side, "81 pixels of the film, each a number from 0 to 1");
  resizeCanvas(canvas, side, side);
  const field = canvas.width / patch.side;
  const context = pen(canvas);
  context.font = `${0.42 * field}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let row = 0; row < patch.side; row += 1) {
    for (let column = 0; column < patch.side; column += 1) {
      const grey = square[(patch.top + row) * size + patch.left + column];
      const level = Math.round(255 * grey);
      context.fillStyle = `rgb(${level} ${level} ${level})`;
      context.fillRect(column * field, row * field, field + 1, field + 1);
      context.fillStyle = grey > 0.5 ? "black" : "white";
      const words = grey.toFixed(2).replace(/^0/, "");
      context.fillText(words, (column + 0.5) * field, (row + 0.5) * field);
    }
  }
  return canvas;
}

/** The patterns of the first layer. */
function filtersStep({ inside }: Told): Step {
  const { filters } = inside;
  const { count, width, height } = filters;
  const columns = isNarrow() ? FILTER_COLUMNS.narrow : FILTER_COLUMNS.wide;
  const rows = Math.ceil(count / columns);
  const words = `${count} patterns of ${height} by ${width} numbers`;
  const canvas = newCanvas(columns * (width + 1) + 1, rows * (height + 1) + 1, words);
  const context = pen(canvas);
  const high = filters.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (let number = 0; number < count; number += 1) {
    const left = (number % columns) * (width + 1) + 1;
    const top = Math.floor(number / columns) * (height + 1) + 1;
    context.putImageData(signedImage(mapOf(filters, number), width, height, high), left, top);
  }
  const title =
    "orange: asks for bright; blue: for dark; white: for neither. Here the colours are no classes.";
  return {
    title: "The first filters",
    parts: [pictureRow([{ title, canvas }], "filters")],
    words:
      `The first layer looks for ${count} patterns of ${height} by ${width} numbers. Nobody ` +
      "wrote them: training found them. Each is laid on the film everywhere: multiply, add up, " +
      "write down.",
  };
}

/** Numbers with a sign as a picture: orange above 0, blue below, white for 0. */
function signedImage(
  values: Float32Array,
  width: number,
  height: number,
  high: number,
): ImageData {
  const image = new ImageData(width, height);
  values.forEach((value, i) => {
    const colour = signedColour(value, high, { above: ORANGE, below: BLUE });
    image.data.set([...colour, 255], 4 * i);
  });
  return image;
}

/** One map as a picture: 0 black, `high` white. */
function mapCanvas(maps: Maps, number: number, high: number): HTMLCanvasElement {
  const canvas = newCanvas(maps.width, maps.height, `Map ${number + 1} of ${maps.count}`);
  drawGreys(pen(canvas), mapOf(maps, number), maps.width, maps.height, high);
  return canvas;
}

/** Where the film has some of these patterns. */
function firstMapsStep({ inside }: Told): Step {
  const { first } = inside;
  const chosen = mostVariedMaps(first, FIRST_MAPS);
  const pictures = chosen.map((number) => ({
    title: `pattern ${number + 1}`,
    canvas: mapCanvas(first, number, greatestOf(first, [number])),
  }));
  return {
    title: "The first maps",
    parts: [pictureRow(pictures, "six")],
    words:
      `${chosen.length} of ${first.count} maps of ${first.height} by ${first.width} squares, ` +
      "those that vary most over this film: bright where it has the pattern. What was below zero " +
      "is set to zero. White is each map’s own greatest value, so brightness cannot be compared " +
      "from map to map.",
  };
}

/** Four maps of each of the groups of layers. */
function deeperMapsStep({ inside }: Told): Step {
  const count = inside.blocks.length;
  const groups = inside.blocks.map((maps, i) => {
    const pictures = mostVariedMaps(maps, MAPS_OF_GROUP).map((number) => ({
      title: `map ${number + 1}`,
      canvas: mapCanvas(maps, number, greatestOf(maps, [number])),
    }));
    const size = `${maps.count} maps, ${maps.height} × ${maps.width}`;
    const title = made("h4", `group ${i + 1} of ${count}: ${size}`);
    return madeOf("div", [title, pictureRow(pictures, "four")], "group");
  });
  return {
    title: "Deeper maps",
    parts: [madeOf("div", groups, "groups")],
    words:
      `The layers behind the first stand in ${countWords(count)} groups. Here are ` +
      `${countWords(MAPS_OF_GROUP)} maps after each; white is again each map’s own greatest ` +
      "value. They are patterns of patterns: the maps become coarse, there are more of them, and " +
      "they stop looking like the film. A single square of the last ones depends on far more " +
      "than its own place. It is tempting to name such maps; few deserve it.",
  };
}

/** The last maps that matter most, each with its average, and all averages. */
function averagesStep({ data, answer, pair, colours }: Told): Step {
  const { maps, averages } = answer;
  const [target, other] = [data.classes[pair.target], data.classes[pair.other]];
  const { strongest } = sumOf(answer, data.head, pair, STRONGEST_MAPS);
  const high = greatestOf(maps, strongest.map(({ map }) => map));
  const pictures = strongest.map(({ map, average }) => ({
    title: `map ${map + 1}: average ${plainNumber(average, DIGITS)}`,
    canvas: mapCanvas(maps, map, high),
  }));
  return {
    title: "One number for each map",
    parts: [pictureRow(pictures, "four"), dotsFigure(averages, strongest, colours)],
    words:
      `Of each of the ${maps.count} last maps only its average is kept: how much of its pattern ` +
      `there is. Where it was is forgotten. These ${countWords(strongest.length)} maps add most, ` +
      `for or against, to what tells ${target} from ${other} in the next step. They share one ` +
      "scale of greys.",
  };
}

/** All averages as dots, with the names of both axes. */
function dotsFigure(averages: Float32Array, strongest: Product[], colours: Colours): HTMLElement {
  const high = averages.reduce((most, value) => Math.max(most, value), 0);
  const upwards = [plainNumber(high), "average", "0"].map((words) => made("span", words));
  const across = ["map 1", "number of the map", `${averages.length}`].map((words) =>
    made("span", words),
  );
  const caption =
    `The averages of all ${averages.length} maps, a dot for each. Rings: the ` +
    `${countWords(strongest.length)} maps above, in the colour of the class they speak for.`;
  const chart = madeOf(
    "div",
    [
      madeOf("div", upwards, "upwards"),
      dotsOf(averages, high, strongest, colours),
      madeOf("div", across, "across"),
    ],
    "dots",
  );
  return madeOf("figure", [chart, made("figcaption", caption, "small")]);
}

/** All averages as dots; rings round some of them. */
function dotsOf(
  averages: Float32Array,
  high: number, // the greatest of them
  strongest: Product[],
  { above, below }: Colours,
): HTMLCanvasElement {
  const width = isNarrow() ? DOTS.narrowWidth : DOTS.width;
  const words = `${averages.length} averages as dots, ${strongest.length} of them ringed`;
  const canvas = newCanvas(width, DOTS.height, words);
  resizeCanvas(canvas, width, DOTS.height);
  const context = pen(canvas);
  const unit = canvas.width / width;
  const margin = 8 * unit;
  const across = (map: number) =>
    margin + (map / Math.max(averages.length - 1, 1)) * (canvas.width - 2 * margin);
  const down = (value: number) =>
    canvas.height - margin - (value / (high || 1)) * (canvas.height - 2 * margin);
  context.fillStyle = "#777777"; // seen on white and on black
  context.fillRect(0, down(0), canvas.width, unit);
  averages.forEach((value, map) => {
    context.beginPath();
    context.arc(across(map), down(value), 1.5 * unit, 0, 2 * Math.PI);
    context.fill();
  });
  context.lineWidth = 2 * unit;
  for (const { map, average, value } of strongest) {
    context.strokeStyle = cssColour(value > 0 ? above : below);
    context.beginPath();
    context.arc(across(map), down(average), 5 * unit, 0, 2 * Math.PI);
    context.stroke();
  }
  return canvas;
}

/** The averages times their weights, added up. */
function sumStep({ data, answer, pair, colours }: Told): Step {
  const { classes, head } = data;
  const [target, other] = [classes[pair.target], classes[pair.other]];
  const sum = sumOf(answer, head, pair, STRONGEST_PRODUCTS);
  const heat = differenceMap(answer.maps, head.weight, pair);
  const start =
    "A class has a weight for each map. Average × weight, added up over all maps, with a bias (a " +
    "number that the class gets whatever the film shows), is the class’s score, or logit. Here " +
    `is the score of ${target} less that of ${other}, so each weight is a difference, too:`;
  const sides =
    `Numbers above 0 speak for ${target} (${colours.above.name}), those below for ` +
    `${other} (${colours.below.name}).`;
  return {
    title: "Weighted, and added up",
    parts: [
      made("p", start),
      scrollable(sumTable(sum, colours, sides), "The sum"),
      made("p", "No single map decides. The same sum, square by square, is the map over the film:"),
      scrollable(squaresTable(heat, colours, sides), "The sum, square by square"),
    ],
    words:
      `These ${heat.values.length} numbers add up to ${plainNumber(totalOf(heat), DIGITS)}; with ` +
      `the biases (${signed(sum.biases, DIGITS)}) that is the sum above, ` +
      `${signed(sum.total, DIGITS)}; each number is rounded. It shows what was added up in the ` +
      "last step, and not why.",
  };
}

/** The strongest products, the rest and the sum, as a table with bars. */
function sumTable(sum: Sum, colours: Colours, sides: string): HTMLTableElement {
  const lines: [string, number][] = sum.strongest.map(({ map, average, weight, value }) => [
    `map ${map + 1}: ${plainNumber(average, DIGITS)} × (${signed(weight, DIGITS)})`,
    value,
  ]);
  lines.push([`the other ${sum.others} maps, and the biases`, sum.rest], ["sum", sum.total]);
  const high = Math.max(...lines.map(([, value]) => Math.abs(value)));
  const rows = lines.map(([name, value]) => {
    const title = made("th", name);
    title.scope = "row";
    const bar = madeOf("td", [signedBar(value, high, colours)], "bar-cell");
    return madeOf("tr", [title, bar, made("td", signed(value, DIGITS), "number")]);
  });
  rows.at(-1)?.classList.add("total");
  return madeOf("table", [made("caption", sides), madeOf("tbody", rows)], "bars sum");
}

/** A bar to the right for numbers above 0, to the left for those below. */
function signedBar(value: number, high: number, { above, below }: Colours): HTMLElement {
  const bar = made("span", "", "bar signed");
  const filled = made("span", "", "bar-filled");
  const share = high === 0 ? 0 : (50 * Math.abs(value)) / high;
  filled.style.width = `${share}%`;
  filled.style.left = `${value > 0 ? 50 : 50 - share}%`;
  filled.style.backgroundColor = cssColour(value > 0 ? above : below);
  bar.append(filled);
  return bar;
}

/** The map in its own squares, as numbers. */
function squaresTable(heat: HeatMap, colours: Colours, sides: string): HTMLTableElement {
  const high = highestOf(heat);
  const rows = Array.from({ length: heat.height }, (_, row) => {
    const values = Array.from(heat.values.subarray(row * heat.width, (row + 1) * heat.width));
    return madeOf("tr", values.map((value) => squareCell(value, high, colours)));
  });
  const caption = made("caption", `What each square adds. ${sides}`);
  return madeOf("table", [caption, madeOf("tbody", rows)], "squares");
}

/** One square with its number, on the colour that stands for it. */
function squareCell(value: number, high: number, colours: Colours): HTMLTableCellElement {
  const cell = made("td", signed(value, DIGITS));
  const colour = signedColour(value, high, colours).map(Math.round);
  cell.style.backgroundColor = `rgb(${colour.join(" ")})`;
  cell.style.color = inkOn(colour);
  return cell;
}

/** Logits and probabilities. */
function answerStep({ data, answer }: Told): Step {
  const titles = ["class", "logit", "probability"].map((name) => made("th", name));
  titles[2].colSpan = 2; // a bar and a number
  const head = madeOf("tr", titles);
  const rows = classRows(answer, data.classes);
  const table = madeOf("table", [madeOf("thead", [head]), madeOf("tbody", rows)], "bars");
  const divided =
    data.temperature === 1 ? "" : `first divide each by ${plainNumber(data.temperature)}, then `;
  return {
    title: "Shares of one",
    parts: [scrollable(table, "Logits and probabilities")],
    words:
      `Softmax makes shares of the logits: ${divided}raise e = 2.718… to each logit, and divide ` +
      "by the sum. It can say “half and half”; it cannot say “neither”, whatever the film shows. " +
      (data.gate === null ? "A gate could; this page has none." : "That is what the gate is for."),
  };
}
