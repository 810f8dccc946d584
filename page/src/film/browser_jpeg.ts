// The browser's own decoder for JPEG.
import { BadFilm } from "./bad_film.ts";
import type { DecodedJpeg } from "./jpeg.ts";

// Nothing is to be changed. Browsers do not agree on "none" for the orientation: Chrome once took
// it for "from-image". So the JPEG must come without EXIF data, and there is nothing to turn.
const AS_IT_IS: ImageBitmapOptions = {
  colorSpaceConversion: "none",
  premultiplyAlpha: "none",
};

const TEST_SIDE = 32; // px: a canvas with 1,024 greys that are known

/** Stop where the browser changes what is read from a canvas, as a protection against tracking. */
function checkCanvas(): void {
  const context = new OffscreenCanvas(TEST_SIDE, TEST_SIDE).getContext("2d");
  const drawn = new ImageData(TEST_SIDE, TEST_SIDE);
  for (let i = 0; i < drawn.data.length; i += 1) {
    drawn.data[i] = i % 4 === 3 ? 255 : (i * 7) % 256;
  }
  context?.putImageData(drawn, 0, 0);
  const read = context?.getImageData(0, 0, TEST_SIDE, TEST_SIDE).data;
  const isSame = read !== undefined && drawn.data.every((value, i) => value === read[i]);
  if (!isSame) {
    throw new BadFilm(
      "this browser changes what is read from a JPEG, as a protection against tracking: save the " +
        "film as PNG, or use another browser",
    );
  }
}

/** The colours of a JPEG that comes without EXIF data; rejects where it is damaged. */
export async function decodeJpeg(jpeg: Uint8Array): Promise<DecodedJpeg> {
  checkCanvas();
  const blob = new Blob([jpeg as Uint8Array<ArrayBuffer>], { type: "image/jpeg" });
  const bitmap = await createImageBitmap(blob, AS_IT_IS);
  const { width, height } = bitmap;
  try {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (context === null) {
      throw new Error("the browser has no canvas");
    }
    context.drawImage(bitmap, 0, 0);
    return { width, height, rgba: context.getImageData(0, 0, width, height).data };
  } finally {
    bitmap.close();
  }
}
