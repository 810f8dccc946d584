/** Bytes as text that every browser leaves as it is. */

// A page is text. Fifteen bits become one letter of a range in which no letter means anything to
// HTML: there are 32,768 letters from U+3400 on, and none of them is a surrogate, a line's end or
// a zero. In UTF-16 a letter takes two bytes, so 16 bits carry 15; base64 has 8 carry 6.
const FIRST_LETTER = 0x3400;
const BITS = 15; // in a letter

/** The bytes in a text from `save_page`; `length` says how many there are. */
export function bytesOfText(text: string, length: number): Uint8Array {
  if (text.length !== Math.ceil((8 * length) / BITS)) {
    throw new Error("This page is damaged: a part of it is missing. Save or send it again.");
  }
  const bytes = new Uint8Array(length);
  let waiting = 0; // bits that were read and have not become bytes yet
  let waitingBits = 0; // how many
  let place = 0;
  for (let i = 0; i < text.length; i += 1) {
    const bits = text.charCodeAt(i) - FIRST_LETTER;
    waiting = (waiting << BITS) | bits;
    waitingBits += BITS;
    while (waitingBits >= 8 && place < length) {
      waitingBits -= 8;
      bytes[place] = waiting >> waitingBits;
      place += 1;
    }
    waiting &= (1 << waitingBits) - 1;
  }
  return bytes;
}

/** What was packed by zlib (RFC 1950). */
export async function inflated(packed: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([packed as BlobPart]).stream();
  const unpacked = stream.pipeThrough(new DecompressionStream("deflate"));
  try {
    return new Uint8Array(await new Response(unpacked).arrayBuffer());
  } catch {
    throw new Error(
      "This page is damaged: some of its letters have changed. Save or send it again.",
    );
  }
}
