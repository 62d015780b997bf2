/** The lab waits for conditions only here. */
import { setTimeout as sleep } from "node:timers/promises";

export interface WaitOptions {
  /** Time limit in seconds. */
  limit: number;
  /** Milliseconds between two checks. */
  every?: number;
  /** Called at the time limit. Its text ends the message. */
  hint?: () => string;
}

/**
 * Waits until `look` returns true. An error of `look` counts as false, and is named in the message at the time limit.
 */
export async function waitFor(what: string, look: () => Promise<boolean>, options: WaitOptions): Promise<void> {
  const until = Date.now() + options.limit * 1000;
  let last = "";
  for (;;) {
    try {
      if (await look()) return;
    } catch (error) {
      last = (error as Error).message;
    }
    if (Date.now() > until) break;
    await sleep(options.every ?? 200);
  }
  const reasons = [last, options.hint?.() ?? ""].filter(Boolean).join("\n");
  throw new Error(`Timed out after ${options.limit} s, waiting until ${what}.${reasons ? `\n${reasons}` : ""}`);
}
