/** How this project waits: it repeats what failed, looks again until something is so, and says what it waits for. */
import { setTimeout as sleep } from "node:timers/promises";
import { firstOf, limited, printable } from "./message-limits";

/** Waits for so many milliseconds. @throws the signal's AbortError when it is aborted */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal });
}

/** What a look is given. */
export interface Look {
  /** 1 for the first look. */
  attempt: number;
  /** Milliseconds since the first look began, for a deadline. */
  waited(): number;
}

/**
 * Looks until there is a result. Ends when `look` returns one, when it throws (a deadline, or a failure that does not
 * pass), and when the signal is aborted.
 *
 * @param look returns undefined to be called again
 * @param every milliseconds between two looks; a function is given the number of the look that has ended
 */
export async function poll<Result>(
  look: (at: Look) => Promise<Result | undefined>,
  every: number | ((attempt: number) => number),
  signal?: AbortSignal,
): Promise<Result> {
  const begun = Date.now();
  const waited = () => Date.now() - begun;
  for (let attempt = 1; ; attempt++) {
    const found = await look({ attempt, waited });
    if (found !== undefined) return found;
    await pause(typeof every === "number" ? every : every(attempt), signal);
  }
}

/** Milliseconds before each repetition: towards other systems, a bounded number of times, and growing. */
const RETRY_DELAYS_MS = [500, 1_000, 2_000, 4_000, 8_000];

/** Calls that hang until their own limit are not repeated as often as those that fail at once. */
const LAST_START_MS = 60_000;

/**
 * Repeats a call that failed for a reason that passes.
 *
 * @param delays in milliseconds: before each repetition, with jitter, the last of which begins within a minute of the first
 * call; or the same one for as long as a repetition begins `within`
 */
export async function retried<Result>(
  call: () => Promise<Result>,
  passes: (error: unknown) => boolean,
  delays: readonly number[] | { every: number; within: number } = RETRY_DELAYS_MS,
): Promise<Result> {
  const delayAfter = (attempt: number) => ("within" in delays ? delays.every : delays[attempt - 1]);
  const within = "within" in delays ? delays.within : LAST_START_MS;
  const jitter = () => ("within" in delays ? 1 : 0.75 + Math.random() / 2);
  const look = async ({ attempt, waited }: Look) => {
    try {
      return { result: await call() };
    } catch (error) {
      const delay = delayAfter(attempt);
      if (!passes(error) || delay === undefined || waited() + delay > within) throw error;
      return undefined;
    }
  };
  return (await poll(look, (ended) => (delayAfter(ended) ?? 0) * jitter())).result;
}

const REPEATED_MS = 30_000;
/** As many of the problems as fit on a screen. */
const SHOWN = 5;
const LINE_BYTES = 1_000;

/**
 * Prints what is missing while `up` waits: when that changes, and otherwise every half minute. Pulumi shows what a provider
 * prints beside the resource.
 */
export function progressOf(
  what: string,
  print: (line: string) => void = console.error,
  now: () => number = Date.now,
): (missing: readonly string[]) => void {
  let last: { line: string; at: number } | undefined;
  return (missing) => {
    const line = `Waiting for ${what}: ${limited(printable(firstOf(missing, SHOWN).join("; ")), LINE_BYTES)}`;
    if (last !== undefined && last.line === line && now() - last.at < REPEATED_MS) return;
    last = { line, at: now() };
    print(line);
  };
}
