// How films come to the page: dropped anywhere, chosen, or pasted.
import { find } from "./dom.ts";
import { sourceOfFile } from "./films.ts";
import type { FilmSource } from "./films.ts";

/** Does a drag bring files? Text that is dragged about in the page does not. */
function bringsFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

/** Hand on the films of a list of files; an empty list is handed on, too. */
function sourcesOf(files: FileList | undefined | null): FilmSource[] {
  return Array.from(files ?? [], sourceOfFile);
}

/** Call `take` with the films that are dropped, chosen or pasted. */
export function listenForFilms(take: (films: FilmSource[]) => void): void {
  const here = find("drop-here");

  // Without this a browser would leave the page and open the file.
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    here.hidden = !bringsFiles(event);
  });
  window.addEventListener("dragleave", (event) => {
    const leavesPage = event.relatedTarget === null;
    here.hidden ||= leavesPage;
  });
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    here.hidden = true;
    take(sourcesOf(event.dataTransfer?.files));
  });

  const input = find<HTMLInputElement>("files");
  input.addEventListener("change", () => {
    const films = sourcesOf(input.files);
    input.value = ""; // so that the same film can be chosen again
    if (films.length > 0) {
      take(films);
    }
  });
  document.addEventListener("paste", (event) => {
    const films = sourcesOf(event.clipboardData?.files);
    if (films.length > 0) {
      event.preventDefault();
      take(films);
    }
  });
}
