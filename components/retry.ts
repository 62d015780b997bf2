/** The one retry policy towards other systems: a bounded number of times, with growing, jittered pauses. */
import { setTimeout as sleep } from "node:timers/promises";

/** Pauses in milliseconds. */
const RETRY_DELAYS_MS = [500, 1_000, 2_000, 4_000, 8_000];

/** Calls that hang until their own limit are not repeated as often as those that fail at once. */
const LAST_START_MS = 60_000;

/** Repeats a call that failed for a reason that passes; the last time it begins within a minute of the first. */
export async function retried<Result>(
  call: () => Promise<Result>,
  passes: (error: unknown) => boolean,
  delays: readonly number[] = RETRY_DELAYS_MS,
): Promise<Result> {
  const last = Date.now() + LAST_START_MS;
  for (let attempt = 0; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      const delay = delays[attempt];
      if (!passes(error) || delay === undefined || Date.now() + delay > last) throw error;
      await sleep(delay * (0.75 + Math.random() / 2));
    }
  }
}
