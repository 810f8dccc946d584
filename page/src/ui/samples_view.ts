// Simulated films, for those who have none at hand: on the empty page, and later in a menu.
import type { Example } from "../types.ts";
import { find, made, madeOf } from "./dom.ts";
import { bytesOfAddress } from "./films.ts";
import type { FilmSource } from "./films.ts";
import { displayName } from "./words.ts";

/** Offer all examples in both places; `take` is called with the one that is pressed. */
export function offerSamples(examples: Example[], take: (film: FilmSource) => void): void {
  const menu = find<HTMLDetailsElement>("samples-menu");
  const button = find("samples-button");
  menu.hidden = examples.length === 0;
  find("samples").hidden = examples.length === 0;
  for (const id of ["sample-list", "sample-menu-list"]) {
    const items = examples.map((example) =>
      sampleItem(example, () => {
        take(filmOf(example));
        menu.open = false;
        button.focus({ preventScroll: true }); // what was pressed is no longer seen
      }),
    );
    find(id).replaceChildren(...items);
  }
  listenForLeaving(menu, button);
}

/** Close the menu by Escape, and when something else is pressed or reached. */
function listenForLeaving(menu: HTMLDetailsElement, button: HTMLElement): void {
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      button.focus();
    }
  });
  for (const event of ["pointerdown", "focusin"]) {
    document.addEventListener(event, ({ target }) => {
      menu.open &&= target instanceof Node && menu.contains(target);
    });
  }
}

/** An example as a film. */
function filmOf({ name, source }: Example): FilmSource {
  return { name: `simulated ${displayName(name)}`, bytes: async () => bytesOfAddress(source) };
}

/** A button with a small picture. */
function sampleItem({ name, source, description }: Example, press: () => void): HTMLLIElement {
  const image = made("img");
  image.src = source;
  image.alt = ""; // the button bears its name
  const button = madeOf("button", [image, made("span", displayName(name))]);
  button.type = "button";
  button.title = description;
  button.addEventListener("click", press);
  return madeOf("li", [button]);
}
