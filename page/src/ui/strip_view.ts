// The list of films that were dropped, as buttons.
import { find, made } from "./dom.ts";
import type { ListedFilm } from "./films.ts";
import { shortName } from "./words.ts";

/** Say at which end the list goes on, whenever it is moved or its room changes. */
export function listenToStrip(): void {
  const strip = find("strip");
  strip.addEventListener("scroll", markEnds);
  new ResizeObserver(markEnds).observe(strip);
}

/** Let the ends fade behind which there are more films. */
function markEnds(): void {
  const strip = find("strip");
  const left = strip.scrollLeft;
  const right = strip.scrollWidth - strip.clientWidth - left;
  strip.classList.toggle("has-more-left", left > 1);
  strip.classList.toggle("has-more-right", right > 1);
}

/** Draw the list anew; `choose` is called with the film that is pressed. */
export function showStrip(
  films: ListedFilm[],
  shown: ListedFilm | null,
  isChanged: boolean, // is what is shown no more as it came?
  choose: (film: ListedFilm) => void,
): void {
  const strip = find("strip");
  const hadFocus = strip.contains(document.activeElement);
  strip.hidden = films.length === 0;
  const lines = films.map((film) => {
    const isShown = film === shown;
    return lineOf(film, isShown, isShown && isChanged, choose);
  });
  strip.replaceChildren(...lines);

  // The newest answer belongs in view, and whoever pressed a button stays on it.
  const current = strip.querySelector<HTMLElement>("[aria-current]");
  if (hadFocus) {
    current?.focus();
  }
  if (current !== null) {
    bringIntoView(strip, current);
  }
  markEnds();
}

/** Move the strip sideways, and nothing else of the page, until a film of it is seen. */
function bringIntoView(strip: HTMLElement, film: HTMLElement): void {
  const room = strip.getBoundingClientRect();
  const { left, right } = film.getBoundingClientRect();
  strip.scrollLeft += Math.min(left - room.left, 0) + Math.max(right - room.right, 0);
}

/** A film of the list. */
function lineOf(
  film: ListedFilm,
  isShown: boolean,
  isChanged: boolean,
  choose: (film: ListedFilm) => void,
): HTMLLIElement {
  const button = made("button", "", "strip-film");
  button.type = "button";
  button.title = film.answer === "" ? "Ask about this film" : "Ask about this film again";
  if (isShown) {
    button.setAttribute("aria-current", "true");
  }
  const name = made("span", `${film.number} · ${shortName(film.name)}`, "strip-name");
  const answer = film.answer || "press to ask";
  const words = made("span", isChanged ? `as it came: ${answer}` : answer, "strip-answer");
  button.append(name, " ", words);
  button.addEventListener("click", () => choose(film));
  const line = made("li");
  line.append(button);
  return line;
}
