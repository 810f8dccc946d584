// The elements of a DICOM file that say something of its pixels. No others are looked at.
import {
  ByteStream,
  bigEndianByteArrayParser,
  littleEndianByteArrayParser,
  readDicomElementExplicit,
  readDicomElementImplicit,
} from "dicom-parser";
import type { Element } from "dicom-parser";
import { BadFilm, DAMAGED } from "./bad_film.ts";
import { joined, unpacked } from "./inflate.ts";

/** What the standard says of an element. */
interface Entry {
  tag: string; // group and number, as dicom-parser writes them
  vr: string; // the type of its values
  title: string;
}

// The elements that are read (PS3.6), by the standard's keywords.
const ENTRIES = {
  TransferSyntaxUID: { tag: "x00020010", vr: "UI", title: "Transfer Syntax UID" },
  SamplesPerPixel: { tag: "x00280002", vr: "US", title: "Samples per Pixel" },
  PhotometricInterpretation: {
    tag: "x00280004",
    vr: "CS",
    title: "Photometric Interpretation",
  },
  PlanarConfiguration: { tag: "x00280006", vr: "US", title: "Planar Configuration" },
  NumberOfFrames: { tag: "x00280008", vr: "IS", title: "Number of Frames" },
  Rows: { tag: "x00280010", vr: "US", title: "Rows" },
  Columns: { tag: "x00280011", vr: "US", title: "Columns" },
  BitsAllocated: { tag: "x00280100", vr: "US", title: "Bits Allocated" },
  BitsStored: { tag: "x00280101", vr: "US", title: "Bits Stored" },
  HighBit: { tag: "x00280102", vr: "US", title: "High Bit" },
  PixelRepresentation: { tag: "x00280103", vr: "US", title: "Pixel Representation" },
  PixelPaddingValue: { tag: "x00280120", vr: "US", title: "Pixel Padding Value" },
  PixelPaddingRangeLimit: {
    tag: "x00280121",
    vr: "US",
    title: "Pixel Padding Range Limit",
  },
  WindowCenter: { tag: "x00281050", vr: "DS", title: "Window Center" },
  WindowWidth: { tag: "x00281051", vr: "DS", title: "Window Width" },
  RescaleIntercept: { tag: "x00281052", vr: "DS", title: "Rescale Intercept" },
  RescaleSlope: { tag: "x00281053", vr: "DS", title: "Rescale Slope" },
  VOILUTFunction: { tag: "x00281056", vr: "CS", title: "VOI LUT Function" },
  ModalityLUTSequence: { tag: "x00283000", vr: "SQ", title: "Modality LUT Sequence" },
  LUTDescriptor: { tag: "x00283002", vr: "US", title: "LUT Descriptor" },
  LUTData: { tag: "x00283006", vr: "OW", title: "LUT Data" },
  VOILUTSequence: { tag: "x00283010", vr: "SQ", title: "VOI LUT Sequence" },
  PresentationLUTShape: { tag: "x20500020", vr: "CS", title: "Presentation LUT Shape" },
  SharedFunctionalGroupsSequence: {
    tag: "x52009229",
    vr: "SQ",
    title: "Shared Functional Groups Sequence",
  },
  PerFrameFunctionalGroupsSequence: {
    tag: "x52009230",
    vr: "SQ",
    title: "Per-Frame Functional Groups Sequence",
  },
  PixelValueTransformationSequence: {
    tag: "x00289145",
    vr: "SQ",
    title: "Pixel Value Transformation Sequence",
  },
  FrameVOILUTSequence: { tag: "x00289132", vr: "SQ", title: "Frame VOI LUT Sequence" },
  FloatPixelData: { tag: "x7fe00008", vr: "OF", title: "Float Pixel Data" },
  DoubleFloatPixelData: { tag: "x7fe00009", vr: "OD", title: "Double Float Pixel Data" },
  PixelData: { tag: "x7fe00010", vr: "OW", title: "Pixel Data" },
} satisfies Record<string, Entry>;

/** The keyword of an element that is read. */
export type Keyword = keyof typeof ENTRIES;

const VR_OF_TAG = new Map(Object.values(ENTRIES).map(({ tag, vr }) => [tag, vr]));

