// The film, with a map over it.
import type { Answer, Film, PageData } from "../types.ts";
import { differenceOf, strongestTwo } from "./answers.ts";
import { filmImage, pen, resizeCanvas } from "./canvas.ts";
import { find, made, madeOf } from "./dom.ts";
import { shrunk } from "./edit.ts";
import {
  BLUE,
  coloursFor,
  cssColour,
  differenceMap,
  highestOf,
  legendStops,
  paintHeat,
  smooth,
  strongestPlace,
  totalOf,
  weightedMap,
} from "./heat.ts";
import type { Colours, HeatMap } from "./heat.ts";
import { differenceName, plainNumber, signed } from "./words.ts";

const MOST_PIXELS = 1024; // longer side of the film as it is kept for the screen (px)

const NOT_WHY =
  "Each square also depends on the film around it: this is where the sum lies, not why.";

/** A map, and what it is a map of. */
interface NamedMap {
  heat: HeatMap;
  name: string; // "chest − abdomen"
  colours: Colours;
  above: string; // what numbers above 0 speak for
  below: string;
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
    this.stage.classList.remove("is-empty");
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
    this.stage.classList.add("is-empty");
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
    const { classes, head, positive } = this.data;
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
        colours: coloursFor(pair.target, classes, positive),
        above: `for ${target}`,
        below: `for ${other}`,
        words:
          `Difference: the ${differenceName(target, other)}. The ${squares} squares add up to ` +
          `${plainNumber(total)}; with the biases (${signed(difference - total)}: what the ` +
          "classes get whatever the film shows) that is " +
          `${plainNumber(difference)} (all rounded). ${NOT_WHY}`,
      };
    }
    const label = Number(this.choice);
    const heat = weightedMap(maps, head.weight[label]);
    const total = totalOf(heat);
    return {
      heat,
      name: classes[label],
      colours: coloursFor(label, classes, positive),
      above: `for ${classes[label]}`,
      below: `against ${classes[label]}`,
      words:
        `The ${squares} squares add up to ${plainNumber(total)}; with the bias ` +
        `(${signed(logits[label] - total)}: what the class gets whatever the film shows) that ` +
        `is the score (logit) of ${classes[label]}: ${plainNumber(logits[label])} ` +
        `(all rounded).${this.likenessWords()} ${NOT_WHY}`,
    };
  }

  /** Why the maps of two classes look alike. */
  private likenessWords(): string {
    return this.data.classes.length === 2
      ? " Of two classes each mostly learns the opposite of the other, so the maps look alike."
      : "";
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
      const opacity = Number(this.opacity.value);
      paintHeat(image.data, heat, highestOf(map.heat), opacity, map.colours);
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
    find("legend").hidden = map === null;
    this.opacity.disabled = map === null;
    find("map-words").textContent = map?.words ?? "The film alone.";
    if (map !== null) {
      this.drawLegend(map);
    }
  }

  /** Blue on the left, orange on the right, each with what it speaks for. */
  private drawLegend({ heat, colours, above, below }: NamedMap): void {
    const high = plainNumber(highestOf(heat));
    const ends = [`${high} ${above}`, `${high} ${below}`];
    const [blue, orange] = colours.above === BLUE ? ends : ends.reverse();
    find("legend-blue").textContent = blue;
    find("legend-orange").textContent = orange;
    find("legend").setAttribute(
      "aria-label",
      `Colours, per square: blue ${blue}, orange ${orange}; at 0 the film shows through`,
    );
    const stops = legendStops(Number(this.opacity.value)).map(
      ({ colour, opacity, place }) => `${cssColour(colour, opacity)} ${place}%`,
    );
    find("legend-colours").style.backgroundImage = `linear-gradient(90deg, ${stops.join(", ")})`;
  }
}
