// Run length encoding of DICOM (PS3.5, annex G).

const HEADER_BYTES = 64; // how many parts there are, and where up to 15 of them start

/** The words of an image, one channel after the other; throws where it is damaged. */
export function decodeRle(
  image: Uint8Array,
  pixels: number,
  channels: number,
  bytesEach: number, // of a word
): Uint32Array {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const parts = view.getUint32(0, true);
  if (parts !== channels * bytesEach || image.length < HEADER_BYTES) {
    throw new Error("another number of parts");
  }
  const words = new Uint32Array(channels * pixels);
  for (let part = 0; part < parts; part++) {
    const start = view.getUint32(4 + 4 * part, true);
    const isLast = part === parts - 1;
    const end = isLast ? image.length : view.getUint32(8 + 4 * part, true);
    const bytes = decodePart(image.subarray(start, end), pixels);
    // The parts of a word come from its highest byte to its lowest.
    const first = Math.floor(part / bytesEach) * pixels;
    for (let i = 0; i < pixels; i++) {
      words[first + i] = words[first + i] * 256 + bytes[i];
    }
  }
  return words;
}

/** The first `length` bytes of a part; throws where there are fewer. */
function decodePart(runs: Uint8Array, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let filled = 0;
  let place = 0;
  while (filled < length && place < runs.length) {
    const head = runs[place];
    place += 1;
    if (head < 128) {
      // So many bytes, and one more, follow as they are.
      const count = Math.min(head + 1, length - filled);
      const copied = runs.subarray(place, place + count);
      bytes.set(copied, filled);
      filled += copied.length;
      place += head + 1;
    } else if (head > 128 && place < runs.length) {
      // The next byte comes so often; 128 says nothing.
      const count = 257 - head;
      bytes.fill(runs[place], filled, filled + count);
      filled += count;
      place += 1;
    }
  }
  if (filled < length) {
    throw new Error("runs end too early");
  }
  return bytes;
}