/** What the standard calls an element. */
export function title(keyword: Keyword): string {
  return ENTRIES[keyword].title;
}

/** Some elements of a DICOM file: of the whole file, or of an item in it. */
export class Elements {
  readonly bytes: Uint8Array; // of the file
  readonly isLittleEndian: boolean; // the bytes of its numbers
  private readonly elements: Record<string, Element>;

  constructor(bytes: Uint8Array, isLittleEndian: boolean, elements: Record<string, Element>) {
    this.bytes = bytes;
    this.isLittleEndian = isLittleEndian;
    this.elements = elements;
  }

  /** An element that says something, or undefined. */
  element(keyword: Keyword): Element | undefined {
    const element = this.elements[ENTRIES[keyword].tag];
    return element === undefined || element.length === 0 ? undefined : element;
  }

  /** Whether an element says something. */
  has(keyword: Keyword): boolean {
    const element = this.element(keyword);
    if (element === undefined) {
      return false;
    }
    const { vr } = ENTRIES[keyword];
    if (vr === "SQ") {
      return this.items(keyword).length > 0;
    }
    const isText = vr === "CS" || vr === "DS" || vr === "IS" || vr === "UI";
    return !isText || this.text(keyword) !== "";
  }

  /** The bytes of an element; none where it is missing; throws `BadFilm`. */
  data(keyword: Keyword): Uint8Array {
    const element = this.element(keyword);
    if (element === undefined) {
      return new Uint8Array(0);
    }
    const end = element.dataOffset + element.length;
    if (end > this.bytes.length) {
      throw new BadFilm(DAMAGED);
    }
    return this.bytes.subarray(element.dataOffset, end);
  }

  /** The text of an element, without blanks around it; "" where it is missing. */
  text(keyword: Keyword): string {
    const text = new TextDecoder("latin1").decode(this.data(keyword));
    return text.replace(/^[\s\0]+|[\s\0]+$/g, "");
  }

  /** A code in capitals, as the standard writes codes; "" where it is missing. */
  code(keyword: Keyword): string {
    return this.text(keyword).toUpperCase();
  }

  /** The numbers of an element; null: one that is left empty; throws `BadFilm`. */
  numbers(keyword: Keyword): (number | null)[] {
    const element = this.element(keyword);
    if (element === undefined) {
      return [];
    }
    const isTold = element.vr !== undefined && element.vr !== "UN";
    const vr = isTold ? (element.vr as string) : ENTRIES[keyword].vr;
    if (vr === "DS" || vr === "IS") {
      const texts = this.text(keyword).split("\\");
      return texts.map((text) => numberIn(text, keyword));
    }
    const type = BINARY_NUMBERS[vr];
    if (type === undefined) {
      throw new BadFilm(`its ${title(keyword)} is no number: export it again`);
    }
    const data = this.data(keyword);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const numbers = [];
    for (let place = 0; place + type.bytes <= data.length; place += type.bytes) {
      numbers.push(type.read(view, place, this.isLittleEndian));
    }
    return numbers;
  }

  /** The first number of an element; null: it is missing, or says nothing; throws `BadFilm`. */
  number(keyword: Keyword): number | null {
    const first = this.numbers(keyword)[0] ?? null;
    if (first !== null && !Number.isFinite(first)) {
      throw new BadFilm(`its ${title(keyword)} is no number: export it again`);
    }
    return first;
  }

  /** The items of a sequence; none where it is missing; throws `BadFilm`. */
  items(keyword: Keyword): Elements[] {
    const element = this.element(keyword);
    if (element === undefined) {
      return [];
    }
    if (element.items === undefined) {
      throw new BadFilm(
        `its ${title(keyword)} is written in a way that this page does not read: export it again`,
      );
    }
    const items = [];
    for (const { dataSet } of element.items) {
      items.push(new Elements(this.bytes, this.isLittleEndian, dataSet?.elements ?? {}));
    }
    return items;
  }

  /** These elements, and where others say something of the same, what they say. */
  withOthers(others: Elements): Elements {
    const elements = { ...this.elements, ...others.elements };
    return new Elements(this.bytes, this.isLittleEndian, elements);
  }
}

