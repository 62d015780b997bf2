/**
 * How a wrong setting is reported: what is wrong, where, and what to do. Checks collect problems
 * instead of throwing at the first, so that one run tells all of them.
 */

/** One thing wrong with one setting. */
export interface SettingProblem {
  /** Path of the setting as the user wrote it, e.g. `databases.orders.storage.size`. */
  setting: string;
  /** The offending value; left out where the setting is missing. */
  value?: unknown;
  /** What is wrong with it. */
  problem: string;
  /** What to write instead. */
  fix: string;
}

/** Thrown before anything is created when settings are wrong; lists every problem found. */
export class SettingsError extends Error {
  constructor(readonly problems: readonly SettingProblem[]) {
    const title = problems.length === 1 ? "1 setting is wrong:" : `${problems.length} settings are wrong:`;
    super([title, ...problems.map((problem) => `  - ${describeProblem(problem)}`)].join("\n"));
    this.name = "SettingsError";
    // Where in the program it was thrown says nothing to who wrote the settings; and Pulumi's printing of a stack that
    // goes through its own outputs was seen to take half a minute and gigabytes on Node 20.
    this.stack = `${this.name}: ${this.message}`;
  }
}

/** One line for one problem: setting, value, what is wrong, fix. */
export function describeProblem({ setting, value, problem, fix }: SettingProblem): string {
  const shown = value === undefined ? "" : ` = ${shorten(JSON.stringify(value) ?? String(value))}`;
  return `${setting}${shown}: ${problem}. ${fix}`;
}

/** Throws a SettingsError if there are problems. */
export function refuse(problems: readonly SettingProblem[]): void {
  if (problems.length > 0) throw new SettingsError(problems);
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
