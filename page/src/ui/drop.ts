// How films come to the page: dropped anywhere, chosen, or pasted.
import { find } from "./dom.ts";
import { sourceOfFile } from "./films.ts";
import type { FilmSource } from "./films.ts";

/** Does a drag bring files? Text that is dragged about in the page does not. */
function bringsFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

/** The films of a list of files. */
function sourcesOf(files: FileList | undefined | null): FilmSource[] {
  return Array.from(files ?? [], sourceOfFile);
}

/** Call `take` with the films that are dropped, chosen or pasted. */
export function listenForFilms(take: (films: FilmSource[]) => void): void {
  const here = find("drop-here");

  // (That the browser does not leave the page and open the file, early.ts has seen to.)
  window.addEventListener("dragover", (event) => {
    here.hidden = !bringsFiles(event);
  });
  window.addEventListener("dragleave", (event) => {
    const leavesPage = event.relatedTarget === null;
    here.hidden ||= leavesPage;
  });
  const input = find<HTMLInputElement>("files");
  window.addEventListener("drop", (event) => {
    here.hidden = true;
    if (bringsFiles(event)) {
      const films = sourcesOf(event.dataTransfer?.files);
      input.value = ""; // early.ts has laid them there
      take(films);
    }
  });

  /** Take what lies in the field for files. */
  function takeChosen(): void {
    const films = sourcesOf(input.files);
    input.value = ""; // so that the same film can be chosen again
    if (films.length > 0) {
      take(films);
    }
  }
  input.addEventListener("change", takeChosen);
  takeChosen(); // what came before this program ran
  document.addEventListener("paste", (event) => {
    const films = sourcesOf(event.clipboardData?.files);
    if (films.length > 0) {
      event.preventDefault();
      take(films);
    }
  });
}
