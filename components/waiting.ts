/** Waiting: retries of failed calls, polling until there is a result, and progress messages. */
import { setTimeout as sleep } from "node:timers/promises";
import { firstOf, limited, printable } from "./message-limits";

/** Waits. @throws the signal's AbortError when it is aborted */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal });
}

/** What `poll` tells each look. */
export interface Look {
  /** 1 for the first look. */
  attempt: number;
  /** Milliseconds since the first look started, for a deadline. */
  waited(): number;
}

/**
 * Calls `look` until it returns a result. Also ends when `look` throws (a deadline, or a permanent failure), and when the
 * signal is aborted.
 *
 * @param look returns undefined to be called again
 * @param every milliseconds between two looks, or a function of the number of the last look
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

/** Delays before the retries of a call to another system, in milliseconds: a bounded number, growing. */
const RETRY_DELAYS_MS = [500, 1_000, 2_000, 4_000, 8_000];

/** Latest start of a retry. So a call that hangs until its own limit is retried less often than one that fails at once. */
const LAST_START_MS = 60_000;

/**
 * Retries a call that failed for a temporary reason.
 *
 * @param passes whether an error is temporary
 * @param delays in milliseconds. A list: one delay, with jitter, before each retry; no retry starts later than a minute after
 * the first call. `every` and `within`: the same delay before each retry that starts within that time
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
/** How many problems fit on a screen. */
const MAX_SHOWN = 5;
const LINE_BYTES = 1_000;

/**
 * Prints what is missing while `up` waits: whenever it changes, and otherwise every half minute. Pulumi shows the output of
 * a provider next to the resource.
 */
export function progressOf(
  what: string,
  print: (line: string) => void = console.error,
  now: () => number = Date.now,
): (missing: readonly string[]) => void {
  let last: { line: string; at: number } | undefined;
  return (missing) => {
    const line = `Waiting for ${what}: ${limited(printable(firstOf(missing, MAX_SHOWN).join("; ")), LINE_BYTES)}`;
    if (last !== undefined && last.line === line && now() - last.at < REPEATED_MS) return;
    last = { line, at: now() };
    print(line);
  };
}
