// What a DICOM header says of its pixels, and whether that can be true.
import { BadFilm } from "./bad_film.ts";
import { title } from "./dicom_file.ts";
import type { Elements, Keyword } from "./dicom_file.ts";
import { checkSize } from "./limits.ts";

/** How the pixels of a DICOM file lie, and what they mean. */
export interface Header {
  rows: number;
  columns: number;
  channels: number; // 1: grey; 3: red, green, blue
  isPlanar: boolean; // one channel after the other, not pixel by pixel
  isDarkBright: boolean; // what is low is bright (MONOCHROME1)
  allocated: number; // bits of a word: 8, 16 or 32
  stored: number; // bits of it that are used
  highBit: number; // the highest of these, from 0
  isSigned: boolean;
}

// Photometric Interpretation → numbers for each pixel (C.7.6.3.1.2), of those that are known.
const CHANNELS: Record<string, number> = {
  "MONOCHROME1": 1,
  "MONOCHROME2": 1,
  "PALETTE COLOR": 1,
  "RGB": 3,
  "YBR_FULL": 3,
  "YBR_FULL_422": 3,
  "YBR_ICT": 3,
  "YBR_RCT": 3,
};
const READ = ["MONOCHROME1", "MONOCHROME2", "RGB"]; // by this page

const GROUPS: Keyword[] = ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"];
const PIXEL_GROUPS: Keyword[] = ["PixelValueTransformationSequence", "FrameVOILUTSequence"];

/** The elements with scale and window at the top, where newer kinds of files group them. */
export function withoutGroups(elements: Elements): Elements {
  let flat = elements;
  for (const keyword of GROUPS) {
    for (const group of elements.items(keyword)) {
      for (const inner of PIXEL_GROUPS) {
        flat = group.items(inner).reduce((all, item) => all.withOthers(item), flat);
      }
    }
  }
  return flat;
}

/** What the header says; throws `BadFilm` unless it describes one image that can be read. */
export function headerOf(elements: Elements): Header {
  checkLength(elements);
  checkImage(elements);
  const photometric = elements.code("PhotometricInterpretation");
  checkNumbers(elements, photometric);
  const allocated = numberOf(elements, "BitsAllocated");
  const channels = CHANNELS[photometric];
  const rows = numberOf(elements, "Rows");
  const columns = numberOf(elements, "Columns");

  // What is decoded is copied once, or more often: what is deep is sorted, colours become RGB.
  let valuesEach = allocated <= 16 ? 2 : 3;
  if (!photometric.startsWith("MONOCHROME")) {
    valuesEach = 4 * 3;
  }
  checkSize(columns, rows, (valuesEach * allocated) / 8);
  if (!READ.includes(photometric)) {
    throw new BadFilm(
      "its colours are coded in a way that this page does not read (Photometric Interpretation): "
      + "export it as MONOCHROME2, or save it as PNG",
    );
  }
  if (allocated === 1 || allocated === 64) {
    throw new BadFilm(
      "its pixels have a number of bits that this page does not read (Bits Allocated): "
      + "export it with 8 or 16 bits",
    );
  }
  return {
    rows,
    columns,
    channels,
    isPlanar: numberOf(elements, "PlanarConfiguration") !== 0,
    isDarkBright: photometric === "MONOCHROME1",
    allocated,
    stored: numberOf(elements, "BitsStored"),
    highBit: numberOf(elements, "HighBit"),
    isSigned: numberOf(elements, "PixelRepresentation") === 1,
  };
}

/** The first number of an element; 0 where it is missing. */
function numberOf(elements: Elements, keyword: Keyword): number {
  return elements.number(keyword) ?? 0;
}

const MOST_HEADER_BYTES = 2_000_000; // of what a header says of its pixels
const LENGTHY: Keyword[] = [
  "WindowCenter",
  "WindowWidth",
  "PhotometricInterpretation",
  "VOILUTFunction",
  "PresentationLUTShape",
  "RescaleSlope",
  "RescaleIntercept",
];

/** Refuse elements beside the pixels that are longer than any film's. */
function checkLength(elements: Elements): void {
  let bytes = 0;
  for (const keyword of LENGTHY) {
    bytes += elements.data(keyword).length;
  }
  if (bytes > MOST_HEADER_BYTES) {
    throw new BadFilm("its header is longer than any film's: export it again");
  }
}

/** Refuse a file unless it holds one image, and says how to look at it. */
function checkImage(elements: Elements): void {
  if (elements.has("FloatPixelData") || elements.has("DoubleFloatPixelData")) {
    throw new BadFilm(
      "its pixels are fractions (Float Pixel Data), as in maps that were calculated: "
      + "this is not read as a film",
    );
  }
  if (!elements.has("PixelData") && elements.has("Rows")) {
    throw new BadFilm(
      "this DICOM file holds no image: its header describes one, and its pixels are missing, "
      + "or cut short. Export or download it again",
    );
  }
  if (!elements.has("PixelData")) {
    throw new BadFilm("this DICOM file holds no image (a report, or a directory?)");
  }
  if ((elements.number("NumberOfFrames") ?? 1) > 1) {
    throw new BadFilm("this DICOM file holds several frames: export the one you want");
  }
  if (!elements.has("PhotometricInterpretation")) {
    throw new BadFilm(
      "this DICOM file does not say whether its bones are bright or dark "
      + "(Photometric Interpretation): export it again",
    );
  }
  if (CHANNELS[elements.code("PhotometricInterpretation")] === undefined) {
    throw new BadFilm(
      "its pixels are greys or colours of a kind that is not read (Photometric "
      + "Interpretation): export it as MONOCHROME2",
    );
  }
}

const BITS_ALLOCATED = [1, 8, 16, 32, 64]; // other numbers would cut a pixel into bytes

/** Refuse a header unless it says how its pixels lie, in a way that can be. */
function checkNumbers(elements: Elements, photometric: string): void {
  const channels = CHANNELS[photometric];
  const isGrey = photometric.startsWith("MONOCHROME");
  if ((elements.number("SamplesPerPixel") ?? channels) !== channels) {
    const kind = isGrey ? "grey" : "in colour";
    throw new BadFilm(
      `it says that it is ${kind}, and has another number of channels (Samples per Pixel): `
      + "export it again",
    );
  }

  const needed: Keyword[] = [
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
  ];
  if (channels === 3) {
    needed.push("PlanarConfiguration");
  }
  for (const keyword of needed) {
    if (!elements.has(keyword)) {
      throw new BadFilm(
        `its header lacks ${title(keyword)}, without which nobody can tell what its pixels mean: `
        + "export it again",
      );
    }
  }

  const allocated = numberOf(elements, "BitsAllocated");
  const stored = numberOf(elements, "BitsStored");
  const isPossible: [Keyword, boolean][] = [
    ["Rows", numberOf(elements, "Rows") > 0],
    ["Columns", numberOf(elements, "Columns") > 0],
    ["BitsAllocated", BITS_ALLOCATED.includes(allocated)],
    ["BitsStored", stored > 0 && stored <= allocated],
    ["PixelRepresentation", [0, 1].includes(numberOf(elements, "PixelRepresentation"))],
  ];
  for (const [keyword, isSo] of isPossible) {
    if (!isSo) {
      throw new BadFilm(`its header's ${title(keyword)} cannot be true: export it again`);
    }
  }
}
