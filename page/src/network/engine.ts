/** The engine: asks the worker, and hands its answers on. */

import type { Answer, Engine, Film, GateAnswer, Inside } from "../types.ts";
import type { Question, Reply, Setup } from "./messages.ts";

/** A promise that is waiting for the worker's reply. */
interface Waiting {
  keep: (answer: any) => void;
  fail: (problem: Error) => void;
}

/** `Question` without its number, kind by kind. */
type Unnumbered = Question extends infer Q ? (Q extends Question ? Omit<Q, "number"> : never) : never;

/** An engine with a worker of its own, which begins at once to unpack the networks. */
export function startEngine(workerSource: string, setup: Setup): Engine {
  const address = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
  const worker = new Worker(address);
  const waiting = new Map<number, Waiting>();
  let asked = 0;

  /** Fail everything that waits: the worker is gone. */
  function failAll(words: string): void {
    for (const { fail } of waiting.values()) {
      fail(new Error(words));
    }
    waiting.clear();
  }

  /** Put a question to the worker. */
  function put<T>(question: Unnumbered): Promise<T> {
    asked += 1;
    const number = asked;
    return new Promise<T>((keep, fail) => {
      waiting.set(number, { keep, fail });
      worker.postMessage({ ...question, number });
    });
  }

  worker.onmessage = (event: MessageEvent<Reply>) => {
    const reply = event.data;
    const question = waiting.get(reply.number);
    waiting.delete(reply.number);
    if ("problem" in reply) {
      question?.fail(Object.assign(new Error(), reply.problem));
    } else {
      question?.keep(reply.answer);
    }
  };
  worker.onerror = (event) => {
    event.preventDefault();
    failAll("The part of the page that calculates does not run in this browser. Try a newer one.");
  };

  const ready = put<null>({ kind: "set up", setup });
  ready.catch(() => undefined); // whoever asks is told; nobody has to ask
  const whenReady = async <T>(question: Unnumbered): Promise<T> => {
    await ready;
    return put<T>(question);
  };
  return {
    ready: async () => {
      await ready;
    },
    ask: (film: Film) => whenReady<Answer>({ kind: "ask", film }),
    askGate: (film: Film) => whenReady<GateAnswer | null>({ kind: "ask gate", film }),
    lookInside: (film: Film) => whenReady<Inside>({ kind: "look inside", film }),
  };
}
