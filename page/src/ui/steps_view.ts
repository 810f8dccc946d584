// "How it works": the steps from film to answer, as pictures of this film.
import type { Answer, Film, Inside, Maps, PageData } from "../types.ts";
import { strongestTwo } from "./answers.ts";
import type { Pair } from "./answers.ts";
import { drawGreys, filmImage, newCanvas, pen, resizeCanvas, signedColour } from "./canvas.ts";
import { made, madeOf } from "./dom.ts";
import { shrunk } from "./edit.ts";
import { differenceMap, highestOf, totalOf } from "./heat.ts";
import { classRows } from "./network_view.ts";
import { greatestOf, mapOf, mostVariedMaps, mostVariedPatch, sumOf } from "./steps.ts";
import type { Patch, Sum } from "./steps.ts";
import { plainNumber, signed } from "./words.ts";

const PATCH_SIDE = 9; // pixels that are shown as numbers, across and down
const NUMBER_SIDE = 34; // of the field of each number (px)
const FILM_SIDE = 300; // of the film as it came (px)
const FILTER_COLUMNS = { wide: 16, narrow: 8 };
const NARROW = 760; // of a window with one column (px)
const FIRST_MAPS = 12;
const MAPS_OF_BLOCK = 4;
const STRONGEST_MAPS = 4;
const STRONGEST_PRODUCTS = 10;
const DOTS = { width: 420, height: 160 }; // of the picture of all averages (px)
const PATCH_COLOUR = "#f0e442"; // yellow

