import assert from "node:assert/strict";
import { test } from "node:test";
import { comparedWords } from "../src/ui/compare.ts";
import { gateSentence, isOnlyJust, trackRecord } from "../src/ui/gate_view.ts";
import type { Answer, GateAnswer, PageGate } from "../src/types.ts";

const CLASSES = ["abdomen", "chest"];
const GATE = { isLearned: true, limit: 0.1 };

/** A gate's answer of which only the number matters. */
function gateAnswer(stranger: number): GateAnswer {
  return {
    stranger,
    isAccepted: stranger <= GATE.limit,
    nearest: [],
    nearestLabels: [],
    other: "hand",
  };
}

/** Answers of which only gate and logits matter. */
function told(stranger: number | null, ...logits: number[]) {
  const gate = stranger === null ? null : gateAnswer(stranger);
  return { gate, answer: { logits: Float32Array.from(logits) } as Answer };
}

test("a changed film is compared with the film as it came", () => {
  assert.equal(
    comparedWords(told(-0.4, -2, 3), told(-0.3, -1.5, 3), CLASSES),
    "Gate: still passes. Network: still chest. " +
      "The score (logit) of chest less that of abdomen: 5.00 as it came → 4.50.",
  );
  assert.equal(
    comparedWords(told(-0.4, -2, 3), told(0.3, 2, 0), CLASSES),
    "Gate: now refuses. Network: now abdomen. " +
      "The score (logit) of chest less that of abdomen: 5.00 as it came → −2.00.",
  );
});

test("without a gate nothing is said of it", () => {
  assert.match(comparedWords(told(null, 1, 0), told(null, 2, 0), CLASSES), /^Network: still/);
});

test("close to the limit a film passes or is refused only just", () => {
  assert.ok(isOnlyJust(0.14, 0.1));
  assert.ok(isOnlyJust(0.06, 0.1));
  assert.ok(!isOnlyJust(0.16, 0.1));
  assert.ok(!isOnlyJust(0.04, 0.1));
  const sentences: [number, RegExp][] = [
    [-0.4, /^Passes: like the films I learned from\.$/],
    [0.1, /^Passes, but only just/],
    [0.12, /^Refused, but only just/],
    [0.5, /^Refused: like none of the films I learned from\.$/],
  ];
  for (const [stranger, sentence] of sentences) {
    assert.match(gateSentence(gateAnswer(stranger), GATE), sentence);
  }
});

test("how often a gate errs has an interval only where its limit was not moved", () => {
  const counted = { behind: 75, beyond: 0, limit: 0 } as PageGate;
  assert.match(trackRecord(counted), /it refused 0 \(95 % interval 0 % to 5 %\)$/);
  assert.match(trackRecord({ ...counted, limit: 0.1 }), /it refused 0$/);
  assert.equal(trackRecord({ ...counted, behind: 0 }), "");
  assert.equal(trackRecord(null), "");
});