/** How numbers lie in bytes. */
interface BinaryNumber {
  bytes: number; // of one
  read: (view: DataView, place: number, isLittleEndian: boolean) => number;
}

// By the types of the standard (PS3.5, 6.2).
const BINARY_NUMBERS: Record<string, BinaryNumber> = {
  US: { bytes: 2, read: (view, place, isLittle) => view.getUint16(place, isLittle) },
  SS: { bytes: 2, read: (view, place, isLittle) => view.getInt16(place, isLittle) },
  OW: { bytes: 2, read: (view, place, isLittle) => view.getUint16(place, isLittle) },
  UL: { bytes: 4, read: (view, place, isLittle) => view.getUint32(place, isLittle) },
  SL: { bytes: 4, read: (view, place, isLittle) => view.getInt32(place, isLittle) },
  FL: { bytes: 4, read: (view, place, isLittle) => view.getFloat32(place, isLittle) },
  FD: { bytes: 8, read: (view, place, isLittle) => view.getFloat64(place, isLittle) },
};

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** The number that a text spells; null: the text is empty; throws `BadFilm`. */
function numberIn(text: string, keyword: Keyword): number | null {
  const spelt = text.replace(/[\s\0]/g, "");
  if (spelt === "") {
    return null;
  }
  const number = Number(spelt);
  if (!DECIMAL.test(spelt) || !Number.isFinite(number)) {
    throw new BadFilm(`its ${title(keyword)} is no number: export it again`);
  }
  return number;
}

// Reading the file

const EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1";
const DEFLATED = "1.2.840.10008.1.2.1.99";
const EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2";
const IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2";

/** A DICOM file, as far as its pixels are concerned. */
export interface DicomFile {
  elements: Elements;
  syntax: string; // how the pixels are coded; "": it is not told, and they are compressed
}

const PREAMBLE_BYTES = 132; // with the letters DICM behind it
const MOST_UNPACKED = 2 ** 27; // bytes
const LOWEST_GROUP_IF_SWAPPED = 1024; // the first group of a file is 8, or these bytes swapped

/** The elements of a DICOM file, with or without a preamble; throws `BadFilm`, or an error. */
export async function openDicomFile(bytes: Uint8Array): Promise<DicomFile> {
  const hasPreamble = latin1(bytes, 128, 132) === "DICM";
  const meta = metaElements(bytes, hasPreamble ? PREAMBLE_BYTES : 0);
  const told = new Elements(bytes, true, meta.elements).text("TransferSyntaxUID");
  let body = bytes;
  let start = meta.end;
  if (told === DEFLATED) {
    body = await inflated(bytes.subarray(meta.end));
    start = 0;
  }
  const isExplicit = hasType(body, start);
  const isLittleEndian = told === "" ? !isSwapped(body, start) : told !== EXPLICIT_BIG_ENDIAN;
  const found = elementsOf(body, start, isExplicit, isLittleEndian);
  const elements = new Elements(body, isLittleEndian, found);
  return { elements, syntax: told || syntaxOf(elements, isExplicit) };
}

/** Some bytes as text. */
function latin1(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}

/** Whether an element tells its type: two capitals behind its group and number. */
function hasType(bytes: Uint8Array, start: number): boolean {
  return /^[A-Z]{2}$/.test(latin1(bytes, start + 4, start + 6));
}

/** Whether the bytes of the first group's number are swapped. */
function isSwapped(bytes: Uint8Array, start: number): boolean {
  return bytes[start] + 256 * bytes[start + 1] >= LOWEST_GROUP_IF_SWAPPED;
}

/** The elements of group 2, and where they end. */
function metaElements(
  bytes: Uint8Array,
  start: number,
): { elements: Record<string, Element>; end: number } {
  const stream = new ByteStream(littleEndianByteArrayParser, bytes, start);
  const elements: Record<string, Element> = {};
  while (bytes[stream.position] === 2 && bytes[stream.position + 1] === 0) {
    const element = nextElement(stream, hasType(bytes, stream.position));
    elements[element.tag] = element;
  }
  return { elements, end: stream.position };
}

