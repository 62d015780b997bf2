/** Shows what the lab does and how long it takes: a running clock on a terminal, plain lines elsewhere. */
const terminal = Boolean(process.stderr.isTTY);
const began = Date.now();
const active = new Map<string, number>();
let clock: NodeJS.Timeout | undefined;

const HEARTBEAT_SECONDS = 30;

function seconds(since: number): string {
  const value = (Date.now() - since) / 1000;
  return value < 100 ? `${value.toFixed(1)} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

function clearClock(): void {
  if (terminal) process.stderr.write("\r\u001b[K");
}

function drawClock(): void {
  if (!terminal || active.size === 0) return;
  const width = (process.stderr.columns || 80) - 1;
  const text = [...active].map(([what, since]) => `${what} ${seconds(since)}`).join(" · ");
  process.stderr.write(`\r\u001b[K${`… ${text}`.slice(0, width)}`);
}

/** Prints a line without disturbing the clock. */
export function say(line: string): void {
  clearClock();
  process.stderr.write(`${line}\n`);
  drawClock();
}

/**
 * Runs a step and prints how long it took. `announce` is for long steps: also prints their beginning, and that they
 * still run.
 */
export async function step<Result>(
  what: string,
  work: () => Promise<Result>,
  options: { announce?: boolean } = {},
): Promise<Result> {
  const since = Date.now();
  active.set(what, since);
  if (options.announce && !terminal) say(`  …    ${what}`);
  if (terminal) clock ??= setInterval(drawClock, 500).unref();
  const heartbeat = terminal
    ? undefined
    : setInterval(() => say(`  …    ${what} (${seconds(since)} so far)`), HEARTBEAT_SECONDS * 1000).unref();
  try {
    const result = await work();
    active.delete(what);
    say(`  ok   ${what}  ${seconds(since)}`);
    return result;
  } catch (error) {
    active.delete(what);
    say(`  FAIL ${what}  ${seconds(since)}`);
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
}

/** Time since the command started. */
export function elapsed(): string {
  return seconds(began);
}
