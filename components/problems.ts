/**
 * How a wrong setting is reported: what is wrong, where, and what to do. Checks collect problems
 * instead of throwing at the first, so that one run reports all of them.
 */

/** One thing wrong with one setting. */
export interface SettingProblem {
  /** Path of the setting, as the user writes it, e.g. `databases.orders.storage.size`. */
  setting: string;
  /** The wrong value. Absent if the setting is missing. */
  value?: unknown;
  /** What is wrong with it. */
  problem: string;
  /** What to write instead. */
  fix: string;
}

/** Thrown if settings are wrong, before anything is created. Lists every problem found. */
export class SettingsError extends Error {
  declare readonly problems: readonly SettingProblem[];

  constructor(problems: readonly SettingProblem[]) {
    const title = problems.length === 1 ? "1 setting is wrong:" : `${problems.length} settings are wrong:`;
    super([title, ...problems.map((problem) => `  - ${describeProblem(problem)}`)].join("\n"));
    this.name = "SettingsError";
    // Pulumi prints the enumerable members of an error after its message, so every problem would appear twice.
    Object.defineProperty(this, "problems", { value: problems });
    // A stack trace does not help the author of the settings. Also, Pulumi took half a minute and gigabytes of memory on
    // Node 20 to print a stack trace that passed through its own outputs.
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
