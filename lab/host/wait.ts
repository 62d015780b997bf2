/** The lab's one way of waiting for something to become true. */
import { setTimeout as sleep } from "node:timers/promises";

export interface WaitOptions {
  /** Seconds until it fails. */
  limit: number;
  /** Milliseconds between two looks. */
  every?: number;
  /** Called when it fails; its text ends the message. */
  hint?: () => string;
}

/** Looks until `look` gives true; what it throws counts as not yet, and is named if the time runs out. */
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
  throw new Error(`${what}: not so after ${options.limit} s.${reasons ? `\n${reasons}` : ""}`);
}
