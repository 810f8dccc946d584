// Why a file cannot be read as one radiograph.

/** A file that cannot be read as a film, and why, in words a radiologist can act on. */
export class BadFilm extends Error {
  /** `reason`: one sentence; never text from the file. */
  constructor(reason: string) {
    super(reason);
    this.name = "BadFilm";
  }
}

export const DAMAGED =
  "the file is damaged: its pixels cannot be read. Export or download it again";
export const ENDS_TOO_EARLY =
  "the file is damaged: its pixels end too early. Export or download it again";
