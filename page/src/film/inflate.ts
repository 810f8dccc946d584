// Unpacking with a bound: a small file can unpack to more than a computer's memory.

/** What came out of packed bytes. */
export interface Unpacked {
  bytes: Uint8Array; // no more than were allowed
  isWhole: boolean; // the packed bytes came to their end without an error
  hasMore: boolean; // there would have been more than were allowed
}

/** The first `most` bytes of packed ones; "deflate": with a header of zlib, as in PNG. */
export async function unpacked(
  packed: Uint8Array,
  most: number,
  format: "deflate" | "deflate-raw",
): Promise<Unpacked> {
  const stream = new Blob([packed as Uint8Array<ArrayBuffer>]).stream();
  const reader = stream.pipeThrough(new DecompressionStream(format)).getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  let isWhole = false;
  while (!isWhole && length <= most) {
    let part;
    try {
      part = await reader.read();
    } catch {
      // Damaged from here on: what came before it may be all that is needed.
      break;
    }
    isWhole = part.done;
    if (part.value !== undefined) {
      parts.push(part.value);
      length += part.value.length;
    }
  }
  await reader.cancel().catch(() => undefined);
  return { bytes: joined(parts, Math.min(length, most)), isWhole, hasMore: length > most };
}

/** The first `length` bytes of some parts, one after the other. */
export function joined(parts: Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let place = 0;
  for (const part of parts) {
    const fitting = part.subarray(0, length - place);
    whole.set(fitting, place);
    place += fitting.length;
  }
  return whole;
}
