// The film, with a map over it.
import type { Answer, Film, PageData } from "../types.ts";
import { differenceOf, strongestTwo } from "./answers.ts";
import { filmImage, pen, resizeCanvas } from "./canvas.ts";
import { find, made, madeOf } from "./dom.ts";
import { shrunk } from "./edit.ts";
import {
  differenceMap,
  highestOf,
  paintHeat,
  smooth,
  strongestPlace,
  totalOf,
  weightedMap,
} from "./heat.ts";
import type { HeatMap } from "./heat.ts";
import { plainNumber, signed } from "./words.ts";

const MOST_PIXELS = 1024; // longer side of the film as it is kept for the screen (px)

const NOT_WHY = "Each square has seen far more than its own place: this is where the sum lies, not why.";

/** A map, and what it is a map of. */
interface NamedMap {
  heat: HeatMap;
  name: string; // "chest − abd"
  isFor: string; // what orange speaks for
  isAgainst: string; // what blue speaks for
  words: string; // what its squares add up to
}

/** The film's picture, its map, and what steers the map. */
export class FilmView {
  private readonly data: PageData;
  private readonly stage = find("stage");
  private readonly frame = find("frame");
  private readonly canvas = find<HTMLCanvasElement>("film");
  private readonly opacity = find<HTMLInputElement>("opacity");
  private picture: Film | null = null; // the film, no larger than the screen needs
  private film: Film | null = null;
  private answer: Answer | null = null;
  private name = "";
  private choice = "difference"; // or "none", or the number of a class

  constructor(data: PageData) {
    this.data = data;
    this.addChoices();
    this.opacity.addEventListener("input", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.stage);
  }

  /** Show a film without a map. */
  show(film: Film, name: string): void {
    this.film = film;
    this.picture = shrunk(film, MOST_PIXELS);
    this.answer = null;
    this.name = name;
    this.frame.hidden = false;
    find("no-film").hidden = true;
    find("map").hidden = true;
    this.draw();
  }

  /** Lay the map of an answer over the film. */
  showMap(answer: Answer): void {
    this.answer = answer;
    find("map").hidden = false;
    this.draw();
  }

  /** Take the map away. */
  clearMap(): void {
    this.answer = null;
    find("map").hidden = true;
    this.draw();
  }

  /** Take film and map away. */
  clear(): void {
    this.film = null;
    this.picture = null;
    this.answer = null;
    this.frame.hidden = true;
    find("map").hidden = true;
    find("no-film").hidden = false;
  }

  /** The buttons that choose a map. */
  private addChoices(): void {
    const choices: [string, string][] = [["difference", "difference"]];
    this.data.classes.forEach((name, label) => choices.push([String(label), name]));
    choices.push(["none", "none"]);
    find("map-choices").append(
      ...choices.map(([value, words]) => {
        const input = made("input");
        input.type = "radio";
        input.name = "map";
        input.value = value;
        input.checked = value === this.choice;
        input.addEventListener("change", () => {
          this.choice = value;
          this.draw();
        });
        return madeOf("label", [input, made("span", words)]);
      }),
    );
  }

  /** The map that was chosen; null: none. */
  private map(answer: Answer): NamedMap | null {
    const { classes, head } = this.data;
    const { maps, logits } = answer;
    const squares = maps.height * maps.width;
    if (this.choice === "none") {
      return null;
    }
    if (this.choice === "difference") {
      const pair = strongestTwo(logits);
      const heat = differenceMap(maps, head.weight, pair);
      const [target, other] = [classes[pair.target], classes[pair.other]];
      const total = totalOf(heat);
      const difference = differenceOf(logits, pair);
      return {
        heat,
        name: `${target} − ${other}`,
        isFor: `for ${target}`,
        isAgainst: `for ${other}`,
        words:
          `The ${squares} squares add up to ${plainNumber(total)}. With the biases ` +
          `(${signed(difference - total)}) that is the difference of the logits, ` +
          `${target} less ${other}: ${plainNumber(difference)} (all rounded). ${NOT_WHY}`,
      };
    }
    const label = Number(this.choice);
    const heat = weightedMap(maps, head.weight[label]);
    const total = totalOf(heat);
    return {
      heat,
      name: classes[label],
      isFor: `for ${classes[label]}`,
      isAgainst: "against",
      words:
        `The ${squares} squares add up to ${plainNumber(total)}. With the bias ` +
        `(${signed(logits[label] - total)}) that is the logit of ${classes[label]}: ` +
        `${plainNumber(logits[label])} (all rounded). ${NOT_WHY}`,
    };
  }

  /** Draw the film, its map and the map's legend. */
  private draw(): void {
    if (this.picture === null) {
      return;
    }
    const map = this.answer && this.map(this.answer);
    this.fitCanvas(this.picture);
    this.drawFilm(this.picture, map);
    this.canvas.setAttribute("aria-label", this.words(map));
    this.describe(map);
  }

  /** Make the canvas as large as the stage allows, in the film's proportions. */
  private fitCanvas({ width, height }: Film): void {
    const scale = Math.min(this.stage.clientWidth / width, this.stage.clientHeight / height);
    resizeCanvas(this.canvas, Math.max(1, scale * width), Math.max(1, scale * height));
  }

  /** Draw the film, and the map over it. */
  private drawFilm(picture: Film, map: NamedMap | null): void {
    const context = pen(this.canvas);
    context.imageSmoothingQuality = "high";
    const layer = document.createElement("canvas");
    layer.width = picture.width;
    layer.height = picture.height;
    const image = filmImage(picture);
    if (map !== null) {
      const heat = smooth(map.heat, picture.width, picture.height);
      paintHeat(image.data, heat, highestOf(map.heat), Number(this.opacity.value));
    }
    pen(layer).putImageData(image, 0, 0);
    context.drawImage(layer, 0, 0, this.canvas.width, this.canvas.height);
  }

  /** What is seen, for those who do not see it. */
  private words(map: NamedMap | null): string {
    const { width, height } = this.film ?? { width: 0, height: 0 };
    const film = `The film ${this.name}, ${width} by ${height} pixels`;
    if (map === null) {
      return `${film}.`;
    }
    return `${film}, under the map of ${map.name}: ${strongestPlace(map.heat)}.`;
  }

  /** The legend, and what the squares add up to. */
  private describe(map: NamedMap | null): void {
    const legend = find("legend");
    legend.hidden = map === null;
    this.opacity.disabled = map === null;
    if (map === null) {
      find("map-words").textContent = "The film alone.";
      return;
    }
    const high = plainNumber(highestOf(map.heat));
    find("legend-low").textContent = `${map.isAgainst} −${high}`;
    find("legend-high").textContent = `+${high} ${map.isFor}`;
    legend.setAttribute(
      "aria-label",
      `Colours from blue, ${map.isAgainst}, −${high} a square, to orange, ${map.isFor}, +${high}`,
    );
    find("map-words").textContent = map.words;
  }
}
