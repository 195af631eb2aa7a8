// What can be wrong with something sealed. A reader stops at the first thing wrong and names the file.

export type Wrong = "form" | "tampered" | "untrusted" | "destroyed" | "key";

/** `kind` tells apart what FORMAT.md tells apart; `message` begins with the file's name. Nothing sealed stands in it. */
export class SealedError extends Error {
  readonly kind: Wrong;

  constructor(kind: Wrong, message: string) {
    super(message);
    this.name = "SealedError";
    this.kind = kind;
  }
}

export const badForm = (message: string): SealedError => new SealedError("form", message);
export const tampered = (message: string): SealedError => new SealedError("tampered", message);
export const untrusted = (message: string): SealedError => new SealedError("untrusted", message);
export const destroyed = (message: string): SealedError => new SealedError("destroyed", message);
export const badKey = (message: string): SealedError => new SealedError("key", message);

/** Puts a file's name before the errors of those who cannot know it. */
export function naming<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof SealedError) throw new SealedError(error.kind, `${name}: ${error.message}`);
    throw error;
  }
}
