// Numbers and names in words, as they stand on the page.

const LONGEST_NAME = 28; // letters of a file's name that are shown
const END_OF_NAME = 8; // of which so many are its end, with the format

/** A number with two digits or more, and a true minus. */
export function plainNumber(value: number, digits = 2): string {
  const text = value.toFixed(digits);
  const isZero = Number(text) === 0;
  return isZero ? text.replace("-", "") : text.replace("-", "−");
}

/** A number with its sign, and two digits or more. */
export function signed(value: number, digits = 2): string {
  const text = plainNumber(value, digits);
  return text.startsWith("−") ? text : `+${text}`;
}

const SMALL_NUMBERS = [
  "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
  "twelve",
];

/** How many there are: in words up to twelve. */
export function countWords(count: number): string {
  return SMALL_NUMBERS[count] ?? count.toLocaleString("en");
}

/** A probability with two digits; never 1.00 or 0.00, for it never is. */
export function probabilityWords(probability: number): string {
  const text = probability.toFixed(2);
  if (text === "1.00") {
    return "> 0.99";
  }
  return text === "0.00" ? "< 0.01" : text;
}

/** A share as a percentage without digits. */
export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** Names as one speaks them: "chest, abdomen and hand". */
export function listed(names: string[], last = "and"): string {
  if (names.length < 2) {
    return names.join("");
  }
  return `${names.slice(0, -1).join(", ")} ${last} ${names.at(-1)}`;
}

// Classes whose stored name is no word.
const FULL_NAMES: Record<string, string> = { abd: "abdomen" };

/** A class or a kind of film as it is shown: "lateral_chest" is a "lateral chest". */
export function displayName(stored: string): string {
  return Object.hasOwn(FULL_NAMES, stored) ? FULL_NAMES[stored] : stored.replaceAll("_", " ");
}

/** Classes as they are shown; as they are stored where two of them would read alike. */
export function readableNames(stored: string[]): string[] {
  const names = stored.map(displayName);
  return new Set(names).size === names.length ? names : stored;
}

/** A file's name without invisible letters, and shortened in its middle. */
export function shortName(name: string): string {
  // Letters that are not seen may turn a name round, or hide a part of it.
  const letters = Array.from(name.replaceAll(/\p{C}/gu, ""));
  if (letters.length <= LONGEST_NAME) {
    return letters.join("");
  }
  const start = letters.slice(0, LONGEST_NAME - END_OF_NAME - 1).join("");
  return `${start}…${letters.slice(-END_OF_NAME).join("")}`;
}

/** Words with a capital at the start and a full stop at the end. */
export function asSentence(words: string): string {
  const text = words.trim();
  if (text === "") {
    return "";
  }
  const capital = text[0].toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}

/** What to say when something has gone wrong. */
export function problemWords(problem: unknown): string {
  const name = problem instanceof Error ? problem.name : "";
  if (name === "NotReadableError" || name === "NotFoundError") {
    return (
      "This file cannot be read any more. Was it moved or deleted, or is it a folder? " +
      "Choose it again."
    );
  }
  if (name === "RangeError" || name === "QuotaExceededError") {
    return (
      "There is not enough memory for this film. Close other tabs and programs, and open this " +
      "page again."
    );
  }
  const isOfThisPage = problem instanceof Error && !/^(Type|Reference|Syntax|Eval)/.test(name);
  if (isOfThisPage && problem.message !== "") {
    return asSentence(problem.message);
  }
  return (
    "Something went wrong in this page, so there is no answer. Open the page again, or try " +
    "another browser."
  );
}

/** The classes of the nearest of the films that the gate knows, in a sentence. */
export function nearestWords(labels: string[]): string {
  const films = labels.length === 1 ? "film" : `${countWords(labels.length)} films`;
  const isKnown = labels.some((label) => label !== "");
  const classes = labels.map((label) => displayName(label) || "not recorded").join(", ");
  return `The nearest ${films} that the gate knows: ${isKnown ? classes : "class not recorded"}.`;
}

// What the gate calls the turns that it tries, and what they are to a reader.
const TURNS: Record<string, string> = {
  "itself, turned by 90°": "turned a quarter to the left",
  "itself, turned by 180°": "upside down",
  "itself, turned by 270°": "turned a quarter to the right",
  "itself, with black for white": "its own negative",
};

/** What a gate's films are called: its owner's network has learned from them, or it has not. */
export function gateFilmsWords(isLearned: boolean): string {
  return isLearned ? "the films I learned from" : "the films that I compare with";
}

/** What else a film is like, as the end of a sentence. */
export function otherWords(other: string, films: string): string {
  if (Object.hasOwn(TURNS, other)) {
    return `${films}, if it were ${TURNS[other]}`;
  }
  return other === "picture" ? "a picture that is no radiograph" : displayName(other);
}

/** The number that the map and the sums are about: one class's score, less that of another. */
export function differenceName(target: string, other: string): string {
  return `score (logit) of ${target} less that of ${other}`;
}
