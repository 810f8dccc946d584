// Parts of the page: found, made, filled. All text goes in as text, never as HTML.

/** A part of the page by its id. */
export function find<Part extends HTMLElement = HTMLElement>(id: string): Part {
  const part = document.getElementById(id);
  if (part === null) {
    throw new Error(`This page is damaged: its part "${id}" is missing. Save or send it again.`);
  }
  return part as Part;
}

/** A new part with a text. */
export function made<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  text = "",
  className = "",
): HTMLElementTagNameMap[Tag] {
  const part = document.createElement(tag);
  part.textContent = text;
  if (className !== "") {
    part.className = className;
  }
  return part;
}

/** A new part that holds others. */
export function madeOf<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  parts: Node[],
  className = "",
): HTMLElementTagNameMap[Tag] {
  const part = made(tag, "", className);
  part.append(...parts);
  return part;
}

/** Set the text of a part, and hide the part where there is none. */
export function say(part: HTMLElement, words: string): void {
  part.textContent = words;
  part.hidden = words === "";
}
