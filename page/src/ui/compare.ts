// What was answered to a changed film, beside what was answered to the film as it came.
import type { Answer, GateAnswer } from "../types.ts";
import { differenceOf, strongestTwo } from "./answers.ts";
import { differenceName, plainNumber } from "./words.ts";

/** What was answered to a film. */
export interface Told {
  gate: GateAnswer | null; // null: the page has no gate
  answer: Answer;
}

/** "still chest", or "now abdomen". */
function stillOrNow(isTheSame: boolean, now: string): string {
  return isTheSame ? `still ${now}` : `now ${now}`;
}

/** The gate's answer in a word. */
function verdict(gate: GateAnswer): string {
  return gate.isAccepted ? "passes" : "refuses";
}

/** What a change has done to both answers. */
export function comparedWords(came: Told, now: Told, classes: string[]): string {
  const parts = [];
  if (came.gate !== null && now.gate !== null) {
    const isTheSame = came.gate.isAccepted === now.gate.isAccepted;
    parts.push(`Gate: ${stillOrNow(isTheSame, verdict(now.gate))}.`);
  }

  // Which class is named?
  const pair = strongestTwo(came.answer.logits);
  const named = strongestTwo(now.answer.logits).target;
  parts.push(`Network: ${stillOrNow(named === pair.target, classes[named])}.`);

  // How far has its score moved?
  const before = plainNumber(differenceOf(came.answer.logits, pair));
  const after = plainNumber(differenceOf(now.answer.logits, pair));
  const difference = differenceName(classes[pair.target], classes[pair.other]);
  parts.push(`The ${difference}: ${before} as it came → ${after}.`);
  return parts.join(" ");
}
