// The films that were dropped: where they can be read again, and what was answered.

const MOST_FILMS = 20; // that are kept in the list

/** Something that can be read as a film, such as a file. */
export interface FilmSource {
  name: string;
  bytes: () => Promise<Uint8Array>;
}

/** A film of the list. It holds no pixels: those are read when it is shown. */
export interface ListedFilm extends FilmSource {
  number: number; // from 1, in the order of dropping
  answer: string; // in a few words; "" where it was not asked yet
}

/** The newest films. */
export class FilmList {
  films: ListedFilm[] = [];
  private dropped = 0;

  /** Put films at the end, and forget the oldest ones; returns the first of the new ones. */
  add(sources: FilmSource[]): ListedFilm | undefined {
    const added = sources.map((source) => {
      this.dropped += 1;
      return { ...source, number: this.dropped, answer: "" };
    });
    const kept = added.slice(-MOST_FILMS);
    this.films = [...this.films, ...kept].slice(-MOST_FILMS);
    return kept[0];
  }
}

/** A file as something that can be read. */
export function sourceOfFile(file: File): FilmSource {
  return { name: file.name, bytes: async () => new Uint8Array(await file.arrayBuffer()) };
}

/** The bytes in an address that holds them itself: data:image/png;base64,… */
export function bytesOfAddress(address: string): Uint8Array {
  const letters = atob(address.slice(address.indexOf(",") + 1));
  return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
}
