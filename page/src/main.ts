/** Where the page begins: reads what `save_page` has put into it, and starts. */

import { decodeJpeg } from "./film/browser_jpeg.ts";
import { readFilm } from "./film/read.ts";
import { startEngine } from "./network/engine.ts";
import type { Block, Setup } from "./network/messages.ts";
import type { Film, PageData } from "./types.ts";
import { startPage } from "./ui/page.ts";

/** A part of the page that is no markup; it is taken out, so that its memory can be used anew. */
function taken(id: string): HTMLElement {
  const part = document.getElementById(id);
  if (part === null) {
    throw new Error(`This page is damaged: its part "${id}" is missing. Save or send it again.`);
  }
  part.remove();
  return part;
}

/** A block of bytes in the page. */
function block(id: string): Block {
  const part = taken(id);
  return { text: part.textContent ?? "", length: Number(part.dataset.length) };
}

/** What the worker needs. */
function setupOf(data: PageData): Setup {
  const gate = data.gate && {
    facts: data.gate,
    weights: document.getElementById("gate-weights") && block("gate-weights"),
    known: block("gate-known"),
    others: block("gate-others"),
  };
  const { size, mean, std, head, temperature } = data;
  return {
    graph: block("graph"),
    program: block("program"),
    weights: block("weights"),
    size,
    mean,
    std,
    head,
    temperature,
    gate,
  };
}

/** Read the page, and start. */
function start(): void {
  const data: PageData = JSON.parse(taken("data").textContent ?? "");
  const workerSource = taken("worker").textContent ?? "";
  const engine = startEngine(workerSource, setupOf(data));
  const read = (bytes: Uint8Array): Promise<Film> => readFilm(bytes, decodeJpeg);
  startPage(data, engine, read);
  // For the tests, and for whoever wants to look into it from the browser's console.
  Object.assign(window, { rsna_cls: { data, engine, readFilm: read } });
}

try {
  start();
} catch (problem) {
  const words = document.createElement("p");
  words.setAttribute("role", "alert");
  words.textContent = problem instanceof Error ? problem.message : String(problem);
  document.body.replaceChildren(words);
}
