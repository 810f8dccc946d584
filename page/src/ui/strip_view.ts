// The list of films that were dropped, as buttons.
import { find, made } from "./dom.ts";
import type { ListedFilm } from "./films.ts";
import { shortName } from "./words.ts";

/** Draw the list anew; `choose` is called with the film that is pressed. */
export function showStrip(
  films: ListedFilm[],
  shown: ListedFilm | null,
  choose: (film: ListedFilm) => void,
): void {
  const strip = find("strip");
  const hadFocus = strip.contains(document.activeElement);
  strip.hidden = films.length === 0;
  strip.replaceChildren(...films.map((film) => lineOf(film, film === shown, choose)));

  // The newest answer belongs in view, and whoever pressed a button stays on it.
  const current = strip.querySelector<HTMLElement>("[aria-current]");
  if (hadFocus) {
    current?.focus();
  }
  current?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** A film of the list. */
function lineOf(
  film: ListedFilm,
  isShown: boolean,
  choose: (film: ListedFilm) => void,
): HTMLLIElement {
  const button = made("button", "", "strip-film");
  button.type = "button";
  if (isShown) {
    button.setAttribute("aria-current", "true");
  }
  const name = made("span", `${film.number} · ${shortName(film.name)}`, "strip-name");
  const answer = made("span", film.answer || "not asked yet", "strip-answer");
  button.append(name, " ", answer);
  button.addEventListener("click", () => choose(film));
  const line = made("li");
  line.append(button);
  return line;
}