/** How the pixels are coded where the file does not say it. */
function syntaxOf(elements: Elements, isExplicit: boolean): string {
  if (elements.element("PixelData")?.hadUndefinedLength) {
    return "";
  }
  if (!isExplicit) {
    return IMPLICIT_LITTLE_ENDIAN;
  }
  return elements.isLittleEndian ? EXPLICIT_LITTLE_ENDIAN : EXPLICIT_BIG_ENDIAN;
}

/** The elements that were packed; throws `BadFilm`. */
async function inflated(packed: Uint8Array): Promise<Uint8Array> {
  let elements = await unpacked(packed, MOST_UNPACKED, "deflate-raw");
  const hasPadding = packed[packed.length - 1] === 0;
  if (!elements.isWhole && !elements.hasMore && hasPadding) {
    // A byte that only makes the length even is an error to some browsers.
    elements = await unpacked(packed.subarray(0, -1), MOST_UNPACKED, "deflate-raw");
  }
  if (elements.hasMore) {
    throw new BadFilm("it unpacks to more than any film holds: export it uncompressed");
  }
  if (!elements.isWhole) {
    throw new BadFilm(DAMAGED);
  }
  return elements.bytes;
}

/** The elements up to the pixels, by their tags. */
function elementsOf(
  bytes: Uint8Array,
  start: number,
  isExplicit: boolean,
  isLittleEndian: boolean,
): Record<string, Element> {
  const parser = isLittleEndian ? littleEndianByteArrayParser : bigEndianByteArrayParser;
  const stream = new ByteStream(parser, bytes, start);
  const elements: Record<string, Element> = {};
  while (stream.position + 8 <= bytes.length) {
    let element;
    try {
      element = nextElement(stream, isExplicit);
    } catch {
      // Cut short: what has been read may still tell what is missing.
      break;
    }
    const isWhole = element.dataOffset + element.length <= bytes.length;
    const isPixels = element.tag === ENTRIES.PixelData.tag;
    if (!isWhole && isPixels) {
      // What is there of them: how much is missing, the header will tell.
      element.length = Math.max(bytes.length - element.dataOffset, 0);
    }
    if (isWhole || isPixels) {
      elements[element.tag] = element;
    }
    if (!isWhole || isPixels) {
      break;
    }
  }
  return elements;
}

// Types whose length takes four bytes, and of which dicom-parser 1.8 does not know it.
const LONG_TYPES = ["OV", "SV", "UV"];

/** The next element of a stream, which goes on behind it; throws where it is damaged. */
function nextElement(stream: ByteStream, isExplicit: boolean): Element {
  if (!isExplicit) {
    // A type that is not known here is found out by dicom-parser.
    const typeOf = (tag: string) => VR_OF_TAG.get(tag) as string;
    return readDicomElementImplicit(stream, undefined, typeOf);
  }
  const { position } = stream;
  const vr = latin1(stream.byteArray, position + 4, position + 6);
  if (!LONG_TYPES.includes(vr)) {
    const warnings: string[] = [];
    const element = readDicomElementExplicit(stream, warnings);
    if (warnings.length > 0) {
      // Compressed pixels without an end, for instance.
      throw new Error("damaged");
    }
    return element;
  }
  stream.seek(8);
  const length = stream.readUint32();
  const dataOffset = stream.position;
  stream.seek(length);
  return { tag: "other", vr, length, dataOffset };
}

/** The one image in compressed pixels: their pieces, joined; throws `BadFilm`. */
export function encapsulated(elements: Elements): Uint8Array {
  const element = elements.element("PixelData");
  const fragments = element?.fragments ?? [];
  if (fragments.length === 0) {
    throw new BadFilm("its compressed pixels are damaged: export it again");
  }
  if (fragments.length > MOST_FRAGMENTS) {
    throw new BadFilm("its pixels are in more pieces than any film's: export it again");
  }
  if ((element?.basicOffsetTable ?? []).length > 1) {
    throw new BadFilm(
      "its pixels are those of several images, and it says that it is one: export it again",
    );
  }
  const parts = fragments.map(({ position, length }) => {
    return elements.bytes.subarray(position, position + length);
  });
  return joined(parts, parts.reduce((sum, part) => sum + part.length, 0));
}

const MOST_FRAGMENTS = 100_000;
