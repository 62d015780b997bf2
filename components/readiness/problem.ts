/** Something that does not serve. */

export interface Problem {
  text: string;
  /** Seconds after which it is taken for something that does not pass by itself. Default: it may pass. */
  patience?: number;
  /** What to do then. */
  remedy?: string;
}

/** A problem, or the text of one that may pass. */
export type Found = string | Problem;

export function problemOf(found: Found): Problem {
  return typeof found === "string" ? { text: found } : found;
}
