/** What a person sees while `up` waits: what is still missing, when that changes and otherwise every half minute. */
import { firstOf, limited, printable } from "../dynamic/message-limits";

const REPEATED_MS = 30_000;
/** As many of the problems as fit on a screen. */
const SHOWN = 5;
const LINE_BYTES = 1_000;

/** Prints what is missing, where it is due. Pulumi shows what a provider prints beside the resource. */
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