/** All that the steps show. */
interface Told {
  data: PageData;
  film: Film;
  answer: Answer;
  inside: Inside;
  pair: Pair;
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
  const told = { data, film, answer, inside, pair: strongestTwo(answer.logits) };
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

/** The film as it came, as the network sees it, and a few of its pixels as numbers. */
function filmStep({ data, film, answer }: Told): Step {
  const { size } = data;
  const patch = mostVariedPatch(answer.square, size, PATCH_SIDE);
  const small = shrunk(film, FILM_SIDE);
  const came = newCanvas(small.width, small.height, "The film as it came");
  pen(came).putImageData(filmImage(small), 0, 0);

  const seen = newCanvas(size, size, `The film squeezed to ${size} by ${size} pixels`);
  drawGreys(pen(seen), answer.square, size, size, 1);
  const frame = pen(seen);
  frame.strokeStyle = PATCH_COLOUR;
  frame.strokeRect(patch.left - 0.5, patch.top - 0.5, patch.side + 1, patch.side + 1);

  const pictures = [
    { title: `as it came: ${film.width} × ${film.height} pixels`, canvas: came },
    { title: `squeezed to ${size} × ${size}`, canvas: seen },
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
  const columns = window.innerWidth <= NARROW ? FILTER_COLUMNS.narrow : FILTER_COLUMNS.wide;
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
  return {
    title: "The first filters",
    parts: [madeOf("div", [canvas], "filters")],
    words:
      `The first layer looks for ${count} patterns of ${height} by ${width} numbers, orange ` +
      "where they ask for bright, blue for dark. Nobody wrote them: training found them. Each is " +
      "laid on the film everywhere: multiply, add up, write down.",
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
  values.forEach((value, i) => image.data.set([...signedColour(value, high), 255], 4 * i));
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
  const high = greatestOf(first, chosen);
  const pictures = chosen.map((number) => ({
    title: `pattern ${number + 1}`,
    canvas: mapCanvas(first, number, high),
  }));
  return {
    title: "The first maps",
    parts: [pictureRow(pictures, "six")],
    words:
      `${chosen.length} of ${first.count} maps of ${first.height} by ${first.width} squares, ` +
      "those that vary most over this film: bright where it has the pattern. What was below zero " +
      "is set to zero.",
  };
}

/** Four maps of each of the last blocks. */
function deeperMapsStep({ inside }: Told): Step {
  const blocks = inside.blocks.map((maps, i) => {
    const chosen = mostVariedMaps(maps, MAPS_OF_BLOCK);
    const high = greatestOf(maps, chosen);
    const title = made(
      "h4",
      `block −${inside.blocks.length - i}: ${maps.count} maps, ${maps.height} × ${maps.width}`,
    );
    const canvases = chosen.map((number) => mapCanvas(maps, number, high));
    return madeOf("div", [title, madeOf("div", canvases, "pictures four")], "block");
  });
  return {
    title: "Deeper maps",
    parts: [madeOf("div", blocks, "blocks")],
    words:
      "Patterns of patterns: the maps become coarse, there are more of them, and they stop " +
      "looking like the film. A single square of the last ones depends on far more than its own place. " +
      "It is tempting to name such maps; few deserve it.",
  };
}

/** The last maps that matter most, each with its average, and all averages. */
function averagesStep({ data, answer, pair }: Told): Step {
  const { maps, averages } = answer;
  const { strongest } = sumOf(answer, data.head, pair, STRONGEST_MAPS);
  const chosen = strongest.map(({ map }) => map);
  const high = greatestOf(maps, chosen);
  const pictures = strongest.map(({ map, average }) => ({
    title: `map ${map + 1}: average ${plainNumber(average)}`,
    canvas: mapCanvas(maps, map, high),
  }));
  const all = { title: `the averages of all ${maps.count} maps`, canvas: dotsOf(averages, chosen) };
  return {
    title: "One number for each map",
    parts: [pictureRow(pictures, "four"), pictureRow([all], "one")],
    words:
      `Of each of the ${maps.count} last maps only its average is kept: how much of its pattern ` +
      "there is. Where it was is forgotten.",
  };
}

/** All averages as dots; rings round some of them. */
function dotsOf(averages: Float32Array, chosen: number[]): HTMLCanvasElement {
  const words = `${averages.length} averages as dots, ${chosen.length} of them ringed`;
  const canvas = newCanvas(DOTS.width, DOTS.height, words);
  resizeCanvas(canvas, DOTS.width, DOTS.height);
  const context = pen(canvas);
  const unit = canvas.width / DOTS.width;
  const high = averages.reduce((most, value) => Math.max(most, value), 0) || 1;
  const margin = 8 * unit;
  const across = (map: number) =>
    margin + (map / Math.max(averages.length - 1, 1)) * (canvas.width - 2 * margin);
  const down = (value: number) =>
    canvas.height - margin - (value / high) * (canvas.height - 2 * margin);
  context.fillStyle = "#777777"; // seen on white and on black
  averages.forEach((value, map) => {
    context.beginPath();
    context.arc(across(map), down(value), 1.5 * unit, 0, 2 * Math.PI);
    context.fill();
  });
  context.strokeStyle = "#d55e00";
  context.lineWidth = 2 * unit;
  for (const map of chosen) {
    context.beginPath();
    context.arc(across(map), down(averages[map]), 5 * unit, 0, 2 * Math.PI);
    context.stroke();
  }
  return canvas;
}

/** The averages times their weights, added up. */
function sumStep({ data, answer, pair }: Told): Step {
  const { classes, head } = data;
  const [target, other] = [classes[pair.target], classes[pair.other]];
  const sum = sumOf(answer, head, pair, STRONGEST_PRODUCTS);
  const heat = differenceMap(answer.maps, head.weight, pair);
  return {
    title: "Weighted, and added up",
    parts: [
      scrollable(sumTable(sum, target, other), "The sum"),
      made("p", "No single map decides. The same sum, square by square, is the map over the film:"),
      scrollable(squaresTable(heat, target, other), "The sum, square by square"),
    ],
    words:
      `These ${heat.values.length} numbers add up to ${plainNumber(totalOf(heat))}; with the ` +
      `biases (${signed(sum.biases)}) that is the sum above, ${signed(sum.total)}. It shows what ` +
      "was added up in the last step, and not why.",
  };
}

/** The strongest products, the rest and the sum, as a table with bars. */
function sumTable(sum: Sum, target: string, other: string): HTMLTableElement {
  const lines: [string, number][] = sum.strongest.map(({ map, average, weight, value }) => [
    `map ${map + 1}: ${plainNumber(average)} × (${signed(weight)})`,
    value,
  ]);
  lines.push(["all others, and biases", sum.rest], ["sum", sum.total]);
  const high = Math.max(...lines.map(([, value]) => Math.abs(value)));
  const rows = lines.map(([name, value]) => {
    const title = made("th", name);
    title.scope = "row";
    const bar = madeOf("td", [signedBar(value, high)], "bar-cell");
    return madeOf("tr", [title, bar, made("td", signed(value), "number")]);
  });
  rows.at(-1)?.classList.add("total");
  const caption = made("caption", `Orange speaks for ${target}, blue for ${other}.`);
  return madeOf("table", [caption, madeOf("tbody", rows)], "bars sum");
}

/** A bar to the right for numbers above 0, to the left for those below. */
function signedBar(value: number, high: number): HTMLElement {
  const bar = made("span", "", "bar signed");
  const filled = made("span", "", value > 0 ? "bar-filled for" : "bar-filled against");
  const share = high === 0 ? 0 : (50 * Math.abs(value)) / high;
  filled.style.width = `${share}%`;
  filled.style.left = `${value > 0 ? 50 : 50 - share}%`;
  bar.append(filled);
  return bar;
}

/** The map in its own squares, as numbers. */
function squaresTable(
  heat: { width: number; height: number; values: Float32Array },
  target: string,
  other: string,
): HTMLTableElement {
  const high = highestOf(heat);
  const rows = Array.from({ length: heat.height }, (_, row) => {
    const values = Array.from(heat.values.subarray(row * heat.width, (row + 1) * heat.width));
    return madeOf("tr", values.map((value) => squareCell(value, high)));
  });
  const words = `What each square of the film adds to ${target} rather than ${other}`;
  return madeOf("table", [made("caption", words), madeOf("tbody", rows)], "squares");
}

/** One square with its number, on the colour that stands for it. */
function squareCell(value: number, high: number): HTMLTableCellElement {
  const cell = made("td", signed(value));
  const colour = signedColour(value, high);
  cell.style.backgroundColor = `rgb(${colour.map(Math.round).join(" ")})`;
  // White on the darkest blue, black on all other colours.
  const isDark = value < 0 && Math.abs(value) > 0.75 * high;
  cell.style.color = isDark ? "white" : "black";
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
    data.temperature === 1 ? "" : `first divide it by ${plainNumber(data.temperature)}, then `;
  return {
    title: "Shares of one",
    parts: [scrollable(table, "Logits and probabilities")],
    words:
      `Softmax makes shares of the logits: ${divided}raise e = 2.718… to each logit, and divide ` +
      "by the sum. It can say “half and half”; it cannot say “neither”, whatever the film shows. " +
      (data.gate === null ? "A gate could; this page has none." : "That is what the gate is for."),
  };
}
