// Pictures made of numbers.
import type { Film } from "../types.ts";
import type { Colours } from "./heat.ts";

/** What one draws with; its sides are counted in pixels of the screen's. */
export function pen(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (context === null) {
    throw new Error("This browser cannot draw the film. Close other tabs, or try another browser.");
  }
  return context;
}

/** Give a canvas its size on the page (CSS pixels), as sharp as the screen is. */
export function resizeCanvas(canvas: HTMLCanvasElement, width: number, height: number): void {
  const sharpness = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * sharpness));
  canvas.height = Math.max(1, Math.round(height * sharpness));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
}

/** A canvas as large as the numbers that are drawn on it; CSS makes it larger. */
export function newCanvas(width: number, height: number, words: string): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", words);
  return canvas;
}

/** A film as a picture. */
export function filmImage({ width, height, greys }: Film): ImageData {
  const image = new ImageData(width, height);
  greys.forEach((grey, i) => {
    image.data[4 * i] = grey;
    image.data[4 * i + 1] = grey;
    image.data[4 * i + 2] = grey;
    image.data[4 * i + 3] = 255;
  });
  return image;
}

/** Draw numbers as greys: 0 black, `high` white. */
export function drawGreys(
  context: CanvasRenderingContext2D,
  values: ArrayLike<number>,
  width: number,
  height: number,
  high: number,
): void {
  const greys = Uint8ClampedArray.from(values, (value) => (255 * value) / (high || 1));
  context.putImageData(filmImage({ width, height, greys: new Uint8Array(greys) }), 0, 0);
}

/** A number's colour on white, the stronger the denser. */
export function signedColour(
  value: number,
  high: number,
  { above, below }: Colours,
): [number, number, number] {
  const share = high === 0 ? 0 : Math.min(Math.abs(value) / high, 1);
  const { channels } = value > 0 ? above : below;
  const [red, green, blue] = channels.map((channel) => 255 + share * (channel - 255));
  return [red, green, blue];
}

/** Black or white: what stands out more from a colour, by 4.5 to 1 or more. */
export function inkOn(colour: number[]): "black" | "white" {
  const [red, green, blue] = colour.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue; // as WCAG has it
  return luminance > 0.179 ? "black" : "white";
}
